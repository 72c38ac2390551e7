//! A store component that keeps a log in an SQLite database: `config` is the path of its file under a preopened folder, or
//! `:memory:`. SQLite itself is another component, behind `sqlite:wasm`.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    // What is passed to SQLite is borrowed: values are copied once, when they cross.
    wit_bindgen::generate!({
        inline: "
            package secure-log:store-sqlite;

            world sqlite-user {
                import sqlite:wasm/database@0.1.0;
            }
        ",
        world: "secure-log:store-sqlite/sqlite-user",
        path: "../../wit/sqlite",
        ownership: Borrowing { duplicate_if_necessary: true },
        generate_all,
    });
}

use std::collections::HashMap;

use bindings::sqlite::wasm::database as wire;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_guest::{StoreProvider, packed};
use secure_log_sqlite::SqliteStore;
use secure_log_sqlite::database::{Database, SqlError, Value, code};

/// The config of a log that is gone with its instance.
const MEMORY: &str = ":memory:";
/// A page of rows: at most so many, and so many bytes and one row.
const MAX_ROWS: u32 = 1024;
const MAX_BYTES: u32 = 256 << 10;

/// A connection of the other component's, with the statements that were prepared on it.
struct Imported {
    path: String,
    // Dropped before the connection.
    statements: HashMap<&'static str, (wire::Statement, usize)>,
    connection: Option<wire::Connection>,
}

struct Sqlite;

impl StoreProvider for Sqlite {
    fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        if config.is_empty() {
            return Err(StoreError::Config("the path of the database is missing".into()));
        }
        let database = Imported { path: config.into(), statements: HashMap::new(), connection: None };
        Ok(Box::new(SqliteStore::over(database)?))
    }

    fn reopen(earlier: Box<dyn SecureLogStore>, config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        if config == MEMORY {
            // What was written stays: it is kept nowhere else.
            return Ok(earlier);
        }
        drop(earlier);
        Self::open(config)
    }
}

secure_log_guest::export_store!(Sqlite);

impl Imported {
    fn connection(&self) -> Result<&wire::Connection, SqlError> {
        let absent = || SqlError { code: code::CANTOPEN, message: "the database is not there yet".into() };
        self.connection.as_ref().ok_or_else(absent)
    }

    /// A statement, prepared once, and how many columns it has.
    fn statement(&mut self, sql: &'static str) -> Result<(&wire::Statement, usize), SqlError> {
        if !self.statements.contains_key(sql) {
            let statement = self.connection()?.prepare(sql).map_err(error)?;
            let columns = statement.columns().len();
            self.statements.insert(sql, (statement, columns));
        }
        let (statement, columns) = &self.statements[sql];
        Ok((statement, *columns))
    }
}

impl Database for Imported {
    fn connect(&mut self, create: bool) -> Result<bool, SqlError> {
        if self.connection.is_none() {
            let options = wire::OpenOptions { create, read_only: false };
            match wire::Connection::open(&self.path, options) {
                Ok(connection) => self.connection = Some(connection),
                Err(failed) if !create && failed.kind == wire::ErrorKind::CannotOpen => return Ok(false),
                Err(failed) => return Err(error(failed)),
            }
        }
        Ok(true)
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.connection()?.execute(sql).map_err(error)
    }

    fn run(&mut self, sql: &'static str, width: usize, values: &[Value<'_>]) -> Result<u64, SqlError> {
        let bytes = packed::pack(values.iter().filter_map(bytes_of));
        let values: Vec<_> = values.iter().map(without_bytes).collect();
        self.statement(sql)?.0.run(width as u32, &values, &bytes).map_err(error)
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&[Value<'_>]) -> bool,
    ) -> Result<(), SqlError> {
        let values: Vec<_> = values.iter().map(given).collect();
        let (statement, columns) = self.statement(sql)?;
        statement.bind(&values).map_err(error)?;
        loop {
            let page = statement.step(MAX_ROWS, MAX_BYTES).map_err(error)?;
            let found: Vec<Value<'_>> = page.values.iter().map(answered).collect();
            let goes_on = found.chunks_exact(columns.max(1)).all(&mut *visit);
            if page.done {
                return Ok(());
            }
            if !goes_on {
                statement.reset();
                return Ok(());
            }
        }
    }
}

fn without_bytes(value: &Value<'_>) -> wire::PackedValue {
    match *value {
        Value::Null => wire::PackedValue::Null,
        Value::Integer(number) => wire::PackedValue::Integer(number),
        Value::Real(number) => wire::PackedValue::Real(number),
        // What is longer than a memory of 32 bits is not there.
        Value::Text(text) => wire::PackedValue::Text(text.len() as u32),
        Value::Blob(bytes) => wire::PackedValue::Blob(bytes.len() as u32),
    }
}

fn bytes_of<'v>(value: &Value<'v>) -> Option<&'v [u8]> {
    match *value {
        Value::Text(text) => Some(text.as_bytes()),
        Value::Blob(bytes) => Some(bytes),
        Value::Null | Value::Integer(_) | Value::Real(_) => None,
    }
}

fn given<'v>(value: &Value<'v>) -> wire::ValueParam<'v> {
    match *value {
        Value::Null => wire::ValueParam::Null,
        Value::Integer(number) => wire::ValueParam::Integer(number),
        Value::Real(number) => wire::ValueParam::Real(number),
        Value::Text(text) => wire::ValueParam::Text(text),
        Value::Blob(bytes) => wire::ValueParam::Blob(bytes),
    }
}

fn answered(value: &wire::ValueResult) -> Value<'_> {
    match value {
        wire::ValueResult::Null => Value::Null,
        wire::ValueResult::Integer(number) => Value::Integer(*number),
        wire::ValueResult::Real(number) => Value::Real(*number),
        wire::ValueResult::Text(text) => Value::Text(text),
        wire::ValueResult::Blob(bytes) => Value::Blob(bytes),
    }
}

fn error(error: wire::Error) -> SqlError {
    SqlError { code: error.code, message: error.message }
}
