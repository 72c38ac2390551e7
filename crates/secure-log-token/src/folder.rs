//! The files of a token: read by anybody, written under the lock alone, replaced as a whole or not at all.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use secure_log_disk::{
    Disk, DiskFile as _, Lock, LockError, Mode, Patience, Watch, folder_of, read_full, remove_if_there,
};
use secure_log_pkcs11::Rv;
use zeroize::Zeroizing;

pub(crate) const HEADER: &str = "token";
pub(crate) const ATTEMPTS: &str = "attempts";

/// A header with a thousand objects takes 41 KB, and no object takes more than a key of 4096 bits with long names.
const MAX_FILE_BYTES: usize = 64 * 1024;

pub(crate) struct Folder<D> {
    disk: D,
    path: PathBuf,
    patience: Patience,
}

/// The files while nobody else writes them.
pub(crate) struct Held<'f, D: Disk> {
    folder: &'f Folder<D>,
    lock: Lock<D::File>,
}

impl<D: Disk> Folder<D> {
    pub(crate) fn new(disk: D, path: PathBuf, patience: Patience) -> Folder<D> {
        Folder { disk, path, patience }
    }

    /// Makes the folder, unless it is there.
    pub(crate) fn make(&self) -> Result<(), Rv> {
        self.disk.create_folder(&self.path).map_err(write_error)?;
        self.disk.sync_folder(&folder_of(&self.path)).map_err(write_error)
    }

    /// What a file holds, if it is there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Rv> {
        let file = match self.disk.open(&self.path.join(name), Mode::Read) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|_| Rv::DeviceError)?,
        };
        let length = usize::try_from(file.len().map_err(|_| Rv::DeviceError)?).unwrap_or(usize::MAX);
        if length > MAX_FILE_BYTES {
            return Err(Rv::DeviceError);
        }
        let mut bytes = Zeroizing::new(vec![0; length]);
        let filled = read_full(&file, &mut bytes, 0).map_err(|_| Rv::DeviceError)?;
        if filled < length { Err(Rv::DeviceError) } else { Ok(Some(bytes)) }
    }

    /// Does something while nobody else writes. `function-failed` says that somebody else did for too long.
    pub(crate) fn locked<T>(&self, act: impl FnOnce(&Held<'_, D>) -> Result<T, Rv>) -> Result<T, Rv> {
        let lock = Lock::acquire(&self.disk, &self.path.join(HEADER), &mut Watch::default(), self.patience);
        let lock = lock.map_err(|error| match error {
            LockError::Io(error) => write_error(error),
            LockError::Held(_) => Rv::FunctionFailed,
        })?;
        let held = Held { folder: self, lock };
        let answer = act(&held);
        held.lock.release(&self.disk);
        answer
    }
}

impl<D: Disk> Held<'_, D> {
    /// Puts a file in the place of another, durably.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Rv> {
        let unfinished = format!("{name}.new");
        self.create(&unfinished, bytes)?;
        // Whoever took the lock over while we were away has the word.
        if !self.lock.is_held(&self.folder.disk) {
            return Err(Rv::FunctionFailed);
        }
        let (from, to) = (self.path(&unfinished), self.path(name));
        self.folder.disk.rename(&from, &to).map_err(write_error)?;
        self.sync()
    }

    /// Writes a file whose name is not durable before [`sync`](Held::sync). One of this name was left by a crash.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Rv> {
        let path = self.path(name);
        remove_if_there(&self.folder.disk, &path).map_err(write_error)?;
        let file = self.folder.disk.open(&path, Mode::CreateNew).map_err(write_error)?;
        file.write_at(bytes, 0).and_then(|()| file.sync_data()).map_err(write_error)
    }

    /// Removes a file, which may be gone already.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Rv> {
        remove_if_there(&self.folder.disk, &self.path(name)).map_err(write_error)
    }

    /// Makes names durable.
    pub(crate) fn sync(&self) -> Result<(), Rv> {
        self.folder.disk.sync_folder(&self.folder.path).map_err(write_error)
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder.path).join(name)
    }
}

/// The name of an object's file.
pub(crate) fn object_name(number: u64) -> String {
    format!("{number:08}.object")
}

fn write_error(error: io::Error) -> Rv {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Rv::TokenWriteProtected,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Rv::DeviceMemory,
        // The folder above it is not there.
        ErrorKind::NotFound => Rv::TokenNotPresent,
        _ => Rv::DeviceError,
    }
}
