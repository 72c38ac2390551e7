//! `erase`: destroys data keys, so that what they sealed is gone.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::sealing::{self, Erasure};
use crate::bindings::secure_log::log::types::SeqnoRange;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "erase",
    summary: "destroy the data keys of a stream, a segment or a range: what they sealed is never opened again",
    details: "\
  erase STREAM stream              all that was sealed in the stream
  erase STREAM segment SEGMENT     what was sealed in a closed segment of it
  erase STREAM range FIRST LAST    what was sealed between two seqnos; a key changes only where a segment is closed

There is no way back. An entry of the stream says so, and everything but the payloads verifies as before. Whoever kept a copy of
the store and has the wrapping key can still open that copy: docs/sealing.md says how to erase for them, too.",
    syntax: Syntax { operands: "STREAM stream|segment|range [FIRST] [LAST]", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let what = erasure(given)?;
    open_to_read(given, out)?;
    out.show(&view::erased(sealing::erase(given.required(0), what)?));
    Ok(Exit::Success)
}

fn erasure(given: &Given) -> Result<Erasure, Failure> {
    match (given.required(1), given.operand(2), given.operand(3)) {
        ("stream", None, None) => Ok(Erasure::Stream),
        ("stream", ..) => Err(Failure::usage("stream: all of it, and no number")),
        ("segment", Some(id), None) => Ok(Erasure::Segment(number("SEGMENT", id)?)),
        ("segment", ..) => Err(Failure::usage("segment: the number of one")),
        ("range", Some(first), Some(last)) => {
            Ok(Erasure::Range(SeqnoRange { first: number("FIRST", first)?, last: number("LAST", last)? }))
        }
        ("range", ..) => Err(Failure::usage("range: FIRST and LAST")),
        (other, ..) => Err(Failure::usage(format!("\"{other}\" is none of: stream, segment, range"))),
    }
}
