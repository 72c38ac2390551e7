//! What a server does with a call.

use core::fmt;

use secure_log::hash::Hash;
use secure_log::record::{self, Record};
use secure_log::store::{self, SecureLogStore, StoreError};
use serde::{Deserialize, Serialize};

use crate::method::Method;
use crate::wire::{self, Answer, Commit, Digest, Digests, Malformed, Opened, Row, Torn, from_json, json};
use crate::{
    MAX_ANSWER_BYTES, MAX_ENTRIES, MAX_HASHES, MAX_NODES, MAX_ROWS, MAX_WORK, PAGE_BYTES, PROTOCOL_VERSION, weight,
};

/// So many entries are read at once: what is beyond the end of a page was read in vain, and each may have 16 MiB.
const STEP: u32 = 32;

/// Why a call was not carried out. It says nothing about the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such method.
    UnknownMethod,
    /// The arguments are not those of the method: too many, too few, of another type or beyond a limit.
    Arguments(String),
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    TooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownMethod => f.write_str("there is no such method"),
            Refusal::Arguments(detail) => write!(f, "these are no arguments of the method: {detail}"),
            Refusal::TooLarge => write!(f, "the answer is longer than {MAX_ANSWER_BYTES} bytes"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Refusal {
        Refusal::Arguments(malformed.to_string())
    }
}

/// Carries out a call of the method of this name, with a JSON array of its arguments, and answers its JSON return value,
/// which may be an error of the store.
///
/// The config that a client names in `init` is not looked at: a server owns its store, and has opened it.
pub fn handle<S: SecureLogStore + ?Sized>(store: &mut S, method: &str, params: &str) -> Result<String, Refusal> {
    let method = Method::named(method).ok_or(Refusal::UnknownMethod)?;
    carry_out(store, method, params, &Plain)
}

/// What of a store's texts is told.
pub(crate) trait Tell {
    /// The text as a client may see it.
    fn text(&self, text: String) -> String;
    /// The error as a client may see it.
    fn error(&self, error: StoreError) -> StoreError;
}

/// Everything.
struct Plain;

impl Tell for Plain {
    fn text(&self, text: String) -> String {
        text
    }

    fn error(&self, error: StoreError) -> StoreError {
        error
    }
}

/// Carries out a call, and tells of the store what `tell` lets through.
pub(crate) fn carry_out<S: SecureLogStore + ?Sized>(
    store: &mut S,
    method: Method,
    params: &str,
    tell: &dyn Tell,
) -> Result<String, Refusal> {
    let answer = match call(store, method, params, tell)? {
        Ok(answer) => answer,
        Err(error) => json(&Answer::<()>::Err(tell.error(error).into())),
    };
    if answer.len() > MAX_ANSWER_BYTES { Err(Refusal::TooLarge) } else { Ok(answer) }
}

/// The answer of a store, or its error.
type Answered = Result<String, StoreError>;

fn call<S: SecureLogStore + ?Sized>(
    store: &mut S,
    method: Method,
    params: &str,
    tell: &dyn Tell,
) -> Result<Answered, Refusal> {
    Ok(match method {
        Method::Init => {
            let (_config, version): (String, u32) = arguments(params)?;
            open(store, version, tell)
        }
        Method::ReadLog => {
            let []: [(); 0] = arguments(params)?;
            store.log().map(|row| ok(&row.as_ref().map(wire::LogRow::from)))
        }
        Method::Insert => {
            let (commit,): (Commit<'_>,) = arguments(params)?;
            let commit = store::Commit::try_from(commit)?;
            store.insert(&commit).map(|()| ok(&()))
        }
        Method::Heads => {
            let (below, limit): (Option<u64>, u32) = arguments(params)?;
            at_most(limit, MAX_ROWS)?;
            store.heads(below, limit).map(|rows| ok(&each::<_, wire::NumberedHead<'_>>(&rows)))
        }
        Method::SegmentCount => {
            let []: [(); 0] = arguments(params)?;
            store.segment_count().map(|count| ok(&count))
        }
        Method::Entries => {
            let (range,): (wire::EntryRange,) = arguments(params)?;
            at_most(range.limit, MAX_ENTRIES)?;
            entries(store, &range)
        }
        Method::Hashes => {
            let (tree, first, count): (wire::TreeId, u64, u32) = arguments(params)?;
            at_most(count, MAX_HASHES)?;
            store.hashes(tree.into(), first, count).map(|hashes| ok(&Digests(hashes)))
        }
        Method::Nodes => {
            let (ids,): (Vec<wire::NodeId>,) = arguments(params)?;
            at_most(ids.len(), MAX_NODES)?;
            let ids: Vec<store::NodeId> = ids.into_iter().map(Into::into).collect();
            store.nodes(&ids).map(|hashes| {
                let hashes: Vec<Option<Digest>> = hashes.into_iter().map(|hash| hash.map(Digest)).collect();
                ok(&hashes)
            })
        }
        Method::Indexed => {
            let (range,): (wire::IndexRange,) = arguments(params)?;
            at_most(range.limit, MAX_HASHES)?;
            let range = store::IndexRange {
                key: range.key.0,
                from: range.from_seqno,
                to: range.to_seqno,
                newest_first: range.newest_first,
                limit: range.limit,
            };
            store.indexed(range).map(|seqnos| ok(&seqnos))
        }
        Method::IndexRows => {
            let (after, limit): (Option<wire::IndexRow>, u32) = arguments(params)?;
            at_most(limit, MAX_HASHES)?;
            store.index_rows(after.map(Into::into), limit).map(|rows| ok(&each::<_, wire::IndexRow>(&rows)))
        }
        Method::Search => {
            let (asked,): (wire::EntrySearch,) = arguments(params)?;
            at_most(asked.limit, MAX_ENTRIES)?;
            at_most(asked.max_bytes as usize, PAGE_BYTES)?;
            at_most(asked.work, MAX_WORK)?;
            search(store, asked)?
        }
        Method::Stream => {
            let (name,): (String,) = arguments(params)?;
            store.stream(&name).map(|state| ok(&state.as_ref().map(wire::StreamState::from)))
        }
        Method::Streams => {
            let (after, limit): (u64, u32) = arguments(params)?;
            at_most(limit, MAX_ROWS)?;
            store.streams(after, limit).map(|rows| ok(&each::<_, wire::StreamState<'_>>(&rows)))
        }
        Method::Segment => {
            let (id,): (u64,) = arguments(params)?;
            store.segment(id).map(|row| ok(&row.as_ref().map(wire::SegmentRow::from)))
        }
        Method::Segments => {
            let (stream, after, limit): (String, u64, u32) = arguments(params)?;
            at_most(limit, MAX_ROWS)?;
            store.segments(&stream, after, limit).map(|rows| ok(&each::<_, wire::SegmentRow<'_>>(&rows)))
        }
        Method::SegmentOf => {
            let (stream, seqno): (String, u64) = arguments(params)?;
            store.segment_of(&stream, seqno).map(|row| ok(&row.as_ref().map(wire::SegmentRow::from)))
        }
        Method::LeafIndex => {
            let (segment, seqno): (u64, u64) = arguments(params)?;
            store.leaf_index(segment, seqno).map(|index| ok(&index))
        }
        Method::Signatures => {
            let (of,): (wire::Subject,) = arguments(params)?;
            store.signatures(of.into()).map(|rows| ok(&each::<record::SignatureRow, wire::SignatureRow<'_>>(&rows)))
        }
        Method::DataKeys => {
            let (stream,): (String,) = arguments(params)?;
            store.data_keys(&stream).map(|rows| ok(&each::<record::DataKeyRow, wire::DataKeyRow<'_>>(&rows)))
        }
        Method::Witnesses => {
            let (below, limit): (Option<u64>, u32) = arguments(params)?;
            at_most(limit, MAX_ROWS)?;
            store.witnesses(below, limit).map(|rows| ok(&each::<_, wire::NumberedWitness<'_>>(&rows)))
        }
        Method::Scan => {
            let (cursor, max_bytes): (u64, u32) = arguments(params)?;
            at_most(max_bytes as usize, PAGE_BYTES)?;
            scan(store, cursor, max_bytes as usize)
        }
        Method::Load => {
            let (after, rows, done): (u64, Commit<'_>, bool) = arguments(params)?;
            store.load(after, &rows.into_rows()?, done).map(|()| ok(&()))
        }
        Method::Prune => {
            let (up_to,): (Vec<(String, u64)>,) = arguments(params)?;
            let up_to: Vec<(&str, u64)> = up_to.iter().map(|(stream, last)| (stream.as_str(), *last)).collect();
            store.prune(&up_to).map(|count| ok(&count))
        }
        Method::DropDataKeys => {
            let (ids,): (Vec<Digest>,) = arguments(params)?;
            let ids: Vec<Hash> = ids.into_iter().map(|id| id.0).collect();
            store.drop_data_keys(&ids).map(|()| ok(&()))
        }
        Method::ReplaceDataKeys => {
            let (rows,): (Vec<wire::DataKeyRow<'_>>,) = arguments(params)?;
            let rows: Vec<record::DataKeyRow> = rows.into_iter().map(Into::into).collect();
            store.replace_data_keys(&rows).map(|()| ok(&()))
        }
        Method::DropWitnesses => {
            let (rows,): (Vec<wire::WitnessRow<'_>>,) = arguments(params)?;
            let rows: Vec<record::WitnessRow> = rows.into_iter().map(Into::into).collect();
            store.drop_witnesses(&rows).map(|()| ok(&()))
        }
        Method::SetAside => {
            let (after_head,): (u64,) = arguments(params)?;
            store.set_aside(after_head).map(|place| ok(&tell.text(place)))
        }
        Method::Reindex => {
            let []: [(); 0] = arguments(params)?;
            store.reindex().map(|()| ok(&()))
        }
    })
}

/// Reads exactly these arguments: an array has as many elements as the tuple.
fn arguments<'a, T: Deserialize<'a>>(params: &'a str) -> Result<T, Refusal> {
    Ok(from_json(params, "the arguments")?)
}

fn at_most<N: PartialOrd + fmt::Display>(asked: N, limit: N) -> Result<(), Refusal> {
    if asked > limit {
        return Err(Refusal::Arguments(format!("at most {limit} are answered at once, and {asked} are asked for")));
    }
    Ok(())
}

fn ok<T: Serialize + ?Sized>(value: &T) -> String {
    json(&Answer::Ok(value))
}

fn each<'a, T, W: From<&'a T>>(rows: &'a [T]) -> Vec<W> {
    rows.iter().map(W::from).collect()
}

fn open<S: SecureLogStore + ?Sized>(store: &mut S, version: u32, tell: &dyn Tell) -> Answered {
    if version != PROTOCOL_VERSION {
        let detail = format!("version {PROTOCOL_VERSION} of the calls is answered here, and not version {version}");
        return Err(StoreError::Config(detail));
    }
    let torn = store.torn().map(|torn| Torn { bytes: torn.bytes, kept_as: tell.text(torn.kept_as) });
    Ok(ok(&Opened { version: PROTOCOL_VERSION, torn }))
}

/// A page of them.
fn entries<S: SecureLogStore + ?Sized>(store: &mut S, range: &wire::EntryRange) -> Answered {
    let mut rows = RowsWriter::new();
    let (mut from, mut left) = (range.from_seqno, range.limit);
    while left > 0 && from <= range.to_seqno && !rows.is_full() {
        let limit = left.min(STEP);
        let step = store::EntryRange { stream: range.stream_id.as_deref(), from, to: range.to_seqno, limit };
        let (mut found, mut last) = (0, None);
        store.entries(step, &mut |record| {
            found += 1;
            last = seqno(&record);
            if !rows.is_full() {
                rows.push(&record);
            }
        })?;
        match last.and_then(|last| last.checked_add(1)) {
            Some(next) if found == limit => from = next,
            _ => break,
        }
        left -= limit;
    }
    Ok(rows.finish(r#"{"ok":["#, "]}"))
}

/// A page of those that a filter finds.
fn search<S: SecureLogStore + ?Sized>(store: &mut S, asked: wire::EntrySearch) -> Result<Answered, Refusal> {
    let filter = asked.filter.read().map_err(|invalid| Refusal::Arguments(invalid.to_string()))?;
    let search = store::Search {
        filter: &filter,
        from: asked.from_seqno,
        to: asked.to_seqno,
        newest_first: asked.newest_first,
        limit: asked.limit,
        max_bytes: asked.max_bytes as usize,
        work: asked.work,
    };
    let mut rows = RowsWriter::new();
    let found = store.search(&search, &mut |row| rows.push(&Record::Entry(row)));
    Ok(found.map(|next| rows.page(next)))
}

fn seqno(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Entry(row) => Some(row.seqno),
        Record::Pruned(row) => Some(row.seqno),
        _ => None,
    }
}

fn scan<S: SecureLogStore + ?Sized>(store: &mut S, cursor: u64, max_bytes: usize) -> Answered {
    let mut rows = RowsWriter::new();
    let next = store.scan(cursor, max_bytes, &mut |record| rows.push(&record))?;
    Ok(rows.page(next))
}

/// Writes rows while the store shows them.
struct RowsWriter {
    rows: String,
    weight: usize,
}

impl RowsWriter {
    fn new() -> RowsWriter {
        RowsWriter { rows: String::new(), weight: 0 }
    }

    fn is_full(&self) -> bool {
        self.weight >= PAGE_BYTES
    }

    fn push(&mut self, record: &Record<'_>) {
        if self.weight > 0 {
            self.rows.push(',');
        }
        self.weight += weight(if let Record::Entry(row) = record { row.bytes.len() } else { 0 });
        self.rows.push_str(&json(&Row::from(record)));
    }

    /// The rows, and where to go on.
    fn page(self, next: Option<u64>) -> String {
        self.finish(r#"{"ok":{"rows":["#, &format!(r#"],"next":{}}}}}"#, json(&next)))
    }

    fn finish(self, before: &str, after: &str) -> String {
        format!("{before}{}{after}", self.rows)
    }
}
