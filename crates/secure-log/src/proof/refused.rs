//! Why something proves nothing.

use core::fmt;

use crate::note::NoteError;
use crate::providers::KeyError;
use crate::tree::ProofError;
use crate::verify::Quoted;

/// Why a head, a proof or evidence is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Not in its one spelling: what is wrong with it.
    Malformed(&'static str),
    /// More bytes than are looked at.
    TooLarge {
        /// The limit.
        limit: usize,
        /// What was given.
        found: usize,
    },
    /// The note is none, or a signature in it that names a known key is not by that key.
    Note(NoteError),
    /// The hashes do not prove it.
    Tree(ProofError),
    /// No signature by a known key of this log: without one nothing can be said.
    UnknownKey {
        /// The log that the head says it is of.
        origin: String,
    },
    /// The witnesses whose cosignatures are asked for have not cosigned the head: without them nothing can be said.
    QuorumNotMet {
        /// The log.
        origin: String,
    },
    /// It is of another log.
    AnotherLog {
        /// The log that was expected.
        expected: String,
        /// The one that it is of.
        found: String,
    },
    /// The entry says that it has another place than the proof.
    AnotherSeqno {
        /// One more than the proof's index.
        expected: u64,
        /// What the entry says.
        found: u64,
    },
    /// The entry is hashed in a way that is not known here: without that nothing can be said.
    UnknownSuite(u64),
    /// The entry is hashed under a key, and none of those that are known leads to the root: another key or another entry.
    MacKeyMissing,
    /// The key of the keyed suite failed.
    Key(KeyError),
    /// The page of a query does not show what it should.
    Page(PageFault),
    /// The heads do not contradict each other.
    NoContradiction,
}

/// What is wrong with a page of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageFault {
    /// A row stands twice, or not where its seqno belongs.
    OutOfOrder,
    /// The rows are not what stands at their places under the head: one was changed, is of another log, or is said to stand elsewhere.
    NotUnderHead,
    /// A row is none of those that were asked for.
    NotAsked,
    /// A row was left out, of a range or a stream of which all was asked for.
    LeftOut,
    /// The page does not begin where the one before it ended.
    Elsewhere,
    /// The rules of the stream, which its first entry is bound to, are missing.
    NoRules,
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PageFault::OutOfOrder => "a row of the page stands twice, or not in its place",
            PageFault::NotUnderHead => "the rows of the page are not what stands at their places under its head",
            PageFault::NotAsked => "a row of the page is none of those that were asked for",
            PageFault::LeftOut => "a row was left out of the page",
            PageFault::Elsewhere => "the page does not begin where the one before it ended",
            PageFault::NoRules => "the page does not have the rules of its stream",
        })
    }
}

impl Refused {
    /// Whether it could not be checked for want of something, as opposed to being wrong.
    pub fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Refused::UnknownKey { .. }
                | Refused::QuorumNotMet { .. }
                | Refused::UnknownSuite(_)
                | Refused::MacKeyMissing
                | Refused::Key(_)
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Malformed(what) => f.write_str(what),
            Refused::TooLarge { limit, found } => write!(f, "at most {limit} bytes, found {found}"),
            Refused::Note(error) => error.fmt(f),
            Refused::Tree(error) => error.fmt(f),
            Refused::UnknownKey { origin } => {
                write!(f, "no known key of the log {} signed the head", Quoted(origin))
            }
            Refused::QuorumNotMet { origin } => {
                write!(f, "the quorum of witnesses has not cosigned this head of the log {}", Quoted(origin))
            }
            Refused::AnotherLog { expected, found } => {
                write!(f, "it is of the log {} and not of {}", Quoted(found), Quoted(expected))
            }
            Refused::AnotherSeqno { expected, found } => {
                write!(f, "it is entry {found} that is offered as entry {expected}")
            }
            Refused::UnknownSuite(version) => write!(f, "entries of version {version} are not known here"),
            Refused::MacKeyMissing => {
                f.write_str("the entry is hashed under a key of the suite hmac-sha-256 that is not known here")
            }
            Refused::Key(error) => error.fmt(f),
            Refused::Page(fault) => fault.fmt(f),
            Refused::NoContradiction => f.write_str("the two heads do not contradict each other"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<NoteError> for Refused {
    fn from(error: NoteError) -> Refused {
        Refused::Note(error)
    }
}

impl From<ProofError> for Refused {
    fn from(error: ProofError) -> Refused {
        Refused::Tree(error)
    }
}
