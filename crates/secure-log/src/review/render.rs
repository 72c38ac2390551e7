//! A review as a JSON document and as a page of text, with nothing in them that could disturb a terminal or hide text. Both
//! say the same.

use core::fmt::{self, Write as _};

use crate::review::{Actions, ActorCount, Counted, Gap, Gaps, Moment, NameCount, Review, SegmentSummary, SignerCount};
use crate::verify::{Json, KeyRole, Plain, Quoted, write_key};

impl Review {
    /// The review as one line of JSON, with its fields always in this order. `time` is when it was made, as the caller says.
    pub fn to_json(&self, time: Option<&str>) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.field("verdict").string(self.report.verdict.as_str());
            json.field("trustworthy").boolean(self.is_trustworthy());
            json.field("stream").optional(self.stream.as_ref(), |json, name| json.string(name));
            self.report.write_json(json.field("report"), time);
            json.field("totals").numbers(&self.totals());
            json.field("severities").numbers(&self.severities.map(|(severity, entries)| (severity.as_str(), entries)));
            json.field("producers").counted(&self.producers, Json::name_count);
            json.field("event_types").counted(&self.event_types, Json::name_count);
            json.field("actors").counted(&self.actors, Json::actor_count);
            json.field("times").optional(self.times, |json, times| {
                json.object(|json| {
                    json.field("earliest").moment(times.earliest);
                    json.field("latest").moment(times.latest);
                });
            });
            json.field("gaps").gaps(&self.gaps);
            json.field("gaps_in_streams").optional(self.gaps_in_streams.as_ref(), Json::gaps);
            json.field("signers").list(&self.signers.listed, Json::signer);
            json.field("signatures_by_others").number(self.signers.others);
            json.field("segments").object(|json| {
                json.fields(&self.segments());
                json.field("newest").list(&self.segments.newest, Json::segment);
            });
            json.field("heads").object(|json| {
                json.fields(&[("count", self.heads.count), ("signed", self.heads.signed)]);
                json.field("newest").list(&self.heads.newest, |json, head| {
                    json.object(|json| {
                        json.field("size").number(head.size);
                        json.field("root").string(&head.root.to_hex());
                        json.field("time").optional(head.time, |json, time| json.string(&time.to_string()));
                        json.fields(&[("signatures", head.signatures), ("cosignatures", head.cosignatures)]);
                    });
                });
            });
            json.field("payloads").numbers(&self.payloads());
            json.field("actions").actions(&self.actions);
        });
        json.finish()
    }

    /// The review as a page of text. `time` is when it was made, as the caller says.
    pub fn to_text(&self, time: Option<&str>) -> String {
        let mut page = String::new();
        self.write_page(&mut page, time).expect("writing to a string does not fail");
        page
    }

    fn totals(&self) -> [(&'static str, u64); 7] {
        let totals = &self.totals;
        [
            ("entries", totals.entries),
            ("control", totals.control),
            ("pruned", totals.pruned),
            ("uncovered", totals.uncovered),
            ("payload_bytes", totals.payload_bytes),
            ("streams", totals.streams),
            ("deprecated", totals.deprecated),
        ]
    }

    fn segments(&self) -> [(&'static str, u64); 4] {
        let segments = &self.segments;
        [
            ("closed", segments.closed),
            ("signed", segments.signed),
            ("open", segments.open),
            ("open_entries", segments.open_entries),
        ]
    }

    fn payloads(&self) -> [(&'static str, u64); 5] {
        let payloads = &self.payloads;
        [
            ("clear", payloads.clear),
            ("sealed", payloads.sealed),
            ("opened", payloads.opened),
            ("erased", payloads.erased),
            ("unopened", payloads.unopened()),
        ]
    }

    fn write_page(&self, page: &mut String, time: Option<&str>) -> fmt::Result {
        match &self.stream {
            None => writeln!(page, "Review of a secure-log audit log\n")?,
            Some(name) => writeln!(page, "Review of the stream {} of a secure-log audit log\n", Quoted(name))?,
        }
        self.report.write_verdict(page, time)?;
        if !self.is_trustworthy() {
            writeln!(page, "\nNOT TRUSTWORTHY: the figures below are of what was read before the check failed.")?;
        }
        self.write_totals(page)?;
        writeln!(page, "\nEntries by severity")?;
        for (severity, entries) in &self.severities {
            writeln!(page, "  {entries:>12}  {severity}")?;
        }
        write_counted(page, "producer", &self.producers, write_name)?;
        write_counted(page, "event type", &self.event_types, write_name)?;
        write_counted(page, "actor", &self.actors, write_actor)?;
        write_gaps(page, "Largest gaps", "Largest steps back in time", &self.gaps)?;
        if let Some(gaps) = &self.gaps_in_streams {
            write_gaps(page, "Largest gaps within a stream", "Largest steps back within a stream", gaps)?;
        }
        self.write_signers(page)?;
        self.write_segments(page)?;
        self.write_heads(page)?;
        let [clear, sealed, opened, erased, unopened] = self.payloads().map(|(_, count)| count);
        writeln!(page, "\nPayloads\n  {clear} in clear\n  {sealed} sealed, of which")?;
        writeln!(page, "    {opened} were opened\n    {erased} were erased\n    {unopened} were not opened")?;
        write_actions(page, &self.actions)?;
        self.report.write_missing(page)
    }

    fn write_totals(&self, page: &mut String) -> fmt::Result {
        let totals = &self.totals;
        writeln!(page, "\nTotals")?;
        writeln!(page, "  {} entries, {} of them of the engine", totals.entries, totals.control)?;
        writeln!(page, "  {} pruned entries, which stand in no figure below", totals.pruned)?;
        if totals.uncovered > 0 {
            writeln!(page, "  {} of these behind the last head, where nothing covers them", totals.uncovered)?;
        }
        writeln!(page, "  {} bytes of payload", totals.payload_bytes)?;
        if self.stream.is_none() {
            writeln!(page, "  {} streams, {} of them deprecated", totals.streams, totals.deprecated)?;
        } else if totals.deprecated > 0 {
            writeln!(page, "  the stream is deprecated")?;
        }
        if let Some(times) = &self.times {
            writeln!(page, "  earliest time  {}  entry {}", times.earliest.time, times.earliest.seqno)?;
            writeln!(page, "  latest time    {}  entry {}", times.latest.time, times.latest.seqno)?;
        }
        Ok(())
    }

    fn write_signers(&self, page: &mut String) -> fmt::Result {
        if self.signers.listed.is_empty() {
            return writeln!(page, "\nSigners of entries and segments\n  none");
        }
        writeln!(page, "\nSigners of entries and segments")?;
        for signer in &self.signers.listed {
            let SignerCount { identity, algorithm, fingerprint, valid, out_of_range, invalid, unknown, range } = signer;
            write!(page, "  {} ({}): {valid} valid", Quoted(identity), Plain(algorithm))?;
            let worthless = [
                (*invalid, "INVALID"),
                (*out_of_range, "by a key that does not speak for them"),
                (*unknown, "unchecked, of an identity that nobody knows"),
            ];
            for (count, word) in worthless.iter().filter(|(count, _)| *count > 0) {
                write!(page, ", {count} {word}")?;
            }
            if let Some((first, last)) = range {
                write!(page, ", of entries {first} to {last}")?;
            }
            writeln!(page, "\n    public key has SHA-256 {fingerprint}")?;
        }
        if self.signers.others > 0 {
            writeln!(page, "  and {} signatures by others", self.signers.others)?;
        }
        Ok(())
    }

    fn write_segments(&self, page: &mut String) -> fmt::Result {
        let [closed, signed, open, open_entries] = self.segments().map(|(_, count)| count);
        writeln!(page, "\nSegments\n  {closed} closed, {signed} of them signed")?;
        writeln!(page, "  {open} open, with {open_entries} entries")?;
        for segment in &self.segments.newest {
            let SegmentSummary { id, stream, range: (first, last), entries, closed, signatures } = segment;
            let stream = Quoted(stream);
            let closed = Plain(closed);
            writeln!(
                page,
                "  {id} of {stream}: {entries} entries from {first} to {last}, closed {closed}, {signatures} signatures"
            )?;
        }
        Ok(())
    }

    fn write_heads(&self, page: &mut String) -> fmt::Result {
        writeln!(
            page,
            "\nHeads of the log\n  {}, of which a trusted key signed {}",
            self.heads.count, self.heads.signed
        )?;
        for head in &self.heads.newest {
            let time = head.time.map_or("no entry".into(), |time| time.to_string());
            let (signatures, cosignatures) = (head.signatures, head.cosignatures);
            writeln!(page, "  {} entries  {time}  {signatures} signatures, {cosignatures} cosignatures", head.size)?;
        }
        let mut keys = self.report.keys.iter().filter(|key| key.role != KeyRole::Signer);
        keys.try_for_each(|key| write_key(page, key))
    }
}

fn write_counted<N>(
    page: &mut String,
    what: &str,
    counted: &Counted<N>,
    write: impl Fn(&mut String, &N) -> fmt::Result,
) -> fmt::Result {
    writeln!(page, "\nEntries by {what}")?;
    if counted.names == 0 && counted.others == 0 {
        return writeln!(page, "  none");
    }
    counted.listed.iter().try_for_each(|count| write(page, count))?;
    let more = counted.names - counted.listed.len() as u64;
    if more > 0 {
        writeln!(page, "  {:>12}  of {more} more", counted.unlisted)?;
    }
    if counted.others > 0 {
        writeln!(page, "  {:>12}  of others, which were not told apart", counted.others)?;
    }
    Ok(())
}

fn write_name(page: &mut String, count: &NameCount) -> fmt::Result {
    writeln!(page, "  {:>12}  {}", count.entries, Quoted(&count.name))
}

fn write_actor(page: &mut String, count: &ActorCount) -> fmt::Result {
    write!(page, "  {:>12}  {} {}", count.entries, Quoted(&count.kind), Quoted(&count.id))?;
    if count.on_behalf > 0 {
        write!(page, ", {} of them through another", count.on_behalf)?;
    }
    writeln!(page)
}

fn write_gaps(page: &mut String, title: &str, back: &str, gaps: &Gaps) -> fmt::Result {
    writeln!(page, "\n{title}")?;
    if gaps.largest.is_empty() {
        writeln!(page, "  none")?;
    }
    gaps.largest.iter().try_for_each(|gap| write_gap(page, gap, ""))?;
    if gaps.steps_back > 0 {
        writeln!(page, "\n{back}: {} in all, as a clock was set back", gaps.steps_back)?;
    }
    gaps.largest_back.iter().try_for_each(|gap| write_gap(page, gap, "-"))
}

fn write_gap(page: &mut String, gap: &Gap, sign: &str) -> fmt::Result {
    let Gap { stream, from, to, length, pruned } = gap;
    write!(page, "  {sign}{length}, from {} (entry {}) to {} (entry {})", from.time, from.seqno, to.time, to.seqno)?;
    if let Some(stream) = stream {
        write!(page, " of {}", Quoted(stream))?;
    }
    if *pruned > 0 {
        write!(page, ", with {pruned} pruned between")?;
    }
    writeln!(page)
}

fn write_actions(page: &mut String, actions: &Actions) -> fmt::Result {
    writeln!(page, "\nActions\n  {} began, {} of them have no end", actions.begun, actions.unfinished)?;
    for open in &actions.listed {
        let (kind, id) = (Quoted(&open.actor.0), Quoted(&open.actor.1));
        let (action, stream, Moment { seqno, time }) = (Quoted(&open.action), Quoted(&open.stream), open.begun);
        writeln!(page, "  entry {seqno} of {stream}, {time}: {action} by {kind} {id}\n    event {}", open.event_id())?;
    }
    let more = actions.unfinished - actions.listed.len() as u64;
    if more > 0 {
        writeln!(page, "  and {more} more without an end")?;
    }
    if actions.untracked > 0 {
        writeln!(page, "  of {} it is not known whether they ended, as too many were open", actions.untracked)?;
    }
    Ok(())
}

impl Json {
    fn numbers(&mut self, numbers: &[(&str, u64)]) {
        self.object(|json| json.fields(numbers));
    }

    fn fields(&mut self, numbers: &[(&str, u64)]) {
        numbers.iter().for_each(|(name, number)| self.field(name).number(*number));
    }

    fn counted<N>(&mut self, counted: &Counted<N>, count: impl Fn(&mut Json, &N)) {
        self.object(|json| {
            json.field("listed").list(&counted.listed, count);
            json.fields(&[("names", counted.names), ("unlisted", counted.unlisted), ("others", counted.others)]);
        });
    }

    fn name_count(&mut self, count: &NameCount) {
        self.object(|json| {
            json.field("name").string(&count.name);
            json.field("entries").number(count.entries);
        });
    }

    fn actor_count(&mut self, count: &ActorCount) {
        self.object(|json| {
            json.field("kind").string(&count.kind);
            json.field("id").string(&count.id);
            json.fields(&[("entries", count.entries), ("on_behalf", count.on_behalf)]);
        });
    }

    fn moment(&mut self, moment: Moment) {
        self.object(|json| {
            json.field("seqno").number(moment.seqno);
            json.field("time").string(&moment.time.to_string());
        });
    }

    fn gaps(&mut self, gaps: &Gaps) {
        self.object(|json| {
            json.field("largest").list(&gaps.largest, Json::gap);
            json.field("steps_back").number(gaps.steps_back);
            json.field("largest_back").list(&gaps.largest_back, Json::gap);
        });
    }

    fn gap(&mut self, gap: &Gap) {
        self.object(|json| {
            json.field("stream").optional(gap.stream.as_ref(), |json, name| json.string(name));
            json.field("from").moment(gap.from);
            json.field("to").moment(gap.to);
            json.fields(&[("seconds", gap.length.seconds), ("nanos", gap.length.nanos.into()), ("pruned", gap.pruned)]);
        });
    }

    fn signer(&mut self, signer: &SignerCount) {
        self.object(|json| {
            json.field("identity").string(&signer.identity);
            json.field("algorithm").string(&signer.algorithm);
            json.field("fingerprint").string(&signer.fingerprint.to_hex());
            json.fields(&[
                ("valid", signer.valid),
                ("out_of_range", signer.out_of_range),
                ("invalid", signer.invalid),
                ("unknown", signer.unknown),
            ]);
            json.field("first").optional(signer.range, |json, (first, _)| json.number(first));
            json.field("last").optional(signer.range, |json, (_, last)| json.number(last));
        });
    }

    fn segment(&mut self, segment: &SegmentSummary) {
        self.object(|json| {
            json.field("id").number(segment.id);
            json.field("stream").string(&segment.stream);
            json.fields(&[("first", segment.range.0), ("last", segment.range.1), ("entries", segment.entries)]);
            json.field("closed").string(&segment.closed);
            json.field("signatures").number(segment.signatures);
        });
    }

    fn actions(&mut self, actions: &Actions) {
        self.object(|json| {
            json.fields(&[
                ("begun", actions.begun),
                ("unfinished", actions.unfinished),
                ("untracked", actions.untracked),
            ]);
            json.field("listed").list(&actions.listed, |json, open| {
                json.object(|json| {
                    json.field("begun").moment(open.begun);
                    json.field("stream").string(&open.stream);
                    json.field("id").string(&open.event_id());
                    json.field("actor").object(|json| {
                        json.field("kind").string(&open.actor.0);
                        json.field("id").string(&open.actor.1);
                    });
                    json.field("action").string(&open.action);
                });
            });
        });
    }
}
