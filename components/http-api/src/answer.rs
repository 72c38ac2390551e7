//! Sending what was answered. What goes wrong here, the caller has gone away from: there is nobody to be told.

use std::task::Waker;

use secure_log_guest_http::Sending;
use secure_log_guest_http::bindings::wasi::http::types::ResponseOutparam;
use secure_log_http::{Body, Next, Response, Stream};

/// Sends a response. `is_head` has its headers alone be sent.
pub(crate) fn send(out: ResponseOutparam, response: Response, is_head: bool, patience_secs: u64) {
    if let Some(why) = &response.note {
        note(why);
    }
    let length = match &response.body {
        Body::Bytes(bytes) if !is_head && response.status != 204 => Some(bytes.len().to_string()),
        Body::Bytes(_) | Body::Stream(_) => None,
    };
    let length = length.as_deref().map(|length| ("content-length", length));
    let headers = response.sent_headers().chain(length).filter(|(name, _)| *name != "connection");
    let Some(mut sending) = Sending::begin(out, response.status, headers, patience_secs) else { return };
    match response.body {
        _ if is_head => {}
        Body::Bytes(bytes) => {
            if sending.send(&bytes).is_err() {
                return;
            }
        }
        Body::Stream(stream) => {
            if !send_all(&mut sending, stream) {
                return;
            }
        }
    }
    let _ = sending.finish();
}

/// Sends a stream, one piece at a time: the next is made when this one was taken. Answers whether it is whole.
fn send_all(sending: &mut Sending, mut stream: Box<dyn Stream + Send>) -> bool {
    loop {
        match stream.next(Waker::noop()) {
            Next::Bytes(bytes) => {
                if sending.send(&bytes).is_err() {
                    return false;
                }
            }
            // Nobody wakes anybody here: other instances append.
            Next::Nothing => {
                if !sending.pause(stream.ask_again_after().as_nanos() as u64) {
                    return false;
                }
            }
            Next::End => return true,
            Next::Broken(why) => {
                note(&why);
                return false;
            }
        }
    }
}

/// A line for the operator, with nothing in it that would change a terminal.
fn note(what: &str) {
    eprintln!("secure-log-http-api: {}", what.escape_debug());
}
