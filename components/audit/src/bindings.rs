#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "generated code is the only unsafe code here, has no comments, and offers more than is called"
)]

wit_bindgen::generate!({
    world: "secure-log:audit/audit-component",
    path: ["../../wit/keys", "../../wit", "../../wit/audit"],
    generate_all,
});

use crate::exports::Component;

export!(Component);
