//! The native cases on the SQLite store, and beside them the bare inserts of the same rows.

use std::time::Instant;

use rusqlite::Connection;
use secure_log_bench_shared::entry::BATCH;
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
    CREATE INDEX entry_producer ON entry (producer);
    CREATE INDEX entry_session ON entry (session);
";
const INSERT: &str = "INSERT INTO entry VALUES (?, 1, ?, ?, ?, 6, 1, 2, 3)";

impl Native {
    /// Batches of 1000, durable, into a database on disk and in memory.
    pub fn append_sqlite(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut log = open(SqliteStore::open(self.fresh("batches.db")?)?)?;
        let (appended, seconds) = timed(|| append(&mut log, &self.batch(), entries))?;
        let mut memory = open(SqliteStore::in_memory()?)?;
        let (in_memory, seconds_in_memory) = timed(|| append(&mut memory, &self.batch(), entries))?;
        let mut bare = self.bare("bare-batches.db")?;
        let (inserted, bare_seconds) = timed(|| self.insert(&mut bare, entries))?;
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

    fn bare(&self, name: &str) -> Result<Connection, Failure> {
        let connection = Connection::open(self.fresh(name)?)?;
        connection.execute_batch(BARE)?;
        Ok(connection)
    }

    fn insert(&self, connection: &mut Connection, entries: u64) -> Result<u64, Failure> {
        let mut seqno = 0;
        while seqno < entries {
            let transaction = connection.transaction()?;
            let mut insert = transaction.prepare_cached(INSERT)?;
            for _ in 0..BATCH {
                seqno += 1;
                insert.execute(self.row(seqno))?;
            }
            drop(insert);
            transaction.commit()?;
        }
        Ok(seqno)
    }

    /// What differs from row to row: seqno, hash, bytes and time.
    fn row(&self, seqno: u64) -> (i64, [u8; 32], &[u8], i64) {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&seqno.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let bytes = &self.encoded()[seqno as usize % self.encoded().len()];
        // All entries of a commit have one time.
        (seqno as i64, hash, bytes, 1_700_000_000_000_000 + (seqno / BATCH as u64) as i64)
    }
}
