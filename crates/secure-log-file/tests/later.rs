//! What a later version wrote (docs/format.md s.7, "What is not known"): it is passed over, told of, and not written behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{LogBuilder, records, signature};
use secure_log::SecureLog;
use secure_log::engine::{LogOptions, NewEntry, Unattested};
use secure_log::entry::{Severity, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::record::{Record, Subject, UnknownRow};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::{Report, Verdict, verify_jsonl};
use secure_log_file::disk::OsDisk;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::OwnedRecord;
use secure_log_testkit::attacks::{options, providers, reference_verdict, sample_records, to_jsonl, trust};

const UNKNOWN: &str = "{\"t\":\"mystery\",\"of\":[1,\"x\"]}\n";

/// The log that `bytes` are, with a line before its `n`th line, and where that line begins.
fn with_line(bytes: &[u8], n: usize, line: &str) -> (Vec<u8>, usize) {
    let at = bytes.split_inclusive(|b| *b == b'\n').take(n).map(<[u8]>::len).sum();
    ([&bytes[..at], line.as_bytes(), &bytes[at..]].concat(), at)
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

fn later(at: usize) -> StoreError {
    StoreError::LaterVersion { at: format!("byte {at}"), what: "unknown record 'mystery'".into() }
}

fn open(path: &Path) -> Result<SecureLog<FileStore>, LogError> {
    SecureLog::open(FileStore::open(path)?, providers(), options())
}

fn verdict_of_lines(path: &Path) -> Report {
    verify_jsonl(&fs::read(path).unwrap()[..], &trust(), |_| {}).unwrap()
}

/// Names of the files that lie beside the log.
fn beside(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file != path).collect()
}

#[test]
fn a_log_with_an_unknown_record_is_read_and_verified_like_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let sample = to_jsonl(&sample_records());
    for n in 1..lines(&sample) {
        let (bytes, _) = with_line(&sample, n, UNKNOWN);
        fs::write(&path, &bytes).unwrap();
        let mut log = open(&path).unwrap();
        for seqno in 1..=log.size() {
            log.read(seqno).unwrap();
        }
        let report = log.verify_log().unwrap();
        assert_eq!(report, verdict_of_lines(&path), "before line {}", n + 1);
        assert_eq!((&report.verdict, report.complete_to), (&Verdict::Incomplete, 25));
        assert_eq!(
            report.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!("line {}: unknown record 'mystery'", n + 1)]
        );
    }
    assert_eq!(beside(&path), Vec::<PathBuf>::new(), "reading makes no file");
    if let Some((verdict, said)) = reference_verdict(&path) {
        assert_eq!(verdict, "incomplete", "{said}");
    }
}

#[test]
fn whatever_writes_is_refused_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    // What was never finished is not moved either.
    let sample = [&to_jsonl(&sample_records())[..], b"{\"t\":\"ent"].concat();
    let (bytes, at) = with_line(&sample, 30, UNKNOWN);
    // A second one is passed over as the first.
    let (bytes, _) = with_line(&bytes, 33, UNKNOWN);
    fs::write(&path, &bytes).unwrap();
    let mut log = open(&path).unwrap();
    let entry = NewEntry {
        stream: "files",
        event: "e",
        severity: Severity::Info,
        producer: "p",
        encoding: "text",
        payload: b"no",
    };
    let refused = LogError::Store(later(at));
    assert_eq!(log.append(&entry).unwrap_err(), refused);
    assert_eq!(log.close_segment("files").unwrap_err(), refused);
    assert_eq!(log.create_stream("new", &StreamRules::default()).unwrap_err(), refused);
    assert_eq!(log.change_suite("files", Suite::Sha256).unwrap_err(), refused);
    assert_eq!(log.deprecate_stream("files").unwrap_err(), refused);
    assert_eq!(log.append(&entry).unwrap_err(), refused, "and goes on being refused");
    assert_eq!(log.read(25).unwrap().stream, "files", "and to be read");
    let mut store = log.into_store();
    assert_eq!(store.prune(&[("plain", 25)]), Err(later(at)));
    assert_eq!(store.drop_data_keys(&[Hash::ZERO]), Err(later(at)));
    assert_eq!(store.replace_data_keys(&[]), Err(later(at)));
    assert_eq!(store.drop_witnesses(&[]), Err(later(at)));
    assert_eq!(store.set_aside(2), Err(later(at)));
    store.reindex().unwrap();
    assert_eq!(store.prune(&[("plain", 25)]), Err(later(at)), "by an index that was built anew, too");
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let index = folder.path().join("log.jsonl.idx");
    assert!(beside(&path).iter().all(|file| *file == index), "{:?}", beside(&path));
}

#[test]
fn an_operators_choice_has_to_be_written_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut records = sample_records();
    let Some(OwnedRecord::Head(head)) = records.last_mut() else { panic!("a head ends the log") };
    head.sigs.clear();
    let (bytes, at) = with_line(&to_jsonl(&records), 30, UNKNOWN);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(&path).map(drop), Err(LogError::Unattested { .. })));
    for unattested in [Unattested::Adopt, Unattested::SetAside] {
        let options = LogOptions { unattested, ..options() };
        let refused = SecureLog::open(FileStore::open(&path).unwrap(), providers(), options).map(drop);
        assert_eq!(refused, Err(LogError::Store(later(at))), "{unattested:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// A log of three commits, and one that may follow.
fn small_log(path: &Path) -> LogBuilder {
    let mut log = LogBuilder::new();
    let mut store = FileStore::open(path).unwrap();
    store.insert(&log.create()).unwrap();
    let signed = log.commit().entry("a", b"1").record(Record::Signature(&signature(Subject::Entry(1), 1)));
    store.insert(&signed.entry("a", b"2").finish()).unwrap();
    store.insert(&log.commit().entry("a", b"3").close("a").finish()).unwrap();
    log
}

#[test]
fn the_index_on_disk_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = small_log(&path);
    let (bytes, at) = with_line(&fs::read(&path).unwrap(), 3, UNKNOWN);
    fs::write(&path, &bytes).unwrap();
    let next = log.commit().entry("a", b"4").finish();
    // Whoever takes the lock writes an index that lacks as much.
    let mut eager = Options::default();
    eager.index_every = 1;
    let built = Arc::new(AtomicU64::new(0));
    for built_now in [true, false] {
        let mut store = FileStore::open_on(OsDisk, &path, eager.clone()).unwrap();
        let count = built.clone();
        store.on_progress(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(store.insert(&next), Err(later(at)));
        assert_eq!(built.swap(0, Ordering::Relaxed) > 0, built_now);
    }
    // Where it is gone the log is written again, whatever the index says.
    let known = String::from_utf8(bytes).unwrap().replace(UNKNOWN, "");
    fs::write(&path, known).unwrap();
    FileStore::open_on(OsDisk, &path, eager).unwrap().insert(&next).unwrap();
}

#[test]
fn a_later_version_that_writes_meanwhile_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = small_log(&path);
    let mut shared = Options::default();
    shared.hold_lock = false;
    let mut store = FileStore::open_on(OsDisk, &path, shared).unwrap();
    store.insert(&log.commit().entry("a", b"4").finish()).unwrap();
    let stale = log.clone().commit().entry("a", b"5").finish();
    FileStore::open(&path).unwrap().insert(&log.commit().entry("b", b"5").finish()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (bytes, at) = with_line(&bytes, lines(&bytes) - 1, UNKNOWN);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(store.insert(&stale), Err(later(at)));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn signatures_are_found_behind_an_unknown_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    small_log(&path);
    let bytes = fs::read(&path).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    let signatures = store.signatures(Subject::Entry(1)).unwrap();
    assert_eq!(signatures.len(), 1);
    let before = records(&mut store);
    let line = before.iter().position(|record| record.starts_with("Signature")).unwrap();
    fs::write(&path, with_line(&bytes, line, UNKNOWN).0).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    assert_eq!(store.signatures(Subject::Entry(1)).unwrap(), signatures);
    let mut after = records(&mut store);
    assert_eq!(after.remove(line), format!("{:?}", Record::Unknown(UnknownRow { kind: "mystery" })));
    assert_eq!(after, before);
}

#[test]
fn an_unknown_record_that_is_not_well_spelled_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = small_log(&path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, with_line(&bytes, 3, "{\"t\":\"mystery\" }\n").0).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    assert!(matches!(store.segment_count(), Err(StoreError::Corrupt { .. })));
    let refused = store.insert(&log.commit().entry("a", b"4").finish());
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn behind_the_last_head_it_is_a_torn_commit_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = small_log(&path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, [&bytes, UNKNOWN.as_bytes()].concat()).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    assert_eq!(store.torn().unwrap().bytes as usize, UNKNOWN.len());
    store.insert(&log.commit().entry("a", b"4").finish()).unwrap();
    assert_eq!(fs::read(store.torn().unwrap().kept_as).unwrap(), UNKNOWN.as_bytes());
}

#[test]
fn a_log_of_another_version_is_named_and_neither_read_nor_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = small_log(&path);
    let next = log.commit().entry("a", b"4").finish();
    let text = fs::read_to_string(&path).unwrap();
    for (bytes, what) in [
        (text.replace("\"v\":1", "\"v\":2"), "log format version 2 is not known here"),
        (text.replace("\"t\":\"log\",", "\"t\":\"book\","), "unknown record 'book'"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let mut store = FileStore::open(&path).unwrap();
        let later = StoreError::LaterVersion { at: "byte 0".into(), what: what.into() };
        assert_eq!(store.log(), Err(later.clone()));
        assert_eq!(store.insert(&next), Err(later.clone()));
        assert_eq!(open(&path).map(drop), Err(LogError::Store(later)));
        assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
    }
}
