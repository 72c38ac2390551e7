//! Where the logs of a service lie, as `SECURE_LOG_HTTP_STORE` says: the same place for whichever host serves them.

use core::fmt;
use core::str::FromStr;
use std::path::{Path, PathBuf};

use crate::log_id::LogId;

/// What is read as a [`Place`].
pub const PLACES: &str = "file:FOLDER, sqlite:FOLDER or the URL of a PostgreSQL database";

/// Where logs lie. It is printed without what may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// Each is a file in a folder.
    Folder(Folder),
    /// All are in the tables of a PostgreSQL database, of which this is the URL.
    Database(String),
}

/// A folder with a file for each log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// What the files are.
    pub kind: Kind,
    /// The folder.
    pub path: PathBuf,
}

/// What a log's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON lines.
    File,
    /// An SQLite database.
    Sqlite,
}

impl Place {
    /// What a store component opens for the log of this name: the log that a native server has under this name, too.
    pub fn config_of(&self, id: &LogId) -> String {
        match self {
            Place::Folder(folder) => folder.file(id).to_string_lossy().into_owned(),
            Place::Database(url) => {
                let behind = if url.contains('?') { '&' } else { '?' };
                format!("{url}{behind}log={id}")
            }
        }
    }
}

/// Reads what [`PLACES`] says. Whether it is there is not looked at.
impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Place, &'static str> {
        if text.starts_with("postgresql:") || text.starts_with("postgres:") {
            let names_log = |part: &str| part.starts_with("log=");
            return match text.split(['?', '&']).skip(1).any(names_log) {
                true => Err("it names a log, and is where all of them are"),
                false => Ok(Place::Database(text.into())),
            };
        }
        let (kind, path) = text.split_once(':').filter(|(_, path)| !path.is_empty()).ok_or(PLACES)?;
        let (kind, ..) = Kind::NAMES.into_iter().find(|(_, name, _)| *name == kind).ok_or(PLACES)?;
        Ok(Place::Folder(Folder { kind, path: path.into() }))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(folder) => write!(f, "{folder}"),
            Place::Database(_) => f.write_str("postgresql:.."),
        }
    }
}

impl Kind {
    const NAMES: [(Kind, &'static str, &'static str); 2] =
        [(Kind::File, "file", "jsonl"), (Kind::Sqlite, "sqlite", "db")];

    fn name(self) -> &'static str {
        Kind::NAMES[self as usize].1
    }

    /// What the name of a log's file ends with. Names of logs have no dot, so that what a store keeps beside it is no log.
    fn extension(self) -> &'static str {
        Kind::NAMES[self as usize].2
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.path.display())
    }
}

impl Folder {
    /// The file of a log.
    pub fn file(&self, id: &LogId) -> PathBuf {
        self.path.join(format!("{id}.{}", self.kind.extension()))
    }

    /// The log whose file has this name, if it is one.
    pub fn log_of(&self, name: &Path) -> Option<LogId> {
        let (id, end) = name.to_str()?.rsplit_once('.')?;
        (end == self.kind.extension()).then(|| id.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_lies_where_every_host_looks_for_it() {
        let config = |place: &str| place.parse::<Place>().unwrap().config_of(&"app".parse().unwrap());
        assert_eq!(config("sqlite:/data/logs"), "/data/logs/app.db");
        assert_eq!(config("file:logs"), "logs/app.jsonl");
        assert_eq!(config("postgresql://db1,db2/audit"), "postgresql://db1,db2/audit?log=app");
        assert_eq!(config("postgres://db/audit?pool=3"), "postgres://db/audit?pool=3&log=app");
        for bad in ["", "file", "file:", "paper:/tmp", "postgresql://db/audit?pool=3&log=app"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let place: Place = "postgresql://audit:secret@db/audit".parse().unwrap();
        assert!(!format!("{place:?}").contains("secret"));
    }
}
