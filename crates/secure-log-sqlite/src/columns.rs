//! The columns that entries are found by, computed of the entries again.

use secure_log::store::StoreError;
use secure_log_sql::columns::Columns;

use crate::database::{Database, Value};
use crate::row::bound;
use crate::store::SqliteStore;

/// Entries whose columns are computed at once.
const PAGE: u64 = 256;

impl<D: Database> SqliteStore<D> {
    /// Computes the columns of all entries, and writes those that are others.
    pub(crate) fn rebuild_columns(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let mut page: Vec<(u64, Option<Vec<u8>>)> = Vec::new();
            let sql = "SELECT seqno, bytes FROM entry WHERE seqno > ? ORDER BY seqno LIMIT ?";
            self.each("entry", sql, &[bound(after), bound(PAGE)], |row| {
                page.push((row.number(0)?, row.optional_blob(1)?.map(<[u8]>::to_vec)));
                Ok(())
            })?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (seqno, bytes) in &page {
                self.rebuild_columns_of(*seqno, bytes.as_deref())?;
            }
        }
    }

    fn rebuild_columns_of(&mut self, seqno: u64, bytes: Option<&[u8]>) -> Result<(), StoreError> {
        let Some(columns) = Columns::of(bytes) else { return Ok(()) };
        let integer = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
        let mut values = vec![bound(seqno), integer(columns.time), integer(columns.severity)];
        for word in columns.words {
            values.push(integer(word.map(|word| self.word(word)).transpose()?));
        }
        let sql = "UPDATE entry SET time = ?2, severity = ?3, event = ?4, producer = ?5, session = ?6 WHERE seqno = ?1
            AND (time, severity, event, producer, session) IS NOT (?2, ?3, ?4, ?5, ?6)";
        self.run(sql, &values).map(|_| ())
    }
}
