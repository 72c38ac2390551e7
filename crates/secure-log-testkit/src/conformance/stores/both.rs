//! A store beside the list that it has to be like, and what is written to both.

use secure_log::entry::{SigningRule, StreamRules, Tier};
use secure_log::hash::{Hash, KeyId, Suite};
use secure_log::index::{IndexKey, IndexRow, actor_key};
use secure_log::record::{DataKeyRow, Record, SignatureRow, Subject, WitnessResult, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedWitness, STORED_LEVEL, SecureLogStore, StoreError, TreeId,
};

use crate::builder::LogBuilder;
use crate::naive::NaiveStore;
use crate::record::{OwnedRecord, records_of};
use crate::surroundings::SeededRandom;

/// The streams of the sample and of random commits.
pub(super) const STREAMS: [&str; 4] = ["a", "b", "übung/\"β\"\\", "secure-log"];

/// Who acts in the sample and in random commits.
pub(super) const ACTORS: [(&str, &str); 4] =
    [("user", "alice"), ("agent", "alice"), ("service", "übung/β 水"), ("system", "x")];

/// The keys of those, and one that no entry has.
pub(super) fn actor_keys() -> Vec<IndexKey> {
    ACTORS.iter().map(|(kind, id)| actor_key(kind, id)).chain([IndexKey([0x5a; 16])]).collect()
}

/// A store and the list that it should be like.
pub(super) struct Both<'a, S, O> {
    open: &'a mut O,
    /// Absent only while it is opened anew: a place may be locked as long as it is open.
    store: Option<S>,
    pub(super) naive: NaiveStore,
    pub(super) log: LogBuilder,
    /// The log as it was at each head.
    pub(super) states: Vec<LogBuilder>,
}

impl<'a, S: SecureLogStore, O: FnMut() -> S> Both<'a, S, O> {
    pub(super) fn new(open: &'a mut O) -> Self {
        let store = Some(open());
        Both { open, store, naive: NaiveStore::new(), log: LogBuilder::new(), states: Vec::new() }
    }

    pub(super) fn reopen(&mut self) {
        self.store = None;
        self.store = Some((self.open)());
        assert_eq!(self.store().torn(), None, "nothing was interrupted");
    }

    pub(super) fn store(&mut self) -> &mut S {
        self.store.as_mut().expect("it is opened anew as soon as it is closed")
    }

    pub(super) fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let (answer, right) = (self.store().insert(commit), self.naive.insert(commit));
        match (&answer, &right) {
            (Ok(()), Ok(())) => self.states.push(self.log.clone()),
            (Err(StoreError::Conflict { heads }), Err(StoreError::Conflict { heads: all })) => {
                assert!(!heads.is_empty() || all.is_empty(), "a conflict shows what is there");
                assert!(all.starts_with(heads), "a conflict shows the newest heads, newest first");
            }
            _ => assert_eq!(answer, right),
        }
        answer
    }

    /// A commit for an earlier state, which may be the present one.
    pub(super) fn insert_late(&mut self, commit: &Commit) {
        if commit.expected != self.log.expected() {
            assert!(self.insert(commit).is_err());
        }
    }

    pub(super) fn set_aside(&mut self, after_head: u64) -> String {
        let place = self.store().set_aside(after_head).expect("the head is there");
        self.naive.set_aside(after_head).expect("the head is there");
        self.states.truncate(after_head as usize);
        self.log = self.states.last().expect("the head is there").clone();
        place
    }

    /// So many small commits, after the log was made.
    pub(super) fn commits(&mut self, number: u64) {
        if self.states.is_empty() {
            let create = self.log.create();
            self.insert(&create).expect("an empty store takes a log");
        }
        for round in 0..number {
            let commit = self.log.commit().entry("a", &round.to_be_bytes()).entry("b", b"").finish();
            self.insert(&commit).expect("the next commit is stored");
        }
    }

    /// A log with a record of each kind, several segments, and subtrees that are worth storing.
    pub(super) fn write_sample(&mut self) {
        let keyed = StreamRules {
            tier: Tier::HighlyRestricted,
            suite: Suite::HmacSha256(KeyId([7; 8])),
            sign: SigningRule::Entries,
            description: Some("sealed, signed, \"quoted\"".into()),
        };
        let blake = StreamRules { suite: Suite::Blake3, tier: Tier::Protected, ..StreamRules::default() };
        let create = self.log.create();
        self.insert(&create).expect("an empty store takes a log");
        let commit =
            self.log.commit().stream_with("b", blake).stream("empty").stream("a").stream_with(STREAMS[2], keyed);
        let commit = commit.control(STREAMS[2], "created", "").finish();
        self.insert(&commit).expect("streams are stored");
        for round in 0..3u8 {
            let mut commit = self.log.commit().record(Record::DataKey(&data_key("a", round)));
            for number in 0..20 {
                commit = commit.entry("a", &[round, number]);
                if number % 3 == 0 {
                    commit = commit.entry("b", &[number]);
                }
                if number % 4 == 0 {
                    let (who, other) = (number as usize % 3, number as usize % 5);
                    commit = commit.event("a", ACTORS[who], ACTORS.get(other).copied());
                }
            }
            let commit = commit.entry(STREAMS[2], b"x").close("a").finish();
            self.insert(&commit).expect("entries are stored");
            let (size, segment) = (self.log.size() + 1, u64::from(round) + 1);
            let mut commit = self.log.commit().entry(STREAMS[2], b"signed");
            for of in [Subject::Entry(size), Subject::Entry(size), Subject::Segment(segment), Subject::Segment(segment)]
            {
                commit = commit.record(Record::Signature(&signature(of, round)));
            }
            let (_, word) = WitnessResult::NAMES[usize::from(round)];
            let commit = commit.record(Record::Witness(&witness(size, word))).finish();
            self.insert(&commit).expect("signatures and witness rows are stored");
        }
        let commit = self.log.commit().close("b").close("a").deprecate("b").finish();
        self.insert(&commit).expect("a segment of a control entry is stored, too");
    }

    /// A commit of one witness row.
    pub(super) fn witnessed(&mut self, size: u64) {
        let commit = self.log.commit().record(Record::Witness(&witness(size, "refused"))).finish();
        self.insert(&commit).expect("witness rows are stored");
    }

    pub(super) fn drop_witnesses(&mut self, rows: &[WitnessRow]) {
        self.store().drop_witnesses(rows).unwrap();
        self.naive.drop_witnesses(rows).unwrap();
    }

    pub(super) fn random_commit(&mut self, random: &mut SeededRandom) {
        let mut log = self.log.clone();
        let mut commit = log.commit();
        // Streams that are sure to have an entry.
        let mut touched = vec!["a"];
        commit = commit.entry("a", b"first");
        for _ in 0..random.below(30) {
            let stream = *random.pick(&STREAMS);
            let size = self.naive.records().len() as u8;
            commit = match random.below(12) {
                0 if touched.contains(&stream) => commit.close(stream),
                1 => commit.record(Record::DataKey(&data_key("a", size))).entry("a", b"sealed"),
                3..5 => {
                    touched.push(stream);
                    let other = (random.below(3) == 0).then(|| *random.pick(&ACTORS));
                    commit.event(stream, *random.pick(&ACTORS), other)
                }
                2 if touched.contains(&stream) => commit.control(stream, "recovered", "1 2"),
                _ => {
                    touched.push(stream);
                    let len = random.below(50) as usize;
                    commit.entry(stream, &random.bytes(len))
                }
            };
        }
        if random.below(3) == 0 {
            commit = commit.record(Record::Witness(&witness(self.log.size(), "cosigned")));
        }
        if random.below(3) == 0 {
            commit = commit.entry("a", b"signed");
            for number in 0..=random.below(2) as u8 {
                let of = Subject::Entry(commit.size());
                commit = commit.record(Record::Signature(&signature(of, number)));
            }
        }
        let commit = commit.finish();
        self.log = log;
        self.insert(&commit).expect("the next commit is stored");
    }

    pub(super) fn assert_same(&mut self) {
        let Both { store, naive, .. } = self;
        assert_same(store.as_mut().expect("it is opened anew as soon as it is closed"), naive);
    }

    /// As [`assert_same`], for what a glance shows.
    pub(super) fn assert_same_sample(&mut self, random: &mut SeededRandom) {
        let size = self.log.size();
        let (from, to) = (random.below(size + 2), random.below(size + 2));
        let stream = [None, Some("a"), Some("b")][random.below(3) as usize];
        self.assert_same_entries(EntryRange { stream, from, to, limit: random.below(40) as u32 });
        for name in STREAMS {
            assert_eq!(self.store().stream(name), self.naive.stream(name), "stream {name}");
            assert_eq!(self.store().segment_of(name, from), self.naive.segment_of(name, from));
        }
        assert_eq!(self.store().heads(Some(from), 3), self.naive.heads(Some(from), 3));
        for key in actor_keys() {
            let newest_first = random.below(2) == 0;
            self.assert_same_indexed(IndexRange { key, from, to, newest_first, limit: random.below(20) as u32 });
        }
        assert_eq!(self.store().hashes(TreeId::Log, from, 20), self.naive.hashes(TreeId::Log, from, 20));
    }

    pub(super) fn assert_same_entries(&mut self, range: EntryRange<'_>) {
        let (mut found, mut right) = (Vec::new(), Vec::new());
        self.store().entries(range, &mut |record| found.push(OwnedRecord::from(record))).unwrap();
        self.naive.entries(range, &mut |record| right.push(OwnedRecord::from(record))).unwrap();
        assert_eq!(found, right, "{range:?}");
    }

    pub(super) fn assert_same_indexed(&mut self, range: IndexRange) {
        assert_eq!(self.store().indexed(range), self.naive.indexed(range), "{range:?}");
    }
}

/// Compares every answer that there is to compare.
pub(super) fn assert_same<S: SecureLogStore>(store: &mut S, naive: &mut NaiveStore) {
    assert_eq!(store.log(), naive.log());
    assert_eq!(store.segment_count(), naive.segment_count());
    assert_eq!(store.heads(None, u32::MAX), naive.heads(None, u32::MAX));
    assert_eq!(store.streams(0, u32::MAX), naive.streams(0, u32::MAX));
    assert_eq!(witness_rows(store, u32::MAX), witness_rows(naive, u32::MAX));
    let records = records_of(store).unwrap();
    assert!(records == naive.records(), "a scan shows other records than were committed");

    assert_eq!(index_rows(store, u32::MAX), index_rows(naive, u32::MAX));
    let size = naive.hashes(TreeId::Log, 0, u32::MAX).unwrap().len() as u64;
    let mut trees = vec![TreeId::Log];
    let mut found = Vec::new();
    store.entries(everything(), &mut |record| found.push(OwnedRecord::from(record))).unwrap();
    assert!(found.iter().eq(naive.records().iter().filter(|record| record.seqno().is_some())), "other entries");
    for state in naive.streams(0, u32::MAX).unwrap() {
        let name = state.row.name.as_str();
        assert_eq!(store.stream(name), Ok(Some(state.clone())));
        assert_eq!(store.segments(name, 0, u32::MAX), naive.segments(name, 0, u32::MAX));
        assert_eq!(store.data_keys(name), naive.data_keys(name));
        let mut found = Vec::new();
        let range = EntryRange { stream: Some(name), ..everything() };
        store.entries(range, &mut |record| found.extend(OwnedRecord::from(record).seqno())).unwrap();
        let right = naive.records().iter().filter_map(|record| match record {
            OwnedRecord::Entry { seqno, stream, .. } | OwnedRecord::Pruned { seqno, stream, .. } if stream == name => {
                Some(*seqno)
            }
            _ => None,
        });
        assert!(found.into_iter().eq(right), "other entries of {name}");
    }
    for id in 1..=naive.segment_count().unwrap() {
        trees.push(TreeId::Segment(id));
        let row = naive.segment(id).unwrap().expect("segments are dense");
        assert_eq!(store.leaf_index(id, row.last), Ok(Some(row.count - 1)));
        assert_eq!(store.segment_of(&row.stream, row.first), Ok(Some(row.clone())));
        assert_eq!(store.segment(id), Ok(Some(row)));
        assert_eq!(store.signatures(Subject::Segment(id)), naive.signatures(Subject::Segment(id)));
    }
    for seqno in (1..=size).step_by(1 + size as usize / 200) {
        assert_eq!(store.signatures(Subject::Entry(seqno)), naive.signatures(Subject::Entry(seqno)));
    }
    for tree in trees {
        assert_eq!(store.hashes(tree, 0, u32::MAX), naive.hashes(tree, 0, u32::MAX));
        let next = naive.stored_nodes().keys().filter(|id| id.tree == tree).map(|id| id.index + 1).max().unwrap_or(0);
        let ids: Vec<NodeId> = (STORED_LEVEL..STORED_LEVEL + 6)
            .flat_map(|level| (0..=next).map(move |index| NodeId { tree, level, index }))
            .collect();
        assert_eq!(store.nodes(&ids), naive.nodes(&ids), "interior hashes of {tree:?}");
    }
}

/// All witness rows, newest first, in pages of so many. Their numbers fall, and otherwise say nothing.
pub(super) fn witness_rows<S: SecureLogStore>(store: &mut S, limit: u32) -> Vec<WitnessRow> {
    let (mut rows, mut below) = (Vec::new(), None);
    loop {
        let page = store.witnesses(below, limit).unwrap();
        assert!(page.len() <= limit as usize, "a page of more than {limit} witness rows");
        let Some(last) = page.last() else { return rows };
        for NumberedWitness { number, row } in &page {
            assert!(*number > 0 && below.is_none_or(|below| *number < below), "witness rows are not in their order");
            below = Some(*number);
            rows.push(row.clone());
        }
        below = Some(last.number);
    }
}

/// All rows of the index, in pages of so many.
pub(super) fn index_rows<S: SecureLogStore>(store: &mut S, limit: u32) -> Vec<IndexRow> {
    let mut rows: Vec<IndexRow> = Vec::new();
    loop {
        let page = store.index_rows(rows.last().copied(), limit).unwrap();
        assert!(page.len() <= limit as usize, "a page of more than {limit} rows");
        if page.is_empty() {
            return rows;
        }
        assert!(page.is_sorted_by(|a, b| a < b) && page.first() > rows.last(), "rows are not in their order");
        rows.extend(page);
    }
}

pub(super) fn everything() -> EntryRange<'static> {
    EntryRange { stream: None, from: 0, to: u64::MAX, limit: u32::MAX }
}

fn data_key(stream: &str, number: u8) -> DataKeyRow {
    DataKeyRow {
        id: Hash::sha256(&[number]),
        stream: stream.into(),
        first: u64::from(number),
        kek: "kek-\"label\"".into(),
        alg: "xchacha20poly1305".into(),
        wrapped: vec![number; 72],
        created: "2026-11-20T04:07:11.000000000Z".into(),
    }
}

fn signature(of: Subject, number: u8) -> SignatureRow {
    SignatureRow {
        of,
        identity: format!("identity-{number}"),
        alg: "ed25519".into(),
        key: vec![number; 32],
        sig: vec![number ^ 0xff; 64],
    }
}

fn witness(size: u64, word: &str) -> WitnessRow {
    let (result, _) = WitnessResult::NAMES.into_iter().find(|(_, name)| *name == word).expect("a word of the format");
    WitnessRow {
        size,
        name: "witness.example/w1".into(),
        at: "2026-11-20T04:07:11.000000000Z".into(),
        result,
        detail: "in its own \\ words".into(),
    }
}
