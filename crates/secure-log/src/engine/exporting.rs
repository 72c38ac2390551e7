//! Giving entries out in the forms that other programs read (docs/export.md).
//!
//! The log's own lines are given out as the store has them, as who receives them verifies them. What of the other forms is
//! given out was re-hashed, and at the end of an export it is shown that the store left nothing out.

use std::collections::HashMap;
use std::io::Write;

use crate::engine::SecureLog;
use crate::engine::data_keys::StreamKeys;
use crate::engine::evidence::{Evidence, EvidenceOf, FIRST_ROWS, next_limit};
use crate::engine::proof::{Checked, check_row, prove_consistency, stored_tree, with_reindex};
use crate::engine::sealing::Opened;
use crate::entry::EntryRef;
use crate::error::LogError;
use crate::export::{Content, ExportFailure, ExportOptions, ExportRow, Exported, Format, PageWriter};
use crate::hash::Hash;
use crate::jsonl::{HEAD_PREFIX, Line, parse_line};
use crate::limits::Invalid;
use crate::store::{SecureLogStore, StoreError};
use crate::tree::{CompactTree, leaf_hash};

/// How much of the log's own lines is held in memory at once.
const PAGE_BYTES: usize = 1 << 20;

/// Streams of which is remembered what an export needs to know; of more it is looked up again.
const MAX_STREAMS: usize = 1024;

/// An export in the making, page after page, up to where the log ended when it was begun.
#[derive(Debug)]
pub struct Export {
    options: ExportOptions,
    step: Step,
    exported: Exported,
}

#[derive(Debug)]
enum Step {
    /// The log's own lines from a cursor of the store on, up to this many heads.
    Lines { cursor: u64, heads: u64 },
    /// A part of the log in its own lines.
    Evidence(Box<Evidence>),
    /// Rows.
    Rows(Box<Rows>),
    /// There is no more.
    Done,
    /// What was found to be wrong, which is answered from then on.
    Refused(LogError),
}

/// Where an export of rows has got to.
#[derive(Clone, Debug)]
struct Rows {
    /// Size and root of the head that it is under.
    head: (u64, Hash),
    next: u64,
    to: u64,
    limit: u32,
    begun: bool,
    shown: Shown,
    streams: HashMap<String, Seen>,
}

/// What shows that nothing was left out.
#[derive(Clone, Debug)]
enum Shown {
    /// The tree up to the last row: its root has to be one that the head continues.
    Tree(CompactTree),
    /// What the next row of the stream names, where that is known, and where the stream ended when the export was begun.
    Chain { prev: Option<Hash>, end: (u64, Hash) },
}

/// What is known of a stream.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// `prev` of its first entry.
    policy: Hash,
    /// Of its last entry that was seen.
    version: Option<u64>,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Begins an export. [`Export::next_page`] gives it out, and [`SecureLog::write_export`] does both.
    ///
    /// A part of the log in its own lines is an evidence bundle: a range, or a stream from its first entry on, under a signed
    /// head. Where that is not what was asked for, it is [`LogError::Invalid`].
    pub fn export(&mut self, options: &ExportOptions) -> Result<Export, LogError> {
        self.reading(|log| {
            let step = match options.format {
                Format::JsonLines => log.begin_lines(options)?,
                _ => log.begin_rows(options)?,
            };
            Ok(Export { options: options.clone(), step, exported: Exported::default() })
        })
    }

    /// Writes an export, in memory that its length does not change. `progress` is told after each page what was written so far.
    ///
    /// ```
    /// # #[cfg(feature = "system")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use secure_log::engine::{LogOptions, NewEntry, Providers, SecureLog};
    /// use secure_log::entry::Severity;
    /// use secure_log::export::{ExportOptions, Format};
    /// use secure_log::memory::MemoryStore;
    /// use secure_log::providers::NoKeys;
    ///
    /// let mut log = SecureLog::open(MemoryStore::new(), Providers::system(NoKeys), LogOptions::default())?;
    /// let entry = NewEntry {
    ///     stream: "door",
    ///     event: "opened",
    ///     severity: Severity::Info,
    ///     producer: "sensor",
    ///     encoding: "text",
    ///     payload: b"=HYPERLINK(\"http://example.org\")",
    /// };
    /// log.append(&entry)?;
    /// let mut rows = Vec::new();
    /// let exported = log.write_export(&ExportOptions::new(Format::Csv), &mut rows, |_| {})?;
    /// assert_eq!(exported.entries, 1);
    /// assert!(String::from_utf8(rows)?.contains("\"'=HYPERLINK("));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "system"))]
    /// # fn main() {}
    /// ```
    pub fn write_export(
        &mut self,
        options: &ExportOptions,
        out: &mut dyn Write,
        mut progress: impl FnMut(&Exported),
    ) -> Result<Exported, ExportFailure> {
        let mut export = self.export(options)?;
        while let Some(page) = export.next_page(self)? {
            out.write_all(&page).map_err(ExportFailure::Output)?;
            progress(&export.exported);
        }
        out.flush().map_err(ExportFailure::Output)?;
        Ok(export.exported)
    }

    fn begin_lines(&mut self, options: &ExportOptions) -> Result<Step, LogError> {
        let ExportOptions { stream, from, to, open, .. } = options;
        if *open {
            let detail = "the log's own lines hold what was hashed: sealed payloads stay sealed in them";
            return Err(Invalid::unusable("open", detail).into());
        }
        let size = self.accepted.head.size;
        let what = match stream {
            None if *from <= 1 && *to >= size => {
                return Ok(Step::Lines { cursor: 0, heads: self.newest_head()?.number });
            }
            None => EvidenceOf::Range((*from).max(1), (*to).min(size)),
            Some(stream) => {
                let last = self.existing_tip(stream)?.last;
                let first = self.store.stream(stream)?.and_then(|state| state.first);
                if first.is_some_and(|first| *from > first) {
                    let detail = "in the log's own lines a stream is exported from its first entry on";
                    return Err(Invalid::unusable("from", detail).into());
                }
                EvidenceOf::Stream(stream.clone(), last.filter(|last| to < last).map(|_| *to))
            }
        };
        Ok(Step::Evidence(Box::new(self.evidence(&what, None)?)))
    }

    fn begin_rows(&mut self, options: &ExportOptions) -> Result<Step, LogError> {
        let head = (self.accepted.head.size, self.accepted.head.root);
        let from = options.from.max(1);
        let (to, shown) = match &options.stream {
            Some(stream) => {
                let tip = self.existing_tip(stream)?;
                let (policy, end) = (tip.policy, (tip.last.unwrap_or(0), tip.prev));
                (options.to.min(end.0), Shown::Chain { prev: (from == 1).then_some(policy), end })
            }
            None => (options.to.min(head.0), Shown::Tree(self.tree_before(from.min(head.0 + 1), head)?)),
        };
        let streams = HashMap::new();
        Ok(Step::Rows(Box::new(Rows { head, next: from, to, limit: FIRST_ROWS, begun: false, shown, streams })))
    }

    /// The tree of everything before an entry, proven under a head.
    fn tree_before(&mut self, seqno: u64, (size, root): (u64, Hash)) -> Result<CompactTree, LogError> {
        with_reindex(&mut self.store, |store| {
            let tree = stored_tree(store, seqno - 1)?;
            prove_consistency(store, (seqno - 1, &tree.root()), (size, &root))?;
            Ok(tree)
        })
    }

    /// What was sealed in an entry; `None` where nothing is, or nobody opens it any more.
    fn opened(&mut self, entry: &EntryRef<'_>, keys: &mut StreamKeys) -> Result<Option<Opened>, LogError> {
        match self.open_entry(&entry.to_entry(), keys) {
            Ok(opened) => Ok(Some(opened)),
            Err(
                LogError::NotSealed(_)
                | LogError::PayloadErased(_)
                | LogError::DataKeyMissing(_)
                | LogError::NotImplemented(_),
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Export {
    /// What was given out so far.
    pub fn exported(&self) -> &Exported {
        &self.exported
    }

    /// The next part, about 1 MiB or one entry; `None` after the last. `log` is the log that it was begun with. What could not
    /// be read can be asked for again; what was found to be wrong is answered from then on, and what came before it is not to
    /// be used.
    pub fn next_page<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>) -> Result<Option<Vec<u8>>, LogError> {
        let page = match &mut self.step {
            Step::Done => return Ok(None),
            Step::Refused(error) => return Err(error.clone()),
            Step::Lines { cursor, heads } => match lines(log, *cursor, *heads, &mut self.exported)? {
                Some((page, next, left)) => {
                    self.step = if left == 0 { Step::Done } else { Step::Lines { cursor: next, heads: left } };
                    page
                }
                None => return Err(self.refuse(cut_short())),
            },
            Step::Evidence(evidence) => match evidence.next_page(log)? {
                Some(page) => page,
                None => {
                    let (first, last) = evidence.claim().range();
                    if evidence.claim().stream().is_none() {
                        self.exported.entries = last - first + 1;
                    }
                    self.step = Step::Done;
                    return Ok(None);
                }
            },
            Step::Rows(rows) => {
                let turned = log.reading(|log| rows.page(log, &self.options, self.exported));
                match turned {
                    Ok((page, next, exported)) => {
                        self.exported = exported;
                        self.step = match next {
                            Some(rows) => Step::Rows(Box::new(rows)),
                            None => Step::Done,
                        };
                        page
                    }
                    Err(error @ (LogError::ChainBroken { .. } | LogError::Fork { .. })) => {
                        return Err(self.refuse(error));
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        self.exported.bytes += page.len() as u64;
        Ok(Some(page))
    }

    fn refuse(&mut self, error: LogError) -> LogError {
        self.step = Step::Refused(error.clone());
        error
    }
}

fn cut_short() -> LogError {
    let detail = "it ends before the head that the export was begun under";
    StoreError::Corrupt { at: "the end of the log".into(), detail: detail.into() }.into()
}

/// The log's own lines from this cursor on, where to go on, and how many heads are left; `None` where there are no more.
fn lines<S: SecureLogStore>(
    log: &mut SecureLog<S>,
    cursor: u64,
    mut heads: u64,
    exported: &mut Exported,
) -> Result<Option<(Vec<u8>, u64, u64)>, LogError> {
    const ENTRY: &[u8] = br#"{"t":"entry""#;
    const PRUNED: &[u8] = br#"{"t":"pruned""#;
    // Lines are somewhat longer than what they are made of.
    let mut page = Vec::with_capacity(PAGE_BYTES + PAGE_BYTES / 4);
    let next = log.store.scan_lines(cursor, PAGE_BYTES, &mut page)?;
    let (mut at, mut last, mut entries) = (0, None, 0);
    while heads > 0
        && let Some(length) = memchr::memchr(b'\n', &page[at..])
    {
        let line = &page[at..at + length];
        if line.starts_with(ENTRY) || line.starts_with(PRUNED) {
            entries += 1;
            last = Some(at..at + length);
        } else if line.starts_with(HEAD_PREFIX) {
            heads -= 1;
        }
        at += length + 1;
    }
    if let Some(last) = last {
        exported.last = named(&page[last]).or(exported.last);
    }
    exported.entries += entries;
    // What came later belongs to what the log has become since.
    page.truncate(at);
    Ok(match next {
        Some(next) => Some((page, next, heads)),
        None if heads == 0 => Some((page, cursor, 0)),
        None => None,
    })
}

/// Seqno and hash that the line of an entry names.
fn named(line: &[u8]) -> Option<(u64, Hash)> {
    match parse_line(line) {
        Ok(Line::Entry(entry)) => Some((entry.seqno, entry.hash)),
        Ok(Line::Pruned(pruned)) => Some((pruned.seqno, pruned.hash)),
        _ => None,
    }
}

impl Exported {
    fn note(&mut self, seqno: u64, hash: Hash) {
        self.entries += 1;
        self.last = Some((seqno, hash));
    }
}

/// A page, where the export goes on, and what was exported with it.
type Turned = (Vec<u8>, Option<Rows>, Exported);

impl Rows {
    fn page<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        options: &ExportOptions,
        mut exported: Exported,
    ) -> Result<Turned, LogError> {
        let stream = options.stream.as_deref();
        let rows = if self.next <= self.to { log.rows(stream, self.next, self.to, self.limit)? } else { Vec::new() };
        let mut after = self.clone();
        let identity = log.log.clone();
        let mut page = PageWriter::begin(options.format, &identity, !self.begun);
        let mut keys: HashMap<&str, StreamKeys> = HashMap::new();
        after.begun = true;
        after.limit = next_limit(self.limit, rows.len());
        for row in &rows {
            let (seqno, name, checked) = check_row(row.record(), log.mac.as_ref())?;
            after.take(seqno, name, stream, &checked)?;
            if stream.is_some() && matches!(checked, Checked::Pruned(_)) {
                // What is gone does not say what stood before it.
                for (seqno, hash) in exported.last.into_iter().chain([(seqno, row.hash)]) {
                    log.prove_entry(seqno, &hash)?;
                }
            }
            exported.note(seqno, row.hash);
            let entry = match checked {
                Checked::Entry(entry, _) => entry,
                Checked::Pruned(hash) => {
                    after.seen(log, name)?.version = None;
                    page.push(&ExportRow { seqno, stream: name, hash, content: None });
                    continue;
                }
            };
            let opened = if options.open { log.opened(&entry, keys.entry(name).or_default())? } else { None };
            let seen = after.seen(log, name)?;
            let content = content(&entry, opened.as_ref(), seen);
            seen.version = Some(entry.version);
            page.push(&ExportRow { seqno, stream: name, hash: row.hash, content: Some(content) });
        }
        if after.next <= after.to && !rows.is_empty() {
            return Ok((page.end(), Some(after), exported));
        }
        after.check_end(log, stream, exported.last)?;
        Ok((page.end(), None, exported))
    }

    /// Takes in a row that was re-hashed.
    fn take(&mut self, seqno: u64, name: &str, stream: Option<&str>, checked: &Checked<'_>) -> Result<(), LogError> {
        let broken = |reason| Err(LogError::ChainBroken { seqno, reason });
        let (named, hash) = match checked {
            Checked::Entry(entry, hash) => (Some(entry.prev), hash),
            Checked::Pruned(hash) => (None, hash),
        };
        if seqno < self.next || seqno > self.to || stream.is_some_and(|stream| stream != name) {
            return broken("the store answered another entry");
        }
        match &mut self.shown {
            Shown::Tree(_) if seqno != self.next => return broken("the store left out what stands before this entry"),
            Shown::Tree(tree) => tree.push(leaf_hash(hash)),
            Shown::Chain { prev, .. } => {
                if let (Some(prev), Some(named)) = (&prev, named)
                    && named != prev.as_bytes()
                {
                    return broken("the store left out what stands before this entry");
                }
                *prev = Some(*hash);
            }
        }
        self.next = seqno + 1;
        Ok(())
    }

    fn seen<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>, name: &str) -> Result<&mut Seen, LogError> {
        if !self.streams.contains_key(name) {
            if self.streams.len() >= MAX_STREAMS {
                self.streams.clear();
            }
            let policy = log.existing_tip(name)?.policy;
            self.streams.insert(name.into(), Seen { policy, version: None });
        }
        Ok(self.streams.get_mut(name).expect("it is there, or was inserted just now"))
    }

    /// Shows that the store left nothing out up to the end.
    fn check_end<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        stream: Option<&str>,
        last: Option<(u64, Hash)>,
    ) -> Result<(), LogError> {
        let missing = LogError::ChainBroken { seqno: self.next, reason: "the store does not have this entry" };
        match (&self.shown, stream) {
            (Shown::Tree(tree), _) => {
                if self.next <= self.to {
                    return Err(missing);
                }
                let (size, root) = &self.head;
                prove_consistency(&mut log.store, (tree.size(), &tree.root()), (*size, root)).map(drop)
            }
            (Shown::Chain { prev, end }, Some(stream)) => {
                if self.to == end.0 {
                    // A row was read that is the stream's last one, unless none was asked for.
                    return match prev {
                        Some(prev) if *prev == end.1 => Ok(()),
                        None if self.next > self.to => Ok(()),
                        _ => Err(missing),
                    };
                }
                // The stream goes on: with an entry that follows the last one that was read.
                let Some(next) = log.row(Some(stream), self.to + 1)? else { return Err(missing) };
                let (seqno, _, checked) = check_row(next.record(), log.mac.as_ref())?;
                let (named, hash) = match &checked {
                    Checked::Entry(entry, hash) => (Some(entry.prev), *hash),
                    Checked::Pruned(hash) => (None, *hash),
                };
                log.prove_entry(seqno, &hash)?;
                if let Some((seqno, hash)) = last {
                    log.prove_entry(seqno, &hash)?;
                }
                match (prev, named) {
                    (Some(prev), Some(named)) if named != prev.as_bytes() => Err(missing),
                    _ => Ok(()),
                }
            }
            (Shown::Chain { .. }, None) => unreachable!("a chain is that of a stream"),
        }
    }
}

/// What is shown of an entry: as it stands, or as it was before it was sealed.
fn content<'a>(entry: &EntryRef<'a>, opened: Option<&'a Opened>, seen: &Seen) -> Content<'a> {
    let EntryRef { version, session, boot, time, severity, prev, .. } = *entry;
    let (event, producer, encoding, payload) = match opened {
        Some(opened) => (&**opened.event, &**opened.producer, &*opened.encoding, &**opened.payload),
        None => (entry.event, entry.producer, entry.encoding, entry.payload),
    };
    Content {
        version,
        session,
        boot,
        time,
        event,
        severity,
        producer,
        encoding,
        payload,
        prev: Hash::try_from(prev).expect("decoded entries have a prev of 32 bytes"),
        is_first: prev == seen.policy.as_bytes(),
        prev_version: seen.version,
        opened: opened.is_some(),
    }
}
