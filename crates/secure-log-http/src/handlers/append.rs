//! Appending: one record, an array of them, or one a line.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::engine::{Appended, CommitInfo, NewEntry};
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::limits::{MAX_BATCH_ENTRIES, check_batch_entries};
use secure_log::shared::Threads;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::api::{Admitted, Api, OpenLog, lock};
use crate::idempotency::{Ended, KEYS_STREAM, Keyed, Known, SERVICE_PRODUCER};
use crate::json;
use crate::message::{JSON, Response};
use crate::problem::Problem;

const NDJSON: &str = "application/x-ndjson";
const KEY: &str = "idempotency-key";
const INFO: &str = "info";

/// Says that an answer is of an append that was carried out before.
const REPLAYED: &str = "idempotency-replayed";

/// Says how many records there are as soon as they are read.
pub(super) fn append(api: &Api, request: &Admitted, body: &[u8], count: &mut u64) -> Result<Response, Problem> {
    let log = super::open(api, request)?;
    let _place = log.enter(&api.limits)?;
    let posted = Posted::read(&log, request, body, count)?;
    let mut entries = posted.entries(request)?;
    let Some(key) = request.head.header(KEY) else {
        let (appended, commit) = log.log.append_batch(&entries)?;
        return Ok(answer(api, &log, &appended, &commit));
    };
    let media_type = request.head.media_type().unwrap_or_default();
    let keyed = Keyed::new(request.who(), key, &media_type, body, entries.len() as u64);
    let (payload, event) = (keyed.payload(), keyed.event());
    entries.push(NewEntry {
        stream: KEYS_STREAM,
        event: &event,
        severity: Severity::Info,
        producer: SERVICE_PRODUCER,
        encoding: "application/json",
        payload: &payload,
    });
    if api.is_for_one_request {
        append_alone(api, &log, &keyed, &entries)
    } else {
        append_known(api, &log, &keyed, &entries)
    }
}

/// A longer body takes long to read, and is read by a thread that others do not wait for.
const READ_AT_ONCE: usize = 64 << 10;

/// Whether [`append_then`] does it: it takes no look at the keys.
pub(crate) fn is_at_once(request: &Admitted, bytes: usize) -> bool {
    bytes <= READ_AT_ONCE.min(request.max_body_bytes) && request.is_append() && request.head.header(KEY).is_none()
}

/// Has records without a key appended, and answers when they are, with no thread waiting.
pub(crate) fn append_then(
    api: &Arc<Api>,
    log: Arc<OpenLog>,
    request: &Admitted,
    body: &[u8],
    threads: &Threads,
    then: impl FnOnce(Response) + Send + 'static,
) {
    // Until somebody has read how many there are, they count as one.
    let mut count = 1;
    let mut then = Some(then);
    let mut begin = || {
        let place = log.enter(&api.limits)?;
        let posted = Posted::read(&log, request, body, &mut count)?;
        let entries = posted.entries(request)?;
        let (api, of_log, records, then) = (Arc::clone(api), Arc::clone(&log), count, then.take());
        log.log.append_batch_then(&entries, threads, move |outcome| {
            let answer = match outcome {
                Ok((appended, commit)) => answer(&api, &of_log, &appended, &commit),
                Err(error) => refused(&api, error.into(), records),
            };
            drop(place);
            if let Some(then) = then {
                then(answer);
            }
        });
        Ok(())
    };
    if let Err(problem) = begin()
        && let Some(then) = then
    {
        then(refused(api, problem, count));
    }
}

/// Counts records that are not in the log, and answers why.
fn refused(api: &Api, problem: Problem, records: u64) -> Response {
    super::count_dropped(api, &problem, records);
    problem.into()
}

/// So often an append with a key gives way to other writers, who may use the same key, before it is a conflict.
const TRIES: u32 = 32;

/// Appends with a key, where the keys that are known and those under way are in memory.
///
/// As below, nobody else may have appended since the key was looked for: so of several servers that are sent the same request one
/// appends it.
fn append_known(api: &Api, log: &OpenLog, keyed: &Keyed, entries: &[NewEntry<'_>]) -> Result<Response, Problem> {
    let mut seen = match lock(&log.keys).begin(keyed, &log.log)? {
        Known::New(seen) => seen,
        Known::Used(seqno) => return replayed(api, log, keyed, seqno),
        Known::UnderWay => return Err(Problem::new("idempotency-key-in-use").retry_after(1)),
    };
    // Whatever happens, the key does not stay under way.
    let mut ending = Ending { log, keyed, ended: Ended::Unknown };
    for lost in 0..TRIES {
        ending.ended = Ended::Unknown;
        let error = match log.log.append_batch_after(seen, entries) {
            Ok((mut appended, commit)) => {
                let of_key = appended.pop().expect("as many were appended as were given");
                ending.ended = Ended::Appended { seqno: of_key.seqno, size: commit.size };
                return Ok(answer(api, log, &appended, &commit));
            }
            Err(error) => error,
        };
        if !matches!(error, LogError::Store(_) | LogError::Anchor(_)) {
            ending.ended = Ended::Refused;
        }
        if error != LogError::Conflict {
            return Err(error.into());
        }
        give_way(lost);
        let (used, complete_to) = lock(&log.keys).look_again(keyed, &log.log)?;
        if let Some(seqno) = used {
            return replayed(api, log, keyed, seqno);
        }
        seen = complete_to;
    }
    Err(LogError::Conflict.into())
}

/// Appends with a key, where nothing but the log knows which were used: only where nobody else has appended since the key was not
/// found. So of any number of hosts that are sent the same request one appends it, and the others find that it did.
fn append_alone(api: &Api, log: &OpenLog, keyed: &Keyed, entries: &[NewEntry<'_>]) -> Result<Response, Problem> {
    let mut from = 1;
    for lost in 0..TRIES {
        let (used, size) = keyed.look_up(&log.log, from)?;
        if let Some(seqno) = used {
            return replayed(api, log, keyed, seqno);
        }
        match log.log.append_batch_after(size, entries) {
            Ok((mut appended, commit)) => {
                appended.pop();
                return Ok(answer(api, log, &appended, &commit));
            }
            Err(LogError::Conflict) => from = size + 1,
            Err(error) => return Err(error.into()),
        }
        give_way(lost);
    }
    Err(LogError::Conflict.into())
}

/// Waits for up to 64 ms, the longer the more often others were faster. Those who try again at once are in each other's way.
fn give_way(lost: u32) {
    let mut random = [0; 2];
    // Without random bytes it does not wait, which is no harm.
    let _ = getrandom::fill(&mut random);
    let micros = u64::from(u16::from_le_bytes(random)) % (1000 << lost.min(6));
    std::thread::sleep(Duration::from_micros(micros));
}

struct Ending<'a> {
    log: &'a OpenLog,
    keyed: &'a Keyed,
    ended: Ended,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        lock(&self.log.keys).end(self.keyed, self.ended);
    }
}

fn answer(api: &Api, log: &OpenLog, appended: &[Appended], commit: &CommitInfo) -> Response {
    api.metrics.appended.add(appended.len() as u64);
    log.lag.committed(commit.size, commit.anchored);
    Response::of(201, JSON, text(appended.iter().map(|entry| (entry.seqno, entry.hash)), commit))
}

/// `{"entries":[{"seqno":1,"hash":".."}],"size":1,"root":"..","signed":true,"anchored":false}`
fn text(entries: impl Iterator<Item = (u64, Hash)>, commit: &CommitInfo) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(br#"{"entries":["#);
    for (index, (seqno, hash)) in entries.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, r#"{comma}{{"seqno":{seqno},"hash":"{hash}"}}"#);
    }
    out.extend_from_slice(b"]");
    for (name, value) in json::commit(commit) {
        let _ = write!(out, r#","{name}":{value}"#);
    }
    out.extend_from_slice(b"}");
    out
}

/// The answer of the first time. What it says of the head is how the log stands now.
fn replayed(api: &Api, open: &OpenLog, keyed: &Keyed, seqno: u64) -> Result<Response, Problem> {
    let log = &open.log;
    let said = match log.lock().read(seqno) {
        Ok(entry) => Keyed::of(&entry),
        Err(LogError::EntryNotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let reused = || Problem::new("idempotency-key-reused");
    let said = said.ok_or_else(|| reused().detail("what it was used for was pruned"))?;
    if !keyed.is_repeated_by(&said) {
        return Err(reused().detail("it was used with another body"));
    }
    // No batch that was posted is longer, or begins before the log.
    let first = seqno.checked_sub(said.entries).filter(|first| *first > 0 && said.entries < MAX_BATCH_ENTRIES as u64);
    let first = first.ok_or_else(|| reused().detail("what it was used for is not known"))?;
    let mut entries = Vec::new();
    for seqno in first..seqno {
        // One at a time, so that others come in between.
        let (_, hash) = log.lock().read_hashed(seqno)?;
        entries.push((seqno, hash));
    }
    let status = log.lock().status();
    let commit = CommitInfo {
        size: status.size,
        root: status.root,
        signed: status.attested_to >= seqno,
        anchored: status.anchored_to.is_some_and(|size| size >= seqno),
    };
    api.metrics.replayed.add(1);
    Ok(Response::of(201, JSON, text(entries.into_iter(), &commit)).with(REPLAYED, "true"))
}

/// What a body holds.
struct Posted<'b> {
    records: Vec<Record<'b>>,
    payloads: Vec<Cow<'b, [u8]>>,
}

impl<'b> Posted<'b> {
    /// Says how many records there are as soon as they are read.
    fn read(log: &OpenLog, request: &Admitted, body: &'b [u8], count: &mut u64) -> Result<Posted<'b>, Problem> {
        if log.is_service() {
            return Err(Problem::new("forbidden").detail("nobody but the service appends to its own log"));
        }
        let mut records = match request.head.media_type().as_deref() {
            Some(JSON) => from_json(body)?,
            Some(NDJSON) => from_lines(body)?,
            _ => return Err(super::unsupported(&[JSON, NDJSON])),
        };
        if records.is_empty() {
            return Err(Problem::malformed("there is no record in it"));
        }
        *count = records.len() as u64;
        // The one more is the entry of the key.
        check_batch_entries(records.len() + 1)?;
        let payloads = records
            .iter_mut()
            .enumerate()
            .map(|(index, record)| record.take_payload().map_err(|problem| problem.fact("index", index)));
        let payloads = payloads.collect::<Result<_, _>>()?;
        Ok(Posted { records, payloads })
    }

    fn entries<'e>(&'e self, request: &'e Admitted) -> Result<Vec<NewEntry<'e>>, Problem> {
        let records = self.records.iter().zip(&self.payloads).enumerate();
        let entries = records.map(|(index, (record, payload))| {
            record.entry(payload, request.who()).map_err(|problem| problem.fact("index", index))
        });
        entries.collect()
    }
}

/// A record as it is posted, in the names that an entry has when it is read. What is not known is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "present")]
    severity: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    producer: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    encoding: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow, deserialize_with = "present")]
    b64: Option<Cow<'a, str>>,
}

/// A field may be left out, and is not `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
            Ok(Cow::Owned(text.into()))
        }
    }
    from.deserialize_str(Text).map(Some)
}

impl<'b> Record<'b> {
    /// Taken out of it, as it is no part of what is said of it.
    fn take_payload(&mut self) -> Result<Cow<'b, [u8]>, Problem> {
        match (self.text.take(), &self.b64) {
            (Some(Cow::Borrowed(text)), None) => Ok(Cow::Borrowed(text.as_bytes())),
            (Some(Cow::Owned(text)), None) => Ok(Cow::Owned(text.into_bytes())),
            (None, Some(b64)) => {
                let decoded = BASE64.decode(&**b64);
                Ok(Cow::Owned(
                    decoded.map_err(|_| Problem::malformed("b64 is base64 with padding").fact("field", "b64"))?,
                ))
            }
            (None, None) => Ok(Cow::Borrowed(&[])),
            (Some(_), Some(_)) => {
                Err(Problem::malformed("a payload is text or b64, and not both").fact("field", "b64"))
            }
        }
    }

    /// Who reports it is the name of the token, where nobody else is named.
    fn entry<'e>(&'e self, payload: &'e [u8], who: &'e str) -> Result<NewEntry<'e>, Problem> {
        if self.stream == KEYS_STREAM {
            return Err(Problem::new("invalid")
                .detail(format!("the stream {KEYS_STREAM} is the service's own"))
                .fact("field", "stream"));
        }
        let severity: Severity = self.severity.as_deref().unwrap_or(INFO).parse().map_err(|_| {
            Problem::malformed("severity is one of the names of the format, such as warning").fact("field", "severity")
        })?;
        let fitting = if self.b64.is_some() { "application/octet-stream" } else { "text" };
        Ok(NewEntry {
            stream: &self.stream,
            event: &self.event,
            severity,
            producer: self.producer.as_deref().unwrap_or(who),
            encoding: self.encoding.as_deref().unwrap_or(fitting),
            payload,
        })
    }
}

/// Records of an array, of which no more are kept than a batch can hold.
struct Records<'a>(Vec<Record<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Records<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Records<'a>, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Records<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records<'de>, A::Error> {
                let mut records = Vec::new();
                while let Some(record) = list.next_element()? {
                    if records.len() == MAX_BATCH_ENTRIES {
                        return Err(A::Error::custom(too_many()));
                    }
                    records.push(record);
                }
                Ok(Records(records))
            }
        }
        from.deserialize_seq(List)
    }
}

fn too_many() -> String {
    format!("more than {} records in one request", MAX_BATCH_ENTRIES - 1)
}

fn from_json(body: &[u8]) -> Result<Vec<Record<'_>>, Problem> {
    let malformed = |error: serde_json::Error| Problem::malformed(error.to_string());
    if body.trim_ascii_start().first() == Some(&b'[') {
        return serde_json::from_slice::<Records<'_>>(body).map(|records| records.0).map_err(malformed);
    }
    serde_json::from_slice(body).map(|record| vec![record]).map_err(malformed)
}

fn from_lines(body: &[u8]) -> Result<Vec<Record<'_>>, Problem> {
    let mut records = Vec::new();
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if records.len() == MAX_BATCH_ENTRIES {
            return Err(Problem::malformed(too_many()));
        }
        let record = serde_json::from_slice(line).map_err(|error| {
            Problem::malformed(format!("line {}: {error}", index + 1)).fact("line", json!(index + 1))
        })?;
        records.push(record);
    }
    Ok(records)
}
