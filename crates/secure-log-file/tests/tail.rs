//! A log in a file is followed, whoever writes to it.

use std::path::Path;

use secure_log_file::FileStore;
use secure_log_testkit::following::{follows_another_process, follows_every_writer};

fn open(path: &Path) -> FileStore {
    FileStore::open(path).unwrap()
}

#[test]
fn every_writer_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    follows_every_writer(|| open(&folder.path().join("audit.jsonl")));
}

#[test]
fn another_process_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    follows_another_process("another_process_is_followed", &folder.path().join("audit.jsonl"), open);
}
