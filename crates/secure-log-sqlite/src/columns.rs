//! The columns that entries are found by. No hash covers them: they are what the entry says, and can be computed of it again.

use secure_log::entry::{EntryRef, Severity};
use secure_log::record::Record;
use secure_log::store::StoreError;

use crate::database::{Database, Value};
use crate::insert::micros;
use crate::row::{Row, bound};
use crate::store::SqliteStore;

/// What an entry says in these columns: nothing once it is pruned.
#[derive(PartialEq)]
struct Columns<'e> {
    time: Option<i64>,
    severity: Option<i64>,
    /// Event type, producer and session.
    words: [Option<&'e str>; 3],
}

impl<'e> Columns<'e> {
    const NONE: Columns<'static> = Columns { time: None, severity: None, words: [None; 3] };

    fn of(entry: &EntryRef<'e>) -> Columns<'e> {
        Columns {
            time: entry.time.parse().ok().map(micros),
            severity: entry.severity.parse::<Severity>().ok().map(|severity| severity as i64),
            words: [entry.event, entry.producer, entry.session].map(Some),
        }
    }
}

/// Whoever reads all records finds out whether somebody has edited a column: those of this row begin at `at`, with words as texts.
pub(crate) fn check_columns(row: &Row<'_>, record: &Record<'_>, at: usize) -> Result<(), StoreError> {
    let word = |place: usize| row.optional_text(at + 2 + place);
    let found = Columns {
        time: row.optional_integer(at)?,
        severity: row.optional_integer(at + 1)?,
        words: [word(0)?, word(1)?, word(2)?],
    };
    let said = match record {
        Record::Entry(row) => match EntryRef::decode(row.bytes) {
            Ok(entry) => Columns::of(&entry),
            // Bytes that are no entry the verifier judges.
            Err(_) => return Ok(()),
        },
        _ => Columns::NONE,
    };
    if found == said {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        at: format!("entry {} in table entry", row.number(0)?),
        detail: "a column that it is found by is not what the entry says: no hash covers it, and reindex makes it anew"
            .into(),
    })
}

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
        let columns = match bytes.map(EntryRef::decode) {
            Some(Ok(entry)) => Columns::of(&entry),
            Some(Err(_)) => return Ok(()),
            None => Columns::NONE,
        };
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
