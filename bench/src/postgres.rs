//! The native cases on the PostgreSQL store, over a server of their own, and beside them bare copies and inserts of the same rows.

use std::pin::pin;
use std::sync::OnceLock;
use std::time::Instant;

use secure_log_bench_shared::entry::BATCH;
use secure_log_bench_shared::{Failure, Sample, timed};
use secure_log_postgres::Postgres;
use secure_log_testkit::postgres::Server;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Statement};

use crate::native::{Native, TURN, append, open};

/// The table of the entries and its indexes, as the store makes them, and nothing else.
const BARE: &str = "
    DROP TABLE IF EXISTS entry;
    CREATE TABLE entry (
        log BIGINT NOT NULL, seqno BIGINT NOT NULL, stream BIGINT NOT NULL, hash BYTEA NOT NULL, bytes BYTEA,
        time BIGINT, severity BIGINT, event BIGINT, producer BIGINT, session BIGINT, PRIMARY KEY (log, seqno)
    );
    CREATE INDEX ON entry (log, stream, seqno);
    CREATE INDEX ON entry (log, time);
    CREATE INDEX ON entry (log, severity, seqno);
    CREATE INDEX ON entry (log, event, seqno);
    CREATE INDEX ON entry (log, producer, seqno);
    CREATE INDEX ON entry (log, session, seqno);
";
const COPY: &str = "COPY entry FROM STDIN BINARY";
const INSERT: &str = "INSERT INTO entry SELECT 1::BIGINT, e.seqno, 1, e.hash, e.bytes, e.time, 6, 1, 2, 3
    FROM unnest($1::BIGINT[], $2::BYTEA[], $3::BYTEA[], $4::BIGINT[]) AS e (seqno, hash, bytes, time)";

impl Native {
    /// Batches of 1000, durable on the server.
    pub fn append_postgres(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let Some(server) = server() else { return Ok(Vec::new()) };
        let mut log = open(Postgres::connect(&server.database())?.store("batches"))?;
        append(&mut log, &self.batch(), 1)?;
        let (appended, seconds) = timed(|| append(&mut log, &self.batch(), entries))?;
        Ok(vec![Sample::new("append-batch", "postgres", appended, seconds)])
    }

    /// As many rows by a bare COPY, and by a bare INSERT of many rows, each batch a transaction.
    pub fn bare_postgres(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let Some(server) = server() else { return Ok(Vec::new()) };
        let mut bare = Bare::connect(&server.database())?;
        let (copied, copy_seconds) = timed(|| bare.copy(self, entries))?;
        let mut bare = Bare::connect(&server.database())?;
        let (inserted, seconds) = timed(|| bare.insert(self, entries))?;
        Ok(vec![
            Sample::new("bare-copy", "postgres", copied, copy_seconds),
            Sample::new("bare-insert", "postgres", inserted, seconds),
        ])
    }

    /// One entry and one transaction, and beside it one bare INSERT that commits by itself.
    pub fn durable_postgres(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let Some(server) = server() else { return Ok(Vec::new()) };
        let mut log = open(Postgres::connect(&server.database())?.store("durable"))?;
        log.append(&self.entry())?;
        let mut bare = Bare::connect(&server.database())?;
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
                bare.insert_rows(self, seqno, 1)?;
            }
            inserts += start.elapsed().as_secs_f64();
        }
        Ok(vec![
            Sample::new("append-durable", "postgres", seqno, appends),
            Sample::new("bare-autocommit", "postgres", seqno, inserts),
        ])
    }
}

/// The server of all rounds; `None` where PostgreSQL is not installed, which is said.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[])).as_ref()
}

/// A connection, and the table.
struct Bare {
    runtime: Runtime,
    client: Client,
    insert: Statement,
}

impl Bare {
    fn connect(config: &str) -> Result<Bare, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (client, connection) = runtime.block_on(tokio_postgres::connect(config, NoTls))?;
        runtime.spawn(connection);
        let insert = runtime.block_on(async {
            client.batch_execute(BARE).await?;
            client.prepare(INSERT).await
        })?;
        Ok(Bare { runtime, client, insert })
    }

    fn copy(&mut self, native: &Native, entries: u64) -> Result<u64, Failure> {
        const INTEGER: Type = Type::INT8;
        let kinds = [INTEGER, INTEGER, INTEGER, Type::BYTEA, Type::BYTEA, INTEGER, INTEGER, INTEGER, INTEGER, INTEGER];
        let Bare { runtime, client, .. } = self;
        let mut copied = 0;
        while copied < entries {
            runtime.block_on(async {
                let transaction = client.transaction().await?;
                let mut writer = pin!(BinaryCopyInWriter::new(transaction.copy_in(COPY).await?, &kinds));
                for _ in 0..BATCH {
                    copied += 1;
                    let (seqno, hash, bytes, time) = native.row(copied);
                    let row: [&(dyn ToSql + Sync); 10] =
                        [&1i64, &seqno, &1i64, &&hash[..], &bytes, &time, &6i64, &1i64, &2i64, &3i64];
                    writer.as_mut().write(&row).await?;
                }
                writer.finish().await?;
                transaction.commit().await
            })?;
        }
        Ok(copied)
    }

    fn insert(&mut self, native: &Native, entries: u64) -> Result<u64, Failure> {
        let mut inserted = 0;
        while inserted < entries {
            self.insert_rows(native, inserted + 1, BATCH as u64)?;
            inserted += BATCH as u64;
        }
        Ok(inserted)
    }

    fn insert_rows(&mut self, native: &Native, first: u64, count: u64) -> Result<(), Failure> {
        let rows: Vec<_> = (first..first + count).map(|seqno| native.row(seqno)).collect();
        let seqnos: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|row| &row.1[..]).collect();
        let bytes: Vec<&[u8]> = rows.iter().map(|row| row.2).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.3).collect();
        let Bare { runtime, client, insert } = self;
        runtime.block_on(client.execute(&*insert, &[&seqnos, &hashes, &bytes, &times]))?;
        Ok(())
    }
}
