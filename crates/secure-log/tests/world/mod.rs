//! What the tests of the engine share: a store that a test can look into, and the surroundings of a log.

use secure_log::SecureLog;
use secure_log::engine::{Appended, LogOptions, NewEntry, Providers};
use secure_log::entry::{Severity, SigningRule, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::memory::MemoryStore;
use secure_log::providers::{KeyError, Keystore, NoAnchor};
use secure_log::record::HeadRow;
use secure_log::store::SecureLogStore;
use secure_log::verify::{Report, Verdict, verify_jsonl};
use secure_log_testkit::attacks::{keystore, options, to_jsonl, trust};
use secure_log_testkit::{
    ManualClock, MemoryAnchor, OwnedRecord, SeededRandom, SharedStore, TestKeystore, records_of, store_from,
};

pub(crate) type Store = SharedStore<MemoryStore>;
pub(crate) type Log = SecureLog<Store>;

/// A store, and what a log over it is opened with. Clones are the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) keys: TestKeystore,
    pub(crate) anchor: Option<MemoryAnchor>,
    pub(crate) clock: ManualClock,
}

impl World {
    /// A world with the keys of the sample log and no anchor.
    pub(crate) fn new() -> World {
        World { store: SharedStore::new(MemoryStore::new()), keys: keystore(), anchor: None, clock: ManualClock::new() }
    }

    /// The same with an anchor.
    pub(crate) fn anchored() -> World {
        World { anchor: Some(MemoryAnchor::new()), ..World::new() }
    }

    /// The same without keys.
    pub(crate) fn keyless() -> World {
        World { keys: TestKeystore::new(), ..World::new() }
    }

    pub(crate) fn providers(&self) -> Providers {
        Providers {
            keystore: Box::new(self.keys.clone()),
            anchor: match &self.anchor {
                Some(anchor) => Box::new(anchor.clone()),
                None => Box::new(NoAnchor),
            },
            clock: Box::new(self.clock.clone()),
            random: Box::new(SeededRandom::new(1)),
        }
    }

    /// How a log is opened here.
    pub(crate) fn options(&self) -> LogOptions {
        let all = options();
        LogOptions {
            mac_label: all.mac_label.filter(|label| !matches!(self.keys.mac(label), Err(KeyError::NotFound(_)))),
            ..all
        }
    }

    pub(crate) fn open(&self) -> Result<Log, LogError> {
        self.open_with(|_| ())
    }

    pub(crate) fn open_with(&self, edit: impl FnOnce(&mut LogOptions)) -> Result<Log, LogError> {
        self.open_on(self.store.clone(), edit)
    }

    pub(crate) fn open_on<S: SecureLogStore>(
        &self,
        store: S,
        edit: impl FnOnce(&mut LogOptions),
    ) -> Result<SecureLog<S>, LogError> {
        let mut options = self.options();
        edit(&mut options);
        SecureLog::open(store, self.providers(), options)
    }

    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        self.store.with(|store| records_of(store).unwrap())
    }

    /// Puts other records in the store, behind everybody's back.
    pub(crate) fn put(&self, records: &[OwnedRecord]) {
        self.store.with(|store| *store = store_from(records));
    }

    /// Edits what is in the store.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Vec<OwnedRecord>)) {
        let mut records = self.records();
        edit(&mut records);
        self.put(&records);
    }

    /// What a verifier with the sample's keys says of the store.
    pub(crate) fn report(&self) -> Report {
        verify_jsonl(&to_jsonl(&self.records())[..], &trust(), |_| {}).unwrap()
    }

    /// Expects that the store holds a valid log of this size.
    #[track_caller]
    pub(crate) fn assert_valid(&self, size: u64) {
        let report = self.report();
        assert_eq!((&report.verdict, report.complete_to), (&Verdict::Valid, size), "{report:?}");
    }

    pub(crate) fn heads(&self) -> Vec<HeadRow> {
        let head = |record| match record {
            OwnedRecord::Head(head) => Some(head),
            _ => None,
        };
        self.records().into_iter().filter_map(head).collect()
    }
}

/// A producer's entry.
pub(crate) fn entry<'a>(stream: &'a str, payload: &'a [u8]) -> NewEntry<'a> {
    NewEntry { stream, event: "test.event", severity: Severity::Info, producer: "test", encoding: "text", payload }
}

/// Appends one entry.
#[track_caller]
pub(crate) fn append<S: SecureLogStore>(log: &mut SecureLog<S>, stream: &str, payload: &[u8]) -> Appended {
    log.append(&entry(stream, payload)).unwrap().0
}

pub(crate) fn signed(sign: SigningRule) -> StreamRules {
    StreamRules { sign, ..StreamRules::default() }
}

pub(crate) fn hashed(suite: Suite) -> StreamRules {
    StreamRules { suite, ..StreamRules::default() }
}

/// The entries that the store holds, by stream and event.
pub(crate) fn events(world: &World) -> Vec<(String, String)> {
    world.records().iter().filter_map(OwnedRecord::entry).map(|entry| (entry.stream, entry.event)).collect()
}
