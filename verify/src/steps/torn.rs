//! What a crash or an old disk leaves behind, and what an operator decides about entries that nobody attests.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, is_valid, no_file, not_applicable};
use crate::copy::{self, Copy, examine, lay};
use crate::expect::{equal, holds, refused, shown};
use crate::host::encoder::Severity;
use crate::host::writer::{UnattestedChoice, Verdict};
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "recovery",
    about: "torn commits, a wrong index, entries that no key attests; again on copies",
    steps: &[
        Step { name: "a torn commit is set aside, kept and reported", run: torn },
        Step { name: "an index that is garbage, or another log's, is built anew", run: index },
        Step { name: "unattested entries are set aside when the operator says so", run: set_aside },
        Step { name: "unattested entries are adopted when the operator says so", run: adopt },
        Step { name: "a log that lost every signature is never again one that was signed", run: every_signature_lost },
    ],
};

/// What is put in the place of an index file, made of that of another log.
type Forgery = fn(&[u8]) -> Vec<u8>;

/// The log of an earlier step that is large enough for a store to write its index.
const OTHER: &str = "payloads";

fn torn(session: &mut Session) -> Result<Done> {
    let Some(copy) = Copy::of_the_log(session)? else { return no_file() };
    let whole = copy.lines.bytes();
    let entry = serde_json::to_vec(&copy.lines.object(copy.entry()?)?)?;
    let tails = [&entry[..entry.len() / 2], &b"{"[..], &[&entry[..], b"\n"].concat(), &[0; 512]];
    for tail in tails {
        let bytes = [&whole[..], tail].concat();
        let said = examine(session, &bytes)?;
        equal("the verdict on a log with a torn commit", said.code.as_str(), "incomplete")?;
        let mut log = open(session, &bytes)?;
        equal("torn bytes", log.status()??.torn_bytes, tail.len() as u64)?;
        log.append("after-a-crash", "e", Severity::Info, "verify", b"")??;
        let kept = log.status()??.torn_kept_as.context("status says where the torn commit is kept")?;
        let kept = session.elsewhere_file(copy::NAME).with_file_name(kept.rsplit('/').next().unwrap_or_default());
        ensure!(fs::read(&kept)? == tail, "{} does not hold the torn commit", kept.display());
        let (mut log, config) = session.elsewhere(copy::NAME)?.context("a file store has a place for a copy")?;
        log.open(&config)??;
        is_valid(&mut log)?;
    }
    checked(format!("{} tails, each kept byte by byte; the log goes on and is valid", tails.len()))
}

fn index(session: &mut Session) -> Result<Done> {
    let Some(copy) = Copy::of_the_log(session)? else { return no_file() };
    let is_index = |path: &PathBuf| path.extension().is_some_and(|end| end == "idx");
    let Some(index) = session.beside(OTHER)?.into_iter().find(is_index) else {
        return not_applicable(format!("the store put no index beside the log '{OTHER}', large as it is"));
    };
    let files = fs::read_dir(&index)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    let beside_copy = PathBuf::from(format!("{}.idx", session.elsewhere_file(copy::NAME).display()));
    let forgeries: [Forgery; 4] =
        [|_| Vec::new(), |_| b"garbage".to_vec(), |other| vec![0xff; other.len()], <[u8]>::to_vec];
    for forgery in forgeries {
        let (mut log, config) = lay(session, &copy.lines.bytes())?;
        fs::create_dir(&beside_copy)?;
        for file in &files {
            let forged = beside_copy.join(file.file_name().context("a file in a folder has a name")?);
            fs::write(forged, forgery(&fs::read(file)?))?;
        }
        log.open(&config)??;
        is_valid(&mut log)?;
        let appended = log.append("indexed", "e", Severity::Info, "verify", b"goes on")??;
        equal("the entry", log.read(appended.seqno)??.payload.as_slice(), b"goes on")?;
        is_valid(&mut log)?;
    }
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    checked(format!("{}: emptied, garbage, all bits set, and those of another log", shown(&names)))
}

fn set_aside(session: &mut Session) -> Result<Done> {
    let Some((bytes, size)) = unattested(session)? else { return no_file() };
    let mut log = recover(session, &bytes, UnattestedChoice::SetAside)?;
    let status = log.status()??;
    holds("the log is shorter", status.size < size)?;
    let kept = status.set_aside_as.context("status says where they are kept")?;
    is_valid(&mut log)?;
    log.append("set-aside", "e", Severity::Info, "verify", b"goes on")??;
    is_valid(&mut log)?;
    checked(format!("{} of {size} entries are left, the others are in {kept}", status.size))
}

fn adopt(session: &mut Session) -> Result<Done> {
    let Some((bytes, size)) = unattested(session)? else { return no_file() };
    let mut log = recover(session, &bytes, UnattestedChoice::Adopt)?;
    let recovered = log.read(size + 1)??;
    equal("the first entry after them", recovered.event_type.as_str(), "secure-log.recovered")?;
    equal("its stream", recovered.stream_id.as_str(), "secure-log")?;
    let said = String::from_utf8_lossy(&recovered.payload).into_owned();
    holds("it says up to which entry", said.ends_with(&format!(" {size}")))?;
    let report = log.verify_log()??;
    let named = said.replace(' ', " to ");
    holds("the verdict names them", super::missing(&report).iter().any(|what| what.contains(&named)))?;
    checked(format!("entries {said} are adopted on record: {}", super::missing(&report).join("; ")))
}

/// Without an anchor nobody can tell a log that lost every signature from one that was made without a key.
fn every_signature_lost(session: &mut Session) -> Result<Done> {
    let Some(mut copy) = Copy::of_the_log(session)? else { return no_file() };
    for head in copy.lines.of_type("head")? {
        let mut unsigned = copy.lines.object(head)?;
        unsigned["sigs"] = json!([]);
        copy.lines.replace(head, &unsigned);
    }
    let size = copy.lines.object(copy.last_head()?)?["size"].as_u64().context("a head has a size")?;
    let mut log = open(session, &copy.lines.bytes())?;
    let recovered = log.read(size + 1)??;
    equal("the first entry after them", recovered.event_type.as_str(), "secure-log.recovered")?;
    equal("what it says", recovered.payload, format!("1 {size}").into_bytes())?;
    let report = log.verify_log()??;
    holds("the verdict is not valid", !matches!(report.verdict, Verdict::Valid))?;
    checked(format!(
        "it is continued only as a log whose first {size} entries nobody attests: {}",
        super::missing(&report).join("; ")
    ))
}

/// The log whose last two heads have lost their signatures, and its size.
fn unattested(session: &Session) -> Result<Option<(Vec<u8>, u64)>> {
    let Some(mut copy) = Copy::of_the_log(session)? else { return Ok(None) };
    let size = copy.lines.object(copy.last_head()?)?["size"].as_u64().context("a head has a size")?;
    let heads = copy.lines.of_type("head")?;
    for head in &heads[heads.len() - 2..] {
        copy.lines.edit(*head, |line| line["sigs"] = json!([]))?;
    }
    Ok(Some((copy.lines.bytes(), size)))
}

fn recover(session: &Session, bytes: &[u8], choice: UnattestedChoice) -> Result<Instance> {
    let (mut log, config) = lay(session, bytes)?;
    refused!("open", log.open(&config)?, LogError::Unattested(_))?;
    log.recover(&config, choice)??;
    Ok(log)
}

fn open(session: &Session, bytes: &[u8]) -> Result<Instance> {
    let (mut log, config) = lay(session, bytes)?;
    log.open(&config)??;
    Ok(log)
}
