//! What both ends are told by variables of their environment (docs/configuration.md). Set and empty means not set.

use core::fmt;
use std::io;

use secure_log::note::VerifierKey;
use secure_log::verify::{PolicyError, Quorum, Trust};

use crate::client::RemoteWitness;

/// The variable with the name of a witness.
pub const NAME_VARIABLE: &str = "SECURE_LOG_WITNESS_NAME";
/// The variable with the folder of its records.
pub const STATE_VARIABLE: &str = "SECURE_LOG_WITNESS_STATE";
/// The variable with the keys of its logs, as lines of a trust policy, or with the path of a file that has them.
pub const LOGS_VARIABLE: &str = "SECURE_LOG_WITNESS_LOGS";
/// The variable with the label of its key.
pub const LABEL_VARIABLE: &str = "SECURE_LOG_WITNESS_IDENTITY";
/// Its value where it is not set. The same key never signs anything else.
const DEFAULT_LABEL: &str = "witness-ed25519";
/// The variable with the addresses of the witnesses that a log's heads are published to.
pub const ANCHOR_VARIABLE: &str = "SECURE_LOG_ANCHOR";
/// The variable with the trust policy that has their keys, as text.
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
    /// The keys of the logs that it knows.
    pub logs: Vec<VerifierKey>,
}

impl WitnessConfig {
    /// Reads the variables. `read_file` reads a text file.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        read_file: impl FnOnce(&str) -> io::Result<String>,
    ) -> Result<WitnessConfig, ConfigError> {
        let needed = |name| set(&variable, name).ok_or(ConfigError::NotSet(name));
        let (name, state, logs) = (needed(NAME_VARIABLE)?, needed(STATE_VARIABLE)?, needed(LOGS_VARIABLE)?);
        // A path is one word, and every line of a policy that says something has more.
        let text = match logs.trim().contains([' ', '\t', '\n']) {
            true => logs,
            false => {
                let path = logs.trim();
                read_file(path).map_err(|error| ConfigError::File { path: path.into(), detail: error.to_string() })?
            }
        };
        let logs = logs_of(&text).map_err(|error| ConfigError::Policy { variable: LOGS_VARIABLE, error })?;
        if logs.is_empty() {
            return Err(ConfigError::NoLog);
        }
        Ok(WitnessConfig { name, state, label: set(&variable, LABEL_VARIABLE).unwrap_or(DEFAULT_LABEL.into()), logs })
    }
}

/// The keys of logs in a policy. A list of logs alone is one, too, though it does not say that it has no quorum.
fn logs_of(text: &str) -> Result<Vec<VerifierKey>, PolicyError> {
    // Looked for first, as reading hundreds of keys twice takes longer than everything else that is done for a request.
    let names_quorum = text.lines().any(|line| line.split([' ', '\t']).find(|word| !word.is_empty()) == Some("quorum"));
    let trust: Trust = if names_quorum { text.parse() } else { format!("{text}\nquorum none\n").parse() }?;
    Ok(trust.log_keys().to_vec())
}

/// The witnesses of a log, and how many of them have to cosign.
pub type RemoteWitnesses = (Vec<RemoteWitness>, Option<Quorum>);

/// The witnesses that [`ANCHOR_VARIABLE`] names by their addresses, with the keys that the policy gives them, and the quorum of
/// the policy. `None` when it is not set.
pub fn remote_witnesses(variable: impl Fn(&str) -> Option<String>) -> Result<Option<RemoteWitnesses>, ConfigError> {
    let Some(urls) = set(&variable, ANCHOR_VARIABLE) else { return Ok(None) };
    let policy = set(&variable, TRUST_VARIABLE).ok_or(ConfigError::NotSet(TRUST_VARIABLE))?;
    let trust: Trust = policy.parse().map_err(|error| ConfigError::Policy { variable: TRUST_VARIABLE, error })?;
    let bare = |url: &str| url.trim_end_matches('/').to_owned();
    let known: Vec<RemoteWitness> = policy.split('\n').filter_map(witness_of).collect();
    let find = |url: &str| {
        let found = known.iter().find(|witness| bare(&witness.url) == bare(url)).cloned();
        found.ok_or_else(|| ConfigError::UnknownWitness(url.into()))
    };
    let witnesses = urls.split_whitespace().map(find).collect::<Result<_, _>>()?;
    Ok(Some((witnesses, trust.quorum().cloned())))
}

/// The witness of a line of a policy, if it is one that says where it is asked.
fn witness_of(line: &str) -> Option<RemoteWitness> {
    let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let ["witness", name, key, url] = words[..] else { return None };
    Some(RemoteWitness { name: name.into(), key: key.parse().ok()?, url: url.into() })
}

fn set(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

/// Why variables cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is needed.
    NotSet(&'static str),
    /// [`LOGS_VARIABLE`] names a file that cannot be read.
    File {
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
            ConfigError::NotSet(variable) | ConfigError::Policy { variable, .. } => variable,
            ConfigError::File { .. } | ConfigError::NoLog => LOGS_VARIABLE,
            ConfigError::UnknownWitness(_) => ANCHOR_VARIABLE,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NotSet(variable) => write!(f, "{variable} is not set"),
            ConfigError::File { path, detail } => write!(f, "{LOGS_VARIABLE}: {path} cannot be read: {detail}"),
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
        line(1, "http://one.example/w/") + &line(2, "http://two.example") + &line(3, "") + "quorum w2\n"
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
        assert_eq!(config.logs[0].name(), "log.example/1");
        let with = |name: &'static str, value: &str| witness(&[&ALL[..], &[(name, value)]].concat());
        for whole in [logs(), logs() + "quorum none", witnesses() + &logs()] {
            assert_eq!(with(LOGS_VARIABLE, &whole), Ok(config.clone()), "{whole}");
        }
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
            ("log x", "SECURE_LOG_WITNESS_LOGS: line 1, column 5: "),
        ] {
            let error = with(LOGS_VARIABLE, value).unwrap_err();
            assert!(error.to_string().starts_with(why) && error.variable() == LOGS_VARIABLE, "{error}");
        }
    }

    #[test]
    fn witnesses_are_named_by_address_and_known_by_key() {
        let read = |anchor: &str, trust: &str| {
            let variables = [(ANCHOR_VARIABLE, anchor), (TRUST_VARIABLE, trust)];
            let found = remote_witnesses(|name| value(&variables, name))?;
            Ok(found.map(|(found, _)| found.into_iter().map(|witness| witness.name).collect::<Vec<_>>()))
        };
        assert_eq!(read("", &witnesses()), Ok(None));
        assert_eq!(read("http://one.example/w", &witnesses()), Ok(Some(vec!["w1".into()])));
        let both = Ok(Some(vec!["w2".into(), "w1".into()]));
        assert_eq!(read("http://two.example/ http://one.example/w", &witnesses()), both);
        assert_eq!(read("http://one.example/w", ""), Err(ConfigError::NotSet(TRUST_VARIABLE)));
        for unknown in ["http://one.example", "http://three.example"] {
            assert_eq!(read(unknown, &witnesses()), Err(ConfigError::UnknownWitness(unknown.into())));
        }
        let error = read("http://one.example/w", "witness w1").unwrap_err();
        assert!(error.to_string().starts_with("SECURE_LOG_TRUST: line 1, column "), "{error}");
        let trust = witnesses();
        let variables = [(ANCHOR_VARIABLE, "http://one.example/w"), (TRUST_VARIABLE, &*trust)];
        let (found, quorum) = remote_witnesses(|name| value(&variables, name)).unwrap().unwrap();
        assert!(!quorum.unwrap().is_met_by([&found[0].key]), "the quorum is that of the policy");
    }
}
