//! Pages of queries of a long log: how long the slowest of each kind takes.

use std::fs;

use secure_log::engine::{NewEntry, SecureLog};
use secure_log::entry::Severity;
use secure_log::index::actor_key;
use secure_log::query::{Filter, Pattern, Query};
use secure_log::store::SecureLogStore;
use secure_log::time::Timestamp;
use secure_log_bench_shared::entry::BATCH;
use secure_log_bench_shared::{Failure, Sample};
use secure_log_file::FileStore;
use secure_log_sqlite::SqliteStore;

use crate::native::{Native, open};
use crate::sqlite::worst;

/// Entries of a page.
const PAGE: u32 = 100;
/// One entry in so many is of a kind that is called rare.
const RARE: u64 = 10_000;
/// Places of the log at which pages begin, in each direction.
const PLACES: u64 = 8;

const EVENTS: [&str; 8] = [
    "user.login",
    "user.logout",
    "file.read",
    "file.write",
    "file.delete",
    "process.start",
    "process.exit",
    "network.connect",
];
const STREAMS: [&str; 5] = ["auth", "eu/auth", "eu/files", "us/auth", "us/files"];

impl Native {
    /// Pages of a log of so many entries in a file and in a database, each closed and opened again.
    pub fn query(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let file = self.fresh("queried.jsonl")?;
        write(&mut open(FileStore::open(&file)?)?, entries)?;
        let mut samples = pages(&mut open(FileStore::open(&file)?)?, "file")?;
        self.fresh("queried.jsonl")?;
        let database = self.fresh("queried.db")?;
        write(&mut open(SqliteStore::open(&database)?)?, entries)?;
        samples.extend(pages(&mut open(SqliteStore::open(&database)?)?, "sqlite")?);
        fs::remove_file(database)?;
        Ok(samples)
    }
}

/// What follows a number in an order that looks like none, so that values are spread and do not go together.
fn mixed(number: u64, salt: u64) -> u64 {
    let z = (number ^ salt << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ z >> 32
}

fn write<S: SecureLogStore>(log: &mut SecureLog<S>, entries: u64) -> Result<(), Failure> {
    for batch in 0..entries.div_ceil(BATCH as u64) {
        if batch % 20 == 0 {
            log.set_ids(&format!("session-{batch}"), "boot")?;
        }
        let numbers = batch * BATCH as u64..(batch + 1) * BATCH as u64;
        let payloads: Vec<(u64, String)> = numbers.map(|number| (number, payload(number))).collect();
        log.append_batch(&payloads.iter().map(|(number, payload)| entry(*number, payload)).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn entry(number: u64, payload: &str) -> NewEntry<'_> {
    let pick = |salt, of: u64| mixed(number, salt) % of;
    NewEntry {
        stream: STREAMS[pick(1, 5) as usize],
        event: if number % RARE == RARE / 2 { "disk.failed" } else { EVENTS[pick(2, 8) as usize] },
        // One in a hundred, and of those as many are of one producer.
        severity: if pick(3, 100) == 0 { Severity::Error } else { Severity::Info },
        producer: if pick(4, 100) == 0 { "diskd" } else { ["authd", "filed", "sshd"][pick(5, 3) as usize] },
        encoding: "secure-log.audit.v1+json",
        payload: payload.as_bytes(),
    }
}

fn payload(number: u64) -> String {
    let who = if number % RARE == 17 { "mallory" } else { ["alice", "bob", "carol"][mixed(number, 6) as usize % 3] };
    let detail = "session opened from 192.0.2.7 port 50122 ssh2; ".repeat(4);
    format!(r#"{{"action":{{"detail":"{detail}"}},"actor":{{"id":"{who}","kind":"user"}}}}"#)
}

/// The filters, and what their rows are called.
fn filters(times: &[Timestamp]) -> Result<[(&'static str, Filter); 8], Failure> {
    let patterns = |text: &str| -> Result<Vec<Pattern>, Failure> { Ok(vec![text.parse()?]) };
    let actor = |id| Filter { actor: Some(actor_key("user", id)), ..Filter::default() };
    let events = |text| -> Result<Filter, Failure> { Ok(Filter { events: patterns(text)?, ..Filter::default() }) };
    Ok([
        ("query-all", Filter::default()),
        ("query-common", events("file.read")?),
        ("query-rare", events("disk.failed")?),
        ("query-pattern", Filter { streams: patterns("eu/*")?, ..events("*.failed")? }),
        (
            "query-serious-of-producer",
            Filter { severity: Some(Severity::Error), producer: Some("diskd".into()), ..Filter::default() },
        ),
        (
            "query-event-and-time",
            Filter { since: times.first().copied(), before: times.last().copied(), ..events("disk.failed")? },
        ),
        ("query-actor", actor("alice")),
        ("query-rare-actor", actor("mallory")),
    ])
}

/// The slowest page of each filter, upwards and downwards, from places all over the log.
fn pages<S: SecureLogStore>(log: &mut SecureLog<S>, store: &str) -> Result<Vec<Sample>, Failure> {
    let size = log.size();
    let time = |log: &mut SecureLog<S>, seqno| -> Result<Timestamp, Failure> { Ok(log.read(seqno)?.time.parse()?) };
    let times = [time(log, size / 4)?, time(log, size * 3 / 4)?];
    let mut samples = Vec::new();
    for (name, filter) in filters(&times)? {
        // The last bit says in which direction.
        let places: Vec<u64> = (0..2 * PLACES).collect();
        let mut found = 0;
        let seconds = worst(&places, |place| -> Result<(), Failure> {
            let newest_first = place % 2 == 1;
            let at = size / PLACES * (place / 2);
            let (from, to) = if newest_first { (1, size - at) } else { (at + 1, size) };
            let filter = Filter { from: Some(from), to: Some(to), ..filter.clone() };
            found += page(log, Query { filter, newest_first, limit: PAGE, cursor: None })?;
            Ok(())
        })?;
        if found == 0 {
            return Err(format!("{name} found nothing").into());
        }
        samples.push(Sample::new(name, store, 1, seconds));
    }
    Ok(samples)
}

/// Reads until the page is full or all was looked at, and answers how many entries it has.
fn page<S: SecureLogStore>(log: &mut SecureLog<S>, mut query: Query) -> Result<usize, Failure> {
    let mut found = 0;
    loop {
        let page = log.query(&query)?;
        found += page.entries.len();
        query.limit -= page.entries.len() as u32;
        match page.next {
            Some(next) if query.limit > 0 => query.cursor = Some(next),
            _ => return Ok(found),
        }
    }
}
