//! The HTTP API of secure-log as a handler of `wasi:http`: what `secure_log_http` says about each request, over the store, the
//! keystore and the anchor that it is composed with (docs/http.md, decision 0140).
//!
//! A host may make an instance for each request, run many at once, or several servers over one store: nothing that a request
//! does rests on what is kept from another. What there is to know of earlier ones is in the logs.
//!
//! | file | holds |
//! |---|---|
//! | `config` | the environment |
//! | `logs` | the logs in the imported store |
//! | `answer` | sending what was answered |

mod answer;
mod config;
mod logs;

use std::alloc::System;

use config::Config;
use logs::Logs;
use secure_log_guest::ImportedStore;
use secure_log_guest_http::bindings::wasi::http::types::{IncomingRequest, Method, ResponseOutparam};
use secure_log_guest_http::{Deadline, Handles, Incomplete, content_length, receive};
use secure_log_http::{Api, Head, Limits, Response};
use zeroizing_alloc::ZeroAlloc;

/// Tokens, and what the environment says, are freed by many hands.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Until it is known how long a client may take.
const PATIENCE_SECS: u64 = 30;

struct Service;

impl Handles for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let head = head(&request);
        let is_head = head.method == "HEAD";
        match Config::read() {
            Ok(config) => {
                let patience = config.common.timeout.as_secs();
                let response = respond(config, head, &request);
                answer::send(out, response, is_head, patience);
            }
            Err(mistakes) => {
                eprintln!("secure-log-http-api: {mistakes}");
                answer::send(out, Response::misconfigured(), is_head, PATIENCE_SECS);
            }
        }
        // A store that is not closed is found by the next one as if this instance had been killed.
        ImportedStore::close_any();
    }
}

secure_log_guest_http::export_handles!(Service);

fn respond(config: Config, head: Head, request: &IncomingRequest) -> Response {
    let Config { common, place } = config;
    let limits = Limits { max_body_bytes: common.max_body_bytes, ..Limits::default() };
    let (identity, patience) = (common.logs.identity.clone(), common.timeout.as_secs());
    let api = Api::for_one_request(Logs::new(place, common.logs), common.tokens, &identity, limits);
    let admitted = match api.admit(head) {
        Ok(admitted) => admitted,
        Err(refused) => return api.refuse(refused),
    };
    let limit = admitted.max_body_bytes;
    let Ok(body) = request.consume() else { return Response::body_broken() };
    match receive(&body, content_length(&request.headers()), limit, &Deadline::after_secs(patience)) {
        Ok(body) => api.serve(&admitted, &body),
        Err(Incomplete::TooLong) => Response::too_large(limit),
        Err(Incomplete::TimedOut) => Response::body_timeout(),
        Err(Incomplete::Broken) => Response::body_broken(),
    }
}

fn head(request: &IncomingRequest) -> Head {
    let target = request.path_with_query().unwrap_or_default();
    // What is no text is none of the headers that count.
    let headers = request.headers().entries();
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned()));
    Head { headers: headers.collect(), ..Head::new(&method(request.method()), &target) }
}

fn method(method: Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(name) => name,
    }
}
