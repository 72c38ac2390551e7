//! What every anchor has to do.

use secure_log::hash::Hash;
use secure_log::note::Note;
use secure_log::providers::{Anchor, AnchorError, AnchorView};
use secure_log::record::HeadRow;
use secure_log::tree::{CompactTree, ProofPlan, leaf_hash};

/// Makes a test of each check. The argument makes a fresh place, which is a function that opens it, again and again.
#[macro_export]
macro_rules! anchor_conformance {
    (@all; $($check:ident),+ $(,)?) => {
        vec![$((stringify!($check), $crate::conformance::anchors::$check::<A, O> as fn(&mut O))),+]
    };
    (@tests $fresh:expr; $($check:ident),+ $(,)?) => {
        $(
            #[test]
            fn $check() {
                let mut open = ($fresh)();
                $crate::conformance::anchors::$check(&mut open);
            }
        )+
    };
    (@names $($use:tt)+) => {
        $crate::anchor_conformance! {
            $($use)+;
            a_fresh_anchor_knows_nothing,
            the_last_head_is_remembered,
            a_smaller_head_is_refused,
            another_head_of_one_size_is_refused,
            the_same_head_is_taken_again,
            logs_are_kept_apart,
            a_log_that_is_not_known_has_no_old_size,
        }
    };
    ($fresh:expr) => {
        $crate::anchor_conformance!(@names @tests $fresh);
    };
}

/// Every check with its name, for a harness without tests. Each wants a fresh place.
#[allow(clippy::type_complexity, reason = "a name and a function, in a list")]
pub fn all<A: Anchor, O: FnMut() -> A>() -> Vec<(&'static str, fn(&mut O))> {
    crate::anchor_conformance!(@names @all)
}

/// The same for an anchor that shows no head: its view is [`AnchorView::WhenPublished`].
#[macro_export]
macro_rules! silent_anchor_conformance {
    ($fresh:expr) => {
        $crate::anchor_conformance!(@tests $fresh;
            a_silent_anchor_shows_nothing,
            a_silent_anchor_takes_what_continues_its_head,
            a_silent_anchor_answers_another_size_with_its_own,
            a_silent_anchor_refuses_another_head_of_its_size,
            a_silent_anchor_refuses_what_does_not_continue_its_head,
            a_silent_anchor_keeps_logs_apart,
        );
    };
}

/// It works, and says that it knows nothing.
pub fn a_fresh_anchor_knows_nothing<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let mut anchor = open();
    assert_eq!(anchor.latest(None), Ok(AnchorView::Unknown));
    assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Unknown));
}

/// From size 0 on, byte for byte, also after it was opened anew.
pub fn the_last_head_is_remembered<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    let mut anchor = open();
    let mut last = 0;
    for size in [0, 1, 2, 3, 7, 8, 20] {
        let note = log.note(size);
        anchor.publish(&note, last, &log.proof(last, size)).taken.expect("a larger head is taken");
        assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Head(note.clone())));
        drop(anchor);
        anchor = open();
        assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Head(note.clone())));
        assert_eq!(anchor.latest(None), Ok(AnchorView::Head(note)));
        last = size;
    }
    assert_eq!(anchor.latest(Some("another log")), Ok(AnchorView::Unknown));
}

/// The refusal shows the larger head, which stays.
pub fn a_smaller_head_is_refused<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    let mut anchor = open();
    anchor.publish(&log.note(9), 0, &[]).taken.expect("the first head is taken");
    for size in [0, 1, 8] {
        assert_eq!(
            anchor.publish(&log.note(size), 0, &[]).taken,
            Err(AnchorError::Refused(log.note(9))),
            "size {size}"
        );
    }
    drop(anchor);
    assert_eq!(open().latest(Some("log")), Ok(AnchorView::Head(log.note(9))));
}

/// That would be a fork.
pub fn another_head_of_one_size_is_refused<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    let mut anchor = open();
    let known = log.note(9);
    anchor.publish(&known, 0, &[]).taken.expect("the first head is taken");
    let fork = note("log", 9, Hash([7; 32]));
    assert_eq!(anchor.publish(&fork, 9, &[]).taken, Err(AnchorError::Refused(known.clone())));
    assert_eq!(anchor.publish(&fork, 0, &[]).taken, Err(AnchorError::Refused(known.clone())));
    assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Head(known)));
}

/// A writer that lost the answer asks again.
pub fn the_same_head_is_taken_again<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    let mut anchor = open();
    for size in [0, 0, 4, 4] {
        anchor
            .publish(&log.note(size), size, &[])
            .taken
            .or_else(|_| anchor.publish(&log.note(size), 0, &[]).taken)
            .expect("taken");
    }
    assert_eq!(anchor.latest(Some("log")), Ok(AnchorView::Head(log.note(4))));
}

/// An anchor that was emptied under a writer says so, and does not begin anew.
pub fn a_log_that_is_not_known_has_no_old_size<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    assert_eq!(open().publish(&log.note(5), 3, &log.proof(3, 5)).taken, Err(AnchorError::Conflict(0)));
    assert_eq!(open().latest(None), Ok(AnchorView::Unknown));
}

/// An anchor of one log is not one of another; without an origin it answers any that it knows.
pub fn logs_are_kept_apart<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let (one, two) = (Log::new("log-one"), Log::new("log-two"));
    let mut anchor = open();
    anchor.publish(&one.note(5), 0, &[]).taken.expect("a first head is taken");
    assert_eq!(anchor.latest(Some("log-two")), Ok(AnchorView::Unknown));
    match anchor.publish(&two.note(3), 0, &[]).taken {
        Ok(_) => assert_eq!(anchor.latest(Some("log-two")), Ok(AnchorView::Head(two.note(3)))),
        // An anchor with room for one log keeps that one.
        Err(refusal) => assert_eq!(refusal, AnchorError::Refused(one.note(5))),
    }
    assert_eq!(anchor.latest(Some("log-one")), Ok(AnchorView::Head(one.note(5))));
    match anchor.latest(None) {
        Ok(AnchorView::Head(note)) => assert!([one.note(5), two.note(3)].contains(&note)),
        other => panic!("some head was expected, and not {other:?}"),
    }
}

/// Whatever it has.
pub fn a_silent_anchor_shows_nothing<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    let mut anchor = open();
    assert_eq!(anchor.latest(None), Ok(AnchorView::WhenPublished));
    anchor.publish(&log.note(3), 0, &[]).taken.expect("a first head is taken");
    for origin in [None, Some("log"), Some("another log")] {
        assert_eq!(anchor.latest(origin), Ok(AnchorView::WhenPublished));
    }
}

/// From size 0 on, the same head again and again, also after it was opened anew.
pub fn a_silent_anchor_takes_what_continues_its_head<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    let mut last = 0;
    for size in [0, 0, 1, 2, 2, 7, 8, 20, 20] {
        open().publish(&log.note(size), last, &log.proof(last, size)).taken.expect("a continuation is taken");
        last = size;
    }
}

/// Smaller heads and those that are published from another size are not taken; it says which size it has.
pub fn a_silent_anchor_answers_another_size_with_its_own<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    assert_eq!(open().publish(&log.note(5), 3, &log.proof(3, 5)).taken, Err(AnchorError::Conflict(0)));
    open().publish(&log.note(9), 0, &[]).taken.expect("the first head is taken");
    for (old, size) in [(0, 9), (0, 12), (3, 8), (8, 9), (8, 12), (10, 12), (0, 0)] {
        let answer = open().publish(&log.note(size), old, &log.proof(old, size)).taken;
        assert_eq!(answer, Err(AnchorError::Conflict(9)), "from {old} to {size}");
    }
    open().publish(&log.note(12), 9, &log.proof(9, 12)).taken.expect("from there it is taken");
}

/// That would be a fork.
pub fn a_silent_anchor_refuses_another_head_of_its_size<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    open().publish(&log.note(9), 0, &[]).taken.expect("the first head is taken");
    let fork = note("log", 9, Hash([7; 32]));
    assert_eq!(open().publish(&fork, 9, &[]).taken, Err(AnchorError::Conflict(9)));
    open().publish(&log.note(9), 9, &[]).taken.expect("it still has the first one");
}

/// So would this.
pub fn a_silent_anchor_refuses_what_does_not_continue_its_head<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let log = Log::new("log");
    open().publish(&log.note(9), 0, &[]).taken.expect("the first head is taken");
    let fork = note("log", 12, Hash([7; 32]));
    assert_eq!(open().publish(&fork, 9, &log.proof(9, 12)).taken, Err(AnchorError::Inconsistent(9)));
    assert_eq!(open().publish(&log.note(12), 9, &log.proof(8, 12)).taken, Err(AnchorError::Inconsistent(9)));
    open().publish(&log.note(12), 9, &log.proof(9, 12)).taken.expect("it still has the first one");
}

/// What it knows of one log it does not say of another.
pub fn a_silent_anchor_keeps_logs_apart<A: Anchor, O: FnMut() -> A>(open: &mut O) {
    let (one, two) = (Log::new("log-one"), Log::new("log-two"));
    open().publish(&one.note(5), 0, &[]).taken.expect("a first head is taken");
    match open().publish(&two.note(3), 0, &[]).taken {
        Ok(_) => assert_eq!(open().publish(&two.note(4), 0, &[]).taken, Err(AnchorError::Conflict(3))),
        // A witness takes heads of the logs that it was given, and of no others.
        Err(refusal) => assert!(matches!(refusal, AnchorError::Unavailable(_)), "{refusal:?}"),
    }
    assert_eq!(open().publish(&one.note(6), 0, &[]).taken, Err(AnchorError::Conflict(5)));
}

/// A log of up to 20 entries, with real roots and proofs.
struct Log {
    origin: &'static str,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(origin: &'static str) -> Log {
        Log { origin, leaves: (0..20u8).map(|i| leaf_hash(&Hash::sha256(&[i]))).collect() }
    }

    fn root(&self, first: u64, count: u64) -> Hash {
        let mut tree = CompactTree::new();
        self.leaves[first as usize..(first + count) as usize].iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    fn note(&self, size: u64) -> String {
        note(self.origin, size, self.root(0, size))
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        // Nothing can be proven from size 0, and nothing has to be.
        let Ok(plan) = ProofPlan::consistency(old, new) else { return Vec::new() };
        let roots: Vec<Hash> = plan.subtrees().map(|s| self.root(s.index << s.level, 1 << s.level)).collect();
        plan.assemble(&roots).expect("a root for each subtree")
    }
}

fn note(origin: &str, size: u64, root: Hash) -> String {
    // A line that looks like a signature and is none: no anchor knows the key.
    let sigs = vec![format!("{origin} {}", "dGVzdCBzaWduYXR1cmU".repeat(4) + "AAAA")];
    Note::of_head(origin, &HeadRow { size, root, sigs }).to_string()
}
