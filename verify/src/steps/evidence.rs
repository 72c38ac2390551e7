//! Bundles that prove a part of the log to somebody who has its key and nothing else.

use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries};
use crate::expect::{equal, refused, shown};
use crate::host::evidence::{BundleReport, Claim, StreamClaim, StreamPart, Subject, WrongArgument};
use crate::host::types::SeqnoRange;
use crate::host::writer::Verdict;
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "evidence",
    about: "prove, verify: an entry, a range and a stream as bundles",
    steps: &[
        Step { name: "a bundle is checked by an instance that has no log", run: bundles },
        Step { name: "a bundle that was tampered with does not verify", run: tampered },
        Step { name: "what is not there, not covered or no key is refused", run: not_there },
    ],
};

/// The entries that these steps are about, in a stream of their own.
struct Appended {
    stream: String,
    first: u64,
    last: u64,
}

const ENTRIES: u64 = 5;

fn append(session: &mut Session) -> Result<Appended> {
    let stream = session.stream("evidence");
    let payloads = (1..=ENTRIES).map(|n| format!("said {n}"));
    let appended = session.log()?.append_batch(&[entries(&stream, payloads)])??.entries;
    let (first, last) = (appended[0].seqno, appended[appended.len() - 1].seqno);
    Ok(Appended { stream, first, last })
}

/// Trusts the key that signs heads.
fn policy(log: &mut Instance) -> Result<String> {
    Ok(format!("log {}\nquorum none\n", log.status()??.head_key.context("the log has a key")?))
}

fn bundles(session: &mut Session) -> Result<Done> {
    let Appended { stream, first, last } = append(session)?;
    let mut stranger = session.instance()?;
    let log = session.log()?;
    let policy = policy(log)?;
    let start = log.read_page(Some(&stream), 1, u64::MAX, 1)??[0].seqno;
    let cases = [
        (Subject::Entry(last), Claim::Entry(last)),
        (Subject::Range(SeqnoRange { first, last }), Claim::Range(SeqnoRange { first, last })),
        (
            Subject::Stream(StreamPart { name: stream.clone(), last: None }),
            Claim::Stream(StreamClaim { name: stream, first: start, last }),
        ),
    ];
    let mut sizes = Vec::new();
    for (what, claim) in cases {
        let bundle = log.evidence(&what, None)??;
        for piece in [1, 100, bundle.len()] {
            let found = stranger.verify_evidence(&bundle, &policy, &[], piece)?.map_err(wasmtime::Error::msg)?;
            ensure!(matches!(found.report.verdict, Verdict::Valid), "{what:?}: {}", shown(&found));
            equal("the claim", found.claim, Some(claim.clone()))?;
            ensure!(found.hint.is_some_and(|hint| hint.contains(policy.lines().next().unwrap_or("?"))), "the hint");
        }
        let unknown = stranger.verify_evidence(&bundle, "quorum none\n", &[], 1000)?.map_err(wasmtime::Error::msg)?;
        ensure!(matches!(unknown.report.verdict, Verdict::Incomplete), "to who trusts nobody: {}", shown(&unknown));
        sizes.push(bundle.len().to_string());
    }
    checked(format!("an entry, a range and a stream in {} bytes, in pieces of any size", sizes.join(", ")))
}

fn tampered(session: &mut Session) -> Result<Done> {
    let Appended { first, last, .. } = append(session)?;
    let log = session.log()?;
    let policy = policy(log)?;
    let bundle = log.evidence(&Subject::Range(SeqnoRange { first, last }), None)??;
    let text = String::from_utf8(bundle)?;
    let lines: Vec<&str> = text.lines().collect();
    let without = |skip: usize| -> String {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != skip);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let entry = |n: u64| {
        let said = format!("\"text\":\"said {n}\"");
        lines.iter().position(|line| line.contains(&said)).context("the entry is in the bundle")
    };
    let claim = format!("\"first\":{first},\"last\":{last}");
    let edits = [
        ("hash-mismatch", text.replacen("said 2", "said 9", 1)),
        ("gap", without(entry(3)?)),
        ("truncated", without(entry(ENTRIES)?)),
        ("truncated", without(lines.len() - 1)),
        ("gap", text.replacen(&claim, &format!("\"first\":{first},\"last\":{}", last - 1), 1)),
        ("malformed", text.replacen("\"kind\":\"range\"", "\"kind\":\"all\"", 1)),
    ];
    for (code, edited) in &edits {
        ensure!(*edited != text, "the edit for {code} changes something");
        let found = log.verify_evidence(edited.as_bytes(), &policy, &[], 1000)?.map_err(wasmtime::Error::msg)?;
        equal("the finding", code_of(&found), Some(*code))?;
    }
    checked(format!("{} edits, each found for its own reason", edits.len()))
}

fn code_of(found: &BundleReport) -> Option<&str> {
    match &found.report.verdict {
        Verdict::Invalid(finding) => Some(&finding.code),
        Verdict::Valid | Verdict::Incomplete => None,
    }
}

fn not_there(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let size = log.status()??.size;
    for unknown in [0, size + 1, u64::MAX] {
        let answer = log.evidence(&Subject::Entry(unknown), None)?;
        refused!("no such entry", answer, LogError::EntryNotFound(found) if found == unknown)?;
    }
    let answer = log.evidence(&Subject::Range(SeqnoRange { first: size, last: size - 1 }), None)?;
    refused!("backwards", answer, LogError::Invalid(_))?;
    let answer = log.evidence(&Subject::Entry(size), Some(1))?;
    refused!("under a head that is too small", answer, LogError::NotCovered(_) | LogError::HeadNotFound(_))?;
    let nobody = Subject::Stream(StreamPart { name: session.stream("nobody"), last: None });
    let log = session.log()?;
    refused!("no such stream", log.evidence(&nobody, None)?, LogError::StreamNotFound(_))?;
    let no_policy = log.verify_evidence(b"", "log nonsense\n", &[], 1)?;
    refused!("a policy that is none", no_policy, why if (why.wrong, why.line, why.column) == (WrongArgument::Policy, 1, 5))?;
    let short = log.verify_evidence(b"", "quorum none\n", &[vec![0; 32], vec![0; 31]], 1)?;
    refused!("a key that is none", short, why if why.wrong == WrongArgument::MacKey && why.message.contains("key 2"))?;
    checked("no such entry, stream, order, head, policy or key")
}
