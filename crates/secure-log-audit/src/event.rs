//! One event: what is recorded, and its bytes.

use secure_log::entry::Severity;

use crate::action::{Action, Category};
use crate::actor::Actor;
use crate::conceal::Concealed;
use crate::error::EventError;
use crate::id::EventId;
use crate::json::{Canonical, Json, Object};
use crate::member::{Members, Put as _, Value};
use crate::outcome::{Authorization, Outcome, OutcomeKind};

/// The payload encoding of version 1: RFC 8785 canonical JSON of the members that docs/audit.md lists. A payload of this
/// version is read for ever; a later version has another name.
pub const AUDIT_V1: &str = "secure-log.audit.v1+json";

/// Who did what, to what, by what right, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Which event this is.
    pub id: EventId,
    /// Who acts, and on whose behalf.
    pub actor: Actor,
    /// What is done.
    pub action: Action,
    /// What it is done to, where the action does not say so itself.
    pub target: Option<Target>,
    /// By what right.
    pub authorization: Authorization,
    /// How it ended, or that it is about to begin.
    pub outcome: Outcome,
    /// What belongs together has the same, such as the id of a request that went through several services.
    pub correlation: Option<String>,
    /// The event that said that this was about to begin.
    pub completes: Option<EventId>,
    /// Whatever else there is to say.
    pub details: Object,
}

/// What something is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is, such as `account`.
    pub kind: String,
    /// Which one, such as `4711`.
    pub id: String,
}

impl Event {
    /// An event that ended well, with nothing more to say.
    pub fn new(id: EventId, actor: impl Into<Actor>, authorization: Authorization, action: Action) -> Event {
        Event {
            id,
            actor: actor.into(),
            action,
            target: None,
            authorization,
            outcome: Outcome::Success,
            correlation: None,
            completes: None,
            details: Object::new(),
        }
    }

    /// The same with another outcome.
    pub fn ended(self, outcome: Outcome) -> Event {
        Event { outcome, ..self }
    }

    /// What says how this ended, which was about to begin: an event with this id.
    pub(crate) fn end(self, id: EventId) -> Event {
        Event { id, completes: Some(self.id), ..self }
    }

    /// The same with a target.
    pub fn on(self, kind: impl Into<String>, id: impl Into<String>) -> Event {
        Event { target: Some(Target { kind: kind.into(), id: id.into() }), ..self }
    }

    /// The same with a correlation id.
    pub fn correlated(self, correlation: impl Into<String>) -> Event {
        Event { correlation: Some(correlation.into()), ..self }
    }

    /// The same with one more detail.
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<Json>) -> Event {
        self.details.insert(name, value);
        self
    }

    /// What it belongs to.
    pub fn category(&self) -> Category {
        self.action.category()
    }

    /// The event type of its entry.
    pub fn event_type(&self) -> String {
        self.action.event_type(self.outcome.kind())
    }

    /// The severity of its entry.
    pub fn severity(&self) -> Severity {
        self.action.kind().severity(self.outcome.kind())
    }

    /// The concealed values in it, and where they stand: a member of the action, such as `arguments`, or a detail, such as
    /// `details.answer`.
    pub fn concealed(&self) -> Vec<(String, Concealed)> {
        let of_action = self.action.concealed().into_iter().map(|(member, value)| (member.to_owned(), value));
        let detail =
            |(name, value): (&str, &Json)| Some((format!("details.{name}"), Concealed::from_json(value.clone())?));
        of_action.chain(self.details.iter().filter_map(detail)).collect()
    }

    /// The payload of its entry. The same event has the same bytes, always and everywhere.
    pub fn encode(&self) -> Result<Vec<u8>, EventError> {
        /// About what an event takes without details.
        const USUAL_BYTES: usize = 512;
        self.check()?;
        let mut document = Canonical::with_capacity(USUAL_BYTES);
        document.object(|object| {
            self.action.write(object.member("action"))?;
            self.actor.write(object.member("actor"))?;
            self.authorization.write(object.member("authorization"))?;
            self.category().put("category", object)?;
            self.completes.put("completes", object)?;
            self.correlation.put("correlation", object)?;
            if !self.details.is_empty() {
                self.details.put("details", object)?;
            }
            self.id.put("id", object)?;
            self.outcome.write(object.member("outcome"))?;
            self.target.put("target", object)
        })?;
        Ok(document.finish()?)
    }

    /// Reads what [`Event::encode`] writes, and nothing else.
    pub fn decode(payload: &[u8]) -> Result<Event, EventError> {
        let mut members = Members::new("event", Json::parse(payload)?)?;
        let (id, category, outcome) = (members.take("id")?, members.take("category")?, members.take("outcome")?);
        let event = Event::of_members(members, id, Some(category), Some(outcome))?;
        // Another spelling of the same event would be another payload.
        if event.encode()? != payload { Err(EventError::NotCanonical) } else { Ok(event) }
    }

    /// Reads an event in any spelling, for whoever writes one by hand. `id`, `category` and `outcome` may be absent: the event
    /// then has this id, the category of its action, and ended well, or as denied where its authorization is.
    ///
    /// ```
    /// use secure_log_audit::{Event, EventId, Json, Outcome};
    ///
    /// let text = br#"{"actor": {"kind": "user", "id": "alice"}, "authorization": {"kind": "not-required"},
    ///                 "action": {"kind": "file-delete", "path": "/srv/report.txt"}}"#;
    /// let event = Event::from_json(Json::parse(text)?, EventId([7; 16]))?;
    /// assert_eq!((event.event_type().as_str(), event.outcome), ("file-delete.success", Outcome::Success));
    /// # Ok::<(), secure_log_audit::EventError>(())
    /// ```
    pub fn from_json(json: Json, id: EventId) -> Result<Event, EventError> {
        let mut members = Members::new("event", json)?;
        let given: Option<EventId> = members.take("id")?;
        let category = members.take("category")?;
        let outcome: Option<Json> = members.take("outcome")?;
        let unsaid = outcome.is_none();
        let mut event = Event::of_members(members, given.unwrap_or(id), category, outcome)?;
        if let (true, Authorization::Denied { reason }) = (unsaid, &event.authorization) {
            event.outcome = Outcome::denied(reason.clone());
        }
        // Only what can be written is an event.
        event.encode().map(|_| event)
    }

    fn of_members(
        mut members: Members,
        id: EventId,
        category: Option<Category>,
        outcome: Option<Json>,
    ) -> Result<Event, EventError> {
        let details: Option<Object> = members.take("details")?;
        if details.as_ref().is_some_and(Object::is_empty) {
            return Err(EventError::Unusable { member: "details", expected: "an object that is not empty" });
        }
        let event = Event {
            id,
            actor: Actor::decode(members.take("actor")?)?,
            action: Action::decode(members.take("action")?)?,
            target: members.take("target")?,
            authorization: Authorization::decode(members.take("authorization")?)?,
            outcome: outcome.map(Outcome::decode).transpose()?.unwrap_or(Outcome::Success),
            correlation: members.take("correlation")?,
            completes: members.take("completes")?,
            details: details.unwrap_or_default(),
        };
        members.finish()?;
        if category.is_some_and(|category| category != event.category()) {
            return Err(EventError::Contradiction("the category is not that of the action"));
        }
        Ok(event)
    }

    fn check(&self) -> Result<(), EventError> {
        let outcome = self.outcome.kind();
        let denied = matches!(self.authorization, Authorization::Denied { .. });
        if denied && outcome != OutcomeKind::Denied {
            return Err(EventError::Contradiction("what no right allows has no other outcome than denied"));
        }
        if self.completes.is_some() && outcome == OutcomeKind::Begun {
            return Err(EventError::Contradiction("what is about to begin completes nothing"));
        }
        if self.completes == Some(self.id) {
            return Err(EventError::Contradiction("an event does not complete itself"));
        }
        Ok(())
    }
}

impl Value for Target {
    const EXPECTED: &'static str = "a kind and an id";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        out.object(|object| {
            self.id.put("id", object)?;
            self.kind.put("kind", object)
        })
    }

    fn from_json(json: Json) -> Option<Target> {
        let mut members = Members::new("target", json).ok()?;
        let target = Target { kind: members.take("kind").ok()?, id: members.take("id").ok()? };
        members.finish().ok()?;
        Some(target)
    }
}
