//! Values of rows as they are read, by somebody who does not trust them, and numbers as they are written.

use core::str::FromStr;

use secure_log::hash::{Hash, KeyId};
use secure_log::store::StoreError;

/// The columns of a row as a database answered them. What is NULL is nothing.
pub trait Values<'r> {
    /// The number in a column.
    fn integer(&self, column: usize) -> Result<Option<i64>, Misfit>;

    /// The text in a column.
    fn text(&self, column: usize) -> Result<Option<&'r str>, Misfit>;

    /// The bytes in a column.
    fn blob(&self, column: usize) -> Result<Option<&'r [u8]>, Misfit>;
}

/// A column that has something else, or that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

/// A row that a statement answered.
#[derive(Clone, Copy, Debug)]
pub struct Row<V> {
    /// What is said to be damaged when a value is not what belongs there.
    pub table: &'static str,
    /// What is in its columns.
    pub values: V,
}

#[allow(missing_docs, reason = "each is of the type that it answers, or damaged")]
impl<'r, V: Values<'r>> Row<V> {
    pub fn number(&self, column: usize) -> Result<u64, StoreError> {
        self.optional_number(column)?.ok_or_else(|| self.damaged(column))
    }

    pub fn optional_number(&self, column: usize) -> Result<Option<u64>, StoreError> {
        let number = self.optional_integer(column)?;
        number.map(|number| u64::try_from(number).map_err(|_| self.damaged(column))).transpose()
    }

    /// A number that may be negative.
    pub fn integer(&self, column: usize) -> Result<i64, StoreError> {
        self.optional_integer(column)?.ok_or_else(|| self.damaged(column))
    }

    pub fn optional_integer(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.values.integer(column).map_err(|Misfit| self.damaged(column))
    }

    pub fn text(&self, column: usize) -> Result<&'r str, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.damaged(column))
    }

    pub fn optional_text(&self, column: usize) -> Result<Option<&'r str>, StoreError> {
        self.values.text(column).map_err(|Misfit| self.damaged(column))
    }

    /// A text that stands for something.
    pub fn word<T: FromStr>(&self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.damaged(column))
    }

    pub fn blob(&self, column: usize) -> Result<&'r [u8], StoreError> {
        self.optional_blob(column)?.ok_or_else(|| self.damaged(column))
    }

    pub fn optional_blob(&self, column: usize) -> Result<Option<&'r [u8]>, StoreError> {
        self.values.blob(column).map_err(|Misfit| self.damaged(column))
    }

    /// So many bytes.
    pub fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        self.blob(column)?.try_into().map_err(|_| self.damaged(column))
    }

    pub fn hash(&self, column: usize) -> Result<Hash, StoreError> {
        self.bytes(column).map(Hash)
    }

    pub fn optional_key_id(&self, column: usize) -> Result<Option<KeyId>, StoreError> {
        match self.optional_blob(column)? {
            Some(bytes) => bytes.try_into().map(|id| Some(KeyId(id))).map_err(|_| self.damaged(column)),
            None => Ok(None),
        }
    }
}

impl<V> Row<V> {
    /// That a column does not hold what belongs there.
    #[cold]
    pub fn damaged(&self, column: usize) -> StoreError {
        StoreError::Corrupt {
            at: format!("table {}", self.table),
            detail: format!("column {} does not hold what belongs there", column + 1),
        }
    }
}

/// A number as a limit. What is larger than any count in a database means the largest.
#[inline]
pub fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number to be stored.
#[inline]
pub fn stored(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Corrupt {
        at: "a record of the commit".into(),
        detail: format!("{number} is too large for the database"),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Cell<'r> {
        Null,
        Integer(i64),
        Text(&'r str),
        Blob(&'r [u8]),
    }

    impl<'r> Values<'r> for &'r [Cell<'r>] {
        fn integer(&self, column: usize) -> Result<Option<i64>, Misfit> {
            match self.get(column) {
                Some(Cell::Integer(number)) => Ok(Some(*number)),
                Some(Cell::Null) => Ok(None),
                _ => Err(Misfit),
            }
        }

        fn text(&self, column: usize) -> Result<Option<&'r str>, Misfit> {
            match self.get(column) {
                Some(Cell::Text(text)) => Ok(Some(text)),
                Some(Cell::Null) => Ok(None),
                _ => Err(Misfit),
            }
        }

        fn blob(&self, column: usize) -> Result<Option<&'r [u8]>, Misfit> {
            match self.get(column) {
                Some(Cell::Blob(bytes)) => Ok(Some(bytes)),
                Some(Cell::Null) => Ok(None),
                _ => Err(Misfit),
            }
        }
    }

    pub(crate) fn row<'r>(cells: &'r [Cell<'r>]) -> Row<&'r [Cell<'r>]> {
        Row { table: "example", values: cells }
    }

    #[test]
    fn a_value_is_what_belongs_there_or_its_column_is_damaged() {
        let damaged = |column: usize| StoreError::Corrupt {
            at: "table example".into(),
            detail: format!("column {column} does not hold what belongs there"),
        };
        let cells = [Cell::Null, Cell::Integer(-1), Cell::Text("7"), Cell::Blob(&[9; 32])];
        let row = row(&cells);
        assert_eq!(row.integer(1), Ok(-1));
        assert_eq!((row.text(2), row.word::<u8>(2)), (Ok("7"), Ok(7)));
        assert_eq!((row.blob(3), row.hash(3)), (Ok(&[9; 32][..]), Ok(Hash([9; 32]))));
        assert_eq!(row.optional_number(0), Ok(None));
        assert_eq!(row.optional_integer(0), Ok(None));
        assert_eq!(row.optional_text(0), Ok(None));
        assert_eq!((row.optional_blob(0), row.optional_key_id(0)), (Ok(None), Ok(None)));
        assert_eq!((row.number(0), row.text(0)), (Err(damaged(1)), Err(damaged(1))));
        assert_eq!((row.integer(0), row.blob(0)), (Err(damaged(1)), Err(damaged(1))));
        assert_eq!((row.number(1), row.optional_number(1)), (Err(damaged(2)), Err(damaged(2))));
        assert_eq!((row.text(1), row.word::<bool>(2)), (Err(damaged(2)), Err(damaged(3))));
        assert_eq!((row.bytes::<31>(3), row.optional_key_id(3)), (Err(damaged(4)), Err(damaged(4))));
        assert_eq!(row.integer(4), Err(damaged(5)));
    }

    #[test]
    fn a_limit_may_be_larger_than_what_is_stored() {
        let largest = i64::MAX as u64;
        assert_eq!((bound(largest), bound(largest + 1), bound(u64::MAX)), (i64::MAX, i64::MAX, i64::MAX));
        assert_eq!(stored(largest), Ok(i64::MAX));
        assert!(stored(largest + 1).unwrap_err().to_string().contains("9223372036854775808 is too large"));
    }
}
