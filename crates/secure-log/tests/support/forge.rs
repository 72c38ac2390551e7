//! Changes what the records of a log say, and then, as far as it is told to, makes everything fit again that a forger
//! could make fit: hashes, chains, trees and, as the golden logs' key is known, signatures.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::entry::{Entry, SigningRule, Tier, checkpoint_message, entry_message};
use secure_log::hash::{Hash, HmacKey, KeyId, Suite};
use secure_log::jsonl::{Line, parse_line, write_record};
use secure_log::note::{self, VerifierKey};
use secure_log::record::*;
use secure_log::tree::{CompactTree, leaf_hash};

use super::dice::Dice;
use super::keys::Key;
use super::{golden, hex, json};

/// A record that owns what it says.
#[derive(Clone)]
enum Row {
    Log(LogRow),
    Stream(StreamRow),
    DataKey(DataKeyRow),
    Entry(Entry, Hash),
    Pruned(u64, String, Hash),
    Signature(SignatureRow),
    Segment(SegmentRow),
    Head(HeadRow),
}

/// The log with some of its records changed, and everything after that made to fit, or not.
pub(crate) fn change_records(log: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut rows: Vec<Row> = log.split(|b| *b == b'\n').filter_map(read).collect();
    for _ in 0..=dice.roll(2) {
        change(&mut rows, dice);
    }
    if dice.chance(3) {
        // One thing that does not fit, and signatures that do.
        Fit::ALL.apply(&mut rows, &Key::golden(), Some(dice));
        change_some_field(&mut rows, dice);
        let fit = Fit { signatures: true, ..Fit::NONE };
        fit.apply(&mut rows, &Key::golden(), None);
    } else {
        // Mostly all of it is made to fit, so that what is left is what the change means.
        let [hashes, numbers, trees, signatures] = [(); 4].map(|()| !dice.chance(6));
        let fit = Fit { hashes, numbers, trees, signatures };
        fit.apply(&mut rows, &Key::golden(), Some(dice));
    }
    lines(&rows)
}

/// The same log, with every signature of the golden key made anew by another one.
pub(crate) fn sign_anew(log: &[u8], key: &Key) -> Vec<u8> {
    let mut rows: Vec<Row> = log.split(|b| *b == b'\n').filter_map(read).collect();
    let golden = Key::golden().public;
    for row in &mut rows {
        if let Row::Signature(row) = row
            && row.key == golden
        {
            (row.alg, row.key) = (key.algorithm.as_str().into(), key.public.clone());
        }
    }
    Fit::ALL.apply(&mut rows, key, None);
    lines(&rows)
}

/// The same log, in which the last entry of the first segment was written by another boot, and is gone.
pub(crate) fn prune_the_last_of_a_segment(log: &[u8]) -> Vec<u8> {
    let mut rows: Vec<Row> = log.split(|b| *b == b'\n').filter_map(read).collect();
    let segment = rows.iter().find_map(|row| if let Row::Segment(row) = row { Some(row.clone()) } else { None });
    let last = segment.expect("the log has a segment").last;
    let mut place = 0;
    for (index, row) in rows.iter_mut().enumerate() {
        let Row::Entry(entry, _) = row else { continue };
        if entry.seqno == last {
            entry.boot = "boot-2".into();
            place = index;
        }
        if entry.event == "secure-log.pruned" {
            entry.payload = format!("{last} 0 {}", Hash::ZERO).into_bytes();
        }
    }
    Fit::ALL.apply(&mut rows, &Key::golden(), None);
    if let Row::Entry(entry, hash) = &rows[place] {
        rows[place] = Row::Pruned(entry.seqno, entry.stream.clone(), *hash);
    }
    lines(&rows)
}

/// Logs with one fault each that chance rarely makes, and the code of what has to be found.
pub(crate) fn rare_faults() -> Vec<(&'static str, Vec<u8>)> {
    let rows_of = |name: &str| -> Vec<Row> {
        let log = std::fs::read(golden(&format!("logs/{name}.jsonl"))).unwrap();
        log.split(|b| *b == b'\n').filter_map(read).collect()
    };
    let fitted = |mut rows: Vec<Row>, fit: Fit| {
        fit.apply(&mut rows, &Key::golden(), None);
        lines(&rows)
    };
    // Before the last head, in a commit that is there already.
    let insert = |rows: &mut Vec<Row>, added: Vec<Row>| {
        let end = rows.len() - 1;
        rows.splice(end..end, added);
    };
    let find = |rows: &[Row], wanted: fn(&Row) -> bool| rows.iter().rposition(wanted).expect("the log has such a row");
    let dice = &mut Dice::new(0);

    let mut other_chain = rows_of("valid");
    let last_segment = find(&other_chain, |row| matches!(row, Row::Segment(_)));
    if let Row::Segment(row) = &mut other_chain[last_segment] {
        row.prev.0[0] ^= 1;
    }

    let mut taken_back = rows_of("deprecated");
    let stream = find(&taken_back, |row| matches!(row, Row::Stream(_)));
    if let Row::Stream(row) = taken_back[stream].clone() {
        insert(&mut taken_back, vec![Row::Stream(StreamRow { deprecated: None, ..row })]);
    }

    let mut same_suite = rows_of("valid");
    if let Row::Entry(entry, hash) = control_entry(&same_suite, dice) {
        let (stream, event) = ("auth".into(), "secure-log.suite-changed".into());
        let (encoding, payload) = ("text".into(), b"sha-256".into());
        insert(&mut same_suite, vec![Row::Entry(Entry { stream, event, encoding, payload, ..entry }, hash)]);
    }

    let mut key_of_another_segment = rows_of("sealed");
    let sealed = find(&key_of_another_segment, |row| matches!(row, Row::Entry(entry, _) if entry.encoding != "text"));
    let sealed = key_of_another_segment[sealed].clone();
    insert(&mut key_of_another_segment, closed_segment("a", dice));
    insert(&mut key_of_another_segment, vec![sealed]);

    vec![
        ("checkpoint-broken", fitted(other_chain, Fit { signatures: true, ..Fit::NONE })),
        ("policy-mismatch", fitted(taken_back, Fit::ALL)),
        ("malformed", fitted(same_suite, Fit::ALL)),
        ("dek-missing", fitted(key_of_another_segment, Fit::ALL)),
    ]
}

fn lines(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    rows.iter().for_each(|row| write(row, &mut out));
    out
}

fn read(line: &[u8]) -> Option<Row> {
    Some(match parse_line(line).ok()? {
        Line::Log(line) => Row::Log(line.row().ok()?.clone()),
        Line::Stream(line) => Row::Stream(line.row().ok()?.clone()),
        Line::DataKey(row) => Row::DataKey(row),
        Line::Entry(line) => Row::Entry(line.entry().to_entry(), line.hash),
        Line::Pruned(line) => Row::Pruned(line.seqno, line.stream.into_owned(), line.hash),
        Line::Signature(row) => Row::Signature(row),
        Line::Segment(row) => Row::Segment(row),
        Line::Head(row) => Row::Head(row),
        Line::Witness(_) | Line::Unknown(_) => return None,
    })
}

/// A row that cannot be written any more is left out, which is one more change.
fn write(row: &Row, out: &mut Vec<u8>) {
    let bytes;
    let record = match row {
        Row::Log(row) => Record::Log(row),
        Row::Stream(row) => Record::Stream(row),
        Row::DataKey(row) => Record::DataKey(row),
        Row::Entry(entry, hash) => {
            bytes = entry.as_ref().encode();
            Record::Entry(EntryRow { seqno: entry.seqno, stream: &entry.stream, hash: *hash, bytes: &bytes })
        }
        Row::Pruned(seqno, stream, hash) => Record::Pruned(PrunedRow { seqno: *seqno, stream, hash: *hash }),
        Row::Signature(row) => Record::Signature(row),
        Row::Segment(row) => Record::Segment(row),
        Row::Head(row) => Record::Head(row),
    };
    let _ = write_record(&record, out);
}

fn change(rows: &mut Vec<Row>, dice: &mut Dice) {
    if rows.len() < 3 {
        return;
    }
    let at = 1 + dice.index(rows.len() - 1);
    match dice.roll(10) {
        0 => drop(rows.remove(at)),
        1 => rows.insert(at, rows[1 + dice.index(rows.len() - 1)].clone()),
        2 => {
            let other = 1 + dice.index(rows.len() - 1);
            rows.swap(at, other);
        }
        3 => rows.insert(at, control_entry(rows, dice)),
        4 => {
            if let Row::Entry(entry, hash) = &rows[at] {
                rows[at] = Row::Pruned(entry.seqno, entry.stream.clone(), *hash);
            }
        }
        5 => {
            let names = stream_names(rows);
            let closed = closed_segment(&names[dice.index(names.len())], dice);
            rows.splice(at..at, closed);
        }
        _ => change_some_field(rows, dice),
    }
}

/// Changes a field of some record. Every kind of record is as likely, however many of it there are.
fn change_some_field(rows: &mut [Row], dice: &mut Dice) {
    let names = stream_names(rows);
    let mut kinds = Vec::new();
    for row in rows.iter().skip(1) {
        let kind = core::mem::discriminant(row);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return;
    }
    let kind = kinds[dice.index(kinds.len())];
    let mut of_kind: Vec<&mut Row> =
        rows.iter_mut().skip(1).filter(|row| core::mem::discriminant(&**row) == kind).collect();
    let place = dice.index(of_kind.len());
    change_field(of_kind[place], &names, dice);
}

fn stream_names(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = ["secure-log", "secure-log.keys", "other"].map(String::from).into();
    names.extend(rows.iter().filter_map(|row| if let Row::Stream(row) = row { Some(row.name.clone()) } else { None }));
    names
}

/// A segment of the stream and the entry that says that it was closed, which are nothing until they are made to fit.
fn closed_segment(stream: &str, dice: &mut Dice) -> Vec<Row> {
    let Row::Entry(entry, hash) = control_entry(&[], dice) else { return Vec::new() };
    let (encoding, event) = ("text".into(), "secure-log.segment-closed".into());
    let closing = Row::Entry(Entry { stream: stream.into(), event, encoding, ..entry }, hash);
    let (boot, session, closed) = ("boot-1".into(), "sess-1".into(), "2026-11-20T04:59:00.000000000Z".into());
    let [root, last_hash, prev, policy] = [Hash::ZERO; 4];
    let (id, first, last, count, stream) = (1, 1, 1, 1, stream.into());
    let row = SegmentRow { id, stream, first, last, count, root, last_hash, prev, boot, session, policy, closed };
    vec![Row::Segment(row), closing]
}

/// A control entry of any kind, mostly with a payload of its kind.
fn control_entry(rows: &[Row], dice: &mut Dice) -> Row {
    const KINDS: [&str; 10] = [
        "suite-changed",
        "segment-closed",
        "recovered",
        "pruned",
        "erased",
        "continued",
        "created",
        "deprecated",
        "mystery",
        "key",
    ];
    let names = stream_names(rows);
    let number = |dice: &mut Dice| dice.roll(9).to_string();
    let kind = dice.index(KINDS.len());
    let payload = match if dice.chance(4) { dice.index(KINDS.len()) } else { kind } {
        0 => ["sha-256", "blake3", "hmac-sha-256 b3886dade6b77dec", "hmac-sha-256 0000000000000000"][dice.index(4)]
            .into(),
        1 => format!("{} {}", number(dice), Hash::ZERO),
        2 => format!("{} {}", number(dice), number(dice)),
        3 => format!("{} {} {}", number(dice), number(dice), Hash::ZERO),
        4 => format!("{} {}", Hash::ZERO, Hash::ZERO),
        5 => format!("other.example\n{}\n{}\n\n— other.example AAAAAAA=\n", number(dice), BASE64.encode([0; 32])),
        _ => String::new(),
    };
    Row::Entry(
        Entry {
            version: 1,
            stream: names[dice.index(names.len())].clone(),
            session: "sess-1".into(),
            boot: "boot-1".into(),
            seqno: 1 + dice.roll(20),
            time: "2026-11-20T04:59:00.000000000Z".into(),
            event: format!("secure-log.{}", KINDS[kind]),
            severity: "notice".into(),
            producer: "secure-log".into(),
            encoding: if dice.chance(8) { "json".into() } else { "text".into() },
            payload: payload.into_bytes(),
            prev: Hash::ZERO,
        },
        Hash::ZERO,
    )
}

fn change_field(row: &mut Row, names: &[String], dice: &mut Dice) {
    let name = names[dice.index(names.len())].clone();
    let number = dice.roll(20);
    let time = format!("2026-11-20T05:00:{:02}.000000000Z", dice.roll(60));
    match row {
        Row::Log(_) => {}
        Row::Stream(row) => match dice.roll(7) {
            0 => row.name = name,
            1 => row.rules.tier = [Tier::Public, Tier::Protected, Tier::HighlyRestricted][dice.index(3)],
            2 => row.rules.suite = [Suite::Sha256, Suite::Blake3, Suite::HmacSha256(KeyId([7; 8]))][dice.index(3)],
            3 => row.rules.sign = [SigningRule::None, SigningRule::Segments, SigningRule::Entries][dice.index(3)],
            4 => row.rules.description = dice.chance(2).then(|| "another".into()),
            5 => row.created = time,
            _ => row.deprecated = dice.chance(2).then_some(time),
        },
        Row::DataKey(row) => match dice.roll(4) {
            0 => row.id.0[0] ^= 1,
            1 => row.stream = name,
            2 => row.alg = "rot13".into(),
            _ => row.wrapped.truncate(3),
        },
        Row::Entry(entry, hash) => match dice.roll(13) {
            0 => entry.version = 1 + dice.roll(4),
            1 => entry.stream = name,
            2 => entry.session = "sess-2".into(),
            3 => entry.boot = "boot-2".into(),
            4 => entry.seqno = number,
            5 => entry.time = time,
            6 => {
                entry.event =
                    ["user.login", "secure-log.mystery", "secure-log.created", "secure-log."][dice.index(4)].into()
            }
            7 => entry.severity = "debug".into(),
            8 => entry.producer = ["min:00112233445566778899aabbccddeeff", "authd"][dice.index(2)].into(),
            9 => {
                let encodings = ["text", "text+aead-xchacha20poly1305-v1", "text+aead-future-v2"];
                entry.encoding = encodings[dice.index(3)].into();
            }
            10 if !entry.payload.is_empty() => {
                let at = dice.index(entry.payload.len());
                entry.payload[at] = b"0 9a\x00\xff\n"[dice.index(7)];
            }
            11 => entry.payload.truncate(dice.index(entry.payload.len() + 1)),
            _ => hash.0[0] ^= 1,
        },
        Row::Pruned(seqno, stream, hash) => match dice.roll(3) {
            0 => *seqno = number,
            1 => *stream = name,
            _ => hash.0[0] ^= 1,
        },
        Row::Signature(row) => match dice.roll(6) {
            0 => row.of = Subject::Entry(number),
            1 => row.of = Subject::Segment(number),
            2 => row.identity = "nobody".into(),
            3 => row.alg = ["ecdsa-p256", "rsa-pss-sha256", "none"][dice.index(3)].into(),
            4 => row.key = vec![7; 32],
            _ => row.sig = vec![0; 64],
        },
        Row::Segment(row) => match dice.roll(12) {
            0 => row.id = number,
            1 => row.stream = name,
            2 => row.first = number,
            3 => row.last = number,
            4 => row.count = number,
            5 => row.root.0[0] ^= 1,
            6 => row.last_hash.0[0] ^= 1,
            7 => row.prev.0[0] ^= 1,
            8 => row.boot = "boot-2".into(),
            9 => row.session = "sess-2".into(),
            10 => row.policy.0[0] ^= 1,
            _ => row.closed = time,
        },
        Row::Head(row) => match dice.roll(4) {
            0 => row.size = number,
            1 => row.root.0[0] ^= 1,
            2 => row.sigs.clear(),
            _ => row.sigs.push("other.example AAAAAAA=".into()),
        },
    }
}

/// What is made to fit again.
struct Fit {
    /// `prev` and hash of entries, under the suite that their version names.
    hashes: bool,
    /// Seqnos, segment ids and ranges, sizes of heads.
    numbers: bool,
    /// Roots of segments and heads, chains of checkpoints, and what control entries say of them.
    trees: bool,
    /// Signatures by the key, each of which stays where it is.
    signatures: bool,
}

#[derive(Default)]
struct StreamState {
    prev: Hash,
    policy: Hash,
    run: CompactTree,
    first: u64,
    last: u64,
    writer: (String, String),
    checkpoint: Hash,
    closed: Option<(u64, Hash)>,
    produced: CompactTree,
}

impl Fit {
    const ALL: Fit = Fit { hashes: true, numbers: true, trees: true, signatures: true };
    const NONE: Fit = Fit { hashes: false, numbers: false, trees: false, signatures: false };

    /// Dice, if there are any, decide whether what an entry says of a pruning is made to fit.
    fn apply(&self, rows: &mut [Row], key: &Key, mut dice: Option<&mut Dice>) {
        let hmac = HmacKey::new(hex(&json(&golden("log.json"))["hmac_key"]).try_into().unwrap());
        let mut streams: HashMap<String, StreamState> = HashMap::new();
        let mut tree = CompactTree::new();
        let (mut log, mut last_hash, mut segment) = (None, Hash::ZERO, (0, Hash::ZERO));
        for row in rows {
            match row {
                Row::Log(row) => log = Some(row.clone()),
                Row::Stream(row) => {
                    let policy = log.as_ref().map_or(Hash::ZERO, |log| row.policy_hash(log));
                    let fresh = StreamState { prev: policy, policy, ..StreamState::default() };
                    streams.entry(row.name.clone()).or_insert(fresh);
                }
                Row::DataKey(_) => {}
                Row::Entry(entry, hash) => {
                    let s = streams.entry(entry.stream.clone()).or_default();
                    if self.numbers {
                        entry.seqno = tree.size() + 1;
                    }
                    if self.trees
                        && entry.event == "secure-log.segment-closed"
                        && let Some((id, checkpoint)) = s.closed.take()
                    {
                        entry.payload = format!("{id} {checkpoint}").into_bytes();
                    }
                    let one_in_four = |dice: &mut Option<&mut Dice>| dice.as_mut().is_some_and(|dice| dice.chance(4));
                    if self.trees && entry.event == "secure-log.pruned" && !one_in_four(&mut dice) {
                        let said = String::from_utf8_lossy(&entry.payload);
                        let mut last = said.split(' ').next().and_then(|last| last.parse().ok()).unwrap_or(1);
                        if one_in_four(&mut dice) {
                            last = entry.seqno;
                        }
                        let produced = &s.produced;
                        entry.payload = format!("{last} {} {}", produced.size(), produced.root()).into_bytes();
                    }
                    if self.hashes {
                        entry.prev = s.prev;
                        let bytes = entry.as_ref().encode();
                        *hash = match entry.version {
                            2 => Hash(blake3::hash(&bytes).into()),
                            3 => Hash(hmac.mac(&bytes)),
                            _ => Hash::sha256(&bytes),
                        };
                    }
                    s.push(entry.seqno, *hash, entry.event.starts_with("secure-log."));
                    s.writer = (entry.boot.clone(), entry.session.clone());
                    tree.push(leaf_hash(hash));
                    last_hash = *hash;
                }
                Row::Pruned(seqno, stream, hash) => {
                    if self.numbers {
                        *seqno = tree.size() + 1;
                    }
                    streams.entry(stream.clone()).or_default().push(*seqno, *hash, false);
                    tree.push(leaf_hash(hash));
                    last_hash = *hash;
                }
                Row::Segment(row) => {
                    let s = streams.entry(row.stream.clone()).or_default();
                    if self.numbers {
                        (row.id, row.first, row.last, row.count) = (segment.0 + 1, s.first, s.last, s.run.size());
                    }
                    if self.trees {
                        (row.root, row.last_hash, row.prev, row.policy) =
                            (s.run.root(), s.prev, s.checkpoint, s.policy);
                        (row.boot, row.session) = s.writer.clone();
                    }
                    segment = (row.id, row.checkpoint().hash());
                    s.checkpoint = segment.1;
                    s.closed = Some(segment);
                    s.run = CompactTree::new();
                }
                Row::Signature(row) if self.signatures && row.key == key.public => {
                    let message = match row.of {
                        Subject::Entry(_) => {
                            row.of = Subject::Entry(tree.size());
                            entry_message(&last_hash).to_vec()
                        }
                        Subject::Segment(_) => {
                            row.of = Subject::Segment(segment.0);
                            checkpoint_message(&segment.1).to_vec()
                        }
                    };
                    row.sig = (key.sign)(&message);
                }
                Row::Signature(_) => {}
                Row::Head(row) => {
                    if self.numbers {
                        row.size = tree.size();
                    }
                    if self.trees {
                        row.root = tree.root();
                    }
                    if self.signatures && !row.sigs.is_empty() {
                        let origin = log.as_ref().map_or("", |log| &log.origin);
                        let signature = (key.sign)(note::text(origin, row.size, &row.root).as_bytes());
                        let key = VerifierKey::new(origin, key.algorithm, &key.public).unwrap();
                        row.sigs[0] = key.signature_line(&signature).unwrap();
                    }
                }
            }
        }
    }
}

impl StreamState {
    fn push(&mut self, seqno: u64, hash: Hash, control: bool) {
        if self.run.size() == 0 {
            self.first = seqno;
        }
        self.last = seqno;
        self.run.push(leaf_hash(&hash));
        if !control {
            self.produced.push(leaf_hash(&hash));
        }
        self.prev = hash;
    }
}
