//! A database file in which bytes changed: reading it ends, and only the log that was written is called valid.

use std::fs;

use secure_log_sqlite::SqliteStore;
use secure_log_testkit::attacks::{Said, Subject, sample_records};
use secure_log_testkit::{SeededRandom, attested, count, records_of, seed};
use wasmtime::{Result, ensure};

use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check};

/// The checks.
pub fn checks() -> Vec<Check> {
    vec![check("1", "database: random bytes that changed never make another log valid", bytes_that_changed)]
}

fn bytes_that_changed(stacks: &Stacks) -> Result<Seen> {
    let right = sample_records();
    let mut log = stacks.fresh(Kept::InDatabaseAsReleased);
    log.lay(&right);
    let all = attested(right.clone());
    let whole = fs::read(log.file())?;
    let mut random = SeededRandom::new(seed());
    let (rounds, mut valid, mut refused) = (count(60, 1000), 0, 0);
    for round in 0..rounds {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.below(256) as u8;
        }
        let mut log = stacks.at(Kept::InDatabaseAsReleased, &stacks.folder(), "damaged.db");
        log.lay_file(&bytes)?;
        // A trap is a panic here.
        match log.open_and_verify() {
            Said::Valid => {
                valid += 1;
                for record in &right {
                    let (Some(seqno), Some(entry)) = (record.seqno(), record.entry()) else { continue };
                    let payload = log.read(seqno);
                    ensure!(payload == Ok(entry.payload), "round {round}: valid, and entry {seqno} is {payload:?}");
                }
                // SQLite checks a page when a connection reads it first: some damage is an error once, and then read rightly.
                let Ok(records) = records_of(&mut SqliteStore::open(log.file())?) else { continue };
                ensure!(attested(records) == all, "round {round}: another log is called valid");
            }
            Said::Refused(_) => refused += 1,
            Said::Invalid { .. } | Said::Incomplete { .. } => {}
        }
    }
    ensure!(valid < rounds, "some damage is found");
    Ok(Seen::Held(format!("{rounds} files: {valid} valid and the same log, {refused} refused, the others not valid")))
}
