//! The records of a log: what stands in a commit, what a store keeps, what a verifier reads.
//!
//! Each is one line of format.md s.7. An entry is kept as its canonical bytes, the very bytes that are hashed,
//! so that reading one back and re-hashing it needs no second encoding.

use core::fmt;

use crate::entry::{CheckpointRef, StreamRules, policy_hash};
use crate::hash::Hash;
use crate::limits::MAX_TEXT_BYTES;
use crate::verify::Quoted;

/// What identifies a log. Stands first, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// 16 random bytes, drawn when the log was made.
    pub id: [u8; 16],
    /// The name under which its heads are signed.
    pub origin: String,
    /// When it was made.
    pub created: String,
}

/// A stream and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRow {
    /// Its name.
    pub name: String,
    /// What it was created with.
    pub rules: StreamRules,
    /// When it was made.
    pub created: String,
    /// When it was closed to producers, if it was.
    pub deprecated: Option<String>,
}

impl StreamRow {
    /// What binds the rules: `prev` of the stream's first entry.
    pub fn policy_hash(&self, log: &LogRow) -> Hash {
        policy_hash(&log.id, &log.created, &self.name, &self.created, &self.rules)
    }
}

/// A wrapped data key (format.md s.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKeyRow {
    /// Commits to the key.
    pub id: Hash,
    /// The stream whose payloads it seals.
    pub stream: String,
    /// The first entry that it seals; 0 for a pseudonym key.
    pub first: u64,
    /// Label of the key that wraps it.
    pub kek: String,
    /// How it is wrapped.
    pub alg: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created: String,
}

/// An entry, as its canonical bytes and their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRow<'a> {
    /// Position in the log.
    pub seqno: u64,
    /// The stream that it belongs to.
    pub stream: &'a str,
    /// The entry-hash as it was written. A verifier recomputes it.
    pub hash: Hash,
    /// The canonical bytes (format.md s.2).
    pub bytes: &'a [u8],
}

/// What stands where an entry was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrunedRow<'a> {
    /// Position in the log.
    pub seqno: u64,
    /// The stream that it belonged to.
    pub stream: &'a str,
    /// The hash that it had.
    pub hash: Hash,
}

/// What a signature is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The entry with this seqno.
    Entry(u64),
    /// The segment with this id.
    Segment(u64),
}

/// A signature of an entry or of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureRow {
    /// What it signs.
    pub of: Subject,
    /// Who says to have signed.
    pub identity: String,
    /// The algorithm's name.
    pub alg: String,
    /// The public key, in the algorithm's form (format.md s.5).
    pub key: Vec<u8>,
    /// The signature.
    pub sig: Vec<u8>,
}

/// A closed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRow {
    /// Dense over the log, from 1.
    pub id: u64,
    /// The stream.
    pub stream: String,
    /// Seqno of its first entry.
    pub first: u64,
    /// Seqno of its last entry.
    pub last: u64,
    /// How many entries it has.
    pub count: u64,
    /// Merkle root over their hashes.
    pub root: Hash,
    /// Hash of the last one.
    pub last_hash: Hash,
    /// Checkpoint hash of the stream's previous segment, or [`Hash::ZERO`].
    pub prev: Hash,
    /// Boot of the last entry.
    pub boot: String,
    /// Session of the last entry.
    pub session: String,
    /// The stream's policy hash.
    pub policy: Hash,
    /// When it was closed.
    pub closed: String,
}

impl SegmentRow {
    /// The fields that its checkpoint hashes.
    pub fn checkpoint(&self) -> CheckpointRef<'_> {
        CheckpointRef {
            version: 1,
            stream: &self.stream,
            segment_id: self.id,
            first: self.first,
            last: self.last,
            root: &self.root.0,
            last_hash: &self.last_hash.0,
            prev: &self.prev.0,
            boot: &self.boot,
            session: &self.session,
            policy: &self.policy.0,
            closed: &self.closed,
        }
    }
}

/// What a witness answered when it was sent a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WitnessResult {
    /// It cosigned.
    Cosigned,
    /// It knows another head.
    Conflict,
    /// It refused.
    Refused,
    /// It did not answer.
    Unreachable,
}

impl WitnessResult {
    /// All results, with their names in the format.
    pub const NAMES: [(WitnessResult, &'static str); 4] = [
        (WitnessResult::Cosigned, "cosigned"),
        (WitnessResult::Conflict, "conflict"),
        (WitnessResult::Refused, "refused"),
        (WitnessResult::Unreachable, "unreachable"),
    ];

    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A witness's answer, kept for the operator. No proof rests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessRow {
    /// Size of the head that it was sent.
    pub size: u64,
    /// The witness's name.
    pub name: String,
    /// When.
    pub at: String,
    /// What it answered.
    pub result: WitnessResult,
    /// In its own words.
    pub detail: String,
}

/// A head (format.md s.6): the end of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRow {
    /// How many entries it covers.
    pub size: u64,
    /// Root of the log tree of that size.
    pub root: Hash,
    /// Signature lines of its note, each without the leading dash: `<key name> <base64>`.
    pub sigs: Vec<String>,
}

/// A record that a later version of the format has and this one does not. What else it says is not looked at: it can be
/// named, and neither checked nor written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRow<'a> {
    /// Which kind of record it says it is.
    pub kind: &'a str,
}

impl fmt::Display for UnknownRow<'_> {
    /// A kind may be as long as a line. No more of it is shown than a name has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.kind[..self.kind.floor_char_boundary(MAX_TEXT_BYTES)];
        let more = if shown.len() < self.kind.len() { ".." } else { "" };
        write!(f, "unknown record {}{more}", Quoted(shown))
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's type says what it is")]
pub enum Record<'a> {
    Log(&'a LogRow),
    Stream(&'a StreamRow),
    DataKey(&'a DataKeyRow),
    Entry(EntryRow<'a>),
    Pruned(PrunedRow<'a>),
    Signature(&'a SignatureRow),
    Segment(&'a SegmentRow),
    Witness(&'a WitnessRow),
    Head(&'a HeadRow),
    Unknown(UnknownRow<'a>),
}

impl<'a> Record<'a> {
    /// The stream that the record belongs to, or makes.
    pub fn stream(&self) -> Option<&'a str> {
        match *self {
            Record::Stream(row) => Some(&row.name),
            Record::DataKey(row) => Some(&row.stream),
            Record::Entry(row) => Some(row.stream),
            Record::Pruned(row) => Some(row.stream),
            Record::Segment(row) => Some(&row.stream),
            Record::Log(_) | Record::Signature(_) | Record::Witness(_) | Record::Head(_) | Record::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_record_is_shown_in_bounded_length_and_without_control_characters() {
        let shown = |kind: &str| UnknownRow { kind }.to_string();
        assert_eq!(shown("mystery"), "unknown record 'mystery'");
        assert_eq!(shown("a\u{1b}[2J"), "unknown record 'a\\x1b[2J'");
        assert_eq!(shown(&"é".repeat(1000)), format!("unknown record '{}'..", "é".repeat(127)));
    }
}
