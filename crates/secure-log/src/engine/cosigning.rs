//! What witnesses answered: kept with the head where the policy can tell that it is right, and as rows.

use std::collections::VecDeque;

use crate::engine::SecureLog;
use crate::engine::read::MAX_PAGE;
use crate::error::LogError;
use crate::jsonl::{is_name, is_plain};
use crate::note::{self, MAX_SIGNATURES, SignatureLine, VerifierKey};
use crate::providers::{WitnessAnswer, WitnessOutcome};
use crate::record::{HeadRow, Record, WitnessResult, WitnessRow};
use crate::store::{Commit, NumberedWitness, SecureLogStore, StoreError};
use crate::time::Timestamp;

/// So many answers are kept for the next time, where another writer was faster. Each witness has one a published head.
const MAX_KEPT: usize = 1024;
/// What so many of the newest rows say is known, and not written again. Collecting leaves as many.
pub(super) const RECENT: u32 = 256;
/// A cosignature has at most a name of 255 bytes and 104 characters; what else is said is for a person to read.
const MAX_DETAIL_BYTES: usize = 512;

/// The last answer of each witness to the head that was published last.
#[derive(Default)]
pub(super) struct Heard {
    head: Option<HeadRow>,
    answers: Vec<WitnessAnswer>,
}

impl Heard {
    /// A head may be offered several times, from one size and another: what a witness says last counts.
    pub(super) fn note(&mut self, head: &HeadRow, answers: Vec<WitnessAnswer>) {
        if self.head.as_ref() != Some(head) {
            (self.head, self.answers) = (Some(head.clone()), Vec::new());
        }
        let again = |earlier: &WitnessAnswer| answers.iter().any(|answer| answer.name == earlier.name);
        self.answers.retain(|earlier| !again(earlier));
        self.answers.extend(answers);
    }
}

/// What a row says, but for when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    size: u64,
    name: String,
    result: WitnessResult,
}

impl Said {
    fn by(row: &WitnessRow) -> Said {
        Said { size: row.size, name: row.name.clone(), result: row.result }
    }
}

/// Pages of witness rows, newest first.
#[derive(Default)]
pub(super) struct NewestWitnesses {
    below: Option<u64>,
}

impl NewestWitnesses {
    /// The next page; `None` after the last one.
    pub(super) fn next<S: SecureLogStore>(&mut self, store: &mut S) -> Result<Option<Vec<NumberedWitness>>, LogError> {
        let page = store.witnesses(self.below, RECENT)?;
        let Some(last) = page.last() else { return Ok(None) };
        // Or pages would never end.
        if self.below.is_some_and(|below| last.number >= below) {
            let detail = "the rows are not in their order".into();
            return Err(StoreError::Corrupt { at: "the witness rows".into(), detail }.into());
        }
        self.below = Some(last.number);
        Ok(Some(page))
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// What witnesses answered to heads, with a number below `below`, newest first, at most `limit`. The rows are for an
    /// operator: nothing covers them, and what a cosignature proves is verified with the head that it stands in.
    pub fn witness_rows(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, LogError> {
        self.reading(|log| Ok(log.store.witnesses(below, limit.min(MAX_PAGE))?))
    }

    /// Stores the answers to a head that was published, in a commit of its own: a `witness` row for each that says something
    /// new and, where the log has not gone on, the head again with the cosignatures that the policy could verify. One that it
    /// cannot verify stands in its row alone, as a wrong one in the head would spoil the log for who knows that witness.
    ///
    /// The commit of the head itself is durable whatever comes of this.
    pub(super) fn keep_answers(&mut self, heard: Heard, now: Timestamp) -> Result<(), LogError> {
        let Heard { head: Some(published), answers } = heard else { return Ok(()) };
        if !(answers.is_empty() && self.anchor.answers.is_empty()) {
            self.load_said()?;
        }
        let text = note::text(&self.log.origin, published.size, &published.root);
        let mut cosigned = published.clone();
        for answer in answers.into_iter().take(MAX_SIGNATURES) {
            let (row, verified) = judge(answer, &text, published.size, self.trust.witnesses(), now);
            let line = &row.detail;
            if verified && !cosigned.sigs.iter().any(|sig| same_key(sig, line)) && cosigned.sigs.len() < MAX_SIGNATURES
            {
                cosigned.sigs.push(line.clone());
            }
            if self.is_new(&row) && self.anchor.answers.len() < MAX_KEPT {
                self.anchor.answers.push(row);
            }
        }
        self.note_quorum(&cosigned);
        if self.accepted.is_at(&published) && cosigned != self.accepted.head {
            self.store_answers(cosigned)
        } else if self.anchor.answers.is_empty() {
            Ok(())
        } else {
            self.store_answers(self.accepted.head.clone())
        }
    }

    /// Whether a row says what is not known yet. Each cosignature of a head is new once. Of all else only what differs from
    /// the witness's answer before is: one that is out of reach for a year adds a row, and not one for each commit.
    fn is_new(&self, row: &WitnessRow) -> bool {
        let kept: Vec<Said> = self.anchor.answers.iter().map(Said::by).collect();
        let said = Said::by(row);
        let mut newest_first = kept.iter().rev().chain(self.anchor.said.iter().flatten().rev());
        match row.result {
            WitnessResult::Cosigned => newest_first.all(|other| *other != said),
            result => {
                let mut of_witness = newest_first.filter(|other| other.name == row.name).peekable();
                let same_as_last = of_witness.peek().is_some_and(|last| last.result == result);
                !same_as_last && of_witness.all(|other| *other != said)
            }
        }
    }

    /// Reads what the newest rows say, unless it is known.
    fn load_said(&mut self) -> Result<(), LogError> {
        if self.anchor.said.is_none() {
            let newest = self.store.witnesses(None, RECENT)?;
            let said: VecDeque<Said> = newest.iter().rev().map(|witness| Said::by(&witness.row)).collect();
            // Of those that were kept it may have been unknown whether they were stored.
            self.anchor.answers.retain(|row| !said.contains(&Said::by(row)));
            self.anchor.said = Some(said);
        }
        Ok(())
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
        if stored.is_err() {
            self.anchor.said = None;
        } else {
            let said = self.anchor.said.get_or_insert_default();
            said.extend(self.anchor.answers.drain(..).map(|row| Said::by(&row)));
            said.drain(..said.len().saturating_sub(RECENT as usize));
            if !head.sigs.is_empty() {
                self.accepted.signed = Some(head.clone());
            }
            self.accepted.head = head;
            self.next = self.accepted.clone();
        }
        Ok(())
    }
}

/// The row of an answer, and whether it is a cosignature by a witness of the policy.
fn judge(
    answer: WitnessAnswer,
    text: &str,
    size: u64,
    witnesses: &[VerifierKey],
    now: Timestamp,
) -> (WitnessRow, bool) {
    let row = |name: &str, result, detail: &str| WitnessRow {
        size,
        name: if is_name(name) { name.into() } else { "unnamed".into() },
        at: now.to_string(),
        result,
        detail: harmless(detail),
    };
    let line = match &answer.outcome {
        WitnessOutcome::Cosigned(line) => line,
        WitnessOutcome::Conflict(why) => return (row(&answer.name, WitnessResult::Conflict, why), false),
        WitnessOutcome::Refused(why) => return (row(&answer.name, WitnessResult::Refused, why), false),
        WitnessOutcome::Unreachable(why) => return (row(&answer.name, WitnessResult::Unreachable, why), false),
    };
    let parsed = match SignatureLine::parse(line) {
        Ok(parsed) if is_plain(line) && line.len() <= MAX_DETAIL_BYTES => parsed,
        _ => {
            let what = "it answered something that is no cosignature";
            return (row(&answer.name, WitnessResult::Refused, what), false);
        }
    };
    let Some(key) = witnesses.iter().find(|key| key.is_named_by(&parsed)) else {
        return (row(parsed.name, WitnessResult::Cosigned, line), false);
    };
    match key.verify(&parsed, text) {
        Ok(()) => (row(parsed.name, WitnessResult::Cosigned, line), true),
        Err(error) => (row(parsed.name, WitnessResult::Refused, &format!("its cosignature is wrong: {error}")), false),
    }
}

/// The beginning of a text that somebody else chose, in which control characters are spelt out.
fn harmless(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let mut shown: String = text.chars().take(MAX_DETAIL_BYTES).map(escaped).collect();
    shown.truncate(shown.floor_char_boundary(MAX_DETAIL_BYTES));
    shown
}

/// Whether two lines say that they are by one key.
fn same_key(one: &str, other: &str) -> bool {
    match (SignatureLine::parse(one), SignatureLine::parse(other)) {
        (Ok(one), Ok(other)) => (one.name, one.id) == (other.name, other.id),
        _ => false,
    }
}
