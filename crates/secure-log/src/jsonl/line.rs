//! What a line holds, and the record that it is.

use core::fmt;
use std::borrow::Cow;

use crate::entry::{EntryRef, Severity};
use crate::hash::Hash;
use crate::note::is_key_name;
use crate::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, UnknownRow,
    WitnessRow,
};

/// One line, well spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's type says what it is")]
pub enum Line<'a> {
    Log(LogLine),
    Stream(StreamLine),
    DataKey(DataKeyRow),
    Entry(EntryLine<'a>),
    Pruned(PrunedLine<'a>),
    Signature(SignatureRow),
    Segment(SegmentRow),
    Witness(WitnessRow),
    Head(HeadRow),
    Unknown(UnknownLine<'a>),
}

impl Line<'_> {
    /// The place of an entry, be it there or gone.
    pub fn seqno(&self) -> Option<u64> {
        match self {
            Line::Entry(line) => Some(line.seqno),
            Line::Pruned(line) => Some(line.seqno),
            _ => None,
        }
    }

    /// The stream that the line belongs to, or makes.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Line::Stream(line) => Some(&line.row.name),
            Line::DataKey(row) => Some(&row.stream),
            Line::Entry(line) => Some(&line.stream),
            Line::Pruned(line) => Some(&line.stream),
            Line::Segment(row) => Some(&row.stream),
            Line::Log(_) | Line::Signature(_) | Line::Witness(_) | Line::Head(_) | Line::Unknown(_) => None,
        }
    }

    /// The record that the line is. Canonical bytes of an entry are written to `scratch`, which is cleared first.
    pub fn record<'r>(&'r self, scratch: &'r mut Vec<u8>) -> Result<Record<'r>, RowError> {
        Ok(match self {
            Line::Log(line) => Record::Log(line.row()?),
            Line::Stream(line) => Record::Stream(line.row()?),
            Line::DataKey(row) => Record::DataKey(row),
            Line::Entry(line) => Record::Entry(line.row(scratch)?),
            Line::Pruned(line) => Record::Pruned(line.row()),
            Line::Signature(row) => Record::Signature(row),
            Line::Segment(row) => Record::Segment(row),
            Line::Witness(row) => Record::Witness(row),
            Line::Head(row) => Record::Head(row),
            Line::Unknown(line) => Record::Unknown(line.row()),
        })
    }
}

/// A line that is well spelled and breaks a rule of the format all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowError {
    /// The log is of a version of the format that is not known here.
    LogVersion(u64),
    /// The origin has a space, a control character or a `+`.
    Origin,
    /// The keyed suite, and only it, has a key id.
    SuiteKey,
    /// The payload is written in the wrong one of its two forms.
    PayloadForm,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::LogVersion(version) => write!(f, "log format version {version} is not known here"),
            RowError::Origin => f.write_str("the origin has a space, a control character or a '+'"),
            RowError::SuiteKey => f.write_str("the keyed suite, and only it, has a key id"),
            RowError::PayloadForm => f.write_str("the payload is written in the wrong one of its two forms"),
        }
    }
}

impl std::error::Error for RowError {}

/// The line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub(super) version: u64,
    pub(super) row: LogRow,
}

impl LogLine {
    /// The row, if it is one of this version of the format.
    pub fn row(&self) -> Result<&LogRow, RowError> {
        if self.version != 1 {
            return Err(RowError::LogVersion(self.version));
        }
        if is_key_name(&self.row.origin) { Ok(&self.row) } else { Err(RowError::Origin) }
    }
}

/// The line of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLine {
    pub(super) row: StreamRow,
    /// The suite and the key of the line go together, and are those of the row.
    pub(super) suite_fits: bool,
}

impl StreamLine {
    /// The row, if its suite and its key go together.
    pub fn row(&self) -> Result<&StreamRow, RowError> {
        if self.suite_fits { Ok(&self.row) } else { Err(RowError::SuiteKey) }
    }
}

/// The line of an entry. What is not escaped is borrowed from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of EntryRef")]
pub struct EntryLine<'a> {
    pub version: u64,
    pub stream: Cow<'a, str>,
    pub session: Cow<'a, str>,
    pub boot: Cow<'a, str>,
    pub seqno: u64,
    pub time: &'a str,
    pub event: Cow<'a, str>,
    pub severity: Severity,
    pub producer: Cow<'a, str>,
    pub encoding: Cow<'a, str>,
    pub payload: Cow<'a, [u8]>,
    /// The payload is written as text if it is text, and otherwise as base64.
    pub payload_form_fits: bool,
    pub prev: Hash,
    pub hash: Hash,
}

impl EntryLine<'_> {
    /// The twelve fields that are hashed.
    pub fn entry(&self) -> EntryRef<'_> {
        EntryRef {
            version: self.version,
            stream: &self.stream,
            session: &self.session,
            boot: &self.boot,
            seqno: self.seqno,
            time: self.time,
            event: &self.event,
            severity: self.severity.as_str(),
            producer: &self.producer,
            encoding: &self.encoding,
            payload: &self.payload,
            prev: &self.prev.0,
        }
    }

    /// The row, if its payload is in the right form. The canonical bytes are written to `scratch`, which is cleared first.
    pub fn row<'r>(&'r self, scratch: &'r mut Vec<u8>) -> Result<EntryRow<'r>, RowError> {
        if !self.payload_form_fits {
            return Err(RowError::PayloadForm);
        }
        scratch.clear();
        self.entry().encode_into(scratch);
        Ok(EntryRow { seqno: self.seqno, stream: &self.stream, hash: self.hash, bytes: scratch })
    }
}

/// The line that stands where an entry was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of PrunedRow")]
pub struct PrunedLine<'a> {
    pub seqno: u64,
    pub stream: Cow<'a, str>,
    pub hash: Hash,
}

impl PrunedLine<'_> {
    /// The row.
    pub fn row(&self) -> PrunedRow<'_> {
        PrunedRow { seqno: self.seqno, stream: &self.stream, hash: self.hash }
    }
}

/// The line of a record that a later version of the format has and this one does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the field is that of UnknownRow")]
pub struct UnknownLine<'a> {
    pub kind: Cow<'a, str>,
}

impl UnknownLine<'_> {
    /// The row.
    pub fn row(&self) -> UnknownRow<'_> {
        UnknownRow { kind: &self.kind }
    }
}
