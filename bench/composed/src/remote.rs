//! Appending through a server, alone and with others, and beside it the same on the spot.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use secure_log_bench_shared::{Failure, SEED, Sample, timed};
use secure_log_verify::endpoint::{Endpoints, Server};
use secure_log_verify::host::writer::NewEntries;
use secure_log_verify::host::{Instance, LogError, Stack, Surroundings};

use crate::{Composed, append, load, refused};

/// Programs that append at the same time.
const CLIENTS: usize = 16;
/// Entries of a commit.
const SIZES: [usize; 3] = [1, 100, 1000];
/// Commits that one client makes in a round.
const COMMITS: [usize; 3] = [32, 16, 8];

/// The stack whose store is remote, its server, and one that does nothing.
pub struct Remote {
    stack: Stack,
    servers: Endpoints,
    nothing: Server,
    database: PathBuf,
}

impl Remote {
    /// The servers are compiled, and the one that does nothing is started.
    pub fn new(stack: &Path, nothing: &Path, folder: &Path) -> Result<Remote, Failure> {
        let compiled = folder.join("nothing.cwasm");
        Server::compile(nothing, &compiled)?;
        Ok(Remote {
            stack: load(stack)?,
            servers: Endpoints::beside(stack, folder)?,
            nothing: Server::start(&compiled, &[])?,
            database: folder.join("remote.db"),
        })
    }

    fn client(&self) -> Result<Instance, Failure> {
        let surroundings = Surroundings::default().variable("SECURE_LOG_KEYSTORE_SEED", SEED);
        let mut log = self.stack.instantiate(&self.servers.reach(&self.database, surroundings)?)?;
        log.open("remote")?.map_err(refused)?;
        Ok(log)
    }
}

impl Composed {
    /// Commits of each size, here and through a server.
    pub fn remote(&mut self) -> Result<Vec<Sample>, Failure> {
        let mut samples = Vec::new();
        let batch = |size| NewEntries { payloads: vec![self.one.payloads[0].clone(); size], ..self.one.clone() };
        for (size, commits) in SIZES.into_iter().zip(COMMITS) {
            let mut local = self.open(&self.sqlite, &self.fresh("local.db")?)?;
            append(&mut local, &batch(size), 1)?;
            let (appended, seconds) = timed(|| append(&mut local, &batch(size), (size * commits) as u64))?;
            samples.push(Sample::new(format!("append-{size}"), "sqlite", appended, seconds));
        }
        // One client before many: the instances that a host made for many take turns with the requests of one as well.
        for (store, clients, part) in [("remote", 1, 1), ("remote-16", CLIENTS, 4)] {
            for (size, commits) in SIZES.into_iter().zip(COMMITS) {
                let (name, commits) = (format!("append-{size}"), commits.div_ceil(part));
                samples.extend(self.through_a_server(&name, store, clients, commits, &batch(size))?);
            }
        }
        samples.push(self.reopened()?);
        let ((), seconds) = timed(|| post(self.remote.nothing.url()))?;
        samples.push(Sample::new("post", "nothing", 1, seconds));
        Ok(samples)
    }

    /// So many clients make so many commits each.
    fn through_a_server(
        &self,
        name: &str,
        store: &str,
        clients: usize,
        commits: usize,
        batch: &NewEntries,
    ) -> Result<Vec<Sample>, Failure> {
        let mut logs = (0..clients).map(|_| self.remote.client()).collect::<Result<Vec<_>, _>>()?;
        for log in &mut logs {
            // What is read once is read before.
            commit(log, batch).map_err(Failure::from)?;
        }
        let ready = Barrier::new(clients + 1);
        let (took, seconds) = thread::scope(|scope| {
            let works: Vec<_> = logs
                .iter_mut()
                .map(|log| {
                    let ready = &ready;
                    scope.spawn(move || {
                        ready.wait();
                        (0..commits).map(|_| commit(log, batch)).collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            ready.wait();
            timed(|| {
                let mut took = Vec::new();
                for work in works {
                    took.extend(work.join().map_err(|_| "a client panicked")??);
                }
                Ok::<_, Failure>(took)
            })
        })?;
        let entries = took.len() * batch.payloads.len();
        let mut samples = vec![Sample::new(name, store, entries as u64, seconds)];
        samples.extend(percentiles(name, store, took));
        Ok(samples)
    }

    /// One entry appended on the spot by a program that opens the database and closes it again.
    fn reopened(&self) -> Result<Sample, Failure> {
        const NAME: &str = "reopened.db";
        if !self.folder.join(NAME).exists() {
            append(&mut self.open(&self.sqlite, NAME)?, &self.one, 1)?;
        }
        // An instance is part of a request, too, and counts there.
        let surroundings = Surroundings::default().folder(&self.folder, ".").variable("SECURE_LOG_KEYSTORE_SEED", SEED);
        let mut log = self.sqlite.instantiate(&surroundings)?;
        let ((), seconds) = timed(|| {
            log.open(NAME)?.map_err(refused)?;
            append(&mut log, &self.one, 1)?;
            drop(log);
            Ok::<_, Failure>(())
        })?;
        Ok(Sample::new("open-append-close", "sqlite", 1, seconds))
    }
}

/// Appends the batch, again and again while others are faster, and answers how long that took.
fn commit(log: &mut Instance, batch: &NewEntries) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        match log.append_batch(slice::from_ref(batch)).map_err(|error| error.to_string())? {
            Ok(_) => return Ok(began.elapsed()),
            Err(LogError::Conflict | LogError::Locked(_)) => {}
            Err(error) => return Err(refused(error).to_string()),
        }
    }
}

fn percentiles(name: &str, store: &str, mut took: Vec<Duration>) -> [Sample; 2] {
    took.sort_unstable();
    [50, 99].map(|percent| {
        let at = (took.len() * percent / 100).min(took.len() - 1);
        Sample::new(format!("{name}-p{percent}"), store, 1, took[at].as_secs_f64())
    })
}

/// Posts two bytes over a connection of its own, as a client in a component does, and reads the answer.
fn post(url: &str) -> Result<(), Failure> {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let mut connection = TcpStream::connect(authority)?;
    write!(connection, "POST / HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!("the server that does nothing: {answer}").into())
    }
}
