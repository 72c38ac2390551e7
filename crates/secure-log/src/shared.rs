//! A log shared by threads: durable appends made at the same time are committed together.

mod subscription;
mod turns;
mod verifying;

use std::sync::{Arc, MutexGuard};

use crate::engine::{Appended, Batch, CommitInfo, LogOptions, NewEntry, Providers, SecureLog};
use crate::error::LogError;
use crate::shared::turns::Inner;
use crate::store::SecureLogStore;

pub use crate::shared::subscription::{Deliveries, Subscription};
pub use crate::shared::turns::{Threads, Work};

/// What became of a batch: its entries, and the commit that holds them.
pub type Outcome = Result<(Vec<Appended>, CommitInfo), LogError>;

/// A log that threads share. Clones are handles to the same log.
///
/// While one commit is made durable, appends from other threads gather; the next commit writes all of them with one
/// write, one sync and one signature. Each caller returns after its own entries are durable. There is no thread of the
/// library's own and no asynchronous runtime: the thread that comes first commits for those that came meanwhile. A program with
/// such a runtime need not hold a thread for each append: [`SharedLog::append_batch_then`].
pub struct SharedLog<S> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for SharedLog<S> {
    fn clone(&self) -> SharedLog<S> {
        SharedLog { inner: Arc::clone(&self.inner) }
    }
}

impl<S: SecureLogStore> SharedLog<S> {
    /// Shares a log.
    pub fn new(log: SecureLog<S>) -> SharedLog<S> {
        SharedLog { inner: Arc::new(Inner::new(log)) }
    }

    /// Opens the log in a store, or makes a new one: see [`SecureLog::open`].
    pub fn open(store: S, providers: Providers, options: LogOptions) -> Result<SharedLog<S>, LogError> {
        SecureLog::open(store, providers, options).map(SharedLog::new)
    }

    /// The log itself, for everything but appending. Other threads wait while this is held.
    pub fn lock(&self) -> MutexGuard<'_, SecureLog<S>> {
        self.inner.hold()
    }

    /// Appends one entry, durably.
    pub fn append(&self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, durably.
    pub fn append_batch(&self, entries: &[NewEntry<'_>]) -> Outcome {
        self.inner.append(Batch::plain(entries))
    }

    /// Appends all entries or none, durably, and only where no other writer has appended anything since the log had `seen` entries:
    /// see [`SecureLog::append_batch_after`]. Threads that share this handle are no other writers.
    pub fn append_batch_after(&self, seen: u64, entries: &[NewEntry<'_>]) -> Outcome {
        self.inner.append(Batch::after(seen, entries))
    }

    /// Has all entries or none appended, and returns at once. `then` is called when they are durable, or when that failed, by the
    /// thread that committed them: it is to be quick, and must not append to this log and wait for it. The entries are copied.
    ///
    /// Where nobody is committing to the log, a thread is asked of `threads`, which then commits for as long as anybody waits: so
    /// appends that are under way take one thread, however many they are.
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use std::thread;
    ///
    /// use secure_log::engine::{LogOptions, NewEntry};
    /// use secure_log::entry::Severity;
    /// use secure_log::memory::MemoryStore;
    /// use secure_log::shared::{SharedLog, Threads};
    /// use secure_log_testkit::attacks::providers;
    ///
    /// let log = SharedLog::open(MemoryStore::new(), providers(), LogOptions::default())?;
    /// let threads: Threads = Arc::new(|work| drop(thread::spawn(work)));
    /// let (told, outcomes) = mpsc::channel();
    /// for payload in [b"front", b"above"] {
    ///     let event = NewEntry {
    ///         stream: "door",
    ///         event: "opened",
    ///         severity: Severity::Info,
    ///         producer: "sensor",
    ///         encoding: "text",
    ///         payload,
    ///     };
    ///     let told = told.clone();
    ///     log.append_batch_then(&[event], &threads, move |outcome| told.send(outcome).unwrap());
    /// }
    /// for outcome in outcomes.iter().take(2) {
    ///     assert!(outcome?.1.size <= 2);
    /// }
    /// # Ok::<(), secure_log::error::LogError>(())
    /// ```
    pub fn append_batch_then(
        &self,
        entries: &[NewEntry<'_>],
        threads: &Threads,
        then: impl FnOnce(Outcome) + Send + 'static,
    ) where
        S: Send + 'static,
    {
        self.inner.append_then(Batch::plain(entries), threads, then);
    }

    /// Appends one entry with its payload sealed, durably: see [`SecureLog::append_sealed`].
    pub fn append_sealed(&self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_sealed_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, durably, with their payloads sealed.
    pub fn append_sealed_batch(&self, entries: &[NewEntry<'_>]) -> Outcome {
        self.inner.append(Batch::sealed(entries))
    }
}
