//! Counting what a verification passes. Everything here was judged right before it is counted; wrong signatures alone are
//! counted as wrong.

use std::collections::VecDeque;

use crate::entry::{EntryRef, SEALED_SUFFIX, Severity};
use crate::index::{Actor, Told, is_audit, spelled_actor};
use crate::record::{HeadRow, SegmentRow, SignatureRow, Subject};
use crate::review::actions::ActionTally;
use crate::review::bits::Bits;
use crate::review::gaps::{GapTally, Sequence};
use crate::review::names::{ActorTally, NameTally};
use crate::review::signers::{SignerTally, Worth};
use crate::review::{
    HeadSummary, Heads, MAX_NEWEST, Moment, Payloads, Review, SegmentSummary, Segments, TimeRange, Totals,
};
use crate::time::Timestamp;
use crate::verify::Report;

/// The counts of a review that is being made.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The stream that is summarised, and its number once it was met.
    only: Option<(String, Option<usize>)>,
    /// The streams of the log, by number.
    streams: Vec<Met>,
    totals: Totals,
    /// Entries, gone or not, under the last head.
    covered: u64,
    severities: [u64; 8],
    producers: NameTally,
    event_types: NameTally,
    actors: ActorTally,
    actions: ActionTally,
    times: Option<TimeRange>,
    log: Sequence,
    gaps: GapTally,
    gaps_in_streams: GapTally,
    signers: SignerTally,
    segments: Segments,
    newest_segments: VecDeque<SegmentSummary>,
    /// Ids of segments with a valid signature, and of those of the stream that is summarised.
    signed_segments: Bits,
    own_segments: Bits,
    heads: Heads,
    newest_heads: VecDeque<HeadSummary>,
    payloads: Payloads,
    /// The stream of the last entry, its seqno and its time, whether it is counted or not.
    last: Option<(usize, Moment)>,
}

/// A stream.
#[derive(Debug)]
struct Met {
    name: Box<str>,
    sequence: Sequence,
}

impl Tally {
    /// Counts what is of this stream, or everything.
    pub(crate) fn new(only: Option<&str>) -> Tally {
        Tally {
            only: only.map(|name| (name.into(), None)),
            streams: Vec::new(),
            totals: Totals::default(),
            covered: 0,
            severities: [0; 8],
            producers: NameTally::new(),
            event_types: NameTally::new(),
            actors: ActorTally::new(),
            actions: ActionTally::new(),
            times: None,
            log: Sequence::default(),
            gaps: GapTally::default(),
            gaps_in_streams: GapTally::default(),
            signers: SignerTally::default(),
            segments: Segments::default(),
            newest_segments: VecDeque::new(),
            signed_segments: Bits::default(),
            own_segments: Bits::default(),
            heads: Heads::default(),
            newest_heads: VecDeque::new(),
            payloads: Payloads::default(),
            last: None,
        }
    }

    /// The next stream.
    pub(crate) fn stream(&mut self, name: &str) {
        if let Some((only, number)) = &mut self.only
            && only == name
        {
            *number = Some(self.streams.len());
        }
        self.streams.push(Met { name: name.into(), sequence: Sequence::default() });
    }

    /// Whether what is of the stream with this number is counted.
    #[inline]
    fn counts(&self, stream: usize) -> bool {
        self.only.as_ref().is_none_or(|(_, number)| *number == Some(stream))
    }

    /// An entry of the stream with this number.
    #[inline]
    pub(crate) fn entry(&mut self, stream: usize, entry: &EntryRef<'_>) {
        // What is no time was a finding.
        let Ok(time) = entry.time.parse::<Timestamp>() else { return };
        let moment = Moment { seqno: entry.seqno, time };
        self.last = Some((stream, moment));
        if !self.counts(stream) {
            return;
        }
        self.totals.entries += 1;
        self.totals.payload_bytes += entry.payload.len() as u64;
        if let Ok(severity) = entry.severity.parse::<Severity>() {
            self.severities[severity as usize] += 1;
        }
        self.producers.count(entry.producer);
        self.event_types.count(entry.event);
        self.moment(stream, moment);
        if entry.is_control() {
            self.totals.control += 1;
        } else if entry.encoding.ends_with(SEALED_SUFFIX) {
            self.payloads.sealed += 1;
        } else {
            self.payloads.clear += 1;
        }
        if is_audit(entry.encoding) {
            self.event(stream, moment, entry.payload);
        }
    }

    /// An event of the audit profile.
    fn event(&mut self, stream: usize, moment: Moment, payload: &[u8]) {
        // Few events are one of two entries, and only these are read beyond their actor.
        let told = self.actions.concerns(payload).then(|| Told::by(payload));
        if let Some(spelled) = told.as_ref().map_or_else(|| spelled_actor(payload), |told| told.actor) {
            self.actors.count(spelled, |found| {
                if let Some(Actor { who, on_behalf_of }) = Actor::read(spelled) {
                    let other = on_behalf_of.as_ref().map(|other| (&*other.kind, &*other.id));
                    found((&who.kind, &who.id), other);
                }
            });
        }
        if let Some(told) = told {
            self.actions.event(moment, stream, &told);
        }
    }

    #[inline]
    fn moment(&mut self, stream: usize, moment: Moment) {
        match &mut self.times {
            Some(range) => {
                if moment.time < range.earliest.time {
                    range.earliest = moment;
                }
                if moment.time >= range.latest.time {
                    range.latest = moment;
                }
            }
            times => *times = Some(TimeRange { earliest: moment, latest: moment }),
        }
        let sequence = &mut self.streams[stream].sequence;
        if self.only.is_some() {
            sequence.entry(moment, Some(stream), &mut self.gaps);
        } else {
            sequence.entry(moment, Some(stream), &mut self.gaps_in_streams);
            self.log.entry(moment, None, &mut self.gaps);
        }
    }

    /// An entry of the stream with this number that is gone.
    pub(crate) fn pruned(&mut self, stream: usize) {
        if self.counts(stream) {
            self.totals.pruned += 1;
            self.streams[stream].sequence.pruned();
            self.log.pruned();
        }
    }

    /// Payloads of the stream with this number that nobody opens again.
    pub(crate) fn erased(&mut self, stream: usize, payloads: u64) {
        if self.counts(stream) {
            self.payloads.erased += payloads;
        }
    }

    /// A payload of the stream with this number was opened.
    pub(crate) fn opened(&mut self, stream: usize) {
        if self.counts(stream) {
            self.payloads.opened += 1;
        }
    }

    /// A segment of the stream with this number was closed.
    pub(crate) fn segment(&mut self, stream: usize, row: &SegmentRow) {
        if !self.counts(stream) {
            return;
        }
        if self.only.is_some() {
            self.own_segments.insert(row.id);
        }
        self.segments.closed += 1;
        let &SegmentRow { id, first, last, count: entries, .. } = row;
        let (stream, closed) = (row.stream.clone(), row.closed.clone());
        push_newest(
            &mut self.newest_segments,
            SegmentSummary { id, stream, range: (first, last), entries, closed, signatures: 0 },
        );
    }

    /// A signature. `last` is the last seqno of the segment that it signs.
    pub(crate) fn signature(&mut self, row: &SignatureRow, last: Option<u64>, worth: Worth) {
        let (counts, seqno) = match row.of {
            Subject::Entry(seqno) => {
                let signed = self.last.filter(|(_, moment)| moment.seqno == seqno);
                (signed.map_or(self.only.is_none(), |(stream, _)| self.counts(stream)), Some(seqno))
            }
            Subject::Segment(id) => (self.only.is_none() || self.own_segments.contains(id), last),
        };
        if !counts {
            return;
        }
        self.signers.count(row, seqno, worth);
        if let (Worth::Valid, Subject::Segment(id)) = (worth, row.of) {
            self.segments.signed += u64::from(self.signed_segments.insert(id));
            if let Some(segment) = self.newest_segments.iter_mut().find(|segment| segment.id == id) {
                segment.signatures += 1;
            }
        }
    }

    /// A head with so many signatures of the log, and of witnesses.
    pub(crate) fn head(&mut self, row: &HeadRow, (signatures, cosignatures): (u64, u64)) {
        self.heads.count += 1;
        self.heads.signed += u64::from(signatures > 0);
        self.covered = self.totals.entries + self.totals.pruned;
        let time = self.last.map(|(_, moment)| moment.time);
        push_newest(
            &mut self.newest_heads,
            HeadSummary { size: row.size, root: row.root, time, signatures, cosignatures },
        );
    }

    /// What is known at the end of the stream with this number: how many of its entries are in no segment, and whether it was
    /// deprecated.
    pub(crate) fn stream_at_end(&mut self, stream: usize, open_entries: u64, deprecated: bool) {
        if self.counts(stream) {
            self.totals.streams += 1;
            self.totals.deprecated += u64::from(deprecated);
            self.segments.open += u64::from(open_entries > 0);
            self.segments.open_entries += open_entries;
        }
    }

    /// The summary, with what the verification found.
    pub(crate) fn finish(self, report: Report) -> Review {
        let streams = self.streams;
        let name = |stream: usize| streams[stream].name.to_string();
        let stream = self.only.map(|(name, _)| name);
        let uncovered = self.totals.entries + self.totals.pruned - self.covered;
        let mut severities = Severity::ALL.map(|severity| (severity, self.severities[severity as usize]));
        severities.reverse();
        Review {
            totals: Totals { uncovered, ..self.totals },
            severities,
            producers: self.producers.finish(),
            event_types: self.event_types.finish(),
            actors: self.actors.finish(),
            times: self.times,
            gaps: self.gaps.finish(name),
            gaps_in_streams: stream.is_none().then(|| self.gaps_in_streams.finish(name)),
            signers: self.signers.finish(),
            segments: Segments { newest: self.newest_segments.into(), ..self.segments },
            heads: Heads { newest: self.newest_heads.into(), ..self.heads },
            payloads: self.payloads,
            actions: self.actions.finish(name),
            stream,
            report,
        }
    }
}

/// Adds what is newest in front, and lets go of the oldest.
fn push_newest<T>(newest: &mut VecDeque<T>, item: T) {
    newest.truncate(MAX_NEWEST - 1);
    newest.push_front(item);
}
