//! Who acts, and on whose behalf.

use secure_log::index::{IndexKey, actor_key};
use secure_log::limits::check_name;

use crate::error::EventError;
use crate::json::{Canonical, Json, ObjectWriter};
use crate::member::{Members, Put as _, Value};
use crate::words::words;

words! {
    /// What acts.
    PrincipalKind, "user, service, agent or system" {
        /// A person.
        User = "user",
        /// A program that serves others.
        Service = "service",
        /// A program that decides by itself what to do, such as one that a model drives.
        Agent = "agent",
        /// The platform itself.
        System = "system",
    }
}

/// Somebody or something that acts. Its id is at most 255 bytes without control characters, and the same wherever it acts:
/// the trail of an actor is found by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its id, such as `alice@example.org` or `agent-7`.
    pub id: String,
}

impl Principal {
    /// A person.
    pub fn user(id: impl Into<String>) -> Principal {
        Principal { kind: PrincipalKind::User, id: id.into() }
    }

    /// A program that serves others.
    pub fn service(id: impl Into<String>) -> Principal {
        Principal { kind: PrincipalKind::Service, id: id.into() }
    }

    /// A program that decides by itself what to do.
    pub fn agent(id: impl Into<String>) -> Principal {
        Principal { kind: PrincipalKind::Agent, id: id.into() }
    }

    /// A part of the platform itself.
    pub fn system(id: impl Into<String>) -> Principal {
        Principal { kind: PrincipalKind::System, id: id.into() }
    }

    /// This principal, acting on behalf of another one.
    pub fn on_behalf_of(self, other: Principal) -> Actor {
        Actor { who: self, on_behalf_of: Some(other) }
    }

    /// The key under which a store's index has what it did, and what others did on its behalf.
    pub fn index_key(&self) -> IndexKey {
        actor_key(self.kind.as_str(), &self.id)
    }

    fn put_members(&self, object: &mut ObjectWriter<'_>) -> Result<(), EventError> {
        check_name("actor", &self.id)?;
        self.id.put("id", object)?;
        self.kind.put("kind", object)
    }

    fn take(members: &mut Members) -> Result<Principal, EventError> {
        let principal = Principal { kind: members.take("kind")?, id: members.take("id")? };
        check_name("actor", &principal.id)?;
        Ok(principal)
    }
}

impl Value for Principal {
    const EXPECTED: &'static str = "a kind and an id of at most 255 bytes";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        out.object(|object| self.put_members(object))
    }

    fn from_json(json: Json) -> Option<Principal> {
        let mut members = Members::new("actor", json).ok()?;
        let principal = Principal::take(&mut members).ok()?;
        members.finish().ok()?;
        Some(principal)
    }
}

/// Who acts and, where that is another one, on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// Who acts.
    pub who: Principal,
    /// For whom.
    pub on_behalf_of: Option<Principal>,
}

impl From<Principal> for Actor {
    fn from(who: Principal) -> Actor {
        Actor { who, on_behalf_of: None }
    }
}

impl Actor {
    pub(crate) fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        out.object(|object| {
            self.who.put_members(object)?;
            self.on_behalf_of.put("on_behalf_of", object)
        })
    }

    pub(crate) fn decode(json: Json) -> Result<Actor, EventError> {
        let mut members = Members::new("actor", json)?;
        let who = Principal::take(&mut members)?;
        let on_behalf_of = members.take("on_behalf_of")?;
        members.finish()?;
        Ok(Actor { who, on_behalf_of })
    }
}
