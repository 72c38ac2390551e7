//! A table that only grows: what counts of it is on disk, what came since is in memory.

use std::path::Path;

use super::checksum::checksum;
use super::rows::Row;
use super::{Salt, Trouble};
use crate::disk::{Disk, DiskFile, Mode, read_full, remove_if_there};

/// Every file of the index begins with a block of this size that says to which index it belongs.
pub(super) const HEADER: u64 = 512;
const MAGIC: &[u8; 16] = b"secure-log index";
const PAGE: usize = 8 << 10;

/// Makes a file of the index, empty but for its header.
pub(super) fn create_file<D: Disk>(disk: &D, path: &Path, salt: &Salt) -> std::io::Result<D::File> {
    remove_if_there(disk, path)?;
    let file = disk.open(path, Mode::CreateNew)?;
    let mut header = [MAGIC.as_slice(), salt].concat();
    header.resize(HEADER as usize, 0);
    file.write_at(&header, 0)?;
    Ok(file)
}

/// The files of an index as it was last written.
pub(super) struct Stored<'a, D> {
    pub(super) disk: &'a D,
    pub(super) folder: &'a Path,
    pub(super) mode: Mode,
    pub(super) salt: &'a Salt,
}

impl<D: Disk> Stored<'_, D> {
    /// Opens the file at this path, which has to hold so many units of so many bytes; `None` when it is another one, or
    /// shorter.
    pub(super) fn open(&self, path: &Path, units: u64, size: usize) -> Option<D::File> {
        let file = self.disk.open(path, self.mode).ok()?;
        let mut header = [0; 32];
        read_full(&file, &mut header, 0).ok()?;
        let len = HEADER.saturating_add(units.saturating_mul(size as u64));
        (header[..16] == *MAGIC && header[16..] == *self.salt && file.len().ok()? >= len).then_some(file)
    }
}

pub(crate) struct Table<F, R> {
    pub(super) name: &'static str,
    file: Option<F>,
    stored: u64,
    pending: Vec<R>,
    page: Vec<u8>,
    page_first: u64,
    salt: Salt,
}

impl<F: DiskFile, R: Row> Table<F, R> {
    /// A row, and four bytes that show whether it is as it was written.
    const STRIDE: usize = R::SIZE + 4;

    pub(super) fn new(name: &'static str) -> Table<F, R> {
        Table {
            name,
            file: None,
            stored: 0,
            pending: Vec::new(),
            page: Vec::new(),
            page_first: 0,
            salt: Salt::default(),
        }
    }

    /// Opens what counts of the file; `None` when it is not there.
    pub(super) fn open(&mut self, stored: &Stored<'_, impl Disk<File = F>>, rows: u64) -> Option<()> {
        if rows > 0 {
            self.file = Some(stored.open(&stored.folder.join(self.name), rows, Self::STRIDE)?);
            (self.salt, self.stored) = (*stored.salt, rows);
        }
        Some(())
    }

    pub(crate) fn len(&self) -> u64 {
        self.stored + self.pending.len() as u64
    }

    pub(crate) fn push(&mut self, row: R) {
        self.pending.push(row);
    }

    /// Grows to `len` rows.
    pub(crate) fn extend_to(&mut self, len: u64, row: R) {
        self.pending.resize((len.max(self.stored) - self.stored) as usize, row);
    }

    /// Changes a row that was not written yet; others stay.
    pub(crate) fn set(&mut self, at: u64, row: R) {
        let pending = at.checked_sub(self.stored).and_then(|i| usize::try_from(i).ok());
        if let Some(place) = pending.and_then(|i| self.pending.get_mut(i)) {
            *place = row;
        }
    }

    /// The row at this place, from 0.
    pub(crate) fn get(&mut self, at: u64) -> Result<Option<R>, Trouble> {
        if let Some(pending) = at.checked_sub(self.stored) {
            return Ok(usize::try_from(pending).ok().and_then(|pending| self.pending.get(pending)).copied());
        }
        let in_page = at.wrapping_sub(self.page_first);
        if in_page >= (self.page.len() / Self::STRIDE) as u64 {
            self.read_page(at)?;
        }
        let start = (at - self.page_first) as usize * Self::STRIDE;
        let (row, sum) = self.page[start..start + Self::STRIDE].split_at(R::SIZE);
        if u32::take(sum) != checksum(&self.salt, at, row) as u32 {
            return Err(Trouble::Index);
        }
        Ok(Some(R::take(row)))
    }

    /// The row at this place, from 1, which has to be there.
    pub(crate) fn at(&mut self, place: u64) -> Result<R, Trouble> {
        self.get(place.wrapping_sub(1))?.ok_or(Trouble::Index)
    }

    fn read_page(&mut self, at: u64) -> Result<(), Trouble> {
        let rows = (PAGE / Self::STRIDE) as u64;
        // Chains are walked backwards, runs forwards: pages are aligned to suit both.
        self.page_first = at / rows * rows;
        let count = rows.min(self.stored - self.page_first);
        self.page.resize(count as usize * Self::STRIDE, 0);
        let offset = HEADER + self.page_first * Self::STRIDE as u64;
        let file = self.file.as_ref().expect("a table has stored rows only in a file");
        match read_full(file, &mut self.page, offset) {
            Ok(read) if read == self.page.len() => Ok(()),
            _ => {
                self.page.clear();
                Err(Trouble::Index)
            }
        }
    }

    /// Writes and syncs what came since, and answers whether it made the file. It counts once the caller has written the
    /// state and calls [`Table::settle`].
    pub(super) fn write<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path, salt: &Salt) -> std::io::Result<bool> {
        if self.pending.is_empty() {
            return Ok(false);
        }
        let made = self.file.is_none();
        if made {
            self.file = Some(create_file(disk, &folder.join(self.name), salt)?);
        }
        self.salt = *salt;
        let mut bytes = Vec::with_capacity(self.pending.len() * Self::STRIDE);
        for (row, at) in self.pending.iter().zip(self.stored..) {
            let start = bytes.len();
            row.put(&mut bytes);
            let sum = checksum(salt, at, &bytes[start..]) as u32;
            sum.put(&mut bytes);
        }
        let file = self.file.as_ref().expect("it was made above");
        file.write_at(&bytes, HEADER + self.stored * Self::STRIDE as u64)?;
        file.sync_data()?;
        Ok(made)
    }

    pub(super) fn settle(&mut self) {
        self.stored += self.pending.len() as u64;
        self.pending.clear();
        self.page.clear();
    }
}
