//! JSON that has one spelling: I-JSON (RFC 7493) written as RFC 8785 says.
//!
//! What two readers could understand differently is refused and never repaired: a key that stands twice, a number that a
//! double cannot hold, a surrogate without its other half, a code point that is no character.

mod number;
mod read;
mod write;

use core::cmp::Ordering;
use core::fmt;

use secure_log::limits::MAX_PAYLOAD_BYTES;

pub use crate::json::number::Number;
pub(crate) use crate::json::write::{Canonical, ObjectWriter};

/// The longest document: what one entry can hold.
pub const MAX_JSON_BYTES: usize = MAX_PAYLOAD_BYTES;
/// How deep arrays and objects stand in one another at most. Readers recurse, and a deeper document says nothing to anybody.
pub const MAX_JSON_DEPTH: usize = 64;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

impl Json {
    /// Reads a document, in any spelling.
    ///
    /// ```
    /// use secure_log_audit::Json;
    ///
    /// let read = Json::parse(br#" {"b": 1.50, "a": "\u20ac"} "#)?;
    /// assert_eq!(read.to_canonical()?, r#"{"a":"€","b":1.5}"#.as_bytes());
    /// assert!(Json::parse(br#"{"a": 1, "a": 2}"#).is_err());
    /// # Ok::<(), secure_log_audit::JsonError>(())
    /// ```
    pub fn parse(document: &[u8]) -> Result<Json, JsonError> {
        read::parse(document)
    }

    /// The one spelling of this value.
    pub fn to_canonical(&self) -> Result<Vec<u8>, JsonError> {
        let mut document = Canonical::default();
        document.json(self)?;
        document.finish()
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<Number> for Json {
    fn from(number: Number) -> Json {
        Json::Number(number)
    }
}

impl From<u32> for Json {
    fn from(number: u32) -> Json {
        Json::Number(number.into())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Json {
        Json::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Json {
        Json::Array(items)
    }
}

/// An object: its members in the order of RFC 8785, each key once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    members: Vec<(String, Json)>,
}

impl Object {
    /// An object without members.
    pub fn new() -> Object {
        Object::default()
    }

    /// Adds a member, or replaces the one with this key.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Json>) {
        let (key, value) = (key.into(), value.into());
        match self.place(&key) {
            Ok(at) => self.members[at].1 = value,
            Err(at) => self.members.insert(at, (key, value)),
        }
    }

    /// The same, for building an object in one expression.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Json>) -> Object {
        self.insert(key, value);
        self
    }

    /// The value of this key.
    pub fn member(&self, key: &str) -> Option<&Json> {
        self.place(key).ok().map(|at| &self.members[at].1)
    }

    /// Takes the member with this key out.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        self.place(key).ok().map(|at| self.members.remove(at).1)
    }

    /// The members, in the order in which they are written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.members.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(other, _)| compare_keys(other, key))
    }

    /// Of members in any order; `None` where a key stands twice.
    fn of_members(mut members: Vec<(String, Json)>) -> Option<Object> {
        members.sort_by(|(a, _), (b, _)| compare_keys(a, b));
        let twice = members.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!twice).then_some(Object { members })
    }
}

/// RFC 8785 s.3.2.3: keys are compared as UTF-16. That differs from the order of their bytes only where one of them has a
/// character beyond U+FFFF.
fn compare_keys(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// RFC 7493 s.2.1 allows no code points that are set aside for no character.
fn noncharacter(text: &str) -> Option<char> {
    if text.is_ascii() {
        return None;
    }
    text.chars().find(|&c| is_noncharacter(c))
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || (c as u32) & 0xfffe == 0xfffe
}

/// A text with U+FFFD in place of what may not stand in a document.
pub(crate) fn without_noncharacters(text: impl Iterator<Item = char>) -> String {
    text.map(|c| if is_noncharacter(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Why something is no JSON that has one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// How many bytes stand before the problem.
    pub at: usize,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonProblem {
    /// It is longer than [`MAX_JSON_BYTES`].
    TooLong,
    /// It is no UTF-8.
    NotUtf8,
    /// Arrays and objects stand deeper in one another than [`MAX_JSON_DEPTH`].
    TooDeep,
    /// Something else stands there than JSON has at this place.
    Syntax,
    /// A control character that is not escaped.
    ControlCharacter,
    /// A surrogate without its other half.
    LoneSurrogate,
    /// A code point that is no character.
    Noncharacter,
    /// A key that the object has already.
    DuplicateKey,
    /// A number that a double cannot hold: too large, too near to zero, or an integer that it would round.
    NumberOutOfRange,
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JsonProblem::TooLong => "longer than 16 MiB",
            JsonProblem::NotUtf8 => "not UTF-8",
            JsonProblem::TooDeep => "arrays and objects stand deeper in one another than 64 levels",
            JsonProblem::Syntax => "not JSON",
            JsonProblem::ControlCharacter => "a control character that is not escaped",
            JsonProblem::LoneSurrogate => "a surrogate without its other half",
            JsonProblem::Noncharacter => "a code point that is no character",
            JsonProblem::DuplicateKey => "an object with the same key twice",
            JsonProblem::NumberOutOfRange => {
                "a number that a double cannot hold: write it as a string, or in fewer digits"
            }
        })
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.problem)
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_utf_16() {
        let object = Object::new().with("\u{fb33}", 1).with("\u{1f602}", 2).with("a", 3).with("", 4).with("a", 5);
        let keys: Vec<&str> = object.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["", "a", "\u{1f602}", "\u{fb33}"], "a surrogate pair comes before U+FB33");
        assert_eq!(object.member("a"), Some(&Json::from(5)));
    }

    #[test]
    fn code_points_that_are_no_characters_are_known() {
        for c in ['\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{1fffe}', '\u{10ffff}'] {
            assert_eq!(noncharacter(&format!("a{c}b")), Some(c));
        }
        for c in ['\u{fdcf}', '\u{fdf0}', '\u{fffd}', '\u{10fffd}', '\u{0}', '\u{7f}'] {
            assert_eq!(noncharacter(&format!("a{c}b")), None);
        }
    }
}
