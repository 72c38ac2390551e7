//! What a producer may not say. Every breach is refused by the name of the field and its limit, and writes nothing.

use wasmtime::{Result, ensure, format_err};

use super::{Done, Group, Step, checked, no_place, rules, state};
use crate::expect::{equal, refused, shown};
use crate::host::encoder::Severity;
use crate::host::types::Tier;
use crate::host::writer::{HashSuite, NewEntries, SigningRule, StreamRules};
use crate::host::{Answer, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "limits",
    about: "names, payloads and what is reserved for the log itself",
    steps: &[
        Step { name: "texts that are too long, empty or hold control characters", run: texts },
        Step { name: "names that belong to the log itself", run: reserved },
        Step { name: "texts at their limit", run: longest },
        Step { name: "payloads and batches at and over their limit", run: payloads },
    ],
};

/// 16 MiB.
const MAX_PAYLOAD: usize = 16 << 20;

fn texts(session: &mut Session) -> Result<Done> {
    let stream = session.stream("entries");
    let before = state(session)?;
    let log = session.log()?;
    let long = "x".repeat(256);
    // 255 characters of which the last takes two bytes.
    let long_in_bytes = format!("{}é", "x".repeat(254));
    let bad = [long.as_str(), long_in_bytes.as_str(), "a\0b", "a\nb", "a\u{1b}[2Jb", "a\u{7f}b"];
    let mut count = 0;
    let mut refuse = |field: &str, answer: Answer<()>| {
        count += 1;
        names(field, "255", answer)
    };
    for text in bad.into_iter().chain([""]) {
        refuse("stream", log.append(text, "e", Severity::Info, "p", b"")?.map(drop))?;
        refuse("event type", log.append(&stream, text, Severity::Info, "p", b"")?.map(drop))?;
        refuse("stream", log.append_batch(&[entry(text, "e", "p", "text")])?.map(drop))?;
        refuse("event type", log.append_batch(&[entry(&stream, text, "p", "text")])?.map(drop))?;
        refuse("stream", log.create_stream(text, Tier::Public, None)?)?;
        refuse("stream", log.create_stream_with(text, &described(None))?.map(drop))?;
    }
    for text in bad {
        refuse("producer", log.append(&stream, "e", Severity::Info, text, b"")?.map(drop))?;
        let encoded = log.append_with_encoding(&stream, "e", Severity::Info, "p", b"", text)?;
        refuse("encoding", encoded.map(drop))?;
        refuse("producer", log.append_batch(&[entry(&stream, "e", text, "text")])?.map(drop))?;
        refuse("encoding", log.append_batch(&[entry(&stream, "e", "p", text)])?.map(drop))?;
        refuse("description", log.create_stream("verify-unmade", Tier::Public, Some(text))?)?;
        refuse("description", log.create_stream_with("verify-unmade", &described(Some(text)))?.map(drop))?;
        refuse("session", log.set_ids(text, "boot")?)?;
        refuse("boot", log.set_ids("session", text)?)?;
    }
    equal("the log afterwards", state(session)?, before)?;
    checked(format!("{count} refusals name their field and limit, nothing was written"))
}

fn reserved(session: &mut Session) -> Result<Done> {
    let stream = session.stream("entries");
    let before = state(session)?;
    let log = session.log()?;
    for name in ["secure-log", "secure-log.keys", "secure-log.anything"] {
        refused!("append", log.append(name, "e", Severity::Info, "p", b"")?, LogError::Invalid(_))?;
        refused!("append-batch", log.append_batch(&[entry(name, "e", "p", "text")])?, LogError::Invalid(_))?;
        refused!("create-stream", log.create_stream(name, Tier::Public, None)?, LogError::Invalid(_))?;
        refused!("create-stream-with", log.create_stream_with(name, &described(None))?, LogError::Invalid(_))?;
        refused!("deprecate-stream", log.deprecate_stream(name)?, LogError::Invalid(_))?;
        refused!("close-segment", log.close_segment(name)?, LogError::Invalid(_))?;
        refused!("change-suite", log.change_suite(name, HashSuite::Blake3)?, LogError::Invalid(_))?;
    }
    for event in ["secure-log.created", "secure-log.segment-closed", "secure-log.x", "secure-log."] {
        refused!("append", log.append(&stream, event, Severity::Info, "p", b"")?, LogError::Invalid(_))?;
        refused!("append-batch", log.append_batch(&[entry(&stream, event, "p", "text")])?, LogError::Invalid(_))?;
    }
    for encoding in ["text+aead-xchacha20poly1305-v1", "+aead-", "a+aead-b"] {
        let answer = log.append_with_encoding(&stream, "e", Severity::Info, "p", b"", encoding)?;
        refused!("append-with-encoding", answer, LogError::Invalid(_))?;
        refused!("append-batch", log.append_batch(&[entry(&stream, "e", "p", encoding)])?, LogError::Invalid(_))?;
    }
    equal("the log afterwards", state(session)?, before)?;
    checked("streams, event types and encodings, in every function that writes; nothing was written")
}

fn longest(session: &mut Session) -> Result<Done> {
    let Some((mut log, config)) = session.elsewhere("longest")? else { return no_place() };
    log.open(&config)??;
    let text = format!("{}é", "x".repeat(253));
    log.set_ids(&text, &text)??;
    log.create_stream(&text, Tier::Public, Some(&text))??;
    let appended = log.append_with_encoding(&text, &text, Severity::Info, &text, b"", &text)??;
    let read = log.read(appended.seqno)??;
    for found in [&read.stream_id, &read.session_id, &read.boot_id, &read.event_type, &read.producer] {
        equal("a text of 255 bytes", found, &text)?;
    }
    equal("a text of 255 bytes", &read.payload_encoding, &text)?;
    equal("the description", log.list_streams()??[0].description.as_deref(), Some(text.as_str()))?;
    checked("255 bytes in each of the 7 texts come back")
}

fn payloads(session: &mut Session) -> Result<Done> {
    let Some((mut log, config)) = session.elsewhere("payloads")? else { return no_place() };
    log.open(&config)??;
    let mut payload = vec![0xa5; MAX_PAYLOAD];
    let appended = log.append("large", "e", Severity::Info, "p", &payload)??;
    ensure!(log.read(appended.seqno)??.payload == payload, "a payload of 16 MiB does not come back");
    let batch = |payloads| [NewEntries { payloads, ..entry("large", "e", "p", "") }];
    let full = vec![payload.clone(); 4];
    equal("entries of a batch of 64 MiB", log.append_batch(&batch(full.clone()))??.entries.len(), 4)?;
    let size = log.status()??.size;
    names("batch", "67108864", log.append_batch(&batch([full, vec![vec![1]]].concat()))?.map(drop))?;
    payload.push(0);
    names("payload", "16777216", log.append("large", "e", Severity::Info, "p", &payload)?.map(drop))?;
    names("payload", "16777216", log.append_batch(&batch(vec![payload]))?.map(drop))?;
    equal("the size afterwards", log.status()??.size, size)?;
    log.verify_chain("large", 1, size)??;
    checked("16 MiB and a batch of 64 MiB are taken, one byte more is not")
}

/// Fails unless the answer is `invalid` and its text names the field and the limit.
fn names(field: &str, limit: &str, answer: Answer<()>) -> Result<()> {
    match answer {
        Err(LogError::Invalid(text)) if text.contains(field) && text.contains(limit) => Ok(()),
        other => Err(format_err!("expected `invalid` naming '{field}' and {limit}, found {}", shown(&other))),
    }
}

fn entry(stream: &str, event: &str, producer: &str, encoding: &str) -> NewEntries {
    let (event_type, producer, payload_encoding) = (event.into(), producer.into(), encoding.into());
    NewEntries { event_type, producer, payload_encoding, ..super::entry(stream, "") }
}

fn described(description: Option<&str>) -> StreamRules {
    StreamRules { description: description.map(Into::into), ..rules(HashSuite::Sha256, SigningRule::None) }
}
