//! The verifier that imports nothing gives the very report of the library in every host: all golden logs and bundles, and
//! logs that were changed at random.
//!
//! SECURE_LOG_VERIFIER_HOSTS has a command for each host, one a line; scripts/test-verifier.sh sets it. A host is told the
//! options as JSON in its last argument, and each log by its length in four big-endian bytes and its bytes; it answers
//! `"ready"` once, and then a line of JSON for each log: `[json, text]` of the report. 100 changed logs by default, 2,000 where
//! SECURE_LOG_SOAK is set.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use secure_log::bundle::FileVerifier;
use secure_log::providers::WrapAlgorithm;
use secure_log::verify::{Report, Trust, Verdict};
use secure_log_testkit::{count, seed};
use serde_json::{Value, json};
use support::damage::change_bytes;
use support::dice::Dice;
use support::keks::Kek;
use support::{files_under, forge, golden, golden_trust, hex, json as read_json, not_run, text};

const TIME: u64 = 1_795_910_400;
const TIME_TEXT: &str = "2026-11-29T00:00:00.000000000Z";

#[test]
fn every_host_gives_the_report_of_the_library() {
    let Ok(commands) = std::env::var("SECURE_LOG_VERIFIER_HOSTS") else {
        return not_run("the verifier in its hosts: scripts/test-verifier.sh sets SECURE_LOG_VERIFIER_HOSTS");
    };
    let (trust, options) = golden_options();
    let mut hosts: Vec<Host> = commands.lines().map(|command| Host::start(command, &options)).collect();
    assert!(!hosts.is_empty(), "SECURE_LOG_VERIFIER_HOSTS names none");
    let logs: Vec<_> = files_under(&golden("logs"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    // Only a log that can be read can be changed record by record.
    let mut sound = Vec::new();
    for path in &logs {
        let log = fs::read(path).unwrap();
        let report = compare(&log, &trust, &mut hosts, &path.display().to_string());
        if report.size > 0 && !matches!(report.verdict, Verdict::Invalid(_)) {
            sound.push(log);
        }
    }
    for path in jsonl_files("bundles") {
        compare(&fs::read(&path).unwrap(), &trust, &mut hosts, &path.display().to_string());
    }
    let (count, seed) = (count(100, 2000), seed());
    println!("{} golden logs and {count} changed ones from SECURE_LOG_SEED={seed}", logs.len());
    for number in 0..count {
        let dice = &mut Dice::new(seed + number);
        let log = sound[dice.index(sound.len())].clone();
        let log = if dice.chance(2) { forge::change_records(&log, dice) } else { change_bytes(log, dice) };
        compare(&log, &trust, &mut hosts, &format!("SECURE_LOG_SEED={}", seed + number));
    }
}

/// With the key that wraps the data keys of most golden logs that are sealed. A key that the caller has in hand wraps by
/// `xchacha20poly1305`, so that for the others it is a key that is missing.
#[test]
fn every_host_opens_what_the_library_opens() {
    const LABEL: &str = "kek-1";
    let Ok(commands) = std::env::var("SECURE_LOG_VERIFIER_HOSTS") else {
        return not_run("the verifier in its hosts: scripts/test-verifier.sh sets SECURE_LOG_VERIFIER_HOSTS");
    };
    let key = text(&read_json(&golden("opened.json"))["keks"][LABEL]).to_owned();
    let (mut trust, mut options) = golden_options();
    options["wrapping_keys"][LABEL] = key.clone().into();
    let key = hex(&key.into()).try_into().expect("a key that wraps has 32 bytes");
    trust.add_wrapping_key(LABEL, Box::new(Kek { key, algorithm: WrapAlgorithm::XChaCha20Poly1305, nonce: [0; 24] }));
    let mut hosts: Vec<Host> = commands.lines().map(|command| Host::start(command, &options)).collect();
    let is_sealed = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sealed"));
    let sealed: Vec<_> = jsonl_files("logs").into_iter().filter(is_sealed).collect();
    let mut unopened = Vec::new();
    for path in &sealed {
        let report = compare(&fs::read(path).unwrap(), &trust, &mut hosts, &path.display().to_string());
        unopened.push(report.unopened);
    }
    assert!(unopened.contains(&0) && unopened.iter().any(|count| *count > 0), "{unopened:?} of {sealed:?}");
}

fn jsonl_files(folder: &str) -> Vec<PathBuf> {
    let is_jsonl = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    files_under(&golden(folder)).into_iter().filter(is_jsonl).collect()
}

/// The keys of the golden logs, for the library and as options of the component. A policy as text trusts what the library is
/// told by calls.
fn golden_options() -> (Trust, Value) {
    let keys = read_json(&golden("log.json"));
    let (vkey, witness, signer) = (text(&keys["vkey"]), text(&keys["witness"]), text(&keys["signer"]));
    let identity = signer.split('+').next().expect("a verifier key has a name");
    let policy = format!("log {vkey}\nwitness W1 {witness}\nquorum none\nsigners\n{identity} {signer}\n");
    let options = json!({
        "policy": policy, "origin": text(&keys["origin"]), "mac_keys": [text(&keys["hmac_key"])],
        "wrapping_keys": {}, "time": TIME,
    });
    (golden_trust(), options)
}

fn compare(log: &[u8], trust: &Trust, hosts: &mut [Host], which: &str) -> Report {
    let mut verifier = FileVerifier::new(trust.clone()).unwrap();
    verifier.push(log);
    let report = verifier.finish().report;
    let ours = json!([report.to_json(Some(TIME_TEXT)), report.to_text(Some(TIME_TEXT))]);
    for host in hosts {
        assert_eq!(host.verify(log), ours, "{which}: {} says something else", host.command);
    }
    report
}

/// A host, in one process for all logs.
struct Host {
    command: String,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Host {
    fn start(command: &str, options: &Value) -> Host {
        let mut words = command.split_whitespace();
        let mut process = Command::new(words.next().expect("a command"))
            .args(words)
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("it was piped"));
        let mut host = Host { command: command.into(), process, input, output };
        assert_eq!(host.answer(), "ready", "{command} does not begin");
        host
    }

    fn verify(&mut self, log: &[u8]) -> Value {
        let input = self.input.as_mut().expect("it is open until the end");
        input.write_all(&(log.len() as u32).to_be_bytes()).unwrap();
        input.write_all(log).unwrap();
        input.flush().unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error}: {line:?}", self.command))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
