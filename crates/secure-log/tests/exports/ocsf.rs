//! OCSF events against what is published: names, types, requirements and values of enumerations.
//!
//! The facts are those of OCSF 1.9.0 as far as it defines what is used here (`attestation`, `prev_event`, the profile
//! `record_integrity` and its attribute `attestation_list`), and otherwise those of its dictionary, base event and objects shortly
//! before 1.9.0, which its list of changes leaves as they were.

use super::*;
use serde_json::Value;

/// The type of an attribute.
#[derive(Clone, Copy)]
enum Type {
    String,
    /// `integer_t` and `long_t`.
    Integer,
    /// `timestamp_t`: milliseconds since 1970.
    Timestamp,
    /// One of these integers.
    Enumeration(&'static [i64]),
    Strings,
    Object(&'static [Fact]),
    Objects(&'static [Fact]),
    /// `object` itself: whatever the source has.
    Anything,
}

use Type::*;

/// Name, type, and whether it is required.
type Fact = (&'static str, Type, bool);

const FINGERPRINT: &[Fact] = &[
    ("algorithm", String, false),
    ("algorithm_id", Enumeration(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 99]), true),
    ("value", String, true),
];

const PREV_EVENT: &[Fact] =
    &[("fingerprint", Object(FINGERPRINT), false), ("type_uid", Integer, false), ("uid", String, true)];

const ATTESTATION: &[Fact] = &[
    ("authority_uid", String, false),
    ("chain_uid", String, false),
    ("fingerprint", Object(FINGERPRINT), false),
    ("prev_event", Object(PREV_EVENT), false),
    ("uid", String, false),
];

const PRODUCT: &[Fact] =
    &[("name", String, false), ("uid", String, false), ("vendor_name", String, false), ("version", String, false)];

const METADATA: &[Fact] = &[
    ("event_code", String, false),
    ("log_level", String, false),
    ("log_name", String, false),
    ("log_provider", String, false),
    ("log_source", String, false),
    ("original_event_uid", String, false),
    ("original_time", String, false),
    ("product", Object(PRODUCT), true),
    ("profiles", Strings, false),
    ("sequence", Integer, false),
    ("uid", String, false),
    ("version", String, true),
];

/// Those of `base_event`, and of the profile.
const BASE_EVENT: &[Fact] = &[
    ("activity_id", Enumeration(&[0, 99]), true),
    ("activity_name", String, false),
    ("attestation_list", Objects(ATTESTATION), false),
    ("category_name", String, false),
    ("category_uid", Enumeration(&[0]), true),
    ("class_name", String, false),
    ("class_uid", Enumeration(&[0]), true),
    ("message", String, false),
    ("metadata", Object(METADATA), true),
    ("raw_data", String, false),
    ("raw_data_size", Integer, false),
    ("severity", String, false),
    ("severity_id", Enumeration(&[0, 1, 2, 3, 4, 5, 6, 99]), true),
    ("time", Timestamp, true),
    ("timezone_offset", Integer, false),
    ("type_name", String, false),
    ("type_uid", Integer, true),
    ("unmapped", Anything, false),
];

/// `severity_id` with its caption.
const SEVERITIES: [(i64, &str); 7] =
    [(0, "Unknown"), (1, "Informational"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical"), (6, "Fatal")];

fn check_object(at: &str, value: &Value, facts: &[Fact]) {
    let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object"));
    for (name, required) in facts.iter().map(|(name, _, required)| (name, required)) {
        assert!(!required || object.contains_key(*name), "{at} has no {name}");
    }
    for (name, value) in object {
        let at = format!("{at}.{name}");
        let (_, kind, _) =
            facts.iter().find(|(known, ..)| known == name).unwrap_or_else(|| panic!("{at} is not published"));
        check_value(&at, value, *kind);
    }
}

fn check_value(at: &str, value: &Value, kind: Type) {
    match kind {
        String => assert!(value.is_string(), "{at}"),
        Integer | Timestamp => assert!(value.is_i64() || value.is_u64(), "{at}"),
        Enumeration(values) => assert!(values.contains(&value.as_i64().unwrap()), "{at}: {value}"),
        Strings => assert!(value.as_array().unwrap().iter().all(Value::is_string), "{at}"),
        Object(facts) => check_object(at, value, facts),
        Objects(facts) => value.as_array().unwrap().iter().for_each(|value| check_object(at, value, facts)),
        Anything => assert!(value.is_object(), "{at}"),
    }
}

#[test]
fn every_event_is_as_it_is_published() {
    let world = sealing();
    let mut log = written(&world);
    world.store.clone().prune(&[("blake3", 40)]).unwrap();
    let mut severities = std::collections::BTreeSet::new();
    for open in [false, true] {
        let (text, _) = export(&mut log, &ExportOptions { open, ..whole(Format::Ocsf) }).unwrap();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            check_object("event", &event, BASE_EVENT);
            let id = |name: &str| event[name].as_i64().unwrap();
            assert_eq!(id("type_uid"), id("class_uid") * 100 + id("activity_id"));
            let severity = event["severity"].as_str().unwrap();
            assert!(SEVERITIES.contains(&(id("severity_id"), severity)), "{severity}");
            severities.insert(id("severity_id"));
            assert_eq!(event["metadata"]["version"], "1.9.0");
            assert_eq!(event["metadata"]["profiles"][0], "record_integrity");
            // What one event names as the one before it is the uid of that one.
            let attestation = &event["attestation_list"][0];
            assert_eq!(attestation["fingerprint"]["value"], event["metadata"]["uid"]);
            if let Some(previous) = attestation.get("prev_event") {
                assert_eq!(previous["uid"], previous["fingerprint"]["value"]);
                assert!(text.contains(&format!(r#""uid":{},"version":"1.9.0""#, previous["uid"])), "{previous}");
            }
        }
    }
    assert_eq!(severities.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

/// The first entry of a stream has none before it, and the algorithm of the one before is named where it is known.
#[test]
fn a_chain_begins_where_its_stream_does() {
    let world = sealing();
    let mut log = written(&world);
    let (text, _) = export(&mut log, &whole(Format::Ocsf)).unwrap();
    let mut met = std::collections::HashSet::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let attestation = &event["attestation_list"][0];
        let is_first = met.insert(attestation["chain_uid"].as_str().unwrap().to_owned());
        assert_eq!(attestation.get("prev_event").is_none(), is_first, "{event}");
        if let Some(previous) = attestation.get("prev_event") {
            let algorithm = (&previous["fingerprint"]["algorithm_id"], &previous["fingerprint"]["algorithm"]);
            let known = [("99", "blake3"), ("99", "hmac-sha-256"), ("3", "SHA-256")];
            assert!(known.contains(&(&*algorithm.0.to_string(), algorithm.1.as_str().unwrap())), "{event}");
        }
    }
}
