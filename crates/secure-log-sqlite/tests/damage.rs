//! Bytes of the file that changed, statements that fail, and a disk that is full.

use std::process::Command;

use rusqlite::Connection;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::Verdict;
use secure_log_sqlite::database::{Database, SqlError, Value};
use secure_log_sqlite::{Native, SqliteStore};
use secure_log_testkit::attacks::{options, providers, sample_log, sample_records};
use secure_log_testkit::{SeededRandom, attested, count, records_of, seed, witnessed};

/// Whatever a file holds, reading it ends, and only the log that was written is called valid.
#[test]
fn random_bytes_that_changed_never_make_another_log_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
    let whole = std::fs::read(&path).unwrap();
    let mut random = SeededRandom::new(seed());
    let right = attested(sample_records());
    for round in 0..count(60, 1000) {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.below(256) as u8;
        }
        let path = folder.path().join(format!("{}.db", round % 4));
        for file in [path.clone(), path.with_extension("db-wal"), path.with_extension("db-shm")] {
            let _ = std::fs::remove_file(file);
        }
        std::fs::write(&path, &bytes).unwrap();
        let Ok(store) = SqliteStore::open(&path) else { continue };
        let Ok(mut log) = SecureLog::open(store, providers(), options()) else { continue };
        let Ok(report) = log.verify_log() else { continue };
        if report.verdict == Verdict::Valid {
            drop(log);
            // SQLite checks a page when a connection reads it first: some damage is an error once, and then read rightly.
            let Ok(records) = records_of(&mut SqliteStore::open(&path).unwrap()) else { continue };
            assert!(attested(records) == right, "round {round}: another log is called valid");
        }
    }
}

/// A database whose statement with this number fails, before it is done or after.
struct Failing {
    inner: Native,
    left: u64,
    done: bool,
}

impl Failing {
    fn call<T>(&mut self, run: impl FnOnce(&mut Native) -> Result<T, SqlError>) -> Result<T, SqlError> {
        const IOERR_WRITE: i32 = 778;
        let failed = || SqlError { code: IOERR_WRITE, message: "disk I/O error".into() };
        if self.left != 1 {
            self.left = self.left.saturating_sub(1);
            return run(&mut self.inner);
        }
        self.left = 0;
        if self.done {
            run(&mut self.inner)?;
        }
        Err(failed())
    }
}

impl Database for Failing {
    fn connect(&mut self, create: bool) -> Result<bool, SqlError> {
        self.inner.connect(create)
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.call(|inner| inner.script(sql))
    }

    fn run(&mut self, sql: &'static str, width: usize, values: &[Value<'_>]) -> Result<u64, SqlError> {
        self.call(|inner| inner.run(sql, width, values))
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&[Value<'_>]) -> bool,
    ) -> Result<(), SqlError> {
        self.call(|inner| inner.query(sql, values, visit))
    }
}

#[test]
fn a_statement_that_fails_leaves_a_whole_commit_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for done in [false, true] {
        for number in 1.. {
            let path = folder.path().join(format!("{done}-{number}.db"));
            drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
            let store = SqliteStore::over(Failing { inner: Native::file(&path), left: 0, done }).unwrap();
            let mut log = SecureLog::open(store, providers(), options()).unwrap();
            let before = log.size();
            log.store_mut().database_mut().left = number;
            let first = log.append(&entry("first"));
            let beyond = std::mem::take(&mut log.store_mut().database_mut().left) > 0;
            match &first {
                Ok(_) | Err(LogError::Store(StoreError::Io { .. })) => {}
                Err(error) => panic!("statement {number}: {error:?}"),
            }
            // The log reads its state again before it writes anything else.
            log.append(&entry("second")).unwrap();
            let added = log.size() - before;
            assert!(added == 2 || (first.is_err() && added == 1), "statement {number}: {added} entries");
            assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "statement {number}");
            if beyond {
                break;
            }
            reached = reached.max(number);
        }
    }
    assert!(reached > 8, "an append is made of statements");
}

#[test]
fn a_statement_that_fails_drops_all_witness_rows_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for done in [false, true] {
        for number in 1.. {
            let path = folder.path().join(format!("rows-{done}-{number}.db"));
            let (log, rows) = witnessed(5);
            log.iter().for_each(|commit| SqliteStore::open(&path).unwrap().insert(commit).unwrap());
            let mut store = SqliteStore::over(Failing { inner: Native::file(&path), left: 0, done }).unwrap();
            store.database_mut().left = number;
            let first = store.drop_witnesses(&rows[..3]);
            let beyond = std::mem::take(&mut store.database_mut().left) > 0;
            assert!(matches!(first, Ok(()) | Err(StoreError::Io { .. })), "statement {number}: {first:?}");
            let left = store.witnesses(None, 9).unwrap().len();
            assert!(left == 2 || (first.is_err() && left == 5), "statement {number}: {left} rows are left");
            store.drop_witnesses(&rows[..3]).unwrap();
            assert_eq!(store.witnesses(None, 9).unwrap().len(), 2, "statement {number}");
            if beyond {
                break;
            }
            reached = reached.max(number);
        }
    }
    assert!(reached > 3, "rows are dropped by statements");
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
    let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
    let limit = |store: &mut SqliteStore<Native>, pages: &str| {
        store.database_mut().script(&format!("PRAGMA max_page_count = {pages}")).unwrap();
    };
    // No smaller than it is: there is no page left.
    limit(log.store_mut(), "1");
    let large = "x".repeat(100_000);
    let before = log.size();
    let refused = log.append(&entry(&large));
    assert!(matches!(refused, Err(LogError::Store(StoreError::Io { .. }))), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("full"));
    limit(log.store_mut(), "1000000");
    log.append(&entry(&large)).unwrap();
    assert_eq!(log.size(), before + 1);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    let said: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

/// The same where the system itself has no room left.
#[test]
fn a_full_file_system_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Ok(disk) = SmallDisk::mount(folder.path()) else {
        eprintln!("NOT RUN: a small disk cannot be mounted here");
        return;
    };
    let path = folder.path().join("log.db");
    let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
    let payload = "x".repeat(5000);
    let (refused, size) = loop {
        let before = log.size();
        match log.append(&entry(&payload)) {
            Ok(_) => assert!(before < 1000, "the disk never gets full"),
            Err(error) => break (error, before),
        }
    };
    assert!(matches!(refused, LogError::Store(StoreError::Io { .. })), "{refused:?}");
    assert!(size > 0, "something fits on the disk");
    let filled = log.append(&entry(&payload));
    assert!(matches!(filled, Err(LogError::Store(StoreError::Io { .. }))), "{filled:?}");
    disk.mount_with("remount,size=8m").unwrap();
    log.append(&entry("room")).unwrap();
    drop(log);
    let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
    assert_eq!(log.size(), size + 1, "what was acknowledged is there, and nothing else");
    assert_eq!(log.read(size).unwrap().payload, payload.as_bytes());
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    let said: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

/// A file system of 1 MiB, for as long as this lives.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(folder: &std::path::Path) -> Result<SmallDisk, String> {
        let disk = SmallDisk(folder.into());
        disk.mount_with("size=1m").map(|()| disk)
    }

    fn mount_with(&self, options: &str) -> Result<(), String> {
        let mut command = Command::new("mount");
        let output = command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Where nothing was mounted, there is nothing to take away.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn entry(payload: &str) -> NewEntry<'_> {
    NewEntry {
        stream: "a",
        event: "test",
        severity: Severity::Info,
        producer: "test",
        encoding: "text",
        payload: payload.as_bytes(),
    }
}
