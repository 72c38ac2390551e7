//! `query`: entries by what they are like.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::query::{self, Actor, Filter, Request};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text;
use crate::view::{self, ENTRY_COLUMNS, SEVERITIES};

pub(super) const VERB: Verb = Verb {
    name: "query",
    summary: "print the entries that are like this: by stream, event, producer, severity, session, actor, time, seqno and text",
    details: "\
All that is said has to hold; of several --stream, or several --event, one is enough. In a PATTERN each `*` stands for any run of
characters: `eu/*`, `user.login*`, `*.failed`. A TIME is written as in 2026-11-20T04:07:11Z or 2026-11-20T05:07:11.25+01:00.
Of sealed payloads neither text nor actor is found, and of highly-restricted streams events and producers are pseudonyms, which
`pseudonym` computes.

Entries are printed as `list entries` prints them, the oldest first. Where --limit ends it before the end, the last line is
`next` and a cursor: --cursor with the same arguments goes on behind it.

With --proofs pages are printed for somebody who has the log's key and does not trust whoever answers: a line of JSON each, with the
page as `proof` and, where more can be looked at, the cursor as `next`. All of them are, or with --limit one of at most so many rows
(1000). `verify-page` with the same arguments checks them, and says what they show of what is not on them.",
    syntax: Syntax {
        operands: "",
        options: &[
            &STREAM, &EVENT, &PRODUCER, &SEVERITY, &SESSION, &ACTOR, &SINCE, &BEFORE, &FROM, &TO, &TEXT, &NEWEST, &LIMIT, &CURSOR,
            &PROOFS, &LOG, &JSON,
        ],
    },
    run,
};

pub(super) const STREAM: Flag = Flag {
    name: "stream",
    takes: Takes::Many("PATTERN"),
    help: "only of such a stream; may be repeated, 16 times at most",
};
pub(super) const EVENT: Flag =
    Flag { name: "event", takes: Takes::Many("PATTERN"), help: "only of such an event type; may be repeated likewise" };
pub(super) const PRODUCER: Flag =
    Flag { name: "producer", takes: Takes::One("NAME"), help: "only what this one reported" };
pub(super) const SEVERITY: Flag =
    Flag { name: "severity", takes: Takes::One("SEVERITY"), help: "only what is as serious, or more" };
pub(super) const SESSION: Flag =
    Flag { name: "session", takes: Takes::One("ID"), help: "only what was written in this session" };
pub(super) const ACTOR: Flag =
    Flag { name: "actor", takes: Takes::One("KIND:ID"), help: "only what this one did, or was done on its behalf" };
pub(super) const SINCE: Flag =
    Flag { name: "since", takes: Takes::One("TIME"), help: "only what was written then or later" };
pub(super) const BEFORE: Flag =
    Flag { name: "before", takes: Takes::One("TIME"), help: "only what was written before" };
pub(super) const FROM: Flag = Flag { name: "from", takes: Takes::One("SEQNO"), help: "only entries from this one on" };
pub(super) const TO: Flag = Flag { name: "to", takes: Takes::One("SEQNO"), help: "only entries up to this one" };
pub(super) const TEXT: Flag =
    Flag { name: "text", takes: Takes::One("TEXT"), help: "only payloads that hold this text" };
pub(super) const NEWEST: Flag =
    Flag { name: "newest-first", takes: Takes::Nothing, help: "the newest entry comes first" };
const LIMIT: Flag = Flag { name: "limit", takes: Takes::One("N"), help: "end after so many" };
const CURSOR: Flag =
    Flag { name: "cursor", takes: Takes::One("CURSOR"), help: "go on where a query with a --limit ended" };
const PROOFS: Flag =
    Flag { name: "proofs", takes: Takes::Nothing, help: "print pages that are checked without the log, as JSON" };

/// Entries that are asked for at once.
const PAGE: u64 = 100;
/// Rows of a proven page that has no other limit: what stands beside them is named once for all.
const PROVEN_PAGE: u32 = 1000;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    if given.has(&PROOFS) {
        return print_proven(given, out);
    }
    let mut left = given.number(&LIMIT)?.unwrap_or(u64::MAX);
    let filter = filter(given)?;
    let mut cursor = given.value(&CURSOR).map(str::to_owned);
    open_to_read(given, out)?;
    while left > 0 && out.is_read() {
        let limit = left.min(PAGE) as u32;
        let request = Request { filter: filter.clone(), newest_first: given.has(&NEWEST), limit, cursor };
        let page = query::find(&request)?;
        left -= page.entries.len() as u64;
        for entry in page.entries {
            out.row(&view::entry(entry), &ENTRY_COLUMNS);
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(Exit::Success);
        }
    }
    if let Some(next) = cursor {
        out.show(&json!({ "next": next }));
    }
    Ok(Exit::Success)
}

fn print_proven(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let one_page = given.number::<u32>(&LIMIT)?;
    let (filter, newest_first) = (filter(given)?, given.has(&NEWEST));
    let mut cursor = given.value(&CURSOR).map(str::to_owned);
    open_to_read(given, out)?;
    loop {
        let limit = one_page.unwrap_or(PROVEN_PAGE);
        let page = query::find_proven(&Request { filter: filter.clone(), newest_first, limit, cursor })?;
        let mut line = json!({ PROOF: page.proof });
        if let Some(next) = &page.next {
            line["next"] = next.as_str().into();
        }
        out.line(&text::json(&line));
        cursor = page.next;
        if one_page.is_some() || cursor.is_none() || !out.is_read() {
            return Ok(Exit::Success);
        }
    }
}

/// The field of a line that has the page.
pub(super) const PROOF: &str = "proof";

pub(super) fn filter(given: &Given) -> Result<Filter, Failure> {
    let all = |flag: &Flag| given.values(flag).map(str::to_owned).collect();
    let one = |flag: &Flag| given.value(flag).map(str::to_owned);
    Ok(Filter {
        streams: all(&STREAM),
        event_types: all(&EVENT),
        producer: one(&PRODUCER),
        session_id: one(&SESSION),
        severity: given.choice(&SEVERITY, &SEVERITIES)?,
        actor: given.value(&ACTOR).map(actor).transpose()?,
        since: one(&SINCE),
        before: one(&BEFORE),
        from_seqno: given.number(&FROM)?,
        to_seqno: given.number(&TO)?,
        text: one(&TEXT),
    })
}

/// `KIND:ID`, such as `agent:agent-7`.
fn actor(text: &str) -> Result<Actor, Failure> {
    match text.split_once(':') {
        Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok(Actor { kind: kind.into(), id: id.into() }),
        _ => Err(Failure::usage(format!("\"{text}\" is no actor, such as agent:agent-7"))),
    }
}
