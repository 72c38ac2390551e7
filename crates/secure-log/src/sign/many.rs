//! Checking many signatures by few keys: what one signature costs by itself is shared by those of a key.

use core::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ed25519_dalek::Signature;

use crate::sign::table::KeyTable;
use crate::sign::{Algorithm, PublicKey, SignatureError, made};
use crate::threads::on_threads;

/// So many keys have tables at most, of 20 KiB each: those that were met last.
const MAX_TABLES: usize = 8;
/// After so many signatures a key gets its table, which takes as long to make as checking two.
const WORTH_A_TABLE: usize = 8;

/// A thread takes some tens of microseconds to begin, as long as so many signatures.
const WORTH_A_THREAD: usize = 16;

/// Someone says that this key made this signature of this message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) key: &'a PublicKey,
    pub(crate) message: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl Claim<'_> {
    /// Checks it by itself.
    pub(crate) fn verify(self) -> Result<(), SignatureError> {
        self.key.verify(self.message, self.signature)
    }
}

/// The tables of the keys that a verification meets. Threads share them, and no verdict depends on them.
#[derive(Debug, Default)]
pub(crate) struct KeyTables {
    /// The key that was met last stands last.
    met: Mutex<Vec<Met>>,
}

#[derive(Debug)]
struct Met {
    key: PublicKey,
    signatures: usize,
    table: Option<Arc<KeyTable>>,
}

impl KeyTables {
    /// The same as [`PublicKey::verify`].
    pub(crate) fn verify(&self, claim: Claim<'_>) -> Result<(), SignatureError> {
        self.verify_all(&[claim]).pop().expect("one answer for one claim")
    }

    /// The same as [`PublicKey::verify`] for each of them.
    pub(crate) fn verify_all(&self, claims: &[Claim<'_>]) -> Vec<Result<(), SignatureError>> {
        let mut answers = Vec::with_capacity(claims.len());
        for by_one_key in claims.chunk_by(|a, b| a.key == b.key) {
            match self.table(by_one_key[0].key, by_one_key.len()) {
                Some(table) => answers.extend(verify_with(&table, by_one_key)),
                None => answers.extend(by_one_key.iter().map(|claim| claim.verify())),
            }
        }
        answers
    }

    /// The same on so many threads at the most.
    pub(crate) fn verify_all_on(&self, threads: NonZeroUsize, claims: &[Claim<'_>]) -> Vec<Result<(), SignatureError>> {
        on_threads(threads, WORTH_A_THREAD, claims, |claims| self.verify_all(claims))
    }

    /// The table of a key that is met again with so many signatures, once it is worth one.
    fn table(&self, key: &PublicKey, signatures: usize) -> Option<Arc<KeyTable>> {
        if key.algorithm() != Algorithm::Ed25519 {
            return None;
        }
        let mut met = self.lock();
        match met.iter().position(|met| met.key == *key) {
            Some(at) => met[at..].rotate_left(1),
            None => {
                if met.len() == MAX_TABLES {
                    met.remove(0);
                }
                met.push(Met { key: key.clone(), signatures: 0, table: None });
            }
        }
        let last = met.last_mut().expect("it was put there just now");
        last.signatures += signatures;
        if last.table.is_none() && last.signatures >= WORTH_A_TABLE {
            last.table = key.as_bytes().try_into().ok().and_then(KeyTable::new).map(Arc::new);
        }
        last.table.clone()
    }

    /// A thread that panicked leaves a list that is as good as before.
    fn lock(&self) -> MutexGuard<'_, Vec<Met>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verify_with(table: &KeyTable, claims: &[Claim<'_>]) -> Vec<Result<(), SignatureError>> {
    let signatures: Vec<_> = claims.iter().map(|claim| Signature::from_slice(claim.signature).ok()).collect();
    let whole = claims.iter().zip(&signatures);
    let whole: Vec<_> = whole.filter_map(|(claim, signature)| Some((claim.message, signature.as_ref()?))).collect();
    let mut made_by = table.made(whole.into_iter()).into_iter();
    let answer = |(claim, signature): (&Claim<'_>, &Option<Signature>)| match signature {
        Some(_) => made(if made_by.next() == Some(true) { Ok(()) } else { Err(()) }),
        None => Err(claim.key.form("not 64 bytes")),
    };
    claims.iter().zip(&signatures).map(answer).collect()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    fn key(seed: u8) -> (SigningKey, PublicKey) {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::new(Algorithm::Ed25519, secret.verifying_key().as_bytes()).unwrap();
        (secret, public)
    }

    fn table_of(tables: &KeyTables, key: &PublicKey) -> Option<bool> {
        tables.lock().iter().find(|met| met.key == *key).map(|met| met.table.is_some())
    }

    #[test]
    fn many_are_answered_as_one_by_one() {
        let keys = [key(1), key(2)];
        let messages: Vec<[u8; 2]> = (0..300u16).map(u16::to_be_bytes).collect();
        let by = |index: usize| &keys[index / 70 % 2];
        let mut signatures: Vec<Vec<u8>> =
            messages.iter().enumerate().map(|(n, message)| by(n).0.sign(message).to_bytes().into()).collect();
        signatures[3].pop();
        signatures[150][40] ^= 1;
        signatures[299].push(0);
        signatures.swap(200, 201);
        let claim = |n: usize| Claim { key: &by(n).1, message: &messages[n], signature: &signatures[n] };
        let claims: Vec<Claim<'_>> = (0..messages.len()).map(claim).collect();
        let alone: Vec<_> = claims.iter().map(|claim| claim.verify()).collect();
        assert_eq!(alone.iter().filter(|answer| answer.is_err()).count(), 5);
        let tables = KeyTables::default();
        for _ in 0..2 {
            assert_eq!(tables.verify_all(&claims), alone);
            assert_eq!(claims.iter().map(|claim| tables.verify(*claim)).collect::<Vec<_>>(), alone);
        }
        assert_eq!(table_of(&tables, &keys[0].1), Some(true));
    }

    #[test]
    fn a_key_gets_a_table_when_it_is_worth_one_and_few_have_one() {
        let tables = KeyTables::default();
        let message = b"m";
        let meet = |seed: u8, times: usize| {
            let (secret, public) = key(seed);
            let signature = secret.sign(message).to_bytes();
            let claims = vec![Claim { key: &public, message, signature: &signature }; times];
            assert!(tables.verify_all(&claims).iter().all(Result::is_ok));
            table_of(&tables, &public).unwrap()
        };
        assert!(!meet(1, WORTH_A_TABLE - 1));
        assert!(meet(1, 1));
        for other in 2..=MAX_TABLES as u8 {
            assert!(meet(other, WORTH_A_TABLE));
        }
        assert!(meet(1, 1), "it was met again, and is kept");
        assert!(meet(100, WORTH_A_TABLE));
        assert_eq!(tables.lock().len(), MAX_TABLES);
        assert_eq!(table_of(&tables, &key(2).1), None, "nobody was met longer ago");
        assert!(table_of(&tables, &key(1).1).unwrap());
    }

    #[test]
    fn keys_of_other_algorithms_are_checked_as_ever() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let public = PublicKey::new(Algorithm::EcdsaP256, &secret.verifying_key().to_sec1_bytes()).unwrap();
        let signature: p256::ecdsa::Signature = secret.sign(b"m");
        let signature = signature.normalize_s().to_bytes();
        let tables = KeyTables::default();
        let claims = vec![Claim { key: &public, message: b"m", signature: &signature }; 2];
        assert!(tables.verify_all(&claims).iter().all(Result::is_ok));
        assert!(tables.verify(Claim { message: b"n", ..claims[0] }).is_err());
    }
}
