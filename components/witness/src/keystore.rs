//! The imported keystore, as the witness sees it.

use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey};
use secure_log::sign::Algorithm;

use crate::bindings::keys::keystore::signer;

pub(crate) struct ImportedKeystore;

struct ImportedKey {
    key: signer::Key,
    algorithm: Algorithm,
    public_key: Vec<u8>,
}

impl Keystore for ImportedKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        let key = signer::get_key(label).map_err(key_error)?;
        let (named, public_key) = (key.algorithm(), key.public_key());
        let algorithm = Algorithm::from_name(&named)
            .ok_or_else(|| KeyError::UnsupportedAlgorithm(format!("'{label}' signs with {named:?}")))?;
        Ok(Box::new(ImportedKey { key, algorithm, public_key }))
    }

    fn mac(&self, _: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Err(KeyError::UnsupportedAlgorithm("a witness hashes nothing with a key".into()))
    }
}

impl CheckpointSigner for ImportedKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.key.sign(message).map_err(key_error)
    }
}

fn key_error(error: signer::Error) -> KeyError {
    match error {
        signer::Error::KeyNotFound(detail) => KeyError::NotFound(detail),
        signer::Error::UnsupportedAlgorithm(detail) => KeyError::UnsupportedAlgorithm(detail),
        signer::Error::AccessDenied(detail) => KeyError::AccessDenied(detail),
        signer::Error::Backend(detail) => KeyError::Backend(detail),
    }
}
