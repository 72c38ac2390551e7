//! The log of the service about itself: who was denied what, and what administrators did (decision 0137).
//!
//! What is denied is counted by kind. The first of a kind is written before it is answered, and those that follow in the same ten
//! seconds in one entry at their end; so a flood of denials is an entry a kind, of at most 16 kinds, every ten seconds:
//!
//! 2 * 16 entries of about 500 bytes every 10 s are 140 MB a day, if somebody does nothing else all day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use serde_json::{Value, json};

use crate::catalogue::ServedLog;
use crate::idempotency::SERVICE_PRODUCER;
use crate::json::text_of;

/// The name of the log in the service. Nobody but the service appends to it.
pub const SERVICE_LOG: &str = "service";
/// Its stream.
const STREAM: &str = "service";

/// So long denials of one kind are counted before they are written.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Kinds of denials in one window; what is of yet another kind is counted as `other`.
const MAX_KINDS: usize = 15;

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
#[derive(Debug, Default)]
pub(crate) struct ServiceLog {
    windows: Mutex<HashMap<Kind, Tally>>,
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
    /// Records a denial: at once, or as one more of those that are counted.
    pub(crate) fn denied(&self, log: &ServedLog, denial: Denial) -> Result<(), LogError> {
        let kind = {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let of = Kind::Of(denial);
            let kind = if windows.contains_key(&of) || windows.len() < MAX_KINDS { of } else { Kind::Other };
            if let Some(tally) = windows.get_mut(&kind) {
                tally.more += 1;
                return Ok(());
            }
            windows.insert(kind.clone(), Tally { began: Instant::now(), more: 0 });
            kind
        };
        write(log, "call.denied", Severity::Warning, &kind.facts(1))
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
            .try_for_each(|(kind, more)| write(log, "calls.denied", Severity::Warning, &kind.facts(more)))
    }

    /// Records what was done.
    pub(crate) fn done(&self, log: &ServedLog, event: &str, facts: &Value) -> Result<(), LogError> {
        write(log, event, Severity::Notice, facts)
    }
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
