//! Verifying a part of a log by the rules for a whole one (format.md s.11): what stands before the part is taken from what
//! comes first, and everything is checked from there on.
//!
//! [`crate::bundle`] reads the lines, knows their order, and says here what they are.

use std::sync::Arc;

use crate::hash::{Hash, KeyId};
use crate::introduction;
use crate::jsonl::Line;
use crate::note::{self, NoteError, SignatureLine};
use crate::record::{HeadRow, SegmentRow};
use crate::tree::{CompactTree, ProofError};
use crate::verify::commit::OpenCommit;
use crate::verify::finding::{Finding, FindingCode, Place};
use crate::verify::missing::{Missing, MissingCode};
use crate::verify::prepared::Preparation;
use crate::verify::report::{KeyRole, Report};
use crate::verify::stream::{Run, Stream};
use crate::verify::trust::Trust;
use crate::verify::verifier::Verifier;

/// How much of a log is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of it.
    Log,
    /// All entries between two places. Streams begin before the first.
    Range,
    /// One stream from its first entry on. Entries of others stand between its own.
    Stream,
}

impl Scope {
    /// Where the log's own record stands: in a part of a log something stands before it.
    pub(super) fn log_line(self) -> u64 {
        match self {
            Scope::Log => 1,
            Scope::Range | Scope::Stream => 2,
        }
    }
}

/// Checkpoint hash and last seqno of each closed segment, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// The id before the first of them.
    before: u64,
    closed: Vec<(Hash, u64)>,
    /// How many there were, those included that a stream's bundle has no more use for.
    count: usize,
}

impl Segments {
    /// The id of the next one.
    pub(super) fn next(&self) -> u64 {
        self.before.saturating_add(self.closed.len() as u64).saturating_add(1)
    }

    pub(super) fn find(&self, id: u64) -> Option<&(Hash, u64)> {
        let index = id.checked_sub(self.before)?.checked_sub(1)?;
        self.closed.get(usize::try_from(index).ok()?)
    }

    pub(super) fn push(&mut self, checkpoint: Hash, last: u64) {
        self.closed.push((checkpoint, last));
        self.count += 1;
    }

    /// How many there were.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Goes to the next id where a part of a log leaves out what comes before it: a range what is before its first segment,
    /// a stream those of other streams.
    pub(super) fn meet(&mut self, id: u64, scope: Scope) {
        let leaves_out = match scope {
            Scope::Log => false,
            Scope::Range => self.before == 0 && self.closed.is_empty() && id > 0,
            Scope::Stream => id > self.next(),
        };
        if leaves_out {
            *self = Segments { before: id - 1, closed: Vec::new(), count: self.count };
        }
    }
}

/// The head that a part of a log is under.
#[derive(Debug)]
pub(crate) struct PartHead {
    pub(crate) row: HeadRow,
    /// How many keys of logs counted when it was read.
    known_keys: usize,
}

/// What each line is looked at with, where none is looked at ahead.
#[derive(Debug)]
pub(crate) struct Alone {
    preparation: Preparation,
    scratch: Vec<u8>,
}

impl Alone {
    pub(crate) fn new(trust: &Trust) -> Alone {
        Alone { preparation: Preparation::new(trust, Arc::default()), scratch: Vec::new() }
    }
}

/// What was read before something that stands apart, and goes on after it.
#[derive(Debug, Default)]
pub(super) struct Unit {
    commit: OpenCommit,
    segments: Segments,
    last: Option<(u64, Hash)>,
}

impl Stream {
    /// Whether no entry of this segment is missing here, if it is what it says.
    pub(super) fn has_all_of(&self, row: &SegmentRow) -> bool {
        !self.unseen.run || (self.run.tree.size() > 0 && self.run.first == row.first)
    }

    /// Takes from a segment what only earlier entries would say.
    pub(super) fn meet_segment(&mut self, row: &SegmentRow) {
        if core::mem::take(&mut self.unseen.prev) {
            self.prev = row.last_hash;
        }
        if self.unseen.checkpoint {
            self.checkpoint = row.prev;
        }
    }
}

impl Run {
    /// Whether these can be the last entries of a segment whose first ones are not here, or none of it is.
    pub(super) fn may_end(&self, row: &SegmentRow) -> bool {
        let size = self.tree.size();
        size == 0 || (row.last == self.last && row.first < self.first && row.count > size)
    }
}

impl Verifier {
    /// The verification of a part of a log.
    pub(crate) fn of_part(trust: Trust, scope: Scope) -> Verifier {
        let mut verifier = Verifier::new(trust);
        verifier.scope = scope;
        verifier
    }

    /// Whether the log is of a version that is known here, so that what follows can be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.log.is_some()
    }

    /// The head that everything is under. It stands before what it covers.
    pub(crate) fn part_head(&mut self, row: HeadRow) -> Result<PartHead, Finding> {
        self.check_signatures(&row, |_, _| false)?;
        Ok(PartHead { row, known_keys: self.trust.log_keys().len() })
    }

    /// Takes the next line of a log, of which nothing was looked at ahead.
    pub(crate) fn line_of_part(&mut self, line: &Line<'_>, number: u64, alone: &mut Alone) -> Result<(), Finding> {
        let found = alone.preparation.look_at(line, &mut alone.scratch);
        self.line(line, &found, number, &alone.preparation)
    }

    /// The part begins after `before` entries, whose complete subtrees have these roots.
    pub(crate) fn start_after(&mut self, before: u64, left: Vec<Hash>) -> Result<(), ProofError> {
        let expected = before.count_ones() as usize;
        if left.len() != expected {
            return Err(if left.len() < expected { ProofError::TooShort } else { ProofError::TooLong });
        }
        self.tree = CompactTree::from_frontier(before, left).expect("there are as many roots as it has subtrees");
        Ok(())
    }

    /// The tree of everything up to the last entry of a range.
    pub(crate) fn part_tree(&self) -> &CompactTree {
        &self.tree
    }

    /// The last entry and its hash.
    pub(crate) fn last_entry(&self) -> Option<(u64, Hash)> {
        self.last
    }

    /// The suite of the next entry of this stream is the keyed one, under this key. Only what begins later than the stream
    /// has to be told.
    pub(crate) fn name_key(&mut self, stream: &str, key: KeyId, at: Place) -> Result<(), Finding> {
        let index = self.find_stream(stream, &at)?;
        let unseen = &mut self.streams.list[index].unseen;
        if !unseen.suite || unseen.key.is_some() {
            return Err(Finding::new(FindingCode::Malformed, at, "the suite of the stream is known"));
        }
        unseen.key = Some(key);
        Ok(())
    }

    /// What follows stands apart from the range, up to [`Verifier::end_apart`].
    pub(crate) fn begin_apart(&mut self) {
        self.apart = Some(Unit {
            commit: core::mem::take(&mut self.commit),
            segments: core::mem::take(&mut self.segments),
            last: self.last.take(),
        });
    }

    /// Of the entry that stands apart the proof was checked. It is there to show the rules of this stream, of which no other
    /// entry was read yet.
    pub(crate) fn end_apart(&mut self, stream: &str, at: Place) -> Result<(), Finding> {
        self.check_owed()?;
        let index = self.find_stream(stream, &at)?;
        let s = &mut self.streams.list[index];
        if !s.bound {
            let detail = "neither the first entry of its stream nor one that closes a segment";
            return Err(Finding::new(FindingCode::ChainBroken, at, detail));
        }
        let row = s.row.clone();
        let stream = core::mem::replace(s, Stream::new(row, Hash::ZERO));
        *s = stream.somewhere();
        let Unit { commit, segments, last } = self.apart.take().unwrap_or_default();
        (self.commit, self.segments, self.last) = (commit, segments, last);
        Ok(())
    }

    /// Whether an entry of this stream was read that does not stand apart.
    pub(crate) fn has_begun(&mut self, stream: &str) -> bool {
        self.streams.find(stream).is_some_and(|index| self.streams.list[index].count > 0)
    }

    /// Everything was read, and stands under this head.
    pub(crate) fn end_part(&mut self, head: &PartHead) -> Result<(), Finding> {
        self.check_owed()?;
        self.check_signatures_anew(head)?;
        self.end_commit(head.row.size, head.row.root);
        Ok(())
    }

    /// The head was made after what it covers: keys that are introduced there may have signed it, and keys that end there may
    /// not.
    fn check_signatures_anew(&mut self, PartHead { row, known_keys }: &PartHead) -> Result<(), Finding> {
        let log = self.log.as_ref().expect("records are read only after that of the log");
        let (at, text) = (Place::Head(row.size), note::text(&log.origin, row.size, &row.root));
        for line in &row.sigs {
            let invalid = |error: NoteError| Finding::new(FindingCode::SignatureInvalid, at.clone(), error.to_string());
            let line = SignatureLine::parse(line).map_err(invalid)?;
            let mut keys = self.trust.log_keys().iter().enumerate();
            let Some((place, key)) = keys.find(|(_, key)| key.is_named_by(&line)) else { continue };
            let is_new = place >= *known_keys;
            if is_new {
                key.verify(&line, &text).map_err(invalid)?;
            }
            if key.name() == log.origin {
                self.rotations.check(introduction::KeyRole::Log, key.public_key(), row.size, at.clone())?;
                if is_new {
                    self.trusted_head = row.size;
                    self.keys.note(KeyRole::Log, key.name(), key.public_key(), row.size);
                }
            }
        }
        Ok(())
    }

    /// The report on a part of which everything was read. That the log is complete up to anywhere a part does not show.
    pub(crate) fn finish_part(mut self) -> Report {
        let mut missing = Vec::new();
        for stream in &mut self.streams.list {
            if !stream.bound {
                let at = Place::Stream(stream.row.name.clone());
                missing.push(Missing::at(MissingCode::Unshown, at, "nothing here shows its rules"));
            }
            if self.scope == Scope::Range
                && let Some(gone) = stream.gone.take()
            {
                let detail = "pruned, and what says so is not in the range";
                missing.push(Missing::at(MissingCode::Unshown, Place::Seqno(gone), detail));
            }
        }
        missing.into_iter().for_each(|what| self.miss(what));
        if self.scope == Scope::Range {
            // Data keys are handed over with whole streams only.
            self.keyless.clear();
            self.data_keys_untracked = false;
        }
        self.commit = OpenCommit::default();
        Report { complete_to: 0, ..self.finish(0) }
    }

    /// The report on a part of which nothing can be read, for this reason or one that was found before.
    pub(crate) fn unread_part(mut self, why: Option<String>) -> Report {
        why.into_iter().for_each(|why| self.miss(Missing::new(MissingCode::Unknown, why)));
        self.finish(0)
    }

    /// Keeps track of fewer streams and segments than it would.
    #[cfg(test)]
    pub(crate) fn keep_track_of(&mut self, streams: usize, segments: usize) {
        self.limits = (streams, segments);
    }

    /// The report on a part of which no more was read than the beginning.
    pub(crate) fn stop_part(self, why: &str) -> Report {
        Report { complete_to: 0, ..self.stop(why) }
    }

    /// The seqno that the next entry has to have, where that is known, or else any that is later than the last.
    pub(super) fn next_seqno(&self, found: u64) -> u64 {
        match self.scope {
            _ if self.apart.is_some() => found,
            Scope::Stream => found.max(self.last.map_or(0, |(last, _)| last).saturating_add(1)),
            Scope::Log | Scope::Range => self.tree.size() + 1,
        }
    }
}
