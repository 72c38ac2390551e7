//! `continue`: begins the log that goes on where another one was closed.

use super::{JSON, LOG, Verb, config, tell_of_repairs};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::{archive, writer};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "continue",
    summary: "begin a log that continues the one with this head",
    details: "\
NOTE is a file with the last head of the earlier log, as `head` prints it; - is standard input. The log is made where there is
none, and its first entry says which head it continues. A log that is there has to say the same, so that what was interrupted can be
called again. Its name follows from that head, unless SECURE_LOG_ORIGIN sets one: an anchor takes one log that continues
a head, and no second. Streams are made anew, with rules of their own. `verify-archives` checks that logs continue each other.",
    syntax: Syntax { operands: "NOTE", options: &[&LOG, &JSON] },
    run,
};

/// The log takes no longer one.
const MAX_NOTE_BYTES: usize = 1 << 20;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let note = match given.required(0) {
        "-" => input::read_text("the note", MAX_NOTE_BYTES)?,
        file => input::read_file("NOTE", file, MAX_NOTE_BYTES)?,
    };
    archive::open_continuing(&config(given)?, &note)?;
    let status = writer::status()?;
    tell_of_repairs(&status, out);
    out.show(&view::status(status));
    Ok(Exit::Success)
}
