//! Archives: a log that was closed, in its own lines, and the chain of logs that continue each other (docs/archives.md).
//!
//! **In scope**: what an archive is known by ([`Archived`]), and verifying a chain of them: [`verify_chain`] reads files,
//! [`ChainVerifier`] takes the same bytes in pieces. Closing a log and writing its archive is
//! [`SecureLog::write_archive`](crate::engine::SecureLog::write_archive), and going on from it is
//! [`LogOptions::continues`](crate::engine::LogOptions::continues).
//!
//! **Out of scope**: where archives are kept, and for how long, is their owner's.

mod chain;
mod links;
mod render;

use crate::hash::Hash;
use crate::verify::Report;

pub use chain::{ChainVerifier, MAX_ARCHIVES, verify_chain};
pub use links::{ChainReport, ChainVerdict, Fault, FaultCode, MissingArchive, PartReport};

/// An archive that was written: what it is known by, and what its verification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Its last head, as a whole signed note: what the next log continues.
    pub note: String,
    /// SHA-256 of its bytes.
    pub digest: Hash,
    /// How many there are.
    pub bytes: u64,
    /// What a verification by the log's own keys and its trust policy says of these very bytes. It is never invalid.
    pub report: Report,
}
