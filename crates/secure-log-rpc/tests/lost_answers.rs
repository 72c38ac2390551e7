//! A commit whose answer is lost is there once, or it is said that nobody knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use secure_log::engine::{Every, LogOptions, NewEntry, Providers, SecureLog};
use secure_log::entry::{Severity, StreamRules};
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::record::{Record, WitnessResult, WitnessRow};
use secure_log::store::{Commit, SecureLogStore, StoreError};
use secure_log::verify::Verdict;
use secure_log_rpc::{RemoteStore, Transport, TransportError};
use secure_log_testkit::attacks::{options, providers};
use secure_log_testkit::{
    Effect, Fault, FaultStore, LogBuilder, ManualClock, OwnedRecord, SeededRandom, SharedStore, count, records_of, seed,
};

use crate::support::{Here, Shared, at_once, open};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is carried out, and its answer arrives.
    Answered,
    /// It never arrives.
    LostBefore,
    /// It is carried out, and its answer is lost.
    LostAfter,
    /// It arrives after the next call that does.
    Late,
    /// It is carried out, and its answer is cut short.
    Cut,
    /// It is refused, whatever it is.
    Refused,
}

/// A transport that loses what it is told to.
struct Lossy {
    server: Here<Shared>,
    fate: Box<dyn FnMut(&str) -> Fate>,
    on_its_way: Option<(String, String)>,
}

impl Lossy {
    fn new(place: &Shared, fate: impl FnMut(&str) -> Fate + 'static) -> Lossy {
        Lossy { server: Here(place.clone()), fate: Box::new(fate), on_its_way: None }
    }

    /// The fates of insertions in turn, and of all else that it is answered.
    fn of_insertions(place: &Shared, fates: &[Fate]) -> Lossy {
        let mut fates: VecDeque<Fate> = fates.iter().copied().collect();
        Lossy::new(place, move |method| match method {
            "secure-log-insert" => fates.pop_front().unwrap_or(Fate::Answered),
            _ => Fate::Answered,
        })
    }
}

impl Transport for Lossy {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let lost = |what: &str| Err(TransportError::Unknown(format!("the {what} was lost")));
        let fate = (self.fate)(method);
        if fate == Fate::Late {
            self.on_its_way = Some((method.into(), params.into()));
            return lost("call");
        }
        if matches!(fate, Fate::LostBefore) {
            return lost("call");
        }
        if fate == Fate::Refused {
            return Err(TransportError::Refused("no".into()));
        }
        let answer = self.server.rpc(method, params);
        if let Some((method, params)) = self.on_its_way.take_if(|_| method == "secure-log-insert") {
            // Nobody waits for its answer any more.
            let _ = self.server.rpc(&method, &params);
        }
        match fate {
            Fate::LostAfter => lost("answer"),
            Fate::Cut => answer.map(|answer| answer[..answer.len() / 2].into()),
            _ => answer,
        }
    }
}

/// A log with one entry, and the builder that goes on from it.
fn begun() -> (Shared, LogBuilder) {
    let place = SharedStore::new(MemoryStore::new());
    let mut log = LogBuilder::new();
    let mut store = place.clone();
    store.insert(&log.create()).unwrap();
    store.insert(&log.commit().entry("a", b"first").finish()).unwrap();
    (place, log)
}

fn records(place: &Shared) -> Vec<OwnedRecord> {
    place.with(|store| records_of(store).unwrap())
}

/// Inserts a commit with these fates, and answers what was said and how many records there are more.
fn insert(commit: impl FnOnce(&mut LogBuilder) -> Commit, fates: &[Fate]) -> (Result<(), StoreError>, usize) {
    let (place, mut log) = begun();
    let before = records(&place).len();
    let commit = commit(&mut log);
    let said = open(Lossy::of_insertions(&place, fates)).insert(&commit);
    (said, records(&place).len() - before)
}

fn with_entries(log: &mut LogBuilder) -> Commit {
    log.commit().entry("a", b"second").entry("b", b"third").finish()
}

/// It leaves size, root and segments as they were. The stream is what keeps a store from taking it twice.
fn with_a_stream(log: &mut LogBuilder) -> Commit {
    log.commit().stream("quiet").finish()
}

/// A store would take it twice.
fn with_neither(log: &mut LogBuilder) -> Commit {
    let (name, at, detail) = ("witness".into(), "now".into(), String::new());
    let row = WitnessRow { size: log.size(), name, at, result: WitnessResult::Cosigned, detail };
    log.commit().record(Record::Witness(&row)).finish()
}

#[test]
fn a_commit_whose_answer_was_lost_is_there_once() {
    use Fate::*;
    let fates: [&[Fate]; 8] = [
        &[Answered],
        &[LostBefore],
        &[LostAfter],
        &[LostBefore, LostBefore, LostAfter],
        &[LostBefore, LostBefore, LostBefore, LostBefore, LostBefore],
        &[Cut],
        &[Late, Answered],
        &[Late, LostAfter],
    ];
    for fates in fates {
        let (said, more) = insert(with_entries, fates);
        // Two entries, the stream `b` and a head.
        assert_eq!((said, more), (Ok(()), 4), "{fates:?}");
        let (said, more) = insert(with_a_stream, fates);
        assert_eq!((said, more), (Ok(()), 2), "{fates:?}");
    }
    for fates in [&[Answered][..], &[LostAfter], &[Cut]] {
        let (said, more) = insert(with_neither, fates);
        assert_eq!((said, more), (Ok(()), 2), "{fates:?}");
    }
}

#[test]
fn what_would_be_stored_twice_is_never_sent_twice() {
    let (said, more) = insert(with_neither, &[Fate::LostBefore]);
    assert!(matches!(said, Err(StoreError::Io { .. })), "{said:?}");
    assert_eq!(more, 0);
}

#[test]
fn the_first_commit_is_there_once() {
    for fate in [Fate::LostBefore, Fate::LostAfter, Fate::Cut, Fate::Late] {
        let place = SharedStore::new(MemoryStore::new());
        open(Lossy::of_insertions(&place, &[fate])).insert(&LogBuilder::new().create()).unwrap();
        assert_eq!(records(&place).len(), 2, "{fate:?}");
    }
}

#[test]
fn a_commit_that_was_refused_is_not_sent_again() {
    let (said, more) = insert(with_entries, &[Fate::Refused]);
    assert!(matches!(said, Err(StoreError::Config(_))), "{said:?}");
    assert_eq!(more, 0);
    // But when an earlier one may be on its way, nobody knows.
    let (said, _) = insert(
        with_entries,
        &[Fate::LostBefore, Fate::Refused, Fate::Refused, Fate::Refused, Fate::Refused, Fate::Refused],
    );
    assert!(matches!(said, Err(StoreError::Io { .. })), "{said:?}");
}

#[test]
fn a_commit_that_others_overtook_is_a_conflict_and_one_that_they_followed_is_stored() {
    // Others write whenever a commit is lost.
    let outcome = |fate: Fate, others: u32| {
        let (place, mut log) = begun();
        let commit = with_entries(&mut log.clone());
        let (shared, mut lost) = (place.clone(), false);
        let transport = Lossy::new(&place, move |method| {
            if method == "secure-log-insert" && !lost {
                lost = true;
                return fate;
            }
            if lost {
                let heads = shared.clone().heads(None, 1).unwrap();
                if heads[0].head.size == 3 {
                    // The commit arrived: they go on from it.
                    with_entries(&mut log);
                }
                for _ in 0..others {
                    let next = log.commit().entry("c", b"other").finish();
                    // Once is enough.
                    let _ = shared.clone().insert(&next);
                }
            }
            Fate::Answered
        });
        let said = open(transport).insert(&commit);
        (said, place.clone().heads(None, 1).unwrap()[0].head.size)
    };
    let (said, _) = outcome(Fate::LostBefore, 1);
    assert!(matches!(&said, Err(StoreError::Conflict { heads }) if heads[0].size == 2), "{said:?}");
    let (said, size) = outcome(Fate::LostAfter, 300);
    assert_eq!(said, Ok(()));
    assert!(size >= 303);
}

#[test]
fn reading_is_repeated_and_bounded() {
    let (place, _) = begun();
    let mut calls = 0;
    let flaky = Lossy::new(&place, move |_| {
        calls += 1;
        if calls % 3 == 0 { Fate::Answered } else { Fate::LostAfter }
    });
    let mut store = open(flaky);
    assert_eq!(store.segment_count(), Ok(0));
    assert_eq!(store.heads(None, 9).unwrap().len(), 2);
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let deaf = Lossy::new(&place, move |_| {
        *counted.lock().unwrap() += 1;
        Fate::LostBefore
    });
    let said = RemoteStore::open_with(deaf, "test", at_once()).map(drop);
    assert!(matches!(&said, Err(StoreError::Io { operation, .. }) if operation.contains("init")), "{said:?}");
    assert_eq!(*calls.lock().unwrap(), 6);
}

#[test]
fn what_would_answer_something_else_the_second_time_is_asked_once() {
    let (place, _) = begun();
    let once = |method: &'static str| {
        let mut seen = 0;
        Lossy::new(&place, move |called| {
            if called == method {
                seen += 1;
                assert_eq!(seen, 1, "{method}");
                return Fate::LostBefore;
            }
            Fate::Answered
        })
    };
    assert!(matches!(open(once("secure-log-prune")).prune(&[("a", 1)]), Err(StoreError::Io { .. })));
    assert!(matches!(open(once("secure-log-set-aside")).set_aside(1), Err(StoreError::Io { .. })));
}

/// Logs over a wire that loses calls and answers at random: whatever was acknowledged is there, once, and in one chain.
#[test]
fn row_21_and_23_writers_over_a_wire_that_loses_answers_never_fork_and_lose_nothing() {
    let seed = seed();
    eprintln!("SECURE_LOG_SEED={seed}");
    let mut random = SeededRandom::new(seed);
    let place = SharedStore::new(MemoryStore::new());
    let writer = |random: &mut SeededRandom| {
        let mut random = SeededRandom::new(random.below(u64::MAX));
        let lossy = Lossy::new(&place, move |_| match random.below(10) {
            0 => Fate::LostBefore,
            1 => Fate::LostAfter,
            2 => Fate::Late,
            3 => Fate::Cut,
            _ => Fate::Answered,
        });
        // The greeting may be cut, and so may what is read when a log is opened.
        RemoteStore::open_with(lossy, "test", at_once()).and_then(|store| {
            SecureLog::open(store, providers(), options()).map_err(|error| StoreError::Config(error.to_string()))
        })
    };
    let open_one = |random: &mut SeededRandom| loop {
        if let Ok(log) = writer(random) {
            break log;
        }
    };
    let mut logs = [open_one(&mut random), open_one(&mut random)];
    let mut acknowledged = Vec::new();
    let (mut failed, appends) = (0, count(300, 5000));
    for number in 0..appends {
        let payload = number.to_string();
        let entry = NewEntry {
            stream: "a",
            event: "test.event",
            severity: Severity::Info,
            producer: "test",
            encoding: "text",
            payload: payload.as_bytes(),
        };
        match logs[random.below(2) as usize].append(&entry) {
            Ok((appended, _)) => acknowledged.push((appended.seqno, payload)),
            Err(LogError::Store(StoreError::Io { .. } | StoreError::Corrupt { .. })) => failed += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(acknowledged.len() as u64 > appends / 2, "{} of {appends} were acknowledged", acknowledged.len());
    let mut log = SecureLog::open(place.clone(), providers(), options()).unwrap();
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    let mut seen = BTreeMap::<Vec<u8>, u32>::new();
    for record in records(&place) {
        if let Some(entry) = record.entry() {
            *seen.entry(entry.payload).or_default() += 1;
        }
    }
    assert!(seen.values().all(|times| *times == 1), "an entry is there twice");
    for (seqno, payload) in &acknowledged {
        assert_eq!(log.read(*seqno).unwrap().payload, payload.as_bytes());
    }
    eprintln!("{} acknowledged, {failed} failed, {} there", acknowledged.len(), seen.len());
}

/// A log over a wire of which insertions have these fates, once it is open.
fn log_with_fates(place: &Shared, fates: &[Fate]) -> SecureLog<RemoteStore<Lossy>> {
    drop(SecureLog::open(place.clone(), providers(), options()).unwrap());
    SecureLog::open(open(Lossy::of_insertions(place, fates)), providers(), options()).unwrap()
}

fn of_stream(stream: &str) -> NewEntry<'_> {
    let (event, producer, encoding) = ("test.event", "test", "text");
    NewEntry { stream, event, severity: Severity::Info, producer, encoding, payload: b"x" }
}

/// How many records of streams of this name, and how many heads of this size.
fn counted(place: &Shared, name: &str, size: u64) -> (usize, usize) {
    let records = records(place);
    let streams = records.iter().filter(|record| matches!(record, OwnedRecord::Stream(row) if row.name == name));
    let heads = records.iter().filter(|record| matches!(record, OwnedRecord::Head(row) if row.size == size));
    (streams.count(), heads.count())
}

/// A stream with default rules has no entry that would exclude a second copy of its commit.
#[test]
fn a_stream_whose_answer_was_lost_is_made_once() {
    use Fate::*;
    let rules = StreamRules::default();
    let made = |fates: &[Fate]| {
        let place = SharedStore::new(MemoryStore::new());
        let mut log = log_with_fates(&place, fates);
        let said = log.create_stream("quiet", &rules).map(drop);
        if said.is_err() {
            // Nobody knew. It is repeated, and then the first copy arrives.
            log.create_stream("quiet", &rules).unwrap();
        }
        assert_eq!(log.create_stream("quiet", &rules), Err(LogError::StreamExists("quiet".into())));
        assert_eq!(counted(&place, "quiet", 0), (1, 2), "{fates:?}");
        log.append(&of_stream("quiet")).unwrap();
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid, "{fates:?}");
        said
    };
    for fate in [LostBefore, LostAfter, Late, Cut] {
        assert_eq!(made(&[fate]), Ok(()), "{fate:?}");
    }
    let nobody_knew = made(&[Late, LostBefore, LostBefore, LostBefore, LostBefore, LostBefore]);
    assert!(matches!(nobody_knew, Err(LogError::Store(StoreError::Io { .. }))), "{nobody_knew:?}");
}

/// Two say the same twice, which nobody has to be told apart.
#[test]
fn a_head_whose_signature_was_asked_for_twice_is_one_head() {
    for fate in [Fate::LostBefore, Fate::LostAfter, Fate::Late, Fate::Cut] {
        let place = SharedStore::new(MemoryStore::new());
        let rarely = || LogOptions { head_every: Every::Entries(100), ..options() };
        drop(SecureLog::open(place.clone(), providers(), rarely()).unwrap());
        let fates = [Fate::Answered, fate];
        let store = open(Lossy::of_insertions(&place, &fates));
        let mut log = SecureLog::open(store, providers(), rarely()).unwrap();
        log.append(&of_stream("a")).unwrap();
        let signed = log.sign_head().or_else(|error| match error {
            LogError::Store(StoreError::Io { .. }) => log.sign_head(),
            other => Err(other),
        });
        assert_eq!(signed.unwrap().sigs.len(), 1, "{fate:?}");
        log.append(&of_stream("a")).unwrap();
        log.sign_head().unwrap();
        let report = log.verify_log().unwrap();
        assert_eq!((report.verdict, log.size()), (Verdict::Valid, 2), "{fate:?}");
        let heads = counted(&place, "", 1).1;
        assert!((2..=3).contains(&heads), "{heads} heads of size 1: {fate:?}");
    }
}

/// A segment is closed with an entry, which excludes a second copy.
#[test]
fn a_segment_whose_answer_was_lost_is_closed_once() {
    for fate in [Fate::LostBefore, Fate::LostAfter, Fate::Late, Fate::Cut] {
        let place = SharedStore::new(MemoryStore::new());
        let mut log = log_with_fates(&place, &[Fate::Answered, fate]);
        log.append(&of_stream("a")).unwrap();
        log.close_segment("a").unwrap();
        let again = log.close_segment("a");
        assert!(matches!(again, Err(LogError::EmptySegment { .. })), "{fate:?}: {again:?}");
        let closed = records(&place).iter().filter(|record| matches!(record, OwnedRecord::Segment(_))).count();
        assert_eq!((closed, log.verify_log().unwrap().verdict), (1, Verdict::Valid), "{fate:?}");
    }
}

/// The second of two writers who make one stream at the same state finds it made, whether it makes it or appends to it.
#[test]
fn row_21_two_writers_who_make_one_stream_make_it_once() {
    for (appends, fate) in
        [false, true].into_iter().flat_map(|appends| [Fate::Answered, Fate::LostBefore].map(|fate| (appends, fate)))
    {
        let place = SharedStore::new(MemoryStore::new());
        // It makes another record, since its clock is another.
        let clock = ManualClock::new();
        clock.advance(1);
        let other_providers = Providers { clock: Box::new(clock), ..providers() };
        let mut other = SecureLog::open(place.clone(), other_providers, options()).unwrap();
        let mut first = true;
        let overtaken = Lossy::new(&place, move |method| {
            if method == "secure-log-insert" && std::mem::take(&mut first) {
                other.create_stream("contended", &StreamRules::default()).unwrap();
                return fate;
            }
            Fate::Answered
        });
        let mut log = SecureLog::open(open(overtaken), providers(), options()).unwrap();
        if !appends {
            let said = log.create_stream("contended", &StreamRules::default());
            assert_eq!(said, Err(LogError::StreamExists("contended".into())), "{fate:?}");
        }
        log.append(&of_stream("contended")).unwrap();
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
        assert_eq!(counted(&place, "contended", 0).0, 1, "{fate:?}");
    }
}

/// A lock that a killed server left is taken over after a while.
#[test]
fn a_store_that_another_writer_has_is_asked_again() {
    let (place, mut log) = begun();
    let locked = |times: u64| {
        let (store, faults) = FaultStore::new(place.clone());
        faults.answer(StoreError::Locked { detail: "by another".into() });
        // One fault at a time: the next one is armed when this one has come.
        faults.arm(Fault::on_call(1, Effect::FailsNotStored));
        let mut left = times;
        let again = faults.clone();
        let server = Here(store);
        Counting(server, move || {
            left = left.saturating_sub(1);
            if left > 0 {
                again.arm(Fault::on_call(1, Effect::FailsNotStored));
            }
        })
    };
    let greeted = |times| RemoteStore::open_with(locked(times), "test", at_once()).unwrap();
    assert_eq!(greeted(5).segment_count(), Ok(0));
    assert!(matches!(greeted(6).segment_count(), Err(StoreError::Locked { .. })));
    let commit = with_entries(&mut log);
    assert!(matches!(greeted(6).insert(&commit), Err(StoreError::Locked { .. })));
    assert_eq!(records(&place).len(), 5);
    assert_eq!(greeted(5).insert(&commit), Ok(()));
    assert_eq!(records(&place).len(), 9);
}

/// Says when a call was made that reached the store.
struct Counting<S, F>(Here<S>, F);

impl<S: SecureLogStore, F: FnMut()> Transport for Counting<S, F> {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let answer = self.0.rpc(method, params);
        if method != "init" {
            (self.1)();
        }
        answer
    }
}
