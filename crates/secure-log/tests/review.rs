//! Reviews: what they count, whatever the log says, and what they say of a log that was altered.

use crate::world::*;
use secure_log::SecureLogStore as _;
use secure_log::engine::{Erase, NewEntry};
use secure_log::entry::{Severity, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::record::Subject;
use secure_log::review::Review;
use secure_log::verify::{FindingCode, Verdict};
use secure_log_testkit::attacks::{edits, is_harmless, marked_logs, sample_records};
use secure_log_testkit::reviewing::reviews_count_what_is_there;
use secure_log_testkit::{OwnedRecord, SharedStore};
use serde_json::Value;

#[test]
fn reviews_count_what_is_in_memory() {
    reviews_count_what_is_there(|| {
        let place = SharedStore::new(MemoryStore::new());
        move || place.clone()
    });
}

/// The review of a store that was written behind everybody's back.
fn review_of(records: &[OwnedRecord]) -> Result<Review, LogError> {
    let world = World::new();
    world.put(records);
    world.open()?.review(None)
}

#[test]
fn a_stream_that_is_not_there_is_not_found() {
    let mut log = World::new().open().unwrap();
    append(&mut log, "a", b"x");
    assert_eq!(log.review(Some("b")), Err(LogError::StreamNotFound("b".into())));
    assert_eq!(log.review(Some("a")).unwrap().totals.streams, 1);
}

#[test]
fn an_empty_log_has_a_review() {
    let review = World::new().open().unwrap().review(None).unwrap();
    assert_eq!(
        (review.totals.entries, review.times, review.heads.newest.len()),
        (0, None, review.heads.count as usize)
    );
    assert!(review.to_text(None).contains("Entries by actor\n  none\n"), "{}", review.to_text(None));
}

#[test]
fn what_is_sealed_opened_erased_and_in_clear_is_told_apart() {
    let world = World { keys: World::new().keys.wrapping("kek"), ..World::new() };
    let mut log = world.open_with(|options| options.kek_label = Some("kek".into())).unwrap();
    let rules = StreamRules { tier: Tier::Protected, ..StreamRules::default() };
    for stream in ["secret", "other"] {
        log.create_stream(stream, &rules).unwrap();
    }
    for _ in 0..3 {
        log.append_sealed(&entry("secret", b"x")).unwrap();
    }
    log.close_segment("secret").unwrap();
    log.append_sealed(&entry("secret", b"y")).unwrap();
    log.append_sealed(&entry("other", b"z")).unwrap();
    append(&mut log, "clear", b"c");
    log.erase("secret", Erase::Segment(1)).unwrap();
    let told = |review: Review| {
        let payloads = &review.payloads;
        (payloads.clear, payloads.sealed, payloads.opened, payloads.erased, payloads.unopened())
    };
    assert_eq!(told(log.review(None).unwrap()), (1, 5, 0, 3, 2));
    assert_eq!(told(log.review_opening(None).unwrap()), (1, 5, 2, 3, 0));
    assert_eq!(told(log.review_opening(Some("secret")).unwrap()), (0, 4, 1, 3, 0));
    assert_eq!(told(log.review_opening(Some("clear")).unwrap()), (1, 0, 0, 0, 0));
    assert!(
        log.review(None).unwrap().to_text(None).contains("5 sealed, of which\n    0 were opened\n    3 were erased\n")
    );
}

#[test]
fn what_is_pruned_is_counted_and_is_no_gap_without_a_word() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for _ in 0..4 {
        world.clock.advance(10);
        append(&mut log, "a", b"x");
        append(&mut log, "b", b"x");
    }
    world.store.with(|store| store.prune(&[("a", 5)])).unwrap();
    let review = log.review(None).unwrap();
    // Nothing in the log allows it, which is found at the end: everything was counted by then.
    assert!(
        matches!(&review.report.verdict, Verdict::Invalid(finding) if finding.code == FindingCode::PruneUnauthorized)
    );
    assert_eq!((review.totals.pruned, review.totals.entries, review.totals.uncovered), (3, 5, 0));
    let log_gaps: Vec<_> = review.gaps.largest.iter().map(|gap| (gap.from.seqno, gap.to.seqno, gap.pruned)).collect();
    assert_eq!(log_gaps, [(2, 4, 1), (4, 6, 1), (6, 7, 0)]);
}

#[test]
fn signatures_are_told_apart_by_what_they_are_worth() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("s", &signed(SigningRule::Entries)).unwrap();
    let first = append(&mut log, "s", b"x").seqno;
    let last = append(&mut log, "s", b"y").seqno;
    drop(log);
    let review = world.open().unwrap().review(Some("s")).unwrap();
    let signer = &review.signers.listed[0];
    // The first entry of a stream is the engine's, and signed as well.
    assert_eq!((signer.valid, signer.signatures(), signer.range), (3, 3, Some((1, last))));

    world.edit(|records| {
        for record in records {
            if let OwnedRecord::Signature(row) = record
                && row.of == Subject::Entry(first)
            {
                row.identity = "nobody\u{202e}".into();
            }
        }
    });
    let review = world.open().unwrap().review(None).unwrap();
    assert_eq!(review.report.verdict, Verdict::Incomplete);
    let told: Vec<_> =
        review.signers.listed.iter().map(|signer| (signer.valid, signer.unknown, signer.range)).collect();
    assert_eq!(told, [(2, 0, Some((1, last))), (0, 1, Some((first, first)))]);

    world.edit(|records| {
        for record in records {
            if let OwnedRecord::Signature(row) = record
                && row.of == Subject::Entry(last)
            {
                row.sig[7] ^= 1;
            }
        }
    });
    let review = world.open().unwrap().review(None).unwrap();
    assert!(!review.is_trustworthy());
    assert_eq!((review.signers.listed[0].valid, review.signers.listed[0].invalid), (1, 1));
    assert!(review.to_text(None).contains("1 valid, 1 INVALID"), "{}", review.to_text(None));
}

#[test]
fn each_edit_of_a_store_that_a_verification_finds_is_said_first() {
    let mut shown = 0;
    for edit in edits() {
        let mut records = sample_records();
        (edit.apply)(&mut records);
        let world = World::new();
        world.put(&records);
        // What is found as the log is opened needs no review.
        let Ok(mut log) = world.open() else { continue };
        let (Ok(report), Ok(review)) = (log.verify_log(), log.review(None)) else { continue };
        assert_eq!(review.report, report, "{}", edit.name);
        let invalid = matches!(report.verdict, Verdict::Invalid(_));
        assert_eq!(review.is_trustworthy(), !invalid);
        let covered = if invalid { 0 } else { review.totals.uncovered };
        let entries = review.totals.entries + review.totals.pruned;
        assert_eq!(entries - covered, report.entries + report.pruned, "{}", edit.name);
        if let Verdict::Invalid(finding) = &report.verdict {
            shown += 1;
            let (text, json) = (review.to_text(None), review.to_json(None));
            let verdict = text.find("INVALID: a check failed").expect("it is said");
            assert!(verdict < text.find("NOT TRUSTWORTHY").unwrap() && verdict < text.find("Totals").unwrap());
            assert!(text.contains(finding.code.as_str()), "{text}");
            assert!(json.starts_with(r#"{"verdict":"invalid","trustworthy":false,"#), "{json}");
        }
    }
    assert!(shown > 5, "only {shown} edits were found by a verification");
}

#[test]
fn counts_end_where_a_check_fails() {
    let mut records = sample_records();
    let whole = review_of(&records).unwrap();
    assert_eq!((whole.report.verdict.as_str(), whole.totals.entries, whole.totals.uncovered), ("valid", 25, 0));
    for record in &mut records {
        if let OwnedRecord::Entry { seqno: 13, bytes, .. } = record {
            let at = bytes.windows(5).position(|window| window == b"carol").unwrap();
            bytes[at] = b'C';
        }
    }
    let review = review_of(&records).unwrap();
    assert!(matches!(&review.report.verdict, Verdict::Invalid(finding) if finding.code == FindingCode::HashMismatch));
    assert_eq!((review.totals.entries, review.totals.uncovered, review.heads.count), (12, 0, review.report.heads));
    assert!(review.times.unwrap().latest.time <= whole.times.unwrap().latest.time);
}

/// What is hostile in every name that anybody chooses.
const HOSTILE: &str = "a\u{202e}\u{2066}\"\\\u{e0001}\u{200b}'é水";

#[test]
fn text_and_json_hide_nothing_whatever_the_log_says() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let payload = |id: u64, result: &str| {
        let (id, name) =
            (format!("{id:08x}-0000-4000-8000-000000000000"), HOSTILE.replace('\\', "\\\\").replace('"', "\\\""));
        format!(
            r#"{{"action":{{"kind":"{name}"}},"actor":{{"id":"{name}","kind":"{name}"}},"id":"{id}","outcome":{{"result":"{result}"}}}}"#
        )
    };
    for id in 0..3 {
        world.clock.advance(100);
        let payload = payload(id, "begun");
        let new = NewEntry {
            stream: HOSTILE,
            event: HOSTILE,
            severity: Severity::Emergency,
            producer: HOSTILE,
            encoding: "secure-log.audit.v1+json",
            payload: payload.as_bytes(),
        };
        log.append(&new).unwrap();
    }
    log.close_segment(HOSTILE).unwrap();
    for stream in [None, Some(HOSTILE)] {
        let review = log.review(stream).unwrap();
        check_harmless(&review);
        let value: Value = serde_json::from_str(&review.to_json(None)).unwrap();
        assert_eq!(value["producers"]["listed"][0], serde_json::json!({ "name": HOSTILE, "entries": 3 }));
        assert_eq!(value["actors"]["listed"][0]["id"], HOSTILE);
        assert_eq!(value["actions"]["listed"][2]["actor"]["kind"], HOSTILE);
        assert_eq!(value["actions"]["listed"][0]["stream"], HOSTILE);
        assert_eq!(value["actions"]["listed"][0]["action"], HOSTILE);
        assert_eq!(value["segments"]["newest"][0]["stream"], HOSTILE);
        assert_eq!(value["severities"]["emergency"], 3);
        assert_eq!(value["stream"], stream.map_or(Value::Null, Value::from));
    }
    let review = log.review(None).unwrap();
    assert_eq!(review.gaps_in_streams.as_ref().unwrap().largest[0].stream.as_deref(), Some(HOSTILE));

    let mut reviewed = 0;
    for (_, records) in marked_logs() {
        if let Ok(review) = review_of(&records) {
            check_harmless(&review);
            reviewed += 1;
        }
    }
    assert!(reviewed > 0, "no log with marks of direction was reviewed");
}

fn check_harmless(review: &Review) {
    let (text, json) = (review.to_text(None), review.to_json(None));
    assert!(text.lines().all(|line| line.chars().all(is_harmless)), "{text}");
    assert!(json.chars().all(is_harmless), "{json}");
    assert!(!text.contains('\u{e0001}') && !json.contains('\u{e0001}'));
}

#[test]
fn text_and_json_say_the_figures_of_the_record() {
    let review = review_of(&sample_records()).unwrap();
    let value: Value = serde_json::from_str(&review.to_json(Some("2026-11-29T00:00:00Z"))).unwrap();
    assert_eq!(value["report"]["time"], "2026-11-29T00:00:00Z");
    assert_eq!(value["totals"]["entries"], review.totals.entries);
    assert_eq!(value["totals"]["streams"], review.totals.streams);
    assert_eq!(value["heads"]["newest"][0]["size"], 25);
    assert_eq!(value["signers"][0]["valid"], review.signers.listed[0].valid);
    assert_eq!(value["times"]["latest"]["time"], review.times.unwrap().latest.time.to_string());
    assert_eq!(value["gaps"]["largest"][0]["seconds"], 1);
    let text = review.to_text(Some("2026-11-29T00:00:00Z"));
    for line in [
        "verdict       VALID: everything was checked, and is as it should be",
        "time          2026-11-29T00:00:00Z",
        "  25 entries, 9 of them of the engine",
        "            16  'test'",
        "Segments\n  3 closed, 2 of them signed",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
