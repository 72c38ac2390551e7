//! Making anew what the records alone say.

use secure_log::index::{self, IndexRow};
use secure_log::store::{NodeId, STORED_LEVEL, TreeId};
use secure_log::tree::{CompactTree, leaf_hash};
use secure_log_sql::bound;
use secure_log_sql::tables::tree_number;

use crate::change::PAGE;
use crate::failure::Failed;
use crate::read::PAGE_BYTES;
use crate::row::Octets;
use crate::rows::{key_calls, node_calls};
use crate::tables::Tables;

/// Every 256th entry of each stream.
const WAYPOINTS: &str = "INSERT INTO secure_log.waypoint (log, stream, block, seqno)
    SELECT n.log, n.stream, n.place >> 8, n.seqno FROM (
        SELECT log, stream, seqno, row_number() OVER (PARTITION BY stream ORDER BY seqno) - 1 AS place
        FROM secure_log.entry WHERE log = $1
    ) n WHERE n.place % 256 = 0";

/// How many entries of its stream stand before each segment.
const ORDINALS: &str = "UPDATE secure_log.segment SET ordinal = (SELECT count(*) FROM secure_log.entry e
        WHERE e.log = $1 AND e.stream = secure_log.segment.stream AND e.seqno < secure_log.segment.first)
    WHERE log = $1";

/// Entries behind one, up to a number of bytes.
const ENTRIES: &str = "SELECT p.seqno, p.bytes FROM (
        SELECT e.*, CAST(sum(coalesce(octet_length(e.bytes), 0)) OVER (ORDER BY e.seqno) AS BIGINT) AS total
        FROM (SELECT seqno, bytes FROM secure_log.entry WHERE log = $1 AND seqno > $2 ORDER BY seqno LIMIT $3) e
    ) p WHERE p.total - coalesce(octet_length(p.bytes), 0) < $4 ORDER BY p.seqno";

impl Tables<'_> {
    /// See [`secure_log::store::SecureLogStore::reindex`]. Within a transaction.
    pub(crate) fn rebuild(&mut self) -> Result<(), Failed> {
        *self.known = Default::default();
        *self.times = Default::default();
        self.run("DELETE FROM secure_log.waypoint WHERE log = $1", &[])?;
        self.run(WAYPOINTS, &[])?;
        self.run(ORDINALS, &[])?;
        self.run("DELETE FROM secure_log.entry_key WHERE log = $1", &[])?;
        let mut after = 0;
        while let Some(last) = self.rebuild_entries(after)? {
            after = last;
        }
        self.run("DELETE FROM secure_log.node WHERE log = $1", &[])?;
        self.rebuild_tree(TreeId::Log)?;
        let segments = self.closed_segments()?;
        (1..=segments).try_for_each(|id| self.rebuild_tree(TreeId::Segment(id)))
    }

    /// The columns and the keys of the entries of a page, and which one is the last of it.
    fn rebuild_entries(&mut self, after: u64) -> Result<Option<u64>, Failed> {
        let page = self.all("entry", ENTRIES, &[&bound(after), &bound(PAGE.into()), &PAGE_BYTES], |row| {
            Ok((row.number(0)?, row.optional_blob(1)?.map(<[u8]>::to_vec)))
        })?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        let (mut keys, mut seqnos) = (Vec::new(), Vec::new());
        for (seqno, bytes) in &page {
            for IndexRow { key, .. } in bytes.iter().flat_map(|bytes| index::rows(bytes)) {
                keys.push(Octets(key.0));
                seqnos.push(bound(*seqno));
            }
        }
        self.rebuild_columns(&page)?;
        let log = self.log;
        self.connection.send(&[key_calls(&log, &(keys, seqnos))])?;
        Ok(Some(*last))
    }

    fn rebuild_tree(&mut self, tree: TreeId) -> Result<(), Failed> {
        let log = self.log;
        let mut compact = CompactTree::new();
        loop {
            let leaves = self.read_hashes(tree, compact.size(), PAGE)?;
            if leaves.is_empty() {
                return Ok(());
            }
            let (mut columns, mut hashes): ([Vec<i64>; 3], _) = Default::default();
            for hash in leaves {
                compact.push_with(leaf_hash(&hash), |subtree, hash| {
                    if subtree.level >= STORED_LEVEL {
                        let id = NodeId { tree, level: subtree.level, index: subtree.index };
                        let values = [bound(tree_number(id.tree)), id.level.into(), bound(id.index)];
                        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                        Vec::push(&mut hashes, Octets(hash.0));
                    }
                });
            }
            self.connection.send(&[node_calls(&log, &(columns, hashes))])?;
        }
    }
}
