//! The end that is called: a handler of `wasi:http`, and what a component says to a request.

use std::marker::PhantomData;

use bindings::exports::wasi::http::incoming_handler::Guest;

use crate::bindings::wasi::http::types::{Fields, IncomingRequest, Method, OutgoingResponse, ResponseOutparam};
use crate::{Deadline, send};

/// What a component does with requests.
pub trait Handles {
    /// Answers this one.
    fn handle(request: IncomingRequest, out: ResponseOutparam);
}

pub mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:guest-http-server;

            world http-server {
                export wasi:http/incoming-handler@0.2.12;
            }
        ",
        world: "secure-log:guest-http-server/http-server",
        path: ["../../wit/keys", "../../wit"],
        with: {
            "wasi:clocks/monotonic-clock@0.2.12": crate::bindings::wasi::clocks::monotonic_clock,
            "wasi:http/types@0.2.12": crate::bindings::wasi::http::types,
            "wasi:io/error@0.2.12": crate::bindings::wasi::io::error,
            "wasi:io/poll@0.2.12": crate::bindings::wasi::io::poll,
            "wasi:io/streams@0.2.12": crate::bindings::wasi::io::streams,
        },
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "secure_log_guest_http::server::bindings",
    });
}

/// What a component answers to requests.
pub trait Responder {
    /// The answer to this one.
    fn respond(request: &IncomingRequest) -> Reply;
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status code.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// What is said on standard error, for whoever runs the component.
    pub note: Option<String>,
}

/// Makes a component's handler of what this [`Handles`] does.
#[macro_export]
macro_rules! export_handles {
    ($handler:ty) => {
        #[doc(hidden)]
        type HandledRequests = $crate::server::Requests<$handler>;
        $crate::server::bindings::export!(HandledRequests with_types_in $crate::server::bindings);
    };
}

/// Makes a component's handler of what this [`Responder`] answers.
#[macro_export]
macro_rules! export_handler {
    ($responder:ty) => {
        $crate::export_handles!($crate::server::Handler<$responder>);
    };
}

/// A [`Handles`] behind the interface.
#[derive(Debug)]
pub struct Requests<H>(PhantomData<H>);

impl<H: Handles> Guest for Requests<H> {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        H::handle(request, out);
    }
}

/// A [`Responder`] as what handles requests.
#[derive(Debug)]
pub struct Handler<R>(PhantomData<R>);

impl<R: Responder> Handles for Handler<R> {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let reply = R::respond(&request);
        if let Some(note) = &reply.note {
            eprintln!("{note}");
        }
        answer(out, &reply);
    }
}

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
fn answer(out: ResponseOutparam, Reply { status, content_type, body, .. }: &Reply) {
    let headers = Fields::from_list(&[
        ("content-type".into(), (*content_type).into()),
        ("content-length".into(), body.len().to_string().into_bytes()),
    ])
    .expect("these are headers");
    let outgoing = OutgoingResponse::new(headers);
    outgoing.set_status_code(*status).expect("this is a status");
    let outgoing_body = outgoing.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(outgoing));
    let _ = send(outgoing_body, body.as_bytes(), &Deadline::after_secs(ANSWER_SECS));
}
