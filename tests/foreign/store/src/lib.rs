//! A store that keeps its rows in a `Vec` and answers every question by walking it.
//!
//! It is written against wit/store.wit alone, so it also shows whether what the WIT says is enough to write a store by.
//! It finds nothing faster than that: it is for small logs, and for reading.

use std::cell::RefCell;
use std::collections::HashSet;

mod bindings {
    wit_bindgen::generate!({
        world: "secure-log:log/store-provider",
        path: ["../../../wit/keys", "../../../wit"],
        additional_derives: [PartialEq],
    });
    export!(Component);

    use super::Component;
}

use bindings::exports::secure_log::log::store::*;

/// The prefix of the event types that only the log itself writes, and that are never pruned.
const CONTROL: &str = "secure-log.";

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
}

struct Component;

#[derive(Default)]
struct Store {
    /// All rows in commit order. A row that is dropped leaves its place empty, so that cursors stay what they are.
    rows: Vec<Option<Row>>,
    nodes: Vec<Node>,
    /// In order.
    index: Vec<IndexRow>,
    aside: Vec<Option<Row>>,
    /// A log that is not whole yet.
    loading: Vec<Option<Row>>,
    loading_nodes: Vec<Node>,
}

impl Store {
    fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.iter().flatten()
    }

    fn heads(&self) -> impl Iterator<Item = &HeadRow> {
        self.rows().filter_map(|row| if let Row::Head(head) = row { Some(head) } else { None })
    }

    fn segments(&self) -> impl Iterator<Item = &SegmentRow> {
        self.rows().filter_map(|row| if let Row::Segment(segment) = row { Some(segment) } else { None })
    }

    /// Entries and pruned rows: (seqno, stream, hash, row), ascending.
    fn entries(&self) -> impl Iterator<Item = (u64, &str, &Vec<u8>, &Row)> {
        self.rows().filter_map(|row| match row {
            Row::Entry(entry) => Some((entry.seqno, entry.stream_id.as_str(), &entry.hash, row)),
            Row::Pruned(pruned) => Some((pruned.seqno, pruned.stream_id.as_str(), &pruned.hash, row)),
            _ => None,
        })
    }

    /// The leaves of a tree, in order: seqno and hash.
    fn leaves(&self, tree: TreeId) -> Vec<(u64, Vec<u8>)> {
        let segment = match tree {
            TreeId::Log => None,
            TreeId::Segment(id) => match self.segments().find(|segment| segment.id == id) {
                Some(segment) => Some(segment),
                None => return Vec::new(),
            },
        };
        self.entries()
            .filter(|(seqno, stream, ..)| {
                segment.is_none_or(|s| s.stream_id == *stream && (s.first..=s.last).contains(seqno))
            })
            .map(|(seqno, _, hash, _)| (seqno, hash.clone()))
            .collect()
    }

    /// Each stream once, at the place of its first row and with what its last row says.
    fn streams(&self) -> Vec<StreamState> {
        let mut streams: Vec<StreamState> = Vec::new();
        for row in self.rows() {
            match row {
                Row::Stream(stream) => match streams.iter_mut().find(|state| state.stream.name == stream.name) {
                    Some(state) => state.stream = stream.clone(),
                    None => streams.push(StreamState {
                        stream: stream.clone(),
                        number: streams.len() as u64 + 1,
                        first: None,
                        last: None,
                        segment: None,
                    }),
                },
                Row::Entry(EntryRow { seqno, stream_id, .. }) | Row::Pruned(PrunedRow { seqno, stream_id, .. }) => {
                    if let Some(state) = streams.iter_mut().find(|state| state.stream.name == *stream_id) {
                        state.first = state.first.or(Some(*seqno));
                        state.last = Some(*seqno);
                    }
                }
                Row::Segment(segment) => {
                    if let Some(state) = streams.iter_mut().find(|state| state.stream.name == segment.stream_id) {
                        state.segment = Some(segment.id);
                    }
                }
                _ => {}
            }
        }
        streams
    }

    fn insert(&mut self, commit: Commit) -> Result<(), StoreError> {
        let found = self.heads().last().map(|head| (head.size, &head.root, self.segments().count() as u64));
        let expected = commit.expected.as_ref().map(|expected| (expected.size, &expected.root, expected.segments));
        let is_made = |made: &StreamRow| {
            self.rows.iter().any(|row| matches!(row, Some(Row::Stream(row)) if row.name == made.name))
        };
        let makes_again = commit.rows.iter().any(|row| match row {
            CommitRow::Row(Row::Stream(row)) => row.deprecated.is_none() && is_made(row),
            _ => false,
        });
        if found != expected || makes_again {
            let newest: Vec<HeadRow> = self.heads().cloned().collect();
            return Err(StoreError::Conflict(newest.into_iter().rev().take(16).collect()));
        }
        self.rows.extend(unpack(&commit)?.into_iter().map(Some));
        self.nodes.extend(commit.nodes);
        self.index.extend(commit.index);
        self.index.sort_by_key(order);
        Ok(())
    }

    fn load(&mut self, after: u64, rows: Commit, done: bool) -> Result<(), StoreError> {
        if !self.rows.is_empty() {
            let newest: Vec<HeadRow> = self.heads().cloned().collect();
            return Err(StoreError::Conflict(newest.into_iter().rev().take(16).collect()));
        }
        if after == 0 {
            self.loading.clear();
            self.loading_nodes.clear();
        }
        if self.loading.len() as u64 != after {
            let detail = format!("{} rows are here, and not {after}", self.loading.len());
            return Err(StoreError::Io(IoFailure { operation: "go on with a load".into(), detail }));
        }
        self.loading.extend(unpack(&rows)?.into_iter().map(Some));
        self.loading_nodes.extend(rows.nodes);
        if done {
            self.rows = std::mem::take(&mut self.loading);
            self.nodes = std::mem::take(&mut self.loading_nodes);
        }
        Ok(())
    }

    fn prune(&mut self, stream_id: &str, last: u64) -> u64 {
        let mut count = 0;
        for row in self.rows.iter_mut().flatten() {
            if let Row::Entry(entry) = row
                && entry.stream_id == stream_id
                && entry.seqno <= last
                && !event_type(&entry.bytes).starts_with(CONTROL)
            {
                *row = Row::Pruned(PrunedRow {
                    seqno: entry.seqno,
                    stream_id: entry.stream_id.clone(),
                    hash: entry.hash.clone(),
                });
                count += 1;
            }
        }
        let gone = self.rows().filter_map(|row| if let Row::Pruned(row) = row { Some(row.seqno) } else { None });
        let gone: HashSet<u64> = gone.collect();
        self.index.retain(|row| !gone.contains(&row.seqno));
        count
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        let mut heads = 0;
        let head_at = self.rows.iter().position(|row| {
            heads += u64::from(matches!(row, Some(Row::Head(_))));
            heads == after_head
        });
        let Some(head_at) = head_at else {
            return Err(StoreError::Config(format!("there is no head {after_head}")));
        };
        self.aside.extend(self.rows.drain(head_at + 1..));
        let size = self.heads().last().map_or(0, |head| head.size);
        let segments = self.segments().count() as u64;
        self.index.retain(|row| row.seqno <= size);
        self.nodes.retain(|node| match node.id.tree {
            TreeId::Log => (node.id.index + 1) << node.id.level <= size,
            TreeId::Segment(id) => id <= segments,
        });
        Ok("another Vec".into())
    }
}

/// Item 6 of an entry's canonical form, an array of twelve (docs/format.md s.2). Empty where the bytes are something else.
fn event_type(bytes: &[u8]) -> String {
    let mut rest = bytes.get(1..).unwrap_or_default();
    for item in 0..=6 {
        let Some((major, value, after)) = cbor_head(rest) else { return String::new() };
        let length = if matches!(major, 2 | 3) { usize::try_from(value).unwrap_or(usize::MAX) } else { 0 };
        let Some((content, after)) = after.split_at_checked(length) else { return String::new() };
        if item == 6 {
            return String::from_utf8_lossy(content).into_owned();
        }
        rest = after;
    }
    String::new()
}

/// The major type and value that a CBOR item begins with, and what follows.
fn cbor_head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, info) = (first >> 5, first & 31);
    if info < 24 {
        return Some((major, info.into(), rest));
    }
    let (value, rest) = rest.split_at_checked(1 << info.checked_sub(24).filter(|shift| *shift < 4)?)?;
    Some((major, value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), rest))
}

/// What rows of the index are ordered by.
fn order(row: &IndexRow) -> ((u64, u64), u64) {
    (row.key, row.seqno)
}

fn with<T>(use_store: impl FnOnce(&Store) -> T) -> T {
    STORE.with_borrow(use_store)
}

/// As many as a caller asked for, as a number of items.
fn count(limit: u32) -> usize {
    limit as usize
}

/// The rows of a commit, each with what is its own.
fn unpack(commit: &Commit) -> Result<Vec<Row>, StoreError> {
    let bytes = unpack_bytes(&commit.entries);
    let mut next = 0;
    let mut unpacked = |entry: &PackedEntry| {
        let PackedEntry { seqno, stream, hash: (a, b, c, d), length } = *entry;
        let stream_id = commit.streams.get(stream as usize)?.clone();
        let begin = next;
        next += length as usize;
        let bytes = bytes.get(begin..next)?.to_vec();
        Some(Row::Entry(EntryRow { seqno, stream_id, hash: unpack_bytes(&[a, b, c, d]), bytes }))
    };
    let detail = "it points at a stream or at bytes that the commit does not have".to_owned();
    commit
        .rows
        .iter()
        .map(|row| match row {
            CommitRow::Entry(entry) => unpacked(entry),
            CommitRow::Row(row) => Some(row.clone()),
        })
        .collect::<Option<Vec<Row>>>()
        .ok_or(StoreError::Corrupt(Corruption { at: "an entry of a commit".into(), detail }))
}

fn unpack_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Guest for Component {
    fn init(config: String) -> Result<Option<Torn>, StoreError> {
        match config.as_str() {
            ":memory:" => Ok(None),
            _ => Err(StoreError::Config("the foreign store keeps everything in memory: its config is :memory:".into())),
        }
    }

    fn secure_log_read_log() -> Result<Option<LogRow>, StoreError> {
        Ok(with(|store| store.rows().find_map(|row| if let Row::Log(log) = row { Some(log.clone()) } else { None })))
    }

    fn secure_log_insert(commit: Commit) -> Result<(), StoreError> {
        STORE.with_borrow_mut(|store| store.insert(commit))
    }

    fn secure_log_heads(below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        let mut heads: Vec<NumberedHead> = with(|store| {
            store.heads().zip(1..).map(|(head, number)| NumberedHead { number, head: head.clone() }).collect()
        });
        heads.retain(|head| below.is_none_or(|below| head.number < below));
        Ok(heads.into_iter().rev().take(count(limit)).collect())
    }

    fn secure_log_segment_count() -> Result<u64, StoreError> {
        Ok(with(|store| store.segments().count() as u64))
    }

    fn secure_log_entries(range: EntryRange) -> Result<Vec<Row>, StoreError> {
        Ok(with(|store| {
            store
                .entries()
                .filter(|(seqno, stream, ..)| {
                    (range.from_seqno..=range.to_seqno).contains(seqno)
                        && range.stream_id.as_ref().is_none_or(|wanted| wanted == stream)
                })
                .take(count(range.limit))
                .map(|(.., row)| row.clone())
                .collect()
        }))
    }

    fn secure_log_hashes(tree: TreeId, first: u64, count: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let leaves = with(|store| store.leaves(tree));
        Ok(leaves.into_iter().skip(first).take(self::count(count)).map(|(_, hash)| hash).collect())
    }

    fn secure_log_nodes(ids: Vec<NodeId>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let find = |store: &Store, id: &NodeId| store.nodes.iter().find(|n| n.id == *id).map(|node| node.hash.clone());
        Ok(with(|store| ids.iter().map(|id| find(store, id)).collect()))
    }

    fn secure_log_indexed(range: IndexRange) -> Result<Vec<u64>, StoreError> {
        Ok(with(|store| {
            let wanted = store
                .index
                .iter()
                .filter(|row| row.key == range.key && (range.from_seqno..=range.to_seqno).contains(&row.seqno));
            let seqnos = wanted.map(|row| row.seqno);
            match range.newest_first {
                true => seqnos.rev().take(count(range.limit)).collect(),
                false => seqnos.take(count(range.limit)).collect(),
            }
        }))
    }

    fn secure_log_index_rows(after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        let wanted = |row: &&IndexRow| after.as_ref().is_none_or(|after| order(row) > order(after));
        Ok(with(|store| store.index.iter().filter(wanted).take(count(limit)).copied().collect()))
    }

    /// Whoever asks holds each row against the filter, so that all of the range are answered.
    fn secure_log_search(search: EntrySearch) -> Result<ScanPage, StoreError> {
        Ok(with(|store| {
            let wanted = |row: &&Row| match row {
                Row::Entry(row) => (search.from_seqno..=search.to_seqno).contains(&row.seqno),
                _ => false,
            };
            let mut found: Vec<&Row> = store.rows().filter(wanted).collect();
            if search.newest_first {
                found.reverse();
            }
            let (mut page, mut bytes) = (ScanPage { rows: Vec::new(), next: None }, 0);
            for row in found {
                let Row::Entry(entry) = row else { continue };
                if page.rows.len() == count(search.limit) || bytes > 0 && bytes >= search.max_bytes as usize {
                    page.next = Some(entry.seqno);
                    break;
                }
                bytes += entry.bytes.len();
                page.rows.push(row.clone());
            }
            page
        }))
    }

    fn secure_log_stream(name: String) -> Result<Option<StreamState>, StoreError> {
        Ok(with(Store::streams).into_iter().find(|state| state.stream.name == name))
    }

    fn secure_log_streams(after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        let streams = with(Store::streams).into_iter();
        Ok(streams.filter(|state| state.number > after).take(count(limit)).collect())
    }

    fn secure_log_segment(id: u64) -> Result<Option<SegmentRow>, StoreError> {
        Ok(with(|store| store.segments().find(|segment| segment.id == id).cloned()))
    }

    fn secure_log_segments(stream_id: String, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        let wanted = |segment: &&SegmentRow| segment.stream_id == stream_id && segment.id > after;
        Ok(with(|store| store.segments().filter(wanted).take(count(limit)).cloned().collect()))
    }

    fn secure_log_segment_of(stream_id: String, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        let wanted = |s: &&SegmentRow| s.stream_id == stream_id && (s.first..=s.last).contains(&seqno);
        Ok(with(|store| store.segments().find(wanted).cloned()))
    }

    fn secure_log_leaf_index(segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        let leaves = with(|store| store.leaves(TreeId::Segment(segment)));
        Ok(leaves.iter().position(|(leaf, _)| *leaf == seqno).map(|index| index as u64))
    }

    fn secure_log_signatures(of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        Ok(with(|store| {
            let signatures = store.rows().filter_map(|row| match row {
                Row::Signature(signature) if signature.subject == of => Some(signature.clone()),
                _ => None,
            });
            signatures.collect()
        }))
    }

    fn secure_log_data_keys(stream_id: String) -> Result<Vec<DataKeyRow>, StoreError> {
        Ok(with(|store| {
            let keys = store.rows().filter_map(|row| match row {
                Row::DataKey(key) if key.stream_id == stream_id => Some(key.clone()),
                _ => None,
            });
            keys.collect()
        }))
    }

    /// The number of a row is its place among all rows.
    fn secure_log_witnesses(below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        Ok(with(|store| {
            let numbers =
                (1..=store.rows.len() as u64).rev().filter(|number| below.is_none_or(|below| *number < below));
            let witnesses = numbers.filter_map(|number| match &store.rows[number as usize - 1] {
                Some(Row::Witness(witness)) => Some(NumberedWitness { number, witness: witness.clone() }),
                _ => None,
            });
            witnesses.take(count(limit)).collect()
        }))
    }

    /// A cursor is a place among the rows. A page of this store is a number of rows, each of which is taken to be small.
    fn secure_log_scan(cursor: u64, max_bytes: u32) -> Result<ScanPage, StoreError> {
        let page = count(max_bytes / 1024).max(1);
        Ok(with(|store| {
            let first = usize::try_from(cursor).unwrap_or(usize::MAX).min(store.rows.len());
            let end = first.saturating_add(page).min(store.rows.len());
            let rows = store.rows[first..end].iter().flatten().cloned().collect();
            ScanPage { rows, next: (end < store.rows.len()).then_some(end as u64) }
        }))
    }

    fn secure_log_load(after: u64, rows: Commit, done: bool) -> Result<(), StoreError> {
        STORE.with_borrow_mut(|store| store.load(after, rows, done))
    }

    fn secure_log_prune(up_to: Vec<(String, u64)>) -> Result<u64, StoreError> {
        Ok(STORE.with_borrow_mut(|store| up_to.iter().map(|(stream_id, last)| store.prune(stream_id, *last)).sum()))
    }

    fn secure_log_drop_data_keys(ids: Vec<Vec<u8>>) -> Result<(), StoreError> {
        STORE.with_borrow_mut(|store| {
            for place in &mut store.rows {
                place.take_if(|row| matches!(row, Row::DataKey(key) if ids.contains(&key.id)));
            }
        });
        Ok(())
    }

    fn secure_log_replace_data_keys(rows: Vec<DataKeyRow>) -> Result<(), StoreError> {
        STORE.with_borrow_mut(|store| {
            for row in store.rows.iter_mut().flatten() {
                let Row::DataKey(key) = row else { continue };
                let mut anew = rows.iter().filter(|anew| (&anew.id, &anew.stream_id) == (&key.id, &key.stream_id));
                if let Some(anew) = anew.next() {
                    *key = anew.clone();
                }
            }
        });
        Ok(())
    }

    fn secure_log_drop_witnesses(rows: Vec<WitnessRow>) -> Result<(), StoreError> {
        STORE.with_borrow_mut(|store| {
            for place in &mut store.rows {
                place.take_if(|row| matches!(row, Row::Witness(witness) if rows.contains(witness)));
            }
        });
        Ok(())
    }

    fn secure_log_set_aside(after_head: u64) -> Result<String, StoreError> {
        STORE.with_borrow_mut(|store| store.set_aside(after_head))
    }

    /// What is derived from the rows is kept as it came.
    fn secure_log_reindex() -> Result<(), StoreError> {
        Ok(())
    }
}
