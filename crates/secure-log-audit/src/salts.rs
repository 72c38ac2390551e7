//! Salts that the log keeps, sealed: a stream beside each session, which nobody reads without the wrapping key, and which can be erased.

use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::limits::check_name;
use zeroize::Zeroizing;

use crate::beneath::{ErrorOf, EventLog as _, EventLogError as _, Meaning, Place};
use crate::conceal::{Concealed, Disclosure};
use crate::error::AuditError;
use crate::id::EventId;
use crate::log::{AuditLog, PAGE};
use crate::session::Session;

/// What the stream of a session's salts is called before the session's id.
pub const SALTS_PREFIX: &str = "salts/";

/// The payload encoding of a salt, before it is sealed: the id of the event (16 bytes), the salt (32 bytes), and the name of the
/// member in UTF-8.
pub const SALT_V1: &str = "secure-log.audit-salt.v1";

const EVENT_TYPE: &str = "salt-kept";
const ID_BYTES: usize = 16;
const SALT_BYTES: usize = 32;

impl<S: Place> Session<S> {
    /// Commits to a value that the log must not show, and keeps the salt sealed in the log, durably: who has the wrapping key
    /// (`LogOptions::kek_label`) can have the value checked by [`AuditLog::discloses_sealed`], and nobody else can find out. The
    /// commitment is for the member of this name, of the event that is going to have this id.
    ///
    /// A salt whose event was not recorded after all is of no use to anybody.
    pub fn conceal_sealed(
        &self,
        event: EventId,
        member: &str,
        value: &[u8],
    ) -> Result<Concealed, AuditError<ErrorOf<S>>> {
        check_name("member", member).map_err(AuditError::of_log)?;
        let audit = self.audit();
        let (concealed, disclosure) = audit.conceal(value)?;
        let mut payload = Zeroizing::new(Vec::with_capacity(ID_BYTES + SALT_BYTES + member.len()));
        payload.extend_from_slice(&event.0);
        payload.extend_from_slice(disclosure.salt());
        payload.extend_from_slice(member.as_bytes());
        let stream = salts_of(self.id());
        let entry = NewEntry {
            stream: &stream,
            event: EVENT_TYPE,
            severity: Severity::Info,
            producer: &audit.inner.producer,
            encoding: SALT_V1,
            payload: &payload,
        };
        let kept = match audit.log().append_sealed(&entry) {
            // The first salt of the session makes the stream.
            Err(error) if error.means() == Meaning::StreamNotProtected => {
                match audit.log().create_protected_stream(&stream) {
                    Err(error) if error.means() != Meaning::StreamExists => Err(error),
                    _ => audit.log().append_sealed(&entry),
                }
            }
            answer => answer,
        };
        kept.map_err(AuditError::Log)?;
        Ok(concealed)
    }
}

impl<S: Place> AuditLog<S> {
    /// Whether a concealed value of an event, named as [`crate::Event::concealed`] names it, is the commitment to this value, whose
    /// salt the log keeps. Reads the salts of the session, one after the other.
    ///
    /// Where no salt of this member is kept, that is [`AuditError::SaltNotKept`]; and [`AuditError::SaltErased`] where it may be
    /// one of those that were erased.
    pub fn discloses_sealed(&self, seqno: u64, member: &str, value: &[u8]) -> Result<bool, AuditError<ErrorOf<S>>> {
        let logged = self.read(seqno)?;
        let not_kept = || AuditError::SaltNotKept { seqno, member: member.into() };
        let session = logged.session().ok_or_else(not_kept)?;
        let recorded = logged.event.concealed();
        let Some((_, concealed)) = recorded.iter().find(|(name, _)| name == member) else { return Err(not_kept()) };
        let (mut found, mut erased, mut unopened) = (false, false, None);
        let mut from = 1;
        loop {
            let page = match self.log().open_page(&salts_of(session), from, u64::MAX, PAGE) {
                Err(error) if error.means() == Meaning::StreamNotFound => return Err(not_kept()),
                page => page.map_err(AuditError::Log)?,
            };
            let Some((last, _)) = page.last() else { break };
            from = last + 1;
            for (_, opened) in page {
                match opened {
                    Ok(payload) => {
                        let Some(disclosure) = disclosure_of(&payload, logged.event.id, member) else { continue };
                        // One that was not recorded in the end may stand before it.
                        if disclosure.discloses(concealed, value) {
                            return Ok(true);
                        }
                        found = true;
                    }
                    Err(error) => match error.means() {
                        Meaning::NotSealed => {}
                        Meaning::PayloadErased => erased = true,
                        _ => unopened = unopened.or(Some(error)),
                    },
                }
            }
        }
        match unopened {
            _ if found => Ok(false),
            Some(error) => Err(AuditError::Log(error)),
            None if erased => Err(AuditError::SaltErased(seqno)),
            None => Err(not_kept()),
        }
    }

    /// Destroys all salts of a session that the log keeps, on record: nobody can ever show, or try out, what their commitments stand
    /// for, who has not kept a salt elsewhere. Answers how many data keys were destroyed.
    pub fn erase_salts(&self, session: &str) -> Result<u64, AuditError<ErrorOf<S>>> {
        let mut destroyed = 0;
        loop {
            let (keys, more) = match self.log().erase_stream(&salts_of(session)) {
                Err(error) if error.means() == Meaning::StreamNotFound => {
                    return Err(AuditError::SessionNotFound(session.into()));
                }
                answer => answer.map_err(AuditError::Log)?,
            };
            destroyed += keys;
            if !more {
                return Ok(destroyed);
            }
        }
    }
}

fn salts_of(session: &str) -> String {
    format!("{SALTS_PREFIX}{session}")
}

/// The salt in a payload, where it is that of this member of this event.
fn disclosure_of(payload: &[u8], event: EventId, member: &str) -> Option<Disclosure> {
    let (id, rest) = payload.split_first_chunk::<ID_BYTES>()?;
    let (salt, name) = rest.split_first_chunk::<SALT_BYTES>()?;
    (*id == event.0 && name == member.as_bytes()).then(|| Disclosure::from_salt(*salt))
}
