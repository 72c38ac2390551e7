//! What a verification answers.

use std::collections::HashSet;

use crate::hash::Hash;
use crate::verify::finding::Finding;

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
    /// What could not be checked; at most [`MAX_LISTED`] things.
    pub missing: Vec<String>,
    /// How many more could not be checked and are not listed.
    pub missing_unlisted: u64,
    /// Identities that signed and that the policy does not know; at most [`MAX_LISTED`].
    pub unknown_signers: Vec<String>,
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
}

/// Texts in the order in which they came up, each once, and no more of them than are worth reading.
#[derive(Debug, Default)]
pub(super) struct Listed {
    known: HashSet<String>,
    pub(super) texts: Vec<String>,
    pub(super) unlisted: u64,
}

impl Listed {
    pub(super) fn add(&mut self, text: &str) {
        if self.known.contains(text) {
            return;
        }
        if self.texts.len() == MAX_LISTED {
            self.unlisted = self.unlisted.saturating_add(1);
            return;
        }
        self.known.insert(text.into());
        self.texts.push(text.into());
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
        assert_eq!((listed.texts.len(), listed.unlisted), (MAX_LISTED, 0));
        listed.add("one more");
        assert_eq!((listed.texts.len(), listed.unlisted), (MAX_LISTED, 1));
    }
}
