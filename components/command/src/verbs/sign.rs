//! `sign`: a closed segment, or the head.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_write, print_text};
use crate::arguments::{Flag, Given, Syntax, Takes, number};
use crate::bindings::secure_log::log::{checkpoint, writer};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::base64;

pub(super) const VERB: Verb = Verb {
    name: "sign",
    summary: "sign a closed segment with a key, or sign the head as it stands now",
    details: "\
IDENTITY is the label of a key in the keystore; the default is that of the key which signs heads.
With --head it prints the signed head, a C2SP checkpoint, and tells the anchor of it.",
    syntax: Syntax { operands: "[SEGMENT] [IDENTITY]", options: &[&HEAD, &LOG, &JSON] },
    run,
};

const HEAD: Flag = Flag { name: "head", takes: Takes::Nothing, help: "sign the head" };
/// Names the key that signs heads, where it is not the one of this label.
const HEAD_IDENTITY: &str = "SECURE_LOG_HEAD_IDENTITY";
const DEFAULT_IDENTITY: &str = "checkpoint-ed25519";

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    match (given.has(&HEAD), given.operand(0)) {
        (true, None) => sign_head(given, out)?,
        (false, Some(segment)) => sign_segment(given, number("SEGMENT", segment)?, out)?,
        _ => return Err(Failure::usage("either a SEGMENT or --head")),
    }
    Ok(Exit::Success)
}

fn sign_head(given: &Given, out: &mut Output) -> Result<(), Failure> {
    open_to_write(given, out)?;
    print_text(given, out, "note", &writer::sign_head()?);
    Ok(())
}

fn sign_segment(given: &Given, segment: u64, out: &mut Output) -> Result<(), Failure> {
    let of_heads = std::env::var(HEAD_IDENTITY).ok().filter(|label| !label.is_empty());
    let identity = given.operand(1).or(of_heads.as_deref()).unwrap_or(DEFAULT_IDENTITY);
    open_to_write(given, out)?;
    let (signature, key) = checkpoint::sign_segment(identity, segment)?;
    out.show(&json!({
        "segment": segment,
        "identity": identity,
        "signature": base64(&signature),
        "key": base64(&key),
    }));
    Ok(())
}
