//! A key that takes as long as one on a token of hardware, and heads that are signed less often for that.

use std::thread::sleep;
use std::time::Duration;

use secure_log::engine::{Every, LogOptions};
use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey};
use secure_log::sign::Algorithm;

/// What a signature of such a token takes.
const SIGNATURE: Duration = Duration::from_millis(5);

/// How a log is opened for it.
pub fn options() -> LogOptions {
    LogOptions { head_every: Every::Millis(100), ..LogOptions::default() }
}

/// The keys of another keystore, made slow.
pub struct SlowKeys<K>(pub K);

struct SlowSigner(Box<dyn CheckpointSigner + Send>);

impl<K: Keystore> Keystore for SlowKeys<K> {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        Ok(Box::new(SlowSigner(self.0.signer(label)?)))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        self.0.mac(label)
    }
}

impl CheckpointSigner for SlowSigner {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        sleep(SIGNATURE);
        self.0.sign(message)
    }
}
