//! The exported functions: convert and forward.

use std::cell::RefCell;

use secure_log::entry::SigningRule;
use secure_log_audit::{
    AuditLog, Concealed, Disclosure, Event, EventError, EventId, Filter, Json, Refused, SessionSuite,
};
use zeroize::Zeroizing;

use crate::action::Member as _;
use crate::bindings::exports::secure_log::audit::{audit, events, guard};
use crate::bindings::secure_log::log::types::LogError;
use crate::bindings::secure_log::log::writer;
use crate::report::Failed;
use crate::{Composed, ComposedLog, action, event, report};

/// What implements the exports.
pub(crate) struct Component;

type Audit = AuditLog<Composed>;
type Session = secure_log_audit::Session<Composed>;
type Answer<T> = Result<T, audit::AuditError>;

/// The log gives at most so many at once, here as everywhere.
const MAX_PAGE: u32 = 1000;

thread_local! {
    /// One an instance, which has one thread; made by the first call.
    static AUDIT: RefCell<Option<Audit>> = const { RefCell::new(None) };

    /// That of the last call: whoever records in a session usually goes on there.
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// Calls the audit log, whose errors are the interface's.
fn with<T>(work: impl FnOnce(&Audit) -> Result<T, Failed>) -> Answer<T> {
    let opened = AUDIT.with_borrow_mut(|slot| match slot {
        Some(audit) => Ok(audit.clone()),
        None => {
            let audit = Audit::over(ComposedLog, secure_log_audit::Profile::default())?;
            Ok(slot.insert(audit).clone())
        }
    });
    opened.and_then(|audit| work(&audit)).map_err(report::error)
}

fn session(audit: &Audit, id: &str) -> Result<Session, Failed> {
    SESSION.with_borrow_mut(|slot| match slot {
        Some(session) if session.id() == id => Ok(session.clone()),
        _ => Ok(slot.insert(audit.session(id)?).clone()),
    })
}

fn event_in(audit: &Audit, event: events::Event) -> Result<Event, Failed> {
    event::incoming(event, || audit.new_id())
}

/// Records one event in one of the ways that there are.
fn record(
    id: &str,
    event: events::Event,
    record: impl FnOnce(Session, &Event) -> Result<secure_log_audit::Recorded, Failed>,
) -> Answer<audit::Recorded> {
    with(|audit| {
        let event = event_in(audit, event)?;
        let recorded = record(session(audit, id)?, &event)?;
        Ok(report::recorded(&recorded, event.id.to_string()))
    })
}

impl audit::Guest for Component {
    fn set_profile(profile: audit::Profile) -> Answer<()> {
        let profile = secure_log_audit::Profile {
            producer: profile.producer,
            suite: match profile.suite {
                writer::HashSuite::Sha256 => SessionSuite::Sha256,
                writer::HashSuite::Blake3 => SessionSuite::Blake3,
                writer::HashSuite::HmacSha256 => SessionSuite::HmacSha256,
            },
            sign: match profile.sign {
                writer::SigningRule::None => SigningRule::None,
                writer::SigningRule::Segments => SigningRule::Segments,
                writer::SigningRule::Entries => SigningRule::Entries,
            },
            ..secure_log_audit::Profile::default()
        };
        let audit = Audit::over(ComposedLog, profile).map_err(report::error)?;
        AUDIT.set(Some(audit));
        SESSION.set(None);
        Ok(())
    }

    fn new_id() -> Answer<String> {
        with(|audit| Ok(audit.new_id()?.to_string()))
    }

    fn conceal(value: Vec<u8>) -> Answer<audit::Commitment> {
        let value = Zeroizing::new(value);
        with(|audit| {
            let (concealed, disclosure) = audit.conceal(&value)?;
            let concealed = Concealed::outgoing(concealed, "concealed")?;
            Ok(audit::Commitment { concealed, salt: disclosure.salt().to_vec() })
        })
    }

    fn discloses(seqno: u64, member: String, salt: Vec<u8>, value: Vec<u8>) -> Answer<bool> {
        let (salt, value) = (Zeroizing::new(salt), Zeroizing::new(value));
        with(|audit| {
            let salt = <[u8; 32]>::try_from(&salt[..])
                .map_err(|_| EventError::Unusable { member: "salt", expected: "32 bytes" })?;
            audit.discloses(seqno, &member, &Disclosure::from_salt(salt), &value)
        })
    }

    fn conceal_sealed(id: String, event_id: String, member: String, value: Vec<u8>) -> Answer<audit::Concealed> {
        let value = Zeroizing::new(value);
        with(|audit| {
            let event_id = event::id("id", &event_id)?;
            let concealed = session(audit, &id)?.conceal_sealed(event_id, &member, &value)?;
            Ok(Concealed::outgoing(concealed, "concealed")?)
        })
    }

    fn discloses_sealed(seqno: u64, member: String, value: Vec<u8>) -> Answer<bool> {
        let value = Zeroizing::new(value);
        with(|audit| audit.discloses_sealed(seqno, &member, &value))
    }

    fn erase_salts(id: String) -> Answer<u64> {
        with(|audit| audit.erase_salts(&id))
    }

    fn parse_event(text: String) -> Answer<events::Event> {
        with(|audit| {
            let json = Json::parse(text.as_bytes()).map_err(EventError::from)?;
            Ok(event::outgoing(Event::from_json(json, audit.new_id()?)?)?)
        })
    }

    fn encode_event(event: events::Event) -> Result<Vec<u8>, events::EventError> {
        let missing = || Err::<EventId, _>(EventError::Missing { of: "event", member: "id" });
        event::incoming(event, missing).and_then(|event| event.encode()).map_err(event::error)
    }

    fn begin_session(id: String) -> Answer<()> {
        with(|audit| session(audit, &id)?.begin())
    }

    fn record(id: String, event: events::Event) -> Answer<audit::Recorded> {
        record(&id, event, |session, event| session.record(event))
    }

    fn record_batch(id: String, events: Vec<events::Event>) -> Answer<Vec<audit::Recorded>> {
        with(|audit| {
            let events = events.into_iter().map(|event| event_in(audit, event)).collect::<Result<Vec<_>, _>>()?;
            let recorded = session(audit, &id)?.record_batch(&events)?;
            let named = recorded.iter().zip(&events);
            Ok(named.map(|(recorded, event)| report::recorded(recorded, event.id.to_string())).collect())
        })
    }

    fn record_signed(id: String, event: events::Event) -> Answer<audit::Recorded> {
        record(&id, event, |session, event| session.record_signed(event))
    }

    fn end_session(id: String, event: events::Event) -> Answer<audit::Recorded> {
        record(&id, event, Session::end)
    }

    fn read(seqno: u64) -> Answer<audit::Logged> {
        with(|audit| {
            let logged = audit.read(seqno)?;
            report::logged(logged).map_err(|problem| Failed::Payload { seqno, problem })
        })
    }

    fn list_events(filter: audit::Filter, from: u64, limit: u32) -> Answer<audit::Page> {
        let filter = Filter {
            actor: filter.actor.map(event::principal_in),
            category: filter.category.map(action::category_in),
            session: filter.session,
            correlation: filter.correlation,
        };
        with(|audit| audit.events(&filter, from, limit.min(MAX_PAGE) as usize).map(report::page))
    }

    fn trail(of: events::Principal, from: u64, limit: u32) -> Answer<audit::Page> {
        let of = event::principal_in(of);
        with(|audit| audit.trail(&of, from, limit.min(MAX_PAGE) as usize).map(report::page))
    }

    fn sessions(after: u64, limit: u32) -> Answer<Vec<audit::SessionInfo>> {
        let found = with(|audit| audit.sessions(after, limit.min(MAX_PAGE) as usize))?;
        Ok(found.into_iter().map(report::session).collect())
    }

    fn end_of(seqno: u64, outcome: events::Outcome) -> Answer<events::Event> {
        with(|audit| {
            let end = audit.end_of(seqno, event::outcome_in(outcome))?;
            event::outgoing(end).map_err(|problem| Failed::Payload { seqno, problem })
        })
    }

    fn verify_session(id: String) -> Answer<audit::SessionReport> {
        with(|audit| Ok(report::session_report(audit.verify_session(&id)?)?))
    }

    fn verify() -> Answer<audit::AuditReport> {
        with(|audit| Ok(report::audit_report(audit.verify()?)?))
    }

    fn review() -> Answer<audit::ReviewReport> {
        with(|audit| Ok(report::review(audit.review()?)?))
    }
}

impl guard::Guest for Component {
    type Permit = Permit;

    fn begin(id: String, event: events::Event) -> Result<guard::Permit, guard::Refused> {
        let begun = with(|audit| {
            let event = event_in(audit, event)?;
            let intent = event.id.to_string();
            let begun = match session(audit, &id)?.guard().begin(event) {
                Ok(permit) => Ok(Permit { permit: RefCell::new(permit), intent }),
                Err(Refused::Denied { reason, recorded }) => {
                    Err(guard::Denial { reason, recorded: report::recorded(&recorded, intent) })
                }
                Err(Refused::Unrecorded(error)) => return Err(error),
                // What is added later permits nothing either.
                Err(other) => return Err(Failed::Log(LogError::Storage(other.to_string()))),
            };
            Ok(begun)
        });
        match begun {
            Ok(Ok(permit)) => Ok(guard::Permit::new(permit)),
            Ok(Err(denial)) => Err(guard::Refused::Denied(denial)),
            Err(error) => Err(guard::Refused::Unrecorded(error)),
        }
    }
}

/// A permit, and the id of the event that says that it was about to begin.
pub(crate) struct Permit {
    permit: RefCell<secure_log_audit::Permit<Composed>>,
    intent: String,
}

impl guard::GuestPermit for Permit {
    fn begun(&self) -> guard::Recorded {
        report::recorded(self.permit.borrow().begun(), self.intent.clone())
    }

    fn action(&self) -> Result<guard::Action, guard::AuditError> {
        let action = self.permit.borrow_mut().action_mut().clone();
        action::outgoing(action).map_err(|problem| report::error(problem.into()))
    }

    fn set_action(&self, action: guard::Action) -> Result<(), guard::AuditError> {
        let set = action::incoming(action).and_then(|action| self.permit.borrow_mut().set_action(action));
        set.map_err(|problem| report::error(problem.into()))
    }

    fn complete(this: guard::Permit, outcome: guard::Outcome) -> Result<guard::Recorded, guard::AuditError> {
        let permit = this.into_inner::<Permit>().permit.into_inner();
        let id = permit.id().to_string();
        let recorded = permit.complete(event::outcome_in(outcome)).map_err(report::error)?;
        Ok(report::recorded(&recorded, id))
    }
}
