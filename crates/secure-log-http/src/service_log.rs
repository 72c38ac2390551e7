//! The log of the service about itself: who was denied what, and what administrators did (decision 0137).
//!
//! What is denied is counted by kind. The first of a kind is written before it is answered, and those that follow in the same ten
//! seconds in one entry at their end; so a flood of denials is an entry a kind, of at most 16 kinds, every ten seconds:
//!
//! 2 * 16 entries of about 500 bytes every 10 s are 140 MB a day, if somebody does nothing else all day.
//!
//! A host that keeps nothing between requests counts in the log itself: each denial is an entry of its own, up to as many in ten
//! seconds.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secure_log::engine::{MAX_PAGE, NewEntry};
use secure_log::entry::{Entry, Severity};
use secure_log::error::LogError;
use secure_log::providers::Clock as _;
use secure_log::query::{Filter, Query};
use secure_log::system::SystemClock;
use serde_json::{Value, json};

use crate::catalogue::ServedLog;
use crate::idempotency::SERVICE_PRODUCER;
use crate::json::text_of;
use crate::log_id::LogId;

/// The name of the log in the service. Nobody but the service appends to it.
pub const SERVICE_LOG: &str = "service";
/// Its stream.
const STREAM: &str = "service";

/// So long denials of one kind are counted before they are written.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Kinds of denials in one window; what is of yet another kind is counted as `other`.
const MAX_KINDS: usize = 15;
/// Entries about denials in one window, where they are counted in the log. The last one says that there may be more.
const MAX_DENIALS: u32 = 32;

/// A log was made.
pub(crate) const LOG_CREATED: &str = "log.created";
/// A log was there already, and nothing said so.
pub(crate) const LOG_FOUND: &str = "log.found";
/// A log was verified.
pub(crate) const LOG_VERIFIED: &str = "log.verified";
const DENIED: &str = "call.denied";
const MORE_DENIED: &str = "calls.denied";

/// A call that was denied, as far as it is told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denial {
    /// `unauthorized`, `expired`, `scope` or `another-log`.
    pub why: &'static str,
    /// The name of the token, if it is one.
    pub token: Option<String>,
    /// The route that was called.
    pub route: &'static str,
    /// The log that the path names.
    pub log: Option<String>,
}

/// Writes to the service's log.
#[derive(Debug)]
pub(crate) struct ServiceLog {
    /// Nothing is remembered.
    counts_in_log: bool,
    windows: Mutex<HashMap<Kind, Tally>>,
}

/// Whether something is recorded, now or with the next count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Yes,
    TooMany,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Of(Denial),
    Other,
}

#[derive(Debug)]
struct Tally {
    began: Instant,
    /// Behind the one that was written at once.
    more: u64,
}

impl ServiceLog {
    pub(crate) fn new(counts_in_log: bool) -> ServiceLog {
        ServiceLog { counts_in_log, windows: Mutex::default() }
    }

    /// Records a denial: at once, or as one more of those that are counted.
    pub(crate) fn denied(&self, log: &ServedLog, denial: Denial) -> Result<Recorded, LogError> {
        if self.counts_in_log {
            return denied_one_more(log, denial);
        }
        let kind = {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let of = Kind::Of(denial);
            let kind = if windows.contains_key(&of) || windows.len() < MAX_KINDS { of } else { Kind::Other };
            if let Some(tally) = windows.get_mut(&kind) {
                tally.more += 1;
                return Ok(Recorded::Yes);
            }
            windows.insert(kind.clone(), Tally { began: Instant::now(), more: 0 });
            kind
        };
        write(log, DENIED, Severity::Warning, &kind.facts(1)).map(|()| Recorded::Yes)
    }

    /// Writes the counts whose time has come; all of them where the service ends.
    pub(crate) fn flush(&self, log: &ServedLog, all: bool) -> Result<(), LogError> {
        let due: Vec<(Kind, u64)> = {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let due = windows.extract_if(|_, tally| all || tally.began.elapsed() >= WINDOW);
            due.map(|(kind, tally)| (kind, tally.more)).collect()
        };
        due.into_iter()
            .filter(|(_, more)| *more > 0)
            .try_for_each(|(kind, more)| write(log, MORE_DENIED, Severity::Warning, &kind.facts(more)))
    }

    /// Records what was done.
    pub(crate) fn done(&self, log: &ServedLog, event: &str, facts: &Value) -> Result<(), LogError> {
        write(log, event, Severity::Notice, facts)
    }
}

/// Records a denial by itself, as long as not too many are there of the last seconds. Several hosts that do so at once may go
/// over by as many as they are.
fn denied_one_more(log: &ServedLog, denial: Denial) -> Result<Recorded, LogError> {
    let since = SystemClock.now().seconds_earlier(WINDOW.as_secs());
    let recent = Filter { since: Some(since), ..of_events(&[DENIED, MORE_DENIED]) };
    let mut count = 0;
    walk(log, recent, MAX_DENIALS, |_| {
        count += 1;
        count < MAX_DENIALS
    })?;
    match count {
        MAX_DENIALS => return Ok(Recorded::TooMany),
        count if count + 1 == MAX_DENIALS => {
            write(log, MORE_DENIED, Severity::Warning, &json!({ "why": "other", "count": Value::Null }))?;
        }
        _ => write(log, DENIED, Severity::Warning, &Kind::Of(denial).facts(1))?,
    }
    Ok(Recorded::Yes)
}

/// Names of logs that were made, behind this one (or all), ascending, at most so many. In memory there are no more than these.
pub(crate) fn recorded_logs(log: &ServedLog, after: Option<&LogId>, limit: u32) -> Result<Vec<LogId>, LogError> {
    let mut found: BTreeSet<LogId> = [SERVICE_LOG.parse().expect("it is a name")].into();
    found.retain(|id| after.is_none_or(|after| id > after));
    walk(log, of_events(&[LOG_CREATED, LOG_FOUND]), MAX_PAGE, |entry| {
        found.extend(named(entry).filter(|id| after.is_none_or(|after| id > after)));
        if found.len() > limit as usize {
            found.pop_last();
        }
        true
    })?;
    Ok(found.into_iter().take(limit as usize).collect())
}

/// Whether it is recorded that there is a log of this name.
pub(crate) fn is_recorded(log: &ServedLog, id: &LogId) -> Result<bool, LogError> {
    let text = Some(format!("\"{id}\""));
    let mut recorded = false;
    walk(log, Filter { text, ..of_events(&[LOG_CREATED, LOG_FOUND]) }, MAX_PAGE, |entry| {
        recorded |= named(entry).as_ref() == Some(id);
        !recorded
    })?;
    Ok(recorded)
}

/// The last entry about a verification.
pub(crate) fn last_verification(log: &ServedLog) -> Result<Option<Entry>, LogError> {
    let mut last = None;
    walk(log, of_events(&[LOG_VERIFIED]), 1, |entry| {
        last = Some(entry.clone());
        false
    })?;
    Ok(last)
}

fn of_events(events: &[&str]) -> Filter {
    let patterns = |names: &[&str]| names.iter().map(|name| name.parse().expect("it is a name")).collect();
    Filter { streams: patterns(&[STREAM]), events: patterns(events), ..Filter::default() }
}

/// Visits what a filter finds, the newest first, until told to stop; a page at a time, so that others come in between.
fn walk(log: &ServedLog, filter: Filter, limit: u32, mut visit: impl FnMut(&Entry) -> bool) -> Result<(), LogError> {
    let mut query = Query { filter, newest_first: true, limit, cursor: None };
    loop {
        let page = log.lock().query(&query)?;
        query.cursor = page.next;
        if !page.entries.iter().all(&mut visit) || query.cursor.is_none() {
            return Ok(());
        }
    }
}

/// The log that an entry is about.
fn named(entry: &Entry) -> Option<LogId> {
    serde_json::from_slice::<Value>(&entry.payload).ok()?.get("log")?.as_str()?.parse().ok()
}

impl Kind {
    fn facts(&self, count: u64) -> Value {
        match self {
            Kind::Of(Denial { why, token, route, log }) => {
                json!({ "why": why, "token": token, "route": route, "log": log, "count": count })
            }
            Kind::Other => json!({ "why": "other", "count": count }),
        }
    }
}

fn write(log: &ServedLog, event: &str, severity: Severity, facts: &Value) -> Result<(), LogError> {
    let payload = text_of(facts);
    let entry = NewEntry {
        stream: STREAM,
        event,
        severity,
        producer: SERVICE_PRODUCER,
        encoding: "application/json",
        payload: payload.as_bytes(),
    };
    log.append(&entry).map(drop)
}
