//! The part that measures over HTTP: the service on files, in SQLite and in PostgreSQL, as a native server and, told so, as a component
//! under `wasmtime serve`. Beside each, the same load on one that reads what it is sent, answers as many bytes, and does nothing.
//!
//! Each server is a process of its own: this program, started again, or wasmtime. The clients are connections of one thread of this one.
#![forbid(unsafe_code)]

mod client;
mod nothing;
mod server;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use secure_log_bench_shared::{Failure, Part, Sample, entry};
use secure_log_server::config::Config;

use client::Load;
use server::Host;

const USAGE: &str = "usage: secure-log-bench-http [components STACKS GUESTS | serve | nothing]";

/// Connections of each row.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let served = match arguments[..] {
        [] => secure_log_bench_shared::serve(Http { host: Host::Native }),
        ["components", stacks, guests] => Host::wasmtime(stacks.as_ref(), guests.as_ref())
            .and_then(|host| secure_log_bench_shared::serve(Http { host })),
        ["serve"] => Config::read(env::vars())
            .map_err(Failure::from)
            .and_then(|config| Ok(secure_log_server::server::run(config)?)),
        ["nothing"] => nothing::serve(),
        _ => Err(USAGE.into()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("secure-log-bench-http: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Http {
    host: Host,
}

impl Part for Http {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        let Some(store) = case.strip_prefix("http-") else { return Ok(Vec::new()) };
        let mut samples = Vec::new();
        for connections in CONNECTIONS {
            let Some(server) = self.host.start(store)? else { return Ok(samples) };
            let requests = entries.max(connections as u64) * connections.min(16) as u64;
            // A component makes an instance for each of them.
            let requests = requests / if self.host.is_native() { 1 } else { 4 };
            let load = Load { connections, records: 1, requests: requests.max(connections as u64) };
            let mut took = client::run(&server, &load)?;
            let name = format!("http-append-{connections}");
            samples.push(Sample::new(&name, store, took.each.len() as u64, took.all.as_secs_f64()));
            took.each.sort_unstable();
            for (percent, called) in [(50, "p50"), (99, "p99")] {
                let one: Duration = took.each[(took.each.len() - 1) * percent / 100];
                samples.push(Sample::new(format!("{name}-{called}"), store, 1, one.as_secs_f64()));
            }
        }
        let Some(server) = self.host.start(store)? else { return Ok(samples) };
        let load = Load { connections: 1, records: entry::BATCH, requests: entries.div_ceil(5) };
        let took = client::run(&server, &load)?;
        let written = load.requests * entry::BATCH as u64;
        samples.push(Sample::new("http-append-batch", store, written, took.all.as_secs_f64()));
        Ok(samples)
    }
}
