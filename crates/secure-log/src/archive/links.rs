//! Whether the files of a chain continue each other, and what is missing between them.

use core::fmt;

use crate::hash::Hash;
use crate::note::{Checkpoint, check_signatures};
use crate::verify::{Passed, Quoted, Report, Verdict};

/// What a verification of a chain says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// The answer.
    pub verdict: ChainVerdict,
    /// The files, in the order in which they were given.
    pub parts: Vec<PartReport>,
    /// What is wrong between them.
    pub faults: Vec<Fault>,
    /// The archives that are not there.
    pub missing: Vec<MissingArchive>,
}

/// The three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainVerdict {
    /// Each file is valid, each but the first continues the one before it, and the first continues none.
    Valid,
    /// Nothing is wrong with what was checked, and an archive is missing or something in a file could not be checked.
    Incomplete,
    /// A file is invalid, or they are no chain in this order.
    Invalid,
}

impl ChainVerdict {
    /// `valid`, `incomplete` or `invalid`.
    pub fn as_str(self) -> &'static str {
        match self {
            ChainVerdict::Valid => "valid",
            ChainVerdict::Incomplete => "incomplete",
            ChainVerdict::Invalid => "invalid",
        }
    }
}

/// One file of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartReport {
    /// What the caller calls it.
    pub name: String,
    /// What its verification says.
    pub report: Report,
}

impl PartReport {
    fn is_invalid(&self) -> bool {
        matches!(self.report.verdict, Verdict::Invalid(_))
    }
}

/// Why files are no chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub code: FaultCode,
    /// With which file, from 1.
    pub part: usize,
    /// What is wrong, in words.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in file {}: {}", self.code.as_str(), self.part, self.detail)
    }
}

/// What can be wrong between files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultCode {
    /// It continues no log, and is not the first.
    Unlinked,
    /// The log was there before.
    Repeated,
    /// It continues a log that is there, and does not stand before it.
    Misplaced,
    /// Another file continues the same log, or is another log of the same name.
    Forked,
    /// It ends before the head that the next one continues.
    Truncated,
    /// It goes on after the head that the next one continues.
    WentOn,
    /// It has another root than the head that the next one continues.
    OtherHead,
    /// The head that it continues has a signature that is not by the key that it names.
    SignatureInvalid,
}

impl FaultCode {
    /// The code's name.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultCode::Unlinked => "unlinked",
            FaultCode::Repeated => "repeated",
            FaultCode::Misplaced => "misplaced",
            FaultCode::Forked => "forked",
            FaultCode::Truncated => "truncated",
            FaultCode::WentOn => "went-on",
            FaultCode::OtherHead => "other-head",
            FaultCode::SignatureInvalid => "signature-invalid",
        }
    }
}

/// An archive that is not there: the log that one of the files continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingArchive {
    /// Its last head.
    pub head: Checkpoint,
    /// It belongs before the file with this number, from 1, and behind the one before that.
    pub before: usize,
    /// A key that counts for the log before it, or in the policy, signed that head.
    pub signed: bool,
}

impl fmt::Display for MissingArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { origin, size, root } = &self.head;
        match self.before {
            1 => write!(f, "before file 1")?,
            before => write!(f, "between files {} and {before}", before - 1)?,
        }
        write!(f, ": the log {} of {size} entries, with the root {root}", Quoted(origin))?;
        if self.signed { Ok(()) } else { f.write_str(", whose head is signed by no key that is known here") }
    }
}

/// Judges files that were verified one by one.
pub(super) fn judge(parts: Vec<PartReport>, passed: &[Passed]) -> ChainReport {
    let mut links = Links { parts: &parts, passed, faults: Vec::new(), missing: Vec::new() };
    (0..parts.len()).for_each(|at| links.judge_part(at));
    let Links { faults, missing, .. } = links;
    let is_complete = |part: &PartReport| part.report.verdict == Verdict::Valid;
    let verdict = if !faults.is_empty() || parts.iter().any(PartReport::is_invalid) {
        ChainVerdict::Invalid
    } else if parts.is_empty() || !missing.is_empty() || !parts.iter().all(is_complete) {
        ChainVerdict::Incomplete
    } else {
        ChainVerdict::Valid
    };
    ChainReport { verdict, parts, faults, missing }
}

struct Links<'c> {
    parts: &'c [PartReport],
    passed: &'c [Passed],
    faults: Vec<Fault>,
    missing: Vec<MissingArchive>,
}

impl Links<'_> {
    fn fault(&mut self, code: FaultCode, at: usize, detail: String) {
        self.faults.push(Fault { code, part: at + 1, detail });
    }

    fn origin(&self, at: usize) -> &str {
        &self.parts[at].report.origin
    }

    /// Where else this log is, the earliest first.
    fn find(&self, origin: &str) -> Option<usize> {
        self.parts.iter().position(|part| part.report.origin == origin)
    }

    fn judge_part(&mut self, at: usize) {
        // What an invalid file says of others is worth nothing, and what it is called may be nothing.
        if self.parts[at].is_invalid() {
            return;
        }
        if let Some(first) = self.find(self.origin(at)).filter(|first| *first < at) {
            let same = self.passed[first].id == self.passed[at].id;
            let (code, detail) = match same {
                true => (FaultCode::Repeated, format!("the log of file {} again", first + 1)),
                false => (FaultCode::Forked, format!("another log of the name that file {} has", first + 1)),
            };
            return self.fault(code, at, detail);
        }
        let Some(head) = self.parts[at].report.continues.clone() else {
            if at > 0 {
                self.fault(FaultCode::Unlinked, at, "it continues no log: it is the first of a chain".into());
            }
            return;
        };
        let rival = |other: &PartReport| {
            !other.is_invalid() && other.report.continues.as_ref().is_some_and(|c| c.origin == head.origin)
        };
        if let Some(rival) = self.parts[..at].iter().position(rival) {
            let detail = format!("file {} continues the log {}, too", rival + 1, Quoted(&head.origin));
            return self.fault(FaultCode::Forked, at, detail);
        }
        if let Some(before) = at.checked_sub(1).filter(|before| self.origin(*before) == head.origin) {
            return self.judge_link(before, at, &head);
        }
        match self.find(&head.origin) {
            Some(elsewhere) => {
                let detail = format!("it continues the log of file {}, which does not stand before it", elsewhere + 1);
                self.fault(FaultCode::Misplaced, at, detail);
            }
            None => {
                let signed = self.is_signed(at.checked_sub(1).unwrap_or(at), at);
                self.missing.push(MissingArchive { head, before: at + 1, signed });
            }
        }
    }

    /// Compares the end of a file with the head that the next one continues.
    fn judge_link(&mut self, before: usize, at: usize, head: &Checkpoint) {
        if self.parts[before].is_invalid() {
            return;
        }
        let (size, root): (u64, Hash) = (self.parts[before].report.size, self.parts[before].report.root);
        let next = at + 1;
        if size < head.size {
            let detail = format!("it ends at {size} entries, and file {next} continues it at {}", head.size);
            self.fault(FaultCode::Truncated, before, detail);
        } else if size > head.size {
            let detail = format!("it has {size} entries, and file {next} continues it at {}", head.size);
            self.fault(FaultCode::WentOn, before, detail);
        } else if root != head.root {
            let detail = format!("its root is {root}, and file {next} continues it with the root {}", head.root);
            self.fault(FaultCode::OtherHead, before, detail);
        }
        self.is_signed(before, at);
    }

    /// Whether a key that counts after the file `before` signed the head that the file `at` continues. A wrong signature that
    /// names such a key is a fault.
    fn is_signed(&mut self, before: usize, at: usize) -> bool {
        let Some(note) = &self.passed[at].continued else { return false };
        let Ok(head) = note.checkpoint() else { return false };
        let Passed { trust, origin, .. } = &self.passed[before];
        // Behind a gap, the keys are those of the log before it under another name.
        let counts = trust.log_keys().iter().filter(|key| key.name() == origin).map(|key| key.renamed(&head.origin));
        let named = trust.log_keys().iter().filter(|key| key.name() == head.origin).cloned();
        let keys: Vec<_> = counts.chain(named).collect();
        match check_signatures(&note.text, &note.sigs, &keys) {
            Ok(signers) => !signers.is_empty(),
            Err(error) => {
                self.fault(FaultCode::SignatureInvalid, at, format!("the head that it continues: {error}"));
                false
            }
        }
    }
}
