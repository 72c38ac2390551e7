//! Following a log: what was appended, as soon as it is durable, proven like any page that is read (docs/tail.md).
//!
//! A [`Tail`] is a place in a log and the topics that are wanted of what follows. It reads from the log itself, a page at a
//! time, so that what it holds is bounded, nothing is lost however slowly it is read, and entries of other processes come
//! like those of this one. It does not wait: [`crate::shared::Subscription`] does, natively.
//!
//! | file | holds |
//! |---|---|
//! | `topic` | topics and their filters |
//! | `news` | how those who wait learn that something is durable |
//! | here | the place in the log, and reading on from there |

pub(crate) mod news;
mod topic;

use core::time::Duration;
use std::collections::VecDeque;

use crate::engine::SecureLog;
use crate::entry::Entry;
use crate::error::LogError;
use crate::hash::Hash;
use crate::store::SecureLogStore;
use crate::tree::CompactTree;

pub use crate::tail::topic::{MAX_FILTER_BYTES, TopicFilter};

/// A reader that is more entries behind than these is told, if nothing else was chosen.
pub const DEFAULT_MAX_BEHIND: u64 = 10_000;

/// So often is a store asked for what other processes appended, if nothing else was chosen.
pub const DEFAULT_POLL_EVERY: Duration = Duration::from_millis(100);

/// Encoded entries that a tail holds at once, about: one more entry may be begun, which has at most 16 MiB.
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// Rows that are asked for at first, and at most: as many more each time as they turn out to be small.
const FIRST_ROWS: u64 = 16;
const MAX_ROWS: u64 = 256;

/// What is followed, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailOptions {
    /// Entries with a topic that one of these matches. None: all entries.
    pub topics: Vec<TopicFilter>,
    /// Where to begin.
    pub start: Start,
    /// More entries of the log than these behind its end, and the reader is told once that it is ([`Delivery::Lagged`]). With
    /// `None` it is never told. What was there when it began is no lag.
    pub max_behind: Option<u64>,
    /// So often does who waits ask the store for what other processes appended, at most every millisecond.
    pub poll_every: Duration,
}

impl Default for TailOptions {
    /// All entries that are appended from now on.
    fn default() -> TailOptions {
        TailOptions {
            topics: Vec::new(),
            start: Start::Now,
            max_behind: Some(DEFAULT_MAX_BEHIND),
            poll_every: DEFAULT_POLL_EVERY,
        }
    }
}

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is appended from now on.
    Now,
    /// With the entry with this seqno, be it there or the next one to come: [`Tail::cursor`] of an earlier tail of the same
    /// log. 0 is as 1.
    Seqno(u64),
}

/// What a tail gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// An entry with a topic that is wanted. A sealed payload is as it is stored.
    Entry(Box<Entry>),
    /// An entry was here and was pruned, of a stream in which it can have had a topic that is wanted. Of it only the hash is
    /// proven: its stream is the one that the store names, which a verification of the log checks.
    Pruned {
        /// Its place in the log.
        seqno: u64,
        /// The stream that it was in.
        stream: String,
        /// Its hash.
        hash: Hash,
    },
    /// The reader is further behind than it wanted to be. Nothing is lost: what it has not read follows, unless it chooses to
    /// go on behind it ([`Tail::skip_to`]).
    Lagged(Lag),
}

/// The entries that a reader is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Seqno of the first one: from here on they are read.
    pub first: u64,
    /// Seqno of the last one, which was the log's.
    pub last: u64,
}

impl Lag {
    /// How many entries of the log these are, of whatever topic.
    pub fn entries(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// A place in a log, from which it is followed. It is used with the log that it was made by.
///
/// ```
/// # #[cfg(feature = "system")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use secure_log::engine::{LogOptions, NewEntry, Providers, SecureLog};
/// # use secure_log::entry::Severity;
/// # use secure_log::{memory::MemoryStore, providers::NoKeys};
/// use secure_log::tail::{Delivery, TailOptions};
///
/// # let mut log = SecureLog::open(MemoryStore::new(), Providers::system(NoKeys), LogOptions::default())?;
/// let mut tail = log.tail(TailOptions { topics: vec!["door/#".parse()?], ..TailOptions::default() })?;
/// for stream in ["door", "window"] {
///     let (event, severity) = ("opened", Severity::Info);
///     log.append(&NewEntry { stream, event, severity, producer: "sensor", encoding: "text", payload: b"" })?;
/// }
/// let Some(Delivery::Entry(entry)) = tail.next(&mut log)? else { panic!("an entry") };
/// assert_eq!((entry.seqno, &*entry.stream), (1, "door"));
/// assert_eq!(tail.next(&mut log)?, None);
/// assert_eq!(tail.cursor(), 3);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "system"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Tail {
    topics: Vec<TopicFilter>,
    pub(crate) max_behind: Option<u64>,
    /// The first entry that was not looked at.
    pub(crate) next: u64,
    /// The tree of those before it; `None` where they were not read.
    pub(crate) tree: Option<CompactTree>,
    /// Up to this seqno the reader knows that it is behind.
    pub(crate) known_behind: u64,
    /// How many rows are asked for at once.
    pub(crate) rows: u64,
    /// What was found and not given out.
    found: VecDeque<Delivery>,
}

/// What was read on from a tail's place.
#[derive(Debug)]
pub(crate) enum Page {
    /// There is nothing yet.
    Nothing,
    /// The reader is to be told that it is behind.
    Behind(Lag),
    /// Some entries, proven.
    Read {
        /// The tree of all entries up to the last one.
        tree: CompactTree,
        /// Those that are wanted.
        found: VecDeque<Delivery>,
        /// How many bytes all of them had.
        bytes: usize,
    },
}

impl Tail {
    pub(crate) fn new(options: TailOptions, next: u64, size: u64) -> Tail {
        Tail {
            topics: options.topics,
            max_behind: options.max_behind,
            next,
            tree: None,
            known_behind: size,
            rows: FIRST_ROWS,
            found: VecDeque::new(),
        }
    }

    /// What comes next; `None` where all that is durable was looked at. After an error the tail is where it was: calling again
    /// tries again.
    pub fn next<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>) -> Result<Option<Delivery>, LogError> {
        loop {
            if let Some(delivery) = self.take() {
                return Ok(Some(delivery));
            }
            if !self.read_on(log)? {
                return Ok(None);
            }
        }
    }

    /// The seqno from which another tail goes on where this one is: what was given out is before it.
    pub fn cursor(&self) -> u64 {
        match self.found.front() {
            Some(Delivery::Entry(entry)) => entry.seqno,
            Some(Delivery::Pruned { seqno, .. }) => *seqno,
            Some(Delivery::Lagged(lag)) => lag.first,
            None => self.next,
        }
    }

    /// Goes on with this entry, be it further on, as the one behind a lag, or back. What was looked at before is no lag.
    pub fn skip_to(&mut self, seqno: u64) {
        self.known_behind = self.known_behind.max(self.next - 1);
        self.next = seqno.max(1);
        self.tree = None;
        self.found.clear();
    }

    /// Whether one of the topics is such a one, or all are wanted.
    pub(crate) fn wants(&self, is: impl FnMut(&TopicFilter) -> bool) -> bool {
        self.topics.is_empty() || self.topics.iter().any(is)
    }

    /// Takes what was found already.
    pub(crate) fn take(&mut self) -> Option<Delivery> {
        self.found.pop_front()
    }

    /// Reads the next page, and answers whether there was one. Nothing is found already when this is called.
    pub(crate) fn read_on<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>) -> Result<bool, LogError> {
        match log.page_of(self)? {
            Page::Nothing => return Ok(false),
            Page::Behind(lag) => {
                self.known_behind = lag.last;
                self.found.push_back(Delivery::Lagged(lag));
            }
            Page::Read { tree, found, bytes } => {
                let read = tree.size() + 1 - self.next;
                self.rows = match read {
                    read if bytes >= PAGE_BYTES => read.div_ceil(2),
                    read if read == self.rows => (read * 2).min(MAX_ROWS),
                    _ => self.rows,
                };
                self.next = tree.size() + 1;
                self.tree = Some(tree);
                self.found = found;
            }
        }
        Ok(true)
    }
}
