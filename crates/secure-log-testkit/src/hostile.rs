//! A store in the hands of an attacker.

use core::fmt;

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId,
};

use crate::record::OwnedRecord;

/// A store that lies: hooks rewrite what goes out of it and what comes in.
///
/// Where the attack is an edit of what is stored, [`crate::SharedStore::with`] and [`crate::store_from`] are simpler: swap
/// the rows while the engine is looking elsewhere. The hooks are for answers that no store would give.
pub struct HostileStore<S> {
    inner: S,
    rewrite: Box<RewriteRow>,
    rewrite_hashes: Box<RewriteHashes>,
    rewrite_nodes: Box<RewriteNodes>,
    rewrite_index: Box<RewriteIndex>,
    rewrite_next: Box<RewriteNext>,
    intercept: Box<Intercept<S>>,
}

type RewriteRow = dyn FnMut(&mut OwnedRecord) -> bool + Send;
type RewriteHashes = dyn FnMut(TreeId, u64, &mut Vec<Hash>) + Send;
type RewriteNodes = dyn FnMut(NodeId, &mut Option<Hash>) + Send;
type RewriteIndex = dyn FnMut(&mut Vec<IndexRow>) + Send;
type RewriteNext = dyn FnMut(Option<u64>) -> Option<u64> + Send;
type Intercept<S> = dyn FnMut(&Commit, &mut S) -> Option<Result<(), StoreError>> + Send;

impl<S: SecureLogStore> HostileStore<S> {
    /// Stands before `inner`, and is honest until it is given a hook.
    pub fn new(inner: S) -> HostileStore<S> {
        HostileStore {
            inner,
            rewrite: Box::new(|_| true),
            rewrite_hashes: Box::new(|_, _, _| ()),
            rewrite_nodes: Box::new(|_, _| ()),
            rewrite_index: Box::new(|_| ()),
            rewrite_next: Box::new(|next| next),
            intercept: Box::new(|_, _| None),
        }
    }

    /// Shows each row that goes out to `hook`, which may edit it, or drop it by answering `false`. The heads of a
    /// conflict are rows, too.
    pub fn rewrite_rows(mut self, hook: impl FnMut(&mut OwnedRecord) -> bool + Send + 'static) -> Self {
        self.rewrite = Box::new(hook);
        self
    }

    /// Shows the entry-hashes of leaves, from the leaf with this index, to `hook`.
    pub fn rewrite_hashes(mut self, hook: impl FnMut(TreeId, u64, &mut Vec<Hash>) + Send + 'static) -> Self {
        self.rewrite_hashes = Box::new(hook);
        self
    }

    /// Shows each interior tree hash to `hook`.
    pub fn rewrite_nodes(mut self, hook: impl FnMut(NodeId, &mut Option<Hash>) + Send + 'static) -> Self {
        self.rewrite_nodes = Box::new(hook);
        self
    }

    /// Shows the rows of the index that an answer says to `hook`, those of one key and those of all.
    pub fn rewrite_index(mut self, hook: impl FnMut(&mut Vec<IndexRow>) + Send + 'static) -> Self {
        self.rewrite_index = Box::new(hook);
        self
    }

    /// Has a search go on where `hook` says.
    pub fn rewrite_next(mut self, hook: impl FnMut(Option<u64>) -> Option<u64> + Send + 'static) -> Self {
        self.rewrite_next = Box::new(hook);
        self
    }

    /// Shows each commit to `hook` with the store behind. What it answers is the answer; on `None` the commit is stored
    /// as it is.
    pub fn intercept_commits(
        mut self,
        hook: impl FnMut(&Commit, &mut S) -> Option<Result<(), StoreError>> + Send + 'static,
    ) -> Self {
        self.intercept = Box::new(hook);
        self
    }

    /// The store behind it.
    pub fn inner(&mut self) -> &mut S {
        &mut self.inner
    }

    fn lie<T>(&mut self, row: Option<T>) -> Option<T>
    where
        T: Row,
    {
        let mut record = row?.wrap();
        (self.rewrite)(&mut record).then(|| T::unwrap(record))
    }

    fn lie_often<T: Row>(&mut self, rows: Vec<T>) -> Vec<T> {
        rows.into_iter().filter_map(|row| self.lie(Some(row))).collect()
    }

    fn lie_of_stream(&mut self, state: StreamState) -> Option<StreamState> {
        let row = self.lie(Some(state.row))?;
        Some(StreamState { row, ..state })
    }
}

/// The hooks know rows as records.
trait Row: Sized {
    fn wrap(self) -> OwnedRecord;
    fn unwrap(record: OwnedRecord) -> Self;
}

macro_rules! rows {
    ($($variant:ident($row:ty)),* $(,)?) => {$(
        impl Row for $row {
            fn wrap(self) -> OwnedRecord {
                OwnedRecord::$variant(self)
            }

            fn unwrap(record: OwnedRecord) -> $row {
                match record {
                    OwnedRecord::$variant(row) => row,
                    other => panic!("a hook turned a row of another kind into {other:?}"),
                }
            }
        }
    )*};
}

rows!(
    Log(LogRow),
    Stream(secure_log::record::StreamRow),
    DataKey(DataKeyRow),
    Signature(SignatureRow),
    Segment(SegmentRow),
    Witness(WitnessRow),
    Head(secure_log::record::HeadRow),
);

impl<S: SecureLogStore> SecureLogStore for HostileStore<S> {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        let row = self.inner.log()?;
        Ok(self.lie(row))
    }

    fn torn(&mut self) -> Option<Torn> {
        self.inner.torn()
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if let Some(answer) = (self.intercept)(commit, &mut self.inner) {
            return answer;
        }
        match self.inner.insert(commit) {
            Err(StoreError::Conflict { heads }) => Err(StoreError::Conflict { heads: self.lie_often(heads) }),
            other => other,
        }
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        let heads = self.inner.heads(below, limit)?;
        let lie = |NumberedHead { number, head }| self.lie(Some(head)).map(|head| NumberedHead { number, head });
        Ok(heads.into_iter().filter_map(lie).collect())
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.inner.segment_count()
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        let HostileStore { inner, rewrite, .. } = self;
        inner.entries(range, &mut |record| show(record, rewrite, visit))
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = self.inner.hashes(tree, first, count)?;
        (self.rewrite_hashes)(tree, first, &mut hashes);
        Ok(hashes)
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        let mut hashes = self.inner.nodes(ids)?;
        ids.iter().zip(&mut hashes).for_each(|(id, hash)| (self.rewrite_nodes)(*id, hash));
        Ok(hashes)
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        let key = range.key;
        let mut rows = self.inner.indexed(range)?.into_iter().map(|seqno| IndexRow { key, seqno }).collect();
        (self.rewrite_index)(&mut rows);
        Ok(rows.into_iter().map(|row| row.seqno).collect())
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        let mut rows = self.inner.index_rows(after, limit)?;
        (self.rewrite_index)(&mut rows);
        Ok(rows)
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        let HostileStore { inner, rewrite, rewrite_next, .. } = self;
        let next = inner.search(search, &mut |row| {
            show(Record::Entry(row), rewrite, &mut |record| match record {
                Record::Entry(row) => visit(row),
                other => panic!("a hook turned an entry that was found into {other:?}"),
            });
        })?;
        Ok(rewrite_next(next))
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        let state = self.inner.stream(name)?;
        Ok(state.and_then(|state| self.lie_of_stream(state)))
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        let states = self.inner.streams(after, limit)?;
        Ok(states.into_iter().filter_map(|state| self.lie_of_stream(state)).collect())
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        let row = self.inner.segment(id)?;
        Ok(self.lie(row))
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        let rows = self.inner.segments(stream, after, limit)?;
        Ok(self.lie_often(rows))
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        let row = self.inner.segment_of(stream, seqno)?;
        Ok(self.lie(row))
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.inner.leaf_index(segment, seqno)
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        let rows = self.inner.signatures(of)?;
        Ok(self.lie_often(rows))
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        let rows = self.inner.data_keys(stream)?;
        Ok(self.lie_often(rows))
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        let rows = self.inner.witnesses(below, limit)?;
        let lie = |NumberedWitness { number, row }| self.lie(Some(row)).map(|row| NumberedWitness { number, row });
        Ok(rows.into_iter().filter_map(lie).collect())
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let HostileStore { inner, rewrite, .. } = self;
        inner.scan(cursor, max_bytes, &mut |record| show(record, rewrite, visit))
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.inner.load(after, rows, done)
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.inner.prune(up_to)
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.inner.drop_data_keys(ids)
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.inner.replace_data_keys(rows)
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.inner.drop_witnesses(rows)
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.inner.set_aside(after_head)
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.inner.reindex()
    }
}

fn show(record: Record<'_>, rewrite: &mut RewriteRow, visit: &mut dyn FnMut(Record<'_>)) {
    let mut record = OwnedRecord::from(record);
    if rewrite(&mut record) {
        visit(record.as_record());
    }
}

impl<S: fmt::Debug> fmt::Debug for HostileStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostileStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secure_log::memory::MemoryStore;

    use super::*;
    use crate::{LogBuilder, SharedStore, records_of, store_from};

    #[test]
    fn rows_are_rewritten_and_dropped_on_every_way_out() {
        let mut log = LogBuilder::new();
        let mut store = HostileStore::new(MemoryStore::new()).rewrite_rows(|record| match record {
            OwnedRecord::Head(head) => {
                head.size += 100;
                true
            }
            OwnedRecord::Segment(_) => false,
            OwnedRecord::Stream(row) => {
                row.created = "forged".into();
                true
            }
            _ => true,
        });
        store.insert(&log.create()).unwrap();
        store.insert(&log.commit().entry("a", b"1").close("a").finish()).unwrap();
        assert_eq!(store.heads(None, 1).unwrap()[0].head.size, 102);
        assert_eq!(store.stream("a").unwrap().unwrap().row.created, "forged");
        assert_eq!(store.segment(1).unwrap(), None);
        assert_eq!(store.segments("a", 0, 9).unwrap(), []);
        assert_eq!(store.segment_of("a", 1).unwrap(), None);
        assert!(!records_of(&mut store).unwrap().iter().any(|record| matches!(record, OwnedRecord::Segment(_))));
        let conflict = store.insert(&LogBuilder::new().create());
        assert!(matches!(conflict, Err(StoreError::Conflict { heads }) if heads[0].size == 102));
    }

    #[test]
    fn a_conflict_can_answer_an_old_head_over_an_old_store() {
        let below = SharedStore::new(MemoryStore::new());
        let mut log = LogBuilder::new();
        below.clone().insert(&log.create()).unwrap();
        let old = below.with(|store| records_of(store).unwrap());
        let mut armed = true;
        let mut store = HostileStore::new(below).intercept_commits(move |_, below| {
            core::mem::take(&mut armed).then(|| {
                below.with(|store| *store = store_from(&old));
                let heads = below.heads(None, 9).unwrap().into_iter().map(|numbered| numbered.head).collect();
                Err(StoreError::Conflict { heads })
            })
        });
        let conflict = store.insert(&log.commit().entry("a", b"1").finish());
        assert!(matches!(conflict, Err(StoreError::Conflict { heads }) if heads[0].size == 0));
        assert_eq!(store.heads(None, 9).unwrap().len(), 1);
    }

    #[test]
    fn tree_hashes_are_rewritten() {
        let mut store = HostileStore::new(MemoryStore::new())
            .rewrite_hashes(|_, _, hashes| hashes.fill(Hash::ZERO))
            .rewrite_nodes(|_, hash| *hash = None);
        let mut log = LogBuilder::new();
        store.insert(&log.create()).unwrap();
        let commit = (0..16).fold(log.commit(), |commit, i| commit.entry("a", &[i])).finish();
        store.insert(&commit).unwrap();
        assert_eq!(store.hashes(TreeId::Log, 0, 2).unwrap(), [Hash::ZERO; 2]);
        assert_eq!(store.nodes(&[commit.nodes[0].id]).unwrap(), [None]);
        assert!(store.inner().nodes(&[commit.nodes[0].id]).unwrap()[0].is_some());
    }
}
