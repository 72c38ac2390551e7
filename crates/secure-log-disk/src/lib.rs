//! The few file operations that the stores need, and a lock between writers that also works where the host has none.
//!
//! In scope: [`Disk`] and [`DiskFile`], which are traits so that tests can run a store on a disk that loses whatever was not
//! synced, or that fails at a chosen operation; [`OsDisk`], the one that everybody else uses, natively and in a WebAssembly
//! component; and [`Lock`]. Out of scope: what is in the files, which is each store's.
//!
//! # Example
//!
//! ```
//! use secure_log_disk::{Disk, DiskFile, Mode, OsDisk};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let file = OsDisk.open(&folder.path().join("notes"), Mode::CreateNew).unwrap();
//! file.write_at(b"seen", 0).unwrap();
//! file.sync_data().unwrap();
//! OsDisk.sync_folder(folder.path()).unwrap();
//! assert_eq!(file.len().unwrap(), 4);
//! ```
#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};

mod lock;
#[cfg_attr(all(target_os = "wasi", target_env = "p2"), path = "wasi.rs")]
mod os;
mod whole;

pub use lock::{Lock, LockError, Patience, STALE_AFTER, Watch};
pub use os::OsDisk;
pub use whole::{WholeFile, read_all};

/// A place with files. Paths are used as they are given.
pub trait Disk {
    /// An open file.
    type File: DiskFile;

    /// Opens or creates a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Self::File>;

    /// Whether there is a file of this name.
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.open(path, Mode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => opened.map(|_| true),
        }
    }

    /// Makes a folder; one that is there already is no error.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, atomically, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, atomically and only if no file has it: of several that try, one succeeds. Fails with
    /// `AlreadyExists` otherwise.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The names that a folder holds, in no order. Not those that are not UTF-8, which nobody here makes.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Removes a file's name. Whoever has the file open can still use it.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Whether this open file is the one that has the name now. `false` also where that cannot be told.
    fn is_named(&self, _file: &Self::File, _path: &Path) -> bool {
        false
    }

    /// Makes durable which names the folder holds.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An existing one, for reading.
    Read,
    /// An existing one, for reading and writing.
    Write,
    /// One that does not exist yet, for reading and writing; fails when it does.
    CreateNew,
}

/// An open file. Positions are given with each call, so that readers share a handle.
#[allow(clippy::len_without_is_empty, reason = "an empty file is asked for nowhere")]
pub trait DiskFile {
    /// How many bytes it has.
    fn len(&self) -> io::Result<u64>;

    /// Reads at most as many bytes as `out` takes; 0 at the end of the file.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`, in one call of the system where it takes them at once.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the content durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Takes the lock that the system gives back when the holder is gone, without waiting.
    fn try_lock(&self) -> io::Result<TryLock>;
}

/// What came of [`DiskFile::try_lock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryLock {
    /// It is held until the file is closed.
    Taken,
    /// Somebody else holds it.
    Busy,
    /// The system has no such locks.
    Unsupported,
}

impl<F: DiskFile> DiskFile for &F {
    fn len(&self) -> io::Result<u64> {
        (**self).len()
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(out, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (**self).write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        (**self).set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        (**self).sync_data()
    }

    fn try_lock(&self) -> io::Result<TryLock> {
        (**self).try_lock()
    }
}

/// Reads until `out` is full or the file ends, and says how much there was.
pub fn read_full(file: &impl DiskFile, out: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read_at(&mut out[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The folder that holds `path`.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.into(),
        _ => ".".into(),
    }
}

/// `path` with `suffix` after its last name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file that may not be there.
pub fn remove_if_there(disk: &impl Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
