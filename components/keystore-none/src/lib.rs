//! The component that has no keys for hashing and wrapping, and says `unsupported`.
//!
//! It closes the core's imports of `mac` and `sealer` where the keystore that is composed with it signs only.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "keystore-none", path: "../../wit/keys" });
    export!(NoKeys);

    use super::NoKeys;
}

use core::convert::Infallible;

use bindings::exports::keys::keystore::mac::{self, MacError};
use bindings::exports::keys::keystore::sealer::{self, SealerError};

struct NoKeys;

/// A key that there never is.
struct NoKey(Infallible);

impl mac::Guest for NoKeys {
    type MacKey = NoKey;

    fn get_mac_key(_label: String) -> Result<mac::MacKey, MacError> {
        Err(MacError::Unsupported)
    }
}

impl mac::GuestMacKey for NoKey {
    fn compute(&self, _message: Vec<u8>) -> Result<Vec<u8>, MacError> {
        match self.0 {}
    }
}

impl sealer::Guest for NoKeys {
    type WrappingKey = NoKey;

    fn get_wrapping_key(_label: String) -> Result<sealer::WrappingKey, SealerError> {
        Err(SealerError::Unsupported)
    }
}

impl sealer::GuestWrappingKey for NoKey {
    fn algorithm(&self) -> String {
        match self.0 {}
    }

    fn wrap(&self, _plaintext: Vec<u8>, _associated_data: Vec<u8>) -> Result<Vec<u8>, SealerError> {
        match self.0 {}
    }

    fn unwrap(&self, _wrapped: Vec<u8>, _associated_data: Vec<u8>) -> Result<Vec<u8>, SealerError> {
        match self.0 {}
    }
}
