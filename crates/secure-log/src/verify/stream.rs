//! What is known of a stream while its entries pass.

use std::collections::{BTreeMap, BTreeSet};

use crate::control;
use crate::entry::EntryRef;
use crate::hash::{Hash, KeyId, Suite};
use crate::record::StreamRow;
use crate::tree::{CompactTree, SharedPush};

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its newest record.
    pub(super) row: StreamRow,
    /// What its rules hash to.
    pub(super) genesis: Hash,
    /// Hash of its last entry, or what its first one has to name.
    pub(super) prev: Hash,
    /// The suite of its next entry.
    pub(super) suite: Suite,
    /// How many entries it has, gone or not.
    pub(super) count: u64,
    /// The entries since its last segment was closed.
    pub(super) run: Run,
    /// Boot and session of its last entry, unless that is gone.
    pub(super) writer: Option<(String, String)>,
    /// Hash of its last checkpoint.
    pub(super) checkpoint: Hash,
    /// When an entry said that it was deprecated.
    pub(super) deprecated_at: Option<String>,
    /// The highest seqno that is gone and that no entry allows yet.
    pub(super) gone: Option<u64>,
    /// Data keys since its last segment was closed.
    pub(super) data_keys: BTreeSet<Hash>,
    /// A missing key of the keyed suite was reported.
    pub(super) key_reported: bool,
    /// Its rules were seen to be those that its hashes are bound to.
    pub(super) bound: bool,
    /// What is not known of it, as what is verified is a part of a log and begins later than the stream.
    pub(super) unseen: Unseen,
    /// The tree of its producers' entries, gone or not; `None` as long as that is the tree of its run, which it is until
    /// the first control entry or close.
    produced: Option<CompactTree>,
}

/// What only earlier entries of a stream would say. Each is taken from what comes first, and checked from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unseen {
    /// Its first entries.
    pub(super) start: bool,
    /// The hash of the entry before.
    pub(super) prev: bool,
    /// The suite of the next entry, and the key that is named for it where it is the keyed one.
    pub(super) suite: bool,
    pub(super) key: Option<KeyId>,
    /// Where the open segment began.
    pub(super) run: bool,
    /// The last checkpoint.
    pub(super) checkpoint: bool,
}

impl Unseen {
    /// Nothing is known.
    pub(super) const ALL: Unseen =
        Unseen { start: true, prev: true, suite: true, key: None, run: true, checkpoint: true };
}

/// The entries of a stream since its last segment was closed: what its next segment is made of.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) last: u64,
    /// It has nothing but entries that say that a segment was closed.
    pub(super) only_closings: bool,
    pub(super) tree: CompactTree,
}

/// What an entry is to the trees of its stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A producer's, or gone.
    Produced,
    /// A control entry.
    Control,
    /// The control entry that says that a segment was closed.
    Closing,
}

impl Stream {
    pub(super) fn new(row: StreamRow, genesis: Hash) -> Stream {
        Stream {
            genesis,
            prev: genesis,
            suite: row.rules.suite,
            row,
            count: 0,
            run: Run::default(),
            writer: None,
            checkpoint: Hash::ZERO,
            deprecated_at: None,
            gone: None,
            data_keys: BTreeSet::new(),
            key_reported: false,
            bound: false,
            unseen: Unseen::default(),
            produced: None,
        }
    }

    /// The same stream at a place of which nothing is known.
    pub(super) fn somewhere(self) -> Stream {
        Stream { bound: self.bound, unseen: Unseen::ALL, ..Stream::new(self.row, self.genesis) }
    }

    /// Takes from the next entry what only earlier ones would say. What is left is checked as in a whole log. The first
    /// entry of a stream shows its rules, and an entry that says it is the first has to.
    #[inline]
    pub(super) fn meet(&mut self, entry: &EntryRef<'_>) {
        if self.count == 0 && entry.prev == self.genesis.0 {
            self.bound = true;
            self.unseen = Unseen::default();
        }
        if self.unseen.prev && entry.event != control::CREATED {
            self.prev = Hash::try_from(entry.prev).unwrap_or(self.prev);
        }
        if core::mem::take(&mut self.unseen.suite) {
            self.suite = match (entry.version, self.unseen.key.or(self.row.rules.suite.key_id())) {
                (1, _) => Suite::Sha256,
                (2, _) => Suite::Blake3,
                (3, Some(key)) => Suite::HmacSha256(key),
                // No suite that it could have.
                _ => self.row.rules.suite,
            };
        }
    }

    /// Takes the next entry.
    pub(super) fn push(&mut self, seqno: u64, hash: Hash, leaf: &mut SharedPush, kind: Kind) {
        if kind != Kind::Produced {
            self.produced.get_or_insert_with(|| self.run.tree.clone());
        } else if let Some(produced) = &mut self.produced {
            leaf.push(produced);
        }
        if self.run.tree.size() == 0 {
            self.run.first = seqno;
            self.run.only_closings = true;
        }
        self.run.last = seqno;
        self.run.only_closings &= kind == Kind::Closing;
        leaf.push(&mut self.run.tree);
        self.unseen.prev = false;
        self.prev = hash;
        self.count += 1;
    }

    /// Remembers who wrote the last entry.
    pub(super) fn set_writer(&mut self, boot: &str, session: &str) {
        match &mut self.writer {
            Some((b, s)) if b == boot && s == session => {}
            writer => *writer = Some((boot.into(), session.into())),
        }
    }

    /// Ends the run with a segment.
    pub(super) fn close(&mut self, checkpoint: Hash) {
        let run = core::mem::take(&mut self.run);
        self.produced.get_or_insert(run.tree);
        self.data_keys = BTreeSet::new();
        self.checkpoint = checkpoint;
        self.unseen.run = false;
        self.unseen.checkpoint = false;
        self.bound = true;
    }

    /// The tree of its producers' entries, gone or not.
    pub(super) fn produced(&self) -> &CompactTree {
        self.produced.as_ref().unwrap_or(&self.run.tree)
    }
}

/// All streams, by name and in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) list: Vec<Stream>,
    /// A tree, as names are chosen by whoever wrote the log, and a verifier that imports nothing has no randomness that would
    /// keep them from meeting in one bucket.
    by_name: BTreeMap<String, usize>,
    /// The one that was asked for last, which mostly is the next one, too.
    recent: usize,
}

impl Streams {
    #[inline]
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        if self.list.get(self.recent).is_some_and(|stream| stream.row.name == name) {
            return Some(self.recent);
        }
        self.recent = *self.by_name.get(name)?;
        Some(self.recent)
    }

    pub(super) fn add(&mut self, stream: Stream) {
        self.by_name.insert(stream.row.name.clone(), self.list.len());
        self.list.push(stream);
    }
}
