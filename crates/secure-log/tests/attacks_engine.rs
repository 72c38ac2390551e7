//! The attack table of docs/security.md where it needs a running engine: rows 21 and 23.

use crate::world::*;
use secure_log::SecureLog;
use secure_log::engine::{Every, LogOptions};
use secure_log::entry::{LOG_STREAM, SigningRule};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::store::StoreError;
use secure_log::verify::Verdict;
use secure_log_testkit::attacks::IDENTITY;
use secure_log_testkit::{
    Effect, Fault, FaultStore, HostileStore, OwnedRecord, SeededRandom, SharedStore, count, seed,
};

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
fn row_21_reading_while_another_writes_is_no_alarm() {
    let world = World::new();
    let mut faster = world.open().unwrap();
    for _ in 0..3 {
        append(&mut faster, "a", b"before");
    }
    faster.close_segment("a").unwrap();
    let writes = SharedStore::new(0);
    let look = writes.clone();
    // Between the newest head, which a read asks for first, and everything else that it reads.
    let store = HostileStore::new(world.store.clone()).rewrite_rows(move |row| {
        if matches!(row, OwnedRecord::Head(_)) && look.with(|left| *left > 0) {
            look.with(|left| *left -= 1);
            append(&mut faster, "a", b"meanwhile");
            faster.close_segment("a").unwrap();
        }
        true
    });
    let mut log = world.open_on(store, |_| ()).unwrap();
    type Read<'r> = &'r mut dyn FnMut(&mut SecureLog<HostileStore<Store>>) -> Result<u64, LogError>;
    let reads: [(&str, Read<'_>); 8] = [
        ("read", &mut |log| log.read(1).map(|entry| entry.seqno)),
        ("read_page", &mut |log| log.read_page(Some("a"), 1, 1000, 1000).map(|page| page.len() as u64)),
        ("head", &mut |log| log.head("a").map(Option::unwrap)),
        ("stream", &mut |log| log.stream("a").map(|row| row.name.len() as u64)),
        ("verify_chain", &mut |log| log.verify_chain("a", 1, u64::MAX).map(|()| 1)),
        ("segments", &mut |log| log.segments("a", 0, 100).map(|all| all.len() as u64)),
        ("verify_checkpoints", &mut |log| log.verify_checkpoints("a").map(|signed| signed + 1)),
        ("prove_in_segment", &mut |log| log.prove_in_segment(2).map(|proof| proof.segment)),
    ];
    for (name, read) in reads {
        for times in [1, 3] {
            writes.with(|left| *left = times);
            let answer = read(&mut log);
            assert!(
                answer.as_ref().is_ok_and(|found| *found > 0),
                "{name}, with {times} commits meanwhile: {answer:?}"
            );
            assert!(writes.with(std::mem::take) < times, "{name}: the other writer came between");
        }
    }
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
fn row_23_a_store_that_is_locked_misconfigured_or_a_later_versions_has_written_nothing() {
    let calls_after = |answer: StoreError| {
        let world = begun();
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = world.open_on(store, |_| ()).unwrap();
        let calls = faults.calls();
        faults.answer(answer.clone());
        faults.arm(Fault::on_write(1, Effect::FailsNotStored));
        assert_eq!(log.append(&entry("fresh", b"x")).unwrap_err(), LogError::Store(answer));
        assert!(faults.calls() > calls);
        let calls = faults.calls();
        append(&mut log, "fresh", b"y");
        world.assert_valid(log.size());
        faults.calls() - calls
    };
    let unknown = calls_after(StoreError::Io { operation: "write".into(), detail: "the disk is gone".into() });
    for answer in [
        StoreError::Locked { detail: "busy".into() },
        StoreError::Config("full".into()),
        StoreError::LaterVersion { at: "record 1".into(), what: "mystery".into() },
    ] {
        assert!(calls_after(answer.clone()) < unknown, "{answer}: there is nothing to be read again");
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
        let world = World::new();
        let seldom = |options: &mut LogOptions| options.head_every = Every::Entries(100);
        let (store, faults) = FaultStore::new(world.store.clone());
        let (mut log, mut other) = (world.open_on(store, seldom).unwrap(), world.open_with(seldom).unwrap());
        append(&mut log, "a", b"1");
        // The other writer adopts entry 1 and says so in entry 2; its own entry 3 is signed by nobody.
        append(&mut other, "a", b"3");
        // The first write is refused for it; the second is to say that entry 3 was adopted, and fails.
        faults.arm(Fault::on_write(2, effect));
        assert!(matches!(log.append(&entry("a", b"x")), Err(LogError::Store(StoreError::Io { .. }))));
        append(&mut log, "a", b"y");
        log.sign_head().unwrap();
        let recovered: Vec<String> = world
            .records()
            .iter()
            .filter_map(OwnedRecord::entry)
            .filter(|entry| entry.stream == LOG_STREAM)
            .map(|entry| String::from_utf8(entry.payload).unwrap())
            .collect();
        assert_eq!(recovered, ["1 1", "3 3"], "{effect:?}: nothing that others wrote is signed without a word");
        assert_eq!(world.report().verdict, Verdict::Incomplete);
    }
}
