//! Putting records into the tables of a database, as somebody does who controls it. tests/attacks uses this, too.

use secure_log::store::{SecureLogStore, StoreError};
use secure_log_sqlite::database::Value;
use secure_log_sqlite::{Database, Native, SqliteStore};
use secure_log_testkit::tables::{TableEdit, fit};
use secure_log_testkit::{OwnedRecord, store_from};

/// Has the tables hold these records and nothing else, whatever they are. A table has one row of a number: entries are numbered
/// by where they stand, whatever their bytes say.
pub(crate) fn lay(store: &mut SqliteStore<Native>, records: &[OwnedRecord]) -> Result<(), StoreError> {
    if store.log()?.is_some() {
        edit_tables(store, &TABLES.map(|table| (format!("DELETE FROM {table}"), vec![])));
    }
    let (fitting, edits) = fit(records);
    store.import(&mut store_from(&fitting))?;
    edit_tables(store, &edits);
    Ok(())
}

const TABLES: [&str; 15] = [
    "log",
    "record",
    "stream",
    "stream_rules",
    "word",
    "entry",
    "entry_key",
    "waypoint",
    "segment",
    "signature",
    "data_key",
    "witness",
    "head",
    "node",
    "aside",
];

/// As somebody does it who means to.
fn edit_tables(store: &mut SqliteStore<Native>, edits: &[TableEdit]) {
    let database = store.database_mut();
    database.script("BEGIN; INSERT INTO permit VALUES ('attack')").expect("a permit can be had");
    for (sql, bytes) in edits {
        let values: Vec<Value<'_>> = bytes.iter().map(|bytes| Value::Blob(bytes)).collect();
        // Statements of tests are few and short: they may stay for as long as the test runs.
        let sql: &'static str = sql.clone().leak();
        database.run(sql, values.len(), &values).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    database.script("DELETE FROM permit; COMMIT").expect("what was edited stays");
}
