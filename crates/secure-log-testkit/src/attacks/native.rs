//! A log that runs in the test's own process.

use secure_log::engine::{LogOptions, NewEntry, SecureLog};
use secure_log::entry::{Severity, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::proof::{
    Comparison, ConsistencyProof, Equivocation, InclusionProof, Refused, TlogProof, compare_entries, compare_heads,
    verify_consistency, verify_inclusion,
};
use secure_log::store::StoreError;
use secure_log::verify::Trust;

use super::proofs::{Compared, Prover, refused};
use super::said::{Said, refusal};
use super::sample::{ORIGIN, log_key, options, providers};
use super::scenarios::{Answered, Subject};
use crate::anchor::MemoryAnchor;
use crate::fault::Fault;
use crate::hand::{Hand, HeldStore, Lie};
use crate::layer::AnyStore;
use crate::record::OwnedRecord;

/// A log over a store in a test's [`Hand`], with the keys of the sample log.
pub struct Native {
    hand: Hand,
    between: Between,
    anchor: MemoryAnchor,
    is_anchored: bool,
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
        Native {
            hand: Hand::new(store, lay),
            between: AnyStore::new,
            anchor: MemoryAnchor::new(),
            is_anchored: false,
            log: None,
        }
    }

    /// The same with something in between, such as a wire: what the hand does, it does at the other end.
    pub fn over(self, between: Between) -> Native {
        Native { between, ..self }
    }

    fn open_with(&mut self, options: LogOptions) -> Answered<()> {
        self.log = None;
        self.hand.restart();
        let mut providers = providers();
        if self.is_anchored {
            providers.anchor = Box::new(self.anchor.clone());
        }
        let opened = SecureLog::open((self.between)(self.hand.store()), providers, options);
        self.log = Some(opened.map_err(|error| refusal(&error))?);
        Ok(())
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut SecureLog<AnyStore>) -> Result<T, LogError>) -> Answered<T> {
        call(self.log.as_mut().expect("the scenario opened the log")).map_err(|error| refusal(&error))
    }
}

impl Prover for Native {
    fn signed_head(&mut self) -> Answered<String> {
        self.call(|log| log.signed_head().map(|note| note.to_string()))
    }

    fn prove_inclusion(&mut self, seqno: u64, size: Option<u64>) -> Answered<InclusionProof> {
        self.call(|log| log.prove_inclusion(seqno, size))
    }

    fn prove_consistency(&mut self, old: u64, new: Option<u64>) -> Answered<ConsistencyProof> {
        self.call(|log| log.prove_consistency(old, new))
    }

    fn prove_entry(&mut self, seqno: u64, size: Option<u64>) -> Answered<String> {
        self.call(|log| log.tlog_proof(seqno, size).map(|proof| proof.to_string()))
    }

    fn verify_inclusion(&mut self, proof: &InclusionProof) -> Answered<()> {
        let InclusionProof { seqno, entry_hash, size, root, hashes } = proof;
        verify_inclusion(hashes, entry_hash, *seqno, *size, root).map_err(|error| refused(&error))
    }

    fn verify_consistency(&mut self, proof: &ConsistencyProof) -> Answered<()> {
        let ConsistencyProof { old_size, old_root, new_size, new_root, hashes } = proof;
        verify_consistency(hashes, (*old_size, old_root), (*new_size, new_root)).map_err(|error| refused(&error))
    }

    fn verify_entry(&mut self, proof: &str) -> Answered<u64> {
        let verified = TlogProof::parse(proof).and_then(|proof| proof.verify(&key_of_the_log()));
        verified.map(|verified| verified.entry().seqno).map_err(|error| refused(&error))
    }

    fn compare_heads(&mut self, one: &str, other: &str, hashes: Option<&[Hash]>) -> Answered<Compared> {
        compared(compare_heads(one, other, hashes, &key_of_the_log()))
    }

    fn compare_entries(&mut self, one: &str, other: &str) -> Answered<Compared> {
        compared(compare_entries(one, other, &key_of_the_log()))
    }

    fn verify_equivocation(&mut self, evidence: &str) -> Answered<Option<u64>> {
        let verified = Equivocation::parse(evidence).and_then(|evidence| evidence.verify(&key_of_the_log()));
        verified.map(|verified| verified.seqno()).map_err(|error| refused(&error))
    }
}

/// All that a stranger knows.
fn key_of_the_log() -> Trust {
    let mut trust = Trust::new();
    trust.add_log_key(log_key(ORIGIN));
    trust
}

fn compared(comparison: Result<Comparison, Refused>) -> Answered<Compared> {
    match comparison {
        Ok(Comparison::Consistent) => Ok(Compared::Consistent),
        Ok(Comparison::NotComparable(_)) => Ok(Compared::NotComparable),
        Ok(Comparison::Equivocation(evidence)) => Ok(Compared::Equivocation(evidence.to_string())),
        Err(error) => Err(refused(&error)),
    }
}

impl Subject for Native {
    fn open(&mut self) -> Answered<()> {
        self.open_with(options())
    }

    fn twin(&mut self) -> Native {
        Native { hand: self.hand.clone(), anchor: self.anchor.clone(), log: None, ..*self }
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

    fn prune(&mut self, retention: &str) -> Answered<()> {
        let retention = retention.parse().expect("the scenario names a retention");
        self.call(|log| log.prune_all(&retention, 0).map(drop))
    }

    fn read(&mut self, seqno: u64) -> Answered<Vec<u8>> {
        self.call(|log| log.read(seqno).map(|entry| entry.payload))
    }

    fn verify(&mut self) -> Said {
        let report = self.call(|log| log.verify_log());
        report.map_or_else(Said::Refused, |report| Said::from(&report))
    }

    fn anchored(&mut self, anchored: bool) {
        self.is_anchored = anchored;
    }

    fn forget_anchor(&mut self) {
        self.anchor.forget();
    }

    fn reanchor(&mut self) -> Answered<()> {
        self.open_with(LogOptions { reanchor: true, ..options() })
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
