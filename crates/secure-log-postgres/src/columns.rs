//! The columns that entries are found by, computed of the entries again.

use secure_log_sql::bound;
use secure_log_sql::columns::Columns;

use crate::failure::Failed;
use crate::tables::Tables;

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
            let Some(columns) = Columns::of(bytes.as_deref()) else { continue };
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
