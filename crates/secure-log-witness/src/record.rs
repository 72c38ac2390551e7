//! What a witness remembers: the last head of each log that it cosigned, in files, without a lock.
//!
//! Each log has a folder, named by the SHA-256 of its origin, and each record in it is a file, named by its number. A
//! record is written under a name of its own, synced, and then given the next number by a second name ([`Disk::link`]): the
//! one operation that succeeds for one of several writers, wherever they run, and that a writer which stood still
//! meanwhile cannot undo. A file with a number never changes. docs/decisions/0045 has the reasons.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secure_log::hash::Hash;
use secure_log::note::Note;
use secure_log_disk::{Disk, DiskFile, Mode, read_full, remove_if_there};

use crate::head::Head;
use crate::request::MAX_REQUEST_BYTES;

/// So many records of a log are kept. A writer that stood still while that many were made finds the number free that it
/// meant to give, and sees that it is not the last one.
const KEPT: u64 = 8;
/// So many files that writers left behind when they were killed are tolerated, since one may be in use.
const TOLERATED: usize = 64;
/// How often a record is looked for that others replace meanwhile.
const LOOKS: u32 = 16;
const DIGITS: usize = 20;
const FIRST_LINE: &str = "secure-log witness 1 ";
/// A record is a note that came in a request, after a line of its own.
const MAX_RECORD_BYTES: usize = MAX_REQUEST_BYTES + 128;

/// The records of all logs, in a folder that exists.
#[derive(Clone, Debug)]
pub struct Records<D> {
    disk: D,
    folder: PathBuf,
}

/// The last head of a log that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    number: u64,
    /// What it says.
    pub head: Head,
    /// The head, with the log's signatures.
    pub note: Note,
}

impl<D: Disk> Records<D> {
    /// The records in `folder`.
    pub fn new(disk: D, folder: impl Into<PathBuf>) -> Records<D> {
        Records { disk, folder: folder.into() }
    }

    /// Whether the folder is there.
    pub fn check(&self) -> Result<(), RecordError> {
        self.disk.names(&self.folder).map(drop).map_err(|error| RecordError::io("look into the folder", &error))
    }

    /// The last record of a log. It may not be durable yet: see [`Records::make_durable`].
    pub fn latest(&self, origin: &str) -> Result<Option<Record>, RecordError> {
        for _ in 0..LOOKS {
            let Some(number) = self.last_number(origin)? else { return Ok(None) };
            match self.disk.open(&self.path(origin, &name(number)), Mode::Read) {
                // Others made so many meanwhile that this one is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RecordError::io("open a record", &error)),
                Ok(file) => return read(&file, number, origin).map(Some),
            }
        }
        Err(RecordError::Busy)
    }

    /// Makes durable what [`Records::latest`] answered, which another writer may have been about to. Nothing is cosigned
    /// before.
    pub fn make_durable(&self, origin: &str) -> Result<(), RecordError> {
        self.disk.sync_folder(&self.log_folder(origin)).map_err(|error| RecordError::io("sync the folder", &error))
    }

    /// Records a head after `last`, durably. `false`: somebody else recorded one meanwhile, and this one was not.
    pub fn append(&self, origin: &str, last: Option<&Record>, note: &Note) -> Result<bool, RecordError> {
        if last.is_none() {
            let made = self.disk.create_folder(&self.log_folder(origin));
            made.and_then(|()| self.disk.sync_folder(&self.folder))
                .map_err(|error| RecordError::io("make the log's folder", &error))?;
        }
        let number = last.map_or(0, |record| record.number) + 1;
        let draft = self.path(origin, &draft_name()?);
        let appended = self.write_draft(&draft, note).and_then(|()| self.give_number(origin, &draft, number));
        // What stays behind is removed by a later call.
        let _ = remove_if_there(&self.disk, &draft);
        let appended = appended?;
        if appended {
            self.tidy(origin, number);
        }
        Ok(appended)
    }

    fn write_draft(&self, draft: &Path, note: &Note) -> Result<(), RecordError> {
        let note = note.to_string();
        let text = format!("{FIRST_LINE}{}\n{note}", Hash::sha256(note.as_bytes()));
        let written = self.disk.open(draft, Mode::CreateNew).and_then(|file| {
            file.write_at(text.as_bytes(), 0)?;
            file.sync_data()
        });
        written.map_err(|error| RecordError::io("write a record", &error))
    }

    fn give_number(&self, origin: &str, draft: &Path, number: u64) -> Result<bool, RecordError> {
        match self.disk.link(draft, &self.path(origin, &name(number))) {
            // Somebody else has it, or took the draft for one that a killed writer left behind.
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                return Ok(false);
            }
            linked => linked.map_err(|error| RecordError::io("number a record", &error))?,
        }
        self.make_durable(origin)?;
        // The number was free also if it had been given, and the record with it was removed, since `last` was read.
        Ok(self.last_number(origin)? == Some(number))
    }

    /// Removes what no one needs any more. It is no failure of the call when that fails: the next one does it.
    fn tidy(&self, origin: &str, last: u64) {
        let names = self.disk.names(&self.log_folder(origin)).unwrap_or_default();
        let (numbered, drafts): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| number_of(name).is_some());
        let old = numbered.into_iter().filter(|name| number_of(name).is_some_and(|number| number + KEPT <= last));
        let left_behind = if drafts.len() > TOLERATED { drafts } else { Vec::new() };
        for name in old.chain(left_behind) {
            let _ = remove_if_there(&self.disk, &self.path(origin, &name));
        }
    }

    fn last_number(&self, origin: &str) -> Result<Option<u64>, RecordError> {
        match self.disk.names(&self.log_folder(origin)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RecordError::io("list the records", &error)),
            Ok(names) => Ok(names.iter().filter_map(|name| number_of(name)).max()),
        }
    }

    fn log_folder(&self, origin: &str) -> PathBuf {
        self.folder.join(Hash::sha256(origin.as_bytes()).to_hex())
    }

    fn path(&self, origin: &str, name: &str) -> PathBuf {
        self.log_folder(origin).join(name)
    }
}

fn read(file: &impl DiskFile, number: u64, origin: &str) -> Result<Record, RecordError> {
    let damaged = || RecordError::Damaged { origin: origin.into(), number };
    let mut text = vec![0; MAX_RECORD_BYTES];
    let length = read_full(file, &mut text, 0).map_err(|error| RecordError::io("read a record", &error))?;
    let text = core::str::from_utf8(&text[..length]).map_err(|_| damaged())?;
    let (hash, note) = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.split_once('\n')).ok_or_else(damaged)?;
    if Hash::from_hex(hash) != Some(Hash::sha256(note.as_bytes())) {
        return Err(damaged());
    }
    let note = Note::parse(note).map_err(|_| damaged())?;
    let head = Head::parse(&note.text).map_err(|_| damaged())?;
    if head.origin == origin { Ok(Record { number, head, note }) } else { Err(damaged()) }
}

fn name(number: u64) -> String {
    format!("{number:0DIGITS$}")
}

fn number_of(name: &str) -> Option<u64> {
    if name.len() == DIGITS && name.bytes().all(|b| b.is_ascii_digit()) { name.parse().ok() } else { None }
}

fn draft_name() -> Result<String, RecordError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|error| RecordError::Io { operation: "name a record", detail: error.to_string() })?;
    Ok(format!("new-{}", const_hex::encode(nonce)))
}

/// Why records cannot be read or made. Nothing is cosigned then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The last record of a log is not as it was written. An operator has to find out why: an earlier one is no
    /// replacement, as the witness may have cosigned since.
    Damaged {
        /// The log.
        origin: String,
        /// Of the file, which is its name.
        number: u64,
    },
    /// Others record so much that the last one could not be read.
    Busy,
    /// The files cannot be used.
    Io {
        /// What could not be done.
        operation: &'static str,
        /// And why.
        detail: String,
    },
}

impl RecordError {
    fn io(operation: &'static str, error: &io::Error) -> RecordError {
        RecordError::Io { operation, detail: error.to_string() }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Damaged { origin, number } => write!(f, "record {number} of the log {origin} is damaged"),
            RecordError::Busy => f.write_str("the records change faster than they can be read"),
            RecordError::Io { operation, detail } => write!(f, "the witness cannot {operation}: {detail}"),
        }
    }
}

impl std::error::Error for RecordError {}
