//! The audit profile, in a stack that has it: that every event comes back as it was recorded, that nothing is permitted unrecorded,
//! and that what is wrong is found.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wasmtime::error::Context;
use wasmtime::{Result, bail};

use super::{Done, Group, Step, checked, is_valid, no_place, not_applicable};
use crate::audit::LogError;
use crate::audit::actions::{Action, Category, Concealed, Custom, FileDelete, FileRead, McpToolCall, SessionEnded};
use crate::audit::audit::{AuditError, AuditProblem, AuditVerdict, Filter, Profile, SessionState};
use crate::audit::events::{
    Actor, Authorization, Capability, Event, EventError, Outcome, Principal, PrincipalKind, Target,
};
use crate::audit::guard::Refused;
use crate::audit::writer::{HashSuite, SigningRule, Verdict};
use crate::expect::{equal, holds, refused, shown};
use crate::host::Instance;
use crate::host::encoder::Severity;
use crate::keys::Keys;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "audit",
    about: "logs of their own, in which events of the audit profile are recorded",
    steps: &[
        Step { name: "every kind of event comes back as it was recorded, byte by byte", run: round_trips },
        Step { name: "what is typed here has the bytes that the reference reader wrote", run: typed },
        Step { name: "what is no event is refused by name, and nothing is written", run: not_events },
        Step { name: "sessions begin, are listed, verified alone and end, and stay so after a restart", run: sessions },
        Step { name: "an action begins only when that is durable, and its end is recorded", run: guarding },
        Step { name: "where the store fails nothing is permitted", run: failing_store },
        Step { name: "a review lists what has no end, also after a crash, until somebody records it", run: review },
        Step { name: "a trail has what somebody did and what was done for them, page by page", run: trails },
        Step { name: "a commitment is shown by its salt and its value alone", run: disclosing },
        Step {
            name: "a salt that the log keeps shows a value to who has the wrapping key, until it is erased",
            run: kept_salts,
        },
        Step { name: "an entry that claims to be an event and is none is found, and hides no other", run: pretenders },
        Step { name: "sessions under the keyed suite, and whose entries are signed", run: suites },
        Step { name: "until the log is open, every function says so", run: not_open },
    ],
};

const ENCODING: &str = "secure-log.audit.v1+json";
const NO_AUDIT: &str = "this stack has no audit profile";

/// A log of its own in a stack with the audit profile, and its config; or ends the step.
macro_rules! audit_log {
    ($session:ident, $name:expr) => {{
        if !$session.has_audit() {
            return not_applicable(NO_AUDIT);
        }
        let Some((mut log, config)) = $session.elsewhere($name)? else { return no_place() };
        log.open(&config)??;
        log
    }};
}

/// The same log in another instance.
fn again(session: &Session, name: &str) -> Result<Instance> {
    let (mut log, config) = session.elsewhere(name)?.context("there was a place before")?;
    log.open_existing(&config)??;
    Ok(log)
}

fn principal(kind: PrincipalKind, id: &str) -> Principal {
    Principal { kind, id: id.into() }
}

fn event(action: Action) -> Event {
    Event {
        id: None,
        actor: Actor {
            who: principal(PrincipalKind::Agent, "agent-7"),
            on_behalf_of: Some(principal(PrincipalKind::User, "alice")),
        },
        action,
        target: None,
        authorization: Authorization::NotRequired,
        outcome: Outcome::Success,
        correlation: None,
        completes: None,
        details: None,
    }
}

fn reading(path: &str) -> Event {
    event(Action::FileRead(FileRead { path: path.into(), content: None }))
}

fn deleting(path: &str) -> Event {
    event(Action::FileDelete(FileDelete { path: path.into() }))
}

fn ending() -> Event {
    event(Action::SessionEnded(SessionEnded { reason: Some("the user left".into()) }))
}

/// Events of every kind and outcome as the reference reader wrote them: event type and payload; none where the project is not around.
fn golden() -> Result<Option<Vec<(String, String)>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/secure-log/audit/events.json");
    if !path.is_file() {
        return Ok(None);
    }
    let file: Value = serde_json::from_slice(&fs::read(path)?)?;
    let text = |case: &Value, name: &str| case[name].as_str().map(str::to_owned).context("a text");
    let events = file["events"].as_array().context("the vectors have events")?;
    events.iter().map(|case| Ok((text(case, "event_type")?, text(case, "payload")?))).collect::<Result<_>>().map(Some)
}

fn round_trips(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-kinds");
    let Some(events) = golden()? else { return not_applicable("the vectors are not beside this program") };
    let mut kinds = BTreeSet::new();
    let mut batch = Vec::new();
    for (name, payload) in &events {
        let parsed = log.audit()?.parse_event(payload)??;
        equal(name, String::from_utf8(log.audit()?.encode_event(&parsed)??)?, payload.clone())?;
        let kind = shown(&parsed.action);
        kinds.insert(kind.split('(').next().unwrap_or_default().to_owned());
        // What is about to begin is recorded by a guard alone.
        let recorded = if parsed.outcome == Outcome::Begun {
            let permit = log.audit()?.begin("kinds", &parsed)?;
            let permit = permit.map_err(|refused| wasmtime::format_err!("{name}: {}", shown(&refused)))?;
            let begun = log.audit()?.begun(permit)?;
            log.audit()?.drop_permit(permit)?;
            begun
        } else {
            batch.push(parsed.clone());
            log.audit()?.record("kinds", &parsed)??
        };
        let entry = log.read(recorded.seqno)??;
        equal(name, String::from_utf8(entry.payload)?, payload.clone())?;
        equal(name, (entry.event_type.as_str(), entry.payload_encoding.as_str()), (name.as_str(), ENCODING))?;
        let logged = log.audit()?.read(recorded.seqno)??;
        equal(name, (&logged.event, logged.session.as_deref()), (&parsed, Some("kinds")))?;
        equal(name, (logged.event_type, shown(&logged.severity)), (entry.event_type, shown(&entry.severity)))?;
    }
    equal("kinds of actions", kinds.len(), 41)?;
    let recorded = log.audit()?.record_batch("batch", &batch)??;
    for (recorded, event) in recorded.iter().zip(&batch) {
        equal("an event of a batch", &log.audit()?.read(recorded.seqno)??.event, event)?;
    }
    equal("events of the batch", recorded.len(), batch.len())?;
    is_valid(&mut log)?;
    checked(format!("{} events of {} kinds", events.len(), kinds.len()))
}

fn typed(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-typed");
    let commitment = |byte| Some(Concealed::Commitment(vec![byte; 32]));
    let call = Action::McpToolCall(McpToolCall {
        server: "files".into(),
        tool: "read_text".into(),
        arguments: commitment(1),
        result: commitment(2),
    });
    let full = Event {
        id: Some("a999c478-4285-4e8d-9433-9a3402c0ba9e".into()),
        target: Some(Target { kind: "file".into(), id: "/etc/hosts".into() }),
        authorization: Authorization::Capability(Capability { token: "cap-7".into(), token_hash: vec![3; 32] }),
        outcome: Outcome::Failure("no such file".into()),
        correlation: Some("request-1".into()),
        completes: Some("0a7d8714-3178-4c00-b1a0-68cda9f0d65d".into()),
        details: Some(r#"{ "z": 1.0, "a": [true, null] }"#.into()),
        ..event(call)
    };
    let custom = Custom {
        name: "invoice.paid".into(),
        category: Category::Security,
        document: r#"{"invoice": "2026-118"}"#.into(),
    };
    let custom = Event { id: full.id.clone(), ..event(Action::Custom(custom)) };
    let hex = |byte: u8| const_hex::encode([byte; 32]);
    for (event, expected) in [
        (
            &full,
            format!(
                r#"{{"action":{{"arguments":{{"commitment":"{}"}},"kind":"mcp-tool-call","result":{{"commitment":"{}"}},"server":"files","tool":"read_text"}},"actor":{{"id":"agent-7","kind":"agent","on_behalf_of":{{"id":"alice","kind":"user"}}}},"authorization":{{"kind":"capability","token":"cap-7","token_hash":"{}"}},"category":"activity","completes":"0a7d8714-3178-4c00-b1a0-68cda9f0d65d","correlation":"request-1","details":{{"a":[true,null],"z":1}},"id":"a999c478-4285-4e8d-9433-9a3402c0ba9e","outcome":{{"reason":"no such file","result":"failure"}},"target":{{"id":"/etc/hosts","kind":"file"}}}}"#,
                hex(1),
                hex(2),
                hex(3)
            ),
        ),
        (
            &custom,
            r#"{"action":{"category":"security","document":{"invoice":"2026-118"},"kind":"custom","name":"invoice.paid"},"actor":{"id":"agent-7","kind":"agent","on_behalf_of":{"id":"alice","kind":"user"}},"authorization":{"kind":"not-required"},"category":"security","id":"a999c478-4285-4e8d-9433-9a3402c0ba9e","outcome":{"result":"success"}}"#.into(),
        ),
    ] {
        equal("the payload", String::from_utf8(log.audit()?.encode_event(event)??)?, expected)?;
    }
    let one = log.audit()?.new_id()??;
    holds("no two ids are the same", one != log.audit()?.new_id()??)?;
    let recorded = log.audit()?.record("typed", &reading("/a"))??;
    equal("the id that was drawn", log.audit()?.read(recorded.seqno)??.event.id, Some(recorded.id.clone()))?;
    equal("the hash", log.last_hash("session/typed")??, Some(recorded.entry_hash))?;
    let commit = recorded.commit;
    equal("its commit", (commit.size, commit.root), (recorded.seqno, log.status()??.root))?;
    checked("every member in its place")
}

fn not_events(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-refused");
    log.audit()?.record("good", &reading("/a"))??;
    let other = log.append("other", "e", Severity::Info, "verify", b"no event")??.seqno;
    let size = log.status()??.size;
    let mut refusals = 0;
    for (bad, expected) in [
        (Event { id: Some("7".into()), ..reading("/a") }, "Unusable"),
        (Event { completes: Some("A999C478-4285-4E8D-9433-9A3402C0BA9E".into()), ..reading("/a") }, "Unusable"),
        (reading(""), "Unusable"),
        (reading("\u{ffff}"), "Json"),
        (Event { details: Some("[]".into()), ..reading("/a") }, "Unusable"),
        (Event { details: Some("{}".into()), ..reading("/a") }, "Unusable"),
        (Event { details: Some(r#"{"a":1,"a":2}"#.into()), ..reading("/a") }, "Json"),
        (Event { details: Some(r#"{"a":"\ud800"}"#.into()), ..reading("/a") }, "Json"),
        (Event { details: Some(r#"{"a":1e400}"#.into()), ..reading("/a") }, "Json"),
        (Event { authorization: Authorization::Denied("no".into()), ..reading("/a") }, "Contradiction"),
        (Event { outcome: Outcome::Begun, ..reading("/a") }, "Contradiction"),
        (Event { outcome: Outcome::Failure(String::new()), ..reading("/a") }, "Unusable"),
        (
            event(Action::FileRead(FileRead { path: "/a".into(), content: Some(Concealed::Sha256(vec![0; 31])) })),
            "Unusable",
        ),
    ] {
        for answer in [
            log.audit()?.record("good", &bad)?.map(drop),
            log.audit()?.record_signed("good", &bad)?.map(drop),
            log.audit()?.record_batch("good", &[reading("/b"), bad.clone()])?.map(drop),
        ] {
            match answer {
                Err(AuditError::Event(problem)) if format!("{problem:?}").contains(expected) => refusals += 1,
                other => bail!("{}: expected the refusal {expected}, found {}", shown(&bad), shown(&other)),
            }
        }
    }
    let unnamed = log.audit()?.encode_event(&reading("/a"))?;
    refused!("the payload of an event without an id", unnamed, EventError::Missing(member) if member.member == "id")?;
    refused!("no JSON", log.audit()?.parse_event("{")?, AuditError::Event(EventError::Json(_)))?;
    refused!("no event", log.audit()?.parse_event("{}")?, AuditError::Event(EventError::Missing(_)))?;
    refused!("a session without a name", log.audit()?.record("", &reading("/a"))?, AuditError::Event(_))?;
    let long = "s".repeat(1000);
    refused!("a long name", log.audit()?.record(&long, &reading("/a"))?, AuditError::Log(LogError::Invalid(_)))?;
    refused!("reading what is no event", log.audit()?.read(other)?, AuditError::NotAnEvent(at) if at == other)?;
    refused!("reading what is not there", log.audit()?.read(99)?, AuditError::Log(LogError::EntryNotFound(99)))?;
    refused!("the end of what did not begin", log.audit()?.end_of(1, &Outcome::Success)?, AuditError::NothingBegun(1))?;
    refused!("no such session", log.audit()?.verify_session("no")?, AuditError::SessionNotFound(id) if id == "no")?;
    let profile = Profile { producer: String::new(), suite: HashSuite::Sha256, sign: SigningRule::None };
    refused!("a producer without a name", log.audit()?.set_profile(&profile)?, AuditError::Log(LogError::Invalid(_)))?;
    equal("the size after all of these", log.status()??.size, size)?;
    checked(format!("{} refusals, and nothing was written", refusals + 10))
}

fn sessions(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-sessions");
    log.append("other", "e", Severity::Info, "verify", b"of another program")??;
    log.audit()?.begin_session("empty")??;
    log.audit()?.begin_session("empty")??;
    for (id, count) in [("one", 3), ("two", 1)] {
        for at in 0..count {
            log.audit()?.record(id, &reading(&format!("/{at}")))??;
        }
    }
    let bad = log.audit()?.end_session("one", &reading("/a"))?;
    refused!("an end with another action", bad, AuditError::Event(EventError::Contradiction(_)))?;
    let ended = log.audit()?.end_session("one", &ending())??;
    equal("the commit of the end", ended.commit.size, log.status()??.size)?;
    for answer in [
        log.audit()?.record("one", &reading("/late"))?.map(drop),
        log.audit()?.record_batch("one", &[reading("/late")])?.map(drop),
        log.audit()?.record_signed("one", &reading("/late"))?.map(drop),
        log.audit()?.end_session("one", &ending())?.map(drop),
    ] {
        refused!("recording in a session that ended", answer, AuditError::SessionEnded(id) if id == "one")?;
    }
    let found = log.audit()?.sessions(0, 2)??;
    equal(
        "a page of sessions",
        found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
        ["empty", "one"].to_vec(),
    )?;
    let next = log.audit()?.sessions(found[1].number, 100)??;
    equal("the next one", next.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["two"].to_vec())?;
    holds("they say when they began", found.iter().all(|one| one.began_at.ends_with('Z')))?;
    for round in 0..2 {
        let report = log.audit()?.verify_session("one")??;
        equal("the verdict on a session", &report.verdict, &AuditVerdict::Valid)?;
        equal("its state and events", (report.state, report.review.events), (SessionState::Ended, 4))?;
        let report = log.audit()?.verify_session("two")??;
        equal("the state of the other one", (report.state, report.review.events), (SessionState::Open, 1))?;
        equal("no key of the library is used", report.development_key, false)?;
        let report = log.audit()?.verify()??;
        equal(
            "the verdict on the log",
            (&report.verdict, &report.log.verdict),
            (&AuditVerdict::Valid, &Verdict::Valid),
        )?;
        equal("events of the log", (report.review.events, report.development_key), (5, false))?;
        if round == 0 && session.outlives() {
            drop(log);
            log = again(session, "audit-sessions")?;
        }
    }
    checked(if session.outlives() { "three sessions, before and after a restart" } else { "three sessions" })
}

fn guarding(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-guard");
    let begun_event = Event { outcome: Outcome::Failure("does not matter".into()), ..reading("/etc/hosts") };
    let permit = begin(&mut log, "s", &begun_event)?;
    let begun = log.audit()?.begun(permit)?;
    let intent = log.audit()?.read(begun.seqno)??;
    equal(
        "what is durable before it is permitted",
        (&intent.event.outcome, &intent.event.id),
        (&Outcome::Begun, &Some(begun.id.clone())),
    )?;
    equal("its entry", intent.event_type.as_str(), "file-read.begun")?;
    let Action::FileRead(read) = log.audit()?.action(permit)?? else { bail!("another action was begun") };
    let more = Action::FileRead(FileRead { content: Some(Concealed::Sha256(vec![7; 32])), ..read });
    log.audit()?.set_action(permit, &more)??;
    let another = Action::FileDelete(FileDelete { path: "/etc/hosts".into() });
    let answer = log.audit()?.set_action(permit, &another)?;
    refused!("another action", answer, AuditError::Event(EventError::Contradiction(_)))?;
    let end = log.audit()?.complete(permit, &Outcome::Success)??;
    let ended = log.audit()?.read(end.seqno)??;
    equal("what the end says", (&ended.event.action, &ended.event.completes), (&more, &Some(begun.id.clone())))?;
    holds("it has an id of its own", end.id != begun.id)?;

    let permit = begin(&mut log, "s", &deleting("/a"))?;
    let end = log.audit()?.complete(permit, &Outcome::Failure("no such file".into()))??;
    equal("how it failed", log.audit()?.read(end.seqno)??.event_type.as_str(), "file-delete.failure")?;

    let size = log.status()??.size;
    let denied = Event { authorization: Authorization::Denied("no capability".into()), ..deleting("/b") };
    match log.audit()?.begin("s", &denied)? {
        Err(Refused::Denied(denial)) => {
            equal("why", denial.reason.as_str(), "no capability")?;
            let said = log.audit()?.read(denial.recorded.seqno)??;
            equal("that it was asked for", said.event_type.as_str(), "file-delete.denied")?;
        }
        other => bail!("what no right allows: expected a denial, found {}", shown(&other.map(drop))),
    }
    equal("entries of a denial", log.status()??.size, size + 1)?;
    match log.audit()?.begin("s", &Event { details: Some("1".into()), ..deleting("/c") })? {
        Err(Refused::Unrecorded(AuditError::Event(_))) => {}
        other => bail!("what cannot be recorded: expected a refusal, found {}", shown(&other.map(drop))),
    }
    log.audit()?.end_session("s", &ending())??;
    match log.audit()?.begin("s", &deleting("/d"))? {
        Err(Refused::Unrecorded(AuditError::SessionEnded(_))) => {}
        other => bail!("in a session that ended: expected a refusal, found {}", shown(&other.map(drop))),
    }
    let review = log.audit()?.review()??;
    equal("what has no end, and does not fit", (review.unfinished.len(), review.findings.len()), (0, 0))?;
    is_valid(&mut log)?;
    checked("two actions that ended, one that was denied, two that could not be recorded")
}

fn begin(log: &mut Instance, session: &str, event: &Event) -> Result<wasmtime::component::ResourceAny> {
    log.audit()?.begin(session, event)?.map_err(|refused| wasmtime::format_err!("begin: {}", shown(&refused)))
}

/// A native process has the database: that is what the file beside it says to a component, which then reads and writes nothing.
fn failing_store(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-failing");
    if !session.has_files() {
        return not_applicable("this store has no file that could be taken away");
    }
    log.audit()?.record("s", &reading("/a"))??;
    let under_way = begin(&mut log, "s", &deleting("/b"))?;
    let mut beside = session.elsewhere_file("audit-failing").into_os_string();
    beside.push("-shm");
    fs::write(&beside, b"")?;
    if log.append("other", "e", Severity::Info, "verify", b"x")?.is_ok() {
        fs::remove_file(&beside)?;
        return not_applicable(
            "this store is none of SQLite, and nothing that can be done to its file from here makes it fail",
        );
    }
    let mut refusals = Vec::new();
    for _ in 0..3 {
        match log.audit()?.begin("s", &deleting("/c"))? {
            Err(Refused::Unrecorded(AuditError::Log(error))) => refusals.push(error),
            other => bail!("a store that fails: expected no permit, found {}", shown(&other.map(drop))),
        }
    }
    let answer = log.audit()?.complete(under_way, &Outcome::Success)?;
    refused!("the end of what was under way", answer, AuditError::Log(_))?;
    fs::remove_file(&beside)?;
    let permit = begin(&mut log, "s", &deleting("/d"))?;
    log.audit()?.complete(permit, &Outcome::Success)??;
    for round in 0..2 {
        let review = log.audit()?.review()??;
        let left: Vec<_> = review.unfinished.iter().map(|one| (one.action.as_str(), one.seqno)).collect();
        equal("events, and what has no end", (review.events, left), (4, vec![("file-delete", 2)]))?;
        if round == 0 {
            drop(log);
            log = again(session, "audit-failing")?;
        }
    }
    is_valid(&mut log)?;
    checked(format!("no permit: {}", shown(&refusals[0])))
}

fn review(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-review");
    let dropped = begin(&mut log, "s", &deleting("/dropped"))?;
    log.audit()?.drop_permit(dropped)?;
    begin(&mut log, "t", &reading("/crashed"))?;
    if session.outlives() {
        drop(log);
        log = again(session, "audit-review")?;
    }
    let review = log.audit()?.review()??;
    let left: Vec<_> = review.unfinished.iter().map(|one| (one.session.as_deref(), one.action.as_str())).collect();
    equal("what has no end", left, vec![(Some("s"), "file-delete"), (Some("t"), "file-read")])?;
    equal("findings", (review.findings.len(), review.unfinished_unlisted, review.beginnings_gone), (0, 0, 0))?;
    equal("who began it", review.unfinished[0].actor.who.id.as_str(), "agent-7")?;
    for (left, outcome) in review.unfinished.iter().zip([Outcome::Success, Outcome::Failure("it was not there".into())])
    {
        let end = log.audit()?.end_of(left.seqno, &outcome)??;
        equal("the end completes it", &end.completes, &Some(left.id.clone()))?;
        log.audit()?.record(left.session.as_deref().context("it has a session")?, &end)??;
    }
    equal("what has no end now", log.audit()?.review()??.unfinished.len(), 0)?;
    // Once more: that did not begin, or ended already.
    let end = log.audit()?.end_of(review.unfinished[0].seqno, &Outcome::Success)??;
    log.audit()?.record("s", &end)??;
    let report = log.audit()?.verify()??;
    match report.verdict {
        AuditVerdict::Invalid(finding) => {
            equal("the finding", finding.problem, AuditProblem::NotBegun(review.unfinished[0].id.clone()))?;
            holds("it is said in a sentence", finding.text.contains(&review.unfinished[0].id))?;
        }
        other => bail!("a second end: expected invalid, found {}", shown(&other)),
    }
    holds("the log itself is valid", report.log.verdict == Verdict::Valid)?;
    checked("two actions without an end; a second end of one is found")
}

fn trails(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-trails");
    let bob = principal(PrincipalKind::Service, "bob");
    for at in 0..30 {
        let mut event = reading(&format!("/{at}"));
        event.correlation = Some(format!("request-{}", at % 3));
        if at % 2 == 1 {
            event.actor = Actor { who: bob.clone(), on_behalf_of: None };
        }
        log.audit()?.record(if at < 15 { "early" } else { "late" }, &event)??;
    }
    let violation = r#"{"actor":{"kind":"system","id":"gate"},"authorization":{"kind":"system"},
        "action":{"kind":"security-violation","rule":"r","finding":"f"}}"#;
    let violation = log.audit()?.parse_event(violation)??;
    log.audit()?.record("late", &violation)??;
    for (of, expected) in [
        (principal(PrincipalKind::Agent, "agent-7"), 15),
        (principal(PrincipalKind::User, "alice"), 15),
        (bob.clone(), 15),
        (principal(PrincipalKind::User, "bob"), 0),
    ] {
        let (mut found, mut from) = (0, 1);
        loop {
            let page = log.audit()?.trail(&of, from, 4)??;
            holds("a page holds as much as was asked for", page.events.len() <= 4)?;
            found += page.events.len();
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        equal(&format!("the trail of {of:?}"), found, expected)?;
    }
    let any = Filter { actor: None, category: None, session: None, correlation: None };
    let mut count = |filter: Filter| -> Result<usize> { Ok(log.audit()?.list_events(&filter, 1, 1000)??.events.len()) };
    equal("all", count(any.clone())?, 31)?;
    equal("security", count(Filter { category: Some(Category::Security), ..any.clone() })?, 1)?;
    equal("a session", count(Filter { session: Some("early".into()), ..any.clone() })?, 15)?;
    equal("a correlation", count(Filter { correlation: Some("request-1".into()), ..any.clone() })?, 10)?;
    let both = Filter { actor: Some(bob), session: Some("late".into()), ..any };
    equal("an actor in a session", count(both)?, 8)?;
    checked("four trails, five filters")
}

fn disclosing(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-disclosing");
    let secret = b"the password is swordfish";
    let one = log.audit()?.conceal(secret)??;
    let other = log.audit()?.conceal(secret)??;
    holds("two commitments to one value differ", one.concealed != other.concealed && one.salt != other.salt)?;
    let Concealed::Commitment(hash) = &other.concealed else { bail!("it is no commitment") };
    let details = format!(r#"{{"answer":{{"commitment":"{}"}}}}"#, const_hex::encode(hash));
    let action = Action::FileRead(FileRead { path: "/a".into(), content: Some(one.concealed.clone()) });
    let seqno = log.audit()?.record("s", &Event { details: Some(details), ..event(action) })??.seqno;
    for (member, salt, value, expected) in [
        ("content", &one.salt, &secret[..], true),
        ("details.answer", &other.salt, secret, true),
        ("content", &other.salt, secret, false),
        ("content", &one.salt, b"the password is catfish", false),
        ("path", &one.salt, secret, false),
        ("nothing", &one.salt, secret, false),
    ] {
        equal(member, log.audit()?.discloses(seqno, member, salt, value)??, expected)?;
    }
    let answer = log.audit()?.discloses(seqno, "content", &[0; 31], secret)?;
    refused!("a salt of another length", answer, AuditError::Event(EventError::Unusable(_)))?;
    let payload = log.read(seqno)??.payload;
    holds("the entry does not have it", !String::from_utf8_lossy(&payload).contains("swordfish"))?;
    checked("two commitments")
}

const KEK: &str = "SECURE_LOG_KEK_LABEL";

fn kept_salts(session: &mut Session) -> Result<Done> {
    if !session.has_audit() {
        return not_applicable(NO_AUDIT);
    }
    if !session.keys.are_given {
        return not_applicable("this stack's keystore takes no keys from variables");
    }
    let (right, wrong) = (super::keystore::seed(), super::keystore::seed());
    let open = |seed: &str| -> Result<Option<Instance>> {
        let around = |_: &Keys, around: crate::host::Surroundings| {
            let around = around.without("SECURE_LOG_KEYSTORE").variable("SECURE_LOG_KEYSTORE_SEED", seed);
            around.variable(KEK, "audit-kek")
        };
        let Some((mut log, config)) = session.elsewhere_with("audit-salts", around)? else { return Ok(None) };
        // Under another seed the log's own key is another one, too.
        Ok(log.open(&config)?.is_ok().then_some(log))
    };
    let Some(mut log) = open(&right)? else { return no_place() };
    let secret = b"the password is swordfish";
    let keep = |log: &mut Instance, session: &str| -> Result<u64> {
        let id = log.audit()?.new_id()??;
        let content = Some(log.audit()?.conceal_sealed(session, &id, "content", secret)??);
        let action = Action::FileRead(FileRead { path: "/a".into(), content });
        Ok(log.audit()?.record(session, &Event { id: Some(id), ..event(action) })??.seqno)
    };
    let (gone, kept) = (keep(&mut log, "s")?, keep(&mut log, "t")?);
    for seqno in [gone, kept] {
        equal("the value", log.audit()?.discloses_sealed(seqno, "content", secret)??, true)?;
        equal("another one", log.audit()?.discloses_sealed(seqno, "content", b"catfish")??, false)?;
    }
    let answer = log.audit()?.discloses_sealed(gone, "path", secret)?;
    refused!("a member that is not concealed", answer, AuditError::SaltNotKept(of) if of.seqno == gone && of.member == "path")?;
    let answer = log.audit()?.conceal_sealed("s", "7", "content", secret)?;
    refused!("an id that is none", answer, AuditError::Event(EventError::Unusable(_)))?;
    equal("data keys of the salts of a session", log.audit()?.erase_salts("s")??, 1)?;
    refused!("salts of no session", log.audit()?.erase_salts("u")?, AuditError::SessionNotFound(id) if id == "u")?;
    if session.outlives() {
        drop(log);
        holds("under another seed the log does not open", open(&wrong)?.is_none())?;
        log = open(&right)?.context("there was a place before")?;
    }
    let answer = log.audit()?.discloses_sealed(gone, "content", secret)?;
    refused!("the value, once its salt is erased", answer, AuditError::SaltErased(at) if at == gone)?;
    equal("that of another session", log.audit()?.discloses_sealed(kept, "content", secret)??, true)?;
    let report = log.audit()?.verify()??;
    equal("the verdict", (&report.verdict, report.log.erased), (&AuditVerdict::Valid, 1))?;
    checked("two salts, one of which is gone")
}

fn pretenders(session: &mut Session) -> Result<Done> {
    let mut log = audit_log!(session, "audit-pretenders");
    log.audit()?.record("s", &reading("/a"))??;
    let id = "3f2b8c1e-9d4a-4f6b-8a7c-1e2d3c4b5a69";
    let payload = log.audit()?.encode_event(&Event { id: Some(id.into()), ..reading("/b") })??;
    let spaced = [&payload[..], b" "].concat();
    for (event_type, severity, payload) in [
        ("file-read.success", Severity::Info, &b"{}"[..]),
        ("file-read.success", Severity::Info, &spaced),
        ("file-read.denied", Severity::Info, &payload),
        ("file-read.success", Severity::Debug, &payload),
    ] {
        log.append_with_encoding("session/s", event_type, severity, "another", payload, ENCODING)??;
    }
    log.audit()?.record("s", &reading("/c"))??;
    let any = Filter { actor: None, category: None, session: None, correlation: None };
    let page = log.audit()?.list_events(&any, 1, 1000)??;
    let unreadable: Vec<u64> = page.unreadable.iter().map(|bad| bad.seqno).collect();
    equal("events, and what is none", (page.events.len(), unreadable), (2, vec![2, 3, 4, 5]))?;
    refused!("reading one", log.audit()?.read(2)?, AuditError::Payload(bad) if bad.seqno == 2)?;
    let report = log.audit()?.verify_session("s")??;
    let problems: Vec<_> = report.review.findings.iter().map(|finding| finding.seqno).collect();
    equal("findings", problems, vec![Some(2), Some(3), Some(4), Some(5)])?;
    let found = &report.review.findings;
    holds(
        "each for its own reason",
        matches!(
            [&found[0].problem, &found[1].problem, &found[2].problem, &found[3].problem],
            [
                AuditProblem::Payload(EventError::Missing(_)),
                AuditProblem::Payload(_),
                AuditProblem::EventType(_),
                AuditProblem::Severity(_)
            ]
        ),
    )?;
    holds("the verdict is invalid", matches!(report.verdict, AuditVerdict::Invalid(_)))?;
    is_valid(&mut log)?;
    checked("four entries that are no events, in a log that is valid as such")
}

const MAC: &str = "SECURE_LOG_MAC_LABEL";

fn suites(session: &mut Session) -> Result<Done> {
    if !session.has_audit() {
        return not_applicable(NO_AUDIT);
    }
    if !session.keys.are_given {
        return not_applicable("this stack's keystore takes no keys from variables");
    }
    let seed = super::keystore::seed();
    let open = |label: Option<&str>| -> Result<Option<Instance>> {
        let around = |_: &Keys, around: crate::host::Surroundings| {
            let around = around.without("SECURE_LOG_KEYSTORE").without(MAC).variable("SECURE_LOG_KEYSTORE_SEED", &seed);
            label.map_or(around.clone(), |label| around.variable(MAC, label))
        };
        let Some((mut log, config)) = session.elsewhere_with("audit-suites", around)? else { return Ok(None) };
        log.open(&config)??;
        Ok(Some(log))
    };
    let Some(mut log) = open(None)? else { return no_place() };
    let profile = |suite, sign| Profile { producer: "verify 1".into(), suite, sign };
    log.audit()?.set_profile(&profile(HashSuite::HmacSha256, SigningRule::None))??;
    let answer = log.audit()?.record("keyed", &reading("/a"))?;
    refused!("the keyed suite without a key", answer, AuditError::Log(LogError::KeyNotFound(text)) if text.contains(MAC))?;
    log.audit()?.set_profile(&profile(HashSuite::Blake3, SigningRule::Entries))??;
    for at in 0..3 {
        let recorded = log.audit()?.record("signed", &reading(&format!("/{at}")))??;
        equal("who reports", log.read(recorded.seqno)??.producer.as_str(), "verify 1")?;
    }
    // What made the session is signed, too.
    equal("signed entries", log.audit()?.verify_session("signed")??.signed, 4)?;
    log.audit()?.set_profile(&profile(HashSuite::Sha256, SigningRule::None))??;
    log.audit()?.record("some", &reading("/a"))??;
    log.audit()?.record_signed("some", &reading("/b"))??;
    let report = log.audit()?.verify_session("some")??;
    equal("signed on request", (report.signed, &report.verdict), (1, &AuditVerdict::Valid))?;
    if !session.outlives() {
        return checked("signed entries; the keyed suite needs a log that can be opened again");
    }
    drop(log);
    let mut log = open(Some("mac-1"))?.context("there was a place before")?;
    log.audit()?.set_profile(&profile(HashSuite::HmacSha256, SigningRule::None))??;
    log.audit()?.record("keyed", &reading("/a"))??;
    let report = log.audit()?.verify_session("keyed")??;
    equal("with its key", (&report.verdict, report.development_key), (&AuditVerdict::Valid, false))?;
    for label in [None, Some("mac-2")] {
        drop(log);
        log = open(label)?.context("there was a place before")?;
        let report = log.audit()?.verify_session("keyed")??;
        equal("without its key, or with another one", &report.verdict, &AuditVerdict::Incomplete)?;
        let answer = log.audit()?.record("keyed", &reading("/b"))?;
        refused!("recording without its key", answer, AuditError::Log(LogError::MacKeyMissing(key)) if key.stream == "session/keyed" && key.configured.is_some() == label.is_some())?;
    }
    checked("three suites; without the key of a session its verdict is incomplete")
}

fn not_open(session: &mut Session) -> Result<Done> {
    if !session.has_audit() {
        return not_applicable(NO_AUDIT);
    }
    let Some((mut log, _)) = session.elsewhere("audit-not-open")? else { return no_place() };
    let any = Filter { actor: None, category: None, session: None, correlation: None };
    let begun = log.audit()?.begin("s", &reading("/a"))?;
    holds("no permit", matches!(begun, Err(Refused::Unrecorded(AuditError::Log(LogError::NotOpen)))))?;
    for answer in [
        log.audit()?.begin_session("s")?,
        log.audit()?.record("s", &reading("/a"))?.map(drop),
        log.audit()?.record_batch("s", &[reading("/a")])?.map(drop),
        log.audit()?.record_signed("s", &reading("/a"))?.map(drop),
        log.audit()?.end_session("s", &ending())?.map(drop),
        log.audit()?.discloses(1, "content", &[0; 32], b"")?.map(drop),
        log.audit()?.read(1)?.map(drop),
        log.audit()?.list_events(&any, 1, 1)?.map(drop),
        log.audit()?.trail(&principal(PrincipalKind::User, "alice"), 1, 1)?.map(drop),
        log.audit()?.sessions(0, 1)?.map(drop),
        log.audit()?.end_of(1, &Outcome::Success)?.map(drop),
        log.audit()?.verify_session("s")?.map(drop),
        log.audit()?.verify()?.map(drop),
        log.audit()?.review()?.map(drop),
    ] {
        refused!("a log that is not open", answer, AuditError::Log(LogError::NotOpen))?;
    }
    log.audit()?.new_id()??;
    log.audit()?.conceal(b"value")??;
    checked("fifteen refusals; what needs no log works")
}
