//! Appending sealed payloads and opening them, and the data keys that they are sealed with.

use super::*;

#[test]
fn what_was_sealed_opens_and_stands_nowhere_in_clear() {
    let (world, mut log) = protected("a");
    let first = seal(&mut log, "a", SECRET);
    let batch: Vec<NewEntry<'_>> = [("text", &b""[..]), ("x", &[0xff; 300]), ("x", SECRET), ("text", b"1")]
        .map(|(encoding, payload)| NewEntry { encoding, ..entry("a", payload) })
        .into();
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
    assert_all_open(&world, 5);
    let report = log.verify_log_opening().unwrap();
    assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0));
    assert_eq!(log.verify_log().unwrap().unopened, 5);
}

#[test]
fn a_batch_that_is_sealed_beside_being_written_stands_in_its_order() {
    let (world, mut log) = protected("a");
    log.create_stream("vault", &of_tier(Tier::HighlyRestricted)).unwrap();
    let payloads: Vec<[u8; 4]> = (0..600u32).map(u32::to_le_bytes).collect();
    let batch: Vec<NewEntry<'_>> = payloads
        .iter()
        .enumerate()
        .map(|(at, payload)| NewEntry {
            encoding: ["text", "x"][at / 150 % 2],
            producer: ["alice", "bob"][at % 2],
            ..entry(["a", "vault"][at / 200 % 2], payload)
        })
        .collect();
    let (appended, _) = log.append_sealed_batch(&batch).unwrap();
    let mut nonces = HashSet::new();
    for (appended, new) in appended.iter().zip(&batch) {
        let opened = log.open_payload(appended.seqno).unwrap();
        assert_eq!(
            (&*opened.encoding, &**opened.producer, &opened.payload[..]),
            (new.encoding, new.producer, new.payload)
        );
        let stored = log.read(appended.seqno).unwrap();
        assert_eq!(stored.stream, new.stream);
        assert!(nonces.insert(*SealedPayload::decode(&stored.payload).unwrap().nonce), "a nonce serves once");
    }
    assert_all_open(&world, 600);
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
