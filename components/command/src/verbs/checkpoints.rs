//! `checkpoints`: verify the closed segments of a stream.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::checkpoint;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "checkpoints",
    summary: "verify a stream's closed segments, each root recomputed from its entries",
    details: "\
Signatures are checked where the keystore has the key of their identity. Prints how many of the segments are signed.",
    syntax: Syntax { operands: "STREAM", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let stream = given.required(0);
    open_to_read(given, out)?;
    let signed = checkpoint::verify_checkpoint_chain(stream)?;
    out.show(&json!({ "verdict": "valid", "stream": stream, "signed_segments": signed }));
    Ok(Exit::Success)
}
