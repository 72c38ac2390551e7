//! `list`: streams, entries, segments or witness rows, a page at a time.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::log;
use crate::bindings::secure_log::log::types::LogError;
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view::{self, ENTRY_COLUMNS, SEGMENT_COLUMNS, STREAM_COLUMNS, WITNESS_COLUMNS};

pub(super) const VERB: Verb = Verb {
    name: "list",
    summary: "list streams, entries, segments or witness rows: list streams|entries|segments|witness-rows [STREAM]",
    details: "\
Columns are separated by tabs: of entries seqno, time, severity, stream, event, producer and payload; of streams name, tier,
when it was deprecated, and description; of segments id, stream, first and last seqno, when it was closed, who signed it
first, and root. Entries and segments can be narrowed to a STREAM.
Witness rows say what witnesses answered to heads, newest first: size of the head, name, when, outcome, and a cosignature
or what was wrong. What is no cosignature is a row when the witness answered something else before.",
    syntax: Syntax { operands: "streams|entries|segments|witness-rows [STREAM]", options: &[&FROM, &TO, &LIMIT, &LOG, &JSON] },
    run,
};

const FROM: Flag = Flag {
    name: "from",
    takes: Takes::One("N"),
    help: "begin at this seqno, or segment id; of witness rows: heads of this size or larger",
};
const TO: Flag = Flag {
    name: "to",
    takes: Takes::One("N"),
    help: "end with this seqno, or segment id; of witness rows: heads of this size or smaller",
};
const LIMIT: Flag = Flag { name: "limit", takes: Takes::One("N"), help: "at most so many" };

/// The log gives at most so many at once.
const MAX_PAGE: u64 = 1000;
/// Payloads of one page of entries, about: pages become smaller where entries are large.
const PAGE_BYTES: u64 = 8 << 20;
const FIRST_PAGE: u64 = 64;

/// Which of the things are wanted.
struct Wanted<'a> {
    stream: Option<&'a str>,
    from: u64,
    to: u64,
    left: u64,
}

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let wanted = Wanted {
        stream: given.operand(1),
        from: given.number(&FROM)?.unwrap_or(0),
        to: given.number(&TO)?.unwrap_or(u64::MAX),
        left: given.number(&LIMIT)?.unwrap_or(u64::MAX),
    };
    let list = match given.required(0) {
        "streams" if wanted.stream.is_some() || given.has(&FROM) || given.has(&TO) => {
            return Err(Failure::usage("of streams only --limit can be said"));
        }
        "streams" => streams,
        "entries" => entries,
        "segments" => segments,
        "witness-rows" if wanted.stream.is_some() => {
            return Err(Failure::usage("witness rows are of the whole log and of no STREAM"));
        }
        "witness-rows" => witness_rows,
        other => {
            return Err(Failure::usage(format!("\"{other}\" is none of: streams, entries, segments, witness-rows")));
        }
    };
    open_to_read(given, out)?;
    list(wanted, out)?;
    Ok(Exit::Success)
}

fn streams(mut wanted: Wanted<'_>, out: &mut Output) -> Result<(), Failure> {
    let mut after = 0;
    while wanted.left > 0 && out.is_read() {
        let page = writer::list_streams_page(after, small(wanted.left.min(MAX_PAGE)))?;
        wanted.left -= page.streams.len() as u64;
        for stream in page.streams {
            out.row(&view::stream(stream), &STREAM_COLUMNS);
        }
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok(())
}

fn entries(mut wanted: Wanted<'_>, out: &mut Output) -> Result<(), Failure> {
    let mut size = FIRST_PAGE;
    while wanted.left > 0 && wanted.from <= wanted.to && out.is_read() {
        let page = writer::read_page(wanted.stream, wanted.from, wanted.to, small(wanted.left.min(size)))?;
        let Some(last) = page.last() else { break };
        let Some(next) = last.seqno.checked_add(1) else { break };
        wanted.from = next;
        wanted.left -= page.len() as u64;
        let bytes: u64 = page.iter().map(|entry| entry.payload.len() as u64).sum();
        size = (PAGE_BYTES / (bytes / page.len() as u64 + 1)).clamp(1, MAX_PAGE);
        for entry in page {
            out.row(&view::entry(entry), &ENTRY_COLUMNS);
        }
    }
    Ok(())
}

fn segments(mut wanted: Wanted<'_>, out: &mut Output) -> Result<(), Failure> {
    if let Some(stream) = wanted.stream {
        let range = wanted.from..=wanted.to;
        let listed = log::list_segments(stream)?.into_iter().filter(|segment| range.contains(&segment.segment_id));
        for segment in listed.take(usize::try_from(wanted.left).unwrap_or(usize::MAX)) {
            out.row(&view::segment(segment), &SEGMENT_COLUMNS);
        }
        return Ok(());
    }
    // Ids are dense over the log.
    wanted.from = wanted.from.max(1);
    while wanted.left > 0 && wanted.from <= wanted.to && out.is_read() {
        match log::read_segment(wanted.from) {
            Ok(segment) => out.row(&view::segment(segment), &SEGMENT_COLUMNS),
            Err(LogError::SegmentNotFound(_)) => break,
            Err(error) => return Err(error.into()),
        }
        wanted.left -= 1;
        wanted.from += 1;
    }
    Ok(())
}

fn witness_rows(mut wanted: Wanted<'_>, out: &mut Output) -> Result<(), Failure> {
    let range = wanted.from..=wanted.to;
    let mut below = None;
    while wanted.left > 0 && out.is_read() {
        let page = writer::witness_rows(below, small(MAX_PAGE))?;
        let Some(last) = page.last() else { break };
        below = Some(last.number);
        let listed = page.into_iter().filter(|row| range.contains(&row.size));
        for row in listed.take(usize::try_from(wanted.left).unwrap_or(usize::MAX)) {
            wanted.left -= 1;
            out.row(&view::witness_row(row), &WITNESS_COLUMNS);
        }
    }
    Ok(())
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a page has at most MAX_PAGE items")
}
