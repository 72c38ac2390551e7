//! Labels: names of keys that are also names of files and, in verifier keys, of signers.

use std::fmt;

use secure_log::note::is_key_name;

/// 255 bytes of a file name less the five of `.<label>.new`.
pub const MAX_LABEL_BYTES: usize = 255 - 5;

/// A label that can name a file of a folder, and nothing outside of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label<'a>(&'a str);

impl<'a> Label<'a> {
    /// Checks a label.
    pub(crate) fn new(text: &'a str) -> Result<Label<'a>, BadName> {
        if text.len() > MAX_LABEL_BYTES {
            return Err(BadName(format!("a label of {} bytes is too long: at most {MAX_LABEL_BYTES}", text.len())));
        }
        check_name(text)?;
        if text.starts_with('.') || text.contains("..") || text.contains(['/', '\\', ':']) {
            return Err(BadName(format!("{text:?} is no label: no '/', '\\', ':' or '..', nor '.' at its beginning")));
        }
        Ok(Label(text))
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Label<'_> {
    /// Quoted, with everything escaped that could deceive a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Checks that `name` can stand in a verifier key.
pub(crate) fn check_name(name: &str) -> Result<(), BadName> {
    if is_key_name(name) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(BadName(format!("{name:?} is no name: not empty, and no space, control character or '+'")))
}

/// What is wrong with a name.
#[derive(Debug)]
pub(crate) struct BadName(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_labels_pass() {
        let longest = "x".repeat(MAX_LABEL_BYTES);
        for label in ["checkpoint-ed25519", "a", "a.b", "Schlüssel_7", "alice@example.org", &longest] {
            assert_eq!(Label::new(label).unwrap().as_str(), label);
        }
    }

    #[test]
    fn hostile_labels_do_not() {
        let long = "x".repeat(MAX_LABEL_BYTES + 1);
        for label in [
            "",
            ".",
            "..",
            "../x",
            "x/..",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "c:x",
            ".hidden",
            "a..b",
            "a\0b",
            "a\nb",
            "a\u{7f}b",
            "a\u{85}b",
            "a b",
            "a\u{a0}b",
            "a+b",
            "\u{1b}[2J",
            &long,
        ] {
            assert!(Label::new(label).is_err(), "{label:?}");
        }
    }

    #[test]
    fn what_is_said_of_a_bad_label_is_safe_to_print() {
        let huge = "x".repeat(1 << 20);
        for label in ["\u{1b}[2J", "a\u{202e}/b", &huge] {
            let BadName(said) = Label::new(label).unwrap_err();
            assert!(said.is_ascii() && !said.contains('\u{1b}') && said.len() < 200, "{said}");
        }
    }
}
