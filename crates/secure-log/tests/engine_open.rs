//! From which log, with which keys and against which anchor the engine goes on.

use crate::world::*;
use secure_log::control;
use secure_log::engine::{Absent, AnchorEvery, Every, LogOptions, Unattested};
use secure_log::entry::{LOG_STREAM, SigningRule};
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::note::{Note, VerifierKey};
use secure_log::providers::{Anchor, AnchorError, AnchorView, KeyError, Keystore, Publication, Random, RandomError};
use secure_log::record::HeadRow;
use secure_log::sign::Algorithm;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::Verdict;
use secure_log_testkit::attacks::{IDENTITY, ORIGIN, keystore, log_key};
use secure_log_testkit::{MemoryAnchor, Outage, OwnedRecord, SharedStore, TestKeystore};

// ---- names and surroundings

#[test]
fn a_log_has_the_origin_that_was_asked_for_or_one_of_its_own() {
    let world = World::new();
    let log = world.open_with(|options| options.origin = None).unwrap();
    let origin = log.status().log.origin;
    assert!(origin.starts_with("secure-log/") && origin.len() == 11 + 32, "{origin}");
    drop(log);
    let refused = world.open().map(|_| ()).unwrap_err();
    assert!(matches!(&refused, LogError::PolicyMismatch(what) if what.contains(ORIGIN)), "{refused:?}");
    world.open_with(|options| options.origin = Some(origin)).unwrap();
    for bad in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
        let refused = World::new().open_with(|options| options.origin = Some(bad.into())).map(|_| ()).unwrap_err();
        assert!(matches!(&refused, LogError::Invalid(invalid) if invalid.field == "origin"), "{bad:?}: {refused:?}");
    }
}

#[test]
fn options_that_break_a_limit_are_refused_and_nothing_is_written() {
    let long = || "x".repeat(256);
    type Breach = (&'static str, fn(&mut LogOptions, String));
    let edits: [Breach; 4] = [
        ("origin", |options, long| options.origin = Some(long)),
        ("head identity", |options, long| options.identity = long),
        ("session", |options, long| options.session = Some(long)),
        ("boot", |options, long| options.boot = Some(long)),
    ];
    for (field, edit) in edits {
        let world = World::new();
        let refused = world.open_with(|options| edit(options, long())).map(|_| ()).unwrap_err();
        assert!(matches!(&refused, LogError::Invalid(invalid) if invalid.field == field), "{refused:?}");
        assert_eq!(world.records(), []);
    }
}

#[test]
fn a_log_that_is_not_there_is_not_made_for_who_only_looks() {
    let world = World::anchored();
    let looks = |options: &mut LogOptions| options.absent = Absent::Refuse;
    let refused = world.open_with(looks).map(|_| ()).unwrap_err();
    assert_eq!(refused, LogError::LogNotFound { origin: Some(ORIGIN.into()) });
    assert!(refused.to_string().contains(ORIGIN), "{refused}");
    assert_eq!((world.records(), world.anchor.clone().unwrap().last_note()), (Vec::new(), None));
    append(&mut world.open().unwrap(), "a", b"1");
    let mut log = world.open_with(looks).unwrap();
    assert_eq!(log.read(1).unwrap().payload, b"1");
    append(&mut log, "a", b"2");
    world.assert_valid(2);
}

#[test]
fn without_randomness_no_log_is_made() {
    struct Empty;
    impl Random for Empty {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError("the pool is empty".into()))
        }
    }
    let world = World::new();
    let mut providers = world.providers();
    providers.random = Box::new(Empty);
    let refused = secure_log::SecureLog::open(world.store.clone(), providers, world.options()).map(|_| ());
    assert!(matches!(refused, Err(LogError::Random(_))), "{refused:?}");
    assert_eq!(world.records(), []);
}

// ---- what a later version wrote

#[test]
fn a_log_that_a_later_version_wrote_to_is_read_and_not_written() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    append(&mut log, "a", b"2");
    drop(log);
    world.edit(|records| records.insert(records.len() - 1, OwnedRecord::Unknown("mystery".into())));
    let before = world.records();
    let place = before.len() - 1;
    let refused = LogError::Store(StoreError::LaterVersion {
        at: format!("record {place}"),
        what: "unknown record 'mystery'".into(),
    });
    let mut log = world.open().unwrap();
    for _ in 0..2 {
        assert_eq!(log.read(2).unwrap().payload, b"2");
        let report = log.verify_log().unwrap();
        assert_eq!(report, world.report());
        assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 2));
        assert_eq!(
            report.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!("line {place}: unknown record 'mystery'")]
        );
        assert_eq!(log.append(&entry("a", b"3")).unwrap_err(), refused);
        assert_eq!(log.close_segment("a").unwrap_err(), refused);
    }
    let mut store = log.into_store();
    let refusals = [
        store.prune(&[("a", 2)]).map(drop),
        store.drop_data_keys(&[]),
        store.replace_data_keys(&[]),
        store.drop_witnesses(&[]),
        store.set_aside(1).map(drop),
    ];
    for refusal in refusals {
        assert_eq!(refusal.map_err(LogError::Store), Err(refused.clone()));
    }
    assert_eq!(world.records(), before);
}

// ---- keys

#[test]
fn a_log_made_without_a_key_says_so() {
    let world = World::keyless();
    let mut log = world.open().unwrap();
    assert_eq!(log.status().head_key, None);
    let (_, info) = log.append(&entry("a", b"1")).unwrap();
    assert!(!info.signed && !info.anchored);
    assert!(matches!(log.sign_head(), Err(LogError::Key(KeyError::NotFound(_)))));
    let refused = log.create_stream("signed", &signed(SigningRule::Segments)).unwrap_err();
    assert!(matches!(refused, LogError::Key(KeyError::NotFound(_))), "{refused:?}");
    log.close_segment("a").unwrap();
    drop(log);
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"2");
    let report = log.verify_log().unwrap();
    assert_eq!((&report.verdict, report.complete_to, report.entries), (&Verdict::Incomplete, 0, 3));
    assert!(report.missing.iter().any(|m| m.to_string().contains("covered by no trusted tree head")), "{report:?}");
    assert!(world.heads().iter().all(|head| head.sigs.is_empty()));
}

#[test]
fn a_keyless_log_that_gets_a_key_first_says_what_nobody_attested() {
    let world = World::keyless();
    let mut log = world.open().unwrap();
    for n in 0..3 {
        append(&mut log, "a", &[n]);
    }
    drop(log);
    let world = World { keys: keystore(), ..world };
    let mut log = world.open().unwrap();
    assert_eq!(events(&world)[3], (LOG_STREAM.into(), control::RECOVERED.into()));
    assert_eq!(log.read(4).unwrap().payload, b"1 3");
    append(&mut log, "a", b"4");
    drop(log);
    world.open().unwrap();
    assert_eq!(world.records().iter().filter_map(OwnedRecord::entry).count(), 5, "it is said once");
    let report = world.report();
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 5));
    assert!(report.missing[0].to_string().starts_with("entries 1 to 3: "), "{:?}", report.missing);
    // And it is no keyless log any more.
    let refused = World { keys: TestKeystore::new(), ..world }.open().map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Key(KeyError::NotFound(_))), "{refused:?}");
}

#[test]
fn an_empty_keyless_log_that_gets_a_key_has_nothing_to_say() {
    let world = World::keyless();
    world.open().unwrap();
    let world = World { keys: keystore(), ..world };
    append(&mut world.open().unwrap(), "a", b"1");
    world.assert_valid(1);
}

#[test]
fn a_signed_log_is_not_continued_without_its_key() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    let before = world.records();
    let without = World { keys: TestKeystore::new(), ..world.clone() };
    let refused = without.open().map(|_| ()).unwrap_err();
    assert!(matches!(&refused, LogError::Key(KeyError::NotFound(what)) if what.contains(IDENTITY)), "{refused:?}");
    // Who trusts its public key can read it, and not write.
    let mut log = without.open_with(|options| options.trust.add_log_key(log_key(ORIGIN))).unwrap();
    assert_eq!(log.read(1).unwrap().payload, b"1");
    assert_ne!(log.verify_log().unwrap().complete_to, 0);
    let refused = log.append(&entry("a", b"2")).unwrap_err();
    assert!(matches!(refused, LogError::Key(KeyError::NotFound(_))), "{refused:?}");
    assert_eq!(world.records(), before);
}

#[test]
fn a_locked_key_is_never_no_key() {
    let locked = World { keys: keystore().denying(IDENTITY), ..World::new() };
    let refused = locked.open().map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Key(KeyError::AccessDenied(_))), "{refused:?}");
    assert_eq!(locked.records(), [], "no keyless log was made instead");
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    for keys in [keystore().denying(IDENTITY), keystore().denying("mac")] {
        let refused = World { keys, ..world.clone() }.open().map(|_| ()).unwrap_err();
        assert!(matches!(refused, LogError::Key(KeyError::AccessDenied(_))), "{refused:?}");
    }
}

#[test]
fn another_key_does_not_continue_a_signed_log_unless_a_policy_trusts_the_first() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    let before = world.records();
    let label = "another".to_string();
    let other = World { keys: keystore().signing(&label, Algorithm::Ed25519), ..world.clone() };
    let refused = other.open_with(|options| options.identity = label.clone()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Key(KeyError::AccessDenied(_))), "{refused:?}");
    assert_eq!(world.records(), before);
    let rotated = |options: &mut LogOptions| {
        options.identity = label.clone();
        options.trust.add_log_key(log_key(ORIGIN));
    };
    let mut log = other.open_with(rotated).unwrap();
    append(&mut log, "a", b"2");
    let report = log.verify_log().unwrap();
    assert_eq!((report.verdict, report.complete_to), (Verdict::Valid, 2));
}

#[test]
fn heads_are_signed_with_keys_of_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let label = format!("head-{algorithm}");
        let world = World { keys: keystore().signing(&label, algorithm), ..World::anchored() };
        let named = |options: &mut LogOptions| options.identity = label.clone();
        let mut log = world.open_with(named).unwrap();
        log.create_stream("a", &signed(SigningRule::Entries)).unwrap();
        append(&mut log, "a", b"1");
        log.close_segment("a").unwrap();
        drop(log);
        let mut log = world.open_with(named).unwrap();
        append(&mut log, "a", b"2");
        let report = log.verify_log().unwrap();
        assert_eq!((&report.verdict, report.complete_to, report.signatures), (&Verdict::Valid, 4, 5), "{algorithm}");
        let signer = world.keys.signer(&label).unwrap();
        let key = VerifierKey::new(ORIGIN, algorithm, signer.public_key()).unwrap();
        assert_eq!(log.status().head_key, Some(key.to_string()));
    }
}

// ---- anchors

#[test]
fn the_head_of_size_0_is_published_before_the_first_entry_is_accepted() {
    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    let mut log = world.open().unwrap();
    assert_eq!(Note::parse(&anchor.last_note().unwrap()).unwrap().checkpoint().unwrap().size, 0);
    let (_, info) = log.append(&entry("a", b"1")).unwrap();
    assert!(info.anchored && log.status().anchor);
    assert_eq!(Note::parse(&anchor.last_note().unwrap()).unwrap().checkpoint().unwrap().size, 1);

    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    anchor.set_outage(Some(Outage::Down));
    let refused = world.open().map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Anchor(AnchorError::Unavailable(_))), "{refused:?}");
    assert_eq!(world.records(), [], "the anchor is asked before anything is written");
}

#[test]
fn a_store_behind_its_anchor_is_refused_as_rolled_back() {
    let world = World::anchored();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    let early = world.records();
    append(&mut log, "a", b"2");
    drop(log);
    world.put(&early);
    assert_eq!(world.open().map(|_| ()), Err(LogError::Rollback { expected: 2, found: 1 }));
    assert_eq!(world.records(), early, "nothing was written");
    // Also when somebody wrote on from there with the key, and has as many entries.
    let alone = World { anchor: None, ..world.clone() };
    let mut log = alone.open().unwrap();
    append(&mut log, "a", b"other");
    assert_eq!(world.open().map(|_| ()), Err(LogError::Fork { expected: 2, found: 2 }));
    append(&mut log, "a", b"more");
    assert_eq!(world.open().map(|_| ()), Err(LogError::Fork { expected: 2, found: 3 }));
}

#[test]
fn an_empty_store_under_an_anchor_that_knows_the_log_is_refused() {
    let world = World::anchored();
    append(&mut world.open().unwrap(), "a", b"1");
    world.put(&[]);
    for absent in [Absent::Make, Absent::Refuse] {
        for origin in [Some(ORIGIN.to_string()), None] {
            let refused = world.open_with(|options| (options.absent, options.origin) = (absent, origin)).map(|_| ());
            assert_eq!(refused, Err(LogError::Rollback { expected: 1, found: 0 }), "{absent:?}");
        }
    }
    assert_eq!(world.records(), []);
}

#[test]
fn an_anchor_that_knows_nothing_of_a_log_with_entries_is_refused() {
    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    let mut log = world.open().unwrap();
    drop(log);
    anchor.forget();
    log = world.open().unwrap();
    append(&mut log, "a", b"1");
    drop(log);
    anchor.forget();
    let before = world.records();
    assert_eq!(world.open().map(|_| ()), Err(LogError::AnchorMissing { size: 1 }));
    // An anchor of another log is none of this one, however it is asked.
    let other = World { anchor: Some(anchor), ..World::new() };
    other.open_with(|options| options.origin = Some("other.example".into())).unwrap();
    for origin in [Some(ORIGIN.to_string()), None] {
        let refused = world.open_with(|options| options.origin = origin).map(|_| ());
        assert_eq!(refused, Err(LogError::AnchorMissing { size: 1 }));
    }
    assert_eq!(world.records(), before);
}

#[test]
fn an_operator_begins_anew_at_an_anchor_on_record() {
    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    append(&mut world.open().unwrap(), "a", b"1");
    append(&mut world.open().unwrap(), "a", b"2");
    let backup = world.records();
    append(&mut world.open().unwrap(), "a", b"3");
    let chosen = |options: &mut LogOptions| options.reanchor = true;
    // Where the anchor knows the log there is nothing to choose: what it knows counts.
    assert_eq!(world.open_with(chosen).unwrap().size(), 3);
    world.put(&backup);
    assert_eq!(world.open_with(chosen).map(|_| ()), Err(LogError::Rollback { expected: 3, found: 2 }));
    assert_eq!(world.records(), backup);
    // Whoever restores a backup takes the anchor's memory away, and is then asked.
    anchor.forget();
    assert_eq!(world.open().map(|_| ()), Err(LogError::AnchorMissing { size: 2 }));
    anchor.set_outage(Some(Outage::AnswersLost));
    assert!(world.open_with(chosen).is_err(), "the anchor is asked first");
    anchor.set_outage(None);
    assert_eq!((world.records(), anchor.last_note()), (backup, None));
    let mut log = world.open_with(chosen).unwrap();
    assert_eq!(log.read(3).unwrap().event, "secure-log.recovered");
    assert_eq!(log.read(3).unwrap().payload, b"1 2");
    assert!(log.append(&entry("a", b"goes on")).unwrap().1.anchored);
    drop(log);
    let report = world.report();
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 4));
    assert!(report.missing[0].to_string().contains("1 to 2"), "{report:?}");
    assert_eq!(world.open().unwrap().size(), 4, "once");
    assert_eq!(world.open_with(chosen).unwrap().size(), 4, "and not again unless it is needed");
}

#[test]
fn an_anchor_that_was_emptied_under_a_writer_is_missed() {
    let world = World::anchored();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    world.anchor.clone().unwrap().forget();
    assert_eq!(log.append(&entry("a", b"2")).unwrap_err(), LogError::AnchorMissing { size: 2 });
    assert_eq!(world.anchor.clone().unwrap().last_note(), None, "nothing begins anew unasked");
}

#[test]
fn an_anchor_that_was_recorded_and_not_reached_is_told() {
    /// Knows nothing, and takes nothing.
    struct Full;
    impl Anchor for Full {
        fn latest(&mut self, _: Option<&str>) -> Result<AnchorView, AnchorError> {
            Ok(AnchorView::Unknown)
        }
        fn publish(&mut self, _: &str, _: u64, _: &[secure_log::hash::Hash]) -> Publication {
            Err(AnchorError::Unavailable("it is full".into())).into()
        }
    }
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    let providers = secure_log::engine::Providers { anchor: Box::new(Full), ..world.providers() };
    let options = LogOptions { reanchor: true, ..world.options() };
    let refused = secure_log::SecureLog::open(world.store.clone(), providers, options).map(|_| ());
    assert!(matches!(refused, Err(LogError::Anchor(AnchorError::Unavailable(_)))), "{refused:?}");
}

#[test]
fn an_anchor_that_several_logs_share_is_asked_for_the_right_one() {
    let world = World::anchored();
    append(&mut world.open().unwrap(), "a", b"1");
    let other = World { store: SharedStore::new(MemoryStore::new()), ..world.clone() };
    append(&mut other.open_with(|options| options.origin = Some("other.example".into())).unwrap(), "a", b"1");
    let mut log = world.open_with(|options| options.origin = None).unwrap();
    assert!(log.append(&entry("a", b"2")).unwrap().1.anchored);
    world.assert_valid(2);
}

#[test]
fn a_store_ahead_of_its_anchor_brings_it_up() {
    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    anchor.set_outage(Some(Outage::Down));
    for n in 2..9u64 {
        let (appended, info) = log.append(&entry("a", b"x")).unwrap();
        assert_eq!((appended.seqno, info.anchored), (n, false), "durable, and the anchor has not seen it");
    }
    assert!(world.open().is_err(), "an anchor that does not answer cannot vouch for anything");
    anchor.set_outage(None);
    assert!(log.append(&entry("a", b"x")).unwrap().1.anchored);
    drop(log);
    let alone = World { anchor: None, ..world.clone() };
    append(&mut alone.open().unwrap(), "a", b"y");
    let log = world.open().unwrap();
    assert_eq!(Note::parse(&anchor.last_note().unwrap()).unwrap().checkpoint().unwrap().size, log.size());
    world.assert_valid(10);
}

#[test]
fn a_head_whose_answer_was_lost_counts_when_it_is_found_there() {
    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    let mut log = world.open().unwrap();
    anchor.set_outage(Some(Outage::AnswersLost));
    assert!(!log.append(&entry("a", b"1")).unwrap().1.anchored);
    assert!(!log.append(&entry("a", b"2")).unwrap().1.anchored);
    anchor.set_outage(None);
    assert!(log.append(&entry("a", b"3")).unwrap().1.anchored);
    world.assert_valid(3);
}

#[test]
fn a_larger_head_of_another_writer_counts_as_anchored() {
    let world = World::anchored();
    let (mut a, mut b) = (world.open().unwrap(), world.open().unwrap());
    append(&mut a, "a", b"1");
    // The other writer's head reaches the anchor while ours is on its way.
    let anchor = world.anchor.clone().unwrap();
    let ahead = RacingAnchor {
        anchor: anchor.clone(),
        first: Some(Box::new(move || {
            assert!(b.append(&entry("b", b"2")).unwrap().1.anchored);
        })),
    };
    let mut providers = world.providers();
    drop(a);
    providers.anchor = Box::new(ahead);
    let mut log = secure_log::SecureLog::open(world.store.clone(), providers, world.options()).unwrap();
    let (appended, info) = log.append(&entry("a", b"3")).unwrap();
    assert!(info.anchored, "{info:?}");
    assert_eq!((appended.seqno, log.size()), (2, 3));
    world.assert_valid(3);
}

/// An anchor that somebody else publishes to first, once, right before a head that is not of size 0 or 1.
struct RacingAnchor {
    anchor: MemoryAnchor,
    first: Option<Box<dyn FnOnce() + Send>>,
}

impl Anchor for RacingAnchor {
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
        self.anchor.latest(origin)
    }

    fn publish(&mut self, note: &str, old: u64, proof: &[secure_log::hash::Hash]) -> Publication {
        if Note::parse(note).unwrap().checkpoint().unwrap().size == 2
            && let Some(first) = self.first.take()
        {
            first();
        }
        self.anchor.publish(note, old, proof)
    }
}

#[test]
fn a_larger_head_that_nobody_trusted_signed_or_that_does_not_fit_is_a_fork() {
    for trusted in [false, true] {
        let world = World::anchored();
        let mut anchor = world.anchor.clone().unwrap();
        let mut log = world.open().unwrap();
        append(&mut log, "a", b"1");
        let forged = World { keys: if trusted { keystore() } else { other_key() }, ..World::new() };
        let mut other = forged.open().unwrap();
        for n in 0..5 {
            append(&mut other, "b", &[n]);
        }
        let head: HeadRow = forged.heads().pop().unwrap();
        anchor.forget();
        anchor.publish(&Note::of_head(ORIGIN, &head).to_string(), 0, &[]).taken.unwrap();
        let refused = log.append(&entry("a", b"2")).unwrap_err();
        assert_eq!(refused, LogError::Fork { expected: 2, found: 5 }, "trusted: {trusted}");
        assert_eq!(world.heads().last().unwrap().size, 2, "the commit itself was durable before");
        let refused = world.open().map(|_| ()).unwrap_err();
        let ours = LogError::Rollback { expected: 5, found: 2 };
        let nobodys = LogError::Fork { expected: 2, found: 5 };
        assert_eq!(refused, if trusted { ours } else { nobodys });
    }
}

/// The same label, and another key under it.
fn other_key() -> TestKeystore {
    TestKeystore::new().signing(IDENTITY, Algorithm::EcdsaP256).keyed_hashing("mac")
}

#[test]
fn an_anchor_that_shows_no_head_cannot_be_used() {
    struct Nonsense;
    impl Anchor for Nonsense {
        fn latest(&mut self, _: Option<&str>) -> Result<AnchorView, AnchorError> {
            Ok(AnchorView::Head("nonsense\u{1b}[2J".into()))
        }
        fn publish(&mut self, _: &str, _: u64, _: &[secure_log::hash::Hash]) -> Publication {
            Ok(()).into()
        }
    }
    let world = World::new();
    for _ in 0..2 {
        let mut providers = world.providers();
        providers.anchor = Box::new(Nonsense);
        let refused = secure_log::SecureLog::open(world.store.clone(), providers, world.options()).map(|_| ());
        let Err(LogError::Anchor(AnchorError::Unavailable(what))) = &refused else { panic!("{refused:?}") };
        assert!(!what.contains('\u{1b}'));
        world.open().unwrap();
    }
}

#[test]
fn a_keyless_log_is_not_anchored() {
    let world = World { keys: TestKeystore::new(), ..World::anchored() };
    let refused = world.open().map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Anchor(AnchorError::Unavailable(_))), "{refused:?}");
    assert_eq!(world.records(), [], "nothing was made that could not be used");
}

#[test]
fn heads_are_published_as_often_as_the_options_say() {
    let world = World::anchored();
    let anchor = world.anchor.clone().unwrap();
    let size = || Note::parse(&anchor.last_note().unwrap()).unwrap().checkpoint().unwrap().size;
    let every = |n| move |options: &mut LogOptions| options.anchor_every = n;
    let mut log = world.open_with(every(AnchorEvery::Each(Every::Entries(3)))).unwrap();
    let anchored: Vec<bool> = (0..4).map(|_| log.append(&entry("a", b"x")).unwrap().1.anchored).collect();
    assert_eq!((anchored, size()), (vec![false, false, true, false], 3));
    drop(log);
    let mut log = world.open_with(every(AnchorEvery::Close)).unwrap();
    assert_eq!(size(), 4, "opening brings it up");
    append(&mut log, "a", b"x");
    assert_eq!(size(), 4);
    assert!(log.close_segment("a").unwrap().1.anchored);
    assert_eq!(size(), 6);
    append(&mut log, "a", b"x");
    log.sign_head().unwrap();
    assert_eq!(size(), 7);
    assert_eq!(world.open().unwrap().size(), 7);
}

#[test]
fn a_log_whose_signatures_were_taken_away_is_no_keyless_log_to_an_anchor() {
    for (choice, adopted) in [(Unattested::Refuse, false), (Unattested::SetAside, false), (Unattested::Adopt, true)] {
        let world = World::anchored();
        append(&mut world.open().unwrap(), "a", b"1");
        append(&mut World { anchor: None, ..world.clone() }.open().unwrap(), "a", b"2");
        world.edit(|records| {
            for record in records {
                if let OwnedRecord::Head(head) = record {
                    head.sigs.clear();
                }
            }
        });
        let before = world.records();
        let opened = world.open_with(|options| options.unattested = choice);
        if adopted {
            opened.unwrap();
            assert!(world.report().missing[0].to_string().starts_with("entries 1 to 2: "));
        } else {
            assert_eq!(opened.map(|_| ()), Err(LogError::Unattested { first: 2, last: 2 }), "{choice:?}");
            assert_eq!(world.records(), before);
        }
    }
}
