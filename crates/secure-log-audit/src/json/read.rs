//! Reading a document strictly.

use crate::json::{Json, JsonError, JsonProblem, MAX_JSON_BYTES, MAX_JSON_DEPTH, Number, Object, noncharacter};

/// Reads one document, white space around it included, and nothing after it.
pub(super) fn parse(document: &[u8]) -> Result<Json, JsonError> {
    if document.len() > MAX_JSON_BYTES {
        return Err(JsonError { at: MAX_JSON_BYTES, problem: JsonProblem::TooLong });
    }
    let text = core::str::from_utf8(document)
        .map_err(|error| JsonError { at: error.valid_up_to(), problem: JsonProblem::NotUtf8 })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() { Err(reader.wrong(JsonProblem::Syntax)) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(self.deeper(depth)?).map(Json::Object),
            Some(b'[') => self.array(self.deeper(depth)?).map(Json::Array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.wrong(JsonProblem::Syntax)),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, JsonError> {
        if depth == MAX_JSON_DEPTH { Err(self.wrong(JsonProblem::TooDeep)) } else { Ok(depth + 1) }
    }

    fn object(&mut self, depth: usize) -> Result<Object, JsonError> {
        let begins = self.at;
        let mut members = Vec::new();
        self.at += 1;
        self.skip_space();
        if !self.take(b'}') {
            loop {
                self.skip_space();
                let key = self.string()?;
                self.skip_space();
                self.expect(b':')?;
                members.push((key, self.value(depth)?));
                self.skip_space();
                if self.take(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        Object::of_members(members).ok_or(JsonError { at: begins, problem: JsonProblem::DuplicateKey })
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Json>, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        if !self.take(b']') {
            loop {
                items.push(self.value(depth)?);
                self.skip_space();
                if self.take(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        Ok(items)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let begins = self.at;
        self.expect(b'"')?;
        let mut read = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let special = rest.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\').unwrap_or(rest.len());
            read.push_str(&self.text[self.at..self.at + special]);
            self.at += special;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => read.push(self.escape()?),
                Some(_) => return Err(self.wrong(JsonProblem::ControlCharacter)),
                None => return Err(self.wrong(JsonProblem::Syntax)),
            }
        }
        self.at += 1;
        if noncharacter(&read).is_some() {
            return Err(JsonError { at: begins, problem: JsonProblem::Noncharacter });
        }
        Ok(read)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let begins = self.at;
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(plain @ (b'"' | b'\\' | b'/')) => plain.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let lone = JsonError { at: begins, problem: JsonProblem::LoneSurrogate };
                let first = self.code_unit()?;
                let second = match first {
                    0xd800..=0xdbff => {
                        if !(self.take(b'\\') && self.take(b'u')) {
                            return Err(lone);
                        }
                        Some(self.code_unit()?)
                    }
                    _ => None,
                };
                let mut decoded = char::decode_utf16(core::iter::once(first).chain(second));
                decoded.next().and_then(Result::ok).ok_or(lone)?
            }
            _ => return Err(JsonError { at: begins, problem: JsonProblem::Syntax }),
        })
    }

    fn code_unit(&mut self) -> Result<u16, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        // The check of each digit is needed: a sign would be read as a part of the number.
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| core::str::from_utf8(digits).ok());
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or(self.wrong(JsonProblem::Syntax))?;
        self.at += 4;
        Ok(unit)
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let begins = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Number::read(&self.text[begins..self.at]).map_err(|problem| JsonError { at: begins, problem })
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        if count == 0 { Err(self.wrong(JsonProblem::Syntax)) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong(JsonProblem::Syntax));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().position(|b| !is_space(b)).unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(JsonProblem::Syntax)) }
    }

    fn wrong(&self, problem: JsonProblem) -> JsonError {
        JsonError { at: self.at, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(document: &[u8]) -> Option<JsonProblem> {
        parse(document).err().map(|error| error.problem)
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for (document, expected) in [
            (&br#"{"a":1,"b":2,"a":1}"#[..], JsonProblem::DuplicateKey),
            (br#"{"a":1,"\u0061":1}"#, JsonProblem::DuplicateKey),
            (br#""\ud800""#, JsonProblem::LoneSurrogate),
            (br#""\udc00""#, JsonProblem::LoneSurrogate),
            (br#""\ud800\ud800""#, JsonProblem::LoneSurrogate),
            (br#""\ud83dx""#, JsonProblem::LoneSurrogate),
            (br#""\ud83d\n""#, JsonProblem::LoneSurrogate),
            (b"\"\xed\xa0\x80\"", JsonProblem::NotUtf8),
            (br#""\uffff""#, JsonProblem::Noncharacter),
            (br#""\ud83f\udfff""#, JsonProblem::Noncharacter),
            ("{\"\u{fdd0}\":1}".as_bytes(), JsonProblem::Noncharacter),
            (b"1e309", JsonProblem::NumberOutOfRange),
            (b"[-1e-999]", JsonProblem::NumberOutOfRange),
            (b"9007199254740993", JsonProblem::NumberOutOfRange),
            (b"\"a\x01\"", JsonProblem::ControlCharacter),
            (b"\"a\n\"", JsonProblem::ControlCharacter),
        ] {
            assert_eq!(problem(document), Some(expected), "{}", String::from_utf8_lossy(document));
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for document in [
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "01",
            "-",
            "+1",
            ".5",
            "1.",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "Infinity",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\uD83D\\u12\"",
            "[1,]",
            "[1 2]",
            "[",
            "]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "1 2",
            "\u{feff}1",
            "/**/1",
            "\u{a0}1",
            "\"\\",
            "\"\\u",
            "[\"a\", ",
            "{\"a\" 1}",
        ] {
            assert_eq!(problem(document.as_bytes()), Some(JsonProblem::Syntax), "{document:?}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        let deepest = parse(nested(MAX_JSON_DEPTH).as_bytes()).unwrap();
        assert_eq!(deepest.to_canonical().unwrap(), nested(MAX_JSON_DEPTH).as_bytes());
        assert_eq!(problem(nested(MAX_JSON_DEPTH + 1).as_bytes()), Some(JsonProblem::TooDeep));
        assert_eq!(problem("[".repeat(1 << 20).as_bytes()), Some(JsonProblem::TooDeep));
        assert_eq!(problem("{\"a\":".repeat(1 << 20).as_bytes()), Some(JsonProblem::TooDeep));
        let deeper = Json::Array(vec![deepest]).to_canonical().unwrap_err();
        assert_eq!(deeper.problem, JsonProblem::TooDeep);
        let longest = "x".repeat(MAX_JSON_BYTES - 2);
        assert_eq!(parse(format!("\"{longest}\"").as_bytes()), Ok(Json::String(longest.clone())));
        assert_eq!(problem(format!("\"{longest}x\"").as_bytes()), Some(JsonProblem::TooLong));
        assert_eq!(Json::String(longest + "x").to_canonical().unwrap_err().problem, JsonProblem::TooLong);
        assert_eq!(Json::from("\u{ffff}").to_canonical().unwrap_err().problem, JsonProblem::Noncharacter);
    }

    #[test]
    fn a_document_in_any_spelling_has_one() {
        let read =
            parse(br#" { "\u0062" : [ 1.0 , -0 , true , null ] , "a" : "\u00e9\/\u0000\ud83d\uDE00" } "#).unwrap();
        let canonical = read.to_canonical().unwrap();
        assert_eq!(String::from_utf8_lossy(&canonical), "{\"a\":\"é/\\u0000😀\",\"b\":[1,0,true,null]}");
        assert_eq!(parse(&canonical).unwrap().to_canonical().unwrap(), canonical);
    }
}
