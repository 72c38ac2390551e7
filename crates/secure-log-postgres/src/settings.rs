//! What a connection string says.
//!
//! It is one of libpq's, a URL or `key=value` pairs, and what concerns the log or the way to the server is taken out before the
//! rest is handed on. The password is shown nowhere.

use core::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secure_log::store::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// Connections of a pool, unless the string says otherwise.
const POOL: usize = 16;
/// The largest pool.
const MAX_POOL: usize = 1024;
/// How long a server may take to be connected to: each of its addresses, and then its greeting.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an operation goes on trying while no server takes it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest of these times.
const MAX_SECONDS: u64 = 24 * 60 * 60;
/// Bytes of a log's name.
const MAX_NAME: usize = 255;

/// Where a log is, and how to get there.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) log: Option<String>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) pool: usize,
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
    pub(crate) patience: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Says who is logged in, where.
    pub(crate) fn fmt_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }

    /// Reads a connection string (docs/postgres.md).
    pub(crate) fn parse(text: &str) -> Result<Settings, StoreError> {
        let (rest, ours) = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            split_url(text)?
        } else {
            split_pairs(text)?
        };
        // What it says is not repeated: a password may stand in the wrong place.
        let mut config: Config = rest.parse().map_err(|_| unreadable())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refused("it names no host"));
        }
        config.ssl_mode(SslMode::Require);
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("secure-log");
        }
        let connect = config.get_connect_timeout().copied().unwrap_or(CONNECT);
        let mut settings =
            Settings { config, log: None, root: None, pool: POOL, connect, answer: ANSWER, patience: PATIENCE };
        ours.into_iter().try_for_each(|(key, value)| settings.set(key, value))?;
        Ok(settings)
    }

    fn set(&mut self, key: Ours, value: String) -> Result<(), StoreError> {
        match key {
            Ours::Log => self.log = Some(check_name(&value)?.into()),
            Ours::RootCertificate => self.root = Some(value.into()),
            Ours::Pool => {
                let size = value.parse().ok().filter(|size| (1..=MAX_POOL).contains(size));
                self.pool = size.ok_or_else(|| refused(format!("pool is a number from 1 to {MAX_POOL}")))?;
            }
            Ours::AnswerTimeout => self.answer = seconds("answer_timeout", &value)?,
            Ours::Patience => self.patience = seconds("patience", &value)?,
            Ours::Tls => {
                self.config.ssl_mode(match &*value {
                    "disable" => SslMode::Disable,
                    "prefer" => SslMode::Prefer,
                    // Whatever is encrypted is with whom the certificate names.
                    "require" | "verify-full" => SslMode::Require,
                    _ => return Err(refused("sslmode is disable, prefer, require or verify-full")),
                });
            }
            Ours::Target => {
                self.config.target_session_attrs(match &*value {
                    "any" => TargetSessionAttrs::Any,
                    "read-write" => TargetSessionAttrs::ReadWrite,
                    _ => return Err(refused("target_session_attrs is read-write or any")),
                });
            }
        }
        Ok(())
    }
}

/// A name that a log may have in a database.
pub(crate) fn check_name(name: &str) -> Result<&str, StoreError> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let detail = format!("a log's name has 1 to {MAX_NAME} bytes and no control character");
        return Err(StoreError::Config(detail));
    }
    Ok(name)
}

/// The keys that are not handed on.
#[derive(Clone, Copy)]
enum Ours {
    Log,
    RootCertificate,
    Pool,
    AnswerTimeout,
    Patience,
    Tls,
    Target,
}

impl Ours {
    fn named(key: &str) -> Option<Ours> {
        Some(match key {
            "log" => Ours::Log,
            "sslrootcert" => Ours::RootCertificate,
            "pool" => Ours::Pool,
            "answer_timeout" => Ours::AnswerTimeout,
            "patience" => Ours::Patience,
            "sslmode" => Ours::Tls,
            "target_session_attrs" => Ours::Target,
            _ => return None,
        })
    }
}

type Split = (String, Vec<(Ours, String)>);

fn split_url(text: &str) -> Result<Split, StoreError> {
    let Some((place, parameters)) = text.split_once('?') else { return Ok((text.into(), Vec::new())) };
    let (mut rest, mut ours) = (Vec::new(), Vec::new());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').ok_or_else(unreadable)?;
        match Ours::named(key) {
            Some(key) => ours.push((key, percent_decoded(value).ok_or_else(unreadable)?)),
            None => rest.push(parameter),
        }
    }
    Ok((format!("{place}?{}", rest.join("&")), ours))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// `key = value` pairs, whose values may stand in single quotes. A backslash stands before what is meant as it is.
fn split_pairs(text: &str) -> Result<Split, StoreError> {
    let (mut rest, mut ours) = (String::new(), Vec::new());
    let mut left = text.trim_start();
    while !left.is_empty() {
        let (key, behind) = left.split_once('=').ok_or_else(unreadable)?;
        let (value, behind) = value_of_pair(behind.trim_start())?;
        match Ours::named(key.trim()) {
            Some(key) => ours.push((key, value)),
            None => {
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                rest.push_str(&format!("{}='{value}' ", key.trim()));
            }
        }
        left = behind.trim_start();
    }
    Ok((rest, ours))
}

fn value_of_pair(text: &str) -> Result<(String, &str), StoreError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next().ok_or_else(unreadable)?.1),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            space if !quoted && space.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted { Err(unreadable()) } else { Ok((value, "")) }
}

fn seconds(key: &str, value: &str) -> Result<Duration, StoreError> {
    let number = value.parse().ok().filter(|number| (1..=MAX_SECONDS).contains(number));
    number
        .map(Duration::from_secs)
        .ok_or_else(|| refused(format!("{key} is a number of seconds from 1 to {MAX_SECONDS}")))
}

fn unreadable() -> StoreError {
    refused("it is postgresql://user@host/database?log=name, or host=.. user=.. dbname=.. log=..")
}

fn refused(detail: impl fmt::Display) -> StoreError {
    StoreError::Config(format!("the connection string cannot be used: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        for text in [
            "postgresql://me:s%20cret@db1:5433,db2/audit?log=a%2Fb&sslmode=disable&pool=3&sslrootcert=/ca.pem&patience=7",
            "host=db1,db2 port=5433,5432 user=me password='s cret' dbname=audit log=a/b sslmode=disable pool = 3 \
             sslrootcert='/ca.pem' patience=7",
        ] {
            let settings = Settings::parse(text).unwrap();
            assert_eq!(settings.config.get_hosts().len(), 2, "{text}");
            assert_eq!(settings.config.get_password(), Some(&b"s cret"[..]));
            assert_eq!(settings.config.get_dbname(), Some("audit"));
            assert_eq!(settings.config.get_ssl_mode(), SslMode::Disable);
            assert_eq!(settings.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
            assert_eq!((settings.log.as_deref(), settings.pool), (Some("a/b"), 3));
            assert_eq!(settings.root, Some("/ca.pem".into()));
            assert_eq!((settings.answer, settings.patience), (ANSWER, Duration::from_secs(7)));
        }
    }

    #[test]
    fn tls_is_required_unless_it_is_said_otherwise() {
        let mode = |text: &str| Settings::parse(text).unwrap().config.get_ssl_mode();
        assert_eq!(mode("host=db user=me"), SslMode::Require);
        assert_eq!(mode("host=db user=me sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgresql://db?sslmode=prefer"), SslMode::Prefer);
    }

    #[test]
    fn a_password_is_shown_by_no_error_and_no_debug() {
        for text in [
            "host=db password=hunter2 hunter2",
            "host=db password='hunter2",
            "host=db user=x hunter2=1",
            "host=db port=hunter2",
            "postgresql://me:hunter2@db:port/x",
            "postgresql://me:hunter2@db?hunter2",
            "postgresql://me@db?log=a&hunter2=1",
            "password=hunter2",
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(
                matches!(error, StoreError::Config(_)) && !format!("{error:?}{error}").contains("hunter2"),
                "{error:?}"
            );
        }
        let settings = Settings::parse("host=db password=hunter2 user=me log=x").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "",
            "user=me",
            "host",
            "host=db log=",
            "host=db log='a\u{7}'",
            "host=db pool=0",
            "host=db pool=9999999",
            "host=db patience=x",
            "host=db answer_timeout=0",
            "host=db sslmode=allow",
            "host=db target_session_attrs=standby",
            "postgresql://db?log=%zz",
        ] {
            assert!(matches!(Settings::parse(text), Err(StoreError::Config(_))), "{text}");
        }
    }
}
