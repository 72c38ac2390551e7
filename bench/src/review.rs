//! Reviews of a long log, and as many verifications of it: in turn, so that both see the same machine.

use std::fs;
use std::num::NonZeroUsize;

use secure_log::engine::{LogOptions, NewEntry, Providers, SecureLog};
use secure_log::entry::Severity;
use secure_log::memory::MemoryStore;
use secure_log::store::SecureLogStore;
use secure_log_audit::{AuditLog, Profile};
use secure_log_bench_shared::entry::{BATCH, STREAM};
use secure_log_bench_shared::{Failure, Sample, timed};
use secure_log_file::FileStore;

use crate::audit::events;
use crate::native::{Native, append, open, software_keys, valid};

/// How often each is measured: the middle one of the ratios counts.
const TURNS: usize = 5;
/// Names of a kind in a log of many producers: more than are remembered from the entry before.
const NAMES: usize = 40;

impl Native {
    /// A long log with entries all alike, on both stores; one of many producers and streams; and one of typed events.
    pub fn review(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut log = open(MemoryStore::new())?;
        append(&mut log, &self.batch(), entries)?;
        let mut samples = in_turn(&mut log, "memory", 1)?;
        samples.extend(in_turn(&mut log, "memory-two-cores", 2)?);
        drop(log);
        let path = self.fresh("review.jsonl")?;
        let mut log = open(FileStore::open(&path)?)?;
        append(&mut log, &self.batch(), entries)?;
        samples.extend(in_turn(&mut log, "file", 1)?);
        samples.extend(in_turn(&mut log, "file-two-cores", 2)?);
        drop(log);
        fs::remove_file(path)?;
        samples.extend(self.review_mixed(entries)?);
        samples.extend(review_events(entries)?);
        Ok(samples)
    }

    fn review_mixed(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let names: Vec<[String; 3]> = (0..NAMES)
            .map(|n| [format!("stream-{n}"), format!("service-{n}"), format!("event.{n}.happened")])
            .collect();
        let entry = |n: usize| {
            // Steps that have no divisor in common with the number of names, so that neighbours differ in all of them.
            let [stream, ..] = &names[n * 7 % NAMES];
            let ([_, producer, _], [.., event]) = (&names[n * 11 % NAMES], &names[n * 13 % NAMES]);
            NewEntry { stream, producer, event, severity: Severity::ALL[n % 8], ..self.entry() }
        };
        let batch: Vec<NewEntry<'_>> = (0..BATCH).map(entry).collect();
        let mut log = open(MemoryStore::new())?;
        append(&mut log, &batch, entries)?;
        in_turn(&mut log, "mixed", 1)
    }
}

fn review_events(entries: u64) -> Result<Vec<Sample>, Failure> {
    let providers = Providers::system(software_keys()?);
    let audit = AuditLog::open(MemoryStore::new(), providers, LogOptions::default(), Profile::default())?;
    let (session, events) = (audit.session(STREAM)?, events()?);
    let mut recorded = 0;
    while recorded < entries {
        recorded += session.record_batch(&events)?.len() as u64;
    }
    in_turn(&mut audit.log().lock(), "events", 1)
}

fn in_turn<S: SecureLogStore>(log: &mut SecureLog<S>, kept: &str, threads: usize) -> Result<Vec<Sample>, Failure> {
    let threads = NonZeroUsize::new(threads).ok_or("no thread")?;
    let mut samples = Vec::new();
    for _ in 0..TURNS {
        let (report, seconds) = timed(|| log.verify_log_on(threads))?;
        samples.push(Sample::new("verify-long", kept, valid(&report)?, seconds));
        let (review, seconds) = timed(|| log.review_on(None, threads))?;
        // A review that passed entries over measures something else.
        if review.totals.entries != valid(&review.report)? {
            return Err(format!("{:?} were counted of {} entries", review.totals, review.report.entries).into());
        }
        samples.push(Sample::new("review", kept, review.totals.entries, seconds));
    }
    Ok(samples)
}
