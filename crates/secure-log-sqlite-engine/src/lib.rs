//! SQLite in C over any disk.
//!
//! In scope: a VFS over a [`Disk`](secure_log_disk::Disk) that hands writes over in large pieces and excludes other programs with
//! a lock file where the host has no locks; and [`Connection`] and [`Statement`], through which SQLite is called. It is what the
//! component `sqlite` is made of, and works natively, too, where tests take its disk away. Out of scope: what is in the
//! database, and the native store, which uses the locks of the system (docs/decisions/0013).
//!
//! # Example
//!
//! ```
//! use std::rc::Rc;
//!
//! use secure_log_disk::{OsDisk, Patience};
//! use secure_log_sqlite_engine::{Connection, OpenOptions, Value, Vfs};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("notes.db");
//! let vfs = Rc::new(Vfs::register(c"example", OsDisk, Patience::default()));
//! let connection =
//!     Connection::open(&vfs, path.to_str().unwrap(), OpenOptions { create: true, ..Default::default() }).unwrap();
//! connection.execute("PRAGMA journal_mode = WAL; CREATE TABLE note (text TEXT)").unwrap();
//! let mut insert = connection.prepare("INSERT INTO note VALUES (?)").unwrap();
//! assert_eq!(insert.run(1, &[Value::Text("seen"), Value::Text("done")]).unwrap(), 2);
//! ```

mod connection;
mod gathered;
mod shared;
mod vfs;

pub use connection::{Connection, OpenOptions, SqlError, Statement, Value, primary};
pub use vfs::Vfs;
