//! Tails: entries as server-sent events, as soon as they are durable.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream as _;
use secure_log::shared::Subscription;
use secure_log::tail::{Delivery, Start, TailOptions, TopicFilter};
use serde_json::{Value, json};

use crate::api::{Admitted, Api, OpenLog, lock};
use crate::catalogue::ServedStore;
use crate::json;
use crate::limits::MAX_TOPICS;
use crate::message::{Next, Response, Stream};
use crate::metrics::Held;
use crate::params::number;
use crate::problem::Problem;

/// Bytes of events that are gathered before they are sent.
const GATHERED_BYTES: usize = 64 << 10;
/// Pages of a log that are looked at in vain in one go: each has at most 256 entries.
const PAGES_IN_VAIN: u32 = 16;
/// After so long without an event something is sent all the same, so that both ends see whether the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So often the store is asked for what other processes appended.
const POLL_EVERY: Duration = Duration::from_secs(1);

pub(super) fn tail(api: &Api, request: &Admitted, log: Arc<OpenLog>) -> Result<Response, Problem> {
    let place = api.metrics.tails.hold();
    if api.metrics.tails.count() > api.limits.tails {
        return Err(Problem::new("busy").retry_after(5).fact("limit", api.limits.tails));
    }
    let topics = request.params.all("topic").map(str::parse::<TopicFilter>).collect::<Result<Vec<_>, _>>()?;
    if topics.len() > MAX_TOPICS {
        return Err(Problem::malformed(format!("at most {MAX_TOPICS} topics")).fact("field", "topic"));
    }
    let from = request.params.number("from")?;
    let last = request.head.header("last-event-id").filter(|id| !id.is_empty());
    let last = last.map(|id| number("last-event-id", id)).transpose()?;
    let start = match last.map(|last| last.saturating_add(1)).or(from) {
        Some(seqno) => Start::Seqno(seqno),
        None => Start::Now,
    };
    let subscription = log.log.subscribe(TailOptions { topics, start, ..TailOptions::default() })?;
    let tail = Tailing {
        subscription,
        relay: Arc::default(),
        // The first bytes tell that the tail is open.
        pending: b": open\n\n".to_vec(),
        sent: Instant::now(),
        log,
        _place: place,
    };
    Ok(Response::stream("text/event-stream", tail).with("cache-control", "no-store"))
}

struct Tailing {
    subscription: Subscription<ServedStore>,
    relay: Arc<Relay>,
    pending: Vec<u8>,
    sent: Instant,
    log: Arc<OpenLog>,
    _place: Held,
}

/// Wakes whoever waits for the tail, and remembers that there is more to look at.
#[derive(Default)]
struct Relay {
    woken: AtomicBool,
    to: Mutex<Option<Waker>>,
}

impl Wake for Relay {
    fn wake(self: Arc<Relay>) {
        self.woken.store(true, Ordering::SeqCst);
        if let Some(waker) = &*lock(&self.to) {
            waker.wake_by_ref();
        }
    }
}

impl Stream for Tailing {
    fn next(&mut self, waker: &Waker) -> Next {
        lock(&self.relay.to).replace(waker.clone());
        let relay = Waker::from(Arc::clone(&self.relay));
        let mut in_vain = 0;
        while self.pending.len() < GATHERED_BYTES && in_vain < PAGES_IN_VAIN {
            self.relay.woken.store(false, Ordering::SeqCst);
            match Pin::new(&mut self.subscription).poll_next(&mut Context::from_waker(&relay)) {
                Poll::Ready(Some(Ok(delivery))) => event(&delivery, &mut self.pending),
                Poll::Ready(Some(Err(error))) => return Next::Broken(format!("a tail of {}: {error}", self.log.id)),
                Poll::Ready(None) => return Next::End,
                Poll::Pending if self.relay.woken.load(Ordering::SeqCst) => in_vain += 1,
                Poll::Pending => break,
            }
        }
        if self.pending.is_empty() && self.sent.elapsed() >= HEARTBEAT {
            self.pending.extend_from_slice(b":\n\n");
        }
        if self.pending.is_empty() {
            return Next::Nothing;
        }
        self.sent = Instant::now();
        Next::Bytes(std::mem::take(&mut self.pending))
    }

    fn ask_again_after(&self) -> Duration {
        POLL_EVERY
    }
}

/// Its id is the seqno, so that a browser that connects again says where it was.
fn event(delivery: &Delivery, out: &mut Vec<u8>) {
    let (id, name, data): (Option<u64>, &str, Value) = match delivery {
        Delivery::Entry(entry) => (Some(entry.seqno), "entry", json::entry(entry)),
        Delivery::Pruned { seqno, stream, hash } => {
            (Some(*seqno), "pruned", json!({ "seqno": seqno, "stream": stream, "pruned": hash.to_hex() }))
        }
        Delivery::Lagged(lag) => (None, "lagged", json!({ "first": lag.first, "last": lag.last })),
    };
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.extend_from_slice(format!("event: {name}\ndata: {}\n\n", json::text_of(&data)).as_bytes());
}
