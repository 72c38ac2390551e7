//! One database as all connections of this program see it: its files, the locks on it and the index of its write-ahead log.
//!
//! SQLite's locks are kept here and are of this program alone. Whenever it holds any, it holds the lock file too
//! (docs/decisions/0013), so that programs exclude one another for as long as a transaction takes. What SQLite would share with
//! other processes through `<file>-shm` is in our own memory. After somebody else had the lock file it is compared with the
//! write-ahead log and, where it no longer fits, emptied: then SQLite makes it anew, as it does after a crash.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use secure_log_disk::{Disk, Lock, LockError, Mode, Patience, Watch, beside, folder_of};

use crate::gathered::Gathered;

/// Bytes in a region of the index, which SQLite asks for.
pub(crate) const REGION: usize = 32 << 10;
/// SQLite's numbers of the locks in the index.
const WRITE: u8 = 1 << 0;
const RECOVER: u8 = 1 << 2;
const READ_MARKS: u8 = 0b1111_1000;
/// Words of the index's header, which is there twice.
const HEADER_WORDS: usize = 24;
/// Words in it: how many frames of the write-ahead log count, and the sum over all of that log up to the last of them, which is
/// two words.
const LAST_FRAME: usize = 4;
const SUM: usize = 6;
/// How often a long transaction makes sure that the lock is still ours, and shows whoever waits that we are there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

// The index is in the order of the machine, and compared with a log that is read as it lies.
const _: () = assert!(cfg!(target_endian = "little"));

/// What went wrong, by what SQLite is told.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another connection of this program holds what was asked for.
    Busy,
    /// Another program holds the database, and who.
    Refused(String),
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

/// SQLite's locks on the database file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// What one connection holds.
#[derive(Default)]
struct User {
    level: Level,
    /// It uses the write-ahead log: then holding the database file shared means nothing.
    in_wal: bool,
    shared: u8,
    exclusive: u8,
    /// What it has read is of this generation.
    generation: u64,
}

pub(crate) struct Database<D: Disk + 'static> {
    disk: &'static D,
    path: PathBuf,
    pub(crate) main: Gathered<D::File>,
    pub(crate) wal: Option<Wal<D::File>>,
    /// Whether the name of the write-ahead log is known to be durable. That outlives the handle, which is closed with each lock.
    wal_is_named: bool,
    regions: Vec<Box<[AtomicU32]>>,
    users: BTreeMap<u64, User>,
    /// Counts how often somebody else changed the database.
    generation: u64,
    lock: Option<Lock<D::File>>,
    watch: Watch,
    patience: Patience,
    looked: Instant,
    /// The index is being made anew.
    recovering: bool,
    /// The index was emptied under who took the lock file just now, and who will notice that, let go and begin again.
    begins_again: bool,
    /// Set when somebody else was found to have had the database.
    others: Rc<Cell<bool>>,
}

/// The write-ahead log, and how many connections have it open.
pub(crate) struct Wal<F> {
    pub(crate) file: Gathered<F>,
    opened: u32,
}

const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const LONGEST_PAGE: usize = 1 << 16;

impl<D: Disk + 'static> Database<D> {
    pub(crate) fn new(
        disk: &'static D,
        path: PathBuf,
        main: Gathered<D::File>,
        patience: Patience,
        others: Rc<Cell<bool>>,
    ) -> Database<D> {
        Database {
            disk,
            path,
            main,
            wal: None,
            wal_is_named: false,
            regions: Vec::new(),
            users: BTreeMap::new(),
            generation: 0,
            lock: None,
            watch: Watch::default(),
            patience,
            looked: Instant::now(),
            recovering: false,
            begins_again: false,
            others,
        }
    }

    pub(crate) fn enter(&mut self) -> u64 {
        let id = self.users.keys().last().map_or(0, |last| last + 1);
        self.users.insert(id, User { generation: self.generation, ..User::default() });
        id
    }

    pub(crate) fn leave(&mut self, id: u64) -> Result<(), Trouble> {
        self.users.remove(&id);
        self.let_go()
    }

    /// Uses another handle of the database file from now on.
    pub(crate) fn use_main(&mut self, main: Gathered<D::File>) -> io::Result<()> {
        self.main.hand_over()?;
        self.main = main;
        Ok(())
    }

    pub(crate) fn open_wal(&mut self) -> Result<(), Trouble> {
        match &mut self.wal {
            Some(wal) => wal.opened += 1,
            None => {
                let path = beside(&self.path, "-wal");
                let file = open_or_make(self.disk, &path)?;
                self.wal_is_named &= !file.is_new();
                self.wal = Some(Wal { file, opened: 1 });
            }
        }
        Ok(())
    }

    pub(crate) fn close_wal(&mut self) -> Result<(), Trouble> {
        if let Some(wal) = &mut self.wal {
            wal.opened -= 1;
            if wal.opened == 0 {
                wal.file.hand_over()?;
                self.wal = None;
            }
        }
        Ok(())
    }

    /// Raises what a connection holds of the database file.
    pub(crate) fn raise(&mut self, id: u64, level: Level) -> Result<(), Trouble> {
        let others = || self.users.iter().filter(|(other, _)| **other != id).map(|(_, user)| user.level);
        let highest = others().max().unwrap_or_default();
        match level {
            Level::Shared if highest >= Level::Pending => return Err(Trouble::Busy),
            Level::Reserved | Level::Pending if highest >= Level::Reserved => return Err(Trouble::Busy),
            Level::Exclusive if highest >= Level::Reserved => return Err(Trouble::Busy),
            Level::Exclusive if highest >= Level::Shared => {
                self.user(id).level = Level::Pending;
                return Err(Trouble::Busy);
            }
            _ => {}
        }
        self.take()?;
        let user = self.user(id);
        user.level = user.level.max(level);
        Ok(())
    }

    pub(crate) fn lower(&mut self, id: u64, level: Level) -> Result<(), Trouble> {
        self.user(id).level = level;
        self.let_go()
    }

    /// Whether somebody is about to write, or does.
    pub(crate) fn is_reserved(&self) -> bool {
        self.users.values().any(|user| user.level >= Level::Reserved)
    }

    /// A region of the index, which stays where it is until nobody uses the index any more.
    pub(crate) fn region(&mut self, id: u64, number: usize, make: bool) -> Option<&[AtomicU32]> {
        if make {
            while self.regions.len() <= number {
                self.regions.push((0..REGION / 4).map(|_| AtomicU32::new(0)).collect());
            }
        }
        self.user(id).in_wal = true;
        self.regions.get(number).map(|region| &**region)
    }

    pub(crate) fn leave_index(&mut self, id: u64) -> Result<(), Trouble> {
        let user = self.user(id);
        (user.in_wal, user.shared, user.exclusive) = (false, 0, 0);
        if !self.users.values().any(|user| user.in_wal) {
            self.regions.clear();
        }
        self.let_go()
    }

    /// Takes locks of the index, which are given as bits.
    pub(crate) fn take_slots(&mut self, id: u64, slots: u8, exclusive: bool) -> Result<(), Trouble> {
        let taken = self
            .users
            .iter()
            .filter(|(other, _)| **other != id)
            .fold(0, |taken, (_, user)| taken | user.exclusive | if exclusive { user.shared } else { 0 });
        if taken & slots != 0 {
            return Err(Trouble::Busy);
        }
        if self.lock.is_some() {
            self.begins_again = false;
        }
        self.take()?;
        // Another connection of this program made the index anew since this one looked. SQLite sees that by the index's
        // header, except where there is nothing in it, now as before.
        if self.user(id).generation != self.generation && self.index_word(LAST_FRAME) == Some(0) {
            if taken & WRITE != 0 {
                return Err(Trouble::Refused("another connection of this program writes".into()));
            }
            self.empty_index();
        }
        if exclusive && slots & RECOVER != 0 {
            self.begin_recovery()?;
        }
        let generation = self.generation;
        let user = self.user(id);
        user.generation = generation;
        if exclusive {
            user.exclusive |= slots;
        } else {
            user.shared |= slots;
        }
        Ok(())
    }

    pub(crate) fn give_slots(&mut self, id: u64, slots: u8, exclusive: bool) -> Result<(), Trouble> {
        let user = self.user(id);
        if exclusive {
            user.exclusive &= !slots;
            if slots & RECOVER != 0 {
                self.recovering = true;
                self.read_log_ahead(false);
            }
            // Whoever just made the index, or noted in it how far it reads, is about to read: somebody else would only change
            // it again.
            let made = slots & WRITE != 0 && std::mem::take(&mut self.recovering);
            if made || slots & READ_MARKS != 0 {
                return Ok(());
            }
        } else {
            user.shared &= !slots;
            if std::mem::take(&mut self.begins_again) {
                return Ok(());
            }
        }
        self.let_go()
    }

    /// Gives the lock file back if nothing is held, also when a statement failed half-way or SQLite did not begin again.
    pub(crate) fn rest(&mut self) -> Result<(), Trouble> {
        (self.recovering, self.begins_again) = (false, false);
        self.let_go()
    }

    /// Makes sure, right before anything becomes durable, that the lock is still ours.
    pub(crate) fn still_ours(&mut self) -> Result<(), Trouble> {
        let held = match &mut self.lock {
            Some(lock) if lock.is_held(self.disk) => lock.renew(),
            _ => {
                // Not released: it is another's.
                self.lock = None;
                self.is_other();
                return Err(Trouble::Refused("the lock was taken over while this writer stood still".into()));
            }
        };
        self.looked = Instant::now();
        Ok(held?)
    }

    /// The same now and then, while much is read or written.
    pub(crate) fn look_at_times(&mut self) -> Result<(), Trouble> {
        if self.looked.elapsed() < LOOK_EVERY { Ok(()) } else { self.still_ours() }
    }

    pub(crate) fn sync_main(&mut self) -> Result<(), Trouble> {
        self.still_ours()?;
        Ok(self.main.sync(self.disk)?)
    }

    pub(crate) fn sync_wal(&mut self) -> Result<(), Trouble> {
        self.still_ours()?;
        let Some(wal) = &mut self.wal else { return Ok(()) };
        // Whoever made it, an earlier handle of ours or a program that has gone, may not have come to this.
        if !self.wal_is_named {
            wal.file.name_in(folder_of(&self.path));
        }
        wal.file.sync(self.disk)?;
        self.wal_is_named = true;
        Ok(())
    }

    /// A log that is not empty was written by somebody else, who may be there still.
    fn begin_recovery(&mut self) -> io::Result<()> {
        if let Some(wal) = &mut self.wal
            && wal.file.len()? > 0
        {
            self.others.set(true);
        }
        self.read_log_ahead(true);
        Ok(())
    }

    /// Whoever makes the index reads all of the write-ahead log, frame by frame.
    fn read_log_ahead(&mut self, on: bool) {
        if let Some(wal) = &mut self.wal {
            wal.file.read_ahead(on);
        }
    }

    fn user(&mut self, id: u64) -> &mut User {
        self.users.entry(id).or_default()
    }

    /// Whether a transaction is going on.
    fn is_in_use(&self) -> bool {
        self.users.values().any(|user| {
            let reads = user.level == Level::Shared && !user.in_wal;
            user.shared | user.exclusive != 0 || user.level > Level::Shared || reads
        })
    }

    /// Takes the lock file, unless it is held, and finds out what happened since.
    fn take(&mut self) -> Result<(), Trouble> {
        if self.lock.is_some() {
            return Ok(());
        }
        let lock = Lock::acquire(self.disk, &self.path, &mut self.watch, self.patience);
        self.lock = Some(lock.map_err(|error| match error {
            LockError::Held(detail) => Trouble::Refused(detail),
            LockError::Io(error) => Trouble::Io(error),
        })?);
        self.looked = Instant::now();
        let looked = self.look();
        if looked.is_err() {
            self.release();
        }
        looked
    }

    fn look(&mut self) -> Result<(), Trouble> {
        // A program that has SQLite's own locks shares its index through this file, and would not see what we write.
        let index = beside(&self.path, "-shm");
        if self.disk.exists(&index)? {
            let detail =
                format!("another program has the database open, or was killed while it had ({})", index.display());
            return Err(Trouble::Refused(detail));
        }
        let Some(wal) = &mut self.wal else { return Ok(()) };
        // It may have been deleted and made anew.
        wal.file = open_or_make(self.disk, &beside(&self.path, "-wal"))?;
        if !self.index_fits()? {
            self.is_other();
            self.begins_again = true;
        }
        Ok(())
    }

    /// Whether the write-ahead log is the one that our index is of, and ends where the index ends. One without a frame says
    /// nothing about what happened.
    ///
    /// Salts alone do not tell logs apart: a program that finds the log empty may begin another one with the salt of the last.
    /// Sums alone do not either: of a log that was begun anew in its place, frames of the last one are left.
    fn index_fits(&mut self) -> io::Result<bool> {
        let words = (self.index_word(LAST_FRAME), self.index_word(SUM), self.index_word(SUM + 1));
        let (Some(wal), (Some(last), Some(sum), Some(more_sum))) = (&mut self.wal, words) else { return Ok(true) };
        let mut header = [0; WAL_HEADER];
        if last == 0 || wal.file.read(&mut header, 0)? < WAL_HEADER {
            return Ok(false);
        }
        // The last frame, and the beginning of one behind it.
        let frame = FRAME_HEADER + (big_endian(&header[8..]) as usize).min(LONGEST_PAGE);
        let start = WAL_HEADER as u64 + frame as u64 * u64::from(last - 1);
        let mut found = vec![0; frame + FRAME_HEADER];
        let length = wal.file.read(&mut found, start)?;
        let is_of_this_log = length >= frame && found[8..16] == header[16..24];
        if !is_of_this_log || [big_endian(&found[16..]), big_endian(&found[20..])] != [sum, more_sum] {
            return Ok(false);
        }
        // Whoever took a transaction back leaves a frame behind, too: then the index is made anew for nothing.
        let next = &found[frame..length];
        Ok(next.len() < FRAME_HEADER || next[8..16] != header[16..24])
    }

    fn index_word(&self, at: usize) -> Option<u32> {
        Some(self.regions.first()?[at].load(Ordering::Relaxed))
    }

    /// Somebody else changed the database.
    fn is_other(&mut self) {
        self.generation += 1;
        self.empty_index();
    }

    fn empty_index(&mut self) {
        if let Some(index) = self.regions.first() {
            for word in &index[..HEADER_WORDS] {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Gives the lock file back when nothing is held. Whoever does not ask for syncs gets no more than that it is written.
    fn let_go(&mut self) -> Result<(), Trouble> {
        if self.is_in_use() || self.lock.is_none() {
            return Ok(());
        }
        let written = self.main.hand_over().and_then(|()| match &mut self.wal {
            Some(wal) => wal.file.hand_over(),
            None => Ok(()),
        });
        self.release();
        Ok(written?)
    }

    fn release(&mut self) {
        (self.recovering, self.begins_again) = (false, false);
        if let Some(lock) = self.lock.take() {
            lock.release(self.disk);
        }
    }
}

impl<D: Disk + 'static> Drop for Database<D> {
    fn drop(&mut self) {
        self.release();
    }
}

/// The number with which these bytes begin, as it stands in the write-ahead log.
fn big_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Opens a file for reading and writing, and makes it where there is none.
pub(crate) fn open_or_make<D: Disk>(disk: &D, path: &Path) -> io::Result<Gathered<D::File>> {
    loop {
        match disk.open(path, Mode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(Gathered::over),
        }
        match disk.open(path, Mode::CreateNew) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| Gathered::made(file, path)),
        }
    }
}
