#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "generated code is the only unsafe code here, and has no comments"
)]

wit_bindgen::generate!({
    world: "secure-log:log/secure-log-core",
    path: ["../../wit/keys", "../../wit"],
    with: {
        "keys:keystore/signer": secure_log_guest::keystore::bindings::keys::keystore::signer,
        "keys:keystore/mac": secure_log_guest::keystore::bindings::keys::keystore::mac,
        "keys:keystore/sealer": secure_log_guest::keystore::bindings::keys::keystore::sealer,
        "secure-log:log/store@0.1.0": secure_log_guest::imported::bindings::secure_log::log::store,
        "secure-log:log/anchor@0.1.0": secure_log_guest::anchor::imported_bindings::secure_log::log::anchor,
    },
    generate_all,
});

use crate::exports::Component;

export!(Component);
