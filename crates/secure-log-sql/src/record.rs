//! Records as they stand in rows.

use secure_log::entry::StreamRules;
use secure_log::hash::Suite;
use secure_log::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, PrunedRow, Record, SegmentRow, SignatureRow, StreamRow, Subject,
    WitnessResult, WitnessRow,
};
use secure_log::store::{StoreError, StreamState};

use crate::{Row, Values};

/// An entry, or what stands where one was: seqno, whatever, hash and bytes.
pub fn entry<'r>(row: &Row<impl Values<'r>>, stream: &'r str) -> Result<Record<'r>, StoreError> {
    let (seqno, hash) = (row.number(0)?, row.hash(2)?);
    Ok(match row.optional_blob(3)? {
        Some(bytes) => Record::Entry(EntryRow { seqno, stream, hash, bytes }),
        None => Record::Pruned(PrunedRow { seqno, stream, hash }),
    })
}

/// Bytes of an entry that is there.
#[inline]
pub fn content_of(record: &Record<'_>) -> usize {
    if let Record::Entry(row) = record { row.bytes.len() } else { 0 }
}

/// Id, origin and creation.
pub fn log<'r>(row: &Row<impl Values<'r>>) -> Result<LogRow, StoreError> {
    Ok(LogRow { id: row.bytes(0)?, origin: row.text(1)?.into(), created: row.text(2)?.into() })
}

/// Size, root and signature lines, from this column on.
pub fn head<'r>(row: &Row<impl Values<'r>>, at: usize) -> Result<HeadRow, StoreError> {
    let sigs = row.text(at + 2)?.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok(HeadRow { size: row.number(at)?, root: row.hash(at + 1)?, sigs })
}

/// Number, name, the first and the last entry, the last segment, and what [`stream`] reads.
pub fn state<'r>(row: &Row<impl Values<'r>>) -> Result<StreamState, StoreError> {
    Ok(StreamState {
        number: row.number(0)?,
        first: row.optional_number(2)?,
        last: row.optional_number(3)?,
        segment: row.optional_number(4)?,
        row: stream(row, row.text(1)?, 5)?,
    })
}

/// Tier, suite, key, rule, description, creation and deprecation, from this column on.
pub fn stream<'r>(row: &Row<impl Values<'r>>, name: &str, at: usize) -> Result<StreamRow, StoreError> {
    let suite = Suite::from_parts(row.text(at + 1)?, row.optional_key_id(at + 2)?);
    let rules = StreamRules {
        tier: row.word(at)?,
        suite: suite.ok_or_else(|| row.damaged(at + 1))?,
        sign: row.word(at + 3)?,
        description: row.optional_text(at + 4)?.map(str::to_owned),
    };
    Ok(StreamRow {
        name: name.into(),
        rules,
        created: row.text(at + 5)?.into(),
        deprecated: row.optional_text(at + 6)?.map(str::to_owned),
    })
}

/// Id, name of the stream, the first and the last entry, their count, root, last hash, the segment before, boot, session, policy and
/// closing.
pub fn segment<'r>(row: &Row<impl Values<'r>>) -> Result<SegmentRow, StoreError> {
    Ok(SegmentRow {
        id: row.number(0)?,
        stream: row.text(1)?.into(),
        first: row.number(2)?,
        last: row.number(3)?,
        count: row.number(4)?,
        root: row.hash(5)?,
        last_hash: row.hash(6)?,
        prev: row.hash(7)?,
        boot: row.text(8)?.into(),
        session: row.text(9)?.into(),
        policy: row.hash(10)?,
        closed: row.text(11)?.into(),
    })
}

/// The two columns of [`subject`](crate::tables::subject), identity, algorithm, key and signature.
pub fn signature<'r>(row: &Row<impl Values<'r>>) -> Result<SignatureRow, StoreError> {
    let number = row.number(1)?;
    Ok(SignatureRow {
        of: match row.integer(0)? {
            0 => Subject::Entry(number),
            1 => Subject::Segment(number),
            _ => return Err(row.damaged(0)),
        },
        identity: row.text(2)?.into(),
        alg: row.text(3)?.into(),
        key: row.blob(4)?.into(),
        sig: row.blob(5)?.into(),
    })
}

/// Id, name of the stream, the first entry, the wrapping key, algorithm, wrapped key and creation.
pub fn data_key<'r>(row: &Row<impl Values<'r>>) -> Result<DataKeyRow, StoreError> {
    Ok(DataKeyRow {
        id: row.hash(0)?,
        stream: row.text(1)?.into(),
        first: row.number(2)?,
        kek: row.text(3)?.into(),
        alg: row.text(4)?.into(),
        wrapped: row.blob(5)?.into(),
        created: row.text(6)?.into(),
    })
}

/// Size, name, time, outcome and detail.
pub fn witness<'r>(row: &Row<impl Values<'r>>) -> Result<WitnessRow, StoreError> {
    let outcome = row.text(3)?;
    let known = WitnessResult::NAMES.into_iter().find(|(_, name)| *name == outcome);
    Ok(WitnessRow {
        size: row.number(0)?,
        name: row.text(1)?.into(),
        at: row.text(2)?.into(),
        result: known.ok_or_else(|| row.damaged(3))?.0,
        detail: row.text(4)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{Cell, row};
    use crate::tables::subject;

    #[test]
    fn an_entry_without_bytes_was_pruned() {
        let cells = [Cell::Integer(3), Cell::Null, Cell::Blob(&[7; 32]), Cell::Blob(b"bytes")];
        let record = entry(&row(&cells), "s").unwrap();
        assert!(matches!(record, Record::Entry(EntryRow { seqno: 3, stream: "s", bytes: b"bytes", .. })), "{record:?}");
        assert_eq!(content_of(&record), 5);
        let cells = [Cell::Integer(3), Cell::Null, Cell::Blob(&[7; 32]), Cell::Null];
        let record = entry(&row(&cells), "s").unwrap();
        assert!(matches!(record, Record::Pruned(PrunedRow { seqno: 3, stream: "s", .. })), "{record:?}");
        assert_eq!(content_of(&record), 0);
    }

    #[test]
    fn a_signature_is_of_what_its_columns_name() {
        for of in [Subject::Entry(5), Subject::Segment(5)] {
            let (kind, number) = subject(of);
            let cells = signature_of(kind, number as i64);
            assert_eq!(signature(&row(&cells)).unwrap().of, of);
        }
        assert!(signature(&row(&signature_of(2, 5))).unwrap_err().to_string().contains("column 1"));
    }

    fn signature_of(kind: i64, number: i64) -> [Cell<'static>; 6] {
        let (key, sig) = (Cell::Blob(b"key"), Cell::Blob(b"sig"));
        [Cell::Integer(kind), Cell::Integer(number), Cell::Text("signer"), Cell::Text("ed25519"), key, sig]
    }

    #[test]
    fn an_outcome_or_suite_that_nobody_knows_is_damage() {
        let answer =
            |outcome| [Cell::Integer(5), Cell::Text("w"), Cell::Text("now"), Cell::Text(outcome), Cell::Text("")];
        for (result, name) in WitnessResult::NAMES {
            assert_eq!(witness(&row(&answer(name))).unwrap().result, result);
        }
        assert!(witness(&row(&answer("perhaps"))).unwrap_err().to_string().contains("column 4"));
        let rules = |suite, key| {
            [
                Cell::Text("public"),
                Cell::Text(suite),
                key,
                Cell::Text("none"),
                Cell::Null,
                Cell::Text("now"),
                Cell::Null,
            ]
        };
        assert_eq!(stream(&row(&rules("sha-256", Cell::Null)), "s", 0).unwrap().rules, StreamRules::default());
        for (suite, key) in [("sha-257", Cell::Null), ("sha-256", Cell::Blob(&[1; 8])), ("hmac-sha-256", Cell::Null)] {
            assert!(stream(&row(&rules(suite, key)), "s", 0).unwrap_err().to_string().contains("column 2"), "{suite}");
        }
    }
}
