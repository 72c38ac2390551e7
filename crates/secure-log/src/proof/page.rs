//! A page of a query, and checking it without the log (docs/query.md).
//!
//! Its rows are leaves of the log tree under one signed head, and what stands beside them in the tree is named once for all of
//! them. Of a range of seqnos no leaf may be missing; in a stream each entry names the one before it; and of whatever else was asked
//! it is said that it cannot be shown that nothing was left out.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::entry::{Entry, EntryRef};
use crate::hash::Hash;
use crate::jsonl::{parse_line, write_record};
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::note::{MAX_NOTE_BYTES, Note};
use crate::proof::head::verify_head;
use crate::proof::{PageFault, Refused, VerifiedHead};
use crate::query::{Filter, Scope};
use crate::record::{EntryRow, LogRow, PrunedRow, Record, StreamRow};
use crate::tree::many;
use crate::verify::Trust;

/// Rows of a page that is checked, at most: those of a page of 1,000 entries, and as many that were pruned.
pub const MAX_PAGE_ROWS: usize = 2000;

/// The longest page that is read: entries of two of the largest payloads in base64, and 8 MiB for all else.
pub const MAX_PAGE_BYTES: usize = 2 * (MAX_PAYLOAD_BYTES / 3 * 4) + MAX_NOTE_BYTES + (8 << 20);

const FIRST_LINE: &str = "secure-log/query-page@v1";

/// A page of a query, as somebody offers it: nothing in it is checked before [`PageProof::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageProof {
    /// Of a page of a whole stream: the log and the stream, which the first entry of the stream is bound to.
    pub stream: Option<(LogRow, StreamRow)>,
    /// What was found, by seqno, ascending, whatever the order of the query is.
    pub rows: Vec<PageRow>,
    /// The roots of the subtrees of the log tree that hold none of the rows, from left to right.
    pub hashes: Vec<Hash>,
    /// The head that all of it is under.
    pub note: Note,
}

/// A row of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRow {
    /// An entry.
    Entry {
        /// Its hash.
        hash: Hash,
        /// Its canonical bytes.
        bytes: Vec<u8>,
    },
    /// An entry was here. Only its hash is left.
    Pruned {
        /// Its place.
        seqno: u64,
        /// The stream that it is said to be of.
        stream: String,
        /// Its hash.
        hash: Hash,
    },
}

/// What a page shows of the entries that are not on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// These are all entries of the log from `first` to `last`.
    Range {
        /// The first seqno of the page.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Between `first` and `last` the stream has no other entry. Whether it has later ones than the last of all pages is not said.
    Stream {
        /// The first seqno of the page.
        first: u64,
        /// The last one.
        last: u64,
        /// The first one is the first entry of the stream.
        from_start: bool,
    },
    /// Every row is what was asked for. Others may have been left out.
    Rows,
}

/// A page whose rows stand under a head that a known key of the log signed. Only [`PageProof::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPage {
    entries: Vec<(Entry, Hash)>,
    pruned: Vec<(u64, Hash)>,
    shown: Shown,
    head: VerifiedHead,
    /// What the first row names as the one before it; `None` where it was pruned.
    first_prev: Option<Hash>,
    last_hash: Option<Hash>,
}

impl VerifiedPage {
    /// The entries, by seqno, each with its hash.
    pub fn entries(&self) -> &[(Entry, Hash)] {
        &self.entries
    }

    /// Where an entry was that the log says is pruned: its seqno and its hash, under the head like all others. What it said, and
    /// whether it was rightly pruned, nothing here shows: hold it against the records of what was pruned.
    pub fn pruned(&self) -> &[(u64, Hash)] {
        &self.pruned
    }

    /// What it shows of the entries that are not on it.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The head.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }
}

/// What a client asked, which decides what a page has to show.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which entries.
    pub filter: &'a Filter,
    /// The newest entry comes first.
    pub newest_first: bool,
    /// The page before this one, where it is not the first: this one has to begin where that one ended.
    pub after: Option<&'a VerifiedPage>,
}

impl PageProof {
    /// Checks that a known key of the log signed the head, that every row stands at its place under it, that every entry is one that
    /// was asked for, and that none is there twice; and, for a whole range or stream, that none was left out, neither within the
    /// page nor before it. Where `trust` names a quorum of witnesses, that quorum has cosigned the head.
    ///
    /// That a range was read to its end a client sees from [`VerifiedPage::shown`].
    pub fn verify(&self, asked: &Asked<'_>, trust: &Trust) -> Result<VerifiedPage, Refused> {
        let head = verify_head(&self.note.to_string(), trust)?;
        let rows = self.checked_rows(asked.filter, trust)?;
        let leaves: Vec<(u64, Hash)> = rows.iter().map(|row| (row.seqno.wrapping_sub(1), row.hash)).collect();
        if !leaves.is_sorted_by(|a, b| a.0 < b.0) || leaves.first().is_some_and(|(index, _)| *index >= head.size()) {
            return Err(Refused::Page(PageFault::OutOfOrder));
        }
        if many::root_with(head.size(), &leaves, self.hashes.clone()) != Some(*head.root()) {
            return Err(Refused::Page(PageFault::NotUnderHead));
        }
        if asked.after.is_some_and(|after| !follows(&rows, after, asked.newest_first)) {
            return Err(Refused::Page(PageFault::Elsewhere));
        }
        let shown = match asked.filter.scope() {
            Scope::Range => shown_of_range(&rows, asked, head.size())?,
            Scope::Stream(name) => self.shown_of_stream(name, &rows, asked)?,
            Scope::Rows => {
                check_no_pruned(&rows)?;
                Shown::Rows
            }
        };
        let (first_prev, last_hash) = (rows.first().and_then(|row| row.prev), rows.last().map(|row| row.hash));
        let (mut entries, mut pruned) = (Vec::new(), Vec::new());
        for row in rows {
            match row.entry {
                Some(entry) => entries.push((entry, row.hash)),
                None => pruned.push((row.seqno, row.hash)),
            }
        }
        Ok(VerifiedPage { entries, pruned, shown, head, first_prev, last_hash })
    }

    fn checked_rows(&self, filter: &Filter, trust: &Trust) -> Result<Vec<Checked>, Refused> {
        if self.rows.len() > MAX_PAGE_ROWS {
            return Err(Refused::TooLarge { limit: MAX_PAGE_ROWS, found: self.rows.len() });
        }
        self.rows.iter().map(|row| Checked::of(row, filter, trust)).collect()
    }

    /// Each entry names the one before it, and the first one what the stream's rules are bound to.
    fn shown_of_stream(&self, name: &str, rows: &[Checked], asked: &Asked<'_>) -> Result<Shown, Refused> {
        if rows.iter().any(|row| row.stream != name) {
            return Err(Refused::Page(PageFault::NotAsked));
        }
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Shown::Rows) };
        let start = match &self.stream {
            Some((log, stream)) if stream.name == name => stream.policy_hash(log),
            _ => return Err(Refused::Page(PageFault::NoRules)),
        };
        let mut whole = true;
        let mut link = |prev: Option<Hash>, before: Option<Hash>| match (prev, before) {
            (Some(prev), Some(before)) if prev != before => Err(Refused::Page(PageFault::LeftOut)),
            (Some(_), Some(_)) => Ok(()),
            // What was pruned does not say what stood before it.
            _ => {
                whole = false;
                Ok(())
            }
        };
        rows.windows(2).try_for_each(|pair| link(pair[1].prev, Some(pair[0].hash)))?;
        match asked.after {
            Some(after) if asked.newest_first => link(after.first_prev, Some(last.hash))?,
            Some(after) => link(first.prev, after.last_hash)?,
            None if asked.newest_first => {}
            None => link(first.prev, Some(start))?,
        }
        let from_start = first.prev == Some(start);
        let shown = Shown::Stream { first: first.seqno, last: last.seqno, from_start };
        Ok(if whole { shown } else { Shown::Rows })
    }

    /// Reads the text of a page in its one spelling.
    pub fn parse(text: &str) -> Result<PageProof, Refused> {
        if text.len() > MAX_PAGE_BYTES {
            return Err(Refused::TooLarge { limit: MAX_PAGE_BYTES, found: text.len() });
        }
        let malformed = Refused::Malformed;
        let (body, note) = text.split_once("\n\n").ok_or(malformed("no blank line stands before the head"))?;
        let mut lines = body.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("the first line is not that of a page"));
        }
        let mut page = PageProof { stream: None, rows: Vec::new(), hashes: Vec::new(), note: Note::parse(note)? };
        let (mut log, mut scratch) = (None, Vec::new());
        for line in lines {
            if let Some(hash) = line.strip_prefix("hash ") {
                let hash = BASE64.decode(hash).ok().and_then(|bytes| Hash::try_from(&bytes[..]).ok());
                page.hashes.push(hash.ok_or(malformed("a line is not a hash in base64"))?);
                continue;
            }
            let line = parse_line(line.as_bytes()).map_err(|_| malformed("a line is neither a record nor a hash"))?;
            match line.record(&mut scratch).map_err(|_| malformed("a line is a record that cannot be one"))? {
                Record::Log(row) => log = Some(row.clone()),
                Record::Stream(row) => {
                    let log = log.take().ok_or(malformed("no log stands before the stream"))?;
                    page.stream = Some((log, row.clone()));
                }
                Record::Entry(row) => page.rows.push(PageRow::Entry { hash: row.hash, bytes: row.bytes.into() }),
                Record::Pruned(PrunedRow { seqno, stream, hash }) => {
                    page.rows.push(PageRow::Pruned { seqno, stream: stream.into(), hash });
                }
                _ => return Err(malformed("a line is a record that no page has")),
            }
            if page.rows.len() > MAX_PAGE_ROWS {
                return Err(Refused::TooLarge { limit: MAX_PAGE_ROWS, found: page.rows.len() });
            }
        }
        if page.to_string() == text { Ok(page) } else { Err(malformed("not in the one spelling of a page")) }
    }
}

impl fmt::Display for PageProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        let mut lines = Vec::new();
        let mut put = |record: Record<'_>| write_record(&record, &mut lines).map_err(|_| fmt::Error);
        if let Some((log, stream)) = &self.stream {
            put(Record::Log(log))?;
            put(Record::Stream(stream))?;
        }
        for row in &self.rows {
            match row {
                PageRow::Entry { hash, bytes } => {
                    let entry = EntryRef::decode(bytes).map_err(|_| fmt::Error)?;
                    put(Record::Entry(EntryRow { seqno: entry.seqno, stream: entry.stream, hash: *hash, bytes }))?;
                }
                PageRow::Pruned { seqno, stream, hash } => {
                    put(Record::Pruned(PrunedRow { seqno: *seqno, stream, hash: *hash }))?;
                }
            }
        }
        f.write_str(core::str::from_utf8(&lines).map_err(|_| fmt::Error)?)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "hash {}", BASE64.encode(hash.0)))?;
        write!(f, "\n{}", self.note)
    }
}

/// A row whose hash is that of its content, if it has one.
struct Checked {
    seqno: u64,
    stream: String,
    hash: Hash,
    /// What the entry names as the one before it.
    prev: Option<Hash>,
    /// `None` where it was pruned.
    entry: Option<Entry>,
}

impl Checked {
    fn of(row: &PageRow, filter: &Filter, trust: &Trust) -> Result<Checked, Refused> {
        match row {
            PageRow::Pruned { seqno, stream, hash } => {
                Ok(Checked { seqno: *seqno, stream: stream.clone(), hash: *hash, prev: None, entry: None })
            }
            PageRow::Entry { hash, bytes } => {
                let entry = EntryRef::decode(bytes).map_err(|_| Refused::Malformed("a row of the page is no entry"))?;
                check_hash(entry.version, bytes, hash, trust)?;
                if !filter.matches(&entry) {
                    return Err(Refused::Page(PageFault::NotAsked));
                }
                let entry = entry.to_entry();
                let (seqno, stream, prev) = (entry.seqno, entry.stream.clone(), Some(entry.prev));
                Ok(Checked { seqno, stream, hash: *hash, prev, entry: Some(entry) })
            }
        }
    }
}

fn check_hash(version: u64, bytes: &[u8], hash: &Hash, trust: &Trust) -> Result<(), Refused> {
    let right = match version {
        1 => Hash::sha256(bytes) == *hash,
        2 => blake3::hash(bytes) == hash.0,
        3 => {
            for keyed in trust.keyed_hashes(bytes) {
                if keyed.map_err(Refused::Key)? == hash.0 {
                    return Ok(());
                }
            }
            return Err(Refused::MacKeyMissing);
        }
        version => return Err(Refused::UnknownSuite(version)),
    };
    if right { Ok(()) } else { Err(Refused::Page(PageFault::NotUnderHead)) }
}

fn check_no_pruned(rows: &[Checked]) -> Result<(), Refused> {
    // What is gone matches nothing.
    if rows.iter().all(|row| row.entry.is_some()) { Ok(()) } else { Err(Refused::Page(PageFault::NotAsked)) }
}

/// No seqno is missing between the first and the last one, and the first page begins where the range does.
fn shown_of_range(rows: &[Checked], asked: &Asked<'_>, size: u64) -> Result<Shown, Refused> {
    let (from, to) = (asked.filter.from.unwrap_or(1).max(1), asked.filter.to.unwrap_or(u64::MAX).min(size));
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        // A page has at least one row, unless there is nothing to be on it.
        return if from > to { Ok(Shown::Rows) } else { Err(Refused::Page(PageFault::LeftOut)) };
    };
    let (first, last) = (first.seqno, last.seqno);
    if first < from || last > to {
        return Err(Refused::Page(PageFault::NotAsked));
    }
    let begins = match (asked.after, asked.newest_first) {
        // Held against the page before this one.
        (Some(_), _) => true,
        (None, true) => last == to,
        (None, false) => first == from,
    };
    if !begins || last - first + 1 != rows.len() as u64 {
        return Err(Refused::Page(PageFault::LeftOut));
    }
    Ok(Shown::Range { first, last })
}

/// Whether the rows are further on than those of the page before, and of a range right behind them.
fn follows(rows: &[Checked], after: &VerifiedPage, newest_first: bool) -> bool {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return true };
    let ends = |page: &VerifiedPage| {
        let seqnos = page.entries.iter().map(|(entry, _)| entry.seqno).chain(page.pruned.iter().map(|row| row.0));
        Some((seqnos.clone().min()?, seqnos.max()?))
    };
    match (&after.shown, ends(after)) {
        (Shown::Range { first: before, .. }, _) if newest_first => last.seqno.checked_add(1) == Some(*before),
        (Shown::Range { last: before, .. }, _) => before.checked_add(1) == Some(first.seqno),
        (_, None) => true,
        (_, Some((before, _))) if newest_first => last.seqno < before,
        (_, Some((_, before))) => before < first.seqno,
    }
}
