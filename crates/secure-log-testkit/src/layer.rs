//! Stores that stand before another store.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId,
};

use crate::fault::FaultStore;

/// A method of [`SecureLogStore`] that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the methods are described at SecureLogStore")]
pub enum Method {
    Log,
    Insert,
    Heads,
    SegmentCount,
    Entries,
    Hashes,
    Nodes,
    Indexed,
    IndexRows,
    Search,
    Stream,
    Streams,
    Segment,
    Segments,
    SegmentOf,
    LeafIndex,
    Signatures,
    DataKeys,
    Witnesses,
    Scan,
    Load,
    Prune,
    DropDataKeys,
    ReplaceDataKeys,
    DropWitnesses,
    SetAside,
    Reindex,
}

impl Method {
    /// Whether it changes what is stored.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Method::Insert
                | Method::Load
                | Method::Prune
                | Method::DropDataKeys
                | Method::ReplaceDataKeys
                | Method::DropWitnesses
                | Method::SetAside
        )
    }
}

/// A layer that treats all calls alike: it decides when, and whether, to pass one on.
pub(crate) trait Layer {
    type Store: SecureLogStore + ?Sized;

    fn call<T>(
        &mut self,
        method: Method,
        run: impl FnOnce(&mut Self::Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;

    fn torn_below(&mut self) -> Option<Torn>;
}

/// Makes a [`Layer`] a store.
macro_rules! store_over_layer {
    ($layer:ident $(<$below:ident>)?) => {
        impl$(<$below: SecureLogStore>)? SecureLogStore for $layer$(<$below>)? {
            fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
                self.call(Method::Log, |store| store.log())
            }

            fn torn(&mut self) -> Option<Torn> {
                self.torn_below()
            }

            fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
                self.call(Method::Insert, |store| store.insert(commit))
            }

            fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
                self.call(Method::Heads, |store| store.heads(below, limit))
            }

            fn segment_count(&mut self) -> Result<u64, StoreError> {
                self.call(Method::SegmentCount, |store| store.segment_count())
            }

            fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
                self.call(Method::Entries, |store| store.entries(range, visit))
            }

            fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
                self.call(Method::Hashes, |store| store.hashes(tree, first, count))
            }

            fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
                self.call(Method::Nodes, |store| store.nodes(ids))
            }

            fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
                self.call(Method::Indexed, |store| store.indexed(range))
            }

            fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
                self.call(Method::IndexRows, |store| store.index_rows(after, limit))
            }

            fn search(
                &mut self,
                search: &Search<'_>,
                visit: &mut dyn FnMut(EntryRow<'_>),
            ) -> Result<Option<u64>, StoreError> {
                self.call(Method::Search, |store| store.search(search, visit))
            }

            fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
                self.call(Method::Stream, |store| store.stream(name))
            }

            fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
                self.call(Method::Streams, |store| store.streams(after, limit))
            }

            fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
                self.call(Method::Segment, |store| store.segment(id))
            }

            fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
                self.call(Method::Segments, |store| store.segments(stream, after, limit))
            }

            fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
                self.call(Method::SegmentOf, |store| store.segment_of(stream, seqno))
            }

            fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
                self.call(Method::LeafIndex, |store| store.leaf_index(segment, seqno))
            }

            fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
                self.call(Method::Signatures, |store| store.signatures(of))
            }

            fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
                self.call(Method::DataKeys, |store| store.data_keys(stream))
            }

            fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
                self.call(Method::Witnesses, |store| store.witnesses(below, limit))
            }

            fn scan(
                &mut self,
                cursor: u64,
                max_bytes: usize,
                visit: &mut dyn FnMut(Record<'_>),
            ) -> Result<Option<u64>, StoreError> {
                self.call(Method::Scan, |store| store.scan(cursor, max_bytes, visit))
            }

            fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
                self.call(Method::Load, |store| store.load(after, rows, done))
            }

            fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
                self.call(Method::Prune, |store| store.prune(up_to))
            }

            fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
                self.call(Method::DropDataKeys, |store| store.drop_data_keys(ids))
            }

            fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
                self.call(Method::ReplaceDataKeys, |store| store.replace_data_keys(rows))
            }

            fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
                self.call(Method::DropWitnesses, |store| store.drop_witnesses(rows))
            }

            fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
                self.call(Method::SetAside, |store| store.set_aside(after_head))
            }

            fn reindex(&mut self) -> Result<(), StoreError> {
                self.call(Method::Reindex, |store| store.reindex())
            }
        }
    };
}

/// A store that several owners use in turn: clones are the same store, as two openings of one file are.
#[derive(Debug, Default)]
pub struct SharedStore<S>(Arc<Mutex<S>>);

impl<S> SharedStore<S> {
    /// Shares `store`.
    pub fn new(store: S) -> SharedStore<S> {
        SharedStore(Arc::new(Mutex::new(store)))
    }

    /// Uses the store itself, behind the back of whoever else holds it.
    pub fn with<R>(&self, use_it: impl FnOnce(&mut S) -> R) -> R {
        // A test that failed inside has said so; what follows may still look at the store.
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Clone for SharedStore<S> {
    fn clone(&self) -> SharedStore<S> {
        SharedStore(Arc::clone(&self.0))
    }
}

impl<S: SecureLogStore> Layer for SharedStore<S> {
    type Store = S;

    fn call<T>(
        &mut self,
        _: Method,
        run: impl FnOnce(&mut Self::Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(run)
    }

    fn torn_below(&mut self) -> Option<Torn> {
        self.with(|store| store.torn())
    }
}

/// A store of any kind: what holds it can replace it by one of another kind.
pub struct AnyStore(Box<dyn SecureLogStore + Send>);

impl AnyStore {
    /// Hides which store it is.
    pub fn new(store: impl SecureLogStore + Send + 'static) -> AnyStore {
        AnyStore(Box::new(store))
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStore").finish_non_exhaustive()
    }
}

impl Layer for AnyStore {
    type Store = dyn SecureLogStore + Send;

    fn call<T>(
        &mut self,
        _: Method,
        run: impl FnOnce(&mut Self::Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        run(&mut *self.0)
    }

    fn torn_below(&mut self) -> Option<Torn> {
        self.0.torn()
    }
}

store_over_layer!(SharedStore<S>);
store_over_layer!(FaultStore<S>);
store_over_layer!(AnyStore);
