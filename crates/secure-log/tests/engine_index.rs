//! The index: reading by it, and what a verification finds in it.

use crate::world::*;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::{SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::index::{IndexKey, IndexRow, actor_key};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::{Finding, FindingCode, Place, Verdict};
use secure_log_testkit::HostileStore;
use secure_log_testkit::attacks::with_index;

const AUDIT: &str = "secure-log.audit.v1+json";

/// What an event says of its actor, which is all that the index reads.
fn payload(who: &str, other: Option<&str>) -> String {
    let other = other.map(|id| format!(r#","on_behalf_of":{{"id":"{id}","kind":"user"}}"#)).unwrap_or_default();
    format!(r#"{{"actor":{{"id":"{who}","kind":"agent"{other}}},"id":"x"}}"#)
}

fn event<'a>(stream: &'a str, payload: &'a str) -> NewEntry<'a> {
    NewEntry { encoding: AUDIT, ..entry(stream, payload.as_bytes()) }
}

fn record<S: SecureLogStore>(log: &mut SecureLog<S>, stream: &str, who: &str, other: Option<&str>) -> u64 {
    log.append(&event(stream, &payload(who, other))).unwrap().0.seqno
}

fn seqnos<S: SecureLogStore>(log: &mut SecureLog<S>, key: IndexKey) -> Vec<u64> {
    log.read_indexed(key, 1, u64::MAX, 1000).unwrap().iter().map(|entry| entry.seqno).collect()
}

fn agent(id: &str) -> IndexKey {
    actor_key("agent", id)
}

#[test]
fn entries_are_read_by_who_acted_and_on_whose_behalf() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let first = record(&mut log, "a", "one", None);
    append(&mut log, "a", b"between");
    let second = record(&mut log, "b", "two", Some("alice"));
    let third = record(&mut log, "a", "one", Some("alice"));
    // Not of the profile, and of the profile without an actor.
    log.append(&entry("a", payload("one", None).as_bytes())).unwrap();
    log.append(&event("a", r#"{"actor":"one"}"#)).unwrap();
    assert_eq!(seqnos(&mut log, agent("one")), [first, third]);
    assert_eq!(seqnos(&mut log, agent("two")), [second]);
    assert_eq!(seqnos(&mut log, actor_key("user", "alice")), [second, third]);
    assert_eq!(seqnos(&mut log, actor_key("user", "one")), [0; 0], "a user is no agent");
    let page = log.read_indexed(agent("one"), first + 1, third - 1, 10).unwrap();
    assert_eq!(page, []);
    assert_eq!(log.read_indexed(agent("one"), 1, u64::MAX, 1).unwrap()[0].seqno, first);
    assert_eq!(log.read_indexed(agent("one"), 1, u64::MAX, 0).unwrap(), []);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    drop(log);
    assert_eq!(seqnos(&mut world.open().unwrap(), agent("one")), [first, third]);
}

#[test]
fn every_way_to_write_an_event_leads_into_the_index() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("signed", &signed(SigningRule::Entries)).unwrap();
    log.create_stream("blake3", &hashed(Suite::Blake3)).unwrap();
    let keyed = log.mac_suite().unwrap();
    log.create_stream("keyed", &hashed(keyed)).unwrap();
    let said = payload("one", None);
    let entries = ["signed", "blake3", "keyed", "new"].map(|stream| event(stream, &said));
    let mut expected: Vec<u64> = log.append_batch(&entries).unwrap().0.iter().map(|entry| entry.seqno).collect();
    let batches = [&entries[..2], &entries[2..]];
    let outcomes = log.append_batches(&batches).unwrap().0;
    expected.extend(outcomes.into_iter().flat_map(|outcome| outcome.unwrap()).map(|entry| entry.seqno));
    expected.extend(log.append_signed_batch(&entries).unwrap().0.iter().map(|entry| entry.seqno));
    assert_eq!(expected.len(), 12);
    assert_eq!(seqnos(&mut log, agent("one")), expected);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn what_is_sealed_is_not_in_the_index() {
    let world = World { keys: World::new().keys.wrapping("kek"), ..World::new() };
    let mut log = world.open_with(|options| options.kek_label = Some("kek".into())).unwrap();
    for (stream, tier) in [("secret", Tier::Protected), ("hidden", Tier::HighlyRestricted)] {
        log.create_stream(stream, &StreamRules { tier, ..StreamRules::default() }).unwrap();
        log.append_sealed(&event(stream, &payload("one", Some("alice")))).unwrap();
    }
    assert_eq!(seqnos(&mut log, agent("one")), [0; 0]);
    assert_eq!(world.store.with(|store| store.index_rows(None, 10)), Ok(Vec::new()));
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn what_was_pruned_is_not_in_the_index_any_more() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let gone = record(&mut log, "a", "one", Some("alice"));
    let other = record(&mut log, "b", "one", None);
    let stays = record(&mut log, "a", "one", None);
    // What an engine does once there is an entry that allows it.
    world.store.with(|store| store.prune(&[("a", gone)])).unwrap();
    assert_eq!(seqnos(&mut log, agent("one")), [other, stays]);
    assert_eq!(seqnos(&mut log, actor_key("user", "alice")), [0; 0]);
    // Reading passes over what is pruned, so that only the rows say that none of it is left.
    let left = [other, stays].map(|seqno| IndexRow { key: agent("one"), seqno });
    assert_eq!(world.store.with(|store| store.index_rows(None, 10)), Ok(left.to_vec()));
    // A store that kept the row shows no more of the entry than that, and a page is filled all the same.
    world.store.with(|store| store.index_mut().insert(IndexRow { key: agent("one"), seqno: gone }));
    assert_eq!(log.read_indexed(agent("one"), 1, u64::MAX, 2).unwrap().len(), 2);
}

/// Changes the index of a log of events, and expects this finding; and none once it is built anew.
fn found(edit: impl FnOnce(&mut std::collections::BTreeSet<IndexRow>), at: u64) {
    let world = World::new();
    let mut log = world.open().unwrap();
    for number in 0..30 {
        record(&mut log, "a", &format!("agent-{}", number % 4), Some("alice"));
    }
    world.store.with(|store| edit(store.index_mut()));
    match log.verify_log().unwrap().verdict {
        Verdict::Invalid(Finding { code: FindingCode::IndexMismatch, at: place, .. }) => {
            assert_eq!(place, Place::Seqno(at));
        }
        other => panic!("{other:?}"),
    }
    log.reindex().unwrap();
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn row_18_each_row_that_is_dropped_added_or_moved_is_found() {
    let row = |who: u64, seqno| IndexRow { key: agent(&format!("agent-{who}")), seqno };
    for seqno in 1..=30 {
        let (who, other) = ((seqno - 1) % 4, seqno % 4);
        found(|index| assert!(index.remove(&row(who, seqno))), seqno);
        found(|index| assert!(index.remove(&IndexRow { key: actor_key("user", "alice"), seqno })), seqno);
        found(|index| assert!(index.insert(row(other, seqno))), seqno);
        found(|index| assert!(index.remove(&row(who, seqno)) && index.insert(row(other, seqno))), seqno);
    }
    found(|index| assert!(index.insert(row(0, 0))), 0);
    found(|index| assert!(index.insert(row(0, 31))), 31);
    found(|index| assert!(index.insert(row(0, u64::MAX))), u64::MAX);
    found(|index| index.clear(), 1);
}

#[test]
fn the_memory_store_refuses_rows_of_entries_that_a_commit_does_not_bring() {
    let edits: [fn(&mut Vec<IndexRow>); 4] =
        [|rows| rows[0].seqno -= 1, |rows| rows[1].seqno += 1, |rows| rows[1].seqno = u64::MAX, |rows| rows.reverse()];
    for edit in edits {
        let world = World::new();
        let store = HostileStore::new(world.store.clone()).intercept_commits(move |commit, store| {
            (commit.index.len() > 1).then(|| store.insert(&with_index(commit, edit)))
        });
        let mut log = world.open_on(store, |_| ()).unwrap();
        let payloads = ["one", "two"].map(|who| payload(who, None));
        let refused = log.append_batch(&payloads.each_ref().map(|payload| event("a", payload))).unwrap_err();
        assert!(matches!(refused, LogError::Store(StoreError::Corrupt { .. })), "{refused:?}");
        assert_eq!(log.size(), 0);
    }
}

#[test]
fn row_18_what_the_index_names_wrongly_is_not_shown() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let right = record(&mut log, "a", "one", None);
    let other = record(&mut log, "a", "two", None);
    world.store.with(|store| store.index_mut().insert(IndexRow { key: agent("one"), seqno: other }));
    match log.read_indexed(agent("one"), 1, u64::MAX, 10) {
        Err(LogError::InvalidRecord(finding)) => {
            assert_eq!((finding.code, finding.at), (FindingCode::IndexMismatch, Place::Seqno(other)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(log.read_indexed(agent("one"), right, right, 10).unwrap().len(), 1);
    // Beyond the log there is nothing to show.
    world.store.with(|store| store.index_mut().insert(IndexRow { key: agent("one"), seqno: 1000 }));
    assert_eq!(log.read_indexed(agent("one"), 3, u64::MAX, 10).unwrap(), []);
}

/// Answers that no store gives: in another order, of other seqnos, and without an end.
#[test]
fn row_18_answers_out_of_order_are_damage() {
    let world = World::new();
    let mut log = world.open().unwrap();
    (0..5).for_each(|_| _ = record(&mut log, "a", "one", None));
    let lies: [fn(&mut Vec<IndexRow>); 4] = [
        |rows| rows.reverse(),
        |rows| rows.push(rows[0]),
        |rows| rows.insert(1, rows[0]),
        |rows| rows.iter_mut().for_each(|row| row.seqno = 3),
    ];
    for lie in lies {
        let store = HostileStore::new(world.store.clone()).rewrite_index(move |rows| {
            if rows.len() > 1 {
                lie(rows);
            }
        });
        let mut log = world.open_on(store, |_| ()).unwrap();
        let read = log.read_indexed(agent("one"), 1, u64::MAX, 10);
        assert!(matches!(read, Err(LogError::Store(StoreError::Corrupt { .. }))), "{read:?}");
        match log.verify_log().unwrap().verdict {
            Verdict::Invalid(finding) => {
                assert_eq!((finding.code, finding.at), (FindingCode::IndexMismatch, Place::Index));
            }
            other => panic!("{other:?}"),
        }
    }
    let endless = HostileStore::new(world.store.clone()).rewrite_index(|rows| {
        *rows = (1..=5).map(|seqno| IndexRow { key: agent("one"), seqno }).collect();
    });
    let report = world.open_on(endless, |_| ()).unwrap().verify_log().unwrap();
    assert!(matches!(report.verdict, Verdict::Invalid(Finding { code: FindingCode::IndexMismatch, .. })));
}

/// Somebody else appends while the index is compared: what came since the entries were read is no finding.
#[test]
fn a_log_that_grows_while_it_is_verified_is_valid() {
    let world = World::new();
    let mut log = world.open().unwrap();
    (0..5).for_each(|_| _ = record(&mut log, "a", "one", None));
    let (other, mut appended) = (world.clone(), 0);
    let store = HostileStore::new(world.store.clone()).rewrite_index(move |rows| {
        if appended < 3 {
            appended += 1;
            let mut other = other.open().unwrap();
            let seqno = record(&mut other, "a", "two", None);
            rows.push(IndexRow { key: IndexKey([0xff; 16]), seqno });
        }
    });
    let mut reader = world.open_on(store, |_| ()).unwrap();
    assert_eq!(reader.verify_log().unwrap().verdict, Verdict::Valid);
}

#[test]
fn a_finding_says_what_should_be_there() {
    let world = World::new();
    let mut log = world.open().unwrap();
    record(&mut log, "a", "one", None);
    world.store.with(|store| store.index_mut().clear());
    let json = log.verify_log().unwrap().to_json(None);
    let key = agent("one");
    assert!(json.contains(r#""code":"index-mismatch""#) && json.contains(r#""seqno":1"#), "{json}");
    assert!(json.contains(&format!(r#""expected":"{key}""#)) && json.contains("no such row"), "{json}");
    world.store.with(|store| store.index_mut().insert(IndexRow { key, seqno: 2 }));
    let text = log.verify_log().unwrap().to_text(None);
    assert!(text.contains("index-mismatch"), "{text}");
}
