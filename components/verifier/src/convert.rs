//! The library's answers as those of `secure-log:verify`.

use secure_log::archive::{self, ChainVerdict};
use secure_log::bundle::{self, BundleReport};
use secure_log::note::Checkpoint;
use secure_log::verify::{self, KeyRole, PolicyError, Verdict};

use crate::bindings::exports::secure_log::verify::verifier::{
    self, ChainFault, ChainFile, ChainReport, Claim, Finding, KeyUse, LogHead, MissingArchive, MissingCheck,
    OptionsError, Place, Progress, Report, WrongOption,
};

pub(crate) fn progress(progress: verify::Progress) -> Progress {
    Progress { bytes: progress.bytes, lines: progress.lines }
}

pub(crate) fn policy_error(error: &PolicyError) -> OptionsError {
    OptionsError {
        wrong: WrongOption::Policy,
        line: error.line as u32,
        column: error.column as u32,
        message: error.to_string(),
    }
}

pub(crate) fn report_of_file(found: &BundleReport, time: Option<&str>) -> Report {
    Report { claim: found.claim.as_ref().map(claim), hint: found.hint.clone(), ..report(&found.report, time) }
}

fn report(report: &verify::Report, time: Option<&str>) -> Report {
    Report {
        claim: None,
        hint: None,
        verdict: match &report.verdict {
            Verdict::Valid => verifier::Verdict::Valid,
            Verdict::Incomplete => verifier::Verdict::Incomplete,
            Verdict::Invalid(found) => verifier::Verdict::Invalid(finding(found)),
        },
        origin: report.origin.clone(),
        size: report.size,
        root: report.root.0.to_vec(),
        complete_to: report.complete_to,
        attested_by: report.attested_by().map(|key| key.name.clone()).collect(),
        entries: report.entries,
        pruned: report.pruned,
        segments: report.segments,
        heads: report.heads,
        signatures: report.signatures,
        cosignatures: report.cosignatures,
        erased: report.erased,
        erased_payloads: report.erased_payloads,
        unopened: report.unopened,
        keys: report.keys.iter().map(key).collect(),
        missing: report.missing.iter().map(missing).collect(),
        missing_unlisted: report.missing_unlisted,
        unknown_signers: report.unknown_signers.clone(),
        continues: report.continues.as_ref().map(head),
        json: report.to_json(time),
        text: report.to_text(time),
    }
}

/// There are at most 4096 files.
pub(crate) fn chain_report(found: &archive::ChainReport, time: Option<&str>) -> ChainReport {
    let fault = |fault: &archive::Fault| ChainFault {
        code: fault.code.as_str().into(),
        file: fault.part as u32,
        detail: fault.detail.clone(),
    };
    let missing = |missing: &archive::MissingArchive| MissingArchive {
        head: head(&missing.head),
        before: missing.before as u32,
        signed: missing.signed,
    };
    let file = |part: &archive::PartReport| ChainFile { name: part.name.clone(), report: report(&part.report, None) };
    ChainReport {
        verdict: match found.verdict {
            ChainVerdict::Valid => verifier::ChainVerdict::Valid,
            ChainVerdict::Incomplete => verifier::ChainVerdict::Incomplete,
            ChainVerdict::Invalid => verifier::ChainVerdict::Invalid,
        },
        faults: found.faults.iter().map(fault).collect(),
        missing: found.missing.iter().map(missing).collect(),
        files: found.parts.iter().map(file).collect(),
        json: found.to_json(time),
        text: found.to_text(time),
    }
}

fn head(head: &Checkpoint) -> LogHead {
    LogHead { origin: head.origin.clone(), size: head.size, root: head.root.0.to_vec() }
}

fn claim(claim: &bundle::Claim) -> Claim {
    let (first, last) = claim.range();
    Claim { first, last, stream_id: claim.stream().map(Into::into) }
}

fn finding(finding: &verify::Finding) -> Finding {
    Finding {
        code: finding.code.as_str().into(),
        at: place(&finding.at),
        stream_id: finding.stream.clone(),
        detail: finding.detail.clone(),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
    }
}

fn missing(missing: &verify::Missing) -> MissingCheck {
    MissingCheck {
        code: missing.code.as_str().into(),
        at: missing.at.as_ref().map(place),
        detail: missing.detail.clone(),
    }
}

fn place(place: &verify::Place) -> Place {
    match place {
        verify::Place::Line(line) => Place::Line(*line),
        verify::Place::Origin => Place::Origin,
        verify::Place::Seqno(seqno) => Place::Seqno(*seqno),
        verify::Place::Entry(seqno) => Place::Entry(*seqno),
        verify::Place::Segment(id) => Place::Segment(*id),
        verify::Place::Head(size) => Place::Head(*size),
        verify::Place::Stream(name) => Place::StreamId(name.clone()),
        verify::Place::Entries(first, last) => Place::Entries((*first, *last)),
        // Whatever place a later version of the library knows is one in the log as a whole.
        _ => Place::Origin,
    }
}

fn key(key: &verify::KeyUse) -> KeyUse {
    KeyUse {
        role: match key.role {
            KeyRole::Log => verifier::KeyRole::Log,
            KeyRole::Witness => verifier::KeyRole::Witness,
            KeyRole::Signer => verifier::KeyRole::Signer,
        },
        name: key.name.clone(),
        algorithm: key.algorithm.as_str().into(),
        fingerprint: key.fingerprint.0.to_vec(),
        signatures: key.signatures,
        last: key.last,
    }
}
