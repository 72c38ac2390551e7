//! The rules of format.md and security.md, applied to records in commit order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hash::Hash;
use crate::jsonl::{self, Line, RowError};
use crate::note::Note;
use crate::providers::WrappingKey;
use crate::record::{LogRow, Record};
use crate::review::Tally;
use crate::tree::{CompactTree, SharedPush, empty_root};
use crate::verify::commit::OpenCommit;
use crate::verify::cosigners::Cosigners;
use crate::verify::finding::{Finding, FindingCode, Place};
use crate::verify::missing::{Missing, MissingCode};
use crate::verify::opening::Opener;
use crate::verify::part::{Scope, Segments, Unit};
use crate::verify::prepared::{Found, Preparation, ReadRecord};
use crate::verify::report::{Counts, Few, KeyUses, Listed};
use crate::verify::rotation::Rotations;
use crate::verify::signatures::SignatureChecks;
use crate::verify::stream::Streams;
use crate::verify::trust::{Signer, Trust};

/// The most streams of a log that is verified: with names, description and trees about 0.5 KiB each, and 2.3 KiB at the most,
/// so that a verifier with the 4 GiB of WebAssembly has room for them.
pub const MAX_STREAMS: usize = 1 << 20;
/// The most closed segments of a log that is verified: 40 bytes each, and twice that while there come to be more.
pub const MAX_SEGMENTS: usize = 1 << 24;

/// Takes the records of a log in commit order, and answers at the end.
///
/// It keeps the log's frontier, a few hundred bytes for every stream, a hash for every closed segment and the data keys
/// of open segments; never an entry.
#[derive(Debug)]
pub struct Verifier {
    /// The keys that were given, and those that they introduced since.
    pub(super) trust: Trust,
    pub(super) rotations: Rotations,
    /// Whether it is a whole log that is verified, or a part of one.
    pub(super) scope: Scope,
    /// What stands apart from the rest of a part.
    pub(super) apart: Option<Unit>,
    pub(super) log: Option<LogRow>,
    pub(super) tree: CompactTree,
    pub(super) leaf: SharedPush,
    pub(super) streams: Streams,
    /// The last entry and its hash: the only one that may be signed now.
    pub(super) last: Option<(u64, Hash)>,
    pub(super) segments: Segments,
    pub(super) commit: OpenCommit,
    /// Data keys that payloads name and that are not there, with the first entry that names them and how many do.
    pub(super) keyless: BTreeMap<(usize, Hash), (u64, u64)>,
    /// The keys of streams that were unwrapped.
    pub(super) opener: Opener,
    /// How many data keys of streams are remembered.
    pub(super) data_keys: usize,
    /// There were more data keys than are kept track of.
    pub(super) data_keys_untracked: bool,
    /// The head of an earlier log that this one continues.
    pub(super) continued: Option<Note>,
    /// Entries that allow a pruning, and that no trusted head covers yet.
    pub(super) prunings: Few<u64>,
    /// Ranges that were adopted although nobody attested them.
    pub(super) unattested: Few<(u64, u64)>,
    pub(super) missing: Listed<Missing>,
    pub(super) unknown_signers: Listed<String>,
    pub(super) keys: KeyUses,
    pub(super) trusted_head: u64,
    pub(super) cosigners: Cosigners,
    pub(super) counts: Counts,
    /// Counts what passes, where a review was asked for.
    pub(super) tally: Option<Box<Tally>>,
    /// [`MAX_STREAMS`] and [`MAX_SEGMENTS`], but in tests.
    pub(super) limits: (usize, usize),
    /// What was counted at the last head, with its size and root.
    pub(super) at_head: (Counts, u64, Hash),
    /// Shared with those who look at records ahead.
    checks: Arc<SignatureChecks>,
    pub(super) scratch: Vec<u8>,
}

impl Verifier {
    /// A verification by these keys. [`Trust::check`] says whether they make sense together.
    pub fn new(trust: Trust) -> Verifier {
        let verifier = Verifier {
            trust,
            rotations: Rotations::default(),
            scope: Scope::Log,
            apart: None,
            log: None,
            tree: CompactTree::new(),
            leaf: SharedPush::default(),
            streams: Streams::default(),
            last: None,
            segments: Segments::default(),
            commit: OpenCommit::default(),
            keyless: BTreeMap::new(),
            opener: Opener::default(),
            data_keys: 0,
            data_keys_untracked: false,
            continued: None,
            prunings: Few::default(),
            unattested: Few::default(),
            missing: Listed::default(),
            unknown_signers: Listed::default(),
            keys: KeyUses::default(),
            trusted_head: 0,
            cosigners: Cosigners::default(),
            counts: Counts::default(),
            tally: None,
            limits: (MAX_STREAMS, MAX_SEGMENTS),
            at_head: (Counts::default(), 0, empty_root()),
            checks: Arc::default(),
            scratch: Vec::new(),
        };
        verifier.learn_signers();
        verifier
    }

    /// Has what passes counted, from the first record on.
    pub(crate) fn count_with(&mut self, tally: Tally) {
        self.tally = Some(Box::new(tally));
    }

    /// What was counted, with what is known of streams at the end.
    pub(crate) fn take_tally(&mut self) -> Option<Tally> {
        let mut tally = *self.tally.take()?;
        for (index, stream) in self.streams.list.iter().enumerate() {
            tally.stream_at_end(index, stream.run.tree.size(), stream.deprecated_at.is_some());
        }
        Some(tally)
    }

    /// What looks at lines ahead of this verification.
    pub(super) fn preparation(&self) -> Preparation {
        Preparation::new(&self.trust, Arc::clone(&self.checks))
    }

    /// What looks at the signatures of records ahead of this verification.
    pub(super) fn checks(&self) -> &SignatureChecks {
        &self.checks
    }

    /// Has signatures by keys that came to count checked ahead.
    pub(super) fn learn_signers(&self) {
        self.checks.learn(self.trust.signers().iter().map(Signer::key));
    }

    /// Adds a signer on the way, before its first signature. It is passed over, and so stays unknown, when another identity
    /// has the same key.
    pub fn trust_signer(&mut self, signer: Signer) {
        let shared = |other: &Signer| other.key() == signer.key() && other.identity() != signer.identity();
        if !self.trust.signers().iter().any(shared) {
            self.trust.add_signer(signer);
            self.learn_signers();
        }
    }

    /// Adds a key that wraps data keys on the way, before the first of them.
    pub fn trust_wrapping_key(&mut self, label: &str, key: Box<dyn WrappingKey + Send>) {
        self.trust.add_wrapping_key(label, key);
    }

    /// Takes the next record of a store. `line` numbers them from 1 and names places in findings.
    ///
    /// After a finding the log is invalid: see [`Verifier::invalid`].
    pub fn record(&mut self, record: Record<'_>, line: u64) -> Result<(), Finding> {
        self.record_ahead(record, ReadRecord::of(&record), line)
    }

    /// The same of a record that was looked at before.
    pub(super) fn record_ahead(&mut self, record: Record<'_>, read: ReadRecord<'_>, line: u64) -> Result<(), Finding> {
        self.judge_record(record, read, line).map_err(|finding| finding.in_stream(record.stream()))
    }

    fn judge_record(&mut self, record: Record<'_>, read: ReadRecord<'_>, line: u64) -> Result<(), Finding> {
        let checked = match (record, read) {
            (Record::Entry(row), ReadRecord::Entry(read)) => {
                let malformed = |detail| Finding::new(FindingCode::Malformed, Place::Line(line), detail);
                let (entry, digest) = read.map_err(malformed)?;
                if !self.is_to_be_read(false, line)? {
                    return Ok(());
                }
                return self.on_entry(&entry, digest, row.hash, true, line);
            }
            (_, ReadRecord::Signature(checked)) => Some(checked),
            (_, ReadRecord::Entry(_) | ReadRecord::Other) => None,
        };
        if let Record::Unknown(row) = record {
            self.on_unknown(row, line);
            return Ok(());
        }
        let mut line_of_record = core::mem::take(&mut self.scratch);
        line_of_record.clear();
        let written = jsonl::write_record(&record, &mut line_of_record);
        self.scratch = line_of_record;
        // A record that has no line is as wrong as a line that is no record.
        written.map_err(|error| Finding::new(FindingCode::Malformed, Place::Line(line), error.to_string()))?;
        if !self.is_to_be_read(matches!(record, Record::Log(_)), line)? {
            return Ok(());
        }
        let at = Place::Line(line);
        match record {
            Record::Log(row) => self.on_log(row),
            Record::Stream(row) => self.on_stream(row, at),
            Record::DataKey(row) => self.on_data_key(row, at),
            Record::Pruned(row) => self.on_pruned(row, at),
            Record::Signature(row) => self.on_signature(row, checked.as_ref()),
            Record::Segment(row) => self.on_segment(row, at),
            Record::Head(row) => self.on_head(row, |_, _| false),
            // Kept for the operator; a cosignature itself stands in a head.
            Record::Witness(_) | Record::Entry(_) | Record::Unknown(_) => Ok(()),
        }
    }

    /// Takes the next line of a file.
    pub(super) fn line(
        &mut self,
        line: &Line<'_>,
        found: &Found,
        number: u64,
        preparation: &Preparation,
    ) -> Result<(), Finding> {
        self.judge_line(line, found, number, preparation).map_err(|finding| finding.in_stream(line.stream()))
    }

    #[inline]
    fn judge_line(
        &mut self,
        line: &Line<'_>,
        found: &Found,
        number: u64,
        preparation: &Preparation,
    ) -> Result<(), Finding> {
        if let Line::Unknown(line) = line {
            self.on_unknown(line.row(), number);
            return Ok(());
        }
        if !self.is_to_be_read(matches!(line, Line::Log(_)), number)? {
            return Ok(());
        }
        let at = Place::Line(number);
        match line {
            Line::Log(line) => match line.row() {
                Ok(row) => self.on_log(row),
                Err(error @ RowError::LogVersion(_)) => {
                    self.miss(Missing::new(MissingCode::Unknown, error.to_string()));
                    Ok(())
                }
                Err(error) => Err(Finding::new(FindingCode::Malformed, at, error.to_string())),
            },
            Line::Stream(line) => match line.row() {
                Ok(row) => self.on_stream(row, at),
                Err(error) => Err(Finding::new(FindingCode::Malformed, at, error.to_string())),
            },
            Line::DataKey(row) => self.on_data_key(row, at),
            Line::Entry(line) => {
                let Found::Entry(digest) = found else { unreachable!("an entry is prepared as one") };
                self.on_entry(&line.entry(), *digest, line.hash, line.payload_form_fits, number)
            }
            Line::Pruned(line) => self.on_pruned(line.row(), at),
            Line::Signature(row) => {
                let Found::Signature(checked) = found else { return self.on_signature(row, None) };
                self.on_signature(row, Some(checked))
            }
            Line::Segment(row) => self.on_segment(row, at),
            Line::Head(row) => {
                let Found::Head(lines) = found else { unreachable!("a head is prepared as one") };
                self.on_head(row, |line, key| preparation.was_made_by(lines, line, key))
            }
            Line::Witness(_) | Line::Unknown(_) => Ok(()),
        }
    }

    /// Adds what could not be checked.
    pub(super) fn miss(&mut self, what: Missing) {
        self.missing.add(&what);
    }

    /// Why no more can be taken: there are more streams or segments than are kept track of.
    pub fn exhausted(&self) -> Option<String> {
        let (streams, segments) = self.limits;
        if self.streams.list.len() > streams {
            Some(format!(
                "there are more than {streams} streams: nothing was checked from the commit on that has the next"
            ))
        } else if self.segments.len() > segments {
            Some(format!(
                "there are more than {segments} segments: nothing was checked from the commit on that has the next"
            ))
        } else {
            None
        }
    }

    /// Whether the record means something to this version: nothing does after a log record of another one.
    fn is_to_be_read(&self, is_log: bool, line: u64) -> Result<bool, Finding> {
        if (line == self.scope.log_line()) != is_log {
            let detail = "the log record stands first, once";
            return Err(Finding::new(FindingCode::Malformed, Place::Line(line), detail));
        }
        Ok(is_log || self.log.is_some())
    }
}
