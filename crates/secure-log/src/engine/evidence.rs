//! Making evidence bundles (docs/evidence.md).
//!
//! What they are made of comes out of the store. A verifier of bundles with this log's own keys reads along, and the last
//! proof, without which a bundle shows nothing, is given out only when it has found nothing wrong.

use core::fmt;
use std::collections::HashMap;
use std::io::{self, Write};

use crate::bundle::{BundleVerifier, Claim, is_hint};
use crate::control;
use crate::engine::SecureLog;
use crate::engine::proof::{TreeReader, prove_consistency, prove_from_size, subtree_roots};
use crate::engine::read::own_signer;
use crate::engine::rotation::LogKey;
use crate::entry::{EntryRef, SigningRule};
use crate::error::LogError;
use crate::hash::Hash;
use crate::jsonl::{BundleLine, WriteError, write_bundle_line, write_record};
use crate::limits::Invalid;
use crate::note::VerifierKey;
use crate::record::{DataKeyRow, EntryRow, HeadRow, PrunedRow, Record, SegmentRow, StreamRow, Subject};
use crate::store::{EntryRange, SecureLogStore, StoreError, TreeId};
use crate::tree::{ProofPlan, Subtree, frontier};
use crate::verify::{FindingCode, Trust, Verdict};

/// What is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvidenceOf {
    /// The entry with this seqno.
    Entry(u64),
    /// All entries of the log from the first seqno to the second.
    Range(u64, u64),
    /// All entries of a stream, up to this seqno or to its last one.
    Stream(String, Option<u64>),
}

/// A bundle in the making: page after page, under a head that stays the same however the log grows.
#[derive(Debug)]
pub struct Evidence {
    claim: Claim,
    head: HeadRow,
    next: Step,
    /// How many rows are asked for at once.
    limit: u32,
    /// Streams whose lines were written.
    streams: HashMap<String, Named>,
    /// Data keys of the stream that is claimed.
    keys: Vec<DataKeyRow>,
    /// The last entry that is gone.
    gone: Option<u64>,
    /// The entry of a stream that was written last, where it is not gone: nothing but the next one's `prev` shows it so far.
    unshown: Option<u64>,
    /// Reads along, up to the end of the bundle.
    check: Option<BundleVerifier>,
    /// Why the last proof was not given out.
    refused: Option<LogError>,
}

/// A stream whose line was written.
#[derive(Clone, Debug)]
struct Named {
    row: StreamRow,
    /// `prev` of its first entry.
    policy: Hash,
    /// An entry of it was written that is not gone.
    met: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    /// The entries from this seqno on.
    Entries(u64),
    Proof,
}

/// How much of a bundle is held in memory at once, if no entry alone is larger.
const PAGE_BYTES: usize = 1 << 20;
/// Rows that are asked for at first, and at most: as many more each time as they turn out to be small.
pub(super) const FIRST_ROWS: u32 = 16;
const MAX_ROWS: u32 = 256;

/// How many rows to ask for next, when so many came of those that were asked for.
pub(super) fn next_limit(asked: u32, came: usize) -> u32 {
    let came = u32::try_from(came).unwrap_or(MAX_ROWS);
    if came < asked { came.max(1) } else { MAX_ROWS.min(asked * 2) }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Begins a bundle, under the signed head of a size or under the newest signed one. [`Evidence::next_page`] gives it
    /// out, and [`SecureLog::write_evidence`] does both.
    pub fn evidence(&mut self, of: &EvidenceOf, size: Option<u64>) -> Result<Evidence, LogError> {
        self.reading(|log| {
            let claim = log.claim(of)?;
            let head = match size {
                None => log.newest_signed()?,
                Some(size) => log.signed_of_size(size)?,
            };
            let (_, last) = claim.range();
            if last > head.size {
                return Err(LogError::NotCovered { seqno: last, size: head.size });
            }
            let accepted = (log.accepted.head.size, log.accepted.head.root);
            prove_consistency(&mut log.store, (head.size, &head.root), (accepted.0, &accepted.1))?;
            let check =
                BundleVerifier::new(log.own_trust()?).map_err(|error| Invalid::unusable("trust", error.to_string()))?;
            let keys = claim.stream().map(|name| log.store.data_keys(name)).transpose()?.unwrap_or_default();
            Ok(Evidence {
                claim,
                head,
                next: Step::Begin,
                limit: FIRST_ROWS,
                streams: HashMap::new(),
                keys,
                gone: None,
                unshown: None,
                check: Some(check),
                refused: None,
            })
        })
    }

    /// Writes a bundle, and answers what it claims. What was written before an error proves nothing.
    pub fn write_evidence(
        &mut self,
        of: &EvidenceOf,
        size: Option<u64>,
        out: &mut dyn Write,
    ) -> Result<Claim, EvidenceError> {
        let mut evidence = self.evidence(of, size)?;
        while let Some(page) = evidence.next_page(self)? {
            out.write_all(&page).map_err(EvidenceError::Output)?;
        }
        out.flush().map_err(EvidenceError::Output)?;
        Ok(evidence.claim)
    }

    fn claim(&mut self, of: &EvidenceOf) -> Result<Claim, LogError> {
        let size = self.accepted.head.size;
        match *of {
            EvidenceOf::Entry(seqno) => {
                self.read_once(seqno)?;
                Ok(Claim::Entry { seqno })
            }
            EvidenceOf::Range(first, last) if first == 0 || first > last => {
                Err(Invalid::unusable("range", "from 1 on, and the first not after the last").into())
            }
            EvidenceOf::Range(_, last) if last > size => Err(LogError::EntryNotFound(last)),
            EvidenceOf::Range(first, last) => Ok(Claim::Range { first, last }),
            EvidenceOf::Stream(ref name, last) => {
                let newest = self.existing_tip(name)?.last;
                let first = self.store.stream(name)?.and_then(|state| state.first);
                let (Some(first), Some(newest)) = (first, newest) else { return Err(LogError::EntryNotFound(0)) };
                let last = last.unwrap_or(newest);
                if !(first..=newest).contains(&last) || self.row(Some(name), last)?.is_none_or(|row| row.seqno != last)
                {
                    return Err(LogError::EntryNotFound(last));
                }
                Ok(Claim::Stream { name: name.clone(), first, last })
            }
        }
    }

    /// Whom this log itself trusts, and the keys that they introduced: a bundle carries no introductions.
    fn own_trust(&self) -> Result<Trust, LogError> {
        let mut trust = self.verifying_trust()?;
        for LogKey { key, .. } in self.past_log_keys() {
            if !trust.log_keys().contains(&key) {
                trust.add_log_key(key);
            }
        }
        for signer in self.known_signers().signers() {
            if !trust.signers().contains(signer) {
                trust.add_signer(signer.clone());
            }
        }
        let identity = &self.settings.identity;
        if let Some(signer) = own_signer(&*self.providers.keystore, identity)? {
            let shared =
                trust.signers().iter().any(|other| other.key() == signer.key() && other.identity() != identity);
            if !shared && !trust.signers().contains(&signer) {
                trust.add_signer(signer);
            }
        }
        Ok(trust)
    }

    /// A trust policy that would do for a bundle, for whoever finds out elsewhere that these are the right keys.
    fn proposed_policy(&self) -> Result<String, LogError> {
        let mut lines = String::new();
        let mut known: Vec<VerifierKey> = Vec::new();
        for LogKey { key, .. } in self.past_log_keys() {
            if !known.iter().any(|other| other.public_key() == key.public_key()) {
                lines += &format!("log {key}\n");
                known.push(key);
            }
        }
        for (number, key) in (1..).zip(self.trust.witnesses()) {
            lines += &format!("witness w{number} {key}\n");
        }
        lines += "quorum none\nsigners\n";
        for signer in self.own_trust()?.signers() {
            let (identity, key, range) = (signer.identity(), signer.key(), signer.range());
            if let Ok(key) = VerifierKey::new(identity, key.algorithm(), key.as_bytes()) {
                let last = if *range.end() == u64::MAX { String::new() } else { range.end().to_string() };
                lines += &format!("{identity} {key} {}-{last}\n", range.start());
            }
        }
        Ok(lines)
    }

    /// The first row from this seqno on, as the store has it.
    pub(super) fn row(&mut self, stream: Option<&str>, from: u64) -> Result<Option<Row>, LogError> {
        Ok(self.rows(stream, from, u64::MAX, 1)?.into_iter().next())
    }

    /// Rows as the store has them, of about [`PAGE_BYTES`].
    pub(super) fn rows(&mut self, stream: Option<&str>, from: u64, to: u64, limit: u32) -> Result<Vec<Row>, LogError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        self.store.entries(EntryRange { stream, from, to, limit }, &mut |record| {
            if bytes < PAGE_BYTES {
                let row = match record {
                    Record::Entry(EntryRow { seqno, stream, hash, bytes }) => {
                        Row { seqno, stream: stream.into(), hash, bytes: Some(bytes.into()) }
                    }
                    Record::Pruned(PrunedRow { seqno, stream, hash }) => {
                        Row { seqno, stream: stream.into(), hash, bytes: None }
                    }
                    _ => return,
                };
                bytes += row.bytes.as_ref().map_or(0, Vec::len);
                rows.push(row);
            }
        })?;
        Ok(rows)
    }
}

/// A row of a store that owns what it says.
pub(super) struct Row {
    pub(super) seqno: u64,
    pub(super) stream: String,
    pub(super) hash: Hash,
    /// The canonical bytes; `None` where the entry is gone.
    bytes: Option<Vec<u8>>,
}

impl Row {
    fn entry(&self) -> Result<Option<EntryRef<'_>>, LogError> {
        let broken = LogError::ChainBroken { seqno: self.seqno, reason: "the stored bytes are not an entry" };
        self.bytes.as_deref().map(|bytes| EntryRef::decode(bytes).map_err(|_| broken)).transpose()
    }

    pub(super) fn record(&self) -> Record<'_> {
        let (seqno, stream, hash) = (self.seqno, &*self.stream, self.hash);
        match &self.bytes {
            Some(bytes) => Record::Entry(EntryRow { seqno, stream, hash, bytes }),
            None => Record::Pruned(PrunedRow { seqno, stream, hash }),
        }
    }
}

/// A page, and where it leaves the bundle. It is taken over when all of it could be read.
struct Page {
    lines: Vec<u8>,
    streams: HashMap<String, Named>,
    next: Option<Step>,
    gone: Option<u64>,
    unshown: Option<u64>,
    limit: u32,
}

impl Evidence {
    /// What the bundle claims.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The next lines, about 1 MiB of them or one; `None` after the last. `log` is the log that it was begun with. What could
    /// not be read can be asked for again; what was found to be wrong is answered from then on.
    pub fn next_page<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>) -> Result<Option<Vec<u8>>, LogError> {
        if self.check.is_none() {
            return self.refused.clone().map_or(Ok(None), Err);
        }
        let page = log.reading(|log| self.page(log))?;
        let Some(mut check) = self.check.take() else { return Ok(None) };
        self.streams.extend(page.streams);
        (self.gone, self.unshown, self.limit) = (page.gone.or(self.gone), page.unshown, page.limit);
        let goes_on = check.push(&page.lines);
        match page.next {
            Some(next) if goes_on => {
                self.next = next;
                self.check = Some(check);
            }
            _ => {
                self.refused = self.conclude(check).err();
                if let Some(error) = &self.refused {
                    return Err(error.clone());
                }
            }
        }
        Ok(Some(page.lines))
    }

    /// Nothing that the log's own keys find wrong is given out.
    fn conclude(&self, check: BundleVerifier) -> Result<(), LogError> {
        match (check.finish().report.verdict, &self.claim, self.gone) {
            (Verdict::Invalid(finding), Claim::Stream { .. }, Some(gone))
                if finding.code == FindingCode::PruneUnauthorized =>
            {
                // The entry that says it may be gone comes after the last one that was asked for.
                Err(LogError::EntryNotFound(gone))
            }
            (Verdict::Invalid(finding), ..) => Err(LogError::InvalidRecord(Box::new(finding))),
            _ => Ok(()),
        }
    }

    fn page<S: SecureLogStore>(&self, log: &mut SecureLog<S>) -> Result<Page, LogError> {
        let (first, last) = self.claim.range();
        let (lines, streams) = (Vec::new(), HashMap::new());
        let mut page = Page { lines, streams, next: None, gone: None, unshown: self.unshown, limit: self.limit };
        match self.next {
            Step::Begin => {
                page.say(&BundleLine::Claim(self.claim.clone()))?;
                page.write(&Record::Log(&log.log))?;
                let hint = log.proposed_policy()?;
                if is_hint(&hint) {
                    page.say(&BundleLine::Policy(hint.into()))?;
                }
                page.write(&Record::Head(&self.head))?;
                if self.claim.stream().is_none() {
                    page.say(&BundleLine::Left(self.left(log)?))?;
                }
                page.next = Some(Step::Entries(first));
            }
            Step::Entries(from) => {
                let rows = log.rows(self.claim.stream(), from, last, self.limit)?;
                let Some(end) = rows.last().map(|row| row.seqno) else {
                    return Err(LogError::ChainBroken { seqno: from, reason: "the store does not have this entry" });
                };
                page.limit = next_limit(self.limit, rows.len());
                // Keys of which the first use is said to come before the first entry go there.
                let mut before = if from == first { 0 } else { from };
                for row in &rows {
                    self.write_row(log, row, before, &mut page)?;
                    before = row.seqno + 1;
                }
                page.next = Some(if end < last { Step::Entries(end + 1) } else { Step::Proof });
            }
            Step::Proof if self.claim.stream().is_some() => self.write_proof(log, last, &mut page)?,
            Step::Proof => page.say(&BundleLine::Right(self.right(log)?))?,
        }
        Ok(page)
    }

    /// What stands left of the first entry.
    fn left<S: SecureLogStore>(&self, log: &mut SecureLog<S>) -> Result<Vec<Hash>, LogError> {
        let before = self.claim.range().0 - 1;
        self.tidy(log, before)?;
        subtree_roots(&mut log.store, TreeId::Log, &frontier(before))
    }

    /// What stands right of the last entry.
    fn right<S: SecureLogStore>(&self, log: &mut SecureLog<S>) -> Result<Vec<Hash>, LogError> {
        let last = self.claim.range().1;
        self.tidy(log, last)?;
        let sizes = |_| LogError::NotCovered { seqno: last, size: self.head.size };
        let plan = ProofPlan::right_of(last, self.head.size).map_err(sizes)?;
        let wanted: Vec<Subtree> = plan.subtrees().collect();
        let roots = TreeReader::new(&mut log.store, TreeId::Log).roots(&wanted)?;
        Ok(plan.assemble(&roots).expect("one root a subtree was read"))
    }

    /// Proves the tree of this size under the head, and has the store mend what it derived wrongly.
    fn tidy<S: SecureLogStore>(&self, log: &mut SecureLog<S>, size: u64) -> Result<(), LogError> {
        if size == 0 {
            return Ok(());
        }
        prove_from_size(&mut log.store, size, (self.head.size, &self.head.root)).map(drop)
    }

    /// Writes an entry that is claimed, with what belongs to it: also the data keys that are first used by an entry from
    /// `before` up to this one.
    fn write_row<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        row: &Row,
        before: u64,
        page: &mut Page,
    ) -> Result<(), LogError> {
        let known = page.streams.get(&row.stream).or_else(|| self.streams.get(&row.stream));
        let mut stream = match known {
            Some(stream) => stream.clone(),
            None => self.write_stream(log, row, page)?,
        };
        for key in self.keys.iter().filter(|key| (before..=row.seqno).contains(&key.first)) {
            page.write(&Record::DataKey(key))?;
        }
        let Some(entry) = row.entry()? else {
            page.gone = Some(row.seqno);
            page.streams.insert(row.stream.clone(), stream);
            // What is gone does not say any more where it stood, nor what stood before it.
            if let Some(before) = page.unshown.take().filter(|_| self.claim.stream().is_some()) {
                self.write_proof(log, before, page)?;
            }
            page.write(&row.record())?;
            return if self.claim.stream().is_some() { self.write_proof(log, row.seqno, page) } else { Ok(()) };
        };
        page.unshown = Some(row.seqno);
        if !stream.met && entry.prev != stream.policy.0 {
            page.name_key(log, &stream.row, row, &entry)?;
        }
        stream.met = true;
        if let Some((id, _)) =
            (entry.event == control::SEGMENT_CLOSED).then(|| control::decode_closed(entry.payload)).flatten()
        {
            let segment = log.store.segment(id)?.ok_or(LogError::SegmentNotFound(id))?;
            page.write_segment(log, &segment)?;
        }
        page.write_entry(log, row, &entry, &stream.row)?;
        page.streams.insert(row.stream.clone(), stream);
        Ok(())
    }

    /// Writes a stream that was not named yet, and what shows its rules.
    fn write_stream<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        row: &Row,
        page: &mut Page,
    ) -> Result<Named, LogError> {
        let name = &row.stream;
        let tip = log.existing_tip(name)?;
        let (row_of_stream, policy) = (StreamRow { deprecated: None, ..tip.row.clone() }, tip.policy);
        page.write(&Record::Stream(&row_of_stream))?;
        if self.claim.stream().is_none() && row.entry()?.is_none_or(|entry| entry.prev != policy.0) {
            self.write_rules(log, &row_of_stream, page)?;
        }
        Ok(Named { row: row_of_stream, policy, met: false })
    }

    /// Writes an entry that shows the rules of a stream and stands apart from the others: its first one, if the engine wrote
    /// it; otherwise one that closes a segment, so that no producer's entry is handed over beside those that were asked for;
    /// or else the first one all the same. Where the first is gone and no segment was closed, nothing shows them.
    fn write_rules<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        stream: &StreamRow,
        page: &mut Page,
    ) -> Result<(), LogError> {
        let first = log.row(Some(&stream.name), 1)?;
        let is_control = |row: &Row| row.entry().is_ok_and(|entry| entry.is_some_and(|entry| entry.is_control()));
        if let Some(first) = first.as_ref().filter(|row| is_control(row)) {
            return self.write_apart(log, stream, first, None, page);
        }
        if let Some(segment) = log.store.segments(&stream.name, 0, 1)?.into_iter().next() {
            log.prove_segment_row(&segment)?;
            let closing = log.row(Some(&stream.name), segment.last.saturating_add(1))?;
            let (from, to) = self.claim.range();
            match closing.filter(|row| row.seqno <= self.head.size) {
                // It shows them at its own place.
                Some(closing) if (from..=to).contains(&closing.seqno) => return Ok(()),
                Some(closing) => return self.write_apart(log, stream, &closing, Some(&segment), page),
                None => {}
            }
        }
        match first.filter(|row| row.bytes.is_some()) {
            Some(first) => self.write_apart(log, stream, &first, None, page),
            None => Ok(()),
        }
    }

    fn write_apart<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        stream: &StreamRow,
        row: &Row,
        segment: Option<&SegmentRow>,
        page: &mut Page,
    ) -> Result<(), LogError> {
        page.say(&BundleLine::Apart(row.seqno))?;
        if let Some(segment) = segment {
            page.write_segment(log, segment)?;
        }
        if let Some(entry) = row.entry()? {
            if segment.is_some() {
                page.name_key(log, stream, row, &entry)?;
            }
            page.write_entry(log, row, &entry, stream)?;
        }
        self.write_proof(log, row.seqno, page)
    }

    /// Writes the proof of one entry under the head.
    fn write_proof<S: SecureLogStore>(
        &self,
        log: &mut SecureLog<S>,
        seqno: u64,
        page: &mut Page,
    ) -> Result<(), LogError> {
        let proof = log.inclusion(seqno, self.head.size, self.head.root)?;
        page.say(&BundleLine::Included(seqno, proof.hashes))
    }
}

impl Page {
    fn say(&mut self, line: &BundleLine<'_>) -> Result<(), LogError> {
        write_bundle_line(line, &mut self.lines).map_err(unwritable)
    }

    fn write(&mut self, record: &Record<'_>) -> Result<(), LogError> {
        write_record(record, &mut self.lines).map_err(unwritable)
    }

    fn write_segment<S: SecureLogStore>(
        &mut self,
        log: &mut SecureLog<S>,
        segment: &SegmentRow,
    ) -> Result<(), LogError> {
        self.write(&Record::Segment(segment))?;
        self.write_signatures(log, Subject::Segment(segment.id))
    }

    /// Writes an entry with the signatures that its stream requires, and a deprecation as a log has it.
    fn write_entry<S: SecureLogStore>(
        &mut self,
        log: &mut SecureLog<S>,
        row: &Row,
        entry: &EntryRef<'_>,
        stream: &StreamRow,
    ) -> Result<(), LogError> {
        self.write(&row.record())?;
        if stream.rules.sign == SigningRule::Entries {
            self.write_signatures(log, Subject::Entry(row.seqno))?;
        }
        if entry.event == control::DEPRECATED {
            self.write(&Record::Stream(&StreamRow { deprecated: Some(entry.time.into()), ..stream.clone() }))?;
        }
        Ok(())
    }

    fn write_signatures<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>, of: Subject) -> Result<(), LogError> {
        log.store.signatures(of)?.iter().try_for_each(|signature| self.write(&Record::Signature(signature)))
    }

    /// Names the key that an entry is hashed under, where it is not that of the stream's rules.
    fn name_key<S: SecureLogStore>(
        &mut self,
        log: &SecureLog<S>,
        stream: &StreamRow,
        row: &Row,
        entry: &EntryRef<'_>,
    ) -> Result<(), LogError> {
        let (3, Some(bytes)) = (entry.version, &row.bytes) else { return Ok(()) };
        let of_rules = stream.rules.suite.key_id();
        match &log.mac {
            Some(mac) if of_rules != Some(mac.id) && Hash(mac.key.mac(bytes)?) == row.hash => {
                self.say(&BundleLine::Suite((&*stream.name).into(), mac.id))
            }
            // Nothing says which key it is: only one whose hash fits can be named.
            mac if of_rules.is_none() => {
                let configured = mac.as_ref().map(|mac| mac.id);
                Err(LogError::MacKeyMissing { stream: stream.name.clone(), configured })
            }
            _ => Ok(()),
        }
    }
}

fn unwritable(error: WriteError) -> LogError {
    StoreError::Corrupt { at: "a record for a bundle".into(), detail: error.to_string() }.into()
}

/// Why a bundle was not written, or not all of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The log gave none out.
    Log(LogError),
    /// It could not be written.
    Output(io::Error),
}

impl From<LogError> for EvidenceError {
    fn from(error: LogError) -> EvidenceError {
        EvidenceError::Log(error)
    }
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvidenceError::Log(error) => error.fmt(f),
            EvidenceError::Output(error) => write!(f, "the bundle cannot be written: {error}"),
        }
    }
}

impl std::error::Error for EvidenceError {}
