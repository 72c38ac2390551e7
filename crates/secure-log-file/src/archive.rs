//! The archive of a log as a file, whatever keeps the log.

use core::fmt;
use std::io;
use std::path::Path;

use secure_log::SecureLog;
use secure_log::archive::Archived;
use secure_log::error::LogError;
use secure_log::export::{ExportOptions, Format};
use secure_log::store::SecureLogStore;
use secure_log_disk::{Disk, Mode, WholeFile, folder_of, read_all};

/// Why there is no archive. The log may be closed already; called again, it goes on from there.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The log could not be closed or read, or what is in it does not verify.
    Log(LogError),
    /// There is a file of this name, and it is no archive of this log.
    Exists,
    /// The file could not be written, or not read back.
    Output(io::Error),
}

impl From<LogError> for ArchiveError {
    fn from(error: LogError) -> ArchiveError {
        ArchiveError::Log(error)
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> ArchiveError {
        if error.kind() == io::ErrorKind::AlreadyExists { ArchiveError::Exists } else { ArchiveError::Output(error) }
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchiveError::Log(error) => error.fmt(f),
            ArchiveError::Exists => f.write_str("there is a file of this name, and it is no archive of this log"),
            ArchiveError::Output(error) => write!(f, "the archive cannot be written: {error}"),
        }
    }
}

impl std::error::Error for ArchiveError {}

/// Closes a log and writes its archive to a new file, which has its name only when all of it is on the disk, was read back from
/// there, and verifies. Where the file is there already and is the whole archive of this log, as after a crash, it is answered as
/// if it had been written now.
///
/// ```
/// use secure_log::engine::{LogOptions, NewEntry, Providers, SecureLog};
/// use secure_log::entry::Severity;
/// use secure_log_file::disk::OsDisk;
/// use secure_log_file::{FileStore, write_archive};
/// use secure_log_keystore::{Config, SoftwareKeystore};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = |name| folder.path().join(name);
/// let keys = || -> Result<Providers, Box<dyn std::error::Error>> {
///     let config = Config::from_env(|name| match name {
///         "SECURE_LOG_KEYSTORE_SEED" => Ok("5e".repeat(32)), // openssl rand -hex 32
///         other => std::env::var(other),
///     })?;
///     Ok(Providers::system(SoftwareKeystore::new(config)))
/// };
/// let mut log = SecureLog::open(FileStore::open(path("log-1.jsonl"))?, keys()?, LogOptions::default())?;
/// log.append(&NewEntry {
///     stream: "door",
///     event: "opened",
///     severity: Severity::Info,
///     producer: "sensor",
///     encoding: "text",
///     payload: b"front",
/// })?;
/// let archived = write_archive(&OsDisk, &path("archive-1.jsonl"), &mut log).unwrap();
/// assert_eq!(std::fs::metadata(path("archive-1.jsonl"))?.len(), archived.bytes);
///
/// let continues = LogOptions { continues: Some(archived.note), ..LogOptions::default() };
/// let next = SecureLog::open(FileStore::open(path("log-2.jsonl"))?, keys()?, continues)?;
/// assert_eq!(next.size(), 1, "the entry that says what it continues");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_archive<D: Disk, S: SecureLogStore>(
    disk: &D,
    path: &Path,
    log: &mut SecureLog<S>,
) -> Result<Archived, ArchiveError> {
    if disk.exists(path)? {
        if !log.is_closed()? {
            // It cannot be its archive, and nothing is closed for a file that is in the way.
            return Err(ArchiveError::Exists);
        }
        let mut check = log.check_archive()?;
        read_all(&disk.open(path, Mode::Read)?, |bytes| check.push(bytes))?;
        let archived = check.finish().map_err(|_| ArchiveError::Exists)?;
        // Who wrote it may have been kept from making its name durable.
        disk.sync_folder(&folder_of(path))?;
        return Ok(archived);
    }
    // Where no file can be made, nothing is closed either.
    let mut file = WholeFile::begin(disk, path)?;
    let mut check = match log.check_archive() {
        Ok(check) => check,
        Err(error) => {
            file.abandon();
            return Err(error.into());
        }
    };
    let written = write_lines(&mut file, log).and_then(|()| {
        file.read_back(|bytes| check.push(bytes))?;
        Ok(check.finish()?)
    });
    match written {
        Ok(archived) => {
            file.keep()?;
            Ok(archived)
        }
        Err(error) => {
            file.abandon();
            Err(error)
        }
    }
}

fn write_lines<D: Disk, S: SecureLogStore>(
    file: &mut WholeFile<'_, D>,
    log: &mut SecureLog<S>,
) -> Result<(), ArchiveError> {
    let mut export = log.export(&ExportOptions::new(Format::JsonLines))?;
    while let Some(page) = export.next_page(log)? {
        file.append(&page)?;
    }
    Ok(())
}
