//! What the stores that keep a log in tables have in common, whatever database has the tables.
//!
//! In scope: what is read of a row by somebody who does not trust it ([`Row`]), the records that come of rows ([`record`]), what an
//! entry says in the columns that it is found by ([`columns`]), and the numbers that stand for what the tables refer to ([`tables`]).
//! Out of scope: SQL, connections and transactions, which are each store's own, and everything that makes a log worth trusting.
//! Nothing here reads or writes anything by itself.
//!
//! # Example
//!
//! A store says how it reads a value, and gets records of its rows.
//!
//! ```
//! use secure_log_sql::{Misfit, Row, Values, record};
//!
//! /// A database of texts.
//! struct Texts<'r>(&'r [&'r str]);
//!
//! impl<'r> Values<'r> for Texts<'r> {
//!     fn integer(&self, column: usize) -> Result<Option<i64>, Misfit> {
//!         self.0.get(column).ok_or(Misfit)?.parse().map(Some).map_err(|_| Misfit)
//!     }
//!     fn text(&self, column: usize) -> Result<Option<&'r str>, Misfit> {
//!         self.0.get(column).copied().map(Some).ok_or(Misfit)
//!     }
//!     fn blob(&self, column: usize) -> Result<Option<&'r [u8]>, Misfit> {
//!         Ok(self.text(column)?.map(str::as_bytes))
//!     }
//! }
//!
//! let values = ["7", "0123456789abcdef0123456789abcdef", "a signature\nanother one\n"];
//! let head = record::head(&Row { table: "head", values: Texts(&values) }, 0)?;
//! assert_eq!((head.size, head.sigs.len()), (7, 2));
//!
//! let damaged = record::head(&Row { table: "head", values: Texts(&["-7", "", ""]) }, 0);
//! assert!(damaged.unwrap_err().to_string().contains("table head: column 1"));
//! # Ok::<(), secure_log::store::StoreError>(())
//! ```
#![forbid(unsafe_code)]

pub mod columns;
pub mod content;
pub mod line;
pub mod record;
mod row;
pub mod tables;

pub use content::{Content, Refused};
pub use row::{Misfit, Row, Values, bound, stored};
