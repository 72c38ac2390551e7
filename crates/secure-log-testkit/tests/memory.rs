//! The strict store in memory: it passes the suite, and refuses what no correct engine commits.

use secure_log::entry::{SigningRule, StreamRules};
use secure_log::hash::Hash;
use secure_log::memory::MemoryStore;
use secure_log::record::{HeadRow, Record, SignatureRow, StreamRow, Subject};
use secure_log::store::{Commit, Node, NodeId, SecureLogStore, StoreError, TreeId};
use secure_log_testkit::{
    Effect, Fault, FaultStore, HostileStore, LogBuilder, OwnedRecord, SharedStore, records_of, store_conformance,
    store_from,
};

store_conformance!(|| {
    let place = SharedStore::new(MemoryStore::new());
    move || place.clone()
});

/// Layers that do nothing are no other store.
mod behind_layers {
    use super::*;

    store_conformance!(|| {
        let place = SharedStore::new(MemoryStore::new());
        move || HostileStore::new(FaultStore::new(place.clone()).0)
    });
}

/// The suite can fail: a store that forgets, or errs on the way, does not pass.
mod a_bad_store {
    use super::*;
    use secure_log_testkit::conformance::stores;

    fn fails(check: fn(&mut dyn FnMut() -> SharedStore<HostileStore<MemoryStore>>), bad: HostileStore<MemoryStore>) {
        let place = SharedStore::new(bad);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut || place.clone())));
        assert!(outcome.is_err());
    }

    #[test]
    fn that_drops_signatures_is_found() {
        let bad =
            HostileStore::new(MemoryStore::new()).rewrite_rows(|record| !matches!(record, OwnedRecord::Signature(_)));
        fails(|mut open| stores::everything_that_was_committed_is_answered(&mut open), bad);
    }

    #[test]
    fn that_stores_late_commits_is_found() {
        let bad = HostileStore::new(MemoryStore::new()).intercept_commits(|commit, store| {
            let records: Vec<OwnedRecord> = commit.records().map(OwnedRecord::from).collect();
            *store = store_from(records_of(store).unwrap().iter().chain(&records));
            Some(Ok(()))
        });
        fails(|mut open| stores::a_conflict_changes_nothing_and_shows_the_newest_heads(&mut open), bad);
    }

    #[test]
    fn that_answers_wrong_tree_hashes_is_found() {
        let bad = HostileStore::new(MemoryStore::new()).rewrite_nodes(|_, hash| *hash = None);
        fails(|mut open| stores::trees_answer_for_what_they_hold(&mut open), bad);
    }
}

#[test]
fn commits_that_break_the_contract_are_refused_whole() {
    let mut log = LogBuilder::new();
    let mut store = MemoryStore::new();
    store.insert(&log.create()).unwrap();
    let full = (0..20).fold(log.commit(), |commit, i| commit.entry("a", &[i])).close("a").finish();
    store.insert(&full).unwrap();
    let next = (0..20).fold(log.commit(), |commit, i| commit.entry("a", &[i])).entry("b", b"").close("a").finish();

    let edited = |edit: &dyn Fn(&mut Vec<OwnedRecord>, &mut Vec<Node>)| {
        let mut records: Vec<OwnedRecord> = next.records().map(OwnedRecord::from).collect();
        let mut commit = Commit::new(next.expected);
        commit.nodes.clone_from(&next.nodes);
        edit(&mut records, &mut commit.nodes);
        records.iter().for_each(|record| commit.push(record.as_record()));
        commit
    };
    let first_entry = |records: &[OwnedRecord]| records.iter().position(|record| record.seqno().is_some()).unwrap();
    let segment = |records: &mut [OwnedRecord], edit: &dyn Fn(&mut secure_log::record::SegmentRow)| {
        let row = records.iter_mut().find_map(|record| match record {
            OwnedRecord::Segment(row) => Some(row),
            _ => None,
        });
        edit(row.unwrap());
    };
    let stream = |name: &str, rules| {
        OwnedRecord::Stream(StreamRow { name: name.into(), rules, created: "now".into(), deprecated: None })
    };
    let signature = |of| {
        let (identity, alg) = ("i".into(), "ed25519".into());
        OwnedRecord::Signature(SignatureRow { of, identity, alg, key: Vec::new(), sig: Vec::new() })
    };
    type Edit<'a> = &'a dyn Fn(&mut Vec<OwnedRecord>, &mut Vec<Node>);
    let breaches: [(&str, Edit<'_>); 21] = [
        ("no head", &|records, _| drop(records.pop())),
        ("two heads", &|records, _| records.push(records.last().unwrap().clone())),
        ("nothing", &|records, _| records.clear()),
        ("a head of another size", &|records, _| {
            let Some(OwnedRecord::Head(head)) = records.last_mut() else { panic!("a head ends the commit") };
            head.size += 1;
        }),
        ("a second log record", &|records, _| records.insert(0, OwnedRecord::Log(LogBuilder::new().log().clone()))),
        ("a gap", &|records, _| drop(records.remove(first_entry(records)))),
        ("an entry twice", &|records, _| records.insert(0, records[first_entry(records)].clone())),
        ("entries out of order", &|records, _| {
            let first = first_entry(records);
            records.swap(first, first + 1);
        }),
        ("a stream that nobody made", &|records, _| records.retain(|r| !matches!(r, OwnedRecord::Stream(_)))),
        ("a segment id that is taken", &|records, _| segment(records, &|row| row.id = 1)),
        ("a segment id that skips one", &|records, _| segment(records, &|row| row.id = 3)),
        ("a segment that ends before it begins", &|records, _| segment(records, &|row| row.first = row.last + 1)),
        ("a segment of entries to come", &|records, _| segment(records, &|row| row.last += 100)),
        ("a segment of an unknown stream", &|records, _| segment(records, &|row| row.stream = "c".into())),
        ("a signature of an entry to come", &|records, _| records.insert(0, signature(Subject::Entry(9999)))),
        ("a signature of an entry that stands elsewhere", &|records, _| {
            records.insert(first_entry(records) + 2, signature(Subject::Entry(22)));
        }),
        ("a signature of a segment to come", &|records, _| records.insert(0, signature(Subject::Segment(2)))),
        ("tree hashes missing", &|_, nodes| {
            nodes.pop();
        }),
        ("tree hashes of another log", &|_, nodes| nodes[0].id.index += 50),
        ("tree hashes below the stored level", &|_, nodes| nodes[0].id.level = 3),
        ("tree hashes of a segment that is not closed", &|_, nodes| {
            nodes[0].id.tree = TreeId::Segment(1);
        }),
    ];
    let before = records_of(&mut store).unwrap();
    for (breach, edit) in breaches {
        let refused = store.insert(&edited(edit));
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{breach}: {refused:?}");
        assert_eq!(records_of(&mut store).unwrap(), before, "{breach}");
    }
    // Another writer may have made the stream meanwhile.
    let signed = StreamRules { sign: SigningRule::Entries, ..StreamRules::default() };
    for rules in [signed, StreamRules::default()] {
        let refused = store.insert(&edited(&|records, _| records.insert(0, stream("a", rules.clone()))));
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{rules:?}: {refused:?}");
        assert_eq!(records_of(&mut store).unwrap(), before, "{rules:?}");
    }
    store.insert(&next).unwrap();
}

#[test]
fn a_log_is_made_by_its_record_and_a_head_alone() {
    let log = LogBuilder::new().log().clone();
    let head = HeadRow { size: 0, root: Hash::ZERO, sigs: Vec::new() };
    let row = StreamRow { name: "a".into(), rules: StreamRules::default(), created: "now".into(), deprecated: None };
    let commit = |records: &[Record<'_>]| {
        let mut commit = Commit::new(None);
        records.iter().for_each(|record| commit.push(*record));
        commit
    };
    let mut store = MemoryStore::new();
    for records in [
        &[Record::Head(&head)][..],
        &[Record::Log(&log)],
        &[Record::Log(&log), Record::Stream(&row), Record::Head(&head)],
        &[Record::Head(&head), Record::Log(&log)],
    ] {
        assert!(matches!(store.insert(&commit(records)), Err(StoreError::Corrupt { .. })), "{records:?}");
        assert_eq!(store.records().count(), 0);
    }
    store.insert(&commit(&[Record::Log(&log), Record::Head(&head)])).unwrap();
}

#[test]
fn any_records_can_be_put_into_a_store_and_asked_for() {
    let mut log = LogBuilder::new();
    let mut store = MemoryStore::new();
    store.insert(&log.create()).unwrap();
    let commit = (0..40).fold(log.commit(), |commit, i| commit.entry("a", &[i])).close("a").finish();
    store.insert(&commit).unwrap();
    let records = records_of(&mut store).unwrap();
    let whole = store_from(&records);
    assert_eq!(whole.records().map(OwnedRecord::from).collect::<Vec<_>>(), records);
    let ids: Vec<NodeId> = commit.nodes.iter().map(|node| node.id).collect();
    assert_eq!(store_from(&records).nodes(&ids), store.nodes(&ids));

    // Whatever is missing, doubled or out of order, every question has an answer.
    for place in 0..records.len() {
        let mut without = records.clone();
        without.remove(place);
        let mut doubled = records.clone();
        doubled.insert(place, records[records.len() - 1 - place].clone());
        for edited in [without, doubled, records.iter().rev().cloned().collect()] {
            let mut store = store_from(&edited);
            assert_eq!(records_of(&mut store).unwrap().len(), edited.len());
            for seqno in [0, 1, 40, 99, u64::MAX] {
                let range = secure_log::store::EntryRange { stream: Some("a"), from: 0, to: seqno, limit: 9 };
                store.entries(range, &mut |_| ()).unwrap();
                store.leaf_index(1, seqno).unwrap();
                store.segment_of("a", seqno).unwrap();
                store.segment(seqno).unwrap();
                store.hashes(TreeId::Segment(1), seqno, 9).unwrap();
            }
            store.streams(0, 9).unwrap();
            store.prune(&[("a", 20)]).unwrap();
            store.set_aside(1).map(|_| ()).unwrap_or_default();
        }
    }
}

#[test]
fn what_was_pruned_is_overwritten_and_what_was_set_aside_is_kept() {
    let mut log = LogBuilder::new();
    let mut store = MemoryStore::new();
    store.insert(&log.create()).unwrap();
    store.insert(&log.commit().entry("a", b"a secret that is to be gone").finish()).unwrap();
    store.insert(&log.commit().entry("a", b"set aside").finish()).unwrap();
    store.set_aside(2).unwrap();
    let [aside] = store.aside() else { panic!("one part was set aside") };
    let kept: Vec<OwnedRecord> = aside.records().map(OwnedRecord::from).collect();
    assert_eq!(kept[0].entry().unwrap().payload, b"set aside");
    store.prune(&[("a", 1)]).unwrap();
    assert!(!format!("{store:?}").contains(&format!("{:?}", b"a secret")[1..20]));
}

#[test]
fn after_any_fault_the_store_holds_a_whole_commit_or_none() {
    for effect in Effect::ALL {
        let mut log = LogBuilder::new();
        let (mut store, faults) = FaultStore::new(MemoryStore::new());
        store.insert(&log.create()).unwrap();
        let before = log.expected();
        faults.arm(Fault::on_write(1, effect));
        let commit = log.commit().entry("a", b"1").entry("a", b"2").finish();
        assert!(store.insert(&commit).is_err());
        faults.restart();
        let size = store.heads(None, 1).unwrap()[0].head.size;
        let stored = matches!(effect, Effect::FailsButStored | Effect::CrashButStored);
        assert_eq!(size, if stored { 2 } else { before.unwrap().size });
        assert_eq!(store.insert(&commit).is_err(), stored);
    }
}
