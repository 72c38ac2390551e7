//! Keys for tests. Everybody can compute them, so nothing that is released may hold this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use ed25519_dalek::Signer as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use secure_log::hash::{Hash, HmacKey};
use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey, UnwrapError, WrapAlgorithm, WrappingKey};
use secure_log::sign::Algorithm;
use zeroize::Zeroizing;

use crate::surroundings::SeededRandom;

/// A keystore whose keys follow from their labels. It is absent from builds without debug assertions.
#[derive(Clone, Debug, Default)]
pub struct TestKeystore {
    signers: BTreeMap<String, Algorithm>,
    macs: BTreeSet<String>,
    wrapping: BTreeMap<String, WrapAlgorithm>,
    denied: BTreeSet<String>,
    unwrapped: Arc<AtomicU64>,
}

impl TestKeystore {
    /// A keystore without keys.
    pub fn new() -> TestKeystore {
        TestKeystore::default()
    }

    /// A keystore with `checkpoint-ed25519`, `checkpoint-ecdsa-p256`, `checkpoint-rsa-pss-sha256` and, for the keyed
    /// suite, `mac`.
    pub fn with_all() -> TestKeystore {
        let all = Algorithm::ALL.into_iter();
        all.fold(TestKeystore::new(), |keys, algorithm| keys.signing(&format!("checkpoint-{algorithm}"), algorithm))
            .keyed_hashing("mac")
    }

    /// Adds a signing key.
    pub fn signing(mut self, label: &str, algorithm: Algorithm) -> TestKeystore {
        self.signers.insert(label.into(), algorithm);
        self
    }

    /// Adds a key for the keyed suite.
    pub fn keyed_hashing(mut self, label: &str) -> TestKeystore {
        self.macs.insert(label.into());
        self
    }

    /// Adds a key that wraps data keys.
    pub fn wrapping(self, label: &str) -> TestKeystore {
        self.wrapping_by(label, WrapAlgorithm::XChaCha20Poly1305)
    }

    /// Adds a key that wraps data keys like this. All of them do it in the same way, but for `aes-kwp`, which binds no
    /// associated data.
    pub fn wrapping_by(mut self, label: &str, algorithm: WrapAlgorithm) -> TestKeystore {
        self.wrapping.insert(label.into(), algorithm);
        self
    }

    /// How many data keys were unwrapped by keys of this keystore and of its clones.
    pub fn unwrapped(&self) -> u64 {
        self.unwrapped.load(Ordering::SeqCst)
    }

    /// Locks a key: it is there and may not be used.
    pub fn denying(mut self, label: &str) -> TestKeystore {
        self.denied.insert(label.into());
        self
    }

    /// The bytes of the key of the keyed suite that every test keystore has under this label.
    pub fn mac_secret(label: &str) -> [u8; 32] {
        secret(label)
    }

    /// The seed of the Ed25519 key that every test keystore has under this label.
    pub fn signing_seed(label: &str) -> [u8; 32] {
        secret(label)
    }

    fn allow(&self, label: &str, known: bool) -> Result<(), KeyError> {
        if self.denied.contains(label) {
            return Err(KeyError::AccessDenied(format!("'{label}' is locked by the test")));
        }
        if known { Ok(()) } else { Err(KeyError::NotFound(format!("the test has no key '{label}'"))) }
    }
}

impl Keystore for TestKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        let algorithm = self.signers.get(label);
        self.allow(label, algorithm.is_some())?;
        Ok(Box::new(TestSigner::new(label, algorithm.copied().unwrap_or(Algorithm::Ed25519))))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        self.allow(label, self.macs.contains(label))?;
        Ok(Box::new(TestMacKey(HmacKey::new(secret(label)))))
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        let algorithm = self.wrapping.get(label);
        self.allow(label, algorithm.is_some())?;
        Ok(Box::new(TestWrappingKey {
            cipher: XChaCha20Poly1305::new(&secret(label).into()),
            algorithm: algorithm.copied().unwrap_or(WrapAlgorithm::XChaCha20Poly1305),
            unwrapped: Arc::clone(&self.unwrapped),
        }))
    }
}

struct TestWrappingKey {
    cipher: XChaCha20Poly1305,
    algorithm: WrapAlgorithm,
    unwrapped: Arc<AtomicU64>,
}

impl TestWrappingKey {
    fn bound<'a>(&self, associated_data: &'a [u8]) -> &'a [u8] {
        if self.algorithm == WrapAlgorithm::AesKwp { &[] } else { associated_data }
    }
}

impl WrappingKey for TestWrappingKey {
    fn algorithm(&self) -> WrapAlgorithm {
        self.algorithm
    }

    fn wrap(&self, key: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let digest = Hash::sha256(&[&number.to_le_bytes()[..], key].concat());
        let nonce: [u8; 24] = *digest.0.first_chunk().expect("24 of 32 bytes");
        let sealed = self.cipher.encrypt(&nonce.into(), Payload { msg: key, aad: self.bound(associated_data) });
        Ok([&nonce[..], &sealed.expect("a key is short")].concat())
    }

    fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        self.unwrapped.fetch_add(1, Ordering::SeqCst);
        let (nonce, msg) = wrapped.split_first_chunk::<24>().ok_or(UnwrapError::NotAuthentic)?;
        let opened = self.cipher.decrypt(&(*nonce).into(), Payload { msg, aad: self.bound(associated_data) });
        opened.map(Zeroizing::new).map_err(|_| UnwrapError::NotAuthentic)
    }
}

struct TestMacKey(HmacKey);

impl MacKey for TestMacKey {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        Ok(self.0.mac(message))
    }
}

struct TestSigner {
    public: Vec<u8>,
    private: PrivateKey,
}

#[derive(Clone)]
enum PrivateKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
    Rsa(Box<rsa::RsaPrivateKey>),
}

impl TestSigner {
    fn new(label: &str, algorithm: Algorithm) -> TestSigner {
        match algorithm {
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(&secret(label));
                TestSigner { public: key.verifying_key().to_bytes().into(), private: PrivateKey::Ed25519(key.into()) }
            }
            Algorithm::EcdsaP256 => {
                let key =
                    p256::ecdsa::SigningKey::from_slice(&secret(label)).expect("almost all 32 bytes are a secret");
                let public = key.verifying_key().to_sec1_point(false).as_bytes().into();
                TestSigner { public, private: PrivateKey::P256(key.into()) }
            }
            Algorithm::RsaPssSha256 => {
                let key = rsa_key(label);
                let public = key.to_public_key().to_public_key_der().expect("RSA keys have a DER form");
                TestSigner { public: public.into_vec(), private: PrivateKey::Rsa(key.into()) }
            }
        }
    }
}

impl CheckpointSigner for TestSigner {
    fn algorithm(&self) -> Algorithm {
        match self.private {
            PrivateKey::Ed25519(_) => Algorithm::Ed25519,
            PrivateKey::P256(_) => Algorithm::EcdsaP256,
            PrivateKey::Rsa(_) => Algorithm::RsaPssSha256,
        }
    }

    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(match &self.private {
            PrivateKey::Ed25519(key) => key.sign(message).to_bytes().into(),
            PrivateKey::P256(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&**key, message);
                signature.normalize_s().to_bytes().to_vec()
            }
            PrivateKey::Rsa(key) => {
                let key = rsa::pss::BlindedSigningKey::<rsa::sha2::Sha256>::new((**key).clone());
                let salt = Hash::sha256(message).0.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
                key.sign_with_rng(&mut SeededRandom::new(salt), message).to_vec()
            }
        })
    }
}

/// The secret that follows from a label.
fn secret(label: &str) -> [u8; 32] {
    Hash::sha256(format!("secure-log test key {label}").as_bytes()).0
}

/// The RSA key that follows from a label. Making one takes a while, so each is made once a process.
fn rsa_key(label: &str) -> rsa::RsaPrivateKey {
    static KEYS: LazyLock<Mutex<BTreeMap<String, rsa::RsaPrivateKey>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let seed = u64::from_le_bytes(secret(label)[..8].try_into().expect("8 of 32 bytes"));
        rsa::RsaPrivateKey::new(&mut SeededRandom::new(seed), 2048).expect("a 2048-bit key can be made")
    };
    keys.entry(label.into()).or_insert_with(make).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::signer_conformance!(TestKeystore::with_all(), {
        ed25519: "checkpoint-ed25519" => Algorithm::Ed25519,
        ecdsa_p256: "checkpoint-ecdsa-p256" => Algorithm::EcdsaP256,
        rsa_pss_sha256: "checkpoint-rsa-pss-sha256" => Algorithm::RsaPssSha256,
    });

    #[test]
    fn keyed_hashing_passes_its_suite() {
        crate::conformance::signers::keyed_hashing(&TestKeystore::with_all(), "mac");
    }

    #[test]
    fn a_locked_key_is_never_said_to_be_absent() {
        let keys = TestKeystore::with_all().denying("checkpoint-ed25519");
        assert!(matches!(keys.signer("checkpoint-ed25519"), Err(KeyError::AccessDenied(_))));
    }
}
