//! Finding who acted in the payload of an event, in one pass and without a tree of values.
//!
//! It reads the one spelling that the audit profile has (RFC 8785): no white space, members in their order. Of any other
//! bytes it answers something, always the same, and it may be nothing: whether they are an event the profile says.

use std::borrow::Cow;

use crate::hash::decode_hex;

/// Who acted, and on whose behalf.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Actor<'p> {
    pub(crate) who: Principal<'p>,
    pub(crate) on_behalf_of: Option<Principal<'p>>,
}

/// Somebody or something that acts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Principal<'p> {
    pub(crate) kind: Cow<'p, str>,
    pub(crate) id: Cow<'p, str>,
}

/// What an event with this payload has as its actor, as it is spelled.
pub(crate) fn spelled_actor(payload: &[u8]) -> Option<&[u8]> {
    let mut at = Scanner { rest: payload };
    at.take(b"{")?;
    while !at.skips(b"\"actor\":") {
        at.skip_string()?;
        at.take(b":")?;
        at.skip_value()?;
        at.take(b",")?;
    }
    at.spelled_value()
}

/// What an event says of an action that is two entries, beside who acts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told<'p> {
    /// The actor, as it is spelled.
    pub(crate) actor: Option<&'p [u8]>,
    /// The action, as it is spelled.
    action: Option<&'p [u8]>,
    /// The event's own id.
    id: Option<&'p [u8]>,
    /// The id of the event that it says the end of.
    completes: Option<&'p [u8]>,
    begun: bool,
}

impl<'p> Told<'p> {
    /// What an event with this payload says, up to where it is no event any more.
    pub(crate) fn by(payload: &'p [u8]) -> Told<'p> {
        let (mut told, mut at) = (Told::default(), Scanner { rest: payload });
        let _ = told.read(&mut at);
        told
    }

    fn read(&mut self, at: &mut Scanner<'p>) -> Option<()> {
        at.take(b"{")?;
        loop {
            let name = at.skip_string()?;
            at.take(b":")?;
            let value = at.spelled_value()?;
            match name {
                b"actor" => drop(self.actor.get_or_insert(value)),
                b"action" => self.action = Some(value),
                b"completes" => self.completes = Some(value),
                b"id" => self.id = Some(value),
                b"outcome" => self.begun = value == br#"{"result":"begun"}"#,
                _ => {}
            }
            at.take(b",")?;
        }
    }

    /// The id under which this says that something is about to begin.
    pub(crate) fn begins(&self) -> Option<[u8; 16]> {
        self.id.filter(|_| self.begun).and_then(id)
    }

    /// The id of what this says the end of.
    pub(crate) fn ends(&self) -> Option<[u8; 16]> {
        self.completes.and_then(id)
    }

    /// Which kind of action it is.
    pub(crate) fn kind(&self) -> Option<Cow<'p, str>> {
        let mut at = Scanner { rest: self.action? };
        at.take(b"{")?;
        while !at.skips(b"\"kind\":") {
            at.skip_string()?;
            at.take(b":")?;
            at.skip_value()?;
            at.take(b",")?;
        }
        at.string()
    }
}

/// The UUID that is spelled so, in quotes.
fn id(spelled: &[u8]) -> Option<[u8; 16]> {
    let [b'"', text @ .., b'"'] = spelled else { return None };
    let hyphens = [8, 13, 18, 23];
    if text.len() != 36 || hyphens.iter().any(|&at| text[at] != b'-') {
        return None;
    }
    let mut digits = [0; 32];
    let written = (0..36).filter(|at| !hyphens.contains(at)).map(|at| text[at]);
    digits.iter_mut().zip(written).for_each(|(digit, byte)| *digit = byte);
    decode_hex(&digits)
}

impl<'p> Actor<'p> {
    /// The actor that is spelled so.
    pub(crate) fn read(spelled: &'p [u8]) -> Option<Actor<'p>> {
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

    /// Any value, as it is spelled.
    fn spelled_value(&mut self) -> Option<&'p [u8]> {
        let from = self.rest;
        self.skip_value()?;
        Some(&from[..from.len() - self.rest.len()])
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
    fn what_an_event_says_of_an_action_is_found_wherever_it_stands() {
        let id = r#""3f2b8c1e-9d4a-4f6b-8a7c-1e2d3c4b5a69""#;
        let begun = format!(
            r#"{{"action":{{"arguments":{{"kind":"no"}},"kind":"tool-call","tool":"x"}},"actor":{{"id":"a","kind":"user"}},"details":{{"id":7,"outcome":{{"result":"success"}}}},"id":{id},"outcome":{{"result":"begun"}}}}"#
        );
        let told = Told::by(begun.as_bytes());
        assert_eq!(told.begins().map(|id| (id[0], id[15])), Some((0x3f, 0x69)));
        assert_eq!((told.ends(), told.kind().as_deref()), (None, Some("tool-call")));
        assert_eq!(told.actor, spelled_actor(begun.as_bytes()));
        let ended = begun.replace(r#""id":"3f"#, r#""completes":"3f"#);
        assert_eq!(Told::by(ended.as_bytes()).ends(), told.begins());
        assert_eq!(Told::by(begun.replace("begun", "success").as_bytes()).begins(), None);
        for no_id in [
            "7",
            r#""3f2b8c1e""#,
            r#""3F2B8C1E-9D4A-4F6B-8A7C-1E2D3C4B5A69""#,
            r#""3f2b8c1e09d4a-4f6b-8a7c-1e2d3c4b5a69""#,
        ] {
            assert_eq!(Told::by(begun.replace(id, no_id).as_bytes()).begins(), None, "{no_id}");
        }
        for end in 0..begun.len() {
            Told::by(&begun.as_bytes()[..end]).kind();
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
