//! Both sides of the log's `anchor` interface: the one that a component imports as a native anchor, and a native anchor
//! behind the one that it exports.

use std::cell::RefCell;
use std::marker::PhantomData;

use secure_log::hash::Hash;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication, WitnessAnswer, WitnessOutcome};

use self::imported_bindings::secure_log::log::anchor as imported;
use self::provided_bindings::exports::secure_log::log::anchor as provided;

pub mod imported_bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:guest;

            world anchor-user {
                import secure-log:log/anchor@0.1.0;
            }
        ",
        world: "secure-log:guest/anchor-user",
        path: ["../../wit/keys", "../../wit"],
        generate_all,
    });
}

pub mod provided_bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        world: "secure-log:log/anchor-provider",
        path: ["../../wit/keys", "../../wit"],
        pub_export_macro: true,
        default_bindings_module: "secure_log_guest::anchor::provided_bindings",
    });
}

/// The anchor that this component was composed with.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedAnchor;

impl Anchor for ImportedAnchor {
    fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
        Ok(match imported::latest(origin).map_err(error_from_wire)? {
            imported::View::NotConfigured => AnchorView::NotConfigured,
            imported::View::Unknown => AnchorView::Unknown,
            imported::View::Head(note) => AnchorView::Head(note),
            imported::View::WhenPublished => AnchorView::WhenPublished,
        })
    }

    fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
        let proof: Vec<Vec<u8>> = proof.iter().map(|hash| hash.0.to_vec()).collect();
        let imported::Publication { taken, answers } = imported::publish(note, old_size, &proof);
        Publication {
            taken: taken.map_err(error_from_wire),
            answers: answers.into_iter().map(answer_from_wire).collect(),
        }
    }
}

fn answer_from_wire(answer: imported::WitnessAnswer) -> WitnessAnswer {
    use imported::WitnessOutcome as Wire;
    let outcome = match answer.outcome {
        Wire::Cosigned(line) => WitnessOutcome::Cosigned(line),
        Wire::Conflict(why) => WitnessOutcome::Conflict(why),
        Wire::Refused(why) => WitnessOutcome::Refused(why),
        Wire::Unreachable(why) => WitnessOutcome::Unreachable(why),
    };
    WitnessAnswer { name: answer.name, outcome }
}

fn answer_to_wire(answer: WitnessAnswer) -> provided::WitnessAnswer {
    use provided::WitnessOutcome as Wire;
    let outcome = match answer.outcome {
        WitnessOutcome::Cosigned(line) => Wire::Cosigned(line),
        WitnessOutcome::Conflict(why) => Wire::Conflict(why),
        WitnessOutcome::Refused(why) => Wire::Refused(why),
        WitnessOutcome::Unreachable(why) => Wire::Unreachable(why),
    };
    provided::WitnessAnswer { name: answer.name, outcome }
}

fn error_from_wire(error: imported::AnchorError) -> AnchorError {
    match error {
        imported::AnchorError::Refused(note) => AnchorError::Refused(note),
        imported::AnchorError::Unavailable(detail) => AnchorError::Unavailable(detail),
        imported::AnchorError::Conflict(size) => AnchorError::Conflict(size),
        imported::AnchorError::Inconsistent(size) => AnchorError::Inconsistent(size),
    }
}

/// What makes a native anchor a component.
pub trait AnchorProvider {
    /// The anchor.
    type Anchor: Anchor + 'static;

    /// The anchor that the component's surroundings configure; `None` when they configure none.
    fn configured() -> Result<Option<Self::Anchor>, AnchorError>;
}

/// The component's exports over the anchor that `P` opens.
pub struct ServedAnchor<P>(PhantomData<P>);

thread_local! {
    /// The one anchor of this component instance, which has one thread; none before it was asked for.
    static OPENED: RefCell<Option<Box<dyn Anchor>>> = const { RefCell::new(None) };
}

/// Calls the anchor, which is opened by the first call; `none` is the answer where none is configured.
fn with_anchor<P: AnchorProvider, R>(
    none: Result<R, AnchorError>,
    call: impl FnOnce(&mut dyn Anchor) -> Result<R, AnchorError>,
) -> Result<R, provided::AnchorError> {
    let answer = OPENED.with_borrow_mut(|opened| {
        if opened.is_none() {
            *opened = P::configured()?.map(|anchor| Box::new(anchor) as Box<dyn Anchor>);
        }
        match opened {
            Some(anchor) => call(anchor.as_mut()),
            None => none,
        }
    });
    answer.map_err(error_to_wire)
}

fn error_to_wire(error: AnchorError) -> provided::AnchorError {
    match error {
        AnchorError::Refused(note) => provided::AnchorError::Refused(note),
        AnchorError::Unavailable(detail) => provided::AnchorError::Unavailable(detail),
        AnchorError::Conflict(size) => provided::AnchorError::Conflict(size),
        AnchorError::Inconsistent(size) => provided::AnchorError::Inconsistent(size),
        // A case that this crate does not know yet says at least that nothing is certain.
        other => provided::AnchorError::Unavailable(other.to_string()),
    }
}

impl<P: AnchorProvider> provided::Guest for ServedAnchor<P> {
    fn latest(origin: Option<String>) -> Result<provided::View, provided::AnchorError> {
        let view = with_anchor::<P, _>(Ok(AnchorView::NotConfigured), |anchor| anchor.latest(origin.as_deref()))?;
        Ok(match view {
            AnchorView::NotConfigured => provided::View::NotConfigured,
            AnchorView::Unknown => provided::View::Unknown,
            AnchorView::Head(note) => provided::View::Head(note),
            AnchorView::WhenPublished => provided::View::WhenPublished,
        })
    }

    fn publish(note: String, old_size: u64, proof: Vec<Vec<u8>>) -> provided::Publication {
        let none = Err(AnchorError::Unavailable("no anchor is configured".into()));
        let proof: Result<Vec<Hash>, _> = proof.iter().map(|hash| Hash::try_from(&hash[..])).collect();
        let published = with_anchor::<P, _>(none, |anchor| {
            let proof = proof.map_err(|_| AnchorError::Unavailable("a hash of the proof has not 32 bytes".into()))?;
            Ok(anchor.publish(&note, old_size, &proof))
        });
        match published {
            Ok(Publication { taken, answers }) => provided::Publication {
                taken: taken.map_err(error_to_wire),
                answers: answers.into_iter().map(answer_to_wire).collect(),
            },
            Err(error) => provided::Publication { taken: Err(error), answers: Vec::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use provided::Guest as _;
    use secure_log::providers::NoAnchor;

    use super::*;

    struct Nothing;

    impl AnchorProvider for Nothing {
        type Anchor = NoAnchor;
        fn configured() -> Result<Option<NoAnchor>, AnchorError> {
            Ok(None)
        }
    }

    #[test]
    fn what_is_not_configured_says_so_and_takes_nothing() {
        type Served = ServedAnchor<Nothing>;
        assert!(matches!(Served::latest(None), Ok(provided::View::NotConfigured)));
        assert!(matches!(
            Served::publish(String::new(), 0, Vec::new()).taken,
            Err(provided::AnchorError::Unavailable(_))
        ));
    }

    /// Gives back what it is given.
    struct Echo;

    impl AnchorProvider for Echo {
        type Anchor = Echo;
        fn configured() -> Result<Option<Echo>, AnchorError> {
            Ok(Some(Echo))
        }
    }

    impl Anchor for Echo {
        fn latest(&mut self, origin: Option<&str>) -> Result<AnchorView, AnchorError> {
            match origin {
                Some(size) => Err(AnchorError::Conflict(size.parse().unwrap())),
                None => Ok(AnchorView::WhenPublished),
            }
        }
        fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
            let outcomes = [
                WitnessOutcome::Cosigned(note.into()),
                WitnessOutcome::Conflict(note.into()),
                WitnessOutcome::Refused(note.into()),
                WitnessOutcome::Unreachable(note.into()),
            ];
            let answers =
                outcomes.into_iter().zip(1..).map(|(outcome, n)| WitnessAnswer { name: format!("w{n}"), outcome });
            let taken = match old_size {
                0 => Err(AnchorError::Refused(note.into())),
                1 => Err(AnchorError::Inconsistent(proof.len() as u64)),
                _ => Ok(()),
            };
            Publication { taken, answers: answers.collect() }
        }
    }

    #[test]
    fn each_answer_keeps_its_meaning() {
        type Served = ServedAnchor<Echo>;
        let published = |old, proof| Served::publish("note".into(), old, proof);
        let publish = |old, proof| published(old, proof).taken;
        assert!(matches!(Served::latest(None), Ok(provided::View::WhenPublished)));
        assert!(matches!(Served::latest(Some("7".into())), Err(provided::AnchorError::Conflict(7))));
        assert!(matches!(publish(0, Vec::new()), Err(provided::AnchorError::Refused(note)) if note == "note"));
        assert!(matches!(publish(1, vec![vec![0; 32]; 2]), Err(provided::AnchorError::Inconsistent(2))));
        assert!(matches!(publish(2, vec![vec![0; 31]]), Err(provided::AnchorError::Unavailable(_))));
        assert!(publish(2, Vec::new()).is_ok());
        // Whether it was taken or not.
        for old in [1, 2] {
            use provided::WitnessOutcome as Wire;
            let answers = published(old, Vec::new()).answers;
            let [one, two, three, four] = &answers[..] else { panic!("{} answers", answers.len()) };
            assert_eq!([&one.name, &two.name, &three.name, &four.name], ["w1", "w2", "w3", "w4"]);
            assert!(matches!(&one.outcome, Wire::Cosigned(line) if line == "note"));
            assert!(matches!(&two.outcome, Wire::Conflict(why) if why == "note"));
            assert!(matches!(&three.outcome, Wire::Refused(why) if why == "note"));
            assert!(matches!(&four.outcome, Wire::Unreachable(why) if why == "note"));
        }
    }
}
