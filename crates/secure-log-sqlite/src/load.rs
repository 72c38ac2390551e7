//! Loading a whole log, part by part, each in a transaction.
//!
//! What makes the tables a log is the row in the table `log`. While one is loaded, its line waits in the table `aside`, as part
//! 0, and becomes that row with the last part.

use secure_log::record::{LogRow, Record};
use secure_log::store::{Commit, StoreError};
use secure_log_sql::line;

use crate::database::{Database, Value};
use crate::store::SqliteStore;

impl<D: Database> SqliteStore<D> {
    pub(crate) fn load_rows(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        let count = rows.records().len();
        if !self.ready(count > 0)? {
            return Ok(());
        }
        self.transaction(|store| {
            if store.read_log()?.is_some() {
                return Err(store.conflict()?);
            }
            if after == 0 {
                store.drop_loaded()?;
            }
            let end = store.end()?;
            if end.place != after {
                let detail = format!("{} records of it are here, and not {after}", end.place);
                return Err(StoreError::Io { operation: "go on with a load".into(), detail });
            }
            if count > 0 {
                store.append(end, rows, true)?;
            }
            if done { store.finish_load() } else { Ok(()) }
        })
    }

    /// Whether there is a part of a log that was never loaded to its end.
    pub(crate) fn is_loading(&mut self) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM aside WHERE part = 0";
        Ok(self.one("aside", sql, &[], |row| row.integer(0))?.unwrap_or(0) > 0)
    }

    fn drop_loaded(&mut self) -> Result<(), StoreError> {
        self.run("INSERT INTO permit VALUES (?)", &[Value::Text("load")])?;
        self.cut(0, 0, 0)?;
        self.script("DELETE FROM aside WHERE part = 0; DELETE FROM permit")
    }

    /// The row of the log waits until it is whole.
    pub(crate) fn keep_log_row(&mut self, row: &LogRow) -> Result<(), StoreError> {
        let line = line::of(&Record::Log(row))
            .map_err(|error| StoreError::Corrupt { at: "the log record".into(), detail: error.to_string() })?;
        self.run("INSERT INTO aside (part, line) VALUES (0, ?)", &[Value::Text(&line)]).map(drop)
    }

    fn finish_load(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT line FROM aside WHERE part = 0";
        let line = self.one("aside", sql, &[], |row| Ok(row.text(0)?.to_owned()))?.unwrap_or_default();
        let Some(row) = line::log_row(&line) else {
            return Err(StoreError::Corrupt { at: "table aside".into(), detail: "no log is being loaded".into() });
        };
        let values = [Value::Blob(&row.id), Value::Text(&row.origin), Value::Text(&row.created)];
        self.run("INSERT INTO log VALUES (?, ?, ?)", &values)?;
        self.script("DELETE FROM aside WHERE part = 0")
    }
}
