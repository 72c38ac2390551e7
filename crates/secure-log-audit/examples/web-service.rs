//! A web service that records who asked it for what. Reading is recorded; a change is guarded, and is not made where it cannot
//! be recorded: the caller gets 503.
//!
//! `cargo run -p secure-log-audit --example web-service -- 127.0.0.1:8080` serves until it is stopped. Without an address the
//! example asks itself a few things and prints the trail.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use secure_log::engine::{LogOptions, Providers};
use secure_log::providers::NoKeys;
use secure_log_audit::{
    Action, AuditLog, Authorization, Category, Event, Filter, Json, Object, Outcome, Principal, Profile, RunError,
};
use secure_log_file::FileStore;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = FileStore::open(folder.path().join("audit.jsonl"))?;
    let profile = Profile { producer: "web-service".into(), ..Profile::default() };
    let audit = AuditLog::open(store, Providers::system(NoKeys), LogOptions::default(), profile)?;
    let service = Arc::new(Service { audit: audit.clone(), prices: Mutex::default() });

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    let here = listener.local_addr()?;
    let server = std::thread::spawn(move || serve(&listener, &service));
    if address.is_some() {
        println!("serving on http://{here}/prices/<name>");
        return server.join().map_err(|_| "the server panicked".into());
    }

    for (user, method, path, body) in [
        ("alice", "PUT", "/prices/tea", "4"),
        ("bob", "GET", "/prices/tea", ""),
        ("bob", "PUT", "/prices/tea", "1"),
        ("alice", "GET", "/prices/coal", ""),
    ] {
        println!("{user:5} {method} {path}: {}", ask(here, user, method, path, body)?);
    }
    for logged in audit.events(&Filter::default(), 1, 100)?.events {
        println!("{:2} {:5} {}", logged.seqno, logged.event.actor.who.id, logged.event.event_type());
    }
    println!("{} without an end", audit.verify()?.review.unfinished.len());
    Ok(())
}

struct Service {
    audit: AuditLog<FileStore>,
    prices: Mutex<BTreeMap<String, String>>,
}

/// A thread for each connection: appends that come at the same time become durable together.
fn serve(listener: &TcpListener, service: &Arc<Service>) {
    for stream in listener.incoming().flatten() {
        let service = Arc::clone(service);
        std::thread::spawn(move || {
            if let Err(error) = answer(stream, &service) {
                eprintln!("a connection ended early: {error}");
            }
        });
    }
}

/// Just enough of HTTP for an example; who asks is what a proxy in front of it says.
fn answer(stream: TcpStream, service: &Service) -> Result<(), Box<dyn Error>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Err("no request".into()) };
    let (mut user, mut request, mut length) = (String::new(), None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("X-User", value)) => user = value.into(),
            Some(("X-Request-Id", value)) => request = Some(value.to_owned()),
            Some(("Content-Length", value)) => length = value.parse::<usize>()?.min(4096),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, text) = service.handle(method, path, &user, request, &String::from_utf8(body)?);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())?;
    Ok(())
}

impl Service {
    fn handle(&self, method: &str, path: &str, user: &str, request: Option<String>, body: &str) -> (&str, String) {
        let Some(name) = path.strip_prefix("/prices/") else { return ("404 Not Found", "no such thing".into()) };
        let done = match method {
            "GET" => self.read(name, user, request),
            "PUT" => self.change(name, user, request, body),
            _ => return ("405 Method Not Allowed", "GET or PUT".into()),
        };
        done.unwrap_or_else(|error| {
            // What cannot be recorded is not done, and the details are not the caller's.
            eprintln!("{error}");
            ("503 Service Unavailable", "it cannot be recorded now".into())
        })
    }

    fn read(&self, name: &str, user: &str, request: Option<String>) -> Result<(&str, String), Box<dyn Error>> {
        let price = lock(&self.prices).get(name).cloned();
        let event = self.event(user, Authorization::NotRequired, "price.read", name, request, Json::Null)?;
        let session = self.audit.session(user)?;
        Ok(match price {
            Some(price) => {
                session.record(&event)?;
                ("200 OK", price)
            }
            None => {
                session.record(&event.ended(Outcome::failure("no such price")))?;
                ("404 Not Found", "no such price".into())
            }
        })
    }

    fn change(
        &self,
        name: &str,
        user: &str,
        request: Option<String>,
        price: &str,
    ) -> Result<(&str, String), Box<dyn Error>> {
        let right = match user {
            "alice" => Authorization::User { user: user.into() },
            _ => Authorization::Denied { reason: "only alice sets prices".into() },
        };
        let document = Object::new().with("to", price).into();
        let event = self.event(user, right, "price.changed", name, request, document)?;
        let changed = self.audit.session(user)?.guard().run(event, || {
            lock(&self.prices).insert(name.into(), price.into());
            Ok::<_, std::convert::Infallible>(())
        });
        match changed {
            Ok(()) => Ok(("200 OK", "changed".into())),
            Err(RunError::Refused(secure_log_audit::Refused::Denied { reason, .. })) => Ok(("403 Forbidden", reason)),
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn event(
        &self,
        user: &str,
        right: Authorization,
        what: &str,
        name: &str,
        request: Option<String>,
        document: Json,
    ) -> Result<Event, Box<dyn Error>> {
        let action = Action::Custom { name: what.into(), category: Category::Activity, document };
        let event = self.audit.event(Principal::user(user), right, action)?.on("price", name);
        Ok(Event { correlation: request, ..event })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(to: std::net::SocketAddr, user: &str, method: &str, path: &str, body: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(to)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nX-User: {user}\r\nX-Request-Id: {user}-{path}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ");
    Ok(format!("{status} ({})", answer.rsplit("\r\n").next().unwrap_or_default()))
}
