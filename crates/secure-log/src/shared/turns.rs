//! Who commits: appends gather while one commit is made durable, and the next commit writes all of them.
//!
//! | waits | and is told |
//! |---|---|
//! | a thread, in [`Inner::append`] | by whoever committed for it; or that it is its turn to commit |
//! | nobody, behind [`Inner::append_then`] | by a call; it asked for a thread where none was committing |

use core::mem;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::engine::{Batch, NewEntry, SecureLog};
use crate::entry::Severity;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_ENTRIES};
use crate::shared::Outcome;
use crate::store::{SecureLogStore, StoreError};

/// What is to be done by a thread that may wait for a store.
pub type Work = Box<dyn FnOnce() + Send>;

/// Where [`SharedLog::append_batch_then`](crate::shared::SharedLog::append_batch_then) finds such a thread. What it is given may be
/// done at any time, and what is dropped without being done is told to whoever waits for it, as when a program ends.
pub type Threads = Arc<dyn Fn(Work) + Send + Sync>;

/// So often whoever commits lets others come first, while more of them come.
const LOOKS: usize = 16;

pub(super) struct Inner<S> {
    log: Mutex<SecureLog<S>>,
    /// Who has the log next holds this while waiting for it, so that it is not taken again by a thread that has just given it back,
    /// as one that appends without a pause does before any other wakes.
    next: Mutex<()>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Request>,
    leading: Leading,
    /// The last commit held entries of several callers.
    crowded: bool,
}

/// Whether somebody makes a commit, and will see to it that the next one is made where somebody waits for it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Leading {
    #[default]
    Nobody,
    /// A thread was asked for. Another one that comes first is taken, or threads that all wait for it would wait for ever.
    Called,
    Somebody,
}

/// A batch that waits to be committed.
struct Request {
    sealed: bool,
    after: Option<u64>,
    entries: Vec<OwnedEntry>,
    bytes: usize,
    told: Told,
}

/// How it is told what became of it.
enum Told {
    Waiting(Arc<Seat>),
    Call {
        then: Box<dyn FnOnce(Outcome) + Send>,
        /// Asks for a thread that commits.
        ask: Arc<dyn Fn() + Send + Sync>,
    },
}

/// Where a thread waits.
#[derive(Default)]
struct Seat {
    said: Mutex<Option<Said>>,
    news: Condvar,
}

enum Said {
    Outcome(Outcome),
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

impl<S> Inner<S> {
    pub(super) fn new(log: SecureLog<S>) -> Inner<S> {
        Inner { log: Mutex::new(log), next: Mutex::default(), queue: Mutex::default() }
    }

    /// The log, for as long as what is answered is held.
    pub(super) fn hold(&self) -> MutexGuard<'_, SecureLog<S>> {
        let _next = lock(&self.next);
        lock(&self.log)
    }

    /// Whether somebody appends, or waits for the log to do so.
    pub(super) fn is_awaited(&self) -> bool {
        lock(&self.queue).leading != Leading::Nobody
    }
}

impl<S: SecureLogStore> Inner<S> {
    /// Appends a batch, and returns when it is durable.
    pub(super) fn append(&self, batch: Batch<'_, '_>) -> Outcome {
        let mut queue = lock(&self.queue);
        if queue.leading == Leading::Somebody {
            let seat = Arc::<Seat>::default();
            queue.waiting.push_back(Request::new(batch, Told::Waiting(Arc::clone(&seat))));
            drop(queue);
            if let Said::Outcome(outcome) = seat.wait() {
                return outcome;
            }
        } else {
            queue.leading = Leading::Somebody;
            drop(queue);
        }
        Turn::new(self).commit(Some(batch)).expect("the first outcome is that of the first batch")
    }

    /// Has a batch appended, and returns at once.
    pub(super) fn append_then(
        self: &Arc<Self>,
        batch: Batch<'_, '_>,
        threads: &Threads,
        then: impl FnOnce(Outcome) + Send + 'static,
    ) where
        S: Send + 'static,
    {
        let (inner, threads) = (Arc::clone(self), Arc::clone(threads));
        let ask: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            let lead = Lead(Some(Arc::clone(&inner)));
            threads(Box::new(move || lead.run()));
        });
        let request = Request::new(batch, Told::Call { then: Box::new(then), ask: Arc::clone(&ask) });
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(request);
        if queue.leading == Leading::Nobody {
            queue.leading = Leading::Called;
            drop(queue);
            ask();
        }
    }
}

/// A thread's way to the log, until it is there: then it commits for as long as anybody waits.
struct Lead<S: SecureLogStore>(Option<Arc<Inner<S>>>);

impl<S: SecureLogStore> Lead<S> {
    fn run(mut self) {
        let Some(inner) = self.0.take() else { return };
        {
            let mut queue = lock(&inner.queue);
            if queue.leading != Leading::Called {
                // Another thread was faster.
                return;
            }
            queue.leading = Leading::Somebody;
        }
        loop {
            let mut turn = Turn::new(&inner);
            turn.commit(None);
            if !turn.end(true) {
                return;
            }
        }
    }
}

impl<S: SecureLogStore> Drop for Lead<S> {
    fn drop(&mut self) {
        // Only one that never got there still has it.
        let Some(inner) = self.0.take() else { return };
        let mut queue = lock(&inner.queue);
        if queue.leading != Leading::Called {
            return;
        }
        queue.leading = Leading::Nobody;
        let waiting = mem::take(&mut queue.waiting);
        drop(queue);
        for request in waiting {
            request.fail("no thread came to commit it");
        }
    }
}

/// One thread's turn to commit. However it ends, those in its group are told, and somebody commits for those who wait.
struct Turn<'i, S: SecureLogStore> {
    inner: &'i Inner<S>,
    group: VecDeque<Request>,
    is_over: bool,
}

impl<'i, S: SecureLogStore> Turn<'i, S> {
    fn new(inner: &'i Inner<S>) -> Turn<'i, S> {
        Turn { inner, group: VecDeque::new(), is_over: false }
    }

    /// Commits what this thread brings and what others wait for, and answers what became of the former.
    fn commit(&mut self, own: Option<Batch<'_, '_>>) -> Option<Outcome> {
        let mut log = self.inner.hold();
        self.let_others_come();
        // Taken only now, so that everything is in it that came while the last commit was made durable.
        self.gather(own.as_ref());
        let views: Vec<Vec<NewEntry<'_>>> = self.group.iter().map(Request::view).collect();
        let others = self.group.iter().zip(&views).map(|(request, entries)| Batch {
            sealed: request.sealed,
            after: request.after,
            ..Batch::plain(entries)
        });
        let batches: Vec<Batch<'_, '_>> = own.into_iter().chain(others).collect();
        let outcomes = log.append_mixed(&batches);
        drop(log);
        let mut outcomes: Vec<Outcome> = match outcomes {
            Ok((outcomes, info)) => outcomes.into_iter().map(|outcome| Ok((outcome?, info))).collect(),
            Err(error) => batches.iter().map(|_| Err(error.clone())).collect(),
        };
        drop(batches);
        drop(views);
        // Those of the others are behind the one of this thread, if it has one.
        let others = outcomes.split_off(outcomes.len() - self.group.len());
        // One after the other, so that whoever is behind a call that panics is still in the group.
        for outcome in others {
            if let Some(request) = self.group.pop_front() {
                request.tell(outcome);
            }
        }
        outcomes.pop()
    }

    /// Those whose entries the last commit held are just waking up: whoever appends again joins this one.
    fn let_others_come(&self) {
        let waiting = || {
            let queue = lock(&self.inner.queue);
            queue.crowded.then_some(queue.waiting.len())
        };
        let mut before = waiting();
        for _ in 0..LOOKS {
            if before.is_none() {
                return;
            }
            std::thread::yield_now();
            let now = waiting();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Takes those who wait, as far as one commit can hold them beside what this thread brings.
    fn gather(&mut self, own: Option<&Batch<'_, '_>>) {
        let (mut entries, mut bytes) = own.map_or((0, 0), |own| (own.entries.len(), own.bytes()));
        let mut queue = lock(&self.inner.queue);
        while let Some(request) = queue.waiting.pop_front_if(|request| {
            let fits = entries + request.entries.len() <= MAX_BATCH_ENTRIES && bytes + request.bytes <= MAX_BATCH_BYTES;
            fits || entries == 0
        }) {
            entries += request.entries.len();
            bytes += request.bytes;
            self.group.push_back(request);
        }
        queue.crowded = self.group.len() + usize::from(own.is_some()) > 1;
    }

    /// Ends the turn, and sees to it that somebody commits for those who wait: this thread itself, which is answered then, where it
    /// can stay.
    fn end(&mut self, can_stay: bool) -> bool {
        self.is_over = true;
        let mut queue = lock(&self.inner.queue);
        if queue.waiting.is_empty() {
            queue.leading = Leading::Nobody;
            return false;
        }
        if can_stay {
            return true;
        }
        // A thread that waits is here already. One that is asked for may not come before those that wait have gone.
        let threads = queue.waiting.iter().position(|request| matches!(request.told, Told::Waiting(_)));
        let next = threads.and_then(|at| queue.waiting.remove(at)).map(|request| request.told);
        if let Some(Told::Waiting(seat)) = next {
            seat.tell(Said::Lead);
        } else if let Some(Request { told: Told::Call { ask, .. }, .. }) = queue.waiting.front() {
            let ask = Arc::clone(ask);
            queue.leading = Leading::Called;
            drop(queue);
            ask();
        }
        false
    }
}

impl<S: SecureLogStore> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        // Only a store, a key or a call that panicked leaves anyone here.
        for request in self.group.drain(..) {
            request.fail("the thread that was committing for this one panicked");
        }
        if !self.is_over {
            self.end(false);
        }
    }
}

impl Request {
    fn new(batch: Batch<'_, '_>, told: Told) -> Request {
        Request {
            sealed: batch.sealed,
            after: batch.after,
            bytes: batch.bytes(),
            entries: batch.entries.iter().map(OwnedEntry::of).collect(),
            told,
        }
    }

    fn view(&self) -> Vec<NewEntry<'_>> {
        self.entries.iter().map(OwnedEntry::view).collect()
    }

    fn tell(self, outcome: Outcome) {
        match self.told {
            Told::Waiting(seat) => seat.tell(Said::Outcome(outcome)),
            Told::Call { then, .. } => then(outcome),
        }
    }

    fn fail(self, detail: &str) {
        let (operation, detail) = ("commit".into(), detail.into());
        self.tell(Err(StoreError::Io { operation, detail }.into()));
    }
}

impl Seat {
    fn tell(&self, what: Said) {
        *lock(&self.said) = Some(what);
        self.news.notify_one();
    }

    fn wait(&self) -> Said {
        let mut said = lock(&self.said);
        loop {
            if let Some(what) = said.take() {
                return what;
            }
            said = self.news.wait(said).unwrap_or_else(PoisonError::into_inner);
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
