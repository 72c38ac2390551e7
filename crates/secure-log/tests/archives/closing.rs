//! Closing a log for good, whatever else happens at that moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use secure_log::archive::ChainVerdict;
use secure_log::engine::{Every, LogOptions};
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::providers::KeyError;
use secure_log_testkit::archiving::{a_log_is_archived_and_continued, entry, lines_of, open, verified, write_some};
use secure_log_testkit::{Effect, Fault, FaultStore, NaiveStore, SharedStore, count};

use crate::world::{World, append};

#[test]
fn a_log_is_archived_and_continued_whatever_keeps_it() {
    a_log_is_archived_and_continued(|| {
        let place = SharedStore::new(MemoryStore::new());
        move || place.clone()
    });
    a_log_is_archived_and_continued(|| {
        let place = SharedStore::new(NaiveStore::new());
        move || place.clone()
    });
}

/// What was acknowledged while the log was being closed is in the archive, in a closed segment, and the rest was refused.
#[test]
fn whoever_appends_meanwhile_is_in_the_archive_or_was_told() {
    for _ in 0..count(6, 200) {
        let place = SharedStore::new(MemoryStore::new());
        let mut log = open(place.clone(), None).unwrap();
        write_some(&mut log);
        let begun = AtomicBool::new(false);
        let (archive, acknowledged) = thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|number| {
                    let mut log = open(place.clone(), None).unwrap();
                    let begun = &begun;
                    scope.spawn(move || {
                        let (mut last, stream) = (0, format!("writer-{number}"));
                        loop {
                            match log.append(&entry(&stream, b"meanwhile")) {
                                Ok((appended, _)) => last = appended.seqno,
                                Err(LogError::LogClosed { .. }) => return last,
                                Err(LogError::Conflict) => {}
                                Err(error) => panic!("{error}"),
                            }
                            begun.store(true, Ordering::Relaxed);
                            // Who never pauses keeps every other writer out (decision 0002), and the log grows until the memory ends.
                            thread::sleep(Duration::from_micros(300));
                        }
                    })
                })
                .collect();
            while !begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let mut archive = Vec::new();
            while let Err(error) = log.write_archive(&mut archive, |_| {}) {
                assert!(matches!(&error, secure_log::export::ExportFailure::Log(LogError::Conflict)), "{error}");
                archive.clear();
            }
            (archive, writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap())
        });
        let chain = verified(&[&archive]);
        assert_eq!(chain.verdict, ChainVerdict::Valid, "{}", chain.to_text(None));
        assert!(chain.parts[0].report.size > acknowledged);
        let streams = log.streams(0, 100).unwrap();
        for stream in streams.iter().filter(|stream| !stream.row.name.starts_with("secure-log")) {
            let segments = log.segments(&stream.row.name, 0, 1000).unwrap();
            let last = log.head(&stream.row.name).unwrap().unwrap();
            // Only the entry that says that it was closed stands behind the last segment.
            assert_eq!(log.read(last).unwrap().event, "secure-log.segment-closed", "{}", stream.row.name);
            assert!(segments.last().unwrap().row.last < last);
        }
    }
}

/// A store that fails at any call leaves a log that is closed or not, and the next call makes an archive of it.
#[test]
fn closing_is_done_again_after_any_failure_of_the_store() {
    for effect in Effect::ALL {
        let (mut failures, mut reached) = (0, true);
        for call in 1.. {
            if !reached {
                break;
            }
            let (store, faults) = FaultStore::new(SharedStore::new(MemoryStore::new()));
            let mut log = open(store, None).unwrap();
            write_some(&mut log);
            faults.arm(Fault::on_call(call, effect));
            let written = log.write_archive(&mut Vec::new(), |_| {});
            reached = !faults.is_armed();
            failures += u32::from(written.is_err());
            faults.restart();
            // One that did not come yet never does.
            faults.arm(Fault::on_call(u64::MAX >> 1, effect));
            let mut archive = Vec::new();
            log.write_archive(&mut archive, |_| {}).unwrap_or_else(|error| panic!("{effect:?}, call {call}: {error}"));
            let chain = verified(&[&archive]);
            assert_eq!(chain.verdict, ChainVerdict::Valid, "{effect:?}, call {call}: {}", chain.to_text(None));
        }
        assert!(failures > 10, "{effect:?}: {failures}");
    }
}

#[test]
fn a_log_without_a_key_is_not_closed() {
    let world = World::keyless();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"one");
    let refused = log.close_log();
    assert!(matches!(&refused, Err(LogError::Key(KeyError::NotFound(_)))), "{refused:?}");
    append(&mut log, "a", b"two");
    // And nobody closes one whose key is elsewhere.
    let signed = World::new();
    append(&mut signed.open().unwrap(), "a", b"one");
    let reader = World { keys: World::keyless().keys, ..signed.clone() };
    assert!(reader.open().is_err());
}

/// However seldom heads are signed, the last one is.
#[test]
fn the_head_that_closes_a_log_is_signed_and_published() {
    let world = World::anchored();
    let seldom = |options: &mut LogOptions| options.head_every = Every::Entries(1000);
    let mut log = world.open_with(seldom).unwrap();
    append(&mut log, "a", b"one");
    assert_eq!(log.status().attested_to, 0);
    let head = log.close_log().unwrap();
    let status = log.status();
    assert_eq!((status.attested_to, status.anchored_to, status.size), (head.size, Some(head.size), head.size));
    assert!(!head.sigs.is_empty());
    world.assert_valid(head.size);
}

#[test]
fn a_log_of_many_streams_is_closed_in_few_commits() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let names: Vec<String> = (0..600).map(|number| format!("stream-{number}")).collect();
    let batch: Vec<_> = names.iter().map(|name| entry(name, b"one")).collect();
    log.append_batch(&batch).unwrap();
    let before = world.heads().len();
    let head = log.close_log().unwrap();
    // 600 streams, of which 256 are closed at once, and the end.
    assert_eq!((world.heads().len() - before, head.size), (4, 600 + 600 + 1));
    world.assert_valid(head.size);
    assert_eq!(
        lines_of(&mut world.store.clone()).iter().filter(|byte| **byte == b'\n').count(),
        1 + 600 + 600 + 1200 + 1 + 2 + 6
    );
}
