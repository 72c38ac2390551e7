//! Names of logs in a service.

use core::fmt;
use core::str::FromStr;

/// Characters of a name at most.
pub const MAX_LOG_ID_CHARS: usize = 63;

/// The name of a log in a service: `a` to `z`, digits, `-` and `_`, the first one a letter or digit. It is part of paths, of
/// the log's origin, and of the names of files and tables; so it has nothing in it that means something there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(Box<str>);

/// The text is no name of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLogId;

impl LogId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogId {
    type Err = BadLogId;

    fn from_str(text: &str) -> Result<LogId, BadLogId> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(is_plain);
        if begins && bytes.all(|b| is_plain(b) || b == b'-' || b == b'_') && text.len() <= MAX_LOG_ID_CHARS {
            Ok(LogId(text.into()))
        } else {
            Err(BadLogId)
        }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadLogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a log's name has 1 to {MAX_LOG_ID_CHARS} characters: a to z, 0 to 9, and behind the first - and _")
    }
}

impl std::error::Error for BadLogId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_nothing_in_a_path() {
        for good in ["a", "0", "app-log_2", &"x".repeat(63)] {
            assert_eq!(good.parse::<LogId>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "A", "a/b", "..", "a.b", "a b", "a\0", "ä", "a%2f", &"x".repeat(64)] {
            assert_eq!(bad.parse::<LogId>(), Err(BadLogId), "{bad}");
        }
    }
}
