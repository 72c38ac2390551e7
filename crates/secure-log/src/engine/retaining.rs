//! Which entries a policy lets go, and taking them out on record (format.md s.7, docs/retention.md).

use crate::control;
use crate::engine::commit::{Say, Signing};
use crate::engine::proof::Checked;
use crate::engine::{CommitInfo, SecureLog};
use crate::entry::{EntryRef, is_reserved_stream};
use crate::error::LogError;
use crate::hash::Hash;
use crate::limits::check_stream;
use crate::record::Record;
use crate::retention::{Period, Policy, Retention};
use crate::store::{EntryRange, SecureLogStore};
use crate::time::Timestamp;
use crate::tree::{CompactTree, leaf_hash};
use crate::verify::{Finding, FindingCode, Place};

/// So many streams are pruned at most in one call. What is known of one takes about 1 KiB meanwhile.
pub const MAX_PRUNED_STREAMS: usize = 4096;

/// Streams read at once.
const PAGE: u32 = 256;

/// Why entries are kept that stand behind those that go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The policy says so.
    Policy,
    /// The floor does, and the policy would let them go.
    Floor,
    /// Their segment is not closed.
    OpenSegment,
    /// The close of their segment is under no signed head yet.
    UnsignedHead,
    /// The first of them has a time that is none, so that nobody knows how old it is.
    NoTime,
    /// The stream has a hash key that is not configured here, without which nothing can be said of its entries.
    NoKey,
}

impl Kept {
    /// In a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Kept::Policy => "policy",
            Kept::Floor => "floor",
            Kept::OpenSegment => "open-segment",
            Kept::UnsignedHead => "unsigned-head",
            Kept::NoTime => "no-time",
            Kept::NoKey => "no-key",
        }
    }
}

/// What would go of a stream, and why the rest would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// The stream.
    pub stream: String,
    /// Its place among the streams: the cursor of pages.
    pub number: u64,
    /// The policy that holds for it.
    pub policy: Policy,
    /// The floor that holds for it.
    pub floor: Option<Period>,
    /// Its producers' entries up to this seqno go; `None` where none does.
    pub up_to: Option<u64>,
    /// How many go.
    pub entries: u64,
    /// Bytes of their payloads. What a store frees is more by what else they say, and less by the hash of each that it keeps.
    pub bytes: u64,
    /// How many of those that go an earlier prune, which was interrupted, has on record already.
    pub on_record: u64,
    /// Producers' entries that stay.
    pub stays: u64,
    /// The first of those, and why it is kept; `None` where none stays.
    pub kept: Option<(u64, Kept)>,
}

/// What was taken out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedStream {
    /// The stream.
    pub stream: String,
    /// Its producers' entries up to this seqno are gone.
    pub up_to: u64,
    /// How many of them went now.
    pub entries: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The entry that says so; `None` where an earlier prune had said it, and was interrupted.
    pub recorded: Option<u64>,
}

/// What [`SecureLog::prune_all`] and [`SecureLog::prune`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The streams of which something went.
    pub streams: Vec<PrunedStream>,
    /// The signed head that the records are under; `None` where nothing was to be recorded.
    pub recorded: Option<CommitInfo>,
    /// Where to go on, as there are more streams than one call takes.
    pub next: Option<u64>,
}

/// What was seen of a stream, from its first entry on.
#[derive(Clone, Default)]
struct Survey {
    /// All its producers' entries, gone or not: what a record of a prune counts.
    produced: CompactTree,
    /// Those whose content is there.
    there: u64,
    first_there: Option<u64>,
    /// The last entry seen, and its hash.
    last: Option<(u64, Hash)>,
    /// The entry that closed its last closed segment.
    closed_by: u64,
    /// The last one that is gone and that no record seen so far allows.
    gone: Option<u64>,
    /// Up to here a record under a signed head allows entries to be gone.
    allowed: u64,
}

/// What is decided for each entry of a stream.
struct Limits {
    cut: Cut,
    /// Entries from this instant on stay whatever the policy says.
    floor: Option<Timestamp>,
    /// Up to here a prune is on record.
    allowed: u64,
    /// A close behind this is under no signed head.
    signed_size: u64,
}

/// What a policy comes to at one moment.
#[derive(Clone, Copy)]
enum Cut {
    Nothing,
    Before(Timestamp),
    /// The first so many of the stream's producers' entries, gone ones included.
    Count(u64),
    /// Up to this seqno.
    Seqno(u64),
}

/// Entries that go.
#[derive(Clone, Copy, Default)]
struct Going {
    first: Option<u64>,
    up_to: Option<u64>,
    entries: u64,
    bytes: u64,
}

/// Follows a stream, and keeps what goes of it.
struct Choice {
    limits: Limits,
    /// What an interrupted prune has on record.
    on_record: Going,
    /// Of closed segments.
    closed: Going,
    /// Of the segment that is read, whose close is still to come.
    open: Going,
    /// The first entry of that segment that is kept.
    next: Option<(u64, Kept)>,
    /// The first entry that is kept: no later one goes.
    kept: Option<(u64, Kept)>,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// What [`SecureLog::prune_all`] would do now, of the streams with a number above `after`, in the order in which they were
    /// made, at most `limit` of them and those too of which nothing goes. Writes nothing. Reads each stream as a whole.
    pub fn plan_pruning(&mut self, retention: &Retention, after: u64, limit: u32) -> Result<Vec<StreamPlan>, LogError> {
        retention.check()?;
        self.reading(|log| {
            let (mut plans, mut after) = (Vec::new(), after);
            while plans.len() < limit as usize {
                let page = log.store.streams(after, PAGE.min(limit))?;
                if page.is_empty() {
                    break;
                }
                for state in page {
                    after = state.number.max(after + 1);
                    if plans.len() < limit as usize && !is_reserved_stream(&state.row.name) {
                        let (plan, _) = log.survey_any(retention, &state.row.name)?;
                        plans.push(StreamPlan { number: after, ..plan });
                    }
                }
            }
            Ok(plans)
        })
    }

    /// What [`SecureLog::prune`] would do now with this stream. Writes nothing.
    pub fn plan_pruning_of(&mut self, retention: &Retention, stream: &str) -> Result<StreamPlan, LogError> {
        check_stream(stream)?;
        retention.check()?;
        self.reading(|log| {
            let (plan, _) = log.survey_any(retention, stream)?;
            let number = log.store.stream(stream)?.map_or(0, |state| state.number);
            Ok(StreamPlan { number, ..plan })
        })
    }

    /// Prunes the streams with a number above `after`, in the order in which they were made, as [`SecureLog::prune`] does with
    /// one: all that one call takes are recorded in one commit and dropped in one step. Where [`Pruned::next`] says that there
    /// are more, call again from there.
    pub fn prune_all(&mut self, retention: &Retention, after: u64) -> Result<Pruned, LogError> {
        retention.check()?;
        self.may_prune()?;
        let (surveys, next) = self.reading(|log| {
            let (mut going, mut after) = (Vec::new(), after);
            loop {
                let page = log.store.streams(after, PAGE)?;
                if page.is_empty() {
                    return Ok((going, None));
                }
                for state in page {
                    after = state.number.max(after + 1);
                    if !is_reserved_stream(&state.row.name) {
                        let (plan, survey) = log.survey_any(retention, &state.row.name)?;
                        if plan.up_to.is_some() {
                            going.push((plan, survey));
                        }
                    }
                    if going.len() == MAX_PRUNED_STREAMS {
                        return Ok((going, Some(after)));
                    }
                }
            }
        })?;
        let pruned = self.prune_surveyed(surveys)?;
        Ok(Pruned { next, ..pruned })
    }

    /// Drops the content of the entries of a stream that the policy lets go, and keeps their hashes: the chain, the segments, the
    /// heads and the proofs of what stays hold as before. What goes is in closed segments under a signed head, no younger than
    /// the floor, by its own time and by that of the close. An entry says so under a signed head before anything goes, so
    /// that a log without a key is not pruned. When it returns, the store has made durable that the content is gone.
    ///
    /// Where it fails after the entry was written, and after a crash, the prune is finished by the next call, or by the next
    /// opening where nothing was written to the log since.
    pub fn prune(&mut self, retention: &Retention, stream: &str) -> Result<Pruned, LogError> {
        check_stream(stream)?;
        retention.check()?;
        self.may_prune()?;
        let surveyed = self.reading(|log| log.survey(retention, stream))?;
        self.prune_surveyed(if surveyed.0.up_to.is_some() { vec![surveyed] } else { Vec::new() })
    }

    fn may_prune(&mut self) -> Result<(), LogError> {
        self.refresh()?;
        self.signing_key("a prune is recorded under a signed head").map(drop)
    }

    /// Records what goes, and then drops it.
    fn prune_surveyed(&mut self, mut surveyed: Vec<(StreamPlan, Survey)>) -> Result<Pruned, LogError> {
        let mut recorded = vec![None; surveyed.len()];
        let mut info = None;
        if surveyed.iter().any(|(plan, _)| plan.on_record < plan.entries) {
            let ((), committed) = self.commit(Signing::Now, |log, commit, time| {
                for ((plan, survey), recorded) in surveyed.iter_mut().zip(&mut recorded) {
                    let (Some(last), true) = (plan.up_to, plan.on_record < plan.entries) else { continue };
                    log.finish_erasure(&plan.stream)?;
                    log.go_on(survey, &plan.stream, |_, _, _| ())?;
                    let sign = log.existing_tip(&plan.stream)?.row.rules.sign;
                    log.check_signing(&plan.stream, sign)?;
                    let payload = control::encode_pruned(last, survey.produced.size(), &survey.produced.root());
                    let (mut pen, streams) = log.pen(commit, time);
                    let tip = streams.tip(&plan.stream).expect("the tip was loaded just now");
                    *recorded = Some(pen.entry(tip, &Say::control(control::PRUNED, &payload))?.seqno);
                }
                Ok(())
            })?;
            info = Some(committed);
        }
        let gone: Vec<(&str, u64)> =
            surveyed.iter().filter_map(|(plan, _)| Some((plan.stream.as_str(), plan.up_to?))).collect();
        // Also where nothing goes: the call may be repeated because the store could not make an earlier one durable.
        self.store.prune(&gone)?;
        let streams = surveyed.into_iter().zip(recorded).filter_map(|((plan, _), recorded)| {
            let StreamPlan { stream, up_to, entries, bytes, .. } = plan;
            Some(PrunedStream { stream, up_to: up_to?, entries, bytes, recorded })
        });
        Ok(Pruned { streams: streams.collect(), recorded: info, next: None })
    }

    /// Finishes a prune after a crash, where no later entry was written to the log: the entries of one commit that record it are
    /// the last ones. The store drops what they name in one step, so that where the last is finished all are. What keeps it
    /// from that keeps nobody from opening the log.
    pub(super) fn finish_last_prune(&mut self) {
        if core::mem::take(&mut self.pruning) {
            let _ = self.finish_prunes_at_the_end();
        }
    }

    fn finish_prunes_at_the_end(&mut self) -> Result<(), LogError> {
        let size = self.accepted.head.size;
        if size > self.accepted.signed_size() {
            // What nobody attests destroys nothing, whatever it says.
            return Ok(());
        }
        let mut unfinished = Vec::new();
        for seqno in (1..=size).rev() {
            let mut said = None;
            self.walk(None, seqno, seqno, |_, stream, checked| {
                if let Checked::Entry(entry, hash) = checked
                    && entry.event == control::PRUNED
                {
                    said = control::decode_pruned(entry.payload).map(|(last, ..)| (stream.to_owned(), last, hash));
                }
                Ok(true)
            })?;
            let Some((stream, last, hash)) = said else { break };
            self.prove_entry(seqno, &hash)?;
            if unfinished.is_empty() && !self.is_there(&stream, last)? {
                return Ok(());
            }
            unfinished.push((stream, last));
        }
        let gone: Vec<(&str, u64)> = unfinished.iter().map(|(stream, last)| (stream.as_str(), *last)).collect();
        Ok(self.store.prune(&gone).map(drop)?)
    }

    /// Whether a producer's entry that was to go is still there.
    fn is_there(&mut self, stream: &str, seqno: u64) -> Result<bool, LogError> {
        let mut there = false;
        let range = EntryRange { stream: Some(stream), from: seqno, to: seqno, limit: 1 };
        self.store.entries(range, &mut |row| there = matches!(row, Record::Entry(_)))?;
        Ok(there)
    }

    /// The same as [`SecureLog::survey`] of a stream that can be read here; of another it says that it cannot.
    fn survey_any(&mut self, retention: &Retention, stream: &str) -> Result<(StreamPlan, Survey), LogError> {
        match self.survey(retention, stream) {
            Err(LogError::MacKeyMissing { .. }) => {
                let first = self.store.stream(stream)?.and_then(|state| state.first).unwrap_or(1);
                let plan = StreamPlan::nothing(retention, stream, self.providers.clock.now());
                Ok((StreamPlan { kept: Some((first, Kept::NoKey)), ..plan }, Survey::default()))
            }
            surveyed => surveyed,
        }
    }

    /// Reads a stream as a whole, and decides what goes of it.
    fn survey(&mut self, retention: &Retention, stream: &str) -> Result<(StreamPlan, Survey), LogError> {
        let now = self.providers.clock.now();
        let plan = StreamPlan::nothing(retention, stream, now);
        let (policy, is_own) = retention.policy_of(stream);
        let mut known = Survey::default();
        if let (Policy::Newest(_), true) = (policy, is_own) {
            // How many there are only the end of the stream says.
            self.go_on(&mut known, stream, |_, _, _| ())?;
        }
        loop {
            let cut = match policy {
                Policy::Never => Cut::Nothing,
                Policy::Newest(count) if is_own => Cut::Count(known.produced.size().saturating_sub(count)),
                Policy::Newest(count) => Cut::Seqno(self.accepted.head.size.saturating_sub(count)),
                Policy::For(period) => Cut::Before(period.before(now)),
                Policy::Since(time) => Cut::Before(time),
            };
            let floor = plan.floor.map(|floor| floor.before(now));
            let signed_size = self.accepted.signed_size();
            let mut choice = Choice::new(Limits { cut, floor, allowed: known.allowed, signed_size });
            let mut seen = Survey::default();
            self.go_on(&mut seen, stream, |seqno, count, entry| choice.take(seqno, count, entry))?;
            if seen.allowed > known.allowed && seen.first_there.is_some_and(|first| first <= seen.allowed) {
                // An earlier prune was interrupted, as only the end of the stream says: what it has on record goes.
                known = seen;
                continue;
            }
            return Ok((choice.end(plan, &seen), seen));
        }
    }

    /// Follows a stream from where it was left to its last entry, which was proven under the head. It is one chain, and records of
    /// prunes say what of it may be gone, so that the store leaves out nothing and slips nothing in. `visit` is shown each entry
    /// that is there, with how many producers' entries there are up to it.
    fn go_on(
        &mut self,
        survey: &mut Survey,
        stream: &str,
        mut visit: impl FnMut(u64, u64, &EntryRef<'_>),
    ) -> Result<(), LogError> {
        let tip = self.existing_tip(stream)?;
        let (policy, end) = (tip.policy, tip.last.map(|last| (last, tip.prev)));
        let Some((to, _)) = end else { return Ok(()) };
        let signed_size = self.accepted.signed_size();
        let from = survey.last.map_or(1, |(last, _)| last + 1);
        self.walk(Some(stream), from, to, |seqno, _, checked| {
            survey.pass(seqno, &checked, &policy, signed_size)?;
            if let Checked::Entry(entry, _) = &checked {
                visit(seqno, survey.produced.size(), entry);
            }
            Ok(true)
        })?;
        if let Some(gone) = survey.gone {
            let detail = "pruned, and no entry of its stream says so";
            return Err(finding(FindingCode::PruneUnauthorized, gone, detail));
        }
        if survey.last == end {
            Ok(())
        } else {
            Err(LogError::ChainBroken { seqno: to, reason: "the entries of the stream do not lead to the last one" })
        }
    }
}

impl StreamPlan {
    /// A plan by which nothing goes.
    fn nothing(retention: &Retention, stream: &str, now: Timestamp) -> StreamPlan {
        StreamPlan {
            stream: stream.into(),
            number: 0,
            policy: retention.policy_of(stream).0,
            floor: retention.floor_of(stream, now),
            up_to: None,
            entries: 0,
            bytes: 0,
            on_record: 0,
            stays: 0,
            kept: None,
        }
    }
}

impl Survey {
    /// Takes the next entry of the stream, whose first entry names the stream's rules.
    fn pass(&mut self, seqno: u64, checked: &Checked<'_>, rules: &Hash, signed_size: u64) -> Result<(), LogError> {
        let hash = match checked {
            Checked::Entry(entry, hash) => {
                let before = self.last.as_ref().map_or(rules, |(_, hash)| hash);
                if entry.prev != before.as_bytes() {
                    return Err(LogError::ChainBroken { seqno, reason: "prev-entry-hash does not match" });
                }
                if !entry.is_control() {
                    self.produced.push(leaf_hash(hash));
                    self.there += 1;
                    self.first_there.get_or_insert(seqno);
                } else if entry.event == control::SEGMENT_CLOSED {
                    self.closed_by = seqno;
                } else if entry.event == control::PRUNED {
                    self.check_record(seqno, entry.payload, signed_size)?;
                }
                hash
            }
            Checked::Pruned(hash) => {
                self.produced.push(leaf_hash(hash));
                self.gone = Some(seqno);
                hash
            }
        };
        self.last = Some((seqno, *hash));
        Ok(())
    }

    /// A record of a prune counts what stands before it, which fixes whose the gone entries are.
    fn check_record(&mut self, seqno: u64, payload: &[u8], signed_size: u64) -> Result<(), LogError> {
        let said = control::decode_pruned(payload).filter(|(last, count, root)| {
            *last < seqno && (*count, *root) == (self.produced.size(), self.produced.root())
        });
        let detail = "not the count or root of the stream's entries";
        let (last, ..) = said.ok_or_else(|| finding(FindingCode::PruneMismatch, seqno, detail))?;
        if self.gone.is_some_and(|gone| gone <= last) {
            self.gone = None;
        }
        // What stands in an open segment is never pruned, and what nobody attests allows nothing.
        if seqno <= signed_size && last < self.closed_by {
            self.allowed = self.allowed.max(last);
        }
        Ok(())
    }
}

impl Limits {
    /// Why an entry is kept, if it is. `count` says how many producers' entries there are up to it.
    fn kept(&self, seqno: u64, count: u64, time: &str) -> Option<Kept> {
        let time = time.parse::<Timestamp>();
        let goes = match (self.cut, time) {
            (Cut::Nothing, _) => false,
            (Cut::Count(last), _) => count <= last,
            (Cut::Seqno(last), _) => seqno <= last,
            (Cut::Before(_), Err(_)) => return Some(Kept::NoTime),
            (Cut::Before(instant), Ok(time)) => time < instant,
        };
        match (self.floor, time) {
            _ if !goes => Some(Kept::Policy),
            (Some(_), Err(_)) => Some(Kept::NoTime),
            (Some(floor), Ok(time)) if time >= floor => Some(Kept::Floor),
            _ => None,
        }
    }
}

impl Going {
    fn add(&mut self, seqno: u64, entry: &EntryRef<'_>) {
        self.first.get_or_insert(seqno);
        self.up_to = Some(seqno);
        self.entries += 1;
        self.bytes += entry.payload.len() as u64;
    }

    fn add_all(&mut self, later: Going) {
        self.first = self.first.or(later.first);
        self.up_to = later.up_to.or(self.up_to);
        self.entries += later.entries;
        self.bytes += later.bytes;
    }
}

impl Choice {
    fn new(limits: Limits) -> Choice {
        Choice {
            limits,
            on_record: Going::default(),
            closed: Going::default(),
            open: Going::default(),
            next: None,
            kept: None,
        }
    }

    /// Looks at the next entry of the stream.
    fn take(&mut self, seqno: u64, count: u64, entry: &EntryRef<'_>) {
        if entry.is_control() {
            if entry.event == control::SEGMENT_CLOSED {
                self.close(seqno, entry.time);
            }
        } else if seqno <= self.limits.allowed {
            self.on_record.add(seqno, entry);
        } else if self.kept.is_none() && self.next.is_none() {
            match self.limits.kept(seqno, count, entry.time) {
                Some(why) => self.next = Some((seqno, why)),
                None => self.open.add(seqno, entry),
            }
        }
    }

    /// The segment that was read is closed. Its entries are as old as they say and as its close says, whichever is less, so that a
    /// clock that stood far back when they were written makes none of them too old to be kept.
    fn close(&mut self, seqno: u64, time: &str) {
        if self.kept.is_some() {
            return;
        }
        let open = core::mem::take(&mut self.open);
        self.kept = match (open.first, self.limits.floor) {
            (Some(first), _) if seqno > self.limits.signed_size => Some((first, Kept::UnsignedHead)),
            (Some(first), Some(floor)) if time.parse::<Timestamp>().is_ok_and(|closed| closed >= floor) => {
                Some((first, Kept::Floor))
            }
            (Some(first), Some(_)) if time.parse::<Timestamp>().is_err() => Some((first, Kept::NoTime)),
            _ => {
                self.closed.add_all(open);
                self.next.take()
            }
        };
    }

    /// What was decided, at the end of the stream.
    fn end(self, plan: StreamPlan, seen: &Survey) -> StreamPlan {
        let open = self.open.first.map(|first| (first, Kept::OpenSegment));
        let mut goes = self.on_record;
        goes.add_all(self.closed);
        StreamPlan {
            up_to: goes.up_to,
            entries: goes.entries,
            bytes: goes.bytes,
            on_record: self.on_record.entries,
            stays: seen.there - goes.entries,
            kept: self.kept.or(open).or(self.next),
            ..plan
        }
    }
}

fn finding(code: FindingCode, seqno: u64, detail: &str) -> LogError {
    LogError::InvalidRecord(Box::new(Finding::new(code, Place::Seqno(seqno), detail)))
}
