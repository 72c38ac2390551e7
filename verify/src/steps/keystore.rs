//! What a log does without its key, with a wrong passphrase, and with keys derived from a seed.

use wasmtime::error::Context;
use wasmtime::{Result, bail, format_err};

use super::{Done, Group, Step, checked, is_valid, no_place, not_applicable, rules};
use crate::expect::{equal, holds, refused, shown};
use crate::host::LogError;
use crate::host::encoder::Severity;
use crate::host::writer::{HashSuite, SigningRule, Verdict};
use crate::keys::random;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "keys",
    about: "logs of their own, with other keys or none",
    steps: &[
        Step { name: "without any key a log is keyless and says so", run: keyless },
        Step { name: "a signed log is not continued without its key", run: key_gone },
        Step { name: "a wrong passphrase is never taken for no key", run: wrong_passphrase },
        Step { name: "keyed hashes under a key derived from a seed", run: seeded },
    ],
};

pub(super) const KEYSTORE: &str = "SECURE_LOG_KEYSTORE";
pub(super) const FOREIGN: &str = "the stack's keystore takes no keys from these variables";

fn keyless(session: &mut Session) -> Result<Done> {
    if !session.keys.are_given {
        return not_applicable(FOREIGN);
    }
    let Some((mut log, config)) =
        session.elsewhere_with("keyless", |_, around| around.without(KEYSTORE).without("SECURE_LOG_MAC_LABEL"))?
    else {
        return no_place();
    };
    log.open(&config)??;
    equal("the key of its heads", log.status()??.head_key, None)?;
    log.append("s", "e", Severity::Info, "verify", b"nobody signs this")??;
    let segment = log.close_segment("s")??.segment_id;
    let identity = session.keys.head_identity.clone();
    let answer = log.sign_segment(&identity, segment)?;
    refused!("sign-segment", answer, LogError::KeyNotFound(text) if text.contains(KEYSTORE))?;
    let answer = log.create_stream_with("signed", &rules(HashSuite::Sha256, SigningRule::Segments))?;
    refused!("a stream that must be signed", answer, LogError::KeyNotFound(_))?;
    refused!("sign-head", log.sign_head()?, LogError::KeyNotFound(_))?;
    let answer = log.create_stream_with("keyed", &rules(HashSuite::HmacSha256, SigningRule::None))?;
    refused!("a keyed stream", answer, LogError::KeyNotFound(text) if text.contains("SECURE_LOG_MAC_LABEL"))?;
    let report = log.verify_log()??;
    let Verdict::Incomplete = report.verdict else {
        bail!("the verdict on a keyless log: expected incomplete, found {}", shown(&report));
    };
    holds("it says what is missing", !report.missing.is_empty())?;
    equal("complete on the word of a key", report.complete_to, 0)?;
    checked(format!("the verdict is incomplete: {}", super::missing(&report).join("; ")))
}

fn key_gone(session: &mut Session) -> Result<Done> {
    if !session.keys.are_given {
        return not_applicable(FOREIGN);
    }
    const NAME: &str = "key-gone";
    let Some((mut log, config)) = session.elsewhere(NAME)? else { return no_place() };
    if !session.outlives() {
        return not_applicable("this store keeps nothing between two instances");
    }
    log.open(&config)??;
    log.append("s", "e", Severity::Info, "verify", b"signed")??;
    drop(log);
    let (mut log, config) =
        session.elsewhere_with(NAME, |_, around| around.without(KEYSTORE))?.context("there was a place before")?;
    refused!("open without a keystore", log.open(&config)?, LogError::KeyNotFound(text) if text.contains(KEYSTORE))?;
    let (mut log, config) = session
        .elsewhere_with(NAME, |keys, around| {
            keys.give_to(around).variable("SECURE_LOG_HEAD_IDENTITY", "verify-no-such-key")
        })?
        .context("there was a place before")?;
    if std::env::var_os("SECURE_LOG_KEYSTORE_SEED").is_none() {
        let answer = log.open(&config)?;
        refused!("open with a label that has no key", answer, LogError::KeyNotFound(text) if text.contains("verify-no-such-key"))?;
    }
    let (mut log, config) = session
        .elsewhere_with(NAME, |_, around| around.without(KEYSTORE).variable("SECURE_LOG_KEYSTORE_SEED", seed()))?
        .context("there was a place before")?;
    let Err(error) = log.open(&config)? else { bail!("a log was opened with another key than its own") };
    let (mut log, config) = session.elsewhere(NAME)?.context("there was a place before")?;
    log.open(&config)??;
    checked(format!("key-not-found twice, and with another key {}; then with its own", shown(&error)))
}

fn wrong_passphrase(session: &mut Session) -> Result<Done> {
    if !session.keys.are_given {
        return not_applicable(FOREIGN);
    }
    if std::env::var_os("SECURE_LOG_KEYSTORE_SEED").is_some() {
        return not_applicable("keys from a seed have no passphrase");
    }
    let wrong = session.elsewhere_with("wrong-passphrase", |keys, around| {
        keys.give_to(around).variable("SECURE_LOG_KEYSTORE_PASSPHRASE", "wrong")
    })?;
    let Some((mut log, config)) = wrong else { return no_place() };
    match log.open(&config)? {
        Err(LogError::AccessDenied(text)) if !text.contains("wrong\"") => {
            holds("no log was made", session.file().is_none() || !session.elsewhere_file("wrong-passphrase").exists())?;
            checked("open answers access-denied, and no log was made")
        }
        other => Err(format_err!("open with a wrong passphrase: expected access-denied, found {}", shown(&other))),
    }
}

fn seeded(session: &mut Session) -> Result<Done> {
    if !session.keys.are_given {
        return not_applicable(FOREIGN);
    }
    let seed = seed();
    let open = || {
        session.elsewhere_with("seeded", |_, around| {
            around
                .without(KEYSTORE)
                .variable("SECURE_LOG_KEYSTORE_SEED", &seed)
                .variable("SECURE_LOG_MAC_LABEL", "verify-mac")
        })
    };
    let Some((mut log, config)) = open()? else { return no_place() };
    log.open(&config)??;
    log.create_stream_with("keyed", &rules(HashSuite::HmacSha256, SigningRule::Entries))??;
    let first = log.append("keyed", "e", Severity::Info, "verify", b"keyed")??;
    equal("the version of its entries", log.read(first.seqno)??.version, 3)?;
    log.append("plain", "e", Severity::Info, "verify", b"plain")??;
    log.change_suite("plain", HashSuite::HmacSha256)??;
    let changed = log.append("plain", "e", Severity::Info, "verify", b"keyed from here")??;
    equal("the version after the change", log.read(changed.seqno)??.version, 3)?;
    log.close_segment("keyed")??;
    is_valid(&mut log)?;
    drop(log);
    if session.outlives() {
        let (mut log, config) = open()?.context("there was a place before")?;
        log.open(&config)??;
        log.append("keyed", "e", Severity::Info, "verify", b"after a restart")??;
        is_valid(&mut log)?;
    }
    checked("a keyed stream that signs entries, and one that changes to keyed hashes; both verify")
}

pub(super) fn seed() -> String {
    const_hex::encode(random::<32>())
}
