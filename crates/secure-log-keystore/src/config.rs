//! Where the keys come from, as the environment says it.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;

use secure_log::sign::Algorithm;
use zeroize::Zeroizing;

/// Names the algorithm of derived keys, and of generated ones where none is named.
pub const ALG: &str = "SECURE_LOG_KEYSTORE_ALG";
/// Names the folder of key files.
pub const DIR: &str = "SECURE_LOG_KEYSTORE_DIR";
/// Holds the passphrase of the key files.
pub const PASSPHRASE: &str = "SECURE_LOG_KEYSTORE_PASSPHRASE";
/// Holds the seed that keys are derived from.
pub const SEED: &str = "SECURE_LOG_KEYSTORE_SEED";

/// What a [`SoftwareKeystore`](crate::SoftwareKeystore) is made of.
#[derive(Debug)]
pub struct Config {
    /// The algorithm of derived keys, and of generated ones where none is named.
    pub algorithm: Algorithm,
    /// Where the keys come from.
    pub source: Source,
}

/// Where the keys come from.
#[derive(Debug)]
pub enum Source {
    /// From nowhere: every key is absent, and the answer says what to set.
    Nothing,
    /// Files in a folder: encrypted ones only where there is a passphrase, unencrypted ones only where there is none.
    Folder {
        /// The folder, which must exist.
        path: PathBuf,
        /// What the files are encrypted under.
        passphrase: Option<Passphrase>,
    },
    /// Every label has keys, derived from this seed.
    Seed(Seed),
}

impl Config {
    /// Reads the variables through `lookup`, which is [`std::env::var`] or a test's stand-in. A variable that is set
    /// and empty is refused, because nobody can tell what was meant by it.
    pub fn from_env(lookup: impl Fn(&str) -> Result<String, VarError>) -> Result<Config, ConfigError> {
        let read = |name: &'static str| match lookup(name).map(Zeroizing::new) {
            Ok(value) if value.is_empty() => Err(ConfigError::Empty(name)),
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode(name)),
        };
        let algorithm = match read(ALG)? {
            None => Algorithm::Ed25519,
            Some(name) => Algorithm::from_name(&name).ok_or(ConfigError::UnknownAlgorithm)?,
        };
        let passphrase = read(PASSPHRASE)?.map(Passphrase);
        let source = match (read(DIR)?, read(SEED)?) {
            (None, None) => Source::Nothing,
            (Some(path), None) => Source::Folder { path: PathBuf::from(path.as_str()), passphrase },
            (None, Some(hex)) => Source::Seed(Seed::from_hex(&hex).ok_or(ConfigError::MalformedSeed)?),
            (Some(_), Some(_)) => return Err(ConfigError::TwoSources),
        };
        Ok(Config { algorithm, source })
    }
}

/// Why the environment describes no keystore. It names variables and never shows what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// This variable is set and empty.
    Empty(&'static str),
    /// This variable is not UTF-8.
    NotUnicode(&'static str),
    /// [`ALG`] names no algorithm.
    UnknownAlgorithm,
    /// [`SEED`] is not 32 bytes of hexadecimal.
    MalformedSeed,
    /// Both [`DIR`] and [`SEED`] are set.
    TwoSources,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Empty(name) => write!(f, "{name} is set and empty: unset it, or give it a value"),
            ConfigError::NotUnicode(name) => write!(f, "{name} is not UTF-8"),
            ConfigError::UnknownAlgorithm => write!(f, "{ALG} must be ed25519, ecdsa-p256 or rsa-pss-sha256"),
            ConfigError::MalformedSeed => write!(f, "{SEED} must be 64 hexadecimal digits, as of openssl rand -hex 32"),
            ConfigError::TwoSources => write!(f, "{DIR} and {SEED} are both set: unset one"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A passphrase. It is never empty, zeroed when dropped and never printed.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase, unless it is empty.
    pub fn new(text: String) -> Option<Passphrase> {
        let text = Zeroizing::new(text);
        (!text.is_empty()).then_some(Passphrase(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// A seed. It is zeroed when dropped and never printed.
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// Takes a seed's 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Seed {
        Seed(Zeroizing::new(bytes))
    }

    /// Reads 64 hexadecimal digits of either case.
    pub fn from_hex(text: &str) -> Option<Seed> {
        let mut bytes = Zeroizing::new([0; 32]);
        // Of a text that begins with 0x the decoder would want 66 characters.
        if text.len() != 64 || const_hex::decode_to_slice(text, bytes.as_mut_slice()).is_err() {
            return None;
        }
        Some(Seed(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_env(|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| value.to_string()).ok_or(VarError::NotPresent)
        })
    }

    #[test]
    fn an_empty_environment_configures_nothing() {
        let config = config(&[]).unwrap();
        assert_eq!(config.algorithm, Algorithm::Ed25519);
        assert!(matches!(config.source, Source::Nothing));
    }

    #[test]
    fn a_folder_or_a_seed_and_not_both() {
        let folder = config(&[(DIR, "keys"), (PASSPHRASE, "p"), (ALG, "rsa-pss-sha256")]).unwrap();
        assert_eq!(folder.algorithm, Algorithm::RsaPssSha256);
        let Source::Folder { path, passphrase: Some(passphrase) } = folder.source else { panic!() };
        assert_eq!((path, passphrase.as_bytes()), (PathBuf::from("keys"), b"p".as_slice()));

        let Source::Seed(seed) = config(&[(SEED, HEX)]).unwrap().source else { panic!() };
        assert_eq!(const_hex::encode(seed.as_bytes()), HEX);
        assert_eq!(config(&[(SEED, HEX), (DIR, "keys")]).unwrap_err(), ConfigError::TwoSources);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for name in [ALG, DIR, PASSPHRASE, SEED] {
            assert_eq!(config(&[(name, "")]).unwrap_err(), ConfigError::Empty(name));
            let not_unicode = Config::from_env(|n| match n == name {
                true => Err(VarError::NotUnicode(OsString::from("x"))),
                false => Err(VarError::NotPresent),
            });
            assert_eq!(not_unicode.unwrap_err(), ConfigError::NotUnicode(name));
        }
        assert_eq!(config(&[(ALG, "ED25519")]).unwrap_err(), ConfigError::UnknownAlgorithm);
        let prefixed = format!("0x{}", &HEX[2..]);
        for seed in [&HEX[1..], "not hex", &HEX.replace('0', "g"), &prefixed, &format!("{HEX}\n")] {
            assert_eq!(config(&[(SEED, seed)]).unwrap_err(), ConfigError::MalformedSeed, "{seed}");
        }
    }
}
