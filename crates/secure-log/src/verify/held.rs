//! Records of a store on as many cores as there are: a store hands them out one after the other, on one thread, and each is
//! gone when the next one comes. So they are copied, as many as are read at once, looked at side by side, and judged in order.

use core::num::NonZeroUsize;

use crate::hash::Hash;
use crate::providers::WrappingKey;
use crate::record::{PrunedRow, Record, UnknownRow};
use crate::store::Commit;
use crate::threads::on_threads;
use crate::verify::finding::Finding;
use crate::verify::prepared::ReadRecord;
use crate::verify::trust::Signer;
use crate::verify::verifier::Verifier;

/// A thread takes some tens of microseconds to begin, as long as so many records.
const WORTH_A_THREAD: usize = 64;

/// Takes what a verifier is told, and tells it later. On one thread it tells it at once, unless it holds whatever comes.
pub(crate) struct HeldRecords {
    threads: NonZeroUsize,
    /// Whether anything is held.
    holds: bool,
    /// Line of the next record.
    line: u64,
    /// The records, but those that are in `between`.
    records: Commit,
    /// What comes between them, each with how many of them stand before it.
    between: Vec<(usize, Between)>,
}

enum Between {
    Pruned { seqno: u64, stream: String, hash: Hash },
    Unknown { kind: String },
    Signer(Signer),
    WrappingKey(String, Box<dyn WrappingKey + Send>),
}

impl HeldRecords {
    pub(crate) fn new(threads: NonZeroUsize) -> HeldRecords {
        let holds = threads > NonZeroUsize::MIN;
        HeldRecords { threads, holds, line: 1, records: Commit::default(), between: Vec::new() }
    }

    /// Holds everything, so that nothing is judged while the store is read.
    pub(crate) fn until_judged(threads: NonZeroUsize) -> HeldRecords {
        HeldRecords { holds: true, ..HeldRecords::new(threads) }
    }

    /// The line of the next record that is judged.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// See [`Verifier::record`].
    pub(crate) fn record(&mut self, verifier: &mut Verifier, record: Record<'_>) -> Result<(), Finding> {
        if !self.holds {
            return judge(verifier, &mut self.line, record, ReadRecord::of(&record));
        }
        match record {
            Record::Pruned(PrunedRow { seqno, stream, hash }) => {
                self.hold(Between::Pruned { seqno, stream: stream.into(), hash });
            }
            Record::Unknown(UnknownRow { kind }) => self.hold(Between::Unknown { kind: kind.into() }),
            record => self.records.push(record),
        }
        Ok(())
    }

    /// See [`Verifier::trust_signer`].
    pub(crate) fn trust_signer(&mut self, verifier: &mut Verifier, signer: Signer) {
        if self.holds {
            self.hold(Between::Signer(signer));
        } else {
            verifier.trust_signer(signer);
        }
    }

    /// See [`Verifier::trust_wrapping_key`].
    pub(crate) fn trust_wrapping_key(
        &mut self,
        verifier: &mut Verifier,
        label: &str,
        key: Box<dyn WrappingKey + Send>,
    ) {
        if self.holds {
            self.hold(Between::WrappingKey(label.into(), key));
        } else {
            verifier.trust_wrapping_key(label, key);
        }
    }

    /// Tells everything that is held.
    pub(crate) fn judge(&mut self, verifier: &mut Verifier) -> Result<(), Finding> {
        let commit = core::mem::take(&mut self.records);
        let mut between = core::mem::take(&mut self.between).into_iter().peekable();
        let records: Vec<Record<'_>> = commit.records().collect();
        let checks = verifier.checks();
        let read = on_threads(self.threads, WORTH_A_THREAD, &records, |part| ReadRecord::of_all(part, checks));
        for (index, (record, read)) in records.iter().zip(read).enumerate() {
            while let Some((_, between)) = between.next_if(|(before, _)| *before == index) {
                self.judge_between(verifier, between)?;
            }
            judge(verifier, &mut self.line, *record, read)?;
        }
        between.try_for_each(|(_, between)| self.judge_between(verifier, between))
    }

    fn hold(&mut self, between: Between) {
        self.between.push((self.records.records().len(), between));
    }

    fn judge_between(&mut self, verifier: &mut Verifier, between: Between) -> Result<(), Finding> {
        let line = &mut self.line;
        match between {
            Between::Pruned { seqno, stream, hash } => {
                let row = PrunedRow { seqno, stream: &stream, hash };
                judge(verifier, line, Record::Pruned(row), ReadRecord::Other)
            }
            Between::Unknown { kind } => {
                judge(verifier, line, Record::Unknown(UnknownRow { kind: &kind }), ReadRecord::Other)
            }
            Between::Signer(signer) => {
                verifier.trust_signer(signer);
                Ok(())
            }
            Between::WrappingKey(label, key) => {
                verifier.trust_wrapping_key(&label, key);
                Ok(())
            }
        }
    }
}

fn judge(verifier: &mut Verifier, line: &mut u64, record: Record<'_>, read: ReadRecord<'_>) -> Result<(), Finding> {
    let number = *line;
    *line += 1;
    verifier.record_ahead(record, read, number)
}
