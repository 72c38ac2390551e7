//! Sealing over a store that keeps its rows somewhere: what has to be gone when an erasure is acknowledged.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secure_log::SecureLog;
use secure_log::engine::{Erase, LogOptions, NewEntry, Providers};
use secure_log::entry::{Severity, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::providers::{Keystore, NoAnchor};
use secure_log::record::DataKeyRow;
use secure_log::store::SecureLogStore;
use secure_log::verify::Verdict;

use crate::{ManualClock, SeededRandom};

/// Opens a log that seals, with randomness of its own as each opening has, and with the keystore's key that signs by default.
pub fn open_sealing<S: SecureLogStore>(
    store: S,
    keystore: impl Keystore + Send + 'static,
    kek: &str,
) -> Result<SecureLog<S>, LogError> {
    static OPENINGS: AtomicU64 = AtomicU64::new(1);
    let providers = Providers {
        keystore: Box::new(keystore),
        anchor: Box::new(NoAnchor),
        clock: Box::new(ManualClock::new()),
        random: Box::new(SeededRandom::new(OPENINGS.fetch_add(1, Ordering::SeqCst))),
    };
    SecureLog::open(store, providers, LogOptions { kek_label: Some(kek.into()), ..LogOptions::default() })
}

/// A producer's entry of the stream `sealed`.
pub fn sealed_entry(payload: &[u8]) -> NewEntry<'_> {
    NewEntry { stream: "sealed", event: "e", severity: Severity::Info, producer: "p", encoding: "text", payload }
}

/// Seals, closes, wraps anew and erases by keys with these labels of the keystore that `keystore` makes, which has the
/// key that signs by default, too. `holds` says whether a key's wrapped form is anywhere in what the store keeps.
///
/// # Panics
/// When something does not open that has to, or is kept that has to be gone.
pub fn seal_wrap_and_erase<S: SecureLogStore, K: Keystore + Send + 'static>(
    mut open: impl FnMut() -> S,
    mut keystore: impl FnMut() -> K,
    [first, second]: [&str; 2],
    holds: impl Fn(&DataKeyRow) -> bool,
) {
    let mut log = open_sealing(open(), keystore(), first).expect("a log is made");
    let rules = StreamRules { tier: Tier::HighlyRestricted, ..StreamRules::default() };
    log.create_stream("sealed", &rules).expect("a stream is made");
    let mut sealed = Vec::new();
    for round in 0..4u8 {
        let payloads: Vec<[u8; 2]> = (0..3).map(|n| [round, n]).collect();
        let batch: Vec<NewEntry<'_>> = payloads.iter().map(|payload| sealed_entry(payload)).collect();
        let (appended, _) = log.append_sealed_batch(&batch).expect("it is sealed");
        sealed.extend(appended.iter().map(|appended| appended.seqno).zip(payloads));
        log.close_segment("sealed").expect("a segment is closed");
    }
    let rows = log.store_mut().data_keys("sealed").expect("the store has the keys");
    assert_eq!(rows.len(), 5, "one a segment, and one for pseudonyms");
    assert!(rows.iter().all(&holds), "or nothing would be found below");
    drop(log);

    let mut log = open_sealing(open(), keystore(), first).expect("the log opens again");
    for (seqno, payload) in &sealed {
        assert_eq!(*log.open_payload(*seqno).expect("it opens").payload, payload);
    }
    log.erase("sealed", Erase::Segment(2)).expect("it is erased");
    let gone: Vec<bool> = rows.iter().map(|row| !holds(row)).collect();
    assert_eq!(gone, [false, false, true, false, false], "what is gone after a segment was erased");

    assert_eq!(log.reseal(None, second).expect("keys are wrapped anew").keys, 4);
    assert!(!rows.iter().any(&holds), "the old wrapping is kept");
    let anew = log.store_mut().data_keys("sealed").expect("the store has the keys");
    assert!(anew.iter().all(&holds));

    drop(log);
    let mut log = open_sealing(open(), keystore(), second).expect("the log opens again");
    for (seqno, payload) in &sealed {
        match log.open_payload(*seqno) {
            Ok(opened) => assert!(*opened.payload == payload && payload[0] != 1),
            Err(error) => assert_eq!((error, payload[0]), (LogError::PayloadErased(*seqno), 1)),
        }
    }
    log.erase("sealed", Erase::Stream).expect("it is erased");
    assert!(!anew.iter().any(&holds), "a key is kept that was erased");
    let report = log.verify_log_opening().expect("it is verified");
    assert_eq!((&report.verdict, report.erased_payloads, report.unopened), (&Verdict::Valid, 12, 0), "{report:?}");
}

/// Whether the wrapped form of a key is in a file of this folder, as bytes or as text.
///
/// # Panics
/// When the folder cannot be read.
pub fn folder_holds(folder: &Path, row: &DataKeyRow) -> bool {
    let text = STANDARD.encode(&row.wrapped);
    let holds = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    fs::read_dir(folder).expect("the folder is there").any(|entry| {
        let path = entry.expect("it can be listed").path();
        match path.is_dir() {
            true => folder_holds(&path, row),
            false => {
                let bytes = fs::read(&path).expect("the file is there");
                holds(&bytes, &row.wrapped) || holds(&bytes, text.as_bytes())
            }
        }
    })
}
