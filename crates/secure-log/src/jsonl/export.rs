//! A whole log as lines, whatever keeps it.

use core::fmt;
use std::io::{self, Write};

use super::{WriteError, write_record};
use crate::store::{SecureLogStore, StoreError};

/// How much of the log is held in memory at once.
const PAGE_BYTES: usize = 1 << 20;

/// Writes every record that a store holds, in commit order, and answers how many there are. Nothing is verified: who reads
/// the lines does that, with [`verify_jsonl`](crate::verify::verify_jsonl) or `tools/secure_log_ref.py`.
///
/// # Example
///
/// ```
/// use secure_log::jsonl::export;
/// use secure_log::memory::MemoryStore;
///
/// let mut lines = Vec::new();
/// assert_eq!(export(&mut MemoryStore::new(), &mut lines).unwrap(), 0);
/// assert!(lines.is_empty());
/// ```
pub fn export(store: &mut dyn SecureLogStore, out: &mut dyn Write) -> Result<u64, ExportError> {
    let (mut lines, mut records) = (Vec::new(), 0);
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let mut unwritten = None;
        cursor = store
            .scan(from, PAGE_BYTES, &mut |record| {
                if unwritten.is_none() {
                    records += 1;
                    unwritten = write_record(&record, &mut lines).err().map(|error| (records, error));
                }
            })
            .map_err(ExportError::Store)?;
        if let Some((record, error)) = unwritten {
            return Err(ExportError::Record { record, error });
        }
        out.write_all(&lines).map_err(ExportError::Output)?;
        lines.clear();
    }
    out.flush().map_err(ExportError::Output)?;
    Ok(records)
}

/// Why a log was not written out, or not all of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportError {
    /// The store failed.
    Store(StoreError),
    /// What the store holds is no record of the format, or one of a later version.
    Record {
        /// Its place in the log, from 1.
        record: u64,
        /// What is wrong with it.
        error: WriteError,
    },
    /// The lines could not be written.
    Output(io::Error),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Store(error) => write!(f, "the log cannot be read: {error}"),
            ExportError::Record { record, error } => write!(f, "record {record} of the log cannot be written: {error}"),
            ExportError::Output(error) => write!(f, "the lines cannot be written: {error}"),
        }
    }
}

impl std::error::Error for ExportError {}
