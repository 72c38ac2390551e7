//! The exported interface `import`: convert, forward, convert back.

use std::cell::RefCell;

use secure_log::error::LogError;
use secure_log::import::{Import, ImportError, ImportOptions};
use secure_log::limits::{Invalid, Problem};
use secure_log_guest::ImportedStore;

use crate::bindings::exports::secure_log::log::import;
use crate::bindings::exports::secure_log::log::types;
use crate::bindings::exports::secure_log::log::writer::Report;
use crate::convert;
use crate::evidence;
use crate::exports::{Component, is_open};

/// An import; `None` once it was finished.
pub(crate) struct Importing(RefCell<Option<(Import, ImportedStore)>>);

impl import::Guest for Component {
    type Importing = Importing;

    fn begin(config: String, options: import::ImportOptions) -> Result<import::Importing, import::ImportError> {
        if is_open() {
            return Err(import::ImportError::Log(types::LogError::AlreadyOpen));
        }
        if config.is_empty() {
            return Err(refused(Invalid { field: "config", problem: Problem::Empty }.into()));
        }
        let trust = evidence::trust(&options.policy, options.mac_keys).map_err(import::ImportError::Argument)?;
        let mut store = ImportedStore::open(&config).map_err(|error| refused(error.into()))?;
        let options = ImportOptions { trust, incomplete: options.incomplete };
        let begun = Import::begin(&mut store, options).map_err(error)?;
        Ok(import::Importing::new(Importing(RefCell::new(Some((begun, store))))))
    }
}

impl import::GuestImporting for Importing {
    fn push(&self, bytes: Vec<u8>) -> Result<bool, import::ImportError> {
        match &mut *self.0.borrow_mut() {
            Some((import, store)) => import.push(store, &bytes).map_err(error),
            None => Ok(false),
        }
    }

    fn finish(&self) -> Result<Report, import::ImportError> {
        let Some((import, mut store)) = self.0.borrow_mut().take() else {
            return Err(import::ImportError::Log(types::LogError::NotOpen));
        };
        let report = import.finish(&mut store).map_err(error);
        store.close();
        report.map(convert::report)
    }
}

impl Drop for Importing {
    fn drop(&mut self) {
        if let Some((import, mut store)) = self.0.take() {
            import.abandon(&mut store);
            store.close();
        }
    }
}

fn refused(error: LogError) -> import::ImportError {
    import::ImportError::Log(convert::error(error))
}

fn error(error: ImportError) -> import::ImportError {
    match error {
        ImportError::Trust(error) => import::ImportError::Argument(evidence::unusable_trust(&error)),
        ImportError::NotEmpty(size) => import::ImportError::NotEmpty(size),
        ImportError::Refused(report) => import::ImportError::Refused(convert::report(*report)),
        ImportError::Store(error) => refused(error.into()),
        // Bytes are handed over, and a later case says at least what went wrong.
        other => import::ImportError::Log(types::LogError::Storage(other.to_string())),
    }
}
