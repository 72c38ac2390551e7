//! Rows 10 to 14 for what leaves a log: proofs of its tree, `.tlog-proof` texts, and heads that two people compare.

use secure_log::hash::Hash;
use secure_log::proof::{ConsistencyProof, InclusionProof, Refused};
use secure_log::tree::{ProofError, leaf_hash, node_hash, sides};

use super::scenarios::{Answered, Scenario, Subject, scenario};
use crate::OwnedRecord;

/// What somebody says who compared two heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// They are of one history.
    Consistent,
    /// Nothing can be said.
    NotComparable,
    /// Two histories were signed; the evidence.
    Equivocation(String),
}

/// What a log proves, and what is made of it without a log; keys and origin are those of the sample log. The error is its
/// name in `wit/log.wit` (see [`super::refusal`] and [`refused`]).
pub trait Prover {
    /// The newest signed head.
    fn signed_head(&mut self) -> Answered<String>;
    /// An entry in the tree of a size.
    fn prove_inclusion(&mut self, seqno: u64, size: Option<u64>) -> Answered<InclusionProof>;
    /// That the tree of a size begins with that of another.
    fn prove_consistency(&mut self, old: u64, new: Option<u64>) -> Answered<ConsistencyProof>;
    /// An entry under a signed head, as text.
    fn prove_entry(&mut self, seqno: u64, size: Option<u64>) -> Answered<String>;
    /// Checks an inclusion proof under its own size and root.
    fn verify_inclusion(&mut self, proof: &InclusionProof) -> Answered<()>;
    /// Checks a consistency proof between its own sizes and roots.
    fn verify_consistency(&mut self, proof: &ConsistencyProof) -> Answered<()>;
    /// Checks a text, and answers the entry's seqno.
    fn verify_entry(&mut self, proof: &str) -> Answered<u64>;
    /// Compares two heads.
    fn compare_heads(&mut self, one: &str, other: &str, hashes: Option<&[Hash]>) -> Answered<Compared>;
    /// Compares two texts.
    fn compare_entries(&mut self, one: &str, other: &str) -> Answered<Compared>;
    /// Checks evidence, and answers the entry that it is about.
    fn verify_equivocation(&mut self, evidence: &str) -> Answered<Option<u64>>;
}

/// The name that it has in `wit/log.wit` that something proves nothing.
pub fn refused(refused: &Refused) -> String {
    let name = match refused {
        Refused::UnknownKey { .. } => "unknown-key",
        Refused::QuorumNotMet { .. } => "quorum-not-met",
        Refused::AnotherLog { .. } => "another-log",
        Refused::AnotherSeqno { .. } => "another-seqno",
        Refused::UnknownSuite(_) => "unknown-suite",
        Refused::MacKeyMissing => "mac-key-missing",
        Refused::NoContradiction => "no-contradiction",
        Refused::Note(secure_log::note::NoteError::Signature(_)) => "signature-invalid",
        Refused::Tree(ProofError::IndexOutOfRange { .. }) => "index-out-of-range",
        Refused::Tree(ProofError::Sizes { .. }) => "unprovable-sizes",
        Refused::Tree(ProofError::TooLong) => "too-long",
        Refused::Tree(ProofError::TooShort) => "too-short",
        Refused::Tree(ProofError::RootMismatch { .. }) => "root-mismatch",
        _ => "malformed",
    };
    name.into()
}

pub(super) fn scenarios<S: Subject>() -> Vec<Scenario<S>> {
    vec![
        scenario(10, "an interior node or the root is no entry of the log tree", interior),
        scenario(11, "a proof for one place, size or entry is none for another", other_places),
        scenario(11, "a store that changed an entry gets no proof out of the log", edited_store),
        scenario(12, "proofs of other lengths and impossible sizes are refused", lengths),
        scenario(13, "two heads of one size are evidence", one_size),
        scenario(14, "a smaller head of another history is evidence with a proof of one entry", two_sizes),
    ]
}

/// So many commits of an entry each: more than there are leaves below one stored node.
const ENTRIES: u64 = 21;
/// Entries at the edges of subtrees, and in the middle.
const SOME: [u64; 6] = [1, 2, 7, 16, 17, ENTRIES];

/// An open log of [`ENTRIES`] entries with these payloads.
fn grown<S: Subject>(fresh: &mut dyn FnMut() -> S, payload: &str) -> S {
    let mut log = fresh();
    log.open().unwrap();
    for n in 1..=ENTRIES {
        log.append("a", &format!("{payload} {n}")).unwrap();
    }
    log
}

fn interior<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = grown(fresh, "entry");
    for (seqno, size) in SOME.into_iter().flat_map(|seqno| [(seqno, ENTRIES), (seqno, seqno.max(18))]) {
        let proof = log.prove_inclusion(seqno, Some(size)).unwrap();
        assert_eq!((proof.seqno, proof.size, log.verify_inclusion(&proof)), (seqno, size, Ok(())));
        let mut node = leaf_hash(&proof.entry_hash);
        for (step, right) in sides(seqno - 1, size).into_iter().enumerate() {
            let sibling = &proof.hashes[step];
            node = if right { node_hash(&node, sibling) } else { node_hash(sibling, &node) };
            let rest = proof.hashes[step + 1..].to_vec();
            let offered = InclusionProof { entry_hash: node, hashes: rest, ..proof.clone() };
            assert_eq!(log.verify_inclusion(&offered), Err("too-short".into()), "step {step} of {seqno} in {size}");
        }
        assert_eq!(node, proof.root);
        let whole = InclusionProof { entry_hash: proof.root, hashes: Vec::new(), ..proof };
        assert_eq!(log.verify_inclusion(&whole), Err("too-short".into()), "the root of {size}");
        // Nor is the root the only entry of a log.
        let alone = InclusionProof { seqno: 1, size: 1, ..whole };
        assert_eq!(log.verify_inclusion(&alone), Err("root-mismatch".into()), "the root of {size}");
    }
}

fn other_places<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = grown(fresh, "entry");
    for seqno in SOME {
        let proof = log.prove_inclusion(seqno, None).unwrap();
        for other in (0..=ENTRIES + 1).filter(|other| *other != seqno) {
            let offered = InclusionProof { seqno: other, ..proof.clone() };
            assert!(log.verify_inclusion(&offered).is_err(), "{seqno} as {other}");
            if let Ok(theirs) = log.prove_inclusion(other, None) {
                let swapped = InclusionProof { entry_hash: theirs.entry_hash, ..proof.clone() };
                assert_eq!(log.verify_inclusion(&swapped), Err("root-mismatch".into()), "{other} for {seqno}");
            }
        }
        for size in seqno..ENTRIES {
            let theirs = log.prove_inclusion(seqno, Some(size)).unwrap();
            assert_eq!(log.verify_inclusion(&theirs), Ok(()));
            let offered = InclusionProof { size, root: theirs.root, ..proof.clone() };
            assert!(log.verify_inclusion(&offered).is_err(), "{seqno} of {ENTRIES} in {size}");
        }
    }
    // The text, in which each part is taken from another one.
    let text = log.prove_entry(7, None).unwrap();
    assert_eq!(log.verify_entry(&text), Ok(7));
    let other = log.prove_entry(8, None).unwrap();
    let older = log.prove_entry(7, Some(18)).unwrap();
    assert_eq!(log.verify_entry(&older), Ok(7));
    let line = |text: &str, at: usize| text.lines().nth(at).expect("a proof has three lines").to_owned();
    let note = |text: &str| text.split_once("\n\n").expect("a blank line stands before the head").1.to_owned();
    let edits = [
        ("index", text.replacen("index 6", "index 7", 1), "another-seqno"),
        ("entry", text.replacen(&line(&text, 1), &line(&other, 1), 1), "another-seqno"),
        ("entry and index", other.replacen(&line(&other, 3), &line(&text, 3), 1), "root-mismatch"),
        ("head", text.replace(&note(&text), &note(&older)), "root-mismatch"),
        ("size of the head", text.replacen(&format!("\n{ENTRIES}\n"), "\n22\n", 1), "signature-invalid"),
        ("spelling", text.replacen("index 6", "index 06", 1), "malformed"),
        ("extra", text.replacen(&format!("{}\n", line(&text, 1)), "", 1), "malformed"),
    ];
    for (what, edited, expected) in edits {
        assert_ne!(edited, text, "{what}");
        assert_eq!(log.verify_entry(&edited), Err(expected.into()), "{what}");
    }
}

fn edited_store<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = grown(fresh, "entry");
    let honest = log.records();
    for seqno in [2, 18] {
        let mut records = honest.clone();
        let entry = records.iter_mut().find(|record| record.seqno() == Some(seqno)).expect("it is there");
        entry.edit_entry(|entry| entry.payload = b"forged".into());
        entry.rehash();
        log.lay(&records);
        for size in [None, Some(19)] {
            assert!(log.prove_inclusion(seqno, size).is_err(), "entry {seqno} under {size:?}");
            assert!(log.prove_entry(seqno, size).is_err(), "entry {seqno} under {size:?}");
        }
        // What was not touched is proven, or is refused with what was: no wrong proof comes out.
        for (seqno, proof) in SOME.map(|seqno| (seqno, log.prove_inclusion(seqno, None))) {
            let Ok(proof) = proof else { continue };
            assert_eq!(log.verify_inclusion(&proof), Ok(()), "{seqno}");
        }
        log.lay(&honest);
    }
    // Heads that never were, of a size that is none, and with another root.
    let mut records = honest.clone();
    let heads = records.iter_mut().filter_map(|record| match record {
        OwnedRecord::Head(head) if head.size == 5 => Some(head),
        _ => None,
    });
    heads.for_each(|head| head.root.0[0] ^= 1);
    log.lay(&records);
    assert!(log.prove_consistency(5, None).is_err());
    assert!(log.prove_inclusion(3, Some(5)).is_err());
    log.lay(&honest);
    log.open().unwrap();
    assert_eq!(log.prove_inclusion(3, Some(5)).map(|proof| log.verify_inclusion(&proof)), Ok(Ok(())));
}

fn lengths<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = grown(fresh, "entry");
    for seqno in SOME {
        let proof = log.prove_inclusion(seqno, None).unwrap();
        let with = |hashes: Vec<Hash>| InclusionProof { hashes, ..proof.clone() };
        let longer = with([&proof.hashes[..], &[proof.root]].concat());
        assert_eq!(log.verify_inclusion(&longer), Err("too-long".into()));
        let shorter = with(proof.hashes[1..].to_vec());
        assert_eq!(log.verify_inclusion(&shorter), Err("too-short".into()));
        assert_eq!(log.verify_inclusion(&with(vec![proof.root; 1000])), Err("too-long".into()));
        let nowhere = InclusionProof { size: 0, ..proof.clone() };
        assert_eq!(log.verify_inclusion(&nowhere), Err("index-out-of-range".into()));
        for (seqno, size) in [(0, ENTRIES), (u64::MAX, u64::MAX - 1), (0, u64::MAX), (u64::MAX, 1 << 63)] {
            let offered = InclusionProof { seqno, size, ..proof.clone() };
            assert!(log.verify_inclusion(&offered).is_err(), "{seqno} of {size}");
        }
    }
    for old in 1..=ENTRIES {
        let proof = log.prove_consistency(old, None).unwrap();
        assert_eq!(log.verify_consistency(&proof), Ok(()), "{old}");
        let longer = ConsistencyProof { hashes: [&proof.hashes[..], &[proof.new_root]].concat(), ..proof.clone() };
        assert_eq!(log.verify_consistency(&longer), Err("too-long".into()), "{old}");
        if old == ENTRIES {
            assert_eq!(proof.hashes, [], "nothing has to be shown of equal sizes");
            continue;
        }
        let shorter = ConsistencyProof { hashes: proof.hashes[1..].to_vec(), ..proof.clone() };
        assert!(log.verify_consistency(&shorter).is_err(), "{old}");
        let none = ConsistencyProof { hashes: Vec::new(), ..proof.clone() };
        assert_eq!(log.verify_consistency(&none), Err("too-short".into()), "{old}");
        let backwards = ConsistencyProof { old_size: ENTRIES, new_size: old, ..proof.clone() };
        assert_eq!(log.verify_consistency(&backwards), Err("unprovable-sizes".into()), "{old}");
        let from_nothing = ConsistencyProof { old_size: 0, ..proof.clone() };
        assert_eq!(log.verify_consistency(&from_nothing), Err("unprovable-sizes".into()), "{old}");
        let swapped = ConsistencyProof { old_root: proof.new_root, new_root: proof.old_root, ..proof };
        assert_eq!(log.verify_consistency(&swapped), Err("root-mismatch".into()), "{old}");
    }
    // What a log is asked for.
    for (old, new) in [(0, None), (0, Some(0)), (5, Some(4)), (ENTRIES + 1, None), (u64::MAX, Some(1))] {
        assert_eq!(log.prove_consistency(old, new), Err("unprovable-sizes".into()), "{old} to {new:?}");
    }
    let beyond = Err("head-not-found".into());
    assert_eq!(log.prove_consistency(1, Some(ENTRIES + 1)), beyond);
    assert_eq!(log.prove_inclusion(1, Some(ENTRIES + 1)).map(drop), beyond.clone().map(|_: ConsistencyProof| ()));
    assert_eq!(log.prove_entry(1, Some(u64::MAX)).map(drop), beyond.map(|_: ConsistencyProof| ()));
    for seqno in [0, ENTRIES + 1, u64::MAX] {
        assert_eq!(log.prove_inclusion(seqno, None).map(drop), Err("entry-not-found".into()));
        assert_eq!(log.prove_entry(seqno, None).map(drop), Err("entry-not-found".into()));
    }
    for (seqno, size) in [(1, 0), (2, 1), (ENTRIES, ENTRIES - 1)] {
        assert_eq!(log.prove_inclusion(seqno, Some(size)).map(drop), Err("not-covered".into()));
        assert_eq!(log.prove_entry(seqno, Some(size)).map(drop), Err("not-covered".into()));
    }
}

fn one_size<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let (mut shown_to_one, mut shown_to_other) = (grown(fresh, "entry"), grown(fresh, "another"));
    let (one, other) = (shown_to_one.signed_head().unwrap(), shown_to_other.signed_head().unwrap());
    let log = &mut shown_to_one;
    assert_eq!(log.compare_heads(&one, &one, None), Ok(Compared::Consistent));
    let Ok(Compared::Equivocation(evidence)) = log.compare_heads(&one, &other, None) else {
        panic!("two histories of one size pass");
    };
    assert_eq!(log.verify_equivocation(&evidence), Ok(None));
    // It is the two heads and nothing else, and each of them counts.
    let same = evidence.replace(&other, &one);
    assert_eq!(log.verify_equivocation(&same), Err("no-contradiction".into()));
    let unsigned = evidence.replacen(&one, &one[..one.find("— ").expect("it is signed")], 1);
    assert!(log.verify_equivocation(&unsigned).is_err());
    let edited = evidence.replacen(&format!("\n{ENTRIES}\n"), "\n20\n", 1);
    assert_eq!(log.verify_equivocation(&edited), Err("signature-invalid".into()));
    assert_eq!(log.verify_equivocation(&evidence[..evidence.len() - 1]), Err("malformed".into()));
    assert_eq!(log.verify_equivocation(&format!("{evidence}\n")), Err("malformed".into()));
    assert_eq!(log.verify_equivocation(&evidence.replace("@v1", "@v2")), Err("malformed".into()));
    // A head that nobody signed whom the reader knows accuses nobody.
    let stranger = other.replacen("log.example", "log.example.org", 2);
    assert_eq!(log.compare_heads(&one, &stranger, None), Err("unknown-key".into()));
}

fn two_sizes<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = grown(fresh, "entry");
    let older = log.signed_head().unwrap();
    let early = log.prove_entry(7, None).unwrap();
    log.append("a", "more").unwrap();
    let newer = log.signed_head().unwrap();
    let proof = log.prove_consistency(ENTRIES, None).unwrap().hashes;
    for (one, other) in [(&older, &newer), (&newer, &older)] {
        assert_eq!(log.compare_heads(one, other, None), Ok(Compared::NotComparable));
        assert_eq!(log.compare_heads(one, other, Some(&proof)), Ok(Compared::Consistent));
        // A bad proof shows nothing of the log: anybody can make one.
        assert_eq!(log.compare_heads(one, other, Some(&proof[1..])), Ok(Compared::NotComparable));
    }
    let late = log.prove_entry(7, None).unwrap();
    assert_eq!(log.compare_entries(&early, &late), Ok(Compared::NotComparable), "one entry, twice");

    // Another history, which is shorter.
    let mut forked = fresh();
    forked.open().unwrap();
    for n in 1..=9 {
        forked.append("a", &format!("forked {n}")).unwrap();
    }
    let smaller = forked.signed_head().unwrap();
    assert_eq!(log.compare_heads(&newer, &smaller, None), Ok(Compared::NotComparable));
    assert_eq!(log.compare_heads(&newer, &smaller, Some(&proof)), Ok(Compared::NotComparable));
    let (theirs, elsewhere) = (forked.prove_entry(7, None).unwrap(), forked.prove_entry(8, None).unwrap());
    assert_eq!(log.compare_entries(&late, &elsewhere), Ok(Compared::NotComparable), "other places");
    let Ok(Compared::Equivocation(evidence)) = log.compare_entries(&late, &theirs) else {
        panic!("two entries at one place pass");
    };
    assert_eq!(log.verify_equivocation(&evidence), Ok(Some(7)));
    assert_eq!(log.verify_equivocation(&evidence.replace("index 6", "index 7")), Err("root-mismatch".into()));
    let parts: Vec<&str> = evidence.split("\n\n").collect();
    let [first, one, one_head, one_signature, ..] = parts[..] else { panic!("evidence has seven parts: {evidence}") };
    let twice = [first, one, one_head, one_signature, one, one_head, one_signature].join("\n\n");
    assert_eq!(log.verify_equivocation(&format!("{twice}\n")), Err("no-contradiction".into()));
}
