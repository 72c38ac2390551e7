//! Checking the signatures of entries that are signed one by one: because their stream requires it, or because a producer
//! asked for it.

use core::num::NonZeroUsize;

use crate::engine::SecureLog;
use crate::engine::proof::Checked;
use crate::engine::segment::OwnKeys;
use crate::entry::{SigningRule, entry_message};
use crate::error::LogError;
use crate::hash::Hash;
use crate::record::{SignatureRow, Subject};
use crate::sign::{Claim, KeyTables, PublicKey};
use crate::store::SecureLogStore;
use crate::threads;
use crate::verify::{Finding, FindingCode, Place};

/// So many entries are re-hashed before their signatures are asked for.
const PAGE: usize = 256;

impl<S: SecureLogStore> SecureLog<S> {
    /// Re-hashes the entries of a stream from its rules to its last one, and checks every signature of an entry by the keys
    /// of the policy, those that the log introduced, and the keystore's. Answers how many entries carry one by a known key.
    pub fn verify_entry_signatures(&mut self, stream: &str) -> Result<u64, LogError> {
        self.verify_entry_signatures_on(threads::available(), stream)
    }

    /// The same on so many threads at the most. What is answered does not depend on it.
    pub fn verify_entry_signatures_on(&mut self, threads: NonZeroUsize, stream: &str) -> Result<u64, LogError> {
        self.reading(|log| log.verify_entry_signatures_once(threads, stream))
    }

    fn verify_entry_signatures_once(&mut self, threads: NonZeroUsize, stream: &str) -> Result<u64, LogError> {
        let tip = self.existing_tip(stream)?;
        let (mut prev, end, sign) = (tip.policy, tip.prev, tip.row.rules.sign);
        let Some(last) = tip.last else { return Ok(0) };
        let mut checks = Checks { threads, tables: KeyTables::default(), own: OwnKeys::default() };
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
            signed += self.signed_entries(&page, sign, &mut checks)?;
        }
        if prev != end {
            return Err(LogError::ChainBroken {
                seqno: last,
                reason: "the entries do not lead to the stream's last one",
            });
        }
        Ok(signed)
    }

    /// How many of these entries carry a signature by a known key. The first that is wrong is an error, whatever is wrong
    /// behind it.
    fn signed_entries(
        &mut self,
        page: &[(u64, Hash)],
        sign: SigningRule,
        checks: &mut Checks,
    ) -> Result<u64, LogError> {
        let mut signatures = Vec::new();
        let mut gathered = Ok(());
        for (seqno, hash) in page {
            gathered = self.gather(*seqno, hash, sign, &mut checks.own, &mut signatures);
            if gathered.is_err() {
                break;
            }
        }
        let claims: Vec<_> = signatures.iter().map(Signature::claim).collect();
        let results = checks.tables.verify_all_on(checks.threads, &claims);
        for (signature, result) in signatures.iter().zip(results) {
            if result.is_err() {
                let at = Place::Entry(signature.seqno);
                let finding = Finding::new(FindingCode::SignatureInvalid, at, &signature.row.identity);
                return Err(LogError::InvalidRecord(Box::new(finding)));
            }
        }
        gathered?;
        Ok(signatures.chunk_by(|a, b| a.seqno == b.seqno).count() as u64)
    }

    /// Adds the signatures of an entry that are said to be by known keys.
    fn gather(
        &mut self,
        seqno: u64,
        hash: &Hash,
        sign: SigningRule,
        own: &mut OwnKeys,
        signatures: &mut Vec<Signature>,
    ) -> Result<(), LogError> {
        let rows = self.store.signatures(Subject::Entry(seqno))?;
        let at = Place::Entry(seqno);
        if rows.is_empty() && sign == SigningRule::Entries {
            let finding = Finding::new(FindingCode::Unsigned, at, "the stream's rules require a signature");
            return Err(LogError::InvalidRecord(Box::new(finding)));
        }
        for row in rows {
            if let Some(key) = self.named_key(&row, &at, seqno, own)? {
                signatures.push(Signature { seqno, message: entry_message(hash), key, row });
            }
        }
        Ok(())
    }
}

/// What the signatures of a stream are checked with.
struct Checks {
    threads: NonZeroUsize,
    tables: KeyTables,
    own: OwnKeys,
}

/// A signature of an entry that is said to be by a known key.
struct Signature {
    seqno: u64,
    message: [u8; 52],
    key: PublicKey,
    row: SignatureRow,
}

impl Signature {
    fn claim(&self) -> Claim<'_> {
        Claim { key: &self.key, message: &self.message, signature: &self.row.sig }
    }
}
