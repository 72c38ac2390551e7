//! A store that a test can look into, and an audit log over it.

use std::fs;
use std::path::{Path, PathBuf};

use secure_log::engine::{LogOptions, Providers};
use secure_log::memory::MemoryStore;
use secure_log::providers::NoAnchor;
use secure_log::sign::Algorithm;
use secure_log::store::SecureLogStore;
use secure_log_audit::{Action, AuditError, AuditLog, Authorization, Event, Principal, Profile};
use secure_log_testkit::{ManualClock, OwnedRecord, SeededRandom, SharedStore, TestKeystore, records_of, store_from};

pub(crate) type Store = SharedStore<MemoryStore>;

/// Where a log is. Clones are the same place.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) keys: TestKeystore,
    pub(crate) clock: ManualClock,
}

pub(crate) const MAC_LABEL: &str = "mac";

impl Place {
    /// An empty place, with a key that signs and one for the keyed suite.
    pub(crate) fn new() -> Place {
        let keys = TestKeystore::new().signing("checkpoint-ed25519", Algorithm::Ed25519).keyed_hashing(MAC_LABEL);
        Place { store: SharedStore::new(MemoryStore::new()), keys, clock: ManualClock::new() }
    }

    pub(crate) fn providers(&self) -> Providers {
        Providers {
            keystore: Box::new(self.keys.clone()),
            anchor: Box::new(NoAnchor),
            clock: Box::new(self.clock.clone()),
            random: Box::new(SeededRandom::new(1)),
        }
    }

    pub(crate) fn options(&self) -> LogOptions {
        LogOptions { mac_label: Some(MAC_LABEL.into()), ..LogOptions::default() }
    }

    pub(crate) fn open(&self) -> AuditLog<Store> {
        self.open_with(|_| ()).unwrap()
    }

    pub(crate) fn open_with(&self, edit: impl FnOnce(&mut Profile)) -> Result<AuditLog<Store>, AuditError> {
        self.open_on(self.store.clone(), edit)
    }

    pub(crate) fn open_on<S: SecureLogStore>(
        &self,
        store: S,
        edit: impl FnOnce(&mut Profile),
    ) -> Result<AuditLog<S>, AuditError> {
        // Ids that no other opening has drawn.
        let drawn = self.store.with(|store| store.heads(None, 1).unwrap().first().map_or(0, |head| head.number));
        let mut profile = Profile { random: Box::new(SeededRandom::new(1000 + drawn)), ..Profile::default() };
        edit(&mut profile);
        AuditLog::open(store, self.providers(), self.options(), profile)
    }

    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        self.store.with(|store| records_of(store).unwrap())
    }

    /// Edits what is in the store, behind everybody's back.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Vec<OwnedRecord>)) {
        let mut records = self.records();
        edit(&mut records);
        self.store.with(|store| *store = store_from(&records));
    }
}

/// A file that is read, by an agent for a user.
pub(crate) fn reading<S: SecureLogStore>(audit: &AuditLog<S>, path: &str) -> Event {
    let actor = Principal::agent("agent-7").on_behalf_of(Principal::user("alice"));
    audit.event(actor, Authorization::NotRequired, Action::FileRead { path: path.into(), content: None }).unwrap()
}

pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Events of every kind and outcome, from the golden files.
pub(crate) fn golden_events() -> Vec<(String, Event)> {
    let file = fs::read_to_string(project("vectors/secure-log/audit/events.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let read = |case: &serde_json::Value| {
        let event = Event::decode(case["payload"].as_str().unwrap().as_bytes()).unwrap();
        (case["name"].as_str().unwrap().to_owned(), event)
    };
    file["events"].as_array().unwrap().iter().map(read).collect()
}
