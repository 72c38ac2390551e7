//! Interior hashes of the trees.
//!
//! The upper ones of the log's tree are in the proof of whatever is read, so that they are kept at hand. The engine proves what it
//! makes of them, as of all that a store answers, and asks for the index to be built anew where that fails.

use std::collections::HashMap;

use secure_log::hash::Hash;
use secure_log::store::{NodeId, StoreError, TreeId};

use crate::database::{Database, Value};
use crate::insert::tree_number;
use crate::row::bound;
use crate::store::SqliteStore;

/// From this level on. There are two to 64 entries.
const LEVEL: u8 = 6;

/// As many are kept: those of a million entries, in about two megabytes.
const MAX_NODES: usize = 1 << 15;

/// The upper hashes of the log's tree that were read, by level and index.
pub(crate) type UpperNodes = HashMap<(u8, u64), Hash>;

impl<D: Database> SqliteStore<D> {
    pub(crate) fn read_node(&mut self, id: &NodeId) -> Result<Option<Hash>, StoreError> {
        // The number of the log's tree is that of no segment.
        if id.tree == TreeId::Segment(0) {
            return Ok(None);
        }
        let place = (id.level, id.index);
        let is_upper = id.tree == TreeId::Log && id.level >= LEVEL;
        if let Some(hash) = self.upper_nodes.get(&place).filter(|_| is_upper) {
            return Ok(Some(*hash));
        }
        let sql = "SELECT hash FROM node WHERE tree = ? AND level = ? AND at = ?";
        let values = [bound(tree_number(id.tree)), Value::Integer(id.level.into()), bound(id.index)];
        let hash = self.one("node", sql, &values, |row| row.hash(0))?;
        if let Some(hash) = hash.filter(|_| is_upper) {
            if self.upper_nodes.len() >= MAX_NODES {
                self.upper_nodes.clear();
            }
            self.upper_nodes.insert(place, hash);
        }
        Ok(hash)
    }
}
