//! A commit before it is stored: what its entries say, and what has to be looked up for them.

use secure_log::entry::{EntryRef, Severity};
use secure_log::record::{EntryRow, Record};
use secure_log::store::{Commit, StoreError};
use secure_log::time::Timestamp;

/// A commit whose entries were read once.
pub(crate) struct Pending<'c> {
    pub(crate) commit: &'c Commit,
    pub(crate) entries: Vec<Content<'c>>,
}

/// What is found in an entry's bytes.
pub(crate) struct Content<'c> {
    pub(crate) time: i64,
    pub(crate) severity: i64,
    /// Event type, producer and session.
    pub(crate) words: [&'c str; 3],
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

impl<'c> Content<'c> {
    fn of(row: EntryRow<'c>) -> Result<Content<'c>, Refused> {
        let entry = EntryRef::decode(row.bytes).map_err(|error| Refused(error.to_string()))?;
        if (entry.seqno, entry.stream) != (row.seqno, row.stream) {
            return Err(refused("the entry's bytes are not those of its stream and seqno"));
        }
        let severity: Severity = entry.severity.parse().map_err(|_| refused("the entry has no severity"))?;
        let time: Timestamp = entry.time.parse().map_err(|_| refused("the entry has no time"))?;
        let words = [entry.event, entry.producer, entry.session];
        Ok(Content { time: micros(time), severity: severity as i64, words })
    }
}

/// Microseconds since 1970.
pub(crate) fn micros(time: Timestamp) -> i64 {
    let epoch = Timestamp::from_unix(0, 0).expect("1970 is a year that is known");
    i64::try_from(time.nanos_since(epoch).div_euclid(1000)).expect("a year up to 9999 fits")
}

/// Why a record breaks the contract.
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    /// The record with this number.
    pub(crate) fn at(self, number: u64) -> StoreError {
        StoreError::Corrupt { at: format!("record {number} of the commit"), detail: self.0 }
    }
}

/// A number that the tables cannot hold.
impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        match error {
            StoreError::Corrupt { detail, .. } => Refused(detail),
            other => Refused(other.to_string()),
        }
    }
}

pub(crate) fn refused(detail: &str) -> Refused {
    Refused(detail.into())
}
