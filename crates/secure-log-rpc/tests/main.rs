//! What the store over a wire promises: one program, as each would have the engine compiled anew.

mod archive;
mod calls;
mod conformance;
mod documentation;
mod hostile_server;
mod lost_answers;
mod pruning;
mod query;
mod review;
mod sealed;
mod support;
#[cfg(feature = "http")]
mod tls;
mod two_writers;
