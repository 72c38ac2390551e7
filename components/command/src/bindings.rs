#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "generated code is the only unsafe code here, has no comments, and offers more than is called"
)]

wit_bindgen::generate!({
    world: "secure-log:log/secure-log-command",
    path: ["../../wit/keys", "../../wit"],
    generate_all,
});

use crate::Command;

export!(Command);
