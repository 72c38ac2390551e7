//! `read`: one entry.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::log;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "read",
    summary: "print an entry, re-hashed and proven to be in the log",
    details: "\
The payload is printed as `text` where it is UTF-8, and as `b64` otherwise. Control characters and marks that turn the
direction of text are escaped.",
    syntax: Syntax { operands: "SEQNO", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let seqno = number("SEQNO", given.required(0))?;
    open_to_read(given, out)?;
    out.show(&view::entry(log::read(seqno)?));
    Ok(Exit::Success)
}
