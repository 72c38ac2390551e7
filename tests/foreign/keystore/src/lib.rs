//! A keystore that can only sign: it exports `keys:keystore/signer` and nothing else.
//!
//! Its keys are derived from a seed that stands below for everybody to read, so they are good for tests alone. They can be
//! made as slow as those of a token: the variable SECURE_LOG_TEST_SIGNATURE_MS says how many milliseconds a signature takes.

use std::thread::sleep;
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

mod bindings {
    wit_bindgen::generate!({ world: "keys:keystore/signer-provider", path: "../../../wit/keys" });
    export!(Keystore);

    use super::Keystore;
}

use bindings::exports::keys::keystore::signer::{Error, Guest, GuestKey, Key};

const SEED: &[u8] = b"everybody knows this seed";
/// Names how long a signature takes.
const TAKES_MS: &str = "SECURE_LOG_TEST_SIGNATURE_MS";
/// The labels that have a key.
const LABELS: [&str; 2] = ["checkpoint-ed25519", "segment-signer"];

struct Keystore;

impl Guest for Keystore {
    type Key = TestKey;

    fn get_key(label: String) -> Result<Key, Error> {
        if !LABELS.contains(&label.as_str()) {
            return Err(Error::KeyNotFound(format!("{label}: this keystore has the keys {}", LABELS.join(" and "))));
        }
        let takes = match std::env::var(TAKES_MS) {
            Err(_) => Duration::ZERO,
            Ok(text) => {
                let millis = text.parse().map_err(|_| Error::Backend(format!("{TAKES_MS}: {text:?} is no number")))?;
                Duration::from_millis(millis)
            }
        };
        let secret = Sha256::new().chain_update(SEED).chain_update(&label).finalize();
        Ok(Key::new(TestKey { key: SigningKey::from_bytes(&secret.into()), takes }))
    }
}

struct TestKey {
    key: SigningKey,
    takes: Duration,
}

impl GuestKey for TestKey {
    fn algorithm(&self) -> String {
        "ed25519".into()
    }

    fn public_key(&self) -> Vec<u8> {
        self.key.verifying_key().as_bytes().to_vec()
    }

    fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        sleep(self.takes);
        Ok(self.key.sign(&message).to_bytes().to_vec())
    }
}
