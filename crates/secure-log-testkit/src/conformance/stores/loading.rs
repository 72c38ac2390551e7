//! Loading a whole log into a store that holds none.

use secure_log::record::Record;
use secure_log::store::{Commit, Node, NodeId, STORED_LEVEL, SecureLogStore, StoreError, TreeId};

use super::both::{Both, assert_same};
use crate::builder::LogBuilder;
use crate::naive::NaiveStore;
use crate::record::{OwnedRecord, records_of};

/// A log comes in parts, pruned entries among them, and is not there before the last.
pub fn a_loaded_log_is_one_when_it_is_whole<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut list = NaiveStore::new;
    let mut whole = Both::new(&mut list);
    whole.write_sample();
    whole.commits(3);
    let gone = whole.log.size() / 2;
    assert!(whole.naive.prune(&[("a", gone)]).unwrap() > 0);
    let parts = parts(&mut whole.naive);
    let (last, first) = parts.split_last().expect("a log has commits");
    let count = |parts: &[Commit]| parts.iter().map(|part| part.records().len() as u64).sum::<u64>();
    let load = |store: &mut S, parts: &[Commit], done: bool| {
        let mut after = 0;
        for (number, part) in (1..).zip(parts) {
            store.load(after, part, done && number == parts.len()).unwrap();
            after += part.records().len() as u64;
        }
    };
    // What is left unfinished is no log, neither for who left it nor for who comes later.
    let mut store = open();
    load(&mut store, first, false);
    assert_eq!(store.log().unwrap(), None);
    drop(store);
    let mut store = open();
    assert_eq!(store.log().unwrap(), None);
    // Nothing goes on from elsewhere than it has come to.
    assert!(matches!(store.load(count(first) + 1, last, true), Err(StoreError::Io { .. })));
    assert_eq!(store.log().unwrap(), None);
    store.load(0, &Commit::new(None), false).unwrap();
    drop(store);
    assert_same(&mut open(), &mut NaiveStore::new());
    // Beginning anew, and all of it.
    let mut store = open();
    load(&mut store, &first[..1], false);
    load(&mut store, &parts, true);
    assert_same(&mut store, &mut whole.naive);
    drop(store);
    let mut store = open();
    assert_same(&mut store, &mut whole.naive);
    // One log is enough.
    let newest = whole.naive.heads(None, 1).unwrap().remove(0).head;
    for part in [&parts[0], &Commit::new(None)] {
        match store.load(0, part, false) {
            Err(StoreError::Conflict { heads }) => assert_eq!(heads.first(), Some(&newest)),
            other => panic!("{other:?}"),
        }
    }
    assert_same(&mut store, &mut whole.naive);
    let commit = whole.log.commit().entry("a", b"goes on").close("a").finish();
    store.insert(&commit).unwrap();
    whole.naive.insert(&commit).unwrap();
    assert_same(&mut store, &mut whole.naive);
    assert!(store.insert(&LogBuilder::new().create()).is_err());
}

/// The log as it is loaded, a commit a part, with the interior hashes that each completes and its rows of the index.
fn parts(store: &mut NaiveStore) -> Vec<Commit> {
    let records = records_of(store).unwrap();
    let mut size = 0;
    records
        .split_inclusive(|record| matches!(record, OwnedRecord::Head(_)))
        .map(|records| {
            let mut part = Commit::new(None);
            let mut ids = Vec::new();
            let before = size;
            for record in records.iter().map(OwnedRecord::as_record) {
                match record {
                    Record::Entry(_) | Record::Pruned(_) => size += 1,
                    Record::Segment(row) => ids.extend(complete(TreeId::Segment(row.id), 0, row.count)),
                    _ => {}
                }
                part.push(record);
            }
            ids.extend(complete(TreeId::Log, before, size));
            let hashes = store.nodes(&ids).unwrap();
            let node =
                |(id, hash): (&NodeId, Option<_>)| Node { id: *id, hash: hash.expect("the list has every node") };
            part.nodes = ids.iter().zip(hashes).map(node).collect();
            part.index_entries();
            part
        })
        .collect()
}

/// The nodes that are complete in a tree of so many leaves, and were not in one of fewer.
fn complete(tree: TreeId, before: u64, after: u64) -> Vec<NodeId> {
    let of_level = |level: u8| (before >> level..after >> level).map(move |index| NodeId { tree, level, index });
    (STORED_LEVEL..64).flat_map(of_level).collect()
}
