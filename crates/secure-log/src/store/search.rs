//! Finding the entries that a filter wants.

use crate::entry::EntryRef;
use crate::query::Filter;
use crate::record::{EntryRow, Record};
use crate::store::{EntryRange, SecureLogStore, StoreError};

/// Which entries to find: those that `filter` matches, from `from` to `to` inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search<'f> {
    /// What they are like. Its own range of seqnos holds, too.
    pub filter: &'f Filter,
    /// The first seqno that may be answered.
    pub from: u64,
    /// The last seqno that may be answered.
    pub to: u64,
    /// Descending, from `to` on, and not ascending, from `from` on.
    pub newest_first: bool,
    /// At most so many rows, and at least one.
    pub limit: u32,
    /// No row is answered behind the one with which the rows have so many bytes.
    pub max_bytes: usize,
    /// About so many entries may be looked at, be it in an index.
    pub work: u32,
}

impl<'f> Search<'f> {
    /// The same in the range that the filter leaves, in which there is no seqno 0; `None` where it leaves nothing.
    pub fn within(&self) -> Option<Search<'f>> {
        let from = self.from.max(self.filter.from.unwrap_or(1)).max(1);
        let to = self.to.min(self.filter.to.unwrap_or(u64::MAX));
        (from <= to).then_some(Search { from, to, ..*self })
    }

    /// Whether an entry is one that is looked for.
    pub fn matches(&self, entry: &EntryRef<'_>) -> bool {
        (self.from..=self.to).contains(&entry.seqno) && self.filter.matches(entry)
    }

    /// Whether this seqno is one of the range from `at` on, in the order of the search.
    pub fn has_from(&self, at: u64, seqno: u64) -> bool {
        if self.newest_first { (self.from..=at).contains(&seqno) } else { (at..=self.to).contains(&seqno) }
    }

    /// Where to go on behind this entry, or `None` where nothing of the range is left.
    pub fn behind(&self, seqno: u64) -> Option<u64> {
        if self.newest_first {
            seqno.checked_sub(1).filter(|next| *next >= self.from && *next > 0)
        } else {
            seqno.checked_add(1).filter(|next| *next <= self.to)
        }
    }
}

/// What is left of a search while its rows are answered.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    rows: u32,
    bytes: usize,
    work: u32,
}

impl Left {
    /// All of it.
    pub fn of(search: &Search<'_>) -> Left {
        // Each search gets on, whatever it was allowed.
        Left { rows: search.limit, bytes: search.max_bytes.max(1), work: search.work.max(1) }
    }

    /// Whether nothing may be looked at any more.
    pub fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0 || self.work == 0
    }

    /// How many entries may be looked at.
    pub fn work(&self) -> u32 {
        self.work
    }

    /// Counts entries that were looked at.
    pub fn look(&mut self, entries: u32) {
        self.work = self.work.saturating_sub(entries);
    }

    /// Counts a row that is answered.
    pub fn answer(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Entries that are read at once.
const STEP: u32 = 64;

/// A search that reads one entry after the other: [`SecureLogStore::search`] as it stands there, for a store to fall back on.
pub fn by_reading<S: SecureLogStore + ?Sized>(
    store: &mut S,
    search: &Search<'_>,
    visit: &mut dyn FnMut(EntryRow<'_>),
) -> Result<Option<u64>, StoreError> {
    let Some(range) = search.within() else { return Ok(None) };
    let mut left = Left::of(search);
    if range.newest_first {
        backwards(store, &range, &mut left, visit)
    } else {
        forwards(store, &range, &mut left, visit)
    }
}

fn forwards<S: SecureLogStore + ?Sized>(
    store: &mut S,
    search: &Search<'_>,
    left: &mut Left,
    visit: &mut dyn FnMut(EntryRow<'_>),
) -> Result<Option<u64>, StoreError> {
    let mut next = Some(search.from);
    while let Some(from) = next.filter(|_| !left.is_spent()) {
        let limit = STEP.min(left.work());
        let mut read = 0;
        let range = EntryRange { stream: None, from, to: search.to, limit };
        store.entries(range, &mut |record| {
            read += 1;
            let Some(seqno) = place(&record).filter(|_| !left.is_spent()) else { return };
            left.look(1);
            next = search.behind(seqno);
            answer(search, left, &record, visit);
        })?;
        if read < limit && !left.is_spent() {
            return Ok(None);
        }
    }
    Ok(next)
}

/// Entries are read upwards only: those of each part are looked at first, and what is found is read again from its end on, so that
/// no more than one is held.
fn backwards<S: SecureLogStore + ?Sized>(
    store: &mut S,
    search: &Search<'_>,
    left: &mut Left,
    visit: &mut dyn FnMut(EntryRow<'_>),
) -> Result<Option<u64>, StoreError> {
    // The range may reach far beyond the log.
    let size = store.heads(None, 1)?.first().map_or(0, |newest| newest.head.size);
    let mut next = Some(search.to.min(size)).filter(|to| *to >= search.from);
    while let Some(to) = next.filter(|_| !left.is_spent()) {
        let limit = STEP.min(left.work());
        let from = to.saturating_sub(u64::from(limit) - 1).max(search.from);
        let mut found = Vec::new();
        store.entries(EntryRange { stream: None, from, to, limit }, &mut |record| {
            if let Record::Entry(row) = &record
                && EntryRef::decode(row.bytes).is_ok_and(|entry| search.matches(&entry))
            {
                found.push(row.seqno);
            }
        })?;
        left.look(limit);
        next = search.behind(from);
        while let Some(seqno) = found.pop() {
            store.entries(EntryRange { stream: None, from: seqno, to: seqno, limit: 1 }, &mut |record| {
                answer(search, left, &record, visit);
            })?;
            if left.rows == 0 || left.bytes == 0 {
                return Ok(search.behind(seqno));
            }
        }
    }
    Ok(next)
}

fn answer(search: &Search<'_>, left: &mut Left, record: &Record<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) {
    if let Record::Entry(row) = record
        && EntryRef::decode(row.bytes).is_ok_and(|entry| search.matches(&entry))
    {
        left.answer(row.bytes.len());
        visit(*row);
    }
}

fn place(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Entry(row) => Some(row.seqno),
        Record::Pruned(row) => Some(row.seqno),
        _ => None,
    }
}
