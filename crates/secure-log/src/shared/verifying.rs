//! Verifying a log to which others go on appending.

use crate::engine::index::{IndexCheck, unreadable_is_wrong};
use crate::error::LogError;
use crate::shared::SharedLog;
use crate::store::{SecureLogStore, StoreError};
use crate::threads;
use crate::verify::{Finding, HeldRecords, Report, Verdict};

/// How often what was appended meanwhile is read page by page, too. It is less each time, and the rest is read in one go, so that
/// there is an end however fast others append.
const ROUNDS: usize = 4;

impl<S: SecureLogStore> SharedLog<S> {
    /// Verifies the whole log as [`SecureLog::verify_log`](crate::SecureLog::verify_log) does, while other threads use it: it is held for
    /// as long as a page of it is read, about a MiB, and not while that is checked. What is appended meanwhile is verified, too.
    ///
    /// Where the log is written anew meanwhile, as a prune has it in a file, it is verified from the beginning and held until then.
    pub fn verify_log(&self) -> Result<Report, LogError> {
        match self.verify_page_by_page() {
            Err(LogError::Conflict | LogError::Store(StoreError::Conflict { .. })) => self.lock().verify_log(),
            verified => verified,
        }
    }

    fn verify_page_by_page(&self) -> Result<Report, LogError> {
        let mut log = self.lock();
        let held = HeldRecords::until_judged(threads::available());
        let mut verification = log.begin_verification(held, false)?;
        let (mut rounds, mut size) = (ROUNDS, log.size());
        let end = loop {
            let page = log.read_to_verify(&mut verification);
            let end = if rounds == 0 || page.is_last() {
                // From here on nothing is acknowledged that is not read.
                verification.judge(page)?
            } else {
                drop(log);
                let end = verification.judge(page)?;
                log = self.lock();
                end
            };
            if let Some(end) = end {
                break end;
            }
            if rounds > 0 && verification.has_read(size) {
                (rounds, size) = (rounds - 1, log.size());
            }
        };
        let (mut report, index) = log.conclude(verification, end);
        drop(log);
        if let Some(expected) = index
            && let Some(finding) = self.compare_index(IndexCheck::new(expected))?
        {
            report.verdict = Verdict::Invalid(finding);
        }
        Ok(report)
    }

    /// What is wrong with the index, of which the log is held for a page of rows at a time, too.
    fn compare_index(&self, mut check: IndexCheck) -> Result<Option<Finding>, LogError> {
        loop {
            let rows = self.lock().read_index_rows(&check);
            match rows {
                Ok(rows) if rows.is_empty() => return unreadable_is_wrong(self.lock().compare_index(&check)),
                Ok(rows) => check.count(&rows),
                Err(error) => return unreadable_is_wrong(Err(error)),
            }
        }
    }
}
