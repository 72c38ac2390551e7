//! Reading a log back from its JSON lines into a store that holds none (docs/export.md).
//!
//! Lines are verified as they come, by the keys that the caller trusts, and loaded commit by commit behind the verification.
//! A store takes what is loaded for a log only with the last part, which it is given when all of it was found right. So what
//! does not verify is never a log, and nor is what a crash leaves behind.

use core::fmt;
use std::collections::HashMap;
use std::io::{self, Read};

use crate::hash::Hash;
use crate::jsonl::{HEAD_PREFIX, parse_line};
use crate::record::Record;
use crate::store::{Commit, Node, NodeId, STORED_LEVEL, SecureLogStore, StoreError, TreeId};
use crate::tree::{CompactTree, Subtree, leaf_hash};
use crate::verify::{LogVerifier, MissingCode, Progress, Report, Trust, TrustError, Verdict};

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// So many bytes of lines, or one commit that is longer, are loaded at once.
const PART_BYTES: usize = 1 << 20;

/// What is taken for a log.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Whose signatures count.
    pub trust: Trust,
    /// A log is taken, too, of which something could not be checked, such as one that nobody signed: nothing is wrong with it as
    /// far as it was checked. What was never finished, what is not known here, and what is more than a verification keeps track
    /// of is never taken.
    pub incomplete: bool,
}

/// Why a log was not imported. The store holds none.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// The keys make no sense together.
    Trust(TrustError),
    /// The store holds a log already, with this many entries, which was not touched.
    NotEmpty(u64),
    /// It does not verify: the report says what is wrong with it, or what could not be checked.
    Refused(Box<Report>),
    /// The store failed. What it may have left behind is no log, and the next import drops it.
    Store(StoreError),
    /// The lines could not be read.
    Input(io::Error),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> ImportError {
        match error {
            StoreError::Conflict { heads } => ImportError::NotEmpty(heads.first().map_or(0, |head| head.size)),
            other => ImportError::Store(other),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Trust(error) => write!(f, "the trust policy cannot be used: {error}"),
            ImportError::NotEmpty(size) => {
                write!(f, "the store holds a log of {size} entries already: a log is imported into an empty store")
            }
            ImportError::Refused(report) => match (&report.verdict, report.missing.first()) {
                (Verdict::Invalid(finding), _) => write!(f, "the log is invalid: {finding}"),
                (_, Some(missing)) => write!(f, "the log could not be verified: {missing}"),
                (_, None) => f.write_str("the log could not be verified"),
            },
            ImportError::Store(error) => error.fmt(f),
            ImportError::Input(error) => write!(f, "the log cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ImportError {}

/// Imports a log, in memory that its length does not change, and answers what its verification says. `progress` is told now and
/// then how far it is.
///
/// ```
/// use secure_log::import::{ImportError, ImportOptions, import_jsonl};
/// use secure_log::memory::MemoryStore;
/// use secure_log::verify::Trust;
///
/// let options = ImportOptions { trust: Trust::new(), incomplete: false };
/// let refused = import_jsonl(&mut MemoryStore::new(), &b"not a log\n"[..], options, |_| {});
/// assert!(matches!(refused, Err(ImportError::Refused(_))));
/// ```
pub fn import_jsonl<S: SecureLogStore + ?Sized>(
    store: &mut S,
    mut input: impl Read,
    options: ImportOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ImportError> {
    let mut import = Import::begin(store, options)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => return import.finish(store),
            Ok(read) => {
                if !import.push(store, &chunk[..read])? {
                    return import.finish(store);
                }
                progress(import.progress());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                import.abandon(store);
                return Err(ImportError::Input(error));
            }
        }
    }
}

/// An import that takes the bytes in pieces of any size.
#[derive(Debug)]
pub struct Import {
    verifier: LogVerifier,
    incomplete: bool,
    loader: Loader,
}

impl Import {
    /// Begins an import into a store that holds no log.
    pub fn begin<S: SecureLogStore + ?Sized>(store: &mut S, options: ImportOptions) -> Result<Import, ImportError> {
        let verifier = LogVerifier::new(options.trust).map_err(ImportError::Trust)?;
        if store.log()?.is_some() {
            let size = store.heads(None, 1)?.first().map_or(0, |newest| newest.head.size);
            return Err(ImportError::NotEmpty(size));
        }
        Ok(Import { verifier, incomplete: options.incomplete, loader: Loader::default() })
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.verifier.progress()
    }

    /// Takes the next bytes, and answers whether more are needed: after a finding none are.
    pub fn push<S: SecureLogStore + ?Sized>(&mut self, store: &mut S, bytes: &[u8]) -> Result<bool, ImportError> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            if !self.verifier.push(chunk) {
                self.loader.abandon(store);
                return Ok(false);
            }
            if let Err(error) = self.loader.take(store, chunk) {
                self.loader.abandon(store);
                return Err(error.into());
            }
        }
        Ok(true)
    }

    /// Makes what was taken the store's log if it was found right, when there are no more bytes.
    pub fn finish<S: SecureLogStore + ?Sized>(self, store: &mut S) -> Result<Report, ImportError> {
        let Import { verifier, incomplete, mut loader } = self;
        let report = verifier.finish();
        if is_taken(&report, incomplete) {
            match loader.finish(store) {
                Ok(true) => return Ok(report),
                Ok(false) => {}
                Err(error) => {
                    loader.abandon(store);
                    return Err(error.into());
                }
            }
        }
        loader.abandon(store);
        Err(ImportError::Refused(Box::new(report)))
    }

    /// Drops what was loaded so far.
    pub fn abandon<S: SecureLogStore + ?Sized>(mut self, store: &mut S) {
        self.loader.abandon(store);
    }
}

/// Hands whole commits to a store, behind the verification.
#[derive(Debug, Default)]
struct Loader {
    /// Bytes that were not loaded yet: commits that wait for more to be loaded with them, and one that has no end yet.
    waiting: Vec<u8>,
    /// Where in them the line begins that has no end yet.
    line: usize,
    /// Where the last two commits end in them that have an end. The last one is kept until it is known whether it is the last.
    ends: [usize; 2],
    /// How many rows were loaded.
    loaded: u64,
    trees: Trees,
    /// Nothing more is loaded: there is a line that no store takes, which the report will name, or it was abandoned.
    ended: bool,
}

impl Loader {
    fn take<S: SecureLogStore + ?Sized>(&mut self, store: &mut S, chunk: &[u8]) -> Result<(), StoreError> {
        if self.ended {
            return Ok(());
        }
        let mut searched = self.waiting.len();
        self.waiting.extend_from_slice(chunk);
        while let Some(length) = memchr::memchr(b'\n', &self.waiting[searched..]) {
            searched += length + 1;
            if self.waiting[self.line..].starts_with(HEAD_PREFIX) {
                self.ends = [self.ends[1], searched];
            }
            self.line = searched;
        }
        if self.ends[0] >= PART_BYTES {
            self.load(store, self.ends[0], false)?;
        }
        Ok(())
    }

    /// Loads the rest up to the last head; whether there was one, and the store now holds the log.
    fn finish<S: SecureLogStore + ?Sized>(&mut self, store: &mut S) -> Result<bool, StoreError> {
        let end = self.ends[1];
        if end == 0 || self.ended {
            return Ok(false);
        }
        self.load(store, end, true)?;
        Ok(!self.ended)
    }

    fn abandon<S: SecureLogStore + ?Sized>(&mut self, store: &mut S) {
        if self.loaded > 0 {
            // Should this fail, what is left is no log all the same, and the next import drops it.
            let _ = store.load(0, &Commit::default(), false);
            self.loaded = 0;
        }
        self.ended = true;
        self.waiting = Vec::new();
    }

    /// Loads what waits up to here, where a commit ends.
    fn load<S: SecureLogStore + ?Sized>(&mut self, store: &mut S, end: usize, done: bool) -> Result<(), StoreError> {
        let mut rows = Commit::new(None);
        let mut scratch = Vec::new();
        for line in self.waiting[..end - 1].split(|byte| *byte == b'\n') {
            let parsed = parse_line(line);
            match parsed.as_ref().map(|line| line.record(&mut scratch)) {
                Ok(Ok(Record::Unknown(_)) | Err(_)) | Err(_) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(Ok(record)) => {
                    self.trees.take(&record, &mut rows.nodes);
                    rows.push(record);
                }
            }
        }
        rows.index_entries();
        let count = rows.records().len() as u64;
        // What was begun has to be dropped, whatever comes of it.
        let before = self.loaded;
        self.loaded += count;
        store.load(before, &rows, done)?;
        self.waiting.drain(..end);
        self.line -= end;
        self.ends = self.ends.map(|place| place.saturating_sub(end));
        Ok(())
    }
}

/// Whether a log of which this is said is one to go on with.
fn is_taken(report: &Report, incomplete: bool) -> bool {
    let never = [MissingCode::TornCommit, MissingCode::Unknown, MissingCode::Limit];
    match report.verdict {
        Verdict::Valid => true,
        Verdict::Incomplete => {
            incomplete
                && report.missing_unlisted == 0
                && !report.missing.iter().any(|missing| never.contains(&missing.code))
        }
        Verdict::Invalid(_) => false,
    }
}

/// The trees whose interior hashes a store keeps.
#[derive(Debug, Default)]
struct Trees {
    log: CompactTree,
    /// Of each stream the segment that is not closed yet, and the hashes that are complete in it.
    open: HashMap<String, (CompactTree, Vec<(Subtree, Hash)>)>,
}

impl Trees {
    /// Takes in a record, and adds the hashes that it completes.
    fn take(&mut self, record: &Record<'_>, nodes: &mut Vec<Node>) {
        let (stream, hash) = match *record {
            Record::Entry(row) => (row.stream, row.hash),
            Record::Pruned(row) => (row.stream, row.hash),
            Record::Segment(row) => {
                let (_, complete) = self.open.remove(&row.stream).unwrap_or_default();
                nodes.extend(complete.iter().map(|(subtree, hash)| node(TreeId::Segment(row.id), *subtree, *hash)));
                return;
            }
            _ => return,
        };
        let leaf = leaf_hash(&hash);
        self.log.push_with(leaf, |subtree, hash| {
            if subtree.level >= STORED_LEVEL {
                nodes.push(node(TreeId::Log, subtree, *hash));
            }
        });
        if !self.open.contains_key(stream) {
            self.open.insert(stream.into(), Default::default());
        }
        let (tree, complete) = self.open.get_mut(stream).expect("it was inserted if it was not there");
        tree.push_with(leaf, |subtree, hash| {
            if subtree.level >= STORED_LEVEL {
                complete.push((subtree, *hash));
            }
        });
    }
}

fn node(tree: TreeId, subtree: Subtree, hash: Hash) -> Node {
    Node { id: NodeId { tree, level: subtree.level, index: subtree.index }, hash }
}
