//! The HTTP API of secure-log: many logs in one service, from requests to responses (docs/http.md).
//!
//! **In scope**: which routes there are, who may call them, what they do, and what is answered, as functions over plain values;
//! bearer tokens; idempotency keys; what is counted; the OpenAPI document. **Out of scope**: sockets, TLS and timeouts, which are a
//! server's ([`secure-log-server`](https://docs.rs/secure-log-server) natively); and where the logs are, which is a
//! [`Catalogue`]'s to know. It starts no thread and has no timer.
//!
//! | file | holds |
//! |---|---|
//! | `message` | requests, responses, and bodies that are made while they are sent |
//! | `route`, `openapi` | the table of routes, and the document that is made of it |
//! | `api`, `access` | the logs that are open, and who may call |
//! | `handlers` | what each route does |
//! | `problem` | what went wrong, as RFC 9457 has it |
//! | `idempotency`, `service_log` | what the service itself records |
//! | `token`, `rate`, `limits` | who may do how much |
//! | `metrics` | what is counted |
//! | `catalogue`, `place`, `log_id` | where the logs are |
//! | `config` | what the environment says, whatever the host is |
//!
//! ```
//! use std::sync::Arc;
//!
//! use secure_log::engine::{Absent, LogOptions, Providers};
//! use secure_log::error::LogError;
//! use secure_log::memory::MemoryStore;
//! use secure_log::providers::NoKeys;
//! use secure_log_http::token::{Logs, NewToken, Scope, Tokens};
//! use secure_log_http::{Api, Catalogue, Head, Limits, LogId, Metrics, ServedLog, ServedStore};
//!
//! /// Logs that are gone with the program.
//! struct InMemory(Arc<Metrics>);
//!
//! impl Catalogue for InMemory {
//!     fn opened(&self, _: &LogId, absent: Absent) -> Result<ServedLog, LogError> {
//!         let store = ServedStore::new(Box::new(MemoryStore::new()), self.0.clone());
//!         ServedLog::open(store, Providers::system(NoKeys), LogOptions { absent, ..LogOptions::default() })
//!     }
//!     fn list(&self, _: Option<&LogId>, _: u32) -> Result<Option<Vec<LogId>>, LogError> {
//!         Ok(None)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = NewToken::draw("ci", &[Scope::Admin, Scope::Append].into(), &Logs::All, None)?;
//! let metrics = Arc::new(Metrics::default());
//! let api = Api::new(InMemory(metrics.clone()), Tokens::parse(&token.line)?, "key", Limits::default(), metrics)?;
//!
//! let post = |target, body: &str| {
//!     let head = Head::new("POST", target)
//!         .with("authorization", &format!("Bearer {}", *token.secret))
//!         .with("content-type", "application/json");
//!     api.handle(head, body.as_bytes()).status
//! };
//! assert_eq!(post("/v1/logs", r#"{"id":"app"}"#), 201);
//! assert_eq!(post("/v1/logs/app/records", r#"{"stream":"auth","event":"login","text":"alice"}"#), 201);
//! assert_eq!(post("/v1/logs/app/records", "{}"), 400);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod access;
mod api;
mod catalogue;
pub mod config;
mod handlers;
pub mod idempotency;
mod json;
pub mod limits;
mod log_id;
mod message;
pub mod metrics;
pub mod openapi;
mod params;
pub mod place;
pub mod problem;
mod rate;
pub mod route;
pub mod service_log;
pub mod token;

pub use api::{Admitted, Api, ReadyLog, Refused};
pub use catalogue::{Catalogue, ServedLog, ServedStore};
pub use limits::Limits;
pub use log_id::{BadLogId, LogId, MAX_LOG_ID_CHARS};
pub use message::{Body, Head, Next, Response, Stream};
pub use metrics::Metrics;
pub use rate::Rate;
