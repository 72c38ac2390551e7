//! Conversions between the records of `secure_log` and those of the generated bindings.
//!
//! Bindings of an import and of an export are different types with the same fields, so what converts them is written
//! once, as macros that are given the module with the one or the other.

use secure_log::hash::{Hash, KeyId};
use secure_log::index::IndexKey;
use secure_log::store::StoreError;

/// The other side answered, or asked for, something that the interface's comments rule out.
pub(crate) fn malformed(at: &str, detail: impl Into<String>) -> StoreError {
    StoreError::Corrupt { at: at.into(), detail: detail.into() }
}

/// Takes exactly `N` bytes.
pub(crate) fn exactly<const N: usize>(bytes: &[u8], at: &str) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| malformed(at, format!("{} bytes stand where {N} belong", bytes.len())))
}

pub(crate) fn hash(bytes: &[u8], at: &str) -> Result<Hash, StoreError> {
    exactly(bytes, at).map(Hash)
}

pub(crate) fn key_id(bytes: &[u8]) -> Result<KeyId, StoreError> {
    exactly(bytes, "the key id of a stream").map(KeyId)
}

pub(crate) fn pack_hash(hash: &Hash) -> (u64, u64, u64, u64) {
    let [a, b, c, d] = core::array::from_fn(|i| {
        let word = hash.0.as_chunks::<8>().0[i];
        u64::from_le_bytes(word)
    });
    (a, b, c, d)
}

pub(crate) fn unpack_hash((a, b, c, d): (u64, u64, u64, u64)) -> Hash {
    let mut hash = Hash::ZERO;
    for (place, word) in hash.0.as_chunks_mut::<8>().0.iter_mut().zip([a, b, c, d]) {
        *place = word.to_le_bytes();
    }
    hash
}

pub(crate) fn key_to_numbers(key: &IndexKey) -> (u64, u64) {
    let key = u128::from_be_bytes(key.0);
    ((key >> 64) as u64, key as u64)
}

pub(crate) fn key_of_numbers((first, last): (u64, u64)) -> IndexKey {
    IndexKey((u128::from(first) << 64 | u128::from(last)).to_be_bytes())
}

/// A word that the format knows.
pub(crate) fn word<T: core::str::FromStr>(text: &str, at: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| malformed(at, format!("'{}' is no word of the format", text.escape_default())))
}

/// From the bindings' types, which own what they hold, to `secure_log`.
macro_rules! incoming {
    ($wire:ident) => {
        /// Converts the row and shows it to `visit`, without copying an entry's bytes.
        fn with_record<R>(row: $wire::Row, visit: impl FnOnce(Record<'_>) -> R) -> Result<R, StoreError> {
            Ok(match row {
                $wire::Row::Log(row) => visit(Record::Log(&log_row(row)?)),
                $wire::Row::Stream(row) => visit(Record::Stream(&stream_row(row)?)),
                $wire::Row::DataKey(row) => visit(Record::DataKey(&data_key_row(row)?)),
                $wire::Row::Entry(row) => {
                    let hash = convert::hash(&row.hash, "the hash of an entry")?;
                    visit(Record::Entry(EntryRow { seqno: row.seqno, stream: &row.stream_id, hash, bytes: &row.bytes }))
                }
                $wire::Row::Pruned(row) => {
                    let hash = convert::hash(&row.hash, "the hash of a pruned entry")?;
                    visit(Record::Pruned(PrunedRow { seqno: row.seqno, stream: &row.stream_id, hash }))
                }
                $wire::Row::Signature(row) => visit(Record::Signature(&signature_row(row))),
                $wire::Row::Segment(row) => visit(Record::Segment(&segment_row(row)?)),
                $wire::Row::Witness(row) => visit(Record::Witness(&witness_row(row))),
                $wire::Row::Head(row) => visit(Record::Head(&head_row(row)?)),
                $wire::Row::Unknown(kind) => visit(Record::Unknown(UnknownRow { kind: &kind })),
            })
        }

        fn log_row(row: $wire::LogRow) -> Result<LogRow, StoreError> {
            let id = convert::exactly(&row.id, "the log's id")?;
            Ok(LogRow { id, origin: row.origin, created: row.created })
        }

        fn stream_row(row: $wire::StreamRow) -> Result<StreamRow, StoreError> {
            let key = row.key.as_deref().map(convert::key_id).transpose()?;
            let unknown = || convert::malformed("the suite of a stream", "the name and the key do not fit");
            let rules = StreamRules {
                tier: convert::word(&row.tier, "the tier of a stream")?,
                suite: Suite::from_parts(&row.suite, key).ok_or_else(unknown)?,
                sign: convert::word(&row.sign, "the signing rule of a stream")?,
                description: row.description,
            };
            Ok(StreamRow { name: row.name, rules, created: row.created, deprecated: row.deprecated })
        }

        fn data_key_row(row: $wire::DataKeyRow) -> Result<DataKeyRow, StoreError> {
            Ok(DataKeyRow {
                id: convert::hash(&row.id, "the id of a data key")?,
                stream: row.stream_id,
                first: row.first,
                kek: row.kek,
                alg: row.alg,
                wrapped: row.wrapped,
                created: row.created,
            })
        }

        fn signature_row(row: $wire::SignatureRow) -> SignatureRow {
            let of = subject_from_wire(row.subject);
            SignatureRow { of, identity: row.identity, alg: row.alg, key: row.key, sig: row.sig }
        }

        fn subject_from_wire(of: $wire::Subject) -> Subject {
            match of {
                $wire::Subject::Entry(seqno) => Subject::Entry(seqno),
                $wire::Subject::Segment(id) => Subject::Segment(id),
            }
        }

        fn segment_row(row: $wire::SegmentRow) -> Result<SegmentRow, StoreError> {
            Ok(SegmentRow {
                root: convert::hash(&row.root, "the root of a segment")?,
                last_hash: convert::hash(&row.last_hash, "the last hash of a segment")?,
                prev: convert::hash(&row.prev, "the previous checkpoint of a segment")?,
                policy: convert::hash(&row.policy, "the policy hash of a segment")?,
                id: row.id,
                stream: row.stream_id,
                first: row.first,
                last: row.last,
                count: row.count,
                boot: row.boot,
                session: row.session,
                closed: row.closed,
            })
        }

        fn witness_row(row: $wire::WitnessRow) -> WitnessRow {
            let result = match row.outcome {
                $wire::WitnessResult::Cosigned => WitnessResult::Cosigned,
                $wire::WitnessResult::Conflict => WitnessResult::Conflict,
                $wire::WitnessResult::Refused => WitnessResult::Refused,
                $wire::WitnessResult::Unreachable => WitnessResult::Unreachable,
            };
            WitnessRow { size: row.size, name: row.name, at: row.at, result, detail: row.detail }
        }

        fn head_row(row: $wire::HeadRow) -> Result<HeadRow, StoreError> {
            Ok(HeadRow { size: row.size, root: convert::hash(&row.root, "the root of a head")?, sigs: row.sigs })
        }
    };
}

/// From `secure_log` to the bindings' types, which own what they hold on the side of the store and borrow it on the
/// side of the log: `into` does the one or the other.
macro_rules! outgoing {
    ($wire:ident) => {
        /// `lines` gives the signature lines of a head in the form that the bindings have for them.
        fn row_to_wire<'a>(
            record: &'a Record<'a>,
            lines: impl FnOnce(&'a HeadRow) -> $wire::Lines<'a>,
        ) -> $wire::Row<'a> {
            match record {
                Record::Log(row) => $wire::Row::Log(log_to_wire(row)),
                Record::Stream(row) => $wire::Row::Stream(stream_to_wire(row)),
                Record::DataKey(row) => $wire::Row::DataKey(data_key_to_wire(row)),
                Record::Entry(row) => $wire::Row::Entry($wire::EntryRow {
                    seqno: row.seqno,
                    stream_id: row.stream.into(),
                    hash: row.hash.0.as_slice().into(),
                    bytes: row.bytes.into(),
                }),
                Record::Pruned(row) => $wire::Row::Pruned($wire::PrunedRow {
                    seqno: row.seqno,
                    stream_id: row.stream.into(),
                    hash: row.hash.0.as_slice().into(),
                }),
                Record::Signature(row) => $wire::Row::Signature(signature_to_wire(row)),
                Record::Segment(row) => $wire::Row::Segment(segment_to_wire(row)),
                Record::Witness(row) => $wire::Row::Witness(witness_to_wire(row)),
                Record::Head(row) => $wire::Row::Head(head_to_wire(row, lines(row))),
                Record::Unknown(row) => $wire::Row::Unknown(row.kind.into()),
            }
        }

        fn log_to_wire(row: &LogRow) -> $wire::LogRow<'_> {
            $wire::LogRow {
                id: row.id.as_slice().into(),
                origin: row.origin.as_str().into(),
                created: row.created.as_str().into(),
            }
        }

        fn stream_to_wire(row: &StreamRow) -> $wire::StreamRow<'_> {
            let key = match &row.rules.suite {
                Suite::HmacSha256(id) => Some(id.0.as_slice()),
                _ => None,
            };
            $wire::StreamRow {
                name: row.name.as_str().into(),
                tier: row.rules.tier.as_str().into(),
                suite: row.rules.suite.name().into(),
                key: key.map(Into::into),
                sign: row.rules.sign.as_str().into(),
                description: row.rules.description.as_deref().map(Into::into),
                created: row.created.as_str().into(),
                deprecated: row.deprecated.as_deref().map(Into::into),
            }
        }

        fn data_key_to_wire(row: &DataKeyRow) -> $wire::DataKeyRow<'_> {
            $wire::DataKeyRow {
                id: row.id.0.as_slice().into(),
                stream_id: row.stream.as_str().into(),
                first: row.first,
                kek: row.kek.as_str().into(),
                alg: row.alg.as_str().into(),
                wrapped: row.wrapped.as_slice().into(),
                created: row.created.as_str().into(),
            }
        }

        fn signature_to_wire(row: &SignatureRow) -> $wire::SignatureRow<'_> {
            $wire::SignatureRow {
                subject: subject_to_wire(row.of),
                identity: row.identity.as_str().into(),
                alg: row.alg.as_str().into(),
                key: row.key.as_slice().into(),
                sig: row.sig.as_slice().into(),
            }
        }

        fn subject_to_wire(of: Subject) -> $wire::Subject {
            match of {
                Subject::Entry(seqno) => $wire::Subject::Entry(seqno),
                Subject::Segment(id) => $wire::Subject::Segment(id),
            }
        }

        fn segment_to_wire(row: &SegmentRow) -> $wire::SegmentRow<'_> {
            $wire::SegmentRow {
                id: row.id,
                stream_id: row.stream.as_str().into(),
                first: row.first,
                last: row.last,
                count: row.count,
                root: row.root.0.as_slice().into(),
                last_hash: row.last_hash.0.as_slice().into(),
                prev: row.prev.0.as_slice().into(),
                boot: row.boot.as_str().into(),
                session: row.session.as_str().into(),
                policy: row.policy.0.as_slice().into(),
                closed: row.closed.as_str().into(),
            }
        }

        fn witness_to_wire(row: &WitnessRow) -> $wire::WitnessRow<'_> {
            $wire::WitnessRow {
                size: row.size,
                name: row.name.as_str().into(),
                at: row.at.as_str().into(),
                outcome: match row.result {
                    WitnessResult::Cosigned => $wire::WitnessResult::Cosigned,
                    WitnessResult::Conflict => $wire::WitnessResult::Conflict,
                    WitnessResult::Refused => $wire::WitnessResult::Refused,
                    WitnessResult::Unreachable => $wire::WitnessResult::Unreachable,
                },
                detail: row.detail.as_str().into(),
            }
        }

        fn head_to_wire<'a>(row: &'a HeadRow, lines: $wire::Lines<'a>) -> $wire::HeadRow<'a> {
            $wire::HeadRow { size: row.size, root: row.root.0.as_slice().into(), sigs: lines }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_their_bytes_are() {
        let key = IndexKey(core::array::from_fn(|i| i as u8));
        assert_eq!(key_to_numbers(&key), (0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f));
        assert_eq!(key_of_numbers(key_to_numbers(&key)), key);
    }

    #[test]
    fn a_packed_hash_comes_back() {
        let hash = Hash(core::array::from_fn(|i| i as u8));
        assert_eq!(pack_hash(&hash).0, 0x0706_0504_0302_0100);
        assert_eq!(unpack_hash(pack_hash(&hash)), hash);
    }
}
