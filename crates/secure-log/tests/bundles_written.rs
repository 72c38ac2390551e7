//! Evidence bundles that the engine writes of the golden logs and of the sample log: the independent reader
//! tools/secure_log_ref.py says of each what this library says.

use std::fs;
use std::path::Path;

use crate::support::reference::{Reads, Reference, agreed};
use crate::support::*;
use secure_log::SecureLog;
use secure_log::bundle::{BundleReport, verify_bundle};
use secure_log::engine::{Absent, EvidenceError, EvidenceOf, LogOptions, Providers};
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::providers::NoAnchor;
use secure_log::store::SecureLogStore;
use secure_log::verify::{Trust, Verdict};
use secure_log_file::FileStore;
use secure_log_testkit::attacks::{IDENTITY, MAC_LABEL, ORIGIN, log_key, sample_log, trust};
use secure_log_testkit::{ManualClock, SeededRandom, TestKeystore};
use serde_json::json;

#[test]
fn bundles_of_the_golden_logs_have_one_verdict() {
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Bundles) else { return };
    let expected = json(&golden("logs/expected.json"));
    let mut made = 0;
    for (name, _) in expected.as_object().unwrap().iter().filter(|(_, expected)| *expected == "valid") {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundled.jsonl");
        fs::copy(golden(&format!("logs/{name}.jsonl")), &path).unwrap();
        let providers = Providers {
            keystore: Box::new(TestKeystore::new()),
            anchor: Box::new(NoAnchor),
            clock: Box::new(ManualClock::new()),
            random: Box::new(SeededRandom::new(1)),
        };
        let options = LogOptions { absent: Absent::Refuse, trust: golden_trust(), ..LogOptions::default() };
        let mut log = SecureLog::open(FileStore::open(&path).unwrap(), providers, options).unwrap();
        made += check_all(&mut log, &golden_trust(), &mut reference, name);
    }
    assert!(made > 120, "{made}");
}

#[test]
fn bundles_of_the_sample_log_have_one_verdict() {
    let keys = json!({
        "origin": ORIGIN,
        "vkey": log_key(ORIGIN).to_string(),
        "witness": json(&golden("log.json"))["witness"],
        "signer": log_key(IDENTITY).to_string(),
        "hmac_key": const_hex::encode(TestKeystore::mac_secret(MAC_LABEL)),
    });
    let Some(mut reference) = Reference::with_keys(&keys, Reads::Bundles) else { return };
    let mut log = sample_log(MemoryStore::new()).unwrap();
    let made = check_all(&mut log, &trust(), &mut reference, "sample");
    assert!(made > 40, "{made}");
}

/// Has the log prove every entry, some ranges and every stream, and says how many bundles there were.
fn check_all<S: SecureLogStore>(
    log: &mut SecureLog<S>,
    trust: &Trust,
    reference: &mut Reference,
    which: &str,
) -> usize {
    let size = log.size();
    let mut all: Vec<EvidenceOf> = (1..=size).map(EvidenceOf::Entry).collect();
    all.extend((1..=size).step_by(3).map(|first| EvidenceOf::Range(first, size.min(first + first % 5))));
    all.push(EvidenceOf::Range(1, size));
    let streams = log.streams(0, 1000).unwrap();
    all.extend(streams.into_iter().map(|stream| EvidenceOf::Stream(stream.row.name, None)));
    let mut made = 0;
    for of in all.into_iter().filter(|_| size > 0) {
        let mut lines = Vec::new();
        match log.write_evidence(&of, None, &mut lines) {
            Ok(_) => {}
            // Entries that are gone, streams without any, and a key that this log was not given.
            Err(EvidenceError::Log(LogError::EntryNotFound(_) | LogError::MacKeyMissing { .. })) => continue,
            Err(error) => panic!("{which}, {of:?}: {error}"),
        }
        let found = verify_bundle(&lines[..], trust).unwrap();
        let said = agreed(&lines, &found.report, reference, &format!("{which}, {of:?}"));
        let pruned_range = matches!(of, EvidenceOf::Range(..)) && found.report.pruned > 0;
        // A bundle carries no introductions: whoever pins the first key alone does not know the later ones. The hint has them.
        let later_key = || which.starts_with("key-") && by_hint(&lines, &found, trust) == Verdict::Valid;
        assert!(found.report.verdict == Verdict::Valid || pruned_range || later_key(), "{which}, {of:?}: {said}");
        made += 1;
    }
    made
}

/// The verdict by the policy that came with a bundle, which in a test is known to be the right one.
fn by_hint(lines: &[u8], found: &BundleReport, trust: &Trust) -> Verdict {
    let mut hinted: Trust = found.hint.as_ref().expect("it has a hint").parse().expect("the hint is a policy");
    hinted.set_origin(trust.origin().expect("the golden keys are of one log"));
    verify_bundle(lines, &hinted).unwrap().report.verdict
}
