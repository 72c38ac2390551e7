//! How often the store takes the lock file of a database, as a component has it: each time costs calls of the host, and keeps
//! others waiting.

use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::over_engine::{Engine, open};
use secure_log::store::SecureLogStore;
use secure_log_disk::{Disk, Mode, OsDisk, Patience};
use secure_log_sqlite::SqliteStore;
use secure_log_sqlite_engine as engine;
use secure_log_testkit::{LogBuilder, count, seed};

/// The disk of this system, which counts how often a lock file is made.
#[derive(Clone, Default)]
struct Counting(Rc<Cell<u32>>);

impl Disk for Counting {
    type File = <OsDisk as Disk>::File;

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Self::File> {
        let opened = OsDisk.open(path, mode)?;
        if mode == Mode::CreateNew && path.extension().is_some_and(|extension| extension == "lock") {
            self.0.set(self.0.get() + 1);
        }
        Ok(opened)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        OsDisk.exists(path)
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
    fn is_named(&self, file: &Self::File, path: &Path) -> bool {
        OsDisk.is_named(file, path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        OsDisk.sync_folder(path)
    }
}

/// A program of its own: it has its own VFS, under a name that no other one has.
struct Program {
    vfs: Rc<engine::Vfs>,
    path: PathBuf,
    disk: Counting,
}

impl Program {
    fn new(name: &CStr, path: &Path) -> Program {
        let disk = Counting::default();
        let vfs = Rc::new(engine::Vfs::register(name, disk.clone(), Patience::default()));
        Program { vfs, path: path.into(), disk }
    }

    fn open(&self) -> SqliteStore<Engine> {
        open(&self.vfs, self.path.to_str().unwrap()).unwrap()
    }

    /// How often the lock was taken by `work`, after which nobody holds it.
    fn locks<T>(&self, work: impl FnOnce() -> T) -> u32 {
        self.disk.0.set(0);
        work();
        assert!(!self.path.with_extension("db.lock").exists(), "the lock is held after that");
        self.disk.0.get()
    }
}

#[test]
fn a_database_is_opened_read_written_and_closed_under_one_lock_each() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(c"one", &folder.path().join("log.db"));
    let mut log = LogBuilder::new();
    program.open().insert(&log.create()).unwrap();
    for _ in 0..2 {
        let mut opened = None;
        assert_eq!(program.locks(|| opened = Some(program.open())), 1, "to open it");
        let mut store = opened.unwrap();
        for _ in 0..2 {
            for _ in 0..2 {
                assert_eq!(program.locks(|| store.heads(None, 1).unwrap()), 1, "to read");
            }
            for _ in 0..2 {
                let commit = log.commit().entry("a", b"x").finish();
                assert_eq!(program.locks(|| store.insert(&commit).unwrap()), 1, "to write");
            }
        }
        assert_eq!(program.locks(|| drop(store)), 1, "to close it");
    }
}

#[test]
fn programs_in_turn_take_one_lock_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let programs = [Program::new(c"first", &path), Program::new(c"second", &path)];
    let mut log = LogBuilder::new();
    programs[0].open().insert(&log.create()).unwrap();
    let mut stores = programs.each_ref().map(Program::open);
    for _ in 0..3 {
        for (program, store) in programs.iter().zip(&mut stores) {
            let commit = log.commit().entry("a", b"x").finish();
            assert_eq!(program.locks(|| store.insert(&commit).unwrap()), 1, "to write after the other one");
            assert_eq!(program.locks(|| store.heads(None, 1).unwrap()), 1, "to read");
        }
        assert_eq!(programs[0].locks(|| stores[0].heads(None, 1).unwrap()), 1, "to read after the other one");
    }
    assert_eq!(stores[0].heads(None, 9).unwrap().len(), 7);
}

/// What is left held between two calls of a component keeps everybody else waiting.
#[test]
fn no_program_goes_away_with_the_lock_whatever_others_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let programs = [Program::new(c"p1", &path), Program::new(c"p2", &path), Program::new(c"p3", &path)];
    let mut log = LogBuilder::new();
    programs[0].open().insert(&log.create()).unwrap();
    let stale = log.commit().entry("a", b"x").finish();
    programs[0].open().insert(&stale).unwrap();
    let mut stores = [None, None, None];
    let mut coins = seed();
    let mut draw = |below: u64| {
        coins = coins.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (coins >> 33) % below
    };
    for _ in 0..count(400, 20_000) {
        let at = draw(3) as usize;
        let (program, store) = (&programs[at], &mut stores[at]);
        let opened = store.is_some();
        let what = draw(10);
        let entries = if draw(8) == 0 { 60 } else { 1 };
        program.locks(|| match what {
            0..=1 => *store = None,
            2..=3 if !opened => drop(program.open()),
            _ if !opened => *store = Some(program.open()),
            4..=5 => drop(store.as_mut().unwrap().heads(None, 1).unwrap()),
            6 => drop(store.as_mut().unwrap().insert(&stale)),
            _ => {
                let commit = (0..entries).fold(log.commit(), |commit, _| commit.entry("a", &[b'x'; 8000])).finish();
                store.as_mut().unwrap().insert(&commit).unwrap();
            }
        });
    }
}
