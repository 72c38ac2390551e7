//! Reviewing a log: what it holds of this profile, whether that fits together, and what began and has no end.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use secure_log::control;
use secure_log::entry::{Entry, Severity};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::verify::Report;

use crate::action::ActionKind;
use crate::actor::Actor;
use crate::beneath::{ErrorOf, EventLog, EventLogError, LogVerdict, Meaning, Place, ReportOf};
use crate::development::development_key_id;
use crate::error::{AuditError, EventError};
use crate::event::{AUDIT_V1, Event};
use crate::id::EventId;
use crate::log::{AuditLog, PAGE};
use crate::outcome::OutcomeKind;
use crate::session::{SESSION_PREFIX, SessionState, session_of};

/// How many findings and how many actions without an end a report lists.
pub const MAX_LISTED: usize = 1000;

/// What a verification answers.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditVerdict<E = LogError> {
    /// Everything was checked, and is as it should be.
    Valid,
    /// Nothing is wrong with what was checked, and not everything could be.
    Incomplete,
    /// Something is wrong: the first finding.
    Invalid(AuditFinding<E>),
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditFinding<E = LogError> {
    /// The entry, where it is about one.
    pub seqno: Option<u64>,
    /// What is wrong.
    pub problem: AuditProblem<E>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AuditProblem<E = LogError> {
    /// The log itself is not as it should be.
    Log(E),
    /// The payload is none that this profile writes.
    Payload(EventError),
    /// The event type of the entry is not that of its event.
    EventType {
        /// What the event says.
        expected: String,
        /// What the entry says.
        found: String,
    },
    /// The severity of the entry is not that of its event.
    Severity {
        /// What the event says.
        expected: Severity,
        /// What the entry says.
        found: String,
    },
    /// It completes something that did not begin before it in its session, or that ended already.
    NotBegun(EventId),
    /// It completes what another actor began, or another kind of action.
    AnotherAction(EventId),
    /// Something begins under the id of what began before and has not ended.
    BegunTwice(EventId),
}

impl<E: fmt::Display> fmt::Display for AuditFinding<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seqno) = self.seqno {
            write!(f, "entry {seqno}: ")?;
        }
        match &self.problem {
            AuditProblem::Log(error) => error.fmt(f),
            AuditProblem::Payload(problem) => write!(f, "no event of the audit profile: {problem}"),
            AuditProblem::EventType { expected, found } => {
                write!(f, "event type {found:?}, and its event is {expected:?}")
            }
            AuditProblem::Severity { expected, found } => write!(f, "severity {found:?}, and its event is {expected}"),
            AuditProblem::NotBegun(id) => write!(f, "it completes {id}, which did not begin, or ended already"),
            AuditProblem::AnotherAction(id) => write!(f, "it completes {id}, which is another's or another action"),
            AuditProblem::BegunTwice(id) => write!(f, "{id} begins again before it ended"),
        }
    }
}

/// An action that began, and of which the log does not say how it ended: it is under way, its program crashed, or nobody
/// recorded its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The entry that says that it was about to begin.
    pub seqno: u64,
    /// The stream that it stands in.
    pub stream: String,
    /// The id of its event.
    pub id: EventId,
    /// Who began it.
    pub actor: Actor,
    /// What was begun.
    pub action: ActionKind,
}

impl Unfinished {
    /// The id of the session that it belongs to.
    pub fn session(&self) -> Option<&str> {
        session_of(&self.stream)
    }
}

/// What was found in the events of a session, or of a whole log.
#[derive(Clone, Debug, PartialEq)]
pub struct Review<E = LogError> {
    /// Events of this profile.
    pub events: u64,
    /// Actions without an end, oldest first; at most [`MAX_LISTED`].
    pub unfinished: Vec<Unfinished>,
    /// How many more there are.
    pub unfinished_unlisted: u64,
    /// What does not fit together; at most [`MAX_LISTED`] things.
    pub findings: Vec<AuditFinding<E>>,
    /// How many more there are.
    pub findings_unlisted: u64,
    /// Ends whose beginning is not there, in streams of which entries were pruned: it may have been one of them.
    pub beginnings_gone: u64,
}

// Not derived, as it asks nothing of an error that there is none.
impl<E> Default for Review<E> {
    fn default() -> Review<E> {
        Review {
            events: 0,
            unfinished: Vec::new(),
            unfinished_unlisted: 0,
            findings: Vec::new(),
            findings_unlisted: 0,
            beginnings_gone: 0,
        }
    }
}

/// What a verification of a whole log found.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditReport<R = Report, E = LogError> {
    /// The answer: that of the log, and whether what its events say fits together.
    pub verdict: AuditVerdict<E>,
    /// What the log's own verification found.
    pub log: R,
    /// What was found in its events.
    pub review: Review<E>,
    /// A stream uses the development key, which everybody knows: its hashes prove nothing.
    pub development_key: bool,
}

/// What a verification of the log in a place finds.
pub type AuditReportOf<S> = AuditReport<ReportOf<S>, ErrorOf<S>>;

/// What a verification of one session found.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionReport<E = LogError> {
    /// The answer.
    pub verdict: AuditVerdict<E>,
    /// Where the session stands.
    pub state: SessionState,
    /// Entries that carry a signature by a key that is known here.
    pub signed: u64,
    /// What was found in its events.
    pub review: Review<E>,
    /// The session uses the development key, which everybody knows: its hashes prove nothing.
    pub development_key: bool,
}

impl<S: Place> AuditLog<S> {
    /// Lists the actions without an end, and what does not fit together. Everything that is read is proven under the head;
    /// [`AuditLog::verify`] checks the rest as well.
    pub fn review(&self) -> Result<Review<ErrorOf<S>>, AuditError<ErrorOf<S>>> {
        let mut reviewer = Reviewer::new();
        self.read_all(None, &mut reviewer).map_err(AuditError::Log)?;
        Ok(reviewer.finish())
    }

    /// Verifies the whole log, and everything that this profile recorded in it.
    pub fn verify(&self) -> Result<AuditReportOf<S>, AuditError<ErrorOf<S>>> {
        let report = self.log().verify_log().map_err(AuditError::Log)?;
        let mut reviewer = Reviewer::new();
        let mut verdict = match S::Log::verdict(&report) {
            LogVerdict::Valid => AuditVerdict::Valid,
            LogVerdict::Incomplete => AuditVerdict::Incomplete,
            LogVerdict::Invalid(error) => AuditVerdict::of_log(error),
        };
        // What is in a log that is invalid says nothing.
        if !matches!(verdict, AuditVerdict::Invalid(_)) {
            let read = self.note_rules(None, &mut reviewer).and_then(|()| self.read_all(None, &mut reviewer));
            verdict = read.map_or_else(AuditVerdict::of_error, |()| Ok(verdict)).map_err(AuditError::Log)?;
        }
        let development_key = reviewer.development_key;
        let review = reviewer.finish();
        Ok(AuditReport { verdict: verdict.with(&review), log: report, review, development_key })
    }

    /// Verifies one session and nothing else: its chain from its rules to its last entry, its segments, every signature of
    /// its entries, and what its events say.
    pub fn verify_session(&self, id: &str) -> Result<SessionReport<ErrorOf<S>>, AuditError<ErrorOf<S>>> {
        let stream = format!("{SESSION_PREFIX}{id}");
        let mut reviewer = Reviewer::new();
        let checked = self.check_session(&stream, &mut reviewer);
        let (verdict, signed) = match checked {
            Ok(signed) => (AuditVerdict::Valid, signed),
            Err(error) => {
                match error.means() {
                    Meaning::StreamNotFound => return Err(AuditError::SessionNotFound(id.into())),
                    // Which key is missing is said by the rules, which cannot be proven without it.
                    Meaning::KeyMissing => self.note_rules(Some(&stream), &mut reviewer).map_err(AuditError::Log)?,
                    _ => {}
                }
                (AuditVerdict::of_error(error).map_err(AuditError::Log)?, 0)
            }
        };
        let state = if reviewer.deprecated { SessionState::Ended } else { SessionState::Open };
        let development_key = reviewer.development_key;
        let review = reviewer.finish();
        Ok(SessionReport { verdict: verdict.with(&review), state, signed, review, development_key })
    }

    fn check_session(&self, stream: &str, reviewer: &mut Reviewer<ErrorOf<S>>) -> Result<u64, ErrorOf<S>> {
        reviewer.note_suite(Some(self.log().suite(stream)?));
        let signed = self.log().verify_stream(stream)?;
        self.read_all(Some(stream), reviewer)?;
        Ok(signed)
    }

    /// The suites that the rules of all streams name, or of one.
    fn note_rules(&self, only: Option<&str>, reviewer: &mut Reviewer<ErrorOf<S>>) -> Result<(), ErrorOf<S>> {
        let mut after = 0;
        loop {
            let streams = self.log().streams(after, PAGE)?;
            let Some(last) = streams.last() else { return Ok(()) };
            after = last.number;
            let wanted = streams.iter().filter(|stream| only.is_none_or(|name| stream.row.name == name));
            wanted.for_each(|stream| reviewer.note_suite(Some(stream.row.rules.suite)));
        }
    }

    fn read_all(&self, stream: Option<&str>, reviewer: &mut Reviewer<ErrorOf<S>>) -> Result<(), ErrorOf<S>> {
        let mut from = 1;
        loop {
            let to = self.log().size()?;
            if from > to {
                return Ok(());
            }
            let entries = self.log().read_page(stream, from, to, PAGE)?;
            entries.iter().for_each(|entry| reviewer.entry(entry));
            let Some(last) = entries.last() else { return Ok(()) };
            from = last.seqno + 1;
        }
    }
}

impl<E> AuditVerdict<E> {
    /// `valid`, `incomplete` or `invalid`.
    pub fn as_str(&self) -> &'static str {
        match self {
            AuditVerdict::Valid => "valid",
            AuditVerdict::Incomplete => "incomplete",
            AuditVerdict::Invalid(_) => "invalid",
        }
    }

    fn of_log(error: E) -> AuditVerdict<E> {
        AuditVerdict::Invalid(AuditFinding { seqno: None, problem: AuditProblem::Log(error) })
    }

    /// What an error of the log comes to, where it is no failure of the check.
    fn of_error(error: E) -> Result<AuditVerdict<E>, E>
    where
        E: EventLogError,
    {
        match error.means() {
            Meaning::KeyMissing => Ok(AuditVerdict::Incomplete),
            Meaning::Wrong => Ok(AuditVerdict::of_log(error)),
            _ => Err(error),
        }
    }

    /// The same with what the events come to.
    fn with(self, review: &Review<E>) -> AuditVerdict<E>
    where
        E: Clone,
    {
        match (self, review.findings.first()) {
            (AuditVerdict::Invalid(finding), _) => AuditVerdict::Invalid(finding),
            (_, Some(finding)) => AuditVerdict::Invalid(finding.clone()),
            (verdict, None) => verdict,
        }
    }
}

/// Reads entries in the order of the log, and keeps what began and has not ended. Memory grows with that alone.
struct Reviewer<E> {
    review: Review<E>,
    /// By seqno of what began, so that the oldest comes first.
    open: BTreeMap<u64, Unfinished>,
    /// Where it stands in `open`.
    places: BTreeMap<EventId, u64>,
    /// By stream, ends whose beginning is not there: the first, and how many more.
    not_begun: BTreeMap<String, (AuditFinding<E>, u64)>,
    /// Streams of which entries were pruned, as an entry says that stands behind them.
    pruned: BTreeSet<String>,
    development_key: bool,
    /// A stream was deprecated.
    deprecated: bool,
}

impl<E> Reviewer<E> {
    fn new() -> Reviewer<E> {
        Reviewer {
            review: Review::default(),
            open: BTreeMap::new(),
            places: BTreeMap::new(),
            not_begun: BTreeMap::new(),
            pruned: BTreeSet::new(),
            development_key: false,
            deprecated: false,
        }
    }

    fn note_suite(&mut self, suite: Option<Suite>) {
        self.development_key |= suite == Some(Suite::HmacSha256(development_key_id()));
    }

    fn entry(&mut self, entry: &Entry) {
        match entry.event.as_str() {
            control::SUITE_CHANGED => self.note_suite(control::decode_suite(&entry.payload)),
            control::PRUNED => drop(self.pruned.insert(entry.stream.clone())),
            control::DEPRECATED => self.deprecated = true,
            _ => {}
        }
        if entry.encoding != AUDIT_V1 {
            return;
        }
        self.review.events += 1;
        match Event::decode(&entry.payload) {
            Ok(event) => self.event(entry, &event),
            Err(problem) => self.find(entry, AuditProblem::Payload(problem)),
        }
    }

    fn event(&mut self, entry: &Entry, event: &Event) {
        let (event_type, severity) = (event.event_type(), event.severity());
        if entry.event != event_type {
            let found = entry.event.clone();
            self.find(entry, AuditProblem::EventType { expected: event_type, found });
        }
        if entry.severity != severity.as_str() {
            let found = entry.severity.clone();
            self.find(entry, AuditProblem::Severity { expected: severity, found });
        }
        if let Some(intent) = event.completes {
            self.end(entry, event, intent);
        }
        if event.outcome.kind() == OutcomeKind::Begun {
            self.begin(entry, event);
        }
    }

    fn begin(&mut self, entry: &Entry, event: &Event) {
        if self.places.contains_key(&event.id) {
            return self.find(entry, AuditProblem::BegunTwice(event.id));
        }
        self.places.insert(event.id, entry.seqno);
        let unfinished = Unfinished {
            seqno: entry.seqno,
            stream: entry.stream.clone(),
            id: event.id,
            actor: event.actor.clone(),
            action: event.action.kind(),
        };
        self.open.insert(entry.seqno, unfinished);
    }

    fn end(&mut self, entry: &Entry, event: &Event, intent: EventId) {
        let begun = self.places.get(&intent).and_then(|seqno| self.open.get(seqno));
        let Some(begun) = begun.filter(|begun| begun.stream == entry.stream) else {
            return self.find_not_begun(entry, intent);
        };
        if (&begun.actor, begun.action) != (&event.actor, event.action.kind()) {
            return self.find(entry, AuditProblem::AnotherAction(intent));
        }
        if let Some(seqno) = self.places.remove(&intent) {
            self.open.remove(&seqno);
        }
    }

    fn find(&mut self, entry: &Entry, problem: AuditProblem<E>) {
        self.list(AuditFinding { seqno: Some(entry.seqno), problem });
    }

    /// Whether that is wrong is known once the stream was read to its end.
    fn find_not_begun(&mut self, entry: &Entry, intent: EventId) {
        let finding = AuditFinding { seqno: Some(entry.seqno), problem: AuditProblem::NotBegun(intent) };
        self.not_begun.entry(entry.stream.clone()).and_modify(|(_, more)| *more += 1).or_insert((finding, 0));
    }

    fn list(&mut self, finding: AuditFinding<E>) {
        if self.review.findings.len() == MAX_LISTED {
            self.review.findings_unlisted += 1;
        } else {
            self.review.findings.push(finding);
        }
    }

    fn finish(mut self) -> Review<E> {
        for (stream, (finding, more)) in core::mem::take(&mut self.not_begun) {
            if self.pruned.contains(&stream) {
                self.review.beginnings_gone += 1 + more;
            } else {
                self.list(finding);
                self.review.findings_unlisted += more;
            }
        }
        self.review.findings.sort_by_key(|finding| finding.seqno);
        let count = self.open.len();
        self.review.unfinished_unlisted = count.saturating_sub(MAX_LISTED) as u64;
        self.review.unfinished = self.open.into_values().take(MAX_LISTED).collect();
        self.review
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Authorization, Outcome, Principal};

    /// The end of an action whose beginning is not there, as an entry of this stream.
    fn end(seqno: u64, stream: &str) -> Entry {
        let id = |byte| EventId([byte; 16]);
        let delete = Action::FileDelete { path: "/a".into() };
        let event = Event::new(id(1), Principal::user("alice"), Authorization::System, delete);
        let event = Event { completes: Some(id(2)), ..event }.ended(Outcome::Success);
        let (kind, severity) = (event.event_type(), event.severity().to_string());
        entry(seqno, stream, &kind, &severity, AUDIT_V1, event.encode().unwrap())
    }

    fn entry(seqno: u64, stream: &str, event: &str, severity: &str, encoding: &str, payload: Vec<u8>) -> Entry {
        Entry {
            version: 1,
            stream: stream.into(),
            session: String::new(),
            boot: String::new(),
            seqno,
            time: String::new(),
            event: event.into(),
            severity: severity.into(),
            producer: String::new(),
            encoding: encoding.into(),
            payload,
            prev: secure_log::hash::Hash::ZERO,
        }
    }

    fn reviewed(entries: &[Entry]) -> Review {
        let mut reviewer = Reviewer::new();
        entries.iter().for_each(|entry| reviewer.entry(entry));
        reviewer.finish()
    }

    #[test]
    fn an_end_without_a_beginning_is_wrong_unless_the_beginning_may_have_been_pruned() {
        let pruned = entry(9, "session/a", control::PRUNED, "notice", control::ENCODING, b"3 3 ..".to_vec());
        let review = reviewed(&[end(5, "session/b"), end(6, "session/a"), end(7, "session/a"), pruned]);
        assert_eq!(review.beginnings_gone, 2);
        assert_eq!(review.findings.iter().map(|finding| finding.seqno).collect::<Vec<_>>(), [Some(5)]);
    }

    #[test]
    fn reports_list_so_much_and_say_how_much_more_there_is() {
        let many = MAX_LISTED as u64 + 7;
        let bad: Vec<Entry> =
            (1..=many).map(|seqno| entry(seqno, "session/a", "x", "info", AUDIT_V1, b"{}".to_vec())).collect();
        let review = reviewed(&bad);
        assert_eq!((review.findings.len(), review.findings_unlisted), (MAX_LISTED, 7));
        let ends: Vec<Entry> = (1..=many).map(|seqno| end(seqno, "session/a")).collect();
        let review = reviewed(&ends);
        assert_eq!((review.findings.len(), review.findings_unlisted), (1, many - 1));
    }
}
