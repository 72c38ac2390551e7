//! Sealed payloads: appending and opening them, the keys that they are sealed with, and erasing those on record.

mod world;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use secure_log::SecureLog;
use secure_log::engine::{Appended, Erase, EvidenceOf, NewEntry, Opened, Providers, Resealed};
use secure_log::entry::{Entry, EntryRef, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::limits::{MAX_PAYLOAD_BYTES, MAX_SEALING_BYTES};
use secure_log::providers::{KeyError, Keystore, WrapAlgorithm};
use secure_log::record::DataKeyRow;
use secure_log::sealed::{PseudonymOf, SealedPayload};
use secure_log::shared::SharedLog;
use secure_log::store::SecureLogStore;
use secure_log::verify::{FindingCode, MissingCode, Report, Verdict, verify_jsonl};
use secure_log_testkit::attacks::{to_jsonl, trust};
use secure_log_testkit::forge::{Reach, rechain};
use secure_log_testkit::{Effect, Fault, FaultStore, OwnedRecord, SeededRandom, TestKeystore, count};
use world::{Log, World, append, entry};

const SECRET: &[u8] = b"the secret that nobody may see in clear";

/// A world with two keys that wrap, whose logs seal by the first.
fn sealing() -> World {
    let world = World::new();
    World { keys: world.keys.clone().wrapping("kek-1").wrapping("kek-2"), ..world }
}

/// Surroundings with randomness of their own, as each opening of a log has.
fn surroundings(world: &World) -> Providers {
    static OPENINGS: AtomicU64 = AtomicU64::new(7);
    let seed = OPENINGS.fetch_add(1, Ordering::SeqCst);
    Providers { random: Box::new(SeededRandom::new(seed)), ..world.providers() }
}

fn open_on<S: SecureLogStore>(world: &World, store: S, kek: &str) -> Result<SecureLog<S>, LogError> {
    let mut options = world.options();
    options.kek_label = Some(kek.into());
    SecureLog::open(store, surroundings(world), options)
}

fn open(world: &World) -> Log {
    open_on(world, world.store.clone(), "kek-1").unwrap()
}

fn of_tier(tier: Tier) -> StreamRules {
    StreamRules { tier, ..StreamRules::default() }
}

/// A log with a protected stream of this name.
fn protected(stream: &str) -> (World, Log) {
    let world = sealing();
    let mut log = open(&world);
    log.create_stream(stream, &of_tier(Tier::Protected)).unwrap();
    (world, log)
}

fn seal<S: SecureLogStore>(log: &mut SecureLog<S>, stream: &str, payload: &[u8]) -> Appended {
    log.append_sealed(&entry(stream, payload)).unwrap().0
}

fn opened<S: SecureLogStore>(log: &mut SecureLog<S>, seqno: u64) -> Vec<u8> {
    log.open_payload(seqno).unwrap_or_else(|error| panic!("entry {seqno}: {error}")).payload.to_vec()
}

fn keys(world: &World, stream: &str) -> Vec<DataKeyRow> {
    world.store.clone().data_keys(stream).unwrap()
}

/// What a verifier with both wrapping keys says.
fn opening_report(world: &World) -> Report {
    let mut trust = trust();
    for label in ["kek-1", "kek-2"] {
        trust.add_wrapping_key(label, world.keys.wrapping_key(label).unwrap());
    }
    verify_jsonl(&to_jsonl(&world.records())[..], &trust, |_| {}).unwrap()
}

fn assert_all_open(world: &World, payloads: u64) {
    let report = opening_report(world);
    assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0), "{report:?}");
    let sealed = world.report();
    assert_eq!((&sealed.verdict, sealed.unopened), (&Verdict::Valid, payloads), "{sealed:?}");
}

fn edit_keys(world: &World, mut edit: impl FnMut(&mut Vec<&mut DataKeyRow>)) {
    world.edit(|records| {
        let mut rows: Vec<&mut DataKeyRow> = records
            .iter_mut()
            .filter_map(|record| match record {
                OwnedRecord::DataKey(row) => Some(row),
                _ => None,
            })
            .collect();
        edit(&mut rows);
    });
}

// ---- sealing and opening

#[test]
fn what_was_sealed_opens_and_stands_nowhere_in_clear() {
    let (world, mut log) = protected("a");
    let first = seal(&mut log, "a", SECRET);
    let batch: Vec<NewEntry<'_>> = [&b""[..], &[0xff; 300], SECRET].map(|payload| entry("a", payload)).into();
    let (rest, _) = log.append_sealed_batch(&batch).unwrap();
    assert_eq!(opened(&mut log, first.seqno), SECRET);
    for (appended, new) in rest.iter().zip(&batch) {
        let opened = log.open_payload(appended.seqno).unwrap();
        assert_eq!((&**opened.event, &**opened.producer, &*opened.encoding), (new.event, new.producer, new.encoding));
        assert_eq!(*opened.payload, new.payload);
    }
    let stored = to_jsonl(&world.records());
    assert!(!contains(&stored, SECRET) && !contains(&stored, b"the secret"));
    for record in world.records().iter().filter_map(OwnedRecord::entry) {
        assert!(!contains(&record.payload, &SECRET[..8]), "{}", record.seqno);
    }
    assert_eq!(log.read(first.seqno).unwrap().encoding, "text+aead-xchacha20poly1305-v1");
    assert_all_open(&world, 4);
    let report = log.verify_log_opening().unwrap();
    assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0));
    assert_eq!(log.verify_log().unwrap().unopened, 4);
}

#[test]
fn who_needs_secrecy_says_so_and_a_stream_seals_all_or_nothing() {
    let (world, mut log) = protected("a");
    append(&mut log, "public", b"1");
    let before = world.records();
    let refused = |outcome: Result<(Appended, secure_log::engine::CommitInfo), LogError>| outcome.unwrap_err();
    for stream in ["public", "nowhere"] {
        let error = refused(log.append_sealed(&entry(stream, SECRET)));
        assert_eq!(error, LogError::StreamNotProtected(stream.into()));
    }
    assert_eq!(refused(log.append(&entry("a", SECRET))), LogError::StreamProtected("a".into()));
    let mixed = log.append_sealed_batch(&[entry("a", b"1"), entry("public", b"2")]).unwrap_err();
    assert_eq!(mixed, LogError::StreamNotProtected("public".into()));
    assert!(matches!(refused(log.append_sealed(&entry("secure-log", SECRET))), LogError::Invalid(_)));
    assert_eq!(log.open_payload(2).unwrap_err(), LogError::NotSealed(2));
    assert_eq!(log.open_payload(9).unwrap_err(), LogError::EntryNotFound(9));
    assert_eq!(log.erase("public", Erase::Stream).unwrap_err(), LogError::StreamNotProtected("public".into()));
    assert_eq!(world.records(), before);
    // One batch that is refused keeps no other from being written.
    let shared = SharedLog::new(log);
    assert!(shared.append_sealed(&entry("public", b"x")).is_err());
    shared.append(&entry("public", b"x")).unwrap();
    shared.append_sealed(&entry("a", b"x")).unwrap();
    assert_all_open(&world, 1);
}

#[test]
fn a_payload_that_would_be_too_long_once_sealed_is_refused() {
    let (world, mut log) = protected("a");
    let largest = vec![7; MAX_PAYLOAD_BYTES - MAX_SEALING_BYTES];
    let longer = vec![7; largest.len() + 1];
    assert!(matches!(log.append_sealed(&entry("a", &longer)), Err(LogError::Invalid(_))));
    let name = "x".repeat(256 - "+aead-xchacha20poly1305-v1".len());
    assert!(matches!(
        log.append_sealed(&NewEntry { encoding: &name, ..entry("a", b"1") }),
        Err(LogError::Invalid(invalid)) if invalid.field == "payload encoding"
    ));
    log.append_sealed(&NewEntry { encoding: &name[1..], ..entry("a", b"1") }).unwrap();
    let long = seal(&mut log, "a", &largest);
    assert!(opened(&mut log, long.seqno) == largest);
    assert_all_open(&world, 2);
}

#[test]
fn threads_that_append_sealed_and_in_clear_share_commits() {
    let (world, log) = protected("a");
    let shared = SharedLog::new(log);
    std::thread::scope(|scope| {
        for number in 0..8u8 {
            let shared = shared.clone();
            scope.spawn(move || {
                for at in 0..20u8 {
                    match number % 2 {
                        0 => shared.append_sealed(&entry("a", &[number, at])).map(drop).unwrap(),
                        _ => shared.append(&entry("public", &[number, at])).map(drop).unwrap(),
                    }
                }
            });
        }
    });
    assert_eq!(keys(&world, "a").len(), 1);
    assert_all_open(&world, 80);
}

#[test]
fn a_highly_restricted_stream_has_pseudonyms_that_can_be_searched_for() {
    let world = sealing();
    let mut log = open(&world);
    log.create_stream("vault", &of_tier(Tier::HighlyRestricted)).unwrap();
    assert_eq!(keys(&world, "vault")[0].first, 0, "the key for pseudonyms comes with the stream");
    let of = |event, producer| NewEntry { event, producer, ..entry("vault", SECRET) };
    let (appended, _) = log
        .append_sealed_batch(&[of("door.opened", "alice"), of("door.closed", "alice"), of("door.opened", "bob")])
        .unwrap();
    log.close_segment("vault").unwrap();
    // After a restart, in another segment, the same values have the same pseudonyms.
    let mut log = open(&world);
    let (late, _) = log.append_sealed(&of("door.opened", "carol")).unwrap();
    let opening = log.pseudonym("vault", PseudonymOf::EventType, "door.opened").unwrap();
    let alice = log.pseudonym("vault", PseudonymOf::Producer, "alice").unwrap();
    let found: Vec<u64> = log
        .read_page(Some("vault"), 1, u64::MAX, 100)
        .unwrap()
        .iter()
        .filter(|entry| entry.event == opening)
        .map(|entry| entry.seqno)
        .collect();
    assert_eq!(found, [appended[0].seqno, appended[2].seqno, late.seqno]);
    assert_eq!(log.read(appended[1].seqno).unwrap().producer, alice);
    assert_ne!(alice, log.pseudonym("vault", PseudonymOf::EventType, "alice").unwrap(), "of another field");
    let opened = log.open_payload(appended[2].seqno).unwrap();
    assert_eq!((&**opened.event, &**opened.producer, &opened.payload[..]), ("door.opened", "bob", SECRET));
    let stored = to_jsonl(&world.records());
    for clear in ["alice", "bob", "carol", "door.", "the secret"] {
        assert!(!contains(&stored, clear.as_bytes()), "{clear}");
    }
    assert_all_open(&world, 4);
    log.create_stream("other", &of_tier(Tier::HighlyRestricted)).unwrap();
    assert_ne!(log.pseudonym("other", PseudonymOf::Producer, "alice").unwrap(), alice, "of another stream");
    log.create_stream("p", &of_tier(Tier::Protected)).unwrap();
    assert!(matches!(log.pseudonym("p", PseudonymOf::Producer, "alice"), Err(LogError::Invalid(_))));
}

// ---- data keys

#[test]
fn a_data_key_is_of_one_stream_and_one_open_segment() {
    let (world, mut log) = protected("a");
    log.create_stream("b", &of_tier(Tier::Protected)).unwrap();
    assert!(keys(&world, "a").is_empty(), "it is made when it is first needed");
    let first = seal(&mut log, "a", b"1");
    seal(&mut log, "a", b"2");
    // After a restart, by another opening, and after one in between: the same key.
    seal(&mut open(&world), "a", b"3");
    let mut other = open(&world);
    seal(&mut other, "a", b"4");
    seal(&mut log, "a", b"5");
    assert_eq!(keys(&world, "a").len(), 1);
    assert_eq!(keys(&world, "a")[0].first, first.seqno);
    seal(&mut log, "b", b"1");
    assert_ne!(keys(&world, "a")[0].id, keys(&world, "b")[0].id);
    log.close_segment("a").unwrap();
    // Who had the key before the close does not use it after.
    seal(&mut other, "a", b"6");
    seal(&mut open(&world), "a", b"7");
    seal(&mut log, "a", b"8");
    assert_eq!(keys(&world, "a").len(), 2);
    // An entry of the engine's own between payloads is no close, and a new key is as good.
    log.change_suite("a", Suite::Blake3).unwrap();
    seal(&mut other, "a", b"9");
    assert_all_open(&world, 10);
    for seqno in 1..=log.size() {
        if log.read(seqno).unwrap().encoding.contains("+aead-") {
            opened(&mut other, seqno);
        }
    }
}

#[test]
fn streams_whose_segments_are_closed_in_any_order_stay_readable() {
    // Which of two streams is written to or closed next, in every order of eight steps.
    for order in 0..256u32 {
        let (world, mut log) = protected("a");
        log.create_stream("b", &of_tier(Tier::Protected)).unwrap();
        let mut written = Vec::new();
        for step in 0..8 {
            let stream = if order >> step & 1 == 0 { "a" } else { "b" };
            match log.close_segment(stream) {
                Ok(_) if step % 3 == 2 => {}
                _ => {
                    let payload = [order as u8, step];
                    written.push((seal(&mut log, stream, &payload).seqno, payload));
                }
            }
            let payload = [step, 0xee];
            written.push((seal(&mut log, stream, &payload).seqno, payload));
        }
        let mut log = open(&world);
        for (seqno, payload) in written {
            assert_eq!(opened(&mut log, seqno), payload, "order {order:b}");
        }
        if order % 16 == 5 {
            assert_eq!(opening_report(&world).verdict, Verdict::Valid);
        }
    }
}

#[test]
fn a_commit_that_failed_leaves_no_key_in_use() {
    for effect in Effect::ALL {
        let world = sealing();
        open(&world).create_stream("a", &of_tier(Tier::Protected)).unwrap();
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = open_on(&world, store, "kek-1").unwrap();
        faults.arm(Fault::on_write(1, effect));
        assert!(log.append_sealed(&entry("a", b"1")).is_err());
        faults.restart();
        let last = seal(&mut log, "a", b"2");
        assert_eq!(opened(&mut log, last.seqno), b"2");
        let report = opening_report(&world);
        assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0), "{effect:?}: {report:?}");
        assert_eq!(keys(&world, "a").len(), 1, "{effect:?}: one key, in the commit of what it sealed first");
    }
}

#[test]
fn a_segment_is_opened_by_unwrapping_its_key_once() {
    let (world, mut log) = protected("a");
    let payloads = count(2_000, 100_000);
    for chunk in 0..payloads / 1000 {
        let batch: Vec<Vec<u8>> = (0..1000).map(|n| (chunk * 1000 + n).to_le_bytes().to_vec()).collect();
        let batch: Vec<NewEntry<'_>> = batch.iter().map(|payload| entry("a", payload)).collect();
        log.append_sealed_batch(&batch).unwrap();
    }
    assert_eq!(world.keys.unwrapped(), 0, "who made the key has it");
    let mut log = open(&world);
    let (mut from, mut seen) = (1, 0u64);
    while seen < payloads {
        for (entry, opened) in log.open_page("a", from, u64::MAX, 1000).unwrap() {
            from = entry.seqno + 1;
            if let Ok(opened) = opened {
                assert_eq!(*opened.payload, seen.to_le_bytes());
                seen += 1;
            }
        }
    }
    for seqno in 2..100 {
        opened(&mut log, seqno);
    }
    assert_eq!(world.keys.unwrapped(), 1);
}

#[test]
fn no_nonce_comes_twice_not_over_restarts_and_openings() {
    let (world, mut log) = protected("a");
    let mut other = open(&world);
    let (appends, mut nonces) = (count(20_000, 1_000_000), HashSet::new());
    for chunk in 0..appends / 1000 {
        let batch = vec![entry("a", b"x"); 500];
        log.append_sealed_batch(&batch).unwrap();
        other.append_sealed_batch(&batch).unwrap();
        match chunk % 5 {
            1 => log = open(&world),
            3 => {
                log.close_segment("a").unwrap();
            }
            _ => {}
        }
    }
    for record in world.records().iter().filter_map(OwnedRecord::entry) {
        if let Ok(sealed) = SealedPayload::decode(&record.payload) {
            assert!(nonces.insert(*sealed.nonce), "the nonce of entry {} came before", record.seqno);
        }
    }
    assert_eq!(nonces.len() as u64, appends);
}

/// A log without a key, so that its store can make everything fit again: sealing is all that is left to hold.
#[test]
fn row_20_what_was_sealed_opens_under_no_other_stream_log_key_or_encoding() {
    let world = World { keys: World::keyless().keys.wrapping("kek-1"), ..World::keyless() };
    let mut log = open(&world);
    for stream in ["a", "b"] {
        log.create_stream(stream, &of_tier(Tier::Protected)).unwrap();
    }
    let (in_a, in_b) = (seal(&mut log, "a", SECRET).seqno, seal(&mut log, "b", b"of b").seqno);
    log.close_segment("a").unwrap();
    let later = seal(&mut log, "a", b"later").seqno;
    let records = world.records();
    let payload_of = |seqno: u64| {
        let entry = records.iter().filter_map(OwnedRecord::entry).find(|entry| entry.seqno == seqno).unwrap();
        entry.payload
    };
    let key_of = |stream: &str| keys(&world, stream)[0].clone();
    let (key_of_a, sealed_in_a) = (key_of("a"), payload_of(in_a));
    // Another log, in which the same is sealed by the same wrapping key.
    let other = World { store: World::new().store, ..world.clone() };
    let mut other_log = open(&other);
    other_log.create_stream("a", &of_tier(Tier::Protected)).unwrap();
    seal(&mut other_log, "a", SECRET);
    let theirs = other.records().iter().filter_map(OwnedRecord::entry).next_back().unwrap().payload;
    let their_key = keys(&other, "a")[0].clone();

    let opened_after = |at: u64, edit: &dyn Fn(&mut Entry), row: Option<(&str, &DataKeyRow)>| {
        let mut edited = records.clone();
        for record in &mut edited {
            match record {
                OwnedRecord::Entry { seqno, bytes, .. } if *seqno == at => {
                    let mut entry = EntryRef::decode(bytes).unwrap().to_entry();
                    edit(&mut entry);
                    *bytes = entry.as_ref().encode();
                }
                OwnedRecord::DataKey(found) => {
                    if let Some((stream, row)) = row.filter(|(stream, _)| *stream == found.stream) {
                        *found = DataKeyRow { stream: stream.into(), first: found.first, ..row.clone() };
                    }
                }
                _ => {}
            }
        }
        rechain(&mut edited, Reach::Heads);
        world.put(&edited);
        open(&world).open_payload(at)
    };
    assert_eq!(*opened_after(in_a, &|_| (), None).unwrap().payload, SECRET, "or the edits would prove nothing");
    let refused = |opened: Result<Opened, LogError>| opened.unwrap_err();
    let from_a = |entry: &mut Entry| entry.payload.clone_from(&sealed_in_a);
    assert_eq!(refused(opened_after(in_b, &from_a, None)), LogError::DataKeyMissing(in_b), "another stream");
    let wrong_key = |row: &DataKeyRow| LogError::DataKeyRefused { id: row.id, kek: "kek-1".into() };
    let with_key = opened_after(in_b, &from_a, Some(("b", &key_of_a)));
    assert_eq!(refused(with_key), wrong_key(&key_of_a), "another stream, with its key");
    let from_there = |entry: &mut Entry| entry.payload.clone_from(&theirs);
    let of_another_log = opened_after(in_a, &from_there, Some(("a", &their_key)));
    assert_eq!(refused(of_another_log), wrong_key(&their_key), "another log, with its key");
    let named_otherwise = |entry: &mut Entry| entry.payload[3..35].copy_from_slice(&payload_of(later)[3..35]);
    assert_eq!(refused(opened_after(in_a, &named_otherwise, None)), LogError::PayloadRefused(in_a), "another key");
    let as_json = |entry: &mut Entry| entry.encoding = entry.encoding.replace("text", "application/json");
    assert_eq!(refused(opened_after(in_a, &as_json, None)), LogError::PayloadRefused(in_a), "another encoding");
    let as_clear = |entry: &mut Entry| entry.encoding = "text".into();
    assert_eq!(refused(opened_after(in_a, &as_clear, None)), LogError::NotSealed(in_a));
    let later_version = |entry: &mut Entry| entry.encoding = "text+aead-unheard-of-v9".into();
    assert!(matches!(refused(opened_after(in_a, &later_version, None)), LogError::NotImplemented(_)));
}

// ---- keys that wrap

#[test]
fn without_the_right_key_nothing_opens_and_the_error_says_why() {
    let (world, mut log) = protected("a");
    let sealed = seal(&mut log, "a", SECRET).seqno;
    let with = |keys: TestKeystore| World { keys, ..world.clone() };
    let base = World::new().keys;
    let none = with(base.clone());
    assert!(matches!(open(&none).open_payload(sealed), Err(LogError::Key(KeyError::NotFound(_)))));
    let denied = with(base.clone().wrapping("kek-1").denying("kek-1"));
    assert!(matches!(open(&denied).open_payload(sealed), Err(LogError::Key(KeyError::AccessDenied(_)))));
    let report = open(&none).verify_log_opening().unwrap();
    assert_eq!((&report.verdict, report.unopened), (&Verdict::Incomplete, 1));
    assert_eq!(report.missing[0].code, MissingCode::WrappingKey);
    assert_eq!(report.missing[0].to_string(), "the wrapping key 'kek-1' was not given");
    // Another key under its label, as the line of the key says.
    edit_keys(&world, |rows| rows[0].kek = "kek-2".into());
    let mut log = open(&world);
    let refused = LogError::DataKeyRefused { id: keys(&world, "a")[0].id, kek: "kek-2".into() };
    assert_eq!(log.open_payload(sealed).unwrap_err(), refused);
    let report = log.verify_log_opening().unwrap();
    assert_eq!((&report.verdict, report.unopened), (&Verdict::Incomplete, 1));
    assert_eq!(report.missing[0].code, MissingCode::WrappingKey);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "nothing covers the line");
    // Appending goes on under a new key.
    let next = seal(&mut log, "a", b"next");
    assert_eq!(opened(&mut log, next.seqno), b"next");
    // Without any key to wrap it by, nothing is sealed.
    let mut plain = world.open().unwrap();
    assert!(matches!(plain.append_sealed(&entry("a", b"1")), Err(LogError::Key(KeyError::NotFound(_))) | Ok(_)));
    plain.close_segment("a").unwrap();
    assert!(matches!(plain.append_sealed(&entry("a", b"1")), Err(LogError::Key(KeyError::NotFound(_)))));
}

#[test]
fn every_way_to_wrap_is_opened_again() {
    for algorithm in WrapAlgorithm::ALL {
        let world = World::new();
        let world = World { keys: world.keys.clone().wrapping_by("kek-1", algorithm).wrapping("kek-2"), ..world };
        let mut log = open(&world);
        log.create_stream("a", &of_tier(Tier::HighlyRestricted)).unwrap();
        let sealed = seal(&mut log, "a", SECRET).seqno;
        assert!(keys(&world, "a").iter().all(|row| row.alg == algorithm.as_str()));
        assert_eq!(opened(&mut open(&world), sealed), SECRET);
        assert_all_open(&world, 1);
    }
}

#[test]
fn row_28_a_data_key_that_was_deleted_is_found_and_a_swapped_one_is_refused() {
    for algorithm in WrapAlgorithm::ALL {
        let world = World::new();
        let world = World { keys: world.keys.clone().wrapping_by("kek-1", algorithm).wrapping("kek-2"), ..world };
        let mut log = open(&world);
        log.create_stream("a", &of_tier(Tier::Protected)).unwrap();
        let first = seal(&mut log, "a", b"first").seqno;
        log.close_segment("a").unwrap();
        let second = seal(&mut log, "a", b"second").seqno;
        let intact = world.records();
        type Edit = fn(&mut Vec<&mut DataKeyRow>);
        let edits: [(&str, Edit); 7] = [
            ("wrapped keys swapped", |rows| {
                let (one, rest) = rows.split_at_mut(1);
                core::mem::swap(&mut one[0].wrapped, &mut rest[0].wrapped);
            }),
            ("one wrapped key twice", |rows| rows[0].wrapped = rows[1].wrapped.clone()),
            ("cut", |rows| rows[0].wrapped.truncate(20)),
            ("empty", |rows| rows[0].wrapped.clear()),
            ("a bit", |rows| rows[0].wrapped[30] ^= 1),
            ("said to be wrapped otherwise", |rows| {
                let other = WrapAlgorithm::ALL.into_iter().find(|other| other.as_str() != rows[0].alg);
                rows[0].alg = other.unwrap().as_str().into();
            }),
            ("an algorithm that is not known", |rows| rows[0].alg = "rot13".into()),
        ];
        for (what, edit) in edits {
            world.put(&intact);
            edit_keys(&world, edit);
            let error = open(&world).open_payload(first).unwrap_err();
            assert!(matches!(error, LogError::DataKeyRefused { .. }), "{algorithm:?}, {what}: {error:?}");
            assert_eq!(opening_report(&world).verdict, Verdict::Incomplete, "{algorithm:?}, {what}");
        }
        world.put(&intact);
        // Where it says to be used first is no matter for opening, and takes no key over a close.
        edit_keys(&world, |rows| rows[0].first = second);
        assert_eq!(opened(&mut open(&world), first), b"first");
        world.put(&intact);
        world.edit(|records| {
            let at = records.iter().position(|record| matches!(record, OwnedRecord::DataKey(_))).unwrap();
            records.remove(at);
        });
        let mut log = open(&world);
        assert_eq!(log.open_payload(first).unwrap_err(), LogError::DataKeyMissing(first));
        assert_eq!(opened(&mut log, second), b"second");
        for report in [world.report(), log.verify_log().unwrap()] {
            assert!(matches!(&report.verdict, Verdict::Invalid(finding) if finding.code == FindingCode::DekMissing));
        }
        // An erasure afterwards does not make the deletion one that was recorded.
        assert_eq!(log.erase("a", Erase::Segment(1)).unwrap().keys, []);
        assert_eq!(log.open_payload(first).unwrap_err(), LogError::DataKeyMissing(first));
    }
}

#[test]
fn a_store_that_hands_out_an_old_key_gets_nothing_sealed_with_it() {
    let (world, mut log) = protected("a");
    seal(&mut log, "a", b"1");
    log.close_segment("a").unwrap();
    // The key of the closed segment is said to be of the open one.
    edit_keys(&world, |rows| rows[0].first = 1_000_000);
    seal(&mut open(&world), "a", b"2");
    let rows = keys(&world, "a");
    assert_eq!(rows.len(), 2, "a new one was made");
    assert_all_open(&world, 2);
}

#[test]
fn resealing_wraps_every_key_anew_and_touches_no_entry() {
    let (world, mut log) = protected("a");
    log.create_stream("vault", &of_tier(Tier::HighlyRestricted)).unwrap();
    let mut sealed = Vec::new();
    for round in 0..4u8 {
        for stream in ["a", "vault"] {
            sealed.push((seal(&mut log, stream, &[round]).seqno, round));
            log.close_segment(stream).unwrap();
        }
    }
    let entries = |world: &World| {
        world.records().into_iter().filter(|r| !matches!(r, OwnedRecord::DataKey(_))).collect::<Vec<_>>()
    };
    let before = entries(&world);
    assert_eq!(log.reseal(Some("a"), "kek-2").unwrap(), Resealed { keys: 4, more: false });
    assert!(keys(&world, "a").iter().all(|row| row.kek == "kek-2"));
    assert!(keys(&world, "vault").iter().all(|row| row.kek == "kek-1"));
    assert_eq!(log.reseal(None, "kek-2").unwrap(), Resealed { keys: 5, more: false });
    assert_eq!(log.reseal(None, "kek-2").unwrap(), Resealed::default());
    assert_eq!(entries(&world), before);
    // The old key is not needed any more.
    let without = World { keys: World::new().keys.wrapping("kek-2"), ..world.clone() };
    let mut log = open_on(&without, world.store.clone(), "kek-2").unwrap();
    for (seqno, round) in sealed {
        assert_eq!(opened(&mut log, seqno), [round]);
    }
    seal(&mut log, "vault", b"and on");
    assert_all_open(&world, 9);
    assert!(matches!(log.reseal(None, "kek-1"), Err(LogError::Key(KeyError::NotFound(_)))));
    assert_eq!(log.reseal(Some("nowhere"), "kek-2"), Err(LogError::StreamNotFound("nowhere".into())));
}

#[test]
fn a_fault_at_every_step_of_resealing_leaves_all_keys_or_none_wrapped_anew() {
    for effect in Effect::ALL {
        for step in 1..200 {
            let world = sealing();
            let mut log = open(&world);
            log.create_stream("a", &of_tier(Tier::Protected)).unwrap();
            let sealed: Vec<u64> = (0..3u8)
                .map(|n| {
                    let seqno = seal(&mut log, "a", &[n]).seqno;
                    log.close_segment("a").unwrap();
                    seqno
                })
                .collect();
            let (store, faults) = FaultStore::new(world.store.clone());
            let mut log = open_on(&world, store, "kek-1").unwrap();
            faults.arm(Fault::on_call(step, effect));
            let done = log.reseal(None, "kek-2");
            if done.is_ok() && faults.is_armed() {
                break;
            }
            faults.restart();
            let anew = keys(&world, "a").iter().filter(|row| row.kek == "kek-2").count();
            assert!(anew == 3 || (anew == 0 && done.is_err()), "{effect:?} at {step}: {anew} of 3, {done:?}");
            let mut log = open(&world);
            for (n, seqno) in (0u8..).zip(&sealed) {
                assert_eq!(opened(&mut log, *seqno), [n]);
            }
            assert_all_open(&world, 3);
            assert!(step < 199, "a fault that never came to be");
        }
    }
}

// ---- erasing

#[test]
fn what_was_erased_opens_no_more_and_everything_else_verifies_as_before() {
    let (world, mut log) = protected("a");
    let mut sealed = Vec::new();
    for round in 0..4u8 {
        sealed.extend((0..3u8).map(|n| (seal(&mut log, "a", &[round, n]).seqno, [round, n])));
        if round < 3 {
            log.close_segment("a").unwrap();
        }
    }
    let proofs: Vec<_> = sealed[..9].iter().map(|(seqno, _)| log.prove_in_segment(*seqno).unwrap()).collect();
    let mut reader = open(&world);
    for (seqno, _) in &sealed {
        opened(&mut reader, *seqno);
    }
    let erased = log.erase("a", Erase::Segment(2)).unwrap();
    assert_eq!((erased.keys.len(), erased.more), (1, false));
    assert!(erased.recorded.unwrap().1.signed);
    assert_eq!(keys(&world, "a").len(), 3);
    let check = |log: &mut Log, gone: &[u8]| {
        for (seqno, payload) in &sealed {
            match log.open_payload(*seqno) {
                Ok(opened) => assert!(*opened.payload == payload && !gone.contains(&payload[0]), "{seqno}"),
                Err(error) => {
                    assert_eq!(error, LogError::PayloadErased(*seqno));
                    assert!(gone.contains(&payload[0]), "{seqno}");
                }
            }
        }
        let report = log.verify_log().unwrap();
        let payloads = 3 * gone.len() as u64;
        assert_eq!((&report.verdict, report.erased_payloads), (&Verdict::Valid, payloads), "{report:?}");
        assert_eq!((report.erased, report.unopened), (gone.len() as u64, 12 - payloads));
        let report = log.verify_log_opening().unwrap();
        assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0), "{report:?}");
    };
    check(&mut log, &[1]);
    // Also who has the key in memory opens nothing any more.
    check(&mut reader, &[1]);
    check(&mut open(&world), &[1]);
    let again = log.erase("a", Erase::Segment(2)).unwrap();
    assert_eq!((again.keys, again.recorded), (vec![], None), "there is nothing to erase, and nothing is written");
    // The open segment, by its range.
    let (first, last) = (sealed[9].0, sealed[11].0);
    assert_eq!(log.erase("a", Erase::Range(first, last)).unwrap().keys.len(), 1);
    check(&mut log, &[1, 3]);
    // What comes next has a key of its own, whoever writes it.
    let next = seal(&mut reader, "a", b"next");
    assert_eq!(opened(&mut log, next.seqno), b"next");
    for proof in &proofs {
        log.verify_in_segment(proof, &proof.root).unwrap();
    }
    log.verify_chain("a", 1, u64::MAX).unwrap();
    log.verify_checkpoints("a").unwrap();
    assert_eq!(log.erase("a", Erase::Stream).unwrap().keys.len(), 3);
    assert_eq!(world.report().erased_payloads, 13);
    assert!(keys(&world, "a").is_empty());
    assert_eq!(world.report().verdict, Verdict::Valid);
    seal(&mut log, "a", b"a protected stream goes on");
}

/// Its last entry does not say any more that something was erased, and the key is still in memory.
#[test]
fn who_held_a_key_that_others_erased_opens_nothing_with_it_behind_later_entries() {
    let (world, mut log) = protected("a");
    let sealed = seal(&mut log, "a", SECRET).seqno;
    let mut reader = open(&world);
    opened(&mut reader, sealed);
    log.erase("a", Erase::Stream).unwrap();
    seal(&mut log, "a", b"and on");
    assert_eq!(reader.open_payload(sealed).unwrap_err(), LogError::PayloadErased(sealed));
}

#[test]
fn a_range_ends_where_data_keys_do() {
    let (world, mut log) = protected("a");
    append(&mut log, "public", b"x");
    let one: Vec<u64> = (0..4u8).map(|n| seal(&mut log, "a", &[n]).seqno).collect();
    log.close_segment("a").unwrap();
    let two: Vec<u64> = (0..4u8).map(|n| seal(&mut log, "a", &[n]).seqno).collect();
    for (first, last, of) in [
        (one[1], one[3], &one),
        (one[0], one[2], &one),
        (1, one[2], &one),
        (one[2], one[2], &one),
        (one[0], two[1], &two),
        (two[2], u64::MAX, &two),
        (one[3], two[3], &one),
    ] {
        let refused = log.erase("a", Erase::Range(first, last)).unwrap_err();
        assert_eq!(refused, LogError::ErasesMore { first: of[0], last: of[3] }, "{first}..={last}");
    }
    for (first, last) in [(0, 3), (3, 2)] {
        assert!(matches!(log.erase("a", Erase::Range(first, last)), Err(LogError::Invalid(_))));
    }
    assert_eq!(log.erase("a", Erase::Segment(9)).unwrap_err(), LogError::SegmentNotFound(9));
    assert_eq!(keys(&world, "a").len(), 2, "nothing was erased so far");
    assert_eq!(log.erase("a", Erase::Range(1, one[3])).unwrap().keys.len(), 1);
    assert_eq!(log.erase("a", Erase::Range(1, u64::MAX)).unwrap().keys.len(), 1);
    assert_eq!(world.report().erased_payloads, 8);
}

#[test]
fn erasing_a_highly_restricted_stream_ends_it() {
    let world = sealing();
    let mut log = open(&world);
    log.create_stream("vault", &of_tier(Tier::HighlyRestricted)).unwrap();
    let sealed = seal(&mut log, "vault", SECRET).seqno;
    let mut other = open(&world);
    opened(&mut other, sealed);
    seal(&mut other, "vault", SECRET);
    assert_eq!(log.erase("vault", Erase::Stream).unwrap().keys.len(), 2);
    let ended = LogError::PseudonymKeyMissing("vault".into());
    // Also whoever had the key before, and also behind an entry that follows the erasure.
    log.close_segment("vault").unwrap();
    for log in [&mut log, &mut other, &mut open(&world)] {
        assert_eq!(log.append_sealed(&entry("vault", SECRET)).unwrap_err(), ended);
        assert_eq!(log.pseudonym("vault", PseudonymOf::Producer, "alice").unwrap_err(), ended);
        assert_eq!(log.open_payload(sealed).unwrap_err(), LogError::PayloadErased(sealed));
    }
    assert_eq!(world.report().verdict, Verdict::Valid);
}

#[test]
fn a_log_without_a_key_erases_nothing() {
    let world = World::keyless();
    let world = World { keys: world.keys.clone().wrapping("kek-1"), ..world };
    let mut log = open(&world);
    log.create_stream("a", &of_tier(Tier::Protected)).unwrap();
    seal(&mut log, "a", SECRET);
    let before = world.records();
    assert!(matches!(log.erase("a", Erase::Stream), Err(LogError::Key(KeyError::NotFound(_)))));
    assert_eq!(world.records(), before);
}

/// What may be seen at any moment of an erasure, whatever fails: nothing has happened; or it is on record, and what it erased
/// opens for nobody who opens the log from then on, as the key is gone at the first use.
#[test]
fn a_fault_at_every_step_of_erasing_leaves_it_done_or_not_begun_or_finished_by_the_next() {
    for effect in Effect::ALL {
        for follows in [false, true] {
            for step in 1..200 {
                let (world, mut log) = protected("a");
                let sealed = seal(&mut log, "a", SECRET).seqno;
                log.close_segment("a").unwrap();
                let (store, faults) = FaultStore::new(world.store.clone());
                let mut log = open_on(&world, store, "kek-1").unwrap();
                let mut other = open(&world);
                opened(&mut other, sealed);
                faults.arm(Fault::on_call(step, effect));
                let done = log.erase("a", Erase::Segment(1));
                if done.is_ok() && faults.is_armed() {
                    assert!(step > 5);
                    break;
                }
                faults.restart();
                let on_record = world::events(&world).iter().any(|(_, event)| event == "secure-log.erased");
                let there = keys(&world, "a").len() == 1;
                let at = format!("{effect:?} at {step}: {done:?}");
                assert!(on_record || there, "{at}: the key went before it was on record");
                assert!(done.is_err() || (on_record && !there), "{at}");
                if follows {
                    // Somebody else writes on first, to this stream and to another one.
                    append(&mut other, "public", b"x");
                    seal(&mut other, "a", b"next");
                    assert_eq!(keys(&world, "a").iter().any(|row| row.first == sealed), !on_record, "{at}");
                }
                let mut log = open(&world);
                if !follows {
                    assert_eq!(keys(&world, "a").is_empty(), on_record, "{at}: opening the log finishes it");
                }
                match log.open_payload(sealed) {
                    Ok(_) => assert!(!on_record, "{at}"),
                    Err(error) => assert_eq!((on_record, error), (true, LogError::PayloadErased(sealed)), "{at}"),
                }
                assert_eq!(opening_report(&world).verdict, Verdict::Valid, "{at}");
                assert_eq!(log.erase("a", Erase::Segment(1)).unwrap().keys.len(), usize::from(!on_record), "{at}");
                assert_eq!(world.report().erased_payloads, 1, "{at}");
                assert!(step < 199, "a fault that never came to be");
            }
        }
    }
}

#[test]
fn an_erasure_that_nobody_attests_destroys_nothing() {
    let (world, mut log) = protected("a");
    let sealed = seal(&mut log, "a", SECRET).seqno;
    let intact = world.records();
    log.erase("a", Erase::Stream).unwrap();
    // The store shows the entry of an erasure under no signed head, with the key still there.
    let key = intact.iter().find(|record| matches!(record, OwnedRecord::DataKey(_))).unwrap().clone();
    world.edit(|records| {
        let at =
            records.iter().rposition(|record| matches!(record, OwnedRecord::Entry { seqno, .. } if *seqno == sealed));
        records.insert(at.unwrap(), key);
        if let Some(OwnedRecord::Head(head)) = records.last_mut() {
            head.sigs.clear();
        }
    });
    assert!(matches!(world.open(), Err(LogError::Unattested { .. })));
    assert_eq!(keys(&world, "a").len(), 1);
}

// ---- for others

#[test]
fn a_bundle_of_a_sealed_stream_shows_nothing_and_verifies() {
    let world = sealing();
    let mut log = open(&world);
    for (stream, tier) in [("a", Tier::Protected), ("vault", Tier::HighlyRestricted)] {
        log.create_stream(stream, &of_tier(tier)).unwrap();
        seal(&mut log, stream, SECRET);
        log.close_segment(stream).unwrap();
        seal(&mut log, stream, SECRET);
        let mut bundle = Vec::new();
        log.write_evidence(&EvidenceOf::Stream(stream.into(), None), None, &mut bundle).unwrap();
        assert!(!contains(&bundle, &SECRET[..8]), "{stream}");
        let report = secure_log::bundle::verify_bundle(&bundle[..], &trust()).unwrap().report;
        assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 2), "{stream}: {report:?}");
    }
}

#[test]
fn row_31_nothing_printed_shows_what_was_sealed() {
    let (world, mut log) = protected("a");
    let sealed = seal(&mut log, "a", SECRET).seqno;
    let mut shown = format!("{:?}", log.open_payload(sealed).unwrap());
    shown += &format!("{:?}", log.status());
    edit_keys(&world, |rows| rows[0].wrapped[40] ^= 1);
    let mut log = open(&world);
    let error = log.open_payload(sealed).unwrap_err();
    shown += &format!("{error} {error:?} {:?}", log.verify_log_opening().unwrap());
    assert!(!contains(shown.as_bytes(), &SECRET[..8]), "{shown}");
    // The test's own key, in any spelling that a printed array of bytes could have.
    let kek = Hash::sha256(b"secure-log test key kek-1");
    for spelling in [kek.to_hex(), format!("{:?}", kek.0)] {
        assert!(!shown.contains(&spelling));
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
