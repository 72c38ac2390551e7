//! `submissions`: what is handed to whoever keeps evidence of a closed segment.

use super::{JSON, LOG, Verb, open_to_read, print_text};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "submissions",
    summary: "print what is handed to whoever keeps evidence of a closed segment, one text for each signature",
    details: "\
Each is seven lines: what it is, the log, the stream, the segment with its range, the checkpoint hash, who signed it, and the
algorithm, key and signature. A receipt is a signed note with this very text: `verify-receipt` checks it.",
    syntax: Syntax { operands: "SEGMENT", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let segment = number("SEGMENT", given.required(0))?;
    open_to_read(given, out)?;
    for submission in writer::submissions(segment)? {
        print_text(given, out, "submission", &submission);
    }
    Ok(Exit::Success)
}
