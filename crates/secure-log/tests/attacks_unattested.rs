//! Row 27 of the attack table of docs/security.md: what nobody attested is never signed.

mod world;

use secure_log::control;
use secure_log::engine::Unattested;
use secure_log::entry::{LOG_STREAM, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::record::HeadRow;
use secure_log::store::{SecureLogStore, StoreError, TreeId};
use secure_log::verify::{Finding, FindingCode, Verdict};
use secure_log_testkit::forge::{Reach, rechain};
use secure_log_testkit::{HostileStore, OwnedRecord, SharedStore, store_from};
use world::*;

/// A store with rows after the last signed head that its owner put there.
fn forged_tail() -> (World, Vec<OwnedRecord>) {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    append(&mut log, "a", b"2");
    let honest = world.records();
    world.edit(|records| {
        forge(records, "a", b"forged 3");
        forge(records, "a", b"forged 4");
    });
    (world, honest)
}

/// Appends an entry to a SHA-256 stream under a head that nobody signed, with everything as it should be but the key.
fn forge(records: &mut Vec<OwnedRecord>, stream: &str, payload: &[u8]) {
    let last = records.iter().rposition(|record| record.entry().is_some_and(|entry| entry.stream == stream));
    let mut forged = records[last.unwrap()].clone();
    forged.edit_entry(|entry| entry.payload = payload.into());
    records.push(forged);
    records.push(OwnedRecord::Head(HeadRow { size: 0, root: Hash::ZERO, sigs: Vec::new() }));
    let signed = heads_of(records);
    rechain(records, Reach::Heads);
    assert_eq!(heads_of(records)[..signed.len() - 1], signed[..signed.len() - 1], "what is signed is not touched");
}

fn heads_of(records: &[OwnedRecord]) -> Vec<HeadRow> {
    let head = |record: &OwnedRecord| match record {
        OwnedRecord::Head(head) => Some(head.clone()),
        _ => None,
    };
    records.iter().filter_map(head).collect()
}

#[test]
fn row_27_rows_after_the_last_signed_head_are_refused_and_nothing_is_written() {
    let (world, _) = forged_tail();
    let before = world.records();
    assert_eq!(world.open().map(|_| ()), Err(LogError::Unattested { first: 3, last: 4 }));
    assert_eq!(world.records(), before);
    assert_eq!(world.report().verdict, Verdict::Incomplete);
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
        assert!(report.missing[0].starts_with("entries 3 to 4 "), "{:?}", report.missing);
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
fn row_27_rows_that_were_slipped_in_while_the_log_is_open_are_refused_too() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    world.edit(|records| forge(records, "a", b"forged 2"));
    let refused = LogError::Unattested { first: 2, last: 2 };
    assert_eq!(log.append(&entry("a", b"2")).unwrap_err(), refused);
    assert_eq!(log.close_segment("a").unwrap_err(), refused);
    assert_eq!(world.heads().last().unwrap().sigs, Vec::<String>::new(), "nothing was signed over them");
    // Nor does it help to take the signatures away that are there.
    world.edit(|records| {
        for record in records {
            if let OwnedRecord::Head(head) = record {
                head.sigs.clear();
            }
        }
    });
    assert_eq!(log.append(&entry("a", b"2")).unwrap_err(), refused, "a signed log does not become a keyless one");
    assert_eq!(log.read_page(None, 1, 9, 9).unwrap_err(), refused);
    assert!(world.heads().iter().all(|head| head.sigs.is_empty()));
}

#[test]
fn row_27_an_old_signed_head_in_a_conflict_answer_is_refused() {
    for keep in [1, 2, 3] {
        let world = World::new();
        let mut log = world.open().unwrap();
        append(&mut log, "a", b"1");
        append(&mut log, "a", b"2");
        drop(log);
        let all = world.records();
        let ends: Vec<usize> =
            (0..all.len()).filter(|at| matches!(all[*at], OwnedRecord::Head(_))).map(|at| at + 1).collect();
        let old: Vec<OwnedRecord> = all[..ends[keep - 1]].to_vec();
        let hostile = HostileStore::new(world.store.clone()).intercept_commits(move |_, store| {
            store.with(|store| *store = store_from(&old));
            let heads = store.heads(None, 9).unwrap().into_iter().map(|numbered| numbered.head).collect();
            Some(Err(StoreError::Conflict { heads }))
        });
        let mut log = world.open_on(hostile, |_| ()).unwrap();
        let refused = log.append(&entry("a", b"3")).unwrap_err();
        match keep {
            // The newest head, over a store that holds what it did: nothing to refuse but the answer.
            3 => assert_eq!(refused, LogError::Conflict),
            _ => assert!(
                matches!(refused, LogError::Fork { expected: 2, .. } | LogError::Rollback { expected: 2, .. }),
                "{refused:?}"
            ),
        }
        assert_eq!(world.heads().len(), keep, "nothing was signed");
    }
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
fn row_27_an_entry_slipped_into_an_open_segment_is_never_sealed() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Segments)).unwrap();
    append(&mut log, "b", b"1");
    append(&mut log, "a", b"1");
    append(&mut log, "a", b"2");
    drop(log);
    let honest = world.records();
    // The store shows another entry of the segment, one more, or one less, when it is read to be closed.
    type Lie = (&'static str, fn(&mut OwnedRecord) -> bool);
    let lies: [Lie; 4] = [
        ("an edited entry", |record| {
            if record.seqno() == Some(3) {
                record.edit_entry(|entry| entry.payload = b"forged".into());
                record.rehash();
            }
            true
        }),
        ("an entry of another stream", |record| {
            if record.seqno() == Some(3) {
                record.edit_entry(|entry| entry.payload = b"forged".into());
            }
            true
        }),
        ("an entry less", |record| record.seqno() != Some(3)),
        ("no first entry", |record| record.seqno() != Some(1)),
    ];
    for (what, lie) in lies {
        let armed = SharedStore::new(false);
        let look = armed.clone();
        let hostile = HostileStore::new(world.store.clone())
            .rewrite_rows(move |record| if look.with(|armed| *armed) { lie(record) } else { true });
        let mut log = world.open_on(hostile, |_| ()).unwrap();
        armed.with(|armed| *armed = true);
        let refused = log.close_segment("a").unwrap_err();
        assert!(matches!(refused, LogError::ChainBroken { .. }), "{what}: {refused:?}");
        assert_eq!(world.records(), honest, "{what}: nothing was signed");
    }
    // An entry more, between restart and close: it fits what is before it, and what follows does not fit it. The leaves
    // of the log tree are shown as they were, so that only the chain can tell.
    let leaves: Vec<Hash> = world.store.with(|store| store.hashes(TreeId::Log, 0, 100).unwrap());
    let hostile = HostileStore::new(world.store.clone()).rewrite_hashes(move |tree, first, hashes| {
        if tree == TreeId::Log {
            let honest = leaves.iter().skip(first as usize).take(hashes.len());
            *hashes = honest.copied().collect();
        }
    });
    let mut log = world.open_on(hostile, |_| ()).unwrap();
    world.edit(|records| {
        let at = records.iter().position(|record| record.seqno() == Some(3)).unwrap();
        let mut forged = records[at].clone();
        let OwnedRecord::Entry { hash: prev, .. } = forged else { unreachable!("it has a seqno") };
        forged.edit_entry(|entry| (entry.seqno, entry.prev, entry.payload) = (4, prev, b"forged".into()));
        forged.rehash();
        records.insert(at + 1, forged);
    });
    let refused = log.close_segment("a").unwrap_err();
    assert!(matches!(refused, LogError::ChainBroken { .. }), "{refused:?}");
    assert_eq!(world.heads().len(), heads_of(&honest).len(), "nothing was signed");
    world.put(&honest);
    world.open().unwrap().close_segment("a").unwrap();
    world.assert_valid(5);
}

#[test]
fn row_27_other_rules_for_a_stream_are_refused() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("a", &StreamRules { description: Some("rules".into()), ..signed(SigningRule::Segments) })
        .unwrap();
    append(&mut log, "plain", b"1");
    drop(log);
    let honest = world.records();
    type Edit = (&'static str, &'static str, fn(&mut StreamRules));
    let edits: [Edit; 6] = [
        ("signing rule", "a", |rules| rules.sign = SigningRule::None),
        ("suite", "a", |rules| rules.suite = Suite::Blake3),
        ("description", "a", |rules| rules.description = None),
        ("tier", "a", |rules| rules.tier = Tier::Protected),
        ("signing rule of a default stream", "plain", |rules| rules.sign = SigningRule::Entries),
        ("suite of a default stream", "plain", |rules| rules.suite = Suite::Blake3),
    ];
    for (what, name, edit) in edits {
        let mut records = honest.clone();
        for record in &mut records {
            if let OwnedRecord::Stream(row) = record
                && row.name == name
            {
                edit(&mut row.rules);
            }
        }
        world.put(&records);
        let mut log = world.open().unwrap();
        for refused in [
            log.append(&entry(name, b"2")).map(|_| ()),
            log.close_segment(name).map(|_| ()),
            log.stream(name).map(|_| ()),
            log.deprecate_stream(name).map(|_| ()),
        ] {
            assert!(matches!(refused, Err(LogError::PolicyMismatch(_))), "{what}: {refused:?}");
        }
        append(&mut log, "other", b"1");
        let report = log.verify_log().unwrap();
        assert!(
            matches!(&report.verdict, Verdict::Invalid(Finding { code: FindingCode::ChainBroken, .. })),
            "{what}: {report:?}"
        );
        world.put(&honest);
    }
    // The rules of a stream without entries that are not the defaults would stand under nothing.
    let mut records = honest;
    let rules = signed(SigningRule::Segments);
    let created = "2026-11-20T04:07:11.000000000Z".to_string();
    let row = secure_log::record::StreamRow { name: "made up".into(), rules, created, deprecated: None };
    records.insert(records.len() - 1, OwnedRecord::Stream(row));
    world.put(&records);
    let refused = world.open().unwrap().append(&entry("made up", b"1")).unwrap_err();
    assert!(matches!(refused, LogError::PolicyMismatch(_)), "{refused:?}");
}

#[test]
fn row_27_another_log_under_an_open_one_is_refused() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    let before = world.records();
    for edit in [
        (|row| row.id[0] ^= 1) as fn(&mut secure_log::record::LogRow),
        |row| row.origin = "other.example".into(),
        |row| row.created = "2020-01-01T00:00:00.000000000Z".into(),
    ] {
        let mut records = before.clone();
        // It has moved on, so that the engine reads it again.
        forge(&mut records, "a", b"2");
        if let OwnedRecord::Log(row) = &mut records[0] {
            edit(row);
        }
        world.put(&records);
        let refused = log.append(&entry("a", b"2")).unwrap_err();
        assert!(matches!(refused, LogError::PolicyMismatch(_)), "{refused:?}");
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
