//! A report as a JSON document, and as a page of text that an auditor can file. Neither has anything in it that could
//! disturb a terminal or hide text, whatever the log says.

use core::fmt::{self, Write as _};

use crate::note::Checkpoint;
use crate::verify::finding::{Finding, Quoted};
use crate::verify::report::{KeyRole, KeyUse, Report, Verdict};
use crate::verify::writing::{Json, Plain, write_finding};

impl Report {
    /// The report as one line of JSON, with its fields always in this order. `time` is when the verification was made, as
    /// the caller says.
    pub fn to_json(&self, time: Option<&str>) -> String {
        let mut json = Json::default();
        self.write_json(&mut json, time);
        json.finish()
    }

    pub(crate) fn write_json(&self, json: &mut Json, time: Option<&str>) {
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
        writeln!(page, "Verification of a secure-log audit log\n")?;
        self.write_verdict(page, time)?;
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
        self.keys.iter().try_for_each(|key| write_key(page, key))?;
        self.write_missing(page)
    }

    /// What could not be checked, and whose signatures count for nothing.
    pub(crate) fn write_missing(&self, page: &mut String) -> fmt::Result {
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

    /// The verdict, of which log, and up to where.
    pub(crate) fn write_verdict(&self, page: &mut String, time: Option<&str>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Valid => "VALID: everything was checked, and is as it should be",
            Verdict::Incomplete => "INCOMPLETE: nothing is wrong with what was checked, and not everything could be",
            Verdict::Invalid(_) => "INVALID: a check failed, and what follows it was not checked",
        };
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
        self.write_completeness(page)
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

pub(crate) fn write_key(page: &mut String, key: &KeyUse) -> fmt::Result {
    let KeyUse { role, name, algorithm, fingerprint, signatures, last } = key;
    let last_of = if *role == KeyRole::Signer { "entry" } else { "size" };
    writeln!(
        page,
        "  {} {} ({}): {signatures} signatures, the last of {last_of} {last}\n    public key has SHA-256 {fingerprint}",
        role.as_str(),
        Quoted(name),
        algorithm.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::sign::Algorithm;
    use crate::verify::finding::{FindingCode, Place, is_printable};
    use crate::verify::missing::{Missing, MissingCode};

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
