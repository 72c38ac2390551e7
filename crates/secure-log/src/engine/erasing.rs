//! Wrapping data keys anew, and erasing them on record (format.md s.8).

use std::collections::HashSet;

use crate::control;
use crate::engine::commit::{Say, Signing};
use crate::engine::data_keys::place;
use crate::engine::proof::Checked;
use crate::engine::{CommitInfo, SecureLog};
use crate::entry::Tier;
use crate::error::LogError;
use crate::hash::Hash;
use crate::limits::{Invalid, check_name, check_stream};
use crate::record::DataKeyRow;
use crate::sealed::{self, SealedPayload, inner_encoding};
use crate::store::SecureLogStore;

/// So many data keys are wrapped anew, or erased, at most in one call: a row has about 300 bytes, so that they have 20 MiB.
pub const MAX_REWRAPPED: usize = 65_536;

/// Streams read at once.
const PAGE: u32 = 256;

/// What is erased of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// What was sealed in the closed segment with this id.
    Segment(u64),
    /// What was sealed in the entries from the first to the last seqno. Both ends have to be where data keys change, as they
    /// do where segments are closed: otherwise [`LogError::ErasesMore`] says what the key at the end seals.
    Range(u64, u64),
    /// All that was ever sealed in it. In a highly-restricted stream the key for pseudonyms goes, too, so that nothing can be
    /// appended to it any more.
    Stream,
}

/// What [`SecureLog::erase`] destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The data keys that are gone, by their ids; empty where there was none to destroy.
    pub keys: Vec<Hash>,
    /// The entry that says so, and the head that it is under; `None` where no key was to be destroyed.
    pub recorded: Option<(u64, CommitInfo)>,
    /// There are further keys: call again.
    pub more: bool,
}

/// What [`SecureLog::reseal`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many data keys are wrapped by the new key now that were not before.
    pub keys: u64,
    /// There are further ones: call again.
    pub more: bool,
}

/// A data key, and the entries of a walk that it seals.
struct Use {
    key: Hash,
    first: u64,
    last: u64,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Wraps the data keys of a stream, or of all streams, by the key with this label. No entry changes. The keys of one call
    /// are stored in one step, so that a crash leaves each of them as it was or all of them wrapped anew; those that are wrapped
    /// by this key already are passed over, so that the call can be repeated.
    pub fn reseal(&mut self, stream: Option<&str>, kek_label: &str) -> Result<Resealed, LogError> {
        check_name("wrapping key", kek_label)?;
        self.refresh()?;
        let mut anew = Vec::new();
        let more = self.reading(|log| {
            anew.clear();
            match stream {
                Some(name) => {
                    log.protected(name)?;
                    log.rewrap(name, kek_label, &mut anew)
                }
                None => log.rewrap_all(kek_label, &mut anew),
            }
        })?;
        if !anew.is_empty() {
            self.store.replace_data_keys(&anew)?;
        }
        Ok(Resealed { keys: anew.len() as u64, more })
    }

    /// Destroys data keys of a stream: the chain, the segments, the heads and the proofs stay as they are, and nobody opens
    /// what the keys sealed. An entry says so under a signed head before the keys go, so that a log without a key erases
    /// nothing. When it returns, the store has made that they are gone durable.
    ///
    /// Where it fails after the entry was written, and after a crash, the erasure is finished by the next opening or by the
    /// next call that uses the stream, whoever makes it.
    pub fn erase(&mut self, stream: &str, what: Erase) -> Result<Erased, LogError> {
        check_stream(stream)?;
        if matches!(what, Erase::Range(first, last) if first == 0 || first > last) {
            return Err(Invalid::unusable("range", "1 <= first <= last").into());
        }
        self.refresh()?;
        self.signing_key("an erasure is recorded under a signed head")?;
        let (keys, more) = self.reading(|log| log.keys_to_erase(stream, what))?;
        if keys.is_empty() {
            // The call may be repeated because the store could not make an earlier one durable.
            self.store.drop_data_keys(&[])?;
            return Ok(Erased { keys, recorded: None, more });
        }
        let ((keys, seqno, more), info) = self.commit(Signing::Now, |log, commit, time| {
            let (keys, more) = log.keys_to_erase(stream, what)?;
            let mut seqno = None;
            if !keys.is_empty() {
                let (mut pen, streams) = log.pen(commit, time);
                let tip = streams.tip(stream).expect("the tip was loaded just now");
                let payload = control::encode_erased(&keys);
                seqno = Some(pen.entry(tip, &Say::control(control::ERASED, &payload))?.seqno);
            }
            Ok((keys, seqno, more))
        })?;
        self.finish_erasure(stream)?;
        Ok(Erased { keys, recorded: seqno.map(|seqno| (seqno, info)), more })
    }

    /// Drops the data keys that the stream's last entry says to be erased. Whoever writes to a stream does so first: then an
    /// erasure that another entry follows is known to be finished, and no more than the last entry has to be looked at.
    ///
    /// An entry that no signed head covers yet has nothing dropped: it may be anybody's.
    pub(super) fn finish_erasure(&mut self, stream: &str) -> Result<(), LogError> {
        let Some(seqno) = self.existing_tip(stream)?.erasing else { return Ok(()) };
        if seqno > self.accepted.signed_size() {
            return Ok(());
        }
        let (_, ids) = self.proven_entry(stream, seqno, |entry| control::decode_erased(entry.payload))?;
        let ids: HashSet<Hash> = ids.flatten().unwrap_or_default().into_iter().collect();
        self.ring.forget(&ids);
        let rows = self.store.data_keys(stream)?;
        let left: Vec<Hash> = rows.iter().map(|row| row.id).filter(|id| ids.contains(id)).collect();
        let dropped = self.store.drop_data_keys(&left);
        if !left.is_empty() {
            dropped?;
        } else if dropped.is_err() {
            // They are gone, and who dropped them may have been kept from making that durable: it is tried again.
            return Ok(());
        }
        self.existing_tip(stream)?.erasing = None;
        Ok(())
    }

    /// Finishes an erasure after a crash, where no later entry was written to the log. What keeps it from that keeps nobody from
    /// opening the log: whoever uses the stream is told.
    pub(super) fn finish_last_erasure(&mut self) {
        if let Some(stream) = self.erasing.take() {
            let _ = self.finish_erasure(&stream);
        }
    }

    /// The data keys that seal what is to be erased, as far as they are there, and whether there are more.
    fn keys_to_erase(&mut self, stream: &str, what: Erase) -> Result<(Vec<Hash>, bool), LogError> {
        self.protected(stream)?;
        self.finish_erasure(stream)?;
        let there: Vec<Hash> = self.store.data_keys(stream)?.iter().map(|row| row.id).collect();
        let mut keys = match what {
            Erase::Stream => there,
            Erase::Segment(id) => {
                let segment = self.store.segment(id)?.filter(|row| row.id == id && row.stream == stream);
                let segment = segment.ok_or(LogError::SegmentNotFound(id))?;
                self.prove_segment_row(&segment)?;
                named(self.uses(stream, segment.first, segment.last)?, &there)
            }
            Erase::Range(first, last) => {
                let uses = self.uses_around(stream, first, last)?;
                for used in &uses {
                    if used.first < first || used.last > last {
                        return Err(LogError::ErasesMore { first: used.first, last: used.last });
                    }
                }
                named(uses, &there)
            }
        };
        let more = keys.len() > MAX_REWRAPPED;
        keys.truncate(MAX_REWRAPPED);
        Ok((keys, more))
    }

    /// The data keys that seal entries of the range, with all that they seal: the segments that its ends are in are read as
    /// wholes, and no key is used across a close.
    fn uses_around(&mut self, stream: &str, first: u64, last: u64) -> Result<Vec<Use>, LogError> {
        let from = match self.segment_around(stream, first)? {
            Some((from, _)) => from,
            None => self.read_open_segment(stream, None)?.open.first,
        };
        let to = match self.segment_around(stream, last)? {
            Some((_, to)) => to,
            None => self.existing_tip(stream)?.last.unwrap_or(0),
        };
        let mut uses = self.uses(stream, from, to)?;
        uses.retain(|used| used.first <= last && used.last >= first);
        Ok(uses)
    }

    /// The range of the closed segment that holds this seqno.
    fn segment_around(&mut self, stream: &str, seqno: u64) -> Result<Option<(u64, u64)>, LogError> {
        let Some(row) = self.store.segment_of(stream, seqno)? else { return Ok(None) };
        if row.stream != stream || !(row.first..=row.last).contains(&seqno) {
            return Err(LogError::ChainBroken { seqno, reason: "the store answered another segment" });
        }
        self.prove_segment_row(&row)?;
        Ok(Some((row.first, row.last)))
    }

    /// The data keys that seal entries of a stream from one seqno to another. The entries are one chain, so that the store
    /// leaves out none between them.
    fn uses(&mut self, stream: &str, from: u64, to: u64) -> Result<Vec<Use>, LogError> {
        let (mut uses, mut prev): (Vec<Use>, Option<Hash>) = (Vec::new(), None);
        self.walk(Some(stream), from, to, |seqno, _, checked| {
            let hash = match &checked {
                Checked::Entry(entry, hash) => {
                    if prev.is_some_and(|prev| entry.prev != prev.as_bytes()) {
                        return Err(LogError::ChainBroken { seqno, reason: "prev-entry-hash does not match" });
                    }
                    let sealed = inner_encoding(entry.encoding).and_then(|_| SealedPayload::decode(entry.payload).ok());
                    if let Some(SealedPayload { key, .. }) = sealed {
                        match uses.iter_mut().rev().find(|used| used.key == key) {
                            Some(used) => used.last = seqno,
                            None => uses.push(Use { key, first: seqno, last: seqno }),
                        }
                    }
                    hash
                }
                Checked::Pruned(hash) => hash,
            };
            prev = Some(*hash);
            Ok(true)
        })?;
        Ok(uses)
    }

    /// A stream that seals.
    fn protected(&mut self, stream: &str) -> Result<(), LogError> {
        match self.existing_tip(stream)?.row.rules.tier {
            Tier::Public => Err(LogError::StreamNotProtected(stream.into())),
            Tier::Protected | Tier::HighlyRestricted => Ok(()),
        }
    }

    fn rewrap_all(&mut self, kek_label: &str, anew: &mut Vec<DataKeyRow>) -> Result<bool, LogError> {
        let mut after = 0;
        loop {
            let page = self.store.streams(after, PAGE)?;
            if page.is_empty() {
                return Ok(false);
            }
            for state in page {
                after = state.number.max(after + 1);
                let name = state.row.name;
                if self.existing_tip(&name)?.row.rules.tier != Tier::Public && self.rewrap(&name, kek_label, anew)? {
                    return Ok(true);
                }
            }
        }
    }

    /// Adds the keys of a stream, wrapped anew, and answers whether there are more than one call takes.
    fn rewrap(&mut self, stream: &str, kek_label: &str, anew: &mut Vec<DataKeyRow>) -> Result<bool, LogError> {
        self.finish_erasure(stream)?;
        for row in self.store.data_keys(stream)? {
            if row.kek == kek_label {
                continue;
            }
            if anew.len() == MAX_REWRAPPED {
                return Ok(true);
            }
            let (place, keystore) = (place(&self.log, stream), &*self.providers.keystore);
            let key = self.ring.unwrapped(keystore, place, &row)?;
            let kek = self.ring.kek(keystore, kek_label)?;
            let rewrapped = sealed::wrap(place, (row.id, &key), (kek, kek_label), &row.created)?;
            anew.push(DataKeyRow { first: row.first, ..rewrapped });
        }
        Ok(false)
    }
}

/// The keys that are used, as far as they are there. Of one that is gone already nothing is said: where no entry says so, it
/// was deleted, and that stays found.
fn named(uses: Vec<Use>, there: &[Hash]) -> Vec<Hash> {
    let there: HashSet<&Hash> = there.iter().collect();
    uses.into_iter().map(|used| used.key).filter(|key| there.contains(key)).collect()
}
