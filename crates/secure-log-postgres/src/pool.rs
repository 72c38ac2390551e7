//! Connections that many logs share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secure_log::store::StoreError;
use tokio_postgres::config::SslMode;

use crate::connection::Connection;
use crate::failure::Failed;
use crate::settings::Settings;
use crate::store::PostgresStore;
use crate::tls::Tls;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// A database, and the connections to it. A clone shares them.
///
/// Its calls block: call them from a thread that may, never from within a task of an asynchronous runtime.
#[derive(Clone)]
pub struct Postgres {
    pub(crate) pool: Arc<Pool>,
}

impl core::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.pool.settings.fmt(f)
    }
}

/// Who is logged in, where: without a password.
impl core::fmt::Display for Postgres {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.pool.settings.fmt_place(f)
    }
}

impl Postgres {
    /// Gets ready for the database that a connection string names (docs/postgres.md), and looks whether it is there. Writes
    /// nothing, unless its tables are those of an earlier version.
    pub fn connect(config: &str) -> Result<Postgres, StoreError> {
        let postgres = Postgres::over(Settings::parse(config)?)?;
        // Without patience: whoever begins wants to know whether the string is right.
        match postgres.pool.take().and_then(|mut taken| crate::migrate::check(taken.connection())) {
            Ok(_) => Ok(postgres),
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Lost(detail) | Failed::Again(detail)) => {
                Err(StoreError::Io { operation: "connect to the database".into(), detail })
            }
        }
    }

    fn over(settings: Settings) -> Result<Postgres, StoreError> {
        let tls = match settings.config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(Tls::new(&settings)?),
        };
        let pool = Pool { settings, tls, shelf: Mutex::default(), returned: Condvar::new(), ready: Mutex::new(false) };
        Ok(Postgres { pool: Arc::new(pool) })
    }

    /// The log of this name, which is made by the first commit where there is none.
    pub fn store(&self, log: &str) -> PostgresStore {
        PostgresStore::new(self.clone(), log)
    }

    /// The log that the connection string names as `log`.
    pub fn named_store(&self) -> Result<PostgresStore, StoreError> {
        let missing = || StoreError::Config("the connection string names no log: say log=..".into());
        self.pool.settings.log.as_deref().map(|log| self.store(log)).ok_or_else(missing)
    }

    /// Names of logs behind `after` (or all), ascending, at most `limit`.
    pub fn logs(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.store("-").names(after, limit)
    }
}

/// The connections of a database.
pub(crate) struct Pool {
    pub(crate) settings: Settings,
    tls: Option<Tls>,
    shelf: Mutex<Shelf>,
    returned: Condvar,
    /// Whether the tables are there. Locked while they are made.
    pub(crate) ready: Mutex<bool>,
}

#[derive(Default)]
struct Shelf {
    idle: Vec<Connection>,
    /// Those that are idle and those that are in use.
    open: usize,
}

impl Pool {
    /// A connection that nobody else uses, new or not. Waits while all are in use.
    pub(crate) fn take(self: &Arc<Pool>) -> Result<Taken, Failed> {
        let deadline = Instant::now() + self.settings.patience;
        let mut shelf = self.shelf();
        loop {
            while let Some(connection) = shelf.idle.pop() {
                if !connection.is_closed() {
                    return Ok(Taken { pool: self.clone(), connection: Some(connection) });
                }
                shelf.open -= 1;
            }
            if shelf.open < self.settings.pool {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let detail = format!("all {} connections of the pool are in use", self.settings.pool);
                return Err(StoreError::Locked { detail }.into());
            }
            shelf = self.returned.wait_timeout(shelf, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        shelf.open += 1;
        drop(shelf);
        // Gives its place back where it is dropped without a connection.
        let mut taken = Taken { pool: self.clone(), connection: None };
        taken.connection = Some(Connection::open(&self.settings, self.tls.as_ref())?);
        Ok(taken)
    }

    /// Closes what is idle: where one connection was lost the others are, too.
    pub(crate) fn close_idle(&self) {
        let mut shelf = self.shelf();
        let idle = core::mem::take(&mut shelf.idle);
        shelf.open -= idle.len();
        drop(shelf);
        self.returned.notify_all();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that goes back to its pool, unless it is lost.
pub(crate) struct Taken {
    pool: Arc<Pool>,
    connection: Option<Connection>,
}

impl Taken {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until it is lost")
    }

    /// Closes it.
    pub(crate) fn lose(mut self) {
        self.connection = None;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut shelf = self.pool.shelf();
        match self.connection.take() {
            // A panic may have left a transaction open, and so has whoever did not use its turn.
            Some(connection) if !std::thread::panicking() && !connection.has_turn => shelf.idle.push(connection),
            _ => shelf.open -= 1,
        }
        drop(shelf);
        self.pool.returned.notify_one();
    }
}

/// Waits before try number `tries`, longer each time and never in step with others.
pub(crate) fn pause(tries: u32) {
    let longest = LONGEST_PAUSE.min(SHORTEST_PAUSE * 2u32.saturating_pow(tries.min(16)));
    let mut random = [0; 4];
    // Without randomness all wait equally long, which is no error.
    let _ = getrandom::fill(&mut random);
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    std::thread::sleep(longest / 2 + longest.mul_f64(share / 2.0));
}
