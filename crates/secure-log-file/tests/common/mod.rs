//! What the tests share: random commits, and a comparison of two stores by everything that they answer.

use std::sync::OnceLock;

use secure_log::entry::{EntryRef, Severity};
use secure_log::hash::Hash;
use secure_log::index::actor_key;
use secure_log::query::Filter;
use secure_log::record::{DataKeyRow, Record, SignatureRow, Subject, WitnessResult, WitnessRow};
use secure_log::store::{Commit, EntryRange, IndexRange, NodeId, NumberedWitness, Search, SecureLogStore, TreeId};
use secure_log::time::Timestamp;

pub(crate) use secure_log_testkit::{LogBuilder, count};

/// The seed of this run, printed once.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    // Test numbers are added to it.
    *SEED.get_or_init(|| secure_log_testkit::seed() >> 1)
}

pub(crate) const TIME: &str = "2026-11-20T04:07:11.000000000Z";

/// The choices of a test.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The generator splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Who acts in random commits.
pub(crate) const ACTORS: [(&str, &str); 5] =
    [("user", "alice"), ("user", "bob"), ("agent", "agent-7"), ("service", "s"), ("system", "x")];

/// A commit of everything that a commit may hold. `open` counts the entries of each stream since its last close.
pub(crate) fn random_commit(log: &mut LogBuilder, choices: &mut Choices, open: &mut [u64], closed: &mut u64) -> Commit {
    let mut size = log.size();
    let mut commit = log.commit();
    for _ in 0..1 + choices.below(6) {
        let n = choices.below(open.len() as u64) as usize;
        let stream = format!("stream-{n}");
        match choices.below(16) {
            0 if open[n] > 1 => {
                commit = commit.close(&stream);
                size += 1;
                *closed += 1;
                open[n] = 1;
                if choices.below(2) == 0 {
                    commit = commit.record(Record::Signature(&signature(Subject::Segment(*closed), 1)));
                }
            }
            1 if *closed > 0 => {
                let id = 1 + choices.below(*closed);
                commit = commit.record(Record::Signature(&signature(Subject::Segment(id), 2)));
            }
            2 => {
                let at = 1 + choices.below(size + 3);
                commit = commit.record(Record::Witness(&witness(at)));
            }
            3 if open[n] > 0 => {
                let id = Hash::sha256(&size.to_le_bytes());
                commit = commit.record(Record::DataKey(&data_key(id, &stream, size + 1)));
            }
            4 => {
                commit = commit.entry(&stream, b"signed");
                (size, open[n]) = (size + 1, open[n] + 1);
                for n in 0..1 + choices.below(3) {
                    commit = commit.record(Record::Signature(&signature(Subject::Entry(size), n)));
                }
            }
            5 => {
                let bytes: Vec<u8> = (0..choices.below(9000)).map(|i| i as u8).collect();
                commit = commit.entry(&stream, &bytes);
                (size, open[n]) = (size + 1, open[n] + 1);
            }
            6..9 => {
                let count = choices.below(20);
                for _ in 0..count {
                    let (who, other) = (choices.below(5) as usize, choices.below(9) as usize);
                    commit = commit.event(&stream, ACTORS[who], ACTORS.get(other).copied());
                }
                (size, open[n]) = (size + count, open[n] + count);
            }
            _ => {
                let count = choices.below(40);
                for i in 0..count {
                    commit = commit.entry(&stream, format!("event {i} \"quoted\"\n").as_bytes());
                }
                (size, open[n]) = (size + count, open[n] + count);
            }
        }
    }
    commit.finish()
}

pub(crate) fn signature(of: Subject, n: u64) -> SignatureRow {
    SignatureRow {
        of,
        identity: format!("signer-{n}"),
        alg: "ed25519".into(),
        key: vec![1; 32],
        sig: vec![n as u8; 64],
    }
}

pub(crate) fn witness(size: u64) -> WitnessRow {
    WitnessRow { size, name: "witness".into(), at: TIME.into(), result: WitnessResult::Cosigned, detail: String::new() }
}

pub(crate) fn data_key(id: Hash, stream: &str, first: u64) -> DataKeyRow {
    DataKeyRow {
        id,
        stream: stream.into(),
        first,
        kek: "kek".into(),
        alg: "aes-kwp".into(),
        wrapped: vec![5; 40],
        created: TIME.into(),
    }
}

/// Every record, as text.
pub(crate) fn records(store: &mut dyn SecureLogStore) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = 0;
    while let Some(next) = store.scan(cursor, 10_000, &mut |record| all.push(format!("{record:?}"))).unwrap() {
        cursor = next;
    }
    all
}

pub(crate) fn entries(store: &mut dyn SecureLogStore, range: EntryRange<'_>) -> Vec<String> {
    let mut rows = Vec::new();
    store.entries(range, &mut |record| rows.push(format!("{record:?}"))).unwrap();
    rows
}

/// A filter of some of the things that random commits have in common.
pub(crate) fn random_filter(choices: &mut Choices, size: u64) -> Filter {
    let pattern = |choices: &mut Choices, texts: &[&str]| {
        texts[choices.below(texts.len() as u64) as usize].parse().expect("a pattern")
    };
    let time = |choices: &mut Choices| {
        let made: Timestamp = TIME.parse().expect("a time");
        Timestamp::from_unix(made.unix_seconds() + choices.below(100) as i64, 0)
    };
    let mut filter = Filter::default();
    for _ in 0..1 + choices.below(3) {
        match choices.below(10) {
            0 => filter.streams = vec![pattern(choices, &["stream-1", "stream-*", "*-2", "a", "nobody"])],
            1 => filter.streams = vec![pattern(choices, &["stream-0", "a"]), pattern(choices, &["stream-3", "*"])],
            2 => filter.events = vec![pattern(choices, &["test.event", "x.success", "*.*t*", "secure-log.*", "none"])],
            3 => filter.producer = Some(["test", "secure-log", "none"][choices.below(3) as usize].into()),
            4 => filter.session = Some(["test-session", "none"][choices.below(2) as usize].into()),
            5 => filter.severity = Some([Severity::Info, Severity::Notice][choices.below(2) as usize]),
            6 => {
                let (kind, id) = ACTORS[choices.below(5) as usize];
                filter.actor = Some(actor_key(kind, id));
            }
            7 => filter.since = time(choices),
            8 => filter.before = time(choices),
            _ => {
                let (one, other) = (choices.below(size + 2), choices.below(size + 2));
                (filter.from, filter.to) = (Some(one.min(other)), Some(one.max(other)));
            }
        }
    }
    filter
}

/// All seqnos that a store finds, asked for in pages that end for one reason or another.
pub(crate) fn search_all(
    store: &mut dyn SecureLogStore,
    filter: &Filter,
    newest_first: bool,
    choices: &mut Choices,
) -> Vec<u64> {
    let (mut found, mut from, mut to) = (Vec::new(), 0, u64::MAX);
    loop {
        let limit = [1, 7, 1000][choices.below(3) as usize];
        let work = [1, 50, u32::MAX][choices.below(3) as usize];
        let max_bytes = [1000, usize::MAX][choices.below(2) as usize];
        let search = Search { filter, from, to, newest_first, limit, max_bytes, work };
        let before = found.len();
        let next = store.search(&search, &mut |row| {
            let entry = EntryRef::decode(row.bytes).expect("an entry");
            assert_eq!(row.seqno, entry.seqno);
            if filter.matches(&entry) {
                found.push(row.seqno);
            }
        });
        assert!(found.len() - before <= limit as usize, "{search:?}");
        match next.unwrap() {
            None => return found,
            Some(next) if newest_first => {
                assert!(
                    (from..to).contains(&next) && found.last().is_none_or(|last| next < *last),
                    "{next} {search:?}"
                );
                to = next;
            }
            Some(next) => {
                assert!(from < next && next <= to && found.last().is_none_or(|last| next > *last), "{next} {search:?}");
                from = next;
            }
        }
    }
}

/// Asks both stores everything, and expects the same answers.
pub(crate) fn assert_same(a: &mut dyn SecureLogStore, b: &mut dyn SecureLogStore, choices: &mut Choices) {
    assert_eq!(a.log(), b.log());
    let size = a.heads(None, 1).unwrap().first().map_or(0, |numbered| numbered.head.size);
    let heads = a.heads(None, 10_000).unwrap();
    assert_eq!(heads, b.heads(None, 10_000).unwrap());
    let below = choices.below(heads.len() as u64 + 3);
    assert_eq!(a.heads(Some(below), 3), b.heads(Some(below), 3));
    let segments = a.segment_count().unwrap();
    assert_eq!(segments, b.segment_count().unwrap());
    assert_eq!(records(a), records(b));
    let rows = a.index_rows(None, u32::MAX).unwrap();
    assert_eq!(rows, b.index_rows(None, u32::MAX).unwrap());
    if !rows.is_empty() {
        let after = rows[choices.below(rows.len() as u64) as usize];
        assert_eq!(a.index_rows(Some(after), 7), b.index_rows(Some(after), 7));
    }
    for _ in 0..8 {
        let filter = random_filter(choices, size);
        for newest_first in [false, true] {
            let found = search_all(a, &filter, newest_first, choices);
            assert_eq!(found, search_all(b, &filter, newest_first, choices), "{filter:?} newest first {newest_first}");
        }
    }
    for (kind, id) in ACTORS {
        let (from, to) = (choices.below(size + 2), choices.below(size + 2));
        let limit = 1 + choices.below(50) as u32;
        for newest_first in [false, true] {
            let range = IndexRange { key: actor_key(kind, id), from, to, newest_first, limit };
            assert_eq!(a.indexed(range), b.indexed(range), "{range:?}");
        }
    }

    let all = |stream| EntryRange { stream, from: 0, to: u64::MAX, limit: u32::MAX };
    assert_eq!(entries(a, all(None)), entries(b, all(None)));
    let streams = a.streams(0, 10_000).unwrap();
    assert_eq!(streams, b.streams(0, 10_000).unwrap());
    assert_eq!(a.streams(2, 2), b.streams(2, 2));
    assert_eq!(a.stream("nobody").unwrap(), None);
    for state in &streams {
        let name = state.row.name.as_str();
        assert_eq!(a.stream(name).unwrap().as_ref(), Some(state));
        assert_eq!(entries(a, all(Some(name))), entries(b, all(Some(name))), "{name}");
        let (from, span) = (choices.below(size + 2), choices.below(size + 2));
        let range = EntryRange { stream: Some(name), from, to: from + span, limit: 1 + choices.below(200) as u32 };
        assert_eq!(entries(a, range), entries(b, range), "{range:?}");
        let whole = EntryRange { stream: None, ..range };
        assert_eq!(entries(a, whole), entries(b, whole), "{whole:?}");
        let after = choices.below(segments + 2);
        let limit = 1 + choices.below(5) as u32;
        assert_eq!(a.segments(name, after, limit), b.segments(name, after, limit), "{name} {after} {limit}");
        let seqno = choices.below(size + 2);
        assert_eq!(a.segment_of(name, seqno), b.segment_of(name, seqno), "{name} {seqno}");
        assert_eq!(a.data_keys(name), b.data_keys(name));
    }
    let mut trees = vec![(TreeId::Log, size)];
    for id in 0..segments + 2 {
        let segment = a.segment(id).unwrap();
        assert_eq!(segment, b.segment(id).unwrap());
        assert_eq!(a.signatures(Subject::Segment(id)), b.signatures(Subject::Segment(id)), "segment {id}");
        if let Some(segment) = segment {
            trees.push((TreeId::Segment(id), segment.count));
            let seqno = segment.first + choices.below(segment.last - segment.first + 2);
            assert_eq!(a.leaf_index(id, seqno), b.leaf_index(id, seqno), "segment {id}, seqno {seqno}");
        }
    }
    for (tree, leaves) in trees {
        assert_eq!(a.hashes(tree, 0, u32::MAX), b.hashes(tree, 0, u32::MAX), "{tree:?}");
        let (first, count) = (choices.below(leaves + 2), choices.below(100) as u32);
        assert_eq!(a.hashes(tree, first, count), b.hashes(tree, first, count), "{tree:?} {first} {count}");
        let ids: Vec<NodeId> = (4..12)
            .flat_map(|level| (0..(leaves >> level) + 2).map(move |index| NodeId { tree, level, index }))
            .collect();
        assert_eq!(a.nodes(&ids), b.nodes(&ids), "{tree:?}");
    }
    for seqno in 0..size + 2 {
        assert_eq!(a.signatures(Subject::Entry(seqno)), b.signatures(Subject::Entry(seqno)), "entry {seqno}");
    }
    let all = a.witnesses(None, u32::MAX).unwrap();
    let rows = |all: &[NumberedWitness]| all.iter().map(|witness| witness.row.clone()).collect::<Vec<_>>();
    assert_eq!(rows(&all), rows(&b.witnesses(None, u32::MAX).unwrap()), "witnesses");
    if !all.is_empty() {
        let below = all[choices.below(all.len() as u64) as usize].number;
        let rest: Vec<NumberedWitness> = all.into_iter().filter(|row| row.number < below).take(3).collect();
        assert_eq!(a.witnesses(Some(below), 3), Ok(rest), "witnesses below {below}");
    }
}
