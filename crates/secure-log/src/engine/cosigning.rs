//! What witnesses answered: kept with the head where the policy can tell that it is right, and as rows in any case.

use crate::engine::SecureLog;
use crate::engine::read::MAX_PAGE;
use crate::error::LogError;
use crate::jsonl::{is_name, is_plain};
use crate::note::{self, MAX_SIGNATURES, SignatureLine, VerifierKey};
use crate::record::{HeadRow, Record, WitnessResult, WitnessRow};
use crate::store::{Commit, SecureLogStore, StoreError};
use crate::time::Timestamp;

/// So many answers are kept for the next time, where another writer was faster. Each witness has one a published head.
const MAX_KEPT: usize = 1024;
/// So many rows about one head are looked at for an answer that is there already.
const PAGE: u32 = 256;

impl<S: SecureLogStore> SecureLog<S> {
    /// What witnesses answered to heads of this size or larger, oldest first, at most `limit`. The rows are for an operator:
    /// nothing covers them, and what a cosignature proves is verified with the head that it stands in.
    pub fn witness_rows(&mut self, from_size: u64, limit: u32) -> Result<Vec<WitnessRow>, LogError> {
        self.reading(|log| Ok(log.store.witnesses(from_size, limit.min(MAX_PAGE))?))
    }

    /// Stores the answers to a head that was published, in a commit of its own: a `witness` row each and, where the log has
    /// not gone on, the head again with the cosignatures that the policy could verify. One that it cannot verify stands in
    /// its row alone, as a wrong one in the head would spoil the log for who knows that witness.
    ///
    /// The head itself is durable and published whatever comes of this.
    pub(super) fn keep_cosignatures(
        &mut self,
        published: &HeadRow,
        lines: &[String],
        now: Timestamp,
    ) -> Result<(), LogError> {
        if lines.is_empty() {
            self.note_quorum(published);
            return Ok(());
        }
        let known = self.store.witnesses(published.size, PAGE)?;
        let text = note::text(&self.log.origin, published.size, &published.root);
        let mut cosigned = published.clone();
        for line in lines.iter().take(MAX_SIGNATURES) {
            let (row, verified) = judge(line, &text, published.size, self.trust.witnesses(), now);
            if verified && !cosigned.sigs.iter().any(|sig| same_key(sig, line)) && cosigned.sigs.len() < MAX_SIGNATURES
            {
                cosigned.sigs.push(line.clone());
            }
            let said =
                |other: &WitnessRow| (other.size, &other.name, other.result) == (row.size, &row.name, row.result);
            if !known.iter().chain(&self.anchor.answers).any(said) && self.anchor.answers.len() < MAX_KEPT {
                self.anchor.answers.push(row);
            }
        }
        self.note_quorum(&cosigned);
        if self.accepted.is_at(published) && cosigned != self.accepted.head {
            self.store_answers(cosigned)
        } else if self.anchor.answers.is_empty() {
            Ok(())
        } else {
            self.store_answers(self.accepted.head.clone())
        }
    }

    /// Whether witnesses of the policy have cosigned this head in its quorum.
    pub(super) fn note_quorum(&mut self, head: &HeadRow) {
        let Some(quorum) = self.trust.quorum() else { return };
        let text = note::text(&self.log.origin, head.size, &head.root);
        let witnesses = self.trust.witnesses();
        // Line by line: one that is wrong takes nothing from the others.
        let cosigners =
            witnesses.iter().filter(|key| head.sigs.iter().any(|line| key.check_line(line, &text) == Ok(true)));
        if quorum.is_met_by(cosigners) {
            self.anchor.quorate = self.anchor.quorate.max(Some(head.size));
        }
    }

    fn store_answers(&mut self, head: HeadRow) -> Result<(), LogError> {
        let mut commit = Commit::new(Some(self.accepted.expected()));
        self.anchor.answers.iter().for_each(|row| commit.push(Record::Witness(row)));
        commit.push(Record::Head(&head));
        self.stale = true;
        let stored = self.store.insert(&commit);
        // Where nothing was written, the answers are stored with the next ones. Of all else it is unknown, and the state is
        // read again before anything else is.
        self.stale = !matches!(
            stored,
            Ok(()) | Err(StoreError::Conflict { .. } | StoreError::Locked { .. } | StoreError::LaterVersion { .. })
        );
        if stored.is_ok() {
            self.anchor.answers.clear();
            if !head.sigs.is_empty() {
                self.accepted.signed = Some(head.clone());
            }
            self.accepted.head = head;
            self.next = self.accepted.clone();
        }
        Ok(())
    }
}

/// The row of an answer, and whether a witness of the policy made it.
fn judge(line: &str, text: &str, size: u64, witnesses: &[VerifierKey], now: Timestamp) -> (WitnessRow, bool) {
    let row = |name: &str, result, detail: String| WitnessRow {
        size,
        name: if is_name(name) { name.into() } else { "unnamed".into() },
        at: now.to_string(),
        result,
        detail,
    };
    let parsed = match SignatureLine::parse(line) {
        Ok(parsed) if is_plain(line) => parsed,
        _ => return (row("", WitnessResult::Refused, "it answered something that is no cosignature".into()), false),
    };
    let Some(key) = witnesses.iter().find(|key| key.is_named_by(&parsed)) else {
        return (row(parsed.name, WitnessResult::Cosigned, line.into()), false);
    };
    match key.verify(&parsed, text) {
        Ok(()) => (row(parsed.name, WitnessResult::Cosigned, line.into()), true),
        Err(error) => (row(parsed.name, WitnessResult::Refused, format!("its cosignature is wrong: {error}")), false),
    }
}

/// Whether two lines say that they are by one key.
fn same_key(one: &str, other: &str) -> bool {
    match (SignatureLine::parse(one), SignatureLine::parse(other)) {
        (Ok(one), Ok(other)) => (one.name, one.id) == (other.name, other.id),
        _ => false,
    }
}
