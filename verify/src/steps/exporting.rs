//! Exports in each form, and a log that is read back from its lines in another place.

use serde_json::Value;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, entry, is_valid, no_place};
use crate::expect::{equal, refused, shown};
use crate::host::export::{ExportOptions, Format};
use crate::host::import::{ImportError, ImportOptions};
use crate::host::writer::Verdict;
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "export",
    about: "export, import: rows in each form, and the log read back from its own lines",
    steps: &[
        Step { name: "each form has every entry, its hash and the one before it", run: forms },
        Step { name: "what is not there or cannot be had like this is refused", run: not_there },
        Step { name: "a log that is read back is the same log, and goes on", run: read_back },
        Step { name: "a log that does not verify is not read back", run: not_read_back },
    ],
};

/// Payloads that are hard to write.
const HOSTILE: [&str; 6] = ["=1+1", "a\"b,c\r\nd", "nul \0", "bidi \u{202e}", "\u{1b}[2J", "{\"json\":\"\\\"\"}"];

fn options(format: Format) -> ExportOptions {
    ExportOptions { format, stream_id: None, from_seqno: 1, to_seqno: u64::MAX, open_payloads: false }
}

fn append(session: &mut Session) -> Result<String> {
    let stream = session.stream("=export");
    session.log()?.append_batch(&[entries(&stream, HOSTILE)])??;
    Ok(stream)
}

fn forms(session: &mut Session) -> Result<Done> {
    let stream = append(session)?;
    let log = session.log()?;
    let size = log.status()??.size;
    let mut sizes = Vec::new();
    for format in [Format::Csv, Format::Ocsf, Format::Otlp] {
        let (written, exported) = log.export(&options(format))??;
        equal("the entries", exported.entries, size)?;
        equal("the bytes", exported.bytes, written.len() as u64)?;
        let text = String::from_utf8(written)?;
        let last = exported.last.context("there is a last entry")?;
        equal("the last seqno", last.seqno, size)?;
        ensure!(text.contains(&const_hex::encode(&last.hash)), "its hash stands in the export");
        sizes.push(text.len().to_string());
    }
    let (events, _) = log.export(&options(Format::Ocsf))??;
    equal("a deletion in the whole", gaps(&events)?, 0)?;
    let of_stream = ExportOptions { stream_id: Some(stream), ..options(Format::Ocsf) };
    let (events, exported) = log.export(&of_stream)??;
    equal("the entries of the stream", exported.entries, HOSTILE.len() as u64)?;
    let text = String::from_utf8(events)?;
    let without: String =
        text.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| format!("{line}\n")).collect();
    equal("breaks in the stream's chain", breaks(&text)?, 0)?;
    equal("breaks after a deletion", breaks(&without)?, 1)?;
    checked(format!("{size} entries in {} bytes", sizes.join(", ")))
}

fn events(text: &str) -> Result<Vec<Value>> {
    Ok(text.lines().map(serde_json::from_str).collect::<serde_json::Result<Vec<Value>>>()?)
}

/// How often a seqno is not the one after that before it.
fn gaps(written: &[u8]) -> Result<usize> {
    let events = events(std::str::from_utf8(written)?)?;
    let seqno = |event: &Value| event["metadata"]["sequence"].as_u64();
    Ok(events.windows(2).filter(|pair| seqno(&pair[1]) != seqno(&pair[0]).map(|seqno| seqno + 1)).count())
}

/// How often an event does not name the one before it.
fn breaks(text: &str) -> Result<usize> {
    let events = events(text)?;
    let named = |event: &Value| event["attestation_list"][0]["prev_event"]["uid"].clone();
    Ok(events.windows(2).filter(|pair| named(&pair[1]) != pair[0]["metadata"]["uid"]).count())
}

fn not_there(session: &mut Session) -> Result<Done> {
    let nobody = session.stream("nobody");
    let log = session.log()?;
    for format in [Format::Csv, Format::Ocsf, Format::Otlp, Format::Jsonl] {
        let answer = log.export(&ExportOptions { stream_id: Some(nobody.clone()), ..options(format) })?;
        refused!("no such stream", answer, LogError::StreamNotFound(_))?;
    }
    let opened = ExportOptions { open_payloads: true, ..options(Format::Jsonl) };
    refused!("the log's own lines, opened", log.export(&opened)?, LogError::Invalid(_))?;
    let late = log.status()??.size + 1;
    let (written, exported) = log.export(&ExportOptions { from_seqno: late, ..options(Format::Csv) })??;
    equal("what is behind the end", exported.entries, 0)?;
    equal("a header alone", written.iter().filter(|byte| **byte == b'\n').count(), 1)?;
    checked("no such stream, nothing opened in the log's own lines, nothing behind the end")
}

/// Trusts the keys that the log was signed with.
fn trusting(log: &mut Instance) -> Result<ImportOptions> {
    let key = log.status()??.head_key.context("the log has a key")?;
    Ok(ImportOptions { policy: format!("log {key}\nquorum none\n"), mac_keys: Vec::new(), incomplete: true })
}

/// A log of its own, in its lines, and whom to trust for it.
fn exported(session: &mut Session, name: &str) -> Result<Option<(Vec<u8>, ImportOptions)>> {
    let Some((mut log, config)) = session.elsewhere(name)? else { return Ok(None) };
    log.open(&config)??;
    for payload in HOSTILE {
        log.append_batch(&[entry("a", payload), entry("b", payload)])??;
    }
    log.close_segment("a")??;
    let (lines, _) = log.export(&options(Format::Jsonl))??;
    Ok(Some((lines, trusting(&mut log)?)))
}

fn read_back(session: &mut Session) -> Result<Done> {
    let Some((lines, trusted)) = exported(session, "exported")? else { return no_place() };
    let Some((mut log, config)) = session.elsewhere("imported")? else { return no_place() };
    // One that is dropped before its end leaves no log.
    equal("an import that is dropped", log.import(&config, &trusted, &lines, 1000, false)?.is_ok(), true)?;
    refused!("it is no log", log.open_existing(&config)?, LogError::LogNotFound(_))?;
    let report = log.import(&config, &trusted, &lines, 777, true)?;
    let Ok(Some(report)) = report else { wasmtime::bail!("the import: {}", shown(&report)) };
    ensure!(matches!(report.verdict, Verdict::Valid), "{}", shown(&report));
    if !session.outlives() {
        return checked(format!(
            "{} entries; in memory alone, which forgets them when a log is opened",
            report.entries
        ));
    }
    log.open_existing(&config)??;
    let again = log.import(&config, &trusted, &lines, 777, true)?;
    refused!("while a log is open", again, ImportError::Log(LogError::AlreadyOpen))?;
    let (same, _) = log.export(&options(Format::Jsonl))??;
    ensure!(same == lines, "what is exported again is what was imported");
    is_valid(&mut log)?;
    log.append_batch(&[entry("a", "goes on")])??;
    is_valid(&mut log)?;
    let (mut other, config) = session.elsewhere("imported")?.context("there was a place")?;
    let full = other.import(&config, &trusted, &lines, 777, true)?;
    refused!("where there is a log", full, ImportError::NotEmpty(size) if size > report.size)?;
    checked(format!("{} entries in {} bytes, to the byte", report.entries, lines.len()))
}

fn not_read_back(session: &mut Session) -> Result<Done> {
    let Some((lines, trusted)) = exported(session, "exported-2")? else { return no_place() };
    let Some((mut log, config)) = session.elsewhere("not-imported")? else { return no_place() };
    let text = String::from_utf8(lines)?;
    let cut: String =
        text.lines().filter(|line| !line.contains("\"seqno\":5,")).map(|line| format!("{line}\n")).collect();
    let edits = [("=1+1", "=1+2"), ("\"severity\":\"info\"", "\"severity\":\"debug\"")];
    let edited = edits.map(|(from, to)| text.replacen(from, to, 1));
    for lines in edited.iter().chain([&cut]) {
        let answer = log.import(&config, &trusted, lines.as_bytes(), 1000, true)?;
        refused!("an edit", answer, ImportError::Refused(report) if matches!(report.verdict, Verdict::Invalid(_)))?;
        refused!("it is no log", log.open_existing(&config)?, LogError::LogNotFound(_))?;
    }
    let strict = ImportOptions { policy: "quorum none\n".into(), incomplete: false, ..trusted.clone() };
    let answer = log.import(&config, &strict, text.as_bytes(), 1000, true)?;
    refused!("by nobody's key", answer, ImportError::Refused(report) if matches!(report.verdict, Verdict::Incomplete))?;
    let wrong = ImportOptions { policy: "nonsense\n".into(), ..trusted };
    refused!(
        "a policy that is none",
        log.import(&config, &wrong, text.as_bytes(), 1, true)?,
        ImportError::Argument(_)
    )?;
    checked("two edits, a deletion, nobody's key and no policy, and no log is there")
}
