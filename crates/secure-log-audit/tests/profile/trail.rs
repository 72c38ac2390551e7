//! The trail of an actor, which the index of a store gives: it is what reading everything finds, on every store.

use std::collections::BTreeSet;

use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::index::IndexRow;
use secure_log::memory::MemoryStore;
use secure_log::store::SecureLogStore;
use secure_log::verify::FindingCode;
use secure_log_audit::{
    AUDIT_V1, Action, Actor, AuditError, AuditLog, AuditProblem, AuditVerdict, Authorization, Event, Filter, Logged,
    Outcome, OutcomeKind, Principal,
};
use secure_log_file::FileStore;
use secure_log_rpc::{RemoteStore, Transport, TransportError, handle};
use secure_log_sqlite::SqliteStore;
use secure_log_testkit::{NaiveStore, SeededRandom, SharedStore, count, seed};

use crate::place::{Place, golden_events};

/// Principals of one name and several kinds, and names that JSON escapes.
fn principals() -> Vec<Principal> {
    vec![
        Principal::user("alice"),
        Principal::agent("alice"),
        Principal::service("alice"),
        Principal::system("alice"),
        Principal::user("a\"l\\ice"),
        Principal::user("\\"),
        Principal::agent("übung 水 \u{7ff}"),
        Principal::user("x".repeat(255)),
        Principal::user(" "),
    ]
}

/// Records sessions of many, with entries of other programs and things that claim to be events between them.
fn record<S: SecureLogStore>(audit: &AuditLog<S>, random: &mut SeededRandom, rounds: u64) {
    // What is about to begin is recorded by a guard.
    let golden = golden_events().into_iter().filter(|(_, event)| event.outcome.kind() != OutcomeKind::Begun);
    let (principals, golden): (_, Vec<_>) = (principals(), golden.collect());
    for _ in 0..rounds {
        let session = audit.session(&format!("s{}", random.below(4))).unwrap();
        let events: Vec<Event> = (0..1 + random.below(5))
            .map(|_| {
                let who = random.pick(&principals).clone();
                let on_behalf_of = (random.below(2) == 0).then(|| random.pick(&principals).clone());
                let mut event = random.pick(&golden).1.clone();
                (event.actor, event.id, event.completes) = (Actor { who, on_behalf_of }, new_id(audit), None);
                // What is before the actor in the payload has brackets and quotes in its strings.
                match random.below(3) {
                    0 => event,
                    _ => Event {
                        action: Action::FileRead { path: "{\"actor\":{\"[\\]}".into(), content: None },
                        authorization: Authorization::System,
                        ..event
                    }
                    .ended(Outcome::Success),
                }
            })
            .collect();
        session.record_batch(&events).unwrap();
        let odd: [(&str, &[u8]); 4] = [
            ("text", br#"{"actor":{"id":"alice","kind":"user"}}"#),
            (AUDIT_V1, br#"{"actor":{"id":"alice","kind":"user"}}"#),
            (AUDIT_V1, b"no event, and nobody's"),
            ("application/json", b"{}"),
        ];
        let (encoding, payload) = *random.pick(&odd);
        let entry =
            NewEntry { stream: "other", event: "x", severity: Severity::Info, producer: "p", encoding, payload };
        audit.log().append(&entry).unwrap();
    }
}

fn new_id<S: SecureLogStore>(audit: &AuditLog<S>) -> secure_log_audit::EventId {
    let read = Action::FileRead { path: "a".into(), content: None };
    audit.event(Principal::user("alice"), Authorization::System, read).unwrap().id
}

/// A trail, page by page.
fn trail<S: SecureLogStore>(audit: &AuditLog<S>, of: &Principal, limit: usize) -> (Vec<Logged>, Vec<u64>) {
    let (mut events, mut unreadable, mut from) = (Vec::new(), Vec::new(), 1);
    loop {
        let page = audit.trail(of, from, limit).unwrap();
        assert!(page.events.len() + page.unreadable.len() <= limit);
        events.extend(page.events);
        unreadable.extend(page.unreadable.into_iter().map(|(seqno, _)| seqno));
        match page.next {
            Some(next) => from = next,
            None => return (events, unreadable),
        }
    }
}

fn assert_trails_are_what_reading_everything_finds<S: SecureLogStore>(audit: &AuditLog<S>, random: &mut SeededRandom) {
    let all = audit.events(&Filter::default(), 1, usize::MAX).unwrap();
    assert!(all.events.len() > 100 && !all.unreadable.is_empty(), "there is something to find");
    for of in principals() {
        let acts =
            |event: &&Logged| event.event.actor.who == of || event.event.actor.on_behalf_of.as_ref() == Some(&of);
        let right: Vec<Logged> = all.events.iter().filter(acts).cloned().collect();
        assert!(!right.is_empty(), "{of:?}");
        for limit in [1 + random.below(9) as usize, usize::MAX] {
            let (found, unreadable) = trail(audit, &of, limit);
            assert_eq!(found, right, "{of:?} in pages of {limit}");
            // An event that says who acted and cannot be read is named, in the trail of whom it says.
            let expected = if of == Principal::user("alice") {
                let named = |seqno: &u64| audit.log().lock().read(*seqno).unwrap().payload.starts_with(br#"{"actor""#);
                all.unreadable.iter().map(|(seqno, _)| *seqno).filter(named).collect()
            } else {
                Vec::new()
            };
            assert_eq!(unreadable, expected, "{of:?}");
        }
        let session = Filter { actor: Some(of.clone()), session: Some("s1".into()), ..Filter::default() };
        let found = audit.events(&session, 1, usize::MAX).unwrap().events;
        assert_eq!(found, right.iter().filter(|event| event.session() == Some("s1")).cloned().collect::<Vec<_>>());
    }
    assert_eq!(audit.trail(&Principal::user("nobody"), 1, 9).unwrap().events, []);
}

/// The same log in a store, before and after it was opened anew.
fn on_store<S: SecureLogStore>(name: &str, mut open: impl FnMut() -> S) {
    let place = Place::new();
    let mut random = SeededRandom::new(seed());
    let rounds = count(60, 600);
    let audit = place.open_on(open(), |_| ()).unwrap();
    record(&audit, &mut random, rounds);
    eprintln!("{name}");
    assert_trails_are_what_reading_everything_finds(&audit, &mut random);
    drop(audit);
    let audit = place.open_on(open(), |profile| profile.random = Box::new(SeededRandom::new(7))).unwrap();
    record(&audit, &mut random, rounds / 4);
    assert_trails_are_what_reading_everything_finds(&audit, &mut random);
    let found = audit.verify().unwrap().log;
    assert_eq!(found.verdict, secure_log::verify::Verdict::Valid, "{name}: {found:?}");
}

/// A server in this process.
struct Here(SharedStore<MemoryStore>);

impl Transport for Here {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        handle(&mut self.0, method, params).map_err(|refusal| TransportError::Refused(refusal.to_string()))
    }
}

#[test]
fn trails_are_what_reading_everything_finds_on_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let memory = SharedStore::new(MemoryStore::new());
    on_store("memory", || memory.clone());
    let naive = SharedStore::new(NaiveStore::new());
    on_store("a list", || naive.clone());
    let file = folder.path().join("log.jsonl");
    on_store("a file", || FileStore::open(&file).unwrap());
    let database = folder.path().join("log.db");
    on_store("a database", || SqliteStore::open(&database).unwrap());
    let served = SharedStore::new(MemoryStore::new());
    on_store("a server", || RemoteStore::open(Here(served.clone()), "test").unwrap());
}

/// What a store leaves out of a trail nobody sees who reads it, and who verifies does.
#[test]
fn row_18_an_event_that_is_left_out_of_a_trail_is_found_by_a_verification() {
    let place = Place::new();
    let audit = place.open();
    record(&audit, &mut SeededRandom::new(seed()), 20);
    let alice = Principal::user("alice");
    let (whole, _) = trail(&audit, &alice, 9);
    for left_out in &whole {
        let row = IndexRow { key: alice.index_key(), seqno: left_out.seqno };
        let change = |change: fn(&mut BTreeSet<IndexRow>, IndexRow) -> bool| {
            assert!(place.store.with(|store| change(store.index_mut(), row)));
        };
        change(|index, row| index.remove(&row));
        let (shown, _) = trail(&audit, &alice, 9);
        assert_eq!(shown.len(), whole.len() - 1);
        match audit.verify().unwrap().verdict {
            AuditVerdict::Invalid(finding) => match finding.problem {
                AuditProblem::Log(secure_log::error::LogError::InvalidRecord(finding)) => {
                    assert_eq!(finding.code, FindingCode::IndexMismatch);
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        change(|index, row| index.insert(row));
    }
    // And what a store puts into one is refused where it is read.
    let others = audit.events(&Filter::default(), 1, usize::MAX).unwrap().events;
    let other = others.iter().find(|event| !whole.contains(event)).unwrap();
    place.store.with(|store| store.index_mut().insert(IndexRow { key: alice.index_key(), seqno: other.seqno }));
    assert!(matches!(
        audit.trail(&alice, 1, usize::MAX),
        Err(AuditError::Log(secure_log::error::LogError::InvalidRecord(_)))
    ));
}
