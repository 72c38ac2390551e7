//! Checking the signatures of entries before it is their turn to be judged, many at once.

use core::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::entry::entry_message;
use crate::hash::Hash;
use crate::note::{NoteError, SignatureLine, VerifierKey};
use crate::record::{SignatureRow, Subject};
use crate::sign::{Claim, KeyTables, PublicKey, SignatureError};

/// What the threads of a verification check signatures with.
#[derive(Default)]
pub(super) struct SignatureChecks {
    tables: KeyTables,
    /// The keys of signers that count, as they come to be known. What others signed is not worth a check.
    signers: RwLock<Arc<Vec<PublicKey>>>,
}

/// What was found of the signature of an entry by itself. Whether it counts is judged in its turn.
#[derive(Debug)]
pub(super) struct CheckedSignature {
    /// The hash of the entry that it was checked with.
    pub(super) of: Hash,
    /// Whether the key that it names made it.
    pub(super) result: Result<(), SignatureError>,
}

/// The signatures of a run of records, each with the hash of the entry right before it.
#[derive(Debug, Default)]
pub(super) struct Signed<'r> {
    last: Option<(u64, Hash)>,
    /// With its place in the run.
    signatures: Vec<(usize, Hash, &'r SignatureRow)>,
}

impl<'r> Signed<'r> {
    /// The next record is an entry.
    #[inline]
    pub(super) fn entry(&mut self, seqno: u64, hash: Hash) {
        self.last = Some((seqno, hash));
    }

    /// The next record, at this place of the run, is a signature.
    pub(super) fn signature(&mut self, place: usize, row: &'r SignatureRow) {
        if let Some((_, hash)) = self.last.filter(|(seqno, _)| row.of == Subject::Entry(*seqno)) {
            self.signatures.push((place, hash, row));
        }
    }
}

impl SignatureChecks {
    /// Counts these signers' keys. It is called with all of them whenever there may be more.
    pub(super) fn learn<'k>(&self, keys: impl ExactSizeIterator<Item = &'k PublicKey>) {
        let mut signers = self.signers.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() != signers.len() {
            *signers = Arc::new(keys.cloned().collect());
        }
    }

    /// Checks what known keys are said to have signed, and answers with their places what was found.
    pub(super) fn check(&self, signed: &Signed<'_>) -> Vec<(usize, CheckedSignature)> {
        if signed.signatures.is_empty() {
            return Vec::new();
        }
        let signers = Arc::clone(&self.signers.read().unwrap_or_else(PoisonError::into_inner));
        let is_of =
            |key: &PublicKey, row: &SignatureRow| key.algorithm().as_str() == row.alg && key.as_bytes() == row.key;
        let mut known = Vec::with_capacity(signed.signatures.len());
        let mut last: Option<&PublicKey> = None;
        for (place, of, row) in &signed.signatures {
            last = last.filter(|key| is_of(key, row)).or_else(|| signers.iter().find(|key| is_of(key, row)));
            if let Some(key) = last {
                known.push((*place, *of, entry_message(of), key, &row.sig));
            }
        }
        let claims: Vec<_> = known
            .iter()
            .map(|(_, _, message, key, signature)| Claim { key, message, signature: &signature[..] })
            .collect();
        let results = self.tables.verify_all(&claims);
        known
            .iter()
            .zip(results)
            .map(|((place, of, ..), result)| (*place, CheckedSignature { of: *of, result }))
            .collect()
    }

    /// Checks a signature by itself.
    pub(super) fn verify(&self, claim: Claim<'_>) -> Result<(), SignatureError> {
        self.tables.verify(claim)
    }

    /// Checks a line of a head that names this key.
    pub(super) fn verify_line(&self, key: &VerifierKey, line: &SignatureLine<'_>, text: &str) -> Result<(), NoteError> {
        key.verify_with(&self.tables, line, text)
    }
}

impl fmt::Debug for SignatureChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureChecks").finish_non_exhaustive()
    }
}
