//! One writer at a time, also where the host has no file locks.
//!
//! `<file>.lock` is made with `create_new` and holds a random nonce and a counter that the holder renews. Whoever waits
//! takes over only after the counter stood still for [`STALE_AFTER`], by moving the file away. Immediately before each
//! commit the holder makes sure that the file is the one that it made, or else that its nonce is in it, and stops
//! otherwise. Where the system has locks that it gives back by itself, the holder takes one on this file too: then a live
//! holder is never taken over by another that sees such locks, and one that crashed is not waited for.
//!
//! A window remains: a holder that stops between that look and writing, for longer than [`STALE_AFTER`], writes after
//! somebody else took over.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Disk, DiskFile, Mode, TryLock, beside, read_full, remove_if_there};

/// How long a holder's counter has to stand still before somebody else takes the lock.
pub const STALE_AFTER: Duration = Duration::from_secs(10);

/// How often a waiting writer looks.
const POLL: Duration = Duration::from_millis(10);
/// How often one looks who has waited for this long.
const IMPATIENT_POLL: Duration = Duration::from_millis(1);
const IMPATIENT_AFTER: Duration = Duration::from_millis(500);
/// The holder renews its counter when a fifth of the stale time went by.
const RENEWALS: u32 = 5;
const LONGEST_TEXT: usize = 1024;
const COUNTER_DIGITS: usize = 20;

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a holder that is known to be there.
    pub wait: Duration,
    /// Until a holder that only its counter could show to be there is taken for gone.
    pub stale_after: Duration,
}

impl Default for Patience {
    /// As long as SQLite's users wait for one another.
    fn default() -> Patience {
        Patience { wait: Duration::from_secs(5), stale_after: STALE_AFTER }
    }
}

/// Why the lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it: who, and where.
    Held(String),
    /// The system failed.
    Io(io::Error),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Held(detail) => f.write_str(detail),
            LockError::Io(error) => write!(f, "the lock cannot be taken: {error}"),
        }
    }
}

impl std::error::Error for LockError {}

/// The lock, held.
pub struct Lock<F> {
    file: F,
    path: PathBuf,
    nonce: String,
    counter: u64,
    renewed: Instant,
    renew_after: Duration,
}

/// What was seen of somebody else's lock, and since when it has not changed.
#[derive(Default)]
pub struct Watch(Option<(Vec<u8>, Instant)>);

enum Attempt<F> {
    Taken(Lock<F>),
    /// Who holds it, and whether we know that they are there.
    Busy(String, bool),
}

impl<F: DiskFile> Lock<F> {
    /// Takes the lock of `log`, or says who holds it.
    pub fn acquire<D: Disk<File = F>>(
        disk: &D,
        log: &Path,
        watch: &mut Watch,
        patience: Patience,
    ) -> Result<Lock<F>, LockError> {
        let path = beside(log, ".lock");
        let start = Instant::now();
        let mut first_look = None;
        loop {
            let attempt = attempt(disk, &path, watch, patience).map_err(LockError::Io)?;
            let (detail, alive) = match attempt {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Busy(detail, alive) => (detail, alive),
            };
            // Only its standing still shows that a holder without a system lock is gone, so that is waited for.
            let seen = watch.since();
            let (looked, first_seen) = *first_look.get_or_insert_with(|| (Instant::now(), seen));
            let (since, wait) = match alive || seen != first_seen {
                true => (start, patience.wait),
                false => (looked, patience.wait.max(patience.stale_after + 2 * POLL)),
            };
            if since.elapsed() >= wait {
                return Err(LockError::Held(format!("{detail} ({})", path.display())));
            }
            std::thread::sleep(pause(start.elapsed()).min(wait));
        }
    }

    /// Whether the lock is still this holder's: nobody but its maker ever writes into a lock's file.
    pub fn is_held<D: Disk<File = F>>(&self, disk: &D) -> bool {
        if disk.is_named(&self.file, &self.path) {
            return true;
        }
        read_path(disk, &self.path).is_ok_and(|text| field(&text, "nonce") == Some(&self.nonce))
    }

    /// Shows whoever waits that the holder is there, if it is time to.
    pub fn renew(&mut self) -> io::Result<()> {
        if self.renewed.elapsed() < self.renew_after {
            return Ok(());
        }
        self.counter += 1;
        self.renewed = Instant::now();
        let digits = format!("{:0COUNTER_DIGITS$}", self.counter);
        self.file.write_at(digits.as_bytes(), text_before_counter(&self.nonce).len() as u64)
    }

    /// Gives the lock back. A lock that somebody took over is left alone.
    pub fn release<D: Disk<File = F>>(self, disk: &D) {
        if self.is_held(disk) {
            // What is left behind when this fails is taken over like the lock of a holder that crashed.
            let _ = disk.remove(&self.path);
        }
    }
}

/// Who comes back at once takes a lock more easily than who sleeps: the longer one waits, the more often one looks.
fn pause(waited: Duration) -> Duration {
    if waited < IMPATIENT_AFTER { POLL } else { IMPATIENT_POLL }
}

impl Watch {
    fn look(&mut self, text: &[u8]) -> Duration {
        match &self.0 {
            Some((seen, since)) if seen == text => since.elapsed(),
            _ => {
                self.0 = Some((text.into(), Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Since when the text has been the same.
    fn since(&self) -> Option<Instant> {
        self.0.as_ref().map(|(_, since)| *since)
    }
}

fn attempt<D: Disk>(disk: &D, path: &Path, watch: &mut Watch, patience: Patience) -> io::Result<Attempt<D::File>> {
    match disk.open(path, Mode::CreateNew) {
        Ok(file) => return created(disk, path, file, patience),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let unclear = || Attempt::Busy("another writer".into(), false);
    let file = match disk.open(path, Mode::Write) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(unclear()),
        other => other?,
    };
    // The lock on the file that we looked at is kept until the new one is there: takers exclude each other.
    let system = file.try_lock()?;
    let text = read_text(&file)?;
    let still = watch.look(&text);
    let who = field(&text, "holder").unwrap_or("unknown").to_owned();
    if system == TryLock::Busy {
        return Ok(Attempt::Busy(who, true));
    }
    let crashed = system == TryLock::Taken && field(&text, "kind") == Some("system");
    // Whoever made a lock without a word in it was about to write one, and notices when it is gone by then.
    let stale_after = if field(&text, "holder").is_some() { patience.stale_after } else { patience.stale_after / 10 };
    if !crashed && still < stale_after {
        return Ok(Attempt::Busy(format!("{who}, unchanged for {} ms", still.as_millis()), false));
    }
    let nonce = random_nonce()?;
    let moved = beside(path, &format!(".stale-{nonce}"));
    match disk.rename(path, &moved) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(unclear()),
        other => other?,
    }
    if read_path(disk, &moved)? != text {
        // Somebody took over in between: what we moved is theirs, and goes back unless yet another lock is there.
        match disk.open(path, Mode::Read) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => disk.rename(&moved, path)?,
            _ => remove_if_there(disk, &moved)?,
        }
        return Ok(unclear());
    }
    remove_if_there(disk, &moved)?;
    match disk.open(path, Mode::CreateNew) {
        Ok(file) => created(disk, path, file, patience),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(unclear()),
        Err(e) => Err(e),
    }
}

/// Fills the lock file that we just made.
fn created<D: Disk>(disk: &D, path: &Path, file: D::File, patience: Patience) -> io::Result<Attempt<D::File>> {
    let start = Instant::now();
    let kind = loop {
        match file.try_lock()? {
            TryLock::Taken => break "system",
            TryLock::Unsupported => break "counter",
            // Somebody looks at the file, sees nothing in it, and lets go again.
            TryLock::Busy if start.elapsed() < Duration::from_secs(1) => std::thread::sleep(Duration::from_millis(1)),
            TryLock::Busy => {
                disk.remove(path)?;
                return Ok(Attempt::Busy("another writer".into(), true));
            }
        }
    };
    let nonce = random_nonce()?;
    let text = format!("{}{:0COUNTER_DIGITS$}\nkind {kind}\nholder {}\n", text_before_counter(&nonce), 0, holder());
    file.write_at(text.as_bytes(), 0)?;
    let renew_after = patience.stale_after / RENEWALS;
    Ok(Attempt::Taken(Lock { file, path: path.into(), nonce, counter: 0, renewed: Instant::now(), renew_after }))
}

fn text_before_counter(nonce: &str) -> String {
    format!("secure-log lock 1\nnonce {nonce}\ncounter ")
}

#[cfg(not(target_family = "wasm"))]
fn holder() -> String {
    format!("process {}", std::process::id())
}

/// A guest does not know who it is.
#[cfg(target_family = "wasm")]
fn holder() -> String {
    "a WebAssembly guest".into()
}

fn random_nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(format!("no random bytes: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn read_path(disk: &impl Disk, path: &Path) -> io::Result<Vec<u8>> {
    read_text(&disk.open(path, Mode::Read)?)
}

fn read_text(file: &impl DiskFile) -> io::Result<Vec<u8>> {
    let mut text = vec![0; LONGEST_TEXT];
    let len = read_full(file, &mut text, 0)?;
    text.truncate(len);
    Ok(text)
}

/// The rest of the line that begins with `name`.
fn field<'t>(text: &'t [u8], name: &str) -> Option<&'t str> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsDisk;

    /// An operating system without file locks, as WASI is, that takes so long to open a file.
    #[derive(Clone, Copy)]
    struct NoLocks(Duration);

    struct NoLocksFile(std::fs::File);

    impl Disk for NoLocks {
        type File = NoLocksFile;
        fn open(&self, path: &Path, mode: Mode) -> io::Result<NoLocksFile> {
            std::thread::sleep(self.0);
            OsDisk.open(path, mode).map(NoLocksFile)
        }
        fn create_folder(&self, path: &Path) -> io::Result<()> {
            OsDisk.create_folder(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsDisk.rename(from, to)
        }
        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsDisk.link(from, to)
        }
        fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
            OsDisk.names(folder)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            OsDisk.remove(path)
        }
        fn sync_folder(&self, path: &Path) -> io::Result<()> {
            OsDisk.sync_folder(path)
        }
    }

    impl DiskFile for NoLocksFile {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(out, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes, offset)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            DiskFile::set_len(&self.0, len)
        }
        fn sync_data(&self) -> io::Result<()> {
            DiskFile::sync_data(&self.0)
        }
        fn try_lock(&self) -> io::Result<TryLock> {
            Ok(TryLock::Unsupported)
        }
    }

    const QUICK: NoLocks = NoLocks(Duration::ZERO);

    const PATIENCE: Patience = Patience { wait: Duration::from_millis(50), stale_after: Duration::from_millis(300) };

    fn take<D: Disk>(disk: &D, log: &Path) -> Result<Lock<D::File>, LockError> {
        Lock::acquire(disk, log, &mut Watch::default(), PATIENCE)
    }

    #[test]
    fn a_live_holder_is_waited_for_shortly_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let held = take(&OsDisk, &log).unwrap();
        let start = Instant::now();
        let Err(LockError::Held(detail)) = take(&OsDisk, &log) else { panic!("taken twice") };
        assert!(detail.contains(&format!("process {}", std::process::id())), "{detail}");
        assert!(start.elapsed() < PATIENCE.stale_after, "a holder that is known to be there is never outwaited");
        assert!(held.is_held(&OsDisk));
        held.release(&OsDisk);
        assert!(!beside(&log, ".lock").exists());
        take(&OsDisk, &log).unwrap();
    }

    #[test]
    fn a_crashed_holder_with_a_system_lock_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        drop(take(&OsDisk, &log).unwrap());
        assert!(beside(&log, ".lock").exists(), "dropping without releasing is a crash");
        let start = Instant::now();
        take(&OsDisk, &log).unwrap();
        assert!(start.elapsed() < PATIENCE.wait);
    }

    #[test]
    fn a_counter_that_stands_still_is_taken_over_and_its_holder_notices() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let idle = take(&QUICK, &log).unwrap();
        let start = Instant::now();
        let taken = take(&QUICK, &log).unwrap();
        assert!(start.elapsed() >= PATIENCE.stale_after);
        assert!(!idle.is_held(&QUICK));
        idle.release(&QUICK);
        assert!(taken.is_held(&QUICK), "who lost the lock does not remove the next holder's");
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["log.lock"]);
    }

    #[test]
    fn a_counter_that_moves_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut held = take(&QUICK, &log).unwrap();
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| take(&QUICK, &log).map(drop));
            while !waiting.is_finished() {
                held.renew().unwrap();
                std::thread::sleep(POLL);
            }
            assert!(matches!(waiting.join().unwrap(), Err(LockError::Held(_))));
        });
        assert!(held.is_held(&QUICK));
    }

    #[test]
    fn many_takers_of_a_stale_lock_leave_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        drop(take(&QUICK, &log).unwrap());
        let held = std::thread::scope(|threads| {
            let takers: Vec<_> = (0..8).map(|_| threads.spawn(|| take(&QUICK, &log).ok())).collect();
            takers.into_iter().filter_map(|taker| taker.join().unwrap()).filter(|lock| lock.is_held(&QUICK)).count()
        });
        assert_eq!(held, 1);
    }

    /// On a machine that is busy, the first look comes late; it is no change.
    #[test]
    fn a_counter_that_stands_still_is_taken_over_on_a_slow_disk() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        drop(take(&QUICK, &log).unwrap());
        take(&NoLocks(Duration::from_millis(60)), &log).unwrap();
    }
}
