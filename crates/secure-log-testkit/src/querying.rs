//! Whether queries find what they should: filters drawn at random, beside a filter that is written here a second time, in the
//! simplest way, and shares no line with the log's own.

use secure_log::entry::{Entry, Severity};
use secure_log::index::actor_key;
use secure_log::query::Filter;
use secure_log::store::{Search, SecureLogStore};
use secure_log::time::Timestamp;

use crate::surroundings::SeededRandom;
#[cfg(debug_assertions)]
use secure_log::{
    engine::{LogOptions, NewEntry, Providers, SecureLog},
    entry::{StreamRules, Tier},
    query::Query,
};

#[cfg(debug_assertions)]
use crate::{
    attacks::{keystore, options},
    surroundings::{ManualClock, count, seed},
};

/// What a filter says, as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    streams: Vec<&'static str>,
    events: Vec<&'static str>,
    producer: Option<&'static str>,
    session: Option<String>,
    severity: Option<Severity>,
    actor: Option<(&'static str, &'static str)>,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
    from: Option<u64>,
    to: Option<u64>,
    text: Option<&'static str>,
}

const STREAM_PATTERNS: [&str; 14] = [
    "a",
    "b",
    "c",
    "eu/auth",
    "eu/door",
    "eu/*",
    "*a*",
    "*",
    "secure-log",
    "vault",
    "nobody",
    "*/*o*r",
    "e*h",
    "übung/*",
];
const EVENT_PATTERNS: [&str; 13] = [
    "test.event",
    "x.success",
    "user.login",
    "user.login.failed",
    "user.*",
    "*.failed",
    "*",
    "secure-log.*",
    "u*r*n*",
    "no",
    "*.*.*",
    "user.login*",
    "*x*",
];
const PRODUCERS: [&str; 5] = ["test", "authd", "", "secure-log", "nobody"];
const TEXTS: [&str; 6] = ["alice", "e", "\n", "über", "no such text", "\"actor\":{"];
const ACTORS: [(&str, &str); 5] =
    [("user", "alice"), ("agent", "alice"), ("service", "übung/β 水"), ("system", "x"), ("user", "nobody")];

impl Wish {
    /// Most say little, as a filter that says much finds nothing. Times are near those of the log's entries.
    pub(crate) fn random(random: &mut SeededRandom, entries: &[Entry]) -> Wish {
        let mut wish = Wish::default();
        let size = entries.last().map_or(0, |entry| entry.seqno);
        for _ in 0..random.below(4) {
            match random.below(11) {
                0 => wish.streams = (0..1 + random.below(3)).map(|_| *random.pick(&STREAM_PATTERNS)).collect(),
                1 => wish.events = (0..1 + random.below(3)).map(|_| *random.pick(&EVENT_PATTERNS)).collect(),
                2 => wish.producer = Some(*random.pick::<&str>(&PRODUCERS)),
                3 => wish.session = some_of(random, entries).map(|entry| entry.session.clone()),
                4 => wish.severity = Some(*random.pick(&Severity::ALL)),
                5 => wish.actor = Some(*random.pick(&ACTORS)),
                6 => wish.since = near_a_time(random, entries),
                7 => wish.before = near_a_time(random, entries),
                8 => wish.from = Some(random.below(size + 3)),
                9 => wish.to = Some(random.below(size + 3)),
                _ => wish.text = Some(*random.pick::<&str>(&TEXTS)),
            }
        }
        if wish.from > wish.to && wish.to.is_some() {
            (wish.from, wish.to) = (wish.to, wish.from);
        }
        if wish.since > wish.before && wish.before.is_some() {
            (wish.since, wish.before) = (wish.before, wish.since);
        }
        wish
    }

    pub(crate) fn filter(&self) -> Filter {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a pattern")).collect();
        Filter {
            streams: patterns(&self.streams),
            events: patterns(&self.events),
            producer: self.producer.map(Into::into),
            session: self.session.clone(),
            severity: self.severity,
            actor: self.actor.map(|(kind, id)| actor_key(kind, id)),
            since: self.since,
            before: self.before,
            from: self.from,
            to: self.to,
            text: self.text.map(Into::into),
        }
    }

    /// The same question, put to what the entry says.
    pub(crate) fn is_met_by(&self, entry: &Entry) -> bool {
        let one_of = |patterns: &[&str], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| is_like(pattern.as_bytes(), name.as_bytes()))
        };
        let rank = |name: &str| Severity::ALL.iter().position(|one| one.as_str() == name).expect("a severity");
        let payload = String::from_utf8_lossy(&entry.payload);
        let acts = |(kind, id): (&str, &str)| {
            let who = format!(r#"":{{"id":"{id}","kind":"{kind}""#);
            let is_named = |role: &str| payload.contains(&format!(r#""{role}{who}"#));
            entry.encoding == "secure-log.audit.v1+json" && (is_named("actor") || is_named("on_behalf_of"))
        };
        let sealed = entry.encoding.contains("+aead-");
        let mut holds = vec![one_of(&self.streams, &entry.stream), one_of(&self.events, &entry.event)];
        holds.extend(self.producer.map(|producer| producer == entry.producer));
        holds.extend(self.session.as_ref().map(|session| *session == entry.session));
        holds.extend(self.severity.map(|least| rank(&entry.severity) >= rank(least.as_str())));
        holds.extend(self.actor.map(acts));
        // Times have one spelling of one length, so that they are in order as texts.
        holds.extend(self.since.map(|since| *entry.time >= *since.to_string()));
        holds.extend(self.before.map(|before| *entry.time < *before.to_string()));
        holds.extend(self.from.map(|from| entry.seqno >= from));
        holds.extend(self.to.map(|to| entry.seqno <= to));
        holds.extend(self.text.map(|text| !sealed && payload.contains(text)));
        holds.into_iter().all(|holds| holds)
    }
}

fn some_of<'e>(random: &mut SeededRandom, entries: &'e [Entry]) -> Option<&'e Entry> {
    (!entries.is_empty()).then(|| random.pick(entries))
}

/// The time of an entry, or a little earlier or later.
fn near_a_time(random: &mut SeededRandom, entries: &[Entry]) -> Option<Timestamp> {
    let time: Timestamp = some_of(random, entries)?.time.parse().expect("an entry has a time");
    let seconds = *random.pick(&[0, 0, 0, 1, -1, 3600]);
    let nanos: u32 = time.to_string()[20..29].parse().expect("digits");
    Timestamp::from_unix(
        time.unix_seconds() + seconds,
        *random.pick(&[nanos, nanos, nanos.saturating_add(1) % 1_000_000_000, 0]),
    )
}

/// `*` is any run of bytes.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| is_like(rest, &name[at..])),
        Some((byte, rest)) => name.split_first().is_some_and(|(first, behind)| first == byte && is_like(rest, behind)),
    }
}

/// Searches a store by filters drawn at random, and expects of each all entries that it should find, in both directions and however
/// early the store may stop.
pub(crate) fn assert_found<S: SecureLogStore>(store: &mut S, entries: &[Entry], random: &mut SeededRandom) {
    let wish = Wish::random(random, entries);
    let filter = wish.filter();
    let size = entries.last().map_or(0, |entry| entry.seqno);
    let newest_first = random.below(2) == 0;
    let (first, last) =
        *random.pick(&[(0, u64::MAX), (1, size), (size / 3, size), (1, size / 2), (size + 1, u64::MAX)]);
    let limit = *random.pick(&[1, 2, 7, u32::MAX]);
    let work = *random.pick(&[0, 1, 10, 100, u32::MAX]);
    let max_bytes = *random.pick(&[0, 1, 1000, usize::MAX]);
    let mut found = Vec::new();
    let (mut from, mut to, mut calls) = (first, last, 0);
    loop {
        let search = Search { filter: &filter, from, to, newest_first, limit, max_bytes, work };
        let before = found.len();
        let next = store
            .search(&search, &mut |row| {
                let entry = secure_log::entry::EntryRef::decode(row.bytes).expect("an entry").to_entry();
                assert_eq!((row.seqno, row.stream), (entry.seqno, &*entry.stream));
                if filter.matches(&entry.as_ref()) {
                    found.push(entry);
                }
            })
            .unwrap();
        assert!(found.len() - before <= limit as usize, "more rows than {limit}: {search:?}");
        assert!(max_bytes > 1 || found.len() - before <= 1, "more bytes than {max_bytes}: {search:?}");
        calls += 1;
        assert!(calls <= 3 * size + 10, "the store does not get on: {search:?}");
        let Some(next) = next else { break };
        assert!((from..=to).contains(&next), "it goes on elsewhere: {next} {search:?}");
        let last = found.last().map(|entry: &Entry| entry.seqno);
        if newest_first {
            assert!(next < to && last.is_none_or(|last| next < last), "it does not go on behind: {next} {search:?}");
            to = next;
        } else {
            assert!(next > from && last.is_none_or(|last| next > last), "it does not go on behind: {next} {search:?}");
            from = next;
        }
    }
    let wanted = entries.iter().filter(|entry| (first..=last).contains(&entry.seqno) && wish.is_met_by(entry));
    let mut wanted: Vec<&Entry> = wanted.collect();
    if newest_first {
        wanted.reverse();
    }
    assert!(
        found.iter().eq(wanted.iter().copied()),
        "{wish:?} newest first {newest_first} {first}..={last}: {found:#?} and not {wanted:#?}"
    );
}

/// Writes logs that a seed fixes, each in a fresh place, and puts queries to each that are drawn at random: together they find what
/// a filter finds that reads every entry. The log grows between pages. 500 logs and 20,000 filters where `SECURE_LOG_SOAK` is set.
///
/// # Panics
/// When a query finds anything else.
#[cfg(debug_assertions)]
pub fn queries_find_what_a_naive_filter_finds<S: SecureLogStore>(mut fresh: impl FnMut() -> S) {
    const FILTERS: u64 = 40;
    let logs = count(6, 500);
    let first = seed();
    let (mut found, mut pages) = (0, 0);
    for number in 0..logs {
        let seed = first.wrapping_add(number);
        let random = &mut SeededRandom::new(seed);
        let mut writer = Writer::new(fresh());
        for _ in 0..1 + random.below(12) {
            writer.write(random);
        }
        for _ in 0..FILTERS {
            let (rows, read) = writer.query(random, seed);
            (found, pages) = (found + rows, pages + read);
        }
    }
    eprintln!("{} filters on {logs} logs found {found} entries on {pages} pages", logs * FILTERS);
    assert!(found > logs, "hardly anything was asked for that is there");
}

/// A log, and how it is written to.
#[cfg(debug_assertions)]
struct Writer<S> {
    log: SecureLog<S>,
    clock: ManualClock,
    sessions: u64,
}

#[cfg(debug_assertions)]
impl<S: SecureLogStore> Writer<S> {
    fn new(store: S) -> Writer<S> {
        let clock = ManualClock::new();
        let providers = Providers {
            keystore: Box::new(keystore().wrapping("kek")),
            anchor: Box::new(secure_log::providers::NoAnchor),
            clock: Box::new(clock.clone()),
            random: Box::new(SeededRandom::new(1)),
        };
        let options = LogOptions { kek_label: Some("kek".into()), ..options() };
        let mut log = SecureLog::open(store, providers, options).unwrap();
        for (name, tier) in [("vault", Tier::Protected), ("vault/names", Tier::HighlyRestricted)] {
            log.create_stream(name, &StreamRules { tier, ..StreamRules::default() }).unwrap();
        }
        Writer { log, clock, sessions: 0 }
    }

    /// A batch of entries; now and then a clock that is set back, another session, a closed segment, or a stream that is pruned.
    fn write(&mut self, random: &mut SeededRandom) {
        match random.below(8) {
            0 => self.clock.advance(-3600),
            1 => self.clock.advance(3600),
            2 => {
                self.sessions += 1;
                self.log.set_ids(&format!("session-{}", self.sessions), "boot").unwrap();
            }
            3 => {
                let last = random.below(self.log.size() + 1);
                self.log.store_mut().prune(&[("a", last)]).unwrap();
            }
            _ => {}
        }
        let payloads: Vec<Vec<u8>> = (0..1 + random.below(30)).map(|_| payload(random)).collect();
        for chunk in payloads.chunks(10) {
            self.clock.advance_nanos(*random.pick(&[0, 1, 999, 1_000, 1_001, 250_000_000, 2_000_000_000]));
            let entries: Vec<NewEntry<'_>> = chunk.iter().map(|payload| entry(random, payload)).collect();
            self.log.append_batch(&entries).unwrap();
            if random.below(4) == 0 {
                let stream = *random.pick(&["vault", "vault/names"]);
                let entries: Vec<_> = entries.iter().map(|entry| NewEntry { stream, ..*entry }).collect();
                self.log.append_sealed_batch(&entries).unwrap();
            }
            if random.below(6) == 0 {
                let stream = entries[0].stream;
                self.log.close_segment(stream).unwrap();
            }
        }
    }

    /// Asks for one filter, page by page, and answers how many entries it found, and on how many pages.
    fn query(&mut self, random: &mut SeededRandom, seed: u64) -> (u64, u64) {
        let entries = self.entries();
        let wish = Wish::random(random, &entries);
        let newest_first = random.below(2) == 0;
        let mut query = Query { filter: wish.filter(), newest_first, limit: 1 + random.below(20) as u32, cursor: None };
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut grown = 0;
        let at_first = self.log.size();
        loop {
            let page = self.log.query(&query).unwrap();
            assert!(page.entries.len() <= query.limit as usize);
            assert_eq!(page.size, if newest_first { at_first } else { self.log.size() });
            pages += 1;
            found.extend(page.entries);
            let Some(next) = page.next else { break };
            // As it goes over a wire.
            query.cursor = Some(next.to_string().parse().unwrap());
            query.limit = 1 + random.below(20) as u32;
            if grown < 2 && random.below(4) == 0 {
                grown += 1;
                let payload = payload(random);
                self.log.append(&entry(random, &payload)).unwrap();
            }
        }
        let mut wanted: Vec<Entry> = self.entries();
        wanted.retain(|entry| (!newest_first || entry.seqno <= at_first) && wish.is_met_by(entry));
        if newest_first {
            wanted.reverse();
        }
        let seqnos = |entries: &[Entry]| entries.iter().map(|entry| entry.seqno).collect::<Vec<_>>();
        assert_eq!(seqnos(&found), seqnos(&wanted), "SECURE_LOG_SEED={seed} {query:?}");
        assert!(found == wanted, "SECURE_LOG_SEED={seed} {query:?}");
        (found.len() as u64, pages)
    }

    /// Every entry that is there.
    fn entries(&mut self) -> Vec<Entry> {
        let (mut entries, mut from): (Vec<Entry>, u64) = (Vec::new(), 1);
        loop {
            let page = self.log.read_page(None, from, u64::MAX, 1000).unwrap();
            let Some(last) = page.last() else { return entries };
            from = last.seqno + 1;
            entries.extend(page);
        }
    }
}

#[cfg(debug_assertions)]
fn payload(random: &mut SeededRandom) -> Vec<u8> {
    let (kind, id) = *random.pick(&ACTORS[..4]);
    match random.below(5) {
        0 => format!(r#"{{"action":{{"kind":"x"}},"actor":{{"id":"{id}","kind":"{kind}"}}}}"#).into_bytes(),
        1 => {
            let by = format!(r#""on_behalf_of":{{"id":"{id}","kind":"{kind}"}}"#);
            format!(r#"{{"actor":{{"id":"bob","kind":"user",{by}}},"id":"x"}}"#).into_bytes()
        }
        2 => "über alice\n".into(),
        3 => random.bytes(random.clone().below(40) as usize),
        _ => b"=cmd|' /C calc'!A0,\"\x1b[2J\xe2\x80\xae<!--".to_vec(),
    }
}

#[cfg(debug_assertions)]
fn entry<'p>(random: &mut SeededRandom, payload: &'p [u8]) -> NewEntry<'p> {
    NewEntry {
        stream: random.pick::<&str>(&["a", "a", "b", "c", "eu/auth", "eu/door", "übung/β*"]),
        event: random.pick::<&str>(&["test.event", "user.login", "user.login.failed", "x.success", "x"]),
        severity: *random.pick(&Severity::ALL),
        producer: random.pick::<&str>(&["test", "authd", ""]),
        encoding: random.pick::<&str>(&["secure-log.audit.v1+json", "secure-log.audit.v1+json", "text"]),
        payload,
    }
}

#[cfg(test)]
mod tests {
    use secure_log::memory::MemoryStore;

    #[test]
    fn a_store_that_reads_every_entry_is_queried() {
        super::queries_find_what_a_naive_filter_finds(MemoryStore::new);
    }
}
