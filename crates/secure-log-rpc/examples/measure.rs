//! How fast a server takes commits, and answers: `measure URL TOKEN [ENTRIES] [BATCH]`, over an empty log.
//!
//! ```sh
//! cargo run --release -p secure-log-rpc --features http --example measure -- http://127.0.0.1:8787 TOKEN 100000 1000
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use secure_log::store::SecureLogStore;
use secure_log_rpc::{HttpTransport, RemoteStore};
use secure_log_testkit::LogBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(token)) = (arguments.next(), arguments.next()) else {
        return Err("usage: measure URL TOKEN [ENTRIES] [BATCH]".into());
    };
    let mut number = |otherwise| arguments.next().map_or(Ok(otherwise), |text| text.parse::<usize>());
    let (entries, batch) = (number(100_000)?, number(1000)?);
    let mut store = RemoteStore::open(HttpTransport::new(&url, &token), "measure")?;
    let mut log = LogBuilder::new();
    store.insert(&log.create())?;
    // What makes the commits is not measured.
    let (mut all, mut each) = (Duration::ZERO, Vec::new());
    for _ in 0..entries.div_ceil(batch) {
        let commit = (0..batch).fold(log.commit(), |commit, _| commit.entry("measured", &[b'x'; 256])).finish();
        let began = Instant::now();
        store.insert(&commit)?;
        each.push(began.elapsed());
        all += began.elapsed();
    }
    each.sort();
    let at = |part: usize| each[(each.len() - 1) * part / 100];
    let rate = (each.len() * batch) as f64 / all.as_secs_f64();
    println!("commits of {batch}: {rate:.0} entries/s, p50 {:.2?}, p99 {:.2?}", at(50), at(99));
    let mut asked: Vec<Duration> = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        store.heads(None, 1)?;
        asked.push(began.elapsed());
    }
    asked.sort();
    println!("the last head: p50 {:.2?}, p99 {:.2?}", asked[50], asked[98]);
    Ok(())
}
