//! The attack table of docs/security.md where it needs a running engine: rows 21, 23, 27 and 30.

mod world;

use secure_log::SecureLog;
use secure_log::control;
use secure_log::engine::{Every, LogOptions, NewEntry, Unattested};
use secure_log::entry::{LOG_STREAM, Severity, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::limits::{Invalid, MAX_BATCH_BYTES, MAX_PAYLOAD_BYTES, Problem};
use secure_log::record::HeadRow;
use secure_log::store::{SecureLogStore, StoreError, TreeId};
use secure_log::verify::{Finding, FindingCode, Verdict};
use secure_log_testkit::attacks::IDENTITY;
use secure_log_testkit::forge::{Reach, rechain};
use secure_log_testkit::{
    Effect, Fault, FaultStore, HostileStore, OwnedRecord, SeededRandom, SharedStore, count, seed, store_from,
};
use world::*;

// ---- row 21: two writers

#[test]
fn row_21_two_writers_in_turn_never_fork_and_lose_nothing() {
    let world = World::anchored();
    let (mut a, mut b) = (world.open().unwrap(), world.open().unwrap());
    let mut random = SeededRandom::new(seed());
    let mut acknowledged = Vec::new();
    for n in 0..count(200, 5000) {
        let log = if random.below(2) == 0 { &mut a } else { &mut b };
        let stream = *random.pick(&["one", "two", "three"]);
        match random.below(8) {
            0 => match log.close_segment(stream) {
                Ok(_) | Err(LogError::EmptySegment(_) | LogError::StreamNotFound(_)) => {}
                Err(error) => panic!("close {n}: {error:?}"),
            },
            1 => match log.read_page(Some(stream), 1, u64::MAX, 1000) {
                Ok(_) | Err(LogError::StreamNotFound(_)) => {}
                Err(error) => panic!("read {n}: {error:?}"),
            },
            2 => match log.change_suite(stream, *random.pick(&[Suite::Sha256, Suite::Blake3])) {
                Ok(_) | Err(LogError::Invalid(_) | LogError::StreamNotFound(_)) => {}
                Err(error) => panic!("change {n}: {error:?}"),
            },
            _ => {
                let payload = n.to_be_bytes();
                acknowledged.push((append(log, stream, &payload), payload));
            }
        }
    }
    for (appended, payload) in &acknowledged {
        let (entry, hash) = a.read_hashed(appended.seqno).unwrap();
        assert_eq!((&entry.payload[..], hash), (&payload[..], appended.hash));
    }
    let produced = events(&world).iter().filter(|(_, event)| event == "test.event").count();
    assert_eq!(produced, acknowledged.len(), "each is there once");
    let size = world.heads().last().unwrap().size;
    world.assert_valid(size);
}

#[test]
fn row_21_writers_in_threads_never_fork_and_lose_nothing() {
    let world = World::new();
    drop(world.open().unwrap());
    let each = count(60, 2000);
    let acknowledged: Vec<(u64, Hash, u64)> = std::thread::scope(|scope| {
        let write = |name: u64| {
            let mut log = world.open().unwrap();
            let append = |n: u64| {
                let payload = (name << 32 | n).to_be_bytes();
                loop {
                    match log.append(&entry("both", &payload)) {
                        Ok((appended, _)) => break (appended.seqno, appended.hash, name << 32 | n),
                        Err(LogError::Conflict) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            };
            (0..each).map(append).collect::<Vec<_>>()
        };
        let writers: Vec<_> = (0..4).map(|name| scope.spawn(move || write(name))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let mut log = world.open().unwrap();
    assert_eq!(log.size(), 4 * each, "every acknowledged entry is there once, and no other");
    for (seqno, hash, payload) in acknowledged {
        let (entry, stored) = log.read_hashed(seqno).unwrap();
        assert_eq!((&entry.payload[..], stored), (&payload.to_be_bytes()[..], hash));
    }
    world.assert_valid(4 * each);
}

#[test]
fn row_21_a_writer_that_is_always_late_is_told_to_call_again() {
    let world = World::new();
    let mut faster = world.open().unwrap();
    let mut armed = false;
    let gate = SharedStore::new(armed);
    let look = gate.clone();
    let late = HostileStore::new(world.store.clone()).intercept_commits(move |_, _| {
        if look.with(|armed| *armed) {
            append(&mut faster, "a", b"faster");
        }
        None
    });
    let mut log = world.open_on(late, |_| ()).unwrap();
    armed = true;
    gate.with(|on| *on = armed);
    assert_eq!(log.append(&entry("a", b"slow")).unwrap_err(), LogError::Conflict);
    gate.with(|on| *on = false);
    append(&mut log, "a", b"at last");
    assert!(events(&world).len() > 2);
    world.assert_valid(log.size());
}

#[test]
fn row_21_a_log_that_two_make_at_once_is_one_log() {
    let world = World::anchored();
    let made = world.clone();
    let mut first = true;
    let racing = HostileStore::new(world.store.clone()).intercept_commits(move |_, _| {
        if core::mem::take(&mut first) {
            append(&mut made.open_with(|options| options.origin = None).unwrap(), "a", b"1");
        }
        None
    });
    let mut log = world.open_on(racing, |options| options.origin = None).unwrap();
    assert_eq!(append(&mut log, "a", b"2").seqno, 2);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

// ---- row 23: stores that fail

/// A step of a log's life.
type Step = (&'static str, fn(&mut SecureLog<FaultStore<Store>>) -> Result<(), LogError>);

const STEPS: [Step; 9] = [
    ("create stream", |log| log.create_stream("s", &signed(SigningRule::Entries)).map(|_| ())),
    ("append", |log| log.append(&entry("a", b"2")).map(|_| ())),
    ("append to an old stream", |log| log.append_batch(&[entry("old", b"2"), entry("new", b"2")]).map(|_| ())),
    ("close", |log| log.close_segment("old").map(|_| ())),
    ("sign segment", |log| log.sign_segment(IDENTITY, 1).map(|_| ())),
    ("change suite", |log| log.change_suite("old", Suite::Blake3).map(|_| ())),
    ("deprecate", |log| log.deprecate_stream("old").map(|_| ())),
    ("read and verify", |log| {
        log.read(1)?;
        log.verify_chain("old", 1, u64::MAX)?;
        log.verify_checkpoints("old")?;
        log.prove_in_segment(1)?;
        log.verify_log().map(|_| ())
    }),
    ("lists", |log| {
        log.streams(0, 10)?;
        log.segments("old", 0, 10).map(|_| ())
    }),
];

/// A log with something in it, in a fresh world.
fn begun() -> World {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "old", b"1");
    append(&mut log, "a", b"1");
    log.close_segment("old").unwrap();
    append(&mut log, "old", b"1");
    world
}

#[test]
fn row_23_a_store_that_fails_at_any_call_is_a_typed_error_and_nothing_is_lost() {
    for (what, step) in STEPS {
        for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
            let mut at = 0;
            loop {
                at += 1;
                let world = begun();
                let (store, faults) = FaultStore::new(world.store.clone());
                let mut log = world.open_on(store, |_| ()).unwrap();
                let what = format!("{what}, call {at}, {effect:?}");
                faults.arm(Fault::on_call(at, effect));
                let outcome = step(&mut log);
                if faults.is_armed() {
                    outcome.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                    assert!(at > 1, "{what}: it calls the store");
                    break;
                }
                match &outcome {
                    Err(LogError::Store(StoreError::Io { .. })) => {}
                    other => panic!("{what}: {other:?}"),
                }
                // The state is read again, and everything goes on from what is really there.
                let before = world.heads().last().unwrap().size;
                let next = append(&mut log, "a", b"next");
                assert_eq!(next.seqno, before + 1, "{what}");
                assert_eq!(log.read(next.seqno).unwrap().payload, b"next", "{what}");
                world.assert_valid(next.seqno);
                // What was to be done can be done, or was.
                match step(&mut log) {
                    Ok(()) | Err(LogError::StreamExists(_) | LogError::EmptySegment(_) | LogError::Invalid(_)) => {}
                    Err(LogError::StreamDeprecated(_)) => {}
                    Err(error) => panic!("{what}, again: {error:?}"),
                }
                world.assert_valid(log.size());
            }
        }
    }
}

#[test]
fn row_23_opening_fails_at_any_call_and_leaves_a_log_that_opens() {
    for existing in [false, true] {
        for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
            let mut at = 0;
            loop {
                at += 1;
                let world = if existing { begun() } else { World::anchored() };
                let (store, faults) = FaultStore::new(world.store.clone());
                faults.arm(Fault::on_call(at, effect));
                let opened = world.open_on(store, |_| ()).map(|_| ());
                if faults.is_armed() {
                    assert_eq!(opened, Ok(()));
                    assert!(at > 1);
                    break;
                }
                assert!(matches!(opened, Err(LogError::Store(StoreError::Io { .. }))), "call {at}: {opened:?}");
                let mut log = world.open().unwrap();
                let next = append(&mut log, "a", b"next");
                world.assert_valid(next.seqno);
            }
        }
    }
}

#[test]
fn row_23_after_a_crash_of_the_store_nothing_is_written_until_it_is_back() {
    for effect in [Effect::CrashNotStored, Effect::CrashButStored] {
        let world = begun();
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = world.open_on(store, |_| ()).unwrap();
        faults.arm(Fault::on_write(1, effect));
        for _ in 0..3 {
            let refused = log.append(&entry("a", b"x")).unwrap_err();
            assert!(matches!(refused, LogError::Store(StoreError::Io { .. })), "{refused:?}");
        }
        let stored = world.heads().last().unwrap().size;
        faults.restart();
        assert_eq!(append(&mut log, "a", b"y").seqno, stored + 1);
        world.assert_valid(stored + 1);
    }
}

#[test]
fn row_23_a_store_that_is_locked_or_misconfigured_has_written_nothing() {
    for answer in [StoreError::Locked { detail: "busy".into() }, StoreError::Config("full".into())] {
        let world = begun();
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = world.open_on(store, |_| ()).unwrap();
        let calls = faults.calls();
        faults.answer(answer.clone());
        faults.arm(Fault::on_write(1, Effect::FailsNotStored));
        assert_eq!(log.append(&entry("fresh", b"x")).unwrap_err(), LogError::Store(answer));
        assert!(faults.calls() > calls);
        append(&mut log, "fresh", b"y");
        world.assert_valid(log.size());
    }
}

#[test]
fn row_23_a_head_that_could_not_be_stored_is_signed_again() {
    for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
        let world = World::new();
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = world.open_on(store, |options| options.head_every = Every::Entries(100)).unwrap();
        append(&mut log, "a", b"1");
        faults.arm(Fault::on_write(1, effect));
        assert!(matches!(log.sign_head(), Err(LogError::Store(StoreError::Io { .. }))));
        assert_eq!(log.sign_head().unwrap().size, 1);
        world.assert_valid(1);
    }
}

#[test]
fn row_23_what_was_adopted_is_recorded_even_when_the_first_try_fails() {
    for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
        for write in 1..=3 {
            let world = World::new();
            let seldom = |options: &mut LogOptions| options.head_every = Every::Entries(100);
            let (store, faults) = FaultStore::new(world.store.clone());
            let mut log = world.open_on(store, seldom).unwrap();
            append(&mut log, "a", b"1");
            // Another writer, who signs as seldom, goes on; then our store fails while we record what it left.
            append(&mut world.open_with(seldom).unwrap(), "a", b"2");
            append(&mut world.open_with(seldom).unwrap(), "a", b"3");
            world.edit(|records| unsign_last(records));
            faults.arm(Fault::on_write(write, effect));
            let _ = log.append(&entry("a", b"x"));
            let _ = log.append(&entry("a", b"y"));
            log.sign_head().unwrap();
            let report = world.report();
            assert_eq!(report.verdict, Verdict::Incomplete);
            // Whoever signed has said of every entry that it did not itself write that nobody attested it.
            let recovered = events(&world).iter().filter(|(stream, _)| stream == LOG_STREAM).count();
            assert!(recovered > 0, "{effect:?} at write {write}: {report:?}");
        }
    }
}

/// Takes the signature of the newest head away, as one has it that was never signed.
fn unsign_last(records: &mut [OwnedRecord]) {
    if let Some(OwnedRecord::Head(head)) = records.last_mut() {
        head.sigs.clear();
    }
}

// ---- row 27: what nobody attested

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
    for seqno in [3, 4] {
        let (world, _) = forged_tail();
        world.edit(|records| {
            let at = records.iter().position(|record| record.seqno() == Some(seqno)).unwrap();
            records[at].edit_entry(|entry| entry.payload = b"other".into());
        });
        let before = world.records();
        let refused = world.open_with(|options| options.unattested = Unattested::Adopt).map(|_| ()).unwrap_err();
        let code = match &refused {
            LogError::InvalidRecord(finding) => Some(finding.code),
            LogError::ChainBroken { .. } => None,
            other => panic!("{other:?}"),
        };
        assert!(matches!(code, None | Some(FindingCode::HashMismatch)), "{refused:?}");
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
    let lies: [(&str, fn(&mut OwnedRecord) -> bool); 4] = [
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
    let edits: [(&str, &str, fn(&mut StreamRules)); 6] = [
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
    let hiding = HostileStore::new(world.store.clone())
        .rewrite_rows(|record| !matches!(record, OwnedRecord::Head(head) if (1..4).contains(&head.size)));
    let refused = world.open_on(hiding, |_| ()).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            refused,
            LogError::Store(StoreError::Corrupt { .. }) | LogError::InvalidRecord(_) | LogError::Unattested { .. }
        ),
        "{refused:?}"
    );
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

// ---- row 30: what producers may not say, and how much

#[test]
fn row_30_what_is_the_engines_own_is_refused_and_nothing_is_written() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    let before = world.records();
    let good = entry("a", b"2");
    for event in [
        control::CREATED,
        control::SUITE_CHANGED,
        control::SEGMENT_CLOSED,
        control::DEPRECATED,
        control::PRUNED,
        control::ERASED,
        control::RECOVERED,
        control::CONTINUED,
        "secure-log.",
        "secure-log.anything",
    ] {
        refused(&mut log, NewEntry { event, ..good }, "event type", Problem::Reserved);
    }
    for stream in ["secure-log", "secure-log.keys", "secure-log.", "secure-log.a.b"] {
        refused(&mut log, NewEntry { stream, ..good }, "stream", Problem::Reserved);
        let reserved = |outcome: Result<(), LogError>| {
            let problem = Problem::Reserved;
            assert_eq!(outcome, Err(LogError::Invalid(Invalid { field: "stream", problem })));
        };
        reserved(log.create_stream(stream, &StreamRules::default()).map(|_| ()));
        reserved(log.deprecate_stream(stream).map(|_| ()));
        reserved(log.change_suite(stream, Suite::Blake3).map(|_| ()));
        reserved(log.close_segment(stream).map(|_| ()));
    }
    for encoding in ["text+aead-xchacha20poly1305-v1", "+aead-", "a+aead-b", "text+aead-unknown"] {
        refused(&mut log, NewEntry { encoding, ..good }, "payload encoding", Problem::Reserved);
    }
    for tier in [Tier::Protected, Tier::HighlyRestricted] {
        let refused = log.create_stream("sealed", &StreamRules { tier, ..StreamRules::default() }).unwrap_err();
        assert!(matches!(refused, LogError::NotImplemented(_)), "{refused:?}");
    }
    assert_eq!(world.records(), before);
    // What only looks a little like it is a producer's.
    for (stream, event, encoding) in
        [("secure-logs", "secure-log", "text+aead"), ("Secure-log", "x.secure-log.", "aead-")]
    {
        log.append(&NewEntry { stream, event, encoding, ..good }).unwrap();
    }
    world.assert_valid(3);
}

#[test]
fn row_30_each_field_has_its_limit_and_a_breach_names_both() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let (longest, longer) = ("x".repeat(255), "x".repeat(256));
    let wide = "\u{e9}".repeat(128);
    let good = entry("a", b"2");
    let fields: [(&str, for<'a> fn(NewEntry<'a>, &'a str) -> NewEntry<'a>, bool); 4] = [
        ("stream", |entry, stream| NewEntry { stream, ..entry }, false),
        ("event type", |entry, event| NewEntry { event, ..entry }, false),
        ("producer", |entry, producer| NewEntry { producer, ..entry }, true),
        ("payload encoding", |entry, encoding| NewEntry { encoding, ..entry }, true),
    ];
    for (field, with, may_be_empty) in fields {
        for long in [&longer, &wide] {
            refused(&mut log, with(good, long), field, Problem::TooLong { limit: 255, found: 256 });
        }
        for control in ["a\0b", "a\nb", "\t", "\u{1f}", "\u{7f}", "\u{1b}[2J"] {
            refused(&mut log, with(good, control), field, Problem::ControlCharacter);
        }
        match may_be_empty {
            true => drop(log.append(&with(good, "")).unwrap()),
            false => refused(&mut log, with(good, ""), field, Problem::Empty),
        }
        log.append(&with(good, &longest)).unwrap();
        log.append(&with(good, "\u{202e}\u{80} \u{1f600}")).unwrap();
    }
    for (description, problem) in [
        (longer.clone(), Problem::TooLong { limit: 255, found: 256 }),
        (String::new(), Problem::Empty),
        ("a\nb".into(), Problem::ControlCharacter),
    ] {
        let rules = StreamRules { description: Some(description), ..StreamRules::default() };
        let expected = LogError::Invalid(Invalid { field: "description", problem });
        assert_eq!(log.create_stream("described", &rules).unwrap_err(), expected);
    }
    log.create_stream("described", &StreamRules { description: Some(longest), ..StreamRules::default() }).unwrap();
    world.assert_valid(log.size());
    let shown = Invalid { field: "stream", problem: Problem::TooLong { limit: 255, found: 256 } }.to_string();
    assert_eq!(shown, "stream: at most 255 bytes, found 256");
}

#[test]
fn row_30_payloads_and_batches_have_their_limits() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let largest = vec![b'x'; MAX_PAYLOAD_BYTES];
    let larger = vec![b'x'; MAX_PAYLOAD_BYTES + 1];
    assert_eq!((MAX_PAYLOAD_BYTES, MAX_BATCH_BYTES), (16 << 20, 64 << 20));
    let too_long = |limit, found| Problem::TooLong { limit, found };
    refused(&mut log, entry("a", &larger), "payload", too_long(MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1));
    let full = [entry("a", &largest); 4];
    let fuller = [&full[..], &[entry("a", b"1")]].concat();
    let problem = too_long(MAX_BATCH_BYTES, MAX_BATCH_BYTES + 1);
    assert_eq!(log.append_batch(&fuller).unwrap_err(), LogError::Invalid(Invalid { field: "batch", problem }));
    assert_eq!(log.size(), 0);
    log.append_batch(&full).unwrap();
    world.assert_valid(4);
}

/// Expects that an entry is refused for this reason, alone and at the end of a batch, and that nothing is written.
#[track_caller]
fn refused(log: &mut Log, bad: NewEntry<'_>, field: &'static str, problem: Problem) {
    let size = log.size();
    let expected = LogError::Invalid(Invalid { field, problem });
    assert_eq!(log.append(&bad).unwrap_err(), expected);
    let good = NewEntry { severity: Severity::Emergency, ..entry("a", b"good") };
    assert_eq!(log.append_batch(&[good, bad]).unwrap_err(), expected);
    assert_eq!(log.size(), size);
}
