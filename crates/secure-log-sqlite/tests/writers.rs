//! Several connections to one database, and processes that are killed while they append.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::verify::Verdict;
use secure_log_sqlite::{Native, SqliteStore};
use secure_log_testkit::attacks::{options, providers};
use secure_log_testkit::{SeededRandom, alone, count, seed};

#[test]
fn eight_threads_append_to_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let each = count(40, 1250);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let path = &path;
            scope.spawn(move || {
                let mut log = patiently(|| open(path));
                for number in 0..each {
                    let payload = (thread << 32 | number).to_be_bytes();
                    patiently(|| log.append(&entry(&payload)));
                }
            });
        }
    });
    let mut log = open(&path).unwrap();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut from = 1;
    while from <= log.size() {
        let page = log.read_page(None, from, u64::MAX, 1000).unwrap();
        from += page.len() as u64;
        seen.extend(page.into_iter().filter(|entry| entry.event == "test").map(|entry| entry.payload));
    }
    seen.sort();
    let right: Vec<Vec<u8>> = (0..8u64)
        .flat_map(|thread| (0..each).map(move |number| (thread << 32 | number).to_be_bytes().into()))
        .collect();
    assert!(seen == right, "{} of {} entries are there once", seen.len(), right.len());
    assert_sound(&path, &mut log);
}

/// The test calls itself as the process that is killed: it appends until then, and says what was acknowledged.
#[test]
fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    const PLACE: &str = "SECURE_LOG_TEST_APPENDS_TO";
    if let Some(path) = std::env::var_os(PLACE) {
        let mut log = open(Path::new(&path)).unwrap();
        for number in 0.. {
            let appended = log.append(&entry(format!("number {number}").as_bytes())).unwrap().0;
            println!("acknowledged {}", appended.seqno);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    // On a busy machine the first process may be killed before it appends, and an empty log is incomplete: it shows nothing.
    open(&path).unwrap().append(&entry(b"before all")).unwrap();
    let mut random = SeededRandom::new(seed());
    let mut shown = 0;
    for round in 0..count(8, 200) {
        let mut child = alone("writers::a_process_that_is_killed_loses_nothing_that_it_acknowledged")
            .env(PLACE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            lines
                .lines()
                .map_while(Result::ok)
                .filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok())
                .last()
        });
        std::thread::sleep(Duration::from_millis(20 + random.below(100)));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = reader.join().unwrap().unwrap_or(0);
        // The next open needs no help.
        let mut log = open(&path).unwrap();
        assert!(log.size() >= acknowledged, "round {round}: {} of {acknowledged} are there", log.size());
        assert_sound(&path, &mut log);
        shown = shown.max(acknowledged);
    }
    assert!(shown > 0, "no process appended anything before it was killed");
}

fn assert_sound(path: &Path, log: &mut SecureLog<SqliteStore<Native>>) {
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    let said: String =
        Connection::open(path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

fn open(path: &Path) -> Result<SecureLog<SqliteStore<Native>>, LogError> {
    SecureLog::open(SqliteStore::open(path)?, providers(), options())
}

/// What another writer was faster at, or holds, is tried again.
fn patiently<T>(mut call: impl FnMut() -> Result<T, LogError>) -> T {
    loop {
        match call() {
            Ok(done) => return done,
            Err(LogError::Conflict | LogError::Store(secure_log::store::StoreError::Locked { .. })) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn entry(payload: &[u8]) -> NewEntry<'_> {
    NewEntry {
        stream: "shared",
        event: "test",
        severity: Severity::Info,
        producer: "test",
        encoding: "binary",
        payload,
    }
}
