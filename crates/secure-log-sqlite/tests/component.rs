//! A native process and a component with one database: the second one is refused, whichever it is, and goes on when the first
//! has let go.

use std::path::Path;
use std::rc::Rc;

use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::verify::Verdict;
use secure_log_disk::{OsDisk, Patience};
use secure_log_sqlite::{Native, SqliteStore};
use secure_log_sqlite_engine::{Connection, OpenOptions, SqlError, Vfs, primary};
use secure_log_testkit::attacks::{options, providers};

#[test]
fn a_component_keeps_away_from_an_open_database_and_its_transactions_keep_openers_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let patience = Patience { wait: std::time::Duration::from_millis(50), ..Patience::default() };
    let vfs = Rc::new(Vfs::register(c"component", OsDisk, patience));

    let mut log = open(&path);
    append(&mut log);
    let refused = count(&vfs, &path).unwrap_err();
    assert_eq!(refused.primary(), primary::BUSY);
    assert!(refused.message.contains("log.db-shm"), "{refused}");
    append(&mut log);
    drop(log);
    assert!(!folder.path().join("log.db.lock").exists());

    assert_eq!(count(&vfs, &path).unwrap(), 2);
    let component = component(&vfs, &path).unwrap();
    component.execute("BEGIN IMMEDIATE; INSERT INTO aside (part, line) VALUES (1, 'seen')").unwrap();
    std::thread::scope(|threads| {
        let opening = threads.spawn(|| append(&mut open(&path)));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!opening.is_finished(), "the transaction is waited for");
        component.execute("COMMIT").unwrap();
        opening.join().unwrap();
    });
    // Nothing that was known before is relied on.
    component.execute("INSERT INTO aside (part, line) VALUES (2, 'again')").unwrap();
    assert_eq!(count(&vfs, &path).unwrap(), 3);
    drop(component);

    let mut log = open(&path);
    append(&mut log);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    let native = rusqlite::Connection::open(&path).unwrap();
    let aside: i64 = native.query_row("SELECT count(*) FROM aside", [], |row| row.get(0)).unwrap();
    assert_eq!(aside, 2);
    let said: String = native.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

fn component(vfs: &Rc<Vfs>, path: &Path) -> Result<Connection, SqlError> {
    Connection::open(vfs, path.to_str().unwrap(), OpenOptions::default())
}

/// How many entries a component sees.
fn count(vfs: &Rc<Vfs>, path: &Path) -> Result<usize, SqlError> {
    let mut statement = component(vfs, path)?.prepare("SELECT seqno FROM entry")?;
    statement.bind(&[])?;
    let mut rows = 0;
    statement.step(&mut |_| {
        rows += 1;
        true
    })?;
    Ok(rows)
}

fn open(path: &Path) -> SecureLog<SqliteStore<Native>> {
    SecureLog::open(SqliteStore::open(path).unwrap(), providers(), options()).unwrap()
}

fn append(log: &mut SecureLog<SqliteStore<Native>>) {
    let entry = NewEntry {
        stream: "shared",
        event: "test",
        severity: Severity::Info,
        producer: "test",
        encoding: "text",
        payload: b"seen",
    };
    log.append(&entry).unwrap();
}
