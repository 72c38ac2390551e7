//! One log: its operations, and what they go through.

use std::time::{Duration, Instant};

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId,
};
use secure_log_sql::bound;

use crate::connection::Connection;
use crate::failure::Failed;
use crate::insert::Known;
use crate::migrate;
use crate::pool::{Pool, Postgres, Taken, pause};
use crate::search::Times;
use crate::settings::check_name;
use crate::tables::Tables;

/// How often an operation is tried again that others were in the way of.
const CONFLICTS: u32 = 16;

/// A log in a database. It takes a connection from the pool for each operation.
pub struct PostgresStore {
    postgres: Postgres,
    name: String,
    /// The number that stands for the name, as far as is known.
    log: Option<i64>,
    known: Known,
    times: Times,
    races: Races,
    /// A connection with the log's lock, for the next commit.
    turn: Option<(Taken, Instant)>,
}

/// Commits that came too late, one after the other.
#[derive(Default)]
struct Races {
    lost: u32,
    last: Option<Instant>,
}

/// After so many lost races the lock is taken before the newest head is read.
const PATIENCE: u32 = 2;
/// Whoever has lost a race asks for the newest head within this time. Who asks later may only want to know.
const SOON: Duration = Duration::from_millis(200);
/// A turn that is older is given up, before the server takes it away.
const TURN: Duration = Duration::from_millis(500);

impl Races {
    fn end(&mut self, ended: &Result<(), StoreError>) {
        match ended {
            Err(StoreError::Conflict { .. }) => {
                *self = Races { lost: self.lost.saturating_add(1), last: Some(Instant::now()) };
            }
            _ => *self = Races::default(),
        }
    }

    fn are_enough(&self) -> bool {
        self.lost >= PATIENCE && self.last.is_some_and(|last| last.elapsed() < SOON)
    }
}

/// What becomes of an operation whose connection is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WhenLost {
    /// It is done again, which makes no difference where it was done already.
    Repeat,
    /// It is the caller's to find out.
    GiveUp,
}

impl PostgresStore {
    pub(crate) fn new(postgres: Postgres, name: &str) -> PostgresStore {
        PostgresStore {
            postgres,
            name: name.into(),
            log: None,
            known: Known::default(),
            times: Times::default(),
            races: Races::default(),
            turn: None,
        }
    }

    /// See [`Postgres::logs`].
    pub(crate) fn names(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM secure_log.log WHERE id IS NOT NULL AND name > $1 ORDER BY name LIMIT $2";
        let (after, limit) = (after.unwrap_or_default(), bound(limit.into()));
        self.patiently(WhenLost::Repeat, |store, connection| {
            if !store.has_tables(connection, false)? {
                return Ok(Vec::new());
            }
            let answer = connection.query(sql, &[&after, &limit])?;
            Ok(answer.rows.iter().map(|row| row.get(0)).collect())
        })
    }

    /// `read` of the log, if there is one.
    fn reading<T: Default>(
        &mut self,
        mut read: impl FnMut(&mut Tables<'_>) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        self.patiently(WhenLost::Repeat, |store, connection| match store.tables(connection, false)? {
            Some(mut tables) => read(&mut tables),
            None => Ok(T::default()),
        })
    }

    /// `change` of the log, if there is one, in a transaction.
    fn changing<T: Default>(
        &mut self,
        mut change: impl FnMut(&mut Tables<'_>) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        self.reading(|tables| tables.changing(&mut change))
    }

    /// `work` over a connection, and again where that was lost, or others were in the way.
    fn patiently<T>(
        &mut self,
        when_lost: WhenLost,
        mut work: impl FnMut(&mut Self, &mut Connection) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        check_name(&self.name)?;
        let pool = self.postgres.pool.clone();
        let deadline = Instant::now() + pool.settings.patience;
        let (mut conflicts, mut losses) = (0, 0);
        loop {
            match self.once(&pool, &mut work) {
                Ok(done) => return Ok(done),
                Err(Failed::Store(error)) => return Err(error),
                Err(Failed::Again(detail)) => {
                    if conflicts == CONFLICTS {
                        return Err(StoreError::Locked { detail });
                    }
                    pause(conflicts);
                    conflicts += 1;
                }
                Err(Failed::Lost(detail)) => {
                    self.forget();
                    pool.close_idle();
                    if when_lost == WhenLost::GiveUp || Instant::now() >= deadline {
                        return Err(StoreError::Io { operation: "reach the database".into(), detail });
                    }
                    // What lay idle may have been gone for long, and the next one is there.
                    if losses > 0 {
                        pause(losses);
                    }
                    losses += 1;
                }
            }
        }
    }

    fn once<T>(
        &mut self,
        pool: &std::sync::Arc<Pool>,
        work: &mut impl FnMut(&mut Self, &mut Connection) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let (mut taken, since) = match self.turn.take().filter(|(_, since)| since.elapsed() < TURN) {
            Some(turn) => turn,
            None => (pool.take()?, Instant::now()),
        };
        let done = work(self, taken.connection());
        match &done {
            Err(Failed::Lost(_)) => taken.lose(),
            Ok(_) if taken.connection().has_turn => self.turn = Some((taken, since)),
            // An error has ended the transaction, and where it did not the connection is closed.
            _ => {}
        }
        done
    }

    /// Has nobody else change the log until the next commit, which can lose no race then.
    fn take_turn(&mut self) -> Result<(), StoreError> {
        self.races = Races::default();
        self.reading(|tables| tables.take_turn())
    }

    /// Another server may have taken the place of the one that it was learnt from.
    fn forget(&mut self) {
        self.log = None;
        self.known = Known::default();
        self.times = Times::default();
    }

    /// The tables of the log, which is made if it is to be.
    fn tables<'t>(&'t mut self, connection: &'t mut Connection, create: bool) -> Result<Option<Tables<'t>>, Failed> {
        if self.log.is_none() && self.has_tables(connection, create)? {
            self.log = self.number(connection, create)?;
        }
        let PostgresStore { name, log, known, times, .. } = self;
        Ok(log.map(|log| Tables { connection, name, log, known, times }))
    }

    /// Whether there are tables to read, which are made if they are to be.
    fn has_tables(&self, connection: &mut Connection, create: bool) -> Result<bool, Failed> {
        let mut ready = self.postgres.pool.ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*ready {
            *ready = migrate::check(connection)?;
        }
        if !*ready && create {
            migrate::create(connection)?;
            *ready = true;
        }
        Ok(*ready)
    }

    fn number(&self, connection: &mut Connection, create: bool) -> Result<Option<i64>, Failed> {
        let sql = "SELECT number FROM secure_log.log WHERE name = $1";
        let found = connection.query(sql, &[&self.name])?;
        if let Some(row) = found.rows.first() {
            return Ok(Some(row.get(0)));
        }
        if !create {
            return Ok(None);
        }
        let make = "INSERT INTO secure_log.log (name, changes) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING";
        connection.query(make, &[&self.name])?;
        Ok(connection.query(sql, &[&self.name])?.rows.first().map(|row| row.get(0)))
    }
}

/// What there is to work on once it was made.
fn made(tables: Option<Tables<'_>>) -> Result<Tables<'_>, Failed> {
    tables.ok_or_else(|| Failed::Lost("the log's row was made and is not there".into()))
}

impl SecureLogStore for PostgresStore {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.reading(|tables| tables.read_log())
    }

    /// A transaction that was never finished leaves nothing.
    fn torn(&mut self) -> Option<Torn> {
        None
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let mut attempt = crate::insert::Attempt::new(commit)?;
        let inserted = self.patiently(WhenLost::Repeat, |store, connection| {
            made(store.tables(connection, true)?)?.insert(&mut attempt)
        });
        self.races.end(&inserted);
        inserted
    }

    /// Whoever has lost several races, and asks where the log stands now, is about to commit again.
    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        if below.is_none() && self.races.are_enough() {
            self.take_turn()?;
        }
        self.reading(|tables| tables.newest_heads(below, limit))
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.reading(|tables| tables.closed_segments())
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        // What was shown is not shown again.
        let mut left = range;
        self.reading(|tables| tables.read_entries(&mut left, visit))
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        self.reading(|tables| tables.read_hashes(tree, first, count))
    }

    fn hash_runs(&mut self, tree: TreeId, firsts: &[u64], count: u32) -> Result<Vec<Vec<Hash>>, StoreError> {
        let runs = self.reading(|tables| tables.read_hash_runs(tree, firsts, count))?;
        Ok(if runs.is_empty() { vec![Vec::new(); firsts.len()] } else { runs })
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        let found = self.reading(|tables| tables.read_nodes(ids))?;
        Ok(if found.is_empty() { vec![None; ids.len()] } else { found })
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        self.reading(|tables| tables.read_indexed(range))
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        self.reading(|tables| tables.read_index_rows(after, limit))
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        let Some(mut progress) = crate::search::Progress::of(search) else { return Ok(None) };
        self.reading(|tables| tables.find(&mut progress, visit))
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.reading(|tables| tables.read_stream(name))
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        self.reading(|tables| tables.read_streams(after, limit))
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.reading(|tables| tables.read_segment(id))
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        self.reading(|tables| tables.read_segments(stream, after, limit))
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.reading(|tables| tables.find_segment(stream, seqno))
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.reading(|tables| tables.find_leaf(segment, seqno))
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        self.reading(|tables| tables.read_signatures(of))
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        self.reading(|tables| tables.read_data_keys(stream))
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        self.reading(|tables| tables.read_witnesses(below, limit))
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let mut at = crate::scan::Position { place: cursor, left: max_bytes.max(1) };
        self.reading(|tables| tables.reading(|tables| tables.scan_from(&mut at, visit)))
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        let create = rows.records().len() > 0;
        self.patiently(WhenLost::GiveUp, |store, connection| match store.tables(connection, create)? {
            Some(mut tables) => tables.changing(|tables| tables.load_rows(after, rows, done)),
            None => Ok(()),
        })
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.changing(|tables| tables.prune_streams(up_to))
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.changing(|tables| tables.drop_keys(ids))
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.changing(|tables| tables.replace_keys(rows))
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.changing(|tables| tables.drop_witness_rows(rows))
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        let done = self.changing(|tables| tables.set_records_aside(after_head).map(Some))?;
        done.ok_or_else(|| StoreError::Io {
            operation: "set records aside".into(),
            detail: format!("there is no head {after_head}"),
        })
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.changing(|tables| tables.rebuild())
    }
}
