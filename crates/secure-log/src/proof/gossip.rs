//! Comparing two heads of one log, as two people who were shown them do.

use crate::hash::Hash;
use crate::note::Note;
use crate::proof::equivocation::{Equivocation, contradict};
use crate::proof::head::verify_note;
use crate::proof::tlog::TlogProof;
use crate::proof::{Refused, verify_consistency};
use crate::verify::Trust;

/// What two heads of one log say of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They are of one history.
    Consistent,
    /// Nothing can be said: a consistency proof is missing, or the one that was given does not lead from one to the other,
    /// for this reason. That says nothing of the log, as anybody can hand over a bad proof.
    NotComparable(Option<Refused>),
    /// Nobody who keeps one history signs both.
    Equivocation(Equivocation),
}

/// Compares two heads that a known key of one log signed, in whatever order. `hashes` is the consistency proof from the
/// smaller to the larger one, if there is one. Who cosigned them is not asked, also where `trust` names a quorum.
///
/// Two heads of one size need no proof. A head of size 0 is the beginning of any log.
pub fn compare_heads(one: &str, other: &str, hashes: Option<&[Hash]>, trust: &Trust) -> Result<Comparison, Refused> {
    let notes = [Note::parse(one)?, Note::parse(other)?];
    let heads = [verify_note(&notes[0], trust)?, verify_note(&notes[1], trust)?];
    if contradict(&heads)? {
        return Ok(Comparison::Equivocation(Equivocation::of_heads(notes)));
    }
    let [old, new] = if heads[0].size() <= heads[1].size() { [&heads[0], &heads[1]] } else { [&heads[1], &heads[0]] };
    if old.size() == new.size() || old.size() == 0 {
        return Ok(Comparison::Consistent);
    }
    let Some(hashes) = hashes else { return Ok(Comparison::NotComparable(None)) };
    Ok(match verify_consistency(hashes, (old.size(), old.root()), (new.size(), new.root())) {
        Ok(()) => Comparison::Consistent,
        Err(why) => Comparison::NotComparable(Some(why)),
    })
}

/// Compares what two `.tlog-proof`s of one log show. Different entries at one place are evidence, whatever the sizes of the
/// two heads: a tree that extends another one has the same leaves where that one has leaves.
pub fn compare_entries(one: &str, other: &str, trust: &Trust) -> Result<Comparison, Refused> {
    let proofs = [TlogProof::parse(one)?, TlogProof::parse(other)?];
    let verified = [proofs[0].verify_alone(trust)?, proofs[1].verify_alone(trust)?];
    let heads = verified.each_ref().map(|entry| entry.head().clone());
    let hashes = verified.each_ref().map(|entry| *entry.hash());
    if contradict(&heads)? {
        return Ok(Comparison::Equivocation(Equivocation::of_heads(proofs.map(|proof| proof.note))));
    }
    if proofs[0].index == proofs[1].index && hashes[0] != hashes[1] {
        return Ok(Comparison::Equivocation(Equivocation::of_entries(proofs, hashes)));
    }
    Ok(if heads[0] == heads[1] { Comparison::Consistent } else { Comparison::NotComparable(None) })
}
