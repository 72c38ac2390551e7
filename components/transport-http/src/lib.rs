//! A transport component over `wasi:http`: it posts each call to `SECURE_LOG_RPC_URL`, showing the token of
//! `SECURE_LOG_RPC_TOKEN`. The body of an answer with a status of 2xx is the answer; anything else is an error.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:transport-http;

            world http-transport {
                import wasi:http/outgoing-handler@0.2.12;
                export secure-log:log/transport@0.1.0;
            }
        ",
        world: "secure-log:transport-http/http-transport",
        path: ["../../wit/keys", "../../wit"],
        with: {
            "wasi:clocks/monotonic-clock@0.2.12": secure_log_guest_http::bindings::wasi::clocks::monotonic_clock,
            "wasi:http/types@0.2.12": secure_log_guest_http::bindings::wasi::http::types,
            "wasi:io/error@0.2.12": secure_log_guest_http::bindings::wasi::io::error,
            "wasi:io/poll@0.2.12": secure_log_guest_http::bindings::wasi::io::poll,
            "wasi:io/streams@0.2.12": secure_log_guest_http::bindings::wasi::io::streams,
        },
        generate_all,
    });
    export!(Http);

    use super::Http;
}

use bindings::exports::secure_log::log::transport::Guest;
use bindings::wasi::http::outgoing_handler;
use secure_log_guest_http::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingRequest, RequestOptions, Scheme,
};
use secure_log_guest_http::{Deadline, Incomplete, receive, send};
use secure_log_rpc::{Address, MAX_ANSWER_BYTES, TransportError, http_error};

/// The variable with the address that calls are posted to.
const URL_VARIABLE: &str = "SECURE_LOG_RPC_URL";
/// The variable with the token that the server wants to see.
const TOKEN_VARIABLE: &str = "SECURE_LOG_RPC_TOKEN";

const CONNECT_SECS: u64 = 10;
/// A whole call: a store may wait for another writer, and a long commit has to be sent.
const CALL_SECS: u64 = 120;
/// No more is read of an answer that is an error.
const MAX_ERROR_BYTES: usize = 4096;

struct Http;

impl Guest for Http {
    fn rpc(method: String, params_json: String) -> Result<String, String> {
        post(&method, &params_json).map_err(|error| error.to_string())
    }
}

fn post(method: &str, params: &str) -> Result<String, TransportError> {
    let url = variable(URL_VARIABLE)?;
    let address = Address::parse(&url).map_err(|why| refused(format!("{URL_VARIABLE}: {why}")))?;
    // In one piece: what is handed over piece by piece is sent packet by packet.
    let call = [r#"{"method":""#, method, r#"","params":"#, params, "}"].concat();
    let request = request(&address, &variable(TOKEN_VARIABLE)?, call.len())?;
    let body = request.body().map_err(|()| refused("the host gives a request no body"))?;
    let deadline = Deadline::after_secs(CALL_SECS);
    let coming = outgoing_handler::handle(request, Some(options()?)).map_err(failed)?;
    // A server that refuses a call may answer before it has read all of it, and what it answers says more.
    let sent = send(body, call.as_bytes(), &deadline);
    let event = coming.subscribe();
    deadline.wait_for(&event).map_err(|why| unknown(why, "the answer"))?;
    drop(event);
    match (coming.get(), sent) {
        (Some(Ok(Ok(response))), _) => read(response, &deadline),
        (_, Err(why)) => Err(unknown(why, "the call")),
        (Some(Ok(Err(error))), Ok(())) => Err(failed(error)),
        _ => Err(TransportError::Unknown("the host gave no answer".into())),
    }
}

fn request(address: &Address, token: &str, length: usize) -> Result<OutgoingRequest, TransportError> {
    let headers = Fields::from_list(&[
        ("authorization".into(), format!("Bearer {token}").into_bytes()),
        ("content-type".into(), b"application/json".to_vec()),
        ("content-length".into(), length.to_string().into_bytes()),
    ])
    .map_err(|_| refused(format!("{TOKEN_VARIABLE} cannot be sent in a header")))?;
    let request = OutgoingRequest::new(headers);
    let scheme = if address.https { Scheme::Https } else { Scheme::Http };
    request
        .set_method(&Method::Post)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(&address.authority)))
        .and_then(|()| request.set_path_with_query(Some(&address.path)))
        .map_err(|()| refused(format!("{URL_VARIABLE} is no address of a server")))?;
    Ok(request)
}

fn options() -> Result<RequestOptions, TransportError> {
    const NANOS: u64 = 1_000_000_000;
    let options = RequestOptions::new();
    options
        .set_connect_timeout(Some(CONNECT_SECS * NANOS))
        .and_then(|()| options.set_first_byte_timeout(Some(CALL_SECS * NANOS)))
        .and_then(|()| options.set_between_bytes_timeout(Some(CALL_SECS * NANOS)))
        .map_err(|()| refused("the host bounds no time"))?;
    Ok(options)
}

fn read(response: IncomingResponse, deadline: &Deadline) -> Result<String, TransportError> {
    let status = response.status();
    let is_answer = (200..300).contains(&status);
    let length = content_length(&response);
    let body = response.consume().map_err(|()| unknown(Incomplete::Broken, "the answer"))?;
    if !is_answer {
        // Whatever its body is.
        let said = receive(&body, None, MAX_ERROR_BYTES, deadline).unwrap_or_default();
        return Err(http_error(status, &said));
    }
    let bytes = receive(&body, length, MAX_ANSWER_BYTES, deadline).map_err(|why| unknown(why, "the answer"))?;
    String::from_utf8(bytes).map_err(|_| TransportError::Unknown("the answer is not UTF-8".into()))
}

fn content_length(response: &IncomingResponse) -> Option<u64> {
    let values = response.headers().get("content-length");
    core::str::from_utf8(values.first()?).ok()?.parse().ok()
}

/// A variable's text. Set and empty means not set, as shells cannot unset for a single command.
fn variable(name: &str) -> Result<String, TransportError> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).ok_or_else(|| refused(format!("{name} is not set")))
}

fn refused(detail: impl Into<String>) -> TransportError {
    TransportError::Refused(detail.into())
}

fn unknown(why: Incomplete, what: &str) -> TransportError {
    TransportError::Unknown(match why {
        Incomplete::TooLong => format!("{what} is longer than {MAX_ANSWER_BYTES} bytes"),
        Incomplete::TimedOut => format!("{what} took longer than {CALL_SECS} s"),
        Incomplete::Broken => format!("{what} was cut short"),
    })
}

fn failed(error: ErrorCode) -> TransportError {
    let detail = format!("the call did not go through: {error:?}");
    match error {
        ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::DestinationIpProhibited => TransportError::Refused(detail),
        _ => TransportError::Unknown(detail),
    }
}
