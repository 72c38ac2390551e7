//! `retention`: what a policy lets go, and taking it out.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::retention::{self, Pruned};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;
use crate::view::{self, PLAN_COLUMNS, PRESET_COLUMNS, PRUNED_COLUMNS};

pub(super) const VERB: Verb = Verb {
    name: "retention",
    summary: "say which entries a policy lets go, or take their content out of the log",
    details: "\
  retention presets     periods that many have to keep records for, and what they are meant for
  retention plan        what would go of each stream, and why the rest would stay; nothing is written
  retention prune       takes it out: an entry of each stream says so, and the hashes stay

A policy is `never`, `entries:1000` (all but the newest so many), `for:90d` (what is older), `since:2026-01-01T00:00:00+01:00` (what
is from before), or a preset. A period is a number and one of s, min, h, d, mo and y, or a preset. What is younger than the floor
stays whatever the policy says. Only what stands in closed segments under a signed head goes. There is no way back: look at the
plan first, and keep a copy where you may need one. docs/retention.md has the rules, and the lines of a FILE.",
    syntax: Syntax {
        operands: "presets|plan|prune",
        options: &[&KEEP, &FLOOR, &FILE, &STREAM, &LOG, &JSON],
    },
    run,
};

const KEEP: Flag = Flag { name: "keep", takes: Takes::One("POLICY"), help: "what is kept of each stream" };
const FLOOR: Flag =
    Flag { name: "floor", takes: Takes::One("PERIOD"), help: "what is younger stays, whatever the policy says" };
const FILE: Flag = Flag {
    name: "retention",
    takes: Takes::One("FILE"),
    help: "policies and floors for the log and for single streams, a line each; in the place of --keep and --floor",
};
const STREAM: Flag = Flag { name: "stream", takes: Takes::One("STREAM"), help: "only this stream" };

/// A line for each of a few thousand streams.
const MAX_RETENTION_BYTES: usize = 1 << 20;

/// Streams asked for at once.
const PAGE: u32 = 256;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    match given.required(0) {
        "presets" => {
            retention::presets().into_iter().for_each(|preset| out.row(&view::preset(&preset), &PRESET_COLUMNS));
            Ok(Exit::Success)
        }
        "plan" => plan(given, out),
        "prune" => prune(given, out),
        other => Err(Failure::usage(format!("\"{other}\" is none of: presets, plan, prune"))),
    }
}

fn plan(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let said = said(given)?;
    open_to_read(given, out)?;
    if let Some(stream) = given.value(&STREAM) {
        out.row(&view::stream_plan(retention::plan_stream(&said, stream)?), &PLAN_COLUMNS);
        return Ok(Exit::Success);
    }
    let mut after = 0;
    loop {
        let page = retention::plan(&said, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(Exit::Success) };
        after = last.number;
        page.into_iter().for_each(|plan| out.row(&view::stream_plan(plan), &PLAN_COLUMNS));
    }
}

fn prune(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let said = said(given)?;
    open_to_read(given, out)?;
    if let Some(stream) = given.value(&STREAM) {
        print(retention::prune_stream(&said, stream)?, out);
        return Ok(Exit::Success);
    }
    let mut after = Some(0);
    while let Some(from) = after {
        let pruned = retention::prune_all(&said, from)?;
        after = pruned.next;
        print(pruned, out);
    }
    Ok(Exit::Success)
}

fn print(pruned: Pruned, out: &mut Output) {
    pruned.streams.into_iter().for_each(|stream| out.row(&view::pruned_stream(stream), &PRUNED_COLUMNS));
}

/// What is to be kept. To keep nothing is never what was meant by saying nothing.
fn said(given: &Given) -> Result<String, Failure> {
    match (given.value(&KEEP), given.value(&FLOOR), given.value(&FILE)) {
        (None, None, Some(file)) => input::read_file("--retention", file, MAX_RETENTION_BYTES),
        (_, _, Some(_)) => Err(Failure::usage("--retention says what --keep and --floor would: only one of them")),
        (Some(keep), floor, None) => {
            // A word is one word of a line: whoever wants more lines writes them to a file.
            let word = |option: &str, text: &str| match text.split_whitespace().eq([text]) {
                true => Ok(text.to_owned()),
                false => Err(Failure::usage(format!("--{option}: \"{text}\" is not one word"))),
            };
            let floor = floor.map(|floor| word("floor", floor).map(|floor| format!("floor {floor}\n"))).transpose()?;
            Ok(format!("log {}\n{}", word("keep", keep)?, floor.unwrap_or_default()))
        }
        (None, _, None) => Err(Failure::usage("--keep or --retention is missing: what is kept")),
    }
}
