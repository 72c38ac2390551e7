//! Interior hashes of the trees.
//!
//! The upper ones of the log's tree are in the proof of whatever is read, so that they are kept at hand. The engine proves what it
//! makes of them, as of all that a store answers, and asks for the index to be built anew where that fails.

use std::collections::HashMap;

use secure_log::hash::Hash;
use secure_log::store::{NodeId, StoreError, TreeId};
use secure_log_sql::tables::tree_number;

use crate::database::{Database, Value};
use crate::row::bound;
use crate::store::SqliteStore;

/// From this level on. There are two to 64 entries.
const LEVEL: u8 = 6;

/// As many are kept: those of a million entries, in about two megabytes.
const MAX_NODES: usize = 1 << 15;

/// The upper hashes of the log's tree that were read.
#[derive(Default)]
pub(crate) struct UpperNodes {
    /// By level and index.
    hashes: HashMap<(u8, u64), Hash>,
    /// SQLite's number for what the database held then, as far as others wrote it.
    version: i64,
}

impl<D: Database> SqliteStore<D> {
    /// Reads nodes within a transaction.
    pub(crate) fn read_nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        // Somebody else may have cut the log since, and written other entries.
        let version = self.pragma("PRAGMA data_version")?;
        if self.upper_nodes.version != version {
            self.upper_nodes = UpperNodes { version, ..UpperNodes::default() };
        }
        ids.iter().map(|id| self.read_node(id)).collect()
    }

    fn read_node(&mut self, id: &NodeId) -> Result<Option<Hash>, StoreError> {
        // The number of the log's tree is that of no segment.
        if id.tree == TreeId::Segment(0) {
            return Ok(None);
        }
        let place = (id.level, id.index);
        let is_upper = id.tree == TreeId::Log && id.level >= LEVEL;
        if let Some(hash) = self.upper_nodes.hashes.get(&place).filter(|_| is_upper) {
            return Ok(Some(*hash));
        }
        let sql = "SELECT hash FROM node WHERE tree = ? AND level = ? AND at = ?";
        let values = [bound(tree_number(id.tree)), Value::Integer(id.level.into()), bound(id.index)];
        let hash = self.one("node", sql, &values, |row| row.hash(0))?;
        if let Some(hash) = hash.filter(|_| is_upper) {
            if self.upper_nodes.hashes.len() >= MAX_NODES {
                self.upper_nodes.hashes.clear();
            }
            self.upper_nodes.hashes.insert(place, hash);
        }
        Ok(hash)
    }
}
