//! Whether a log is followed whoever writes to it: other threads, and other openings of the same store, as another process
//! has one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secure_log::engine::{NewEntry, SecureLog};
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::shared::SharedLog;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::tail::{Delivery, Start, TailOptions};

use crate::attacks::{options, providers};
use crate::surroundings::{alone, count};

/// How much another process appends.
const OF_ANOTHER_PROCESS: u64 = 20;
/// Longer than it takes to begin on any machine.
const A_MINUTE: Duration = Duration::from_secs(60);

/// The seqnos of what was given out.
///
/// # Panics
/// When something else was given out than entries.
#[track_caller]
pub fn seqnos(given: &[Delivery]) -> Vec<u64> {
    let seqno = |delivery: &Delivery| match delivery {
        Delivery::Entry(entry) => entry.seqno,
        other => panic!("no entry: {other:?}"),
    };
    given.iter().map(seqno).collect()
}

/// Two threads of this process append to the log in a store, and so does one that opened the store for itself. Subscriptions
/// from now on, from a cursor, and to the topics of one stream get every entry that they want, once and in order.
///
/// # Panics
/// When they do not.
pub fn follows_every_writer<S: SecureLogStore + Send>(open: impl Fn() -> S + Sync) {
    let log = SharedLog::new(open_log(open()).unwrap());
    let each = count(30, 1_000);
    let before = 3;
    for _ in 0..before {
        log.append(&entry("before")).unwrap();
    }
    let options = TailOptions { poll_every: Duration::from_millis(5), max_behind: None, ..TailOptions::default() };
    let every = |start| log.subscribe(TailOptions { start, ..options.clone() }).unwrap();
    let (now, all) = (every(Start::Now), every(Start::Seqno(1)));
    let other = log.subscribe(TailOptions { topics: vec!["other/#".parse().unwrap()], ..options.clone() }).unwrap();
    let entries = before + 3 * each;
    let written = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..each {
                    patiently(|| log.append(&entry("own")));
                    written.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            let mut log = open_log(open()).unwrap();
            for _ in 0..each {
                patiently(|| log.append(&entry("other")));
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        let [now, all, other] =
            [(now, entries - before), (all, entries), (other, each)].map(|(mut subscription, wanted)| {
                scope.spawn(move || {
                    let given: Vec<Delivery> = (0..wanted).map(|_| patiently(|| subscription.wait())).collect();
                    assert_eq!(patiently(|| subscription.wait_for(Duration::from_millis(20))), None);
                    given
                })
            });
        let (now, all, other) = (now.join().unwrap(), all.join().unwrap(), other.join().unwrap());
        assert_eq!(seqnos(&all), (1..=entries).collect::<Vec<_>>());
        assert_eq!(now, all[before as usize..]);
        let is_of_other = |delivery: &&Delivery| matches!(delivery, Delivery::Entry(entry) if entry.stream == "other");
        assert_eq!(other.iter().collect::<Vec<_>>(), all.iter().filter(is_of_other).collect::<Vec<_>>());
    });
    assert_eq!(written.load(Ordering::SeqCst), 3 * each);
}

/// Opens the log in a store, with the keys of the sample log.
pub fn open_log<S: SecureLogStore>(store: S) -> Result<SecureLog<S>, LogError> {
    SecureLog::open(store, providers(), options())
}

/// Calls until another writer was not faster, and holds nothing.
///
/// # Panics
/// When it fails for another reason.
pub fn patiently<T>(mut call: impl FnMut() -> Result<T, LogError>) -> T {
    loop {
        match call() {
            Ok(done) => return done,
            Err(LogError::Conflict | LogError::Store(StoreError::Locked { .. })) => std::thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// An entry of a stream.
pub fn entry(stream: &str) -> NewEntry<'_> {
    NewEntry {
        stream,
        event: "test.event",
        severity: Severity::Info,
        producer: "test",
        encoding: "text",
        payload: b"said",
    }
}

/// Another process appends to the log in a store, and what it says that it appended is followed here. `test` is the path of
/// the test that calls this, which the other process runs, too.
///
/// # Panics
/// When something is not followed.
pub fn follows_another_process<S: SecureLogStore>(test: &str, place: &Path, open: impl Fn(&Path) -> S) {
    const PLACE: &str = "SECURE_LOG_TEST_APPENDS_TO";
    if let Some(place) = std::env::var_os(PLACE) {
        let mut log = open_log(open(Path::new(&place))).unwrap();
        for _ in 0..OF_ANOTHER_PROCESS {
            let (appended, _) = patiently(|| log.append(&entry("other")));
            println!("acknowledged {}", appended.seqno);
        }
        return;
    }
    let log = SharedLog::new(open_log(open(place)).unwrap());
    log.append(&entry("own")).unwrap();
    let mut subscription = log.subscribe(TailOptions::default()).unwrap();
    let other = std::thread::scope(|scope| {
        let other = scope.spawn(|| alone(test).env(PLACE, place).output().unwrap());
        let mut next = || patiently(|| subscription.wait_for(A_MINUTE)).expect("the other process appends");
        let given: Vec<Delivery> = (0..OF_ANOTHER_PROCESS).map(|_| next()).collect();
        assert_eq!(seqnos(&given), (2..2 + OF_ANOTHER_PROCESS).collect::<Vec<_>>());
        other.join().unwrap()
    });
    let said = String::from_utf8(other.stdout).unwrap();
    assert_eq!(said.matches("acknowledged").count() as u64, OF_ANOTHER_PROCESS, "{said}");
}
