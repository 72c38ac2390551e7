//! The audit log: sessions of events over a log that threads share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log::engine::{LogOptions, Providers};
use secure_log::entry::{Entry, SigningRule};
use secure_log::limits::check_name;
use secure_log::providers::Random;
use secure_log::shared::SharedLog;
use secure_log::store::SecureLogStore;
use secure_log::system::SystemRandom;

use crate::action::{Action, Category};
use crate::actor::{Actor, Principal};
use crate::beneath::{ErrorOf, EventLog as _, Place};
use crate::conceal::{Concealed, Disclosure};
use crate::error::{AuditError, EventError};
use crate::event::{AUDIT_V1, Event};
use crate::id::EventId;
use crate::outcome::{Authorization, Outcome, OutcomeKind};
use crate::session::{Session, session_of};

/// So many entries are read at once: few enough that the largest of them fit in memory.
pub(crate) const PAGE: u32 = 64;

/// How events are recorded.
pub struct Profile {
    /// Who reports: the program that keeps this log, such as `agent-runtime 2.1`.
    pub producer: String,
    /// The hash suite of sessions that are begun from now on.
    pub suite: SessionSuite,
    /// What is signed in sessions that are begun from now on.
    pub sign: SigningRule,
    /// Gives events their ids and commitments their salts.
    pub random: Box<dyn Random + Send>,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            producer: "secure-log-audit".into(),
            suite: SessionSuite::default(),
            sign: SigningRule::None,
            random: Box::new(SystemRandom),
        }
    }
}

/// The hash suite of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SessionSuite {
    /// SHA-256.
    #[default]
    Sha256,
    /// BLAKE3.
    Blake3,
    /// HMAC-SHA-256 under the key that the log was opened with (`LogOptions::mac_label`).
    HmacSha256,
}

/// A log of events. Clones are handles to the same one, and threads share it.
pub struct AuditLog<S: Place> {
    pub(crate) inner: Arc<Inner<S::Log>>,
}

pub(crate) struct Inner<L> {
    pub(crate) log: L,
    pub(crate) producer: String,
    pub(crate) suite: SessionSuite,
    pub(crate) sign: SigningRule,
    random: Mutex<Box<dyn Random + Send>>,
}

impl<S: Place> Clone for AuditLog<S> {
    fn clone(&self) -> AuditLog<S> {
        AuditLog { inner: Arc::clone(&self.inner) }
    }
}

impl<S: SecureLogStore> AuditLog<S> {
    /// Opens the log in a store, or makes a new one.
    pub fn open(
        store: S,
        providers: Providers,
        options: LogOptions,
        profile: Profile,
    ) -> Result<AuditLog<S>, AuditError> {
        AuditLog::over(SharedLog::open(store, providers, options)?, profile)
    }
}

impl<S: Place> AuditLog<S> {
    /// Records events in a log that is open already, and may hold other things.
    pub fn over(log: S::Log, profile: Profile) -> Result<AuditLog<S>, AuditError<ErrorOf<S>>> {
        check_name("producer", &profile.producer).map_err(AuditError::of_log)?;
        log.check_suite(profile.suite).map_err(AuditError::Log)?;
        let Profile { producer, suite, sign, random } = profile;
        Ok(AuditLog { inner: Arc::new(Inner { log, producer, suite, sign, random: Mutex::new(random) }) })
    }

    /// The log beneath.
    pub fn log(&self) -> &S::Log {
        &self.inner.log
    }

    /// An event with a new id, which ended well and has nothing more to say.
    pub fn event(
        &self,
        actor: impl Into<Actor>,
        authorization: Authorization,
        action: Action,
    ) -> Result<Event, AuditError<ErrorOf<S>>> {
        Ok(Event::new(self.new_id()?, actor, authorization, action))
    }

    /// Commits to a value that the log must not show. Whoever keeps the disclosure can show it later.
    pub fn conceal(&self, value: &[u8]) -> Result<(Concealed, Disclosure), AuditError<ErrorOf<S>>> {
        Concealed::commit(value, &mut **lock(&self.inner.random)).map_err(AuditError::of_log)
    }

    /// An id that no event has yet.
    pub fn new_id(&self) -> Result<EventId, AuditError<ErrorOf<S>>> {
        EventId::random(&mut **lock(&self.inner.random)).map_err(AuditError::of_log)
    }

    /// The session with this id. Its stream is made by the first event, with the rules of the profile; a session that is
    /// there keeps the rules that it has.
    pub fn session(&self, id: &str) -> Result<Session<S>, AuditError<ErrorOf<S>>> {
        Session::of(self.clone(), id)
    }

    /// Reads an event, proven under the head.
    pub fn read(&self, seqno: u64) -> Result<Logged, AuditError<ErrorOf<S>>> {
        let entry = self.inner.log.read(seqno).map_err(AuditError::Log)?;
        let logged = Logged::of(&entry).map_err(|problem| AuditError::Payload { seqno, problem })?;
        logged.ok_or(AuditError::NotAnEvent(seqno))
    }

    /// What says how that ended whose beginning stands in this entry, to be recorded in its session. For whoever finds out what
    /// became of an action without an end, and for a program that begins and ends one in two runs.
    pub fn end_of(&self, seqno: u64, outcome: Outcome) -> Result<Event, AuditError<ErrorOf<S>>> {
        let begun = self.read(seqno)?.event;
        if begun.outcome.kind() != OutcomeKind::Begun {
            return Err(AuditError::NothingBegun(seqno));
        }
        Ok(begun.end(self.new_id()?).ended(outcome))
    }

    /// Events from `from` on that the filter lets through, in the order of the log, each proven under the head. Looks at
    /// entries until `limit` were found; where the log goes on, the page says from where. An entry that claims to be an event
    /// and is none hides no other: whatever the filter, the page of all that was looked at names it.
    ///
    /// With an actor only the entries that the store's index has under it are looked at, and what [`AuditLog::trail`] says of
    /// them holds. Without one all are, and of those none can be left out unnoticed.
    pub fn events(&self, filter: &Filter, from: u64, limit: usize) -> Result<Page, AuditError<ErrorOf<S>>> {
        let mut page = Page { events: Vec::new(), unreadable: Vec::new(), next: None };
        let mut at = from.max(1);
        loop {
            let (entries, next) = self.some_entries(filter, at).map_err(AuditError::Log)?;
            for entry in &entries {
                let found = Logged::of(entry);
                if matches!(&found, Ok(event) if !event.as_ref().is_some_and(|event| filter.lets_through(event))) {
                    continue;
                }
                if page.events.len() + page.unreadable.len() == limit {
                    page.next = Some(entry.seqno);
                    return Ok(page);
                }
                match found {
                    Ok(event) => page.events.extend(event),
                    Err(problem) => page.unreadable.push((entry.seqno, problem)),
                }
            }
            match next {
                Some(next) => at = next,
                None => return Ok(page),
            }
        }
    }

    /// Some of the entries from `at` on, among them all that the filter may let through, and from where to go on.
    fn some_entries(&self, filter: &Filter, at: u64) -> Result<(Vec<Entry>, Option<u64>), ErrorOf<S>> {
        let log = &self.inner.log;
        let size = log.size()?;
        let (entries, next) = match &filter.actor {
            Some(actor) => {
                let entries = log.read_indexed(actor.index_key(), at, size, PAGE)?;
                let last = entries.last().filter(|_| entries.len() == PAGE as usize);
                let next = last.map(|last| last.seqno + 1);
                (entries, next)
            }
            None => {
                let to = at.saturating_add(u64::from(PAGE) - 1).min(size);
                (log.read_page(None, at, to, PAGE)?, Some(to + 1))
            }
        };
        Ok((entries, next.filter(|next| *next <= size)))
    }

    /// What somebody did, and what others did on their behalf, from `from` on: the entries that the store's index has under
    /// them, in time that grows with their number and not with the log. An entry that claims to be an event of theirs and is
    /// none is named as unreadable.
    ///
    /// Each is proven under the head. What is *not* shown is proven by nobody: a store, or whoever changed its index, can leave
    /// an event out, and so an event whose actor cannot be read is in no trail. [`AuditLog::verify`] finds both, as it computes
    /// the whole index from the entries; whoever trusts no store with it reads all entries ([`AuditLog::events`] without an
    /// actor).
    pub fn trail(&self, of: &Principal, from: u64, limit: usize) -> Result<Page, AuditError<ErrorOf<S>>> {
        self.events(&Filter { actor: Some(of.clone()), ..Filter::default() }, from, limit)
    }

    /// Whether a concealed value of an event, named as [`Event::concealed`] names it, is the commitment to this value.
    pub fn discloses(
        &self,
        seqno: u64,
        member: &str,
        disclosure: &Disclosure,
        value: &[u8],
    ) -> Result<bool, AuditError<ErrorOf<S>>> {
        let recorded = self.read(seqno)?.event.concealed();
        Ok(recorded.iter().any(|(name, concealed)| name == member && disclosure.discloses(concealed, value)))
    }
}

/// An event as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Its place in the log.
    pub seqno: u64,
    /// When it was recorded.
    pub time: String,
    /// The stream that it stands in.
    pub stream: String,
    /// The event.
    pub event: Event,
}

impl Logged {
    /// The id of the session that it belongs to.
    pub fn session(&self) -> Option<&str> {
        session_of(&self.stream)
    }

    /// The event that an entry holds; `None` where it is none of this profile.
    pub(crate) fn of(entry: &Entry) -> Result<Option<Logged>, EventError> {
        if entry.encoding != AUDIT_V1 {
            return Ok(None);
        }
        let event = Event::decode(&entry.payload)?;
        if entry.event != event.event_type() || entry.severity != event.severity().as_str() {
            return Err(EventError::Contradiction("event type and severity of the entry are not those of the event"));
        }
        let (time, stream) = (entry.time.clone(), entry.stream.clone());
        Ok(Some(Logged { seqno: entry.seqno, time, stream, event }))
    }
}

/// Which events are wanted: those that fit everything that is set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Who acted, or on whose behalf.
    pub actor: Option<Principal>,
    /// What they belong to.
    pub category: Option<Category>,
    /// The id of the session.
    pub session: Option<String>,
    /// The correlation id.
    pub correlation: Option<String>,
}

impl Filter {
    fn lets_through(&self, logged: &Logged) -> bool {
        let event = &logged.event;
        let acts = |of: &Principal| event.actor.who == *of || event.actor.on_behalf_of.as_ref() == Some(of);
        self.actor.as_ref().is_none_or(acts)
            && self.category.is_none_or(|category| event.category() == category)
            && self.session.as_ref().is_none_or(|id| logged.session() == Some(id))
            && self.correlation.as_ref().is_none_or(|id| event.correlation.as_ref() == Some(id))
    }
}

/// Some of the events that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The events.
    pub events: Vec<Logged>,
    /// Entries that claim to be events and are none, by seqno, and why.
    pub unreadable: Vec<(u64, EventError)>,
    /// From where to ask for more; `None` at the end of the log.
    pub next: Option<u64>,
}

/// A source of randomness that panicked is asked again: it keeps nothing between its answers that could be half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
