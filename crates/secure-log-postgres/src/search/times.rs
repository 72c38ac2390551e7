//! Where in the log a range of times is.
//!
//! Entries stand in the order in which they were committed, which is that of time but for where a clock was set back. So it is
//! remembered, for as long as the store is open, which times each part of the log has, and parts that have others are passed over.

use secure_log::hash::Hash;
use secure_log_sql::bound;

use crate::failure::Failed;
use crate::search::Plan;
use crate::tables::Tables;

/// Entries of one part, as a power of two.
const PART: u32 = 8;

/// The times of each part behind an entry, and which entry is its last.
const LATER: &str = "SELECT seqno >> 8, max(seqno), min(time), max(time) FROM secure_log.entry
    WHERE log = $1 AND seqno > $2 AND time IS NOT NULL GROUP BY seqno >> 8";
const HASH: &str = "SELECT hash FROM secure_log.entry WHERE log = $1 AND seqno = $2";

/// Which times each part of the log has, as far as it was looked at.
#[derive(Default)]
pub(crate) struct Times {
    parts: Vec<Part>,
    /// The last entry that was looked at, and its hash: another one there is that of another log.
    size: u64,
    hash: Option<Hash>,
}

/// The first and the last instant of a part's entries, in microseconds.
#[derive(Clone, Copy)]
struct Part {
    first: i64,
    last: i64,
}

/// Which parts may have an entry of a range of times; `None` where all may.
pub(super) struct Period(Option<Vec<bool>>);

impl Period {
    /// The first seqno from `at` on that may be one, in the order of a search.
    pub(super) fn seek(&self, at: u64, newest_first: bool) -> Option<u64> {
        let Some(parts) = &self.0 else { return Some(at) };
        let part = usize::try_from(at >> PART).ok()?;
        let (first, last) = (|part: usize| (part as u64) << PART, |part: usize| ((part as u64 + 1) << PART) - 1);
        if newest_first {
            let found = (0..parts.len().min(part + 1)).rev().find(|part| parts[*part])?;
            Some(at.min(last(found)))
        } else {
            let found = (part..parts.len()).find(|part| parts[*part])?;
            Some(at.max(first(found)))
        }
    }
}

impl Tables<'_> {
    /// Where entries may be that a plan's range of times has.
    pub(super) fn period(&mut self, plan: &Plan) -> Result<Period, Failed> {
        if plan.since.is_none() && plan.until.is_none() {
            return Ok(Period(None));
        }
        self.look_at_times()?;
        let (since, until) = (plan.since.unwrap_or(i64::MIN), plan.until.unwrap_or(i64::MAX));
        Ok(Period(Some(self.times.parts.iter().map(|part| part.first <= until && part.last >= since).collect())))
    }

    /// Looks at the times of the entries that came since this was done last.
    fn look_at_times(&mut self) -> Result<(), Failed> {
        let mut times = core::mem::take(self.times);
        if times.hash.is_some() && self.hash_of(times.size)? != times.hash {
            times = Times::default();
        }
        let later = self.all("entry", LATER, &[&bound(times.size)], |row| {
            Ok((row.number(0)?, row.number(1)?, row.integer(2)?, row.integer(3)?))
        })?;
        for (part, size, first, last) in later {
            let part = part as usize;
            if part >= times.parts.len() {
                times.parts.resize(part + 1, Part { first: i64::MAX, last: i64::MIN });
            }
            let known = &mut times.parts[part];
            (known.first, known.last) = (known.first.min(first), known.last.max(last));
            times.size = times.size.max(size);
        }
        times.hash = self.hash_of(times.size)?;
        *self.times = times;
        Ok(())
    }

    fn hash_of(&mut self, seqno: u64) -> Result<Option<Hash>, Failed> {
        self.one("entry", HASH, &[&bound(seqno)], |row| row.hash(0))
    }
}
