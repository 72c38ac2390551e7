//! secure-log: a tamper-evident audit log.
#![forbid(unsafe_code)]

pub mod cbor;
pub mod engine;
pub mod entry;
pub mod hash;
pub mod jsonl;
pub mod memory;
pub mod note;
pub mod providers;
pub mod record;
pub mod sign;
pub mod store;
pub mod time;
pub mod tree;
pub mod verify;
