//! Comparing with the anchor, and publishing.

use crate::engine::SecureLog;
use crate::engine::commit::{Signing, is_due};
use crate::engine::cosigning::{Heard, NewestWitnesses};
use crate::engine::options::{AnchorEvery, Every};
use crate::engine::proof::{prove_consistency, prove_from_size};
use crate::error::LogError;
use crate::hash::Hash;
use crate::note::{Checkpoint, Note};
use crate::providers::{AnchorError, AnchorView, Publication};
use crate::record::{HeadRow, WitnessResult};
use crate::store::SecureLogStore;
use crate::time::Timestamp;

impl<S: SecureLogStore> SecureLog<S> {
    /// Compares what was opened with what the anchor said before the store was read, and brings the anchor up to it.
    pub(super) fn meet_anchor(&mut self, view: AnchorView) -> Result<(), LogError> {
        let size = self.accepted.head.size;
        match view {
            AnchorView::NotConfigured => return Ok(()),
            AnchorView::Unknown if size > 0 => {
                self.check_anchored_key()?;
                return self.miss_anchor();
            }
            AnchorView::Unknown | AnchorView::WhenPublished => {}
            AnchorView::Head(note) => self.anchor.last = Some(self.meet_head(&note)?),
        }
        self.check_anchored_key()?;
        if let Some(signed) = self.accepted.signed.clone() {
            self.note_quorum(&signed);
        }
        // The head of size 0 is there before the first entry is accepted.
        let now = self.providers.clock.now();
        let mut heard = Heard::default();
        let taken = if self.anchor.silent {
            // Until it has answered, it has vouched for nothing.
            let old = self.last_cosigned()?;
            self.offer(old, now, &mut heard)?
        } else {
            self.publish(now, &mut heard)?
        };
        // Where the log is not opened, nothing is written, so that these stand in the error alone.
        self.keep_answers(heard, now)?;
        if !taken && size == 0 {
            return Err(AnchorError::Unavailable("it did not take the first head of a new log".into()).into());
        }
        Ok(())
    }

    /// The anchor knows nothing of a log with entries. Where an operator chose to begin anew there, that is recorded before
    /// the anchor is given a head.
    fn miss_anchor(&mut self) -> Result<(), LogError> {
        let size = self.accepted.head.size;
        if !self.anchor.reanchor {
            return Err(LogError::AnchorMissing { size });
        }
        self.anchor.reanchor = false;
        self.note_adopted((1, size));
        Ok(())
    }

    /// Whoever chose to begin anew at the anchor is told when that did not come to pass.
    pub(super) fn check_reanchored(&mut self) -> Result<(), LogError> {
        if self.anchor.configured && self.anchor.last.is_none() && self.accepted.head.size > 0 {
            let detail =
                "it was recorded that the log begins anew at the anchor, which did not take its head: try again";
            return Err(AnchorError::Unavailable(detail.into()).into());
        }
        self.anchor.reanchor = false;
        Ok(())
    }

    /// An anchor takes signed heads only, so a log that has one needs a key.
    pub(super) fn check_anchored_key(&self) -> Result<(), LogError> {
        if self.anchor.configured && self.keyless {
            let detail = "this log has no key, and an anchor takes signed heads only: give the log a key, or take the anchor away";
            return Err(AnchorError::Unavailable(detail.into()).into());
        }
        Ok(())
    }

    /// Publishes the last head where the options say that it is due. The commit is durable whatever comes of it; only
    /// two histories are an error.
    pub(super) fn publish_when_due(&mut self, signing: Signing, now: Timestamp) -> Result<(), LogError> {
        if !self.anchor.configured {
            return Ok(());
        }
        let known = self.anchor.last.map_or(0, |(size, _)| size);
        let entries = self.accepted.head.size.saturating_sub(known);
        let due = signing == Signing::Now
            || match self.settings.anchor_every {
                AnchorEvery::Each(every) => is_due(every, entries, self.anchor.published_at, now),
                AnchorEvery::Close => false,
            };
        if due {
            let mut heard = Heard::default();
            let published = self.publish(now, &mut heard);
            let kept = self.keep_answers(heard, now);
            published.and(kept)?;
        }
        Ok(())
    }

    /// Gives the anchor the last signed head, unless it has that or a later one. Answers whether what it has covers all
    /// that was accepted; an anchor that does not answer has not taken it.
    fn publish(&mut self, now: Timestamp, heard: &mut Heard) -> Result<bool, LogError> {
        let (last, signed) = (self.anchor.last, self.accepted.signed.as_ref());
        if last.is_some_and(|(size, _)| signed.is_some_and(|head| size >= head.size)) {
            return Ok(self.is_published());
        }
        match self.offer(last.map_or(0, |(size, _)| size), now, heard) {
            Err(LogError::Anchor(AnchorError::Unavailable(_) | AnchorError::Conflict(_))) => Ok(false),
            offered => offered,
        }
    }

    /// Publishes the last signed head, from the size that the anchor is thought to have. Where it has another one and does
    /// not show which, its word is followed, so often.
    fn offer(&mut self, old: u64, now: Timestamp, heard: &mut Heard) -> Result<bool, LogError> {
        const FOLLOWED: usize = 8;
        let mut known = old;
        for _ in 0..FOLLOWED {
            let Some(head) = self.accepted.signed.clone() else { return Ok(false) };
            let old = known.min(head.size);
            let proof = match self.anchor.last {
                Some((size, root)) if size == old => {
                    prove_consistency(&mut self.store, (old, &root), (head.size, &head.root))?
                }
                _ => prove_from_size(&mut self.store, old, (head.size, &head.root))?,
            };
            let note = Note::of_head(&self.log.origin, &head).to_string();
            let Publication { taken, answers } = self.providers.anchor.publish(&note, old, &proof);
            heard.note(&head, answers);
            match taken {
                Ok(()) => {
                    self.anchor.last = Some((head.size, head.root));
                    self.anchor.published_at = Some(now);
                    return Ok(self.is_published());
                }
                Err(AnchorError::Refused(theirs)) => return self.meet_larger(&head, &theirs).map(|()| true),
                Err(AnchorError::Conflict(0)) if old > 0 => {
                    self.miss_anchor()?;
                    // Until that is recorded, nothing is published.
                    return Ok(false);
                }
                Err(AnchorError::Conflict(theirs)) => known = self.meet_size(old, theirs)?,
                Err(AnchorError::Inconsistent(theirs)) => {
                    return Err(LogError::Fork { expected: theirs, found: head.size });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(AnchorError::Conflict(known).into())
    }

    /// Whether the anchor has a head that covers all that was accepted.
    fn is_published(&self) -> bool {
        self.anchor.configured && self.anchor.last.is_some_and(|(size, _)| size >= self.accepted.head.size)
    }

    /// The same, and the quorum of the policy has cosigned such a head, where it names one.
    pub(super) fn is_anchored(&self) -> bool {
        self.anchored_to().is_some_and(|size| size >= self.accepted.head.size)
    }

    /// Size of the newest head that the anchor has and, where the policy names a quorum, that quorum has cosigned.
    pub(super) fn anchored_to(&self) -> Option<u64> {
        let (published, _) = self.anchor.last?;
        match self.trust.quorum() {
            None => Some(published),
            Some(_) => self.anchor.quorate.map(|size| size.min(published)),
        }
    }

    /// The anchor has a head of another size than the one that was named, and shows it to nobody. Answers from which size to
    /// publish again.
    fn meet_size(&mut self, named: u64, theirs: u64) -> Result<u64, LogError> {
        if theirs == named {
            return Err(LogError::Fork { expected: theirs, found: self.accepted.head.size });
        }
        if theirs > self.accepted.head.size && self.is_behind() {
            // Somebody else wrote on and published.
            self.reload()?;
        }
        if theirs > self.accepted.signed_size() {
            return Err(LogError::Rollback { expected: theirs, found: self.accepted.signed_size() });
        }
        Ok(theirs)
    }

    /// Size of the last head that the store says a witness has cosigned. Nothing is believed for it: with a wrong one the
    /// anchor is asked once more, or refuses.
    fn last_cosigned(&mut self) -> Result<u64, LogError> {
        let (mut newest, mut known) = (NewestWitnesses::default(), None);
        while let (None, Some(page)) = (known, newest.next(&mut self.store)?) {
            let cosigned = page.iter().filter(|witness| witness.row.result == WitnessResult::Cosigned);
            known = cosigned.map(|witness| witness.row.size).filter(|size| *size <= self.accepted.head.size).max();
        }
        Ok(known.unwrap_or(0))
    }

    /// A head that the anchor had before ours: it must be ours or one that ours extends.
    fn meet_head(&mut self, note: &str) -> Result<(u64, Hash), LogError> {
        let theirs = self.trusted_head(note)?;
        let ours = &self.accepted.head;
        if ours.size < theirs.size {
            return Err(LogError::Rollback { expected: theirs.size, found: ours.size });
        }
        let (size, root) = (ours.size, ours.root);
        prove_consistency(&mut self.store, (theirs.size, &theirs.root), (size, &root))?;
        self.note_quorum(&theirs);
        Ok((theirs.size, theirs.root))
    }

    /// The anchor refused our head for a larger one: ours counts as anchored when that one extends it.
    fn meet_larger(&mut self, ours: &HeadRow, note: &str) -> Result<(), LogError> {
        let theirs = self.trusted_head(note)?;
        if theirs.size > ours.size {
            // Somebody else wrote on; their entries are in the store, or this is another history.
            self.reload()?;
        }
        if theirs.size > self.accepted.head.size || theirs.size < ours.size {
            return Err(LogError::Fork { expected: ours.size, found: theirs.size });
        }
        prove_consistency(&mut self.store, (ours.size, &ours.root), (theirs.size, &theirs.root))?;
        self.anchor.last = Some((theirs.size, theirs.root));
        self.note_quorum(&theirs);
        Ok(())
    }

    /// The head in a note that a trusted key of this log signed.
    fn trusted_head(&self, note: &str) -> Result<HeadRow, LogError> {
        let (origin, size, root, sigs) = read_note(note)?;
        let head = HeadRow { size, root, sigs };
        if origin != self.log.origin || !self.is_attested(&head, &self.past_log_keys())? {
            return Err(LogError::Fork { expected: self.accepted.head.size, found: size });
        }
        Ok(head)
    }
}

/// Origin and size of a head that an anchor showed, before it is known whose it is.
pub(super) fn anchored_head(note: &str) -> Result<(String, u64), LogError> {
    read_note(note).map(|(origin, size, ..)| (origin, size))
}

fn read_note(note: &str) -> Result<(String, u64, Hash, Vec<String>), LogError> {
    let bad =
        |error| LogError::Anchor(AnchorError::Unavailable(format!("it showed something that is no head: {error}")));
    let note = Note::parse(note).map_err(bad)?;
    let Checkpoint { origin, size, root } = note.checkpoint().map_err(bad)?;
    Ok((origin, size, root, note.sigs))
}

/// Whether heads are published at every commit.
impl AnchorEvery {
    /// The default: no acknowledgement without it.
    pub const COMMIT: AnchorEvery = AnchorEvery::Each(Every::Commit);
}
