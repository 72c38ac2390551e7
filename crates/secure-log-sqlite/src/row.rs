//! Values of rows as they are read, by somebody who does not trust them.

use secure_log::hash::{Hash, KeyId};
use secure_log::store::StoreError;

use crate::database::Value;

/// A row that a statement answered.
pub(crate) struct Row<'r> {
    /// What is said to be damaged when a value is not what belongs there.
    pub(crate) table: &'static str,
    pub(crate) values: &'r [Value<'r>],
}

impl<'r> Row<'r> {
    pub(crate) fn number(&self, column: usize) -> Result<u64, StoreError> {
        self.optional_number(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_number(&self, column: usize) -> Result<Option<u64>, StoreError> {
        match self.values.get(column) {
            Some(Value::Integer(number)) => u64::try_from(*number).map(Some).map_err(|_| self.damaged(column)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.damaged(column)),
        }
    }

    /// A number that may be negative.
    pub(crate) fn optional_integer(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.values.get(column) {
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.damaged(column)),
        }
    }

    pub(crate) fn integer(&self, column: usize) -> Result<i64, StoreError> {
        match self.values.get(column) {
            Some(Value::Integer(number)) => Ok(*number),
            _ => Err(self.damaged(column)),
        }
    }

    pub(crate) fn text(&self, column: usize) -> Result<&'r str, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<&'r str>, StoreError> {
        match self.values.get(column) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.damaged(column)),
        }
    }

    pub(crate) fn word<T: core::str::FromStr>(&self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.damaged(column))
    }

    pub(crate) fn blob(&self, column: usize) -> Result<&'r [u8], StoreError> {
        self.optional_blob(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_blob(&self, column: usize) -> Result<Option<&'r [u8]>, StoreError> {
        match self.values.get(column) {
            Some(Value::Blob(bytes)) => Ok(Some(bytes)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.damaged(column)),
        }
    }

    pub(crate) fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        self.blob(column)?.try_into().map_err(|_| self.damaged(column))
    }

    pub(crate) fn hash(&self, column: usize) -> Result<Hash, StoreError> {
        self.bytes(column).map(Hash)
    }

    pub(crate) fn optional_key_id(&self, column: usize) -> Result<Option<KeyId>, StoreError> {
        match self.optional_blob(column)? {
            Some(bytes) => bytes.try_into().map(|id| Some(KeyId(id))).map_err(|_| self.damaged(column)),
            None => Ok(None),
        }
    }

    pub(crate) fn damaged(&self, column: usize) -> StoreError {
        StoreError::Corrupt {
            at: format!("table {}", self.table),
            detail: format!("column {} does not hold what belongs there", column + 1),
        }
    }
}

/// A number as a value. What is larger than any count here is a limit, and means the largest.
pub(crate) fn bound(number: u64) -> Value<'static> {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A number to be stored.
pub(crate) fn stored(number: u64) -> Result<Value<'static>, StoreError> {
    i64::try_from(number).map(Value::Integer).map_err(|_| StoreError::Corrupt {
        at: "a record of the commit".into(),
        detail: format!("{number} is too large for the database"),
    })
}

pub(crate) fn text_or_null(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, Value::Text)
}
