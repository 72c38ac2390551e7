//! An HTTP server for the store that it is composed with, as a handler of `wasi:http`: what `secure_log_rpc::endpoint` says
//! about each request.
//!
//! A host may make an instance for each request, or use one for many. Nothing that a request does rests on what is kept
//! from another: a store that is kept open compares before each commit, as if it had been opened for it.

use std::cell::RefCell;

use secure_log::store::StoreError;
use secure_log_guest::ImportedStore;
use secure_log_guest_http::bindings::wasi::http::types::IncomingRequest;
use secure_log_guest_http::{Deadline, Incomplete, Reply, Responder, content_length, header, method_name, receive};
use secure_log_rpc::MAX_REQUEST_BYTES;
use secure_log_rpc::endpoint::{CONFIG_VARIABLE, Endpoint, Request, Response, TOKEN_VARIABLE};

/// A body has to be there after so long.
const BODY_SECS: u64 = 60;

struct Server;

impl Responder for Server {
    fn respond(request: &IncomingRequest) -> Reply {
        let Response { status, content_type, body, note } = respond(request).unwrap_or_else(|refused| refused);
        Reply { status, content_type, body, note }
    }
}

secure_log_guest_http::export_handler!(Server);

/// Either is the response: the one that a call got, or the one that it did not get as far as.
fn respond(request: &IncomingRequest) -> Result<Response, Response> {
    let endpoint = Endpoint::new(variable(TOKEN_VARIABLE).as_deref(), variable(CONFIG_VARIABLE).as_deref());
    let headers = request.headers();
    let (authorization, length) = (header(&headers, "authorization"), content_length(&headers));
    endpoint.admit(&Request {
        method: method_name(&request.method()),
        path: &request.path_with_query().unwrap_or_default(),
        authorization: authorization.as_deref(),
        length,
    })?;
    let body = request.consume().map_err(|()| Response::cut_short())?;
    let body =
        receive(&body, length, MAX_REQUEST_BYTES, &Deadline::after_secs(BODY_SECS)).map_err(|why| match why {
            Incomplete::TooLong => Response::too_long(),
            Incomplete::TimedOut | Incomplete::Broken => Response::cut_short(),
        })?;
    Ok(endpoint.serve(&body, opened, keep_or_close))
}

struct Kept {
    store: Option<ImportedStore>,
    config: String,
    /// The instance has answered a request.
    used: bool,
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { store: None, config: String::new(), used: false }) };
}

/// The store that was kept, or else one that is opened now.
fn opened(config: &str) -> Result<ImportedStore, StoreError> {
    KEPT.with_borrow_mut(|kept| match kept.store.take() {
        Some(store) if kept.config == config => Ok(store),
        _ => {
            let store = ImportedStore::open(config)?;
            kept.config = config.into();
            Ok(store)
        }
    })
}

/// Keeps a store that did what it was asked, once the instance has seen a second request: before, the host may be one that
/// ends it after each, and what is not closed is found by the next one as if this one had been killed.
fn keep_or_close(store: ImportedStore, sound: bool) {
    KEPT.with_borrow_mut(|kept| {
        if sound && kept.used {
            kept.store = Some(store);
        } else {
            store.close();
        }
        kept.used = true;
    });
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
