//! The columns that entries are found by. No hash covers them: they are what the entry says, and can be computed of it again.

use secure_log::entry::{EntryRef, Severity};
use secure_log::record::Record;
use secure_log::store::StoreError;

use crate::failure::Failed;
use crate::pending::micros;
use crate::row::{Row, bound};
use crate::tables::Tables;

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

/// Writes the columns of entries that have others.
const UPDATE: &str = "UPDATE secure_log.entry AS e
    SET time = u.time, severity = u.severity, event = u.event, producer = u.producer, session = u.session
    FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[])
        AS u (seqno, time, severity, event, producer, session)
    WHERE e.log = $1 AND e.seqno = u.seqno AND (e.time IS DISTINCT FROM u.time OR e.severity IS DISTINCT FROM u.severity
        OR e.event IS DISTINCT FROM u.event OR e.producer IS DISTINCT FROM u.producer
        OR e.session IS DISTINCT FROM u.session)";

impl Tables<'_> {
    /// Computes the columns of these entries, and writes those that are others.
    pub(crate) fn rebuild_columns(&mut self, page: &[(u64, Option<Vec<u8>>)]) -> Result<(), Failed> {
        let (mut seqnos, mut times, mut severities) = (Vec::new(), Vec::new(), Vec::new());
        let mut words: [Vec<Option<i64>>; 3] = Default::default();
        for (seqno, bytes) in page {
            let columns = match bytes.as_deref().map(EntryRef::decode) {
                Some(Ok(entry)) => Columns::of(&entry),
                Some(Err(_)) => continue,
                None => Columns::NONE,
            };
            seqnos.push(bound(*seqno));
            times.push(columns.time);
            severities.push(columns.severity);
            for (column, word) in words.iter_mut().zip(columns.words) {
                column.push(word.map(|word| self.word(word)).transpose()?);
            }
        }
        let [events, producers, sessions] = &words;
        self.run(UPDATE, &[&seqnos, &times, &severities, events, producers, sessions]).map(drop)
    }

    /// The number that stands for a word, which is made where there is none.
    fn word(&mut self, word: &str) -> Result<i64, Failed> {
        if let Some(id) = self.known.words.get(word) {
            return Ok(*id);
        }
        let id = match self.find_word(word)? {
            Some(id) => id,
            None => {
                let sql = "SELECT max(id) FROM secure_log.word WHERE log = $1";
                let largest = self.one("word", sql, &[], |row| row.optional_integer(0))?.flatten();
                let id = largest.unwrap_or(0).saturating_add(1);
                self.run("INSERT INTO secure_log.word (log, id, value) VALUES ($1, $2, $3)", &[&id, &word])?;
                id
            }
        };
        self.known.words.insert(word.into(), id);
        Ok(id)
    }

    pub(crate) fn find_word(&mut self, word: &str) -> Result<Option<i64>, Failed> {
        let sql = "SELECT id FROM secure_log.word WHERE log = $1 AND value = $2";
        self.one("word", sql, &[&word], |row| row.integer(0))
    }
}
