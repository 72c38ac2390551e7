//! Evidence bundles that the engine makes: each is valid to whoever has the keys, however it is cut into pieces, and a store
//! that lies makes the log give out none (docs/evidence.md).

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::world::*;
use secure_log::bundle::{BundleReport, BundleVerifier, Claim, MAX_HINT_BYTES, verify_bundle};
use secure_log::engine::{EvidenceError, EvidenceOf, NewEntry};
use secure_log::entry::SigningRule;
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::store::SecureLogStore;
use secure_log::verify::{FindingCode, Trust, Verdict};
use secure_log_testkit::attacks::{hmac_key, trust};
use secure_log_testkit::{HostileStore, OwnedRecord};

fn bundle<S: SecureLogStore>(
    log: &mut secure_log::SecureLog<S>,
    of: &EvidenceOf,
    size: Option<u64>,
) -> Result<Vec<u8>, LogError> {
    let mut lines = Vec::new();
    match log.write_evidence(of, size, &mut lines) {
        Ok(_) => Ok(lines),
        Err(EvidenceError::Log(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn verified(bundle: &[u8], trust: &Trust) -> BundleReport {
    let whole = verify_bundle(bundle, trust).unwrap();
    for size in [1, 7, 1000] {
        let mut pieces = BundleVerifier::new(trust.clone()).unwrap();
        bundle.chunks(size).all(|piece| pieces.push(piece));
        assert_eq!(pieces.finish(), whole, "in pieces of {size}");
    }
    whole
}

/// A log with every suite and signing rule, several segments, and a deprecated stream.
fn written(world: &World) -> Log {
    let mut log = world.open().unwrap();
    let mac = log.mac_suite().unwrap();
    log.create_stream("signed", &signed(SigningRule::Entries)).unwrap();
    log.create_stream("closed", &signed(SigningRule::Segments)).unwrap();
    log.create_stream("keyed", &hashed(mac)).unwrap();
    log.create_stream("blake3", &hashed(Suite::Blake3)).unwrap();
    for round in 0..4u8 {
        let batch: Vec<NewEntry<'_>> =
            ["signed", "closed", "plain", "keyed", "blake3", "changing"].map(|stream| entry(stream, b"payload")).into();
        log.append_batch(&batch).unwrap();
        log.close_segment(["signed", "closed", "closed", "plain"][usize::from(round)]).unwrap();
        if round == 1 {
            log.change_suite("changing", mac).unwrap();
        }
    }
    log.deprecate_stream("plain").unwrap();
    append(&mut log, "changing", b"\"last\"\n");
    log
}

#[test]
fn every_entry_and_every_range_is_proven_under_every_head() {
    let world = World::new();
    let mut log = written(&world);
    let sizes: Vec<u64> = world.heads().iter().map(|head| head.size).filter(|size| *size > 0).collect();
    let mut bundles = 0;
    for size in sizes {
        for seqno in 1..=size {
            let of = EvidenceOf::Entry(seqno);
            let report = verified(&bundle(&mut log, &of, Some(size)).unwrap(), &trust());
            let context = format!("{of:?} under {size}: {report:?}");
            assert_eq!(
                (&report.report.verdict, report.claim),
                (&Verdict::Valid, Some(Claim::Entry { seqno })),
                "{context}"
            );
            assert_eq!((report.report.size, report.report.complete_to), (size, 0), "{context}");
        }
        for first in 1..=size {
            for last in (first..=size).filter(|last| (first * 7 + last) % 5 == 0 || first == 1) {
                let of = EvidenceOf::Range(first, last);
                let lines = bundle(&mut log, &of, Some(size)).unwrap();
                let report = verify_bundle(&lines[..], &trust()).unwrap();
                assert_eq!(report.report.verdict, Verdict::Valid, "{of:?} under {size}: {report:?}");
                assert_eq!(report.claim, Some(Claim::Range { first, last }));
                assert!(report.report.entries > last - first);
                bundles += 1;
            }
        }
    }
    assert!(bundles > 500, "{bundles}");
}

#[test]
fn every_stream_is_proven_up_to_each_of_its_entries() {
    let world = World::new();
    let mut log = written(&world);
    let mut streams = BTreeMap::<String, Vec<u64>>::new();
    for entry in world.records().iter().filter_map(OwnedRecord::entry) {
        streams.entry(entry.stream).or_default().push(entry.seqno);
    }
    for (name, seqnos) in &streams {
        for (index, last) in seqnos.iter().enumerate() {
            let lines = bundle(&mut log, &EvidenceOf::Stream(name.clone(), Some(*last)), None).unwrap();
            let report = verified(&lines, &trust());
            assert_eq!(report.report.verdict, Verdict::Valid, "{name} to {last}: {report:?}");
            assert_eq!(report.claim, Some(Claim::Stream { name: name.clone(), first: seqnos[0], last: *last }));
            assert_eq!(report.report.entries, index as u64 + 1);
        }
        let whole = bundle(&mut log, &EvidenceOf::Stream(name.clone(), None), None).unwrap();
        let report = verify_bundle(&whole[..], &trust()).unwrap();
        assert_eq!(report.report.entries, seqnos.len() as u64);
        let between = (1..log.size()).find(|seqno| !seqnos.contains(seqno)).unwrap();
        let not_its_own = bundle(&mut log, &EvidenceOf::Stream(name.clone(), Some(between)), None);
        assert_eq!(not_its_own, Err(LogError::EntryNotFound(between)));
    }
}

#[test]
fn a_producers_entry_that_nobody_asked_for_is_handed_over_only_where_nothing_else_shows_the_rules() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for payload in [&b"private"[..], b"second", b"third"] {
        append(&mut log, "a", payload);
    }
    let holds_it = |log: &mut Log, of: &EvidenceOf| {
        let lines = bundle(log, of, None).unwrap();
        assert_eq!(verify_bundle(&lines[..], &trust()).unwrap().report.verdict, Verdict::Valid, "{of:?}");
        String::from_utf8(lines).unwrap().contains("private")
    };
    assert!(holds_it(&mut log, &EvidenceOf::Entry(2)));
    log.close_segment("a").unwrap();
    assert!(!holds_it(&mut log, &EvidenceOf::Entry(2)));
    assert!(!holds_it(&mut log, &EvidenceOf::Range(2, 3)));
    assert!(!holds_it(&mut log, &EvidenceOf::Range(2, 4)), "what closes the segment is asked for itself");
}

#[test]
fn what_cannot_be_proven_is_refused() {
    let world = World::new();
    let mut log = written(&world);
    let size = log.size();
    let earlier = world.heads().iter().rev().find(|head| head.size < size).unwrap().size;
    for (of, under, error) in [
        (EvidenceOf::Entry(0), None, LogError::EntryNotFound(0)),
        (EvidenceOf::Entry(size + 1), None, LogError::EntryNotFound(size + 1)),
        (EvidenceOf::Entry(size), Some(earlier), LogError::NotCovered { seqno: size, size: earlier }),
        (EvidenceOf::Entry(1), Some(size + 1), LogError::HeadNotFound(size + 1)),
        (EvidenceOf::Range(1, size + 1), None, LogError::EntryNotFound(size + 1)),
        (EvidenceOf::Range(1, size), Some(earlier), LogError::NotCovered { seqno: size, size: earlier }),
        (EvidenceOf::Stream("none".into(), None), None, LogError::StreamNotFound("none".into())),
        (EvidenceOf::Stream("plain".into(), Some(1)), None, LogError::EntryNotFound(1)),
    ] {
        assert_eq!(bundle(&mut log, &of, under), Err(error), "{of:?}");
    }
    for backwards in [EvidenceOf::Range(0, 1), EvidenceOf::Range(3, 2)] {
        assert!(matches!(bundle(&mut log, &backwards, None), Err(LogError::Invalid(_))), "{backwards:?}");
    }
    log.create_stream("empty", &secure_log::entry::StreamRules::default()).unwrap();
    let empty = bundle(&mut log, &EvidenceOf::Stream("empty".into(), None), None);
    assert_eq!(empty, Err(LogError::EntryNotFound(0)));
    let mut keyless = World::keyless().open().unwrap();
    append(&mut keyless, "a", b"x");
    assert_eq!(bundle(&mut keyless, &EvidenceOf::Entry(1), None), Err(LogError::HeadUnsigned(1)));
}

#[test]
fn an_output_that_fails_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut log = written(&World::new());
    let failed = log.write_evidence(&EvidenceOf::Entry(1), None, &mut Full);
    assert!(matches!(failed, Err(EvidenceError::Output(error)) if error.kind() == io::ErrorKind::StorageFull));
}

#[test]
fn a_bundle_of_one_entry_is_small_however_long_the_log() {
    let mut log = World::new().open().unwrap();
    let batch = vec![entry("a", b"payload"); 1000];
    let mut lengths = Vec::new();
    for _ in 0..9 {
        log.append_batch(&batch).unwrap();
        lengths.push(bundle(&mut log, &EvidenceOf::Entry(500), None).unwrap().len());
    }
    // Two proofs of at most fourteen hashes, each of 67 characters, and what does not grow.
    assert!(lengths.iter().all(|length| *length < 2 * 14 * 67 + 2500), "{lengths:?}");
    let range = bundle(&mut log, &EvidenceOf::Range(501, 600), None).unwrap();
    let hashes = |line: &str| line.matches("\",\"").count();
    let proofs: usize = String::from_utf8(range).unwrap().lines().filter(|l| l.contains("proof")).map(hashes).sum();
    assert!(proofs < 64, "one proof for all entries, and not one for each: {proofs}");
}

#[test]
fn pages_are_bounded_and_the_last_proof_stands_alone() {
    let mut log = World::new().open().unwrap();
    let large = vec![b'x'; 700 << 10];
    for _ in 0..6 {
        append(&mut log, "a", &large);
    }
    log.append_batch(&vec![entry("a", b"small"); 2000]).unwrap();
    for of in [EvidenceOf::Range(1, log.size()), EvidenceOf::Stream("a".into(), None)] {
        let mut evidence = log.evidence(&of, None).unwrap();
        let (mut lines, mut page_count) = (Vec::new(), 0);
        let mut last_page = Vec::new();
        while let Some(page) = evidence.next_page(&mut log).unwrap() {
            assert!(page.len() < 3 << 20, "{}", page.len());
            page_count += 1;
            lines.extend_from_slice(&page);
            last_page = page;
        }
        assert!(page_count > 6, "{page_count}");
        assert!(last_page.starts_with(b"{\"t\":\"proof\""));
        assert_eq!(verify_bundle(&lines[..], &trust()).unwrap().report.verdict, Verdict::Valid);
        let without = &lines[..lines.len() - last_page.len()];
        let report = verify_bundle(without, &trust()).unwrap().report;
        assert!(matches!(report.verdict, Verdict::Invalid(found) if found.code == FindingCode::Truncated));
    }
}

#[test]
fn a_bundle_stays_under_its_head_while_the_log_grows() {
    let mut log = written(&World::new());
    let size = log.size();
    let mut evidence = log.evidence(&EvidenceOf::Range(2, size), None).unwrap();
    let mut lines = Vec::new();
    while let Some(page) = evidence.next_page(&mut log).unwrap() {
        lines.extend_from_slice(&page);
        append(&mut log, "a", b"meanwhile");
    }
    let report = verify_bundle(&lines[..], &trust()).unwrap().report;
    assert_eq!((report.verdict, report.size), (Verdict::Valid, size));
}

#[test]
fn keys_decide_what_a_bundle_says() {
    let mut log = written(&World::new());
    let of_keyed = bundle(&mut log, &EvidenceOf::Stream("keyed".into(), None), None).unwrap();
    let last = log.size();
    let of_changed = bundle(&mut log, &EvidenceOf::Entry(last), None).unwrap();
    assert!(String::from_utf8_lossy(&of_changed).contains(r#"{"t":"suite","stream":"changing","key":""#));
    let mut without_mac = Trust::new();
    trust().log_keys().iter().for_each(|key| without_mac.add_log_key(key.clone()));
    trust().signers().iter().for_each(|signer| without_mac.add_signer(signer.clone()));
    for lines in [&of_keyed, &of_changed] {
        let report = verify_bundle(&lines[..], &without_mac).unwrap().report;
        assert_eq!((&report.verdict, report.missing.len()), (&Verdict::Incomplete, 1), "{report:?}");
    }
    let nobody = verify_bundle(&of_keyed[..], &Trust::new()).unwrap();
    assert_eq!(nobody.report.verdict, Verdict::Incomplete);
    // What the bundle proposes is a policy that would do, and counts for nothing by itself.
    let hint = nobody.hint.unwrap();
    let mut proposed: Trust = hint.parse().unwrap();
    proposed.add_hmac_key(hmac_key());
    assert_eq!(verify_bundle(&of_keyed[..], &proposed).unwrap().report.verdict, Verdict::Valid);
    assert!(hint.len() < MAX_HINT_BYTES);
}

/// Of every record in turn, what a store could change of it. What is not hashed anywhere is left out.
fn lies(record: &OwnedRecord) -> Vec<OwnedRecord> {
    let edited = |edit: fn(&mut OwnedRecord)| {
        let mut record = record.clone();
        edit(&mut record);
        record
    };
    match record {
        OwnedRecord::Entry { .. } => vec![
            edited(|record| record.edit_entry(|entry| entry.payload = b"another".into())),
            edited(|record| {
                if let OwnedRecord::Entry { hash, .. } = record {
                    hash.0[0] ^= 1;
                }
            }),
        ],
        OwnedRecord::Signature(_) => vec![edited(|record| {
            if let OwnedRecord::Signature(row) = record {
                row.sig[0] ^= 1;
            }
        })],
        OwnedRecord::Segment(_) => vec![edited(|record| {
            if let OwnedRecord::Segment(row) = record {
                row.closed = "1999-01-01T00:00:00.000000000Z".into();
            }
        })],
        OwnedRecord::Stream(_) => vec![edited(|record| {
            if let OwnedRecord::Stream(row) = record {
                row.rules.description = Some("another".into());
            }
        })],
        _ => Vec::new(),
    }
}

#[test]
fn a_store_that_lies_makes_the_log_give_out_nothing() {
    let world = World::new();
    let size = written(&world).size();
    let whole = EvidenceOf::Range(1, size);
    let records = world.records();
    let mut lied = 0;
    for (index, record) in records.iter().enumerate() {
        // Of a stream that was deprecated only the newer record is read.
        let same_stream = |other: &OwnedRecord| match (other, record) {
            (OwnedRecord::Stream(other), OwnedRecord::Stream(row)) => other.name == row.name,
            _ => false,
        };
        if records[index + 1..].iter().any(same_stream) {
            continue;
        }
        for lie in lies(record) {
            world.put(&records);
            let mut log = world.open().unwrap();
            let mut edited = records.clone();
            edited[index] = lie;
            world.put(&edited);
            let outcome = bundle(&mut log, &whole, None);
            assert!(outcome.is_err(), "{:?} passed", edited[index]);
            let Ok(mut evidence) = log.evidence(&whole, None) else { continue };
            let failed = (0..100).find_map(|_| evidence.next_page(&mut log).err());
            assert_eq!(evidence.next_page(&mut log), Err(failed.unwrap()), "it is not given out later, either");
            lied += 1;
        }
    }
    assert!(lied > 60, "{lied}");
}

#[test]
fn tree_hashes_that_a_store_makes_up_are_not_given_out() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.append_batch(&vec![entry("a", b"x"); 100]).unwrap();
    drop(log);
    let store = HostileStore::new(world.store.clone()).rewrite_nodes(|_, hash| {
        if let Some(hash) = hash {
            hash.0[0] ^= 1;
        }
    });
    if let Ok(mut log) = world.open_on(store, |_| ()) {
        for of in [EvidenceOf::Entry(40), EvidenceOf::Range(40, 50), EvidenceOf::Stream("a".into(), Some(40))] {
            assert!(bundle(&mut log, &of, None).is_err(), "{of:?}");
        }
    }
}
