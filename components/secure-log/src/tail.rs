//! The exported interface `tail`: convert, forward, convert back.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use secure_log::tail::{DEFAULT_POLL_EVERY, Delivery, Start, Tail, TailOptions};

use crate::bindings::exports::secure_log::log::{tail, types};
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::io::poll::Pollable;
use crate::convert;
use crate::exports::{Component, with};

/// A place in the log.
pub(crate) struct Subscription {
    tail: RefCell<Tail>,
    poll_every: Duration,
    /// When it was last looked there was nothing.
    idle: Cell<bool>,
}

impl tail::Guest for Component {
    type Subscription = Subscription;

    fn follow(options: tail::Options) -> Result<tail::Subscription, types::LogError> {
        let poll_every = options.poll_ms.map_or(DEFAULT_POLL_EVERY, |millis| Duration::from_millis(millis.into()));
        let begun = with(|log| {
            let topics = options.topics.iter().map(|topic| topic.parse()).collect::<Result<_, _>>()?;
            let start = options.from.map_or(Start::Now, Start::Seqno);
            log.tail(TailOptions { topics, start, max_behind: options.max_behind, poll_every })
        })?;
        let (tail, idle) = (RefCell::new(begun), Cell::new(false));
        Ok(tail::Subscription::new(Subscription { tail, poll_every, idle }))
    }
}

impl tail::GuestSubscription for Subscription {
    fn next(&self) -> Result<Option<tail::Delivery>, types::LogError> {
        let next = with(|log| self.tail.borrow_mut().next(log))?;
        self.idle.set(next.is_none());
        next.map(delivery).transpose()
    }

    fn cursor(&self) -> u64 {
        self.tail.borrow().cursor()
    }

    fn skip_to(&self, seqno: u64) {
        self.tail.borrow_mut().skip_to(seqno);
        self.idle.set(false);
    }

    fn subscribe(&self) -> Pollable {
        let after = if self.idle.get() { self.poll_every } else { Duration::ZERO };
        let nanos = u64::try_from(after.as_nanos()).expect("as many milliseconds as a u32 holds are fewer nanoseconds");
        monotonic_clock::subscribe_duration(nanos)
    }
}

fn delivery(delivery: Delivery) -> Result<tail::Delivery, types::LogError> {
    Ok(match delivery {
        Delivery::Entry(entry) => tail::Delivery::Entry(convert::entry(*entry)?),
        Delivery::Pruned { seqno, stream, hash } => {
            tail::Delivery::Pruned(tail::PrunedEntry { seqno, stream_id: stream, hash: hash.0.to_vec() })
        }
        Delivery::Lagged(lag) => tail::Delivery::Lagged(types::SeqnoRange { first: lag.first, last: lag.last }),
    })
}
