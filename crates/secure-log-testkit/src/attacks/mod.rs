//! The attacks that a store can mount (trust.md): edits of one small log, and what each has to end as.
//!
//! They are written once. Each store's tests call [`no_edit_passes`] and [`no_flip_passes`] with a function that puts
//! records, or the bytes of a file, in place.

mod edits;
mod flips;
mod reference;
mod sample;

pub use edits::{Answer, Edit, edits, no_edit_passes};
pub use flips::{Flip, flips, no_flip_passes};
pub use reference::reference_verdict;
pub use sample::{
    IDENTITY, MAC_LABEL, ORIGIN, hmac_key, keystore, log_key, options, providers, sample_log, sample_records, to_jsonl,
    trust,
};
