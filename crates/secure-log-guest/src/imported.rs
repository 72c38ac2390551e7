//! The side of the log: the imported interface as a native store.

use core::fmt;
use std::cell::RefCell;

use bindings::secure_log::log::store as wire;
use secure_log::entry::StreamRules;
use secure_log::hash::{Hash, Suite};
use secure_log::index::IndexRow;
use secure_log::query::Spelled;
use secure_log::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, Subject, UnknownRow,
    WitnessResult, WitnessRow,
};
use secure_log::store::{
    Commit, CommitRow, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore,
    StoreError, StreamState, Torn, TreeId,
};

use crate::{convert, packed};

pub mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    // What is passed to the store is borrowed: a batch is copied once, when it crosses.
    wit_bindgen::generate!({
        inline: "
            package secure-log:guest;

            world store-user {
                import secure-log:log/store@0.1.0;
            }
        ",
        world: "secure-log:guest/store-user",
        path: ["../../wit/keys", "../../wit"],
        ownership: Borrowing { duplicate_if_necessary: true },
        generate_all,
    });
}

/// What the store answers.
mod answer {
    pub(super) use super::wire::{
        DataKeyRowResult as DataKeyRow, HeadRowResult as HeadRow, LogRowResult as LogRow, RowResult as Row,
        SegmentRowResult as SegmentRow, SignatureRowResult as SignatureRow, StreamRowResult as StreamRow, Subject,
        WitnessResult, WitnessRowResult as WitnessRow,
    };
}

/// What it is given.
mod given {
    pub(super) use super::wire::{
        DataKeyRowParam as DataKeyRow, EntryRowParam as EntryRow, HeadRowParam as HeadRow, LogRowParam as LogRow,
        PrunedRowParam as PrunedRow, RowParam as Row, SegmentRowParam as SegmentRow, SignatureRowParam as SignatureRow,
        StreamRowParam as StreamRow, Subject, WitnessResult, WitnessRowParam as WitnessRow,
    };

    /// The signature lines of a head.
    pub(super) type Lines<'a> = &'a [&'a str];
}

/// The store that this component was composed with.
///
/// What it answers is checked for its form only: a hash of another length than 32, or a word that the format does not
/// know, is [`StoreError::Corrupt`].
///
/// There is one store a component, which has one log open at a time. An `ImportedStore` whose log is not the one that is open
/// has it opened again when it is called, so that a component may go from one log to another and back. Two of one config are the
/// same.
pub struct ImportedStore {
    config: String,
    torn: Option<Torn>,
}

thread_local! {
    /// What is open, which is nothing where it is empty. A component has one thread.
    static OPEN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A config may hold a password.
impl fmt::Debug for ImportedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedStore").field("torn", &self.torn).finish_non_exhaustive()
    }
}

impl ImportedStore {
    /// Has the store open what `config` names.
    pub fn open(config: &str) -> Result<ImportedStore, StoreError> {
        let torn = init(config)?;
        Ok(ImportedStore { config: config.into(), torn })
    }

    /// Has the store let go of what it has open, and of its files in good order.
    pub fn close(self) {
        ImportedStore::close_any();
    }

    /// The same, for who has no `ImportedStore` any more.
    pub fn close_any() {
        // This is the error that is promised, and what is closed can fail no more.
        let _ = init("");
    }

    /// Has its log open.
    fn select(&self) -> Result<(), StoreError> {
        if OPEN.with_borrow(|open| *open == self.config) { Ok(()) } else { init(&self.config).map(drop) }
    }
}

fn init(config: &str) -> Result<Option<Torn>, StoreError> {
    // What was open is so no more, whatever comes of this.
    OPEN.take();
    let torn = wire::init(config).map_err(error_from_wire)?;
    OPEN.set(config.into());
    Ok(torn.map(|torn| Torn { bytes: torn.bytes, kept_as: torn.kept_as }))
}

impl SecureLogStore for ImportedStore {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.select()?;
        optional(wire::secure_log_read_log(), log_row)
    }

    fn torn(&mut self) -> Option<Torn> {
        self.torn.clone()
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.select()?;
        with_wire(commit, wire::secure_log_insert)
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        self.select()?;
        list(wire::secure_log_heads(below, limit), |row| {
            Ok(NumberedHead { number: row.number, head: head_row(row.head)? })
        })
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.select()?;
        wire::secure_log_segment_count().map_err(error_from_wire)
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        self.select()?;
        let range = wire::EntryRangeParam {
            stream_id: range.stream,
            from_seqno: range.from,
            to_seqno: range.to,
            limit: range.limit,
        };
        let rows = wire::secure_log_entries(range).map_err(error_from_wire)?;
        rows.into_iter().try_for_each(|row| with_record(row, &mut *visit))
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        self.select()?;
        list(wire::secure_log_hashes(tree_to_wire(tree), first, count), |hash| leaf(&hash))
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.select()?;
        let ids: Vec<wire::NodeId> = ids.iter().map(node_id_to_wire).collect();
        list(wire::secure_log_nodes(&ids), |hash| {
            hash.map(|hash| convert::hash(&hash, "an interior tree hash")).transpose()
        })
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        self.select()?;
        let range = wire::IndexRange {
            key: convert::key_to_numbers(&range.key),
            from_seqno: range.from,
            to_seqno: range.to,
            newest_first: range.newest_first,
            limit: range.limit,
        };
        wire::secure_log_indexed(range).map_err(error_from_wire)
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        self.select()?;
        let after = after.as_ref().map(index_row_to_wire);
        list(wire::secure_log_index_rows(after, limit), |row| {
            Ok(IndexRow { key: convert::key_of_numbers(row.key), seqno: row.seqno })
        })
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        self.select()?;
        let Some(within) = search.within() else { return Ok(None) };
        let spelled = Spelled::from(search.filter);
        fn texts(texts: &[String]) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        let (streams, event_types) = (texts(&spelled.streams), texts(&spelled.events));
        let filter = wire::EntryFilterParam {
            streams: &streams,
            event_types: &event_types,
            producer: spelled.producer.as_deref(),
            session: spelled.session.as_deref(),
            severity: spelled.severity.as_deref(),
            actor: spelled.actor.as_ref().map(convert::key_to_numbers),
            since: spelled.since.as_deref(),
            before: spelled.before.as_deref(),
            text: spelled.text.as_deref(),
        };
        let page = wire::secure_log_search(wire::EntrySearchParam {
            filter,
            from_seqno: within.from,
            to_seqno: within.to,
            newest_first: search.newest_first,
            limit: search.limit,
            max_bytes: u32::try_from(search.max_bytes).unwrap_or(u32::MAX),
            work: search.work,
        });
        let page = page.map_err(error_from_wire)?;
        for row in page.rows {
            let is_entry = with_record(row, |record| match record {
                Record::Entry(row) => {
                    visit(row);
                    true
                }
                _ => false,
            })?;
            if !is_entry {
                return Err(convert::malformed("a search", "a row that is no entry"));
            }
        }
        Ok(page.next)
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.select()?;
        optional(wire::secure_log_stream(name), stream_state)
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        self.select()?;
        list(wire::secure_log_streams(after, limit), stream_state)
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.select()?;
        optional(wire::secure_log_segment(id), segment_row)
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        self.select()?;
        list(wire::secure_log_segments(stream, after, limit), segment_row)
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.select()?;
        optional(wire::secure_log_segment_of(stream, seqno), segment_row)
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.select()?;
        wire::secure_log_leaf_index(segment, seqno).map_err(error_from_wire)
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        self.select()?;
        list(wire::secure_log_signatures(subject_to_wire(of)), |row| Ok(signature_row(row)))
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        self.select()?;
        list(wire::secure_log_data_keys(stream), data_key_row)
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        self.select()?;
        list(wire::secure_log_witnesses(below, limit), |row| {
            Ok(NumberedWitness { number: row.number, row: witness_row(row.witness) })
        })
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        self.select()?;
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        let page = wire::secure_log_scan(cursor, max_bytes).map_err(error_from_wire)?;
        page.rows.into_iter().try_for_each(|row| with_record(row, &mut *visit))?;
        Ok(page.next)
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.select()?;
        with_wire(rows, |rows| wire::secure_log_load(after, rows, done))
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.select()?;
        wire::secure_log_prune(up_to).map_err(error_from_wire)
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.select()?;
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.0.as_slice()).collect();
        wire::secure_log_drop_data_keys(&ids).map_err(error_from_wire)
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.select()?;
        let rows: Vec<given::DataKeyRow<'_>> = rows.iter().map(data_key_to_wire).collect();
        wire::secure_log_replace_data_keys(&rows).map_err(error_from_wire)
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.select()?;
        let rows: Vec<given::WitnessRow<'_>> = rows.iter().map(witness_to_wire).collect();
        wire::secure_log_drop_witnesses(&rows).map_err(error_from_wire)
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.select()?;
        wire::secure_log_set_aside(after_head).map_err(error_from_wire)
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.select()?;
        wire::secure_log_reindex().map_err(error_from_wire)
    }
}

incoming!(answer);
outgoing!(given);

/// Shows a commit in the form in which it crosses.
fn with_wire<T>(
    commit: &Commit,
    call: impl FnOnce(wire::CommitParam<'_>) -> Result<T, wire::StoreError>,
) -> Result<T, StoreError> {
    // Bindings borrow the records, and the lists in them.
    let mut others = Vec::new();
    for row in commit.rows() {
        if let CommitRow::Record(record) = row {
            let lines: Vec<&str> = match record {
                Record::Head(head) => head.sigs.iter().map(String::as_str).collect(),
                _ => Vec::new(),
            };
            others.push((record, lines));
        }
    }
    let mut others = others.iter();
    let rows: Vec<wire::CommitRowParam<'_>> = commit
        .rows()
        .map(|row| match row {
            CommitRow::Entry(entry) => wire::CommitRowParam::Entry(wire::PackedEntry {
                seqno: entry.seqno,
                stream: entry.stream,
                hash: convert::pack_hash(&entry.hash),
                length: entry.length,
            }),
            CommitRow::Record(_) => {
                let (record, lines) = others.next().expect("each record that is no entry was collected");
                wire::CommitRowParam::Row(row_to_wire(record, |_| lines))
            }
        })
        .collect();
    let streams: Vec<&str> = commit.streams().iter().map(String::as_str).collect();
    let entries = packed::pack([commit.packed_bytes()].into_iter());
    let nodes: Vec<wire::NodeParam<'_>> =
        commit.nodes.iter().map(|node| wire::NodeParam { id: node_id_to_wire(&node.id), hash: &node.hash.0 }).collect();
    let expected = commit.expected.as_ref().map(|expected| wire::ExpectedParam {
        size: expected.size,
        root: &expected.root.0,
        segments: expected.segments,
    });
    let index: Vec<wire::IndexRow> = commit.index.iter().map(index_row_to_wire).collect();
    let commit =
        wire::CommitParam { expected, rows: &rows, streams: &streams, entries: &entries, nodes: &nodes, index: &index };
    call(commit).map_err(error_from_wire)
}

/// Converts an answer that may hold one row.
fn optional<W, T>(
    answer: Result<Option<W>, wire::StoreError>,
    convert: impl FnOnce(W) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    answer.map_err(error_from_wire)?.map(convert).transpose()
}

/// Converts an answer of many rows.
fn list<W, T>(
    answer: Result<Vec<W>, wire::StoreError>,
    convert: impl FnMut(W) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    answer.map_err(error_from_wire)?.into_iter().map(convert).collect()
}

fn leaf(hash: &[u8]) -> Result<Hash, StoreError> {
    convert::hash(hash, "the hash of a leaf")
}

fn stream_state(state: wire::StreamState) -> Result<StreamState, StoreError> {
    Ok(StreamState {
        row: stream_row(state.stream)?,
        number: state.number,
        first: state.first,
        last: state.last,
        segment: state.segment,
    })
}

fn index_row_to_wire(row: &IndexRow) -> wire::IndexRow {
    wire::IndexRow { key: convert::key_to_numbers(&row.key), seqno: row.seqno }
}

fn node_id_to_wire(id: &NodeId) -> wire::NodeId {
    wire::NodeId { tree: tree_to_wire(id.tree), level: id.level, index: id.index }
}

fn tree_to_wire(tree: TreeId) -> wire::TreeId {
    match tree {
        TreeId::Log => wire::TreeId::Log,
        TreeId::Segment(id) => wire::TreeId::Segment(id),
    }
}

fn error_from_wire(error: wire::StoreError) -> StoreError {
    match error {
        wire::StoreError::Conflict(heads) => match heads.into_iter().map(head_row).collect() {
            Ok(heads) => StoreError::Conflict { heads },
            Err(malformed) => malformed,
        },
        wire::StoreError::Locked(detail) => StoreError::Locked { detail },
        wire::StoreError::Corrupt(wire::Corruption { at, detail }) => StoreError::Corrupt { at, detail },
        wire::StoreError::LaterVersion(wire::LaterVersion { at, what }) => StoreError::LaterVersion { at, what },
        wire::StoreError::Config(detail) => StoreError::Config(detail),
        wire::StoreError::Io(wire::IoFailure { operation, detail }) => StoreError::Io { operation, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_answer_is_told_apart_from_an_empty_one() {
        let short = || answer::HeadRow { size: 1, root: vec![0; 31], sigs: Vec::new() };
        assert!(matches!(head_row(short()), Err(StoreError::Corrupt { .. })));
        assert!(matches!(with_record(answer::Row::Head(short()), |_| ()), Err(StoreError::Corrupt { .. })));
        let conflict = error_from_wire(wire::StoreError::Conflict(vec![short()]));
        assert!(matches!(conflict, StoreError::Corrupt { .. }));
        let log = answer::LogRow { id: vec![0; 17], origin: String::new(), created: String::new() };
        assert!(matches!(optional(Ok(Some(log)), log_row), Err(StoreError::Corrupt { .. })));
        assert_eq!(optional(Ok(None), log_row), Ok(None));
        assert!(matches!(list(Ok(vec![vec![0; 3]]), |hash: Vec<u8>| leaf(&hash)), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn errors_keep_their_meaning() {
        let io = wire::StoreError::Io(wire::IoFailure { operation: "write".into(), detail: "full".into() });
        assert_eq!(error_from_wire(io), StoreError::Io { operation: "write".into(), detail: "full".into() });
        let locked = wire::StoreError::Locked("by another".into());
        assert_eq!(error_from_wire(locked), StoreError::Locked { detail: "by another".into() });
        let later = wire::StoreError::LaterVersion(wire::LaterVersion { at: "a".into(), what: "b".into() });
        assert_eq!(error_from_wire(later), StoreError::LaterVersion { at: "a".into(), what: "b".into() });
        let empty = wire::StoreError::Conflict(Vec::new());
        assert_eq!(error_from_wire(empty), StoreError::Conflict { heads: Vec::new() });
    }
}
