//! The attack table of docs/security.md over a log in a PostgreSQL database: edits of its records, and edits of its tables.
#![cfg(debug_assertions)]

mod support;

use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::query::{Filter, Query};
use secure_log::store::StoreError;
use secure_log::time::Timestamp;
use secure_log::verify::{FindingCode, Verdict};
use secure_log_postgres::PostgresStore;
use secure_log_testkit::attacks::{
    self, no_changed_row_of_an_index_passes, no_edit_passes_with, no_stored_bit_passes, open_and_verify, options,
    providers, reference_verdict, sample_log, sample_records, scenarios, to_jsonl,
};
use secure_log_testkit::postgres::server;
use secure_log_testkit::{AnyStore, records_of};
use support::tables::Edited;

fn open(store: PostgresStore) -> Result<SecureLog<PostgresStore>, LogError> {
    SecureLog::open(store, providers(), options())
}

#[test]
fn rows_1_to_19_no_edit_of_a_log_passes() {
    let Some(edited) = Edited::new() else { return };
    no_edit_passes_with(|records| {
        open_and_verify(|| Ok::<_, StoreError>(edited.laid(&edited.fresh(), records))).of_tables()
    });
}

#[test]
fn row_1_flipped_bits_do_not_pass_the_engine() {
    let Some(edited) = Edited::new() else { return };
    no_stored_bit_passes(40, |records| Ok::<_, StoreError>(edited.laid(&edited.fresh(), records)));
}

#[test]
fn row_18_no_changed_row_of_an_index_passes() {
    let Some(edited) = Edited::new() else { return };
    no_changed_row_of_an_index_passes(|| {
        let (postgres, log) = (edited.postgres.clone(), edited.fresh());
        move || postgres.store(&log)
    });
}

#[test]
fn rows_5_to_29_every_scenario() {
    let Some(edited) = Edited::new() else { return };
    let edited = std::sync::Arc::new(std::sync::Mutex::new(edited));
    for scenario in scenarios() {
        eprintln!("row {}, {}", scenario.row, scenario.name);
        (scenario.run)(&mut || {
            let (store, log) = {
                let edited = edited.lock().unwrap();
                let log = edited.fresh();
                (edited.postgres.store(&log), log)
            };
            let edited = edited.clone();
            attacks::Native::new(AnyStore::new(store), move |records| {
                Ok::<_, StoreError>(AnyStore::new(edited.lock().unwrap().laid(&log, records)))
            })
        });
    }
}

/// The verifiers read lines.
#[test]
fn a_log_in_a_database_is_what_the_verifiers_read() {
    let Some(edited) = Edited::new() else { return };
    let log = edited.fresh();
    drop(sample_log(edited.postgres.store(&log)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("log.jsonl");
    let mut file = std::fs::File::create(&lines).unwrap();
    secure_log::jsonl::export(&mut edited.postgres.store(&log), &mut file).unwrap();
    assert_eq!(std::fs::read(&lines).unwrap(), to_jsonl(&sample_records()), "the same log, whatever keeps it");
    if let Some((verdict, said)) = reference_verdict(&lines) {
        assert_eq!(verdict, "valid", "{said}");
    }
}

/// What docs/postgres.md shows can be asked in the shell.
#[test]
fn the_query_in_the_documentation_works() {
    let Some(edited) = Edited::new() else { return };
    let log = edited.fresh();
    drop(sample_log(edited.postgres.store(&log)).unwrap());
    let page = include_str!("../../../docs/postgres.md");
    let (_, rest) = page.split_once("```sql\n").unwrap();
    let (sql, _) = rest.split_once("```").unwrap();
    // The sample's clock stands still, long ago.
    let sql = sql.replace("'orders'", &format!("'{log}'")).replace("1 hour", "100 years");
    let answered = server().unwrap().psql(&edited.database, &sql);
    assert!(answered.lines().count() > 5 && answered.lines().all(|line| line.split('|').count() == 5), "{answered}");
    assert!(page.contains(&format!("the version of the tables, now {})", secure_log_postgres::VERSION)));
}

/// Each edit of the tables by somebody who knows them is found, or refused.
#[test]
fn no_edit_of_the_tables_passes() {
    let Some(edited) = Edited::new() else { return };
    let log = edited.fresh();
    drop(sample_log(edited.postgres.store(&log)).unwrap());
    for edit in [
        r"UPDATE secure_log.entry SET hash = decode(repeat('00', 32), 'hex') WHERE log = LOG AND seqno = 5",
        r"UPDATE secure_log.entry SET hash = '\x00' WHERE log = LOG AND seqno = 5",
        r"UPDATE secure_log.entry SET bytes = '\x00' WHERE log = LOG AND seqno = 5",
        "UPDATE secure_log.entry SET bytes = NULL WHERE log = LOG AND seqno = 5",
        "UPDATE secure_log.entry SET bytes = (SELECT bytes FROM secure_log.entry WHERE log = LOG AND seqno = 6)
            WHERE log = LOG AND seqno = 5",
        "UPDATE secure_log.entry SET stream = stream + 1 WHERE log = LOG AND seqno = 5",
        "DELETE FROM secure_log.entry WHERE log = LOG AND seqno = 5",
        "DELETE FROM secure_log.entry WHERE log = LOG
            AND seqno = (SELECT max(seqno) FROM secure_log.entry WHERE log = LOG)",
        "DELETE FROM secure_log.entry WHERE log = LOG",
        "UPDATE secure_log.segment SET root = decode(repeat('00', 32), 'hex') WHERE log = LOG AND id = 1",
        "UPDATE secure_log.segment SET first = first + 1 WHERE log = LOG AND id = 1",
        "UPDATE secure_log.segment SET closed = '2020-02-02T02:02:02.000000000Z' WHERE log = LOG AND id = 1",
        "DELETE FROM secure_log.segment WHERE log = LOG AND id = 1",
        "DELETE FROM secure_log.signature WHERE log = LOG",
        "UPDATE secure_log.signature SET sig = decode(repeat('00', 64), 'hex') WHERE log = LOG",
        "DELETE FROM secure_log.head WHERE log = LOG AND number = 2",
        "DELETE FROM secure_log.head WHERE log = LOG
            AND number = (SELECT max(number) FROM secure_log.head WHERE log = LOG)",
        "UPDATE secure_log.head SET sigs = '' WHERE log = LOG",
        "UPDATE secure_log.head SET root = decode(repeat('00', 32), 'hex') WHERE log = LOG AND number = 3",
        "UPDATE secure_log.head SET size = size - 1 WHERE log = LOG AND number = 3",
        "UPDATE secure_log.head SET size = -1 WHERE log = LOG AND number = 3",
        "UPDATE secure_log.head SET place = place + 1 WHERE log = LOG AND number = 3",
        "UPDATE secure_log.head SET place = 9000000000000000000 WHERE log = LOG
            AND number = (SELECT max(number) FROM secure_log.head WHERE log = LOG)",
        "UPDATE secure_log.head SET place = 1 WHERE log = LOG AND number = 4",
        "UPDATE secure_log.head SET place = -1 WHERE log = LOG AND number = 4",
        "UPDATE secure_log.record SET kind = 7 WHERE log = LOG AND place = 3",
        "UPDATE secure_log.record SET kind = 99 WHERE log = LOG AND kind = 5",
        "UPDATE secure_log.record SET id = id + 1 WHERE log = LOG AND kind = 5",
        "DELETE FROM secure_log.record WHERE log = LOG AND kind = 4",
        "DELETE FROM secure_log.record WHERE log = LOG",
        "UPDATE secure_log.stream SET name = 'renamed' WHERE log = LOG AND number = 1",
        "UPDATE secure_log.stream_rules SET tier = 'protected' WHERE log = LOG AND stream = 1",
        "UPDATE secure_log.stream_rules SET tier = 'no tier' WHERE log = LOG AND stream = 1",
        "UPDATE secure_log.stream_rules SET created = '2020-02-02T02:02:02.000000000Z' WHERE log = LOG AND stream = 1",
        "UPDATE secure_log.log SET origin = 'other' WHERE number = LOG",
        "UPDATE secure_log.log SET id = decode(repeat('00', 16), 'hex') WHERE number = LOG",
        "UPDATE secure_log.log SET id = decode(repeat('00', 15), 'hex') WHERE number = LOG",
        "UPDATE secure_log.log SET id = NULL WHERE number = LOG",
        "DELETE FROM secure_log.log WHERE number = LOG",
        "UPDATE secure_log.entry SET time = time - 1000000 WHERE log = LOG AND seqno = 5",
    ] {
        let copy = copied(&edited, &log);
        edited.edit(&copy, edit);
        let verdict = open(edited.postgres.store(&copy)).and_then(|mut log| log.verify_log());
        let found = match &verdict {
            Ok(report) => report.verdict != Verdict::Valid,
            Err(_) => true,
        };
        assert!(found, "{edit}: {verdict:?}");
    }
}

/// Another log with the same rows.
fn copied(edited: &Edited, log: &str) -> String {
    let records = records_of(&mut edited.postgres.store(log)).unwrap();
    let copy = edited.fresh();
    edited.laid(&copy, &records);
    assert_eq!(open(edited.postgres.store(&copy)).unwrap().verify_log().unwrap().verdict, Verdict::Valid);
    copy
}

/// What only finds the rows may be wrong: the engine has it made anew, or the answer is proven all the same.
#[test]
fn what_is_derived_is_not_believed() {
    let Some(edited) = Edited::new() else { return };
    for edit in [
        "DELETE FROM secure_log.node WHERE log = LOG",
        "UPDATE secure_log.node SET hash = decode(repeat('00', 32), 'hex') WHERE log = LOG",
        "DELETE FROM secure_log.waypoint WHERE log = LOG",
        "UPDATE secure_log.waypoint SET seqno = seqno + 1 WHERE log = LOG",
        "UPDATE secure_log.segment SET ordinal = ordinal + 1 WHERE log = LOG",
    ] {
        let name = edited.fresh();
        drop(sample_log(edited.postgres.store(&name)).unwrap());
        edited.edit(&name, edit);
        let mut log = open(edited.postgres.store(&name)).unwrap_or_else(|error| panic!("{edit}: {error:?}"));
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "{edit}");
        for seqno in 1..=log.size() {
            match log.read(seqno).and_then(|_| log.prove_in_segment(seqno)) {
                Ok(_) | Err(LogError::SegmentNotFound(_)) => {}
                Err(error) => panic!("{edit}: entry {seqno}: {error:?}"),
            }
        }
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

/// Each row of the index, and each column that entries are found by: it is found, and can be made anew.
#[test]
fn row_18_no_edit_of_what_finds_entries_passes() {
    let Some(edited) = Edited::new() else { return };
    let entry = |(encoding, payload): (&'static str, &'static str)| NewEntry {
        stream: "session/a",
        event: "x.success",
        severity: Severity::Info,
        producer: "test",
        encoding,
        payload: payload.as_bytes(),
    };
    let wanted = Filter {
        streams: vec!["session/a".parse().unwrap()],
        events: vec!["x.success".parse().unwrap()],
        producer: Some("test".into()),
        session: Some("session-1".into()),
        severity: Some(Severity::Info),
        since: Timestamp::from_unix(1_795_147_631, 0),
        ..Filter::default()
    };
    for (edit, of_index) in [
        ("DELETE FROM secure_log.entry_key WHERE log = LOG AND seqno = 2", true),
        ("DELETE FROM secure_log.entry_key WHERE log = LOG", true),
        ("UPDATE secure_log.entry_key SET key = decode(md5('x'), 'hex') WHERE log = LOG AND seqno = 3", true),
        ("UPDATE secure_log.entry_key SET seqno = 4 WHERE log = LOG AND seqno = 3", true),
        ("UPDATE secure_log.entry_key SET seqno = -1 WHERE log = LOG AND seqno = 3", true),
        (r"UPDATE secure_log.entry_key SET key = '\x00' WHERE log = LOG AND seqno = 3", true),
        ("INSERT INTO secure_log.entry_key VALUES (LOG, decode(md5('x'), 'hex'), 1000)", true),
        ("UPDATE secure_log.entry SET time = NULL WHERE log = LOG AND seqno = 3", false),
        ("UPDATE secure_log.entry SET severity = 0 WHERE log = LOG AND seqno = 3", false),
        ("UPDATE secure_log.entry SET event = producer WHERE log = LOG AND seqno = 3", false),
        ("UPDATE secure_log.entry SET event = 1000 WHERE log = LOG AND seqno = 3", false),
        ("UPDATE secure_log.entry SET session = NULL WHERE log = LOG AND seqno = 3", false),
        ("UPDATE secure_log.word SET value = 'y.success' WHERE log = LOG AND value = 'x.success'", false),
    ] {
        let name = edited.fresh();
        let mut log = open(edited.postgres.store(&name)).unwrap();
        log.append_batch(&EVENTS.map(entry)).unwrap();
        edited.edit(&name, edit);
        match log.verify_log().unwrap().verdict {
            Verdict::Invalid(finding) if of_index => {
                assert_eq!(finding.code, FindingCode::IndexMismatch, "{edit}: {finding}")
            }
            Verdict::Invalid(_) => {}
            other => panic!("{edit}: {other:?}"),
        }
        log.reindex().unwrap();
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "{edit}");
        let query = Query { filter: wanted.clone(), limit: 10, ..Query::default() };
        assert_eq!(log.query(&query).unwrap().entries.len(), EVENTS.len(), "{edit}");
    }
}
