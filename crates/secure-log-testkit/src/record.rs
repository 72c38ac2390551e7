//! Records that a test can take out of a store, edit, and put into another one.

use secure_log::entry::{Entry, EntryRef};
use secure_log::hash::Hash;
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
