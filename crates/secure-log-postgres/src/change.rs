//! The few operations that take something out of the tables. Each is part of a transaction, and may be done twice.

use std::collections::HashSet;

use secure_log::entry::EntryRef;
use secure_log::hash::Hash;
use secure_log::index;
use secure_log::record::{DataKeyRow, WitnessRow};
use secure_log::store::StoreError;
use secure_log_sql::tables::kind;
use secure_log_sql::{bound, line};

use crate::failure::Failed;
use crate::read::PAGE_BYTES;
use crate::row::Octets;
use crate::scan::Position;
use crate::tables::Tables;

/// Rows that are read before what came of them is written.
pub(crate) const PAGE: u32 = 1024;

impl Tables<'_> {
    pub(crate) fn prune_streams(&mut self, up_to: &[(&str, u64)]) -> Result<u64, Failed> {
        up_to.iter().try_fold(0, |pruned, (stream, last)| Ok(pruned + self.prune_stream(stream, *last)?))
    }

    fn prune_stream(&mut self, stream: &str, last: u64) -> Result<u64, Failed> {
        let Some(number) = self.stream_number(stream)? else { return Ok(0) };
        let (mut from, mut pruned) = (0, 0);
        loop {
            let sql = "SELECT p.seqno, p.bytes FROM (
                    SELECT e.*, CAST(sum(octet_length(e.bytes)) OVER (ORDER BY e.seqno) AS BIGINT) AS total
                    FROM (SELECT seqno, bytes FROM secure_log.entry
                        WHERE log = $1 AND stream = $2 AND seqno > $3 AND seqno <= $4 AND bytes IS NOT NULL
                        ORDER BY seqno LIMIT $5) e
                ) p WHERE p.total - octet_length(p.bytes) < $6 ORDER BY p.seqno";
            let found = self.all(
                "entry",
                sql,
                &[&number, &bound(from), &bound(last), &bound(PAGE.into()), &PAGE_BYTES],
                |row| {
                    let seqno = row.number(0)?;
                    let damaged = |detail| StoreError::Corrupt { at: format!("seqno {seqno}"), detail };
                    let entry = EntryRef::decode(row.blob(1)?).map_err(|error| damaged(error.to_string()))?;
                    let keys: Vec<_> = index::keys(entry.encoding, entry.payload).collect();
                    Ok((seqno, entry.is_control(), keys))
                },
            )?;
            let Some((read, ..)) = found.last() else { return Ok(pruned) };
            from = *read;
            let producers = || found.iter().filter(|(_, control, _)| !control);
            let gone: Vec<i64> = producers().map(|(seqno, ..)| bound(*seqno)).collect();
            let (mut keys, mut seqnos) = (Vec::new(), Vec::new());
            for (seqno, _, of_entry) in producers() {
                for key in of_entry {
                    keys.push(Octets(key.0));
                    seqnos.push(bound(*seqno));
                }
            }
            let sql = "DELETE FROM secure_log.entry_key WHERE log = $1 AND (key, seqno) IN
                (SELECT u.key, u.seqno FROM unnest($2::BYTEA[], $3::BIGINT[]) AS u (key, seqno))";
            self.run(sql, &[&keys, &seqnos])?;
            let sql =
                "UPDATE secure_log.entry SET bytes = NULL, time = NULL, severity = NULL, event = NULL, producer = NULL,
                session = NULL WHERE log = $1 AND seqno = ANY($2)";
            pruned += self.run(sql, &[&gone])?;
        }
    }

    pub(crate) fn drop_keys(&mut self, ids: &[Hash]) -> Result<(), Failed> {
        let names: Vec<_> = ids.iter().map(|id| Octets(id.0)).collect();
        self.run("DELETE FROM secure_log.data_key WHERE log = $1 AND name = ANY($2)", &[&names]).map(drop)
    }

    pub(crate) fn replace_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), Failed> {
        let sql = "UPDATE secure_log.data_key SET kek = $2, alg = $3, wrapped = $4, created = $5, first = $6
            WHERE log = $1 AND name = $7
                AND stream = (SELECT s.number FROM secure_log.stream s WHERE s.log = $1 AND s.name = $8)";
        for row in rows {
            let (first, name) = (bound(row.first), Octets(row.id.0));
            self.run(sql, &[&row.kek, &row.alg, &row.wrapped, &row.created, &first, &name, &row.stream])?;
        }
        Ok(())
    }

    /// The rows are found by reading the table from its end, as no index has what they say.
    pub(crate) fn drop_witness_rows(&mut self, rows: &[WitnessRow]) -> Result<(), Failed> {
        let gone: HashSet<&WitnessRow> = rows.iter().collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut below = None;
        loop {
            let page = self.read_witnesses(below, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            below = Some(last.number);
            let dropped = page.iter().filter(|witness| gone.contains(&witness.row));
            let numbers: Vec<i64> = dropped.map(|witness| bound(witness.number)).collect();
            self.run("DELETE FROM secure_log.witness WHERE log = $1 AND id = ANY($2)", &[&numbers])?;
        }
    }

    /// `None` where there is no such head.
    pub(crate) fn set_records_aside(&mut self, after_head: u64) -> Result<String, Failed> {
        let sql = "SELECT place, size FROM secure_log.head WHERE log = $1 AND number = $2";
        let kept = self.one("head", sql, &[&bound(after_head)], |row| Ok((row.number(0)?, row.number(1)?)))?;
        let Some((place, size)) = kept else {
            let detail = format!("there is no head {after_head}");
            return Err(StoreError::Io { operation: "set records aside".into(), detail }.into());
        };
        let sql = "SELECT max(part) FROM secure_log.aside WHERE log = $1";
        let last = self.one("aside", sql, &[], |row| row.optional_number(0))?.flatten().unwrap_or(0);
        // Where nothing is left to be set aside it was done, and nobody heard of it.
        let part = if self.copy_aside(place, last + 1)? { last + 1 } else { last.max(1) };
        self.cut(after_head, place, size)?;
        Ok(format!("table secure_log.aside of the database, log {}, part {part}", self.log))
    }

    /// Keeps the records behind this place as lines, if there are any.
    fn copy_aside(&mut self, place: u64, part: u64) -> Result<bool, Failed> {
        let (mut cursor, mut number) = (Some(place), 0);
        while let Some(from) = cursor {
            let mut lines = Vec::new();
            let mut failed = None;
            let mut at = Position { place: from, left: PAGE_BYTES as usize };
            cursor = self.scan_from(&mut at, &mut |record| match line::of(&record) {
                Ok(line) => lines.push(line),
                Err(error) => failed = Some(error),
            })?;
            if let Some(error) = failed {
                let at = "a record that is set aside".into();
                return Err(StoreError::Corrupt { at, detail: error.to_string() }.into());
            }
            let numbers: Vec<i64> = (number..).take(lines.len()).collect();
            number += lines.len() as i64;
            let sql = "INSERT INTO secure_log.aside (log, part, line, record)
                SELECT $1::BIGINT, $2::BIGINT, u.line, u.record FROM unnest($3::BIGINT[], $4::TEXT[]) AS u (line, record)";
            self.run(sql, &[&bound(part), &numbers, &lines])?;
        }
        Ok(number > 0)
    }

    /// Takes out what stands behind this head.
    pub(crate) fn cut(&mut self, head: u64, place: u64, size: u64) -> Result<(), Failed> {
        let sql = "SELECT max(id) FROM secure_log.record WHERE log = $1 AND kind = $2 AND place <= $3";
        let segments = self.one("record", sql, &[&kind::SEGMENT, &bound(place)], |row| row.optional_number(0))?;
        let segments = segments.flatten().unwrap_or(0);
        for (sql, from) in [
            ("DELETE FROM secure_log.entry WHERE log = $1 AND seqno > $2", size),
            ("DELETE FROM secure_log.waypoint WHERE log = $1 AND seqno > $2", size),
            ("DELETE FROM secure_log.entry_key WHERE log = $1 AND seqno > $2", size),
            (
                "DELETE FROM secure_log.node WHERE log = $1 AND tree = 0 AND at >= ($2::BIGINT >> CAST(level AS INTEGER))",
                size,
            ),
            ("DELETE FROM secure_log.node WHERE log = $1 AND tree > $2", segments),
            ("DELETE FROM secure_log.segment WHERE log = $1 AND id > $2", segments),
            ("DELETE FROM secure_log.signature WHERE log = $1 AND id > $2", place),
            ("DELETE FROM secure_log.data_key WHERE log = $1 AND id > $2", place),
            ("DELETE FROM secure_log.witness WHERE log = $1 AND id > $2", place),
            ("DELETE FROM secure_log.stream_rules WHERE log = $1 AND id > $2", place),
            ("DELETE FROM secure_log.record WHERE log = $1 AND place > $2", place),
            ("DELETE FROM secure_log.head WHERE log = $1 AND number > $2", head),
            // The first record of a stream made it.
            (
                "DELETE FROM secure_log.stream WHERE log = $1 AND rules > $2 AND NOT EXISTS
                    (SELECT 1 FROM secure_log.stream_rules r WHERE r.log = $1 AND r.stream = secure_log.stream.number)",
                place,
            ),
            (
                "UPDATE secure_log.stream SET rules = (SELECT max(r.id) FROM secure_log.stream_rules r
                    WHERE r.log = $1 AND r.stream = secure_log.stream.number) WHERE log = $1 AND rules > $2",
                place,
            ),
        ] {
            self.run(sql, &[&bound(from)])?;
        }
        Ok(())
    }
}
