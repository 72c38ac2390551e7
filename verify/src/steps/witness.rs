//! What witnesses answer: acknowledgements, rows, collecting them, and proofs under heads that a quorum cosigned.

use std::fs;
use std::path::PathBuf;

use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, entry, is_valid, not_applicable};
use crate::expect::{equal, holds, refused};
use crate::host::encoder::Severity;
use crate::host::tree::ProofError;
use crate::host::writer::{Verdict, WitnessRow};
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "witness",
    about: "a stack whose heads witnesses cosign: acknowledgements, rows, collecting, proofs, rollback, fork",
    steps: &[
        Step { name: "an acknowledgement is anchored when the quorum cosigned", run: acknowledgements },
        Step { name: "each cosignature is a row, newest first", run: rows },
        Step { name: "rows of long ago are dropped when they are collected, and nothing else", run: collect },
        Step { name: "a proof counts under a head that the quorum of a policy cosigned", run: proofs },
        Step { name: "a store behind its witness, or beside it, is refused", run: rollback_and_fork },
    ],
};

/// The newest rows are never dropped.
const NEWEST: usize = 256;
/// Whatever is signed or cosigned, this witness has not seen it.
const STRANGER: &str = "stranger.example/w+318b66b4+BMCGXZBvfcH7yUeewOFx/RICCbU7YNk772WjOPOkK8va";

fn acknowledgements(session: &mut Session) -> Result<Done> {
    if session.witness().is_none() {
        return no_witness();
    }
    let stream = session.stream("witnessed");
    let log = session.log()?;
    let stored = log.append_batch(&[entry(&stream, "1")])??.commit;
    holds("it is signed and anchored", stored.signed && stored.anchored)?;
    let status = log.status()??;
    equal("what the status says of it", (status.anchored, status.anchored_to), (true, Some(stored.size)))?;
    let report = is_valid(log)?;
    holds("the heads have cosignatures, which were checked", report.cosignatures > 0)?;
    checked(format!("{} cosignatures under {} heads", report.cosignatures, report.heads))
}

fn rows(session: &mut Session) -> Result<Done> {
    if session.witness().is_none() {
        return no_witness();
    }
    let stream = session.stream("witnessed");
    let log = session.log()?;
    let size = log.append_batch(&[entry(&stream, "2")])??.commit.size;
    let newest = log.witness_rows(None, 1)??.pop().context("the head that was published has a row")?;
    equal("the newest row", (newest.size, newest.outcome.as_str()), (size, "cosigned"))?;
    holds("its detail is the line", newest.detail.starts_with(&newest.name))?;
    let note = log.signed_head()??;
    holds("the head has the line too", note.contains(&newest.detail))?;
    let (all, pages) = (all_rows(log, 1000)?, all_rows(log, 3)?);
    equal("rows in small pages", pages.len(), all.len())?;
    holds("their numbers fall", all.is_sorted_by(|newer, older| newer.number > older.number))?;
    checked(format!("{} rows", all.len()))
}

fn collect(session: &mut Session) -> Result<Done> {
    if session.witness().is_none() {
        return no_witness();
    }
    let stream = session.stream("witnessed");
    let log = session.log()?;
    while all_rows(log, 1000)?.len() < NEWEST + 20 {
        log.append_batch(&[entries(&stream, vec!["x"; 3])])??;
    }
    let before = (log.status()??, all_rows(log, 1000)?);
    let oldest = before.1.last().context("there are rows")?.size;
    let nothing = log.collect_witness_rows(oldest)??;
    equal("rows below the oldest", (nothing.rows, nothing.sizes, nothing.more), (0, None, false))?;
    let went = log.collect_witness_rows(u64::MAX)??;
    equal("rows that are left", all_rows(log, 1000)?, before.1[..NEWEST].to_vec())?;
    equal("rows that went", went.rows as usize, before.1.len() - NEWEST)?;
    let gone = before.1[NEWEST..].iter().map(|row| row.size);
    equal("sizes", went.sizes, gone.clone().min().zip(gone.max()))?;
    holds("the log is what it was", log.status()?? == before.0)?;
    is_valid(log)?;
    holds("it goes on", log.append_batch(&[entry(&stream, "goes on")])??.commit.anchored)?;
    checked(format!("{} rows about heads of sizes {:?} went", went.rows, went.sizes))
}

fn proofs(session: &mut Session) -> Result<Done> {
    if session.witness().is_none() {
        return no_witness();
    }
    let policy = policy()? + "\n";
    let log = session.log()?;
    let key = log.status()??.head_key.context("the log has a key")?;
    let (note, proof) = (log.signed_head()??, log.prove_entry(1, None)??);
    let trusted = [key.clone(), policy];
    equal("the entry", log.verify_entry(&proof, &trusted)??.entry.seqno, 1)?;
    log.verify_head(&note, &trusted)??;
    let others = [key.clone(), format!("witness w {STRANGER}\nquorum w\n")];
    refused!("under a quorum that has not seen it", log.verify_entry(&proof, &others)?, ProofError::QuorumNotMet(_))?;
    refused!("a head", log.verify_head(&note, &others)?, ProofError::QuorumNotMet(_))?;
    let none = [key, format!("witness w {STRANGER}\nquorum nobody\n")];
    refused!("a policy that is none", log.verify_entry(&proof, &none)?, ProofError::BadKey(_))?;
    checked("a key and a policy, whose quorum is asked for")
}

/// The log that the witness is told of besides the one under test.
const OTHER_ORIGIN: &str = "SECURE_LOG_VERIFY_WITNESSED_ORIGIN";

fn rollback_and_fork(session: &mut Session) -> Result<Done> {
    let Some(witness) = session.witness() else { return no_witness() };
    let Ok(origin) = std::env::var(OTHER_ORIGIN) else {
        return not_applicable(format!("the witness knows no second log, which {OTHER_ORIGIN} would name"));
    };
    let Some(identity) = session.keys.second_identity.clone() else {
        return not_applicable("the configured keystore has no key 'segment-signer'");
    };
    let policy = policy()?;
    let open = |session: &Session, name: &str, witnessed: bool| {
        let place = session.elsewhere_with(name, |keys, surroundings| {
            let surroundings = keys
                .give_to(surroundings)
                .variable("SECURE_LOG_ORIGIN", &origin)
                .variable("SECURE_LOG_HEAD_IDENTITY", &identity);
            match witnessed {
                true => surroundings.variable("SECURE_LOG_ANCHOR", &witness).variable("SECURE_LOG_TRUST", &policy),
                false => surroundings,
            }
        })?;
        place.context("a stack under a witness has files")
    };
    let (mut log, config) = open(session, "seen", true)?;
    log.open(&config)??;
    append(&mut log, 2)?;
    drop(log);
    let early = copy(session, "seen")?;
    let (mut log, config) = open(session, "seen", true)?;
    log.open(&config)??;
    append(&mut log, 2)?;
    let size = log.status()??.size;
    drop(log);
    session.clear_elsewhere("seen")?;
    early.iter().try_for_each(|(file, bytes)| fs::write(file, bytes))?;
    let (mut log, config) = open(session, "seen", true)?;
    refused!("a store that was put back", log.open(&config)?, LogError::Rollback(_))?;
    refused!("append", append_one(&mut log)?, LogError::NotOpen)?;
    // Continued without the witness, by who holds the key.
    let (mut log, config) = open(session, "seen", false)?;
    log.open(&config)??;
    append(&mut log, 3)?;
    holds("it is larger than what the witness has seen", log.status()??.size > size)?;
    holds("nothing is wrong with it", matches!(log.verify_log()??.verdict, Verdict::Valid | Verdict::Incomplete))?;
    drop(log);
    let (mut log, config) = open(session, "seen", true)?;
    refused!("another history", log.open(&config)?, LogError::Fork(_))?;
    checked("put back is rollback, continued without the witness is fork")
}

/// What the log is told of its witnesses.
fn policy() -> Result<String> {
    std::env::var("SECURE_LOG_TRUST").context("SECURE_LOG_TRUST has the witness's key")
}

/// The files of a log, with what the store put beside it.
fn copy(session: &Session, name: &str) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let files = session.beside(name)?.into_iter().chain([session.elsewhere_file(name)]).filter(|path| path.is_file());
    files.map(|file| Ok((file.clone(), fs::read(file)?))).collect()
}

fn all_rows(log: &mut Instance, page: u32) -> Result<Vec<WitnessRow>> {
    let mut rows: Vec<WitnessRow> = Vec::new();
    loop {
        let page = log.witness_rows(rows.last().map(|row| row.number), page)??;
        if page.is_empty() {
            return Ok(rows);
        }
        ensure!(page.len() <= 1000, "a page has {} rows", page.len());
        rows.extend(page);
    }
}

fn append(log: &mut Instance, count: u64) -> Result<()> {
    (0..count).try_for_each(|_| append_one(log)?.map_err(Into::into))
}

fn append_one(log: &mut Instance) -> Result<Result<(), LogError>> {
    Ok(log.append("a", "e", Severity::Info, "verify", b"x")?.map(drop))
}

fn no_witness() -> Result<Done> {
    not_applicable("no witness cosigns the heads of this stack")
}
