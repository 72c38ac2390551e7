//! What each kind of record has to be, beside what stands before it.

use crate::entry::{EntryRef, SigningRule, StreamRules, checkpoint_message, entry_message, is_reserved_stream};
use crate::hash::{Hash, KeyId, Suite};
use crate::introduction;
use crate::jsonl::RowError;
use crate::note::{self, SignatureLine, VerifierKey};
use crate::providers::WrapAlgorithm;
use crate::record::{DataKeyRow, HeadRow, LogRow, PrunedRow, SegmentRow, SignatureRow, StreamRow, Subject, UnknownRow};
use crate::review::Worth;
use crate::sign::Claim;
use crate::tree::leaf_hash;
use crate::verify::commit::{Closing, Lack};
use crate::verify::finding::{Finding, FindingCode, Place, Quoted};
use crate::verify::missing::{Missing, MissingCode};
use crate::verify::part::Scope;
use crate::verify::prepared::Digest;
use crate::verify::report::{Few, KeyRole};
use crate::verify::signatures::CheckedSignature;
use crate::verify::stream::{Kind, Stream};
use crate::verify::verifier::Verifier;

impl Verifier {
    /// Nothing is known of such a record, and so nothing can be wrong with it.
    pub(super) fn on_unknown(&mut self, row: UnknownRow<'_>, line: u64) {
        self.miss(Missing::at(MissingCode::Unknown, Place::Line(line), row.to_string()));
    }

    pub(super) fn on_log(&mut self, row: &LogRow) -> Result<(), Finding> {
        if let Some(origin) = self.trust.origin().filter(|origin| *origin != row.origin) {
            return Err(Finding::new(FindingCode::HeadMismatch, Place::Origin, "another log")
                .comparing(Quoted(origin), Quoted(&row.origin)));
        }
        self.log = Some(row.clone());
        Ok(())
    }

    pub(super) fn on_stream(&mut self, row: &StreamRow, at: Place) -> Result<(), Finding> {
        let mismatch = |detail| Err(Finding::new(FindingCode::PolicyMismatch, at.clone(), detail));
        if is_reserved_stream(&row.name) && row.rules != StreamRules::default() {
            return mismatch("rules of the engine's own stream");
        }
        self.commit.begun = true;
        let Some(index) = self.streams.find(&row.name) else {
            if row.deprecated.is_some() {
                let detail = "a new stream that is deprecated already";
                return Err(Finding::new(FindingCode::Malformed, at, detail));
            }
            let log = self.log.as_ref().expect("records are read only after that of the log");
            let genesis = row.policy_hash(log);
            let stream = Stream::new(row.clone(), genesis);
            if let Some(tally) = &mut self.tally {
                tally.stream(&row.name);
            }
            self.streams.add(if self.scope == Scope::Range { stream.somewhere() } else { stream });
            return Ok(());
        };
        let old = &mut self.streams.list[index].row;
        if (&old.rules, &old.created) != (&row.rules, &row.created) {
            return mismatch("a stream's rules changed");
        }
        if old.deprecated.is_some() && old.deprecated != row.deprecated {
            return mismatch("a deprecation was taken back");
        }
        old.deprecated.clone_from(&row.deprecated);
        self.commit.deprecations.push(index);
        Ok(())
    }

    pub(super) fn on_data_key(&mut self, row: &DataKeyRow, at: Place) -> Result<(), Finding> {
        let stream = self.find_stream(&row.stream, &at)?;
        if row.alg.parse::<WrapAlgorithm>().is_err() {
            let detail = format!("unknown key wrapping {}", Quoted(&row.alg));
            self.miss(Missing::at(MissingCode::Unknown, at, detail));
        } else {
            self.unwrap_data_key(stream, row, at);
        }
        self.commit.begun = true;
        self.add_data_key(stream, row.id);
        Ok(())
    }

    pub(super) fn on_pruned(&mut self, row: PrunedRow<'_>, at: Place) -> Result<(), Finding> {
        let stream = self.find_stream(row.stream, &at)?;
        self.check_next(row.seqno)?;
        self.push(stream, row.seqno, row.hash, leaf_hash(&row.hash), Kind::Produced);
        let s = &mut self.streams.list[stream];
        s.gone = Some(row.seqno);
        s.writer = None;
        self.counts.pruned += 1;
        if let Some(tally) = &mut self.tally {
            tally.pruned(stream);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn on_entry(
        &mut self,
        entry: &EntryRef<'_>,
        digest: Digest,
        hash: Hash,
        payload_form_fits: bool,
        line: u64,
    ) -> Result<(), Finding> {
        let (line, at) = (Place::Line(line), Place::Seqno(entry.seqno));
        let stream = self.find_stream(entry.stream, &line)?;
        self.check_next(entry.seqno)?;
        if !payload_form_fits {
            return Err(Finding::new(FindingCode::Malformed, line, RowError::PayloadForm.to_string()));
        }
        let s = &mut self.streams.list[stream];
        s.meet(entry);
        if entry.prev != s.prev.0 {
            return Err(Finding::new(FindingCode::ChainBroken, at, "prev-entry-hash does not match")
                .comparing(s.prev, const_hex::encode(entry.prev)));
        }
        if entry.version != s.suite.version() {
            return Err(Finding::new(FindingCode::Downgrade, at, "the suite changed without an entry that says so")
                .comparing(s.suite.version(), entry.version));
        }
        let content = match s.suite {
            Suite::Sha256 | Suite::Blake3 => digest.content,
            Suite::HmacSha256(key) => self.mac_of(stream, key, entry),
        };
        if let Some(actual) = content.filter(|actual| *actual != hash) {
            let detail = "the content does not hash to the entry's hash";
            return Err(Finding::new(FindingCode::HashMismatch, at, detail).comparing(hash, actual));
        }
        let control = entry.is_control();
        if self.streams.list[stream].deprecated_at.is_some() && !control {
            return Err(Finding::new(FindingCode::Deprecated, at, "an entry after its stream was deprecated"));
        }
        let kind = if control {
            self.control_entry(entry, stream)?
        } else if is_reserved_stream(entry.stream) {
            return Err(Finding::new(FindingCode::Reserved, at, "a producer's entry in a stream of the engine's"));
        } else {
            self.producer_entry(entry, stream)?;
            Kind::Produced
        };
        self.push(stream, entry.seqno, hash, digest.leaf, kind);
        self.streams.list[stream].set_writer(entry.boot, entry.session);
        self.counts.entries += 1;
        if let Some(tally) = &mut self.tally {
            tally.entry(stream, entry);
        }
        Ok(())
    }

    /// The hash of an entry under a key of the keyed suite, or `None` where it cannot be computed.
    fn mac_of(&mut self, stream: usize, key: KeyId, entry: &EntryRef<'_>) -> Option<Hash> {
        self.scratch.clear();
        entry.encode_into(&mut self.scratch);
        let reason = match self.trust.mac(key, &self.scratch) {
            Some(Ok(mac)) => return Some(Hash(mac)),
            Some(Err(error)) => error.to_string(),
            None => "no HMAC key with this stream's key id was given".into(),
        };
        let s = &mut self.streams.list[stream];
        if !core::mem::replace(&mut s.key_reported, true) {
            let at = Place::Stream(s.row.name.clone());
            self.miss(Missing::at(MissingCode::MacKey, at, reason));
        }
        None
    }

    /// Appends an entry to the trees.
    #[inline]
    pub(super) fn push(&mut self, stream: usize, seqno: u64, hash: Hash, leaf: Hash, kind: Kind) {
        self.leaf.begin(leaf);
        if self.apart.is_none() {
            self.leaf.push(&mut self.tree);
        }
        self.last = Some((seqno, hash));
        let s = &mut self.streams.list[stream];
        s.push(seqno, hash, &mut self.leaf, kind);
        self.commit.begun = true;
        if s.row.rules.sign == SigningRule::Entries {
            self.commit.owe_entry(seqno);
        }
    }

    pub(super) fn on_segment(&mut self, row: &SegmentRow, line: Place) -> Result<(), Finding> {
        let stream = self.find_stream(&row.stream, &line)?;
        let s = &mut self.streams.list[stream];
        let finding = |code, detail| Finding::new(code, Place::Segment(row.id), detail);
        let mismatch = |detail| finding(FindingCode::SegmentMismatch, detail);
        self.segments.meet(row.id, self.scope);
        s.meet_segment(row);
        let next = self.segments.next();
        if row.id != next {
            return Err(finding(FindingCode::Gap, "not the next segment").comparing(next, row.id));
        }
        if !s.unseen.run && (s.run.tree.size() == 0 || s.run.only_closings) {
            return Err(finding(FindingCode::EmptySegment, "nothing was appended since the last close"));
        }
        let actual = (s.run.first, s.run.last, s.run.tree.size());
        let whole = s.has_all_of(row);
        let fits = if whole { (row.first, row.last, row.count) == actual } else { s.run.may_end(row) };
        if !fits {
            return Err(mismatch("range or count")
                .comparing(format!("{actual:?}"), format!("{:?}", (row.first, row.last, row.count))));
        }
        let root = if whole { s.run.tree.root() } else { row.root };
        if row.root != root {
            return Err(mismatch("the root is not that of its entries").comparing(root, row.root));
        }
        let by_another = s.writer.as_ref().is_some_and(|writer| (&writer.0, &writer.1) != (&row.boot, &row.session));
        if row.last_hash != s.prev || by_another {
            return Err(mismatch("last entry"));
        }
        if row.prev != s.checkpoint {
            return Err(finding(FindingCode::CheckpointBroken, "prev-checkpoint-hash does not match")
                .comparing(s.checkpoint, row.prev));
        }
        if row.policy != s.genesis {
            return Err(finding(FindingCode::PolicyMismatch, "not the stream's rules").comparing(s.genesis, row.policy));
        }
        let checkpoint = row.checkpoint().hash();
        let s = &mut self.streams.list[stream];
        self.data_keys -= s.data_keys.len();
        self.opener.close(stream);
        s.close(checkpoint);
        self.segments.push(checkpoint, row.last);
        self.commit.begun = true;
        self.commit.closings.push(Closing { stream, segment: row.id, checkpoint });
        self.commit.owe_segment(row.id, s.row.rules.sign != SigningRule::None);
        self.counts.segments += 1;
        if let Some(tally) = &mut self.tally {
            tally.segment(stream, row);
        }
        Ok(())
    }

    pub(super) fn on_signature(
        &mut self,
        row: &SignatureRow,
        checked: Option<&CheckedSignature>,
    ) -> Result<(), Finding> {
        let worth = self.judge_signature(row, checked);
        if let Some(tally) = &mut self.tally {
            let last_of_segment = match row.of {
                Subject::Entry(_) => None,
                Subject::Segment(id) => self.segments.find(id).map(|(_, last)| *last),
            };
            tally.signature(row, last_of_segment, *worth.as_ref().unwrap_or(&Worth::Invalid));
        }
        worth.map(|_| ())
    }

    /// `checked` is what was found ahead: it counts if it was found with what is signed.
    fn judge_signature(&mut self, row: &SignatureRow, checked: Option<&CheckedSignature>) -> Result<Worth, Finding> {
        let mut result = None;
        // What is signed, the seqno that its signer has to speak for, and the place.
        let (message, seqno, at) = match row.of {
            Subject::Entry(seqno) => {
                let signed = self.last.filter(|(last, _)| *last == seqno).map(|(_, hash)| hash);
                result = checked.filter(|checked| Some(checked.of) == signed).map(|checked| checked.result);
                (signed.map(|hash| entry_message(&hash).to_vec()), seqno, Place::Entry(seqno))
            }
            Subject::Segment(id) => {
                let segment = self.segments.find(id);
                let message = segment.map(|(hash, _)| checkpoint_message(hash).to_vec());
                (message, segment.map_or(0, |(_, last)| *last), Place::Segment(id))
            }
        };
        let invalid = |detail: String| Err(Finding::new(FindingCode::SignatureInvalid, at.clone(), detail));
        let Some(message) = message else {
            return invalid("signs no segment before it, nor the entry right before it".into());
        };
        self.commit.begun = true;
        self.commit.signed(row.of);
        let mut known = false;
        let mut key = None;
        let mut in_range = false;
        for signer in self.trust.signers().iter().filter(|signer| signer.identity == row.identity) {
            known = true;
            if signer.key.algorithm().as_str() == row.alg && signer.key.as_bytes() == row.key {
                key = Some(&signer.key);
                in_range |= signer.range.contains(&seqno);
            }
        }
        if !known {
            self.unknown_signers.add(&row.identity);
            return Ok(Worth::Unknown);
        }
        let Some(key) = key else {
            return invalid(format!("not a key that the policy gives {}", Quoted(&row.identity)));
        };
        let claim = Claim { key, message: &message, signature: &row.sig };
        if let Err(error) = result.unwrap_or_else(|| self.checks().verify(claim)) {
            return invalid(format!("{}: {error}", Quoted(&row.identity)));
        }
        self.rotations.check(introduction::KeyRole::Signer, key, seqno, at)?;
        self.counts.signatures += 1;
        self.keys.note(KeyRole::Signer, &row.identity, key, seqno);
        if in_range {
            self.commit.vouched(row.of);
        }
        Ok(if in_range { Worth::Valid } else { Worth::OutOfRange })
    }

    /// `was_made_by` answers of a line and a key what was found before; what was not found is checked here.
    pub(super) fn on_head(
        &mut self,
        row: &HeadRow,
        was_made_by: impl Fn(usize, &VerifierKey) -> bool,
    ) -> Result<(), Finding> {
        let at = Place::Head(row.size);
        let size = self.tree.size();
        if row.size > size {
            let detail = "it covers more entries than stand before it";
            return Err(Finding::new(FindingCode::Truncated, at, detail).comparing(row.size, size));
        }
        if row.size < size {
            let detail = "more entries stand before it";
            return Err(Finding::new(FindingCode::HeadMismatch, at, detail).comparing(size, row.size));
        }
        let root = self.tree.root();
        if row.root != root {
            let detail = "the root is not that of the log";
            return Err(Finding::new(FindingCode::HeadMismatch, at, detail).comparing(root, row.root));
        }
        self.check_owed()?;
        let signatures = self.check_signatures(row, was_made_by)?;
        if let Some(tally) = &mut self.tally {
            tally.head(row, signatures);
        }
        self.end_commit(size, root);
        Ok(())
    }

    /// Checks who signed a head, and answers how many signatures it has of keys of the log, and how many of witnesses.
    pub(super) fn check_signatures(
        &mut self,
        row: &HeadRow,
        was_made_by: impl Fn(usize, &VerifierKey) -> bool,
    ) -> Result<(u64, u64), Finding> {
        let (mut signatures, mut cosignatures) = (0, 0);
        let log = self.log.as_ref().expect("records are read only after that of the log");
        let (size, text) = (row.size, note::text(&log.origin, row.size, &row.root));
        for (place, line) in row.sigs.iter().enumerate() {
            let invalid = |error: note::NoteError| {
                Finding::new(FindingCode::SignatureInvalid, Place::Head(row.size), error.to_string())
            };
            let line = SignatureLine::parse(line).map_err(invalid)?;
            let mut keys = self.trust.log_keys().iter().chain(self.trust.witnesses());
            let Some(key) = keys.find(|key| key.is_named_by(&line)) else { continue };
            if !was_made_by(place, key) {
                self.checks().verify_line(key, &line, &text).map_err(invalid)?;
            }
            if key.name() == log.origin && !key.is_witness() {
                self.rotations.check(introduction::KeyRole::Log, key.public_key(), size, Place::Head(size))?;
                self.trusted_head = size;
                signatures += 1;
                self.keys.note(KeyRole::Log, key.name(), key.public_key(), size);
            } else {
                self.counts.cosignatures += 1;
                cosignatures += 1;
                self.cosigners.note(size, key);
                self.keys.note(KeyRole::Witness, key.name(), key.public_key(), size);
            }
        }
        self.counts.heads += 1;
        Ok((signatures, cosignatures))
    }

    /// What was read up to here is what the head of this size and root covers.
    pub(super) fn end_commit(&mut self, size: u64, root: Hash) {
        self.keys.settle();
        if self.trusted_head == size {
            self.cosigners.judge(size, &self.trust);
            self.prunings = Few::default();
        }
        self.at_head = (self.counts, size, root);
    }

    /// Checks what a commit must hold besides its entries, and ends it.
    pub(super) fn check_owed(&mut self) -> Result<(), Finding> {
        let mut commit = core::mem::take(&mut self.commit);
        let streams = &self.streams.list;
        let name = |stream: usize| &streams[stream].row.name;
        let unmatched = commit.unmatched_segments();
        if let Some(closing) = unmatched.iter().min_by_key(|c| (name(c.stream), c.segment, c.checkpoint)) {
            let detail = "a segment, and the entry that says it was closed, stand in one commit";
            return Err(Finding::new(FindingCode::SegmentMissing, Place::Segment(closing.segment), detail));
        }
        let (lacking, unlisted) = commit.unsigned();
        for (of, lack) in lacking {
            let at = match of {
                Subject::Entry(seqno) => Place::Entry(seqno),
                Subject::Segment(id) => Place::Segment(id),
            };
            if lack == Lack::Signature {
                return Err(Finding::new(FindingCode::Unsigned, at, "the stream's rules require a signature"));
            }
            let detail = "no signature by a signer of the trust policy";
            self.missing.add(&Missing::at(MissingCode::UnknownSigner, at, detail));
        }
        self.missing.unlisted += unlisted;
        let undeclared = |stream: &&usize| {
            let s = &streams[**stream];
            s.row.deprecated != s.deprecated_at
        };
        if let Some(stream) = commit.deprecations.iter().filter(undeclared).min_by_key(|stream| name(**stream)) {
            let detail = "deprecated, and no entry says so, or not when";
            return Err(Finding::new(FindingCode::PolicyMismatch, Place::Stream(name(*stream).clone()), detail));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn find_stream(&mut self, name: &str, at: &Place) -> Result<usize, Finding> {
        self.streams.find(name).ok_or_else(|| Finding::new(FindingCode::Malformed, at.clone(), "before its stream"))
    }

    #[inline]
    fn check_next(&self, seqno: u64) -> Result<(), Finding> {
        let next = self.next_seqno(seqno);
        if seqno == next {
            return Ok(());
        }
        Err(Finding::new(FindingCode::Gap, Place::Seqno(seqno), "not the next entry").comparing(next, seqno))
    }
}
