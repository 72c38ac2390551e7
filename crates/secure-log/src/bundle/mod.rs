//! Evidence bundles: the smallest file that proves one entry, a range of entries, or a stream to somebody who has the log's
//! verifier key and nothing else (format.md s.11, docs/evidence.md).
//!
//! **In scope**: what a bundle claims, and verifying one, in pieces of any size and in bounded memory.
//! **Out of scope**: making bundles is the engine's work ([`crate::SecureLog::evidence`]); their lines are
//! [`crate::jsonl`]'s; what the lines mean is decided by the verifier of logs ([`crate::verify`]), which a bundle shows a
//! part of a log.
//!
//! | file | holds |
//! |---|---|
//! | `verifier` | the order of lines, and the proofs between them |
//! | `file` | telling a bundle from a log |

mod file;
mod verifier;

pub use crate::bundle::file::FileVerifier;
pub use crate::bundle::verifier::{BundleReport, BundleVerifier, verify_bundle};

/// The longest policy that a bundle proposes: some hundreds of keys.
pub const MAX_HINT_BYTES: usize = 64 << 10;

/// What a bundle claims to prove, and proves if it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// This entry is entry `seqno` of the log.
    Entry {
        /// Its seqno.
        seqno: u64,
    },
    /// These are all entries of the log from `first` to `last`.
    Range {
        /// Seqno of the first.
        first: u64,
        /// Seqno of the last.
        last: u64,
    },
    /// These are all entries of the stream from its first one to `last`. Whether it has later ones is not said.
    Stream {
        /// The stream.
        name: String,
        /// Seqno of its first entry.
        first: u64,
        /// Seqno of the last one that is claimed.
        last: u64,
    },
}

impl Claim {
    /// Its name in the format.
    pub fn kind(&self) -> &'static str {
        match self {
            Claim::Entry { .. } => "entry",
            Claim::Range { .. } => "range",
            Claim::Stream { .. } => "stream",
        }
    }

    /// The stream that it is of, if it is of one.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Claim::Stream { name, .. } => Some(name),
            Claim::Entry { .. } | Claim::Range { .. } => None,
        }
    }

    /// Seqno of the first and of the last entry.
    pub fn range(&self) -> (u64, u64) {
        match *self {
            Claim::Entry { seqno } => (seqno, seqno),
            Claim::Range { first, last } | Claim::Stream { first, last, .. } => (first, last),
        }
    }
}

/// Whether a text may stand in a bundle as a proposed policy: not empty, of at most [`MAX_HINT_BYTES`].
pub(crate) fn is_hint(text: &str) -> bool {
    (1..=MAX_HINT_BYTES).contains(&text.len())
}
