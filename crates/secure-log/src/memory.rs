//! A store in memory that holds its callers to the contract.
//!
//! It refuses every commit that a correct engine would never send, which is what makes it worth testing against, and
//! it is fast enough to show what everything else costs. What it holds is gone with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use zeroize::Zeroize;

use crate::entry::EntryRef;
use crate::hash::Hash;
use crate::index::{self, IndexRow};
use crate::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, Subject, UnknownRow,
    WitnessRow,
};
use crate::store::{
    Commit, EntryRange, Expected, IndexRange, NodeId, NumberedHead, NumberedWitness, STORED_LEVEL, SecureLogStore,
    StoreError, StreamState, Torn, TreeId,
};
use crate::tree::{CompactTree, leaf_hash};

mod check;

/// How many heads a conflict answers.
const CONFLICT_HEADS: u32 = 16;

/// A strict store in memory.
///
/// A commit that breaks the contract (a gap in the seqnos, no head at its end, a stream that nobody made ..) is refused
/// as [`StoreError::Corrupt`] with the row's place, and nothing of it is kept.
#[derive(Debug, Default)]
pub struct MemoryStore {
    log: Option<LogRow>,
    /// Every record, in commit order.
    order: Vec<Place>,
    bytes: Arena,
    entries: Vec<StoredEntry>,
    stream_rows: Vec<StreamRow>,
    streams: Vec<Stream>,
    stream_of: BTreeMap<String, usize>,
    /// Indices in `streams` of those that a stream record made; the place is the stream's number, less one.
    made: Vec<usize>,
    /// `None` where a key was dropped.
    data_keys: Vec<Option<DataKeyRow>>,
    signatures: Vec<SignatureRow>,
    signatures_of: BTreeMap<Subject, Vec<usize>>,
    segments: Vec<SegmentRow>,
    /// `None` where a row was dropped.
    witnesses: Vec<Option<WitnessRow>>,
    heads: Vec<HeadRow>,
    /// The kinds of records that are not known here, which only [`MemoryStore::from_records`] can bring.
    unknown: Vec<String>,
    nodes: BTreeMap<NodeId, Hash>,
    index: BTreeSet<IndexRow>,
    aside: Vec<MemoryStore>,
    /// What was loaded so far of a log that is not whole yet.
    loading: Option<Box<MemoryStore>>,
}

/// Where a record is kept: an index in the list of its kind.
#[derive(Clone, Copy, Debug)]
enum Place {
    Log,
    Stream(usize),
    DataKey(usize),
    Entry(usize),
    Signature(usize),
    Segment(usize),
    Witness(usize),
    Head(usize),
    Unknown(usize),
}

#[derive(Debug)]
struct StoredEntry {
    seqno: u64,
    hash: Hash,
    stream: u32,
    /// `None` once it was pruned.
    bytes: Option<Span>,
}

/// Everything of one stream, as ascending indices in the lists of the store.
#[derive(Debug)]
struct Stream {
    name: String,
    /// Its newest record; `None` where something names a stream that no record made.
    row: Option<usize>,
    number: u64,
    entries: Vec<usize>,
    segments: Vec<usize>,
    data_keys: Vec<usize>,
}

impl MemoryStore {
    /// A store that holds nothing.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// A store that holds these records, whatever they are: nothing is checked, as nothing can be that somebody else
    /// stored. The interior tree hashes and the index are computed of the entries.
    pub fn from_records<'a>(records: impl IntoIterator<Item = Record<'a>>) -> MemoryStore {
        let mut store = MemoryStore::new();
        records.into_iter().for_each(|record| store.take(record));
        store.rebuild_nodes();
        store.rebuild_index();
        store
    }

    /// The index, for a test that plays the attacker.
    #[doc(hidden)]
    pub fn index_mut(&mut self) -> &mut BTreeSet<IndexRow> {
        &mut self.index
    }

    /// Every record, in commit order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.order.iter().filter_map(|place| self.record(*place))
    }

    /// What [`SecureLogStore::set_aside`] took out of the log, oldest first.
    pub fn aside(&self) -> &[MemoryStore] {
        &self.aside
    }

    fn take(&mut self, record: Record<'_>) {
        let place = match record {
            Record::Log(row) => {
                self.log = Some(row.clone());
                Place::Log
            }
            Record::Stream(row) => self.take_stream(row),
            Record::DataKey(row) => {
                let index = keep(&mut self.data_keys, Some(row.clone()));
                let stream = self.intern(&row.stream);
                self.streams[stream].data_keys.push(index);
                Place::DataKey(index)
            }
            Record::Entry(row) => {
                let bytes = self.bytes.push(row.bytes);
                self.take_entry(row.seqno, row.stream, row.hash, Some(bytes))
            }
            Record::Pruned(row) => self.take_entry(row.seqno, row.stream, row.hash, None),
            Record::Signature(row) => {
                let index = keep(&mut self.signatures, row.clone());
                self.signatures_of.entry(row.of).or_default().push(index);
                Place::Signature(index)
            }
            Record::Segment(row) => {
                let index = keep(&mut self.segments, row.clone());
                let stream = self.intern(&row.stream);
                self.streams[stream].segments.push(index);
                Place::Segment(index)
            }
            Record::Witness(row) => Place::Witness(keep(&mut self.witnesses, Some(row.clone()))),
            Record::Head(row) => Place::Head(keep(&mut self.heads, row.clone())),
            Record::Unknown(row) => Place::Unknown(keep(&mut self.unknown, row.kind.into())),
        };
        self.order.push(place);
    }

    fn take_stream(&mut self, row: &StreamRow) -> Place {
        let index = keep(&mut self.stream_rows, row.clone());
        let stream = self.intern(&row.name);
        if self.streams[stream].row.replace(index).is_none() {
            self.streams[stream].number = keep(&mut self.made, stream) as u64 + 1;
        }
        Place::Stream(index)
    }

    fn take_entry(&mut self, seqno: u64, stream: &str, hash: Hash, bytes: Option<Span>) -> Place {
        let stream = self.intern(stream);
        let number = u32::try_from(stream).expect("2^32 streams do not fit in memory");
        let index = keep(&mut self.entries, StoredEntry { seqno, hash, stream: number, bytes });
        self.streams[stream].entries.push(index);
        Place::Entry(index)
    }

    /// The index of the stream with this name, which is made when nothing has named it before.
    fn intern(&mut self, name: &str) -> usize {
        // Most entries follow one of their own stream.
        if let Some(last) = self.entries.last().map(|entry| entry.stream as usize)
            && self.streams[last].name == name
        {
            return last;
        }
        if let Some(index) = self.stream_of.get(name) {
            return *index;
        }
        let stream = Stream {
            name: name.into(),
            row: None,
            number: 0,
            entries: Vec::new(),
            segments: Vec::new(),
            data_keys: Vec::new(),
        };
        let index = keep(&mut self.streams, stream);
        self.stream_of.insert(name.into(), index);
        index
    }

    fn named(&self, name: &str) -> Option<&Stream> {
        self.stream_of.get(name).map(|index| &self.streams[*index])
    }

    fn record(&self, place: Place) -> Option<Record<'_>> {
        Some(match place {
            Place::Log => Record::Log(self.log.as_ref()?),
            Place::Stream(index) => Record::Stream(&self.stream_rows[index]),
            Place::DataKey(index) => Record::DataKey(self.data_keys[index].as_ref()?),
            Place::Entry(index) => self.entry(index),
            Place::Signature(index) => Record::Signature(&self.signatures[index]),
            Place::Segment(index) => Record::Segment(&self.segments[index]),
            Place::Witness(index) => Record::Witness(self.witnesses[index].as_ref()?),
            Place::Head(index) => Record::Head(&self.heads[index]),
            Place::Unknown(index) => Record::Unknown(UnknownRow { kind: &self.unknown[index] }),
        })
    }

    fn entry(&self, index: usize) -> Record<'_> {
        let StoredEntry { seqno, hash, stream, bytes } = &self.entries[index];
        let stream = self.streams[*stream as usize].name.as_str();
        match bytes {
            Some(span) => Record::Entry(EntryRow { seqno: *seqno, stream, hash: *hash, bytes: self.bytes.get(*span) }),
            None => Record::Pruned(PrunedRow { seqno: *seqno, stream, hash: *hash }),
        }
    }

    /// Refuses to write to what a later version has written to.
    fn check_known(&self) -> Result<(), StoreError> {
        let Some(kind) = self.unknown.first() else { return Ok(()) };
        let before = self.order.iter().take_while(|place| !matches!(place, Place::Unknown(_))).count();
        Err(StoreError::LaterVersion { at: format!("record {}", before + 1), what: UnknownRow { kind }.to_string() })
    }

    /// What a commit has to expect.
    fn expected(&self) -> Option<Expected> {
        let head = self.heads.last()?;
        Some(Expected { size: head.size, root: head.root, segments: self.segments.len() as u64 })
    }

    fn newest_heads(&self) -> Vec<HeadRow> {
        self.heads.iter().rev().take(CONFLICT_HEADS as usize).cloned().collect()
    }

    fn segment_row(&self, id: u64) -> Option<&SegmentRow> {
        let usual = usize::try_from(id).ok()?.checked_sub(1).and_then(|index| self.segments.get(index));
        usual.filter(|row| row.id == id).or_else(|| self.segments.iter().find(|row| row.id == id))
    }

    /// The indices of the segment's entries.
    fn leaves(&self, segment: &SegmentRow) -> &[usize] {
        let entries = self.named(&segment.stream).map_or(&[][..], |stream| &stream.entries);
        between(entries, segment.first, segment.last, |index| self.entries[*index].seqno)
    }

    fn state(&self, stream: &Stream) -> Option<StreamState> {
        let seqno = |index: &usize| self.entries[*index].seqno;
        Some(StreamState {
            row: self.stream_rows[stream.row?].clone(),
            number: stream.number,
            first: stream.entries.first().map(seqno),
            last: stream.entries.last().map(seqno),
            segment: stream.segments.last().map(|index| self.segments[*index].id),
        })
    }

    fn rebuild_nodes(&mut self) {
        let mut nodes = BTreeMap::new();
        complete(TreeId::Log, self.entries.iter().map(|entry| &entry.hash), &mut nodes);
        for segment in &self.segments {
            let leaves = self.leaves(segment).iter().map(|index| &self.entries[*index].hash);
            complete(TreeId::Segment(segment.id), leaves, &mut nodes);
        }
        self.nodes = nodes;
    }

    fn rebuild_index(&mut self) {
        let spans = self.entries.iter().filter_map(|entry| entry.bytes);
        self.index = spans.flat_map(|span| index::rows(self.bytes.get(span))).collect();
    }
}

impl SecureLogStore for MemoryStore {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        Ok(self.log.clone())
    }

    fn torn(&mut self) -> Option<Torn> {
        None
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.check_known()?;
        let unchanged = match &commit.expected {
            None => self.order.is_empty(),
            expected => *expected == self.expected(),
        };
        let is_made = |name| self.named(name).is_some_and(|stream| stream.row.is_some());
        if !unchanged || commit.new_streams().any(is_made) {
            return Err(StoreError::Conflict { heads: self.newest_heads() });
        }
        check::check(self, commit)?;
        commit.records().for_each(|record| self.take(record));
        self.nodes.extend(commit.nodes.iter().map(|node| (node.id, node.hash)));
        self.index.extend(&commit.index);
        Ok(())
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        let known = self.heads.len() as u64;
        let top = below.map_or(known, |below| below.saturating_sub(1).min(known));
        let wanted = (1..=top).rev().take(limit as usize);
        Ok(wanted.map(|number| NumberedHead { number, head: self.heads[number as usize - 1].clone() }).collect())
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        Ok(self.segments.len() as u64)
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        let limit = range.limit as usize;
        match range.stream {
            Some(name) => {
                let entries = self.named(name).map_or(&[][..], |stream| &stream.entries);
                let found = between(entries, range.from, range.to, |index| self.entries[*index].seqno);
                found.iter().take(limit).for_each(|index| visit(self.entry(*index)));
            }
            None => {
                let first = self.entries.partition_point(|entry| entry.seqno < range.from);
                let found = between(&self.entries, range.from, range.to, |entry| entry.seqno);
                (first..first + found.len().min(limit)).for_each(|index| visit(self.entry(index)));
            }
        }
        Ok(())
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        let (first, count) = (usize::try_from(first).unwrap_or(usize::MAX), count as usize);
        let hash = |index: &usize| self.entries[*index].hash;
        Ok(match tree {
            TreeId::Log => self.entries.iter().skip(first).take(count).map(|entry| entry.hash).collect(),
            TreeId::Segment(id) => match self.segment_row(id) {
                Some(segment) => self.leaves(segment).iter().skip(first).take(count).map(hash).collect(),
                None => Vec::new(),
            },
        })
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        Ok(ids.iter().map(|id| self.nodes.get(id).copied()).collect())
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        let IndexRange { key, from, to, newest_first, limit } = range;
        if from > to {
            return Ok(Vec::new());
        }
        let seqnos = self.index.range(IndexRow { key, seqno: from }..=IndexRow { key, seqno: to }).map(|row| row.seqno);
        Ok(if newest_first {
            seqnos.rev().take(limit as usize).collect()
        } else {
            seqnos.take(limit as usize).collect()
        })
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.index.range((from, Bound::Unbounded)).take(limit as usize).copied().collect())
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        Ok(self.named(name).and_then(|stream| self.state(stream)))
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let made = self.made.iter().skip(after).take(limit as usize);
        Ok(made.filter_map(|index| self.state(&self.streams[*index])).collect())
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        Ok(self.segment_row(id).cloned())
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        let all = self.named(stream).map_or(&[][..], |stream| &stream.segments);
        let from = all.partition_point(|index| self.segments[*index].id <= after);
        Ok(all[from..].iter().take(limit as usize).map(|index| self.segments[*index].clone()).collect())
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        let all = self.named(stream).map_or(&[][..], |stream| &stream.segments);
        let at = all.partition_point(|index| self.segments[*index].last < seqno);
        let found = all.get(at).map(|index| &self.segments[*index]);
        Ok(found.filter(|segment| segment.first <= seqno).cloned())
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        let leaves = self.segment_row(segment).map_or(&[][..], |segment| self.leaves(segment));
        Ok(leaves.binary_search_by_key(&seqno, |index| self.entries[*index].seqno).ok().map(|place| place as u64))
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        let all = self.signatures_of.get(&of).map_or(&[][..], Vec::as_slice);
        Ok(all.iter().map(|index| self.signatures[*index].clone()).collect())
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        let all = self.named(stream).map_or(&[][..], |stream| &stream.data_keys);
        Ok(all.iter().filter_map(|index| self.data_keys[*index].clone()).collect())
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        let known = self.witnesses.len() as u64;
        let top = below.map_or(known, |below| below.saturating_sub(1).min(known));
        let row = |number| Some(NumberedWitness { number, row: self.witnesses[number as usize - 1].clone()? });
        Ok((1..=top).rev().filter_map(row).take(limit as usize).collect())
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let mut at = usize::try_from(cursor).unwrap_or(usize::MAX);
        let mut left = max_bytes;
        while let Some(place) = self.order.get(at) {
            if let Some(record) = self.record(*place) {
                left = left.saturating_sub(weight(&record));
                visit(record);
            }
            at += 1;
            if left == 0 {
                break;
            }
        }
        Ok((at < self.order.len()).then_some(at as u64))
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        if !self.order.is_empty() {
            return Err(StoreError::Conflict { heads: self.newest_heads() });
        }
        if after == 0 {
            self.loading = (rows.records().len() > 0).then(Box::default);
        }
        let mut loading = match self.loading.take() {
            Some(loading) if loading.order.len() as u64 == after => loading,
            None if after == 0 => return Ok(()),
            other => return Err(load_lost(after, other.map_or(0, |loading| loading.order.len() as u64))),
        };
        rows.records().for_each(|record| loading.take(record));
        loading.nodes.extend(rows.nodes.iter().map(|node| (node.id, node.hash)));
        loading.index.extend(&rows.index);
        if done {
            loading.aside = core::mem::take(&mut self.aside);
            *self = *loading;
        } else {
            self.loading = Some(loading);
        }
        Ok(())
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.check_known()?;
        let mut gone = Vec::new();
        for (stream, last) in up_to {
            let all = self.named(stream).map_or(&[][..], |stream| &stream.entries);
            for index in between(all, 0, *last, |index| self.entries[*index].seqno) {
                let StoredEntry { seqno, bytes: Some(span), .. } = &self.entries[*index] else { continue };
                let entry = EntryRef::decode(self.bytes.get(*span))
                    .map_err(|e| StoreError::Corrupt { at: format!("seqno {seqno}"), detail: e.to_string() })?;
                if !entry.is_control() {
                    gone.push((*index, *span));
                }
            }
        }
        for (index, span) in &gone {
            for row in index::rows(self.bytes.get(*span)) {
                self.index.remove(&row);
            }
            self.bytes.erase(*span);
            self.entries[*index].bytes = None;
        }
        Ok(gone.len() as u64)
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.check_known()?;
        for key in &mut self.data_keys {
            if let Some(mut gone) = key.take_if(|row| ids.contains(&row.id)) {
                gone.wrapped.zeroize();
            }
        }
        Ok(())
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.check_known()?;
        let anew: HashMap<_, _> = rows.iter().map(|row| ((&row.id, &row.stream), row)).collect();
        for key in self.data_keys.iter_mut().flatten() {
            if let Some(row) = anew.get(&(&key.id, &key.stream)) {
                *key = DataKeyRow::clone(row);
            }
        }
        Ok(())
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.check_known()?;
        let gone: HashSet<&WitnessRow> = rows.iter().collect();
        for row in &mut self.witnesses {
            row.take_if(|row| gone.contains(row));
        }
        Ok(())
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.check_known()?;
        let is_head = |place: &Place| matches!(place, Place::Head(index) if *index as u64 + 1 == after_head);
        let Some(last) = self.order.iter().position(is_head) else {
            let detail = format!("there is no head {after_head}");
            return Err(StoreError::Io { operation: "set records aside".into(), detail });
        };
        let mut kept = MemoryStore::new();
        self.order[..=last].iter().filter_map(|place| self.record(*place)).for_each(|record| kept.take(record));
        let gone = self.order[last + 1..].iter().filter_map(|place| self.record(*place));
        let gone = MemoryStore::from_records(gone);
        let (entries, segments) = (kept.entries.len() as u64, kept.segments.len() as u64);
        kept.nodes = core::mem::take(&mut self.nodes);
        kept.nodes.retain(|id, _| match id.tree {
            TreeId::Log => id.index < entries >> id.level,
            TreeId::Segment(id) => id <= segments,
        });
        kept.index = core::mem::take(&mut self.index);
        kept.index.retain(|row| row.seqno <= entries);
        kept.aside = core::mem::take(&mut self.aside);
        kept.aside.push(gone);
        *self = kept;
        Ok(format!("set aside in memory, number {}", self.aside.len()))
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.rebuild_nodes();
        self.rebuild_index();
        Ok(())
    }
}

/// A load goes on from elsewhere than it has come to.
fn load_lost(after: u64, found: u64) -> StoreError {
    StoreError::Io {
        operation: "go on with a load".into(),
        detail: format!("{found} records of it are here, and not {after}"),
    }
}

/// Appends `item` and answers where it stands.
fn keep<T>(list: &mut Vec<T>, item: T) -> usize {
    list.push(item);
    list.len() - 1
}

/// Those of an ascending list whose key is in `first..=last`.
fn between<T>(list: &[T], first: u64, last: u64, key: impl Fn(&T) -> u64) -> &[T] {
    let from = list.partition_point(|item| key(item) < first);
    let count = list[from..].partition_point(|item| key(item) <= last);
    &list[from..from + count]
}

/// Collects the interior hashes that a store keeps of the tree with these entry-hashes.
fn complete<'a>(tree: TreeId, hashes: impl Iterator<Item = &'a Hash>, nodes: &mut BTreeMap<NodeId, Hash>) {
    let mut compact = CompactTree::new();
    for hash in hashes {
        compact.push_with(leaf_hash(hash), |subtree, hash| {
            if subtree.level >= STORED_LEVEL {
                nodes.insert(NodeId { tree, level: subtree.level, index: subtree.index }, *hash);
            }
        });
    }
}

/// About how many bytes a record takes, never zero, so that a scan always gets on.
fn weight(record: &Record<'_>) -> usize {
    match record {
        Record::Entry(row) => 64 + row.bytes.len(),
        _ => 256,
    }
}

/// Bytes in large pieces, so that what was kept is never moved.
#[derive(Debug, Default)]
struct Arena {
    pieces: Vec<Vec<u8>>,
    /// How many bytes of each piece were not erased.
    there: Vec<usize>,
}

/// Where bytes stand in an arena.
#[derive(Clone, Copy, Debug)]
struct Span {
    piece: u32,
    start: u32,
    len: u32,
}

impl Arena {
    /// The size of a piece, unless a single entry is larger.
    const PIECE_BYTES: usize = 1 << 20;

    fn push(&mut self, bytes: &[u8]) -> Span {
        let room = self.pieces.last().map_or(0, |piece| piece.capacity() - piece.len());
        if room < bytes.len() || self.pieces.is_empty() {
            self.pieces.push(Vec::with_capacity(Arena::PIECE_BYTES.max(bytes.len())));
            self.there.push(0);
        }
        let number = self.pieces.len() - 1;
        let piece = &mut self.pieces[number];
        let narrow =
            |n: usize| u32::try_from(n).expect("an entry has at most 16 MiB, and memory ends before 2^32 pieces");
        let span = Span { piece: narrow(number), start: narrow(piece.len()), len: narrow(bytes.len()) };
        piece.extend_from_slice(bytes);
        self.there[number] += bytes.len();
        span
    }

    fn get(&self, span: Span) -> &[u8] {
        &self.pieces[span.piece as usize][span.start as usize..][..span.len as usize]
    }

    /// Overwrites what was pruned: it is to be gone, not merely unreachable. A piece of which nothing is left gives its memory
    /// back, unless it is the last one, which grows.
    fn erase(&mut self, span: Span) {
        let number = span.piece as usize;
        self.pieces[number][span.start as usize..][..span.len as usize].fill(0);
        self.there[number] -= span.len as usize;
        if self.there[number] == 0 && number + 1 < self.pieces.len() {
            self.pieces[number] = Vec::new();
        }
    }
}
