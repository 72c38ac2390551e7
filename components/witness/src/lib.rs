//! A C2SP tlog-witness as a handler of `wasi:http`: what `secure_log_witness::Endpoint` says about each request, with records
//! in a folder that the host opens and a key of the keystore that it is composed with.
//!
//! A host may make an instance for each request, use one for many, or run several servers on one folder: nothing that a
//! request does rests on what is kept from another, but for the key, which the keystore opens once an instance.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:witness;

            world keys {
                import keys:keystore/signer;
            }
        ",
        world: "secure-log:witness/keys",
        path: "../../wit/keys",
        generate_all,
    });
}
mod keystore;

use std::time::{SystemTime, UNIX_EPOCH};

use keystore::ImportedKeystore;
use secure_log_disk::OsDisk;
use secure_log_guest_http::bindings::wasi::http::types::IncomingRequest;
use secure_log_guest_http::{Deadline, Incomplete, Reply, Responder, content_length, method_name, receive};
use secure_log_witness::{Endpoint, MAX_REQUEST_BYTES, Request, Response, Route, WitnessConfig};

/// A body has to be there after so long.
const BODY_SECS: u64 = 20;

struct Server;

impl Responder for Server {
    fn respond(request: &IncomingRequest) -> Reply {
        let Response { status, content_type, body, note } = respond(request).unwrap_or_else(|refused| refused);
        Reply { status, content_type, body, note }
    }
}

secure_log_guest_http::export_handler!(Server);

/// Either is the response: the one to what was asked for, or the one that says why it was not looked at.
fn respond(request: &IncomingRequest) -> Result<Response, Response> {
    let length = content_length(&request.headers());
    let path = request.path_with_query().unwrap_or_default();
    let route = Route::of(&Request { method: method_name(&request.method()), path: &path, length })?;
    let config = WitnessConfig::from_variables(|name| std::env::var(name).ok(), |path| std::fs::read_to_string(path))?;
    let endpoint = Endpoint::open(&config, &ImportedKeystore, OsDisk)?;
    let body = if route == Route::AddCheckpoint { read(request, length)? } else { Vec::new() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(endpoint.serve(route, &body, now))
}

fn read(request: &IncomingRequest, length: Option<u64>) -> Result<Vec<u8>, Response> {
    let body = request.consume().map_err(|()| Response::cut_short())?;
    receive(&body, length, MAX_REQUEST_BYTES, &Deadline::after_secs(BODY_SECS)).map_err(|why| match why {
        Incomplete::TooLong => Response::too_long(),
        Incomplete::TimedOut => Response::too_slow(),
        Incomplete::Broken => Response::cut_short(),
    })
}
