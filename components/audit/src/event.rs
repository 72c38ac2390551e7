//! Events between the library and the interface, and what is wrong with one.

use secure_log::hash::Hash;
use secure_log_audit::{
    Actor, Authorization, Event, EventError, EventId, Json, Object, Outcome, Principal, PrincipalKind, Target,
};

use crate::action::{self, Member as _, unknown};
use crate::bindings::exports::secure_log::audit::events as wire;

/// The event, with `new_id` where it has no id.
pub(crate) fn incoming<E: From<EventError>>(
    event: wire::Event,
    new_id: impl FnOnce() -> Result<EventId, E>,
) -> Result<Event, E> {
    Ok(Event {
        id: event.id.map_or_else(new_id, |text| Ok(id("id", &text)?))?,
        actor: actor_in(event.actor),
        action: action::incoming(event.action)?,
        target: event.target.map(|target| Target { kind: target.kind, id: target.id }),
        authorization: authorization_in(event.authorization)?,
        outcome: outcome_in(event.outcome),
        correlation: event.correlation,
        completes: event.completes.map(|text| id("completes", &text)).transpose()?,
        details: event.details.map_or(Ok(Object::new()), |text| details_in(&text))?,
    })
}

pub(crate) fn outgoing(event: Event) -> Result<wire::Event, EventError> {
    let details = (!event.details.is_empty()).then(|| Json::Object(event.details).outgoing("details"));
    Ok(wire::Event {
        id: Some(event.id.to_string()),
        actor: actor_out(event.actor)?,
        action: action::outgoing(event.action)?,
        target: event.target.map(|target| wire::Target { kind: target.kind, id: target.id }),
        authorization: authorization_out(event.authorization)?,
        outcome: outcome_out(event.outcome)?,
        correlation: event.correlation,
        completes: event.completes.map(|id| id.to_string()),
        details: details.transpose()?,
    })
}

pub(crate) fn error(error: EventError) -> wire::EventError {
    use wire::EventError as Wire;
    match error {
        EventError::Json(error) => {
            Wire::Json(wire::JsonError { at: error.at as u64, problem: error.problem.to_string() })
        }
        EventError::NotCanonical => Wire::NotCanonical,
        EventError::Missing { of, member } => Wire::Missing(wire::MemberOf { of: of.into(), member: member.into() }),
        EventError::Unknown { of, member } => Wire::Unknown(wire::MemberOf { of: of.into(), member }),
        EventError::Unusable { member, expected } => {
            Wire::Unusable(wire::UnusableMember { member: member.into(), expected: expected.into() })
        }
        EventError::Text(invalid) => Wire::Text(invalid.to_string()),
        EventError::Contradiction(what) => Wire::Contradiction(what.into()),
        // What is added later says at least what it is.
        other => Wire::Contradiction(other.to_string()),
    }
}

pub(crate) fn id(member: &'static str, text: &str) -> Result<EventId, EventError> {
    text.parse().map_err(|_| EventError::Unusable { member, expected: "a UUID in lower case" })
}

fn details_in(text: &str) -> Result<Object, EventError> {
    match Json::parse(text.as_bytes())? {
        Json::Object(object) if !object.is_empty() => Ok(object),
        _ => Err(EventError::Unusable { member: "details", expected: "an object that is not empty" }),
    }
}

fn actor_in(actor: wire::Actor) -> Actor {
    Actor { who: principal_in(actor.who), on_behalf_of: actor.on_behalf_of.map(principal_in) }
}

pub(crate) fn actor_out(actor: Actor) -> Result<wire::Actor, EventError> {
    let on_behalf_of = actor.on_behalf_of.map(principal_out).transpose()?;
    Ok(wire::Actor { who: principal_out(actor.who)?, on_behalf_of })
}

pub(crate) fn principal_in(principal: wire::Principal) -> Principal {
    let kind = match principal.kind {
        wire::PrincipalKind::User => PrincipalKind::User,
        wire::PrincipalKind::Service => PrincipalKind::Service,
        wire::PrincipalKind::Agent => PrincipalKind::Agent,
        wire::PrincipalKind::System => PrincipalKind::System,
    };
    Principal { kind, id: principal.id }
}

fn principal_out(principal: Principal) -> Result<wire::Principal, EventError> {
    let kind = match principal.kind {
        PrincipalKind::User => wire::PrincipalKind::User,
        PrincipalKind::Service => wire::PrincipalKind::Service,
        PrincipalKind::Agent => wire::PrincipalKind::Agent,
        PrincipalKind::System => wire::PrincipalKind::System,
        _ => return Err(unknown("actor")),
    };
    Ok(wire::Principal { kind, id: principal.id })
}

fn authorization_in(authorization: wire::Authorization) -> Result<Authorization, EventError> {
    use wire::Authorization as Wire;
    Ok(match authorization {
        Wire::User(user) => Authorization::User { user },
        Wire::Capability(capability) => Authorization::Capability {
            token: capability.token,
            token_hash: Hash::try_from(&capability.token_hash[..])
                .map_err(|_| EventError::Unusable { member: "token_hash", expected: "a hash of 32 bytes" })?,
        },
        Wire::UserApproval(given) => Authorization::UserApproval { approval: given.approval, by: given.by },
        Wire::NotRequired => Authorization::NotRequired,
        Wire::System => Authorization::System,
        Wire::Denied(reason) => Authorization::Denied { reason },
    })
}

fn authorization_out(authorization: Authorization) -> Result<wire::Authorization, EventError> {
    use wire::Authorization as Wire;
    Ok(match authorization {
        Authorization::User { user } => Wire::User(user),
        Authorization::Capability { token, token_hash } => {
            Wire::Capability(wire::Capability { token, token_hash: token_hash.0.to_vec() })
        }
        Authorization::UserApproval { approval, by } => Wire::UserApproval(wire::UserApproval { approval, by }),
        Authorization::NotRequired => Wire::NotRequired,
        Authorization::System => Wire::System,
        Authorization::Denied { reason } => Wire::Denied(reason),
        _ => return Err(unknown("authorization")),
    })
}

pub(crate) fn outcome_in(outcome: wire::Outcome) -> Outcome {
    match outcome {
        wire::Outcome::Begun => Outcome::Begun,
        wire::Outcome::Success => Outcome::Success,
        wire::Outcome::Failure(reason) => Outcome::Failure { reason },
        wire::Outcome::Denied(reason) => Outcome::Denied { reason },
    }
}

fn outcome_out(outcome: Outcome) -> Result<wire::Outcome, EventError> {
    Ok(match outcome {
        Outcome::Begun => wire::Outcome::Begun,
        Outcome::Success => wire::Outcome::Success,
        Outcome::Failure { reason } => wire::Outcome::Failure(reason),
        Outcome::Denied { reason } => wire::Outcome::Denied(reason),
        _ => return Err(unknown("outcome")),
    })
}
