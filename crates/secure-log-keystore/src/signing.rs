//! Signing keys (format.md s.5): made, read and written as PKCS#8, and used.

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, ObjectIdentifier, PrivateKeyInfoRef};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::pss::BlindedSigningKey;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use secure_log::providers::{CheckpointSigner, KeyError};
use secure_log::sign::Algorithm;
use zeroize::Zeroizing;

use crate::random::{self, SystemRandom};

/// Modulus of RSA keys that are made here, in bits.
const NEW_RSA_BITS: usize = 3072;
/// Modulus of the weakest RSA key that is used, in bits (format.md s.5). The `rsa` crate refuses more than 4096.
const MIN_RSA_BITS: usize = 2048;

const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A signing key held in this process. It is zeroed when dropped and never printed.
pub struct SigningKey {
    private: PrivateKey,
    public: Vec<u8>,
}

enum PrivateKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
    Rsa(Box<BlindedSigningKey<rsa::sha2::Sha256>>),
}

/// Why bytes are no signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadKey {
    Malformed,
    /// A key for something else, or one that is too weak: what is wanted.
    Unsupported(&'static str),
}

impl CheckpointSigner for SigningKey {
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
        match &self.private {
            PrivateKey::Ed25519(key) => Ok(key.sign(message).to_vec()),
            PrivateKey::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(failed)?;
                Ok(signature.normalize_s().to_bytes().to_vec())
            }
            // Blinded, and checked inside against the public key: a fault of the arithmetic would give the key away.
            PrivateKey::Rsa(key) => {
                let signature = key.try_sign_with_rng(&mut SystemRandom::new()?, message).map_err(failed)?;
                Ok(signature.to_vec())
            }
        }
    }
}

impl SigningKey {
    /// Makes a key.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        match algorithm {
            Algorithm::Ed25519 => Ok(SigningKey::from_ed25519_secret(&*random::bytes::<32>()?)),
            Algorithm::EcdsaP256 => SigningKey::from_p256_candidates(&*random::bytes::<P256_CANDIDATE_BYTES>()?),
            Algorithm::RsaPssSha256 => RsaPrivateKey::new(&mut SystemRandom::new()?, NEW_RSA_BITS)
                .map_err(failed)
                .and_then(SigningKey::from_rsa),
        }
    }

    /// The key with this secret (RFC 8032 s.5.1.5).
    pub(crate) fn from_ed25519_secret(secret: &[u8; 32]) -> SigningKey {
        SigningKey::from_ed25519(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// The key whose secret is the first 32 bytes that are one: not zero, and below the order of the group. The chance
    /// that one is not is 2^-32, so that four are enough.
    pub(crate) fn from_p256_candidates(candidates: &[u8; P256_CANDIDATE_BYTES]) -> Result<SigningKey, KeyError> {
        let secret = candidates.chunks_exact(32).find_map(|c| p256::SecretKey::from_slice(c).ok());
        secret.map(SigningKey::from_p256).ok_or_else(|| KeyError::Backend("no P-256 key in 128 random bytes".into()))
    }

    /// Reads an unencrypted PKCS#8 key.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<SigningKey, BadKey> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| BadKey::Malformed)?;
        match info.algorithm.oid {
            ED25519_OID => {
                let key = ed25519_dalek::SigningKey::from_pkcs8_der(der).map_err(|_| BadKey::Malformed)?;
                Ok(SigningKey::from_ed25519(key))
            }
            EC_OID if info.algorithm.parameters_oid().ok() != Some(P256_OID) => {
                Err(BadKey::Unsupported("an elliptic curve key must be of P-256"))
            }
            EC_OID => {
                let key = p256::SecretKey::from_pkcs8_der(der).map_err(|_| BadKey::Malformed)?;
                Ok(SigningKey::from_p256(key))
            }
            RSA_OID => {
                let key = RsaPrivateKey::from_pkcs8_der(der).map_err(|_| BadKey::Malformed)?;
                if key.n().bits() < MIN_RSA_BITS {
                    return Err(BadKey::Unsupported("an RSA key must have at least 2048 bits"));
                }
                SigningKey::from_rsa(key).map_err(|_| BadKey::Malformed)
            }
            _ => Err(BadKey::Unsupported("a signing key must be of Ed25519, P-256 or RSA (rsaEncryption)")),
        }
    }

    /// The key as unencrypted PKCS#8, as OpenSSL writes it.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = |document: pkcs8::SecretDocument| Zeroizing::new(document.as_bytes().to_vec());
        match &self.private {
            PrivateKey::Ed25519(key) => {
                // Without the public key: older versions of OpenSSL cannot read one that has it.
                let pair = ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None };
                pair.to_pkcs8_der().map(bytes).map_err(failed)
            }
            PrivateKey::P256(key) => p256::SecretKey::from(key.as_ref()).to_pkcs8_der().map(bytes).map_err(failed),
            PrivateKey::Rsa(key) => {
                let document = key.to_pkcs8_der().map_err(failed)?;
                Ok(Zeroizing::new(document.as_bytes().to_vec()))
            }
        }
    }

    fn from_ed25519(key: ed25519_dalek::SigningKey) -> SigningKey {
        let public = key.verifying_key().to_bytes().to_vec();
        SigningKey { private: PrivateKey::Ed25519(Box::new(key)), public }
    }

    fn from_p256(key: p256::SecretKey) -> SigningKey {
        let public = key.public_key().to_sec1_point(false).as_bytes().to_vec();
        SigningKey { private: PrivateKey::P256(Box::new(key.into())), public }
    }

    fn from_rsa(key: RsaPrivateKey) -> Result<SigningKey, KeyError> {
        let public = key.to_public_key().to_public_key_der().map_err(failed)?.into_vec();
        Ok(SigningKey { private: PrivateKey::Rsa(Box::new(BlindedSigningKey::new(key))), public })
    }
}

/// Four candidates of 32 bytes.
pub(crate) const P256_CANDIDATE_BYTES: usize = 4 * 32;

const P256_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.algorithm().as_str(), const_hex::encode(&self.public))
    }
}

fn failed(error: impl fmt::Display) -> KeyError {
    KeyError::Backend(error.to_string())
}
