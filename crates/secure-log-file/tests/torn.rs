//! Torn commits and damage (docs/format.md s.7): what is set aside, and what is never touched.

use std::path::Path;

use crate::common::{self, LogBuilder, records};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_file::FileStore;

/// A log of three commits, where each ends, and a commit that may follow.
fn log_file(path: &Path) -> (LogBuilder, Vec<usize>) {
    let mut log = LogBuilder::new();
    let mut store = FileStore::open(path).unwrap();
    let mut ends = Vec::new();
    for n in 0..3 {
        let commit = match n {
            0 => log.create(),
            _ => log.commit().entry("a", &[b'x'; 1500]).entry("a", b"end").finish(),
        };
        store.insert(&commit).unwrap();
        ends.push(std::fs::metadata(path).unwrap().len() as usize);
    }
    (log, ends)
}

fn check_torn(path: &Path, bytes: &[u8], end: usize) {
    std::fs::write(path, bytes).unwrap();
    let mut store = FileStore::open(path).unwrap();
    let torn = store.torn().expect("there is a torn commit");
    assert_eq!(torn.bytes as usize, bytes.len() - end);
    assert_eq!(std::fs::read(path).unwrap(), bytes, "opening and reading write nothing");
    assert!(!Path::new(&torn.kept_as).exists());
    let before = records(&mut store);
    let head = store.heads(None, 1).unwrap().pop();
    let mut log = LogBuilder::new();
    let mut commits = vec![log.create()];
    commits.extend((0..3).map(|_| log.commit().entry("a", &[b'x'; 1500]).entry("a", b"end").finish()));
    let done = head.map_or(0, |head| head.number) as usize;
    store.insert(&commits[done]).unwrap();
    let kept = store.torn().unwrap().kept_as;
    assert_eq!(std::fs::read(&kept).unwrap(), &bytes[end..], "what was torn is kept");
    assert_eq!(std::fs::read(path).unwrap()[..end], bytes[..end], "what was finished stays");
    assert_eq!(records(&mut store)[..before.len()], before);
    drop(store);
    assert_eq!(FileStore::open(path).unwrap().torn(), None);
    std::fs::remove_file(kept).unwrap();
}

#[test]
fn every_cut_of_the_last_commit_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let (_, ends) = log_file(&path);
    let whole = std::fs::read(&path).unwrap();
    for commit in 0..3 {
        let start = if commit == 0 { 0 } else { ends[commit - 1] };
        for cut in (start + 1..ends[commit]).step_by(common::count(97, 1) as usize) {
            check_torn(&path, &whole[..cut], start);
        }
        check_torn(&path, &whole[..ends[commit] - 1], start);
    }
    check_torn(&path, &[&whole[..], b"\0\0\0\0\n garbage \n"].concat(), ends[2]);
}

#[test]
fn a_second_torn_commit_at_the_same_place_is_kept_beside_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let (mut log, ends) = log_file(&path);
    std::fs::write(folder.path().join(format!("log.jsonl.torn-{}", ends[2])), b"older").unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"t\":\"entry\",");
    std::fs::write(&path, &bytes).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    store.insert(&log.commit().entry("a", b"next").finish()).unwrap();
    assert!(store.torn().unwrap().kept_as.ends_with(&format!("torn-{}-1", ends[2])));
    assert_eq!(std::fs::read(store.torn().unwrap().kept_as).unwrap(), b"{\"t\":\"entry\",");
    assert_eq!(std::fs::read(folder.path().join(format!("log.jsonl.torn-{}", ends[2]))).unwrap(), b"older");
}

#[test]
fn a_lost_sector_in_the_last_commit_is_torn_and_anywhere_else_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let (mut log, ends) = log_file(&path);
    let whole = std::fs::read(&path).unwrap();
    let start = ends[1];
    let mut runs = 0;
    for first in std::iter::once(start).chain((0..ends[2]).step_by(512).filter(|at| *at > start)) {
        for last in (0..ends[2]).step_by(512).filter(|at| *at > first) {
            let mut bytes = whole.clone();
            bytes[first..last].fill(0);
            check_torn(&path, &bytes, start);
            runs += 1;
        }
    }
    assert!(runs > 3);

    // Not a sector: the run begins or ends somewhere else.
    let aligned = start.next_multiple_of(512);
    for (first, last) in [(aligned + 1, aligned + 512), (aligned, aligned + 511)] {
        let mut bytes = whole.clone();
        bytes[first..last].fill(0);
        refused(&path, &bytes, &mut log.clone());
    }
    // Something follows it.
    let mut bytes = whole.clone();
    bytes[aligned..aligned + 512].fill(0);
    bytes.extend_from_slice(b"{\"t\":");
    refused(&path, &bytes, &mut log.clone());
    // Earlier, where the index or the log is read.
    let mut bytes = whole.clone();
    bytes[1024..1536].fill(0);
    assert!(1536 < ends[1]);
    refused(&path, &bytes, &mut log);
}

/// The store says that the log is damaged, and writes nothing.
fn refused(path: &Path, bytes: &[u8], log: &mut LogBuilder) {
    std::fs::write(path, bytes).unwrap();
    let inserted = FileStore::open(path).and_then(|mut store| store.insert(&log.commit().entry("a", b"next").finish()));
    assert!(matches!(inserted, Err(StoreError::Corrupt { .. })), "{inserted:?}");
    assert_eq!(std::fs::read(path).unwrap(), bytes);
    let kept: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!kept.iter().any(|name| name.to_string_lossy().contains("torn")), "{kept:?}");
}

#[test]
fn damage_is_named_and_nothing_is_written_on_top() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let (mut log, ends) = log_file(&path);
    let whole = std::fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let line = ends[0] + whole[ends[0]..].iter().position(|b| *b == b'\n').unwrap() + 1;
    bytes[line + 1] = b'!';
    std::fs::write(&path, &bytes).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    // What stands before it is answered first.
    assert_eq!(store.scan(0, usize::MAX, &mut |_| {}), Ok(Some(line as u64)));
    let error = store.scan(line as u64, usize::MAX, &mut |_| {}).unwrap_err();
    let StoreError::Corrupt { at, .. } = &error else { panic!("{error}") };
    assert_eq!(at, &format!("byte {line}"));
    assert_eq!(store.heads(None, 1), Err(error.clone()));
    assert_eq!(store.insert(&log.commit().entry("a", b"next").finish()), Err(error));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // The head itself.
    let mut bytes = whole.clone();
    bytes[ends[2] - 3] ^= 1;
    refused(&path, &bytes, &mut log);
}

#[test]
fn a_file_that_is_no_log_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for text in ["hello\n", "{\"t\":\"entry\"}\n", "{}", "\n"] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(FileStore::open(&path), Err(StoreError::Corrupt { .. })), "{text:?}");
        assert_eq!(std::fs::read(&path).unwrap(), text.as_bytes());
    }
    assert!(matches!(FileStore::open(""), Err(StoreError::Config(_))));
    assert!(matches!(FileStore::open(folder.path()), Err(StoreError::Io { .. })));
}
