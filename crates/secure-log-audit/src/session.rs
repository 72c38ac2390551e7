//! Sessions: a stream each.

use secure_log::engine::{Appended, CommitInfo, NewEntry};
use secure_log::entry::{Severity, SigningRule};
use secure_log::hash::Hash;
use secure_log::limits::check_stream;

use crate::action::ActionKind;
use crate::beneath::{ErrorOf, EventLog, EventLogError as _, Meaning, Place};
use crate::error::{AuditError, EventError};
use crate::event::{AUDIT_V1, Event};
use crate::guard::Guard;
use crate::log::{AuditLog, PAGE, SessionSuite};
use crate::outcome::OutcomeKind;

/// What the stream of a session is called before its id.
pub const SESSION_PREFIX: &str = "session/";

/// The id of the session whose stream this is.
pub(crate) fn session_of(stream: &str) -> Option<&str> {
    stream.strip_prefix(SESSION_PREFIX)
}

/// A session of events.
pub struct Session<S: Place> {
    audit: AuditLog<S>,
    stream: String,
}

impl<S: Place> Clone for Session<S> {
    fn clone(&self) -> Session<S> {
        Session { audit: self.audit.clone(), stream: self.stream.clone() }
    }
}

/// An event that is durable in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the log.
    pub seqno: u64,
    /// The hash of its entry.
    pub hash: Hash,
    /// The state of the log with it.
    pub commit: CommitInfo,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It takes events.
    Open,
    /// It has ended, and its stream is closed to producers for ever.
    Ended,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// The number of its stream: the cursor of lists.
    pub number: u64,
    /// When it began.
    pub began: String,
    /// Where it stands, as the store says; [`AuditLog::verify_session`] proves it.
    pub state: SessionState,
}

impl<S: Place> AuditLog<S> {
    /// Sessions whose number is above `after`, in the order in which they began, at most `limit`.
    pub fn sessions(&self, after: u64, limit: usize) -> Result<Vec<SessionInfo>, AuditError<ErrorOf<S>>> {
        let mut found = Vec::new();
        let mut after = after;
        loop {
            let streams = self.log().streams(after, PAGE).map_err(AuditError::Log)?;
            let Some(last) = streams.last() else { return Ok(found) };
            after = last.number;
            for stream in streams {
                let Some(id) = session_of(&stream.row.name) else { continue };
                if found.len() == limit {
                    return Ok(found);
                }
                let state = if stream.row.deprecated.is_some() { SessionState::Ended } else { SessionState::Open };
                found.push(SessionInfo { id: id.into(), number: stream.number, began: stream.row.created, state });
            }
        }
    }
}

impl<S: Place> Session<S> {
    pub(crate) fn of(audit: AuditLog<S>, id: &str) -> Result<Session<S>, AuditError<ErrorOf<S>>> {
        let stream = format!("{SESSION_PREFIX}{id}");
        check_stream(&stream).map_err(AuditError::of_log)?;
        if id.is_empty() {
            return Err(EventError::Unusable { member: "session", expected: "a text that is not empty" }.into());
        }
        let session = Session { audit, stream };
        // A stream with default rules is made by its first entry.
        if session.rules() != (SessionSuite::Sha256, SigningRule::None) {
            session.begin()?;
        }
        Ok(session)
    }

    /// Makes its stream now, where the first event would, with the rules of the profile. One that is there keeps those that it has.
    pub fn begin(&self) -> Result<(), AuditError<ErrorOf<S>>> {
        let (suite, sign) = self.rules();
        match self.audit.log().create_stream(&self.stream, suite, sign) {
            Err(error) if error.means() != Meaning::StreamExists => Err(AuditError::Log(error)),
            _ => Ok(()),
        }
    }

    /// Those of the profile.
    fn rules(&self) -> (SessionSuite, SigningRule) {
        (self.audit.inner.suite, self.audit.inner.sign)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        session_of(&self.stream).expect("the stream of a session begins like this")
    }

    /// The log that it is in.
    pub fn audit(&self) -> &AuditLog<S> {
        &self.audit
    }

    /// Records an event, durably. That something is about to begin is recorded by a [`Guard`] alone.
    pub fn record(&self, event: &Event) -> Result<Recorded, AuditError<ErrorOf<S>>> {
        self.record_batch(core::slice::from_ref(event)).map(|recorded| recorded[0])
    }

    /// Records all events or none, in one durable commit.
    pub fn record_batch(&self, events: &[Event]) -> Result<Vec<Recorded>, AuditError<ErrorOf<S>>> {
        self.append(events, |entries| self.audit.log().append_batch(entries))
    }

    /// The same as [`Session::record`], with a signature of the log's key over the entry, whatever the session's rules are.
    pub fn record_signed(&self, event: &Event) -> Result<Recorded, AuditError<ErrorOf<S>>> {
        let events = core::slice::from_ref(event);
        self.append(events, |entries| self.audit.log().append_signed_batch(entries)).map(|recorded| recorded[0])
    }

    /// Actions of this session that begin only when their beginning is durable.
    pub fn guard(&self) -> Guard<S> {
        Guard::of(self.clone())
    }

    /// Records that the session ends, and closes its stream to producers for ever.
    pub fn end(self, event: &Event) -> Result<Recorded, AuditError<ErrorOf<S>>> {
        if event.action.kind() != ActionKind::SessionEnded {
            return Err(EventError::Contradiction("a session ends with the action session-ended").into());
        }
        let recorded = self.record(event)?;
        let commit = self.audit.log().deprecate_stream(&self.stream).map_err(|error| self.refused(error))?;
        Ok(Recorded { commit, ..recorded })
    }

    /// Records what is about to begin.
    pub(crate) fn record_intent(&self, intent: &Event) -> Result<Recorded, AuditError<ErrorOf<S>>> {
        let entries = [Prepared::of(intent)?];
        self.append_prepared(&entries, |entries| self.audit.log().append_batch(entries)).map(|recorded| recorded[0])
    }

    fn append(
        &self,
        events: &[Event],
        append: impl FnOnce(&[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), ErrorOf<S>>,
    ) -> Result<Vec<Recorded>, AuditError<ErrorOf<S>>> {
        if events.iter().any(|event| event.outcome.kind() == OutcomeKind::Begun) {
            return Err(EventError::Contradiction("what is about to begin is recorded by a guard").into());
        }
        let prepared = events.iter().map(Prepared::of).collect::<Result<Vec<_>, _>>()?;
        self.append_prepared(&prepared, append)
    }

    fn append_prepared(
        &self,
        prepared: &[Prepared],
        append: impl FnOnce(&[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), ErrorOf<S>>,
    ) -> Result<Vec<Recorded>, AuditError<ErrorOf<S>>> {
        let entries: Vec<NewEntry<'_>> = prepared
            .iter()
            .map(|prepared| NewEntry {
                stream: &self.stream,
                event: &prepared.event_type,
                severity: prepared.severity,
                producer: &self.audit.inner.producer,
                encoding: AUDIT_V1,
                payload: &prepared.payload,
            })
            .collect();
        let (appended, commit) = append(&entries).map_err(|error| self.refused(error))?;
        Ok(appended.into_iter().map(|Appended { seqno, hash }| Recorded { seqno, hash, commit }).collect())
    }

    fn refused(&self, error: ErrorOf<S>) -> AuditError<ErrorOf<S>> {
        match error.means() {
            Meaning::StreamDeprecated => AuditError::SessionEnded(self.id().into()),
            _ => AuditError::Log(error),
        }
    }
}

/// What an entry takes from its event.
struct Prepared {
    event_type: String,
    severity: Severity,
    payload: Vec<u8>,
}

impl Prepared {
    fn of(event: &Event) -> Result<Prepared, EventError> {
        Ok(Prepared { event_type: event.event_type(), severity: event.severity(), payload: event.encode()? })
    }
}
