//! What every store has to do.
//!
//! Most checks do the same to the store and to a [`NaiveStore`], and compare every answer.

use std::collections::HashSet;

use secure_log::entry::{Entry, StreamRules};
use secure_log::hash::Hash;
use secure_log::index::IndexKey;
use secure_log::record::{DataKeyRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, Expected, IndexRange, NodeId, STORED_LEVEL, SecureLogStore, StoreError, TreeId,
};

use crate::builder::LogBuilder;
use crate::naive::NaiveStore;
use crate::querying;
use crate::record::OwnedRecord;
use crate::surroundings::{SeededRandom, count, seed};

mod both;
mod loading;

pub use loading::a_loaded_log_is_one_when_it_is_whole;

use both::{ACTORS, Both, STREAMS, actor_keys, assert_same, everything, index_rows, witness_rows};

/// Makes a test of each check. The argument makes a fresh place, which is a function that opens it, again and again.
#[macro_export]
macro_rules! store_conformance {
    (@tests $fresh:expr; $($check:ident),+ $(,)?) => {
        $(
            #[test]
            fn $check() {
                let mut open = ($fresh)();
                $crate::conformance::stores::$check(&mut open);
            }
        )+
    };
    (@all; $($check:ident),+ $(,)?) => {
        vec![$((stringify!($check), $check::<S, O> as fn(&mut O))),+]
    };
    (@names $($mode:tt)+) => {
        $crate::store_conformance! { $($mode)+;
            an_empty_store_answers_nothing,
            everything_that_was_committed_is_answered,
            the_first_commit_needs_an_empty_store,
            a_conflict_changes_nothing_and_shows_the_newest_heads,
            two_writers_never_fork,
            a_stream_is_made_by_one_writer,
            heads_are_paged_newest_first,
            ranges_of_entries_end_where_they_should,
            lists_are_paged,
            the_index_answers_by_key,
            pages_of_the_index_go_on_while_the_log_grows,
            searches_find_what_a_filter_says,
            trees_answer_for_what_they_hold,
            a_scan_reads_all_records_in_commit_order,
            a_scan_goes_on_where_it_ended,
            strings_and_payloads_come_back_unchanged,
            a_large_entry_is_stored,
            many_streams_are_found,
            pruning_leaves_control_entries_and_hashes,
            dropped_data_keys_are_gone,
            replaced_data_keys_stand_where_they_stood,
            dropped_witness_rows_are_gone,
            what_is_set_aside_is_out_of_the_log,
            an_index_is_rebuilt_from_the_rows,
            a_loaded_log_is_one_when_it_is_whole,
            random_histories_are_answered_like_a_list_would,
        }
    };
    ($fresh:expr) => {
        $crate::store_conformance!(@names @tests $fresh);
    };
}

/// Every check with its name, for a harness without tests. Each wants a fresh place.
#[allow(clippy::type_complexity, reason = "a name and a function, in a list")]
pub fn all<S: SecureLogStore, O: FnMut() -> S>() -> Vec<(&'static str, fn(&mut O))> {
    crate::store_conformance!(@names @all)
}

/// Nothing is there, and asking for it is no error.
pub fn an_empty_store_answers_nothing<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    for _ in 0..2 {
        let mut store = open();
        assert_eq!(store.torn(), None);
        assert_same(&mut store, &mut NaiveStore::new());
        assert_eq!(store.stream("a").unwrap(), None);
        assert_eq!(store.segment(1).unwrap(), None);
        assert_eq!(store.segment_of("a", 1).unwrap(), None);
        assert_eq!(store.leaf_index(1, 1).unwrap(), None);
        assert_eq!(store.signatures(Subject::Entry(1)).unwrap(), []);
        assert_eq!(store.hashes(TreeId::Segment(1), 0, 9).unwrap(), []);
        let range = IndexRange { key: IndexKey::default(), from: 0, to: u64::MAX, newest_first: false, limit: 9 };
        assert_eq!(store.indexed(range).unwrap(), []);
        assert_eq!(store.prune(&[("a", u64::MAX)]).unwrap(), 0);
        store.drop_data_keys(&[Hash::ZERO]).unwrap();
        store.replace_data_keys(&[]).unwrap();
        store.drop_witnesses(&[]).unwrap();
        store.reindex().unwrap();
    }
    // A store that holds nothing refuses what belongs on top of something.
    let late = Expected { size: 0, root: Hash::ZERO, segments: 0 };
    let refused = open().insert(&Commit::new(Some(late)));
    assert_eq!(refused, Err(StoreError::Conflict { heads: Vec::new() }));
    assert_same(&mut open(), &mut NaiveStore::new());
}

/// Every method gives back what was stored, at once and after the store was opened anew.
pub fn everything_that_was_committed_is_answered<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    both.assert_same();
    both.reopen();
    both.assert_same();
}

/// A log is made once.
pub fn the_first_commit_needs_an_empty_store<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    assert!(both.insert(&LogBuilder::new().create()).is_err());
    both.reopen();
    assert!(both.insert(&LogBuilder::new().create()).is_err());
    both.assert_same();
}

/// Whatever differs from the expected state, nothing of the commit is stored.
pub fn a_conflict_changes_nothing_and_shows_the_newest_heads<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let right = both.log.expected().expect("the log was made");
    let wrong = [
        Expected { size: right.size - 1, ..right },
        Expected { size: right.size + 1, ..right },
        Expected { root: Hash([0xee; 32]), ..right },
        Expected { segments: right.segments - 1, ..right },
        Expected { segments: right.segments + 1, ..right },
    ];
    for expected in wrong {
        let mut commit = both.log.clone().commit().entry("a", b"late").close("a").finish();
        commit.expected = Some(expected);
        assert!(both.insert(&commit).is_err());
        both.assert_same();
    }
    both.reopen();
    both.assert_same();
    let commit = both.log.commit().entry("a", b"in time").finish();
    both.insert(&commit).expect("a commit on the right state is stored");
    both.assert_same();
}

/// Of two that hold the store at once, one wins, and the other is told so.
pub fn two_writers_never_fork<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut log = LogBuilder::new();
    open().insert(&log.create()).expect("an empty store takes a log");
    let mut other_log = log.clone();
    let (mut one, mut two) = (open(), open());
    one.insert(&log.commit().entry("a", b"one").finish()).expect("the first is in time");
    let late = other_log.commit().entry("a", b"two").entry("a", b"too").finish();
    match two.insert(&late) {
        Err(StoreError::Conflict { heads }) => assert_eq!(heads.first().map(|head| head.size), Some(1)),
        Err(StoreError::Locked { .. }) => {}
        other => panic!("a conflict or a lock was expected, and not {other:?}"),
    }
    drop(one);
    match two.insert(&late) {
        Err(StoreError::Conflict { heads }) => assert_eq!(heads.first().map(|head| head.size), Some(1)),
        other => panic!("a conflict was expected, and not {other:?}"),
    }
    two.insert(&log.commit().entry("a", b"two").finish()).expect("the second goes on from the first");
    let mut bytes = Vec::new();
    two.entries(everything(), &mut |record| bytes.push(OwnedRecord::from(record).entry().unwrap().payload)).unwrap();
    assert_eq!(bytes, [b"one", b"two"]);
}

/// A commit without entries leaves what others expect as it was, so that two writers can make one stream at the same state. The
/// second is told so: with both records the log would verify never again.
pub fn a_stream_is_made_by_one_writer<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    // Another one's clock has gone on.
    let mut other = both.log.clone();
    let _ = other.commit().finish();
    let (late, late_with_entry) = (
        other.clone().commit().stream("contended").finish(),
        other.clone().commit().stream("contended").entry("contended", b"late").finish(),
    );
    let first = both.log.commit().stream("contended").finish();
    assert_eq!((first.expected, first.expected), (late.expected, late_with_entry.expected));
    both.insert(&first).expect("the first is in time");
    // The last one is a second copy of the first.
    for late in [&late, &late_with_entry, &first] {
        match both.insert(late) {
            Err(StoreError::Conflict { heads }) => assert_eq!(heads.first(), first.head()),
            other => panic!("a conflict was expected, and not {other:?}"),
        }
        both.assert_same();
        both.reopen();
    }
    let commit = both.log.commit().entry("contended", b"in time").deprecate("contended").finish();
    both.insert(&commit).expect("the stream is that of the first");
    both.assert_same();
}

/// Pages of heads, by number.
pub fn heads_are_paged_newest_first<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.commits(7);
    for below in [None, Some(0), Some(1), Some(2), Some(5), Some(8), Some(9), Some(u64::MAX)] {
        for limit in [0, 1, 3, 100, u32::MAX] {
            let (found, right) = (both.store().heads(below, limit), both.naive.heads(below, limit));
            assert_eq!(found, right, "below {below:?}, limit {limit}");
        }
    }
}

/// Ranges are inclusive, limited, and may lie anywhere.
pub fn ranges_of_entries_end_where_they_should<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let size = both.log.size();
    for stream in [None, Some("a"), Some("übung/\"β\"\\"), Some("empty"), Some("unknown"), Some("")] {
        for from in [0, 1, 2, 7, size - 1, size, size + 1, u64::MAX] {
            for to in [0, 1, 6, 7, size, size + 1, u64::MAX] {
                for limit in [0, 1, 5, u32::MAX] {
                    both.assert_same_entries(EntryRange { stream, from, to, limit });
                }
            }
        }
    }
}

/// Streams, segments and witness rows.
pub fn lists_are_paged<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    for limit in [0, 1, 2, u32::MAX] {
        for after in [0, 1, 2, 4, 5, 1000, u64::MAX] {
            assert_eq!(both.store().streams(after, limit), both.naive.streams(after, limit));
            for stream in ["a", "b", "empty", "unknown"] {
                assert_eq!(both.store().segments(stream, after, limit), both.naive.segments(stream, after, limit));
            }
        }
        if limit > 0 {
            assert_eq!(witness_rows(both.store(), limit), witness_rows(&mut both.naive, u32::MAX));
        }
        assert!(both.store().witnesses(Some(0), limit).unwrap().is_empty());
    }
    assert_eq!(both.store().witnesses(None, 0), Ok(Vec::new()));
}

/// In both directions, from anywhere and as many as wanted; and all of its rows, in pages of any size. A commit that was refused
/// leaves none.
pub fn the_index_answers_by_key<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let right = index_rows(&mut both.naive, u32::MAX);
    assert!(right.len() > 20, "the sample has rows");
    for limit in [1, 2, 7, u32::MAX] {
        assert_eq!(index_rows(both.store(), limit), right, "pages of {limit}");
    }
    assert_eq!(both.store().index_rows(None, 0).unwrap(), []);
    let mut late = both.log.clone().commit().event("a", ACTORS[0], None).finish();
    late.expected = late.expected.map(|expected| Expected { size: expected.size - 1, ..expected });
    assert!(both.insert(&late).is_err());
    let size = both.log.size();
    for key in actor_keys() {
        for (from, to) in [(0, u64::MAX), (1, size), (7, 30), (30, 7), (8, 8), (size, u64::MAX), (u64::MAX, u64::MAX)] {
            for limit in [0, 1, 3, u32::MAX] {
                for newest_first in [false, true] {
                    both.assert_same_indexed(IndexRange { key, from, to, newest_first, limit });
                }
            }
        }
    }
    both.reopen();
    assert_eq!(index_rows(both.store(), 5), right);
}

/// What is committed between two pages stands behind them, and nothing is answered twice or left out.
pub fn pages_of_the_index_go_on_while_the_log_grows<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.commits(1);
    let key = actor_keys()[0];
    let (mut found, mut from) = (Vec::new(), 1);
    for _ in 0..20 {
        let commit = both.log.commit().event("a", ACTORS[0], Some(ACTORS[2])).event("b", ACTORS[1], None);
        let commit = commit.event("c", ACTORS[0], None).finish();
        both.insert(&commit).expect("events are stored");
        let page = both.store().indexed(IndexRange { key, from, to: u64::MAX, newest_first: false, limit: 1 }).unwrap();
        found.extend_from_slice(&page);
        from = page.last().expect("more is committed than read") + 1;
    }
    let all = IndexRange { key, from: 1, to: u64::MAX, newest_first: false, limit: u32::MAX };
    found.extend(both.store().indexed(IndexRange { from, ..all }).unwrap());
    assert_eq!(found.len(), 40);
    assert_eq!(found, both.naive.indexed(all).unwrap());
    both.assert_same();
}

/// Filters of all kinds, in both directions, on a log of which a part was pruned, and however early a store may stop.
pub fn searches_find_what_a_filter_says<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut random = SeededRandom::new(seed());
    let mut both = Both::new(open);
    querying::assert_found(both.store(), &[], &mut random);
    both.write_sample();
    for _ in 0..6 {
        both.random_commit(&mut random);
        assert_eq!(both.store().prune(&[("b", 20)]), both.naive.prune(&[("b", 20)]));
        let entries: Vec<Entry> = both.naive.records().iter().filter_map(OwnedRecord::entry).collect();
        for _ in 0..count(20, 500) {
            querying::assert_found(both.store(), &entries, &mut random);
        }
        both.reopen();
    }
}

/// Hashes of leaves and subtrees, and places of leaves; nothing for what is not there.
pub fn trees_answer_for_what_they_hold<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let segments = both.naive.segment_count().unwrap();
    let trees = (0..=segments + 1).map(TreeId::Segment).chain([TreeId::Log, TreeId::Segment(u64::MAX)]);
    for tree in trees {
        for first in [0, 1, 15, 16, 17, 40, 10_000, u64::MAX] {
            for count in [0, 1, 16, u32::MAX] {
                let (found, right) = (both.store().hashes(tree, first, count), both.naive.hashes(tree, first, count));
                assert_eq!(found, right, "{count} leaves of {tree:?} from {first}");
            }
        }
        for firsts in [&[][..], &[0], &[16, 0, 10_000, 3]] {
            let (found, right) = (both.store().hash_runs(tree, firsts, 5), both.naive.hash_runs(tree, firsts, 5));
            assert_eq!(found, right, "runs of {tree:?} from {firsts:?}");
        }
        let ids: Vec<NodeId> = (STORED_LEVEL..10)
            .flat_map(|level| (0..8).map(move |index| NodeId { tree, level, index }))
            .chain([NodeId { tree, level: 63, index: 0 }, NodeId { tree, level: 4, index: u64::MAX }])
            .rev()
            .collect();
        assert_eq!(both.store().nodes(&ids), both.naive.nodes(&ids), "{tree:?}");
    }
    assert_eq!(both.store().nodes(&[]).unwrap(), []);
    for segment in [0, 1, 2, 3, u64::MAX] {
        for seqno in (0..=both.log.size() + 1).chain([u64::MAX]) {
            assert_eq!(both.store().leaf_index(segment, seqno), both.naive.leaf_index(segment, seqno));
        }
    }
    for stream in ["a", "b", "empty", "unknown"] {
        for seqno in (0..=both.log.size() + 1).chain([u64::MAX]) {
            assert_eq!(
                both.store().segment_of(stream, seqno),
                both.naive.segment_of(stream, seqno),
                "{stream} {seqno}"
            );
        }
    }
}

/// Whatever the size of the pages.
pub fn a_scan_reads_all_records_in_commit_order<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    for max_bytes in [0, 1, 300, 5000, usize::MAX] {
        let mut records: Vec<OwnedRecord> = Vec::new();
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            let before = records.len();
            cursor = both.store().scan(from, max_bytes, &mut |record| records.push(record.into())).unwrap();
            assert!(records.len() > before || cursor.is_none(), "a page of {max_bytes} bytes is empty");
            if max_bytes == 1 {
                assert!(records.len() - before < 20, "a small page holds {} records", records.len() - before);
            }
        }
        assert_eq!(records, both.naive.records(), "pages of {max_bytes} bytes");
    }
}

/// The last cursor that was passed finds what was committed later.
pub fn a_scan_goes_on_where_it_ended<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let (mut last, mut seen_before_last, mut seen) = (0, 0, 0);
    while let Some(next) = both.store().scan(last, 700, &mut |_| seen += 1).unwrap() {
        (last, seen_before_last) = (next, seen);
    }
    assert!(seen_before_last > 0, "the sample takes several pages");
    both.commits(3);
    let mut records = Vec::new();
    let mut cursor = Some(last);
    while let Some(from) = cursor {
        cursor = both.store().scan(from, 700, &mut |record| records.push(OwnedRecord::from(record))).unwrap();
    }
    assert_eq!(records, both.naive.records()[seen_before_last..]);
}

/// Text is never normalised, and payloads are any bytes.
pub fn strings_and_payloads_come_back_unchanged<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    let create = both.log.create();
    both.insert(&create).expect("an empty store takes a log");
    let longest = "x".repeat(255);
    let names = [
        "\"", "\\", "\\n", "a/b:c d", "é", "e\u{301}", "\u{feff}", "\u{202e}", "🦀", "{}", "null", "\u{ffff}", &longest,
    ];
    for name in names {
        let rules = StreamRules { description: Some(name.into()), ..StreamRules::default() };
        let commit = both.log.commit().stream_with(name, rules).entry_of(name, name, name, name, name.as_bytes());
        let commit = commit.close(name).deprecate(name).finish();
        both.insert(&commit).expect("names are any text without control characters");
    }
    let all_bytes: Vec<u8> = (0..=255).collect();
    let payloads: [&[u8]; 13] = [
        b"",
        b"\0",
        b"\n",
        b"\r\n\t",
        b"\x7f",
        b"\"\\\"",
        b"plain",
        "ünï\u{2028}".as_bytes(),
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"{\"t\":\"head\"}\n",
        &all_bytes,
        &[0; 4096],
    ];
    for payload in payloads {
        let commit = both.log.commit().entry("payloads", payload).finish();
        both.insert(&commit).expect("a payload is any bytes");
    }
    both.assert_same();
    both.reopen();
    both.assert_same();
}

/// The largest payload that an engine accepts.
pub fn a_large_entry_is_stored<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    const MAX_PAYLOAD_BYTES: usize = 16 << 20;
    let mut both = Both::new(open);
    let create = both.log.create();
    both.insert(&create).expect("an empty store takes a log");
    let binary = SeededRandom::new(16).bytes(MAX_PAYLOAD_BYTES);
    let text = "\n".repeat(MAX_PAYLOAD_BYTES);
    for payload in [&binary, text.as_bytes()] {
        let commit = both.log.commit().entry("a", b"small").entry("a", payload).entry("b", b"small").finish();
        both.insert(&commit).expect("a large entry is stored");
    }
    both.reopen();
    both.assert_same();
}

/// More streams than a page holds, some with entries, and entries of each far apart.
pub fn many_streams_are_found<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    let create = both.log.create();
    both.insert(&create).expect("an empty store takes a log");
    for round in 0..3u8 {
        let commit = (0..300).fold(both.log.commit(), |commit, number| match number % 3 {
            0 if round == 0 => commit.stream(&format!("empty-{number}")),
            0 => commit,
            _ => commit.entry(&format!("stream-{number}"), &[round]),
        });
        let commit = commit.finish();
        both.insert(&commit).expect("streams are stored");
    }
    both.assert_same();
    both.reopen();
    both.assert_same();
}

/// Only the producers' entries of the one stream lose their bytes.
pub fn pruning_leaves_control_entries_and_hashes<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let size = both.log.size();
    for (stream, last) in [("a", 0), ("unknown", size), ("empty", size), ("a", 5), ("a", 5), ("a", 30), ("b", u64::MAX)]
    {
        assert_eq!(both.store().prune(&[(stream, last)]), both.naive.prune(&[(stream, last)]), "{stream} up to {last}");
        both.assert_same();
    }
    both.reopen();
    both.assert_same();
    assert_eq!(both.store().prune(&[("a", 30)]).unwrap(), 0, "nothing is pruned twice");
    both.commits(2);
    both.store().reindex().unwrap();
    both.assert_same();
}

/// And only those.
pub fn dropped_data_keys_are_gone<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let keys = both.naive.data_keys("a").unwrap();
    assert!(keys.len() > 2, "the sample has data keys");
    for ids in [&[][..], &[Hash([0xdd; 32])], &[keys[1].id], &[keys[0].id, keys[1].id, keys[2].id]] {
        both.store().drop_data_keys(ids).unwrap();
        both.naive.drop_data_keys(ids).unwrap();
        both.assert_same();
    }
    both.reopen();
    both.assert_same();
    both.commits(2);
    both.assert_same();
}

/// Nothing else changes, and no key comes back that was dropped.
pub fn replaced_data_keys_stand_where_they_stood<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let keys = both.naive.data_keys("a").unwrap();
    let anew = |row: &DataKeyRow, by: &str| DataKeyRow {
        kek: by.into(),
        alg: format!("alg of {by}"),
        wrapped: vec![0x77; 40 + by.len()],
        ..row.clone()
    };
    let elsewhere = DataKeyRow { stream: "b".into(), ..anew(&keys[1], "no key of this stream") };
    let unknown = DataKeyRow { id: Hash([0xdd; 32]), ..anew(&keys[1], "nobody's") };
    both.store().drop_data_keys(&[keys[0].id]).unwrap();
    both.naive.drop_data_keys(&[keys[0].id]).unwrap();
    for rows in [
        vec![],
        vec![anew(&keys[1], "second")],
        vec![elsewhere, unknown],
        keys.iter().map(|row| anew(row, "a third key with a longer label")).collect(),
    ] {
        both.store().replace_data_keys(&rows).unwrap();
        both.naive.replace_data_keys(&rows).unwrap();
        both.assert_same();
    }
    assert_eq!(both.naive.data_keys("a").unwrap().len(), keys.len() - 1);
    both.reopen();
    both.assert_same();
    both.commits(2);
    both.assert_same();
}

/// And only those: the heads of their commits stay.
pub fn dropped_witness_rows_are_gone<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    let size = both.log.size();
    for number in 0..6 {
        both.witnessed(size + number);
    }
    let rows = witness_rows(&mut both.naive, u32::MAX);
    assert!(rows.len() > 8, "the sample has witness rows");
    let unknown = WitnessRow { detail: "nobody said that".into(), ..rows[1].clone() };
    for gone in [&[][..], core::slice::from_ref(&unknown), &rows[3..5], &[rows[1].clone(), unknown.clone()], &rows] {
        both.drop_witnesses(gone);
        both.assert_same();
        both.witnessed(size);
    }
    both.reopen();
    both.assert_same();
    both.store().reindex().unwrap();
    both.commits(2);
    both.assert_same();
}

/// The log ends at the head that was named, and goes on from there.
pub fn what_is_set_aside_is_out_of_the_log<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    both.commits(4);
    for back in [1, 3, 4] {
        let last = both.states.len() as u64;
        assert!(!both.set_aside(last - back).is_empty(), "it is said where the records are kept");
        both.assert_same();
        both.reopen();
        both.assert_same();
        both.commits(1);
        both.assert_same();
    }
    // As many that a store which keeps upper hashes at hand has some, and others in their place.
    for what in [1, 2] {
        let many = (0..150).fold(both.log.commit(), |commit, i| commit.entry("a", &[what, i])).finish();
        both.insert(&many).unwrap();
        both.assert_same();
        if what == 1 {
            let last = both.states.len() as u64;
            both.set_aside(last - 1);
            both.assert_same();
        }
    }
    assert!(both.store().set_aside(1000).is_err(), "there is no such head");
    both.assert_same();
    // Down to the log's own record.
    both.set_aside(1);
    both.assert_same();
    both.commits(3);
    both.reopen();
    both.assert_same();
}

/// Whatever it was made of before.
pub fn an_index_is_rebuilt_from_the_rows<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut both = Both::new(open);
    both.write_sample();
    both.store().reindex().unwrap();
    both.assert_same();
    // Tree hashes are stored as they come: a store does not compute them. They are derived from the rows, all the same.
    let mut commit = (0..40).fold(both.log.commit(), |commit, i| commit.entry("a", &[i])).finish();
    both.naive.insert(&commit).unwrap();
    assert!(!commit.nodes.is_empty());
    commit.nodes.iter_mut().for_each(|node| node.hash = Hash([0xbb; 32]));
    both.store().insert(&commit).unwrap();
    both.store().reindex().unwrap();
    both.assert_same();
    both.reopen();
    both.assert_same();
    both.commits(2);
    both.assert_same();
}

/// Many short histories of everything that can be done to a store.
pub fn random_histories_are_answered_like_a_list_would<S: SecureLogStore, O: FnMut() -> S>(open: &mut O) {
    let mut random = SeededRandom::new(seed());
    let mut both = Both::new(open);
    let create = both.log.create();
    both.insert(&create).expect("an empty store takes a log");
    for _ in 0..count(60, 2000) {
        match random.below(21) {
            0..10 => both.random_commit(&mut random),
            10..12 => {
                let mut earlier = random.pick(&both.states).clone();
                let commit = earlier.commit().entry("a", b"late").finish();
                both.insert_late(&commit);
            }
            12 => {
                let (stream, last) = (*random.pick(&STREAMS), random.below(both.log.size() + 2));
                assert_eq!(both.store().prune(&[(stream, last)]), both.naive.prune(&[(stream, last)]));
            }
            13 => {
                let stream = *random.pick(&STREAMS);
                let keys = both.naive.data_keys(stream).unwrap();
                let ids: Vec<Hash> = keys.iter().filter(|_| random.below(2) == 0).map(|row| row.id).collect();
                both.store().drop_data_keys(&ids).unwrap();
                both.naive.drop_data_keys(&ids).unwrap();
                let mut rows = both.naive.data_keys(stream).unwrap();
                let mut met = HashSet::new();
                rows.retain(|row| met.insert(row.id));
                rows.iter_mut().for_each(|row| row.wrapped = random.bytes(1 + row.wrapped.len() % 90));
                both.store().replace_data_keys(&rows).unwrap();
                both.naive.replace_data_keys(&rows).unwrap();
            }
            14 => {
                let rows = witness_rows(&mut both.naive, u32::MAX);
                let gone: Vec<WitnessRow> = rows.into_iter().filter(|_| random.below(2) == 0).collect();
                both.drop_witnesses(&gone);
            }
            15 if both.states.len() > 1 => {
                // A few commits at most, so that histories grow.
                let back = random.below(3.min(both.states.len() as u64 - 1)) + 1;
                let last = both.states.len() as u64;
                both.set_aside(last - back);
            }
            16 => both.store().reindex().unwrap(),
            17..19 => both.reopen(),
            _ => both.assert_same_sample(&mut random),
        }
    }
    both.assert_same();
    both.reopen();
    both.assert_same();
}
