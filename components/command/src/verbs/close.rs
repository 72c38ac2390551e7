//! `close`: end a stream's open segment.

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::log;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "close",
    summary: "close a stream's open segment, and sign it where the stream's rules say so",
    details: "",
    syntax: Syntax { operands: "STREAM", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    open_to_write(given, out)?;
    out.show(&view::segment(log::close_segment(given.required(0))?));
    Ok(Exit::Success)
}
