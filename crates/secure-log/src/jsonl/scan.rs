//! Reading a line from left to right: literals, numbers, hexadecimal, and strings in their one spelling.

use std::borrow::Cow;

use crate::hash::decode_hex;

/// Why a line is malformed.
pub(super) type Malformed = &'static str;

/// The worst characters of a string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// None below 0x20, nor 0x7f.
    Plain,
    /// Tab, line feed or carriage return.
    Text,
    /// Another control character.
    Control,
}

/// What is left of a line.
pub(super) struct Scanner<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(line: &'a str) -> Scanner<'a> {
        Scanner { line, at: 0 }
    }

    // It is always inlined, as what takes literals is, which is called for every key of a line: calls, and comparisons of a
    // length that only the callee knows, are a twentieth of a verification in WebAssembly.
    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        &self.line.as_bytes()[self.at..]
    }

    /// The next byte, without taking it; 0, which stands nowhere in a line, at its end.
    pub(super) fn peek(&self) -> u8 {
        self.rest().first().copied().unwrap_or(0)
    }

    /// Takes `expected`, if it comes next.
    #[inline(always)]
    pub(super) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected.as_bytes());
        self.at += if found { expected.len() } else { 0 };
        found
    }

    /// Takes `expected`, which has to come next.
    #[inline(always)]
    pub(super) fn literal(&mut self, expected: &'static str) -> Result<(), Malformed> {
        if self.take(expected) { Ok(()) } else { Err("keys, their order, or a second spelling") }
    }

    /// The line has to be at its end.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.at == self.line.len() { Ok(()) } else { Err("something follows the record") }
    }

    /// A plain integer of at most 64 bits.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        const NO_NUMBER: Malformed = "not an integer from 0 to 2^64-1 in its one spelling";
        let digits = self.digits();
        if digits.is_empty() || (digits[0] == b'0' && digits.len() > 1) || digits.len() > 20 {
            return Err(NO_NUMBER);
        }
        digits
            .iter()
            .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
            .ok_or(NO_NUMBER)
    }

    /// Takes digits, as many as there are.
    #[inline]
    pub(super) fn digits(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let count = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        &rest[..count]
    }

    /// A string of `2 * N` lower-case hexadecimal digits.
    #[inline]
    pub(super) fn hex<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let quoted = self.rest().get(..2 * N + 2);
        let decoded = quoted
            .filter(|quoted| quoted[0] == b'"' && quoted[2 * N + 1] == b'"')
            .and_then(|quoted| decode_hex(&quoted[1..=2 * N]));
        self.at += 2 * N + 2;
        decoded.ok_or("not hexadecimal of the right length")
    }

    /// A string without control characters.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        match self.any_string()? {
            (text, Content::Plain) => Ok(text),
            _ => Err("a control character in a string"),
        }
    }

    /// Any string in its one spelling, and the worst that is in it. It is borrowed if nothing in it is escaped.
    #[inline]
    pub(super) fn any_string(&mut self) -> Result<(Cow<'a, str>, Content), Malformed> {
        if self.peek() != b'"' {
            return Err("not a string");
        }
        let from = self.at + 1;
        let end = from + special_at(&self.line.as_bytes()[from..]);
        if self.line.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok((Cow::Borrowed(&self.line[from..end]), Content::Plain));
        }
        self.escaped_string(from, end)
    }

    /// The rest of [`Scanner::any_string`] for a string that begins at `from` and whose first special byte is at `special`.
    fn escaped_string(&mut self, from: usize, special: usize) -> Result<(Cow<'a, str>, Content), Malformed> {
        let bytes = self.line.as_bytes();
        let mut text = String::new();
        let mut content = Content::Plain;
        let (mut copied, mut at) = (from, special);
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                // The one control character that JSON does not escape.
                Some(0x7f) => {
                    content = Content::Control;
                    at += 1;
                }
                Some(b'\\') => {
                    let (character, length) = escape(&bytes[at..]).ok_or("not the one spelling of a string")?;
                    content = content.max(content_of(character));
                    text.push_str(&self.line[copied..at]);
                    text.push(character as char);
                    at += length;
                    copied = at;
                }
                Some(_) => return Err("a control character that is not escaped"),
                None => return Err("a string without an end"),
            }
            at += special_at(&bytes[at..]);
        }
        self.at = at + 1;
        if copied == from {
            return Ok((Cow::Borrowed(&self.line[from..at]), content));
        }
        text.push_str(&self.line[copied..at]);
        Ok((Cow::Owned(text), content))
    }
}

/// The character that an escape sequence stands for, and the sequence's length. Each character that has to be escaped
/// has one sequence.
fn escape(bytes: &[u8]) -> Option<(u8, usize)> {
    let short = |character| Some((character, 2));
    match *bytes.get(1)? {
        b'"' => short(b'"'),
        b'\\' => short(b'\\'),
        b'n' => short(b'\n'),
        b'r' => short(b'\r'),
        b't' => short(b'\t'),
        b'b' => short(8),
        b'f' => short(12),
        b'u' => {
            let [character] = decode_hex(bytes.get(2..6)?.strip_prefix(b"00")?)?;
            let long = character < 0x20 && !matches!(character, 8 | b'\t' | b'\n' | 12 | b'\r');
            long.then_some((character, 6))
        }
        _ => None,
    }
}

fn content_of(character: u8) -> Content {
    if is_forbidden_in_text(character) {
        Content::Control
    } else if character < 0x20 {
        Content::Text
    } else {
        Content::Plain
    }
}

/// Whether a payload with this byte is not written as text.
pub(super) fn is_forbidden_in_text(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f)
}

/// How many bytes at the beginning of a string are no control characters.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    position(bytes, |word| below_space(word) | equals(word, 0x7f), |byte| (byte < 0x20) | (byte == 0x7f))
}

/// How many bytes at the beginning of a string stand for themselves: no quote, backslash or control character.
#[inline]
pub(super) fn special_at(bytes: &[u8]) -> usize {
    position(
        bytes,
        |word| below_space(word) | equals(word, b'"') | equals(word, b'\\') | equals(word, 0x7f),
        |byte| (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f),
    )
}

/// The first byte that `is_wanted`; the length if there is none. `marks` says the same of eight bytes at once: it sets
/// the high bit of each wanted byte of a little-endian word, and is right up to the first of them.
#[inline]
fn position(bytes: &[u8], marks: impl Fn(u64) -> u64, is_wanted: impl Fn(u8) -> bool + Copy) -> usize {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
        // Most strings have ended by now. In a long one, whole blocks are compared at once by vector instructions.
        while let Some(block) = bytes[at..].first_chunk::<32>().filter(|_| at >= 32) {
            if block.iter().fold(false, |any, &byte| any | is_wanted(byte)) {
                break;
            }
            at += 32;
        }
    }
    let tail = &bytes[at..];
    at + tail.iter().position(|&byte| is_wanted(byte)).unwrap_or(tail.len())
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH_BITS: u64 = ONES << 7;

/// Marks the bytes below 0x20. A borrow can only reach bytes after one that is marked rightly.
#[inline]
fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS
}

/// Marks the bytes that equal `byte`, with the same restriction.
#[inline]
fn equals(word: u64, byte: u8) -> u64 {
    let zero_where_equal = word ^ (ONES * byte as u64);
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        for byte in 0..=255u8 {
            let special = byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f);
            let control = byte < 0x20 || byte == 0x7f;
            for length in (0..20).chain([31, 32, 33, 70, 100]) {
                for at in 0..length {
                    for filler in [b'a', 0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7e, 0x80, 0xff] {
                        let mut bytes = vec![filler; length];
                        bytes[at] = byte;
                        assert_eq!(special_at(&bytes), if special { at } else { length }, "{bytes:?}");
                        assert_eq!(plain_length(&bytes), if control { at } else { length }, "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_string_has_one_spelling() {
        let read = |text: &str| Scanner::new(text).any_string().map(|(text, _)| text.into_owned());
        for (spelled, text) in [
            (r#""plain é \u2028""#.replace("\\u2028", "\u{2028}"), "plain é \u{2028}"),
            (r#""\" \\ \n \r \t \b \f \u0000 \u001f""#.into(), "\" \\ \n \r \t \u{8} \u{c} \0 \u{1f}"),
            ("\"\u{7f}\"".into(), "\u{7f}"),
            (r#""\n""#.into(), "\n"),
        ] {
            assert_eq!(read(&spelled).unwrap(), text);
        }
        for other in [
            r#""\/""#,
            r#""\u0041""#,
            r#""\u000a""#,
            r#""\u001F""#,
            r#""\u00e9""#,
            r#""\ud83d\ude00""#,
            r#""\x""#,
            r#""\"#,
            r#""\u00""#,
            r#""open"#,
            "\"\n\"",
            "open\"",
            "",
        ] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
