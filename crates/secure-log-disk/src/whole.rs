//! A file that is there as a whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Disk, DiskFile, Mode, beside, folder_of, remove_if_there};

/// What a file is called until it is whole.
const SUFFIX: &str = ".part";

/// A file in the making. It gets its name when all of it is on the disk; until then it has that name with `.part` behind it, and
/// what a crash leaves under that one is replaced by the next who writes it.
#[derive(Debug)]
pub struct WholeFile<'d, D: Disk> {
    disk: &'d D,
    path: PathBuf,
    file: D::File,
    len: u64,
}

impl<'d, D: Disk> WholeFile<'d, D> {
    /// Begins it. Fails with `AlreadyExists` where there is a file of this name.
    pub fn begin(disk: &'d D, path: &Path) -> io::Result<WholeFile<'d, D>> {
        if disk.exists(path)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let part = beside(path, SUFFIX);
        remove_if_there(disk, &part)?;
        let file = disk.open(&part, Mode::CreateNew)?;
        Ok(WholeFile { disk, path: path.into(), file, len: 0 })
    }

    /// Appends to it.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, self.len)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Makes durable what was written, and shows it to `seen` as it can be read back.
    pub fn read_back(&self, seen: impl FnMut(&[u8])) -> io::Result<()> {
        self.file.sync_data()?;
        read_all(&self.file, seen)
    }

    /// Gives it its name, durably. Fails with `AlreadyExists` where another one got it meanwhile.
    pub fn keep(self) -> io::Result<()> {
        let WholeFile { disk, path, file, .. } = self;
        file.sync_data()?;
        drop(file);
        let part = beside(&path, SUFFIX);
        disk.link(&part, &path)?;
        disk.sync_folder(&folder_of(&path))?;
        // The name that is left over does no harm, and the next who writes the file drops it.
        let _ = disk.remove(&part);
        Ok(())
    }

    /// Gives it up.
    pub fn abandon(self) {
        let part = beside(&self.path, SUFFIX);
        drop(self.file);
        let _ = self.disk.remove(&part);
    }
}

/// Shows all of a file, in pieces.
pub fn read_all(file: &impl DiskFile, mut seen: impl FnMut(&[u8])) -> io::Result<()> {
    let (mut chunk, mut at) = (vec![0; 256 << 10], 0);
    loop {
        match crate::read_full(file, &mut chunk, at)? {
            0 => return Ok(()),
            read => {
                seen(&chunk[..read]);
                at += read as u64;
            }
        }
    }
}
