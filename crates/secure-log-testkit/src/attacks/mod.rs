//! The attacks that a store can mount (trust.md): edits of one small log, what is done to a store while a log is open,
//! and what each has to end as.
//!
//! They are written once. Each store's tests call [`no_edit_passes`] and [`no_flip_passes`] with a function that puts
//! records, or the bytes of a file, in place, and go through [`scenarios`] with a [`Subject`]. What runs a log somewhere
//! else, such as in a composition of components, calls [`no_edit_passes_with`] and [`no_flip_passes_with`].

mod anchored;
mod edits;
mod flips;
mod hostile_files;
mod indexed;
mod native;
mod proofs;
mod pruned;
mod reference;
mod said;
mod sample;
mod scenarios;

pub use crate::record::to_jsonl;
pub use edits::{Answer, Edit, edits, no_edit_passes, no_edit_passes_with, open_and_verify};
pub use flips::{Flip, flips, no_flip_passes, no_flip_passes_with, no_stored_bit_passes, no_stored_bit_passes_with};
pub use hostile_files::{file_with_line, hostile_files, is_harmless, marked_logs};
pub use indexed::{no_changed_row_of_an_index_passes, with_index};
pub use native::Native;
pub use proofs::{Compared, Prover, refused};
pub use reference::reference_verdict;
pub use said::{Said, refusal};
pub use sample::{
    IDENTITY, MAC_LABEL, ORIGIN, hmac_key, keystore, log_key, options, providers, sample_log, sample_records, trust,
};
pub use scenarios::{Answered, Scenario, Subject, scenarios};
