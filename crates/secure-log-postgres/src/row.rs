//! Values of rows as they are read, by somebody who does not trust them, and as they are written.

use bytes::BytesMut;
use secure_log::hash::{Hash, KeyId};
use secure_log::store::StoreError;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// A row that a statement answered.
pub(crate) struct Row<'r> {
    /// What is said to be damaged when a value is not what belongs there.
    pub(crate) table: &'static str,
    pub(crate) values: &'r tokio_postgres::Row,
}

impl<'r> Row<'r> {
    pub(crate) fn number(&self, column: usize) -> Result<u64, StoreError> {
        self.optional_number(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_number(&self, column: usize) -> Result<Option<u64>, StoreError> {
        let number = self.optional_integer(column)?;
        number.map(|number| u64::try_from(number).map_err(|_| self.damaged(column))).transpose()
    }

    pub(crate) fn integer(&self, column: usize) -> Result<i64, StoreError> {
        self.optional_integer(column)?.ok_or_else(|| self.damaged(column))
    }

    /// A number that may be negative.
    pub(crate) fn optional_integer(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.value(column)
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool, StoreError> {
        self.value::<bool>(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn text(&self, column: usize) -> Result<&'r str, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<&'r str>, StoreError> {
        self.value(column)
    }

    pub(crate) fn word<T: core::str::FromStr>(&self, column: usize) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.damaged(column))
    }

    pub(crate) fn blob(&self, column: usize) -> Result<&'r [u8], StoreError> {
        self.optional_blob(column)?.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn optional_blob(&self, column: usize) -> Result<Option<&'r [u8]>, StoreError> {
        self.value(column)
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

    fn value<T: FromSql<'r>>(&self, column: usize) -> Result<Option<T>, StoreError> {
        self.values.try_get(column).map_err(|_| self.damaged(column))
    }
}

/// A number as a limit. What is larger than any count here means the largest.
pub(crate) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number to be stored.
pub(crate) fn stored(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Corrupt {
        at: "a record of the commit".into(),
        detail: format!("{number} is too large for the database"),
    })
}

/// So many bytes, to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> ToSql for Octets<N> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn core::error::Error + Sync + Send>> {
        self.0.as_slice().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&[u8] as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}
