//! The JSON-lines store of secure-log: one append-only file of readable lines (docs/format.md s.7).
//!
//! In scope: [`FileStore`], which keeps a log in one file with one write and one sync a commit, and what it needs
//! beside it. Out of scope: everything that makes a log worth trusting. Hashing, proving and signing are the engine's, in
//! the crate `secure-log`; this store does what its caller says, and whoever can write the file can write anything.
//!
//! # The files
//!
//! | name | what it is |
//! |---|---|
//! | `<file>` | the log, nothing else is needed to verify it |
//! | `<file>.lock` | who writes now; see [`STALE_AFTER`] |
//! | `<file>.lock.stale-<nonce>` | for a moment, a lock that is being taken over |
//! | `<file>.idx/` | the index, derived from the log; may be deleted whenever nobody writes |
//! | `<file>.torn-<offset>[-n]` | a commit that was never finished, as it was found at that offset |
//! | `<file>.aside-<offset>[-n]` | what an operator had set aside from that offset on |
//! | `<file>.new` | the log while it is rewritten to prune entries, or to drop data keys or witness rows |
//! | `<file>.load` | a log that is being loaded, or was never loaded to its end: no log yet, and the next load drops it |
//!
//! Dropping a data key rewrites the log without it. Kept files, backups and the freed blocks of the disk may still hold
//! it; only destroying the key that wraps it is proof against those.
//!
//! # Example
//!
//! ```
//! use secure_log::store::SecureLogStore;
//! use secure_log_file::FileStore;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("audit.jsonl");
//! let mut store = FileStore::open(&path).unwrap();
//! assert_eq!(store.log().unwrap(), None);
//! assert!(!path.exists(), "opening writes nothing");
//! ```
#![forbid(unsafe_code)]

use std::fmt::Display;

use secure_log::store::StoreError;

mod archive;
mod commit;
mod index;
mod later;
mod load;
mod read;
mod reader;
mod rewrite;
mod search;
mod session;
mod store;
mod tail;

pub use archive::{ArchiveError, write_archive};
pub use secure_log_disk as disk;
pub use secure_log_disk::STALE_AFTER;
pub use session::{FileStore, Options};

/// Damage at this byte of the log.
fn corrupt(offset: u64, detail: impl Display) -> StoreError {
    StoreError::Corrupt { at: format!("byte {offset}"), detail: detail.to_string() }
}

/// What the system said while we did this.
fn io_error(operation: &'static str) -> impl Fn(std::io::Error) -> StoreError {
    move |e| StoreError::Io { operation: operation.into(), detail: e.to_string() }
}

/// Compiles the example of the project's first page.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
