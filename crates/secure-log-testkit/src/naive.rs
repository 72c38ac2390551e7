//! A store that is obviously right, and slow: what the suites compare others with.

use std::collections::BTreeMap;

use secure_log::entry::EntryRef;
use secure_log::hash::Hash;
use secure_log::index::{self, IndexRow};
use secure_log::record::{DataKeyRow, HeadRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, Expected, IndexRange, NodeId, NumberedHead, NumberedWitness, STORED_LEVEL, SecureLogStore,
    StoreError, StreamState, Torn, TreeId,
};
use secure_log::tree::{leaf_hash, node_hash};

use crate::record::OwnedRecord;

/// A list of records that is searched from its beginning for every answer.
#[derive(Clone, Debug, Default)]
pub struct NaiveStore {
    records: Vec<OwnedRecord>,
    nodes: BTreeMap<NodeId, Hash>,
    /// What was loaded so far of a log that is not whole yet.
    loading: Vec<OwnedRecord>,
}

impl NaiveStore {
    /// A store that holds nothing.
    pub fn new() -> NaiveStore {
        NaiveStore::default()
    }

    /// Every record, in commit order.
    pub fn records(&self) -> &[OwnedRecord] {
        &self.records
    }

    /// Every interior tree hash that is stored.
    pub fn stored_nodes(&self) -> &BTreeMap<NodeId, Hash> {
        &self.nodes
    }

    fn head_rows(&self) -> Vec<HeadRow> {
        self.rows(|record| match record {
            OwnedRecord::Head(row) => Some(row.clone()),
            _ => None,
        })
    }

    fn segment_rows(&self) -> Vec<SegmentRow> {
        self.rows(|record| match record {
            OwnedRecord::Segment(row) => Some(row.clone()),
            _ => None,
        })
    }

    fn rows<T>(&self, row: impl FnMut(&OwnedRecord) -> Option<T>) -> Vec<T> {
        self.records.iter().filter_map(row).collect()
    }

    /// Seqnos and hashes of the leaves of a tree.
    fn leaves(&self, tree: TreeId) -> Vec<(u64, Hash)> {
        let segment = match tree {
            TreeId::Log => None,
            TreeId::Segment(id) => match self.segment_rows().into_iter().find(|row| row.id == id) {
                Some(row) => Some(row),
                None => return Vec::new(),
            },
        };
        self.rows(|record| {
            let (seqno, stream, hash) = entry_of(record)?;
            let inside =
                segment.as_ref().is_none_or(|row| row.stream == stream && (row.first..=row.last).contains(&seqno));
            inside.then_some((seqno, hash))
        })
    }

    /// Every row of the index, in order.
    fn index(&self) -> Vec<IndexRow> {
        let mut rows: Vec<IndexRow> = self.records.iter().flat_map(index_of).collect();
        rows.sort_unstable();
        rows
    }

    fn rebuild(&mut self) {
        self.nodes.clear();
        let trees = self.segment_rows().into_iter().map(|row| TreeId::Segment(row.id)).chain([TreeId::Log]);
        for tree in trees {
            let mut hashes: Vec<Hash> = self.leaves(tree).iter().map(|(_, hash)| leaf_hash(hash)).collect();
            for level in 1.. {
                hashes = hashes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
                if hashes.is_empty() {
                    break;
                }
                if level >= STORED_LEVEL {
                    let numbered = (0..).zip(&hashes);
                    self.nodes.extend(numbered.map(|(index, hash)| (NodeId { tree, level, index }, *hash)));
                }
            }
        }
    }
}

/// Seqno, stream and hash of an entry, gone or not.
fn entry_of(record: &OwnedRecord) -> Option<(u64, &str, Hash)> {
    match record {
        OwnedRecord::Entry { seqno, stream, hash, .. } | OwnedRecord::Pruned { seqno, stream, hash } => {
            Some((*seqno, stream, *hash))
        }
        _ => None,
    }
}

/// The rows of the index that an entry has.
fn index_of(record: &OwnedRecord) -> Vec<IndexRow> {
    match record {
        OwnedRecord::Entry { bytes, .. } => index::rows(bytes).collect(),
        _ => Vec::new(),
    }
}

impl SecureLogStore for NaiveStore {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        let logs = self.rows(|record| match record {
            OwnedRecord::Log(row) => Some(row.clone()),
            _ => None,
        });
        Ok(logs.into_iter().next())
    }

    fn torn(&mut self) -> Option<Torn> {
        None
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let mut heads = self.head_rows();
        let segments = self.segment_rows().len() as u64;
        let holds = heads.last().map(|head| Expected { size: head.size, root: head.root, segments });
        let is_made =
            |name| self.records.iter().any(|record| matches!(record, OwnedRecord::Stream(row) if row.name == name));
        if holds != commit.expected || commit.new_streams().any(is_made) {
            heads.reverse();
            return Err(StoreError::Conflict { heads });
        }
        self.records.extend(commit.records().map(OwnedRecord::from));
        self.nodes.extend(commit.nodes.iter().map(|node| (node.id, node.hash)));
        Ok(())
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        let numbered = (1..).zip(self.head_rows()).map(|(number, head)| NumberedHead { number, head });
        let mut heads: Vec<NumberedHead> =
            numbered.filter(|head| below.is_none_or(|below| head.number < below)).collect();
        heads.reverse();
        heads.truncate(limit as usize);
        Ok(heads)
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        Ok(self.segment_rows().len() as u64)
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        let wanted = self.records.iter().filter(|record| {
            entry_of(record).is_some_and(|(seqno, stream, _)| {
                range.from <= seqno && seqno <= range.to && range.stream.is_none_or(|name| name == stream)
            })
        });
        wanted.take(range.limit as usize).for_each(|record| visit(record.as_record()));
        Ok(())
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        let leaves = (0..).zip(self.leaves(tree));
        let wanted = leaves.filter(|(index, _)| *index >= first).take(count as usize);
        Ok(wanted.map(|(_, (_, hash))| hash).collect())
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        Ok(ids.iter().map(|id| self.nodes.get(id).copied()).collect())
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        let IndexRange { key, from, to, newest_first, limit } = range;
        let rows = self.index().into_iter().filter(|row| row.key == key && (from..=to).contains(&row.seqno));
        let mut seqnos: Vec<u64> = rows.map(|row| row.seqno).collect();
        if newest_first {
            seqnos.reverse();
        }
        seqnos.truncate(limit as usize);
        Ok(seqnos)
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        let rows = self.index().into_iter().filter(|row| after.is_none_or(|after| *row > after));
        Ok(rows.take(limit as usize).collect())
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        Ok(self.streams(0, u32::MAX)?.into_iter().find(|state| state.row.name == name))
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        let mut states: Vec<StreamState> = Vec::new();
        for record in &self.records {
            let known = |name: &str| states.iter().position(|state| state.row.name == name);
            match record {
                OwnedRecord::Stream(row) => match known(&row.name) {
                    Some(index) => states[index].row = row.clone(),
                    None => states.push(StreamState {
                        row: row.clone(),
                        number: states.len() as u64 + 1,
                        first: None,
                        last: None,
                        segment: None,
                    }),
                },
                OwnedRecord::Segment(row) => {
                    if let Some(index) = known(&row.stream) {
                        states[index].segment = Some(row.id);
                    }
                }
                other => {
                    if let Some((seqno, stream, _)) = entry_of(other)
                        && let Some(index) = known(stream)
                    {
                        states[index].first.get_or_insert(seqno);
                        states[index].last = Some(seqno);
                    }
                }
            }
        }
        Ok(states.into_iter().filter(|state| state.number > after).take(limit as usize).collect())
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        Ok(self.segment_rows().into_iter().find(|row| row.id == id))
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        let rows = self.segment_rows().into_iter().filter(|row| row.stream == stream && row.id > after);
        Ok(rows.take(limit as usize).collect())
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        let holds = |row: &SegmentRow| row.stream == stream && (row.first..=row.last).contains(&seqno);
        Ok(self.segment_rows().into_iter().find(holds))
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        let leaves = self.leaves(TreeId::Segment(segment));
        Ok((0..).zip(leaves).find(|(_, (leaf, _))| *leaf == seqno).map(|(index, _)| index))
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        Ok(self.rows(|record| match record {
            OwnedRecord::Signature(row) if row.of == of => Some(row.clone()),
            _ => None,
        }))
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        Ok(self.rows(|record| match record {
            OwnedRecord::DataKey(row) if row.stream == stream => Some(row.clone()),
            _ => None,
        }))
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        let rows = self.rows(|record| match record {
            OwnedRecord::Witness(row) => Some(row.clone()),
            _ => None,
        });
        let numbered = (1..).zip(rows).map(|(number, row)| NumberedWitness { number, row });
        let mut rows: Vec<NumberedWitness> =
            numbered.filter(|row| below.is_none_or(|below| row.number < below)).collect();
        rows.reverse();
        rows.truncate(limit as usize);
        Ok(rows)
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let page = max_bytes / 256 + 1;
        let mut at = cursor;
        for record in self.records.iter().skip(cursor as usize).take(page) {
            visit(record.as_record());
            at += 1;
        }
        Ok((at < self.records.len() as u64).then_some(at))
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        if !self.records.is_empty() {
            let mut heads = self.head_rows();
            heads.reverse();
            return Err(StoreError::Conflict { heads });
        }
        if after == 0 {
            self.loading.clear();
        }
        if self.loading.len() as u64 != after {
            let detail = format!("{} records are here", self.loading.len());
            return Err(StoreError::Io { operation: "go on with a load".into(), detail });
        }
        self.loading.extend(rows.records().map(OwnedRecord::from));
        if done {
            self.records = core::mem::take(&mut self.loading);
            self.rebuild();
        }
        Ok(())
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        let mut pruned = 0;
        for record in &mut self.records {
            let OwnedRecord::Entry { seqno, stream: name, hash, bytes } = record else { continue };
            let entry = EntryRef::decode(bytes)
                .map_err(|e| StoreError::Corrupt { at: format!("seqno {seqno}"), detail: e.to_string() })?;
            let goes = |(stream, last): &(&str, u64)| stream == name && *seqno <= *last;
            if up_to.iter().any(goes) && !entry.is_control() {
                *record = OwnedRecord::Pruned { seqno: *seqno, stream: name.clone(), hash: *hash };
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.records.retain(|record| !matches!(record, OwnedRecord::DataKey(row) if ids.contains(&row.id)));
        Ok(())
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        for record in &mut self.records {
            if let OwnedRecord::DataKey(row) = record
                && let Some(anew) = rows.iter().find(|anew| (anew.id, &anew.stream) == (row.id, &row.stream))
            {
                *row = anew.clone();
            }
        }
        Ok(())
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.records.retain(|record| !matches!(record, OwnedRecord::Witness(row) if rows.contains(row)));
        Ok(())
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        let heads = (0..).zip(&self.records).filter(|(_, record)| matches!(record, OwnedRecord::Head(_)));
        let Some((index, _)) = (1..).zip(heads).find(|(number, _)| *number == after_head).map(|(_, head)| head) else {
            let detail = format!("there is no head {after_head}");
            return Err(StoreError::Io { operation: "set records aside".into(), detail });
        };
        self.records.truncate(index + 1);
        self.rebuild();
        Ok("forgotten".into())
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.rebuild();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store_conformance!(|| {
        let place = crate::SharedStore::new(NaiveStore::new());
        move || place.clone()
    });
}
