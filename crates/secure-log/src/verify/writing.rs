//! Writing text and JSON that have nothing in them that could disturb a terminal or hide text, whatever the log says: for
//! reports of verifications, and for reviews.

use core::fmt::{self, Write as _};

use crate::note::Checkpoint;
use crate::verify::finding::{Finding, Place, Quoted, is_printable};
use crate::verify::missing::Missing;
use crate::verify::report::KeyUse;

pub(super) fn write_finding(page: &mut String, finding: &Finding) -> fmt::Result {
    writeln!(page, "finding       {} at {}", finding.code, finding.at)?;
    writeln!(page, "              {}", Plain(&finding.detail))?;
    let rows = [("stream", &finding.stream), ("expected", &finding.expected), ("found", &finding.found)];
    for (name, value) in rows {
        if let Some(value) = value {
            writeln!(page, "  {name:<12}{}", Quoted(value))?;
        }
    }
    Ok(())
}

/// Text of which only what does not show by itself is escaped.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| if is_printable(c) { f.write_char(c) } else { write!(f, "{}", c.escape_unicode()) })
    }
}

/// Writes JSON in one spelling.
#[derive(Default)]
pub(crate) struct Json(String);

impl Json {
    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.0
    }

    pub(crate) fn object(&mut self, fields: impl FnOnce(&mut Json)) {
        self.0.push('{');
        fields(self);
        self.0.push('}');
    }

    pub(crate) fn field(&mut self, name: &str) -> &mut Json {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.string(name);
        self.0.push(':');
        self
    }

    pub(crate) fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Json, T)) {
        self.0.push('[');
        for (index, value) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            item(self, value);
        }
        self.0.push(']');
    }

    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Json, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.0.push_str("null"),
        }
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.0.push_str(if value { "true" } else { "false" });
    }

    pub(crate) fn number(&mut self, value: u64) {
        let _ = write!(self.0, "{value}");
    }

    /// A string. What does not show by itself is escaped, which JSON allows of any character.
    pub(crate) fn string(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                _ if is_printable(c) => self.0.push(c),
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.0.push('"');
    }

    /// The fields of a head.
    pub(crate) fn head(&mut self, head: &Checkpoint) {
        self.field("origin").string(&head.origin);
        self.field("size").number(head.size);
        self.field("root").string(&head.root.to_hex());
    }

    pub(super) fn finding(&mut self, finding: &Finding) {
        self.object(|json| {
            json.field("code").string(finding.code.as_str());
            json.field("at").place(&finding.at);
            json.field("detail").string(&finding.detail);
            for (name, value) in
                [("stream", &finding.stream), ("expected", &finding.expected), ("found", &finding.found)]
            {
                json.field(name).optional(value.as_deref(), |json, value| json.string(value));
            }
        });
    }

    pub(super) fn missing(&mut self, missing: &Missing) {
        self.object(|json| {
            json.field("code").string(missing.code.as_str());
            json.field("at").optional(missing.at.as_ref(), |json, at| json.place(at));
            json.field("detail").string(&missing.detail);
        });
    }

    /// A place is an object with one field, whose name says what kind of place it is.
    fn place(&mut self, place: &Place) {
        self.object(|json| match place {
            Place::Line(number) => json.field("line").number(*number),
            Place::Origin => json.field("origin").boolean(true),
            Place::Seqno(number) => json.field("seqno").number(*number),
            Place::Entry(number) => json.field("entry").number(*number),
            Place::Segment(number) => json.field("segment").number(*number),
            Place::Head(size) => json.field("head").number(*size),
            Place::Stream(name) => json.field("stream").string(name),
            Place::Index => json.field("index").boolean(true),
            Place::Entries(first, last) => json.field("entries").list([first, last], |json, n| json.number(*n)),
        });
    }

    pub(super) fn key(&mut self, key: &KeyUse) {
        self.object(|json| {
            json.field("role").string(key.role.as_str());
            json.field("name").string(&key.name);
            json.field("algorithm").string(key.algorithm.as_str());
            json.field("fingerprint").string(&key.fingerprint.to_hex());
            json.field("signatures").number(key.signatures);
            json.field("last").number(key.last);
        });
    }
}
