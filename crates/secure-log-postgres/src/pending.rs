//! A commit before it is stored: what its entries say, and what has to be looked up for them.

use secure_log::record::Record;
use secure_log::store::{Commit, StoreError};
use secure_log_sql::Content;

/// A commit whose entries were read once.
pub(crate) struct Pending<'c> {
    pub(crate) commit: &'c Commit,
    pub(crate) entries: Vec<Content<'c>>,
}

impl<'c> Pending<'c> {
    pub(crate) fn of(commit: &'c Commit) -> Result<Pending<'c>, StoreError> {
        let mut entries = Vec::new();
        for (number, record) in (1..).zip(commit.records()) {
            if let Record::Entry(row) = record {
                entries.push(Content::of(row).map_err(|refused| refused.at(number))?);
            }
        }
        Ok(Pending { commit, entries })
    }

    /// What stands for words, in no order and more than once.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'c str> + '_ {
        let mut last = [None; 3];
        self.entries.iter().flat_map(move |entry| {
            let words = entry.words.map(Some);
            let before = core::mem::replace(&mut last, words);
            words.into_iter().zip(before).filter(|(word, before)| word != before).filter_map(|(word, _)| word)
        })
    }

    /// The streams of its records, likewise.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &'c str> + '_ {
        let mut last = None;
        self.commit.records().filter_map(move |record| {
            let stream = record.stream()?;
            (last.replace(stream) != Some(stream)).then_some(stream)
        })
    }
}
