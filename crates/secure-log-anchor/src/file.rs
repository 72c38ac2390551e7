//! The last head of each log in a file.

use std::io;
use std::path::{Path, PathBuf};

use secure_log::hash::Hash;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication};
use secure_log_disk::{
    Disk, DiskFile, Lock, Mode, OsDisk, Patience, Watch, beside, folder_of, read_full, remove_if_there,
};

use crate::checkpoint;
use crate::heads::{Heads, MAX_BYTES};

/// The variable that names the file, for who is configured by the environment.
pub const VARIABLE: &str = "SECURE_LOG_ANCHOR";

/// An anchor in a file. The file belongs on another disk than the store, or at least under another account's hands: who
/// can put back both at once is not noticed.
///
/// A head is written to a file beside it that is made durable and then gets its name, while `<file>.lock` keeps other
/// writers away, so that after a crash at any moment the file holds the head before or the new one.
pub struct FileAnchor<D: Disk = OsDisk> {
    disk: D,
    path: PathBuf,
    watch: Watch,
    patience: Patience,
}

impl FileAnchor {
    /// The anchor in this file, which need not be there yet; its folder has to be.
    pub fn open(path: impl Into<PathBuf>) -> FileAnchor {
        FileAnchor::open_on(OsDisk, path, Patience::default())
    }

    /// The anchor that [`VARIABLE`] names; `None` when it is not set or empty, and an error when it is no text.
    pub fn from_environment() -> Result<Option<FileAnchor>, AnchorError> {
        match std::env::var(VARIABLE) {
            Ok(path) if !path.is_empty() => Ok(Some(FileAnchor::open(path))),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(AnchorError::Unavailable(format!("{VARIABLE} is not UTF-8"))),
        }
    }
}

impl<D: Disk> FileAnchor<D> {
    /// The same on another disk, for whoever waits longer or shorter for other writers.
    pub fn open_on(disk: D, path: impl Into<PathBuf>, patience: Patience) -> FileAnchor<D> {
        FileAnchor { disk, path: path.into(), watch: Watch::default(), patience }
    }

    fn read(&self) -> Result<Heads, AnchorError> {
        let bytes = match self.disk.open(&self.path, Mode::Read) {
            Ok(file) => contents(&file).map_err(|error| self.failed("read", &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder that is not there is a wrong name or a disk that is not mounted, and no new anchor.
                self.sync_folder()?;
                return Ok(Heads::default());
            }
            Err(error) => return Err(self.failed("opened", &error)),
        };
        Heads::decode(&bytes).map_err(|what| {
            let path = self.path.display();
            AnchorError::Unavailable(format!(
                "the anchor's file {path} is damaged, and nothing is written over it: {what}"
            ))
        })
    }

    /// Puts these heads in the file's place, durably.
    fn replace(&self, heads: &Heads, lock: &Lock<D::File>) -> Result<(), AnchorError> {
        let text = heads.encode();
        if text.len() > MAX_BYTES {
            let path = self.path.display();
            return Err(AnchorError::Unavailable(format!(
                "{path} has no room for another log: it would be larger than {MAX_BYTES} bytes"
            )));
        }
        let new = beside(&self.path, ".new");
        self.write(&new, text.as_bytes()).map_err(|error| self.failed("written", &error))?;
        if !lock.is_held(&self.disk) {
            return Err(AnchorError::Unavailable("another writer took the anchor's lock over".into()));
        }
        self.disk.rename(&new, &self.path).map_err(|error| self.failed("replaced", &error))?;
        self.sync_folder()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // A crash may have left one behind.
        remove_if_there(&self.disk, path)?;
        let file = self.disk.open(path, Mode::CreateNew)?;
        file.write_at(bytes, 0)?;
        file.sync_data()
    }

    fn sync_folder(&self) -> Result<(), AnchorError> {
        self.disk.sync_folder(&folder_of(&self.path)).map_err(|error| self.failed("made durable in its folder", &error))
    }

    fn failed(&self, what: &str, error: &io::Error) -> AnchorError {
        AnchorError::Unavailable(format!("the anchor's file {} cannot be {what}: {error}", self.path.display()))
    }
}

impl<D: Disk> Anchor for FileAnchor<D> {
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
        let heads = self.read()?;
        Ok(heads.latest(origin).map_or(AnchorView::Unknown, |known| AnchorView::Head(known.note.clone())))
    }

    fn publish(&mut self, note: &str, old_size: u64, _proof: &[Hash]) -> Publication {
        self.take(note, old_size).into()
    }
}

impl<D: Disk> FileAnchor<D> {
    fn take(&mut self, note: &str, old_size: u64) -> Result<(), AnchorError> {
        let head = checkpoint(note)?;
        let lock = Lock::acquire(&self.disk, &self.path, &mut self.watch, self.patience)
            .map_err(|error| AnchorError::Unavailable(format!("the anchor is in use: {error}")))?;
        let outcome = self.read().and_then(|mut heads| match heads.latest(Some(&head.origin)) {
            // It had one, and somebody took it away.
            None if old_size > 0 => Err(AnchorError::Conflict(0)),
            Some(last)
                if last.head.size > head.size || (last.head.size == head.size && last.head.root != head.root) =>
            {
                Err(AnchorError::Refused(last.note.clone()))
            }
            // Whoever wrote it may have gone before its name was durable.
            Some(last) if last.head == head => self.sync_folder(),
            _ => {
                heads.put(head, note);
                self.replace(&heads, &lock)
            }
        });
        lock.release(&self.disk);
        outcome
    }
}

fn contents(file: &impl DiskFile) -> io::Result<Vec<u8>> {
    let length = file.len()?;
    if length > MAX_BYTES as u64 {
        return Err(io::Error::other(format!("it has {length} bytes, and an anchor's file has {MAX_BYTES} at most")));
    }
    let mut bytes = vec![0; length as usize];
    let read = read_full(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
