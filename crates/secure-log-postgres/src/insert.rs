//! Appending a commit: one look at where the log ends, under its lock, and one flight of rows with the end of the transaction.

use std::collections::{HashMap, HashSet};

use secure_log::hash::Hash;
use secure_log::store::{Commit, Expected, StoreError};
use secure_log_sql::tables::BLOCK;

use crate::connection::{Answer, Call, Outcome};
use crate::failure::Failed;
use crate::pending::Pending;
use crate::row::{Octets, flag};
use crate::rows::Rows;
use crate::tables::{Tables, rows};

/// Words that are remembered: more than a program has of its own, fewer than a hostile one could make up.
const MAX_WORDS: usize = 4096;

/// Streams that are remembered, likewise.
const MAX_STREAMS: usize = 4096;

/// Where the log ends, and the largest numbers that were given.
const END: &str = "SELECT l.id IS NOT NULL, l.loading IS NOT NULL,
        (SELECT max(e.seqno) FROM secure_log.entry e WHERE e.log = l.number),
        (SELECT max(r.place) FROM secure_log.record r WHERE r.log = l.number),
        (SELECT max(g.id) FROM secure_log.segment g WHERE g.log = l.number),
        (SELECT max(s.number) FROM secure_log.stream s WHERE s.log = l.number),
        (SELECT max(w.id) FROM secure_log.word w WHERE w.log = l.number),
        h.number, h.place, h.size, h.root
    FROM secure_log.log l LEFT JOIN secure_log.head h ON h.log = l.number
        AND h.number = (SELECT max(n.number) FROM secure_log.head n WHERE n.log = l.number)
    WHERE l.number = $1";

/// Streams of these names, and how many entries each has: those of the blocks before the last waypoint, and those behind.
const STREAMS: &str = "SELECT s.name, s.number,
        (SELECT max(w.block) FROM secure_log.waypoint w WHERE w.log = s.log AND w.stream = s.number),
        (SELECT count(*) FROM secure_log.entry e WHERE e.log = s.log AND e.stream = s.number AND e.seqno >=
            (SELECT max(w.seqno) FROM secure_log.waypoint w WHERE w.log = s.log AND w.stream = s.number))
    FROM secure_log.stream s WHERE s.log = $1 AND s.name = ANY($2)";

const WORDS: &str = "SELECT value, id FROM secure_log.word WHERE log = $1 AND value = ANY($2)";

/// Where the log ends: under the last head.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct End {
    pub(crate) heads: u64,
    /// Records.
    pub(crate) place: u64,
    /// Entries.
    pub(crate) size: u64,
    /// Root of the log tree; of no meaning where there is no head.
    pub(crate) root: Option<Hash>,
    /// Closed segments.
    pub(crate) segments: u64,
    /// The largest number of a stream, and that of a word.
    pub(crate) streams: i64,
    pub(crate) words: i64,
    /// Part of a log that was not loaded to its end.
    pub(crate) loading: bool,
    pub(crate) is_log: bool,
}

impl End {
    /// What a commit has to expect.
    fn expected(&self) -> Option<Expected> {
        self.root.map(|root| Expected { size: self.size, root, segments: self.segments })
    }
}

/// What a store knows of the log that it wrote, for as long as nobody else writes to it.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) end: End,
    pub(crate) streams: HashMap<String, Stream>,
    /// Numbers of words, which never change.
    pub(crate) words: HashMap<String, i64>,
}

/// What is known of a stream while it is written to.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) number: i64,
    pub(crate) entries: u64,
}

/// A commit on its way, by whatever connections.
pub(crate) struct Attempt<'c> {
    commit: &'c Commit,
    pending: Pending<'c>,
    /// Stands in the head, so that it is known again.
    id: Octets<16>,
    /// The number of the head, once nobody knows whether it was stored.
    sent: Option<u64>,
}

impl<'c> Attempt<'c> {
    pub(crate) fn new(commit: &'c Commit) -> Result<Attempt<'c>, StoreError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| StoreError::Io {
            operation: "draw a number for a commit".into(),
            detail: error.to_string(),
        })?;
        Ok(Attempt { commit, pending: Pending::of(commit)?, id: Octets(id), sent: None })
    }
}

impl Tables<'_> {
    /// See [`secure_log::store::SecureLogStore::insert`].
    pub(crate) fn insert(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failed> {
        let end = self.begin_at_end(&attempt.pending)?;
        let written = match self.append(end, attempt) {
            Ok(written) => written,
            Err(error) => return Err(self.roll_back(error)),
        };
        let Some(written) = written else {
            // It was stored. This transaction ends when it is durable, as it comes later.
            return self.end_with(Vec::new()).map_err(|(error, _)| error);
        };
        let (log, number) = (self.log, written.known.end.heads);
        match self.end_with(written.calls(&log, &attempt.id)) {
            Ok(()) => {
                *self.known = written.known;
                Ok(())
            }
            Err((error, outcome)) => {
                attempt.sent = (outcome == Outcome::Unknown).then_some(number);
                Err(error)
            }
        }
    }

    /// The rows of a commit, which is one that may be appended; `None` for one that was.
    fn append<'c>(&mut self, end: End, attempt: &Attempt<'c>) -> Result<Option<Rows<'c>>, Failed> {
        if let Some(number) = attempt.sent
            && end.heads >= number
        {
            let sql = "SELECT attempt FROM secure_log.head WHERE log = $1 AND number = $2";
            let number = number as i64;
            let found = self.one("head", sql, &[&number], |row| Ok(row.blob(0)? == attempt.id.0))?;
            return if found == Some(true) { Ok(None) } else { Err(self.conflict()?) };
        }
        if end.loading {
            let detail = "a log was never imported into it to its end: import it again";
            return Err(StoreError::Config(detail.into()).into());
        }
        let makes_known = attempt.commit.new_streams().any(|name| self.known.streams.contains_key(name));
        if end.expected() != attempt.commit.expected || makes_known {
            return Err(self.conflict()?);
        }
        self.rows_behind(end, &attempt.pending, false).map(Some)
    }

    /// The rows of a commit, or of a part of a log that is loaded, behind this end.
    pub(crate) fn rows_behind<'c>(
        &mut self,
        end: End,
        pending: &Pending<'c>,
        loading: bool,
    ) -> Result<Rows<'c>, Failed> {
        let known = Known { end, ..core::mem::take(self.known) };
        Ok(Rows::of(pending, known, loading)?)
    }

    /// Begins a transaction, and learns where the log ends and what the rows of a commit need.
    pub(crate) fn begin_at_end(&mut self, pending: &Pending<'_>) -> Result<End, Failed> {
        let (log, wanted) = (self.log, self.wanted(pending));
        let answers = self.begin(wanted.calls(&log))?;
        let learnt = self.learn(answers, &wanted).and_then(|end| self.again_where_others_wrote(end, pending));
        learnt.map_err(|error| self.roll_back(error))
    }

    /// The same within a transaction that was begun.
    pub(crate) fn look_at_end(&mut self, pending: &Pending<'_>) -> Result<End, Failed> {
        let (log, wanted) = (self.log, self.wanted(pending));
        let answers = self.connection.send(&wanted.calls(&log))?;
        self.learn(answers, &wanted).and_then(|end| self.again_where_others_wrote(end, pending))
    }

    /// What was known of streams holds no longer where somebody else wrote.
    fn again_where_others_wrote(&mut self, end: End, pending: &Pending<'_>) -> Result<End, Failed> {
        if end == self.known.end {
            return Ok(end);
        }
        self.known.streams.clear();
        self.known.end = end.clone();
        let log = self.log;
        let wanted = self.wanted(pending);
        if let Some(call) = wanted.streams.call(STREAMS, &log) {
            let answers = self.connection.send(&[call])?;
            self.learn_streams(&answers[0])?;
        }
        Ok(end)
    }

    fn learn(&mut self, answers: Vec<Answer>, wanted: &Wanted<'_>) -> Result<End, Failed> {
        let mut answers = answers.into_iter();
        let mut answer = || answers.next().unwrap_or_default();
        let end = end_of(&answer())?;
        if !wanted.streams.is_empty() {
            self.learn_streams(&answer())?;
        }
        if !wanted.words.is_empty() {
            let found = rows("word", &answer(), |row| Ok((row.text(0)?.to_owned(), row.integer(1)?)))?;
            self.known.words.extend(found);
        }
        Ok(end)
    }

    fn learn_streams(&mut self, answer: &Answer) -> Result<(), Failed> {
        let found = rows("stream", answer, |row| {
            let before = row.optional_number(2)?.unwrap_or(0).saturating_mul(BLOCK);
            let entries = before.saturating_add(row.number(3)?);
            Ok((row.text(0)?.to_owned(), Stream { number: row.integer(1)?, entries }))
        })?;
        self.known.streams.extend(found);
        Ok(())
    }

    /// What of a commit is not known.
    fn wanted<'p>(&mut self, pending: &'p Pending<'_>) -> Wanted<'p> {
        if self.known.words.len() >= MAX_WORDS {
            self.known.words.clear();
        }
        if self.known.streams.len() >= MAX_STREAMS {
            self.known.streams.clear();
        }
        Wanted {
            streams: Names::not_in(pending.streams(), |name| self.known.streams.contains_key(name)),
            words: Names::not_in(pending.words(), |word| self.known.words.contains_key(word)),
        }
    }

    /// The last head. A transaction leaves nothing behind it, so whatever stands there was put there, or lost its head.
    pub(crate) fn end(&mut self) -> Result<End, Failed> {
        let answer = self.query(END, &[])?;
        Ok(end_of(&answer)?)
    }
}

/// What is looked up together with the end.
struct Wanted<'n> {
    streams: Names<'n>,
    words: Names<'n>,
}

impl Wanted<'_> {
    fn calls<'s>(&'s self, log: &'s i64) -> Vec<Call<'s>> {
        let mut calls = vec![Call::Statement(END, vec![log])];
        calls.extend(self.streams.call(STREAMS, log));
        calls.extend(self.words.call(WORDS, log));
        calls
    }
}

/// Names that are to be looked up, each once.
struct Names<'n>(Vec<&'n str>);

impl<'n> Names<'n> {
    fn not_in(names: impl Iterator<Item = &'n str>, is_known: impl Fn(&str) -> bool) -> Names<'n> {
        let mut seen = HashSet::new();
        Names(names.filter(|name| !is_known(name) && seen.insert(*name)).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn call<'s>(&'s self, sql: &'static str, log: &'s i64) -> Option<Call<'s>> {
        (!self.is_empty()).then(|| Call::Statement(sql, vec![log, &self.0]))
    }
}

fn end_of(answer: &Answer) -> Result<End, StoreError> {
    let found = rows("head", answer, |row| {
        let (seqno, place) = (row.optional_number(2)?.unwrap_or(0), row.optional_number(3)?.unwrap_or(0));
        let mut end = End {
            is_log: flag(&row, 0)?,
            loading: flag(&row, 1)?,
            segments: row.optional_number(4)?.unwrap_or(0),
            streams: row.optional_integer(5)?.unwrap_or(0),
            words: row.optional_integer(6)?.unwrap_or(0),
            ..End::default()
        };
        if row.optional_number(7)?.is_some() {
            (end.heads, end.place, end.size) = (row.number(7)?, row.number(8)?, row.number(9)?);
            end.root = Some(row.hash(10)?);
        }
        if seqno > end.size || place > end.place {
            let detail = format!("there are rows behind the last head, which has size {}", end.size);
            return Err(StoreError::Corrupt { at: "the end of the tables".into(), detail });
        }
        Ok(end)
    })?;
    Ok(found.into_iter().next().unwrap_or_default())
}
