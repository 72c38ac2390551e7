//! Making, importing, listing and showing keys: for operators.

use std::fmt;

use secure_log::hash::KeyId;
use secure_log::note::VerifierKey;
use secure_log::providers::{CheckpointSigner as _, KeyError};
use secure_log::sign::Algorithm;
use zeroize::Zeroizing;

use crate::config::{DIR, Passphrase, SEED};
use crate::folder::Folder;
use crate::key_file::{self, Fault};
use crate::label::{BadName, Label, check_name};
use crate::signing::{BadKey, SigningKey};
use crate::symmetric::{MacKey, Symmetric};
use crate::{Keys, NOTHING_CONFIGURED, SoftwareKeystore, random};

/// What a key can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Signatures by this algorithm.
    Signing(Algorithm),
    /// Keyed hashing, or wrapping keys.
    Symmetric,
}

impl KeyKind {
    /// The name in `generate` and in what is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyKind::Signing(algorithm) => algorithm.as_str(),
            KeyKind::Symmetric => "symmetric",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<KeyKind> {
        if name == KeyKind::Symmetric.as_str() {
            return Some(KeyKind::Symmetric);
        }
        Algorithm::from_name(name).map(KeyKind::Signing)
    }
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its label.
    pub label: String,
    /// What it is for.
    pub kind: KeyKind,
    /// Its public key in the algorithm's form (format.md s.5); empty for symmetric keys.
    pub public_key: Vec<u8>,
    /// The text that a verifier trusts (format.md s.6); absent for symmetric keys.
    pub verifier_key: Option<String>,
    /// The public name for keyed hashing (format.md s.3). Of a seed, every label has a key for that too.
    pub key_id: Option<KeyId>,
}

impl SoftwareKeystore {
    /// Makes a key; without a kind, one for signatures by the keystore's algorithm. The verifier key is named by the
    /// label.
    pub fn generate(&self, label: &str, kind: Option<KeyKind>) -> Result<KeyInfo, ManageError> {
        let label = Label::new(label)?;
        let folder = self.writable("made")?;
        folder.check_free(label)?;
        match kind.unwrap_or(KeyKind::Signing(self.algorithm)) {
            KeyKind::Signing(algorithm) => store_signing(folder, label, SigningKey::generate(algorithm)?),
            KeyKind::Symmetric => store_symmetric(folder, label, random::bytes()?),
        }
    }

    /// Stores a key that was made elsewhere: PKCS#8 as PEM or DER, encrypted if and only if there is a passphrase, or
    /// the 32 bytes of a symmetric key. The verifier key is named by the label.
    pub fn import(&self, label: &str, key: &[u8], passphrase: Option<String>) -> Result<KeyInfo, ManageError> {
        let passphrase = match passphrase.map(Passphrase::new) {
            Some(None) => return Err(ManageError::Invalid("the passphrase is empty".into())),
            given => given.flatten(),
        };
        let label = Label::new(label)?;
        let folder = self.writable("imported")?;
        if let Ok(key) = <[u8; 32]>::try_from(key).map(Zeroizing::new) {
            if passphrase.is_some() {
                return Err(ManageError::Invalid("32 bytes of a symmetric key are not encrypted".into()));
            }
            return store_symmetric(folder, label, key);
        }
        let der = key_file::open_pkcs8(key, passphrase.as_ref())?;
        store_signing(folder, label, SigningKey::from_pkcs8(&der)?)
    }

    /// All labels, sorted.
    pub fn list(&self) -> Result<Vec<String>, ManageError> {
        match &self.keys {
            Keys::Folder(folder) => Ok(folder.labels()?),
            Keys::Seed(_) => Err(ManageError::Unsupported(format!("with {SEED} every label has a key"))),
            Keys::Nothing => Err(ManageError::Unsupported(NOTHING_CONFIGURED.into())),
        }
    }

    /// One key. Its verifier key is named `name`: an origin or an identity.
    pub fn show(&self, label: &str, name: &str) -> Result<KeyInfo, ManageError> {
        check_name(name)?;
        let checked = Label::new(label)?;
        match &self.keys {
            Keys::Folder(folder) if folder.is_symmetric(checked) => {
                Ok(describe_symmetric(checked, &folder.symmetric_key(checked)?))
            }
            Keys::Seed(_) => {
                let key_id = Some(self.mac_key(label)?.id());
                Ok(KeyInfo { key_id, ..describe_signing(checked, name, &self.signing_key(label)?)? })
            }
            Keys::Folder(_) | Keys::Nothing => describe_signing(checked, name, &self.signing_key(label)?),
        }
    }

    fn writable(&self, what: &str) -> Result<&Folder, ManageError> {
        match &self.keys {
            Keys::Folder(folder) => Ok(folder),
            Keys::Seed(_) => {
                Err(ManageError::Unsupported(format!("with {SEED} no key is {what}: set {DIR} in its place")))
            }
            Keys::Nothing => Err(ManageError::Unsupported(format!("no key is {what} without a folder: set {DIR}"))),
        }
    }
}

fn store_signing(folder: &Folder, label: Label<'_>, key: SigningKey) -> Result<KeyInfo, ManageError> {
    let info = describe_signing(label, label.as_str(), &key)?;
    folder.create_signing(label, &key)?;
    Ok(info)
}

fn store_symmetric(folder: &Folder, label: Label<'_>, key: Symmetric) -> Result<KeyInfo, ManageError> {
    folder.create_symmetric(label, &key)?;
    Ok(describe_symmetric(label, &key))
}

fn describe_signing(label: Label<'_>, name: &str, key: &SigningKey) -> Result<KeyInfo, ManageError> {
    let verifier_key = VerifierKey::new(name, key.algorithm(), key.public_key())
        .map_err(|error| ManageError::UnsupportedAlgorithm(format!("{label}: no verifier takes this key: {error}")))?;
    Ok(KeyInfo {
        label: label.as_str().into(),
        kind: KeyKind::Signing(key.algorithm()),
        public_key: key.public_key().to_vec(),
        verifier_key: Some(verifier_key.to_string()),
        key_id: None,
    })
}

fn describe_symmetric(label: Label<'_>, key: &Symmetric) -> KeyInfo {
    KeyInfo {
        label: label.as_str().into(),
        kind: KeyKind::Symmetric,
        public_key: Vec::new(),
        verifier_key: None,
        key_id: Some(MacKey::new(key).id()),
    }
}

/// Why a key was not made, imported, listed or shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManageError {
    /// There is no key with this label.
    KeyNotFound(String),
    /// A key with this label exists; none is ever overwritten.
    KeyExists(String),
    /// The key is of a kind that this keystore does not support.
    UnsupportedAlgorithm(String),
    /// The key may not be used: a wrong passphrase.
    AccessDenied(String),
    /// The argument cannot be used: which, and why.
    Invalid(String),
    /// The keystore cannot do that as it is configured: what to set.
    Unsupported(String),
    /// The keystore failed.
    Backend(String),
}

impl fmt::Display for ManageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManageError::KeyNotFound(detail) => write!(f, "no such key: {detail}"),
            ManageError::KeyExists(detail) => write!(f, "the key exists: {detail}"),
            ManageError::UnsupportedAlgorithm(detail) => write!(f, "unsupported key or algorithm: {detail}"),
            ManageError::AccessDenied(detail) => write!(f, "the key may not be used: {detail}"),
            ManageError::Invalid(detail) => write!(f, "invalid: {detail}"),
            ManageError::Unsupported(detail) => write!(f, "not possible with this configuration: {detail}"),
            ManageError::Backend(detail) => write!(f, "the keystore failed: {detail}"),
        }
    }
}

impl std::error::Error for ManageError {}

impl From<KeyError> for ManageError {
    fn from(error: KeyError) -> ManageError {
        match error {
            KeyError::NotFound(detail) => ManageError::KeyNotFound(detail),
            KeyError::UnsupportedAlgorithm(detail) => ManageError::UnsupportedAlgorithm(detail),
            KeyError::AccessDenied(detail) => ManageError::AccessDenied(detail),
            KeyError::Backend(detail) => ManageError::Backend(detail),
            other => ManageError::Backend(other.to_string()),
        }
    }
}

impl From<BadName> for ManageError {
    fn from(BadName(detail): BadName) -> ManageError {
        ManageError::Invalid(detail)
    }
}

/// Of a key that is being imported.
impl From<Fault> for ManageError {
    fn from(fault: Fault) -> ManageError {
        match fault {
            Fault::Malformed(wanted) => ManageError::Invalid(format!("the key is malformed: {wanted}")),
            Fault::Unsupported(wanted) => ManageError::UnsupportedAlgorithm(wanted.into()),
            Fault::PassphraseNeeded => ManageError::AccessDenied("the key is encrypted: give its passphrase".into()),
            Fault::NotEncrypted => ManageError::Invalid("the key is not encrypted: give no passphrase".into()),
            Fault::WrongPassphrase => {
                ManageError::AccessDenied("the passphrase is wrong, or the key is damaged".into())
            }
        }
    }
}

/// Of a key that is being imported.
impl From<BadKey> for ManageError {
    fn from(bad: BadKey) -> ManageError {
        match bad {
            BadKey::Malformed => ManageError::Invalid("the key is malformed".into()),
            BadKey::Unsupported(wanted) => ManageError::UnsupportedAlgorithm(wanted.into()),
        }
    }
}
