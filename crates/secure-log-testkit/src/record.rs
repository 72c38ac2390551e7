//! Records that a test can take out of a store, edit, and put into another one.

use secure_log::entry::{Entry, EntryRef};
use secure_log::hash::Hash;
use secure_log::jsonl::{parse_line, write_record};
use secure_log::memory::MemoryStore;
use secure_log::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, UnknownRow,
    WitnessRow,
};
use secure_log::store::{SecureLogStore, StoreError};

/// A [`Record`] that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants and fields are those of Record")]
pub enum OwnedRecord {
    Log(LogRow),
    Stream(StreamRow),
    DataKey(DataKeyRow),
    Entry { seqno: u64, stream: String, hash: Hash, bytes: Vec<u8> },
    Pruned { seqno: u64, stream: String, hash: Hash },
    Signature(SignatureRow),
    Segment(SegmentRow),
    Witness(WitnessRow),
    Head(HeadRow),
    Unknown(String),
}

impl OwnedRecord {
    /// A borrowed view.
    pub fn as_record(&self) -> Record<'_> {
        match self {
            OwnedRecord::Log(row) => Record::Log(row),
            OwnedRecord::Stream(row) => Record::Stream(row),
            OwnedRecord::DataKey(row) => Record::DataKey(row),
            OwnedRecord::Entry { seqno, stream, hash, bytes } => {
                Record::Entry(EntryRow { seqno: *seqno, stream, hash: *hash, bytes })
            }
            OwnedRecord::Pruned { seqno, stream, hash } => {
                Record::Pruned(PrunedRow { seqno: *seqno, stream, hash: *hash })
            }
            OwnedRecord::Signature(row) => Record::Signature(row),
            OwnedRecord::Segment(row) => Record::Segment(row),
            OwnedRecord::Witness(row) => Record::Witness(row),
            OwnedRecord::Head(row) => Record::Head(row),
            OwnedRecord::Unknown(kind) => Record::Unknown(UnknownRow { kind }),
        }
    }

    /// The seqno of an entry, gone or not.
    pub fn seqno(&self) -> Option<u64> {
        match self {
            OwnedRecord::Entry { seqno, .. } | OwnedRecord::Pruned { seqno, .. } => Some(*seqno),
            _ => None,
        }
    }

    /// The fields of an entry; `None` for anything else and for bytes that are none.
    pub fn entry(&self) -> Option<Entry> {
        match self {
            OwnedRecord::Entry { bytes, .. } => EntryRef::decode(bytes).ok().map(|entry| entry.to_entry()),
            _ => None,
        }
    }

    /// Edits the fields of an entry and encodes them anew. The hash stays what it was: see [`OwnedRecord::rehash`].
    ///
    /// # Panics
    /// When this is no entry: the test is wrong.
    pub fn edit_entry(&mut self, edit: impl FnOnce(&mut Entry)) {
        let mut entry = self.entry().expect("an entry is edited");
        edit(&mut entry);
        if let OwnedRecord::Entry { seqno, stream, bytes, .. } = self {
            *seqno = entry.seqno;
            stream.clone_from(&entry.stream);
            *bytes = entry.as_ref().encode();
        }
    }

    /// Bits that a store keeps of an entry: those of its canonical bytes and of its hash.
    pub fn bits(&self) -> u64 {
        match self {
            OwnedRecord::Entry { bytes, hash, .. } => 8 * (bytes.len() + hash.0.len()) as u64,
            _ => 0,
        }
    }

    /// Flips one of these bits.
    ///
    /// # Panics
    /// When there is no such bit: the test is wrong.
    pub fn flip(&mut self, bit: u64) {
        assert!(bit < self.bits(), "there is no bit {bit}");
        let OwnedRecord::Entry { bytes, hash, .. } = self else { return };
        let at = (bit / 8) as usize;
        let length = bytes.len();
        let byte = if at < length { &mut bytes[at] } else { &mut hash.0[at - length] };
        *byte ^= 1 << (bit % 8);
    }

    /// Gives an entry the SHA-256 of its bytes as its hash, as an attacker would.
    pub fn rehash(&mut self) {
        if let OwnedRecord::Entry { hash, bytes, .. } = self {
            *hash = Hash::sha256(bytes);
        }
    }
}

impl From<Record<'_>> for OwnedRecord {
    fn from(record: Record<'_>) -> OwnedRecord {
        match record {
            Record::Log(row) => OwnedRecord::Log(row.clone()),
            Record::Stream(row) => OwnedRecord::Stream(row.clone()),
            Record::DataKey(row) => OwnedRecord::DataKey(row.clone()),
            Record::Entry(row) => OwnedRecord::Entry {
                seqno: row.seqno,
                stream: row.stream.into(),
                hash: row.hash,
                bytes: row.bytes.into(),
            },
            Record::Pruned(row) => OwnedRecord::Pruned { seqno: row.seqno, stream: row.stream.into(), hash: row.hash },
            Record::Signature(row) => OwnedRecord::Signature(row.clone()),
            Record::Segment(row) => OwnedRecord::Segment(row.clone()),
            Record::Witness(row) => OwnedRecord::Witness(row.clone()),
            Record::Head(row) => OwnedRecord::Head(row.clone()),
            Record::Unknown(row) => OwnedRecord::Unknown(row.kind.into()),
        }
    }
}

/// Flips a bit of what a store keeps of an entry.
pub fn flip_stored_bit(records: &mut [OwnedRecord], seqno: u64, bit: u64) {
    records.iter_mut().filter(|record| record.seqno() == Some(seqno)).for_each(|record| record.flip(bit));
}

/// All records of a store, in commit order.
pub fn records_of<S: SecureLogStore + ?Sized>(store: &mut S) -> Result<Vec<OwnedRecord>, StoreError> {
    let mut records = Vec::new();
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        cursor = store.scan(from, 1 << 20, &mut |record| records.push(record.into()))?;
    }
    Ok(records)
}

/// A store in memory that holds these records, whatever they are, with the tree hashes of their entries' hashes.
pub fn store_from<'a>(records: impl IntoIterator<Item = &'a OwnedRecord>) -> MemoryStore {
    MemoryStore::from_records(records.into_iter().map(OwnedRecord::as_record))
}

/// The records without the signature lines of heads: one that names somebody else counts for nothing, and the next head
/// that the log signed attests all that it did.
pub fn attested(mut records: Vec<OwnedRecord>) -> Vec<OwnedRecord> {
    for record in &mut records {
        if let OwnedRecord::Head(head) = record {
            head.sigs.clear();
        }
    }
    records
}

/// The records as a file holds them.
///
/// # Panics
/// When one of them has no line.
pub fn to_jsonl(records: &[OwnedRecord]) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in records {
        match record {
            // The engine's own writer knows no more of it than that it cannot write it.
            OwnedRecord::Unknown(kind) => lines.extend(format!("{{\"t\":\"{kind}\"}}\n").bytes()),
            known => write_record(&known.as_record(), &mut lines).unwrap_or_else(|error| panic!("{error}: {known:?}")),
        }
    }
    lines
}

/// The records of lines that are well spelled, in whatever order and however little they fit each other.
pub fn from_jsonl(lines: &[u8]) -> Result<Vec<OwnedRecord>, String> {
    let mut records = Vec::new();
    let mut scratch = Vec::new();
    for (line, number) in lines.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        let said = |error: &dyn core::fmt::Display| format!("line {number}: {error}");
        let line = line.strip_suffix(b"\n").ok_or_else(|| said(&"it has no end"))?;
        let line = parse_line(line).map_err(|error| said(&error))?;
        records.push(line.record(&mut scratch).map_err(|error| said(&error))?.into());
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    fn lines_are_read_as_they_are_written() {
        let mut records = crate::attacks::sample_records();
        records.insert(7, OwnedRecord::Unknown("mystery".into()));
        let lines = to_jsonl(&records);
        assert_eq!(from_jsonl(&lines), Ok(records));
        assert!(from_jsonl(&lines[..lines.len() - 1]).unwrap_err().ends_with("it has no end"));
        assert!(from_jsonl(b"{}\n").unwrap_err().starts_with("line 1: malformed"));
    }
}
