//! Where a service keeps its logs: a folder of files, a folder of databases, or a database server.

use std::sync::Arc;
use std::time::Instant;

use secure_log::engine::Absent;
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::shared::SharedLog;
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId,
};

use crate::log_id::LogId;
use crate::metrics::Metrics;

/// A log of a service, shared by all requests.
pub type ServedLog = SharedLog<ServedStore>;

/// Where the logs of a service are. It opens each at most once at a time: its caller keeps what was opened.
pub trait Catalogue: Send + Sync {
    /// Opens the log of this name. Where there is none it makes one, or answers [`LogError::LogNotFound`] and leaves nothing behind.
    fn opened(&self, id: &LogId, absent: Absent) -> Result<ServedLog, LogError>;

    /// Names of logs behind this one (or all), ascending, at most so many. `None` where nothing can tell: the service's own log says
    /// then which were made.
    fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Option<Vec<LogId>>, LogError>;

    /// Opens the log of this name; `None` where there is none, as where whoever was making it was killed before it was one.
    fn open(&self, id: &LogId) -> Result<Option<ServedLog>, LogError> {
        match self.opened(id, Absent::Refuse) {
            Err(LogError::LogNotFound { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Makes a log of this name, which has none so far.
    fn create(&self, id: &LogId) -> Result<ServedLog, LogError> {
        self.opened(id, Absent::Make)
    }
}

/// A store of whatever kind, whose commits are counted and timed.
pub struct ServedStore {
    store: Box<dyn SecureLogStore + Send>,
    metrics: Arc<Metrics>,
}

impl ServedStore {
    /// Counts what this store does.
    pub fn new(store: Box<dyn SecureLogStore + Send>, metrics: Arc<Metrics>) -> ServedStore {
        ServedStore { store, metrics }
    }
}

/// Passes on every call, also those that a store need not have, as it may do them better.
impl SecureLogStore for ServedStore {
    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let begun = Instant::now();
        let inserted = self.store.insert(commit);
        match &inserted {
            Ok(()) => self.metrics.commit.observe(begun.elapsed()),
            Err(StoreError::Conflict { .. }) => self.metrics.conflicts.add(1),
            Err(_) => self.metrics.store_failures.add(1),
        }
        inserted
    }

    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.store.log()
    }

    fn torn(&mut self) -> Option<Torn> {
        self.store.torn()
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        self.store.heads(below, limit)
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.store.segment_count()
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        self.store.entries(range, visit)
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        self.store.hashes(tree, first, count)
    }

    fn hash_runs(&mut self, tree: TreeId, firsts: &[u64], count: u32) -> Result<Vec<Vec<Hash>>, StoreError> {
        self.store.hash_runs(tree, firsts, count)
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.store.nodes(ids)
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        self.store.indexed(range)
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        self.store.index_rows(after, limit)
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        self.store.search(search, visit)
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.store.stream(name)
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        self.store.streams(after, limit)
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.store.segment(id)
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        self.store.segments(stream, after, limit)
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.store.segment_of(stream, seqno)
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.store.leaf_index(segment, seqno)
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        self.store.signatures(of)
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        self.store.data_keys(stream)
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        self.store.witnesses(below, limit)
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        self.store.scan(cursor, max_bytes, visit)
    }

    fn scan_lines(&mut self, cursor: u64, max_bytes: usize, out: &mut Vec<u8>) -> Result<Option<u64>, StoreError> {
        self.store.scan_lines(cursor, max_bytes, out)
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.store.load(after, rows, done)
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.store.prune(up_to)
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.store.drop_data_keys(ids)
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.store.replace_data_keys(rows)
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.store.drop_witnesses(rows)
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.store.set_aside(after_head)
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.store.reindex()
    }
}
