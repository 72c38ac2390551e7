//! Reading rows: the index says where a line is, and the line says what it holds.

use secure_log::hash::Hash;
use secure_log::jsonl::Line;
use secure_log::record::{HeadRow, LogRow, Record, SegmentRow, SignatureRow, StreamRow, Subject};
use secure_log::store::{EntryRange, NumberedHead, SecureLogStore as _, StoreError, StreamState, TreeId};

use crate::corrupt;
use crate::disk::{Disk, DiskFile};
use crate::index::{Index, StreamNow, Trouble};
use crate::later::{later, not_a_row};
use crate::reader::{ONE_LINE, Reader, Span};
use crate::session::FileStore;
use crate::tail;

/// Lines that stand closer to each other than this are read together.
const NEAR: u64 = 8 << 10;
/// How many entries are looked up before their lines are read.
const PAGE: u64 = 256;
/// How many bits of a cursor are the place in the file: no file is longer. The others say how often it was written anew, in a number
/// that JSON can carry.
const PLACE_BITS: u32 = 48;
const GENERATIONS: u64 = 32;

impl<D: Disk> FileStore<D> {
    /// Lines as they stand, from a place in the file on.
    pub(crate) fn raw_lines(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<u64>, StoreError> {
        let Some(at) = self.place(cursor)? else { return Ok(None) };
        let (end, enough) = (self.end(), at.saturating_add(max_bytes.max(1) as u64));
        let Some(log) = self.log.as_mut() else { return Ok(None) };
        if enough >= end {
            tail::append_range(&log.file, at..end, out)?;
            return Ok(Some(self.cursor(end)));
        }
        let start = out.len();
        tail::append_range(&log.file, at..enough, out)?;
        let length = match memchr::memrchr(b'\n', &out[start..]) {
            Some(last) => last + 1,
            // One line that is longer than what was asked for.
            None => {
                out.truncate(start);
                out.extend_from_slice(log.raw_line(at, end)?);
                out.len() - start
            }
        };
        out.truncate(start + length);
        Ok(Some(self.cursor(at + length as u64)))
    }

    /// The cursor of a place in the file. It says of which file: in one that was written anew, lines stand elsewhere.
    pub(crate) fn cursor(&self, at: u64) -> u64 {
        at | ((self.generation % GENERATIONS) << PLACE_BITS)
    }

    /// The place that a cursor stands for; `None` at the end of the log.
    pub(crate) fn place(&mut self, cursor: u64) -> Result<Option<u64>, StoreError> {
        let at = cursor & ((1 << PLACE_BITS) - 1);
        self.settle()?;
        if at >= self.end() {
            self.refresh()?;
        }
        if at > 0 && cursor != self.cursor(at) {
            let heads = self.heads(None, 1)?;
            return Err(StoreError::Conflict { heads: heads.into_iter().map(|newest| newest.head).collect() });
        }
        Ok((at < self.end()).then_some(at))
    }

    /// Asks the index, or answers `nothing` when there is no log.
    pub(crate) fn with_index_or_nothing<T>(
        &mut self,
        nothing: T,
        ask: impl FnMut(&mut Index<D::File>, &mut Reader<D::File>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        self.settle()?;
        if self.end() == 0 { Ok(nothing) } else { self.with_index(ask) }
    }

    pub(crate) fn read_log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.refresh()?;
        let end = self.end();
        let Some(log) = self.log.as_mut().filter(|_| end > 0) else { return Ok(None) };
        if self.log_row.is_none() {
            let row = log.line(0, end, ONE_LINE).and_then(|(_, line)| match line {
                Line::Log(line) => line.row().cloned().map_err(|e| not_a_row(0, e)),
                Line::Unknown(line) => Err(later(0, line.row())),
                _ => Err(corrupt(0, "the log's own line does not stand first")),
            });
            self.log_row = Some(row.map_err(|e| self.note(e))?);
        }
        Ok(self.log_row.clone())
    }

    pub(crate) fn newest_heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        self.with_index_or_nothing(Vec::new(), |index, log| {
            let count = index.head_count();
            let top = below.map_or(count, |below| below.saturating_sub(1).min(count));
            let numbers = (1..=top).rev().take(limit as usize);
            numbers.map(|number| Ok(NumberedHead { number, head: head_at(log, index.head(number)?)? })).collect()
        })
    }

    pub(crate) fn read_entries(
        &mut self,
        range: EntryRange<'_>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<(), StoreError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut from, mut left) = (range.from.max(1), u64::from(range.limit));
        // An index that turns out wrong is built anew: what was visited is not visited twice.
        let read = loop {
            let page = self.with_index_or_nothing(0, |index, log| {
                let seqnos = match range.stream {
                    None => (from..=range.to.min(index.size())).take(left.min(PAGE) as usize).collect(),
                    Some(name) => stream_page(index, log, name, from, range.to, left.min(PAGE))?,
                };
                let count = seqnos.len() as u64;
                let is_new = index.is_new;
                for_each_line(index, log, &seqnos, |seqno, offset, line| {
                    let (held, record) = match line {
                        Line::Entry(line) => (line.seqno, line.row(&mut scratch).map(Record::Entry)),
                        Line::Pruned(line) => (line.seqno, Ok(Record::Pruned(line.row()))),
                        _ => return Err(Trouble::Index),
                    };
                    // In a log that says so itself, a wrong seqno is not the index's to hide.
                    if held != seqno && !is_new {
                        return Err(Trouble::Index);
                    }
                    visit(record.map_err(|e| corrupt(offset, e))?);
                    (from, left) = (seqno + 1, left - 1);
                    Ok(())
                })?;
                Ok(count)
            });
            match page {
                Ok(count) if count > 0 && left > 0 => {}
                other => break other.map(drop),
            }
        };
        self.scratch = scratch;
        read
    }

    pub(crate) fn read_hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        let count = u64::from(count);
        self.with_index_or_nothing(Vec::new(), |index, log| {
            let mut hashes = Vec::new();
            match tree {
                TreeId::Log => {
                    let last = first.saturating_add(count).min(index.size());
                    for page in (first..last).step_by(PAGE as usize) {
                        let seqnos: Vec<u64> = (page + 1..=last.min(page + PAGE)).collect();
                        hashes_of(index, log, &seqnos, &mut hashes)?;
                    }
                }
                TreeId::Segment(id) => {
                    let Some(segment) = index.segment(id)?.filter(|segment| segment.leaves > first) else {
                        return Ok(hashes);
                    };
                    let stream = index.stream(u64::from(segment.stream))?;
                    let mut at = segment.first_ordinal + first;
                    let end = segment.first_ordinal + segment.leaves.min(first.saturating_add(count));
                    while at < end {
                        let seqnos = index.seqnos(&stream, at..end)?;
                        if seqnos.is_empty() {
                            return Err(Trouble::Index);
                        }
                        hashes_of(index, log, &seqnos, &mut hashes)?;
                        at += seqnos.len() as u64;
                    }
                }
            }
            Ok(hashes)
        })
    }

    pub(crate) fn read_stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.with_index_or_nothing(None, |index, log| match index.stream_number(name, log)? {
            Some(number) => {
                let state = stream_state(index, log, number)?;
                if state.row.name == name { Ok(Some(state)) } else { Err(Trouble::Index) }
            }
            None => Ok(None),
        })
    }

    pub(crate) fn read_streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        self.with_index_or_nothing(Vec::new(), |index, log| {
            let numbers = after.saturating_add(1)..=index.stream_count();
            numbers.take(limit as usize).map(|number| stream_state(index, log, number)).collect()
        })
    }

    pub(crate) fn read_segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.with_index_or_nothing(None, |index, log| match index.segment(id)? {
            Some(segment) => segment_at(log, segment.line).map(Some),
            None => Ok(None),
        })
    }

    pub(crate) fn read_segments(
        &mut self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<SegmentRow>, StoreError> {
        self.with_index_or_nothing(Vec::new(), |index, log| {
            let mut rows = Vec::new();
            let Some(number) = index.stream_number(stream, log)? else { return Ok(rows) };
            let stream = index.stream(number)?;
            let mut after = after;
            while rows.len() < limit as usize {
                let Some((id, segment)) = index.oldest_segment(&stream, |id, _| id > after)? else { break };
                rows.push(segment_at(log, segment.line)?);
                after = id;
            }
            Ok(rows)
        })
    }

    pub(crate) fn read_segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.with_index_or_nothing(None, |index, log| {
            let Some(number) = index.stream_number(stream, log)? else { return Ok(None) };
            let stream = index.stream(number)?;
            let found = index.oldest_segment(&stream, |_, segment| segment.last >= seqno)?;
            match found.filter(|(_, segment)| segment.first <= seqno) {
                Some((_, segment)) => segment_at(log, segment.line).map(Some),
                None => Ok(None),
            }
        })
    }

    pub(crate) fn read_leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.with_index_or_nothing(None, |index, _| {
            let Some(segment) = index.segment(segment)? else { return Ok(None) };
            if !(1..=index.size()).contains(&seqno) || !(segment.first..=segment.last).contains(&seqno) {
                return Ok(None);
            }
            let entry = index.entry(seqno)?;
            let place = entry.ordinal.checked_sub(segment.first_ordinal);
            Ok(place.filter(|place| entry.stream == segment.stream && *place < segment.leaves))
        })
    }

    pub(crate) fn read_signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        let end = self.end();
        self.with_index_or_nothing(Vec::new(), |index, log| match of {
            Subject::Segment(id) => {
                let lines = index.segment_signatures(id)?;
                lines.into_iter().map(|line| signature_at(log, line)?.ok_or(Trouble::Index)).collect()
            }
            Subject::Entry(seqno) if (1..=index.size()).contains(&seqno) => {
                let mut rows = Vec::new();
                let mut at = index.entry(seqno)?.line.end();
                while at < end {
                    let (span, line) = log.line(at, end, ONE_LINE)?;
                    match line {
                        Line::Signature(row) if row.of == of => rows.push(row),
                        Line::Unknown(_) => {}
                        _ => break,
                    }
                    at = span.end();
                }
                Ok(rows)
            }
            Subject::Entry(_) => Ok(Vec::new()),
        })
    }
}

/// At most `limit` seqnos of a stream's entries between `from` and `to`.
fn stream_page<F: DiskFile>(
    index: &mut Index<F>,
    log: &mut Reader<F>,
    name: &str,
    from: u64,
    to: u64,
    limit: u64,
) -> Result<Vec<u64>, Trouble> {
    let Some(number) = index.stream_number(name, log)? else { return Ok(Vec::new()) };
    let stream = index.stream(number)?;
    let first = index.ordinal_from(&stream, from)?;
    let mut seqnos = index.seqnos(&stream, first..stream.count.min(first.saturating_add(limit)))?;
    seqnos.truncate(seqnos.partition_point(|seqno| *seqno <= to));
    Ok(seqnos)
}

/// Reads the lines of these entries, those that stand near each other together.
pub(crate) fn for_each_line<F: DiskFile>(
    index: &mut Index<F>,
    log: &mut Reader<F>,
    seqnos: &[u64],
    mut visit: impl FnMut(u64, u64, &Line<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    for (place, (line, until)) in lines_of(index, seqnos)?.into_iter().enumerate() {
        visit(seqnos[place], line.offset, &log.at(line, until)?)?;
    }
    Ok(())
}

fn hashes_of<F: DiskFile>(
    index: &mut Index<F>,
    log: &mut Reader<F>,
    seqnos: &[u64],
    out: &mut Vec<Hash>,
) -> Result<(), Trouble> {
    for (line, until) in lines_of(index, seqnos)? {
        out.push(log.entry_hash(line, until)?);
    }
    Ok(())
}

/// Where these entries stand, and how far to read on from each because the others follow.
fn lines_of<F: DiskFile>(index: &mut Index<F>, seqnos: &[u64]) -> Result<Vec<(Span, u64)>, Trouble> {
    let mut lines = Vec::with_capacity(seqnos.len());
    for &seqno in seqnos {
        let line = index.entry(seqno)?.line;
        lines.push((line, line.end()));
    }
    for place in (1..lines.len()).rev() {
        let (line, until) = lines[place];
        let before = &mut lines[place - 1];
        if (before.1..before.1 + NEAR).contains(&line.offset) {
            before.1 = until;
        }
    }
    Ok(lines)
}

fn stream_state<F: DiskFile>(index: &mut Index<F>, log: &mut Reader<F>, number: u64) -> Result<StreamState, Trouble> {
    let StreamNow { row, first, last, last_segment, .. } = index.stream(number)?;
    let some = |n: u64| (n > 0).then_some(n);
    Ok(StreamState {
        row: stream_at(log, row)?,
        number,
        first: some(first),
        last: some(last),
        segment: some(last_segment),
    })
}

fn stream_at<F: DiskFile>(log: &mut Reader<F>, row: u64) -> Result<StreamRow, Trouble> {
    match log.line(row, u64::MAX, ONE_LINE)? {
        (_, Line::Stream(line)) => line.row().cloned().map_err(|_| Trouble::Index),
        _ => Err(Trouble::Index),
    }
}

fn head_at<F: DiskFile>(log: &mut Reader<F>, line: Span) -> Result<HeadRow, Trouble> {
    match log.at(line, line.end())? {
        Line::Head(row) => Ok(row),
        _ => Err(Trouble::Index),
    }
}

fn segment_at<F: DiskFile>(log: &mut Reader<F>, line: Span) -> Result<SegmentRow, Trouble> {
    match log.at(line, line.end())? {
        Line::Segment(row) => Ok(row),
        _ => Err(Trouble::Index),
    }
}

fn signature_at<F: DiskFile>(log: &mut Reader<F>, line: Span) -> Result<Option<SignatureRow>, Trouble> {
    match log.at(line, line.end())? {
        Line::Signature(row) => Ok(Some(row)),
        _ => Ok(None),
    }
}
