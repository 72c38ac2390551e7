//! `collect-witness-rows`: drops what witnesses answered long ago.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "collect-witness-rows",
    summary: "drop what witnesses answered to heads smaller than SIZE, and say which rows went",
    details: "\
Kept are, whatever SIZE is: rows about the last signed head, the newest 256 rows, the newest cosignature, and each cosignature
that stands in no head of the log. At most 65536 rows go at once, all or none; `more` says that it is worth calling again.
Nothing else of the log changes, and no row ever goes by itself.",
    syntax: Syntax { operands: "SIZE", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let below = number("SIZE", given.required(0))?;
    open_to_read(given, out)?;
    out.show(&view::collected(&writer::collect_witness_rows(below)?));
    Ok(Exit::Success)
}
