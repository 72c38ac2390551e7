//! Each single member of each kind of event that is changed in the store is found.

use secure_log_audit::{AUDIT_V1, AuditVerdict, Event, Json, Object, OutcomeKind};
use secure_log_testkit::OwnedRecord;

use crate::place::{Place, golden_events};

/// Every value in a document with one leaf changed, and where that is.
fn changed(json: &Json, path: &str, out: &mut Vec<(String, Json)>) {
    match json {
        Json::Object(object) => {
            for (key, value) in object.iter() {
                let mut inner = Vec::new();
                changed(value, &format!("{path}.{key}"), &mut inner);
                out.extend(inner.into_iter().map(|(at, value)| (at, object.clone().with(key, value).into())));
                let mut less = object.clone();
                less.remove(key);
                out.push((format!("{path}.{key} removed"), less.into()));
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let mut inner = Vec::new();
                changed(item, &format!("{path}[{index}]"), &mut inner);
                out.extend(inner.into_iter().map(|(at, value)| {
                    let mut items = items.clone();
                    items[index] = value;
                    (at, items.into())
                }));
            }
        }
        Json::String(text) => out.push((path.into(), format!("{text}x").into())),
        Json::Number(number) => out.push((path.into(), if number.value() == 1.0 { 2.into() } else { 1.into() })),
        Json::Bool(value) => out.push((path.into(), (!value).into())),
        Json::Null => out.push((path.into(), Object::new().into())),
    }
}

/// A place with one event of a session, and two others around it.
fn recorded(event: &Event) -> Place {
    let place = Place::new();
    let audit = place.open();
    let session = audit.session("s").unwrap();
    let around = golden_events().remove(0).1;
    session.record(&around).unwrap();
    if event.outcome.kind() == OutcomeKind::Begun {
        let _permit = session.guard().begin(event.clone()).ok().unwrap();
    } else {
        session.record(event).unwrap();
    }
    session.record(&around).unwrap();
    place
}

fn is_found(place: &Place, edit: impl Fn(&mut secure_log::entry::Entry), rehash: bool) -> bool {
    // Opened before, so that what is checked is the verification and not the opening.
    let audit = place.open();
    place.edit(|records| {
        let mut entries =
            records.iter_mut().filter(|record| record.entry().is_some_and(|entry| entry.encoding == AUDIT_V1));
        let record: &mut OwnedRecord = entries.nth(1).unwrap();
        record.edit_entry(&edit);
        if rehash {
            record.rehash();
        }
    });
    let whole = match audit.verify() {
        Ok(report) => matches!(report.verdict, AuditVerdict::Invalid(_)),
        Err(error) => panic!("{error}"),
    };
    let alone = match audit.verify_session("s") {
        Ok(report) => matches!(report.verdict, AuditVerdict::Invalid(_)),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(whole, alone, "a session that is verified alone is as good as the whole log");
    whole
}

#[test]
fn each_member_of_each_kind_of_event_that_is_changed_is_found() {
    let mut tried = 0;
    for (name, event) in golden_events() {
        // The other outcomes of a kind have the members of this one, and `everything` has the rest.
        if name.contains('.') && !name.ends_with(".success") {
            continue;
        }
        let event = Event { completes: None, ..event };
        let mut edits = Vec::new();
        changed(&Json::parse(&event.encode().unwrap()).unwrap(), "", &mut edits);
        let place = recorded(&event);
        let records = place.records();
        for (at, edited) in edits {
            let payload = edited.to_canonical().unwrap();
            for rehash in [false, true] {
                place.edit(|now| now.clone_from(&records));
                assert!(is_found(&place, |entry| entry.payload.clone_from(&payload), rehash), "{name}: {at}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn what_stands_beside_the_payload_is_found_when_it_is_changed() {
    type Edit = fn(&mut secure_log::entry::Entry);
    let edits: [(&str, Edit); 8] = [
        ("event type", |entry| entry.event = "file-read.success".into()),
        ("severity", |entry| entry.severity = "debug".into()),
        ("producer", |entry| entry.producer = "x".into()),
        ("encoding", |entry| entry.encoding = "text".into()),
        ("time", |entry| entry.time = "2027-01-01T00:00:00.000000000Z".into()),
        ("session id", |entry| entry.session = "x".into()),
        ("boot id", |entry| entry.boot = "x".into()),
        ("version", |entry| entry.version = 2),
    ];
    let event = golden_events().into_iter().find(|(name, _)| name == "file-delete.failure").unwrap().1;
    for (what, edit) in edits {
        for rehash in [false, true] {
            assert!(is_found(&recorded(&event), edit, rehash), "{what}");
        }
    }
}
