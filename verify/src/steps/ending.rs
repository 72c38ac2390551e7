//! The log is left behind as it was: open it once more, and verify all of it.

use wasmtime::error::Context;
use wasmtime::{Error, Result, ensure};

use super::{Done, Group, Step, checked, is_valid, not_applicable};
use crate::copy::Copy;
use crate::expect::equal;
use crate::host::evidence::Subject;
use crate::merkle::Growing;
use crate::session::Session;
use crate::verifier::{FILE, Report, Verdict, Verifier};

pub const GROUP: Group = Group {
    name: "ending",
    about: "status, verify-log, and the log in a fresh instance, and to somebody who has nothing but its file",
    steps: &[
        Step { name: "a fresh instance finds the log as the old one left it", run: reopen },
        Step { name: "the root of the file's entries is the log's", run: root },
        Step { name: "the whole log verifies", run: verify },
        Step { name: "the verifier that imports nothing says the same of the file", run: verify_the_file },
    ],
};

fn reopen(session: &mut Session) -> Result<Done> {
    let stream = session.stream("entries");
    let config = session.config();
    let log = session.log()?;
    log.sign_head()??;
    let (before, head, streams) = (log.status()??, log.head(&stream)??, log.list_streams()??);
    if !session.outlives() {
        return not_applicable("the config names no log that stays, so a fresh instance may know nothing of the log");
    }
    session.let_go();
    let mut log = session.instance()?;
    log.open(&config)??;
    let after = log.status()??;
    equal("log and origin", (&after.log_id, &after.origin), (&before.log_id, &before.origin))?;
    equal("size and root", (after.size, &after.root), (before.size, &before.root))?;
    equal("the head of a stream", log.head(&stream)??, head)?;
    equal("the streams", log.list_streams()??, streams)?;
    ensure!(after.session_id != before.session_id, "the session is that of the old instance");
    session.keep(log)?;
    checked(format!("{} entries, the same root", after.size))
}

fn root(session: &mut Session) -> Result<Done> {
    let Some(copy) = Copy::of_the_log(session)? else { return super::no_file() };
    let mut tree = Growing::default();
    let entries = copy.lines.of_type("entry")?;
    for at in &entries {
        tree.push(&const_hex::decode(copy.lines.object(*at)?["hash"].as_str().unwrap_or_default())?);
    }
    let status = session.log()?.status()??;
    equal("entries and root of the file", (entries.len() as u64, tree.root()), (status.size, status.root))?;
    checked(format!("{} entries, root {}", entries.len(), const_hex::encode(tree.root())))
}

fn verify(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let status = log.status()??;
    let report = is_valid(log)?;
    equal("origin", &report.origin, &status.origin)?;
    equal("size and root", (report.size, &report.root), (status.size, &status.root))?;
    equal("complete on the word of the log's key", report.complete_to, status.size)?;
    equal("entries and pruned ones", report.entries + report.pruned, status.size)?;
    checked(format!(
        "valid, complete to {}: {} entries, {} segments, {} signatures, {} heads",
        report.complete_to, report.entries, report.segments, report.signatures, report.heads
    ))
}

fn verify_the_file(session: &mut Session) -> Result<Done> {
    let Some(copy) = Copy::of_the_log(session)? else {
        return not_applicable("the log is not a file of JSON lines, which is what it reads");
    };
    let Some(component) = session.verifier() else {
        return not_applicable(format!("there is no {FILE} beside the stack"));
    };
    let log = session.log()?;
    let own = is_valid(log)?;
    // The keys that the log itself proposes: they are those of this harness.
    let bundle = log.evidence(&Subject::Entry(1), None)??;
    let policy = log.verify_evidence(&bundle, "quorum none\n", &[], bundle.len())?.map_err(Error::msg)?.hint;
    let policy = policy.context("a bundle proposes a policy")?;
    let bytes = copy.lines.bytes();
    let verifier = Verifier::load(&component)?;
    let report = verifier.verify(&bytes, &policy, 1 << 16)?;
    // Whoever has no key of the keyed suite cannot re-hash its entries.
    let missing: Vec<&str> = report.missing.iter().map(|what| &*what.code).filter(|code| *code != "mac-key").collect();
    ensure!(!matches!(report.verdict, Verdict::Invalid(_)), "of its own file: {}", report.json);
    equal("what it could not check", missing, Vec::new())?;
    equal("size and root", (report.size, &report.root), (own.size, &own.root))?;
    equal("entries, segments, heads", counts(&report), (own.entries, own.segments, own.heads))?;
    let cut = verifier.verify(&bytes[..bytes.len() / 2], &policy, 1000)?;
    ensure!(cut.size < own.size, "half of the file has all of its entries");
    let edited = String::from_utf8(bytes)?.replacen("\"producer\":\"verify\"", "\"producer\":\"forger\"", 1);
    let forged = verifier.verify(edited.as_bytes(), &policy, 1000)?;
    ensure!(matches!(&forged.verdict, Verdict::Invalid(found) if found.code == "hash-mismatch"), "{}", forged.json);
    checked(format!("{} entries, complete to {}; an edited copy is invalid", report.entries, report.complete_to))
}

fn counts(report: &Report) -> (u64, u64, u64) {
    (report.entries, report.segments, report.heads)
}
