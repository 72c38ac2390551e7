//! Commits as a correct engine makes them, for tests of what stands around the engine.

use std::collections::BTreeMap;

use secure_log::entry::{CONTROL_PREFIX, CONTROL_PRODUCER, Entry, StreamRules};
use secure_log::hash::{Hash, Suite};
use secure_log::jsonl::write_record;
use secure_log::record::{EntryRow, HeadRow, LogRow, Record, SegmentRow, StreamRow, WitnessResult, WitnessRow};
use secure_log::store::{Commit, Expected, Node, NodeId, STORED_LEVEL, TreeId};
use secure_log::time::Timestamp;
use secure_log::tree::{CompactTree, leaf_hash};

/// The state of a log that is being written, and the commits that follow from it.
///
/// Entries have real canonical bytes and hashes, streams their chains, segments their roots, commits their heads and
/// tree hashes. Heads carry lines that look like signatures and are none. A clone remembers an earlier state, which
/// is how a test makes a commit that comes too late.
///
/// ```
/// use secure_log::{memory::MemoryStore, store::SecureLogStore};
/// use secure_log_testkit::LogBuilder;
///
/// let (mut log, mut store) = (LogBuilder::new(), MemoryStore::new());
/// store.insert(&log.create())?;
/// store.insert(&log.commit().entry("app", b"hello").entry("app", b"world").close("app").finish())?;
/// assert_eq!(store.segment(1)?.unwrap().count, 2);
/// # Ok::<(), secure_log::store::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogBuilder {
    log: LogRow,
    tree: CompactTree,
    /// Seconds after the log was made.
    seconds: i64,
    streams: BTreeMap<String, Stream>,
    segments: u64,
    created: bool,
}

#[derive(Clone, Debug)]
struct Stream {
    row: StreamRow,
    /// Hash of its last entry, or what binds its rules.
    prev: Hash,
    /// Checkpoint hash of its last segment.
    checkpoint: Hash,
    /// Seqnos and hashes since the last close.
    open: Vec<(u64, Hash)>,
}

const SESSION: &str = "test-session";
const BOOT: &str = "test-boot";
/// 2026-11-20T04:07:11Z.
const CREATED: i64 = 1_795_147_631;

impl LogBuilder {
    /// A log that was not made yet.
    pub fn new() -> LogBuilder {
        let id: [u8; 16] = core::array::from_fn(|i| i as u8 + 1);
        let log = LogRow { id, origin: "secure-log/test".into(), created: time(0) };
        LogBuilder { log, tree: CompactTree::new(), seconds: 0, streams: BTreeMap::new(), segments: 0, created: false }
    }

    /// What identifies the log.
    pub fn log(&self) -> &LogRow {
        &self.log
    }

    /// How many entries it has.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root of the log tree.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// What a store has to hold for the next commit; `None` before the log is made.
    pub fn expected(&self) -> Option<Expected> {
        self.created.then(|| Expected { size: self.size(), root: self.root(), segments: self.segments })
    }

    /// The first commit.
    pub fn create(&mut self) -> Commit {
        let log = self.log.clone();
        self.commit().record(Record::Log(&log)).finish()
    }

    /// Begins the next commit.
    pub fn commit(&mut self) -> CommitBuilder<'_> {
        self.seconds += 1;
        let commit = Commit::new(self.expected());
        CommitBuilder { log: self, commit }
    }

    fn now(&self) -> String {
        time(self.seconds)
    }
}

impl Default for LogBuilder {
    fn default() -> LogBuilder {
        LogBuilder::new()
    }
}

/// A commit that is being put together.
#[derive(Debug)]
pub struct CommitBuilder<'a> {
    log: &'a mut LogBuilder,
    commit: Commit,
}

impl CommitBuilder<'_> {
    /// Makes a stream with default rules.
    pub fn stream(self, name: &str) -> Self {
        self.stream_with(name, StreamRules::default())
    }

    /// Makes a stream.
    pub fn stream_with(mut self, name: &str, rules: StreamRules) -> Self {
        let row = StreamRow { name: name.into(), rules, created: self.log.now(), deprecated: None };
        self.commit.push(Record::Stream(&row));
        let prev = row.policy_hash(&self.log.log);
        let stream = Stream { row, prev, checkpoint: Hash::ZERO, open: Vec::new() };
        self.log.streams.insert(name.into(), stream);
        self
    }

    /// Appends a producer's entry. The stream is made when there is none.
    pub fn entry(self, stream: &str, payload: &[u8]) -> Self {
        self.entry_of(stream, "test.event", "test", "application/octet-stream", payload)
    }

    /// Appends any entry.
    pub fn entry_of(self, stream: &str, event: &str, producer: &str, encoding: &str, payload: &[u8]) -> Self {
        let mut this = if self.log.streams.contains_key(stream) { self } else { self.stream(stream) };
        this.push_entry(stream, event, producer, encoding, payload);
        this
    }

    /// Appends an event of the audit profile, as far as its actor goes: a kind and an id, and another one's where it is on behalf
    /// of another. Nothing in them needs an escape.
    pub fn event(self, stream: &str, (kind, id): (&str, &str), on_behalf_of: Option<(&str, &str)>) -> Self {
        let other = on_behalf_of.map(|(kind, id)| format!(r#","on_behalf_of":{{"id":"{id}","kind":"{kind}"}}"#));
        let other = other.unwrap_or_default();
        let payload = format!(r#"{{"action":{{"kind":"x"}},"actor":{{"id":"{id}","kind":"{kind}"{other}}}}}"#);
        self.entry_of(stream, "x.success", "test", "secure-log.audit.v1+json", payload.as_bytes())
    }

    /// Appends a control entry.
    pub fn control(self, stream: &str, event: &str, payload: &str) -> Self {
        self.entry_of(stream, &format!("{CONTROL_PREFIX}{event}"), CONTROL_PRODUCER, "text", payload.as_bytes())
    }

    /// Closes the stream to producers.
    pub fn deprecate(mut self, stream: &str) -> Self {
        let now = self.log.now();
        let row = &mut self.known(stream).row;
        row.deprecated = Some(now);
        let row = row.clone();
        self.commit.push(Record::Stream(&row));
        self.control(stream, "deprecated", "")
    }

    /// Closes the open segment of a stream, which has an entry.
    pub fn close(mut self, stream: &str) -> Self {
        let (id, closed, log) = (self.log.segments + 1, self.log.now(), self.log.log.clone());
        let state = self.known(stream);
        let open = core::mem::take(&mut state.open);
        let (first, _) = *open.first().expect("a segment that is closed has an entry");
        let (last, last_hash) = *open.last().expect("a segment that is closed has an entry");
        let mut tree = CompactTree::new();
        let mut nodes = Vec::new();
        open.iter().for_each(|(_, hash)| grow(&mut tree, TreeId::Segment(id), hash, &mut nodes));
        let row = SegmentRow {
            id,
            stream: stream.into(),
            first,
            last,
            count: open.len() as u64,
            root: tree.root(),
            last_hash,
            prev: state.checkpoint,
            boot: BOOT.into(),
            session: SESSION.into(),
            policy: state.row.policy_hash(&log),
            closed,
        };
        let checkpoint = row.checkpoint().hash();
        state.checkpoint = checkpoint;
        self.log.segments = id;
        self.commit.push(Record::Segment(&row));
        self.commit.nodes.append(&mut nodes);
        self.control(stream, "segment-closed", &format!("{id} {checkpoint}"))
    }

    /// How many entries the log has with those of this commit.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Appends any other record as it is.
    pub fn record(mut self, record: Record<'_>) -> Self {
        self.commit.push(record);
        self
    }

    /// Ends the commit with its head.
    pub fn finish(mut self) -> Commit {
        let size = self.log.size();
        // None, one or two, so that every form of a head is stored.
        let line = |number| format!("{} dGVzdCBzaWduYXR1cmUg{number}w==", self.log.log.origin);
        let sigs = ["A", "B"].into_iter().take((size % 3) as usize).map(line).collect();
        self.commit.push(Record::Head(&HeadRow { size, root: self.log.root(), sigs }));
        self.commit.index_entries();
        self.log.created = true;
        self.commit
    }

    fn push_entry(&mut self, stream: &str, event: &str, producer: &str, encoding: &str, payload: &[u8]) {
        let (seqno, time) = (self.log.size() + 1, self.log.now());
        let state = self.known(stream);
        let suite = state.row.rules.suite;
        let entry = Entry {
            version: suite.version(),
            stream: stream.into(),
            session: SESSION.into(),
            boot: BOOT.into(),
            seqno,
            time,
            event: event.into(),
            severity: "info".into(),
            producer: producer.into(),
            encoding: encoding.into(),
            payload: payload.into(),
            prev: state.prev,
        };
        let bytes = entry.as_ref().encode();
        let hash = match suite {
            Suite::Blake3 => Hash(blake3::hash(&bytes).into()),
            // No store can tell the keyed suite from another, so its hashes need no key here.
            Suite::Sha256 | Suite::HmacSha256(_) => Hash::sha256(&bytes),
        };
        state.prev = hash;
        state.open.push((seqno, hash));
        self.commit.push(Record::Entry(EntryRow { seqno, stream, hash, bytes: &bytes }));
        grow(&mut self.log.tree, TreeId::Log, &hash, &mut self.commit.nodes);
    }

    fn known(&mut self, stream: &str) -> &mut Stream {
        self.log.streams.get_mut(stream).expect("the stream was made before")
    }
}

/// Appends a leaf, and notes the interior hashes that a store keeps of what it completes.
fn grow(tree: &mut CompactTree, id: TreeId, entry_hash: &Hash, nodes: &mut Vec<Node>) {
    tree.push_with(leaf_hash(entry_hash), |subtree, hash| {
        if subtree.level >= STORED_LEVEL {
            let id = NodeId { tree: id, level: subtree.level, index: subtree.index };
            nodes.push(Node { id, hash: *hash });
        }
    });
}

fn time(seconds: i64) -> String {
    Timestamp::from_unix(CREATED + seconds, 0).expect("tests write fewer than 2^32 commits").to_string()
}

/// The commits of a log of one entry to whose head witnesses answered so often, three rows a commit, and the rows.
pub fn witnessed(rows: u64) -> (Vec<Commit>, Vec<WitnessRow>) {
    let row = |number| WitnessRow {
        size: 1,
        name: format!("witness-{number}"),
        at: "2026-11-20T04:07:11.000000000Z".into(),
        result: WitnessResult::Refused,
        detail: "it answered 404".into(),
    };
    let rows: Vec<WitnessRow> = (0..rows).map(row).collect();
    let mut log = LogBuilder::new();
    let mut commits = vec![log.create(), log.commit().entry("a", b"1").finish()];
    for page in rows.chunks(3) {
        let commit = page.iter().fold(log.commit(), |commit, row| commit.record(Record::Witness(row)));
        commits.push(commit.finish());
    }
    (commits, rows)
}

/// The lines of a log whose import takes several parts. Nobody signed its heads.
pub fn log_of_parts() -> Vec<u8> {
    let mut log = LogBuilder::new();
    let mut commits = vec![log.create()];
    for round in 0..3u8 {
        let commit = (0..40).fold(log.commit(), |commit, _| commit.entry("a", &[b'a' + round; 16_000]));
        commits.push(commit.finish());
    }
    let mut lines = Vec::new();
    for record in commits.iter().flat_map(Commit::records) {
        write_record(&record, &mut lines).expect("a commit as an engine makes it has lines");
    }
    lines
}
