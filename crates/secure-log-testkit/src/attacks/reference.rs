//! What the independent reader says of the sample log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sample::{IDENTITY, MAC_LABEL, ORIGIN, log_key};
use crate::TestKeystore;

/// The verdict of tools/secure_log_ref.py on a log of the sample's origin and keys, with what it says besides; `None`,
/// said loudly, where there is no Python that has what it needs.
///
/// # Panics
/// When it cannot be started although it is there.
pub fn reference_verdict(log: &Path) -> Option<(String, String)> {
    let python = python();
    let ready = Command::new(&python).args(["-c", "import blake3, cryptography"]).output();
    if !ready.is_ok_and(|ready| ready.status.success()) {
        let python = python.display();
        eprintln!("NOT RUN: comparison with tools/secure_log_ref.py: {python} has no blake3 and cryptography");
        return None;
    }
    let output = Command::new(&python)
        .arg(project("tools/secure_log_ref.py"))
        .arg("verify")
        .arg(log)
        .args(["--origin", ORIGIN])
        .args(["--trust", &log_key(ORIGIN).to_string()])
        .args(["--signer", &log_key(IDENTITY).to_string()])
        .args(["--hmac-key", &secure_log::hash::Hash(TestKeystore::mac_secret(MAC_LABEL)).to_hex()])
        .output()
        .expect("Python was started just now");
    let verdict = match output.status.code() {
        Some(0) => "valid",
        Some(1) => "invalid",
        Some(3) => "incomplete",
        _ => "error",
    };
    let said = [output.stdout, output.stderr].concat();
    Some((verdict.into(), String::from_utf8_lossy(&said).into_owned()))
}

fn python() -> PathBuf {
    let installed = project(".tools/python/bin/python3");
    match std::env::var_os("SECURE_LOG_PYTHON") {
        Some(python) => python.into(),
        None if fs::exists(&installed).unwrap_or(false) => installed,
        None => "python3".into(),
    }
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
