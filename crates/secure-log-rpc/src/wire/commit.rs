//! A commit: what has to be fast.
//!
//! The canonical bytes of all entries are one text, and so are their hashes; what is left of an entry is two small numbers
//! in a run of entries that follow each other. Nothing of it is copied into a tree of values first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secure_log::hash::Hash;
use secure_log::record::Record;
use secure_log::store::{self, CommitRow, PackedEntry};
use serde::{Deserialize, Serialize};

use super::{Binary, Digest, Digests, IndexRow, Malformed, NodeId, Row, json};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Expected {
    size: u64,
    root: Digest,
    segments: u64,
}

/// Entries with seqnos that follow each other.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Run {
    /// Seqno of the first.
    first: u64,
    /// Of each, the place of its stream in the commit's `streams`.
    streams: Vec<u32>,
    /// Of each, how many bytes are its.
    lengths: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rows<'a> {
    Entries(Run),
    #[serde(borrow)]
    Row(Row<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Node {
    id: NodeId,
    hash: Digest,
}

/// What [`encode`] writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Commit<'a> {
    expected: Option<Expected>,
    #[serde(borrow)]
    rows: Vec<Rows<'a>>,
    streams: Vec<String>,
    hashes: Digests,
    entries: Binary<'a>,
    nodes: Vec<Node>,
    index: Vec<IndexRow>,
}

/// The arguments of a commit's insertion.
pub(crate) fn encode(commit: &store::Commit) -> String {
    encode_between("[", commit, "]")
}

/// The arguments of a load.
pub(crate) fn encode_load(after: u64, rows: &store::Commit, done: bool) -> String {
    encode_between(&format!("[{after},"), rows, &format!(",{done}]"))
}

fn encode_between(begin: &str, commit: &store::Commit, end: &str) -> String {
    let expected = commit.expected.map(|expected| Expected {
        size: expected.size,
        root: Digest(expected.root),
        segments: expected.segments,
    });
    let (rows, hashes) = rows_and_hashes(commit);
    let nodes = commit.nodes.iter().map(|node| Node { id: node.id.into(), hash: Digest(node.hash) });
    let index: Vec<IndexRow> = commit.index.iter().map(IndexRow::from).collect();
    let before = format!(
        r#"{begin}{{"expected":{},"rows":{rows},"streams":{},"nodes":{},"index":{},"hashes":""#,
        json(&expected),
        json(commit.streams()),
        json(&nodes.collect::<Vec<_>>()),
        json(&index),
    );
    // Base64 needs no escaping, so that it is written where it belongs.
    let length = before.len() + base64_length(hashes.len()) + base64_length(commit.packed_bytes().len()) + 64;
    let mut out = String::with_capacity(length);
    out.push_str(&before);
    STANDARD.encode_string(hashes, &mut out);
    out.push_str(r#"","entries":""#);
    STANDARD.encode_string(commit.packed_bytes(), &mut out);
    out.push_str("\"}");
    out.push_str(end);
    out
}

fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// The rows as JSON, and the hashes of the entries among them.
fn rows_and_hashes(commit: &store::Commit) -> (String, Vec<u8>) {
    let mut rows = String::from("[");
    let mut hashes = Vec::new();
    let mut run = Run::default();
    let put = |rows: &mut String, row: Rows<'_>| {
        if rows.len() > 1 {
            rows.push(',');
        }
        rows.push_str(&json(&row));
    };
    for row in commit.rows() {
        match row {
            CommitRow::Entry(entry) => {
                if entry.seqno != run.first.wrapping_add(run.lengths.len() as u64) && !run.lengths.is_empty() {
                    put(&mut rows, Rows::Entries(core::mem::take(&mut run)));
                }
                if run.lengths.is_empty() {
                    run.first = entry.seqno;
                }
                run.streams.push(entry.stream);
                run.lengths.push(entry.length);
                hashes.extend_from_slice(entry.hash.as_bytes());
            }
            CommitRow::Record(record) => {
                if !run.lengths.is_empty() {
                    put(&mut rows, Rows::Entries(core::mem::take(&mut run)));
                }
                put(&mut rows, Rows::Row((&record).into()));
            }
        }
    }
    if !run.lengths.is_empty() {
        put(&mut rows, Rows::Entries(run));
    }
    rows.push(']');
    (rows, hashes)
}

impl TryFrom<Commit<'_>> for store::Commit {
    type Error = Malformed;

    fn try_from(wire: Commit<'_>) -> Result<store::Commit, Malformed> {
        if wire.rows.iter().any(|row| matches!(row, Rows::Row(Row::Pruned(_)))) {
            return Err(Malformed::new("a commit", "an entry is pruned after it was committed"));
        }
        wire.into_rows()
    }
}

impl Commit<'_> {
    /// What it says, pruned rows too, which only a load may bring.
    pub(crate) fn into_rows(self) -> Result<store::Commit, Malformed> {
        let wire = self;
        let expected = wire.expected.map(|expected| store::Expected {
            size: expected.size,
            root: expected.root.0,
            segments: expected.segments,
        });
        check_claims(&wire)?;
        let mut commit = store::Commit::of_packed(expected, wire.streams, wire.entries.0.into_owned());
        commit.reserve(wire.hashes.0.len(), 0);
        let mut hashes = wire.hashes.0.into_iter();
        for row in wire.rows {
            match row {
                Rows::Entries(run) => push_run(&mut commit, run, &mut hashes)?,
                Rows::Row(Row::Entry(_)) => {
                    return Err(Malformed::new("a commit", "an entry in it is not part of a run"));
                }
                Rows::Row(Row::Unknown(_)) => {
                    return Err(Malformed::new("a commit", "it holds a record of a kind that is not known here"));
                }
                Rows::Row(row) => row.with_record(|record: Record<'_>| commit.push(record))?,
            }
        }
        commit.nodes =
            wire.nodes.into_iter().map(|node| store::Node { id: node.id.into(), hash: node.hash.0 }).collect();
        commit.index = wire.index.into_iter().map(Into::into).collect();
        Ok(commit)
    }
}

/// The runs claim all of the bytes and all of the hashes, and no more.
fn check_claims(wire: &Commit<'_>) -> Result<(), Malformed> {
    let (mut entries, mut bytes) = (0, 0u64);
    for row in &wire.rows {
        if let Rows::Entries(run) = row {
            if run.lengths.len() != run.streams.len() {
                return Err(Malformed::new("a run of entries", "it has not as many lengths as streams"));
            }
            entries += run.lengths.len();
            bytes = run.lengths.iter().fold(bytes, |bytes, length| bytes.saturating_add((*length).into()));
        }
    }
    if entries != wire.hashes.0.len() {
        let detail = format!("{} are there, and {entries} entries", wire.hashes.0.len());
        return Err(Malformed::new("the hashes of a commit", detail));
    }
    if bytes != wire.entries.0.len() as u64 {
        let detail = format!("{} bytes are there, and the runs claim {bytes}", wire.entries.0.len());
        return Err(Malformed::new("the entries of a commit", detail));
    }
    Ok(())
}

fn push_run(commit: &mut store::Commit, run: Run, hashes: &mut impl Iterator<Item = Hash>) -> Result<(), Malformed> {
    let mut seqno = run.first;
    for ((stream, length), hash) in run.streams.into_iter().zip(run.lengths).zip(hashes) {
        let misplaced = |misplaced: store::Misplaced| Malformed::new("an entry of a commit", misplaced.to_string());
        commit.push_packed(PackedEntry { seqno, stream, hash, length }).map_err(misplaced)?;
        seqno = seqno.wrapping_add(1);
    }
    Ok(())
}
