//! What the core reads from its environment (docs/configuration.md).

use std::env::VarError;
use std::str::FromStr;

use secure_log::engine::LogOptions;
use secure_log::error::LogError;
use secure_log::limits::{Invalid, Problem};

/// The options that the environment names; what it does not name keeps its default.
pub(crate) fn options() -> Result<LogOptions, LogError> {
    let defaults = LogOptions::default();
    Ok(LogOptions {
        origin: text("SECURE_LOG_ORIGIN")?,
        identity: text("SECURE_LOG_HEAD_IDENTITY")?.unwrap_or(defaults.identity),
        mac_label: text("SECURE_LOG_MAC_LABEL")?,
        session: text("SECURE_LOG_SESSION")?,
        boot: text("SECURE_LOG_BOOT")?,
        head_every: parsed("SECURE_LOG_HEAD_EVERY")?.unwrap_or(defaults.head_every),
        anchor_every: parsed("SECURE_LOG_ANCHOR_EVERY")?.unwrap_or(defaults.anchor_every),
        ..defaults
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

fn parsed<T: FromStr<Err = Invalid>>(name: &'static str) -> Result<Option<T>, LogError> {
    text(name)?.map(|text| text.parse().map_err(|error: Invalid| Invalid { field: name, ..error }.into())).transpose()
}

fn unusable(field: &'static str, why: &str) -> LogError {
    Invalid { field, problem: Problem::Unusable(why.into()) }.into()
}
