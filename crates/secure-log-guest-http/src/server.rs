//! The end that is called.

use crate::bindings::wasi::http::types::{Fields, Method, OutgoingResponse, ResponseOutparam};
use crate::{Deadline, send};

/// An answer has to be taken after so long.
const ANSWER_SECS: u64 = 60;

/// The name of a method that is asked for anywhere here; all others are `another`.
pub fn method_name(method: &Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        _ => "another",
    }
}

/// Answers a request. What goes wrong here, the caller has gone away from: there is nobody to be told.
pub fn answer(out: ResponseOutparam, status: u16, content_type: &str, body: &str) {
    let headers = Fields::from_list(&[
        ("content-type".into(), content_type.into()),
        ("content-length".into(), body.len().to_string().into_bytes()),
    ])
    .expect("these are headers");
    let outgoing = OutgoingResponse::new(headers);
    outgoing.set_status_code(status).expect("this is a status");
    let outgoing_body = outgoing.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(outgoing));
    let _ = send(outgoing_body, body.as_bytes(), &Deadline::after_secs(ANSWER_SECS));
}
