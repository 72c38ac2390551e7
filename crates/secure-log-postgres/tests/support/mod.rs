//! Logs in databases of a server that the tests of a program share.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod proxy;
pub(crate) mod tables;
pub(crate) mod writing;

use std::sync::atomic::{AtomicU32, Ordering};

use secure_log_postgres::{Postgres, PostgresStore};
use secure_log_testkit::postgres::server;

/// A database of its own, unless there can be none, which is said.
pub(crate) fn database() -> Option<Postgres> {
    Some(Postgres::connect(&server()?.database()).expect("the database was just made"))
}

/// A log of its own in a database: who opens it by turns opens the same.
pub(crate) fn fresh(postgres: &Postgres) -> impl Fn() -> PostgresStore + Clone + Send + use<> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("log {}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let postgres = postgres.clone();
    move || postgres.store(&name)
}
