//! Row 27 of the attack table of docs/security.md: what nobody attested is never signed. What runs composed, too, are
//! the testkit's scenarios.

use crate::world::*;
use secure_log::control;
use secure_log::engine::Unattested;
use secure_log::entry::{LOG_STREAM, SigningRule};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::memory::MemoryStore;
use secure_log::store::StoreError;
use secure_log::verify::{FindingCode, Verdict};
use secure_log_testkit::attacks::{Native, scenarios};
use secure_log_testkit::forge::append_unattested;
use secure_log_testkit::{AnyStore, HostileStore, OwnedRecord, SharedStore, store_from};

/// A store with rows after the last signed head that its owner put there.
fn forged_tail() -> (World, Vec<OwnedRecord>) {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    append(&mut log, "a", b"2");
    let honest = world.records();
    world.edit(|records| {
        append_unattested(records, "a", b"forged 3");
        append_unattested(records, "a", b"forged 4");
    });
    (world, honest)
}

#[test]
fn rows_5_to_29_every_scenario_over_a_store_in_memory() {
    for scenario in scenarios() {
        eprintln!("row {}, {}", scenario.row, scenario.name);
        (scenario.run)(&mut || {
            Native::new(AnyStore::new(MemoryStore::new()), |records| Ok(AnyStore::new(store_from(records))))
        });
    }
}

#[test]
fn row_27_what_an_operator_adopts_is_said_first_and_in_every_verdict() {
    let (world, _) = forged_tail();
    let mut log = world.open_with(|options| options.unattested = Unattested::Adopt).unwrap();
    let recovered = log.read(5).unwrap();
    assert_eq!((recovered.stream.as_str(), recovered.event.as_str()), (LOG_STREAM, control::RECOVERED));
    assert_eq!(recovered.payload, b"3 4");
    append(&mut log, "a", b"6");
    drop(log);
    let mut log = world.open().unwrap();
    for report in [log.verify_log().unwrap(), world.report()] {
        assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 6));
        assert!(report.missing[0].to_string().starts_with("entries 3 to 4: "), "{:?}", report.missing);
    }
}

#[test]
fn row_27_adopted_rows_that_do_not_lead_to_their_head_are_not_adopted() {
    for (seqno, rehashed) in [(3, false), (4, false), (3, true), (4, true)] {
        let (world, _) = forged_tail();
        world.edit(|records| {
            let at = records.iter().position(|record| record.seqno() == Some(seqno)).unwrap();
            records[at].edit_entry(|entry| entry.payload = b"other".into());
            if rehashed {
                records[at].rehash();
            }
        });
        let before = world.records();
        let refused = world.open_with(|options| options.unattested = Unattested::Adopt).map(|_| ()).unwrap_err();
        let LogError::InvalidRecord(finding) = &refused else { panic!("{refused:?}") };
        let expected = if rehashed { FindingCode::HeadMismatch } else { FindingCode::HashMismatch };
        assert_eq!(finding.code, expected, "entry {seqno}: {refused:?}");
        assert_eq!(world.records(), before);
    }
}

#[test]
fn row_27_what_an_operator_sets_aside_is_gone_and_kept() {
    let (world, honest) = forged_tail();
    let mut log = world.open_with(|options| options.unattested = Unattested::SetAside).unwrap();
    assert!(log.status().set_aside.is_some());
    assert_eq!(world.records(), honest, "nothing else was written");
    let kept = world.store.with(|store| {
        let aside: Vec<OwnedRecord> = store.aside()[0].records().map(OwnedRecord::from).collect();
        aside.iter().filter_map(OwnedRecord::seqno).collect::<Vec<_>>()
    });
    assert_eq!(kept, [3, 4]);
    assert_eq!(append(&mut log, "a", b"3").seqno, 3);
    world.assert_valid(3);
}

#[test]
fn row_27_another_history_of_the_same_key_in_a_conflict_answer_is_a_fork() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    // What the engine signed in a copy of the store, from the same beginning.
    let copy = World { store: SharedStore::new(store_from(&world.records()[..2])), ..world.clone() };
    let mut other = copy.open().unwrap();
    for n in 0..5u8 {
        append(&mut other, "a", &[n]);
    }
    world.put(&copy.records());
    let refused = log.append(&entry("a", b"2")).unwrap_err();
    assert!(matches!(refused, LogError::Fork { expected: 1, found: 5 }), "{refused:?}");
    assert_eq!(world.records(), copy.records());
    assert!(log.read(1).is_err() && log.verify_log().is_err(), "it is found by reading, too");
}

#[test]
fn row_27_rules_that_stand_under_nothing_are_refused() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    let mut records = world.records();
    let rules = signed(SigningRule::Segments);
    let created = "2026-11-20T04:07:11.000000000Z".to_string();
    let row = secure_log::record::StreamRow { name: "made up".into(), rules, created, deprecated: None };
    records.insert(records.len() - 1, OwnedRecord::Stream(row));
    world.put(&records);
    let mut log = world.open().unwrap();
    for refused in [log.append(&entry("made up", b"1")).map(|_| ()), log.stream("made up").map(|_| ())] {
        assert!(matches!(refused, Err(LogError::PolicyMismatch(_))), "{refused:?}");
    }
}

#[test]
fn row_27_a_store_that_hides_heads_ends_in_an_error_and_not_in_a_loop() {
    let (world, _) = forged_tail();
    let mut shown = 0;
    let hiding = HostileStore::new(world.store.clone()).rewrite_rows(move |record| match record {
        OwnedRecord::Head(head) if head.size == 4 => true,
        // The first head is shown to who asks for it alone, and to nobody who comes from above.
        OwnedRecord::Head(head) if head.size == 0 => {
            shown += 1;
            shown == 1
        }
        OwnedRecord::Head(_) => false,
        _ => true,
    });
    let refused = world.open_on(hiding, |_| ()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Store(StoreError::Corrupt { .. }) | LogError::InvalidRecord(_)), "{refused:?}");
}

#[test]
fn row_27_a_tree_that_the_store_made_up_is_never_signed() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for n in 0..40 {
        append(&mut log, "a", &[n]);
    }
    drop(log);
    let honest = world.records();
    let nodes = HostileStore::new(world.store.clone()).rewrite_nodes(|_, hash| *hash = hash.map(|_| Hash([1; 32])));
    let leaves = HostileStore::new(world.store.clone()).rewrite_hashes(|_, _, hashes| {
        hashes.iter_mut().for_each(|hash| hash.0[0] ^= 1);
    });
    for hostile in [nodes, leaves] {
        let opened = world.open_on(hostile, |_| ()).map(|_| ());
        assert!(opened.is_err(), "a frontier that does not hash to the signed root");
    }
    assert_eq!(world.records(), honest);
    // An interior hash that is only lost is derived, and built anew.
    let mut lost = false;
    let forgetful = HostileStore::new(world.store.clone()).rewrite_nodes(move |_, hash| {
        if !core::mem::replace(&mut lost, true) {
            *hash = None;
        }
    });
    append(&mut world.open_on(forgetful, |_| ()).unwrap(), "a", b"40");
    world.assert_valid(41);
}
