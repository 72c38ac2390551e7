//! Edits of copies of the log file, each opened in a fresh instance without the store's index beside it. Every edit
//! must be found, for a reason of its own, and the copy must be left as it was.

use std::fs;

use serde_json::json;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entries, entry, no_file, rules};
use crate::copy::{self, Copy, examine, lay};
use crate::expect::{equal, holds, refused};
use crate::forging::{Extent, rechain};
use crate::host::LogError;
use crate::host::encoder::Severity;
use crate::host::types::{LaterVersion, Tier};
use crate::host::writer::{HashSuite, SigningRule, UnattestedChoice};
use crate::jsonl::{flip, other_base64};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "tamper",
    about: "copies of the file are edited between two opens",
    steps: &[
        Step { name: "streams to tamper with, and a copy that is left alone", run: prepare },
        Step { name: "any field of an entry", run: |session| all_found(session, &ENTRY_FIELDS) },
        Step { name: "entries", run: |session| all_found(session, &ENTRIES) },
        Step { name: "entries, with all that no key protects made consistent again", run: forged },
        Step { name: "signatures, segments and heads", run: |session| all_found(session, &ATTESTED) },
        Step { name: "rules of streams and of the log", run: |session| all_found(session, &RULES) },
        Step { name: "the form of the file", run: |session| all_found(session, &FORM) },
        Step { name: "a tail cut at a commit", run: cut },
        Step {
            name: "records of a later version are read past, and nothing is written behind them",
            run: later_records,
        },
        Step { name: "a log of a later version, and a choice that would write to one", run: later_log },
    ],
};

/// What is edited, what it may be found as (an error of `open`, or the code of the finding), and how it is done.
struct Edit {
    what: &'static str,
    found: &'static [&'static str],
    apply: fn(&mut Copy) -> Result<()>,
}

const ENTRY_FIELDS: [Edit; 13] = [
    edit("version", &["hash-mismatch", "downgrade"], |copy| copy.edit_entry("version", json!(2))),
    edit("stream", &["hash-mismatch", "chain-broken"], |copy| {
        let other = copy.signed.clone();
        copy.edit_entry("stream", json!(other))
    }),
    edit("session", &["hash-mismatch"], |copy| copy.edit_entry("session", json!("x"))),
    edit("boot", &["hash-mismatch"], |copy| copy.edit_entry("boot", json!("x"))),
    edit("seqno", &["gap"], |copy| copy.edit_entry("seqno", json!(1_000_000))),
    edit("time", &["hash-mismatch"], |copy| copy.edit_entry("time", json!("2020-01-01T00:00:00.000000000Z"))),
    edit("event", &["hash-mismatch"], |copy| copy.edit_entry("event", json!("x"))),
    edit("severity", &["hash-mismatch"], |copy| copy.edit_entry("severity", json!("emergency"))),
    edit("producer", &["hash-mismatch"], |copy| copy.edit_entry("producer", json!("x"))),
    edit("encoding", &["hash-mismatch"], |copy| copy.edit_entry("encoding", json!("x"))),
    edit("payload", &["hash-mismatch"], |copy| copy.edit_entry("text", json!("x"))),
    edit("prev", &["hash-mismatch", "chain-broken"], |copy| {
        let at = copy.entry()?;
        copy.lines.edit(at, |entry| flip(&mut entry["prev"]))
    }),
    edit("hash", &["hash-mismatch"], |copy| {
        let at = copy.entry()?;
        copy.lines.edit(at, |entry| flip(&mut entry["hash"]))
    }),
];

const ENTRIES: [Edit; 7] = [
    edit("dropped", &["gap"], |copy| {
        let at = copy.entry()?;
        copy.lines.remove(at);
        Ok(())
    }),
    edit("duplicated", &["gap"], |copy| {
        let at = copy.entry()?;
        copy.lines.copy(at, at + 1);
        Ok(())
    }),
    edit("swapped with the next", &["gap"], |copy| {
        let at = copy.entry()?;
        copy.lines.swap(at, at + 1);
        Ok(())
    }),
    edit("the last of its commit dropped", &["truncated", "segment-mismatch"], |copy| {
        let head = copy.lines.find(copy.entry()?, |line| line["t"] == "head")?;
        copy.lines.remove(head - 1);
        Ok(())
    }),
    edit("said to be pruned", &["prune-unauthorized"], |copy| {
        let at = copy.entry()?;
        let entry = copy.lines.object(at)?;
        let pruned = json!({"t": "pruned", "seqno": entry["seqno"], "stream": entry["stream"], "hash": entry["hash"]});
        copy.lines.replace(at, &pruned);
        Ok(())
    }),
    edit("said to be of a type that nobody knows", &["gap", "truncated"], |copy| {
        let at = copy.entry()?;
        copy.lines.edit(at, |line| line["t"] = json!("novelty"))
    }),
    edit("made up after the last head", &["unattested"], |copy| {
        let entries = copy.lines.of_type("entry")?;
        let last = *entries.last().context("the log has entries")?;
        let mut entry = copy.lines.object(last)?;
        let mut head = copy.lines.object(copy.last_head()?)?;
        entry["seqno"] = json!(entry["seqno"].as_u64().context("a seqno is a number")? + 1);
        head["size"] = entry["seqno"].clone();
        head["sigs"] = json!([]);
        copy.lines.push(&entry);
        copy.lines.push(&head);
        Ok(())
    }),
];

const ATTESTED: [Edit; 13] = [
    edit("a required segment signature dropped", &["unsigned"], |copy| {
        copy.lines.remove(copy.segment_signature()?);
        Ok(())
    }),
    edit("a required entry signature dropped", &["unsigned"], |copy| {
        copy.lines.remove(copy.entry_signature()?);
        Ok(())
    }),
    edit("a segment signature edited", &["signature-invalid"], |copy| {
        copy.lines.edit(copy.segment_signature()?, |line| {
            line["sig"] = json!(other_base64(line["sig"].as_str().unwrap_or_default()))
        })
    }),
    edit("an entry signature edited", &["signature-invalid"], |copy| {
        copy.lines.edit(copy.entry_signature()?, |line| {
            line["sig"] = json!(other_base64(line["sig"].as_str().unwrap_or_default()))
        })
    }),
    edit("a signature moved to another segment", &["signature-invalid", "malformed", "segment-missing"], |copy| {
        copy.lines.edit(copy.segment_signature()?, |line| line["id"] = json!(line["id"].as_u64().unwrap_or(0) + 1))
    }),
    edit("a segment's root edited", &["segment-mismatch"], |copy| copy.edit_segment(|line| flip(&mut line["root"]))),
    edit("a segment's count edited", &["segment-mismatch"], |copy| {
        copy.edit_segment(|line| line["count"] = json!(line["count"].as_u64().unwrap_or(0) + 1))
    }),
    edit("a segment's closing time edited", &["segment-mismatch", "segment-missing"], |copy| {
        copy.edit_segment(|line| line["closed"] = json!("2020-01-01T00:00:00.000000000Z"))
    }),
    edit("a segment dropped, signature and all", &["segment-missing", "segment-mismatch"], |copy| {
        let at = copy.signed_segment()?;
        copy.lines.remove(at);
        copy.lines.remove(at);
        Ok(())
    }),
    edit("a head's root edited", &["head-mismatch"], |copy| copy.edit_head(|line| flip(&mut line["root"]))),
    edit("a head's size edited", &["truncated", "head-mismatch"], |copy| {
        copy.edit_head(|line| line["size"] = json!(line["size"].as_u64().unwrap_or(0) + 1))
    }),
    edit("a head's signature edited", &["signature-invalid"], |copy| {
        copy.edit_head(|line| {
            let text = line["sigs"][0].as_str().unwrap_or_default().to_string();
            let (name, blob) = text.split_once(' ').unwrap_or_default();
            line["sigs"][0] = json!(format!("{name} {}", other_base64(blob)));
        })
    }),
    edit("the last head's signature dropped", &["unattested"], |copy| {
        copy.lines.edit(copy.last_head()?, |line| line["sigs"] = json!([]))
    }),
];

const RULES: [Edit; 10] = [
    edit("a stream's tier", POLICY, |copy| copy.edit_stream("tier", json!("protected"))),
    edit("a stream's suite", POLICY, |copy| copy.edit_stream("suite", json!("blake3"))),
    edit("a stream's signing rule", POLICY, |copy| copy.edit_stream("sign", json!("none"))),
    edit("a stream's description", POLICY, |copy| copy.edit_stream("description", json!("x"))),
    edit("a stream's creation", POLICY, |copy| copy.edit_stream("created", json!("2020-01-01T00:00:00.000000000Z"))),
    edit("a stream dropped", &["malformed", "corrupt", "policy-mismatch", "chain-broken"], |copy| {
        let at = copy.stream()?;
        copy.lines.remove(at);
        Ok(())
    }),
    edit("a stream deprecated without an entry", &["policy-mismatch"], |copy| {
        let (at, head) = (copy.stream()?, copy.last_head()?);
        copy.lines.copy(at, head);
        copy.lines.edit(head, |line| line["deprecated"] = line["created"].clone())
    }),
    edit("the log's id", POLICY, |copy| copy.lines.edit(0, |line| flip(&mut line["id"]))),
    edit("the log's creation", POLICY, |copy| {
        copy.lines.edit(0, |line| line["created"] = json!("2020-01-01T00:00:00.000000000Z"))
    }),
    edit("the log's origin", &["access-denied", "policy-mismatch"], |copy| {
        copy.lines.edit(0, |line| line["origin"] = json!("secure-log/another"))
    }),
];

/// Rules are bound by the first entry of each stream.
const POLICY: &[&str] = &["chain-broken", "policy-mismatch"];

const FORM: [Edit; 8] = [
    edit("bytes that are not UTF-8", MALFORMED, |copy| copy.edit_bytes(|line| line[20] = 0xff)),
    edit("a space", MALFORMED, |copy| copy.edit_bytes(|line| line.insert(1, b' '))),
    edit("a carriage return", MALFORMED, |copy| copy.edit_bytes(|line| line.push(b'\r'))),
    edit("a field twice", MALFORMED, |copy| copy.edit_bytes(|line| drop(line.splice(1..1, *b"\"t\":\"entry\",")))),
    edit("half a line", MALFORMED, |copy| copy.edit_bytes(|line| line.truncate(line.len() / 2))),
    edit("an empty line", MALFORMED, |copy| copy.edit_bytes(Vec::clear)),
    edit("zeros in the middle", MALFORMED, |copy| copy.edit_bytes(|line| line[10..40].fill(0))),
    edit("another spelling of a number", MALFORMED, |copy| copy.edit_entry("seqno", json!(1e3))),
];

/// Found by the store while it reads the file, or by the verifier.
const MALFORMED: &[&str] = &["corrupt", "malformed"];

const fn edit(what: &'static str, found: &'static [&'static str], apply: fn(&mut Copy) -> Result<()>) -> Edit {
    Edit { what, found, apply }
}

fn prepare(session: &mut Session) -> Result<Done> {
    let streams = ["tampered", "tampered-signed", "tampered-entries"].map(|topic| session.stream(topic));
    let log = session.log()?;
    log.create_stream(&streams[0], Tier::Public, None)??;
    log.create_stream_with(&streams[1], &rules(HashSuite::Sha256, SigningRule::Segments))??;
    log.create_stream_with(&streams[2], &rules(HashSuite::Sha256, SigningRule::Entries))??;
    for stream in &streams {
        log.append_batch(&[entries(stream, (0..5).map(|n| format!("entry {n}")))])??;
        log.close_segment(stream)??;
        log.append(stream, "e", Severity::Info, "verify", b"in an open segment")??;
    }
    let size = log.status()??.size;
    let Some(copy) = Copy::of_the_log(session)? else { return no_file() };
    let said = examine(session, &copy.lines.bytes())?;
    equal("the verdict on a copy that nobody edited", said.code.as_str(), "valid")?;
    let report = said.report.context("a valid log has a report")?;
    equal("entries of the copy, and how far it is complete", (report.size, report.complete_to), (size, size))?;
    checked(format!(
        "{} lines, {size} entries; the copy is valid, without the index of the original",
        copy.lines.count()
    ))
}

fn all_found(session: &mut Session, edits: &[Edit]) -> Result<Done> {
    let Some(original) = Copy::of_the_log(session)? else { return no_file() };
    let mut said = Vec::new();
    for edit in edits {
        let mut copy = original.clone();
        (edit.apply)(&mut copy).with_context(|| format!("{} could not be edited", edit.what))?;
        said.push(format!("{} ({})", edit.what, is_found(session, edit.what, &copy, edit.found)?));
    }
    checked(format!("{} edits found: {}", edits.len(), said.join(", ")))
}

fn forged(session: &mut Session) -> Result<Done> {
    let Some(original) = Copy::of_the_log(session)? else { return no_file() };
    let mut stack = session.instance()?;
    let mut said = Vec::new();
    let extents = [
        ("the stream re-chained", Extent::Entries, &["head-mismatch", "segment-mismatch"][..]),
        ("and its segments recomputed", Extent::Segments, &["head-mismatch", "signature-invalid"]),
        ("and all heads recomputed", Extent::Heads, &["signature-invalid"]),
    ];
    for (what, extent, found) in extents {
        let mut copy = original.clone();
        rechain(&mut copy.lines, &mut stack, extent)?;
        ensure!(copy.lines.bytes() == original.lines.bytes(), "recomputing an honest log changes it: {what}");
        copy.edit_entry("text", json!("rewritten"))?;
        rechain(&mut copy.lines, &mut stack, extent)?;
        said.push(format!("{what} ({})", is_found(session, what, &copy, found)?));
    }
    checked(said.join(", "))
}

fn cut(session: &mut Session) -> Result<Done> {
    let Some(mut copy) = Copy::of_the_log(session)? else { return no_file() };
    let acknowledged = session.log()?.status()??.size;
    let heads = copy.lines.of_type("head")?;
    let kept = heads[heads.len() - 4];
    copy.lines.truncate(kept + 1);
    let kept = copy.lines.object(kept)?["size"].as_u64().context("a head has a size")?;
    let said = examine(session, &copy.lines.bytes())?;
    equal("the verdict on a log that was cut", said.code.as_str(), "valid")?;
    let report = said.report.context("a valid log has a report")?;
    equal("how far it is complete", report.complete_to, kept)?;
    holds("fewer entries than were acknowledged", kept < acknowledged)?;
    checked(format!(
        "what is left is valid and says: complete to {kept}, where {acknowledged} were acknowledged; only an anchor, a \
         witness or whoever keeps a head can tell"
    ))
}

fn later_records(session: &mut Session) -> Result<Done> {
    let Some(mut copy) = Copy::of_the_log(session)? else { return no_file() };
    let size = session.log()?.status()??.size;
    // In the middle of a commit, and again before the last head.
    let places = [copy.entry()? + 1, copy.last_head()? + 1];
    places.iter().for_each(|at| copy.lines.insert(*at, &json!({"t": "novelty", "of": [1, "x"]})));
    let bytes = copy.lines.bytes();
    let said = examine(session, &bytes)?;
    equal("the verdict", said.code.as_str(), "incomplete")?;
    let report = said.report.context("an incomplete log has a report")?;
    let missing = places.map(|at| format!("line {}: unknown record 'novelty'", at + 1));
    equal("what is missing", super::missing(&report), missing.to_vec())?;
    equal("entries, and how far they are complete", (report.size, report.complete_to), (size, size))?;

    let (mut log, config) = lay(session, &bytes)?;
    log.open_existing(&config)??;
    let place = format!("byte {}", copy.lines.offset(places[0]));
    let is_there = |found: &LaterVersion| found.at == place && found.what == "unknown record 'novelty'";
    let (stream, segment) = (copy.plain.as_str(), log.list_segments(&copy.plain)??[0].segment_id);
    let mut count = 0;
    macro_rules! refused_later {
        ($($function:ident($($argument:expr),*))*) => {
            $(
                let answer = log.$function($($argument),*)?;
                refused!(stringify!($function), answer, LogError::LaterVersion(found) if is_there(&found))?;
                count += 1;
            )*
        };
    }
    refused_later! {
        append(stream, "e", Severity::Info, "verify", b"")
        append_with_encoding(stream, "e", Severity::Info, "verify", b"", "text")
        append_batch(&[entry(stream, "x")])
        create_stream("later", Tier::Public, None)
        create_stream_with("later", &rules(HashSuite::Blake3, SigningRule::Segments))
        change_suite(stream, HashSuite::Blake3)
        close_segment(stream)
        deprecate_stream(stream)
        sign_segment("segment-signer", segment)
    }
    equal("entries that are read afterwards", log.read_page(None, size, size, 1)??.len(), 1)?;
    ensure!(fs::read(session.elsewhere_file(copy::NAME))? == bytes, "a refused call changed the file");
    checked(format!("{}; {count} functions answer later-version and write nothing", missing.join(" and ")))
}

fn later_log(session: &mut Session) -> Result<Done> {
    let Some(original) = Copy::of_the_log(session)? else { return no_file() };
    let mut copy = original.clone();
    copy.lines.edit(0, |line| line["v"] = json!(2))?;
    let found = is_found(session, "the version of the format", &copy, &["later-version"])?;

    let mut copy = original;
    let last = copy.last_head()?;
    copy.lines.edit(last, |line| line["sigs"] = json!([]))?;
    copy.lines.insert(last, &json!({"t": "novelty"}));
    let bytes = copy.lines.bytes();
    let (mut log, config) = lay(session, &bytes)?;
    for choice in [UnattestedChoice::Adopt, UnattestedChoice::SetAside] {
        refused!("open", log.open(&config)?, LogError::Unattested(_))?;
        refused!("recover", log.recover(&config, choice)?, LogError::LaterVersion(_))?;
    }
    ensure!(fs::read(session.elsewhere_file(copy::NAME))? == bytes, "a refused choice changed the file");
    checked(format!("format version 2 ({found}); recover answers later-version to either choice and writes nothing"))
}

/// Opens and verifies an edited copy; fails unless it is found as one of `expected`.
fn is_found(session: &Session, what: &str, copy: &Copy, expected: &[&str]) -> Result<String> {
    let said = examine(session, &copy.lines.bytes())?;
    ensure!(
        expected.contains(&said.code.as_str()),
        "{what} edited: expected to be found as {}, found {}",
        expected.join(" or "),
        said.code
    );
    Ok(format!("{} {}", said.code, if said.opened { "by verify-log" } else { "at open" }))
}
