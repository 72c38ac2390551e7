//! The times between neighbours.

use crate::review::{Gap, Gaps, Length, MAX_NEWEST, Moment};

/// A sequence of entries: where it is, and how many that are gone came since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequence {
    last: Option<Moment>,
    pruned: u64,
}

impl Sequence {
    /// An entry that is gone comes next.
    pub(super) fn pruned(&mut self) {
        self.pruned += 1;
    }

    /// This entry comes next, in this stream if it is one stream's sequence.
    #[inline]
    pub(super) fn entry(&mut self, moment: Moment, stream: Option<usize>, gaps: &mut GapTally) {
        let pruned = core::mem::take(&mut self.pruned);
        if let Some(from) = self.last.replace(moment) {
            gaps.offer(Step { nanos: moment.time.nanos_since(from.time), from, to: moment, stream, pruned });
        }
    }
}

/// The time between two neighbours.
#[derive(Clone, Copy, Debug)]
struct Step {
    nanos: i128,
    from: Moment,
    to: Moment,
    stream: Option<usize>,
    pruned: u64,
}

/// The largest of all that were offered.
#[derive(Debug, Default)]
pub(super) struct GapTally {
    largest: Vec<Step>,
    steps_back: u64,
    largest_back: Vec<Step>,
}

impl GapTally {
    #[inline]
    fn offer(&mut self, step: Step) {
        if step.nanos > 0 {
            keep(&mut self.largest, step);
        } else if step.nanos < 0 {
            self.steps_back += 1;
            keep(&mut self.largest_back, step);
        }
    }

    /// `name` is what a stream with this number is called.
    pub(super) fn finish(self, name: impl Fn(usize) -> String) -> Gaps {
        let gap = |Step { nanos, from, to, stream, pruned }: Step| {
            let (nanos, second) = (nanos.unsigned_abs(), 1_000_000_000);
            // There are fewer seconds in 9999 years than a u64 holds.
            let length = Length { seconds: (nanos / second) as u64, nanos: (nanos % second) as u32 };
            Gap { stream: stream.map(&name), from, to, length, pruned }
        };
        Gaps {
            largest: self.largest.into_iter().map(&gap).collect(),
            steps_back: self.steps_back,
            largest_back: self.largest_back.into_iter().map(&gap).collect(),
        }
    }
}

/// Keeps the longest, of which the earlier one stands before another that is as long. They come in the order of `to`.
#[inline]
fn keep(largest: &mut Vec<Step>, step: Step) {
    let length = step.nanos.unsigned_abs();
    if largest.len() == MAX_NEWEST && largest.last().is_some_and(|last| last.nanos.unsigned_abs() >= length) {
        return;
    }
    let place = largest.partition_point(|other| other.nanos.unsigned_abs() >= length);
    largest.insert(place, step);
    largest.truncate(MAX_NEWEST);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn the_longest_are_kept_in_order_and_steps_back_apart() {
        let mut sequence = Sequence::default();
        let mut gaps = GapTally::default();
        let seconds = [0, 5, 5, 4, 9, 109, 100, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115];
        for (seqno, second) in (1..).zip(seconds) {
            if seqno == 6 {
                sequence.pruned();
                sequence.pruned();
            }
            sequence.entry(Moment { seqno, time: Timestamp::from_unix(second, 7).unwrap() }, Some(3), &mut gaps);
        }
        let gaps = gaps.finish(|stream| format!("stream {stream}"));
        let told: Vec<_> = gaps.largest.iter().map(|gap| (gap.length.seconds, gap.from.seqno, gap.pruned)).collect();
        assert_eq!(told[..5], [(100, 5, 2), (5, 1, 0), (5, 4, 0), (5, 7, 0), (1, 8, 0)]);
        assert_eq!((told.len(), told[9]), (MAX_NEWEST, (1, 13, 0)));
        let back: Vec<_> = gaps.largest_back.iter().map(|gap| (gap.length.seconds, gap.to.seqno)).collect();
        assert_eq!((gaps.steps_back, back), (2, vec![(9, 7), (1, 4)]));
        assert_eq!(gaps.largest[0].stream.as_deref(), Some("stream 3"));
        assert_eq!(gaps.largest[0].length.to_string(), "100.000000000 s");
    }

    #[test]
    fn the_longest_gap_that_there_can_be_has_a_length() {
        let mut sequence = Sequence::default();
        let mut gaps = GapTally::default();
        for (seqno, text) in [(1, "0001-01-01T00:00:00.000000000Z"), (2, "9999-12-31T23:59:59.999999999Z")] {
            sequence.entry(Moment { seqno, time: text.parse().unwrap() }, None, &mut gaps);
        }
        let gaps = gaps.finish(|_| unreachable!("it is of no stream"));
        assert_eq!(gaps.largest[0].length, Length { seconds: 315_537_897_599, nanos: 999_999_999 });
    }
}
