//! A place outside the store that remembers the last head: what it refuses, and how an operator begins anew.

use std::fs;

use wasmtime::Result;
use wasmtime::error::Context;

use super::{Done, Group, Step, checked, entry, not_applicable};
use crate::expect::{equal, holds, refused};
use crate::host::encoder::Severity;
use crate::host::writer::{UnattestedChoice, Verdict};
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "anchor",
    about: "the file anchor: acknowledgements, rollback, fork, a lost anchor, a restored backup",
    steps: &[
        Step { name: "an acknowledgement says whether it is anchored", run: acknowledgements },
        Step { name: "a store behind the anchor, or beside it, is refused", run: rollback_and_fork },
        Step { name: "a lost anchor is missed, and a backup is restored on record", run: restore },
        Step { name: "heads are published as often as is said", run: how_often },
    ],
};

const ORIGIN: &str = "anchored.example";
/// The log that the anchor knows.
const KNOWN: &str = "anchored";
/// What the store shows in its place.
const BACKUP: &str = "backup";

fn acknowledgements(session: &mut Session) -> Result<Done> {
    let Some(mut log) = begin(session, "acknowledged", &[])? else { return nowhere() };
    if !log.status()??.anchor {
        return not_applicable("this stack is composed with no anchor to configure");
    }
    let stored = log.append_batch(&[entry("a", "1")])??;
    holds("it is signed and anchored", stored.commit.signed && stored.commit.anchored)?;
    let status = log.status()??;
    equal("what the status says of it", (status.anchored, status.anchored_to), (true, Some(1)))?;
    let heads = fs::read_to_string(session.scratch("acknowledged").join("heads"))?;
    holds("the anchor's file has the head", heads.contains(&format!("{ORIGIN}\n1\n")))?;
    // A folder that is not there is an anchor that does not answer, and no log is made.
    let place = session.elsewhere_with("nowhere", |keys, surroundings| {
        keys.give_to(surroundings).variable("SECURE_LOG_ANCHOR", "/not-mounted/heads")
    })?;
    let (mut log, config) = place.context("there is a place, as above")?;
    refused!("open", log.open(&config)?, LogError::Anchor(_))?;
    refused!("open-existing", log.open_existing(&config)?, LogError::Anchor(_))?;
    checked("signed and anchored; without its folder the log does not open")
}

fn rollback_and_fork(session: &mut Session) -> Result<Done> {
    let Some(mut log) = begin(session, KNOWN, &[])? else { return nowhere() };
    if !log.status()??.anchor {
        return not_applicable("this stack is composed with no anchor to configure");
    }
    append(&mut log, 3)?;
    drop(log);
    // Another log of this name and key stands for whatever a store may show instead; first there is none.
    for (entries, is_fork) in [(0, false), (1, false), (4, true)] {
        if entries > 0 {
            let (mut alone, config) = alone(session)?;
            alone.open(&config)??;
            append(&mut alone, entries)?;
        }
        let (mut shown, config) = under_anchor(session, BACKUP, KNOWN, &[])?.context("there is a place, as above")?;
        let opened = if entries == 0 { shown.open_existing(&config)? } else { shown.open(&config)? };
        match is_fork {
            true => refused!("open", opened, LogError::Fork(_))?,
            false => refused!("open", opened, LogError::Rollback(_))?,
        }
        refused!("append", append_one(&mut shown)?, LogError::NotOpen)?;
    }
    let mut log = begin(session, KNOWN, &[])?.context("there is a place, as above")?;
    append(&mut log, 1)?;
    checked("an empty store and a shorter one are rollback, another history is fork; the log itself goes on")
}

fn restore(session: &mut Session) -> Result<Done> {
    let Some(mut log) = begin(session, KNOWN, &[])? else { return nowhere() };
    let status = log.status()??;
    if !status.anchor {
        return not_applicable("this stack is composed with no anchor to configure");
    }
    drop(log);
    let heads = session.scratch(KNOWN).join("heads");
    fs::rename(&heads, session.scratch(KNOWN).join("heads.before-the-restore"))?;
    for name in [KNOWN, BACKUP] {
        let (mut log, config) = under_anchor(session, name, KNOWN, &[])?.context("there is a place, as above")?;
        refused!("open", log.open(&config)?, LogError::AnchorMissing(_))?;
        log.recover(&config, UnattestedChoice::Reanchor)??;
        let size = log.status()??.size;
        let recorded = log.read(size)??;
        equal("the event on record", recorded.event_type.as_str(), "secure-log.recovered")?;
        equal("what it says", recorded.payload, format!("1 {}", size - 1).into_bytes())?;
        let stored = log.append_batch(&[entry("a", "goes on")])??;
        holds("it is anchored", stored.commit.anchored)?;
        holds("the verdict says so", matches!(log.verify_log()??.verdict, Verdict::Incomplete))?;
        fs::remove_file(&heads)?;
    }
    checked("anchor-missing until an operator begins anew, which the stream secure-log and every verdict say")
}

fn how_often(session: &mut Session) -> Result<Done> {
    for (often, anchored) in [("3", [false, false, true, false]), ("close", [false; 4])] {
        let name = format!("every-{often}");
        let every = [("SECURE_LOG_ANCHOR_EVERY", often)];
        let Some(mut log) = begin(session, &name, &every)? else { return nowhere() };
        if !log.status()??.anchor {
            return not_applicable("this stack is composed with no anchor to configure");
        }
        for (n, expected) in (1..).zip(anchored) {
            let stored = log.append_batch(&[entry("a", "x")])??;
            equal(&format!("anchored after {n} with {often}"), stored.commit.anchored, expected)?;
        }
        let segment = log.close_segment("a")??.segment_id;
        equal("answers of witnesses", log.witness_rows(None, 10)??.len(), 0)?;
        equal("submissions of an unsigned segment", log.submissions(segment)??.len(), 0)?;
        log.sign_segment(&session.keys.head_identity, segment)??;
        let submitted = log.submissions(segment)??;
        holds("one that is signed", submitted.len() == 1 && submitted[0].contains("\n1 1 4\n"))?;
        let heads = fs::read_to_string(session.scratch(&name).join("heads"))?;
        holds("a close publishes", heads.contains(&format!("{ORIGIN}\n5\n")))?;
        log.append_batch(&[entry("a", "x")])??;
        log.sign_head()??;
        let heads = fs::read_to_string(session.scratch(&name).join("heads"))?;
        holds("sign-head publishes", heads.contains(&format!("{ORIGIN}\n6\n")))?;
    }
    checked("every third entry, at a close, and when a head is asked for")
}

/// Opens a log under an anchor of its own. None where there is no place for one that outlives its instance, or where the stack
/// has witnesses in place of a file.
fn begin(session: &Session, name: &str, variables: &[(&str, &str)]) -> Result<Option<Instance>> {
    let Some((mut log, config)) = under_anchor(session, name, name, variables)? else { return Ok(None) };
    log.open(&config)??;
    Ok(Some(log))
}

/// A fresh instance on the log of this name under this anchor.
fn under_anchor(
    session: &Session,
    name: &str,
    anchor: &str,
    variables: &[(&str, &str)],
) -> Result<Option<(Instance, String)>> {
    if !session.outlives() || session.witness().is_some() {
        return Ok(None);
    }
    let folder = session.scratch(anchor);
    fs::create_dir_all(&folder)?;
    session.elsewhere_with(name, |keys, surroundings| {
        let surroundings = keys
            .give_to(surroundings)
            .variable("SECURE_LOG_ORIGIN", ORIGIN)
            .variable("SECURE_LOG_ANCHOR", "/anchor/heads")
            .folder(folder, "/anchor");
        variables.iter().fold(surroundings, |surroundings, (name, value)| surroundings.variable(*name, *value))
    })
}

/// The log that stands for another history, without an anchor.
fn alone(session: &Session) -> Result<(Instance, String)> {
    let place = session.elsewhere_with(BACKUP, |keys, surroundings| {
        keys.give_to(surroundings).variable("SECURE_LOG_ORIGIN", ORIGIN)
    })?;
    place.context("there is a place, as for the other log")
}

fn append(log: &mut Instance, count: u64) -> Result<()> {
    (0..count).try_for_each(|_| append_one(log)?.map_err(Into::into))
}

fn append_one(log: &mut Instance) -> Result<Result<(), LogError>> {
    Ok(log.append("a", "e", Severity::Info, "verify", b"x")?.map(drop))
}

fn nowhere() -> Result<Done> {
    not_applicable("this store has no place for a log that outlives its instance, or witnesses are its anchor")
}
