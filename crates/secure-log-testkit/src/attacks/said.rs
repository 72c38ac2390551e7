//! What is said of a log, in the words that natively and across `wit/log.wit` are the same.

use secure_log::error::LogError;
use secure_log::providers::KeyError;
use secure_log::store::StoreError;
use secure_log::verify::{FindingCode, Place, Report, Verdict};

/// What whoever is given a log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was not opened or not read, for this reason.
    Refused(String),
    /// It is valid.
    Valid,
    /// It is invalid.
    Invalid {
        /// The finding's code.
        code: String,
        /// Where that is.
        at: String,
    },
    /// It is incomplete.
    Incomplete {
        /// What could not be checked.
        missing: Vec<String>,
    },
}

impl From<&Report> for Said {
    fn from(report: &Report) -> Said {
        match &report.verdict {
            Verdict::Valid => Said::Valid,
            Verdict::Incomplete => {
                Said::Incomplete { missing: report.missing.iter().map(ToString::to_string).collect() }
            }
            Verdict::Invalid(finding) => {
                Said::Invalid { code: finding.code.as_str().into(), at: finding.at.to_string() }
            }
        }
    }
}

/// The name that an error has in `wit/log.wit`, with the seqnos that go with it.
pub fn refusal(error: &LogError) -> String {
    match error {
        LogError::Unattested { first, last } => format!("unattested {first} to {last}"),
        LogError::ChainBroken { .. } => "chain-broken".into(),
        LogError::Conflict => "conflict".into(),
        LogError::EmptySegment(_) => "empty-segment".into(),
        LogError::EntryNotFound(_) => "entry-not-found".into(),
        LogError::HeadNotFound(_) => "head-not-found".into(),
        LogError::HeadUnsigned(_) => "head-unsigned".into(),
        LogError::NotCovered { .. } => "not-covered".into(),
        LogError::UnprovableSizes { .. } => "unprovable-sizes".into(),
        LogError::Fork { .. } => "fork".into(),
        LogError::Rollback { .. } => "rollback".into(),
        LogError::AnchorMissing { .. } => "anchor-missing".into(),
        LogError::PolicyMismatch(_) => "policy-mismatch".into(),
        LogError::InvalidRecord(finding) => finding.code.as_str().into(),
        LogError::StreamExists(_) => "stream-exists".into(),
        LogError::StreamNotFound(_) => "stream-not-found".into(),
        LogError::MacKeyMissing { .. } | LogError::Key(KeyError::NotFound(_)) => "key-not-found".into(),
        LogError::LogClosed { .. } => "log-closed".into(),
        LogError::KeyEnded { .. } => "key-ended".into(),
        LogError::Store(StoreError::Locked { .. }) => "locked".into(),
        LogError::Store(StoreError::Corrupt { .. }) => "corrupt".into(),
        LogError::Store(StoreError::Io { .. }) => "storage".into(),
        other => format!("{other:?}"),
    }
}

impl Said {
    /// The same of a store of tables, which has no place for some of what can stand in a file: that it finds its own content
    /// malformed, wherever it comes upon it, counts as a refusal.
    #[must_use]
    pub fn of_tables(self) -> Said {
        match self {
            Said::Invalid { code, .. } if code == FindingCode::Malformed.as_str() => Said::Refused(code),
            other => other,
        }
    }

    /// What is said of a store that finds what it holds to be no log, before any record of it: a database does where rows
    /// have no place in its tables.
    pub(super) fn no_log_at_all() -> Said {
        Said::Invalid { code: FindingCode::Malformed.as_str().into(), at: Place::Line(1).to_string() }
    }
}
