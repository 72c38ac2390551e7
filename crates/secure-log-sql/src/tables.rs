//! What numbers in the tables stand for, and how large their parts are.

use secure_log::record::Subject;
use secure_log::store::{StoreError, TreeId};

/// A waypoint is kept for the first of so many entries of a stream.
pub const BLOCK: u64 = 256;

/// The kinds of record in the table `record`, which says the place of all but entries and heads.
#[allow(missing_docs, reason = "they are named after the records")]
pub mod kind {
    pub const LOG: i64 = 1;
    pub const STREAM: i64 = 2;
    pub const DATA_KEY: i64 = 3;
    pub const SIGNATURE: i64 = 4;
    pub const SEGMENT: i64 = 5;
    pub const WITNESS: i64 = 6;
}

/// A signature's subject as two columns.
pub fn subject(of: Subject) -> (i64, u64) {
    match of {
        Subject::Entry(seqno) => (0, seqno),
        Subject::Segment(id) => (1, id),
    }
}

/// A tree as a number: segments have theirs, from 1.
#[inline]
pub fn tree_number(tree: TreeId) -> u64 {
    match tree {
        TreeId::Log => 0,
        TreeId::Segment(id) => id,
    }
}

/// That what has to be there is not: `what` and its number.
pub fn missing(what: &str, number: u64) -> StoreError {
    StoreError::Corrupt { at: "the tables".into(), detail: format!("{what} {number} is not there") }
}

/// That a row of the table `record` stands for nothing.
pub fn nothing_named() -> StoreError {
    StoreError::Corrupt { at: "table record".into(), detail: "it names a row that is not there".into() }
}
