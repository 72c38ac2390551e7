//! What witnesses answer becomes rows: each cosignature, and of all else what is news.

use std::sync::{Arc, Mutex};

use crate::world::{Log, Store, World, append, entry};
use secure_log::SecureLog;
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication, WitnessAnswer, WitnessOutcome};
use secure_log::record::WitnessResult;
use secure_log::store::SecureLogStore;
use secure_log::verify::Verdict;
use secure_log_testkit::{Effect, Fault, FaultStore, MemoryAnchor};

use WitnessResult::{Conflict, Cosigned, Refused, Unreachable};

/// An anchor whose witnesses answer what a test says, each under its name.
#[derive(Clone)]
struct Witnesses {
    anchor: MemoryAnchor,
    answers: Arc<Mutex<Vec<(&'static str, WitnessResult)>>>,
}

impl Witnesses {
    fn of(world: &World, answers: &[(&'static str, WitnessResult)]) -> Witnesses {
        let witnesses = Witnesses { anchor: world.anchor.clone().unwrap(), answers: Arc::default() };
        witnesses.answer(answers);
        witnesses
    }

    fn answer(&self, answers: &[(&'static str, WitnessResult)]) {
        *self.answers.lock().unwrap() = answers.to_vec();
    }
}

impl Anchor for Witnesses {
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
        self.anchor.latest(origin)
    }

    fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
        let outcome = |name: &str, result| match result {
            Cosigned => WitnessOutcome::Cosigned(format!("{name} AAAAAAAA")),
            Conflict => WitnessOutcome::Conflict("its last head has size 1000".into()),
            Refused => WitnessOutcome::Refused("it answered 404: who?".into()),
            Unreachable => WitnessOutcome::Unreachable("it did not answer".into()),
        };
        let answers = self.answers.lock().unwrap();
        let answers = answers
            .iter()
            .map(|(name, result)| WitnessAnswer { name: (*name).into(), outcome: outcome(name, *result) });
        Publication { answers: answers.collect(), ..self.anchor.publish(note, old_size, proof) }
    }
}

fn open(world: &World, witnesses: &Witnesses) -> Result<Log, LogError> {
    open_on(world, world.store.clone(), witnesses)
}

fn open_on<S: SecureLogStore>(world: &World, store: S, witnesses: &Witnesses) -> Result<SecureLog<S>, LogError> {
    let mut providers = world.providers();
    providers.anchor = Box::new(witnesses.clone());
    SecureLog::open(store, providers, world.options())
}

/// Size, name and result of each row, oldest first.
fn rows(store: &Store) -> Vec<(u64, String, WitnessResult)> {
    let newest_first = store.clone().witnesses(None, u32::MAX).unwrap();
    newest_first.into_iter().rev().map(|witness| (witness.row.size, witness.row.name, witness.row.result)).collect()
}

fn row(size: u64, name: &str, result: WitnessResult) -> (u64, String, WitnessResult) {
    (size, name.into(), result)
}

#[test]
fn every_kind_of_answer_is_a_row_with_what_was_said() {
    let world = World::anchored();
    let answers = [("one", Cosigned), ("two", Conflict), ("three", Refused), ("four", Unreachable)];
    let mut log = open(&world, &Witnesses::of(&world, &answers)).unwrap();
    append(&mut log, "a", b"1");
    let expected: Vec<_> = answers.iter().map(|(name, result)| row(0, name, *result)).collect();
    assert_eq!(rows(&world.store)[..4], expected);
    let details = ["one AAAAAAAA", "its last head has size 1000", "it answered 404: who?", "it did not answer"];
    let kept = log.witness_rows(None, 1000).unwrap();
    for (witness, detail) in kept.iter().rev().zip(details) {
        assert_eq!((witness.row.detail.as_str(), witness.row.at.len()), (detail, 30));
    }
    // The second head has news of the first alone: a cosignature.
    assert_eq!(rows(&world.store)[4..], [row(1, "one", Cosigned)]);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn a_witness_that_stays_away_adds_one_row_and_one_commit() {
    let world = World::anchored();
    let witnesses = Witnesses::of(&world, &[("away", Unreachable)]);
    let mut log = open(&world, &witnesses).unwrap();
    for n in 0..300u32 {
        append(&mut log, "a", &n.to_le_bytes());
    }
    assert_eq!(rows(&world.store), [row(0, "away", Unreachable)]);
    assert_eq!(world.heads().len(), 302, "one for the log, one for the row, one for each append");
    // Nor do openings, of which each has forgotten what the last one knew.
    drop(log);
    for n in 0..5 {
        append(&mut open(&world, &witnesses).unwrap(), "a", &[n]);
    }
    assert_eq!(rows(&world.store).len(), 1);
}

#[test]
fn a_change_is_news_each_time() {
    let world = World::anchored();
    let witnesses = Witnesses::of(&world, &[]);
    let mut log = open(&world, &witnesses).unwrap();
    let story = [Unreachable, Unreachable, Refused, Refused, Unreachable, Conflict, Cosigned, Cosigned, Unreachable];
    for result in story {
        witnesses.answer(&[("w", result)]);
        append(&mut log, "a", b"x");
    }
    let expected = [
        row(1, "w", Unreachable),
        row(3, "w", Refused),
        row(5, "w", Unreachable),
        row(6, "w", Conflict),
        row(7, "w", Cosigned),
        row(8, "w", Cosigned),
        row(9, "w", Unreachable),
    ];
    assert_eq!(rows(&world.store), expected);
}

#[test]
fn one_that_says_this_and_that_of_one_head_adds_a_row_for_each_once() {
    let world = World { anchor: Some(MemoryAnchor::silent()), ..World::new() };
    let witnesses = Witnesses::of(&world, &[("w", Refused)]);
    append(&mut open(&world, &witnesses).unwrap(), "a", b"1");
    // Each opening publishes the head that it finds.
    for n in 0..20 {
        witnesses.answer(&[("w", [Refused, Unreachable, Conflict][n % 3])]);
        open(&world, &witnesses).unwrap();
    }
    assert_eq!(
        rows(&world.store),
        [row(0, "w", Refused), row(1, "w", Unreachable), row(1, "w", Conflict), row(1, "w", Refused)]
    );
}

#[test]
fn what_was_said_long_ago_is_said_again() {
    let world = World::anchored();
    let witnesses = Witnesses::of(&world, &[("w", Cosigned), ("away", Unreachable)]);
    let mut log = open(&world, &witnesses).unwrap();
    for n in 0..600u32 {
        append(&mut log, "a", &n.to_le_bytes());
    }
    // The newest 256 rows are looked at, so that every so often one more of them stands among the cosignatures.
    let away: Vec<u64> = rows(&world.store).into_iter().filter(|row| row.1 == "away").map(|row| row.0).collect();
    assert_eq!(away, [0, 257, 514]);
    assert_eq!(rows(&world.store).len(), 601 + 3);
}

#[test]
fn a_log_that_does_not_open_writes_nothing_and_one_that_goes_on_says_why_it_stopped() {
    let world = World { anchor: Some(MemoryAnchor::silent()), ..World::new() };
    let witnesses = Witnesses::of(&world, &[("w", Conflict)]);
    let mut log = open(&world, &witnesses).unwrap();
    append(&mut log, "a", b"1");
    let (early, before) = (world.records(), rows(&world.store).len());
    witnesses.answer(&[("w", Refused)]);
    append(&mut log, "a", b"2");
    assert_eq!(rows(&world.store).len(), before + 1);
    // While it is open, an answer that stops it is kept.
    witnesses.answer(&[("w", Unreachable)]);
    witnesses.anchor.forget();
    assert_eq!(log.append(&entry("a", b"3")).unwrap_err(), LogError::AnchorMissing { size: 3 });
    assert_eq!(rows(&world.store).last(), Some(&row(3, "w", Unreachable)));
    drop(log);
    world.put(&early);
    let mut ahead = World { anchor: world.anchor.clone(), ..World::new() }.open().unwrap();
    for n in 0..9 {
        append(&mut ahead, "a", &[n]);
    }
    assert!(open(&world, &witnesses).is_err());
    assert_eq!(world.records(), early, "an opening that is refused writes nothing");
}

#[test]
fn answers_that_could_not_be_stored_fail_nothing_and_are_not_lost() {
    for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
        let world = World::anchored();
        let witnesses = Witnesses::of(&world, &[]);
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = open_on(&world, store, &witnesses).unwrap();
        witnesses.answer(&[("w", Cosigned)]);
        // The commit is the first write, that of its answers the second.
        faults.arm(Fault::on_write(2, effect));
        assert!(log.append(&entry("a", b"1")).unwrap().1.anchored, "{effect:?}");
        append(&mut log, "a", b"2");
        let expected = [row(1, "w", Cosigned), row(2, "w", Cosigned)];
        assert_eq!(rows(&world.store), expected, "{effect:?}");
        world.assert_valid(2);
    }
}

#[test]
fn the_status_says_how_far_the_log_is_anchored() {
    let world = World::new();
    let status = world.open().unwrap().status();
    assert_eq!((status.anchor, status.anchored, status.anchored_to), (false, false, None));
    let world = World::anchored();
    let mut log = world.open().unwrap();
    let said = |log: &Log| (log.status().anchored, log.status().anchored_to);
    assert_eq!(said(&log), (true, Some(0)), "the head of a new log");
    append(&mut log, "a", b"1");
    assert_eq!(said(&log), (true, Some(1)));
    world.anchor.clone().unwrap().set_outage(Some(secure_log_testkit::Outage::Down));
    append(&mut log, "a", b"2");
    assert_eq!(said(&log), (false, Some(1)));
    world.anchor.clone().unwrap().set_outage(None);
    append(&mut log, "a", b"3");
    assert_eq!(said(&log), (true, Some(3)));
    drop(log);
    assert_eq!(said(&world.open().unwrap()), (true, Some(3)), "whoever opens it knows it from the anchor");
}
