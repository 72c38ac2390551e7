//! The native cases: the library in this process.

use std::env;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use secure_log::NativeSecureLog;
use secure_log::engine::{LogOptions, MAX_PAGE, NewEntry, Providers, SecureLog};
use secure_log::entry::{Severity, StreamRules, Tier};
use secure_log::memory::MemoryStore;
use secure_log::sign::Algorithm;
use secure_log::store::SecureLogStore;
use secure_log::tail::{Delivery, TailOptions};
use secure_log::verify::{Report, Trust, Verdict, verify_jsonl, verify_jsonl_on};
use secure_log_anchor::FileAnchor;
use secure_log_bench_raw::hash_entries;
use secure_log_bench_shared::VERIFIED_LOG;
use secure_log_bench_shared::entry::{BATCH, ENCODING, EVENT, PRODUCER, STREAM, payload};
use secure_log_bench_shared::{Failure, Part, SEED, Sample, timed};
use secure_log_file::FileStore;
use secure_log_keystore::{Config, Seed, SoftwareKeystore, Source};

use crate::slow::{self, SlowKeys};

/// What stands in the place of the store's name where the key is slow.
const SLOW_KEY: &str = "slow-key";
/// Threads that append at the same time.
const THREADS: u64 = 32;
/// Durable appends between as many bare writes, so that both see the same disk.
pub const TURN: u64 = 50;
/// Batches that are appended to a log that was just opened.
const FEW_BATCHES: usize = 10;

/// The library, and the logs that it made.
pub struct Native {
    folder: PathBuf,
    payload: String,
    encoded: Vec<Vec<u8>>,
    /// What the last case on the memory store left behind, to be verified.
    memory: Option<SecureLog<MemoryStore>>,
}

impl Part for Native {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        match case {
            "sha256" => self.sha256(entries),
            "append-memory" => self.append_memory(entries),
            "append-sealed" => self.append_sealed(entries),
            "verify-memory" => self.verify_memory(),
            "append-events" => self.append_events(entries),
            "signed-entries" => self.signed_entries(entries),
            "append-file" => self.append_file(entries),
            "verify-file" => self.verify_file(entries),
            "durable" => self.durable(entries),
            "threads" => self.threads(entries),
            "tail" => self.tail(entries),
            "slow-key" => self.append_by_slow_key(entries),
            "slow-key-threads" => self.threads_with_slow_key(entries),
            "open" => self.open(entries),
            "append-sqlite" => self.append_sqlite(entries),
            "durable-sqlite" => self.durable_sqlite(entries),
            "append-postgres" => self.append_postgres(entries),
            "bare-postgres" => self.bare_postgres(entries),
            "durable-postgres" => self.durable_postgres(entries),
            _ => Ok(Vec::new()),
        }
    }
}

impl Native {
    /// Works in this folder.
    pub fn new(folder: &Path) -> Result<Native, Failure> {
        let mut native = Native { folder: folder.into(), payload: payload(), encoded: Vec::new(), memory: None };
        let mut log = open(MemoryStore::new())?;
        log.append_batch(&native.batch())?;
        for seqno in 1..=log.size() {
            native.encoded.push(log.read(seqno)?.as_ref().encode());
        }
        Ok(native)
    }

    /// The entries whose hashing is measured, as the engine encodes them.
    pub fn encoded(&self) -> &[Vec<u8>] {
        &self.encoded
    }

    /// A file of so many entries, closed, and the key that its heads are signed with. It is made once.
    pub fn file_of_entries(&self, entries: u64) -> Result<(PathBuf, String), Failure> {
        let path = self.folder.join(format!("of-{entries}-entries.jsonl"));
        let made = path.exists();
        let mut log = open(FileStore::open(&path)?)?;
        if !made {
            append(&mut log, &self.batch(), entries)?;
        }
        let key = log.status().head_key.ok_or("the log has no key")?;
        Ok((path, key))
    }

    fn sha256(&self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let rounds = entries.div_ceil(self.encoded.len() as u64);
        let (hash, seconds) = timed(|| Ok::<_, Failure>(hash_entries(&self.encoded, rounds as u32)))?;
        std::hint::black_box(hash);
        Ok(vec![Sample::new("sha256", "", rounds * self.encoded.len() as u64, seconds)])
    }

    fn append_memory(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        self.memory = None;
        let mut log = open(MemoryStore::new())?;
        let (appended, seconds) = timed(|| append(&mut log, &self.batch(), entries))?;
        self.memory = Some(log);
        Ok(vec![Sample::new("append-batch", "memory", appended, seconds)])
    }

    /// Batches that are sealed, and the whole of them opened again.
    fn append_sealed(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let path = self.fresh("sealed.jsonl")?;
        let mut samples = self.seal_and_open("memory", MemoryStore::new(), entries)?;
        samples.extend(self.seal_and_open("file", FileStore::open(path)?, entries)?);
        Ok(samples)
    }

    fn seal_and_open<S: SecureLogStore>(
        &self,
        kept: &'static str,
        store: S,
        entries: u64,
    ) -> Result<Vec<Sample>, Failure> {
        let options = LogOptions { kek_label: Some("kek".into()), ..LogOptions::default() };
        let mut log = SecureLog::open(store, Providers::system(software_keys()?), options)?;
        log.create_stream(STREAM, &StreamRules { tier: Tier::Protected, ..StreamRules::default() })?;
        let batch = self.batch();
        // The key that wraps is derived from the seed once, which takes as long as thousands of entries and is meant to.
        log.append_sealed(&batch[0])?;
        let (appended, seconds) = timed(|| {
            let mut appended = 0;
            while appended < entries {
                appended += log.append_sealed_batch(&batch)?.0.len() as u64;
            }
            Ok::<_, Failure>(appended)
        })?;
        let sealed = Sample::new("append-sealed", kept, appended, seconds);
        let (opened, seconds) = timed(|| {
            let (mut from, mut opened) = (1, 0);
            while opened < appended {
                let page = log.open_page(STREAM, from, u64::MAX, MAX_PAGE)?;
                from = page.last().ok_or("sealed payloads are missing")?.0.seqno + 1;
                // The first entry of the stream is the engine's own.
                opened += page.iter().filter(|(_, payload)| payload.is_ok()).count() as u64;
            }
            Ok::<_, Failure>(opened)
        })?;
        Ok(vec![sealed, Sample::new("open-sealed", kept, opened, seconds)])
    }

    fn verify_memory(&mut self) -> Result<Vec<Sample>, Failure> {
        let mut log = self.memory.take().ok_or("there is no log in memory")?;
        let (report, seconds) = timed(|| log.verify_log_on(NonZeroUsize::MIN))?;
        Ok(vec![Sample::new("verify", "memory", valid(&report)?, seconds)])
    }

    fn append_file(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut log = open(FileStore::open(self.fresh("batches.jsonl")?)?)?;
        let (appended, seconds) = timed(|| append(&mut log, &self.batch(), entries))?;
        Ok(vec![Sample::new("append-batch", "file", appended, seconds)])
    }

    /// The log that was appended to just now, grown to so many entries.
    fn verify_file(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let path = self.folder.join("batches.jsonl");
        let mut log = open(FileStore::open(&path)?)?;
        let missing = entries.saturating_sub(log.size());
        append(&mut log, &self.batch(), missing)?;
        let (report, seconds) = timed(|| log.verify_log_on(NonZeroUsize::MIN))?;
        let engine = Sample::new("verify", "file", valid(&report)?, seconds);
        let key = log.status().head_key.ok_or("the log has no key")?;
        // For the other hosts of the verifier, in the case that follows.
        if let Some(shared) = env::var_os(VERIFIED_LOG) {
            fs::copy(&path, &shared)?;
            fs::write(Path::new(&shared).with_extension("policy"), format!("log {key}\nquorum none\n"))?;
        }
        let trust = trust(&key)?;
        let on = |cores: usize| {
            let cores = NonZeroUsize::new(cores).expect("one at least");
            timed(|| verify_jsonl_on(cores, File::open(&path)?, &trust, |_| {}))
        };
        let (one, seconds) = on(1)?;
        let (two, seconds_on_two) = on(2)?;
        Ok(vec![
            engine,
            Sample::new("verify-jsonl", "file", valid(&one)?, seconds),
            Sample::new("verify-jsonl", "two-cores", valid(&two)?, seconds_on_two),
        ])
    }

    /// One entry and one sync, and beside it the bare write and sync of as many bytes.
    fn durable(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let path = self.fresh("durable.jsonl")?;
        let bare = File::create_new(self.fresh("bare")?)?;
        let entry = self.entry();
        let mut log = open(FileStore::open(&path)?)?;
        log.append(&entry)?;
        let (mut appends, mut writes, mut written) = (Vec::new(), Duration::ZERO, 0);
        while (appends.len() as u64) < entries {
            let before = fs::metadata(&path)?.len();
            for _ in 0..TURN {
                let start = Instant::now();
                log.append(&entry)?;
                appends.push(start.elapsed());
            }
            let bytes = vec![b'x'; ((fs::metadata(&path)?.len() - before) / TURN) as usize];
            let start = Instant::now();
            for _ in 0..TURN {
                bare.write_all_at(&bytes, written)?;
                bare.sync_data()?;
                written += bytes.len() as u64;
            }
            writes += start.elapsed();
        }
        let (count, seconds) = (appends.len() as u64, appends.iter().sum::<Duration>().as_secs_f64());
        let mut samples = vec![
            Sample::new("append-durable", "file", count, seconds),
            Sample::new("write-sync", "file", count, writes.as_secs_f64()),
        ];
        samples.extend(percentiles("append-durable", "file", appends));
        Ok(samples)
    }

    /// Batches of a log whose heads a slow key signs less often.
    fn append_by_slow_key(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let mut log = open_with_slow_key(FileStore::open(self.fresh("slow.jsonl")?)?)?;
        let (appended, seconds) = timed(|| append(&mut log, &self.batch(), entries))?;
        Ok(vec![Sample::new("append-batch", SLOW_KEY, appended, seconds)])
    }

    /// The same from many threads, whose appends are committed together.
    fn threads(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let log = open(FileStore::open(self.fresh("threads.jsonl")?)?)?;
        self.append_by_threads(log, "file", entries)
    }

    /// From the return of an append to the moment at which a thread that waits has the entry.
    fn tail(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let log = NativeSecureLog::new(open(FileStore::open(self.fresh("tail.jsonl")?)?)?);
        let entry = self.entry();
        let mut subscription = log.subscribe(TailOptions::default())?;
        let (tell, told) = mpsc::channel();
        let took = std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                (0..entries).try_for_each(|_| {
                    let delivery = subscription.wait().map_err(|error| error.to_string())?;
                    tell.send((delivery, Instant::now())).map_err(|error| error.to_string())
                })
            });
            let mut took = Vec::new();
            for _ in 0..entries {
                let (appended, _) = log.append(&entry)?;
                let returned = Instant::now();
                let (delivery, at) = told.recv()?;
                if !matches!(delivery, Delivery::Entry(entry) if entry.seqno == appended.seqno) {
                    return Err(format!("not entry {} was given out", appended.seqno).into());
                }
                took.push(at.saturating_duration_since(returned));
            }
            reader.join().map_err(|_| "the reader panicked")??;
            Ok::<_, Failure>(took)
        })?;
        Ok(percentiles("tail", "file", took).into())
    }

    fn threads_with_slow_key(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let log = open_with_slow_key(FileStore::open(self.fresh("slow-threads.jsonl")?)?)?;
        self.append_by_threads(log, SLOW_KEY, entries)
    }

    fn append_by_threads(&self, log: SecureLog<FileStore>, store: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        let log = NativeSecureLog::new(log);
        let entry = self.entry();
        log.append(&entry)?;
        let each = entries.div_ceil(THREADS);
        let (took, seconds) = timed(|| {
            std::thread::scope(|scope| {
                let append = || -> Result<Vec<Duration>, String> {
                    let mut took = Vec::new();
                    for _ in 0..each {
                        let start = Instant::now();
                        log.append(&entry).map_err(|error| error.to_string())?;
                        took.push(start.elapsed());
                    }
                    Ok(took)
                };
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(append)).collect();
                let mut all = Vec::new();
                for thread in threads {
                    all.extend(thread.join().map_err(|_| "a thread panicked")??);
                }
                Ok::<_, Failure>(all)
            })
        })?;
        let name = format!("append-durable-{THREADS}");
        let mut samples = vec![Sample::new(&name, store, each * THREADS, seconds)];
        samples.extend(percentiles(&name, store, took));
        Ok(samples)
    }

    /// Opens logs that were closed cleanly, and appends to each what an empty one is given as well.
    fn open(&mut self, entries: u64) -> Result<Vec<Sample>, Failure> {
        let empty = self.fresh("empty.jsonl")?;
        let many_entries = self.file_of_entries(entries)?.0;
        let many_streams = self.file_of_streams(entries)?;
        let batch = self.batch();
        let mut samples = Vec::new();
        for (what, path) in [("empty", empty), ("entries", many_entries), ("streams", many_streams)] {
            let (mut log, seconds) = timed(|| open(FileStore::open(&path)?))?;
            samples.push(Sample::new("open", what, log.size(), seconds));
            let batches = BATCH * FEW_BATCHES;
            let (appended, seconds) = timed(|| append(&mut log, &batch, batches as u64))?;
            samples.push(Sample::new("append-to", what, appended, seconds));
        }
        // The first sample tells nothing: making a log is not opening one.
        samples.remove(0);
        samples.push(self.open_anchored(entries)?);
        Ok(samples)
    }

    /// Opens the log of so many entries under a file anchor that knows its head.
    fn open_anchored(&self, entries: u64) -> Result<Sample, Failure> {
        let path = self.file_of_entries(entries)?.0;
        let under = |reanchor| -> Result<SecureLog<FileStore>, Failure> {
            let anchor = Box::new(FileAnchor::open(self.folder.join("anchor")));
            let providers = Providers { anchor, ..Providers::system(software_keys()?) };
            Ok(SecureLog::open(FileStore::open(&path)?, providers, LogOptions { reanchor, ..LogOptions::default() })?)
        };
        drop(under(true)?);
        let (log, seconds) = timed(|| under(false))?;
        Ok(Sample::new("open", "anchored", log.size(), seconds))
    }

    /// A file of so many streams with one entry each, closed. It is made once.
    fn file_of_streams(&self, streams: u64) -> Result<PathBuf, Failure> {
        let path = self.folder.join(format!("of-{streams}-streams.jsonl"));
        if path.exists() {
            return Ok(path);
        }
        let mut log = open(FileStore::open(&path)?)?;
        let mut number = 0;
        while number < streams {
            let names: Vec<String> = (0..BATCH).map(|i| format!("tenant/{}", number + i as u64)).collect();
            let batch: Vec<NewEntry<'_>> = names.iter().map(|stream| NewEntry { stream, ..self.entry() }).collect();
            log.append_batch(&batch)?;
            number += BATCH as u64;
        }
        Ok(path)
    }

    /// What every case appends.
    pub fn entry(&self) -> NewEntry<'_> {
        NewEntry {
            stream: STREAM,
            event: EVENT,
            severity: Severity::Info,
            producer: PRODUCER,
            encoding: ENCODING,
            payload: self.payload.as_bytes(),
        }
    }

    /// As many of them as a batch has.
    pub fn batch(&self) -> Vec<NewEntry<'_>> {
        vec![self.entry(); BATCH]
    }

    /// The path of a file that is not there any more, and nothing of it either.
    pub fn fresh(&self, name: &str) -> io::Result<PathBuf> {
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            if found.file_name().to_string_lossy().starts_with(name) {
                if found.file_type()?.is_dir() {
                    fs::remove_dir_all(found.path())?;
                } else {
                    fs::remove_file(found.path())?;
                }
            }
        }
        Ok(self.folder.join(name))
    }
}

/// Verifies a file as a process of its own, and says how many entries it has.
pub fn verify(path: &Path, key: &str) -> Result<u64, Failure> {
    valid(&verify_jsonl(File::open(path)?, &trust(key)?, |_| {})?)
}

/// A log in this store, with a key.
pub fn open<S: SecureLogStore>(store: S) -> Result<SecureLog<S>, Failure> {
    Ok(SecureLog::open(store, Providers::system(software_keys()?), LogOptions::default())?)
}

/// The same with a key that takes as long as that of a token.
fn open_with_slow_key<S: SecureLogStore>(store: S) -> Result<SecureLog<S>, Failure> {
    Ok(SecureLog::open(store, Providers::system(SlowKeys(software_keys()?)), slow::options())?)
}

/// Keys from a seed.
pub fn software_keys() -> Result<SoftwareKeystore, Failure> {
    let seed = Seed::from_hex(SEED).ok_or("the seed is malformed")?;
    Ok(SoftwareKeystore::new(Config { algorithm: Algorithm::Ed25519, source: Source::Seed(seed) }))
}

/// Appends the batch until the log has got at least so many entries more.
pub fn append<S: SecureLogStore>(log: &mut SecureLog<S>, batch: &[NewEntry<'_>], entries: u64) -> Result<u64, Failure> {
    let mut appended = 0;
    while appended < entries {
        appended += log.append_batch(batch)?.0.len() as u64;
    }
    Ok(appended)
}

fn trust(key: &str) -> Result<Trust, Failure> {
    let mut trust = Trust::new();
    trust.add_log_key(key.parse()?);
    Ok(trust)
}

/// A benchmark of a verification that fails measures something else.
pub fn valid(report: &Report) -> Result<u64, Failure> {
    match report.verdict {
        Verdict::Valid if report.complete_to == report.size => Ok(report.entries),
        _ => Err(format!("the log does not verify: {report:?}").into()),
    }
}

fn percentiles(name: &str, store: &str, mut took: Vec<Duration>) -> [Sample; 2] {
    took.sort_unstable();
    [50, 99].map(|percent| {
        let at = (took.len() * percent / 100).min(took.len() - 1);
        Sample::new(format!("{name}-p{percent}"), store, 1, took[at].as_secs_f64())
    })
}
