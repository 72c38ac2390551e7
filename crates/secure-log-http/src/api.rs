//! The API: how a request goes through it, and the logs that are open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use secure_log::error::LogError;
use secure_log::shared::Threads;
use serde_json::json;

use crate::catalogue::{Catalogue, ServedLog};
use crate::handlers::{self, append};
use crate::idempotency::Keys;
use crate::limits::{Limits, MAX_KEY_BYTES, MAX_SMALL_BODY_BYTES, MAX_TARGET_BYTES};
use crate::log_id::LogId;
use crate::message::{Body, Head, Response};
use crate::metrics::{AnchorLag, Dropped, Gauge, Held, Metrics};
use crate::params::Params;
use crate::problem::Problem;
use crate::route::{Needs, Operation, Posted, Route, Unmatched};
use crate::service_log::{Denial, LOG_FOUND, SERVICE_LOG, ServiceLog, is_recorded, recorded_logs};
use crate::token::{Token, Tokens};

/// So long a store that answered is taken to answer.
const READY_FOR: Duration = Duration::from_secs(1);

/// The API over the logs of a catalogue.
///
/// A request goes through [`Api::admit`] before its body is read, which waits for nobody, and through [`Api::serve`] with it,
/// which reads and writes stores: a server calls it where waiting costs nobody else. Most appends need no such place
/// ([`Api::append_then`]). Any number of threads may call all of them.
pub struct Api {
    catalogue: Box<dyn Catalogue>,
    open: Mutex<HashMap<LogId, Arc<Slot>>>,
    tokens: RwLock<Arc<Tokens>>,
    /// The service's own log, once it is needed.
    service: Mutex<Option<Arc<OpenLog>>>,
    pub(crate) record: ServiceLog,
    /// Nothing is kept behind the request that it was made for.
    pub(crate) is_for_one_request: bool,
    stopping: AtomicBool,
    /// When the store answered last.
    ready: Mutex<Option<Instant>>,
    pub(crate) identity: String,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) exports: Arc<Gauge>,
    pub(crate) verifying: Mutex<()>,
}

/// A log that is open, or being opened.
#[derive(Default)]
struct Slot(Mutex<Option<Arc<OpenLog>>>);

/// An open log with what the service keeps of it.
pub(crate) struct OpenLog {
    pub(crate) id: LogId,
    pub(crate) log: ServedLog,
    pub(crate) keys: Mutex<Keys>,
    pub(crate) lag: AnchorLag,
    running: Arc<Gauge>,
}

/// A log that is open, and stays so while this is held.
pub struct ReadyLog(Arc<OpenLog>);

/// A request that may be carried out once its body is there.
#[derive(Debug)]
pub struct Admitted {
    pub(crate) head: Head,
    pub(crate) route: &'static Route,
    pub(crate) params: Params,
    pub(crate) log: Option<LogId>,
    /// What else stands in the path.
    pub(crate) captured: Option<String>,
    pub(crate) token: Option<Arc<Token>>,
    /// Bytes that the body may have.
    pub max_body_bytes: usize,
}

/// A request that is not carried out.
#[derive(Debug)]
pub struct Refused {
    pub(crate) problem: Response,
    pub(crate) denial: Option<Denial>,
}

impl Api {
    /// Serves the logs of a catalogue to whoever has one of these tokens. `identity` is the label of the key that signs heads.
    ///
    /// The service's own log is opened, or made, and told that the service began.
    pub fn new(
        catalogue: impl Catalogue + 'static,
        tokens: Tokens,
        identity: &str,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> Result<Api, LogError> {
        let api = Api::of(catalogue, tokens, identity, limits, metrics, false);
        let tokens = api.tokens().count();
        api.did("service.started", &json!({ "version": env!("CARGO_PKG_VERSION"), "tokens": tokens }))?;
        Ok(api)
    }

    /// The same for one request, on a host that keeps nothing between requests: it is made anew for each, costs nothing
    /// until a log is needed, and many may be there at once, also in other processes. What is known of earlier requests is read
    /// from the logs (decision 0140); nothing is counted.
    pub fn for_one_request(catalogue: impl Catalogue + 'static, tokens: Tokens, identity: &str, limits: Limits) -> Api {
        Api::of(catalogue, tokens, identity, limits, Arc::default(), true)
    }

    fn of(
        catalogue: impl Catalogue + 'static,
        tokens: Tokens,
        identity: &str,
        limits: Limits,
        metrics: Arc<Metrics>,
        is_for_one_request: bool,
    ) -> Api {
        Api {
            catalogue: Box::new(catalogue),
            open: Mutex::default(),
            service: Mutex::default(),
            record: ServiceLog::new(is_for_one_request),
            is_for_one_request,
            stopping: AtomicBool::new(false),
            ready: Mutex::default(),
            identity: identity.into(),
            limits,
            metrics,
            exports: Arc::default(),
            verifying: Mutex::default(),
            tokens: RwLock::new(Arc::new(tokens)),
        }
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Puts other tokens in the place of those that were.
    pub fn set_tokens(&self, tokens: Tokens) -> Result<(), LogError> {
        let count = tokens.count();
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
        self.did("tokens.loaded", &json!({ "tokens": count }))
    }

    /// Whether the body of a request is to be read.
    pub fn admit(&self, head: Head) -> Result<Admitted, Refused> {
        if head.path.len() + head.query.as_ref().map_or(0, String::len) > MAX_TARGET_BYTES {
            return Err(Problem::new("target-too-long").fact("limit", MAX_TARGET_BYTES).into());
        }
        let matched = match Route::find(&head.method, &head.path) {
            Ok(matched) => matched,
            Err(Unmatched::Method { allowed, asked: true }) => {
                let answer = Response { status: 204, headers: Vec::new(), body: Body::Bytes(Vec::new()), note: None };
                return Err(Refused { problem: answer.with("allow", allowed), denial: None });
            }
            Err(unmatched) => return Err(Problem::from(unmatched).into()),
        };
        let route = matched.route;
        let named = matched.capture("id").map(str::parse::<LogId>);
        let captured = matched.captures.iter().find(|(name, _)| *name != "id").map(|(_, value)| (*value).to_owned());
        let token = match self.allow(&head, route, named.as_ref().map(|id| id.as_ref().ok())) {
            Ok(token) => token,
            Err(refused) => {
                if route.operation == Operation::Append {
                    let rate = refused.problem.status == 429;
                    self.metrics.dropped(if rate { Dropped::Rate } else { Dropped::Denied }, 1);
                }
                return Err(refused);
            }
        };
        let log = named.transpose().map_err(|_| Problem::new("log-not-found"))?;
        let params = Params::read(head.query.as_deref(), route)?;
        let max_body_bytes = match route.posted {
            Posted::Nothing => 0,
            Posted::Records => self.limits.max_body_bytes,
            Posted::NewLog | Posted::Signing => MAX_SMALL_BODY_BYTES,
        };
        if let Some(length) = head.header("content-length")
            && !length.parse().is_ok_and(|length: u64| length <= max_body_bytes as u64)
        {
            return Err(too_large(max_body_bytes).into());
        }
        if head.headers.iter().filter(|(name, _)| name == "idempotency-key").count() > 1 {
            return Err(Problem::malformed("idempotency-key stands there twice").into());
        }
        if let Some(key) = head.header("idempotency-key")
            && (key.is_empty()
                || key.len() > MAX_KEY_BYTES
                || key.contains(|character: char| character.is_ascii_control()))
        {
            let detail = format!("idempotency-key has 1 to {MAX_KEY_BYTES} bytes, and no control characters");
            return Err(Problem::malformed(detail).into());
        }
        if self.stopping.load(Ordering::Relaxed) && route.needs != Needs::Nothing {
            return Err(Problem::new("stopping").retry_after(5).into());
        }
        Ok(Admitted { head, route, params, log, captured, token, max_body_bytes })
    }

    /// Carries out a request.
    pub fn serve(&self, admitted: &Admitted, body: &[u8]) -> Response {
        let served = if body.len() > admitted.max_body_bytes {
            Err(too_large(admitted.max_body_bytes))
        } else {
            handlers::serve(self, admitted, body)
        };
        served.unwrap_or_else(Response::from)
    }

    /// What [`Api::append_then`] appends to, where it need not wait for a store: as long as the body, of so many bytes, is short, has
    /// no idempotency key, and is for a log that is open.
    pub fn ready_log(&self, admitted: &Admitted, bytes: usize) -> Option<ReadyLog> {
        append::is_at_once(admitted, bytes).then(|| self.opened(admitted.log()?)).flatten().map(ReadyLog)
    }

    /// Appends, and answers when the records are durable. Nothing waits until then: the commit is made by one of `threads`, which
    /// also calls `then`.
    pub fn append_then(
        self: &Arc<Self>,
        ReadyLog(log): ReadyLog,
        admitted: &Admitted,
        body: &[u8],
        threads: &Threads,
        then: impl FnOnce(Response) + Send + 'static,
    ) {
        append::append_then(self, log, admitted, body, threads, then);
    }

    /// What is answered to a request that is not carried out; a denial is recorded before.
    pub fn refuse(&self, refused: Refused) -> Response {
        let Refused { mut problem, denial } = refused;
        if let Some(denial) = denial {
            problem.note = self.denied(denial).or(problem.note);
        }
        problem
    }

    /// All of it at once, for who has the body already.
    pub fn handle(&self, head: Head, body: &[u8]) -> Response {
        match self.admit(head) {
            Ok(admitted) => self.serve(&admitted, body),
            Err(refused) => self.refuse(refused),
        }
    }

    /// What is done every few seconds: denials that were counted are written.
    pub fn tick(&self) -> Result<(), LogError> {
        self.record.flush(&self.service()?.log, false)
    }

    /// No more requests are taken from now on.
    pub fn stop_taking(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Ends the service: the last head of each open log is signed, and given to the anchor. Answers what went wrong, by log.
    pub fn stop(&self) -> Vec<(LogId, LogError)> {
        self.stop_taking();
        let mut failed = Vec::new();
        let mut note = |id: &LogId, done: Result<(), LogError>| {
            if let Err(error) = done {
                failed.push((id.clone(), error));
            }
        };
        let slots: Vec<Arc<Slot>> = lock(&self.open).drain().map(|(_, slot)| slot).collect();
        for open in slots.iter().filter_map(|slot| lock(&slot.0).take()) {
            note(&open.id, sign_last(&open.log));
        }
        // Its log was needed when it began. What follows asks for it again, so that it is not kept locked.
        let service = lock(&self.service).clone();
        if let Some(service) = service {
            note(&service.id, self.record.flush(&service.log, true));
            note(&service.id, self.did("service.stopped", &json!({})));
            note(&service.id, sign_last(&service.log));
        }
        failed
    }

    /// Whether the store answers and requests are taken.
    pub(crate) fn is_ready(&self) -> Result<(), Problem> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Problem::new("stopping").retry_after(5));
        }
        // Anybody may ask, so that it must not cost a look at the store each time.
        let mut asked = lock(&self.ready);
        if asked.is_none_or(|at| at.elapsed() >= READY_FOR) {
            self.list(None, 1).map_err(|error| Problem::new("storage").note(error.to_string()))?;
            *asked = Some(Instant::now());
        }
        Ok(())
    }

    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Names of logs behind this one (or all), ascending, at most so many.
    pub(crate) fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Vec<LogId>, LogError> {
        match self.catalogue.list(after, limit)? {
            Some(found) => Ok(found),
            None => recorded_logs(&self.service()?.log, after, limit),
        }
    }

    /// Records what an administrator did.
    pub(crate) fn did(&self, event: &str, facts: &serde_json::Value) -> Result<(), LogError> {
        self.record.done(&self.service()?.log, event, facts)
    }

    /// The service's own log, opened or made when it is needed first.
    pub(crate) fn service(&self) -> Result<Arc<OpenLog>, LogError> {
        let mut service = lock(&self.service);
        if let Some(open) = &*service {
            return Ok(Arc::clone(open));
        }
        let id: LogId = SERVICE_LOG.parse().expect("it is a name");
        let log = match self.catalogue.open(&id)? {
            Some(log) => log,
            None => self.catalogue.create(&id)?,
        };
        Ok(Arc::clone(service.insert(Arc::new(OpenLog::new(id, log)))))
    }

    /// The log of this name, opened if it is not.
    pub(crate) fn log(&self, id: &LogId) -> Result<Arc<OpenLog>, Problem> {
        self.open_with(id, || {
            let opened = self.catalogue.open(id)?;
            opened.ok_or_else(|| {
                Problem::new("log-not-found").detail(format!("there is no log \"{id}\"")).fact("log", id.as_str())
            })
        })
    }

    /// Makes the log of this name.
    pub(crate) fn make_log(&self, id: &LogId) -> Result<Arc<OpenLog>, Problem> {
        let exists =
            || Problem::new("log-exists").detail(format!("there is a log \"{id}\" already")).fact("log", id.as_str());
        let mut made = false;
        let open = self.open_with(id, || {
            if self.catalogue.open(id)?.is_some() {
                return Err(exists());
            }
            made = true;
            Ok(self.catalogue.create(id)?)
        })?;
        if made { Ok(open) } else { Err(exists()) }
    }

    /// Records that a log is there, where nobody did: who made it was killed before it was recorded. Only where the service's own log
    /// is what says which logs there are.
    pub(crate) fn found_log(&self, id: &LogId, who: &str) -> Result<(), LogError> {
        let lists = self.catalogue.list(None, 1)?.is_some();
        if lists || id.as_str() == SERVICE_LOG || is_recorded(&self.service()?.log, id)? {
            return Ok(());
        }
        self.did(LOG_FOUND, &json!({ "log": id.as_str(), "token": who }))
    }

    /// The log of this name, if it is open and is not the service's own. Whoever holds a lock on the way may wait for a store, and is
    /// not waited for.
    fn opened(&self, id: &LogId) -> Option<Arc<OpenLog>> {
        let slot = Arc::clone(self.open.try_lock().ok()?.get(id)?);
        slot.0.try_lock().ok()?.clone()
    }

    fn open_with(
        &self,
        id: &LogId,
        open: impl FnOnce() -> Result<ServedLog, Problem>,
    ) -> Result<Arc<OpenLog>, Problem> {
        if id.as_str() == SERVICE_LOG {
            return Ok(self.service()?);
        }
        let slot = self.slot(id)?;
        let mut opened = lock(&slot.0);
        if let Some(open) = &*opened {
            return Ok(Arc::clone(open));
        }
        let found = open().map(|log| Arc::new(OpenLog::new(id.clone(), log)));
        match &found {
            Ok(open) => *opened = Some(Arc::clone(open)),
            Err(_) => {
                // Names of logs that are not there are not remembered.
                drop(opened);
                let mut slots = lock(&self.open);
                if slots.get(id).is_some_and(|known| Arc::ptr_eq(known, &slot) && is_empty(known)) {
                    slots.remove(id);
                }
            }
        }
        found
    }

    fn slot(&self, id: &LogId) -> Result<Arc<Slot>, Problem> {
        let mut slots = lock(&self.open);
        if let Some(slot) = slots.get(id) {
            return Ok(Arc::clone(slot));
        }
        let mut let_go = None;
        if slots.len() >= self.limits.open_logs {
            // One that nobody uses makes room. Its store gives its lock back when it is dropped.
            let idle = slots.iter().find(|(_, slot)| Arc::strong_count(slot) == 1 && is_idle(slot));
            let idle = idle.map(|(id, _)| id.clone());
            let idle = idle.ok_or_else(|| Problem::new("too-many-logs").retry_after(1))?;
            let_go = slots.remove(&idle).and_then(|slot| lock(&slot.0).take());
        }
        let slot = Arc::clone(slots.entry(id.clone()).or_default());
        if let Some(open) = let_go {
            // While the map is held, so that nobody opens it again before it is closed.
            sign_last(&open.log)?;
        }
        Ok(slot)
    }

    pub(crate) fn open_logs(&self) -> Vec<Arc<OpenLog>> {
        let slots: Vec<Arc<Slot>> = lock(&self.open).values().cloned().collect();
        let open = slots.iter().filter_map(|slot| slot.0.try_lock().ok()?.clone());
        open.chain(lock(&self.service).clone()).collect()
    }
}

impl OpenLog {
    fn new(id: LogId, log: ServedLog) -> OpenLog {
        let lag = AnchorLag::of(&log.lock().status());
        OpenLog { id, log, keys: Mutex::default(), lag, running: Arc::default() }
    }

    /// Takes a place among the requests of the log that are carried out.
    pub(crate) fn enter(&self, limits: &Limits) -> Result<Held, Problem> {
        let held = self.running.hold();
        if self.running.count() > limits.per_log {
            return Err(Problem::new("busy").retry_after(1).fact("limit", limits.per_log));
        }
        Ok(held)
    }

    pub(crate) fn is_service(&self) -> bool {
        self.id.as_str() == SERVICE_LOG
    }
}

impl Admitted {
    /// Whether it takes neither a store nor time.
    pub fn is_cheap(&self) -> bool {
        matches!(self.route.operation, Operation::Health | Operation::OpenApi | Operation::ExplainProblem)
    }

    /// The log that it is about.
    pub fn log(&self) -> Option<&LogId> {
        self.log.as_ref()
    }

    /// Whether records are posted with it.
    pub fn is_append(&self) -> bool {
        self.route.operation == Operation::Append
    }

    pub(crate) fn who(&self) -> &str {
        self.token.as_ref().map_or("", |token| &token.name)
    }
}

impl Refused {
    /// Whether answering it takes a store, as it is recorded.
    pub fn is_recorded(&self) -> bool {
        self.denial.is_some()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused { problem: problem.into(), denial: None }
    }
}

/// Problems that a server finds itself, before or instead of the API.
impl Response {
    /// The body is longer than it may be.
    pub fn too_large(limit: usize) -> Response {
        too_large(limit).into()
    }

    /// The body was not there in time.
    pub fn body_timeout() -> Response {
        Problem::new("body-timeout").header("connection", "close").into()
    }

    /// The body ended before it was all there, or is not in the form that was said.
    pub fn body_broken() -> Response {
        Problem::malformed("the body was cut short").header("connection", "close").into()
    }

    /// More requests wait than may wait.
    pub fn busy() -> Response {
        Problem::new("busy").retry_after(1).into()
    }

    /// The headers are longer than they may be.
    pub fn headers_too_large() -> Response {
        Problem::new("headers-too-large").into()
    }

    /// What the service was told makes no service. Who runs it is told why, and nobody else.
    pub fn misconfigured() -> Response {
        Problem::new("misconfigured").into()
    }

    /// A fault of the service: the note says which.
    pub fn internal(note: impl Into<String>) -> Response {
        Problem::new("internal").note(note).into()
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new("body-too-large").fact("limit", limit)
}

/// Signs the head where a key is there and entries stand behind the last signed one.
fn sign_last(log: &ServedLog) -> Result<(), LogError> {
    let mut log = log.lock();
    let status = log.status();
    if status.head_key.is_some() && (status.attested_to < status.size || status.anchor && !status.anchored) {
        log.sign_head()?;
    }
    Ok(())
}

fn is_empty(slot: &Slot) -> bool {
    slot.0.try_lock().is_ok_and(|opened| opened.is_none())
}

fn is_idle(slot: &Slot) -> bool {
    slot.0.try_lock().is_ok_and(|opened| opened.as_ref().is_none_or(|open| Arc::strong_count(open) == 1))
}

/// A lock whose holder panicked is still good: what it guards is replaced as a whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
