//! The seqnos of one value, in the order of a search.

use secure_log::index::IndexKey;
use secure_log::store::{Left, Search, StoreError};

use crate::database::{Database, Value};
use crate::row::bound;
use crate::search::integer;
use crate::store::SqliteStore;

/// Seqnos that are read at first, and where a list is moved on by more than was read.
const FEW: u32 = 8;

/// Seqnos that are read at once where all of the last ones were needed.
const MANY: u32 = 512;

/// What of the log is searched, and in which direction. A rank is a seqno as it is counted in the order of the search, so that
/// ranks ascend whatever the direction is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    from: u64,
    to: u64,
    newest_first: bool,
}

impl Span {
    /// `None` where there is nothing to search.
    pub(super) fn of(search: &Search<'_>) -> Option<Span> {
        let Search { from, to, newest_first, .. } = search.within()?;
        // SQLite has no larger numbers.
        let to = to.min(i64::MAX as u64);
        (from <= to).then_some(Span { from, to, newest_first })
    }

    /// The rank that is first, or last, in the order of the search.
    pub(super) fn first(&self) -> u64 {
        if self.newest_first { !self.to } else { self.from }
    }

    fn last(&self) -> u64 {
        if self.newest_first { !self.from } else { self.to }
    }

    pub(super) fn behind(&self, rank: u64) -> Option<u64> {
        (rank < self.last()).then(|| rank + 1)
    }

    pub(super) fn seqno(&self, rank: u64) -> u64 {
        if self.newest_first { !rank } else { rank }
    }

    /// A seqno has the rank whose seqno it is.
    pub(super) fn rank(&self, seqno: u64) -> u64 {
        self.seqno(seqno)
    }

    /// The seqnos from this rank on: the first and the last one.
    fn seqnos_from(&self, rank: u64) -> (u64, u64) {
        if self.newest_first { (self.from, !rank) } else { (rank, self.to) }
    }

    pub(super) fn is_backwards(&self) -> bool {
        self.newest_first
    }

    pub(super) fn contains(&self, rank: u64) -> bool {
        (self.first()..=self.last()).contains(&rank)
    }
}

/// A column with an index. That of producers has the severities, too, so that what is bad of one producer is one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Stream,
    Event,
    Producer,
    Session,
    Severity,
    Key,
}

/// The two statements of a column: upwards and downwards.
macro_rules! statements {
    ($from:literal, $values:literal) => {
        [
            concat!(
                "SELECT seqno FROM ",
                $from,
                " WHERE ",
                $values,
                " AND seqno BETWEEN ? AND ? ORDER BY seqno LIMIT ?"
            ),
            concat!(
                "SELECT seqno FROM ",
                $from,
                " WHERE ",
                $values,
                " AND seqno BETWEEN ? AND ? ORDER BY seqno DESC LIMIT ?"
            ),
        ]
    };
}

impl Column {
    #[cfg(all(test, feature = "native"))]
    pub(crate) const ALL: [Column; 6] =
        [Column::Stream, Column::Event, Column::Producer, Column::Session, Column::Severity, Column::Key];

    pub(crate) fn statements(self) -> [&'static str; 2] {
        match self {
            Column::Stream => statements!("entry INDEXED BY entry_stream", "stream = ?"),
            Column::Event => statements!("entry INDEXED BY entry_event", "event = ?"),
            Column::Producer => statements!("entry INDEXED BY entry_producer", "producer = ? AND severity = ?"),
            Column::Session => statements!("entry INDEXED BY entry_session", "session = ?"),
            Column::Severity => statements!("entry INDEXED BY entry_severity", "severity = ?"),
            Column::Key => statements!("entry_key", "key = ?"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Number(i64),
    /// A producer and a severity.
    Producer(i64, i64),
    Key(IndexKey),
}

/// The seqnos of one value. They are read a few at a time, and more where all that were read are needed.
#[derive(Debug)]
pub(super) struct List {
    sql: &'static str,
    of: Of,
    span: Span,
    /// As they were read last.
    seqnos: Vec<i64>,
    /// Ranks that were read, ascending, of which the first `passed` are not needed any more.
    ranks: Vec<u64>,
    passed: usize,
    /// There are no others behind them.
    ended: bool,
    at_once: u32,
}

impl List {
    pub(super) fn of(column: Column, value: i64, span: Span) -> List {
        List::new(column, Of::Number(value), span)
    }

    /// The entries of a producer that are of one severity.
    pub(super) fn of_producer(producer: i64, severity: i64, span: Span) -> List {
        List::new(Column::Producer, Of::Producer(producer, severity), span)
    }

    pub(super) fn of_key(key: IndexKey, span: Span) -> List {
        List::new(Column::Key, Of::Key(key), span)
    }

    fn new(column: Column, of: Of, span: Span) -> List {
        let sql = column.statements()[usize::from(span.newest_first)];
        List { sql, of, span, seqnos: Vec::new(), ranks: Vec::new(), passed: 0, ended: false, at_once: FEW }
    }

    /// The first rank from `at` on, which never falls from call to call.
    pub(super) fn seek<D: Database>(
        &mut self,
        at: u64,
        left: &mut Left,
        store: &mut SqliteStore<D>,
    ) -> Result<Option<u64>, StoreError> {
        self.passed += before(&self.ranks[self.passed..], at);
        if let Some(rank) = self.ranks.get(self.passed) {
            return Ok(Some(*rank));
        }
        if self.ended || !self.span.contains(at) {
            return Ok(None);
        }
        // Whoever goes on near what was read will go on further.
        let goes_on = match self.ranks[..] {
            [first, .., last] => at - last <= last - first,
            _ => false,
        };
        self.at_once = if goes_on { (self.at_once * 2).min(MANY) } else { self.at_once.div_ceil(2).max(FEW) };
        self.read(at, store)?;
        left.look(self.ranks.len() as u32 + 1);
        Ok(self.ranks.first().copied())
    }

    fn read<D: Database>(&mut self, at: u64, store: &mut SqliteStore<D>) -> Result<(), StoreError> {
        let (from, to) = self.span.seqnos_from(at);
        let (from, to, at_once) = (bound(from), bound(to), bound(self.at_once.into()));
        let span = self.span;
        let (one, two);
        let values: &[Value<'_>] = match &self.of {
            Of::Number(value) => {
                one = [integer(*value), from, to, at_once];
                &one
            }
            Of::Key(key) => {
                one = [Value::Blob(&key.0), from, to, at_once];
                &one
            }
            Of::Producer(producer, severity) => {
                two = [integer(*producer), integer(*severity), from, to, at_once];
                &two
            }
        };
        store.numbers("an index", self.sql, values, &mut self.seqnos)?;
        self.passed = 0;
        self.ranks.clear();
        self.ranks.extend(self.seqnos.iter().map(|seqno| span.rank(*seqno as u64)));
        self.ended = self.ranks.len() < self.at_once as usize;
        Ok(())
    }
}

/// How many of these ranks, which ascend, are before `at`. Most often few are, so that it is not looked for among all of them.
fn before(ranks: &[u64], at: u64) -> usize {
    let mut near = 1;
    while ranks.get(near - 1).is_some_and(|rank| *rank < at) {
        near *= 2;
    }
    let from = near / 2;
    from + ranks[from..near.min(ranks.len())].partition_point(|rank| *rank < at)
}
