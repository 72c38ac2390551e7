//! The keys that wrap data keys, and wrapping these anew.

use super::*;

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
