//! Answers every request with status 200 and does nothing: what is left is the cost of HTTP and of an instance.

#![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]

wit_bindgen::generate!({
    inline: "
        package secure-log:bench-nothing;

        world nothing {
            export wasi:http/incoming-handler@0.2.12;
        }
    ",
    world: "secure-log:bench-nothing/nothing",
    path: ["../../wit/keys", "../../wit"],
    generate_all,
});
export!(Nothing);

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Nothing;

impl Guest for Nothing {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let _ = OutgoingBody::finish(body, None);
    }
}
