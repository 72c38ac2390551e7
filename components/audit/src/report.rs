//! What the library answers, as the interface has it: one function for each thing.

use secure_log::providers::RandomError;
use secure_log_audit::{
    AuditError, AuditFinding, AuditProblem, AuditReport, AuditVerdict, EventError, Logged, Page, Recorded, Review,
    SessionInfo, SessionReport, SessionState, Unfinished,
};

use crate::action;
use crate::bindings::exports::secure_log::audit::audit as wire;
use crate::bindings::secure_log::log::types::LogError;
use crate::bindings::secure_log::log::writer;
use crate::event;

/// Why something failed, with the very error of the log.
pub(crate) type Failed = AuditError<LogError>;

pub(crate) fn error(error: Failed) -> wire::AuditError {
    use wire::AuditError as Wire;
    match error {
        AuditError::Event(problem) => Wire::Event(event::error(problem)),
        AuditError::Payload { seqno, problem } => Wire::Payload(bad_payload(seqno, problem)),
        AuditError::NotAnEvent(seqno) => Wire::NotAnEvent(seqno),
        AuditError::NothingBegun(seqno) => Wire::NothingBegun(seqno),
        AuditError::SaltNotKept { seqno, member } => Wire::SaltNotKept(wire::ConcealedMember { seqno, member }),
        AuditError::SaltErased(seqno) => Wire::SaltErased(seqno),
        AuditError::SessionNotFound(id) => Wire::SessionNotFound(id),
        AuditError::SessionEnded(id) => Wire::SessionEnded(id),
        AuditError::Log(error) => Wire::Log(error),
        // What is added later says at least what it is.
        other => Wire::Log(LogError::from(RandomError(other.to_string()))),
    }
}

pub(crate) fn recorded(recorded: &Recorded, id: String) -> wire::Recorded {
    let commit = &recorded.commit;
    wire::Recorded {
        seqno: recorded.seqno,
        entry_hash: recorded.hash.0.to_vec(),
        id,
        commit: writer::CommitInfo {
            size: commit.size,
            root: commit.root.0.to_vec(),
            signed: commit.signed,
            anchored: commit.anchored,
        },
    }
}

pub(crate) fn logged(logged: Logged) -> Result<wire::Logged, EventError> {
    let session = logged.session().map(str::to_owned);
    let (event_type, category) = (logged.event.event_type(), logged.event.category());
    Ok(wire::Logged {
        seqno: logged.seqno,
        timestamp_rfc3339: logged.time,
        stream_id: logged.stream,
        session,
        event_type,
        severity: logged.event.severity().into(),
        category: action::category_out(category)?,
        event: event::outgoing(logged.event)?,
    })
}

pub(crate) fn page(page: Page) -> wire::Page {
    let mut unreadable: Vec<_> =
        page.unreadable.into_iter().map(|(seqno, problem)| bad_payload(seqno, problem)).collect();
    let mut events = Vec::new();
    for found in page.events {
        let seqno = found.seqno;
        match logged(found) {
            Ok(event) => events.push(event),
            Err(problem) => unreadable.push(bad_payload(seqno, problem)),
        }
    }
    wire::Page { events, unreadable, next: page.next }
}

fn bad_payload(seqno: u64, problem: EventError) -> wire::BadPayload {
    wire::BadPayload { seqno, problem: event::error(problem) }
}

pub(crate) fn session(session: SessionInfo) -> wire::SessionInfo {
    wire::SessionInfo { id: session.id, number: session.number, began_at: session.began, state: state(session.state) }
}

fn state(state: SessionState) -> wire::SessionState {
    match state {
        SessionState::Open => wire::SessionState::Open,
        SessionState::Ended => wire::SessionState::Ended,
    }
}

pub(crate) fn session_report(report: SessionReport<LogError>) -> Result<wire::SessionReport, EventError> {
    Ok(wire::SessionReport {
        verdict: verdict(report.verdict),
        state: state(report.state),
        signed: report.signed,
        review: review(report.review)?,
        development_key: report.development_key,
    })
}

pub(crate) fn audit_report(report: AuditReport<writer::Report, LogError>) -> Result<wire::AuditReport, EventError> {
    Ok(wire::AuditReport {
        verdict: verdict(report.verdict),
        log: report.log,
        review: review(report.review)?,
        development_key: report.development_key,
    })
}

pub(crate) fn review(review: Review<LogError>) -> Result<wire::ReviewReport, EventError> {
    Ok(wire::ReviewReport {
        events: review.events,
        unfinished: review.unfinished.into_iter().map(unfinished).collect::<Result<_, _>>()?,
        unfinished_unlisted: review.unfinished_unlisted,
        findings: review.findings.into_iter().map(finding).collect(),
        findings_unlisted: review.findings_unlisted,
        beginnings_gone: review.beginnings_gone,
    })
}

fn unfinished(unfinished: Unfinished) -> Result<wire::Unfinished, EventError> {
    Ok(wire::Unfinished {
        seqno: unfinished.seqno,
        session: unfinished.session().map(str::to_owned),
        id: unfinished.id.to_string(),
        actor: event::actor_out(unfinished.actor)?,
        action: unfinished.action.to_string(),
    })
}

fn verdict(verdict: AuditVerdict<LogError>) -> wire::AuditVerdict {
    match verdict {
        AuditVerdict::Valid => wire::AuditVerdict::Valid,
        AuditVerdict::Incomplete => wire::AuditVerdict::Incomplete,
        AuditVerdict::Invalid(found) => wire::AuditVerdict::Invalid(finding(found)),
    }
}

fn finding(finding: AuditFinding<LogError>) -> wire::AuditFinding {
    use wire::AuditProblem as Wire;
    let text = finding.to_string();
    let problem = match finding.problem {
        AuditProblem::Log(error) => Wire::Log(error),
        AuditProblem::Payload(problem) => Wire::Payload(event::error(problem)),
        AuditProblem::EventType { expected, found } => Wire::EventType(wire::Difference { expected, found }),
        AuditProblem::Severity { expected, found } => {
            Wire::Severity(wire::Difference { expected: expected.to_string(), found })
        }
        AuditProblem::NotBegun(id) => Wire::NotBegun(id.to_string()),
        AuditProblem::AnotherAction(id) => Wire::AnotherAction(id.to_string()),
        AuditProblem::BegunTwice(id) => Wire::BegunTwice(id.to_string()),
        // What is added later says at least what it is.
        _ => Wire::Payload(event::error(action::unknown("event"))),
    };
    wire::AuditFinding { seqno: finding.seqno, problem, text }
}
