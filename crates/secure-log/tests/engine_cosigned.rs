//! Cosignatures: verified, stored, counted for the quorum of the policy, and verified again.

use crate::world::{Log, World, append, entry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use secure_log::SecureLog;
use secure_log::engine::{Every, LogOptions};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::note::{Note, VerifierKey};
use secure_log::proof::{Comparison, Refused, compare_entries, compare_heads, verify_head};
use secure_log::providers::Keystore as _;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication, WitnessAnswer, WitnessOutcome};
use secure_log::record::{WitnessResult, WitnessRow};
use secure_log::store::SecureLogStore;
use secure_log::verify::{Report, Trust, Verdict, verify_jsonl};
use secure_log_testkit::attacks::{IDENTITY, ORIGIN, reference_verdict, to_jsonl, trust};
use secure_log_testkit::{MemoryAnchor, OwnedRecord};

const TIME: u64 = 1_790_000_000;

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn witness(seed: u8) -> VerifierKey {
    VerifierKey::new_witness(&format!("w{seed}.example"), &secret(seed).verifying_key().to_bytes()).unwrap()
}

/// The line of a witness over a note's text.
fn cosignature(seed: u8, text: &str) -> String {
    let signature = secret(seed).sign(format!("cosignature/v1\ntime {TIME}\n{text}").as_bytes()).to_bytes();
    let blob = [&witness(seed).id()[..], &TIME.to_be_bytes(), &signature].concat();
    format!("w{seed}.example {}", BASE64.encode(blob))
}

/// An anchor with witnesses behind it, of which the wrong ones sign something else.
#[derive(Clone)]
struct Witnessed {
    anchor: MemoryAnchor,
    right: Vec<u8>,
    wrong: Vec<u8>,
}

impl Anchor for Witnessed {
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
        self.anchor.latest(origin)
    }

    fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
        let text = Note::parse(note).unwrap().text;
        let right = self.right.iter().map(|seed| (*seed, cosignature(*seed, &text)));
        let wrong = self.wrong.iter().map(|seed| (*seed, cosignature(*seed, "something else\n")));
        let answers = right.chain(wrong).map(|(seed, line)| cosigned(&format!("w{seed}.example"), line));
        Publication { answers: answers.collect(), ..self.anchor.publish(note, old_size, proof) }
    }
}

fn cosigned(name: &str, line: String) -> WitnessAnswer {
    WitnessAnswer { name: name.into(), outcome: WitnessOutcome::Cosigned(line) }
}

/// W1 and one of W2 and W3.
fn policy(world: &World) -> Trust {
    let signer = world.keys.signer(IDENTITY).unwrap();
    let key = VerifierKey::new(ORIGIN, signer.algorithm(), signer.public_key()).unwrap();
    let witnesses: String = (1..=3).map(|n| format!("witness W{n} {}\n", witness(n))).collect();
    format!("log {key}\n{witnesses}group some any W2 W3\ngroup all all W1 some\nquorum all\n").parse().unwrap()
}

fn open(world: &World, right: &[u8], wrong: &[u8], adjust: impl FnOnce(&mut LogOptions)) -> Log {
    let mut providers = world.providers();
    let anchor = world.anchor.clone().unwrap();
    providers.anchor = Box::new(Witnessed { anchor, right: right.into(), wrong: wrong.into() });
    let mut options = LogOptions { trust: policy(world), ..world.options() };
    adjust(&mut options);
    SecureLog::open(world.store.clone(), providers, options).unwrap()
}

fn rows(world: &World) -> Vec<WitnessRow> {
    let newest_first = world.store.clone().witnesses(None, 1000).unwrap();
    newest_first.into_iter().rev().map(|witness| witness.row).collect()
}

fn verify(world: &World) -> Report {
    verify_jsonl(&to_jsonl(&world.records())[..], &policy(world), |_| ()).unwrap()
}

#[test]
fn the_quorum_anchors_and_verifies() {
    let world = World::anchored();
    let mut log = open(&world, &[1, 3], &[], |_| ());
    assert!(log.append(&entry("a", b"1")).unwrap().1.anchored);
    let report = verify(&world);
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Valid, 1), "{report:?}");
    assert_eq!(report.cosignatures, 4, "of the head of size 0 and of that of size 1");
    let cosigned: Vec<(u64, String)> = rows(&world).into_iter().map(|row| (row.size, row.name)).collect();
    let name = |n: u8| format!("w{n}.example");
    assert_eq!(cosigned, [(0, name(1)), (0, name(3)), (1, name(1)), (1, name(3))]);
    assert!(rows(&world).iter().all(|row| row.result == WitnessResult::Cosigned && row.detail.contains(&row.name)));
    let head = world.heads().pop().unwrap();
    assert_eq!((head.size, head.sigs.len()), (1, 3));
    assert_eq!(log.sign_head().unwrap(), head);
    // The independent reader, which is told of no witness here, takes the rows and the heads that are repeated.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    std::fs::write(&path, to_jsonl(&world.records())).unwrap();
    if let Some((verdict, said)) = reference_verdict(&path) {
        assert_eq!(verdict, "valid", "{said}");
    }
    // Another opening asks again, and writes nothing that is there.
    let before = world.records();
    drop(log);
    let mut log = open(&world, &[1, 3], &[], |_| ());
    assert_eq!(world.records(), before);
    assert!(log.append(&entry("a", b"2")).unwrap().1.anchored);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn a_head_counts_once_the_quorum_of_the_policy_cosigned_it() {
    for (right, enough) in [(&[1, 3][..], true), (&[1], false), (&[2, 3], false), (&[], false)] {
        let world = World::anchored();
        let mut log = open(&world, right, &[], |_| ());
        append(&mut log, "a", b"1");
        let (note, proof) = (log.signed_head().unwrap().to_string(), log.tlog_proof(1, None).unwrap());
        let missing = Refused::QuorumNotMet { origin: ORIGIN.into() };
        let (head, entry) = (verify_head(&note, &policy(&world)), proof.verify(&policy(&world)));
        if enough {
            assert_eq!((head.unwrap().size(), entry.unwrap().head().size()), (1, 1));
        } else {
            assert_eq!((head.unwrap_err(), entry.unwrap_err()), (missing.clone(), missing.clone()), "{right:?}");
            assert!(missing.is_incomplete());
        }
        // For who asks for no quorum, and for who looks for two histories.
        assert!(verify_head(&note, &trust()).is_ok() && proof.verify(&trust()).is_ok());
        let text = proof.to_string();
        assert_eq!(compare_heads(&note, &note, None, &policy(&world)), Ok(Comparison::Consistent));
        assert_eq!(compare_entries(&text, &text, &policy(&world)), Ok(Comparison::Consistent));
    }
}

#[test]
fn an_opening_that_publishes_what_is_there_writes_nothing() {
    let world = World { anchor: Some(MemoryAnchor::silent()), ..World::new() };
    for (right, wrong) in [(&[1, 3][..], &[][..]), (&[4], &[2])] {
        append(&mut open(&world, right, wrong, |_| ()), "a", b"1");
        let before = world.records();
        for _ in 0..3 {
            open(&world, right, wrong, |_| ());
            assert_eq!(world.records(), before, "{right:?} {wrong:?}");
        }
    }
}

#[test]
fn less_than_the_quorum_anchors_nothing_and_is_incomplete() {
    for (right, wrong) in [(&[1][..], &[][..]), (&[2, 3], &[]), (&[1], &[2]), (&[1, 4, 5], &[]), (&[], &[1, 2, 3])] {
        let world = World::anchored();
        let mut log = open(&world, right, wrong, |_| ());
        let info = log.append(&entry("a", b"1")).unwrap().1;
        assert!(info.signed && !info.anchored, "{right:?} {wrong:?}");
        let report = verify(&world);
        assert_eq!(report.verdict, Verdict::Incomplete, "{right:?} {wrong:?}");
        assert!(report.missing.iter().any(|what| what.to_string().contains("quorum")), "{report:?}");
        let refused = rows(&world).into_iter().filter(|row| row.result == WitnessResult::Refused).count();
        assert_eq!(refused, wrong.len(), "a wrong one stands in a row, once, and spoils no head");
        assert_eq!(world.report().verdict, Verdict::Valid, "for who has no quorum");
        // The witnesses come back.
        drop(log);
        let mut log = open(&world, &[1, 2, 3], &[], |_| ());
        assert!(log.append(&entry("a", b"2")).unwrap().1.anchored);
        assert_eq!(verify(&world).verdict, Verdict::Valid);
    }
}

#[test]
fn a_witness_that_nobody_knows_stands_in_its_row_alone() {
    let world = World::anchored();
    let mut log = open(&world, &[4], &[5], |_| ());
    append(&mut log, "a", b"1");
    assert!(world.heads().iter().all(|head| head.sigs.len() == 1));
    let row = rows(&world).pop().unwrap();
    assert_eq!((row.name.as_str(), row.size), ("w5.example", 1));
    // Whoever knows it later finds its line there.
    let row = &rows(&world)[2];
    let head = world.heads().pop().unwrap();
    let text = secure_log::note::text(ORIGIN, head.size, &head.root);
    assert_eq!(witness(4).check_line(&row.detail, &text), Ok(true));
}

#[test]
fn what_an_anchor_answers_cannot_spoil_the_log() {
    struct Poison(MemoryAnchor);
    impl Anchor for Poison {
        fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
            self.0.latest(origin)
        }
        fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
            let published = self.0.publish(note, old_size, proof);
            let log_line = Note::parse(note).unwrap().sigs[0].clone();
            let (name, blob) = log_line.split_once(' ').unwrap();
            let mut blob = BASE64.decode(blob).unwrap();
            *blob.last_mut().unwrap() ^= 1;
            let mut lines = vec![
                format!("{name} {}", BASE64.encode(blob)),
                log_line,
                String::new(),
                "\u{1b}[2J AAAAAAAA".into(),
                "nonsense".into(),
                format!("{} AAAAAAAA", "n".repeat(400)),
            ];
            lines.extend((0..200).map(|n| format!("w{n} AAAAAAAA")));
            let said = "\u{1b}[2J\n".repeat(4000);
            let mut answers: Vec<WitnessAnswer> = lines.into_iter().map(|line| cosigned(&said, line)).collect();
            let outcomes = [WitnessOutcome::Conflict, WitnessOutcome::Refused, WitnessOutcome::Unreachable];
            let names = [said.as_str(), "", "w.example"];
            for (outcome, name) in outcomes.into_iter().zip(names) {
                answers.insert(0, WitnessAnswer { name: name.into(), outcome: outcome(said.clone()) });
            }
            Publication { answers, ..published }
        }
    }
    let world = World::anchored();
    let mut providers = world.providers();
    providers.anchor = Box::new(Poison(world.anchor.clone().unwrap()));
    let options = LogOptions { trust: policy(&world), ..world.options() };
    let mut log = SecureLog::open(world.store.clone(), providers, options).unwrap();
    append(&mut log, "a", b"1");
    assert!(world.heads().iter().all(|head| head.sigs.len() == 1));
    let kept = rows(&world);
    assert!(kept.len() <= 2 * 64, "{} rows", kept.len());
    assert!(kept.iter().all(|row| row.detail.len() <= 512 && row.name.len() <= 255));
    assert!(kept.iter().any(|row| row.result == WitnessResult::Unreachable && row.detail.starts_with("\\u{1b}[2J\\n")));
    world.assert_valid(1);
}

#[test]
fn cosignatures_count_only_under_a_head_that_the_log_signed() {
    let world = World::anchored();
    let mut log = open(&world, &[1, 2], &[], |_| ());
    append(&mut log, "a", b"1");
    drop(log);
    world.edit(|records| {
        for record in records {
            if let OwnedRecord::Head(head) = record
                && head.size == 1
            {
                head.sigs.retain(|line| !line.starts_with(ORIGIN));
            }
        }
    });
    let report = verify(&world);
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 0));
    assert!(
        report.missing.iter().any(|what| what.to_string().contains("entries 1 to 1") && what.detail.contains("quorum")),
        "{report:?}"
    );
}

#[test]
fn a_writer_that_was_overtaken_loses_no_answer() {
    let world = World::anchored();
    let seldom = |options: &mut LogOptions| options.head_every = Every::Entries(2);
    let mut log = open(&world, &[1, 2], &[], seldom);
    for n in 0..5 {
        append(&mut log, "a", &[n]);
    }
    // The heads of 2 and 4 entries are published; that of the fifth is not signed.
    assert_eq!(rows(&world).iter().map(|row| row.size).max(), Some(4));
    log.sign_head().unwrap();
    assert_eq!(verify(&world).verdict, Verdict::Valid);
}

#[test]
fn a_quorum_that_lacks_the_first_head_still_makes_a_log() {
    let world = World::anchored();
    let mut log = open(&world, &[], &[], |_| ());
    assert!(!log.append(&entry("a", b"1")).unwrap().1.anchored);
    let refused: Result<(), LogError> = log.sign_head().map(|_| ());
    assert_eq!(refused, Ok(()));
}

#[test]
fn a_receipt_of_a_segment_is_checked_against_what_was_handed_over() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("a \"b\"", &crate::world::signed(secure_log::entry::SigningRule::Segments)).unwrap();
    for n in 0..3 {
        append(&mut log, "a \"b\"", &[n]);
    }
    let id = log.close_segment("a \"b\"").unwrap().0.row.id;
    let submissions = log.submissions(id).unwrap();
    assert_eq!(submissions.len(), 1);
    let submission = &submissions[0];
    let text = submission.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], ["secure-log/v1/submission", ORIGIN, r#""a \"b\"""#, "1 1 4"]);
    let key = secure_log::sign::PublicKey::new(
        secure_log::sign::Algorithm::from_name(&submission.algorithm).unwrap(),
        &submission.key,
    )
    .unwrap();
    let message = secure_log::entry::checkpoint_message(&submission.checkpoint);
    assert_eq!(key.verify(&message, &submission.signature), Ok(()), "the receiver checks it with the WIT alone");

    let archive =
        VerifierKey::new("archive", secure_log::sign::Algorithm::Ed25519, &secret(21).verifying_key().to_bytes());
    let archive = archive.unwrap();
    let receipt = |text: &str| {
        let line = archive.signature_line(&secret(21).sign(text.as_bytes()).to_bytes()).unwrap();
        Note { text: text.into(), sigs: vec![line] }.to_string()
    };
    let known = [archive.clone()];
    assert_eq!(submission.check_receipt(&receipt(&text), &known), Ok(Some(&archive)));
    assert_eq!(submission.check_receipt(&receipt(&text), &[]), Ok(None), "a receipt by nobody known");
    let other = receipt(&text.replace("1 1 4", "1 1 3"));
    assert_eq!(submission.check_receipt(&other, &known), Err(secure_log::submission::ReceiptError::OfSomethingElse));
    let stranger = secret(22).sign(text.as_bytes()).to_bytes();
    let line = archive.signature_line(&stranger).unwrap();
    let wrong = Note { text: text.clone(), sigs: vec![line] }.to_string();
    assert!(submission.check_receipt(&wrong, &known).is_err());
    assert!(submission.check_receipt("nonsense", &known).is_err());
}
