//! The exported interface `sealing`: convert, forward, convert back. What is to be sealed is zeroed once it was; what was opened is
//! handed over as it is, and what becomes of that is said in docs/sealing.md.

use core::mem::take;

use secure_log::engine::{Erase, Erased, NewEntry, Opened, PseudonymOf, Resealed};
use secure_log::entry::Entry;
use secure_log::error::LogError;
use zeroize::{Zeroize, Zeroizing};

use crate::bindings::exports::secure_log::log::{encoder, log, sealing, types, writer};
use crate::convert;
use crate::exports::{Component, Log, append_all, with};

impl sealing::Guest for Component {
    fn append_sealed(
        stream_id: String,
        event_type: String,
        severity: encoder::Severity,
        producer: String,
        payload: Vec<u8>,
        payload_encoding: String,
    ) -> Result<log::AppendResult, types::LogError> {
        let [event_type, producer] = [event_type, producer].map(Zeroizing::new);
        let payload = Zeroizing::new(payload);
        let entry = NewEntry {
            stream: &stream_id,
            event: &event_type,
            severity: convert::severity(severity),
            producer: &producer,
            encoding: &payload_encoding,
            payload: &payload,
        };
        with(|log| log.append_sealed(&entry)).map(|(appended, _)| convert::appended(&appended))
    }

    fn append_sealed_batch(mut batch: Vec<writer::NewEntries>) -> Result<writer::BatchResult, types::LogError> {
        let appended = append_all(&batch, Log::append_sealed_batch);
        for writer::NewEntries { event_type, producer, payloads, .. } in &mut batch {
            event_type.zeroize();
            producer.zeroize();
            payloads.zeroize();
        }
        appended
    }

    fn open_payload(seqno: u64) -> Result<sealing::Opened, types::LogError> {
        with(|log| log.open_payload(seqno)).map(opened)
    }

    fn open_page(
        stream_id: String,
        from_seqno: u64,
        to_seqno: u64,
        limit: u32,
    ) -> Result<Vec<sealing::PageEntry>, types::LogError> {
        let page = with(|log| log.open_page(&stream_id, from_seqno, to_seqno, limit))?;
        page.into_iter().map(page_entry).collect()
    }

    fn verify_log_opening() -> Result<writer::Report, types::LogError> {
        with(|log| log.verify_log_opening()).map(convert::report)
    }

    fn pseudonym(stream_id: String, of: sealing::PseudonymOf, value: String) -> Result<String, types::LogError> {
        let of = match of {
            sealing::PseudonymOf::EventType => PseudonymOf::EventType,
            sealing::PseudonymOf::Producer => PseudonymOf::Producer,
        };
        let value = Zeroizing::new(value);
        with(|log| log.pseudonym(&stream_id, of, &value))
    }

    fn reseal(stream_id: Option<String>, kek_label: String) -> Result<sealing::Resealed, types::LogError> {
        let Resealed { keys, more } = with(|log| log.reseal(stream_id.as_deref(), &kek_label))?;
        Ok(sealing::Resealed { keys, more })
    }

    fn erase(stream_id: String, what: sealing::Erasure) -> Result<sealing::Erased, types::LogError> {
        let what = match what {
            sealing::Erasure::Segment(id) => Erase::Segment(id),
            sealing::Erasure::Range(range) => Erase::Range(range.first, range.last),
            sealing::Erasure::Stream => Erase::Stream,
        };
        with(|log| log.erase(&stream_id, what)).map(erased)
    }
}

/// Moved and not copied: the bindings free what they are given, and zero nothing.
fn opened(mut opened: Opened) -> sealing::Opened {
    sealing::Opened {
        event_type: take(&mut *opened.event),
        producer: take(&mut *opened.producer),
        payload_encoding: opened.encoding,
        payload: take(&mut *opened.payload),
    }
}

fn page_entry((entry, content): (Entry, Result<Opened, LogError>)) -> Result<sealing::PageEntry, types::LogError> {
    let content = content.map(opened).map_err(convert::error);
    Ok(sealing::PageEntry { entry: convert::entry(entry)?, content })
}

fn erased(erased: Erased) -> sealing::Erased {
    let Erased { keys, recorded, more } = erased;
    sealing::Erased {
        keys: keys.iter().map(|id| id.0.to_vec()).collect(),
        recorded: recorded
            .map(|(seqno, commit)| sealing::ErasureEntry { seqno, commit: convert::commit_info(&commit) }),
        more,
    }
}
