//! What SQLite commits through the VFS is there after a crash at any operation of the disk, and after any that fails.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secure_log_disk::Patience;
use secure_log_sqlite_engine::{Connection, OpenOptions, SqlError, Value, Vfs};
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_testkit::{count, seed};

/// Rows of a commit.
const ROWS: i64 = 3;

fn vfs(disk: &CrashDisk) -> Rc<Vfs> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let patience = Patience { wait: Duration::from_millis(500), stale_after: Duration::from_millis(50) };
    let name = format!("crash-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Rc::new(Vfs::register(&std::ffi::CString::new(name).unwrap(), disk.clone(), patience))
}

fn connect(vfs: &Rc<Vfs>) -> Result<Connection, SqlError> {
    let connection = Connection::open(vfs, "log.db", OpenOptions { create: true, read_only: false })?;
    // Few pages, so that there are checkpoints among the operations.
    connection.execute("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 8")?;
    connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)")?;
    Ok(connection)
}

fn commit(connection: &Connection) -> Result<(), SqlError> {
    connection.execute("BEGIN IMMEDIATE")?;
    let text = "x".repeat(700);
    connection.prepare("INSERT INTO t (text) VALUES (?)")?.run(1, &[Value::Text(&text); ROWS as usize])?;
    connection.execute("COMMIT")
}

fn number(connection: &Connection, sql: &str) -> Result<i64, SqlError> {
    let mut statement = connection.prepare(sql)?;
    statement.bind(&[])?;
    let mut found = 0;
    statement.step(&mut |row| {
        found = if let [Value::Integer(number)] = row { *number } else { i64::from(row == [Value::Text("ok")]) };
        true
    })?;
    Ok(found)
}

/// Makes commits until something fails, and says how many were acknowledged.
fn work(disk: &CrashDisk, most: i64) -> (i64, Option<SqlError>) {
    let vfs = vfs(disk);
    let connection = match connect(&vfs) {
        Ok(connection) => connection,
        Err(error) => return (0, Some(error)),
    };
    for done in 0..most {
        if let Err(error) = commit(&connection) {
            return (done, Some(error));
        }
    }
    (most, None)
}

/// Opens what is there and finds whole commits: all that were acknowledged, and at most one more.
fn assert_whole(disk: &CrashDisk, acknowledged: i64, when: &str) {
    let connection = connect(&vfs(disk)).unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(number(&connection, "PRAGMA integrity_check").unwrap(), 1, "{when}");
    let rows = number(&connection, "SELECT count(*) FROM t").unwrap();
    let expected = ROWS * acknowledged;
    assert!(rows == expected || rows == expected + ROWS, "{when}: {rows} rows, {expected} were acknowledged");
    commit(&connection).unwrap_or_else(|error| panic!("{when}, going on: {error}"));
    assert_eq!(number(&connection, "SELECT max(id) FROM t").unwrap(), rows + ROWS, "{when}");
}

fn operations(commits: i64) -> u64 {
    let disk = CrashDisk::new();
    assert_eq!(work(&disk, commits), (commits, None));
    disk.operations()
}

#[test]
fn a_crash_leaves_every_commit_that_was_acknowledged() {
    let commits = count(8, 24) as i64;
    for at in 0..operations(commits) {
        let disk = CrashDisk::new();
        disk.fail_at(at, Fault::Crash);
        let (acknowledged, _) = work(&disk, commits);
        for image in [0, 1, seed().wrapping_add(at)] {
            assert_whole(&disk.image(image), acknowledged, &format!("crash at operation {at}, image {image}"));
        }
    }
}

#[test]
fn an_operation_that_fails_loses_nothing() {
    let commits = count(8, 24) as i64;
    let mut failed = 0;
    for at in 0..operations(commits) {
        for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = CrashDisk::new();
            disk.fail_at(at, fault);
            let (acknowledged, error) = work(&disk, commits);
            let when = format!("operation {at} {fault:?}");
            if let Some(error) = error {
                failed += 1;
                assert!(error.message.contains("an injected fault"), "{when}: {error}");
            }
            assert_whole(&disk, acknowledged, &when);
        }
    }
    assert!(failed > 10, "faults are seen");
}
