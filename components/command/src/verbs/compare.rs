//! `compare`: whether two heads of one log are of one history.

use serde_json::json;

use super::{JSON, KEY, POLICY, Verb, print_text, trusted};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::tree::{self, Comparison, VerifiedEquivocation, VerifiedHead};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;
use crate::text::{hash_from_base64, hex};

pub(super) const VERB: Verb = Verb {
    name: "compare",
    summary: "compare two heads of one log, or two proofs of one entry; or check evidence of two histories",
    details: "\
Standard input holds one after the other: two signed heads and, where their sizes differ, the lines that
`prove-consistency` printed; or two proofs as `prove-entry` prints them; or evidence, as `compare` prints it. No log is opened.

consistent       they are of one history (exit code 0)
not comparable   their sizes differ, and no proof shows anything (exit code 3)
equivocation     the key signed two histories (exit code 1). What is printed is the evidence: anybody can check it with the
                 log's key, by handing it to `compare`

Which witnesses cosigned is not asked: two heads that the log signed are evidence whoever has seen them.",
    syntax: Syntax { operands: "", options: &[&KEY, &POLICY, &JSON] },
    run,
};

/// Two proofs of the largest entries, and what stands around them.
const MAX_INPUT_BYTES: usize = 48 << 20;
const EVIDENCE: &str = "secure-log/equivocation@";
const TLOG_PROOF: &str = "c2sp.org/tlog-proof@";

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let keys = trusted(given)?;
    let input = input::read_text("what is compared", MAX_INPUT_BYTES)?;
    if input.starts_with(EVIDENCE) {
        out.show(&evidence(&tree::verify_equivocation(&input, &keys)?));
        return Ok(Exit::Success);
    }
    let (signed, rest) = parts(&input);
    let [one, other] = &signed[..] else {
        return Err(Failure::usage(format!(
            "standard input holds {} signed heads or proofs, and not two",
            signed.len()
        )));
    };
    let compared = if one.starts_with(TLOG_PROOF) && rest.is_empty() {
        tree::compare_entries(one, other, &keys)?
    } else {
        tree::compare_heads(one, other, hashes(&rest)?.as_deref(), &keys)?
    };
    Ok(match compared {
        Comparison::Consistent => {
            out.show(&json!({ "comparison": "consistent" }));
            Exit::Success
        }
        Comparison::NotComparable(why) => {
            let why = why.map_or("a consistency proof is missing".to_owned(), |why| Failure::from(why).what);
            out.show(&json!({ "comparison": "not comparable", "why": why }));
            Exit::Incomplete
        }
        Comparison::Equivocation(evidence) => {
            print_text(given, out, "evidence", &evidence);
            Exit::Invalid
        }
    })
}

/// What stands on standard input: texts that end with lines of signatures, and what follows the last of them.
fn parts(input: &str) -> (Vec<String>, Vec<&str>) {
    let (mut signed, mut part, mut lines) = (Vec::new(), String::new(), Vec::new());
    let mut ended = false;
    for line in input.lines() {
        let signature = line.starts_with("— ");
        if ended && !signature {
            signed.push(core::mem::take(&mut part));
            lines.clear();
        }
        // Blank lines may stand between the texts; within them they mean something.
        if !(line.is_empty() && part.is_empty()) {
            part.extend([line, "\n"]);
            lines.push(line);
        }
        ended = signature;
    }
    if ended {
        signed.push(part);
        lines.clear();
    }
    (signed, lines)
}

fn hashes(lines: &[&str]) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let lines = lines.iter().filter(|line| !line.is_empty());
    let hashes: Vec<Vec<u8>> = lines
        .map(|line| hash_from_base64(line).ok_or_else(|| Failure::usage(format!("\"{line}\" is no hash in base64"))))
        .collect::<Result<_, _>>()?;
    Ok(Some(hashes).filter(|hashes| !hashes.is_empty()))
}

fn evidence(verified: &VerifiedEquivocation) -> serde_json::Value {
    let head = |head: &VerifiedHead| json!({ "size": head.size, "root": hex(&head.root) });
    json!({
        "verdict": "valid",
        "comparison": "equivocation",
        "origin": verified.one.origin,
        "one": head(&verified.one),
        "other": head(&verified.other),
        "seqno": verified.seqno,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_where_their_signatures_end() {
        let (one, other) = ("a\n1\nr\n\n— a x\n— w y\n", "a\n2\ns\n\n— a z\n");
        for between in ["", "\n", "\n\n"] {
            let input = format!("{one}{between}{other}");
            let (signed, rest) = parts(&input);
            assert_eq!((signed, rest), (vec![one.to_owned(), other.to_owned()], Vec::new()));
        }
        let input = format!("{one}{other}\nhash\nhash 2\n");
        let (signed, rest) = parts(&input);
        assert_eq!((signed.len(), rest), (2, vec!["hash", "hash 2"]));
        assert_eq!(parts("").0.len(), 0);
    }
}
