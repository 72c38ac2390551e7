//! `prove-consistency`: that the log only grew between two heads.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::tree;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::{base64, hex};

pub(super) const VERB: Verb = Verb {
    name: "prove-consistency",
    summary: "print the hashes which show that the log of one size begins with that of a smaller one",
    details: "\
OLD and NEW are the sizes of two heads; without NEW it is the log as it stands now. Each line is a hash in base64, as
`compare` takes them behind the two heads.",
    syntax: Syntax { operands: "OLD [NEW]", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let old = number("OLD", given.required(0))?;
    let new = given.operand(1).map(|new| number("NEW", new)).transpose()?;
    open_to_read(given, out)?;
    let proof = tree::prove_consistency(old, new)?;
    let hashes: Vec<String> = proof.hashes.iter().map(|hash| base64(hash)).collect();
    if given.has(&JSON) {
        out.show(&json!({
            "old": { "size": proof.old_size, "root": hex(&proof.old_root) },
            "new": { "size": proof.new_size, "root": hex(&proof.new_root) },
            "hashes": hashes,
        }));
    } else {
        hashes.iter().for_each(|hash| out.line(hash));
    }
    Ok(Exit::Success)
}
