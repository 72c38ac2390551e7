//! The log tree: what it adds to an append, and what a proof in it costs in a long log.

use std::fs;
use std::time::Instant;

use secure_log::engine::NewEntry;
use secure_log::hash::Hash;
use secure_log::memory::MemoryStore;
use secure_log::store::{STORED_LEVEL, SecureLogStore};
use secure_log::tree::{CompactTree, Subtree, leaf_hash, node_hash};
use secure_log_bench_shared::entry::BATCH;
use secure_log_bench_shared::{Failure, Sample};
use secure_log_sqlite::SqliteStore;

use crate::native::{Native, append, open};
use crate::sqlite::{PLACES, worst};

/// Leaves that are hashed to see what the tree takes, and how often; the best time counts.
const LEAVES: u64 = 200_000;
const ROUNDS: usize = 7;

impl Native {
    /// Proofs at the worst of many places of a log of so many entries, and the share of the tree in an append. Of an entry
    /// only its hash matters here, so that the payload is empty and a long log fits into memory.
    pub fn tree(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut samples = share();
        samples.extend(self.proofs("memory", MemoryStore::new(), entries)?);
        let path = self.fresh("tree.db")?;
        samples.extend(self.proofs("sqlite", SqliteStore::open(&path)?, entries)?);
        fs::remove_file(path)?;
        Ok(samples)
    }

    fn proofs<S: SecureLogStore>(&self, name: &str, store: S, entries: u64) -> Result<[Sample; 3], Failure> {
        let mut log = open(store)?;
        let batch = vec![NewEntry { payload: b"", ..self.entry() }; BATCH];
        append(&mut log, &batch, entries)?;
        let size = log.size();
        let step = (size / PLACES).max(1);
        let seqnos: Vec<u64> = (1..=size).step_by(step as usize).collect();
        // Batches end with a head: these sizes have one.
        let heads: Vec<u64> = seqnos.iter().map(|seqno| seqno.div_ceil(BATCH as u64) * BATCH as u64).collect();
        let sample = |what: &str, seconds| Sample::new(what, name, 1, seconds);
        Ok([
            sample("worst-inclusion", worst(&seqnos, |seqno| log.prove_inclusion(seqno, None).map(drop))?),
            sample("worst-consistency", worst(&heads, |old| log.prove_consistency(old, None).map(drop))?),
            sample("worst-tlog-proof", worst(&seqnos, |seqno| log.tlog_proof(seqno, None).map(drop))?),
        ])
    }
}

/// A tree that grows, with the hashes that an append stores of it; and beside it as many hashes of leaves and nodes.
fn share() -> Vec<Sample> {
    let entries: Vec<Hash> = (0..LEAVES).map(|n| Hash::sha256(&n.to_be_bytes())).collect();
    let grow = || {
        let (mut tree, mut nodes) = (CompactTree::new(), Vec::<(Subtree, Hash)>::new());
        for entry in &entries {
            tree.push_with(leaf_hash(entry), |subtree, hash| {
                if subtree.level >= STORED_LEVEL {
                    nodes.push((subtree, *hash));
                }
            });
        }
        (tree.root(), nodes.len())
    };
    // None waits for the one before it, as those of a tree mostly do not.
    let hash = || entries.iter().map(|entry| node_hash(entry, &leaf_hash(entry)).0[0]).fold(0, |all, byte| all ^ byte);
    let best = |work: &dyn Fn()| {
        let seconds = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        });
        seconds.fold(f64::INFINITY, f64::min)
    };
    let grown = best(&|| _ = std::hint::black_box(grow()));
    let hashed = best(&|| _ = std::hint::black_box(hash()));
    vec![Sample::new("tree-append", "", LEAVES, grown), Sample::new("tree-hashes", "", LEAVES, hashed)]
}
