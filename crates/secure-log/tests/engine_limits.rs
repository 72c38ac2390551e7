//! Row 30 of the attack table of docs/security.md: what producers may not say, and how much.

use crate::world::*;
use secure_log::control;
use secure_log::engine::NewEntry;
use secure_log::entry::{Severity, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::limits::{Invalid, MAX_BATCH_BYTES, MAX_PAYLOAD_BYTES, Problem};

#[test]
fn row_30_what_is_the_engines_own_is_refused_and_nothing_is_written() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    let before = world.records();
    let good = entry("a", b"2");
    for event in [
        control::CREATED,
        control::SUITE_CHANGED,
        control::SEGMENT_CLOSED,
        control::DEPRECATED,
        control::PRUNED,
        control::ERASED,
        control::RECOVERED,
        control::CONTINUED,
        "secure-log.",
        "secure-log.anything",
    ] {
        refused(&mut log, NewEntry { event, ..good }, "event type", Problem::Reserved);
    }
    for stream in ["secure-log", "secure-log.keys", "secure-log.", "secure-log.a.b"] {
        refused(&mut log, NewEntry { stream, ..good }, "stream", Problem::Reserved);
        let reserved = |outcome: Result<(), LogError>| {
            let problem = Problem::Reserved;
            assert_eq!(outcome, Err(LogError::Invalid(Invalid { field: "stream", problem })));
        };
        reserved(log.create_stream(stream, &StreamRules::default()).map(|_| ()));
        reserved(log.deprecate_stream(stream).map(|_| ()));
        reserved(log.change_suite(stream, Suite::Blake3).map(|_| ()));
        reserved(log.close_segment(stream).map(|_| ()));
    }
    for encoding in ["text+aead-xchacha20poly1305-v1", "+aead-", "a+aead-b", "text+aead-unknown"] {
        refused(&mut log, NewEntry { encoding, ..good }, "payload encoding", Problem::Reserved);
    }
    assert_eq!(world.records(), before);
    // What only looks a little like it is a producer's.
    for (stream, event, encoding) in
        [("secure-logs", "secure-log", "text+aead"), ("Secure-log", "x.secure-log.", "aead-")]
    {
        log.append(&NewEntry { stream, event, encoding, ..good }).unwrap();
    }
    world.assert_valid(3);
}

#[test]
fn row_30_each_field_has_its_limit_and_a_breach_names_both() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let (longest, longer) = ("x".repeat(255), "x".repeat(256));
    let wide = "\u{e9}".repeat(128);
    let good = entry("a", b"2");
    type Field = (&'static str, for<'a> fn(NewEntry<'a>, &'a str) -> NewEntry<'a>, bool);
    let fields: [Field; 4] = [
        ("stream", |entry, stream| NewEntry { stream, ..entry }, false),
        ("event type", |entry, event| NewEntry { event, ..entry }, false),
        ("producer", |entry, producer| NewEntry { producer, ..entry }, true),
        ("payload encoding", |entry, encoding| NewEntry { encoding, ..entry }, true),
    ];
    for (field, with, may_be_empty) in fields {
        for long in [&longer, &wide] {
            refused(&mut log, with(good, long), field, Problem::TooLong { limit: 255, found: 256 });
        }
        for control in ["a\0b", "a\nb", "\t", "\u{1f}", "\u{7f}", "\u{1b}[2J"] {
            refused(&mut log, with(good, control), field, Problem::ControlCharacter);
        }
        match may_be_empty {
            true => drop(log.append(&with(good, "")).unwrap()),
            false => refused(&mut log, with(good, ""), field, Problem::Empty),
        }
        log.append(&with(good, &longest)).unwrap();
        log.append(&with(good, "\u{202e}\u{80} \u{1f600}")).unwrap();
    }
    for (description, problem) in [
        (longer.clone(), Problem::TooLong { limit: 255, found: 256 }),
        (String::new(), Problem::Empty),
        ("a\nb".into(), Problem::ControlCharacter),
    ] {
        let rules = StreamRules { description: Some(description), ..StreamRules::default() };
        let expected = LogError::Invalid(Invalid { field: "description", problem });
        assert_eq!(log.create_stream("described", &rules).unwrap_err(), expected);
    }
    log.create_stream("described", &StreamRules { description: Some(longest), ..StreamRules::default() }).unwrap();
    world.assert_valid(log.size());
    let shown = Invalid { field: "stream", problem: Problem::TooLong { limit: 255, found: 256 } }.to_string();
    assert_eq!(shown, "stream: at most 255 bytes, found 256");
}

#[test]
fn row_30_payloads_and_batches_have_their_limits() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let largest = vec![b'x'; MAX_PAYLOAD_BYTES];
    let larger = vec![b'x'; MAX_PAYLOAD_BYTES + 1];
    assert_eq!((MAX_PAYLOAD_BYTES, MAX_BATCH_BYTES), (16 << 20, 64 << 20));
    let too_long = |limit, found| Problem::TooLong { limit, found };
    refused(&mut log, entry("a", &larger), "payload", too_long(MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1));
    let full = [entry("a", &largest); 4];
    let fuller = [&full[..], &[entry("a", b"1")]].concat();
    let problem = too_long(MAX_BATCH_BYTES, MAX_BATCH_BYTES + 1);
    assert_eq!(log.append_batch(&fuller).unwrap_err(), LogError::Invalid(Invalid { field: "batch", problem }));
    assert_eq!(log.size(), 0);
    log.append_batch(&full).unwrap();
    world.assert_valid(4);
}

/// Expects that an entry is refused for this reason, alone and at the end of a batch, and that nothing is written.
#[track_caller]
fn refused(log: &mut Log, bad: NewEntry<'_>, field: &'static str, problem: Problem) {
    let size = log.size();
    let expected = LogError::Invalid(Invalid { field, problem });
    assert_eq!(log.append(&bad).unwrap_err(), expected);
    let good = NewEntry { severity: Severity::Emergency, ..entry("a", b"good") };
    assert_eq!(log.append_batch(&[good, bad]).unwrap_err(), expected);
    assert_eq!(log.size(), size);
}
