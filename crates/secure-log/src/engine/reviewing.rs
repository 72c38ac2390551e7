//! Reviewing: a verification that counts what passes.

use core::num::NonZeroUsize;

use crate::engine::SecureLog;
use crate::error::LogError;
use crate::review::{Review, Tally};
use crate::store::SecureLogStore;
use crate::threads;

impl<S: SecureLogStore> SecureLog<S> {
    /// Summarises the log, or one of its streams: what [`SecureLog::verify_log`] finds, and what it passes on the way, in the
    /// same one pass and in bounded memory. A review of a stream verifies the whole log, too, as what a stream's entries are
    /// worth is said by the heads that they are under, and by keys that are introduced elsewhere.
    ///
    /// A log in which a check fails is no error: the review says so, and counts up to there.
    /// [`LogError::StreamNotFound`] where nothing is wrong with the log and it has no such stream.
    pub fn review(&mut self, stream: Option<&str>) -> Result<Review, LogError> {
        self.review_with(stream, threads::available(), false)
    }

    /// The same on so many threads at the most, where [`SecureLog::review`] takes as many as there are cores. The review does
    /// not depend on it.
    pub fn review_on(&mut self, stream: Option<&str>, threads: NonZeroUsize) -> Result<Review, LogError> {
        self.review_with(stream, threads, false)
    }

    /// The same, and opens every sealed payload with the keystore's keys, so that those that open are counted. What is in them
    /// is not.
    pub fn review_opening(&mut self, stream: Option<&str>) -> Result<Review, LogError> {
        self.review_with(stream, threads::available(), true)
    }

    fn review_with(&mut self, stream: Option<&str>, threads: NonZeroUsize, opening: bool) -> Result<Review, LogError> {
        let (report, tally) = self.verify_log_with(threads, opening, || Some(Tally::new(stream)))?;
        let tally = tally.expect("a verification gives back what it counts with");
        let review = tally.finish(report);
        if let Some(name) = stream
            && review.totals.streams == 0
            && review.is_trustworthy()
        {
            // It may come after what was read, where there is more than a verification keeps track of.
            self.existing_tip(name)?;
        }
        Ok(review)
    }
}
