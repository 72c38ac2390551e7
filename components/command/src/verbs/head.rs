//! `head`: a stream's last entry, or the log's signed head.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_read, print_text};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::{log, tree, writer};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::hex;

pub(super) const VERB: Verb = Verb {
    name: "head",
    summary: "print a stream's highest seqno and the hash of that entry, or the newest signed head of the log",
    details: "\
Without STREAM it prints the newest head that the log's key signed, a C2SP checkpoint. It signs none; `sign --head` does.",
    syntax: Syntax { operands: "[STREAM]", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    open_to_read(given, out)?;
    match given.operand(0) {
        Some(stream) => {
            let seqno = log::head(stream)?;
            let hash = writer::last_hash(stream)?.map(|hash| hex(&hash));
            out.show(&json!({ "stream": stream, "seqno": seqno, "hash": hash }));
        }
        None => print_text(given, out, "note", &tree::head()?),
    }
    Ok(Exit::Success)
}
