//! Ids of events.

use core::fmt;
use core::str::FromStr;

use secure_log::hash::decode_hex;
use secure_log::providers::{Random, RandomError};

use crate::error::EventError;
use crate::json::{Canonical, Json};
use crate::member::Value;

/// A UUID (RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// A random one, of version 4.
    pub fn random(random: &mut dyn Random) -> Result<EventId, RandomError> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(EventId(bytes))
    }
}

/// The text is no UUID in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID in lower case, such as 3f2b8c1e-9d4a-4f6b-8a7c-1e2d3c4b5a69")
    }
}

impl std::error::Error for NotAnId {}

impl FromStr for EventId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<EventId, NotAnId> {
        let bytes = text.as_bytes();
        let hyphens = [8, 13, 18, 23];
        if bytes.len() != 36 || hyphens.iter().any(|&at| bytes[at] != b'-') {
            return Err(NotAnId);
        }
        let digits: Vec<u8> = (0..36).filter(|at| !hyphens.contains(at)).map(|at| bytes[at]).collect();
        decode_hex(&digits).map(EventId).ok_or(NotAnId)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(spelled(self, &mut [0; 36]))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The id as a text, in this place for it.
fn spelled<'t>(id: &EventId, text: &'t mut [u8; 36]) -> &'t str {
    let mut buffer = const_hex::Buffer::<16>::new();
    let hex = buffer.format(&id.0).as_bytes();
    text.fill(b'-');
    for (at, digits) in [(0, &hex[..8]), (9, &hex[8..12]), (14, &hex[12..16]), (19, &hex[16..20]), (24, &hex[20..])] {
        text[at..at + digits.len()].copy_from_slice(digits);
    }
    core::str::from_utf8(text).expect("digits and hyphens are ASCII")
}

impl Value for EventId {
    const EXPECTED: &'static str = "a UUID in lower case";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        out.word(spelled(self, &mut [0; 36]));
        Ok(())
    }

    fn from_json(json: Json) -> Option<EventId> {
        match json {
            Json::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use secure_log_testkit::SeededRandom;

    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = EventId::random(&mut SeededRandom::new(3)).unwrap();
        let text = id.to_string();
        assert_eq!((text.parse(), text.as_bytes()[14], text.len()), (Ok(id), b'4', 36));
        assert!(b"89ab".contains(&text.as_bytes()[19]));
        let good = "3f2b8c1e-9d4a-4f6b-8a7c-1e2d3c4b5a69";
        assert!(good.parse::<EventId>().is_ok());
        for bad in [
            &good.to_uppercase(),
            &good.replace('-', ""),
            &good[1..],
            &good.replace("-4", "4-"),
            "",
            &good.replace('3', "é"),
        ] {
            assert_eq!(bad.parse::<EventId>(), Err(NotAnId), "{bad}");
        }
    }
}
