//! A keystore that can only sign: it exports `keys:keystore/signer` and nothing else.
//!
//! Its keys are derived from a seed that stands below for everybody to read, so they are good for tests alone.

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

mod bindings {
    wit_bindgen::generate!({ world: "keys:keystore/signer-provider", path: "../../../wit/keys" });
    export!(Keystore);

    use super::Keystore;
}

use bindings::exports::keys::keystore::signer::{Error, Guest, GuestKey, Key};

const SEED: &[u8] = b"everybody knows this seed";
/// The labels that have a key.
const LABELS: [&str; 2] = ["checkpoint-ed25519", "segment-signer"];

struct Keystore;

impl Guest for Keystore {
    type Key = TestKey;

    fn get_key(label: String) -> Result<Key, Error> {
        if !LABELS.contains(&label.as_str()) {
            return Err(Error::KeyNotFound(format!("{label}: this keystore has the keys {}", LABELS.join(" and "))));
        }
        let secret = Sha256::new().chain_update(SEED).chain_update(&label).finalize();
        Ok(Key::new(TestKey(SigningKey::from_bytes(&secret.into()))))
    }
}

struct TestKey(SigningKey);

impl GuestKey for TestKey {
    fn algorithm(&self) -> String {
        "ed25519".into()
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.verifying_key().as_bytes().to_vec()
    }

    fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(&message).to_bytes().to_vec())
    }
}
