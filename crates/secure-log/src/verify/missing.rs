//! What could not be checked: which thing, where, and why.

use core::fmt;

use crate::verify::finding::Place;

/// Something that could not be checked, so that the verdict is incomplete at best.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Missing {
    /// What kind of thing.
    pub code: MissingCode,
    /// Where, unless it is the log as a whole.
    pub at: Option<Place>,
    /// What it is, and what would be needed.
    pub detail: String,
}

impl Missing {
    pub(super) fn new(code: MissingCode, detail: impl Into<String>) -> Missing {
        Missing { code, at: None, detail: detail.into() }
    }

    pub(super) fn at(code: MissingCode, at: Place, detail: impl Into<String>) -> Missing {
        Missing { code, at: Some(at), detail: detail.into() }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// Why something could not be checked (format.md s.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingCode {
    /// No trusted key signed a head over it.
    Uncovered,
    /// No head over it was cosigned by the quorum that the policy names.
    QuorumUnmet,
    /// Entries that were adopted on record although nobody attested them.
    Unattested,
    /// A commit that was never finished.
    TornCommit,
    /// A required signature is there, and by no signer of the policy.
    UnknownSigner,
    /// The key of the keyed suite was not given, or failed.
    MacKey,
    /// The key that wraps a data key was not given, or is another one, or failed.
    WrappingKey,
    /// The entry that allows a pruning is under no trusted head.
    PruningUncovered,
    /// A record, event, sealing, wrapping or version of the format that is not known here.
    Unknown,
    /// More than a verification keeps track of.
    Limit,
    /// In a bundle (format.md s.11): what would show it was not handed over.
    Unshown,
}

impl MissingCode {
    /// The code's name.
    pub fn as_str(self) -> &'static str {
        match self {
            MissingCode::Uncovered => "uncovered",
            MissingCode::QuorumUnmet => "quorum-unmet",
            MissingCode::Unattested => "unattested",
            MissingCode::TornCommit => "torn-commit",
            MissingCode::UnknownSigner => "unknown-signer",
            MissingCode::MacKey => "mac-key",
            MissingCode::WrappingKey => "wrapping-key",
            MissingCode::PruningUncovered => "pruning-uncovered",
            MissingCode::Unknown => "unknown",
            MissingCode::Limit => "limit",
            MissingCode::Unshown => "unshown",
        }
    }
}

impl fmt::Display for MissingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
