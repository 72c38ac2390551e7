//! The exported interface `review`: convert, forward, convert back.

use secure_log::review::{
    Actions, ActorCount, Counted, Gap, Gaps, HeadSummary, Heads, Moment, NameCount, Payloads, Review, SegmentSummary,
    Segments, SignerCount, TimeRange, Totals, UnfinishedAction,
};

use crate::bindings::exports::secure_log::log::{review, types};
use crate::convert;
use crate::exports::{Component, with};

impl review::Guest for Component {
    fn summarise(options: review::ReviewOptions) -> Result<review::Review, types::LogError> {
        let stream = options.stream_id.as_deref();
        with(|log| if options.open_payloads { log.review_opening(stream) } else { log.review(stream) }).map(out)
    }
}

fn out(review: Review) -> review::Review {
    let (json, text) = (review.to_json(None), review.to_text(None));
    let severity = |(severity, entries)| review::SeverityCount { severity: convert::severity_out(severity), entries };
    review::Review {
        stream_id: review.stream,
        report: convert::report(review.report),
        totals: totals(&review.totals),
        severities: review.severities.into_iter().map(severity).collect(),
        producers_rest: rest(&review.producers),
        producers: names(review.producers),
        event_types_rest: rest(&review.event_types),
        event_types: names(review.event_types),
        actors_rest: rest(&review.actors),
        actors: review.actors.listed.into_iter().map(actor).collect(),
        times: review.times.map(|TimeRange { earliest, latest }| review::TimeRange {
            earliest: moment(earliest),
            latest: moment(latest),
        }),
        gaps: gaps(review.gaps),
        gaps_in_streams: review.gaps_in_streams.map(gaps),
        signers: review.signers.listed.into_iter().map(signer).collect(),
        signatures_by_others: review.signers.others,
        segments: segments(review.segments),
        heads: heads(review.heads),
        payloads: payloads(&review.payloads),
        actions: actions(review.actions),
        json,
        text,
    }
}

fn totals(totals: &Totals) -> review::Totals {
    let Totals { entries, control, pruned, uncovered, payload_bytes, streams, deprecated } = *totals;
    review::Totals { entries, control, pruned, uncovered, payload_bytes, streams, deprecated }
}

fn rest<N>(counted: &Counted<N>) -> review::Rest {
    let Counted { names, unlisted, others, .. } = *counted;
    review::Rest { names, unlisted, others }
}

fn names(counted: Counted<NameCount>) -> Vec<review::NameCount> {
    let name = |NameCount { name, entries }| review::NameCount { name, entries };
    counted.listed.into_iter().map(name).collect()
}

fn actor(actor: ActorCount) -> review::ActorCount {
    let ActorCount { kind, id, entries, on_behalf } = actor;
    review::ActorCount { kind, id, entries, on_behalf }
}

fn moment(moment: Moment) -> review::Moment {
    review::Moment { seqno: moment.seqno, time: moment.time.to_string() }
}

fn gaps(gaps: Gaps) -> review::Gaps {
    let gap = |Gap { stream, from, to, length, pruned }| review::Gap {
        stream_id: stream,
        from: moment(from),
        to: moment(to),
        seconds: length.seconds,
        nanos: length.nanos,
        pruned,
    };
    review::Gaps {
        largest: gaps.largest.into_iter().map(gap).collect(),
        steps_back: gaps.steps_back,
        largest_back: gaps.largest_back.into_iter().map(gap).collect(),
    }
}

fn signer(signer: SignerCount) -> review::SignerCount {
    let SignerCount { identity, algorithm, fingerprint, valid, out_of_range, invalid, unknown, range } = signer;
    let fingerprint = fingerprint.0.to_vec();
    review::SignerCount { identity, algorithm, fingerprint, valid, out_of_range, invalid, unknown, seqnos: range }
}

fn segments(segments: Segments) -> review::Segments {
    let segment =
        |SegmentSummary { id, stream, range: (first, last), entries, closed, signatures }| review::SegmentSummary {
            segment_id: id,
            stream_id: stream,
            first,
            last,
            entries,
            closed_at: closed,
            signatures,
        };
    let Segments { closed, signed, open, open_entries, newest } = segments;
    review::Segments { closed, signed, open, open_entries, newest: newest.into_iter().map(segment).collect() }
}

fn heads(heads: Heads) -> review::Heads {
    let head = |HeadSummary { size, root, time, signatures, cosignatures }: HeadSummary| review::HeadSummary {
        size,
        root: root.0.to_vec(),
        time: time.map(|time| time.to_string()),
        signatures,
        cosignatures,
    };
    let Heads { count, signed, newest } = heads;
    review::Heads { count, signed, newest: newest.into_iter().map(head).collect() }
}

fn payloads(payloads: &Payloads) -> review::Payloads {
    let unopened = payloads.unopened();
    let Payloads { clear, sealed, opened, erased } = *payloads;
    review::Payloads { clear, sealed, opened, erased, unopened }
}

fn actions(actions: Actions) -> review::Actions {
    let open = |open: UnfinishedAction| {
        let event_id = open.event_id();
        let (actor_kind, actor_id) = open.actor;
        review::UnfinishedAction {
            begun: moment(open.begun),
            stream_id: open.stream,
            event_id,
            actor_kind,
            actor_id,
            action: open.action,
        }
    };
    let Actions { begun, unfinished, listed, untracked } = actions;
    review::Actions { begun, unfinished, listed: listed.into_iter().map(open).collect(), untracked }
}
