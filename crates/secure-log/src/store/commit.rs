//! What a store is handed to make durable at once.

use core::fmt;

use super::{Expected, Node};
use crate::hash::Hash;
use crate::index::{self, IndexRow};
use crate::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, WitnessRow,
};

/// Everything that one call makes durable at once. The last record is a head.
#[derive(Debug, Default)]
pub struct Commit {
    bytes: Vec<u8>,
    /// Where the bytes end of the entries that were pushed.
    pushed: usize,
    streams: Vec<String>,
    items: Vec<Item>,
    /// Interior tree hashes that this commit completes.
    pub nodes: Vec<Node>,
    /// The rows of its entries in the index: what [`Commit::index_entries`] would compute.
    pub index: Vec<IndexRow>,
    /// What the store must hold for the commit to be appended; `None` for a store that holds nothing.
    pub expected: Option<Expected>,
}

/// As small as an entry, of which there are the most.
#[derive(Debug)]
enum Item {
    Log(Box<LogRow>),
    Stream(Box<StreamRow>),
    DataKey(Box<DataKeyRow>),
    Entry { seqno: u64, stream: u32, start: usize, end: usize, hash: Hash },
    Pruned { seqno: u64, stream: u32, hash: Hash },
    Signature(Box<SignatureRow>),
    Segment(Box<SegmentRow>),
    Witness(Box<WitnessRow>),
    Head(Box<HeadRow>),
}

impl Commit {
    /// A commit that may be appended to a store that holds `expected`.
    pub fn new(expected: Option<Expected>) -> Commit {
        Commit { expected, ..Commit::default() }
    }

    /// A commit whose entries are told apart by [`Commit::push_packed`]: the names of their streams, and their canonical
    /// bytes one right after the other.
    pub fn of_packed(expected: Option<Expected>, streams: Vec<String>, bytes: Vec<u8>) -> Commit {
        Commit { expected, streams, bytes, ..Commit::default() }
    }

    /// Makes room for so many more entries, whose canonical bytes are about so many in all.
    pub fn reserve(&mut self, entries: usize, bytes: usize) {
        self.items.reserve(entries);
        self.bytes.reserve(bytes);
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The records, in the order in which they were pushed.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.items.iter().map(|item| self.record(item))
    }

    /// Names of the streams that the commit makes: those of its stream records that deprecate none.
    pub fn new_streams(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            Item::Stream(row) if row.deprecated.is_none() => Some(&*row.name),
            _ => None,
        })
    }

    fn record<'c>(&'c self, item: &'c Item) -> Record<'c> {
        match item {
            Item::Log(row) => Record::Log(row),
            Item::Stream(row) => Record::Stream(row),
            Item::DataKey(row) => Record::DataKey(row),
            Item::Entry { seqno, stream, start, end, hash } => Record::Entry(EntryRow {
                seqno: *seqno,
                stream: &self.streams[*stream as usize],
                hash: *hash,
                bytes: &self.bytes[*start..*end],
            }),
            Item::Pruned { seqno, stream, hash } => {
                Record::Pruned(PrunedRow { seqno: *seqno, stream: &self.streams[*stream as usize], hash: *hash })
            }
            Item::Signature(row) => Record::Signature(row),
            Item::Segment(row) => Record::Segment(row),
            Item::Witness(row) => Record::Witness(row),
            Item::Head(row) => Record::Head(row),
        }
    }

    /// Computes the rows that the entries pushed so far have in the index.
    pub fn index_entries(&mut self) {
        let index = self.records().filter_map(|record| match record {
            Record::Entry(row) => Some(index::rows(row.bytes)),
            _ => None,
        });
        self.index = index.flatten().collect();
    }

    /// The rows, in the order in which they were pushed, with entries as places in [`Commit::streams`] and
    /// [`Commit::packed_bytes`].
    pub fn rows(&self) -> impl ExactSizeIterator<Item = CommitRow<'_>> {
        self.items.iter().map(|item| match item {
            Item::Entry { seqno, stream, start, end, hash } => CommitRow::Entry(PackedEntry {
                seqno: *seqno,
                stream: *stream,
                hash: *hash,
                length: u32::try_from(end - start).expect("an entry is far smaller than 4 GiB"),
            }),
            other => CommitRow::Record(self.record(other)),
        })
    }

    /// The names that packed entries point at.
    pub fn streams(&self) -> &[String] {
        &self.streams
    }

    /// The canonical bytes of the entries, one right after the other.
    pub fn packed_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The head that ends the commit, once it was pushed.
    pub fn head(&self) -> Option<&HeadRow> {
        match self.items.last() {
            Some(Item::Head(head)) => Some(head.as_ref()),
            _ => None,
        }
    }

    /// Bytes of the entries pushed so far.
    pub fn entry_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends an entry whose canonical bytes `encode` writes, and whose hash `hash` computes of them.
    pub fn push_entry<E>(
        &mut self,
        seqno: u64,
        stream: &str,
        encode: impl FnOnce(&mut Vec<u8>),
        hash: impl FnOnce(&[u8]) -> Result<Hash, E>,
    ) -> Result<Hash, E> {
        let start = self.bytes.len();
        encode(&mut self.bytes);
        let end = self.bytes.len();
        let hash = hash(&self.bytes[start..end]).inspect_err(|_| self.bytes.truncate(start))?;
        let stream = self.intern(stream);
        self.items.push(Item::Entry { seqno, stream, start, end, hash });
        self.pushed = end;
        Ok(hash)
    }

    /// Appends the next of the entries whose bytes came with [`Commit::of_packed`].
    pub fn push_packed(&mut self, entry: PackedEntry) -> Result<(), Misplaced> {
        let start = self.pushed;
        let end = start.checked_add(entry.length as usize).filter(|end| *end <= self.bytes.len()).ok_or(Misplaced)?;
        if entry.stream as usize >= self.streams.len() {
            return Err(Misplaced);
        }
        let PackedEntry { seqno, stream, hash, .. } = entry;
        self.items.push(Item::Entry { seqno, stream, start, end, hash });
        self.pushed = end;
        Ok(())
    }

    /// Appends any record. An entry is copied. A pruned one is only [loaded](super::SecureLogStore::load), never inserted.
    ///
    /// # Panics
    /// On [`Record::Unknown`], which only a later version can write.
    pub fn push(&mut self, record: Record<'_>) {
        let item = match record {
            Record::Log(row) => Item::Log(Box::new(row.clone())),
            Record::Stream(row) => Item::Stream(Box::new(row.clone())),
            Record::DataKey(row) => Item::DataKey(Box::new(row.clone())),
            Record::Entry(row) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(row.bytes);
                self.pushed = self.bytes.len();
                let stream = self.intern(row.stream);
                Item::Entry { seqno: row.seqno, stream, start, end: self.pushed, hash: row.hash }
            }
            Record::Pruned(row) => {
                let stream = self.intern(row.stream);
                Item::Pruned { seqno: row.seqno, stream, hash: row.hash }
            }
            Record::Signature(row) => Item::Signature(Box::new(row.clone())),
            Record::Segment(row) => Item::Segment(Box::new(row.clone())),
            Record::Witness(row) => Item::Witness(Box::new(row.clone())),
            Record::Head(row) => Item::Head(Box::new(row.clone())),
            Record::Unknown(_) => panic!("a record that is not known here is never part of a commit"),
        };
        self.items.push(item);
    }

    /// Appends a signature, which is not copied.
    pub fn push_signature(&mut self, row: SignatureRow) {
        self.items.push(Item::Signature(Box::new(row)));
    }

    fn intern(&mut self, stream: &str) -> u32 {
        // Batches name few streams and mostly the last one again, so a search from the end is short.
        let found =
            self.streams.iter().rev().take(8).position(|s| s == stream).map(|back| self.streams.len() - 1 - back);
        let index = found.unwrap_or_else(|| {
            self.streams.push(stream.into());
            self.streams.len() - 1
        });
        u32::try_from(index).expect("a commit holds at most 64 MiB, so fewer than 2^32 entries")
    }
}

/// A row of a commit, in the form in which commits cross from component to component.
#[derive(Clone, Copy, Debug)]
pub enum CommitRow<'a> {
    /// An entry.
    Entry(PackedEntry),
    /// Anything else.
    Record(Record<'a>),
}

/// An entry whose bytes and stream stand elsewhere in the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedEntry {
    /// Its place in the log, from 1.
    pub seqno: u64,
    /// Place in [`Commit::streams`].
    pub stream: u32,
    /// The entry-hash.
    pub hash: Hash,
    /// How many of the bytes are its.
    pub length: u32,
}

/// A packed entry points at a stream or at bytes that the commit does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced;

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it points at a stream or at bytes that the commit does not have")
    }
}

impl std::error::Error for Misplaced {}
