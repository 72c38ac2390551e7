//! Checking the signatures of entries that are signed one by one: because their stream requires it, or because a producer
//! asked for it.

use crate::engine::SecureLog;
use crate::engine::proof::Checked;
use crate::entry::{SigningRule, entry_message};
use crate::error::LogError;
use crate::hash::Hash;
use crate::record::Subject;
use crate::store::SecureLogStore;
use crate::verify::{Finding, FindingCode, Place};

/// So many entries are re-hashed before their signatures are asked for.
const PAGE: usize = 256;

impl<S: SecureLogStore> SecureLog<S> {
    /// Re-hashes the entries of a stream from its rules to its last one, and checks every signature of an entry by the keys
    /// of the policy, those that the log introduced, and the keystore's. Answers how many entries carry one by a known key.
    pub fn verify_entry_signatures(&mut self, stream: &str) -> Result<u64, LogError> {
        self.reading(|log| log.verify_entry_signatures_once(stream))
    }

    fn verify_entry_signatures_once(&mut self, stream: &str) -> Result<u64, LogError> {
        let tip = self.existing_tip(stream)?;
        let (mut prev, end, sign) = (tip.policy, tip.prev, tip.row.rules.sign);
        let Some(last) = tip.last else { return Ok(0) };
        let (mut from, mut signed) = (1, 0);
        while from <= last {
            let mut page: Vec<(u64, Hash)> = Vec::new();
            self.walk(Some(stream), from, last, |seqno, _, checked| {
                let hash = match checked {
                    Checked::Entry(entry, hash) => {
                        if entry.prev != prev.as_bytes() {
                            return Err(LogError::ChainBroken { seqno, reason: "prev-entry-hash does not match" });
                        }
                        hash
                    }
                    Checked::Pruned(hash) => hash,
                };
                prev = hash;
                page.push((seqno, hash));
                Ok(page.len() < PAGE)
            })?;
            let Some((seqno, _)) = page.last() else { break };
            from = seqno + 1;
            for (seqno, hash) in page {
                signed += u64::from(self.is_signed(seqno, &hash, sign)?);
            }
        }
        if prev != end {
            return Err(LogError::ChainBroken {
                seqno: last,
                reason: "the entries do not lead to the stream's last one",
            });
        }
        Ok(signed)
    }

    fn is_signed(&mut self, seqno: u64, hash: &Hash, sign: SigningRule) -> Result<bool, LogError> {
        let rows = self.store.signatures(Subject::Entry(seqno))?;
        let at = Place::Entry(seqno);
        if rows.is_empty() && sign == SigningRule::Entries {
            let finding = Finding::new(FindingCode::Unsigned, at, "the stream's rules require a signature");
            return Err(LogError::InvalidRecord(Box::new(finding)));
        }
        Ok(self.first_verified(&rows, &entry_message(hash), &at, seqno)?.is_some())
    }
}
