//! Measures secure-log natively, composed, and beside others, and prints one table. See docs/benchmarks.md.
//!
//! `scripts/bench.sh` builds the parts and calls this.
#![forbid(unsafe_code)]

mod audit;
mod export;
mod native;
mod postgres;
mod query;
mod review;
mod signing;
mod slow;
mod sqlite;
mod table;
mod tree;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use secure_log::hash::Hash;
use secure_log_bench_shared::{Failure, Part, Process, Sample, timed};

use native::Native;
use secure_log_bench_shared::signing::ROW;
use signing::Signing;
use table::{Mode, Table};

const USAGE: &str = "usage: secure-log-bench [--quick | --full] [--json FILE] [--only CASE]..
           [--stacks FOLDER --guests FOLDER] [--composed PROGRAM] [--peers PROGRAM]
           [--http PROGRAM] [--pkcs11-module MODULE.so] [--part PROGRAM]..
       secure-log-bench verify FILE KEY
       secure-log-bench export FILE";

/// How much is done of each case, and how often.
struct Counts {
    rounds: u32,
    batches: u64,
    durable: u64,
    open: u64,
    verified: u64,
    tree: u64,
}

/// Many short rounds: a short sample has a chance not to be disturbed, and the best one counts.
const NORMAL: Counts =
    Counts { rounds: 20, batches: 20_000, durable: 100, open: 1_000_000, verified: 1_000_000, tree: 1_000_000 };
const QUICK: Counts = Counts { rounds: 1, batches: 10_000, durable: 50, open: 10_000, verified: 10_000, tree: 10_000 };
const FULL: Counts = Counts { verified: 5_000_000, tree: 10_000_000, ..NORMAL };

/// The cases, in the order in which a round runs them.
fn cases(counts: &Counts) -> [(&'static str, u64); 26] {
    [
        ("sha256", counts.batches),
        ("append-memory", counts.batches),
        ("append-sealed", counts.batches),
        ("verify-memory", counts.batches),
        ("append-events", counts.batches),
        // A signature takes as long as twenty entries.
        ("signed-entries", counts.batches / 2),
        ("append-file", counts.batches),
        // Long enough that the start of a thread or an instance counts for little.
        ("verify-file", counts.batches * 5),
        // By the component that imports nothing, over the file that was just verified.
        ("verifier", counts.batches),
        ("durable", counts.durable),
        ("threads", counts.durable * 16),
        ("tail", counts.durable),
        // Long enough for several heads to be signed.
        ("slow-key", counts.batches * 10),
        ("slow-key-threads", counts.durable * 200),
        (ROW, counts.durable * 2),
        ("append-sqlite", counts.batches),
        ("durable-sqlite", counts.durable),
        ("append-postgres", counts.batches),
        ("bare-postgres", counts.batches),
        ("durable-postgres", counts.durable),
        ("remote", 0),
        ("http-nothing", counts.durable),
        ("http-file", counts.durable),
        ("http-sqlite", counts.durable),
        ("http-postgres", counts.durable),
        ("open", counts.open),
    ]
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("secure-log-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [verb, file, key] = &arguments[..]
        && verb == "verify"
    {
        return verify_apart(Path::new(file), key);
    }
    if let [verb, file] = &arguments[..]
        && verb == export::VERB
    {
        return export::here(Path::new(file));
    }
    let asked = Asked::parse(arguments)?;
    if asked.only.is_empty() {
        println!("SHA-256 of one long text on this machine: {:.0} MB/s", sha256_rate());
    }

    let scratch = tempfile::Builder::new().prefix("secure-log-bench-").tempdir()?;
    let native = Native::new(&subfolder(scratch.path(), "native")?)?;
    let mut parts: Vec<(Mode, Box<dyn Part>)> = Vec::new();
    if let Some(program) = &asked.composed {
        let folder = subfolder(scratch.path(), "composed")?;
        let entries = folder.join("entries");
        write_entries(&entries, native.encoded())?;
        let mut command = Command::new(program);
        command.arg(&asked.stacks).arg(&asked.guests).arg(&entries).arg(&folder);
        parts.push((Mode::Composed, Box::new(Process::start(&mut command)?)));
    }
    if let Some(program) = &asked.http {
        parts.push((Mode::Native, Box::new(Process::start(&mut Command::new(program))?)));
        if asked.stacks.is_dir() {
            let mut components = Command::new(program);
            components.arg("components").arg(&asked.stacks).arg(&asked.guests);
            parts.push((Mode::Composed, Box::new(Process::start(&mut components)?)));
        }
    }
    for program in &asked.parts {
        parts.push((Mode::Composed, Box::new(Process::start(&mut Command::new(program))?)));
    }
    if let Some(program) = &asked.peers {
        let mut command = Command::new(program);
        command.arg(subfolder(scratch.path(), "peers")?);
        parts.push((Mode::Peer, Box::new(Process::start(&mut command)?)));
    }
    let mut table = Table::default();
    if asked.only.is_empty() {
        let (file, key) = native.file_of_entries(asked.counts.verified)?;
        let (sample, peak_mib) = apart(&file, &key)?;
        table.add(Mode::Native, sample);
        table.peak_mib = Some(peak_mib);
        if asked.counts.verified != asked.counts.open {
            fs::remove_file(file)?;
        }
    }
    // Long logs are made once, and exported once.
    let Counts { open, verified, tree, .. } = asked.counts;
    for (case, entries) in [
        ("grow-sqlite", verified),
        ("streams-sqlite", open),
        ("tree", tree),
        ("review", verified),
        ("export", open),
        ("query", open),
    ] {
        if asked.is_to_run(case) {
            eprintln!("{case}, {entries}");
            let samples = match case {
                "grow-sqlite" => native.grow_sqlite(entries),
                "streams-sqlite" => native.streams_sqlite(entries),
                "tree" => native.tree(entries),
                "review" => native.review(entries),
                "query" => native.query(entries),
                _ => export::apart(&native.file_of_entries(entries)?.0),
            };
            samples?.into_iter().for_each(|sample| table.add(Mode::Native, sample));
        }
    }
    let signing = Signing::new(&subfolder(scratch.path(), "signing")?, asked.module.as_deref())?;
    parts.insert(0, (Mode::Native, Box::new(signing)));
    parts.insert(0, (Mode::Native, Box::new(native)));

    for round in 1..=asked.counts.rounds {
        eprintln!("round {round} of {}", asked.counts.rounds);
        for (case, entries) in cases(&asked.counts) {
            if !asked.is_to_run(case) {
                continue;
            }
            for (mode, part) in &mut parts {
                for sample in part.run(case, entries)? {
                    table.add(*mode, sample);
                }
            }
        }
    }
    print!("{table}");
    if let Some(file) = asked.json {
        fs::write(&file, table.to_json()?).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// What the command line says.
struct Asked {
    counts: Counts,
    json: Option<PathBuf>,
    /// The only cases to run, for a profiler, or for a goal and what it is measured against; all of them where none is named.
    only: Vec<String>,
    composed: Option<PathBuf>,
    stacks: PathBuf,
    guests: PathBuf,
    peers: Option<PathBuf>,
    http: Option<PathBuf>,
    /// A PKCS#11 module, whose token the environment names.
    module: Option<PathBuf>,
    /// Programs that run the guest that signs, each with another keystore.
    parts: Vec<PathBuf>,
}

impl Asked {
    fn parse(arguments: Vec<String>) -> Result<Asked, Failure> {
        let (stacks, guests) = (PathBuf::new(), PathBuf::new());
        let mut asked = Asked {
            counts: NORMAL,
            json: None,
            only: Vec::new(),
            composed: None,
            stacks,
            guests,
            peers: None,
            http: None,
            module: None,
            parts: Vec::new(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match argument.as_str() {
                "--quick" => asked.counts = QUICK,
                "--full" => asked.counts = FULL,
                "--json" => asked.json = Some(value()?.into()),
                "--only" => asked.only.push(value()?),
                "--composed" => asked.composed = Some(value()?.into()),
                "--stacks" => asked.stacks = value()?.into(),
                "--guests" => asked.guests = value()?.into(),
                "--peers" => asked.peers = Some(value()?.into()),
                "--http" => asked.http = Some(value()?.into()),
                "--pkcs11-module" => asked.module = Some(value()?.into()),
                "--part" => asked.parts.push(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(asked)
    }

    fn is_to_run(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == case)
    }
}

/// Verifies a file in a process that does nothing else, whose memory in MiB is therefore that of the verification.
fn apart(file: &Path, key: &str) -> Result<(Sample, f64), Failure> {
    let output = Command::new(env::current_exe()?).arg("verify").arg(file).arg(key).output()?;
    let said = String::from_utf8(output.stdout)?;
    let fields: Vec<&str> = said.split_whitespace().collect();
    let [entries, seconds, peak_kib] = fields[..] else {
        return Err(format!("the verification failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    };
    let sample = Sample::new(table::VERIFY_APART, "file", entries.parse()?, seconds.parse()?);
    Ok((sample, peak_kib.parse::<f64>()? / 1024.0))
}

/// Says how many entries were verified, in how many seconds, and how many KiB the process ever had in memory.
fn verify_apart(file: &Path, key: &str) -> Result<(), Failure> {
    let (entries, seconds) = timed(|| native::verify(file, key))?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the system does not say VmHWM")?;
    println!("{entries} {seconds} {}", peak.trim().trim_end_matches(" kB"));
    Ok(())
}

fn sha256_rate() -> f64 {
    let text = vec![b'x'; 1 << 20];
    let rate = |_| {
        let start = std::time::Instant::now();
        std::hint::black_box(Hash::sha256(&text));
        text.len() as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    (0..50).map(rate).fold(0.0, f64::max)
}

fn subfolder(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    fs::create_dir(&path)?;
    Ok(path)
}

/// The encoded entries, one a line in hex, for the part that has no engine to make them.
fn write_entries(path: &Path, entries: &[Vec<u8>]) -> Result<(), Failure> {
    let mut text = String::new();
    for entry in entries {
        text.extend(entry.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    Ok(fs::write(path, text)?)
}
