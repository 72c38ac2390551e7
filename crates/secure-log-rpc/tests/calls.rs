//! How many calls the engine makes: each is a round trip, and under many writers a turn of the store's lock.

use std::cell::RefCell;
use std::rc::Rc;

use secure_log::engine::{NewEntry, SecureLog};
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::memory::MemoryStore;
use secure_log::verify::Verdict;
use secure_log_rpc::{RemoteStore, Transport, TransportError};
use secure_log_testkit::attacks::{options, providers};
use secure_log_testkit::{SeededRandom, SharedStore, count, seed};

use crate::support::{Here, Shared, open};

/// Writes down the methods that are called.
struct Noted(Here<Shared>, Rc<RefCell<Vec<String>>>);

impl Transport for Noted {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        self.1.borrow_mut().push(method.trim_start_matches("secure-log-").into());
        self.0.rpc(method, params)
    }
}

type Log = SecureLog<RemoteStore<Noted>>;

fn opened(place: &Shared, calls: &Rc<RefCell<Vec<String>>>) -> Log {
    SecureLog::open(open(Noted(Here(place.clone()), Rc::clone(calls))), providers(), options()).unwrap()
}

fn entry(stream: &str) -> NewEntry<'_> {
    let (event, producer, encoding) = ("test.event", "test", "text");
    NewEntry { stream, event, severity: Severity::Info, producer, encoding, payload: b"x" }
}

fn append(log: &mut Log, stream: &str) {
    log.append(&entry(stream)).unwrap();
}

fn taken(calls: &Rc<RefCell<Vec<String>>>) -> Vec<String> {
    std::mem::take(&mut *calls.borrow_mut())
}

/// Who lost a race reads the entries that won it, and nothing else.
#[test]
fn going_on_after_a_conflict_takes_one_call() {
    let place = SharedStore::new(MemoryStore::new());
    let calls = Rc::default();
    let mut log = opened(&place, &calls);
    let mut other = opened(&place, &Rc::default());
    for _ in 0..50 {
        append(&mut log, "a");
    }
    for _ in 0..3 {
        append(&mut other, "a");
        append(&mut other, "b");
        taken(&calls);
        append(&mut log, "a");
        assert_eq!(taken(&calls), ["insert", "entries", "insert"]);
        append(&mut log, "a");
        assert_eq!(taken(&calls), ["insert"]);
    }
    // Many are not read one by one.
    for _ in 0..1025 {
        append(&mut other, "b");
    }
    taken(&calls);
    append(&mut log, "a");
    let calls = taken(&calls);
    assert!(calls.iter().any(|call| call == "nodes") && calls.len() < 24, "{calls:?}");
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
}

/// Whatever others do to a stream, who follows them goes on as if it had read everything.
#[test]
fn row_21_writers_who_follow_each_other_never_fork() {
    const STREAMS: [&str; 3] = ["a", "b", "c"];
    let seed = seed();
    eprintln!("SECURE_LOG_SEED={seed}");
    let mut random = SeededRandom::new(seed);
    let place = SharedStore::new(MemoryStore::new());
    let mut logs: [Log; 3] = std::array::from_fn(|_| opened(&place, &Rc::default()));
    let (rounds, mut refused) = (count(400, 5000), 0);
    for round in 0..rounds {
        let (log, stream) = (&mut logs[random.below(3) as usize], *random.pick(&STREAMS));
        let done = match random.below(20) {
            0 => log.close_segment(stream).map(drop),
            1 => log.change_suite(stream, *random.pick(&[Suite::Sha256, Suite::Blake3])).map(drop),
            2 if round > rounds / 2 && stream == "c" => log.deprecate_stream(stream).map(drop),
            _ => log.append(&entry(stream)).map(drop),
        };
        match done {
            Ok(()) => {}
            Err(
                LogError::StreamDeprecated(_)
                | LogError::StreamNotFound(_)
                | LogError::EmptySegment { .. }
                | LogError::Invalid(_),
            ) => refused += 1,
            Err(other) => panic!("round {round}: {other:?}"),
        }
    }
    assert!(refused < rounds / 3, "{refused} of {rounds} were refused");
    for log in &mut logs {
        assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    }
}
