//! What an index of entries keeps of each.

use std::borrow::Cow;

use super::line::EntryLine;
use crate::entry::Severity;
use crate::time::Timestamp;

/// What a filter can ask of an entry besides its seqno and its payload. Writing a line and reading one both learn it on the way, so
/// that who keeps an index of it decodes nothing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of EntryRef")]
pub struct EntryFacts<'a> {
    pub stream: &'a str,
    pub session: &'a str,
    pub event: &'a str,
    pub producer: &'a str,
    pub severity: Severity,
    /// `None` where it is no time, which no line has that was written or read here.
    pub time: Option<Timestamp>,
}

/// What stands before the payload in the line of an entry, for who wants no more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of EntryRef")]
pub struct EntryHead<'a> {
    pub version: u64,
    pub stream: Cow<'a, str>,
    pub session: Cow<'a, str>,
    pub boot: Cow<'a, str>,
    pub seqno: u64,
    pub time: &'a str,
    pub event: Cow<'a, str>,
    pub severity: Severity,
    pub producer: Cow<'a, str>,
}

impl<'a> EntryFacts<'a> {
    fn of([stream, session, event, producer]: [&'a Cow<'_, str>; 4], severity: Severity, time: &str) -> EntryFacts<'a> {
        EntryFacts { stream, session, event, producer, severity, time: time.parse().ok() }
    }
}

impl EntryHead<'_> {
    /// The facts.
    pub fn facts(&self) -> EntryFacts<'_> {
        let names = [&self.stream, &self.session, &self.event, &self.producer];
        EntryFacts::of(names, self.severity, self.time)
    }
}

impl EntryLine<'_> {
    /// The facts.
    pub fn facts(&self) -> EntryFacts<'_> {
        let names = [&self.stream, &self.session, &self.event, &self.producer];
        EntryFacts::of(names, self.severity, self.time)
    }
}
