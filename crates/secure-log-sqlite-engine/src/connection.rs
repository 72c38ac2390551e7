//! Connections and statements: SQLite's C interface, safe to call.

#![allow(unsafe_code, reason = "SQLite is in C; each call says why it may be made")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr;
use std::rc::Rc;

use libsqlite3_sys as ffi;

use crate::vfs::{Note, Vfs};

/// A value of a column or of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are SQLite's own")]
pub enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// What SQLite says went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The extended result code.
    pub code: i32,
    /// In SQLite's words, with those of the system where there are any.
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

/// Result codes without extension, by their names in SQLite.
pub mod primary {
    #![allow(missing_docs, reason = "SQLite's documentation describes them")]
    pub use libsqlite3_sys::{
        SQLITE_BUSY as BUSY, SQLITE_CANTOPEN as CANTOPEN, SQLITE_CONSTRAINT as CONSTRAINT, SQLITE_CORRUPT as CORRUPT,
        SQLITE_ERROR as ERROR, SQLITE_FULL as FULL, SQLITE_IOERR as IOERR, SQLITE_LOCKED as LOCKED,
        SQLITE_MISMATCH as MISMATCH, SQLITE_MISUSE as MISUSE, SQLITE_NOTADB as NOTADB, SQLITE_PERM as PERM,
        SQLITE_PROTOCOL as PROTOCOL, SQLITE_RANGE as RANGE, SQLITE_READONLY as READONLY, SQLITE_TOOBIG as TOOBIG,
    };
}

/// How a database is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Whether one that is not there is made.
    pub create: bool,
    /// Whether nothing may be written.
    pub read_only: bool,
}

/// A connection to a database.
pub struct Connection {
    open: Rc<Open>,
}

/// What lives as long as the connection or any of its statements.
struct Open {
    raw: *mut ffi::sqlite3,
    vfs: Rc<Vfs>,
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: the pointer is SQLite's own, every statement holds this alive, and nothing uses it afterwards.
        unsafe { ffi::sqlite3_close(self.raw) };
    }
}

impl Connection {
    /// Opens the database at this path, or a new one in memory for `:memory:`.
    pub fn open(vfs: &Rc<Vfs>, path: &str, options: OpenOptions) -> Result<Connection, SqlError> {
        // A name is a path and nothing else.
        let path = if path.starts_with("file:") { format!("./{path}") } else { path.into() };
        let path = c_string(&path)?;
        let access = match options {
            OpenOptions { read_only: true, .. } => ffi::SQLITE_OPEN_READONLY,
            OpenOptions { create: true, .. } => ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE,
            _ => ffi::SQLITE_OPEN_READWRITE,
        };
        let flags = access | ffi::SQLITE_OPEN_NOMUTEX | ffi::SQLITE_OPEN_EXRESCODE;
        vfs.take_note();
        let mut raw = ptr::null_mut();
        // SAFETY: the strings end with zero bytes and outlive the call, and `raw` is room for a pointer.
        let code = unsafe { ffi::sqlite3_open_v2(path.as_ptr(), &mut raw, flags, vfs.name().as_ptr()) };
        // Also one that failed to open has to be closed.
        let open = Open { raw, vfs: vfs.clone() };
        open.check(code)?;
        // Whoever wrote the file does not get to run anything.
        open.configure(ffi::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        open.configure(ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Otherwise SQLite looks at the values of limits while it plans, and plans anew whenever there are others.
        open.configure(ffi::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        open.make_checkpoints();
        Ok(Connection { open: Rc::new(open) })
    }

    /// Runs statements one after the other, and passes over the rows that they answer.
    pub fn execute(&self, sql: &str) -> Result<(), SqlError> {
        let mut rest = c_string(sql)?.into_bytes_with_nul();
        loop {
            let (statement, used) = self.open.prepare(&rest)?;
            if let Some(raw) = statement {
                Statement { raw, open: self.open.clone(), stepping: false }.run(0, &[])?;
            }
            rest.drain(..used);
            if rest.len() <= 1 {
                return Ok(());
            }
        }
    }

    /// Prepares one statement.
    pub fn prepare(&self, sql: &str) -> Result<Statement, SqlError> {
        let text = c_string(sql)?.into_bytes_with_nul();
        let (statement, used) = self.open.prepare(&text)?;
        let raw = statement.ok_or_else(|| misuse("there is no statement in the text"))?;
        let statement = Statement { raw, open: self.open.clone(), stepping: false };
        match self.open.prepare(&text[used..])? {
            (None, _) => Ok(statement),
            (Some(raw), _) => {
                drop(Statement { raw, open: self.open.clone(), stepping: false });
                Err(misuse("there is more than one statement in the text"))
            }
        }
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_get_autocommit(self.open.raw) == 0 }
    }
}

/// The write-ahead log goes into the database once it has so many frames, as SQLite has it by default.
const CHECKPOINT_FRAMES: c_int = 1000;
/// And so many where others write, too: whoever comes after another one reads all of it.
const SHARED_FRAMES: c_int = 250;

/// Is called by SQLite after each commit. A checkpoint that fails is made after another commit.
unsafe extern "C" fn after_commit(
    vfs: *mut c_void,
    connection: *mut ffi::sqlite3,
    name: *const c_char,
    frames: c_int,
) -> c_int {
    // SAFETY: the VFS is held by the connection that calls this.
    let others = unsafe { &*vfs.cast::<Vfs>() }.others();
    // That a log went into the database is known to who made the checkpoint alone. Others would go on behind its end for ever,
    // unless it is emptied.
    let (most, mode) = match others.get() {
        true => (SHARED_FRAMES, ffi::SQLITE_CHECKPOINT_TRUNCATE),
        false => (CHECKPOINT_FRAMES, ffi::SQLITE_CHECKPOINT_PASSIVE),
    };
    if frames >= most {
        // SAFETY: SQLite passed the connection and the name, and allows this here.
        let made = unsafe { ffi::sqlite3_wal_checkpoint_v2(connection, name, mode, ptr::null_mut(), ptr::null_mut()) };
        others.set(others.get() && made != ffi::SQLITE_OK);
    }
    ffi::SQLITE_OK
}

impl Open {
    fn make_checkpoints(&self) {
        let vfs: *const Vfs = &*self.vfs;
        // SAFETY: the connection is open, and holds the VFS for as long as it may call back.
        unsafe { ffi::sqlite3_wal_hook(self.raw, Some(after_commit), vfs.cast_mut().cast()) };
    }

    fn configure(&self, option: c_int, on: bool) -> Result<(), SqlError> {
        // SAFETY: the connection is open, and these options take a number and a pointer that may be null.
        self.check(unsafe { ffi::sqlite3_db_config(self.raw, option, c_int::from(on), ptr::null_mut::<c_int>()) })
    }

    /// Prepares the first statement of a text that ends with a zero byte, if there is one, and says how much it takes.
    fn prepare(&self, text: &[u8]) -> Result<(Option<*mut ffi::sqlite3_stmt>, usize), SqlError> {
        debug_assert_eq!(text.last(), Some(&0));
        let length = c_int::try_from(text.len()).map_err(|_| misuse("the text is too long"))?;
        let (mut raw, mut tail) = (ptr::null_mut(), ptr::null());
        let start: *const c_char = text.as_ptr().cast();
        // SAFETY: the connection is open, and the text has this length and ends with a zero byte.
        self.check(unsafe {
            ffi::sqlite3_prepare_v3(self.raw, start, length, ffi::SQLITE_PREPARE_PERSISTENT, &mut raw, &mut tail)
        })?;
        let used = (tail as usize).saturating_sub(start as usize).min(text.len() - 1);
        Ok(((!raw.is_null()).then_some(raw), used))
    }

    /// Makes an error of a result code, with what SQLite and the system say about it.
    fn check(&self, code: c_int) -> Result<(), SqlError> {
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        self.vfs.rest();
        let message = if self.raw.is_null() {
            "there is not enough memory".into()
        } else {
            // SAFETY: the connection is there, and its message ends with a zero byte and stays until it is used again.
            unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.raw)) }.to_string_lossy().into_owned()
        };
        Err(match self.vfs.take_note() {
            Some(Note::Held(detail)) => SqlError { code: ffi::SQLITE_BUSY, message: detail },
            Some(Note::Io(detail)) => SqlError { code, message: format!("{message}: {detail}") },
            None => SqlError { code, message },
        })
    }
}

/// A prepared statement, which keeps its connection open.
pub struct Statement {
    raw: *mut ffi::sqlite3_stmt,
    open: Rc<Open>,
    /// There may be rows to come.
    stepping: bool,
}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: the pointer is SQLite's own, and nothing uses it afterwards.
        unsafe { ffi::sqlite3_finalize(self.raw) };
    }
}

/// Whether SQLite copies what is bound.
#[derive(Clone, Copy)]
enum Keep {
    /// It is there until it is bound anew.
    Borrowed,
    Copied,
}

impl Statement {
    /// How many columns its rows have.
    pub fn columns(&self) -> usize {
        // SAFETY: the statement is prepared.
        unsafe { ffi::sqlite3_column_count(self.raw) as usize }
    }

    /// The columns' names.
    pub fn column_names(&self) -> Vec<String> {
        let name = |column| {
            // SAFETY: the statement is prepared and has this column.
            let name = unsafe { ffi::sqlite3_column_name(self.raw, column as c_int) };
            // SAFETY: a name ends with a zero byte and stays until the next call; it is null when memory ran out.
            if name.is_null() { String::new() } else { unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned() }
        };
        (0..self.columns()).map(name).collect()
    }

    /// How many values it takes.
    pub fn parameters(&self) -> usize {
        // SAFETY: the statement is prepared.
        unsafe { ffi::sqlite3_bind_parameter_count(self.raw) as usize }
    }

    /// Runs it once for each `width` of the values, or once when it takes none, passes over the rows that it answers, and says
    /// how many rows were changed in all.
    pub fn run(&mut self, width: usize, values: &[Value<'_>]) -> Result<u64, SqlError> {
        if width != self.parameters() || (width == 0 && !values.is_empty()) {
            return Err(misuse(&format!("rows of {width} values are for {} parameters", self.parameters())));
        }
        if width > 0 && !values.len().is_multiple_of(width) {
            return Err(misuse("the values do not make whole rows"));
        }
        let begun = self.total_changes();
        self.rewind();
        let done = self.run_rows(width, values);
        // SQLite is not to know of what was borrowed any longer.
        self.rewind();
        self.forget_values();
        self.open.vfs.rest();
        done?;
        Ok(self.total_changes().saturating_sub(begun))
    }

    fn run_rows(&mut self, width: usize, values: &[Value<'_>]) -> Result<(), SqlError> {
        let mut rest = values;
        loop {
            let (row, others) = rest.split_at(width.min(rest.len()));
            if row.len() < width {
                return Ok(());
            }
            for (number, value) in (1..).zip(row) {
                self.bind_one(number, value, Keep::Borrowed)?;
            }
            while self.advance()? {}
            if width == 0 {
                return Ok(());
            }
            rest = others;
        }
    }

    /// Begins anew with these values.
    pub fn bind(&mut self, values: &[Value<'_>]) -> Result<(), SqlError> {
        self.rewind();
        let parameters = self.parameters();
        if values.len() != parameters {
            return Err(misuse(&format!("there are {} values for {parameters} parameters", values.len())));
        }
        for (number, value) in (1..).zip(values) {
            self.bind_one(number, value, Keep::Copied)?;
        }
        self.stepping = true;
        Ok(())
    }

    /// Shows rows until `visit` answers `false`, and says whether that was all of them. After the last one, and after an
    /// error, the statement has to be bound again.
    pub fn step(&mut self, visit: &mut dyn FnMut(&[Value<'_>]) -> bool) -> Result<bool, SqlError> {
        let columns = self.columns();
        let mut row = Vec::with_capacity(columns);
        while self.stepping {
            if !self.advance()? {
                break;
            }
            row.extend((0..columns).map(|column| self.value(column)));
            let goes_on = visit(&row);
            row.clear();
            if !goes_on {
                return Ok(false);
            }
        }
        self.open.vfs.rest();
        Ok(true)
    }

    /// Ends what was begun, so that it holds nothing.
    pub fn reset(&mut self) {
        self.rewind();
        self.open.vfs.rest();
    }

    fn rewind(&mut self) {
        self.stepping = false;
        // SAFETY: the statement is prepared. What it answers is the error that was told already.
        unsafe { ffi::sqlite3_reset(self.raw) };
    }

    fn forget_values(&mut self) {
        // SAFETY: the statement is prepared, and at its beginning.
        unsafe { ffi::sqlite3_clear_bindings(self.raw) };
    }

    fn total_changes(&self) -> u64 {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_total_changes64(self.open.raw) as u64 }
    }

    /// Whether there is another row.
    fn advance(&mut self) -> Result<bool, SqlError> {
        // SAFETY: the statement is prepared.
        match unsafe { ffi::sqlite3_step(self.raw) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => {
                self.rewind();
                Ok(false)
            }
            code => {
                let failed = self.open.check(code);
                self.rewind();
                self.open.vfs.rest();
                failed.map(|()| false)
            }
        }
    }

    fn bind_one(&mut self, number: c_int, value: &Value<'_>, keep: Keep) -> Result<(), SqlError> {
        let raw = self.raw;
        let keep = match keep {
            Keep::Borrowed => ffi::SQLITE_STATIC(),
            Keep::Copied => ffi::SQLITE_TRANSIENT(),
        };
        // SAFETY: the statement is prepared and was reset. Bytes have the length that is told; they are copied, or else stay
        // until `run` has made SQLite forget them. An empty slice's pointer is not null, so it is not taken for NULL.
        let code = unsafe {
            match *value {
                Value::Null => ffi::sqlite3_bind_null(raw, number),
                Value::Integer(value) => ffi::sqlite3_bind_int64(raw, number, value),
                Value::Real(value) => ffi::sqlite3_bind_double(raw, number, value),
                Value::Text(text) => ffi::sqlite3_bind_text64(
                    raw,
                    number,
                    text.as_ptr().cast(),
                    text.len() as u64,
                    keep,
                    ffi::SQLITE_UTF8 as u8,
                ),
                Value::Blob(bytes) => {
                    ffi::sqlite3_bind_blob64(raw, number, bytes.as_ptr().cast(), bytes.len() as u64, keep)
                }
            }
        };
        self.open.check(code)
    }

    /// A column of the row that is there. The lifetime is that of the row, which `step` keeps.
    fn value<'r>(&self, column: usize) -> Value<'r> {
        let (raw, column) = (self.raw, column as c_int);
        // SAFETY: the statement has a row and this column. Text and bytes are asked for in the form that they have, so that
        // nothing moves them before the next step; their length is asked for after their place, as SQLite wants it.
        unsafe {
            match ffi::sqlite3_column_type(raw, column) {
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_column_int64(raw, column)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_column_double(raw, column)),
                ffi::SQLITE_TEXT => {
                    let text = bytes(ffi::sqlite3_column_text(raw, column), ffi::sqlite3_column_bytes(raw, column));
                    // SQLite does not insist on UTF-8.
                    std::str::from_utf8(text).map_or(Value::Blob(text), Value::Text)
                }
                ffi::SQLITE_BLOB => Value::Blob(bytes(
                    ffi::sqlite3_column_blob(raw, column).cast(),
                    ffi::sqlite3_column_bytes(raw, column),
                )),
                _ => Value::Null,
            }
        }
    }
}

/// So many bytes, of which there may be none.
///
/// # Safety
///
/// They stay for the lifetime that is taken for them.
unsafe fn bytes<'r>(start: *const u8, length: c_int) -> &'r [u8] {
    if start.is_null() || length <= 0 {
        return &[];
    }
    // SAFETY: as promised.
    unsafe { std::slice::from_raw_parts(start, length as usize) }
}

fn c_string(text: &str) -> Result<CString, SqlError> {
    CString::new(text).map_err(|_| misuse("there is a zero byte in the text"))
}

fn misuse(message: &str) -> SqlError {
    SqlError { code: ffi::SQLITE_MISUSE, message: message.into() }
}
