//! Which token, and who uses it, as the environment says it.

use std::env::VarError;
use std::fmt;

use crate::pin::Pin;

/// Holds the user's PIN.
pub const PIN: &str = "SECURE_LOG_PKCS11_PIN";
/// Holds the PIN of the security officer. Only the making of a token needs it.
pub const SO_PIN: &str = "SECURE_LOG_PKCS11_SO_PIN";
/// Names the token by its label; unset, there must be one token alone.
pub const LABEL: &str = "SECURE_LOG_PKCS11_LABEL";

/// What a [`TokenKeystore`](crate::TokenKeystore) is made of.
#[derive(Debug, Default)]
pub struct Config {
    /// The user's PIN. Without one there is no key.
    pub pin: Option<Pin>,
    /// The security officer's PIN, for the first key of a token that is not initialized.
    pub so_pin: Option<Pin>,
    /// The label of the token.
    pub label: Option<String>,
}

impl Config {
    /// Reads the variables through `lookup`, which is [`std::env::var`] or a test's stand-in. A variable that is set
    /// and empty is refused, because nobody can tell what was meant by it.
    pub fn from_env(lookup: impl Fn(&str) -> Result<String, VarError>) -> Result<Config, ConfigError> {
        let read = |name: &'static str| match lookup(name) {
            Ok(value) if value.is_empty() => Err(ConfigError::Empty(name)),
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode(name)),
        };
        Ok(Config { pin: read(PIN)?.map(Pin::new), so_pin: read(SO_PIN)?.map(Pin::new), label: read(LABEL)? })
    }
}

/// Why the environment describes no token. It names variables and never shows what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// This variable is set and empty.
    Empty(&'static str),
    /// This variable is not UTF-8.
    NotUnicode(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Empty(name) => write!(f, "{name} is set and empty: unset it, or give it a value"),
            ConfigError::NotUnicode(name) => write!(f, "{name} is not UTF-8"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(Config::from_env(|_| Err(VarError::NotPresent)).unwrap().pin.is_none());
        for name in [PIN, SO_PIN, LABEL] {
            let with = |answer: Result<String, VarError>| {
                Config::from_env(|n| if n == name { answer.clone() } else { Err(VarError::NotPresent) }).unwrap_err()
            };
            assert_eq!(with(Ok(String::new())), ConfigError::Empty(name));
            assert_eq!(with(Err(VarError::NotUnicode(OsString::from("x")))), ConfigError::NotUnicode(name));
        }
    }

    #[test]
    fn pins_are_not_printed() {
        let config = Config::from_env(|name| Ok(format!("secret of {name}"))).unwrap();
        assert!(!format!("{config:?}").contains("secret of SECURE_LOG_PKCS11_PIN"));
        assert!(!format!("{config:?}").contains("secret of SECURE_LOG_PKCS11_SO_PIN"));
    }
}
