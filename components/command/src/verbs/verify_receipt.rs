//! `verify-receipt`: whether somebody confirms that a closed segment was handed over.

use serde_json::json;

use super::{JSON, KEY, LOG, POLICY, Verb, open_to_read, trusted};
use crate::arguments::{Given, Syntax, number};
use crate::bindings::secure_log::log::tree::{self, ProofError};
use crate::bindings::secure_log::log::writer;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;

pub(super) const VERB: Verb = Verb {
    name: "verify-receipt",
    summary: "check the receipt of a closed segment on standard input",
    details: "\
A receipt is a signed note with the text of one of the segment's submissions, as `submissions` prints them. The key is that of
whoever keeps the evidence.",
    syntax: Syntax { operands: "SEGMENT", options: &[&KEY, &POLICY, &LOG, &JSON] },
    run,
};

/// A submission has names of 255 bytes at most, and a receipt no more than 64 signatures.
const MAX_RECEIPT_BYTES: usize = 64 << 10;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let segment = number("SEGMENT", given.required(0))?;
    let keys = trusted(given)?;
    let receipt = input::read_text("the receipt", MAX_RECEIPT_BYTES)?;
    open_to_read(given, out)?;
    let signer = of_one(&receipt, &writer::submissions(segment)?, &keys)?;
    out.show(&json!({ "verdict": "valid", "segment": segment, "signer": signer }));
    Ok(Exit::Success)
}

/// Who signed the receipt, of whichever of these submissions it is.
fn of_one(receipt: &str, submissions: &[String], keys: &[String]) -> Result<String, ProofError> {
    for submission in submissions {
        match tree::verify_receipt(receipt, submission, keys) {
            Err(ProofError::AnotherSubmission) => {}
            checked => return checked,
        }
    }
    Err(ProofError::AnotherSubmission)
}
