//! Opening what is sealed, where the caller gave keys that wrap data keys (format.md s.8).

use std::collections::BTreeMap;

use crate::entry::{EntryRef, Tier};
use crate::hash::Hash;
use crate::providers::UnwrapError;
use crate::record::DataKeyRow;
use crate::sealed::{self, DataKey, Place as Sealed, PseudonymKey, PseudonymOf, Restricted, SealedPayload, StreamKey};
use crate::verify::content::MAX_DATA_KEYS;
use crate::verify::finding::{Finding, FindingCode, Place, Quoted};
use crate::verify::missing::{Missing, MissingCode};
use crate::verify::verifier::Verifier;

/// The keys of streams that were unwrapped, each once.
#[derive(Debug, Default)]
pub(super) struct Opener {
    /// Those of the open segments of streams.
    data: BTreeMap<usize, BTreeMap<Hash, DataKey>>,
    /// How many these are.
    count: usize,
    pseudonyms: BTreeMap<usize, PseudonymKey>,
}

impl Opener {
    /// A stream's segment was closed: nothing is sealed with its keys any more.
    pub(super) fn close(&mut self, stream: usize) {
        self.count -= self.data.remove(&stream).map_or(0, |keys| keys.len());
    }

    fn add(&mut self, stream: usize, key: StreamKey) {
        match key {
            // Who has a key that wraps could make any number of them, and no log has so many open segments.
            StreamKey::Data(_) if self.count == MAX_DATA_KEYS => {}
            StreamKey::Data(key) => {
                let added = self.data.entry(stream).or_default().insert(key.id(), key).is_none();
                self.count += usize::from(added);
            }
            StreamKey::Pseudonym(key) => {
                self.pseudonyms.insert(stream, key);
            }
        }
    }
}

impl Verifier {
    /// Unwraps a data key that stands here, if there are keys to do so. One that cannot be unwrapped is no finding: its line is
    /// covered by nothing, and another key may have been given.
    pub(super) fn unwrap_data_key(&mut self, stream: usize, row: &DataKeyRow, at: Place) {
        let Some(log) = self.log.as_ref().filter(|_| self.trust.opens()) else { return };
        let (label, wanting) = (Quoted(&row.kek), MissingCode::WrappingKey);
        let missing = match self.trust.unwrap(Sealed { log: &log.id, stream: &row.stream }, row) {
            Some(Ok(key)) => return self.opener.add(stream, key),
            None => Missing::new(wanting, format!("the wrapping key {label} was not given")),
            Some(Err(UnwrapError::Key(error))) => Missing::new(wanting, format!("the wrapping key {label}: {error}")),
            Some(Err(UnwrapError::NotAuthentic)) => {
                Missing::at(wanting, at, format!("a data key that is not what the key {label} wrapped"))
            }
        };
        self.miss(missing);
    }

    /// Opens the payload of an entry, if its data key was unwrapped.
    pub(super) fn open_payload(
        &mut self,
        entry: &EntryRef<'_>,
        payload: &SealedPayload<'_>,
        (stream, tier): (usize, Tier),
    ) -> Result<(), Finding> {
        let key = self.opener.data.get(&stream).and_then(|keys| keys.get(&payload.key));
        let (Some(log), Some(key), Some(encoding)) = (&self.log, key, sealed::inner_encoding(entry.encoding)) else {
            return Ok(());
        };
        let place = Sealed { log: &log.id, stream: entry.stream };
        let finding = |detail| Finding::new(FindingCode::SealedMismatch, Place::Seqno(entry.seqno), detail);
        let opened =
            key.open(place, encoding, payload).map_err(|_| finding("the data key that it names does not open it"))?;
        if tier == Tier::HighlyRestricted {
            let restricted = Restricted::decode(&opened)
                .map_err(|_| finding("what was sealed is no event, producer and payload"))?;
            let stands_for = |of, value, pseudonym| match self.opener.pseudonyms.get(&stream) {
                Some(key) => key.stands_for(place, of, value, pseudonym),
                // The key for pseudonyms is gone, or could not be unwrapped.
                None => true,
            };
            if !(stands_for(PseudonymOf::EventType, restricted.event, entry.event)
                && stands_for(PseudonymOf::Producer, restricted.producer, entry.producer))
            {
                return Err(finding("a pseudonym that does not stand for what was sealed"));
            }
        }
        self.counts.opened += 1;
        if let Some(tally) = &mut self.tally {
            tally.opened(stream);
        }
        Ok(())
    }
}
