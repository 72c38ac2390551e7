//! Drives every function of a composed secure-log stack from outside, under wasmtime.
//!
//! `cargo run --release -- ../dist/secure-log-file.wasm audit.jsonl` opens the log, calls everything that it exports,
//! checks what it answers and what it refuses, tampers with copies of the file and sees each edit found, and leaves
//! behind a log that verifies. In scope: the contract of `wit/log.wit` as a host sees it. Out of scope: crashes, speed
//! and the inside of the engine, which the tests of the crates and `scripts/bench.sh` look at.

pub mod audit;
pub mod copy;
pub mod database;
pub mod endpoint;
pub mod expect;
pub mod forging;
pub mod host;
pub mod jsonl;
pub mod keys;
pub mod merkle;
pub mod pipe;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod session;
pub mod steps;
pub mod verifier;
