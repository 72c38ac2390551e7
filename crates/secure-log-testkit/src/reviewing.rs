//! Whether a review counts what is there: random logs, counted a second time in the plainest way from all their records.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use secure_log::SecureLog;
use secure_log::engine::{Erase, LogOptions, NewEntry, Providers};
use secure_log::entry::{Entry, SEALED_SUFFIX, Severity, SigningRule, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::providers::NoAnchor;
use secure_log::record::{HeadRow, SegmentRow, SignatureRow, Subject};
use secure_log::review::{MAX_LISTED, MAX_NEWEST, Review};
use secure_log::sign::Algorithm;
use secure_log::store::SecureLogStore;
use secure_log::time::Timestamp;
use secure_log::verify::Verdict;

use crate::{ManualClock, OwnedRecord, SeededRandom, TestKeystore, count, records_of, seed};

/// How a payload is known for an event of the audit profile.
const AUDIT: &str = "secure-log.audit.v1+json";
const SIGNER: &str = "checkpoint-ed25519";
/// Streams of which each has other rules. `sealed` is written to by itself.
const STREAMS: [&str; 4] = ["plain", "signed", "blake\u{202e}3", "closed"];
const SEALED: &str = "sealed";
const PRODUCERS: [&str; 5] = ["one", "two", "pro\u{202e}ducer", "a\u{2066}b", "zwei"];
const PEOPLE: [(&str, &str); 4] =
    [("user", "alice"), ("user", "bob\u{202e}"), ("agent", "alice"), ("agent", "7 \"of\" \\9")];
const ACTIONS: [&str; 2] = ["file-delete", "tool-call"];

/// What an event was made to say. The naive count looks here and reads no payload.
#[derive(Clone)]
struct Said {
    actor: usize,
    on_behalf_of: Option<usize>,
    action: &'static str,
    begins: Option<u64>,
    ends: Option<u64>,
}

/// Writes random logs, each into a fresh store, and compares their reviews and those of their streams with a naive count.
/// `fresh` makes a place, and answers what opens it.
///
/// # Panics
/// When they differ.
pub fn reviews_count_what_is_there<S: SecureLogStore, O: FnMut() -> S>(mut fresh: impl FnMut() -> O) {
    let seed = seed();
    for round in 0..count(4, 100) {
        let mut open = fresh();
        let mut random = SeededRandom::new(seed.wrapping_add(round));
        let mut log = Written::new(open());
        for _ in 0..20 + random.below(100) {
            log.step(&mut random);
        }
        let Written { mut log, said, .. } = log;
        let records = records_of(&mut open()).expect("the store can be read");
        let streams = STREAMS.into_iter().chain([SEALED]).map(Some);
        for only in streams.chain([None]) {
            let naive = Naive { records: &records, said: &said, only };
            for threads in [1, 3] {
                let threads = NonZeroUsize::new(threads).expect("one at least");
                match log.review_on(only, threads) {
                    Ok(review) => naive.compare(&review, &format!("round {round}, {only:?}")),
                    Err(error) => assert_eq!(error, LogError::StreamNotFound(only.unwrap_or_default().into())),
                }
            }
        }
        assert!(log.review(None).is_ok() && log.review(Some("plain")).is_ok());
    }
}

/// A log that is written at random.
struct Written<S> {
    log: SecureLog<S>,
    clock: ManualClock,
    /// By payload, each of which is there once.
    said: BTreeMap<Vec<u8>, Said>,
    begun: Vec<(u64, &'static str, Said)>,
    ids: u64,
}

impl<S: SecureLogStore> Written<S> {
    fn new(store: S) -> Written<S> {
        let clock = ManualClock::new();
        let keys = TestKeystore::new().signing(SIGNER, Algorithm::Ed25519).wrapping("kek");
        let providers = Providers {
            keystore: Box::new(keys),
            anchor: Box::new(NoAnchor),
            clock: Box::new(clock.clone()),
            random: Box::new(SeededRandom::new(1)),
        };
        let options = LogOptions { kek_label: Some("kek".into()), ..LogOptions::default() };
        let mut log = SecureLog::open(store, providers, options).expect("a log is made");
        let rules = StreamRules::default;
        for (stream, rules) in [
            ("plain", rules()),
            ("signed", StreamRules { sign: SigningRule::Entries, ..rules() }),
            (STREAMS[2], StreamRules { suite: Suite::Blake3, ..rules() }),
            ("closed", StreamRules { sign: SigningRule::Segments, ..rules() }),
            (SEALED, StreamRules { tier: Tier::Protected, ..rules() }),
        ] {
            log.create_stream(stream, &rules).expect("a stream is made");
        }
        Written { log, clock, said: BTreeMap::new(), begun: Vec::new(), ids: 0 }
    }

    fn step(&mut self, random: &mut SeededRandom) {
        match random.below(8) {
            // Less than a minute back is taken to have stood still.
            0 => self.clock.advance(-(random.below(4000) as i64)),
            1 | 2 => self.clock.advance_nanos(random.below(5_000_000_000_000) as i64),
            _ => {}
        }
        let stream = *random.pick(&STREAMS);
        match random.below(10) {
            0 => {
                let stream = *random.pick(&[stream, SEALED]);
                match self.log.close_segment(stream) {
                    Ok(_) | Err(LogError::EmptySegment(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            1 => self.seal(random),
            2 => match self.log.erase(SEALED, Erase::Segment(1 + random.below(8))) {
                Ok(_) | Err(LogError::SegmentNotFound(_) | LogError::Invalid(_)) => {}
                Err(error) => panic!("{error:?}"),
            },
            3..=6 => self.event(random, stream),
            _ => self.plain(random, stream),
        }
    }

    fn plain(&mut self, random: &mut SeededRandom, stream: &str) {
        let kinds: Vec<(String, &str, Severity)> = (0..1 + random.below(6))
            .map(|_| (format!("event.{}", random.below(9)), *random.pick(&PRODUCERS), *random.pick(&Severity::ALL)))
            .collect();
        let batch: Vec<NewEntry<'_>> = kinds
            .iter()
            .map(|(event, producer, severity)| NewEntry {
                stream,
                event,
                severity: *severity,
                producer,
                encoding: "text",
                payload: br#"{"actor":{"id":"alice","kind":"user"}}"#,
            })
            .collect();
        self.log.append_batch(&batch).expect("it is appended");
    }

    fn seal(&mut self, random: &mut SeededRandom) {
        let (event, producer, encoding) = ("secret", *random.pick(&PRODUCERS), AUDIT);
        let payload = br#"{"actor":{"id":"alice","kind":"user"}}"#;
        let entry = NewEntry { stream: SEALED, event, severity: Severity::Info, producer, encoding, payload };
        self.log.append_sealed(&entry).expect("it is sealed");
    }

    fn event(&mut self, random: &mut SeededRandom, stream: &'static str) {
        self.ids += 1;
        let id = self.ids;
        let place = random.below(self.begun.len().max(1) as u64) as usize;
        let begun = self.begun.get(place).filter(|_| random.below(2) == 0).cloned();
        let (stream, said) = match begun {
            // An end; of five one is in another stream, by another actor or of another action.
            Some((intent, begun_in, begun)) => {
                let said = Said { begins: None, ends: Some(intent), ..begun };
                match random.below(15) {
                    0 => (stream, said),
                    1 => (begun_in, Said { actor: (said.actor + 1) % PEOPLE.len(), ..said }),
                    2 => (begun_in, Said { action: ACTIONS[usize::from(said.action == ACTIONS[0])], ..said }),
                    _ => (begun_in, said),
                }
            }
            None => {
                let actor = random.below(PEOPLE.len() as u64) as usize;
                let on_behalf_of = (random.below(3) == 0).then(|| random.below(PEOPLE.len() as u64) as usize);
                let action = *random.pick(&ACTIONS);
                let begins = (random.below(2) == 0).then_some(id);
                (stream, Said { actor, on_behalf_of, action, begins, ends: None })
            }
        };
        if said.begins.is_some() {
            self.begun.push((id, stream, said.clone()));
        }
        let payload = payload(id, &said);
        let entry = NewEntry {
            stream,
            event: said.action,
            severity: Severity::Notice,
            producer: "profile",
            encoding: AUDIT,
            payload: &payload,
        };
        self.log.append(&entry).expect("it is appended");
        self.said.insert(payload, said);
    }
}

/// An event in its one spelling.
fn payload(id: u64, said: &Said) -> Vec<u8> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let principal = |index: usize| {
        let (kind, id) = PEOPLE[index];
        format!(r#""id":"{}","kind":"{kind}""#, escaped(id))
    };
    let other = said.on_behalf_of.map(|index| format!(r#","on_behalf_of":{{{}}}"#, principal(index)));
    let completes = said.ends.map(|intent| format!(r#""completes":"{}","#, uuid(intent)));
    format!(
        r#"{{"action":{{"arguments":{{"kind":"x"}},"kind":"{}"}},"actor":{{{}{}}},{}"details":{{"id":"{{"}},"id":"{}","outcome":{{"result":"{}"}}}}"#,
        said.action,
        principal(said.actor),
        other.unwrap_or_default(),
        completes.unwrap_or_default(),
        uuid(id),
        if said.begins.is_some() { "begun" } else { "success" },
    )
    .into_bytes()
}

fn uuid(number: u64) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// The name of the stream that a record describes.
fn stream_of(record: &OwnedRecord) -> Option<&str> {
    match record {
        OwnedRecord::Stream(row) => Some(&row.name),
        _ => None,
    }
}

/// All records of a log, and what is counted of them.
struct Naive<'a> {
    records: &'a [OwnedRecord],
    said: &'a BTreeMap<Vec<u8>, Said>,
    only: Option<&'a str>,
}

impl Naive<'_> {
    fn is_counted(&self, stream: &str) -> bool {
        self.only.is_none_or(|only| only == stream)
    }

    /// All entries of the log.
    fn log(&self) -> Vec<Entry> {
        self.records.iter().filter_map(OwnedRecord::entry).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        self.log().into_iter().filter(|entry| self.is_counted(&entry.stream)).collect()
    }

    fn compare(&self, review: &Review, at: &str) {
        let entries = self.entries();
        assert_eq!(review.report.verdict, Verdict::Valid, "{at}");
        assert_eq!(review.stream.as_deref(), self.only, "{at}");
        self.compare_totals(review, &entries, at);
        let names = |name: fn(&Entry) -> &str| ranked(entries.iter().map(|entry| name(entry).to_owned()));
        let listed = |counted: &[secure_log::review::NameCount]| {
            counted.iter().map(|count| (count.name.clone(), count.entries)).collect::<Vec<_>>()
        };
        assert_eq!(listed(&review.producers.listed), names(|entry| &entry.producer), "{at}");
        assert_eq!(listed(&review.event_types.listed), names(|entry| &entry.event), "{at}");
        self.compare_actors(review, &entries, at);
        self.compare_times(review, &entries, at);
        self.compare_signers(review, at);
        self.compare_segments(review, at);
        self.compare_heads(review, at);
        self.compare_actions(review, &entries, at);
    }

    fn compare_totals(&self, review: &Review, entries: &[Entry], at: &str) {
        let control = entries.iter().filter(|entry| entry.event.starts_with("secure-log.")).count();
        let sealed = entries.iter().filter(|entry| entry.encoding.ends_with(SEALED_SUFFIX)).count();
        let bytes: usize = entries.iter().map(|entry| entry.payload.len()).sum();
        // Those without an entry, too.
        let streams: BTreeSet<&str> =
            self.records.iter().filter_map(stream_of).filter(|name| self.is_counted(name)).collect();
        let totals = &review.totals;
        let found = [totals.entries, totals.control, totals.payload_bytes, totals.streams, totals.uncovered];
        assert_eq!(found, [entries.len(), control, bytes, streams.len(), 0].map(|n| n as u64), "{at}");
        assert_eq!(review.payloads.sealed, sealed as u64, "{at}");
        assert_eq!(review.payloads.clear, (entries.len() - control - sealed) as u64, "{at}");
        let erased = if self.is_counted(SEALED) { review.report.erased_payloads } else { 0 };
        assert_eq!(review.payloads.erased, erased, "{at}");
        for severity in Severity::ALL {
            let expected = entries.iter().filter(|entry| entry.severity == severity.as_str()).count();
            assert_eq!(review.count_of(severity), expected as u64, "{at} {severity}");
        }
    }

    fn compare_actors(&self, review: &Review, entries: &[Entry], at: &str) {
        let mut expected: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for said in entries.iter().filter_map(|entry| self.said.get(&entry.payload)) {
            expected.entry(PEOPLE[said.actor]).or_default().0 += 1;
            if let Some(other) = said.on_behalf_of.filter(|other| *other != said.actor) {
                let (entries, on_behalf) = expected.entry(PEOPLE[other]).or_default();
                (*entries, *on_behalf) = (*entries + 1, *on_behalf + 1);
            }
        }
        let mut expected: Vec<_> = expected.into_iter().collect();
        expected.sort_by_key(|((kind, id), (entries, _))| (Reverse(*entries), *kind, *id));
        let found = review.actors.listed.iter();
        let found: Vec<_> = found.map(|count| ((&*count.kind, &*count.id), (count.entries, count.on_behalf))).collect();
        assert_eq!(found, expected, "{at}");
    }

    fn compare_times(&self, review: &Review, entries: &[Entry], at: &str) {
        let moments: Vec<(Timestamp, u64, &str)> =
            entries.iter().map(|entry| (entry.time.parse().unwrap(), entry.seqno, &*entry.stream)).collect();
        let earliest = moments.iter().map(|(time, seqno, _)| (*time, *seqno)).min();
        let latest = moments.iter().map(|(time, seqno, _)| (*time, *seqno)).max();
        assert_eq!(review.times.map(|times| (times.earliest.time, times.earliest.seqno)), earliest, "{at}");
        assert_eq!(review.times.map(|times| (times.latest.time, times.latest.seqno)), latest, "{at}");

        let steps = |moments: &[(Timestamp, u64, &str)]| {
            let pairs = moments.windows(2);
            pairs.map(|pair| (pair[1].0.nanos_since(pair[0].0), pair[0].1, pair[1].1)).collect::<Vec<_>>()
        };
        let compare = |gaps: &secure_log::review::Gaps, mut steps: Vec<(i128, u64, u64)>| {
            steps.sort_by_key(|(nanos, _, to)| (Reverse(nanos.abs()), *to));
            let largest = |sign: i128| {
                let with_sign = steps.iter().filter(|(nanos, ..)| nanos.signum() == sign);
                with_sign.map(|(nanos, from, to)| (nanos.abs(), *from, *to)).take(MAX_NEWEST).collect::<Vec<_>>()
            };
            let found = |gaps: &[secure_log::review::Gap]| {
                let nanos = |gap: &secure_log::review::Gap| {
                    i128::from(gap.length.seconds) * 1_000_000_000 + i128::from(gap.length.nanos)
                };
                gaps.iter().map(|gap| (nanos(gap), gap.from.seqno, gap.to.seqno)).collect::<Vec<_>>()
            };
            assert_eq!(found(&gaps.largest), largest(1), "{at}");
            assert_eq!(found(&gaps.largest_back), largest(-1), "{at}");
            let back = steps.iter().filter(|(nanos, ..)| *nanos < 0).count();
            assert_eq!(gaps.steps_back, back as u64, "{at}");
        };
        compare(&review.gaps, steps(&moments));
        assert_eq!(review.gaps_in_streams.is_some(), self.only.is_none(), "{at}");
        if let Some(gaps) = &review.gaps_in_streams {
            let streams: BTreeSet<&str> = moments.iter().map(|(.., stream)| *stream).collect();
            let of = |name: &str| moments.iter().filter(|(.., stream)| *stream == name).copied().collect::<Vec<_>>();
            compare(gaps, streams.into_iter().flat_map(|name| steps(&of(name))).collect());
            let stream_of = |seqno| moments.iter().find(|(_, other, _)| *other == seqno).map(|(.., stream)| *stream);
            for gap in gaps.largest.iter().chain(&gaps.largest_back) {
                assert_eq!(gap.stream.as_deref(), stream_of(gap.to.seqno), "{at}");
            }
        }
    }

    fn segments(&self) -> Vec<&SegmentRow> {
        let rows = self.records.iter().filter_map(|record| match record {
            OwnedRecord::Segment(row) => Some(row),
            _ => None,
        });
        rows.filter(|row| self.is_counted(&row.stream)).collect()
    }

    /// The signatures, each with the last seqno that it speaks for.
    fn signatures(&self) -> Vec<(&SignatureRow, u64)> {
        let stream_of: BTreeMap<u64, String> =
            self.log().into_iter().map(|entry| (entry.seqno, entry.stream)).collect();
        let segments: BTreeMap<u64, u64> = self.segments().iter().map(|row| (row.id, row.last)).collect();
        let rows = self.records.iter().filter_map(|record| match record {
            OwnedRecord::Signature(row) => Some(row),
            _ => None,
        });
        let counted = rows.filter_map(|row| match row.of {
            Subject::Entry(seqno) => self.is_counted(&stream_of[&seqno]).then_some((row, seqno)),
            Subject::Segment(id) => segments.get(&id).map(|last| (row, *last)),
        });
        counted.collect()
    }

    fn compare_signers(&self, review: &Review, at: &str) {
        let signatures = self.signatures();
        let seqnos = signatures.iter().map(|(_, seqno)| *seqno);
        let range = seqnos.clone().min().zip(seqnos.max());
        let found: Vec<_> =
            review.signers.listed.iter().map(|s| (&*s.identity, s.signatures(), s.valid, s.range)).collect();
        let total = signatures.len() as u64;
        let expected = range.map(|range| (SIGNER, total, total, Some(range)));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{at}");
        if let Some((row, _)) = signatures.first() {
            assert_eq!(review.signers.listed[0].fingerprint, Hash::sha256(&row.key), "{at}");
        }
    }

    fn compare_segments(&self, review: &Review, at: &str) {
        let segments = self.segments();
        let signatures_of =
            |id: u64| self.signatures().iter().filter(|(row, _)| row.of == Subject::Segment(id)).count() as u64;
        let newest: Vec<_> = segments
            .iter()
            .rev()
            .take(MAX_NEWEST)
            .map(|row| (row.id, row.first, row.last, signatures_of(row.id)))
            .collect();
        let found = review.segments.newest.iter();
        let found: Vec<_> = found.map(|seen| (seen.id, seen.range.0, seen.range.1, seen.signatures)).collect();
        assert_eq!(found, newest, "{at}");
        let signed = segments.iter().filter(|row| signatures_of(row.id) > 0).count();
        let mut open: BTreeMap<&str, u64> = BTreeMap::new();
        let entries = self.entries();
        for entry in &entries {
            let closed = segments.iter().filter(|row| row.stream == entry.stream).map(|row| row.last).max();
            if closed.is_none_or(|last| entry.seqno > last) {
                *open.entry(&entry.stream).or_default() += 1;
            }
        }
        let found =
            [review.segments.closed, review.segments.signed, review.segments.open, review.segments.open_entries];
        let entries = open.values().sum();
        assert_eq!(found, [segments.len() as u64, signed as u64, open.len() as u64, entries], "{at}");
    }

    fn compare_heads(&self, review: &Review, at: &str) {
        let rows = self.records.iter().filter_map(|record| match record {
            OwnedRecord::Head(row) => Some(row),
            _ => None,
        });
        let heads: Vec<&HeadRow> = rows.collect();
        assert_eq!((review.heads.count, review.heads.signed), (heads.len() as u64, heads.len() as u64), "{at}");
        let log = self.log();
        let time = |size: u64| log.iter().rev().find(|entry| entry.seqno <= size).map(|entry| entry.time.clone());
        let expected: Vec<_> =
            heads.iter().rev().take(MAX_NEWEST).map(|row| (row.size, row.root, time(row.size), 1)).collect();
        let found = review.heads.newest.iter();
        let found: Vec<_> =
            found.map(|seen| (seen.size, seen.root, seen.time.map(|time| time.to_string()), seen.signatures)).collect();
        assert_eq!(found, expected, "{at}");
    }

    fn compare_actions(&self, review: &Review, entries: &[Entry], at: &str) {
        let mut begun = 0;
        let mut open: BTreeMap<u64, (&Entry, &Said)> = BTreeMap::new();
        for (entry, said) in entries.iter().filter_map(|entry| Some((entry, self.said.get(&entry.payload)?))) {
            if let Some(intent) = said.ends {
                let same = |(intent, of): &(&Entry, &Said)| {
                    intent.stream == entry.stream
                        && (of.actor, of.on_behalf_of, of.action) == (said.actor, said.on_behalf_of, said.action)
                };
                if open.get(&intent).is_some_and(same) {
                    open.remove(&intent);
                }
            }
            if let Some(id) = said.begins {
                begun += 1;
                open.insert(id, (entry, said));
            }
        }
        let actions = &review.actions;
        assert_eq!((actions.begun, actions.unfinished, actions.untracked), (begun, open.len() as u64, 0), "{at}");
        // Ids are given out in the order of entries.
        let expected: Vec<_> = open
            .iter()
            .take(MAX_LISTED)
            .map(|(id, (entry, said))| (entry.seqno, uuid(*id), &*entry.stream, PEOPLE[said.actor], said.action))
            .collect();
        let found: Vec<_> = actions
            .listed
            .iter()
            .map(|open| {
                let actor = (&*open.actor.0, &*open.actor.1);
                (open.begun.seqno, open.event_id(), &*open.stream, actor, &*open.action)
            })
            .collect();
        assert_eq!(found, expected, "{at}");
    }
}

/// How often each name comes, the most frequent first, and those that come as often in the order of their bytes.
fn ranked(names: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|(name, entries)| (Reverse(*entries), name.clone()));
    ranked
}
