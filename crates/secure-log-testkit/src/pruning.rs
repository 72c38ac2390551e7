//! Pruning over a store that keeps its rows somewhere: what has to be gone when a prune is acknowledged, what is left of one that
//! was interrupted at any step or had no room, how much smaller what is kept has become, and what the independent reader says of it.

use std::fs;
use std::path::Path;

use secure_log::SecureLog;
use secure_log::engine::{LogOptions, NewEntry, Providers};
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::jsonl::export;
use secure_log::providers::NoAnchor;
use secure_log::record::Record;
use secure_log::retention::Retention;
use secure_log::sign::Algorithm;
use secure_log::store::{EntryRange, SecureLogStore, StoreError};
use secure_log::verify::{FindingCode, Missing, MissingCode, Verdict, verify_jsonl};

use crate::attacks::{options, providers, reference_verdict, sample_log, trust};
use crate::crash_disk::{CrashDisk, Fault};
use crate::{ManualClock, OwnedRecord, SeededRandom, TestKeystore, count, from_jsonl, to_jsonl};

/// What the payloads of entries that are pruned begin with.
pub const MARK: &[u8] = b"this is to be pruned";

/// Two streams of which everything goes, and one of which nothing does.
const STREAMS: [&str; 3] = ["old", "older", "kept"];

/// Opens a log with a key that signs.
pub fn open_log<S: SecureLogStore>(store: S) -> Result<SecureLog<S>, LogError> {
    let providers = Providers {
        keystore: Box::new(TestKeystore::new().signing("checkpoint-ed25519", Algorithm::Ed25519)),
        anchor: Box::new(NoAnchor),
        clock: Box::new(ManualClock::new()),
        random: Box::new(SeededRandom::new(1)),
    };
    SecureLog::open(store, providers, LogOptions::default())
}

/// Keeps nothing of the two streams of [`prepare`] that go.
fn retention() -> Retention {
    "stream entries:0 old\nstream entries:0 older".parse().expect("it is one")
}

fn entry<'a>(stream: &'a str, payload: &'a [u8]) -> NewEntry<'a> {
    NewEntry { stream, event: "e", severity: Severity::Info, producer: "p", encoding: "text", payload }
}

/// Makes a log of three streams, each with so many entries of so many bytes in a closed segment, and answers how many go.
///
/// # Panics
/// When the log cannot be made.
pub fn prepare(store: impl SecureLogStore, entries: usize, bytes: usize) -> u64 {
    let mut log = open_log(store).expect("a log is made");
    for stream in STREAMS {
        let mut payload = if stream == "kept" { b"this stays".to_vec() } else { MARK.to_vec() };
        payload.resize(bytes, b'x');
        let batch: Vec<NewEntry<'_>> = (0..entries).map(|_| entry(stream, &payload)).collect();
        log.append_batch(&batch).expect("they are appended");
        log.close_segment(stream).expect("a segment is closed");
    }
    2 * entries as u64
}

/// Prunes a log of [`prepare`], which was made in stores of `open`, and expects that what `size` says shrinks by what went.
/// `holds` says whether what the store keeps has these bytes anywhere.
///
/// # Panics
/// When anything that has to go is there, or does not make room.
pub fn prune_makes_room<S: SecureLogStore>(
    mut open: impl FnMut() -> S,
    size: impl Fn() -> u64,
    holds: impl Fn(&[u8]) -> bool,
) {
    let (entries, bytes) = (200, 4000);
    let goes = prepare(open(), entries, bytes);
    let (before, mut log) = (size(), open_log(open()).expect("it is opened"));
    assert!(holds(MARK), "it is there before");
    let seqno = log.read_page(Some("kept"), 1, u64::MAX, 1).expect("it is read")[0].seqno;
    let proof = log.prove_in_segment(seqno).expect("it is proven");
    let pruned = log.prune_all(&retention(), 0).expect("it is pruned");
    assert_eq!(pruned.streams.iter().map(|stream| stream.entries).sum::<u64>(), goes);
    assert!(!holds(MARK), "it was acknowledged that it is gone");
    let after = size();
    // A hash and a little more is left of each.
    let left = before - goes * bytes as u64 * 9 / 10;
    assert!(after < left, "{before} bytes became {after}, and not at most {left}");
    println!("pruned {goes} entries of {bytes} bytes: {before} bytes became {after}");
    log.verify_in_segment(&proof, &proof.root).expect("an old proof holds");
    let again = log.prune_all(&retention(), 0).expect("there is nothing to prune");
    assert!(again.streams.is_empty() && size() <= after);
    for mut log in [log, open_log(open()).expect("it is opened again")] {
        assert_eq!(log.prove_in_segment(seqno).expect("it is proven"), proof);
        let report = log.verify_log().expect("it is verified");
        assert_eq!((&report.verdict, report.pruned), (&Verdict::Valid, goes), "{report:?}");
        log.append(&entry("kept", b"and on")).expect("the log goes on");
    }
}

/// How many entries of the streams that go are there, and how many are gone.
fn there_and_gone(store: &mut impl SecureLogStore) -> (u64, u64) {
    let (mut there, mut gone) = (0, 0);
    for stream in &STREAMS[..2] {
        let all = EntryRange { stream: Some(stream), from: 1, to: u64::MAX, limit: u32::MAX };
        let visited = store.entries(all, &mut |row| match row {
            Record::Entry(row) if row.bytes.windows(MARK.len()).any(|window| window == MARK) => there += 1,
            Record::Pruned(_) => gone += 1,
            _ => {}
        });
        visited.expect("the store can be read");
    }
    (there, gone)
}

/// Fails each operation of a disk while a log is pruned, in every way. What a crash leaves is a log of which all is there that was
/// to go, or nothing; it is pruned where that is on record once the log was opened; and it goes on. What was appended afterwards,
/// by who found the disk as a killed process left it, survives a crash, too. `change` does something to the log before.
///
/// # Panics
/// When something is half done, or lost.
pub fn at_every_operation<S: SecureLogStore>(
    open: impl Fn(&CrashDisk) -> Result<S, StoreError>,
    change: impl Fn(&CrashDisk),
) {
    let whole = CrashDisk::new();
    let goes = prepare(open(&whole).expect("a store is made"), 4, 2500);
    change(&whole);
    let act = |disk: &CrashDisk| open_log(open(disk)?)?.prune_all(&retention(), 0).map(drop);
    let disk = whole.image(0);
    act(&disk).expect("nothing keeps it from being done");
    let operations = disk.operations();
    assert!(operations > 10, "it takes {operations} operations of the disk");
    let (mut done, mut finished, mut none) = (0, 0, 0);
    for operation in 0..operations {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(operation, fault);
            let acknowledged = act(&disk).is_ok();
            let at = format!("operation {operation} of {operations}, {fault:?}");
            for seed in 0..count(2, 50) {
                let (at, image) = (format!("{at}, seed {seed}"), disk.image(seed));
                let mut store = open(&image).unwrap_or_else(|error| panic!("{at}: {error}"));
                let before = there_and_gone(&mut store);
                assert!(before == (goes, 0) || before == (0, goes), "{at}: there and gone are {before:?}");
                assert!(!acknowledged || before == (0, goes), "{at}: it was acknowledged");
                let mut log = open_log(store).unwrap_or_else(|error| panic!("{at}: {error}"));
                let on_record = is_on_record(&mut log);
                let after = there_and_gone(log.store_mut());
                assert_eq!(after, if on_record { (0, goes) } else { (goes, 0) }, "{at}: opening it finishes it");
                *if before == (0, goes) {
                    &mut done
                } else if on_record {
                    &mut finished
                } else {
                    &mut none
                } += 1;
                log.append(&entry("old", b"on")).unwrap_or_else(|error| panic!("{at}, going on: {error}"));
                let report = log.verify_log().expect("it is verified");
                assert_eq!((&report.verdict, report.pruned), (&Verdict::Valid, after.1), "{at}: {report:?}");
                drop(log);
                let kept = |name| image.content(name).is_some_and(|bytes| bytes.windows(MARK.len()).any(|w| w == MARK));
                assert_eq!(image.names().into_iter().any(kept), !on_record, "{at}: somewhere on the disk");
            }
            if fault != Fault::Crash {
                // Only the process was killed. Who comes next sees what it did, and has their own entries acknowledged.
                let mut log =
                    open_log(open(&disk).expect("it is opened")).unwrap_or_else(|error| panic!("{at}: {error}"));
                let (appended, _) =
                    log.append(&entry("kept", b"later")).unwrap_or_else(|error| panic!("{at}: {error}"));
                drop(log);
                for seed in 0..count(2, 50) {
                    let mut store = open(&disk.image(seed)).unwrap_or_else(|error| panic!("{at}: {error}"));
                    let size = store.heads(None, 1).expect("it has heads")[0].head.size;
                    assert_eq!(size, appended.seqno, "{at}, seed {seed}: what was acknowledged after it was lost");
                }
            }
        }
    }
    assert!(done > 0 && finished > 0 && none > 0, "{done} {finished} {none}");
}

/// Room for the file of a lock, without which a component cannot even read a database.
const LOCK_BYTES: u64 = 256;

/// Prunes a log on disks that get full at some point of it: with a few bytes of room, with a little more than it takes, and with
/// amounts in between. Where that fails it is an error of the store that says so, the log is read and verified by who has it open and by
/// who opens it then, and once there is room it is pruned by either.
///
/// # Panics
/// When something is lost, half done, or not done when there is room.
pub fn without_room<S: SecureLogStore>(open: impl Fn(&CrashDisk) -> Result<S, StoreError>) {
    let whole = CrashDisk::new();
    let goes = prepare(open(&whole).expect("a store is made"), 4, 2500);
    // What each run finds is there, the files beside the log included.
    open_log(open(&whole).expect("it is opened")).expect("it is opened").verify_log().expect("it is verified");
    let steps = count(24, 400);
    let most = whole.used() + 200_000;
    let (mut not_begun, mut on_record, mut done) = (0, 0, 0);
    for step in 0..=steps {
        // Most of what happens happens with little room.
        let room = most * step * step / (steps * steps);
        let at = format!("room for {room} bytes");
        for by_who_has_it_open in [true, false] {
            let disk = whole.image(0);
            let mut log = open_log(open(&disk).expect("it is opened")).expect("it is opened");
            disk.set_capacity(Some(disk.used() + room));
            let pruned = log.prune_all(&retention(), 0);
            match &pruned {
                Ok(pruned) => {
                    assert_eq!(pruned.streams.iter().map(|stream| stream.entries).sum::<u64>(), goes, "{at}");
                    done += 1;
                }
                Err(LogError::Store(StoreError::Io { detail, .. })) => {
                    let detail = detail.to_lowercase();
                    assert!(
                        detail.contains("full") || detail.contains("no ") && detail.contains("space"),
                        "{at}: {detail}"
                    );
                }
                Err(error) => panic!("{at}: {error:?}"),
            }
            if pruned.is_err() {
                disk.set_capacity(Some(disk.used() + LOCK_BYTES));
                let recorded = is_on_record(&mut log);
                *if recorded { &mut on_record } else { &mut not_begun } += 1;
                assert_is_whole(&mut log, goes, recorded, &at);
                drop(log);
                // Whoever opens it meanwhile cannot finish it, and reads as much.
                log = open_log(open(&disk).expect("it is opened")).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_is_whole(&mut log, goes, recorded, &at);
                disk.set_capacity(None);
                if !by_who_has_it_open {
                    drop(log);
                    log = open_log(open(&disk).expect("it is opened")).unwrap_or_else(|error| panic!("{at}: {error}"));
                    let wanted = if recorded { (0, goes) } else { (goes, 0) };
                    assert_eq!(there_and_gone(log.store_mut()), wanted, "{at}: opening it finishes what is on record");
                }
                log.prune_all(&retention(), 0).unwrap_or_else(|error| panic!("{at}, once there is room: {error}"));
            }
            assert_eq!(there_and_gone(log.store_mut()), (0, goes), "{at}");
            let report = log.verify_log().expect("it is verified");
            assert_eq!((&report.verdict, report.pruned), (&Verdict::Valid, goes), "{at}: {report:?}");
            drop(log);
            let kept = |name| disk.content(name).is_some_and(|bytes| bytes.windows(MARK.len()).any(|w| w == MARK));
            assert!(!disk.names().into_iter().any(kept), "{at}: somewhere on the disk");
        }
    }
    println!(
        "without room: {not_begun} times nothing was done, {on_record} times it was on record, {done} times it was done"
    );
    assert!(not_begun > 0 && on_record > 0 && done > 0, "{not_begun} {on_record} {done}");
}

/// All that was there is read and verified, or what is on record is gone although nobody was told.
fn assert_is_whole<S: SecureLogStore>(log: &mut SecureLog<S>, goes: u64, recorded: bool, at: &str) {
    let left = there_and_gone(log.store_mut());
    assert!(left == (goes, 0) || (recorded && left == (0, goes)), "{at}: there and gone are {left:?}");
    let report = log.verify_log().unwrap_or_else(|error| panic!("{at}: {error}"));
    // What had room of a commit that failed is set aside by the next one that succeeds.
    let is_torn = |missing: &Missing| missing.code == MissingCode::TornCommit;
    let is_sound = report.verdict == Verdict::Valid
        || (report.verdict == Verdict::Incomplete && report.missing.iter().all(is_torn));
    assert!(is_sound && report.pruned == left.1, "{at}: {report:?}");
    let read = log.read_page(Some("kept"), 1, u64::MAX, 9).unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(read.len(), 5, "{at}: what stays is read");
}

/// Prunes the sample log, which has a stream of each suite and signed segments and entries, in a store of `open`, and has this
/// library and the independent reader verify what the store exports: as it is, with one entry more taken out than is on record, and
/// with another hash for one that was. Files are made in `folder`.
///
/// # Panics
/// When one of the two says of it what is not so.
pub fn the_independent_reader_says_the_same<S: SecureLogStore>(mut open: impl FnMut() -> S, folder: &Path) {
    drop(sample_log(open()).expect("the sample log is written"));
    let mut log = SecureLog::open(open(), providers(), options()).expect("it is opened");
    let pruned = log.prune_all(&"log entries:0".parse().expect("it is one"), 0).expect("it is pruned");
    let goes: u64 = pruned.streams.iter().map(|stream| stream.entries).sum();
    assert!(goes >= 5 && pruned.streams.len() >= 2, "{pruned:?}");
    drop(log);
    let mut lines = Vec::new();
    export(&mut open(), &mut lines).expect("it is exported");
    let records = from_jsonl(&lines).expect("they are lines of a log");

    let is_gone = |record: &&mut OwnedRecord| matches!(record, OwnedRecord::Pruned { .. });
    let mut more = records.clone();
    let beyond = more.iter_mut().find_map(|record| match record {
        OwnedRecord::Entry { seqno, stream, hash, .. } if stream == "plain" => {
            *record = OwnedRecord::Pruned { seqno: *seqno, stream: stream.clone(), hash: *hash };
            Some(())
        }
        _ => None,
    });
    beyond.expect("the stream 'plain' has entries");
    let mut other = records.clone();
    let Some(OwnedRecord::Pruned { hash, .. }) = other.iter_mut().find(is_gone) else { panic!("something is gone") };
    hash.0[0] ^= 1;

    let size = records.iter().filter(|record| record.seqno().is_some()).count() as u64;
    let whole = verify_jsonl(&lines[..], &trust(), |_| {}).expect("it is read");
    assert_eq!((&whole.verdict, whole.pruned, whole.complete_to), (&Verdict::Valid, goes, size), "{whole:?}");
    for (what, lines, wanted) in [
        ("as it is", lines, None),
        ("more is gone", to_jsonl(&more), Some(FindingCode::PruneUnauthorized)),
        ("another hash", to_jsonl(&other), Some(FindingCode::HeadMismatch)),
    ] {
        let file = folder.join("pruned.jsonl");
        fs::write(&file, &lines).expect("the folder takes a file");
        let report = verify_jsonl(&lines[..], &trust(), |_| {}).expect("it is read");
        let found = match &report.verdict {
            Verdict::Invalid(finding) => Some(finding.code),
            _ => None,
        };
        assert_eq!(found, wanted, "{what}: {report:?}");
        let Some((verdict, said)) = reference_verdict(&file) else { continue };
        let wanted = match wanted {
            Some(code) => ("invalid", format!(r#""finding": "{}""#, code.as_str())),
            None => ("valid", format!(r#""pruned": {goes},"#)),
        };
        assert!(verdict == wanted.0 && said.contains(&wanted.1), "{what}: {verdict}, and not {wanted:?}: {said}");
    }
}

fn is_on_record<S: SecureLogStore>(log: &mut SecureLog<S>) -> bool {
    let entries = log.read_page(Some("older"), 1, u64::MAX, 100).expect("the stream can be read");
    entries.iter().any(|entry| entry.event == "secure-log.pruned")
}
