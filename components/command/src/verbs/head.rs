//! `head`: a stream's last entry.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::{log, writer};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::hex;

pub(super) const VERB: Verb = Verb {
    name: "head",
    summary: "print a stream's highest seqno, and the hash of that entry",
    details: "",
    syntax: Syntax { operands: "STREAM", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let stream = given.required(0);
    open_to_read(given, out)?;
    let seqno = log::head(stream)?;
    let hash = writer::last_hash(stream)?.map(|hash| hex(&hash));
    out.show(&json!({ "stream": stream, "seqno": seqno, "hash": hash }));
    Ok(Exit::Success)
}
