//! Erasing data keys on record.

use super::*;

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
                let on_record = crate::world::events(&world).iter().any(|(_, event)| event == "secure-log.erased");
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
