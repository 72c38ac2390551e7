//! The PostgreSQL store of secure-log: many logs in one database, by SQL that engines which spread over nodes accept, too
//! (docs/postgres.md).
//!
//! In scope: [`Postgres`], a database and a pool of connections to it, natively and in a component; [`PostgresStore`], a log in
//! its tables. Out of scope: everything that makes a log worth trusting. Hashing, proving and signing are the engine's, in the
//! crate `secure-log`. Whoever can write the database can write anything, which verification then finds.
//!
//! A commit is one transaction, durable on the server when [`insert`](secure_log::store::SecureLogStore::insert) returns, and on
//! its synchronous standbys. Lost connections, servers that were replaced and transactions that were in each other's way are gone
//! through within one call, for as long as the connection string says.
//!
//! # Example
//!
//! ```no_run
//! use secure_log::store::SecureLogStore;
//! use secure_log_postgres::Postgres;
//!
//! let postgres = Postgres::connect("postgresql://audit@db1,db2/audit")?;
//! let mut store = postgres.store("orders");
//! assert_eq!(store.log()?, None);
//! # Ok::<(), secure_log::store::StoreError>(())
//! ```
#![forbid(unsafe_code)]

mod change;
mod columns;
mod connect;
mod connection;
mod failure;
mod insert;
mod load;
mod migrate;
mod pending;
mod pool;
mod read;
mod rebuild;
mod row;
mod rows;
mod scan;
mod schema;
mod search;
mod settings;
mod store;
mod tables;
mod tls;

pub use pool::Postgres;
pub use schema::VERSION;
pub use store::PostgresStore;
