//! What can be done to a chain of archives, and what both readers say of it.

use secure_log::archive::{ChainReport, ChainVerdict, ChainVerifier, FaultCode, MAX_ARCHIVES};
use secure_log::memory::MemoryStore;
use secure_log::note::Note;
use secure_log::verify::{Trust, Verdict};
use secure_log_testkit::archiving::{self, FIRST, entry, lines_of, open, open_named, verified, write_some};
use secure_log_testkit::{SharedStore, count};
use serde_json::json;

use crate::support::dice::Dice;
use crate::support::reference::{Reads, Reference};
use crate::support::{golden, json as read_json};

type Lines = Vec<u8>;

/// What is done, the files, the verdict, the faults with the numbers of their files, and before which files one is missing.
type Case<'a> = (&'a str, Vec<&'a [u8]>, ChainVerdict, Vec<(FaultCode, usize)>, Vec<usize>);

/// The archive of a new log with this many entries more, and the note of its last head.
fn archive(continues: Option<&str>, more: u8) -> (Lines, String) {
    let mut log = open(MemoryStore::new(), continues).unwrap();
    write_some(&mut log);
    for number in 0..more {
        log.append(&entry("plain", &[number])).unwrap();
    }
    let mut lines = Vec::new();
    let archived = log.write_archive(&mut lines, |_| {}).unwrap();
    (lines, archived.note)
}

/// Three archives, each of which continues the one before it, and the last head of the first.
fn three() -> ([Lines; 3], String) {
    let (first, first_note) = archive(None, 1);
    let (second, note) = archive(Some(&first_note), 2);
    ([first, second, archive(Some(&note), 3).0], first_note)
}

fn reference() -> Option<Reference> {
    let key = trust_key();
    let keys = json!({
        "origin": null,
        "vkey": key.0,
        "witness": read_json(&golden("log.json"))["witness"],
        "signer": key.1,
        "hmac_key": "00".repeat(32),
    });
    Reference::with_keys(&keys, Reads::Chains)
}

/// The verifier keys of the first log and of its signer.
fn trust_key() -> (String, String) {
    let trust: Trust = archiving::trust();
    let signer = &trust.signers()[0];
    let as_key = |name: &str| {
        secure_log::note::VerifierKey::new(name, signer.key().algorithm(), signer.key().as_bytes()).unwrap().to_string()
    };
    (as_key(FIRST), as_key(signer.identity()))
}

/// What this library says of a chain, which the reference agrees with.
fn judged(files: &[&[u8]], reference: &mut Option<Reference>, what: &str) -> ChainReport {
    let chain = verified(files);
    assert_eq!(in_pieces(files, 977), chain, "{what}: in pieces");
    if let Some(reference) = reference {
        let mut faults: Vec<_> = chain.faults.iter().map(|fault| json!([fault.code.as_str(), fault.part])).collect();
        faults.sort_by_key(ToString::to_string);
        let missing: Vec<_> = chain
            .missing
            .iter()
            .map(|missing| {
                let text = missing.head.text();
                let words: Vec<&str> = text.lines().collect();
                json!([words[0], words[1], words[2], missing.before, missing.signed])
            })
            .collect();
        let files_said: Vec<_> = chain.parts.iter().map(|part| part.report.verdict.as_str()).collect();
        let ours =
            json!({"verdict": chain.verdict.as_str(), "faults": faults, "missing": missing, "files": files_said});
        let mut theirs = reference.verify_chain(files);
        if let Some(faults) = theirs["faults"].as_array_mut() {
            faults.sort_by_key(ToString::to_string);
        }
        assert_eq!(ours, theirs, "{what}");
    }
    chain
}

fn in_pieces(files: &[&[u8]], size: usize) -> ChainReport {
    let mut verifier = ChainVerifier::new(archiving::trust()).unwrap();
    for (number, file) in files.iter().enumerate() {
        verifier.begin(&format!("file {}", number + 1)).unwrap();
        for piece in file.chunks(size) {
            if !verifier.push(piece) {
                break;
            }
        }
    }
    verifier.finish()
}

fn faults(chain: &ChainReport) -> Vec<(FaultCode, usize)> {
    chain.faults.iter().map(|fault| (fault.code, fault.part)).collect()
}

/// The lines up to the head before the last one.
fn cut(lines: &[u8]) -> &[u8] {
    let heads: Vec<usize> = memchr::memmem::find_iter(lines, b"\n{\"t\":\"head\"").collect();
    let end = heads[heads.len() - 2] + 1;
    &lines[..end + lines[end..].iter().position(|byte| *byte == b'\n').unwrap() + 1]
}

#[test]
fn a_chain_that_was_changed_is_found_out_and_says_how() {
    let mut reference = reference();
    let ([a, b, c], note) = &three();
    // Two other logs that continue the first one's head, and another first.
    let report_of = |lines: &Lines| {
        let report = verified(&[lines]).parts.remove(0).report;
        assert!(matches!(report.verdict, Verdict::Valid | Verdict::Incomplete));
        report
    };
    let (fork, _) = archive(Some(note), 9);
    let mut named = open_named(MemoryStore::new(), Some(note), Some("named.example")).unwrap();
    write_some(&mut named);
    let mut other_name = Vec::new();
    named.write_archive(&mut other_name, |_| {}).unwrap();
    let (other, _) = archive(None, 7);
    let mut damaged = b.clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    let cases: Vec<Case<'_>> = vec![
        ("whole", vec![a, b, c], ChainVerdict::Valid, vec![], vec![]),
        ("one", vec![a], ChainVerdict::Valid, vec![], vec![]),
        ("none", vec![], ChainVerdict::Incomplete, vec![], vec![]),
        ("the middle is missing", vec![a, c], ChainVerdict::Incomplete, vec![], vec![2]),
        ("the first is missing", vec![b, c], ChainVerdict::Incomplete, vec![], vec![1]),
        ("two are missing", vec![c], ChainVerdict::Incomplete, vec![], vec![1]),
        (
            "swapped",
            vec![b, a, c],
            ChainVerdict::Invalid,
            vec![(FaultCode::Misplaced, 1), (FaultCode::Unlinked, 2), (FaultCode::Misplaced, 3)],
            vec![],
        ),
        (
            "the last two swapped",
            vec![a, c, b],
            ChainVerdict::Invalid,
            vec![(FaultCode::Misplaced, 2), (FaultCode::Misplaced, 3)],
            vec![],
        ),
        ("repeated", vec![a, b, b, c], ChainVerdict::Invalid, vec![(FaultCode::Repeated, 3)], vec![]),
        ("the first repeated", vec![a, a], ChainVerdict::Invalid, vec![(FaultCode::Repeated, 2)], vec![]),
        ("cut", vec![cut(a), b, c], ChainVerdict::Invalid, vec![(FaultCode::Truncated, 1)], vec![]),
        ("the middle is cut", vec![a, cut(b), c], ChainVerdict::Invalid, vec![(FaultCode::Truncated, 2)], vec![]),
        ("the last is cut", vec![a, b, cut(c)], ChainVerdict::Valid, vec![], vec![]),
        (
            "cut within a commit",
            vec![&a[..a.len() - 1], b],
            ChainVerdict::Invalid,
            vec![(FaultCode::Truncated, 1)],
            vec![],
        ),
        ("forked", vec![a, b, &fork], ChainVerdict::Invalid, vec![(FaultCode::Forked, 3)], vec![]),
        (
            "forked without what they continue",
            vec![b, &fork],
            ChainVerdict::Invalid,
            vec![(FaultCode::Forked, 2)],
            vec![1],
        ),
        ("forked by name", vec![a, b, &other_name], ChainVerdict::Invalid, vec![(FaultCode::Forked, 3)], vec![]),
        ("the other continuation", vec![a, &other_name], ChainVerdict::Valid, vec![], vec![]),
        ("another log", vec![a, &other], ChainVerdict::Invalid, vec![(FaultCode::Forked, 2)], vec![]),
        ("another first", vec![&other, b], ChainVerdict::Invalid, vec![(FaultCode::WentOn, 1)], vec![]),
        ("damaged", vec![a, &damaged, c], ChainVerdict::Invalid, vec![], vec![]),
        ("empty", vec![a, b""], ChainVerdict::Invalid, vec![], vec![]),
    ];
    for (what, files, verdict, wrong, missing) in cases {
        let chain = judged(&files, &mut reference, what);
        assert_eq!(chain.verdict, verdict, "{what}: {}", chain.to_text(None));
        assert_eq!(faults(&chain), wrong, "{what}: {}", chain.to_text(None));
        assert_eq!(chain.missing.iter().map(|missing| missing.before).collect::<Vec<_>>(), missing, "{what}");
    }
    let named = &judged(&[a, c], &mut reference, "named").missing[0];
    let report = report_of(b);
    assert_eq!((&named.head.origin, named.head.size, named.head.root), (&report.origin, report.size, report.root));
    assert!(named.signed, "{named}");
}

/// A log that is not closed can be continued by who has its key and a signed head; what comes of it is found.
#[test]
fn a_log_that_went_on_after_its_head_was_continued_is_found_out() {
    let mut reference = reference();
    let place = SharedStore::new(MemoryStore::new());
    let mut log = open(place.clone(), None).unwrap();
    write_some(&mut log);
    let early = Note::of_head(FIRST, &log.sign_head().unwrap()).to_string();
    let copy = place.with(lines_of);
    log.append(&entry("plain", b"after its head was continued")).unwrap();
    let went_on = place.with(lines_of);
    let (next, _) = archive(Some(&early), 0);
    let chain = judged(&[&copy, &next], &mut reference, "as it was");
    assert_eq!(chain.verdict, ChainVerdict::Valid, "{}", chain.to_text(None));
    let chain = judged(&[&went_on, &next], &mut reference, "went on");
    assert_eq!((chain.verdict, faults(&chain)), (ChainVerdict::Invalid, vec![(FaultCode::WentOn, 1)]));
    // As many entries as before, and others.
    let later = Note::of_head(FIRST, &log.sign_head().unwrap()).to_string();
    let (next, _) = archive(Some(&later), 0);
    let rival = SharedStore::new(MemoryStore::new());
    let mut log = open(rival.clone(), None).unwrap();
    write_some(&mut log);
    log.append(&entry("plain", b"another history")).unwrap();
    let chain = judged(&[&rival.with(lines_of), &next], &mut reference, "another history");
    assert_eq!((chain.verdict, faults(&chain)), (ChainVerdict::Invalid, vec![(FaultCode::OtherHead, 1)]));
}

/// Whatever is left out, doubled and reordered at random has one verdict by both readers, and nothing but a run of the chain from
/// its first log on is valid.
#[test]
fn what_is_shuffled_has_one_verdict() {
    let mut reference = reference();
    let (files, _) = three();
    let seed = secure_log_testkit::seed() >> 1;
    let mut verdicts = [0; 3];
    for number in 0..count(60, 3000) {
        let dice = &mut Dice::new(seed + number);
        let chosen: Vec<usize> = (0..1 + dice.roll(4)).map(|_| dice.roll(3) as usize).collect();
        let parts: Vec<&[u8]> = chosen.iter().map(|file| files[*file].as_slice()).collect();
        let chain = judged(&parts, &mut reference, &format!("{chosen:?}, seed {}", seed + number));
        let is_run = chosen.iter().copied().eq(0..chosen.len());
        assert_eq!(chain.verdict == ChainVerdict::Valid, is_run, "{chosen:?}: {}", chain.to_text(None));
        verdicts[chain.verdict as usize] += 1;
    }
    println!("valid, incomplete, invalid: {verdicts:?}");
}

#[test]
fn a_report_hides_nothing_of_what_files_are_called() {
    let hostile = "a\u{1b}[2J\u{202e}\"\\\u{e0001}";
    let mut verifier = ChainVerifier::new(archiving::trust()).unwrap();
    verifier.begin(hostile).unwrap();
    let chain = verifier.finish();
    assert_eq!(chain.verdict, ChainVerdict::Invalid);
    for shown in [chain.to_text(Some(hostile)), chain.to_json(Some(hostile))] {
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{e0001}']), "{shown}");
    }
    let value: serde_json::Value = serde_json::from_str(&chain.to_json(Some(hostile))).unwrap();
    assert_eq!((&value["files"][0]["name"], &value["time"]), (&hostile.into(), &hostile.into()));
    assert_eq!(value["files"][0]["report"]["verdict"], "invalid");
}

#[test]
fn a_chain_has_a_longest_length() {
    let mut verifier = ChainVerifier::new(archiving::trust()).unwrap();
    (0..MAX_ARCHIVES).for_each(|_| verifier.begin("x").unwrap());
    assert!(verifier.begin("x").is_err());
}
