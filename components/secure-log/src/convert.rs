//! Types and errors between the engine and the exported interfaces, one function a direction.

use secure_log::engine::{Appended, CommitInfo, LogStatus, NewEntry, RotatedKey, SegmentProof, SignedSegment};
use secure_log::entry::{CheckpointRef, Entry, EntryRef, Severity, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::limits::{Invalid, Problem};
use secure_log::providers::KeyError;
use secure_log::record::{StreamRow, WitnessRow};
use secure_log::store::{NumberedWitness, StoreError};
use secure_log::verify::{Finding, Missing, Report, Verdict};

use crate::bindings::exports::secure_log::log::{encoder, log, types, writer};

/// Why a log was not opened: only the caller knows what was looked under.
pub(crate) fn open_error(error: LogError, config: &str) -> types::LogError {
    match error {
        LogError::LogNotFound { .. } => types::LogError::LogNotFound(without_password(config).into()),
        other => self::error(other),
    }
}

/// What was looked under, if it is a path: a connection string may hold a password, in more than one place.
fn without_password(config: &str) -> &str {
    let may_hold_one = config.contains("://") || config.to_ascii_lowercase().contains("password");
    if may_hold_one { "(a connection string)" } else { config }
}

pub(crate) fn error(error: LogError) -> types::LogError {
    use types::LogError as Wire;
    match error {
        LogError::EntryNotFound(seqno) => Wire::EntryNotFound(seqno),
        LogError::StreamNotFound(name) => Wire::StreamNotFound(name),
        LogError::StreamExists(name) => Wire::StreamExists(name),
        LogError::StreamDeprecated(name) => Wire::StreamDeprecated(name),
        LogError::LogClosed { size } => Wire::LogClosed(size),
        LogError::StreamProtected(name) => Wire::StreamProtected(name),
        LogError::StreamNotProtected(name) => Wire::StreamNotProtected(name),
        LogError::NotSealed(seqno) => Wire::NotSealed(seqno),
        LogError::PayloadErased(seqno) => Wire::PayloadErased(seqno),
        LogError::DataKeyMissing(seqno) => Wire::DataKeyMissing(seqno),
        LogError::DataKeyRefused { id, kek } => Wire::DataKeyRefused(types::RefusedDataKey { id: id.0.to_vec(), kek }),
        LogError::PayloadRefused(seqno) => Wire::PayloadRefused(seqno),
        LogError::PseudonymKeyMissing(name) => Wire::PseudonymKeyMissing(name),
        LogError::ErasesMore { first, last } => Wire::ErasesMore(types::SeqnoRange { first, last }),
        LogError::ChainBroken { seqno, reason } => {
            Wire::ChainBroken(types::ChainBreak { seqno, reason: reason.into() })
        }
        LogError::InclusionMismatch { seqno, segment } => {
            Wire::InclusionMismatch(types::InclusionFailure { seqno, segment_id: segment })
        }
        LogError::SegmentNotFound(id) => Wire::SegmentNotFound(id),
        LogError::EmptySegment(name) => Wire::EmptySegment(name),
        LogError::HeadNotFound(size) => Wire::HeadNotFound(size),
        LogError::HeadUnsigned(size) => Wire::HeadUnsigned(size),
        LogError::NotCovered { seqno, size } => Wire::NotCovered(types::UncoveredEntry { seqno, size }),
        LogError::UnprovableSizes { old, new } => Wire::UnprovableSizes(types::SizePair { old, new }),
        LogError::NotImplemented(_) => Wire::NotImplemented,
        LogError::Invalid(invalid) => Wire::Invalid(invalid.to_string()),
        LogError::Conflict => Wire::Conflict,
        LogError::Rollback { expected, found } => Wire::Rollback(types::SizeMismatch { expected, found }),
        LogError::Fork { expected, found } => Wire::Fork(types::SizeMismatch { expected, found }),
        LogError::AnchorMissing { size } => Wire::AnchorMissing(size),
        LogError::Unattested { first, last } => Wire::Unattested(types::SeqnoRange { first, last }),
        LogError::PolicyMismatch(what) => Wire::PolicyMismatch(what),
        LogError::InvalidRecord(record) => Wire::InvalidRecord(finding(&record)),
        LogError::MacKeyMissing { stream, configured } => {
            Wire::MacKeyMissing(types::MissingMacKey { stream, configured: configured.map(|id| id.0.to_vec()) })
        }
        LogError::Key(KeyError::NotFound(detail)) => Wire::KeyNotFound(detail),
        LogError::Key(KeyError::AccessDenied(detail)) => Wire::AccessDenied(detail),
        LogError::Key(KeyError::UnsupportedAlgorithm(detail)) => Wire::UnsupportedAlgorithm(detail),
        LogError::KeyEnded { identity, last, successor } => {
            Wire::KeyEnded(types::EndedKey { identity, last, successor })
        }
        LogError::Key(error) => Wire::Keystore(error.to_string()),
        LogError::Store(StoreError::Locked { detail }) => Wire::Locked(detail),
        LogError::Store(StoreError::Corrupt { at, detail }) => Wire::Corrupt(types::Corruption { at, detail }),
        LogError::Store(StoreError::LaterVersion { at, what }) => Wire::LaterVersion(types::LaterVersion { at, what }),
        LogError::Store(StoreError::Config(detail)) => Wire::Invalid(detail),
        LogError::Store(error) => Wire::Storage(error.to_string()),
        LogError::Anchor(error) => Wire::Anchor(error.to_string()),
        // What is left, and what is added later, failed below the log.
        error => Wire::Storage(error.to_string()),
    }
}

pub(crate) fn finding(finding: &Finding) -> types::Finding {
    types::Finding {
        code: finding.code.as_str().into(),
        at: finding.at.to_string(),
        detail: finding.detail.clone(),
        stream_id: finding.stream.clone(),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
    }
}

pub(crate) fn severity(severity: encoder::Severity) -> Severity {
    match severity {
        encoder::Severity::Emergency => Severity::Emergency,
        encoder::Severity::Alert => Severity::Alert,
        encoder::Severity::Critical => Severity::Critical,
        encoder::Severity::Error => Severity::Error,
        encoder::Severity::Warning => Severity::Warning,
        encoder::Severity::Notice => Severity::Notice,
        encoder::Severity::Info => Severity::Info,
        encoder::Severity::Debug => Severity::Debug,
    }
}

pub(crate) fn severity_out(severity: Severity) -> encoder::Severity {
    match severity {
        Severity::Emergency => encoder::Severity::Emergency,
        Severity::Alert => encoder::Severity::Alert,
        Severity::Critical => encoder::Severity::Critical,
        Severity::Error => encoder::Severity::Error,
        Severity::Warning => encoder::Severity::Warning,
        Severity::Notice => encoder::Severity::Notice,
        Severity::Info => encoder::Severity::Info,
        Severity::Debug => encoder::Severity::Debug,
    }
}

pub(crate) fn tier(tier: types::Tier) -> Tier {
    match tier {
        types::Tier::Public => Tier::Public,
        types::Tier::Protected => Tier::Protected,
        types::Tier::HighlyRestricted => Tier::HighlyRestricted,
    }
}

fn tier_out(tier: Tier) -> types::Tier {
    match tier {
        Tier::Public => types::Tier::Public,
        Tier::Protected => types::Tier::Protected,
        Tier::HighlyRestricted => types::Tier::HighlyRestricted,
    }
}

pub(crate) fn signing_rule(rule: writer::SigningRule) -> SigningRule {
    match rule {
        writer::SigningRule::None => SigningRule::None,
        writer::SigningRule::Segments => SigningRule::Segments,
        writer::SigningRule::Entries => SigningRule::Entries,
    }
}

fn signing_rule_out(rule: SigningRule) -> writer::SigningRule {
    match rule {
        SigningRule::None => writer::SigningRule::None,
        SigningRule::Segments => writer::SigningRule::Segments,
        SigningRule::Entries => writer::SigningRule::Entries,
    }
}

/// The canonical bytes of an entry.
pub(crate) fn encode_entry(fields: &encoder::EntryFields) -> Vec<u8> {
    EntryRef {
        version: fields.version.into(),
        stream: &fields.stream_id,
        session: &fields.session_id,
        boot: &fields.boot_id,
        seqno: fields.seqno,
        time: &fields.timestamp_rfc3339,
        event: &fields.event_type,
        severity: severity(fields.severity).as_str(),
        producer: &fields.producer,
        encoding: &fields.payload_encoding,
        payload: &fields.payload,
        prev: &fields.prev_entry_hash,
    }
    .encode()
}

/// The canonical bytes of a checkpoint.
pub(crate) fn encode_checkpoint(fields: &encoder::CheckpointFields) -> Vec<u8> {
    CheckpointRef {
        version: fields.version.into(),
        stream: &fields.stream_id,
        segment_id: fields.segment_id,
        first: fields.seq_start,
        last: fields.seq_end,
        root: &fields.merkle_root,
        last_hash: &fields.last_entry_hash,
        prev: &fields.prev_checkpoint_hash,
        boot: &fields.boot_id,
        session: &fields.session_id,
        policy: &fields.policy_hash,
        closed: &fields.timestamp_rfc3339,
    }
    .encode()
}

/// An entry that was read. Only one whose version and severity the format knows can have been proven.
pub(crate) fn entry(entry: Entry) -> Result<encoder::EntryFields, types::LogError> {
    let unknown = |what: &str| types::LogError::Encoding(format!("entry {} has an unknown {what}", entry.seqno));
    Ok(encoder::EntryFields {
        version: u32::try_from(entry.version).map_err(|_| unknown("version"))?,
        severity: severity_out(entry.severity.parse().map_err(|_| unknown("severity"))?),
        stream_id: entry.stream,
        session_id: entry.session,
        boot_id: entry.boot,
        seqno: entry.seqno,
        timestamp_rfc3339: entry.time,
        event_type: entry.event,
        producer: entry.producer,
        payload_encoding: entry.encoding,
        payload: entry.payload,
        prev_entry_hash: entry.prev.0.to_vec(),
    })
}

pub(crate) fn new_entries(entries: &writer::NewEntries) -> impl Iterator<Item = NewEntry<'_>> {
    let kind = NewEntry {
        stream: &entries.stream_id,
        event: &entries.event_type,
        severity: severity(entries.severity),
        producer: &entries.producer,
        encoding: &entries.payload_encoding,
        payload: &[],
    };
    entries.payloads.iter().map(move |payload| NewEntry { payload, ..kind })
}

pub(crate) fn appended(appended: &Appended) -> log::AppendResult {
    log::AppendResult { seqno: appended.seqno, entry_hash: appended.hash.0.to_vec() }
}

pub(crate) fn commit_info(info: &CommitInfo) -> writer::CommitInfo {
    writer::CommitInfo { size: info.size, root: info.root.0.to_vec(), signed: info.signed, anchored: info.anchored }
}

pub(crate) fn key_rotation(rotated: &RotatedKey, info: &CommitInfo) -> writer::KeyRotation {
    writer::KeyRotation {
        old_key: rotated.old.to_string(),
        new_key: rotated.new.to_string(),
        last: rotated.last,
        commit: commit_info(info),
    }
}

pub(crate) fn segment(segment: SignedSegment) -> log::SegmentInfo {
    let SignedSegment { row, signatures } = segment;
    let (signature, signer_identity) = signatures.into_iter().next().map(|first| (first.sig, first.identity)).unzip();
    log::SegmentInfo {
        segment_id: row.id,
        stream_id: row.stream,
        seq_start: row.first,
        seq_end: row.last,
        merkle_root: row.root.0.to_vec(),
        last_entry_hash: row.last_hash.0.to_vec(),
        prev_checkpoint_hash: row.prev.0.to_vec(),
        closed_at_rfc3339: row.closed,
        signature,
        signer_identity,
    }
}

pub(crate) fn stream(row: StreamRow) -> log::StreamInfo {
    log::StreamInfo {
        name: row.name,
        tier: tier_out(row.rules.tier),
        description: row.rules.description,
        deprecated_at: row.deprecated,
    }
}

pub(crate) fn stream_description(number: u64, row: StreamRow) -> writer::StreamDescription {
    let StreamRules { tier, suite, sign, description } = row.rules;
    let (suite, mac_key) = match suite {
        Suite::Sha256 => (writer::HashSuite::Sha256, None),
        Suite::Blake3 => (writer::HashSuite::Blake3, None),
        Suite::HmacSha256(key) => (writer::HashSuite::HmacSha256, Some(key.0.to_vec())),
    };
    writer::StreamDescription {
        number,
        name: row.name,
        rules: writer::StreamRules { tier: tier_out(tier), suite, sign: signing_rule_out(sign), description },
        mac_key,
        created_at: row.created,
        deprecated_at: row.deprecated,
    }
}

pub(crate) fn proof_out(proof: &SegmentProof) -> log::InclusionProof {
    log::InclusionProof {
        seqno: proof.seqno,
        entry_hash: proof.hash.0.to_vec(),
        segment_id: proof.segment,
        merkle_root: proof.root.0.to_vec(),
        path: proof
            .path
            .iter()
            .map(|(sibling, right)| log::ProofStep { sibling_hash: sibling.0.to_vec(), right: *right })
            .collect(),
    }
}

pub(crate) fn proof(proof: &log::InclusionProof) -> Result<SegmentProof, types::LogError> {
    if proof.path.len() > SegmentProof::MAX_STEPS {
        return Err(too_long("path", SegmentProof::MAX_STEPS, proof.path.len()));
    }
    Ok(SegmentProof {
        seqno: proof.seqno,
        hash: hash("entry-hash", &proof.entry_hash)?,
        segment: proof.segment_id,
        root: hash("merkle-root", &proof.merkle_root)?,
        path: proof
            .path
            .iter()
            .map(|step| Ok((hash("sibling-hash", &step.sibling_hash)?, step.right)))
            .collect::<Result<_, types::LogError>>()?,
    })
}

pub(crate) fn hash(field: &'static str, bytes: &[u8]) -> Result<Hash, types::LogError> {
    Hash::try_from(bytes).map_err(|_| {
        let problem = Problem::Unusable(format!("a hash has 32 bytes, found {}", bytes.len()));
        error(Invalid { field, problem }.into())
    })
}

fn too_long(field: &'static str, limit: usize, found: usize) -> types::LogError {
    let problem = Problem::Unusable(format!("at most {limit} steps, found {found}"));
    error(Invalid { field, problem }.into())
}

pub(crate) fn witness_row(witness: NumberedWitness) -> writer::WitnessRow {
    let NumberedWitness { number, row: WitnessRow { size, name, at, result, detail } } = witness;
    writer::WitnessRow { number, size, name, at, outcome: result.as_str().into(), detail }
}

pub(crate) fn status(status: LogStatus) -> writer::LogStatus {
    writer::LogStatus {
        origin: status.log.origin,
        log_id: status.log.id.to_vec(),
        size: status.size,
        root: status.root.0.to_vec(),
        attested_to: status.attested_to,
        head_key: status.head_key,
        anchor: status.anchor,
        anchored: status.anchored,
        anchored_to: status.anchored_to,
        session_id: status.session,
        boot_id: status.boot,
        torn_bytes: status.torn.as_ref().map_or(0, |torn| torn.bytes),
        torn_kept_as: status.torn.map(|torn| torn.kept_as),
        set_aside_as: status.set_aside,
        clock_jumps: status.clock_jumps,
    }
}

pub(crate) fn report(report: Report) -> writer::Report {
    let missing = |missing: &Missing| writer::MissingCheck {
        code: missing.code.as_str().into(),
        at: missing.at.as_ref().map(ToString::to_string),
        detail: missing.detail.clone(),
    };
    writer::Report {
        json: report.to_json(None),
        text: report.to_text(None),
        missing: report.missing.iter().map(missing).collect(),
        missing_unlisted: report.missing_unlisted,
        verdict: match &report.verdict {
            Verdict::Valid => writer::Verdict::Valid,
            Verdict::Incomplete => writer::Verdict::Incomplete,
            Verdict::Invalid(found) => writer::Verdict::Invalid(finding(found)),
        },
        origin: report.origin,
        size: report.size,
        root: report.root.0.to_vec(),
        complete_to: report.complete_to,
        entries: report.entries,
        pruned: report.pruned,
        segments: report.segments,
        signatures: report.signatures,
        heads: report.heads,
        cosignatures: report.cosignatures,
        erased: report.erased,
        erased_payloads: report.erased_payloads,
        unopened: report.unopened,
        unknown_signers: report.unknown_signers,
    }
}
