//! What is shown of each thing. The names are those of docs/format.md s.7 where a thing stands there too.

use serde_json::{Map, Value, json};

use crate::bindings::keys::keystore::manage::KeyInfo;
use crate::bindings::secure_log::log::encoder::{EntryFields, Severity};
use crate::bindings::secure_log::log::evidence::{BundleReport, Claim};
use crate::bindings::secure_log::log::log::{InclusionProof, ProofStep, SegmentInfo, StreamInfo};
use crate::bindings::secure_log::log::retention::{Kept, Preset, PrunedStream, StreamPlan};
use crate::bindings::secure_log::log::sealing::{Erased, Opened, PseudonymOf, Resealed};
use crate::bindings::secure_log::log::tail::PrunedEntry;
use crate::bindings::secure_log::log::types::Tier;
use crate::bindings::secure_log::log::writer::{
    Collected, CommitInfo, HashSuite, KeyRotation, LogStatus, MissingCheck, Report, SigningRule, Verdict, WitnessRow,
};
use crate::failure::Failure;
use crate::text::{base64, hash_from_hex, hex};

pub(crate) const SEVERITIES: [(&str, Severity); 8] = [
    ("emergency", Severity::Emergency),
    ("alert", Severity::Alert),
    ("critical", Severity::Critical),
    ("error", Severity::Error),
    ("warning", Severity::Warning),
    ("notice", Severity::Notice),
    ("info", Severity::Info),
    ("debug", Severity::Debug),
];

pub(crate) const TIERS: [(&str, Tier); 3] =
    [("public", Tier::Public), ("protected", Tier::Protected), ("highly-restricted", Tier::HighlyRestricted)];

pub(crate) const SUITES: [(&str, HashSuite); 3] =
    [("sha-256", HashSuite::Sha256), ("blake3", HashSuite::Blake3), ("hmac-sha-256", HashSuite::HmacSha256)];

pub(crate) const SIGNING_RULES: [(&str, SigningRule); 3] =
    [("none", SigningRule::None), ("segments", SigningRule::Segments), ("entries", SigningRule::Entries)];

pub(crate) const PSEUDONYMS_OF: [(&str, PseudonymOf); 2] =
    [("event-type", PseudonymOf::EventType), ("producer", PseudonymOf::Producer)];

/// The word for a case of one of the tables above.
fn word<T: PartialEq>(words: &[(&'static str, T)], case: &T) -> &'static str {
    words.iter().find(|(_, each)| each == case).map(|(word, _)| *word).expect("each case has a word")
}

pub(crate) fn entry(entry: EntryFields) -> Value {
    let mut value = json!({
        "seqno": entry.seqno,
        "version": entry.version,
        "stream": entry.stream_id,
        "session": entry.session_id,
        "boot": entry.boot_id,
        "time": entry.timestamp_rfc3339,
        "event": entry.event_type,
        "severity": word(&SEVERITIES, &entry.severity),
        "producer": entry.producer,
        "encoding": entry.payload_encoding,
    });
    add_payload(&mut value, entry.payload);
    value["prev"] = hex(&entry.prev_entry_hash).into();
    value
}

/// A payload is text where it is UTF-8.
fn add_payload(value: &mut Value, payload: Vec<u8>) {
    let (name, payload) = match String::from_utf8(payload) {
        Ok(text) => ("text", text),
        Err(error) => ("b64", base64(error.as_bytes())),
    };
    value[name] = payload.into();
}

/// What was sealed in an entry, in clear.
pub(crate) fn opened(seqno: u64, opened: Opened) -> Value {
    let mut value = json!({
        "seqno": seqno,
        "event": opened.event_type,
        "producer": opened.producer,
        "encoding": opened.payload_encoding,
    });
    add_payload(&mut value, opened.payload);
    value
}

/// Why an entry was not opened.
pub(crate) fn unopened(seqno: u64, failure: &Failure) -> Value {
    json!({ "seqno": seqno, "unopened": failure.code, "what": failure.what })
}

/// The columns in a list of both.
pub(crate) const OPENED_COLUMNS: [&str; 7] = ["seqno", "event", "producer", "text:", "b64:", "unopened:", "what"];

pub(crate) fn resealed(resealed: Resealed) -> Value {
    json!({ "resealed": resealed.keys, "more": resealed.more })
}

pub(crate) fn erased(erased: Erased) -> Value {
    let recorded = erased.recorded;
    json!({
        "erased": erased.keys.iter().map(|id| hex(id)).collect::<Vec<_>>(),
        "seqno": recorded.as_ref().map(|entry| entry.seqno),
        "signed": recorded.as_ref().map(|entry| entry.commit.signed),
        "anchored": recorded.as_ref().map(|entry| entry.commit.anchored),
        "more": erased.more,
    })
}

/// The columns of a preset.
pub(crate) const PRESET_COLUMNS: [&str; 3] = ["preset", "period", "meant_for"];

pub(crate) fn preset(preset: &Preset) -> Value {
    json!({ "preset": preset.name, "period": preset.period, "meant_for": preset.meant_for })
}

/// The columns of what would go of a stream.
pub(crate) const PLAN_COLUMNS: [&str; 8] =
    ["stream", "policy:", "floor:", "goes:", "bytes:", "up_to:", "stays:", "because:"];

pub(crate) fn stream_plan(plan: StreamPlan) -> Value {
    json!({
        "stream": plan.stream_id,
        "policy": plan.policy,
        "floor": plan.floor,
        "goes": plan.entries,
        "bytes": plan.bytes,
        "up_to": plan.up_to,
        "on_record": plan.on_record,
        "stays": plan.stays,
        "first_kept": plan.kept.as_ref().map(|kept| kept.seqno),
        "because": plan.kept.map(|kept| because(kept.why)),
    })
}

fn because(why: Kept) -> &'static str {
    match why {
        Kept::Policy => "policy",
        Kept::Floor => "floor",
        Kept::OpenSegment => "open-segment",
        Kept::UnsignedHead => "unsigned-head",
        Kept::NoTime => "no-time",
        Kept::NoKey => "no-key",
    }
}

/// The columns of what was taken out of a stream.
pub(crate) const PRUNED_COLUMNS: [&str; 5] = ["stream", "pruned:", "bytes:", "up_to:", "seqno:"];

pub(crate) fn pruned_stream(pruned: PrunedStream) -> Value {
    json!({
        "stream": pruned.stream_id,
        "pruned": pruned.entries,
        "bytes": pruned.bytes,
        "up_to": pruned.up_to,
        "seqno": pruned.recorded,
    })
}

/// The columns of an entry in a list.
pub(crate) const ENTRY_COLUMNS: [&str; 8] =
    ["seqno", "time", "severity", "stream", "event", "producer", "text:", "b64:"];

/// An entry that was pruned: its hash is what is left of it.
pub(crate) fn pruned(pruned: &PrunedEntry) -> Value {
    json!({ "seqno": pruned.seqno, "stream": pruned.stream_id, "pruned": hex(&pruned.hash) })
}

/// The columns in a list of both.
pub(crate) const TAIL_COLUMNS: [&str; 9] =
    ["seqno", "time", "severity", "stream", "event", "producer", "text:", "b64:", "pruned:"];

pub(crate) fn stream(stream: StreamInfo) -> Value {
    json!({
        "name": stream.name,
        "tier": word(&TIERS, &stream.tier),
        "description": stream.description,
        "deprecated": stream.deprecated_at,
    })
}

pub(crate) const STREAM_COLUMNS: [&str; 4] = ["name", "tier", "deprecated:", "description:"];

pub(crate) fn segment(segment: SegmentInfo) -> Value {
    json!({
        "segment": segment.segment_id,
        "stream": segment.stream_id,
        "first": segment.seq_start,
        "last": segment.seq_end,
        "root": hex(&segment.merkle_root),
        "last_hash": hex(&segment.last_entry_hash),
        "prev": hex(&segment.prev_checkpoint_hash),
        "closed": segment.closed_at_rfc3339,
        "signer": segment.signer_identity,
        "signature": segment.signature.map(|bytes| base64(&bytes)),
    })
}

pub(crate) const SEGMENT_COLUMNS: [&str; 7] = ["segment", "stream", "first", "last", "closed", "signer:", "root:"];

pub(crate) fn witness_row(row: WitnessRow) -> Value {
    json!({ "size": row.size, "name": row.name, "at": row.at, "result": row.outcome, "detail": row.detail })
}

pub(crate) const WITNESS_COLUMNS: [&str; 5] = ["size", "name", "at", "result", "detail"];

pub(crate) fn collected(collected: &Collected) -> Value {
    json!({
        "dropped": collected.rows,
        "smallest_size": collected.sizes.map(|(smallest, _)| smallest),
        "largest_size": collected.sizes.map(|(_, largest)| largest),
        "more": collected.more,
    })
}

pub(crate) fn commit(commit: &CommitInfo) -> Value {
    json!({
        "size": commit.size,
        "root": hex(&commit.root),
        "signed": commit.signed,
        "anchored": commit.anchored,
    })
}

pub(crate) fn key_rotation(rotation: &KeyRotation) -> Value {
    json!({
        "old_key": rotation.old_key,
        "new_key": rotation.new_key,
        "last": rotation.last,
        "size": rotation.commit.size,
        "root": hex(&rotation.commit.root),
        "signed": rotation.commit.signed,
        "anchored": rotation.commit.anchored,
    })
}

pub(crate) fn status(status: LogStatus) -> Value {
    json!({
        "origin": status.origin,
        "log_id": hex(&status.log_id),
        "size": status.size,
        "root": hex(&status.root),
        "attested_to": status.attested_to,
        "head_key": status.head_key,
        "anchor": status.anchor,
        "anchored": status.anchored,
        "anchored_to": status.anchored_to,
        "session": status.session_id,
        "boot": status.boot_id,
        "torn_bytes": status.torn_bytes,
        "torn_kept_as": status.torn_kept_as,
        "set_aside_as": status.set_aside_as,
        "clock_jumps": status.clock_jumps,
    })
}

pub(crate) fn report(report: Report) -> Value {
    let (verdict, finding) = match report.verdict {
        Verdict::Valid => ("valid", Value::Null),
        Verdict::Incomplete => ("incomplete", Value::Null),
        Verdict::Invalid(finding) => {
            ("invalid", json!({ "code": finding.code, "at": finding.at, "detail": finding.detail }))
        }
    };
    json!({
        "verdict": verdict,
        "finding": finding,
        "complete_to": report.complete_to,
        "missing": report.missing.into_iter().map(missing).collect::<Vec<_>>(),
        "unknown_signers": report.unknown_signers,
        "origin": report.origin,
        "size": report.size,
        "root": hex(&report.root),
        "entries": report.entries,
        "pruned": report.pruned,
        "segments": report.segments,
        "signatures": report.signatures,
        "heads": report.heads,
        "cosignatures": report.cosignatures,
        "erased": report.erased,
        "erased_payloads": report.erased_payloads,
        "unopened": report.unopened,
    })
}

fn missing(missing: MissingCheck) -> String {
    missing.at.map_or_else(|| missing.detail.clone(), |at| format!("{at}: {}", missing.detail))
}

pub(crate) fn evidence(found: BundleReport) -> Value {
    let claim = |kind: &str, stream: Option<String>, first: u64, last: u64| json!({ "kind": kind, "stream": stream, "first": first, "last": last });
    let claim = match found.claim {
        None => Value::Null,
        Some(Claim::Entry(seqno)) => claim("entry", None, seqno, seqno),
        Some(Claim::Range(range)) => claim("range", None, range.first, range.last),
        Some(Claim::Stream(stream)) => claim("stream", Some(stream.name), stream.first, stream.last),
    };
    let mut value = report(found.report);
    if let Some(fields) = value.as_object_mut() {
        // A part of a log shows nothing of that.
        fields.shift_remove("complete_to");
        fields.insert("claim".into(), claim);
        fields.insert("hint".into(), found.hint.into());
    }
    value
}

pub(crate) fn key(key: KeyInfo) -> Value {
    json!({
        "label": key.label,
        "algorithm": key.algorithm,
        "public_key": (!key.public_key.is_empty()).then(|| base64(&key.public_key)),
        "verifier_key": key.verifier_key,
        "key_id": key.key_id.map(|id| hex(&id)),
    })
}

pub(crate) fn proof(proof: &InclusionProof) -> Value {
    let step = |step: &ProofStep| json!({ "sibling": hex(&step.sibling_hash), "right": step.right });
    json!({
        "seqno": proof.seqno,
        "hash": hex(&proof.entry_hash),
        "segment": proof.segment_id,
        "root": hex(&proof.merkle_root),
        "path": proof.path.iter().map(step).collect::<Vec<_>>(),
    })
}

/// Reads what [`proof`] wrote, and nothing else; says what is wrong with it.
pub(crate) fn parse_proof(bytes: &[u8]) -> Result<InclusionProof, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let object = object(&value, "the proof", &["seqno", "hash", "segment", "root", "path"])?;
    let path = object["path"].as_array().ok_or("path is no list")?;
    Ok(InclusionProof {
        seqno: natural(object, "seqno")?,
        entry_hash: hash(object, "hash")?,
        segment_id: natural(object, "segment")?,
        merkle_root: hash(object, "root")?,
        path: path.iter().map(parse_step).collect::<Result<_, _>>()?,
    })
}

fn parse_step(value: &Value) -> Result<ProofStep, String> {
    let object = object(value, "a step of path", &["sibling", "right"])?;
    Ok(ProofStep {
        sibling_hash: hash(object, "sibling")?,
        right: object["right"].as_bool().ok_or("right is neither true nor false")?,
    })
}

/// An object with exactly these fields.
fn object<'a>(value: &'a Value, what: &str, names: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("{what} is no object"))?;
    match names.iter().find(|name| !object.contains_key(**name)) {
        Some(absent) => Err(format!("{what} has no field {absent}")),
        None if object.len() > names.len() => Err(format!("{what} has other fields than {}", names.join(", "))),
        None => Ok(object),
    }
}

fn natural(object: &Map<String, Value>, name: &str) -> Result<u64, String> {
    object[name].as_u64().ok_or_else(|| format!("{name} is no number"))
}

fn hash(object: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    object[name].as_str().and_then(hash_from_hex).ok_or_else(|| format!("{name} is no hash of 64 hex digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_comes_back_as_it_was_written() {
        let step = |byte, right| ProofStep { sibling_hash: vec![byte; 32], right };
        let written = InclusionProof {
            seqno: u64::MAX,
            entry_hash: vec![1; 32],
            segment_id: 2,
            merkle_root: vec![3; 32],
            path: vec![step(4, true), step(5, false)],
        };
        let text = proof(&written).to_string();
        let read = parse_proof(text.as_bytes()).unwrap();
        assert_eq!(proof(&read), proof(&written));
        assert_eq!((read.seqno, read.path.len(), read.path[0].right), (u64::MAX, 2, true));
    }

    #[test]
    fn what_is_no_proof_is_refused_and_says_why() {
        let hash = "00".repeat(32);
        let whole = json!({ "seqno": 1, "hash": hash, "segment": 1, "root": hash, "path": [] });
        assert!(parse_proof(whole.to_string().as_bytes()).is_ok());
        for (name, wrong, why) in [
            ("seqno", json!(-1), "seqno is no number"),
            ("segment", json!(1.5), "segment is no number"),
            ("root", json!("00"), "root is no hash of 64 hex digits"),
            ("path", json!({}), "path is no list"),
            ("path", json!([[]]), "a step of path is no object"),
            ("path", json!([{ "sibling": hash }]), "a step of path has no field right"),
            ("path", json!([{ "sibling": hash, "right": 1 }]), "right is neither true nor false"),
            ("extra", json!(1), "the proof has other fields than seqno, hash, segment, root, path"),
        ] {
            let mut broken = whole.clone();
            broken[name] = wrong;
            assert_eq!(parse_proof(broken.to_string().as_bytes()).unwrap_err(), why);
        }
        assert!(parse_proof(b"").unwrap_err().starts_with("it is no JSON"));
        assert!(parse_proof("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_payload_is_text_where_it_is_utf8() {
        let with = |payload: &[u8]| {
            entry(EntryFields {
                version: 1,
                stream_id: "s".into(),
                session_id: "se".into(),
                boot_id: "b".into(),
                seqno: 9,
                timestamp_rfc3339: "t".into(),
                event_type: "e".into(),
                severity: Severity::Notice,
                producer: "p".into(),
                payload_encoding: "text".into(),
                payload: payload.to_vec(),
                prev_entry_hash: vec![0; 32],
            })
        };
        assert_eq!(with("ü".as_bytes())["text"], "ü");
        assert_eq!((&with(b"\xff")["b64"], with(b"\xff").get("text")), (&json!("/w=="), None));
        assert_eq!(with(b"")["severity"], "notice");
    }
}
