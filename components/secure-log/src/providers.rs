//! The imported keystore, as the engine sees it, and what else the engine is given.

use secure_log::engine::Providers;
use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey};
use secure_log::system::{SystemClock, SystemRandom};
use secure_log_guest::ImportedAnchor;

use crate::bindings::keys::keystore::mac;

secure_log_guest_keys::import_signer!(crate::bindings::keys::keystore::signer);

/// What the composition gives the engine.
pub(crate) fn imported() -> Providers {
    Providers {
        keystore: Box::new(ImportedKeystore),
        anchor: Box::new(ImportedAnchor),
        clock: Box::new(SystemClock),
        random: Box::new(SystemRandom),
    }
}

struct ImportedKeystore;

struct ImportedMac(mac::MacKey);

impl Keystore for ImportedKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        imported_signer(label)
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Ok(Box::new(ImportedMac(mac::get_mac_key(label).map_err(mac_error)?)))
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
