//! A log in a file is followed, whoever writes to it.

use std::path::Path;

use secure_log_file::disk::OsDisk;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::following::{follows_another_process, follows_every_writer};

/// As one opens a file that others append to as well.
fn open(path: &Path) -> FileStore {
    let mut shared = Options::default();
    shared.hold_lock = false;
    FileStore::open_on(OsDisk, path, shared).unwrap()
}

#[test]
fn every_writer_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    follows_every_writer(|| open(&folder.path().join("audit.jsonl")));
}

#[test]
fn another_process_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    follows_another_process("tail::another_process_is_followed", &folder.path().join("audit.jsonl"), open);
}
