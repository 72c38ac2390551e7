//! Proofs that leave the log: what the engine gives out, what it costs, and what a stranger accepts (docs/proofs.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::engine::{Every, NewEntry};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, VerifierKey, text};
use secure_log::proof::{
    Comparison, Equivocation, MAX_TLOG_PROOF_BYTES, Refused, TlogProof, compare_heads, verify_consistency, verify_head,
    verify_inclusion,
};
use secure_log::providers::Keystore;
use secure_log::record::HeadRow;
use secure_log::sign::{Algorithm, SignatureError};
use secure_log::store::SecureLogStore;
use secure_log::tree::{
    self, CompactTree, ProofError, ProofPlan, Subtree, empty_root, leaf_hash, node_hash, verify_consistency as grows,
};
use secure_log::verify::Trust;
use secure_log_testkit::attacks::{ORIGIN, hmac_key, log_key, sample_log};
use secure_log_testkit::{FaultStore, HostileStore, SeededRandom, TestKeystore, count, seed};

/// What a stranger has: the log's key.
fn key_of_the_log() -> Trust {
    trusting([log_key(ORIGIN)])
}

fn trusting(keys: impl IntoIterator<Item = VerifierKey>) -> Trust {
    let mut trust = Trust::new();
    keys.into_iter().for_each(|key| trust.add_log_key(key));
    trust
}

#[test]
fn every_entry_is_proven_under_every_head_and_every_head_under_every_later_one() {
    let mut log = World::new().open().unwrap();
    let mut heads = Vec::new();
    // More than two groups of leaves, and commits of several entries, so that some sizes have no head.
    for commit in 0..18u64 {
        let batch: Vec<NewEntry<'_>> = (0..1 + commit % 3).map(|_| entry("a", b"x")).collect();
        log.append_batch(&batch).unwrap();
        heads.push((log.size(), log.status().root));
    }
    let size = log.size();
    let sizes: Vec<u64> = heads.iter().map(|(size, _)| *size).collect();
    for (old, old_root) in &heads {
        for seqno in 1..=size {
            let proof = log.prove_inclusion(seqno, Some(*old));
            if seqno > *old {
                assert_eq!(proof, Err(LogError::NotCovered { seqno, size: *old }));
                continue;
            }
            let proof = proof.unwrap();
            assert_eq!((proof.seqno, proof.size, proof.root), (seqno, *old, *old_root));
            assert_eq!(verify_inclusion(&proof.hashes, &proof.entry_hash, seqno, *old, old_root), Ok(()));
        }
        for (new, new_root) in heads.iter().filter(|(new, _)| new >= old) {
            let proof = log.prove_consistency(*old, Some(*new)).unwrap();
            assert_eq!((proof.old_root, proof.new_root), (*old_root, *new_root));
            assert_eq!(verify_consistency(&proof.hashes, (*old, old_root), (*new, new_root)), Ok(()));
        }
    }
    for other in (0..=size + 2).filter(|size| !sizes.contains(size)) {
        let refused = |known| if other == 0 { known } else { LogError::HeadNotFound(other) };
        let not_covered = refused(LogError::NotCovered { seqno: 1, size: 0 });
        assert_eq!(log.prove_inclusion(1, Some(other)), Err(not_covered.clone()), "{other}");
        assert_eq!(log.tlog_proof(1, Some(other)), Err(not_covered), "{other}");
        if (1..size).contains(&other) {
            assert_eq!(log.prove_consistency(other, None), Err(LogError::HeadNotFound(other)));
            assert_eq!(log.prove_consistency(1, Some(other)), Err(LogError::HeadNotFound(other)));
        }
    }
    assert_eq!(log.prove_consistency(0, None), Err(LogError::UnprovableSizes { old: 0, new: size }));
}

#[test]
fn a_proof_reads_few_hashes_in_few_calls_however_long_the_log() {
    let entries = count(20_000, 400_000);
    let (below, faults) = FaultStore::new(World::new().store);
    let read = Arc::new([AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)]);
    let (hashes, nodes) = (read.clone(), read.clone());
    let store = HostileStore::new(below)
        .rewrite_hashes(move |_, _, answered| {
            hashes[0].fetch_add(1, Ordering::Relaxed);
            hashes[1].fetch_add(answered.len() as u64, Ordering::Relaxed);
        })
        .rewrite_nodes(move |_, _| {
            nodes[2].fetch_add(1, Ordering::Relaxed);
        });
    let mut log = World::new().open_on(store, |_| ()).unwrap();
    let batch = vec![entry("a", b""); 997];
    while log.size() < entries {
        log.append_batch(&batch).unwrap();
    }
    let size = log.size();
    let levels = u64::from(u64::BITS - size.leading_zeros());
    let commits = size / 997 + 1;
    let mut random = SeededRandom::new(seed());
    for _ in 0..count(200, 2_000) {
        let seqno = 1 + random.below(size);
        let old = 997 * (1 + random.below(size / 997));
        let new = old + 997 * random.below((size - old) / 997 + 1);
        let mut cost = |calls_of_heads: u64, groups: u64, prove: &mut dyn FnMut(&mut secure_log::SecureLog<_>)| {
            let before = faults.calls();
            read.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
            prove(&mut log);
            let [reads, leaves, nodes] = [0, 1, 2].map(|at| read[at].load(Ordering::Relaxed));
            // Beside the hashes, the head is asked for, as somebody else may have written on.
            let calls = faults.calls() - before;
            assert!(reads <= groups && leaves <= groups * 16 && nodes <= 2 * levels, "{reads}, {leaves}, {nodes}");
            assert!(calls <= 1 + calls_of_heads + groups + 1, "{calls} calls in a log of {size}");
        };
        cost(0, 1, &mut |log| drop(log.prove_inclusion(seqno, None).unwrap()));
        // A head of another size is found by halving.
        let finding = 2 + u64::from(commits.ilog2()) + 1;
        cost(finding, 1, &mut |log| drop(log.prove_consistency(old, None).unwrap()));
        cost(2 * finding, 2, &mut |log| drop(log.prove_consistency(old, Some(new)).unwrap()));
        cost(finding, 2, &mut |log| drop(log.prove_inclusion(seqno.min(old), Some(old)).unwrap()));
    }
}

#[test]
fn an_entry_of_every_suite_goes_out_and_comes_in() {
    let mut log = sample_log(World::new().store).unwrap();
    let mut with_mac = key_of_the_log();
    with_mac.add_hmac_key(hmac_key());
    for seqno in 1..=log.size() {
        let proof = log.tlog_proof(seqno, None).unwrap();
        let text = proof.to_string();
        assert_eq!(TlogProof::parse(&text), Ok(proof.clone()));
        let (entry, hash) = log.read_hashed(seqno).unwrap();
        let verified = proof.verify(&with_mac).unwrap();
        assert_eq!((verified.entry(), verified.hash()), (&entry, &hash));
        assert_eq!((verified.head().origin(), verified.head().size()), (ORIGIN, log.size()));
        // Who has no key of the keyed suite cannot say anything; of all others the log's key is enough.
        match entry.version {
            3 => assert_eq!(proof.verify(&key_of_the_log()), Err(Refused::MacKeyMissing)),
            _ => assert_eq!(proof.verify(&key_of_the_log()), Ok(verified)),
        }
        assert!(proof.verify(&trusting([])).unwrap_err().is_incomplete());
    }
    let text = log.tlog_proof(6, None).unwrap().to_string();
    let mut other = key_of_the_log();
    other.set_origin("other.example");
    let refused = TlogProof::parse(&text).unwrap().verify(&other);
    assert_eq!(refused, Err(Refused::AnotherLog { expected: "other.example".into(), found: ORIGIN.into() }));
}

#[test]
fn a_proof_has_one_spelling() {
    let mut log = sample_log(World::new().store).unwrap();
    let good = log.tlog_proof(6, None).unwrap().to_string();
    let lines: Vec<&str> = good.lines().collect();
    let hash = lines[3];
    for bad in [
        String::new(),
        good.replace("tlog-proof@v1", "tlog-proof@v2"),
        good.replace("index 5", "index 05"),
        good.replace("index 5", "index +5"),
        good.replace("index 5", "index 18446744073709551616"),
        good.replace(&format!("{}\n", lines[1]), ""),
        good.replace(lines[1], "extra "),
        good.replacen("extra ", "extra  ", 1),
        good.replacen(hash, &hash[..40], 1),
        good.replacen(hash, &hash.replace('=', ""), 1),
        good.replacen(&format!("{hash}\n"), &format!("{hash}\n").repeat(66), 1),
        good.replacen("\n\n", "\n", 1),
        good.replacen("\n\n", "\n\n\n", 1),
        good.replace('\n', "\r\n"),
        format!("{good}\n"),
        format!("\n{good}"),
        good[..good.len() - 1].into(),
    ] {
        let parsed = TlogProof::parse(&bad).and_then(|proof| proof.verify(&key_of_the_log()));
        assert!(matches!(parsed, Err(Refused::Malformed(_) | Refused::Note(_))), "{bad}: {parsed:?}");
    }
    let long = "x".repeat(MAX_TLOG_PROOF_BYTES + 1);
    assert!(matches!(TlogProof::parse(&long), Err(Refused::TooLarge { .. })));
    let last = TlogProof { index: u64::MAX, ..TlogProof::parse(&good).unwrap() };
    assert!(matches!(last.verify(&key_of_the_log()), Err(Refused::Malformed(_))));
}

#[test]
fn the_largest_entry_has_a_proof_that_is_read() {
    let mut log = World::new().open().unwrap();
    append(&mut log, "a", &vec![b'x'; secure_log::limits::MAX_PAYLOAD_BYTES]);
    let text = log.tlog_proof(1, None).unwrap().to_string();
    assert!(TlogProof::parse(&text).unwrap().verify(&key_of_the_log()).is_ok(), "{} bytes", text.len());
}

#[test]
fn only_what_a_key_signed_goes_out() {
    let mut keyless = World::keyless().open().unwrap();
    append(&mut keyless, "a", b"1");
    assert_eq!(keyless.signed_head(), Err(LogError::HeadUnsigned(1)));
    assert_eq!(keyless.tlog_proof(1, None), Err(LogError::HeadUnsigned(1)));
    assert_eq!(keyless.tlog_proof(1, Some(1)), Err(LogError::HeadUnsigned(1)));
    assert!(keyless.prove_inclusion(1, None).is_ok(), "who trusts the root in another way can have a proof");

    let mut seldom = World::new().open_with(|options| options.head_every = Every::Entries(3)).unwrap();
    for n in 1..=5u64 {
        append(&mut seldom, "a", b"x");
        let signed = seldom.signed_head().unwrap().checkpoint().unwrap().size;
        assert_eq!(signed, n / 3 * 3, "after {n} entries");
    }
    assert_eq!(seldom.tlog_proof(4, None), Err(LogError::NotCovered { seqno: 4, size: 3 }));
    assert_eq!(seldom.tlog_proof(4, Some(4)), Err(LogError::HeadUnsigned(4)));
    assert!(seldom.tlog_proof(3, None).unwrap().verify(&key_of_the_log()).is_ok());
    seldom.sign_head().unwrap();
    assert!(seldom.tlog_proof(4, None).unwrap().verify(&key_of_the_log()).is_ok());
    assert!(seldom.tlog_proof(4, Some(5)).unwrap().verify(&key_of_the_log()).is_ok());
}

#[test]
fn a_store_that_lies_about_hashes_gets_no_wrong_proof_out_of_the_log() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for _ in 0..3 {
        log.append_batch(&vec![entry("a", b"x"); 30]).unwrap();
    }
    drop(log);
    // Each answer of the store in turn is another one.
    for lie in 0..60 {
        let at = Arc::new(AtomicU64::new(0));
        let (hashes, nodes) = (at.clone(), at.clone());
        let store = HostileStore::new(world.store.clone())
            .rewrite_hashes(move |_, _, answered| {
                for hash in answered {
                    hash.0[7] ^= u8::from(hashes.fetch_add(1, Ordering::Relaxed) == 1_000 + lie);
                }
            })
            .rewrite_nodes(move |_, hash| {
                let lies = nodes.fetch_add(1, Ordering::Relaxed) == 1_000 + lie;
                hash.iter_mut().for_each(|hash| hash.0[7] ^= u8::from(lies));
            });
        let mut log = world.open_on(store, |_| ()).unwrap();
        at.store(1_000, Ordering::Relaxed);
        for (seqno, size) in [(1, 60), (47, 60), (60, 90), (90, 90)] {
            let proof = log.prove_inclusion(seqno, Some(size)).and_then(|proof| {
                let root = log.prove_consistency(size, None)?.old_root;
                Ok((proof, root))
            });
            // The index is made anew and asked again, so that a lie that is told once does no harm.
            let (proof, root) = proof.unwrap();
            assert_eq!(verify_inclusion(&proof.hashes, &proof.entry_hash, seqno, size, &root), Ok(()), "lie {lie}");
        }
    }
    // One that is told always is found.
    let store = HostileStore::new(world.store.clone()).rewrite_hashes(|_, first, answered| {
        if first == 32 {
            answered.iter_mut().for_each(|hash| hash.0[0] ^= 1);
        }
    });
    let mut log = world.open_on(store, |_| ()).unwrap();
    assert!(matches!(log.prove_inclusion(40, None), Err(LogError::ChainBroken { seqno: 40, .. })));
    assert!(matches!(log.tlog_proof(33, None), Err(LogError::ChainBroken { seqno: 33, .. })));
    assert!(log.prove_inclusion(1, None).is_ok());
}

#[test]
fn what_was_pruned_has_a_place_and_no_text() {
    let world = World::new();
    let mut log = world.open().unwrap();
    (0..3).for_each(|_| _ = append(&mut log, "a", b"x"));
    log.store_mut().prune(&[("a", 1)]).unwrap();
    let proof = log.prove_inclusion(1, None).unwrap();
    assert_eq!(verify_inclusion(&proof.hashes, &proof.entry_hash, 1, 3, &proof.root), Ok(()));
    assert_eq!(log.tlog_proof(1, None), Err(LogError::EntryNotFound(1)));
}

#[test]
fn heads_are_signed_notes_with_each_algorithm() {
    for (label, algorithm) in [("e", Algorithm::Ed25519), ("p", Algorithm::EcdsaP256), ("r", Algorithm::RsaPssSha256)] {
        let (line, key) = signature(label, algorithm, ORIGIN, 7);
        let note = Note { text: text(ORIGIN, 7, &Hash([3; 32])), sigs: vec![line.clone()] };
        let trust = trusting([key.clone()]);
        assert_eq!(key.to_string().parse::<VerifierKey>().as_ref(), Ok(&key));
        assert_eq!(verify_head(&note.to_string(), &trust).unwrap().size(), 7, "{label}");
        // Another head under the same signature, and another signature under the same head.
        let other = Note { text: text(ORIGIN, 8, &Hash([3; 32])), sigs: vec![line] };
        let wrong = Err(Refused::Note(NoteError::Signature(SignatureError::Mismatch)));
        assert_eq!(verify_head(&other.to_string(), &trust), wrong, "{label}");
        // By the log's key under another name, or with the name and another key, it is nobody's.
        let stranger = VerifierKey::new("other.example", algorithm, key.public_key().as_bytes()).unwrap();
        let unknown = Err(Refused::UnknownKey { origin: ORIGIN.into() });
        assert_eq!(verify_head(&note.to_string(), &trusting([stranger])), unknown, "{label}");
    }
}

#[test]
fn unknown_signatures_are_passed_over_and_a_bad_one_by_a_known_key_spoils_the_note() {
    let (good, key) = signature("e", Algorithm::Ed25519, ORIGIN, 7);
    let (of_another_head, _) = signature("e", Algorithm::Ed25519, ORIGIN, 8);
    let (other_key, second) = signature("p", Algorithm::EcdsaP256, ORIGIN, 7);
    let (by_another_name, named) = signature("e", Algorithm::Ed25519, "other.example", 7);
    let head = |sigs: &[&String]| {
        let sigs = sigs.iter().map(|line| (*line).clone()).collect();
        Note { text: text(ORIGIN, 7, &Hash([3; 32])), sigs }.to_string()
    };
    let one = trusting([key.clone()]);
    assert!(verify_head(&head(&[&good]), &one).is_ok());
    assert!(verify_head(&head(&[&other_key, &by_another_name, &good]), &one).is_ok());
    assert!(verify_head(&head(&[&good, &of_another_head]), &one).is_err(), "a known key that is wrong once");
    let spoiled = other_key.replacen('A', "B", 1);
    assert!(verify_head(&head(&[&good, &spoiled]), &one).is_ok(), "nobody knows that key");
    assert!(verify_head(&head(&[&good, &spoiled]), &trusting([key.clone(), second])).is_err());
    let unknown = Err(Refused::UnknownKey { origin: ORIGIN.into() });
    assert_eq!(verify_head(&head(&[]), &one), unknown);
    assert_eq!(verify_head(&head(&[&other_key]), &one), unknown);
    // A signature under another name is right, and makes no head of this log.
    assert_eq!(verify_head(&head(&[&by_another_name]), &trusting([named])), unknown);
    // A witness's line that is wrong spoils the note too, and a right one alone makes no head.
    let witness = VerifierKey::new_witness("witness.example", key.public_key().as_bytes()).unwrap();
    let line = |id: [u8; 4]| format!("witness.example {}", BASE64.encode([&id[..], &[1; 72]].concat()));
    let mut watched = one.clone();
    watched.add_witness(witness.clone());
    assert!(verify_head(&head(&[&good, &line([0; 4])]), &watched).is_ok());
    assert!(verify_head(&head(&[&good, &line(witness.id())]), &watched).is_err());
    assert!(verify_head(&head(&[&good, &line(witness.id())]), &one).is_ok());
}

#[test]
fn notes_have_limits() {
    let (good, key) = signature("e", Algorithm::Ed25519, ORIGIN, 7);
    let trust = trusting([key]);
    let with = |others: usize| {
        let other = format!("other.example {}", BASE64.encode([7; 68]));
        let sigs = std::iter::repeat_n(other, others).chain([good.clone()]).collect();
        Note { text: text(ORIGIN, 7, &Hash([3; 32])), sigs }.to_string()
    };
    // Who reads notes takes at least 16 lines.
    for others in [15, MAX_SIGNATURES - 1] {
        assert!(verify_head(&with(others), &trust).is_ok(), "{others} others");
    }
    assert_eq!(verify_head(&with(MAX_SIGNATURES), &trust), Err(Refused::Note(NoteError::TooLarge)));
    let long = format!("{}\n{}", "x".repeat(MAX_NOTE_BYTES), with(0));
    assert_eq!(verify_head(&long, &trust), Err(Refused::Note(NoteError::TooLarge)));
    let good = with(0);
    for bad in [
        good.replacen("\n7\n", "\n07\n", 1),
        good.replacen("\n7\n", "\n7\nextension\n", 1),
        good.replacen(ORIGIN, "log\u{2003}example", 1),
        good.replacen(ORIGIN, "log+example", 1),
        good.replacen("— log", "—\u{a0}log", 1),
        good.replacen("— log", "—  log", 1),
        good.replacen("\n\n", "\n\n\n", 1),
        good.replacen('\n', "\u{b}\n", 1),
        format!("\u{feff}{good}"),
    ] {
        assert!(matches!(verify_head(&bad, &trust), Err(Refused::Note(_))), "{bad:?}");
    }
}

#[test]
fn evidence_has_one_spelling_and_needs_both_signatures() {
    let head = |size, root: u8, label| {
        let root = Hash([root; 32]);
        let (sigs, _) = sign(label, Algorithm::Ed25519, ORIGIN, size, &root);
        Note::of_head(ORIGIN, &HeadRow { size, root, sigs: vec![sigs] }).to_string()
    };
    let (_, key) = sign("e", Algorithm::Ed25519, ORIGIN, 1, &Hash::ZERO);
    let (_, second) = sign("f", Algorithm::Ed25519, ORIGIN, 1, &Hash::ZERO);
    let both = trusting([key.clone(), second]);
    // A key that came after another one speaks for the same log.
    let (one, other) = (head(5, 1, "e"), head(5, 2, "f"));
    let Ok(Comparison::Equivocation(evidence)) = compare_heads(&one, &other, None, &both) else { panic!() };
    assert_eq!(Equivocation::parse(&evidence.to_string()).as_ref(), Ok(&evidence));
    assert_eq!(evidence.verify(&both).unwrap().heads().each_ref().map(|head| head.size()), [5, 5]);
    assert_eq!(evidence.verify(&trusting([key])), Err(Refused::UnknownKey { origin: ORIGIN.into() }));
    // No log without entries has this root: the head is evidence against itself, beside any other.
    let impossible = head(0, 1, "e");
    let Ok(Comparison::Equivocation(evidence)) = compare_heads(&one, &impossible, None, &both) else { panic!() };
    assert!(evidence.verify(&both).is_ok());
    // The right one is the beginning of any log.
    let (sigs, _) = sign("e", Algorithm::Ed25519, ORIGIN, 0, &empty_root());
    let empty = Note::of_head(ORIGIN, &HeadRow { size: 0, root: empty_root(), sigs: vec![sigs] }).to_string();
    assert_eq!(compare_heads(&one, &empty, None, &both), Ok(Comparison::Consistent));
    // Nor do heads of two logs contradict each other.
    let (sigs, stranger) = sign("e", Algorithm::Ed25519, "other.example", 5, &Hash([9; 32]));
    let theirs = Note { text: text("other.example", 5, &Hash([9; 32])), sigs: vec![sigs] }.to_string();
    let mut all = both.clone();
    all.add_log_key(stranger);
    assert!(matches!(compare_heads(&one, &theirs, None, &all), Err(Refused::AnotherLog { .. })));
    let huge = "secure-log/equivocation@v1\n".repeat(1 << 17);
    assert!(matches!(Equivocation::parse(&huge), Err(Refused::TooLarge { .. })));
}

/// Trees of any size up to 2^63, whose hashes nobody could compute: a proof is the fold of subtrees that are made up, and
/// the roots are those that the definition makes of them.
#[test]
fn the_arithmetic_holds_up_to_the_largest_log() {
    let mut random = SeededRandom::new(seed());
    let sizes = |random: &mut SeededRandom| {
        let new = 1 + (random.word() >> (1 + random.below(63)));
        let edge = 1u64 << random.below(64);
        let largest = (1 << 63) - random.below(3);
        *random.pick(&[new, edge, edge - u64::from(edge > 1), largest])
    };
    for _ in 0..count(3_000, 300_000) {
        let new = sizes(&mut random);
        let index = *random.pick(&[random.clone().below(new), 0, new - 1, new / 2]);
        let mut forest = Forest::default();
        let root = forest.root_of(0, new, &[index, index + 1]);
        let plan = ProofPlan::inclusion(index, new).unwrap();
        let proof = forest.prove(&plan);
        let leaf = forest.root_of(index, index + 1, &[]);
        assert_eq!(tree::verify_inclusion(&leaf, index, new, &proof, &root), Ok(()), "{index} in {new}");
        assert!(proof.len() <= 63);
        for other in [index.wrapping_sub(1), index + 1, index ^ 1 << 40].into_iter().filter(|other| *other != index) {
            assert!(tree::verify_inclusion(&leaf, other, new, &proof, &root).is_err(), "{index} as {other} in {new}");
        }
        let old = *random.pick(&[1 + random.clone().below(new), 1, new, new - new / 2]);
        let mut forest = Forest::default();
        let (new_root, old_root) = (forest.root_of(0, new, &[old]), forest.root_of(0, old, &[]));
        let proof = forest.prove(&ProofPlan::consistency(old, new).unwrap());
        assert_eq!(grows(old, &old_root, new, &new_root, &proof), Ok(()), "{old} to {new}");
        assert!(proof.len() <= 64);
        if old < new {
            assert!(grows(old, &new_root, new, &old_root, &proof).is_err(), "{old} to {new}");
            let longer = [&proof[..], &[old_root]].concat();
            assert_eq!(grows(old, &old_root, new, &new_root, &longer), Err(ProofError::TooLong), "{old} to {new}");
            let backwards = Err(ProofError::Sizes { old: new, new: old });
            assert_eq!(grows(new, &new_root, old, &old_root, &proof), backwards);
        }
        // What is known at the end of a log of this size is what its own frontier says.
        let frontier = tree::frontier(new);
        let roots: Vec<Hash> = frontier.iter().map(|subtree| made_up(*subtree)).collect();
        let compact = CompactTree::from_frontier(new, roots).unwrap();
        for subtree in &frontier {
            assert_eq!(compact.frontier_root(*subtree), Some(made_up(*subtree)));
        }
        for subtree in plan.subtrees() {
            let known = frontier.contains(&subtree).then(|| made_up(subtree));
            assert_eq!(compact.frontier_root(subtree), known, "{subtree:?} of {new}");
        }
    }
}

/// Roots of complete subtrees that nobody computed, where no cut goes through them.
#[derive(Default)]
struct Forest {
    known: std::collections::HashMap<Subtree, Hash>,
}

impl Forest {
    /// The root of leaves `low..high` by the recursive definition (RFC 6962 s.2.1), which goes down only where a cut does.
    fn root_of(&mut self, low: u64, high: u64, cuts: &[u64]) -> Hash {
        let complete = (high - low).is_power_of_two();
        let subtree = Subtree { level: (high - low).ilog2() as u8, index: low >> (high - low).ilog2() };
        if complete && let Some(known) = self.known.get(&subtree) {
            return *known;
        }
        let is_cut = cuts.iter().any(|cut| low < *cut && *cut < high);
        let hash = if complete && !is_cut {
            made_up(subtree)
        } else {
            let middle = low + (1 << (63 - (high - low - 1).leading_zeros()));
            node_hash(&self.root_of(low, middle, cuts), &self.root_of(middle, high, cuts))
        };
        if complete {
            self.known.insert(subtree, hash);
        }
        hash
    }

    fn prove(&self, plan: &ProofPlan) -> Vec<Hash> {
        let roots: Vec<Hash> = plan.subtrees().map(|subtree| *self.known.get(&subtree).unwrap()).collect();
        plan.assemble(&roots).unwrap()
    }
}

fn made_up(subtree: Subtree) -> Hash {
    leaf_hash(&Hash::sha256(&[&[subtree.level][..], &subtree.index.to_be_bytes()].concat()))
}

/// A signature line over the head of this size with the root of threes, by a key of the test keystore.
fn signature(label: &str, algorithm: Algorithm, origin: &str, size: u64) -> (String, VerifierKey) {
    let (signer, key) = signer(label, algorithm, origin);
    let text = text(ORIGIN, size, &Hash([3; 32]));
    (key.signature_line(&signer.sign(text.as_bytes()).unwrap()).unwrap(), key)
}

fn sign(label: &str, algorithm: Algorithm, origin: &str, size: u64, root: &Hash) -> (String, VerifierKey) {
    let (signer, key) = signer(label, algorithm, origin);
    let text = text(origin, size, root);
    (key.signature_line(&signer.sign(text.as_bytes()).unwrap()).unwrap(), key)
}

fn signer(
    label: &str,
    algorithm: Algorithm,
    origin: &str,
) -> (Box<dyn secure_log::CheckpointSigner + Send>, VerifierKey) {
    let signer = TestKeystore::new().signing(label, algorithm).signer(label).unwrap();
    let key = VerifierKey::new(origin, algorithm, signer.public_key()).unwrap();
    (signer, key)
}
