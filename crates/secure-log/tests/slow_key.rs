//! A key that takes 5 ms a signature, as one on a token of hardware, and heads that are signed every 100 ms for that
//! (format.md s.6, rule 8 of docs/security.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::world::*;
use secure_log::engine::{Every, LogOptions, Providers};
use secure_log::entry::LOG_STREAM;
use secure_log::error::LogError;
use secure_log::providers::{CheckpointSigner, Clock, KeyError, Keystore, MacKey};
use secure_log::sign::Algorithm;
use secure_log::time::Timestamp;
use secure_log::verify::Verdict;
use secure_log::{NativeSecureLog, SecureLog, control};
use secure_log_testkit::{TestKeystore, count};

const SIGNATURE: Duration = Duration::from_millis(5);
const EVERY_MS: u64 = 100;

/// Keys that take their time, and how many signatures they made.
#[derive(Clone)]
struct SlowKeys(TestKeystore, Arc<AtomicU64>);

struct SlowSigner(Box<dyn CheckpointSigner + Send>, Arc<AtomicU64>);

impl Keystore for SlowKeys {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        Ok(Box::new(SlowSigner(self.0.signer(label)?, Arc::clone(&self.1))))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        self.0.mac(label)
    }
}

impl CheckpointSigner for SlowSigner {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        sleep(SIGNATURE);
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sign(message)
    }
}

/// A key that sleeps takes real time.
struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
        Timestamp::from_unix(since.as_secs() as i64, since.subsec_nanos()).expect("it is earlier than 10000")
    }
}

impl SlowKeys {
    fn open(&self, world: &World, head_every: Every) -> Result<Log, LogError> {
        let clock = Box::new(RealClock);
        let providers = Providers { keystore: Box::new(self.clone()), clock, ..world.providers() };
        SecureLog::open(world.store.clone(), providers, LogOptions { head_every, ..world.options() })
    }

    fn signatures(&self) -> u64 {
        self.1.load(Ordering::SeqCst)
    }
}

#[test]
fn commits_wait_for_a_slow_key_as_seldom_as_they_were_told_to_and_what_is_in_between_is_named() {
    let world = World::new();
    let keys = SlowKeys(world.keys.clone(), Arc::default());
    let log = NativeSecureLog::new(keys.open(&world, Every::Millis(EVERY_MS)).unwrap());
    let (started, before) = (Instant::now(), keys.signatures());
    let lasts = Duration::from_millis(count(350, 2000));
    std::thread::scope(|threads| {
        for thread in 0..8u8 {
            let log = &log;
            threads.spawn(move || {
                while started.elapsed() < lasts {
                    log.append(&entry("a", &[thread])).unwrap();
                }
            });
        }
    });
    let (took, signed) = (started.elapsed(), keys.signatures() - before);
    // Not one more than the time that passed makes due, however many commits there were.
    let due = took.as_millis() as u64 / EVERY_MS;
    assert!((1..=due).contains(&signed), "{signed} signatures in {took:?}");
    let unsigned = world.heads().iter().filter(|head| head.sigs.is_empty()).count() as u64;
    assert!(unsigned > 10 * signed, "{unsigned} commits did not wait for the key");

    let mut log = log.lock();
    // Right after a signed head comes one that is not due yet.
    log.sign_head().unwrap();
    append(&mut log, "a", b"attested by nobody yet");
    let (size, report) = (log.size(), log.verify_log().unwrap());
    assert_eq!((log.status().attested_to, log.status().size), (size - 1, size));
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, size - 1));
    assert!(
        report
            .missing
            .iter()
            .any(|text| text.to_string() == format!("entries {size} to {size}: covered by no trusted tree head")),
        "{:?}",
        report.missing
    );
    log.sign_head().unwrap();
    world.assert_valid(size);
}

#[test]
fn what_a_writer_with_a_slow_key_left_behind_is_adopted_by_such_a_one_alone() {
    let world = World::new();
    let keys = SlowKeys(world.keys.clone(), Arc::default());
    let mut log = keys.open(&world, Every::Millis(3_600_000)).unwrap();
    for payload in [b"1", b"2"] {
        append(&mut log, "a", payload);
    }
    drop(log);
    let refused = keys.open(&world, Every::Commit).map(drop).unwrap_err();
    assert!(matches!(refused, LogError::Unattested { first: 1, last: 2 }), "{refused:?}");

    let mut log = keys.open(&world, Every::Millis(3_600_000)).unwrap();
    let recorded = log.read(3).unwrap();
    assert_eq!((recorded.stream.as_str(), recorded.event.as_str()), (LOG_STREAM, control::RECOVERED));
    assert_eq!(recorded.payload, b"1 2");
    assert_eq!((log.status().attested_to, log.status().size), (3, 3), "nothing else is signed before the record");
    let report = log.verify_log().unwrap();
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 3));
    assert!(report.missing[0].to_string().starts_with("entries 1 to 2: "), "{:?}", report.missing);
}
