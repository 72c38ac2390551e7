//! The PKCS#11 keystore component: `secure-log-pkcs11` over an imported token, behind `keys:keystore`.
//!
//! Everything that it decides, the library decides (docs/pkcs11.md); here are conversions only.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "package secure-log:keystore-pkcs11;
                 world component {
                     include keys:keystore/keystore-provider;
                     include pkcs11:token/token-user@0.1.0;
                 }",
        path: ["../../wit/keys", "../../wit/pkcs11"],
        world: "secure-log:keystore-pkcs11/component",
        generate_all,
    });
    export!(Component);

    use super::Component;
}
mod token;

use std::alloc::System;
use std::sync::LazyLock;

use bindings::exports::keys::keystore::{mac, manage, sealer, signer};
use secure_log::providers::{CheckpointSigner, KeyError, MacKey as _};
use secure_log::sign::Algorithm;
use secure_log_guest_keys::convert_key_error;
use secure_log_pkcs11::{
    Config, ConfigError, KeyDescription, NewKey, Pin, TokenError, TokenKeystore, TokenMac, TokenSigner,
    TokenWrappingKey, WrappedKeyError, WrappingAlgorithm,
};
use token::Imported;
use zeroize::Zeroizing;
use zeroizing_alloc::ZeroAlloc;

/// Keys cross to others and back in buffers that the bindings free: they, and all others, are zeroed when they are freed.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// One keystore an instance, with one session. A broken configuration is a failure of every call and never an absent key.
static KEYSTORE: LazyLock<Result<TokenKeystore<Imported>, ConfigError>> =
    LazyLock::new(|| Ok(TokenKeystore::new(Imported, Config::from_env(|name| std::env::var(name))?)));

fn keystore() -> Result<&'static TokenKeystore<Imported>, KeyError> {
    KEYSTORE.as_ref().map_err(|error| KeyError::Backend(error.to_string()))
}

struct Component;

impl signer::Guest for Component {
    type Key = TokenSigner<Imported>;

    fn get_key(label: String) -> Result<signer::Key, signer::Error> {
        Ok(signer::Key::new(keystore()?.signing_key(&label)?))
    }
}

impl signer::GuestKey for TokenSigner<Imported> {
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
    type MacKey = TokenMac<Imported>;

    fn get_mac_key(label: String) -> Result<mac::MacKey, mac::MacError> {
        Ok(mac::MacKey::new(keystore()?.mac_key(&label)?))
    }
}

impl mac::GuestMacKey for TokenMac<Imported> {
    fn compute(&self, message: Vec<u8>) -> Result<Vec<u8>, mac::MacError> {
        Ok(self.mac(&message)?.to_vec())
    }
}

impl sealer::Guest for Component {
    type WrappingKey = TokenWrappingKey<Imported>;

    fn get_wrapping_key(label: String) -> Result<sealer::WrappingKey, sealer::SealerError> {
        match keystore()?.wrapping_key(&label) {
            Err(TokenError::UnsupportedMechanism(_)) => Err(sealer::SealerError::Unsupported),
            found => Ok(sealer::WrappingKey::new(found?)),
        }
    }
}

impl sealer::GuestWrappingKey for TokenWrappingKey<Imported> {
    fn algorithm(&self) -> String {
        TokenWrappingKey::algorithm(self).as_str().to_owned()
    }

    fn wrap(&self, plaintext: Vec<u8>, associated_data: Vec<u8>) -> Result<Vec<u8>, sealer::SealerError> {
        Ok(TokenWrappingKey::wrap(self, &Zeroizing::new(plaintext), &associated_data)?)
    }

    fn unwrap(&self, wrapped: Vec<u8>, associated_data: Vec<u8>) -> Result<Vec<u8>, sealer::SealerError> {
        match TokenWrappingKey::unwrap(self, &wrapped, &associated_data) {
            Ok(plaintext) => Ok(plaintext.to_vec()),
            Err(WrappedKeyError::NotAuthentic) => Err(sealer::SealerError::NotAuthentic),
            Err(WrappedKeyError::Token(error)) => Err(error.into()),
        }
    }
}

impl manage::Guest for Component {
    /// `symmetric` is a key for hashing, `aes-kwp` and `aes-gcm` are keys for wrapping: a token keeps them apart. An empty
    /// algorithm stands for `ed25519`.
    fn generate(label: String, algorithm: String) -> Result<manage::KeyInfo, manage::ManageError> {
        let kind = match algorithm.as_str() {
            "" => NewKey::Signing(Algorithm::Ed25519),
            "symmetric" => NewKey::Mac,
            name => match (Algorithm::from_name(name), WrappingAlgorithm::from_name(name)) {
                (Some(algorithm), _) => NewKey::Signing(algorithm),
                (None, Some(algorithm)) => NewKey::Wrapping(algorithm),
                (None, None) => return Err(manage::ManageError::UnsupportedAlgorithm(algorithm)),
            },
        };
        Ok(keystore()?.generate(&label, kind)?.into())
    }

    fn import_key(_: String, _: Vec<u8>, _: Option<String>) -> Result<manage::KeyInfo, manage::ManageError> {
        let reason = "a token takes no key that was made elsewhere: generate one on it";
        Err(manage::ManageError::Unsupported(reason.into()))
    }

    fn list_keys() -> Result<Vec<String>, manage::ManageError> {
        Ok(keystore()?.list()?)
    }

    fn show_key(label: String, name: String) -> Result<manage::KeyInfo, manage::ManageError> {
        Ok(keystore()?.describe(&label, &name)?.into())
    }

    fn change_pin(owner: manage::PinOwner, new_pin: String) -> Result<(), manage::ManageError> {
        let new_pin = Pin::new(new_pin);
        match owner {
            manage::PinOwner::User => keystore()?.change_pin(new_pin)?,
            manage::PinOwner::SecurityOfficer => keystore()?.change_so_pin(new_pin)?,
        }
        Ok(())
    }

    fn reset_pin(new_pin: String) -> Result<(), manage::ManageError> {
        Ok(keystore()?.reset_pin(Pin::new(new_pin))?)
    }
}

impl From<KeyDescription> for manage::KeyInfo {
    fn from(key: KeyDescription) -> manage::KeyInfo {
        let algorithm = key.public_key.as_ref().map_or("symmetric", |public| public.algorithm().as_str());
        manage::KeyInfo {
            algorithm: algorithm.to_owned(),
            public_key: key.public_key.map(|public| public.as_bytes().to_vec()).unwrap_or_default(),
            label: key.label,
            verifier_key: key.verifier_key,
            key_id: key.key_id.map(|id| id.0.to_vec()),
        }
    }
}

impl From<TokenError> for manage::ManageError {
    fn from(error: TokenError) -> manage::ManageError {
        match error {
            TokenError::KeyExists { .. } => manage::ManageError::KeyExists(error.to_string()),
            TokenError::BadLabel(_) | TokenError::NewPinRefused { .. } => {
                manage::ManageError::Invalid(error.to_string())
            }
            TokenError::NotConfigured { .. } => manage::ManageError::Unsupported(error.to_string()),
            error => KeyError::from(error).into(),
        }
    }
}

convert_key_error!(signer::Error, UnsupportedAlgorithm);
convert_key_error!(mac::MacError, Backend);
convert_key_error!(sealer::SealerError, Backend);
convert_key_error!(manage::ManageError, UnsupportedAlgorithm);

/// What is wrong with a token, as the interfaces other than `manage` say it.
macro_rules! convert_token_error {
    ($($error:ty),*) => {
        $(impl From<TokenError> for $error {
            fn from(error: TokenError) -> $error {
                KeyError::from(error).into()
            }
        })*
    };
}

convert_token_error!(signer::Error, mac::MacError, sealer::SealerError);
