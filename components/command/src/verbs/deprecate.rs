//! `deprecate`: no more entries for a stream.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::log;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "deprecate",
    summary: "close a stream to producers for ever; it stays readable",
    details: "",
    syntax: Syntax { operands: "STREAM", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let stream = given.required(0);
    open_to_write(given, out)?;
    log::deprecate_stream(stream)?;
    out.show(&json!({ "deprecated": stream }));
    Ok(Exit::Success)
}
