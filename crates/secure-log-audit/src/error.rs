//! Why something was not recorded, or could not be read.

use core::fmt;

use secure_log::error::LogError;
use secure_log::limits::Invalid;
use secure_log::providers::{KeyError, RandomError};

use crate::json::JsonError;

/// Why a call failed. Each variant says what the caller should conclude.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AuditError<E = LogError> {
    /// The event cannot be recorded as it is; nothing was written.
    Event(EventError),
    /// An entry of this profile does not hold what the profile writes.
    Payload {
        /// The entry.
        seqno: u64,
        /// What is wrong with it.
        problem: EventError,
    },
    /// The entry is none of this profile.
    NotAnEvent(u64),
    /// The entry does not say that something is about to begin.
    NothingBegun(u64),
    /// The log keeps no salt of this member of the event.
    SaltNotKept {
        /// The entry of the event.
        seqno: u64,
        /// The member.
        member: String,
    },
    /// Salts of the session of this event were erased, and what is left has none of it: nobody can show the value any more.
    SaltErased(u64),
    /// No session has this id.
    SessionNotFound(String),
    /// The session has ended and takes no more events.
    SessionEnded(String),
    /// The log did not do what it was asked: see there what to conclude.
    Log(E),
}

impl<E: fmt::Display> fmt::Display for AuditError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditError::Event(problem) => write!(f, "the event cannot be recorded: {problem}"),
            AuditError::Payload { seqno, problem } => {
                write!(f, "entry {seqno} is no event of the audit profile: {problem}")
            }
            AuditError::NotAnEvent(seqno) => write!(f, "entry {seqno} was not written by the audit profile"),
            AuditError::NothingBegun(seqno) => write!(f, "entry {seqno} does not say that something is about to begin"),
            AuditError::SaltNotKept { seqno, member } => {
                write!(f, "the log keeps no salt of {member:?} of entry {seqno}")
            }
            AuditError::SaltErased(seqno) => {
                write!(
                    f,
                    "salts of the session of entry {seqno} were erased: its commitments stand for nothing any more"
                )
            }
            AuditError::SessionNotFound(id) => write!(f, "there is no session {id:?}"),
            AuditError::SessionEnded(id) => write!(f, "session {id:?} has ended and takes no more events"),
            AuditError::Log(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for AuditError<E> {}

impl<E> AuditError<E> {
    /// What has a place among the errors of the log.
    pub(crate) fn of_log(error: impl Into<E>) -> AuditError<E> {
        AuditError::Log(error.into())
    }
}

impl<E> From<EventError> for AuditError<E> {
    fn from(problem: EventError) -> AuditError<E> {
        AuditError::Event(problem)
    }
}

impl From<LogError> for AuditError {
    fn from(error: LogError) -> AuditError {
        AuditError::Log(error)
    }
}

impl From<KeyError> for AuditError {
    fn from(error: KeyError) -> AuditError {
        AuditError::Log(error.into())
    }
}

impl From<RandomError> for AuditError {
    fn from(error: RandomError) -> AuditError {
        AuditError::Log(error.into())
    }
}

/// What is wrong with an event, or with a payload that should be one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventError {
    /// It is no JSON that has one spelling.
    Json(JsonError),
    /// It is JSON in another spelling than the one of RFC 8785.
    NotCanonical,
    /// A member that has to be there is not.
    Missing {
        /// The object that it is missing in.
        of: &'static str,
        /// Its name.
        member: &'static str,
    },
    /// A member that this version of the schema does not have.
    Unknown {
        /// The object that it stands in.
        of: &'static str,
        /// Its name.
        member: String,
    },
    /// A member is not what it should be.
    Unusable {
        /// Its name.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A text breaks a limit of the log.
    Text(Invalid),
    /// Two things that the event says cannot both be.
    Contradiction(&'static str),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventError::Json(error) => error.fmt(f),
            EventError::NotCanonical => f.write_str("not in the one spelling of RFC 8785"),
            EventError::Missing { of, member } => write!(f, "{of}: {member:?} is missing"),
            EventError::Unknown { of, member } => write!(f, "{of}: this version has no {member:?}"),
            EventError::Unusable { member, expected } => write!(f, "{member:?} has to be {expected}"),
            EventError::Text(invalid) => invalid.fmt(f),
            EventError::Contradiction(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EventError {}

impl From<JsonError> for EventError {
    fn from(error: JsonError) -> EventError {
        EventError::Json(error)
    }
}

impl From<Invalid> for EventError {
    fn from(invalid: Invalid) -> EventError {
        EventError::Text(invalid)
    }
}
