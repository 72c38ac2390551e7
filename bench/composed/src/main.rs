//! The composed stacks as a part of the benchmark: the same work as the native part, through the WIT, under wasmtime.
//!
//! Called by `secure-log-bench`, which asks for one case after the other.

mod raw;
mod remote;
mod verifier;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use secure_log_bench_shared::entry::{BATCH, ENCODING, EVENT, PRODUCER, STREAM, payload};
use secure_log_bench_shared::{Failure, Part, SEED, Sample, VERIFIED_LOG, serve, timed};

use secure_log_verify::host::encoder::Severity;
use secure_log_verify::host::types::Tier;
use secure_log_verify::host::writer::{BatchResult, HashSuite, NewEntries, SigningRule, StreamRules, Verdict};
use secure_log_verify::host::{Answer, Instance, LogError, Stack, Surroundings};

use raw::Raw;
use remote::Remote;
use verifier::Verifier;

const USAGE: &str = "usage: secure-log-bench-composed STACKS GUESTS ENTRIES SCRATCH";

/// The stacks, and the logs that they made.
struct Composed {
    memory: Stack,
    file: Stack,
    sqlite: Stack,
    /// The file stack with a keystore whose signatures take as long as it is told.
    slow_key: Stack,
    raw: Raw,
    folder: PathBuf,
    batch: NewEntries,
    one: NewEntries,
    remote: Remote,
    verifier: Verifier,
    /// What the last case on the memory store left behind, to be verified.
    in_memory: Option<Instance>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [stacks, guests, entries, folder] = &arguments[..] else { return Err(USAGE.into()) };
    let one = NewEntries {
        stream_id: STREAM.into(),
        event_type: EVENT.into(),
        severity: Severity::Info,
        producer: PRODUCER.into(),
        payload_encoding: ENCODING.into(),
        payloads: vec![payload().into_bytes()],
    };
    serve(Composed {
        memory: load(&stacks.join("secure-log-memory.wasm"))?,
        file: load(&stacks.join("secure-log-file.wasm"))?,
        sqlite: load(&stacks.join("secure-log-sqlite.wasm"))?,
        slow_key: load(&guests.join("slow_key.wasm"))?,
        raw: Raw::load(&guests.join("secure_log_bench_raw.wasm"), &encoded(entries)?)?,
        folder: folder.clone(),
        batch: NewEntries { payloads: vec![payload().into_bytes(); BATCH], ..one.clone() },
        one,
        in_memory: None,
        verifier: Verifier::load(&stacks.join("secure-log-verifier.wasm"))?,
        remote: Remote::new(
            &stacks.join("secure-log-remote.wasm"),
            &guests.join("secure_log_bench_nothing.wasm"),
            folder,
        )?,
    })
}

impl Part for Composed {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        match case {
            "sha256" => {
                let (hashed, seconds) = timed(|| self.raw.hash(entries))?;
                Ok(vec![Sample::new("sha256", "", hashed, seconds)])
            }
            "append-memory" => {
                self.in_memory = None;
                let mut log = self.open(&self.memory, ":memory:")?;
                let (appended, seconds) = timed(|| append(&mut log, &self.batch, entries))?;
                self.in_memory = Some(log);
                Ok(vec![Sample::new("append-batch", "memory", appended, seconds)])
            }
            "append-sealed" => {
                let around = self.surroundings().variable("SECURE_LOG_KEK_LABEL", "kek");
                let mut log = open_with(&self.memory, &around, ":memory:")?;
                let rules = StreamRules {
                    tier: Tier::Protected,
                    suite: HashSuite::Sha256,
                    sign: SigningRule::None,
                    description: None,
                };
                log.create_stream_with(STREAM, &rules)?.map_err(refused)?;
                // The key that wraps is derived from the seed once, which takes as long as thousands of entries and is meant to.
                append_sealed(&mut log, &self.one, 1)?;
                let (appended, seconds) = timed(|| append_sealed(&mut log, &self.batch, entries))?;
                Ok(vec![Sample::new("append-sealed", "memory", appended, seconds)])
            }
            "verify-memory" => verify(self.in_memory.take().ok_or("there is no log in memory")?, "memory"),
            "append-file" => {
                let mut log = self.open(&self.file, &self.fresh("batches.jsonl")?)?;
                let (appended, seconds) = timed(|| append(&mut log, &self.batch, entries))?;
                Ok(vec![Sample::new("append-batch", "file", appended, seconds)])
            }
            "verify-file" => verify(self.open(&self.file, "batches.jsonl")?, "file"),
            "verifier" => match env::var_os(VERIFIED_LOG) {
                Some(log) => self.verifier.verify(Path::new(&log)),
                None => Ok(Vec::new()),
            },
            "slow-key" => {
                let around = self.surroundings().variable("SECURE_LOG_HEAD_EVERY", "100ms");
                let around = around.variable("SECURE_LOG_TEST_SIGNATURE_MS", "5");
                let mut log = open_with(&self.slow_key, &around, &self.fresh("slow.jsonl")?)?;
                let (appended, seconds) = timed(|| append(&mut log, &self.batch, entries))?;
                Ok(vec![Sample::new("append-batch", "slow-key", appended, seconds)])
            }
            "durable" => {
                let mut log = self.open(&self.file, &self.fresh("durable.jsonl")?)?;
                append(&mut log, &self.one, 1)?;
                let (appended, seconds) = timed(|| append(&mut log, &self.one, entries))?;
                Ok(vec![Sample::new("append-durable", "file", appended, seconds)])
            }
            "append-sqlite" => {
                let mut log = self.open(&self.sqlite, &self.fresh("batches.db")?)?;
                let (appended, seconds) = timed(|| append(&mut log, &self.batch, entries))?;
                let mut memory = self.open(&self.sqlite, ":memory:")?;
                let (in_memory, seconds_in_memory) = timed(|| append(&mut memory, &self.batch, entries))?;
                Ok(vec![
                    Sample::new("append-batch", "sqlite", appended, seconds),
                    Sample::new("append-batch", "sqlite-memory", in_memory, seconds_in_memory),
                ])
            }
            "durable-sqlite" => {
                let mut log = self.open(&self.sqlite, &self.fresh("durable.db")?)?;
                append(&mut log, &self.one, 1)?;
                let (appended, seconds) = timed(|| append(&mut log, &self.one, entries))?;
                Ok(vec![Sample::new("append-durable", "sqlite", appended, seconds)])
            }
            "remote" => self.remote(),
            _ => Ok(Vec::new()),
        }
    }
}

impl Composed {
    fn open(&self, stack: &Stack, config: &str) -> Result<Instance, Failure> {
        open_with(stack, &self.surroundings(), config)
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings::default().folder(&self.folder, ".").variable("SECURE_LOG_KEYSTORE_SEED", SEED)
    }

    /// The name of a file that is not there any more, and nothing of it either.
    fn fresh(&self, name: &str) -> Result<String, Failure> {
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            if found.file_name().to_string_lossy().starts_with(name) {
                if found.file_type()?.is_dir() {
                    fs::remove_dir_all(found.path())?;
                } else {
                    fs::remove_file(found.path())?;
                }
            }
        }
        Ok(name.into())
    }
}

fn open_with(stack: &Stack, surroundings: &Surroundings, config: &str) -> Result<Instance, Failure> {
    let mut log = stack.instantiate(surroundings)?;
    log.open(config)?.map_err(refused)?;
    Ok(log)
}

fn load(file: &Path) -> Result<Stack, Failure> {
    Stack::load(file).map_err(|error| format!("{}: {error:#}", file.display()).into())
}

/// Appends the batch until the log has got at least so many entries more.
fn append(log: &mut Instance, batch: &NewEntries, entries: u64) -> Result<u64, Failure> {
    append_by(log, Instance::append_batch, batch, entries)
}

/// The same, sealed.
fn append_sealed(log: &mut Instance, batch: &NewEntries, entries: u64) -> Result<u64, Failure> {
    append_by(log, Instance::append_sealed_batch, batch, entries)
}

fn append_by(
    log: &mut Instance,
    append: impl Fn(&mut Instance, &[NewEntries]) -> wasmtime::Result<Answer<BatchResult>>,
    batch: &NewEntries,
    entries: u64,
) -> Result<u64, Failure> {
    let mut appended = 0;
    while appended < entries {
        appended += append(log, slice::from_ref(batch))?.map_err(refused)?.entries.len() as u64;
    }
    Ok(appended)
}

/// A benchmark of a verification that fails measures something else.
fn verify(mut log: Instance, store: &str) -> Result<Vec<Sample>, Failure> {
    let (report, seconds) = timed(|| log.verify_log()?.map_err(refused))?;
    match report.verdict {
        Verdict::Valid if report.complete_to == report.size => {
            Ok(vec![Sample::new("verify", store, report.entries, seconds)])
        }
        _ => Err(format!("the log does not verify: {report:?}").into()),
    }
}

fn refused(error: LogError) -> Failure {
    format!("the log says {error:?}").into()
}

/// Reads the encoded entries, one a line in hex.
fn encoded(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    Ok(fs::read_to_string(path)?.lines().map(const_hex::decode).collect::<Result<_, _>>()?)
}
