//! Closing a log, archiving it and going on in another one: over every store, and interrupted at any step.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use secure_log::SecureLog;
use secure_log::archive::{Archived, ChainReport, ChainVerdict, verify_chain};
use secure_log::engine::{LogOptions, NewEntry, Providers};
use secure_log::entry::{Severity, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::jsonl;
use secure_log::note::VerifierKey;
use secure_log::providers::{Keystore, NoAnchor};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::{Signer, Trust, Verdict};

use crate::crash_disk::{CrashDisk, Fault};
use crate::interrupted::wrapping_keys;
use crate::sealing::sealed_entry;
use crate::{ManualClock, SeededRandom, count};

const IDENTITY: &str = "checkpoint-ed25519";
/// What the first log is called.
pub const FIRST: &str = "first.example";
/// What the archive is called on a disk.
pub const ARCHIVE: &str = "archive.jsonl";

/// An entry for a public stream.
pub fn entry<'a>(stream: &'a str, payload: &'a [u8]) -> NewEntry<'a> {
    NewEntry { stream, event: "test.event", severity: Severity::Info, producer: "test", encoding: "text", payload }
}

/// Opens the first log, or one that continues this head.
pub fn open<S: SecureLogStore>(store: S, continues: Option<&str>) -> Result<SecureLog<S>, LogError> {
    open_named(store, continues, continues.is_none().then_some(FIRST))
}

/// The same under this name, or the one that follows from the head.
pub fn open_named<S: SecureLogStore>(
    store: S,
    continues: Option<&str>,
    origin: Option<&str>,
) -> Result<SecureLog<S>, LogError> {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let providers = Providers {
        keystore: Box::new(wrapping_keys()),
        anchor: Box::new(NoAnchor),
        clock: Box::new(ManualClock::new()),
        // Each log has an id of its own.
        random: Box::new(SeededRandom::new(DRAWN.fetch_add(1, Ordering::Relaxed))),
    };
    let options = LogOptions {
        origin: origin.map(String::from),
        kek_label: Some("kek-1".into()),
        continues: continues.map(String::from),
        ..LogOptions::default()
    };
    SecureLog::open(store, providers, options)
}

/// What whoever verifies trusts: the key of the first log, which signs entries and segments, too.
pub fn trust() -> Trust {
    let signer = wrapping_keys().signer(IDENTITY).expect("the test keystore has this key");
    let key = |name| VerifierKey::new(name, signer.algorithm(), signer.public_key()).expect("its public key is one");
    let mut trust = Trust::new();
    trust.add_log_key(key(FIRST));
    trust.add_signer(Signer::from_verifier_key(&key(IDENTITY), 1..=u64::MAX).expect("it is no witness's key"));
    trust
}

/// Makes streams with rules of every kind, and writes to each.
///
/// # Panics
/// When that fails.
pub fn write_some<S: SecureLogStore>(log: &mut SecureLog<S>) {
    let rules = |tier, suite, sign| StreamRules { tier, suite, sign, ..StreamRules::default() };
    let streams = [
        ("segments", rules(Tier::Public, Suite::Sha256, SigningRule::Segments)),
        ("entries", rules(Tier::Public, Suite::Blake3, SigningRule::Entries)),
        ("sealed", rules(Tier::Protected, Suite::Sha256, SigningRule::None)),
    ];
    for (name, rules) in &streams {
        log.create_stream(name, rules).expect("a stream is made");
    }
    let batch =
        [entry("plain", b"one"), entry("segments", b"two"), entry("entries", b"three"), entry("plain", b"four")];
    log.append_batch(&batch).expect("they are appended");
    log.append_sealed(&sealed_entry(b"secret")).expect("it is sealed");
    log.close_segment("plain").expect("it is closed");
    log.append(&entry("plain", b"five")).expect("it is appended");
}

/// The lines of what a store holds.
///
/// # Panics
/// When it cannot be read.
pub fn lines_of<S: SecureLogStore>(store: &mut S) -> Vec<u8> {
    let mut lines = Vec::new();
    jsonl::export(store, &mut lines).expect("a store can be read");
    lines
}

/// What a verification of these files says, oldest first.
///
/// # Panics
/// When they cannot be read, which nothing in memory does.
pub fn verified(files: &[&[u8]]) -> ChainReport {
    let parts = files.iter().enumerate().map(|(number, file)| (format!("file {}", number + 1), *file));
    verify_chain(parts, &trust(), |_, _| {}).expect("memory can be read")
}

/// Shows over stores of one kind that a closed log takes nothing more, whoever has it open, that its archive verifies alone and is
/// the same when it is written again, and that logs continue each other. `fresh` answers a place, and each call of what it answers
/// another store on it.
///
/// # Panics
/// When that is not so.
pub fn a_log_is_archived_and_continued<S: SecureLogStore, O: FnMut() -> S>(mut fresh: impl FnMut() -> O) {
    let mut place = fresh();
    let mut log = open(place(), None).expect("a log is made");
    write_some(&mut log);
    let mut other = open(place(), None).expect("another writer opens it");
    other.append(&entry("plain", b"of another writer")).expect("it is appended");
    let mut archive = Vec::new();
    let archived = log.write_archive(&mut archive, |_| {}).expect("it is archived");
    assert_eq!(archived.report.verdict, Verdict::Valid, "{:?}", archived.report);
    assert_eq!((archived.bytes, archived.report.unopened), (archive.len() as u64, 1));
    takes_nothing_more(&mut other, archived.report.size);
    takes_nothing_more(&mut log, archived.report.size);
    assert!(log.is_closed().expect("it is read") && other.is_closed().expect("it is read"));
    assert_eq!(log.read(archived.report.size).expect("it is read").event, "secure-log.deprecated");
    let report = log.verify_log().expect("it is verified");
    assert_eq!((&report.verdict, report.size), (&Verdict::Valid, archived.report.size), "{report:?}");
    drop((log, other));
    let mut log = open(place(), None).expect("it is opened again");
    takes_nothing_more(&mut log, archived.report.size);
    let mut again = Vec::new();
    assert_eq!(log.write_archive(&mut again, |_| {}).expect("it is archived again"), archived);
    assert!(again == archive);
    drop(log);

    let (mut files, mut note, mut store) = (vec![archive], archived.note, None);
    for _ in 0..2 {
        let mut place = fresh();
        let mut next = open(place(), Some(&note)).expect("a log is made that continues it");
        assert_eq!(next.continued().expect("it is read").as_ref(), Some(&note));
        write_some(&mut next);
        drop(next);
        let mut next = open(place(), Some(&note)).expect("it is opened again");
        next.append(&entry("plain", b"goes on")).expect("it is appended");
        let report = next.verify_log().expect("it is verified");
        assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
        let mut archive = Vec::new();
        note = next.write_archive(&mut archive, |_| {}).expect("it is archived").note;
        files.push(archive);
        store = Some(next.into_store());
    }
    let all: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let chain = verified(&all);
    assert_eq!(chain.verdict, ChainVerdict::Valid, "{}", chain.to_text(None));
    let without = verified(&[all[0], all[2]]);
    assert_eq!(without.verdict, ChainVerdict::Incomplete, "{}", without.to_text(None));
    let [missing] = &without.missing[..] else { panic!("{}", without.to_text(None)) };
    let middle = &chain.parts[1].report;
    let named = (&missing.head.origin, missing.head.size, missing.head.root);
    assert_eq!((named, missing.before), ((&middle.origin, middle.size, middle.root), 2));
    // The file that the store keeps, or would be exported, is the archive.
    assert!(lines_of(&mut store.expect("there was a round")) == files[2]);
}

fn takes_nothing_more<S: SecureLogStore>(log: &mut SecureLog<S>, size: u64) {
    let closed = Some(LogError::LogClosed { size });
    assert_eq!(log.append(&entry("plain", b"late")).err(), closed);
    assert_eq!(log.append(&entry("a new stream", b"late")).err(), closed);
    assert_eq!(log.create_stream("another", &StreamRules::default()).err(), closed);
    assert_eq!(log.append_sealed(&sealed_entry(b"late")).err(), closed);
    assert_eq!(log.deprecate_stream("plain").err(), closed);
    assert_eq!(log.change_suite("plain", Suite::Blake3).err(), closed);
    assert_eq!(log.size(), size);
}

/// Fails each operation of a disk in turn, in every way, while a log is closed, archived and continued, and does it again on what is
/// left: the archive is there as a whole or not at all, the log that continues is one, and nothing that was acknowledged is gone.
///
/// # Panics
/// When that is not so.
pub fn at_every_operation<S: SecureLogStore>(
    store: impl Fn(&CrashDisk, &str) -> Result<S, StoreError>,
    write: impl Fn(&CrashDisk, &Path, &mut SecureLog<S>) -> Result<Archived, String>,
) {
    let whole = CrashDisk::new();
    let mut log = open(store(&whole, "first").expect("a store is made"), None).expect("a log is made");
    write_some(&mut log);
    let before = log.size();
    drop(log);
    let act = |disk: &CrashDisk| -> Result<(), String> {
        let opened = |name, continues: Option<&str>| {
            store(disk, name)
                .map_err(LogError::from)
                .and_then(|store| open(store, continues))
                .map_err(|e| e.to_string())
        };
        let archived = write(disk, Path::new(ARCHIVE), &mut opened("first", None)?)?;
        let mut next = opened("next", Some(&archived.note))?;
        next.append(&entry("plain", b"goes on")).map(drop).map_err(|error| error.to_string())
    };
    let disk = whole.image(0);
    act(&disk).expect("nothing keeps it from being done");
    let (operations, archive) = (disk.operations(), disk.content(ARCHIVE).expect("it was written"));
    assert!(operations > 20, "it takes {operations} operations of the disk");
    let (mut with_archive, mut acknowledged) = (0, 0);
    for operation in 0..operations {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(operation, fault);
            let done = act(&disk).is_ok();
            for seed in 0..count(1, 50) {
                let at = format!("operation {operation} of {operations}, {fault:?}, seed {seed}");
                let image = disk.image(seed);
                if let Some(found) = image.content(ARCHIVE) {
                    let alone = verified(&[&found]);
                    assert_eq!(alone.verdict, ChainVerdict::Valid, "{at}: {}", alone.to_text(None));
                    assert!(found.len() == archive.len() && alone.parts[0].report.size > before, "{at}: it is whole");
                    with_archive += 1;
                } else {
                    assert!(!done, "{at}: it was acknowledged, and there is no archive");
                }
                act(&image).unwrap_or_else(|error| panic!("{at}, again: {error}"));
                let found = image.content(ARCHIVE).expect("it was written");
                let live = lines_of(&mut store(&image, "next").unwrap_or_else(|error| panic!("{at}: {error}")));
                let chain = verified(&[&found, &live]);
                assert_eq!(chain.verdict, ChainVerdict::Valid, "{at}: {}", chain.to_text(None));
                // The entry that says what it continues, and those that were appended.
                let size = chain.parts[1].report.size;
                assert!(size == 3 || (size == 2 && !done), "{at}: {size} entries");
                acknowledged += u64::from(done);
            }
        }
    }
    assert!(with_archive > 10 && acknowledged > 4, "{with_archive} {acknowledged}");
}
