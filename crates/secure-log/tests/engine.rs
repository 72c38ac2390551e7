//! What the engine writes and reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::world::*;
use secure_log::control;
use secure_log::engine::Every;
use secure_log::entry::{SigningRule, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::limits::Problem;
use secure_log::memory::MemoryStore;
use secure_log::providers::KeyError;
use secure_log::record::Subject;
use secure_log::sign::Algorithm;
use secure_log::store::StoreError;
use secure_log::verify::{FindingCode, Verdict};
use secure_log_testkit::attacks::{IDENTITY, reference_verdict, sample_log, sample_records, to_jsonl};
use secure_log_testkit::{HostileStore, OwnedRecord, count};

#[test]
fn a_log_has_one_dense_sequence_and_a_chain_per_stream() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let appended: Vec<_> =
        ["a", "b", "a", "a", "b"].iter().map(|stream| append(&mut log, stream, stream.as_bytes())).collect();
    assert_eq!(appended.iter().map(|a| a.seqno).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let prev = |log: &mut Log, seqno| log.read(seqno).unwrap().prev;
    let policy = log.stream("a").unwrap().policy_hash(&log.status().log);
    assert_eq!(prev(&mut log, 1), policy, "a chain starts at its stream's rules");
    assert_eq!(prev(&mut log, 3), appended[0].hash);
    assert_eq!(prev(&mut log, 4), appended[2].hash);
    assert_eq!(prev(&mut log, 5), appended[1].hash);
    assert_eq!((log.head("a"), log.head("b")), (Ok(Some(4)), Ok(Some(5))));
    assert_eq!(log.last_hash("b"), Ok(Some(appended[4].hash)));
    assert_eq!(log.head("c"), Err(LogError::StreamNotFound("c".into())));
    for a in appended {
        assert_eq!(log.read_hashed(a.seqno).unwrap().1, a.hash);
    }
    let (closed, _) = log.close_segment("a").unwrap();
    assert_eq!((closed.row.first, closed.row.last, closed.row.count), (1, 4, 3));
    assert_eq!(log.head("a"), Ok(Some(6)), "control entries are included");
    world.assert_valid(6);
}

/// Or whoever closes a segment into which others write faster than it is read would never be done.
#[test]
fn a_close_that_others_are_faster_than_goes_on_where_it_was() {
    let world = World::new();
    let mut other = world.open().unwrap();
    let batch = vec![entry("a", b"long"); 1500];
    for _ in 0..3 {
        other.append_batch(&batch).unwrap();
    }
    let (read, mut faster) = (Arc::new(AtomicU64::new(0)), 6);
    let rows = Arc::clone(&read);
    let store = HostileStore::new(world.store.clone())
        .rewrite_rows(move |row| {
            rows.fetch_add(u64::from(matches!(row, OwnedRecord::Entry { .. })), Relaxed);
            true
        })
        .intercept_commits(move |_, _| {
            if faster > 0 {
                faster -= 1;
                other.append_batch(&batch).unwrap();
            }
            None
        });
    let mut log = world.open_on(store, |_| ()).unwrap();
    let (closed, _) = log.close_segment("a").unwrap();
    assert_eq!((closed.row.first, closed.row.count), (1, 9 * 1500));
    let read = read.load(Relaxed);
    assert!((9 * 1500..10 * 1500).contains(&read), "{read} entries were read");
    world.assert_valid(9 * 1500 + 1);
}

#[test]
fn an_append_after_what_was_seen_gives_way_to_other_writers_and_not_to_ones_own() {
    let world = World::new();
    let (mut one, mut other) = (world.open().unwrap(), world.open().unwrap());
    let entry = entry("a", b"1");
    assert_eq!(one.append_batch_after(0, &[entry]).unwrap().1.size, 1);
    assert_eq!(one.append_batch_after(0, &[entry]).unwrap().1.size, 2);
    // It does not know of that, and finds out by trying.
    assert_eq!(other.append_batch_after(0, &[entry]), Err(LogError::Conflict));
    assert_eq!(other.append_batch_after(1, &[entry]), Err(LogError::Conflict));
    assert_eq!((other.status().size, other.append_batch_after(2, &[entry]).unwrap().1.size), (2, 3));
    // Nor does it take part in a log that is not as large yet, and in one that is it does.
    assert_eq!(one.append_batch_after(4, &[entry]), Err(LogError::Conflict));
    assert_eq!(other.append_batch_after(2, &[entry]).unwrap().1.size, 4);
    assert_eq!(one.append_batch_after(4, &[entry]).unwrap().1.size, 5);
    // The fourth is its own, and the fifth is not.
    assert_eq!(other.append_batch_after(4, &[entry]), Err(LogError::Conflict));
    world.assert_valid(5);
}

#[test]
fn an_append_makes_its_stream_with_default_rules_and_says_nothing_of_it() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "made", b"1");
    assert_eq!(log.stream("made").unwrap().rules, StreamRules::default());
    log.create_stream("default", &StreamRules::default()).unwrap();
    assert_eq!(log.head("default"), Ok(None));
    assert_eq!(log.last_hash("default"), Ok(None));
    log.create_stream("signed", &signed(SigningRule::Segments)).unwrap();
    assert_eq!(log.head("signed"), Ok(Some(2)), "other rules stand under a head at once");
    assert_eq!(events(&world)[1], ("signed".into(), control::CREATED.into()));
    for name in ["made", "default", "signed"] {
        assert_eq!(log.create_stream(name, &StreamRules::default()).unwrap_err(), LogError::StreamExists(name.into()));
    }
    let names: Vec<(u64, String)> = log.streams(0, 10).unwrap().into_iter().map(|s| (s.number, s.row.name)).collect();
    assert_eq!(names, [(1, "made".into()), (2, "default".into()), (3, "signed".into())]);
    assert_eq!(log.streams(1, 1).unwrap()[0].row.name, "default");
    assert_eq!(log.streams(3, 10), Ok(Vec::new()));
    world.assert_valid(2);
}

#[test]
fn a_deprecated_stream_takes_control_entries_only() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "old", b"1");
    log.deprecate_stream("old").unwrap();
    let deprecated = log.stream("old").unwrap().deprecated;
    assert_eq!(deprecated, Some(log.read(2).unwrap().time));
    let refused = LogError::StreamDeprecated("old".into());
    assert_eq!(log.append(&entry("old", b"2")).unwrap_err(), refused);
    assert_eq!(log.deprecate_stream("old").unwrap_err(), refused);
    assert_eq!(log.deprecate_stream("none").unwrap_err(), LogError::StreamNotFound("none".into()));
    log.close_segment("old").unwrap();
    drop(log);
    let mut log = world.open().unwrap();
    assert_eq!(log.append(&entry("old", b"2")).unwrap_err(), refused, "also after a restart");
    world.assert_valid(3);
}

#[test]
fn a_change_of_suite_is_said_under_the_old_one() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let keyed = log.mac_suite().unwrap();
    append(&mut log, "a", b"1");
    let suites = [Suite::Blake3, keyed, Suite::Sha256, keyed];
    for suite in suites {
        log.change_suite("a", suite).unwrap();
        append(&mut log, "a", b"x");
        let again = log.change_suite("a", suite).unwrap_err();
        assert!(matches!(again, LogError::Invalid(invalid) if invalid.field == "suite"));
    }
    let versions: Vec<u64> = (1..=9).map(|seqno| log.read(seqno).unwrap().version).collect();
    assert_eq!(versions, [1, 1, 2, 2, 3, 3, 1, 1, 3]);
    log.verify_chain("a", 1, u64::MAX).unwrap();
    drop(log);
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"after a restart");
    assert_eq!(log.read(10).unwrap().version, 3);
    world.assert_valid(10);
    let another = Suite::HmacSha256(secure_log::hash::KeyId([1; 8]));
    for refused in [log.change_suite("a", another), log.create_stream("b", &hashed(another))] {
        assert!(matches!(refused, Err(LogError::MacKeyMissing { .. })), "{refused:?}");
    }
    drop(log);
    // Without the key the keyed stream can be neither continued nor re-hashed; others can.
    let mut log = world.open_with(|options| options.mac_label = None).unwrap();
    assert!(matches!(log.mac_suite(), Err(LogError::Key(KeyError::NotFound(_)))));
    assert!(matches!(log.append(&entry("a", b"x")), Err(LogError::MacKeyMissing { .. })));
    assert!(matches!(log.read(10), Err(LogError::MacKeyMissing { configured: None, .. })));
    append(&mut log, "b", b"1");
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Incomplete);
    world.assert_valid(11);
}

#[test]
fn a_clock_that_stands_a_little_back_is_taken_to_stand_still_and_one_far_back_is_followed() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let time_of = |log: &mut Log, world: &World, seconds: i64| {
        world.clock.advance(seconds);
        let seqno = append(log, "a", b"x").seqno;
        log.read(seqno).unwrap().time[11..19].to_string()
    };
    assert_eq!(time_of(&mut log, &world, 0), "04:07:11");
    assert_eq!(time_of(&mut log, &world, 49), "04:08:00");
    assert_eq!(time_of(&mut log, &world, -60), "04:08:00", "a minute back");
    assert_eq!(time_of(&mut log, &world, 30), "04:08:00", "still before");
    assert_eq!(log.status().clock_jumps, 0);
    assert_eq!(time_of(&mut log, &world, -31), "04:06:59", "more than a minute back");
    assert_eq!(log.status().clock_jumps, 1);
    assert_eq!(time_of(&mut log, &world, 3601), "05:07:00", "forward is no jump");
    assert_eq!(log.status().clock_jumps, 1);
    drop(log);
    let mut log = world.open().unwrap();
    assert_eq!(time_of(&mut log, &world, -10), "05:07:00", "the last time is known after a restart");
    world.assert_valid(7);
}

#[test]
fn heads_are_signed_as_often_as_the_options_say() {
    let sizes_signed = |world: &World| -> Vec<u64> {
        world.heads().into_iter().filter(|head| !head.sigs.is_empty()).map(|head| head.size).collect()
    };
    let world = World::new();
    let mut log = world.open_with(|options| options.head_every = Every::Entries(3)).unwrap();
    let signed: Vec<bool> = (0..7).map(|_| log.append(&entry("a", b"x")).unwrap().1.signed).collect();
    assert_eq!(signed, [false, false, true, false, false, true, false]);
    assert_eq!(world.report().verdict, Verdict::Incomplete, "one entry is attested by nobody yet");
    assert_eq!((world.report().complete_to, log.status().attested_to, log.status().size), (6, 6, 7));
    let head = log.sign_head().unwrap();
    assert_eq!((head.size, head.sigs.len()), (7, 1));
    assert_eq!(log.sign_head().unwrap(), head, "it is signed already");
    assert_eq!(log.status().attested_to, 7);
    assert_eq!(sizes_signed(&world), [0, 3, 6, 7]);
    world.assert_valid(7);

    let world = World::new();
    let mut log = world.open_with(|options| options.head_every = Every::Millis(2000)).unwrap();
    let signed = [0, 1, 1, 1, 2].map(|seconds| {
        world.clock.advance(seconds);
        log.append(&entry("a", b"x")).unwrap().1.signed
    });
    assert_eq!(signed, [false, false, true, false, true]);
    world.assert_valid(5);
}

#[test]
fn unsigned_entries_of_a_writer_that_stopped_are_adopted_and_said_so_where_heads_are_signed_less_often() {
    let world = World::new();
    let seldom = |options: &mut secure_log::engine::LogOptions| options.head_every = Every::Entries(100);
    let mut log = world.open_with(seldom).unwrap();
    append(&mut log, "a", b"1");
    append(&mut log, "a", b"2");
    drop(log);
    let mut log = world.open_with(seldom).unwrap();
    assert_eq!((log.status().attested_to, log.status().size), (3, 3), "the record of it is signed at once");
    assert_eq!(log.read(3).unwrap().payload, b"1 2");
    append(&mut log, "a", b"3");
    log.sign_head().unwrap();
    let report = world.report();
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 4));
    assert!(report.missing[0].to_string().starts_with("entries 1 to 2: "), "{:?}", report.missing);
}

#[test]
fn every_entry_of_segments_of_every_size_is_proven() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let sizes = 1..=count(70, 300);
    let mut ranges = Vec::new();
    for size in sizes.clone() {
        // From the second segment on, the entry that closed the one before is its first.
        let producers = if size == 1 { 1 } else { size - 1 };
        let entries: Vec<_> = (0..producers).map(|_| entry("a", b"x")).collect();
        log.append_batch(&entries).unwrap();
        append(&mut log, "b", b"between");
        let (closed, _) = log.close_segment("a").unwrap();
        assert_eq!(closed.row.count, size);
        ranges.push(closed.row);
    }
    drop(log);
    let mut log = world.open().unwrap();
    for row in &ranges {
        let page = log.read_page(Some("a"), row.first, row.last, 1000).unwrap();
        assert_eq!(page.len() as u64, row.count);
        for entry in page {
            let proof = log.prove_in_segment(entry.seqno).unwrap();
            assert_eq!((proof.segment, proof.root, proof.folded()), (row.id, row.root, Some(row.root)));
            assert!(proof.path.len() as u32 <= row.count.next_power_of_two().trailing_zeros());
            log.verify_in_segment(&proof, &row.root).unwrap();
        }
    }
    assert_eq!(log.segments("a", 0, 1000).unwrap().len() as u64, *sizes.end());
    assert_eq!(log.segments("a", 3, 2).unwrap().iter().map(|s| s.row.id).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(log.verify_checkpoints("a"), Ok(0), "none of them is signed");
}

#[test]
fn a_segment_of_nothing_new_is_not_closed() {
    let mut log = World::new().open().unwrap();
    append(&mut log, "a", b"1");
    log.close_segment("a").unwrap();
    assert_eq!(log.close_segment("a").unwrap_err(), LogError::EmptySegment("a".into()));
    log.create_stream("empty", &StreamRules::default()).unwrap();
    assert_eq!(log.close_segment("empty").unwrap_err(), LogError::EmptySegment("empty".into()));
    assert_eq!(log.close_segment("none").unwrap_err(), LogError::StreamNotFound("none".into()));
    assert_eq!(log.segment(2), Err(LogError::SegmentNotFound(2)));
    assert_eq!(log.segment(0), Err(LogError::SegmentNotFound(0)));
}

#[test]
fn segments_are_signed_with_keys_of_every_algorithm_and_verified() {
    let mut world = World::new();
    let all = Algorithm::ALL.map(|algorithm| format!("signer-{algorithm}"));
    for (label, algorithm) in all.iter().zip(Algorithm::ALL) {
        world.keys = world.keys.signing(label, algorithm);
    }
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Segments)).unwrap();
    append(&mut log, "b", b"1");
    log.close_segment("b").unwrap();
    assert!(matches!(
        log.verify_segment(1),
        Err(LogError::InvalidRecord(finding)) if finding.code == FindingCode::Unsigned
    ));
    for (label, algorithm) in all.iter().zip(Algorithm::ALL) {
        let row = log.sign_segment(label, 1).unwrap();
        assert_eq!((row.of, row.alg.as_str()), (Subject::Segment(1), algorithm.as_str()));
    }
    assert_eq!(log.verify_segment(1).unwrap().identity, all[0]);
    assert_eq!(log.segment(1).unwrap().signatures.len(), 3);
    assert_eq!(log.verify_checkpoints("b"), Ok(1));
    append(&mut log, "a", b"1");
    log.close_segment("a").unwrap();
    assert_eq!(log.verify_segment(2).unwrap().identity, IDENTITY);
    assert!(matches!(log.sign_segment("none", 1), Err(LogError::Key(KeyError::NotFound(_)))));
    assert_eq!(log.sign_segment(IDENTITY, 9).unwrap_err(), LogError::SegmentNotFound(9));
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn what_is_read_is_proven() {
    let world = World::new();
    let mut honest = world.open().unwrap();
    for n in 0..40u8 {
        append(&mut honest, if n % 2 == 0 { "a" } else { "b" }, &[n]);
    }
    drop(honest);
    let forged = |rehash: bool| {
        HostileStore::new(world.store.clone()).rewrite_rows(move |record| {
            if record.seqno() == Some(21) {
                record.edit_entry(|entry| entry.payload = b"forged".into());
                if rehash {
                    record.rehash();
                }
            }
            true
        })
    };
    for rehash in [false, true] {
        let mut log = world.open_on(forged(rehash), |_| ()).unwrap();
        for refused in [log.read(21).map(|_| ()), log.read_page(Some("a"), 1, 40, 100).map(|_| ())] {
            // On a page, the next entry of its stream shows it first where the forgery has a hash of its own.
            assert!(matches!(refused, Err(LogError::ChainBroken { seqno: 21 | 23, .. })), "{refused:?}");
        }
        assert_eq!(log.read_page(None, 1, 20, 100).unwrap().len(), 20, "what is not touched can be read");
        let broken = log.verify_chain("a", 1, 40);
        assert!(matches!(broken, Err(LogError::ChainBroken { seqno: 21 | 23, .. })), "{broken:?}");
        log.verify_chain("b", 1, 40).unwrap();
        assert!(matches!(log.verify_log().unwrap().verdict, Verdict::Invalid(_)));
    }
    let missing = HostileStore::new(world.store.clone()).rewrite_rows(|record| record.seqno() != Some(21));
    let mut log = world.open_on(missing, |_| ()).unwrap();
    assert!(matches!(log.read(21), Err(LogError::ChainBroken { seqno: 21, .. })));
    assert!(matches!(log.verify_chain("a", 1, 40), Err(LogError::ChainBroken { seqno: 23, .. })));
    let other = HostileStore::new(world.store.clone()).rewrite_rows(|record| {
        if record.seqno() == Some(21) {
            record.edit_entry(|entry| entry.seqno = 23);
        }
        true
    });
    let mut log = world.open_on(other, |_| ()).unwrap();
    assert!(log.read(21).is_err(), "another entry than the one that was asked for");
    let tree = HostileStore::new(world.store.clone()).rewrite_hashes(|_, _, hashes| hashes.fill(Hash([1; 32])));
    let refused = world.open_on(tree, |_| ()).map(|_| ());
    assert!(refused.is_err(), "hashes that do not lead to the head: {refused:?}");
}

#[test]
fn a_page_from_which_the_store_leaves_something_out_is_refused() {
    let world = World::new();
    let mut honest = world.open().unwrap();
    for n in 0..12u8 {
        append(&mut honest, if n % 3 == 0 { "a" } else { "b" }, &[n]);
    }
    drop(honest);
    for hidden in 1..=12 {
        // Opening would miss the last entry.
        let hides = Arc::new(AtomicBool::new(false));
        let look = Arc::clone(&hides);
        let store = HostileStore::new(world.store.clone())
            .rewrite_rows(move |record| !look.load(Relaxed) || record.seqno() != Some(hidden));
        let mut log = world.open_on(store, |_| ()).unwrap();
        log.head("a").and_then(|_| log.head("b")).unwrap();
        hides.store(true, Relaxed);
        let mut page = |stream, from, to| log.read_page(stream, from, to, 100).map(|page| page.len());
        let (its, other) = if hidden % 3 == 1 { ("a", "b") } else { ("b", "a") };
        for (stream, from, to) in [(None, 1, 12), (None, hidden, hidden), (Some(its), 1, 12)] {
            let refused = page(stream, from, to);
            assert!(
                matches!(refused, Err(LogError::ChainBroken { .. })),
                "{hidden} is hidden from {stream:?}, {from} to {to}: {refused:?}"
            );
        }
        assert_eq!(page(Some(other), 1, 12), Ok(if other == "a" { 4 } else { 8 }));
    }
}

#[test]
fn pages_hold_what_was_asked_for() {
    let mut log = World::new().open().unwrap();
    for n in 0..30u8 {
        append(&mut log, if n % 3 == 0 { "a" } else { "b" }, &[n]);
    }
    let mut page = |stream, from, to, limit| -> Vec<u64> {
        log.read_page(stream, from, to, limit).unwrap().iter().map(|entry| entry.seqno).collect()
    };
    assert_eq!(page(None, 0, 3, 10), [1, 2, 3]);
    assert_eq!(page(None, 28, u64::MAX, 10), [28, 29, 30]);
    assert_eq!(page(Some("a"), 2, 12, 10), [4, 7, 10]);
    assert_eq!(page(Some("a"), 2, 12, 2), [4, 7]);
    assert_eq!(page(None, 5, 4, 10), [0_u64; 0]);
    assert_eq!(page(None, 1, 30, 0), [0_u64; 0]);
    assert_eq!(log.read_page(Some("c"), 1, 2, 1).unwrap_err(), LogError::StreamNotFound("c".into()));
    for seqno in [0, 31, u64::MAX] {
        assert_eq!(log.read(seqno).unwrap_err(), LogError::EntryNotFound(seqno));
    }
}

#[test]
fn chains_are_verified_in_ranges_also_from_before_the_first_entry() {
    let mut log = World::new().open().unwrap();
    for n in 0..9u8 {
        append(&mut log, if n < 4 { "other" } else { "a" }, &[n]);
        if n == 6 {
            log.close_segment("a").unwrap();
        }
    }
    for (from, to) in [(0, u64::MAX), (1, 10), (1, 3), (5, 5), (6, 9), (8, 8), (9, 10), (11, 20), (7, 3)] {
        assert_eq!(log.verify_chain("a", from, to), Ok(()), "{from} to {to}");
    }
    assert_eq!(log.verify_chain("none", 1, 2), Err(LogError::StreamNotFound("none".into())));
    log.create_stream("empty", &StreamRules::default()).unwrap();
    assert_eq!(log.verify_chain("empty", 0, u64::MAX), Ok(()));
}

#[test]
fn a_batch_is_written_as_a_whole_or_not_at_all() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let long = "x".repeat(256);
    let bad = entry(&long, b"");
    let refused = log.append_batch(&[entry("a", b"1"), bad]).unwrap_err();
    assert!(matches!(&refused, LogError::Invalid(invalid) if invalid.field == "stream"));
    assert!(log.append_batch(&[]).is_err(), "a batch has an entry");
    assert_eq!(log.size(), 0);
    let (one, two) = ([entry("a", b"1"), entry("b", b"2")], [entry("a", b"3")]);
    let (outcomes, info) = log.append_batches(&[&one, &[bad], &two]).unwrap();
    assert_eq!(info.size, 3);
    let seqnos = |n: usize| outcomes[n].as_ref().unwrap().iter().map(|a| a.seqno).collect::<Vec<_>>();
    assert_eq!((seqnos(0), seqnos(2)), (vec![1, 2], vec![3]));
    assert_eq!(outcomes[1], Err(refused), "the others are written all the same");
    assert_eq!(world.heads().len(), 2, "in one commit");
    let (outcomes, info) = log.append_batches(&[&[bad]]).unwrap();
    assert!(outcomes[0].is_err());
    assert_eq!((info.size, world.heads().len()), (3, 2), "nothing to write is no commit");
    world.assert_valid(3);
}

#[test]
fn many_streams_take_no_more_memory_than_some_and_none_loses_its_chain() {
    // More than two generations of the cache, so that the first are dropped and proven anew.
    let streams = count(33_500, 40_000);
    let world = World::new();
    let mut log = world.open().unwrap();
    let names: Vec<String> = (0..streams).map(|n| format!("stream-{n}")).collect();
    for names in names.chunks(1000) {
        let entries: Vec<_> = names.iter().map(|name| entry(name, b"1")).collect();
        log.append_batch(&entries).unwrap();
    }
    for n in [0, 1, 16_384, 20_000, streams - 1] {
        let name = &names[n as usize];
        let appended = append(&mut log, name, b"2");
        assert_eq!(log.head(name), Ok(Some(appended.seqno)));
        log.close_segment(name).unwrap();
    }
    let mut after = 0;
    let mut listed = 0;
    while let Some(last) = log.streams(after, 1000).unwrap().last() {
        listed += last.number - after;
        after = last.number;
    }
    assert_eq!(listed, streams);
    world.assert_valid(streams + 10);
}

#[test]
fn ids_are_those_of_the_options_then_those_that_were_set() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    log.set_ids("session-2", "boot-2").unwrap();
    append(&mut log, "a", b"2");
    log.close_segment("a").unwrap();
    let ids = |log: &mut Log, seqno| {
        let entry = log.read(seqno).unwrap();
        (entry.session, entry.boot)
    };
    assert_eq!(ids(&mut log, 1), ("session-1".into(), "boot-1".into()));
    assert_eq!(ids(&mut log, 2), ("session-2".into(), "boot-2".into()));
    let refused = log.set_ids("a\nb", "boot").unwrap_err();
    assert!(matches!(refused, LogError::Invalid(i) if i.field == "session" && i.problem == Problem::ControlCharacter));
    assert!(log.set_ids("ok", &"x".repeat(256)).is_err());
    assert_eq!(log.status().session, "session-2");
    drop(log);
    let log = world.open_with(|options| (options.session, options.boot) = (None, None)).unwrap();
    let status = log.status();
    assert!(status.session.len() == 32 && status.boot.len() == 32 && status.session != status.boot, "{status:?}");
    world.assert_valid(3);
}

#[test]
fn a_log_that_the_engine_wrote_is_valid_for_the_independent_reader() {
    let log = sample_log(MemoryStore::new()).unwrap();
    assert_eq!(log.size(), 25);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("engine-{}.jsonl", std::process::id()));
    std::fs::write(&path, to_jsonl(&sample_records())).unwrap();
    let verdict = reference_verdict(&path);
    std::fs::remove_file(&path).unwrap();
    if let Some((verdict, said)) = verdict {
        assert_eq!(verdict, "valid", "{said}");
    }
}

#[test]
fn a_store_that_shows_no_head_is_damaged() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    world.edit(|records| records.retain(|record| !matches!(record, OwnedRecord::Head(_))));
    let refused = world.open().map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Store(StoreError::Corrupt { .. }) | LogError::InvalidRecord(_)), "{refused:?}");
}
