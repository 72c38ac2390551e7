//! The native server of secure-log (docs/http.md): [`secure_log_http`]'s API over hyper.
//!
//! **In scope**: what the environment says, checked as a whole ([`config`]); logs on files and in SQLite ([`logs`]); connections, TLS,
//! and everything that keeps a slow or greedy client from costing others ([`server`]). **Out of scope**: what a request means, and
//! who may make it, which is `secure_log_http`'s.
//!
//! Requests are read and answered by a few asynchronous threads, and carried out by a pool of others, as stores, keys and anchors
//! block. Appends of several requests share commits there: the thread that comes first commits for those that came meanwhile.
//!
//! ```
//! use secure_log_server::config::Config;
//!
//! let variables = [("SECURE_LOG_HTTP_LISTEN".to_owned(), "nowhere".to_owned())];
//! let mistakes = Config::read(variables).err().expect("there are several");
//! assert!(mistakes.to_string().contains("SECURE_LOG_HTTP_LISTEN") && mistakes.to_string().contains("SECURE_LOG_TOKENS"));
//! ```
#![forbid(unsafe_code)]

mod body;
pub mod command;
pub mod config;
mod connection;
pub mod logs;
pub mod server;
