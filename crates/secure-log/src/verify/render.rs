//! A report as a JSON document, and as a page of text that an auditor can file. Neither has anything in it that could
//! disturb a terminal or hide text, whatever the log says.

use core::fmt::{self, Write as _};

use crate::note::Checkpoint;
use crate::verify::finding::{Finding, Place, Quoted, is_printable};
use crate::verify::missing::Missing;
use crate::verify::report::{KeyRole, KeyUse, Report, Verdict};

impl Report {
    /// The report as one line of JSON, with its fields always in this order. `time` is when the verification was made, as
    /// the caller says.
    pub fn to_json(&self, time: Option<&str>) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.field("verdict").string(self.verdict.as_str());
            json.field("time").optional(time, |json, time| json.string(time));
            json.field("finding").optional(self.finding(), |json, finding| json.finding(finding));
            json.field("origin").string(&self.origin);
            json.field("size").number(self.size);
            json.field("root").string(&self.root.to_hex());
            json.field("complete_to").number(self.complete_to);
            json.field("attested_by").list(self.attested_by(), |json, key| json.string(&key.name));
            for (name, count) in self.counts() {
                json.field(name).number(count);
            }
            json.field("keys").list(&self.keys, |json, key| json.key(key));
            json.field("missing").list(&self.missing, |json, missing| json.missing(missing));
            json.field("missing_unlisted").number(self.missing_unlisted);
            json.field("unknown_signers").list(&self.unknown_signers, |json, name| json.string(name));
            // Of a log that continues none there is nothing to say.
            if let Some(head) = &self.continues {
                json.field("continues").object(|json| json.head(head));
            }
        });
        json.0
    }

    /// The report as a page of text. `time` is when the verification was made, as the caller says.
    pub fn to_text(&self, time: Option<&str>) -> String {
        let mut page = String::new();
        self.write_page(&mut page, time).expect("writing to a string does not fail");
        page
    }

    fn finding(&self) -> Option<&Finding> {
        match &self.verdict {
            Verdict::Invalid(finding) => Some(finding),
            Verdict::Valid | Verdict::Incomplete => None,
        }
    }

    fn counts(&self) -> [(&'static str, u64); 9] {
        [
            ("entries", self.entries),
            ("pruned", self.pruned),
            ("segments", self.segments),
            ("heads", self.heads),
            ("signatures", self.signatures),
            ("cosignatures", self.cosignatures),
            ("erased", self.erased),
            ("erased_payloads", self.erased_payloads),
            ("unopened", self.unopened),
        ]
    }

    fn write_page(&self, page: &mut String, time: Option<&str>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Valid => "VALID: everything was checked, and is as it should be",
            Verdict::Incomplete => "INCOMPLETE: nothing is wrong with what was checked, and not everything could be",
            Verdict::Invalid(_) => "INVALID: a check failed, and what follows it was not checked",
        };
        writeln!(page, "Verification of a secure-log audit log\n")?;
        writeln!(page, "verdict       {word}")?;
        if let Some(time) = time {
            writeln!(page, "time          {}", Plain(time))?;
        }
        writeln!(page, "log           {}", Quoted(&self.origin))?;
        if let Some(finding) = self.finding() {
            write_finding(page, finding)?;
        }
        writeln!(page, "size          {} entries under the last head", self.size)?;
        writeln!(page, "root          {}", self.root)?;
        if let Some(Checkpoint { origin, size, root }) = &self.continues {
            writeln!(page, "continues     the log {} of {size} entries", Quoted(origin))?;
            writeln!(page, "              with the root {root}")?;
        }
        self.write_completeness(page)?;
        writeln!(page, "\nWhat was checked")?;
        writeln!(
            page,
            "  {} entries were re-hashed, and {} that were pruned only compared",
            self.entries, self.pruned
        )?;
        writeln!(page, "  {} segments were recomputed from their entries", self.segments)?;
        writeln!(page, "  {} heads were recomputed", self.heads)?;
        writeln!(page, "  {} signatures of entries and segments", self.signatures)?;
        writeln!(page, "  {} cosignatures of witnesses", self.cosignatures)?;
        writeln!(page, "  {} data keys were erased on record", self.erased)?;
        if self.erased_payloads > 0 {
            writeln!(
                page,
                "  {} sealed payloads were erased with them, and are proven as they stand",
                self.erased_payloads
            )?;
        }
        if self.unopened > 0 {
            writeln!(page, "  {} sealed payloads were not opened, and are proven as they stand", self.unopened)?;
        }
        if !self.keys.is_empty() {
            writeln!(page, "\nBy which keys")?;
        }
        for key in &self.keys {
            let KeyUse { role, name, algorithm, fingerprint, signatures, last } = key;
            let last_of = if *role == KeyRole::Signer { "entry" } else { "size" };
            writeln!(
                page,
                "  {} {} ({}): {signatures} signatures, the last of {last_of} {last}\n    public key has SHA-256 {fingerprint}",
                role.as_str(),
                Quoted(name),
                algorithm.as_str(),
            )?;
        }
        if !self.missing.is_empty() {
            writeln!(page, "\nWhat could not be checked")?;
        }
        for missing in &self.missing {
            writeln!(page, "  {}: {}", missing.code, Plain(&missing.to_string()))?;
        }
        if self.missing_unlisted > 0 {
            writeln!(page, "  and {} things more", self.missing_unlisted)?;
        }
        if !self.unknown_signers.is_empty() {
            writeln!(page, "\nSigners that the policy does not know, whose signatures count for nothing")?;
        }
        self.unknown_signers.iter().try_for_each(|name| writeln!(page, "  {}", Quoted(name)))
    }

    fn write_completeness(&self, page: &mut String) -> fmt::Result {
        if self.attested_by().next().is_none() {
            return writeln!(page, "complete to   nobody's word says that nothing is missing at the end");
        }
        writeln!(page, "complete to   entry {}, on the word of", self.complete_to)?;
        self.attested_by()
            .try_for_each(|key| writeln!(page, "              {} {}", key.role.as_str(), Quoted(&key.name)))
    }
}

fn write_finding(page: &mut String, finding: &Finding) -> fmt::Result {
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
pub(crate) struct Json(pub(crate) String);

impl Json {
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

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Json, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.0.push_str("null"),
        }
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

    fn finding(&mut self, finding: &Finding) {
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

    fn missing(&mut self, missing: &Missing) {
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
            Place::Origin => json.field("origin").0.push_str("true"),
            Place::Seqno(number) => json.field("seqno").number(*number),
            Place::Entry(number) => json.field("entry").number(*number),
            Place::Segment(number) => json.field("segment").number(*number),
            Place::Head(size) => json.field("head").number(*size),
            Place::Stream(name) => json.field("stream").string(name),
            Place::Index => json.field("index").0.push_str("true"),
            Place::Entries(first, last) => json.field("entries").list([first, last], |json, n| json.number(*n)),
        });
    }

    fn key(&mut self, key: &KeyUse) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::sign::Algorithm;
    use crate::verify::finding::FindingCode;
    use crate::verify::missing::MissingCode;

    /// With whatever a log can say in the names that anybody chooses.
    const HOSTILE: &str = "a\u{1b}[2J\u{202e}\"\\\u{e0001}é";

    fn report() -> Report {
        let finding = Finding::new(FindingCode::HashMismatch, Place::Seqno(7), "other content")
            .comparing("0a", HOSTILE)
            .in_stream(Some(HOSTILE));
        let key = |role, name: &str, last| KeyUse {
            role,
            name: name.into(),
            algorithm: Algorithm::Ed25519,
            fingerprint: Hash::ZERO,
            signatures: 2,
            last,
        };
        Report {
            verdict: Verdict::Invalid(finding),
            origin: HOSTILE.into(),
            size: 9,
            root: Hash::ZERO,
            complete_to: 8,
            entries: 9,
            pruned: 0,
            segments: 1,
            signatures: 2,
            heads: 3,
            cosignatures: 4,
            erased: 1,
            erased_payloads: 5,
            unopened: 6,
            missing: vec![Missing::at(MissingCode::Uncovered, Place::Entries(9, 9), "covered by nobody")],
            missing_unlisted: 0,
            unknown_signers: vec![HOSTILE.into()],
            continues: Some(Checkpoint { origin: HOSTILE.into(), size: 4, root: Hash::ZERO }),
            keys: vec![key(KeyRole::Log, "l", 8), key(KeyRole::Witness, "w", 8), key(KeyRole::Witness, "v", 7)],
        }
    }

    #[test]
    fn json_says_all_of_it_and_hides_nothing() {
        let json = report().to_json(Some("2026-11-29T00:00:00Z"));
        assert!(json.chars().all(is_printable), "{json}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["origin"], HOSTILE);
        assert_eq!(value["finding"]["at"]["seqno"], 7);
        assert_eq!(value["finding"]["stream"], HOSTILE);
        assert_eq!(value["finding"]["found"], HOSTILE);
        assert_eq!(value["missing"][0]["at"]["entries"], serde_json::json!([9, 9]));
        assert_eq!(value["attested_by"], serde_json::json!(["l", "w"]));
        assert_eq!(value["keys"][2]["last"], 7);
        assert_eq!((&value["erased_payloads"], &value["unopened"]), (&5.into(), &6.into()));
        assert_eq!(value["unknown_signers"][0], HOSTILE);
        assert_eq!((&value["continues"]["origin"], &value["continues"]["size"]), (&HOSTILE.into(), &4.into()));
    }

    #[test]
    fn the_page_hides_nothing() {
        let page = report().to_text(None);
        assert!(page.lines().all(|line| line.chars().all(is_printable)), "{page}");
        assert!(page.contains("finding       hash-mismatch at seqno 7"), "{page}");
        assert!(page.contains("\ncontinues     the log 'a\\x1b[2J"), "{page}");
        assert!(
            page.contains("complete to   entry 8, on the word of\n              log 'l'\n              witness 'w'\n")
        );
        assert!(page.contains("  5 sealed payloads were erased with them, and are proven as they stand\n"));
        assert!(page.contains("  6 sealed payloads were not opened, and are proven as they stand\n"));
        assert!(page.contains("uncovered: entries 9 to 9: covered by nobody"));
    }

    #[test]
    fn without_a_trusted_head_it_is_on_nobodys_word() {
        let mut report = report();
        report.keys.remove(0);
        assert!(report.to_text(None).contains("nobody's word"));
        assert!(report.to_json(None).contains(r#""attested_by":[]"#));
    }
}
