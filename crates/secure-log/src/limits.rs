//! Limits of what a producer may say, and what breaks them.

use core::fmt;

use crate::entry::{CONTROL_PREFIX, SEALED_MARK, SEALED_SUFFIX, is_reserved_stream};
use crate::sealed::MAX_OVERHEAD_BYTES;

/// Bytes of a stream name, session, boot, event type, producer, encoding or description.
pub const MAX_TEXT_BYTES: usize = 255;
/// Bytes of one payload: 16 MiB.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;
/// Bytes of all payloads of one batch: 64 MiB.
pub const MAX_BATCH_BYTES: usize = 64 << 20;

/// Entries of one batch: with 64 MiB of payload, what a verifier holds of one commit
/// ([`crate::verify::MAX_COMMIT_BYTES`] has the arithmetic).
pub const MAX_BATCH_ENTRIES: usize = 1 << 15;

/// So many bytes more than before a payload has at most once it is sealed. In a highly-restricted stream the event type and the
/// producer are sealed with it, with heads of 2 bytes each, one of 5 bytes for the payload and one for all three.
pub const MAX_SEALING_BYTES: usize = MAX_OVERHEAD_BYTES + 2 * (MAX_TEXT_BYTES + 2) + 5 + 1;

/// What is wrong with an argument: which one, and the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The argument, by the name that it has in the format.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Which limit an argument breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// More bytes than the limit.
    TooLong {
        /// The limit.
        limit: usize,
        /// What was given.
        found: usize,
    },
    /// More entries than the limit.
    TooMany {
        /// The limit.
        limit: usize,
        /// What was given.
        found: usize,
    },
    /// Empty, and may not be.
    Empty,
    /// It holds a control character (below 0x20, or 0x7f).
    ControlCharacter,
    /// The name belongs to the engine.
    Reserved,
    /// Anything else; the text says what would be accepted.
    Unusable(String),
}

impl Invalid {
    pub(crate) fn unusable(field: &'static str, why: impl Into<String>) -> Invalid {
        Invalid { field, problem: Problem::Unusable(why.into()) }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match &self.problem {
            Problem::TooLong { limit, found } => write!(f, "{field}: at most {limit} bytes, found {found}"),
            Problem::TooMany { limit, found } => write!(f, "{field}: at most {limit} entries, found {found}"),
            Problem::Empty => write!(f, "{field}: may not be empty (1 to {MAX_TEXT_BYTES} bytes)"),
            Problem::ControlCharacter => {
                write!(f, "{field}: no control characters (at most {MAX_TEXT_BYTES} bytes of other text)")
            }
            Problem::Reserved => write!(f, "{field}: this name is reserved for secure-log itself"),
            Problem::Unusable(why) => write!(f, "{field}: {why}"),
        }
    }
}

impl std::error::Error for Invalid {}

/// A text of at most [`MAX_TEXT_BYTES`] bytes without control characters.
pub fn check_text(field: &'static str, text: &str) -> Result<(), Invalid> {
    let problem = if text.len() > MAX_TEXT_BYTES {
        Problem::TooLong { limit: MAX_TEXT_BYTES, found: text.len() }
    } else if has_control(text) {
        Problem::ControlCharacter
    } else {
        return Ok(());
    };
    Err(Invalid { field, problem })
}

/// The same, and not empty.
pub fn check_name(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid { field, problem: Problem::Empty });
    }
    check_text(field, text)
}

/// A stream name that a caller may use.
pub fn check_stream(name: &str) -> Result<(), Invalid> {
    check_name("stream", name)?;
    reserved("stream", is_reserved_stream(name))
}

/// An event type that a producer may use.
pub fn check_event(event: &str) -> Result<(), Invalid> {
    check_name("event type", event)?;
    reserved("event type", event.starts_with(CONTROL_PREFIX))
}

/// A payload encoding that a producer may use.
pub fn check_encoding(encoding: &str) -> Result<(), Invalid> {
    check_text("payload encoding", encoding)?;
    reserved("payload encoding", encoding.contains(SEALED_MARK))
}

/// A payload that one entry can hold.
pub fn check_payload(payload: &[u8]) -> Result<(), Invalid> {
    check_bytes("payload", payload.len(), MAX_PAYLOAD_BYTES)
}

/// A payload that one entry can hold sealed.
pub fn check_sealed_payload(payload: &[u8]) -> Result<(), Invalid> {
    check_bytes("payload", payload.len(), MAX_PAYLOAD_BYTES - MAX_SEALING_BYTES)
}

/// A payload encoding that leaves room for what sealing appends to it.
pub fn check_sealed_encoding(encoding: &str) -> Result<(), Invalid> {
    check_bytes("payload encoding", encoding.len(), MAX_TEXT_BYTES - SEALED_SUFFIX.len())
}

/// So many bytes of payload in one batch.
pub fn check_batch(bytes: usize) -> Result<(), Invalid> {
    check_bytes("batch", bytes, MAX_BATCH_BYTES)
}

/// So many entries in one batch.
pub fn check_batch_entries(found: usize) -> Result<(), Invalid> {
    if found > MAX_BATCH_ENTRIES {
        let problem = Problem::TooMany { limit: MAX_BATCH_ENTRIES, found };
        return Err(Invalid { field: "batch", problem });
    }
    Ok(())
}

/// An origin: no space, control character or `+`, not empty.
pub fn check_origin(origin: &str) -> Result<(), Invalid> {
    check_name("origin", origin)?;
    if origin.contains(|c: char| c.is_whitespace() || c == '+') {
        return Err(Invalid::unusable("origin", "no white space and no '+'"));
    }
    Ok(())
}

fn check_bytes(field: &'static str, found: usize, limit: usize) -> Result<(), Invalid> {
    if found > limit { Err(Invalid { field, problem: Problem::TooLong { limit, found } }) } else { Ok(()) }
}

fn reserved(field: &'static str, is: bool) -> Result<(), Invalid> {
    if is { Err(Invalid { field, problem: Problem::Reserved }) } else { Ok(()) }
}

/// Whether a text holds a control character of ASCII.
pub(crate) fn has_control(text: &str) -> bool {
    // A fold without an early exit, as names are short and this compiles to vector code.
    text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_breach_names_its_field_and_limit() {
        let long = "x".repeat(256);
        assert_eq!(check_stream(&long).unwrap_err().to_string(), "stream: at most 255 bytes, found 256");
        assert!(check_stream(&long[1..]).is_ok());
        assert_eq!(check_stream("").unwrap_err().problem, Problem::Empty);
        assert_eq!(check_event("").unwrap_err().problem, Problem::Empty);
        assert_eq!(check_text("producer", "a\u{7f}").unwrap_err().problem, Problem::ControlCharacter);
        assert_eq!(check_text("producer", "a\nb").unwrap_err().problem, Problem::ControlCharacter);
        assert!(check_text("producer", "").is_ok());
        for name in ["secure-log", "secure-log.keys"] {
            assert_eq!(check_stream(name).unwrap_err().problem, Problem::Reserved);
        }
        assert_eq!(check_event("secure-log.created").unwrap_err().problem, Problem::Reserved);
        assert_eq!(check_encoding("text+aead-x").unwrap_err().problem, Problem::Reserved);
        assert!(check_payload(&vec![0; MAX_PAYLOAD_BYTES + 1]).is_err());
        assert!(check_payload(&vec![0; MAX_PAYLOAD_BYTES]).is_ok());
        assert!(check_batch(MAX_BATCH_BYTES + 1).is_err());
        assert!(check_batch_entries(MAX_BATCH_ENTRIES).is_ok());
        let many = check_batch_entries(MAX_BATCH_ENTRIES + 1).unwrap_err();
        assert_eq!(many.to_string(), "batch: at most 32768 entries, found 32769");
        assert!(
            check_origin("a b").is_err() && check_origin("a+b").is_err() && check_origin("example.org/log").is_ok()
        );
    }
}
