//! `pseudonym`: what a highly-restricted stream shows in place of a text.

use super::{JSON, LOG, Verb, open_to_read, print_text};
use crate::arguments::{Given, Syntax, choice};
use crate::bindings::secure_log::log::sealing;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view::PSEUDONYMS_OF;

pub(super) const VERB: Verb = Verb {
    name: "pseudonym",
    summary: "print what a highly-restricted stream shows in place of an event type or a producer",
    details: "\
Equal texts have equal pseudonyms in one stream, and others in every other. So who has the wrapping key finds the entries of an
event or a producer in what `list entries` prints, and nobody else can tell which text a pseudonym stands for.",
    syntax: Syntax { operands: "STREAM event-type|producer TEXT", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let of = choice("event-type|producer", given.required(1), &PSEUDONYMS_OF)?;
    open_to_read(given, out)?;
    print_text(given, out, "pseudonym", &sealing::pseudonym(given.required(0), of, given.required(2))?);
    Ok(Exit::Success)
}
