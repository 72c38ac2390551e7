//! Row 21: writers of one file at the same time.

use std::sync::Barrier;

use secure_log_testkit::attacks::{Said, Subject};
use secure_log_testkit::count;
use wasmtime::{Result, ensure};

use crate::composed::Composed;
use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check_over};

/// The checks.
pub fn checks() -> Vec<Check> {
    [Kept::AsReleased, Kept::InDatabaseAsReleased, Kept::InPostgresAsReleased]
        .into_iter()
        .map(|kept| {
            check_over(kept, "21", "instances that write at the same time lose nothing and never fork", at_once)
        })
        .collect()
}

fn at_once(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let name = format!("at-once.{}", kept.extension());
    let log = || stacks.at(kept, &stacks.folder(), &name);
    let each = count(30, 300);
    let both_are_open = Barrier::new(2);
    let write = |name: &str| {
        let mut log = log();
        retry(&mut log, |log| log.open());
        // Neither is done before the other begins.
        both_are_open.wait();
        // Both write to one stream, so that each finds what it knew of it moved on.
        (0..each)
            .map(|n| {
                let payload = format!("{name} {n}");
                (retry(&mut log, |log| log.append("both", &payload)), payload)
            })
            .collect::<Vec<_>>()
    };
    let acknowledged: Vec<(u64, String)> = std::thread::scope(|scope| {
        let writers = ["first", "second"].map(|name| scope.spawn(|| write(name)));
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer ends")).collect()
    });
    let mut log = log();
    let said = log.open_and_verify();
    ensure!(said == Said::Valid, "expected valid, found {said:?}");
    for (seqno, payload) in &acknowledged {
        ensure!(log.read(*seqno) == Ok(payload.clone().into_bytes()), "entry {seqno} is not what was acknowledged");
    }
    let entries = log.records().iter().filter(|record| record.seqno().is_some()).count() as u64;
    ensure!(entries == 2 * each, "every acknowledged entry is there once, and no other: {entries}");
    Ok(Seen::Held(format!("{entries} entries of two instances in two threads")))
}

/// Calls again as long as somebody else is faster.
fn retry<T>(log: &mut Composed<'_>, mut call: impl FnMut(&mut Composed<'_>) -> Result<T, String>) -> T {
    loop {
        match call(log) {
            Ok(done) => return done,
            Err(refusal) if ["conflict", "locked"].contains(&refusal.as_str()) => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }
}
