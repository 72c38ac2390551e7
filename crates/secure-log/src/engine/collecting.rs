//! Dropping what witnesses answered long ago. Nothing covers these rows, and nothing drops them but an operator's call.

use std::collections::HashSet;

use crate::engine::SecureLog;
use crate::engine::cosigning::{NewestWitnesses, RECENT};
use crate::error::LogError;
use crate::record::{WitnessResult, WitnessRow};
use crate::store::{NumberedHead, SecureLogStore};

/// So many rows go at most in one call: a row has about 400 bytes, so that they have 26 MiB.
pub const MAX_COLLECTED: usize = 65_536;

/// Heads read at once.
const PAGE: u32 = 256;

/// What [`SecureLog::collect_witness_rows`] dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many rows.
    pub rows: u64,
    /// The smallest and the largest size of a head that they were about; `None` where none went.
    pub sizes: Option<(u64, u64)>,
    /// There are further rows that may go: call again.
    pub more: bool,
}

impl Collected {
    fn of(rows: &[WitnessRow], more: bool) -> Collected {
        let sizes = || rows.iter().map(|row| row.size);
        Collected { rows: rows.len() as u64, sizes: sizes().min().zip(sizes().max()), more }
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Drops witness rows about heads smaller than `below`, at most [`MAX_COLLECTED`], all or none, durably, and answers
    /// which. The log is what it was before in all else. Kept are, whatever `below` is:
    ///
    /// - rows about the last signed head, and about later ones;
    /// - the newest 256 rows, which say what each witness answered last, and the newest cosignature of all: with it a witness
    ///   that forgot the log is told from one that never knew it;
    /// - each cosignature that stands in no head of the log, as this is its only copy.
    pub fn collect_witness_rows(&mut self, below: u64) -> Result<Collected, LogError> {
        self.refresh()?;
        let (rows, more) = self.collectable(below.min(self.accepted.signed_size()))?;
        if !rows.is_empty() {
            self.store.drop_witnesses(&rows)?;
        }
        Ok(Collected::of(&rows, more))
    }

    /// The rows that may go, newest first, and whether there are further ones.
    fn collectable(&mut self, below: u64) -> Result<(Vec<WitnessRow>, bool), LogError> {
        let (mut newest, mut heads) = (NewestWitnesses::default(), HeadLines::default());
        let (mut rows, mut kept, mut seen, mut cosigned) = (Vec::new(), HashSet::new(), 0, false);
        while let Some(page) = newest.next(&mut self.store)? {
            for witness in page {
                let row = witness.row;
                seen += 1;
                let is_cosigned = row.result == WitnessResult::Cosigned;
                let is_last_cosigned = is_cosigned && !core::mem::replace(&mut cosigned, true);
                if seen <= RECENT as usize || is_last_cosigned {
                    kept.insert(row);
                    continue;
                }
                // A store drops rows that are equal, wherever they stand.
                if row.size >= below || kept.contains(&row) {
                    continue;
                }
                if is_cosigned && !heads.carry(self, row.size, &row.detail)? {
                    continue;
                }
                if rows.len() == MAX_COLLECTED {
                    return Ok((rows, true));
                }
                rows.push(row);
            }
        }
        Ok((rows, false))
    }
}

/// The heads of a log, looked through for signature lines. Sizes that are asked for mostly fall, as rows do.
#[derive(Default)]
struct HeadLines {
    /// Newest first: the last heads of size `upto` or less.
    page: Vec<NumberedHead>,
    upto: Option<u64>,
}

impl HeadLines {
    /// Whether a head of this size has this line. Of very many heads of one size only the newest are looked at.
    fn carry<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>, size: u64, line: &str) -> Result<bool, LogError> {
        if !self.covers(size) {
            if let Some(below) = self.next_below(size) {
                (self.page, self.upto) = (log.store.heads(Some(below), PAGE)?, Some(size));
            }
            if !self.covers(size) {
                let below = log.last_head_up_to(size)?.saturating_add(1);
                (self.page, self.upto) = (log.store.heads(Some(below), PAGE)?, Some(size));
            }
        }
        let mut heads = self.page.iter().map(|numbered| &numbered.head).filter(|head| head.size == size);
        Ok(heads.any(|head| head.sigs.iter().any(|sig| sig == line)))
    }

    /// Whether the page has all heads of this size.
    fn covers(&self, size: u64) -> bool {
        let reaches = self.page.last().is_none_or(|last| last.number <= 1 || last.head.size < size);
        self.upto.is_some_and(|upto| size <= upto) && reaches
    }

    /// The number below which the last heads of this size are, where the page that was read tells.
    fn next_below(&self, size: u64) -> Option<u64> {
        self.upto.filter(|upto| size <= *upto)?;
        let larger = self.page.iter().take_while(|numbered| numbered.head.size > size).last();
        larger.or(self.page.first()).map(|numbered| numbered.number + u64::from(numbered.head.size <= size))
    }
}
