//! The anchor component that knows nothing and says so.
//!
//! It stands where a stack has no anchor: `latest` answers `not-configured`, so that every report names the gap, and
//! `publish` never claims that a head was taken.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        world: "secure-log:log/anchor-provider",
        path: ["../../wit/keys", "../../wit"],
    });
    export!(NoAnchor);

    use super::NoAnchor;
}

use bindings::exports::secure_log::log::anchor::{AnchorError, Guest, Publication, View};

struct NoAnchor;

impl Guest for NoAnchor {
    fn latest(_origin: Option<String>) -> Result<View, AnchorError> {
        Ok(View::NotConfigured)
    }

    fn publish(_note: String, _old_size: u64, _proof: Vec<Vec<u8>>) -> Publication {
        let nowhere = AnchorError::Unavailable("no anchor is configured".to_owned());
        Publication { taken: Err(nowhere), answers: Vec::new() }
    }
}
