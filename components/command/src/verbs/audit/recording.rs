//! What writes: events, and what is about to begin; and commitments, which are for events.

use secure_log::entry::SigningRule;
use secure_log_audit::{Concealed, Event, EventError, EventId, Json, Outcome, Profile, Refused, Session, SessionSuite};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Audit, Composed, DEFAULT_PRODUCER, DENIED, FAILURE, ID, MEMBER, PRODUCER, SESSION, SIGN, SIGNED, SUITE, bytes_of,
    to_read, to_write, view,
};
use crate::arguments::{Given, number};
use crate::failure::{Exit, Failure};
use crate::output::Output;

const SUITES: [(&str, SessionSuite); 3] =
    [("sha-256", SessionSuite::Sha256), ("blake3", SessionSuite::Blake3), ("hmac-sha-256", SessionSuite::HmacSha256)];
const SIGNING_RULES: [(&str, SigningRule); 3] =
    [("none", SigningRule::None), ("segments", SigningRule::Segments), ("entries", SigningRule::Entries)];

pub(super) fn profile(given: &Given) -> Result<Profile, Failure> {
    Ok(Profile {
        producer: given.value(&PRODUCER).unwrap_or(DEFAULT_PRODUCER).into(),
        suite: given.choice(&SUITE, &SUITES)?.unwrap_or_default(),
        sign: given.choice(&SIGN, &SIGNING_RULES)?.unwrap_or(SigningRule::None),
        ..Profile::default()
    })
}

pub(super) fn record(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let (_, session, event) = session_and_event(given, out)?;
    let recorded = if given.has(&SIGNED) { session.record_signed(&event)? } else { session.record(&event)? };
    out.show(&view::recorded(&recorded, event.id));
    Ok(Exit::Success)
}

pub(super) fn begin(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let (_, session, event) = session_and_event(given, out)?;
    let id = event.id;
    match session.guard().begin(event) {
        Ok(permit) => {
            // It is completed in another run, by the number of this entry.
            out.show(&view::recorded(permit.begun(), id));
            Ok(Exit::Success)
        }
        Err(Refused::Unrecorded(error)) => Err(error.into()),
        Err(refused) => Err(Failure::new(Exit::Refused, "denied", refused.to_string())
            .advised("that it was asked for is recorded; it must not be done")),
    }
}

pub(super) fn complete(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let begun: u64 = number("SEQNO", given.required(1))?;
    let outcome = match (given.value(&FAILURE), given.value(&DENIED)) {
        (None, None) => Outcome::Success,
        (Some(reason), None) => Outcome::failure(reason),
        (None, Some(reason)) => Outcome::denied(reason),
        (Some(_), Some(_)) => return Err(Failure::usage("either --failure or --denied")),
    };
    let audit = to_write(given, out)?;
    let end = audit.end_of(begun, outcome)?;
    let logged = audit.read(begun)?;
    let session = logged.session().ok_or(secure_log_audit::AuditError::NothingBegun(begun))?;
    let recorded = audit.session(session)?.record(&end)?;
    out.show(&view::recorded(&recorded, end.id));
    Ok(Exit::Success)
}

pub(super) fn end(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let (_, session, event) = session_and_event(given, out)?;
    let recorded = session.end(&event)?;
    out.show(&view::recorded(&recorded, event.id));
    Ok(Exit::Success)
}

pub(super) fn conceal(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let value = Zeroizing::new(bytes_of("the value", given.required(1))?);
    match (given.value(&SESSION), given.value(&MEMBER)) {
        (Some(session), Some(member)) => return conceal_sealed(given, session, member, &value, out),
        (None, None) if !given.has(&ID) => {}
        _ => return Err(Failure::usage("--session and --member go together, and --id with both")),
    }
    // Of a log that is not open this asks for nothing but random bytes.
    let audit = Audit::over(super::ComposedLog, Profile::default())?;
    let (concealed, disclosure) = audit.conceal(&value)?;
    out.show(&json!({ "commitment": commitment(concealed)?, "salt": disclosure.to_hex().as_str() }));
    Ok(Exit::Success)
}

fn conceal_sealed(given: &Given, session: &str, member: &str, value: &[u8], out: &mut Output) -> Result<Exit, Failure> {
    let id: Option<EventId> = given
        .value(&ID)
        .map(|text| text.parse().map_err(|error| Failure::usage(format!("--id: {error}"))))
        .transpose()?;
    let audit = to_write(given, out)?;
    let id = id.map_or_else(|| audit.new_id(), Ok)?;
    let concealed = audit.session(session)?.conceal_sealed(id, member, value)?;
    out.show(&json!({ "commitment": commitment(concealed)?, "id": id.to_string() }));
    Ok(Exit::Success)
}

/// The hash, as it stands in an event.
fn commitment(concealed: Concealed) -> Result<serde_json::Value, Failure> {
    let concealed = Json::from(concealed).to_canonical().map_err(|error| invalid(error.into()))?;
    let concealed: serde_json::Value = serde_json::from_slice(&concealed).expect("canonical JSON is JSON");
    Ok(concealed["commitment"].clone())
}

pub(super) fn erase_salts(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let session = given.required(1);
    // What is to be erased is there, or nothing is made for it.
    let erased = to_read(given, out)?.erase_salts(session)?;
    out.show(&json!({ "session": session, "erased": erased }));
    Ok(Exit::Success)
}

fn session_and_event(given: &Given, out: &Output) -> Result<(Audit, Session<Composed>, Event), Failure> {
    // Read before the log is opened, which others may wait for.
    let text = bytes_of("the event", given.required(2))?;
    let json = Json::parse(&text).map_err(|error| invalid(error.into()))?;
    let audit = to_write(given, out)?;
    let event = Event::from_json(json, audit.new_id()?).map_err(invalid)?;
    let session = audit.session(given.required(1))?;
    Ok((audit, session, event))
}

fn invalid(problem: EventError) -> Failure {
    secure_log_audit::AuditError::Event(problem).into()
}
