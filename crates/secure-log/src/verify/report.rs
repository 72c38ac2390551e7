//! What a verification answers.

use std::collections::HashSet;

use crate::hash::Hash;
use crate::note::Checkpoint;
use crate::sign::{Algorithm, PublicKey};
use crate::verify::finding::Finding;
use crate::verify::missing::Missing;

/// How many things that could not be checked, and how many unknown signers, a report lists.
pub const MAX_LISTED: usize = 1000;

/// The three answers (security.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was checked, and is as it should be.
    Valid,
    /// Nothing is wrong with what was checked. What could not be checked stands in [`Report::missing`].
    Incomplete,
    /// A check failed.
    Invalid(Finding),
}

impl Verdict {
    /// `valid`, `incomplete` or `invalid`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Incomplete => "incomplete",
            Verdict::Invalid(_) => "invalid",
        }
    }
}

/// The verdict, and what it rests on. Where the log is invalid, the counts are of what was read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// The log's origin; empty when the log could not be read at all.
    pub origin: String,
    /// Entries under the last head, gone or not.
    pub size: u64,
    /// Root of the log tree of that size.
    pub root: Hash,
    /// The log is complete up to this seqno on the word of a trusted key. 0: on nobody's.
    pub complete_to: u64,
    /// Entries that were re-hashed, or would have been with the key of the keyed suite.
    pub entries: u64,
    /// Entries that are gone, of which only the hash could be compared.
    pub pruned: u64,
    /// Closed segments whose root was recomputed.
    pub segments: u64,
    /// Signatures of entries and segments by keys of the policy.
    pub signatures: u64,
    /// Heads whose root was recomputed.
    pub heads: u64,
    /// Cosignatures of witnesses of the policy.
    pub cosignatures: u64,
    /// Data keys whose erasure an entry records.
    pub erased: u64,
    /// Sealed payloads that nobody opens again, as an entry records that their data key was erased.
    pub erased_payloads: u64,
    /// Sealed payloads that were not opened and were not erased: all of them where no wrapping key was given. They are proven
    /// as they stand, sealed.
    pub unopened: u64,
    /// What could not be checked; at most [`MAX_LISTED`] things.
    pub missing: Vec<Missing>,
    /// How many more could not be checked and are not listed.
    pub missing_unlisted: u64,
    /// Identities that signed and that the policy does not know; at most [`MAX_LISTED`].
    pub unknown_signers: Vec<String>,
    /// The head of an earlier log that this one says it continues. Whether that log is there, and ends like this, is for
    /// [`verify_chain`](crate::archive::verify_chain) to say.
    pub continues: Option<Checkpoint>,
    /// The keys whose signatures were checked and are right. The policy bounds how many there can be.
    pub keys: Vec<KeyUse>,
}

impl Report {
    /// On whose word the log is complete up to [`Report::complete_to`]: the keys that signed or cosigned the head of that
    /// size.
    pub fn attested_by(&self) -> impl Iterator<Item = &KeyUse> {
        let of_that_head = |key: &&KeyUse| key.role != KeyRole::Signer && key.last == self.complete_to;
        let attested = self.keys.iter().any(|key| key.role == KeyRole::Log && key.last == self.complete_to);
        self.keys.iter().filter(of_that_head).filter(move |_| attested)
    }
}

/// What a key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// As what it signed.
    pub role: KeyRole,
    /// The key's name: the origin, the witness or the identity.
    pub name: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// SHA-256 of the public key in the form of format.md s.5.
    pub fingerprint: Hash,
    /// How many of its signatures were checked.
    pub signatures: u64,
    /// The largest head that it signed or, of a signer, the last entry, or last entry of a segment.
    pub last: u64,
}

/// As what a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// Heads, as the log.
    Log,
    /// Heads, as a witness.
    Witness,
    /// Entries and segments.
    Signer,
}

impl KeyRole {
    /// `log`, `witness` or `signer`.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyRole::Log => "log",
            KeyRole::Witness => "witness",
            KeyRole::Signer => "signer",
        }
    }
}

/// The keys that signed something, up to the last head.
#[derive(Debug, Default)]
pub(super) struct KeyUses {
    uses: Vec<(PublicKey, KeyUse)>,
    /// Since the last head: which key, and what it signed.
    open: Vec<(usize, u64)>,
}

impl KeyUses {
    /// A signature was checked.
    pub(super) fn note(&mut self, role: KeyRole, name: &str, key: &PublicKey, signed: u64) {
        let same = |(other, used): &(PublicKey, KeyUse)| used.role == role && used.name == name && other == key;
        let index = self.uses.iter().position(same).unwrap_or_else(|| {
            let fingerprint = Hash::sha256(key.as_bytes());
            let algorithm = key.algorithm();
            let used = KeyUse { role, name: name.into(), algorithm, fingerprint, signatures: 0, last: 0 };
            self.uses.push((key.clone(), used));
            self.uses.len() - 1
        });
        self.open.push((index, signed));
    }

    /// A head ends the commit in which they were checked.
    pub(super) fn settle(&mut self) {
        for (index, signed) in self.open.drain(..) {
            let (_, used) = &mut self.uses[index];
            used.signatures += 1;
            used.last = used.last.max(signed);
        }
    }

    /// Those that signed something under a head.
    pub(super) fn counted(self) -> Vec<KeyUse> {
        self.uses.into_iter().map(|(_, used)| used).filter(|used| used.signatures > 0).collect()
    }
}

/// What is counted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) pruned: u64,
    pub(super) segments: u64,
    pub(super) signatures: u64,
    pub(super) heads: u64,
    pub(super) cosignatures: u64,
    pub(super) erased: u64,
    /// Payloads that are sealed, of which some are erased and some were opened.
    pub(super) sealed: u64,
    pub(super) erased_payloads: u64,
    pub(super) opened: u64,
}

/// Things in the order in which they came up, each once, and no more of them than are worth reading.
#[derive(Debug)]
pub(super) struct Listed<T> {
    known: HashSet<T>,
    pub(super) items: Vec<T>,
    pub(super) unlisted: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Listed<T> {
        Listed { known: HashSet::new(), items: Vec::new(), unlisted: 0 }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Listed<T> {
    pub(super) fn add(&mut self, item: &T) {
        if self.known.contains(item) {
            return;
        }
        if self.items.len() == MAX_LISTED {
            self.unlisted = self.unlisted.saturating_add(1);
            return;
        }
        self.known.insert(item.clone());
        self.items.push(item.clone());
    }
}

/// The first few of something, and how many more there were.
#[derive(Debug)]
pub(super) struct Few<T> {
    pub(super) items: Vec<T>,
    pub(super) more: u64,
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few { items: Vec::new(), more: 0 }
    }
}

impl<T> Few<T> {
    pub(super) fn push(&mut self, item: T) {
        if self.items.len() < MAX_LISTED {
            self.items.push(item);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_lists_each_thing_once_and_not_without_end() {
        let mut listed = Listed::default();
        for _ in 0..2 {
            for number in 0..MAX_LISTED {
                listed.add(&number.to_string());
            }
        }
        assert_eq!((listed.items.len(), listed.unlisted), (MAX_LISTED, 0));
        listed.add(&"one more".to_string());
        assert_eq!((listed.items.len(), listed.unlisted), (MAX_LISTED, 1));
    }
}
