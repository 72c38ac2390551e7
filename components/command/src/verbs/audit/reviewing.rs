//! What reads: events, sessions, verdicts, and whether a value is what was recorded.

use secure_log_audit::{AuditVerdict, Category, Disclosure, Filter, Principal, PrincipalKind};
use serde_json::json;
use zeroize::Zeroizing;

use super::{ACTOR, Audit, CATEGORY, CORRELATION, FROM, LIMIT, SALT, SESSION, bytes_of, to_read, view};
use crate::arguments::{Given, number};
use crate::bindings::secure_log::log::types::LogError;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// So many are asked for at once.
const PAGE: usize = 500;

const CATEGORIES: [(&str, Category); 2] = [("activity", Category::Activity), ("security", Category::Security)];

pub(super) fn events(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let filter = Filter {
        actor: given.value(&ACTOR).map(principal).transpose()?,
        category: given.choice(&CATEGORY, &CATEGORIES)?,
        session: given.value(&SESSION).map(str::to_owned),
        correlation: given.value(&CORRELATION).map(str::to_owned),
    };
    let audit = to_read(given, out)?;
    list(given, out, |from, limit| Ok(audit.events(&filter, from, limit)?))
}

pub(super) fn trail(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let of = principal(given.required(1))?;
    let audit = to_read(given, out)?;
    list(given, out, |from, limit| Ok(audit.trail(&of, from, limit)?))
}

/// Prints pages until there are no more. An entry that claims to be an event and is none is named, and ends nothing.
fn list(
    given: &Given,
    out: &mut Output,
    page: impl Fn(u64, usize) -> Result<secure_log_audit::Page, Failure>,
) -> Result<Exit, Failure> {
    let mut from = given.number(&FROM)?.unwrap_or(1);
    let mut left = given.number(&LIMIT)?.unwrap_or(usize::MAX);
    let mut exit = Exit::Success;
    while left > 0 && out.is_read() {
        let found = page(from, left.min(PAGE))?;
        left -= found.events.len() + found.unreadable.len();
        for logged in found.events {
            out.row(&view::logged(&logged)?, &view::LOGGED_COLUMNS);
        }
        for (seqno, problem) in found.unreadable {
            exit = Exit::Invalid;
            out.row(&json!({ "unreadable": seqno, "what": problem.to_string() }), &["unreadable:", "what"]);
        }
        match found.next {
            Some(next) => from = next,
            None => break,
        }
    }
    Ok(exit)
}

pub(super) fn sessions(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let mut left = given.number(&LIMIT)?.unwrap_or(usize::MAX);
    let audit = to_read(given, out)?;
    let mut after = 0;
    while left > 0 && out.is_read() {
        let found = audit.sessions(after, left.min(PAGE))?;
        let Some(last) = found.last() else { break };
        after = last.number;
        left -= found.len();
        for session in found {
            out.row(&view::session(&session), &view::SESSION_COLUMNS);
        }
    }
    Ok(Exit::Success)
}

pub(super) fn verify(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let audit = to_read(given, out)?;
    let (exit, shown) = match given.operand(1) {
        Some(session) => {
            let report = audit.verify_session(session)?;
            (exit_of(&report.verdict), view::session_report(session, &report))
        }
        None => {
            let report = audit.verify()?;
            (exit_of(&report.verdict), view::audit_report(report))
        }
    };
    out.show(&shown);
    Ok(exit)
}

fn exit_of(verdict: &AuditVerdict<LogError>) -> Exit {
    match verdict {
        AuditVerdict::Valid => Exit::Success,
        AuditVerdict::Incomplete => Exit::Incomplete,
        AuditVerdict::Invalid(_) => Exit::Invalid,
    }
}

pub(super) fn review(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let review = to_read(given, out)?.review()?;
    for unfinished in &review.unfinished {
        out.row(&view::unfinished(unfinished), &view::UNFINISHED_COLUMNS);
    }
    for finding in &review.findings {
        out.row(&json!({ "finding": finding.to_string() }), &["finding:"]);
    }
    out.show(&view::counts(&review));
    Ok(if review.findings.is_empty() { Exit::Success } else { Exit::Invalid })
}

pub(super) fn disclose(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let seqno = number("SEQNO", given.required(1))?;
    let hex = |salt| {
        Disclosure::from_hex(salt).ok_or_else(|| Failure::usage("--salt: not 64 lower-case hexadecimal characters"))
    };
    let disclosure = given.value(&SALT).map(hex).transpose()?;
    let value = Zeroizing::new(bytes_of("the value", given.required(3))?);
    let audit: Audit = to_read(given, out)?;
    let member = given.required(2);
    let discloses = match disclosure {
        Some(disclosure) => audit.discloses(seqno, member, &disclosure, &value)?,
        None => audit.discloses_sealed(seqno, member, &value)?,
    };
    out.show(&json!({ "seqno": seqno, "member": member, "discloses": discloses }));
    Ok(if discloses { Exit::Success } else { Exit::Invalid })
}

/// `KIND:ID`, such as `agent:agent-7`.
fn principal(text: &str) -> Result<Principal, Failure> {
    let kinds = PrincipalKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    text.split_once(':')
        .and_then(|(kind, id)| Some(Principal { kind: PrincipalKind::from_word(kind)?, id: id.into() }))
        .ok_or_else(|| Failure::usage(format!("\"{text}\" is no actor, such as agent:agent-7; the kinds are {kinds}")))
}
