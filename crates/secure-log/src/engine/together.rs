//! Proving many entries under one head: what their proofs have in common is read and hashed once.

use crate::engine::SecureLog;
use crate::engine::proof::subtree_roots;
use crate::error::LogError;
use crate::hash::Hash;
use crate::store::{SecureLogStore, TreeId};
use crate::tree::many::{root_with, without};

impl<S: SecureLogStore> SecureLog<S> {
    /// Proves that the entries with these hashes stand at these seqnos, which ascend, under the accepted head.
    pub(super) fn prove_entries(&mut self, entries: impl Iterator<Item = (u64, Hash)>) -> Result<(), LogError> {
        let leaves: Vec<(u64, Hash)> = entries.map(|(seqno, hash)| (seqno.wrapping_sub(1), hash)).collect();
        let (size, root) = (self.accepted.head.size, self.accepted.head.root);
        let others = subtree_roots(&mut self.store, TreeId::Log, &without(size, &leaves));
        if others.is_ok_and(|others| root_with(size, &leaves, others) == Some(root)) {
            return Ok(());
        }
        // One by one it is found which is wrong, and a store whose index is wrong makes it anew.
        leaves.iter().try_for_each(|(index, hash)| self.prove_entry(index.wrapping_add(1), hash))
    }
}
