//! Several programs with one database, each with a VFS of its own, as components have: they take turns, and none relies on what
//! another one has changed.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use secure_log_disk::{Disk, DiskFile, Mode, OsDisk, Patience, TryLock};
use secure_log_sqlite_engine::{Connection, OpenOptions, SqlError, Value, Vfs, primary};

/// The files of this system without its locks, as under WASI.
#[derive(Clone, Copy)]
struct NoLocks;

struct NoLocksFile(std::fs::File);

impl Disk for NoLocks {
    type File = NoLocksFile;
    fn open(&self, path: &Path, mode: Mode) -> std::io::Result<NoLocksFile> {
        OsDisk.open(path, mode).map(NoLocksFile)
    }
    fn create_folder(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.create_folder(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        OsDisk.link(from, to)
    }
    fn names(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        OsDisk.names(folder)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.remove(path)
    }
    fn sync_folder(&self, path: &Path) -> std::io::Result<()> {
        OsDisk.sync_folder(path)
    }
}

impl DiskFile for NoLocksFile {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, out: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(out, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        DiskFile::set_len(&self.0, len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        DiskFile::sync_data(&self.0)
    }
    fn try_lock(&self) -> std::io::Result<TryLock> {
        Ok(TryLock::Unsupported)
    }
}

const IMPATIENT: Patience = Patience { wait: Duration::from_millis(50), stale_after: Duration::from_millis(300) };

/// A program: names of a VFS are those of the whole process.
fn program(name: &str, patience: Patience) -> Rc<Vfs> {
    let name = std::ffi::CString::new(name).unwrap();
    Rc::new(Vfs::register(&name, NoLocks, patience))
}

fn connect(vfs: &Rc<Vfs>, path: &Path) -> Result<Connection, SqlError> {
    let connection = Connection::open(vfs, path.to_str().unwrap(), OpenOptions { create: true, read_only: false })?;
    connection.execute("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL")?;
    connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, writer INTEGER, text TEXT)")?;
    Ok(connection)
}

fn number(connection: &Connection, sql: &str) -> i64 {
    let mut statement = connection.prepare(sql).unwrap();
    statement.bind(&[]).unwrap();
    let mut found = 0;
    statement
        .step(&mut |row| {
            let [Value::Integer(number)] = row else { panic!("{row:?}") };
            found = *number;
            true
        })
        .unwrap();
    found
}

fn assert_sound(path: &Path) {
    let said = std::process::Command::new("sqlite3").arg(path).arg("PRAGMA integrity_check").output();
    match said {
        Ok(said) => assert_eq!(String::from_utf8_lossy(&said.stdout), "ok\n"),
        Err(error) => panic!("the tool sqlite3 is missing: {error}"),
    }
}

/// Takes turns on every write, so that each finds the write-ahead log changed, restarted or gone by the other one.
#[test]
fn what_another_program_wrote_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let programs = [program("turns-1", IMPATIENT), program("turns-2", IMPATIENT)];
    let mut connections: Vec<_> = programs.iter().map(|vfs| Some(connect(vfs, &path).unwrap())).collect();
    for turn in 0..200 {
        let who = turn % 2;
        let connection = connections[who].take().unwrap_or_else(|| connect(&programs[who], &path).unwrap());
        assert_eq!(number(&connection, "SELECT count(*) FROM t"), turn as i64);
        let mut insert = connection.prepare("INSERT INTO t (writer, text) VALUES (?, ?)").unwrap();
        insert.run(2, &[Value::Integer(who as i64), Value::Text(&"x".repeat(turn * 50))]).unwrap();
        match turn % 11 {
            3 => connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap(),
            5 => connection.execute("PRAGMA wal_checkpoint(RESTART)").unwrap(),
            // Spills what it then takes back.
            7 => {
                connection.execute("PRAGMA cache_size = 2; BEGIN").unwrap();
                let mut insert = connection.prepare("INSERT INTO t (text) VALUES (zeroblob(5000))").unwrap();
                for _ in 0..20 {
                    insert.run(0, &[]).unwrap();
                }
                connection.execute("ROLLBACK").unwrap();
            }
            _ => {}
        }
        drop(insert);
        // One that is closed as the only one of its program removes the write-ahead log under the other one.
        connections[who] = (turn % 7 != 0).then_some(connection);
    }
    drop(connections);
    assert!(!folder.path().join("shared.db.lock").exists());
    assert_sound(&path);
}

/// Each has to read all of it after the other one has written, so that it must not grow with the database.
#[test]
fn the_write_ahead_log_stays_short_while_programs_take_turns() {
    const MOST_FRAMES: u64 = 260;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let programs = [program("short-1", IMPATIENT), program("short-2", IMPATIENT)];
    let connections: Vec<_> = programs.iter().map(|vfs| connect(vfs, &path).unwrap()).collect();
    let mut longest = 0;
    for turn in 0..600 {
        let mut insert = connections[turn % 2].prepare("INSERT INTO t (text) VALUES (zeroblob(3000))").unwrap();
        insert.run(0, &[]).unwrap();
        longest = longest.max(std::fs::metadata(folder.path().join("shared.db-wal")).unwrap().len());
    }
    assert!(longest > 200 * 4120, "the log was emptied early: {longest} bytes");
    assert!(longest < MOST_FRAMES * 4120, "the log has grown to {longest} bytes");
    assert_eq!(number(&connections[0], "SELECT count(*) FROM t"), 600);
    drop(connections);
    assert_sound(&path);
}

/// A program that made checkpoints before begins an empty log with a salt of zeros, as the next one does.
#[test]
fn a_log_that_was_emptied_and_begun_anew_is_told_from_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let programs = ["anew-1", "anew-2", "anew-3"].map(|name| program(name, IMPATIENT));
    let [first, second, third] = programs.each_ref().map(|vfs| connect(vfs, &path).unwrap());
    let insert = |connection: &Connection| connection.execute("INSERT INTO t (text) VALUES (zeroblob(3000))").unwrap();
    let empty = |connection: &Connection| connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    for connection in [&first, &second, &third] {
        insert(connection);
        empty(connection);
    }
    insert(&second);
    assert_eq!(number(&first, "SELECT count(*) FROM t"), 4);
    empty(&second);
    insert(&third);
    assert_eq!(number(&first, "SELECT count(*) FROM t"), 5);
    drop((first, second, third));
    assert_sound(&path);
}

/// What is left of the last log behind the end of the new one is still the end of an index of the last one.
#[test]
fn a_log_that_was_begun_anew_in_its_place_is_told_from_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let programs = ["place-1", "place-2"].map(|name| program(name, IMPATIENT));
    let [first, second] = programs.each_ref().map(|vfs| connect(vfs, &path).unwrap());
    for _ in 0..20 {
        first.execute("INSERT INTO t (text) VALUES (zeroblob(3000))").unwrap();
    }
    second.execute("PRAGMA wal_checkpoint(RESTART); INSERT INTO t (text) VALUES ('after')").unwrap();
    assert_eq!(number(&first, "SELECT count(*) FROM t"), 21);
    first.execute("INSERT INTO t (text) VALUES ('behind it')").unwrap();
    assert_eq!(number(&second, "SELECT count(*) FROM t"), 22);
    drop((first, second));
    assert_sound(&path);
}

/// Short commits and long ones, with checkpoints among them.
#[test]
fn many_programs_at_once_leave_a_sound_database() {
    const ROUNDS: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    std::thread::scope(|threads| {
        for writer in 0..8u64 {
            let path = path.clone();
            threads.spawn(move || {
                let vfs = program(&format!("many-{writer}"), Patience { wait: Duration::from_secs(60), ..IMPATIENT });
                let connection = connect(&vfs, &path).unwrap();
                for round in 0..ROUNDS {
                    let rows = if round as u64 % 20 == writer { 400 } else { 1 + (round as u64 * 7 + writer) % 20 };
                    connection.execute("BEGIN IMMEDIATE").unwrap();
                    let mut insert = connection.prepare("INSERT INTO t (text) VALUES (zeroblob(3000))").unwrap();
                    for _ in 0..rows {
                        insert.run(0, &[]).unwrap();
                    }
                    connection.execute("COMMIT").unwrap();
                }
            });
        }
    });
    assert_sound(&path);
}

#[test]
fn two_connections_of_one_program_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let ours = program("both", IMPATIENT);
    let other = program("other", IMPATIENT);
    let (one, two, third) =
        (connect(&ours, &path).unwrap(), connect(&ours, &path).unwrap(), connect(&other, &path).unwrap());
    for turn in 0..60 {
        for connection in [&one, &two, &third] {
            connection.execute("INSERT INTO t (writer) VALUES (1)").unwrap();
        }
        assert_eq!(number(&two, "SELECT count(*) FROM t"), 3 * turn + 3);
        if turn % 5 == 0 {
            third.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
    }
    // Where there is nothing in the write-ahead log before and after, only we know that the database is another one.
    third.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    for connection in [&one, &two] {
        assert_eq!(number(connection, "SELECT count(*) FROM t"), 180);
    }
    third.execute("DELETE FROM t; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    one.execute("BEGIN").unwrap();
    for connection in [&one, &two] {
        assert_eq!(number(connection, "SELECT count(*) FROM t"), 0);
    }
    one.execute("INSERT INTO t (writer) VALUES (1); COMMIT; BEGIN IMMEDIATE").unwrap();
    assert_eq!(two.execute("BEGIN IMMEDIATE").unwrap_err().primary(), primary::BUSY);
    // A reader of the same program is not in the way.
    assert_eq!(number(&two, "SELECT count(*) FROM t"), 1);
    one.execute("COMMIT").unwrap();
    two.execute("BEGIN IMMEDIATE; COMMIT").unwrap();
    drop((one, two, third));
    assert_sound(&path);
}

#[test]
fn who_waits_is_told_who_holds_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let (holder, waiter) = (program("holder", IMPATIENT), program("waiter", IMPATIENT));
    let holding = connect(&holder, &path).unwrap();
    let waiting = connect(&waiter, &path).unwrap();
    holding.execute("BEGIN IMMEDIATE; INSERT INTO t (writer) VALUES (1)").unwrap();
    std::thread::scope(|threads| {
        // Its counter moves while it works.
        let waiter = threads.spawn({
            let path = path.clone();
            move || {
                let late = program("late", IMPATIENT);
                connect(&late, &path).map(drop)
            }
        });
        while !waiter.is_finished() {
            holding.execute("INSERT INTO t (writer) VALUES (1)").unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        // Nothing is written to the disk within a transaction, so that only the clock shows the holder to be there.
        let refused = waiter.join().unwrap();
        assert!(refused.is_ok() || refused.is_err_and(|error| error.primary() == primary::BUSY));
    });
    // Taken over by then: the holder notices, and commits nothing.
    let mut over = waiting.execute("INSERT INTO t (writer) VALUES (2)");
    while over.is_err() {
        over = waiting.execute("INSERT INTO t (writer) VALUES (2)");
    }
    let refused = holding.execute("COMMIT").unwrap_err();
    assert_eq!(refused.primary(), primary::BUSY, "{refused}");
    let _ = holding.execute("ROLLBACK");
    assert_eq!(number(&holding, "SELECT count(*) FROM t"), 1);
    drop((holding, waiting));
    assert_sound(&path);
}

/// Many writers at once: each entry is there once, and the next one always knew the last.
#[test]
fn eight_programs_write_one_chain() {
    const EACH: i64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    std::thread::scope(|threads| {
        for writer in 0..8 {
            let path = path.clone();
            threads.spawn(move || {
                let vfs = program(&format!("writer-{writer}"), Patience::default());
                let connection = connect(&vfs, &path).unwrap();
                let mut insert =
                    connection.prepare("INSERT INTO t (id, writer) SELECT coalesce(max(id), 0) + 1, ? FROM t").unwrap();
                for _ in 0..EACH {
                    insert.run(1, &[Value::Integer(writer)]).unwrap();
                }
            });
        }
    });
    let vfs = program("reader", IMPATIENT);
    let connection = connect(&vfs, &path).unwrap();
    assert_eq!(number(&connection, "SELECT count(*) FROM t"), 8 * EACH);
    assert_eq!(number(&connection, "SELECT max(id) FROM t"), 8 * EACH);
    for writer in 0..8 {
        assert_eq!(number(&connection, &format!("SELECT count(*) FROM t WHERE writer = {writer}")), EACH);
    }
    drop(connection);
    assert_sound(&path);
}
