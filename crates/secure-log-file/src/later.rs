//! What a later version of the format wrote, which this one does not know (docs/format.md s.7).
//!
//! Such a log is read and verified. It is not written to: what would have to be kept right of it is not known.

use std::fmt::Display;

use secure_log::jsonl::{Line, RowError};
use secure_log::store::StoreError;

use crate::corrupt;
use crate::disk::Disk;
use crate::index::Trouble;
use crate::session::FileStore;

impl<D: Disk> FileStore<D> {
    /// Refuses to write to a log with something in it that is not known here. Asked under the lock, before anything else.
    pub(crate) fn check_known(&mut self) -> Result<(), StoreError> {
        let found = self.with_index_or_nothing(None, |index, log| {
            let Some(at) = index.first_unknown() else { return Ok(None) };
            let later = match log.at(at, at.end())? {
                Line::Unknown(line) => Some(later(at.offset, line.row())),
                Line::Log(line) => line.row().err().map(|error| not_a_row(at.offset, error)),
                _ => None,
            };
            later.ok_or(Trouble::Index).map(Some)
        });
        found?.map_or(Ok(()), Err)
    }
}

/// What this line is that is no row: damage, unless it is the log's own and of another version of the format.
pub(crate) fn not_a_row(offset: u64, error: RowError) -> StoreError {
    match error {
        RowError::LogVersion(_) => later(offset, error),
        _ => corrupt(offset, error),
    }
}

/// What a later version wrote at this byte.
pub(crate) fn later(offset: u64, what: impl Display) -> StoreError {
    StoreError::LaterVersion { at: format!("byte {offset}"), what: what.to_string() }
}
