//! The index: reading by it, and holding all of it against the entries.

use std::collections::BTreeSet;

use crate::engine::SecureLog;
use crate::engine::read::MAX_PAGE;
use crate::entry::Entry;
use crate::error::LogError;
use crate::hash::Hash;
use crate::index::{self, IndexKey, IndexRow};
use crate::providers::{Random, RandomError};
use crate::record::Record;
use crate::store::{EntryRange, IndexRange, SecureLogStore, StoreError};
use crate::verify::{Finding, FindingCode, Place};

/// Rows of the index that are read at once.
const ROWS: u32 = 4096;

/// Entries that are read at once, to see what they say.
const ENTRIES: u32 = 256;

/// Parts that the index is compared in. What differs is looked for in one of them, so that of the largest log this part is held
/// in memory.
const PARTS: usize = 4096;

/// So many parts are looked at of which others have changed something meanwhile.
const PATIENCE: usize = 32;

impl<S: SecureLogStore> SecureLog<S> {
    /// Entries with a key of the index, in ascending order, each re-hashed, proven under the head and shown to have the key.
    /// Pruned ones are left out. At most `limit` of them, and at most [`MAX_PAGE`].
    ///
    /// A store can leave out others unnoticed, as the index is no part of the log: [`SecureLog::verify_log`] finds what it lacks.
    pub fn read_indexed(&mut self, key: IndexKey, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        self.reading(|log| log.read_indexed_once(key, from, to, limit))
    }

    fn read_indexed_once(&mut self, key: IndexKey, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        let (mut from, to, limit) = (from.max(1), to.min(self.accepted.head.size), limit.min(MAX_PAGE));
        let mut page = Vec::new();
        // Pruned ones do not fill a page.
        while (page.len() as u64) < u64::from(limit) && from <= to {
            let left = limit - page.len() as u32;
            let seqnos = self.store.indexed(IndexRange { key, from, to, newest_first: false, limit: left })?;
            if !seqnos.is_sorted_by(|a, b| a < b) || seqnos.iter().any(|seqno| !(from..=to).contains(seqno)) {
                return Err(out_of_order());
            }
            for seqno in &seqnos {
                match self.read_once(*seqno) {
                    Ok((entry, _)) if index::keys(&entry.encoding, &entry.payload).any(|has| has == key) => {
                        page.push(entry);
                    }
                    Ok(_) => return Err(LogError::InvalidRecord(Box::new(added(&IndexRow { key, seqno: *seqno })))),
                    Err(LogError::EntryNotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match seqnos.last() {
                Some(last) if seqnos.len() as u64 == u64::from(left) => from = last + 1,
                _ => break,
            }
        }
        Ok(page)
    }

    /// Has the store build anew whatever it derives from the log: the index, and the hashes within trees. It is what mends an
    /// index that a verification found altered.
    pub fn reindex(&mut self) -> Result<(), LogError> {
        Ok(self.store.reindex()?)
    }

    /// Compares all of the index with what the entries say, and answers what is wrong with it.
    pub(super) fn check_index(&mut self, expected: IndexSums) -> Result<Option<Finding>, LogError> {
        let mut check = IndexCheck::new(expected);
        let compared = loop {
            match self.read_index_rows(&check) {
                Ok(rows) if rows.is_empty() => break self.compare_index(&check),
                Ok(rows) => check.count(&rows),
                Err(error) => break Err(error),
            }
        };
        unreadable_is_wrong(compared)
    }

    /// The next rows of the index that a comparison has to count; none at the end.
    pub(crate) fn read_index_rows(&mut self, check: &IndexCheck) -> Result<Vec<IndexRow>, LogError> {
        rows_after(&mut self.store, check.after)
    }

    /// What is wrong with an index of which all rows were counted.
    pub(crate) fn compare_index(&mut self, check: &IndexCheck) -> Result<Option<Finding>, LogError> {
        let IndexCheck { expected, found, farthest, .. } = check;
        // What another writer has added since the entries were read is the next verification's.
        if let Some(row) = farthest {
            let size = self.store.heads(None, 1)?.first().map_or(0, |newest| newest.head.size);
            if row.seqno > size {
                return Ok(Some(added(row)));
            }
        }
        let differing = (0..PARTS).filter(|part| found.parts[*part] != expected.parts[*part]);
        for (tried, part) in differing.enumerate() {
            if tried == PATIENCE {
                return Err(LogError::Conflict);
            }
            if let Some(finding) = self.locate(expected.range(part))? {
                return Ok(Some(finding));
            }
        }
        Ok(None)
    }

    /// The first row within these seqnos that is missing or that no entry has. There is none where both have changed
    /// since they were compared, as a prune changes them.
    fn locate(&mut self, (first, last): (u64, u64)) -> Result<Option<Finding>, LogError> {
        let mut has = BTreeSet::new();
        each_row(&mut self.store, |row| {
            if (first..=last).contains(&row.seqno) {
                has.insert((row.seqno, row.key));
            }
        })?;
        let mut should = BTreeSet::new();
        let mut from = first;
        loop {
            let mut read = None;
            let range = EntryRange { stream: None, from, to: last, limit: ENTRIES };
            self.store.entries(range, &mut |record| match record {
                Record::Entry(row) => {
                    read = Some(row.seqno);
                    should.extend(index::rows(row.bytes).map(|row| (row.seqno, row.key)));
                }
                Record::Pruned(row) => read = Some(row.seqno),
                _ => {}
            })?;
            match read.and_then(|seqno| seqno.checked_add(1)) {
                Some(next) if next > from && next <= last => from = next,
                _ => break,
            }
        }
        let differs = should.symmetric_difference(&has).next();
        Ok(differs.map(|&(seqno, key)| {
            let row = IndexRow { key, seqno };
            if has.contains(&(seqno, key)) { added(&row) } else { missing(&row) }
        }))
    }
}

/// Reads all rows of the index.
fn each_row<S: SecureLogStore>(store: &mut S, mut visit: impl FnMut(&IndexRow)) -> Result<(), LogError> {
    let mut after = None;
    loop {
        let rows = rows_after(store, after)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(*last);
        rows.iter().for_each(&mut visit);
    }
}

fn rows_after<S: SecureLogStore>(store: &mut S, after: Option<IndexRow>) -> Result<Vec<IndexRow>, LogError> {
    let rows = store.index_rows(after, ROWS)?;
    // Or there would be no end.
    let goes_on = rows.first().is_none_or(|first| after.is_none_or(|after| *first > after));
    if goes_on && rows.is_sorted_by(|a, b| a < b) { Ok(rows) } else { Err(out_of_order()) }
}

/// What cannot be read as a row is a finding, and no failure of the check.
pub(crate) fn unreadable_is_wrong(compared: Result<Option<Finding>, LogError>) -> Result<Option<Finding>, LogError> {
    match compared {
        Err(LogError::Store(StoreError::Corrupt { at, detail })) => {
            Ok(Some(Finding::new(FindingCode::IndexMismatch, Place::Index, format!("{at}: {detail}"))))
        }
        other => other,
    }
}

fn out_of_order() -> LogError {
    let detail = "the store answered rows that were not asked for, or not in their order";
    LogError::Store(StoreError::Corrupt { at: "the index".into(), detail: detail.into() })
}

fn added(row: &IndexRow) -> Finding {
    let detail = "the index names this entry under a key that it does not have";
    finding(row, detail).comparing("no such row", row.key)
}

fn missing(row: &IndexRow) -> Finding {
    finding(row, "the index lacks this entry under a key that it has").comparing(row.key, "no such row")
}

fn finding(row: &IndexRow, detail: &str) -> Finding {
    Finding::new(FindingCode::IndexMismatch, Place::Seqno(row.seqno), detail)
}

/// A comparison of the index with what the entries say, in the making.
pub(crate) struct IndexCheck {
    expected: IndexSums,
    found: IndexSums,
    /// The last row that was counted.
    after: Option<IndexRow>,
    /// The row of the latest entry that was appended after those that were read.
    farthest: Option<IndexRow>,
}

impl IndexCheck {
    pub(crate) fn new(expected: IndexSums) -> IndexCheck {
        IndexCheck { found: expected.emptied(), expected, after: None, farthest: None }
    }

    /// Takes the next rows in.
    pub(crate) fn count(&mut self, rows: &[IndexRow]) {
        for row in rows {
            if row.seqno > self.expected.size {
                self.farthest = self.farthest.max(Some(*row));
            } else {
                self.found.add(row);
            }
        }
        self.after = rows.last().copied().or(self.after);
    }
}

/// Sums over all rows that there should be, or that there are. Both are the same only if the rows are: each counts as a hash under
/// a secret that nobody knows before the comparison, so that no others can be chosen that have the same sum.
pub(crate) struct IndexSums {
    secret: [u8; 16],
    /// The sum of rows with the same seqno but for its last bits.
    parts: Vec<u128>,
    /// How many bits those are.
    bits: u32,
    /// The last entry that was seen.
    size: u64,
}

impl IndexSums {
    pub(super) fn new(random: &mut dyn Random) -> Result<IndexSums, RandomError> {
        let mut secret = [0; 16];
        random.fill(&mut secret)?;
        Ok(IndexSums { secret, parts: vec![0; PARTS], bits: 0, size: 0 })
    }

    /// The last entry that was seen.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The same parts, of no rows.
    fn emptied(&self) -> IndexSums {
        IndexSums { parts: vec![0; PARTS], ..*self }
    }

    /// Takes in what an entry says, and any other record.
    pub(super) fn record(&mut self, record: &Record<'_>) {
        match record {
            Record::Entry(row) => {
                self.size = self.size.max(row.seqno);
                index::rows(row.bytes).for_each(|row| self.add(&row));
            }
            Record::Pruned(row) => self.size = self.size.max(row.seqno),
            _ => {}
        }
    }

    fn add(&mut self, row: &IndexRow) {
        while row.seqno >> self.bits >= PARTS as u64 {
            self.fold();
        }
        let mut counted = [0; 40];
        counted[..16].copy_from_slice(&self.secret);
        counted[16..32].copy_from_slice(&row.key.0);
        counted[32..].copy_from_slice(&row.seqno.to_be_bytes());
        let hash = Hash::sha256(&counted);
        let part = &mut self.parts[(row.seqno >> self.bits) as usize];
        *part = part.wrapping_add(u128::from_be_bytes(*hash.0.first_chunk().expect("a hash has 32 bytes")));
    }

    /// Makes each two parts one, so that the log may be twice as long.
    fn fold(&mut self) {
        let pairs = self.parts.as_chunks::<2>().0.iter().map(|[a, b]| a.wrapping_add(*b));
        self.parts = pairs.chain([0; PARTS / 2]).collect();
        self.bits += 1;
    }

    /// First and last seqno of a part.
    fn range(&self, part: usize) -> (u64, u64) {
        let first = (part as u64) << self.bits;
        (first, first + ((1 << self.bits) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(rows: &[(u8, u64)]) -> IndexSums {
        let mut sums = IndexSums { secret: [7; 16], parts: vec![0; PARTS], bits: 0, size: 0 };
        rows.iter().for_each(|(key, seqno)| sums.add(&IndexRow { key: IndexKey([*key; 16]), seqno: *seqno }));
        sums
    }

    #[test]
    fn sums_say_in_which_part_rows_differ() {
        let rows: Vec<(u8, u64)> = (1..20_000).map(|seqno| ((seqno % 7) as u8, seqno)).collect();
        let one = sums(&rows);
        let reversed: Vec<_> = rows.iter().rev().copied().collect();
        assert_eq!((one.bits, one.range(1)), (3, (8, 15)));
        assert_eq!(one.parts, sums(&reversed).parts, "whatever their order");
        for (at, changed) in [(0, (9, 1)), (7, (1, 16)), (19_998, (9, 19_999)), (100, rows[101])] {
            let mut other = rows.clone();
            other[at] = changed;
            let other = sums(&other);
            let differing: Vec<usize> = (0..PARTS).filter(|part| one.parts[*part] != other.parts[*part]).collect();
            assert!(!differing.is_empty());
            for part in differing {
                let (first, last) = one.range(part);
                assert!([rows[at].1, changed.1].iter().any(|seqno| (first..=last).contains(seqno)), "{at} {part}");
            }
        }
        // Seqnos 9 and 10 are of one part.
        let mut other = rows.clone();
        (other[8].0, other[9].0) = (rows[9].0, rows[8].0);
        assert_ne!(one.parts, sums(&other).parts, "two entries that change places");
    }
}
