//! Names, and patterns of names.

use core::fmt;
use core::str::FromStr;

use crate::limits::{Invalid, check_name};

/// A name, or a pattern of names, in which each `*` stands for any run of characters, also none. Everything else stands for
/// itself, upper and lower case apart, and has to be there from the name's beginning to its end.
///
/// Nothing takes the meaning of a `*` away: a name that holds one is found by a pattern with a `*` in its place.
///
/// A tail's topics are another thing ([`crate::tail::TopicFilter`]): they go over the stream and the event type in one, and
/// their wildcards stand for whole levels, where a `*` here passes over `/` and `.` as over every other character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
}

impl Pattern {
    /// Whether the name is such a one.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(last) = parts.next_back() else { return name == first };
        let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
        // The earliest place of each part leaves the most for those behind it.
        parts.all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    }

    /// The one name that it stands for, if it has no `*`.
    pub fn name(&self) -> Option<&str> {
        (!self.text.contains('*')).then_some(&*self.text)
    }

    /// What every name that it matches begins with.
    pub fn prefix(&self) -> &str {
        self.text.split('*').next().unwrap_or_default()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Pattern, Invalid> {
        check_name("pattern", text)?;
        Ok(Pattern { text: text.into() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_table_says() {
        for (pattern, name, matches) in [
            ("auth", "auth", true),
            ("auth", "Auth", false),
            ("auth", "auth2", false),
            ("auth", "eu/auth", false),
            ("*", "", true),
            ("*", "anything/at.all", true),
            ("**", "", true),
            ("eu/*", "eu/auth", true),
            ("eu/*", "eu/", true),
            ("eu/*", "eu", false),
            ("eu/*", "eu/a/b", true),
            ("*.failed", "user.login.failed", true),
            ("*.failed", ".failed", true),
            ("*.failed", "user.failed.login", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*bb*b", "abb", false),
            ("a*bb*b", "abbb", true),
            ("*aab*", "aaab", true),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "aba", false),
            ("a***b", "ab", true),
            ("é*", "ést", true),
            ("*é", "e\u{301}", false),
            ("a*b", "a*b", true),
            ("a?b", "axb", false),
            ("a?b", "a?b", true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn it_is_told_what_every_name_begins_with() {
        for (text, name, prefix) in
            [("auth", Some("auth"), "auth"), ("eu/*", None, "eu/"), ("*", None, ""), ("a*b*", None, "a")]
        {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!((pattern.name(), pattern.prefix(), pattern.to_string()), (name, prefix, text.to_string()));
        }
    }

    #[test]
    fn what_no_name_can_be_is_refused() {
        for text in ["", "a\nb", &"x".repeat(256)] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }
}
