//! Several over one store: hosts that keep nothing between requests, where each request has an API of its own, and servers.

use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};

use secure_log::engine::{Absent, LogOptions, Providers};
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::providers::NoKeys;
use secure_log::store::SecureLogStore as _;
use secure_log_http::token::{Logs, NewToken, Scope, Tokens};
use secure_log_http::{Api, Catalogue, Head, Limits, LogId, Metrics, Response, ServedLog, ServedStore};
use secure_log_testkit::SharedStore;
use serde_json::{Value, json};

use crate::world::{KEY, case, text};

/// Stores that outlive those who open them, and that nobody can list.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<HashMap<LogId, SharedStore<MemoryStore>>>>);

impl Shelf {
    fn store(&self, id: &LogId) -> SharedStore<MemoryStore> {
        let mut stores = self.0.lock().unwrap();
        stores.entry(id.clone()).or_insert_with(|| SharedStore::new(MemoryStore::new())).clone()
    }
}

impl Catalogue for Shelf {
    fn opened(&self, id: &LogId, absent: Absent) -> Result<ServedLog, LogError> {
        let store = ServedStore::new(Box::new(self.store(id)), Arc::<Metrics>::default());
        let options = LogOptions { origin: Some(format!("example.org/{id}")), absent, ..LogOptions::default() };
        ServedLog::open(store, Providers::system(NoKeys), options)
    }

    fn list(&self, _: Option<&LogId>, _: u32) -> Result<Option<Vec<LogId>>, LogError> {
        Ok(None)
    }
}

/// A host with one token, which may do everything.
struct Host {
    shelf: Shelf,
    token: NewToken,
}

impl Host {
    fn new() -> Host {
        let scopes = Scope::NAMES.map(|(scope, _)| scope).into();
        Host { shelf: Shelf::default(), token: NewToken::draw("all", &scopes, &Logs::All, None).unwrap() }
    }

    fn tokens(&self) -> Tokens {
        Tokens::parse(&self.token.line).unwrap()
    }

    fn handle(&self, head: Head, body: &str) -> Response {
        Api::for_one_request(self.shelf.clone(), self.tokens(), KEY, Limits::default()).handle(head, body.as_bytes())
    }

    /// A server over the same stores, which keeps what it knows in memory.
    fn server(&self) -> Api {
        Api::new(self.shelf.clone(), self.tokens(), KEY, Limits::default(), Arc::default()).expect("a server begins")
    }

    fn head(&self, method: &str, target: &str) -> Head {
        let bearer = format!("Bearer {}", *self.token.secret);
        Head::new(method, target).with("authorization", &bearer).with("content-type", "application/json")
    }

    fn call(&self, head: Head, body: &str) -> (u16, Value) {
        answer(self.handle(head, body))
    }

    fn get(&self, target: &str) -> (u16, Value) {
        self.call(self.head("GET", target), "")
    }

    fn post(&self, target: &str, body: &str) -> (u16, Value) {
        self.call(self.head("POST", target), body)
    }

    fn with_key(&self, key: &str) -> Head {
        self.head("POST", "/v1/logs/app/records").with("idempotency-key", key)
    }

    /// The events of the service's own log.
    fn service_events(&self) -> Vec<String> {
        let (status, page) = self.get("/v1/logs/service/records?limit=1000");
        assert_eq!(status, 200, "{page}");
        let entries = page["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
    }
}

fn answer(response: Response) -> (u16, Value) {
    let (status, text) = text(response);
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

const RECORD: &str = r#"{"stream":"auth","event":"login","text":"alice"}"#;

#[test]
fn what_one_request_did_the_next_one_finds() {
    let host = Host::new();
    assert_eq!(host.get("/v1/logs").1["logs"], json!(["service"]));
    for id in ["web", "app"] {
        assert_eq!(host.post("/v1/logs", &json!({ "id": id }).to_string()).0, 201);
    }
    assert_eq!(host.post("/v1/logs/app/records", RECORD).1["entries"][0]["seqno"], 1);
    assert_eq!(host.post("/v1/logs/app/records", &format!("[{RECORD},{RECORD}]")).1["size"], 3);
    assert_eq!(host.get("/v1/logs/app/records/3").1["text"], "alice");
    assert_eq!(case(&host.post("/v1/logs", r#"{"id":"app"}"#).1), "log-exists");
    assert_eq!(host.get("/v1/logs").1, json!({ "logs": ["app", "service", "web"], "next": null }));
    assert_eq!(host.get("/v1/logs?limit=1").1, json!({ "logs": ["app"], "next": "app" }));
    assert_eq!(host.get("/v1/logs?limit=1&after=app").1, json!({ "logs": ["service"], "next": "service" }));
    assert_eq!(host.get("/v1/logs?limit=9&after=service").1["logs"], json!(["web"]));
    assert_eq!(host.get("/v1/logs/web/verify").1["verdict"], "incomplete");
    // No request begins the service.
    assert_eq!(host.service_events(), ["log.created", "log.created", "log.verified"]);
    let (_, metrics) = host.get("/metrics");
    let metrics = metrics.as_str().unwrap();
    for line in ["secure_log_logs 3", "secure_log_service_entries 3", "secure_log_verification_age_seconds 0"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}

#[test]
fn who_asks_for_a_log_that_is_not_there_makes_none() {
    let host = Host::new();
    for (method, target, body) in [("GET", "/v1/logs/app", ""), ("POST", "/v1/logs/app/records", RECORD)] {
        assert_eq!(case(&host.call(host.head(method, target), body).1), "log-not-found");
    }
    assert_eq!(host.shelf.store(&"app".parse().unwrap()).log(), Ok(None));
}

#[test]
fn a_key_is_looked_for_in_the_log() {
    let host = Host::new();
    host.post("/v1/logs", r#"{"id":"app"}"#);
    let first = host.call(host.with_key("k"), RECORD);
    assert_eq!((first.0, &first.1["size"]), (201, &json!(2)));
    let again = host.handle(host.with_key("k"), RECORD);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(answer(again).1["entries"], first.1["entries"]);
    assert_eq!(case(&host.call(host.with_key("k"), "[]").1), "malformed");
    let other = RECORD.replace("alice", "bob");
    assert_eq!(case(&host.call(host.with_key("k"), &other).1), "idempotency-key-reused");
    // A server that has its keys in memory takes over, and gives back.
    let server = host.server();
    assert_eq!(answer(server.handle(host.with_key("k"), RECORD.as_bytes())).1["entries"], first.1["entries"]);
    let second = answer(server.handle(host.with_key("l"), RECORD.as_bytes()));
    drop(server);
    assert_eq!(second.1["size"], 4);
    assert_eq!(host.call(host.with_key("l"), RECORD).1["entries"], second.1["entries"]);
    assert_eq!(host.get("/v1/logs/app").1["size"], 4);
}

#[test]
fn the_same_request_at_once_is_appended_once_and_others_are_not_lost() {
    let host = Host::new();
    race(&host, |_, head| host.call(head, RECORD));
}

/// Each of them has its keys in memory, and learns of those of the others from the log.
#[test]
fn the_same_request_to_several_servers_at_once_is_appended_once_and_others_are_not_lost() {
    let host = Host::new();
    let servers = [host.server(), host.server(), host.server()];
    let call = |thread: usize, head: &Head| match servers.get(thread % 4) {
        Some(server) => answer(server.handle(head.clone(), RECORD.as_bytes())),
        None => host.call(head.clone(), RECORD),
    };
    race(&host, |thread, head| {
        loop {
            // Another thread's is under way in the same server.
            match call(thread, &head) {
                (409, said) if case(&said) == "idempotency-key-in-use" => std::thread::yield_now(),
                ended => return ended,
            }
        }
    });
}

/// Eight threads send one request at once, round after round, and each one of its own.
fn race(host: &Host, call: impl Fn(usize, Head) -> (u16, Value) + Sync) {
    host.post("/v1/logs", r#"{"id":"app"}"#);
    let (together, rounds) = (Barrier::new(8), 20);
    let answers: Vec<Vec<(u16, Value)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (call, together) = (&call, &together);
                let shared = move |round| {
                    together.wait();
                    call(thread, host.with_key(&format!("shared-{round}")))
                };
                scope.spawn(move || {
                    let own = call(thread, host.with_key(&format!("own-{thread}")));
                    (0..rounds).map(shared).chain([own]).collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().flatten().all(|(status, _)| *status == 201), "{answers:?}");
    let shared = |answers: &[(u16, Value)]| -> Vec<Value> {
        answers[..rounds].iter().map(|(_, said)| said["entries"].clone()).collect()
    };
    assert!(answers.iter().all(|each| shared(each) == shared(&answers[0])), "{answers:?}");
    // Of each its record and the entry of its key.
    assert_eq!(host.get("/v1/logs/app").1["size"], 2 * (8 + rounds));
}

#[test]
fn a_server_finds_the_keys_that_others_used_since_it_looked() {
    let host = Host::new();
    host.post("/v1/logs", r#"{"id":"app"}"#);
    let (one, other) = (host.server(), host.server());
    let send = |server: &Api, key: &str| server.handle(host.with_key(key), RECORD.as_bytes());
    for server in [&one, &other] {
        assert_eq!(send(server, "first").status, 201);
    }
    // Both know the first key by now, and neither what is sent to the other.
    for round in 0..3 {
        for (server, another) in [(&one, &other), (&other, &one)] {
            let key = format!("{round} {}", std::ptr::eq(server, &one));
            let sent = send(server, &key);
            let again = send(another, &key);
            assert_eq!(
                (sent.header("idempotency-replayed"), again.header("idempotency-replayed")),
                (None, Some("true"))
            );
            assert_eq!(answer(sent).1["entries"], answer(again).1["entries"]);
            let reused = another.handle(host.with_key(&key), RECORD.replace("alice", "bob").as_bytes());
            assert_eq!(case(&answer(reused).1), "idempotency-key-reused");
        }
    }
    assert_eq!(host.get("/v1/logs/app").1["size"], 2 * (1 + 6));
}

#[test]
fn a_log_whose_making_was_not_recorded_is_found_once_somebody_makes_it_again() {
    let host = Host::new();
    host.shelf.create(&"app".parse().unwrap()).unwrap();
    assert_eq!(host.get("/v1/logs/app").0, 200);
    assert_eq!(host.get("/v1/logs").1["logs"], json!(["service"]));
    for _ in 0..2 {
        assert_eq!(case(&host.post("/v1/logs", r#"{"id":"app"}"#).1), "log-exists");
        assert_eq!(host.get("/v1/logs").1["logs"], json!(["app", "service"]));
        assert_eq!(host.service_events(), ["log.found"]);
    }
}

#[test]
fn each_denial_is_an_entry_until_there_are_too_many() {
    let host = Host::new();
    let denied = || host.handle(Head::new("GET", "/v1/logs/app"), "");
    let first = denied();
    assert_eq!((first.status, &first.note), (401, &None));
    assert_eq!(host.service_events(), ["call.denied"]);
    for _ in 1..32 {
        assert_eq!(denied().note, None);
    }
    assert!(denied().note.is_some_and(|note| note.contains("not recorded")));
    let events = host.service_events();
    assert_eq!((events.len(), events[30].as_str(), events[31].as_str()), (32, "call.denied", "calls.denied"));
}
