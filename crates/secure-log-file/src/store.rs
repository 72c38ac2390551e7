//! The store's contract over one file.

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::jsonl::Line;
use secure_log::record::{DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId,
};

use crate::disk::Disk;
use crate::index::Trouble;
use crate::later::not_a_row;
use crate::reader::PAGE;
use crate::session::FileStore;

impl<D: Disk> SecureLogStore for FileStore<D> {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.read_log()
    }

    fn torn(&mut self) -> Option<Torn> {
        self.torn.clone()
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.append(commit)
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        self.refresh()?;
        self.newest_heads(below, limit)
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.with_index_or_nothing(0, |index, _| Ok(index.segment_count()))
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        self.read_entries(range, visit)
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        self.read_hashes(tree, first, count)
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.with_index_or_nothing(vec![None; ids.len()], |index, _| ids.iter().map(|id| index.node(*id)).collect())
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        self.with_index_or_nothing(Vec::new(), |index, _| index.indexed(range))
    }

    /// Who reads them from the beginning verifies the log, and asks for all that is derived of it.
    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        if after.is_none() {
            self.check_facts()?;
        }
        self.with_index_or_nothing(Vec::new(), |index, _| index.index_rows(after, limit))
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        self.find_entries(search, visit)
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.read_stream(name)
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        self.read_streams(after, limit)
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.read_segment(id)
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        self.read_segments(stream, after, limit)
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.read_segment_of(stream, seqno)
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.read_leaf_index(segment, seqno)
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        self.read_signatures(of)
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        self.with_index_or_nothing(Vec::new(), |index, log| {
            let Some(number) = index.stream_number(stream, log)? else { return Ok(Vec::new()) };
            let stream = index.stream(number)?;
            let lines = index.data_keys(&stream)?;
            let row = |line| match log.at(line, line.end())? {
                Line::DataKey(row) => Ok(row),
                _ => Err(Trouble::Index),
            };
            lines.into_iter().map(row).collect()
        })
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        self.with_index_or_nothing(Vec::new(), |index, log| {
            let known = index.witness_count();
            let top = below.map_or(known, |below| below.saturating_sub(1).min(known));
            let row = |number| {
                let line = index.witness(number)?;
                match log.at(line, line.end())? {
                    Line::Witness(row) => Ok(NumberedWitness { number, row }),
                    _ => Err(Trouble::Index),
                }
            };
            (1..=top).rev().take(limit as usize).map(row).collect()
        })
    }

    /// The cursor is a place in the file. The last one that is answered is the end, where what comes later begins.
    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let Some(cursor) = self.place(cursor)? else { return Ok(None) };
        let (end, enough) = (self.end(), cursor.saturating_add(max_bytes.max(1) as u64));
        let Some(log) = self.log.as_mut() else { return Ok(None) };
        let mut at = cursor;
        while at < end && at < enough {
            let visited = log.line(at, end, PAGE).and_then(|(span, line)| {
                visit(line.record(&mut self.scratch).map_err(|e| not_a_row(at, e))?);
                Ok(span.end())
            });
            at = match visited {
                Ok(next) => next,
                // What stands before the damage is answered first; the next call answers the damage.
                Err(StoreError::Corrupt { .. }) if at > cursor => break,
                Err(e) => return Err(self.note(e)),
            };
        }
        Ok(Some(self.cursor(at)))
    }

    fn scan_lines(&mut self, cursor: u64, max_bytes: usize, out: &mut Vec<u8>) -> Result<Option<u64>, StoreError> {
        self.raw_lines(cursor, max_bytes, out)
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.load_rows(after, rows, done)
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.prune_entries(up_to)
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.drop_keys(ids)
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.replace_keys(rows)
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.drop_witness_rows(rows)
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.set_aside_after(after_head)
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.rebuild_index()
    }
}
