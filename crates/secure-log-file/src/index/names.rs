//! The numbers of streams by name: a hash table on disk of which only the touched pages are read.
//!
//! A slot holds a number and the rest of the name's hash; whether the name is the right one is read in the log. A
//! number above the count of the state was written by an epoch that never came to be, and counts as empty. Hashes
//! are salted, so that producers cannot choose names that fall together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use secure_log::hash::Hash;

use super::checksum::checksum;
use super::rows::Row;
use super::table::{HEADER, Stored, create_file};
use super::{Salt, Trouble};
use crate::disk::{Disk, DiskFile, read_full, remove_if_there};

/// One sector, so that a page is written whole or not at all.
const PAGE: usize = 512;
/// The first 8 bytes of a page are its checksum.
const SLOTS: u64 = 63;
/// Pages are at most two thirds full on average.
const FULL: u64 = SLOTS * 2 / 3;
const FIRST_BITS: u32 = 6;
const MOST_BITS: u32 = 31;
/// How many names that are on disk are kept in memory besides.
const MOST_KNOWN: usize = 1 << 16;
const WINDOW_PAGES: u64 = 256;

pub(crate) struct Names<F> {
    file: Option<F>,
    /// The table has `2^bits` pages; 0 when there is none.
    bits: u32,
    /// The highest number that counts.
    stored: u64,
    known: HashMap<Box<str>, u64>,
    /// Hash and number of the streams that came since.
    new: Vec<(u32, u64)>,
    grown: Option<(F, u32)>,
}

impl<F: DiskFile> Names<F> {
    pub(super) fn new() -> Names<F> {
        Names { file: None, bits: 0, stored: 0, known: HashMap::new(), new: Vec::new(), grown: None }
    }

    /// Opens the file for so many names in a table of this size; `None` when it is not there.
    pub(super) fn open(&mut self, stored: &Stored<'_, impl Disk<File = F>>, bits: u32, count: u64) -> Option<()> {
        if count > 0 {
            let pages = (FIRST_BITS..=MOST_BITS).contains(&bits).then(|| 1 << bits)?;
            self.file = Some(stored.open(&path(stored.folder, bits), pages, PAGE)?);
            (self.bits, self.stored) = (bits, count);
        }
        Some(())
    }

    /// The table's size as the next state has to say it.
    pub(super) fn bits(&self) -> u32 {
        self.grown.as_ref().map_or(self.bits, |(_, bits)| *bits)
    }

    /// The number of the stream of this name. `is_named` says whether the stream with a number has it.
    pub(crate) fn find(
        &mut self,
        name: &str,
        salt: &Salt,
        mut is_named: impl FnMut(u64) -> Result<bool, Trouble>,
    ) -> Result<Option<u64>, Trouble> {
        if let Some(number) = self.known.get(name) {
            return Ok(Some(*number));
        }
        let Some(file) = &self.file else { return Ok(None) };
        let tag = tag(name, salt);
        let mut page = [0; PAGE];
        let mut at = first_page(tag, self.bits);
        for _ in 0..1u64 << self.bits {
            read_page(file, at, &mut page, salt)?;
            for slot in 0..SLOTS {
                let Some((number, held)) = slot_of(&page, slot, self.stored) else { return Ok(None) };
                if held == tag && is_named(number)? {
                    self.remember(name, number);
                    return Ok(Some(number));
                }
            }
            at = next_page(at, self.bits);
        }
        Ok(None)
    }

    /// Adds the stream that was just made.
    pub(crate) fn add(&mut self, name: &str, number: u64, salt: &Salt) {
        self.new.push((tag(name, salt), number));
        self.known.insert(name.into(), number);
    }

    fn remember(&mut self, name: &str, number: u64) {
        if self.known.len() >= MOST_KNOWN + self.new.len() {
            self.known.retain(|_, number| *number > self.stored);
        }
        self.known.insert(name.into(), number);
    }

    /// Writes and syncs what came since; into a larger table when this one is full. Answers whether it made a file.
    pub(super) fn write<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path, salt: &Salt) -> std::io::Result<bool> {
        let count = self.stored + self.new.len() as u64;
        let mut bits = self.bits.max(FIRST_BITS);
        // Numbers have 32 bits, which is fewer streams than a table of the largest size holds.
        while count > FULL << bits && bits < MOST_BITS {
            bits += 1;
        }
        if self.new.is_empty() {
            return Ok(false);
        }
        if bits == self.bits {
            let file = self.file.as_ref().expect("a table with pages has a file");
            insert(file, bits, self.stored, &mut self.new, salt)?;
            file.sync_data()?;
            return Ok(false);
        }
        if self.stored == 0 {
            // Tables of an index that is no more.
            (FIRST_BITS..=MOST_BITS).try_for_each(|bits| remove_if_there(disk, &path(folder, bits)))?;
        }
        let file = create_file(disk, &path(folder, bits), salt)?;
        file.set_len(HEADER + ((PAGE as u64) << bits))?;
        let mut all = self.stored_slots(salt)?;
        all.extend_from_slice(&self.new);
        insert(&file, bits, 0, &mut all, salt)?;
        file.sync_data()?;
        self.grown = Some((file, bits));
        Ok(true)
    }

    fn stored_slots(&self, salt: &Salt) -> std::io::Result<Vec<(u32, u64)>> {
        let mut all = Vec::with_capacity(self.stored as usize);
        let Some(file) = &self.file else { return Ok(all) };
        let mut window = Vec::new();
        for first in (0..1u64 << self.bits).step_by(WINDOW_PAGES as usize) {
            read_pages(file, first, WINDOW_PAGES.min((1 << self.bits) - first), &mut window, salt)?;
            for page in window.chunks_exact(PAGE) {
                all.extend((0..SLOTS).map_while(|slot| slot_of(page, slot, self.stored)).map(|(n, tag)| (tag, n)));
            }
        }
        Ok(all)
    }

    pub(super) fn settle<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path) {
        if let Some((file, bits)) = self.grown.take() {
            if self.bits > 0 {
                // A table that is left behind is in nobody's way.
                let _ = disk.remove(&path(folder, self.bits));
            }
            (self.file, self.bits) = (Some(file), bits);
        }
        self.stored += self.new.len() as u64;
        self.new.clear();
        if self.known.len() > MOST_KNOWN {
            self.known.clear();
        }
    }
}

fn path(folder: &Path, bits: u32) -> PathBuf {
    folder.join(format!("names-{bits}"))
}

fn tag(name: &str, salt: &Salt) -> u32 {
    let hash = Hash::sha256(&[salt.as_slice(), name.as_bytes()].concat());
    u32::take(&hash.0[..4])
}

fn first_page(tag: u32, bits: u32) -> u64 {
    u64::from(tag) >> (32 - bits)
}

fn next_page(at: u64, bits: u32) -> u64 {
    (at + 1) & ((1 << bits) - 1)
}

/// Number and hash in a slot; `None` when it is empty, as are then all that follow.
fn slot_of(page: &[u8], slot: u64, stored: u64) -> Option<(u64, u32)> {
    let at = 8 + 8 * slot as usize;
    let number = u64::from(u32::take(&page[at..at + 4]));
    (1..=stored).contains(&number).then(|| (number, u32::take(&page[at + 4..at + 8])))
}

/// Inserts, page by page, and writes each window of pages once.
fn insert(file: &impl DiskFile, bits: u32, stored: u64, new: &mut [(u32, u64)], salt: &Salt) -> std::io::Result<()> {
    new.sort_unstable();
    let highest = stored + new.len() as u64;
    let window_of = |tag: u32| first_page(tag, bits) / WINDOW_PAGES;
    let mut window = Vec::new();
    let mut spilled = Vec::new();
    // What is new counts as taken while it is inserted; what an epoch left that never came to be does not.
    let mut placed = vec![false; new.len()];
    let mut put = |page: &mut [u8], tag: u32, number: u64| {
        for slot in 0..SLOTS {
            let at = 8 + 8 * slot as usize;
            let held = u64::from(u32::take(&page[at..at + 4]));
            let taken = (1..=stored).contains(&held)
                || (stored < held && held <= highest && placed[(held - stored - 1) as usize] && held != number);
            if !taken {
                page[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
                page[at + 4..at + 8].copy_from_slice(&tag.to_le_bytes());
                placed[(number - stored - 1) as usize] = true;
                return true;
            }
        }
        false
    };
    for names in new.chunk_by(|a, b| window_of(a.0) == window_of(b.0)) {
        let (first, last) = (first_page(names[0].0, bits), first_page(names[names.len() - 1].0, bits));
        read_pages(file, first, last - first + 1, &mut window, salt)?;
        for &(tag, number) in names {
            let at = (first_page(tag, bits) - first) as usize * PAGE;
            if !put(&mut window[at..at + PAGE], tag, number) {
                spilled.push((tag, number));
            }
        }
        write_pages(file, first, &mut window, salt)?;
    }
    for (tag, number) in spilled {
        let mut at = next_page(first_page(tag, bits), bits);
        loop {
            read_pages(file, at, 1, &mut window, salt)?;
            if put(&mut window, tag, number) {
                write_pages(file, at, &mut window, salt)?;
                break;
            }
            at = next_page(at, bits);
        }
    }
    Ok(())
}

fn read_page(file: &impl DiskFile, at: u64, page: &mut [u8; PAGE], salt: &Salt) -> Result<(), Trouble> {
    match read_full(file, page, HEADER + at * PAGE as u64) {
        Ok(PAGE) if is_whole(page, at, salt) => Ok(()),
        _ => Err(Trouble::Index),
    }
}

fn read_pages(file: &impl DiskFile, first: u64, count: u64, out: &mut Vec<u8>, salt: &Salt) -> std::io::Result<()> {
    out.clear();
    out.resize(count as usize * PAGE, 0);
    read_full(file, out, HEADER + first * PAGE as u64)?;
    if out.chunks_exact(PAGE).zip(first..).all(|(page, at)| is_whole(page, at, salt)) {
        return Ok(());
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a damaged page of the index"))
}

fn write_pages(file: &impl DiskFile, first: u64, pages: &mut [u8], salt: &Salt) -> std::io::Result<()> {
    for (page, at) in pages.chunks_exact_mut(PAGE).zip(first..) {
        let sum = checksum(salt, at, &page[8..]);
        page[..8].copy_from_slice(&sum.to_le_bytes());
    }
    file.write_at(pages, HEADER + first * PAGE as u64)
}

/// A page that was never written is all zero.
fn is_whole(page: &[u8], at: u64, salt: &Salt) -> bool {
    page[..8] == checksum(salt, at, &page[8..]).to_le_bytes() || page.iter().all(|&b| b == 0)
}
