//! Logs in a database that the stack's store reaches by itself, all of them by one connection string.

use std::cell::RefCell;

use wasmtime::Result;
use wasmtime::error::Context;

use crate::keys::random;

/// The database of the log under test, which has logs of this run beside it.
pub struct Database {
    /// What stands before and behind the name of the log.
    around: (String, String),
    /// Begins the names of the logs of this run.
    run: String,
    /// Names whose logs are not used any more, as often as there were such.
    cleared: RefCell<Vec<String>>,
}

impl Database {
    /// Whether a config is a connection string.
    pub fn is_named_by(config: &str) -> bool {
        ["postgresql://", "postgres://"].iter().any(|scheme| config.starts_with(scheme))
    }

    /// That of this connection string.
    pub fn of(config: &str) -> Result<Database> {
        let named =
            ["?log=", "&log="].iter().find_map(|key| config.split_once(key).map(|(before, rest)| (before, key, rest)));
        let (before, key, rest) = named.context("the connection string names no log: it has no parameter 'log'")?;
        let (log, after) = rest.split_at(rest.find('&').unwrap_or(rest.len()));
        Ok(Database {
            around: (format!("{before}{key}"), after.into()),
            run: format!("{log}-{}", const_hex::encode(random::<4>())),
            cleared: RefCell::default(),
        })
    }

    /// The connection string of the log of this run that has this name.
    pub fn config(&self, name: &str) -> String {
        let before = self.cleared.borrow().iter().filter(|cleared| *cleared == name).count();
        let (start, end) = &self.around;
        format!("{start}{}-{name}-{before}{end}", self.run)
    }

    /// From now on another log has this name, which is not there yet.
    pub fn clear(&self, name: &str) {
        self.cleared.borrow_mut().push(name.into());
    }
}

/// A config as it is shown: a connection string without its password.
pub fn shown(config: &str) -> String {
    let hidden = || {
        let (scheme, rest) = config.split_once("://")?;
        let (login, place) = rest.split_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}@{place}"))
    };
    hidden().unwrap_or_else(|| config.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_beside_one_are_named_in_the_same_connection_string() {
        let database = Database::of("postgresql://me:pw@host/db?log=a&sslmode=disable").unwrap();
        let first = database.config("other");
        assert!(first.starts_with("postgresql://me:pw@host/db?log=a-") && first.ends_with("-other-0&sslmode=disable"));
        assert_eq!(database.config("other"), first);
        database.clear("other");
        assert_ne!(database.config("other"), first);
        assert!(Database::of("postgresql://host/db?sslmode=disable").is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("postgresql://me:pw@host/db?log=a"), "postgresql://me@host/db?log=a");
        assert_eq!(shown("postgresql://me@host/db?log=a"), "postgresql://me@host/db?log=a");
        assert_eq!(shown("folder/audit:1.jsonl"), "folder/audit:1.jsonl");
    }
}
