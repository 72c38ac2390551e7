//! A copy of the log under test, edited as somebody would who controls the disk, and what an instance says of it.

use std::fs;

use serde_json::Value;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use crate::host::tree::ProofError;
use crate::host::writer::{Report, Verdict};
use crate::host::{Instance, LogError};
use crate::jsonl::Lines;
use crate::session::Session;

/// The name under which copies lie, one after the other.
pub const NAME: &str = "copy";

/// The lines of the log, and the streams of this run that are tampered with.
#[derive(Clone)]
pub struct Copy {
    /// What an edit changes.
    pub lines: Lines,
    /// A stream with default rules: a batch of five entries, a closed segment, one more entry.
    pub plain: String,
    /// The same with signed segments.
    pub signed: String,
    /// The same with signed entries.
    pub signed_entries: String,
}

impl Copy {
    /// The log as it lies; none where it is not kept as JSON lines.
    pub fn of_the_log(session: &Session) -> Result<Option<Copy>> {
        let Some(file) = session.file() else { return Ok(None) };
        if !fs::read(&file).is_ok_and(|bytes| bytes.starts_with(b"{\"t\":\"log\"")) {
            return Ok(None);
        }
        Ok(Some(Copy {
            lines: Lines::read(&file)?,
            plain: session.stream("tampered"),
            signed: session.stream("tampered-signed"),
            signed_entries: session.stream("tampered-entries"),
        }))
    }

    /// The line of the plain stream's second entry, which stands in the middle of a commit.
    pub fn entry(&self) -> Result<usize> {
        self.find("entry", &self.plain).and_then(|first| {
            self.lines.find(first + 1, |line| line["t"] == "entry" && line["stream"] == self.plain.as_str())
        })
    }

    /// The line of the first segment of the stream that signs segments; its signature is the next line.
    pub fn signed_segment(&self) -> Result<usize> {
        self.find("segment", &self.signed)
    }

    /// The line of the signature of that segment.
    pub fn segment_signature(&self) -> Result<usize> {
        self.lines.find(self.signed_segment()?, |line| line["t"] == "signature" && line["of"] == "segment")
    }

    /// The line of the signature of the first entry of the stream that signs entries.
    pub fn entry_signature(&self) -> Result<usize> {
        let first = self.find("entry", &self.signed_entries)?;
        self.lines.find(first, |line| line["t"] == "signature" && line["of"] == "entry")
    }

    /// The line of the last head.
    pub fn last_head(&self) -> Result<usize> {
        self.lines.of_type("head")?.pop().context("the log has a head")
    }

    /// Changes a field of that entry.
    pub fn edit_entry(&mut self, field: &str, value: Value) -> Result<()> {
        self.lines.edit(self.entry()?, |line| line[field] = value)
    }

    /// Changes the segment of the plain stream.
    pub fn edit_segment(&mut self, change: impl FnOnce(&mut Value)) -> Result<()> {
        self.lines.edit(self.find("segment", &self.plain)?, change)
    }

    /// Changes the head after that entry.
    pub fn edit_head(&mut self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let head = self.lines.find(self.entry()?, |line| line["t"] == "head")?;
        self.lines.edit(head, change)
    }

    /// The line of the stream that signs segments.
    pub fn stream(&self) -> Result<usize> {
        self.lines.find(0, |line| line["t"] == "stream" && line["name"] == self.signed.as_str())
    }

    /// Changes the rules of that stream.
    pub fn edit_stream(&mut self, field: &str, value: Value) -> Result<()> {
        self.lines.edit(self.stream()?, |line| line[field] = value)
    }

    /// Changes the bytes of that entry's line.
    pub fn edit_bytes(&mut self, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let at = self.entry()?;
        self.lines.edit_bytes(at, change);
        Ok(())
    }

    fn find(&self, kind: &str, stream: &str) -> Result<usize> {
        self.lines.find(0, |line| line["t"] == kind && line["stream"] == stream)
    }
}

/// What an instance says of a log file.
pub struct Said {
    /// `valid`, `incomplete`, the code of a finding, or the error's name.
    pub code: String,
    /// Whether the log opened, and verify-log said it.
    pub opened: bool,
    /// What verify-log answered.
    pub report: Option<Report>,
}

/// What a fresh instance says of a file of these bytes, which it may not change.
pub fn examine(session: &Session, bytes: &[u8]) -> Result<Said> {
    let (mut log, config) = lay(session, bytes)?;
    let said = open_and_verify(&mut log, &config)?;
    let unchanged = fs::read(session.elsewhere_file(NAME))? == bytes;
    ensure!(unchanged, "the copy was changed by opening and verifying it, which said: {}", said.code);
    Ok(said)
}

/// Puts a file of these bytes where a fresh instance finds it, with nothing beside it; answers instance and config.
pub fn lay(session: &Session, bytes: &[u8]) -> Result<(Instance, String)> {
    let place = session.elsewhere(NAME)?.context("a file store has a place for a copy")?;
    session.clear_elsewhere(NAME)?;
    fs::write(session.elsewhere_file(NAME), bytes)?;
    Ok(place)
}

fn open_and_verify(log: &mut Instance, config: &str) -> Result<Said> {
    let (opened, answer) = match log.open(config)? {
        Ok(()) => (true, log.verify_log()?),
        Err(error) => (false, Err(error)),
    };
    let code = match &answer {
        Ok(report) => match &report.verdict {
            Verdict::Valid => "valid".into(),
            Verdict::Incomplete => "incomplete".into(),
            Verdict::Invalid(finding) => finding.code.clone(),
        },
        Err(error) => error_name(error),
    };
    Ok(Said { code, opened, report: answer.ok() })
}

/// The word that an error has in the contract or, for a finding, its code.
pub fn error_name(error: &LogError) -> String {
    match error {
        LogError::InvalidRecord(finding) => finding.code.clone(),
        LogError::AccessDenied(_) => "access-denied".into(),
        LogError::AnchorMissing(_) => "anchor-missing".into(),
        LogError::ChainBroken(_) => "chain-broken".into(),
        LogError::Conflict => "conflict".into(),
        LogError::Corrupt(_) => "corrupt".into(),
        LogError::DataKeyMissing(_) => "data-key-missing".into(),
        LogError::DataKeyRefused(_) => "data-key-refused".into(),
        LogError::EmptySegment(_) => "empty-segment".into(),
        LogError::EntryNotFound(_) => "entry-not-found".into(),
        LogError::Fork(_) => "fork".into(),
        LogError::HeadNotFound(_) => "head-not-found".into(),
        LogError::HeadUnsigned(_) => "head-unsigned".into(),
        LogError::KeyEnded(_) => "key-ended".into(),
        LogError::KeyNotFound(_) => "key-not-found".into(),
        LogError::LaterVersion(_) => "later-version".into(),
        LogError::Locked(_) => "locked".into(),
        LogError::LogClosed(_) => "log-closed".into(),
        LogError::MacKeyMissing(_) => "mac-key-missing".into(),
        LogError::NotCovered(_) => "not-covered".into(),
        LogError::NotImplemented => "not-implemented".into(),
        LogError::NotSealed(_) => "not-sealed".into(),
        LogError::PayloadErased(_) => "payload-erased".into(),
        LogError::PayloadRefused(_) => "payload-refused".into(),
        LogError::PolicyMismatch(_) => "policy-mismatch".into(),
        LogError::Rollback(_) => "rollback".into(),
        LogError::Storage(_) => "storage".into(),
        LogError::StreamNotFound(_) => "stream-not-found".into(),
        LogError::Unattested(_) => "unattested".into(),
        LogError::UnprovableSizes(_) => "unprovable-sizes".into(),
        other => format!("{other:?}"),
    }
}

/// The word that it has in the contract that something proves nothing.
pub fn proof_error_name(error: &ProofError) -> &'static str {
    match error {
        ProofError::BadKey(_) => "bad-key",
        ProofError::Malformed(_) => "malformed",
        ProofError::SignatureInvalid(_) => "signature-invalid",
        ProofError::UnknownKey(_) => "unknown-key",
        ProofError::AnotherLog(_) => "another-log",
        ProofError::AnotherSeqno(_) => "another-seqno",
        ProofError::IndexOutOfRange(_) => "index-out-of-range",
        ProofError::UnprovableSizes(_) => "unprovable-sizes",
        ProofError::TooLong => "too-long",
        ProofError::TooShort => "too-short",
        ProofError::RootMismatch(_) => "root-mismatch",
        ProofError::UnknownSuite(_) => "unknown-suite",
        ProofError::MacKeyMissing => "mac-key-missing",
        ProofError::NoContradiction => "no-contradiction",
        ProofError::QuorumNotMet(_) => "quorum-not-met",
        ProofError::AnotherSubmission => "another-submission",
    }
}
