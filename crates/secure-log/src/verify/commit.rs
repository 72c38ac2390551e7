//! What a commit must hold besides its entries, which is looked at when its head is there.

use crate::hash::Hash;
use crate::record::Subject;
use crate::verify::report::MAX_LISTED;

/// A segment, as its row and the entry that closes it both name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closing {
    pub(super) stream: usize,
    pub(super) segment: u64,
    pub(super) checkpoint: Hash,
}

/// What stands in a commit that has no head yet.
#[derive(Debug, Default)]
pub(super) struct OpenCommit {
    /// Records were read since the last head.
    pub(super) begun: bool,
    /// Segments that entries say were closed.
    pub(super) claims: Vec<Closing>,
    /// Segments that were closed.
    pub(super) closings: Vec<Closing>,
    /// Streams that were deprecated, by record or by entry.
    pub(super) deprecations: Vec<usize>,
    signatures: Signatures,
}

impl OpenCommit {
    /// The stream's rules require a signature of this entry.
    pub(super) fn owe_entry(&mut self, seqno: u64) {
        self.signatures.settle_entry();
        let place = self.signatures.next_place();
        self.signatures.entry = Some(Signature { of: Subject::Entry(seqno), place, signed: false, vouched: false });
    }

    /// A segment was closed; the stream's rules may require a signature of it. Ids come one after the other.
    pub(super) fn owe_segment(&mut self, id: u64, required: bool) {
        let place = self.signatures.next_place();
        let signature = Signature { of: Subject::Segment(id), place, signed: !required, vouched: !required };
        self.signatures.segments.push(signature);
    }

    /// There is a signature, whatever it is worth.
    pub(super) fn signed(&mut self, of: Subject) {
        if let Some(signature) = self.signatures.find(of) {
            signature.signed = true;
        }
    }

    /// There is a signature by a signer of the policy.
    pub(super) fn vouched(&mut self, of: Subject) {
        if let Some(signature) = self.signatures.find(of) {
            signature.vouched = true;
        }
    }

    /// Segments that only their row or only an entry names.
    pub(super) fn unmatched_segments(&mut self) -> Vec<Closing> {
        for closings in [&mut self.claims, &mut self.closings] {
            closings.sort_unstable();
            closings.dedup();
        }
        if self.claims == self.closings {
            return Vec::new();
        }
        let only_in = |these: &[Closing], others: &[Closing]| {
            these.iter().filter(|c| others.binary_search(c).is_err()).copied().collect::<Vec<_>>()
        };
        [only_in(&self.claims, &self.closings), only_in(&self.closings, &self.claims)].concat()
    }

    /// What has to be signed and is not, or by nobody who is known, in commit order up to the first that is not signed
    /// at all; and how many of the former were left out.
    pub(super) fn unsigned(&mut self) -> (Vec<(Subject, Lack)>, u64) {
        self.signatures.settle_entry();
        let all = core::mem::take(&mut self.signatures);
        let mut lacking: Vec<Signature> = all.entries;
        lacking.extend(all.segments.into_iter().filter(|s| !s.signed || !s.vouched));
        lacking.sort_unstable_by_key(|signature| signature.place);
        let lack = |s: Signature| (s.of, if s.signed { Lack::KnownSigner } else { Lack::Signature });
        (lacking.into_iter().map(lack).collect(), all.unlisted)
    }
}

/// What a signature that the rules require lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// There is none.
    Signature,
    /// There is one, by nobody whom the policy knows.
    KnownSigner,
}

/// Signatures that the rules require of this commit.
#[derive(Debug, Default)]
struct Signatures {
    places: u64,
    /// The last entry that has to be signed, if its signatures may still come.
    entry: Option<Signature>,
    /// Earlier entries that lack something.
    entries: Vec<Signature>,
    /// One of them has no signature at all, so that nothing after it matters.
    hopeless: bool,
    unlisted: u64,
    /// Every segment that was closed, in the order of their ids.
    segments: Vec<Signature>,
}

#[derive(Debug)]
struct Signature {
    of: Subject,
    /// Its place in the commit, among those that may be required.
    place: u64,
    signed: bool,
    vouched: bool,
}

impl Signatures {
    fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    fn find(&mut self, of: Subject) -> Option<&mut Signature> {
        match of {
            Subject::Entry(_) => self.entry.as_mut().filter(|signature| signature.of == of),
            Subject::Segment(_) => {
                let index = self.segments.binary_search_by_key(&of, |segment| segment.of).ok()?;
                self.segments.get_mut(index)
            }
        }
    }

    /// No signature of the last entry can follow any more. It is kept if it lacks something that will be reported.
    fn settle_entry(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        if self.hopeless || (entry.signed && entry.vouched) {
            return;
        }
        self.hopeless = !entry.signed;
        if entry.signed && self.entries.len() >= MAX_LISTED {
            self.unlisted += 1;
        } else {
            self.entries.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_a_signature_is_named_in_commit_order() {
        let mut commit = OpenCommit::default();
        commit.owe_entry(1);
        commit.signed(Subject::Entry(1));
        commit.vouched(Subject::Entry(1));
        commit.owe_entry(2);
        commit.signed(Subject::Entry(2));
        commit.owe_segment(7, true);
        commit.owe_segment(8, false);
        commit.owe_segment(9, true);
        commit.signed(Subject::Segment(9));
        commit.vouched(Subject::Segment(9));
        commit.owe_entry(3);
        commit.signed(Subject::Segment(7));
        for other in [Subject::Segment(6), Subject::Segment(10), Subject::Segment(0), Subject::Entry(1)] {
            commit.signed(other);
        }
        let lacking = [
            (Subject::Entry(2), Lack::KnownSigner),
            (Subject::Segment(7), Lack::KnownSigner),
            (Subject::Entry(3), Lack::Signature),
        ];
        assert_eq!(commit.unsigned(), (lacking.into(), 0));
        assert_eq!(commit.unsigned(), (Vec::new(), 0));
    }

    #[test]
    fn a_commit_of_any_length_keeps_few_signatures() {
        let mut commit = OpenCommit::default();
        for seqno in 1..=5000 {
            commit.owe_entry(seqno);
            commit.signed(Subject::Entry(seqno));
        }
        assert_eq!(commit.signatures.entries.len(), MAX_LISTED);
        commit.owe_entry(5001);
        for seqno in 5002..=9000 {
            commit.owe_entry(seqno);
        }
        let (lacking, unlisted) = commit.unsigned();
        assert_eq!((lacking.len(), unlisted), (MAX_LISTED + 1, 4000));
        assert_eq!(lacking.last(), Some(&(Subject::Entry(5001), Lack::Signature)));
    }

    #[test]
    fn segments_and_their_claims_are_paired() {
        let closing = |segment| Closing { stream: 0, segment, checkpoint: Hash::ZERO };
        let mut commit = OpenCommit { claims: vec![closing(2), closing(1)], ..OpenCommit::default() };
        commit.closings = vec![closing(1), closing(2)];
        assert!(commit.unmatched_segments().is_empty());
        commit.closings = vec![closing(1), closing(3)];
        assert_eq!(commit.unmatched_segments(), [closing(2), closing(3)]);
    }
}
