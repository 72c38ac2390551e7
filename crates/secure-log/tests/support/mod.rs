//! What the tests that read vectors share.

pub(crate) mod damage;
pub(crate) mod dice;
pub(crate) mod forge;
pub(crate) mod keks;
pub(crate) mod keys;
pub(crate) mod reference;
pub(crate) mod rotations;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use secure_log::hash::HmacKey;
use secure_log::verify::{Report, Signer, Trust, Verdict};
use serde_json::Value;

/// The folder with this name beside the workspace's crates.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Golden files of this project.
pub(crate) fn golden(path: &str) -> PathBuf {
    project("vectors/secure-log").join(path)
}

/// Other people's vectors, which are not part of the project. Says loudly what is not run without them.
pub(crate) fn public(path: &str) -> Option<PathBuf> {
    match std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") {
        Some(folder) => Some(Path::new(&folder).join(path)),
        None => {
            not_run(&format!("{path}: SECURE_LOG_PUBLIC_VECTORS does not say where the public vectors are"));
            None
        }
    }
}

/// Says what was not run, also where the output of tests that pass is captured.
pub(crate) fn not_run(what: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {what}");
}

pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

pub(crate) fn items(value: &Value) -> &Vec<Value> {
    value.as_array().expect("an array")
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    const_hex::decode(text(value)).expect("hexadecimal")
}

/// Every file under a folder, in a fixed order.
pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The keys that the golden logs are verified with.
pub(crate) fn golden_trust() -> Trust {
    let mut trust = golden_trust_without_mac();
    trust.add_hmac_key(HmacKey::new(hex(&json(&golden("log.json"))["hmac_key"]).try_into().unwrap()));
    trust
}

/// The same without the key of the keyed suite.
pub(crate) fn golden_trust_without_mac() -> Trust {
    let keys = json(&golden("log.json"));
    let mut trust = Trust::new();
    trust.set_origin(text(&keys["origin"]));
    trust.add_log_key(text(&keys["vkey"]).parse().unwrap());
    trust.add_witness(text(&keys["witness"]).parse().unwrap());
    let signer = text(&keys["signer"]).parse().unwrap();
    trust.add_signer(Signer::from_verifier_key(&signer, 1..=u64::MAX).unwrap());
    trust
}

/// The same without any key that signs: for logs that another one signed anew.
pub(crate) fn golden_trust_without_signers() -> Trust {
    let keys = json(&golden("log.json"));
    let mut trust = Trust::new();
    trust.set_origin(text(&keys["origin"]));
    trust.add_witness(text(&keys["witness"]).parse().unwrap());
    trust.add_hmac_key(HmacKey::new(hex(&keys["hmac_key"]).try_into().unwrap()));
    trust
}

/// `valid`, `incomplete`, or the code of the finding.
pub(crate) fn outcome(report: &Report) -> &'static str {
    match &report.verdict {
        Verdict::Invalid(finding) => finding.code.as_str(),
        other => other.as_str(),
    }
}
