//! How long entries are kept: plans, pruning, and what is found where a store prunes more than is on record.

use std::fs;

use serde_json::json;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, is_valid, no_place, not_applicable};
use crate::copy::{Copy, NAME, examine};
use crate::expect::{equal, holds, refused};
use crate::host::retention::{FirstKept, Kept};
use crate::host::{Instance, LogError};
use crate::jsonl::{Lines, flip};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "retention",
    about: "logs of their own of which old entries are pruned",
    steps: &[
        Step { name: "presets are periods that a policy can name", run: presets },
        Step { name: "a plan says what would go, and why the rest would not", run: plans },
        Step { name: "what is pruned is gone, makes room, and everything else is as before", run: prunes },
        Step { name: "what is pruned beyond what is on record is found", run: beyond },
        Step { name: "what is no retention, and what is never pruned, is refused", run: refusals },
    ],
};

/// What is pruned here. Nobody writes it by chance.
const MARK: &str = "to be pruned after a while";
/// Keeps nothing of the stream `old`.
const NOTHING_OLD: &str = "stream entries:0 old\nlog never\n";
/// The bytes of an entry's payload, which is most of what goes.
const BYTES: usize = 2000;

/// A log of its own with the streams `kept` and `old`, each of so many entries in a closed segment, and one more of `old` behind them.
fn prepared(session: &Session, name: &str, count: usize) -> Result<Option<(Instance, String)>> {
    session.clear_elsewhere(name)?;
    let Some((mut log, config)) = session.elsewhere(name)? else { return Ok(None) };
    log.open(&config)??;
    for (stream, text) in [("kept", "this stays"), ("old", MARK)] {
        let payloads = (0..count).map(|_| format!("{text:x<BYTES$}"));
        log.append_batch(&[entries(stream, payloads)])??;
        log.close_segment(stream)??;
    }
    log.append_batch(&[entries("old", ["in the open segment"])])??;
    Ok(Some((log, config)))
}

fn presets(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let presets = log.presets()?;
    let names: Vec<&str> = presets.iter().map(|preset| &*preset.name).collect();
    equal("the presets", names, vec!["six-months", "one-year", "six-years", "seven-years"])?;
    for preset in &presets {
        holds(&format!("{} says what it is for", preset.name), !preset.meant_for.is_empty())?;
        let plan = log.plan(&format!("log {}", preset.name), 0, 1)??.pop().context("the log has a stream")?;
        equal("what it comes to", plan.policy, format!("for:{}", preset.period))?;
    }
    checked(format!("{} presets", presets.len()))
}

fn plans(session: &mut Session) -> Result<Done> {
    let Some((mut log, _)) = prepared(session, "planned", 5)? else { return no_place() };
    let before = log.status()??;
    let kept = |seqno, why| Some(FirstKept { seqno, why });
    // A close follows the entries 1 to 5 of `kept`, and 7 to 11 of `old`; 13 is of `old`.
    for (retention, goes, stays, first) in [
        ("log never", 0, 6, kept(7, Kept::Policy)),
        ("log entries:0", 5, 1, kept(13, Kept::OpenSegment)),
        ("stream entries:4 old", 2, 4, kept(9, Kept::Policy)),
        ("log since:9999-12-31T23:59:59+01:00\nfloor one-year", 0, 6, kept(7, Kept::Floor)),
        ("log entries:0\nstream-floor 1d old", 0, 6, kept(7, Kept::Floor)),
        ("log seven-years", 0, 6, kept(7, Kept::Policy)),
    ] {
        let plan = log.plan_stream(retention, "old")??;
        equal(&format!("what goes by {retention:?}"), (plan.entries, plan.stays), (goes, stays))?;
        equal(&format!("why the rest stays by {retention:?}"), plan.kept, first)?;
    }
    let pages = [log.plan(NOTHING_OLD, 0, 1)??, log.plan(NOTHING_OLD, 1, 9)??];
    let names = pages.map(|page| page.into_iter().map(|plan| (plan.stream_id, plan.entries)).collect::<Vec<_>>());
    equal("the pages", names, [vec![("kept".into(), 0)], vec![("old".into(), 5)]])?;
    equal("the log after plans", log.status()??, before)?;
    session.clear_elsewhere("planned")?;
    checked("6 retentions, and nothing was written")
}

fn prunes(session: &mut Session) -> Result<Done> {
    let Some((mut log, config)) = prepared(session, "pruned", 200)? else { return no_place() };
    let head = log.signed_head()??;
    let kept = log.read_page(Some("kept"), 1, u64::MAX, 1)??.pop().context("an entry stays")?;
    let proof = log.build_inclusion_proof(kept.seqno)??;
    let first = kept.seqno + 201;
    let old = log.build_inclusion_proof(first)??;
    let before = size(session)?;
    let pruned = log.prune_all(NOTHING_OLD, 0)??;
    let what: Vec<(&str, u64)> = pruned.streams.iter().map(|stream| (&*stream.stream_id, stream.entries)).collect();
    equal("what was pruned", (what, pruned.next), (vec![("old", 200)], None))?;
    holds("its record is under a signed head", pruned.commit.is_some_and(|commit| commit.signed))?;
    let after = size(session)?;
    refused!("a pruned entry", log.read(first)?, LogError::EntryNotFound(_))?;
    equal("an entry that stays", &log.read(kept.seqno)??, &kept)?;
    log.verify_inclusion_proof(&proof, &proof.merkle_root)??;
    equal("the proof that is made anew", log.build_inclusion_proof(kept.seqno)??, proof.clone())?;
    refused!(
        "a proof of what is gone",
        log.verify_inclusion_proof(&old, &old.merkle_root)?,
        LogError::EntryNotFound(_)
    )?;
    equal("the entries that verify-log only compared", is_valid(&mut log)?.pruned, 200)?;
    log.verify_chain("old", 1, u64::MAX)??;
    equal("what a second prune takes", log.prune_stream(NOTHING_OLD, "old")??.streams, vec![])?;
    ensure!(log.signed_head()?? != head, "the record has a head of its own");
    if session.outlives() {
        let Some((mut again, _)) = session.elsewhere("pruned")? else { return no_place() };
        again.open(&config)??;
        equal("pruned entries after a restart", is_valid(&mut again)?.pruned, 200)?;
    }
    let room = match before.zip(after) {
        Some((before, after)) => {
            ensure!(after + 200 * BYTES as u64 * 9 / 10 < before, "{before} bytes became {after}");
            let mut beside = session.beside("pruned")?;
            beside.push(session.elsewhere_file("pruned"));
            let holding = beside.iter().filter(|file| fs::read(file).is_ok_and(|bytes| has_mark(&bytes))).count();
            equal("files that still hold what went", holding, 0)?;
            format!("{before} bytes became {after}")
        }
        None => "the log is in no file, so that there is no room to measure".into(),
    };
    session.clear_elsewhere("pruned")?;
    checked(format!("200 entries: {room}"))
}

/// The bytes of the log's files together, where it has files: a database has a part of them in its write-ahead log.
fn size(session: &Session) -> Result<Option<u64>> {
    if !session.has_files() {
        return Ok(None);
    }
    let mut files = session.beside("pruned")?;
    files.push(session.elsewhere_file("pruned"));
    let files = files.iter().map(fs::metadata).collect::<std::io::Result<Vec<_>>>()?;
    Ok(Some(files.iter().filter(|file| file.is_file()).map(fs::Metadata::len).sum()))
}

fn has_mark(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// An edit of a pruned log, and what it is found as.
type Edit = (&'static str, &'static str, fn(&mut Lines) -> Result<()>);

/// Attack row 17.
const BEYOND: [Edit; 5] = [
    ("more than is on record", "prune-unauthorized", |lines| prune(lines, 13)),
    ("an entry of a stream without a record", "prune-unauthorized", |lines| prune(lines, 2)),
    ("a pruned line of another stream", "segment-mismatch", |lines| {
        let at = lines.find(0, |line| line["t"] == "pruned" && line["seqno"] == 8)?;
        lines.edit(at, |line| line["stream"] = json!("kept"))
    }),
    ("a pruned line with another hash", "head-mismatch", |lines| {
        let at = lines.find(0, |line| line["t"] == "pruned" && line["seqno"] == 8)?;
        lines.edit(at, |line| flip(&mut line["hash"]))
    }),
    ("the record itself", "prune-unauthorized", |lines| {
        let at = lines.find(0, |line| line["event"] == "secure-log.pruned")?;
        let seqno = lines.object(at)?["seqno"].as_u64().context("an entry has a seqno")?;
        prune(lines, seqno)
    }),
];

/// Puts what is left of a pruned entry in the place of one.
fn prune(lines: &mut Lines, seqno: u64) -> Result<()> {
    let at = lines.find(0, |line| line["t"] == "entry" && line["seqno"] == seqno)?;
    let entry = lines.object(at)?;
    let pruned = json!({"t": "pruned", "seqno": seqno, "stream": entry["stream"], "hash": entry["hash"]});
    lines.replace(at, &pruned);
    Ok(())
}

fn beyond(session: &mut Session) -> Result<Done> {
    if Copy::of_the_log(session)?.is_none() {
        return not_applicable(
            "the log is not a file of JSON lines; what is edited in a database, scripts/test-attacks.sh does",
        );
    }
    let Some((mut log, _)) = prepared(session, "beyond", 5)? else { return no_place() };
    log.prune_all(NOTHING_OLD, 0)??;
    drop(log);
    let pruned = Lines::read(&session.elsewhere_file("beyond"))?;
    let untouched = examine(session, &pruned.bytes())?;
    equal("the log as it was pruned", (&*untouched.code, untouched.opened), ("valid", true))?;
    for (what, code, edit) in BEYOND {
        let mut lines = pruned.clone();
        edit(&mut lines)?;
        let said = examine(session, &lines.bytes())?;
        equal(what, &*said.code, code)?;
    }
    session.clear_elsewhere(NAME)?;
    session.clear_elsewhere("beyond")?;
    checked(format!("{} edits", BEYOND.len()))
}

fn refusals(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let size = log.status()??.size;
    for retention in
        ["keep", "log forever", "log for:5", "floor", "stream never", "stream never secure-log", "log never\nlog never"]
    {
        refused!(format!("the retention {retention:?}"), log.plan(retention, 0, 1)?, LogError::Invalid(_))?;
        refused!(format!("pruning by {retention:?}"), log.prune_all(retention, 0)?, LogError::Invalid(_))?;
    }
    refused!("a stream of the log itself", log.prune_stream("log entries:0", "secure-log")?, LogError::Invalid(_))?;
    refused!("no such stream", log.prune_stream("log entries:0", "no such stream")?, LogError::StreamNotFound(_))?;
    equal("the size of the log", log.status()??.size, size)?;
    checked("7 retentions and 2 streams")
}
