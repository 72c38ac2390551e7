//! secure-log: a tamper-evident audit log.
//!
//! Operators of platforms, services and agents use it to show afterwards what happened, and that nobody, themselves
//! included, edited, cut, reordered or rolled back the record: every stream is a hash chain, every entry a leaf of one
//! Merkle tree over the whole log, segments of streams are sealed by Merkle roots, and every commit ends with a signed
//! head.
//!
//! **In scope**: the format (docs/format.md), the engine that writes it ([`engine`], [`shared`]), the verifier that
//! re-hashes it ([`verify`]), proofs that others check ([`proof`]), evidence of a part of a log in a file ([`bundle`]), sealed
//! payloads ([`sealed`]), following a log ([`tail`]), and finding entries in it ([`query`]). The same code is the core component of the WebAssembly stacks and
//! this native library.
//!
//! **Out of scope**, and who does it instead: keeping the rows is a store's work ([`store`]; crate `secure-log-file`,
//! or [`memory`] for tests and short-lived logs); keeping keys is a keystore's (crate `secure-log-keystore`);
//! remembering the last head where the store's owner cannot reach it is an anchor's ([`providers`]). The clock and
//! the randomness are handed in; those of the system come with the feature `system`.
//!
//! ```
//! # #[cfg(feature = "system")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use secure_log::engine::{LogOptions, NewEntry, Providers};
//! use secure_log::entry::Severity;
//! use secure_log::memory::MemoryStore;
//! use secure_log::providers::NoKeys;
//! use secure_log::NativeSecureLog;
//!
//! // Without a key the log is keyless: it is tamper-evident against edits, and nobody attests its end.
//! let log = NativeSecureLog::open(MemoryStore::new(), Providers::system(NoKeys), LogOptions::default())?;
//! let (entry, _) = log.append(&NewEntry {
//!     stream: "auth",
//!     event: "user.login",
//!     severity: Severity::Info,
//!     producer: "authd",
//!     encoding: "text",
//!     payload: b"alice from 192.0.2.7",
//! })?;
//! assert_eq!(entry.seqno, 1);
//!
//! let report = log.lock().verify_log()?;
//! assert_eq!((report.entries, report.complete_to), (1, 0));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "system"))]
//! # fn main() {}
//! ```
#![forbid(unsafe_code)]

pub mod archive;
pub mod bundle;
pub mod cbor;
pub mod control;
pub mod engine;
pub mod entry;
pub mod error;
pub mod export;
pub mod hash;
pub mod import;
pub mod index;
pub mod introduction;
pub mod jsonl;
pub mod limits;
pub mod memory;
pub mod note;
pub mod proof;
pub mod providers;
pub mod query;
pub mod record;
pub mod retention;
pub mod review;
pub mod sealed;
pub mod shared;
pub mod sign;
pub mod store;
pub mod submission;
#[cfg(feature = "system")]
pub mod system;
pub mod tail;
mod threads;
pub mod time;
pub mod tree;
pub mod verify;

pub use crate::engine::SecureLog;
pub use crate::providers::CheckpointSigner;
pub use crate::store::SecureLogStore;

/// A log shared by the threads of a native program.
pub type NativeSecureLog<S> = shared::SharedLog<S>;
