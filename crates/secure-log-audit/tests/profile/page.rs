//! docs/audit.md says of each action what the code does.

use std::fs;

use secure_log_audit::{ActionKind, Event, OutcomeKind};

use crate::place::{golden_events, project};

const PAGE: &str = "docs/audit.md";
const BEGIN: &str = "<!-- actions: written by the test of crates/secure-log-audit -->\n";
const END: &str = "<!-- end of actions -->\n";

/// The part of the page that follows from the code and the golden files.
fn rendered() -> String {
    let events = golden_events();
    let severity = |kind: ActionKind, outcome| kind.severity(outcome);
    let mut out = String::from("| action | success | failure | denied | category |\n|---|---|---|---|---|\n");
    for &kind in ActionKind::ALL {
        let [success, failure, denied] =
            [OutcomeKind::Success, OutcomeKind::Failure, OutcomeKind::Denied].map(|outcome| severity(kind, outcome));
        let category = if kind == ActionKind::Custom { "its own".into() } else { kind.category().to_string() };
        out += &format!("| [`{kind}`](#{kind}) | {success} | {failure} | {denied} | {category} |\n");
    }
    for &kind in ActionKind::ALL {
        out += &format!("\n### {kind}\n\n{}\n\n", kind.description());
        let members = kind.members();
        if !members.is_empty() {
            out += "| member | is | says |\n|---|---|---|\n";
        }
        for member in members {
            let optional = if member.optional { ", or absent" } else { "" };
            out += &format!("| `{}` | {}{optional} | {} |\n", member.name, member.expected, member.description);
        }
        let name = format!("{kind}.success");
        let example = &events.iter().find(|(other, _)| *other == name).expect("an example of each action").1;
        let event = String::from_utf8(example.encode().unwrap()).unwrap();
        assert_eq!(Event::decode(event.as_bytes()).as_ref(), Ok(example));
        out += &format!("\n```json\n{event}\n```\n");
    }
    out
}

/// With `SECURE_LOG_UPDATE` set, the page is written anew.
#[test]
fn the_page_lists_every_action_as_the_code_has_it() {
    let path = project(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark");
    let (listed, after) = rest.split_once(END).expect("the page has the mark of the end");
    let expected = rendered();
    if std::env::var_os("SECURE_LOG_UPDATE").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(listed, expected, "run this test with SECURE_LOG_UPDATE=1 and look at the difference");
}

/// What is shown in Rust is a part of an example that is compiled and run.
#[test]
fn every_line_of_rust_on_the_page_stands_in_an_example_of_the_crate() {
    let page = fs::read_to_string(project(PAGE)).unwrap();
    let source = |file: &str| fs::read_to_string(project("crates/secure-log-audit/src").join(file)).unwrap();
    let examples = ["lib.rs", "guard.rs"].map(source).concat();
    let examples: Vec<&str> = examples.lines().filter_map(|line| line.trim().strip_prefix("//")).collect();
    let mut shown = 0;
    for block in page.split("```rust\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            let stands = |example: &&str| example.trim_start_matches(['/', '!']).trim() == line.trim();
            assert!(examples.iter().any(stands), "{line}");
            shown += 1;
        }
    }
    assert!(shown >= 6, "{shown}");
}
