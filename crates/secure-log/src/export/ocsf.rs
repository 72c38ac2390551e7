//! OCSF 1.9: one Base Event a line, with the profile `record_integrity`.
//!
//! Entries are of any kind, and of the classes of OCSF only the Base Event requires nothing that a log does not have. The
//! fingerprint of the attestation is the entry-hash: over the canonical form of the entry (format.md s.2), whose twelve fields
//! stand under `unmapped.secure_log` and in `raw_data`.

use super::json::Json;
use super::row::{Content, ExportRow, suite_name};
use crate::entry::Severity;
use crate::hash::Hash;
use crate::record::LogRow;

/// The version whose names and types these are.
const VERSION: &str = "1.9.0";
const CLASS_UID: u32 = 0;
/// Other: what happened is said by `activity_name`.
const ACTIVITY_ID: u32 = 99;
const TYPE_UID: u32 = CLASS_UID * 100 + ACTIVITY_ID;

pub(super) fn row(row: &ExportRow<'_>, log: &LogRow, out: &mut Vec<u8>) {
    let state = row.state();
    let content = row.content.as_ref();
    let event = content.map_or(state.as_str(), |content| content.event);
    let (severity_id, severity) = content.and_then(Content::severity).map_or((0, "Unknown"), severity);
    let mut json = Json::new(out);
    json.open();
    json.number("activity_id", ACTIVITY_ID);
    json.string("activity_name", event);
    json.array("attestation_list", |json| {
        json.open();
        attestation(row, log, json);
        json.close();
    });
    json.string("category_name", "Uncategorized");
    json.number("category_uid", 0);
    json.string("class_name", "Base Event");
    json.number("class_uid", CLASS_UID);
    json.string("message", &message(row, event));
    json.object("metadata", |json| metadata(row, log, json));
    if let Some(content) = content {
        match content.text() {
            Some(text) => json.string("raw_data", text),
            None => json.string("raw_data", &content.base64()),
        }
        json.number("raw_data_size", content.payload.len());
    }
    json.string("severity", severity);
    json.number("severity_id", severity_id);
    json.number("time", content.map_or(0, Content::unix_nanos).div_euclid(1_000_000));
    json.number("timezone_offset", 0);
    json.string("type_name", "Base Event: Other");
    json.number("type_uid", TYPE_UID);
    json.object("unmapped", |json| json.object("secure_log", |json| fields(row, json)));
    json.close();
    out.push(b'\n');
}

/// What a person is shown first.
fn message(row: &ExportRow<'_>, event: &str) -> String {
    match &row.content {
        Some(content) => format!("{event} by {} in {}", content.producer, row.stream),
        None => format!("entry {} of {} is gone, and its hash is left", row.seqno, row.stream),
    }
}

fn metadata(row: &ExportRow<'_>, log: &LogRow, json: &mut Json<'_>) {
    if let Some(content) = &row.content {
        json.string("event_code", content.event);
        json.string("log_level", content.severity);
    }
    json.string("log_name", row.stream);
    if let Some(content) = &row.content {
        json.string("log_provider", content.producer);
    }
    json.string("log_source", &log.origin);
    json.string("original_event_uid", &row.seqno.to_string());
    if let Some(content) = &row.content {
        json.string("original_time", content.time);
    }
    json.object("product", |json| {
        json.string("name", "secure-log");
        json.string("vendor_name", "secure-log");
    });
    json.array("profiles", |json| json.element("record_integrity"));
    json.number("sequence", row.seqno);
    json.hash("uid", &row.hash);
    json.string("version", VERSION);
}

fn attestation(row: &ExportRow<'_>, log: &LogRow, json: &mut Json<'_>) {
    json.string("authority_uid", &log.origin);
    json.string("chain_uid", &format!("{}/{}", const_hex::encode(log.id), row.stream));
    json.object("fingerprint", |json| {
        fingerprint(row.content.as_ref().map(|content| content.version), &row.hash, json)
    });
    if let Some(content) = row.content.as_ref().filter(|content| !content.is_first) {
        json.object("prev_event", |json| {
            json.object("fingerprint", |json| fingerprint(content.prev_version, &content.prev, json));
            json.number("type_uid", TYPE_UID);
            json.hash("uid", &content.prev);
        });
    }
    json.hash("uid", &row.hash);
}

fn fingerprint(version: Option<u64>, hash: &Hash, json: &mut Json<'_>) {
    let (id, name) = match version {
        Some(1) => (3, "SHA-256"),
        // Named by what the format calls them.
        Some(version) => (99, suite_name(version)),
        None => (0, "Unknown"),
    };
    json.string("algorithm", name);
    json.number("algorithm_id", id);
    json.hash("value", hash);
}

/// The fields of the entry that are hashed, but for the payload.
fn fields(row: &ExportRow<'_>, json: &mut Json<'_>) {
    json.string("state", row.state().as_str());
    json.string("stream", row.stream);
    json.decimal("seqno", row.seqno);
    let Some(content) = &row.content else { return };
    json.number("version", content.version);
    json.string("session", content.session);
    json.string("boot", content.boot);
    json.string("time", content.time);
    json.string("event", content.event);
    json.string("severity", content.severity);
    json.string("producer", content.producer);
    json.string("encoding", content.encoding);
    json.string("payload_form", if content.text().is_some() { "text" } else { "base64" });
    json.hash("prev", &content.prev);
}

/// `severity_id` and its caption.
fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Debug | Severity::Info => (1, "Informational"),
        Severity::Notice => (2, "Low"),
        Severity::Warning => (3, "Medium"),
        Severity::Error => (4, "High"),
        Severity::Critical | Severity::Alert => (5, "Critical"),
        Severity::Emergency => (6, "Fatal"),
    }
}
