//! `rotate-key`: go on with another key.

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "rotate-key",
    summary: "go on with another key of the keystore: the one that signs now introduces it, and ends",
    details: "\
LABEL is the label of the new key, which `key generate LABEL` makes. One commit says so in the log, and both keys sign its head.
From then on set SECURE_LOG_HEAD_IDENTITY to LABEL. Whoever trusts the old key need not trust the new one: a verification follows.
A witness has to be given the new key (`key show LABEL --name ORIGIN`).",
    syntax: Syntax { operands: "LABEL", options: &[&LOG, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let label = given.required(0);
    open_to_write(given, out)?;
    out.show(&view::key_rotation(&writer::rotate_key(label)?));
    out.notice(&format!("from now on the log is opened with SECURE_LOG_HEAD_IDENTITY={label}"));
    Ok(Exit::Success)
}
