//! What tests of secure-log are made of.
//!
//! **In scope**
//! - suites that every provider has to pass: [`conformance`];
//! - commits as a correct engine makes them: [`LogBuilder`];
//! - providers for tests: [`MemoryAnchor`], [`ManualClock`], [`SeededRandom`], and in builds with debug assertions
//!   `TestKeystore`, whose keys everybody can compute;
//! - servers of PostgreSQL that tests start: [`postgres`];
//! - what goes wrong by itself ([`FaultStore`], [`crash_disk`]) and on purpose ([`HostileStore`], [`OwnedRecord`], [`forge`], [`Hand`]).
//!
//! **Out of scope**: the strict store in memory is [`secure_log::memory::MemoryStore`].
//!
//! A store passes the suite by naming how a fresh place is made and how it is opened:
//!
//! ```
//! use secure_log::memory::MemoryStore;
//! use secure_log_testkit::{SharedStore, store_conformance};
//!
//! store_conformance!(|| {
//!     let place = SharedStore::new(MemoryStore::new());
//!     move || place.clone()
//! });
//! ```
#![forbid(unsafe_code)]

mod anchor;
#[cfg(debug_assertions)]
pub mod archiving;
#[cfg(debug_assertions)]
pub mod attacks;
mod builder;
pub mod conformance;
pub mod crash_disk;
mod fault;
#[cfg(debug_assertions)]
pub mod following;
pub mod forge;
mod hand;
mod hostile;
#[cfg(debug_assertions)]
pub mod interrupted;
#[cfg(debug_assertions)]
mod keystore;
mod layer;
#[cfg(debug_assertions)]
pub mod meanwhile;
mod naive;
#[cfg(debug_assertions)]
pub mod paging;
#[cfg(not(target_family = "wasm"))]
pub mod postgres;
#[cfg(debug_assertions)]
pub mod pruning;
pub mod querying;
mod record;
#[cfg(debug_assertions)]
pub mod reviewing;
pub mod sealing;
mod surroundings;
pub mod tables;

pub use anchor::{MemoryAnchor, Outage};
pub use builder::{CommitBuilder, LogBuilder, log_of_parts, witnessed};
pub use fault::{Effect, Fault, FaultStore, Faults};
pub use hand::{Hand, HeldStore, LIES, Lie};
pub use hostile::HostileStore;
#[cfg(debug_assertions)]
pub use keystore::TestKeystore;
pub use layer::{AnyStore, Method, SharedStore};
pub use naive::NaiveStore;
pub use record::{OwnedRecord, attested, flip_stored_bit, from_jsonl, records_of, store_from, to_jsonl};
pub use surroundings::{ManualClock, SeededRandom, alone, count, seed};
