//! A log that runs in the test's own process.

use secure_log::engine::{NewEntry, SecureLog};
use secure_log::entry::{Severity, StreamRules};
use secure_log::error::LogError;
use secure_log::store::StoreError;

use super::said::{Said, refusal};
use super::sample::{options, providers};
use super::scenarios::{Answered, Subject};
use crate::fault::Fault;
use crate::hand::{Hand, HeldStore, Lie};
use crate::layer::AnyStore;
use crate::record::OwnedRecord;

/// A log over a store in a test's [`Hand`], with the keys of the sample log.
pub struct Native {
    hand: Hand,
    between: Between,
    log: Option<SecureLog<AnyStore>>,
}

/// What a log uses in place of the held store: something that stands on it.
type Between = fn(HeldStore) -> AnyStore;

impl Native {
    /// Over `store`; `lay` is [`Hand::new`]'s.
    pub fn new(
        store: AnyStore,
        lay: impl FnMut(&[OwnedRecord]) -> Result<AnyStore, StoreError> + Send + 'static,
    ) -> Native {
        Native { hand: Hand::new(store, lay), between: AnyStore::new, log: None }
    }

    /// The same with something in between, such as a wire: what the hand does, it does at the other end.
    pub fn over(self, between: Between) -> Native {
        Native { between, ..self }
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut SecureLog<AnyStore>) -> Result<T, LogError>) -> Answered<T> {
        call(self.log.as_mut().expect("the scenario opened the log")).map_err(|error| refusal(&error))
    }
}

impl Subject for Native {
    fn open(&mut self) -> Answered<()> {
        self.log = None;
        self.hand.restart();
        let opened = SecureLog::open((self.between)(self.hand.store()), providers(), options());
        self.log = Some(opened.map_err(|error| refusal(&error))?);
        Ok(())
    }

    fn twin(&mut self) -> Native {
        Native { hand: self.hand.clone(), between: self.between, log: None }
    }

    fn create_stream(&mut self, stream: &str, rules: &StreamRules) -> Answered<()> {
        self.call(|log| log.create_stream(stream, rules).map(drop))
    }

    fn append(&mut self, stream: &str, payload: &str) -> Answered<u64> {
        let (event, producer, encoding) = ("test.event", "test", "text");
        let entry =
            NewEntry { stream, event, severity: Severity::Info, producer, encoding, payload: payload.as_bytes() };
        self.call(|log| log.append(&entry).map(|(appended, _)| appended.seqno))
    }

    fn close(&mut self, stream: &str) -> Answered<()> {
        self.call(|log| log.close_segment(stream).map(drop))
    }

    fn deprecate(&mut self, stream: &str) -> Answered<()> {
        self.call(|log| log.deprecate_stream(stream).map(drop))
    }

    fn read(&mut self, seqno: u64) -> Answered<Vec<u8>> {
        self.call(|log| log.read(seqno).map(|entry| entry.payload))
    }

    fn verify(&mut self) -> Said {
        let report = self.call(|log| log.verify_log());
        report.map_or_else(Said::Refused, |report| Said::from(&report))
    }

    fn records(&mut self) -> Vec<OwnedRecord> {
        self.hand.records().expect("the store below can be read")
    }

    fn lay(&mut self, records: &[OwnedRecord]) {
        self.hand.lay(records).expect("the store below takes these records");
    }

    fn tell(&mut self, lie: Lie) {
        self.hand.tell(Some(lie));
    }

    fn keep_leaves(&mut self) {
        self.hand.keep_leaves().expect("the store below can be read");
    }

    fn refuse_commits_over(&mut self, old: &[OwnedRecord]) {
        self.hand.refuse_commits_over(old.to_vec());
    }

    fn arm(&mut self, fault: Fault) {
        self.hand.faults().arm(fault);
    }

    fn is_armed(&mut self) -> bool {
        self.hand.faults().is_armed()
    }
}
