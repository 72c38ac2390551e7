//! The API without a server: every route, every bound, and who may call what.

mod appending;
mod bounds;
mod one_request;
mod reading;
mod scopes;
mod service;
mod tailing;
mod world;
