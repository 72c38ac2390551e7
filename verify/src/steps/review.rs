//! Reviews of the log under test and of one stream, against what was appended and what pages of entries say.

use std::collections::BTreeMap;

use serde_json::Value;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, is_valid};
use crate::expect::{equal, refused};
use crate::host::encoder::{EntryFields, Severity};
use crate::host::review::{NameCount, Rest, Review, ReviewOptions};
use crate::host::writer::NewEntries;
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "review",
    about: "summarise: the log and a stream of it, counted while they are verified",
    steps: &[
        Step { name: "a stream's figures are those of what was appended", run: of_stream },
        Step { name: "the log's figures are those of its entries, and its report that of a verification", run: of_log },
        Step { name: "a stream that is not there is refused", run: not_there },
    ],
};

fn options(stream: Option<&str>) -> ReviewOptions {
    ReviewOptions { stream_id: stream.map(str::to_owned), open_payloads: false }
}

/// What anybody may call a producer, and nobody may show as it is.
const HOSTILE: &str = "pro\u{202e}du\u{2066}cer";

/// An event of the audit profile in its one spelling.
fn event(number: u8, who: &str, completes: Option<u8>) -> String {
    let id = |number: u8| format!("{number:08x}-0000-4000-8000-000000000000");
    let completes = completes.map(|intent| format!(r#""completes":"{}","#, id(intent))).unwrap_or_default();
    let result = if completes.is_empty() { "begun" } else { "success" };
    format!(
        r#"{{"action":{{"kind":"file-delete","path":"/a"}},"actor":{{"id":"{who}","kind":"user"}},{completes}"id":"{}","outcome":{{"result":"{result}"}}}}"#,
        id(number)
    )
}

fn append(log: &mut Instance, stream: &str) -> Result<()> {
    let events = [event(1, "alice", None), event(2, "bob", None), event(3, "alice", Some(1))];
    let said = NewEntries { payload_encoding: "secure-log.audit.v1+json".into(), ..entries(stream, events) };
    let alarms = NewEntries {
        severity: Severity::Alert,
        producer: HOSTILE.into(),
        event_type: "alarm".into(),
        ..entries(stream, ["1", "2"])
    };
    log.append_batch(&[said, alarms])??;
    Ok(())
}

fn of_stream(session: &mut Session) -> Result<Done> {
    let stream = session.stream("review");
    let log = session.log()?;
    append(log, &stream)?;
    let review = log.summarise(&options(Some(&stream)))??;
    equal("entries, and streams", (review.totals.entries, review.totals.streams), (5, 1))?;
    equal("producers", named(&review.producers), [("verify", 3), (HOSTILE, 2)].into())?;
    equal("event types", named(&review.event_types), [("e", 3), ("alarm", 2)].into())?;
    equal("alerts", severity(&review, Severity::Alert), 2)?;
    let actors: Vec<_> = review.actors.iter().map(|actor| (actor.id.as_str(), actor.entries)).collect();
    equal("actors", actors, vec![("alice", 2), ("bob", 1)])?;
    let open: Vec<_> =
        review.actions.listed.iter().map(|open| (open.actor_id.as_str(), open.action.as_str())).collect();
    equal("actions without an end", open, vec![("bob", "file-delete")])?;
    equal("gaps in streams", review.gaps_in_streams.is_some(), false)?;
    hides_nothing(&review)?;
    checked(format!("{} of {} actions have no end", review.actions.unfinished, review.actions.begun))
}

fn of_log(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let review = log.summarise(&options(None))??;
    let report = is_valid(log)?;
    ensure!(review.report == report, "the report is that of a verification");
    let entries = all(log)?;
    equal("entries", review.totals.entries, entries.len() as u64)?;
    let bytes: usize = entries.iter().map(|entry| entry.payload.len()).sum();
    equal("bytes", review.totals.payload_bytes, bytes as u64)?;
    let producers = entries.iter().map(|entry| &*entry.producer);
    compare("producers", producers, &review.producers, &review.producers_rest)?;
    let events = entries.iter().map(|entry| &*entry.event_type);
    compare("event types", events, &review.event_types, &review.event_types_rest)?;
    for each in &review.severities {
        let expected = entries.iter().filter(|entry| entry.severity == each.severity).count();
        equal("a severity", each.entries, expected as u64)?;
    }
    // Of times in one spelling the texts are in the order of the instants.
    let times = entries.iter().map(|entry| &*entry.timestamp_rfc3339);
    let range = review.times.as_ref().map(|times| (&*times.earliest.time, &*times.latest.time));
    equal("times", range, times.clone().min().zip(times.max()))?;
    hides_nothing(&review)?;
    checked(format!("{} entries of {} streams", review.totals.entries, review.totals.streams))
}

fn not_there(session: &mut Session) -> Result<Done> {
    let nobody = session.stream("reviewed-by-nobody");
    refused!("no such stream", session.log()?.summarise(&options(Some(&nobody)))?, LogError::StreamNotFound(_))?;
    checked("stream-not-found")
}

/// All entries, page after page.
fn all(log: &mut Instance) -> Result<Vec<EntryFields>> {
    let (mut all, mut from) = (Vec::new(), 1);
    loop {
        let page = log.read_page(None, from, u64::MAX, 1000)??;
        let Some(last) = page.last() else { return Ok(all) };
        from = last.seqno + 1;
        all.extend(page);
    }
}

fn named(counts: &[NameCount]) -> BTreeMap<&str, u64> {
    counts.iter().map(|count| (count.name.as_str(), count.entries)).collect()
}

fn severity(review: &Review, severity: Severity) -> u64 {
    review.severities.iter().find(|count| count.severity == severity).map_or(0, |count| count.entries)
}

/// Compares a list with the names of all entries: the most frequent first, then by their bytes.
fn compare<'a>(what: &str, names: impl Iterator<Item = &'a str>, listed: &[NameCount], rest: &Rest) -> Result<()> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    equal(what, (rest.names, rest.others), (counts.len() as u64, 0))?;
    let mut expected: Vec<_> = counts.into_iter().collect();
    expected.sort_by_key(|(_, entries)| std::cmp::Reverse(*entries));
    let unlisted = expected.iter().skip(100).map(|(_, entries)| entries).sum::<u64>();
    expected.truncate(100);
    let found: Vec<_> = listed.iter().map(|count| (count.name.as_str(), count.entries)).collect();
    equal(what, (found, rest.unlisted), (expected, unlisted))
}

/// The JSON says what the record says, and neither form has a character that shows something else than itself.
fn hides_nothing(review: &Review) -> Result<()> {
    let json: Value = serde_json::from_str(&review.json)?;
    equal("entries in the JSON", json["totals"]["entries"].as_u64(), Some(review.totals.entries))?;
    equal("producers in the JSON", json["producers"]["listed"].as_array().map(Vec::len), Some(review.producers.len()))?;
    let shows = |c: char| {
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
    };
    ensure!(review.json.chars().all(shows), "the JSON hides nothing");
    ensure!(review.text.lines().all(|line| line.chars().all(shows)), "the text hides nothing");
    Ok(())
}
