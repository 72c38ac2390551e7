//! The index beside the log: derived from it, never trusted, and rebuilt whenever it does not fit.
//!
//! Appending keeps it in memory; now and then, and when the store is closed, it is written in bulk as one state, so a
//! commit costs no write here. After a crash the log is read on from the last state. docs/decisions/0020 describes
//! the files.

use std::path::{Path, PathBuf};

use secure_log::hash::Hash;
use secure_log::index::{IndexKey, IndexRow};
use secure_log::jsonl::{EntryFacts, Line, RowError};
use secure_log::record::{Record, Subject};
use secure_log::store::{IndexRange, NodeId, STORED_LEVEL, StoreError, TreeId};

use crate::disk::{Disk, DiskFile, Mode};
use crate::reader::{ONE_LINE, Reader, Span};

mod blob;
mod blocks;
mod build;
mod cells;
mod chain;
mod check;
mod checksum;
mod facts;
mod names;
mod rows;
mod select;
mod sorted;
mod state;
mod table;

use blocks::Blocks;
use cells::Cells;
pub(crate) use check::{Checked, Facing};
use names::Names;
pub(crate) use rows::{EntryAt, SegmentAt, StreamNow};
use rows::{HeadAt, Linked, SegmentNow, Waypoint, WitnessAt};
pub(crate) use select::Wanted;
use sorted::Sorted;
use state::State;
use table::{Stored, Table};

/// 16 random bytes that tell one building of the index from another.
pub(crate) type Salt = [u8; 16];

/// How many entries of a stream lie between two waypoints.
const BLOCK: u64 = 64;

/// Why the index did not answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It does not fit the log, or cannot be read: it has to be built anew.
    Index,
    /// The log itself cannot be used.
    Log(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Log(error)
    }
}

pub(crate) struct Index<F> {
    state: State,
    /// Where the log is covered up to, what came since the state included.
    pub(crate) covered: u64,
    /// Whether it was built of the log alone in this opening, so that it cannot be what is wrong.
    pub(crate) is_new: bool,
    entries: Table<F, EntryAt>,
    waypoints: Table<F, Waypoint>,
    heads: Table<F, HeadAt>,
    nodes: Table<F, Hash>,
    segments: Table<F, SegmentAt>,
    segment_nodes: Table<F, Hash>,
    signatures: Table<F, Linked>,
    data_keys: Table<F, Linked>,
    witnesses: Table<F, WitnessAt>,
    streams: Cells<F, StreamNow>,
    segment_cells: Cells<F, SegmentNow>,
    names: Names<F>,
    by_key: Sorted<F>,
    blocks: Blocks<F>,
    /// The first line that this version does not know; of no length while there is none.
    unknown: Span,
    /// The stream of the last entry, since most entries follow one of their own stream.
    last_name: (String, u64),
}

/// What the index has to know of a line.
pub(crate) enum Item<'a> {
    Stream(&'a str),
    DataKey {
        stream: &'a str,
    },
    Entry(EntryFacts<'a>),
    Pruned {
        stream: &'a str,
    },
    SegmentSignature(u64),
    Segment {
        stream: &'a str,
        first: u64,
        last: u64,
    },
    Witness,
    Head,
    /// Of a later version.
    Unknown,
    /// The log's own line, and signatures of entries, which stand behind what they sign.
    Other,
}

impl<'a> Item<'a> {
    /// Of every record but an entry, whose facts are learned as its line is written.
    pub(crate) fn of_record(record: &Record<'a>) -> Item<'a> {
        match record {
            Record::Stream(row) => Item::Stream(&row.name),
            Record::DataKey(row) => Item::DataKey { stream: &row.stream },
            Record::Pruned(row) => Item::Pruned { stream: row.stream },
            Record::Segment(row) => Item::Segment { stream: &row.stream, first: row.first, last: row.last },
            Record::Witness(_) => Item::Witness,
            Record::Head(_) => Item::Head,
            Record::Signature(row) => Item::of_signature(row.of),
            Record::Log(_) | Record::Entry(_) => Item::Other,
            Record::Unknown(_) => Item::Unknown,
        }
    }

    /// The same of a line that may break rules which are not the index's to judge.
    fn of_line(line: &'a Line<'_>) -> Item<'a> {
        match line {
            Line::Stream(line) => line.row().map_or(Item::Other, |row| Item::Stream(&row.name)),
            Line::DataKey(row) => Item::DataKey { stream: &row.stream },
            Line::Entry(line) => Item::Entry(line.facts()),
            Line::Pruned(line) => Item::Pruned { stream: &line.stream },
            Line::Segment(row) => Item::Segment { stream: &row.stream, first: row.first, last: row.last },
            Line::Witness(_) => Item::Witness,
            Line::Head(_) => Item::Head,
            Line::Signature(row) => Item::of_signature(row.of),
            Line::Log(line) if matches!(line.row(), Err(RowError::LogVersion(_))) => Item::Unknown,
            Line::Log(_) => Item::Other,
            Line::Unknown(_) => Item::Unknown,
        }
    }

    fn of_signature(of: Subject) -> Item<'a> {
        match of {
            Subject::Entry(_) => Item::Other,
            Subject::Segment(id) => Item::SegmentSignature(id),
        }
    }
}

impl<F: DiskFile> Index<F> {
    /// The index of nothing.
    pub(crate) fn new() -> Index<F> {
        let mut salt = Salt::default();
        if getrandom::fill(&mut salt).is_err() {
            // Such an index answers all the same, and is never written.
            salt = Salt::default();
        }
        Index {
            state: State { salt, ..State::default() },
            covered: 0,
            is_new: true,
            entries: Table::new("entries"),
            waypoints: Table::new("waypoints"),
            heads: Table::new("heads"),
            nodes: Table::new("nodes"),
            segments: Table::new("segments"),
            segment_nodes: Table::new("segment-nodes"),
            signatures: Table::new("signatures"),
            data_keys: Table::new("data-keys"),
            witnesses: Table::new("witnesses"),
            streams: Cells::new("streams"),
            segment_cells: Cells::new("segment-cells"),
            names: Names::new(),
            by_key: Sorted::new(),
            blocks: Blocks::new(),
            unknown: Span::default(),
            last_name: (String::new(), 0),
        }
    }

    /// The index as it was last written, if it is one of the log in `reader` that ends at `end`.
    pub(crate) fn open<D: Disk<File = F>>(disk: &D, log: &Path, reader: &mut Reader<F>, end: u64) -> Option<Index<F>> {
        let folder = folder(log);
        let state = state::read(disk, &folder)?;
        // Only the holder of the lock writes, but whoever reads may be it soon.
        let mode = if state::is_writable(disk, &folder) { Mode::Write } else { Mode::Read };
        let head = state.covered.checked_sub(state.head_len).filter(|_| state.covered <= end)?;
        let line = reader.raw_line(head, state.covered).ok()?;
        if line.len() as u64 != state.head_len || Hash::sha256(line) != state.head {
            return None;
        }
        let mut index = Index::new();
        (index.state, index.covered, index.unknown) = (state, state.covered, state.unknown);
        let stored = Stored { disk, folder: &folder, mode, salt: &state.salt };
        let [e, w, h, n, s, sn, si, k, wi, st, sc, b] = state.rows;
        index.entries.open(&stored, e)?;
        index.waypoints.open(&stored, w)?;
        index.heads.open(&stored, h)?;
        index.nodes.open(&stored, n)?;
        index.segments.open(&stored, s)?;
        index.segment_nodes.open(&stored, sn)?;
        index.signatures.open(&stored, si)?;
        index.data_keys.open(&stored, k)?;
        index.witnesses.open(&stored, wi)?;
        index.streams.open(&stored, st)?;
        index.segment_cells.open(&stored, sc)?;
        index.names.open(&stored, state.name_bits, st)?;
        index.by_key.open(&stored, state.runs)?;
        index.blocks.open(&stored, b, state.facts, e)?;
        index.is_new = false;
        Some(index)
    }

    /// How many bytes of the log came since the last state.
    pub(crate) fn unwritten(&self) -> u64 {
        self.covered - self.state.covered
    }

    /// Whether the state on disk is the one that this index goes on from.
    pub(crate) fn is_current(&self, disk: &impl Disk, log: &Path) -> bool {
        self.state.epoch == 0 || state::read(disk, &folder(log)) == Some(self.state)
    }

    /// Writes everything that came since the last state, durably, as the next one.
    ///
    /// After an error the last state on disk still stands; this index is then good for reading only.
    pub(crate) fn write<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        log: &Path,
        reader: &mut Reader<F>,
    ) -> std::io::Result<()> {
        let folder = folder(log);
        let unreadable = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
        let line = self.head(self.heads.len()).map_err(|_| std::io::ErrorKind::InvalidData)?;
        let head = reader.raw_line(line.offset, line.end()).map_err(unreadable)?;
        let mut next = self.state;
        next.epoch += 1;
        if next.epoch == 1 {
            if next.salt == Salt::default() {
                return Err(std::io::Error::other("no random bytes"));
            }
            disk.create_folder(&folder)?;
            state::discard(disk, &folder)?;
        }
        let salt = &next.salt;
        let made = [
            self.entries.write(disk, &folder, salt)?,
            self.waypoints.write(disk, &folder, salt)?,
            self.heads.write(disk, &folder, salt)?,
            self.nodes.write(disk, &folder, salt)?,
            self.segments.write(disk, &folder, salt)?,
            self.segment_nodes.write(disk, &folder, salt)?,
            self.signatures.write(disk, &folder, salt)?,
            self.data_keys.write(disk, &folder, salt)?,
            self.witnesses.write(disk, &folder, salt)?,
            self.streams.write(disk, &folder, salt, next.epoch)?,
            self.segment_cells.write(disk, &folder, salt, next.epoch)?,
            self.names.write(disk, &folder, salt)?,
            self.by_key.write(disk, &folder, salt)?,
            self.blocks.write(disk, &folder, salt)?,
        ];
        if made.contains(&true) {
            disk.sync_folder(&folder)?;
        }
        next.name_bits = self.names.bits();
        next.covered = self.covered;
        next.head_len = head.len() as u64;
        next.head = Hash::sha256(head);
        next.rows = self.row_counts();
        next.runs = self.by_key.rows();
        next.facts = self.blocks.bytes();
        next.unknown = self.unknown;
        state::write(disk, &folder, &next)?;
        self.state = next;
        self.settle(disk, &folder);
        Ok(())
    }

    fn row_counts(&self) -> [u64; state::TABLES] {
        [
            self.entries.len(),
            self.waypoints.len(),
            self.heads.len(),
            self.nodes.len(),
            self.segments.len(),
            self.segment_nodes.len(),
            self.signatures.len(),
            self.data_keys.len(),
            self.witnesses.len(),
            self.streams.len(),
            self.segment_cells.len(),
            self.blocks.len(),
        ]
    }

    fn settle<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path) {
        self.entries.settle();
        self.waypoints.settle();
        self.heads.settle();
        self.nodes.settle();
        self.segments.settle();
        self.segment_nodes.settle();
        self.signatures.settle();
        self.data_keys.settle();
        self.witnesses.settle();
        self.streams.settle();
        self.segment_cells.settle();
        self.names.settle(disk, folder);
        self.by_key.settle(disk, folder);
        self.blocks.settle();
    }

    /// Tells this building of the index from every other one.
    pub(crate) fn salt(&self) -> Salt {
        self.state.salt
    }

    /// How many entries there are.
    pub(crate) fn size(&self) -> u64 {
        self.entries.len()
    }

    pub(crate) fn head_count(&self) -> u64 {
        self.heads.len()
    }

    pub(crate) fn segment_count(&self) -> u64 {
        self.segments.len()
    }

    pub(crate) fn stream_count(&self) -> u64 {
        self.streams.len()
    }

    /// The first line that this version does not know, if there is one.
    pub(crate) fn first_unknown(&self) -> Option<Span> {
        Some(self.unknown).filter(|line| line.len > 0)
    }

    /// Where the entry with this seqno stands.
    pub(crate) fn entry(&mut self, seqno: u64) -> Result<EntryAt, Trouble> {
        self.entries.get(seqno.wrapping_sub(1))?.ok_or(Trouble::Index)
    }

    /// Where the head with this number stands.
    pub(crate) fn head(&mut self, number: u64) -> Result<Span, Trouble> {
        self.heads.get(number.wrapping_sub(1))?.map(|row| row.line).ok_or(Trouble::Index)
    }

    /// Where the segment with this id stands.
    pub(crate) fn segment(&mut self, id: u64) -> Result<Option<SegmentAt>, Trouble> {
        if (1..=self.segments.len()).contains(&id) { self.segments.at(id).map(Some) } else { Ok(None) }
    }

    /// The oldest segment of a stream for whose id and place `is_late` holds, as it does for all newer ones.
    pub(crate) fn oldest_segment(
        &mut self,
        stream: &StreamNow,
        is_late: impl FnMut(u64, &SegmentAt) -> bool,
    ) -> Result<Option<(u64, SegmentAt)>, Trouble> {
        self.segments.oldest(stream.last_segment, is_late)
    }

    /// Seqnos of entries by a key that they have.
    pub(crate) fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, Trouble> {
        let IndexRange { key, from, to, newest_first, limit } = range;
        let (first, last) = (IndexRow { key, seqno: from }, IndexRow { key, seqno: to });
        let rows = self.by_key.range(first, last, newest_first, limit)?;
        Ok(rows.into_iter().map(|row| row.seqno).collect())
    }

    /// At most `limit` rows of those behind this one, in order.
    pub(crate) fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, Trouble> {
        let last = IndexRow { key: IndexKey([u8::MAX; 16]), seqno: u64::MAX };
        match after.map_or(Some(IndexRow::default()), next_row) {
            Some(first) => self.by_key.range(first, last, false, limit),
            None => Ok(Vec::new()),
        }
    }

    /// The stream with this number.
    pub(crate) fn stream(&mut self, number: u64) -> Result<StreamNow, Trouble> {
        self.streams.get(number, &self.state.salt, self.state.epoch)
    }

    /// The number of the stream of this name.
    pub(crate) fn stream_number<G: DiskFile>(
        &mut self,
        name: &str,
        reader: &mut Reader<G>,
    ) -> Result<Option<u64>, Trouble> {
        let State { salt, epoch, .. } = self.state;
        let streams = &mut self.streams;
        self.names.find(name, &salt, |number| {
            let row = streams.get(number, &salt, epoch)?.row;
            match reader.line(row, u64::MAX, ONE_LINE)? {
                (_, Line::Stream(line)) => Ok(line.row().is_ok_and(|row| row.name == name)),
                _ => Err(Trouble::Index),
            }
        })
    }

    /// Seqnos of a stream's entries with these places in the stream, in ascending order.
    ///
    /// `want` is cut to one block, so that what is held is bounded: ask on from where the answer ends.
    pub(crate) fn seqnos(&mut self, stream: &StreamNow, want: std::ops::Range<u64>) -> Result<Vec<u64>, Trouble> {
        let block = want.start / BLOCK;
        let end = want.end.min(stream.count).min((block + 1) * BLOCK);
        if want.start >= end {
            return Ok(Vec::new());
        }
        let full = (block + 1) * BLOCK <= stream.count;
        let mut seqno = if full {
            let found = self.waypoints.oldest(stream.last_waypoint, |_, waypoint| waypoint.link.ordinal >= block)?;
            found.filter(|(_, waypoint)| waypoint.link.ordinal == block).ok_or(Trouble::Index)?.1.seqno
        } else {
            stream.last
        };
        let mut seqnos = Vec::with_capacity((end - want.start) as usize);
        loop {
            let entry = self.entry(seqno)?;
            if entry.ordinal < want.start {
                return Err(Trouble::Index);
            }
            if entry.ordinal < end {
                seqnos.push(seqno);
            }
            if entry.ordinal == want.start {
                break;
            }
            if entry.previous >= seqno {
                return Err(Trouble::Index);
            }
            seqno = entry.previous;
        }
        seqnos.reverse();
        if seqnos.len() as u64 == end - want.start { Ok(seqnos) } else { Err(Trouble::Index) }
    }

    /// Place in the stream of its first entry with at least this seqno; their count when there is none.
    pub(crate) fn ordinal_from(&mut self, stream: &StreamNow, seqno: u64) -> Result<u64, Trouble> {
        let found = self.waypoints.oldest(stream.last_waypoint, |_, waypoint| waypoint.seqno >= seqno)?;
        // Without a waypoint the entry is in the last block, which is not full yet.
        let block = found.map_or(stream.count / BLOCK, |(_, waypoint)| waypoint.link.ordinal);
        let seqnos = self.seqnos(stream, block * BLOCK..stream.count)?;
        Ok(block * BLOCK + seqnos.partition_point(|&s| s < seqno) as u64)
    }

    /// A stored interior hash.
    pub(crate) fn node(&mut self, id: NodeId) -> Result<Option<Hash>, Trouble> {
        let (first, leaves, table) = match id.tree {
            TreeId::Log => (0, self.entries.len(), &mut self.nodes),
            TreeId::Segment(segment) => match self.segment(segment)? {
                Some(segment) => (segment.nodes, segment.leaves, &mut self.segment_nodes),
                None => return Ok(None),
            },
        };
        let Some(place) = node_place(id.level, id.index).filter(|place| *place < node_count(leaves)) else {
            return Ok(None);
        };
        let hash = table.get(first + place)?.ok_or(Trouble::Index)?;
        Ok((hash != Hash::ZERO).then_some(hash))
    }

    /// Where the signatures of a segment stand, oldest first.
    pub(crate) fn segment_signatures(&mut self, id: u64) -> Result<Vec<Span>, Trouble> {
        if !(1..=self.segments.len()).contains(&id) {
            return Ok(Vec::new());
        }
        let last = self.segment_cells.get(id, &self.state.salt, self.state.epoch)?.last_signature;
        linked(&mut self.signatures, last)
    }

    /// Where the data keys of a stream stand, oldest first.
    pub(crate) fn data_keys(&mut self, stream: &StreamNow) -> Result<Vec<Span>, Trouble> {
        linked(&mut self.data_keys, stream.last_data_key)
    }

    /// How many data keys there are.
    pub(crate) fn data_key_count(&self) -> u64 {
        self.data_keys.len()
    }

    /// Where the data key with this number stands.
    pub(crate) fn data_key(&mut self, number: u64) -> Result<Span, Trouble> {
        Ok(self.data_keys.at(number)?.line)
    }

    /// How many witness answers there are.
    pub(crate) fn witness_count(&self) -> u64 {
        self.witnesses.len()
    }

    /// Where the witness answer with this number stands.
    pub(crate) fn witness(&mut self, number: u64) -> Result<Span, Trouble> {
        Ok(self.witnesses.at(number)?.line)
    }
}

/// Makes sure that nobody uses the index of this log any more.
pub(crate) fn discard(disk: &impl Disk, log: &Path) -> std::io::Result<()> {
    state::discard(disk, &folder(log))
}

/// Where the index of a log is.
fn folder(log: &Path) -> PathBuf {
    crate::disk::beside(log, ".idx")
}

fn linked<F: DiskFile>(table: &mut Table<F, Linked>, last: u64) -> Result<Vec<Span>, Trouble> {
    let mut lines = Vec::new();
    let mut place = last;
    while place != 0 {
        let row = table.at(place)?;
        if row.previous >= place {
            return Err(Trouble::Index);
        }
        lines.push(row.line);
        place = row.previous;
    }
    lines.reverse();
    Ok(lines)
}

/// How many hashes are stored of a tree with so many leaves.
fn node_count(leaves: u64) -> u64 {
    let units = leaves >> STORED_LEVEL;
    2 * units - u64::from(units.count_ones())
}

/// The first row that could stand behind this one.
fn next_row(row: IndexRow) -> Option<IndexRow> {
    match row.seqno.checked_add(1) {
        Some(seqno) => Some(IndexRow { seqno, ..row }),
        None => {
            let key = u128::from_be_bytes(row.key.0).checked_add(1)?;
            Some(IndexRow { key: IndexKey(key.to_be_bytes()), seqno: 0 })
        }
    }
}

/// Place of a subtree's hash among those of its tree, which stand in the order in which they are completed.
fn node_place(level: u8, index: u64) -> Option<u64> {
    let above = u32::from(level.checked_sub(STORED_LEVEL)?);
    // The leaf that completes it completes `above` smaller ones just before.
    let leaves_before =
        index.checked_add(1)?.checked_shl(u32::from(level)).filter(|leaves| leaves >> level == index + 1)?;
    Some(node_count(leaves_before - 1) + u64::from(above))
}
