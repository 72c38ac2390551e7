//! `import`: reads a log back from its JSON lines.

use super::verify_evidence::{MAC_KEY, mac_keys, policy, unusable};
use super::{JSON, LOG, POLICY, Verb, config};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::import::{self, ImportError, ImportOptions};
use crate::bindings::secure_log::log::writer::{Report, Verdict};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::{Output, Progress};
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "import",
    summary: "read a log back from its JSON lines, into a store that holds none",
    details: "\
FILE is what `export --format jsonl` wrote, or the file of a log; - is standard input. It is verified as it is read, by the
keys of the policy and no others, and the store holds a log only when all of it was found right. What is printed is the report
of the verification. A log that is invalid (exit code 1) or of which something could not be checked (3) is not imported; with
--incomplete the second one is, unless it was never finished or holds what is not known here.",
    syntax: Syntax { operands: "FILE", options: &[&POLICY, &MAC_KEY, &INCOMPLETE, &LOG, &JSON] },
    run,
};

const INCOMPLETE: Flag = Flag {
    name: "incomplete",
    takes: Takes::Nothing,
    help: "also take a log of which something could not be checked, such as one that nobody signed",
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let options = ImportOptions {
        policy: policy(given)?,
        mac_keys: mac_keys(given)?.to_vec(),
        incomplete: given.has(&INCOMPLETE),
    };
    let importing = match import::begin(&config(given)?, &options) {
        Ok(importing) => importing,
        Err(error) => return refused(error, given, out),
    };
    let (mut refusal, mut bytes, mut progress) = (None, 0, Progress::begin());
    let mut take = |piece: &[u8]| {
        bytes += piece.len();
        progress.tell(out, || format!("{} MiB are read so far", bytes >> 20));
        importing.push(piece).unwrap_or_else(|error| {
            refusal = Some(error);
            false
        })
    };
    match given.required(0) {
        "-" => input::pieces(&mut take)?,
        file => input::pieces_of(file, &mut take)?,
    }
    let imported = match refusal {
        Some(error) => Err(error),
        None => importing.finish(),
    };
    match imported {
        Ok(report) => {
            show(report, given, out);
            Ok(Exit::Success)
        }
        Err(error) => refused(error, given, out),
    }
}

fn refused(error: ImportError, given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    match error {
        ImportError::Argument(error) => Err(unusable(error)),
        ImportError::NotEmpty(size) => {
            Err(Failure::new(Exit::Refused, "not-empty", format!("there is a log of {size} entries already"))
                .advised("a log is imported into an empty store: name another place with --log"))
        }
        ImportError::Log(error) => Err(error.into()),
        ImportError::Refused(report) => {
            let exit = if matches!(report.verdict, Verdict::Invalid(_)) { Exit::Invalid } else { Exit::Incomplete };
            show(report, given, out);
            out.notice("nothing was imported");
            Ok(exit)
        }
    }
}

fn show(report: Report, given: &Given, out: &mut Output) {
    if given.has(&JSON) {
        report.json.lines().for_each(|line| out.line(line));
    } else {
        out.show(&view::report(report));
    }
}
