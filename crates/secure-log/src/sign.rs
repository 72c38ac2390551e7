//! Signature algorithms: the forms of keys and signatures, and checking them (format.md s.5).
//!
//! Only checking happens here. Whoever signs is behind [`crate::providers::CheckpointSigner`].

mod many;
mod table;

use core::fmt;

use ed25519_dalek::Signature as Ed25519Signature;
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::signature::Verifier as _;
use rsa::BigUint;
use rsa::pkcs1;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::spki::der::Decode as _;
use rsa::pkcs8::spki::der::asn1::Null;
use rsa::traits::PublicKeyParts as _;
use subtle::ConstantTimeEq as _;

pub(crate) use crate::sign::many::{Claim, KeyTables};

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 8032, verified strictly. Keys of 32, signatures of 64 bytes.
    Ed25519,
    /// Over SHA-256 of the message; keys are uncompressed SEC1 points, signatures r||s with a low s.
    EcdsaP256,
    /// PSS with MGF1-SHA-256 and a salt of 32 bytes; keys are SPKI DER of at least 2048 bits.
    RsaPssSha256,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::RsaPssSha256];

    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::EcdsaP256 => "ecdsa-p256",
            Algorithm::RsaPssSha256 => "rsa-pss-sha256",
        }
    }

    /// The algorithm of this name.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|a| a.as_str() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The smallest RSA modulus that is accepted (format.md s.5).
pub const MIN_RSA_BITS: usize = 2048;
/// The largest: checking one signature with it takes milliseconds, and time grows with the square of the size.
pub const MAX_RSA_BITS: usize = 16384;

/// Checks the signature of an entry or of a segment.
///
/// An ECDSA signature whose s is high is refused, so that nobody can make a second signature out of a first one.
pub fn verify(algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    PublicKey::new(algorithm, public_key)?.verify(message, signature)
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The public key is not in the algorithm's one form, or not one that is strong enough.
    Key {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// What is wrong with the key.
        reason: &'static str,
    },
    /// The signature is not in the algorithm's one form.
    Form {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// What is wrong with the signature.
        reason: &'static str,
    },
    /// The key did not make this signature of this message.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureError::Key { algorithm, reason } => write!(f, "not a public key for {algorithm}: {reason}"),
            SignatureError::Form { algorithm, reason } => write!(f, "not a signature of {algorithm}: {reason}"),
            SignatureError::Mismatch => f.write_str("the signature is not by this key over this message"),
        }
    }
}

impl std::error::Error for SignatureError {}

/// A public key that was read and checked once, for checking many signatures.
#[derive(Clone, Debug)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
    key: Key,
}

#[derive(Clone, Debug)]
enum Key {
    Ed25519(Box<Ed25519Key>),
    EcdsaP256(Box<p256::ecdsa::VerifyingKey>),
    RsaPssSha256(rsa::pss::VerifyingKey<rsa::sha2::Sha256>),
}

impl PublicKey {
    /// Reads a key in the algorithm's form (format.md s.5).
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<PublicKey, SignatureError> {
        let key = match algorithm {
            Algorithm::Ed25519 => ed25519_key(bytes).map(|key| Key::Ed25519(Box::new(key))),
            Algorithm::EcdsaP256 => p256_key(bytes).map(|key| Key::EcdsaP256(Box::new(key))),
            Algorithm::RsaPssSha256 => rsa_key(bytes).map(|key| Key::RsaPssSha256(rsa::pss::VerifyingKey::new(key))),
        };
        let key = key.map_err(|reason| SignatureError::Key { algorithm, reason })?;
        Ok(PublicKey { algorithm, bytes: bytes.into(), key })
    }

    /// Reads a key as notes spell it (format.md s.6): P-256 as SPKI DER, the others as everywhere.
    pub fn from_note_form(algorithm: Algorithm, bytes: &[u8]) -> Result<PublicKey, SignatureError> {
        if algorithm != Algorithm::EcdsaP256 {
            return PublicKey::new(algorithm, bytes);
        }
        let reason = "not the one spelling of a P-256 key in SPKI";
        let point = bytes.strip_prefix(&P256_SPKI_PREFIX).ok_or(SignatureError::Key { algorithm, reason })?;
        PublicKey::new(algorithm, point)
    }

    /// What the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key in the algorithm's form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key as notes spell it.
    pub fn to_note_form(&self) -> Vec<u8> {
        match self.algorithm {
            Algorithm::EcdsaP256 => [&P256_SPKI_PREFIX[..], &self.bytes].concat(),
            Algorithm::Ed25519 | Algorithm::RsaPssSha256 => self.bytes.clone(),
        }
    }

    /// Checks a signature in the form of entries and segments. See [`verify`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match &self.key {
            Key::Ed25519(key) => {
                let signature = Ed25519Signature::from_slice(signature).map_err(|_| self.form("not 64 bytes"))?;
                made(key.verify_strict(message, &signature))
            }
            Key::EcdsaP256(key) => {
                let signature = p256_signature(signature)?;
                if signature.normalize_s() != signature {
                    return Err(self.form("a high s"));
                }
                made(key.verify(message, &signature))
            }
            Key::RsaPssSha256(key) => {
                let signature =
                    rsa::pss::Signature::try_from(signature).map_err(|_| self.form("not as long as the modulus"))?;
                made(rsa::signature::Verifier::verify(key, message, &signature))
            }
        }
    }

    /// Checks a signature in the form of notes: ECDSA as ASN.1 DER, the others as everywhere.
    ///
    /// A high s is accepted here, unlike in [`verify`]: format.md s.6 takes the signatures of notes as C2SP defines
    /// them, every other reader accepts either s, and nothing is keyed by a note's signature.
    pub fn verify_note(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let Key::EcdsaP256(key) = &self.key else { return self.verify(message, signature) };
        let signature =
            p256::ecdsa::Signature::from_der(signature).map_err(|_| self.form("not r and s in ASN.1 DER"))?;
        made(key.verify(message, &signature))
    }

    /// Turns a signature in the form of entries and segments into that of notes.
    pub fn signature_to_note_form(&self, signature: &[u8]) -> Result<Vec<u8>, SignatureError> {
        match self.algorithm {
            Algorithm::EcdsaP256 => Ok(p256_signature(signature)?.to_der().as_bytes().into()),
            Algorithm::Ed25519 | Algorithm::RsaPssSha256 => Ok(signature.into()),
        }
    }

    fn form(&self, reason: &'static str) -> SignatureError {
        SignatureError::Form { algorithm: self.algorithm, reason }
    }
}

/// Whether a key made a signature. A fuzzer cannot sign, and would never see what is behind this check: its targets are built
/// so that every well-formed signature passes. No other build has that.
fn made<E>(checked: Result<(), E>) -> Result<(), SignatureError> {
    if cfg!(all(fuzzing, secure_log_unchecked_signatures)) {
        return Ok(());
    }
    checked.map_err(|_| SignatureError::Mismatch)
}

/// Two keys are the same when they are spelled the same, as each has one spelling.
impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.algorithm == other.algorithm && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for PublicKey {}

/// SubjectPublicKeyInfo of a P-256 key up to its point: id-ecPublicKey, the named curve, a bit string of 65 bytes.
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn ed25519_key(bytes: &[u8]) -> Result<Ed25519Key, &'static str> {
    let bytes = bytes.try_into().map_err(|_| "not 32 bytes")?;
    let key = Ed25519Key::from_bytes(bytes).map_err(|_| "not a point of the curve")?;
    // Strict verification refuses every signature by such a key, so it is refused where it is configured.
    if key.is_weak() { Err("a point of small order") } else { Ok(key) }
}

fn p256_key(bytes: &[u8]) -> Result<p256::ecdsa::VerifyingKey, &'static str> {
    // SEC1 has compressed points, too, and the format has not.
    if bytes.len() != 65 || bytes[0] != 4 {
        return Err("not an uncompressed point of 65 bytes");
    }
    p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| "not a point of the curve")
}

fn p256_signature(bytes: &[u8]) -> Result<p256::ecdsa::Signature, SignatureError> {
    let reason = "not r and s of 32 bytes each, in range";
    p256::ecdsa::Signature::from_slice(bytes)
        .map_err(|_| SignatureError::Form { algorithm: Algorithm::EcdsaP256, reason })
}

fn rsa_key(der: &[u8]) -> Result<rsa::RsaPublicKey, &'static str> {
    const NOT_SPKI: &str = "not SPKI DER with rsaEncryption and NULL";
    // A modulus of the largest size, its exponent and everything around them fit in half as much again.
    if der.len() > MAX_RSA_BITS / 8 * 3 / 2 {
        return Err("too large");
    }
    let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| NOT_SPKI)?;
    let algorithm = spki.algorithm;
    if algorithm.oid != pkcs1::ALGORITHM_OID || algorithm.parameters != Some(Null.into()) {
        return Err(NOT_SPKI);
    }
    let inner = spki.subject_public_key.as_bytes().ok_or(NOT_SPKI)?;
    let inner = pkcs1::RsaPublicKey::try_from(inner).map_err(|_| NOT_SPKI)?;
    let modulus = BigUint::from_bytes_be(inner.modulus.as_bytes());
    let exponent = BigUint::from_bytes_be(inner.public_exponent.as_bytes());
    let key = rsa::RsaPublicKey::new_with_max_size(modulus, exponent, MAX_RSA_BITS)
        .map_err(|_| "a modulus or exponent that cannot be used")?;
    if key.n().bits() < MIN_RSA_BITS { Err("a modulus of less than 2048 bits") } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signer as _;

    #[test]
    fn a_signature_is_by_one_key_over_one_message() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let public = secret.verifying_key().to_bytes();
        let signature = secret.sign(b"message").to_bytes();
        assert_eq!(verify(Algorithm::Ed25519, &public, b"message", &signature), Ok(()));
        assert_eq!(verify(Algorithm::Ed25519, &public, b"massage", &signature), Err(SignatureError::Mismatch));
        assert!(verify(Algorithm::Ed25519, &public, b"message", &signature[..63]).is_err());
        assert!(verify(Algorithm::EcdsaP256, &public, b"message", &signature).is_err());
    }

    #[test]
    fn a_key_of_small_order_is_no_key() {
        let identity: [u8; 32] = core::array::from_fn(|i| u8::from(i == 0));
        assert!(matches!(PublicKey::new(Algorithm::Ed25519, &identity), Err(SignatureError::Key { .. })));
    }

    #[test]
    fn a_high_s_is_refused_but_in_notes() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let key = PublicKey::new(Algorithm::EcdsaP256, &secret.verifying_key().to_sec1_bytes()).unwrap();
        let signature: p256::ecdsa::Signature = secret.sign(b"message");
        let low = signature.normalize_s();
        let high = p256::ecdsa::Signature::from_scalars(low.r(), -low.s()).unwrap();
        assert_eq!(key.verify(b"message", &low.to_bytes()), Ok(()));
        assert!(matches!(key.verify(b"message", &high.to_bytes()), Err(SignatureError::Form { .. })));
        for either in [low, high] {
            let der = key.signature_to_note_form(&either.to_bytes()).unwrap();
            assert_eq!(key.verify_note(b"message", &der), Ok(()));
            assert_eq!(key.verify_note(b"massage", &der), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn keys_have_one_spelling() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let compressed = secret.verifying_key().to_sec1_point(true);
        assert!(PublicKey::new(Algorithm::EcdsaP256, compressed.as_bytes()).is_err());
        let key = PublicKey::new(Algorithm::EcdsaP256, &secret.verifying_key().to_sec1_bytes()).unwrap();
        let spki = key.to_note_form();
        assert_eq!(PublicKey::from_note_form(Algorithm::EcdsaP256, &spki).unwrap(), key);
        let standard = p256::pkcs8::EncodePublicKey::to_public_key_der(secret.verifying_key()).unwrap();
        assert_eq!(standard.as_bytes(), spki);
        for index in 0..spki.len() {
            let mut other = spki.clone();
            other[index] ^= 1;
            assert!(PublicKey::from_note_form(Algorithm::EcdsaP256, &other).is_err(), "byte {index}");
        }
    }
}
