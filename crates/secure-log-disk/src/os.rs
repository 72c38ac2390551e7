//! The file system of the system that we run on.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::{Disk, DiskFile, Mode, TryLock};

/// The file system of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    type File = File;

    fn open(&self, path: &Path, mode: Mode) -> io::Result<File> {
        OpenOptions::new().read(true).write(mode != Mode::Read).create_new(mode == Mode::CreateNew).open(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(folder)?;
        entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    /// An open file keeps its number, so that no other has it.
    #[cfg(unix)]
    fn is_named(&self, file: &File, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        match (file.metadata(), std::fs::symlink_metadata(path)) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    #[cfg(unix)]
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Hosts differ in whether a guest may open or sync a folder: one that refuses either leaves the guest nothing
    /// better to do.
    #[cfg(not(unix))]
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match File::open(path).and_then(|folder| folder.sync_all()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, out, offset)
    }

    #[cfg(not(unix))]
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.read(out)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(not(unix))]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn try_lock(&self) -> io::Result<TryLock> {
        match File::try_lock(self) {
            Ok(()) => Ok(TryLock::Taken),
            Err(std::fs::TryLockError::WouldBlock) => Ok(TryLock::Busy),
            Err(std::fs::TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(TryLock::Unsupported),
            Err(std::fs::TryLockError::Error(e)) => Err(e),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_is_given_to_one_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["first", "second"] {
            OsDisk.open(&path(name), Mode::CreateNew).unwrap().write_at(name.as_bytes(), 0).unwrap();
        }
        OsDisk.link(&path("first"), &path("state")).unwrap();
        let refused = OsDisk.link(&path("second"), &path("state")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(path("state")).unwrap(), b"first");
        let mut names = OsDisk.names(folder.path()).unwrap();
        names.sort();
        assert_eq!(names, ["first", "second", "state"]);
        assert_eq!(OsDisk.names(&path("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_named_until_another_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("lock"), folder.path().join("aside"));
        let file = OsDisk.open(&path, Mode::CreateNew).unwrap();
        assert!(OsDisk.is_named(&file, &path));
        OsDisk.rename(&path, &aside).unwrap();
        assert!(!OsDisk.is_named(&file, &path));
        OsDisk.open(&path, Mode::CreateNew).unwrap();
        assert!(!OsDisk.is_named(&file, &path));
        assert!(OsDisk.is_named(&file, &aside));
        OsDisk.remove(&aside).unwrap();
        assert!(!OsDisk.is_named(&file, &aside));
    }
}
