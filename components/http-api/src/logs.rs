//! The logs in the imported store.

use std::sync::Arc;

use secure_log::engine::{Absent, Providers};
use secure_log::error::LogError;
use secure_log_guest::{ImportedAnchor, ImportedKeystore, ImportedStore};
use secure_log_http::config::LogSettings;
use secure_log_http::place::Place;
use secure_log_http::{Catalogue, LogId, Metrics, ServedLog, ServedStore};

/// A store opens what it is told, and cannot say what else there is.
pub(crate) struct Logs {
    place: Place,
    settings: LogSettings,
}

impl Logs {
    pub(crate) fn new(place: Place, settings: LogSettings) -> Logs {
        Logs { place, settings }
    }
}

impl Catalogue for Logs {
    fn opened(&self, id: &LogId, absent: Absent) -> Result<ServedLog, LogError> {
        let store = ImportedStore::open(&self.place.config_of(id))?;
        // What is counted is gone with the instance.
        let store = ServedStore::new(Box::new(store), Arc::<Metrics>::default());
        let providers = Providers { anchor: Box::new(ImportedAnchor), ..Providers::system(ImportedKeystore) };
        ServedLog::open(store, providers, self.settings.options(id, absent))
    }

    fn list(&self, _: Option<&LogId>, _: u32) -> Result<Option<Vec<LogId>>, LogError> {
        Ok(None)
    }
}
