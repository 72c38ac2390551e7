//! Proofs that leave the log, checked here by arithmetic of our own and by the stack, which needs no open log for that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries};
use crate::copy::proof_error_name;
use crate::expect::{equal, refused};
use crate::host::tree::{Comparison, ProofError};
use crate::host::{Instance, LogError};
use crate::merkle::{extends, is_in, sha256};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "tree",
    about: "head, prove-inclusion, prove-consistency, prove-entry, and what checks them",
    steps: &[
        Step { name: "the head is a signed note of the log as it stands", run: head },
        Step { name: "entries are proven under heads, and heads under later ones", run: proofs },
        Step { name: "a proof of an entry is checked by an instance that has no log", run: entry },
        Step { name: "what is not headed, not covered or not there is refused", run: not_there },
        Step { name: "proofs that were tampered with do not verify", run: tampered },
        Step { name: "heads of one history are consistent, and nothing is said without a proof", run: compare },
    ],
};

/// Entries of the batches that these steps append; each batch ends with a head.
const BATCHES: [usize; 4] = [1, 16, 3, 40];

/// Trusted by who has nothing else.
fn keys(log: &mut Instance) -> Result<Vec<String>> {
    Ok(vec![log.status()??.head_key.context("the log has a key")?])
}

fn head(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let (note, keys) = (log.signed_head()??, keys(log)?);
    let status = log.status()??;
    let text = format!("{}\n{}\n{}\n\n", status.origin, status.size, BASE64.encode(&status.root));
    ensure!(note.starts_with(&text), "the note is not that of the head: {note}");
    let verified = log.verify_head(&note, &keys)??;
    equal("size and root", (verified.size, &verified.root), (status.size, &status.root))?;
    refused!("a head that nobody is known to have signed", log.verify_head(&note, &[])?, ProofError::UnknownKey(_))?;
    refused!("a key that is none", log.verify_head(&note, &["none".into()])?, ProofError::BadKey(_))?;
    let edited = note.replacen(&format!("\n{}\n", status.size), &format!("\n{}\n", status.size + 1), 1);
    refused!("an edited head", log.verify_head(&edited, &keys)?, ProofError::SignatureInvalid(_))?;
    checked(format!("a head of size {}", status.size))
}

fn proofs(session: &mut Session) -> Result<Done> {
    let stream = session.stream("tree");
    let log = session.log()?;
    let (mut sizes, mut leaves) = (Vec::new(), Vec::new());
    for size in BATCHES {
        let appended = log.append_batch(&[entries(&stream, vec!["x"; size])])??;
        leaves.extend(appended.entries);
        sizes.push((appended.commit.size, appended.commit.root));
    }
    let mut count = 0;
    for (size, root) in &sizes {
        for leaf in leaves.iter().filter(|leaf| leaf.seqno <= *size) {
            let proof = log.prove_inclusion(leaf.seqno, Some(*size))??;
            equal("what is proven", (&proof.entry_hash, &proof.root), (&leaf.entry_hash, root))?;
            equal("where it leads", is_in(&leaf.entry_hash, leaf.seqno, *size, &proof.hashes), Some(root.clone()))?;
            log.verify_inclusion(&proof.hashes, &leaf.entry_hash, leaf.seqno, *size, root)??;
            count += 1;
        }
        for (newer, newer_root) in sizes.iter().filter(|(newer, _)| newer >= size) {
            let proof = log.prove_consistency(*size, Some(*newer))??;
            equal("the roots", (&proof.old_root, &proof.new_root), (root, newer_root))?;
            let extends = extends(*size, root, *newer, newer_root, &proof.hashes);
            ensure!(extends, "the proof from {size} to {newer} shows nothing");
            log.verify_consistency(&proof.hashes, *size, root, *newer, newer_root)??;
            count += 1;
        }
    }
    checked(format!("{count} proofs, followed here and by the stack"))
}

fn entry(session: &mut Session) -> Result<Done> {
    let stream = session.stream("tree");
    let mut stranger = session.instance()?;
    let log = session.log()?;
    let keys = keys(log)?;
    let seqno = log.head(&stream)??.context("the stream has entries")?;
    let text = log.prove_entry(seqno, None)??;
    let verified = stranger.verify_entry(&text, &keys)??;
    let read = log.read(seqno)??;
    equal("the entry", &verified.entry, &read)?;
    // The same without the stack: which line is what, docs/proofs.md says.
    let lines: Vec<&str> = text.lines().collect();
    equal("the first line", lines[0], "c2sp.org/tlog-proof@v1")?;
    let bytes = BASE64.decode(lines[1].trim_start_matches("extra "))?;
    equal("the entry's bytes", &bytes, &log.encode_entry(&read)?)?;
    equal("its place", lines[2], format!("index {}", seqno - 1).as_str())?;
    let blank = lines.iter().position(|line| line.is_empty()).context("a blank line stands before the head")?;
    let hashes: Vec<Vec<u8>> = lines[3..blank].iter().map(|line| BASE64.decode(line)).collect::<Result<_, _>>()?;
    let (size, root) = (lines[blank + 2].parse()?, BASE64.decode(lines[blank + 3])?);
    equal("where it leads", is_in(&sha256(&bytes), seqno, size, &hashes), Some(root))?;
    refused!("by a stranger's key", stranger.verify_entry(&text, &[])?, ProofError::UnknownKey(_))?;
    checked(format!("entry {seqno}, {} bytes of text", text.len()))
}

fn not_there(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let size = log.status()??.size;
    for unknown in [0, size + 1, u64::MAX] {
        refused!("no such entry", log.prove_inclusion(unknown, None)?, LogError::EntryNotFound(found) if found == unknown)?;
        refused!("no such entry", log.prove_entry(unknown, None)?, LogError::EntryNotFound(found) if found == unknown)?;
    }
    // Within the last batch there is no head.
    for (what, unheaded) in [("beyond", size + 1), ("no head", size - 1)] {
        let answer = log.prove_inclusion(1, Some(unheaded))?;
        refused!(what, answer, LogError::HeadNotFound(found) if found == unheaded)?;
        let answer = log.prove_entry(1, Some(unheaded))?;
        refused!(what, answer, LogError::HeadNotFound(found) if found == unheaded)?;
        let answer = log.prove_consistency(1, Some(unheaded))?;
        refused!(what, answer, LogError::HeadNotFound(_))?;
    }
    refused!("size 0", log.prove_inclusion(1, Some(0))?, LogError::NotCovered(_))?;
    let earlier = size - BATCHES[BATCHES.len() - 1] as u64;
    refused!("an entry that came later", log.prove_inclusion(size, Some(earlier))?, LogError::NotCovered(_))?;
    for (old, new) in [(0, None), (0, Some(size)), (size, Some(earlier)), (size + 1, None)] {
        refused!("sizes", log.prove_consistency(old, new)?, LogError::UnprovableSizes(_))?;
    }
    checked("entry- and head-not-found, not-covered, unprovable-sizes")
}

fn tampered(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let keys = keys(log)?;
    let size = log.status()??.size;
    let good = log.prove_inclusion(size - 20, None)??;
    let mut seen = Vec::new();
    let mut wrong = |what: &str, answer: Result<(), ProofError>, expected: &str| {
        let found = answer.map_or_else(|error| proof_error_name(&error), |()| "accepted");
        seen.push(found);
        equal(what, found, expected)
    };
    let mut inclusion =
        |log: &mut Instance, what: &str, edit: &dyn Fn(&mut crate::host::tree::EntryInclusion), name: &str| {
            let mut bad = good.clone();
            edit(&mut bad);
            let answer = log.verify_inclusion(&bad.hashes, &bad.entry_hash, bad.seqno, bad.size, &bad.root)?;
            wrong(what, answer, name)
        };
    inclusion(log, "a hash's bit", &|proof| proof.hashes[0][31] ^= 1, "root-mismatch")?;
    inclusion(log, "two hashes swapped", &|proof| proof.hashes.swap(0, 1), "root-mismatch")?;
    inclusion(log, "a hash less", &|proof| drop(proof.hashes.pop()), "too-short")?;
    inclusion(log, "a hash more", &|proof| proof.hashes.push(vec![0; 32]), "too-long")?;
    inclusion(log, "a thousand hashes", &|proof| proof.hashes = vec![vec![0; 32]; 1000], "too-long")?;
    inclusion(log, "a hash of 31 bytes", &|proof| _ = proof.hashes[0].pop(), "malformed")?;
    inclusion(log, "another place", &|proof| proof.seqno += 1, "root-mismatch")?;
    inclusion(log, "no place", &|proof| proof.seqno = 0, "index-out-of-range")?;
    inclusion(log, "an empty tree", &|proof| proof.size = 0, "index-out-of-range")?;
    inclusion(log, "another root", &|proof| proof.root[0] ^= 1, "root-mismatch")?;
    inclusion(
        log,
        "the root for the entry",
        &|proof| {
            proof.entry_hash = proof.root.clone();
            proof.hashes.clear();
        },
        "too-short",
    )?;
    let text = log.prove_entry(size, None)??;
    for (what, edited, name) in [
        ("another index", text.replacen("\nindex ", "\nindex 1", 1), "another-seqno"),
        ("no text", String::new(), "malformed"),
        ("another spelling", format!("{text}\n"), "malformed"),
        ("another size", text.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1), "signature-invalid"),
    ] {
        let answer = log.verify_entry(&edited, &keys)?.map(drop);
        wrong(what, answer, name)?;
    }
    let refused = log.verify_equivocation("secure-log/equivocation@v1\n", &keys)?.map(drop);
    wrong("evidence of nothing", refused, "malformed")?;
    checked(format!("{} edits, each refused for its own reason", seen.len()))
}

fn compare(session: &mut Session) -> Result<Done> {
    let stream = session.stream("tree");
    let log = session.log()?;
    let keys = keys(log)?;
    let older = log.signed_head()??;
    let old = log.status()??.size;
    log.append_batch(&[entries(&stream, ["later"])])??;
    let newer = log.signed_head()??;
    let proof = log.prove_consistency(old, None)??.hashes;
    let mut said = |one: &str, other: &str, hashes: Option<&[Vec<u8>]>| -> Result<Comparison> {
        Ok(log.compare_heads(one, other, hashes, &keys)??)
    };
    equal("a head and itself", said(&older, &older, None)?, Comparison::Consistent)?;
    equal("without a proof", said(&older, &newer, None)?, Comparison::NotComparable(None))?;
    equal("with one", said(&newer, &older, Some(&proof))?, Comparison::Consistent)?;
    let bad = said(&older, &newer, Some(&proof[1..]))?;
    ensure!(matches!(bad, Comparison::NotComparable(Some(_))), "a bad proof: {bad:?}");
    checked("that they contradict each other only two histories show: see the attacks")
}
