//! A service over files in a folder, that can be ended and started again.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use secure_log::engine::{Absent, LogOptions, Providers};
use secure_log::error::LogError;
use secure_log::shared::Threads;
use secure_log_file::FileStore;
use secure_log_http::metrics::TimedKeystore;
use secure_log_http::token::{Logs, NewToken, Scope, Tokens};
use secure_log_http::{Api, Body, Catalogue, Head, Limits, LogId, Metrics, Next, Response, ServedLog, ServedStore};
use secure_log_keystore::{Config, SoftwareKeystore};
use serde_json::Value;

pub(crate) const KEY: &str = "checkpoint-ed25519";

pub(crate) struct Files {
    folder: PathBuf,
    metrics: Arc<Metrics>,
    keyless: bool,
}

impl Catalogue for Files {
    fn opened(&self, id: &LogId, absent: Absent) -> Result<ServedLog, LogError> {
        let path = self.folder.join(format!("{id}.jsonl"));
        if absent == Absent::Refuse && !path.exists() {
            return Err(LogError::LogNotFound { origin: None });
        }
        let store = FileStore::open(path)?;
        let keystore = SoftwareKeystore::new(
            Config::from_env(|name| match name {
                "SECURE_LOG_KEYSTORE_SEED" if !self.keyless => Ok("5e".repeat(32)),
                _ => Err(std::env::VarError::NotPresent),
            })
            .unwrap(),
        );
        let providers = Providers::system(TimedKeystore::new(keystore, self.metrics.clone()));
        let options = LogOptions { origin: Some(format!("example.org/{id}")), absent, ..LogOptions::default() };
        ServedLog::open(ServedStore::new(Box::new(store), self.metrics.clone()), providers, options)
    }

    fn list(&self, after: Option<&LogId>, limit: u32) -> Result<Option<Vec<LogId>>, LogError> {
        let names =
            std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut ids: Vec<LogId> = names.filter_map(|name| name.strip_suffix(".jsonl")?.parse().ok()).collect();
        ids.retain(|id| after.is_none_or(|after| id > after));
        ids.sort();
        ids.truncate(limit as usize);
        Ok(Some(ids))
    }
}

pub(crate) struct World {
    folder: Arc<tempfile::TempDir>,
    pub(crate) api: Arc<Api>,
    pub(crate) secrets: Vec<(String, String)>,
    lines: String,
    limits: Limits,
    keyless: bool,
}

impl World {
    /// With the log `app`, and a token `all` that may do everything.
    pub(crate) fn new() -> World {
        World::with(Limits::default(), false)
    }

    pub(crate) fn with(limits: Limits, keyless: bool) -> World {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let all = NewToken::draw("all", &Scope::NAMES.map(|(scope, _)| scope).into(), &Logs::All, None).unwrap();
        let secrets = vec![("all".to_owned(), all.secret.to_string())];
        let api = begin(&folder, &all.line, limits, keyless);
        let world = World { folder, api, secrets, lines: all.line, limits, keyless };
        assert_eq!(world.post("/v1/logs", r#"{"id":"app"}"#).0, 201);
        world
    }

    /// Ends the service as if it had been killed, and starts another one over the same files.
    pub(crate) fn again(self) -> World {
        let World { folder, api, secrets, lines, limits, keyless } = self;
        drop(api);
        let api = begin(&folder, &lines, limits, keyless);
        World { folder, api, secrets, lines, limits, keyless }
    }

    /// One token more, which is shown by its name.
    pub(crate) fn token(&mut self, name: &str, scopes: &[Scope], logs: &str, expires: Option<&str>) {
        let logs = secure_log_http::token::read_logs(logs).unwrap();
        let expires = expires.map(|time| secure_log_http::token::read_time(time).unwrap());
        let token = NewToken::draw(name, &scopes.iter().copied().collect(), &logs, expires).unwrap();
        self.lines = format!("{}\n{}", self.lines, token.line);
        self.secrets.push((name.into(), token.secret.to_string()));
        self.api.set_tokens(Tokens::parse(&self.lines).unwrap()).unwrap();
    }

    pub(crate) fn head(&self, who: &str, method: &str, target: &str) -> Head {
        let head = Head::new(method, target);
        match self.secrets.iter().find(|(name, _)| name == who) {
            Some((_, secret)) => head.with("Authorization", &format!("Bearer {secret}")),
            None => head,
        }
    }

    /// As the native server carries a request out: an append is waited for by nobody, where that can be.
    pub(crate) fn call(&self, head: Head, body: &str) -> (u16, Value) {
        read(match self.api.admit(head) {
            Ok(admitted) => match self.api.ready_log(&admitted, body.len()) {
                Some(log) => {
                    let threads: Threads = Arc::new(|work| work());
                    let (answer, answered) = mpsc::channel();
                    let then = move |said| answer.send(said).unwrap();
                    self.api.append_then(log, &admitted, body.as_bytes(), &threads, then);
                    answered.recv().unwrap()
                }
                None => self.api.serve(&admitted, body.as_bytes()),
            },
            Err(refused) => self.api.refuse(refused),
        })
    }

    /// By a thread that waits for the store.
    pub(crate) fn call_and_wait(&self, head: Head, body: &str) -> (u16, Value) {
        read(self.api.handle(head, body.as_bytes()))
    }

    pub(crate) fn post(&self, target: &str, body: &str) -> (u16, Value) {
        self.call(self.head("all", "POST", target).with("content-type", "application/json"), body)
    }

    pub(crate) fn get(&self, target: &str) -> (u16, Value) {
        self.call(self.head("all", "GET", target), "")
    }

    pub(crate) fn append(&self, stream: &str, text: &str) -> u64 {
        let record = serde_json::json!({ "stream": stream, "event": "e", "text": text });
        let (status, answer) = self.post("/v1/logs/app/records", &record.to_string());
        assert_eq!(status, 201, "{answer}");
        answer["entries"][0]["seqno"].as_u64().unwrap()
    }

    pub(crate) fn metric(&self, line: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let text = text.as_str().unwrap();
        let value = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_else(|| panic!("{line}: {text}"));
        value.trim().parse().unwrap()
    }
}

fn read(response: Response) -> (u16, Value) {
    let (status, text) = text(response);
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn begin(folder: &tempfile::TempDir, lines: &str, limits: Limits, keyless: bool) -> Arc<Api> {
    let metrics = Arc::new(Metrics::default());
    let files = Files { folder: folder.path().into(), metrics: metrics.clone(), keyless };
    Arc::new(Api::new(files, Tokens::parse(lines).unwrap(), KEY, limits, metrics).unwrap())
}

/// The status, and all of the body.
pub(crate) fn text(response: Response) -> (u16, String) {
    let bytes = match response.body {
        Body::Bytes(bytes) => bytes,
        Body::Stream(mut stream) => {
            let mut all = Vec::new();
            loop {
                match stream.next(std::task::Waker::noop()) {
                    Next::Bytes(bytes) => all.extend(bytes),
                    Next::End | Next::Nothing => break all,
                    Next::Broken(why) => panic!("{why}"),
                }
            }
        }
    };
    (response.status, String::from_utf8(bytes).unwrap())
}

/// The case of a problem.
pub(crate) fn case(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/")).unwrap_or_else(|| panic!("{answer}"))
}
