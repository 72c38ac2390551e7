//! What is shown of an entry, whatever the form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::entry::{SEALED_MARK, Severity};
use crate::hash::Hash;
use crate::jsonl::is_text;
use crate::time::Timestamp;

/// An entry, or what is left of it.
pub(crate) struct ExportRow<'a> {
    pub(crate) seqno: u64,
    pub(crate) stream: &'a str,
    pub(crate) hash: Hash,
    /// `None` where the entry is gone.
    pub(crate) content: Option<Content<'a>>,
}

/// What an entry says.
pub(crate) struct Content<'a> {
    pub(crate) version: u64,
    pub(crate) session: &'a str,
    pub(crate) boot: &'a str,
    pub(crate) time: &'a str,
    pub(crate) event: &'a str,
    pub(crate) severity: &'a str,
    pub(crate) producer: &'a str,
    pub(crate) encoding: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) prev: Hash,
    /// It is the first of its stream, so that `prev` names the stream's rules and no entry.
    pub(crate) is_first: bool,
    /// Under which version the entry before it was hashed, where that is known.
    pub(crate) prev_version: Option<u64>,
    pub(crate) opened: bool,
}

/// In which state a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As it was appended.
    Clear,
    /// Ciphertext.
    Sealed,
    /// It was sealed and stands here in clear, so that what is shown does not hash to the entry's hash.
    Opened,
    /// The entry is gone.
    Pruned,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Clear => "clear",
            State::Sealed => "sealed",
            State::Opened => "opened",
            State::Pruned => "pruned",
        }
    }
}

impl ExportRow<'_> {
    pub(crate) fn state(&self) -> State {
        match &self.content {
            None => State::Pruned,
            Some(content) if content.opened => State::Opened,
            Some(content) if content.encoding.contains(SEALED_MARK) => State::Sealed,
            Some(_) => State::Clear,
        }
    }
}

impl Content<'_> {
    /// The payload where it is text, by the rule of format.md s.7.
    pub(crate) fn text(&self) -> Option<&str> {
        core::str::from_utf8(self.payload).ok().filter(|_| is_text(self.payload))
    }

    pub(crate) fn base64(&self) -> String {
        BASE64.encode(self.payload)
    }

    pub(crate) fn severity(&self) -> Option<Severity> {
        self.severity.parse().ok()
    }

    /// Nanoseconds since 1970 in UTC. The engine writes no time that is none; of a time that is none nothing is known.
    pub(crate) fn unix_nanos(&self) -> i128 {
        let epoch = Timestamp::from_unix(0, 0).expect("1970 is a year that is known");
        self.time.parse::<Timestamp>().map_or(0, |time| time.nanos_since(epoch))
    }
}

/// Name of the suite that a version selects.
pub(crate) fn suite_name(version: u64) -> &'static str {
    match version {
        1 => "sha-256",
        2 => "blake3",
        3 => "hmac-sha-256",
        _ => "unknown",
    }
}
