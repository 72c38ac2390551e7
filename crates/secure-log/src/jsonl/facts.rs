//! What an index of entries keeps of each.

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

impl EntryLine<'_> {
    /// The facts.
    pub fn facts(&self) -> EntryFacts<'_> {
        EntryFacts {
            stream: &self.stream,
            session: &self.session,
            event: &self.event,
            producer: &self.producer,
            severity: self.severity,
            time: self.time.parse().ok(),
        }
    }
}
