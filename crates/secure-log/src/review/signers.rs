//! Who signed entries and segments, and what that is worth.

use std::collections::BTreeMap;

use crate::hash::Hash;
use crate::record::SignatureRow;
use crate::review::{MAX_SIGNERS, SignerCount, Signers};

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is right, and its key speaks for what it signed.
    Valid,
    /// It is right, and its key does not speak for what it signed.
    OutOfRange,
    /// It is wrong.
    Invalid,
    /// Nobody knows the identity.
    Unknown,
}

/// Identity, algorithm and key.
type Key = (String, String, Vec<u8>);

/// Counts signatures by who made them.
#[derive(Debug, Default)]
pub(super) struct SignerTally {
    counts: Vec<SignerCount>,
    places: BTreeMap<Key, usize>,
    /// The one that was counted last, which mostly is the next one, too.
    last: Option<(Key, usize)>,
    others: u64,
}

impl SignerTally {
    /// Counts a signature that speaks for this seqno, where it is known what it signs.
    pub(super) fn count(&mut self, row: &SignatureRow, seqno: Option<u64>, worth: Worth) {
        let is_last =
            |((identity, alg, key), _): &&(Key, usize)| *identity == row.identity && *alg == row.alg && *key == row.key;
        let place = match self.last.as_ref().filter(is_last) {
            Some((_, place)) => *place,
            None => match self.place(row) {
                Some(place) => place,
                None => {
                    self.others += 1;
                    return;
                }
            },
        };
        let count = &mut self.counts[place];
        *match worth {
            Worth::Valid => &mut count.valid,
            Worth::OutOfRange => &mut count.out_of_range,
            Worth::Invalid => &mut count.invalid,
            Worth::Unknown => &mut count.unknown,
        } += 1;
        if let Some(seqno) = seqno {
            let (first, last) = count.range.unwrap_or((seqno, seqno));
            count.range = Some((first.min(seqno), last.max(seqno)));
        }
    }

    fn place(&mut self, row: &SignatureRow) -> Option<usize> {
        let key = (row.identity.clone(), row.alg.clone(), row.key.clone());
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.counts.len() == MAX_SIGNERS => return None,
            None => {
                self.counts.push(SignerCount {
                    identity: row.identity.clone(),
                    algorithm: row.alg.clone(),
                    fingerprint: Hash::sha256(&row.key),
                    valid: 0,
                    out_of_range: 0,
                    invalid: 0,
                    unknown: 0,
                    range: None,
                });
                self.places.insert(key.clone(), self.counts.len() - 1);
                self.counts.len() - 1
            }
        };
        self.last = Some((key, place));
        Some(place)
    }

    pub(super) fn finish(self) -> Signers {
        let mut listed = self.counts;
        listed.sort_by(|a, b| {
            let rank = |count: &SignerCount| core::cmp::Reverse(count.signatures());
            (rank(a), &a.identity, a.fingerprint, &a.algorithm).cmp(&(
                rank(b),
                &b.identity,
                b.fingerprint,
                &b.algorithm,
            ))
        });
        Signers { listed, others: self.others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Subject;

    #[test]
    fn keys_are_told_apart_up_to_a_limit_and_stand_in_order() {
        let row = |identity: &str, key: u8| SignatureRow {
            of: Subject::Entry(1),
            identity: identity.into(),
            alg: "ed25519".into(),
            key: vec![key],
            sig: Vec::new(),
        };
        let mut tally = SignerTally::default();
        tally.count(&row("b", 1), Some(7), Worth::Valid);
        tally.count(&row("a", 1), Some(5), Worth::Unknown);
        tally.count(&row("b", 2), None, Worth::Invalid);
        tally.count(&row("b", 1), Some(3), Worth::OutOfRange);
        for number in 0..MAX_SIGNERS {
            tally.count(&row(&format!("c{number}"), 1), None, Worth::Unknown);
        }
        let signers = tally.finish();
        assert_eq!((signers.listed.len(), signers.others), (MAX_SIGNERS, 3));
        let first = &signers.listed[0];
        assert_eq!((first.identity.as_str(), first.valid, first.out_of_range, first.range), ("b", 1, 1, Some((3, 7))));
        assert_eq!(first.fingerprint, Hash::sha256(&[1]));
        assert_eq!((signers.listed[1].identity.as_str(), signers.listed[1].unknown), ("a", 1));
        assert_eq!((signers.listed[2].identity.as_str(), signers.listed[2].invalid), ("b", 1));
    }
}
