//! The attack table of docs/security.md over a log in a file, and crashes below the whole engine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use secure_log::SecureLog;
use secure_log::engine::{Appended, NewEntry};
use secure_log::entry::{Severity, SigningRule, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::store::StoreError;
use secure_log::verify::{Verdict, verify_jsonl};
use secure_log_file::disk::Disk;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::attacks::{
    Flip, Native, flips, no_changed_row_of_an_index_passes, no_edit_passes, no_flip_passes, options, providers,
    reference_verdict, sample_log, sample_records, scenarios, to_jsonl, trust,
};
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_testkit::{AnyStore, SeededRandom, count, seed};

#[test]
fn rows_1_to_19_no_edit_of_a_file_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    no_edit_passes(|records| {
        number += 1;
        put(&folder.path().join(format!("{number}.jsonl")), &to_jsonl(records))
    });
}

/// The index is written after every commit, so that what is changed lies in its files: one that was not written is built anew of
/// the log, and nothing of it is left.
#[test]
fn row_18_no_changed_row_of_an_index_in_a_file_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    no_changed_row_of_an_index_passes(|| {
        number += 1;
        let path = folder.path().join(format!("{number}.jsonl"));
        move || {
            let mut options = Options::default();
            options.index_every = 1;
            FileStore::open_on(secure_log_file::disk::OsDisk, &path, options).unwrap()
        }
    });
}

#[test]
fn rows_5_to_29_every_scenario_over_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for scenario in scenarios() {
        eprintln!("row {}, {}", scenario.row, scenario.name);
        (scenario.run)(&mut || {
            number += 1;
            let path = folder.path().join(format!("{number}.jsonl"));
            let store = AnyStore::new(FileStore::open(&path).unwrap());
            Native::new(store, move |records| put(&path, &to_jsonl(records)).map(AnyStore::new))
        });
    }
}

#[test]
fn row_1_flipped_bits_of_a_file_do_not_pass_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (file, all) = flips();
    let mut random = SeededRandom::new(seed());
    let some: Vec<Flip> = match count(0, 1) {
        0 => (0..250).map(|_| *random.pick(&all)).collect(),
        _ => all,
    };
    let mut number = 0;
    no_flip_passes(&file, &some, |bytes| {
        number += 1;
        put(&folder.path().join(format!("{}.jsonl", number % 8)), bytes)
    });
}

#[test]
fn a_log_in_a_file_is_what_the_verifiers_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    drop(sample_log(FileStore::open(&path).unwrap()).unwrap());
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, to_jsonl(&sample_records()), "the same log, whatever keeps it");
    let report = verify_jsonl(&bytes[..], &trust(), |_| {}).unwrap();
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Valid, 25), "{report:?}");
    if let Some((verdict, said)) = reference_verdict(&path) {
        assert_eq!(verdict, "valid", "{said}");
    }
}

#[test]
fn row_21_a_second_opening_of_a_file_is_told_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let open = || SecureLog::open(FileStore::open(&path).unwrap(), providers(), options());
    let mut first = open().unwrap();
    first.append(&entry("a", b"1")).unwrap();
    let mut second = open().unwrap();
    let refused = second.append(&entry("a", b"2"));
    assert!(matches!(refused, Err(LogError::Store(StoreError::Locked { .. }))), "{refused:?}");
    assert_eq!(second.read(1).unwrap().payload, b"1", "reading needs no lock");
    first.append(&entry("a", b"3")).unwrap();
    drop(first);
    let (appended, _) = second.append(&entry("a", b"4")).unwrap();
    assert_eq!(appended.seqno, 3);
    assert_eq!(second.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn row_21_writers_of_one_file_lose_nothing_and_never_fork() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let open = || {
        let mut options = Options::default();
        options.hold_lock = false;
        options.lock_wait = Duration::from_secs(30);
        FileStore::open_on(secure_log_file::disk::OsDisk, &path, options).unwrap()
    };
    drop(SecureLog::open(open(), providers(), options()).unwrap());
    let each = count(15, 500);
    let acknowledged: Vec<(Appended, Vec<u8>)> = std::thread::scope(|scope| {
        let write = |name: u64| {
            let mut log = SecureLog::open(open(), providers(), options()).unwrap();
            let one = |n| {
                let payload = format!("{name} {n}").into_bytes();
                // Both write to one stream, so that each finds what it knew of it moved on.
                let appended = retry(|| log.append(&entry("both", &payload)));
                (appended, payload)
            };
            (0..each).map(one).collect::<Vec<_>>()
        };
        let writers: Vec<_> = (0..3).map(|name| scope.spawn(move || write(name))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let mut log = SecureLog::open(open(), providers(), options()).unwrap();
    assert_eq!(log.size(), 3 * each, "every acknowledged entry is there once, and no other");
    for (appended, payload) in &acknowledged {
        let (entry, hash) = log.read_hashed(appended.seqno).unwrap();
        assert_eq!((&entry.payload, hash), (payload, appended.hash));
    }
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

const LOG: &str = "logs/log.jsonl";

#[test]
fn row_22_a_crash_at_every_operation_below_the_engine() {
    let disk = CrashDisk::new();
    let whole = work(&disk);
    assert_eq!(whole.boundaries, [0, 1, 2, 5, 6, 7, 8], "the sizes after each commit");
    let operations = disk.operations();
    assert!(operations >= 2 * whole.boundaries.len() as u64, "a write and a sync a commit: {operations}");
    let mut random = SeededRandom::new(seed());
    for operation in 0..operations {
        let disk = CrashDisk::new();
        disk.fail_at(operation, Fault::Crash);
        let done = work(&disk);
        let seeds = [0, 1].into_iter().chain((0..count(3, 100)).map(|_| 2 + random.below(1 << 40)));
        for seed in seeds {
            let what = format!("operation {operation}, image {seed}");
            survives(&disk.image(seed), &done, &whole.boundaries, &what);
        }
    }
}

#[test]
fn row_23_a_failing_disk_loses_nothing_that_was_acknowledged() {
    let disk = CrashDisk::new();
    let whole = work(&disk);
    for operation in 0..disk.operations() {
        for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = CrashDisk::new();
            disk.fail_at(operation, fault);
            let done = work(&disk);
            let what = format!("operation {operation}, {fault:?}");
            survives(&disk, &done, &whole.boundaries, &what);
        }
    }
}

/// What was acknowledged before something failed, and the sizes that the log had.
struct Done {
    appended: Vec<Appended>,
    boundaries: Vec<u64>,
}

/// Makes a log, appends, makes a stream, closes a segment, until something fails.
fn work(disk: &CrashDisk) -> Done {
    let mut done = Done { appended: Vec::new(), boundaries: Vec::new() };
    // Where it ended is seen by what was done.
    let _ = try_work(disk, &mut done);
    done
}

fn try_work(disk: &CrashDisk, done: &mut Done) -> Result<(), LogError> {
    let mut log = SecureLog::open(store(disk)?, providers(), options())?;
    done.boundaries.push(log.size());
    let rules = StreamRules { sign: SigningRule::Segments, suite: Suite::Blake3, ..StreamRules::default() };
    log.create_stream("auth", &rules)?;
    done.boundaries.push(log.size());
    for batch in [vec!["1"], vec!["2", "3", "4"]] {
        let entries: Vec<NewEntry<'_>> = batch.iter().map(|payload| entry("auth", payload.as_bytes())).collect();
        done.appended.extend(log.append_batch(&entries)?.0);
        done.boundaries.push(log.size());
    }
    log.close_segment("auth")?;
    done.boundaries.push(log.size());
    for payload in [&[b'x'; 2000][..], b"end"] {
        done.appended.push(log.append(&entry("other", payload))?.0);
        done.boundaries.push(log.size());
    }
    Ok(())
}

/// Opens what is left, expects all that was acknowledged and no half of a commit, goes on, and verifies.
fn survives(disk: &CrashDisk, done: &Done, boundaries: &[u64], what: &str) {
    let fail = |error: &dyn std::fmt::Debug| -> ! { panic!("{what}: {error:?}") };
    let open = || SecureLog::open(store(disk)?, providers(), options());
    let mut log = open().unwrap_or_else(|error| fail(&error));
    let size = log.size();
    assert!(boundaries.contains(&size), "{what}: {size} entries are no whole number of commits");
    assert!(size >= done.boundaries.last().copied().unwrap_or(0), "{what}: {size} entries survived");
    for appended in &done.appended {
        let (_, hash) = log.read_hashed(appended.seqno).unwrap_or_else(|error| fail(&error));
        assert_eq!(hash, appended.hash, "{what}");
    }
    let report = log.verify_log().unwrap_or_else(|error| fail(&error));
    let clean = match report.verdict {
        Verdict::Valid => true,
        // What was never finished is reported, and nothing else is.
        Verdict::Incomplete => report.missing.len() == 1 && report.missing[0].to_string().contains("never finished"),
        Verdict::Invalid(_) => false,
    };
    assert!(clean || size == 0, "{what}: {report:?}");
    let next = log.append(&entry("after", b"the crash")).unwrap_or_else(|error| fail(&error)).0;
    assert_eq!(next.seqno, size + 1, "{what}");
    drop(log);
    let mut log = open().unwrap_or_else(|error| fail(&error));
    let report = log.verify_log().unwrap_or_else(|error| fail(&error));
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Valid, size + 1), "{what}: {report:?}");
}

fn store<D: Disk + Clone>(disk: &D) -> Result<FileStore<D>, StoreError> {
    let mut options = Options::default();
    options.lock_wait = Duration::from_millis(1);
    // A lock whose content never reached the disk is waited for so long.
    options.stale_after = Duration::from_millis(20);
    FileStore::open_on(disk.clone(), LOG, options)
}

/// A file with these bytes and no index, opened.
fn put(path: &Path, bytes: &[u8]) -> Result<FileStore, StoreError> {
    for beside in ["idx", "lock"] {
        let beside = format!("{}.{beside}", path.display());
        // One of an earlier file of this name, if there was one.
        let _ = fs::remove_dir_all(&beside).or_else(|_| fs::remove_file(&beside));
    }
    fs::write(path, bytes).unwrap();
    FileStore::open(path)
}

fn entry<'a>(stream: &'a str, payload: &'a [u8]) -> NewEntry<'a> {
    NewEntry { stream, event: "e", severity: Severity::Info, producer: "p", encoding: "text", payload }
}

/// Calls again as long as somebody else is faster.
fn retry<T>(mut call: impl FnMut() -> Result<(T, secure_log::engine::CommitInfo), LogError>) -> T {
    loop {
        match call() {
            Ok((done, _)) => return done,
            Err(LogError::Conflict | LogError::Store(StoreError::Locked { .. })) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}
