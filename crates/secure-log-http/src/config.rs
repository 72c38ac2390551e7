//! What the environment says of a service, whatever host it runs on (docs/configuration.md). It is read and checked as a whole:
//! who starts it sees every mistake at once.
//!
//! A host reads what is its own with the same [`Reader`], and its table of variables says which there are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secure_log::engine::{Absent, AnchorEvery, DEFAULT_IDENTITY, Every, LogOptions};
use secure_log::limits::{check_name, check_origin};
use secure_log::note::is_key_name;
use zeroize::Zeroizing;

use crate::log_id::{LogId, MAX_LOG_ID_CHARS};
use crate::token::{MAX_TOKENS_BYTES, Tokens};

/// The variables that mean the same for every host.
#[allow(missing_docs, reason = "the tables of the hosts say what each is for")]
pub mod names {
    pub const STORE: &str = "SECURE_LOG_HTTP_STORE";
    pub const TOKENS: &str = "SECURE_LOG_TOKENS";
    pub const ORIGIN: &str = "SECURE_LOG_ORIGIN";
    pub const IDENTITY: &str = "SECURE_LOG_HEAD_IDENTITY";
    pub const HEAD_EVERY: &str = "SECURE_LOG_HEAD_EVERY";
    pub const ANCHOR: &str = "SECURE_LOG_ANCHOR";
    pub const ANCHOR_EVERY: &str = "SECURE_LOG_ANCHOR_EVERY";
    pub const MAC_LABEL: &str = "SECURE_LOG_MAC_LABEL";
    pub const KEK_LABEL: &str = "SECURE_LOG_KEK_LABEL";
    pub const MAX_BODY: &str = "SECURE_LOG_HTTP_MAX_BODY";
    pub const TIMEOUT: &str = "SECURE_LOG_HTTP_TIMEOUT";
}
use names::{ANCHOR_EVERY, HEAD_EVERY, IDENTITY, KEK_LABEL, MAC_LABEL, MAX_BODY, ORIGIN, TIMEOUT, TOKENS};

/// Variables, and what each is for.
pub type Table = &'static [(&'static str, &'static str)];

/// What every host of the API is told.
#[derive(Debug)]
pub struct Common {
    /// The file of tokens.
    pub tokens_path: PathBuf,
    /// What was in it.
    pub tokens: Tokens,
    /// How each log is opened.
    pub logs: LogSettings,
    /// Bytes of a body of records.
    pub max_body_bytes: usize,
    /// What a client may take its time for.
    pub timeout: Duration,
}

/// How the logs of a service are opened.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// What their names begin with.
    pub origin: String,
    /// The label of the key that signs heads.
    pub identity: String,
    /// How often heads are signed.
    pub head_every: Every,
    /// How often the anchor is given heads.
    pub anchor_every: AnchorEvery,
    /// The label of the keyed suite's key.
    pub mac_label: Option<String>,
    /// The label of the key that wraps data keys.
    pub kek_label: Option<String>,
}

impl LogSettings {
    /// How the log of this name is opened.
    pub fn options(&self, id: &LogId, absent: Absent) -> LogOptions {
        LogOptions {
            origin: Some(format!("{}/{id}", self.origin)),
            identity: self.identity.clone(),
            mac_label: self.mac_label.clone(),
            kek_label: self.kek_label.clone(),
            head_every: self.head_every,
            anchor_every: self.anchor_every,
            absent,
            ..LogOptions::default()
        }
    }
}

/// Every mistake in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the environment:", if count == 1 { "mistake" } else { "mistakes" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

/// The variables, and what was found to be wrong with them so far.
pub struct Reader {
    /// Some of them are secrets.
    found: BTreeMap<String, Zeroizing<String>>,
    mistakes: Vec<String>,
}

impl Reader {
    /// Reads these variables. Those of other programs are passed over; one that begins like a service's own and is not in the table
    /// is a mistake.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, table: Table) -> Reader {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with("SECURE_LOG_"));
        let found = ours.map(|(name, value)| (name, Zeroizing::new(value))).collect();
        let mut reader = Reader { found, mistakes: Vec::new() };
        reader.refuse_unknown(table);
        reader
    }

    /// What every host reads. `None` where something that it takes is missing, which is among the mistakes then.
    pub fn common(&mut self) -> Option<Common> {
        let (tokens_path, tokens) = self.tokens();
        let origin = self.origin();
        let identity = self.label(IDENTITY).unwrap_or_else(|| DEFAULT_IDENTITY.into());
        let every = "commit, a number of entries, or a time such as 250ms or 2s";
        let head_every = self.parsed(HEAD_EVERY, every).unwrap_or(Every::Commit);
        let anchor_every = self.parsed(ANCHOR_EVERY, "close, or what SECURE_LOG_HEAD_EVERY takes");
        let (mac_label, kek_label) = (self.label(MAC_LABEL), self.label(KEK_LABEL));
        let timeout = self.number(TIMEOUT, 30, 1, 3600);
        let max_body_bytes = self.number(MAX_BODY, 24 << 20, 1024, 128 << 20) as usize;
        let anchor_every = anchor_every.unwrap_or(AnchorEvery::Each(Every::Commit));
        Some(Common {
            tokens_path,
            tokens: tokens?,
            logs: LogSettings { origin: origin?, identity, head_every, anchor_every, mac_label, kek_label },
            max_body_bytes,
            timeout: Duration::from_secs(timeout),
        })
    }

    /// Ends reading: with what was read, or with every mistake.
    pub fn end<T>(self, read: Option<T>) -> Result<T, Mistakes> {
        match read {
            Some(read) if self.mistakes.is_empty() => Ok(read),
            _ => Err(Mistakes(self.mistakes)),
        }
    }

    /// Notes that a variable is wrong.
    pub fn wrong(&mut self, name: &str, why: impl fmt::Display) {
        self.note(format!("{name}: {why}"));
    }

    /// Notes a mistake that names its variable itself.
    pub fn note(&mut self, mistake: String) {
        self.mistakes.push(mistake);
    }

    /// A variable as it is set.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.found.get(name).map(|value| value.as_str())
    }

    /// A variable that is set and empty counts as not set, as shells cannot unset for a single command.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// A variable that has to be set.
    pub fn required(&mut self, name: &'static str, expected: &str) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            self.wrong(name, format!("not set: {expected}"));
        }
        text
    }

    /// A variable that is read as something, if it is set.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let parsed = self.text(name)?.parse();
        if parsed.is_err() {
            self.wrong(name, expected);
        }
        parsed.ok()
    }

    /// A number within bounds.
    pub fn number(&mut self, name: &'static str, default: u64, least: u64, most: u64) -> u64 {
        let expected = format!("a number from {least} to {most}");
        let Some(number) = self.parsed::<u64>(name, &expected) else { return default };
        if !(least..=most).contains(&number) {
            self.wrong(name, expected);
        }
        number
    }

    fn label(&mut self, name: &'static str) -> Option<String> {
        let label = self.text(name)?;
        if let Err(invalid) = check_name("the label", &label) {
            self.wrong(name, invalid);
        }
        Some(label)
    }

    fn refuse_unknown(&mut self, table: Table) {
        let is_known = |name: &str| table.iter().any(|(known, _)| *known == name);
        let unknown: Vec<String> =
            self.found.keys().filter(|name| name.starts_with("SECURE_LOG_HTTP_") && !is_known(name)).cloned().collect();
        unknown.iter().for_each(|name| self.wrong(name, "there is no such variable"));
        let unreadable: Vec<String> = self
            .found
            .iter()
            .filter(|(name, value)| is_known(name) && value.contains('\u{fffd}'))
            .map(|(name, _)| name.clone())
            .collect();
        unreadable.iter().for_each(|name| self.wrong(name, "it is not UTF-8"));
    }

    fn tokens(&mut self) -> (PathBuf, Option<Tokens>) {
        let path = PathBuf::from(
            self.required(TOKENS, "the file with the lines that 'token create' prints").unwrap_or_default(),
        );
        if path.as_os_str().is_empty() {
            return (path, None);
        }
        let tokens = read_tokens(&path).map_err(|why| self.wrong(TOKENS, why)).ok();
        (path, tokens)
    }

    fn origin(&mut self) -> Option<String> {
        let origin = self.required(ORIGIN, "what the logs are called, such as example.org/audit")?;
        let longest = format!("{origin}/{}", "x".repeat(MAX_LOG_ID_CHARS));
        if check_origin(&longest).is_err() || !is_key_name(&longest) {
            self.wrong(ORIGIN, format!("no white space, no '+', and at most {} bytes", 255 - 1 - MAX_LOG_ID_CHARS));
            return None;
        }
        Some(origin)
    }
}

/// The tokens in a file.
pub fn read_tokens(path: &Path) -> Result<Tokens, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_TOKENS_BYTES as u64 {
        return Err(format!("it is longer than {MAX_TOKENS_BYTES} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Tokens::parse(&text).map_err(|bad| bad.to_string())
}

/// The environment of this process. Variables that are not UTF-8 are read as such, so that they are refused by name.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        let text = |text: std::ffi::OsString| text.into_string().unwrap_or_else(|_| "\u{fffd}".into());
        (text(name), text(value))
    })
}
