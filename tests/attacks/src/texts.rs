//! Row 26: what anybody chose never reaches a terminal raw in the texts of findings, reports and errors.

use secure_log_testkit::attacks::{Subject, is_harmless, marked_logs, to_jsonl};
use secure_log_verify::host::writer::{Report, Verdict};
use secure_log_verify::host::{Answer, LogError};
use wasmtime::{Result, ensure};

use crate::composed::{Composed, shown};
use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check_over};

/// The checks.
pub fn checks() -> Vec<Check> {
    [Kept::InMemory, Kept::AsReleased]
        .into_iter()
        .map(|kept| check_over(kept, "26", "names are escaped in texts", escaped))
        .collect()
}

fn escaped(stacks: &Stacks, kept: Kept) -> Result<Seen> {
    let mut number = 0;
    for (what, records) in marked_logs() {
        let mut log = stacks.fresh(kept);
        match kept {
            Kept::AsReleased => log.lay_file(&to_jsonl(&records))?,
            _ => log.lay(&records),
        }
        let texts = texts(&mut log);
        ensure!(!texts.is_empty(), "{what}: something is said of it");
        for text in texts {
            ensure!(text.chars().all(is_harmless), "{what}: {text:?}");
            number += 1;
        }
    }
    ensure!(number > 0, "nothing was said");
    Ok(Seen::Held(format!("{number} texts of {} logs", marked_logs().len())))
}

/// What a person would read of opening and verifying this log.
fn texts(log: &mut Composed<'_>) -> Vec<String> {
    let answer = match log.open() {
        Ok(()) => log.call(|log| log.verify_log()),
        // The log is opened once more for the error with its texts.
        Err(_) => refused(log),
    };
    match answer {
        Ok(report) => {
            let found = match report.verdict {
                Verdict::Invalid(finding) => vec![finding.at, finding.detail],
                _ => Vec::new(),
            };
            let page = report.text.lines().map(str::to_owned).chain([report.json]);
            page.chain(report.missing.into_iter().map(shown)).chain(found).collect()
        }
        Err(error) => texts_of(error),
    }
}

fn refused(log: &mut Composed<'_>) -> Answer<Report> {
    let config = log.config().to_owned();
    log.call(|log| log.open(&config)).map(|()| unreachable!("it was refused just now"))
}

/// The texts of an error that are for reading. A name that comes back as it was given is a value.
fn texts_of(error: LogError) -> Vec<String> {
    match error {
        LogError::ChainBroken(found) => vec![found.reason],
        LogError::Corrupt(found) => vec![found.at, found.detail],
        LogError::InvalidRecord(finding) => vec![finding.at, finding.detail],
        LogError::LaterVersion(found) => vec![found.at, found.what],
        LogError::Storage(text)
        | LogError::Encoding(text)
        | LogError::Invalid(text)
        | LogError::PolicyMismatch(text)
        | LogError::AccessDenied(text)
        | LogError::KeyNotFound(text) => vec![text],
        other => vec![format!("{other:?}")],
    }
}
