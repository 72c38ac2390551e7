//! Mounts the attack table of docs/security.md on composed stacks, under wasmtime, over stores in memory, a file, an
//! SQLite database and a PostgreSQL database on a server of its own.
//!
//! `scripts/test-attacks.sh` builds and composes what is needed and runs this. In scope: what somebody does who controls
//! the store, the disk or a file that is read; the edits and scenarios are those of the testkit, which native tests run,
//! too. Out of scope: what `verify/` looks at with logs of its own (proofs that were tampered with, what producers may
//! not write, torn commits of every form), and rows that need a witness or a remote endpoint.

mod composed;
mod damage;
mod disk;
mod edited;
mod hostile_file;
mod keys;
mod rotations;
mod scenarios;
mod sealed;
mod secrets;
mod stacks;
#[path = "../../../crates/secure-log-sqlite/tests/support/mod.rs"]
mod tables;
#[path = "../../../crates/secure-log-postgres/tests/support/tables.rs"]
mod tables_of_postgres;
mod texts;
mod writers;

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use stacks::{Kept, Stacks};
use wasmtime::Result;

const HELP: &str = "\
usage: secure-log-attacks FILE.wasm SQLITE.wasm POSTGRES.wasm HOSTILE-MEMORY.wasm HOSTILE-FILE.wasm HOSTILE-SQLITE.wasm
           HOSTILE-POSTGRES.wasm [WORD]..

FILE, SQLITE and POSTGRES are stacks as they are released, the others are the stacks in which a test stands before the store.
PostgreSQL is a server that this starts; where it is not installed, checks over it are NOT RUN. With words, only the checks
whose name contains one of them are run. SECURE_LOG_SOAK=1 runs full counts, SECURE_LOG_SEED=<seed> repeats a run.";

/// A check, by the rows that it is about and what it does; answers what was seen.
struct Check {
    rows: &'static str,
    name: String,
    run: Box<Run>,
}

type Run = dyn FnOnce(&Stacks) -> Result<Seen>;

/// How a check ended that did not fail.
enum Seen {
    /// It held; this was seen.
    Held(String),
    /// It could not be run, for this reason.
    NotRun(String),
}

fn check(rows: &'static str, name: impl Into<String>, run: impl FnOnce(&Stacks) -> Result<Seen> + 'static) -> Check {
    Check { rows, name: name.into(), run: Box::new(run) }
}

/// The same of a log that is kept somewhere, which its name begins with, where there is such a place.
fn check_over(
    kept: Kept,
    rows: &'static str,
    name: &str,
    run: impl FnOnce(&Stacks, Kept) -> Result<Seen> + 'static,
) -> Check {
    check(rows, format!("{}: {name}", kept.name()), move |stacks| match stacks.can_keep(kept) {
        true => run(stacks, kept),
        false => Ok(Seen::NotRun("PostgreSQL is not installed".into())),
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((files, words)) = arguments.split_first_chunk::<7>() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    let stacks = match Stacks::load(files.each_ref().map(Path::new)) {
        Ok(stacks) => stacks,
        Err(error) => {
            eprintln!("cannot begin: {error:#}");
            return ExitCode::from(2);
        }
    };
    // The last looks through what all others were answered.
    let checks = edited::checks()
        .into_iter()
        .chain(scenarios::checks())
        .chain(rotations::checks())
        .chain(writers::checks())
        .chain(disk::checks())
        .chain(hostile_file::checks())
        .chain(damage::checks())
        .chain(sealed::checks())
        .chain(texts::checks())
        .chain(secrets::checks());
    let (mut held, mut failed, mut not_run) = (0, 0, 0);
    for Check { rows, name, run } in checks {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let begun = Instant::now();
        // What the testkit expects it says by panicking, and how a panic looks was printed when it happened.
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(&stacks)));
        let time = format!("{:7.1} s", begun.elapsed().as_secs_f64());
        match outcome {
            Ok(Ok(Seen::Held(said))) => {
                held += 1;
                println!("{time}  ok      row {rows}: {name}: {said}");
            }
            Ok(Ok(Seen::NotRun(why))) => {
                not_run += 1;
                println!("{time}  NOT RUN row {rows}: {name}: {why}");
            }
            Ok(Err(error)) => {
                failed += 1;
                println!("{time}  FAILED  row {rows}: {name}: {error:#}");
            }
            Err(_) => {
                failed += 1;
                println!("{time}  FAILED  row {rows}: {name}");
            }
        }
    }
    if held + failed + not_run == 0 {
        eprintln!("no check has a name with any of these words in it: {}", words.join(", "));
        return ExitCode::from(2);
    }
    println!("{held} checks held, {failed} failed, {not_run} were NOT RUN");
    if failed == 0 && held > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
