//! `status`: how the log stands.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "status",
    summary: "say how the log stands: size, root, how far it is attested, keys, what was set aside",
    details: "It checks what opening a log checks. `verify` checks all of it.",
    syntax: Syntax { operands: "", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    open_to_read(given, out)?;
    out.show(&view::status(writer::status()?));
    Ok(Exit::Success)
}
