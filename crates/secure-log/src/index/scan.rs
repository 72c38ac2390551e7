//! Finding who acted in the payload of an event, in one pass and without a tree of values.
//!
//! It reads the one spelling that the audit profile has (RFC 8785): no white space, members in their order. Of any other
//! bytes it answers something, always the same, and it may be nothing: whether they are an event the profile says.

use std::borrow::Cow;

/// Who acted, and on whose behalf.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Actor<'p> {
    pub(super) who: Principal<'p>,
    pub(super) on_behalf_of: Option<Principal<'p>>,
}

/// Somebody or something that acts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Principal<'p> {
    pub(super) kind: Cow<'p, str>,
    pub(super) id: Cow<'p, str>,
}

/// What an event with this payload has as its actor, as it is spelled.
pub(super) fn spelled_actor(payload: &[u8]) -> Option<&[u8]> {
    let mut at = Scanner { rest: payload };
    at.take(b"{")?;
    while !at.skips(b"\"actor\":") {
        at.skip_string()?;
        at.take(b":")?;
        at.skip_value()?;
        at.take(b",")?;
    }
    let from = at.rest;
    at.skip_value()?;
    Some(&from[..from.len() - at.rest.len()])
}

impl<'p> Actor<'p> {
    /// The actor that is spelled so.
    pub(super) fn read(spelled: &'p [u8]) -> Option<Actor<'p>> {
        let mut at = Scanner { rest: spelled };
        at.take(b"{")?;
        let who = at.principal()?;
        let on_behalf_of = if at.skips(b",\"on_behalf_of\":{") {
            let other = at.principal()?;
            at.take(b"}")?;
            Some(other)
        } else {
            None
        };
        at.take(b"}")?;
        Some(Actor { who, on_behalf_of })
    }
}

/// What was not read yet.
struct Scanner<'p> {
    rest: &'p [u8],
}

impl<'p> Scanner<'p> {
    /// The members that every principal has.
    fn principal(&mut self) -> Option<Principal<'p>> {
        self.take(b"\"id\":")?;
        let id = self.string()?;
        self.take(b",\"kind\":")?;
        let kind = self.string()?;
        Some(Principal { kind, id })
    }

    fn take(&mut self, expected: &[u8]) -> Option<()> {
        self.skips(expected).then_some(())
    }

    fn skips(&mut self, expected: &[u8]) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A string. Names have no control characters, so that only two characters in them are escaped.
    fn string(&mut self) -> Option<Cow<'p, str>> {
        let spelled = self.skip_string()?;
        if !spelled.contains(&b'\\') {
            return Some(Cow::Borrowed(core::str::from_utf8(spelled).ok()?));
        }
        let mut text = Vec::with_capacity(spelled.len());
        let mut bytes = spelled.iter();
        while let Some(byte) = bytes.next() {
            text.push(match byte {
                b'\\' => *bytes.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?,
                plain => *plain,
            });
        }
        String::from_utf8(text).ok().map(Cow::Owned)
    }

    /// What stands between the quotes of a string.
    fn skip_string(&mut self) -> Option<&'p [u8]> {
        let inside = self.rest.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', &inside[at..])?;
            if inside[at] == b'"' {
                self.rest = &inside[at + 1..];
                return Some(&inside[..at]);
            }
            at += 2;
            if at > inside.len() {
                return None;
            }
        }
    }

    /// Any value: up to where the brackets that it opens are closed.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.rest.first()? {
                b'"' => {
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.rest = &self.rest[1..];
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.rest = &self.rest[1..];
                }
                b',' | b':' if depth > 0 => {
                    self.rest = &self.rest[1..];
                    continue;
                }
                b',' | b':' => return None,
                _ => {
                    let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b'"'))?;
                    self.rest = &self.rest[end..];
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind and an id.
    type Pair = (String, String);

    fn found(payload: &str) -> Option<(String, String, Option<Pair>)> {
        let pair = |principal: Principal<'_>| (principal.kind.into_owned(), principal.id.into_owned());
        spelled_actor(payload.as_bytes()).and_then(Actor::read).map(|actor| {
            let (kind, id) = pair(actor.who);
            (kind, id, actor.on_behalf_of.map(pair))
        })
    }

    #[test]
    fn the_actor_of_an_event_is_found_whatever_stands_before_it() {
        for before in [
            "",
            r#""action":{"kind":"x"},"#,
            r#""action":{"a":[1,{"b":"}]\"{"},[]],"c":{},"actor":{"id":"no","kind":"user"}},"#,
            r#""a":null,"aa":-1.5e+30,"ab":"","ac":[],"#,
            r#""action":"\\","#,
            r#""ac\"tor\\":true,"#,
        ] {
            let payload = format!(r#"{{{before}"actor":{{"id":"alice","kind":"user"}},"z":1}}"#);
            assert_eq!(found(&payload), Some(("user".into(), "alice".into(), None)), "{payload}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_meant() {
        let payload = r#"{"actor":{"id":"a\"b\\c é水","kind":"agent","on_behalf_of":{"id":"\\","kind":"user"}}}"#;
        let other = Some(("user".into(), "\\".into()));
        assert_eq!(found(payload), Some(("agent".into(), "a\"b\\c é水".into(), other)));
    }

    #[test]
    fn what_has_no_actor_in_its_one_spelling_has_none() {
        for payload in [
            "",
            "{",
            "{}",
            "[]",
            r#"{"actor":"#,
            r#"{"actor":{}}"#,
            r#"{"actor":"alice"}"#,
            r#"{"actor":{"id":"alice"}}"#,
            r#"{"actor":{"kind":"user","id":"alice"}}"#,
            r#"{"actor":{"id":"alice","kind":"user","more":1}}"#,
            r#"{"actor": {"id":"alice","kind":"user"}}"#,
            r#"{"actor":{"id":"a\nb","kind":"user"}}"#,
            r#"{"actor":{"id":"\u0061","kind":"user"}}"#,
            r#"{"actor":{"id":7,"kind":"user"}}"#,
            r#"{"actor":{"id":"alice","kind":"user","on_behalf_of":{"id":"b"}}}"#,
            r#"{"actor":{"id":"alice","kind":"user","on_behalf_of":null}}"#,
            r#"{"a":1}{"actor":{"id":"alice","kind":"user"}}"#,
            r#"{"a":],"actor":{"id":"alice","kind":"user"}}"#,
            r#"{"a":,"actor":{"id":"alice","kind":"user"}}"#,
            r#"{"a":"\"#,
            r#"{"a":"\\"#,
        ] {
            assert_eq!(found(payload), None, "{payload}");
        }
    }

    #[test]
    fn cut_and_flipped_payloads_do_no_harm() {
        let whole = br#"{"action":{"a":["\\\"",{"b":2}]},"actor":{"id":"\\x","kind":"user","on_behalf_of":{"id":"b","kind":"user"}}}"#;
        for end in 0..whole.len() {
            for byte in 0..=255u8 {
                let mut payload = whole[..end].to_vec();
                payload.push(byte);
                spelled_actor(&payload).and_then(Actor::read);
            }
        }
        let deep = [b"{\"a\":".as_slice(), &vec![b'['; 1 << 20]].concat();
        assert_eq!(spelled_actor(&deep), None);
    }
}
