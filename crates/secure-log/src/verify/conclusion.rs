//! What a verification comes to: the report on a log that is wrong, whose end was reached, or of which only the beginning was
//! read.

use crate::introduction::KeyRole;
use crate::note::Note;
use crate::sign::PublicKey;
use crate::verify::finding::{Finding, FindingCode, Place};
use crate::verify::missing::{Missing, MissingCode};
use crate::verify::report::{Counts, Report, Verdict};
use crate::verify::rotation::MAX_INTRODUCED_KEYS;
use crate::verify::trust::Trust;
use crate::verify::verifier::Verifier;

/// What counts for a log that continues the one that was verified.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// The keys that were given and those that it introduced, without those that it ended.
    pub(crate) trust: Trust,
    pub(crate) origin: String,
    /// The log's id; `None` where it could not be read.
    pub(crate) id: Option<[u8; 16]>,
    /// The head that it continues itself.
    pub(crate) continued: Option<Note>,
}

impl Verifier {
    /// What the log leaves behind, as far as it was read.
    pub(super) fn passed(&self) -> Passed {
        let ended = |role, key: &PublicKey| self.rotations.end_of(role, key).is_some();
        Passed {
            trust: self
                .trust
                .without(|key| ended(KeyRole::Log, key.public_key()), |signer| ended(KeyRole::Signer, signer.key())),
            origin: self.log.as_ref().map(|log| log.origin.clone()).unwrap_or_default(),
            id: self.log.as_ref().map(|log| log.id),
            continued: self.continued.clone(),
        }
    }

    /// The report on a log in which a check failed.
    pub fn invalid(self, finding: Finding) -> Report {
        let counts = self.counts;
        self.report(Verdict::Invalid(finding), counts, 0)
    }

    /// The report on a log whose end was reached, `torn` bytes after its last head.
    pub fn finish(mut self, torn: u64) -> Report {
        if let Some(report) = self.unreadable() {
            return report;
        }
        if torn > 0 {
            let detail = format!("{torn} bytes after the last head: a commit that was never finished");
            self.miss(Missing::new(MissingCode::TornCommit, detail));
        }
        if self.commit.begun {
            let detail = "records after the last head: a commit that was never finished";
            self.miss(Missing::new(MissingCode::TornCommit, detail));
        }
        if let Some(gone) = self.streams.list.iter().find_map(|stream| stream.gone) {
            let detail = "pruned, and no entry of its stream says so";
            return self.invalid(Finding::new(FindingCode::PruneUnauthorized, Place::Seqno(gone), detail));
        }
        self.miss_uncovered_prunings();
        if self.data_keys_untracked {
            let detail = "there are more data keys than are kept track of: whether one is missing was not checked";
            self.miss(Missing::new(MissingCode::Limit, detail));
        } else if let Some(&seqno) = self.keyless.values().map(|(first, _)| first).min() {
            let detail = "its data key is gone and no entry says that it was erased";
            return self.invalid(Finding::new(FindingCode::DekMissing, Place::Seqno(seqno), detail));
        }
        self.conclude()
    }

    /// The report on a log of which only the beginning was read, up to a head.
    pub fn stop(mut self, why: &str) -> Report {
        if let Some(report) = self.unreadable() {
            return report;
        }
        self.miss(Missing::new(MissingCode::Limit, why));
        // Whether what is gone may be gone, and which data keys were erased, may be said by what was not read.
        self.miss_uncovered_prunings();
        self.conclude()
    }

    fn unreadable(&mut self) -> Option<Report> {
        if self.log.is_some() {
            return None;
        }
        let verifier = core::mem::replace(self, Verifier::new(Trust::new()));
        let finding = Finding::new(FindingCode::Malformed, Place::Line(1), "no log record");
        let nothing_known = verifier.missing.items.is_empty();
        let verdict = if nothing_known { Verdict::Invalid(finding) } else { Verdict::Incomplete };
        Some(verifier.report(verdict, Counts::default(), 0))
    }

    fn miss_uncovered_prunings(&mut self) {
        let prunings = core::mem::take(&mut self.prunings);
        for seqno in prunings.items {
            let detail = "this record of a pruning is covered by no trusted tree head";
            self.miss(Missing::at(MissingCode::PruningUncovered, Place::Seqno(seqno), detail));
        }
        self.missing.unlisted += prunings.more;
    }

    fn conclude(mut self) -> Report {
        let unattested = core::mem::take(&mut self.unattested);
        for (first, last) in unattested.items {
            let detail = "found in the store after a crash, and attested by nobody";
            self.miss(Missing::at(MissingCode::Unattested, Place::Entries(first, last), detail));
        }
        self.missing.unlisted += unattested.more;
        if self.rotations.untracked {
            let detail =
                format!("more than {MAX_INTRODUCED_KEYS} keys were introduced: those after them were not followed");
            self.miss(Missing::new(MissingCode::Limit, detail));
        }
        let (counts, size, _) = self.at_head;
        if self.trusted_head < size || self.trusted_head == 0 {
            let missing = match self.trusted_head {
                0 if size == 0 => Missing::new(MissingCode::Uncovered, "no trusted key signed a head of this log"),
                head => {
                    let at = Place::Entries(head + 1, size);
                    Missing::at(MissingCode::Uncovered, at, "covered by no trusted tree head")
                }
            };
            self.miss(missing);
        }
        if let Some(short) = self.cosigners.short_of(size, &self.trust) {
            let detail = "the quorum of the policy has cosigned no head over them";
            self.miss(match short {
                0 => Missing::new(MissingCode::QuorumUnmet, "the quorum of the policy has cosigned no head"),
                _ => Missing::at(MissingCode::QuorumUnmet, Place::Entries(size - short + 1, size), detail),
            });
        }
        let verdict = if self.missing.items.is_empty() { Verdict::Valid } else { Verdict::Incomplete };
        let complete_to = self.trusted_head;
        self.report(verdict, counts, complete_to)
    }

    fn report(self, verdict: Verdict, counts: Counts, complete_to: u64) -> Report {
        let (_, size, root) = self.at_head;
        let Counts {
            entries,
            pruned,
            segments,
            signatures,
            heads,
            cosignatures,
            erased,
            sealed,
            erased_payloads,
            opened,
        } = counts;
        Report {
            verdict,
            continues: self.continued.as_ref().and_then(|note| note.checkpoint().ok()),
            origin: self.log.map(|log| log.origin).unwrap_or_default(),
            size,
            root,
            complete_to,
            entries,
            pruned,
            segments,
            signatures,
            heads,
            cosignatures,
            erased,
            erased_payloads,
            unopened: sealed - erased_payloads - opened,
            missing: self.missing.items,
            missing_unlisted: self.missing.unlisted,
            unknown_signers: self.unknown_signers.items,
            keys: self.keys.counted(),
        }
    }
}
