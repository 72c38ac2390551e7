//! Whether pages of a query have every entry once while others append.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use secure_log::NativeSecureLog as SharedLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::query::{Filter, Query};
use secure_log::store::SecureLogStore;

use crate::attacks::{options, providers};
use crate::surroundings::{SeededRandom, count, seed};

const WRITERS: u64 = 4;
const EVENTS: [&str; 4] = ["user.login", "user.logout", "file.read", "file.write"];

/// What was acknowledged and is wanted.
#[derive(Default)]
struct Told {
    wanted: Mutex<BTreeSet<u64>>,
    writing: AtomicU64,
}

impl Told {
    fn so_far(&self) -> BTreeSet<u64> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Four threads append, singly and in batches, while two others read pages of what a filter finds, one from the oldest entry on and
/// one from the newest, over and over. Nothing is on two pages, and nothing is missing. 5000 appends a writer where
/// `SECURE_LOG_SOAK` is set.
///
/// # Panics
/// When a page has what another one had, or lacks what it should have.
pub fn pages_have_each_entry_once_while_others_append<S: SecureLogStore + Send>(store: S) {
    let log = SharedLog::open(store, providers(), options()).unwrap();
    let (told, seed) = (Told::default(), seed());
    told.writing.store(WRITERS, Ordering::SeqCst);
    let (upwards, downwards) = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (log, told) = (&log, &told);
            scope.spawn(move || append(log, told, &mut SeededRandom::new(seed.wrapping_add(writer))));
        }
        let upwards = scope.spawn(|| read_upwards(&log, &told));
        let downwards = scope.spawn(|| read_downwards(&log, &told));
        (upwards.join(), downwards.join())
    });
    let again = |what: &str| format!("SECURE_LOG_SEED={seed}: {what}");
    let found = upwards.unwrap_or_else(|_| panic!("{}", again("upwards")));
    let rounds = downwards.unwrap_or_else(|_| panic!("{}", again("downwards")));
    assert!(found.iter().eq(&told.so_far()), "{}", again("upwards, all together"));
    assert!(rounds > 2, "{}", again("hardly anything was read while others appended"));
    eprintln!("{} of {} entries, read {rounds} times from the newest on", found.len(), log.lock().size());
}

fn filter() -> Filter {
    Filter {
        events: vec!["user.*".parse().expect("a pattern")],
        severity: Some(Severity::Warning),
        producer: Some("a".into()),
        ..Filter::default()
    }
}

/// A panic of one writer must not have the readers wait for ever.
struct Writing<'t>(&'t AtomicU64);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn append<S: SecureLogStore>(log: &SharedLog<S>, told: &Told, random: &mut SeededRandom) {
    let _writing = Writing(&told.writing);
    for _ in 0..count(60, 5000) {
        let size = if random.below(3) == 0 { 20 } else { 1 };
        let entry = |_| NewEntry {
            stream: random.pick::<&str>(&["x", "y", "z"]),
            event: random.pick::<&str>(&EVENTS),
            severity: *random.pick(&Severity::ALL),
            producer: random.pick::<&str>(&["a", "a", "b"]),
            encoding: "text",
            payload: b"",
        };
        let entries: Vec<NewEntry<'_>> = (0..size).map(entry).collect();
        let (appended, _) = log.append_batch(&entries).unwrap();
        let is_wanted = |entry: &NewEntry<'_>| {
            entry.event.starts_with("user.") && entry.severity >= Severity::Warning && entry.producer == "a"
        };
        let wanted = appended.iter().zip(&entries).filter(|(_, entry)| is_wanted(entry));
        let wanted = wanted.map(|(appended, _)| appended.seqno);
        told.wanted.lock().unwrap_or_else(PoisonError::into_inner).extend(wanted);
    }
}

/// All that is found, until nobody appends any more.
fn read_upwards<S: SecureLogStore>(log: &SharedLog<S>, told: &Told) -> Vec<u64> {
    let mut found: Vec<u64> = Vec::new();
    let mut query = Query { filter: filter(), newest_first: false, limit: 7, cursor: None };
    loop {
        // Asked before the page is: what was appended until then is on this one or a later one.
        let is_over = told.writing.load(Ordering::SeqCst) == 0;
        let page = log.lock().query(&query).unwrap();
        for entry in &page.entries {
            assert!(found.last().is_none_or(|last| *last < entry.seqno), "{} comes after {found:?}", entry.seqno);
            found.push(entry.seqno);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None if is_over => return found,
            // The end of what there is, for now.
            None => {
                query.filter.from = Some(page.size + 1);
                query.cursor = None;
                thread::yield_now();
            }
        }
    }
}

/// The log as it was when each of these queries began; answers how many there were.
fn read_downwards<S: SecureLogStore>(log: &SharedLog<S>, told: &Told) -> u64 {
    let mut rounds = 0;
    while rounds < 3 || told.writing.load(Ordering::SeqCst) > 0 {
        let acknowledged = told.so_far();
        let mut query = Query { filter: filter(), newest_first: true, limit: 7, cursor: None };
        let (mut found, mut size) = (Vec::new(), None);
        loop {
            let page = log.lock().query(&query).unwrap();
            assert_eq!(*size.get_or_insert(page.size), page.size, "all pages are of one log");
            for entry in &page.entries {
                assert!(entry.seqno <= page.size);
                assert!(found.last().is_none_or(|last| *last > entry.seqno), "{} comes after {found:?}", entry.seqno);
                found.push(entry.seqno);
            }
            let Some(next) = page.next else { break };
            query.cursor = Some(next);
        }
        let found: BTreeSet<u64> = found.into_iter().collect();
        let missing: Vec<&u64> = acknowledged.difference(&found).collect();
        assert!(missing.is_empty(), "{missing:?} were appended before, and are missing");
        rounds += 1;
        if told.writing.load(Ordering::SeqCst) == 0 {
            // Nothing comes that could be told later than it was there.
            let (now, size) = (told.so_far(), size.unwrap_or(0));
            assert!(found.iter().eq(now.range(..=size)), "something is found that was not appended so");
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use secure_log::memory::MemoryStore;

    #[test]
    fn pages_of_a_log_in_memory_have_each_entry_once() {
        super::pages_have_each_entry_once_while_others_append(MemoryStore::new());
    }
}
