//! `verify-archives`: checks that archives, and the log that goes on, continue each other.

use serde_json::json;

use super::archive::whole_log;
use super::verify_evidence::{MAC_KEY, mac_keys, policy, unusable};
use super::{JSON, LOG, POLICY, Verb, config, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::archive::{self, Chain, ChainFile, ChainReport, ChainVerdict};
use crate::bindings::secure_log::log::export;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::{Output, Progress};
use crate::text::hex;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "verify-archives",
    summary: "verify archives, oldest first, and that each continues the one before; the exit code is the verdict",
    details: "\
Each FILE is verified as `verify` does it, by the keys of the policy, which is that of the first, and those that the logs before it
leave behind. The verdict is valid (exit code 0): each is, each continues the one before it, and the first continues none; invalid
(1): one is, or they are no chain in this order, and `faults` says why; or incomplete (3): `missing` names each archive that is not
there by its log, its size and its root, and what could not be checked in a file stands there.",
    syntax: Syntax { operands: "FILE...", options: &[&POLICY, &MAC_KEY, &LIVE, &PAGE, &LOG, &JSON] },
    run,
};

const LIVE: Flag =
    Flag { name: "live", takes: Takes::Nothing, help: "the log itself is the last of the chain, behind the files" };
const PAGE: Flag = Flag { name: "page", takes: Takes::Nothing, help: "print the whole report as a page to be filed" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let chain = archive::verify(&policy(given)?, &mac_keys(given)?).map_err(unusable)?;
    let (mut bytes, mut progress) = (0, Progress::begin());
    for file in given.operands() {
        chain.begin(file)?;
        input::pieces_of(file, |piece| {
            bytes += piece.len();
            progress.tell(out, || format!("{} MiB are read so far", bytes >> 20));
            chain.push(piece)
        })?;
    }
    if given.has(&LIVE) {
        push_live(&chain, given, out)?;
    }
    let report = chain.finish();
    let exit = match report.verdict {
        ChainVerdict::Valid => Exit::Success,
        ChainVerdict::Incomplete => Exit::Incomplete,
        ChainVerdict::Invalid => Exit::Invalid,
    };
    if given.has(&JSON) {
        report.json.lines().for_each(|line| out.line(line));
    } else if given.has(&PAGE) {
        report.text.lines().for_each(|line| out.line(line));
    } else {
        show(report, out);
    }
    Ok(exit)
}

fn push_live(chain: &Chain, given: &Given, out: &Output) -> Result<(), Failure> {
    open_to_read(given, out)?;
    chain.begin(&config(given)?)?;
    let exporting = export::begin(&whole_log())?;
    while let Some(part) = exporting.next()? {
        if !chain.push(&part) {
            break;
        }
    }
    Ok(())
}

fn show(report: ChainReport, out: &mut Output) {
    let verdict = match report.verdict {
        ChainVerdict::Valid => "valid",
        ChainVerdict::Incomplete => "incomplete",
        ChainVerdict::Invalid => "invalid",
    };
    let faults = report.faults.iter().map(|fault| format!("{} in file {}: {}", fault.code, fault.file, fault.detail));
    let missing = report.missing.iter().map(|missing| {
        let by = if missing.signed { "" } else { ", signed by no key that is known here" };
        format!(
            "before file {}: {} of {} entries, root {}{by}",
            missing.before,
            missing.origin,
            missing.size,
            hex(&missing.root)
        )
    });
    out.show(&json!({
        "verdict": verdict,
        "faults": faults.collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
    }));
    for ChainFile { name, report } in report.files {
        out.line("");
        out.show(&json!({ "file": name }));
        out.show(&view::report(report));
    }
}
