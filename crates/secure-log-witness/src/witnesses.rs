//! The anchor that several witnesses are.

use std::time::{Duration, Instant};

use secure_log::hash::Hash;
use secure_log::note::Note;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication, WitnessAnswer, WitnessOutcome};
use secure_log::verify::Quorum;

use crate::client::{Post, RemoteWitness, Unwitnessed};
use crate::head::Head;

/// A witness that did not answer is left alone for so long, so that not every commit waits for it.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// Witnesses as an anchor: a head is taken when enough of them cosigned it.
///
/// The log's engine offers a head with one proof, and witnesses may have seen different heads of the log last. So a conflict
/// with a smaller size is passed on to the engine, which comes back with the proof from there; who cosigned the head
/// already is not asked again. A witness that was added to others begins with the head that those cosigned.
pub struct Witnesses<P> {
    post: P,
    members: Vec<Member>,
    quorum: Option<Quorum>,
}

struct Member {
    witness: RemoteWitness,
    /// The text of the head that it was asked about last.
    text: String,
    answer: Option<Result<Vec<String>, Unwitnessed>>,
    /// The engine was told the size that it has.
    followed: bool,
    failed_at: Option<Instant>,
}

impl<P: Post> Witnesses<P> {
    /// These witnesses, of whom the quorum of the policy has to cosign a head, or any one where it names none.
    pub fn new(post: P, witnesses: Vec<RemoteWitness>, quorum: Option<Quorum>) -> Witnesses<P> {
        let member = |witness| Member { witness, text: String::new(), answer: None, followed: false, failed_at: None };
        Witnesses { post, members: witnesses.into_iter().map(member).collect(), quorum }
    }

    /// What each of them answered to the head that was published last.
    fn answers(&self) -> Vec<WitnessAnswer> {
        self.members.iter().flat_map(Member::answers).collect()
    }

    fn ask(&mut self, index: usize, note: &Note, old_size: u64, proof: &[Hash]) {
        let member = &mut self.members[index];
        if member.failed_at.is_some_and(|at| at.elapsed() < LEFT_ALONE) {
            return;
        }
        let answer = member.witness.cosign(&mut self.post, note, old_size, proof);
        member.failed_at = matches!(answer, Err(Unwitnessed::Unreachable(_))).then(Instant::now);
        member.answer = Some(answer);
    }

    /// Asks everybody who did not cosign this head yet.
    fn ask_all(&mut self, note: &Note, size: u64, old_size: u64, proof: &[Hash]) {
        let several = self.members.len() > 1;
        for index in 0..self.members.len() {
            self.members[index].turn_to(&note.text);
            if self.members[index].has_cosigned() {
                continue;
            }
            self.ask(index, note, old_size, proof);
            // It has the head already, as another answer says or one that was lost on the way.
            if several && old_size != size && self.members[index].conflict() == Some(size) {
                self.ask(index, note, size, &[]);
            }
        }
        if self.members.iter().any(Member::has_cosigned) {
            for index in 0..self.members.len() {
                if self.members[index].conflict() == Some(0) && old_size != 0 {
                    self.ask(index, note, 0, &[]);
                }
            }
        }
    }

    /// A size that the engine has to publish from again, which it is told once a head and witness: one that names another
    /// size each time would never be satisfied.
    fn size_to_follow(&mut self, size: u64, old_size: u64) -> Option<u64> {
        let behind = |theirs: u64| 0 < theirs && theirs < size && theirs != old_size;
        let member = self.members.iter_mut().find(|m| !m.followed && m.conflict().is_some_and(behind))?;
        member.followed = true;
        member.conflict()
    }

    /// Why not enough of them cosigned. Two histories go before all else.
    fn refusal(&self, size: u64, old_size: u64) -> AnchorError {
        let answers = || self.members.iter().filter_map(|member| member.answer.as_ref()?.as_ref().err());
        let evidence = answers().find_map(|answer| match *answer {
            Unwitnessed::Inconsistent(theirs) => Some(AnchorError::Inconsistent(theirs)),
            Unwitnessed::Conflict(theirs) if theirs >= size || theirs == old_size => {
                Some(AnchorError::Conflict(theirs))
            }
            _ => None,
        });
        if let Some(evidence) = evidence {
            return evidence;
        }
        let mut answered = answers().filter(|answer| !matches!(answer, Unwitnessed::Unreachable(_))).peekable();
        if answered.peek().is_some() && answered.all(|answer| *answer == Unwitnessed::Conflict(0)) {
            return AnchorError::Conflict(0);
        }
        let each: Vec<String> = self.members.iter().filter_map(Member::said).collect();
        AnchorError::Unavailable(each.join("; "))
    }

    fn offer(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Result<(), AnchorError> {
        let no_head = |error| AnchorError::Unavailable(format!("what was published is {error}"));
        let note = Note::parse(note).map_err(no_head)?;
        let Head { size, .. } = Head::parse(&note.text).map_err(no_head)?;
        self.ask_all(&note, size, old_size, proof);
        if let Some(theirs) = self.size_to_follow(size, old_size) {
            return Err(AnchorError::Conflict(theirs));
        }
        let mut cosigned = self.members.iter().filter(|member| member.has_cosigned());
        let enough = match &self.quorum {
            Some(quorum) => quorum.is_met_by(cosigned.map(|member| &member.witness.key)),
            None => cosigned.next().is_some(),
        };
        if enough { Ok(()) } else { Err(self.refusal(size, old_size)) }
    }
}

impl<P: Post> Anchor for Witnesses<P> {
    fn latest(&mut self, _: Option<&str>) -> Result<AnchorView, AnchorError> {
        Ok(AnchorView::WhenPublished)
    }

    fn publish(&mut self, note: &str, old_size: u64, proof: &[Hash]) -> Publication {
        let taken = self.offer(note, old_size, proof);
        Publication { taken, answers: self.answers() }
    }
}

impl Member {
    /// Forgets what was said of another head.
    fn turn_to(&mut self, text: &str) {
        if self.text != text {
            let left_alone = matches!(self.answer, Some(Err(Unwitnessed::Unreachable(_)))).then(|| self.answer.take());
            (self.text, self.followed) = (text.into(), false);
            self.answer = left_alone.flatten();
        }
    }

    fn has_cosigned(&self) -> bool {
        matches!(self.answer, Some(Ok(_)))
    }

    fn conflict(&self) -> Option<u64> {
        match self.answer {
            Some(Err(Unwitnessed::Conflict(size))) => Some(size),
            _ => None,
        }
    }

    /// For a row each: under the name of the key, which cosignatures have as well.
    fn answers(&self) -> Vec<WitnessAnswer> {
        let answer = |outcome| WitnessAnswer { name: self.witness.key.name().into(), outcome };
        match &self.answer {
            None => Vec::new(),
            Some(Ok(lines)) => lines.iter().cloned().map(WitnessOutcome::Cosigned).map(answer).collect(),
            Some(Err(why)) => vec![answer(why.outcome())],
        }
    }

    /// For a person to read: under the name that the policy has for it.
    fn said(&self) -> Option<String> {
        let name = &self.witness.name;
        Some(match self.answer.as_ref()? {
            Ok(_) => format!("{name} cosigned it"),
            Err(why) => format!("{name}: {why}"),
        })
    }
}

impl<P> core::fmt::Debug for Witnesses<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<&str> = self.members.iter().map(|member| &*member.witness.name).collect();
        f.debug_struct("Witnesses").field("names", &names).finish_non_exhaustive()
    }
}
