//! Sealed payloads over a log in a file: what of a data key is left in the file system, and crashes below the engine.

use std::path::Path;
use std::time::Duration;

use secure_log::store::StoreError;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_testkit::interrupted::{Interrupted, wrapping_keys};
use secure_log_testkit::sealing::{folder_holds, seal_wrap_and_erase};

#[test]
fn row_28_no_file_holds_a_key_that_was_erased_or_wrapped_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let holds = |row: &_| folder_holds(folder.path(), row);
    seal_wrap_and_erase(|| FileStore::open(&path).unwrap(), wrapping_keys, ["kek-1", "kek-2"], holds);
}

fn store(disk: &CrashDisk) -> Result<FileStore<CrashDisk>, StoreError> {
    let mut options = Options::default();
    options.lock_wait = Duration::from_millis(1);
    options.stale_after = Duration::from_millis(20);
    FileStore::open_on(disk.clone(), Path::new("log.jsonl"), options)
}

#[test]
fn a_crash_at_every_operation_of_an_erasure_leaves_it_done_or_not_begun() {
    Interrupted::Erasing.at_every_operation(store);
}

#[test]
fn a_crash_at_every_operation_of_wrapping_anew_leaves_all_keys_or_none() {
    Interrupted::Rewrapping.at_every_operation(store);
}
