//! SQLite as a component: `secure-log-sqlite-engine` behind `sqlite:wasm`.
//!
//! Everything that it decides, the library decides; here are conversions only.

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "provider", path: "../../wit/sqlite" });
    export!(Component);

    use super::Component;
}

use std::cell::RefCell;
use std::rc::Rc;

use bindings::exports::sqlite::wasm::database as wire;
use secure_log_disk::{OsDisk, Patience};
use secure_log_sqlite_engine::{Connection, OpenOptions, SqlError, Statement, Value, Vfs, primary};

struct Component;

impl wire::Guest for Component {
    type Connection = Connected;
    type Statement = Prepared;
}

struct Connected(Connection);

struct Prepared(RefCell<Statement>);

thread_local! {
    /// The files of the host, for this component instance, which has one thread.
    static VFS: Rc<Vfs> = Rc::new(Vfs::register(c"wasi", OsDisk, Patience::default()));
}

impl wire::GuestConnection for Connected {
    fn open(path: String, options: wire::OpenOptions) -> Result<wire::Connection, wire::Error> {
        let options = OpenOptions { create: options.create, read_only: options.read_only };
        let connection = VFS.with(|vfs| Connection::open(vfs, &path, options)).map_err(error)?;
        Ok(wire::Connection::new(Connected(connection)))
    }

    fn execute(&self, sql: String) -> Result<(), wire::Error> {
        self.0.execute(&sql).map_err(error)
    }

    fn prepare(&self, sql: String) -> Result<wire::Statement, wire::Error> {
        let statement = self.0.prepare(&sql).map_err(error)?;
        Ok(wire::Statement::new(Prepared(RefCell::new(statement))))
    }

    fn begin(&self, kind: wire::TransactionKind) -> Result<(), wire::Error> {
        self.execute(match kind {
            wire::TransactionKind::Deferred => "BEGIN DEFERRED".into(),
            wire::TransactionKind::Immediate => "BEGIN IMMEDIATE".into(),
            wire::TransactionKind::Exclusive => "BEGIN EXCLUSIVE".into(),
        })
    }

    fn commit(&self) -> Result<(), wire::Error> {
        self.execute("COMMIT".into())
    }

    fn rollback(&self) -> Result<(), wire::Error> {
        self.execute("ROLLBACK".into())
    }

    fn in_transaction(&self) -> bool {
        self.0.in_transaction()
    }
}

impl wire::GuestStatement for Prepared {
    fn columns(&self) -> Vec<String> {
        self.0.borrow().column_names()
    }

    fn run(&self, width: u32, values: Vec<wire::PackedValue>, bytes: wire::Packed) -> Result<u64, wire::Error> {
        let values = unpacked(&values, &bytes).map_err(error)?;
        self.0.borrow_mut().run(width as usize, &values).map_err(error)
    }

    fn bind(&self, values: Vec<wire::Value>) -> Result<(), wire::Error> {
        let values: Vec<Value<'_>> = values.iter().map(borrowed).collect();
        self.0.borrow_mut().bind(&values).map_err(error)
    }

    fn step(&self, max_rows: u32, max_bytes: u32) -> Result<wire::Page, wire::Error> {
        let (mut rows, mut bytes) = (max_rows.max(1), max_bytes as usize);
        let mut values = Vec::new();
        let done = self.0.borrow_mut().step(&mut |row| {
            for value in row {
                bytes = bytes.saturating_sub(length(value));
                values.push(owned(value));
            }
            rows -= 1;
            rows > 0 && bytes > 0
        });
        Ok(wire::Page { done: done.map_err(error)?, values })
    }

    fn reset(&self) {
        self.0.borrow_mut().reset();
    }
}

/// The values with their texts and blobs.
fn unpacked<'b>(values: &[wire::PackedValue], words: &'b [u64]) -> Result<Vec<Value<'b>>, SqlError> {
    // A component's words have their least significant byte first.
    let mut rest: &[u8] = bytemuck::cast_slice(words);
    let mut take = |length: u32| {
        rest.split_off(..length as usize).ok_or_else(|| misuse("the bytes are fewer than the values say"))
    };
    let found = values
        .iter()
        .map(|value| {
            Ok(match *value {
                wire::PackedValue::Null => Value::Null,
                wire::PackedValue::Integer(number) => Value::Integer(number),
                wire::PackedValue::Real(number) => Value::Real(number),
                wire::PackedValue::Text(length) => {
                    Value::Text(str::from_utf8(take(length)?).map_err(|_| misuse("a text is not UTF-8"))?)
                }
                wire::PackedValue::Blob(length) => Value::Blob(take(length)?),
            })
        })
        .collect::<Result<_, _>>()?;
    if rest.len() >= 8 || rest.iter().any(|byte| *byte != 0) {
        return Err(misuse("the bytes are more than the values say"));
    }
    Ok(found)
}

fn misuse(what: &str) -> SqlError {
    SqlError { code: primary::MISUSE, message: what.into() }
}

fn borrowed(value: &wire::Value) -> Value<'_> {
    match value {
        wire::Value::Null => Value::Null,
        wire::Value::Integer(number) => Value::Integer(*number),
        wire::Value::Real(number) => Value::Real(*number),
        wire::Value::Text(text) => Value::Text(text),
        wire::Value::Blob(bytes) => Value::Blob(bytes),
    }
}

fn owned(value: &Value<'_>) -> wire::Value {
    match *value {
        Value::Null => wire::Value::Null,
        Value::Integer(number) => wire::Value::Integer(number),
        Value::Real(number) => wire::Value::Real(number),
        Value::Text(text) => wire::Value::Text(text.into()),
        Value::Blob(bytes) => wire::Value::Blob(bytes.into()),
    }
}

fn length(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 0,
    }
}

/// SQLite's code by what a caller can do about it.
fn error(error: SqlError) -> wire::Error {
    let kind = match error.primary() {
        primary::BUSY | primary::LOCKED | primary::PROTOCOL => wire::ErrorKind::Busy,
        primary::CONSTRAINT => wire::ErrorKind::Constraint,
        primary::CORRUPT | primary::NOTADB => wire::ErrorKind::Corrupt,
        primary::CANTOPEN | primary::PERM => wire::ErrorKind::CannotOpen,
        primary::FULL | primary::TOOBIG => wire::ErrorKind::Full,
        primary::READONLY => wire::ErrorKind::ReadOnly,
        primary::IOERR => wire::ErrorKind::Io,
        primary::ERROR | primary::MISUSE | primary::RANGE | primary::MISMATCH => wire::ErrorKind::Misuse,
        _ => wire::ErrorKind::Other,
    };
    wire::Error { kind, code: error.code, message: error.message }
}
