//! Where the logs are natively: files, or SQLite databases, in a folder, or a PostgreSQL database.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secure_log::engine::{Absent, Providers};
use secure_log::error::LogError;
use secure_log::providers::{Anchor, CheckpointSigner, KeyError, Keystore, MacKey, NoAnchor, WrappingKey};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_anchor::FileAnchor;
use secure_log_file::FileStore;
use secure_log_http::config::LogSettings;
use secure_log_http::metrics::TimedKeystore;
use secure_log_http::place::{Folder, Kind, Place};
use secure_log_http::{Catalogue, LogId, Metrics, ServedLog, ServedStore};
use secure_log_keystore::SoftwareKeystore;
use secure_log_postgres::Postgres;
use secure_log_sqlite::SqliteStore;

use crate::config::Config;

/// Where the rows of all logs are. It is shown without any secret.
pub trait Backend: fmt::Display + Send + Sync {
    /// Whether there is a log of this name. Who only looks makes nothing.
    fn has(&self, id: &LogId) -> Result<bool, StoreError>;

    /// The store of this log, whether it is there or not.
    fn store(&self, id: &LogId) -> Result<Box<dyn SecureLogStore + Send>, StoreError>;

    /// Names of logs behind this one (or all), ascending, at most so many.
    fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Vec<LogId>, StoreError>;
}

/// The backend that a text names, if it is there, or why it cannot be used. The text may hold a password, which is not repeated.
pub fn backend(text: &str) -> Result<Box<dyn Backend>, String> {
    match text.parse()? {
        Place::Database(url) => match Postgres::connect(&url) {
            Ok(postgres) => Ok(Box::new(Database(postgres))),
            Err(error) => Err(error.to_string()),
        },
        Place::Folder(folder) if folder.path.is_dir() => Ok(Box::new(folder)),
        Place::Folder(_) => Err("there is no such folder".into()),
    }
}

/// A PostgreSQL database, with all logs in its tables.
struct Database(Postgres);

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Backend for Database {
    fn has(&self, id: &LogId) -> Result<bool, StoreError> {
        Ok(self.0.store(id.as_str()).log()?.is_some())
    }

    fn store(&self, id: &LogId) -> Result<Box<dyn SecureLogStore + Send>, StoreError> {
        Ok(Box::new(self.0.store(id.as_str())))
    }

    fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Vec<LogId>, StoreError> {
        let mut ids = Vec::new();
        let mut after = after.map(|after| after.as_str().to_owned());
        // Others may keep logs there whose names are none of ours.
        while ids.len() < limit as usize {
            let names = self.0.logs(after.as_deref(), limit - ids.len() as u32)?;
            let Some(last) = names.last() else { break };
            after = Some(last.clone());
            ids.extend(names.iter().filter_map(|name| name.parse::<LogId>().ok()));
        }
        Ok(ids)
    }
}

impl Backend for Folder {
    fn has(&self, id: &LogId) -> Result<bool, StoreError> {
        self.file(id).try_exists().map_err(|error| failed("look for a log", &error))
    }

    fn store(&self, id: &LogId) -> Result<Box<dyn SecureLogStore + Send>, StoreError> {
        let path = self.file(id);
        Ok(match self.kind {
            Kind::File => Box::new(FileStore::open(path)?),
            Kind::Sqlite => Box::new(SqliteStore::open(path)?),
        })
    }

    fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Vec<LogId>, StoreError> {
        let look = |error| failed("list the logs", &error);
        let mut ids: Vec<LogId> = Vec::new();
        for file in std::fs::read_dir(&self.path).map_err(look)? {
            let id = self.log_of(file.map_err(look)?.file_name().as_ref());
            ids.extend(id.filter(|id| after.is_none_or(|after| id > after)));
        }
        ids.sort();
        ids.truncate(limit as usize);
        Ok(ids)
    }
}

fn failed(operation: &str, error: &std::io::Error) -> StoreError {
    StoreError::Io { operation: operation.into(), detail: error.to_string() }
}

/// The logs of a backend, with the keys and the anchor that the server was told.
pub struct Logs {
    backend: Box<dyn Backend>,
    keystore: SharedKeystore,
    metrics: Arc<Metrics>,
    anchor: Option<PathBuf>,
    settings: LogSettings,
}

impl Logs {
    /// Those that the configuration names.
    pub fn of(config: Config, metrics: Arc<Metrics>) -> Logs {
        Logs {
            backend: config.backend,
            keystore: SharedKeystore(Arc::new(config.keystore)),
            metrics,
            anchor: config.anchor,
            settings: config.common.logs,
        }
    }
}

impl Catalogue for Logs {
    fn opened(&self, id: &LogId, absent: Absent) -> Result<ServedLog, LogError> {
        // Nothing is made where somebody looks.
        if absent == Absent::Refuse && !self.backend.has(id)? {
            return Err(LogError::LogNotFound { origin: None });
        }
        let anchor: Box<dyn Anchor + Send> = match &self.anchor {
            Some(path) => Box::new(FileAnchor::open(path)),
            None => Box::new(NoAnchor),
        };
        let keystore = TimedKeystore::new(self.keystore.clone(), Arc::clone(&self.metrics));
        let options = self.settings.options(id, absent);
        let store = ServedStore::new(self.backend.store(id)?, Arc::clone(&self.metrics));
        ServedLog::open(store, Providers { anchor, ..Providers::system(keystore) }, options)
    }

    fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Option<Vec<LogId>>, LogError> {
        Ok(Some(self.backend.list(after, limit)?))
    }
}

/// One keystore for all logs.
#[derive(Clone)]
struct SharedKeystore(Arc<SoftwareKeystore>);

impl Keystore for SharedKeystore {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        Keystore::signer(&*self.0, label)
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Keystore::mac(&*self.0, label)
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        Keystore::wrapping_key(&*self.0, label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lists_its_logs_and_what_stands_beside_them_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.jsonl", "a.jsonl", "c.db", "a.jsonl.lock", "a.jsonl.torn-7", "A.jsonl", "x.y.jsonl", "jsonl"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let ids = |kind: &str, after: Option<&str>, limit| {
            let place = format!("{kind}:{}", folder.path().display()).parse().unwrap();
            let Place::Folder(place) = place else { panic!("{place:?}") };
            let after = after.map(|id| id.parse().unwrap());
            let found = place.list(after.as_ref(), limit).unwrap();
            found.iter().map(LogId::to_string).collect::<Vec<_>>()
        };
        assert_eq!(ids("file", None, 9), ["a", "b"]);
        assert_eq!(ids("file", None, 1), ["a"]);
        assert_eq!(ids("file", Some("a"), 9), ["b"]);
        assert_eq!(ids("sqlite", None, 9), ["c"]);
        for bad in ["", "file", "file:", "paper:/tmp"] {
            assert!(backend(bad).is_err(), "{bad}");
        }
    }
}
