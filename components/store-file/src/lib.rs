//! A store component that keeps a log in one file of JSON lines: `config` is the file's path under a preopened folder.

use secure_log::store::{SecureLogStore, StoreError};
use secure_log_file::FileStore;
use secure_log_guest::StoreProvider;

struct File;

impl StoreProvider for File {
    fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        Ok(Box::new(FileStore::open(config)?))
    }
}

secure_log_guest::export_store!(File);
