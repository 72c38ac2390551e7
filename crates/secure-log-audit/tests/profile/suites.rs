//! Sessions under each hash suite, and the key of the keyed one.

use secure_log::engine::{LogOptions, Providers};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::providers::KeyError;
use secure_log_audit::{AuditError, AuditLog, AuditReport, AuditVerdict, Profile, SessionSuite, use_development_key};

use secure_log_testkit::{TestKeystore, to_jsonl};

use crate::place::{MAC_LABEL, Place, Store, reading};

fn open(
    place: &Place,
    suite: SessionSuite,
    edit: impl FnOnce(&mut Providers, &mut LogOptions),
) -> Result<AuditLog<Store>, AuditError> {
    let (mut providers, mut options) = (place.providers(), place.options());
    edit(&mut providers, &mut options);
    AuditLog::open(place.store.clone(), providers, options, Profile { suite, ..Profile::default() })
}

fn verified(audit: &AuditLog<Store>) -> AuditReport {
    let report = audit.verify().unwrap();
    assert_eq!(report.verdict, AuditVerdict::Valid, "{report:?}");
    report
}

#[test]
fn a_session_of_each_suite_is_valid_and_changes_to_every_other_one() {
    let suites = [SessionSuite::Sha256, SessionSuite::Blake3, SessionSuite::HmacSha256];
    let place = Place::new();
    for from in suites {
        let audit = open(&place, from, |_, _| ()).unwrap();
        let mac = audit.log().lock().mac_suite().unwrap();
        for to in suites.into_iter().filter(|to| *to != from) {
            let id = format!("{from:?} to {to:?}");
            let session = audit.session(&id).unwrap();
            session.record(&reading(&audit, "/a")).unwrap();
            let of = |suite| match suite {
                SessionSuite::Sha256 => Suite::Sha256,
                SessionSuite::Blake3 => Suite::Blake3,
                SessionSuite::HmacSha256 => mac,
            };
            // There and back.
            for suite in [to, from] {
                audit.log().lock().change_suite(&format!("session/{id}"), of(suite)).unwrap();
                session.record(&reading(&audit, "/b")).unwrap();
            }
            let report = audit.verify_session(&id).unwrap();
            assert_eq!((report.verdict, report.review.events), (AuditVerdict::Valid, 3), "{id}");
        }
        verified(&audit);
    }
}

#[test]
fn the_keyed_suite_without_its_key_is_an_error_of_its_own() {
    let place = Place::new();
    let without = open(&place, SessionSuite::HmacSha256, |_, options| options.mac_label = None).map(|_| ());
    assert!(matches!(without, Err(AuditError::Log(LogError::Key(KeyError::NotFound(_))))), "{without:?}");
    let audit = open(&place, SessionSuite::HmacSha256, |_, _| ()).unwrap();
    audit.session("keyed").unwrap().record(&reading(&audit, "/a")).unwrap();
    let open_without = || open(&place, SessionSuite::Sha256, |_, options| options.mac_label = None).unwrap();
    let other = Place { keys: place.keys.clone().keyed_hashing("other"), ..place.clone() };
    let with_other = open(&other, SessionSuite::Sha256, |_, options| options.mac_label = Some("other".into())).unwrap();
    for (audit, configured) in [(open_without(), false), (with_other, true)] {
        let refused = audit.session("keyed").unwrap().record(&reading(&audit, "/b")).unwrap_err();
        let AuditError::Log(LogError::MacKeyMissing { configured: found, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(found.is_some(), configured);
        assert_eq!(audit.verify().unwrap().verdict, AuditVerdict::Incomplete);
        assert_eq!(audit.verify_session("keyed").unwrap().verdict, AuditVerdict::Incomplete);
    }
}

#[test]
fn the_key_of_the_keyed_suite_is_shown_nowhere() {
    let place = Place::new();
    let audit = open(&place, SessionSuite::HmacSha256, |_, _| ()).unwrap();
    audit.session("keyed").unwrap().record(&reading(&audit, "/a")).unwrap();
    let Suite::HmacSha256(id) = audit.log().lock().mac_suite().unwrap() else { panic!("not the keyed suite") };
    let open_without = open(&place, SessionSuite::Sha256, |_, options| options.mac_label = None).unwrap();
    let refused = open_without.session("keyed").unwrap().record(&reading(&audit, "/b")).unwrap_err();
    let stored = String::from_utf8(to_jsonl(&place.records())).unwrap();
    let shown = [
        stored,
        format!("{refused} {refused:?} {:?}", audit.log().lock().status()),
        format!("{:?} {:?}", audit.verify().unwrap(), audit.verify_session("keyed").unwrap()),
        format!("{:?}", open_without.verify().unwrap()),
    ];
    assert!(shown[0].contains(&id.to_string()), "its public name is there");
    let secret = TestKeystore::mac_secret(MAC_LABEL);
    let listed = format!("{:?}", secret.as_slice());
    for form in [const_hex::encode(secret.as_slice()), const_hex::encode_upper(secret.as_slice()), listed] {
        assert!(shown.iter().all(|text| !text.contains(&form)), "{form} is shown");
    }
}

#[test]
fn the_development_key_needs_its_switch_and_every_report_names_it() {
    let place = Place::new();
    let refused = open(&place, SessionSuite::HmacSha256, |providers, options| {
        let refused = use_development_key(providers, options).unwrap_err();
        assert!(matches!(refused, LogError::Invalid(_)), "another key is configured");
        assert_eq!(options.mac_label.as_deref(), Some(MAC_LABEL));
    });
    let audit = refused.unwrap();
    audit.session("real").unwrap().record(&reading(&audit, "/a")).unwrap();
    assert!(!verified(&audit).development_key);
    let switched = |suite| {
        open(&place, suite, |providers, options| {
            options.mac_label = None;
            use_development_key(providers, options).unwrap();
        })
    };
    let audit = switched(SessionSuite::HmacSha256).unwrap();
    audit.session("tried").unwrap().record(&reading(&audit, "/a")).unwrap();
    let report = audit.verify_session("tried").unwrap();
    assert_eq!((report.verdict, report.development_key), (AuditVerdict::Valid, true));
    assert!(!audit.verify_session("real").unwrap().development_key);
    assert!(audit.verify().unwrap().development_key);
    // Also to who has not switched it on, and cannot check what it hashes.
    let audit = place.open();
    let report = audit.verify_session("tried").unwrap();
    assert_eq!((report.verdict, report.development_key), (AuditVerdict::Incomplete, true));
    assert!(audit.verify().unwrap().development_key);
}

#[test]
fn a_session_that_changes_to_the_development_key_is_reported() {
    let place = Place::new();
    let audit = open(&place, SessionSuite::Sha256, |providers, options| {
        options.mac_label = None;
        use_development_key(providers, options).unwrap();
    })
    .unwrap();
    let session = audit.session("s").unwrap();
    session.record(&reading(&audit, "/a")).unwrap();
    assert!(!verified(&audit).development_key);
    let mac = audit.log().lock().mac_suite().unwrap();
    audit.log().lock().change_suite("session/s", mac).unwrap();
    session.record(&reading(&audit, "/b")).unwrap();
    assert!(verified(&audit).development_key && audit.verify_session("s").unwrap().development_key);
}
