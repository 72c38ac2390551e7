//! A log shared by threads: durable appends made at the same time are committed together.

mod subscription;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::Batch;
use crate::engine::{Appended, CommitInfo, LogOptions, NewEntry, Providers, SecureLog};
use zeroize::Zeroizing;

use crate::entry::Severity;
use crate::error::LogError;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_ENTRIES};
use crate::store::{SecureLogStore, StoreError};

pub use crate::shared::subscription::{Deliveries, Subscription};

/// A log that threads share. Clones are handles to the same log.
///
/// While one commit is made durable, appends from other threads gather; the next commit writes all of them with one
/// write, one sync and one signature. Each caller returns after its own entries are durable. There is no thread of the
/// library's own and no asynchronous runtime: the thread that comes first commits for those that came meanwhile.
pub struct SharedLog<S> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    log: Mutex<SecureLog<S>>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Request>>,
    /// Some thread is making a commit, and will let the first of those waiting make the next one.
    led: bool,
    /// The last commit held entries of several threads.
    crowded: bool,
}

/// A batch that waits for another thread to commit it, or for its own thread's turn to commit.
struct Request {
    sealed: bool,
    after: Option<u64>,
    entries: Vec<OwnedEntry>,
    bytes: usize,
    told: Mutex<Option<Told>>,
    news: Condvar,
}

enum Told {
    Outcome(Result<(Vec<Appended>, CommitInfo), LogError>),
    Lead,
}

struct OwnedEntry {
    stream: String,
    event: String,
    severity: Severity,
    producer: String,
    encoding: String,
    /// Zeroed when it was written: it may be what is sealed.
    payload: Zeroizing<Vec<u8>>,
}

impl<S> Clone for SharedLog<S> {
    fn clone(&self) -> SharedLog<S> {
        SharedLog { inner: Arc::clone(&self.inner) }
    }
}

impl<S: SecureLogStore> SharedLog<S> {
    /// Shares a log.
    pub fn new(log: SecureLog<S>) -> SharedLog<S> {
        SharedLog { inner: Arc::new(Inner { log: Mutex::new(log), queue: Mutex::default() }) }
    }

    /// Opens the log in a store, or makes a new one: see [`SecureLog::open`].
    pub fn open(store: S, providers: Providers, options: LogOptions) -> Result<SharedLog<S>, LogError> {
        SecureLog::open(store, providers, options).map(SharedLog::new)
    }

    /// The log itself, for everything but appending. Other threads wait while this is held.
    pub fn lock(&self) -> MutexGuard<'_, SecureLog<S>> {
        lock(&self.inner.log)
    }

    /// Whether somebody appends, or waits for the log to do so.
    fn is_awaited(&self) -> bool {
        lock(&self.inner.queue).led
    }

    /// Appends one entry, durably.
    pub fn append(&self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, durably.
    pub fn append_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_together(Batch::plain(entries))
    }

    /// Appends all entries or none, durably, and only where no other writer has appended anything since the log had `seen` entries:
    /// see [`SecureLog::append_batch_after`]. Threads that share this handle are no other writers.
    pub fn append_batch_after(
        &self,
        seen: u64,
        entries: &[NewEntry<'_>],
    ) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_together(Batch::after(seen, entries))
    }

    fn append_together(&self, batch: Batch<'_, '_>) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        let mut queue = lock(&self.inner.queue);
        if queue.led {
            let request = Arc::new(Request::new(batch));
            queue.waiting.push_back(Arc::clone(&request));
            drop(queue);
            match request.wait() {
                Told::Outcome(outcome) => return outcome,
                Told::Lead => {}
            }
        } else {
            queue.led = true;
            drop(queue);
        }
        self.lead(batch)
    }

    /// Appends one entry with its payload sealed, durably: see [`SecureLog::append_sealed`].
    pub fn append_sealed(&self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_sealed_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, durably, with their payloads sealed.
    pub fn append_sealed_batch(&self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_together(Batch::sealed(entries))
    }

    /// Commits `own` and what others wait for, then lets the next one lead.
    fn lead(&self, own: Batch<'_, '_>) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        let mut turn = Turn { queue: &self.inner.queue, group: Vec::new() };
        let mut log = self.lock();
        if lock(&self.inner.queue).crowded {
            // Those whose entries the last commit held are just waking up: whoever appends again joins this one.
            std::thread::yield_now();
        }
        // Taken only now, so that everything is in it that came while the last commit was made durable.
        turn.gather(own.entries.len(), own.bytes());
        let views: Vec<Vec<NewEntry<'_>>> = turn.group.iter().map(|request| request.view()).collect();
        let others = turn.group.iter().zip(&views);
        let others = others.map(|(request, entries)| Batch {
            sealed: request.sealed,
            after: request.after,
            ..Batch::plain(entries)
        });
        let batches: Vec<Batch<'_, '_>> = core::iter::once(own).chain(others).collect();
        let outcomes = log.append_mixed(&batches);
        drop(log);
        drop(batches);
        drop(views);
        match outcomes {
            Ok((outcomes, info)) => {
                let mut outcomes = outcomes.into_iter().map(|outcome| outcome.map(|appended| (appended, info)));
                let mine = outcomes.next().expect("the first outcome is that of the first batch");
                turn.deliver(outcomes);
                mine
            }
            Err(error) => {
                let failed = Err(error);
                let others = turn.group.len();
                turn.deliver((0..others).map(|_| failed.clone()));
                failed
            }
        }
    }
}

/// One thread's turn to commit. However it ends, those in its group are told, and the next one leads.
struct Turn<'q> {
    queue: &'q Mutex<Queue>,
    group: Vec<Arc<Request>>,
}

impl Turn<'_> {
    /// Takes those who wait, as far as one commit can hold them.
    fn gather(&mut self, mut entries: usize, mut bytes: usize) {
        let mut queue = lock(self.queue);
        while let Some(request) = queue.waiting.pop_front_if(|request| {
            entries + request.entries.len() <= MAX_BATCH_ENTRIES && bytes + request.bytes <= MAX_BATCH_BYTES
        }) {
            entries += request.entries.len();
            bytes += request.bytes;
            self.group.push(request);
        }
        queue.crowded = !self.group.is_empty();
    }

    fn deliver(&mut self, outcomes: impl Iterator<Item = Result<(Vec<Appended>, CommitInfo), LogError>>) {
        for (request, outcome) in self.group.drain(..).zip(outcomes) {
            request.tell(Told::Outcome(outcome));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Only a store or a key that panicked leaves anyone here.
        for request in self.group.drain(..) {
            let operation = "commit".into();
            let detail = "the thread that was committing for this one panicked".into();
            request.tell(Told::Outcome(Err(StoreError::Io { operation, detail }.into())));
        }
        let mut queue = lock(self.queue);
        match queue.waiting.pop_front() {
            Some(next) => next.tell(Told::Lead),
            None => queue.led = false,
        }
    }
}

impl Request {
    fn new(batch: Batch<'_, '_>) -> Request {
        Request {
            sealed: batch.sealed,
            after: batch.after,
            bytes: batch.bytes(),
            entries: batch.entries.iter().map(OwnedEntry::of).collect(),
            told: Mutex::new(None),
            news: Condvar::new(),
        }
    }

    fn view(&self) -> Vec<NewEntry<'_>> {
        self.entries.iter().map(OwnedEntry::view).collect()
    }

    fn tell(&self, what: Told) {
        *lock(&self.told) = Some(what);
        self.news.notify_one();
    }

    fn wait(&self) -> Told {
        let mut told = lock(&self.told);
        loop {
            if let Some(what) = told.take() {
                return what;
            }
            told = self.news.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl OwnedEntry {
    fn of(entry: &NewEntry<'_>) -> OwnedEntry {
        OwnedEntry {
            stream: entry.stream.into(),
            event: entry.event.into(),
            severity: entry.severity,
            producer: entry.producer.into(),
            encoding: entry.encoding.into(),
            payload: Zeroizing::new(entry.payload.into()),
        }
    }

    fn view(&self) -> NewEntry<'_> {
        NewEntry {
            stream: &self.stream,
            event: &self.event,
            severity: self.severity,
            producer: &self.producer,
            encoding: &self.encoding,
            payload: &self.payload,
        }
    }
}

/// A lock whose holder panicked is still good here: what it guards is replaced as a whole or read again from the store.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
