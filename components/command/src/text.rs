//! How bytes and foreign text are shown: nothing that a producer wrote can move the cursor, colour the terminal or turn
//! the direction of what stands beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Text for a person. What is deceptive is escaped, and the backslash too, so that an escape is known for one.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\n' | '\r' | '\t' => shown.extend(c.escape_default()),
            c if is_deceptive(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// A value as one line of JSON, with what is deceptive as `\u` escapes.
pub(crate) fn json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.contains(is_deceptive) {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        if is_deceptive(c) {
            // Outside of strings JSON is all ASCII, so this stands in one.
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

/// The 32 bytes that 64 hex digits say.
pub(crate) fn hash_from_hex(text: &str) -> Option<Vec<u8>> {
    let bytes = const_hex::decode(text).ok()?;
    (bytes.len() == 32 && text.len() == 64).then_some(bytes)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The 32 bytes that a text in base64 says.
pub(crate) fn hash_from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|bytes| bytes.len() == 32)
}

/// Control characters, line separators, marks that change the direction, and what has no width. The two joiners (U+200C,
/// U+200D) are left as they are: several scripts are not written without them.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction
            | '\u{2028}' | '\u{2029}' // lines
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' // no width
        )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_see_escapes_and_not_what_they_do() {
        assert_eq!(shown("plain ünï \u{5d0} \u{1f600} \u{200d}"), "plain ünï \u{5d0} \u{1f600} \u{200d}");
        assert_eq!(shown("a\n\r\tb"), r"a\n\r\tb");
        assert_eq!(shown("\u{1b}[31m\u{7}\0\u{7f}\u{9b}"), r"\u{1b}[31m\u{7}\u{0}\u{7f}\u{9b}");
        assert_eq!(shown("\u{202e}gpj\u{2066}\u{61c}\u{200f}"), r"\u{202e}gpj\u{2066}\u{61c}\u{200f}");
        assert_eq!(shown("\u{2028}\u{feff}\u{e0041}"), r"\u{2028}\u{feff}\u{e0041}");
        // An escape that a producer wrote does not pass for one of ours.
        assert_eq!(shown(r"\n\u{202e}"), r"\\n\\u{202e}");
    }

    #[test]
    fn json_says_the_same_text_and_shows_none_of_it() {
        let text = "\u{1b}[2J \u{7f}\u{85}\u{202e} \"\\\n\u{e0041} ünï";
        let line = json(&json!({ "text": text }));
        assert_eq!(line, r#"{"text":"\u001b[2J \u007f\u0085\u202e \"\\\n\udb40\udc41 ünï"}"#);
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], text);
    }

    #[test]
    fn a_hash_is_sixty_four_digits() {
        let digits = "0f".repeat(32);
        assert_eq!(hash_from_hex(&digits), Some(vec![15; 32]));
        assert_eq!(hex(&[15; 32]), digits);
        for wrong in ["", "0f", &format!("0x{digits}"), &"0g".repeat(32), &"0f".repeat(33)] {
            assert_eq!(hash_from_hex(wrong), None, "{wrong}");
        }
    }
}
