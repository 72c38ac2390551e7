//! What the profile needs of the log beneath it.

use core::fmt;

use secure_log::engine::{Appended, CommitInfo, Erase, NewEntry, NumberedStream};
use secure_log::entry::{Entry, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::index::IndexKey;
use secure_log::limits::Invalid;
use secure_log::providers::RandomError;
use secure_log::shared::SharedLog;
use secure_log::store::SecureLogStore;
use secure_log::verify::{Report, Verdict};
use zeroize::Zeroizing;

use crate::log::SessionSuite;

/// Where the log of an [`crate::AuditLog`] is. Natively that is a store of any kind; for a component it is the log that the
/// component was composed with.
pub trait Place {
    /// The log there.
    type Log: EventLog;
}

impl<S: SecureLogStore> Place for S {
    type Log = SharedLog<S>;
}

/// How the log in a place says why it did not do what it was asked.
pub type ErrorOf<S> = <<S as Place>::Log as EventLog>::Error;

/// What the log in a place answers when it verifies itself.
pub type ReportOf<S> = <<S as Place>::Log as EventLog>::Report;

/// A log that events are recorded in. What it answers is proven, as `secure_log` proves it, but for the list of streams.
pub trait EventLog {
    /// Why it did not do what it was asked.
    type Error: EventLogError;
    /// What its own verification found.
    type Report;

    /// Appends all entries or none, in one durable commit.
    fn append_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), Self::Error>;

    /// The same, with a signature of the log's key over each entry.
    fn append_signed_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), Self::Error>;

    /// Whether streams under this suite can be made, as far as that can be said before one is made.
    fn check_suite(&self, suite: SessionSuite) -> Result<(), Self::Error>;

    /// Makes a public stream with these rules.
    fn create_stream(&self, stream: &str, suite: SessionSuite, sign: SigningRule) -> Result<(), Self::Error>;

    /// Closes a stream to producers for ever.
    fn deprecate_stream(&self, stream: &str) -> Result<CommitInfo, Self::Error>;

    /// Makes a stream whose payloads are sealed.
    fn create_protected_stream(&self, stream: &str) -> Result<(), Self::Error>;

    /// Appends one entry with its payload sealed, durably, to a stream that seals.
    fn append_sealed(&self, entry: &NewEntry<'_>) -> Result<(), Self::Error>;

    /// Entries of a stream from `from` to `to`, at most `limit`, by their seqnos: what was sealed in each, or why it does not open.
    fn open_page(&self, stream: &str, from: u64, to: u64, limit: u32) -> Result<OpenedPage<Self::Error>, Self::Error>;

    /// Destroys data keys of a stream, on record: how many, and whether there are more.
    fn erase_stream(&self, stream: &str) -> Result<(u64, bool), Self::Error>;

    /// How many entries there are.
    fn size(&self) -> Result<u64, Self::Error>;

    /// One entry.
    fn read(&self, seqno: u64) -> Result<Entry, Self::Error>;

    /// Entries of a stream or of all from `from` to `to`, at most `limit`. Of all entries none is left out.
    fn read_page(&self, stream: Option<&str>, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, Self::Error>;

    /// Entries from `from` to `to` that the store's index has under a key, at most `limit`. Others can be left out unnoticed.
    fn read_indexed(&self, key: IndexKey, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, Self::Error>;

    /// The suite that the rules of a stream name.
    fn suite(&self, stream: &str) -> Result<Suite, Self::Error>;

    /// Streams whose number is above `after`, at most `limit`, as the store has them.
    fn streams(&self, after: u64, limit: u32) -> Result<Vec<NumberedStream>, Self::Error>;

    /// Verifies a stream: its chain from its rules to its last entry, its segments, and every signature of its entries.
    /// Answers how many entries carry a signature by a key that is known.
    fn verify_stream(&self, stream: &str) -> Result<u64, Self::Error>;

    /// Verifies the whole log.
    fn verify_log(&self) -> Result<Self::Report, Self::Error>;

    /// What that verification came to.
    fn verdict(report: &Self::Report) -> LogVerdict<Self::Error>;
}

/// Entries by their seqnos: what was sealed in each, or why it does not open.
pub type OpenedPage<E> = Vec<(u64, Result<Zeroizing<Vec<u8>>, E>)>;

/// What the verification of a log came to.
#[derive(Clone, Debug, PartialEq)]
pub enum LogVerdict<E> {
    /// Everything was checked, and is as it should be.
    Valid,
    /// Nothing is wrong with what was checked, and not everything could be.
    Incomplete,
    /// This is wrong.
    Invalid(E),
}

/// An error of a log, as far as the profile acts on it.
pub trait EventLogError: From<Invalid> + From<RandomError> + Clone + fmt::Debug + fmt::Display {
    /// What it means.
    fn means(&self) -> Meaning;
}

/// What an error means to the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// There is no such stream.
    StreamNotFound,
    /// There is such a stream already.
    StreamExists,
    /// The stream takes no more entries.
    StreamDeprecated,
    /// The stream seals nothing, or is not there.
    StreamNotProtected,
    /// The payload is not sealed.
    NotSealed,
    /// What was sealed was erased, on record.
    PayloadErased,
    /// Entries cannot be re-hashed for want of their key.
    KeyMissing,
    /// Something in the log is wrong.
    Wrong,
    /// Nothing that the profile acts on.
    Other,
}

impl EventLogError for LogError {
    fn means(&self) -> Meaning {
        match self {
            LogError::StreamNotFound(_) => Meaning::StreamNotFound,
            LogError::StreamExists(_) => Meaning::StreamExists,
            LogError::StreamDeprecated(_) => Meaning::StreamDeprecated,
            LogError::StreamNotProtected(_) => Meaning::StreamNotProtected,
            LogError::NotSealed(_) => Meaning::NotSealed,
            LogError::PayloadErased(_) => Meaning::PayloadErased,
            LogError::MacKeyMissing { .. } => Meaning::KeyMissing,
            LogError::ChainBroken { .. }
            | LogError::InclusionMismatch { .. }
            | LogError::SegmentNotFound(_)
            | LogError::PolicyMismatch(_)
            | LogError::InvalidRecord(_) => Meaning::Wrong,
            _ => Meaning::Other,
        }
    }
}

impl<S: SecureLogStore> EventLog for SharedLog<S> {
    type Error = LogError;
    type Report = Report;

    fn append_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        SharedLog::append_batch(self, entries)
    }

    fn append_signed_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.lock().append_signed_batch(entries)
    }

    fn check_suite(&self, suite: SessionSuite) -> Result<(), LogError> {
        suite_of(self, suite).map(drop)
    }

    fn create_stream(&self, stream: &str, suite: SessionSuite, sign: SigningRule) -> Result<(), LogError> {
        let rules = StreamRules { suite: suite_of(self, suite)?, sign, ..StreamRules::default() };
        self.lock().create_stream(stream, &rules).map(drop)
    }

    fn deprecate_stream(&self, stream: &str) -> Result<CommitInfo, LogError> {
        self.lock().deprecate_stream(stream)
    }

    fn create_protected_stream(&self, stream: &str) -> Result<(), LogError> {
        let rules = StreamRules { tier: Tier::Protected, ..StreamRules::default() };
        self.lock().create_stream(stream, &rules).map(drop)
    }

    fn append_sealed(&self, entry: &NewEntry<'_>) -> Result<(), LogError> {
        SharedLog::append_sealed(self, entry).map(drop)
    }

    fn open_page(&self, stream: &str, from: u64, to: u64, limit: u32) -> Result<OpenedPage<LogError>, LogError> {
        let page = self.lock().open_page(stream, from, to, limit)?;
        Ok(page.into_iter().map(|(entry, opened)| (entry.seqno, opened.map(|opened| opened.payload))).collect())
    }

    fn erase_stream(&self, stream: &str) -> Result<(u64, bool), LogError> {
        let erased = self.lock().erase(stream, Erase::Stream)?;
        Ok((erased.keys.len() as u64, erased.more))
    }

    fn size(&self) -> Result<u64, LogError> {
        Ok(self.lock().size())
    }

    fn read(&self, seqno: u64) -> Result<Entry, LogError> {
        self.lock().read(seqno)
    }

    fn read_page(&self, stream: Option<&str>, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        self.lock().read_page(stream, from, to, limit)
    }

    fn read_indexed(&self, key: IndexKey, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        self.lock().read_indexed(key, from, to, limit)
    }

    fn suite(&self, stream: &str) -> Result<Suite, LogError> {
        Ok(self.lock().stream(stream)?.rules.suite)
    }

    fn streams(&self, after: u64, limit: u32) -> Result<Vec<NumberedStream>, LogError> {
        self.lock().streams(after, limit)
    }

    fn verify_stream(&self, stream: &str) -> Result<u64, LogError> {
        let mut log = self.lock();
        log.verify_chain(stream, 1, u64::MAX)?;
        log.verify_checkpoints(stream)?;
        log.verify_entry_signatures(stream)
    }

    fn verify_log(&self) -> Result<Report, LogError> {
        self.lock().verify_log()
    }

    fn verdict(report: &Report) -> LogVerdict<LogError> {
        match &report.verdict {
            Verdict::Valid => LogVerdict::Valid,
            Verdict::Incomplete => LogVerdict::Incomplete,
            Verdict::Invalid(finding) => LogVerdict::Invalid(LogError::InvalidRecord(Box::new(finding.clone()))),
        }
    }
}

fn suite_of<S: SecureLogStore>(log: &SharedLog<S>, suite: SessionSuite) -> Result<Suite, LogError> {
    match suite {
        SessionSuite::Sha256 => Ok(Suite::Sha256),
        SessionSuite::Blake3 => Ok(Suite::Blake3),
        SessionSuite::HmacSha256 => log.lock().mac_suite(),
    }
}
