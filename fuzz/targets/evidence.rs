//! Proofs of entries and evidence as texts: what is read is written back as it was, and none is accepted of a log that
//! nobody trusts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::proof::{Equivocation, TlogProof};
use secure_log::verify::Trust;

fuzz_target!(|text: &str| {
    if let Ok(proof) = TlogProof::parse(text) {
        assert_eq!(proof.to_string(), text);
        assert!(proof.verify(&Trust::new()).is_err());
    }
    if let Ok(evidence) = Equivocation::parse(text) {
        assert_eq!(evidence.to_string(), text);
        assert!(evidence.verify(&Trust::new()).is_err());
    }
});
