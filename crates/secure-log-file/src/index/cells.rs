//! A table whose rows change: each has room for two versions on disk.
//!
//! A version carries the epoch in which it was written. Writing goes over the version that the current state does not
//! use, so the state of the last epoch stays readable until the next one is durable, whatever a crash leaves of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::Path;

use super::checksum::checksum;
use super::rows::Row;
use super::table::{HEADER, Stored, create_file};
use super::{Salt, Trouble};
use crate::disk::{Disk, DiskFile, read_full};

/// Epoch and checksum stand before each version.
const PREFIX: usize = 8;
const WINDOW: usize = 64 << 10;
/// How many rows that are on disk are kept in memory besides.
const MOST_CLEAN: usize = 1 << 16;

pub(crate) struct Cells<F, R> {
    name: &'static str,
    file: Option<F>,
    len: u64,
    /// What was changed since the last epoch, and what was read of it.
    known: HashMap<u64, Known<R>, BuildHasherDefault<NumberHasher>>,
    dirty: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Known<R> {
    row: R,
    dirty: bool,
}

impl<F: DiskFile, R: Row + Default> Cells<F, R> {
    const VERSION: usize = PREFIX + R::SIZE;
    const CELL: usize = 2 * Self::VERSION;

    pub(super) fn new(name: &'static str) -> Cells<F, R> {
        Cells { name, file: None, len: 0, known: HashMap::default(), dirty: Vec::new() }
    }

    /// Opens what counts of the file; `None` when it is not there.
    pub(super) fn open(&mut self, stored: &Stored<'_, impl Disk<File = F>>, rows: u64) -> Option<()> {
        if rows > 0 {
            self.file = Some(stored.open(&stored.folder.join(self.name), rows, Self::CELL)?);
            self.len = rows;
        }
        Some(())
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a row and answers its number, from 1.
    pub(crate) fn push(&mut self, row: R) -> u64 {
        self.len += 1;
        self.known.insert(self.len, Known { row, dirty: true });
        self.dirty.push(self.len);
        self.len
    }

    /// The row with this number, from 1, for reading.
    pub(crate) fn get(&mut self, number: u64, salt: &Salt, epoch: u32) -> Result<R, Trouble> {
        self.load(number, salt, epoch).map(|known| known.row)
    }

    /// The row with this number, from 1, for changing.
    pub(crate) fn change(&mut self, number: u64, salt: &Salt, epoch: u32) -> Result<&mut R, Trouble> {
        match self.known.entry(number) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                if !known.dirty {
                    known.dirty = true;
                    self.dirty.push(number);
                }
                Ok(&mut known.row)
            }
            Entry::Vacant(place) => {
                let row = read_row(self.file.as_ref(), self.len, number, salt, epoch)?;
                self.dirty.push(number);
                Ok(&mut place.insert(Known { row, dirty: true }).row)
            }
        }
    }

    fn load(&mut self, number: u64, salt: &Salt, epoch: u32) -> Result<Known<R>, Trouble> {
        if let Some(known) = self.known.get(&number) {
            return Ok(*known);
        }
        let row = read_row(self.file.as_ref(), self.len, number, salt, epoch)?;
        if self.known.len() - self.dirty.len() >= MOST_CLEAN {
            self.known.retain(|_, known| known.dirty);
        }
        let known = Known { row, dirty: false };
        self.known.insert(number, known);
        Ok(known)
    }

    /// Writes and syncs what changed, as of `epoch`, over versions that the epoch before it does not use. Answers whether
    /// it made the file.
    pub(super) fn write<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        folder: &Path,
        salt: &Salt,
        epoch: u32,
    ) -> std::io::Result<bool> {
        if self.dirty.is_empty() {
            return Ok(false);
        }
        let made = self.file.is_none();
        if made {
            self.file = Some(create_file(disk, &folder.join(self.name), salt)?);
        }
        self.dirty.sort_unstable();
        let file = self.file.as_ref().expect("it was made above");
        let mut window = Vec::new();
        let per_window = (WINDOW / Self::CELL) as u64;
        for numbers in self.dirty.chunk_by(|a, b| (a - 1) / per_window == (b - 1) / per_window) {
            let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
            window.clear();
            window.resize((last - first + 1) as usize * Self::CELL, 0);
            read_full(file, &mut window, offset::<R>(first))?;
            for &number in numbers {
                let at = (number - first) as usize * Self::CELL;
                let cell = &mut window[at..at + Self::CELL];
                let used = newest::<R>(cell, number, salt, epoch - 1).map_or(1, |(version, _)| version);
                let version = encode(&self.known[&number].row, number, salt, epoch);
                cell[(1 - used) * Self::VERSION..][..Self::VERSION].copy_from_slice(&version);
            }
            file.write_at(&window, offset::<R>(first))?;
        }
        file.sync_data()?;
        Ok(made)
    }

    pub(super) fn settle(&mut self) {
        if self.known.len() > MOST_CLEAN {
            self.known.clear();
        } else {
            self.known.values_mut().for_each(|known| known.dirty = false);
        }
        self.dirty.clear();
    }
}

fn offset<R: Row>(number: u64) -> u64 {
    HEADER + (number - 1) * (2 * (PREFIX + R::SIZE)) as u64
}

/// What the file has in the row with this number, of so many.
fn read_row<R: Row>(
    file: Option<&impl DiskFile>,
    len: u64,
    number: u64,
    salt: &Salt,
    epoch: u32,
) -> Result<R, Trouble> {
    if number == 0 || number > len {
        return Err(Trouble::Index);
    }
    let mut cell = vec![0; 2 * (PREFIX + R::SIZE)];
    read_full(file.ok_or(Trouble::Index)?, &mut cell, offset::<R>(number)).map_err(|_| Trouble::Index)?;
    newest(&cell, number, salt, epoch).map(|(_, row)| row).ok_or(Trouble::Index)
}

/// The version that counts in `epoch`: which of the two it is, and what it says.
fn newest<R: Row>(cell: &[u8], number: u64, salt: &Salt, epoch: u32) -> Option<(usize, R)> {
    let version = PREFIX + R::SIZE;
    let counts = |bytes: &[u8]| {
        let written = u32::take(&bytes[..4]);
        let row = R::take(&bytes[PREFIX..]);
        (written > 0 && written <= epoch && encode(&row, number, salt, written) == bytes).then_some((written, row))
    };
    let (a, b) = (counts(&cell[..version]), counts(&cell[version..2 * version]));
    match (a, b) {
        (Some((a, _)), Some((b, row))) if b > a => Some((1, row)),
        (Some((_, row)), _) => Some((0, row)),
        (None, Some((_, row))) => Some((1, row)),
        (None, None) => None,
    }
}

fn encode<R: Row>(row: &R, number: u64, salt: &Salt, epoch: u32) -> Vec<u8> {
    let mut version = Vec::with_capacity(PREFIX + R::SIZE);
    epoch.put(&mut version);
    version.extend_from_slice(&[0; 4]);
    row.put(&mut version);
    let sum = checksum(salt, number, &version) as u32;
    version[4..PREFIX].copy_from_slice(&sum.to_le_bytes());
    version
}

/// Numbers are given out by the index itself, one after the other: spreading them needs no secret.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(u64::from(b)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
