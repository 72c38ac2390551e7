//! Finding what a commit has put into the tables.

use secure_log::hash::Hash;
use secure_log::index::{IndexKey, IndexRow};
use secure_log::record::{DataKeyRow, LogRow, Record, SegmentRow, SignatureRow, Subject};
use secure_log::store::{EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, StreamState, TreeId};
use secure_log_sql::bound;
use secure_log_sql::record::{content_of, data_key, entry, head, log, segment, signature, state, witness};
use secure_log_sql::tables::{BLOCK, subject, tree_number};

use crate::failure::Failed;
use crate::row::{Cells, Octets, Row};
use crate::tables::{Tables, rows};

/// A page of entries: at most so many, and so many bytes and one entry.
const PAGE: u32 = 1024;
pub(crate) const PAGE_BYTES: i64 = 1 << 20;

/// Entries that `$which` chooses, in one order or the other, as far as their bytes are fewer than the last parameter, and one in any
/// case. So no more is sent than is wanted.
macro_rules! page {
    ($which:literal, $order:literal, $bytes:literal) => {
        concat!(
            "SELECT p.seqno, s.name, p.hash, p.bytes FROM (
                SELECT e.*,
                    CAST(sum(coalesce(octet_length(e.bytes), 0)) OVER (ORDER BY e.seqno ",
            $order,
            ") AS BIGINT) AS total
                FROM (SELECT log, seqno, stream, hash, bytes FROM secure_log.entry WHERE ",
            $which,
            ") e
            ) p JOIN secure_log.stream s ON s.log = p.log AND s.number = p.stream
            WHERE p.total - coalesce(octet_length(p.bytes), 0) < ",
            $bytes,
            " ORDER BY p.seqno ",
            $order
        )
    };
}

/// Streams and where their entries are, each found at an end of an index.
macro_rules! states {
    ($which:literal) => {
        concat!(
            "SELECT s.number, s.name,
                (SELECT min(e.seqno) FROM secure_log.entry e WHERE e.log = s.log AND e.stream = s.number),
                (SELECT max(e.seqno) FROM secure_log.entry e WHERE e.log = s.log AND e.stream = s.number),
                (SELECT g.id FROM secure_log.segment g WHERE g.log = s.log AND g.stream = s.number
                    ORDER BY g.last DESC LIMIT 1),
                r.tier, r.suite, r.key, r.sign, r.description, r.created, r.deprecated
            FROM secure_log.stream s JOIN secure_log.stream_rules r ON r.log = s.log AND r.id = s.rules
            WHERE s.log = $1 AND ",
            $which
        )
    };
}

/// Segments with the names of their streams.
macro_rules! segments {
    ($which:literal) => {
        concat!(
            "SELECT g.id, s.name, g.first, g.last, g.count, g.root, g.last_hash, g.prev, g.boot, g.session, g.policy,
                g.closed
            FROM secure_log.segment g JOIN secure_log.stream s ON s.log = g.log AND s.number = g.stream
            WHERE g.log = $1 AND ",
            $which
        )
    };
}
pub(crate) use segments;

impl Tables<'_> {
    pub(crate) fn read_log(&mut self) -> Result<Option<LogRow>, Failed> {
        let sql = "SELECT id, origin, created FROM secure_log.log WHERE number = $1 AND id IS NOT NULL";
        self.one("log", sql, &[], |row| log(&row))
    }

    pub(crate) fn newest_heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, Failed> {
        let sql = "SELECT number, size, root, sigs FROM secure_log.head WHERE log = $1 AND number < $2
            ORDER BY number DESC LIMIT $3";
        let (below, limit) = (bound(below.unwrap_or(u64::MAX)), bound(limit.into()));
        self.all("head", sql, &[&below, &limit], |row| {
            Ok(NumberedHead { number: row.number(0)?, head: head(&row, 1)? })
        })
    }

    pub(crate) fn read_indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, Failed> {
        let sql = match range.newest_first {
            false => {
                "SELECT seqno FROM secure_log.entry_key
                WHERE log = $1 AND key = $2 AND seqno BETWEEN $3 AND $4 ORDER BY seqno LIMIT $5"
            }
            true => {
                "SELECT seqno FROM secure_log.entry_key
                WHERE log = $1 AND key = $2 AND seqno BETWEEN $3 AND $4 ORDER BY seqno DESC LIMIT $5"
            }
        };
        let (key, limit) = (Octets(range.key.0), bound(range.limit.into()));
        let (from, to) = (bound(range.from), bound(range.to));
        self.all("entry_key", sql, &[&key, &from, &to, &limit], |row| row.number(0))
    }

    pub(crate) fn read_index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, Failed> {
        let sql = "SELECT key, seqno FROM secure_log.entry_key WHERE log = $1 AND (key, seqno) > ($2, $3)
            ORDER BY key, seqno LIMIT $4";
        // No key is shorter than none.
        let key = after.map(|after| after.key.0.to_vec()).unwrap_or_default();
        let seqno = after.map_or(i64::MIN, |after| bound(after.seqno));
        let limit = bound(limit.into());
        self.all("entry_key", sql, &[&key, &seqno, &limit], |row| {
            Ok(IndexRow { key: IndexKey(row.bytes(0)?), seqno: row.number(1)? })
        })
    }

    pub(crate) fn closed_segments(&mut self) -> Result<u64, Failed> {
        let sql = "SELECT max(id) FROM secure_log.segment WHERE log = $1";
        let largest = self.one("segment", sql, &[], |row| row.optional_number(0))?;
        Ok(largest.flatten().unwrap_or(0))
    }

    /// Shows the entries of the range, page by page. What was shown is no longer part of it.
    pub(crate) fn read_entries(
        &mut self,
        range: &mut EntryRange<'_>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), Failed> {
        let stream = match range.stream.map(|name| self.stream_number(name)).transpose()? {
            Some(None) => return Ok(()),
            found => found.flatten(),
        };
        while range.limit > 0 && range.from <= range.to && range.from <= i64::MAX as u64 {
            let limit = range.limit.min(PAGE);
            let (from, to, at_most) = (bound(range.from), bound(range.to), bound(limit.into()));
            let answer = match &stream {
                None => {
                    let sql = page!("log = $1 AND seqno BETWEEN $2 AND $3 ORDER BY seqno LIMIT $4", "ASC", "$5");
                    self.query(sql, &[&from, &to, &at_most, &PAGE_BYTES])?
                }
                Some(number) => {
                    let sql = page!(
                        "log = $1 AND stream = $2 AND seqno BETWEEN $3 AND $4 ORDER BY seqno LIMIT $5",
                        "ASC",
                        "$6"
                    );
                    self.query(sql, &[number, &from, &to, &at_most, &PAGE_BYTES])?
                }
            };
            let mut bytes = 0;
            for values in &answer.rows {
                let row = Row { table: "entry", values: Cells(values) };
                let record = entry(&row, row.text(1)?)?;
                bytes += content_of(&record);
                let Some(next) = row.number(0)?.checked_add(1) else { return Ok(()) };
                visit(record);
                (range.from, range.limit) = (next, range.limit - 1);
            }
            // Fewer than were wanted, and not for their bytes.
            if answer.rows.len() < limit as usize && (bytes as i64) < PAGE_BYTES {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(crate) fn read_hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, Failed> {
        let at_most = bound(count.into());
        match tree {
            TreeId::Log => {
                let sql = "SELECT hash FROM secure_log.entry WHERE log = $1 AND seqno > $2 ORDER BY seqno LIMIT $3";
                self.all("entry", sql, &[&bound(first), &at_most], |row| row.hash(0))
            }
            TreeId::Segment(id) => {
                let sql = "SELECT g.stream, g.last, (g.ordinal + $3) % 256, w.seqno
                    FROM secure_log.segment g JOIN secure_log.waypoint w
                        ON w.log = g.log AND w.stream = g.stream AND w.block = (g.ordinal + $3) >> 8
                    WHERE g.log = $1 AND g.id = $2";
                let Ok(first) = i32::try_from(first.min(i32::MAX as u64)).map(i64::from) else {
                    return Ok(Vec::new());
                };
                let near = self.one("segment", sql, &[&bound(id), &first], |row| {
                    Ok((row.integer(0)?, row.integer(1)?, row.integer(2)?, row.integer(3)?))
                })?;
                let Some((stream, last, skipped, near)) = near else { return Ok(Vec::new()) };
                let sql = "SELECT hash FROM secure_log.entry WHERE log = $1 AND stream = $2 AND seqno BETWEEN $3 AND $4
                    ORDER BY seqno LIMIT $5 OFFSET $6";
                self.all("entry", sql, &[&stream, &near, &last, &at_most, &skipped], |row| row.hash(0))
            }
        }
    }

    /// Those of the log's tree, whose leaves are its entries, in one question.
    pub(crate) fn read_hash_runs(
        &mut self,
        tree: TreeId,
        firsts: &[u64],
        count: u32,
    ) -> Result<Vec<Vec<Hash>>, Failed> {
        if tree != TreeId::Log {
            return firsts.iter().map(|first| self.read_hashes(tree, *first, count)).collect();
        }
        let sql = "SELECT u.n, e.hash FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[]) AS u (n, first, last)
            JOIN secure_log.entry e ON e.log = $1 AND e.seqno > u.first AND e.seqno <= u.last
            ORDER BY u.n, e.seqno";
        let numbers: Vec<i64> = (0..).take(firsts.len()).collect();
        let lasts: Vec<i64> = firsts.iter().map(|first| bound(first.saturating_add(count.into()))).collect();
        let firsts: Vec<i64> = firsts.iter().copied().map(bound).collect();
        let found = self.all("entry", sql, &[&numbers, &firsts, &lasts], |row| Ok((row.number(0)?, row.hash(1)?)))?;
        let mut runs = vec![Vec::new(); numbers.len()];
        for (number, hash) in found {
            if let Some(run) = usize::try_from(number).ok().and_then(|number| runs.get_mut(number)) {
                run.push(hash);
            }
        }
        Ok(runs)
    }

    pub(crate) fn read_nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, Failed> {
        let sql = "SELECT u.n, d.hash
            FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[]) AS u (n, tree, level, at)
            JOIN secure_log.node d ON d.log = $1 AND d.tree = u.tree AND d.level = u.level AND d.at = u.at";
        let (mut numbers, mut trees, mut levels, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, id) in (0i64..).zip(ids) {
            // The number of the log's tree is that of no segment.
            if id.tree != TreeId::Segment(0) {
                numbers.push(number);
                trees.push(bound(tree_number(id.tree)));
                levels.push(i64::from(id.level));
                places.push(bound(id.index));
            }
        }
        let found =
            self.all("node", sql, &[&numbers, &trees, &levels, &places], |row| Ok((row.number(0)?, row.hash(1)?)))?;
        let mut hashes = vec![None; ids.len()];
        for (number, hash) in found {
            if let Some(place) = usize::try_from(number).ok().and_then(|number| hashes.get_mut(number)) {
                *place = Some(hash);
            }
        }
        Ok(hashes)
    }

    pub(crate) fn stream_number(&mut self, name: &str) -> Result<Option<i64>, Failed> {
        let sql = "SELECT number FROM secure_log.stream WHERE log = $1 AND name = $2";
        self.one("stream", sql, &[&name], |row| row.integer(0))
    }

    pub(crate) fn read_stream(&mut self, name: &str) -> Result<Option<StreamState>, Failed> {
        self.one("stream", states!("s.name = $2"), &[&name], |row| state(&row))
    }

    pub(crate) fn read_streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, Failed> {
        let sql = states!("s.number > $2 ORDER BY s.number LIMIT $3");
        let (after, limit) = (bound(after), bound(limit.into()));
        self.all("stream", sql, &[&after, &limit], |row| state(&row))
    }

    pub(crate) fn read_segment(&mut self, id: u64) -> Result<Option<SegmentRow>, Failed> {
        self.one("segment", segments!("g.id = $2"), &[&bound(id)], |row| segment(&row))
    }

    pub(crate) fn read_segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, Failed> {
        let sql = segments!("s.name = $2 AND g.id > $3 ORDER BY g.id LIMIT $4");
        let (after, limit) = (bound(after), bound(limit.into()));
        self.all("segment", sql, &[&stream, &after, &limit], |row| segment(&row))
    }

    pub(crate) fn find_segment(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, Failed> {
        let sql = segments!("s.name = $2 AND g.last >= $3 ORDER BY g.last LIMIT 1");
        let found = self.one("segment", sql, &[&stream, &bound(seqno)], |row| segment(&row))?;
        Ok(found.filter(|row| (row.first..=row.last).contains(&seqno)))
    }

    pub(crate) fn find_leaf(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, Failed> {
        let sql = "SELECT g.ordinal, w.block,
                (SELECT count(*) FROM secure_log.entry c
                    WHERE c.log = e.log AND c.stream = e.stream AND c.seqno >= w.seqno AND c.seqno < e.seqno)
            FROM secure_log.segment g
                JOIN secure_log.entry e ON e.log = g.log AND e.stream = g.stream
                JOIN LATERAL (SELECT n.block, n.seqno FROM secure_log.waypoint n
                    WHERE n.log = e.log AND n.stream = e.stream AND n.seqno <= e.seqno
                    ORDER BY n.seqno DESC LIMIT 1) w ON TRUE
            WHERE g.log = $1 AND g.id = $2 AND e.seqno = $3 AND $3 BETWEEN g.first AND g.last";
        let (segment, seqno) = (bound(segment), bound(seqno));
        let found =
            self.one("segment", sql, &[&segment, &seqno], |row| Ok((row.number(0)?, row.number(1)?, row.number(2)?)))?;
        let Some((first, block, behind)) = found else { return Ok(None) };
        Ok(block.saturating_mul(BLOCK).saturating_add(behind).checked_sub(first))
    }

    pub(crate) fn read_signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, Failed> {
        let (kind, number) = subject(of);
        let sql = "SELECT kind, subject, identity, alg, key, sig FROM secure_log.signature
            WHERE log = $1 AND kind = $2 AND subject = $3 ORDER BY id";
        self.all("signature", sql, &[&kind, &bound(number)], |row| signature(&row))
    }

    pub(crate) fn read_data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, Failed> {
        let sql = "SELECT k.name, s.name, k.first, k.kek, k.alg, k.wrapped, k.created
            FROM secure_log.data_key k JOIN secure_log.stream s ON s.log = k.log AND s.number = k.stream
            WHERE k.log = $1 AND s.name = $2 ORDER BY k.id";
        self.all("data_key", sql, &[&stream], |row| data_key(&row))
    }

    /// The number of an answer is its place among the records.
    pub(crate) fn read_witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, Failed> {
        let sql = "SELECT size, name, at, outcome, detail, id FROM secure_log.witness WHERE log = $1 AND id < $2
            ORDER BY id DESC LIMIT $3";
        let (below, limit) = (bound(below.unwrap_or(u64::MAX)), bound(limit.into()));
        self.all("witness", sql, &[&below, &limit], |row| {
            Ok(NumberedWitness { number: row.number(5)?, row: witness(&row)? })
        })
    }

    /// Entries with these seqnos, in the order that is asked for, up to a number of bytes.
    pub(crate) fn read_these(
        &mut self,
        seqnos: &[i64],
        newest_first: bool,
        mut visit: impl FnMut(Record<'_>),
    ) -> Result<(), Failed> {
        let sql = match newest_first {
            false => page!("log = $1 AND seqno = ANY($2)", "ASC", "$3"),
            true => page!("log = $1 AND seqno = ANY($2)", "DESC", "$3"),
        };
        let answer = self.query(sql, &[&seqnos, &PAGE_BYTES])?;
        rows("entry", &answer, |row| {
            visit(entry(&row, row.text(1)?)?);
            Ok(())
        })?;
        Ok(())
    }
}
