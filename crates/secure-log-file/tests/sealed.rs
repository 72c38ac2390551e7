//! Sealed payloads over a log in a file: what of a data key is left in the file system, and crashes below the engine.

use std::path::Path;
use std::time::Duration;

use secure_log::engine::Erase;
use secure_log::entry::{StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::sign::Algorithm;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::Verdict;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_testkit::sealing::{folder_holds, open_sealing, seal_wrap_and_erase, sealed_entry};
use secure_log_testkit::{TestKeystore, count};

const SECRET: &[u8] = b"what is sealed";

fn keystore() -> TestKeystore {
    TestKeystore::new().signing("checkpoint-ed25519", Algorithm::Ed25519).wrapping("kek-1").wrapping("kek-2")
}

#[test]
fn row_28_no_file_holds_a_key_that_was_erased_or_wrapped_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let holds = |row: &_| folder_holds(folder.path(), row);
    seal_wrap_and_erase(|| FileStore::open(&path).unwrap(), keystore, ["kek-1", "kek-2"], holds);
}

fn store(disk: &CrashDisk) -> Result<FileStore<CrashDisk>, StoreError> {
    let mut options = Options::default();
    options.lock_wait = Duration::from_millis(1);
    options.stale_after = Duration::from_millis(20);
    FileStore::open_on(disk.clone(), Path::new("log.jsonl"), options)
}

/// A log of two segments, and a sealed entry of each.
fn sealed() -> (CrashDisk, [u64; 2]) {
    let disk = CrashDisk::new();
    let mut log = open_sealing(store(&disk).unwrap(), keystore(), "kek-1").unwrap();
    log.create_stream("sealed", &StreamRules { tier: Tier::Protected, ..StreamRules::default() }).unwrap();
    let sealed = [(); 2].map(|()| {
        let seqno = log.append_sealed(&sealed_entry(SECRET)).unwrap().0.seqno;
        log.close_segment("sealed").unwrap();
        seqno
    });
    (disk, sealed)
}

/// Does something to the sealed log that fails at each operation of the disk in turn, and shows what is left after it.
fn at_every_operation(
    act: impl Fn(&CrashDisk) -> Result<(), LogError>,
    check: impl Fn(&CrashDisk, [u64; 2], bool, &str),
) {
    let (whole, seqnos) = sealed();
    let disk = whole.image(0);
    act(&disk).unwrap();
    for operation in 0..disk.operations() {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(operation, fault);
            let done = act(&disk).is_ok();
            for seed in 0..count(1, 50) {
                check(&disk.image(seed), seqnos, done, &format!("operation {operation}, {fault:?}, seed {seed}"));
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_an_erasure_leaves_it_done_or_not_begun() {
    let erase = |disk: &CrashDisk| {
        let mut log = open_sealing(store(disk)?, keystore(), "kek-1")?;
        log.erase("sealed", Erase::Segment(1)).map(drop)
    };
    at_every_operation(erase, |disk, [first, second], done, at| {
        let mut log = open_sealing(store(disk).unwrap(), keystore(), "kek-1").unwrap();
        let left = log.store_mut().data_keys("sealed").unwrap().len();
        let on_record =
            log.read_page(Some("sealed"), 1, u64::MAX, 100).unwrap().iter().any(|e| e.event.ends_with(".erased"));
        assert_eq!(left, if on_record { 1 } else { 2 }, "{at}");
        assert!(on_record || !done, "{at}: it was acknowledged");
        match log.open_payload(first) {
            Ok(opened) => assert!(!on_record && *opened.payload == SECRET, "{at}"),
            Err(error) => assert_eq!((on_record, error), (true, LogError::PayloadErased(first)), "{at}"),
        }
        assert_eq!(*log.open_payload(second).unwrap().payload, SECRET, "{at}");
        let recovered = log.append_sealed(&sealed_entry(b"on")).unwrap().0.seqno;
        assert_eq!(*log.open_payload(recovered).unwrap().payload, b"on", "{at}");
        let report = log.verify_log_opening().unwrap();
        assert_eq!((&report.verdict, report.erased), (&Verdict::Valid, u64::from(on_record)), "{at}: {report:?}");
    });
}

#[test]
fn a_crash_at_every_operation_of_wrapping_anew_leaves_all_keys_or_none() {
    let reseal = |disk: &CrashDisk| {
        let mut log = open_sealing(store(disk)?, keystore(), "kek-1")?;
        log.reseal(None, "kek-2").map(drop)
    };
    at_every_operation(reseal, |disk, seqnos, done, at| {
        let mut log = open_sealing(store(disk).unwrap(), keystore(), "kek-1").unwrap();
        let rows = log.store_mut().data_keys("sealed").unwrap();
        let anew = rows.iter().filter(|row| row.kek == "kek-2").count();
        assert!(rows.len() == 2 && (anew == 2 || (anew == 0 && !done)), "{at}: {anew} wrapped anew");
        for seqno in seqnos {
            assert_eq!(*log.open_payload(seqno).unwrap().payload, SECRET, "{at}");
        }
    });
}
