//! The verifier that imports nothing gives the very report of the library in every host: all golden logs and bundles,
//! logs that were changed at random, and archives in any order.
//!
//! SECURE_LOG_VERIFIER_HOSTS has a command for each host, one a line; scripts/test-verifier.sh sets it. A host is told the
//! options as JSON in its last argument, and each log by its length in four big-endian bytes and its bytes; it answers
//! `"ready"` once, and then a line of JSON for each log: `[json, text, continues]` of the report, whose last is a head as `[origin,
//! size, root]`. Where the options have `chain`, each file in turn stands behind its length in what it is given, and is called `file 1`
//! and so on; the line is that of [`chain_line`]. 100 changed logs by default, 2,000 where SECURE_LOG_SOAK is set.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::damage::change_bytes;
use crate::support::dice::Dice;
use crate::support::keks::Kek;
use crate::support::{files_under, forge, golden, golden_trust, hex, json as read_json, not_run, text};
use secure_log::archive::{ChainReport, ChainVerdict, ChainVerifier};
use secure_log::bundle::FileVerifier;
use secure_log::memory::MemoryStore;
use secure_log::note::{Checkpoint, VerifierKey};
use secure_log::providers::WrapAlgorithm;
use secure_log::verify::{Report, Trust, Verdict};
use secure_log_testkit::archiving::{self, FIRST};
use secure_log_testkit::{count, seed};
use serde_json::{Value, json};

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

/// Three archives that continue each other, in all orders, doubled and with some left out, and one of them damaged.
#[test]
fn every_host_gives_the_report_of_the_library_on_archives() {
    let Ok(commands) = std::env::var("SECURE_LOG_VERIFIER_HOSTS") else {
        return not_run("the verifier in its hosts: scripts/test-verifier.sh sets SECURE_LOG_VERIFIER_HOSTS");
    };
    let (trust, options) = chain_options();
    let mut hosts: Vec<Host> = commands.lines().map(|command| Host::start(command, &options)).collect();
    let mut archives: Vec<Vec<u8>> = Vec::new();
    let mut note: Option<String> = None;
    for _ in 0..3 {
        let mut log = archiving::open(MemoryStore::new(), note.as_deref()).unwrap();
        archiving::write_some(&mut log);
        let mut lines = Vec::new();
        note = Some(log.write_archive(&mut lines, |_| {}).unwrap().note);
        archives.push(lines);
    }
    let mut damaged = archives[1].clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    archives.push(damaged);
    let seed = seed();
    println!("chains from SECURE_LOG_SEED={seed}");
    let mut verdicts = std::collections::BTreeSet::new();
    let named: [&[usize]; 5] = [&[0, 1, 2], &[0, 2], &[1, 2], &[], &[0, 3, 2]];
    let drawn = (0..count(20, 500)).map(|number| {
        let dice = &mut Dice::new(seed + number);
        (0..1 + dice.roll(4)).map(|_| dice.index(archives.len())).collect()
    });
    for chosen in named.into_iter().map(<[usize]>::to_vec).chain(drawn.collect::<Vec<_>>()) {
        let files: Vec<&[u8]> = chosen.iter().map(|file| &*archives[*file]).collect();
        let mut verifier = ChainVerifier::new(trust.clone()).unwrap();
        for (number, file) in (1..).zip(&files) {
            verifier.begin(&format!("file {number}")).unwrap();
            verifier.push(file);
        }
        let report = verifier.finish();
        verdicts.insert(report.verdict.as_str());
        assert_eq!(
            report.verdict == ChainVerdict::Valid,
            !chosen.is_empty() && chosen.iter().copied().eq(0..chosen.len().min(3))
        );
        let framed: Vec<Vec<u8>> =
            files.iter().map(|file| [&(file.len() as u32).to_be_bytes(), *file].concat()).collect();
        for host in &mut hosts {
            let said = host.verify(&framed.concat());
            assert_eq!(said, chain_line(&report), "{chosen:?}: {} says something else", host.command);
        }
    }
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
}

/// The keys of the archives, for the library and as options of the component.
fn chain_options() -> (Trust, Value) {
    let trust = archiving::trust();
    let signer = &trust.signers()[0];
    let key = |name| VerifierKey::new(name, signer.key().algorithm(), signer.key().as_bytes()).unwrap();
    let identity = signer.identity();
    let policy = format!("log {}\nquorum none\nsigners\n{identity} {}\n", key(FIRST), key(identity));
    let options = json!({
        "policy": policy, "origin": null, "mac_keys": [], "wrapping_keys": {}, "time": TIME, "chain": true,
    });
    (trust, options)
}

/// What a host says of a chain: all that it is told in the types of the interface and the library says in its own.
fn chain_line(chain: &ChainReport) -> Value {
    let ChainReport { verdict, parts, faults, missing } = chain;
    let faults: Vec<_> = faults.iter().map(|fault| json!([fault.code.as_str(), fault.part])).collect();
    let missing: Vec<_> = missing.iter().map(|gone| json!([head(&gone.head), gone.before, gone.signed])).collect();
    let files: Vec<_> = parts
        .iter()
        .map(|part| {
            let report = &part.report;
            json!([part.name, report.to_json(None), report.to_text(None), report.continues.as_ref().map(head)])
        })
        .collect();
    let (json, text) = (chain.to_json(Some(TIME_TEXT)), chain.to_text(Some(TIME_TEXT)));
    json!([json, text, verdict.as_str(), faults, missing, files])
}

fn head(head: &Checkpoint) -> Value {
    json!([head.origin, head.size, head.root.to_hex()])
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
    let continues = report.continues.as_ref().map(head);
    let ours = json!([report.to_json(Some(TIME_TEXT)), report.to_text(Some(TIME_TEXT)), continues]);
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
