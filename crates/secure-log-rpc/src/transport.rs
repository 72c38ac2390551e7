//! What carries a call.

use core::fmt;

/// Begins the text of an error that means [`TransportError::Refused`] (`transport` in wit/store.wit).
const REFUSED: &str = "refused: ";

/// Carries calls to a server and brings back its answers.
///
/// It bounds how long a call takes and how long an answer is ([`crate::MAX_ANSWER_BYTES`]), and never repeats a call.
pub trait Transport {
    /// Calls the method of this name with a JSON array of arguments, and answers its JSON return value.
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// The call was not carried out, and repeating it is of no use.
    Refused(String),
    /// It is unknown whether the call was carried out, or still will be.
    Unknown(String),
}

impl TransportError {
    /// Reads what the `transport` interface answers as an error.
    pub fn from_text(text: String) -> TransportError {
        match text.strip_prefix(REFUSED) {
            Some(detail) => TransportError::Refused(detail.into()),
            None => TransportError::Unknown(text),
        }
    }
}

impl fmt::Display for TransportError {
    /// Writes what the `transport` interface answers as an error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::Refused(detail) => write!(f, "{REFUSED}{detail}"),
            TransportError::Unknown(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for TransportError {}

/// What an HTTP answer other than 2xx means. `body` is shown to people, so that it is cut and made harmless.
pub fn http_error(status: u16, body: &[u8]) -> TransportError {
    let said = crate::text::harmless(&String::from_utf8_lossy(body));
    let detail = format!("the server answered {status}: {said}");
    match status {
        // It did not get as far as the call, and may the next time.
        408 | 425 | 429 => TransportError::Unknown(detail),
        400..500 => TransportError::Refused(detail),
        _ => TransportError::Unknown(detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_meaning_as_a_text() {
        for error in [TransportError::Refused("no token".into()), TransportError::Unknown("a time-out".into())] {
            assert_eq!(TransportError::from_text(error.to_string()), error);
        }
    }

    #[test]
    fn a_status_says_whether_a_call_may_have_been_carried_out() {
        let refused = |status| matches!(http_error(status, b""), TransportError::Refused(_));
        assert!(refused(400) && refused(401) && refused(404) && refused(413));
        assert!(!refused(408) && !refused(429) && !refused(500) && !refused(503) && !refused(302));
        let long = http_error(500, "\u{1b}[2J".repeat(10_000).as_bytes()).to_string();
        assert!(long.len() < 1000 && !long.contains('\u{1b}'), "{long}");
    }
}
