//! Logs that were changed at random have the same verdict, finding and place by this library and by the independent
//! reader tools/secure_log_ref.py.
//!
//! 1,000 of them by default, 2,000 where SECURE_LOG_SOAK is set. SECURE_LOG_SEED repeats a run; SECURE_LOG_PYTHON names the
//! interpreter, which needs the packages blake3 and cryptography.

use std::fs;

use crate::support::damage::change_bytes;
use crate::support::dice::Dice;
use crate::support::keys::Key;
use crate::support::reference::{Reads, Reference, agreed};
use crate::support::rotations::random_rotations;
use crate::support::{forge, golden, golden_trust, golden_trust_without_signers, json as read_json, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::jsonl::{Line, parse_line, write_record};
use secure_log::note::{self, VerifierKey};
use secure_log::record::{HeadRow, Record};
use secure_log::verify::verify_jsonl;
use secure_log::verify::{Signer, Trust};
use secure_log_testkit::{count, seed};
use serde_json::{Value, json};

/// What is changed: together they have every kind of record and of control entry.
const LOGS: [&str; 17] = [
    "valid",
    "prune-twice",
    "sealed",
    "sealed-by-aes-gcm",
    "sealed-erased",
    "entries-signed",
    "suite-changes-announced",
    "cosigned",
    "deprecated",
    "recovered-entries",
    "continued",
    "sealed-restricted",
    "segments-signed-by-a-stranger",
    "unicode-never-normalised",
    "key-rotated-twice",
    "key-rotated-where-entries-are-signed",
    "key-rotated-and-the-old-one-goes-on",
];

#[test]
fn changed_logs_have_one_verdict() {
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Logs) else { return };
    let (count, seed) = (count(1_000, 2_000), seed());
    println!("{count} logs from SECURE_LOG_SEED={seed}");
    let trust = golden_trust();
    let mut verdicts = std::collections::BTreeMap::<String, u32>::new();
    let mut unchanged = 0;
    for number in 0..count {
        let dice = &mut Dice::new(seed + number);
        let name = LOGS[number as usize % LOGS.len()];
        let original = fs::read(golden(&format!("logs/{name}.jsonl"))).unwrap();
        let forged = dice.chance(2);
        let log = if forged { forge::change_records(&original, dice) } else { change_bytes(original.clone(), dice) };
        let theirs = compare(&log, &trust, &mut reference, &format!("SECURE_LOG_SEED={} {name}", seed + number));
        // Who has the key may sign what they like; a changed byte changes nothing that is said, but for how far the log goes.
        if !forged && theirs["verdict"] == "valid" {
            let told = entries_of(&log);
            assert_eq!(told, entries_of(&original)[..told.len()], "SECURE_LOG_SEED={} {name}", seed + number);
            unchanged += 1;
        }
        let verdict = theirs["finding"].as_str().unwrap_or_else(|| theirs["verdict"].as_str().unwrap());
        *verdicts.entry(verdict.into()).or_default() += 1;
    }
    println!("{verdicts:?}");
    assert!(unchanged > 0, "no change of bytes left a log valid");
    assert!(verdicts.len() >= 12, "the changes are too much alike: {verdicts:?}");
}

/// The lines of entries, gone or not. What is valid is spelled in one way.
fn entries_of(log: &[u8]) -> Vec<&[u8]> {
    let is_entry = |line: &&[u8]| line.starts_with(b"{\"t\":\"entry\"") || line.starts_with(b"{\"t\":\"pruned\"");
    log.split(|byte| *byte == b'\n').filter(is_entry).collect()
}

#[test]
fn keys_that_introduce_each_other_have_one_verdict() {
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Logs) else { return };
    let (count, seed) = (count(400, 4_000), seed());
    println!("{count} logs from SECURE_LOG_SEED={seed}");
    let mut verdicts = std::collections::BTreeMap::<String, u32>::new();
    for number in 0..count {
        let log = random_rotations(&mut Dice::new(seed + number));
        let theirs = compare(&log, &golden_trust(), &mut reference, &format!("SECURE_LOG_SEED={}", seed + number));
        let verdict = theirs["finding"].as_str().unwrap_or_else(|| theirs["verdict"].as_str().unwrap());
        *verdicts.entry(verdict.into()).or_default() += 1;
    }
    println!("{verdicts:?}");
    for verdict in ["valid", "incomplete", "signature-invalid", "malformed", "key-ended", "key-conflict"] {
        assert!(verdicts.contains_key(verdict), "none is {verdict}: {verdicts:?}");
    }
}

#[test]
fn signatures_of_every_algorithm_have_one_verdict() {
    for key in [Key::p256(), Key::rsa()] {
        let mut keys = read_json(&golden("log.json"));
        let log_key = VerifierKey::new(text(&keys["origin"]), key.algorithm, &key.public).unwrap();
        let signer = VerifierKey::new("attest", key.algorithm, &key.public).unwrap();
        keys["vkey"] = log_key.to_string().into();
        keys["signer"] = signer.to_string().into();
        let Some(mut reference) = Reference::with_keys(&keys, Reads::Logs) else { return };
        let mut trust = golden_trust_without_signers();
        trust.add_log_key(log_key);
        trust.add_signer(Signer::from_verifier_key(&signer, 1..=u64::MAX).unwrap());
        for name in ["valid", "entries-signed", "prune-twice"] {
            let log = fs::read(golden(&format!("logs/{name}.jsonl"))).unwrap();
            let log = forge::sign_anew(&log, &key);
            let verdict = compare(&log, &trust, &mut reference, name);
            assert_eq!(verdict["verdict"], "valid", "{} {name}", key.algorithm);
            for seed in 0..20 {
                let changed = change_bytes(log.clone(), &mut Dice::new(seed));
                compare(&changed, &trust, &mut reference, &format!("{} {name} {seed}", key.algorithm));
            }
        }
    }
}

#[test]
fn a_signer_speaks_for_its_range_only() {
    let log = fs::read(golden("logs/entries-signed.jsonl")).unwrap();
    for (range, span, verdict) in
        [(1..=2, "@1-2", "incomplete"), (2..=u64::MAX, "@2-", "incomplete"), (1..=99, "@1-99", "valid")]
    {
        let mut keys = read_json(&golden("log.json"));
        let signer: VerifierKey = text(&keys["signer"]).parse().unwrap();
        keys["signer"] = format!("{signer}{span}").into();
        let Some(mut reference) = Reference::with_keys(&keys, Reads::Logs) else { return };
        let mut trust = golden_trust_without_signers();
        trust.add_log_key(text(&keys["vkey"]).parse().unwrap());
        trust.add_signer(Signer::from_verifier_key(&signer, range).unwrap());
        assert_eq!(compare(&log, &trust, &mut reference, span)["verdict"], verdict, "{span}");
    }
}

#[test]
fn a_witness_with_the_name_of_the_log_does_not_make_a_head_the_logs() {
    let mut keys = read_json(&golden("log.json"));
    let origin = text(&keys["origin"]).to_string();
    let key = Key::golden();
    let witness = VerifierKey::new_witness(&origin, &key.public).unwrap();
    let mut log = Vec::new();
    for line in fs::read(golden("logs/empty-payload.jsonl")).unwrap().split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let Ok(Line::Head(head)) = parse_line(line) else {
            log.extend_from_slice(&[line, b"\n"].concat());
            continue;
        };
        let head_text = note::text(&origin, head.size, &head.root);
        let signature = (key.sign)(format!("cosignature/v1\ntime 7\n{head_text}").as_bytes());
        let blob = [&witness.id()[..], &7u64.to_be_bytes(), &signature].concat();
        let sigs = vec![format!("{origin} {}", BASE64.encode(blob))];
        write_record(&Record::Head(&HeadRow { sigs, ..head }), &mut log).unwrap();
    }
    keys["witness"] = witness.to_string().into();
    let Some(mut reference) = Reference::with_keys(&keys, Reads::Logs) else { return };
    let mut trust = Trust::new();
    trust.set_origin(&origin);
    trust.add_log_key(text(&keys["vkey"]).parse().unwrap());
    trust.add_witness(witness);
    let verdict = compare(&log, &trust, &mut reference, "cosigned by the log's name");
    assert_eq!((&verdict["verdict"], &verdict["complete_to"]), (&json!("incomplete"), &json!(0)));
    assert!(verdict["cosignatures"].as_u64() > Some(0));
}

#[test]
fn faults_that_chance_rarely_makes_have_one_verdict() {
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Logs) else { return };
    for (code, log) in forge::rare_faults() {
        assert_eq!(compare(&log, &golden_trust(), &mut reference, code)["finding"], code);
    }
}

#[test]
fn a_segment_may_end_with_an_entry_that_is_gone() {
    let log = fs::read(golden("logs/prune-good.jsonl")).unwrap();
    let log = forge::prune_the_last_of_a_segment(&log);
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Logs) else { return };
    assert_eq!(compare(&log, &golden_trust(), &mut reference, "pruned")["verdict"], "valid");
}

/// Verifies the log by both readers, and answers what they agree on.
fn compare(log: &[u8], trust: &Trust, reference: &mut Reference, which: &str) -> Value {
    agreed(log, &verify_jsonl(log, trust, |_| {}).unwrap(), reference, which)
}
