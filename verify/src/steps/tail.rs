//! Following the log: by topic, from now and from a cursor, and behind other writers.

use std::time::Duration;

use wasmtime::component::ResourceAny;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, no_place, not_applicable};
use crate::expect::{differs, equal, holds, refused};
use crate::host::tail::{Delivery, Options};
use crate::host::types::SeqnoRange;
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "tail",
    about: "follow, next, cursor, skip-to, subscribe: what is appended, by topic",
    steps: &[
        Step { name: "topics choose, and a cursor goes on where another subscription was", run: topics },
        Step { name: "the pollable waits where there is nothing, and nowhere else", run: waiting },
        Step { name: "who is behind is told, and skips or not", run: lag },
        Step { name: "what another instance appends is followed", run: another },
        Step { name: "no filter and no cursor that is none is taken", run: refusals },
    ],
};

/// From now on, with nothing said.
const NOW: Options = Options { topics: Vec::new(), from: None, max_behind: None, poll_ms: None };

/// So long is waited where it matters.
const POLL: Duration = Duration::from_millis(50);

/// The seqnos of all that a subscription gives now, which is entries.
fn given(log: &mut Instance, subscription: ResourceAny) -> Result<Vec<u64>> {
    let mut seqnos = Vec::new();
    while let Some(delivery) = log.next(subscription)?? {
        match delivery {
            Delivery::Entry(entry) => seqnos.push(entry.seqno),
            other => return Err(differs("what is given out", &"an entry", &other)),
        }
    }
    Ok(seqnos)
}

/// Appends so many entries, and answers their seqnos.
fn append(log: &mut Instance, stream: &str, count: u64) -> Result<Vec<u64>> {
    let payloads = (1..=count).map(|n| format!("said {n}"));
    Ok(log.append_batch(&[entries(stream, payloads)])??.entries.into_iter().map(|entry| entry.seqno).collect())
}

fn topics(session: &mut Session) -> Result<Done> {
    let (stream, other) = (session.stream("tail"), session.stream("tail-unwanted"));
    let log = session.log()?;
    let all = log.follow(&NOW)??;
    // Now is what it saw, and not what the log knew before of other writers.
    let size = log.status()??.size;
    let filters = [format!("{stream}/e"), format!("{stream}/no-such-event/#")];
    let wanted = log.follow(&Options { topics: filters.to_vec(), ..NOW })??;
    equal("what is there before anything comes", log.next(all)??, None)?;
    let mut expected = append(log, &stream, 3)?;
    append(log, &other, 2)?;
    expected.extend(append(log, &stream, 400)?);
    log.close_segment(&stream)??;
    let end = log.status()??.size;
    equal("all entries from now on", given(log, all)?, (size + 1..=end).collect())?;
    let Some(Delivery::Entry(first)) = log.next(wanted)?? else {
        return Err(differs("the first", &"an entry", &"none"));
    };
    equal("the first entry", &first, &log.read(first.seqno)??)?;
    // In the middle of a page another one goes on.
    let cursor = log.cursor(wanted)?;
    equal("the cursor behind the first entry", cursor, expected[1])?;
    let resumed = log.follow(&Options { topics: filters.to_vec(), from: Some(cursor), ..NOW })??;
    equal("the rest of the topic", given(log, wanted)?, expected[1..].to_vec())?;
    equal("the rest from the cursor", given(log, resumed)?, expected[1..].to_vec())?;
    equal("the cursor at the end", log.cursor(resumed)?, end + 1)?;
    checked(format!("{} of {} entries by topic", expected.len(), end - size))
}

fn waiting(session: &mut Session) -> Result<Done> {
    let stream = session.stream("tail");
    let log = session.log()?;
    let subscription = log.follow(&Options { poll_ms: Some(POLL.as_millis() as u32), ..NOW })??;
    let at_first = log.wait(subscription)?;
    equal("what is there", log.next(subscription)??, None)?;
    let idle = log.wait(subscription)?;
    ensure!(
        idle >= POLL && at_first < idle,
        "it waited {at_first:?} before it was asked, and {idle:?} where nothing was"
    );
    let appended = append(log, &stream, 1)?;
    equal("what came", given(log, subscription)?, appended)?;
    log.skip_to(subscription, 1)?;
    let skipped = log.wait(subscription)?;
    holds("after going back it is ready at once", skipped < idle)?;
    checked(format!("ready after {at_first:.0?}, and where there is nothing after {idle:.0?}"))
}

fn lag(session: &mut Session) -> Result<Done> {
    let stream = session.stream("tail");
    let log = session.log()?;
    let subscription = log.follow(&Options { max_behind: Some(5), ..NOW })??;
    let appended = append(log, &stream, 6)?;
    let range = SeqnoRange { first: appended[0], last: appended[5] };
    equal("being behind", log.next(subscription)??, Some(Delivery::Lagged(range)))?;
    equal("what follows", given(log, subscription)?, appended)?;
    append(log, &stream, 6)?;
    let Some(Delivery::Lagged(range)) = log.next(subscription)?? else {
        return Err(differs("being behind again", &"a lag", &"something else"));
    };
    log.skip_to(subscription, range.last + 1)?;
    equal("behind the lag", log.next(subscription)??, None)?;
    checked("6 entries behind, read once and skipped once")
}

fn another(session: &mut Session) -> Result<Done> {
    if !session.outlives() {
        return not_applicable("this store has no log that two instances share");
    }
    let Some((mut log, config)) = session.elsewhere("followed")? else { return no_place() };
    log.open(&config)??;
    append(&mut log, "a", 1)?;
    let subscription = log.follow(&NOW)??;
    equal("what is there", log.next(subscription)??, None)?;
    let Some((mut other, _)) = session.elsewhere("followed")? else { return no_place() };
    other.open(&config)??;
    let appended = append(&mut other, "a", 2)?;
    equal("what the other instance appended", given(&mut log, subscription)?, appended)?;
    session.clear_elsewhere("followed")?;
    checked("2 entries of another instance")
}

fn refusals(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    for filter in ["", "a/#/b", "a+", "a/\u{7}"] {
        let options = Options { topics: vec!["#".into(), filter.into()], ..NOW };
        refused!(format!("the filter {filter:?}"), log.follow(&options)?, LogError::Invalid(_))?;
    }
    let size = log.status()??.size;
    let beyond = Options { from: Some(size + 2), ..NOW };
    refused!("a cursor beyond the next entry", log.follow(&beyond)?, LogError::NotCovered(_))?;
    checked("4 filters and a cursor")
}
