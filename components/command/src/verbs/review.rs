//! `review`: a summary of the log, or of one of its streams.

use super::{JSON, LOG, Verb, open_to_read, verify};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::review::{self, Review, ReviewOptions};
use crate::bindings::secure_log::log::writer::Verdict;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "review",
    summary: "summarise the log, or a stream: verdict, counts, gaps, signers; the exit code is the verdict",
    details: "\
The whole log is verified as `verify` does it, and counted on the way: totals, entries by severity, producer, event type and
actor, the first and the last time, the largest gaps in time, signers and their validity, segments and heads, payloads that
are in clear, sealed, opened and erased, and actions without an end. docs/review.md says each limit and each order.
The verdict comes first, and is the exit code: valid (0), invalid (1) or incomplete (3). What was counted of an invalid log is
marked as not trustworthy.",
    syntax: Syntax { operands: "[STREAM]", options: &[&OPEN, &LOG, &JSON] },
    run,
};

const OPEN: Flag =
    Flag { name: "open", takes: Takes::Nothing, help: "also open every sealed payload with the keystore's keys" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let review = match summarise(given, out) {
        Ok(review) => review,
        Err(failure) => {
            // Damage that keeps the log from being opened is a verdict, and all that there is to say.
            let exit = failure.exit;
            out.show(&verify::verdict_of(failure)?);
            return Ok(exit);
        }
    };
    // What the log wrote for this, in which nothing can hide.
    let shown = if given.has(&JSON) { review.json } else { review.text };
    shown.lines().for_each(|line| out.line(line));
    Ok(match review.report.verdict {
        Verdict::Valid => Exit::Success,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Invalid(_) => Exit::Invalid,
    })
}

fn summarise(given: &Given, out: &Output) -> Result<Review, Failure> {
    open_to_read(given, out)?;
    let stream_id = given.operand(0).map(str::to_owned);
    Ok(review::summarise(&ReviewOptions { stream_id, open_payloads: given.has(&OPEN) })?)
}
