//! A server that answers what no server should: typed errors, nothing endless, and an engine that signs nothing unproven.

use secure_log::SecureLog;
use secure_log::index::IndexKey;
use secure_log::memory::MemoryStore;
use secure_log::query::Filter;
use secure_log::record::Subject;
use secure_log::store::{EntryRange, IndexRange, NodeId, Search, SecureLogStore, StoreError, TreeId};
use secure_log_rpc::{MAX_ANSWER_BYTES, RemoteStore, Transport, TransportError};
use secure_log_testkit::attacks::{
    self, no_edit_passes_with, open_and_verify, options, providers, sample_log, scenarios,
};
use secure_log_testkit::{
    AnyStore, Effect, Fault, FaultStore, Faults, LogBuilder, OwnedRecord, SeededRandom, SharedStore, count, seed,
    store_from,
};

use crate::support::{Here, at_once, open};

/// Answers the greeting, and then whatever it is told to.
struct Says<F>(F);

impl<F: FnMut(&str) -> String> Transport for Says<F> {
    fn rpc(&mut self, method: &str, _: &str) -> Result<String, TransportError> {
        match method {
            "init" => Ok(r#"{"ok":{"version":1,"torn":null}}"#.into()),
            _ => Ok((self.0)(method)),
        }
    }
}

/// Calls everything that only reads, with an answer for all of it, and answers what each call made of it.
fn read_all(answer: &str) -> Vec<(&'static str, Result<(), StoreError>)> {
    let store = &mut open(Says(|_: &str| answer.to_owned()));
    let range = EntryRange { stream: None, from: 1, to: u64::MAX, limit: u32::MAX };
    let node = NodeId { tree: TreeId::Log, level: 4, index: 0 };
    vec![
        ("log", store.log().map(drop)),
        ("heads", store.heads(None, 2000).map(drop)),
        ("segment-count", store.segment_count().map(drop)),
        ("entries", store.entries(range, &mut |_| ())),
        ("hashes", store.hashes(TreeId::Log, 0, u32::MAX).map(drop)),
        ("nodes", store.nodes(&[node]).map(drop)),
        ("indexed", store.indexed(indexed(false)).map(drop)),
        ("index-rows", store.index_rows(None, u32::MAX).map(drop)),
        ("search", search(store, false).map(drop)),
        ("stream", store.stream("a").map(drop)),
        ("streams", store.streams(0, u32::MAX).map(drop)),
        ("segment", store.segment(1).map(drop)),
        ("segments", store.segments("a", 0, u32::MAX).map(drop)),
        ("segment-of", store.segment_of("a", 1).map(drop)),
        ("leaf-index", store.leaf_index(1, 1).map(drop)),
        ("signatures", store.signatures(Subject::Entry(1)).map(drop)),
        ("data-keys", store.data_keys("a").map(drop)),
        ("witnesses", store.witnesses(None, 3).map(drop)),
        ("scan", store.scan(0, usize::MAX, &mut |_| ()).map(drop)),
    ]
}

fn indexed(newest_first: bool) -> IndexRange {
    IndexRange { key: IndexKey::default(), from: 1, to: 1 << 40, newest_first, limit: u32::MAX }
}

/// Entries 1 to 9, three at once.
fn search<T: Transport>(store: &mut RemoteStore<T>, newest_first: bool) -> Result<Option<u64>, StoreError> {
    let filter = Filter::default();
    let search = Search { filter: &filter, from: 1, to: 9, newest_first, limit: 3, max_bytes: 1 << 30, work: u32::MAX };
    store.search(&search, &mut |_| ())
}

#[test]
fn an_answer_of_wrong_types_is_damage() {
    let answers = [
        r#"{"ok":"text"}"#,
        r#"{"ok":[{"head":{}}]}"#,
        r#"{"ok":{"rows":[{"head":1}],"next":null}}"#,
        r#"{"ok":-1}"#,
        r#"{"ok":1e99}"#,
        r#"{"ok":{"id":"AA==","origin":"a","created":"b"}}"#,
        r#"{"fine":null}"#,
        r#"{"err":{"strange":"case"}}"#,
        r#"{"err":{"conflict":[{"size":1,"root":"AAAA","sigs":[]}]}}"#,
    ];
    for answer in answers {
        for (call, said) in read_all(answer) {
            match said {
                Err(StoreError::Corrupt { at, detail }) => {
                    assert!(at.starts_with("the answer to ") && detail.len() < 400, "{call}: {at}: {detail}");
                }
                other => panic!("{call} makes {other:?} of {answer}"),
            }
        }
    }
}

/// Where what is there has the right types so far, or is not even the beginning of an answer.
#[test]
fn an_answer_that_is_cut_short_is_none() {
    for answer in ["", "[]", "1", "{", r#"{"ok":"#, "<html>", "{\"ok\":nul", r#"{"err":{"io":{"operation":"a"#] {
        for (call, said) in read_all(answer) {
            assert!(matches!(said, Err(StoreError::Io { .. })), "{call} makes {said:?} of {answer:?}");
        }
    }
}

#[test]
fn an_answer_that_is_too_long_is_not_looked_at() {
    let long = " ".repeat(MAX_ANSWER_BYTES) + r#"{"ok":0}"#;
    let mut store = open(Says(|_: &str| long.clone()));
    let said = store.segment_count();
    assert!(matches!(&said, Err(StoreError::Io { detail, .. }) if detail.contains("at most")), "{said:?}");
}

/// A hostile text is quoted in no error at length, and with nothing that a terminal would obey.
#[test]
fn what_a_server_says_is_harmless_in_errors() {
    let text = "\\u001b[2J".repeat(10_000);
    for answer in [format!(r#"{{"ok":"{text}"}}"#), format!(r#"{{"{text}":1}}"#)] {
        for (call, said) in read_all(&answer) {
            let said = said.expect_err(call).to_string();
            assert!(said.len() < 500 && !said.contains('\u{1b}'), "{call}: {said}");
        }
    }
}

/// Pages that a server never ends, or that go round in circles.
#[test]
fn pages_end() {
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let head = |number: u64| format!(r#"{{"number":{number},"head":{{"size":1,"root":"{hash}","sigs":[]}}}}"#);
    let page = |row: &dyn Fn(u64) -> String, rows: u64| {
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!(r#"{{"ok":[{}]}}"#, rows.join(","))
    };
    let same_heads = page(&|_| head(7), 1024);
    let said = open(Says(|_: &str| same_heads.clone())).heads(None, u32::MAX);
    assert!(matches!(said, Err(StoreError::Corrupt { .. })), "{said:?}");
    let descending = page(&|place| head(5000 - place), 1024);
    let said = open(Says(|_: &str| descending.clone())).heads(None, u32::MAX);
    assert!(matches!(said, Err(StoreError::Corrupt { .. })), "the second page repeats the first: {said:?}");
    let many = page(&|place| head(5000 - place), 5);
    let said = open(Says(|_: &str| many.clone())).heads(None, 3);
    assert!(matches!(said, Err(StoreError::Corrupt { .. })), "{said:?}");
    // The index: a page that repeats, one that is not in the order that was asked for, and a seqno that is not of the range.
    let full = 1 << 16;
    let seqnos = |seqno: &dyn Fn(u64) -> u64, rows| page(&|place| seqno(place).to_string(), rows);
    for (newest_first, answer) in [
        (false, seqnos(&|place| place + 1, full)),
        (true, seqnos(&|place| (1 << 20) - place, full)),
        (false, seqnos(&|place| 9 - place, 3)),
        (true, seqnos(&|place| place + 1, 3)),
        (false, seqnos(&|place| place, 3)),
        (true, seqnos(&|_| 7, 2)),
    ] {
        let said = open(Says(|_: &str| answer.clone())).indexed(indexed(newest_first));
        assert!(matches!(said, Err(StoreError::Corrupt { .. })), "{said:?}");
    }
    let row = |seqno: u64| format!(r#"{{"key":"AAAAAAAAAAAAAAAAAAAAAA==","seqno":{seqno}}}"#);
    for answer in [page(&row, full), page(&|_| row(1), 2), page(&|place| row(9 - place), 2)] {
        let said = open(Says(|_: &str| answer.clone())).index_rows(None, u32::MAX);
        assert!(matches!(said, Err(StoreError::Corrupt { .. })), "{said:?}");
    }
    let entry = |seqno: u64| format!(r#"{{"entry":{{"seqno":{seqno},"stream-id":"a","hash":"{hash}","bytes":""}}}}"#);
    for rows in [page(&|place| entry(place + 1), 4096), page(&|_| entry(1), 2), page(&|place| entry(9 - place), 3)] {
        let range = EntryRange { stream: None, from: 1, to: u64::MAX, limit: u32::MAX };
        let mut seen = 0;
        let said = open(Says(|_: &str| rows.clone())).entries(range, &mut |_| seen += 1);
        assert!(matches!(said, Err(StoreError::Corrupt { .. })) && seen <= 4096, "{said:?}");
    }
    let beyond = page(&|place| entry(place + 8), 3);
    let range = EntryRange { stream: None, from: 1, to: 9, limit: 100 };
    let said = open(Says(|_: &str| beyond.clone())).entries(range, &mut |_| ());
    assert!(matches!(said, Err(StoreError::Corrupt { .. })), "{said:?}");
}

/// Rows that were not asked for, or not in their order, and places at which a search would not get on.
#[test]
fn a_search_that_is_answered_wrongly_is_damage() {
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let entry = |seqno: &u64| format!(r#"{{"entry":{{"seqno":{seqno},"stream-id":"a","hash":"{hash}","bytes":""}}}}"#);
    let page = |seqnos: &[u64], next: Option<u64>| {
        let rows: Vec<String> = seqnos.iter().map(entry).collect();
        let next = next.map_or("null".into(), |next| next.to_string());
        format!(r#"{{"ok":{{"rows":[{}],"next":{next}}}}}"#, rows.join(","))
    };
    let head = format!(r#"{{"ok":{{"rows":[{{"head":{{"size":1,"root":"{hash}","sigs":[]}}}}],"next":null}}}}"#);
    let said = |answer: &str, newest_first| search(&mut open(Says(|_: &str| answer.to_owned())), newest_first);
    for (newest_first, answer) in [
        (false, page(&[1, 2, 3, 4], None)),
        (false, page(&[2, 2], None)),
        (false, page(&[3, 2], None)),
        (false, page(&[10], None)),
        (false, page(&[0], None)),
        (false, page(&[], Some(1))),
        (false, page(&[4], Some(4))),
        (false, page(&[], Some(10))),
        (false, page(&[9], Some(9))),
        (true, page(&[2, 3], None)),
        (true, page(&[10], None)),
        (true, page(&[], Some(9))),
        (true, page(&[4], Some(4))),
        (true, page(&[4], Some(0))),
        (false, head),
    ] {
        let said = said(&answer, newest_first);
        assert!(matches!(said, Err(StoreError::Corrupt { .. })), "{answer}: {said:?}");
    }
    assert_eq!(said(&page(&[2, 4], Some(5)), false), Ok(Some(5)));
    assert_eq!(said(&page(&[9, 4], Some(3)), true), Ok(Some(3)));
    assert_eq!(said(&page(&[9], None), false), Ok(None));
}

#[test]
fn a_server_of_another_version_is_told_from_a_broken_one() {
    struct Greets(&'static str);
    impl Transport for Greets {
        fn rpc(&mut self, _: &str, _: &str) -> Result<String, TransportError> {
            Ok(self.0.into())
        }
    }
    let greeted = |answer| RemoteStore::open_with(Greets(answer), "test", at_once()).map(drop);
    assert_eq!(greeted(r#"{"ok":{"version":1,"torn":null}}"#), Ok(()));
    assert!(matches!(greeted(r#"{"ok":{"version":2,"torn":null}}"#), Err(StoreError::Config(_))));
    assert!(matches!(greeted(r#"{"ok":{"version":1}}"#), Err(StoreError::Corrupt { .. }) | Ok(())));
    assert!(matches!(greeted(r#"{"ok":null}"#), Err(StoreError::Corrupt { .. })));
    assert!(matches!(greeted("Welcome to nginx!"), Err(StoreError::Io { .. })));
}

/// Answers of a real server in which something was changed: no panic, nothing endless.
#[test]
fn random_changes_of_answers_are_errors_or_other_rows() {
    let mut random = SeededRandom::new(seed());
    let place = SharedStore::new(MemoryStore::new());
    drop(sample_log(place.clone()).unwrap());
    for _ in 0..count(300, 10_000) {
        let mut random_of_answers = SeededRandom::new(random.below(u64::MAX));
        let mut server = Here(place.clone());
        struct Changed<F>(F);
        impl<F: FnMut(&str, &str) -> String> Transport for Changed<F> {
            fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
                Ok((self.0)(method, params))
            }
        }
        let changed = Changed(move |method: &str, params: &str| {
            let mut answer = server.rpc(method, params).unwrap().into_bytes();
            if random_of_answers.below(4) == 0 && !answer.is_empty() {
                let at = random_of_answers.below(answer.len() as u64) as usize;
                answer[at] = *random_of_answers.pick(b"0123456789aA{}[]\",:");
            }
            String::from_utf8(answer).unwrap_or_default()
        });
        let Ok(store) = RemoteStore::open_with(changed, "test", at_once()) else { continue };
        if let Ok(mut log) = SecureLog::open(store, providers(), options()) {
            let _ = log.verify_log();
        }
    }
}

/// Rows that were edited, as a server shows them that is in an attacker's hands.
#[test]
fn rows_1_to_19_no_edit_passes_through_the_wire() {
    no_edit_passes_with(|records| open_and_verify(|| Ok(open(Here(store_from(records))))));
}

#[test]
fn rows_5_to_29_every_scenario_through_the_wire() {
    for scenario in scenarios() {
        eprintln!("row {}, {}", scenario.row, scenario.name);
        (scenario.run)(&mut || {
            let lay = |records: &[OwnedRecord]| Ok(AnyStore::new(store_from(records)));
            attacks::Native::new(AnyStore::new(MemoryStore::new()), lay)
                .over(|held| AnyStore::new(RemoteStore::open_with(Here(held), "test", at_once()).expect("a greeting")))
        });
    }
}

/// Whatever heads a conflict shows: a first attempt that is answered with one was not stored.
#[test]
fn a_conflict_is_a_conflict_also_when_it_shows_the_commits_own_head() {
    let mut log = LogBuilder::new();
    log.create();
    let commit = log.commit().entry("a", b"x").finish();
    let (place, server) = (SharedStore::new(MemoryStore::new()), commit.head().unwrap().clone());
    let faults = Faults::default();
    faults.answer(StoreError::Conflict { heads: vec![server.clone()] });
    faults.arm(Fault::on_write(1, Effect::FailsNotStored));
    let said = open(Here(FaultStore::under(place, faults))).insert(&commit);
    assert_eq!(said, Err(StoreError::Conflict { heads: vec![server] }));
}
