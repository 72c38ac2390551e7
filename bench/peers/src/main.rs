//! Other libraries as a part of the benchmark.

mod astrid;
mod libro_chain;

use std::env;

use astrid::Astrid;
use libro_chain::LibroChain;
use secure_log_bench_shared::{Failure, Part, Sample, serve};

fn main() -> Result<(), Failure> {
    let folder = env::args_os().nth(1).ok_or("usage: secure-log-bench-peers SCRATCH")?;
    serve(Peers(LibroChain::new(folder.into()), Astrid::new()?))
}

/// They take turns, as all parts do.
struct Peers(LibroChain, Astrid);

impl Part for Peers {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut samples = self.0.run(case, entries)?;
        samples.extend(self.1.run(case, entries)?);
        Ok(samples)
    }
}
