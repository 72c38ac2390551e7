//! Golden files, written by the reference reader, which shares no code with the product; and other people's vectors.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use secure_log_audit::{ActionKind, Concealed, Disclosure, Event, EventError, Json, JsonProblem, Number, OutcomeKind};
use secure_log_testkit::{SeededRandom, count, seed};
use serde_json::Value;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn golden(name: &str) -> Value {
    let path = project("vectors/secure-log/audit").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn hex(value: &Value) -> Vec<u8> {
    const_hex::decode(text(value)).expect("hexadecimal")
}

/// Says what was not run, also where the output of tests that pass is captured.
fn not_run(what: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {what}");
}

fn spelled(document: &[u8]) -> Option<String> {
    let canonical = Json::parse(document).ok()?.to_canonical().expect("what was read can be written");
    Some(String::from_utf8(canonical).expect("JSON is text"))
}

#[test]
fn every_kind_of_event_and_outcome_reads_and_writes_the_same_bytes() {
    let file = golden("events.json");
    assert_eq!(text(&file["encoding"]), secure_log_audit::AUDIT_V1);
    let mut seen = BTreeSet::new();
    for case in items(&file["events"]) {
        let (name, payload) = (text(&case["name"]), text(&case["payload"]));
        let event = Event::decode(payload.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(String::from_utf8(event.encode().unwrap()).unwrap(), payload, "{name}");
        assert_eq!(
            (event.event_type().as_str(), event.severity().as_str()),
            (text(&case["event_type"]), text(&case["severity"]))
        );
        seen.insert((event.action.kind(), event.outcome.kind()));
    }
    let all = ActionKind::ALL.iter().flat_map(|kind| OutcomeKind::ALL.iter().map(|outcome| (*kind, *outcome)));
    assert_eq!(seen, all.collect(), "every kind with every outcome");
}

#[test]
fn what_version_1_never_wrote_is_refused() {
    for case in items(&golden("refused.json")) {
        let refused = Event::decode(text(&case["payload"]).as_bytes());
        assert!(refused.is_err(), "{}: {refused:?}", text(&case["why"]));
        let why = text(&case["why"]);
        if why.starts_with("an unknown member") {
            assert!(matches!(refused, Err(EventError::Unknown { .. })), "{why}: {refused:?}");
        } else if why == "the wrong category" {
            assert!(matches!(refused, Err(EventError::Contradiction(_))), "{why}: {refused:?}");
        } else if ["another order", "a space", "an escape that is not needed"].contains(&why) {
            assert_eq!(refused, Err(EventError::NotCanonical), "{why}");
        }
    }
}

#[test]
fn documents_have_the_spelling_of_the_reference_reader() {
    let file = golden("canonical.json");
    for case in items(&file["accepted"]) {
        assert_eq!(
            spelled(text(&case["input"]).as_bytes()).as_deref(),
            Some(text(&case["canonical"])),
            "{}",
            case["input"]
        );
    }
    for case in items(&file["refused"]) {
        assert_eq!(spelled(&hex(case)), None, "{}", String::from_utf8_lossy(&hex(case)));
    }
    for case in items(&golden("numbers.json")) {
        let bits = u64::from_be_bytes(hex(&case["bits"]).try_into().unwrap());
        let number = Json::Number(Number::new(f64::from_bits(bits)).unwrap());
        let canonical = number.to_canonical().unwrap();
        assert_eq!(String::from_utf8_lossy(&canonical), text(&case["spelled"]), "{bits:016x}");
        let read = Json::parse(&canonical).unwrap();
        assert_eq!(read, number, "zero is zero, with a sign or without");
    }
}

#[test]
fn concealed_values_are_those_of_the_reference_reader() {
    for case in items(&golden("concealed.json")) {
        let value = match items_or_none(&case["repeated"]) {
            Some([byte, times]) => hex(byte).repeat(times.as_u64().unwrap() as usize),
            _ => hex(&case["value"]),
        };
        let disclosure = Disclosure::from_hex(text(&case["salt"])).unwrap();
        let recorded = |field: &str, make: fn(secure_log::hash::Hash) -> Concealed| {
            make(secure_log::hash::Hash::from_hex(text(&case[field])).unwrap())
        };
        let commitment = recorded("commitment", Concealed::Commitment);
        assert!(disclosure.discloses(&commitment, &value));
        assert!(!disclosure.discloses(&commitment, &[&value[..], b"x"].concat()));
        assert!(recorded("sha256", Concealed::Sha256).is_hash_of(&value));
        assert!(recorded("blake3", Concealed::Blake3).is_hash_of(&value));
    }
}

fn items_or_none(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

#[test]
fn the_vectors_of_rfc_8785() {
    let Some(folder) = std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") else {
        return not_run("jcs: SECURE_LOG_PUBLIC_VECTORS does not say where the public vectors are");
    };
    let data = Path::new(&folder).join("jcs/testdata");
    let mut seen = 0;
    for file in fs::read_dir(data.join("input")).unwrap() {
        let file = file.unwrap().file_name();
        let read = |folder: &str| fs::read(data.join(folder).join(&file)).unwrap();
        let canonical = spelled(&read("input")).unwrap();
        assert_eq!(canonical.as_bytes(), read("output"), "{file:?}");
        let hex = fs::read_to_string(data.join("outhex").join(&file).with_extension("txt")).unwrap();
        let bytes: Vec<u8> = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        assert_eq!(canonical.as_bytes(), bytes, "{file:?}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

/// Documents that are almost JSON: of pieces that a reader could stumble over.
fn document(random: &mut SeededRandom, depth: u64) -> String {
    let pieces = [
        "0",
        "-0",
        "1.0",
        "1e5",
        "-1E-7",
        "9007199254740993",
        "1e400",
        "01",
        "true",
        "null",
        "\"\"",
        "\"a\"",
        "\"\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\uffff\"",
        "\"\u{1f600}\"",
        "\"\u{fdd0}\"",
        "\"\\/\\b\"",
        "\"\u{7f}\u{85}\u{2028}\"",
        "\"\\x\"",
        "tru",
        "NaN",
        "\"\u{1}\"",
        "123456789012345680000",
        "0.1",
        "\"\\u00e9\u{301}\"",
    ];
    // Most of the pieces that no reader takes are left out in most documents: otherwise hardly any would be read.
    let piece = |random: &mut SeededRandom| loop {
        let piece = *random.pick(&pieces);
        if Json::parse(piece.as_bytes()).is_ok() || random.below(12) == 0 {
            return piece.to_owned();
        }
    };
    if depth == 0 || random.below(3) == 0 {
        return piece(random);
    }
    let space = *random.pick(&["", "", " ", "\t"]);
    let items: Vec<String> = (0..random.below(5)).map(|_| document(random, depth - 1)).collect();
    if random.below(2) == 0 {
        return format!("[{space}{}]", items.join(&format!("{space},")));
    }
    let keys = ["a", "b", "\\u0061", "\u{fb33}", "\u{1f600}", "", "\\\"", "\u{e9}", "e\u{301}", "z"];
    let members: Vec<String> =
        items.into_iter().map(|item| format!("{space}\"{}\"{space}:{item}", random.pick(&keys))).collect();
    format!("{{{}{space}}}", members.join(","))
}

#[test]
fn random_documents_have_the_spelling_of_the_reference_reader() {
    let mut random = SeededRandom::new(seed());
    let documents: Vec<String> = (0..count(2000, 200_000)).map(|_| document(&mut random, 4)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents");
    fs::write(&file, documents.iter().map(|document| format!("{document}\n")).collect::<String>()).unwrap();
    let reader = project("tools/secure_log_ref.py");
    let python = std::env::var("SECURE_LOG_PYTHON").unwrap_or_else(|_| "python3".into());
    let Ok(output) = Command::new(&python).arg(&reader).arg("canonical").arg(&file).output() else {
        return not_run(&format!("the spelling of random documents: there is no {python}"));
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = answers.split_terminator('\n').collect();
    assert_eq!(answers.len(), documents.len());
    let mut accepted = 0;
    for (document, answer) in documents.iter().zip(answers) {
        let ours = spelled(document.as_bytes());
        assert_eq!(ours.as_deref().unwrap_or("refused"), answer, "{document}");
        accepted += u64::from(ours.is_some());
    }
    let of = documents.len() as u64;
    assert!(accepted * 4 > of && accepted < of, "{accepted} of {of} were read");
}

#[test]
fn a_document_that_is_too_large_for_an_entry_is_no_event() {
    let huge = vec![b' '; secure_log_audit::MAX_JSON_BYTES + 1];
    let Err(EventError::Json(error)) = Event::decode(&huge) else { panic!("it was read") };
    assert_eq!(error.problem, JsonProblem::TooLong);
}
