//! The imported keystore, as the witness sees it.

use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey};

secure_log_guest_keys::import_signer!(crate::bindings::keys::keystore::signer);

pub(crate) struct ImportedKeystore;

impl Keystore for ImportedKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        imported_signer(label)
    }

    fn mac(&self, _: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Err(KeyError::UnsupportedAlgorithm("a witness hashes nothing with a key".into()))
    }
}
