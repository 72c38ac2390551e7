//! Reading a log back: what verifies is the log that was exported, to the byte, and nothing else is ever a log.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::*;
use secure_log::import::{Import, ImportError, ImportOptions, import_jsonl};
use secure_log::index::actor_key;
use secure_log::jsonl;
use secure_log::memory::MemoryStore;
use secure_log::store::{Commit, StoreError};
use secure_log::verify::{LogVerifier, Report, Trust, Verdict};
use secure_log_file::FileStore;
use secure_log_testkit::attacks::trust;
use secure_log_testkit::{Effect, Fault, FaultStore, NaiveStore, OwnedRecord, SharedStore, count, records_of};

fn trusting() -> ImportOptions {
    ImportOptions { trust: trust(), incomplete: false }
}

fn import<S: SecureLogStore>(store: &mut S, lines: &[u8]) -> Result<Report, ImportError> {
    import_jsonl(store, lines, trusting(), |_| {})
}

fn lines_of<S: SecureLogStore>(store: &mut S) -> Vec<u8> {
    let mut lines = Vec::new();
    jsonl::export(store, &mut lines).unwrap();
    lines
}

fn exported() -> (World, Vec<u8>) {
    let world = sealing();
    let mut log = written(&world);
    let lines = export(&mut log, &whole(Format::JsonLines)).unwrap().0.into_bytes();
    (world, lines)
}

/// What an index has a row for.
const EVENT: &[u8] = br#"{"actor":{"id":"alice","kind":"user"}}"#;

/// A log whose import takes several parts, some of them commits of more than a part.
fn long_log() -> Vec<u8> {
    let world = World::new();
    let mut log = world.open().unwrap();
    for round in 0..24u8 {
        let payload = vec![b'a' + round % 26; if round % 7 == 0 { 100_000 } else { 9_000 }];
        let batch: Vec<NewEntry<'_>> = (0..12).map(|n| entry(["a", "b"][n % 2], &payload)).collect();
        log.append_batch(&batch).unwrap();
        let event = NewEntry { encoding: "secure-log.audit.v1+json", ..entry("a", EVENT) };
        log.append(&event).unwrap();
        if round % 10 == 0 {
            log.close_segment("a").unwrap();
        }
    }
    export(&mut log, &whole(Format::JsonLines)).unwrap().0.into_bytes()
}

#[test]
fn a_log_comes_back_to_the_byte_whatever_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, lines) in [exported().1, long_log()].into_iter().enumerate() {
        let mut memory = MemoryStore::new();
        let report = import(&mut memory, &lines).unwrap();
        assert_eq!(report.verdict, Verdict::Valid);
        assert!(lines_of(&mut memory) == lines);
        let mut naive = NaiveStore::new();
        import(&mut naive, &lines).unwrap();
        assert_eq!(records_of(&mut naive).unwrap(), records_of(&mut memory).unwrap());
        let path = folder.path().join(format!("log-{number}.jsonl"));
        let mut file = FileStore::open(&path).unwrap();
        import(&mut file, &lines).unwrap();
        drop(file);
        assert!(std::fs::read(&path).unwrap() == lines, "a file of lines is the export itself");
        // It is a log like any other: it is continued, and proves what it did.
        let world = sealing();
        for round in 0..2u8 {
            let mut log = world.open_on(FileStore::open(&path).unwrap(), |_| ()).unwrap();
            assert_eq!(log.size(), report.size + u64::from(round) * 2);
            append(&mut log, "a", b"goes on");
            append(&mut log, "a", b"and on");
            assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
        }
        let mut log = world.open_on(memory, |_| ()).unwrap();
        append(&mut log, "a", b"goes on");
        let rows = log.size();
        (1..=rows).for_each(|seqno| drop(log.read(seqno).unwrap()));
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    }
}

/// The interior hashes come with the rows: a store computes none.
#[test]
fn a_store_that_computes_nothing_has_every_tree_hash() {
    let lines = long_log();
    let mut memory = MemoryStore::new();
    import(&mut memory, &lines).unwrap();
    let world = World::new();
    let mut log = world.open_on(memory, |_| ()).unwrap();
    let proofs: Vec<_> = (1..=log.size()).step_by(37).map(|seqno| log.prove_in_segment(seqno).ok()).collect();
    assert!(proofs.iter().flatten().count() > 3, "closed segments prove their entries");
    let (_, hash) = log.read_hashed(1).unwrap();
    assert_eq!(log.prove_in_segment(1).unwrap().hash, hash);
}

/// So do the rows of the index.
#[test]
fn an_imported_log_is_read_by_who_acted() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let event = NewEntry {
        encoding: "secure-log.audit.v1+json",
        ..entry("a", br#"{"actor":{"id":"one","kind":"agent"},"id":"x"}"#)
    };
    let seqnos = [(); 3].map(|()| log.append(&event).unwrap().0.seqno);
    let lines = export(&mut log, &whole(Format::JsonLines)).unwrap().0.into_bytes();
    let mut memory = MemoryStore::new();
    import(&mut memory, &lines).unwrap();
    let mut log = world.open_on(memory, |_| ()).unwrap();
    let found = log.read_indexed(actor_key("agent", "one"), 1, u64::MAX, 10).unwrap();
    assert!(found.iter().map(|entry| entry.seqno).eq(seqnos));
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn every_golden_log_is_imported_if_and_only_if_it_is_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/secure-log/logs");
    let expected: BTreeMap<String, String> =
        serde_json::from_slice(&std::fs::read(format!("{folder}/expected.json")).unwrap()).unwrap();
    let (mut valid, mut incomplete, mut invalid) = (0, 0, 0);
    for (name, outcome) in &expected {
        let lines = std::fs::read(format!("{folder}/{name}.jsonl")).unwrap();
        let trust = crate::support::golden_trust();
        let mut report = LogVerifier::new(trust.clone()).unwrap();
        report.push(&lines);
        let report = report.finish();
        let mut store = MemoryStore::new();
        let strict = ImportOptions { trust: trust.clone(), incomplete: false };
        match import_jsonl(&mut store, &lines[..], strict, |_| {}) {
            Ok(said) => {
                valid += 1;
                assert_eq!((&**outcome, said), ("valid", report), "{name}");
                assert!(lines_of(&mut store) == lines, "{name}");
                continue;
            }
            Err(ImportError::Refused(said)) => assert_eq!(*said, report, "{name}"),
            Err(other) => panic!("{name}: {other}"),
        }
        assert_ne!(outcome, "valid", "{name}");
        assert_empty(&mut store);
        let lenient = ImportOptions { trust, incomplete: true };
        match import_jsonl(&mut store, &lines[..], lenient, |_| {}) {
            Ok(said) => {
                incomplete += 1;
                assert_eq!((&said, &said.verdict), (&report, &Verdict::Incomplete), "{name}");
                assert!(lines_of(&mut store) == lines, "{name}");
            }
            Err(ImportError::Refused(said)) => {
                invalid += 1;
                assert_eq!(*said, report, "{name}");
                assert_empty(&mut store);
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
    assert_eq!(valid + incomplete + invalid, expected.len());
    assert!(valid > 20 && incomplete > 10 && invalid > 80, "{valid} {incomplete} {invalid}");
}

#[track_caller]
fn assert_empty<S: SecureLogStore>(store: &mut S) {
    assert_eq!(store.log().unwrap(), None);
    assert_eq!(store.heads(None, 1).unwrap(), []);
}

/// Each byte of the file that is changed, and each line that is left out, is found before there is a log.
#[test]
fn no_changed_byte_and_no_missing_line_is_imported() {
    let (_, lines) = exported();
    let mut store = MemoryStore::new();
    for at in (0..lines.len()).step_by(if count(1, 2) == 1 { 211 } else { 1 }) {
        let mut changed = lines.clone();
        changed[at] ^= 1;
        match import(&mut store, &changed) {
            Err(ImportError::Refused(_)) => {}
            // Nothing covers the date and the wrapping of a data key, nor its label; and a signature of a head under another
            // name counts for nothing where a later head is signed (format.md s.7).
            Ok(_) => {
                let start = changed[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
                let uncovered: [&[u8]; 2] = [br#"{"t":"dek""#, jsonl::HEAD_PREFIX];
                assert!(
                    uncovered.iter().any(|kind| changed[start..].starts_with(kind)),
                    "byte {at} counts for nothing"
                );
                store = MemoryStore::new();
            }
            Err(other) => panic!("{other}"),
        }
        assert_empty(&mut store);
    }
    let all: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    for gone in 0..all.len() {
        let rest = [&all[..gone], &all[gone + 1..]].concat().concat();
        let outcome = import(&mut store, &rest);
        if outcome.is_ok() {
            // A head between others says nothing that the next one does not, and nothing names the key for pseudonyms.
            let unnamed: [&[u8]; 2] = [br#"{"t":"dek""#, jsonl::HEAD_PREFIX];
            let line = String::from_utf8_lossy(all[gone]);
            assert!(unnamed.iter().any(|kind| all[gone].starts_with(kind)), "this line counts for nothing: {line}");
            store = MemoryStore::new();
        }
        assert_empty(&mut store);
    }
    import(&mut store, &lines).unwrap();
}

#[test]
fn what_was_never_finished_is_refused_and_what_nobody_signed_only_if_it_is_not_wanted() {
    let (_, lines) = exported();
    let mut store = MemoryStore::new();
    for tail in [&b"{\"t\":\"entry\""[..], b"\n", b"{\"t\":\"later\"}\n", &[0; 512]] {
        for incomplete in [false, true] {
            let torn = [&lines[..], tail].concat();
            let options = ImportOptions { trust: trust(), incomplete };
            let refused = import_jsonl(&mut store, &torn[..], options, |_| {});
            assert!(matches!(refused, Err(ImportError::Refused(_))), "{tail:?}");
            assert_empty(&mut store);
        }
    }
    let world = World::keyless();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"nobody signed that");
    let keyless = export(&mut log, &whole(Format::JsonLines)).unwrap().0.into_bytes();
    assert!(matches!(import(&mut store, &keyless), Err(ImportError::Refused(_))));
    let anybody = || ImportOptions { trust: Trust::new(), incomplete: true };
    let report = import_jsonl(&mut store, &keyless[..], anybody(), |_| {}).unwrap();
    assert_eq!((report.verdict, report.complete_to), (Verdict::Incomplete, 0));
    assert!(lines_of(&mut store) == keyless);
    match import_jsonl(&mut store, &keyless[..], anybody(), |_| {}) {
        Err(ImportError::NotEmpty(1)) => {}
        other => panic!("{other:?}"),
    }
    assert!(lines_of(&mut store) == keyless);
    // No bytes are no log.
    assert!(matches!(import(&mut MemoryStore::new(), b""), Err(ImportError::Refused(_))));
}

/// A log that is right up to its very last line is loaded nearly as a whole before that is known.
#[test]
fn what_is_found_wrong_at_the_end_leaves_nothing() {
    let mut lines = long_log();
    let last = lines.len() - 40;
    lines[last] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut file = FileStore::open(&path).unwrap();
    assert!(matches!(import(&mut file, &lines), Err(ImportError::Refused(_))));
    assert_empty(&mut file);
    drop(file);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{names:?}");
    let mut memory = MemoryStore::new();
    assert!(matches!(import(&mut memory, &lines), Err(ImportError::Refused(_))));
    assert_empty(&mut memory);
}

/// Bytes come in pieces of any size, and a source that fails leaves nothing.
#[test]
fn however_the_bytes_come_the_log_is_the_same() {
    let (_, lines) = exported();
    for size in [1, 7, 4096, lines.len()] {
        let mut store = MemoryStore::new();
        let mut import = Import::begin(&mut store, trusting()).unwrap();
        assert!(lines.chunks(size).all(|piece| import.push(&mut store, piece).unwrap()));
        assert_empty(&mut store);
        import.finish(&mut store).unwrap();
        assert!(lines_of(&mut store) == lines, "in pieces of {size}");
    }
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let mut store = MemoryStore::new();
    let lines = long_log();
    let failed = import_jsonl(&mut store, lines[..3 << 20].chain(Failing), trusting(), |_| {});
    assert!(matches!(failed, Err(ImportError::Input(_))), "{failed:?}");
    assert_empty(&mut store);
}

/// Whatever call of the store goes wrong, and however: afterwards there is no log or all of it, and a second import makes the
/// whole of the first.
#[test]
fn a_store_that_fails_at_any_call_has_no_log_or_all_of_it() {
    let lines = long_log();
    let (mut whole_ones, mut none, mut at) = (0, 0, 0);
    loop {
        at += 1;
        let mut reached = false;
        for effect in Effect::ALL {
            let place = SharedStore::new(MemoryStore::new());
            let (mut store, faults) = FaultStore::new(place.clone());
            faults.arm(Fault::on_call(at, effect));
            let outcome = import(&mut store, &lines);
            reached |= !faults.is_armed();
            faults.restart();
            let mut after = place.clone();
            match after.log().unwrap() {
                None => {
                    none += 1;
                    assert!(outcome.is_err(), "an import that was done left a log");
                    import(&mut after, &lines).unwrap();
                }
                Some(_) => whole_ones += 1,
            }
            assert!(lines_of(&mut after) == lines, "{effect:?} at call {at}");
        }
        if !reached {
            break;
        }
    }
    assert!(at > 4 && whole_ones >= 4 && none > 8, "{at} {whole_ones} {none}");
}

/// What is left unfinished is no log for anybody, and is not gone on with by mistake.
#[test]
fn an_unfinished_load_is_no_log() {
    let (_, lines) = exported();
    let mut whole = MemoryStore::new();
    import(&mut whole, &lines).unwrap();
    let records = records_of(&mut whole).unwrap();
    let part = |records: &[OwnedRecord]| {
        let mut commit = Commit::new(None);
        records.iter().for_each(|record| commit.push(record.as_record()));
        commit
    };
    let first = records.iter().position(|record| matches!(record, OwnedRecord::Head(_))).unwrap() + 1;
    let mut store = MemoryStore::new();
    store.load(0, &part(&records[..first]), false).unwrap();
    assert_empty(&mut store);
    let world = World::new();
    assert!(matches!(
        world.open_on(SharedStore::new(MemoryStore::new()), |options| options.absent =
            secure_log::engine::Absent::Refuse),
        Err(LogError::LogNotFound { .. })
    ));
    // From elsewhere than it has come to.
    let rest = part(&records[first..]);
    assert!(matches!(store.load(first as u64 + 1, &rest, true), Err(StoreError::Io { .. })));
    assert_empty(&mut store);
    store.load(0, &part(&records[..first]), false).unwrap();
    store.load(first as u64, &rest, true).unwrap();
    assert_eq!(records_of(&mut store).unwrap(), records);
    assert!(matches!(store.load(0, &part(&records), true), Err(StoreError::Conflict { .. })));
    assert_eq!(records_of(&mut store).unwrap(), records);
}
