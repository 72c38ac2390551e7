//! Values of rows as SQLite answers them, and as they are written.

use secure_log::store::StoreError;
use secure_log_sql::{Misfit, Values};

use crate::database::Value;

/// A row that a statement answered.
pub(crate) type Row<'r> = secure_log_sql::Row<Cells<'r>>;

/// The values of one.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'r>(pub(crate) &'r [Value<'r>]);

impl<'r> Values<'r> for Cells<'r> {
    #[inline]
    fn integer(&self, column: usize) -> Result<Option<i64>, Misfit> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            _ => Err(Misfit),
        }
    }

    #[inline]
    fn text(&self, column: usize) -> Result<Option<&'r str>, Misfit> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(Misfit),
        }
    }

    #[inline]
    fn blob(&self, column: usize) -> Result<Option<&'r [u8]>, Misfit> {
        match self.0.get(column) {
            Some(Value::Blob(bytes)) => Ok(Some(bytes)),
            Some(Value::Null) => Ok(None),
            _ => Err(Misfit),
        }
    }
}

/// A number as a limit.
pub(crate) fn bound(number: u64) -> Value<'static> {
    Value::Integer(secure_log_sql::bound(number))
}

/// A number to be stored.
pub(crate) fn stored(number: u64) -> Result<Value<'static>, StoreError> {
    secure_log_sql::stored(number).map(Value::Integer)
}

pub(crate) fn text_or_null(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, Value::Text)
}
