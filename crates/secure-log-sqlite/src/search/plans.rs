//! That SQLite answers every statement of a search by an index, and puts nothing in order.

use crate::database::{Database, Value};
use crate::native::Native;
use crate::search::list::Column;
use crate::search::times::{ALL_TIMES, BY_TIME, LATER_TIMES};
use crate::search::words::{STREAMS, WORDS};
use crate::search::{ENTRY, HASH};
use crate::store::SqliteStore;

/// What SQLite says it does.
fn plan(store: &mut SqliteStore<Native>, sql: &str) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {sql}").leak();
    let mut steps = Vec::new();
    let values = vec![Value::Null; sql.matches('?').count()];
    let read = store.database.query(sql, &values, &mut |row| {
        let [.., Value::Text(step)] = row else { panic!("no step of a plan: {row:?}") };
        steps.push((*step).to_owned());
        true
    });
    read.unwrap();
    steps
}

#[test]
fn no_statement_reads_a_whole_table_or_sorts() {
    let mut store = SqliteStore::in_memory().unwrap();
    store.ready(true).unwrap();
    for column in Column::ALL {
        for sql in column.statements() {
            let steps = plan(&mut store, sql);
            let by = match column {
                Column::Key => "SEARCH entry_key USING PRIMARY KEY (key=? AND seqno>? AND seqno<?)".to_owned(),
                Column::Producer => "SEARCH entry USING COVERING INDEX entry_producer (producer=? AND severity=? AND \
                                     rowid>? AND rowid<?)"
                    .to_owned(),
                _ => {
                    let name = format!("{column:?}").to_lowercase();
                    format!("SEARCH entry USING COVERING INDEX entry_{name} ({name}=? AND rowid>? AND rowid<?)")
                }
            };
            assert_eq!(steps, [by], "{sql}");
        }
    }
    for (sql, steps) in [
        (BY_TIME, &["SEARCH entry USING COVERING INDEX entry_time (time>? AND time<?)"][..]),
        (ALL_TIMES, &["SEARCH entry USING COVERING INDEX entry_time (time>?)"]),
        (LATER_TIMES, &["SEARCH entry USING INTEGER PRIMARY KEY (rowid>?)"]),
        (WORDS, &["SEARCH word USING COVERING INDEX sqlite_autoindex_word_1 (value>?)"]),
        (STREAMS, &["SEARCH stream USING COVERING INDEX sqlite_autoindex_stream_1 (name>?)"]),
        (HASH, &["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"]),
        (ENTRY, &["SEARCH e USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"]),
    ] {
        assert_eq!(plan(&mut store, sql), steps, "{sql}");
    }
    // The same of a statement that does.
    let sorted = plan(&mut store, "SELECT seqno FROM entry ORDER BY hash");
    assert_eq!(sorted, ["SCAN entry", "USE TEMP B-TREE FOR ORDER BY"]);
}
