//! Opening and writing under an anchor that shows no head and answers only to one that is published, as a witness does.

use crate::world::{Log, World, append, entry};
use secure_log::SecureLog;
use secure_log::engine::{Every, LogOptions, Unattested};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::note::Note;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication};
use secure_log::record::{Record, WitnessResult, WitnessRow};
use secure_log::store::{Commit, Expected, SecureLogStore};
use secure_log_testkit::{MemoryAnchor, Outage, OwnedRecord, TestKeystore};

/// A log under a silent anchor.
fn witnessed() -> World {
    World { anchor: Some(MemoryAnchor::silent()), ..World::new() }
}

fn anchor(world: &World) -> MemoryAnchor {
    world.anchor.clone().expect("it has one")
}

fn known_size(world: &World) -> Option<u64> {
    anchor(world).last_note().map(|note| Note::parse(&note).unwrap().checkpoint().unwrap().size)
}

/// A log of so many entries that the anchor has seen, closed.
fn seen(entries: u8) -> World {
    let world = witnessed();
    let mut log = world.open().unwrap();
    for n in 0..entries {
        append(&mut log, "a", &[n]);
    }
    world
}

/// A store that was put back after a second entry, which the anchor has seen; and what it holds.
fn put_back() -> (World, Vec<OwnedRecord>) {
    let world = seen(1);
    let early = world.records();
    append(&mut world.open().unwrap(), "a", b"2");
    world.put(&early);
    (world, early)
}

fn append_anchored(log: &mut Log) -> bool {
    log.append(&entry("a", b"x")).unwrap().1.anchored
}

fn refusal(world: &World) -> LogError {
    world.open().map(|_| ()).expect_err("it is refused")
}

/// Writes down that heads were cosigned, as the store of a log under a witness has it.
fn note_cosigned(world: &World, sizes: &[u64]) {
    note_answers(world, WitnessResult::Cosigned, sizes);
}

fn note_answers(world: &World, result: WitnessResult, sizes: &[u64]) {
    let head = world.heads().pop().unwrap();
    let segments = world.store.clone().segment_count().unwrap();
    let mut commit = Commit::new(Some(Expected { size: head.size, root: head.root, segments }));
    for size in sizes {
        let row = WitnessRow {
            size: *size,
            name: "witness.example".into(),
            at: "2026-11-20T04:07:11.000000000Z".into(),
            result,
            detail: String::new(),
        };
        commit.push(Record::Witness(&row));
    }
    commit.push(Record::Head(&head));
    world.store.clone().insert(&commit).unwrap();
}

#[test]
fn the_head_that_is_found_is_published_before_anything_is_accepted() {
    let world = witnessed();
    let mut log = world.open().unwrap();
    assert_eq!(known_size(&world), Some(0), "that of a new log too");
    assert!(append_anchored(&mut log) && log.status().anchor);
    assert_eq!(known_size(&world), Some(1));
    drop(log);
    let before = world.records();
    anchor(&world).set_outage(Some(Outage::AnswersLost));
    assert!(matches!(refusal(&world), LogError::Anchor(AnchorError::Unavailable(_))));
    anchor(&world).set_outage(None);
    let published = anchor(&world).published();
    let mut log = world.open().unwrap();
    assert_eq!(anchor(&world).published(), published + 1, "it has that head and was shown it all the same");
    assert_eq!(world.records(), before);
    assert!(append_anchored(&mut log));
    world.assert_valid(2);
}

#[test]
fn a_size_that_it_answers_is_followed() {
    let world = seen(40);
    let alone = World { anchor: None, ..world.clone() };
    for n in 0..3 {
        append(&mut alone.open().unwrap(), "a", &[n]);
    }
    world.open().unwrap();
    assert_eq!(known_size(&world), Some(43), "a store ahead of it brings it up");
    // What the store says of cosignatures only saves a question; what it says too much of is not believed.
    for sizes in [&[7, 20][..], &[43], &[0]] {
        note_cosigned(&world, sizes);
        assert!(append_anchored(&mut world.open().unwrap()), "{sizes:?}");
    }
    world.assert_valid(46);
}

#[test]
fn the_last_cosigned_size_is_found_among_many() {
    let world = seen(30);
    for sizes in [&[0][..], &[1], &[3, 9], &[29]] {
        note_cosigned(&world, sizes);
        // Behind more answers of another kind than are read at once.
        note_answers(&world, WitnessResult::Refused, &[5; 600]);
        let asked = Recorder::default();
        let old_sizes = asked.0.clone();
        open_with_anchor(&world, asked).unwrap();
        assert_eq!(*old_sizes.lock().unwrap(), [*sizes.last().unwrap()], "{sizes:?}");
    }
}

/// Takes every head, and keeps the old sizes that it was told.
#[derive(Default)]
struct Recorder(std::sync::Arc<std::sync::Mutex<Vec<u64>>>);

impl Anchor for Recorder {
    fn latest(&mut self, _: Option<&str>) -> Result<AnchorView, AnchorError> {
        Ok(AnchorView::WhenPublished)
    }

    fn publish(&mut self, _: &str, old_size: u64, _: &[Hash]) -> Publication {
        self.0.lock().unwrap().push(old_size);
        Ok(()).into()
    }
}

fn open_with_anchor(world: &World, anchor: impl Anchor + Send + 'static) -> Result<Log, LogError> {
    let mut providers = world.providers();
    providers.anchor = Box::new(anchor);
    SecureLog::open(world.store.clone(), providers, world.options())
}

#[test]
fn a_store_behind_it_is_refused_and_nothing_is_written() {
    let (world, early) = put_back();
    assert_eq!(refusal(&world), LogError::Rollback { expected: 2, found: 1 });
    assert_eq!(world.records(), early, "nothing was written");
    // Also where what follows the last signed head would be adopted.
    let mut stripped = early.clone();
    let Some(OwnedRecord::Head(head)) = stripped.last_mut() else { panic!("a head stands last") };
    head.sigs.clear();
    world.put(&stripped);
    let refused = world.open_with(|options| options.unattested = Unattested::Adopt).map(|_| ());
    assert_eq!(refused, Err(LogError::Rollback { expected: 2, found: 0 }));
    assert_eq!(world.records(), stripped, "nothing was written");
}

#[test]
fn a_signature_that_was_taken_off_the_published_head_is_missed() {
    let world = seen(2);
    world.edit(|records| {
        let Some(OwnedRecord::Head(head)) = records.last_mut() else { panic!("a head stands last") };
        head.sigs.clear();
    });
    let before = world.records();
    let refused = world.open_with(|options| options.unattested = Unattested::Adopt).map(|_| ());
    assert_eq!(refused, Err(LogError::Rollback { expected: 2, found: 1 }));
    assert_eq!(world.records(), before);
}

#[test]
fn another_history_is_a_fork() {
    let (world, _) = put_back();
    let alone = World { anchor: None, ..world.clone() };
    let mut log = alone.open().unwrap();
    append(&mut log, "a", b"other");
    note_cosigned(&world, &[2]);
    assert_eq!(refusal(&world), LogError::Fork { expected: 2, found: 2 });
    drop(log);
    append(&mut alone.open().unwrap(), "a", b"more");
    assert_eq!(refusal(&world), LogError::Fork { expected: 2, found: 3 });
    assert_eq!(known_size(&world), Some(2));
}

#[test]
fn one_that_lost_its_memory_is_missed_where_the_store_says_that_it_cosigned() {
    let world = seen(1);
    note_cosigned(&world, &[0, 1]);
    anchor(&world).forget();
    let before = world.records();
    assert_eq!(refusal(&world), LogError::AnchorMissing { size: 1 });
    assert_eq!((world.records(), known_size(&world)), (before, None), "nothing was written, neither here nor there");
    let chosen = |options: &mut LogOptions| options.reanchor = true;
    assert!(append_anchored(&mut world.open_with(chosen).unwrap()));
    assert_eq!(known_size(&world), Some(3), "after an entry that says so");
}

#[test]
fn one_that_loses_its_memory_under_way_is_missed() {
    let world = witnessed();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    anchor(&world).forget();
    assert_eq!(log.append(&entry("a", b"2")).unwrap_err(), LogError::AnchorMissing { size: 2 });
}

#[test]
fn two_writers_meet_under_it() {
    let world = witnessed();
    let (mut a, mut b) = (world.open().unwrap(), world.open().unwrap());
    for _ in 0..5 {
        assert!(append_anchored(&mut a) && append_anchored(&mut b) && append_anchored(&mut b));
    }
    world.assert_valid(15);
}

#[test]
fn a_log_whose_signatures_are_gone_is_not_adopted_as_keyless() {
    let world = World { keys: TestKeystore::new(), ..World::new() };
    append(&mut world.open().unwrap(), "a", b"1");
    let keyed = World { anchor: Some(MemoryAnchor::silent()), store: world.store.clone(), ..World::new() };
    assert_eq!(refusal(&keyed), LogError::Unattested { first: 1, last: 1 });
    let chosen = |options: &mut LogOptions| options.unattested = Unattested::Adopt;
    assert!(append_anchored(&mut keyed.open_with(chosen).unwrap()));
}

#[test]
fn the_last_signed_head_is_published_where_later_ones_are_not_signed() {
    let world = witnessed();
    let seldom = |options: &mut LogOptions| options.head_every = Every::Entries(4);
    let mut log = world.open_with(seldom).unwrap();
    let anchored: Vec<bool> = (0..5).map(|_| append_anchored(&mut log)).collect();
    assert_eq!((anchored, known_size(&world)), (vec![false, false, false, true, false], Some(4)));
    log.sign_head().unwrap();
    assert_eq!(known_size(&world), Some(5));
}
