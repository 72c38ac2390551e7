//! Pruning over a log in a database: what is left of it in its files, how much smaller they are, databases that were made before
//! free pages were given back, readers, and crashes and full disks below the engine that components have.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use crate::over_engine::{Engine, open, open_on};
use rusqlite::Connection;
use secure_log::error::LogError;
use secure_log::store::StoreError;
use secure_log_disk::{OsDisk, Patience};
use secure_log_sqlite::SqliteStore;
use secure_log_sqlite::database::Database;
use secure_log_sqlite_engine::Vfs;
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_testkit::pruning::{
    MARK, at_every_operation, open_log, prepare, prune_makes_room, the_independent_reader_says_the_same, without_room,
};

fn store(disk: &CrashDisk) -> Result<SqliteStore<Engine>, StoreError> {
    open_on(disk, "log.db")
}

/// The bytes of a database's files, its write-ahead log included.
fn size(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let has = |path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    fs::read_dir(folder).unwrap().any(|entry| has(entry.unwrap().path()))
}

#[test]
fn a_prune_makes_the_database_smaller_and_leaves_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    prune_makes_room(|| SqliteStore::open(&path).unwrap(), || size(folder.path()), |bytes| holds(folder.path(), bytes));
    let connection = Connection::open(&path).unwrap();
    let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
    let checked: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!((free, checked.as_str()), (0, "ok"));
}

#[test]
fn the_engine_of_components_makes_it_smaller_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let vfs = Rc::new(Vfs::register(c"prune", OsDisk, Patience::default()));
    let open = || open(&vfs, path.to_str().unwrap()).unwrap();
    prune_makes_room(open, || size(folder.path()), |bytes| holds(folder.path(), bytes));
}

/// A database that was made before pages were given back is written anew by the first prune, natively and by components.
#[test]
fn a_database_of_an_earlier_version_gives_its_pages_back_from_the_first_prune_on() {
    let vfs = Rc::new(Vfs::register(c"earlier", OsDisk, Patience::default()));
    for native in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        prepare(SqliteStore::open(&path).unwrap(), 1, 1);
        let vacuum = || -> i64 {
            Connection::open(&path).unwrap().query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(vacuum(), 2);
        Connection::open(&path).unwrap().execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
        assert_eq!(vacuum(), 0, "or it is none of an earlier version");
        let all = "log entries:0".parse().unwrap();
        let pruned = if native {
            open_log(SqliteStore::open(&path).unwrap()).unwrap().prune_all(&all, 0)
        } else {
            open_log(open(&vfs, path.to_str().unwrap()).unwrap()).unwrap().prune_all(&all, 0)
        };
        assert_eq!(pruned.unwrap().streams.len(), 3);
        assert_eq!(vacuum(), 2);
        let mut log = open_log(SqliteStore::open(&path).unwrap()).unwrap();
        assert_eq!(log.verify_log().unwrap().pruned, 3);
    }
}

#[test]
fn a_crash_at_every_operation_of_a_prune_leaves_it_done_or_not_begun() {
    at_every_operation(store, |_| ());
}

/// The same, where the database is written anew as it is one of an earlier version.
#[test]
fn a_crash_while_a_database_of_an_earlier_version_is_pruned_leaves_it_done_or_not_begun() {
    at_every_operation(store, |disk| {
        let mut earlier = store(disk).unwrap();
        earlier.database_mut().script("PRAGMA auto_vacuum = NONE; VACUUM").unwrap();
    });
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was_until_there_is_room() {
    without_room(store);
}

#[test]
fn a_pruned_database_is_what_the_independent_reader_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    the_independent_reader_says_the_same(|| SqliteStore::open(&path).unwrap(), folder.path());
}

/// Who reads while a log is pruned keeps the write-ahead log from being emptied, in which the entries still are: that they are gone
/// is not acknowledged, and the next call makes up for it.
#[test]
fn a_prune_is_not_acknowledged_while_a_reader_keeps_what_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    prepare(SqliteStore::open(&path).unwrap(), 4, 2000);
    let mut log = open_log(SqliteStore::open(&path).unwrap()).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM entry", [], |_| Ok(())).unwrap();
    let all = "log entries:0".parse().unwrap();
    let kept = log.prune(&all, "old");
    assert!(matches!(&kept, Err(LogError::Store(StoreError::Io { .. } | StoreError::Locked { .. }))), "{kept:?}");
    assert!(holds(folder.path(), MARK), "or the reader kept nothing");
    drop(reader);
    assert!(log.prune(&all, "old").unwrap().streams.is_empty(), "nothing is recorded twice");
    let other = log.prune(&all, "older").unwrap();
    assert_eq!(other.streams[0].entries, 4);
    assert!(!holds(folder.path(), MARK));
}
