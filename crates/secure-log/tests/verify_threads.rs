//! The report on a log depends on nothing but the log and the policy: not on the number of threads, and not on the pieces in
//! which its bytes come.

use std::num::NonZeroUsize;

use crate::support::damage::change_bytes;
use crate::support::dice::Dice;
use crate::world::World;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::jsonl::export;
use secure_log::memory::MemoryStore;
use secure_log::sign::Algorithm;
use secure_log::verify::{LogVerifier, Progress, Report, Trust, Verdict, verify_jsonl_on};
use secure_log_testkit::{count, seed};

#[test]
fn threads_and_pieces_change_no_report() {
    let (count, seed) = (count(24, 300), seed());
    println!("{count} logs from SECURE_LOG_SEED={seed}");
    let (whole, trust) = log_of_several_chunks();
    let mut verdicts = [0; 3];
    for number in 0..count {
        let dice = &mut Dice::new(seed + number);
        let log = match number {
            0 => whole.clone(),
            // Which byte is changed is chance, and what is changed seldom is a last commit that is torn.
            1 => whole[..whole.len() - 10].to_vec(),
            _ => change_bytes(whole.clone(), dice),
        };
        let alone = on(1, &log, &trust);
        for threads in [2, 4] {
            assert_eq!(on(threads, &log, &trust), alone, "SECURE_LOG_SEED={} on {threads} threads", seed + number);
        }
        assert_eq!(in_pieces(&log, &trust, dice), alone, "SECURE_LOG_SEED={} in pieces", seed + number);
        verdicts[match alone.verdict {
            Verdict::Valid => 0,
            Verdict::Incomplete => 1,
            Verdict::Invalid(_) => 2,
        }] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 0), "not every verdict was there: {verdicts:?}");
}

/// A log of some megabytes in commits of many sizes, and the keys that it is signed with.
fn log_of_several_chunks() -> (Vec<u8>, Trust) {
    const SECOND: &str = "checkpoint-second";
    let world = World { keys: World::new().keys.signing(SECOND, Algorithm::Ed25519), ..World::new() };
    let mut log = SecureLog::open(MemoryStore::new(), world.providers(), world.options()).unwrap();
    let payload = "x".repeat(256);
    for round in 0..60 {
        let stream = ["a", "b", "c"][round % 3];
        let entry = NewEntry {
            stream,
            event: "tick",
            severity: Severity::Info,
            producer: "test",
            encoding: "text",
            payload: payload.as_bytes(),
        };
        let batch = vec![entry; 1 + (round * 37) % 200];
        // Signatures by a key that is known, by one that it introduces, and none.
        match round % 4 {
            0 => log.append_signed_batch(&batch).unwrap(),
            _ => log.append_batch(&batch).unwrap(),
        };
        if round == 30 {
            log.rotate_key(SECOND).unwrap();
        }
        if round % 7 == 6 {
            log.close_segment(stream).unwrap();
        }
    }
    let mut lines = Vec::new();
    export(log.store_mut(), &mut lines).unwrap();
    assert!(lines.len() > 2 << 20, "threads begin after the first chunk");
    (lines, secure_log_testkit::attacks::trust())
}

fn on(threads: usize, log: &[u8], trust: &Trust) -> Report {
    let mut last = Progress { bytes: 0, lines: 0 };
    let forward = |now: Progress| {
        assert!(now.bytes >= last.bytes && now.lines >= last.lines, "progress goes back");
        last = now;
    };
    verify_jsonl_on(NonZeroUsize::new(threads).unwrap(), log, trust, forward).unwrap()
}

fn in_pieces(log: &[u8], trust: &Trust, dice: &mut Dice) -> Report {
    let mut verifier = LogVerifier::new(trust.clone()).unwrap();
    let mut rest = log;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + dice.index(300_000)).min(rest.len()));
        rest = after;
        if !verifier.push(piece) {
            break;
        }
    }
    verifier.finish()
}
