//! `open-payload`: what a sealed entry says, or what those of a stream do.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes, number};
use crate::bindings::secure_log::log::sealing;
use crate::bindings::secure_log::log::types::LogError;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view::{self, OPENED_COLUMNS};

pub(super) const VERB: Verb = Verb {
    name: "open-payload",
    summary: "print a sealed entry in clear, or with --stream those of a stream",
    details: "\
The entry is re-hashed and proven to be in the log, as by `read`, and its payload opened with a key of the keystore. Everything
else prints what is sealed as it is stored: this verb alone prints it in clear.

With --stream, entries whose payload is not sealed are left out. One that does not open has the reason in place of its content,
and the others are printed all the same. The exit code is then that of the first reason, but for what was erased on record, which
is no failure.",
    syntax: Syntax { operands: "[SEQNO]", options: &[&STREAM, &FROM, &TO, &LOG, &JSON] },
    run,
};

const STREAM: Flag = Flag { name: "stream", takes: Takes::One("STREAM"), help: "the sealed entries of this stream" };
const FROM: Flag = Flag { name: "from", takes: Takes::One("SEQNO"), help: "with --stream: from here on" };
const TO: Flag = Flag { name: "to", takes: Takes::One("SEQNO"), help: "with --stream: up to here" };

/// Entries of one page. Payloads may be large, and a page is in memory as a whole.
const PAGE: u32 = 64;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let (from, to) = (given.number(&FROM)?, given.number(&TO)?);
    match (given.operand(0), given.value(&STREAM)) {
        (Some(_), None) if from.is_some() || to.is_some() => Err(Failure::usage("--from and --to go with --stream")),
        (Some(seqno), None) => {
            let seqno = number("SEQNO", seqno)?;
            open_to_read(given, out)?;
            out.show(&view::opened(seqno, sealing::open_payload(seqno)?));
            Ok(Exit::Success)
        }
        (None, Some(stream)) => {
            open_to_read(given, out)?;
            open_stream(stream, from.unwrap_or(1), to.unwrap_or(u64::MAX), out)
        }
        _ => Err(Failure::usage("either SEQNO or --stream")),
    }
}

fn open_stream(stream: &str, mut from: u64, to: u64, out: &mut Output) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    while from <= to && out.is_read() {
        let page = sealing::open_page(stream, from, to, PAGE)?;
        let next = page.last().and_then(|last| last.entry.seqno.checked_add(1));
        for entry in page {
            let seqno = entry.entry.seqno;
            let shown = match entry.content {
                Ok(opened) => view::opened(seqno, opened),
                Err(LogError::NotSealed(_)) => continue,
                Err(error) => {
                    let erased = matches!(error, LogError::PayloadErased(_));
                    let failure = Failure::from(error);
                    if exit == Exit::Success && !erased {
                        exit = failure.exit;
                    }
                    view::unopened(seqno, &failure)
                }
            };
            out.row(&shown, &OPENED_COLUMNS);
        }
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    Ok(exit)
}
