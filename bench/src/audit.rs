//! The native cases of the audit profile: typed events, and entries that are signed one by one.

use std::fs::File;
use std::num::NonZeroUsize;

use secure_log::engine::{LogOptions, NewEntry, Providers, SecureLog};
use secure_log::entry::entry_message;
use secure_log::hash::Hash;
use secure_log::memory::MemoryStore;
use secure_log::providers::Keystore;
use secure_log::sign::PublicKey;
use secure_log::store::SecureLogStore;
use secure_log::system::SystemRandom;
use secure_log::verify::{Signer, Trust, verify_jsonl_on};
use secure_log_audit::{Action, AuditLog, Authorization, Concealed, Event, EventId, Principal, Profile, Session};
use secure_log_bench_shared::entry::{BATCH, STREAM};
use secure_log_bench_shared::signing::LABEL;
use secure_log_bench_shared::{Failure, Sample, timed};
use secure_log_file::FileStore;

use crate::native::{Native, append, open, software_keys, valid};

/// What plain entries say that they are.
const ALIKE: &str = "application/octet-stream";

impl Native {
    /// Typed events in batches, and beside them entries of the same bytes that nobody had to make.
    pub fn append_events(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let events = events()?;
        let mut samples = append_events(MemoryStore::new(), "memory", &events, entries)?;
        samples.extend(append_alike(MemoryStore::new(), "memory", &events, entries)?);
        samples.extend(append_events(FileStore::open(self.fresh("events.jsonl")?)?, "file", &events, entries)?);
        samples.extend(append_alike(FileStore::open(self.fresh("alike.jsonl")?)?, "file", &events, entries)?);
        Ok(samples)
    }

    /// Entries that are signed one by one, and as many signatures alone; and all of it verified.
    pub fn signed_entries(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let signer = software_keys()?.signer(LABEL)?;
        let messages: Vec<_> = (0..entries).map(|n| entry_message(&Hash::sha256(&n.to_be_bytes()))).collect();
        let sign_all = || messages.iter().map(|message| signer.sign(message)).collect::<Result<Vec<_>, _>>();
        let (signatures, seconds) = timed(sign_all)?;
        let mut samples = vec![Sample::new("sign-entries", "", entries, seconds)];
        let key = PublicKey::new(signer.algorithm(), signer.public_key())?;
        let check_all =
            || messages.iter().zip(&signatures).try_for_each(|(message, signature)| key.verify(message, signature));
        let ((), seconds) = timed(check_all)?;
        samples.push(Sample::new("verify-one-by-one", "", entries, seconds));

        let (mut log, sample) = self.sign_batches(MemoryStore::new(), "memory", entries)?;
        samples.push(sample);
        let path = self.fresh("signed.jsonl")?;
        let (on_disk, sample) = self.sign_batches(FileStore::open(&path)?, "file", entries)?;
        samples.push(sample);

        let mut trust = Trust::new();
        trust.add_signer(Signer::new(LABEL, signer.algorithm(), signer.public_key(), 1..=u64::MAX)?);
        trust.add_log_key(on_disk.status().head_key.ok_or("the log has no key")?.parse()?);
        for (kept, on_file, threads) in [("memory", "file", 1), ("memory-two-cores", "file-two-cores", 2)] {
            let threads = NonZeroUsize::new(threads).expect("one at least");
            let stored = timed(|| log.verify_log_on(threads))?;
            let of_file = timed(|| verify_jsonl_on(threads, File::open(&path)?, &trust, |_| {}))?;
            for (kept, (report, seconds)) in [(kept, stored), (on_file, of_file)] {
                let verified = all_signed(valid(&report)?, report.signatures)?;
                samples.push(Sample::new("verify-signed-entries", kept, verified, seconds));
            }
        }
        Ok(samples)
    }

    fn sign_batches<S: SecureLogStore>(
        &self,
        store: S,
        kept: &'static str,
        entries: u64,
    ) -> Result<(SecureLog<S>, Sample), Failure> {
        let mut log = open(store)?;
        let batch = self.batch();
        // The key is tried out and the stream made once.
        log.append(&batch[0])?;
        let (appended, seconds) = timed(|| {
            let mut appended = 0;
            while appended < entries {
                appended += log.append_signed_batch(&batch)?.0.len() as u64;
            }
            Ok::<_, Failure>(appended)
        })?;
        Ok((log, Sample::new("append-signed-entries", kept, appended, seconds)))
    }
}

/// All entries but the first are signed. A verification that passed signatures over measures something else.
fn all_signed(entries: u64, signatures: u64) -> Result<u64, Failure> {
    if signatures + 1 == entries {
        Ok(entries)
    } else {
        Err(format!("{signatures} signatures of {entries} entries were checked").into())
    }
}

/// A batch of calls of tools, as an agent runtime records them.
pub fn events() -> Result<Vec<Event>, Failure> {
    let mut random = SystemRandom;
    let event = |number: usize| -> Result<Event, Failure> {
        let action = Action::McpToolCall {
            server: "files".into(),
            tool: "read_text".into(),
            arguments: Some(Concealed::sha256(&number.to_be_bytes())),
            result: None,
        };
        let id = EventId::random(&mut random)?;
        Ok(Event::new(id, Principal::agent("agent-7"), Authorization::NotRequired, action))
    };
    (0..BATCH).map(event).collect()
}

fn session<S: SecureLogStore>(store: S) -> Result<Session<S>, Failure> {
    let audit = AuditLog::open(store, Providers::system(software_keys()?), LogOptions::default(), Profile::default())?;
    Ok(audit.session(STREAM)?)
}

fn append_events<S: SecureLogStore>(
    store: S,
    kept: &'static str,
    events: &[Event],
    entries: u64,
) -> Result<Vec<Sample>, Failure> {
    let session = session(store)?;
    let (recorded, seconds) = timed(|| {
        let mut recorded = 0;
        while recorded < entries {
            recorded += session.record_batch(events)?.len() as u64;
        }
        Ok::<_, Failure>(recorded)
    })?;
    Ok(vec![Sample::new("append-events", kept, recorded, seconds)])
}

/// The same entries as those of the events, but of an encoding that the engine keeps no index of: its name is as long.
fn append_alike<S: SecureLogStore>(
    store: S,
    kept: &'static str,
    events: &[Event],
    entries: u64,
) -> Result<Vec<Sample>, Failure> {
    let made: Vec<_> =
        events.iter().map(|event| Ok((event.event_type(), event.encode()?))).collect::<Result<_, Failure>>()?;
    let stream = format!("session/{STREAM}");
    let entry = |(event, payload), severity| NewEntry {
        stream: &stream,
        event,
        severity,
        producer: "secure-log-audit",
        encoding: ALIKE,
        payload,
    };
    let batch: Vec<NewEntry<'_>> = made
        .iter()
        .zip(events)
        .map(|((event_type, payload), event)| entry((event_type.as_str(), payload.as_slice()), event.severity()))
        .collect();
    let mut log = open(store)?;
    let (appended, seconds) = timed(|| append(&mut log, &batch, entries))?;
    Ok(vec![Sample::new("append-alike", kept, appended, seconds)])
}
