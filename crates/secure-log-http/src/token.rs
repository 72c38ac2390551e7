//! Bearer tokens: who may do what, with which logs, until when.
//!
//! A token is 32 random bytes in hex behind a prefix that secret scanners can look for. Of it only the SHA-256 is kept. That
//! takes no salt and no stretching, as nobody can guess 256 random bits (decision 0135).

use core::fmt;
use std::collections::BTreeSet;
use std::sync::Arc;

use secure_log::hash::Hash;
use secure_log::time::Timestamp;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::log_id::LogId;
use crate::rate::Bucket;

/// What every token begins with.
pub const PREFIX: &str = "slt_";
/// Tokens of a file at most. All of them are compared at each request, which with so many takes about 50 us.
pub const MAX_TOKENS: usize = 1000;
/// Bytes of a file of tokens at most: as many lines of 1 KiB.
pub const MAX_TOKENS_BYTES: usize = MAX_TOKENS << 10;
/// Characters of a token's name at most.
const MAX_NAME_CHARS: usize = 63;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Append records.
    Append,
    /// Read records, proofs and reports.
    Read,
    /// Have heads signed.
    Sign,
    /// Make logs, and have them verified.
    Admin,
}

impl Scope {
    /// All of them, by their names. None holds another: a token that may append and read names both.
    pub const NAMES: [(Scope, &'static str); 4] =
        [(Scope::Append, "append"), (Scope::Read, "read"), (Scope::Sign, "sign"), (Scope::Admin, "admin")];

    /// The name.
    pub fn as_str(self) -> &'static str {
        Scope::NAMES[self as usize].1
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Option<Scope> {
        Scope::NAMES.into_iter().find(|(_, found)| *found == name).map(|(scope, _)| scope)
    }
}

/// The logs that a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logs {
    /// All of them, also those that are made later.
    All,
    /// These.
    Named(BTreeSet<LogId>),
}

impl Logs {
    /// Whether this one is among them.
    pub fn contain(&self, id: &LogId) -> bool {
        match self {
            Logs::All => true,
            Logs::Named(names) => names.contains(id),
        }
    }
}

/// What is kept of a token: a line of the file of tokens.
pub struct Token {
    /// Who it was given to, for the record. No two tokens have one name.
    pub name: String,
    hash: Hash,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// For which logs.
    pub logs: Logs,
    /// From then on it is worth nothing.
    pub expires: Option<Timestamp>,
    pub(crate) bucket: Bucket,
}

/// The tokens of a service.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Arc<Token>>);

/// What is wrong with a file of tokens: in which line, and what would be right. It never shows the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTokens {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl Tokens {
    /// Reads a file of tokens: a line each, `<name> <SHA-256 in hex> scopes=<a,b> logs=<a,b or *> [expires=<time>]`. Empty lines
    /// and those that begin with `#` say nothing.
    pub fn parse(text: &str) -> Result<Tokens, BadTokens> {
        let bad = |line: usize, why: String| BadTokens { line, why };
        if text.len() > MAX_TOKENS_BYTES {
            return Err(bad(0, format!("it is longer than {MAX_TOKENS_BYTES} bytes")));
        }
        let mut tokens: Vec<Arc<Token>> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let token = Token::parse(line).map_err(|why| bad(number, why))?;
            if tokens.iter().any(|other| other.name == token.name || other.hash == token.hash) {
                return Err(bad(number, "the same name or token as in a line before".into()));
            }
            if tokens.len() == MAX_TOKENS {
                return Err(bad(number, format!("more than {MAX_TOKENS} tokens")));
            }
            tokens.push(Arc::new(token));
        }
        Ok(Tokens(tokens))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The token that is shown. Each is compared, and each in the same time, so that how long it takes tells nothing.
    pub(crate) fn find(&self, shown: &str) -> Option<Arc<Token>> {
        let shown = Hash::sha256(shown.as_bytes());
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.hash.as_bytes().ct_eq(shown.as_bytes())) {
                found = Some(token);
            }
        }
        found.cloned()
    }
}

impl Token {
    fn parse(line: &str) -> Result<Token, String> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().filter(|name| is_name(name)).ok_or_else(|| {
            format!("a name of 1 to {MAX_NAME_CHARS} letters, digits, '.', '-' and '_' stands at the beginning")
        })?;
        let hash = words.next().and_then(Hash::from_hex).ok_or("behind the name stands a SHA-256 of 64 hex digits")?;
        let (mut scopes, mut logs, mut expires) = (None, None, None);
        for word in words {
            let (key, value) = word.split_once('=').ok_or("behind the hash stand scopes=, logs= and expires=")?;
            let before = match key {
                "scopes" => scopes.replace(read_scopes(value)?).is_some(),
                "logs" => logs.replace(read_logs(value)?).is_some(),
                "expires" => expires.replace(read_time(value)?).is_some(),
                _ => return Err("behind the hash stand scopes=, logs= and expires=, and nothing else".into()),
            };
            if before {
                return Err(format!("{key}= stands there twice"));
            }
        }
        let scopes = scopes.ok_or("scopes= is missing: append, read, sign, admin")?;
        let logs = logs.ok_or("logs= is missing: names of logs, or * for all")?;
        Ok(Token { name: name.into(), hash, scopes, logs, expires, bucket: Bucket::default() })
    }
}

impl fmt::Debug for Token {
    /// Not even a hash of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).finish_non_exhaustive()
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=MAX_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Reads `append,read`.
pub fn read_scopes(text: &str) -> Result<BTreeSet<Scope>, String> {
    text.split(',')
        .map(|name| Scope::from_name(name).ok_or_else(|| "scopes are append, read, sign and admin, with commas".into()))
        .collect()
}

/// Reads `*`, or names with commas.
pub fn read_logs(text: &str) -> Result<Logs, String> {
    if text == "*" {
        return Ok(Logs::All);
    }
    let names: Result<_, _> = text.split(',').map(str::parse).collect();
    Ok(Logs::Named(names.map_err(|bad: crate::log_id::BadLogId| bad.to_string())?))
}

/// Reads when a token expires.
pub fn read_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text).map_err(|_| "a time is written as in 2027-01-31T00:00:00Z".into())
}

/// A new token: the secret, which is shown once, and the line that is kept.
pub struct NewToken {
    /// To be given to the caller and to nobody else.
    pub secret: Zeroizing<String>,
    /// To be added to the file of tokens.
    pub line: String,
}

impl NewToken {
    /// Draws a token of the system's random bytes.
    pub fn draw(
        name: &str,
        scopes: &BTreeSet<Scope>,
        logs: &Logs,
        expires: Option<Timestamp>,
    ) -> Result<NewToken, String> {
        if !is_name(name) {
            return Err(format!("a name has 1 to {MAX_NAME_CHARS} letters, digits, '.', '-' and '_'"));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut bytes[..]).map_err(|error| format!("there are no random bytes: {error}"))?;
        let secret = Zeroizing::new(format!("{PREFIX}{}", *Zeroizing::new(const_hex::encode(&bytes[..]))));
        let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let logs = match logs {
            Logs::All => "*".into(),
            Logs::Named(names) => names.iter().map(LogId::as_str).collect::<Vec<_>>().join(","),
        };
        let mut line = format!("{name} {} scopes={} logs={logs}", Hash::sha256(secret.as_bytes()), scopes.join(","));
        if let Some(time) = expires {
            line.push_str(&format!(" expires={time}"));
        }
        Ok(NewToken { secret, line })
    }
}

impl fmt::Display for BadTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.why),
            line => write!(f, "line {line}: {}", self.why),
        }
    }
}

impl std::error::Error for BadTokens {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_found_by_its_line_and_no_other() {
        let scopes = BTreeSet::from([Scope::Append, Scope::Read]);
        let logs = read_logs("a,b").unwrap();
        let time = read_time("2027-01-31T00:00:00Z").unwrap();
        let one = NewToken::draw("one", &scopes, &logs, Some(time)).unwrap();
        let two = NewToken::draw("two", &BTreeSet::from([Scope::Admin]), &Logs::All, None).unwrap();
        assert_ne!(*one.secret, *two.secret);
        assert!(!one.line.contains(&one.secret[PREFIX.len()..]), "the line does not hold the secret");
        let tokens = Tokens::parse(&format!("# who\n\n{}\n  {}  \n", one.line, two.line)).unwrap();
        assert_eq!(tokens.count(), 2);
        let found = tokens.find(&one.secret).unwrap();
        assert_eq!((&*found.name, &found.scopes, &found.logs, found.expires), ("one", &scopes, &logs, Some(time)));
        assert_eq!(tokens.find(&two.secret).unwrap().logs, Logs::All);
        assert!(!format!("{tokens:?}").contains(&one.line[4..68]), "not even the hash is printed");
        for other in ["", "slt_", &one.secret[1..], &format!("{}0", *one.secret)] {
            assert!(tokens.find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused_and_not_shown() {
        let hash = "ab".repeat(32);
        let good = format!("a {hash} scopes=read logs=*");
        assert!(Tokens::parse(&good).is_ok());
        for bad in [
            format!("a {hash}"),
            format!("a {hash} scopes=read"),
            format!("a {hash} logs=*"),
            format!("a {hash} scopes=read,write logs=*"),
            format!("a {hash} scopes= logs=*"),
            format!("a {hash} scopes=read logs=A"),
            format!("a {hash} scopes=read logs="),
            format!("a {hash} scopes=read logs=* logs=*"),
            format!("a {hash} scopes=read logs=* expires=tomorrow"),
            format!("a {hash} scopes=read logs=* colour=red"),
            format!("a {hash} scopes=read logs=* more"),
            format!("a {} scopes=read logs=*", &hash[1..]),
            format!("a/b {hash} scopes=read logs=*"),
            format!("{good}\nb {hash} scopes=read logs=*"),
            format!("{good}\na {} scopes=read logs=*", "cd".repeat(32)),
        ] {
            let error = Tokens::parse(&bad).unwrap_err();
            assert_eq!(error.line, bad.lines().count(), "{bad}");
            assert!(!error.to_string().contains(&hash[1..]), "{error}");
        }
    }
}
