//! Entries that are signed one by one.

use crate::world::*;
use secure_log::entry::{SigningRule, entry_message};
use secure_log::error::LogError;
use secure_log::providers::Keystore as _;
use secure_log::record::Subject;
use secure_log::sign::Algorithm;
use secure_log::verify::{FindingCode, Verdict};
use secure_log_testkit::OwnedRecord;

/// A log whose stream `plain` requires no signatures and has two, of three entries, and whose stream `vault` requires them.
fn signed_on_request() -> World {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("vault", &signed(SigningRule::Entries)).unwrap();
    append(&mut log, "plain", b"unsigned");
    log.append_signed_batch(&[entry("plain", b"one"), entry("vault", b"three"), entry("plain", b"two")]).unwrap();
    world
}

/// What the signatures of a stream come to after the store was edited behind the log's back.
fn checked_after(world: &World, stream: &str, edit: impl FnOnce(&mut Vec<OwnedRecord>)) -> Result<u64, LogError> {
    let mut log = world.open().unwrap();
    world.edit(edit);
    log.verify_entry_signatures(stream)
}

fn finding(result: Result<u64, LogError>) -> FindingCode {
    match result {
        Err(LogError::InvalidRecord(finding)) => finding.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_is_signed_where_its_stream_requires_it_or_its_producer_asks_for_it() {
    let world = signed_on_request();
    let mut log = world.open().unwrap();
    let of = |record: &OwnedRecord| match record {
        OwnedRecord::Signature(row) => Some(row.of),
        _ => None,
    };
    let signed: Vec<Subject> = world.records().iter().filter_map(of).collect();
    assert_eq!(signed, [1, 3, 4, 5].map(Subject::Entry), "once each, the required ones too");
    assert_eq!(log.verify_entry_signatures("plain"), Ok(2));
    assert_eq!(log.verify_entry_signatures("vault"), Ok(2), "with the entry that binds its rules");
    world.assert_valid(5);
    assert_eq!(world.report().signatures, 4);
}

#[test]
fn a_stream_is_checked_to_its_end_however_long_it_is() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let payloads: Vec<[u8; 2]> = (0..600u16).map(u16::to_be_bytes).collect();
    let entries: Vec<_> = payloads.iter().map(|payload| entry("long", payload)).collect();
    log.append_signed_batch(&entries).unwrap();
    append(&mut log, "other", b"between");
    log.append_signed_batch(&entries[..1]).unwrap();
    assert_eq!(log.verify_entry_signatures("long"), Ok(601));
    let changed = checked_after(&world, "long", |records| {
        let last = records.iter_mut().rev().find_map(|record| match record {
            OwnedRecord::Signature(row) => Some(row),
            _ => None,
        });
        last.unwrap().sig[0] ^= 1;
    });
    assert_eq!(finding(changed), FindingCode::SignatureInvalid);
}

#[test]
fn signatures_are_checked_across_a_rotation() {
    let world = World { keys: World::new().keys.signing("second", Algorithm::EcdsaP256), ..World::new() };
    let mut log = world.open().unwrap();
    log.append_signed_batch(&[entry("plain", b"by the first key")]).unwrap();
    log.rotate_key("second").unwrap();
    log.append_signed_batch(&[entry("plain", b"by the second")]).unwrap();
    assert_eq!(log.verify_entry_signatures("plain"), Ok(2));
    let report = log.verify_log().unwrap();
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
}

#[test]
fn a_signature_that_is_changed_or_missing_is_found() {
    let changed = checked_after(&signed_on_request(), "plain", |records| {
        let last = records.iter_mut().rev().find_map(|record| match record {
            OwnedRecord::Signature(row) => Some(row),
            _ => None,
        });
        last.unwrap().sig[7] ^= 1;
    });
    assert_eq!(finding(changed), FindingCode::SignatureInvalid);
    let strip = |records: &mut Vec<OwnedRecord>| {
        records.retain(|record| !matches!(record, OwnedRecord::Signature(_)));
    };
    assert_eq!(finding(checked_after(&signed_on_request(), "vault", strip)), FindingCode::Unsigned);
    // Where no rule requires a signature, one that is stripped leaves no trace but the count.
    assert_eq!(checked_after(&signed_on_request(), "plain", strip), Ok(0));
}

/// What the store answers of an entry is re-hashed and has to lead to the stream's last one, as this log knows it.
#[test]
fn an_entry_that_was_changed_is_found_whether_it_is_signed_or_not() {
    for seqno in [2, 3, 5, 6] {
        let world = signed_on_request();
        let mut log = world.open().unwrap();
        append(&mut log, "plain", b"the last, unsigned");
        world.edit(|records| {
            let changed = records.iter_mut().find(|record| record.seqno() == Some(seqno)).unwrap();
            changed.edit_entry(|entry| entry.payload = b"other".to_vec());
            changed.rehash();
        });
        let checked = log.verify_entry_signatures("plain");
        let signed = [3, 5].contains(&seqno);
        match checked {
            Err(LogError::ChainBroken { .. }) => {}
            Err(LogError::InvalidRecord(_)) if signed => {}
            other => panic!("{seqno}: {other:?}"),
        }
    }
}

#[test]
fn a_signature_of_a_known_identity_by_another_key_is_found() {
    let world = World { keys: World::new().keys.signing("another", Algorithm::Ed25519), ..World::new() };
    let mut log = world.open().unwrap();
    let (appended, _) = log.append_signed_batch(&[entry("plain", b"one")]).unwrap();
    let key = world.keys.signer("another").unwrap();
    world.edit(|records| {
        for record in records {
            if let OwnedRecord::Signature(row) = record {
                row.key = key.public_key().into();
                row.sig = key.sign(&entry_message(&appended[0].hash)).unwrap();
            }
        }
    });
    assert_eq!(finding(log.verify_entry_signatures("plain")), FindingCode::SignatureInvalid);
}

#[test]
fn without_a_key_nothing_is_signed_and_nothing_is_written() {
    let world = World::keyless();
    let mut log = world.open().unwrap();
    append(&mut log, "plain", b"unsigned");
    let before = world.records();
    let refused = log.append_signed_batch(&[entry("plain", b"one")]).unwrap_err();
    assert!(
        matches!(&refused, LogError::Key(why) if why.to_string().contains("an entry is to be signed")),
        "{refused:?}"
    );
    assert_eq!(world.records(), before);
}
