//! A report on a chain as a JSON document, and as a page of text. Neither has anything in it that could disturb a terminal or hide
//! text, whatever the logs and their files are called.

use core::fmt::{self, Write as _};

use crate::archive::links::{ChainReport, ChainVerdict};
use crate::verify::{Json, Plain, Quoted};

impl ChainReport {
    /// The report as one line of JSON, with its fields always in this order. `time` is when the verification was made, as the
    /// caller says.
    pub fn to_json(&self, time: Option<&str>) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.field("verdict").string(self.verdict.as_str());
            json.field("time").optional(time, |json, time| json.string(time));
            json.field("faults").list(&self.faults, |json, fault| {
                json.object(|json| {
                    json.field("code").string(fault.code.as_str());
                    json.field("file").number(fault.part as u64);
                    json.field("detail").string(&fault.detail);
                });
            });
            json.field("missing").list(&self.missing, |json, missing| {
                json.object(|json| {
                    json.head(&missing.head);
                    json.field("before").number(missing.before as u64);
                    json.field("signed").boolean(missing.signed);
                });
            });
            json.field("files").list(&self.parts, |json, part| {
                json.object(|json| {
                    json.field("name").string(&part.name);
                    part.report.write_json(json.field("report"), None);
                });
            });
        });
        json.finish()
    }

    /// The report as a page of text, with that of each file below it. `time` is when the verification was made, as the caller says.
    pub fn to_text(&self, time: Option<&str>) -> String {
        let mut page = String::new();
        self.write_page(&mut page, time).expect("writing to a string does not fail");
        page
    }

    fn write_page(&self, page: &mut String, time: Option<&str>) -> fmt::Result {
        let word = match self.verdict {
            ChainVerdict::Valid => "VALID: every file is, and each continues the one before it from the first on",
            ChainVerdict::Incomplete => {
                "INCOMPLETE: nothing is wrong with what was checked, and not all of it is there"
            }
            ChainVerdict::Invalid => "INVALID: a file is, or they are no chain in this order",
        };
        writeln!(page, "Verification of a chain of secure-log archives\n")?;
        writeln!(page, "verdict       {word}")?;
        if let Some(time) = time {
            writeln!(page, "time          {}", Plain(time))?;
        }
        for fault in &self.faults {
            writeln!(page, "fault         {}", Plain(&fault.to_string()))?;
        }
        for missing in &self.missing {
            writeln!(page, "missing       {}", Plain(&missing.to_string()))?;
        }
        for (number, part) in (1..).zip(&self.parts) {
            let report = &part.report;
            writeln!(page, "file {number:<9}{} is {}", Quoted(&part.name), report.verdict.as_str())?;
            writeln!(page, "              the log {} of {} entries", Quoted(&report.origin), report.size)?;
        }
        for (number, part) in (1..).zip(&self.parts) {
            writeln!(page, "\n--- file {number}\n")?;
            page.push_str(&part.report.to_text(None));
        }
        Ok(())
    }
}
