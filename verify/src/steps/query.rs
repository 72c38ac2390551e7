//! Finding entries: what filters find beside a naive one, page by page, and pages that are checked without the log.

use wasmtime::Result;
use wasmtime::error::Context;

use super::{Done, Group, Step, checked, entries};
use crate::expect::{differs, equal, holds, refused};
use crate::host::encoder::{EntryFields, Severity};
use crate::host::query::{Actor, Filter, Request, Shown};
use crate::host::tree::ProofError;
use crate::host::writer::NewEntries;
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "query",
    about: "find, find-proven, check: entries by what they are like",
    steps: &[
        Step { name: "filters find what a naive filter finds, in both orders", run: filters },
        Step { name: "pages stay right while the log grows", run: pages },
        Step { name: "pages are checked without the log, and what was changed is refused", run: proofs },
        Step { name: "what breaks a limit is refused by its name", run: refusals },
    ],
};

/// Every entry.
fn all() -> Filter {
    Filter {
        streams: Vec::new(),
        event_types: Vec::new(),
        producer: None,
        session_id: None,
        severity: None,
        actor: None,
        since: None,
        before: None,
        from_seqno: None,
        to_seqno: None,
        text: None,
    }
}

fn ask(filter: &Filter, limit: u32) -> Request {
    Request { filter: filter.clone(), newest_first: false, limit, cursor: None }
}

/// All that a request finds, page by page.
fn found(log: &mut Instance, request: Request) -> Result<Vec<EntryFields>> {
    let (mut request, mut found) = (request, Vec::new());
    loop {
        let page = log.find(&request)??;
        holds("no page is longer than was asked for", page.entries.len() <= request.limit as usize)?;
        found.extend(page.entries);
        request.cursor = page.next;
        if request.cursor.is_none() {
            return Ok(found);
        }
    }
}

fn seqnos(entries: &[EntryFields]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seqno).collect()
}

const EVENT: &str = r#"{"actor":{"id":"quinn","kind":"user"},"id":"x"}"#;

fn write(log: &mut Instance, stream: &str) -> Result<()> {
    let event = |event: &str, severity, payload: &str| NewEntries {
        event_type: event.into(),
        severity,
        ..entries(stream, [payload])
    };
    let acted =
        NewEntries { payload_encoding: "secure-log.audit.v1+json".into(), ..event("x.success", Severity::Info, EVENT) };
    log.append_batch(&[
        event("user.login", Severity::Info, "quinn from here"),
        event("user.login.failed", Severity::Warning, "quinn again"),
        acted,
        event("user.logout", Severity::Alert, EVENT),
        event("user.login", Severity::Debug, "\u{202e}nniuq\u{1b}[2J"),
    ])??;
    Ok(())
}

fn filters(session: &mut Session) -> Result<Done> {
    let stream = session.stream("query");
    let log = session.log()?;
    write(log, &stream)?;
    let whole = log.read_page(Some(&stream), 1, u64::MAX, 1000)??;
    let time = whole[2].timestamp_rfc3339.clone();
    let streams = vec![stream.clone()];
    let of = |filter: Filter| Filter { streams: streams.clone(), ..filter };
    type Naive = dyn Fn(&EntryFields) -> bool;
    let text = |entry: &EntryFields| String::from_utf8_lossy(&entry.payload).into_owned();
    let cases: Vec<(&str, Filter, Box<Naive>)> = vec![
        ("the stream", of(all()), Box::new(|_| true)),
        (
            "a pattern of the stream",
            Filter {
                streams: vec![format!("{}*", &stream[..stream.len() - 1])],
                from_seqno: Some(whole[0].seqno),
                to_seqno: Some(whole[0].seqno + 4),
                ..all()
            },
            Box::new(|_| true),
        ),
        (
            "events",
            of(Filter { event_types: vec!["user.login*".into(), "*success".into()], ..all() }),
            Box::new(|entry| entry.event_type.starts_with("user.login") || entry.event_type == "x.success"),
        ),
        (
            "severity",
            of(Filter { severity: Some(Severity::Warning), ..all() }),
            Box::new(|entry| matches!(entry.severity, Severity::Warning | Severity::Alert)),
        ),
        (
            "a producer",
            of(Filter { producer: Some("verify".into()), ..all() }),
            Box::new(|entry| entry.producer == "verify"),
        ),
        ("another producer", of(Filter { producer: Some("nobody".into()), ..all() }), Box::new(|_| false)),
        (
            "an actor",
            of(Filter { actor: Some(Actor { kind: "user".into(), id: "quinn".into() }), ..all() }),
            Box::new(|entry| entry.payload_encoding == "secure-log.audit.v1+json"),
        ),
        (
            "text",
            of(Filter { text: Some("quinn".into()), ..all() }),
            Box::new(move |entry| text(entry).contains("quinn")),
        ),
        (
            "a time",
            of(Filter { since: Some(time.clone()), before: Some("9999-12-31T23:00:00+01:00".into()), ..all() }),
            Box::new(move |entry| *entry.timestamp_rfc3339 >= *time),
        ),
        (
            "a session",
            of(Filter { session_id: Some(whole[0].session_id.clone()), ..all() }),
            Box::new({
                let session = whole[0].session_id.clone();
                move |entry| entry.session_id == session
            }),
        ),
    ];
    for (what, filter, wanted) in &cases {
        let expected: Vec<EntryFields> = whole.iter().filter(|entry| wanted(entry)).cloned().collect();
        for limit in [1, 2, 1000] {
            equal(what, &found(log, ask(filter, limit))?, &expected)?;
            let mut upside_down = found(log, Request { newest_first: true, ..ask(filter, limit) })?;
            upside_down.reverse();
            equal(&format!("{what}, newest first"), &upside_down, &expected)?;
        }
    }
    checked(format!("{} filters, 6 times each", cases.len()))
}

fn pages(session: &mut Session) -> Result<Done> {
    let stream = session.stream("query-pages");
    let log = session.log()?;
    write(log, &stream)?;
    let filter = Filter { streams: vec![stream.clone()], ..all() };
    let before = found(log, ask(&filter, 1000))?;
    let up = log.find(&ask(&filter, 2))??;
    let down = log.find(&Request { newest_first: true, ..ask(&filter, 2) })??;
    write(log, &stream)?;
    let rest = found(log, Request { cursor: up.next.clone(), ..ask(&filter, 3) })?;
    let upwards = [seqnos(&up.entries), seqnos(&rest)].concat();
    equal("upwards, with what was appended", upwards, seqnos(&found(log, ask(&filter, 1000))?))?;
    let rest = found(log, Request { newest_first: true, cursor: down.next, ..ask(&filter, 3) })?;
    let mut downwards = [seqnos(&down.entries), seqnos(&rest)].concat();
    downwards.reverse();
    equal("downwards, as it was", downwards, seqnos(&before))?;
    let other = Request { cursor: up.next, ..ask(&all(), 2) };
    refused!("a cursor of another filter", log.find(&other)?, LogError::Invalid(_))?;
    checked("2 orders, and 5 entries in between")
}

fn proofs(session: &mut Session) -> Result<Done> {
    let stream = session.stream("query-proofs");
    let log = session.log()?;
    write(log, &stream)?;
    let Some(key) = log.status()??.head_key else {
        refused!("a keyless log", log.find_proven(&ask(&all(), 1))?, LogError::HeadUnsigned(_))?;
        return checked("that nobody signs");
    };
    let keys = [key];
    let size = log.status()??.size;
    let range = Filter { from_seqno: Some(size - 4), ..all() };
    let whole = Filter { streams: vec![stream.clone()], ..all() };
    let some = Filter { severity: Some(Severity::Warning), ..whole.clone() };
    for (what, filter) in [("a range", &range), ("a stream", &whole), ("a severity", &some)] {
        let expected = seqnos(&found(log, ask(filter, 1000))?);
        let checking = log.check_pages(filter, false, &keys)??;
        let (mut request, mut checked, mut first) = (ask(filter, 2), Vec::new(), None);
        loop {
            let page = log.find_proven(&request)??;
            let shown = log.check_page(checking, &page.proof)??;
            let fits = matches!(
                (&shown.shown, what),
                (Shown::Range(_), "a range") | (Shown::Stream(_), "a stream") | (Shown::Rows, "a severity")
            );
            holds(&format!("{what}: it shows what it can, {:?}", shown.shown), fits)?;
            checked.extend(seqnos(&shown.entries));
            // A store may look at a part of the log and name none of it.
            if !shown.entries.is_empty() {
                first.get_or_insert(page.proof);
            }
            request.cursor = page.next;
            if request.cursor.is_none() {
                break;
            }
        }
        equal(what, checked, expected)?;
        let first = first.context("there is a page with an entry")?;
        let again = log.check_pages(filter, false, &keys)??;
        let changed = first.replacen("\"producer\":\"", "\"producer\":\"x", 1);
        holds("the page says who reported", changed != first)?;
        match log.check_page(again, &changed)? {
            Err(ProofError::Malformed(_)) => {}
            other => return Err(differs("a changed page", &"a refusal", &other)),
        }
        log.check_page(again, &first)??;
    }
    checked("3 filters, 2 rows a page")
}

fn refusals(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let long = "x".repeat(256);
    let broken = [
        ("a limit of 0", ask(&all(), 0)),
        ("too many streams", ask(&Filter { streams: vec!["a".into(); 17], ..all() }, 1)),
        ("no pattern", ask(&Filter { event_types: vec![String::new()], ..all() }, 1)),
        ("a long session", ask(&Filter { session_id: Some(long.clone()), ..all() }, 1)),
        ("a control character", ask(&Filter { producer: Some("\u{7}".into()), ..all() }, 1)),
        ("a long text", ask(&Filter { text: Some(long), ..all() }, 1)),
        ("no time", ask(&Filter { since: Some("2026-02-29T00:00:00Z".into()), ..all() }, 1)),
        ("a range backwards", ask(&Filter { from_seqno: Some(2), to_seqno: Some(1), ..all() }, 1)),
        ("no cursor", Request { cursor: Some("0102".into()), ..ask(&all(), 1) }),
    ];
    let count = broken.len();
    for (what, request) in broken {
        refused!(what, log.find(&request)?, LogError::Invalid(_))?;
    }
    checked(format!("{count} requests"))
}
