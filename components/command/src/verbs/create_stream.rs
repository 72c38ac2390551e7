//! `create-stream`: a stream with rules of its own.

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::types::Tier;
use crate::bindings::secure_log::log::writer::{self, HashSuite, SigningRule, StreamRules};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view::{self, SIGNING_RULES, SUITES, TIERS};

pub(super) const VERB: Verb = Verb {
    name: "create-stream",
    summary: "make a stream; its rules never change",
    details: "\
`append` makes a stream that does not exist, with the default rules: make one first where others are wanted.
What a stream requires to be signed and is not is found by `verify`.
In a protected stream every payload is sealed (`append --sealed`), and in a highly-restricted one event types and producers are
pseudonyms, too. A stream that is not public needs the wrapping key that SECURE_LOG_KEK_LABEL names.",
    syntax: Syntax { operands: "STREAM", options: &[&TIER, &SUITE, &SIGN, &DESCRIPTION, &LOG, &JSON] },
    run,
};

const TIER: Flag =
    Flag { name: "tier", takes: Takes::One("TIER"), help: "public (default), protected, highly-restricted" };
const SUITE: Flag = Flag {
    name: "suite",
    takes: Takes::One("SUITE"),
    help: "sha-256 (default), blake3, hmac-sha-256 (under the key that SECURE_LOG_MAC_LABEL names)",
};
const SIGN: Flag =
    Flag { name: "sign", takes: Takes::One("RULE"), help: "what has to be signed: none (default), segments, entries" };
const DESCRIPTION: Flag = Flag { name: "description", takes: Takes::One("TEXT"), help: "at most 255 bytes" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let rules = StreamRules {
        tier: given.choice(&TIER, &TIERS)?.unwrap_or(Tier::Public),
        suite: given.choice(&SUITE, &SUITES)?.unwrap_or(HashSuite::Sha256),
        sign: given.choice(&SIGN, &SIGNING_RULES)?.unwrap_or(SigningRule::None),
        description: given.value(&DESCRIPTION).map(str::to_owned),
    };
    open_to_write(given, out)?;
    out.show(&view::commit(&writer::create_stream_with(given.required(0), &rules)?));
    Ok(Exit::Success)
}
