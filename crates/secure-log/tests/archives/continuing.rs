//! Beginning a log that continues another: one, and only from a head that is that log's.

use secure_log::engine::LogOptions;
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::limits::Invalid;
use secure_log::memory::MemoryStore;
use secure_log::note::Note;
use secure_log::record::HeadRow;
use secure_log::store::SecureLogStore;
use secure_log_testkit::archiving::entry;
use secure_log_testkit::{Effect, Fault, FaultStore, MemoryAnchor, SeededRandom, SharedStore, TestKeystore};

use crate::world::{Log, Store, World, append};

/// An archived log, and the note of its last head.
fn archived(world: &World) -> String {
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"one");
    let head = log.close_log().unwrap();
    Note::of_head(&log.status().log.origin, &head).to_string()
}

/// Opens a store as the log that continues this head.
fn continued(world: &World, store: Store, note: &str) -> Result<Log, LogError> {
    world.open_on(store, |options| (options.origin, options.continues) = (None, Some(note.into())))
}

fn empty() -> Store {
    SharedStore::new(MemoryStore::new())
}

#[test]
fn the_first_entry_says_what_is_continued_and_an_opening_checks_it() {
    let world = World::new();
    let note = archived(&world);
    let store = empty();
    let mut log = continued(&world, store.clone(), &note).unwrap();
    let first = log.read(1).unwrap();
    assert_eq!((first.stream.as_str(), first.event.as_str()), ("secure-log", "secure-log.continued"));
    assert_eq!(first.payload, note.as_bytes());
    let origin = log.status().log.origin;
    append(&mut log, "a", b"goes on");
    drop(log);
    // With the option or without.
    assert_eq!(continued(&world, store.clone(), &note).unwrap().size(), 2);
    let mut log = world.open_on(store.clone(), |options| options.origin = None).unwrap();
    assert_eq!((log.size(), log.continued().unwrap()), (2, Some(note.clone())));
    // The name follows from the head, and another head has another.
    assert_eq!(continued(&world, empty(), &note).unwrap().status().log.origin, origin);
    let other = world.open_on(empty(), |_| ()).and_then(|mut log| {
        append(&mut log, "a", b"another log");
        log.close_log().map(|head| Note::of_head(&log.status().log.origin, &head).to_string())
    });
    let other = other.unwrap();
    assert_ne!(continued(&world, empty(), &other).unwrap().status().log.origin, origin);
    let refused = continued(&world, store, &other);
    assert!(matches!(&refused, Err(LogError::PolicyMismatch(_))), "{:?}", refused.err());
    // A log that began by itself continues nothing, and never will.
    let own = empty();
    append(&mut world.open_on(own.clone(), |_| ()).unwrap(), "a", b"by itself");
    let refused = continued(&world, own, &note);
    assert!(matches!(&refused, Err(LogError::PolicyMismatch(_))), "{:?}", refused.err());
}

#[test]
fn what_is_no_head_of_an_earlier_log_is_not_continued() {
    let world = World::new();
    let note = archived(&world);
    let parsed = Note::parse(&note).unwrap();
    let head = parsed.checkpoint().unwrap();
    let with = |origin: &str, size, sigs: &[String]| {
        Note::of_head(origin, &HeadRow { size, root: head.root, sigs: sigs.to_vec() }).to_string()
    };
    let stranger =
        World { keys: TestKeystore::new().signing("stranger", secure_log::sign::Algorithm::Ed25519), ..World::new() };
    let mut strange = stranger.open_with(|options| options.identity = "stranger".into()).unwrap();
    append(&mut strange, "a", b"one");
    let theirs = strange.close_log().unwrap();
    for bad in [
        String::new(),
        "no note".into(),
        with(&head.origin, head.size, &[]),
        with(&head.origin, head.size + 1, &parsed.sigs),
        with(&head.origin, 0, &parsed.sigs),
        with("another.example", head.size, &parsed.sigs),
        Note::of_head(&head.origin, &theirs).to_string(),
        note.replacen('\n', "\n\n", 1),
    ] {
        let store = empty();
        let refused = continued(&world, store.clone(), &bad);
        assert!(matches!(&refused, Err(LogError::Invalid(Invalid { .. }))), "{bad:?}: {:?}", refused.err());
        assert_eq!(store.clone().log().unwrap(), None, "nothing was made");
    }
    // Two logs of one name would be two histories.
    let refused = world.open_on(empty(), |options| options.continues = Some(note.clone()));
    assert!(matches!(&refused, Err(LogError::Invalid(Invalid { field: "origin", .. }))), "{:?}", refused.err());
}

/// Whoever makes a second log that continues the same head meets the first at the anchor.
#[test]
fn an_anchor_takes_one_continuation_and_no_second() {
    for anchor in [MemoryAnchor::new(), MemoryAnchor::silent()] {
        let world = World { anchor: Some(anchor), ..World::new() };
        let note = archived(&world);
        let mut first = continued(&world, empty(), &note).unwrap();
        append(&mut first, "a", b"goes on");
        let second = continued(&world, empty(), &note);
        let is_refused = matches!(&second, Err(LogError::Rollback { .. } | LogError::Fork { .. }));
        assert!(is_refused, "{:?}", second.err());
        append(&mut first, "a", b"and on");
        assert!(first.status().anchored);
    }
}

/// Any failure of the store leaves no log, one that is made to continue by the next opening, or one that continues.
#[test]
fn beginning_is_done_again_after_any_failure_of_the_store() {
    let world = World::new();
    let note = archived(&world);
    for effect in Effect::ALL {
        let (mut failures, mut reached) = (0, true);
        for call in 1.. {
            if !reached {
                break;
            }
            let place = empty();
            let (store, faults) = FaultStore::new(place.clone());
            faults.arm(Fault::on_call(call, effect));
            let opened =
                world.open_on(store, |options| (options.origin, options.continues) = (None, Some(note.clone())));
            reached = !faults.is_armed();
            failures += u32::from(opened.is_err());
            drop(opened);
            let mut log =
                continued(&world, place, &note).unwrap_or_else(|error| panic!("{effect:?}, call {call}: {error}"));
            assert_eq!((log.size(), log.continued().unwrap().as_ref()), (1, Some(&note)), "{effect:?}, call {call}");
        }
        assert!(failures > 1, "{effect:?}: {failures}");
    }
}

/// Several that begin the same log at once begin one.
#[test]
fn whoever_begins_it_at_once_begins_one_log() {
    let world = World::new();
    let note = archived(&world);
    for _ in 0..secure_log_testkit::count(20, 2000) {
        let place = empty();
        std::thread::scope(|scope| {
            for number in 0..3 {
                let (place, note, world) = (place.clone(), &note, world.clone());
                scope.spawn(move || {
                    let mut providers = world.providers();
                    providers.random = Box::new(SeededRandom::new(number));
                    let options = LogOptions { origin: None, continues: Some(note.clone()), ..world.options() };
                    let mut log = secure_log::SecureLog::open(place, providers, options).unwrap();
                    log.append(&entry("a", b"goes on")).unwrap();
                });
            }
        });
        let mut log = continued(&world, place, &note).unwrap();
        assert_eq!((log.size(), log.continued().unwrap().as_ref()), (4, Some(&note)));
        assert_ne!(log.status().root, Hash::ZERO);
    }
}
