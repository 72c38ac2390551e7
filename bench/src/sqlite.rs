//! The native cases on the SQLite store, and beside them the bare inserts of the same rows.

use std::fs;
use std::time::Instant;

use rusqlite::Connection;
use secure_log::engine::{NewEntry, SecureLog};
use secure_log::store::{EntryRange, SecureLogStore};
use secure_log_bench_shared::entry::{BATCH, STREAM};
use secure_log_bench_shared::{Failure, Sample, timed};
use secure_log_sqlite::SqliteStore;

use crate::native::{Native, TURN, append, open};

/// The table of the entries and its indexes, as the store makes them, and nothing else.
const BARE: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON;
    CREATE TABLE entry (
        seqno INTEGER PRIMARY KEY, stream INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB,
        time INTEGER, severity INTEGER, event INTEGER, producer INTEGER, session INTEGER
    );
    CREATE INDEX entry_stream ON entry (stream);
    CREATE INDEX entry_time ON entry (time);
    CREATE INDEX entry_severity ON entry (severity);
    CREATE INDEX entry_event ON entry (event);
    CREATE INDEX entry_producer ON entry (producer, severity);
    CREATE INDEX entry_session ON entry (session);
";
/// Places of a long log at which a call is timed.
pub const PLACES: u64 = 200;

const INSERT: &str = "INSERT INTO entry VALUES (?, 1, ?, ?, ?, 6, 1, 2, 3)";

impl Native {
    /// Batches of 1000, durable, into a database on disk and in memory.
    pub fn append_sqlite(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut log = open(SqliteStore::open(self.fresh("batches.db")?)?)?;
        let (appended, seconds) = timed(|| append(&mut log, &self.batch(), entries))?;
        let mut memory = open(SqliteStore::in_memory()?)?;
        let (in_memory, seconds_in_memory) = timed(|| append(&mut memory, &self.batch(), entries))?;
        let mut bare = self.bare("bare-batches.db")?;
        let (inserted, bare_seconds) = timed(|| self.insert(&mut bare, 0, entries))?;
        Ok(vec![
            Sample::new("append-batch", "sqlite", appended, seconds),
            Sample::new("append-batch", "sqlite-memory", in_memory, seconds_in_memory),
            Sample::new("bare-insert", "sqlite", inserted, bare_seconds),
        ])
    }

    /// One entry and one transaction, and beside it one bare INSERT that commits by itself.
    pub fn durable_sqlite(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut log = open(SqliteStore::open(self.fresh("durable.db")?)?)?;
        log.append(&self.entry())?;
        let bare = self.bare("bare-durable.db")?;
        let mut insert = bare.prepare(INSERT)?;
        let (mut seqno, mut appends, mut inserts) = (0u64, 0.0, 0.0);
        while seqno < entries {
            let start = Instant::now();
            for _ in 0..TURN {
                log.append(&self.entry())?;
            }
            appends += start.elapsed().as_secs_f64();
            let start = Instant::now();
            for _ in 0..TURN {
                seqno += 1;
                insert.execute(self.row(seqno))?;
            }
            inserts += start.elapsed().as_secs_f64();
        }
        Ok(vec![
            Sample::new("append-durable", "sqlite", seqno, appends),
            Sample::new("bare-autocommit", "sqlite", seqno, inserts),
        ])
    }

    /// A database that grows to so many entries: what an append costs at its beginning and at its end, and what a proof and a
    /// page cost anywhere in it, at worst. Bare inserts grow beside it, as the system's cache may become slower, too.
    pub fn grow_sqlite(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let part = (entries / 20).max(BATCH as u64);
        let path = self.fresh("grown.db")?;
        let mut log = open(SqliteStore::open(&path)?)?;
        let mut bare = self.bare("grown-bare.db")?;
        let (batch, mut bare_size) = (self.batch(), 0);
        let mut grow = |log: &mut SecureLog<SqliteStore<_>>| -> Result<[(u64, f64); 2], Failure> {
            let appended = timed(|| append(log, &batch, part))?;
            let inserted = timed(|| self.insert(&mut bare, bare_size, part))?;
            bare_size += inserted.0;
            Ok([appended, inserted])
        };
        let first = grow(&mut log)?;
        while log.size() + part < entries {
            grow(&mut log)?;
            log.close_segment(STREAM)?;
        }
        let last = grow(&mut log)?;
        log.close_segment(STREAM)?;
        let (size, bytes) = (log.size(), fs::metadata(&path)?.len());
        eprintln!("{} bytes an entry in a database of {size}", bytes / size);
        let seqnos: Vec<u64> = (0..PLACES).map(|place| 1 + (size - 1000) / PLACES * place).collect();
        let proof = worst(&seqnos, |seqno| log.prove_in_segment(seqno).map(drop))?;
        let page = worst(&seqnos, |seqno| {
            let range = EntryRange { stream: Some(STREAM), from: seqno, to: u64::MAX, limit: 100 };
            log.store_mut().entries(range, &mut |record| _ = std::hint::black_box(record))
        })?;
        drop(log);
        fs::remove_file(path)?;
        let sample = |name: &str, (count, seconds)| Sample::new(name, "sqlite", count, seconds);
        Ok(vec![
            sample("append-first", first[0]),
            sample("append-last", last[0]),
            sample("bare-first", first[1]),
            sample("bare-last", last[1]),
            sample("worst-proof", (1, proof)),
            sample("worst-page", (1, page)),
        ])
    }

    /// A database of so many streams with an entry each: opening it, and appending to it.
    pub fn streams_sqlite(&self, streams: u64) -> Result<Vec<Sample>, Failure> {
        let path = self.fresh("streams.db")?;
        let mut log = open(SqliteStore::open(&path)?)?;
        let mut number = 0;
        while number < streams {
            let names: Vec<String> = (0..BATCH).map(|i| format!("tenant/{}", number + i as u64)).collect();
            let batch: Vec<_> = names.iter().map(|stream| NewEntry { stream, ..self.entry() }).collect();
            log.append_batch(&batch)?;
            number += BATCH as u64;
        }
        drop(log);
        let (mut log, seconds) = timed(|| open(SqliteStore::open(&path)?))?;
        let (appended, append_seconds) = timed(|| append(&mut log, &self.batch(), 20 * BATCH as u64))?;
        let places: Vec<u64> = (0..PLACES).map(|place| streams / PLACES * place).collect();
        let page = worst(&places, |after| log.streams(after, 100).map(drop))?;
        drop(log);
        fs::remove_file(path)?;
        Ok(vec![
            Sample::new("open", "sqlite-streams", streams, seconds),
            Sample::new("append-to", "sqlite-streams", appended, append_seconds),
            Sample::new("worst-list", "sqlite-streams", 1, page),
        ])
    }

    fn bare(&self, name: &str) -> Result<Connection, Failure> {
        let connection = Connection::open(self.fresh(name)?)?;
        connection.execute_batch(BARE)?;
        Ok(connection)
    }

    /// Inserts at least so many rows behind `size` of them.
    fn insert(&self, connection: &mut Connection, size: u64, entries: u64) -> Result<u64, Failure> {
        let mut inserted = 0;
        while inserted < entries {
            let transaction = connection.transaction()?;
            let mut insert = transaction.prepare_cached(INSERT)?;
            for _ in 0..BATCH {
                inserted += 1;
                insert.execute(self.row(size + inserted))?;
            }
            drop(insert);
            transaction.commit()?;
        }
        Ok(inserted)
    }

    /// What differs from row to row: seqno, hash, bytes and time.
    pub fn row(&self, seqno: u64) -> (i64, [u8; 32], &[u8], i64) {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&seqno.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let bytes = &self.encoded()[seqno as usize % self.encoded().len()];
        // All entries of a commit have one time.
        (seqno as i64, hash, bytes, 1_700_000_000_000_000 + (seqno / BATCH as u64) as i64)
    }
}

/// How many seconds a call takes at the worst of these places. Each place counts with the best of three visits, between which
/// all others are visited, so that a disturbance does not count and a cache does not help.
pub fn worst<E>(places: &[u64], mut call: impl FnMut(u64) -> Result<(), E>) -> Result<f64, E> {
    let mut best = vec![f64::INFINITY; places.len()];
    for _ in 0..3 {
        for (place, best) in places.iter().zip(&mut best) {
            let ((), seconds) = timed(|| call(*place))?;
            *best = best.min(seconds);
        }
    }
    Ok(best.into_iter().fold(0.0, f64::max))
}
