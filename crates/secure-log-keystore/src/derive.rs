//! Keys that are derived from a seed, so that hosts without a disk need keep one secret only (docs/keys.md).

use hkdf::Hkdf;
use secure_log::providers::KeyError;
use secure_log::sign::Algorithm;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::Seed;
use crate::label::Label;
use crate::signing::{P256_CANDIDATE_BYTES, SigningKey};
use crate::symmetric::Symmetric;

/// What a symmetric key is derived for. Each use has its own, so that no key serves two.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Mac,
    Wrapping,
}

/// The label's signing key.
pub(crate) fn signing_key(seed: &Seed, algorithm: Algorithm, label: Label<'_>) -> Result<SigningKey, KeyError> {
    match algorithm {
        Algorithm::Ed25519 => Ok(SigningKey::from_ed25519_secret(&expand(seed, algorithm.as_str(), label))),
        Algorithm::EcdsaP256 => {
            let candidates = expand::<P256_CANDIDATE_BYTES>(seed, algorithm.as_str(), label);
            SigningKey::from_p256_candidates(&candidates)
        }
        Algorithm::RsaPssSha256 => Err(KeyError::UnsupportedAlgorithm(
            "an RSA key is not derived from SECURE_LOG_KEYSTORE_SEED: set SECURE_LOG_KEYSTORE_DIR, or another \
             SECURE_LOG_KEYSTORE_ALG"
                .into(),
        )),
    }
}

/// The label's symmetric key.
pub(crate) fn symmetric_key(seed: &Seed, purpose: Use, label: Label<'_>) -> Symmetric {
    let purpose = match purpose {
        Use::Mac => "hmac-sha-256",
        Use::Wrapping => "xchacha20poly1305",
    };
    expand(seed, purpose, label)
}

/// HKDF-SHA-256 without salt. No purpose and no label holds a line break, so that no two of them share a key.
fn expand<const N: usize>(seed: &Seed, purpose: &str, label: Label<'_>) -> Zeroizing<[u8; N]> {
    let info = format!("secure-log/v1/seed\n{purpose}\n{}", label.as_str());
    let mut okm = Zeroizing::new([0; N]);
    let hkdf = Hkdf::<Sha256>::new(None, seed.as_bytes());
    hkdf.expand(info.as_bytes(), okm.as_mut_slice()).expect("HKDF-SHA-256 gives up to 8160 bytes");
    okm
}
