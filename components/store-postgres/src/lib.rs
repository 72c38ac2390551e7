//! A store component that keeps a log in a PostgreSQL database: `config` is a connection string that names the log, as
//! `postgresql://audit@db1,db2/audit?log=orders` (docs/postgres.md). It reaches the server through the sockets of its host.

use secure_log::store::{SecureLogStore, StoreError};
use secure_log_guest::StoreProvider;
use secure_log_postgres::Postgres;

struct Provider;

impl StoreProvider for Provider {
    fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        Ok(Box::new(Postgres::connect(config)?.named_store()?))
    }
}

secure_log_guest::export_store!(Provider);
