//! What is recorded, and reading it.

use secure_log::engine::NewEntry;
use secure_log::entry::{Severity, SigningRule};
use secure_log::error::LogError;
use secure_log::limits::{MAX_PAYLOAD_BYTES, Problem};
use secure_log_audit::{
    AUDIT_V1, Action, ActionKind, AuditError, AuditVerdict, Authorization, Category, Disclosure, Event, EventError,
    Filter, Json, JsonProblem, Outcome, OutcomeKind, Principal, SessionState,
};

use secure_log_testkit::OwnedRecord;

use crate::place::{Place, golden_events, reading};

/// An event that has nothing to do with an action of its own.
fn ending(audit: &secure_log_audit::AuditLog<crate::place::Store>) -> Event {
    let ended = Action::SessionEnded { reason: None };
    audit.event(Principal::user("alice"), Authorization::NotRequired, ended).unwrap()
}

#[test]
fn every_event_is_read_as_it_was_recorded_also_by_who_opens_the_log_later() {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("all").unwrap();
    let mut recorded = Vec::new();
    for (name, event) in golden_events() {
        if event.outcome.kind() == OutcomeKind::Begun || event.completes.is_some() {
            continue;
        }
        let seqno = session.record(&event).unwrap_or_else(|error| panic!("{name}: {error}")).seqno;
        let entry = audit.log().lock().read(seqno).unwrap();
        assert_eq!((entry.encoding.as_str(), entry.stream.as_str()), (AUDIT_V1, "session/all"), "{name}");
        assert_eq!((entry.event, entry.severity), (event.event_type(), event.severity().to_string()), "{name}");
        assert_eq!(entry.payload, event.encode().unwrap(), "{name}");
        recorded.push((seqno, event));
    }
    drop((session, audit));
    let audit = place.open();
    for (seqno, event) in &recorded {
        assert_eq!(audit.read(*seqno).unwrap().event, *event);
    }
    let report = audit.verify().unwrap();
    assert_eq!((&report.verdict, report.review.events), (&AuditVerdict::Valid, recorded.len() as u64), "{report:?}");
    assert!(!report.development_key);
}

#[test]
fn a_trail_has_what_somebody_did_and_what_was_done_for_them() {
    let place = Place::new();
    let audit = place.open();
    let record = |session: &str, actor: secure_log_audit::Actor, path: &str| {
        let action = Action::FileDelete { path: path.into() };
        let event = audit.event(actor, Authorization::System, action).unwrap().correlated(path);
        audit.session(session).unwrap().record(&event).unwrap().seqno
    };
    let alice = || Principal::user("alice");
    let own = record("a", alice().into(), "1");
    let others = record("b", Principal::user("bob").into(), "2");
    let agents = record("b", Principal::agent("agent-7").on_behalf_of(alice()), "3");
    // Of the same name, and another one.
    record("b", Principal::service("alice").into(), "4");
    let plain = NewEntry {
        stream: "session/a",
        event: "user.login",
        severity: Severity::Info,
        producer: "other",
        encoding: "text",
        payload: b"alice",
    };
    audit.log().append(&plain).unwrap();
    let seqnos = |filter: &Filter, from, limit| {
        let page = audit.events(filter, from, limit).unwrap();
        (page.events.iter().map(|event| event.seqno).collect::<Vec<_>>(), page.next)
    };
    let page = audit.trail(&alice(), 1, 10).unwrap();
    assert_eq!(page.events.iter().map(|event| event.seqno).collect::<Vec<_>>(), [own, agents]);
    let by_alice = Filter { actor: Some(alice()), ..Filter::default() };
    assert_eq!(seqnos(&by_alice, 1, 1), (vec![own], Some(agents)));
    assert_eq!(seqnos(&by_alice, agents, 1), (vec![agents], None));
    let in_b = Filter { session: Some("b".into()), ..Filter::default() };
    assert_eq!(seqnos(&in_b, 1, 2), (vec![others, agents], Some(agents + 1)));
    let third = Filter { correlation: Some("3".into()), ..Filter::default() };
    assert_eq!(seqnos(&third, 1, 9), (vec![agents], None));
    assert_eq!(seqnos(&Filter { category: Some(Category::Security), ..third }, 1, 9), (vec![], None));
    assert!(matches!(audit.read(others + 3), Err(AuditError::NotAnEvent(_))), "the entry of another program");
}

#[test]
fn more_events_than_a_page_holds_are_all_found() {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("long").unwrap();
    let events: Vec<Event> = (0..200).map(|n| reading(&audit, &n.to_string())).collect();
    session.record_batch(&events).unwrap();
    let (mut from, mut found) = (1, Vec::new());
    loop {
        let page = audit.trail(&Principal::user("alice"), from, 7).unwrap();
        found.extend(page.events.into_iter().map(|logged| logged.event));
        let Some(next) = page.next else { break };
        from = next;
    }
    assert_eq!(found, events);
    assert_eq!(audit.trail(&Principal::user("alice"), u64::MAX, 1).unwrap().events, []);
    assert_eq!(audit.review().unwrap().events, 200);
    assert_eq!(audit.verify_session("long").unwrap().review.events, 200);
}

#[test]
fn security_is_a_category_of_its_own_whatever_the_severity() {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("s").unwrap();
    let events = golden_events();
    let wanted = |kind: ActionKind| events.iter().find(|(_, event)| event.action.kind() == kind).unwrap().1.clone();
    let kinds =
        [ActionKind::FileRead, ActionKind::IntrusionAttempted, ActionKind::ApprovalRequested, ActionKind::Custom];
    session.record_batch(&kinds.map(wanted)).unwrap();
    let security = Filter { category: Some(Category::Security), ..Filter::default() };
    let page = audit.events(&security, 1, 9).unwrap();
    let found: Vec<_> =
        page.events.iter().map(|logged| (logged.event.action.kind(), logged.event.severity())).collect();
    let expected =
        [(ActionKind::IntrusionAttempted, Severity::Critical), (ActionKind::ApprovalRequested, Severity::Info)];
    assert_eq!(found, expected);
}

#[test]
fn sessions_are_listed_with_their_state_and_take_nothing_once_they_ended() {
    let place = Place::new();
    let audit = place.open();
    for id in ["one", "two", "three"] {
        let session = audit.session(id).unwrap();
        session.record(&reading(&audit, "/a")).unwrap();
    }
    let two = audit.session("two").unwrap();
    let kept = two.clone();
    assert!(matches!(two.clone().end(&reading(&audit, "/a")), Err(AuditError::Event(EventError::Contradiction(_)))));
    two.end(&ending(&audit)).unwrap();
    let ended = AuditError::SessionEnded("two".into());
    assert_eq!(kept.record(&reading(&audit, "/b")), Err(ended.clone()));
    assert_eq!(kept.record_signed(&reading(&audit, "/b")), Err(ended));
    let states: Vec<_> = audit.sessions(0, 9).unwrap().into_iter().map(|info| (info.id, info.state)).collect();
    let open = |id: &str| (id.to_owned(), SessionState::Open);
    assert_eq!(states, [open("one"), ("two".to_owned(), SessionState::Ended), open("three")]);
    let first = audit.sessions(0, 1).unwrap();
    assert_eq!((first.len(), audit.sessions(first[0].number, 9).unwrap().len()), (1, 2));
    assert_eq!(audit.verify_session("two").unwrap().state, SessionState::Ended);
    let plain = audit.verify_session("one").unwrap();
    assert_eq!((plain.verdict.as_str(), plain.state), ("valid", SessionState::Open));
    // A store cannot end a session by saying so.
    place.edit(|records| {
        for record in records {
            if let OwnedRecord::Stream(row) = record {
                row.deprecated.get_or_insert_with(|| row.created.clone());
            }
        }
    });
    let audit = place.open();
    assert_eq!(audit.sessions(0, 1).unwrap()[0].state, SessionState::Ended, "a list is what the store says");
    assert_eq!(audit.verify_session("one").unwrap().state, SessionState::Open);
    assert_eq!(audit.verify_session("four"), Err(AuditError::SessionNotFound("four".into())));
    for bad in ["", "a\nb", &"x".repeat(248)] {
        assert!(audit.session(bad).is_err(), "{bad:?}");
    }
    assert!(audit.session(&"x".repeat(247)).is_ok());
}

#[test]
fn a_session_can_require_signatures_and_an_event_can_ask_for_one() {
    let place = Place::new();
    let audit = place.open_with(|profile| profile.sign = SigningRule::Entries).unwrap();
    let vault = audit.session("vault").unwrap();
    vault.record(&reading(&audit, "/a")).unwrap();
    vault.record_signed(&reading(&audit, "/b")).unwrap();
    // Another opening with other rules leaves those of the session as they are.
    let audit = place.open();
    audit.session("vault").unwrap().record(&reading(&audit, "/c")).unwrap();
    assert_eq!(audit.verify_session("vault").unwrap().signed, 4, "with the entry that binds its rules");
    let plain = audit.session("plain").unwrap();
    plain.record(&reading(&audit, "/d")).unwrap();
    plain.record_signed(&reading(&audit, "/e")).unwrap();
    let report = audit.verify_session("plain").unwrap();
    assert_eq!((report.verdict, report.signed), (AuditVerdict::Valid, 1));
    let report = audit.verify().unwrap();
    assert_eq!((report.verdict, report.log.signatures), (AuditVerdict::Valid, 5));
}

#[test]
fn what_was_concealed_is_shown_later() {
    let place = Place::new();
    let audit = place.open();
    let arguments = br#"{"path":"/etc/hosts"}"#;
    let (recorded, disclosure) = audit.conceal(arguments).unwrap();
    let call = Action::McpToolCall {
        server: "files".into(),
        tool: "read".into(),
        arguments: Some(recorded),
        result: Some(secure_log_audit::Concealed::sha256(b"localhost")),
    };
    let event = audit.event(Principal::agent("agent-7"), Authorization::System, call).unwrap();
    let (answer, of_answer) = audit.conceal(b"yes").unwrap();
    let seqno = audit.session("s").unwrap().record(&event.detail("answer", answer)).unwrap().seqno;
    let payload = String::from_utf8(audit.log().lock().read(seqno).unwrap().payload).unwrap();
    assert!(!payload.contains("hosts") && !payload.contains(&*disclosure.to_hex()), "{payload}");
    let shown = |member: &str, disclosure: &Disclosure, value: &[u8]| audit.discloses(seqno, member, disclosure, value);
    assert_eq!(shown("arguments", &disclosure, arguments), Ok(true));
    assert_eq!(shown("details.answer", &of_answer, b"yes"), Ok(true));
    assert_eq!(shown("details.answer", &of_answer, b"no"), Ok(false));
    assert_eq!(shown("arguments", &disclosure, b"{}"), Ok(false));
    assert_eq!(shown("arguments", &Disclosure::from_salt([0; 32]), arguments), Ok(false));
    assert_eq!(shown("result", &disclosure, arguments), Ok(false));
    assert_eq!(shown("result", &disclosure, b"localhost"), Ok(false), "a plain hash is no commitment");
    assert!(matches!(audit.discloses(99, "arguments", &disclosure, arguments), Err(AuditError::Log(_))));
}

#[test]
fn events_up_to_the_payload_limit_with_hostile_text_come_back_whole() {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("large").unwrap();
    let hostile = "\0\u{1b}[2J\u{7f}\u{85}\u{202e}gpj.exe\u{200d}\u{feff}e\u{301}\u{10fffd}\u{1f469}\u{200d}\u{1f4bb}\"\\</script>\r\n";
    let with_text = |text: String| reading(&audit, "/a").detail("text", text);
    let overhead = with_text("x".into()).encode().unwrap().len() - 1;
    let spelled = with_text(hostile.into()).encode().unwrap().len() - overhead;
    let times = (MAX_PAYLOAD_BYTES - overhead) / spelled;
    let filled = hostile.repeat(times) + &"x".repeat(MAX_PAYLOAD_BYTES - overhead - times * spelled);
    let largest = with_text(filled.clone());
    assert_eq!(largest.encode().unwrap().len(), MAX_PAYLOAD_BYTES);
    let seqno = session.record(&largest).unwrap().seqno;
    assert_eq!(audit.read(seqno).unwrap().event, largest);
    let too_large = session.record(&with_text(filled + "x"));
    assert!(
        matches!(too_large, Err(AuditError::Event(EventError::Json(error))) if error.problem == JsonProblem::TooLong)
    );
    assert_eq!(audit.verify_session("large").unwrap().verdict, AuditVerdict::Valid);
}

#[test]
fn what_cannot_be_recorded_is_refused_and_nothing_is_written() {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("s").unwrap();
    session.record(&reading(&audit, "/a")).unwrap();
    let before = place.records();
    let good = || reading(&audit, "/b");
    let acted_by = |actor: Principal| Event { actor: actor.into(), ..good() };
    let custom = |name: &str| Event {
        action: Action::Custom { name: name.into(), category: Category::Activity, document: Json::Null },
        ..good()
    };
    let cases: Vec<(&str, Event)> = vec![
        ("a path that says nothing", Event { action: Action::FileDelete { path: "".into() }, ..good() }),
        ("a noncharacter", good().detail("\u{fffe}", 1)),
        ("an actor without an id", acted_by(Principal::user(""))),
        ("an actor of two lines", acted_by(Principal::user("a\nb"))),
        ("an actor with a long id", acted_by(Principal::user("a".repeat(256)))),
        (
            "a number that no double holds",
            Event { action: Action::ContextSummarised { messages: 1 << 53, summary: None }, ..good() },
        ),
        ("a name with a space", custom("a b")),
        ("a name in upper case", custom("A")),
        ("a name that is too long", custom(&"a".repeat(65))),
        ("a failure without a reason", good().ended(Outcome::failure(""))),
        ("denied and done", Event { authorization: Authorization::Denied { reason: "no".into() }, ..good() }),
        ("begun without a guard", good().ended(Outcome::Begun)),
        ("an empty target", good().on("", "1")),
        ("an empty correlation", good().correlated("")),
    ];
    for (why, event) in cases {
        let refused = session.record_batch(&[good(), event]);
        assert!(matches!(refused, Err(AuditError::Event(_))), "{why}: {refused:?}");
    }
    assert_eq!(place.records(), before);
    let unnamed = place.open_with(|profile| profile.producer = "".into()).map(|_| ());
    let Err(AuditError::Log(LogError::Invalid(invalid))) = unnamed else { panic!("{unnamed:?}") };
    assert_eq!((invalid.field, invalid.problem), ("producer", Problem::Empty));
}

#[test]
fn an_event_is_read_in_any_spelling_and_what_is_none_is_refused() {
    let id = secure_log_audit::EventId([7; 16]);
    let read = |text: &str| Event::from_json(Json::parse(text.as_bytes()).unwrap(), id);
    for (name, event) in golden_events() {
        let payload: serde_json::Value = serde_json::from_slice(&event.encode().unwrap()).unwrap();
        let spaced = serde_json::to_string_pretty(&payload).unwrap();
        assert_eq!(read(&spaced).as_ref(), Ok(&event), "{name}");
        let mut bare = payload.clone();
        for member in ["id", "category"] {
            bare.as_object_mut().unwrap().remove(member);
        }
        assert_eq!(read(&bare.to_string()), Ok(Event { id, ..event.clone() }), "{name}");
        let mut other = payload.clone();
        other["category"] = if payload["category"] == "security" { "activity" } else { "security" }.into();
        assert!(matches!(read(&other.to_string()), Err(EventError::Contradiction(_))), "{name}");
        let mut more = payload;
        more["colour"] = "red".into();
        assert!(matches!(read(&more.to_string()), Err(EventError::Unknown { .. })), "{name}");
    }
    let denied = r#"{"actor":{"kind":"user","id":"a"},"authorization":{"kind":"denied","reason":"no"},
        "action":{"kind":"session-started"}}"#;
    assert_eq!(read(denied).unwrap().outcome, Outcome::denied("no"));
    // What cannot be written is no event, however it was read.
    let done = denied.replacen('{', r#"{"outcome":{"result":"success"},"#, 1);
    assert!(matches!(read(&done), Err(EventError::Contradiction(_))));
    let empty = denied.replace(r#""denied","reason":"no""#, r#""system""#).replacen('{', r#"{"details":{},"#, 1);
    assert!(matches!(read(&empty), Err(EventError::Unusable { member: "details", .. })), "{empty}");
}

#[test]
fn a_session_is_made_at_once_where_that_is_asked_for() {
    let place = Place::new();
    let audit = place.open_with(|profile| profile.sign = SigningRule::Entries).unwrap();
    audit.session("signed").unwrap();
    let audit = place.open();
    let plain = audit.session("plain").unwrap();
    assert_eq!(audit.sessions(0, 10).unwrap().len(), 1, "the first event makes it");
    plain.begin().unwrap();
    plain.begin().unwrap();
    audit.session("signed").unwrap().begin().unwrap();
    let ids: Vec<String> = audit.sessions(0, 10).unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(ids, ["signed", "plain"]);
    audit.session("signed").unwrap().record(&reading(&audit, "/a")).unwrap();
    // What made the session is signed, too.
    assert_eq!(audit.verify_session("signed").unwrap().signed, 2, "it keeps the rules that it has");
}
