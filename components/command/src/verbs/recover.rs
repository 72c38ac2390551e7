//! `recover`: an operator's choice about entries that no trusted key attests.

use super::{JSON, LOG, Verb, config, tell_of_repairs};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::writer::{self, UnattestedChoice};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "recover",
    summary: "open a log that was refused as unattested or anchor-missing, with an operator's choice",
    details: "\
Unattested: no trusted key signed a head over these entries. Somebody may have added them to the store: look at them first.
Adopted entries are named in the stream secure-log, and by every verdict from then on.
Anchor-missing: the anchor knows nothing of this log. After a backup was restored and the anchor's memory taken away, --reanchor
begins anew there; the stream secure-log says so, and so does every verdict from then on.",
    syntax: Syntax { operands: "", options: &[&ADOPT, &SET_ASIDE, &REANCHOR, &LOG, &JSON] },
    run,
};

const ADOPT: Flag = Flag { name: "adopt", takes: Takes::Nothing, help: "keep them, and record that" };
const SET_ASIDE: Flag =
    Flag { name: "set-aside", takes: Takes::Nothing, help: "move them out of the log, and keep them beside it" };
const REANCHOR: Flag = Flag {
    name: "reanchor",
    takes: Takes::Nothing,
    help: "begin anew at an anchor that knows nothing of the log, and record that",
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let choice = match (given.has(&ADOPT), given.has(&SET_ASIDE), given.has(&REANCHOR)) {
        (true, false, false) => UnattestedChoice::Adopt,
        (false, true, false) => UnattestedChoice::SetAside,
        (false, false, true) => UnattestedChoice::Reanchor,
        _ => return Err(Failure::usage("one of --adopt, --set-aside and --reanchor")),
    };
    writer::recover(&config(given)?, choice)?;
    let status = writer::status()?;
    tell_of_repairs(&status, out);
    out.show(&view::status(status));
    Ok(Exit::Success)
}
