//! The records of a log as JSON lines: the file store's own format and the export format (format.md s.7).
//!
//! Every record has one spelling. [`write_record`] writes it and [`parse_line`] reads nothing else, so that a byte
//! that was changed is always noticed. A record of a kind that is not known here is named, and no more is read of it than
//! that it is well spelled. What a line means is not judged here: a line that is well spelled and breaks
//! a rule of the format, such as a payload in the wrong one of its two forms, parses, and is refused when it is
//! turned into a record. A verifier has to say first what comes first.

mod bundle;
mod canonical;
mod export;
mod facts;
mod line;
mod parse;
mod scan;
#[cfg(test)]
mod tests;
mod write;

pub use bundle::{BundleLine, parse_bundle_line, write_bundle_line};
pub use export::{ExportError, export};
pub use facts::{EntryFacts, EntryHead};
pub use line::{EntryLine, Line, LogLine, PrunedLine, RowError, StreamLine, UnknownLine};
pub use parse::{LineError, parse_entry_head, parse_line};
pub use write::{WriteError, write_entry, write_record};

/// The longest line, without its newline: 34 MiB (format.md s.7). A payload of 16 MiB, each byte of it escaped, is
/// 32 MiB, and the other fields of its entry fit in the rest.
pub const MAX_LINE_BYTES: usize = 34 << 20;
/// The longest name of a stream, a log or a key (format.md s.7).
pub const MAX_NAME_BYTES: usize = 255;
/// How the line of a head begins, and no other line: where a commit ends.
pub const HEAD_PREFIX: &[u8] = br#"{"t":"head""#;

/// Whether a string may stand in a field that is no payload: it has no control character.
pub fn is_plain(text: &str) -> bool {
    scan::plain_length(text.as_bytes()) == text.len()
}

/// Whether a string may stand in a field that names something: plain, not empty, at most [`MAX_NAME_BYTES`].
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && is_plain(text)
}

/// Whether a payload is written as text: it is UTF-8, and tab, line feed and carriage return are its only control
/// characters.
pub fn is_text(payload: &[u8]) -> bool {
    core::str::from_utf8(payload).is_ok() && !payload.iter().any(|&b| scan::is_forbidden_in_text(b))
}
