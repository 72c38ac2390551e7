//! `verify`: the whole log, or a stream's chain.

use serde_json::{Value, json};

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::writer::{self, Verdict};
use crate::bindings::secure_log::log::{log, sealing};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "verify",
    summary: "verify the whole log, or a stream's chain; the exit code is the verdict",
    details: "\
Every entry is re-hashed, every segment and head recomputed, every signature checked by the keystore's keys. The verdict
is valid (exit code 0), invalid (1), which says what was found and where, or incomplete (3), which says what is missing.
`complete to` is up to where a trusted key says that nothing is missing; what was cut off behind it only an anchor, a
witness or your own note of an earlier head can show.
What is sealed is proven as it stands; with --open it is also opened, and `unopened` counts what was not.",
    syntax: Syntax { operands: "", options: &[&OPEN, &STREAM, &FROM, &TO, &PAGE, &LOG, &JSON] },
    run,
};

const OPEN: Flag =
    Flag { name: "open", takes: Takes::Nothing, help: "also open every sealed payload with the keystore's keys" };
const STREAM: Flag =
    Flag { name: "stream", takes: Takes::One("STREAM"), help: "only this stream's chain and segments" };
const FROM: Flag = Flag { name: "from", takes: Takes::One("SEQNO"), help: "with --stream: from here on" };
const TO: Flag = Flag { name: "to", takes: Takes::One("SEQNO"), help: "with --stream: up to here" };
const PAGE: Flag =
    Flag { name: "page", takes: Takes::Nothing, help: "the report on the whole log as a page that can be filed" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    if !given.has(&STREAM) && (given.has(&FROM) || given.has(&TO)) {
        return Err(Failure::usage("--from and --to go with --stream"));
    }
    if given.has(&OPEN) && given.has(&STREAM) {
        return Err(Failure::usage("--open does not go with --stream"));
    }
    if given.has(&PAGE) && (given.has(&STREAM) || given.has(&JSON)) {
        return Err(Failure::usage("--page goes with neither --stream nor --json"));
    }
    let (exit, shown) = match verdict(given, out) {
        Ok(reached) => reached,
        // Damage that keeps the log from being opened, or that ends the walk over a chain, is a verdict too.
        Err(failure) => (failure.exit, Shown::Fields(verdict_of(failure)?)),
    };
    match shown {
        Shown::Fields(verdict) => out.show(&verdict),
        // What the log wrote for this, in which nothing can hide.
        Shown::Lines(text) => text.lines().for_each(|line| out.line(line)),
    }
    Ok(exit)
}

enum Shown {
    Fields(Value),
    Lines(String),
}

fn verdict(given: &Given, out: &mut Output) -> Result<(Exit, Shown), Failure> {
    let from = given.number(&FROM)?.unwrap_or(1);
    let to = given.number(&TO)?.unwrap_or(u64::MAX);
    if from > to {
        return Err(Failure::usage("--from is after --to"));
    }
    open_to_read(given, out)?;
    if let Some(stream) = given.value(&STREAM) {
        return verify_stream(stream, from, to);
    }
    let report = if given.has(&OPEN) { sealing::verify_log_opening()? } else { writer::verify_log()? };
    let exit = match report.verdict {
        Verdict::Valid => Exit::Success,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Invalid(_) => Exit::Invalid,
    };
    Ok((
        exit,
        if given.has(&PAGE) {
            Shown::Lines(report.text)
        } else if given.has(&JSON) {
            Shown::Lines(report.json)
        } else {
            Shown::Fields(view::report(report))
        },
    ))
}

fn verify_stream(stream: &str, from: u64, to: u64) -> Result<(Exit, Shown), Failure> {
    let last = log::head(stream)?.unwrap_or(0);
    if from > last.max(1) {
        // Nothing would be checked, and that must not read as a verdict.
        let what = format!("--from: the last entry of stream \"{stream}\" is {last}");
        return Err(Failure::new(Exit::Refused, "invalid", what));
    }
    log::verify_chain(stream, from, to)?;
    let verdict = json!({ "verdict": "valid", "stream": stream, "from": from, "to": to.min(last) });
    Ok((Exit::Success, Shown::Fields(verdict)))
}

pub(super) fn verdict_of(failure: Failure) -> Result<Value, Failure> {
    let verdict = match failure.exit {
        Exit::Invalid => "invalid",
        Exit::Incomplete => "incomplete",
        _ => return Err(failure),
    };
    let Failure { code, at, what, advice, .. } = failure;
    Ok(json!({
        "verdict": verdict,
        "finding": { "code": code, "at": at, "detail": what },
        "advice": advice,
    }))
}
