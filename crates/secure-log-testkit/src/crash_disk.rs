//! A disk in memory that loses what was not synced, and that fails when it is told to.
//!
//! It keeps, for every file and folder, what was synced and every operation since. An image of it after a crash holds
//! all of the first and, chosen by a seed, some of the second: single sectors of a write, a length without the bytes,
//! a rename without the create before it. That is more than most disks do to a log and nothing that one may not do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use secure_log_disk::{Disk, DiskFile, Mode, TryLock};

const SECTOR: u64 = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct CrashDisk(Arc<Mutex<State>>);

/// What a chosen operation does instead of succeeding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has done nothing.
    NotDone,
    /// It fails and has done half of it, where it has halves: a write.
    HalfDone,
    /// It fails and was done all the same.
    Done,
    /// It is done, and nothing that comes after it: the power is gone.
    Crash,
}

#[derive(Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    folders: Vec<PathBuf>,
    synced_folders: Vec<PathBuf>,
    /// What was done since it would have been synced, oldest first.
    pending: Vec<Pending>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    crashed: bool,
    /// How many bytes all files together may have.
    capacity: Option<u64>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    locked: bool,
}

enum Pending {
    Write {
        file: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    SetLen {
        file: usize,
        len: u64,
    },
    /// Names that a folder holds or no longer holds, changed at once.
    Names(Vec<(PathBuf, Option<usize>)>),
    Folder(PathBuf),
}

impl CrashDisk {
    /// An empty disk.
    pub fn new() -> CrashDisk {
        CrashDisk::default()
    }

    /// How many operations changed or synced something.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets the operation with this number (from 0) fail this way.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.state().fault = Some((operation, fault));
    }

    /// How many bytes all files have that have a name.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Lets all files together grow to so many bytes and no further. What is written beyond fails as it does on a full disk, with
    /// the part done that had room.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// What a file holds now.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path.as_ref()).map(|file| state.files[*file].now.clone())
    }

    /// Makes a file hold this, durably.
    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content { now: bytes.into(), synced: bytes.into(), locked: false });
        state.names.insert(path.as_ref().into(), file);
        state.synced_names.insert(path.as_ref().into(), file);
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// The same disk, for who does not keep it.
    pub fn weak(&self) -> WeakDisk {
        WeakDisk(Arc::downgrade(&self.0))
    }

    /// The disk as it may be found after a crash now. Seed 0 keeps nothing that was not synced, seed 1 everything, and
    /// every other one a part.
    pub fn image(&self, seed: u64) -> CrashDisk {
        let state = self.state();
        let mut coins = Coins(seed);
        let mut names = state.synced_names.clone();
        let mut folders = state.synced_folders.clone();
        let mut files: Vec<Vec<u8>> = state.files.iter().map(|file| file.synced.clone()).collect();
        for pending in &state.pending {
            match pending {
                Pending::Write { file, offset, bytes } => coins.write(&mut files[*file], *offset, bytes),
                Pending::SetLen { file, len } if coins.toss() => files[*file].resize(*len as usize, 0),
                Pending::Names(changes) if coins.toss() => change_names(&mut names, changes),
                Pending::Folder(path) if coins.toss() => folders.push(path.clone()),
                _ => {}
            }
        }
        // A folder that never was takes its files with it.
        names.retain(|name, _| {
            let folder = name.parent().unwrap_or(Path::new(""));
            !state.folders.iter().any(|made| made == folder) || folders.iter().any(|kept| kept == folder)
        });
        let files =
            files.into_iter().map(|bytes| Content { now: bytes.clone(), synced: bytes, locked: false }).collect();
        CrashDisk(Arc::new(Mutex::new(State {
            files,
            synced_names: names.clone(),
            names,
            folders: folders.clone(),
            synced_folders: folders,
            ..State::default()
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which part of an operation is done, and whether it then fails.
enum Share {
    All,
    AllAndFail,
    HalfAndFail,
}

impl State {
    /// Counts an operation and says what becomes of it.
    fn begin(&mut self) -> io::Result<Share> {
        if self.crashed {
            return Err(io::Error::other("the power is gone"));
        }
        let number = self.operations;
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if at == number => match fault {
                Fault::NotDone => Err(failure()),
                Fault::HalfDone => Ok(Share::HalfAndFail),
                Fault::Done => Ok(Share::AllAndFail),
                Fault::Crash => {
                    self.crashed = true;
                    Ok(Share::AllAndFail)
                }
            },
            _ => Ok(Share::All),
        }
    }

    /// Counts an operation that is done as a whole or not at all.
    fn change(&mut self, act: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        match self.begin()? {
            Share::All => act(self),
            Share::AllAndFail => act(self).and(Err(failure())),
            Share::HalfAndFail => Err(failure()),
        }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].now.len() as u64).sum()
    }

    /// How long a file may become.
    fn longest(&self, file: usize) -> u64 {
        let now = self.files[file].now.len() as u64;
        self.capacity.map_or(u64::MAX, |capacity| now + capacity.saturating_sub(self.used()))
    }

    fn rename_all(&mut self, changes: Vec<(PathBuf, Option<usize>)>) {
        change_names(&mut self.names, &changes);
        self.pending.push(Pending::Names(changes));
    }
}

fn failure() -> io::Error {
    io::Error::other("an injected fault")
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn change_names(names: &mut BTreeMap<PathBuf, usize>, changes: &[(PathBuf, Option<usize>)]) {
    for (name, file) in changes {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

fn write(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// A disk for who keeps it for the rest of the program: it is there as long as somebody else has it.
#[derive(Clone, Debug)]
pub struct WeakDisk(Weak<Mutex<State>>);

impl WeakDisk {
    fn there(&self) -> io::Result<CrashDisk> {
        self.0.upgrade().map(CrashDisk).ok_or_else(|| io::Error::other("nobody has this disk any more"))
    }
}

impl Disk for WeakDisk {
    type File = CrashFile;

    fn open(&self, path: &Path, mode: Mode) -> io::Result<CrashFile> {
        self.there()?.open(path, mode)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.there()?.create_folder(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.there()?.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.there()?.link(from, to)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        Disk::names(&self.there()?, folder)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.there()?.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.there()?.sync_folder(path)
    }
}

impl Disk for CrashDisk {
    type File = CrashFile;

    fn open(&self, path: &Path, mode: Mode) -> io::Result<CrashFile> {
        let mut state = self.state();
        let found = state.names.get(path).copied();
        let file = match (found, mode) {
            (Some(_), Mode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => file,
            (None, Mode::CreateNew) => {
                state.change(|state| {
                    state.files.push(Content::default());
                    state.rename_all(vec![(path.into(), Some(state.files.len() - 1))]);
                    Ok(())
                })?;
                state.files.len() - 1
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        drop(state);
        Ok(CrashFile { disk: self.clone(), file, holds_lock: Mutex::new(false) })
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.folders.iter().any(|folder| folder == path) {
            return Ok(());
        }
        state.change(|state| {
            state.folders.push(path.into());
            state.pending.push(Pending::Folder(path.into()));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let Some(file) = state.names.get(from).copied() else { return Err(io::ErrorKind::NotFound.into()) };
        state.change(|state| {
            state.rename_all(vec![(from.into(), None), (to.into(), Some(file))]);
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let Some(file) = state.names.get(from).copied() else { return Err(io::ErrorKind::NotFound.into()) };
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change(|state| {
            state.rename_all(vec![(to.into(), Some(file))]);
            Ok(())
        })
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let within = state.names.keys().filter(|name| name.parent() == Some(folder));
        let names: Vec<String> = within.filter_map(|name| name.file_name()?.to_str().map(String::from)).collect();
        match names.is_empty() && !state.folders.iter().any(|made| made == folder) {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(names),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(|state| {
            state.rename_all(vec![(path.into(), None)]);
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let path = if path == Path::new(".") { Path::new("") } else { path };
        self.state().change(|state| {
            let pending = std::mem::take(&mut state.pending);
            for pending in pending {
                let within = |name: &Path| name.parent() == Some(path);
                match pending {
                    Pending::Names(changes) if changes.iter().any(|(name, _)| within(name)) => {
                        change_names(&mut state.synced_names, &changes);
                    }
                    Pending::Folder(folder) if within(&folder) => state.synced_folders.push(folder),
                    other => state.pending.push(other),
                }
            }
            Ok(())
        })
    }
}

/// An open file of a [`CrashDisk`].
pub struct CrashFile {
    disk: CrashDisk,
    file: usize,
    holds_lock: Mutex<bool>,
}

impl DiskFile for CrashFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].now.len() as u64)
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let content = &state.files[self.file].now;
        let rest = content.get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let share = state.begin()?;
        let room = state.longest(self.file).saturating_sub(offset).min(bytes.len() as u64) as usize;
        let done = match share {
            Share::HalfAndFail => &bytes[..room.min(bytes.len() / 2)],
            _ => &bytes[..room],
        };
        write(&mut state.files[self.file].now, offset, done);
        state.pending.push(Pending::Write { file: self.file, offset, bytes: done.into() });
        match share {
            Share::All if room < bytes.len() => Err(full()),
            Share::All => Ok(()),
            _ => Err(failure()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().change(|state| {
            if len > state.longest(self.file) {
                return Err(full());
            }
            state.files[self.file].now.resize(len as usize, 0);
            state.pending.push(Pending::SetLen { file: self.file, len });
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().change(|state| {
            let content = &mut state.files[self.file];
            content.synced = content.now.clone();
            state.pending.retain(|pending| match pending {
                Pending::Write { file, .. } | Pending::SetLen { file, .. } => *file != self.file,
                _ => true,
            });
            Ok(())
        })
    }

    fn try_lock(&self) -> io::Result<TryLock> {
        let mut state = self.disk.state();
        let mut held = self.holds_lock.lock().unwrap_or_else(PoisonError::into_inner);
        if *held {
            return Ok(TryLock::Taken);
        }
        if std::mem::replace(&mut state.files[self.file].locked, true) {
            return Ok(TryLock::Busy);
        }
        *held = true;
        Ok(TryLock::Taken)
    }
}

impl Drop for CrashFile {
    fn drop(&mut self) {
        if *self.holds_lock.lock().unwrap_or_else(PoisonError::into_inner) {
            self.disk.state().files[self.file].locked = false;
        }
    }
}

/// The choices that a seed makes.
struct Coins(u64);

impl Coins {
    fn toss(&mut self) -> bool {
        match self.0 {
            0 => false,
            1 => true,
            _ => {
                // The generator splitmix64, kept clear of the two seeds that mean something else.
                self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15).max(2);
                let mut z = self.0;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (z ^ (z >> 31)) & 1 == 1
            }
        }
    }

    /// Writes some sectors of `bytes`, and perhaps the length without them.
    fn write(&mut self, content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
        let end = (offset as usize) + bytes.len();
        if self.toss() && content.len() < end {
            content.resize(end, 0);
        }
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let count = rest.len().min((SECTOR - at % SECTOR) as usize);
            if self.toss() {
                write(content, at, &rest[..count]);
            }
            rest = &rest[count..];
            at += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(disk: &CrashDisk, name: &str, mode: Mode) -> CrashFile {
        disk.open(Path::new(name), mode).unwrap()
    }

    #[test]
    fn only_what_was_synced_is_sure_to_survive() {
        let disk = CrashDisk::new();
        let log = file(&disk, "log", Mode::CreateNew);
        log.write_at(&[1; 1000], 0).unwrap();
        log.sync_data().unwrap();
        assert_eq!(disk.image(0).content("log"), None, "its name was not synced");
        disk.sync_folder(Path::new(".")).unwrap();
        log.write_at(&[2; 1000], 1000).unwrap();
        assert_eq!(disk.image(0).content("log"), Some(vec![1; 1000]));
        assert_eq!(disk.image(1).content("log"), disk.content("log"));
        let images: Vec<_> = (2..64).map(|seed| disk.image(seed).content("log").unwrap()).collect();
        assert!(images.iter().all(|image| image[..1000] == [1; 1000]));
        assert!(images.iter().any(|image| image.len() > 1000 && image[1000..].contains(&0)), "a sector is lost");
        assert!(images.iter().any(|image| image[1000..].contains(&2)), "another is not");
    }

    #[test]
    fn faults_happen_where_they_were_asked_for() {
        for (fault, after) in [(Fault::NotDone, 0), (Fault::HalfDone, 5), (Fault::Done, 10)] {
            let disk = CrashDisk::new();
            let log = file(&disk, "log", Mode::CreateNew);
            disk.fail_at(1, fault);
            log.write_at(&[1; 10], 0).unwrap_err();
            assert_eq!(log.len().unwrap(), after);
            log.write_at(&[1; 10], 0).unwrap();
        }
        let disk = CrashDisk::new();
        let log = file(&disk, "log", Mode::CreateNew);
        disk.fail_at(1, Fault::Crash);
        log.write_at(&[1; 10], 0).unwrap_err();
        log.sync_data().unwrap_err();
        assert_eq!(disk.image(1).content("log"), Some(vec![1; 10]));
    }

    #[test]
    fn a_full_disk_takes_what_has_room_and_no_more() {
        let disk = CrashDisk::new();
        let log = file(&disk, "log", Mode::CreateNew);
        log.write_at(&[1; 10], 0).unwrap();
        disk.set_capacity(Some(14));
        assert_eq!(log.write_at(&[2; 10], 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.content("log"), Some([&[1; 8][..], &[2; 6]].concat()));
        let other = file(&disk, "other", Mode::CreateNew);
        assert_eq!(other.write_at(&[3], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(log.set_len(15).unwrap_err().kind(), io::ErrorKind::StorageFull);
        log.set_len(13).unwrap();
        other.write_at(&[3], 0).unwrap();
        log.write_at(&[4; 13], 0).unwrap();
        assert_eq!(disk.used(), 14);
        disk.set_capacity(None);
        log.write_at(&[5; 100], 0).unwrap();
    }

    #[test]
    fn a_lock_goes_with_its_holder() {
        let disk = CrashDisk::new();
        let first = file(&disk, "lock", Mode::CreateNew);
        let second = file(&disk, "lock", Mode::Write);
        assert_eq!(first.try_lock().unwrap(), TryLock::Taken);
        assert_eq!(second.try_lock().unwrap(), TryLock::Busy);
        drop(first);
        assert_eq!(second.try_lock().unwrap(), TryLock::Taken);
    }
}
