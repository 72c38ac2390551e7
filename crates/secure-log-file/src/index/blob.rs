//! A file of bytes that only grows: what counts of it is on disk, what came since is in memory.

use std::path::Path;

use super::table::{HEADER, Stored, create_file};
use super::{Salt, Trouble};
use crate::disk::{Disk, DiskFile, read_full};

pub(super) struct Blob<F> {
    name: &'static str,
    file: Option<F>,
    stored: u64,
    pending: Vec<u8>,
}

impl<F: DiskFile> Blob<F> {
    pub(super) fn new(name: &'static str) -> Blob<F> {
        Blob { name, file: None, stored: 0, pending: Vec::new() }
    }

    /// Opens what counts of the file; `None` when it is not there.
    pub(super) fn open(&mut self, stored: &Stored<'_, impl Disk<File = F>>, len: u64) -> Option<()> {
        if len > 0 {
            self.file = Some(stored.open(&stored.folder.join(self.name), len, 1)?);
            self.stored = len;
        }
        Some(())
    }

    pub(super) fn len(&self) -> u64 {
        self.stored + self.pending.len() as u64
    }

    /// Appends what `write` writes behind what is there.
    pub(super) fn append<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        write(&mut self.pending)
    }

    /// Fills `out` from a place on. What was written together is read together.
    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<(), Trouble> {
        if let Some(pending) = at.checked_sub(self.stored) {
            let from = usize::try_from(pending).ok().and_then(|pending| self.pending.get(pending..));
            out.copy_from_slice(from.and_then(|from| from.get(..out.len())).ok_or(Trouble::Index)?);
            return Ok(());
        }
        let file = self.file.as_ref().ok_or(Trouble::Index)?;
        match read_full(file, out, HEADER + at) {
            Ok(read) if read == out.len() => Ok(()),
            _ => Err(Trouble::Index),
        }
    }

    /// Writes and syncs what came since, and answers whether it made the file. It counts once the caller has written the
    /// state and calls [`Blob::settle`].
    pub(super) fn write<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path, salt: &Salt) -> std::io::Result<bool> {
        if self.pending.is_empty() {
            return Ok(false);
        }
        let made = self.file.is_none();
        if made {
            self.file = Some(create_file(disk, &folder.join(self.name), salt)?);
        }
        let file = self.file.as_ref().expect("it was made above");
        file.write_at(&self.pending, HEADER + self.stored)?;
        file.sync_data()?;
        Ok(made)
    }

    pub(super) fn settle(&mut self) {
        self.stored += self.pending.len() as u64;
        self.pending.clear();
    }
}
