//! Pages of a query with what a client needs who trusts a key of the log and nobody else (docs/query.md).

use std::collections::VecDeque;

use crate::engine::SecureLog;
use crate::engine::proof::{Checked, subtree_roots};
use crate::engine::querying::{Left, PAGE_BYTES};
use crate::engine::read::MAX_PAGE;
use crate::entry::Entry;
use crate::error::LogError;
use crate::hash::Hash;
use crate::note::Note;
use crate::proof::{MAX_PAGE_ROWS, PageProof, PageRow};
use crate::query::{Cursor, Query, Scope};
use crate::record::{HeadRow, LogRow, StreamRow};
use crate::store::{SecureLogStore, TreeId};
use crate::tree::many::{root_with, without};

/// A page of a query that can be checked without the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenPage {
    /// The rows, and what shows them.
    pub proof: PageProof,
    /// With which the query goes on; `None` where all was looked at.
    pub next: Option<Cursor>,
}

/// A row, with its seqno and hash.
struct Row {
    seqno: u64,
    hash: Hash,
    row: PageRow,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// A page of a query, under the newest signed head, with what [`PageProof::verify`] checks. What is appended behind that head
    /// is not looked at.
    ///
    /// Of a whole range of seqnos, or a whole stream, it has the pruned entries, too, which is how it shows that none was left
    /// out; and these count as rows.
    pub fn query_proven(&mut self, query: &Query) -> Result<ProvenPage, LogError> {
        query.check()?;
        self.reading(|log| log.query_proven_once(query))
    }

    fn query_proven_once(&mut self, query: &Query) -> Result<ProvenPage, LogError> {
        let head = self.newest_signed()?;
        let mut left = self.begin(query, head.size)?;
        let mut stream = None;
        let rows = match query.filter.scope() {
            Scope::Rows => self.rows_found(query, &mut left)?,
            Scope::Range => self.rows_of_range(query, &mut left)?,
            Scope::Stream(name) => match self.existing_tip(name).map(|tip| tip.row.clone()) {
                Ok(row) => {
                    let rows = self.rows_of_stream(name, query, &mut left)?;
                    stream = Some((self.log.clone(), row));
                    rows
                }
                Err(LogError::StreamNotFound(_)) => {
                    left.range = None;
                    Vec::new()
                }
                Err(error) => return Err(error),
            },
        };
        let next = self.cursor(query, &left);
        Ok(ProvenPage { proof: self.page_proof(&head, stream, rows)?, next })
    }

    fn rows_found(&mut self, query: &Query, left: &mut Left) -> Result<Vec<Row>, LogError> {
        let mut found = self.search(query, left)?;
        if query.newest_first {
            found.reverse();
        }
        let row = |(entry, hash): (Entry, Hash)| {
            let bytes = entry.as_ref().encode();
            Row { seqno: entry.seqno, hash, row: PageRow::Entry { hash, bytes } }
        };
        Ok(found.into_iter().map(row).collect())
    }

    fn rows_of_range(&mut self, query: &Query, left: &mut Left) -> Result<Vec<Row>, LogError> {
        let Some((from, to)) = left.range else { return Ok(Vec::new()) };
        let more = u64::from(query.limit.min(MAX_PAGE)) - 1;
        if query.newest_first {
            let (rows, _) = self.last_rows(None, to.saturating_sub(more).max(from), to)?;
            left.range = rows.first().and_then(|row| before(row.seqno, from));
            return Ok(rows);
        }
        let last = from.saturating_add(more).min(to);
        let rows = self.first_rows(None, from, last, usize::MAX)?;
        left.range = rows.last().and_then(|row| behind(row.seqno, to));
        Ok(rows)
    }

    fn rows_of_stream(&mut self, name: &str, query: &Query, left: &mut Left) -> Result<Vec<Row>, LogError> {
        let Some((from, to)) = left.range else { return Ok(Vec::new()) };
        if query.newest_first {
            // Where as many of its entries begin as are wanted; those that are pruned stand between them.
            let mut found = Left { range: left.range, size: left.size };
            let last = self.search(query, &mut found)?.last().map(|(entry, _)| entry.seqno);
            let first = found.range.map_or(from, |(_, next)| last.unwrap_or(next + 1));
            let (rows, cut) = self.last_rows(Some(name), first, to)?;
            let start = self.store.stream(name)?.and_then(|state| state.first);
            left.range = match rows.first() {
                Some(row) if Some(row.seqno) == start => None,
                Some(row) if cut || found.range.is_some() => before(row.seqno, from),
                Some(_) => None,
                None => found.range,
            };
            return Ok(rows);
        }
        let limit = query.limit.min(MAX_PAGE) as usize;
        let rows = self.first_rows(Some(name), from, to, limit)?;
        let last = self.existing_tip(name)?.last.unwrap_or(0).min(to);
        left.range = rows.last().filter(|row| row.seqno < last).and_then(|row| behind(row.seqno, to));
        Ok(rows)
    }

    /// Rows from the first one on, as many as a page holds.
    fn first_rows(&mut self, stream: Option<&str>, from: u64, to: u64, limit: usize) -> Result<Vec<Row>, LogError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        self.walk(stream, from, to, |seqno, stream, checked| {
            let row = row_of(seqno, stream, checked);
            bytes += weight(&row);
            rows.push(row);
            Ok(rows.len() < limit.min(MAX_PAGE_ROWS) && bytes < PAGE_BYTES)
        })?;
        Ok(rows)
    }

    /// Rows up to the last one, as many as a page holds, and whether others stand before them.
    fn last_rows(&mut self, stream: Option<&str>, from: u64, to: u64) -> Result<(Vec<Row>, bool), LogError> {
        let (mut rows, mut bytes, mut cut) = (VecDeque::new(), 0, false);
        self.walk(stream, from, to, |seqno, stream, checked| {
            let row = row_of(seqno, stream, checked);
            bytes += weight(&row);
            rows.push_back(row);
            while rows.len() > MAX_PAGE_ROWS || (bytes > PAGE_BYTES && rows.len() > 1) {
                bytes -= rows.pop_front().map_or(0, |row| weight(&row));
                cut = true;
            }
            Ok(true)
        })?;
        Ok((rows.into(), cut))
    }

    /// Proves rows, which ascend, under a head.
    fn page_proof(
        &mut self,
        head: &HeadRow,
        stream: Option<(LogRow, StreamRow)>,
        rows: Vec<Row>,
    ) -> Result<PageProof, LogError> {
        let leaves: Vec<(u64, Hash)> = rows.iter().map(|row| (row.seqno - 1, row.hash)).collect();
        let hashes = self.hashes_beside(head.size, &leaves)?;
        if root_with(head.size, &leaves, hashes.clone()) != Some(head.root) {
            // One by one it is found which is wrong.
            self.prove_entries(rows.iter().map(|row| (row.seqno, row.hash)))?;
            return Err(LogError::Fork { expected: head.size, found: head.size });
        }
        let rows = rows.into_iter().map(|row| row.row).collect();
        Ok(PageProof { stream, rows, hashes, note: Note::of_head(&self.log.origin, head) })
    }

    /// The roots of the subtrees of the tree of this size that hold none of these leaves, for a test that plays the attacker, too.
    #[doc(hidden)]
    pub fn hashes_beside(&mut self, size: u64, leaves: &[(u64, Hash)]) -> Result<Vec<Hash>, LogError> {
        subtree_roots(&mut self.store, TreeId::Log, &without(size, leaves))
    }
}

fn before(seqno: u64, from: u64) -> Option<(u64, u64)> {
    (seqno > from).then(|| (from, seqno - 1))
}

fn behind(seqno: u64, to: u64) -> Option<(u64, u64)> {
    (seqno < to).then(|| (seqno + 1, to))
}

fn row_of(seqno: u64, stream: &str, checked: Checked<'_>) -> Row {
    match checked {
        Checked::Entry(entry, hash) => Row { seqno, hash, row: PageRow::Entry { hash, bytes: entry.encode() } },
        Checked::Pruned(hash) => Row { seqno, hash, row: PageRow::Pruned { seqno, stream: stream.into(), hash } },
    }
}

fn weight(row: &Row) -> usize {
    match &row.row {
        PageRow::Entry { bytes, .. } => bytes.len(),
        PageRow::Pruned { .. } => 64,
    }
}
