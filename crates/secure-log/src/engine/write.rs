//! What a caller can write.

use crate::control;
use crate::engine::commit::{Say, Signing};
use crate::engine::sealing::Sealer;
use crate::engine::{Appended, CommitInfo, SecureLog, State};
use crate::entry::{LOG_STREAM, Severity, SigningRule, StreamRules, Tier, is_reserved_stream};
use crate::error::LogError;
use crate::hash::Suite;
use crate::limits::{
    Invalid, MAX_SEALING_BYTES, check_batch, check_batch_entries, check_encoding, check_event, check_name,
    check_payload, check_sealed_encoding, check_sealed_payload, check_stream, check_text,
};
use crate::providers::KeyError;
use crate::record::{DataKeyRow, HeadRow, Record, StreamRow};
use crate::sealed::MAX_OVERHEAD_BYTES;
use crate::store::{Commit, SecureLogStore};

/// What a producer says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEntry<'a> {
    /// The stream to append to. It is made with default rules when there is none.
    pub stream: &'a str,
    /// What happened.
    pub event: &'a str,
    /// How serious it is.
    pub severity: Severity,
    /// Who reports it.
    pub producer: &'a str,
    /// What the payload is, such as `text` or `application/json`.
    pub encoding: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

/// A batch, and what is done to it beyond what its streams require.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'b, 'e> {
    pub(crate) entries: &'b [NewEntry<'e>],
    /// Its payloads are sealed.
    pub(crate) sealed: bool,
    /// Each of its entries is signed.
    pub(crate) signed: bool,
    /// Nobody else may have appended anything after this entry.
    pub(crate) after: Option<u64>,
}

impl<'b, 'e> Batch<'b, 'e> {
    pub(crate) fn plain(entries: &'b [NewEntry<'e>]) -> Batch<'b, 'e> {
        Batch { entries, sealed: false, signed: false, after: None }
    }

    pub(crate) fn sealed(entries: &'b [NewEntry<'e>]) -> Batch<'b, 'e> {
        Batch { sealed: true, ..Batch::plain(entries) }
    }

    fn signed(entries: &'b [NewEntry<'e>]) -> Batch<'b, 'e> {
        Batch { signed: true, ..Batch::plain(entries) }
    }

    pub(crate) fn after(seen: u64, entries: &'b [NewEntry<'e>]) -> Batch<'b, 'e> {
        Batch { after: Some(seen), ..Batch::plain(entries) }
    }

    /// Bytes of its payloads as they are stored.
    pub(crate) fn bytes(&self) -> usize {
        let more = if self.sealed { MAX_SEALING_BYTES } else { 0 };
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.payload.len() + more))
    }
}

/// What became of one of several batches.
pub type BatchOutcome = Result<Vec<Appended>, LogError>;

impl NewEntry<'_> {
    fn check(&self) -> Result<(), Invalid> {
        check_stream(self.stream)?;
        check_event(self.event)?;
        check_text("producer", self.producer)?;
        check_encoding(self.encoding)?;
        check_payload(self.payload)
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Appends one entry, durably.
    pub fn append(&mut self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, in one durable commit.
    pub fn append_batch(&mut self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_one_batch(Batch::plain(entries))
    }

    /// Appends all entries or none, in one durable commit, and only where no other writer has appended anything since the log had
    /// `seen` entries: otherwise it is [`LogError::Conflict`], and nothing was written. So who looked for something in the log and
    /// did not find it appends what rests on that, and no other writer was in between. What was appended here since is known here,
    /// and in nobody's way.
    pub fn append_batch_after(
        &mut self,
        seen: u64,
        entries: &[NewEntry<'_>],
    ) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_one_batch(Batch::after(seen, entries))
    }

    /// Appends all entries or none, in one durable commit, each with a signature of the log's key, whatever the rules of
    /// their streams are.
    pub fn append_signed_batch(&mut self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_one_batch(Batch::signed(entries))
    }

    pub(super) fn append_one_batch(&mut self, batch: Batch<'_, '_>) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        let (mut outcomes, info) = self.append_mixed(&[batch])?;
        let appended = outcomes.pop().expect("one outcome for one batch")?;
        Ok((appended, info))
    }

    /// Appends several batches in one durable commit. Each is all or nothing: one that is refused does not keep the others
    /// from being written.
    pub fn append_batches(&mut self, batches: &[&[NewEntry<'_>]]) -> Result<(Vec<BatchOutcome>, CommitInfo), LogError> {
        let batches: Vec<Batch<'_, '_>> = batches.iter().map(|entries| Batch::plain(entries)).collect();
        self.append_mixed(&batches)
    }

    /// The same, of batches of which some are sealed.
    pub(crate) fn append_mixed(
        &mut self,
        batches: &[Batch<'_, '_>],
    ) -> Result<(Vec<BatchOutcome>, CommitInfo), LogError> {
        let checked: Vec<Result<(), LogError>> = batches.iter().map(check_batch_of).collect();
        self.commit(Signing::WhenDue, |log, commit, time| {
            batches
                .iter()
                .zip(&checked)
                .map(|(batch, checked)| {
                    // A batch is refused before its first row is written; what fails later fails the whole commit.
                    match checked.clone().and_then(|()| log.may_append(batch)) {
                        Ok(sealers) => Ok(Ok(log.push_batch(commit, time, batch, sealers)?)),
                        // All are tried again on what the log has now.
                        Err(LogError::Conflict) if log.is_behind() => Err(LogError::Conflict),
                        Err(refused) => Ok(Err(refused)),
                    }
                })
                .collect()
        })
    }

    /// Makes a stream with rules that never change. One that is highly restricted gets its key for pseudonyms with it, and
    /// needs the key that wraps it.
    pub fn create_stream(&mut self, name: &str, rules: &StreamRules) -> Result<CommitInfo, LogError> {
        check_stream(name)?;
        if let Some(description) = &rules.description {
            check_name("description", description)?;
        }
        self.check_suite(name, rules.suite)?;
        self.check_signing(name, rules.sign)?;
        self.commit(Signing::WhenDue, |log, commit, time| {
            if log.load_tip(name)? {
                return Err(LogError::StreamExists(name.into()));
            }
            let restricted = rules.tier == Tier::HighlyRestricted;
            let pseudonyms = restricted.then(|| log.new_pseudonym_key(name)).transpose()?;
            log.push_stream(commit, time, name, rules.clone())?;
            if let Some(row) = pseudonyms {
                commit.push(Record::DataKey(&DataKeyRow { created: time.into(), ..row }));
            }
            Ok(())
        })
        .map(|((), info)| info)
    }

    /// Closes a stream to producers for ever.
    pub fn deprecate_stream(&mut self, name: &str) -> Result<CommitInfo, LogError> {
        check_stream(name)?;
        self.commit(Signing::WhenDue, |log, commit, time| {
            if log.existing_tip(name)?.deprecated {
                return Err(LogError::StreamDeprecated(name.into()));
            }
            log.finish_erasure(name)?;
            let (mut pen, streams) = log.pen(commit, time);
            let tip = streams.tip(name).expect("the tip was loaded just now");
            pen.entry(tip, &Say::control(control::DEPRECATED, ""))?;
            tip.deprecated = true;
            tip.row.deprecated = Some(time.into());
            pen.commit.push(Record::Stream(&tip.row));
            Ok(())
        })
        .map(|((), info)| info)
    }

    /// The stream's next entry uses another suite, and its chain says so.
    pub fn change_suite(&mut self, name: &str, suite: Suite) -> Result<CommitInfo, LogError> {
        check_stream(name)?;
        self.check_suite(name, suite)?;
        self.commit(Signing::WhenDue, |log, commit, time| {
            log.finish_erasure(name)?;
            let tip = log.existing_tip(name)?;
            if tip.suite == suite {
                return Err(Invalid::unusable("suite", format!("the stream uses {} already", suite.name())).into());
            }
            let (mut pen, streams) = log.pen(commit, time);
            let tip = streams.tip(name).expect("the tip was loaded just now");
            pen.entry(tip, &Say::control(control::SUITE_CHANGED, &control::encode_suite(suite)))?;
            tip.suite = suite;
            Ok(())
        })
        .map(|((), info)| info)
    }

    /// Signs the head as it stands now, publishes it, and answers it.
    pub fn sign_head(&mut self) -> Result<HeadRow, LogError> {
        self.refresh()?;
        self.signing_key("a log without a key has no signed head")?;
        let signed = self.accepted.signed_size() == self.accepted.head.size && !self.accepted.head.sigs.is_empty();
        if signed {
            let now = self.providers.clock.now();
            self.publish_when_due(Signing::Now, now)?;
        } else {
            self.commit(Signing::Now, |_, _, _| Ok(()))?;
        }
        Ok(self.accepted.head.clone())
    }

    /// The name of the keyed suite's key, for streams that use it.
    pub fn mac_suite(&self) -> Result<Suite, LogError> {
        match &self.mac {
            Some(mac) => Ok(Suite::HmacSha256(mac.id)),
            None => {
                Err(KeyError::NotFound("the suite hmac-sha-256 needs a key: set SECURE_LOG_MAC_LABEL".into()).into())
            }
        }
    }

    /// Records entries that no signed head attested and that an operator, or the options, chose to keep.
    pub(super) fn record_recovered(&mut self) -> Result<(), LogError> {
        let Some((first, last)) = self.unrecorded.take() else { return Ok(()) };
        let recorded = self.commit(Signing::Now, |log, commit, time| {
            if !log.load_tip(LOG_STREAM)? {
                log.push_stream(commit, time, LOG_STREAM, StreamRules::default())?;
            }
            let (mut pen, streams) = log.pen(commit, time);
            let tip = streams.tip(LOG_STREAM).expect("the tip was loaded just now");
            pen.entry(tip, &Say::control(control::RECOVERED, &control::encode_recovered(first, last)))?;
            Ok(())
        });
        recorded.map(|_| ()).inspect_err(|_| self.note_adopted((first, last)))
    }

    fn check_suite(&self, stream: &str, suite: Suite) -> Result<(), LogError> {
        match suite.key_id() {
            Some(id) if self.mac.as_ref().is_none_or(|mac| mac.id != id) => {
                Err(LogError::MacKeyMissing { stream: stream.into(), configured: self.mac.as_ref().map(|mac| mac.id) })
            }
            _ => Ok(()),
        }
    }

    /// A stream that requires signatures takes nothing from who cannot sign.
    pub(super) fn check_signing(&self, stream: &str, sign: SigningRule) -> Result<(), LogError> {
        if sign != SigningRule::None {
            self.signing_key(&format!("stream {stream:?} requires signatures"))?;
        }
        Ok(())
    }

    /// Loads the streams of a batch, checks that they take entries, and answers what seals them.
    fn may_append(&mut self, batch: &Batch<'_, '_>) -> Result<Vec<Sealer>, LogError> {
        let State { head, others_to, .. } = &self.accepted;
        if batch.after.is_some_and(|seen| !(*others_to..=head.size).contains(&seen)) {
            return Err(LogError::Conflict);
        }
        if batch.signed {
            self.signing_key("an entry is to be signed")?;
        }
        for run in runs(batch.entries) {
            let name = run[0].stream;
            if !self.load_tip(name)? {
                if batch.sealed {
                    return Err(LogError::StreamNotProtected(name.into()));
                }
                continue;
            }
            let tip = self.existing_tip(name)?;
            if tip.deprecated {
                return Err(LogError::StreamDeprecated(name.into()));
            }
            match (tip.row.rules.tier, batch.sealed) {
                (Tier::Public, true) => return Err(LogError::StreamNotProtected(name.into())),
                (Tier::Protected | Tier::HighlyRestricted, false) => {
                    return Err(LogError::StreamProtected(name.into()));
                }
                (Tier::Public, false) | (Tier::Protected | Tier::HighlyRestricted, true) => {}
            }
            let (suite, sign) = (tip.suite, tip.row.rules.sign);
            self.check_suite(name, suite)?;
            self.check_signing(name, sign)?;
        }
        if batch.sealed { self.sealers(batch.entries) } else { Ok(Vec::new()) }
    }

    fn push_batch(
        &mut self,
        commit: &mut Commit,
        time: &str,
        batch: &Batch<'_, '_>,
        sealers: Vec<Sealer>,
    ) -> Result<Vec<Appended>, LogError> {
        /// About what the other fields of an entry take.
        const BESIDE_PAYLOAD: usize = 256;
        let entries = batch.entries;
        let sealing = if batch.sealed { MAX_OVERHEAD_BYTES } else { 0 };
        commit.reserve(entries.len(), batch.bytes() + entries.len() * (BESIDE_PAYLOAD + sealing));
        if batch.sealed {
            return self.push_sealed(commit, time, entries, sealers);
        }
        let mut appended = Vec::with_capacity(entries.len());
        for run in runs(entries) {
            let name = run[0].stream;
            if self.streams.tip(name).is_none() {
                self.push_stream(commit, time, name, StreamRules::default())?;
            }
            let (mut pen, streams) = self.pen(commit, time);
            let tip = streams.tip(name).expect("the tip was loaded or made just now");
            for entry in run {
                let say = Say {
                    event: entry.event,
                    severity: entry.severity,
                    producer: entry.producer,
                    encoding: entry.encoding,
                    payload: entry.payload,
                    sealed_by: None,
                };
                let last = pen.entry(tip, &say)?;
                if batch.signed && tip.row.rules.sign != SigningRule::Entries {
                    pen.sign_entry(&last)?;
                }
                appended.push(last);
            }
        }
        Ok(appended)
    }

    pub(super) fn push_stream(
        &mut self,
        commit: &mut Commit,
        time: &str,
        name: &str,
        rules: StreamRules,
    ) -> Result<(), LogError> {
        debug_assert!(!is_reserved_stream(name) || rules.is_default());
        let row = StreamRow { name: name.into(), rules, created: time.into(), deprecated: None };
        let (mut pen, streams) = self.pen(commit, time);
        let tip = pen.stream(row)?;
        streams.insert(tip);
        Ok(())
    }
}

/// Entries of one stream that follow each other.
pub(super) fn runs<'b, 'e>(batch: &'b [NewEntry<'e>]) -> impl Iterator<Item = &'b [NewEntry<'e>]> {
    batch.chunk_by(|a, b| a.stream == b.stream)
}

fn check_batch_of(batch: &Batch<'_, '_>) -> Result<(), LogError> {
    if batch.entries.is_empty() {
        return Err(Invalid::unusable("batch", "at least one entry").into());
    }
    check_batch_entries(batch.entries.len())?;
    for entry in batch.entries {
        entry.check()?;
        if batch.sealed {
            check_sealed_encoding(entry.encoding)?;
            check_sealed_payload(entry.payload)?;
        }
    }
    Ok(check_batch(batch.bytes())?)
}
