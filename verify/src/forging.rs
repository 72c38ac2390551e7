//! The attacker of the threat model: rewrites whatever no key protects, so that only a signature can tell.

use std::collections::BTreeMap;

use serde_json::Value;
use wasmtime::Result;
use wasmtime::error::Context;

use crate::host::Instance;
use crate::host::encoder::{CheckpointFields, EntryFields};
use crate::jsonl::{Lines, severity};
use crate::merkle::{Growing, root, sha256};

/// How much is made consistent again after an edit. Each includes the ones before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub enum Extent {
    /// The hashes of sha-256 entries, and the chain of each stream.
    Entries,
    /// Segments and the entries that name their checkpoints.
    Segments,
    /// The roots of heads.
    Heads,
}

/// What precedes the next entry and the next segment of a stream.
#[derive(Default)]
struct Chain {
    last_hash: Option<String>,
    segment: Vec<Vec<u8>>,
    checkpoint: Option<String>,
}

/// Recomputes hashes from the first line to the last, with the encoder of the stack itself.
pub fn rechain(lines: &mut Lines, stack: &mut Instance, extent: Extent) -> Result<()> {
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    let mut log = Growing::default();
    for at in 0..lines.count() {
        let mut object = lines.object(at)?;
        let chain = chains.entry(object["stream"].as_str().unwrap_or_default().into()).or_default();
        match object["t"].as_str() {
            Some("entry") => {
                rehash(&mut object, chain, stack, extent)?;
                log.push(chain.segment.last().context("the entry was just put there")?);
            }
            Some("segment") if extent >= Extent::Segments => reclose(&mut object, chain, stack)?,
            Some("segment") => chain.segment.clear(),
            Some("head") if extent >= Extent::Heads => object["root"] = const_hex::encode(log.root()).into(),
            _ => continue,
        }
        lines.replace(at, &object);
    }
    Ok(())
}

fn rehash(entry: &mut Value, chain: &mut Chain, stack: &mut Instance, extent: Extent) -> Result<()> {
    if entry["version"] == 1 {
        if let Some(last) = &chain.last_hash {
            entry["prev"] = last.as_str().into();
        }
        if extent >= Extent::Segments && entry["event"] == "secure-log.segment-closed" {
            let id = text(entry, "text").split(' ').next().unwrap_or_default().to_string();
            entry["text"] = format!("{id} {}", chain.checkpoint.clone().unwrap_or_default()).into();
        }
        entry["hash"] = const_hex::encode(sha256(&stack.encode_entry(&fields(entry)?)?)).into();
    }
    chain.segment.push(const_hex::decode(text(entry, "hash"))?);
    chain.last_hash = Some(text(entry, "hash"));
    Ok(())
}

fn reclose(segment: &mut Value, chain: &mut Chain, stack: &mut Instance) -> Result<()> {
    segment["root"] = const_hex::encode(root(&chain.segment)).into();
    segment["last_hash"] = chain.last_hash.clone().unwrap_or_default().into();
    if let Some(checkpoint) = &chain.checkpoint {
        segment["prev"] = checkpoint.as_str().into();
    }
    let number = |name: &str| segment[name].as_u64().with_context(|| format!("a segment has a number '{name}'"));
    let bytes = stack.encode_checkpoint(&CheckpointFields {
        version: 1,
        stream_id: text(segment, "stream"),
        segment_id: number("id")?,
        seq_start: number("first")?,
        seq_end: number("last")?,
        merkle_root: const_hex::decode(text(segment, "root"))?,
        last_entry_hash: const_hex::decode(text(segment, "last_hash"))?,
        prev_checkpoint_hash: const_hex::decode(text(segment, "prev"))?,
        boot_id: text(segment, "boot"),
        session_id: text(segment, "session"),
        policy_hash: const_hex::decode(text(segment, "policy"))?,
        timestamp_rfc3339: text(segment, "closed"),
    })?;
    chain.checkpoint = Some(const_hex::encode(sha256(&bytes)));
    chain.segment.clear();
    Ok(())
}

/// An entry's line as the fields of the contract.
fn fields(entry: &Value) -> Result<EntryFields> {
    use base64::Engine;
    let payload = match entry["b64"].as_str() {
        Some(payload) => base64::prelude::BASE64_STANDARD.decode(payload)?,
        None => text(entry, "text").into_bytes(),
    };
    Ok(EntryFields {
        version: 1,
        stream_id: text(entry, "stream"),
        session_id: text(entry, "session"),
        boot_id: text(entry, "boot"),
        seqno: entry["seqno"].as_u64().context("an entry has a seqno")?,
        timestamp_rfc3339: text(entry, "time"),
        event_type: text(entry, "event"),
        severity: severity(&text(entry, "severity"))?,
        producer: text(entry, "producer"),
        payload_encoding: text(entry, "encoding"),
        payload,
        prev_entry_hash: const_hex::decode(text(entry, "prev"))?,
    })
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().into()
}
