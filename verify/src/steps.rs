//! The steps, in the order in which they run. Each group is a file; each step makes the streams that it needs.

use std::fmt::Display;

use wasmtime::{Result, ensure};

use crate::expect::shown;
use crate::host::Instance;
use crate::host::encoder::Severity;
use crate::host::types::Tier;
use crate::host::writer::{HashSuite, LogStatus, MissingCheck, NewEntries, Report, SigningRule, StreamRules, Verdict};
use crate::session::Session;

mod anchor;
mod archives;
mod audit;
mod encoding;
mod ending;
mod entries;
mod evidence;
mod exporting;
mod keystore;
mod limits;
mod opening;
mod query;
mod retention;
mod review;
mod rotation;
mod sealing;
mod segments;
mod signatures;
mod streams;
mod tail;
mod tampering;
mod token;
mod torn;
mod tree;
mod witness;
mod writing;

/// All groups.
pub const GROUPS: &[Group] = &[
    encoding::GROUP,
    opening::GROUP,
    entries::GROUP,
    limits::GROUP,
    streams::GROUP,
    segments::GROUP,
    signatures::GROUP,
    writing::GROUP,
    tail::GROUP,
    query::GROUP,
    tree::GROUP,
    evidence::GROUP,
    exporting::GROUP,
    review::GROUP,
    archives::GROUP,
    rotation::GROUP,
    retention::GROUP,
    keystore::GROUP,
    sealing::GROUP,
    audit::GROUP,
    token::GROUP,
    tampering::GROUP,
    torn::GROUP,
    anchor::GROUP,
    witness::GROUP,
    ending::GROUP,
];

/// Steps about one thing.
pub struct Group {
    /// A word.
    pub name: &'static str,
    /// What is looked at.
    pub about: &'static str,
    /// In order.
    pub steps: &'static [Step],
}

/// Something that a host does with the log, and what has to come of it.
pub struct Step {
    /// What is expected, in a few words.
    pub name: &'static str,
    /// Does it; an error ends the run.
    pub run: fn(&mut Session) -> Result<Done>,
}

/// How a step ended that did not fail.
pub enum Done {
    /// It held; this was seen.
    Checked(String),
    /// It cannot be looked at here, for this reason.
    NotApplicable(String),
}

/// What a step saw, in a few words.
fn checked(said: impl Display) -> Result<Done> {
    Ok(Done::Checked(said.to_string()))
}

/// Why a step does not apply.
fn not_applicable(why: impl Display) -> Result<Done> {
    Ok(Done::NotApplicable(why.to_string()))
}

/// Why a step does not apply that needs a log of its own.
fn no_place() -> Result<Done> {
    not_applicable("this store has no place for a second log")
}

/// Why a step does not apply that edits the file.
fn no_file() -> Result<Done> {
    not_applicable("the log is not a file of JSON lines, so NOTHING WAS TAMPERED WITH here")
}

/// Rules of a public stream.
fn rules(suite: HashSuite, sign: SigningRule) -> StreamRules {
    StreamRules { tier: Tier::Public, suite, sign, description: None }
}

/// An entry for a batch.
fn entry(stream: &str, payload: &str) -> NewEntries {
    entries(stream, [payload])
}

/// Entries for a batch.
fn entries<P: Into<Vec<u8>>>(stream: &str, payloads: impl IntoIterator<Item = P>) -> NewEntries {
    NewEntries {
        stream_id: stream.into(),
        event_type: "e".into(),
        severity: Severity::Info,
        producer: "verify".into(),
        payload_encoding: "text".into(),
        payloads: payloads.into_iter().map(Into::into).collect(),
    }
}

/// Verifies the whole log; fails unless the verdict is valid.
fn is_valid(log: &mut Instance) -> Result<Report> {
    let report = log.verify_log()??;
    ensure!(matches!(report.verdict, Verdict::Valid), "verify-log: expected valid, found {}", shown(&report));
    Ok(report)
}

/// What could not be checked, as it is shown.
fn missing(report: &Report) -> Vec<String> {
    let text = |missing: &MissingCheck| match &missing.at {
        Some(at) => format!("{at}: {}", missing.detail),
        None => missing.detail.clone(),
    };
    report.missing.iter().map(text).collect()
}

/// The state of the log under test and the bytes of its file, if it is one: equal before and after what writes nothing.
fn state(session: &mut Session) -> Result<(LogStatus, Option<u64>)> {
    let bytes = session.file().and_then(|file| file.metadata().ok()).map(|file| file.len());
    Ok((session.log()?.status()??, bytes))
}
