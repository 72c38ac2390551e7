//! Logs that sign their heads, and witnesses in this process.

use std::path::Path;

use secure_log::hash::Hash;
use secure_log::note::{Note, VerifierKey, text as head_text};
use secure_log::providers::Keystore as _;
use secure_log::sign::Algorithm;
use secure_log::tree::{CompactTree, ProofPlan, leaf_hash};
use secure_log_disk::Disk;
use secure_log_testkit::TestKeystore;
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_witness::{AddCheckpoint, AnsweredPost, Endpoint, Post, Request, Response, Route, WitnessConfig};

pub(crate) const ORIGIN: &str = "log.example/1";
pub(crate) const NAME: &str = "witness.example/w";
pub(crate) const NOW: u64 = 1_790_000_000;

/// Keys of everybody, by label: a log's is its origin, a witness's its name.
pub(crate) fn keystore(label: &str) -> TestKeystore {
    TestKeystore::new().signing(label, Algorithm::Ed25519)
}

pub(crate) fn public_key(label: &str) -> Vec<u8> {
    keystore(label).signer(label).unwrap().public_key().to_vec()
}

pub(crate) fn log_key(origin: &str) -> VerifierKey {
    VerifierKey::new(origin, Algorithm::Ed25519, &public_key(origin)).unwrap()
}

pub(crate) fn witness_key(name: &str) -> VerifierKey {
    VerifierKey::new_witness(name, &public_key(name)).unwrap()
}

/// Signs a text as the log of this origin.
pub(crate) fn signed(origin: &str, text: &str) -> Note {
    let signature = keystore(origin).signer(origin).unwrap().sign(text.as_bytes()).unwrap();
    Note { text: text.into(), sigs: vec![log_key(origin).signature_line(&signature).unwrap()] }
}

/// A log of 64 entries, with real roots and proofs.
pub(crate) struct Log {
    pub(crate) origin: &'static str,
    leaves: Vec<Hash>,
}

impl Log {
    pub(crate) fn new(origin: &'static str) -> Log {
        Log { origin, leaves: (0..64u8).map(|i| leaf_hash(&Hash::sha256(&[i]))).collect() }
    }

    /// The same log with other entries from `at` on.
    pub(crate) fn forked(&self, at: u64, other: u64) -> Log {
        let mut leaves = self.leaves.clone();
        leaves[at as usize..]
            .iter_mut()
            .for_each(|leaf| *leaf = leaf_hash(&Hash::sha256(&[&leaf.0[..], &other.to_be_bytes()].concat())));
        Log { origin: self.origin, leaves }
    }

    fn subtree(&self, first: u64, count: u64) -> Hash {
        let mut tree = CompactTree::new();
        self.leaves[first as usize..(first + count) as usize].iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        self.subtree(0, size)
    }

    pub(crate) fn note(&self, size: u64) -> Note {
        signed(self.origin, &head_text(self.origin, size, &self.root(size)))
    }

    pub(crate) fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        // Nothing can be proven from size 0, and nothing has to be.
        let Ok(plan) = ProofPlan::consistency(old, new) else { return Vec::new() };
        let roots: Vec<Hash> = plan.subtrees().map(|s| self.subtree(s.index << s.level, 1 << s.level)).collect();
        plan.assemble(&roots).expect("a root for each subtree")
    }

    pub(crate) fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint { old_size: old, proof: self.proof(old, new), note: self.note(new) }
    }
}

pub(crate) fn config(name: &str, folder: &str, logs: &[&str]) -> WitnessConfig {
    let logs = logs.iter().map(|origin| log_key(origin)).collect();
    WitnessConfig { name: name.into(), state: folder.into(), label: name.into(), logs }
}

/// Where the witnesses on a [`CrashDisk`] keep their records.
pub(crate) const STATE: &str = "state";

/// A disk with an empty folder for a witness.
pub(crate) fn disk_with_state() -> CrashDisk {
    let disk = CrashDisk::new();
    disk.create_folder(Path::new(STATE)).unwrap();
    disk.sync_folder(Path::new(".")).unwrap();
    disk
}

/// The witness with this name of the logs with these origins.
pub(crate) fn endpoint<D: Disk>(disk: D, name: &str, folder: &str, origins: &[&str]) -> Endpoint<D> {
    Endpoint::open(&config(name, folder, origins), &keystore(name), disk).unwrap()
}

/// Answers as a server would.
pub(crate) fn answer<D: Disk>(endpoint: &Endpoint<D>, method: &str, path: &str, body: &[u8]) -> Response {
    match Route::of(&Request { method, path, length: Some(body.len() as u64) }) {
        Ok(route) => endpoint.serve(route, body, NOW),
        Err(refused) => refused,
    }
}

pub(crate) fn add<D: Disk>(endpoint: &Endpoint<D>, request: &AddCheckpoint) -> Response {
    answer(endpoint, "POST", "/add-checkpoint", request.to_string().as_bytes())
}

/// A network with one witness on it.
pub(crate) struct Direct<D>(pub(crate) Endpoint<D>);

impl<D: Disk> Post for Direct<D> {
    fn post(&mut self, url: &str, body: &str, limit: usize) -> Result<AnsweredPost, String> {
        assert!(url.ends_with("/add-checkpoint"), "{url}");
        let Response { status, content_type, body, .. } = answer(&self.0, "POST", "/add-checkpoint", body.as_bytes());
        assert!(body.len() <= limit);
        Ok(AnsweredPost { status, content_type: Some(content_type.into()), body: body.into() })
    }
}
