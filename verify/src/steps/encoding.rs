//! The encoder against the golden vectors of the format.

use std::fs;
use std::path::Path;

use serde_json::Value;
use wasmtime::Result;
use wasmtime::error::Context;

use super::{Done, Group, Step, checked, not_applicable};
use crate::expect::{equal, holds};
use crate::host::encoder::{CheckpointFields, EntryFields};
use crate::jsonl::severity;
use crate::merkle::sha256;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "encoder",
    about: "canonical bytes, without a log",
    steps: &[
        Step { name: "it says its name", run: name },
        Step { name: "encode-entry gives the golden bytes", run: entries },
        Step { name: "encode-checkpoint gives the golden bytes", run: checkpoints },
    ],
};

fn name(session: &mut Session) -> Result<Done> {
    let name = session.instance()?.encoding_name()?;
    holds("the name has some text", !name.trim().is_empty())?;
    checked(name)
}

fn entries(session: &mut Session) -> Result<Done> {
    let Some(vectors) = vectors("entries.json")? else { return no_vectors("entries.json") };
    let mut stack = session.instance()?;
    let cases = vectors["cases"].as_array().context("the vectors have cases")?;
    for case in cases {
        let bytes = stack.encode_entry(&entry(&case["fields"])?)?;
        same_bytes(case, &bytes, "bytes_sha256")?;
    }
    checked(format!("{} vectors", cases.len()))
}

fn checkpoints(session: &mut Session) -> Result<Done> {
    let Some(vectors) = vectors("checkpoints.json")? else { return no_vectors("checkpoints.json") };
    let mut stack = session.instance()?;
    let cases = vectors["cases"].as_array().context("the vectors have cases")?;
    for case in cases {
        let bytes = stack.encode_checkpoint(&checkpoint(&case["fields"])?)?;
        same_bytes(case, &bytes, "checkpoint_hash")?;
    }
    checked(format!("{} vectors", cases.len()))
}

/// Long vectors give no bytes but only their SHA-256, under `hash`.
fn same_bytes(case: &Value, found: &[u8], hash: &str) -> Result<()> {
    let what = format!("vector {}", case["name"]);
    if let Some(bytes) = case["bytes"].as_str() {
        equal(&what, const_hex::encode(found), bytes.to_string())?;
    }
    equal(&what, const_hex::encode(sha256(found)), text(case, hash)?)
}

fn entry(fields: &Value) -> Result<EntryFields> {
    Ok(EntryFields {
        version: number(fields, "version")? as u32,
        stream_id: text(fields, "stream")?,
        session_id: text(fields, "session")?,
        boot_id: text(fields, "boot")?,
        seqno: number(fields, "seqno")?,
        timestamp_rfc3339: text(fields, "time")?,
        event_type: text(fields, "event")?,
        severity: severity(&text(fields, "severity")?)?,
        producer: text(fields, "producer")?,
        payload_encoding: text(fields, "encoding")?,
        payload: bytes(fields, "payload")?,
        prev_entry_hash: bytes(fields, "prev")?,
    })
}

fn checkpoint(fields: &Value) -> Result<CheckpointFields> {
    Ok(CheckpointFields {
        version: number(fields, "version")? as u32,
        stream_id: text(fields, "stream")?,
        segment_id: number(fields, "id")?,
        seq_start: number(fields, "first")?,
        seq_end: number(fields, "last")?,
        merkle_root: bytes(fields, "root")?,
        last_entry_hash: bytes(fields, "last_hash")?,
        prev_checkpoint_hash: bytes(fields, "prev")?,
        boot_id: text(fields, "boot")?,
        session_id: text(fields, "session")?,
        policy_hash: bytes(fields, "policy")?,
        timestamp_rfc3339: text(fields, "closed")?,
    })
}

fn text(fields: &Value, name: &str) -> Result<String> {
    Ok(fields[name].as_str().with_context(|| format!("the vector has no text '{name}'"))?.into())
}

fn number(fields: &Value, name: &str) -> Result<u64> {
    fields[name].as_u64().with_context(|| format!("the vector has no number '{name}'"))
}

fn bytes(fields: &Value, name: &str) -> Result<Vec<u8>> {
    const_hex::decode(text(fields, name)?).with_context(|| format!("the vector's '{name}' is not in hex"))
}

fn vectors(file: &str) -> Result<Option<Value>> {
    let path = folder().join(file);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("{} is not JSON", path.display()))?))
}

fn no_vectors(file: &str) -> Result<Done> {
    not_applicable(format!("vectors/secure-log/{file} is not in this copy of the project"))
}

/// The vectors stand in the repository that this program was built in.
fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/secure-log")
}
