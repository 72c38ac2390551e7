//! What the parts of the benchmark have in common: the work, and how it is asked for.
//!
//! A part is a process that is asked for one case after the other, a line each, and answers a line for each figure. So the
//! parts take turns, and a disturbance of the machine hits all of them alike.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// What every entry says.
pub mod entry {
    /// Its stream.
    pub const STREAM: &str = "auth";
    /// What happened.
    pub const EVENT: &str = "user.login";
    /// Who reports it.
    pub const PRODUCER: &str = "authd";
    /// What the payload is.
    pub const ENCODING: &str = "text";
    /// Entries of a batch.
    pub const BATCH: usize = 1000;

    /// 256 bytes of text.
    pub fn payload() -> String {
        let mut text = "session opened for user alice by (uid=0) from 192.0.2.7 port 50122 ssh2; ".repeat(4);
        text.truncate(256);
        text
    }
}

/// What is signed where a signature alone is measured.
pub mod signing {
    /// The name of the case and of its row.
    pub const ROW: &str = "sign";
    /// The label of the key.
    pub const LABEL: &str = "checkpoint-ed25519";
    /// As long as a head.
    pub const MESSAGE: [u8; 120] = [0x5a; 120];
}

/// The seed of the key that signs heads, in hex.
pub const SEED: &str = "5ec0de1065ec0de1065ec0de1065ec0de1065ec0de1065ec0de1065ec0de1065";

/// The variable that says where the log is that every host of the verifier verifies; the policy stands beside it.
pub const VERIFIED_LOG: &str = "SECURE_LOG_BENCH_LOG";

/// Why a part gave up.
pub type Failure = Box<dyn Error>;

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What was done, such as `append-batch`.
    pub name: String,
    /// What it was done on, such as `file`.
    pub store: String,
    /// How often.
    pub entries: u64,
    /// How long all of it took.
    pub seconds: f64,
}

impl Sample {
    /// A measurement.
    pub fn new(name: impl Into<String>, store: impl Into<String>, entries: u64, seconds: f64) -> Sample {
        Sample { name: name.into(), store: store.into(), entries, seconds }
    }
}

/// Whoever can be asked to measure.
pub trait Part {
    /// Does the work of a case with about so many entries. No sample when it does not offer the case.
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure>;
}

/// What `work` answers, and how many seconds it took.
pub fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, f64), E> {
    let start = Instant::now();
    let done = work()?;
    Ok((done, start.elapsed().as_secs_f64()))
}

/// Answers what comes on standard input, until it ends.
pub fn serve(mut part: impl Part) -> Result<(), Failure> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (case, entries) = line.split_once(' ').ok_or("a request is a case and a number")?;
        for sample in part.run(case, entries.parse()?)? {
            println!("{}\t{}\t{}\t{}", sample.name, sample.store, sample.entries, sample.seconds);
        }
        println!();
        io::stdout().flush()?;
    }
    Ok(())
}

/// A part in another process.
pub struct Process {
    // Kept so that it is not left behind unwaited for.
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Process, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{:?} does not start: {error}", command.get_program()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        Ok(Process { child, requests, answers })
    }
}

impl Part for Process {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        let requests = self.requests.as_mut().ok_or("it has no input")?;
        writeln!(requests, "{case} {entries}")?;
        requests.flush()?;
        let mut samples = Vec::new();
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(format!("a part of the benchmark gave up on {case}").into());
            }
            let line = line.trim_end_matches('\n');
            if line.is_empty() {
                return Ok(samples);
            }
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, store, entries, seconds] = fields[..] else {
                return Err(format!("a part of the benchmark says {line:?}").into());
            };
            samples.push(Sample::new(name, store, entries.parse()?, seconds.parse()?));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends when its input does.
        self.requests = None;
        let _ = self.child.wait();
    }
}
