//! Laying any records into the tables of a database, as somebody does who controls it.

use secure_log::entry::Severity;
use secure_log::hash::Hash;
use secure_log::record::{HeadRow, SegmentRow};
use secure_log::time::Timestamp;

use crate::OwnedRecord;

/// A statement, and the bytes that it takes.
pub type TableEdit = (String, Vec<Vec<u8>>);

/// Records that an import takes, with what makes them those that are wanted.
pub fn fit(records: &[OwnedRecord]) -> (Vec<OwnedRecord>, Vec<TableEdit>) {
    let stand_in = |wanted: fn(&OwnedRecord) -> bool| records.iter().find(|record| wanted(record)).cloned();
    let (mut fitting, mut edits) = (Vec::new(), Vec::new());
    let (mut size, mut segments, mut heads) = (0, 0, 0);
    for record in records {
        let place = fitting.len() + 1;
        fitting.push(match record {
            OwnedRecord::Entry { stream, hash, bytes, .. } => {
                size += 1;
                if numbered(record) == Some((size, stream.clone())) {
                    record.clone()
                } else {
                    edits.push((format!("UPDATE entry SET bytes = ? WHERE seqno = {size}"), vec![bytes.clone()]));
                    let mut other =
                        stand_in(|record| numbered(record).is_some()).expect("an entry has bytes that are one");
                    other.edit_entry(|entry| (entry.seqno, entry.stream) = (size, stream.clone()));
                    with_hash(other, *hash)
                }
            }
            OwnedRecord::Pruned { stream, hash, .. } => {
                size += 1;
                OwnedRecord::Pruned { seqno: size, stream: stream.clone(), hash: *hash }
            }
            OwnedRecord::Segment(row) => {
                segments += 1;
                if row.id != segments {
                    let id = row.id;
                    edits.push((format!("DELETE FROM segment WHERE id = {id}"), vec![]));
                    edits.push((format!("UPDATE segment SET id = {id} WHERE id = {segments}"), vec![]));
                    edits.push((format!("UPDATE record SET id = {id} WHERE place = {place}"), vec![]));
                }
                OwnedRecord::Segment(SegmentRow { id: segments, ..row.clone() })
            }
            OwnedRecord::Head(row) => {
                heads += 1;
                if row.size != size {
                    edits.push((format!("UPDATE head SET size = {} WHERE number = {heads}", row.size), vec![]));
                }
                OwnedRecord::Head(HeadRow { size, ..row.clone() })
            }
            OwnedRecord::Unknown(_) => {
                edits.push((format!("UPDATE record SET kind = 99 WHERE place = {place}"), vec![]));
                stand_in(|record| matches!(record, OwnedRecord::Signature(_))).expect("the log is signed")
            }
            other => other.clone(),
        });
    }
    if !matches!(records.last(), None | Some(OwnedRecord::Head(_))) {
        fitting.push(OwnedRecord::Head(HeadRow { size, root: Hash::ZERO, sigs: Vec::new() }));
        edits.push((format!("DELETE FROM head WHERE number = {}", heads + 1), vec![]));
        edits.push((format!("DELETE FROM record WHERE place = {}", fitting.len()), vec![]));
    }
    (fitting, edits)
}

/// Seqno and stream of an entry whose bytes an import takes.
fn numbered(record: &OwnedRecord) -> Option<(u64, String)> {
    let entry = record.entry()?;
    entry.severity.parse::<Severity>().ok()?;
    entry.time.parse::<Timestamp>().ok()?;
    (record.seqno() == Some(entry.seqno)).then_some((entry.seqno, entry.stream))
}

fn with_hash(record: OwnedRecord, hash: Hash) -> OwnedRecord {
    match record {
        OwnedRecord::Entry { seqno, stream, bytes, .. } => OwnedRecord::Entry { seqno, stream, hash, bytes },
        other => other,
    }
}
