//! Writes the log in a database as the lines of docs/format.md s.7, for whoever verifies it without this project.
//!
//! ```text
//! cargo run -p secure-log-sqlite --example export -- audit.db > audit.jsonl
//! ```

use std::error::Error;
use std::io::{self, Write};

use secure_log::jsonl::export;
use secure_log_sqlite::SqliteStore;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: export DATABASE")?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let records = export(&mut SqliteStore::open(path)?, &mut out)?;
    out.flush()?;
    eprintln!("{records} records");
    Ok(())
}
