//! A log that is closed, its archive, the log that continues it, and what is said of a chain of both.

use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, entry, no_place, rules};
use crate::expect::{equal, refused, shown};
use crate::host::archive::ChainVerdict;
use crate::host::writer::{HashSuite, SigningRule, Verdict};
use crate::host::{Instance, LogError};
use crate::session::Session;
use crate::verifier::{ChainVerdict as Said, Verifier};

pub const GROUP: Group = Group {
    name: "archive",
    about: "archive: a log closed for good, its archive, and the logs that continue it",
    steps: &[
        Step { name: "a log that was closed takes nothing more, and its archive is whole", run: closed },
        Step { name: "logs that continue each other are a chain, and a missing one is named", run: chain },
        Step { name: "what is no head of an earlier log is not continued", run: not_continued },
    ],
};

/// Bytes that are handed over at once.
const PIECE: usize = 1000;

fn write(log: &mut Instance) -> Result<()> {
    log.create_stream_with("blake3", &rules(HashSuite::Blake3, SigningRule::None))??;
    log.append_batch(&[entries("plain", ["one", "two"]), entry("blake3", "three")])??;
    log.close_segment("plain")??;
    log.append_batch(&[entry("plain", "four")])??;
    Ok(())
}

/// Each log has a name of its own.
fn elsewhere(session: &Session, name: &str) -> Result<Option<(Instance, String)>> {
    session.elsewhere_with(name, |keys, surroundings| keys.give_to(surroundings.without("SECURE_LOG_ORIGIN")))
}

/// A policy of the key that signs this log.
fn policy(log: &mut Instance) -> Result<String> {
    let key = log.status()??.head_key.context("the log has a key")?;
    Ok(format!("log {key}\nquorum none\n"))
}

fn takes_nothing_more(log: &mut Instance, size: u64) -> Result<()> {
    let appended = log.append_batch(&[entry("plain", "late")])?;
    refused!("append", appended, LogError::LogClosed(at) if at == size)?;
    let another = log.append_batch(&[entry("a new stream", "late")])?;
    refused!("append to a new stream", another, LogError::LogClosed(at) if at == size)?;
    let made = log.create_stream_with("another", &rules(HashSuite::Sha256, SigningRule::None))?;
    refused!("create-stream", made, LogError::LogClosed(at) if at == size)?;
    refused!("deprecate-stream", log.deprecate_stream("plain")?, LogError::LogClosed(at) if at == size)
}

fn closed(session: &mut Session) -> Result<Done> {
    let Some((mut log, config)) = elsewhere(session, "closed")? else { return no_place() };
    log.open(&config)??;
    write(&mut log)?;
    equal("whether it is closed", log.is_closed()??, false)?;
    let (archive, archived) = log.archive()??;
    equal("whether it is closed then", log.is_closed()??, true)?;
    equal("the bytes", archived.bytes, archive.len() as u64)?;
    ensure!(matches!(archived.report.verdict, Verdict::Valid), "{}", archived.report.text);
    let size = archived.report.size;
    takes_nothing_more(&mut log, size)?;
    let (again, same) = log.archive()??;
    ensure!(again == archive && same.digest == archived.digest, "it is the same when it is archived again");
    equal("the digest of what is checked", log.check_archive(&archive, PIECE)??.digest, same.digest)?;
    let cut = log.check_archive(&archive[..archive.len() - 1], PIECE)?;
    refused!("an archive that is cut", cut, LogError::Corrupt(_))?;
    let edited = String::from_utf8(archive.clone())?.replacen("\"text\":\"one\"", "\"text\":\"oneself\"", 1);
    let edited = log.check_archive(edited.as_bytes(), PIECE)?;
    refused!("an archive that is edited", edited, LogError::InvalidRecord(_))?;
    if !session.outlives() {
        return checked(format!("{size} entries in {} bytes; in memory alone", archive.len()));
    }
    let (mut other, config) = elsewhere(session, "closed")?.context("there was a place")?;
    other.open(&config)??;
    takes_nothing_more(&mut other, size)?;
    let report = other.verify_log()??;
    equal("its size", report.size, size)?;
    checked(format!("{size} entries in {} bytes, and nothing more", archive.len()))
}

fn chain(session: &mut Session) -> Result<Done> {
    let Some((mut log, config)) = elsewhere(session, "first")? else { return no_place() };
    log.open(&config)??;
    let policy = policy(&mut log)?;
    write(&mut log)?;
    let (first, archived) = log.archive()??;
    let (mut files, mut note) = (vec![first], archived.note);
    for name in ["second", "third"] {
        let (mut next, config) = elsewhere(session, name)?.context("there was a place")?;
        next.open_continuing(&config, &note)??;
        equal("what it continues", next.continued()??.as_deref(), Some(note.as_str()))?;
        write(&mut next)?;
        let (file, archived) = next.archive()??;
        files.push(file);
        if session.outlives() {
            let (mut again, config) = elsewhere(session, name)?.context("there was a place")?;
            again.open_continuing(&config, &note)??;
            let (mut other, config) = elsewhere(session, name)?.context("there was a place")?;
            let another = other.open_continuing(&config, &archived.note)?;
            refused!("as the one that continues another head", another, LogError::PolicyMismatch(_))?;
        }
        note = archived.note;
    }
    let [first, second, third] = &files[..] else { unreachable!("there are three") };
    let mut verified = |files: &[&[u8]]| -> Result<crate::host::archive::ChainReport> {
        let report = log.verify_archives(&policy, files, PIECE)?;
        let Ok(report) = report else { wasmtime::bail!("the policy: {}", shown(&report)) };
        Ok(report)
    };
    let whole = verified(&[first, second, third])?;
    ensure!(whole.verdict == ChainVerdict::Valid, "{}", whole.text);
    let without = verified(&[first, third])?;
    ensure!(without.verdict == ChainVerdict::Incomplete && without.faults.is_empty(), "{}", without.text);
    let [missing] = &without.missing[..] else { wasmtime::bail!("{}", without.text) };
    let middle = &whole.files[1].report;
    equal(
        "the missing one",
        (&missing.origin, missing.size, &missing.root),
        (&middle.origin, middle.size, &middle.root),
    )?;
    equal("where it is missing", (missing.before, missing.signed), (2, true))?;
    let swapped = verified(&[first, third, second])?;
    ensure!(swapped.verdict == ChainVerdict::Invalid, "{}", swapped.text);
    let codes: Vec<&str> = swapped.faults.iter().map(|fault| fault.code.as_str()).collect();
    equal("what is wrong", codes, vec!["misplaced", "misplaced"])?;
    let Some(component) = session.verifier() else { return checked("three logs, one missing, two swapped") };
    let verifier = Verifier::load(&component)?;
    for (files, own, verdict) in [
        (vec![first, second, third], &whole, Said::Valid),
        (vec![first, third], &without, Said::Incomplete),
        (vec![first, third, second], &swapped, Said::Invalid),
    ] {
        let names = ["file 1", "file 2", "file 3"];
        let named: Vec<(&str, &[u8])> = names.into_iter().zip(files.into_iter().map(Vec::as_slice)).collect();
        let said = verifier.verify_chain(&named, &policy, PIECE)?;
        equal("what the verifier that imports nothing says", (said.verdict, &said.json), (verdict, &own.json))?;
        let continued = said.files.iter().filter(|file| file.report.continues.is_some()).count();
        equal("files that continue another", continued, named.len() - 1)?;
        if let [missing] = &said.missing[..] {
            equal("the missing one, there", (missing.head.size, &missing.head.root), (middle.size, &middle.root))?;
        }
    }
    checked("three logs, one missing, two swapped; the verifier that imports nothing says the same")
}

fn not_continued(session: &mut Session) -> Result<Done> {
    let Some((mut log, config)) = elsewhere(session, "uncontinued")? else { return no_place() };
    let note = log.open_continuing(&config, "no note")?;
    refused!("a note that is none", note, LogError::Invalid(_))?;
    refused!("it is no log", log.open_existing(&config)?, LogError::LogNotFound(_))?;
    log.open(&config)??;
    equal("what a log of its own continues", log.continued()??, None)?;
    let again = log.open_continuing(&config, "no note")?;
    refused!("while a log is open", again, LogError::AlreadyOpen)?;
    checked("no note, no log, and one that is open")
}
