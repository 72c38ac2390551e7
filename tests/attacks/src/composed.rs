//! A log in a composed stack, as a subject of the testkit's attacks.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use secure_log::entry::{SigningRule, StreamRules, Tier};
use secure_log::hash::{Hash, Suite};
use secure_log::jsonl::export;
use secure_log::proof::{ConsistencyProof, InclusionProof};
use secure_log::store::SecureLogStore;
use secure_log_sqlite::{Native, SqliteStore};
use secure_log_testkit::attacks::{Answered, Compared, ORIGIN, Prover, Said, Subject, log_key, to_jsonl};
use secure_log_testkit::{Effect, Fault, Lie, OwnedRecord, flip_stored_bit, from_jsonl};
use secure_log_verify::copy::{error_name, proof_error_name};
use secure_log_verify::host::encoder::Severity;
use secure_log_verify::host::{Answer, Checked, Instance, LogError, Stack, Surroundings, tree, types, writer};
use tempfile::TempDir;
use wasmtime::Result;

use crate::stacks::{Kept, Transcript};
use crate::tables::lay;
use crate::tables_of_postgres::Edited;
use bindings::Hostile;
use bindings::exports::secure_log::attacks::hand::Effect as WireEffect;

#[allow(missing_docs, reason = "hand.wit says what is here")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../crates/secure-log-guest/examples/store-hostile/wit",
        world: "hostile",
    });
}

/// A log in a stack, or the place where one may come to be.
pub struct Composed<'s> {
    stack: &'s Stack,
    kept: Kept,
    config: String,
    place: Place<'s>,
    surroundings: Surroundings,
    /// The folder of the anchor, which its twins have, too.
    anchor: Arc<TempDir>,
    is_anchored: bool,
    transcript: Transcript,
    running: Running,
}

/// Where the host finds what is kept.
#[derive(Clone)]
pub enum Place<'s> {
    /// Nowhere.
    Memory,
    /// In this file.
    File(PathBuf),
    /// In the tables of a database, under this name.
    Tables { tables: &'s Edited, log: String },
}

/// The instance of the moment: the process in which the log is open.
struct Running {
    log: Instance,
    hand: Option<Hostile>,
    tried_to_open: bool,
}

impl<'s> Composed<'s> {
    /// Starts an instance, opens nothing, and takes the store in hand where that is possible.
    pub fn new(
        stack: &'s Stack,
        kept: Kept,
        config: String,
        place: Place<'s>,
        surroundings: Surroundings,
        transcript: Transcript,
    ) -> Composed<'s> {
        let running = start(stack, kept, &config, &surroundings);
        let anchor = Arc::new(tempfile::tempdir().expect("a folder for the anchor can be made"));
        Composed { stack, kept, config, place, surroundings, anchor, is_anchored: false, transcript, running }
    }

    /// Puts a file of these bytes in place before the log is opened, with nothing beside it.
    pub fn lay_file(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.file();
        for beside in [".idx", "-wal", "-shm", ".lock"] {
            let beside = PathBuf::from(format!("{}{beside}", file.display()));
            if beside.is_dir() {
                fs::remove_dir_all(beside)?;
            } else if beside.exists() {
                fs::remove_file(beside)?;
            }
        }
        Ok(fs::write(file, bytes)?)
    }

    /// What the store opens.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The file that it is kept in.
    pub fn file(&self) -> PathBuf {
        match &self.place {
            Place::File(file) => file.clone(),
            _ => panic!("this log is kept in no file"),
        }
    }

    /// Flips a bit of an entry in the store.
    pub fn flip(&mut self, seqno: u64, bit: u64) {
        if self.kept.is_in_database() {
            let mut records = self.records();
            flip_stored_bit(&mut records, seqno, bit);
            return self.lay(&records);
        }
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_flip(log.parts().0, seqno, bit));
    }

    /// Opens the log in a fresh instance and has it verify itself.
    pub fn open_and_verify(&mut self) -> Said {
        match self.open() {
            Ok(()) => self.verify(),
            Err(refusal) => Said::Refused(refusal),
        }
    }

    /// Calls a function of the log, and notes what it answers.
    pub fn call<T: std::fmt::Debug>(&mut self, call: impl FnOnce(&mut Instance) -> Result<Answer<T>>) -> Answer<T> {
        let answer = call(&mut self.running.log).unwrap_or_else(|trap| panic!("the stack trapped: {trap:?}"));
        self.transcript.note(&answer);
        answer
    }

    fn answered<T: std::fmt::Debug>(&mut self, call: impl FnOnce(&mut Instance) -> Result<Answer<T>>) -> Answered<T> {
        self.call(call).map_err(|error| refusal(&error))
    }

    /// The same of what is not to be noted.
    pub fn answered_unnoted<T>(&mut self, call: impl FnOnce(&mut Instance) -> Result<Answer<T>>) -> Answered<T> {
        let answer = call(&mut self.running.log).unwrap_or_else(|trap| panic!("the stack trapped: {trap:?}"));
        answer.map_err(|error| refusal(&error))
    }

    /// The same of a function that needs no log.
    fn checked<T: std::fmt::Debug>(&mut self, call: impl FnOnce(&mut Instance) -> Result<Checked<T>>) -> Answered<T> {
        let answer = call(&mut self.running.log).unwrap_or_else(|trap| panic!("the stack trapped: {trap:?}"));
        self.transcript.note(&answer);
        answer.map_err(|error| proof_error_name(&error).into())
    }

    /// The tables as the host sees them.
    fn database(&self) -> Box<dyn SecureLogStore + '_> {
        match &self.place {
            Place::Tables { tables, log } => Box::new(tables.postgres.store(log)),
            _ => Box::new(self.sqlite()),
        }
    }

    fn sqlite(&self) -> SqliteStore<Native> {
        SqliteStore::open(self.file()).expect("the database can be opened")
    }

    /// Ends the instance in which an opening was tried, and starts another.
    fn restart(&mut self) {
        if self.running.tried_to_open {
            // What is in memory would be gone with the process: it is carried over to the next.
            let kept = self.kept.is_in_memory().then(|| self.records());
            let surroundings = match self.is_anchored {
                true => self
                    .surroundings
                    .clone()
                    .folder(self.anchor.path(), "/anchor")
                    .variable("SECURE_LOG_ANCHOR", "/anchor/heads"),
                false => self.surroundings.clone(),
            };
            self.running = start(self.stack, self.kept, &self.config, &surroundings);
            if let Some(records) = kept {
                self.lay(&records);
            }
        }
        self.running.tried_to_open = true;
    }

    fn with_hand<T>(&mut self, call: impl FnOnce(&Hostile, &mut Instance) -> Result<Result<T, String>>) -> T {
        let Running { log, hand, .. } = &mut self.running;
        let hand = hand.as_ref().expect("this store is in the hand of the test");
        call(hand, log)
            .unwrap_or_else(|trap| panic!("the store trapped: {trap:?}"))
            .unwrap_or_else(|error| panic!("the store refuses what the test does: {error}"))
    }
}

fn start(stack: &Stack, kept: Kept, config: &str, surroundings: &Surroundings) -> Running {
    let mut log = stack.instantiate(surroundings).unwrap_or_else(|error| panic!("the stack does not start: {error:?}"));
    let hand = (!kept.is_as_released()).then(|| {
        let (store, instance) = log.parts();
        let hand = Hostile::new(&mut *store, instance).expect("the stack lets a test hold its store");
        let held = hand.secure_log_attacks_hand().call_hold(store, config).expect("the store does not trap");
        held.unwrap_or_else(|error| panic!("the store cannot be held: {error}"));
        hand
    });
    Running { log, hand, tried_to_open: false }
}

impl Prover for Composed<'_> {
    fn signed_head(&mut self) -> Answered<String> {
        self.answered(|log| log.signed_head())
    }

    fn prove_inclusion(&mut self, seqno: u64, size: Option<u64>) -> Answered<InclusionProof> {
        let proof = self.answered(|log| log.prove_inclusion(seqno, size))?;
        Ok(InclusionProof {
            seqno: proof.seqno,
            entry_hash: hash(&proof.entry_hash),
            size: proof.size,
            root: hash(&proof.root),
            hashes: proof.hashes.iter().map(|bytes| hash(bytes)).collect(),
        })
    }

    fn prove_consistency(&mut self, old: u64, new: Option<u64>) -> Answered<ConsistencyProof> {
        let proof = self.answered(|log| log.prove_consistency(old, new))?;
        Ok(ConsistencyProof {
            old_size: proof.old_size,
            old_root: hash(&proof.old_root),
            new_size: proof.new_size,
            new_root: hash(&proof.new_root),
            hashes: proof.hashes.iter().map(|bytes| hash(bytes)).collect(),
        })
    }

    fn prove_entry(&mut self, seqno: u64, size: Option<u64>) -> Answered<String> {
        self.answered(|log| log.prove_entry(seqno, size))
    }

    fn verify_inclusion(&mut self, proof: &InclusionProof) -> Answered<()> {
        let InclusionProof { seqno, entry_hash, size, root, hashes } = proof;
        let hashes = to_wire(hashes);
        self.checked(|log| log.verify_inclusion(&hashes, &entry_hash.0, *seqno, *size, &root.0))
    }

    fn verify_consistency(&mut self, proof: &ConsistencyProof) -> Answered<()> {
        let ConsistencyProof { old_size, old_root, new_size, new_root, hashes } = proof;
        let hashes = to_wire(hashes);
        self.checked(|log| log.verify_consistency(&hashes, *old_size, &old_root.0, *new_size, &new_root.0))
    }

    fn verify_entry(&mut self, proof: &str) -> Answered<u64> {
        self.checked(|log| log.verify_entry(proof, &keys())).map(|verified| verified.entry.seqno)
    }

    fn compare_heads(&mut self, one: &str, other: &str, hashes: Option<&[Hash]>) -> Answered<Compared> {
        let hashes = hashes.map(to_wire);
        self.checked(|log| log.compare_heads(one, other, hashes.as_deref(), &keys())).map(compared)
    }

    fn compare_entries(&mut self, one: &str, other: &str) -> Answered<Compared> {
        self.checked(|log| log.compare_entries(one, other, &keys())).map(compared)
    }

    fn verify_equivocation(&mut self, evidence: &str) -> Answered<Option<u64>> {
        self.checked(|log| log.verify_equivocation(evidence, &keys())).map(|verified| verified.seqno)
    }
}

/// All that a stranger knows.
fn keys() -> Vec<String> {
    vec![log_key(ORIGIN).to_string()]
}

fn compared(comparison: tree::Comparison) -> Compared {
    match comparison {
        tree::Comparison::Consistent => Compared::Consistent,
        tree::Comparison::NotComparable(_) => Compared::NotComparable,
        tree::Comparison::Equivocation(evidence) => Compared::Equivocation(evidence),
    }
}

fn to_wire(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.0.to_vec()).collect()
}

fn hash(bytes: &[u8]) -> Hash {
    Hash::try_from(bytes).expect("a hash has 32 bytes")
}

impl Subject for Composed<'_> {
    fn open(&mut self) -> Answered<()> {
        self.restart();
        let config = self.config.clone();
        self.answered(|log| log.open(&config))
    }

    fn twin(&mut self) -> Self {
        let mut twin = Composed::new(
            self.stack,
            self.kept,
            self.config.clone(),
            self.place.clone(),
            self.surroundings.clone(),
            self.transcript.clone(),
        );
        twin.anchor = Arc::clone(&self.anchor);
        twin.anchored(self.is_anchored);
        twin
    }

    fn anchored(&mut self, anchored: bool) {
        if anchored != self.is_anchored {
            // The instance that runs has other surroundings: the next opening starts one of its own.
            self.running.tried_to_open = true;
        }
        self.is_anchored = anchored;
    }

    fn forget_anchor(&mut self) {
        fs::remove_file(self.anchor.path().join("heads")).expect("the anchor has a file");
    }

    fn reanchor(&mut self) -> Answered<()> {
        self.restart();
        let config = self.config.clone();
        self.answered(|log| log.recover(&config, writer::UnattestedChoice::Reanchor))
    }

    fn create_stream(&mut self, stream: &str, rules: &StreamRules) -> Answered<()> {
        let rules = rules_to_wire(rules);
        self.answered(|log| log.create_stream_with(stream, &rules)).map(drop)
    }

    fn append(&mut self, stream: &str, payload: &str) -> Answered<u64> {
        let payload = payload.as_bytes();
        let append = |log: &mut Instance| {
            log.append_with_encoding(stream, "test.event", Severity::Info, "test", payload, "text")
        };
        self.answered(append).map(|appended| appended.seqno)
    }

    fn close(&mut self, stream: &str) -> Answered<()> {
        self.answered(|log| log.close_segment(stream)).map(drop)
    }

    fn deprecate(&mut self, stream: &str) -> Answered<()> {
        self.answered(|log| log.deprecate_stream(stream))
    }

    fn prune(&mut self, retention: &str) -> Answered<()> {
        self.answered(|log| log.prune_all(retention, 0)).map(drop)
    }

    fn read(&mut self, seqno: u64) -> Answered<Vec<u8>> {
        self.answered(|log| log.read(seqno)).map(|entry| entry.payload)
    }

    fn verify(&mut self) -> Said {
        match self.answered(|log| log.verify_log()) {
            Ok(report) => match report.verdict {
                writer::Verdict::Valid => Said::Valid,
                writer::Verdict::Incomplete => {
                    Said::Incomplete { missing: report.missing.into_iter().map(shown).collect() }
                }
                writer::Verdict::Invalid(finding) => Said::Invalid { code: finding.code, at: finding.at },
            },
            Err(refusal) => Said::Refused(refusal),
        }
    }

    fn records(&mut self) -> Vec<OwnedRecord> {
        let lines = match self.kept {
            Kept::AsReleased => fs::read(self.file()).expect("the log is there"),
            Kept::InDatabaseAsReleased | Kept::InPostgresAsReleased => {
                let mut lines = Vec::new();
                export(&mut *self.database(), &mut lines).expect("the database can be read");
                lines
            }
            _ => self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_records(log.parts().0)),
        };
        from_jsonl(&lines).expect("what a store holds has lines")
    }

    fn lay(&mut self, records: &[OwnedRecord]) {
        if let Place::Tables { tables, log } = &self.place {
            tables.laid(log, records);
            return;
        }
        if self.kept.is_in_database() {
            return lay(&mut self.sqlite(), records).expect("the tables take these records");
        }
        let lines = to_jsonl(records);
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_lay(log.parts().0, &lines));
    }

    fn catch_up(&mut self, twin: &mut Self) {
        // Two instances have no memory in common; a file they have.
        if self.kept.is_in_memory() {
            self.lay(&twin.records());
        }
    }

    fn tell(&mut self, lie: Lie) {
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_tell(log.parts().0, lie.name));
    }

    fn keep_leaves(&mut self) {
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_keep_leaves(log.parts().0));
    }

    fn refuse_commits_over(&mut self, old: &[OwnedRecord]) {
        let lines = to_jsonl(old);
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_refuse_commits_over(log.parts().0, &lines));
    }

    fn arm(&mut self, Fault { at, writes_only, effect }: Fault) {
        let effect = match effect {
            Effect::FailsNotStored => WireEffect::FailsNotStored,
            Effect::FailsButStored => WireEffect::FailsButStored,
            Effect::CrashNotStored => WireEffect::CrashNotStored,
            Effect::CrashButStored => WireEffect::CrashButStored,
        };
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_arm(log.parts().0, at, writes_only, effect));
    }

    fn is_armed(&mut self) -> bool {
        self.with_hand(|hand, log| hand.secure_log_attacks_hand().call_is_armed(log.parts().0))
    }
}

/// The name of an error, as the testkit has it.
fn refusal(error: &LogError) -> String {
    match error {
        LogError::Unattested(types::SeqnoRange { first, last }) => format!("unattested {first} to {last}"),
        other => error_name(other),
    }
}

fn rules_to_wire(rules: &StreamRules) -> writer::StreamRules {
    writer::StreamRules {
        tier: match rules.tier {
            Tier::Public => types::Tier::Public,
            Tier::Protected => types::Tier::Protected,
            Tier::HighlyRestricted => types::Tier::HighlyRestricted,
        },
        suite: match rules.suite {
            Suite::Sha256 => writer::HashSuite::Sha256,
            Suite::Blake3 => writer::HashSuite::Blake3,
            Suite::HmacSha256(_) => writer::HashSuite::HmacSha256,
        },
        sign: match rules.sign {
            SigningRule::None => writer::SigningRule::None,
            SigningRule::Segments => writer::SigningRule::Segments,
            SigningRule::Entries => writer::SigningRule::Entries,
        },
        description: rules.description.clone(),
    }
}

/// What could not be checked, as it is shown.
pub fn shown(missing: writer::MissingCheck) -> String {
    match missing.at {
        Some(at) => format!("{at}: {}", missing.detail),
        None => missing.detail,
    }
}
