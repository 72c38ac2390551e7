//! Nothing is done unrecorded: an action begins only when the log says durably that it is about to.

use core::fmt;

use secure_log::error::LogError;

use crate::action::{Action, ActionKind};
use crate::beneath::{ErrorOf, Place};
use crate::error::{AuditError, EventError};
use crate::event::Event;
use crate::id::EventId;
use crate::outcome::{Authorization, Outcome};
use crate::session::{Recorded, Session};

/// Lets actions of a session begin.
///
/// What is about to begin is recorded first, and how it ended afterwards. Where the first cannot be made durable, the action
/// does not begin. Where the second is missing, because the program crashed or nobody recorded it,
/// [`crate::AuditLog::review`] lists an action without an end.
pub struct Guard<S: Place> {
    session: Session<S>,
}

/// Why an action must not begin.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refused<E = LogError> {
    /// It is not allowed. That it was asked for is in the log.
    Denied {
        /// Why.
        reason: String,
        /// Where it is recorded.
        recorded: Recorded,
    },
    /// It could not be recorded that it begins. Where the log does not know whether it is recorded after all, a review finds
    /// an action without an end that never began.
    Unrecorded(AuditError<E>),
}

impl<E: fmt::Display> fmt::Display for Refused<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Denied { reason, .. } => write!(f, "not allowed: {reason}"),
            Refused::Unrecorded(error) => write!(f, "not begun, as it cannot be recorded: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Refused<E> {}

/// What became of an action that was to be run.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum RunError<T, E, L = LogError> {
    /// It did not run.
    Refused(Refused<L>),
    /// It ran and failed, and the log says so.
    Failed(E),
    /// It ran, and the log does not say how it ended.
    EndUnrecorded {
        /// What it came to.
        result: Result<T, E>,
        /// Why that is not recorded.
        error: AuditError<L>,
    },
}

impl<T, E: fmt::Display, L: fmt::Display> fmt::Display for RunError<T, E, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Refused(refused) => refused.fmt(f),
            RunError::Failed(error) => error.fmt(f),
            RunError::EndUnrecorded { error, .. } => write!(f, "done, and its end is not recorded: {error}"),
        }
    }
}

impl<T, E, L> std::error::Error for RunError<T, E, L>
where
    T: fmt::Debug,
    E: fmt::Debug + fmt::Display,
    L: fmt::Debug + fmt::Display,
{
}

/// The permission to do one thing, now that the log says that it is about to begin. Whoever drops it without completing it
/// leaves an action without an end.
#[must_use = "an action whose permit is dropped has no end in the log"]
pub struct Permit<S: Place> {
    session: Session<S>,
    /// What its end is going to say.
    end: Event,
    kind: ActionKind,
    begun: Recorded,
}

impl<S: Place> Guard<S> {
    pub(crate) fn of(session: Session<S>) -> Guard<S> {
        Guard { session }
    }

    /// Makes durable that this is about to begin, and permits it. The outcome of the event does not matter. What no right
    /// allows is recorded as denied and not permitted.
    pub fn begin(&self, event: Event) -> Result<Permit<S>, Refused<ErrorOf<S>>> {
        if let Authorization::Denied { reason } = &event.authorization {
            let reason = reason.clone();
            let denied = event.ended(Outcome::denied(reason.clone()));
            let recorded = self.session.record(&denied).map_err(Refused::Unrecorded)?;
            return Err(Refused::Denied { reason, recorded });
        }
        // The id of the end is drawn now: nothing but the log can then keep the end from being recorded.
        let id = self.session.audit().new_id().map_err(Refused::Unrecorded)?;
        let intent = event.ended(Outcome::Begun);
        let begun = self.session.record_intent(&intent).map_err(Refused::Unrecorded)?;
        let kind = intent.action.kind();
        let end = intent.end(id);
        Ok(Permit { session: self.session.clone(), end, kind, begun })
    }

    /// Runs the closure once it is durable that it is about to, and records how it ended. The closure cannot run without
    /// the entry. What its error says is recorded as the reason of the failure, so it must not tell secrets. A closure that
    /// panics leaves an action without an end.
    ///
    /// ```
    /// # use secure_log::engine::{LogOptions, Providers};
    /// # use secure_log::memory::MemoryStore;
    /// # use secure_log::providers::NoKeys;
    /// use secure_log_audit::{Action, AuditLog, Authorization, Principal, Profile};
    ///
    /// # let providers = Providers::system(NoKeys);
    /// let audit = AuditLog::open(MemoryStore::new(), providers, LogOptions::default(), Profile::default())?;
    /// let guard = audit.session("s-1")?.guard();
    /// let delete = Action::FileDelete { path: "/srv/report.txt".into() };
    /// let event = audit.event(Principal::agent("agent-7"), Authorization::NotRequired, delete)?;
    /// let done = guard.run(event, || Ok::<_, std::io::Error>("deleted"))?;
    /// assert_eq!(done, "deleted");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<T, E: fmt::Display>(
        &self,
        event: Event,
        action: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, RunError<T, E, ErrorOf<S>>> {
        let permit = self.begin(event).map_err(RunError::Refused)?;
        let result = action();
        let outcome = match &result {
            Ok(_) => Outcome::Success,
            Err(error) => Outcome::failure(reason_of(error)),
        };
        match permit.complete(outcome) {
            Ok(_) => result.map_err(RunError::Failed),
            Err(error) => Err(RunError::EndUnrecorded { result, error }),
        }
    }
}

impl<S: Place> Permit<S> {
    /// Where it is recorded that this was about to begin.
    pub fn begun(&self) -> &Recorded {
        &self.begun
    }

    /// The id of the event that says so.
    pub fn intent(&self) -> EventId {
        self.end.completes.expect("an end completes what began")
    }

    /// The id of the event that is going to say how it ended.
    pub fn id(&self) -> EventId {
        self.end.id
    }

    /// What the end is going to say of the action: what it came to is added here.
    pub fn action_mut(&mut self) -> &mut Action {
        &mut self.end.action
    }

    /// The same with another action of its kind, which says more.
    pub fn set_action(&mut self, action: Action) -> Result<(), EventError> {
        self.check(&action)?;
        self.end.action = action;
        Ok(())
    }

    fn check(&self, action: &Action) -> Result<(), EventError> {
        if action.kind() == self.kind {
            return Ok(());
        }
        Err(EventError::Contradiction("what ended is another action than what began"))
    }

    /// Records how it ended.
    pub fn complete(self, outcome: Outcome) -> Result<Recorded, AuditError<ErrorOf<S>>> {
        self.check(&self.end.action)?;
        self.session.record(&self.end.ended(outcome))
    }
}

/// What an error says, in a form that every event can hold.
fn reason_of(error: &dyn fmt::Display) -> String {
    const MAX_REASON_CHARS: usize = 1000;
    let said = error.to_string();
    if said.is_empty() {
        return "it failed without saying why".into();
    }
    crate::json::without_noncharacters(said.chars().take(MAX_REASON_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_error_says_can_be_recorded() {
        for (said, reason) in
            [("no such file", "no such file"), ("", "it failed without saying why"), ("a\u{ffff}b", "a\u{fffd}b")]
        {
            assert_eq!(reason_of(&said), reason);
        }
        assert_eq!(reason_of(&"\u{1f600}".repeat(5000)).chars().count(), 1000);
    }
}
