//! What is searched for.

use secure_log::limits::Invalid;
use secure_log::query::{Filter, Spelled};
use secure_log::store::Search;
use serde::{Deserialize, Serialize};

use crate::wire::Key;
use crate::{MAX_ENTRIES, MAX_WORK, PAGE_BYTES};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EntrySearch {
    pub(crate) filter: EntryFilter,
    pub(crate) from_seqno: u64,
    pub(crate) to_seqno: u64,
    pub(crate) newest_first: bool,
    pub(crate) limit: u32,
    pub(crate) max_bytes: u32,
    pub(crate) work: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EntryFilter {
    streams: Vec<String>,
    event_types: Vec<String>,
    producer: Option<String>,
    session: Option<String>,
    severity: Option<String>,
    actor: Option<Key>,
    since: Option<String>,
    before: Option<String>,
    text: Option<String>,
}

impl EntrySearch {
    /// As much of a search as one call may ask for, and the range of it. Nothing where the range is empty.
    pub(crate) fn of<'f>(search: &Search<'f>) -> Option<(EntrySearch, Search<'f>)> {
        let within = search.within()?;
        let asked = EntrySearch {
            filter: EntryFilter::from(search.filter),
            from_seqno: within.from,
            to_seqno: within.to,
            newest_first: search.newest_first,
            limit: search.limit.min(MAX_ENTRIES),
            max_bytes: search.max_bytes.min(PAGE_BYTES) as u32,
            work: search.work.min(MAX_WORK),
        };
        Some((asked, within))
    }
}

impl From<&Filter> for EntryFilter {
    fn from(filter: &Filter) -> EntryFilter {
        let Spelled { streams, events, producer, session, severity, actor, since, before, text } = filter.into();
        let actor = actor.map(Key);
        EntryFilter { streams, event_types: events, producer, session, severity, actor, since, before, text }
    }
}

impl EntryFilter {
    pub(crate) fn read(self) -> Result<Filter, Invalid> {
        let EntryFilter { streams, event_types, producer, session, severity, actor, since, before, text } = self;
        let actor = actor.map(|key| key.0);
        Spelled { streams, events: event_types, producer, session, severity, actor, since, before, text }.read()
    }
}
