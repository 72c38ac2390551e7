//! The file system that a WASI host lets a component see, asked without the standard library in between.
//!
//! That library hands a write over in pieces of 64 KiB, each to a stream and with a wait of its own, which costs more
//! than everything else that this store does; here a commit is one call of the host. It also asks for a right to change
//! folders whenever it makes a file, which no file needs and which the host that jco brings along refuses.

use std::io;
use std::path::{Component, Path};

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags};

use crate::{Disk, DiskFile, Mode, TryLock};

/// The file system of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

/// A folder that the host opened for us, and the names that lead to it.
struct Preopened {
    folder: Descriptor,
    names: Vec<String>,
}

thread_local! {
    /// They stay the same while the component runs, which has one thread.
    static PREOPENED: Vec<Preopened> = get_directories()
        .into_iter()
        .map(|(folder, path)| Preopened { folder, names: names(Path::new(&path)) })
        .collect();
}

impl Disk for OsDisk {
    type File = Descriptor;

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Descriptor> {
        let (how, rights) = match mode {
            Mode::Read => (OpenFlags::empty(), DescriptorFlags::READ),
            Mode::Write => (OpenFlags::empty(), DescriptorFlags::READ | DescriptorFlags::WRITE),
            Mode::CreateNew => {
                (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, DescriptorFlags::READ | DescriptorFlags::WRITE)
            }
        };
        at(path, |folder, name| folder.open_at(PathFlags::SYMLINK_FOLLOW, name, how, rights))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match at(path, |folder, name| folder.stat_at(PathFlags::SYMLINK_FOLLOW, name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            found => found.map(|_| true),
        }
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match at(path, |folder, name| folder.create_directory_at(name)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_folder(path) => Ok(()),
            other => other,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        at(from, |from_folder, from_name| {
            find(to, |to_folder, to_name| from_folder.rename_at(from_name, to_folder, to_name))?
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        at(from, |from_folder, from_name| {
            find(to, |to_folder, to_name| from_folder.link_at(PathFlags::empty(), from_name, to_folder, to_name))?
        })
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        at(folder, |parent, name| {
            let opened =
                parent.open_at(PathFlags::SYMLINK_FOLLOW, name, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
            let entries = opened.read_directory()?;
            core::iter::from_fn(|| entries.read_directory_entry().transpose())
                .map(|entry| entry.map(|entry| entry.name))
                .collect()
        })
    }

    fn is_named(&self, file: &Descriptor, path: &Path) -> bool {
        let named = at(path, |folder, name| folder.metadata_hash_at(PathFlags::empty(), name));
        match (file.metadata_hash(), named) {
            (Ok(open), Ok(named)) => (open.lower, open.upper) == (named.lower, named.upper),
            _ => false,
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        at(path, |folder, name| folder.unlink_file_at(name))
    }

    /// Hosts differ in whether a guest may open or sync a folder: one that refuses either leaves the guest nothing
    /// better to do. One that tried and failed is an error.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let synced = find(path, |folder, name| {
            let opened =
                folder.open_at(PathFlags::SYMLINK_FOLLOW, name, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
            opened.sync()
        });
        match synced.and_then(|synced| synced) {
            Err(code @ (ErrorCode::NoEntry | ErrorCode::Io | ErrorCode::InsufficientSpace | ErrorCode::Quota)) => {
                Err(error(code))
            }
            _ => Ok(()),
        }
    }
}

impl DiskFile for Descriptor {
    fn len(&self) -> io::Result<u64> {
        Ok(self.stat().map_err(error)?.size)
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let (bytes, _) = self.read(out.len() as u64, offset).map_err(error)?;
        let place =
            out.get_mut(..bytes.len()).ok_or_else(|| io::Error::other("the host read more than was asked for"))?;
        place.copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes, offset).map_err(error)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written;
            bytes = usize::try_from(written)
                .ok()
                .and_then(|written| bytes.get(written..))
                .ok_or_else(|| io::Error::other("the host wrote more than it was given"))?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.set_size(len).map_err(error)
    }

    fn sync_data(&self) -> io::Result<()> {
        Descriptor::sync_data(self).map_err(error)
    }

    fn try_lock(&self) -> io::Result<TryLock> {
        Ok(TryLock::Unsupported)
    }
}

/// Calls the host with the folder that holds `path`, and the path from there.
fn at<T>(path: &Path, call: impl FnOnce(&Descriptor, &str) -> Result<T, ErrorCode>) -> io::Result<T> {
    find(path, call).and_then(|answer| answer).map_err(error)
}

/// The same for a call that is part of another one: the outer error says that no folder holds the path.
fn find<T>(path: &Path, call: impl FnOnce(&Descriptor, &str) -> T) -> Result<T, ErrorCode> {
    let wanted = names(path);
    PREOPENED.with(|preopened| {
        let holds_it = preopened.iter().filter(|folder| wanted.starts_with(&folder.names));
        let nearest = holds_it.max_by_key(|folder| folder.names.len()).ok_or(ErrorCode::NoEntry)?;
        let rest = wanted[nearest.names.len()..].join("/");
        Ok(call(&nearest.folder, if rest.is_empty() { "." } else { &rest }))
    })
}

/// A path without what leads nowhere: a component's working folder is its root.
fn names(path: &Path) -> Vec<String> {
    let steps = path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
    steps.map(|step| step.as_os_str().to_string_lossy().into_owned()).collect()
}

fn is_folder(path: &Path) -> bool {
    at(path, |folder, name| folder.stat_at(PathFlags::SYMLINK_FOLLOW, name))
        .is_ok_and(|found| found.type_ == DescriptorType::Directory)
}

/// The host's error in a few words, of the kind that the standard library has for it.
fn error(code: ErrorCode) -> io::Error {
    use io::ErrorKind;
    let (kind, words) = match code {
        ErrorCode::Access | ErrorCode::NotPermitted => (ErrorKind::PermissionDenied, "the host does not permit it"),
        ErrorCode::Exist => (ErrorKind::AlreadyExists, "it exists already"),
        ErrorCode::FileTooLarge => (ErrorKind::FileTooLarge, "the file would be too large"),
        ErrorCode::InsufficientSpace => (ErrorKind::StorageFull, "no space is left"),
        ErrorCode::Interrupted => (ErrorKind::Interrupted, "interrupted"),
        ErrorCode::IsDirectory => (ErrorKind::IsADirectory, "it is a folder"),
        ErrorCode::NoEntry => (ErrorKind::NotFound, "no such file or folder"),
        ErrorCode::NotDirectory => (ErrorKind::NotADirectory, "a part of the path is no folder"),
        ErrorCode::Quota => (ErrorKind::QuotaExceeded, "the quota is used up"),
        ErrorCode::ReadOnly => (ErrorKind::ReadOnlyFilesystem, "the file system is read-only"),
        ErrorCode::Unsupported => (ErrorKind::Unsupported, "the host does not support it"),
        other => (ErrorKind::Other, other.name()),
    };
    io::Error::new(kind, words)
}
