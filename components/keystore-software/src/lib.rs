//! The software keystore component: `secure-log-keystore` configured by the environment, behind `keys:keystore`.
//!
//! Everything that it decides, the library decides (docs/keys.md); here are conversions only.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "keystore-provider", path: "../../wit/keys" });
    export!(Component);

    use super::Component;
}

use std::alloc::System;
use std::sync::LazyLock;

use bindings::exports::keys::keystore::{mac, manage, sealer, signer};
use secure_log::providers::{CheckpointSigner, KeyError, MacKey as _};
use secure_log_guest_keys::convert_key_error;
use secure_log_keystore::{
    Config, ConfigError, KeyInfo, KeyKind, MacKey, ManageError, NotAuthentic, SigningKey, SoftwareKeystore, WrappingKey,
};
use zeroize::Zeroizing;
use zeroizing_alloc::ZeroAlloc;

/// Keys cross to others and back in buffers that the bindings free: they, and all others, are zeroed when they are freed.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// One keystore an instance: it remembers what it opened. A broken configuration is a failure of every call and never
/// an absent key.
static KEYSTORE: LazyLock<Result<SoftwareKeystore, ConfigError>> =
    LazyLock::new(|| Config::from_env(|name| std::env::var(name)).map(SoftwareKeystore::new));

fn keystore() -> Result<&'static SoftwareKeystore, KeyError> {
    KEYSTORE.as_ref().map_err(|error| KeyError::Backend(error.to_string()))
}

struct Component;

impl signer::Guest for Component {
    type Key = SigningKey;

    fn get_key(label: String) -> Result<signer::Key, signer::Error> {
        Ok(signer::Key::new(keystore()?.signing_key(&label)?))
    }
}

impl signer::GuestKey for SigningKey {
    fn algorithm(&self) -> String {
        CheckpointSigner::algorithm(self).as_str().to_owned()
    }

    fn public_key(&self) -> Vec<u8> {
        CheckpointSigner::public_key(self).to_vec()
    }

    fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, signer::Error> {
        Ok(CheckpointSigner::sign(self, &message)?)
    }
}

impl mac::Guest for Component {
    type MacKey = MacKey;

    fn get_mac_key(label: String) -> Result<mac::MacKey, mac::MacError> {
        Ok(mac::MacKey::new(keystore()?.mac_key(&label)?))
    }
}

impl mac::GuestMacKey for MacKey {
    fn compute(&self, message: Vec<u8>) -> Result<Vec<u8>, mac::MacError> {
        Ok(self.mac(&message)?.to_vec())
    }
}

impl sealer::Guest for Component {
    type WrappingKey = WrappingKey;

    fn get_wrapping_key(label: String) -> Result<sealer::WrappingKey, sealer::SealerError> {
        Ok(sealer::WrappingKey::new(keystore()?.wrapping_key(&label)?))
    }
}

impl sealer::GuestWrappingKey for WrappingKey {
    fn algorithm(&self) -> String {
        WrappingKey::ALGORITHM.to_owned()
    }

    fn wrap(&self, plaintext: Vec<u8>, associated_data: Vec<u8>) -> Result<Vec<u8>, sealer::SealerError> {
        Ok(WrappingKey::wrap(self, &Zeroizing::new(plaintext), &associated_data)?)
    }

    fn unwrap(&self, wrapped: Vec<u8>, associated_data: Vec<u8>) -> Result<Vec<u8>, sealer::SealerError> {
        match WrappingKey::unwrap(self, &wrapped, &associated_data) {
            Ok(plaintext) => Ok(plaintext.to_vec()),
            Err(NotAuthentic) => Err(sealer::SealerError::NotAuthentic),
        }
    }
}

impl manage::Guest for Component {
    /// An empty algorithm stands for the one that SECURE_LOG_KEYSTORE_ALG names.
    fn generate(label: String, algorithm: String) -> Result<manage::KeyInfo, manage::ManageError> {
        let kind = match KeyKind::from_name(&algorithm) {
            None if !algorithm.is_empty() => return Err(manage::ManageError::UnsupportedAlgorithm(algorithm)),
            kind => kind,
        };
        Ok(keystore()?.generate(&label, kind)?.into())
    }

    fn import_key(
        label: String,
        key: Vec<u8>,
        passphrase: Option<String>,
    ) -> Result<manage::KeyInfo, manage::ManageError> {
        Ok(keystore()?.import(&label, &Zeroizing::new(key), passphrase)?.into())
    }

    fn list_keys() -> Result<Vec<String>, manage::ManageError> {
        Ok(keystore()?.list()?)
    }

    fn show_key(label: String, name: String) -> Result<manage::KeyInfo, manage::ManageError> {
        Ok(keystore()?.show(&label, &name)?.into())
    }

    fn change_pin(_: manage::PinOwner, _: String) -> Result<(), manage::ManageError> {
        Err(no_pin())
    }

    fn reset_pin(_: String) -> Result<(), manage::ManageError> {
        Err(no_pin())
    }
}

fn no_pin() -> manage::ManageError {
    manage::ManageError::Unsupported("keys in files have a passphrase and no PIN".into())
}

impl From<KeyInfo> for manage::KeyInfo {
    fn from(info: KeyInfo) -> manage::KeyInfo {
        manage::KeyInfo {
            label: info.label,
            algorithm: info.kind.as_str().to_owned(),
            public_key: info.public_key,
            verifier_key: info.verifier_key,
            key_id: info.key_id.map(|id| id.0.to_vec()),
        }
    }
}

impl From<ManageError> for manage::ManageError {
    fn from(error: ManageError) -> manage::ManageError {
        match error {
            ManageError::KeyNotFound(detail) => manage::ManageError::KeyNotFound(detail),
            ManageError::KeyExists(detail) => manage::ManageError::KeyExists(detail),
            ManageError::UnsupportedAlgorithm(detail) => manage::ManageError::UnsupportedAlgorithm(detail),
            ManageError::AccessDenied(detail) => manage::ManageError::AccessDenied(detail),
            ManageError::Invalid(detail) => manage::ManageError::Invalid(detail),
            ManageError::Unsupported(detail) => manage::ManageError::Unsupported(detail),
            ManageError::Backend(detail) => manage::ManageError::Backend(detail),
            other => manage::ManageError::Backend(other.to_string()),
        }
    }
}

impl From<KeyError> for manage::ManageError {
    fn from(error: KeyError) -> manage::ManageError {
        ManageError::from(error).into()
    }
}

convert_key_error!(signer::Error, UnsupportedAlgorithm);
convert_key_error!(mac::MacError, Backend);
convert_key_error!(sealer::SealerError, Backend);
