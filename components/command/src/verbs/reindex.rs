//! `reindex`: what a store derives from the log, made anew.

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "reindex",
    summary: "have the store build anew what it derives from the log, such as the index of actors",
    details: "\
It mends what `verify` found as `index-mismatch`. No entry is changed, and nothing that proves any.",
    syntax: Syntax { operands: "", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    open_to_write(given, out)?;
    writer::reindex()?;
    out.show(&json!({ "reindexed": true }));
    Ok(Exit::Success)
}
