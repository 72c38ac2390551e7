//! Finding what a commit has put into the tables.

use secure_log::hash::Hash;
use secure_log::index::{IndexKey, IndexRow};
use secure_log::record::{DataKeyRow, LogRow, Record, SegmentRow, SignatureRow, Subject};
use secure_log::store::{
    EntryRange, Expected, IndexRange, NumberedHead, NumberedWitness, StoreError, StreamState, TreeId,
};
use secure_log_sql::record::{data_key, entry, head, log, segment, signature, state, witness};
use secure_log_sql::tables::{BLOCK, subject};

use crate::database::{Database, Value};
use crate::row::{Row, bound};
use crate::store::SqliteStore;

/// Streams and where their entries are, each found at an end of an index.
macro_rules! states {
    ($which:literal) => {
        concat!(
            "SELECT s.number, s.name,
                (SELECT min(seqno) FROM entry WHERE stream = s.number),
                (SELECT max(seqno) FROM entry WHERE stream = s.number),
                (SELECT id FROM segment WHERE stream = s.number ORDER BY last DESC LIMIT 1),
                r.tier, r.suite, r.key, r.sign, r.description, r.created, r.deprecated
            FROM stream s JOIN stream_rules r ON r.id = s.rules ",
            $which
        )
    };
}

/// Where the log ends: under the last head.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct End {
    pub(crate) heads: u64,
    /// Records.
    pub(crate) place: u64,
    /// Entries.
    pub(crate) size: u64,
    /// Root of the log tree; of no meaning where there is no head.
    pub(crate) root: Option<Hash>,
    /// Closed segments.
    pub(crate) segments: u64,
}

impl End {
    /// What a commit has to expect.
    pub(crate) fn expected(&self) -> Option<Expected> {
        self.root.map(|root| Expected { size: self.size, root, segments: self.segments })
    }
}

impl<D: Database> SqliteStore<D> {
    pub(crate) fn read_log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.one("log", "SELECT id, origin, created FROM log", &[], |row| log(&row))
    }

    /// The last head. A transaction leaves nothing behind it, so whatever stands there was put there, or lost its head.
    pub(crate) fn end(&mut self) -> Result<End, StoreError> {
        let sql = "SELECT (SELECT max(seqno) FROM entry), (SELECT max(place) FROM record),
                (SELECT max(id) FROM segment), h.number, h.place, h.size, h.root
            FROM (SELECT max(number) AS newest FROM head) LEFT JOIN head h ON h.number = newest";
        let found = self.one("head", sql, &[], |row| {
            let (seqno, place) = (row.optional_number(0)?.unwrap_or(0), row.optional_number(1)?.unwrap_or(0));
            let mut end = End { segments: row.optional_number(2)?.unwrap_or(0), ..End::default() };
            if row.optional_number(3)?.is_some() {
                (end.heads, end.place, end.size) = (row.number(3)?, row.number(4)?, row.number(5)?);
                end.root = Some(row.hash(6)?);
            }
            Ok((seqno, place, end))
        })?;
        let (seqno, place, end) = found.unwrap_or_default();
        if seqno > end.size || place > end.place {
            let detail = format!("there are rows behind the last head, which has size {}", end.size);
            return Err(StoreError::Corrupt { at: "the end of the tables".into(), detail });
        }
        Ok(end)
    }

    pub(crate) fn newest_heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        let sql = "SELECT number, size, root, sigs FROM head WHERE number < ? ORDER BY number DESC LIMIT ?";
        let values = [bound(below.unwrap_or(u64::MAX)), bound(limit.into())];
        self.all("head", sql, &values, |row| Ok(NumberedHead { number: row.number(0)?, head: head(&row, 1)? }))
    }

    pub(crate) fn read_indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        let sql = match range.newest_first {
            false => "SELECT seqno FROM entry_key WHERE key = ? AND seqno >= ? AND seqno <= ? ORDER BY seqno LIMIT ?",
            true => {
                "SELECT seqno FROM entry_key WHERE key = ? AND seqno >= ? AND seqno <= ? ORDER BY seqno DESC LIMIT ?"
            }
        };
        let values = [Value::Blob(&range.key.0), bound(range.from), bound(range.to), bound(range.limit.into())];
        self.all("entry_key", sql, &values, |row| row.number(0))
    }

    pub(crate) fn read_index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        let read = |row: Row<'_>| Ok(IndexRow { key: IndexKey(row.bytes(0)?), seqno: row.number(1)? });
        match after {
            None => {
                let sql = "SELECT key, seqno FROM entry_key ORDER BY key, seqno LIMIT ?";
                self.all("entry_key", sql, &[bound(limit.into())], read)
            }
            Some(after) => {
                let sql = "SELECT key, seqno FROM entry_key WHERE (key, seqno) > (?, ?) ORDER BY key, seqno LIMIT ?";
                let values = [Value::Blob(&after.key.0), bound(after.seqno), bound(limit.into())];
                self.all("entry_key", sql, &values, read)
            }
        }
    }

    pub(crate) fn closed_segments(&mut self) -> Result<u64, StoreError> {
        Ok(self
            .one("segment", "SELECT max(id) FROM segment", &[], |row| row.optional_number(0))?
            .flatten()
            .unwrap_or(0))
    }

    pub(crate) fn read_entries(
        &mut self,
        range: EntryRange<'_>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), StoreError> {
        let (from, to, limit) = (bound(range.from), bound(range.to), bound(range.limit.into()));
        match range.stream {
            None => {
                let sql = "SELECT e.seqno, s.name, e.hash, e.bytes FROM entry e JOIN stream s ON s.number = e.stream
                    WHERE e.seqno BETWEEN ? AND ? ORDER BY e.seqno LIMIT ?";
                self.each("entry", sql, &[from, to, limit], |row| {
                    visit(entry(&row, row.text(1)?)?);
                    Ok(())
                })
            }
            Some(name) => {
                let Some(number) = self.stream_number(name)? else { return Ok(()) };
                let sql = "SELECT seqno, NULL, hash, bytes FROM entry
                    WHERE stream = ? AND seqno BETWEEN ? AND ? ORDER BY seqno LIMIT ?";
                self.each("entry", sql, &[Value::Integer(number), from, to, limit], |row| {
                    visit(entry(&row, name)?);
                    Ok(())
                })
            }
        }
    }

    pub(crate) fn read_hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        match tree {
            TreeId::Log => {
                let sql = "SELECT hash FROM entry WHERE seqno > ? ORDER BY seqno LIMIT ?";
                self.all("entry", sql, &[bound(first), bound(count.into())], |row| row.hash(0))
            }
            TreeId::Segment(id) => {
                let sql = "SELECT stream, last, ordinal FROM segment WHERE id = ?";
                let found = self
                    .one("segment", sql, &[bound(id)], |row| Ok((row.integer(0)?, row.number(1)?, row.number(2)?)))?;
                let Some((stream, last, ordinal)) = found else { return Ok(Vec::new()) };
                let Some(from) = ordinal.checked_add(first) else { return Ok(Vec::new()) };
                let sql = "SELECT seqno FROM waypoint WHERE stream = ? AND block = ?";
                let values = [Value::Integer(stream), bound(from / BLOCK)];
                let Some(near) = self.one("waypoint", sql, &values, |row| row.number(0))? else {
                    return Ok(Vec::new());
                };
                let sql = "SELECT hash FROM entry WHERE stream = ? AND seqno BETWEEN ? AND ?
                    ORDER BY seqno LIMIT ? OFFSET ?";
                let values =
                    [Value::Integer(stream), bound(near), bound(last), bound(count.into()), bound(from % BLOCK)];
                self.all("entry", sql, &values, |row| row.hash(0))
            }
        }
    }

    pub(crate) fn stream_number(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        self.one("stream", "SELECT number FROM stream WHERE name = ?", &[Value::Text(name)], |row| row.integer(0))
    }

    pub(crate) fn has_any<'n>(&mut self, mut names: impl Iterator<Item = &'n str>) -> Result<bool, StoreError> {
        names.try_fold(false, |found, name| Ok(found || self.stream_number(name)?.is_some()))
    }

    pub(crate) fn read_stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.one("stream", states!("WHERE s.name = ?"), &[Value::Text(name)], |row| state(&row))
    }

    pub(crate) fn read_streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        let sql = states!("WHERE s.number > ? ORDER BY s.number LIMIT ?");
        self.all("stream", sql, &[bound(after), bound(limit.into())], |row| state(&row))
    }

    pub(crate) fn read_segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        let sql = "SELECT g.id, s.name, g.first, g.last, g.count, g.root, g.last_hash, g.prev, g.boot, g.session,
                g.policy, g.closed
            FROM segment g JOIN stream s ON s.number = g.stream WHERE g.id = ?";
        self.one("segment", sql, &[bound(id)], |row| segment(&row))
    }

    pub(crate) fn read_segments(
        &mut self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<SegmentRow>, StoreError> {
        let sql = "SELECT g.id, s.name, g.first, g.last, g.count, g.root, g.last_hash, g.prev, g.boot, g.session,
                g.policy, g.closed
            FROM segment g JOIN stream s ON s.number = g.stream
            WHERE s.name = ? AND g.id > ? ORDER BY g.id LIMIT ?";
        self.all("segment", sql, &[Value::Text(stream), bound(after), bound(limit.into())], |row| segment(&row))
    }

    pub(crate) fn find_segment(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        let sql = "SELECT g.id, s.name, g.first, g.last, g.count, g.root, g.last_hash, g.prev, g.boot, g.session,
                g.policy, g.closed
            FROM segment g JOIN stream s ON s.number = g.stream
            WHERE s.name = ? AND g.last >= ? ORDER BY g.last LIMIT 1";
        let found = self.one("segment", sql, &[Value::Text(stream), bound(seqno)], |row| segment(&row))?;
        Ok(found.filter(|row| (row.first..=row.last).contains(&seqno)))
    }

    pub(crate) fn find_leaf(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT e.stream, g.ordinal FROM segment g JOIN entry e ON e.stream = g.stream
            WHERE g.id = ?1 AND e.seqno = ?2 AND ?2 BETWEEN g.first AND g.last";
        let found =
            self.one("segment", sql, &[bound(segment), bound(seqno)], |row| Ok((row.integer(0)?, row.number(1)?)))?;
        let Some((stream, first)) = found else { return Ok(None) };
        Ok(self.ordinal(stream, seqno)?.checked_sub(first))
    }

    /// How many entries of the stream stand before this seqno.
    pub(crate) fn ordinal(&mut self, stream: i64, seqno: u64) -> Result<u64, StoreError> {
        let sql = "SELECT block, seqno FROM waypoint WHERE stream = ? AND seqno <= ? ORDER BY seqno DESC LIMIT 1";
        let near = self.one("waypoint", sql, &[Value::Integer(stream), bound(seqno)], |row| {
            Ok((row.number(0)?, row.number(1)?))
        })?;
        let Some((block, near)) = near else { return Ok(0) };
        let sql = "SELECT count(*) FROM entry WHERE stream = ? AND seqno >= ? AND seqno < ?";
        let values = [Value::Integer(stream), bound(near), bound(seqno)];
        let behind = self.one("entry", sql, &values, |row| row.number(0))?.unwrap_or(0);
        Ok(block.saturating_mul(BLOCK).saturating_add(behind))
    }

    pub(crate) fn read_signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        let (kind, number) = subject(of);
        let sql = "SELECT kind, subject, identity, alg, key, sig FROM signature
            WHERE kind = ? AND subject = ? ORDER BY id";
        self.all("signature", sql, &[Value::Integer(kind), bound(number)], |row| signature(&row))
    }

    pub(crate) fn read_data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        let sql = "SELECT k.name, s.name, k.first, k.kek, k.alg, k.wrapped, k.created
            FROM data_key k JOIN stream s ON s.number = k.stream WHERE s.name = ? ORDER BY k.id";
        self.all("data_key", sql, &[Value::Text(stream)], |row| data_key(&row))
    }

    /// The number of an answer is its place among the records.
    pub(crate) fn read_witnesses(
        &mut self,
        below: Option<u64>,
        limit: u32,
    ) -> Result<Vec<NumberedWitness>, StoreError> {
        let sql = "SELECT size, name, at, outcome, detail, id FROM witness WHERE id < ? ORDER BY id DESC LIMIT ?";
        let values = [bound(below.unwrap_or(u64::MAX)), bound(limit.into())];
        self.all("witness", sql, &values, |row| Ok(NumberedWitness { number: row.number(5)?, row: witness(&row)? }))
    }
}
