//! `verify-evidence`: checks what `evidence` printed, without the log.

use super::{JSON, MAX_POLICY_BYTES, POLICY, Verb};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::evidence;
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
    syntax: Syntax { operands: "", options: &[&POLICY, &JSON] },
    run,
};

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let policy = match given.value(&POLICY) {
        Some(file) => input::read_file("--policy", file, MAX_POLICY_BYTES)?,
        None => std::env::var("SECURE_LOG_TRUST").ok().filter(|policy| !policy.is_empty()).ok_or_else(|| {
            Failure::usage("no trust policy is given: whose signatures count")
                .advised("write --policy FILE, or set SECURE_LOG_TRUST (`wasmtime run --env SECURE_LOG_TRUST`)")
        })?,
    };
    let verification = evidence::verify(&policy).map_err(|why| Failure::usage(format!("the policy: {why}")))?;
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
