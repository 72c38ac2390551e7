//! The rows of the index by key: a few sorted runs on disk, and what came since in memory.
//!
//! A run is written once, in order, and found in by halving. Writing a state makes one run of what came since and of those runs
//! that are no larger than all of that together, so that there are few of them, and each row is written anew only so often as
//! the log doubles. The runs that went into another are removed once the state that does without them is durable.

use std::collections::BTreeSet;
use std::path::Path;

use secure_log::index::{IndexKey, IndexRow};

use super::rows::Row;
use super::table::{Stored, Table};
use super::{Salt, Trouble};
use crate::disk::{Disk, DiskFile, remove_if_there};

/// Places for runs. One is always free, for the run that is written while the others still count.
pub(super) const RUNS: usize = NAMES.len();

const NAMES: [&str; 16] = [
    "index-0", "index-1", "index-2", "index-3", "index-4", "index-5", "index-6", "index-7", "index-8", "index-9",
    "index-10", "index-11", "index-12", "index-13", "index-14", "index-15",
];

/// Rows that are held in memory while runs are merged.
const MERGED_AT_ONCE: usize = 1 << 16;

pub(crate) struct Sorted<F> {
    runs: [Table<F, IndexRow>; RUNS],
    pending: BTreeSet<IndexRow>,
    /// What was written and counts with the next state.
    made: Option<Made<F>>,
}

/// A run, where it belongs, and the runs that it takes the place of.
struct Made<F> {
    place: usize,
    run: Table<F, IndexRow>,
    merged: Vec<usize>,
}

impl Row for IndexRow {
    const SIZE: usize = 24;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        self.seqno.put(out);
    }

    fn take(bytes: &[u8]) -> IndexRow {
        let (key, seqno) = bytes.split_at(16);
        IndexRow { key: IndexKey(key.try_into().expect("rows are read whole")), seqno: u64::take(seqno) }
    }
}

impl<F: DiskFile> Sorted<F> {
    pub(super) fn new() -> Sorted<F> {
        Sorted { runs: NAMES.map(Table::new), pending: BTreeSet::new(), made: None }
    }

    /// Opens runs of so many rows; `None` when one is not there.
    pub(super) fn open(&mut self, stored: &Stored<'_, impl Disk<File = F>>, rows: [u64; RUNS]) -> Option<()> {
        self.runs.iter_mut().zip(rows).try_for_each(|(run, rows)| run.open(stored, rows))
    }

    pub(super) fn push(&mut self, row: IndexRow) {
        self.pending.insert(row);
    }

    /// How many rows each run has, as the next state has to say it.
    pub(super) fn rows(&self) -> [u64; RUNS] {
        let mut rows = self.runs.each_ref().map(Table::len);
        if let Some(made) = &self.made {
            made.merged.iter().for_each(|place| rows[*place] = 0);
            rows[made.place] = made.run.len();
        }
        rows
    }

    /// At most `limit` of the rows from `from` to `to`, both inclusive, in ascending order or in descending order.
    pub(crate) fn range(
        &mut self,
        from: IndexRow,
        to: IndexRow,
        descending: bool,
        limit: u32,
    ) -> Result<Vec<IndexRow>, Trouble> {
        let mut found = Vec::new();
        if from > to {
            return Ok(found);
        }
        for run in &mut self.runs {
            let (first, end) = (partition_point(run, |row| *row < from)?, partition_point(run, |row| *row <= to)?);
            let count = end.saturating_sub(first).min(limit.into());
            let first = if descending { end - count } else { first };
            let start = found.len();
            for at in first..first + count {
                let row = run.get(at)?.ok_or(Trouble::Index)?;
                if !(from..=to).contains(&row) || found[start..].last().is_some_and(|before| *before >= row) {
                    return Err(Trouble::Index);
                }
                found.push(row);
            }
        }
        let pending = self.pending.range(from..=to);
        if descending {
            found.extend(pending.rev().take(limit as usize));
        } else {
            found.extend(pending.take(limit as usize));
        }
        found.sort_unstable();
        if descending {
            found.reverse();
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    /// Writes and syncs what came since as a run, with what it is merged with. Answers whether it made a file.
    pub(super) fn write<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path, salt: &Salt) -> std::io::Result<bool> {
        self.made = None;
        if self.pending.is_empty() {
            return Ok(false);
        }
        if self.runs.iter().all(|run| run.len() == 0) {
            // Those of an index that is no more.
            NAMES.iter().try_for_each(|name| remove_if_there(disk, &folder.join(name)))?;
        }
        let merged = self.to_merge();
        let place = self.runs.iter().position(|run| run.len() == 0).expect("a place is kept free");
        let mut run = Table::new(NAMES[place]);
        let mut merge = Merge::of(&mut self.runs, &merged, self.pending.iter().copied())?;
        let mut held = 0;
        while let Some(row) = merge.next()? {
            run.push(row);
            held += 1;
            if held == MERGED_AT_ONCE {
                run.write(disk, folder, salt)?;
                run.settle();
                held = 0;
            }
        }
        run.write(disk, folder, salt)?;
        run.settle();
        self.made = Some(Made { place, run, merged });
        Ok(true)
    }

    /// The runs that what came since is merged with: one after the other, the smallest first, as long as the next is no larger
    /// than all before, and until there is a free place beside the new one.
    fn to_merge(&self) -> Vec<usize> {
        let mut used: Vec<usize> = (0..RUNS).filter(|place| self.runs[*place].len() > 0).collect();
        used.sort_by_key(|place| self.runs[*place].len());
        let mut rows = self.pending.len() as u64;
        let mut count = 0;
        for place in &used {
            let len = self.runs[*place].len();
            let crowded = used.len() - count + 1 >= RUNS;
            if len > rows && !crowded {
                break;
            }
            rows += len;
            count += 1;
        }
        used.truncate(count);
        used
    }

    pub(super) fn settle<D: Disk<File = F>>(&mut self, disk: &D, folder: &Path) {
        let Some(Made { place, run, merged }) = self.made.take() else { return };
        for gone in merged {
            self.runs[gone] = Table::new(NAMES[gone]);
            // A run that is left behind is in nobody's way.
            let _ = disk.remove(&folder.join(NAMES[gone]));
        }
        self.runs[place] = run;
        self.pending.clear();
    }
}

/// The place of the first row of a run for which this does not hold, as it holds for none behind it.
fn partition_point<F: DiskFile>(
    run: &mut Table<F, IndexRow>,
    mut holds: impl FnMut(&IndexRow) -> bool,
) -> Result<u64, Trouble> {
    let (mut first, mut end) = (0, run.len());
    while first < end {
        let middle = first + (end - first) / 2;
        if holds(&run.get(middle)?.ok_or(Trouble::Index)?) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(first)
}

/// Rows of several runs and of memory, in order.
struct Merge<'r, F, P> {
    /// Runs, and how far each was read.
    runs: Vec<(&'r mut Table<F, IndexRow>, u64)>,
    pending: P,
    /// The next row of each run, and of memory at the end.
    next: Vec<Option<IndexRow>>,
}

impl<'r, F: DiskFile, P: Iterator<Item = IndexRow>> Merge<'r, F, P> {
    fn of(runs: &'r mut [Table<F, IndexRow>], merged: &[usize], mut pending: P) -> std::io::Result<Self> {
        let merged = runs.iter_mut().enumerate().filter(|(place, _)| merged.contains(place));
        let mut runs: Vec<_> = merged.map(|(_, run)| (run, 1)).collect();
        let mut next = Vec::with_capacity(runs.len() + 1);
        for (run, _) in &mut runs {
            next.push(run.get(0).map_err(unreadable)?);
        }
        next.push(pending.next());
        Ok(Merge { runs, pending, next })
    }

    fn next(&mut self) -> std::io::Result<Option<IndexRow>> {
        let Some(least) = self.next.iter().flatten().min().copied() else { return Ok(None) };
        for at in 0..self.next.len() {
            if self.next[at] == Some(least) {
                self.next[at] = match self.runs.get_mut(at) {
                    Some((run, read)) => {
                        *read += 1;
                        run.get(*read - 1).map_err(unreadable)?
                    }
                    None => self.pending.next(),
                };
                if self.next[at].is_some_and(|next| next <= least) {
                    return Err(unreadable(Trouble::Index));
                }
            }
        }
        Ok(Some(least))
    }
}

fn unreadable(_: Trouble) -> std::io::Error {
    std::io::ErrorKind::InvalidData.into()
}
