//! What a server does with an HTTP request: who may call, how much, and what an error may say.
//!
//! A request goes through [`Endpoint::admit`] before its body is read, and through [`Endpoint::serve`] with it. Whoever
//! listens to the network only passes on what they answer.

use core::cell::{Cell, RefCell};
use std::borrow::Cow;

use secure_log::hash::Hash;
use secure_log::store::{SecureLogStore, StoreError};
use serde::Deserialize;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;

use crate::method::Method;
use crate::server::{Refusal, Tell, carry_out};
use crate::wire::{Answer, from_json, json};
use crate::{MAX_REQUEST_BYTES, text};

/// Where anybody may ask whether the server is there.
pub const HEALTH_PATH: &str = "/healthz";
/// The variable with the token that callers have to show.
pub const TOKEN_VARIABLE: &str = "SECURE_LOG_RPC_TOKEN";
/// The variable with the config of the server's store.
pub const CONFIG_VARIABLE: &str = "SECURE_LOG_STORE_CONFIG";

/// What a server is told by its operator.
#[derive(Clone, Default)]
pub struct Endpoint {
    /// `None` where there is no token, or an empty one: then nobody may call.
    token: Option<Hash>,
    config: String,
}

/// A request, without its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`, in upper case.
    pub method: &'a str,
    /// With or without a query.
    pub path: &'a str,
    /// The value of the header of this name.
    pub authorization: Option<&'a [u8]>,
    /// How long the body is, if that was said.
    pub length: Option<u64>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Of the body.
    pub content_type: &'static str,
    /// JSON with status 200, otherwise a sentence.
    pub body: String,
    /// What the operator has to know and the caller has not.
    pub note: Option<String>,
}

/// A call as it is posted. A field that is not known is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: &'a RawValue,
}

impl Endpoint {
    /// With the values of [`TOKEN_VARIABLE`] and [`CONFIG_VARIABLE`], absent where they are not set.
    pub fn new(token: Option<&str>, config: Option<&str>) -> Endpoint {
        let token = token.filter(|token| !token.trim().is_empty());
        Endpoint { token: token.map(|token| Hash::sha256(token.as_bytes())), config: config.unwrap_or_default().into() }
    }

    /// Whether the body of the request is to be read. Otherwise, or when it turns out to be longer than
    /// [`MAX_REQUEST_BYTES`], this is the answer.
    pub fn admit(&self, request: &Request<'_>) -> Result<(), Response> {
        let path = request.path.split_once('?').map_or(request.path, |(path, _)| path);
        if path == HEALTH_PATH && request.method == "GET" {
            return Err(Response::sentence(200, "ok"));
        }
        let Some(token) = &self.token else {
            return Err(Response::sentence(503, format!("{TOKEN_VARIABLE} is not set, so that nobody may call")));
        };
        if !is_token(request.authorization, token) {
            return Err(Response::sentence(401, "a bearer token is needed, and it is not this one"));
        }
        if request.method != "POST" {
            return Err(Response::sentence(405, "calls are posted"));
        }
        if request.length.is_some_and(|length| length > MAX_REQUEST_BYTES as u64) {
            return Err(Response::too_long());
        }
        Ok(())
    }

    /// Carries out a call whose request was admitted. `open` opens the store by its config, which is done for calls that
    /// there are. `done` is handed the store afterwards, and whether it did all that it was asked: one that failed is opened
    /// anew before it is used again.
    pub fn serve<S: SecureLogStore>(
        &self,
        body: &[u8],
        open: impl FnOnce(&str) -> Result<S, StoreError>,
        done: impl FnOnce(S, bool),
    ) -> Response {
        let Ok(body) = core::str::from_utf8(body) else {
            return Response::sentence(400, "the body is not UTF-8");
        };
        let call: Call<'_> = match from_json(body, "the body") {
            Ok(call) => call,
            Err(malformed) => return Response::sentence(400, malformed.to_string()),
        };
        let Some(method) = Method::named(&call.method) else { return refused(&Refusal::UnknownMethod) };
        let mut store = match self.open(open) {
            Ok(store) => store,
            Err(error) => return self.store_error(error),
        };
        let teller = Concealing::of(&self.config);
        let answered = carry_out(&mut store, method, call.params.get(), &teller);
        done(store, !teller.failed.get());
        let note = teller.note.into_inner();
        match answered {
            Ok(answer) => Response { status: 200, content_type: "application/json", body: answer, note },
            Err(refusal) => Response { note, ..refused(&refusal) },
        }
    }

    fn open<S>(&self, open: impl FnOnce(&str) -> Result<S, StoreError>) -> Result<S, StoreError> {
        if self.config.is_empty() {
            return Err(StoreError::Config(format!("the server's {CONFIG_VARIABLE} is not set")));
        }
        open(&self.config)
    }

    fn store_error(&self, error: StoreError) -> Response {
        let teller = Concealing::of(&self.config);
        let body = json(&Answer::<()>::Err(teller.error(error).into()));
        Response { status: 200, content_type: "application/json", body, note: teller.note.into_inner() }
    }
}

impl core::fmt::Debug for Endpoint {
    /// Not even a hash of the token.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Endpoint").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Response {
    fn sentence(status: u16, body: impl Into<String>) -> Response {
        Response { status, content_type: "text/plain; charset=utf-8", body: body.into() + "\n", note: None }
    }

    /// The body is longer than it may be.
    pub fn too_long() -> Response {
        Response::sentence(413, format!("a call is at most {MAX_REQUEST_BYTES} bytes long"))
    }

    /// The body ended before it was all there.
    pub fn cut_short() -> Response {
        Response::sentence(400, "the body was cut short")
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::UnknownMethod => 404,
        Refusal::TooLarge => 422,
        Refusal::Arguments(_) => 400,
    };
    Response::sentence(status, refusal.to_string())
}

/// Hashes of the same length are compared, so that neither the time nor its length tells anything of the token.
fn is_token(authorization: Option<&[u8]>, token: &Hash) -> bool {
    const SCHEME: &[u8] = b"Bearer ";
    let Some((scheme, shown)) = authorization.and_then(|value| value.split_at_checked(SCHEME.len())) else {
        return false;
    };
    let same = Hash::sha256(shown).as_bytes().ct_eq(token.as_bytes());
    scheme.eq_ignore_ascii_case(SCHEME) && bool::from(same)
}

/// Tells errors of a store without the paths in them, and keeps what it did not tell for the operator.
struct Concealing<'a> {
    config: &'a str,
    note: RefCell<Option<String>>,
    /// There was an error other than a conflict.
    failed: Cell<bool>,
}

impl Concealing<'_> {
    fn of(config: &str) -> Concealing<'_> {
        Concealing { config, note: RefCell::new(None), failed: Cell::new(false) }
    }
}

impl Tell for Concealing<'_> {
    fn text(&self, text: String) -> String {
        conceal(&text, self.config)
    }

    fn error(&self, error: StoreError) -> StoreError {
        self.failed.set(!matches!(error, StoreError::Conflict { .. }));
        let told = match error.clone() {
            StoreError::Locked { detail } => StoreError::Locked { detail: self.text(detail) },
            StoreError::Corrupt { at, detail } => StoreError::Corrupt { at: self.text(at), detail: self.text(detail) },
            StoreError::LaterVersion { at, what } => {
                StoreError::LaterVersion { at: self.text(at), what: self.text(what) }
            }
            StoreError::Config(detail) => StoreError::Config(self.text(detail)),
            StoreError::Io { operation, detail } => {
                StoreError::Io { operation: self.text(operation), detail: self.text(detail) }
            }
            // It has nothing but heads.
            conflict => conflict,
        };
        if told != error {
            *self.note.borrow_mut() = Some(text::harmless(&error.to_string()));
        }
        told
    }
}

/// The text without the store's config, which is mostly a path, and without any other path.
fn conceal(text: &str, config: &str) -> String {
    const STORE: &str = "<the store>";
    let text = if config.is_empty() { text.into() } else { text.replace(config, STORE) };
    let is_path = |word: &str| {
        let word = word.trim_start_matches(|c: char| !(c.is_alphanumeric() || matches!(c, '/' | '\\' | '.' | '<')));
        !word.starts_with(STORE) && (word.starts_with(['/', '\\', '.']) || word.contains('/')) && word.len() > 1
    };
    let words: Vec<&str> = text.split(' ').map(|word| if is_path(word) { "<a path>" } else { word }).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
