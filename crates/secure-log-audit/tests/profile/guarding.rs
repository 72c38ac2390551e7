//! No action runs without its durable entry, whatever the store does.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::store::SecureLogStore;
use secure_log_audit::{
    AUDIT_V1, Action, ActionKind, Actor, AuditError, AuditLog, AuditProblem, AuditVerdict, Authorization, Concealed,
    Event, EventError, EventId, Filter, Outcome, OutcomeKind, Principal, Refused, Review, RunError,
};
use secure_log_testkit::{Effect, Fault, FaultStore, SharedStore};

use crate::place::{Place, Store, reading};

/// The events in the store, whatever a log over it knows.
fn stored(place: &Place) -> Vec<Event> {
    let entries = place.records().into_iter().filter_map(|record| record.entry());
    entries.filter(|entry| entry.encoding == AUDIT_V1).map(|entry| Event::decode(&entry.payload).unwrap()).collect()
}

fn holds_intent(place: &Place, id: EventId) -> bool {
    stored(place).iter().any(|event| event.id == id && event.outcome == Outcome::Begun)
}

#[test]
fn what_runs_is_in_the_log_before_and_its_end_afterwards() {
    let place = Place::new();
    let audit = place.open();
    let guard = audit.session("s").unwrap().guard();
    let event = reading(&audit, "/a").correlated("request-1");
    let id = event.id;
    let done = guard.run(event.clone(), || {
        assert!(holds_intent(&place, id), "the action runs when its beginning is in the store");
        Ok::<_, &str>(7)
    });
    assert_eq!(done, Ok(7));
    let failed = guard.run(reading(&audit, "/b"), || Err::<(), _>("no such file"));
    assert_eq!(failed, Err(RunError::Failed("no such file")));
    let events = stored(&place);
    let outcomes: Vec<Outcome> = events.iter().map(|event| event.outcome.clone()).collect();
    assert_eq!(outcomes, [Outcome::Begun, Outcome::Success, Outcome::Begun, Outcome::failure("no such file")]);
    assert_eq!((events[1].completes, &events[1].correlation), (Some(id), &event.correlation));
    assert!(events[1].id != id && events[1].action == event.action);
    let report = audit.verify().unwrap();
    assert_eq!((report.verdict, report.review.unfinished), (AuditVerdict::Valid, vec![]));
}

#[test]
fn what_no_right_allows_is_recorded_and_does_not_run() {
    let place = Place::new();
    let audit = place.open();
    let guard = audit.session("s").unwrap().guard();
    let denied = Authorization::Denied { reason: "no capability".into() };
    let event = Event { authorization: denied, ..reading(&audit, "/a") };
    let run = guard.run(event, || -> Result<(), &str> { panic!("it ran") });
    let Err(RunError::Refused(Refused::Denied { reason, recorded })) = run else { panic!("{run:?}") };
    assert_eq!(
        (reason.as_str(), audit.read(recorded.seqno).unwrap().event.outcome),
        ("no capability", Outcome::denied("no capability"))
    );
    assert_eq!(audit.review().unwrap().unfinished, []);
}

#[test]
fn a_permit_that_is_dropped_and_a_panic_leave_an_action_without_an_end() {
    let place = Place::new();
    let audit = place.open();
    let guard = audit.session("s").unwrap().guard();
    let finished = guard.begin(reading(&audit, "/a")).ok().unwrap();
    let dropped = guard.begin(reading(&audit, "/b")).ok().unwrap();
    let (dropped_id, dropped_at) = (dropped.intent(), dropped.begun().seqno);
    drop(dropped);
    let panicking = reading(&audit, "/c");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        guard.run(panicking.clone(), || -> Result<(), &str> { panic!("on purpose") })
    }));
    assert!(panicked.is_err());
    finished.complete(Outcome::Success).unwrap();
    // As after a crash: another opening finds them.
    let audit = place.open();
    let review = audit.review().unwrap();
    let unfinished: Vec<EventId> = review.unfinished.iter().map(|unfinished| unfinished.id).collect();
    assert_eq!((unfinished, &review.findings), (vec![dropped_id, panicking.id], &vec![]));
    let first = &review.unfinished[0];
    assert_eq!((first.seqno, first.session(), first.action), (dropped_at, Some("s"), ActionKind::FileRead));
    assert_eq!(first.actor.who, Principal::agent("agent-7"));
    assert_eq!(audit.verify_session("s").unwrap().review.unfinished.len(), 2);
    the_log_lists_the_same(&audit, &review);
    // An operator finds out what became of it.
    let told = Event { completes: Some(dropped_id), ..reading(&audit, "/b") }.ended(Outcome::failure("it crashed"));
    audit.session("s").unwrap().record(&told).unwrap();
    let review = audit.review().unwrap();
    assert_eq!(review.unfinished.len(), 1);
    the_log_lists_the_same(&audit, &review);
}

#[test]
fn what_an_action_came_to_is_added_to_its_end_and_nothing_else_is() {
    let place = Place::new();
    let audit = place.open();
    let guard = audit.session("s").unwrap().guard();
    let mut permit = guard.begin(reading(&audit, "/a")).ok().unwrap();
    let (read, disclosure) = audit.conceal(b"secret").unwrap();
    let Action::FileRead { content, .. } = permit.action_mut() else { panic!("a file is read") };
    *content = Some(read);
    let seqno = permit.complete(Outcome::Success).unwrap().seqno;
    assert_eq!(audit.discloses(seqno, "content", &disclosure, b"secret"), Ok(true));
    let mut permit = guard.begin(reading(&audit, "/a")).ok().unwrap();
    *permit.action_mut() = Action::FileDelete { path: "/a".into() };
    let other = permit.complete(Outcome::Success);
    assert!(matches!(other, Err(AuditError::Event(EventError::Contradiction(_)))), "{other:?}");
    let permit = guard.begin(reading(&audit, "/a")).ok().unwrap();
    let begun = permit.complete(Outcome::Begun);
    assert!(matches!(begun, Err(AuditError::Event(EventError::Contradiction(_)))), "{begun:?}");
}

/// Guards three actions over a store that fails once, and answers how many calls of the store that took. Each action that
/// runs looks at the store beneath: its beginning is there.
fn run_guarded(place: &Place, fault: Option<Fault>) -> (u64, Vec<EventId>) {
    let (store, faults) = FaultStore::new(place.store.clone());
    let Ok(audit) = place.open_on(store, |_| ()) else { panic!("opening does not fail yet") };
    let before = faults.calls();
    if let Some(fault) = fault {
        faults.arm(fault);
    }
    let mut ran = Vec::new();
    let session = audit.session("s").unwrap();
    for path in ["/a", "/b", "/c"] {
        let event = reading(&audit, path);
        let id = event.id;
        let has_run = Cell::new(false);
        let result = session.guard().run(event, || {
            assert!(holds_intent(place, id), "{path} ran and the store does not have it: {fault:?}");
            has_run.set(true);
            Ok::<_, &str>(())
        });
        let refused = matches!(result, Err(RunError::Refused(_)));
        assert_eq!(has_run.get(), !refused, "who is told that it did not run is told the truth: {fault:?}");
        if has_run.get() {
            ran.push(id);
        }
    }
    (faults.calls() - before, ran)
}

#[test]
fn no_action_runs_without_its_entry_over_a_store_that_fails_at_every_call() {
    // A log that has entries already, so that what was there before is looked at, too.
    let begun = || {
        let place = Place::new();
        let audit = place.open();
        audit.session("s").unwrap().record(&reading(&audit, "/before")).unwrap();
        place
    };
    let (calls, ran) = run_guarded(&begun(), None);
    assert_eq!(ran.len(), 3);
    assert!(calls >= 6, "each action is two commits: {calls}");
    let mut refused = 0;
    for effect in Effect::ALL {
        for at in 1..=calls {
            let place = begun();
            let (_, ran) = run_guarded(&place, Some(Fault::on_call(at, effect)));
            refused += 3 - ran.len();
            // The process starts anew, over the store as it is.
            let audit = place.open();
            let report = audit.verify().unwrap();
            assert_eq!(report.verdict, AuditVerdict::Valid, "{effect:?} at {at}: {report:?}");
            check(&place, &audit, &ran);
        }
    }
    assert!(refused > 0, "the faults kept some actions from running");
}

/// Everything that ran began in the log; what began and has no end is listed, and nothing else is.
fn check(place: &Place, audit: &AuditLog<Store>, ran: &[EventId]) {
    let events = stored(place);
    let begun: Vec<EventId> =
        events.iter().filter(|event| event.outcome == Outcome::Begun).map(|event| event.id).collect();
    let ended: Vec<EventId> = events.iter().filter_map(|event| event.completes).collect();
    assert!(ran.iter().all(|id| begun.contains(id)), "an action ran without its entry");
    assert!(ended.iter().all(|id| ran.contains(id)), "an action that did not run has an end");
    let open: Vec<EventId> = begun.into_iter().filter(|id| !ended.contains(id)).collect();
    let review = audit.review().unwrap();
    let listed: Vec<EventId> = review.unfinished.iter().map(|unfinished| unfinished.id).collect();
    assert_eq!(listed, open);
    the_log_lists_the_same(audit, &review);
}

/// The log's own review, which reads no more of an event than it needs, lists what the profile's lists.
fn the_log_lists_the_same(audit: &AuditLog<Store>, review: &Review) {
    let of_log = audit.log().lock().review(None).unwrap();
    let expected: Vec<_> = review
        .unfinished
        .iter()
        .map(|open| {
            let Actor { who, .. } = &open.actor;
            let actor = (who.kind.as_str().to_owned(), who.id.clone());
            (open.seqno, open.stream.clone(), open.id.0, actor, open.action.as_str().to_owned())
        })
        .collect();
    let found = of_log.actions.listed.iter();
    let found: Vec<_> = found
        .map(|open| (open.begun.seqno, open.stream.clone(), open.id, open.actor.clone(), open.action.clone()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn who_cannot_record_the_end_is_told_what_the_action_came_to() {
    let place = Place::new();
    let (store, faults) = FaultStore::new(place.store.clone());
    let audit = place.open_on(store, |_| ()).unwrap();
    let guard = audit.session("s").unwrap().guard();
    let run = guard.run(reading(&audit, "/a"), || {
        faults.arm(Fault::on_write(1, Effect::FailsNotStored));
        Ok::<_, &str>("done")
    });
    let Err(RunError::EndUnrecorded { result, error }) = run else { panic!("{run:?}") };
    assert!(matches!((result, error), (Ok("done"), AuditError::Log(_))));
    assert_eq!(audit.review().unwrap().unfinished.len(), 1);
    assert_eq!(guard.run(reading(&audit, "/b"), || Ok::<_, &str>(())), Ok(()), "the log goes on");
}

/// Appends an event past the profile, as another program could.
fn append<S: SecureLogStore>(audit: &AuditLog<S>, session: &str, event: &Event) {
    append_as(audit, session, &event.event_type(), event.severity(), &event.encode().unwrap());
}

fn append_as<S: SecureLogStore>(
    audit: &AuditLog<S>,
    session: &str,
    event: &str,
    severity: Severity,
    payload: &[u8],
) -> u64 {
    let stream = &format!("session/{session}");
    let entry = NewEntry { stream, event, severity, producer: "another program", encoding: AUDIT_V1, payload };
    audit.log().append(&entry).unwrap().0.seqno
}

#[test]
fn entries_that_no_event_of_the_profile_has_are_found() {
    let place = Place::new();
    let audit = place.open();
    let event = reading(&audit, "/a");
    let (event_type, severity, payload) = (event.event_type(), event.severity(), event.encode().unwrap());
    let spaced = [b" ", &payload[..]].concat();
    let mut wrong = Vec::new();
    for (event_type, severity, payload) in [
        ("file-read.denied", severity, &payload),
        (event_type.as_str(), Severity::Debug, &payload),
        (event_type.as_str(), severity, &spaced),
        (event_type.as_str(), severity, &b"{}".to_vec()),
    ] {
        wrong.push(append_as(&audit, "s", event_type, severity, payload));
    }
    for seqno in &wrong {
        let read = audit.read(*seqno);
        assert!(matches!(read, Err(AuditError::Payload { seqno: at, .. }) if at == *seqno), "{read:?}");
    }
    // They hide no event, and stand on the page of every filter without an actor.
    let good = audit.session("s").unwrap().record(&event).unwrap().seqno;
    let of_nothing = Filter { correlation: Some("nothing".into()), ..Filter::default() };
    for (filter, expected) in [(Filter::default(), vec![good]), (of_nothing, vec![])] {
        let page = audit.events(&filter, 1, 9).unwrap();
        assert_eq!(page.events.iter().map(|event| event.seqno).collect::<Vec<_>>(), expected);
        assert_eq!(page.unreadable.iter().map(|(seqno, _)| *seqno).collect::<Vec<_>>(), wrong);
        let first = audit.events(&filter, 1, 3).unwrap();
        assert_eq!((first.unreadable.len(), first.next), (3, Some(wrong[3])));
    }
    // In a trail are those that say in the one spelling whose they are.
    let unreadable = |of| audit.trail(&of, 1, 9).unwrap().unreadable.into_iter().map(|(seqno, _)| seqno);
    assert_eq!(unreadable(Principal::user("alice")).collect::<Vec<_>>(), wrong[..2]);
    assert_eq!(unreadable(Principal::user("nobody")).count(), 0);
    let report = audit.verify().unwrap();
    assert_eq!(report.review.findings.iter().map(|finding| finding.seqno.unwrap()).collect::<Vec<_>>(), wrong);
    let [event_type, severity, spaced, empty] = &report.review.findings[..] else { panic!("{report:?}") };
    assert!(matches!(event_type.problem, AuditProblem::EventType { .. }), "{event_type}");
    assert!(matches!(severity.problem, AuditProblem::Severity { .. }), "{severity}");
    assert_eq!(spaced.problem, AuditProblem::Payload(EventError::NotCanonical));
    assert!(matches!(empty.problem, AuditProblem::Payload(EventError::Missing { .. })), "{empty}");
    assert_eq!(report.verdict.as_str(), "invalid");
}

#[test]
fn events_that_do_not_fit_together_are_found() {
    let begun = |audit: &AuditLog<SharedStore<_>>| reading(audit, "/a").ended(Outcome::Begun);
    let end_of =
        |audit: &AuditLog<SharedStore<_>>, intent: EventId| Event { completes: Some(intent), ..reading(audit, "/a") };
    type Scene = fn(&AuditLog<Store>, Event, Event);
    type Expected = fn(&AuditProblem) -> bool;
    let scenes: [(&str, Scene, Expected); 6] = [
        (
            "an end without a beginning",
            |audit, _, end| append(audit, "s", &end),
            |problem| matches!(problem, AuditProblem::NotBegun(_)),
        ),
        (
            "two ends",
            |audit, begun, end| {
                append(audit, "s", &begun);
                append(audit, "s", &end);
                append(audit, "s", &Event { id: EventId([9; 16]), ..end });
            },
            |problem| matches!(problem, AuditProblem::NotBegun(_)),
        ),
        (
            "an end in another session",
            |audit, begun, end| {
                append(audit, "s", &begun);
                append(audit, "t", &end);
            },
            |problem| matches!(problem, AuditProblem::NotBegun(_)),
        ),
        (
            "an end by another actor",
            |audit, begun, end| {
                append(audit, "s", &begun);
                append(audit, "s", &Event { actor: Principal::user("mallory").into(), ..end });
            },
            |problem| matches!(problem, AuditProblem::AnotherAction(_)),
        ),
        (
            "an end of another action",
            |audit, begun, end| {
                append(audit, "s", &begun);
                append(audit, "s", &Event { action: Action::FileDelete { path: "/a".into() }, ..end });
            },
            |problem| matches!(problem, AuditProblem::AnotherAction(_)),
        ),
        (
            "a beginning twice",
            |audit, begun, _| {
                append(audit, "s", &begun);
                append(audit, "s", &begun);
            },
            |problem| matches!(problem, AuditProblem::BegunTwice(_)),
        ),
    ];
    for (name, scene, expected) in scenes {
        let place = Place::new();
        let audit = place.open();
        let begun = begun(&audit);
        let end = end_of(&audit, begun.id);
        scene(&audit, begun, end);
        let report = audit.verify().unwrap();
        let AuditVerdict::Invalid(finding) = &report.verdict else { panic!("{name}: {report:?}") };
        assert!(expected(&finding.problem), "{name}: {finding}");
        assert_eq!(report.review.findings.len(), 1, "{name}: {:?}", report.review.findings);
        assert_eq!(report.log.verdict, secure_log::verify::Verdict::Valid, "the log itself is as it should be");
    }
}

#[test]
fn whoever_finds_out_what_became_of_an_action_records_its_end() {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("s").unwrap();
    let permit = session.guard().begin(reading(&audit, "/a")).unwrap();
    let (intent, begun) = (permit.intent(), permit.begun().seqno);
    drop(permit);
    let end = audit.end_of(begun, Outcome::failure("it had crashed")).unwrap();
    assert_eq!((end.completes, end.outcome.kind()), (Some(intent), OutcomeKind::Failure));
    assert_ne!(end.id, intent);
    let ended = session.record(&end).unwrap().seqno;
    assert_eq!(audit.review().unwrap().unfinished, []);
    for (seqno, expected) in [(ended, AuditError::NothingBegun(ended)), (99, LogError::EntryNotFound(99).into())] {
        assert_eq!(audit.end_of(seqno, Outcome::Success), Err(expected));
    }
}

#[test]
fn the_end_says_more_of_the_same_action_and_of_no_other() {
    let place = Place::new();
    let audit = place.open();
    let mut permit = audit.session("s").unwrap().guard().begin(reading(&audit, "/a")).unwrap();
    let more = Action::FileRead { path: "/a".into(), content: Some(Concealed::sha256(b"what was read")) };
    permit.set_action(more.clone()).unwrap();
    assert!(matches!(permit.set_action(Action::FileDelete { path: "/a".into() }), Err(EventError::Contradiction(_))));
    let id = permit.id();
    let ended = audit.read(permit.complete(Outcome::Success).unwrap().seqno).unwrap().event;
    assert_eq!((ended.action, ended.id), (more, id));
}
