//! `prove-entry`: an entry under a signed head, for anybody who has the log's key.

use super::{JSON, LOG, SIZE, Verb, open_to_read, print_text};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::tree;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "prove-entry",
    summary: "print a proof that an entry is in the log, which is checked with the log's key alone",
    details: "\
It is a C2SP tlog-proof: the entry, its place, the hashes from there to a signed head, and that head. Keep it in a file with
the ending .tlog-proof; `verify-entry` checks it, and docs/proofs.md says how other tools do.",
    syntax: Syntax { operands: "SEQNO", options: &[&SIZE, &LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let (seqno, size) = (number("SEQNO", given.required(0))?, given.number(&SIZE)?);
    open_to_read(given, out)?;
    print_text(given, out, "proof", &tree::prove_entry(seqno, size)?);
    Ok(Exit::Success)
}
