//! `open`: make the log, or open it.

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "open",
    summary: "make the log, or open the one that there is, and say how it stands",
    details: "\
A new log is signed by the key that SECURE_LOG_HEAD_IDENTITY names, if the keystore has it, and keyless otherwise.
SECURE_LOG_ORIGIN gives it a name.",
    syntax: Syntax { operands: "", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    open_to_write(given, out)?;
    out.show(&view::status(writer::status()?));
    Ok(Exit::Success)
}
