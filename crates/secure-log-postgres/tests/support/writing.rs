//! Entries that say who wrote them, and whether each is there as often as it should be.

use std::collections::HashMap;
use std::sync::Mutex;

use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::shared::SharedLog;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::Verdict;
use secure_log_postgres::PostgresStore;
use secure_log_testkit::attacks::{options, providers};

pub(crate) fn open(store: PostgresStore) -> Result<SecureLog<PostgresStore>, LogError> {
    SecureLog::open(store, providers(), options())
}

pub(crate) fn entry(payload: &[u8]) -> NewEntry<'_> {
    NewEntry {
        stream: "shared",
        event: "test",
        severity: Severity::Info,
        producer: "test",
        encoding: "binary",
        payload,
    }
}

/// What writers were told.
#[derive(Default)]
pub(crate) struct Told(Mutex<HashMap<Vec<u8>, Option<u64>>>);

impl Told {
    /// Appends an entry with this payload, of which there is no other one. What others were faster at is tried again. Answers
    /// whether it was acknowledged.
    pub(crate) fn append(&self, log: &SharedLog<impl SecureLogStore + Send>, payload: &[u8]) -> bool {
        loop {
            let seqno = match log.append(&entry(payload)) {
                Ok((appended, _)) => Some(appended.seqno),
                Err(LogError::Conflict | LogError::Store(StoreError::Locked { .. } | StoreError::Conflict { .. })) => {
                    std::thread::yield_now();
                    continue;
                }
                Err(LogError::Store(StoreError::Io { .. })) => None,
                Err(error) => panic!("{error:?}"),
            };
            self.0.lock().unwrap().insert(payload.into(), seqno);
            return seqno.is_some();
        }
    }

    /// Every entry that was acknowledged is where it was said to be, and none is there twice.
    pub(crate) fn check(&self, store: PostgresStore) {
        let mut log = open(store).unwrap();
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
        let mut seen: HashMap<Vec<u8>, u64> = HashMap::new();
        let mut from = 1;
        while from <= log.size() {
            let page = log.read_page(Some("shared"), from, u64::MAX, 1000).unwrap();
            let Some(last) = page.last() else { break };
            from = last.seqno + 1;
            for entry in page {
                assert_eq!(seen.insert(entry.payload, entry.seqno), None, "entry {} is there twice", entry.seqno);
            }
        }
        let told = self.0.lock().unwrap();
        for (payload, seqno) in told.iter() {
            if seqno.is_some() {
                assert_eq!(seen.get(payload), seqno.as_ref(), "what was acknowledged is there");
            }
        }
        let acknowledged = told.values().flatten().count();
        eprintln!("{acknowledged} of {} appends were acknowledged, and {} entries are there", told.len(), seen.len());
        assert!(acknowledged > 0);
        assert!(seen.keys().all(|payload| told.contains_key(payload)));
    }
}
