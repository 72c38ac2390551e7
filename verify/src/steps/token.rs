//! What a log does whose keys are on a PKCS#11 token: without its PIN, with a wrong one, without the key.

use wasmtime::error::Context;
use wasmtime::{Result, bail};

use super::{Done, Group, Step, checked, is_valid, no_place, not_applicable, rules};
use crate::expect::{equal, holds, refused, shown};
use crate::host::LogError;
use crate::host::encoder::Severity;
use crate::host::writer::{HashSuite, SigningRule, Verdict};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "token",
    about: "logs of their own, with keys on a PKCS#11 token",
    steps: &[
        Step { name: "the token signs entries, segments and heads", run: signed },
        Step { name: "without a PIN a log is keyless and says so", run: no_pin },
        Step { name: "a wrong PIN is never taken for no key", run: wrong_pin },
        Step { name: "a signed log is not continued without its key", run: key_gone },
    ],
};

const ELSEWHERE: &str = "the keys are on no token";
const WRONG: &str = "not the PIN of this token";

fn signed(session: &mut Session) -> Result<Done> {
    if !session.keys.on_token {
        return not_applicable(ELSEWHERE);
    }
    let Some((mut log, config)) = session.elsewhere("on-token")? else { return no_place() };
    log.open(&config)??;
    log.create_stream_with("entries", &rules(HashSuite::Sha256, SigningRule::Entries))??;
    for payload in ["one", "two", "three"] {
        log.append("entries", "e", Severity::Info, "verify", payload.as_bytes())??;
    }
    let segment = log.close_segment("entries")??.segment_id;
    log.sign_segment(&session.keys.head_identity, segment)??;
    log.verify_segment_signature(segment)??;
    is_valid(&mut log)?;
    checked("three entries, their segment and the heads; the log verifies")
}

fn no_pin(session: &mut Session) -> Result<Done> {
    if !session.keys.on_token {
        return not_applicable(ELSEWHERE);
    }
    let without = |keys: &crate::keys::Keys, around| {
        let around: crate::host::Surroundings = keys.give_to(around);
        around.without("SECURE_LOG_PKCS11_PIN").without("SECURE_LOG_PKCS11_LABEL")
    };
    let Some((mut log, config)) = session.elsewhere_with("no-pin", without)? else { return no_place() };
    log.open(&config)??;
    equal("the key of its heads", log.status()??.head_key, None)?;
    refused!("sign-head", log.sign_head()?, LogError::KeyNotFound(text) if text.contains("SECURE_LOG_PKCS11_PIN"))?;
    let report = log.verify_log()??;
    let Verdict::Incomplete = report.verdict else {
        bail!("the verdict on a keyless log: expected incomplete, found {}", shown(&report));
    };
    checked(format!("the verdict is incomplete: {}", super::missing(&report).join("; ")))
}

fn wrong_pin(session: &mut Session) -> Result<Done> {
    if !session.keys.on_token {
        return not_applicable(ELSEWHERE);
    }
    let wrong = |keys: &crate::keys::Keys, around| {
        let around: crate::host::Surroundings = keys.give_to(around);
        around.variable("SECURE_LOG_PKCS11_PIN", WRONG)
    };
    let Some((mut log, config)) = session.elsewhere_with("wrong-pin", wrong)? else { return no_place() };
    // Often enough to lock a token that has ten tries, were each of them one.
    for _ in 0..12 {
        let answer = log.open(&config)?;
        refused!("open with a wrong PIN", answer, LogError::AccessDenied(text) if !text.contains(WRONG))?;
    }
    holds("no log was made", session.file().is_none() || !session.elsewhere_file("wrong-pin").exists())?;
    drop(log);
    // The right one still opens it, and takes the try back.
    let (mut log, config) = session.elsewhere("right-pin")?.context("there was a place before")?;
    log.open(&config)??;
    checked("open answers access-denied, no log was made, and twelve refusals used up one try")
}

fn key_gone(session: &mut Session) -> Result<Done> {
    if !session.keys.on_token {
        return not_applicable(ELSEWHERE);
    }
    const NAME: &str = "token-key-gone";
    let Some((mut log, config)) = session.elsewhere(NAME)? else { return no_place() };
    if !session.outlives() {
        return not_applicable("this store keeps nothing between two instances");
    }
    log.open(&config)??;
    log.append("s", "e", Severity::Info, "verify", b"signed")??;
    drop(log);
    let other = |label: &'static str| {
        session
            .elsewhere_with(NAME, move |keys, around| keys.give_to(around).variable("SECURE_LOG_HEAD_IDENTITY", label))
    };
    let (mut log, config) = other("verify-no-such-key")?.context("there was a place before")?;
    let answer = log.open(&config)?;
    refused!("open with a label that has no key", answer, LogError::KeyNotFound(text) if text.contains("verify-no-such-key"))?;
    drop(log);
    let (mut log, config) = session.elsewhere(NAME)?.context("there was a place before")?;
    log.open(&config)??;
    is_valid(&mut log)?;
    checked("key-not-found; then with its own key")
}
