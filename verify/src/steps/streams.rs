//! Making streams, listing them, closing them to producers.

use wasmtime::{Result, format_err};

use super::{Done, Group, Step, checked, entry, rules};
use crate::expect::{equal, holds, refused};
use crate::host::encoder::Severity;
use crate::host::log::StreamInfo;
use crate::host::types::Tier;
use crate::host::writer::{HashSuite, SigningRule};
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "streams",
    about: "create-stream, create-stream-with, list-streams, list-streams-page, describe-streams, describe-stream, deprecate-stream",
    steps: &[
        Step { name: "streams are made with their rules, once", run: create },
        Step { name: "suites: sha-256, blake3, and from one to the other", run: suites },
        Step { name: "a protected stream takes no payload in clear", run: protected },
        Step { name: "lists, whole and page by page", run: lists },
        Step { name: "a deprecated stream can be read and takes no more", run: deprecate },
    ],
};

fn create(session: &mut Session) -> Result<Done> {
    let (plain, described, signed) = (session.stream("plain"), session.stream("described"), session.stream("signed"));
    let log = session.log()?;
    log.create_stream(&plain, Tier::Public, None)??;
    equal("the head of a stream without entries", log.head(&plain)??, None)?;
    equal("the last hash of a stream without entries", log.last_hash(&plain)??, None)?;
    log.create_stream(&described, Tier::Public, Some("what it is for"))??;
    let before = log.status()??.size;
    let made = log.create_stream_with(&signed, &rules(HashSuite::Sha256, SigningRule::Segments))??;
    equal("size after a stream with other rules", made.size, before + 1)?;
    let first = log.read(made.size)??;
    equal(
        "its first entry",
        (first.stream_id.as_str(), first.event_type.as_str()),
        (signed.as_str(), "secure-log.created"),
    )?;
    for name in [&plain, &described, &signed] {
        refused!("create-stream again", log.create_stream(name, Tier::Public, None)?, LogError::StreamExists(found) if found == *name)?;
        let again = log.create_stream_with(name, &rules(HashSuite::Sha256, SigningRule::None))?;
        refused!("create-stream-with again", again, LogError::StreamExists(found) if found == *name)?;
    }
    checked("3 made, 6 times stream-exists")
}

fn suites(session: &mut Session) -> Result<Done> {
    let stream = session.stream("suites");
    let log = session.log()?;
    log.create_stream_with(&stream, &rules(HashSuite::Blake3, SigningRule::None))??;
    let mut versions = Vec::new();
    for suite in [HashSuite::Sha256, HashSuite::Blake3, HashSuite::Sha256] {
        let appended = log.append(&stream, "e", Severity::Info, "verify", b"before the change")??;
        versions.push(log.read(appended.seqno)??.version);
        let changed = log.change_suite(&stream, suite)??;
        equal("the change is an entry", log.read(changed.size)??.event_type.as_str(), "secure-log.suite-changed")?;
    }
    equal("versions of the entries", versions, vec![2, 1, 2])?;
    log.verify_chain(&stream, 1, u64::MAX)??;
    refused!("change-suite to the same", log.change_suite(&stream, HashSuite::Sha256)?, LogError::Invalid(_))?;
    let unknown = log.change_suite("verify-no-such-stream", HashSuite::Blake3)?;
    refused!("change-suite of no stream", unknown, LogError::StreamNotFound(_))?;
    checked("versions 2, 1, 2; the chain verifies across each change")
}

fn protected(session: &mut Session) -> Result<Done> {
    let mut said = Vec::new();
    for (topic, tier) in [("protected", Tier::Protected), ("restricted", Tier::HighlyRestricted)] {
        let stream = session.stream(topic);
        let log = session.log()?;
        match log.create_stream(&stream, tier, None)? {
            Ok(()) => {
                let answer = log.append(&stream, "e", Severity::Info, "verify", b"in clear")?;
                refused!("append in clear", answer, LogError::StreamProtected(found) if found == stream)?;
                said.push(format!("{topic}: made, and its append refused"));
            }
            // A key for pseudonyms would have to be wrapped.
            Err(LogError::KeyNotFound(text)) if tier == Tier::HighlyRestricted && text.contains(KEK_LABEL) => {
                said.push(format!("{topic}: not made without {KEK_LABEL}"));
            }
            Err(other) => return Err(format_err!("create-stream of a {topic} stream: {other:?}")),
        }
    }
    checked(said.join("; "))
}

/// Names the key that wraps what seals.
const KEK_LABEL: &str = "SECURE_LOG_KEK_LABEL";

fn lists(session: &mut Session) -> Result<Done> {
    let ours = ["entries", "kinds", "plain", "described", "signed", "suites"].map(|topic| session.stream(topic));
    let described = session.stream("described");
    let log = session.log()?;
    let all = log.list_streams()??;
    let names: Vec<&String> = all.iter().map(|stream| &stream.name).collect();
    let positions: Vec<_> = ours.iter().map(|name| names.iter().position(|found| *found == name)).collect();
    holds("the streams of this run are listed in the order in which they were made", positions.is_sorted())?;
    holds("all of them", positions.iter().all(Option::is_some))?;
    let expected = StreamInfo {
        name: described.clone(),
        tier: Tier::Public,
        description: Some("what it is for".into()),
        deprecated_at: None,
    };
    equal("a stream as it was made", all.iter().find(|stream| stream.name == described), Some(&expected))?;
    for limit in [1, 3, 1000] {
        let (mut paged, mut after) = (Vec::new(), 0);
        loop {
            let page = log.list_streams_page(after, limit)??;
            holds("a page is no longer than asked for", page.streams.len() <= limit as usize)?;
            paged.extend(page.streams);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        equal("the pages together", &paged, &all)?;
        equal("with their rules", with_rules(log, limit)?, paged)?;
    }
    let (signed, suites) = (session.stream("signed"), session.stream("suites"));
    let log = session.log()?;
    for (name, expected) in [
        (&signed, rules(HashSuite::Sha256, SigningRule::Segments)),
        (&suites, rules(HashSuite::Blake3, SigningRule::None)),
    ] {
        let found = log.describe_stream(name)??;
        equal("a stream with its rules", (&found.name, &found.rules, found.mac_key), (name, &expected, None))?;
        holds("it says when it was made", found.created_at.ends_with('Z'))?;
    }
    refused!("of no stream", log.describe_stream("verify-no-such-stream")?, LogError::StreamNotFound(_))?;
    checked(format!("{} streams, the same in pages of 1, 3 and 1000", all.len()))
}

/// All streams, from pages with their rules.
fn with_rules(log: &mut Instance, limit: u32) -> Result<Vec<StreamInfo>> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = log.describe_streams(after, limit)??;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.number;
        all.extend(page.into_iter().map(|stream| StreamInfo {
            name: stream.name,
            tier: stream.rules.tier,
            description: stream.rules.description,
            deprecated_at: stream.deprecated_at,
        }));
    }
}

fn deprecate(session: &mut Session) -> Result<Done> {
    let stream = session.stream("deprecated");
    let log = session.log()?;
    let kept = log.append(&stream, "e", Severity::Info, "verify", b"kept")??;
    log.deprecate_stream(&stream)??;
    let append = log.append(&stream, "e", Severity::Info, "verify", b"late")?;
    refused!("append", append, LogError::StreamDeprecated(name) if name == stream)?;
    refused!("append-batch", log.append_batch(&[entry(&stream, "late")])?, LogError::StreamDeprecated(name) if name == stream)?;
    refused!("deprecate-stream again", log.deprecate_stream(&stream)?, LogError::StreamDeprecated(name) if name == stream)?;
    refused!("deprecate-stream of none", log.deprecate_stream("verify-no-such-stream")?, LogError::StreamNotFound(_))?;
    equal("what was appended before", log.read(kept.seqno)??.payload.as_slice(), b"kept")?;
    let listed = log.list_streams()??.into_iter().find(|found| found.name == stream);
    holds("the list says when", listed.is_some_and(|found| found.deprecated_at.is_some()))?;
    log.close_segment(&stream)??;
    log.verify_chain(&stream, 1, u64::MAX)??;
    checked("append, append-batch and a second deprecation are refused; it is read, closed and verified")
}
