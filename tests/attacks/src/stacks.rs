//! The stacks under attack, where their logs lie, and what they said.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use secure_log_testkit::attacks::{MAC_LABEL, ORIGIN};
use secure_log_testkit::postgres::server;
use secure_log_verify::host::{MemoryOutputPipe, Stack, Surroundings};
use tempfile::TempDir;
use wasmtime::Result;
use wasmtime::error::Context;

use crate::composed::{Composed, Place};
use crate::keys::KeyFolder;
use crate::tables_of_postgres::Edited;

/// Everything that checks share.
pub struct Stacks {
    file: Stack,
    sqlite: Stack,
    postgres: Stack,
    hostile_memory: Stack,
    hostile_file: Stack,
    hostile_sqlite: Stack,
    hostile_postgres: Stack,
    folder: TempDir,
    /// Made when it is first needed; `None` where there is no PostgreSQL.
    database: OnceLock<Option<Edited>>,
    number: AtomicU64,
    /// The keys of the testkit.
    pub keys: KeyFolder,
    /// What any log answered, and said besides.
    pub transcript: Transcript,
}

/// Where a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In memory, in the hand of the test.
    InMemory,
    /// In a file, in the hand of the test.
    InFile,
    /// In a file, by the stack as it is released.
    AsReleased,
    /// In SQLite's memory, in the hand of the test.
    InMemoryOfSqlite,
    /// In a database file, in the hand of the test.
    InDatabase,
    /// In a database file, by the SQLite stack as it is released.
    InDatabaseAsReleased,
    /// In a database of a PostgreSQL server, in the hand of the test.
    InPostgres,
    /// In a database of a PostgreSQL server, by the stack as it is released.
    InPostgresAsReleased,
}

impl Kept {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kept::InMemory => "memory",
            Kept::InFile | Kept::AsReleased => "file",
            Kept::InMemoryOfSqlite => "database in memory",
            Kept::InDatabase | Kept::InDatabaseAsReleased => "database",
            Kept::InPostgres | Kept::InPostgresAsReleased => "PostgreSQL",
        }
    }

    /// Whether it is gone with its instance.
    pub fn is_in_memory(self) -> bool {
        matches!(self, Kept::InMemory | Kept::InMemoryOfSqlite)
    }

    /// Whether it is in tables, which the host edits.
    pub fn is_in_database(self) -> bool {
        matches!(self, Kept::InDatabase | Kept::InDatabaseAsReleased) || self.is_in_postgres()
    }

    /// Whether they are those of a PostgreSQL server.
    pub fn is_in_postgres(self) -> bool {
        matches!(self, Kept::InPostgres | Kept::InPostgresAsReleased)
    }

    /// Whether nothing stands between the log and its store.
    pub fn is_as_released(self) -> bool {
        matches!(self, Kept::AsReleased | Kept::InDatabaseAsReleased | Kept::InPostgresAsReleased)
    }

    /// How a file of its kind is named.
    pub fn extension(self) -> &'static str {
        if self.is_in_database() { "db" } else { "jsonl" }
    }
}

/// Texts that were answered, and standard error.
#[derive(Clone)]
pub struct Transcript {
    answers: Arc<Mutex<String>>,
    /// Standard error of every guest.
    pub stderr: MemoryOutputPipe,
}

impl Transcript {
    /// Nothing so far.
    pub fn new() -> Transcript {
        Transcript { answers: Arc::default(), stderr: MemoryOutputPipe::new(1 << 26) }
    }

    /// Notes an answer.
    pub fn note(&self, answer: &dyn std::fmt::Debug) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push_str(&format!("{answer:?}\n"));
    }

    /// Everything.
    pub fn bytes(&self) -> Vec<u8> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        [answers.as_bytes(), &self.stderr.contents()].concat()
    }
}

impl Stacks {
    /// Compiles the stacks and writes the keys.
    pub fn load(files: [&Path; 7]) -> Result<Stacks> {
        let [file, sqlite, postgres, hostile_memory, hostile_file, hostile_sqlite, hostile_postgres] = files;
        let load = |path: &Path| Stack::load(path).with_context(|| format!("{} cannot be used", path.display()));
        let folder = tempfile::tempdir()?;
        let keys = KeyFolder::of_the_testkit(&folder.path().join("keys"))?;
        Ok(Stacks {
            file: load(file)?,
            sqlite: load(sqlite)?,
            postgres: load(postgres)?,
            hostile_memory: load(hostile_memory)?,
            hostile_file: load(hostile_file)?,
            hostile_sqlite: load(hostile_sqlite)?,
            hostile_postgres: load(hostile_postgres)?,
            folder,
            database: OnceLock::new(),
            number: AtomicU64::new(0),
            keys,
            transcript: Transcript::new(),
        })
    }

    /// The folder in which logs in files lie.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// Whether there is such a place here.
    pub fn can_keep(&self, kept: Kept) -> bool {
        !kept.is_in_postgres() || self.database().is_some()
    }

    /// The database on the server, where there is one.
    pub fn database(&self) -> Option<&Edited> {
        self.database.get_or_init(Edited::new).as_ref()
    }

    /// A log that is not there yet, with the keys and options of the sample log.
    pub fn fresh(&self, kept: Kept) -> Composed<'_> {
        self.fresh_with(kept, |surroundings| surroundings)
    }

    /// The same with other keys or options.
    pub fn fresh_with(&self, kept: Kept, adjust: impl FnOnce(Surroundings) -> Surroundings) -> Composed<'_> {
        let name = format!("{}.{}", self.number.fetch_add(1, Ordering::Relaxed), kept.extension());
        self.at_with(kept, &self.folder(), &name, adjust)
    }

    /// A log at this place, whatever is there.
    pub fn at(&self, kept: Kept, folder: &Path, name: &str) -> Composed<'_> {
        self.at_with(kept, folder, name, |surroundings| surroundings)
    }

    fn at_with(
        &self,
        kept: Kept,
        folder: &Path,
        name: &str,
        adjust: impl FnOnce(Surroundings) -> Surroundings,
    ) -> Composed<'_> {
        std::fs::create_dir_all(folder).expect("the folder of the logs can be made");
        let surroundings = Surroundings::default()
            .folder(folder, ".")
            .variable("SECURE_LOG_ORIGIN", ORIGIN)
            .variable("SECURE_LOG_MAC_LABEL", MAC_LABEL)
            .stderr(self.transcript.stderr.clone());
        let surroundings = if kept.is_in_postgres() { surroundings.network() } else { surroundings };
        let surroundings = adjust(self.keys.give_to(surroundings));
        let stack = match kept {
            Kept::InMemory => &self.hostile_memory,
            Kept::InFile => &self.hostile_file,
            Kept::AsReleased => &self.file,
            Kept::InMemoryOfSqlite | Kept::InDatabase => &self.hostile_sqlite,
            Kept::InDatabaseAsReleased => &self.sqlite,
            Kept::InPostgres => &self.hostile_postgres,
            Kept::InPostgresAsReleased => &self.postgres,
        };
        let (config, place) = if kept.is_in_memory() {
            (":memory:".into(), Place::Memory)
        } else if kept.is_in_postgres() {
            let tables = self.database().expect("who asks for it knows that there is one");
            let url = server().expect("there is a database on it").url(&tables.database);
            (format!("{url}&log={name}"), Place::Tables { tables, log: name.into() })
        } else {
            (name.into(), Place::File(folder.join(name)))
        };
        Composed::new(stack, kept, config, place, surroundings, self.transcript.clone())
    }
}
