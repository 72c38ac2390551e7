//! The SQLite store of secure-log: one database file that the ordinary tools open (docs/sqlite.md).
//!
//! In scope: [`SqliteStore`], which keeps a log in the tables of a database and finds what is in them, over any
//! [`Database`]; and, with the feature `native`, which is on by default, SQLite itself compiled in. Out of scope: everything
//! that makes a log worth trusting. Hashing, proving and signing are the engine's, in the crate `secure-log`. Whoever can
//! write the database can write anything, which verification then finds; the triggers in it stop accidents only.
//!
//! A commit is one transaction, durable when [`insert`](secure_log::store::SecureLogStore::insert) returns: the database is
//! in WAL mode and synchronous.
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "native")] {
//! use secure_log::store::SecureLogStore;
//! use secure_log_sqlite::SqliteStore;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("audit.db");
//! let mut store = SqliteStore::open(&path).unwrap();
//! assert_eq!(store.log().unwrap(), None);
//! assert!(!path.exists(), "opening writes nothing");
//! # }
//! ```
#![forbid(unsafe_code)]

mod change;
mod columns;
pub mod database;
mod insert;
mod load;
#[cfg(feature = "native")]
mod native;
mod nodes;
mod read;
mod row;
mod scan;
pub mod schema;
mod search;
mod store;

pub use database::Database;
#[cfg(feature = "native")]
pub use native::Native;
pub use store::SqliteStore;
