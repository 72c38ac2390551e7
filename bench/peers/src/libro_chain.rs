//! libro 0.92, which chains entries by their hashes.
//!
//! It is asked for the nearest to the same work. Entries are neither leaves of a tree nor under a signed head there. Its
//! file store opens, locks and writes the file for each entry and never syncs it; its SQLite store makes each entry
//! durable in a transaction of its own, at SQLite's defaults. Neither takes batches. A signature is no part of an entry there: it
//! is made of an entry and kept by the caller.

use std::fs;
use std::io;
use std::path::PathBuf;

use libro::signing::{EntrySignature, SigningKey};
use libro::store::AuditStore;
use libro::{AuditChain, EventSeverity, FileStore, SqliteStore};
use secure_log_bench_shared::entry::{BATCH, EVENT, PRODUCER, payload};
use secure_log_bench_shared::{Failure, Part, Sample, timed};
use serde_json::{Value, json};

pub(crate) struct LibroChain {
    folder: PathBuf,
    details: Value,
    key: SigningKey,
    /// What the last case left behind, to be verified.
    chain: AuditChain,
}

impl Part for LibroChain {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        match case {
            "append-memory" => {
                self.chain = AuditChain::new();
                let details = self.details.clone();
                let seconds = self.append_batches(&details, entries)?;
                Ok(vec![Sample::new("append-batch", "memory", self.chain.len() as u64, seconds)])
            }
            "append-events" => {
                self.chain = AuditChain::new();
                // What an event says besides what libro's own fields do.
                let details = json!({
                    "arguments": { "sha-256": "294d4e3b12f49c2f0a1b16043c728353da76fd3a598b14c8d69653ef0ec962cb" },
                    "authorization": "not-required", "category": "activity", "outcome": "success",
                    "server": "files", "tool": "read_text",
                });
                let seconds = self.append_batches(&details, entries)?;
                Ok(vec![Sample::new("append-events", "memory", self.chain.len() as u64, seconds)])
            }
            "signed-entries" => {
                self.chain = AuditChain::new();
                let details = self.details.clone();
                let appending = self.append_batches(&details, entries)?;
                let (signatures, signing) = timed(|| Ok::<_, Failure>(self.sign_all()))?;
                let ((), verifying) = timed(|| self.verify_all(&signatures))?;
                let sample = |name, seconds| Sample::new(name, "memory", self.chain.len() as u64, seconds);
                Ok(vec![
                    sample("append-signed-entries", appending + signing),
                    sample("verify-signed-entries", verifying),
                ])
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

impl LibroChain {
    pub(crate) fn new(folder: PathBuf) -> LibroChain {
        LibroChain {
            folder,
            details: json!({ "text": payload() }),
            key: SigningKey::from_bytes(&[7; 32]),
            chain: AuditChain::new(),
        }
    }

    /// Appends batches to the chain, and answers how many seconds it took.
    fn append_batches(&mut self, details: &Value, entries: u64) -> Result<f64, Failure> {
        let append = || {
            while (self.chain.len() as u64) < entries {
                let batch = (0..BATCH).map(|_| (EventSeverity::Info, PRODUCER.into(), EVENT.into(), details.clone()));
                self.chain.append_batch(batch);
            }
            Ok::<_, Failure>(())
        };
        Ok(timed(append)?.1)
    }

    fn sign_all(&self) -> Vec<EntrySignature> {
        self.chain.entries().iter().map(|entry| self.key.sign(entry)).collect()
    }

    fn verify_all(&self, signatures: &[EntrySignature]) -> Result<(), Failure> {
        self.chain.verify()?;
        let key = self.key.verifying_key();
        let mut signed = self.chain.entries().iter().zip(signatures);
        let all = signed.all(|(entry, signature)| signature.verify(entry, &key));
        if all && signatures.len() == self.chain.len() { Ok(()) } else { Err("a signature does not verify".into()) }
    }

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
