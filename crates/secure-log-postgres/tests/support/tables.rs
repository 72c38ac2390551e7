//! Logs in a database whose tables somebody edits who controls them. tests/attacks uses this, too.
#![allow(dead_code, reason = "each uses a part")]

use std::sync::atomic::{AtomicU32, Ordering};

use secure_log::store::{Commit, SecureLogStore};
use secure_log_postgres::{Postgres, PostgresStore};
use secure_log_testkit::postgres::server;
use secure_log_testkit::tables::fit;
use secure_log_testkit::{LogBuilder, OwnedRecord};

/// A database with tables, in which logs are edited by whoever controls it.
pub(crate) struct Edited {
    pub(crate) postgres: Postgres,
    /// Its name on the server that the tests share.
    pub(crate) database: String,
    logs: AtomicU32,
}

impl Edited {
    /// One of its own, unless there can be none, which is said.
    pub(crate) fn new() -> Option<Edited> {
        let server = server()?;
        let database = server.new_database();
        let postgres = Postgres::connect(&server.config(&database)).unwrap();
        postgres.store("first").insert(&LogBuilder::new().create()).unwrap();
        Some(Edited { postgres, database, logs: AtomicU32::new(0) })
    }

    /// The name of a log that is not there yet.
    pub(crate) fn fresh(&self) -> String {
        format!("log {}", 1 + self.logs.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs statements in which `LOG` stands for the number of a log.
    pub(crate) fn edit(&self, log: &str, sql: &str) {
        let number =
            server().unwrap().psql(&self.database, &format!("SELECT number FROM secure_log.log WHERE name = '{log}'"));
        server().unwrap().psql(&self.database, &sql.replace("LOG", &number));
    }

    /// Has the tables hold these records of a log and nothing else, whatever they are.
    pub(crate) fn laid(&self, log: &str, records: &[OwnedRecord]) -> PostgresStore {
        let mut store = self.postgres.store(log);
        if store.log().unwrap().is_some() {
            self.edit(log, "UPDATE secure_log.log SET id = NULL WHERE number = LOG");
        }
        let (fitting, edits) = fit(records);
        let mut rows = Commit::new(None);
        fitting.iter().for_each(|record| rows.push(record.as_record()));
        // Or an attack would pass for refused that was never mounted.
        store.load(0, &rows, !fitting.is_empty()).expect("the tables take these records");
        store.reindex().expect("and what is derived of them");
        let edits: Vec<String> = edits.iter().map(|(sql, bytes)| as_postgres(sql, bytes)).collect();
        if !edits.is_empty() {
            self.edit(log, &edits.join(";"));
        }
        store
    }
}

/// The same statement on the tables of a log in this database.
fn as_postgres(sql: &str, bytes: &[Vec<u8>]) -> String {
    let mut sql = sql.replace(" WHERE ", " WHERE log = LOG AND ");
    for verb in ["UPDATE ", "DELETE FROM "] {
        if let Some(rest) = sql.strip_prefix(verb) {
            sql = format!("{verb}secure_log.{rest}");
        }
    }
    for bytes in bytes {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        sql = sql.replacen('?', &format!("'\\x{digits}'"), 1);
    }
    sql
}
