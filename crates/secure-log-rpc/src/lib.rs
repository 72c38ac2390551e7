//! The store of secure-log over a wire.
//!
//! Each function of `wit/store.wit` is a call by that name, with a JSON array of its arguments and a JSON return value;
//! docs/rpc.md shows each. Neither end is trusted more than a store is: the engine proves what it uses.
//!
//! **In scope**
//! - [`RemoteStore`]: a store whose rows are elsewhere, over any [`Transport`]. It repeats what may be repeated, and after a
//!   commit whose answer was lost it finds out by reading whether the commit is there, so that nothing is appended twice;
//! - [`handle`]: what a server does with a call, over any store;
//! - [`endpoint`]: what it does with an HTTP request: who may call, how much, and what an error may say;
//! - `HttpTransport` (feature `http`): a transport for native programs, over HTTP or, with TLS, `https`.
//!
//! **Out of scope**: sockets. Under WASI they are the components transport-http's and rpc-server's.
//!
//! ```
//! use secure_log::memory::MemoryStore;
//! use secure_log::store::SecureLogStore;
//! use secure_log_rpc::{RemoteStore, Transport, TransportError, handle};
//!
//! /// A server in the same process.
//! struct Here(MemoryStore);
//!
//! impl Transport for Here {
//!     fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
//!         handle(&mut self.0, method, params).map_err(|refusal| TransportError::Refused(refusal.to_string()))
//!     }
//! }
//!
//! let mut store = RemoteStore::open(Here(MemoryStore::new()), "audit")?;
//! assert_eq!(store.log()?, None);
//! # Ok::<(), secure_log::store::StoreError>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod client;
pub mod endpoint;
#[cfg(all(feature = "http", not(target_family = "wasm")))]
mod http;
mod method;
mod server;
mod text;
mod transport;
mod wire;

pub use address::Address;
pub use client::{RemoteStore, Retry};
#[cfg(all(feature = "http", not(target_family = "wasm")))]
pub use http::HttpTransport;
pub use method::Method;
pub use server::{Refusal, handle};
pub use transport::{Transport, TransportError, http_error};

/// The version of the contract. `init` carries it in both directions.
pub const PROTOCOL_VERSION: u32 = 1;

/// The longest body of a call. It holds any commit: 2^15 entries have 64 MiB of payload and each less than 2 KiB of names,
/// which as base64 are 171 MiB; a signature of each with a key of 3072 bits takes another 60 MiB.
pub const MAX_REQUEST_BYTES: usize = 256 << 20;

/// The longest answer. A page of entries ends with the one that fills it: 4 MiB, and an entry of 16 MiB, are 27 MiB as base64.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A page of entries ends with the row with which it weighs this much, where a row weighs 64 and its bytes. A page with fewer
/// rows than were asked for and less weight is the last one.
pub const PAGE_BYTES: usize = 4 << 20;

/// What a row counts in a page of entries, beside its bytes.
const ROW_WEIGHT: usize = 64;

/// The most rows that one call answers: of entries.
pub const MAX_ENTRIES: u32 = 4096;
/// Of heads, streams and segments.
pub const MAX_ROWS: u32 = 1024;
/// Of hashes of leaves: 2 MiB.
pub const MAX_HASHES: u32 = 1 << 16;
/// The most entries that a search looks at in one call, about.
pub const MAX_WORK: u32 = 1 << 16;
/// The most interior hashes that one call asks for.
pub const MAX_NODES: usize = 4096;

/// What a row of so many bytes counts in a page of entries.
fn weight(bytes: usize) -> usize {
    ROW_WEIGHT + bytes
}
