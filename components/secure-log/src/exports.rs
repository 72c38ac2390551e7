//! The exported functions: convert, forward, convert back.

use std::cell::RefCell;

use secure_log::engine::{
    Absent, Appended, Collected, CommitInfo, LogOptions, MAX_PAGE, NewEntry, SecureLog, Unattested,
};
use secure_log::entry::StreamRules;
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::index::IndexKey;
use secure_log::limits::{Invalid, Problem};
use secure_log::note::Note;
use secure_log_guest::ImportedStore;

use crate::bindings::exports::secure_log::log::{checkpoint, encoder, log, types, writer};
use crate::{config, convert, providers};

/// What `log.append` names the payload, which says nothing of it.
const PLAIN_BYTES: &str = "application/octet-stream";

/// The exports.
pub(crate) struct Component;

pub(crate) type Log = SecureLog<ImportedStore>;

thread_local! {
    /// The open log. A component has one, and one thread.
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// What the caller chooses, before the environment is asked.
pub(crate) fn chosen(absent: Absent) -> LogOptions {
    LogOptions { absent, ..LogOptions::default() }
}

pub(crate) fn open(config: &str, chosen: LogOptions) -> Result<(), types::LogError> {
    LOG.with_borrow_mut(|slot| {
        if slot.is_some() {
            return Err(types::LogError::AlreadyOpen);
        }
        *slot = Some(open_log(config, chosen).map_err(|error| convert::open_error(error, config))?);
        Ok(())
    })
}

fn open_log(config: &str, chosen: LogOptions) -> Result<Log, LogError> {
    if config.is_empty() {
        return Err(Invalid { field: "config", problem: Problem::Empty }.into());
    }
    let options = config::options(chosen)?;
    let store = ImportedStore::open(config)?;
    SecureLog::open(store, providers::imported(), options)
}

pub(crate) fn with<T>(work: impl FnOnce(&mut Log) -> Result<T, LogError>) -> Result<T, types::LogError> {
    LOG.with_borrow_mut(|slot| match slot {
        Some(log) => work(log).map_err(convert::error),
        None => Err(types::LogError::NotOpen),
    })
}

/// Whether a log is open.
pub(crate) fn is_open() -> bool {
    LOG.with_borrow(Option::is_some)
}

impl encoder::Guest for Component {
    fn encode_entry(fields: encoder::EntryFields) -> Vec<u8> {
        convert::encode_entry(&fields)
    }

    fn encode_checkpoint(fields: encoder::CheckpointFields) -> Vec<u8> {
        convert::encode_checkpoint(&fields)
    }

    fn name() -> String {
        "secure-log/cbor-v1".into()
    }
}

impl log::Guest for Component {
    fn open(config: String) -> Result<(), types::LogError> {
        open(&config, chosen(Absent::Make))
    }

    fn append(
        stream_id: String,
        event_type: String,
        severity: encoder::Severity,
        producer: String,
        payload: Vec<u8>,
    ) -> Result<log::AppendResult, types::LogError> {
        Self::append_with_encoding(stream_id, event_type, severity, producer, payload, PLAIN_BYTES.into())
    }

    fn append_with_encoding(
        stream_id: String,
        event_type: String,
        severity: encoder::Severity,
        producer: String,
        payload: Vec<u8>,
        payload_encoding: String,
    ) -> Result<log::AppendResult, types::LogError> {
        let entry = NewEntry {
            stream: &stream_id,
            event: &event_type,
            severity: convert::severity(severity),
            producer: &producer,
            encoding: &payload_encoding,
            payload: &payload,
        };
        with(|log| log.append(&entry)).map(|(appended, _)| convert::appended(&appended))
    }

    fn read(seqno: u64) -> Result<encoder::EntryFields, types::LogError> {
        convert::entry(with(|log| log.read(seqno))?)
    }

    fn head(stream_id: String) -> Result<Option<u64>, types::LogError> {
        with(|log| log.head(&stream_id))
    }

    fn verify_chain(stream_id: String, from_seqno: u64, to_seqno: u64) -> Result<(), types::LogError> {
        with(|log| log.verify_chain(&stream_id, from_seqno, to_seqno))
    }

    fn close_segment(stream_id: String) -> Result<log::SegmentInfo, types::LogError> {
        with(|log| log.close_segment(&stream_id)).map(|(segment, _)| convert::segment(segment))
    }

    fn list_segments(stream_id: String) -> Result<Vec<log::SegmentInfo>, types::LogError> {
        with(|log| {
            let mut all = Vec::new();
            loop {
                let after = all.last().map_or(0, |segment: &log::SegmentInfo| segment.segment_id);
                let page = log.segments(&stream_id, after, MAX_PAGE)?;
                if page.is_empty() {
                    return Ok(all);
                }
                all.extend(page.into_iter().map(convert::segment));
            }
        })
    }

    fn read_segment(id: u64) -> Result<log::SegmentInfo, types::LogError> {
        with(|log| log.segment(id)).map(convert::segment)
    }

    fn build_inclusion_proof(seqno: u64) -> Result<log::InclusionProof, types::LogError> {
        with(|log| log.prove_in_segment(seqno)).map(|proof| convert::proof_out(&proof))
    }

    fn verify_inclusion_proof(proof: log::InclusionProof, expected_root: Vec<u8>) -> Result<(), types::LogError> {
        // Asked before the arguments are judged, so that a log that is not open says so.
        with(|_| Ok(()))?;
        let root = convert::hash("expected-root", &expected_root)?;
        let proof = convert::proof(&proof)?;
        with(|log| log.verify_in_segment(&proof, &root))
    }

    fn create_stream(stream_id: String, tier: types::Tier, description: Option<String>) -> Result<(), types::LogError> {
        let rules = StreamRules { tier: convert::tier(tier), description, ..StreamRules::default() };
        with(|log| log.create_stream(&stream_id, &rules)).map(|_| ())
    }

    fn list_streams() -> Result<Vec<log::StreamInfo>, types::LogError> {
        with(|log| {
            let (mut all, mut after) = (Vec::new(), 0);
            loop {
                let page = log.streams(after, MAX_PAGE)?;
                let Some(last) = page.last() else { return Ok(all) };
                after = last.number;
                all.extend(page.into_iter().map(|stream| convert::stream(stream.row)));
            }
        })
    }

    fn deprecate_stream(stream_id: String) -> Result<(), types::LogError> {
        with(|log| log.deprecate_stream(&stream_id)).map(|_| ())
    }
}

impl checkpoint::Guest for Component {
    fn sign_segment(identity: String, segment_id: u64) -> Result<(Vec<u8>, Vec<u8>), types::LogError> {
        with(|log| log.sign_segment(&identity, segment_id)).map(|row| (row.sig, row.key))
    }

    fn verify_segment_signature(segment_id: u64) -> Result<Vec<u8>, types::LogError> {
        with(|log| log.verify_segment(segment_id)).map(|row| row.key)
    }

    fn verify_checkpoint_chain(stream_id: String) -> Result<u32, types::LogError> {
        let signed = with(|log| log.verify_checkpoints(&stream_id))?;
        u32::try_from(signed)
            .map_err(|_| types::LogError::Encoding(format!("{signed} segments are more than a u32 holds")))
    }

    fn verify_entry_signatures(stream_id: String) -> Result<u64, types::LogError> {
        with(|log| log.verify_entry_signatures(&stream_id))
    }
}

impl writer::Guest for Component {
    fn append_batch(batch: Vec<writer::NewEntries>) -> Result<writer::BatchResult, types::LogError> {
        append_all(&batch, Log::append_batch)
    }

    fn append_signed_batch(batch: Vec<writer::NewEntries>) -> Result<writer::BatchResult, types::LogError> {
        append_all(&batch, Log::append_signed_batch)
    }

    fn create_stream_with(
        stream_id: String,
        rules: writer::StreamRules,
    ) -> Result<writer::CommitInfo, types::LogError> {
        with(|log| {
            let rules = StreamRules {
                tier: convert::tier(rules.tier),
                suite: suite(log, rules.suite)?,
                sign: convert::signing_rule(rules.sign),
                description: rules.description,
            };
            log.create_stream(&stream_id, &rules)
        })
        .map(|info| convert::commit_info(&info))
    }

    fn change_suite(stream_id: String, to: writer::HashSuite) -> Result<writer::CommitInfo, types::LogError> {
        with(|log| {
            let suite = suite(log, to)?;
            log.change_suite(&stream_id, suite)
        })
        .map(|info| convert::commit_info(&info))
    }

    fn set_ids(session_id: String, boot_id: String) -> Result<(), types::LogError> {
        with(|log| log.set_ids(&session_id, &boot_id))
    }

    fn last_hash(stream_id: String) -> Result<Option<Vec<u8>>, types::LogError> {
        with(|log| log.last_hash(&stream_id)).map(|hash| hash.map(|hash| hash.0.to_vec()))
    }

    fn list_streams_page(after: u64, limit: u32) -> Result<writer::StreamPage, types::LogError> {
        let page = with(|log| log.streams(after, limit))?;
        // A full page may be the last one: the next is then empty, and has no next.
        let full = page.len() as u64 >= u64::from(limit.min(MAX_PAGE));
        Ok(writer::StreamPage {
            next: page.last().filter(|_| full).map(|last| last.number),
            streams: page.into_iter().map(|stream| convert::stream(stream.row)).collect(),
        })
    }

    fn describe_streams(after: u64, limit: u32) -> Result<Vec<writer::StreamDescription>, types::LogError> {
        let page = with(|log| log.streams(after, limit))?;
        Ok(page.into_iter().map(|stream| convert::stream_description(stream.number, stream.row)).collect())
    }

    fn describe_stream(stream_id: String) -> Result<writer::StreamDescription, types::LogError> {
        with(|log| log.stream(&stream_id)).map(|row| convert::stream_description(0, row))
    }

    fn read_page(
        stream_id: Option<String>,
        from_seqno: u64,
        to_seqno: u64,
        limit: u32,
    ) -> Result<Vec<encoder::EntryFields>, types::LogError> {
        let page = with(|log| log.read_page(stream_id.as_deref(), from_seqno, to_seqno, limit))?;
        page.into_iter().map(convert::entry).collect()
    }

    fn read_indexed(
        key: Vec<u8>,
        from_seqno: u64,
        to_seqno: u64,
        limit: u32,
    ) -> Result<Vec<encoder::EntryFields>, types::LogError> {
        let Ok(key) = key.try_into() else {
            return Err(types::LogError::Invalid("a key of the index has 16 bytes".into()));
        };
        let page = with(|log| log.read_indexed(IndexKey(key), from_seqno, to_seqno, limit))?;
        page.into_iter().map(convert::entry).collect()
    }

    fn reindex() -> Result<(), types::LogError> {
        with(|log| log.reindex())
    }

    fn sign_head() -> Result<String, types::LogError> {
        with(|log| {
            let head = log.sign_head()?;
            Ok(Note::of_head(&log.status().log.origin, &head).to_string())
        })
    }

    fn rotate_key(label: String) -> Result<writer::KeyRotation, types::LogError> {
        with(|log| log.rotate_key(&label)).map(|(rotated, info)| convert::key_rotation(&rotated, &info))
    }

    fn verify_log() -> Result<writer::Report, types::LogError> {
        with(|log| log.verify_log()).map(convert::report)
    }

    fn open_existing(config: String) -> Result<(), types::LogError> {
        open(&config, chosen(Absent::Refuse))
    }

    fn recover(config: String, choice: writer::UnattestedChoice) -> Result<(), types::LogError> {
        let mut chosen = chosen(Absent::Refuse);
        match choice {
            writer::UnattestedChoice::Adopt => chosen.unattested = Unattested::Adopt,
            writer::UnattestedChoice::SetAside => chosen.unattested = Unattested::SetAside,
            writer::UnattestedChoice::Reanchor => chosen.reanchor = true,
        }
        open(&config, chosen)
    }

    fn status() -> Result<writer::LogStatus, types::LogError> {
        with(|log| Ok(convert::status(log.status())))
    }

    fn witness_rows(below: Option<u64>, limit: u32) -> Result<Vec<writer::WitnessRow>, types::LogError> {
        let rows = with(|log| log.witness_rows(below, limit))?;
        Ok(rows.into_iter().map(convert::witness_row).collect())
    }

    fn collect_witness_rows(below: u64) -> Result<writer::Collected, types::LogError> {
        let Collected { rows, sizes, more } = with(|log| log.collect_witness_rows(below))?;
        Ok(writer::Collected { rows, sizes, more })
    }

    fn submissions(segment_id: u64) -> Result<Vec<String>, types::LogError> {
        let submissions = with(|log| log.submissions(segment_id))?;
        Ok(submissions.iter().map(ToString::to_string).collect())
    }
}

/// Appends a batch in one of the ways that there are.
pub(crate) fn append_all(
    batch: &[writer::NewEntries],
    append: impl FnOnce(&mut Log, &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError>,
) -> Result<writer::BatchResult, types::LogError> {
    let entries: Vec<NewEntry<'_>> = batch.iter().flat_map(convert::new_entries).collect();
    let (appended, info) = with(|log| append(log, &entries))?;
    Ok(writer::BatchResult {
        entries: appended.iter().map(convert::appended).collect(),
        commit: convert::commit_info(&info),
    })
}

fn suite(log: &Log, suite: writer::HashSuite) -> Result<Suite, LogError> {
    match suite {
        writer::HashSuite::Sha256 => Ok(Suite::Sha256),
        writer::HashSuite::Blake3 => Ok(Suite::Blake3),
        writer::HashSuite::HmacSha256 => log.mac_suite(),
    }
}
