//! Writing values in their one spelling.

use crate::error::EventError;
use crate::json::{Json, JsonError, JsonProblem, MAX_JSON_BYTES, MAX_JSON_DEPTH, Object, noncharacter};

/// A document in the making. What [`crate::Json::parse`] would refuse is refused here.
///
/// Events are written into it member by member. Making a [`Json`] of each first would take longer than everything that the
/// log does with it.
#[derive(Default)]
pub(crate) struct Canonical {
    out: Vec<u8>,
    depth: usize,
}

impl Canonical {
    /// A document with room for so many bytes, and for more when it needs it.
    pub(crate) fn with_capacity(bytes: usize) -> Canonical {
        Canonical { out: Vec::with_capacity(bytes), depth: 0 }
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Result<Vec<u8>, JsonError> {
        if self.out.len() > MAX_JSON_BYTES {
            return Err(JsonError { at: MAX_JSON_BYTES, problem: JsonProblem::TooLong });
        }
        Ok(self.out)
    }

    /// Any value.
    pub(crate) fn json(&mut self, value: &Json) -> Result<(), JsonError> {
        match value {
            Json::Null => self.out.extend(b"null"),
            Json::Bool(true) => self.out.extend(b"true"),
            Json::Bool(false) => self.out.extend(b"false"),
            Json::Number(number) => self.out.extend(number.spelled().as_bytes()),
            Json::String(text) => self.text(text)?,
            Json::Array(items) => {
                self.deeper()?;
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.json(item)?;
                }
                self.out.push(b']');
                self.depth -= 1;
            }
            Json::Object(object) => self.any_object(object)?,
        }
        Ok(())
    }

    /// An object with any keys.
    pub(crate) fn any_object(&mut self, object: &Object) -> Result<(), JsonError> {
        self.deeper()?;
        self.out.push(b'{');
        for (index, (key, item)) in object.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.text(key)?;
            self.out.push(b':');
            self.json(item)?;
        }
        self.out.push(b'}');
        self.depth -= 1;
        Ok(())
    }

    /// An object whose members are named in the code.
    pub(crate) fn object(
        &mut self,
        members: impl FnOnce(&mut ObjectWriter<'_>) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        self.deeper()?;
        self.out.push(b'{');
        members(&mut ObjectWriter { document: self, last: "" })?;
        self.out.push(b'}');
        self.depth -= 1;
        Ok(())
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), JsonError> {
        if noncharacter(text).is_some() {
            return Err(JsonError { at: self.out.len(), problem: JsonProblem::Noncharacter });
        }
        let out = &mut self.out;
        out.push(b'"');
        let bytes = text.as_bytes();
        let stands_for_itself = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        // Hardly any text has something to escape. All of it is looked at, as that is done for many bytes at once.
        if bytes.iter().fold(true, |all, &byte| all & stands_for_itself(byte)) {
            out.extend(bytes);
            out.push(b'"');
            return Ok(());
        }
        let mut copied = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if stands_for_itself(byte) {
                continue;
            }
            out.extend(&bytes[copied..at]);
            copied = at + 1;
            match byte {
                b'"' => out.extend(br#"\""#),
                b'\\' => out.extend(br"\\"),
                8 => out.extend(br"\b"),
                9 => out.extend(br"\t"),
                10 => out.extend(br"\n"),
                12 => out.extend(br"\f"),
                13 => out.extend(br"\r"),
                _ => out.extend(format!("\\u{byte:04x}").as_bytes()),
            }
        }
        out.extend(&bytes[copied..]);
        out.push(b'"');
        Ok(())
    }

    /// A string of letters, digits and such, which stand for themselves.
    pub(crate) fn word(&mut self, word: &str) {
        debug_assert!(word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'), "{word:?}");
        self.out.push(b'"');
        self.out.extend(word.as_bytes());
        self.out.push(b'"');
    }

    /// An integer, which is at most 2^53 - 1.
    pub(crate) fn integer(&mut self, value: u64) {
        self.out.extend(value.to_string().as_bytes());
    }

    fn deeper(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_JSON_DEPTH {
            return Err(JsonError { at: self.out.len(), problem: JsonProblem::TooDeep });
        }
        self.depth += 1;
        Ok(())
    }
}

/// An object in the making, whose members come in the order in which they are written.
pub(crate) struct ObjectWriter<'d> {
    document: &'d mut Canonical,
    last: &'static str,
}

impl ObjectWriter<'_> {
    /// Begins a member, whose value is to be written next.
    pub(crate) fn member(&mut self, name: &'static str) -> &mut Canonical {
        debug_assert!(self.last < name, "{name} does not come after {}", self.last);
        if !self.last.is_empty() {
            self.document.out.push(b',');
        }
        self.last = name;
        self.document.word(name);
        self.document.out.push(b':');
        self.document
    }
}
