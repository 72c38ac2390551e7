//! Queries: which entries of a log are wanted, in which order, page by page (docs/query.md).
//!
//! [`Filter::matches`] is the one definition of what a filter finds. A store answers from whatever index it has, and the engine
//! holds every row against the filter again ([`crate::engine::SecureLog::query`]).
//!
//! **In scope**: filters, patterns and cursors. **Out of scope**: finding rows, which is a store's work
//! ([`crate::store::SecureLogStore::search`]), and opening payloads: what is sealed is not searched.
//!
//! ```
//! use secure_log::query::Filter;
//!
//! let failed = Filter { streams: vec!["eu/*".parse()?], events: vec!["*.failed".parse()?], ..Filter::default() };
//! failed.check()?;
//! assert!(failed.streams[0].matches("eu/auth"));
//! assert!(!failed.streams[0].matches("us/auth"));
//! # Ok::<(), secure_log::limits::Invalid>(())
//! ```

use crate::cbor;
use crate::entry::{EntryRef, SEALED_MARK, Severity};
use crate::hash::Hash;
use crate::index::{IndexKey, keys};
use crate::limits::{Invalid, MAX_TEXT_BYTES, Problem, check_text};
use crate::time::Timestamp;

mod cursor;
mod pattern;
mod spelled;

pub use cursor::Cursor;
pub(crate) use cursor::Place;
pub use pattern::Pattern;
pub use spelled::Spelled;

/// Patterns that a filter has for the stream at most, and as many for the event type.
pub const MAX_PATTERNS: usize = 16;

/// Which entries are wanted: those for which all holds that a filter says. One that says nothing finds every entry, the engine's
/// own included.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    /// The stream has one of these names; none stands for every stream. At most [`MAX_PATTERNS`].
    pub streams: Vec<Pattern>,
    /// The event type is one of these, as it is stored; none stands for every type. At most [`MAX_PATTERNS`].
    pub events: Vec<Pattern>,
    /// Who reported it, as it is stored. An empty text is the empty producer.
    pub producer: Option<String>,
    /// The session that wrote it.
    pub session: Option<String>,
    /// It is as serious as this or more.
    pub severity: Option<Severity>,
    /// Who acted, or on whose behalf: see [`crate::index::actor_key`].
    pub actor: Option<IndexKey>,
    /// It was written at this instant or later.
    pub since: Option<Timestamp>,
    /// It was written before this instant.
    pub before: Option<Timestamp>,
    /// Its seqno is this one or a larger one.
    pub from: Option<u64>,
    /// Its seqno is this one or a smaller one.
    pub to: Option<u64>,
    /// The payload holds these bytes, and is not sealed. Upper and lower case differ.
    pub text: Option<String>,
}

impl Filter {
    /// Whether every field keeps to its limit.
    pub fn check(&self) -> Result<(), Invalid> {
        for (field, patterns) in [("streams", &self.streams), ("event types", &self.events)] {
            if patterns.len() > MAX_PATTERNS {
                return Err(Invalid {
                    field,
                    problem: Problem::TooMany { limit: MAX_PATTERNS, found: patterns.len() },
                });
            }
        }
        for (field, text) in [("producer", &self.producer), ("session", &self.session)] {
            text.as_ref().map_or(Ok(()), |text| check_text(field, text))?;
        }
        if let Some(text) = &self.text {
            let problem = match text.len() {
                0 => Problem::Empty,
                found if found > MAX_TEXT_BYTES => Problem::TooLong { limit: MAX_TEXT_BYTES, found },
                _ => return self.check_ranges(),
            };
            return Err(Invalid { field: "text", problem });
        }
        self.check_ranges()
    }

    fn check_ranges(&self) -> Result<(), Invalid> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(Invalid::unusable("seqno range", format!("it ends with {to}, before it begins with {from}")));
        }
        if let (Some(since), Some(before)) = (self.since, self.before)
            && since > before
        {
            return Err(Invalid::unusable("time range", format!("it ends at {before}, before it begins at {since}")));
        }
        Ok(())
    }

    /// Whether it finds this entry.
    ///
    /// An entry of a later version, whose severity or time is none that is known here, is found by no filter that names one.
    pub fn matches(&self, entry: &EntryRef<'_>) -> bool {
        self.matches_fields(entry) && self.matches_payload(entry.encoding, entry.payload)
    }

    fn matches_fields(&self, entry: &EntryRef<'_>) -> bool {
        let any = |patterns: &[Pattern], name| patterns.is_empty() || patterns.iter().any(|one| one.matches(name));
        self.from.is_none_or(|from| from <= entry.seqno)
            && self.to.is_none_or(|to| entry.seqno <= to)
            && self.producer.as_ref().is_none_or(|producer| producer == entry.producer)
            && self.session.as_ref().is_none_or(|session| session == entry.session)
            && self.severity.is_none_or(|least| entry.severity.parse::<Severity>().is_ok_and(|found| found >= least))
            && any(&self.streams, entry.stream)
            && any(&self.events, entry.event)
            && self.matches_time(entry.time)
    }

    fn matches_time(&self, time: &str) -> bool {
        if self.since.is_none() && self.before.is_none() {
            return true;
        }
        time.parse::<Timestamp>().is_ok_and(|time| {
            self.since.is_none_or(|since| since <= time) && self.before.is_none_or(|before| time < before)
        })
    }

    fn matches_payload(&self, encoding: &str, payload: &[u8]) -> bool {
        let holds =
            |text: &String| !encoding.contains(SEALED_MARK) && memchr::memmem::find(payload, text.as_bytes()).is_some();
        self.actor.is_none_or(|actor| keys(encoding, payload).any(|key| key == actor))
            && self.text.as_ref().is_none_or(holds)
    }

    /// Whether a page can show that no entry was left out: the filter says nothing beyond a range of seqnos or one whole stream.
    pub fn scope(&self) -> Scope<'_> {
        let Filter { streams, events, producer, session, severity, actor, since, before, from, to, text } = self;
        let other = !events.is_empty()
            || producer.is_some()
            || session.is_some()
            || severity.is_some()
            || actor.is_some()
            || since.is_some()
            || before.is_some()
            || text.is_some();
        match &**streams {
            [] if !other => Scope::Range,
            [stream] if !other && from.is_none() && to.is_none() => stream.name().map_or(Scope::Rows, Scope::Stream),
            _ => Scope::Rows,
        }
    }

    /// What a cursor knows the filter by.
    pub(crate) fn digest(&self) -> Hash {
        let mut out = Vec::with_capacity(256);
        cbor::put_text(&mut out, "secure-log/v1/filter");
        for patterns in [&self.streams, &self.events] {
            cbor::put_array(&mut out, patterns.len() as u64);
            patterns.iter().for_each(|pattern| cbor::put_text(&mut out, pattern.as_str()));
        }
        let mut put = |value: Option<&[u8]>| {
            cbor::put_array(&mut out, u64::from(value.is_some()));
            value.into_iter().for_each(|value| cbor::put_bytes(&mut out, value));
        };
        for text in [&self.producer, &self.session, &self.text] {
            put(text.as_ref().map(|text| text.as_bytes()));
        }
        put(self.severity.map(|severity| severity.as_str().as_bytes()));
        put(self.actor.as_ref().map(|actor| &actor.0[..]));
        for time in [self.since, self.before] {
            put(time.map(|time| time.to_string()).as_deref().map(str::as_bytes));
        }
        for seqno in [self.from, self.to] {
            put(seqno.map(u64::to_be_bytes).as_ref().map(|bytes| &bytes[..]));
        }
        Hash::sha256(&out)
    }
}

/// What a page can show of the entries that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'f> {
    /// Every entry of a range of seqnos is asked for: no place of it may be missing.
    Range,
    /// Every entry of this stream is asked for: each names the one before it.
    Stream(&'f str),
    /// Something else is asked for as well: each row can be shown, and that none was left out cannot.
    Rows,
}

/// What is asked of a log: which entries, in which order, and from where on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Query {
    /// Which entries.
    pub filter: Filter,
    /// The newest entry comes first, and not the oldest.
    pub newest_first: bool,
    /// At most so many are on a page: 1 or more, of which [`crate::engine::MAX_PAGE`] are looked for at most.
    pub limit: u32,
    /// Where the page before ended; the first page has none.
    pub cursor: Option<Cursor>,
}

impl Query {
    /// Whether all of it keeps to its limits.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.limit == 0 {
            return Err(Invalid::unusable("limit", "a page has at least one entry"));
        }
        self.filter.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn each_breach_of_a_limit_names_its_field() {
        let many = vec![pattern("a"); MAX_PATTERNS + 1];
        let time = |seconds| Timestamp::from_unix(seconds, 0);
        for (filter, message) in [
            (Filter { streams: many.clone(), ..Filter::default() }, "streams: at most 16 entries, found 17"),
            (Filter { events: many, ..Filter::default() }, "event types: at most 16 entries, found 17"),
            (
                Filter { producer: Some("a\nb".into()), ..Filter::default() },
                "producer: no control characters (at most 255 bytes of other text)",
            ),
            (Filter { session: Some("x".repeat(256)), ..Filter::default() }, "session: at most 255 bytes, found 256"),
            (Filter { text: Some(String::new()), ..Filter::default() }, "text: may not be empty (1 to 255 bytes)"),
            (Filter { text: Some("x".repeat(256)), ..Filter::default() }, "text: at most 255 bytes, found 256"),
            (
                Filter { from: Some(3), to: Some(2), ..Filter::default() },
                "seqno range: it ends with 2, before it begins with 3",
            ),
            (
                Filter { since: time(1), before: time(0), text: Some("x".into()), ..Filter::default() },
                "time range: it ends at 1970-01-01T00:00:00.000000000Z, before it begins at 1970-01-01T00:00:01.000000000Z",
            ),
        ] {
            assert_eq!(filter.check().unwrap_err().to_string(), message);
        }
        let most = Filter {
            streams: vec![pattern("*"); MAX_PATTERNS],
            producer: Some(String::new()),
            text: Some("\n".repeat(255)),
            from: Some(2),
            to: Some(2),
            since: time(1),
            before: time(1),
            ..Filter::default()
        };
        assert_eq!(most.check(), Ok(()));
    }

    #[test]
    fn only_a_whole_range_or_stream_can_be_shown_to_be_complete() {
        let stream = Filter { streams: vec![pattern("auth")], ..Filter::default() };
        let range = Filter { from: Some(3), to: Some(9), ..Filter::default() };
        assert_eq!(Filter::default().scope(), Scope::Range);
        assert_eq!(range.scope(), Scope::Range);
        assert_eq!(stream.scope(), Scope::Stream("auth"));
        for filter in [
            Filter { streams: vec![pattern("auth*")], ..Filter::default() },
            Filter { streams: vec![pattern("auth"), pattern("door")], ..Filter::default() },
            Filter { from: Some(2), ..stream.clone() },
            Filter { to: Some(2), ..stream.clone() },
            Filter { events: vec![pattern("*")], ..Filter::default() },
            Filter { producer: Some("p".into()), ..range.clone() },
            Filter { session: Some("s".into()), ..range.clone() },
            Filter { severity: Some(Severity::Debug), ..range.clone() },
            Filter { actor: Some(IndexKey::default()), ..stream.clone() },
            Filter { since: Timestamp::from_unix(0, 0), ..stream.clone() },
            Filter { before: Timestamp::from_unix(0, 0), ..stream },
            Filter { text: Some("x".into()), ..range },
        ] {
            assert_eq!(filter.scope(), Scope::Rows, "{filter:?}");
        }
    }

    #[test]
    fn no_two_filters_have_one_digest() {
        let text = |text: &str| Some(String::from(text));
        let filters = [
            Filter::default(),
            Filter { streams: vec![pattern("a")], ..Filter::default() },
            Filter { streams: vec![pattern("a"), pattern("b")], ..Filter::default() },
            Filter { streams: vec![pattern("ab")], ..Filter::default() },
            Filter { events: vec![pattern("a")], ..Filter::default() },
            Filter { producer: text("a"), ..Filter::default() },
            Filter { producer: text(""), ..Filter::default() },
            Filter { session: text("a"), ..Filter::default() },
            Filter { text: text("a"), ..Filter::default() },
            Filter { severity: Some(Severity::Info), ..Filter::default() },
            Filter { severity: Some(Severity::Debug), ..Filter::default() },
            Filter { actor: Some(IndexKey([1; 16])), ..Filter::default() },
            Filter { since: Timestamp::from_unix(0, 1), ..Filter::default() },
            Filter { before: Timestamp::from_unix(0, 1), ..Filter::default() },
            Filter { from: Some(1), ..Filter::default() },
            Filter { to: Some(1), ..Filter::default() },
        ];
        let digests: std::collections::BTreeSet<Hash> = filters.iter().map(Filter::digest).collect();
        assert_eq!(digests.len(), filters.len());
    }
}
