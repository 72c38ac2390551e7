//! A check that failed: which one, and where.

use core::fmt;

/// A check that failed. The verdict is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub code: FindingCode,
    /// Where.
    pub at: Place,
    /// What is wrong there.
    pub detail: String,
    /// What should have been there, where that can be said in a word.
    pub expected: Option<String>,
    /// What was there instead.
    pub found: Option<String>,
    /// The stream of the record in which it was found, where it is a record of one.
    pub stream: Option<String>,
}

impl Finding {
    /// A failed check.
    pub fn new(code: FindingCode, at: Place, detail: impl Into<String>) -> Finding {
        Finding { code, at, detail: detail.into(), expected: None, found: None, stream: None }
    }

    /// The same, found in a record of a stream.
    pub(super) fn in_stream(mut self, stream: Option<&str>) -> Finding {
        self.stream = self.stream.or_else(|| stream.map(String::from));
        self
    }

    /// The same, with what should have been there and what was.
    pub fn comparing(mut self, expected: impl fmt::Display, found: impl fmt::Display) -> Finding {
        self.expected = Some(expected.to_string());
        self.found = Some(found.to_string());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.code, self.at, self.detail)?;
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => write!(f, " (expected {expected}, found {found})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Finding {}

/// Which check failed (format.md s.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingCode {
    /// Not a record of the format, or one that says what the format forbids.
    Malformed,
    /// A seqno or a segment id is not the next one.
    Gap,
    /// `prev` is not the hash of what precedes the entry in its stream.
    ChainBroken,
    /// The suite changed without an entry that says so.
    Downgrade,
    /// The content does not hash to the entry's hash.
    HashMismatch,
    /// A producer's entry in a stream of the engine's own.
    Reserved,
    /// An entry after its stream was deprecated, or a second deprecation.
    Deprecated,
    /// Against the rules of its stream, or other rules than those that it was created with.
    PolicyMismatch,
    /// A segment is not what its entries make it.
    SegmentMismatch,
    /// A segment, or the entry that says it was closed, is not there.
    SegmentMissing,
    /// A segment of nothing but entries that close segments.
    EmptySegment,
    /// `prev` of a segment is not the stream's last checkpoint hash.
    CheckpointBroken,
    /// A signature does not verify, signs nothing, or is not by a key of its signer's.
    SignatureInvalid,
    /// A signature that the stream's rules require is not there.
    Unsigned,
    /// A head covers more entries than there are.
    Truncated,
    /// A head is not that of the entries before it, or the log is another one.
    HeadMismatch,
    /// What an entry says of a pruning is not so.
    PruneMismatch,
    /// An entry is gone and none says that it may be.
    PruneUnauthorized,
    /// A data key is gone and no entry says that it was erased.
    DekMissing,
    /// A sealed payload does not open with the data key that it names, or to what its stream does not allow.
    SealedMismatch,
    /// A key signed or introduced another one behind its end, or was introduced after it.
    KeyEnded,
    /// A key is introduced under the name of another identity, or is another's.
    KeyConflict,
    /// The hashes of a proof do not lead from what it is of to the root of the head.
    ProofMismatch,
    /// The index of a store is not what the entries say. Reading a file does not know it, as a file has none.
    IndexMismatch,
}

impl FindingCode {
    /// The code's name.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingCode::Malformed => "malformed",
            FindingCode::Gap => "gap",
            FindingCode::ChainBroken => "chain-broken",
            FindingCode::Downgrade => "downgrade",
            FindingCode::HashMismatch => "hash-mismatch",
            FindingCode::Reserved => "reserved",
            FindingCode::Deprecated => "deprecated",
            FindingCode::PolicyMismatch => "policy-mismatch",
            FindingCode::SegmentMismatch => "segment-mismatch",
            FindingCode::SegmentMissing => "segment-missing",
            FindingCode::EmptySegment => "empty-segment",
            FindingCode::CheckpointBroken => "checkpoint-broken",
            FindingCode::SignatureInvalid => "signature-invalid",
            FindingCode::Unsigned => "unsigned",
            FindingCode::Truncated => "truncated",
            FindingCode::HeadMismatch => "head-mismatch",
            FindingCode::PruneMismatch => "prune-mismatch",
            FindingCode::PruneUnauthorized => "prune-unauthorized",
            FindingCode::DekMissing => "dek-missing",
            FindingCode::SealedMismatch => "sealed-mismatch",
            FindingCode::KeyEnded => "key-ended",
            FindingCode::KeyConflict => "key-conflict",
            FindingCode::ProofMismatch => "proof-mismatch",
            FindingCode::IndexMismatch => "index-mismatch",
        }
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// A line of the file, or a record of the store, from 1.
    Line(u64),
    /// What the log says its origin is.
    Origin,
    /// The entry with this seqno.
    Seqno(u64),
    /// A signature of the entry with this seqno.
    Entry(u64),
    /// The segment with this id, or a signature of it.
    Segment(u64),
    /// The head of this size.
    Head(u64),
    /// The stream of this name.
    Stream(String),
    /// The entries from the first to the last of these seqnos.
    Entries(u64, u64),
    /// The index of the store.
    Index,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Origin => f.write_str("the log's origin"),
            Place::Seqno(seqno) => write!(f, "seqno {seqno}"),
            Place::Entry(seqno) => write!(f, "entry {seqno}"),
            Place::Segment(id) => write!(f, "segment {id}"),
            Place::Head(size) => write!(f, "head of size {size}"),
            Place::Stream(name) => write!(f, "stream {}", Quoted(name)),
            Place::Entries(first, last) => write!(f, "entries {first} to {last}"),
            Place::Index => f.write_str("the index"),
        }
    }
}

/// Shows a name that anybody chose: in quotes, and with nothing in it that could disturb a terminal or hide text.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('\'') && !self.0.contains('"') { '"' } else { '\'' };
        write!(f, "{quote}")?;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\t' => f.write_str("\\t")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                _ if c == quote => write!(f, "\\{c}")?,
                _ if is_printable(c) => write!(f, "{c}")?,
                '\0'..='\u{ff}' => write!(f, "\\x{:02x}", c as u32)?,
                '\u{100}'..='\u{ffff}' => write!(f, "\\u{:04x}", c as u32)?,
                _ => write!(f, "\\U{:08x}", c as u32)?,
            }
        }
        write!(f, "{quote}")
    }
}

/// Whether a character shows by itself. The standard library knows, and says so of text only by escaping it; at the
/// beginning of a text it escapes combining characters, too.
pub fn is_printable(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\') || ['a', c].iter().collect::<String>().escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_harm() {
        for (name, shown) in [
            ("plain é e\u{301} 水", "'plain é e\u{301} 水'"),
            ("it's", "\"it's\""),
            ("\"it's\"", "'\"it\\'s\"'"),
            ("\u{1b}[2J\u{7f}\\", "'\\x1b[2J\\x7f\\\\'"),
            ("\u{202e}\u{2028}\u{e0001}\u{a0}", "'\\u202e\\u2028\\U000e0001\\xa0'"),
        ] {
            assert_eq!(Quoted(name).to_string(), shown);
        }
    }

    #[test]
    fn a_finding_says_what_where_and_why() {
        let finding = Finding::new(FindingCode::Gap, Place::Seqno(7), "not the next one").comparing(6, 7);
        assert_eq!(finding.to_string(), "gap at seqno 7: not the next one (expected 6, found 7)");
    }
}
