//! The blocks of facts of all entries: most on disk, some in memory, and the last one still being collected.
//!
//! What is on disk is never changed. A block that is not full when a state is written ends there all the same, and the next entry
//! begins another one; states are far apart, so that few blocks are short.

use std::path::Path;

use secure_log::jsonl::{EntryFacts, MAX_LINE_BYTES};

use super::blob::Blob;
use super::checksum::checksum;
use super::facts::{COLUMNS, Column, Facts, MOST_ENTRIES, MOST_TEXT, PARTS, Part, SUM};
use super::rows::{BlockAt, Row};
use super::table::{Stored, Table};
use super::{Salt, Trouble};
use crate::disk::{Disk, DiskFile};

pub(crate) struct Blocks<F> {
    table: Table<F, BlockAt>,
    parts: Blob<F>,
    /// What was not packed yet.
    open: Facts,
    /// The seqno of its first entry.
    open_first: u64,
    /// The place in the table of the block that was found last: the next one that is wanted is mostly beside it.
    near: u64,
}

/// A block, and its bytes if they are in no file.
pub(crate) struct Block {
    pub(crate) at: BlockAt,
    packed: Option<Vec<u8>>,
}

impl<F: DiskFile> Blocks<F> {
    pub(super) fn new() -> Blocks<F> {
        Blocks {
            table: Table::new("blocks"),
            parts: Blob::new("facts"),
            open: Facts::default(),
            open_first: 1,
            near: 0,
        }
    }

    /// Opens what counts of the files, in which are the facts of so many entries; `None` when they are not there.
    pub(super) fn open(
        &mut self,
        stored: &Stored<'_, impl Disk<File = F>>,
        blocks: u64,
        bytes: u64,
        entries: u64,
    ) -> Option<()> {
        self.table.open(stored, blocks)?;
        self.parts.open(stored, bytes)?;
        self.open_first = entries + 1;
        Some(())
    }

    /// How many blocks there are, but for the one that is being collected.
    pub(super) fn len(&self) -> u64 {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.parts.len()
    }

    /// Whether the next entry is of the stream of the one before it, where that is known.
    pub(super) fn stays_in(&self, stream: &str) -> bool {
        self.open.stays_in(stream)
    }

    /// Adds the next entry.
    pub(super) fn push(&mut self, facts: &EntryFacts<'_>, salt: &Salt) {
        self.open.push(facts, salt);
        self.close_full(salt);
    }

    /// Adds the next entry, of which not more than its hash is left.
    pub(super) fn push_pruned(&mut self, salt: &Salt) {
        self.open.push_pruned(salt);
        self.close_full(salt);
    }

    fn close_full(&mut self, salt: &Salt) {
        if self.open.is_full() {
            self.close(salt);
        }
    }

    fn close(&mut self, salt: &Salt) {
        if self.open.len() > 0 {
            let offset = self.parts.len();
            let block = self.parts.append(|out| self.open.pack(self.open_first, offset, salt, out));
            self.table.push(block);
            self.open_first += u64::from(block.count);
            self.open.clear();
        }
    }

    /// Writes and syncs what came since, and answers whether it made a file.
    pub(super) fn write<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path, salt: &Salt) -> std::io::Result<bool> {
        self.close(salt);
        let made = self.parts.write(disk, folder, salt)?;
        Ok(self.table.write(disk, folder, salt)? || made)
    }

    pub(super) fn settle(&mut self) {
        self.parts.settle();
        self.table.settle();
    }

    /// The block that has the entry with this seqno, which has to be in the log.
    pub(super) fn find(&mut self, seqno: u64, salt: &Salt) -> Result<Block, Trouble> {
        if seqno >= self.open_first {
            let mut packed = Vec::new();
            let at = self.open.pack(self.open_first, 0, salt, &mut packed);
            return if seqno <= at.last() { Ok(Block { at, packed: Some(packed) }) } else { Err(Trouble::Index) };
        }
        for place in [self.near.wrapping_add(1), self.near, self.near.wrapping_sub(1)] {
            if let Some(block) = self.table.get(place)?.filter(|block| (block.first..=block.last()).contains(&seqno)) {
                return self.found(place, block);
            }
        }
        let (mut first, mut end) = (0, self.table.len());
        while first < end {
            let middle = first + (end - first) / 2;
            let block = self.table.get(middle)?.ok_or(Trouble::Index)?;
            if seqno < block.first {
                end = middle;
            } else if seqno > block.last() {
                first = middle + 1;
            } else {
                return self.found(middle, block);
            }
        }
        Err(Trouble::Index)
    }

    fn found(&mut self, place: u64, at: BlockAt) -> Result<Block, Trouble> {
        self.near = place;
        possible(at)
    }

    /// The block at this place, from 0, of those that are not collected any more.
    pub(super) fn at(&mut self, place: u64) -> Result<Option<BlockAt>, Trouble> {
        self.table.get(place)?.map(|at| possible(at).map(|block| block.at)).transpose()
    }

    /// Whether a block says what these facts say. One that is damaged says nothing.
    pub(super) fn says(&self, at: BlockAt, facts: &Facts, salt: &Salt) -> Result<bool, Trouble> {
        let mut expected = Vec::new();
        if facts.pack(at.first, at.offset, salt, &mut expected) != at {
            return Ok(false);
        }
        let mut found = vec![0; expected.len()];
        self.parts.read(at.offset, &mut found)?;
        if found != expected {
            let block = Block { at, packed: None };
            PARTS.into_iter().try_for_each(|part| self.read(&block, part, salt, &mut found))?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The first entry of those that are still collected.
    pub(super) fn open_first(&self) -> u64 {
        self.open_first
    }

    /// Reads a part of a block.
    pub(super) fn read(&self, block: &Block, part: Part, salt: &Salt, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let (at, len) = block.at.part(part);
        out.clear();
        if len == 0 {
            return Ok(());
        }
        out.resize(len + SUM, 0);
        match &block.packed {
            Some(packed) => {
                let part = usize::try_from(at).ok().and_then(|at| packed.get(at..)?.get(..out.len()));
                out.copy_from_slice(part.ok_or(Trouble::Index)?);
            }
            None => self.parts.read(at, out)?,
        }
        let sum = u64::take(&out[len..]);
        out.truncate(len);
        if sum == checksum(salt, at, out) { Ok(()) } else { Err(Trouble::Index) }
    }
}

/// Nothing is allocated because a row says so.
fn possible(at: BlockAt) -> Result<Block, Trouble> {
    let is_possible = |column| {
        let words = at.words(column);
        (1..=at.count).contains(&words.count) && words.text as usize <= MOST_TEXT + MAX_LINE_BYTES
    };
    let columns = [Column::Stream, Column::Event, Column::Producer, Column::Session];
    if (1..=MOST_ENTRIES as u32).contains(&at.count) && columns.into_iter().all(is_possible) {
        Ok(Block { at, packed: None })
    } else {
        Err(Trouble::Index)
    }
}

const _: () = assert!(COLUMNS == Column::Session as usize + 1, "each column has a place in a row");
