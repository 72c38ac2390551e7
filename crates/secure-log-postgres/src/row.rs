//! Values of rows as PostgreSQL answers them, and as they are written.

use bytes::BytesMut;
use secure_log::store::StoreError;
use secure_log_sql::{Misfit, Values};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// A row that a statement answered.
pub(crate) type Row<'r> = secure_log_sql::Row<Cells<'r>>;

/// The values of one.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'r>(pub(crate) &'r tokio_postgres::Row);

impl<'r> Cells<'r> {
    fn value<T: FromSql<'r>>(&self, column: usize) -> Result<T, Misfit> {
        self.0.try_get(column).map_err(|_| Misfit)
    }
}

impl<'r> Values<'r> for Cells<'r> {
    fn integer(&self, column: usize) -> Result<Option<i64>, Misfit> {
        self.value(column)
    }

    fn text(&self, column: usize) -> Result<Option<&'r str>, Misfit> {
        self.value(column)
    }

    fn blob(&self, column: usize) -> Result<Option<&'r [u8]>, Misfit> {
        self.value(column)
    }
}

/// Whether something is so, as a statement found.
pub(crate) fn flag(row: &Row<'_>, column: usize) -> Result<bool, StoreError> {
    row.values.value(column).map_err(|Misfit| row.damaged(column))
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
