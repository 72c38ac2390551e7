//! A transport component over `wasi:http`: it posts each call to `SECURE_LOG_RPC_URL`, showing the token of
//! `SECURE_LOG_RPC_TOKEN`. The body of an answer with a status of 2xx is the answer; anything else is an error.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:transport-http;

            world http-transport {
                export secure-log:log/transport@0.1.0;
            }
        ",
        world: "secure-log:transport-http/http-transport",
        path: ["../../wit/keys", "../../wit"],
        generate_all,
    });
    export!(Http);

    use super::Http;
}

use bindings::exports::secure_log::log::transport::Guest;
use secure_log_guest_http::{Incomplete, Post, PostError};
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
    let call = [r#"{"method":""#, method, r#"","params":"#, params, "}"].concat();
    let authorization = format!("Bearer {}", variable(TOKEN_VARIABLE)?);
    let post = Post {
        https: address.https,
        authority: &address.authority,
        path: &address.path,
        headers: &[("authorization", authorization.as_bytes()), ("content-type", b"application/json")],
        body: call.as_bytes(),
        connect_secs: CONNECT_SECS,
        call_secs: CALL_SECS,
    };
    let answer = post.send().map_err(failed)?;
    let status = answer.status();
    if !(200..300).contains(&status) {
        // Whatever its body is.
        return Err(http_error(status, &answer.read_some(MAX_ERROR_BYTES)));
    }
    let bytes = answer.read(MAX_ANSWER_BYTES).map_err(|why| unknown(why, "the answer"))?;
    String::from_utf8(bytes).map_err(|_| TransportError::Unknown("the answer is not UTF-8".into()))
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

fn failed(error: PostError) -> TransportError {
    let not_through = |detail: String| format!("the call did not go through: {detail}");
    match error {
        PostError::Headers => refused(format!("{TOKEN_VARIABLE} cannot be sent in a header")),
        PostError::Address => refused(format!("{URL_VARIABLE} is no address of a server")),
        PostError::Host(what) => refused(format!("the host {what}")),
        PostError::Denied(detail) => refused(not_through(detail)),
        PostError::Call(why) => unknown(why, "the call"),
        PostError::Answer(why) => unknown(why, "the answer"),
        PostError::Failed(detail) => TransportError::Unknown(not_through(detail)),
    }
}
