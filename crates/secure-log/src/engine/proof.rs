//! Proving what a store answers against the tree that the engine accepted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::engine::{LoadedMac, SecureLog};
use crate::entry::EntryRef;
use crate::error::LogError;
use crate::hash::{Hash, HmacKey, Suite};
use crate::providers::MacKey;
use crate::record::{EntryRow, Record, SegmentRow};
use crate::store::{EntryRange, NodeId, STORED_LEVEL, SecureLogStore, StoreError, TreeId};
use crate::tree::{
    CompactTree, ProofPlan, Subtree, frontier, leaf_hash, node_hash, sides, verify_consistency, verify_inclusion,
};

/// Leaves below one stored node.
const GROUP: u64 = 1 << STORED_LEVEL;

/// Shows that an entry-hash is in a segment (format.md s.4): a sibling a step, and whether it stands on the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentProof {
    /// The entry.
    pub seqno: u64,
    /// Its hash.
    pub hash: Hash,
    /// The segment.
    pub segment: u64,
    /// The segment's root.
    pub root: Hash,
    /// From the leaf to the root.
    pub path: Vec<(Hash, bool)>,
}

impl SegmentProof {
    /// As many steps as a segment of 2^64 entries would need.
    pub const MAX_STEPS: usize = 64;

    /// Where the path leads from the entry's hash; `None` for one that is too long.
    pub fn folded(&self) -> Option<Hash> {
        (self.path.len() <= Self::MAX_STEPS).then(|| {
            self.path.iter().fold(leaf_hash(&self.hash), |hash, (sibling, right)| {
                if *right { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) }
            })
        })
    }
}

/// The roots of complete subtrees of a tree that a store keeps, in the order asked for.
pub(super) fn subtree_roots<S: SecureLogStore>(
    store: &mut S,
    tree: TreeId,
    wanted: &[Subtree],
) -> Result<Vec<Hash>, LogError> {
    TreeReader::new(store, tree).roots(wanted)
}

/// The log tree of the first `size` entries, as a store has it. Nothing is proven of it.
pub(super) fn stored_tree<S: SecureLogStore>(store: &mut S, size: u64) -> Result<CompactTree, LogError> {
    let roots = subtree_roots(store, TreeId::Log, &frontier(size))?;
    Ok(CompactTree::from_frontier(size, roots).expect("one root was read for each subtree"))
}

/// Reads hashes of a tree: all stored nodes at once, and each group of entry hashes below one stored node once.
pub(super) struct TreeReader<'s, S> {
    store: &'s mut S,
    tree: TreeId,
    /// Groups that were read, by their first leaf.
    groups: BTreeMap<u64, Vec<Hash>>,
}

impl<'s, S: SecureLogStore> TreeReader<'s, S> {
    pub(super) fn new(store: &'s mut S, tree: TreeId) -> TreeReader<'s, S> {
        TreeReader { store, tree, groups: BTreeMap::new() }
    }

    /// The roots of complete subtrees, in the order asked for.
    pub(super) fn roots(&mut self, wanted: &[Subtree]) -> Result<Vec<Hash>, LogError> {
        let tree = self.tree;
        let ids: Vec<NodeId> = wanted
            .iter()
            .filter(|s| s.level >= STORED_LEVEL)
            .map(|s| NodeId { tree, level: s.level, index: s.index })
            .collect();
        let mut stored = if ids.is_empty() { Vec::new() } else { self.store.nodes(&ids)? }.into_iter();
        self.read_groups(wanted)?;
        let mut roots = Vec::with_capacity(wanted.len());
        for subtree in wanted {
            if subtree.level >= STORED_LEVEL {
                roots.push(stored.next().flatten().ok_or_else(|| missing(tree, *subtree))?);
            } else {
                let mut compact = CompactTree::new();
                self.leaves(*subtree)?.iter().for_each(|hash| compact.push(leaf_hash(hash)));
                roots.push(compact.root());
            }
        }
        Ok(roots)
    }

    /// Reads the groups that subtrees below the stored nodes are in, and that were not read.
    fn read_groups(&mut self, wanted: &[Subtree]) -> Result<(), LogError> {
        let below = wanted.iter().filter(|s| s.level < STORED_LEVEL);
        let mut starts: Vec<u64> = below.map(|s| (s.index << s.level) / GROUP * GROUP).collect();
        starts.dedup();
        starts.retain(|start| !self.groups.contains_key(start));
        let groups = self.store.hash_runs(self.tree, &starts, GROUP as u32)?;
        if groups.len() != starts.len() {
            let detail = "the store answered another number of runs than it was asked for".into();
            return Err(LogError::Store(StoreError::Corrupt { at: "hashes of a tree".into(), detail }));
        }
        self.groups.extend(starts.into_iter().zip(groups));
        Ok(())
    }

    /// The entry-hashes of the leaves of a subtree below the stored nodes.
    pub(super) fn leaves(&mut self, subtree: Subtree) -> Result<&[Hash], LogError> {
        let first = subtree.index << subtree.level;
        let start = first / GROUP * GROUP;
        let group = match self.groups.entry(start) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.store.hashes(self.tree, start, GROUP as u32)?),
        };
        let from = (first - start) as usize;
        group.get(from..from + (1 << subtree.level)).ok_or_else(|| missing(self.tree, subtree))
    }
}

fn missing(tree: TreeId, subtree: Subtree) -> LogError {
    LogError::Store(StoreError::Corrupt {
        at: format!("tree hash {} of level {}", subtree.index, subtree.level),
        detail: match tree {
            TreeId::Log => "the store does not have this hash of the log tree".into(),
            TreeId::Segment(id) => format!("the store does not have this hash of segment {id}"),
        },
    })
}

/// The tree of the first `size` leaves of the log, which must have this root.
pub(super) fn load_tree<S: SecureLogStore>(store: &mut S, size: u64, root: &Hash) -> Result<CompactTree, LogError> {
    with_reindex(store, |store| {
        let tree = stored_tree(store, size)?;
        if tree.root() == *root { Ok(tree) } else { Err(LogError::Fork { expected: size, found: size }) }
    })
}

/// Proves that the tree of `new` leaves begins with that of `old`, and gives the proof.
pub(super) fn prove_consistency<S: SecureLogStore>(
    store: &mut S,
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
) -> Result<Vec<Hash>, LogError> {
    let fork = LogError::Fork { expected: old, found: new };
    if old == 0 {
        return if *old_root == crate::tree::empty_root() { Ok(Vec::new()) } else { Err(fork) };
    }
    let plan = ProofPlan::consistency(old, new).map_err(|_| LogError::Rollback { expected: old, found: new })?;
    with_reindex(store, |store| {
        let wanted: Vec<Subtree> = plan.subtrees().collect();
        let proof = plan.assemble(&subtree_roots(store, TreeId::Log, &wanted)?).expect("one root a subtree was read");
        verify_consistency(old, old_root, new, new_root, &proof).map_err(|_| fork.clone())?;
        Ok(proof)
    })
}

/// The root of the first `old` leaves, and the proof that the tree of `new` leaves begins with them. Nobody else says
/// which root that is, so it is what the store has, and the proof holds it against the root that is known.
pub(super) fn prove_from_size<S: SecureLogStore>(
    store: &mut S,
    old: u64,
    (new, new_root): (u64, &Hash),
) -> Result<Vec<Hash>, LogError> {
    with_reindex(store, |store| {
        let old_root = stored_tree(store, old)?.root();
        prove_consistency(store, (old, &old_root), (new, new_root))
    })
}

/// The path from an entry to the root of its closed segment.
pub(super) fn segment_path<S: SecureLogStore>(
    store: &mut S,
    row: &SegmentRow,
    seqno: u64,
    hash: &Hash,
) -> Result<Vec<(Hash, bool)>, LogError> {
    let mismatch = LogError::InclusionMismatch { seqno, segment: row.id };
    let index = store.leaf_index(row.id, seqno)?.ok_or_else(|| mismatch.clone())?;
    let plan = ProofPlan::inclusion(index, row.count).map_err(|_| mismatch.clone())?;
    let wanted: Vec<Subtree> = plan.subtrees().collect();
    let roots = subtree_roots(store, TreeId::Segment(row.id), &wanted)?;
    let siblings = plan.assemble(&roots).expect("one root a subtree was read");
    let path: Vec<(Hash, bool)> = siblings.into_iter().zip(sides(index, row.count)).collect();
    let proof = SegmentProof { seqno, hash: *hash, segment: row.id, root: row.root, path };
    if proof.folded() == Some(row.root) { Ok(proof.path) } else { Err(mismatch) }
}

/// Tries again after the store has rebuilt what it derives: a wrong index is no damage to the log.
pub(super) fn with_reindex<S: SecureLogStore, T>(
    store: &mut S,
    mut attempt: impl FnMut(&mut S) -> Result<T, LogError>,
) -> Result<T, LogError> {
    match attempt(store) {
        Err(LogError::Fork { .. } | LogError::ChainBroken { .. } | LogError::Store(StoreError::Corrupt { .. })) => {
            store.reindex()?;
            attempt(store)
        }
        outcome => outcome,
    }
}

/// The entry-hash of canonical bytes under the suite that their version selects.
pub(super) fn entry_hash(entry: &EntryRef<'_>, bytes: &[u8], mac: Option<&LoadedMac>) -> Result<Hash, LogError> {
    match entry.version {
        1 => Ok(Hash::sha256(bytes)),
        2 => Ok(blake3_hash(bytes)),
        3 => match mac {
            Some(mac) => Ok(Hash(mac.key.mac(bytes)?)),
            None => Err(LogError::MacKeyMissing { stream: entry.stream.into(), configured: None }),
        },
        _ => Err(LogError::ChainBroken { seqno: entry.seqno, reason: "a hash suite that is not known here" }),
    }
}

/// The entry-hash under a suite that the engine writes with.
pub(super) fn suite_hash(suite: Suite, bytes: &[u8], mac: Option<&LoadedMac>, stream: &str) -> Result<Hash, LogError> {
    match (suite, mac) {
        (Suite::Sha256, _) => Ok(Hash::sha256(bytes)),
        (Suite::Blake3, _) => Ok(blake3_hash(bytes)),
        (Suite::HmacSha256(id), Some(mac)) if mac.id == id => Ok(Hash(mac.key.mac(bytes)?)),
        (Suite::HmacSha256(_), _) => {
            Err(LogError::MacKeyMissing { stream: stream.into(), configured: mac.map(|mac| mac.id) })
        }
    }
}

fn blake3_hash(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

impl MacKey for HmacKey {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], crate::providers::KeyError> {
        Ok(HmacKey::mac(self, message))
    }
}

/// What a row turned out to be once it was decoded and re-hashed.
pub(super) enum Checked<'a> {
    /// An entry whose content hashes to what the row says.
    Entry(EntryRef<'a>, Hash),
    /// An entry was here; its hash can only be compared.
    Pruned(Hash),
}

/// Decodes and re-hashes one row of the store.
pub(super) fn check_row<'a>(row: Record<'a>, mac: Option<&LoadedMac>) -> Result<(u64, &'a str, Checked<'a>), LogError> {
    match row {
        Record::Entry(EntryRow { seqno, stream, hash, bytes }) => {
            let broken = |reason| LogError::ChainBroken { seqno, reason };
            let entry = EntryRef::decode(bytes).map_err(|_| broken("the stored bytes are not an entry"))?;
            if entry.seqno != seqno || entry.stream != stream {
                return Err(broken("the entry belongs elsewhere"));
            }
            if entry_hash(&entry, bytes, mac)? != hash {
                return Err(match entry.version {
                    // Another key, or an edit: only who knows the stream's key can tell.
                    3 => LogError::MacKeyMissing { stream: stream.into(), configured: mac.map(|mac| mac.id) },
                    _ => broken("the content does not hash to the entry's hash"),
                });
            }
            Ok((seqno, stream, Checked::Entry(entry, hash)))
        }
        Record::Pruned(row) => Ok((row.seqno, row.stream, Checked::Pruned(row.hash))),
        _ => Err(LogError::Store(StoreError::Corrupt {
            at: "a read of entries".into(),
            detail: "the store answered a row that is no entry".into(),
        })),
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Proves that the entry with this hash stands at this seqno under the accepted head.
    pub(super) fn prove_entry(&mut self, seqno: u64, hash: &Hash) -> Result<(), LogError> {
        let (size, root) = (self.accepted.head.size, self.accepted.head.root);
        let plan = ProofPlan::inclusion(seqno.wrapping_sub(1), size)
            .map_err(|_| LogError::ChainBroken { seqno, reason: "it is not under the head" })?;
        with_reindex(&mut self.store, |store| {
            let wanted: Vec<Subtree> = plan.subtrees().collect();
            let roots = subtree_roots(store, TreeId::Log, &wanted)?;
            let proof = plan.assemble(&roots).expect("one root a subtree was read");
            verify_inclusion(&leaf_hash(hash), seqno - 1, size, &proof, &root).map_err(|_| LogError::ChainBroken {
                seqno,
                reason: "the tree under the head holds another entry here",
            })
        })
    }

    /// Reads rows, re-hashed, in ascending order, page by page, until `visit` answers false. Seqnos must ascend.
    pub(super) fn walk(
        &mut self,
        stream: Option<&str>,
        from: u64,
        to: u64,
        mut visit: impl FnMut(u64, &str, Checked<'_>) -> Result<bool, LogError>,
    ) -> Result<(), LogError> {
        const PAGE: u32 = 256;
        let mut from = from.max(1);
        while from <= to {
            let mut rows = 0;
            let mut outcome = Ok(true);
            let (store, mac) = (&mut self.store, self.mac.as_ref());
            store.entries(EntryRange { stream, from, to, limit: PAGE }, &mut |row| {
                rows += 1;
                if !matches!(outcome, Ok(true)) {
                    return;
                }
                outcome = check_row(row, mac).and_then(|(seqno, name, checked)| {
                    let out_of_order = seqno < from || seqno > to || stream.is_some_and(|stream| stream != name);
                    if out_of_order {
                        return Err(LogError::ChainBroken { seqno, reason: "the store answered another entry" });
                    }
                    from = seqno.checked_add(1).ok_or(LogError::ChainBroken { seqno, reason: "the sequence ends" })?;
                    visit(seqno, name, checked)
                });
            })?;
            if !outcome? || rows == 0 {
                break;
            }
        }
        Ok(())
    }
}
