//! Where in the log a range of times is.
//!
//! The index of times has its entries in the order of time, which is that of the log but for where a clock was set back. A short
//! range is read from it and put in order. For a longer one it is remembered which times each part of the log has, for as long as
//! the store is open, and the parts that have others are passed over.

use core::ops::RangeInclusive;

use secure_log::hash::Hash;
use secure_log::query::Filter;
use secure_log::store::StoreError;
use secure_log_sql::columns::micros;

use crate::database::Database;
use crate::row::bound;
use crate::search::list::Span;
use crate::search::{HASH, integer};
use crate::store::SqliteStore;

/// Entries whose seqnos are put in order.
const SHORT: usize = 1024;

/// Entries of one part.
const PART: u64 = 256;

/// The entries of a range of times.
pub(crate) const BY_TIME: &str = "SELECT seqno FROM entry INDEXED BY entry_time WHERE time BETWEEN ? AND ? LIMIT ?";
/// The times of all entries.
pub(crate) const ALL_TIMES: &str = "SELECT seqno, time FROM entry INDEXED BY entry_time WHERE time IS NOT NULL";
/// The times of the entries from a seqno on.
pub(crate) const LATER_TIMES: &str =
    "SELECT seqno, time FROM entry WHERE seqno > ? AND time IS NOT NULL ORDER BY seqno";

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

impl Times {
    fn add(&mut self, seqno: u64, time: i64) {
        let at = (seqno / PART) as usize;
        if at >= self.parts.len() {
            self.parts.resize(at + 1, Part { first: i64::MAX, last: i64::MIN });
        }
        let part = &mut self.parts[at];
        (part.first, part.last) = (part.first.min(time), part.last.max(time));
        self.size = self.size.max(seqno);
    }
}

/// The ranks within which an entry of the range of times may be.
pub(super) enum Period {
    /// These, ascending.
    Ranks(Vec<u64>),
    /// Those within these ranges, which ascend and do not touch.
    Ranges(Vec<RangeInclusive<u64>>),
}

impl Period {
    /// The first rank from `at` on.
    pub(super) fn seek(&mut self, at: u64) -> Option<u64> {
        match self {
            Period::Ranks(ranks) => ranks.get(ranks.partition_point(|rank| *rank < at)).copied(),
            Period::Ranges(ranges) => {
                ranges.get(ranges.partition_point(|range| *range.end() < at)).map(|range| at.max(*range.start()))
            }
        }
    }
}

impl<D: Database> SqliteStore<D> {
    /// Where entries may be that the filter's range of times has; `None` where it has none.
    pub(super) fn period(&mut self, filter: &Filter, span: Span) -> Result<Option<Period>, StoreError> {
        if filter.since.is_none() && filter.before.is_none() {
            return Ok(None);
        }
        // Times are stored in whole microseconds. One that ends within a microsecond may have entries of it.
        let (first, last) = (filter.since.map_or(i64::MIN, micros), filter.before.map_or(i64::MAX, micros));
        let values = [integer(first), integer(last), bound(SHORT as u64 + 1)];
        let mut ranks: Vec<u64> = Vec::new();
        let mut found = 0;
        self.each("entry", BY_TIME, &values, |row| {
            found += 1;
            ranks.extend(Some(span.rank(row.number(0)?)).filter(|rank| span.contains(*rank)));
            Ok(())
        })?;
        if found <= SHORT {
            ranks.sort_unstable();
            return Ok(Some(Period::Ranks(ranks)));
        }
        self.look_at_times()?;
        Ok(Some(Period::Ranges(self.times.ranges(first, last, span))))
    }

    /// Looks at the times of the entries that came since this was done last.
    fn look_at_times(&mut self) -> Result<(), StoreError> {
        let mut times = core::mem::take(&mut self.times);
        if times.hash.is_some() && self.hash_of(times.size)? != times.hash {
            times = Times::default();
        }
        let later = [bound(times.size)];
        let (sql, values) = if times.size == 0 { (ALL_TIMES, &[][..]) } else { (LATER_TIMES, &later[..]) };
        self.each("entry", sql, values, |row| {
            times.add(row.number(0)?, row.integer(1)?);
            Ok(())
        })?;
        times.hash = self.hash_of(times.size)?;
        self.times = times;
        Ok(())
    }

    fn hash_of(&mut self, seqno: u64) -> Result<Option<Hash>, StoreError> {
        self.one("entry", HASH, &[bound(seqno)], |row| row.hash(0))
    }
}

impl Times {
    /// The ranges of ranks whose parts have one of these times.
    fn ranges(&self, first: i64, last: i64, span: Span) -> Vec<RangeInclusive<u64>> {
        let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
        let mut take = |at: usize| {
            let part = &self.parts[at];
            if part.first > last || part.last < first {
                return;
            }
            let (low, high) = (at as u64 * PART, at as u64 * PART + (PART - 1));
            let (from, to) = if span.is_backwards() { (span.rank(high), span.rank(low)) } else { (low, high) };
            match ranges.last_mut() {
                Some(before) if before.end().checked_add(1) == Some(from) => *before = *before.start()..=to,
                _ => ranges.push(from..=to),
            }
        };
        if span.is_backwards() {
            (0..self.parts.len()).rev().for_each(&mut take);
        } else {
            (0..self.parts.len()).for_each(&mut take);
        }
        ranges
    }
}
