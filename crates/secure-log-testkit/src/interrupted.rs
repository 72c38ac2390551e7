//! Erasing data keys and wrapping them anew, interrupted at any step: all of it was done then, or none.

use secure_log::SecureLog;
use secure_log::engine::Erase;
use secure_log::entry::{StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::sign::Algorithm;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::Verdict;

use crate::crash_disk::{CrashDisk, Fault};
use crate::sealing::{open_sealing, sealed_entry};
use crate::{TestKeystore, count};

const SECRET: &[u8] = b"what is sealed";
const KEKS: [&str; 2] = ["kek-1", "kek-2"];

/// A key that signs, and two that wrap: `kek-1` and `kek-2`.
pub fn wrapping_keys() -> TestKeystore {
    let keys = TestKeystore::new().signing("checkpoint-ed25519", Algorithm::Ed25519);
    KEKS.into_iter().fold(keys, TestKeystore::wrapping)
}

/// What is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Erasing one of two data keys.
    Erasing,
    /// Wrapping two data keys by another key.
    Rewrapping,
}

impl Interrupted {
    /// Makes a log of two closed segments, with a sealed entry in each, whose seqnos it answers.
    ///
    /// # Panics
    /// When the log cannot be made.
    pub fn prepare(store: impl SecureLogStore) -> [u64; 2] {
        let mut log = open(store).expect("a log is made");
        let rules = StreamRules { tier: Tier::Protected, ..StreamRules::default() };
        log.create_stream("sealed", &rules).expect("a stream is made");
        [(); 2].map(|()| {
            let (sealed, _) = log.append_sealed(&sealed_entry(SECRET)).expect("it is sealed");
            log.close_segment("sealed").expect("a segment is closed");
            sealed.seqno
        })
    }

    /// Does it, in the log that was made. Without an error it is acknowledged.
    pub fn act(self, store: impl SecureLogStore) -> Result<(), LogError> {
        let mut log = open(store)?;
        match self {
            Interrupted::Erasing => log.erase("sealed", Erase::Segment(1)).map(drop),
            Interrupted::Rewrapping => log.reseal(None, KEKS[1]).map(drop),
        }
    }

    /// Shows that it was done or not begun, and that it was done where it was acknowledged; and that the log goes on. `at` says
    /// what happened.
    ///
    /// # Panics
    /// When that is not so.
    pub fn check(self, mut store: impl SecureLogStore, sealed: [u64; 2], acknowledged: bool, at: &str) {
        if acknowledged && self == Interrupted::Erasing {
            // Before an opening finishes what was left to be done.
            assert_eq!(store.data_keys("sealed").map(|rows| rows.len()), Ok(1), "{at}: it was acknowledged");
        }
        let mut log = open(store).unwrap_or_else(|error| panic!("{at}: {error}"));
        match self {
            Interrupted::Erasing => check_erased(&mut log, sealed, acknowledged, at),
            Interrupted::Rewrapping => check_rewrapped(&mut log, sealed, acknowledged, at),
        }
        let next = log.append_sealed(&sealed_entry(b"on")).unwrap_or_else(|error| panic!("{at}, going on: {error}"));
        assert_eq!(opened(&mut log, next.0.seqno), Ok(b"on".to_vec()), "{at}");
        let report = log.verify_log_opening().expect("it is verified");
        assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0), "{at}: {report:?}");
    }

    /// Fails each operation of a disk in turn, in every way.
    ///
    /// # Panics
    /// When something is half done.
    pub fn at_every_operation<S: SecureLogStore>(self, open: impl Fn(&CrashDisk) -> Result<S, StoreError>) {
        let whole = CrashDisk::new();
        let sealed = Interrupted::prepare(open(&whole).expect("a store is made"));
        let act = |disk: &CrashDisk| open(disk).map_err(LogError::from).and_then(|store| self.act(store));
        let disk = whole.image(0);
        act(&disk).expect("nothing keeps it from being done");
        let operations = disk.operations();
        assert!(operations > 10, "it takes {operations} operations of the disk");
        for operation in 0..operations {
            for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
                let disk = whole.image(0);
                disk.fail_at(operation, fault);
                let acknowledged = act(&disk).is_ok();
                for seed in 0..count(1, 50) {
                    let at = format!("operation {operation} of {operations}, {fault:?}, seed {seed}");
                    let store = open(&disk.image(seed)).unwrap_or_else(|error| panic!("{at}: {error}"));
                    self.check(store, sealed, acknowledged, &at);
                }
            }
        }
    }
}

fn open<S: SecureLogStore>(store: S) -> Result<SecureLog<S>, LogError> {
    open_sealing(store, wrapping_keys(), KEKS[0])
}

fn opened<S: SecureLogStore>(log: &mut SecureLog<S>, seqno: u64) -> Result<Vec<u8>, LogError> {
    log.open_payload(seqno).map(|opened| opened.payload.to_vec())
}

fn check_erased<S: SecureLogStore>(log: &mut SecureLog<S>, [first, second]: [u64; 2], acknowledged: bool, at: &str) {
    let left = log.store_mut().data_keys("sealed").expect("the store has keys").len();
    let entries = log.read_page(Some("sealed"), 1, u64::MAX, 100).expect("the stream can be read");
    let on_record = entries.iter().any(|entry| entry.event.ends_with(".erased"));
    assert_eq!(left, if on_record { 1 } else { 2 }, "{at}");
    assert!(on_record || !acknowledged, "{at}: it was acknowledged");
    let wanted = if on_record { Err(LogError::PayloadErased(first)) } else { Ok(SECRET.to_vec()) };
    assert_eq!(opened(log, first), wanted, "{at}");
    assert_eq!(opened(log, second), Ok(SECRET.to_vec()), "{at}");
    let erased = log.verify_log().expect("it is verified").erased;
    assert_eq!(erased, u64::from(on_record), "{at}");
}

fn check_rewrapped<S: SecureLogStore>(log: &mut SecureLog<S>, sealed: [u64; 2], acknowledged: bool, at: &str) {
    let rows = log.store_mut().data_keys("sealed").expect("the store has keys");
    let anew = rows.iter().filter(|row| row.kek == KEKS[1]).count();
    assert!(rows.len() == 2 && (anew == 2 || (anew == 0 && !acknowledged)), "{at}: {anew} wrapped anew");
    for seqno in sealed {
        assert_eq!(opened(log, seqno), Ok(SECRET.to_vec()), "{at}");
    }
}
