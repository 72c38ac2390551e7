//! Which keys count (security.md rule 3).

use core::fmt;
use core::ops::RangeInclusive;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hash::{HmacKey, KeyId};
use crate::note::{NoteError, VerifierKey, is_key_name};
use crate::providers::{KeyError, MacKey, UnwrapError, WrappingKey};
use crate::record::DataKeyRow;
use crate::sealed::{self, Place, StreamKey};
use crate::sign::{Algorithm, PublicKey};
use crate::verify::policy::Quorum;

/// The keys that a verification trusts. Nothing of it comes out of the log that is verified; what these keys introduce there
/// ([`crate::introduction`]) a verification adds to a copy of its own.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    origin: Option<String>,
    log_keys: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    quorum: Option<Quorum>,
    signers: Vec<Signer>,
    macs: BTreeMap<KeyId, SharedMac>,
    wrapping_keys: BTreeMap<String, SharedWrappingKey>,
    opens: bool,
}

impl Trust {
    /// Trusts nothing.
    pub fn new() -> Trust {
        Trust::default()
    }

    /// Names the log that has to be found; without a name any log is verified as the one that it says it is.
    pub fn set_origin(&mut self, origin: &str) {
        self.origin = Some(origin.into());
    }

    /// The log that has to be found.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Adds a key whose signature makes a head that of the log with the key's name.
    pub fn add_log_key(&mut self, key: VerifierKey) {
        self.log_keys.push(key);
    }

    /// The keys that sign heads.
    pub fn log_keys(&self) -> &[VerifierKey] {
        &self.log_keys
    }

    /// The same without the keys that these functions name.
    pub(super) fn without(&self, log_key: impl Fn(&VerifierKey) -> bool, signer: impl Fn(&Signer) -> bool) -> Trust {
        let mut trust = self.clone();
        trust.log_keys.retain(|key| !log_key(key));
        trust.signers.retain(|known| !signer(known));
        trust
    }

    /// Adds a witness's key.
    pub fn add_witness(&mut self, key: VerifierKey) {
        self.witnesses.push(key);
    }

    /// The witnesses' keys.
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// Says which witnesses have to have cosigned a head. Their keys are among [`Trust::witnesses`].
    pub(super) fn set_quorum(&mut self, quorum: Quorum) {
        self.quorum = Some(quorum);
    }

    /// Which witnesses have to have cosigned a head; `None` where none have to.
    pub fn quorum(&self) -> Option<&Quorum> {
        self.quorum.as_ref()
    }

    /// Adds a key that signs entries and segments.
    pub fn add_signer(&mut self, signer: Signer) {
        self.signers.push(signer);
    }

    /// The keys that sign entries and segments.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The keys with which this identity may sign an entry, or a segment that ends with it. `None` when the identity is
    /// unknown: what it signed is then neither right nor wrong.
    pub fn signer_keys(&self, identity: &str, seqno: u64) -> Option<Vec<PublicKey>> {
        let mut keys = self.signers.iter().filter(|signer| signer.identity == identity).peekable();
        keys.peek()?;
        Some(keys.filter(|signer| signer.range.contains(&seqno)).map(|signer| signer.key.clone()).collect())
    }

    /// Adds a key of the keyed suite that is held in this process.
    pub fn add_hmac_key(&mut self, key: HmacKey) {
        self.add_mac(key.id(), Box::new(HeldKey(key)));
    }

    /// Adds the key of the keyed suite with this id.
    pub fn add_mac(&mut self, id: KeyId, key: Box<dyn MacKey + Send>) {
        self.macs.insert(id, SharedMac(Arc::new(Mutex::new(key))));
    }

    /// Adds the key that wraps data keys under this label (format.md s.8). With one or more of them a verification also opens
    /// every sealed payload, and says of those that it cannot open that it could not.
    pub fn add_wrapping_key(&mut self, label: &str, key: Box<dyn WrappingKey + Send>) {
        self.opens = true;
        self.wrapping_keys.insert(label.into(), SharedWrappingKey(Arc::new(Mutex::new(key))));
    }

    /// Has every sealed payload opened, with keys that come on the way or not at all.
    pub fn open_payloads(&mut self) {
        self.opens = true;
    }

    /// Whether sealed payloads are opened.
    pub(super) fn opens(&self) -> bool {
        self.opens
    }

    /// Unwraps a key of a stream; `None` where no key with its label was given.
    pub(super) fn unwrap(&self, place: Place<'_>, row: &DataKeyRow) -> Option<Result<StreamKey, UnwrapError>> {
        let SharedWrappingKey(kek) = self.wrapping_keys.get(&row.kek)?;
        let kek = kek.lock().unwrap_or_else(PoisonError::into_inner);
        Some(sealed::unwrap(place, row, &**kek))
    }

    /// HMAC-SHA-256 under the key with this id; `None` when there is none.
    pub(super) fn mac(&self, id: KeyId, message: &[u8]) -> Option<Result<[u8; 32], KeyError>> {
        let SharedMac(key) = self.macs.get(&id)?;
        // A key that panicked in another thread holds no state that this computation could see.
        Some(key.lock().unwrap_or_else(PoisonError::into_inner).mac(message))
    }

    /// HMAC-SHA-256 under each key of the keyed suite.
    pub(crate) fn keyed_hashes<'a>(
        &'a self,
        message: &'a [u8],
    ) -> impl Iterator<Item = Result<[u8; 32], KeyError>> + 'a {
        self.macs.keys().filter_map(move |id| self.mac(*id, message))
    }

    /// Says whether the keys make sense together. Who verifies by hand calls it first; [`crate::verify::verify_jsonl`]
    /// does by itself.
    pub fn check(&self) -> Result<(), TrustError> {
        if let Some(key) = self.log_keys.iter().find(|key| key.is_witness()) {
            return Err(TrustError::NotALogKey(key.name().into()));
        }
        if let Some(key) = self.witnesses.iter().find(|key| !key.is_witness()) {
            return Err(TrustError::NotAWitness(key.name().into()));
        }
        for (index, signer) in self.signers.iter().enumerate() {
            let earlier = &self.signers[..index];
            if let Some(other) = earlier.iter().find(|o| o.key == signer.key && o.identity != signer.identity) {
                return Err(TrustError::SharedKey(other.identity.clone(), signer.identity.clone()));
            }
        }
        let several = self.log_keys.windows(2).any(|pair| pair[0].name() != pair[1].name());
        if several && self.origin.is_none() { Err(TrustError::OriginNeeded) } else { Ok(()) }
    }
}

/// A key that an identity signs entries and segments with, and the seqnos that it may speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub(super) identity: String,
    pub(super) key: PublicKey,
    pub(super) range: RangeInclusive<u64>,
}

impl Signer {
    /// A signer, from its public key in the algorithm's form (format.md s.5). A segment lies in the range if its last
    /// entry does.
    pub fn new(
        identity: &str,
        algorithm: Algorithm,
        public_key: &[u8],
        range: RangeInclusive<u64>,
    ) -> Result<Signer, NoteError> {
        let key = PublicKey::new(algorithm, public_key)?;
        if is_key_name(identity) {
            Ok(Signer { identity: identity.into(), key, range })
        } else {
            Err(NoteError::BadName)
        }
    }

    /// A signer from a verifier key whose name is the identity.
    pub fn from_verifier_key(key: &VerifierKey, range: RangeInclusive<u64>) -> Result<Signer, TrustError> {
        if key.is_witness() {
            return Err(TrustError::NotASigner(key.name().into()));
        }
        Ok(Signer { identity: key.name().into(), key: key.public_key().clone(), range })
    }

    /// Who signs.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// With which key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The seqnos that it may speak for.
    pub fn range(&self) -> &RangeInclusive<u64> {
        &self.range
    }
}

/// Why keys make no sense together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustError {
    /// A witness's key was given as a log's.
    NotALogKey(String),
    /// A log's key was given as a witness's.
    NotAWitness(String),
    /// A witness's key was given as a signer's.
    NotASigner(String),
    /// Two identities have the same key: one could speak for the other.
    SharedKey(String, String),
    /// Keys of logs with different names, and no name of the log that has to be found.
    OriginNeeded,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustError::NotALogKey(name) => write!(f, "'{name}' is a witness's key, and a log's key is needed"),
            TrustError::NotAWitness(name) => write!(f, "'{name}' is not a witness's key (type 04)"),
            TrustError::NotASigner(name) => write!(f, "'{name}' is a witness's key, and a signer's key is needed"),
            TrustError::SharedKey(one, other) => write!(f, "'{one}' and '{other}' have the same key"),
            TrustError::OriginNeeded => f.write_str("keys of several logs are trusted: say which log has to be found"),
        }
    }
}

impl std::error::Error for TrustError {}

#[derive(Clone)]
struct SharedMac(Arc<Mutex<Box<dyn MacKey + Send>>>);

impl fmt::Debug for SharedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

#[derive(Clone)]
struct SharedWrappingKey(Arc<Mutex<Box<dyn WrappingKey + Send>>>);

impl fmt::Debug for SharedWrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey")
    }
}

struct HeldKey(HmacKey);

impl MacKey for HeldKey {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        Ok(self.0.mac(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seed: u8) -> VerifierKey {
        let public = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
        VerifierKey::new(name, Algorithm::Ed25519, &public).unwrap()
    }

    fn witness(name: &str) -> VerifierKey {
        VerifierKey::new_witness(name, key(name, 9).public_key().as_bytes()).unwrap()
    }

    #[test]
    fn keys_that_make_no_sense_together_are_refused() {
        let mut trust = Trust::new();
        trust.add_log_key(key("a", 1));
        trust.add_witness(witness("w"));
        assert_eq!(trust.check(), Ok(()));
        let with = |change: &dyn Fn(&mut Trust)| {
            let mut trust = trust.clone();
            change(&mut trust);
            trust.check()
        };
        assert_eq!(with(&|t| t.add_log_key(witness("w"))), Err(TrustError::NotALogKey("w".into())));
        assert_eq!(with(&|t| t.add_witness(key("a", 1))), Err(TrustError::NotAWitness("a".into())));
        assert_eq!(with(&|t| t.add_log_key(key("b", 1))), Err(TrustError::OriginNeeded));
        let named = |t: &mut Trust| {
            t.add_log_key(key("b", 1));
            t.set_origin("b");
        };
        assert_eq!(with(&named), Ok(()));
        let signer = |name, seed| Signer::from_verifier_key(&key(name, seed), 1..=u64::MAX).unwrap();
        let rotated =
            |t: &mut Trust| [("x", 1), ("x", 2), ("x", 1)].into_iter().for_each(|(n, s)| t.add_signer(signer(n, s)));
        assert_eq!(with(&rotated), Ok(()));
        let shared = |t: &mut Trust| [("x", 1), ("y", 1)].into_iter().for_each(|(n, s)| t.add_signer(signer(n, s)));
        assert_eq!(with(&shared), Err(TrustError::SharedKey("x".into(), "y".into())));
        assert!(Signer::from_verifier_key(&witness("w"), 1..=2).is_err());
    }

    #[test]
    fn a_signer_speaks_for_its_range() {
        let mut trust = Trust::new();
        trust.add_signer(Signer::from_verifier_key(&key("x", 1), 5..=9).unwrap());
        assert_eq!(trust.signer_keys("x", 7).unwrap().len(), 1);
        assert_eq!(trust.signer_keys("x", 10), Some(Vec::new()));
        assert_eq!(trust.signer_keys("y", 7), None);
    }
}
