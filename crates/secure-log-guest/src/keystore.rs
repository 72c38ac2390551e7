//! The imported keystore, as a native one.

use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey, UnwrapError, WrapAlgorithm, WrappingKey};
use zeroize::Zeroizing;

use self::bindings::keys::keystore::{mac, sealer};

pub mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:guest;

            world keystore-user {
                import keys:keystore/signer;
                import keys:keystore/mac;
                import keys:keystore/sealer;
            }
        ",
        world: "secure-log:guest/keystore-user",
        path: "../../wit/keys",
        generate_all,
    });
}

secure_log_guest_keys::import_signer!(crate::keystore::bindings::keys::keystore::signer);

/// The keystore that this component was composed with.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedKeystore;

struct ImportedMac(mac::MacKey);

struct ImportedWrappingKey {
    key: sealer::WrappingKey,
    algorithm: WrapAlgorithm,
}

impl Keystore for ImportedKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        imported_signer(label)
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Ok(Box::new(ImportedMac(mac::get_mac_key(label).map_err(mac_error)?)))
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        let key = sealer::get_wrapping_key(label).map_err(sealer_error)?;
        let named = key.algorithm();
        let algorithm =
            named.parse().map_err(|_| KeyError::UnsupportedAlgorithm(format!("'{label}' wraps with {named:?}")))?;
        Ok(Box::new(ImportedWrappingKey { key, algorithm }))
    }
}

impl MacKey for ImportedMac {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        let computed = self.0.compute(message).map_err(mac_error)?;
        let length = computed.len();
        computed
            .try_into()
            .map_err(|_| KeyError::Backend(format!("it answered an HMAC of {length} bytes and not of 32")))
    }
}

fn mac_error(error: mac::MacError) -> KeyError {
    match error {
        mac::MacError::KeyNotFound(detail) => KeyError::NotFound(detail),
        mac::MacError::Unsupported => KeyError::UnsupportedAlgorithm("this keystore has no keyed hashing".into()),
        mac::MacError::AccessDenied(detail) => KeyError::AccessDenied(detail),
        mac::MacError::Backend(detail) => KeyError::Backend(detail),
    }
}

impl WrappingKey for ImportedWrappingKey {
    fn algorithm(&self) -> WrapAlgorithm {
        self.algorithm
    }

    fn wrap(&self, key: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.key.wrap(key, associated_data).map_err(sealer_error)
    }

    fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        match self.key.unwrap(wrapped, associated_data) {
            Ok(key) => Ok(Zeroizing::new(key)),
            Err(sealer::SealerError::NotAuthentic) => Err(UnwrapError::NotAuthentic),
            Err(error) => Err(UnwrapError::Key(sealer_error(error))),
        }
    }
}

fn sealer_error(error: sealer::SealerError) -> KeyError {
    match error {
        sealer::SealerError::KeyNotFound(detail) => KeyError::NotFound(detail),
        sealer::SealerError::Unsupported => KeyError::UnsupportedAlgorithm("this keystore wraps no keys".into()),
        sealer::SealerError::AccessDenied(detail) => KeyError::AccessDenied(detail),
        sealer::SealerError::Backend(detail) => KeyError::Backend(detail),
        sealer::SealerError::NotAuthentic => {
            KeyError::Backend("it says of what it was to wrap that it is not authentic".into())
        }
    }
}
