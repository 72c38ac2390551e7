//! `evidence`: an entry, a range or a stream with what proves it, for somebody else.

use super::{LOG, SIZE, Verb, open_to_read};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::evidence::{self, StreamPart, Subject};
use crate::bindings::secure_log::log::types::SeqnoRange;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "evidence",
    summary: "print an entry, a range or a stream with what proves it, for somebody else",
    details: "\
  evidence entry SEQNO             one entry
  evidence range FIRST LAST        all entries of the log between two seqnos: none is left out
  evidence stream STREAM [LAST]    all entries of a stream from its first one on, up to LAST or to its last

What is printed is a file that `verify-evidence` checks with a trust policy alone, without the log. It holds the entries as
they are, and whoever has it can read them. Of a stream whose rules have to be shown it may hold one entry more.",
    syntax: Syntax { operands: "entry|range|stream WHAT [LAST]", options: &[&SIZE, &LOG] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let what = subject(given)?;
    open_to_read(given, out)?;
    let bundle = evidence::prove(&what, given.number(&SIZE)?)?;
    while let Some(lines) = bundle.next()? {
        out.bytes(&lines);
        if !out.is_read() {
            break;
        }
    }
    Ok(Exit::Success)
}

fn subject(given: &Given) -> Result<Subject, Failure> {
    let (what, last) = (given.required(1), given.operand(2));
    match (given.required(0), last) {
        ("entry", None) => Ok(Subject::Entry(number("SEQNO", what)?)),
        ("entry", Some(_)) => Err(Failure::usage("entry: one seqno, and no second one")),
        ("range", Some(last)) => {
            Ok(Subject::Range(SeqnoRange { first: number("FIRST", what)?, last: number("LAST", last)? }))
        }
        ("range", None) => Err(Failure::usage("range: LAST is missing")),
        ("stream", last) => {
            let last = last.map(|last| number("LAST", last)).transpose()?;
            Ok(Subject::Stream(StreamPart { name: what.into(), last }))
        }
        (other, _) => Err(Failure::usage(format!("\"{other}\" is none of: entry, range, stream"))),
    }
}
