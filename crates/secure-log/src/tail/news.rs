//! How those who wait for entries learn that some became durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// What an open log tells those who wait: how many entries it has. Whoever commits holds the log while it tells, and waits for
/// nobody; where nobody listens, it reads one number.
#[derive(Debug, Default)]
pub(crate) struct News {
    listeners: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    size: u64,
    /// Tells listeners apart.
    numbered: u64,
    /// Who is to be woken, and the listener's number.
    wakers: Vec<(u64, Waker)>,
}

/// Somebody who listens, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    news: Arc<News>,
    number: u64,
}

impl News {
    /// Tells that the log has so many entries.
    pub(crate) fn tell(&self, size: u64) {
        // Who begins to listen later takes the log before it waits, and finds them there.
        if self.listeners.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.state();
        if state.size == size {
            return;
        }
        state.size = size;
        let wakers = core::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic is done while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Listens from now on.
    pub(crate) fn new(news: &Arc<News>) -> Listener {
        news.listeners.fetch_add(1, Ordering::SeqCst);
        let number = {
            let mut state = news.state();
            state.numbered += 1;
            state.numbered
        };
        Listener { news: Arc::clone(news), number }
    }

    /// Waits until more entries than these were told of, and at most so long.
    pub(crate) fn wait_beyond(&self, size: u64, at_most: Duration) {
        let state = self.news.state();
        // Why it ended is seen by looking at the log.
        drop(self.news.changed.wait_timeout_while(state, at_most, |state| state.size <= size));
    }

    /// Has this one woken, once, by what is told from now on.
    #[cfg(feature = "stream")]
    pub(crate) fn wake(&self, waker: &Waker) {
        let mut state = self.news.state();
        match state.wakers.iter_mut().find(|(number, _)| *number == self.number) {
            Some((_, known)) => known.clone_from(waker),
            None => state.wakers.push((self.number, waker.clone())),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.news.state().wakers.retain(|(number, _)| *number != self.number);
        self.news.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}
