//! The few operations that take something out of the tables, or make anew what is derived.

use std::collections::HashSet;

use secure_log::entry::EntryRef;
use secure_log::hash::Hash;
use secure_log::index::{self, IndexKey, IndexRow};
use secure_log::record::{DataKeyRow, WitnessRow};
use secure_log::store::{Node, NodeId, STORED_LEVEL, StoreError, TreeId};
use secure_log::tree::{CompactTree, leaf_hash};
use secure_log_sql::line;
use secure_log_sql::tables::{BLOCK, kind};

use crate::database::{Database, Value};
use crate::row::{bound, stored};
use crate::store::SqliteStore;

/// Rows that are read before what came of them is written.
const PAGE: u32 = 1024;
const PAGE_BYTES: usize = 1 << 20;

/// What `PRAGMA auto_vacuum` answers where free pages are given back when they are asked for.
const INCREMENTAL: i64 = 2;

impl<D: Database> SqliteStore<D> {
    /// Where nothing is left to be pruned, somebody may have done it who was killed before the file was made smaller: then it is
    /// made so now.
    pub(crate) fn prune_streams(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        let pruned = self.permitted("prune", |store| {
            up_to.iter().try_fold(0, |pruned, (stream, last)| Ok(pruned + store.prune_stream(stream, *last)?))
        })?;
        self.give_back()?;
        self.forget_for_good()?;
        Ok(pruned)
    }

    fn prune_stream(&mut self, stream: &str, last: u64) -> Result<u64, StoreError> {
        let Some(number) = self.stream_number(stream)? else { return Ok(0) };
        let (mut from, mut pruned) = (0, 0);
        loop {
            let sql = "SELECT seqno, bytes, hash FROM entry
                WHERE stream = ? AND seqno > ? AND seqno <= ? AND bytes IS NOT NULL ORDER BY seqno LIMIT ?";
            let values = [Value::Integer(number), bound(from), bound(last), bound(PAGE.into())];
            let found = self.all("entry", sql, &values, |row| {
                let seqno = row.number(0)?;
                let entry = EntryRef::decode(row.blob(1)?)
                    .map_err(|error| StoreError::Corrupt { at: format!("seqno {seqno}"), detail: error.to_string() })?;
                let keys: Vec<IndexKey> = index::keys(entry.encoding, entry.payload).collect();
                Ok((seqno, entry.is_control(), keys, row.blob(2)?.to_vec()))
            })?;
            let Some((read, ..)) = found.last() else { return Ok(pruned) };
            from = *read;
            let producers = || found.iter().filter(|(_, control, ..)| !control);
            let gone: Vec<Value<'_>> = producers().map(|(seqno, ..)| bound(*seqno)).collect();
            let keys = producers().flat_map(|(seqno, _, keys, _)| keys.iter().map(move |key| (key, seqno)));
            let keys: Vec<Value<'_>> = keys.flat_map(|(key, seqno)| [Value::Blob(&key.0), bound(*seqno)]).collect();
            self.run_each("DELETE FROM entry_key WHERE key = ? AND seqno = ?", 2, &keys)?;
            pruned += gone.len() as u64;
            // Rows that become short where they stand leave their pages to themselves, nearly empty; those that are taken out let
            // SQLite join pages.
            self.run_each("DELETE FROM entry WHERE seqno = ?", 1, &gone)?;
            let hashes: Vec<Value<'_>> = producers()
                .flat_map(|(seqno, _, _, hash)| [bound(*seqno), Value::Integer(number), Value::Blob(hash)])
                .collect();
            self.run_each("INSERT INTO entry (seqno, stream, hash) VALUES (?, ?, ?)", 3, &hashes)?;
        }
    }

    /// Gives the pages that became free back to the system. A database of an earlier version does not know which page another one
    /// points to, so that it is written anew once, which takes as much room again meanwhile.
    fn give_back(&mut self) -> Result<(), StoreError> {
        if self.pragma("PRAGMA auto_vacuum")? == INCREMENTAL {
            // It goes on only while it is asked for rows.
            self.each("pragma", "PRAGMA incremental_vacuum", &[], |_| Ok(()))
        } else {
            self.script("PRAGMA auto_vacuum = INCREMENTAL")?;
            self.script("VACUUM")
        }
    }

    pub(crate) fn drop_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        let names: Vec<Value<'_>> = ids.iter().map(|id| Value::Blob(&id.0)).collect();
        self.transaction(|store| store.run_each("DELETE FROM data_key WHERE name = ?", 1, &names))?;
        self.forget_for_good()
    }

    pub(crate) fn replace_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        let values: Vec<Value<'_>> = rows
            .iter()
            .flat_map(|row| {
                [
                    Value::Text(&row.kek),
                    Value::Text(&row.alg),
                    Value::Blob(&row.wrapped),
                    Value::Text(&row.created),
                    bound(row.first),
                    Value::Blob(&row.id.0),
                    Value::Text(&row.stream),
                ]
            })
            .collect();
        self.transaction(|store| {
            let sql = "UPDATE data_key SET kek = ?, alg = ?, wrapped = ?, created = ?, first = ?
                WHERE name = ? AND stream = (SELECT number FROM stream WHERE name = ?)";
            store.run_each(sql, 7, &values)
        })?;
        self.forget_for_good()
    }

    /// The rows are found by reading the table from its end, as no index has what they say.
    pub(crate) fn drop_witness_rows(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        let gone: HashSet<&WitnessRow> = rows.iter().collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.transaction(|store| {
            let mut below = None;
            loop {
                let page = store.read_witnesses(below, PAGE)?;
                let Some(last) = page.last() else { return Ok(()) };
                below = Some(last.number);
                let dropped = page.iter().filter(|witness| gone.contains(&witness.row));
                let numbers: Vec<Value<'_>> = dropped.map(|witness| bound(witness.number)).collect();
                store.run_each("DELETE FROM witness WHERE id = ?", 1, &numbers)?;
            }
        })?;
        self.forget_for_good()
    }

    /// The write-ahead log still has what was there before. Whoever reads meanwhile is waited for, as long as for any lock.
    fn forget_for_good(&mut self) -> Result<(), StoreError> {
        let mut is_busy = false;
        self.each("pragma", "PRAGMA wal_checkpoint(TRUNCATE)", &[], |row| {
            is_busy = row.integer(0)? != 0;
            Ok(())
        })?;
        if is_busy {
            let detail = "somebody reads or writes all the time: what was dropped is out of the tables and still in it";
            return Err(StoreError::Io { operation: "empty the write-ahead log".into(), detail: detail.into() });
        }
        Ok(())
    }

    pub(crate) fn set_records_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.permitted("set aside", |store| {
            let sql = "SELECT place, size FROM head WHERE number = ?";
            let kept = store.one("head", sql, &[bound(after_head)], |row| Ok((row.number(0)?, row.number(1)?)))?;
            let Some((place, size)) = kept else {
                let detail = format!("there is no head {after_head}");
                return Err(StoreError::Io { operation: "set records aside".into(), detail });
            };
            let part = store.one("aside", "SELECT max(part) FROM aside", &[], |row| row.optional_number(0))?;
            let part = part.flatten().unwrap_or(0) + 1;
            store.copy_aside(place, part)?;
            store.cut(after_head, place, size)?;
            Ok(format!("table aside of the database, part {part}"))
        })
    }

    /// Keeps the records behind this place as lines.
    fn copy_aside(&mut self, place: u64, part: u64) -> Result<(), StoreError> {
        let mut cursor = Some(place);
        while let Some(from) = cursor {
            let mut lines = Vec::new();
            let mut failed = None;
            cursor = self.scan_from(from, PAGE_BYTES, &mut |record| match line::of(&record) {
                Ok(line) => lines.push(line),
                Err(error) => failed = Some(error),
            })?;
            if let Some(error) = failed {
                let at = "a record that is set aside".into();
                return Err(StoreError::Corrupt { at, detail: error.to_string() });
            }
            let values: Vec<Value<'_>> = lines.iter().flat_map(|line| [bound(part), Value::Text(line)]).collect();
            self.run_each("INSERT INTO aside (part, line) VALUES (?, ?)", 2, &values)?;
        }
        Ok(())
    }

    /// Takes out what stands behind this head.
    pub(crate) fn cut(&mut self, head: u64, place: u64, size: u64) -> Result<(), StoreError> {
        self.forget();
        let sql = "SELECT max(id) FROM record WHERE kind = ? AND place <= ?";
        let segments =
            self.one("record", sql, &[Value::Integer(kind::SEGMENT), bound(place)], |row| row.optional_number(0))?;
        let segments = segments.flatten().unwrap_or(0);
        for (sql, from) in [
            ("DELETE FROM entry WHERE seqno > ?", size),
            ("DELETE FROM waypoint WHERE seqno > ?", size),
            ("DELETE FROM entry_key WHERE seqno > ?", size),
            ("DELETE FROM node WHERE tree = 0 AND at >= (? >> level)", size),
            ("DELETE FROM node WHERE tree > ?", segments),
            ("DELETE FROM segment WHERE id > ?", segments),
            ("DELETE FROM signature WHERE id > ?", place),
            ("DELETE FROM data_key WHERE id > ?", place),
            ("DELETE FROM witness WHERE id > ?", place),
            ("DELETE FROM stream_rules WHERE id > ?", place),
            ("DELETE FROM record WHERE place > ?", place),
            ("DELETE FROM head WHERE number > ?", head),
            // The first record of a stream made it.
            (
                "DELETE FROM stream WHERE rules > ? AND NOT EXISTS (SELECT 1 FROM stream_rules WHERE stream = number)",
                place,
            ),
            (
                "UPDATE stream SET rules = (SELECT max(id) FROM stream_rules WHERE stream = number) WHERE rules > ?",
                place,
            ),
        ] {
            self.run(sql, &[bound(from)])?;
        }
        Ok(())
    }

    /// Makes anew everything that the records alone say.
    pub(crate) fn rebuild(&mut self) -> Result<(), StoreError> {
        self.permitted("reindex", |store| {
            // What was remembered may be what somebody has edited.
            store.forget();
            store.script("REINDEX; DELETE FROM waypoint")?;
            store.rebuild_columns()?;
            let mut after = 0;
            loop {
                let sql = "SELECT number FROM stream WHERE number > ? ORDER BY number LIMIT ?";
                let page =
                    store.all("stream", sql, &[Value::Integer(after), bound(PAGE.into())], |row| row.integer(0))?;
                let Some(last) = page.last() else { break };
                after = *last;
                for number in page {
                    store.rebuild_waypoints(number)?;
                }
            }
            for id in 1..=store.closed_segments()? {
                let sql = "SELECT stream, first FROM segment WHERE id = ?";
                let found = store.one("segment", sql, &[bound(id)], |row| Ok((row.integer(0)?, row.number(1)?)))?;
                let Some((stream, first)) = found else { continue };
                let ordinal = store.ordinal(stream, first)?;
                store.run("UPDATE segment SET ordinal = ? WHERE id = ?", &[stored(ordinal)?, bound(id)])?;
            }
            store.rebuild_trees()?;
            store.rebuild_keys()
        })
    }

    /// Computes the keys of all entries.
    pub(crate) fn rebuild_keys(&mut self) -> Result<(), StoreError> {
        self.script("DELETE FROM entry_key")?;
        let mut after = 0;
        loop {
            let mut rows: Vec<IndexRow> = Vec::new();
            let (mut read, mut bytes) = (None, 0);
            let sql = "SELECT seqno, bytes FROM entry WHERE seqno > ? ORDER BY seqno LIMIT ?";
            self.each_while("entry", sql, &[bound(after), bound(PAGE.into())], |row| {
                let seqno = row.number(0)?;
                if let Some(content) = row.optional_blob(1)? {
                    rows.extend(index::rows(content).map(|row| IndexRow { seqno, ..row }));
                    bytes += content.len();
                }
                read = Some(seqno);
                Ok(bytes < PAGE_BYTES)
            })?;
            let Some(read) = read else { return Ok(()) };
            after = read;
            self.put_index(&rows)?;
        }
    }

    /// Computes the stored hashes of all trees from those of the entries.
    pub(crate) fn rebuild_trees(&mut self) -> Result<(), StoreError> {
        self.script("DELETE FROM node")?;
        self.rebuild_tree(TreeId::Log)?;
        (1..=self.closed_segments()?).try_for_each(|id| self.rebuild_tree(TreeId::Segment(id)))
    }

    fn rebuild_waypoints(&mut self, number: i64) -> Result<(), StoreError> {
        let (mut from, mut ordinal) = (0, 0);
        loop {
            let sql = "SELECT seqno FROM entry WHERE stream = ? AND seqno > ? ORDER BY seqno LIMIT ?";
            let values = [Value::Integer(number), bound(from), bound(PAGE.into())];
            let page = self.all("entry", sql, &values, |row| row.number(0))?;
            let Some(last) = page.last() else { return Ok(()) };
            from = *last;
            let mut values = Vec::new();
            for seqno in page {
                if ordinal % BLOCK == 0 {
                    values.extend([Value::Integer(number), stored(ordinal / BLOCK)?, stored(seqno)?]);
                }
                ordinal += 1;
            }
            self.run_each("INSERT INTO waypoint VALUES (?, ?, ?)", 3, &values)?;
        }
    }

    fn rebuild_tree(&mut self, tree: TreeId) -> Result<(), StoreError> {
        let mut compact = CompactTree::new();
        loop {
            let leaves = self.read_hashes(tree, compact.size(), PAGE)?;
            if leaves.is_empty() {
                return Ok(());
            }
            let mut nodes = Vec::new();
            for hash in leaves {
                compact.push_with(leaf_hash(&hash), |subtree, hash| {
                    if subtree.level >= STORED_LEVEL {
                        let id = NodeId { tree, level: subtree.level, index: subtree.index };
                        nodes.push(Node { id, hash: *hash });
                    }
                });
            }
            self.put_nodes(&nodes)?;
        }
    }

    /// A transaction that may change what otherwise stays as it was written.
    fn permitted<T>(
        &mut self,
        reason: &'static str,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transaction(|store| {
            store.run("INSERT INTO permit VALUES (?)", &[Value::Text(reason)])?;
            let done = work(store)?;
            store.script("DELETE FROM permit")?;
            Ok(done)
        })
    }
}
