//! The raw cost of an entry: its hash, its leaf hash, and one node each of the log's tree and of its segment's. Nothing
//! that appends can hash less.
//!
//! The same function is called natively and, as a component that is composed into nothing, under a runtime.
#![cfg_attr(not(target_family = "wasm"), forbid(unsafe_code))]

use secure_log::hash::Hash;
use secure_log::tree::{leaf_hash, node_hash};

/// Hashes all encoded entries so many times. Each hash depends on the one before, so that none can be left out.
pub fn hash_entries(entries: &[Vec<u8>], rounds: u32) -> Hash {
    let (mut log, mut segment) = (Hash::ZERO, Hash::ZERO);
    for _ in 0..rounds {
        for bytes in entries {
            let leaf = leaf_hash(&Hash::sha256(bytes));
            log = node_hash(&log, &leaf);
            segment = node_hash(&leaf, &segment);
        }
    }
    node_hash(&log, &segment)
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs)]
mod guest {
    use std::sync::{Mutex, PoisonError};

    wit_bindgen::generate!({ path: "wit", world: "raw" });

    static ENTRIES: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

    struct Raw;

    impl Guest for Raw {
        fn load(entries: Vec<Vec<u8>>) {
            *ENTRIES.lock().unwrap_or_else(PoisonError::into_inner) = entries;
        }

        fn hash(rounds: u32) -> Vec<u8> {
            let entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
            super::hash_entries(&entries, rounds).0.to_vec()
        }
    }

    export!(Raw);
}
