//! `prove`: that an entry is in its closed segment.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes, number};
use crate::bindings::secure_log::log::log;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::{hash_from_hex, hex, json as json_line};
use crate::{input, view};

pub(super) const VERB: Verb = Verb {
    name: "prove",
    summary: "print a proof, as JSON, that an entry is in its closed segment; or check one",
    details: "\
With --check it reads a proof from standard input, re-hashes the entry that the proof names, and checks that the proof
leads from it to the root: to that of --root, or else to the one that this log has for the segment. A proof is worth
what the root is worth: take it from a signed checkpoint, not from whoever gave you the proof.",
    syntax: Syntax { operands: "[SEQNO]", options: &[&CHECK, &ROOT, &LOG, &JSON] },
    run,
};

const CHECK: Flag = Flag { name: "check", takes: Takes::Nothing, help: "check the proof on standard input" };
const ROOT: Flag = Flag { name: "root", takes: Takes::One("HASH"), help: "the segment's root, 64 hex digits" };
/// 64 steps of about 100 bytes are a tenth of this.
const MAX_PROOF_BYTES: usize = 64 << 10;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    match (given.operand(0), given.has(&CHECK)) {
        (Some(_), false) if given.has(&ROOT) => return Err(Failure::usage("--root goes with --check")),
        (Some(seqno), false) => prove(given, number("SEQNO", seqno)?, out)?,
        (None, true) => check(given, out)?,
        _ => return Err(Failure::usage("either a SEQNO or --check")),
    }
    Ok(Exit::Success)
}

fn prove(given: &Given, seqno: u64, out: &mut Output) -> Result<(), Failure> {
    open_to_read(given, out)?;
    out.line(&json_line(&view::proof(&log::build_inclusion_proof(seqno)?)));
    Ok(())
}

fn check(given: &Given, out: &mut Output) -> Result<(), Failure> {
    let root = match given.value(&ROOT) {
        Some(text) => Some(hash_from_hex(text).ok_or_else(|| Failure::usage("--root: a hash has 64 hex digits"))?),
        None => None,
    };
    let proof = view::parse_proof(&input::read_all("the proof", MAX_PROOF_BYTES)?).map_err(|why| {
        Failure::new(Exit::Refused, "invalid", format!("standard input holds no proof: {why}"))
            .advised("hand it what `prove SEQNO` printed")
    })?;
    open_to_read(given, out)?;
    let root = match root {
        Some(root) => root,
        None => log::read_segment(proof.segment_id)?.merkle_root,
    };
    log::verify_inclusion_proof(&proof, &root)?;
    out.show(&json!({
        "verdict": "valid",
        "seqno": proof.seqno,
        "segment": proof.segment_id,
        "root": hex(&root),
    }));
    Ok(())
}
