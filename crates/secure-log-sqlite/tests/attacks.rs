//! The attack table of docs/security.md over a log in a database: edits of its records, and edits of its tables.

use std::path::Path;

use rusqlite::Connection;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::jsonl::export;
use secure_log::memory::MemoryStore;
use secure_log::query::{Filter, Query};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::time::Timestamp;
use secure_log::verify::{FindingCode, Verdict};
use secure_log_sqlite::schema::VERSION;
use secure_log_sqlite::{Native, SqliteStore};
use secure_log_testkit::attacks::{
    self, no_changed_row_of_an_index_passes, no_edit_passes_with, no_stored_bit_passes, open_and_verify, options,
    providers, reference_verdict, sample_log, sample_records, scenarios, to_jsonl,
};
use secure_log_testkit::{AnyStore, OwnedRecord, store_from};

use crate::support::lay;

/// Opens the store of a log, which is there or not.
type Open = dyn Fn() -> SqliteStore<Native> + Send;

/// Runs an attack on logs in a database in memory, and on logs in files.
fn in_memory_and_in_files(attack: impl Fn(&mut dyn FnMut() -> Box<Open>)) {
    eprintln!("in memory");
    attack(&mut || Box::new(|| SqliteStore::in_memory().unwrap()));
    eprintln!("in a file");
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    attack(&mut || {
        number += 1;
        let path = folder.path().join(format!("{number}.db"));
        Box::new(move || SqliteStore::open(&path).unwrap())
    });
}

/// A store that holds these records, whatever they are.
fn laid(open: &Open, records: &[OwnedRecord]) -> Result<SqliteStore<Native>, StoreError> {
    let mut store = open();
    // Or an attack would pass for refused that was never mounted.
    lay(&mut store, records).expect("the tables take these records");
    Ok(store)
}

#[test]
fn rows_1_to_19_no_edit_of_a_database_passes() {
    in_memory_and_in_files(|fresh| {
        no_edit_passes_with(|records| open_and_verify(|| laid(&*fresh(), records)).of_tables());
    });
}

#[test]
fn row_18_no_changed_row_of_an_index_in_a_database_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    no_changed_row_of_an_index_passes(|| {
        number += 1;
        let path = folder.path().join(format!("indexed-{number}.db"));
        move || SqliteStore::open(&path).unwrap()
    });
}

/// Each row that a table of keys can be made to hold in the shell.
#[test]
fn row_18_no_edit_of_the_keys_in_the_tables_passes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    write_events(&whole);
    for (number, edit) in [
        "DELETE FROM entry_key WHERE seqno = 2",
        "DELETE FROM entry_key",
        "UPDATE entry_key SET key = randomblob(16) WHERE seqno = 2",
        "UPDATE entry_key SET seqno = 4 WHERE seqno = 3",
        "UPDATE entry_key SET seqno = 9 WHERE seqno = 3",
        "UPDATE entry_key SET seqno = 0 WHERE seqno = 3",
        "UPDATE entry_key SET seqno = -1 WHERE seqno = 3",
        "UPDATE entry_key SET key = x'00' WHERE seqno = 3",
        "UPDATE entry_key SET key = 'text' WHERE seqno = 3",
        "INSERT INTO entry_key VALUES (randomblob(16), 1)",
        "INSERT INTO entry_key SELECT key, 4 FROM entry_key WHERE seqno = 2",
        "INSERT INTO entry_key VALUES (randomblob(16), 1000)",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("edited-{number}.db"));
        std::fs::copy(&whole, &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(edit).unwrap();
        let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
        match log.verify_log().unwrap().verdict {
            Verdict::Invalid(finding) => assert_eq!(finding.code, FindingCode::IndexMismatch, "{edit}: {finding}"),
            other => panic!("{edit}: {other:?}"),
        }
        log.reindex().unwrap();
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "{edit}");
    }
}

/// Each column that entries are found by, and what words stand for.
#[test]
fn row_18_no_edit_of_a_search_column_passes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    write_events(&whole);
    let permitted = "INSERT INTO permit VALUES ('edit')";
    for (number, edit) in [
        "UPDATE entry SET time = time - 1000000 WHERE seqno = 3",
        "UPDATE entry SET time = NULL WHERE seqno = 3",
        "UPDATE entry SET severity = 0 WHERE seqno = 3",
        "UPDATE entry SET event = producer WHERE seqno = 3",
        "UPDATE entry SET event = 1000 WHERE seqno = 3",
        "UPDATE entry SET producer = event WHERE seqno = 3",
        "UPDATE entry SET session = NULL WHERE seqno = 3",
        "UPDATE word SET value = 'y.success' WHERE value = 'x.success'",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("column-{number}.db"));
        std::fs::copy(&whole, &path).unwrap();
        let edit = format!("{permitted}; {edit}; DELETE FROM permit");
        Connection::open(&path).unwrap().execute_batch(&edit).unwrap();
        let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
        let report = log.verify_log().unwrap();
        let Verdict::Invalid(finding) = &report.verdict else { panic!("{edit}: {report:?}") };
        assert!(finding.to_string().contains("reindex"), "{edit}: what to do is said: {finding}");
        let refused = export(log.store_mut(), &mut Vec::new()).unwrap_err().to_string();
        assert!(refused.contains("reindex"), "{edit}: what to do is said: {refused}");
        log.reindex().unwrap();
        export(log.store_mut(), &mut Vec::new()).unwrap();
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "{edit}");
        let query = Query { filter: written(), limit: 10, ..Query::default() };
        assert_eq!(log.query(&query).unwrap().entries.len(), EVENTS.len(), "{edit}");
    }
}

/// What all events have in common, by every column.
fn written() -> Filter {
    Filter {
        streams: vec!["session/a".parse().unwrap()],
        events: vec!["x.success".parse().unwrap()],
        producer: Some("test".into()),
        session: Some("session-1".into()),
        severity: Some(Severity::Info),
        since: Timestamp::from_unix(1_795_147_631, 0),
        ..Filter::default()
    }
}

/// What `user` `alice` did, what an agent did for her, what another agent did, and an entry that is no event.
const EVENTS: [(&str, &str); 4] = [
    (AUDIT, r#"{"actor":{"id":"alice","kind":"user"}}"#),
    (AUDIT, r#"{"actor":{"id":"agent-7","kind":"agent","on_behalf_of":{"id":"alice","kind":"user"}}}"#),
    (AUDIT, r#"{"actor":{"id":"agent-8","kind":"agent"}}"#),
    ("text", r#"{"actor":{"id":"alice","kind":"user"}}"#),
];
const AUDIT: &str = "secure-log.audit.v1+json";

fn write_events(path: &Path) {
    let entry = |(encoding, payload): (&'static str, &'static str)| NewEntry {
        stream: "session/a",
        event: "x.success",
        severity: Severity::Info,
        producer: "test",
        encoding,
        payload: payload.as_bytes(),
    };
    let mut log = SecureLog::open(SqliteStore::open(path).unwrap(), providers(), options()).unwrap();
    log.append_batch(&EVENTS.map(entry)).unwrap();
}

/// How the tables of this version become those of an earlier one.
const WITHOUT_PAIRS: &str = "DROP INDEX entry_producer; CREATE INDEX entry_producer ON entry (producer);
    PRAGMA user_version = 2";
const WITHOUT_KEYS: &str = "DROP TABLE entry_key; PRAGMA user_version = 1";

fn edit_schema(path: &Path, edits: &[&str]) {
    let connection = Connection::open(path).unwrap();
    edits.iter().for_each(|edit| connection.execute_batch(edit).unwrap());
}

fn version_of(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// A database of the first version has no keys: they are computed of what it holds when it is opened, all or none.
#[test]
fn a_database_of_an_earlier_version_gets_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("earlier.db");
    write_events(&path);
    let rows = |path: &Path| SqliteStore::open(path).unwrap().index_rows(None, 100).unwrap();
    let before = rows(&path);
    assert_eq!(before.len(), 4);
    edit_schema(&path, &[WITHOUT_PAIRS, WITHOUT_KEYS]);
    assert_eq!(rows(&path), before);
    let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    assert_eq!(version_of(&path), VERSION);
    drop(log);
    // What cannot be finished leaves the database as it was.
    edit_schema(&path, &[WITHOUT_PAIRS, WITHOUT_KEYS, "CREATE TABLE entry_key (key, seqno, PRIMARY KEY (key))"]);
    assert!(SqliteStore::open(&path).is_err());
    assert_eq!(version_of(&path), 1);
    edit_schema(&path, &["DROP TABLE entry_key"]);
    assert_eq!(rows(&path), before);
}

/// A database of the second version finds producers without their severities, and is asked with both as well as with one.
#[test]
fn a_database_of_an_earlier_version_gets_its_index_of_producers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("earlier.db");
    write_events(&path);
    edit_schema(&path, &[WITHOUT_PAIRS]);
    let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
    assert_eq!(version_of(&path), VERSION);
    let mut found = |severity| {
        let filter = Filter { producer: Some("test".into()), severity, ..Filter::default() };
        log.query(&Query { filter, limit: 10, ..Query::default() }).unwrap().entries.len()
    };
    assert_eq!([found(None), found(Some(Severity::Emergency))], [EVENTS.len(), 0]);
    // An index that was left as it was is no index of this version.
    drop(log);
    edit_schema(&path, &[WITHOUT_PAIRS, &format!("PRAGMA user_version = {VERSION}")]);
    let refused = SqliteStore::open(&path).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn row_1_flipped_bits_do_not_pass_the_engine_over_a_database() {
    in_memory_and_in_files(|fresh| no_stored_bit_passes(100, |records| laid(&*fresh(), records)));
}

#[test]
fn rows_5_to_29_every_scenario_over_a_database() {
    in_memory_and_in_files(|fresh| {
        for scenario in scenarios() {
            eprintln!("row {}, {}", scenario.row, scenario.name);
            (scenario.run)(&mut || {
                let open = fresh();
                attacks::Native::new(AnyStore::new(open()), move |records| laid(&*open, records).map(AnyStore::new))
            });
        }
    });
}

#[test]
fn what_is_imported_is_the_same_log() {
    let mut store = SqliteStore::in_memory().unwrap();
    store.import(&mut memory(&sample_records())).unwrap();
    let mut records: Vec<OwnedRecord> = Vec::new();
    assert_eq!(store.scan(0, usize::MAX, &mut |record| records.push(record.into())), Ok(None));
    assert!(records == sample_records());
    let again = store.import(&mut MemoryStore::new());
    assert!(matches!(again, Err(StoreError::Config(_))), "{again:?}");
}

/// The verifiers read lines.
#[test]
fn a_log_in_a_database_is_what_the_verifiers_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
    let lines = folder.path().join("log.jsonl");
    let mut file = std::fs::File::create(&lines).unwrap();
    let records = export(&mut SqliteStore::open(&path).unwrap(), &mut file).unwrap();
    assert_eq!(records, sample_records().len() as u64);
    assert_eq!(std::fs::read(&lines).unwrap(), to_jsonl(&sample_records()), "the same log, whatever keeps it");
    if let Some((verdict, said)) = reference_verdict(&lines) {
        assert_eq!(verdict, "valid", "{said}");
    }
}

/// Each edit of the tables by somebody who knows them is found, or refused on opening.
#[test]
fn no_edit_of_the_tables_passes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    drop(sample_log(SqliteStore::open(&whole).unwrap()).unwrap());
    let edits = [
        "UPDATE entry SET hash = zeroblob(32) WHERE seqno = 5",
        "UPDATE entry SET hash = x'00' WHERE seqno = 5",
        "UPDATE entry SET bytes = x'00' WHERE seqno = 5",
        "UPDATE entry SET bytes = 'text' WHERE seqno = 5",
        "UPDATE entry SET bytes = NULL WHERE seqno = 5",
        "UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE seqno = 6) WHERE seqno = 5",
        "UPDATE entry SET stream = stream + 1 WHERE seqno = 5",
        "DELETE FROM entry WHERE seqno = 5",
        "DELETE FROM entry WHERE seqno = (SELECT max(seqno) FROM entry)",
        "DELETE FROM entry",
        "UPDATE segment SET root = zeroblob(32) WHERE id = 1",
        "UPDATE segment SET first = first + 1 WHERE id = 1",
        "UPDATE segment SET closed = '2020-02-02T02:02:02.000000000Z' WHERE id = 1",
        "DELETE FROM segment WHERE id = 1",
        "DELETE FROM signature",
        "UPDATE signature SET sig = zeroblob(64)",
        "DELETE FROM head WHERE number = 2",
        "DELETE FROM head WHERE number = (SELECT max(number) FROM head)",
        "UPDATE head SET sigs = ''",
        "UPDATE head SET root = zeroblob(32) WHERE number = 3",
        "UPDATE head SET size = size - 1 WHERE number = 3",
        "UPDATE head SET size = -1 WHERE number = 3",
        "UPDATE head SET place = place + 1 WHERE number = (SELECT max(number) FROM head)",
        "UPDATE head SET place = 9000000000000000000 WHERE number = (SELECT max(number) FROM head)",
        "UPDATE head SET place = place + 1 WHERE number = 3",
        "UPDATE head SET place = 1 WHERE number = 4",
        "UPDATE head SET place = -1 WHERE number = 4",
        "UPDATE record SET kind = 7 WHERE place = 3",
        "UPDATE record SET kind = 99 WHERE kind = 5",
        "UPDATE record SET id = id + 1 WHERE kind = 5",
        "DELETE FROM record WHERE kind = 4",
        "DELETE FROM record",
        "UPDATE stream SET name = 'renamed' WHERE number = 1",
        "UPDATE stream_rules SET tier = 'protected' WHERE stream = 1",
        "UPDATE stream_rules SET tier = 'no tier' WHERE stream = 1",
        "UPDATE stream_rules SET created = '2020-02-02T02:02:02.000000000Z' WHERE stream = 1",
        "UPDATE log SET origin = 'other'",
        "UPDATE log SET id = zeroblob(16)",
        "UPDATE log SET id = zeroblob(15)",
        "DELETE FROM log",
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        std::fs::copy(&whole, &path).unwrap();
        edit_tables(&path, edit);
        let verdict = SqliteStore::open(&path)
            .map_err(LogError::from)
            .and_then(|store| SecureLog::open(store, providers(), options()))
            .and_then(|mut log| log.verify_log());
        let found = match &verdict {
            Ok(report) => report.verdict != Verdict::Valid,
            Err(_) => true,
        };
        assert!(found, "{edit}: {verdict:?}");
    }
}

/// What only finds the rows may be wrong: the engine has it made anew, or the answer is proven all the same.
#[test]
fn what_is_derived_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    drop(sample_log(SqliteStore::open(&whole).unwrap()).unwrap());
    let edits = [
        "DELETE FROM node",
        "UPDATE node SET hash = zeroblob(32)",
        "DELETE FROM waypoint",
        "UPDATE waypoint SET seqno = seqno + 1",
        "UPDATE segment SET ordinal = ordinal + 1",
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        std::fs::copy(&whole, &path).unwrap();
        edit_tables(&path, edit);
        let mut log = match SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()) {
            Ok(log) => log,
            Err(error) => panic!("{edit}: {error:?}"),
        };
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "{edit}");
        for seqno in 1..=log.size() {
            match log.read(seqno).and_then(|_| log.prove_in_segment(seqno)) {
                Ok(_) | Err(LogError::SegmentNotFound(_)) => {}
                Err(error) => panic!("{edit}: entry {seqno}: {error:?}"),
            }
        }
    }
}

#[test]
fn an_accident_in_the_shell_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
    let shell = Connection::open(&path).unwrap();
    for (statement, said) in [
        ("DELETE FROM entry WHERE seqno = 3", "never deleted"),
        ("UPDATE entry SET hash = zeroblob(32)", "never changed"),
        ("INSERT INTO entry SELECT * FROM entry WHERE seqno = 3", "UNIQUE"),
        ("DELETE FROM segment", "never deleted"),
        ("UPDATE segment SET closed = ''", "never changed"),
        ("REPLACE INTO segment SELECT * FROM segment", "never replaced"),
    ] {
        let error = shell.execute_batch(statement).expect_err(statement).to_string();
        assert!(error.contains(said), "{statement}: {error}");
    }
    let mut log = SecureLog::open(SqliteStore::open(&path).unwrap(), providers(), options()).unwrap();
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

/// A view, a trigger or a table of another form could answer anything, or change what is written.
#[test]
fn other_tables_than_ours_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    drop(sample_log(SqliteStore::open(&whole).unwrap()).unwrap());
    for (number, edit) in [
        "DROP TRIGGER entry_stays",
        "DROP INDEX entry_stream",
        "CREATE TRIGGER mine AFTER INSERT ON entry BEGIN SELECT 1; END",
        "ALTER TABLE head RENAME TO other; CREATE VIEW head AS SELECT * FROM other",
        "ALTER TABLE entry ADD COLUMN more",
        "DROP TABLE log",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{number}.db"));
        std::fs::copy(&whole, &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(edit).unwrap();
        let refused = SqliteStore::open(&path).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{edit}: {refused:?}");
    }
    // What an operator adds for queries of their own is no harm.
    Connection::open(&whole).unwrap().execute_batch("CREATE INDEX mine ON entry (time, event)").unwrap();
    SqliteStore::open(&whole).unwrap();
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path).map(|_| ()), Err(StoreError::Config(_))));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(&path, b"this is no database, however long it may be, and it stays what it is").unwrap();
    assert!(matches!(SqliteStore::open(&path).map(|_| ()), Err(StoreError::Corrupt { .. })));
    // Made by a later version.
    let path = folder.path().join("later.db");
    drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
    Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA user_version = {}", VERSION + 1)).unwrap();
    let refused = SqliteStore::open(&path).map(|_| ());
    assert!(matches!(refused, Err(StoreError::LaterVersion { .. })), "{refused:?}");
}

fn memory(records: &[OwnedRecord]) -> MemoryStore {
    store_from(records)
}

/// As somebody does it who means to.
fn edit_tables(path: &Path, edit: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("INSERT INTO permit VALUES ('attack')").unwrap();
    connection.execute_batch(edit).unwrap();
    connection.execute_batch("DELETE FROM permit").unwrap();
}

/// What docs/sqlite.md shows can be done in the shell.
#[test]
fn the_query_in_the_documentation_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    drop(sample_log(SqliteStore::open(&path).unwrap()).unwrap());
    let page = include_str!("../../../docs/sqlite.md");
    let (_, rest) = page.split_once("```sql\n").unwrap();
    let (sql, _) = rest.split_once("```").unwrap();
    let shell = Connection::open(&path).unwrap();
    let mut statement = shell.prepare(sql).unwrap();
    assert_eq!(statement.column_count(), 5);
    statement.query([]).unwrap().next().unwrap();
    let marked: i64 = shell.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    assert!(page.contains(&format!("`PRAGMA application_id` is {marked} ")));
}
