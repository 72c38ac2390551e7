//! Going on with another key: what a rotation writes, who opens the log then, and what a store or a thief can make of it
//! (format.md s.10).

use crate::world::*;
use secure_log::SecureLog;
use secure_log::control;
use secure_log::engine::{Every, LogOptions, Providers, Unattested};
use secure_log::entry::{Entry, KEYS_STREAM, SigningRule, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::introduction::{Introduction, KeyRole, SignedIntroduction};
use secure_log::note::{self, Note, VerifierKey};
use secure_log::providers::{Anchor, CheckpointSigner, KeyError, Keystore, MacKey};
use secure_log::record::{HeadRow, StreamRow};
use secure_log::sign::Algorithm;
use secure_log::store::StoreError;
use secure_log::verify::{FindingCode, Signer, Verdict, verify_jsonl};
use secure_log_testkit::attacks::{IDENTITY, ORIGIN, keystore, trust};
use secure_log_testkit::forge::{Reach, append_unattested, rechain};
use secure_log_testkit::{
    Effect, Fault, FaultStore, HostileStore, MemoryAnchor, Outage, OwnedRecord, TestKeystore, to_jsonl,
};

const SECOND: &str = "second";
const THIRD: &str = "third";

/// The keys of the sample log and two more.
fn keys() -> TestKeystore {
    keystore().signing(SECOND, Algorithm::Ed25519).signing(THIRD, Algorithm::Ed25519)
}

/// Only this key, and that of the keyed suite.
fn only(label: &str) -> TestKeystore {
    TestKeystore::new().signing(label, Algorithm::Ed25519).keyed_hashing("mac")
}

fn world() -> World {
    World { keys: keys(), ..World::new() }
}

/// The verifier key of what a label of the keystore signs heads with.
fn key_of(label: &str) -> VerifierKey {
    let signer = keys().signer(label).unwrap();
    VerifierKey::new(ORIGIN, signer.algorithm(), signer.public_key()).unwrap()
}

/// Opened with this label, and a policy that pins the first key alone.
fn as_label(label: &'static str) -> impl Fn(&mut LogOptions) {
    move |options| {
        options.identity = label.into();
        options.trust = trust();
    }
}

/// A log whose key was rotated once, closed again.
fn rotated() -> World {
    let world = world();
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Entries)).unwrap();
    append(&mut log, "a", b"first");
    log.rotate_key(SECOND).unwrap();
    append(&mut log, "a", b"second");
    world
}

/// Whose signatures a head has.
fn signers(head: &HeadRow) -> Vec<&'static str> {
    let text = note::text(ORIGIN, head.size, &head.root);
    let signed = |label: &&'static str| head.sigs.iter().any(|line| key_of(label).check_line(line, &text) == Ok(true));
    [IDENTITY, SECOND, THIRD].into_iter().filter(signed).collect()
}

/// The signature of this label's key over a head.
fn head_line(label: &str, head: &HeadRow) -> String {
    let signature = keys().signer(label).unwrap().sign(note::text(ORIGIN, head.size, &head.root).as_bytes()).unwrap();
    key_of(label).signature_line(&signature).unwrap()
}

fn refused(world: &World, edit: impl Fn(&mut LogOptions)) -> LogError {
    let before = world.records();
    let refused = world.open_with(edit).map(|_| ()).unwrap_err();
    assert_eq!(world.records(), before, "nothing was written");
    refused
}

fn has_ended(identity: &str, successor: &str, last: u64) -> LogError {
    let key = key_of(successor);
    let successor = format!("{ORIGIN}+{}", const_hex::encode(key.id()));
    LogError::KeyEnded { identity: identity.into(), last, successor }
}

// ---- what is written

#[test]
fn a_rotation_is_one_commit_under_both_keys_and_who_pins_the_first_follows_it() {
    let world = world();
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Segments)).unwrap();
    log.create_stream("b", &signed(SigningRule::Entries)).unwrap();
    append(&mut log, "a", b"3");
    let heads = world.heads().len();
    let (rotated, info) = log.rotate_key(SECOND).unwrap();
    assert_eq!((rotated.old, rotated.new.clone(), rotated.last), (key_of(IDENTITY), key_of(SECOND), 5));
    assert_eq!((info.size, info.signed, world.heads().len()), (5, true, heads + 1));
    assert_eq!(signers(world.heads().last().unwrap()), [IDENTITY, SECOND]);
    assert_eq!(log.status().head_key, Some(rotated.new.to_string()));
    append(&mut log, "b", b"6");
    log.close_segment("a").unwrap();
    log.close_segment("b").unwrap();
    assert_eq!(signers(world.heads().last().unwrap()), [SECOND]);
    let said: Vec<_> = [4, 5].map(|seqno| log.read(seqno).unwrap()).into();
    for (entry, role) in said.iter().zip([KeyRole::Log, KeyRole::Signer]) {
        assert_eq!((entry.stream.as_str(), entry.event.as_str()), (KEYS_STREAM, control::KEY));
        let said = SignedIntroduction::decode(&entry.payload).unwrap().introduction;
        assert_eq!((said.role, said.last), (role, Some(5)));
    }
    let report = log.verify_log().unwrap();
    assert_eq!((&report.verdict, report.complete_to, report.signatures), (&Verdict::Valid, 8, 5), "{report:?}");
    world.assert_valid(8);
    assert_eq!(world.report().unknown_signers, Vec::<String>::new());
}

#[test]
fn keys_of_every_algorithm_hand_over_to_each_other() {
    let label = |algorithm: Algorithm| format!("of-{algorithm}");
    let keys =
        Algorithm::ALL.into_iter().fold(keystore(), |keys, algorithm| keys.signing(&label(algorithm), algorithm));
    let world = World { keys, ..World::anchored() };
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Entries)).unwrap();
    for algorithm in Algorithm::ALL {
        log.rotate_key(&label(algorithm)).unwrap();
        append(&mut log, "a", b"under it");
    }
    world.assert_valid(1 + 3 * 3);
    assert_eq!(world.report().signatures, 4);
    drop(log);
    let last = label(Algorithm::RsaPssSha256);
    append(&mut world.open_with(|options| options.identity = last).unwrap(), "a", b"reopened");
    world.assert_valid(11);
}

#[test]
fn a_rotation_is_signed_also_where_heads_are_signed_seldom() {
    let world = world();
    let seldom = |options: &mut LogOptions| options.head_every = Every::Entries(1000);
    let mut log = world.open_with(seldom).unwrap();
    append(&mut log, "a", b"1");
    log.rotate_key(SECOND).unwrap();
    append(&mut log, "a", b"4");
    drop(log);
    let heads = world.heads();
    assert_eq!(heads.iter().map(signers).collect::<Vec<_>>(), [vec![IDENTITY], vec![], vec![IDENTITY, SECOND], vec![]]);
}

#[test]
fn what_cannot_be_rotated_to_is_refused_and_nothing_is_written() {
    let world = world();
    let mut log = world.open_with(|options| options.trust = trust()).unwrap();
    append(&mut log, "a", b"1");
    log.rotate_key(SECOND).unwrap();
    let before = world.records();
    let mut refusal = |label: &str| log.rotate_key(label).unwrap_err();
    for (label, why) in [
        (SECOND, "is the key that signs now"),
        (IDENTITY, "it ended with seqno 3, and no key comes back"),
        ("with a space", "no white space"),
        ("with+plus", "no '+'"),
        ("", "may not be empty"),
    ] {
        let refused = refusal(label);
        assert!(matches!(&refused, LogError::Invalid(invalid) if invalid.field == "label"), "{label}: {refused:?}");
        assert!(refused.to_string().contains(why), "{label}: {refused}");
    }
    assert!(matches!(refusal("absent"), LogError::Key(KeyError::NotFound(what)) if what.contains("absent")));
    assert_eq!(world.records(), before);
    append(&mut log, "a", b"goes on");
    let keyless = World { keys: TestKeystore::new(), ..World::new() };
    let mut log = keyless.open().unwrap();
    assert!(matches!(log.rotate_key(SECOND), Err(LogError::Key(KeyError::NotFound(_)))));
}

#[test]
fn a_key_that_the_log_named_once_is_not_named_again_by_who_does_not_know_that_it_ended() {
    let world = rotated();
    world.open_with(as_label(SECOND)).unwrap().rotate_key(THIRD).unwrap();
    // The third key alone, without a policy, trusts none of those that ended.
    let mut log = world.open_with(|options| options.identity = THIRD.into()).unwrap();
    let before = world.records();
    for label in [IDENTITY, SECOND] {
        let refused = log.rotate_key(label).unwrap_err();
        assert!(refused.to_string().contains("names it already"), "{label}: {refused}");
    }
    assert_eq!(world.records(), before);
    // Nor does another key get the name of one that ended.
    let renewed = World { keys: only(THIRD).signing(SECOND, Algorithm::EcdsaP256), ..world };
    let mut log = renewed.open_with(|options| options.identity = THIRD.into()).unwrap();
    let refused = log.rotate_key(SECOND).unwrap_err();
    assert!(refused.to_string().contains("names it already"), "{refused}");
    assert_eq!(renewed.records(), before);
}

#[test]
fn an_identity_of_the_policy_is_not_given_another_key() {
    let world = world();
    let mut log = world
        .open_with(|options| {
            let third = key_of(THIRD);
            let signer = Signer::new(SECOND, Algorithm::Ed25519, third.public_key().as_bytes(), 1..=u64::MAX);
            options.trust.add_signer(signer.unwrap());
        })
        .unwrap();
    for (label, why) in [(SECOND, "the name is another identity's"), (THIRD, "the key is another identity's")] {
        let refused = log.rotate_key(label).unwrap_err();
        assert!(refused.to_string().contains(why), "{label}: {refused}");
    }
}

#[test]
fn a_key_whose_halves_do_not_fit_introduces_nobody() {
    /// Says that it signs with one key, and signs with another, at least what is no head.
    struct Broken(TestKeystore, &'static str, bool);
    struct Mixed(Box<dyn CheckpointSigner + Send>, Box<dyn CheckpointSigner + Send>, bool);
    impl Keystore for Broken {
        fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
            let signer = self.0.signer(label)?;
            Ok(if label == self.1 { Box::new(Mixed(signer, self.0.signer(THIRD)?, self.2)) } else { signer })
        }
        fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
            self.0.mac(label)
        }
    }
    impl CheckpointSigner for Mixed {
        fn algorithm(&self) -> Algorithm {
            self.0.algorithm()
        }
        fn public_key(&self) -> &[u8] {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
            if self.2 && message.starts_with(ORIGIN.as_bytes()) { self.0.sign(message) } else { self.1.sign(message) }
        }
    }
    for signs_heads in [false, true] {
        let world = world();
        let providers = Providers { keystore: Box::new(Broken(keys(), SECOND, signs_heads)), ..world.providers() };
        let mut log = SecureLog::open(world.store.clone(), providers, world.options()).unwrap();
        append(&mut log, "a", b"1");
        let before = world.records();
        let refused = log.rotate_key(SECOND).unwrap_err();
        assert!(matches!(&refused, LogError::Key(KeyError::Backend(why)) if why.contains("none")), "{refused:?}");
        assert_eq!(world.records(), before);
        append(&mut log, "a", b"2");
        world.assert_valid(2);
    }
}

// ---- who opens it then

#[test]
fn the_new_key_alone_opens_it_with_a_policy_that_pins_the_old_one_or_with_none() {
    for pinned in [true, false] {
        let world = World { keys: only(SECOND), ..rotated() };
        let mut log = world
            .open_with(|options| {
                options.identity = SECOND.into();
                if pinned {
                    options.trust = trust();
                }
            })
            .unwrap();
        append(&mut log, "a", b"third");
        let report = log.verify_log().unwrap();
        let verdict = if pinned { Verdict::Valid } else { Verdict::Incomplete };
        assert_eq!((&report.verdict, report.complete_to), (&verdict, 6), "{report:?}");
        world.assert_valid(6);
    }
}

#[test]
fn a_reader_that_pins_the_first_key_follows_all_that_came_after_it() {
    let world = rotated();
    world.open_with(as_label(SECOND)).unwrap().rotate_key(THIRD).unwrap();
    append(&mut world.open_with(as_label(THIRD)).unwrap(), "a", b"third");
    let reader = World { keys: TestKeystore::new().keyed_hashing("mac"), ..world.clone() };
    let mut log = reader.open_with(|options| options.trust = trust()).unwrap();
    assert_eq!(log.read(8).unwrap().payload, b"third");
    assert_eq!((log.verify_log().unwrap().verdict, log.status().attested_to), (Verdict::Valid, 8));
    assert!(matches!(log.append(&entry("a", b"9")), Err(LogError::Key(KeyError::NotFound(_)))));
    // By none of the keys before the newest head it can be opened without following.
    let refused = refused(&reader, |_| ());
    assert!(matches!(refused, LogError::Key(KeyError::NotFound(_))), "{refused:?}");
}

#[test]
fn the_old_key_is_refused_and_the_error_says_what_came_after_it() {
    let world = rotated();
    let ended = has_ended(IDENTITY, SECOND, 4);
    assert_eq!(refused(&world, |_| ()), ended);
    assert!(ended.to_string().contains("SECURE_LOG_HEAD_IDENTITY"), "{ended}");
    // Whatever the policy trusts besides, and whatever an operator chooses.
    assert_eq!(refused(&world, |options| options.trust.add_log_key(key_of(SECOND))), ended);
    for choice in [Unattested::Adopt, Unattested::SetAside] {
        assert_eq!(refused(&world, |options| options.unattested = choice), ended);
    }
    // Directly after the rotation, under the head that both signed.
    world.edit(|records| {
        let both = records.iter().rposition(|r| matches!(r, OwnedRecord::Head(head) if head.size == 4)).unwrap();
        records.truncate(both + 1);
    });
    assert_eq!(refused(&world, |_| ()), ended);
    world.open_with(as_label(SECOND)).unwrap();
}

#[test]
fn before_the_rotation_the_new_key_opens_nothing() {
    let world = world();
    append(&mut world.open().unwrap(), "a", b"1");
    let refused = refused(&world, |options| options.identity = SECOND.into());
    assert!(matches!(refused, LogError::Key(KeyError::AccessDenied(_))), "{refused:?}");
}

#[test]
fn signatures_of_keys_that_came_and_went_are_checked() {
    let world = world();
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Segments)).unwrap();
    let close = |log: &mut Log| {
        append(log, "a", b"x");
        log.close_segment("a").unwrap().0.row.id
    };
    close(&mut log);
    log.rotate_key(SECOND).unwrap();
    let second = close(&mut log);
    log.rotate_key(THIRD).unwrap();
    close(&mut log);
    drop(log);
    let world = World { keys: only(THIRD), ..world };
    let mut log = world.open_with(as_label(THIRD)).unwrap();
    assert_eq!(log.verify_segment(second).unwrap().identity, SECOND);
    assert_eq!(log.verify_checkpoints("a").unwrap(), 3);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn a_signer_that_ended_signs_no_segment_that_came_after() {
    let world = world();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    log.close_segment("a").unwrap();
    log.rotate_key(SECOND).unwrap();
    append(&mut log, "a", b"5");
    log.close_segment("a").unwrap();
    log.rotate_key(THIRD).unwrap();
    drop(log);
    // The third key alone trusts neither of the others, and knows all the same.
    let mut log = world.open_with(|options| options.identity = THIRD.into()).unwrap();
    let before = world.records();
    assert_eq!(log.sign_segment(IDENTITY, 2).unwrap_err(), {
        let second = VerifierKey::new(SECOND, Algorithm::Ed25519, key_of(SECOND).public_key().as_bytes()).unwrap();
        let id = const_hex::encode(second.id());
        LogError::KeyEnded { identity: IDENTITY.into(), last: 4, successor: format!("{SECOND}+{id}") }
    });
    assert_eq!(world.records(), before);
    log.sign_segment(IDENTITY, 1).unwrap();
    log.sign_segment(SECOND, 2).unwrap();
    log.sign_segment(THIRD, 1).unwrap();
    world.assert_valid(8);
}

// ---- writers side by side

#[test]
fn a_writer_with_the_old_key_stops_when_another_one_rotated_it() {
    // Where the new key did not go on yet, the newest head is by the old one, too.
    for (warm, goes_on) in [(false, true), (true, true), (false, false), (true, false)] {
        let world = world();
        let mut left = world.open().unwrap();
        append(&mut left, "a", b"1");
        let mut right = world.open().unwrap();
        if warm {
            append(&mut right, "a", b"2");
            append(&mut left, "a", b"3");
        }
        let last = left.rotate_key(SECOND).unwrap().0.last;
        if goes_on {
            append(&mut left, "a", b"under the second");
        }
        let (before, size) = (world.records(), left.size());
        let ended = has_ended(IDENTITY, SECOND, last);
        for _ in 0..2 {
            assert_eq!(right.append(&entry("a", b"late")).unwrap_err(), ended);
            assert_eq!(right.sign_head().unwrap_err(), ended);
            assert_eq!(right.rotate_key(THIRD).unwrap_err(), ended);
        }
        assert_eq!(world.records(), before);
        world.assert_valid(size);
    }
}

#[test]
fn a_rotation_that_another_writer_forestalls_is_made_behind_it() {
    let world = world();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    let mut other = world.open().unwrap();
    append(&mut other, "a", b"2");
    let (rotated, info) = log.rotate_key(SECOND).unwrap();
    assert_eq!((rotated.last, info.size), (4, 4));
    world.assert_valid(4);
}

// ---- crashes

#[test]
fn a_crash_at_any_point_leaves_the_log_before_or_after() {
    let (mut before, mut after) = (0, 0);
    for effect in Effect::ALL {
        for at in 1.. {
            let world = World { anchor: Some(MemoryAnchor::new()), ..world() };
            let (store, faults) = FaultStore::new(world.store.clone());
            let mut log = world.open_on(store, |_| ()).unwrap();
            append(&mut log, "a", b"1");
            faults.arm(Fault::on_call(at, effect));
            let outcome = log.rotate_key(SECOND);
            if faults.is_armed() {
                assert!(outcome.is_ok());
                break;
            }
            drop(log);
            let is_rotated = world.heads().last().unwrap().size == 3;
            assert!(is_rotated || outcome.is_err(), "{effect:?} at {at}");
            let ended = world.open_with(|_| ()).map(|_| ());
            if is_rotated {
                assert_eq!(ended, Err(has_ended(IDENTITY, SECOND, 3)), "{effect:?} at {at}");
                append(&mut world.open_with(as_label(SECOND)).unwrap(), "a", b"4");
                world.assert_valid(4);
                after += 1;
            } else {
                assert_eq!(ended, Ok(()), "{effect:?} at {at}");
                append(&mut world.open().unwrap(), "a", b"2");
                world.assert_valid(2);
                before += 1;
            }
        }
    }
    assert!(before > 4 && after > 4, "{before} before, {after} after");
}

#[test]
fn a_rotation_of_which_nobody_knows_what_became_is_found_out_by_the_next_call() {
    for (effect, size) in [(Effect::FailsButStored, 4), (Effect::FailsNotStored, 2)] {
        let world = world();
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = world.open_on(store, |_| ()).unwrap();
        append(&mut log, "a", b"1");
        faults.arm(Fault::on_write(1, effect));
        assert!(matches!(log.rotate_key(SECOND), Err(LogError::Store(StoreError::Io { .. }))));
        append(&mut log, "a", b"goes on");
        let signer = if size == 4 { SECOND } else { IDENTITY };
        assert_eq!(log.status().head_key, Some(key_of(signer).to_string()));
        assert_eq!(signers(world.heads().last().unwrap()), [signer]);
        world.assert_valid(size);
    }
}

#[test]
fn an_anchor_that_is_away_during_a_rotation_is_brought_up_by_the_new_key() {
    let world = World { anchor: Some(MemoryAnchor::new()), ..world() };
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    let anchor = world.anchor.clone().unwrap();
    anchor.set_outage(Some(Outage::Down));
    assert!(!log.rotate_key(SECOND).unwrap().1.anchored);
    anchor.set_outage(None);
    drop(log);
    // It still shows the old key's head, and the new key alone knows by the log whose that was.
    let world = World { keys: only(SECOND), ..world };
    let mut log = world.open_with(|options| options.identity = SECOND.into()).unwrap();
    assert!(log.append(&entry("a", b"next")).unwrap().1.anchored);
    assert!(log.tlog_proof(1, Some(1)).is_ok(), "and that of an old head");
    // A head that it signed behind its end is another matter.
    let mut head = HeadRow { size: 4, root: log.status().root, sigs: Vec::new() };
    head.sigs.push(head_line(IDENTITY, &head));
    let note = Note::of_head(ORIGIN, &head).to_string();
    anchor.forget();
    anchor.clone().publish(&note, 0, &[]).taken.unwrap();
    drop(log);
    let refused = world.open_with(|options| options.identity = SECOND.into()).map(|_| ()).unwrap_err();
    assert!(matches!(&refused, LogError::InvalidRecord(found) if found.code == FindingCode::KeyEnded), "{refused:?}");
}

// ---- what a store can make of it

/// A store that shows no stream of keys.
fn hiding_keys(store: Store) -> HostileStore<Store> {
    HostileStore::new(store).rewrite_rows(|record| match record {
        OwnedRecord::Stream(row) => row.name != KEYS_STREAM,
        _ => true,
    })
}

#[test]
fn an_introduction_that_no_key_signed_is_not_followed_by_who_adopts_it() {
    const FORGERS: &str = "forgers";
    let keys = keys().signing(FORGERS, Algorithm::Ed25519);
    let forger = World { keys: keys.clone(), ..World::new() };
    let mut forged = forger.open_with(|options| options.identity = THIRD.into()).unwrap();
    forged.rotate_key(FORGERS).unwrap();
    let said = SignedIntroduction::decode(&forged.read(1).unwrap().payload).unwrap();
    let by_the_logs_key = Introduction { old: key_of(SECOND), ..said.introduction.clone() };
    for said in [SignedIntroduction { introduction: by_the_logs_key, ..said.clone() }, said] {
        // The store makes a key of its own the log's, after the last head, for who adopts what came between two.
        let world = World { keys: keys.clone(), ..rotated() };
        world.edit(|records| append_unattested(records, KEYS_STREAM, said.encode().as_bytes()));
        let mut log = world
            .open_with(|options| {
                as_label(SECOND)(options);
                options.unattested = Unattested::Adopt;
            })
            .unwrap();
        let size = append(&mut log, "a", b"goes on").seqno;
        drop(log);
        let denied = refused(&world, |options| options.identity = FORGERS.into());
        assert!(matches!(denied, LogError::Key(KeyError::AccessDenied(_))), "{denied:?}");
        world.edit(|records| {
            append_unattested(records, "a", b"under the forger's key");
            let Some(OwnedRecord::Head(head)) = records.last_mut() else { panic!("a log ends with a head") };
            let signer = keys.signer(FORGERS).unwrap();
            let key = VerifierKey::new(ORIGIN, Algorithm::Ed25519, signer.public_key()).unwrap();
            let signature = signer.sign(note::text(ORIGIN, head.size, &head.root).as_bytes()).unwrap();
            head.sigs.push(key.signature_line(&signature).unwrap());
        });
        let unattested = LogError::Unattested { first: size + 1, last: size + 1 };
        assert_eq!(refused(&world, as_label(SECOND)), unattested);
    }
}

#[test]
fn a_store_that_hides_the_rotation_does_not_have_the_old_key_sign_on() {
    let world = rotated();
    let unattested = world.open_on(hiding_keys(world.store.clone()), |_| ()).map(|_| ()).unwrap_err();
    assert_eq!(unattested, LogError::Unattested { first: 5, last: 5 });
    let before = world.records();
    world.edit(|records| {
        // As from a writer whose heads are mostly unsigned, so that all of it would be adopted.
        for record in records.iter_mut() {
            if let OwnedRecord::Head(head) = record
                && head.size > 2
            {
                head.sigs.clear();
            }
        }
    });
    let adopting = |options: &mut LogOptions| options.unattested = Unattested::Adopt;
    let adoptable = world.records();
    let refused = world.open_on(hiding_keys(world.store.clone()), adopting).map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::InvalidRecord(_)), "{refused:?}");
    assert_eq!(world.records(), adoptable);
    world.put(&before);
    world.assert_valid(5);
}

#[test]
fn a_head_by_an_ended_key_is_a_finding_at_the_opening() {
    let world = rotated();
    world.edit(|records| {
        let Some(OwnedRecord::Head(head)) = records.last_mut() else { panic!("a log ends with a head") };
        head.sigs = vec![head_line(IDENTITY, head)];
    });
    for label in [IDENTITY, SECOND] {
        let refused = refused(&world, as_label(label));
        assert!(
            matches!(&refused, LogError::InvalidRecord(finding) if finding.code == FindingCode::KeyEnded),
            "{label}: {refused:?}"
        );
    }
    let report = verify_jsonl(&to_jsonl(&world.records())[..], &trust(), |_| {}).unwrap();
    assert!(matches!(&report.verdict, Verdict::Invalid(finding) if finding.code == FindingCode::KeyEnded));
}

#[test]
fn a_head_from_before_its_introduction_is_not_by_a_key() {
    let world = rotated();
    world.edit(|records| {
        for record in records.iter_mut() {
            let OwnedRecord::Head(head) = record else { continue };
            if head.size == 2 {
                head.sigs = vec![head_line(SECOND, head)];
            } else if head.size > 2 {
                head.sigs.clear();
            }
        }
    });
    let reader = World { keys: TestKeystore::new().keyed_hashing("mac"), ..world };
    let refused = refused(&reader, |options| options.trust = trust());
    assert_eq!(refused, LogError::Unattested { first: 2, last: 5 });
}

#[test]
fn a_rotation_that_nobody_attested_can_be_set_aside() {
    let world = rotated();
    world.edit(|records| {
        for record in records.iter_mut() {
            if let OwnedRecord::Head(head) = record
                && head.size > 2
            {
                head.sigs.clear();
            }
        }
    });
    let mut log = world.open_with(|options| options.unattested = Unattested::SetAside).unwrap();
    append(&mut log, "a", b"as if nothing was said");
    world.assert_valid(3);
}

#[test]
fn a_key_that_ends_later_signs_up_to_there() {
    // What this engine does not write: the first key introduces the second, and goes on for two more entries.
    let world = world();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    drop(log);
    world.edit(|records| {
        let Some(OwnedRecord::Log(log)) = records.first().cloned() else { panic!("a log begins with its record") };
        let rules = StreamRules::default();
        let row = StreamRow { name: KEYS_STREAM.into(), rules, created: log.created.clone(), deprecated: None };
        let first = records.iter().find_map(OwnedRecord::entry).unwrap();
        let (stream, event) = (KEYS_STREAM.to_string(), control::KEY.to_string());
        let prev = row.policy_hash(&log);
        let mut entry = Entry { stream, event, seqno: 2, prev, ..first };
        let (new, old) = (key_of(SECOND), key_of(IDENTITY));
        let introduction = Introduction { role: KeyRole::Log, new, old, last: Some(4) };
        let message = introduction.message(&log.id, &entry.as_ref());
        let [by_old, by_new] = [IDENTITY, SECOND].map(|label| keys().signer(label).unwrap().sign(&message).unwrap());
        entry.payload = SignedIntroduction { introduction, by_old, by_new }.encode().into_bytes();
        let (bytes, seqno, stream) = (entry.as_ref().encode(), entry.seqno, entry.stream);
        records.push(OwnedRecord::Stream(row));
        records.push(OwnedRecord::Entry { seqno, stream, hash: Hash::sha256(&bytes), bytes });
        records.push(OwnedRecord::Head(HeadRow { size: 2, root: Hash::ZERO, sigs: Vec::new() }));
        rechain(records, Reach::Heads);
        let Some(OwnedRecord::Head(head)) = records.last_mut() else { unreachable!("it was pushed just now") };
        head.sigs = vec![head_line(IDENTITY, head)];
    });
    world.assert_valid(2);
    let mut log = world.open().unwrap();
    let ended = has_ended(IDENTITY, SECOND, 4);
    let three = [b"3", b"4", b"5"].map(|payload| entry("a", payload));
    assert_eq!(log.append_batch(&three).unwrap_err(), ended);
    log.append_batch(&three[..2]).unwrap();
    assert_eq!(log.append(&three[2]).unwrap_err(), ended);
    drop(log);
    world.assert_valid(4);
    assert_eq!(refused(&world, |_| ()), ended);
    append(&mut world.open_with(as_label(SECOND)).unwrap(), "a", b"5");
    world.assert_valid(5);
}

#[test]
fn an_introduction_that_the_tree_does_not_hold_opens_nothing() {
    // Of two rotations that the first key signed for the same place one was stored; the store shows the other.
    let world = world();
    append(&mut world.open().unwrap(), "a", b"1");
    let start = world.records();
    world.open().unwrap().rotate_key(SECOND).unwrap();
    let refused: Vec<OwnedRecord> = world.records().into_iter().filter(|record| record.seqno() == Some(2)).collect();
    world.put(&start);
    world.open().unwrap().rotate_key(THIRD).unwrap();
    let lying = HostileStore::new(world.store.clone()).rewrite_rows(move |record| {
        if record.seqno() == Some(2) {
            *record = refused[0].clone();
        }
        true
    });
    let refused = world.open_on(lying, as_label(SECOND)).map(|_| ()).unwrap_err();
    // Where it stands, another one does; and what the store shows does not hang together.
    assert!(
        matches!(&refused, LogError::InvalidRecord(found) if found.code == FindingCode::ChainBroken),
        "{refused:?}"
    );
}
