//! Verifying a log: three answers, and never one that rests on a stored hash (security.md).
//!
//! [`verify_jsonl`] reads a file as it lies; [`LogVerifier`] takes the same bytes in pieces; [`Verifier`] takes the records
//! that a store hands out. Each entry is re-hashed, each segment's root and each head's recomputed, each signature checked
//! by a key of the [`Trust`] that the caller has. Memory does not grow with the number of entries, and nothing recurses.

mod blocks;
mod commit;
mod conclusion;
mod content;
mod cosigners;
mod finding;
mod held;
mod lines;
mod missing;
mod opening;
mod part;
mod policy;
mod prepared;
mod render;
mod report;
mod rotation;
mod rows;
mod signatures;
mod stream;
mod trust;
mod verifier;
mod writing;

pub(crate) use conclusion::Passed;
pub use content::MAX_DATA_KEYS;
pub(crate) use finding::Quoted;
pub use finding::{Finding, FindingCode, Place, is_printable};
pub(crate) use held::HeldRecords;
pub(crate) use lines::verify_part_on;
pub use lines::{LogVerifier, MAX_COMMIT_BYTES, Progress, verify_jsonl, verify_jsonl_on};
pub use missing::{Missing, MissingCode};
pub(crate) use part::{Alone, PartHead, Scope};
pub use policy::{MAX_POLICY_BYTES, MAX_POLICY_LINES, PolicyError, PolicyProblem, Quorum};
pub(crate) use render::write_key;
pub use report::{KeyRole, KeyUse, MAX_LISTED, Report, Verdict};
pub use rotation::MAX_INTRODUCED_KEYS;
pub(crate) use rotation::{Followed, Rotations, checked_introduction, name_and_id};
pub use trust::{Signer, Trust, TrustError};
pub use verifier::{MAX_SEGMENTS, MAX_STREAMS, Verifier};
pub(crate) use writing::{Json, Plain};
