//! OpenTelemetry log records as OTLP/JSON: one `LogsData` a line, with as many records as there are on a page.

use super::json::Json;
use super::row::{Content, ExportRow, suite_name};
use crate::entry::Severity;
use crate::record::LogRow;

pub(super) fn begin(log: &LogRow, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"resourceLogs":[{"resource":{"attributes":["#);
    let mut json = Json::new(out);
    attribute(&mut json, "service.name", "secure-log");
    attribute(&mut json, "secure_log.origin", &log.origin);
    attribute(&mut json, "secure_log.id", &const_hex::encode(log.id));
    out.extend_from_slice(br#"]},"scopeLogs":[{"scope":{"name":"secure-log"},"logRecords":["#);
}

pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"]}]}]}\n");
}

pub(super) fn row(row: &ExportRow<'_>, first: bool, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
    let content = row.content.as_ref();
    // What is before 1970 or after 2554 does not fit; the attribute says it.
    let nanos = content.and_then(|content| u64::try_from(content.unix_nanos()).ok()).unwrap_or(0);
    let mut json = Json::new(out);
    json.open();
    json.decimal("timeUnixNano", nanos);
    json.decimal("observedTimeUnixNano", nanos);
    if let Some(content) = content {
        if let Some(severity) = content.severity() {
            json.number("severityNumber", severity_number(severity));
        }
        json.string("severityText", content.severity);
        json.string("eventName", content.event);
        json.object("body", |json| match content.text() {
            Some(text) => json.string("stringValue", text),
            None => json.string("bytesValue", &content.base64()),
        });
    }
    json.array("attributes", |json| attributes(row, content, json));
    json.close();
}

fn attributes(row: &ExportRow<'_>, content: Option<&Content<'_>>, json: &mut Json<'_>) {
    // An `int64` has one bit less than a seqno.
    match i64::try_from(row.seqno) {
        Ok(seqno) => integer(json, "secure_log.seqno", seqno),
        Err(_) => attribute(json, "secure_log.seqno", &row.seqno.to_string()),
    }
    attribute(json, "secure_log.stream", row.stream);
    attribute(json, "secure_log.state", row.state().as_str());
    attribute(json, "secure_log.hash", &row.hash.to_string());
    let Some(content) = content else { return };
    attribute(json, "secure_log.prev", &content.prev.to_string());
    integer(json, "secure_log.version", content.version);
    attribute(json, "secure_log.suite", suite_name(content.version));
    attribute(json, "secure_log.time", content.time);
    attribute(json, "secure_log.producer", content.producer);
    attribute(json, "secure_log.session", content.session);
    attribute(json, "secure_log.boot", content.boot);
    attribute(json, "secure_log.encoding", content.encoding);
}

fn attribute(json: &mut Json<'_>, key: &str, value: &str) {
    json.open();
    json.string("key", key);
    json.object("value", |json| json.string("stringValue", value));
    json.close();
}

fn integer(json: &mut Json<'_>, key: &str, value: impl core::fmt::Display) {
    json.open();
    json.string("key", key);
    json.object("value", |json| json.decimal("intValue", value));
    json.close();
}

/// As syslog's severities are mapped by the data model of OpenTelemetry's logs.
fn severity_number(severity: Severity) -> u32 {
    match severity {
        Severity::Debug => 5,
        Severity::Info => 9,
        Severity::Notice => 10,
        Severity::Warning => 13,
        Severity::Error => 17,
        Severity::Critical => 18,
        Severity::Alert => 19,
        Severity::Emergency => 21,
    }
}
