//! Other libraries as a part of the benchmark: libro 0.92, which chains entries by their hashes.
//!
//! It is asked for the nearest to the same work. Entries are neither leaves of a tree nor under a signed head there. Its
//! file store opens, locks and writes the file for each entry and never syncs it; its SQLite store makes each entry
//! durable in a transaction of its own, at SQLite's defaults. Neither takes batches.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use libro::store::AuditStore;
use libro::{AuditChain, EventSeverity, FileStore, SqliteStore};
use secure_log_bench_shared::entry::{BATCH, EVENT, PRODUCER, payload};
use secure_log_bench_shared::{Failure, Part, Sample, serve, timed};
use serde_json::{Value, json};

struct Libro {
    folder: PathBuf,
    details: Value,
    /// What the last case left behind, to be verified.
    chain: AuditChain,
}

fn main() -> Result<(), Failure> {
    let folder = env::args_os().nth(1).ok_or("usage: secure-log-bench-peers SCRATCH")?;
    serve(Libro { folder: folder.into(), details: json!({ "text": payload() }), chain: AuditChain::new() })
}

impl Part for Libro {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        match case {
            "append-memory" => {
                self.chain = AuditChain::new();
                let ((), seconds) = timed(|| {
                    while (self.chain.len() as u64) < entries {
                        let batch = (0..BATCH)
                            .map(|_| (EventSeverity::Info, PRODUCER.into(), EVENT.into(), self.details.clone()));
                        self.chain.append_batch(batch);
                    }
                    Ok::<_, Failure>(())
                })?;
                Ok(vec![Sample::new("append-batch", "memory", self.chain.len() as u64, seconds)])
            }
            "verify-memory" => {
                let ((), seconds) = timed(|| self.chain.verify())?;
                Ok(vec![Sample::new("verify", "memory", self.chain.len() as u64, seconds)])
            }
            "append-file" => {
                let seconds = self.append(&mut FileStore::open(self.fresh("batches.jsonl")?)?, entries)?;
                Ok(vec![Sample::new("append-unsynced", "file", entries, seconds)])
            }
            "verify-file" => {
                let store = FileStore::open(self.folder.join("batches.jsonl"))?;
                let (read, seconds) = timed(|| store.load_and_verify())?;
                Ok(vec![Sample::new("verify", "file", read.len() as u64, seconds)])
            }
            "durable" => {
                let seconds = self.append(&mut SqliteStore::open(self.fresh("durable.sqlite")?)?, entries)?;
                Ok(vec![Sample::new("append-durable", "sqlite", entries, seconds)])
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Libro {
    /// Appends one entry after the other to a chain and to the store that keeps it.
    fn append(&self, store: &mut impl AuditStore, entries: u64) -> Result<f64, Failure> {
        let mut chain = AuditChain::new();
        let append = || {
            (0..entries).try_for_each(|_| {
                store.append(chain.append(EventSeverity::Info, PRODUCER, EVENT, self.details.clone()))
            })
        };
        Ok(timed(append)?.1)
    }

    /// The path of a file that is not there any more.
    fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(path),
        }
    }
}
