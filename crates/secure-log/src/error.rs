//! Why the log did not do what it was asked.

use core::fmt;

use crate::hash::{Hash, KeyId};
use crate::limits::Invalid;
use crate::providers::{AnchorError, KeyError, RandomError};
use crate::store::StoreError;
use crate::verify::Finding;

/// Why a call failed. Each variant says what the caller should conclude.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LogError {
    /// The store holds no log, and none was to be made; nothing was written.
    LogNotFound {
        /// The name of the log that was asked for, if one was.
        origin: Option<String>,
    },
    /// No entry has this seqno, or it was pruned.
    EntryNotFound(u64),
    /// No stream has this name.
    StreamNotFound(String),
    /// A stream of this name exists.
    StreamExists(String),
    /// The stream takes no more entries.
    StreamDeprecated(String),
    /// The log was closed with this many entries, to be archived, and takes no more. Another one continues it.
    LogClosed {
        /// The log's size.
        size: u64,
    },
    /// Who appends to this stream seals: it is not public, and nothing goes into it in clear. Nothing was written.
    StreamProtected(String),
    /// Nothing is sealed in this stream, which is public or not there: what was to be secret was not written in clear.
    StreamNotProtected(String),
    /// The payload of this entry is not sealed: read it.
    NotSealed(u64),
    /// The data key of this entry was erased on record: nobody opens it again.
    PayloadErased(u64),
    /// The data key of this entry is gone, and no entry says that it was erased: somebody deleted it.
    DataKeyMissing(u64),
    /// This data key, or key for pseudonyms, is not what the key with this label wrapped under this id: its line was changed or
    /// swapped, or the label is another key's now.
    DataKeyRefused {
        /// What the format calls it.
        id: Hash,
        /// Label of the key that is said to wrap it.
        kek: String,
    },
    /// The payload of this entry is not what its data key sealed under this stream and encoding.
    PayloadRefused(u64),
    /// The key for pseudonyms of this highly-restricted stream was erased or deleted: nothing can be appended to it.
    PseudonymKeyMissing(String),
    /// A data key seals more than was to be erased; nothing was written. Erase all of what it seals, or close segments more often.
    ErasesMore {
        /// The first entry that the key seals.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// What the store answered does not fit the hashes at this entry.
    ChainBroken {
        /// The entry.
        seqno: u64,
        /// What does not fit.
        reason: &'static str,
    },
    /// The proof does not prove this entry under this root.
    InclusionMismatch {
        /// The entry.
        seqno: u64,
        /// The segment.
        segment: u64,
    },
    /// No segment has this id; 0 for the open segment of a stream.
    SegmentNotFound(u64),
    /// No commit ended with a head of this size, so that nobody can have signed one.
    HeadNotFound(u64),
    /// The head of this size carries no signature of a key of the log.
    HeadUnsigned(u64),
    /// The entry came after the log had this size.
    NotCovered {
        /// The entry.
        seqno: u64,
        /// The size.
        size: u64,
    },
    /// Nothing can be proven from the one size to the other: the first is 0, or larger.
    UnprovableSizes {
        /// The size that should be the smaller one.
        old: u64,
        /// The size that should be the larger one.
        new: u64,
    },
    /// Nothing was appended to this stream since its last close.
    EmptySegment(String),
    /// This version cannot do that; nothing was written.
    NotImplemented(&'static str),
    /// An argument breaks a limit; nothing was written.
    Invalid(Invalid),
    /// Other writers were faster, several times in a row; nothing was written: call again.
    Conflict,
    /// The store is behind what the anchor or this log has seen: it was rolled back or cut. Stop.
    Rollback {
        /// The size that it should have at least.
        expected: u64,
        /// The size that it has.
        found: u64,
    },
    /// The store or the anchor shows a history that does not extend the one known here. Stop.
    Fork {
        /// The size that is known here.
        expected: u64,
        /// The size of what does not fit.
        found: u64,
    },
    /// An anchor is configured and does not know of this log. Stop until an operator has looked.
    AnchorMissing {
        /// The log's size.
        size: u64,
    },
    /// The anchor did not answer.
    Anchor(AnchorError),
    /// No trusted key signed a head over these entries. Nothing is written until an operator chooses.
    Unattested {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The rules of this stream, or the identity of the log, are not those that the hashes are bound to. Stop.
    PolicyMismatch(String),
    /// A check of the record failed.
    InvalidRecord(Box<Finding>),
    /// A key is missing, may not be used, or failed.
    Key(KeyError),
    /// The key that was to sign ended: the log goes on under another one. Open it with that one's label.
    KeyEnded {
        /// The label of the key.
        identity: String,
        /// The last seqno that it speaks for.
        last: u64,
        /// The key that came after it, as name and id.
        successor: String,
    },
    /// Entries of the keyed suite under a key that is not the configured one cannot be re-hashed.
    MacKeyMissing {
        /// The stream.
        stream: String,
        /// The key that is configured, if one is.
        configured: Option<KeyId>,
    },
    /// No random bytes.
    Random(RandomError),
    /// The store failed. After a write its outcome is unknown; the state is read again before the next one.
    Store(StoreError),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::LogNotFound { origin } => {
                let named = origin.as_ref().map_or(String::new(), |origin| format!(" {origin:?}"));
                write!(
                    f,
                    "the store holds no log{named}: check what it was opened on; to make a log, open it with Absent::Make"
                )
            }
            LogError::EntryNotFound(seqno) => write!(f, "there is no entry {seqno}, or it was pruned"),
            LogError::StreamNotFound(name) => write!(f, "there is no stream {name:?}"),
            LogError::StreamExists(name) => write!(f, "there is a stream {name:?} already"),
            LogError::StreamDeprecated(name) => write!(f, "stream {name:?} was deprecated and takes no more entries"),
            LogError::LogClosed { size } => write!(
                f,
                "the log was closed with {size} entries, to be archived, and takes no more: write to the one that continues it"
            ),
            LogError::StreamProtected(name) => {
                write!(f, "stream {name:?} is protected: what is appended to it has to be sealed")
            }
            LogError::StreamNotProtected(name) => {
                write!(f, "stream {name:?} is public or not there, and seals nothing: make a protected stream first")
            }
            LogError::NotSealed(seqno) => write!(f, "the payload of entry {seqno} is not sealed"),
            LogError::PayloadErased(seqno) => write!(f, "the payload of entry {seqno} was erased"),
            LogError::DataKeyMissing(seqno) => {
                write!(f, "the data key of entry {seqno} is gone, and no entry says that it was erased")
            }
            LogError::DataKeyRefused { id, kek } => write!(
                f,
                "the data key {id} is not what the key {kek:?} wrapped: it was changed, or {kek:?} is another key now"
            ),
            LogError::PayloadRefused(seqno) => {
                write!(f, "the payload of entry {seqno} is not what its data key sealed for its stream and encoding")
            }
            LogError::PseudonymKeyMissing(name) => write!(
                f,
                "the key for pseudonyms of stream {name:?} was erased or deleted: nothing can be appended to it any more"
            ),
            LogError::ErasesMore { first, last } => write!(
                f,
                "a data key seals entries {first} to {last}, which is more than was to be erased: erase all of these"
            ),
            LogError::ChainBroken { seqno, reason } => write!(f, "broken at entry {seqno}: {reason}"),
            LogError::InclusionMismatch { seqno, segment } => {
                write!(f, "the proof does not show that entry {seqno} is in segment {segment}")
            }
            LogError::SegmentNotFound(0) => f.write_str("the entry's segment is not closed yet: close it first"),
            LogError::SegmentNotFound(id) => write!(f, "there is no segment {id}"),
            LogError::HeadNotFound(size) => write!(f, "there is no head of size {size}"),
            LogError::HeadUnsigned(size) => {
                write!(f, "the head of size {size} is not signed by a key of the log: sign the head as it stands now")
            }
            LogError::NotCovered { seqno, size } => write!(f, "a head of size {size} does not cover entry {seqno}"),
            LogError::UnprovableSizes { old, new } => {
                write!(f, "nothing can be proven from size {old} to size {new}: 0 < old <= new")
            }
            LogError::EmptySegment(name) => write!(f, "nothing was appended to {name:?} since its last close"),
            LogError::NotImplemented(what) => write!(f, "this version cannot {what}"),
            LogError::Invalid(invalid) => invalid.fmt(f),
            LogError::Conflict => f.write_str("other writers were faster several times in a row: call again"),
            LogError::Rollback { expected, found } => write!(
                f,
                "the store was rolled back or cut: at least {expected} entries are attested, and it has {found}"
            ),
            LogError::Fork { expected, found } => write!(
                f,
                "two histories: what is shown at size {found} does not extend what is known at size {expected}"
            ),
            LogError::AnchorMissing { size } => write!(
                f,
                "the anchor knows of no such log, and the store has {size} entries: the anchor was emptied, or it is another log's"
            ),
            LogError::Anchor(error) => error.fmt(f),
            LogError::Unattested { first, last } => write!(
                f,
                "no trusted key attests entries {first} to {last}: check that the key is the log's; then recover by adopting them or by setting them aside"
            ),
            LogError::PolicyMismatch(what) => write!(f, "not what the hashes are bound to: {what}"),
            LogError::InvalidRecord(finding) => finding.fmt(f),
            LogError::Key(error) => error.fmt(f),
            LogError::KeyEnded { identity, last, successor } => write!(
                f,
                "the key {identity:?} ended with entry {last}, and the log goes on under {successor:?}: open it with the label of that key (SECURE_LOG_HEAD_IDENTITY)"
            ),
            LogError::MacKeyMissing { stream, configured: None } => {
                write!(
                    f,
                    "stream {stream:?} uses hmac-sha-256, and no key is configured for it: set SECURE_LOG_MAC_LABEL"
                )
            }
            LogError::MacKeyMissing { stream, configured: Some(id) } => {
                write!(f, "stream {stream:?} uses hmac-sha-256 under another key than {id}, the configured one")
            }
            LogError::Random(error) => error.fmt(f),
            LogError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LogError {}

impl From<Invalid> for LogError {
    fn from(invalid: Invalid) -> LogError {
        LogError::Invalid(invalid)
    }
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> LogError {
        LogError::Store(error)
    }
}

impl From<KeyError> for LogError {
    fn from(error: KeyError) -> LogError {
        LogError::Key(error)
    }
}

impl From<AnchorError> for LogError {
    fn from(error: AnchorError) -> LogError {
        LogError::Anchor(error)
    }
}

impl From<RandomError> for LogError {
    fn from(error: RandomError) -> LogError {
        LogError::Random(error)
    }
}
