//! The side of the store: a native store behind the exported interface.

use std::cell::RefCell;
use std::marker::PhantomData;

use bindings::exports::secure_log::log::store as wire;
use secure_log::entry::StreamRules;
use secure_log::hash::Suite;
use secure_log::index::IndexRow;
use secure_log::query::{Filter, Spelled};
use secure_log::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, Subject, UnknownRow,
    WitnessResult, WitnessRow,
};
use secure_log::store::{
    Commit, EntryRange, Expected, IndexRange, Node, NodeId, NumberedHead, NumberedWitness, PackedEntry, Search,
    SecureLogStore, StoreError, StreamState, TreeId,
};

use crate::{convert, packed};

pub mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        world: "secure-log:log/store-provider",
        path: ["../../wit/keys", "../../wit"],
        pub_export_macro: true,
        default_bindings_module: "secure_log_guest::provided::bindings",
    });
}

/// The same types with the lifetimes that those of the other side have.
mod answer {
    use super::wire;

    pub(super) use wire::{Subject, WitnessResult};

    pub(super) type Row<'a> = wire::Row;
    pub(super) type LogRow<'a> = wire::LogRow;
    pub(super) type StreamRow<'a> = wire::StreamRow;
    pub(super) type DataKeyRow<'a> = wire::DataKeyRow;
    pub(super) type EntryRow<'a> = wire::EntryRow;
    pub(super) type PrunedRow<'a> = wire::PrunedRow;
    pub(super) type SignatureRow<'a> = wire::SignatureRow;
    pub(super) type SegmentRow<'a> = wire::SegmentRow;
    pub(super) type WitnessRow<'a> = wire::WitnessRow;
    pub(super) type HeadRow<'a> = wire::HeadRow;
    /// The signature lines of a head.
    pub(super) type Lines<'a> = Vec<String>;
}

/// What makes a native store a component.
pub trait StoreProvider {
    /// Opens what `config` names, which is not empty, or gets ready to make it. Writes nothing.
    fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError>;

    /// Opens `config` again after an `init` with the same succeeded: a log that could not be opened may be tried again.
    /// The earlier store is closed first, so that it locks nothing.
    fn reopen(earlier: Box<dyn SecureLogStore>, config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        drop(earlier);
        Self::open(config)
    }
}

/// The component's exports over the store that `P` opens.
pub struct Served<P>(PhantomData<P>);

struct Opened {
    config: String,
    store: Box<dyn SecureLogStore>,
}

thread_local! {
    /// The one store of this component instance, which has one thread.
    static OPENED: RefCell<Option<Opened>> = const { RefCell::new(None) };
}

fn with_store<R>(call: impl FnOnce(&mut dyn SecureLogStore) -> Result<R, StoreError>) -> Result<R, wire::StoreError> {
    let not_open = || StoreError::Config("init has not succeeded yet: call it before anything else".into());
    OPENED.with_borrow_mut(|opened| call(opened.as_mut().ok_or_else(not_open)?.store.as_mut())).map_err(error_to_wire)
}

impl<P: StoreProvider> wire::Guest for Served<P> {
    fn init(config: String) -> Result<Option<wire::Torn>, wire::StoreError> {
        let store = match OPENED.take() {
            Some(earlier) if earlier.config == config => P::reopen(earlier.store, &config),
            earlier => {
                drop(earlier);
                match config.is_empty() {
                    true => Err(StoreError::Config("the store needs to be told what to open".into())),
                    false => P::open(&config),
                }
            }
        };
        let mut store = store.map_err(error_to_wire)?;
        let torn = store.torn().map(|torn| wire::Torn { bytes: torn.bytes, kept_as: torn.kept_as });
        OPENED.set(Some(Opened { config, store }));
        Ok(torn)
    }

    fn secure_log_read_log() -> Result<Option<wire::LogRow>, wire::StoreError> {
        with_store(|store| Ok(store.log()?.as_ref().map(log_to_wire)))
    }

    fn secure_log_insert(commit: wire::Commit) -> Result<(), wire::StoreError> {
        with_store(|store| store.insert(&commit_from_wire(commit)?))
    }

    fn secure_log_heads(below: Option<u64>, limit: u32) -> Result<Vec<wire::NumberedHead>, wire::StoreError> {
        with_store(|store| {
            let numbered = |row: &NumberedHead| wire::NumberedHead { number: row.number, head: whole_head(&row.head) };
            Ok(store.heads(below, limit)?.iter().map(numbered).collect())
        })
    }

    fn secure_log_segment_count() -> Result<u64, wire::StoreError> {
        with_store(|store| store.segment_count())
    }

    fn secure_log_entries(range: wire::EntryRange) -> Result<Vec<wire::Row>, wire::StoreError> {
        let range = EntryRange {
            stream: range.stream_id.as_deref(),
            from: range.from_seqno,
            to: range.to_seqno,
            limit: range.limit,
        };
        with_store(|store| {
            let mut rows = Vec::new();
            store.entries(range, &mut |record| rows.push(owned(&record)))?;
            Ok(rows)
        })
    }

    fn secure_log_hashes(tree: wire::TreeId, first: u64, count: u32) -> Result<Vec<Vec<u8>>, wire::StoreError> {
        with_store(|store| {
            Ok(store.hashes(tree_from_wire(tree), first, count)?.iter().map(|hash| hash.0.to_vec()).collect())
        })
    }

    fn secure_log_nodes(ids: Vec<wire::NodeId>) -> Result<Vec<Option<Vec<u8>>>, wire::StoreError> {
        let ids: Vec<NodeId> = ids.into_iter().map(node_id_from_wire).collect();
        with_store(|store| Ok(store.nodes(&ids)?.iter().map(|hash| hash.map(|hash| hash.0.to_vec())).collect()))
    }

    fn secure_log_indexed(range: wire::IndexRange) -> Result<Vec<u64>, wire::StoreError> {
        let range = IndexRange {
            key: convert::key_of_numbers(range.key),
            from: range.from_seqno,
            to: range.to_seqno,
            newest_first: range.newest_first,
            limit: range.limit,
        };
        with_store(|store| store.indexed(range))
    }

    fn secure_log_index_rows(
        after: Option<wire::IndexRow>,
        limit: u32,
    ) -> Result<Vec<wire::IndexRow>, wire::StoreError> {
        with_store(|store| {
            let rows = store.index_rows(after.map(index_row_from_wire), limit)?;
            let row = |row: &IndexRow| wire::IndexRow { key: convert::key_to_numbers(&row.key), seqno: row.seqno };
            Ok(rows.iter().map(row).collect())
        })
    }

    fn secure_log_search(search: wire::EntrySearch) -> Result<wire::ScanPage, wire::StoreError> {
        with_store(|store| {
            let filter = filter_from_wire(search.filter)?;
            let search = Search {
                filter: &filter,
                from: search.from_seqno,
                to: search.to_seqno,
                newest_first: search.newest_first,
                limit: search.limit,
                max_bytes: search.max_bytes as usize,
                work: search.work,
            };
            let mut rows = Vec::new();
            let next = store.search(&search, &mut |row| rows.push(owned(&Record::Entry(row))))?;
            Ok(wire::ScanPage { rows, next })
        })
    }

    fn secure_log_stream(name: String) -> Result<Option<wire::StreamState>, wire::StoreError> {
        with_store(|store| Ok(store.stream(&name)?.as_ref().map(stream_state)))
    }

    fn secure_log_streams(after: u64, limit: u32) -> Result<Vec<wire::StreamState>, wire::StoreError> {
        with_store(|store| Ok(store.streams(after, limit)?.iter().map(stream_state).collect()))
    }

    fn secure_log_segment(id: u64) -> Result<Option<wire::SegmentRow>, wire::StoreError> {
        with_store(|store| Ok(store.segment(id)?.as_ref().map(segment_to_wire)))
    }

    fn secure_log_segments(stream: String, after: u64, limit: u32) -> Result<Vec<wire::SegmentRow>, wire::StoreError> {
        with_store(|store| Ok(store.segments(&stream, after, limit)?.iter().map(segment_to_wire).collect()))
    }

    fn secure_log_segment_of(stream: String, seqno: u64) -> Result<Option<wire::SegmentRow>, wire::StoreError> {
        with_store(|store| Ok(store.segment_of(&stream, seqno)?.as_ref().map(segment_to_wire)))
    }

    fn secure_log_leaf_index(segment: u64, seqno: u64) -> Result<Option<u64>, wire::StoreError> {
        with_store(|store| store.leaf_index(segment, seqno))
    }

    fn secure_log_signatures(of: wire::Subject) -> Result<Vec<wire::SignatureRow>, wire::StoreError> {
        with_store(|store| Ok(store.signatures(subject_from_wire(of))?.iter().map(signature_to_wire).collect()))
    }

    fn secure_log_data_keys(stream: String) -> Result<Vec<wire::DataKeyRow>, wire::StoreError> {
        with_store(|store| Ok(store.data_keys(&stream)?.iter().map(data_key_to_wire).collect()))
    }

    fn secure_log_witnesses(below: Option<u64>, limit: u32) -> Result<Vec<wire::NumberedWitness>, wire::StoreError> {
        with_store(|store| {
            let rows = store.witnesses(below, limit)?;
            let numbered = |NumberedWitness { number, row }: &NumberedWitness| wire::NumberedWitness {
                number: *number,
                witness: witness_to_wire(row),
            };
            Ok(rows.iter().map(numbered).collect())
        })
    }

    fn secure_log_scan(cursor: u64, max_bytes: u32) -> Result<wire::ScanPage, wire::StoreError> {
        with_store(|store| {
            let mut rows = Vec::new();
            let next = store.scan(cursor, max_bytes as usize, &mut |record| rows.push(owned(&record)))?;
            Ok(wire::ScanPage { rows, next })
        })
    }

    fn secure_log_load(after: u64, rows: wire::Commit, done: bool) -> Result<(), wire::StoreError> {
        with_store(|store| store.load(after, &rows_from_wire(rows)?, done))
    }

    fn secure_log_prune(up_to: Vec<(String, u64)>) -> Result<u64, wire::StoreError> {
        let up_to: Vec<(&str, u64)> = up_to.iter().map(|(stream, last)| (stream.as_str(), *last)).collect();
        with_store(|store| store.prune(&up_to))
    }

    fn secure_log_drop_data_keys(ids: Vec<Vec<u8>>) -> Result<(), wire::StoreError> {
        with_store(|store| {
            let ids = ids.iter().map(|id| convert::hash(id, "the id of a data key")).collect::<Result<Vec<_>, _>>()?;
            store.drop_data_keys(&ids)
        })
    }

    fn secure_log_replace_data_keys(rows: Vec<wire::DataKeyRow>) -> Result<(), wire::StoreError> {
        with_store(|store| {
            let rows: Vec<DataKeyRow> = rows.into_iter().map(data_key_row).collect::<Result<_, _>>()?;
            store.replace_data_keys(&rows)
        })
    }

    fn secure_log_drop_witnesses(rows: Vec<wire::WitnessRow>) -> Result<(), wire::StoreError> {
        let rows: Vec<WitnessRow> = rows.into_iter().map(witness_row).collect();
        with_store(|store| store.drop_witnesses(&rows))
    }

    fn secure_log_set_aside(after_head: u64) -> Result<String, wire::StoreError> {
        with_store(|store| store.set_aside(after_head))
    }

    fn secure_log_reindex() -> Result<(), wire::StoreError> {
        with_store(|store| store.reindex())
    }
}

incoming!(wire);
outgoing!(answer);

fn commit_from_wire(wire: wire::Commit) -> Result<Commit, StoreError> {
    if wire.rows.iter().any(|row| matches!(row, wire::CommitRow::Row(wire::Row::Pruned(_)))) {
        return Err(convert::malformed("a commit", "an entry is pruned after it was committed"));
    }
    rows_from_wire(wire)
}

/// The rows of a commit, pruned ones too, which only a load may bring.
fn rows_from_wire(wire: wire::Commit) -> Result<Commit, StoreError> {
    let expected = wire.expected.map(|expected| {
        let root = convert::hash(&expected.root, "the expected root")?;
        Ok(Expected { size: expected.size, root, segments: expected.segments })
    });
    let length = |row: &wire::CommitRow| if let wire::CommitRow::Entry(row) = row { row.length.into() } else { 0 };
    let bytes = packed::unpack(&wire.entries, wire.rows.iter().map(length).sum()).ok_or_else(|| {
        let detail = format!("their bytes do not fill the {} words that they come in", wire.entries.len());
        convert::malformed("the entries of a commit", detail)
    })?;
    let rows = wire.rows.len();
    let mut commit = Commit::of_packed(expected.transpose()?, wire.streams, bytes.to_vec());
    commit.reserve(rows, 0);
    for row in wire.rows {
        match row {
            wire::CommitRow::Entry(row) => {
                let wire::PackedEntry { seqno, stream, hash, length } = row;
                let entry = PackedEntry { seqno, stream, hash: convert::unpack_hash(hash), length };
                let placed = commit.push_packed(entry);
                placed.map_err(|misplaced| convert::malformed("an entry of a commit", misplaced.to_string()))?;
            }
            wire::CommitRow::Row(wire::Row::Entry(_)) => {
                return Err(convert::malformed("a commit", "an entry in it is not packed"));
            }
            wire::CommitRow::Row(wire::Row::Unknown(_)) => {
                return Err(convert::malformed("a commit", "it holds a record of a kind that is not known here"));
            }
            wire::CommitRow::Row(row) => with_record(row, |record| commit.push(record))?,
        }
    }
    for node in wire.nodes {
        let hash = convert::hash(&node.hash, "a tree hash")?;
        commit.nodes.push(Node { id: node_id_from_wire(node.id), hash });
    }
    commit.index = wire.index.into_iter().map(index_row_from_wire).collect();
    Ok(commit)
}

fn filter_from_wire(filter: wire::EntryFilter) -> Result<Filter, StoreError> {
    let spelled = Spelled {
        streams: filter.streams,
        events: filter.event_types,
        producer: filter.producer,
        session: filter.session,
        severity: filter.severity,
        actor: filter.actor.map(convert::key_of_numbers),
        since: filter.since,
        before: filter.before,
        text: filter.text,
    };
    spelled.read().map_err(|invalid| StoreError::Config(invalid.to_string()))
}

fn index_row_from_wire(row: wire::IndexRow) -> IndexRow {
    IndexRow { key: convert::key_of_numbers(row.key), seqno: row.seqno }
}

fn node_id_from_wire(id: wire::NodeId) -> NodeId {
    NodeId { tree: tree_from_wire(id.tree), level: id.level, index: id.index }
}

fn tree_from_wire(tree: wire::TreeId) -> TreeId {
    match tree {
        wire::TreeId::Log => TreeId::Log,
        wire::TreeId::Segment(id) => TreeId::Segment(id),
    }
}

fn owned(record: &Record<'_>) -> wire::Row {
    row_to_wire(record, |head| head.sigs.clone())
}

fn whole_head(row: &HeadRow) -> wire::HeadRow {
    head_to_wire(row, row.sigs.clone())
}

fn stream_state(state: &StreamState) -> wire::StreamState {
    wire::StreamState {
        stream: stream_to_wire(&state.row),
        number: state.number,
        first: state.first,
        last: state.last,
        segment: state.segment,
    }
}

fn error_to_wire(error: StoreError) -> wire::StoreError {
    match error {
        StoreError::Conflict { heads } => wire::StoreError::Conflict(heads.iter().map(whole_head).collect()),
        StoreError::Locked { detail } => wire::StoreError::Locked(detail),
        StoreError::Corrupt { at, detail } => wire::StoreError::Corrupt(wire::Corruption { at, detail }),
        StoreError::LaterVersion { at, what } => wire::StoreError::LaterVersion(wire::LaterVersion { at, what }),
        StoreError::Config(detail) => wire::StoreError::Config(detail),
        StoreError::Io { operation, detail } => wire::StoreError::Io(wire::IoFailure { operation, detail }),
        // A case that this crate does not know yet says at least that a write may have happened.
        other => wire::StoreError::Io(wire::IoFailure { operation: "use the store".into(), detail: other.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use secure_log::memory::MemoryStore;
    use secure_log_testkit::LogBuilder;

    use super::wire::Guest;
    use super::*;

    struct Memory;

    impl StoreProvider for Memory {
        fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
            if config.is_empty() {
                return Err(StoreError::Config("a name is missing".into()));
            }
            Ok(Box::new(MemoryStore::new()))
        }
    }

    type Store = Served<Memory>;

    fn head() -> wire::CommitRow {
        wire::CommitRow::Row(wire::Row::Head(wire::HeadRow { size: 0, root: vec![0; 32], sigs: Vec::new() }))
    }

    fn first_commit() -> wire::Commit {
        let log = log_to_wire(LogBuilder::new().log());
        wire::Commit {
            expected: None,
            rows: vec![wire::CommitRow::Row(wire::Row::Log(log)), head()],
            streams: Vec::new(),
            entries: Vec::new(),
            nodes: Vec::new(),
            index: Vec::new(),
        }
    }

    #[test]
    fn nothing_works_before_init_and_init_may_be_tried_again() {
        assert!(matches!(Store::secure_log_read_log(), Err(wire::StoreError::Config(text)) if text.contains("init")));
        assert!(matches!(Store::init(String::new()), Err(wire::StoreError::Config(_))));
        assert!(matches!(Store::secure_log_segment_count(), Err(wire::StoreError::Config(_))));
        assert!(matches!(Store::init("log".into()), Ok(None)));
        Store::secure_log_insert(first_commit()).unwrap();
        assert_eq!(Store::secure_log_read_log().unwrap().unwrap().origin, LogBuilder::new().log().origin);
        Store::init("another".into()).unwrap();
        assert!(Store::secure_log_read_log().unwrap().is_none());
    }

    #[test]
    fn what_is_malformed_is_refused_and_nothing_is_stored() {
        Store::init("log".into()).unwrap();
        let entry =
            wire::Row::Entry(wire::EntryRow { seqno: 1, stream_id: "a".into(), hash: vec![0; 32], bytes: Vec::new() });
        let pruned = wire::Row::Pruned(wire::PrunedRow { seqno: 1, stream_id: "a".into(), hash: vec![0; 32] });
        let stream = |tier: &str, suite: &str, key: Option<Vec<u8>>| {
            wire::Row::Stream(wire::StreamRow {
                name: "a".into(),
                tier: tier.into(),
                suite: suite.into(),
                key,
                sign: "none".into(),
                description: None,
                created: "now".into(),
                deprecated: None,
            })
        };
        let rows = [
            entry,
            pruned,
            wire::Row::Unknown("mystery".into()),
            stream("secret", "sha-256", None),
            stream("public", "md5", None),
            stream("public", "sha-256", Some(vec![0; 8])),
            stream("public", "hmac-sha-256", None),
            stream("public", "hmac-sha-256", Some(vec![0; 7])),
        ];
        for row in rows {
            let mut commit = first_commit();
            commit.rows.insert(1, wire::CommitRow::Row(row.clone()));
            let refused = Store::secure_log_insert(commit);
            assert!(matches!(refused, Err(wire::StoreError::Corrupt(_))), "{row:?}");
        }
        // Of a stream that is not there; with bytes that are not there; with too many; with a word too much, or one that is
        // not filled up with zeros.
        let one = vec!["a".to_owned()];
        let packed = [
            (Vec::new(), 8, vec![0]),
            (one.clone(), 9, vec![0]),
            (one.clone(), u32::MAX, vec![0]),
            (one.clone(), 8, vec![0, 0]),
            (one.clone(), 0, vec![0]),
            (one, 7, vec![u64::MAX]),
        ];
        for (streams, length, entries) in packed {
            let mut commit = first_commit();
            let entry = wire::PackedEntry { seqno: 1, stream: 0, hash: (0, 0, 0, 0), length };
            commit.rows.insert(1, wire::CommitRow::Entry(entry));
            (commit.streams, commit.entries) = (streams, entries);
            let refused = Store::secure_log_insert(commit.clone());
            assert!(matches!(refused, Err(wire::StoreError::Corrupt(_))), "{commit:?}");
        }
        let mut commit = first_commit();
        commit.expected = Some(wire::Expected { size: 0, root: Vec::new(), segments: 0 });
        assert!(matches!(Store::secure_log_insert(commit), Err(wire::StoreError::Corrupt(_))));
        let id = wire::NodeId { tree: wire::TreeId::Log, level: 4, index: 0 };
        let mut commit = first_commit();
        commit.nodes.push(wire::Node { id, hash: vec![0; 64] });
        assert!(matches!(Store::secure_log_insert(commit), Err(wire::StoreError::Corrupt(_))));
        assert!(matches!(Store::secure_log_drop_data_keys(vec![vec![1]]), Err(wire::StoreError::Corrupt(_))));
        let data_key = wire::DataKeyRow {
            id: vec![1; 31],
            stream_id: "a".into(),
            first: 1,
            kek: "k".into(),
            alg: "a".into(),
            wrapped: Vec::new(),
            created: "now".into(),
        };
        assert!(matches!(Store::secure_log_replace_data_keys(vec![data_key]), Err(wire::StoreError::Corrupt(_))));
        assert!(Store::secure_log_read_log().unwrap().is_none());
    }
}
