//! Verifying a log of which others write, prune and erase meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use secure_log::engine::{Erase, NewEntry};
use secure_log::entry::{StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::retention::Retention;
use secure_log::shared::SharedLog;
use secure_log::store::SecureLogStore;
use secure_log::verify::Verdict;

use crate::archiving::{entry, open};
use crate::sealing::sealed_entry;
use crate::{SeededRandom, count, seed};

/// So much is done at the most while one verification runs, or the log would grow faster than it is verified.
const STEPS: u64 = 60;
/// What is read at once is about a MiB: a log of several.
const FIRST_ENTRIES: usize = 240;
static PAYLOAD: [u8; 20_000] = [b'x'; 20_000];

/// Shows that each verification of a shared log finds it valid, and everything that was acknowledged before it began, whatever other
/// threads do to the log meanwhile: append to it, plainly and sealed, prune, erase, and wrap keys anew.
///
/// # Panics
/// When one does not.
pub fn verifications_are_right_whatever_is_done_meanwhile<S: SecureLogStore + Send>(store: S) {
    let log = SharedLog::new(open(store, None).expect("a log is made"));
    let rules = StreamRules { tier: Tier::Protected, ..StreamRules::default() };
    log.lock().create_stream("sealed", &rules).expect("a stream is made");
    for stream in ["kept", "goes"] {
        let batch: Vec<NewEntry<'_>> = (0..FIRST_ENTRIES / 2).map(|_| entry(stream, &PAYLOAD)).collect();
        log.append_batch(&batch).expect("they are appended");
    }
    let (acknowledged, verified, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let mut dice = SeededRandom::new(seed());
    thread::scope(|scope| {
        scope.spawn(|| {
            // Also where a check fails, or the others would go on for ever.
            let _end = Ends(&done);
            for round in 0..count(20, 400) {
                let before = acknowledged.load(Ordering::Acquire);
                let report = log.verify_log().expect("the log can be read");
                assert_eq!(report.verdict, Verdict::Valid, "round {round}: {report:?}");
                assert!(report.size >= before, "round {round}: {} of {before}", report.size);
                verified.store(round + 1, Ordering::Release);
            }
        });
        let mut steps = 0;
        while !done.load(Ordering::Acquire) {
            if steps < (verified.load(Ordering::Acquire) + 1) * STEPS {
                do_something(&log, &mut dice);
                acknowledged.store(log.lock().size(), Ordering::Release);
                steps += 1;
            }
            // Or threads that never pause would keep each other out.
            thread::sleep(Duration::from_micros(300));
        }
    });
}

fn do_something<S: SecureLogStore>(log: &SharedLog<S>, dice: &mut SeededRandom) {
    let retention: Retention = "stream entries:0 goes".parse().expect("it is one");
    match dice.below(12) {
        // What is pruned stands in closed segments.
        0 | 1 => {
            let mut log = log.lock();
            let closed = log.close_segment("goes");
            assert!(matches!(closed, Ok(_) | Err(LogError::EmptySegment(_))), "{closed:?}");
            log.prune(&retention, "goes").expect("it is pruned");
        }
        2 => drop(log.lock().erase("sealed", Erase::Stream).expect("it is erased")),
        3 => {
            let label = ["kek-1", "kek-2"][dice.below(2) as usize];
            log.lock().reseal(None, label).expect("keys are wrapped anew");
        }
        4..7 => drop(log.append_sealed(&sealed_entry(b"secret")).expect("it is sealed")),
        _ => {
            let stream = ["kept", "goes"][dice.below(2) as usize];
            log.append(&entry(stream, &PAYLOAD[..dice.below(500) as usize])).expect("it is appended");
        }
    }
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
