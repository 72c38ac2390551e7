//! The software keystore of secure-log: signing keys, keys of the keyed suite and wrapping keys, held in this process.
//!
//! **In scope:** reading keys from encrypted files or deriving them from a seed, using them, and making, importing,
//! listing and showing them (format.md s.3, s.5, s.6 and s.8; docs/keys.md).
//! **Out of scope:** keys that never enter memory (the PKCS#11 keystore), which key signs what (the engine), and which
//! keys are trusted (the trust policy).
//!
//! ```
//! use secure_log::providers::Keystore as _;
//! use secure_log_keystore::{Config, SoftwareKeystore};
//!
//! let keystore = SoftwareKeystore::new(Config::from_env(|name| match name {
//!     "SECURE_LOG_KEYSTORE_SEED" => Ok("5e".repeat(32)), // openssl rand -hex 32
//!     other => std::env::var(other),
//! })?);
//! let signature = keystore.signer("checkpoint-ed25519")?.sign(b"a message")?;
//! assert_eq!(signature.len(), 64);
//! println!("{:?}", keystore.show("checkpoint-ed25519", "example.org/log")?.verifier_key);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod config;
mod derive;
mod folder;
mod key_file;
mod label;
mod manage;
mod random;
mod signing;
mod symmetric;

use std::fmt;

use secure_log::providers::{self, CheckpointSigner, KeyError, Keystore};
use secure_log::sign::Algorithm;

pub use config::{Config, ConfigError, Passphrase, Seed, Source};
pub use label::MAX_LABEL_BYTES;
pub use manage::{KeyInfo, KeyKind, ManageError};
pub use random::SystemRandom;
pub use signing::SigningKey;
pub use symmetric::{MacKey, NotAuthentic, WrappingKey};

use derive::Use;
use folder::Folder;
use label::Label;

/// What a keystore without keys answers.
const NOTHING_CONFIGURED: &str = "no keystore is configured: set SECURE_LOG_KEYSTORE_DIR to a folder of key files, or \
    SECURE_LOG_KEYSTORE_SEED to 32 random bytes in hex";

/// Keys from encrypted files, or derived from a seed. It never makes up a key that was not asked for.
pub struct SoftwareKeystore {
    algorithm: Algorithm,
    keys: Keys,
}

enum Keys {
    Nothing,
    Folder(Folder),
    Seed(Seed),
}

impl SoftwareKeystore {
    /// Takes what the configuration says. Nothing is read before a key is asked for.
    pub fn new(config: Config) -> SoftwareKeystore {
        let keys = match config.source {
            Source::Nothing => Keys::Nothing,
            Source::Folder { path, passphrase } => Keys::Folder(Folder::new(path, passphrase)),
            Source::Seed(seed) => Keys::Seed(seed),
        };
        SoftwareKeystore { algorithm: config.algorithm, keys }
    }

    /// The signing key with this label.
    pub fn signing_key(&self, label: &str) -> Result<SigningKey, KeyError> {
        let label = existing(label)?;
        match &self.keys {
            Keys::Nothing => Err(nothing_configured(label)),
            Keys::Folder(folder) => folder.signing_key(label),
            Keys::Seed(seed) => derive::signing_key(seed, self.algorithm, label),
        }
    }

    /// The key of the keyed suite with this label.
    pub fn mac_key(&self, label: &str) -> Result<MacKey, KeyError> {
        self.symmetric_key(label, Use::Mac).map(|key| MacKey::new(&key))
    }

    /// The wrapping key with this label.
    pub fn wrapping_key(&self, label: &str) -> Result<WrappingKey, KeyError> {
        self.symmetric_key(label, Use::Wrapping).map(WrappingKey::new)
    }

    fn symmetric_key(&self, label: &str, purpose: Use) -> Result<symmetric::Symmetric, KeyError> {
        let label = existing(label)?;
        match &self.keys {
            Keys::Nothing => Err(nothing_configured(label)),
            Keys::Folder(folder) => folder.symmetric_key(label),
            Keys::Seed(seed) => Ok(derive::symmetric_key(seed, purpose, label)),
        }
    }
}

impl Keystore for SoftwareKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        Ok(Box::new(self.signing_key(label)?))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn providers::MacKey + Send>, KeyError> {
        Ok(Box::new(self.mac_key(label)?))
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn providers::WrappingKey + Send>, KeyError> {
        Ok(Box::new(SoftwareKeystore::wrapping_key(self, label)?))
    }
}

impl fmt::Debug for SoftwareKeystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.keys {
            Keys::Nothing => "nothing",
            Keys::Folder(_) => "a folder",
            Keys::Seed(_) => "a seed",
        };
        write!(f, "SoftwareKeystore({}, of {source})", self.algorithm.as_str())
    }
}

/// Under what cannot be a label there is no key. Identities come here out of stores too, and of one that is no label
/// the answer must be the same as of any other that is unknown.
fn existing(label: &str) -> Result<Label<'_>, KeyError> {
    Label::new(label).map_err(|bad| KeyError::NotFound(bad.0))
}

fn nothing_configured(label: Label<'_>) -> KeyError {
    KeyError::NotFound(format!("{label}: {NOTHING_CONFIGURED}"))
}
