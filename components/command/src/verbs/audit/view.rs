//! What is shown of each thing.

use secure_log_audit::{
    AuditReport, AuditVerdict, EventId, Logged, Outcome, Principal, Recorded, Review, SessionInfo, SessionReport,
    SessionState, Unfinished,
};
use serde_json::{Value, json};

use crate::bindings::secure_log::log::types::LogError;
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::text::hex;
use crate::view;

pub(super) fn recorded(recorded: &Recorded, id: EventId) -> Value {
    json!({
        "seqno": recorded.seqno,
        "id": id.to_string(),
        "hash": hex(&recorded.hash.0),
        "signed": recorded.commit.signed,
        "anchored": recorded.commit.anchored,
    })
}

pub(super) const LOGGED_COLUMNS: [&str; 7] =
    ["seqno", "time", "session:", "event_type", "actor", "on_behalf_of:", "reason:"];

pub(super) fn logged(logged: &Logged) -> Result<Value, Failure> {
    let event = &logged.event;
    let unwritable = |error: &dyn std::fmt::Display| Failure::new(Exit::Invalid, "payload", error.to_string());
    let payload = event.encode().map_err(|error| unwritable(&error))?;
    let payload: Value = serde_json::from_slice(&payload).map_err(|error| unwritable(&error))?;
    let reason = match &event.outcome {
        Outcome::Failure { reason } | Outcome::Denied { reason } => Some(reason),
        _ => None,
    };
    Ok(json!({
        "seqno": logged.seqno,
        "time": logged.time,
        "session": logged.session(),
        "event_type": event.event_type(),
        "severity": event.severity().as_str(),
        "category": event.category().as_str(),
        "actor": principal(&event.actor.who),
        "on_behalf_of": event.actor.on_behalf_of.as_ref().map(principal),
        "reason": reason,
        "event": payload,
    }))
}

/// As the options take it.
fn principal(principal: &Principal) -> String {
    format!("{}:{}", principal.kind, principal.id)
}

pub(super) const SESSION_COLUMNS: [&str; 3] = ["session", "state", "began"];

pub(super) fn session(session: &SessionInfo) -> Value {
    json!({ "session": session.id, "state": state(session.state), "began": session.began, "number": session.number })
}

fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Open => "open",
        SessionState::Ended => "ended",
    }
}

pub(super) const UNFINISHED_COLUMNS: [&str; 5] = ["unfinished:", "session:", "action", "actor", "id"];

pub(super) fn unfinished(unfinished: &Unfinished) -> Value {
    json!({
        "unfinished": unfinished.seqno,
        "session": unfinished.session(),
        "action": unfinished.action.as_str(),
        "actor": principal(&unfinished.actor.who),
        "on_behalf_of": unfinished.actor.on_behalf_of.as_ref().map(principal),
        "id": unfinished.id.to_string(),
    })
}

/// How much a review lists, and what it does not.
pub(super) fn counts(review: &Review<LogError>) -> Value {
    json!({
        "events": review.events,
        "unfinished": review.unfinished.len() as u64 + review.unfinished_unlisted,
        "findings": review.findings.len() as u64 + review.findings_unlisted,
        "beginnings_gone": review.beginnings_gone,
    })
}

pub(super) fn session_report(id: &str, report: &SessionReport<LogError>) -> Value {
    let mut value = verdict(&report.verdict, &report.review, report.development_key);
    value["session"] = id.into();
    value["state"] = state(report.state).into();
    value["signed"] = report.signed.into();
    value
}

/// With what the log's own verification found, as `verify` shows it.
pub(super) fn audit_report(report: AuditReport<writer::Report, LogError>) -> Value {
    let mut value = verdict(&report.verdict, &report.review, report.development_key);
    value["log"] = view::report(report.log);
    value
}

fn verdict(verdict: &AuditVerdict<LogError>, review: &Review<LogError>, development_key: bool) -> Value {
    let finding = match verdict {
        AuditVerdict::Invalid(finding) => Some(finding.to_string()),
        AuditVerdict::Valid | AuditVerdict::Incomplete => None,
    };
    let mut value = json!({ "verdict": verdict.as_str(), "finding": finding });
    value["review"] = counts(review);
    value["development_key"] = development_key.into();
    value
}
