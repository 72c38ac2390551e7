//! Reading and verifying.

use crate::control;
use crate::engine::SecureLog;
use crate::engine::proof::Checked;
use crate::entry::Entry;
use crate::error::LogError;
use crate::hash::{Hash, Suite};
use crate::providers::KeyError;
use crate::record::StreamRow;
use crate::store::SecureLogStore;
use crate::tree::{CompactTree, leaf_hash};
use crate::verify::{Finding, FindingCode, Place, Signer, Trust};

/// Entries that one page holds at most.
pub const MAX_PAGE: u32 = 1000;

/// A stream, and its number: the cursor of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedStream {
    /// Its place among the streams in the order in which they were made, from 1.
    pub number: u64,
    /// Its name and rules.
    pub row: StreamRow,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Reads an entry, re-hashes it and proves it under the head.
    pub fn read(&mut self, seqno: u64) -> Result<Entry, LogError> {
        self.read_hashed(seqno).map(|(entry, _)| entry)
    }

    /// The same, with the entry's hash.
    pub fn read_hashed(&mut self, seqno: u64) -> Result<(Entry, Hash), LogError> {
        self.reading(|log| log.read_once(seqno))
    }

    pub(super) fn read_once(&mut self, seqno: u64) -> Result<(Entry, Hash), LogError> {
        if seqno == 0 || seqno > self.accepted.head.size {
            return Err(LogError::EntryNotFound(seqno));
        }
        let mut found = None;
        self.walk(None, seqno, seqno, |_, _, checked| {
            found = Some(match checked {
                Checked::Entry(entry, hash) => (Some(entry.to_entry()), hash),
                Checked::Pruned(hash) => (None, hash),
            });
            Ok(false)
        })?;
        let (entry, hash) =
            found.ok_or(LogError::ChainBroken { seqno, reason: "the store does not have this entry" })?;
        self.prove_entry(seqno, &hash)?;
        Ok((entry.ok_or(LogError::EntryNotFound(seqno))?, hash))
    }

    /// Entries in ascending order, of one stream or of the whole log, each re-hashed and proven under the head. Pruned ones
    /// are left out. At most `limit` of them, and at most [`MAX_PAGE`].
    ///
    /// A store that leaves out another one is found: anywhere on a page of the whole log; between the entries of a stream, at
    /// its start when the page begins at 1, and at its end when the page reaches beyond it.
    pub fn read_page(&mut self, stream: Option<&str>, from: u64, to: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        self.reading(|log| log.page_once(stream, from, to, limit))
    }

    pub(super) fn page_once(
        &mut self,
        stream: Option<&str>,
        from: u64,
        to: u64,
        limit: u32,
    ) -> Result<Vec<Entry>, LogError> {
        let (from, to) = (from.max(1), to.min(self.accepted.head.size));
        // What the first entry of the stream names, and where the page has to end.
        let (start, end) = match stream {
            Some(name) => {
                let tip = self.existing_tip(name)?;
                (Some(tip.policy), tip.last.filter(|last| (from..=to).contains(last)))
            }
            None => (None, (from <= to).then_some(to)),
        };
        let limit = limit.min(MAX_PAGE) as usize;
        let mut page = Vec::new();
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut before: Option<(u64, Hash)> = None;
        self.walk(stream, from, to, |seqno, _, checked| {
            let (prev, hash) = match &checked {
                Checked::Entry(entry, hash) => (Some(entry.prev), *hash),
                Checked::Pruned(hash) => (None, *hash),
            };
            let follows = match (start, before) {
                (None, before) => seqno == before.map_or(from, |(seqno, _)| seqno + 1),
                (Some(_), None) if from > 1 => true,
                (Some(start), before) => {
                    let named = before.map_or(start, |(_, hash)| hash);
                    prev.is_none_or(|prev| prev == named.as_bytes())
                }
            };
            if !follows {
                return Err(LogError::ChainBroken {
                    seqno,
                    reason: "the store left out what stands before this entry",
                });
            }
            before = Some((seqno, hash));
            if let Checked::Entry(entry, hash) = checked {
                page.push((entry.to_entry(), hash));
            }
            Ok(page.len() < limit)
        })?;
        if let Some(seqno) = end.filter(|end| page.len() < limit && before.is_none_or(|(last, _)| last != *end)) {
            return Err(LogError::ChainBroken { seqno, reason: "the store does not have this entry" });
        }
        self.prove_entries(page.iter().map(|(entry, hash)| (entry.seqno, *hash)))?;
        Ok(page.into_iter().map(|(entry, _)| entry).collect())
    }

    /// The stream's last seqno, control entries included; `None` when it has no entry.
    pub fn head(&mut self, stream: &str) -> Result<Option<u64>, LogError> {
        self.reading(|log| Ok(log.existing_tip(stream)?.last))
    }

    /// Hash of the stream's last entry; `None` when it has no entry.
    pub fn last_hash(&mut self, stream: &str) -> Result<Option<Hash>, LogError> {
        self.reading(|log| {
            let tip = log.existing_tip(stream)?;
            Ok(tip.last.map(|_| tip.prev))
        })
    }

    /// A stream and its rules, proven.
    pub fn stream(&mut self, name: &str) -> Result<StreamRow, LogError> {
        self.reading(|log| Ok(log.existing_tip(name)?.row.clone()))
    }

    /// Streams with a number above `after`, in the order in which they were made, at most [`MAX_PAGE`]. They are as the store
    /// has them: [`SecureLog::stream`] proves one, and a verification all.
    pub fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<NumberedStream>, LogError> {
        self.catch_up()?;
        let states = self.store.streams(after, limit.min(MAX_PAGE))?;
        Ok(states.into_iter().map(|state| NumberedStream { number: state.number, row: state.row }).collect())
    }

    /// Re-hashes the stream's entries in a range and checks that they are one chain, that its ends are under the head, and
    /// that every segment that lies in the range has the root of its entries.
    pub fn verify_chain(&mut self, stream: &str, from: u64, to: u64) -> Result<(), LogError> {
        self.reading(|log| log.verify_chain_once(stream, from, to))
    }

    fn verify_chain_once(&mut self, stream: &str, from: u64, to: u64) -> Result<(), LogError> {
        let tip = self.existing_tip(stream)?;
        let (policy, last, end, first_suite) = (tip.policy, tip.last, tip.prev, tip.row.rules.suite);
        let Some(last) = last else { return Ok(()) };
        let to = to.min(last);
        let from_start = self.store.stream(stream)?.and_then(|state| state.first).is_none_or(|first| from <= first);
        let mac = self.mac.as_ref().map(|mac| mac.id);
        let mut suite = from_start.then_some(first_suite);
        let mut prev = from_start.then_some(policy);
        let (mut first_seen, mut last_seen) = (None, None);
        let mut segments = SegmentWatch { whole: from_start, ..SegmentWatch::default() };
        let walked = self.walk(Some(stream), from, to, |seqno, _, checked| {
            let broken = |reason| LogError::ChainBroken { seqno, reason };
            let hash = match &checked {
                Checked::Entry(entry, hash) => {
                    if prev.is_some_and(|prev| entry.prev != prev.as_bytes()) {
                        return Err(broken("prev-entry-hash does not match"));
                    }
                    if suite.is_some_and(|suite| suite.version() != entry.version) {
                        return Err(broken("the suite changed without an entry that says so"));
                    }
                    if entry.event == control::SUITE_CHANGED {
                        suite = control::decode_suite(entry.payload);
                    }
                    if entry.event == control::SEGMENT_CLOSED {
                        segments.close(control::decode_closed(entry.payload));
                    }
                    *hash
                }
                Checked::Pruned(hash) => {
                    suite = None;
                    *hash
                }
            };
            segments.push(&hash);
            first_seen.get_or_insert((seqno, hash));
            (prev, last_seen) = (Some(hash), Some((seqno, hash)));
            Ok(true)
        });
        walked.map_err(|error| match (error, suite, last_seen) {
            // The stream's key is the configured one, so what it computes is the truth.
            (LogError::MacKeyMissing { .. }, Some(Suite::HmacSha256(id)), seen) if Some(id) == mac => {
                let seqno = seen.map_or(from, |(seqno, _)| seqno + 1);
                LogError::ChainBroken { seqno, reason: "the content does not hash to the entry's hash" }
            }
            (error, ..) => error,
        })?;
        for (seqno, hash) in [first_seen, last_seen].into_iter().flatten() {
            self.prove_entry(seqno, &hash)?;
        }
        if to == last && last_seen != Some((last, end)) && from <= last {
            return Err(LogError::ChainBroken {
                seqno: last,
                reason: "the store does not have the stream's last entry",
            });
        }
        for (id, checkpoint, root, count) in segments.closed {
            let row = self.store.segment(id)?.ok_or(LogError::SegmentNotFound(id))?;
            if row.checkpoint().hash() != checkpoint || root.is_some_and(|root| (root, count) != (row.root, row.count))
            {
                return Err(LogError::InvalidRecord(Box::new(Finding::new(
                    FindingCode::SegmentMismatch,
                    Place::Segment(id),
                    "not what its entries and the entry that closed it say",
                ))));
            }
        }
        Ok(())
    }

    /// The policy, and the keys that this log has.
    pub(super) fn verifying_trust(&self) -> Result<Trust, LogError> {
        let mut trust = self.trust.clone();
        trust.set_origin(&self.log.origin);
        if let Ok(key) = &self.key {
            trust.add_log_key(key.verifier.clone());
        }
        if let Some(mac) = &self.mac {
            trust.add_mac(mac.id, self.providers.keystore.mac(&mac.label)?);
        }
        Ok(trust)
    }
}

/// The key that a keystore has for an identity now.
pub(super) fn own_signer(
    keystore: &dyn crate::providers::Keystore,
    identity: &str,
) -> Result<Option<Signer>, LogError> {
    match keystore.signer(identity) {
        Ok(signer) => Ok(Some(
            Signer::new(identity, signer.algorithm(), signer.public_key(), 1..=u64::MAX)
                .map_err(|error| KeyError::Backend(error.to_string()))?,
        )),
        Err(KeyError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Recomputes the segments that a walk over a stream passes.
#[derive(Default)]
struct SegmentWatch {
    tree: CompactTree,
    /// The walk began at the stream's start or has passed a close: the tree begins where a segment does.
    whole: bool,
    /// Id and checkpoint hash that the closing entry names; root and count where the whole segment was walked.
    closed: Vec<(u64, Hash, Option<Hash>, u64)>,
}

impl SegmentWatch {
    fn push(&mut self, hash: &Hash) {
        self.tree.push(leaf_hash(hash));
    }

    fn close(&mut self, named: Option<(u64, Hash)>) {
        let tree = core::mem::take(&mut self.tree);
        if let Some((id, checkpoint)) = named {
            self.closed.push((id, checkpoint, self.whole.then(|| tree.root()), tree.size()));
        }
        self.whole = true;
    }
}
