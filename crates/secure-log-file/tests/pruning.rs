//! Pruning over a log in a file: what is left of it in the file system, how much room it makes, readers who have the old file open,
//! a disk without room, and crashes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use secure_log::error::LogError;
use secure_log::record::Record;
use secure_log::store::{EntryRange, SecureLogStore, StoreError};
use secure_log_file::{FileStore, Options};
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_testkit::pruning::{
    MARK, at_every_operation, open_log, prepare, prune_makes_room, the_independent_reader_says_the_same, without_room,
};

fn store(disk: &CrashDisk) -> Result<FileStore<CrashDisk>, StoreError> {
    let mut options = Options::default();
    options.lock_wait = Duration::from_millis(1);
    options.stale_after = Duration::from_millis(20);
    FileStore::open_on(disk.clone(), Path::new("log.jsonl"), options)
}

/// Whether any file beneath a folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            holds(&path, bytes)
        } else {
            fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
        }
    })
}

#[test]
fn a_prune_makes_the_file_smaller_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let size = || fs::metadata(&path).unwrap().len();
    prune_makes_room(|| FileStore::open(&path).unwrap(), size, |bytes| holds(folder.path(), bytes));
}

#[test]
fn a_crash_at_every_operation_of_a_prune_leaves_it_done_or_not_begun() {
    at_every_operation(store, |_| ());
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was_until_there_is_room() {
    without_room(store);
}

#[test]
fn a_pruned_file_is_what_the_independent_reader_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    the_independent_reader_says_the_same(|| FileStore::open(&path).unwrap(), folder.path());
}

/// What an entry of the stream is to who reads it: its mark, or a pruned row.
fn marks(store: &mut impl SecureLogStore) -> (usize, usize) {
    let (mut there, mut gone) = (0, 0);
    let all = EntryRange { stream: Some("old"), from: 1, to: u64::MAX, limit: u32::MAX };
    store
        .entries(all, &mut |row| match row {
            Record::Entry(row) if row.bytes.windows(MARK.len()).any(|window| window == MARK) => there += 1,
            Record::Pruned(_) => gone += 1,
            _ => {}
        })
        .unwrap();
    (there, gone)
}

#[test]
fn who_has_the_old_file_open_reads_the_new_one_and_no_half_of_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    prepare(FileStore::open(&path).unwrap(), 100, 1000);
    let mut reader = FileStore::open(&path).unwrap();
    assert_eq!(marks(&mut reader), (100, 0));
    // Half of a scan is read before, by a handle of the old file, which stays as it was.
    let mut old = fs::File::open(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let mut other = open_log(FileStore::open(&path).unwrap()).unwrap();
    other.read_page(Some("old"), 1, u64::MAX, 10).unwrap();
    open_log(FileStore::open(&path).unwrap()).unwrap().prune(&"log entries:0".parse().unwrap(), "old").unwrap();
    // The handle stays one of the old file, all of it, until they look for what others did.
    assert_eq!(marks(&mut reader), (100, 0));
    reader.heads(None, 1).unwrap();
    assert_eq!(marks(&mut reader), (0, 100));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut old, &mut bytes).unwrap();
    assert!(bytes.starts_with(&before), "the old file was changed, and not only appended to");
    // A log that was open before goes on with the new file.
    assert_eq!(other.read_page(Some("old"), 1, u64::MAX, 10).unwrap().len(), 2, "the close and the record are left");
    other
        .append(&secure_log::engine::NewEntry {
            stream: "kept",
            event: "e",
            severity: secure_log::entry::Severity::Info,
            producer: "p",
            encoding: "text",
            payload: b"on",
        })
        .unwrap();
    assert_eq!(other.verify_log().unwrap().pruned, 100);
}

/// While the log is rewritten nobody else writes: they are told that it is locked, and nothing of what they wrote is lost.
#[test]
fn while_another_holds_the_log_nothing_is_pruned_and_the_record_is_made_up_for() {
    let disk = CrashDisk::new();
    prepare(store(&disk).unwrap(), 4, 500);
    let mut holder = store(&disk).unwrap();
    let mut log = open_log(store(&disk).unwrap()).unwrap();
    let all = "log entries:0".parse().unwrap();
    // A row that changes nothing takes the lock, which a native store keeps.
    holder.drop_data_keys(&[]).unwrap();
    let refused = log.prune(&all, "old");
    assert!(matches!(&refused, Err(LogError::Store(StoreError::Locked { .. }))), "{refused:?}");
    assert_eq!(marks(log.store_mut()), (4, 0));
    holder.release();
    assert_eq!(log.prune(&all, "old").unwrap().streams[0].entries, 4);
    assert_eq!(marks(log.store_mut()), (0, 4));
}
