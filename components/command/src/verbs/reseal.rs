//! `reseal`: wraps data keys anew.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::sealing;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "reseal",
    summary: "wrap the keys of sealed payloads anew, by the wrapping key with this label",
    details: "\
It is for the data keys of all streams, or with --stream for those of one. No entry changes, and no payload is opened by it. The
keystore needs the keys that wrapped them before until it is done. Keys of later segments are wrapped by the key that
SECURE_LOG_KEK_LABEL names, so set that to LABEL, too. `more` says that there are further ones: call again.",
    syntax: Syntax { operands: "LABEL", options: &[&STREAM, &LOG, &JSON] },
    run,
};

const STREAM: Flag = Flag { name: "stream", takes: Takes::One("STREAM"), help: "only the data keys of this stream" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    open_to_read(given, out)?;
    out.show(&view::resealed(sealing::reseal(given.value(&STREAM), given.required(0))?));
    Ok(Exit::Success)
}
