//! Going on from what other writers appended, without reading again what was proven before.
//!
//! Who lost a race has proven everything up to the head that was current before. The entries from there to the head that won show
//! the rest: they are re-hashed, lead to its root, and are all that happened to any stream. That is one read, where the same from
//! the beginning takes about twenty, and as many times as writers are in each other's way.

use std::collections::HashSet;

use crate::control;
use crate::engine::archiving::closes_log;
use crate::engine::proof::Checked;
use crate::engine::stream::StreamEnd;
use crate::engine::{SecureLog, State};
use crate::error::LogError;
use crate::hash::Hash;
use crate::record::HeadRow;
use crate::store::SecureLogStore;
use crate::tree::leaf_hash;

/// Where more entries than these were appended, proofs are shorter.
const MAX_ENTRIES: u64 = 1024;

/// An entry of another writer.
struct Followed {
    stream: Box<str>,
    end: StreamEnd,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Goes on from this head, if a trusted key signed it and the entries up to it can be read and lead to it. Otherwise nothing
    /// has changed, and [`SecureLog::reload`] finds out what to think of it.
    pub(super) fn follow(&mut self, head: &HeadRow) -> bool {
        let ahead = head.size.checked_sub(self.accepted.head.size);
        let is_near = ahead.is_some_and(|entries| (1..=MAX_ENTRIES).contains(&entries));
        let keys = self.log_keys();
        if !is_near || self.unrecorded.is_some() || !self.is_attested(head, &keys).unwrap_or(false) {
            return false;
        }
        let Ok((state, followed, erased)) = self.read_up_to(head) else { return false };
        self.ring.forget(&erased);
        for Followed { stream, end } in followed {
            self.streams.go_on(&stream, end);
        }
        self.accepted = state;
        self.news.tell(self.accepted.head.size);
        self.next = self.accepted.clone();
        self.anchor.said = None;
        self.stale = false;
        true
    }

    /// The state at this head, where it leaves each stream, in order, and the data keys that were erased.
    fn read_up_to(&mut self, head: &HeadRow) -> Result<(State, Vec<Followed>, HashSet<Hash>), LogError> {
        let State { mut tree, mut segments, .. } = self.accepted.clone();
        let broken = |seqno, reason| LogError::ChainBroken { seqno, reason };
        let (first, mut last_time, mut followed) = (tree.size() + 1, None, Vec::new());
        let mut closed = false;
        let mut erased = HashSet::new();
        let own_mac = self.mac.as_ref().map(|mac| mac.id);
        self.walk(None, first, head.size, |seqno, stream, checked| {
            if seqno != tree.size() + 1 {
                return Err(broken(seqno, "the store does not have the entry before"));
            }
            let Checked::Entry(entry, hash) = checked else {
                return Err(broken(seqno, "it was pruned, and says no more what it was"));
            };
            if entry.event == control::KEY {
                return Err(broken(seqno, "it may change which keys count"));
            }
            tree.push(leaf_hash(&hash));
            segments += u64::from(entry.event == control::SEGMENT_CLOSED);
            if entry.event == control::ERASED {
                erased.extend(control::decode_erased(entry.payload).unwrap_or_default());
            }
            last_time = entry.time.parse().ok();
            closed = closes_log(&entry);
            let end = StreamEnd::after(seqno, hash, &entry, own_mac)
                .ok_or_else(|| broken(seqno, "its hash suite is not known here"))?;
            followed.push(Followed { stream: stream.into(), end });
            Ok(true)
        })?;
        if (tree.size(), tree.root()) != (head.size, head.root) {
            return Err(broken(first, "the entries from here on do not lead to their head"));
        }
        let (head, signed, others_to) = (head.clone(), Some(head.clone()), head.size);
        let state =
            State { tree, head, segments, attested: true, signed, signed_at: None, last_time, closed, others_to };
        Ok((state, followed, erased))
    }
}
