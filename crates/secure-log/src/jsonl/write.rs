//! Writing a line.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::facts::EntryFacts;
use super::scan::{is_forbidden_in_text, special_at};
use super::{MAX_LINE_BYTES, MAX_NAME_BYTES};
use crate::cbor::DecodeError;
use crate::entry::{EntryRef, Severity};
use crate::hash::Hash;
use crate::note::{MAX_SIGNATURES, is_key_name};
use crate::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, Subject, WitnessRow,
};
use crate::time::Timestamp;

/// Appends the record's line to `out`, with its newline, or nothing at all: whatever [`super::parse_line`] would refuse
/// to read back is refused here.
pub fn write_record(record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
    whole(out, |w| match record {
        Record::Log(row) => log(w, row),
        Record::Stream(row) => stream(w, row),
        Record::DataKey(row) => data_key(w, row),
        Record::Entry(row) => entry(w, row).map(drop),
        Record::Pruned(row) => pruned(w, row),
        Record::Signature(row) => signature(w, row),
        Record::Segment(row) => segment(w, row),
        Record::Witness(row) => witness(w, row),
        Record::Head(row) => head(w, row),
        Record::Unknown(_) => Err(WriteError::Unknown),
    })
}

/// The same of an entry, and answers what it says.
pub fn write_entry<'a>(row: &EntryRow<'a>, out: &mut Vec<u8>) -> Result<EntryFacts<'a>, WriteError> {
    whole(out, |w| entry(w, row))
}

/// Ends a line that was written, and leaves nothing of one that was not.
#[inline(always)]
fn whole<T>(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>) -> Result<T, WriteError>) -> Result<T, WriteError> {
    let start = out.len();
    let written = write(&mut Writer { out });
    let fits = out.len() - start <= MAX_LINE_BYTES;
    let written = written.and_then(|answer| if fits { Ok(answer) } else { Err(WriteError::TooLong) });
    match written {
        Ok(_) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
    written
}

/// Why a record cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The entry's bytes are not canonical.
    Entry(DecodeError),
    /// The entry's bytes are those of another stream or seqno than its row says.
    EntryMismatch,
    /// The field, named as in the line, has a value that the format does not have there.
    Field(&'static str),
    /// The line would be longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// Of a record of a later version no more is known than its kind.
    Unknown,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Entry(error) => write!(f, "the entry's bytes are not canonical: {error}"),
            WriteError::EntryMismatch => f.write_str("the entry's bytes are not those of its stream and seqno"),
            WriteError::Field(name) => write!(f, "the field '{name}' has a value that the format does not have there"),
            WriteError::TooLong => f.write_str("the line would be longer than 34 MiB"),
            WriteError::Unknown => f.write_str("a record of a kind that is not known here"),
        }
    }
}

impl std::error::Error for WriteError {}

fn log(w: &mut Writer<'_>, row: &LogRow) -> Result<(), WriteError> {
    check("origin", is_key_name(&row.origin))?;
    w.raw(r#"{"t":"log","v":1,"id":"#);
    w.hex(&row.id);
    w.raw(r#","origin":"#);
    w.name("origin", &row.origin)?;
    w.raw(r#","created":"#);
    w.time("created", &row.created)?;
    w.raw("}");
    Ok(())
}

fn stream(w: &mut Writer<'_>, row: &StreamRow) -> Result<(), WriteError> {
    w.raw(r#"{"t":"stream","name":"#);
    w.name("name", &row.name)?;
    w.raw(r#","tier":""#);
    w.raw(row.rules.tier.as_str());
    w.raw(r#"","suite":""#);
    w.raw(row.rules.suite.name());
    w.raw(r#"","key":"#);
    match row.rules.suite.key_id() {
        Some(id) => w.hex(&id.0),
        None => w.raw("null"),
    }
    w.raw(r#","sign":""#);
    w.raw(row.rules.sign.as_str());
    w.raw(r#"","description":"#);
    match &row.rules.description {
        Some(description) => w.name("description", description)?,
        None => w.raw("null"),
    }
    w.raw(r#","created":"#);
    w.time("created", &row.created)?;
    w.raw(r#","deprecated":"#);
    match &row.deprecated {
        Some(time) => w.time("deprecated", time).map(drop)?,
        None => w.raw("null"),
    }
    w.raw("}");
    Ok(())
}

fn data_key(w: &mut Writer<'_>, row: &DataKeyRow) -> Result<(), WriteError> {
    w.raw(r#"{"t":"dek","id":"#);
    w.hash(&row.id);
    w.raw(r#","stream":"#);
    w.name("stream", &row.stream)?;
    w.raw(r#","first":"#);
    w.number(row.first);
    w.raw(r#","kek":"#);
    w.name("kek", &row.kek)?;
    w.raw(r#","alg":"#);
    w.string("alg", &row.alg)?;
    w.raw(r#","wrapped":"#);
    w.base64(&row.wrapped);
    w.raw(r#","created":"#);
    w.time("created", &row.created)?;
    w.raw("}");
    Ok(())
}

fn entry<'a>(w: &mut Writer<'_>, row: &EntryRow<'a>) -> Result<EntryFacts<'a>, WriteError> {
    let entry = EntryRef::decode(row.bytes).map_err(WriteError::Entry)?;
    if (entry.seqno, entry.stream) != (row.seqno, row.stream) {
        return Err(WriteError::EntryMismatch);
    }
    let severity: Severity = entry.severity.parse().map_err(|_| WriteError::Field("severity"))?;
    // Keys and hashes, and nothing escaped: mostly the only allocation.
    w.out.reserve(row.bytes.len() + 400);
    w.raw(r#"{"t":"entry","version":"#);
    w.number(entry.version);
    w.raw(r#","stream":"#);
    w.name("stream", entry.stream)?;
    w.raw(r#","session":"#);
    w.string("session", entry.session)?;
    w.raw(r#","boot":"#);
    w.string("boot", entry.boot)?;
    w.raw(r#","seqno":"#);
    w.number(entry.seqno);
    w.raw(r#","time":"#);
    let time = w.time("time", entry.time)?;
    w.raw(r#","event":"#);
    w.string("event", entry.event)?;
    w.raw(r#","severity":""#);
    w.raw(entry.severity);
    w.raw(r#"","producer":"#);
    w.string("producer", entry.producer)?;
    w.raw(r#","encoding":"#);
    w.string("encoding", entry.encoding)?;
    w.payload(entry.payload);
    w.raw(r#","prev":"#);
    w.hex(entry.prev);
    w.raw(r#","hash":"#);
    w.hash(&row.hash);
    w.raw("}");
    let EntryRef { stream, session, event, producer, .. } = entry;
    Ok(EntryFacts { stream, session, event, producer, severity, time: Some(time) })
}

fn pruned(w: &mut Writer<'_>, row: &PrunedRow<'_>) -> Result<(), WriteError> {
    w.raw(r#"{"t":"pruned","seqno":"#);
    w.number(row.seqno);
    w.raw(r#","stream":"#);
    w.name("stream", row.stream)?;
    w.raw(r#","hash":"#);
    w.hash(&row.hash);
    w.raw("}");
    Ok(())
}

fn signature(w: &mut Writer<'_>, row: &SignatureRow) -> Result<(), WriteError> {
    match row.of {
        Subject::Entry(seqno) => {
            w.raw(r#"{"t":"signature","of":"entry","seqno":"#);
            w.number(seqno);
        }
        Subject::Segment(id) => {
            w.raw(r#"{"t":"signature","of":"segment","id":"#);
            w.number(id);
        }
    }
    w.raw(r#","identity":"#);
    w.name("identity", &row.identity)?;
    w.raw(r#","alg":"#);
    w.string("alg", &row.alg)?;
    w.raw(r#","key":"#);
    w.base64(&row.key);
    w.raw(r#","sig":"#);
    w.base64(&row.sig);
    w.raw("}");
    Ok(())
}

fn segment(w: &mut Writer<'_>, row: &SegmentRow) -> Result<(), WriteError> {
    w.raw(r#"{"t":"segment","id":"#);
    w.number(row.id);
    w.raw(r#","stream":"#);
    w.name("stream", &row.stream)?;
    w.raw(r#","first":"#);
    w.number(row.first);
    w.raw(r#","last":"#);
    w.number(row.last);
    w.raw(r#","count":"#);
    w.number(row.count);
    w.raw(r#","root":"#);
    w.hash(&row.root);
    w.raw(r#","last_hash":"#);
    w.hash(&row.last_hash);
    w.raw(r#","prev":"#);
    w.hash(&row.prev);
    w.raw(r#","boot":"#);
    w.string("boot", &row.boot)?;
    w.raw(r#","session":"#);
    w.string("session", &row.session)?;
    w.raw(r#","policy":"#);
    w.hash(&row.policy);
    w.raw(r#","closed":"#);
    w.time("closed", &row.closed)?;
    w.raw("}");
    Ok(())
}

fn witness(w: &mut Writer<'_>, row: &WitnessRow) -> Result<(), WriteError> {
    w.raw(r#"{"t":"witness","size":"#);
    w.number(row.size);
    w.raw(r#","name":"#);
    w.name("name", &row.name)?;
    w.raw(r#","at":"#);
    w.time("at", &row.at)?;
    w.raw(r#","result":""#);
    w.raw(row.result.as_str());
    w.raw(r#"","detail":"#);
    w.string("detail", &row.detail)?;
    w.raw("}");
    Ok(())
}

fn head(w: &mut Writer<'_>, row: &HeadRow) -> Result<(), WriteError> {
    check("sigs", row.sigs.len() <= MAX_SIGNATURES)?;
    w.raw(r#"{"t":"head","size":"#);
    w.number(row.size);
    w.raw(r#","root":"#);
    w.hash(&row.root);
    w.raw(r#","sigs":["#);
    for (index, line) in row.sigs.iter().enumerate() {
        w.raw(if index == 0 { "" } else { "," });
        w.string("sigs", line)?;
    }
    w.raw("]}");
    Ok(())
}

fn check(field: &'static str, good: bool) -> Result<(), WriteError> {
    if good { Ok(()) } else { Err(WriteError::Field(field)) }
}

/// Its small steps are always inlined: as calls, each of which copies a few bytes, they cost a component a tenth of what a
/// line does in all.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut Vec<u8>,
}

impl Writer<'_> {
    #[inline(always)]
    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    #[inline(always)]
    pub(super) fn number(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    #[inline(always)]
    pub(super) fn hash(&mut self, hash: &Hash) {
        self.hex(&hash.0);
    }

    #[inline(always)]
    pub(super) fn hex(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + 2 * bytes.len(), 0);
        const_hex::encode_to_slice(bytes, &mut self.out[start..]).expect("the place has twice the bytes' length");
        self.out.push(b'"');
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        // Four characters for every three bytes begun.
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        BASE64.encode_slice(bytes, &mut self.out[start..]).expect("the place has the length of padded base64");
        self.out.push(b'"');
    }

    fn time(&mut self, field: &'static str, time: &str) -> Result<Timestamp, WriteError> {
        let instant = time.parse().map_err(|_| WriteError::Field(field))?;
        self.out.push(b'"');
        self.raw(time);
        self.out.push(b'"');
        Ok(instant)
    }

    #[inline(always)]
    pub(super) fn name(&mut self, field: &'static str, name: &str) -> Result<(), WriteError> {
        check(field, (1..=MAX_NAME_BYTES).contains(&name.len()))?;
        self.string(field, name)
    }

    #[inline(always)]
    fn string(&mut self, field: &'static str, text: &str) -> Result<(), WriteError> {
        check(field, self.text(text.as_bytes(), |b| b < 0x20 || b == 0x7f))
    }

    /// Writes text that may have line breaks and tabs.
    pub(super) fn plain_text(&mut self, field: &'static str, text: &str) -> Result<(), WriteError> {
        check(field, self.text(text.as_bytes(), is_forbidden_in_text))
    }

    fn payload(&mut self, payload: &[u8]) {
        let start = self.out.len();
        self.raw(r#","text":"#);
        if core::str::from_utf8(payload).is_err() || !self.text(payload, is_forbidden_in_text) {
            self.out.truncate(start);
            self.raw(r#","b64":"#);
            self.base64(payload);
        }
    }

    /// Writes a string, up to a byte that is `forbidden` in it; whether there is none.
    fn text(&mut self, mut text: &[u8], forbidden: impl Fn(u8) -> bool) -> bool {
        self.out.push(b'"');
        loop {
            let (plain, rest) = text.split_at(special_at(text));
            self.out.extend_from_slice(plain);
            let Some((&byte, rest)) = rest.split_first() else { break };
            if forbidden(byte) {
                return false;
            }
            self.out.extend_from_slice(match byte {
                b'"' => br#"\""#,
                b'\\' => br"\\",
                b'\n' => br"\n",
                b'\r' => br"\r",
                b'\t' => br"\t",
                _ => unreachable!("every other special byte is forbidden in every string"),
            });
            text = rest;
        }
        self.out.push(b'"');
        true
    }
}
