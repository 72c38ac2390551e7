//! Archives of logs in files: the same over this store as over every other, and crashes below the engine.

use std::path::Path;
use std::time::Duration;

use secure_log::store::StoreError;
use secure_log_file::disk::OsDisk;
use secure_log_file::{ArchiveError, FileStore, Options, write_archive};
use secure_log_testkit::archiving::{a_log_is_archived_and_continued, at_every_operation, entry, open, write_some};
use secure_log_testkit::crash_disk::CrashDisk;

#[test]
fn a_log_in_a_file_is_archived_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = 0;
    a_log_is_archived_and_continued(|| {
        logs += 1;
        let path = folder.path().join(format!("log-{logs}.jsonl"));
        move || {
            let mut options = Options::default();
            options.hold_lock = false;
            FileStore::open_on(OsDisk, &path, options).unwrap()
        }
    });
}

fn store(disk: &CrashDisk, name: &str) -> Result<FileStore<CrashDisk>, StoreError> {
    let mut options = Options::default();
    options.lock_wait = Duration::from_millis(1);
    options.stale_after = Duration::from_millis(20);
    FileStore::open_on(disk.clone(), Path::new(name), options)
}

#[test]
fn a_crash_at_every_operation_of_archiving_leaves_a_whole_archive_or_none_and_one_log_that_continues() {
    at_every_operation(store, |disk, path, log| write_archive(disk, path, log).map_err(|error| error.to_string()));
}

/// A file under the name of the archive is that archive, or in the way.
#[test]
fn no_file_is_written_over_and_none_is_taken_for_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut log = open(FileStore::open(path("log.jsonl")).unwrap(), None).unwrap();
    write_some(&mut log);
    std::fs::write(path("notes"), b"something else").unwrap();
    let refused = write_archive(&OsDisk, &path("notes"), &mut log);
    assert!(matches!(refused, Err(ArchiveError::Exists)), "{refused:?}");
    assert_eq!(std::fs::read(path("notes")).unwrap(), b"something else");
    let refused = write_archive(&OsDisk, &path("no such folder/archive"), &mut log);
    assert!(matches!(refused, Err(ArchiveError::Output(_))), "{refused:?}");
    // Nothing is closed for an archive that cannot be written.
    log.append(&entry("plain", b"still open")).unwrap();
    let archived = write_archive(&OsDisk, &path("archive"), &mut log).unwrap();
    let whole = std::fs::read(path("archive")).unwrap();
    assert_eq!(write_archive(&OsDisk, &path("archive"), &mut log).unwrap(), archived);
    assert!(whole == std::fs::read(path("log.jsonl")).unwrap(), "the file of the log is its archive");
    let last_head = whole.len() - 1 - whole[..whole.len() - 1].iter().rev().position(|byte| *byte == b'\n').unwrap();
    for damaged in [&whole[..last_head], &whole[..whole.len() - 1], &[&whole[..], b"{\"t\""].concat(), &[]] {
        std::fs::write(path("archive"), damaged).unwrap();
        let refused = write_archive(&OsDisk, &path("archive"), &mut log);
        assert!(matches!(refused, Err(ArchiveError::Exists)), "{} bytes: {refused:?}", damaged.len());
    }
    assert!(!path("archive.part").exists() && !path("notes.part").exists());
}
