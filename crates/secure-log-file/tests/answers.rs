//! The file store answers what the strict store in memory answers, however often it is reopened and whatever becomes of
//! its index.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{self, Choices, LogBuilder, assert_same, random_commit, records};
use secure_log::hash::Hash;
use secure_log::memory::MemoryStore;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_file::disk::OsDisk;
use secure_log_file::{FileStore, Options};

fn small_index() -> Options {
    let mut options = Options::default();
    options.index_every = 30_000;
    options
}

fn open(path: &Path) -> FileStore {
    FileStore::open_on(OsDisk, path, small_index()).unwrap()
}

fn index_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".idx");
    name.into()
}

#[test]
fn the_same_answers_as_the_store_in_memory() {
    for seed in common::seed()..common::seed() + common::count(2, 60) {
        eprintln!("seed {seed}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut choices = Choices(seed);
        let (mut log, mut memory, mut file) = (LogBuilder::new(), MemoryStore::new(), open(&path));
        let (mut open_entries, mut closed) = (vec![0; 1 + choices.below(9) as usize], 0);
        let create = log.create();
        memory.insert(&create).unwrap();
        file.insert(&create).unwrap();
        for step in 0..80 {
            let commit = random_commit(&mut log, &mut choices, &mut open_entries, &mut closed);
            memory.insert(&commit).unwrap();
            file.insert(&commit).unwrap();
            match choices.below(28) {
                0 => {
                    drop(file);
                    file = open(&path);
                }
                1 => {
                    // Without the lock, as one who only reads.
                    assert_same(&mut open(&path), &mut memory, &mut choices);
                }
                2 => file.release(),
                3 => {
                    drop(file);
                    damage_index(&index_of(&path), &mut choices);
                    file = open(&path);
                }
                4 => {
                    let stream = format!("stream-{}", choices.below(3));
                    let last = choices.below(log.size() + 1);
                    assert_eq!(file.prune(&[(&stream, last)]), memory.prune(&[(&stream, last)]), "{stream} {last}");
                }
                5 => {
                    let ids: Vec<Hash> =
                        (0..5).map(|_| Hash::sha256(&choices.below(log.size()).to_le_bytes())).collect();
                    file.drop_data_keys(&ids).unwrap();
                    memory.drop_data_keys(&ids).unwrap();
                    let mut rows = memory.data_keys("stream-1").unwrap();
                    rows.iter_mut().for_each(|row| row.wrapped.push(choices.below(256) as u8));
                    file.replace_data_keys(&rows).unwrap();
                    memory.replace_data_keys(&rows).unwrap();
                }
                6 => file.reindex().unwrap(),
                7 => {
                    let all = memory.witnesses(None, u32::MAX).unwrap().into_iter().map(|witness| witness.row);
                    let gone: Vec<_> = all.filter(|_| choices.below(2) == 0).collect();
                    file.drop_witnesses(&gone).unwrap();
                    memory.drop_witnesses(&gone).unwrap();
                }
                _ => {}
            }
            if step % 40 == 39 {
                assert_same(&mut file, &mut memory, &mut choices);
            }
        }
        assert_same(&mut open(&path), &mut memory, &mut choices);
        drop(file);
        assert_same(&mut open(&path), &mut memory, &mut choices);
    }
}

/// Flips bits, cuts, or removes files of the index.
fn damage_index(folder: &Path, choices: &mut Choices) {
    let Ok(files) = std::fs::read_dir(folder) else { return };
    for file in files {
        let path = file.unwrap().path();
        match choices.below(12) {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes.truncate(choices.below(bytes.len() as u64) as usize);
                std::fs::write(&path, bytes).unwrap();
            }
            _ => {}
        }
    }
}

#[test]
fn a_damaged_index_is_found_out_and_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut choices = Choices(7);
    let (mut log, mut memory) = (LogBuilder::new(), MemoryStore::new());
    let mut file = open(&path);
    let (mut open_entries, mut closed) = (vec![0; 5], 0);
    let create = log.create();
    for commit in std::iter::once(create)
        .chain((0..60).map(|_| random_commit(&mut log, &mut choices, &mut open_entries, &mut closed)))
    {
        memory.insert(&commit).unwrap();
        file.insert(&commit).unwrap();
    }
    file.reindex().unwrap();
    drop(file);
    for name in [
        "entries",
        "streams",
        "segments",
        "segment-cells",
        "heads",
        "nodes",
        "signatures",
        "state",
        "names-6",
        "index-0",
        "blocks",
        "facts",
    ] {
        let file = index_of(&path).join(name);
        let whole = std::fs::read(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        for _ in 0..common::count(6, 60) {
            let mut bytes = whole.clone();
            let first = if name == "state" { 0 } else { 512 };
            let at = first + choices.below((bytes.len() - first) as u64) as usize;
            bytes[at] ^= 1 << choices.below(8);
            std::fs::write(&file, &bytes).unwrap();
            let mut store = open(&path);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                assert_same(&mut store, &mut memory, &mut choices);
            }));
            assert!(result.is_ok(), "{name}, byte {at}");
        }
        std::fs::write(&file, &whole).unwrap();
    }
}

#[test]
fn what_the_index_covers_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = LogBuilder::new();
    let mut store = open(&path);
    store.insert(&log.create()).unwrap();
    for n in 0..200 {
        let mut commit = log.commit();
        for stream in 0..60 {
            commit = commit.entry(&format!("stream-{}", n * 30 + stream), &[b'x'; 100]);
        }
        store.insert(&commit.finish()).unwrap();
    }
    store.release();
    drop(store);
    let mut store = open(&path);
    let read = Arc::new(AtomicU64::new(0));
    let counted = read.clone();
    store.on_progress(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(store.streams(6000, 1).unwrap()[0].first, Some(11_971));
    assert_eq!(store.stream("stream-3000").unwrap().unwrap().last, Some(6001));
    assert_eq!(store.stream("stream-6030").unwrap(), None);
    assert_eq!(store.heads(None, 1).unwrap()[0].number, 201);
    assert_eq!(read.load(Ordering::SeqCst), 0, "the index is there");
    store.insert(&log.commit().entry("stream-3000", b"again").finish()).unwrap();
    assert_eq!(read.load(Ordering::SeqCst), 0, "and good for writing");
    // Deleting it is allowed, and noticed.
    drop(store);
    std::fs::remove_dir_all(index_of(&path)).unwrap();
    let mut store = open(&path);
    let counted = read.clone();
    store.on_progress(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(store.stream("stream-3000").unwrap().unwrap().last, Some(12_001));
    assert_eq!(read.load(Ordering::SeqCst), 1);
}

#[test]
fn a_reader_goes_on_while_a_writer_replaces_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let (mut log, mut memory) = (LogBuilder::new(), MemoryStore::new());
    let mut options = small_index();
    options.index_every = 1;
    let mut writer = FileStore::open_on(OsDisk, &path, options).unwrap();
    let mut insert = |commit, memory: &mut MemoryStore| {
        memory.insert(&commit).unwrap();
        writer.insert(&commit).unwrap();
    };
    insert(log.create(), &mut memory);
    insert(log.commit().entry("a", b"1").entry("b", b"2").close("a").finish(), &mut memory);
    let mut reader = open(&path);
    reader.heads(None, 1).unwrap();
    for n in 0..20 {
        // Each of these is a state of its own: the versions that the reader knows are gone after two.
        insert(log.commit().entry("a", b"x").entry("c", &[n; 30]).finish(), &mut memory);
        if n % 3 == 0 {
            assert!(reader.stream("b").unwrap().is_some());
            assert!(reader.stream("a").unwrap().is_some());
            assert_same(&mut reader, &mut memory, &mut Choices(u64::from(n)));
        }
    }
    writer.reindex().unwrap();
    assert_same(&mut reader, &mut memory, &mut Choices(1));
}

#[test]
fn a_store_answers_a_writer_who_comes_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = LogBuilder::new();
    let (mut first, mut second) = (open(&path), open(&path));
    let create = log.create();
    let mut late = log.clone();
    first.insert(&create).unwrap();
    let Err(StoreError::Locked { detail }) = second.insert(&create) else { panic!("two writers") };
    assert!(detail.contains("process"), "{detail}");
    first.insert(&log.commit().entry("a", b"1").finish()).unwrap();
    drop(first);
    let Err(StoreError::Conflict { heads }) = second.insert(&late.commit().entry("b", b"2").finish()) else {
        panic!("a commit on an old state")
    };
    assert_eq!(heads.iter().map(|head| head.size).collect::<Vec<_>>(), [1, 0]);
    let Err(StoreError::Conflict { .. }) = second.insert(&create) else { panic!("made twice") };
    second.insert(&log.commit().entry("b", b"2").finish()).unwrap();
    assert_eq!(second.heads(None, 9).unwrap().len(), 3);
}

#[test]
fn a_writer_whose_lock_was_taken_over_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = LogBuilder::new();
    let (mut idle, mut next) = (open(&path), open(&path));
    idle.insert(&log.create()).unwrap();
    let mut late = log.clone();
    // As one does who sees no system locks and the counter standing still.
    std::fs::rename(folder.path().join("log.jsonl.lock"), folder.path().join("taken")).unwrap();
    next.insert(&log.commit().entry("a", b"1").finish()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let commit = late.commit().entry("b", b"2").finish();
    assert!(matches!(idle.insert(&commit), Err(StoreError::Locked { .. })));
    drop(next);
    assert!(matches!(idle.insert(&commit), Err(StoreError::Conflict { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    idle.insert(&log.commit().entry("b", b"2").finish()).unwrap();
}

#[test]
fn who_reads_on_in_a_log_that_was_written_anew_is_told_and_it_is_not_taken_for_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = LogBuilder::new();
    let mut store = open(&path);
    store.insert(&log.create()).unwrap();
    for payload in [[b'1'; 900], [b'2'; 900], [b'3'; 900]] {
        store.insert(&log.commit().entry("a", &payload).finish()).unwrap();
    }
    let after_one = store.scan(0, 1, &mut |_| {}).unwrap().unwrap();
    let first = store.scan(after_one, 1200, &mut |_| {}).unwrap().unwrap();
    assert_eq!(store.prune(&[("a", 2)]).unwrap(), 2);
    let newest = store.heads(None, 1).unwrap().remove(0).head;
    for cursor in [after_one, first] {
        let told = StoreError::Conflict { heads: vec![newest.clone()] };
        assert_eq!(store.scan(cursor, usize::MAX, &mut |_| panic!("nothing is there")), Err(told.clone()));
        assert_eq!(store.scan_lines(cursor, usize::MAX, &mut Vec::new()), Err(told));
    }
    store.insert(&log.commit().entry("a", b"4").finish()).unwrap();
    // Whoever begins anew reads on, and another prune is told again.
    let anew = store.scan(0, 1200, &mut |_| {}).unwrap().unwrap();
    assert!(anew < 1 << 53, "a number that JSON can carry");
    let mut other = open(&path);
    assert!(matches!(other.scan(anew, usize::MAX, &mut |_| ()), Err(StoreError::Conflict { .. })), "of another handle");
    assert!(store.scan(anew, usize::MAX, &mut |_| ()).unwrap().is_some());
    drop(store);
    assert_eq!(other.prune(&[("a", 3)]).unwrap(), 1);
    assert_eq!(records(&mut other).iter().filter(|record| record.starts_with("Pruned")).count(), 3);
}

#[test]
fn a_reader_sees_what_others_write_and_a_rewritten_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = LogBuilder::new();
    let (mut writer, mut reader) = (open(&path), open(&path));
    assert_eq!(reader.log().unwrap(), None);
    writer.insert(&log.create()).unwrap();
    assert_eq!(reader.log().unwrap().as_ref(), Some(log.log()));
    writer.insert(&log.commit().entry("a", b"1").control("a", "unknown", "").entry("a", b"2").finish()).unwrap();
    assert_eq!(reader.heads(None, 1).unwrap()[0].head.size, 3);
    assert_eq!(reader.stream("a").unwrap().unwrap().last, Some(3));
    let mut cursor = 0;
    while let Some(next) = reader.scan(cursor, usize::MAX, &mut |_| {}).unwrap() {
        cursor = next;
    }
    writer.insert(&log.commit().entry("a", b"3").finish()).unwrap();
    let mut seen = 0;
    reader.scan(cursor, usize::MAX, &mut |_| seen += 1).unwrap();
    assert_eq!(seen, 2, "the last cursor stays good");
    assert_eq!(writer.prune(&[("a", 3)]).unwrap(), 2);
    assert_eq!(reader.heads(None, 1).unwrap()[0].head.size, 4);
    assert_eq!(records(&mut reader), records(&mut writer));
    assert_eq!(records(&mut reader).iter().filter(|record| record.starts_with("Pruned")).count(), 2);
    writer.insert(&log.commit().entry("a", b"4").finish()).unwrap();
    assert_eq!(reader.heads(None, 1).unwrap()[0].head.size, 5);
}

#[test]
fn a_commit_that_breaks_the_contract_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = LogBuilder::new();
    let mut store = open(&path);
    store.insert(&log.create()).unwrap();
    store.insert(&log.commit().entry("a", b"1").finish()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut ahead = log.clone();
    ahead.commit().entry("a", b"skipped").finish();
    let mut gap = ahead.commit().entry("a", b"2").finish();
    gap.expected = log.expected();
    assert!(matches!(store.insert(&gap), Err(StoreError::Corrupt { .. })));
    let headless = secure_log::store::Commit::new(log.expected());
    assert!(matches!(store.insert(&headless), Err(StoreError::Corrupt { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    store.insert(&log.commit().entry("a", b"2").finish()).unwrap();
    assert_eq!(store.stream("a").unwrap().unwrap().last, Some(2));
}

#[test]
fn what_an_operator_sets_aside_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let (mut log, mut memory) = (LogBuilder::new(), MemoryStore::new());
    let mut store = open(&path);
    let mut earlier = LogBuilder::new();
    for n in 0..6 {
        let commit = if n == 0 { log.create() } else { log.commit().entry("a", b"x").entry("b", b"y").finish() };
        store.insert(&commit).unwrap();
        if n < 4 {
            memory.insert(&commit).unwrap();
            earlier = log.clone();
        }
    }
    let before = std::fs::read(&path).unwrap();
    assert!(store.set_aside(7).is_err());
    let kept = store.set_aside(4).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert_eq!([after.clone(), std::fs::read(kept).unwrap()].concat(), before);
    assert_same(&mut store, &mut memory, &mut Choices(1));
    let next = earlier.commit().entry("c", b"z").finish();
    store.insert(&next).unwrap();
    memory.insert(&next).unwrap();
    drop(store);
    assert_same(&mut open(&path), &mut memory, &mut Choices(1));
}
