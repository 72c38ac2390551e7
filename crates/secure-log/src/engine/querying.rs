//! Finding entries by a filter, page by page (docs/query.md).
//!
//! A store answers what it takes to be wanted. Each row is re-hashed, held against the filter, and all of a page are proven under the
//! head at once. What a store leaves out is not seen here: of an index that was altered a verification tells.

use crate::engine::SecureLog;
use crate::engine::proof::{Checked, check_row};
use crate::engine::read::MAX_PAGE;
use crate::entry::Entry;
use crate::error::LogError;
use crate::hash::Hash;
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::query::{Cursor, Place, Query};
use crate::record::Record;
use crate::store::{Search, SecureLogStore, StoreError};

/// Entries that a store may look at in one call.
const WORK: u32 = 1 << 14;

/// Calls to the store for one page. So a page that finds little comes back after 65,536 entries, and who shares the log waits for no
/// longer than that takes.
const CALLS: u32 = 4;

/// A page ends behind the entry with which it has so many bytes: the largest payload that one entry may have.
pub(super) const PAGE_BYTES: usize = MAX_PAYLOAD_BYTES;

/// Entries that a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the query. They may be fewer than the limit, and none, where there is more to look at.
    pub entries: Vec<Entry>,
    /// With which the query goes on; `None` where all was looked at.
    pub next: Option<Cursor>,
    /// Entries that the log had when the query was begun, in descending order, or when this page was read, in ascending order.
    /// Nothing behind them was looked at.
    pub size: u64,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Finds entries by a filter, each re-hashed and proven under the head. Pruned ones are not found.
    ///
    /// A page may hold fewer entries than were asked for, or none, and not be the last one: it ends early after 65,536 entries that
    /// were looked at, or 16 MiB. The last page is the one without a cursor. In ascending order what is appended
    /// meanwhile is found behind all else; in descending order it is not found, as all pages are those of the log as it was at the first.
    ///
    /// A store can leave out others unnoticed: [`SecureLog::verify_log`] finds what its index lacks, and [`SecureLog::query_proven`]
    /// shows of a whole range or stream that it did not.
    pub fn query(&mut self, query: &Query) -> Result<Page, LogError> {
        query.check()?;
        self.reading(|log| log.query_once(query))
    }

    fn query_once(&mut self, query: &Query) -> Result<Page, LogError> {
        let size = self.accepted.head.size;
        let mut left = self.begin(query, size)?;
        let found = self.search(query, &mut left)?;
        let proven = |entry: &(Entry, Hash)| (entry.0.seqno, entry.1);
        if query.newest_first {
            self.prove_entries(found.iter().rev().map(proven))?;
        } else {
            self.prove_entries(found.iter().map(proven))?;
        }
        let next = self.cursor(query, &left);
        Ok(Page { entries: found.into_iter().map(|(entry, _)| entry).collect(), next, size: left.size })
    }

    /// Finds the entries of one page, in the order of the query. They are not proven.
    pub(super) fn search(&mut self, query: &Query, left: &mut Left) -> Result<Vec<(Entry, Hash)>, LogError> {
        let limit = query.limit.min(MAX_PAGE) as usize;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for _ in 0..CALLS {
            let Some((from, to)) = left.range.filter(|_| found.len() < limit && bytes < PAGE_BYTES) else { break };
            let search = Search {
                filter: &query.filter,
                from,
                to,
                newest_first: query.newest_first,
                limit: (limit - found.len()) as u32,
                max_bytes: PAGE_BYTES - bytes,
                work: WORK,
            };
            let next = self.found(&search, &mut found, &mut bytes)?;
            left.range = next.map(|next| if query.newest_first { (from, next) } else { (next, to) });
        }
        Ok(found)
    }

    /// With which the query goes on.
    pub(super) fn cursor(&self, query: &Query, left: &Left) -> Option<Cursor> {
        left.range.map(|(from, to)| {
            let next = if query.newest_first { to } else { from };
            Cursor::new(&self.log.id, query, Place { next, size: left.size })
        })
    }

    /// What is left to look at of a log of this size.
    pub(super) fn begin(&self, query: &Query, now: u64) -> Result<Left, LogError> {
        let (filter, place) = (&query.filter, query.cursor.as_ref());
        let (mut from, mut to) = (filter.from.unwrap_or(1).max(1), filter.to.unwrap_or(u64::MAX).min(now));
        let mut size = now;
        if let Some(place) = place.map(|cursor| cursor.place(&self.log.id, query)).transpose()? {
            // The log was cut, or nobody has given out the cursor.
            if let Some(seqno) = [place.next, place.size].into_iter().find(|seqno| *seqno > now) {
                return Err(LogError::NotCovered { seqno, size: now });
            }
            if query.newest_first {
                (to, size) = (to.min(place.next), place.size);
            } else {
                from = from.max(place.next);
            }
        }
        Ok(Left { range: (from <= to).then_some((from, to)), size })
    }

    /// Takes in what one call of the store answers, and answers where to go on.
    fn found(
        &mut self,
        search: &Search<'_>,
        found: &mut Vec<(Entry, Hash)>,
        bytes: &mut usize,
    ) -> Result<Option<u64>, LogError> {
        let mut outcome = Ok(());
        let first = if search.newest_first { search.to } else { search.from };
        let mut left = Some(first);
        let (store, mac) = (&mut self.store, self.mac.as_ref());
        let next = store.search(search, &mut |row| {
            if outcome.is_err() {
                return;
            }
            // What was answered before is no longer left.
            let is_left = left.is_some_and(|left| search.has_from(left, row.seqno));
            outcome = if is_left { check_row(Record::Entry(row), mac) } else { Err(out_of_order()) }.map(
                |(seqno, _, checked)| {
                    left = search.behind(seqno);
                    if let Checked::Entry(entry, hash) = checked
                        && search.matches(&entry)
                    {
                        *bytes += row.bytes.len();
                        found.push((entry.to_entry(), hash));
                    }
                },
            );
        })?;
        outcome?;
        match next {
            None => Ok(None),
            // Or there would be no end.
            Some(next) if next != first && left.is_some_and(|left| search.has_from(left, next)) => Ok(Some(next)),
            Some(_) => Err(out_of_order()),
        }
    }
}

/// What a query has left to look at.
pub(super) struct Left {
    /// The first and the last seqno.
    pub(super) range: Option<(u64, u64)>,
    /// Entries in the log, as the page says it.
    pub(super) size: u64,
}

fn out_of_order() -> LogError {
    let detail = "the store answered what was not asked for, or not in the order of the search";
    LogError::Store(StoreError::Corrupt { at: "a search".into(), detail: detail.into() })
}
