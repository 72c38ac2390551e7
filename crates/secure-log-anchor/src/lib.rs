//! Places outside the store that remember the last head of a log.
//!
//! Whoever can rewrite a store can put an earlier copy in its place, and nothing in that copy is wrong. An anchor is what
//! that copy is held against: the engine asks it before it reads the store, and gives it each head that it publishes.
//!
//! In scope: [`FileAnchor`], which keeps the last head of each log in a file that belongs somewhere else than the store,
//! and [`LineAnchor`], which writes a line a head for whoever collects them. Both are
//! [`Anchor`](secure_log::providers::Anchor)s. Out of scope: witnesses, which are asked over the network, and judging
//! heads. An anchor refuses a smaller or another head by size and root; signatures and consistency are the engine's to
//! check. docs/anchors.md says what each protects against.
//!
//! # Example
//!
//! ```
//! use secure_log::providers::{Anchor, AnchorView};
//! use secure_log_anchor::FileAnchor;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let mut anchor = FileAnchor::open(folder.path().join("heads"));
//! assert_eq!(anchor.latest(None), Ok(AnchorView::Unknown));
//!
//! let head = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n";
//! anchor.publish(head, 0, &[]).taken.unwrap();
//! assert_eq!(anchor.latest(Some("log.example")), Ok(AnchorView::Head(head.into())));
//! ```
#![forbid(unsafe_code)]

mod file;
mod heads;
mod line;

pub use file::{FileAnchor, VARIABLE};
pub use line::LineAnchor;

use secure_log::note::{Checkpoint, Note};
use secure_log::providers::AnchorError;

/// What a published note says of which log.
fn checkpoint(note: &str) -> Result<Checkpoint, AnchorError> {
    let head = Note::parse(note).and_then(|note| note.checkpoint());
    head.map_err(|error| AnchorError::Unavailable(format!("what was published is no head: {error}")))
}
