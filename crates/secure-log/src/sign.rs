//! Signature algorithms (format.md s.5).

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
