//! A server over standard input and output, for a transport that is no HTTP: a call is a line with the method, a space and the
//! arguments, and so is an answer, after `ok` or `refused`. Its store is in memory.
//!
//! ```sh
//! echo 'secure-log-heads [null,1]' | cargo run -p secure-log-rpc --example pipe-server
//! ```

use std::io::{self, BufRead, Write};

use secure_log::memory::MemoryStore;
use secure_log_rpc::handle;

fn main() -> io::Result<()> {
    let mut store = MemoryStore::new();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (method, params) = line.split_once(' ').unwrap_or((&line, ""));
        match handle(&mut store, method, params) {
            Ok(answer) => writeln!(out, "ok {answer}")?,
            Err(refusal) => writeln!(out, "refused {refusal}")?,
        }
        out.flush()?;
    }
    Ok(())
}
