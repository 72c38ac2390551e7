//! Comparing with the anchor, and publishing.

use crate::engine::SecureLog;
use crate::engine::commit::{Signing, is_due};
use crate::engine::options::{AnchorEvery, Every};
use crate::engine::proof::prove_consistency;
use crate::error::LogError;
use crate::hash::Hash;
use crate::note::{Checkpoint, Note};
use crate::providers::{AnchorError, AnchorView};
use crate::record::HeadRow;
use crate::store::SecureLogStore;
use crate::time::Timestamp;
use crate::tree::empty_root;

impl<S: SecureLogStore> SecureLog<S> {
    /// Compares what was opened with what the anchor said before the store was read, and brings the anchor up to it.
    pub(super) fn meet_anchor(&mut self, view: AnchorView) -> Result<(), LogError> {
        let size = self.accepted.head.size;
        match view {
            AnchorView::NotConfigured => return Ok(()),
            AnchorView::Unknown if size > 0 => return Err(LogError::AnchorMissing { size }),
            AnchorView::Unknown => {}
            AnchorView::Head(note) => self.anchor.last = Some(self.meet_head(&note)?),
        }
        self.check_anchored_key()?;
        // The head of size 0 is there before the first entry is accepted.
        let now = self.providers.clock.now();
        if !self.publish(now)? && size == 0 {
            return Err(AnchorError::Unavailable("it did not take the first head of a new log".into()).into());
        }
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
            self.publish(now)?;
        }
        Ok(())
    }

    /// Gives the anchor the last head, if it is signed. Answers whether it has it now.
    fn publish(&mut self, now: Timestamp) -> Result<bool, LogError> {
        let head = self.accepted.head.clone();
        if head.sigs.is_empty() {
            return Ok(false);
        }
        let (old, old_root) = self.anchor.last.unwrap_or((0, empty_root()));
        if (old, old_root) == (head.size, head.root) && self.anchor.last.is_some() {
            return Ok(true);
        }
        let proof = prove_consistency(&mut self.store, (old, &old_root), (head.size, &head.root))?;
        let note = Note::of_head(&self.log.origin, &head).to_string();
        match self.providers.anchor.publish(&note, old, &proof) {
            Ok(_cosignatures) => {
                self.anchor.last = Some((head.size, head.root));
                self.anchor.published_at = Some(now);
                Ok(true)
            }
            Err(AnchorError::Refused(theirs)) => self.meet_larger(&head, &theirs).map(|()| true),
            Err(AnchorError::Unavailable(_)) => Ok(false),
        }
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
        Ok(())
    }

    /// The head in a note that a trusted key of this log signed.
    fn trusted_head(&self, note: &str) -> Result<HeadRow, LogError> {
        let (origin, size, root, sigs) = read_note(note)?;
        let head = HeadRow { size, root, sigs };
        if origin != self.log.origin || !self.is_attested(&head, &self.log_keys())? {
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
