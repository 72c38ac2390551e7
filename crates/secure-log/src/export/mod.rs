//! Entries in the forms that other programs read (docs/export.md).
//!
//! [`SecureLog::export`](crate::engine::SecureLog::export) gives them out page by page, and
//! [`SecureLog::write_export`](crate::engine::SecureLog::write_export) writes them to any [`io::Write`]. What a row holds is
//! enough to encode its entry again and to re-hash it, unless its payload was opened, and each names the hash of the entry
//! before it in its stream.

mod csv;
mod json;
mod ocsf;
mod otlp;
mod row;

use core::fmt;
use core::str::FromStr;
use std::io;

use crate::entry::UnknownName;
use crate::error::LogError;
use crate::hash::Hash;
use crate::record::LogRow;

pub(crate) use row::{Content, ExportRow};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The lines of format.md s.7: the whole log, to be verified as it is and imported, or a part of it as an evidence bundle.
    JsonLines,
    /// RFC 4180, with a header.
    Csv,
    /// One OCSF 1.9 event a line.
    Ocsf,
    /// One `LogsData` of OpenTelemetry a line, in OTLP/JSON.
    Otlp,
}

impl Format {
    /// All of them, by their names.
    pub const NAMES: [(Format, &'static str); 4] =
        [(Format::JsonLines, "jsonl"), (Format::Csv, "csv"), (Format::Ocsf, "ocsf"), (Format::Otlp, "otlp")];
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Format, UnknownName> {
        Format::NAMES.into_iter().find(|(_, name)| *name == text).map(|(format, _)| format).ok_or(UnknownName)
    }
}

/// Which entries are exported, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// The form.
    pub format: Format,
    /// Only entries of this stream.
    pub stream: Option<String>,
    /// The first seqno.
    pub from: u64,
    /// The last seqno; one beyond the log's end means its end.
    pub to: u64,
    /// Sealed payloads are opened with the keys of the keystore, and stand there in clear.
    pub open: bool,
}

impl ExportOptions {
    /// The whole log in this form, with sealed payloads as they are.
    pub fn new(format: Format) -> ExportOptions {
        ExportOptions { format, stream: None, from: 1, to: u64::MAX, open: false }
    }
}

/// What was exported so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries, gone or not.
    pub entries: u64,
    /// Seqno and hash of the last of them. Who compares them with the log finds that the end of an export is missing.
    pub last: Option<(u64, Hash)>,
    /// Bytes.
    pub bytes: u64,
}

/// Why an export was not written, or not all of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportFailure {
    /// The log gave none out. What was written before is not to be used.
    Log(LogError),
    /// It could not be written.
    Output(io::Error),
}

impl From<LogError> for ExportFailure {
    fn from(error: LogError) -> ExportFailure {
        ExportFailure::Log(error)
    }
}

impl fmt::Display for ExportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportFailure::Log(error) => error.fmt(f),
            ExportFailure::Output(error) => write!(f, "the export cannot be written: {error}"),
        }
    }
}

impl std::error::Error for ExportFailure {}

/// Writes the rows of one page.
pub(crate) struct PageWriter<'p> {
    format: Format,
    log: &'p LogRow,
    pub(crate) out: Vec<u8>,
    rows: usize,
}

impl<'p> PageWriter<'p> {
    /// `first`: it is the first page of the export.
    pub(crate) fn begin(format: Format, log: &'p LogRow, first: bool) -> PageWriter<'p> {
        let mut out = Vec::new();
        if format == Format::Csv && first {
            csv::header(&mut out);
        }
        PageWriter { format, log, out, rows: 0 }
    }

    pub(crate) fn push(&mut self, row: &ExportRow<'_>) {
        match self.format {
            Format::Csv => csv::row(row, &mut self.out),
            Format::Ocsf => ocsf::row(row, self.log, &mut self.out),
            Format::Otlp => {
                if self.rows == 0 {
                    otlp::begin(self.log, &mut self.out);
                }
                otlp::row(row, self.rows == 0, &mut self.out);
            }
            // Those are the log's own lines, which are written where they are read.
            Format::JsonLines => {}
        }
        self.rows += 1;
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        if self.format == Format::Otlp && self.rows > 0 {
            otlp::end(&mut self.out);
        }
        self.out
    }
}
