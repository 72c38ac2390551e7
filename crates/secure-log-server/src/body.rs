//! Bodies: reading those of requests within their bounds, and sending those that are made while they are sent.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use secure_log_http::{Next, Response, Stream};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::server::note;

/// What hyper sends.
pub(crate) type Sent = BoxBody<Bytes, io::Error>;

/// A stream that was asked in vain, or that gave something, is not asked again before: what comes meanwhile is sent together, and a
/// log with a thousand tails is looked at by each of them no more often than this.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Reads a body of at most so many bytes that is there by then. The answer is the one that the client gets otherwise.
pub(crate) async fn read(mut body: Incoming, limit: usize, until: Instant) -> Result<Vec<u8>, Response> {
    let said = body.size_hint().exact().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut all = Vec::with_capacity(said.min(limit));
    loop {
        match timeout_at(until, body.frame()).await {
            Err(_) => return Err(Response::body_timeout()),
            Ok(None) => return Ok(all),
            Ok(Some(Err(_))) => return Err(Response::body_broken()),
            Ok(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    if all.len() + data.len() > limit {
                        return Err(Response::too_large(limit));
                    }
                    all.extend_from_slice(data);
                }
            }
        }
    }
}

pub(crate) fn whole(bytes: Vec<u8>) -> Sent {
    Full::new(Bytes::from(bytes)).map_err(never).boxed()
}

pub(crate) fn empty() -> Sent {
    Empty::new().map_err(never).boxed()
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

/// Sends a stream, one piece at a time: the next is made when this one was taken. It ends when the server is stopped.
///
/// `looks` are places for streams that are asked at the same time. Those that wait hold none, and no thread.
pub(crate) fn streamed(stream: Box<dyn Stream + Send>, looks: Arc<Semaphore>, stop: watch::Receiver<bool>) -> Sent {
    let (to, from) = mpsc::channel(1);
    tokio::spawn(pump(stream, to, looks, stop));
    Pieces(from).boxed()
}

async fn pump(
    mut stream: Box<dyn Stream + Send>,
    to: mpsc::Sender<io::Result<Frame<Bytes>>>,
    looks: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let woken = Arc::new(Woken::default());
    loop {
        let Ok(look) = Arc::clone(&looks).acquire_owned().await else { return };
        let waker = Waker::from(Arc::clone(&woken));
        let looked = tokio::task::spawn_blocking(move || {
            let _look = look;
            let next = stream.next(&waker);
            (stream, next)
        });
        let next;
        (stream, next) = match looked.await {
            Ok(found) => found,
            Err(_) => {
                note("a stream panicked");
                let _ = to.send(Err(io::Error::other("a stream broke"))).await;
                return;
            }
        };
        let again = Instant::now() + LEAST_PAUSE;
        match next {
            Next::Bytes(bytes) => {
                tokio::select! {
                    sent = to.send(Ok(Frame::data(Bytes::from(bytes)))) => if sent.is_err() { return },
                    () = stopped(&mut stop) => return,
                }
                continue;
            }
            Next::Nothing => {}
            Next::End => return,
            Next::Broken(why) => {
                note(&why);
                let _ = to.send(Err(io::Error::other("a stream broke"))).await;
                return;
            }
        }
        tokio::select! {
            () = woken.0.notified() => {}
            () = sleep(stream.ask_again_after()) => {}
            () = to.closed() => return,
            () = stopped(&mut stop) => return,
        }
        tokio::select! {
            () = sleep_until(again) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// Returns when the server is stopped.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could stop it is gone only when everything is.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.notify_one();
    }
}

struct Pieces(mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
