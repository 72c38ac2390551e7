//! `change-suite`: another hash suite for what a stream will hold.

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Given, Syntax, choice};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view::{self, SUITES};

pub(super) const VERB: Verb = Verb {
    name: "change-suite",
    summary: "from the next entry on, hash a stream's entries with another suite",
    details: "\
SUITE is sha-256, blake3 or hmac-sha-256. The change is an entry of the stream itself, under the old suite.",
    syntax: Syntax { operands: "STREAM SUITE", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let suite = choice("SUITE", given.required(1), &SUITES)?;
    open_to_write(given, out)?;
    out.show(&view::commit(&writer::change_suite(given.required(0), suite)?));
    Ok(Exit::Success)
}
