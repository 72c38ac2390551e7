//! Reading a line.

use core::fmt;
use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::canonical;
use super::facts::EntryHead;
use super::line::{EntryLine, Line, LogLine, PrunedLine, StreamLine, UnknownLine};
use super::scan::{Content, Malformed, Scanner};
use super::{MAX_LINE_BYTES, MAX_NAME_BYTES, is_text};
use crate::entry::{Severity, StreamRules};
use crate::hash::{Hash, KeyId, Suite};
use crate::note::MAX_SIGNATURES;
use crate::record::{
    DataKeyRow, HeadRow, LogRow, SegmentRow, SignatureRow, StreamRow, Subject, WitnessResult, WitnessRow,
};
use crate::time::Timestamp;

/// Reads one line, without its newline, strictly: this version's records in their one spelling, and of others the kind.
pub fn parse_line(line: &[u8]) -> Result<Line<'_>, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::Malformed { detail: "longer than 34 MiB" });
    }
    let line = core::str::from_utf8(line).map_err(|_| LineError::Malformed { detail: "not UTF-8" })?;
    record(&mut Scanner::new(line)).map_err(|detail| LineError::Malformed { detail })
}

/// The head of the line of an entry, read as [`parse_line`] reads it; what stands behind it is not looked at. `None` for another
/// line.
pub fn parse_entry_head(line: &[u8]) -> Option<EntryHead<'_>> {
    let line = core::str::from_utf8(line).ok()?;
    let mut s = Scanner::new(line);
    s.literal(r#"{"t":"entry""#).ok()?;
    entry_head(&mut s).ok()
}

/// Why a line is not a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// It is not well spelled, or a known record with other keys or types.
    Malformed {
        /// What is wrong.
        detail: &'static str,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Malformed { detail } => write!(f, "malformed: {detail}"),
        }
    }
}

impl std::error::Error for LineError {}

fn record<'a>(s: &mut Scanner<'a>) -> Result<Line<'a>, Malformed> {
    s.literal(r#"{"t":"#)?;
    let kind = s.string()?;
    let line = match &*kind {
        "entry" => Line::Entry(entry(s)?),
        "head" => Line::Head(head(s)?),
        "pruned" => Line::Pruned(pruned(s)?),
        "signature" => Line::Signature(signature(s)?),
        "segment" => Line::Segment(segment(s)?),
        "stream" => Line::Stream(stream(s)?),
        "log" => Line::Log(log(s)?),
        "dek" => Line::DataKey(data_key(s)?),
        "witness" => Line::Witness(witness(s)?),
        _ => {
            canonical::rest_of_object(s)?;
            return Ok(Line::Unknown(UnknownLine { kind }));
        }
    };
    s.literal("}")?;
    s.end()?;
    Ok(line)
}

fn log(s: &mut Scanner<'_>) -> Result<LogLine, Malformed> {
    s.literal(r#","v":"#)?;
    let version = s.number()?;
    s.literal(r#","id":"#)?;
    let id = s.hex()?;
    s.literal(r#","origin":"#)?;
    let origin = name(s)?.into_owned();
    s.literal(r#","created":"#)?;
    let created = time(s)?.into();
    Ok(LogLine { version, row: LogRow { id, origin, created } })
}

fn stream(s: &mut Scanner<'_>) -> Result<StreamLine, Malformed> {
    s.literal(r#","name":"#)?;
    let name = name(s)?.into_owned();
    s.literal(r#","tier":"#)?;
    let tier = word(s)?;
    s.literal(r#","suite":"#)?;
    let suite = s.string()?;
    if !matches!(&*suite, "sha-256" | "blake3" | "hmac-sha-256") {
        return Err("not a suite of the format");
    }
    s.literal(r#","key":"#)?;
    let key = if s.take("null") { None } else { Some(KeyId(s.hex()?)) };
    let suite = Suite::from_parts(&suite, key);
    s.literal(r#","sign":"#)?;
    let sign = word(s)?;
    s.literal(r#","description":"#)?;
    let description = if s.take("null") { None } else { Some(self::name(s)?.into_owned()) };
    s.literal(r#","created":"#)?;
    let created = time(s)?.into();
    s.literal(r#","deprecated":"#)?;
    let deprecated = if s.take("null") { None } else { Some(time(s)?.into()) };
    let rules = StreamRules { tier, suite: suite.unwrap_or_default(), sign, description };
    Ok(StreamLine { row: StreamRow { name, rules, created, deprecated }, suite_fits: suite.is_some() })
}

fn data_key(s: &mut Scanner<'_>) -> Result<DataKeyRow, Malformed> {
    s.literal(r#","id":"#)?;
    let id = hash(s)?;
    s.literal(r#","stream":"#)?;
    let stream = name(s)?.into_owned();
    s.literal(r#","first":"#)?;
    let first = s.number()?;
    s.literal(r#","kek":"#)?;
    let kek = name(s)?.into_owned();
    s.literal(r#","alg":"#)?;
    let alg = s.string()?.into_owned();
    s.literal(r#","wrapped":"#)?;
    let wrapped = base64(s)?;
    s.literal(r#","created":"#)?;
    let created = time(s)?.into();
    Ok(DataKeyRow { id, stream, first, kek, alg, wrapped, created })
}

fn entry<'a>(s: &mut Scanner<'a>) -> Result<EntryLine<'a>, Malformed> {
    let EntryHead { version, stream, session, boot, seqno, time, event, severity, producer } = entry_head(s)?;
    s.literal(r#","encoding":"#)?;
    let encoding = s.string()?;
    let (payload, payload_form_fits) = payload(s)?;
    s.literal(r#","prev":"#)?;
    let prev = hash(s)?;
    s.literal(r#","hash":"#)?;
    let hash = hash(s)?;
    Ok(EntryLine {
        version,
        stream,
        session,
        boot,
        seqno,
        time,
        event,
        severity,
        producer,
        encoding,
        payload,
        payload_form_fits,
        prev,
        hash,
    })
}

fn entry_head<'a>(s: &mut Scanner<'a>) -> Result<EntryHead<'a>, Malformed> {
    s.literal(r#","version":"#)?;
    let version = s.number()?;
    s.literal(r#","stream":"#)?;
    let stream = name(s)?;
    s.literal(r#","session":"#)?;
    let session = s.string()?;
    s.literal(r#","boot":"#)?;
    let boot = s.string()?;
    s.literal(r#","seqno":"#)?;
    let seqno = s.number()?;
    s.literal(r#","time":"#)?;
    let time = time(s)?;
    s.literal(r#","event":"#)?;
    let event = s.string()?;
    s.literal(r#","severity":"#)?;
    let severity = word::<Severity>(s)?;
    s.literal(r#","producer":"#)?;
    let producer = s.string()?;
    Ok(EntryHead { version, stream, session, boot, seqno, time, event, severity, producer })
}

/// The payload, and whether it stands in the right one of its two forms.
fn payload<'a>(s: &mut Scanner<'a>) -> Result<(Cow<'a, [u8]>, bool), Malformed> {
    if s.take(r#","text":"#) {
        let (text, content) = s.any_string()?;
        let payload = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        return Ok((payload, content != Content::Control));
    }
    s.literal(r#","b64":"#)?;
    let payload = base64(s)?;
    let fits = !is_text(&payload);
    Ok((Cow::Owned(payload), fits))
}

fn pruned<'a>(s: &mut Scanner<'a>) -> Result<PrunedLine<'a>, Malformed> {
    s.literal(r#","seqno":"#)?;
    let seqno = s.number()?;
    s.literal(r#","stream":"#)?;
    let stream = name(s)?;
    s.literal(r#","hash":"#)?;
    let hash = hash(s)?;
    Ok(PrunedLine { seqno, stream, hash })
}

fn signature(s: &mut Scanner<'_>) -> Result<SignatureRow, Malformed> {
    let of = if s.take(r#","of":"entry","seqno":"#) {
        Subject::Entry(s.number()?)
    } else {
        s.literal(r#","of":"segment","id":"#)?;
        Subject::Segment(s.number()?)
    };
    s.literal(r#","identity":"#)?;
    let identity = name(s)?.into_owned();
    s.literal(r#","alg":"#)?;
    let alg = s.string()?.into_owned();
    s.literal(r#","key":"#)?;
    let key = base64(s)?;
    s.literal(r#","sig":"#)?;
    let sig = base64(s)?;
    Ok(SignatureRow { of, identity, alg, key, sig })
}

fn segment(s: &mut Scanner<'_>) -> Result<SegmentRow, Malformed> {
    s.literal(r#","id":"#)?;
    let id = s.number()?;
    s.literal(r#","stream":"#)?;
    let stream = name(s)?.into_owned();
    s.literal(r#","first":"#)?;
    let first = s.number()?;
    s.literal(r#","last":"#)?;
    let last = s.number()?;
    s.literal(r#","count":"#)?;
    let count = s.number()?;
    s.literal(r#","root":"#)?;
    let root = hash(s)?;
    s.literal(r#","last_hash":"#)?;
    let last_hash = hash(s)?;
    s.literal(r#","prev":"#)?;
    let prev = hash(s)?;
    s.literal(r#","boot":"#)?;
    let boot = s.string()?.into_owned();
    s.literal(r#","session":"#)?;
    let session = s.string()?.into_owned();
    s.literal(r#","policy":"#)?;
    let policy = hash(s)?;
    s.literal(r#","closed":"#)?;
    let closed = time(s)?.into();
    Ok(SegmentRow { id, stream, first, last, count, root, last_hash, prev, boot, session, policy, closed })
}

fn witness(s: &mut Scanner<'_>) -> Result<WitnessRow, Malformed> {
    s.literal(r#","size":"#)?;
    let size = s.number()?;
    s.literal(r#","name":"#)?;
    let name = name(s)?.into_owned();
    s.literal(r#","at":"#)?;
    let at = time(s)?.into();
    s.literal(r#","result":"#)?;
    let result = s.string()?;
    let result = WitnessResult::NAMES.into_iter().find(|(_, name)| *name == result);
    let (result, _) = result.ok_or("not a result that a witness has")?;
    s.literal(r#","detail":"#)?;
    let detail = s.string()?.into_owned();
    Ok(WitnessRow { size, name, at, result, detail })
}

fn head(s: &mut Scanner<'_>) -> Result<HeadRow, Malformed> {
    s.literal(r#","size":"#)?;
    let size = s.number()?;
    s.literal(r#","root":"#)?;
    let root = hash(s)?;
    s.literal(r#","sigs":["#)?;
    let mut sigs = Vec::new();
    while !s.take("]") {
        if !sigs.is_empty() {
            s.literal(",")?;
        }
        if sigs.len() == MAX_SIGNATURES {
            return Err("more than 64 signatures");
        }
        sigs.push(s.string()?.into_owned());
    }
    Ok(HeadRow { size, root, sigs })
}

pub(super) fn name<'a>(s: &mut Scanner<'a>) -> Result<Cow<'a, str>, Malformed> {
    let name = s.string()?;
    if (1..=MAX_NAME_BYTES).contains(&name.len()) { Ok(name) } else { Err("a name that is empty or too long") }
}

fn word<T: core::str::FromStr>(s: &mut Scanner<'_>) -> Result<T, Malformed> {
    s.string()?.parse().map_err(|_| "not a word that the format has here")
}

fn time<'a>(s: &mut Scanner<'a>) -> Result<&'a str, Malformed> {
    match s.string()? {
        Cow::Borrowed(time) if Timestamp::is_valid(time) => Ok(time),
        _ => Err("not a real time in its one spelling"),
    }
}

fn hash(s: &mut Scanner<'_>) -> Result<Hash, Malformed> {
    s.hex().map(Hash)
}

fn base64(s: &mut Scanner<'_>) -> Result<Vec<u8>, Malformed> {
    BASE64.decode(s.string()?.as_bytes()).map_err(|_| "not base64 in its one spelling")
}
