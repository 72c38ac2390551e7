//! The records of a log, as `wit/store.wit` names their fields.

use std::borrow::Cow;

use secure_log::entry::StreamRules;
use secure_log::hash::{KeyId, Suite};
use secure_log::index;
use secure_log::record::{self, Record, UnknownRow};
use secure_log::store;
use serde::{Deserialize, Serialize};

use super::{Binary, Digest, Key, Malformed};

type Text<'a> = Cow<'a, str>;

/// One record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Row<'a> {
    #[serde(borrow)]
    Log(LogRow<'a>),
    #[serde(borrow)]
    Stream(StreamRow<'a>),
    #[serde(borrow)]
    DataKey(DataKeyRow<'a>),
    #[serde(borrow)]
    Entry(EntryRow<'a>),
    #[serde(borrow)]
    Pruned(PrunedRow<'a>),
    #[serde(borrow)]
    Signature(SignatureRow<'a>),
    #[serde(borrow)]
    Segment(SegmentRow<'a>),
    #[serde(borrow)]
    Witness(WitnessRow<'a>),
    #[serde(borrow)]
    Head(HeadRow<'a>),
    Unknown(Text<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LogRow<'a> {
    id: Binary<'a>,
    #[serde(borrow)]
    origin: Text<'a>,
    #[serde(borrow)]
    created: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StreamRow<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    tier: Text<'a>,
    #[serde(borrow)]
    suite: Text<'a>,
    key: Option<Binary<'a>>,
    #[serde(borrow)]
    sign: Text<'a>,
    description: Option<Text<'a>>,
    #[serde(borrow)]
    created: Text<'a>,
    deprecated: Option<Text<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DataKeyRow<'a> {
    id: Digest,
    #[serde(borrow)]
    stream_id: Text<'a>,
    first: u64,
    #[serde(borrow)]
    kek: Text<'a>,
    #[serde(borrow)]
    alg: Text<'a>,
    wrapped: Binary<'a>,
    #[serde(borrow)]
    created: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EntryRow<'a> {
    seqno: u64,
    #[serde(borrow)]
    stream_id: Text<'a>,
    hash: Digest,
    bytes: Binary<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct PrunedRow<'a> {
    seqno: u64,
    #[serde(borrow)]
    stream_id: Text<'a>,
    hash: Digest,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    Entry(u64),
    Segment(u64),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SignatureRow<'a> {
    subject: Subject,
    #[serde(borrow)]
    identity: Text<'a>,
    #[serde(borrow)]
    alg: Text<'a>,
    key: Binary<'a>,
    sig: Binary<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SegmentRow<'a> {
    id: u64,
    #[serde(borrow)]
    stream_id: Text<'a>,
    first: u64,
    last: u64,
    count: u64,
    root: Digest,
    last_hash: Digest,
    prev: Digest,
    #[serde(borrow)]
    boot: Text<'a>,
    #[serde(borrow)]
    session: Text<'a>,
    policy: Digest,
    #[serde(borrow)]
    closed: Text<'a>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WitnessResult {
    Cosigned,
    Conflict,
    Refused,
    Unreachable,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct WitnessRow<'a> {
    size: u64,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    at: Text<'a>,
    outcome: WitnessResult,
    #[serde(borrow)]
    detail: Text<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct HeadRow<'a> {
    size: u64,
    root: Digest,
    sigs: Cow<'a, [String]>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct NumberedHead<'a> {
    number: u64,
    #[serde(borrow)]
    head: HeadRow<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct NumberedWitness<'a> {
    number: u64,
    #[serde(borrow)]
    witness: WitnessRow<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StreamState<'a> {
    #[serde(borrow)]
    stream: StreamRow<'a>,
    number: u64,
    first: Option<u64>,
    last: Option<u64>,
    segment: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct IndexRow {
    key: Key,
    seqno: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TreeId {
    Log,
    Segment(u64),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct NodeId {
    tree: TreeId,
    level: u8,
    index: u64,
}

impl Row<'_> {
    /// Converts the row and shows it to `visit`, without copying an entry's bytes.
    pub(crate) fn with_record<R>(self, visit: impl FnOnce(Record<'_>) -> R) -> Result<R, Malformed> {
        Ok(match self {
            Row::Log(row) => visit(Record::Log(&row.try_into()?)),
            Row::Stream(row) => visit(Record::Stream(&row.try_into()?)),
            Row::DataKey(row) => visit(Record::DataKey(&row.into())),
            Row::Entry(row) => visit(Record::Entry(record::EntryRow {
                seqno: row.seqno,
                stream: &row.stream_id,
                hash: row.hash.0,
                bytes: &row.bytes.0,
            })),
            Row::Pruned(row) => {
                visit(Record::Pruned(record::PrunedRow { seqno: row.seqno, stream: &row.stream_id, hash: row.hash.0 }))
            }
            Row::Signature(row) => visit(Record::Signature(&row.into())),
            Row::Segment(row) => visit(Record::Segment(&row.into())),
            Row::Witness(row) => visit(Record::Witness(&row.into())),
            Row::Head(row) => visit(Record::Head(&row.into())),
            Row::Unknown(kind) => visit(Record::Unknown(UnknownRow { kind: &kind })),
        })
    }
}

impl<'a> From<&'a Record<'a>> for Row<'a> {
    fn from(record: &'a Record<'a>) -> Row<'a> {
        match record {
            Record::Log(row) => Row::Log((*row).into()),
            Record::Stream(row) => Row::Stream((*row).into()),
            Record::DataKey(row) => Row::DataKey((*row).into()),
            Record::Entry(row) => Row::Entry(EntryRow {
                seqno: row.seqno,
                stream_id: row.stream.into(),
                hash: Digest(row.hash),
                bytes: row.bytes.into(),
            }),
            Record::Pruned(row) => {
                Row::Pruned(PrunedRow { seqno: row.seqno, stream_id: row.stream.into(), hash: Digest(row.hash) })
            }
            Record::Signature(row) => Row::Signature((*row).into()),
            Record::Segment(row) => Row::Segment((*row).into()),
            Record::Witness(row) => Row::Witness((*row).into()),
            Record::Head(row) => Row::Head((*row).into()),
            Record::Unknown(row) => Row::Unknown(row.kind.into()),
        }
    }
}

impl<'a> From<&'a record::LogRow> for LogRow<'a> {
    fn from(row: &'a record::LogRow) -> LogRow<'a> {
        LogRow { id: row.id.as_slice().into(), origin: (&row.origin).into(), created: (&row.created).into() }
    }
}

impl TryFrom<LogRow<'_>> for record::LogRow {
    type Error = Malformed;

    fn try_from(row: LogRow<'_>) -> Result<record::LogRow, Malformed> {
        let id = exactly(&row.id, "the log's id")?;
        Ok(record::LogRow { id, origin: row.origin.into(), created: row.created.into() })
    }
}

impl<'a> From<&'a record::StreamRow> for StreamRow<'a> {
    fn from(row: &'a record::StreamRow) -> StreamRow<'a> {
        let key = match &row.rules.suite {
            Suite::HmacSha256(id) => Some(id.0.as_slice()),
            _ => None,
        };
        StreamRow {
            name: (&row.name).into(),
            tier: row.rules.tier.as_str().into(),
            suite: row.rules.suite.name().into(),
            key: key.map(Into::into),
            sign: row.rules.sign.as_str().into(),
            description: row.rules.description.as_deref().map(Into::into),
            created: (&row.created).into(),
            deprecated: row.deprecated.as_deref().map(Into::into),
        }
    }
}

impl TryFrom<StreamRow<'_>> for record::StreamRow {
    type Error = Malformed;

    fn try_from(row: StreamRow<'_>) -> Result<record::StreamRow, Malformed> {
        let key = row.key.map(|key| exactly(&key, "the key id of a stream")).transpose()?.map(KeyId);
        let suite = Suite::from_parts(&row.suite, key)
            .ok_or_else(|| Malformed::new("the suite of a stream", "the name and the key do not fit"))?;
        let rules = StreamRules {
            tier: word(&row.tier, "the tier of a stream")?,
            suite,
            sign: word(&row.sign, "the signing rule of a stream")?,
            description: row.description.map(Into::into),
        };
        Ok(record::StreamRow {
            name: row.name.into(),
            rules,
            created: row.created.into(),
            deprecated: row.deprecated.map(Into::into),
        })
    }
}

impl<'a> From<&'a record::DataKeyRow> for DataKeyRow<'a> {
    fn from(row: &'a record::DataKeyRow) -> DataKeyRow<'a> {
        DataKeyRow {
            id: Digest(row.id),
            stream_id: (&row.stream).into(),
            first: row.first,
            kek: (&row.kek).into(),
            alg: (&row.alg).into(),
            wrapped: row.wrapped.as_slice().into(),
            created: (&row.created).into(),
        }
    }
}

impl From<DataKeyRow<'_>> for record::DataKeyRow {
    fn from(row: DataKeyRow<'_>) -> record::DataKeyRow {
        record::DataKeyRow {
            id: row.id.0,
            stream: row.stream_id.into(),
            first: row.first,
            kek: row.kek.into(),
            alg: row.alg.into(),
            wrapped: row.wrapped.0.into(),
            created: row.created.into(),
        }
    }
}

impl From<record::Subject> for Subject {
    fn from(of: record::Subject) -> Subject {
        match of {
            record::Subject::Entry(seqno) => Subject::Entry(seqno),
            record::Subject::Segment(id) => Subject::Segment(id),
        }
    }
}

impl From<Subject> for record::Subject {
    fn from(of: Subject) -> record::Subject {
        match of {
            Subject::Entry(seqno) => record::Subject::Entry(seqno),
            Subject::Segment(id) => record::Subject::Segment(id),
        }
    }
}

impl<'a> From<&'a record::SignatureRow> for SignatureRow<'a> {
    fn from(row: &'a record::SignatureRow) -> SignatureRow<'a> {
        SignatureRow {
            subject: row.of.into(),
            identity: (&row.identity).into(),
            alg: (&row.alg).into(),
            key: row.key.as_slice().into(),
            sig: row.sig.as_slice().into(),
        }
    }
}

impl From<SignatureRow<'_>> for record::SignatureRow {
    fn from(row: SignatureRow<'_>) -> record::SignatureRow {
        record::SignatureRow {
            of: row.subject.into(),
            identity: row.identity.into(),
            alg: row.alg.into(),
            key: row.key.0.into(),
            sig: row.sig.0.into(),
        }
    }
}

impl<'a> From<&'a record::SegmentRow> for SegmentRow<'a> {
    fn from(row: &'a record::SegmentRow) -> SegmentRow<'a> {
        SegmentRow {
            id: row.id,
            stream_id: (&row.stream).into(),
            first: row.first,
            last: row.last,
            count: row.count,
            root: Digest(row.root),
            last_hash: Digest(row.last_hash),
            prev: Digest(row.prev),
            boot: (&row.boot).into(),
            session: (&row.session).into(),
            policy: Digest(row.policy),
            closed: (&row.closed).into(),
        }
    }
}

impl From<SegmentRow<'_>> for record::SegmentRow {
    fn from(row: SegmentRow<'_>) -> record::SegmentRow {
        record::SegmentRow {
            id: row.id,
            stream: row.stream_id.into(),
            first: row.first,
            last: row.last,
            count: row.count,
            root: row.root.0,
            last_hash: row.last_hash.0,
            prev: row.prev.0,
            boot: row.boot.into(),
            session: row.session.into(),
            policy: row.policy.0,
            closed: row.closed.into(),
        }
    }
}

impl<'a> From<&'a record::WitnessRow> for WitnessRow<'a> {
    fn from(row: &'a record::WitnessRow) -> WitnessRow<'a> {
        let outcome = match row.result {
            record::WitnessResult::Cosigned => WitnessResult::Cosigned,
            record::WitnessResult::Conflict => WitnessResult::Conflict,
            record::WitnessResult::Refused => WitnessResult::Refused,
            record::WitnessResult::Unreachable => WitnessResult::Unreachable,
        };
        let (name, at, detail) = ((&row.name).into(), (&row.at).into(), (&row.detail).into());
        WitnessRow { size: row.size, name, at, outcome, detail }
    }
}

impl From<WitnessRow<'_>> for record::WitnessRow {
    fn from(row: WitnessRow<'_>) -> record::WitnessRow {
        let result = match row.outcome {
            WitnessResult::Cosigned => record::WitnessResult::Cosigned,
            WitnessResult::Conflict => record::WitnessResult::Conflict,
            WitnessResult::Refused => record::WitnessResult::Refused,
            WitnessResult::Unreachable => record::WitnessResult::Unreachable,
        };
        let (name, at, detail) = (row.name.into(), row.at.into(), row.detail.into());
        record::WitnessRow { size: row.size, name, at, result, detail }
    }
}

impl<'a> From<&'a record::HeadRow> for HeadRow<'a> {
    fn from(row: &'a record::HeadRow) -> HeadRow<'a> {
        HeadRow { size: row.size, root: Digest(row.root), sigs: row.sigs.as_slice().into() }
    }
}

impl HeadRow<'_> {
    pub(crate) fn into_owned(self) -> HeadRow<'static> {
        HeadRow { size: self.size, root: self.root, sigs: self.sigs.into_owned().into() }
    }
}

impl From<HeadRow<'_>> for record::HeadRow {
    fn from(row: HeadRow<'_>) -> record::HeadRow {
        record::HeadRow { size: row.size, root: row.root.0, sigs: row.sigs.into_owned() }
    }
}

impl<'a> From<&'a store::NumberedHead> for NumberedHead<'a> {
    fn from(row: &'a store::NumberedHead) -> NumberedHead<'a> {
        NumberedHead { number: row.number, head: (&row.head).into() }
    }
}

impl From<NumberedHead<'_>> for store::NumberedHead {
    fn from(row: NumberedHead<'_>) -> store::NumberedHead {
        store::NumberedHead { number: row.number, head: row.head.into() }
    }
}

impl<'a> From<&'a store::NumberedWitness> for NumberedWitness<'a> {
    fn from(row: &'a store::NumberedWitness) -> NumberedWitness<'a> {
        NumberedWitness { number: row.number, witness: (&row.row).into() }
    }
}

impl From<NumberedWitness<'_>> for store::NumberedWitness {
    fn from(row: NumberedWitness<'_>) -> store::NumberedWitness {
        store::NumberedWitness { number: row.number, row: row.witness.into() }
    }
}

impl<'a> From<&'a store::StreamState> for StreamState<'a> {
    fn from(state: &'a store::StreamState) -> StreamState<'a> {
        let store::StreamState { row, number, first, last, segment } = state;
        StreamState { stream: row.into(), number: *number, first: *first, last: *last, segment: *segment }
    }
}

impl TryFrom<StreamState<'_>> for store::StreamState {
    type Error = Malformed;

    fn try_from(state: StreamState<'_>) -> Result<store::StreamState, Malformed> {
        let StreamState { stream, number, first, last, segment } = state;
        Ok(store::StreamState { row: stream.try_into()?, number, first, last, segment })
    }
}

impl From<&index::IndexRow> for IndexRow {
    fn from(row: &index::IndexRow) -> IndexRow {
        IndexRow { key: Key(row.key), seqno: row.seqno }
    }
}

impl From<IndexRow> for index::IndexRow {
    fn from(row: IndexRow) -> index::IndexRow {
        index::IndexRow { key: row.key.0, seqno: row.seqno }
    }
}

impl From<store::TreeId> for TreeId {
    fn from(tree: store::TreeId) -> TreeId {
        match tree {
            store::TreeId::Log => TreeId::Log,
            store::TreeId::Segment(id) => TreeId::Segment(id),
        }
    }
}

impl From<TreeId> for store::TreeId {
    fn from(tree: TreeId) -> store::TreeId {
        match tree {
            TreeId::Log => store::TreeId::Log,
            TreeId::Segment(id) => store::TreeId::Segment(id),
        }
    }
}

impl From<store::NodeId> for NodeId {
    fn from(id: store::NodeId) -> NodeId {
        NodeId { tree: id.tree.into(), level: id.level, index: id.index }
    }
}

impl From<NodeId> for store::NodeId {
    fn from(id: NodeId) -> store::NodeId {
        store::NodeId { tree: id.tree.into(), level: id.level, index: id.index }
    }
}

fn exactly<const N: usize>(bytes: &Binary<'_>, at: &'static str) -> Result<[u8; N], Malformed> {
    let wrong = |_| Malformed::new(at, format!("{} bytes stand where {N} belong", bytes.0.len()));
    bytes.0.as_ref().try_into().map_err(wrong)
}

/// A word that the format knows.
fn word<T: core::str::FromStr>(text: &str, at: &'static str) -> Result<T, Malformed> {
    let unknown = |_| Malformed::new(at, format!("'{}' is no word of the format", crate::text::harmless(text)));
    text.parse().map_err(unknown)
}
