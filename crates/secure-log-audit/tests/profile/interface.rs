//! wit/audit/actions.wit has the actions that the code has.

use std::fs;

use secure_log_audit::{ActionKind, Category, MemberInfo};

use crate::place::project;

const FILE: &str = "wit/audit/actions.wit";

const HEAD: &str = "\
/// The audit profile of secure-log: who did what, by what right, with what outcome; and nothing happens unrecorded.
///
/// docs/audit.md explains all of it. This file is written from the table in crates/secure-log-audit/src/table.rs, by the test of
/// that crate.
package secure-log:audit@0.1.0;

/// What was done.
interface actions {
    /// What an event belongs to, whatever its severity.
    enum category {
        /// What users, services and agents do in the course of things.
        activity,
        /// What somebody who guards the system looks at.
        security,
    }

    /// What stands in an event for a value that it does not show: a hash of 32 bytes.
    variant concealed {
        /// SHA-256 of `secure-log/v1/commit\\n`, a salt of 32 random bytes, and the value: `audit.conceal` makes one.
        commitment(list<u8>),
        /// The SHA-256 of a value that nobody can guess.
        sha256(list<u8>),
        /// The BLAKE3 of a value that nobody can guess.
        blake3(list<u8>),
    }

    /// A text that is JSON, in any spelling; what is recorded has the one of RFC 8785.
    type json = string;
";

/// What a member is in WIT, by what it is in the documentation.
fn wit_type(member: &MemberInfo) -> String {
    let name = match member.expected {
        "a text that is not empty" => "string",
        "a concealed value" => "concealed",
        "an integer from 0 to 2^53 - 1" => "u64",
        "activity or security" => "category",
        "any JSON but an empty text" => "json",
        other => panic!("{}: WIT has no type for {other}", member.name),
    };
    if member.optional { format!("option<{name}>") } else { name.into() }
}

/// A name of WIT: one that is a word of the language is marked as a name.
fn wit_name(name: &str) -> String {
    const WORDS: [&str; 2] = ["package", "result"];
    let mark = if WORDS.contains(&name) { "%" } else { "" };
    format!("{mark}{}", name.replace('_', "-"))
}

fn rendered() -> String {
    assert_eq!(Category::ALL.len(), 2, "those of the head of the file");
    let mut out = String::from(HEAD);
    for &kind in ActionKind::ALL {
        out += &format!("\n    /// {}\n    record {kind} {{\n", kind.description());
        for member in kind.members() {
            let (name, wit_type) = (wit_name(member.name), wit_type(&member));
            out += &format!("        /// {}\n        {name}: {wit_type},\n", member.description);
        }
        out += "    }\n";
    }
    out += "\n    /// What was done.\n    variant action {\n";
    for &kind in ActionKind::ALL {
        out += &format!("        /// {}\n        {kind}({kind}),\n", kind.description());
    }
    out + "    }\n}\n"
}

/// With `SECURE_LOG_UPDATE` set, the file is written anew.
#[test]
fn the_interface_has_every_action_as_the_code_has_it() {
    let (path, expected) = (project(FILE), rendered());
    if std::env::var_os("SECURE_LOG_UPDATE").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "run this test with SECURE_LOG_UPDATE=1 and look at the difference");
}
