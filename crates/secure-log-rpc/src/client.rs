//! A store whose rows are elsewhere.

mod outcome;
mod retry;

use core::fmt;

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{self, DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use retry::Retry;

use crate::method::Method;
use crate::transport::{Transport, TransportError};
use crate::wire::{self, Answer, Digest, Digests, Key, Malformed, Opened, Row, ScanPage, from_json, json};
use crate::{MAX_ANSWER_BYTES, MAX_ENTRIES, MAX_HASHES, MAX_NODES, MAX_ROWS, PAGE_BYTES, PROTOCOL_VERSION, weight};

/// A store behind a [`Transport`].
///
/// What only reads is repeated when there was no answer, and everything when another writer has the store, a few times and
/// with pauses. A commit is repeated when reading has
/// shown that it is not there, and only if the second of two could not be stored as well. An answer is checked for its
/// form: one that is not JSON of the right types, or has more rows than were asked for, is [`StoreError::Corrupt`].
#[derive(Debug)]
pub struct RemoteStore<T> {
    transport: T,
    retry: Retry,
    torn: Option<Torn>,
}

impl<T: Transport> RemoteStore<T> {
    /// Greets the server. `config` is told to it, and says nothing to ours: a server owns its store.
    pub fn open(transport: T, config: &str) -> Result<RemoteStore<T>, StoreError> {
        RemoteStore::open_with(transport, config, Retry::default())
    }

    /// The same, with other pauses between attempts.
    pub fn open_with(transport: T, config: &str, retry: Retry) -> Result<RemoteStore<T>, StoreError> {
        if config.is_empty() {
            return Err(StoreError::Config("the remote store needs a name; any will do".into()));
        }
        let mut store = RemoteStore { transport, retry, torn: None };
        let opened: Opened = store.ask(Method::Init, &(config, PROTOCOL_VERSION), owned)?;
        if opened.version != PROTOCOL_VERSION {
            let detail =
                format!("the server speaks version {} of the calls, and not {PROTOCOL_VERSION}", opened.version);
            return Err(StoreError::Config(detail));
        }
        store.torn = opened.torn.map(|torn| Torn { bytes: torn.bytes, kept_as: torn.kept_as });
        Ok(store)
    }

    /// Makes a call that may be made again, until there is an answer that can be read.
    fn ask<R>(
        &mut self,
        method: Method,
        params: &impl Serialize,
        mut read: impl FnMut(&str) -> Result<R, Unreadable>,
    ) -> Result<R, StoreError> {
        let params = json(params);
        let mut pauses = self.retry.pauses();
        loop {
            let (error, again) = match self.once(method, &params) {
                Ok(answer) => match read(&answer) {
                    Ok(found) => return Ok(found),
                    Err(Unreadable::Error(error)) => {
                        let locked = is_locked(&error);
                        (error, locked)
                    }
                    Err(Unreadable::Malformed(error)) if error.broken => {
                        (failed(method, TransportError::Unknown(error.to_string())), true)
                    }
                    Err(Unreadable::Malformed(error)) => (malformed(method, error.detail), false),
                },
                Err(error) => {
                    let again = matches!(error, TransportError::Unknown(_));
                    (failed(method, error), again)
                }
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => self.retry.wait(pause),
                None => return Err(error),
            }
        }
    }

    /// Makes a call that may not be made again: it would answer something else the second time.
    fn ask_once<R: DeserializeOwned>(&mut self, method: Method, params: &impl Serialize) -> Result<R, StoreError> {
        let retry = core::mem::replace(&mut self.retry, Retry::NEVER);
        let answered = self.ask(method, params, owned);
        self.retry = retry;
        answered
    }

    fn once(&mut self, method: Method, params: &str) -> Result<String, TransportError> {
        let answer = self.transport.rpc(method.name(), params)?;
        if answer.len() > MAX_ANSWER_BYTES {
            let detail = format!("the answer has {} bytes, and at most {MAX_ANSWER_BYTES} are read", answer.len());
            return Err(TransportError::Unknown(detail));
        }
        Ok(answer)
    }

    /// Reads a list page by page, of so many rows at once: `params` asks for the rows after the last one, each of which `follows` the one before.
    fn paged<R, P: Serialize>(
        &mut self,
        method: Method,
        (limit, at_once): (u32, u32),
        params: impl Fn(Option<&R>, u32) -> P,
        read: impl Fn(&str, u32) -> Result<Vec<R>, Unreadable>,
        follows: impl Fn(&R, &R) -> bool,
    ) -> Result<Vec<R>, StoreError> {
        let mut found: Vec<R> = Vec::new();
        let mut left = limit;
        while left > 0 {
            let limit = left.min(at_once);
            let before = found.len();
            let page = self.ask(method, &params(found.last(), limit), |answer| read(answer, limit))?;
            found.extend(page);
            // Or pages would never end.
            let ordered = found[before.saturating_sub(1)..].is_sorted_by(&follows);
            if !ordered {
                return Err(malformed(method, "the rows are not in their order"));
            }
            let rows = (found.len() - before) as u32;
            if rows < limit {
                break;
            }
            left -= rows;
        }
        Ok(found)
    }

    /// Shows a page of entries to `visit`, and answers how many rows it has, what they weigh, and the last one's seqno.
    fn page_of_entries(
        &mut self,
        range: EntryRange<'_>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(u32, usize, Option<u64>), StoreError> {
        let EntryRange { stream, from, to, limit } = range;
        let asked = wire::EntryRange { stream_id: stream.map(Into::into), from_seqno: from, to_seqno: to, limit };
        self.ask(Method::Entries, &(asked,), |answer| {
            let rows: Vec<Row<'_>> = value(answer)?;
            let count = at_most(rows.len(), limit)?;
            let (mut next, mut weighed, mut last) = (Some(from), 0, None);
            for row in rows {
                let shown = row.with_record(|record| {
                    let (seqno, bytes) = match &record {
                        Record::Entry(row) => (row.seqno, row.bytes.len()),
                        Record::Pruned(row) => (row.seqno, 0),
                        _ => return false,
                    };
                    // Or pages would never end.
                    if next.is_none_or(|next| seqno < next) || seqno > to {
                        return false;
                    }
                    (next, last) = (seqno.checked_add(1), Some(seqno));
                    weighed += weight(bytes);
                    visit(record);
                    true
                })?;
                if !shown {
                    return Err(Malformed::new("a row", "it is no entry of the range, or not in its order").into());
                }
            }
            Ok((count, weighed, last))
        })
    }
}

impl<T: Transport> SecureLogStore for RemoteStore<T> {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.ask(Method::ReadLog, &[(); 0], |answer| optional::<wire::LogRow<'_>, _>(answer))
    }

    fn torn(&mut self) -> Option<Torn> {
        self.torn.clone()
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.append(commit)
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        let params = |last: Option<&NumberedHead>, limit| (last.map_or(below, |last| Some(last.number)), limit);
        let read = |answer: &str, limit| list::<wire::NumberedHead<'_>, _>(answer, limit);
        self.paged(Method::Heads, (limit, MAX_ROWS), params, read, |earlier, row| row.number < earlier.number)
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.ask(Method::SegmentCount, &[(); 0], owned)
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        let (mut from, mut left) = (range.from, range.limit);
        while left > 0 && from <= range.to {
            let limit = left.min(MAX_ENTRIES);
            let (rows, weight, last) = self.page_of_entries(EntryRange { from, limit, ..range }, visit)?;
            match last.and_then(|last| last.checked_add(1)) {
                Some(next) if rows == limit || weight >= PAGE_BYTES => from = next,
                _ => break,
            }
            left -= rows;
        }
        Ok(())
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        let mut found = Vec::new();
        let mut left = count;
        while left > 0 {
            let Some(first) = first.checked_add(found.len() as u64) else { break };
            let limit = left.min(MAX_HASHES);
            let page = self.ask(Method::Hashes, &(wire::TreeId::from(tree), first, limit), owned::<Digests>)?.0;
            let rows = at_most(page.len(), limit).map_err(|error| malformed(Method::Hashes, error.detail))?;
            found.extend(page);
            if rows < limit {
                break;
            }
            left -= rows;
        }
        Ok(found)
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_NODES) {
            let wanted: Vec<wire::NodeId> = ids.iter().map(|id| (*id).into()).collect();
            let page: Vec<Option<Digest>> = self.ask(Method::Nodes, &(wanted,), owned)?;
            if page.len() != ids.len() {
                let detail = format!("{} hashes are answered, and {} were asked for", page.len(), ids.len());
                return Err(malformed(Method::Nodes, detail));
            }
            found.extend(page.into_iter().map(|hash| hash.map(|hash| hash.0)));
        }
        Ok(found)
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        let IndexRange { key, from, to, newest_first, limit } = range;
        // The range that is left behind the last seqno, which is empty where there is none.
        let params = |last: Option<&u64>, limit| {
            let (from_seqno, to_seqno) = match last {
                None => (from, to),
                Some(last) if newest_first => last.checked_sub(1).map_or((1, 0), |to| (from, to)),
                Some(last) => last.checked_add(1).map_or((1, 0), |from| (from, to)),
            };
            (wire::IndexRange { key: Key(key), from_seqno, to_seqno, newest_first, limit },)
        };
        let read = |answer: &str, limit| {
            let seqnos: Vec<u64> = value(answer)?;
            at_most(seqnos.len(), limit)?;
            match seqnos.iter().all(|seqno| (from..=to).contains(seqno)) {
                true => Ok(seqnos),
                false => Err(Malformed::new("a seqno", "it is not of the range").into()),
            }
        };
        let follows = |earlier: &u64, seqno: &u64| if newest_first { seqno < earlier } else { seqno > earlier };
        self.paged(Method::Indexed, (limit, MAX_HASHES), params, read, follows)
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        let params = |last: Option<&IndexRow>, limit| (last.or(after.as_ref()).map(wire::IndexRow::from), limit);
        let read = |answer: &str, limit| list::<wire::IndexRow, _>(answer, limit);
        self.paged(Method::IndexRows, (limit, MAX_HASHES), params, read, |earlier, row| row > earlier)
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        let Some((asked, within)) = wire::EntrySearch::of(search) else { return Ok(None) };
        let params = (asked,);
        self.ask(Method::Search, &params, |answer| {
            let page: ScanPage<'_> = value(answer)?;
            at_most(page.rows.len(), params.0.limit)?;
            let strange = || Malformed::new("a row", "it is no entry of the range, or not in its order");
            // Or pages would never end.
            let mut left = Some(if within.newest_first { within.to } else { within.from });
            let first = left;
            for row in page.rows {
                let shown = row.with_record(|record| match record {
                    Record::Entry(row) if left.is_some_and(|left| within.has_from(left, row.seqno)) => {
                        left = within.behind(row.seqno);
                        visit(row);
                        true
                    }
                    _ => false,
                })?;
                if !shown {
                    return Err(strange().into());
                }
            }
            match page.next {
                Some(next) if Some(next) == first || left.is_none_or(|left| !within.has_from(left, next)) => {
                    Err(Malformed::new("the answer", "it goes on elsewhere").into())
                }
                next => Ok(next),
            }
        })
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.ask(Method::Stream, &(name,), |answer| optional::<wire::StreamState<'_>, _>(answer))
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        let params = |last: Option<&StreamState>, limit| (last.map_or(after, |last| last.number), limit);
        let read = |answer: &str, limit| list::<wire::StreamState<'_>, _>(answer, limit);
        self.paged(Method::Streams, (limit, MAX_ROWS), params, read, |earlier, row| row.number > earlier.number)
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.ask(Method::Segment, &(id,), |answer| optional::<wire::SegmentRow<'_>, _>(answer))
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        let params = |last: Option<&SegmentRow>, limit| (stream, last.map_or(after, |last| last.id), limit);
        let read = |answer: &str, limit| list::<wire::SegmentRow<'_>, _>(answer, limit);
        self.paged(Method::Segments, (limit, MAX_ROWS), params, read, |earlier, row| row.id > earlier.id)
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.ask(Method::SegmentOf, &(stream, seqno), |answer| optional::<wire::SegmentRow<'_>, _>(answer))
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.ask(Method::LeafIndex, &(segment, seqno), owned)
    }

    fn signatures(&mut self, of: record::Subject) -> Result<Vec<SignatureRow>, StoreError> {
        self.ask(Method::Signatures, &(wire::Subject::from(of),), |answer| {
            list::<wire::SignatureRow<'_>, _>(answer, u32::MAX)
        })
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        self.ask(Method::DataKeys, &(stream,), |answer| list::<wire::DataKeyRow<'_>, _>(answer, u32::MAX))
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        let params = |last: Option<&NumberedWitness>, limit| (last.map(|last| last.number).or(below), limit);
        let read = |answer: &str, limit| list::<wire::NumberedWitness<'_>, _>(answer, limit);
        self.paged(Method::Witnesses, (limit, MAX_ROWS), params, read, |earlier, row| row.number < earlier.number)
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        self.ask(Method::Scan, &(cursor, max_bytes.min(PAGE_BYTES)), |answer| {
            let page: ScanPage<'_> = value(answer)?;
            page.rows.into_iter().try_for_each(|row| row.with_record(&mut *visit))?;
            Ok(page.next)
        })
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.load_rows(after, rows, done)
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.ask_once(Method::Prune, &(up_to,))
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        let ids: Vec<Digest> = ids.iter().map(|id| Digest(*id)).collect();
        self.ask(Method::DropDataKeys, &(ids,), owned)
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        let rows: Vec<wire::DataKeyRow<'_>> = rows.iter().map(Into::into).collect();
        self.ask(Method::ReplaceDataKeys, &(rows,), owned)
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        let rows: Vec<wire::WitnessRow<'_>> = rows.iter().map(Into::into).collect();
        self.ask(Method::DropWitnesses, &(rows,), owned)
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.ask_once(Method::SetAside, &(after_head,))
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.ask(Method::Reindex, &[(); 0], owned)
    }
}

/// Why an answer gives nothing.
enum Unreadable {
    /// It is the store's error.
    Error(StoreError),
    /// It is no answer.
    Malformed(Malformed),
}

impl From<Malformed> for Unreadable {
    fn from(error: Malformed) -> Unreadable {
        Unreadable::Malformed(error)
    }
}

/// Reads an answer: a `T`, or the error of the store.
fn value<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<T, Unreadable> {
    match from_json(answer, "the answer")? {
        Answer::Ok(value) => Ok(value),
        Answer::Err(error) => Err(Unreadable::Error(error.into())),
    }
}

/// Reads an answer of which nothing is borrowed.
fn owned<T: DeserializeOwned>(answer: &str) -> Result<T, Unreadable> {
    value(answer)
}

/// Reads an answer that may hold one row.
fn optional<'a, W, R>(answer: &'a str) -> Result<Option<R>, Unreadable>
where
    W: Deserialize<'a>,
    R: TryFrom<W, Error: Into<Malformed>>,
{
    let row: Option<W> = value(answer)?;
    Ok(row.map(R::try_from).transpose().map_err(Into::into)?)
}

/// Reads an answer of at most so many rows.
fn list<'a, W, R>(answer: &'a str, limit: u32) -> Result<Vec<R>, Unreadable>
where
    W: Deserialize<'a>,
    R: TryFrom<W, Error: Into<Malformed>>,
{
    let rows: Vec<W> = value(answer)?;
    at_most(rows.len(), limit)?;
    Ok(rows.into_iter().map(R::try_from).collect::<Result<_, _>>().map_err(Into::into)?)
}

/// How many rows were answered, which are no more than were asked for.
fn at_most(rows: usize, limit: u32) -> Result<u32, Malformed> {
    match u32::try_from(rows) {
        Ok(rows) if rows <= limit => Ok(rows),
        _ => Err(Malformed::new("the answer", format!("it has {rows} rows, and {limit} were asked for"))),
    }
}

/// Another writer has it: nothing was done, and the next attempt may find it free.
fn is_locked(error: &StoreError) -> bool {
    matches!(error, StoreError::Locked { .. })
}

fn malformed(method: Method, detail: impl fmt::Display) -> StoreError {
    StoreError::Corrupt { at: format!("the answer to {}", method.name()), detail: detail.to_string() }
}

fn failed(method: Method, error: TransportError) -> StoreError {
    match error {
        TransportError::Refused(detail) => StoreError::Config(format!("{} was refused: {detail}", method.name())),
        TransportError::Unknown(detail) => {
            StoreError::Io { operation: format!("call {} of the remote store", method.name()), detail }
        }
    }
}
