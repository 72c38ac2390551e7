//! The golden evidence bundles (vectors/secure-log/bundles): one fault each, most of them rows of the attack table, and what
//! is right of each kind. This library and the independent reader tools/secure_log_ref.py say the same of every one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::*;
use secure_log::bundle::{BundleReport, BundleVerifier, verify_bundle};
use secure_log::jsonl::{BundleLine, parse_bundle_line, write_bundle_line, write_record};
use secure_log::verify::{Trust, Verdict};
use serde_json::Value;

/// Name, row of the attack table, what has to come out, and the bundle.
fn bundles() -> Vec<(String, Option<u64>, String, Vec<u8>)> {
    let expected = json(&golden("bundles/expected.json"));
    let expected = expected.as_object().unwrap();
    let read = |(name, case): (&String, &Value)| {
        let bundle = fs::read(golden(&format!("bundles/{name}.jsonl"))).unwrap();
        (name.clone(), case["row"].as_u64(), text(&case["expected"]).into(), bundle)
    };
    expected.iter().map(read).collect()
}

fn in_pieces(bundle: &[u8], size: usize, trust: &Trust) -> BundleReport {
    let mut verifier = BundleVerifier::new(trust.clone()).unwrap();
    bundle.chunks(size).all(|piece| verifier.push(piece));
    verifier.finish()
}

#[test]
fn every_bundle_has_its_verdict_however_it_is_cut() {
    let trust = golden_trust();
    let mut verdicts = BTreeMap::<String, u32>::new();
    for (name, _, expected, bundle) in bundles() {
        let whole = verify_bundle(&bundle[..], &trust).unwrap();
        assert_eq!(outcome(&whole.report), expected, "{name}: {whole:?}");
        for size in [1, 5, 100, 4096] {
            assert_eq!(in_pieces(&bundle, size, &trust), whole, "{name} in pieces of {size}");
        }
        *verdicts.entry(expected).or_default() += 1;
    }
    println!("{verdicts:?}");
    assert!(verdicts["valid"] > 20 && verdicts.len() > 15, "{verdicts:?}");
}

#[test]
fn every_row_that_a_bundle_can_show_has_one() {
    let rows: BTreeSet<u64> = bundles().into_iter().filter_map(|(_, row, ..)| row).collect();
    for row in [1, 2, 3, 5, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 26, 28] {
        assert!(rows.contains(&row), "row {row}");
    }
    let files = files_under(&golden("bundles")).len();
    assert_eq!(files, bundles().len() + 1, "a file that no line of expected.json names");
}

#[test]
fn without_the_key_of_the_keyed_suite_a_bundle_is_incomplete() {
    for name in ["entry-keyed", "stream-keyed", "keyed-entry-edited", "entry-under-a-named-key", "stream-changing"] {
        let bundle = fs::read(golden(&format!("bundles/{name}.jsonl"))).unwrap();
        let report = verify_bundle(&bundle[..], &golden_trust_without_mac()).unwrap().report;
        assert_eq!(report.verdict, Verdict::Incomplete, "{name}: {report:?}");
    }
}

#[test]
fn nothing_is_valid_to_whoever_trusts_nobody() {
    for (name, _, expected, bundle) in bundles() {
        let report = verify_bundle(&bundle[..], &Trust::new()).unwrap().report;
        assert_ne!(report.verdict, Verdict::Valid, "{name}");
        assert!(expected != "valid" || report.verdict == Verdict::Incomplete, "{name}: {report:?}");
    }
}

#[test]
fn what_is_named_in_a_report_is_shown_without_harm() {
    let bundle = fs::read(golden("bundles/names-that-turn-text-around.jsonl")).unwrap();
    let report = verify_bundle(&bundle[..], &golden_trust_without_mac()).unwrap().report;
    let said = format!("{report:?}");
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(said.contains("turned") && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn every_line_comes_back_as_it_was_written() {
    let mut lines = 0;
    for (_, _, _, bundle) in bundles() {
        for line in bundle.split_inclusive(|b| *b == b'\n') {
            let Ok(parsed) = parse_bundle_line(&line[..line.len() - 1]) else { continue };
            let (mut written, mut scratch) = (Vec::new(), Vec::new());
            match &parsed {
                BundleLine::Record(line) => match line.record(&mut scratch) {
                    Ok(record) if write_record(&record, &mut written).is_ok() => {}
                    _ => continue,
                },
                BundleLine::OtherVersion(_) => continue,
                own => write_bundle_line(own, &mut written).unwrap(),
            }
            assert_eq!(written, line);
            lines += 1;
        }
    }
    assert!(lines > 1000, "{lines}");
}
