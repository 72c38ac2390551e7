//! Closing segments, and what is recomputed of them from outside: root, chain of checkpoints, inclusion proofs.

use wasmtime::{Result, format_err};

use super::{Done, Group, Step, checked};
use crate::expect::{equal, refused};
use crate::host::encoder::{CheckpointFields, Severity};
use crate::host::log::{InclusionProof, ProofStep, SegmentInfo};
use crate::host::{Instance, LogError};
use crate::merkle::{fold, root, sha256};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "segments",
    about: "close-segment, list-segments, read-segment, build-inclusion-proof, verify-inclusion-proof",
    steps: &[
        Step { name: "closed segments have the root and checkpoint of their entries", run: close },
        Step { name: "what is empty cannot be closed, and what is not there is not found", run: not_there },
        Step { name: "an inclusion proof of every entry leads to the root", run: proofs },
        Step { name: "a proof that was tampered with does not verify", run: tampered },
    ],
};

/// What is edited in a proof, and how.
type ProofEdit = (&'static str, fn(&mut InclusionProof));

/// Entries of the first and of the second segment of the stream `segments`.
const ENTRIES: [usize; 2] = [7, 1];

fn close(session: &mut Session) -> Result<Done> {
    let stream = session.stream("segments");
    let log = session.log()?;
    let mut prev = vec![0; 32];
    let mut closed = Vec::new();
    for count in ENTRIES {
        for n in 0..count {
            log.append(&stream, "e", Severity::Info, "verify", format!("entry {n}").as_bytes())??;
        }
        let segment = log.close_segment(&stream)??;
        let hashes = hashes(log, &segment)?;
        equal("the root", &segment.merkle_root, &root(&hashes))?;
        equal("the last entry's hash", Some(&segment.last_entry_hash), hashes.last())?;
        equal("the previous checkpoint", &segment.prev_checkpoint_hash, &prev)?;
        prev = checkpoint_hash(log, &segment)?;
        let said = log.read(segment.seq_end + 1)??;
        let expected = format!("{} {}", segment.segment_id, const_hex::encode(&prev));
        equal("the entry that says so", said.event_type.as_str(), "secure-log.segment-closed")?;
        equal("its payload", String::from_utf8_lossy(&said.payload).into_owned(), expected)?;
        equal("read-segment", &log.read_segment(segment.segment_id)??, &segment)?;
        closed.push(segment);
    }
    equal("list-segments", &log.list_segments(&stream)??, &closed)?;
    log.verify_chain(&stream, 1, u64::MAX)??;
    checked(format!("segments {} and {}", closed[0].segment_id, closed[1].segment_id))
}

fn not_there(session: &mut Session) -> Result<Done> {
    let (stream, empty) = (session.stream("segments"), session.stream("plain"));
    let log = session.log()?;
    for name in [&stream, &empty] {
        refused!("close-segment", log.close_segment(name)?, LogError::EmptySegment(found) if found == *name)?;
    }
    equal("segments of a stream without any", log.list_segments(&empty)??, Vec::new())?;
    let unknown = log.close_segment("verify-no-such-stream")?;
    refused!("close-segment of no stream", unknown, LogError::StreamNotFound(_))?;
    for id in [0, u64::MAX] {
        refused!("read-segment", log.read_segment(id)?, LogError::SegmentNotFound(found) if found == id)?;
    }
    let size = log.status()??.size;
    refused!("a proof of no entry", log.build_inclusion_proof(size + 1)?, LogError::EntryNotFound(found) if found == size + 1)?;
    let open = log.append(&stream, "e", Severity::Info, "verify", b"in an open segment")??;
    refused!("a proof in an open segment", log.build_inclusion_proof(open.seqno)?, LogError::SegmentNotFound(0))?;
    checked("empty-segment, stream-, segment- and entry-not-found")
}

fn proofs(session: &mut Session) -> Result<Done> {
    let stream = session.stream("segments");
    let log = session.log()?;
    let mut count = 0;
    for segment in log.list_segments(&stream)?? {
        for seqno in segment.seq_start..=segment.seq_end {
            let proof = log.build_inclusion_proof(seqno)??;
            equal("what is proven", (proof.seqno, proof.segment_id), (seqno, segment.segment_id))?;
            equal("the root of the proof", &proof.merkle_root, &segment.merkle_root)?;
            equal("where the path leads", &fold(&proof.entry_hash, &proof.path), &segment.merkle_root)?;
            let entry = log.read(seqno)??;
            equal("the entry's hash", &proof.entry_hash, &sha256(&log.encode_entry(&entry)?))?;
            log.verify_inclusion_proof(&proof, &segment.merkle_root)??;
            count += 1;
        }
    }
    checked(format!("{count} proofs, followed here and by verify-inclusion-proof"))
}

fn tampered(session: &mut Session) -> Result<Done> {
    let stream = session.stream("segments");
    let log = session.log()?;
    let segment = log.list_segments(&stream)??.swap_remove(0);
    let good = log.build_inclusion_proof(segment.seq_start + 2)??;
    let root = segment.merkle_root.clone();
    let step = || ProofStep { sibling_hash: vec![7; 32], right: true };
    let edits: [ProofEdit; 9] = [
        ("a sibling's bit", |proof| proof.path[0].sibling_hash[31] ^= 1),
        ("a side", |proof| proof.path[0].right ^= true),
        ("a step less", |proof| drop(proof.path.pop())),
        ("no step", |proof| proof.path.clear()),
        ("two steps swapped", |proof| proof.path.swap(0, 1)),
        ("another entry hash", |proof| proof.entry_hash[0] ^= 1),
        ("the root for the entry", |proof| {
            proof.entry_hash = proof.merkle_root.clone();
            proof.path.clear();
        }),
        ("another entry", |proof| proof.seqno += 1),
        ("another root", |proof| proof.merkle_root[0] ^= 1),
    ];
    for (what, edit) in edits {
        let mut bad = good.clone();
        edit(&mut bad);
        refused!(what, log.verify_inclusion_proof(&bad, &root)?, LogError::InclusionMismatch(_))?;
    }
    let mut longer = good.clone();
    longer.path.push(step());
    refused!("a step more", log.verify_inclusion_proof(&longer, &root)?, LogError::InclusionMismatch(_))?;
    longer.path.resize_with(65, step);
    let answer = log.verify_inclusion_proof(&longer, &root)?;
    refused!("65 steps", answer, LogError::InclusionMismatch(_) | LogError::Invalid(_))?;
    let answer = log.verify_inclusion_proof(&good, &[0; 32])?;
    refused!("another expected root", answer, LogError::InclusionMismatch(_))?;
    for (what, bytes) in [("a short root", &root[1..]), ("an empty root", &[][..])] {
        let answer = log.verify_inclusion_proof(&good, bytes)?;
        refused!(what, answer, LogError::Invalid(_) | LogError::Encoding(_) | LogError::InclusionMismatch(_))?;
    }
    let unknown = InclusionProof { segment_id: u64::MAX, ..good.clone() };
    let answer = log.verify_inclusion_proof(&unknown, &root)?;
    refused!("an unknown segment", answer, LogError::SegmentNotFound(_))?;
    let unknown = InclusionProof { seqno: u64::MAX, ..good };
    let answer = log.verify_inclusion_proof(&unknown, &root)?;
    refused!("an unknown entry", answer, LogError::EntryNotFound(_) | LogError::InclusionMismatch(_))?;
    checked("16 edits, each refused")
}

/// The hash that a signature of the segment covers, computed from what the log answers: the stream's rules stand in
/// the first entry of the stream, and boot and session in the segment's last one.
pub fn checkpoint_hash(log: &mut Instance, segment: &SegmentInfo) -> Result<Vec<u8>> {
    let first = log.read_page(Some(&segment.stream_id), 1, u64::MAX, 1)??;
    let first = first.first().ok_or_else(|| format_err!("{} has a segment and no entry", segment.stream_id))?;
    let last = log.read(segment.seq_end)??;
    let bytes = log.encode_checkpoint(&CheckpointFields {
        version: 1,
        stream_id: segment.stream_id.clone(),
        segment_id: segment.segment_id,
        seq_start: segment.seq_start,
        seq_end: segment.seq_end,
        merkle_root: segment.merkle_root.clone(),
        last_entry_hash: segment.last_entry_hash.clone(),
        prev_checkpoint_hash: segment.prev_checkpoint_hash.clone(),
        boot_id: last.boot_id,
        session_id: last.session_id,
        policy_hash: first.prev_entry_hash.clone(),
        timestamp_rfc3339: segment.closed_at_rfc3339.clone(),
    })?;
    Ok(sha256(&bytes))
}

/// The entry hashes of a segment of a sha-256 stream.
fn hashes(log: &mut Instance, segment: &SegmentInfo) -> Result<Vec<Vec<u8>>> {
    let entries = log.read_page(Some(&segment.stream_id), segment.seq_start, segment.seq_end, 1000)??;
    entries.iter().map(|entry| Ok(sha256(&log.encode_entry(entry)?))).collect()
}
