//! The exported interface `query`: convert, forward, convert back.

use std::cell::RefCell;

use secure_log::index::actor_key;
use secure_log::limits::Invalid;
use secure_log::proof::{Asked, PageProof, Shown, VerifiedPage};
use secure_log::query::{Filter, Query, Spelled};
use secure_log::verify::Trust;

use crate::bindings::exports::secure_log::log::{query, tree, types};
use crate::convert;
use crate::exports::{Component, with};

/// Pages that are being checked.
pub(crate) struct Checking {
    filter: Filter,
    newest_first: bool,
    trust: Trust,
    before: RefCell<Option<VerifiedPage>>,
}

impl query::Guest for Component {
    type Checking = Checking;

    fn find(request: query::Request) -> Result<query::Page, types::LogError> {
        let page = with(|log| log.query(&query_of(request)?))?;
        let entries = page.entries.into_iter().map(convert::entry).collect::<Result<_, _>>()?;
        Ok(query::Page { entries, next: page.next.map(|cursor| cursor.to_string()), size: page.size })
    }

    fn find_proven(request: query::Request) -> Result<query::ProvenPage, types::LogError> {
        let page = with(|log| log.query_proven(&query_of(request)?))?;
        Ok(query::ProvenPage { proof: page.proof.to_string(), next: page.next.map(|cursor| cursor.to_string()) })
    }

    fn check(
        filter: query::Filter,
        newest_first: bool,
        keys: Vec<String>,
    ) -> Result<query::Checking, tree::ProofError> {
        let trust = crate::tree::trust(&keys)?;
        let filter = filter_of(filter).map_err(|invalid| tree::ProofError::Malformed(invalid.to_string()))?;
        Ok(query::Checking::new(Checking { filter, newest_first, trust, before: RefCell::new(None) }))
    }
}

impl query::GuestChecking for Checking {
    fn next(&self, proof: String) -> Result<query::CheckedPage, tree::ProofError> {
        let mut before = self.before.borrow_mut();
        let asked = Asked { filter: &self.filter, newest_first: self.newest_first, after: before.as_ref() };
        let page = PageProof::parse(&proof).and_then(|proof| proof.verify(&asked, &self.trust));
        let page = page.map_err(crate::tree::error)?;
        let entries = page.entries().iter().map(|(entry, _)| convert::entry(entry.clone()));
        let entries = entries.collect::<Result<_, _>>();
        let checked = query::CheckedPage {
            entries: entries.map_err(|_| tree::ProofError::Malformed("an entry has an unknown severity".into()))?,
            pruned: page.pruned().iter().map(|(seqno, _)| *seqno).collect(),
            shown: match *page.shown() {
                Shown::Range { first, last } => query::Shown::Range(types::SeqnoRange { first, last }),
                Shown::Stream { first, last, from_start } => {
                    query::Shown::Stream(query::StreamPart { first, last, from_start })
                }
                Shown::Rows => query::Shown::Rows,
            },
            size: page.head().size(),
            root: page.head().root().0.to_vec(),
        };
        *before = Some(page);
        Ok(checked)
    }
}

fn query_of(request: query::Request) -> Result<Query, Invalid> {
    Ok(Query {
        filter: filter_of(request.filter)?,
        newest_first: request.newest_first,
        limit: request.limit,
        cursor: request.cursor.map(|text| text.parse()).transpose()?,
    })
}

fn filter_of(filter: query::Filter) -> Result<Filter, Invalid> {
    let spelled = Spelled {
        streams: filter.streams,
        events: filter.event_types,
        producer: filter.producer,
        session: filter.session_id,
        severity: filter.severity.map(|severity| convert::severity(severity).as_str().into()),
        actor: filter.actor.map(|actor| actor_key(&actor.kind, &actor.id)),
        since: filter.since,
        before: filter.before,
        text: filter.text,
    };
    spelled.read_within(filter.from_seqno, filter.to_seqno)
}
