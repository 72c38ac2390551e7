//! One opening of a database: whether it is there, whose it is, and transactions.

use std::collections::HashMap;

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{DataKeyRow, EntryRow, LogRow, Record, SegmentRow, SignatureRow, Subject, WitnessRow};
use secure_log::store::{
    Commit, EntryRange, IndexRange, NodeId, NumberedHead, NumberedWitness, Search, SecureLogStore, StoreError,
    StreamState, Torn, TreeId, search_by_reading,
};

use crate::database::{Database, SqlError, Value, code};
use crate::insert::Written;
use crate::nodes::UpperNodes;
use crate::row::{Cells, Row};
use crate::schema::{APPLICATION_ID, KEYED_VERSION, MIGRATIONS, VERSION};
use crate::search::{Found as Searched, Times};

/// At most 16 MiB of pages are kept in memory: rare entries, and the hashes that prove them, are scattered over the whole file.
const CACHE: &str = "PRAGMA cache_size = -16384";

/// How many heads a conflict answers.
const CONFLICT_HEADS: u32 = 16;

/// A log in an SQLite database.
pub struct SqliteStore<D> {
    pub(crate) database: D,
    /// The tables are there and are ours.
    ready: bool,
    /// Numbers of words that were looked up before.
    pub(crate) words: HashMap<String, i64>,
    /// Hashes that were read before.
    pub(crate) upper_nodes: UpperNodes,
    /// What this store wrote last.
    pub(crate) written: Written,
    /// Which times each part of the log has.
    pub(crate) times: Times,
}

/// What a database holds that is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A log, in the tables of an earlier version.
    Earlier,
    /// A log, in the tables that this one knows.
    Tables,
}

impl<D: Database> SqliteStore<D> {
    /// A store in this database, which is made by the first insert if it is not there. Writes nothing, unless the database
    /// is one of an earlier version.
    pub fn over(database: D) -> Result<SqliteStore<D>, StoreError> {
        let mut store = SqliteStore {
            database,
            ready: false,
            words: HashMap::new(),
            upper_nodes: UpperNodes::default(),
            written: Written::default(),
            times: Times::default(),
        };
        store.ready(false)?;
        Ok(store)
    }

    /// The database behind the store, for what the store does not do.
    pub fn database_mut(&mut self) -> &mut D {
        &mut self.database
    }

    /// Whether there are tables to read, which are made if they are to be.
    pub(crate) fn ready(&mut self, create: bool) -> Result<bool, StoreError> {
        if self.ready {
            return Ok(true);
        }
        if !self.database.connect(create).map_err(failed("open the database"))? {
            return Ok(false);
        }
        self.script("PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON")?;
        let found = self.within("BEGIN", Self::inspect)?;
        // After the first look: these read the tables' names, for which they would take a lock of their own.
        self.script(CACHE)?;
        self.script("PRAGMA synchronous = FULL")?;
        match found {
            Found::Nothing if !create => return Ok(false),
            // How pages are kept is decided before there are any.
            Found::Nothing => self.script("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL")?,
            Found::Earlier | Found::Tables => {}
        }
        if found != Found::Tables {
            self.transaction(|store| {
                store.migrate()?;
                store.check_tables()
            })?;
        }
        self.ready = true;
        Ok(true)
    }

    /// Finds out what is in the database, in one transaction: where a lock is a file it is taken once.
    fn inspect(&mut self) -> Result<Found, StoreError> {
        if !self.is_ours()? {
            return Ok(Found::Nothing);
        }
        if self.version()? < VERSION {
            return Ok(Found::Earlier);
        }
        self.check_tables()?;
        Ok(Found::Tables)
    }

    /// Whether the database is a log's; `false` when there is nothing in it.
    fn is_ours(&mut self) -> Result<bool, StoreError> {
        let marked = self.pragma("PRAGMA application_id")? == APPLICATION_ID;
        if !marked && self.pragma("SELECT count(*) FROM sqlite_schema")? != 0 {
            return Err(StoreError::Config("the database belongs to something else: no log is in it".into()));
        }
        let version = self.version()?;
        if marked && version > VERSION {
            return Err(StoreError::LaterVersion {
                at: "the database".into(),
                what: format!("version {version} of its tables, where this one knows {VERSION}"),
            });
        }
        Ok(marked)
    }

    fn version(&mut self) -> Result<i64, StoreError> {
        self.pragma("PRAGMA user_version")
    }

    /// Brings the tables to this version. Asks again for theirs: somebody else may have been faster.
    fn migrate(&mut self) -> Result<(), StoreError> {
        self.is_ours()?;
        let from = usize::try_from(self.version()?).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(from) {
            self.script(migration)?;
        }
        if from < KEYED_VERSION {
            self.rebuild_keys()?;
        }
        self.script(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}"))
    }

    /// What the statements work on has to be what it is taken for: a view or a trigger could do anything instead.
    fn check_tables(&mut self) -> Result<(), StoreError> {
        let mut wanted: HashMap<&str, bool> = MIGRATIONS
            .iter()
            .flat_map(|migration| migration.split(";\n"))
            .map(str::trim)
            .filter(|statement| !statement.is_empty())
            .map(|statement| (statement, false))
            .collect();
        let mut strange = None;
        self.each("sqlite_schema", "SELECT type, name, sql FROM sqlite_schema", &[], |row| {
            let (kind, name, sql) = (row.text(0)?, row.text(1)?, row.optional_text(2)?.unwrap_or_default());
            match wanted.get_mut(sql) {
                Some(found) => *found = true,
                None if kind == "trigger" => strange = Some(format!("there is a trigger {name:?} that is not ours")),
                None => {}
            }
            Ok(())
        })?;
        let missing = wanted.iter().find(|(_, found)| !**found).map(|(statement, _)| {
            let name: Vec<&str> = statement.split_whitespace().take(3).collect();
            format!("what {:?} made is missing, or was changed", name.join(" "))
        });
        match strange.or(missing) {
            Some(detail) => Err(StoreError::Corrupt { at: "the tables".into(), detail }),
            None => Ok(()),
        }
    }

    /// Does everything of `work` or nothing.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.within("BEGIN IMMEDIATE", work)
    }

    fn within<T>(
        &mut self,
        begin: &'static str,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begun = self.run(begin, &[]);
        let done = begun.and_then(|_| work(self)).and_then(|done| self.run("COMMIT", &[]).map(|_| done));
        if done.is_err() {
            self.forget();
            // There may be nothing to roll back, which is no matter then.
            let _ = self.database.script("ROLLBACK");
        }
        done
    }

    /// Drops whatever is remembered of what the database holds.
    pub(crate) fn forget(&mut self) {
        self.words.clear();
        self.upper_nodes = UpperNodes::default();
        self.written = Written::default();
    }

    /// Why a commit or a log is not taken.
    pub(crate) fn conflict(&mut self) -> Result<StoreError, StoreError> {
        if self.is_loading()? {
            return Ok(StoreError::Config("a log was never imported into it to its end: import it again".into()));
        }
        let heads = self.newest_heads(None, CONFLICT_HEADS)?.into_iter().map(|numbered| numbered.head).collect();
        Ok(StoreError::Conflict { heads })
    }

    pub(crate) fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        self.database.script(sql).map_err(failed("change the database"))
    }

    pub(crate) fn run(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.database.run(sql, values.len(), values).map_err(failed("write to the database"))
    }

    /// Runs a statement once for each `width` of the values, in one go.
    pub(crate) fn run_each(&mut self, sql: &'static str, width: usize, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.database.run(sql, width, values).map(|_| ()).map_err(failed("write to the database"))
    }

    /// Shows the rows that a statement answers, until `visit` has enough or one is not what it should be.
    pub(crate) fn each_while(
        &mut self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        mut visit: impl FnMut(Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut outcome = Ok(true);
        self.database
            .query(sql, values, &mut |values| {
                outcome = visit(Row { table, values: Cells(values) });
                matches!(outcome, Ok(true))
            })
            .map_err(failed("read the database"))?;
        outcome.map(|_| ())
    }

    /// Shows every row that a statement answers.
    pub(crate) fn each(
        &mut self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        mut visit: impl FnMut(Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each_while(table, sql, values, |row| visit(row).map(|()| true))
    }

    /// The numbers that a statement of one column answers, in the place of those in `numbers`.
    pub(crate) fn numbers(
        &mut self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        numbers: &mut Vec<i64>,
    ) -> Result<(), StoreError> {
        numbers.clear();
        let are_numbers = self.database.numbers(sql, values, numbers).map_err(failed("read the database"))?;
        if are_numbers && numbers.iter().all(|number| *number >= 0) {
            return Ok(());
        }
        Err(Row { table, values: Cells(&[]) }.damaged(0))
    }

    pub(crate) fn all<T>(
        &mut self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(table, sql, values, |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The first row, if there is one.
    pub(crate) fn one<T>(
        &mut self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.all(table, sql, values, read)?.into_iter().next())
    }

    pub(crate) fn pragma(&mut self, sql: &'static str) -> Result<i64, StoreError> {
        Ok(self.one("pragma", sql, &[], |row| row.integer(0))?.unwrap_or(0))
    }

    /// `read` if there is anything to read, in one transaction: what it reads belongs together, and where a lock is a file it is
    /// taken once.
    fn reading<T: Default>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.ready(false)? { self.within("BEGIN", read) } else { Ok(T::default()) }
    }

    /// `change`, which has transactions of its own, if there is anything to change.
    fn changing<T: Default>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.ready(false)? { change(self) } else { Ok(T::default()) }
    }
}

impl<D: Database> SecureLogStore for SqliteStore<D> {
    fn log(&mut self) -> Result<Option<LogRow>, StoreError> {
        self.reading(Self::read_log)
    }

    /// A transaction that was never finished leaves nothing.
    fn torn(&mut self) -> Option<Torn> {
        None
    }

    fn insert(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.ready(true)?;
        self.transaction(|store| {
            let end = store.end()?;
            if end.expected() != commit.expected || store.has_any(commit.new_streams())? {
                return Err(store.conflict()?);
            }
            store.append(end, commit, false)
        })
    }

    fn heads(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedHead>, StoreError> {
        self.reading(|store| store.newest_heads(below, limit))
    }

    fn segment_count(&mut self) -> Result<u64, StoreError> {
        self.reading(Self::closed_segments)
    }

    fn entries(&mut self, range: EntryRange<'_>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), StoreError> {
        self.reading(|store| store.read_entries(range, visit))
    }

    fn hashes(&mut self, tree: TreeId, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        self.reading(|store| store.read_hashes(tree, first, count))
    }

    fn hash_runs(&mut self, tree: TreeId, firsts: &[u64], count: u32) -> Result<Vec<Vec<Hash>>, StoreError> {
        let runs: Vec<_> =
            self.reading(|store| firsts.iter().map(|first| store.read_hashes(tree, *first, count)).collect())?;
        Ok(if runs.is_empty() { vec![Vec::new(); firsts.len()] } else { runs })
    }

    fn nodes(&mut self, ids: &[NodeId]) -> Result<Vec<Option<Hash>>, StoreError> {
        let found: Vec<_> = self.reading(|store| store.read_nodes(ids))?;
        Ok(if found.is_empty() { vec![None; ids.len()] } else { found })
    }

    fn indexed(&mut self, range: IndexRange) -> Result<Vec<u64>, StoreError> {
        self.reading(|store| store.read_indexed(range))
    }

    fn index_rows(&mut self, after: Option<IndexRow>, limit: u32) -> Result<Vec<IndexRow>, StoreError> {
        self.reading(|store| store.read_index_rows(after, limit))
    }

    fn search(&mut self, search: &Search<'_>, visit: &mut dyn FnMut(EntryRow<'_>)) -> Result<Option<u64>, StoreError> {
        match self.reading(|store| store.find(search, visit))? {
            Searched::End => Ok(None),
            Searched::GoOn(seqno) => Ok(Some(seqno)),
            Searched::NoIndex => search_by_reading(self, search, visit),
        }
    }

    fn stream(&mut self, name: &str) -> Result<Option<StreamState>, StoreError> {
        self.reading(|store| store.read_stream(name))
    }

    fn streams(&mut self, after: u64, limit: u32) -> Result<Vec<StreamState>, StoreError> {
        self.reading(|store| store.read_streams(after, limit))
    }

    fn segment(&mut self, id: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.reading(|store| store.read_segment(id))
    }

    fn segments(&mut self, stream: &str, after: u64, limit: u32) -> Result<Vec<SegmentRow>, StoreError> {
        self.reading(|store| store.read_segments(stream, after, limit))
    }

    fn segment_of(&mut self, stream: &str, seqno: u64) -> Result<Option<SegmentRow>, StoreError> {
        self.reading(|store| store.find_segment(stream, seqno))
    }

    fn leaf_index(&mut self, segment: u64, seqno: u64) -> Result<Option<u64>, StoreError> {
        self.reading(|store| store.find_leaf(segment, seqno))
    }

    fn signatures(&mut self, of: Subject) -> Result<Vec<SignatureRow>, StoreError> {
        self.reading(|store| store.read_signatures(of))
    }

    fn data_keys(&mut self, stream: &str) -> Result<Vec<DataKeyRow>, StoreError> {
        self.reading(|store| store.read_data_keys(stream))
    }

    fn witnesses(&mut self, below: Option<u64>, limit: u32) -> Result<Vec<NumberedWitness>, StoreError> {
        self.reading(|store| store.read_witnesses(below, limit))
    }

    fn scan(
        &mut self,
        cursor: u64,
        max_bytes: usize,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, StoreError> {
        self.reading(|store| store.scan_from(cursor, max_bytes, visit))
    }

    fn load(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.load_rows(after, rows, done)
    }

    fn prune(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        self.changing(|store| store.prune_streams(up_to))
    }

    fn drop_data_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        self.changing(|store| store.drop_keys(ids))
    }

    fn replace_data_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        self.changing(|store| store.replace_keys(rows))
    }

    fn drop_witnesses(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        self.changing(|store| store.drop_witness_rows(rows))
    }

    fn set_aside(&mut self, after_head: u64) -> Result<String, StoreError> {
        self.ready(false)?;
        self.set_records_aside(after_head)
    }

    fn reindex(&mut self) -> Result<(), StoreError> {
        self.changing(Self::rebuild)
    }
}

/// What SQLite said while we did this, by what a caller can do about it.
pub(crate) fn failed(operation: &'static str) -> impl Fn(SqlError) -> StoreError {
    move |error| match error.primary() {
        code::BUSY | code::LOCKED => StoreError::Locked { detail: error.message },
        code::CORRUPT | code::NOTADB => StoreError::Corrupt { at: "the database".into(), detail: error.to_string() },
        code::CONSTRAINT => StoreError::Corrupt { at: "a record of the commit".into(), detail: error.message },
        _ => StoreError::Io { operation: operation.into(), detail: error.to_string() },
    }
}
