//! Waiting for what is appended to a log that threads share.

use std::time::{Duration, Instant};

use crate::error::LogError;
use crate::shared::SharedLog;
use crate::store::SecureLogStore;
use crate::tail::news::Listener;
use crate::tail::{Delivery, Tail, TailOptions};

/// A store is asked no more often than this.
const LEAST_POLL: Duration = Duration::from_millis(1);

/// Who reads on lets somebody go first who waits to append: until that one has committed, and for so long at most.
const GIVE_WAY: Duration = Duration::from_millis(20);

/// A place in a shared log from which it is followed, by a thread that waits or, with the feature `stream`, as a
/// `futures_core::Stream`.
///
/// What this process commits is given out at once; what others append to the same store is found by asking it
/// ([`TailOptions::poll_every`]). It reads from the log, a page at a time, and holds no more than that: a subscription that
/// nobody reads holds up nobody, and costs nothing.
///
/// ```
/// # #[cfg(feature = "system")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use secure_log::engine::{LogOptions, NewEntry, Providers};
/// # use secure_log::entry::Severity;
/// # use secure_log::{NativeSecureLog, memory::MemoryStore, providers::NoKeys};
/// use secure_log::tail::{Delivery, TailOptions};
///
/// # let log = NativeSecureLog::open(MemoryStore::new(), Providers::system(NoKeys), LogOptions::default())?;
/// let mut doors = log.subscribe(TailOptions { topics: vec!["door/#".parse()?], ..TailOptions::default() })?;
/// let watcher = std::thread::spawn(move || {
///     let mut seen = Vec::new();
///     for delivery in &mut doors {
///         match delivery? {
///             Delivery::Entry(entry) if entry.event == "locked" => break,
///             Delivery::Entry(entry) => seen.push(entry.event),
///             // All of it follows, unless `skip_to` says that it need not.
///             Delivery::Lagged(lag) => eprintln!("{} entries behind", lag.entries()),
///             pruned => eprintln!("gone: {pruned:?}"),
///         }
///     }
///     Ok::<_, secure_log::error::LogError>((seen, doors.cursor()))
/// });
/// for event in ["opened", "closed", "locked"] {
///     let (stream, severity) = ("door", Severity::Info);
///     log.append(&NewEntry { stream, event, severity, producer: "sensor", encoding: "text", payload: b"" })?;
/// }
/// let (seen, cursor) = watcher.join().expect("the thread ends")?;
/// assert_eq!((seen, cursor), (vec!["opened".to_string(), "closed".to_string()], 4));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "system"))]
/// # fn main() {}
/// ```
pub struct Subscription<S> {
    log: SharedLog<S>,
    tail: Tail,
    listener: Listener,
    poll_every: Duration,
    /// How many entries the log had when a page was read, if that is what was done last.
    paged: Option<u64>,
}

/// What a subscription gives, one after the other, without an end: waits for each.
pub struct Deliveries<T>(T);

/// What became of one more look at the log.
enum Looked {
    /// Something was found.
    Found(Delivery),
    /// There is more to look at.
    More,
    /// All of this many entries were looked at.
    All(u64),
}

impl<S: SecureLogStore> SharedLog<S> {
    /// Follows the log: see [`SecureLog::tail`](crate::engine::SecureLog::tail).
    pub fn subscribe(&self, options: TailOptions) -> Result<Subscription<S>, LogError> {
        let mut log = self.lock();
        let listener = Listener::new(log.news());
        let poll_every = options.poll_every.max(LEAST_POLL);
        let tail = log.tail(options)?;
        drop(log);
        Ok(Subscription { log: self.clone(), tail, listener, poll_every, paged: None })
    }
}

impl<S: SecureLogStore> Subscription<S> {
    /// Waits for what comes next. After an error the subscription is where it was: calling again tries again.
    pub fn wait(&mut self) -> Result<Delivery, LogError> {
        loop {
            if let Some(delivery) = self.wait_until(None)? {
                return Ok(delivery);
            }
        }
    }

    /// The same, for no longer than this; then `None`. At least one page of what is there is looked at, however short the time.
    pub fn wait_for(&mut self, at_most: Duration) -> Result<Option<Delivery>, LogError> {
        self.wait_until(Instant::now().checked_add(at_most))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<Delivery>, LogError> {
        loop {
            let looked = self.look()?;
            if let Looked::Found(delivery) = looked {
                return Ok(Some(delivery));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            if let Looked::All(size) = looked {
                self.listener.wait_beyond(size, left.map_or(self.poll_every, |left| left.min(self.poll_every)));
            }
        }
    }

    /// The seqno from which another subscription goes on where this one is: see [`Tail::cursor`].
    pub fn cursor(&self) -> u64 {
        self.tail.cursor()
    }

    /// Goes on with this entry: see [`Tail::skip_to`].
    pub fn skip_to(&mut self, seqno: u64) {
        self.tail.skip_to(seqno);
    }

    /// Takes what was found already, or looks at one more page.
    fn look(&mut self) -> Result<Looked, LogError> {
        if let Some(delivery) = self.tail.take() {
            return Ok(Looked::Found(delivery));
        }
        if let Some(size) = self.paged.take()
            && self.log.inner.is_awaited()
        {
            // The lock is not fair: who takes it for page after page keeps it from those who append.
            self.listener.wait_beyond(size, GIVE_WAY);
        }
        let mut log = self.log.lock();
        let more = self.tail.read_on(&mut log)?;
        let size = log.size();
        drop(log);
        self.paged = more.then_some(size);
        Ok(match self.tail.take() {
            Some(delivery) => Looked::Found(delivery),
            None if more => Looked::More,
            None => Looked::All(size),
        })
    }
}

impl<S: SecureLogStore> Iterator for Deliveries<Subscription<S>> {
    type Item = Result<Delivery, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.wait())
    }
}

impl<S: SecureLogStore> Iterator for Deliveries<&mut Subscription<S>> {
    type Item = Result<Delivery, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.wait())
    }
}

// A subscription is no iterator itself, as `next` would then have two meanings where it is a stream, too.
impl<S: SecureLogStore> IntoIterator for Subscription<S> {
    type Item = Result<Delivery, LogError>;
    type IntoIter = Deliveries<Subscription<S>>;

    fn into_iter(self) -> Self::IntoIter {
        Deliveries(self)
    }
}

impl<'s, S: SecureLogStore> IntoIterator for &'s mut Subscription<S> {
    type Item = Result<Delivery, LogError>;
    type IntoIter = Deliveries<&'s mut Subscription<S>>;

    fn into_iter(self) -> Self::IntoIter {
        Deliveries(self)
    }
}

/// Never ends. It is woken by what this process commits, and by nothing else, as there is no runtime here that could wake it
/// later: what other processes append is found whenever it is polled, and by [`SecureLog::look`](crate::engine::SecureLog::look),
/// which a timer of the program's own can call. Polling it reads from the store.
#[cfg(feature = "stream")]
impl<S: SecureLogStore> futures_core::Stream for Subscription<S> {
    type Item = Result<Delivery, LogError>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use std::task::Poll;
        let this = self.get_mut();
        // Before the log is looked at, so that nothing comes unnoticed between the two.
        this.listener.wake(context.waker());
        match this.look() {
            Ok(Looked::Found(delivery)) => Poll::Ready(Some(Ok(delivery))),
            Ok(Looked::All(_)) => Poll::Pending,
            Ok(Looked::More) => {
                // Others of the same thread come in between.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}
