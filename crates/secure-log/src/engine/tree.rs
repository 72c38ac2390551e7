//! Proofs of the log tree that others check without the log (docs/proofs.md).
//!
//! What they are made of comes out of the store, so each is checked against the accepted head before it is given out. A
//! proof reads the stored hashes that it needs at once, and beside them the entry hashes of one group of 16 for each size or
//! place that does not stand at the end of the log, whose own frontier is known.

use crate::engine::SecureLog;
use crate::engine::proof::{Checked, TreeReader, prove_consistency, with_reindex};
use crate::error::LogError;
use crate::hash::Hash;
use crate::note::Note;
use crate::proof::{ConsistencyProof, InclusionProof, TlogProof};
use crate::record::HeadRow;
use crate::store::{NumberedHead, SecureLogStore, StoreError, TreeId};
use crate::tree::{CompactTree, ProofPlan, Subtree, leaf_hash, verify_consistency, verify_inclusion};

/// Heads of one size that are looked through for one with a signature.
const HEADS_OF_A_SIZE: u32 = 256;

impl<S: SecureLogStore> SecureLog<S> {
    /// The newest head that a key of the log signed, as a signed note. It is the last head where each is signed.
    /// [`LogError::HeadUnsigned`] in a keyless log.
    pub fn signed_head(&mut self) -> Result<Note, LogError> {
        self.reading(|log| {
            let head = log.newest_signed()?;
            Ok(Note::of_head(&log.log.origin, &head))
        })
    }

    /// Proves that an entry stands at its place in the log tree of a size, which is the log's own when none is named. Only
    /// sizes that a commit ended with have a head, and only these can be asked for.
    pub fn prove_inclusion(&mut self, seqno: u64, size: Option<u64>) -> Result<InclusionProof, LogError> {
        self.reading(|log| {
            let (size, root) = log.headed(size)?;
            log.inclusion(seqno, size, root)
        })
    }

    /// Proves that the log tree of one size begins with that of a smaller one; both have a head. The larger one is the log's
    /// own size when none is named.
    pub fn prove_consistency(&mut self, old: u64, new: Option<u64>) -> Result<ConsistencyProof, LogError> {
        self.reading(|log| {
            let new = new.unwrap_or(log.accepted.head.size);
            if old == 0 || old > new {
                return Err(LogError::UnprovableSizes { old, new });
            }
            let (new_size, new_root) = log.headed(Some(new))?;
            let (old_size, old_root) = log.headed(Some(old))?;
            let hashes = log.consistency((old_size, &old_root), (new_size, &new_root))?;
            Ok(ConsistencyProof { old_size, old_root, new_size, new_root, hashes })
        })
    }

    /// Proves an entry under a signed head of a size, or under the newest signed one, as a text that is checked with the
    /// log's verifier key alone: a C2SP tlog-proof (format.md s.6).
    pub fn tlog_proof(&mut self, seqno: u64, size: Option<u64>) -> Result<TlogProof, LogError> {
        self.reading(|log| {
            let head = match size {
                None => log.newest_signed()?,
                Some(size) => log.signed_of_size(size)?,
            };
            let proof = log.inclusion(seqno, head.size, head.root)?;
            let entry = log.canonical_bytes(seqno, &proof.entry_hash)?;
            let note = Note::of_head(&log.log.origin, &head);
            Ok(TlogProof { entry, index: seqno - 1, hashes: proof.hashes, note })
        })
    }

    pub(super) fn newest_signed(&mut self) -> Result<HeadRow, LogError> {
        let newest = self.newest_head()?;
        let unsigned = LogError::HeadUnsigned(newest.head.size);
        if self.keyless {
            return Err(unsigned);
        }
        let head = self.attested_head(&newest)?.ok_or(unsigned)?.head;
        let (size, root) = (self.accepted.head.size, self.accepted.head.root);
        prove_consistency(&mut self.store, (head.size, &head.root), (size, &root))?;
        Ok(head)
    }

    pub(super) fn signed_of_size(&mut self, size: u64) -> Result<HeadRow, LogError> {
        let keys = self.past_log_keys();
        for head in self.heads_of_size(size)? {
            if self.is_attested(&head, &keys)? {
                return Ok(head);
            }
        }
        Err(LogError::HeadUnsigned(size))
    }

    /// Size and root of a head: the accepted one, or what the store says of another size. That is proven with whatever is
    /// proven under it.
    fn headed(&mut self, size: Option<u64>) -> Result<(u64, Hash), LogError> {
        let own = &self.accepted.head;
        match size {
            Some(size) if size != own.size => Ok((size, self.heads_of_size(size)?[0].root)),
            _ => Ok((own.size, own.root)),
        }
    }

    /// The heads of a size, newest first, of which there is at least one.
    fn heads_of_size(&mut self, size: u64) -> Result<Vec<HeadRow>, LogError> {
        if size > self.accepted.head.size {
            return Err(LogError::HeadNotFound(size));
        }
        let last = self.last_head_up_to(size)?;
        let page = self.store.heads(Some(last + 1), HEADS_OF_A_SIZE)?;
        let heads: Vec<HeadRow> =
            page.into_iter().map(|numbered| numbered.head).take_while(|head| head.size == size).collect();
        if heads.is_empty() { Err(LogError::HeadNotFound(size)) } else { Ok(heads) }
    }

    /// Number of the last head of at most this size; 0 where there is none. Sizes never fall from head to head, so that it is
    /// found by halving.
    pub(super) fn last_head_up_to(&mut self, size: u64) -> Result<u64, LogError> {
        // All heads up to `low` have at most this size, all from `high` on have more.
        let (mut low, mut high) = (0, self.newest_head()?.number.saturating_add(1));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.numbered_head(middle)?.head.size <= size { low = middle } else { high = middle }
        }
        Ok(low)
    }

    fn numbered_head(&mut self, number: u64) -> Result<NumberedHead, LogError> {
        let found = self.store.heads(Some(number + 1), 1)?.into_iter().next();
        found.filter(|head| head.number == number).ok_or_else(|| {
            let detail = "the store does not have it, and has later ones".into();
            StoreError::Corrupt { at: format!("head number {number}"), detail }.into()
        })
    }

    /// Proves an entry under a head, and the head under the accepted one.
    pub(super) fn inclusion(&mut self, seqno: u64, size: u64, root: Hash) -> Result<InclusionProof, LogError> {
        if seqno == 0 || seqno > self.accepted.head.size {
            return Err(LogError::EntryNotFound(seqno));
        }
        let index = seqno - 1;
        let plan = ProofPlan::inclusion(index, size).map_err(|_| LogError::NotCovered { seqno, size })?;
        let growth = ProofPlan::consistency(size, self.accepted.head.size).map_err(|_| LogError::HeadNotFound(size))?;
        let (accepted, head) = (&self.accepted.tree, &self.accepted.head);
        with_reindex(&mut self.store, |store| {
            let mut reader = TreeReader::new(store, TreeId::Log);
            let entry_hash = reader.leaves(Subtree { level: 0, index })?[0];
            let [hashes, grown] = assemble(&mut reader, accepted, [&plan, &growth])?;
            verify_consistency(size, &root, head.size, &head.root, &grown)
                .map_err(|_| LogError::Fork { expected: head.size, found: size })?;
            verify_inclusion(&leaf_hash(&entry_hash), index, size, &hashes, &root).map_err(|_| {
                LogError::ChainBroken { seqno, reason: "the tree under the head holds another entry here" }
            })?;
            Ok(InclusionProof { seqno, entry_hash, size, root, hashes })
        })
    }

    /// Proves a head under another one, and that one under the accepted one.
    fn consistency(
        &mut self,
        (old, old_root): (u64, &Hash),
        (new, new_root): (u64, &Hash),
    ) -> Result<Vec<Hash>, LogError> {
        let sizes = |_| LogError::UnprovableSizes { old, new };
        let plan = ProofPlan::consistency(old, new).map_err(sizes)?;
        let growth = ProofPlan::consistency(new, self.accepted.head.size).map_err(sizes)?;
        let (accepted, head) = (&self.accepted.tree, &self.accepted.head);
        with_reindex(&mut self.store, |store| {
            let mut reader = TreeReader::new(store, TreeId::Log);
            let [hashes, grown] = assemble(&mut reader, accepted, [&plan, &growth])?;
            verify_consistency(new, new_root, head.size, &head.root, &grown)
                .map_err(|_| LogError::Fork { expected: head.size, found: new })?;
            verify_consistency(old, old_root, new, new_root, &hashes)
                .map_err(|_| LogError::Fork { expected: new, found: old })?;
            Ok(hashes)
        })
    }

    /// The bytes of the entry that has this hash, which was proven.
    fn canonical_bytes(&mut self, seqno: u64, hash: &Hash) -> Result<Vec<u8>, LogError> {
        let mut found = None;
        self.walk(None, seqno, seqno, |_, _, checked| {
            found = Some(match checked {
                Checked::Entry(entry, hash) => (Some(entry.encode()), hash),
                Checked::Pruned(hash) => (None, hash),
            });
            Ok(false)
        })?;
        let broken = |reason| LogError::ChainBroken { seqno, reason };
        let (bytes, found) = found.ok_or_else(|| broken("the store does not have this entry"))?;
        if found != *hash {
            return Err(broken("the tree under the head holds another entry here"));
        }
        bytes.ok_or(LogError::EntryNotFound(seqno))
    }
}

/// Reads at once what both proofs need; what the frontier of the accepted tree says is not asked for.
fn assemble<S: SecureLogStore>(
    reader: &mut TreeReader<'_, S>,
    accepted: &CompactTree,
    plans: [&ProofPlan; 2],
) -> Result<[Vec<Hash>; 2], LogError> {
    let wanted: Vec<Subtree> = plans.iter().flat_map(|plan| plan.subtrees()).collect();
    let unknown: Vec<Subtree> = wanted.iter().filter(|s| accepted.frontier_root(**s).is_none()).copied().collect();
    let mut read = reader.roots(&unknown)?.into_iter();
    let roots: Vec<Hash> = wanted
        .iter()
        .map(|s| accepted.frontier_root(*s).unwrap_or_else(|| read.next().expect("what is not known was read")))
        .collect();
    let (first, second) = roots.split_at(plans[0].subtrees().count());
    let whole = "one root a subtree was read";
    Ok([plans[0].assemble(first).expect(whole), plans[1].assemble(second).expect(whole)])
}
