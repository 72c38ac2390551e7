//! What a careful writer uses: batches, ids, pages, and the state after each commit.

use wasmtime::Result;

use super::{Done, Group, Step, checked, entries, entry, not_applicable, state};
use crate::expect::{equal, holds, refused};
use crate::host::LogError;
use crate::host::encoder::Severity;
use crate::host::writer::NewEntries;
use crate::merkle::sha256;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "writer",
    about: "append-batch, set-ids, read-page, read-indexed, reindex, status",
    steps: &[
        Step { name: "a batch is stored as a whole, in order", run: batch },
        Step { name: "a batch with one bad entry is refused as a whole", run: bad_batch },
        Step { name: "session and boot are the caller's", run: ids },
        Step { name: "pages of a stream and of the log", run: pages },
        Step { name: "events are found by who acted, and by an index that was made anew", run: indexed },
        Step { name: "two writers never fork the log and lose nothing", run: two_writers },
    ],
};

fn batch(session: &mut Session) -> Result<Done> {
    let streams = [session.stream("batch"), session.stream("batch-too")];
    let log = session.log()?;
    let before = log.status()??;
    // Of no entry, one, two and so on, so that one kind is followed by another at many places.
    let batch: Vec<NewEntries> = (0..15)
        .map(|kind| entries(&streams[kind % 2], (0..kind).map(|n| format!("entry {n} of kind {kind}"))))
        .collect();
    let given: Vec<_> =
        batch.iter().flat_map(|kind| kind.payloads.iter().map(|payload| (&kind.stream_id, payload))).collect();
    let stored = log.append_batch(&batch)??;
    equal("entries", stored.entries.len(), given.len())?;
    for (place, (appended, given)) in (1..).zip(stored.entries.iter().zip(given)) {
        equal("the seqno", appended.seqno, before.size + place)?;
        let read = log.read(appended.seqno)??;
        equal("the entry", (&read.stream_id, &read.payload), given)?;
    }
    let after = log.status()??;
    equal("size and root of the commit", (stored.commit.size, &stored.commit.root), (after.size, &after.root))?;
    holds("its head is signed", stored.commit.signed)?;
    equal("it is anchored only if there is an anchor", stored.commit.anchored, after.anchor)?;
    for nothing in [&[][..], &batch[..1]] {
        refused!("an empty batch", log.append_batch(nothing)?, LogError::Invalid(_))?;
    }
    checked("105 entries on 2 streams, in one commit with a signed head")
}

fn bad_batch(session: &mut Session) -> Result<Done> {
    let new = session.stream("never-made");
    let before = state(session)?;
    let log = session.log()?;
    let breaches: [fn(&mut NewEntries); 4] = [
        |entry| entry.stream_id.clear(),
        |entry| entry.event_type = "secure-log.created".into(),
        |entry| entry.producer = "\u{1b}".into(),
        |entry| entry.payloads = vec![vec![0; (16 << 20) + 1]],
    ];
    for breach in breaches {
        let mut batch = vec![entry(&new, "good"), entry(&new, "bad"), entry(&new, "good")];
        breach(&mut batch[1]);
        refused!("append-batch", log.append_batch(&batch)?, LogError::Invalid(_))?;
    }
    refused!("the stream of the good entries", log.head(&new)?, LogError::StreamNotFound(_))?;
    equal("the log afterwards", state(session)?, before)?;
    checked("4 batches refused, nothing of them was written")
}

fn ids(session: &mut Session) -> Result<Done> {
    let stream = session.stream("ids");
    let log = session.log()?;
    let before = log.status()??;
    for (given_session, boot) in [("session-7", "boot-3"), ("", ""), (&before.session_id, &before.boot_id)] {
        log.set_ids(given_session, boot)??;
        let appended = log.append(&stream, "e", Severity::Info, "verify", b"")??;
        let read = log.read(appended.seqno)??;
        equal("the ids of the entry", (read.session_id.as_str(), read.boot_id.as_str()), (given_session, boot))?;
        let status = log.status()??;
        equal("the ids in status", (status.session_id.as_str(), status.boot_id.as_str()), (given_session, boot))?;
    }
    checked("given, empty, and the first ones again")
}

fn pages(session: &mut Session) -> Result<Done> {
    let stream = session.stream("batch");
    let log = session.log()?;
    let size = log.status()??.size;
    let all = log.read_page(Some(&stream), 1, u64::MAX, 1000)??;
    equal("entries of the stream", all.len(), 56)?;
    let mut paged = Vec::new();
    while paged.len() < all.len() {
        let from = paged.last().map_or(1, |last: &crate::host::encoder::EntryFields| last.seqno + 1);
        let page = log.read_page(Some(&stream), from, u64::MAX, 7)??;
        holds("a page has 1 to 7 entries", (1..=7).contains(&page.len()))?;
        paged.extend(page);
    }
    equal("the pages together", &paged, &all)?;
    let tail = log.read_page(None, size - 9, size, 1000)??;
    let seqnos: Vec<u64> = tail.iter().map(|entry| entry.seqno).collect();
    equal("the last entries of the log", seqnos, (size - 9..=size).collect())?;
    equal("a page after the end", log.read_page(None, size + 1, u64::MAX, 10)??, Vec::new())?;
    checked("56 entries by sevens, and the last 10 of the log")
}

/// The key is computed here, as docs/audit.md says it is.
fn indexed(session: &mut Session) -> Result<Done> {
    let stream = session.stream("acted");
    let key = |id: &str| sha256(format!("secure-log/v1/index\nactor\nuser\n{id}").as_bytes())[..16].to_vec();
    let id = format!("alice of {stream}");
    let payload = format!(r#"{{"actor":{{"id":"{id}","kind":"user"}}}}"#);
    let log = session.log()?;
    let mut append = |payload: &str, encoding: &str| {
        log.append_with_encoding(&stream, "acted", Severity::Info, "harness", payload.as_bytes(), encoding)
    };
    let seqnos =
        [append(&payload, "secure-log.audit.v1+json")??.seqno, append(&payload, "secure-log.audit.v1+json")??.seqno];
    // No event, whatever it looks like.
    append(&payload, "application/json")??;
    for again in [false, true] {
        if again {
            log.reindex()??;
        }
        let mut found = |from, limit| -> Result<Vec<u64>> {
            Ok(log.read_indexed(&key(&id), from, u64::MAX, limit)??.iter().map(|entry| entry.seqno).collect())
        };
        equal("all of them", found(0, 1000)?, seqnos.to_vec())?;
        equal("the first of them", found(0, 1)?, seqnos[..1].to_vec())?;
        equal("those behind it", found(seqnos[0] + 1, 1000)?, seqnos[1..].to_vec())?;
        equal("of somebody else", log.read_indexed(&key("nobody"), 0, u64::MAX, 10)??, Vec::new())?;
    }
    refused!("a key of 15 bytes", log.read_indexed(&key(&id)[1..], 0, u64::MAX, 10)?, LogError::Invalid(_))?;
    checked("2 events of 3 entries that look like some")
}

/// Both instances have opened the log, and each believes that it knows where the log ends.
fn two_writers(session: &mut Session) -> Result<Done> {
    let (stream, config) = (session.stream("two-writers"), session.config());
    let mut other = session.instance()?;
    other.open(&config)??;
    if other.status()??.log_id != session.log()?.status()??.log_id {
        return not_applicable("this store keeps a log of its own for every instance");
    }
    let (mut acknowledged, mut told_to_retry) = (Vec::new(), 0);
    for n in 0..10 {
        let writer = if n % 2 == 0 { session.log()? } else { &mut other };
        let payload = format!("entry {n}");
        match writer.append(&stream, "e", Severity::Info, "verify", payload.as_bytes())? {
            Ok(appended) => acknowledged.push((appended.seqno, payload)),
            Err(LogError::Conflict | LogError::Locked(_)) => told_to_retry += 1,
            Err(error) => return Err(error.into()),
        }
    }
    drop(other);
    holds("somebody could write", !acknowledged.is_empty())?;
    let mut reader = session.instance()?;
    reader.open(&config)??;
    for (seqno, payload) in &acknowledged {
        equal("an acknowledged entry", reader.read(*seqno)??.payload.as_slice(), payload.as_bytes())?;
    }
    equal("entries of the stream", reader.read_page(Some(&stream), 1, u64::MAX, 100)??.len(), acknowledged.len())?;
    reader.verify_chain(&stream, 1, u64::MAX)??;
    checked(format!("{} entries acknowledged and there, {told_to_retry} calls told to come again", acknowledged.len()))
}
