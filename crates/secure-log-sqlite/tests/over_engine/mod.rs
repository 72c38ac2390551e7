//! The store over the engine that components have, without the wire between them.

use std::collections::HashMap;
use std::ffi::CString;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secure_log::store::StoreError;
use secure_log_disk::Patience;
use secure_log_sqlite::SqliteStore;
use secure_log_sqlite::database::{Database, SqlError, Value};
use secure_log_sqlite_engine as engine;
use secure_log_testkit::crash_disk::CrashDisk;

/// A store in the database of this path.
pub(crate) fn open(vfs: &Rc<engine::Vfs>, path: &str) -> Result<SqliteStore<Engine>, StoreError> {
    SqliteStore::over(Engine::new(vfs, path))
}

/// A store in a file of a disk that can crash. What SQLite was told of stays for the rest of the program, and tests have thousands of
/// disks: so it has a disk no longer than the store does.
pub(crate) fn open_on(disk: &CrashDisk, path: &str) -> Result<SqliteStore<Engine>, StoreError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let patience = Patience { wait: Duration::from_millis(500), stale_after: Duration::from_millis(50) };
    let name = CString::new(format!("disk-{}", NUMBER.fetch_add(1, Ordering::Relaxed))).unwrap();
    let vfs = Rc::new(engine::Vfs::register(&name, disk.weak(), patience));
    SqliteStore::over(Engine { _disk: Some(disk.clone()), ..Engine::new(&vfs, path) })
}

/// What the component store-sqlite makes of the component sqlite, without the wire between them.
pub(crate) struct Engine {
    vfs: Rc<engine::Vfs>,
    path: String,
    statements: HashMap<&'static str, engine::Statement>,
    connection: Option<engine::Connection>,
    /// Goes after all that has files on it.
    _disk: Option<CrashDisk>,
}

impl Engine {
    fn new(vfs: &Rc<engine::Vfs>, path: &str) -> Engine {
        Engine { vfs: Rc::clone(vfs), path: path.into(), statements: HashMap::new(), connection: None, _disk: None }
    }

    fn connection(&self) -> &engine::Connection {
        self.connection.as_ref().expect("the store connects first")
    }

    fn statement(&mut self, sql: &'static str) -> Result<&mut engine::Statement, SqlError> {
        if !self.statements.contains_key(sql) {
            let statement = self.connection().prepare(sql).map_err(error)?;
            self.statements.insert(sql, statement);
        }
        Ok(self.statements.get_mut(sql).expect("it was prepared just now"))
    }
}

impl Database for Engine {
    fn connect(&mut self, create: bool) -> Result<bool, SqlError> {
        if self.connection.is_none() {
            let options = engine::OpenOptions { create, read_only: false };
            match engine::Connection::open(&self.vfs, &self.path, options) {
                Ok(connection) => self.connection = Some(connection),
                Err(failed) if !create && failed.primary() == engine::primary::CANTOPEN => return Ok(false),
                Err(failed) => return Err(error(failed)),
            }
        }
        Ok(true)
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.connection().execute(sql).map_err(error)
    }

    fn run(&mut self, sql: &'static str, width: usize, values: &[Value<'_>]) -> Result<u64, SqlError> {
        let values: Vec<_> = values.iter().map(given).collect();
        self.statement(sql)?.run(width, &values).map_err(error)
    }

    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&[Value<'_>]) -> bool,
    ) -> Result<(), SqlError> {
        let values: Vec<_> = values.iter().map(given).collect();
        let statement = self.statement(sql)?;
        statement.bind(&values).map_err(error)?;
        let done = statement.step(&mut |row| visit(&row.iter().map(answered).collect::<Vec<_>>()));
        if !done.map_err(error)? {
            statement.reset();
        }
        Ok(())
    }
}

fn given<'v>(value: &Value<'v>) -> engine::Value<'v> {
    match *value {
        Value::Null => engine::Value::Null,
        Value::Integer(number) => engine::Value::Integer(number),
        Value::Real(number) => engine::Value::Real(number),
        Value::Text(text) => engine::Value::Text(text),
        Value::Blob(bytes) => engine::Value::Blob(bytes),
    }
}

fn answered<'v>(value: &engine::Value<'v>) -> Value<'v> {
    match *value {
        engine::Value::Null => Value::Null,
        engine::Value::Integer(number) => Value::Integer(number),
        engine::Value::Real(number) => Value::Real(number),
        engine::Value::Text(text) => Value::Text(text),
        engine::Value::Blob(bytes) => Value::Blob(bytes),
    }
}

fn error(error: engine::SqlError) -> SqlError {
    SqlError { code: error.code, message: error.message }
}
