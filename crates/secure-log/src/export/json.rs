//! Writing JSON that no reader shows as something else than it is.

use crate::hash::Hash;

/// Writes the members of objects, one after the other.
pub(super) struct Json<'o> {
    out: &'o mut Vec<u8>,
    /// The next member is not the first one of its object.
    follows: bool,
}

impl<'o> Json<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Json<'o> {
        Json { out, follows: false }
    }

    fn comma(&mut self) {
        if self.follows {
            self.out.push(b',');
        }
        self.follows = true;
    }

    fn key(&mut self, key: &'static str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(super) fn open(&mut self) {
        self.comma();
        self.out.push(b'{');
        self.follows = false;
    }

    pub(super) fn close(&mut self) {
        self.out.push(b'}');
        self.follows = true;
    }

    pub(super) fn object(&mut self, key: &'static str, members: impl FnOnce(&mut Self)) {
        self.key(key);
        self.out.push(b'{');
        self.follows = false;
        members(self);
        self.close();
    }

    pub(super) fn array(&mut self, key: &'static str, elements: impl FnOnce(&mut Self)) {
        self.key(key);
        self.out.push(b'[');
        self.follows = false;
        elements(self);
        self.out.push(b']');
        self.follows = true;
    }

    pub(super) fn element(&mut self, text: &str) {
        self.comma();
        string(text, self.out);
    }

    pub(super) fn string(&mut self, key: &'static str, text: &str) {
        self.key(key);
        string(text, self.out);
    }

    pub(super) fn hash(&mut self, key: &'static str, hash: &Hash) {
        self.string(key, &hash.to_string());
    }

    pub(super) fn number(&mut self, key: &'static str, number: impl core::fmt::Display) {
        self.key(key);
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    /// A number in quotes, as 64-bit ones are written where readers may take numbers for floating ones.
    pub(super) fn decimal(&mut self, key: &'static str, number: impl core::fmt::Display) {
        self.string(key, &number.to_string());
    }
}

/// Writes a string. Control characters, those that change the direction of text or do not show, and separators of lines are
/// escaped: a reader decodes them to what they are, and a terminal is not led astray by them.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, character) in text.char_indices().filter(|(_, character)| is_escaped(*character)) {
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        match character {
            '"' => out.extend_from_slice(br#"\""#),
            '\\' => out.extend_from_slice(br"\\"),
            '\n' => out.extend_from_slice(br"\n"),
            '\r' => out.extend_from_slice(br"\r"),
            '\t' => out.extend_from_slice(br"\t"),
            other => out.extend_from_slice(format!("\\u{:04x}", u32::from(other)).as_bytes()),
        }
        plain = at + character.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// All of them have one UTF-16 unit, and so one escape.
fn is_escaped(character: char) -> bool {
    matches!(
        character,
        '"' | '\\' | '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_shown_as_something_else_is_escaped_and_comes_back() {
        for text in ["", "a\"b\\c", "\n\r\t\0\u{7f}", "x\u{202e}y\u{2028}\u{feff}\u{85}", "ä€😀 plain"] {
            let mut out = Vec::new();
            string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert!(!String::from_utf8(out).unwrap().contains(['\u{202e}', '\u{2028}', '\n', '\0', '\u{85}']));
        }
    }
}
