//! The part that measures over HTTP: the server on files and in SQLite, and beside it a bare server that reads what it is sent,
//! answers as many bytes, and does nothing.
//!
//! Both are this program, started again as a process of its own; the clients are connections of one thread of this one.
#![forbid(unsafe_code)]

mod client;
mod nothing;

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use secure_log_bench_shared::{Failure, Part, SEED, Sample, entry};
use secure_log_http::token::{Logs, NewToken, Scope};
use secure_log_server::config::Config;

use client::Load;

/// Connections of each row.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

fn main() -> ExitCode {
    let served = match env::args().nth(1).as_deref() {
        Some("serve") => Config::read(env::vars())
            .map_err(Failure::from)
            .and_then(|config| Ok(secure_log_server::server::run(config)?)),
        Some("nothing") => nothing::serve(),
        _ => secure_log_bench_shared::serve(Http),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("secure-log-bench-http: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Http;

impl Part for Http {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        let store = match case {
            "http-file" => "file",
            "http-sqlite" => "sqlite",
            "http-nothing" => "nothing",
            _ => return Ok(Vec::new()),
        };
        let mut samples = Vec::new();
        for connections in CONNECTIONS {
            let server = Server::start(store)?;
            let load = Load {
                connections,
                records: 1,
                requests: entries.max(connections as u64) * connections.min(16) as u64,
            };
            let mut took = client::run(&server.address, &server.secret, &load)?;
            let name = format!("http-append-{connections}");
            samples.push(Sample::new(&name, store, load.requests, took.all.as_secs_f64()));
            took.each.sort_unstable();
            for (percent, called) in [(50, "p50"), (99, "p99")] {
                let one: Duration = took.each[(took.each.len() - 1) * percent / 100];
                samples.push(Sample::new(format!("{name}-{called}"), store, 1, one.as_secs_f64()));
            }
        }
        let server = Server::start(store)?;
        let load = Load { connections: 1, records: entry::BATCH, requests: entries.div_ceil(5) };
        let took = client::run(&server.address, &server.secret, &load)?;
        let written = load.requests * entry::BATCH as u64;
        samples.push(Sample::new("http-append-batch", store, written, took.all.as_secs_f64()));
        Ok(samples)
    }
}

/// A server with an empty log, in a folder of its own.
struct Server {
    child: Child,
    address: String,
    secret: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(store: &str) -> Result<Server, Failure> {
        let folder = tempfile::Builder::new().prefix("secure-log-bench-http-").tempdir()?;
        let token = NewToken::draw("bench", &[Scope::Append, Scope::Admin].into(), &Logs::All, None)?;
        let tokens = folder.path().join("tokens");
        std::fs::write(&tokens, &token.line)?;
        let mut command = Command::new(env::current_exe()?);
        command
            .arg(if store == "nothing" { "nothing" } else { "serve" })
            .env("SECURE_LOG_HTTP_LISTEN", "127.0.0.1:0")
            .env("SECURE_LOG_HTTP_STORE", format!("{store}:{}", folder.path().display()))
            .env("SECURE_LOG_HTTP_RATE", "1000000")
            .env("SECURE_LOG_TOKENS", tokens)
            .env("SECURE_LOG_ORIGIN", "example.org/bench")
            .env("SECURE_LOG_KEYSTORE_SEED", SEED)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("it has no output")?).read_line(&mut line)?;
        let address = line.trim().rsplit_once("://").ok_or("the server does not start")?.1.to_owned();
        let secret = token.secret.to_string();
        client::make_log(&address, &secret)?;
        Ok(Server { child, address, secret, _folder: folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is looked at again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
