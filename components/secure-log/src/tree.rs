//! The exported interface `tree`: convert, forward, convert back. What verifies needs no log.

use secure_log::hash::Hash;
use secure_log::note::{NoteError, VerifierKey};
use secure_log::proof::{
    Comparison, Equivocation, MAX_PROOF_HASHES, Refused, TlogProof, VerifiedHead, compare_entries, compare_heads,
    verify_consistency, verify_head, verify_inclusion,
};
use secure_log::submission::{ReceiptError, check_receipt};
use secure_log::tree::ProofError;
use secure_log::verify::{PolicyError, Trust};

use crate::bindings::exports::secure_log::log::{tree, types};
use crate::convert;
use crate::exports::{Component, with};

impl tree::Guest for Component {
    fn head() -> Result<String, types::LogError> {
        with(|log| log.signed_head()).map(|note| note.to_string())
    }

    fn prove_inclusion(seqno: u64, size: Option<u64>) -> Result<tree::EntryInclusion, types::LogError> {
        let proof = with(|log| log.prove_inclusion(seqno, size))?;
        Ok(tree::EntryInclusion {
            seqno: proof.seqno,
            entry_hash: bytes(&proof.entry_hash),
            size: proof.size,
            root: bytes(&proof.root),
            hashes: proof.hashes.iter().map(bytes).collect(),
        })
    }

    fn prove_consistency(old_size: u64, new_size: Option<u64>) -> Result<tree::Consistency, types::LogError> {
        let proof = with(|log| log.prove_consistency(old_size, new_size))?;
        Ok(tree::Consistency {
            old_size: proof.old_size,
            old_root: bytes(&proof.old_root),
            new_size: proof.new_size,
            new_root: bytes(&proof.new_root),
            hashes: proof.hashes.iter().map(bytes).collect(),
        })
    }

    fn prove_entry(seqno: u64, size: Option<u64>) -> Result<String, types::LogError> {
        with(|log| log.tlog_proof(seqno, size)).map(|proof| proof.to_string())
    }

    fn verify_head(note: String, keys: Vec<String>) -> Result<tree::VerifiedHead, tree::ProofError> {
        verify_head(&note, &trust(&keys)?).map(|verified| head(&verified)).map_err(error)
    }

    fn verify_inclusion(
        hashes: Vec<Vec<u8>>,
        entry_hash: Vec<u8>,
        seqno: u64,
        size: u64,
        root: Vec<u8>,
    ) -> Result<(), tree::ProofError> {
        verify_inclusion(&proof(&hashes)?, &hash(&entry_hash)?, seqno, size, &hash(&root)?).map_err(error)
    }

    fn verify_consistency(
        hashes: Vec<Vec<u8>>,
        old_size: u64,
        old_root: Vec<u8>,
        new_size: u64,
        new_root: Vec<u8>,
    ) -> Result<(), tree::ProofError> {
        let (old_root, new_root) = (hash(&old_root)?, hash(&new_root)?);
        verify_consistency(&proof(&hashes)?, (old_size, &old_root), (new_size, &new_root)).map_err(error)
    }

    fn verify_entry(proof: String, keys: Vec<String>) -> Result<tree::VerifiedEntry, tree::ProofError> {
        let trust = trust(&keys)?;
        let verified = TlogProof::parse(&proof).and_then(|proof| proof.verify(&trust)).map_err(error)?;
        let entry = convert::entry(verified.entry().clone())
            .map_err(|_| tree::ProofError::Malformed("the entry has an unknown severity".into()))?;
        Ok(tree::VerifiedEntry { head: head(verified.head()), entry_hash: bytes(verified.hash()), entry })
    }

    fn compare_heads(
        one: String,
        other: String,
        hashes: Option<Vec<Vec<u8>>>,
        keys: Vec<String>,
    ) -> Result<tree::Comparison, tree::ProofError> {
        let hashes = hashes.as_deref().map(proof).transpose()?;
        compare_heads(&one, &other, hashes.as_deref(), &trust(&keys)?).map(comparison).map_err(error)
    }

    fn compare_entries(one: String, other: String, keys: Vec<String>) -> Result<tree::Comparison, tree::ProofError> {
        compare_entries(&one, &other, &trust(&keys)?).map(comparison).map_err(error)
    }

    fn verify_receipt(receipt: String, submission: String, keys: Vec<String>) -> Result<String, tree::ProofError> {
        let trust = trust(&keys)?;
        let known = [trust.log_keys(), trust.witnesses()].concat();
        let signer = check_receipt(&receipt, &submission, &known).map_err(|refused| match refused {
            ReceiptError::OfSomethingElse => tree::ProofError::AnotherSubmission,
            ReceiptError::Note(why) => error(why.into()),
            other => tree::ProofError::Malformed(other.to_string()),
        })?;
        signer.map(|key| key.name().into()).ok_or_else(|| tree::ProofError::UnknownKey(origin_of(&submission).into()))
    }

    fn verify_equivocation(
        evidence: String,
        keys: Vec<String>,
    ) -> Result<tree::VerifiedEquivocation, tree::ProofError> {
        let trust = trust(&keys)?;
        let verified = Equivocation::parse(&evidence).and_then(|found| found.verify(&trust)).map_err(error)?;
        let [one, other] = verified.heads();
        Ok(tree::VerifiedEquivocation { one: head(one), other: head(other), seqno: verified.seqno() })
    }
}

/// Whom the caller trusts: keys, and a policy, which has several lines.
pub(crate) fn trust(keys: &[String]) -> Result<Trust, tree::ProofError> {
    let bad = |why: &dyn core::fmt::Display| tree::ProofError::BadKey(why.to_string());
    let (policies, keys): (Vec<&String>, Vec<&String>) = keys.iter().partition(|text| text.contains('\n'));
    let mut trust = match policies[..] {
        [] => Trust::new(),
        [policy] => policy.parse().map_err(|why: PolicyError| bad(&why))?,
        _ => return Err(bad(&"a second trust policy")),
    };
    for key in keys {
        let key: VerifierKey = key.parse().map_err(|why: NoteError| bad(&why))?;
        if key.is_witness() { trust.add_witness(key) } else { trust.add_log_key(key) }
    }
    Ok(trust)
}

fn comparison(comparison: Comparison) -> tree::Comparison {
    match comparison {
        Comparison::Consistent => tree::Comparison::Consistent,
        Comparison::NotComparable(why) => tree::Comparison::NotComparable(why.map(error)),
        Comparison::Equivocation(evidence) => tree::Comparison::Equivocation(evidence.to_string()),
    }
}

fn head(head: &VerifiedHead) -> tree::VerifiedHead {
    tree::VerifiedHead { origin: head.origin().into(), size: head.size(), root: bytes(head.root()) }
}

pub(crate) fn error(refused: Refused) -> tree::ProofError {
    use tree::ProofError as Wire;
    match refused {
        Refused::UnknownKey { origin } => Wire::UnknownKey(origin),
        Refused::QuorumNotMet { origin } => Wire::QuorumNotMet(origin),
        Refused::AnotherLog { expected, found } => Wire::AnotherLog(tree::TextMismatch { expected, found }),
        Refused::AnotherSeqno { expected, found } => Wire::AnotherSeqno(tree::SeqnoMismatch { expected, found }),
        Refused::UnknownSuite(version) => Wire::UnknownSuite(version),
        Refused::MacKeyMissing => Wire::MacKeyMissing,
        Refused::NoContradiction => Wire::NoContradiction,
        Refused::Note(NoteError::Signature(error)) => Wire::SignatureInvalid(error.to_string()),
        Refused::Tree(ProofError::IndexOutOfRange { index, size }) => {
            Wire::IndexOutOfRange(tree::MissingLeaf { index, size })
        }
        Refused::Tree(ProofError::Sizes { old, new }) => Wire::UnprovableSizes(types::SizePair { old, new }),
        Refused::Tree(ProofError::TooLong) => Wire::TooLong,
        Refused::Tree(ProofError::TooShort) => Wire::TooShort,
        Refused::Tree(ProofError::RootMismatch { expected, actual }) => {
            Wire::RootMismatch(tree::RootMismatch { expected: bytes(&expected), found: bytes(&actual) })
        }
        // What is left, and what is added later, is not in its form.
        other => Wire::Malformed(other.to_string()),
    }
}

/// The log that a submission is of.
fn origin_of(submission: &str) -> &str {
    submission.lines().nth(1).unwrap_or_default()
}

fn proof(hashes: &[Vec<u8>]) -> Result<Vec<Hash>, tree::ProofError> {
    if hashes.len() > MAX_PROOF_HASHES {
        return Err(tree::ProofError::TooLong);
    }
    hashes.iter().map(|bytes| hash(bytes)).collect()
}

fn hash(bytes: &[u8]) -> Result<Hash, tree::ProofError> {
    let found = bytes.len();
    Hash::try_from(bytes).map_err(|_| tree::ProofError::Malformed(format!("a hash has 32 bytes, found {found}")))
}

fn bytes(hash: &Hash) -> Vec<u8> {
    hash.0.to_vec()
}
