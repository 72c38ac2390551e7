//! A log in a database is followed, whoever writes to it.

use std::path::Path;

use secure_log_sqlite::{Native, SqliteStore};
use secure_log_testkit::following::{follows_another_process, follows_every_writer};

fn open(path: &Path) -> SqliteStore<Native> {
    SqliteStore::open(path).unwrap()
}

#[test]
fn every_writer_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    follows_every_writer(|| open(&folder.path().join("log.db")));
}

#[test]
fn another_process_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    follows_another_process("tail::another_process_is_followed", &folder.path().join("log.db"), open);
}
