//! What a log says of its own store does not depend on the number of threads: neither the report on all of it, nor that on the
//! signatures of one stream.

use std::num::NonZeroUsize;

use crate::support::dice::Dice;
use crate::world::{Log, World, append, entry, signed};
use secure_log::entry::SigningRule;
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::sign::Algorithm;
use secure_log::store::SecureLogStore;
use secure_log::verify::{Report, Verdict};
use secure_log_testkit::{OwnedRecord, count, seed};

/// The key that the log goes on with.
const SECOND: &str = "checkpoint-second";
/// Signed in part, as a whole, and not at all.
const STREAMS: [&str; 3] = ["some", "all", "none"];

#[test]
fn threads_change_nothing_that_a_log_says_of_its_store() {
    let (count, seed) = (count(12, 600), seed());
    println!("{count} stores from SECURE_LOG_SEED={seed}");
    let world = World { keys: World::new().keys.signing(SECOND, Algorithm::Ed25519), ..World::new() };
    let mut log = signed_log(&world);
    let whole = world.records();
    let mut said = [0; 4];
    for number in 0..count {
        let dice = &mut Dice::new(seed + number);
        let mut records = whole.clone();
        if number > 0 {
            change(&mut records, dice);
        }
        world.put(&records);
        let alone = Said::by(&mut log, 1);
        for threads in [2, 4] {
            assert_eq!(Said::by(&mut log, threads), alone, "SECURE_LOG_SEED={} on {threads} threads", seed + number);
        }
        said[match &alone.of_all {
            Ok(Report { verdict: Verdict::Valid, .. }) => 0,
            Ok(Report { verdict: Verdict::Invalid(_), .. }) => 1,
            Ok(_) | Err(_) => 2,
        }] += 1;
        said[3] += u64::from(alone.of_streams.iter().any(Result::is_err));
    }
    assert!(said[0] > 0 && said[1] > 0 && said[3] > 0, "not every answer was there: {said:?}");
}

#[derive(Debug, PartialEq)]
struct Said {
    of_all: Result<Report, LogError>,
    of_streams: Vec<Result<u64, LogError>>,
}

impl Said {
    fn by(log: &mut Log, threads: usize) -> Said {
        let threads = NonZeroUsize::new(threads).unwrap();
        let of_streams = STREAMS.map(|stream| log.verify_entry_signatures_on(threads, stream)).into();
        Said { of_all: log.verify_log_on(threads), of_streams }
    }
}

/// A log of more than a megabyte whose key is replaced on the way.
fn signed_log(world: &World) -> Log {
    let mut log = world.open().unwrap();
    log.create_stream("all", &signed(SigningRule::Entries)).unwrap();
    let payload = [b'x'; 256];
    for round in 0..40 {
        let stream = STREAMS[round % 3];
        let batch = vec![entry(stream, &payload); 20 + round * 3];
        match stream {
            "some" => log.append_signed_batch(&batch).unwrap(),
            _ => log.append_batch(&batch).unwrap(),
        };
        append(&mut log, "some", b"not signed");
        match round {
            13 => drop(log.close_segment("some").unwrap()),
            20 => drop(log.rotate_key(SECOND).unwrap()),
            _ => {}
        }
    }
    let bytes = world.store.with(|store| {
        let mut bytes = 0;
        store.scan(0, usize::MAX, &mut |record| bytes += OwnedRecord::from(record).bits() / 8).unwrap();
        bytes
    });
    assert!(bytes > 1 << 20, "more than is read at once, not {bytes} bytes");
    let report = log.verify_log().unwrap();
    assert_eq!((&report.verdict, report.signatures), (&Verdict::Valid, 2101), "{report:?}");
    log
}

/// Does what a store could do to a few of its records.
fn change(records: &mut Vec<OwnedRecord>, dice: &mut Dice) {
    for _ in 0..=dice.roll(2) {
        let at = 1 + dice.index(records.len() - 1);
        match dice.roll(8) {
            0 => drop(records.remove(at)),
            1 => records.insert(at, records[dice.index(records.len())].clone()),
            2 => records.swap(at - 1, at),
            3 => {
                if let bits @ 1.. = records[at].bits() {
                    records[at].flip(dice.roll(bits));
                }
            }
            4 => records.insert(at, OwnedRecord::Unknown("mystery".into())),
            5 => {
                if let OwnedRecord::Entry { seqno, stream, hash, .. } = records[at].clone() {
                    records[at] = OwnedRecord::Pruned { seqno, stream, hash };
                }
            }
            _ => change_signature(records, at, dice),
        }
    }
}

/// Changes the next signature, if there is one.
fn change_signature(records: &mut [OwnedRecord], from: usize, dice: &mut Dice) {
    let other = Hash::sha256(&dice.roll(u64::MAX).to_be_bytes());
    let next = records[from..].iter_mut().find_map(|record| match record {
        OwnedRecord::Signature(row) => Some(row),
        _ => None,
    });
    let Some(row) = next else { return };
    match dice.roll(5) {
        0 => row.sig[dice.index(64)] ^= 1 << dice.roll(8),
        1 => row.sig.truncate(63),
        2 => row.key = other.0.into(),
        3 => row.identity = "somebody else".into(),
        _ => row.sig[..32].copy_from_slice(&other.0),
    }
}
