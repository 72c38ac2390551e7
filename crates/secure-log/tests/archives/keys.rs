//! Keys along a chain: those that a log introduces count in the next, and those that it ends do not.

use secure_log::archive::{ChainVerdict, FaultCode, verify_chain};
use secure_log::memory::MemoryStore;
use secure_log::note::{Note, VerifierKey};
use secure_log::providers::Keystore;
use secure_log::sign::Algorithm;
use secure_log::verify::{MissingCode, Trust, Verdict};
use secure_log_testkit::SharedStore;
use secure_log_testkit::archiving::lines_of;
use secure_log_testkit::attacks::{ORIGIN, keystore, log_key};

use crate::world::{Store, World, append, signed};

const SECOND: &str = "second";
const THIRD: &str = "third";

fn world() -> World {
    World { keys: keystore().signing(SECOND, Algorithm::EcdsaP256).signing(THIRD, Algorithm::Ed25519), ..World::new() }
}

/// What the key of the first log alone is trusted for.
fn trust() -> Trust {
    let mut trust = Trust::new();
    trust.add_log_key(log_key(ORIGIN));
    trust
}

/// A log with entries that its key signs, which it rotates to `next`; its lines, and the note of its last head.
fn written(label: &str, next: &str, continues: Option<&str>) -> (Vec<u8>, String) {
    let world = World { store: SharedStore::new(MemoryStore::new()), ..world() };
    let mut log = world
        .open_with(|options| {
            options.identity = label.into();
            if continues.is_some() {
                (options.origin, options.continues) = (None, continues.map(String::from));
            }
        })
        .unwrap();
    log.create_stream("signed", &signed(secure_log::entry::SigningRule::Entries)).unwrap();
    append(&mut log, "signed", b"by the old key");
    log.rotate_key(next).unwrap();
    append(&mut log, "signed", b"by the new key");
    let head = log.close_log().unwrap();
    let note = Note::of_head(&log.status().log.origin, &head).to_string();
    let mut store: Store = world.store.clone();
    (lines_of(&mut store), note)
}

fn judged(files: &[&[u8]], trust: &Trust) -> secure_log::archive::ChainReport {
    let parts = files.iter().enumerate().map(|(number, file)| (number.to_string(), *file));
    verify_chain(parts, trust, |_, _| {}).unwrap()
}

#[test]
fn who_trusts_the_first_key_follows_each_rotation_of_each_log() {
    let (first, note) = written("checkpoint-ed25519", SECOND, None);
    let (second, note) = written(SECOND, THIRD, Some(&note));
    let mut trust = trust();
    // The identity of the first; those of the others were introduced.
    let identity = secure_log::verify::Signer::from_verifier_key(&log_key("checkpoint-ed25519"), 1..=u64::MAX).unwrap();
    trust.add_signer(identity);
    let (third, _) = written(THIRD, "checkpoint-ed25519", Some(&note));
    let chain = judged(&[&first, &second], &trust);
    assert_eq!(chain.verdict, ChainVerdict::Valid, "{}", chain.to_text(None));
    // Each log alone is signed by keys that nobody knows.
    let alone = judged(&[&second], &trust);
    assert_eq!(alone.verdict, ChainVerdict::Incomplete);
    assert!(!alone.missing[0].signed, "by a key that the archive introduces which is not there");
    // A key comes back in a later log on the word of the one before it: it had ended in the first alone.
    let chain = judged(&[&first, &second, &third], &trust);
    assert_eq!(chain.verdict, ChainVerdict::Valid, "{}", chain.to_text(None));
}

#[test]
fn a_key_that_ended_signs_no_later_log() {
    let (first, note) = written("checkpoint-ed25519", SECOND, None);
    // The policy of who makes it trusts the key that signed the head, as any would.
    let world = World { store: SharedStore::new(MemoryStore::new()), ..world() };
    let signer = world.keys.signer(SECOND).unwrap();
    let second = VerifierKey::new(ORIGIN, signer.algorithm(), signer.public_key()).unwrap();
    let mut log = world
        .open_with(|options| {
            (options.origin, options.continues) = (None, Some(note));
            options.trust = Trust::new();
            options.trust.add_log_key(second.clone());
        })
        .unwrap();
    append(&mut log, "a", b"by the key that ended");
    let lines = lines_of(&mut world.store.clone());
    let chain = judged(&[&first, &lines], &trust());
    assert_eq!(chain.verdict, ChainVerdict::Incomplete);
    assert_eq!((chain.faults.len(), chain.missing.len()), (0, 0), "{}", chain.to_text(None));
    let [_, part] = &chain.parts[..] else { panic!("two files") };
    assert_eq!((&part.report.verdict, part.report.complete_to), (&Verdict::Incomplete, 0));
    assert!(part.report.missing.iter().any(|missing| missing.code == MissingCode::Uncovered));
}

/// A log may begin with a key of its own, which its policy names, as where the old one was lost.
#[test]
fn keys_of_the_policy_count_for_the_log_that_they_name() {
    let world = world();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"one");
    let head = log.close_log().unwrap();
    let note = Note::of_head(ORIGIN, &head).to_string();
    let next = World { store: SharedStore::new(MemoryStore::new()), ..world.clone() };
    let mut log = next
        .open_with(|options| {
            (options.origin, options.continues) = (Some("next.example".into()), Some(note));
            options.identity = THIRD.into();
            options.trust.add_log_key(log_key(ORIGIN));
        })
        .unwrap();
    append(&mut log, "a", b"two");
    let [first, second] = [&world, &next].map(|world| lines_of(&mut world.store.clone()));
    let mut policy = trust();
    assert_eq!(judged(&[&first, &second], &policy).verdict, ChainVerdict::Incomplete);
    policy.add_log_key(log.status().head_key.unwrap().parse().unwrap());
    let chain = judged(&[&first, &second], &policy);
    assert_eq!(chain.verdict, ChainVerdict::Valid, "{}", chain.to_text(None));
    // The name that the policy asks for is that of the first.
    policy.set_origin(ORIGIN);
    assert_eq!(judged(&[&first, &second], &policy).verdict, ChainVerdict::Valid);
    assert_eq!(judged(&[&second], &policy).verdict, ChainVerdict::Invalid);
}

/// Whoever continues a log with a key of their own takes its head on the word of keys that they trust; a chain asks those that
/// count for the log.
#[test]
fn a_forged_signature_by_a_key_that_counts_is_found_out() {
    let world = world();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"one");
    let head = log.close_log().unwrap();
    let mut note = Note::of_head(ORIGIN, &head);
    let signer = world.keys.signer(THIRD).unwrap();
    let theirs = VerifierKey::new(ORIGIN, signer.algorithm(), signer.public_key()).unwrap();
    note.sigs = vec![
        log_key(ORIGIN).signature_line(&[7; 64]).unwrap(),
        theirs.signature_line(&signer.sign(note.text.as_bytes()).unwrap()).unwrap(),
    ];
    let next = World { store: SharedStore::new(MemoryStore::new()), ..world.clone() };
    let mut log = next
        .open_with(|options| {
            (options.origin, options.continues) = (None, Some(note.to_string()));
            options.identity = THIRD.into();
            options.trust = Trust::new();
            options.trust.add_log_key(theirs.clone());
        })
        .unwrap();
    append(&mut log, "a", b"two");
    let [first, second] = [&world, &next].map(|world| lines_of(&mut world.store.clone()));
    let chain = judged(&[&first, &second], &trust());
    let faults: Vec<_> = chain.faults.iter().map(|fault| (fault.code, fault.part)).collect();
    assert_eq!((chain.verdict, faults), (ChainVerdict::Invalid, vec![(FaultCode::SignatureInvalid, 2)]));
}
