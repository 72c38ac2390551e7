//! The golden files of this project (vectors/secure-log): encodings, hashes, trees, and whole logs with their verdicts.

use std::fs;
use std::path::Path;

use crate::support::keks::Kek;
use crate::support::*;
use secure_log::SecureLog;
use secure_log::engine::{Absent, LogOptions, Providers};
use secure_log::entry::{CheckpointRef, EntryRef, checkpoint_message, entry_message};
use secure_log::error::LogError;
use secure_log::hash::{Hash, HmacKey, KeyId, Suite};
use secure_log::jsonl::{Line, parse_line, write_record};
use secure_log::providers::{NoAnchor, UnwrapError, WrapAlgorithm};
use secure_log::record::{DataKeyRow, LogRow, StreamRow};
use secure_log::sealed::{self, DataKey, Place, PseudonymKey, PseudonymOf, SealedPayload, StreamKey};
use secure_log::store::StoreError;
use secure_log::tree::{CompactTree, ProofPlan, leaf_hash, verify_consistency, verify_inclusion};
use secure_log::verify::{LogVerifier, Report, Trust, Verdict, Verifier, verify_jsonl};
use secure_log_file::FileStore;
use secure_log_testkit::{ManualClock, SeededRandom, TestKeystore};
use serde_json::Value;
use zeroize::Zeroizing;

#[test]
fn entries_and_their_hashes() {
    let vectors = json(&golden("entries.json"));
    let key = HmacKey::new(hex(&vectors["hmac_key"]).try_into().unwrap());
    assert_eq!(key.id().to_string(), text(&vectors["hmac_key_id"]));
    let cases = items(&vectors["cases"]);
    assert!(cases.len() >= 81);
    for case in cases {
        let (name, f) = (text(&case["name"]), &case["fields"]);
        let (payload, prev) = (hex(&f["payload"]), hex(&f["prev"]));
        let entry = EntryRef {
            version: f["version"].as_u64().unwrap(),
            stream: text(&f["stream"]),
            session: text(&f["session"]),
            boot: text(&f["boot"]),
            seqno: f["seqno"].as_u64().unwrap(),
            time: text(&f["time"]),
            event: text(&f["event"]),
            severity: text(&f["severity"]),
            producer: text(&f["producer"]),
            encoding: text(&f["encoding"]),
            payload: &payload,
            prev: &prev,
        };
        let bytes = entry.encode();
        if let Some(expected) = case["bytes"].as_str() {
            assert_eq!(const_hex::encode(&bytes), expected, "{name}");
        }
        assert_eq!(bytes.len() as u64, case["bytes_len"].as_u64().unwrap(), "{name}");
        assert_eq!(Hash::sha256(&bytes).to_hex(), text(&case["bytes_sha256"]), "{name}");
        assert_eq!(EntryRef::decode(&bytes), Ok(entry), "{name}");
        let hash = match entry.version {
            1 => Hash::sha256(&bytes),
            2 => Hash(blake3::hash(&bytes).into()),
            _ => Hash(key.mac(&bytes)),
        };
        assert_eq!(hash.to_hex(), text(&case["entry_hash"]), "{name}");
        assert_eq!(const_hex::encode(entry_message(&hash)), text(&case["signed_message"]), "{name}");
    }
}

#[test]
fn checkpoints_and_policies() {
    let vectors = json(&golden("checkpoints.json"));
    for case in items(&vectors["cases"]) {
        let f = &case["fields"];
        let number = |field: &str| f[field].as_u64().unwrap();
        let [root, last_hash, prev, policy] = ["root", "last_hash", "prev", "policy"].map(|field| hex(&f[field]));
        let checkpoint = CheckpointRef {
            version: number("version"),
            stream: text(&f["stream"]),
            segment_id: number("id"),
            first: number("first"),
            last: number("last"),
            root: &root,
            last_hash: &last_hash,
            prev: &prev,
            boot: text(&f["boot"]),
            session: text(&f["session"]),
            policy: &policy,
            closed: text(&f["closed"]),
        };
        assert_eq!(const_hex::encode(checkpoint.encode()), text(&case["bytes"]));
        assert_eq!(checkpoint.hash().to_hex(), text(&case["checkpoint_hash"]));
        assert_eq!(const_hex::encode(checkpoint_message(&checkpoint.hash())), text(&case["signed_message"]));
    }
    let policies = items(&vectors["policies"]);
    assert_eq!(policies.len(), 2 * 3 * 3 * 3);
    for case in policies {
        let log = LogRow {
            id: hex(&case["log_id"]).try_into().unwrap(),
            origin: "any".into(),
            created: text(&case["log_created"]).into(),
        };
        let rules = &case["rules"];
        let key = rules["key"].as_str().map(|key| KeyId::from_hex(key).unwrap());
        let stream = StreamRow {
            name: text(&rules["name"]).into(),
            rules: secure_log::entry::StreamRules {
                tier: text(&rules["tier"]).parse().unwrap(),
                suite: Suite::from_parts(text(&rules["suite"]), key).unwrap(),
                sign: text(&rules["sign"]).parse().unwrap(),
                description: rules["description"].as_str().map(String::from),
            },
            created: text(&rules["created"]).into(),
            deprecated: None,
        };
        assert_eq!(stream.policy_hash(&log).to_hex(), text(&case["policy_hash"]), "{rules}");
    }
}

#[test]
fn sealed_payloads_wrapped_keys_and_pseudonyms() {
    let v = json(&golden("sealing.json"));
    let bytes = |name: &str| hex(&v[name]);
    let key32 = |name: &str| Zeroizing::new(<[u8; 32]>::try_from(bytes(name)).unwrap());
    let log = bytes("log_id").try_into().unwrap();
    let place = Place { log: &log, stream: text(&v["stream"]) };
    let (nonce, inner, label) = (bytes("nonce").try_into().unwrap(), text(&v["inner_encoding"]), text(&v["kek_label"]));

    let key = DataKey::new(place, key32("dek"));
    assert_eq!(key.id().to_hex(), text(&v["dek_id"]));
    let mut payload = Vec::new();
    key.seal(place, inner, &nonce, &bytes("plaintext"), &mut payload);
    assert_eq!(payload, bytes("payload"));
    assert_eq!(*key.open(place, inner, &SealedPayload::decode(&payload).unwrap()).unwrap(), bytes("plaintext"));

    let kek = Kek { key: *key32("kek"), algorithm: WrapAlgorithm::XChaCha20Poly1305, nonce };
    let row = sealed::wrap(place, (key.id(), &key32("dek")), (&kek, label), "").unwrap();
    assert_eq!((row.wrapped.clone(), &*row.alg), (bytes("wrapped"), "xchacha20poly1305"));
    assert!(matches!(sealed::unwrap(place, &row, &kek), Ok(StreamKey::Data(unwrapped)) if unwrapped.id() == key.id()));
    for changed in [
        DataKeyRow { kek: "kek-2".into(), ..row.clone() },
        DataKeyRow { id: Hash::ZERO, ..row.clone() },
        DataKeyRow { alg: "aes-kwp".into(), ..row.clone() },
    ] {
        assert!(matches!(sealed::unwrap(place, &changed, &kek), Err(UnwrapError::NotAuthentic)), "{changed:?}");
    }
    for other in [Place { stream: "b", ..place }, Place { log: &[9; 16], ..place }] {
        assert!(matches!(sealed::unwrap(other, &row, &kek), Err(UnwrapError::NotAuthentic)), "{other:?}");
    }

    let pseudonyms = PseudonymKey::new(place, key32("pseudonym_key"));
    let named = |of: PseudonymOf, value| pseudonyms.pseudonym(place, of, value) == text(&v["pseudonyms"][of.as_str()]);
    assert!(named(PseudonymOf::EventType, "user.login") && named(PseudonymOf::Producer, "authd"));
}

#[test]
fn trees_and_proofs() {
    let vectors = json(&golden("trees.json"));
    let hashes = |value: &Value| items(value).iter().map(|h| Hash::from_hex(text(h)).unwrap()).collect::<Vec<_>>();
    let leaves: Vec<Hash> = (0..257u32).map(|i| leaf_hash(&Hash::sha256(&i.to_be_bytes()))).collect();
    let tree_of = |leaves: &[Hash]| {
        let mut tree = CompactTree::new();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    };
    let root_of = |size: usize| tree_of(&leaves[..size]).root();
    // The roots that a plan asks for, computed from the leaves.
    let prove = |plan: ProofPlan| {
        let roots: Vec<Hash> = plan
            .subtrees()
            .map(|subtree| {
                let from = (subtree.index << subtree.level) as usize;
                tree_of(&leaves[from..from + (1 << subtree.level)]).root()
            })
            .collect();
        plan.assemble(&roots).unwrap()
    };
    for vector in items(&vectors["trees"]) {
        let size = vector["size"].as_u64().unwrap();
        let root = root_of(size as usize);
        assert_eq!(root.to_hex(), text(&vector["root"]), "size {size}");
        for (index, proof) in vector["inclusion"].as_object().into_iter().flatten() {
            let (index, proof) = (index.parse().unwrap(), hashes(proof));
            assert_eq!(prove(ProofPlan::inclusion(index, size).unwrap()), proof);
            assert_eq!(verify_inclusion(&leaves[index as usize], index, size, &proof, &root), Ok(()));
        }
        for (old, proof) in vector["consistency"].as_object().into_iter().flatten() {
            let (old, proof): (u64, _) = (old.parse().unwrap(), hashes(proof));
            assert_eq!(prove(ProofPlan::consistency(old, size).unwrap()), proof);
            assert_eq!(verify_consistency(old, &root_of(old as usize), size, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn every_log_has_the_verdict_that_is_expected() {
    let expected = json(&golden("logs/expected.json"));
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), 167);
    let trust = golden_trust();
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        let log = log_file(name);
        let report = verify_jsonl(&log[..], &trust, |_| {}).unwrap();
        if outcome(&report) != text(expected) {
            wrong.push(format!("{name}: expected {expected}, found {:?} {:?}", report.verdict, report.missing));
        }
        // However the bytes come, the answer is the same.
        for size in [1, 7, 512] {
            assert_eq!(in_pieces(&log, size, &trust), report, "{name} in pieces of {size}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// With the keys that wrap, sealed payloads are opened, and more is known.
#[test]
fn every_sealed_log_has_the_verdict_that_is_expected_with_its_keys() {
    let vectors = json(&golden("opened.json"));
    let mut trust = golden_trust();
    for (label, key) in vectors["keks"].as_object().unwrap() {
        let algorithm = match &**label {
            "kek-gcm" => WrapAlgorithm::AesGcm,
            "kek-kwp" => WrapAlgorithm::AesKwp,
            _ => WrapAlgorithm::XChaCha20Poly1305,
        };
        let kek = Kek { key: hex(key).try_into().unwrap(), algorithm, nonce: [0; 24] };
        trust.add_wrapping_key(label, Box::new(kek));
    }
    let (mut sealed, cases) = (0, vectors["cases"].as_object().unwrap());
    for (name, expected) in cases {
        let report = verify_jsonl(&log_file(name)[..], &trust, |_| {}).unwrap();
        assert_eq!(outcome(&report), text(&expected["verdict"]), "{name}: {report:?}");
        if let Some(unopened) = expected["unopened"].as_u64() {
            assert_eq!(report.unopened, unopened, "{name}");
            assert_eq!(report.erased_payloads, expected["erased_payloads"].as_u64().unwrap(), "{name}");
        }
        assert_eq!(in_pieces(&log_file(name), 7, &trust), report, "{name} in pieces");
        sealed += u32::from(report.unopened == 0 && report.verdict == Verdict::Valid);
    }
    assert!(cases.len() >= 14 && sealed >= 5);
}

#[test]
fn who_trusts_nobody_finds_no_log_valid() {
    let smallest: Trust = "quorum none".parse().unwrap();
    let (mut wrong, mut incomplete) = (Vec::new(), 0);
    for (name, expected) in json(&golden("logs/expected.json")).as_object().unwrap() {
        for trust in [Trust::new(), smallest.clone()] {
            let report = verify_jsonl(&log_file(name)[..], &trust, |_| {}).unwrap();
            let is_as_good = outcome(&report) == "incomplete" && report.complete_to == 0 && !report.missing.is_empty();
            let is_invalid = matches!(report.verdict, Verdict::Invalid(_)) && text(expected) != "valid";
            if !is_as_good && !is_invalid {
                wrong.push(format!("{name}: {:?}", report.verdict));
            }
            incomplete += usize::from(is_as_good);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(incomplete > 100, "{incomplete}");
}

#[test]
fn records_have_the_verdict_of_their_lines() {
    let trust = golden_trust();
    let mut compared = Vec::new();
    for name in json(&golden("logs/expected.json")).as_object().unwrap().keys() {
        let log = log_file(name);
        // A store hands out neither lines that are no records nor what follows the last head.
        let Some(lines) = log.split_inclusive(|b| *b == b'\n').map(whole_line).collect::<Option<Vec<Line<'_>>>>()
        else {
            continue;
        };
        let mut scratch = Vec::new();
        if !matches!(lines.last(), Some(Line::Head(_))) || lines.iter().any(|line| line.record(&mut scratch).is_err()) {
            continue;
        }
        let mut verifier = Verifier::new(trust.clone());
        let found = lines.iter().zip(1..).try_for_each(|(line, number)| {
            let mut scratch = Vec::new();
            verifier.record(line.record(&mut scratch).unwrap(), number)
        });
        let report = match found {
            Ok(()) => verifier.finish(0),
            Err(finding) => verifier.invalid(finding),
        };
        assert_eq!(report, verify_jsonl(&log[..], &trust, |_| {}).unwrap(), "{name}");
        compared.push(name.clone());
    }
    assert!(compared.len() > 70, "only {compared:?} consist of whole records");
    assert!(compared.iter().any(|name| name == "unknown-record"), "{compared:?}");
}

#[test]
fn the_file_store_keeps_every_verdict() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden.jsonl");
    let (mut read, mut finished) = (Vec::new(), 0);
    let expected = json(&golden("logs/expected.json"));
    for (name, expected) in expected.as_object().unwrap() {
        let log = log_file(name);
        fs::write(&path, &log).unwrap();
        let report = match verify_stored(&path) {
            Ok(report) => report,
            Err(error) => {
                // A refusal is as good as a finding.
                assert_ne!(expected, "valid", "{name}: {error}");
                let of_version = matches!(&error, LogError::Store(StoreError::LaterVersion { .. }));
                assert_eq!(of_version, name == "format-version-2", "{name}: {error}");
                continue;
            }
        };
        read.push(name.as_str());
        assert_eq!(outcome(&report), text(expected), "{name}: {report:?}");
        if outcome(&report) == "incomplete" {
            assert_eq!(report.missing, verify_jsonl(&log[..], &golden_trust(), |_| {}).unwrap().missing, "{name}");
        }
        let now = fs::read(&path).unwrap();
        if now != log {
            assert!(name.starts_with("prune-"), "{name}: reading writes nothing");
            // Opening finishes a prune that is on record, as after a crash, and changes nothing else.
            let lines = |log: &[u8]| String::from_utf8_lossy(log).lines().map(str::to_owned).collect::<Vec<_>>();
            for (before, after) in lines(&log).iter().zip(&lines(&now)) {
                let went = before.starts_with("{\"t\":\"entry\"") && after.starts_with("{\"t\":\"pruned\"");
                assert!(before == after || went, "{name}: {before} became {after}");
            }
            assert_eq!(lines(&log).len(), lines(&now).len(), "{name}");
            assert_eq!(outcome(&verify_jsonl(&now[..], &golden_trust(), |_| {}).unwrap()), text(expected), "{name}");
            finished += 1;
        }
    }
    assert!(read.len() > 80 && read.contains(&"unknown-record"), "{read:?}");
    assert_eq!(finished, 6, "logs whose prune was not finished");
}

/// The engine's verdict on the log at `path`, by the keys that the golden logs are verified with and without one to write.
fn verify_stored(path: &Path) -> Result<Report, LogError> {
    let providers = Providers {
        keystore: Box::new(TestKeystore::new()),
        anchor: Box::new(NoAnchor),
        clock: Box::new(ManualClock::new()),
        random: Box::new(SeededRandom::new(1)),
    };
    let options = LogOptions { absent: Absent::Refuse, trust: golden_trust(), ..LogOptions::default() };
    SecureLog::open(FileStore::open(path)?, providers, options)?.verify_log()
}

#[test]
fn what_the_key_of_the_keyed_suite_would_tell_is_incomplete_without_it() {
    let without = verify_jsonl(&log_file("valid")[..], &golden_trust_without_mac(), |_| {}).unwrap();
    assert_eq!(outcome(&without), "incomplete");
    let mut other_key = golden_trust_without_mac();
    other_key.add_hmac_key(HmacKey::new([0; 32]));
    let report = verify_jsonl(&log_file("suite-changes-announced")[..], &other_key, |_| {}).unwrap();
    assert_eq!(outcome(&report), "incomplete");
    assert_eq!(
        report.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["stream 'a': no HMAC key with this stream's key id was given"]
    );
}

#[test]
fn the_report_says_what_the_verdict_rests_on() {
    let report = verify_jsonl(&log_file("valid")[..], &golden_trust(), |_| {}).unwrap();
    assert_eq!(report.origin, golden_trust().origin().unwrap());
    assert_eq!((report.size, report.complete_to, report.entries), (14, 14, 14));
    assert_eq!((report.segments, report.signatures, report.heads, report.pruned), (2, 2, 3, 0));
    assert!(report.missing.is_empty() && report.unknown_signers.is_empty());
    let report = verify_jsonl(&log_file("extra-unknown-signature")[..], &golden_trust(), |_| {}).unwrap();
    assert_eq!(report.unknown_signers, ["nobody"]);
    let report = verify_jsonl(&log_file("cosigned")[..], &golden_trust(), |_| {}).unwrap();
    assert_eq!(report.cosignatures, 1);
}

#[test]
fn every_line_that_is_read_is_written_back_as_it_was() {
    let mut lines = 0;
    for name in json(&golden("logs/expected.json")).as_object().unwrap().keys() {
        let log = log_file(name);
        for line in log.split_inclusive(|b| *b == b'\n') {
            let Some(parsed) = whole_line(line).filter(|line| !matches!(line, Line::Unknown(_))) else { continue };
            let mut scratch = Vec::new();
            let Ok(record) = parsed.record(&mut scratch) else { continue };
            let mut written = Vec::new();
            write_record(&record, &mut written).unwrap();
            assert_eq!(written, line);
            lines += 1;
        }
    }
    assert!(lines > 2000, "{lines}");
}

fn whole_line(line: &[u8]) -> Option<Line<'_>> {
    parse_line(line.strip_suffix(b"\n")?).ok()
}

fn log_file(name: &str) -> Vec<u8> {
    fs::read(golden(&format!("logs/{name}.jsonl"))).unwrap()
}

fn in_pieces(log: &[u8], size: usize, trust: &Trust) -> Report {
    let mut verifier = LogVerifier::new(trust.clone()).unwrap();
    for piece in log.chunks(size) {
        if !verifier.push(piece) {
            break;
        }
    }
    verifier.finish()
}
