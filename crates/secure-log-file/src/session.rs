//! One opening of a log file: what is known of it, when that is looked at again, and the lock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secure_log::record::LogRow;
use secure_log::store::{StoreError, Torn};

use crate::disk::{Disk, DiskFile, Lock, LockError, Mode, OsDisk, Patience, STALE_AFTER, Watch, beside, folder_of};
use crate::index::{Index, Trouble};
use crate::io_error;
use crate::load::Loading;
use crate::reader::Reader;
use crate::tail::{self, Tail};

/// Entries that are read between two looks at the clock and the memory while an index is built.
const BUILD_STEP: u64 = 1 << 16;

/// How a [`FileStore`] behaves where there is a choice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long an insert waits for a writer that is known to be there.
    pub lock_wait: Duration,
    /// Whether the lock is kept from the first insert until the store is dropped, or given back after each. A
    /// WebAssembly guest is not told when its host lets go of it, so it gives it back by default.
    pub hold_lock: bool,
    /// How long the counter of a lock stands still before its holder is taken for gone. Everybody who writes the same log
    /// has to use the same time.
    pub stale_after: Duration,
    /// After how many bytes of log the index is written.
    pub index_every: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            lock_wait: Duration::from_millis(300),
            hold_lock: !cfg!(target_family = "wasm"),
            stale_after: STALE_AFTER,
            index_every: 64 << 20,
        }
    }
}

/// A log in one file. See the crate's description for the files beside it.
pub struct FileStore<D: Disk = OsDisk> {
    pub(crate) disk: D,
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    /// `None` while there is no file.
    pub(crate) log: Option<Reader<D::File>>,
    /// How many times it was found to be another file.
    pub(crate) generation: u64,
    /// `None` when it has to be found anew: after a write failed, memory is not believed.
    pub(crate) tail: Option<Tail>,
    pub(crate) torn: Option<Torn>,
    pub(crate) log_row: Option<LogRow>,
    pub(crate) index: Option<Index<D::File>>,
    /// Whether what is on disk of the index is not to be used.
    pub(crate) rebuild: bool,
    /// Whether the index could not be written, and stays in memory.
    pub(crate) index_frozen: bool,
    pub(crate) lock: Option<Lock<D::File>>,
    pub(crate) watch: Watch,
    /// Where a commit begins that may have been written and was not synced.
    pub(crate) unsynced: Option<u64>,
    /// Whether all of the log up to its known end was synced by us, and need not be again when the lock is taken.
    pub(crate) synced: bool,
    /// Damage that was found: nothing is written on top of it.
    pub(crate) damage: Option<StoreError>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) progress: Progress,
    /// How far a load has come that this store does.
    pub(crate) loading: Option<Loading>,
}

/// Is told how many bytes of how many an index has been built of.
pub(crate) type Progress = Option<Box<dyn FnMut(u64, u64) + Send>>;

impl FileStore<OsDisk> {
    /// Opens the log at `path`, or gets ready to make it. Writes nothing.
    pub fn open(path: impl AsRef<Path>) -> Result<FileStore, StoreError> {
        FileStore::open_on(OsDisk, path, Options::default())
    }
}

impl<D: Disk> FileStore<D> {
    /// Opens the log at `path` of this disk. Writes nothing.
    pub fn open_on(disk: D, path: impl AsRef<Path>, options: Options) -> Result<FileStore<D>, StoreError> {
        if path.as_ref().file_name().is_none() {
            return Err(StoreError::Config(format!("'{}' names no file", path.as_ref().display())));
        }
        let mut store = FileStore {
            disk,
            path: path.as_ref().into(),
            options,
            log: None,
            generation: 0,
            tail: None,
            torn: None,
            log_row: None,
            index: None,
            rebuild: false,
            index_frozen: false,
            lock: None,
            watch: Watch::default(),
            unsynced: None,
            synced: false,
            damage: None,
            buffer: Vec::new(),
            scratch: Vec::new(),
            progress: None,
            loading: None,
        };
        store.look(Mode::Read)?;
        Ok(store)
    }

    /// Has `progress` told how many bytes of how many were read, while an index is built or read on.
    pub fn on_progress(&mut self, progress: impl FnMut(u64, u64) + Send + 'static) {
        self.progress = Some(Box::new(progress));
    }

    /// Writes the index and gives the lock back. The next insert takes it again. Dropping the store does the same.
    pub fn release(&mut self) {
        // Less than this is read again faster than a dozen files are synced.
        const WORTH_WRITING: u64 = 1 << 20;
        if self.lock.as_ref().is_some_and(|lock| lock.is_held(&self.disk)) {
            self.write_index(WORTH_WRITING.min(self.options.index_every));
        }
        self.let_go();
    }

    /// Looks at what the file is now. What was known of it is kept as far as the file still begins with it.
    pub(crate) fn look(&mut self, mode: Mode) -> Result<(), StoreError> {
        let file = match self.disk.open(&self.path, mode) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                self.forget();
                self.log = None;
                self.tail = Some(Tail::default());
                return Ok(());
            }
            other => other.map_err(io_error("open the log"))?,
        };
        let len = file.len().map_err(io_error("find the end of the log"))?;
        let known = self.tail.take();
        let same = match (&known, &mut self.log) {
            (Some(tail), Some(log)) => begins_with(&file, len, tail, log),
            _ => false,
        };
        if !same {
            self.forget();
            self.generation += u64::from(self.log.is_some());
        }
        let unchanged = known.filter(|tail| same && tail.end() + tail.torn == len);
        self.synced &= unchanged.is_some();
        let tail = match unchanged {
            Some(tail) => tail,
            None => tail::find(&file)?,
        };
        if tail.torn > 0 {
            let kept_as = beside(&self.path, &format!(".torn-{}", tail.end())).display().to_string();
            self.torn = Some(Torn { bytes: tail.torn, kept_as });
        }
        self.log = Some(Reader::new(file));
        self.tail = Some(tail);
        Ok(())
    }

    fn forget(&mut self) {
        self.index = None;
        self.log_row = None;
    }

    /// Makes sure that the end of the log is known. Without the lock, somebody else may have moved it.
    pub(crate) fn refresh(&mut self) -> Result<(), StoreError> {
        match self.lock {
            None => self.look(Mode::Read),
            Some(_) => self.settle(),
        }
    }

    /// After a write failed, finds out what the file really holds, and makes durable what it does.
    pub(crate) fn settle(&mut self) -> Result<(), StoreError> {
        if self.tail.is_some() {
            return Ok(());
        }
        self.forget();
        self.look(if self.lock.is_some() { Mode::Write } else { Mode::Read })?;
        let (Some(from), Some(log), Some(tail)) = (self.unsynced, &self.log, &self.tail) else { return Ok(()) };
        if from < tail.end() {
            // The system may believe that these bytes are on the disk when they are not: only writing them again and
            // a sync that succeeds show that they are.
            let mut bytes = Vec::new();
            let again = tail::read_range(&log.file, from..tail.end(), &mut bytes).and_then(|()| {
                let written = log.file.write_at(&bytes, from).and_then(|()| log.file.sync_data());
                written.and_then(|()| self.disk.sync_folder(&folder_of(&self.path))).map_err(io_error("sync the log"))
            });
            again.inspect_err(|_| self.tail = None)?;
        }
        self.unsynced = None;
        Ok(())
    }

    /// Takes the lock, unless it is held, and looks at what was written until then.
    pub(crate) fn acquire(&mut self) -> Result<(), StoreError> {
        if self.lock.is_none() {
            let Options { lock_wait: wait, stale_after, .. } = self.options;
            let lock = Lock::acquire(&self.disk, &self.path, &mut self.watch, Patience { wait, stale_after });
            self.lock = Some(lock.map_err(|error| match error {
                LockError::Held(detail) => StoreError::Locked { detail },
                LockError::Io(error) => io_error("take the lock")(error),
            })?);
            let looked = self.look(Mode::Write).and_then(|()| match &self.log {
                // Whoever wrote last may have crashed before syncing: a commit, or the name of a log that was rewritten.
                Some(log) if !self.synced => {
                    let synced = log.file.sync_data().and_then(|()| self.disk.sync_folder(&folder_of(&self.path)));
                    synced.map_err(io_error("sync the log"))
                }
                _ => Ok(()),
            });
            if let Err(e) = looked {
                self.tail = None;
                self.let_go();
                return Err(e);
            }
            self.synced = true;
            self.read_unwritten_index();
        }
        self.settle()?;
        match &self.damage {
            Some(damage) => Err(damage.clone()),
            None => Ok(()),
        }
    }

    /// Fails when the lock was taken over, and shows that we are here otherwise. Asked right before each write.
    pub(crate) fn still_ours(&mut self) -> Result<(), StoreError> {
        if let Some(lock) = &mut self.lock {
            if lock.is_held(&self.disk) {
                return lock.renew().map_err(io_error("renew the lock"));
            }
            // Not released: it is another's.
            self.lock = None;
        }
        self.tail = None;
        self.forget();
        Err(StoreError::Locked { detail: "the lock was taken over while this writer stood still".into() })
    }

    /// Gives the lock back without writing the index.
    pub(crate) fn let_go(&mut self) {
        if let Some(lock) = self.lock.take() {
            lock.release(&self.disk);
        }
    }

    /// Where the log ends.
    pub(crate) fn end(&self) -> u64 {
        self.tail.as_ref().map_or(0, Tail::end)
    }

    /// Asks the index. One that does not fit the log is built anew, once, and asked again.
    pub(crate) fn with_index<T>(
        &mut self,
        mut ask: impl FnMut(&mut Index<D::File>, &mut Reader<D::File>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        self.settle()?;
        loop {
            self.ready_index()?;
            let (Some(index), Some(log)) = (&mut self.index, &mut self.log) else {
                return Err(io_error("read the log")(std::io::ErrorKind::NotFound.into()));
            };
            let error = match ask(index, log) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => log_error(trouble),
            };
            // A wrong index sends a reader to the wrong place, which looks like damage.
            if index.is_new || !matches!(error, StoreError::Corrupt { .. }) {
                return Err(self.note(error));
            }
            self.drop_wrong_index();
        }
    }

    /// An index that is wrong is built anew, unless a writer has replaced it while we read.
    fn drop_wrong_index(&mut self) {
        self.rebuild = self.index.take().is_none_or(|index| index.is_current(&self.disk, &self.path));
    }

    /// Remembers damage, so that nothing is written on top of it.
    pub(crate) fn note(&mut self, error: StoreError) -> StoreError {
        if let StoreError::Corrupt { .. } = error {
            self.damage = Some(error.clone());
        }
        error
    }

    /// Makes the index cover the log.
    pub(crate) fn ready_index(&mut self) -> Result<(), StoreError> {
        let end = self.end();
        if self.index.as_ref().is_some_and(|index| index.covered == end) {
            return Ok(());
        }
        if self.log.is_none() {
            self.index = Some(Index::new());
            return Ok(());
        }
        loop {
            let Err(trouble) = self.build(end) else { return Ok(()) };
            let error = log_error(trouble);
            let is_new = self.index.as_ref().is_none_or(|index| index.is_new);
            if is_new || !matches!(error, StoreError::Corrupt { .. }) {
                self.index = None;
                return Err(self.note(error));
            }
            self.drop_wrong_index();
        }
    }

    fn build(&mut self, end: u64) -> Result<(), Trouble> {
        if self.index.is_none() {
            let stored = match &mut self.log {
                Some(log) if !self.rebuild => Index::open(&self.disk, &self.path, log, end),
                _ => None,
            };
            self.index = Some(stored.unwrap_or_else(Index::new));
            self.rebuild = false;
        }
        loop {
            let (Some(index), Some(log)) = (&mut self.index, &self.log) else { return Err(Trouble::Index) };
            if index.covered >= end {
                return Ok(());
            }
            index.read_on(&log.file, end, BUILD_STEP)?;
            if let Some(progress) = &mut self.progress {
                progress(index.covered, end);
            }
            if let Some(lock) = &mut self.lock {
                lock.renew().map_err(io_error("renew the lock"))?;
                self.write_index(self.options.index_every);
            }
        }
    }

    /// Writes the index when it lacks at least so many bytes of the log. It is derived, so that failing to is no failure.
    pub(crate) fn write_index(&mut self, at_least: u64) {
        let (Some(index), Some(log), Some(_)) = (&mut self.index, &mut self.log, &self.lock) else { return };
        if self.index_frozen || index.unwritten() < at_least.max(1) {
            return;
        }
        if !index.is_current(&self.disk, &self.path) {
            // Another writer had the lock in between and wrote it.
            self.index = None;
            return;
        }
        self.index_frozen = index.write(&self.disk, &self.path, log).is_err();
    }

    /// Builds the index anew and writes it, unless somebody else writes the log now: then it stays in memory.
    pub(crate) fn rebuild_index(&mut self) -> Result<(), StoreError> {
        self.damage = None;
        match self.acquire() {
            Ok(()) => crate::index::discard(&self.disk, &self.path).map_err(io_error("discard the index"))?,
            Err(StoreError::Locked { .. }) => self.refresh()?,
            Err(e) => return Err(e),
        }
        (self.index, self.rebuild, self.index_frozen) = (None, true, false);
        let built = self.ready_index();
        self.write_index(0);
        if !self.options.hold_lock {
            self.let_go();
        }
        built
    }

    /// Guests come and go without a word: one that has to read on far writes the index, so that the next need not.
    fn read_unwritten_index(&mut self) {
        const FAR: u64 = 4 << 20;
        if self.ready_index().is_ok() {
            self.write_index(FAR.min(self.options.index_every));
        }
    }
}

impl<D: Disk> Drop for FileStore<D> {
    fn drop(&mut self) {
        self.release();
    }
}

/// What is wrong when the index is not.
pub(crate) fn log_error(trouble: Trouble) -> StoreError {
    match trouble {
        Trouble::Log(error) => error,
        Trouble::Index => StoreError::Corrupt { at: "the index".into(), detail: "it does not fit the log".into() },
    }
}

/// Whether `file` begins with what `tail` ends, read through the earlier handle `log`.
fn begins_with<F: DiskFile>(file: &F, len: u64, tail: &Tail, log: &mut Reader<F>) -> bool {
    let Some((_, line)) = &tail.head else { return true };
    if len < line.end {
        return false;
    }
    let mut now = Vec::new();
    let read = tail::read_range(file, line.clone(), &mut now);
    read.is_ok() && log.raw_line(line.start, line.end).is_ok_and(|before| before == now)
}
