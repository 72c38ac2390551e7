//! Adding lines to the index: those of a commit, and those that are found in the log.

use secure_log::hash::Hash;
use secure_log::index::{self, IndexRow};
use secure_log::jsonl::{EntryFacts, Line};
use secure_log::store::{Node, NodeId, STORED_LEVEL, TreeId};
use secure_log::tree::{CompactTree, frontier, leaf_hash};

use super::rows::{EntryAt, HeadAt, Linked, SegmentAt, SegmentNow, StreamNow, Waypoint, WitnessAt};
use super::{BLOCK, Index, Item, Trouble, node_count, node_place};
use crate::disk::DiskFile;
use crate::reader::{PAGE, Reader, Span};

impl<F: DiskFile> Index<F> {
    /// Adds the line at `line`. `reader` reads earlier ones, when the name of a stream has to be compared.
    pub(crate) fn add<G: DiskFile>(
        &mut self,
        item: &Item<'_>,
        line: Span,
        reader: &mut Reader<G>,
    ) -> Result<(), Trouble> {
        match *item {
            Item::Entry(facts) => self.add_entry(&facts, line, reader)?,
            Item::Pruned { stream } => {
                self.place_entry(stream, false, line, reader)?;
                self.blocks.push_pruned(&self.state.salt);
            }
            Item::Head => {
                self.heads.push(HeadAt { line });
                self.covered = line.end();
            }
            Item::Stream(name) => match self.stream_number(name, reader)? {
                Some(number) => self.change_stream(number)?.row = line.offset,
                None => {
                    let number = self.streams.push(StreamNow { row: line.offset, ..StreamNow::default() });
                    self.names.add(name, number, &self.state.salt);
                    self.last_name.1 = 0;
                }
            },
            Item::DataKey { stream } => {
                if let Some(number) = self.stream_number(stream, reader)? {
                    let previous = self.stream(number)?.last_data_key;
                    self.data_keys.push(Linked { line, previous });
                    self.change_stream(number)?.last_data_key = self.data_keys.len();
                }
            }
            Item::Segment { stream, first, last } => {
                let number = self.stream_number(stream, reader)?.unwrap_or(0);
                self.add_segment(number, first, last, line)?;
            }
            Item::SegmentSignature(id) => {
                if (1..=self.segments.len()).contains(&id) {
                    let state = self.state;
                    let cell = self.segment_cells.change(id, &state.salt, state.epoch)?;
                    self.signatures.push(Linked { line, previous: cell.last_signature });
                    cell.last_signature = self.signatures.len();
                }
            }
            Item::Witness => {
                self.witnesses.push(WitnessAt { line });
            }
            Item::Unknown => {
                if self.first_unknown().is_none() {
                    self.unknown = line;
                }
            }
            Item::Other => {}
        }
        Ok(())
    }

    /// Adds the entry whose line stands at `line`.
    pub(crate) fn add_entry<G: DiskFile>(
        &mut self,
        facts: &EntryFacts<'_>,
        line: Span,
        reader: &mut Reader<G>,
    ) -> Result<(), Trouble> {
        let is_same = self.blocks.stays_in(facts.stream);
        self.place_entry(facts.stream, is_same, line, reader)?;
        self.blocks.push(facts, &self.state.salt);
        Ok(())
    }

    #[inline]
    fn place_entry<G: DiskFile>(
        &mut self,
        stream: &str,
        is_same: bool,
        line: Span,
        reader: &mut Reader<G>,
    ) -> Result<(), Trouble> {
        if self.last_name.1 == 0 || !(is_same || self.last_name.0 == stream) {
            let number = self.stream_number(stream, reader)?.unwrap_or(0);
            self.last_name.0.clear();
            self.last_name.0.push_str(stream);
            self.last_name.1 = number;
        }
        let number = self.last_name.1;
        let seqno = self.entries.len() + 1;
        if number == 0 {
            // No record made its stream: it is found by its seqno alone.
            self.entries.push(EntryAt { line, stream: 0, previous: 0, ordinal: 0 });
            return Ok(());
        }
        let now = self.change_stream(number)?;
        let (previous, ordinal) = (now.last, now.count);
        if previous == 0 {
            now.first = seqno;
        }
        now.last = seqno;
        now.count += 1;
        let stream = u32::try_from(number).map_err(|_| Trouble::Index)?;
        self.entries.push(EntryAt { line, stream, previous, ordinal });
        if ordinal % BLOCK == BLOCK - 1 {
            let before = self.stream(number)?.last_waypoint;
            let link = self.waypoints.link_behind(before)?;
            self.waypoints.push(Waypoint { seqno, link });
            self.change_stream(number)?.last_waypoint = self.waypoints.len();
        }
        Ok(())
    }

    fn add_segment(&mut self, number: u64, first: u64, last: u64, line: Span) -> Result<(), Trouble> {
        let (mut first_ordinal, mut leaves) = (0, 0);
        if number != 0 && 0 < first && first <= last && last <= self.entries.len() {
            let (from, to) = (self.entry(first)?, self.entry(last)?);
            if u64::from(from.stream) == number && u64::from(to.stream) == number {
                (first_ordinal, leaves) = (from.ordinal, to.ordinal - from.ordinal + 1);
            }
        }
        let before = if number == 0 { 0 } else { self.stream(number)?.last_segment };
        let link = self.segments.link_behind(before)?;
        let nodes = self.segment_nodes.len();
        let stream = u32::try_from(number).map_err(|_| Trouble::Index)?;
        self.segments.push(SegmentAt { line, stream, link, first, last, first_ordinal, leaves, nodes });
        self.segment_cells.push(SegmentNow::default());
        self.segment_nodes.extend_to(nodes + node_count(leaves), Hash::ZERO);
        if number != 0 {
            self.change_stream(number)?.last_segment = self.segments.len();
        }
        Ok(())
    }

    fn change_stream(&mut self, number: u64) -> Result<&mut StreamNow, Trouble> {
        self.streams.change(number, &self.state.salt, self.state.epoch)
    }

    /// Adds the interior hashes of a commit whose lines were added. Where one is missing, none is kept in its place.
    pub(crate) fn add_nodes(&mut self, nodes: &[Node]) -> Result<(), Trouble> {
        self.nodes.extend_to(node_count(self.entries.len()), Hash::ZERO);
        for node in nodes {
            let Some(place) = node_place(node.id.level, node.id.index) else { continue };
            match node.id.tree {
                TreeId::Log => self.nodes.set(place, node.hash),
                TreeId::Segment(id) => {
                    if let Some(segment) = self.segment(id)?.filter(|segment| place < node_count(segment.leaves)) {
                        self.segment_nodes.set(segment.nodes + place, node.hash);
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the rows by key of a commit whose lines were added.
    pub(crate) fn add_rows(&mut self, rows: &[IndexRow]) {
        rows.iter().for_each(|row| self.by_key.push(*row));
    }

    /// Reads on in the log, which ends at `end`, until the end of a commit after about `max_entries`.
    pub(crate) fn read_on(&mut self, file: &F, end: u64, max_entries: u64) -> Result<(), Trouble> {
        let (mut lines, mut others) = (Reader::new(file), Reader::new(file));
        let mut tree = self.log_tree(&mut others)?;
        let enough = self.entries.len() + max_entries;
        let mut at = self.covered;
        while at < end {
            let (span, line) = lines.line(at, end, PAGE)?;
            let hash = match &line {
                Line::Entry(line) => Some(line.hash),
                Line::Pruned(line) => Some(line.hash),
                _ => None,
            };
            self.add(&Item::of_line(&line), span, &mut others)?;
            if let Line::Entry(line) = &line {
                let seqno = self.entries.len();
                let keys = index::keys(&line.encoding, &line.payload);
                keys.for_each(|key| self.by_key.push(IndexRow { key, seqno }));
            }
            if let Some(hash) = hash {
                tree.push_with(leaf_hash(&hash), |subtree, hash| {
                    if subtree.level >= STORED_LEVEL {
                        self.nodes.push(*hash);
                    }
                });
            }
            if let Line::Segment(_) = line {
                self.hash_segment(self.segments.len(), &mut others)?;
            }
            at = span.end();
            if at == self.covered && self.entries.len() >= enough {
                break;
            }
        }
        Ok(())
    }

    /// The log tree over the entries so far.
    fn log_tree<G: DiskFile>(&mut self, reader: &mut Reader<G>) -> Result<CompactTree, Trouble> {
        let size = self.entries.len();
        let mut roots = Vec::new();
        for subtree in frontier(size) {
            let id = NodeId { tree: TreeId::Log, level: subtree.level, index: subtree.index };
            let root = if subtree.level >= STORED_LEVEL {
                self.node(id)?.ok_or(Trouble::Index)?
            } else {
                let first = subtree.index << subtree.level;
                let mut tree = CompactTree::new();
                for leaf in first..first + (1 << subtree.level) {
                    let line = self.entry(leaf + 1)?.line;
                    tree.push(leaf_hash(&reader.entry_hash(line, line.end())?));
                }
                tree.root()
            };
            roots.push(root);
        }
        CompactTree::from_frontier(size, roots).ok_or(Trouble::Index)
    }

    /// Computes the interior hashes of the segment that was just added.
    fn hash_segment<G: DiskFile>(&mut self, id: u64, reader: &mut Reader<G>) -> Result<(), Trouble> {
        let segment = self.segments.at(id)?;
        if segment.leaves == 0 {
            return Ok(());
        }
        let stream = self.stream(u64::from(segment.stream))?;
        let mut tree = CompactTree::new();
        let mut place = segment.nodes;
        while tree.size() < segment.leaves {
            let done = segment.first_ordinal + tree.size();
            let seqnos = self.seqnos(&stream, done..segment.first_ordinal + segment.leaves)?;
            if seqnos.is_empty() {
                return Err(Trouble::Index);
            }
            for seqno in seqnos {
                let line = self.entry(seqno)?.line;
                let leaf = leaf_hash(&reader.entry_hash(line, line.end())?);
                tree.push_with(leaf, |subtree, hash| {
                    if subtree.level >= STORED_LEVEL {
                        self.segment_nodes.set(place, *hash);
                        place += 1;
                    }
                });
            }
        }
        Ok(())
    }
}
