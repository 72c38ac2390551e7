//! An anchor in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log::hash::Hash;
use secure_log::note::{Checkpoint, Note};
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication};
use secure_log::tree;

/// A strict anchor in memory: it refuses what an anchor has to refuse, and a consistency proof that proves nothing.
/// Clones are the same anchor, as two openings of one log see it.
#[derive(Clone, Debug, Default)]
pub struct MemoryAnchor(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The last head of each log; the one that was published last stands last.
    heads: Vec<(Checkpoint, String)>,
    published: u64,
    /// It shows no head.
    silent: bool,
    outage: Option<Outage>,
}

/// How an anchor is out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It does not answer.
    Down,
    /// It takes heads, and its answers are lost.
    AnswersLost,
}

impl MemoryAnchor {
    /// An anchor that knows no log.
    pub fn new() -> MemoryAnchor {
        MemoryAnchor::default()
    }

    /// An anchor that knows no log and shows no head, as a witness does: it answers to heads that are published.
    pub fn silent() -> MemoryAnchor {
        let anchor = MemoryAnchor::default();
        anchor.state().silent = true;
        anchor
    }

    /// Puts it out of order, or in order again.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.state().outage = outage;
    }

    /// Loses all that it knows.
    pub fn forget(&self) {
        self.state().heads.clear();
    }

    /// The note that was published last, of any log.
    pub fn last_note(&self) -> Option<String> {
        self.state().heads.last().map(|(_, note)| note.clone())
    }

    /// How many heads it has taken.
    pub fn published(&self) -> u64 {
        self.state().published
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Anchor for MemoryAnchor {
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
        let state = self.state();
        if state.outage.is_some() {
            return Err(unavailable("the test has put it out of order"));
        }
        if state.silent {
            return Ok(AnchorView::WhenPublished);
        }
        let known = state.heads.iter().rev().find(|(head, _)| origin.is_none_or(|origin| head.origin == origin));
        Ok(known.map_or(AnchorView::Unknown, |(_, note)| AnchorView::Head(note.clone())))
    }

    fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
        self.take(note, old_size, proof).into()
    }
}

impl MemoryAnchor {
    fn take(&self, note: &str, old_size: u64, proof: &[Hash]) -> Result<(), AnchorError> {
        let mut state = self.state();
        if state.outage == Some(Outage::Down) {
            return Err(unavailable("the test has put it out of order"));
        }
        let head = Note::parse(note).and_then(|note| note.checkpoint()).map_err(|e| unavailable(&e.to_string()))?;
        let known = state.heads.iter().position(|(known, _)| known.origin == head.origin);
        let last = known.map(|index| &state.heads[index]);
        if state.silent {
            compare_silently(last, &head, old_size, proof)
        } else {
            compare(last, &head, old_size, proof)
        }?;
        known.map(|index| state.heads.remove(index));
        state.heads.push((head, note.into()));
        state.published += 1;
        match state.outage {
            Some(_) => Err(unavailable("the test has lost the answer")),
            None => Ok(()),
        }
    }
}

/// Whether a head may follow the last one, for who shows that one.
fn compare(
    last: Option<&(Checkpoint, String)>,
    head: &Checkpoint,
    old_size: u64,
    proof: &[Hash],
) -> Result<(), AnchorError> {
    let Some((last, note)) = last else {
        // It had one, and somebody took it away.
        return if old_size > 0 { Err(AnchorError::Conflict(0)) } else { Ok(()) };
    };
    if last.size > head.size || (last.size == head.size && last.root != head.root) {
        return Err(AnchorError::Refused(note.clone()));
    }
    // A proof from another size is for somebody who was faster: there is nothing to check it against.
    if last.size == old_size && old_size > 0 {
        tree::verify_consistency(old_size, &last.root, head.size, &head.root, proof)
            .map_err(|e| unavailable(&format!("the consistency proof proves nothing: {e}")))?;
    }
    Ok(())
}

/// The same, for who shows no head and takes only what is proven from that one.
fn compare_silently(
    last: Option<&(Checkpoint, String)>,
    head: &Checkpoint,
    old_size: u64,
    proof: &[Hash],
) -> Result<(), AnchorError> {
    let (size, root) = last.map_or((0, tree::empty_root()), |(last, _)| (last.size, last.root));
    if old_size > head.size {
        return Err(unavailable("the old size is larger than the head"));
    }
    if size != old_size || (size == head.size && root != head.root) {
        return Err(AnchorError::Conflict(size));
    }
    if size == 0 {
        return Ok(());
    }
    tree::verify_consistency(size, &root, head.size, &head.root, proof).map_err(|_| AnchorError::Inconsistent(size))
}

fn unavailable(detail: &str) -> AnchorError {
    AnchorError::Unavailable(detail.into())
}

#[cfg(test)]
mod tests {
    use secure_log::record::HeadRow;

    use super::*;

    crate::anchor_conformance!(|| {
        let anchor = MemoryAnchor::new();
        move || anchor.clone()
    });

    mod silent {
        use super::MemoryAnchor;

        crate::silent_anchor_conformance!(|| {
            let anchor = MemoryAnchor::silent();
            move || anchor.clone()
        });
    }

    fn note(size: u64) -> String {
        Note::of_head("log", &HeadRow { size, root: Hash([size as u8; 32]), sigs: Vec::new() }).to_string()
    }

    #[test]
    fn outages_are_typed_and_what_was_taken_is_there() {
        let mut anchor = MemoryAnchor::new();
        anchor.set_outage(Some(Outage::Down));
        assert!(matches!(anchor.publish(&note(0), 0, &[]).taken, Err(AnchorError::Unavailable(_))));
        assert!(matches!(anchor.latest(None), Err(AnchorError::Unavailable(_))));
        anchor.set_outage(Some(Outage::AnswersLost));
        assert!(matches!(anchor.publish(&note(0), 0, &[]).taken, Err(AnchorError::Unavailable(_))));
        anchor.set_outage(None);
        assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Head(note(0))));
        anchor.forget();
        assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Unknown));
    }

    #[test]
    fn a_proof_that_proves_nothing_is_not_taken() {
        let mut anchor = MemoryAnchor::new();
        anchor.publish(&note(1), 0, &[]).taken.unwrap();
        assert!(matches!(anchor.publish(&note(2), 1, &[]).taken, Err(AnchorError::Unavailable(_))));
        assert_eq!(anchor.published(), 1);
    }
}
