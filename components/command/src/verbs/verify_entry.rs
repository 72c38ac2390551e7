//! `verify-entry`: checks a proof of one entry, without the log.

use serde_json::json;

use super::{JSON, KEY, POLICY, Verb, trusted};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::tree;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::hex;
use crate::{input, view};

pub(super) const VERB: Verb = Verb {
    name: "verify-entry",
    summary: "check the proof of one entry on standard input, without the log",
    details: "\
The proof is what `prove-entry` prints. A key signed the head, the entry says the place that it is offered for, and its bytes
hash to what stands there under the head: then the verdict is valid (exit code 0), and the entry is printed with it.
Where the policy names a quorum, its witnesses have cosigned the head; otherwise that is incomplete (3).",
    syntax: Syntax { operands: "", options: &[&KEY, &POLICY, &JSON] },
    run,
};

/// The library takes no longer one: an entry of 16 MiB in base64, and what stands around it.
const MAX_PROOF_BYTES: usize = 24 << 20;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let keys = trusted(given)?;
    let proof = input::read_text("the proof", MAX_PROOF_BYTES)?;
    let verified = tree::verify_entry(&proof, &keys)?;
    out.show(&json!({
        "verdict": "valid",
        "head": { "origin": verified.head.origin, "size": verified.head.size, "root": hex(&verified.head.root) },
        "hash": hex(&verified.entry_hash),
        "entry": view::entry(verified.entry),
    }));
    Ok(Exit::Success)
}
