//! Topics, and filters of topics.

use core::fmt;
use core::str::FromStr;

use crate::limits::{Invalid, MAX_TEXT_BYTES, Problem, has_control};

/// Bytes of a filter: those of the longest stream name and the longest event type, and a slash.
pub const MAX_FILTER_BYTES: usize = 2 * MAX_TEXT_BYTES + 1;

/// Which topics are wanted.
///
/// The topic of an entry is its stream, a `/`, and its event type with each `.` replaced by `/`; its levels are what stands
/// between the slashes, of which a stream name and an event type may hold some themselves. A filter is levels, too:
///
/// - `+` matches one level, whatever stands there, also nothing;
/// - `#` is the last level and matches all that follow, also none;
/// - any other level matches the same bytes.
///
/// `+` and `#` stand alone in their level. So what is called `c#` is reached by a wildcard in its place and by nothing else.
/// No name is special: `#` matches the engine's own streams and control entries, too.
///
/// ```
/// use secure_log::tail::TopicFilter;
///
/// let logins: TopicFilter = "eu/+/user/login/#".parse()?;
/// assert!(logins.matches("eu/auth", "user.login.failed"));
/// assert!(logins.matches("eu/auth", "user.login"));
/// assert!(!logins.matches("eu/auth", "user.logout"));
/// # Ok::<(), secure_log::limits::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFilter {
    levels: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Exactly(Box<str>),
    Any,
    Rest,
}

impl TopicFilter {
    /// Whether an entry of this stream and event type has such a topic.
    pub fn matches(&self, stream: &str, event: &str) -> bool {
        let mut topic = stream.split('/').chain(event.split(['.', '/']));
        for level in &self.levels {
            let is_met = match level {
                Level::Rest => return true,
                Level::Any => topic.next().is_some(),
                Level::Exactly(name) => topic.next() == Some(name),
            };
            if !is_met {
                return false;
            }
        }
        topic.next().is_none()
    }

    /// Whether some entry of this stream can have such a topic: of one that was pruned nobody knows the event type any more.
    pub fn may_match(&self, stream: &str) -> bool {
        let mut levels = self.levels.iter();
        for name in stream.split('/') {
            match levels.next() {
                Some(Level::Rest) => return true,
                Some(Level::Any) => {}
                Some(Level::Exactly(level)) if **level == *name => {}
                _ => return false,
            }
        }
        levels.next().is_some()
    }
}

impl FromStr for TopicFilter {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<TopicFilter, Invalid> {
        let broken = |problem| Err(Invalid { field: "topic", problem });
        if text.is_empty() {
            return broken(Problem::Unusable("it is empty; `#` is every topic".into()));
        }
        if text.len() > MAX_FILTER_BYTES {
            return broken(Problem::TooLong { limit: MAX_FILTER_BYTES, found: text.len() });
        }
        if has_control(text) {
            return broken(Problem::Unusable("a control character stands in no topic".into()));
        }
        let mut levels = Vec::new();
        for level in text.split('/') {
            if levels.last() == Some(&Level::Rest) {
                return broken(Problem::Unusable("`#` is the last level or none".into()));
            }
            levels.push(match level {
                "#" => Level::Rest,
                "+" => Level::Any,
                name if name.contains(['+', '#']) => {
                    return broken(Problem::Unusable("`+` and `#` stand alone in their level".into()));
                }
                name => Level::Exactly(name.into()),
            });
        }
        Ok(TopicFilter { levels })
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, level) in self.levels.iter().enumerate() {
            f.write_str(if place > 0 { "/" } else { "" })?;
            f.write_str(match level {
                Level::Exactly(name) => name,
                Level::Any => "+",
                Level::Rest => "#",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        text.parse().unwrap()
    }

    #[test]
    fn filters_match_as_the_table_says() {
        // filter, stream, event type, whether it matches, whether it may match a pruned entry of the stream
        for (text, stream, event, matches, may) in [
            ("#", "auth", "user.login", true, true),
            ("#", "secure-log", "secure-log.recovered", true, true),
            ("auth/#", "auth", "user.login", true, true),
            ("auth/#", "auth", "secure-log.segment-closed", true, true),
            ("auth/#", "auth2", "user.login", false, false),
            ("auth/#", "eu/auth", "user.login", false, false),
            ("auth/user/login", "auth", "user.login", true, true),
            ("auth/user/login/#", "auth", "user.login", true, true),
            ("auth/user/login/#", "auth", "user.login.failed", true, true),
            ("auth/user/login", "auth", "user.login.failed", false, true),
            ("auth/user", "auth", "user.login", false, true),
            ("auth/user.login", "auth", "user.login", false, true),
            ("auth", "auth", "login", false, false),
            ("auth/+", "auth", "login", true, true),
            ("auth/+", "auth", "user.login", false, true),
            ("+/+", "auth", "login", true, true),
            ("+", "auth", "login", false, false),
            ("+/#", "auth", "user.login", true, true),
            ("+/user/+", "auth", "user.login", true, true),
            ("Auth/#", "auth", "login", false, false),
            // What a slash belongs to is not seen.
            ("eu/auth/login", "eu/auth", "login", true, true),
            ("eu/auth/login", "eu", "auth.login", true, true),
            ("eu/auth/login", "eu", "auth/login", true, true),
            ("eu/+/login", "eu/auth", "login", true, true),
            ("eu/#", "eu/auth", "login", true, true),
            ("eu/auth/#", "eu", "auth", true, true),
            // Levels may be empty.
            ("+/auth/x", "/auth", "x", true, true),
            ("/auth/x", "/auth", "x", true, true),
            ("auth/x", "/auth", "x", false, false),
            ("a//b", "a", ".b", true, true),
            ("a/+/b", "a", ".b", true, true),
            ("a/", "a", ".", false, true),
            ("a//", "a", ".", true, true),
            // Names with what is a wildcard in a filter.
            ("+/x", "c#", "x", true, true),
            ("+/x", "a+b", "x", true, true),
            ("#", "#", "+", true, true),
            // `$` is a letter like any other.
            ("#", "$SYS", "x", true, true),
            ("+/x", "$SYS", "x", true, true),
        ] {
            assert_eq!(filter(text).matches(stream, event), matches, "{text} {stream} {event}");
            assert_eq!(filter(text).may_match(stream), may, "{text} {stream}");
            assert_eq!(filter(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_filter_says_why() {
        let long = "x".repeat(MAX_FILTER_BYTES);
        assert!(long.parse::<TopicFilter>().is_ok());
        for (text, why) in [
            ("", "topic: it is empty; `#` is every topic"),
            ("#/a", "topic: `#` is the last level or none"),
            ("a/#/#", "topic: `#` is the last level or none"),
            ("a/b#", "topic: `+` and `#` stand alone in their level"),
            ("a+/b", "topic: `+` and `#` stand alone in their level"),
            ("a/\u{7}", "topic: a control character stands in no topic"),
            (&format!("{long}x"), "topic: at most 511 bytes, found 512"),
        ] {
            assert_eq!(text.parse::<TopicFilter>().unwrap_err().to_string(), why);
        }
    }
}
