//! Finding the entries that a filter wants.
//!
//! Each column has an index in which the seqnos of a value stand in their order. So a search asks, for each column that the filter
//! says something of, where its next entry is, and goes on at the furthest of them: before it no entry has all. From there it reads
//! a window, in which the server compares the columns. What no column says, as the text of a payload, is looked for in the entries
//! that come of it. However large the log is, each statement reads a few ends of indexes, or a window.

use secure_log::entry::EntryRef;
use secure_log::index::IndexKey;
use secure_log::query::{Filter, Pattern};
use secure_log::record::{EntryRow, Record};
use secure_log::store::{Left, Search};
use secure_log_sql::bound;
use secure_log_sql::columns::{micros, severities};

use crate::connection::{Call, Parameter};
use crate::failure::Failed;
use crate::row::Octets;
use crate::tables::{Tables, rows};

mod times;

pub(crate) use times::Times;

/// Entries of a window: at first, and at most where the last ones had little.
const WINDOW: u64 = 512;
const LARGEST_WINDOW: u64 = 8192;
/// Entries that are read at once of those that a window has.
const CANDIDATES: usize = 128;
/// What it counts to compare so many entries of a window: they are not sent, nor decoded.
const COMPARED: u64 = 16;
/// Names that are held against a pattern. Where more begin like it, the columns are of no use for it.
const MAX_NAMES: i64 = 1024;
/// Values of a column that are looked for at once.
const MAX_VALUES: usize = 64;

/// The entries of a window whose columns are those that are wanted; a column of which nothing is said is null.
macro_rules! window {
    ($order:literal) => {
        concat!(
            "SELECT e.seqno FROM secure_log.entry e WHERE e.log = $1 AND e.seqno BETWEEN $2 AND $3 AND e.bytes IS NOT NULL
                AND ($4::BIGINT[] IS NULL OR e.stream = ANY($4)) AND ($5::BIGINT[] IS NULL OR e.event = ANY($5))
                AND ($6::BIGINT[] IS NULL OR e.producer = ANY($6)) AND ($7::BIGINT[] IS NULL OR e.session = ANY($7))
                AND ($8::BIGINT[] IS NULL OR e.severity = ANY($8))
                AND ($9::BIGINT IS NULL OR e.time >= $9) AND ($10::BIGINT IS NULL OR e.time <= $10)
                AND ($11::BYTEA IS NULL OR EXISTS (SELECT 1 FROM secure_log.entry_key k
                    WHERE k.log = $1 AND k.key = $11 AND k.seqno = e.seqno))
            ORDER BY e.seqno ",
            $order,
            " LIMIT $12"
        )
    };
}

/// Where the next entry is that has one of these values, upwards and downwards.
macro_rules! next_of {
    ($column:literal) => {
        [
            concat!(
                "SELECT min(n.seqno) FROM (SELECT (SELECT min(e.seqno) FROM secure_log.entry e WHERE e.log = $1 AND e.",
                $column,
                " = v.value AND e.seqno BETWEEN $3 AND $4) AS seqno FROM unnest($2::BIGINT[]) AS v (value)) n"
            ),
            concat!(
                "SELECT max(n.seqno) FROM (SELECT (SELECT max(e.seqno) FROM secure_log.entry e WHERE e.log = $1 AND e.",
                $column,
                " = v.value AND e.seqno BETWEEN $3 AND $4) AS seqno FROM unnest($2::BIGINT[]) AS v (value)) n"
            ),
        ]
    };
}

/// As they stand in a plan: stream, event, producer, session and severity.
const NEXT: [[&str; 2]; 5] =
    [next_of!("stream"), next_of!("event"), next_of!("producer"), next_of!("session"), next_of!("severity")];
const NEXT_OF_KEY: [&str; 2] = [
    "SELECT min(seqno) FROM secure_log.entry_key WHERE log = $1 AND key = $2 AND seqno BETWEEN $3 AND $4",
    "SELECT max(seqno) FROM secure_log.entry_key WHERE log = $1 AND key = $2 AND seqno BETWEEN $3 AND $4",
];
const LAST: &str = "SELECT max(seqno) FROM secure_log.entry WHERE log = $1";
const WORDS: &str = "SELECT id, value FROM secure_log.word WHERE log = $1 AND value >= $2 ORDER BY value LIMIT $3";
const STREAMS: &str = "SELECT number, name FROM secure_log.stream WHERE log = $1 AND name >= $2 ORDER BY name LIMIT $3";

/// Where a search is.
pub(crate) struct Progress<'f> {
    search: Search<'f>,
    left: Left,
    /// Where it goes on; `None` at the end.
    at: Option<u64>,
}

impl<'f> Progress<'f> {
    /// `None` where there is nothing to search.
    pub(crate) fn of(search: &Search<'f>) -> Option<Progress<'f>> {
        let within = search.within()?;
        // The tables have no larger numbers.
        let search = Search { to: within.to.min(i64::MAX as u64), ..within };
        let at = if search.newest_first { search.to } else { search.from };
        (search.from <= search.to).then(|| Progress { left: Left::of(&search), at: Some(at), search })
    }

    /// The first and the last seqno that are left from one on.
    fn rest(&self, at: u64) -> (u64, u64) {
        if self.search.newest_first { (self.search.from, at) } else { (at, self.search.to) }
    }

    /// Whichever of two seqnos a search comes to later.
    fn later(&self, one: u64, other: u64) -> u64 {
        if self.search.newest_first { one.min(other) } else { one.max(other) }
    }

    /// The seqno with which a window of so many entries ends.
    fn end_of_window(&self, at: u64, length: u64) -> u64 {
        let (from, to) = self.rest(at);
        if self.search.newest_first {
            to.saturating_sub(length - 1).max(from)
        } else {
            from.saturating_add(length - 1).min(to)
        }
    }
}

/// What the columns say of a filter.
struct Plan {
    /// The values that a column may have, in the order of [`NEXT`]; `None` where the column says nothing.
    values: [Option<Vec<i64>>; 5],
    since: Option<i64>,
    until: Option<i64>,
    actor: Option<IndexKey>,
}

impl Plan {
    fn is_of_nothing(&self) -> bool {
        self.values.iter().flatten().any(Vec::is_empty)
    }
}

impl Tables<'_> {
    /// See [`secure_log::store::SecureLogStore::search`].
    pub(crate) fn find(
        &mut self,
        progress: &mut Progress<'_>,
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<Option<u64>, Failed> {
        // Entries that come from now on may have words that the plan does not know: they are not passed over, as nothing is looked
        // at behind the last one that was there before.
        let last = self.one("entry", LAST, &[], |row| row.optional_number(0))?.flatten().unwrap_or(0);
        progress.search.to = progress.search.to.min(last);
        if progress.search.newest_first {
            progress.at = progress.at.map(|at| at.min(last));
        }
        let plan = self.plan(progress.search.filter)?;
        if plan.is_of_nothing() {
            return Ok(None);
        }
        let period = self.period(&plan)?;
        let (mut window, mut leaps) = (WINDOW, true);
        while let Some(mut at) = progress.at {
            if !(progress.search.from..=progress.search.to).contains(&at) {
                return Ok(None);
            }
            if leaps {
                match self.leap(&plan, progress, at)? {
                    Some(next) => at = next,
                    None => return Ok(None),
                }
            }
            let Some(next) = period.seek(at, progress.search.newest_first) else { return Ok(None) };
            at = next;
            let (from, to) = progress.rest(at);
            if from > to {
                return Ok(None);
            }
            let end = progress.end_of_window(at, window);
            let found = self.candidates(&plan, progress.search.newest_first, at, end)?;
            let is_whole = found.len() < CANDIDATES;
            let done = self.answer(&found, progress, visit)?;
            progress.left.look(1 + (window / COMPARED) as u32);
            if !done {
                let behind = if is_whole { Some(end) } else { found.last().map(|seqno| *seqno as u64) };
                progress.at = behind.and_then(|seqno| progress.search.behind(seqno));
            }
            if progress.left.is_spent() {
                return Ok(progress.at);
            }
            leaps = found.len() < CANDIDATES / 8;
            window = if leaps { (window * 2).min(LARGEST_WINDOW) } else { WINDOW };
        }
        Ok(None)
    }

    fn plan(&mut self, filter: &Filter) -> Result<Plan, Failed> {
        let one = |found: Option<i64>| Some(found.into_iter().collect());
        let streams = self.numbers_of(&filter.streams, STREAMS, Self::stream_number)?;
        let events = self.numbers_of(&filter.events, WORDS, Self::find_word)?;
        let producer = match &filter.producer {
            Some(word) => one(self.find_word(word)?),
            None => None,
        };
        let session = match &filter.session {
            Some(word) => one(self.find_word(word)?),
            None => None,
        };
        // Times are stored in whole microseconds. One that ends within a microsecond may have entries of it.
        Ok(Plan {
            values: [streams, events, producer, session, filter.severity.and_then(severities)],
            since: filter.since.map(micros),
            until: filter.before.map(micros),
            actor: filter.actor,
        })
    }

    /// The furthest of the places where each column has its next entry; `None` where one has none.
    fn leap(&mut self, plan: &Plan, progress: &mut Progress<'_>, at: u64) -> Result<Option<u64>, Failed> {
        let direction = usize::from(progress.search.newest_first);
        let (from, to) = progress.rest(at);
        let (log, from, to) = (self.log, bound(from), bound(to));
        let key = plan.actor.map(|key| Octets(key.0));
        let mut calls = Vec::new();
        for (values, statements) in plan.values.iter().zip(NEXT) {
            if let Some(values) = values {
                calls.push(Call::Statement(statements[direction], vec![&log, values, &from, &to]));
                progress.left.look(values.len() as u32);
            }
        }
        if let Some(key) = &key {
            calls.push(Call::Statement(NEXT_OF_KEY[direction], vec![&log, key, &from, &to]));
            progress.left.look(1);
        }
        if calls.is_empty() {
            return Ok(Some(at));
        }
        let mut furthest = at;
        for answer in self.connection.send(&calls)? {
            match rows("an index", &answer, |row| row.optional_number(0))?.first().copied().flatten() {
                Some(seqno) => furthest = progress.later(furthest, seqno),
                None => return Ok(None),
            }
        }
        Ok(Some(furthest))
    }

    /// The seqnos of a window whose columns match, in the order of the search, as many as are read at once.
    fn candidates(&mut self, plan: &Plan, newest_first: bool, at: u64, end: u64) -> Result<Vec<i64>, Failed> {
        let sql = if newest_first { window!("DESC") } else { window!("ASC") };
        let (first, last) = (bound(at.min(end)), bound(at.max(end)));
        let (key, limit) = (plan.actor.map(|key| Octets(key.0)), CANDIDATES as i64);
        let mut parameters: Vec<Parameter<'_>> = vec![&first, &last];
        parameters.extend(plan.values.iter().map(|values| -> Parameter<'_> { values }));
        let others: [Parameter<'_>; 4] = [&plan.since, &plan.until, &key, &limit];
        parameters.extend(others);
        self.all("entry", sql, &parameters, |row| row.integer(0))
    }

    /// Answers those of these entries that match. Whether the search stopped among them: then it knows where to go on.
    fn answer(
        &mut self,
        candidates: &[i64],
        progress: &mut Progress<'_>,
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<bool, Failed> {
        let mut rest = candidates;
        while !rest.is_empty() {
            // Each call gets on, whatever it may look at.
            let (mut last, mut is_spent) = (None, false);
            self.read_these(rest, progress.search.newest_first, |record| {
                if is_spent {
                    return;
                }
                let (seqno, matching) = match record {
                    Record::Entry(row) => (row.seqno, Some(row)),
                    Record::Pruned(row) => (row.seqno, None),
                    _ => return,
                };
                progress.left.look(1);
                progress.at = progress.search.behind(seqno);
                last = Some(bound(seqno));
                if let Some(row) = matching
                    && EntryRef::decode(row.bytes).is_ok_and(|entry| progress.search.matches(&entry))
                {
                    progress.left.answer(row.bytes.len());
                    visit(row);
                }
                is_spent = progress.left.is_spent();
            })?;
            if is_spent {
                return Ok(true);
            }
            // What was read is the beginning of what was asked for. What is not there any more matches nothing.
            let read = last.and_then(|last| rest.iter().position(|seqno| *seqno == last));
            rest = read.map_or(&[], |read| &rest[read + 1..]);
        }
        Ok(false)
    }

    /// The numbers that names and patterns stand for; `None` where the column says nothing of them.
    fn numbers_of(
        &mut self,
        patterns: &[Pattern],
        sql: &'static str,
        find: impl Fn(&mut Self, &str) -> Result<Option<i64>, Failed>,
    ) -> Result<Option<Vec<i64>>, Failed> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let mut numbers = Vec::new();
        for pattern in patterns {
            if let Some(name) = pattern.name() {
                numbers.extend(find(self, name)?);
                continue;
            }
            let limit = MAX_NAMES + 1;
            let found = self.all("a list of names", sql, &[&pattern.prefix(), &limit], |row| {
                let name = row.text(1)?;
                Ok((row.integer(0)?, name.starts_with(pattern.prefix()), pattern.matches(name)))
            })?;
            if found.iter().filter(|(_, begins, _)| *begins).count() > MAX_NAMES as usize {
                return Ok(None);
            }
            numbers.extend(found.into_iter().filter(|(.., matches)| *matches).map(|(number, ..)| number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok((numbers.len() <= MAX_VALUES).then_some(numbers))
    }
}
