//! Events that are signed one by one, and the keys that sign them.

use secure_log::engine::LogOptions;
use secure_log::entry::SigningRule;
use secure_log::providers::Keystore as _;
use secure_log::record::Subject;
use secure_log::sign::Algorithm;
use secure_log::verify::{Report, Signer, Trust, Verdict, verify_jsonl};
use secure_log_audit::{AuditLog, AuditVerdict, Profile};
use secure_log_testkit::{OwnedRecord, to_jsonl};

use crate::place::{Place, reading};

/// The keys of the log, one after the other.
const KEYS: [&str; 3] = ["checkpoint-ed25519", "second", "third"];

fn place() -> Place {
    let place = Place::new();
    let keys = place.keys.clone().signing(KEYS[1], Algorithm::Ed25519).signing(KEYS[2], Algorithm::EcdsaP256);
    Place { keys, ..place }
}

/// Who signed the entry with this seqno, and with which key.
fn signed_by(place: &Place, seqno: u64) -> (String, Vec<u8>) {
    let row = place.records().into_iter().find_map(|record| match record {
        OwnedRecord::Signature(row) if row.of == Subject::Entry(seqno) => Some(row),
        _ => None,
    });
    let row = row.expect("the entry is signed");
    (row.identity, row.key)
}

/// What somebody finds who knows one key of the log from elsewhere, and nothing else.
fn pinning(place: &Place, label: &str, head_key: &str) -> Report {
    let key = place.keys.signer(label).unwrap();
    let mut trust = Trust::new();
    trust.add_log_key(head_key.parse().unwrap());
    trust.add_signer(Signer::new(label, key.algorithm(), key.public_key(), 1..=u64::MAX).unwrap());
    verify_jsonl(&to_jsonl(&place.records())[..], &trust, |_| {}).unwrap()
}

#[test]
fn events_are_verified_by_the_first_key_however_often_it_was_replaced() {
    let place = place();
    let audit = place.open_with(|profile| profile.sign = SigningRule::Entries).unwrap();
    let mut head_keys = vec![audit.log().lock().status().head_key.unwrap()];
    let session = audit.session("s").unwrap();
    let mut events = Vec::new();
    for (index, label) in KEYS.into_iter().enumerate() {
        if index > 0 {
            audit.log().lock().rotate_key(label).unwrap();
            head_keys.push(audit.log().lock().status().head_key.unwrap());
        }
        events.push(session.record(&reading(&audit, label)).unwrap().seqno);
    }
    for (seqno, label) in events.iter().zip(KEYS) {
        let key = place.keys.signer(label).unwrap().public_key().to_vec();
        assert_eq!(signed_by(&place, *seqno), (label.to_owned(), key), "each carries its own key and identity");
    }
    let report = audit.verify_session("s").unwrap();
    assert_eq!((report.verdict, report.signed), (AuditVerdict::Valid, 4), "with the entry that binds its rules");
    assert_eq!(audit.verify().unwrap().verdict, AuditVerdict::Valid);

    let report = pinning(&place, KEYS[0], &head_keys[0]);
    assert_eq!((&report.verdict, report.signatures), (&Verdict::Valid, 4), "{report:?}");
    assert_eq!(report.unknown_signers, Vec::<String>::new());
    // Whoever knows a later key does not know who signed before it.
    let report = pinning(&place, KEYS[2], &head_keys[2]);
    assert_eq!((&report.verdict, report.signatures), (&Verdict::Incomplete, 1), "{report:?}");

    // The log goes on under the last key, and what the first one signed is verified as ever.
    drop((session, audit));
    let options = LogOptions { identity: KEYS[2].into(), ..place.options() };
    let audit = AuditLog::open(place.store.clone(), place.providers(), options, Profile::default()).unwrap();
    audit.session("s").unwrap().record_signed(&reading(&audit, "/last")).unwrap();
    let report = audit.verify_session("s").unwrap();
    assert_eq!((report.verdict, report.signed), (AuditVerdict::Valid, 5));
}

#[test]
fn a_signature_by_a_key_that_was_replaced_before_is_found() {
    let place = place();
    let audit = place.open_with(|profile| profile.sign = SigningRule::Entries).unwrap();
    let head_key = audit.log().lock().status().head_key.unwrap();
    let session = audit.session("s").unwrap();
    session.record(&reading(&audit, "/a")).unwrap();
    audit.log().lock().rotate_key(KEYS[1]).unwrap();
    let last = session.record(&reading(&audit, "/b")).unwrap();
    let old = place.keys.signer(KEYS[0]).unwrap();
    // A thief of the first key signs anew what the second one signed.
    place.edit(|records| {
        for record in records {
            if let OwnedRecord::Signature(row) = record
                && row.of == Subject::Entry(last.seqno)
            {
                row.identity = KEYS[0].into();
                row.key = old.public_key().into();
                row.sig = old.sign(&secure_log::entry::entry_message(&last.hash)).unwrap();
            }
        }
    });
    let Verdict::Invalid(finding) = pinning(&place, KEYS[0], &head_key).verdict else { panic!("it was not found") };
    assert_eq!(finding.code.as_str(), "key-ended");
}
