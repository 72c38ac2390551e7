//! The stacks under attack, where their logs lie, and what they said.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secure_log_testkit::attacks::{MAC_LABEL, ORIGIN};
use secure_log_verify::host::{MemoryOutputPipe, Stack, Surroundings};
use tempfile::TempDir;
use wasmtime::Result;
use wasmtime::error::Context;

use crate::composed::Composed;
use crate::keys::KeyFolder;

/// Everything that checks share.
pub struct Stacks {
    file: Stack,
    sqlite: Stack,
    hostile_memory: Stack,
    hostile_file: Stack,
    hostile_sqlite: Stack,
    folder: TempDir,
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
}

impl Kept {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kept::InMemory => "memory",
            Kept::InFile | Kept::AsReleased => "file",
            Kept::InMemoryOfSqlite => "database in memory",
            Kept::InDatabase | Kept::InDatabaseAsReleased => "database",
        }
    }

    /// Whether it is gone with its instance.
    pub fn is_in_memory(self) -> bool {
        matches!(self, Kept::InMemory | Kept::InMemoryOfSqlite)
    }

    /// Whether it is in a database file, whose tables the host edits.
    pub fn is_in_database(self) -> bool {
        matches!(self, Kept::InDatabase | Kept::InDatabaseAsReleased)
    }

    /// Whether nothing stands between the log and its store.
    pub fn is_as_released(self) -> bool {
        matches!(self, Kept::AsReleased | Kept::InDatabaseAsReleased)
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
    pub fn load([file, sqlite, hostile_memory, hostile_file, hostile_sqlite]: [&Path; 5]) -> Result<Stacks> {
        let load = |path: &Path| Stack::load(path).with_context(|| format!("{} cannot be used", path.display()));
        let folder = tempfile::tempdir()?;
        let keys = KeyFolder::of_the_testkit(&folder.path().join("keys"))?;
        Ok(Stacks {
            file: load(file)?,
            sqlite: load(sqlite)?,
            hostile_memory: load(hostile_memory)?,
            hostile_file: load(hostile_file)?,
            hostile_sqlite: load(hostile_sqlite)?,
            folder,
            number: AtomicU64::new(0),
            keys,
            transcript: Transcript::new(),
        })
    }

    /// The folder in which logs in files lie.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("logs")
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
        let surroundings = adjust(self.keys.give_to(surroundings));
        let stack = match kept {
            Kept::InMemory => &self.hostile_memory,
            Kept::InFile => &self.hostile_file,
            Kept::AsReleased => &self.file,
            Kept::InMemoryOfSqlite | Kept::InDatabase => &self.hostile_sqlite,
            Kept::InDatabaseAsReleased => &self.sqlite,
        };
        let config = if kept.is_in_memory() { ":memory:" } else { name };
        let file = (!kept.is_in_memory()).then(|| folder.join(name));
        Composed::new(stack, kept, config.into(), file, surroundings, self.transcript.clone())
    }
}
