//! What the store needs of SQLite, whether it is linked in or is another component.

use core::fmt;

/// A value of a column or of a parameter. Numbers with a fraction are stored nowhere, and none is read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are SQLite's own")]
pub enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// A connection to a database that may not be there yet.
///
/// Statements are given as text, again and again the same: whoever connects keeps them prepared.
pub trait Database {
    /// Connects to the database, once. `false` when there is none and none is to be made.
    fn connect(&mut self, create: bool) -> Result<bool, SqlError>;

    /// Runs statements that answer nothing of interest.
    fn script(&mut self, sql: &str) -> Result<(), SqlError>;

    /// Runs a statement once for each `width` of the values, and answers how many rows it changed in all.
    fn run(&mut self, sql: &'static str, width: usize, values: &[Value<'_>]) -> Result<u64, SqlError>;

    /// Shows the rows that a statement answers to `visit`, until it answers `false`.
    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&[Value<'_>]) -> bool,
    ) -> Result<(), SqlError>;

    /// Puts the numbers that a statement of one column answers behind those in `numbers`, until it answers something else, and
    /// says whether it did not. For indexes, which are read by the ten thousand.
    fn numbers(&mut self, sql: &'static str, values: &[Value<'_>], numbers: &mut Vec<i64>) -> Result<bool, SqlError> {
        let mut are_numbers = true;
        self.query(sql, values, &mut |row| {
            match row {
                [Value::Integer(number)] => numbers.push(*number),
                _ => are_numbers = false,
            }
            are_numbers
        })?;
        Ok(are_numbers)
    }
}

/// What SQLite says went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The extended result code.
    pub code: i32,
    /// In SQLite's words.
    pub message: String,
}

impl SqlError {
    /// The code without its extension.
    pub fn primary(&self) -> i32 {
        self.code & 0xff
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLite's code {})", self.message, self.code)
    }
}

impl std::error::Error for SqlError {}

/// Result codes that are told apart, by their names in SQLite.
pub mod code {
    #![allow(missing_docs, reason = "SQLite's documentation describes them")]
    pub const BUSY: i32 = 5;
    pub const LOCKED: i32 = 6;
    pub const CORRUPT: i32 = 11;
    pub const CANTOPEN: i32 = 14;
    pub const CONSTRAINT: i32 = 19;
    pub const NOTADB: i32 = 26;
}
