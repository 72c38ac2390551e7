//! Salts that the log keeps, sealed.

use secure_log::engine::LogOptions;
use secure_log::error::LogError;
use secure_log_audit::{
    Action, AuditError, AuditLog, AuditVerdict, Authorization, Concealed, Disclosure, Event, EventId, Principal,
    Profile, SALT_V1, SALTS_PREFIX,
};
use secure_log_testkit::{OwnedRecord, SeededRandom, TestKeystore};

use crate::place::{Place, Store, reading};

const KEK: &str = "kek";
const SECRET: &[u8] = b"swordfish";

fn place() -> Place {
    let mut place = Place::new();
    place.keys = place.keys.clone().wrapping(KEK).wrapping("other");
    place
}

fn open(place: &Place, kek: Option<&str>) -> AuditLog<Store> {
    let options = LogOptions { kek_label: kek.map(Into::into), ..place.options() };
    let profile = Profile { random: Box::new(SeededRandom::new(99)), ..Profile::default() };
    AuditLog::open(place.store.clone(), place.providers(), options, profile).unwrap()
}

fn read(id: EventId, content: Concealed) -> Event {
    let action = Action::FileRead { path: "/a".into(), content: Some(content) };
    Event::new(id, Principal::user("alice"), Authorization::NotRequired, action)
}

/// Records that something was read, with the salt kept; answers the entry of the event.
fn record(audit: &AuditLog<Store>, session: &str, value: &[u8]) -> u64 {
    let (session, id) = (audit.session(session).unwrap(), audit.new_id().unwrap());
    let content = session.conceal_sealed(id, "content", value).unwrap();
    session.record(&read(id, content)).unwrap().seqno
}

fn asked(audit: &AuditLog<Store>, seqno: u64) -> Result<bool, AuditError> {
    audit.discloses_sealed(seqno, "content", SECRET)
}

#[test]
fn who_has_the_wrapping_key_can_have_a_value_checked_and_the_log_shows_nothing() {
    let place = place();
    let audit = open(&place, Some(KEK));
    // More than a page.
    let seqnos: Vec<u64> = (0..70).map(|_| record(&audit, "s", SECRET)).collect();
    let other = record(&audit, "t", b"catfish");
    let session = audit.session("s").unwrap();
    let handed_back = read(audit.new_id().unwrap(), audit.conceal(SECRET).unwrap().0);
    let handed_back = session.record(&handed_back).unwrap().seqno;
    let plain = session.record(&reading(&audit, "/b")).unwrap().seqno;
    for round in 0..2 {
        // Opened without a label for new keys: what is there names its own.
        let audit = if round == 0 { audit.clone() } else { open(&place, None) };
        for seqno in seqnos.iter().step_by(23) {
            assert_eq!(asked(&audit, *seqno), Ok(true));
            assert_eq!(audit.discloses_sealed(*seqno, "content", b"catfish"), Ok(false));
        }
        assert_eq!(asked(&audit, other), Ok(false));
        for (seqno, member) in [(handed_back, "content"), (plain, "content"), (seqnos[0], "path")] {
            let not_kept = AuditError::SaltNotKept { seqno, member: member.into() };
            assert_eq!(audit.discloses_sealed(seqno, member, SECRET), Err(not_kept));
        }
        assert_eq!(asked(&audit, 1), Err(AuditError::NotAnEvent(1)));
        let report = audit.verify().unwrap();
        assert_eq!((report.verdict, report.log.unopened), (AuditVerdict::Valid, 71));
    }
    for record in place.records() {
        let OwnedRecord::Entry { stream, bytes, .. } = &record else { continue };
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET));
        if stream.starts_with(SALTS_PREFIX) {
            assert!(record.entry().is_some_and(|entry| entry.encoding != SALT_V1), "it is sealed");
        }
    }
    let ids: Vec<String> = audit.sessions(0, 10).unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(ids, ["s", "t"], "the streams of salts are no sessions");
}

#[test]
fn a_salt_whose_event_was_recorded_at_the_second_try_is_found() {
    let place = place();
    let audit = open(&place, Some(KEK));
    let (session, id) = (audit.session("s").unwrap(), audit.new_id().unwrap());
    session.conceal_sealed(id, "content", SECRET).unwrap();
    let content = session.conceal_sealed(id, "content", SECRET).unwrap();
    session.conceal_sealed(id, "content", b"catfish").unwrap();
    let seqno = session.record(&read(id, content)).unwrap().seqno;
    assert_eq!((asked(&audit, seqno), audit.discloses_sealed(seqno, "content", b"catfish")), (Ok(true), Ok(false)));
}

#[test]
fn a_salt_is_that_of_one_member_alone() {
    let place = place();
    let audit = open(&place, Some(KEK));
    let (session, id) = (audit.session("s").unwrap(), audit.new_id().unwrap());
    let arguments = Some(session.conceal_sealed(id, "arguments", SECRET).unwrap());
    let result = Some(audit.conceal(SECRET).unwrap().0);
    let call = Action::McpToolCall { server: "files".into(), tool: "read".into(), arguments, result };
    let event = Event::new(id, Principal::user("alice"), Authorization::NotRequired, call);
    let seqno = session.record(&event).unwrap().seqno;
    assert_eq!(audit.discloses_sealed(seqno, "arguments", SECRET), Ok(true));
    let not_kept = AuditError::SaltNotKept { seqno, member: "result".into() };
    assert_eq!(audit.discloses_sealed(seqno, "result", SECRET), Err(not_kept));
}

#[test]
fn without_a_wrapping_key_nothing_is_kept_in_its_place() {
    let place = place();
    let audit = open(&place, None);
    let session = audit.session("s").unwrap();
    let id = audit.new_id().unwrap();
    let refused = session.conceal_sealed(id, "content", SECRET);
    assert!(matches!(refused, Err(AuditError::Log(LogError::Key(_)))), "{refused:?}");
    assert!(session.conceal_sealed(id, "", SECRET).is_err());
    assert!(place.records().iter().filter_map(OwnedRecord::entry).all(|entry| entry.event != "salt-kept"));
}

#[test]
fn with_another_wrapping_key_nothing_is_said() {
    let place = place();
    let audit = open(&place, Some(KEK));
    let seqno = record(&audit, "s", SECRET);
    drop(audit);
    // The keystore has no such key.
    let mut without = place.clone();
    without.keys = TestKeystore::new()
        .signing("checkpoint-ed25519", secure_log::sign::Algorithm::Ed25519)
        .keyed_hashing(crate::place::MAC_LABEL);
    let answer = asked(&open(&without, None), seqno);
    assert!(matches!(answer, Err(AuditError::Log(LogError::Key(_)))), "{answer:?}");
    // It has, and another one.
    place.edit(|records| {
        for record in records {
            if let OwnedRecord::DataKey(row) = record {
                row.kek = "other".into();
            }
        }
    });
    let answer = asked(&open(&place, None), seqno);
    assert!(matches!(answer, Err(AuditError::Log(LogError::DataKeyRefused { .. }))), "{answer:?}");
}

#[test]
fn a_store_that_swaps_rows_is_found() {
    let place = place();
    let audit = open(&place, Some(KEK));
    let seqnos = [record(&audit, "s", SECRET), record(&audit, "t", SECRET)];
    let second = record(&audit, "s", b"catfish");
    drop(audit);
    let intact = place.records();
    let swap = |pick: &dyn Fn(&OwnedRecord) -> bool, exchange: &dyn Fn(&mut OwnedRecord, &mut OwnedRecord)| {
        place.edit(|records| {
            *records = intact.clone();
            let places: Vec<usize> = (0..records.len()).filter(|at| pick(&records[*at])).collect();
            let [one, other] = places[..] else { panic!("two of them: {places:?}") };
            let (before, after) = records.split_at_mut(other);
            exchange(&mut before[one], &mut after[0]);
        });
    };
    // The wrapped data keys of two sessions.
    swap(&|record| matches!(record, OwnedRecord::DataKey(_)), &|one, other| {
        let (OwnedRecord::DataKey(one), OwnedRecord::DataKey(other)) = (one, other) else { unreachable!() };
        core::mem::swap(&mut one.wrapped, &mut other.wrapped);
    });
    for seqno in seqnos {
        let answer = asked(&open(&place, None), seqno);
        assert!(matches!(answer, Err(AuditError::Log(LogError::DataKeyRefused { .. }))), "{answer:?}");
    }
    // Two salts of one session: the values would change places.
    let salt = |record: &OwnedRecord| {
        matches!(record, OwnedRecord::Entry { .. })
            && record.entry().is_some_and(|entry| entry.stream == "salts/s" && entry.event == "salt-kept")
    };
    swap(&salt, &|one, other| {
        let (OwnedRecord::Entry { bytes: one, .. }, OwnedRecord::Entry { bytes: other, .. }) = (one, other) else {
            unreachable!()
        };
        core::mem::swap(one, other);
    });
    for seqno in [seqnos[0], second] {
        let options = LogOptions { ..place.options() };
        let opened = AuditLog::open(place.store.clone(), place.providers(), options, Profile::default());
        // Found when the log is opened, or when the salts are read.
        let answer = opened.and_then(|audit| asked(&audit, seqno));
        assert!(matches!(answer, Err(AuditError::Log(_))), "{answer:?}");
    }
}

#[test]
fn erased_salts_show_nothing_for_ever_and_the_log_stays_valid() {
    let place = place();
    let audit = open(&place, Some(KEK));
    let (gone, kept) = (record(&audit, "s", SECRET), record(&audit, "t", SECRET));
    let session = audit.session("s").unwrap();
    let (content, disclosure): (Concealed, Disclosure) = audit.conceal(SECRET).unwrap();
    let handed_back = session.record(&read(audit.new_id().unwrap(), content)).unwrap().seqno;
    assert_eq!(audit.erase_salts("s"), Ok(1));
    assert_eq!(audit.erase_salts("s"), Ok(0));
    assert_eq!(audit.erase_salts("u"), Err(AuditError::SessionNotFound("u".into())));
    let later = record(&audit, "s", SECRET);
    for audit in [audit.clone(), open(&place, Some(KEK))] {
        assert_eq!(asked(&audit, gone), Err(AuditError::SaltErased(gone)));
        assert_eq!((asked(&audit, kept), asked(&audit, later)), (Ok(true), Ok(true)));
        assert_eq!(audit.discloses(handed_back, "content", &disclosure, SECRET), Ok(true), "whoever kept it elsewhere");
        let report = audit.verify().unwrap();
        assert_eq!((report.verdict, report.log.erased), (AuditVerdict::Valid, 1));
    }
}
