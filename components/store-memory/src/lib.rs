//! A store component that keeps a log in memory, for as long as its instance lives.

use secure_log::memory::MemoryStore;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_guest::StoreProvider;

struct Memory;

impl StoreProvider for Memory {
    /// Any `config` names a log of its own.
    fn open(_config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        Ok(Box::new(MemoryStore::new()))
    }

    /// What was written stays: it is kept nowhere else.
    fn reopen(earlier: Box<dyn SecureLogStore>, _config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        Ok(earlier)
    }
}

secure_log_guest::export_store!(Memory);
