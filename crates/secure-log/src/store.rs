//! What a store has to do.
//!
//! A store keeps the rows of commits, answers reads and appends commits atomically. It computes no hash and is
//! not trusted: the engine proves what it uses of it. `wit/store.wit` is the same contract for components.

use core::fmt;

use crate::hash::Hash;
use crate::index::{IndexKey, IndexRow};
use crate::jsonl::write_record;
use crate::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, Record, SegmentRow, SignatureRow, StreamRow, Subject, WitnessRow,
};

mod commit;
mod search;

pub use commit::{Commit, CommitRow, Misplaced, PackedEntry};
pub use search::{Left, Search, by_reading as search_by_reading};

/// Interior hashes below this level are not stored: at most 16 entry hashes give them.
pub const STORED_LEVEL: u8 = 4;

/// Which Merkle tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TreeId {
    /// The tree over every entry of the log; leaf index = seqno - 1.
    Log,
    /// The tree of the closed segment with this id.
    Segment(u64),
}

/// A complete subtree: the one with `2^level` leaves that begins at leaf `index << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// The tree it is in.
    pub tree: TreeId,
    /// Its height: 0 would be a leaf. Stores keep [`STORED_LEVEL`] and up.
    pub level: u8,
    /// Its place among those of its level, from 0.
    pub index: u64,
}

/// A complete subtree's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which subtree.
    pub id: NodeId,
    /// Its root.
    pub hash: Hash,
}

/// The state that a commit was computed from, and the only one that it may be appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Size of the last head.
    pub size: u64,
    /// Root of the last head.
    pub root: Hash,
    /// How many segments are closed.
    pub segments: u64,
}

/// Which entries to read: ascending, from `from` to `to` inclusive, of one stream or of the whole log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRange<'a> {
    /// Only this stream's.
    pub stream: Option<&'a str>,
    /// The first seqno that may be answered.
    pub from: u64,
    /// The last seqno that may be answered.
    pub to: u64,
    /// At most so many rows.
    pub limit: u32,
}

/// Which entries with a key of the index to name: from `from` to `to` inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRange {
    /// The key.
    pub key: IndexKey,
    /// The first seqno that may be answered.
    pub from: u64,
    /// The last seqno that may be answered.
    pub to: u64,
    /// Descending, from `to` on, and not ascending, from `from` on.
    pub newest_first: bool,
    /// At most so many.
    pub limit: u32,
}

/// A stream as the store knows it. Only `row` is hashed anywhere; the rest says where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// The newest record of the stream.
    pub row: StreamRow,
    /// Its place among the streams in the order in which they were made, from 1: the cursor of pages.
    pub number: u64,
    /// Seqno of its first entry, if it has one.
    pub first: Option<u64>,
    /// Seqno of its last entry, if it has one.
    pub last: Option<u64>,
    /// Its last closed segment, if it has one.
    pub segment: Option<u64>,
}

/// A head and its place among the heads, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedHead {
    /// Dense, from 1.
    pub number: u64,
    /// The head.
    pub head: HeadRow,
}

/// What a witness answered, and its place among such rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedWitness {
    /// Ascending in commit order, from 1. It is the cursor of pages, and good until rows are dropped.
    pub number: u64,
    /// The answer.
    pub row: WitnessRow,
}

/// What follows the last head: a commit that was never finished and never acknowledged (format.md s.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// How much of it there is.
    pub bytes: u64,
    /// Where it is kept once the store was opened for writing.
    pub kept_as: String,
}

/// A native store. Every method reads or writes; none hashes.
///
/// Where a later version of the format has put something into the log that this one does not know, a store passes over it,
/// says so in [`SecureLogStore::scan`], and refuses to write anything at all ([`StoreError::LaterVersion`]): what it would
/// have to keep right is not known.
///
/// Methods take `&mut self` because a store may keep a cursor or a buffer; a log is shared by threads one level
/// higher (see `SharedLog`).
pub trait SecureLogStore {
    /// The log record, or `None` when the store holds nothing. A store that holds anything has one.
    fn log(&mut self) -> Result<Option<LogRow>, StoreError>;

    /// The unfinished commit found when the store was opened, if there was one.
    fn torn(&mut self) -> Option<Torn>;

    /// Appends the commit if and only if the store holds exactly `commit.expected` and none of
    /// [`commit.new_streams()`](Commit::new_streams), and returns after all of it is durable. Otherwise answers
    /// [`StoreError::Conflict`] with the newest heads, and nothing has changed. After any other error it is unknown whether
    /// the commit was stored; it is there as a whole or not at all.
    ///
    /// A commit without entries leaves what others expect as it was, so that without the second rule two writers could make
    /// one stream, each in its own way.
    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// Heads with a number below `below` (or all), newest first, at most `limit`.
    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError>;

    /// How many segments are closed.
    fn segment_count(&mut self) -> Result<u64, StoreError>;

    /// Entries and pruned rows in ascending order. The borrowed row is valid during the call of `visit`.
    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError>;

    /// The entry-hashes of `count` leaves of a tree, from `first` (from 0). Fewer when the tree ends earlier.
    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError>;

    /// The entry-hashes of several runs of leaves of a tree, each of `count` from its first leaf on, in the order asked for. A store
    /// that takes a lock for each call does better than to be asked for one after the other.
    fn hash_runs(&mut self, tree: TreeId, firsts: &[u64], count: u32) -> Result<Vec<Vec<Hash>>, StoreError> {
        firsts.iter().map(|first| self.hashes(tree, *first, count)).collect()
    }

    /// The stored interior hashes, in the order asked for; `None` for one that the store does not have.
    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError>;

    /// Seqnos of the entries that the index has under a key, each once.
    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError>;

    /// The rows of the index behind `after` (or all) in ascending order, at most `limit`. They are read where
    /// [`SecureLogStore::indexed`] finds them, so that a verification sees what a read by key does.
    ///
    /// The index has the rows of all commits, and of entries that were pruned none: what is gone leaves no trace of who did it.
    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError>;

    /// Finds entries by a filter. Of those within the range that it matches none is left out, and each is answered once, in the
    /// order of the search, until the limit or its bytes are reached. Pruned entries match nothing.
    ///
    /// Answers where to go on: the first seqno that was not looked at, in the order of the search, which lies behind every row that
    /// was answered and within the range; `None` at the end of the range. A store stops early once it has looked at about
    /// `search.work` entries, and never without having got on, so that a filter that finds little does not read the whole log in
    /// one call. It may answer rows that the filter does not match: the engine holds each against it.
    ///
    /// As it stands here every entry is read: a store that has an index does better.
    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        search::by_reading(self, search, visit)
    }

    /// The stream of this name.
    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError>;

    /// Streams with a number above `after`, in the order in which they were made, at most `limit`.
    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError>;

    /// The segment with this id.
    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError>;

    /// Segments of a stream with an id above `after`, ascending, at most `limit`.
    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError>;

    /// The closed segment of `stream` whose range holds `seqno`.
    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError>;

    /// Place of an entry among the entries of a closed segment, from 0; `None` when it is not in it.
    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError>;

    /// The signatures of an entry or segment, oldest first.
    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError>;

    /// The data keys of a stream that were not dropped, oldest first.
    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError>;

    /// What witnesses answered, with a number below `below` (or all), newest first, at most `limit`.
    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError>;

    /// Reads all records in commit order, those of unknown kinds too, from `cursor` (0 is the beginning), about
    /// `max_bytes` of them, and answers the cursor to go on from, or `None` at the end. What was committed after the end
    /// was answered is not missed: the last cursor stays good. Where records stand elsewhere since, as the log was written
    /// anew, a store that cannot tell where to read on answers [`StoreError::Conflict`]: begin again.
    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError>;

    /// The same records as lines (format.md s.7), appended to `out`, for whoever passes them on. A store that keeps lines hands
    /// them out as they stand, the lines of unknown records too; whether they are well spelled the reader finds out.
    fn scan_lines(&mut self, cursor: u64, max_bytes: usize, out: &mut Vec<u8>) -> Result<Option<u64>, StoreError> {
        let mut written = Ok(());
        let next = self.scan(cursor, max_bytes, &mut |record| {
            if written.is_ok() {
                written = write_record(&record, out).map_err(|error| match record {
                    Record::Unknown(row) => StoreError::LaterVersion { at: "a record".into(), what: row.to_string() },
                    _ => StoreError::Corrupt { at: "a record".into(), detail: error.to_string() },
                });
            }
        })?;
        written.map(|()| next)
    }

    /// Takes the next records of a whole log, in commit order, into a store that holds no log. `after` is how many were
    /// taken before: 0 begins anew, and whatever an earlier load left behind is gone. The rows end with a head, bring the
    /// interior hashes that they complete and the rows of their entries in the index, and expect nothing; of all commits only
    /// these may hold pruned rows. `done` says that they are the last: then it returns when the log is durable.
    ///
    /// Until then the store holds no log: a load that is left unfinished is never taken for one. Beginning anew with no
    /// rows drops what it left. A store that holds a log answers [`StoreError::Conflict`] with its newest heads, and nothing
    /// has changed. After any other error it is unknown whether the rows were taken: begin anew.
    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError>;

    /// Replaces the producers' entries of each of these streams up to a last seqno by pruned rows, durably, in one step: all or
    /// none. Answers how many there were. Control entries, signatures, segments and heads stay. The engine has committed the
    /// entries that allow it before. Of those that are gone it makes sure that they are gone for good, as who dropped them may
    /// have been killed on the way, also where none are named; and what they took is given back to whoever the store has its room
    /// from.
    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError>;

    /// Drops these data keys durably. The engine has committed the entry that says so before. Of those that are not there it
    /// makes sure that they are gone for good, as who dropped them may have been killed on the way.
    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError>;

    /// Puts each of these rows in the place of the one with the same id and stream, durably, in one step: all or none. One
    /// whose id is not there, as it was dropped meanwhile, stays gone. No two have the same id. After an error it is unknown whether they were replaced.
    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError>;

    /// Drops the witness rows that equal one of these, durably, in one step: all or none. Which ones may go the engine decides.
    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError>;

    /// Moves every record after the head with this number out of the log, keeps it, and answers where.
    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError>;

    /// Builds anew whatever the store derives from its rows. Called when a derived answer turned out wrong.
    fn reindex(&mut self) -> Result<(), StoreError>;
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The store holds something else than the commit expects, or a stream that it makes. Nothing was written: go on from one of these
    /// heads (newest first) if it can be trusted, or stop.
    Conflict {
        /// What the store has.
        heads: Vec<HeadRow>,
    },
    /// Another writer holds the store. Nothing was written: try again later.
    Locked {
        /// What is known of the holder.
        detail: String,
    },
    /// What the store holds is damaged. Nothing is ever repaired in place: stop, and verify the log.
    Corrupt {
        /// Where: a line or a byte offset.
        at: String,
        /// What is wrong there.
        detail: String,
    },
    /// A later version wrote to the log, which this one can read and not continue. Nothing was written: use that version.
    LaterVersion {
        /// Where: a line or a byte offset.
        at: String,
        /// What is not known here: a record of a new kind, or the version of the whole log.
        what: String,
    },
    /// The configuration cannot be used: say what to change.
    Config(String),
    /// The operation failed below the store. A write may or may not have happened: read the state again.
    Io {
        /// What was being done.
        operation: String,
        /// What the system said.
        detail: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Conflict { heads } => match heads.first() {
                Some(head) => write!(f, "the store holds another state: its last head has size {}", head.size),
                None => f.write_str("the store holds another state: it has no head"),
            },
            StoreError::Locked { detail } => write!(f, "another writer holds the log: {detail}"),
            StoreError::Corrupt { at, detail } => write!(f, "the stored log is damaged at {at}: {detail}"),
            StoreError::LaterVersion { at, what } => {
                write!(f, "a later version wrote to the log, which only such a version can continue: {what} at {at}")
            }
            StoreError::Config(detail) => write!(f, "the store's configuration cannot be used: {detail}"),
            StoreError::Io { operation, detail } => write!(f, "cannot {operation}: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}
