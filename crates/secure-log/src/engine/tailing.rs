//! Reading on from a place in the log (docs/tail.md).
//!
//! The rows of a page are re-hashed, and the tree of the log grows by their leaves. That it leads to the root of the head, with
//! what stands right of it there, proves the page, and that all before it is what it was when it was given out: one proof a
//! page, of no hash at all where the page ends with the log.

use std::collections::VecDeque;

use crate::engine::SecureLog;
use crate::engine::proof::{Checked, stored_tree, subtree_roots};
use crate::entry::EntryRef;
use crate::error::LogError;
use crate::store::{SecureLogStore, StoreError, TreeId};
use crate::tail::{Delivery, Lag, PAGE_BYTES, Page, Start, Tail, TailOptions};
use crate::tree::{ProofPlan, Subtree, leaf_hash};

impl<S: SecureLogStore> SecureLog<S> {
    /// Begins to follow the log. A cursor that is further on than the next entry is [`LogError::NotCovered`]: it is of another
    /// log, or this one was cut.
    pub fn tail(&mut self, options: TailOptions) -> Result<Tail, LogError> {
        let size = self.look()?;
        let next = match options.start {
            Start::Now => size + 1,
            Start::Seqno(seqno) => seqno.max(1),
        };
        if next > size + 1 {
            return Err(LogError::NotCovered { seqno: next - 1, size });
        }
        Ok(Tail::new(options, next, size))
    }

    /// Sees what other writers have appended, and answers how many entries the log has. Subscriptions in this process that
    /// wait for it are woken.
    pub fn look(&mut self) -> Result<u64, LogError> {
        self.catch_up()?;
        Ok(self.accepted.head.size)
    }

    /// What a tail finds next.
    pub(crate) fn page_of(&mut self, tail: &Tail) -> Result<Page, LogError> {
        self.reading(|log| {
            let size = log.accepted.head.size;
            if tail.next > size {
                return Ok(Page::Nothing);
            }
            let is_behind = |most: u64| size - (tail.next - 1) > most && tail.next > tail.known_behind;
            if tail.max_behind.is_some_and(is_behind) {
                return Ok(Page::Behind(Lag { first: tail.next, last: size }));
            }
            match log.page_after(tail) {
                // What the store derived may be wrong, which is no damage to the log.
                Err(LogError::ChainBroken { .. } | LogError::Store(StoreError::Corrupt { .. })) => {
                    log.store.reindex()?;
                    log.page_after(tail)
                }
                page => page,
            }
        })
    }

    fn page_after(&mut self, tail: &Tail) -> Result<Page, LogError> {
        let (size, root) = (self.accepted.head.size, self.accepted.head.root);
        let first = tail.next;
        let last = first.saturating_add(tail.rows - 1).min(size);
        let mut tree = match &tail.tree {
            Some(tree) => tree.clone(),
            None => stored_tree(&mut self.store, first - 1)?,
        };
        let (mut found, mut bytes) = (VecDeque::new(), 0);
        self.walk(None, first, last, |seqno, stream, checked| {
            if seqno != tree.size() + 1 {
                return Err(LogError::ChainBroken {
                    seqno,
                    reason: "the store left out what stands before this entry",
                });
            }
            let hash = match checked {
                Checked::Entry(entry, hash) => {
                    bytes += content_bytes(&entry);
                    if tail.wants(|topic| topic.matches(stream, entry.event)) {
                        found.push_back(Delivery::Entry(Box::new(entry.to_entry())));
                    }
                    hash
                }
                Checked::Pruned(hash) => {
                    if tail.wants(|topic| topic.may_match(stream)) {
                        found.push_back(Delivery::Pruned { seqno, stream: stream.into(), hash });
                    }
                    hash
                }
            };
            tree.push(leaf_hash(&hash));
            Ok(bytes < PAGE_BYTES)
        })?;
        if tree.size() < first || (tree.size() < last && bytes < PAGE_BYTES) {
            return Err(LogError::ChainBroken { seqno: tree.size() + 1, reason: "the store does not have this entry" });
        }
        let other =
            LogError::ChainBroken { seqno: first, reason: "the tree under the head holds other entries from here on" };
        let plan = ProofPlan::right_of(tree.size(), size).map_err(|_| other.clone())?;
        let wanted: Vec<Subtree> = plan.subtrees().collect();
        let right = plan.assemble(&subtree_roots(&mut self.store, TreeId::Log, &wanted)?);
        let right = right.expect("one root a subtree was read");
        match tree.root_in(size, &right) {
            Ok(found_root) if found_root == root => Ok(Page::Read { tree, found, bytes }),
            _ => Err(other),
        }
    }
}

/// About as many bytes as the entry takes in memory.
fn content_bytes(entry: &EntryRef<'_>) -> usize {
    let texts = [entry.stream, entry.session, entry.boot, entry.time, entry.event, entry.producer, entry.encoding];
    texts.iter().map(|text| text.len()).sum::<usize>() + entry.payload.len()
}
