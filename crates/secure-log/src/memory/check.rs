//! What no correct engine commits.

use std::collections::BTreeMap;

use super::MemoryStore;
use crate::record::{Record, SegmentRow, StreamRow, Subject};
use crate::store::{Commit, NodeId, STORED_LEVEL, StoreError, TreeId};

/// Refuses a commit that breaks the contract of [`crate::store::SecureLogStore::insert`].
pub(super) fn check(store: &MemoryStore, commit: &Commit) -> Result<(), StoreError> {
    let mut check = Check {
        store,
        size: store.entries.len() as u64,
        streams: BTreeMap::new(),
        last_stream: "",
        signable: None,
        segments: Vec::new(),
    };
    let refused =
        |at: String, detail: &str| StoreError::Corrupt { at: format!("{at} of a commit"), detail: detail.into() };
    let count = commit.records().len();
    for (number, record) in (1..).zip(commit.records()) {
        check.record(record, number, count).map_err(|detail| refused(format!("row {number}"), detail))?;
    }
    commit.head().ok_or_else(|| refused("the end".into(), "no head stands there"))?;
    check.nodes(commit).map_err(|detail| refused("the tree hashes".into(), detail))?;
    check.index(commit).map_err(|detail| refused("the index".into(), detail))
}

struct Check<'a> {
    store: &'a MemoryStore,
    /// Entries in the log with those of the commit seen so far.
    size: u64,
    /// What the commit makes.
    streams: BTreeMap<&'a str, &'a StreamRow>,
    /// A stream that is known to be there: batches mostly name the same again.
    last_stream: &'a str,
    /// The entry that the row before is, or signs.
    signable: Option<u64>,
    segments: Vec<&'a SegmentRow>,
}

impl<'a> Check<'a> {
    fn record(&mut self, record: Record<'a>, number: usize, count: usize) -> Result<(), &'static str> {
        let first_commit = self.store.order.is_empty();
        let signable = self.signable.take();
        match record {
            Record::Log(_) if first_commit && number == 1 => Ok(()),
            Record::Log(_) => Err("the log record stands first, once"),
            Record::Head(row) if row.size != self.size => Err("the head's size is not the number of entries"),
            Record::Head(_) if number != count => Err("a head ends a commit, and something follows it"),
            Record::Head(_) if first_commit && count != 2 => Err("a log is made by its record and a head alone"),
            Record::Head(_) => Ok(()),
            _ if first_commit => Err("a log is made by its record and a head alone"),
            Record::Stream(row) => self.stream(row),
            Record::DataKey(row) => self.known(&row.stream),
            Record::Entry(row) if row.seqno != self.size + 1 => Err("the seqno is not the next one"),
            Record::Entry(row) => {
                self.size += 1;
                self.signable = Some(row.seqno);
                self.known(row.stream)
            }
            Record::Pruned(_) => Err("an entry is pruned after it was committed"),
            Record::Signature(row) => match row.of {
                Subject::Entry(seqno) if signable == Some(seqno) => {
                    self.signable = signable;
                    Ok(())
                }
                Subject::Entry(_) => Err("the signature of an entry stands directly after it"),
                Subject::Segment(id) if (1..=self.segment_count()).contains(&id) => Ok(()),
                Subject::Segment(_) => Err("the segment that is signed is not there"),
            },
            Record::Segment(row) => self.segment(row),
            Record::Witness(_) => Ok(()),
            Record::Unknown(_) => Err("a record of a kind that is not known here"),
        }
    }

    fn stream(&mut self, row: &'a StreamRow) -> Result<(), &'static str> {
        if let Some(earlier) = self.row(&row.name)
            && (earlier.rules != row.rules || earlier.created != row.created)
        {
            return Err("the rules of a stream never change");
        }
        self.streams.insert(&row.name, row);
        Ok(())
    }

    fn segment(&mut self, row: &'a SegmentRow) -> Result<(), &'static str> {
        self.known(&row.stream)?;
        if row.id != self.segment_count() + 1 {
            return Err("the segment's id is not the next one");
        }
        if row.first == 0 || row.first > row.last || row.last > self.size || row.count > row.last - row.first + 1 {
            return Err("the segment's range holds entries that are not there");
        }
        self.segments.push(row);
        Ok(())
    }

    /// The rows of the index are of entries that the commit brings, in their order. Keys are not computed again: that would take
    /// as long as an append, and a verification does it.
    fn index(&self, commit: &Commit) -> Result<(), &'static str> {
        let mut least = self.store.entries.len() as u64 + 1;
        for row in &commit.index {
            if !(least..=self.size).contains(&row.seqno) {
                return Err("one is of an entry that the commit does not bring, or out of order");
            }
            least = row.seqno;
        }
        Ok(())
    }

    fn segment_count(&self) -> u64 {
        (self.store.segments.len() + self.segments.len()) as u64
    }

    fn known(&mut self, name: &'a str) -> Result<(), &'static str> {
        if name != self.last_stream || name.is_empty() {
            self.row(name).ok_or("no record made the stream before")?;
            self.last_stream = name;
        }
        Ok(())
    }

    fn row(&self, name: &str) -> Option<&'a StreamRow> {
        let stored = || self.store.named(name)?.row.map(|index| &self.store.stream_rows[index]);
        self.streams.get(name).copied().or_else(stored)
    }

    /// The commit brings each interior hash that it completes, once, and no other.
    fn nodes(&self, commit: &Commit) -> Result<(), &'static str> {
        let levels = STORED_LEVEL..64;
        let before = self.store.entries.len() as u64;
        let mut missing: u64 = levels.clone().map(|level| (self.size >> level) - (before >> level)).sum();
        missing += self.segments.iter().flat_map(|row| levels.clone().map(|level| row.count >> level)).sum::<u64>();
        for node in &commit.nodes {
            if !levels.contains(&node.id.level) || !self.completes(node.id, before) {
                return Err("one is of a subtree that the commit does not complete");
            }
            missing = missing.checked_sub(1).ok_or("there are more than the commit completes")?;
        }
        if missing == 0 { Ok(()) } else { Err("there are fewer than the commit completes") }
    }

    fn completes(&self, id: NodeId, before: u64) -> bool {
        match id.tree {
            TreeId::Log => (before >> id.level..self.size >> id.level).contains(&id.index),
            TreeId::Segment(segment) => {
                self.segments.iter().any(|row| row.id == segment && id.index < row.count >> id.level)
            }
        }
    }
}
