//! What the core reads from its environment (docs/configuration.md).

use std::env::VarError;
use std::str::FromStr;

use secure_log::engine::LogOptions;
use secure_log::error::LogError;
use secure_log::limits::{Invalid, Problem};
use secure_log::verify::{PolicyError, Trust};

/// The options that the environment names; what it does not name stays as it was chosen.
pub(crate) fn options(chosen: LogOptions) -> Result<LogOptions, LogError> {
    Ok(LogOptions {
        origin: text("SECURE_LOG_ORIGIN")?,
        identity: text("SECURE_LOG_HEAD_IDENTITY")?.unwrap_or(chosen.identity),
        mac_label: text("SECURE_LOG_MAC_LABEL")?,
        kek_label: text("SECURE_LOG_KEK_LABEL")?,
        session: text("SECURE_LOG_SESSION")?,
        boot: text("SECURE_LOG_BOOT")?,
        head_every: parsed("SECURE_LOG_HEAD_EVERY")?.unwrap_or(chosen.head_every),
        anchor_every: parsed("SECURE_LOG_ANCHOR_EVERY")?.unwrap_or(chosen.anchor_every),
        trust: trust()?.unwrap_or_default(),
        ..chosen
    })
}

/// A variable's text. Set and empty means not set, as shells cannot unset for a single command.
fn text(name: &'static str) -> Result<Option<String>, LogError> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(unusable(name, "it is not UTF-8")),
    }
}

/// The trust policy as text (docs/anchors.md); the core reads no file.
fn trust() -> Result<Option<Trust>, LogError> {
    const NAME: &str = "SECURE_LOG_TRUST";
    let parse = |text: String| text.parse().map_err(|error: PolicyError| unusable(NAME, &error.to_string()));
    text(NAME)?.map(parse).transpose()
}

fn parsed<T: FromStr<Err = Invalid>>(name: &'static str) -> Result<Option<T>, LogError> {
    text(name)?.map(|text| text.parse().map_err(|error: Invalid| Invalid { field: name, ..error }.into())).transpose()
}

fn unusable(field: &'static str, why: &str) -> LogError {
    Invalid { field, problem: Problem::Unusable(why.into()) }.into()
}
