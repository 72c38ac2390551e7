//! What both ends are told by variables of their environment (docs/configuration.md). Set and empty means not set.

use core::fmt;
use std::io;

use crate::client::RemoteWitness;
use crate::policy::{Policy, PolicyError};

/// The variable with the name of a witness.
pub const NAME_VARIABLE: &str = "SECURE_LOG_WITNESS_NAME";
/// The variable with the folder of its records.
pub const STATE_VARIABLE: &str = "SECURE_LOG_WITNESS_STATE";
/// The variable with the policy that names its logs, or with the path of a file that has it.
pub const LOGS_VARIABLE: &str = "SECURE_LOG_WITNESS_LOGS";
/// The variable with the label of its key.
pub const LABEL_VARIABLE: &str = "SECURE_LOG_WITNESS_IDENTITY";
/// Its value where it is not set. The same key never signs anything else.
const DEFAULT_LABEL: &str = "witness-ed25519";
/// The variable with the addresses of the witnesses that a log's heads are published to.
pub const ANCHOR_VARIABLE: &str = "SECURE_LOG_ANCHOR";
/// The variable with the policy that has their keys, or with the path of a file that has it.
pub const TRUST_VARIABLE: &str = "SECURE_LOG_TRUST";

/// What a witness is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessConfig {
    /// Its name.
    pub name: String,
    /// The folder of its records.
    pub state: String,
    /// The label of its key.
    pub label: String,
    /// The logs that it knows.
    pub policy: Policy,
}

impl WitnessConfig {
    /// Reads the variables. `read_file` reads a text file.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        read_file: impl FnOnce(&str) -> io::Result<String>,
    ) -> Result<WitnessConfig, ConfigError> {
        let needed = |name| set(&variable, name).ok_or(ConfigError::NotSet(name));
        let (name, state, logs) = (needed(NAME_VARIABLE)?, needed(STATE_VARIABLE)?, needed(LOGS_VARIABLE)?);
        let policy = policy(LOGS_VARIABLE, logs, read_file)?;
        if policy.logs.is_empty() {
            return Err(ConfigError::NoLog);
        }
        Ok(WitnessConfig { name, state, label: set(&variable, LABEL_VARIABLE).unwrap_or(DEFAULT_LABEL.into()), policy })
    }
}

/// The witnesses that [`ANCHOR_VARIABLE`] names by their addresses, with the keys that the policy gives them. `None` when it
/// is not set.
pub fn remote_witnesses(
    variable: impl Fn(&str) -> Option<String>,
    read_file: impl FnOnce(&str) -> io::Result<String>,
) -> Result<Option<Vec<RemoteWitness>>, ConfigError> {
    let Some(urls) = set(&variable, ANCHOR_VARIABLE) else { return Ok(None) };
    let trust = set(&variable, TRUST_VARIABLE).ok_or(ConfigError::NotSet(TRUST_VARIABLE))?;
    let policy = policy(TRUST_VARIABLE, trust, read_file)?;
    let bare = |url: &str| url.trim_end_matches('/').to_owned();
    let known: Vec<RemoteWitness> = policy.witnesses.iter().filter_map(RemoteWitness::named).collect();
    let find = |url: &str| {
        let found = known.iter().find(|witness| bare(&witness.url) == bare(url)).cloned();
        found.ok_or_else(|| ConfigError::UnknownWitness(url.into()))
    };
    urls.split_whitespace().map(find).collect::<Result<_, _>>().map(Some)
}

fn set(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

/// The policy in a variable. A path is one word, and every line of a policy that says something has more.
fn policy(
    variable: &'static str,
    value: String,
    read_file: impl FnOnce(&str) -> io::Result<String>,
) -> Result<Policy, ConfigError> {
    let text = match value.trim().contains([' ', '\t', '\n']) {
        true => value,
        false => read_file(value.trim()).map_err(|error| ConfigError::File {
            variable,
            path: value.trim().into(),
            detail: error.to_string(),
        })?,
    };
    Policy::parse(&text).map_err(|error| ConfigError::Policy { variable, error })
}

/// Why variables cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is needed.
    NotSet(&'static str),
    /// It names a file that cannot be read.
    File {
        /// Which variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
    /// What it has is no policy.
    Policy {
        /// Which variable.
        variable: &'static str,
        /// Why.
        error: PolicyError,
    },
    /// A witness of no log.
    NoLog,
    /// No witness of the policy has this address.
    UnknownWitness(String),
}

impl ConfigError {
    /// The variable.
    pub fn variable(&self) -> &'static str {
        match self {
            ConfigError::NotSet(variable) | ConfigError::File { variable, .. } => variable,
            ConfigError::Policy { variable, .. } => variable,
            ConfigError::NoLog => LOGS_VARIABLE,
            ConfigError::UnknownWitness(_) => ANCHOR_VARIABLE,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NotSet(variable) => write!(f, "{variable} is not set"),
            ConfigError::File { variable, path, detail } => write!(f, "{variable}: {path} cannot be read: {detail}"),
            ConfigError::Policy { variable, error } => write!(f, "{variable}: {error}"),
            ConfigError::NoLog => write!(f, "{LOGS_VARIABLE} names no log"),
            ConfigError::UnknownWitness(url) => {
                write!(f, "{ANCHOR_VARIABLE}: no line 'witness <name> <key> {url}' stands in {TRUST_VARIABLE}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use secure_log::note::VerifierKey;
    use secure_log::sign::Algorithm;

    fn key(seed: u8) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()
    }

    fn logs() -> String {
        format!("log {}\n", VerifierKey::new("log.example/1", Algorithm::Ed25519, &key(1)).unwrap())
    }

    fn witnesses() -> String {
        let line = |seed: u8, url: &str| {
            format!("witness w{seed} {} {url}\n", VerifierKey::new_witness(&format!("w{seed}"), &key(seed)).unwrap())
        };
        line(1, "http://one.example/w/") + &line(2, "http://two.example") + &line(3, "")
    }

    fn files(path: &str) -> io::Result<String> {
        match path {
            "logs.txt" => Ok(logs()),
            "trust.txt" => Ok(witnesses()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn witness(variables: &[(&str, &str)]) -> Result<WitnessConfig, ConfigError> {
        WitnessConfig::from_variables(|name| value(variables, name), files)
    }

    fn value(variables: &[(&str, &str)], name: &str) -> Option<String> {
        variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    const ALL: [(&str, &str); 3] =
        [(NAME_VARIABLE, "witness.example"), (STATE_VARIABLE, "state"), (LOGS_VARIABLE, "logs.txt")];

    #[test]
    fn a_witness_needs_a_name_a_folder_and_a_log() {
        let config = witness(&ALL).unwrap();
        assert_eq!((&*config.name, &*config.state, &*config.label), ("witness.example", "state", "witness-ed25519"));
        assert_eq!(config.policy.keys_of("log.example/1").len(), 1);
        let with = |name: &'static str, value: &str| witness(&[&ALL[..], &[(name, value)]].concat());
        assert_eq!(with(LOGS_VARIABLE, &logs()), Ok(config.clone()), "the policy itself");
        assert_eq!(with(LABEL_VARIABLE, "other").unwrap().label, "other");
        for (index, (name, _)) in ALL.into_iter().enumerate() {
            let mut without = ALL.to_vec();
            without.remove(index);
            assert_eq!(witness(&without), Err(ConfigError::NotSet(name)));
            assert_eq!(with(name, " \n"), Err(ConfigError::NotSet(name)));
        }
        for (value, why) in [
            ("absent.txt", "SECURE_LOG_WITNESS_LOGS: absent.txt cannot be read: "),
            ("trust.txt", "SECURE_LOG_WITNESS_LOGS names no log"),
            ("log x", "SECURE_LOG_WITNESS_LOGS: line 1 of the policy "),
        ] {
            let error = with(LOGS_VARIABLE, value).unwrap_err();
            assert!(error.to_string().starts_with(why) && error.variable() == LOGS_VARIABLE, "{error}");
        }
    }

    #[test]
    fn witnesses_are_named_by_address_and_known_by_key() {
        let read = |anchor: &str, trust: &str| {
            let variables = [(ANCHOR_VARIABLE, anchor), (TRUST_VARIABLE, trust)];
            let found = remote_witnesses(|name| value(&variables, name), files)?;
            Ok(found.map(|found| found.into_iter().map(|witness| witness.name).collect::<Vec<_>>()))
        };
        assert_eq!(read("", "trust.txt"), Ok(None));
        assert_eq!(read("http://one.example/w", "trust.txt"), Ok(Some(vec!["w1".into()])));
        let both = Ok(Some(vec!["w2".into(), "w1".into()]));
        assert_eq!(read("http://two.example/ http://one.example/w", &witnesses()), both);
        assert_eq!(read("http://one.example/w", ""), Err(ConfigError::NotSet(TRUST_VARIABLE)));
        for unknown in ["http://one.example", "http://three.example"] {
            assert_eq!(read(unknown, "trust.txt"), Err(ConfigError::UnknownWitness(unknown.into())));
        }
    }
}
