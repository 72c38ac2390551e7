//! The attack table of docs/security.md where it needs the verifier, the trees and a store in memory.

use std::io::{self, Read};

use secure_log::engine::SegmentProof;
use secure_log::error::LogError;
use secure_log::hash::{Hash, HmacKey};
use secure_log::jsonl::MAX_LINE_BYTES;
use secure_log::limits::{Invalid, Problem};
use secure_log::memory::MemoryStore;
use secure_log::record::{EntryRow, Record};
use secure_log::store::StoreError;
use secure_log::tree::{
    CompactTree, ProofError, ProofPlan, empty_root, leaf_hash, verify_consistency, verify_inclusion,
};
use secure_log::verify::{
    Finding, FindingCode, LogVerifier, MAX_COMMIT_BYTES, Place, Report, Trust, Verdict, Verifier, verify_jsonl,
};
use secure_log_testkit::attacks::{
    file_with_line, flips, hmac_key, hostile_files, is_harmless, log_key, marked_logs, no_edit_passes,
    no_stored_bit_passes, options, providers, sample_log, sample_records, to_jsonl, trust,
};
use secure_log_testkit::{OwnedRecord, alone, count, store_from};

#[test]
fn rows_1_to_19_no_edit_of_a_stored_log_passes() {
    no_edit_passes(|records| Ok(store_from(records)));
}

#[test]
fn row_1_every_bit_of_every_line_of_an_entry_is_found_for_its_own_reason() {
    let (file, flips) = flips();
    // The finding stands before any signature, so that checking signatures over and over shows nothing.
    let mut keys = Trust::new();
    keys.add_hmac_key(hmac_key());
    for flip in &flips {
        let report = verify_jsonl(&flip.apply(&file)[..], &keys, |_| {}).unwrap();
        let Verdict::Invalid(finding) = &report.verdict else { panic!("{flip:?} is {}", report.verdict.as_str()) };
        assert_eq!(flip.misjudged(finding.code.as_str(), &finding.at.to_string()), None);
    }
    assert!(flips.len() > 50_000, "a small log has many bits: {}", flips.len());
}

#[test]
fn row_1_every_bit_of_canonical_bytes_and_hash_is_found_for_its_own_reason() {
    let records = sample_records();
    let mut keys = Trust::new();
    keys.add_hmac_key(hmac_key());
    let verdict_with = |flipped: usize, row: EntryRow<'_>| -> Option<Finding> {
        let mut verifier = Verifier::new(keys.clone());
        records.iter().enumerate().find_map(|(at, record)| {
            let record = if at == flipped { Record::Entry(row) } else { record.as_record() };
            verifier.record(record, at as u64 + 1).err()
        })
    };
    for (at, record) in records.iter().enumerate() {
        let OwnedRecord::Entry { seqno, stream, hash, bytes } = record else { continue };
        assert_eq!(verdict_with(at, EntryRow { seqno: *seqno, stream, hash: *hash, bytes }), None);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let finding = verdict_with(at, EntryRow { seqno: *seqno, stream, hash: *hash, bytes: &bytes });
            let finding = finding.unwrap_or_else(|| panic!("bit {bit} of entry {seqno} passes"));
            let here = match finding.code {
                FindingCode::Malformed => finding.at == Place::Line(at as u64 + 1),
                FindingCode::HashMismatch | FindingCode::ChainBroken | FindingCode::Downgrade => {
                    finding.at == Place::Seqno(*seqno)
                }
                _ => false,
            };
            assert!(here, "bit {bit} of entry {seqno}: {finding}");
        }
        for bit in 0..256 {
            let mut hash = *hash;
            hash.0[bit / 8] ^= 1 << (bit % 8);
            let finding = verdict_with(at, EntryRow { seqno: *seqno, stream, hash, bytes }).unwrap();
            assert_eq!((finding.code, &finding.at), (FindingCode::HashMismatch, &Place::Seqno(*seqno)), "bit {bit}");
        }
    }
}

#[test]
fn row_1_flipped_bits_do_not_pass_the_engine_over_a_store_in_memory() {
    no_stored_bit_passes(300, |records| Ok(store_from(records)));
}

#[test]
fn row_10_an_interior_node_or_the_root_is_no_entry() {
    for size in 1u64..=40 {
        let hashes: Vec<Hash> = (0..size).map(|n| Hash::sha256(&n.to_be_bytes())).collect();
        let leaves: Vec<Hash> = hashes.iter().map(leaf_hash).collect();
        let root = root_of(&leaves);
        for index in 0..size {
            let proof = inclusion_proof(&leaves, index);
            assert_eq!(verify_inclusion(&leaves[index as usize], index, size, &proof, &root), Ok(()));
            // Each node on the way up, with what is left of the path, as a leaf and as an entry's hash.
            let mut node = leaves[index as usize];
            let sides = secure_log::tree::sides(index, size);
            for (step, (sibling, right)) in proof.iter().zip(&sides).enumerate() {
                node = if *right {
                    secure_log::tree::node_hash(&node, sibling)
                } else {
                    secure_log::tree::node_hash(sibling, &node)
                };
                let rest = &proof[step + 1..];
                assert_eq!(verify_inclusion(&node, index, size, rest, &root), Err(ProofError::TooShort));
                assert!(verify_inclusion(&leaf_hash(&node), index, size, rest, &root).is_err());
                let path = rest.iter().copied().zip(sides[step + 1..].iter().copied()).collect();
                let offered = SegmentProof { seqno: index + 1, hash: node, segment: 1, root, path };
                assert_ne!(offered.folded(), Some(root), "size {size}, leaf {index}, step {step}");
            }
        }
        let empty = SegmentProof { seqno: 1, hash: root, segment: 1, root, path: Vec::new() };
        assert_ne!(empty.folded(), Some(root), "the root with an empty path, size {size}");
        assert!(size == 1 || verify_inclusion(&root, 0, size, &[], &root).is_err());
    }
}

#[test]
fn row_10_to_12_the_engine_takes_no_proof_but_the_right_one() {
    let mut log = sample_log(MemoryStore::new()).unwrap();
    let right = log.prove_in_segment(6).unwrap();
    let root = right.root;
    log.verify_in_segment(&right, &root).unwrap();
    type Edit = (&'static str, fn(&mut SegmentProof));
    let edits: [Edit; 10] = [
        ("too short", |p| p.path.truncate(p.path.len() - 1)),
        ("without a path", |p| p.path.clear()),
        ("the root with an empty path", |p| {
            p.path.clear();
            p.hash = p.root;
        }),
        ("too long", |p| p.path.push((p.root, true))),
        ("longer than any segment needs", |p| p.path = vec![(p.root, false); SegmentProof::MAX_STEPS + 1]),
        ("sides swapped", |p| p.path.iter_mut().for_each(|(_, right)| *right = !*right)),
        ("another hash", |p| p.hash.0[0] ^= 1),
        ("another entry of the segment", |p| p.seqno = 5),
        ("an entry of another stream", |p| p.seqno = 7),
        ("another segment", |p| p.segment = 2),
    ];
    for (what, edit) in edits {
        let mut proof = right.clone();
        edit(&mut proof);
        let refused = log.verify_in_segment(&proof, &root).unwrap_err();
        assert!(matches!(refused, LogError::InclusionMismatch { .. }), "{what}: {refused:?}");
    }
    assert!(log.verify_in_segment(&right, &leaf_hash(&root)).is_err(), "under another root");
    let mut proof = right.clone();
    for seqno in [0, 26, u64::MAX] {
        proof.seqno = seqno;
        assert_eq!(log.verify_in_segment(&proof, &root), Err(LogError::EntryNotFound(seqno)));
    }
    proof = SegmentProof { segment: 99, ..right };
    assert_eq!(log.verify_in_segment(&proof, &root), Err(LogError::SegmentNotFound(99)));
    assert_eq!(log.prove_in_segment(23), Err(LogError::SegmentNotFound(0)), "its segment is not closed");
}

#[test]
fn row_11_and_12_proofs_of_other_lengths_sizes_and_places_are_refused() {
    let hashes: Vec<Hash> = (0..33u64).map(|n| leaf_hash(&Hash::sha256(&n.to_be_bytes()))).collect();
    for size in 1..=hashes.len() as u64 {
        let leaves = &hashes[..size as usize];
        let root = root_of(leaves);
        for index in 0..size {
            let (leaf, proof) = (&leaves[index as usize], inclusion_proof(leaves, index));
            let longer = [&proof[..], &[root]].concat();
            assert_eq!(verify_inclusion(leaf, index, size, &longer, &root), Err(ProofError::TooLong));
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_inclusion(leaf, index, size, &proof[..shorter.len()], &root).is_err());
            }
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf, other, size, &proof, &root).is_err(), "{index} as {other} of {size}");
            }
        }
        for old in 1..=size {
            let old_root = root_of(&leaves[..old as usize]);
            let proof = consistency_proof(leaves, old);
            assert_eq!(verify_consistency(old, &old_root, size, &root, &proof), Ok(()));
            let longer = [&proof[..], &[root]].concat();
            assert_eq!(verify_consistency(old, &old_root, size, &root, &longer), Err(ProofError::TooLong));
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_consistency(old, &old_root, size, &root, &proof[..shorter.len()]).is_err());
            }
            if old < size {
                let backwards = verify_consistency(size, &root, old, &old_root, &proof);
                assert_eq!(backwards, Err(ProofError::Sizes { old: size, new: old }));
                let grown = [&hashes[..old as usize], &[root]].concat();
                assert!(verify_consistency(old, &root_of(&grown), size, &root, &proof).is_err());
            }
        }
        let from_nothing = verify_consistency(0, &empty_root(), size, &root, &[]);
        assert_eq!(from_nothing, Err(ProofError::Sizes { old: 0, new: size }));
        let to_nothing = verify_consistency(size, &root, 0, &empty_root(), &[]);
        assert_eq!(to_nothing, Err(ProofError::Sizes { old: size, new: 0 }));
        assert!(ProofPlan::consistency(0, size).is_err() && ProofPlan::consistency(size + 1, size).is_err());
        assert!(ProofPlan::inclusion(size, size).is_err());
    }
    let nothing = verify_inclusion(&empty_root(), 0, 0, &[], &empty_root());
    assert_eq!(nothing, Err(ProofError::IndexOutOfRange { index: 0, size: 0 }));
    let huge = vec![empty_root(); 200];
    for (index, size) in [(0, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
        assert!(verify_inclusion(&empty_root(), index, size, &huge, &empty_root()).is_err());
        assert!(verify_consistency(index.max(1), &empty_root(), size, &empty_root(), &huge).is_err());
    }
}

#[test]
fn row_19_without_the_right_key_of_a_keyed_stream_nothing_is_said_of_it() {
    let records = sample_records();
    let file = to_jsonl(&records);
    let without = |keys: Option<HmacKey>| {
        let mut trust = Trust::new();
        trust.set_origin(secure_log_testkit::attacks::ORIGIN);
        trust.add_log_key(log_key(secure_log_testkit::attacks::ORIGIN));
        keys.into_iter().for_each(|key| trust.add_hmac_key(key));
        trust
    };
    for key in [None, Some(HmacKey::new([7; 32]))] {
        let report = read(&file, &without(key));
        assert_eq!(report.verdict, Verdict::Incomplete);
        assert!(
            report.missing.iter().any(|missing| missing.to_string().contains("stream 'keyed'")),
            "{:?}",
            report.missing
        );
        assert_eq!(report.complete_to, 25, "the log is complete, and two of its entries could not be re-hashed");
    }
}

#[test]
fn row_24_a_hostile_file_is_refused_in_bounded_memory() {
    for (what, bytes) in hostile_files() {
        let report = read(&bytes, &trust());
        let Verdict::Invalid(finding) = &report.verdict else { panic!("{what}: {report:?}") };
        assert_eq!(finding.code, FindingCode::Malformed, "{what}");
        assert!(finding.to_string().len() < 500, "{what}: an error is for reading");
    }
    // Of a kind that nobody knows, however deep: it could not be checked.
    let unknown = file_with_line(format!("{{\"t\":\"new\",\"x\":{}{}}}", "[".repeat(30), "]".repeat(30)).as_bytes());
    assert_ne!(read(&unknown, &trust()).verdict, Verdict::Valid);
}

#[test]
fn row_24_a_line_of_ten_gigabytes_takes_no_memory() {
    // In a process without other tests, which hold memory, too.
    const ALONE: &str = "SECURE_LOG_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let ran = alone("attacks::row_24_a_line_of_ten_gigabytes_takes_no_memory").env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        return;
    }
    let sample = to_jsonl(&sample_records());
    let log_line = sample.iter().position(|b| *b == b'\n').unwrap() + 1;
    for (start, fill) in [(&sample[..0], b'['), (&sample[..log_line], b'x'), (&sample[..], 0)] {
        let mut verifier = LogVerifier::new(trust()).unwrap();
        assert!(verifier.push(start));
        let chunk = vec![fill; 1 << 20];
        let total = count(1, 10) << 10;
        for _ in 0..total {
            if !verifier.push(&chunk) {
                break;
            }
        }
        let before_newline = rss_kib();
        verifier.push(b"\n");
        let held = before_newline.unwrap_or(0);
        assert!(held < 1 << 20, "{held} KiB are held for a line of {total} MiB");
        let report = verifier.finish();
        if start.is_empty() {
            assert!(matches!(report.verdict, Verdict::Invalid(_)), "no log record");
        } else {
            assert_eq!(report.verdict, Verdict::Incomplete);
            assert!(report.missing[0].to_string().contains("never finished"), "{:?}", report.missing);
        }
    }
    // The same as a reader that never ends: it is read on and not kept.
    let mut endless = Endless { left: (MAX_LINE_BYTES as u64) * 4 };
    let report = verify_jsonl(sample.chain(&mut endless), &trust(), |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(report.missing[0].to_string().contains("never finished"), "{:?}", report.missing);
    let lines = io::repeat(b'\n').take(1 << 20);
    let report = verify_jsonl(sample.chain(lines), &trust(), |_| {}).unwrap();
    assert_ne!(report.verdict, Verdict::Valid);
}

#[test]
fn row_24_a_commit_without_end_is_given_up() {
    let sample = to_jsonl(&sample_records());
    let line = [&vec![b'x'; 1 << 20][..], b"\n"].concat();
    let mut verifier = LogVerifier::new(trust()).unwrap();
    assert!(verifier.push(&sample));
    let pushed = (0..MAX_COMMIT_BYTES / line.len() + 2).take_while(|_| verifier.push(&line)).count();
    assert!(pushed * line.len() <= MAX_COMMIT_BYTES + line.len());
    let report = verifier.finish();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(
        report.missing.iter().any(|missing| missing.to_string().contains("larger than 320 MiB")),
        "{:?}",
        report.missing
    );
}

#[test]
fn row_24_a_reader_that_fails_is_an_error_and_no_verdict() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    assert_eq!(verify_jsonl(Broken, &trust(), |_| {}).unwrap_err().to_string(), "the disk is gone");
}

#[test]
fn row_26_what_anybody_chose_is_escaped_in_errors_and_findings() {
    let name = "a\u{1b}[2J\u{7}\u{202e}\u{2066}\u{200b}\u{85}b\n";
    let shown = [
        LogError::StreamNotFound(name.into()).to_string(),
        LogError::StreamExists(name.into()).to_string(),
        LogError::StreamDeprecated(name.into()).to_string(),
        LogError::EmptySegment(name.into()).to_string(),
        LogError::MacKeyMissing { stream: name.into(), configured: None }.to_string(),
        Finding::new(FindingCode::PolicyMismatch, Place::Stream(name.into()), "x").to_string(),
        LogError::InvalidRecord(Box::new(Finding::new(FindingCode::Gap, Place::Stream(name.into()), "x"))).to_string(),
        LogError::Invalid(Invalid { field: "stream", problem: Problem::ControlCharacter }).to_string(),
    ];
    for text in shown {
        assert!(text.chars().all(is_harmless), "{text:?}");
    }
    // What a verifier says of names that a file holds.
    let escaped = br#"{"t":"n\u202ew","x":1}"#;
    let escaped = ("an escaped kind", [&to_jsonl(&sample_records())[..], escaped, b"\n"].concat());
    let marked = marked_logs().into_iter().map(|(what, records)| (what, to_jsonl(&records)));
    for (what, file) in marked.chain([escaped]) {
        let report = read(&file, &trust());
        let finding = match &report.verdict {
            Verdict::Invalid(finding) => Some(finding.to_string()),
            _ => None,
        };
        let texts: Vec<String> = report.missing.iter().map(ToString::to_string).chain(finding).collect();
        assert!(!texts.is_empty() && texts.iter().all(|text| text.chars().all(is_harmless)), "{what}: {report:?}");
    }
}

#[test]
fn row_31_nothing_that_holds_a_key_shows_it() {
    let secret = secure_log_testkit::TestKeystore::mac_secret("mac");
    let key = HmacKey::new(secret);
    let mut keys = Trust::new();
    keys.add_hmac_key(key.clone());
    let options = secure_log::engine::LogOptions { trust: keys.clone(), ..options() };
    let verifier = LogVerifier::new(keys.clone()).unwrap();
    let shown = [
        format!("{key:?}"),
        format!("{keys:?}"),
        format!("{options:?}"),
        format!("{verifier:?}"),
        format!("{:?}", Verifier::new(keys)),
        format!("{:?}", providers()),
    ];
    let decimal: Vec<String> = secret.iter().map(u8::to_string).collect();
    let decimal = decimal.join(", ");
    let forms = [Hash(secret).to_hex(), Hash(secret).to_hex().to_uppercase(), decimal[..40].into()];
    for text in shown {
        for form in &forms {
            assert!(!text.contains(form), "{text}");
            assert!(!text.contains(&form[..16]), "{text}");
        }
    }
    let error = LogError::Store(StoreError::Config("x".into()));
    assert!(!format!("{error:?} {error}").contains(&forms[0]));
}

fn read(file: &[u8], trust: &Trust) -> Report {
    verify_jsonl(file, trust, |_| {}).expect("reading from memory does not fail")
}

fn root_of(leaves: &[Hash]) -> Hash {
    let mut tree = CompactTree::new();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

fn inclusion_proof(leaves: &[Hash], index: u64) -> Vec<Hash> {
    assemble(&ProofPlan::inclusion(index, leaves.len() as u64).unwrap(), leaves)
}

fn consistency_proof(leaves: &[Hash], old: u64) -> Vec<Hash> {
    assemble(&ProofPlan::consistency(old, leaves.len() as u64).unwrap(), leaves)
}

fn assemble(plan: &ProofPlan, leaves: &[Hash]) -> Vec<Hash> {
    let root = |s: secure_log::tree::Subtree| root_of(&leaves[(s.index << s.level) as usize..][..1 << s.level]);
    plan.assemble(&plan.subtrees().map(root).collect::<Vec<Hash>>()).unwrap()
}

/// Memory that this process holds, where the system says so.
fn rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A line that goes on and on.
struct Endless {
    left: u64,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        out[..count].fill(b'{');
        self.left -= count as u64;
        Ok(count)
    }
}
