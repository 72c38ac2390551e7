//! What an attacker who knows the format and holds no key does after an edit: make everything fit again.

use std::collections::BTreeMap;

use secure_log::entry::{CONTROL_PREFIX, Entry};
use secure_log::hash::{Hash, Suite};
use secure_log::record::{HeadRow, LogRow, StreamRow};
use secure_log::tree::{CompactTree, leaf_hash};

use crate::record::OwnedRecord;

/// What [`rechain`] makes fit. Signatures it cannot make, and leaves as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The entries: their hashes, and the chains of their streams.
    Entries,
    /// Also the segments and the entries that name them.
    Segments,
    /// Also the heads.
    Heads,
}

/// Recomputes, after an edit, all that follows from the records: seqnos, the chains of the streams, entry-hashes of the
/// unkeyed suites, and as far as `reach` goes segments with their checkpoints, and heads.
///
/// # Panics
/// When the records are not a log's: the test is wrong.
pub fn rechain(records: &mut [OwnedRecord], reach: Reach) {
    let log = records.iter().find_map(|record| match record {
        OwnedRecord::Log(row) => Some(row.clone()),
        _ => None,
    });
    let mut chain = Chain {
        log: log.expect("a log has its record"),
        reach,
        seqno: 0,
        tree: CompactTree::new(),
        streams: BTreeMap::new(),
    };
    records.iter_mut().for_each(|record| chain.fit(record));
}

/// Appends an entry to a SHA-256 stream under a head that nobody signed, with everything as it should be but the key.
///
/// # Panics
/// When the stream has no entry, or when what is signed would change: the test is wrong.
pub fn append_unattested(records: &mut Vec<OwnedRecord>, stream: &str, payload: &[u8]) {
    let last = records.iter().rposition(|record| record.entry().is_some_and(|entry| entry.stream == stream));
    let mut forged = records[last.expect("the stream has an entry")].clone();
    forged.edit_entry(|entry| entry.payload = payload.into());
    let signed = heads_of(records);
    records.push(forged);
    records.push(OwnedRecord::Head(HeadRow { size: 0, root: Hash::ZERO, sigs: Vec::new() }));
    rechain(records, Reach::Heads);
    assert_eq!(heads_of(records)[..signed.len()], signed, "what is signed is not touched");
}

/// The heads among these records.
pub fn heads_of(records: &[OwnedRecord]) -> Vec<HeadRow> {
    let head = |record: &OwnedRecord| match record {
        OwnedRecord::Head(head) => Some(head.clone()),
        _ => None,
    };
    records.iter().filter_map(head).collect()
}

struct Chain {
    log: LogRow,
    reach: Reach,
    seqno: u64,
    tree: CompactTree,
    streams: BTreeMap<String, Stream>,
}

struct Stream {
    row: StreamRow,
    prev: Hash,
    checkpoint: Hash,
    /// What the next `segment-closed` entry has to name.
    closed: Option<String>,
    open: Vec<(u64, Hash)>,
}

impl Chain {
    fn fit(&mut self, record: &mut OwnedRecord) {
        match record {
            OwnedRecord::Stream(row) => {
                let prev = row.policy_hash(&self.log);
                let fresh =
                    || Stream { row: row.clone(), prev, checkpoint: Hash::ZERO, closed: None, open: Vec::new() };
                self.streams.entry(row.name.clone()).or_insert_with(fresh);
            }
            OwnedRecord::Entry { .. } => self.fit_entry(record),
            OwnedRecord::Pruned { seqno, stream, hash } => {
                self.seqno += 1;
                *seqno = self.seqno;
                let (stream, hash) = (stream.clone(), *hash);
                self.took(&stream, hash);
            }
            OwnedRecord::Segment(row) if self.reach >= Reach::Segments => {
                let log = self.log.clone();
                let stream = self.streams.get_mut(&row.stream).expect("a segment is of a stream");
                let open = core::mem::take(&mut stream.open);
                let mut tree = CompactTree::new();
                open.iter().for_each(|(_, hash)| tree.push(leaf_hash(hash)));
                row.first = open.first().map_or(0, |(seqno, _)| *seqno);
                (row.last, row.last_hash) = open.last().copied().unwrap_or((0, Hash::ZERO));
                row.count = open.len() as u64;
                row.root = tree.root();
                row.prev = stream.checkpoint;
                row.policy = stream.row.policy_hash(&log);
                stream.checkpoint = row.checkpoint().hash();
                stream.closed = Some(format!("{} {}", row.id, stream.checkpoint));
            }
            OwnedRecord::Head(row) if self.reach == Reach::Heads => {
                row.size = self.tree.size();
                row.root = self.tree.root();
            }
            _ => {}
        }
    }

    fn fit_entry(&mut self, record: &mut OwnedRecord) {
        self.seqno += 1;
        let seqno = self.seqno;
        let Entry { stream: name, version, .. } = record.entry().expect("an entry decodes");
        let stream = self.streams.get_mut(&name).expect("an entry is of a stream");
        let (prev, closed) = (stream.prev, &mut stream.closed);
        record.edit_entry(|entry| {
            entry.seqno = seqno;
            entry.prev = prev;
            if entry.event == format!("{CONTROL_PREFIX}segment-closed")
                && let Some(payload) = closed.take()
            {
                entry.payload = payload.into();
            }
        });
        let OwnedRecord::Entry { hash, bytes, .. } = record else { return };
        if version == Suite::Blake3.version() {
            *hash = Hash(blake3::hash(bytes).into());
        } else if version == Suite::Sha256.version() {
            *hash = Hash::sha256(bytes);
        }
        let hash = *hash;
        self.took(&name, hash);
    }

    fn took(&mut self, stream: &str, hash: Hash) {
        self.tree.push(leaf_hash(&hash));
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.prev = hash;
            stream.open.push((self.seqno, hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use secure_log::store::SecureLogStore;

    use super::*;
    use crate::{LogBuilder, NaiveStore};

    fn log() -> Vec<OwnedRecord> {
        let (mut log, mut store) = (LogBuilder::new(), NaiveStore::new());
        store.insert(&log.create()).unwrap();
        store.insert(&log.commit().entry("a", b"1").entry("b", b"2").entry("a", b"3").finish()).unwrap();
        store.insert(&log.commit().close("a").entry("a", b"4").finish()).unwrap();
        store.insert(&log.commit().close("a").close("b").finish()).unwrap();
        store.records().to_vec()
    }

    #[test]
    fn an_untouched_log_already_fits() {
        for reach in [Reach::Entries, Reach::Segments, Reach::Heads] {
            let mut records = log();
            rechain(&mut records, reach);
            assert_eq!(records, log());
        }
    }

    #[test]
    fn an_edit_changes_what_follows_and_only_as_far_as_asked() {
        let edited = |reach| {
            let mut records = log();
            let first = records.iter_mut().find(|record| record.seqno() == Some(1)).unwrap();
            first.edit_entry(|entry| entry.payload = b"forged".into());
            rechain(&mut records, reach);
            let changed = records.iter().zip(log()).filter(|(new, old)| *new != old);
            let mut kinds: Vec<&str> = changed
                .map(|(record, _)| match record {
                    OwnedRecord::Entry { .. } => "entry",
                    OwnedRecord::Segment(_) => "segment",
                    OwnedRecord::Head(_) => "head",
                    _ => "other",
                })
                .collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds
        };
        assert_eq!(edited(Reach::Entries), ["entry"]);
        assert_eq!(edited(Reach::Segments), ["entry", "segment"]);
        assert_eq!(edited(Reach::Heads), ["entry", "head", "segment"]);
    }
}
