//! Closing and proving segments, and their signatures.

use std::collections::HashMap;

use crate::control;
use crate::engine::archiving::CLOSED_AT_ONCE;
use crate::engine::commit::{Say, Signing};
use crate::engine::proof::{Checked, SegmentProof, segment_path};
use crate::engine::stream::{OpenSegment, Written};
use crate::engine::{CommitInfo, SecureLog};
use crate::entry::{SigningRule, checkpoint_message};
use crate::error::LogError;
use crate::hash::Hash;
use crate::limits::{check_name, check_stream};
use crate::providers::KeyError;
use crate::record::{Record, SegmentRow, SignatureRow, Subject};
use crate::sign::PublicKey;
use crate::store::{Commit, Node, NodeId, SecureLogStore, StoreError, TreeId};
use crate::submission::Submission;
use crate::tree::{CompactTree, leaf_hash};
use crate::verify::{Finding, FindingCode, Place};

/// A closed segment with the signatures that the store has of it. Who signed is for a verifier to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSegment {
    /// The segment.
    pub row: SegmentRow,
    /// Its signatures, oldest first.
    pub signatures: Vec<SignatureRow>,
}

/// What was read and proven of an open segment, from its first entry on.
#[derive(Debug, Default)]
pub(super) struct SegmentRead {
    pub(super) open: Written,
    /// The segment before it, and its checkpoint hash.
    closing: Option<(u64, Hash)>,
    /// Hash of the last entry that was read.
    end: Option<Hash>,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Closes the stream's open segment and, where the stream's rules say so, signs it in the same commit.
    pub fn close_segment(&mut self, stream: &str) -> Result<(SignedSegment, CommitInfo), LogError> {
        check_stream(stream)?;
        // A close is worth remembering, however often heads are published otherwise.
        let signing = if self.anchor.configured { Signing::Now } else { Signing::WhenDue };
        self.commit(signing, |log, commit, time| {
            log.finish_erasure(stream)?;
            log.push_close(commit, time, stream)?.ok_or_else(|| LogError::EmptySegment(stream.into()))
        })
    }

    /// Closes the stream's open segment in a commit in the making; `None` where it holds nothing that could be closed.
    pub(super) fn push_close(
        &mut self,
        commit: &mut Commit,
        time: &str,
        stream: &str,
    ) -> Result<Option<SignedSegment>, LogError> {
        let log = self;
        if matches!(log.existing_tip(stream)?.open, OpenSegment::Unread) {
            let read = log.segments_read.remove(stream);
            let read = log.read_open_segment(stream, read)?;
            log.existing_tip(stream)?.open = OpenSegment::Written(read.open.clone());
            // Or who closes a long segment into which others write would begin from its first entry each time, and never be done.
            // Those of one commit are kept, and not those of all that failed for another reason.
            if log.segments_read.len() >= CLOSED_AT_ONCE as usize {
                log.segments_read.clear();
            }
            log.segments_read.insert(stream.into(), read);
        }
        let sign = log.existing_tip(stream)?.row.rules.sign;
        log.check_signing(stream, sign)?;
        let id = log.next.segments + 1;
        let (mut pen, streams) = log.pen(commit, time);
        let tip = streams.tip(stream).expect("the tip was loaded just now");
        let OpenSegment::Written(open) = &mut tip.open else { unreachable!("an unread segment was read just now") };
        if !open.worth_closing {
            return Ok(None);
        }
        let row = SegmentRow {
            id,
            stream: stream.into(),
            first: open.first,
            last: open.last,
            count: open.tree.size(),
            root: open.tree.root(),
            last_hash: tip.prev,
            prev: open.prev_checkpoint,
            boot: core::mem::take(&mut open.boot),
            session: core::mem::take(&mut open.session),
            policy: tip.policy,
            closed: time.into(),
        };
        let checkpoint = row.checkpoint().hash();
        pen.commit.push(Record::Segment(&row));
        pen.commit.nodes.extend(open.nodes.drain(..).map(|(subtree, hash)| Node {
            id: NodeId { tree: TreeId::Segment(id), level: subtree.level, index: subtree.index },
            hash,
        }));
        let mut signatures = Vec::new();
        if sign != SigningRule::None {
            signatures.push(pen.signature(Subject::Segment(id), &checkpoint_message(&checkpoint))?);
            pen.commit.push(Record::Signature(&signatures[0]));
        }
        tip.open = OpenSegment::Written(Written::after(checkpoint));
        pen.next.segments = id;
        pen.entry(tip, &Say::control(control::SEGMENT_CLOSED, &control::encode_closed(id, &checkpoint)))?;
        Ok(Some(SignedSegment { row, signatures }))
    }

    /// A closed segment and its signatures.
    pub fn segment(&mut self, id: u64) -> Result<SignedSegment, LogError> {
        self.reading(|log| {
            let row = log.store.segment(id)?.filter(|row| row.id == id).ok_or(LogError::SegmentNotFound(id))?;
            log.signed(row)
        })
    }

    /// Closed segments of a stream with an id above `after`, oldest first, at most `limit`.
    pub fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SignedSegment>, LogError> {
        self.reading(|log| {
            log.existing_tip(stream)?;
            let rows = log.store.segments(stream, after, limit)?;
            rows.into_iter().map(|row| log.signed(row)).collect()
        })
    }

    /// The segment, proven, and its signatures.
    fn signed(&mut self, row: SegmentRow) -> Result<SignedSegment, LogError> {
        self.prove_segment_row(&row)?;
        let signatures = self.store.signatures(Subject::Segment(row.id))?;
        Ok(SignedSegment { row, signatures })
    }

    /// What is handed to whoever keeps evidence of a closed segment: one submission for each signature that the store has of
    /// it. The segment is proven; whose signatures count is for the receiver to judge.
    pub fn submissions(&mut self, id: u64) -> Result<Vec<Submission>, LogError> {
        let segment = self.segment(id)?;
        Ok(Submission::of(&self.log.origin, &segment))
    }

    /// Shows that an entry is in its closed segment. Reads O(log n) hashes.
    pub fn prove_in_segment(&mut self, seqno: u64) -> Result<SegmentProof, LogError> {
        self.reading(|log| log.prove_in_segment_once(seqno))
    }

    fn prove_in_segment_once(&mut self, seqno: u64) -> Result<SegmentProof, LogError> {
        let (entry, hash) = self.read_once(seqno)?;
        let row = self.store.segment_of(&entry.stream, seqno)?;
        let row = row.filter(|row| row.stream == entry.stream && (row.first..=row.last).contains(&seqno));
        let row = row.ok_or(LogError::SegmentNotFound(0))?;
        self.prove_segment_row(&row)?;
        let mut path = segment_path(&mut self.store, &row, seqno, &hash);
        if matches!(path, Err(LogError::InclusionMismatch { .. } | LogError::Store(StoreError::Corrupt { .. }))) {
            // A wrong index is no damage to the log.
            self.store.reindex()?;
            path = segment_path(&mut self.store, &row, seqno, &hash);
        }
        Ok(SegmentProof { seqno, hash, segment: row.id, root: row.root, path: path? })
    }

    /// Reads the entry that the proof names, re-hashes it, and follows the path from it to `root`.
    pub fn verify_in_segment(&mut self, proof: &SegmentProof, root: &Hash) -> Result<(), LogError> {
        let (entry, hash) = self.read_hashed(proof.seqno)?;
        let row = self.segment(proof.segment)?.row;
        let in_range = row.stream == entry.stream && (row.first..=row.last).contains(&proof.seqno);
        let proves = proof.hash == hash && proof.root == *root && row.root == *root && proof.folded() == Some(*root);
        if in_range && proves {
            Ok(())
        } else {
            Err(LogError::InclusionMismatch { seqno: proof.seqno, segment: proof.segment })
        }
    }

    /// Signs a closed segment with any key of the keystore, and stores the signature.
    pub fn sign_segment(&mut self, identity: &str, id: u64) -> Result<SignatureRow, LogError> {
        check_name("identity", identity)?;
        let segment = self.segment(id)?.row;
        let message = checkpoint_message(&segment.checkpoint().hash());
        let signer = self.providers.keystore.signer(identity)?;
        let (algorithm, key) = (signer.algorithm(), signer.public_key().to_vec());
        let bad = |error| KeyError::Backend(format!("'{identity}' made a signature that is none: {error}"));
        let public = PublicKey::new(algorithm, &key).map_err(bad)?;
        self.check_signer(identity, &public, segment.last)?;
        let sig = signer.sign(&message)?;
        public.verify(&message, &sig).map_err(bad)?;
        let row = SignatureRow {
            of: Subject::Segment(id),
            identity: identity.into(),
            alg: algorithm.as_str().into(),
            key,
            sig,
        };
        self.commit(Signing::WhenDue, |_, commit, _| {
            commit.push(Record::Signature(&row));
            Ok(())
        })?;
        Ok(row)
    }

    /// Recomputes a segment from its entries and checks its signatures by the keystore's keys and the policy's. Answers the
    /// first that verifies.
    pub fn verify_segment(&mut self, id: u64) -> Result<SignatureRow, LogError> {
        let segment = self.segment(id)?;
        self.recompute(&segment.row)?;
        self.check_signatures(&segment)?
            .ok_or_else(|| finding(FindingCode::Unsigned, id, "no signature by a key that is known here"))
    }

    /// Walks the stream's segments, recomputes each from its entries, and checks their chain and their signatures. Answers
    /// how many carry a signature by a known key.
    pub fn verify_checkpoints(&mut self, stream: &str) -> Result<u64, LogError> {
        self.reading(|log| log.verify_checkpoints_once(stream))
    }

    fn verify_checkpoints_once(&mut self, stream: &str) -> Result<u64, LogError> {
        const PAGE: u32 = 64;
        let tip = self.existing_tip(stream)?;
        let (policy, sign) = (tip.policy, tip.row.rules.sign);
        let (mut after, mut prev, mut signed) = (0, Hash::ZERO, 0);
        loop {
            let rows = self.store.segments(stream, after, PAGE)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let id = row.id;
                if id <= after || row.stream != stream {
                    return Err(finding(FindingCode::SegmentMissing, id, "the store answered another segment"));
                }
                if row.prev != prev {
                    return Err(finding(FindingCode::CheckpointBroken, id, "prev-checkpoint-hash does not match"));
                }
                if row.policy != policy {
                    return Err(finding(FindingCode::PolicyMismatch, id, "not the stream's rules"));
                }
                self.recompute(&row)?;
                self.prove_segment_row(&row)?;
                (after, prev) = (id, row.checkpoint().hash());
                let signatures = self.store.signatures(Subject::Segment(id))?;
                if signatures.is_empty() && sign != SigningRule::None {
                    return Err(finding(FindingCode::Unsigned, id, "the stream's rules require a signature"));
                }
                signed += u64::from(self.check_signatures(&SignedSegment { row, signatures })?.is_some());
            }
        }
        // No segment is missing at the end: what follows the last one holds no close.
        self.read_open_segment(stream, None)?;
        Ok(signed)
    }

    /// Reads and proves the entries since the last close. They are one chain from the close, or from the stream's rules, to
    /// the last entry, which was proven under the head: whoever slips one in breaks it. What was read before is not read again: the
    /// same chain leads from its last entry on.
    pub(super) fn read_open_segment(
        &mut self,
        stream: &str,
        read: Option<SegmentRead>,
    ) -> Result<SegmentRead, LogError> {
        let tip = self.existing_tip(stream)?;
        let (end, last, policy) = (tip.prev, tip.last, tip.policy);
        let Some(last) = last else { return Ok(SegmentRead::default()) };
        let closed = self.store.stream(stream)?.and_then(|state| state.segment);
        let closed = closed.map(|id| self.store.segment(id)?.ok_or(LogError::SegmentNotFound(id))).transpose()?;
        let closing = closed.as_ref().map(|row| (row.id, row.checkpoint().hash()));
        let read = read.filter(|read| read.closing == closing && read.open.last <= last);
        let SegmentRead { mut open, end: mut prev, .. } = read.unwrap_or_else(|| SegmentRead {
            open: Written::after(closing.map_or(Hash::ZERO, |(_, checkpoint)| checkpoint)),
            closing,
            end: None,
        });
        let before = closed.as_ref().map_or(0, |row| row.last).max(open.last);
        let from = before.saturating_add(1);
        self.walk(Some(stream), from, last, |seqno, _, checked| {
            let broken = |reason| LogError::ChainBroken { seqno, reason };
            let Checked::Entry(entry, hash) = checked else {
                return Err(broken("an entry of an open segment is never pruned"));
            };
            let is_closing = entry.event == control::SEGMENT_CLOSED;
            let linked = match (prev, closing) {
                (Some(prev), _) => entry.prev == Hash::as_bytes(&prev) && !is_closing,
                (None, Some(closing)) => is_closing && control::decode_closed(entry.payload) == Some(closing),
                (None, None) => entry.prev == policy.as_bytes(),
            };
            if !linked {
                return Err(broken("it does not follow from the entries before it in its segment"));
            }
            open.note_read(seqno, leaf_hash(&hash), &entry);
            prev = Some(hash);
            Ok(true)
        })?;
        if prev == Some(end) && open.last == last {
            Ok(SegmentRead { open, closing, end: prev })
        } else {
            Err(LogError::ChainBroken {
                seqno: last,
                reason: "the entries of the open segment do not lead to the last one",
            })
        }
    }

    /// Re-hashes the entries of a segment and recomputes what its row says of them.
    fn recompute(&mut self, row: &SegmentRow) -> Result<(), LogError> {
        let mismatch = |what| finding(FindingCode::SegmentMismatch, row.id, what);
        let mut tree = CompactTree::new();
        let (mut first, mut last, mut ids_match) = (0, (0, Hash::ZERO), true);
        self.walk(Some(&row.stream), row.first, row.last, |seqno, _, checked| {
            let (hash, prev) = match &checked {
                Checked::Entry(entry, hash) => {
                    ids_match = (entry.boot, entry.session) == (&row.boot, &row.session);
                    (*hash, Hash::try_from(entry.prev).ok())
                }
                Checked::Pruned(hash) => {
                    ids_match = true;
                    (*hash, None)
                }
            };
            if tree.size() == 0 {
                first = seqno;
            } else if prev.is_some_and(|prev| prev != last.1) {
                return Err(LogError::ChainBroken { seqno, reason: "prev-entry-hash does not match" });
            }
            tree.push(leaf_hash(&hash));
            last = (seqno, hash);
            Ok(true)
        })?;
        if (first, last.0, tree.size()) != (row.first, row.last, row.count) {
            return Err(mismatch("range or count"));
        }
        if tree.root() != row.root {
            return Err(mismatch("the root is not that of its entries"));
        }
        if last.1 != row.last_hash || !ids_match {
            return Err(mismatch("last entry"));
        }
        Ok(())
    }

    /// The first signature of a segment that verifies by a known key. One by a known identity that does not is a finding.
    fn check_signatures(&self, segment: &SignedSegment) -> Result<Option<SignatureRow>, LogError> {
        let message = checkpoint_message(&segment.row.checkpoint().hash());
        let at = Place::Segment(segment.row.id);
        self.first_verified(&segment.signatures, &message, &at, segment.row.last).map(Option::<&_>::cloned)
    }

    /// The first of the signatures of a message that verifies by a key that may speak for `seqno`.
    pub(super) fn first_verified<'r>(
        &self,
        rows: &'r [SignatureRow],
        message: &[u8],
        at: &Place,
        seqno: u64,
    ) -> Result<Option<&'r SignatureRow>, LogError> {
        let (mut verified, mut own) = (None, OwnKeys::default());
        for row in rows {
            let Some(key) = self.named_key(row, at, seqno, &mut own)? else { continue };
            if key.verify(message, &row.sig).is_err() {
                return Err(bad_signature(at, row));
            }
            verified.get_or_insert(row);
        }
        Ok(verified)
    }

    /// The key that a signature names, if it may speak for `seqno`. `None` when nobody knows the identity.
    pub(super) fn named_key(
        &self,
        row: &SignatureRow,
        at: &Place,
        seqno: u64,
        own: &mut OwnKeys,
    ) -> Result<Option<PublicKey>, LogError> {
        let Some(keys) = self.known_keys(&row.identity, seqno, own)? else { return Ok(None) };
        let named = |key: &PublicKey| key.algorithm().as_str() == row.alg && key.as_bytes() == row.key;
        keys.into_iter().find(named).map(Some).ok_or_else(|| bad_signature(at, row))
    }

    /// The keys that this identity may sign an entry or segment ending at `seqno` with: the policy's, and the one that the
    /// keystore has now. `None` when nobody knows the identity.
    pub(super) fn known_keys(
        &self,
        identity: &str,
        seqno: u64,
        own: &mut OwnKeys,
    ) -> Result<Option<Vec<PublicKey>>, LogError> {
        let mut keys = self.known_signers().signer_keys(identity, seqno);
        if let Some(key) = self.own_key(identity, own)? {
            keys.get_or_insert_default().push(key);
        }
        Ok(keys)
    }

    /// The key that the keystore has now for an identity. It is asked once.
    fn own_key(&self, identity: &str, own: &mut OwnKeys) -> Result<Option<PublicKey>, LogError> {
        if let Some(key) = own.0.get(identity) {
            return Ok(key.clone());
        }
        let key =
            match self.providers.keystore.signer(identity) {
                Ok(signer) => Some(PublicKey::new(signer.algorithm(), signer.public_key()).map_err(|error| {
                    KeyError::Backend(format!("'{identity}' has a public key that is none: {error}"))
                })?),
                Err(KeyError::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            };
        if own.0.len() == MAX_OWN_KEYS {
            own.0.clear();
        }
        own.0.insert(identity.into(), key.clone());
        Ok(key)
    }
}

/// What the keystore answered for identities. A log names few.
#[derive(Default)]
pub(super) struct OwnKeys(HashMap<String, Option<PublicKey>>);

/// Of so many identities the keystore's answers are remembered at most, whatever a hostile log names.
const MAX_OWN_KEYS: usize = 1024;

fn bad_signature(at: &Place, row: &SignatureRow) -> LogError {
    LogError::InvalidRecord(Box::new(Finding::new(FindingCode::SignatureInvalid, at.clone(), &row.identity)))
}

fn finding(code: FindingCode, segment: u64, detail: &str) -> LogError {
    LogError::InvalidRecord(Box::new(Finding::new(code, Place::Segment(segment), detail)))
}
