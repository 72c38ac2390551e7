//! What is known of a stream while its entries pass.

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::{Hash, Suite};
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
    /// The tree of its producers' entries, gone or not; `None` as long as that is the tree of its run, which it is until
    /// the first control entry or close.
    produced: Option<CompactTree>,
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
            produced: None,
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
