//! What the engine needs of its surroundings besides a store: keys, an anchor, a clock, randomness.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use crate::entry::UnknownName;
use crate::hash::Hash;
use crate::sign::Algorithm;
use crate::time::Timestamp;

/// A signing key that stays where it is.
pub trait CheckpointSigner {
    /// What it signs with.
    fn algorithm(&self) -> Algorithm;
    /// The public key, in the algorithm's form (format.md s.5).
    fn public_key(&self) -> &[u8];
    /// Signs `message` itself, never a hash that the caller computed of it.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// A key of the keyed suite that stays where it is.
pub trait MacKey {
    /// HMAC-SHA-256 of `message`.
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError>;
}

/// A key that wraps data keys (a KEK, format.md s.8) and stays where it is.
pub trait WrappingKey {
    /// How it wraps. It never changes: what was wrapped would open no more.
    fn algorithm(&self) -> WrapAlgorithm;
    /// Wraps key material, bound to the associated data where the algorithm binds any.
    fn wrap(&self, key: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, KeyError>;
    /// Gives back what [`wrap`](WrappingKey::wrap) wrapped with this key and this associated data.
    fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError>;
}

/// How a data key is wrapped: `alg` of its line (format.md s.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrapAlgorithm {
    /// A nonce of 24 bytes, the ciphertext and the tag.
    XChaCha20Poly1305,
    /// RFC 5649. It binds no associated data: that the key is the one that its id names is what holds.
    AesKwp,
    /// A vector of 12 bytes, the ciphertext and the tag.
    AesGcm,
}

impl WrapAlgorithm {
    /// All of them.
    pub const ALL: [WrapAlgorithm; 3] =
        [WrapAlgorithm::XChaCha20Poly1305, WrapAlgorithm::AesKwp, WrapAlgorithm::AesGcm];

    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            WrapAlgorithm::XChaCha20Poly1305 => "xchacha20poly1305",
            WrapAlgorithm::AesKwp => "aes-kwp",
            WrapAlgorithm::AesGcm => "aes-gcm",
        }
    }
}

impl FromStr for WrapAlgorithm {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<WrapAlgorithm, UnknownName> {
        WrapAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownName)
    }
}

/// Why something was not unwrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnwrapError {
    /// It was not wrapped by this key with this associated data.
    NotAuthentic,
    /// The key could not be used.
    Key(KeyError),
}

impl fmt::Display for UnwrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnwrapError::NotAuthentic => f.write_str("it was not wrapped by this key, or not for this use"),
            UnwrapError::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UnwrapError {}

impl From<KeyError> for UnwrapError {
    fn from(error: KeyError) -> UnwrapError {
        UnwrapError::Key(error)
    }
}

/// Keys by label.
pub trait Keystore {
    /// The signing key with this label. [`KeyError::NotFound`] means that there is none, and never that it could
    /// not be opened.
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError>;
    /// The key of the keyed suite with this label.
    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError>;
    /// The key that wraps data keys with this label. A keystore that wraps none has no need to say so.
    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        Err(KeyError::UnsupportedAlgorithm(format!("'{label}': this keystore wraps no keys")))
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key with this label; the text says which, and what to set.
    NotFound(String),
    /// The key is of a kind that this keystore or this use does not support.
    UnsupportedAlgorithm(String),
    /// The key is there and may not be used: a wrong passphrase or PIN, a key that may not sign.
    AccessDenied(String),
    /// The keystore failed.
    Backend(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::NotFound(detail) => write!(f, "no such key: {detail}"),
            KeyError::UnsupportedAlgorithm(detail) => write!(f, "unsupported key or algorithm: {detail}"),
            KeyError::AccessDenied(detail) => write!(f, "the key may not be used: {detail}"),
            KeyError::Backend(detail) => write!(f, "the keystore failed: {detail}"),
        }
    }
}

impl std::error::Error for KeyError {}

/// What an anchor knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorView {
    /// No anchor is configured: nothing outside the store remembers the log.
    NotConfigured,
    /// The anchor works and knows of no such log.
    Unknown,
    /// The last head that it was given, as a whole signed note.
    Head(String),
    /// It remembers heads and shows none, as a witness does: what it knows of a log it answers to a head of it that is
    /// published.
    WhenPublished,
}

/// A place outside the store that remembers the last head.
pub trait Anchor {
    /// What it knows of the log of this origin or, without one, of any log.
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError>;

    /// Gives it a head as a signed note, with a consistency proof from the size that it was given last. One that was taken
    /// has been made durable when this returns.
    fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication;
}

/// What became of a head that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Whether the anchor took it.
    pub taken: Result<(), AnchorError>,
    /// What each witness behind the anchor answered to it, whether it was taken or not; none where there are no witnesses.
    pub answers: Vec<WitnessAnswer>,
}

/// That of an anchor without witnesses.
impl From<Result<(), AnchorError>> for Publication {
    fn from(taken: Result<(), AnchorError>) -> Publication {
        Publication { taken, answers: Vec::new() }
    }
}

/// A witness's answer to a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessAnswer {
    /// The name of the witness's key.
    pub name: String,
    /// What it did.
    pub outcome: WitnessOutcome,
}

/// What a witness did with a head. But for a cosignature it says why, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessOutcome {
    /// It cosigned the head: this line, without its dash. Whoever is told so checks it.
    Cosigned(String),
    /// It has another head than the log thought, or one that the published head does not continue.
    Conflict(String),
    /// It answered that it does not cosign, or something that is no cosignature of its.
    Refused(String),
    /// It did not answer, or said that it cannot now.
    Unreachable(String),
}

/// Why an anchor did not take a head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchorError {
    /// It has a larger head, or another one of this size: this one.
    Refused(String),
    /// It did not answer, or could not store; the head may or may not have been taken.
    Unavailable(String),
    /// It has a head of this size (0 where it has none) and shows it to nobody; the head was published from another old
    /// size, or is smaller. The same size as the old one means that the head of this size that it has is another one.
    Conflict(u64),
    /// It has a head of this size, from which the proof does not lead to the published one.
    Inconsistent(u64),
}

impl fmt::Display for AnchorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnchorError::Refused(_) => f.write_str("the anchor has a larger or another head"),
            AnchorError::Unavailable(detail) => write!(f, "the anchor cannot be used: {detail}"),
            AnchorError::Conflict(size) => write!(f, "the anchor has a head of size {size}, which it does not show"),
            AnchorError::Inconsistent(size) => {
                write!(f, "the anchor has a head of size {size}, and the published one does not continue it")
            }
        }
    }
}

impl std::error::Error for AnchorError {}

/// No anchor: every report says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnchor;

impl Anchor for NoAnchor {
    fn latest(&mut self, _: Option<&str>) -> Result<AnchorView, AnchorError> {
        Ok(AnchorView::NotConfigured)
    }

    fn publish(&mut self, _: &str, _: u64, _: &[Hash]) -> Publication {
        Err(AnchorError::Unavailable("no anchor is configured".into())).into()
    }
}

/// No keys: a log made with it is keyless, and every verdict says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl Keystore for NoKeys {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        Err(KeyError::NotFound(format!("'{label}': no keystore is configured")))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Err(KeyError::NotFound(format!("'{label}': no keystore is configured")))
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        Err(KeyError::NotFound(format!("'{label}': no keystore is configured")))
    }
}

/// Tells the time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes.
pub trait Random {
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError>;
}

/// The source of randomness failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RandomError(pub String);

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no random bytes: {}", self.0)
    }
}

impl std::error::Error for RandomError {}
