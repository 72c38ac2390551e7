//! SQLite, linked in.
//!
//! Connections of one or more processes exclude each other with the locks of the system, as SQLite does it. A component has no
//! such locks and does not see them (docs/decisions/0013). It sees the file that SQLite shares its index through, `<file>-shm`,
//! and keeps away while that is there. So all that is left to do here is to take the lock file, which components take for each
//! transaction, while that file is made or removed: when a connection is opened and when it is closed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use secure_log::store::StoreError;
use secure_log_disk::{Disk, Lock, LockError, OsDisk, Patience, STALE_AFTER, Watch};

use crate::database::{Database, SqlError, Value, code};
use crate::store::SqliteStore;

/// How long a statement waits for another writer.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// No statement answers more.
const MAX_COLUMNS: usize = 16;

/// A connection of SQLite's own.
pub struct Native {
    place: Place,
    connection: Option<Connection>,
    /// Held until components can see that the database is open.
    lock: Option<Lock<<OsDisk as Disk>::File>>,
}

enum Place {
    Memory,
    File(PathBuf),
}

impl SqliteStore<Native> {
    /// Opens the log in the database at `path`, or gets ready to make it. Writes nothing.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteStore<Native>, StoreError> {
        let path = path.as_ref();
        if path.file_name().is_none() {
            return Err(StoreError::Config(format!("'{}' names no file", path.display())));
        }
        SqliteStore::over(Native::file(path))
    }

    /// A log in a database in memory, which is gone with the store.
    pub fn in_memory() -> Result<SqliteStore<Native>, StoreError> {
        SqliteStore::over(Native { place: Place::Memory, connection: None, lock: None })
    }
}

impl Native {
    /// The database at this path, which is made when it is first written to.
    pub fn file(path: impl Into<PathBuf>) -> Native {
        Native { place: Place::File(path.into()), connection: None, lock: None }
    }

    /// Keeps components away, unless they see already that the database is open.
    fn keep_away(&mut self) -> Result<(), SqlError> {
        let Place::File(path) = &self.place else { return Ok(()) };
        if self.lock.take_if(|lock| !lock.is_held(&OsDisk)).is_none() && self.lock.is_some() {
            return Ok(());
        }
        let patience = Patience { wait: BUSY_WAIT, stale_after: STALE_AFTER };
        let lock = Lock::acquire(&OsDisk, path, &mut Watch::default(), patience);
        self.lock = Some(lock.map_err(|error| match error {
            LockError::Held(_) => SqlError { code: code::BUSY, message: error.to_string() },
            LockError::Io(_) => SqlError { code: code::CANTOPEN, message: error.to_string() },
        })?);
        Ok(())
    }

    /// Gives the lock file back once there is an index that components see.
    fn settle(&mut self) -> Result<(), SqlError> {
        if self.lock.is_none() {
            return Ok(());
        }
        let connection = self.connection()?;
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(error)?;
        if mode == "wal" {
            // The first read makes the index, or opens that of others.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(error)?;
            self.let_go();
        }
        Ok(())
    }

    fn let_go(&mut self) {
        if let Some(lock) = self.lock.take() {
            lock.release(&OsDisk);
        }
    }

    fn open(&self, create: bool) -> rusqlite::Result<Connection> {
        let connection = match &self.place {
            Place::Memory => Connection::open_in_memory()?,
            Place::File(path) => {
                // One thread uses it, and a name is a path and nothing else.
                let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
                Connection::open_with_flags(path, flags)?
            }
        };
        connection.busy_timeout(BUSY_WAIT)?;
        // Whoever wrote the file does not get to run anything.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Otherwise SQLite looks at the values of limits while it plans, and plans anew whenever there are others.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    }

    fn connection(&self) -> Result<&Connection, SqlError> {
        self.connection
            .as_ref()
            .ok_or_else(|| SqlError { code: code::CANTOPEN, message: "the database is not there yet".into() })
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return self.let_go() };
        if self.keep_away().is_err() {
            // Then nothing is removed, as if the process had been killed.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        drop(connection);
        self.let_go();
    }
}

impl Database for Native {
    fn connect(&mut self, create: bool) -> Result<bool, SqlError> {
        if self.connection.is_some() {
            return Ok(true);
        }
        if let Place::File(path) = &self.place
            && !create
            && !path.try_exists().unwrap_or(true)
        {
            return Ok(false);
        }
        self.keep_away()?;
        let opened = self.open(create).map_err(error);
        let settled = opened.and_then(|connection| {
            self.connection = Some(connection);
            self.settle()
        });
        if settled.is_err() {
            self.connection = None;
            self.let_go();
        }
        settled.map(|()| true)
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.connection()?.execute_batch(sql).map_err(error)?;
        self.settle()
    }

    fn run(&mut self, sql: &'static str, width: usize, values: &[Value<'_>]) -> Result<u64, SqlError> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(error)?;
        if width == 0 {
            return statement.execute([]).map(|changed| changed as u64).map_err(error);
        }
        let mut changed = 0;
        for row in values.chunks_exact(width) {
            changed += statement.execute(params_from_iter(row)).map_err(error)? as u64;
        }
        Ok(changed)
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&[Value<'_>]) -> bool,
    ) -> Result<(), SqlError> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(error)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let mut found = [Value::Null; MAX_COLUMNS];
            let found = found.get_mut(..columns).ok_or_else(too_wide)?;
            for (column, found) in found.iter_mut().enumerate() {
                *found = value(row.get_ref(column).map_err(error)?);
            }
            if !visit(found) {
                break;
            }
        }
        Ok(())
    }

    fn numbers(&mut self, sql: &'static str, values: &[Value<'_>], numbers: &mut Vec<i64>) -> Result<bool, SqlError> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(error)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            match row.get_ref(0).map_err(error)? {
                ValueRef::Integer(number) => numbers.push(number),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn too_wide() -> SqlError {
    SqlError { code: rusqlite::ffi::SQLITE_MISUSE, message: format!("a row of more than {MAX_COLUMNS} columns") }
}

fn value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        // SQLite does not insist on UTF-8.
        ValueRef::Text(bytes) => match core::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text),
            Err(_) => Value::Blob(bytes),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    }
}

fn error(error: rusqlite::Error) -> SqlError {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => SqlError {
            code: failure.extended_code,
            message: message.unwrap_or_else(|| rusqlite::ffi::code_to_str(failure.extended_code).into()),
        },
        other => SqlError { code: rusqlite::ffi::SQLITE_MISUSE, message: other.to_string() },
    }
}
