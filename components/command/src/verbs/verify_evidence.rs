//! `verify-evidence`: checks what `evidence` printed, without the log.

use zeroize::Zeroizing;

use super::{JSON, MAX_POLICY_BYTES, POLICY, Verb};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::evidence::{self, ArgumentError, WrongArgument};
use crate::bindings::secure_log::log::writer::Verdict;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;
use crate::view;

pub(super) const VERB: Verb = Verb {
    name: "verify-evidence",
    summary: "check the evidence on standard input, with a trust policy alone; the exit code is the verdict",
    details: "\
The evidence is what `evidence` prints. The policy says whose signatures count: a line `log KEY` with the log's verifier
key, the line `quorum none` or witnesses, and after a line `signers` who signs entries and segments. The verdict is valid
(exit code 0): what is claimed is so; invalid (1); or incomplete (3), which says what is missing. `hint` is a policy that
came with the evidence. It proves nothing: compare it with what you were told elsewhere.",
    syntax: Syntax { operands: "", options: &[&POLICY, &MAC_KEY, &JSON] },
    run,
};

pub(super) const MAC_KEY: Flag = Flag {
    name: "mac-key",
    takes: Takes::Many("FILE"),
    help: "a file with a key of the suite hmac-sha-256, 64 hexadecimal digits; may be repeated",
};
/// The digits, and what ends a line.
const MAX_MAC_KEY_BYTES: usize = 64 + 2;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let policy = policy(given)?;
    let mac_keys = mac_keys(given)?;
    let verification = evidence::verify(&policy, &mac_keys).map_err(unusable)?;
    input::pieces(|bytes| verification.push(bytes))?;
    let found = verification.finish();
    let exit = match found.report.verdict {
        Verdict::Valid => Exit::Success,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Invalid(_) => Exit::Invalid,
    };
    out.show(&view::evidence(found));
    Ok(exit)
}

/// The text of the trust policy that was given.
pub(super) fn policy(given: &Given) -> Result<String, Failure> {
    match given.value(&POLICY) {
        Some(file) => input::read_file("--policy", file, MAX_POLICY_BYTES),
        None => std::env::var("SECURE_LOG_TRUST").ok().filter(|policy| !policy.is_empty()).ok_or_else(|| {
            Failure::usage("no trust policy is given: whose signatures count")
                .advised("write --policy FILE, or set SECURE_LOG_TRUST (`wasmtime run --env SECURE_LOG_TRUST`)")
        }),
    }
}

pub(super) fn mac_keys(given: &Given) -> Result<Zeroizing<Vec<Vec<u8>>>, Failure> {
    given.values(&MAC_KEY).map(mac_key).collect::<Result<Vec<_>, _>>().map(Zeroizing::new)
}

pub(super) fn unusable(error: ArgumentError) -> Failure {
    match error.wrong {
        WrongArgument::Policy | WrongArgument::Trust => Failure::usage(format!("the policy: {}", error.message)),
        WrongArgument::MacKey => Failure::usage(format!("--mac-key: {}", error.message)),
    }
}

/// The key in a file of a folder that was opened for the command: on the command line everybody would see it.
fn mac_key(file: &str) -> Result<Vec<u8>, Failure> {
    let text = Zeroizing::new(input::read_file("--mac-key", file, MAX_MAC_KEY_BYTES)?);
    let digits = text.strip_suffix('\n').unwrap_or(&text);
    let digits = digits.strip_suffix('\r').unwrap_or(digits);
    let mut key = Zeroizing::new([0; 32]);
    const_hex::decode_to_slice(digits, &mut *key)
        .map_err(|_| Failure::usage(format!("--mac-key: \"{file}\" is not 64 hexadecimal digits")))?;
    Ok(key.to_vec())
}
