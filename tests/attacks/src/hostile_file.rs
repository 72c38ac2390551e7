//! Row 24: a file that is made to hurt its reader.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use secure_log_testkit::attacks::{Said, hostile_files, sample_records, to_jsonl};
use secure_log_testkit::count;
use wasmtime::error::Context;
use wasmtime::{Result, bail, ensure};

use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check};

/// The checks.
pub fn checks() -> Vec<Check> {
    vec![
        check("24", "file: what is no log is refused in few words", refused),
        check("24", "file: a line of gigabytes takes no memory", endless),
    ]
}

/// Longest answer that anybody reads: an error, or a report with its JSON and its page.
const READABLE: usize = 4000;

/// What one opening may take of memory. A line is at most 34 MiB, and crosses from one component to the next.
const BOUND_KIB: u64 = 256 << 10;

fn refused(stacks: &Stacks) -> Result<Seen> {
    let mut seen = Vec::new();
    for (what, bytes) in hostile_files() {
        let mut log = stacks.fresh(Kept::AsReleased);
        log.lay_file(&bytes)?;
        let before = stacks.transcript.bytes().len();
        let (said, kib) = measured(|| log.open_and_verify())?;
        let printed = stacks.transcript.bytes().len() - before;
        match (what, &said) {
            // An empty file is where a log can be made, and so far nothing is in it.
            ("nothing", Said::Incomplete { .. }) => {}
            (_, Said::Refused(_)) => {}
            (_, Said::Invalid { code, .. }) if code == "malformed" => {}
            // Nothing is known of it but that no commit ends there.
            (_, Said::Incomplete { missing }) if missing.iter().any(|what| what.contains("never finished")) => {}
            _ => bail!("{what}: {said:?}"),
        }
        ensure!(bytes.is_empty() || is_kept(&log.file(), &bytes)?, "{what}: nothing was written, or it was moved away");
        ensure!(bytes.is_empty() || printed < READABLE, "{what}: {printed} bytes were answered");
        ensure!(kib.is_none_or(|kib| kib < BOUND_KIB), "{what}: {kib:?} KiB were taken");
        seen.push(format!("{what} ({})", word(&said)));
    }
    Ok(Seen::Held(seen.join(", ")))
}

fn endless(stacks: &Stacks) -> Result<Seen> {
    let gigabytes = count(1, 10);
    let sample = to_jsonl(&sample_records());
    let log_line = sample.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut seen = Vec::new();
    let files: [(&str, &[u8], &[u8]); 4] = [
        ("from the start", b"[", b""),
        ("as the second line", &sample[..log_line], b"\n"),
        ("after the last head", &sample, b""),
        ("after the last head, with an end", &sample, b"\n{\"t\":\"head\"}\n"),
    ];
    for (what, begin, end) in files {
        let mut log = stacks.fresh(Kept::AsReleased);
        log.lay_file(begin)?;
        // Zeros that take no room.
        let mut file = File::options().write(true).open(log.file())?;
        file.seek(SeekFrom::Start(gigabytes << 30))?;
        file.set_len(gigabytes << 30)?;
        file.write_all(end)?;
        let (said, kib) = measured(|| log.open_and_verify())?;
        match &said {
            Said::Refused(_) => {}
            Said::Invalid { code, .. } if code == "malformed" => {}
            Said::Incomplete { missing } if missing.iter().any(|what| what.contains("never finished")) => {}
            _ => bail!("{what}: {said:?}"),
        }
        let Some(kib) = kib else {
            return Ok(Seen::NotRun("the system does not say how much memory a process took".into()));
        };
        ensure!(kib < BOUND_KIB, "{what}: {kib} KiB were taken for a line of {gigabytes} GiB");
        seen.push(format!("{what}: {}, {} MiB", word(&said), kib >> 10));
        for file in with_those_beside(&log.file())? {
            if file.is_file() {
                fs::remove_file(file)?;
            }
        }
    }
    Ok(Seen::Held(format!("{gigabytes} GiB {}", seen.join("; "))))
}

/// Whether these bytes are still there, in the file or, where no commit was ever finished, in one beside it.
fn is_kept(file: &Path, bytes: &[u8]) -> Result<bool> {
    let files = with_those_beside(file)?.into_iter().filter(|file| file.is_file());
    Ok(files.map(fs::read).collect::<Result<Vec<_>, _>>()?.iter().any(|found| found == bytes))
}

/// The files whose name begins with that of this one.
fn with_those_beside(file: &Path) -> Result<Vec<PathBuf>> {
    let folder = file.parent().context("a log lies in a folder")?;
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.to_string_lossy().starts_with(&*file.to_string_lossy())).collect())
}

fn word(said: &Said) -> String {
    match said {
        Said::Refused(refusal) => refusal.clone(),
        Said::Valid => "valid".into(),
        Said::Invalid { code, .. } => code.clone(),
        Said::Incomplete { .. } => "incomplete".into(),
    }
}

/// How much the memory of this process grew at most while `run` ran, in KiB, where the system says so.
fn measured<T>(run: impl FnOnce() -> T) -> Result<(T, Option<u64>)> {
    // The peak is counted anew from here.
    let counted = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = memory_kib("VmRSS:");
    let done = run();
    let peak = memory_kib("VmHWM:");
    let grown = peak.zip(before).map(|(peak, before)| peak.saturating_sub(before));
    Ok((done, grown.filter(|_| counted)))
}

fn memory_kib(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}
