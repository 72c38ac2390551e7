//! Proofs made of anything: refused or not, never a panic, and never for two different sizes at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::hash::Hash;
use secure_log::tree::{ProofPlan, verify_consistency, verify_inclusion};

fuzz_target!(|input: (u64, u64, Vec<[u8; 32]>)| {
    let (a, b, hashes) = input;
    let mut hashes: Vec<Hash> = hashes.into_iter().map(Hash).collect();
    let (Some(first), Some(second)) = (hashes.pop(), hashes.pop()) else { return };
    let _ = verify_inclusion(&first, a, b, &hashes, &second);
    let _ = verify_consistency(a, &first, b, &second, &hashes);
    for plan in [ProofPlan::inclusion(a, b), ProofPlan::consistency(a, b)].into_iter().flatten() {
        let count = plan.subtrees().count();
        assert!(count <= 64 * 64);
        let proof = plan.assemble(&vec![first; count]).expect("as many roots as the plan asks for");
        assert!(proof.len() <= 65);
    }
});
