//! Finding the entries that a filter wants, by the indexes.
//!
//! Each index has the seqnos of one value in their order, so that what a filter says of several columns is found where their
//! lists meet: each list is moved to the furthest place that another one has come to, until all stand at the same entry. So the
//! rarest value decides how much is read, without anybody having to know which it is, and nothing is sorted. What no index
//! says, as the text of a payload, is looked for in the entries on which the lists agree.
//!
//! | file | holds |
//! |---|---|
//! | `list` | the seqnos of one value, read as far as they are needed |
//! | `words` | the values that a pattern stands for |
//! | `times` | where in the log a range of times is |

use secure_log::entry::{EntryRef, Severity};
use secure_log::query::Filter;
use secure_log::record::{EntryRow, Record};
use secure_log::store::{Left, Search, StoreError};
use secure_log_sql::columns::severities;
use secure_log_sql::record::entry;

use crate::database::{Database, Value};
use crate::row::bound;
use crate::search::list::{Column, List, Span};
use crate::search::times::Period;
use crate::store::SqliteStore;

pub(crate) mod list;
#[cfg(all(test, feature = "native"))]
mod plans;
mod times;
mod words;

pub(crate) use times::Times;

/// What it counts to read an entry, beside a seqno in an index: it takes several times as long.
const ROW: u32 = 4;

/// One entry, by its seqno.
pub(crate) const ENTRY: &str =
    "SELECT e.seqno, s.name, e.hash, e.bytes FROM entry e JOIN stream s ON s.number = e.stream
    WHERE e.seqno = ?";

/// The hash of one.
pub(crate) const HASH: &str = "SELECT hash FROM entry WHERE seqno = ?";

/// What a filter says that an index knows: each has an entry that matches.
#[derive(Default)]
struct Lists {
    /// Of each an entry has one value.
    any_of: Vec<Vec<List>>,
    period: Option<Period>,
}

/// What the indexes say of a filter.
enum Plan {
    /// No entry is such a one.
    Nothing,
    /// Every entry may be such a one.
    Everything,
    Where(Lists),
}

/// How a search by the indexes ended.
#[derive(Default)]
pub(crate) enum Found {
    /// At the end of the range.
    #[default]
    End,
    /// With more to look at, from this seqno on.
    GoOn(u64),
    /// Before it began: no index says anything of the filter.
    NoIndex,
}

impl<D: Database> SqliteStore<D> {
    /// See [`secure_log::store::SecureLogStore::search`].
    pub(crate) fn find(
        &mut self,
        search: &Search<'_>,
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<Found, StoreError> {
        let Some(span) = Span::of(search) else { return Ok(Found::End) };
        match self.plan(search.filter, span)? {
            Plan::Nothing => Ok(Found::End),
            Plan::Everything => Ok(Found::NoIndex),
            Plan::Where(mut lists) => self.find_where(&mut lists, span, search, visit),
        }
    }

    fn plan(&mut self, filter: &Filter, span: Span) -> Result<Plan, StoreError> {
        let mut lists = Lists::default();
        let mut values = vec![
            (Column::Stream, self.streams_of(&filter.streams)?),
            (Column::Event, self.words_of(&filter.events)?),
            (Column::Session, self.word_of(filter.session.as_deref())?),
        ];
        let severities = filter.severity.and_then(severities);
        match self.word_of(filter.producer.as_deref())? {
            None => values.push((Column::Severity, severities)),
            Some(producers) if producers.is_empty() => return Ok(Plan::Nothing),
            Some(producers) => {
                let severities = severities.unwrap_or_else(|| Severity::ALL.map(|one| one as i64).to_vec());
                let pairs = producers.iter().flat_map(|of| severities.iter().map(move |one| (*of, *one)));
                lists.any_of.push(pairs.map(|(of, severity)| List::of_producer(of, severity, span)).collect());
            }
        }
        for (column, values) in values {
            match values {
                None => {}
                Some(values) if values.is_empty() => return Ok(Plan::Nothing),
                Some(values) => {
                    lists.any_of.push(values.into_iter().map(|value| List::of(column, value, span)).collect());
                }
            }
        }
        if let Some(actor) = filter.actor {
            lists.any_of.push(vec![List::of_key(actor, span)]);
        }
        lists.period = self.period(filter, span)?;
        Ok(if lists.any_of.is_empty() && lists.period.is_none() { Plan::Everything } else { Plan::Where(lists) })
    }

    fn find_where(
        &mut self,
        lists: &mut Lists,
        span: Span,
        search: &Search<'_>,
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<Found, StoreError> {
        let mut left = Left::of(search);
        let mut at = span.first();
        loop {
            match self.meet(lists, at, &mut left)? {
                Met::End => return Ok(Found::End),
                Met::Spent(at) => return Ok(Found::GoOn(span.seqno(at))),
                Met::At(rank) => {
                    left.look(ROW);
                    self.each("entry", ENTRY, &[bound(span.seqno(rank))], |row| {
                        if let Record::Entry(row) = entry(&row, row.text(1)?)?
                            && EntryRef::decode(row.bytes).is_ok_and(|entry| search.matches(&entry))
                        {
                            left.answer(row.bytes.len());
                            visit(row);
                        }
                        Ok(())
                    })?;
                    match span.behind(rank) {
                        None => return Ok(Found::End),
                        Some(next) if left.is_spent() => return Ok(Found::GoOn(span.seqno(next))),
                        Some(next) => at = next,
                    }
                }
            }
        }
    }

    /// The first place from `at` on where all lists have an entry.
    fn meet(&mut self, lists: &mut Lists, mut at: u64, left: &mut Left) -> Result<Met, StoreError> {
        let from = at;
        loop {
            let before = at;
            if let Some(period) = &mut lists.period {
                match period.seek(at) {
                    Some(rank) => at = rank,
                    None => return Ok(Met::End),
                }
            }
            for any_of in &mut lists.any_of {
                match self.nearest(any_of, at, left)? {
                    Some(rank) => at = rank,
                    None => return Ok(Met::End),
                }
            }
            if at == before {
                return Ok(Met::At(at));
            }
            // Each call gets on.
            if left.is_spent() && at > from {
                return Ok(Met::Spent(at));
            }
        }
    }

    /// The first place from `at` on where any of the lists has an entry. Lists that have none are dropped.
    fn nearest(&mut self, any_of: &mut Vec<List>, at: u64, left: &mut Left) -> Result<Option<u64>, StoreError> {
        let (mut nearest, mut failed) = (None, Ok(()));
        any_of.retain_mut(|list| match list.seek(at, left, self) {
            Ok(Some(rank)) => {
                nearest = Some(nearest.map_or(rank, |nearest: u64| nearest.min(rank)));
                true
            }
            Ok(None) => false,
            Err(error) => {
                failed = Err(error);
                true
            }
        });
        failed.map(|()| nearest)
    }
}

/// Where lists meet.
enum Met {
    At(u64),
    /// Nothing more may be looked at, and before this place they do not.
    Spent(u64),
    End,
}

/// Numbers as values.
fn integer(value: i64) -> Value<'static> {
    Value::Integer(value)
}
