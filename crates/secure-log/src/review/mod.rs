//! A review: one structured summary of a log, or of one of its streams (docs/review.md).
//!
//! It is what a verification passes anyway, counted on the way ([`crate::engine::SecureLog::review`]): nothing is read a second
//! time, and nothing is counted that was not checked. Memory does not grow with the number of entries; each limit is a
//! constant here.
//!
//! **In scope**: the counts, the renderings as JSON ([`Review::to_json`]) and as a page of text ([`Review::to_text`]).
//! **Out of scope**: the verdict, which is the verification's ([`crate::verify`]), and whether the events of the audit profile
//! fit together, which the crate `secure-log-audit` judges.
//!
//! ```
//! # #[cfg(feature = "system")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use secure_log::engine::{LogOptions, NewEntry, Providers, SecureLog};
//! use secure_log::entry::Severity;
//! use secure_log::memory::MemoryStore;
//! use secure_log::providers::NoKeys;
//!
//! let mut log = SecureLog::open(MemoryStore::new(), Providers::system(NoKeys), LogOptions::default())?;
//! for (event, severity) in [("user.login", Severity::Info), ("user.login", Severity::Info), ("disk.full", Severity::Error)] {
//!     let (stream, producer, encoding) = ("auth", "authd", "text");
//!     log.append(&NewEntry { stream, event, severity, producer, encoding, payload: b"alice" })?;
//! }
//! let review = log.review(None)?;
//! assert_eq!(review.totals.entries, 3);
//! assert_eq!(review.count_of(Severity::Info), 2);
//! assert_eq!((review.event_types.listed[0].name.as_str(), review.event_types.listed[0].entries), ("user.login", 2));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "system"))]
//! # fn main() {}
//! ```

mod actions;
mod bits;
mod gaps;
mod names;
mod render;
mod signers;
mod tally;

use core::fmt;

use crate::entry::Severity;
use crate::hash::Hash;
use crate::time::Timestamp;
use crate::verify::{Report, Verdict};

pub(crate) use signers::Worth;
pub(crate) use tally::Tally;

/// How many producers, how many event types and how many actors are counted, each by itself. Of those that come up later only
/// the sum is known: 10,000 names of at most [`MAX_NAME_BYTES`] each are held twice, in 20 MiB at the most of each kind.
pub const MAX_NAMES: usize = 10_000;
/// A name that is longer is counted as one that came too late: no producer and no event type may be so long, and of an actor its
/// kind and its id together.
pub const MAX_NAME_BYTES: usize = 1024;
/// How many names of each kind, and how many actions without an end, are listed.
pub const MAX_LISTED: usize = 100;
/// How many gaps, steps back, segments and heads are listed.
pub const MAX_NEWEST: usize = 10;
/// How many keys of signers are counted, each by itself.
pub const MAX_SIGNERS: usize = 1000;
/// How many actions may be without an end at once. Of those that begin beyond that it is not known whether they ended: 16,384 of them, with
/// actors and kinds of at most [`MAX_NAME_BYTES`] each, are held in 33 MiB at the most.
pub const MAX_OPEN_ACTIONS: usize = 1 << 14;

/// The summary of a log, or of one of its streams.
///
/// Where the log is invalid, [`Review::is_trustworthy`] is false, and everything is counted up to where the check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The stream that is summarised; `None` for the log.
    pub stream: Option<String>,
    /// What the verification of the whole log found. A stream is as trustworthy as the heads that its entries are under.
    pub report: Report,
    /// How much there is.
    pub totals: Totals,
    /// Entries of each severity, the most serious first, those with none included.
    pub severities: [(Severity, u64); 8],
    /// Entries of each producer.
    pub producers: Counted<NameCount>,
    /// Entries of each event type.
    pub event_types: Counted<NameCount>,
    /// Entries of each actor, of those that hold an event of the audit profile in clear.
    pub actors: Counted<ActorCount>,
    /// The earliest and the latest time; `None` where there is no entry.
    pub times: Option<TimeRange>,
    /// The largest gaps between neighbours: in the log, or in the stream.
    pub gaps: Gaps,
    /// Of a review of the log: the largest gaps between neighbours of one stream, over all streams.
    pub gaps_in_streams: Option<Gaps>,
    /// Whose signatures stand under entries and segments.
    pub signers: Signers,
    /// The segments.
    pub segments: Segments,
    /// The heads, which are those of the log.
    pub heads: Heads,
    /// What became of payloads.
    pub payloads: Payloads,
    /// Actions of the audit profile that began, and those without an end.
    pub actions: Actions,
}

impl Review {
    /// Whether no check failed. Otherwise the figures are of a log that somebody altered.
    pub fn is_trustworthy(&self) -> bool {
        !matches!(self.report.verdict, Verdict::Invalid(_))
    }

    /// Entries of this severity.
    pub fn count_of(&self, severity: Severity) -> u64 {
        self.severities.iter().find(|(other, _)| *other == severity).map_or(0, |(_, entries)| *entries)
    }
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries that are there, control entries included.
    pub entries: u64,
    /// Those of them that the engine wrote for itself.
    pub control: u64,
    /// Entries that are gone, of which nothing but stream, seqno and hash is known. Beside here they count in segments, and between
    /// the neighbours of a gap.
    pub pruned: u64,
    /// Entries, gone or not, behind the last head: of a commit that was never finished, or in which a check failed. They are counted
    /// as the others are, and covered by nothing.
    pub uncovered: u64,
    /// Bytes of payloads, as they are stored.
    pub payload_bytes: u64,
    /// Streams, those of the engine included; 1 for a stream.
    pub streams: u64,
    /// Those of them that were deprecated.
    pub deprecated: u64,
}

/// Counts by name. The most frequent first, and of names with the same count the smaller one by its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<N> {
    /// The first [`MAX_LISTED`] of them.
    pub listed: Vec<N>,
    /// How many names were counted, listed or not: at most [`MAX_NAMES`], the first that came up.
    pub names: u64,
    /// Entries of those that were counted and are not listed.
    pub unlisted: u64,
    /// Entries of all names that came up after so many others, or that are too long. How many names these are was not counted.
    pub others: u64,
}

/// Entries of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameCount {
    /// The name, as it stands in the log: of a highly-restricted stream a pseudonym.
    pub name: String,
    /// How many entries have it.
    pub entries: u64,
}

/// Entries of an actor: those that the index has under its key ([`crate::index::actor_key`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorCount {
    /// What it is, such as `user`.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// How many entries name it as who acted, or on whose behalf somebody did; one that names it as both counts once.
    pub entries: u64,
    /// Those of them in which another acted on its behalf.
    pub on_behalf: u64,
}

/// An entry and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The entry.
    pub seqno: u64,
    /// Its time.
    pub time: Timestamp,
}

/// From when to when. Times are compared as instants; clocks may have been set, so that these need not be the first and the
/// last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The earliest time, and the first entry that has it.
    pub earliest: Moment,
    /// The latest time, and the last entry that has it.
    pub latest: Moment,
}

/// Times between neighbours: entries of which the second is the next one that is not gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// The [`MAX_NEWEST`] longest, the longest first, and of those that are as long the earlier by seqno. None is empty.
    pub largest: Vec<Gap>,
    /// How often the time of an entry is before that of its neighbour: a clock was set back.
    pub steps_back: u64,
    /// The [`MAX_NEWEST`] longest of these, in the same order.
    pub largest_back: Vec<Gap>,
}

/// The time between two neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Their stream; `None` between neighbours of the log.
    pub stream: Option<String>,
    /// The one that stands first.
    pub from: Moment,
    /// The one that stands next.
    pub to: Moment,
    /// How long it is. Of a step back: how far.
    pub length: Length,
    /// How many entries between them are gone.
    pub pruned: u64,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length {
    /// Whole seconds.
    pub seconds: u64,
    /// And nanoseconds.
    pub nanos: u32,
}

impl fmt::Display for Length {
    /// In seconds, with nine fractional digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.seconds, self.nanos)
    }
}

/// Whose signatures stand under entries and segments. Who signed heads stands in [`Report::keys`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers {
    /// By identity, algorithm and key: the first [`MAX_SIGNERS`] that came up, those with most signatures first, and then by the
    /// bytes of their identities and the fingerprints of their keys.
    pub listed: Vec<SignerCount>,
    /// Signatures by others, which were counted and not told apart.
    pub others: u64,
}

/// What was signed with a key under an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCount {
    /// Who says to have signed.
    pub identity: String,
    /// The algorithm's name, as the signatures have it.
    pub algorithm: String,
    /// SHA-256 of the public key in the form of format.md s.5.
    pub fingerprint: Hash,
    /// Signatures that are right, by a key that speaks for what it signed.
    pub valid: u64,
    /// Signatures that are right, by a key that does not speak for entries with that seqno. They count for nothing.
    pub out_of_range: u64,
    /// Signatures that are wrong: by another key than the identity has, or of something else. The first of them ends the check.
    pub invalid: u64,
    /// Signatures that were not checked, as nobody knows the identity.
    pub unknown: u64,
    /// The smallest and the largest seqno that was signed; of a segment that of its last entry.
    pub range: Option<(u64, u64)>,
}

impl SignerCount {
    /// All its signatures.
    pub fn signatures(&self) -> u64 {
        self.valid + self.out_of_range + self.invalid + self.unknown
    }
}

/// The segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// Closed, each with the root of its entries.
    pub closed: u64,
    /// Those of them with a valid signature.
    pub signed: u64,
    /// Streams with entries since their last close.
    pub open: u64,
    /// How many entries these are, gone or not.
    pub open_entries: u64,
    /// The last [`MAX_NEWEST`] that were closed, the newest first.
    pub newest: Vec<SegmentSummary>,
}

/// A closed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Its id.
    pub id: u64,
    /// Its stream.
    pub stream: String,
    /// First and last seqno.
    pub range: (u64, u64),
    /// How many entries it has, gone or not.
    pub entries: u64,
    /// When it was closed, as its record says.
    pub closed: String,
    /// Valid signatures of it.
    pub signatures: u64,
}

/// The heads of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// How many were read.
    pub count: u64,
    /// Those of them that a trusted key of the log signed.
    pub signed: u64,
    /// The last [`MAX_NEWEST`] of them, the newest first.
    pub newest: Vec<HeadSummary>,
}

/// A head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadSummary {
    /// How many entries it covers.
    pub size: u64,
    /// The root.
    pub root: Hash,
    /// The time of the last entry under it that is not gone: a head has none of its own.
    pub time: Option<Timestamp>,
    /// Signatures by trusted keys of the log.
    pub signatures: u64,
    /// Cosignatures by witnesses of the policy.
    pub cosignatures: u64,
}

/// What became of the payloads of entries that no engine wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    /// In clear: they were never sealed.
    pub clear: u64,
    /// Sealed.
    pub sealed: u64,
    /// Sealed, and opened by this verification.
    pub opened: u64,
    /// Sealed, and nobody opens them again, as an entry records that their data key was erased.
    pub erased: u64,
}

impl Payloads {
    /// Sealed, and neither opened nor erased.
    pub fn unopened(&self) -> u64 {
        self.sealed.saturating_sub(self.opened).saturating_sub(self.erased)
    }
}

/// Actions of the audit profile that are two entries: one that says that it is about to begin, and one that says how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// How many began.
    pub begun: u64,
    /// How many of these have no end, listed or not.
    pub unfinished: u64,
    /// The first [`MAX_LISTED`] of them, the oldest first.
    pub listed: Vec<UnfinishedAction>,
    /// How many began while [`MAX_OPEN_ACTIONS`] had no end, or have an actor or a kind that is too long: whether they ended is not
    /// known.
    pub untracked: u64,
}

/// An action that began, and of which nothing says how it ended: it is under way, its program crashed, or nobody recorded its
/// end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedAction {
    /// The entry that says that it was about to begin, and its time.
    pub begun: Moment,
    /// The stream that it stands in.
    pub stream: String,
    /// The id of its event.
    pub id: [u8; 16],
    /// What the actor is, and which one.
    pub actor: (String, String),
    /// Which kind of action it is.
    pub action: String,
}

impl UnfinishedAction {
    /// The id as it is written in the event: a UUID.
    pub fn event_id(&self) -> String {
        let hex = const_hex::encode(self.id);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}
