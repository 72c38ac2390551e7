//! The independent reader tools/secure_log_ref.py, and what it has to agree on with this library.
//!
//! SECURE_LOG_PYTHON names the interpreter, which needs the packages blake3 and cryptography.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use secure_log::verify::{Report, Verdict};
use serde_json::{Value, json};

use super::{not_run, project};

/// What the reference is given.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    Logs,
    Bundles,
    Chains,
}

impl Reads {
    fn function(self) -> &'static str {
        match self {
            Reads::Logs => "verify",
            Reads::Bundles => "verify_bundle",
            Reads::Chains => "verify_chain",
        }
    }
}

/// What this library's report on a file and the reference's own agree on.
pub(crate) fn agreed(file: &[u8], ours: &Report, reference: &mut Reference, which: &str) -> Value {
    let theirs = reference.verify(file);
    if summary(ours) == theirs {
        return theirs;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential.jsonl");
    fs::write(&kept, file).unwrap();
    panic!(
        "{which}: the file is {}\nours:   {}\n        {:?} {:?}\ntheirs: {theirs}",
        kept.display(),
        summary(ours),
        ours.verdict,
        ours.missing,
    );
}

/// What both readers have to agree on.
fn summary(report: &Report) -> Value {
    match &report.verdict {
        Verdict::Invalid(finding) => {
            json!({"verdict": "invalid", "finding": finding.code.as_str(), "where": finding.at.to_string()})
        }
        verdict => json!({
            "verdict": verdict.as_str(),
            "size": report.size,
            "root": report.root.to_hex(),
            "complete_to": report.complete_to,
            "entries": report.entries,
            "pruned": report.pruned,
            "segments": report.segments,
            "signatures": report.signatures,
            "heads": report.heads,
            "cosignatures": report.cosignatures,
            "erased": report.erased,
            "erased_payloads": report.erased_payloads,
            "unopened": report.unopened,
            "missing": report.missing.len(),
            "unknown_signers": report.unknown_signers,
        }),
    }
}

/// The reference, in one process for all logs.
pub(crate) struct Reference {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Reference {
    pub(crate) fn with_keys(keys: &Value, what: Reads) -> Option<Reference> {
        // Tests run side by side, and each has its keys in a file of its own.
        let name = std::thread::current().name().unwrap_or("keys").to_string();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
        fs::write(&file, keys.to_string()).unwrap();
        Reference::start(&file, what)
    }

    /// Starts the reference with the keys of this file; says loudly why where it cannot.
    pub(crate) fn start(keys: &Path, what: Reads) -> Option<Reference> {
        let reference = Reference::try_start(keys, what);
        reference.inspect_err(|why| not_run(&format!("comparison with tools/secure_log_ref.py: {why}"))).ok()
    }

    fn try_start(keys: &Path, what: Reads) -> Result<Reference, String> {
        let installed = project(".tools/python/bin/python3");
        let python = std::env::var_os("SECURE_LOG_PYTHON")
            .or_else(|| installed.exists().then(|| installed.into_os_string()))
            .unwrap_or_else(|| "python3".into());
        let mut process = Command::new(&python)
            .arg(project("crates/secure-log/tests/support/reference.py"))
            .arg(project("tools"))
            .arg(keys)
            .arg(what.function())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", python.display()))?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("it was piped"));
        let mut reference = Reference { process, input, output };
        match reference.answer() {
            Some(ready) if ready == "ready" => Ok(reference),
            _ => Err(format!(
                "{} has no packages blake3 and cryptography; scripts/setup.sh installs them, or set SECURE_LOG_PYTHON",
                python.display()
            )),
        }
    }

    /// What it says of a chain of files.
    pub(crate) fn verify_chain(&mut self, files: &[&[u8]]) -> Value {
        let each = files.iter().map(|file| [&(file.len() as u32).to_be_bytes(), *file].concat());
        self.ask(&each.collect::<Vec<_>>().concat())
    }

    fn ask(&mut self, file: &[u8]) -> Value {
        let input = self.input.as_mut().expect("it is open until the end");
        input.write_all(&(file.len() as u32).to_be_bytes()).unwrap();
        input.write_all(file).unwrap();
        input.flush().unwrap();
        self.answer().expect("the reference answers every log")
    }

    pub(crate) fn verify(&mut self, log: &[u8]) -> Value {
        let mut answer = self.ask(log);
        if let Some(missing) = answer.get("missing").and_then(Value::as_array).map(Vec::len) {
            answer["missing"] = missing.into();
            // The reference leaves out what it does not know of a log that it could not read.
            let defaults = [
                ("size", json!(0)),
                ("root", json!(secure_log::tree::empty_root().to_hex())),
                ("complete_to", json!(0)),
                ("unknown_signers", json!([])),
            ];
            let fields = answer.as_object_mut().expect("a report is an object");
            fields.remove("origin");
            for (field, value) in defaults {
                fields.entry(field).or_insert(value);
            }
        }
        answer
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
