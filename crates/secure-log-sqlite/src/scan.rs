//! Reading all records in the order in which they were committed.
//!
//! A head ends a commit, and knows its place. What else is no entry has one in the table `record`, and the entries of the
//! commit fill the places that are left.

use secure_log::record::{HeadRow, Record};
use secure_log::store::StoreError;
use secure_log_sql::columns;
use secure_log_sql::record::{content_of, data_key, entry, head, segment, signature, stream, witness};
use secure_log_sql::tables::{kind, missing, nothing_named};

use crate::database::{Database, Value};
use crate::row::{Row, bound};
use crate::store::SqliteStore;

/// Where a scan is: so many records were passed, and this entry is the next one.
struct Position {
    place: u64,
    seqno: u64,
    /// Bytes that may still be shown.
    left: usize,
}

impl Position {
    /// Goes on behind the record at this place, which is no entry.
    fn pass(&mut self, place: u64) {
        self.place = place;
        self.left = self.left.saturating_sub(256);
    }
}

impl<D: Database> SqliteStore<D> {
    /// See [`secure_log::store::SecureLogStore::scan`]. The cursor is how many records were passed.
    pub(crate) fn scan_from(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let end = self.end()?;
        if cursor >= end.place {
            return Ok(None);
        }
        let mut number = self.commit_behind(cursor, end.heads)?;
        let seqno = self.next_seqno(number, cursor)?;
        let mut at = Position { place: cursor, seqno, left: max_bytes.max(1) };
        while at.left > 0 && at.place < end.place {
            let (place, head) = self.numbered_head(number)?;
            if place <= at.place {
                let detail = format!("head {number} stands before what it is the head of");
                return Err(StoreError::Corrupt { at: "table head".into(), detail });
            }
            self.scan_commit(&mut at, place, visit)?;
            if at.left > 0 {
                visit(Record::Head(&head));
                at.pass(place);
                number += 1;
            }
        }
        Ok((at.place < end.place).then_some(at.place))
    }

    /// The number of the first head behind so many records. Heads are dense, and each stands behind the one before it, so that
    /// it is found by halving and needs no index.
    fn commit_behind(&mut self, cursor: u64, heads: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (1, heads);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.numbered_head(middle)?.0 > cursor { high = middle } else { low = middle + 1 }
        }
        Ok(high)
    }

    /// The first entry behind so many records, which end in the commit of this head.
    fn next_seqno(&mut self, number: u64, cursor: u64) -> Result<u64, StoreError> {
        let (place, size) = match number {
            0 | 1 => (0, 0),
            _ => self.numbered_head(number - 1).map(|(place, head)| (place, head.size))?,
        };
        let sql = "SELECT count(*) FROM record WHERE place > ? AND place <= ?";
        let others = self.one("record", sql, &[bound(place), bound(cursor)], |row| row.number(0))?.unwrap_or(0);
        Ok(size.saturating_add(cursor.saturating_sub(place).saturating_sub(others)).saturating_add(1))
    }

    /// A head and its place.
    fn numbered_head(&mut self, number: u64) -> Result<(u64, HeadRow), StoreError> {
        let sql = "SELECT place, size, root, sigs FROM head WHERE number = ?";
        self.one("head", sql, &[bound(number)], |row| Ok((row.number(0)?, head(&row, 1)?)))?
            .ok_or_else(|| missing("the head with number", number))
    }

    /// Shows what stands before the head at this place.
    fn scan_commit(
        &mut self,
        at: &mut Position,
        head: u64,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), StoreError> {
        while at.left > 0 {
            let sql = "SELECT place, kind, id FROM record WHERE place > ? AND place < ? ORDER BY place LIMIT 1";
            let next = self.one("record", sql, &[bound(at.place), bound(head)], |row| {
                Ok((row.number(0)?, row.integer(1)?, row.number(2)?))
            })?;
            let Some((place, kind, id)) = next else { return self.scan_entries(at, head - 1, visit) };
            self.scan_entries(at, place - 1, visit)?;
            if at.left > 0 {
                self.scan_other(kind, id, visit)?;
                at.pass(place);
            }
        }
        Ok(())
    }

    /// Shows the entries up to this place.
    fn scan_entries(
        &mut self,
        at: &mut Position,
        last: u64,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), StoreError> {
        let sql = "SELECT e.seqno, s.name, e.hash, e.bytes, e.time, e.severity, v.value, p.value, w.value
            FROM entry e JOIN stream s ON s.number = e.stream
            LEFT JOIN word v ON v.id = e.event LEFT JOIN word p ON p.id = e.producer LEFT JOIN word w ON w.id = e.session
            WHERE e.seqno >= ? ORDER BY e.seqno LIMIT ?";
        let values = [bound(at.seqno), bound(last.saturating_sub(at.place))];
        self.each_while("entry", sql, &values, |row| {
            if row.number(0)? != at.seqno {
                return Err(missing("the entry with seqno", at.seqno));
            }
            let record = entry(&row, row.text(1)?)?;
            columns::check(&row, &record, 4)?;
            let weight = 64 + content_of(&record);
            visit(record);
            (at.place, at.seqno) = (at.place + 1, at.seqno + 1);
            at.left = at.left.saturating_sub(weight);
            Ok(at.left > 0)
        })?;
        if at.left > 0 && at.place < last { Err(missing("the entry with seqno", at.seqno)) } else { Ok(()) }
    }

    /// Shows a record that is no entry.
    #[allow(clippy::redundant_closure, reason = "rows have a lifetime each, and the functions are of one of them")]
    fn scan_other(&mut self, kind: i64, id: u64, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        let id = [bound(id)];
        let found = match kind {
            kind::LOG => self.read_log()?.map(|row| visit(Record::Log(&row))),
            kind::STREAM => {
                let sql = "SELECT s.name, r.tier, r.suite, r.key, r.sign, r.description, r.created, r.deprecated
                    FROM stream_rules r JOIN stream s ON s.number = r.stream WHERE r.id = ?";
                self.shown(
                    "stream_rules",
                    sql,
                    &id,
                    |row| stream(row, row.text(0)?, 1),
                    |row| visit(Record::Stream(row)),
                )?
            }
            // One that was dropped is passed over, and so is a witness's answer.
            kind::DATA_KEY => {
                let sql = "SELECT k.name, s.name, k.first, k.kek, k.alg, k.wrapped, k.created
                    FROM data_key k JOIN stream s ON s.number = k.stream WHERE k.id = ?";
                self.shown("data_key", sql, &id, |row| data_key(row), |row| visit(Record::DataKey(row)))?.or(Some(()))
            }
            kind::SIGNATURE => {
                let sql = "SELECT kind, subject, identity, alg, key, sig FROM signature WHERE id = ?";
                self.shown("signature", sql, &id, |row| signature(row), |row| visit(Record::Signature(row)))?
            }
            kind::SEGMENT => {
                let sql = "SELECT g.id, s.name, g.first, g.last, g.count, g.root, g.last_hash, g.prev, g.boot,
                        g.session, g.policy, g.closed
                    FROM segment g JOIN stream s ON s.number = g.stream WHERE g.id = ?";
                self.shown("segment", sql, &id, |row| segment(row), |row| visit(Record::Segment(row)))?
            }
            kind::WITNESS => {
                let sql = "SELECT size, name, at, outcome, detail FROM witness WHERE id = ?";
                self.shown("witness", sql, &id, |row| witness(row), |row| visit(Record::Witness(row)))?.or(Some(()))
            }
            _ => None,
        };
        found.ok_or_else(nothing_named)
    }

    fn shown<T>(
        &mut self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
        show: impl FnOnce(&T),
    ) -> Result<Option<()>, StoreError> {
        Ok(self.one(table, sql, values, |row| read(&row))?.map(|row| show(&row)))
    }
}
