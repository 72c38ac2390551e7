//! Verifying a log that threads share: who appends does not wait for all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

use crate::world::*;
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::shared::SharedLog;
use secure_log::verify::Verdict;
use secure_log_testkit::meanwhile::verifications_are_right_whatever_is_done_meanwhile;
use secure_log_testkit::{HostileStore, OwnedRecord};

/// Entries that are a page each.
const PAGES: u64 = 24;

#[test]
fn verifications_are_right_whatever_is_done_to_a_log_in_memory_meanwhile() {
    verifications_are_right_whatever_is_done_meanwhile(MemoryStore::new());
}

#[test]
fn who_appends_while_a_shared_log_is_verified_waits_for_a_page_of_it() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for _ in 0..PAGES {
        append(&mut log, "large", &vec![b'x'; 1 << 20]);
    }
    drop(log);
    let verifying = Arc::new(AtomicBool::new(false));
    let (appended, appended_before_the_end) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begun, has_begun) = mpsc::channel();
    let [watched, done, on_time] = [&verifying, &appended, &appended_before_the_end].map(Arc::clone);
    let store = HostileStore::new(world.store.clone()).rewrite_rows(move |record| {
        match record {
            OwnedRecord::Entry { seqno: 1, .. } if watched.load(SeqCst) => begun.send(()).unwrap(),
            OwnedRecord::Entry { seqno: PAGES, .. } if watched.load(SeqCst) => on_time.store(done.load(SeqCst), SeqCst),
            _ => {}
        }
        true
    });
    let log = SharedLog::new(world.open_on(store, |_| ()).unwrap());
    verifying.store(true, SeqCst);
    let report = thread::scope(|scope| {
        let report = scope.spawn(|| log.verify_log().unwrap());
        has_begun.recv().unwrap();
        log.append(&entry("other", b"meanwhile")).unwrap();
        appended.store(true, SeqCst);
        report.join().unwrap()
    });
    assert_eq!((report.verdict, report.size), (Verdict::Valid, PAGES + 1), "what came meanwhile is verified, too");
    assert!(appended_before_the_end.load(SeqCst), "the append waited for the verification");
}

/// As of a log that nobody shares.
#[test]
fn what_is_wrong_with_a_shared_log_is_found() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for n in 0..3u8 {
        append(&mut log, "a", &[n]);
    }
    drop(log);
    let (log, whole) = (SharedLog::new(world.open().unwrap()), world.records());
    world.edit(|records| {
        let entry = records.iter_mut().find_map(|record| match record {
            OwnedRecord::Entry { seqno: 2, bytes, .. } => Some(bytes),
            _ => None,
        });
        *entry.unwrap().last_mut().unwrap() ^= 1;
    });
    let found = log.verify_log().unwrap().verdict;
    assert!(matches!(found, Verdict::Invalid(_)), "{found:?}");
    assert_eq!(log.lock().verify_log().unwrap().verdict, found);
    // The last commit is gone, with its head.
    let last_entry = whole.iter().rposition(|record| matches!(record, OwnedRecord::Entry { .. })).unwrap();
    world.put(&whole[..last_entry]);
    assert_eq!(log.verify_log().unwrap_err(), LogError::Rollback { expected: 3, found: 2 });
    world.put(&whole);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}
