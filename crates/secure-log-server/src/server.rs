//! Connections and requests: how they come to the API, and what bounds them.
//!
//! | what a client could do | what it comes up against |
//! |---|---|
//! | open connections and say nothing, or headers byte by byte | the time for headers, and the number of connections |
//! | send a body slowly, or a long one | the time for bodies, the limit of the route, and the memory for all bodies together |
//! | not read what it asked for | the time for writing; what is sent is made as it is taken |
//! | ask for more than can be done | the queue, which is full at some point and says so |

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use secure_log::shared::Threads;
use secure_log_http::config::read_tokens;
use secure_log_http::limits::MAX_HEADER_BYTES;
use secure_log_http::metrics::Dropped;
use secure_log_http::{Api, Body, Head, LogId, Metrics, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::body::{self, Sent, stopped};
use crate::config::Config;
use crate::connection::Impatient;
use crate::logs::Logs;

/// Bytes of all bodies that are being read or carried out: 256 MiB. It is counted in KiB, as a semaphore counts no further than
/// 2^29 where pointers have 32 bits.
const BODIES_KIB: usize = 256 << 10;
/// Appends of one log that hold no thread: as many as one commit or two take.
const APPENDS_PER_LOG: usize = 256;
/// Streams that are asked for more at the same time. Their threads are not those of requests.
const LOOKS: usize = 4;
/// So often counts are written that wait for their time.
const TICK: Duration = Duration::from_secs(2);
/// Pauses after the system refused a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What connections share.
struct Server {
    api: Arc<Api>,
    queue: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    /// Those of each log for which a request is there.
    per_log: Mutex<HashMap<LogId, Weak<Places>>>,
    threads_per_log: usize,
    /// Where commits are made for appends that hold no thread.
    threads: Threads,
    timeout: Duration,
    stop: watch::Receiver<bool>,
}

/// The requests of a log that are carried out at a time. The others wait.
struct Places {
    /// Those that hold a thread: a log whose requests take long leaves threads for those of others.
    threads: Arc<Semaphore>,
    /// Appends that hold none.
    appends: Arc<Semaphore>,
}

/// Serves until a signal ends it.
pub fn run(config: Config) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(config.threads + LOOKS)
        .enable_all()
        .build()
        .map_err(|error| format!("no threads: {error}"))?;
    serve(&runtime, config)
}

fn serve(runtime: &Runtime, config: Config) -> Result<(), String> {
    let (listen, tls, connections, queue, threads, wait) =
        (config.listen, config.tls.clone(), config.connections, config.queue, config.threads, config.common.timeout);
    let tokens_path = config.common.tokens_path.clone();
    let (identity, limits) = (config.common.logs.identity.clone(), config.limits);
    let mut config = config;
    let tokens = std::mem::take(&mut config.common.tokens);
    if !config.has_keys {
        note("no keystore is configured: heads are not signed, and nobody can ask for a checkpoint");
    }
    let metrics = Arc::new(Metrics::default());
    let logs = Logs::of(config, Arc::clone(&metrics));
    let api = Api::new(logs, tokens, &identity, limits, metrics);
    let api = Arc::new(api.map_err(|error| format!("the service's own log cannot be opened: {error}"))?);
    let (stopping, stop) = watch::channel(false);
    let server = Arc::new(Server {
        api: Arc::clone(&api),
        queue: Arc::new(Semaphore::new(queue)),
        bodies: Arc::new(Semaphore::new(BODIES_KIB)),
        looks: Arc::new(Semaphore::new(LOOKS)),
        per_log: Mutex::default(),
        threads_per_log: (threads * 3 / 4).max(1),
        threads: Arc::new({
            let runtime = runtime.handle().clone();
            move |work| drop(runtime.spawn_blocking(work))
        }),
        timeout: wait,
        stop,
    });
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        println!("secure-log-server: listening on {scheme}://{address}");
        let mut tasks = JoinSet::new();
        {
            let accepting = accept(&server, listener, tls.map(TlsAcceptor::from), connections, &mut tasks);
            tokio::pin!(accepting);
            tokio::select! {
                () = &mut accepting => {}
                ended = until_signal(&api, &tokens_path) => ended?,
            }
        }
        api.stop_taking();
        let _ = stopping.send(true);
        let finished = timeout(wait, async { while tasks.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            note("requests that were under way took too long and were cut off");
            tasks.shutdown().await;
        }
        Ok::<(), String>(())
    });
    let failed = api.stop();
    for (id, error) in &failed {
        note(&format!("the log {id} was not ended well: {error}"));
    }
    served?;
    if failed.is_empty() { Ok(()) } else { Err("not every log was ended well".into()) }
}

/// Returns at the signal that ends the server. Until then it does what is due from time to time.
async fn until_signal(api: &Arc<Api>, tokens: &std::path::Path) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
    let (mut end, mut interrupt, mut hangup) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    let mut ticks = tokio::time::interval(TICK);
    // Nothing that waits for a store is waited for here: a store that hangs must not keep the server from being told to end.
    let mut ticking: Option<tokio::task::JoinHandle<()>> = None;
    loop {
        tokio::select! {
            _ = end.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {
                let (api, path) = (Arc::clone(api), tokens.to_owned());
                tokio::spawn(blocking(move || match read_tokens(&path) {
                    Ok(tokens) => note_failure("the tokens are new, and that is not recorded", api.set_tokens(tokens)),
                    Err(why) => note(&format!("the tokens stay as they were: {why}")),
                }));
            }
            _ = ticks.tick() => {
                if ticking.as_ref().is_none_or(|tick| tick.is_finished()) {
                    let api = Arc::clone(api);
                    let tick = blocking(move || note_failure("denials were not recorded", api.tick()));
                    ticking = Some(tokio::spawn(tick));
                }
            }
        }
    }
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    if spawn_blocking(work).await.is_err() {
        note("a task of the service panicked");
    }
}

async fn accept(
    server: &Arc<Server>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    connections: usize,
    tasks: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                note(&format!("a connection was not accepted: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Those that ended are let go of, so that they do not gather.
        while tasks.try_join_next().is_some() {}
        let (server, tls) = (Arc::clone(server), tls.clone());
        tasks.spawn(async move {
            let _place = place;
            let _counted = server.api.metrics().connections.hold();
            connect(&server, stream, tls).await;
        });
    }
}

/// How a connection ends is the client's business, and is noted nowhere.
async fn connect(server: &Arc<Server>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let _ = stream.set_nodelay(true);
    let stream = Impatient::new(stream, server.timeout);
    match tls {
        None => answer_all(server, TokioIo::new(stream)).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(server.timeout, tls.accept(stream)).await {
                answer_all(server, TokioIo::new(stream)).await;
            }
        }
    }
}

async fn answer_all<I: hyper::rt::Read + hyper::rt::Write + Unpin>(server: &Arc<Server>, io: I) {
    let service = service_fn(|request| {
        let server = Arc::clone(server);
        async move { Ok::<_, Infallible>(server.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.timeout)
        .max_header_size(MAX_HEADER_BYTES)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let mut stop = server.stop.clone();
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl Server {
    async fn answer(&self, request: hyper::Request<Incoming>) -> hyper::Response<Sent> {
        let is_head = request.method() == hyper::Method::HEAD;
        let response = self.respond(request).await;
        self.api.metrics().answered(response.status);
        if let Some(why) = &response.note {
            note(why);
        }
        let mut sent = hyper::Response::builder().status(response.status);
        for (name, value) in response.sent_headers() {
            sent = sent.header(name, value);
        }
        let body = match response.body {
            Body::Bytes(bytes) => body::whole(bytes),
            Body::Stream(_) if is_head => body::empty(),
            Body::Stream(stream) => body::streamed(stream, Arc::clone(&self.looks), self.stop.clone()),
        };
        // Values of headers are ours, or were read as headers.
        sent.body(body).unwrap_or_else(|error| {
            note(&format!("an answer cannot be sent: {error}"));
            let mut fault = hyper::Response::new(body::empty());
            *fault.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
            fault
        })
    }

    async fn respond(&self, request: hyper::Request<Incoming>) -> Response {
        let until = Instant::now() + self.timeout;
        let (parts, incoming) = request.into_parts();
        let admitted = match self.api.admit(head(&parts)) {
            Ok(admitted) => admitted,
            Err(refused) => {
                let api = Arc::clone(&self.api);
                if !refused.is_recorded() {
                    return api.refuse(refused);
                }
                let Ok(_place) = self.queue.try_acquire() else { return Response::busy() };
                return carried_out(move || api.refuse(refused)).await;
            }
        };
        if admitted.is_cheap() {
            return self.api.serve(&admitted, b"");
        }
        let dropped = |why| {
            if admitted.is_append() {
                self.api.metrics().dropped(why, 1);
            }
        };
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else {
            dropped(Dropped::Busy);
            return Response::busy();
        };
        let counted = self.api.metrics().queue.hold();
        let limit = admitted.max_body_bytes;
        let said = incoming.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let kib = said.unwrap_or(limit).min(limit).div_ceil(1024) as u32;
        let memory = match timeout_at(until, Arc::clone(&self.bodies).acquire_many_owned(kib)).await {
            Ok(Ok(memory)) => memory,
            _ => {
                dropped(Dropped::Busy);
                return Response::busy();
            }
        };
        let body = match body::read(incoming, limit, until).await {
            Ok(body) => body,
            Err(answer) => {
                dropped(Dropped::Invalid);
                return answer;
            }
        };
        let ready = self.api.ready_log(&admitted, body.len());
        let of_log = match admitted.log().map(|id| self.places_of(id)) {
            None => None,
            Some(places) => {
                let free = if ready.is_some() { &places.appends } else { &places.threads };
                match timeout_at(until, Arc::clone(free).acquire_owned()).await {
                    Ok(Ok(place)) => Some((place, places)),
                    _ => {
                        dropped(Dropped::Busy);
                        return Response::busy();
                    }
                }
            }
        };
        let held = (place, counted, memory, of_log);
        if let Some(log) = ready {
            let (answer, answered) = oneshot::channel();
            self.api.append_then(log, &admitted, &body, &self.threads, move |response| {
                drop(held);
                // Who has gone is told nothing.
                let _ = answer.send(response);
            });
            return answered.await.unwrap_or_else(|_| Response::internal("an append was given up"));
        }
        let api = Arc::clone(&self.api);
        carried_out(move || {
            let _held = held;
            api.serve(&admitted, &body)
        })
        .await
    }

    /// The places of a log, which are forgotten when nobody holds or waits for one.
    fn places_of(&self, id: &LogId) -> Arc<Places> {
        let mut per_log = self.per_log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = per_log.get(id).and_then(Weak::upgrade) {
            return places;
        }
        per_log.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Places {
            threads: Arc::new(Semaphore::new(self.threads_per_log)),
            appends: Arc::new(Semaphore::new(APPENDS_PER_LOG)),
        });
        per_log.insert(id.clone(), Arc::downgrade(&places));
        places
    }
}

/// Requests are carried out by threads that may wait for disks.
async fn carried_out(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    spawn_blocking(work).await.unwrap_or_else(|_| Response::internal("a request panicked"))
}

fn head(parts: &hyper::http::request::Parts) -> Head {
    // What is no text is none of the headers that count.
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Head {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: headers.collect(),
    }
}

fn note_failure<E: std::fmt::Display>(what: &str, done: Result<(), E>) {
    if let Err(error) = done {
        note(&format!("{what}: {error}"));
    }
}

/// A line for the operator, with nothing in it that would change a terminal.
pub(crate) fn note(what: &str) {
    eprintln!("secure-log-server: {}", what.escape_debug());
}
