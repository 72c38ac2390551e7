//! JSON of what the log has, in the names that the command and the export use, and without anything that a terminal or a
//! page would show as something else than it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::engine::{CommitInfo, LogStatus, SignedSegment};
use secure_log::entry::Entry;
use secure_log::hash::Hash;
use secure_log::proof::{ConsistencyProof, InclusionProof};
use secure_log::record::StreamRow;
use secure_log::verify::is_printable;
use serde_json::{Map, Value, json};

/// The value as text. What does not show by itself is escaped, which JSON allows of any character in a string; outside of
/// strings it is all ASCII.
pub(crate) fn text_of(value: &Value) -> String {
    let plain = value.to_string();
    let hides = |c: char| c >= '\u{7f}' && !is_printable(c);
    if plain.is_ascii() && !plain.contains('\u{7f}') || !plain.contains(hides) {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        if hides(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

pub(crate) fn entry(entry: &Entry) -> Value {
    let mut value = json!({
        "seqno": entry.seqno,
        "version": entry.version,
        "stream": entry.stream,
        "session": entry.session,
        "boot": entry.boot,
        "time": entry.time,
        "event": entry.event,
        "severity": entry.severity,
        "producer": entry.producer,
        "encoding": entry.encoding,
    });
    let (name, payload) = match str::from_utf8(&entry.payload) {
        Ok(text) => ("text", text.to_owned()),
        Err(_) => ("b64", BASE64.encode(&entry.payload)),
    };
    value[name] = payload.into();
    value["prev"] = entry.prev.to_hex().into();
    value
}

pub(crate) fn hashes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_hex).collect()
}

pub(crate) fn inclusion(proof: &InclusionProof) -> Value {
    json!({
        "seqno": proof.seqno,
        "hash": proof.entry_hash.to_hex(),
        "size": proof.size,
        "root": proof.root.to_hex(),
        "hashes": hashes(&proof.hashes),
    })
}

pub(crate) fn consistency(proof: &ConsistencyProof) -> Value {
    json!({
        "first": proof.old_size,
        "first_root": proof.old_root.to_hex(),
        "second": proof.new_size,
        "second_root": proof.new_root.to_hex(),
        "hashes": hashes(&proof.hashes),
    })
}

pub(crate) fn commit(commit: &CommitInfo) -> Map<String, Value> {
    let value = json!({
        "size": commit.size,
        "root": commit.root.to_hex(),
        "signed": commit.signed,
        "anchored": commit.anchored,
    });
    let Value::Object(fields) = value else { unreachable!("it is written as an object") };
    fields
}

pub(crate) fn stream(row: &StreamRow) -> Value {
    json!({
        "name": row.name,
        "tier": row.rules.tier.as_str(),
        "suite": row.rules.suite.name(),
        "sign": row.rules.sign.as_str(),
        "description": row.rules.description,
        "created": row.created,
        "deprecated": row.deprecated,
    })
}

pub(crate) fn segment(segment: &SignedSegment) -> Value {
    let row = &segment.row;
    let last = segment.signatures.last();
    json!({
        "segment": row.id,
        "stream": row.stream,
        "first": row.first,
        "last": row.last,
        "root": row.root.to_hex(),
        "last_hash": row.last_hash.to_hex(),
        "prev": row.prev.to_hex(),
        "closed": row.closed,
        "signer": last.map(|signature| &signature.identity),
        "signature": last.map(|signature| BASE64.encode(&signature.sig)),
    })
}

pub(crate) fn status(id: &str, status: &LogStatus) -> Value {
    json!({
        "id": id,
        "origin": status.log.origin,
        "log_id": const_hex::encode(status.log.id),
        "created": status.log.created,
        "size": status.size,
        "root": status.root.to_hex(),
        "attested_to": status.attested_to,
        "head_key": status.head_key,
        "anchor": status.anchor,
        "anchored": status.anchored,
        "anchored_to": status.anchored_to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_by_itself_is_escaped_and_comes_back() {
        let value = json!({ "text": "a\u{202e}b\u{7f}\u{1b}\u{e0001}é水" });
        let text = text_of(&value);
        assert_eq!(text, "{\"text\":\"a\\u202eb\\u007f\\u001b\\udb40\\udc01é水\"}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(text_of(&json!({ "a": "b" })), r#"{"a":"b"}"#);
    }
}
