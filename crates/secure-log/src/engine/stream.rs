//! What is proven of a stream before it is used, once an opening.

use std::collections::HashMap;

use crate::control;
use crate::engine::SecureLog;
use crate::engine::proof::{Checked, check_row};
use crate::entry::EntryRef;
use crate::error::LogError;
use crate::hash::{Hash, KeyId, Suite};
use crate::record::{Record, SegmentRow, StreamRow};
use crate::sealed::{SealedPayload, inner_encoding};
use crate::store::{EntryRange, SecureLogStore, StreamState};
use crate::tree::{CompactTree, Subtree};

/// A stream as far as it was proven, and as it stands after what was written since.
#[derive(Debug)]
pub(super) struct Tip {
    pub(super) row: StreamRow,
    /// The stream's policy hash: `prev` of its first entry.
    pub(super) policy: Hash,
    /// The suite of the next entry.
    pub(super) suite: Suite,
    /// `prev` of the next entry.
    pub(super) prev: Hash,
    /// Its last entry.
    pub(super) last: Option<u64>,
    pub(super) deprecated: bool,
    /// The data key that sealed its last entry; `None` where that is not sealed.
    pub(super) sealed_by: Option<Hash>,
    /// The seqno of its last entry, where that erases data keys and they may still be there.
    pub(super) erasing: Option<u64>,
    pub(super) open: OpenSegment,
    /// The number of the commit that moved it last, 0 before any.
    moved_by: u64,
    /// Where it stood before that; `None` where that commit made it.
    before: Option<StreamEnd>,
}

/// Where a stream ends: what decides its next entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamEnd {
    last: Option<u64>,
    prev: Hash,
    suite: Suite,
    deprecated: bool,
    sealed_by: Option<Hash>,
    erasing: Option<u64>,
}

impl StreamEnd {
    /// After this entry; `None` where that has a suite that is not known here. `mac` is the key of the keyed suite.
    pub(super) fn after(seqno: u64, hash: Hash, entry: &EntryRef<'_>, mac: Option<KeyId>) -> Option<StreamEnd> {
        let suite = match entry.version {
            1 => Some(Suite::Sha256),
            2 => Some(Suite::Blake3),
            _ => mac.map(Suite::HmacSha256),
        };
        let changed = (entry.event == control::SUITE_CHANGED).then(|| control::decode_suite(entry.payload));
        let suite = changed.unwrap_or(suite)?;
        let sealed = inner_encoding(entry.encoding).and_then(|_| SealedPayload::decode(entry.payload).ok());
        Some(StreamEnd {
            last: Some(seqno),
            prev: hash,
            suite,
            deprecated: entry.event == control::DEPRECATED,
            sealed_by: sealed.map(|sealed| sealed.key),
            erasing: (entry.event == control::ERASED).then_some(seqno),
        })
    }
}

impl Tip {
    /// A stream without entries. `moved_by` is the number of the commit that makes it, or 0 for one that is there.
    pub(super) fn new(row: StreamRow, policy: Hash, moved_by: u64) -> Tip {
        Tip {
            suite: row.rules.suite,
            prev: policy,
            policy,
            last: None,
            deprecated: row.deprecated.is_some(),
            sealed_by: None,
            erasing: None,
            open: OpenSegment::Written(Written::default()),
            row,
            moved_by,
            before: None,
        }
    }

    /// Remembers where it stands, before the commit with this number moves it.
    pub(super) fn move_by(&mut self, commit: u64) {
        if self.moved_by != commit {
            self.before = Some(self.end());
            self.moved_by = commit;
        }
    }

    fn end(&self) -> StreamEnd {
        let Tip { last, prev, suite, deprecated, sealed_by, erasing, .. } = *self;
        StreamEnd { last, prev, suite, deprecated, sealed_by, erasing }
    }

    fn stand_at(&mut self, end: StreamEnd) {
        let StreamEnd { last, prev, suite, deprecated, sealed_by, erasing } = end;
        (self.last, self.prev, self.suite, self.deprecated) = (last, prev, suite, deprecated);
        (self.sealed_by, self.erasing) = (sealed_by, erasing);
        self.open = OpenSegment::Unread;
    }
}

/// What is known of the entries since the last close.
#[derive(Debug)]
pub(super) enum OpenSegment {
    /// This engine wrote all of them.
    Written(Written),
    /// Some were there before: a close reads and proves all of them.
    Unread,
}

/// An open segment that this engine wrote or read from its first entry on.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) tree: CompactTree,
    /// Interior hashes to be stored when it is closed.
    pub(super) nodes: Vec<(Subtree, Hash)>,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Boot and session of the last entry.
    pub(super) boot: String,
    pub(super) session: String,
    /// It holds something else than `segment-closed` entries.
    pub(super) worth_closing: bool,
    /// Checkpoint hash of the segment before it.
    pub(super) prev_checkpoint: Hash,
}

impl Written {
    pub(super) fn after(prev_checkpoint: Hash) -> Written {
        Written { prev_checkpoint, ..Written::default() }
    }
}

/// Proven streams. Two generations of bounded size, so that a log with millions of streams takes no more memory:
/// a stream that was not used for long is dropped, and proven again when it is.
#[derive(Debug, Default)]
pub(super) struct StreamCache {
    young: HashMap<Box<str>, Tip>,
    old: HashMap<Box<str>, Tip>,
}

/// Streams in one generation. A tip without an open segment of its own takes about 500 bytes.
const GENERATION: usize = 1 << 14;

impl StreamCache {
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// Puts back what the commit with this number has moved, which was not stored.
    pub(super) fn take_back(&mut self, commit: u64) {
        for tips in [&mut self.young, &mut self.old] {
            tips.retain(|_, tip| {
                if tip.moved_by != commit {
                    return true;
                }
                let Some(before) = tip.before else { return false };
                tip.stand_at(before);
                if !before.deprecated {
                    tip.row.deprecated = None;
                }
                tip.moved_by = 0;
                true
            });
        }
    }

    /// Moves a stream that is known here to where another writer's entry left it.
    pub(super) fn go_on(&mut self, stream: &str, end: StreamEnd) {
        if let Some(tip) = self.young.get_mut(stream).or_else(|| self.old.get_mut(stream)) {
            let deprecated = tip.deprecated || end.deprecated;
            tip.stand_at(StreamEnd { deprecated, ..end });
        }
    }

    /// Drops what was not used for long. Only between commits: a tip that a commit in the making has moved is found
    /// nowhere else.
    pub(super) fn rotate(&mut self) {
        if self.young.len() >= GENERATION {
            self.old = core::mem::take(&mut self.young);
        }
    }

    pub(super) fn insert(&mut self, tip: Tip) {
        self.young.insert(tip.row.name.as_str().into(), tip);
    }

    pub(super) fn tip(&mut self, name: &str) -> Option<&mut Tip> {
        if !self.young.contains_key(name) {
            let tip = self.old.remove(name)?;
            self.insert(tip);
        }
        self.young.get_mut(name)
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// The proven tip of a stream; `false` when there is no such stream.
    pub(super) fn load_tip(&mut self, name: &str) -> Result<bool, LogError> {
        if self.streams.tip(name).is_some() {
            return Ok(true);
        }
        let Some(state) = self.store.stream(name)? else { return Ok(false) };
        if state.last.is_some_and(|last| last > self.accepted.head.size) {
            // Another writer went on, or the store says so: only what is under the head can be proven.
            return Err(LogError::Conflict);
        }
        let tip = self.prove_stream(name, state)?;
        self.streams.insert(tip);
        Ok(true)
    }

    /// The proven tip of a stream that has to exist.
    pub(super) fn existing_tip(&mut self, name: &str) -> Result<&mut Tip, LogError> {
        if !self.load_tip(name)? {
            return Err(LogError::StreamNotFound(name.into()));
        }
        Ok(self.streams.tip(name).expect("the tip was loaded just now"))
    }

    /// Proves what the store says of a stream: its rules by its first entry or, where that is gone, by a checkpoint;
    /// its end by its last entry.
    fn prove_stream(&mut self, name: &str, state: StreamState) -> Result<Tip, LogError> {
        let row = state.row;
        let mismatch = |what: &str| LogError::PolicyMismatch(format!("{what} of stream {name:?}"));
        if row.name != name {
            return Err(mismatch("the name"));
        }
        let policy = row.policy_hash(&self.log);
        let mut tip = Tip::new(row, policy, 0);
        let (Some(first), Some(last)) = (state.first, state.last) else {
            // Rules other than the defaults come with a first entry, in the same commit.
            return if tip.row.rules.is_default() && state.last.is_none() {
                Ok(tip)
            } else {
                Err(mismatch("the rules"))
            };
        };
        let (_, genesis) = self.proven_entry(name, first, |entry| Hash::try_from(entry.prev).ok())?;
        match genesis {
            Some(prev) if prev == Some(policy) => {}
            Some(_) => return Err(mismatch("the rules")),
            None => {
                let segment = state.segment.map(|id| self.store.segment(id)).transpose()?.flatten();
                let segment = segment.filter(|s| s.stream == name).ok_or_else(|| mismatch("the first entry"))?;
                self.prove_segment_row(&segment)?;
                if segment.policy != policy {
                    return Err(mismatch("the rules"));
                }
            }
        }
        let mac = self.mac.as_ref().map(|mac| mac.id);
        let (hash, end) = self.proven_entry(name, last, |entry| StreamEnd::after(last, Hash::ZERO, entry, mac))?;
        let broken = |reason| LogError::ChainBroken { seqno: last, reason };
        let end = end.ok_or_else(|| broken("the last entry of a stream cannot be pruned"))?;
        let end = end.ok_or_else(|| broken("its hash suite is not known here"))?;
        tip.stand_at(StreamEnd { prev: hash, deprecated: tip.deprecated || end.deprecated, ..end });
        Ok(tip)
    }

    /// Reads one entry of a stream, re-hashes it and proves it under the head: its hash, and what `view` makes of it
    /// unless it was pruned.
    pub(super) fn proven_entry<T>(
        &mut self,
        stream: &str,
        seqno: u64,
        view: impl FnOnce(&EntryRef<'_>) -> T,
    ) -> Result<(Hash, Option<T>), LogError> {
        let mut found = Err(LogError::ChainBroken { seqno, reason: "the store does not have this entry" });
        let mut view = Some(view);
        let mac = self.mac.as_ref();
        self.store.entries(EntryRange { stream: Some(stream), from: seqno, to: seqno, limit: 1 }, &mut |row| {
            found = check_row(row, mac).and_then(|(at, name, checked)| {
                if at != seqno || name != stream {
                    return Err(LogError::ChainBroken { seqno, reason: "the store answered another entry" });
                }
                Ok(match checked {
                    Checked::Entry(entry, hash) => (hash, view.take().map(|view| view(&entry))),
                    Checked::Pruned(hash) => (hash, None),
                })
            });
        })?;
        let (hash, seen) = found?;
        self.prove_entry(seqno, &hash)?;
        Ok((hash, seen))
    }

    /// Proves a segment's row by the `segment-closed` entry that follows it and names its checkpoint.
    pub(super) fn prove_segment_row(&mut self, segment: &SegmentRow) -> Result<(), LogError> {
        let mut closing = None;
        let from = segment.last.saturating_add(1);
        let range = EntryRange { stream: Some(&segment.stream), from, to: u64::MAX, limit: 1 };
        self.store.entries(range, &mut |row| {
            if let Record::Entry(row) = row {
                closing = Some(row.seqno);
            }
        })?;
        let wrong =
            |seqno| LogError::ChainBroken { seqno, reason: "no entry says that this segment was closed like this" };
        let seqno = closing.ok_or_else(|| wrong(segment.last))?;
        let (_, named) = self.proven_entry(&segment.stream, seqno, |entry| {
            (entry.event == control::SEGMENT_CLOSED).then(|| control::decode_closed(entry.payload)).flatten()
        })?;
        if named.flatten() == Some((segment.id, segment.checkpoint().hash())) { Ok(()) } else { Err(wrong(seqno)) }
    }
}
