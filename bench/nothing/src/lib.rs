//! Reads what it is sent, answers as many bytes as an answer to one record has, and does nothing: what is left is the cost of HTTP and
//! of an instance.

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

const ANSWER: [u8; 230] = [b'x'; 230];

struct Nothing;

impl Guest for Nothing {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let sent = request.consume().expect("the body is taken once");
        let input = sent.stream().expect("its stream is taken once");
        // It ends with an error where the body does.
        while input.blocking_read(1 << 16).is_ok() {}
        drop(input);
        let length = ANSWER.len().to_string().into_bytes();
        let fields = Fields::from_list(&[("content-length".into(), length)]).expect("it is a header");
        let response = OutgoingResponse::new(fields);
        response.set_status_code(201).expect("it is a status");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let output = body.write().expect("its stream is taken once");
        output.blocking_write_and_flush(&ANSWER).expect("the host takes an answer");
        drop(output);
        OutgoingBody::finish(body, None).expect("the answer has its length");
    }
}
