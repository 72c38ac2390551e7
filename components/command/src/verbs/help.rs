//! `help`: what there is.

use super::Verb;
use crate::arguments::{Given, Syntax};
use crate::failure::{Exit, Failure};
use crate::help;
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "help",
    summary: "list the verbs, or say more of one",
    details: "",
    syntax: Syntax { operands: "[VERB]", options: &[] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    help::run(given.operand(0), out)
}
