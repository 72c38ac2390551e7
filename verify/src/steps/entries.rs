//! Appending, reading back, and the chain of a stream.

use wasmtime::Result;

use super::{Done, Group, Step, checked};
use crate::expect::{equal, holds, refused};
use crate::host::encoder::{EntryFields, Severity};
use crate::host::{Instance, LogError};
use crate::merkle::sha256;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "entries",
    about: "append, append-with-encoding, read, head, verify-chain, last-hash",
    steps: &[
        Step { name: "what was appended is read back, field by field", run: read_back },
        Step { name: "every severity and kind of payload comes back", run: kinds },
        Step { name: "a stream's chain verifies, over any range", run: chain },
        Step { name: "entries and streams that are not there", run: not_there },
    ],
};

/// Severities from the most serious.
pub const SEVERITIES: [Severity; 8] = [
    Severity::Emergency,
    Severity::Alert,
    Severity::Critical,
    Severity::Error,
    Severity::Warning,
    Severity::Notice,
    Severity::Info,
    Severity::Debug,
];

fn read_back(session: &mut Session) -> Result<Done> {
    let stream = session.stream("entries");
    let log = session.log()?;
    refused!("head before the first entry", log.head(&stream)?, LogError::StreamNotFound(name) if name == stream)?;
    let status = log.status()??;

    let first = log.append(&stream, "order.created", Severity::Notice, "shop", b"one")??;
    equal("the first seqno", first.seqno, status.size + 1)?;
    let entry = log.read(first.seqno)??;
    let expected = EntryFields {
        version: 1,
        stream_id: stream.clone(),
        session_id: status.session_id,
        boot_id: status.boot_id,
        seqno: first.seqno,
        timestamp_rfc3339: entry.timestamp_rfc3339.clone(),
        event_type: "order.created".into(),
        severity: Severity::Notice,
        producer: "shop".into(),
        payload_encoding: "application/octet-stream".into(),
        payload: b"one".to_vec(),
        prev_entry_hash: entry.prev_entry_hash.clone(),
    };
    holds("the time has nine digits and a Z", is_time(&entry.timestamp_rfc3339))?;
    equal("the entry", entry.clone(), expected)?;
    equal("its hash", sha256(&log.encode_entry(&entry)?), first.entry_hash.clone())?;

    let second = log.append_with_encoding(&stream, "order.paid", Severity::Info, "", b"{}", "application/json")??;
    equal("the second seqno", second.seqno, first.seqno + 1)?;
    let entry = log.read(second.seqno)??;
    equal("its encoding", entry.payload_encoding.as_str(), "application/json")?;
    equal("it follows the first", &entry.prev_entry_hash, &first.entry_hash)?;
    equal("the head of the stream", log.head(&stream)??, Some(second.seqno))?;
    equal("the last hash of the stream", log.last_hash(&stream)??, Some(second.entry_hash))?;
    checked(format!("entries {} and {}, and their hashes", first.seqno, second.seqno))
}

fn kinds(session: &mut Session) -> Result<Done> {
    let stream = session.stream("kinds");
    let log = session.log()?;
    for severity in SEVERITIES {
        let appended = log.append(&stream, "kind", severity, "verify", b"")??;
        equal("the severity", log.read(appended.seqno)??.severity, severity)?;
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    let payloads: [&[u8]; 6] = [
        b"",
        &every_byte,
        "naïve \u{202e}text\u{202c} \u{1f512}, e\u{301} and é".as_bytes(),
        b"lines\r\nand\ttabs \"quoted\" \\ backslash",
        b"\0\x1b[31m\x7f",
        &[b'x'; 4096],
    ];
    for payload in payloads {
        let appended = log.append_with_encoding(&stream, "kind", Severity::Info, "verify", payload, "")??;
        equal("the payload", log.read(appended.seqno)??.payload.as_slice(), payload)?;
    }
    checked(format!("{} severities, {} payloads", SEVERITIES.len(), payloads.len()))
}

fn chain(session: &mut Session) -> Result<Done> {
    let stream = session.stream("kinds");
    let log = session.log()?;
    let last = log.head(&stream)??.unwrap_or(0);
    let ranges = [(0, last), (1, last), (1, 1), (last - 3, last - 1), (last, last), (1, last + 1000)];
    for (from, to) in ranges {
        log.verify_chain(&stream, from, to)??;
    }
    checked(format!("{} ranges", ranges.len()))
}

fn not_there(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let size = log.status()??.size;
    for seqno in [0, size + 1, u64::MAX] {
        refused!("read", log.read(seqno)?, LogError::EntryNotFound(found) if found == seqno)?;
    }
    unknown_stream(log)?;
    checked("3 entries, and 5 functions on a stream")
}

fn unknown_stream(log: &mut Instance) -> Result<()> {
    const UNKNOWN: &str = "verify-no-such-stream";
    refused!("head", log.head(UNKNOWN)?, LogError::StreamNotFound(name) if name == UNKNOWN)?;
    refused!("verify-chain", log.verify_chain(UNKNOWN, 1, 2)?, LogError::StreamNotFound(name) if name == UNKNOWN)?;
    refused!("last-hash", log.last_hash(UNKNOWN)?, LogError::StreamNotFound(name) if name == UNKNOWN)?;
    refused!("list-segments", log.list_segments(UNKNOWN)?, LogError::StreamNotFound(name) if name == UNKNOWN)?;
    refused!("read-page", log.read_page(Some(UNKNOWN), 1, 2, 1)?, LogError::StreamNotFound(name) if name == UNKNOWN)
}

/// The form of docs/format.md s.1.
fn is_time(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddddddddZ";
    let fits = |(form, found): (u8, u8)| if form == b'd' { found.is_ascii_digit() } else { form == found };
    text.len() == form.len() && form.bytes().zip(text.bytes()).all(fits)
}
