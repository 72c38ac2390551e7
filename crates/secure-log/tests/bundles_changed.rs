//! Evidence bundles that were changed at random: none is valid and says something else than before, and this library and
//! the independent reader tools/secure_log_ref.py say the same of each.
//!
//! 400 of them by default, 2,000 where SECURE_LOG_SOAK is set. SECURE_LOG_SEED repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::damage::change_bytes;
use crate::support::dice::Dice;
use crate::support::reference::{Reads, Reference, agreed};
use crate::support::{golden, golden_trust, json, outcome, text};
use secure_log::bundle::{Claim, verify_bundle};
use secure_log::hash::Hash;
use secure_log::jsonl::{BundleLine, Line, parse_bundle_line, write_record};
use secure_log::record::{EntryRow, Record};
use secure_log::verify::Verdict;
use secure_log_testkit::{count, seed};

#[test]
fn every_golden_bundle_has_one_verdict() {
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Bundles) else { return };
    let expected = json(&golden("bundles/expected.json"));
    for (name, case) in expected.as_object().unwrap() {
        let bundle = fs::read(golden(&format!("bundles/{name}.jsonl"))).unwrap();
        let report = verify_bundle(&bundle[..], &golden_trust()).unwrap().report;
        agreed(&bundle, &report, &mut reference, name);
        assert_eq!(outcome(&report), text(&case["expected"]), "{name}");
    }
}

#[test]
fn changed_bundles_have_one_verdict_and_none_means_something_else() {
    let Some(mut reference) = Reference::start(&golden("log.json"), Reads::Bundles) else { return };
    let (count, seed) = (count(400, 2_000), seed());
    println!("{count} bundles from SECURE_LOG_SEED={seed}");
    let sources = valid_bundles();
    let trust = golden_trust();
    let mut verdicts = BTreeMap::<String, u32>::new();
    for number in 0..count {
        let dice = &mut Dice::new(seed + number);
        let (name, bundle) = &sources[number as usize % sources.len()];
        let changed = match dice.roll(3) {
            0 => change_bytes(bundle.clone(), dice),
            1 => change_values(bundle, dice),
            _ => hash_anew(&change_values(bundle, dice)),
        };
        let found = verify_bundle(&changed[..], &trust).unwrap();
        let which = format!("SECURE_LOG_SEED={} {name}", seed + number);
        agreed(&changed, &found.report, &mut reference, &which);
        if found.report.verdict == Verdict::Valid {
            assert_eq!(meaning(&changed), meaning(bundle), "{which}: valid, and it means something else");
        }
        *verdicts.entry(outcome(&found.report).into()).or_default() += 1;
    }
    println!("{verdicts:?}");
    assert!(verdicts.len() >= 9, "the changes are too much alike: {verdicts:?}");
}

fn valid_bundles() -> Vec<(String, Vec<u8>)> {
    let expected = json(&golden("bundles/expected.json"));
    let valid = expected.as_object().unwrap().iter().filter(|(_, case)| case["expected"] == "valid");
    valid.map(|(name, _)| (name.clone(), fs::read(golden(&format!("bundles/{name}.jsonl"))).unwrap())).collect()
}

/// What a bundle says: its claim, its entries in order, and those that stand apart, which come in any order.
fn meaning(bundle: &[u8]) -> (Option<Claim>, Vec<&[u8]>, BTreeSet<&[u8]>) {
    let (mut claim, mut entries, mut apart) = (None, Vec::new(), BTreeSet::new());
    for line in bundle.split(|b| *b == b'\n') {
        let seqno = match parse_bundle_line(line) {
            Ok(BundleLine::Claim(said)) => {
                claim = Some(said);
                continue;
            }
            Ok(BundleLine::Record(Line::Entry(entry))) => entry.seqno,
            Ok(BundleLine::Record(Line::Pruned(pruned))) => pruned.row().seqno,
            _ => continue,
        };
        let (first, last) = claim.as_ref().map_or((0, 0), Claim::range);
        if (first..=last).contains(&seqno) {
            entries.push(line);
        } else {
            apart.insert(line);
        }
    }
    (claim, entries, apart)
}

/// Sets some values to those that stand under the same key elsewhere, or to one more or less.
fn change_values(bundle: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bundle = String::from_utf8(bundle.into()).unwrap();
    for _ in 0..=dice.roll(2) {
        let values = values_of(&bundle);
        let (key, from, to) = values[dice.index(values.len())].clone();
        let old = &bundle[from..to];
        let others: Vec<&str> =
            values.iter().filter(|(other, ..)| *other == key).map(|(_, from, to)| &bundle[*from..*to]).collect();
        let others: Vec<&str> = others.into_iter().filter(|other| *other != old).collect();
        let value = match old.parse::<u64>() {
            Ok(number) if others.is_empty() || dice.chance(2) => {
                number.wrapping_add(dice.roll(2) * 2).wrapping_sub(1).to_string()
            }
            _ if others.is_empty() => continue,
            _ => others[dice.index(others.len())].to_owned(),
        };
        bundle.replace_range(from..to, &value);
    }
    bundle.into_bytes()
}

/// Every value that is a number, a word or a string without escapes: its key, and where it stands.
fn values_of(bundle: &str) -> Vec<(String, usize, usize)> {
    let mut values = Vec::new();
    for (at, _) in bundle.match_indices("\":") {
        let key = bundle[..at].rsplit('"').next().unwrap();
        let from = at + 2;
        let rest = &bundle[from..];
        let length = match rest.strip_prefix('"') {
            Some(string) => string.find('"').map(|end| end + 2),
            None => rest.find([',', '}']),
        };
        if let Some(length) = length.filter(|length| !rest[..*length].contains('\\')) {
            values.push((key.into(), from, from + length));
        }
    }
    values
}

/// Writes the hash of every entry anew, as somebody would who edited it.
fn hash_anew(bundle: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in bundle.split_inclusive(|b| *b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        match parse_bundle_line(bare) {
            Ok(BundleLine::Record(Line::Entry(entry))) if entry.payload_form_fits && entry.version < 3 => {
                let bytes = entry.entry().encode();
                let hash = match entry.version {
                    2 => Hash(blake3::hash(&bytes).into()),
                    _ => Hash::sha256(&bytes),
                };
                let row = EntryRow { seqno: entry.seqno, stream: &entry.stream, hash, bytes: &bytes };
                write_record(&Record::Entry(row), &mut out).unwrap();
            }
            _ => out.extend_from_slice(line),
        }
    }
    out
}
