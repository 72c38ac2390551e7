//! Searches answer from the facts in the index what reading every entry answers, however long the log and whatever state the index is
//! in.

use std::path::Path;

use crate::common::{self, Choices, search_all};
use secure_log::SecureLog;
use secure_log::engine::{LogOptions, NewEntry, Providers};
use secure_log::entry::{Entry, EntryRef, Severity};
use secure_log::index::actor_key;
use secure_log::query::Filter;
use secure_log::record::Record;
use secure_log::store::{EntryRange, Search, SecureLogStore};
use secure_log::time::Timestamp;
use secure_log_file::disk::OsDisk;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::attacks::{keystore, options};
use secure_log_testkit::{ManualClock, SeededRandom};

const STREAMS: [&str; 4] = ["auth", "eu/auth", "eu/door", "übung"];
const EVENTS: [&str; 3] = ["user.login", "user.logout", "file.read"];
const PRODUCERS: [&str; 3] = ["authd", "sshd", ""];
/// More than twice as many as one block has, so that there are full ones, and some words that stand in one of them alone.
const ENTRIES: u64 = 9_000;

/// A log of entries in many combinations, some of which are rare, of clocks that are set back, and of sessions.
struct Writer {
    log: SecureLog<FileStore>,
    clock: ManualClock,
    choices: Choices,
    number: u64,
}

impl Writer {
    fn new(path: &Path, index_every: u64, seed: u64) -> Writer {
        let clock = ManualClock::new();
        let providers = Providers {
            keystore: Box::new(keystore()),
            anchor: Box::new(secure_log::providers::NoAnchor),
            clock: Box::new(clock.clone()),
            random: Box::new(SeededRandom::new(1)),
        };
        let log = SecureLog::open(open(path, index_every), providers, LogOptions { ..options() }).unwrap();
        Writer { log, clock, choices: Choices(seed), number: 0 }
    }

    fn write(&mut self, count: u64) {
        for batch in 0..count.div_ceil(500) {
            match self.choices.below(6) {
                0 => self.clock.advance(-600),
                1 => self.log.set_ids(&format!("session-{}", self.choices.below(9)), "boot").unwrap(),
                _ => {}
            }
            let size = 500.min(count - batch * 500);
            let drafts: Vec<_> = (0..size).map(|_| self.draft()).collect();
            for part in drafts.chunks(100) {
                self.clock.advance_nanos(7_000_000_001);
                let entries: Vec<NewEntry<'_>> = part.iter().map(Draft::entry).collect();
                self.log.append_batch(&entries).unwrap();
            }
        }
    }

    fn draft(&mut self) -> Draft {
        self.number += 1;
        let (number, choices) = (self.number, &mut self.choices);
        let mut pick = |texts: &[&'static str]| texts[choices.below(texts.len() as u64) as usize];
        let (stream, producer, event) = (pick(&STREAMS), pick(&PRODUCERS), pick(&EVENTS));
        let event = match number {
            _ if number % 2000 == 77 => "rare.event".into(),
            // Here each has a type of its own, so that numbers of words take two bytes.
            5000..6500 => format!("many.{number}"),
            _ => event.into(),
        };
        let severity = match choices.below(100) {
            0 => Severity::Alert,
            1..5 => Severity::Error,
            5..40 => Severity::Notice,
            _ => Severity::Info,
        };
        let who = if number % 1500 == 3 { "rare" } else { ["alice", "bob"][choices.below(2) as usize] };
        Draft { stream, event, severity, producer, payload: format!(r#"{{"actor":{{"id":"{who}","kind":"user"}}}}"#) }
    }
}

struct Draft {
    stream: &'static str,
    event: String,
    severity: Severity,
    producer: &'static str,
    payload: String,
}

impl Draft {
    fn entry(&self) -> NewEntry<'_> {
        NewEntry {
            stream: self.stream,
            event: &self.event,
            severity: self.severity,
            producer: self.producer,
            encoding: "secure-log.audit.v1+json",
            payload: self.payload.as_bytes(),
        }
    }
}

fn open(path: &Path, index_every: u64) -> FileStore {
    let mut options = Options::default();
    options.index_every = index_every;
    FileStore::open_on(OsDisk, path, options).unwrap()
}

/// Filters of each field and of several together, the times among them those of entries.
fn filters(entries: &[Entry]) -> Vec<Filter> {
    let pattern = |text: &str| text.parse().unwrap();
    let at = |place: usize| -> Option<Timestamp> { entries[entries.len() * place / 8].time.parse().ok() };
    let event = |text: &str| Filter { events: vec![pattern(text)], ..Filter::default() };
    let actor = |id| Filter { actor: Some(actor_key("user", id)), ..Filter::default() };
    let least = |severity| Filter { severity: Some(severity), ..Filter::default() };
    vec![
        Filter::default(),
        event("user.login"),
        event("rare.event"),
        event("many.6000"),
        event("many.*"),
        event("*.l*n"),
        event("nothing.such"),
        Filter { events: vec![pattern("rare.event"), pattern("many.5001")], ..Filter::default() },
        Filter { streams: vec![pattern("eu/*")], ..event("user.logout") },
        Filter { streams: vec![pattern("übung"), pattern("secure-log")], ..Filter::default() },
        Filter { producer: Some(String::new()), ..Filter::default() },
        Filter { producer: Some("sshd".into()), ..least(Severity::Alert) },
        Filter { producer: Some("nobody".into()), ..Filter::default() },
        Filter { session: Some("session-3".into()), ..Filter::default() },
        Filter { session: Some("session-3".into()), ..event("rare.*") },
        least(Severity::Debug),
        least(Severity::Error),
        least(Severity::Emergency),
        Filter { since: at(3), before: at(5), ..event("file.read") },
        Filter { since: at(5), ..Filter::default() },
        Filter { before: at(2), ..Filter::default() },
        Filter { since: at(4), before: at(4), ..Filter::default() },
        actor("alice"),
        actor("rare"),
        actor("nobody"),
        Filter { events: vec![pattern("rare.event")], ..actor("bob") },
        Filter { streams: vec![pattern("auth")], severity: Some(Severity::Error), ..actor("alice") },
        Filter { from: Some(4000), to: Some(4200), ..Filter::default() },
        Filter { from: Some(4096), to: Some(4096), ..Filter::default() },
        Filter { from: Some(9000), text: Some("rare".into()), ..Filter::default() },
    ]
}

fn entries(store: &mut FileStore) -> Vec<Entry> {
    let mut entries = Vec::new();
    let all = EntryRange { stream: None, from: 1, to: u64::MAX, limit: u32::MAX };
    let decoded = |record: Record<'_>| {
        if let Record::Entry(row) = record {
            entries.push(EntryRef::decode(row.bytes).unwrap().to_entry());
        }
    };
    store.entries(all, &mut { decoded }).unwrap();
    entries
}

/// Expects of each filter all entries that it matches, in both directions.
fn finds_all(store: &mut FileStore, choices: &mut Choices, what: &str) {
    let entries = entries(store);
    let mut hits = 0;
    for filter in filters(&entries) {
        let matching = entries.iter().filter(|entry| filter.matches(&entry.as_ref()));
        let mut expected: Vec<u64> = matching.map(|entry| entry.seqno).collect();
        hits += expected.len();
        assert_eq!(search_all(store, &filter, false, choices), expected, "{what}: {filter:?}");
        expected.reverse();
        assert_eq!(search_all(store, &filter, true, choices), expected, "{what}: {filter:?}");
    }
    assert!(hits > entries.len(), "{what}: {hits}");
}

#[test]
fn every_filter_finds_what_reading_every_entry_finds() {
    let folder = tempfile::tempdir().unwrap();
    let mut choices = Choices(common::seed());
    let logs = [1 << 20, 100_000, 64 << 20].into_iter().enumerate();
    for (number, index_every) in logs.take(common::count(1, 3) as usize) {
        let path = folder.path().join(format!("{number}.jsonl"));
        let mut writer = Writer::new(&path, index_every, common::seed() + number as u64);
        writer.write(ENTRIES);
        finds_all(writer.log.store_mut(), &mut choices, "as it is written");
        finds_all(&mut open(&path, index_every), &mut choices, "by a reader beside the writer");
        drop(writer);
        finds_all(&mut open(&path, index_every), &mut choices, "opened anew");
        let mut store = open(&path, index_every);
        assert!(store.prune(&[("eu/door", ENTRIES / 2)]).unwrap() > 0);
        finds_all(&mut store, &mut choices, "pruned");
        drop(store);
        std::fs::remove_dir_all(folder.path().join(format!("{number}.jsonl.idx"))).unwrap();
        finds_all(&mut open(&path, index_every), &mut choices, "without its index");
    }
}

/// A rare event is looked for in the facts, and lines are read of those entries alone that have it.
#[test]
fn a_search_reads_the_lines_of_what_it_finds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut writer = Writer::new(&path, 64 << 20, 5);
    writer.write(ENTRIES);
    drop(writer);
    let mut store = open(&path, 64 << 20);
    let filter = Filter { events: vec!["rare.event".parse().unwrap()], ..Filter::default() };
    let mut rows = 0;
    // Were each entry looked at, so much work would not reach beyond the first of them.
    let search = Search {
        filter: &filter,
        from: 1,
        to: u64::MAX,
        newest_first: false,
        limit: 100,
        max_bytes: usize::MAX,
        work: 80,
    };
    let next = store.search(&search, &mut |_| rows += 1).unwrap();
    assert_eq!((rows, next), (ENTRIES.div_ceil(2000) as usize, None));
}
