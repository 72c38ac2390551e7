//! Verifying all that a store holds, page after page, so that a log that is shared can be held for one of them at a time.

use core::num::NonZeroUsize;
use std::collections::HashSet;

use crate::engine::SecureLog;
use crate::engine::index::IndexSums;
use crate::engine::read::own_signer;
use crate::error::LogError;
use crate::providers::KeyError;
use crate::record::Record;
use crate::review::Tally;
use crate::store::{SecureLogStore, StoreError};
use crate::threads;
use crate::verify::{Finding, FindingCode, HeldRecords, Place, Report, Verdict, Verifier};

/// So much of the log is read at once.
const PAGE_BYTES: usize = 1 << 20;

/// How often a verification begins that others interrupt by writing the log anew.
const ATTEMPTS: usize = 3;

/// A verification in the making.
pub(crate) struct Verification {
    verifier: Verifier,
    held: HeldRecords,
    /// What the index should hold; `None` where it is not compared.
    index: Option<IndexSums>,
    /// Where to read on.
    cursor: u64,
    /// Whether sealed payloads are opened.
    opening: bool,
    /// Signers and wrapping keys for which the keystore was asked.
    signers: HashSet<String>,
    keks: HashSet<String>,
}

/// What came of reading a page, of which the records may still have to be judged.
pub(crate) struct PageRead {
    found: Result<Option<Finding>, LogError>,
    scanned: Result<Option<u64>, StoreError>,
}

impl PageRead {
    /// Whether the store had no more.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self.scanned, Ok(None))
    }
}

/// Why no further record is verified.
pub(crate) enum End {
    /// Something is wrong.
    Finding(Finding),
    /// There is more than is kept track of.
    Limit(String),
    /// There is none.
    Reached,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Verifies the whole log in bounded memory: every entry re-hashed, every segment and head recomputed, every signature
    /// checked by the keystore's keys and the policy's, and the index compared with what the entries say.
    pub fn verify_log(&mut self) -> Result<Report, LogError> {
        self.verify_log_on(threads::available())
    }

    /// The same on so many threads at the most, where [`SecureLog::verify_log`] takes as many as there are cores. The report
    /// does not depend on it.
    pub fn verify_log_on(&mut self, threads: NonZeroUsize) -> Result<Report, LogError> {
        self.verify_log_with(threads, false, || None).map(|(report, _)| report)
    }

    /// The same, and opens every sealed payload with the keystore's keys. A wrapping key that the keystore does not have leaves
    /// the verification incomplete.
    pub fn verify_log_opening(&mut self) -> Result<Report, LogError> {
        self.verify_log_with(threads::available(), true, || None).map(|(report, _)| report)
    }

    /// What `tally` makes counts what passes, and is given back with what it has counted.
    pub(super) fn verify_log_with(
        &mut self,
        threads: NonZeroUsize,
        opening: bool,
        tally: impl Fn() -> Option<Tally>,
    ) -> Result<(Report, Option<Tally>), LogError> {
        for _ in 1..ATTEMPTS {
            match self.verify_log_once(threads, opening, tally()) {
                Err(LogError::Store(StoreError::Conflict { .. })) => {}
                verified => return verified,
            }
        }
        self.verify_log_once(threads, opening, tally())
    }

    fn verify_log_once(
        &mut self,
        threads: NonZeroUsize,
        opening: bool,
        tally: Option<Tally>,
    ) -> Result<(Report, Option<Tally>), LogError> {
        let mut verification = self.begin_verification(HeldRecords::new(threads), opening)?;
        if let Some(tally) = tally {
            verification.verifier.count_with(tally);
        }
        let end = self.read_to_the_end(&mut verification)?;
        let tally = verification.verifier.take_tally();
        let (mut report, index) = self.conclude(verification, end);
        if let Some(index) = index
            && let Some(finding) = self.check_index(index)?
        {
            report.verdict = Verdict::Invalid(finding);
        }
        Ok((report, tally))
    }

    /// Verifies the records that the store holds, whatever this log knows of them.
    pub(super) fn verify_stored(&mut self) -> Result<Report, LogError> {
        let verifier = Verifier::new(self.verifying_trust()?);
        let mut verification = Verification::new(verifier, HeldRecords::new(threads::available()), None, false);
        let end = self.read_to_the_end(&mut verification)?;
        Ok(self.report(verification.verifier, end))
    }

    /// Begins to verify what the store holds.
    pub(crate) fn begin_verification(&mut self, held: HeldRecords, opening: bool) -> Result<Verification, LogError> {
        self.catch_up()?;
        let mut trust = self.verifying_trust()?;
        if opening {
            trust.open_payloads();
        }
        let index = IndexSums::new(&mut *self.providers.random)?;
        Ok(Verification::new(Verifier::new(trust), held, Some(index), opening))
    }

    fn read_to_the_end(&mut self, verification: &mut Verification) -> Result<End, LogError> {
        loop {
            let page = self.read_to_verify(verification);
            if let Some(end) = verification.judge(page)? {
                return Ok(end);
            }
        }
    }

    /// Reads the next page.
    pub(crate) fn read_to_verify(&mut self, verification: &mut Verification) -> PageRead {
        let Verification { verifier, held, index, cursor, opening, signers, keks } = verification;
        let keystore = &*self.providers.keystore;
        let mut found = Ok(None);
        let scanned = self.store.scan(*cursor, PAGE_BYTES, &mut |record| {
            if !matches!(found, Ok(None)) {
                return;
            }
            if let Record::Signature(row) = record
                && !signers.contains(&row.identity)
            {
                signers.insert(row.identity.clone());
                match own_signer(keystore, &row.identity) {
                    Ok(Some(signer)) => held.trust_signer(verifier, signer),
                    Ok(None) => {}
                    Err(error) => {
                        found = Err(error);
                        return;
                    }
                }
            }
            if let Record::DataKey(row) = record
                && *opening
                && keks.insert(row.kek.clone())
            {
                match keystore.wrapping_key(&row.kek) {
                    Ok(kek) => held.trust_wrapping_key(verifier, &row.kek, kek),
                    // The report says which key it would have needed.
                    Err(KeyError::NotFound(_) | KeyError::UnsupportedAlgorithm(_)) => {}
                    Err(error) => {
                        found = Err(error.into());
                        return;
                    }
                }
            }
            if let Some(index) = index {
                index.record(&record);
            }
            found = Ok(held.record(verifier, record).err());
        });
        PageRead { found, scanned }
    }

    /// What all the records come to, and what the index should hold, where there is a use in comparing it. What was signed or
    /// accepted here until now must be in what was read to the end.
    pub(crate) fn conclude(&self, verification: Verification, end: End) -> (Report, Option<IndexSums>) {
        let to_the_end = matches!(end, End::Reached);
        let mut report = self.report(verification.verifier, end);
        if to_the_end {
            report = self.not_behind(report);
        }
        let index = verification.index.filter(|_| !matches!(report.verdict, Verdict::Invalid(_)));
        (report, index)
    }

    fn report(&self, verifier: Verifier, end: End) -> Report {
        match end {
            End::Finding(finding) => verifier.invalid(finding),
            End::Limit(why) => verifier.stop(&why),
            End::Reached => verifier.finish(self.torn_bytes),
        }
    }

    fn not_behind(&self, mut report: Report) -> Report {
        let known = &self.accepted.head;
        if report.verdict != Verdict::Valid && report.verdict != Verdict::Incomplete {
            return report;
        }
        let detail = format!("this log was acknowledged up to {}, and {} entries are there", known.size, report.size);
        if report.size < known.size {
            report.verdict = Verdict::Invalid(Finding::new(FindingCode::Truncated, Place::Head(known.size), detail));
        } else if report.size == known.size && report.root != known.root {
            let detail = "not the root that was acknowledged";
            report.verdict = Verdict::Invalid(Finding::new(FindingCode::HeadMismatch, Place::Head(known.size), detail));
        }
        report
    }
}

impl Verification {
    fn new(verifier: Verifier, held: HeldRecords, index: Option<IndexSums>, opening: bool) -> Verification {
        let (signers, keks) = (HashSet::new(), HashSet::new());
        Verification { verifier, held, index, cursor: 0, opening, signers, keks }
    }

    /// Whether the entries up to this one were read.
    pub(crate) fn has_read(&self, size: u64) -> bool {
        self.index.as_ref().is_some_and(|index| index.size() >= size)
    }

    /// Judges what is held of a page. The store is not needed for it.
    pub(crate) fn judge(&mut self, page: PageRead) -> Result<Option<End>, LogError> {
        // What was handed out before anything failed is judged before that.
        let (found, failed) = match page.found {
            Ok(found) => (found, None),
            Err(error) => (None, Some(error)),
        };
        if let Some(finding) = found.or_else(|| self.held.judge(&mut self.verifier).err()) {
            return Ok(Some(End::Finding(finding)));
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let next = match page.scanned {
            Ok(next) => next,
            Err(StoreError::Corrupt { at, detail }) => {
                // What cannot be read as a record is a finding, and no failure of the check.
                let place = Place::Line(self.held.line());
                return Ok(Some(End::Finding(Finding::new(FindingCode::Malformed, place, format!("{at}: {detail}")))));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(why) = self.verifier.exhausted() {
            return Ok(Some(End::Limit(why)));
        }
        match next {
            Some(next) => {
                self.cursor = next;
                Ok(None)
            }
            None => Ok(Some(End::Reached)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{LogOptions, NewEntry, Providers};
    use crate::entry::Severity;
    use crate::memory::MemoryStore;
    use crate::providers::{Clock, NoAnchor, NoKeys, Random, RandomError};
    use crate::time::Timestamp;
    use crate::verify::MissingCode;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(0, 0).expect("it is a time")
        }
    }

    impl Random for Still {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
            out.fill(1);
            Ok(())
        }
    }

    #[test]
    fn a_log_of_more_streams_than_are_kept_track_of_is_not_called_truncated() {
        let providers = Providers {
            keystore: Box::new(NoKeys),
            anchor: Box::new(NoAnchor),
            clock: Box::new(Still),
            random: Box::new(Still),
        };
        let mut log = SecureLog::open(MemoryStore::new(), providers, LogOptions::default()).expect("a log is made");
        // Each is a page, so that the last ones are not read.
        let payload = vec![b'x'; PAGE_BYTES];
        for stream in ["a", "b", "c", "d", "e"] {
            let (event, producer, encoding) = ("e", "p", "text");
            let entry = NewEntry { stream, event, severity: Severity::Info, producer, encoding, payload: &payload };
            log.append(&entry).expect("it is appended");
        }
        let mut verification = log.begin_verification(HeldRecords::new(NonZeroUsize::MIN), false).expect("it begins");
        verification.verifier.keep_track_of(2, 100);
        let end = log.read_to_the_end(&mut verification).expect("the store can be read");
        let (report, _) = log.conclude(verification, end);
        assert_eq!(report.verdict, Verdict::Incomplete, "{report:?}");
        assert!(report.size < log.size(), "{report:?}");
        assert!(report.missing.iter().any(|missing| missing.code == MissingCode::Limit), "{report:?}");
    }
}
