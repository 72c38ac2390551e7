//! Loading a whole log, part by part, each in a transaction.
//!
//! What makes the tables a log is its id in the table `log`. While one is loaded, its line waits there, and becomes that id with
//! the last part.

use secure_log::store::{Commit, StoreError};
use secure_log_sql::line;

use crate::failure::Failed;
use crate::insert::{End, Known};
use crate::pending::Pending;
use crate::row::Octets;
use crate::tables::Tables;

/// No part of a load is looked for by who sent it.
const NO_ATTEMPT: Octets<16> = Octets([0; 16]);

impl Tables<'_> {
    /// See [`secure_log::store::SecureLogStore::load`]. Within a transaction.
    pub(crate) fn load_rows(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), Failed> {
        if self.read_log()?.is_some() {
            return Err(self.conflict()?);
        }
        if after == 0 {
            self.drop_loaded()?;
        }
        let pending = Pending::of(rows)?;
        let end = self.look_at_end(&pending)?;
        if end.place != after {
            let detail = format!("{} records of it are here, and not {after}", end.place);
            return Err(StoreError::Io { operation: "go on with a load".into(), detail }.into());
        }
        if rows.records().len() > 0 {
            self.append_part(end, &pending)?;
        }
        if done { self.finish_load() } else { Ok(()) }
    }

    fn append_part(&mut self, end: End, pending: &Pending<'_>) -> Result<(), Failed> {
        let log = self.log;
        let written = self.rows_behind(end, pending, true)?;
        self.connection.send(&written.calls(&log, &NO_ATTEMPT))?;
        *self.known = written.known;
        Ok(())
    }

    fn drop_loaded(&mut self) -> Result<(), Failed> {
        *self.known = Known::default();
        self.cut(0, 0, 0)?;
        self.run("UPDATE secure_log.log SET loading = NULL WHERE number = $1", &[]).map(drop)
    }

    fn finish_load(&mut self) -> Result<(), Failed> {
        let sql = "SELECT loading FROM secure_log.log WHERE number = $1";
        let line = self.one("log", sql, &[], |row| Ok(row.optional_text(0)?.unwrap_or_default().to_owned()))?;
        let Some(row) = line::log_row(&line.unwrap_or_default()) else {
            let detail = "no log is being loaded".into();
            return Err(StoreError::Corrupt { at: "table log".into(), detail }.into());
        };
        let sql = "UPDATE secure_log.log SET id = $2, origin = $3, created = $4, loading = NULL WHERE number = $1";
        self.run(sql, &[&&row.id[..], &row.origin, &row.created])?;
        *self.known = Known::default();
        Ok(())
    }
}
