//! Exports of a long log, in a process that does nothing else, whose memory is therefore that of the export.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use secure_log::export::{ExportOptions, Format};
use secure_log_bench_shared::{Failure, Sample, timed};
use secure_log_file::FileStore;

use crate::native::open;

/// What the process is asked for.
pub const VERB: &str = "export";

/// An export takes less memory than this, however long the log: that of the store's index, and some pages.
const MOST_MIB: f64 = 100.0;

/// The forms, and what their rows are called.
const FORMS: [(Format, &str); 4] = [
    (Format::JsonLines, "export-jsonl"),
    (Format::Csv, "export-csv"),
    (Format::Ocsf, "export-ocsf"),
    (Format::Otlp, "export-otlp"),
];

/// Exports a log in each form, by another process: entries a second and, of the log's own lines, megabytes a second.
pub fn apart(file: &Path) -> Result<Vec<Sample>, Failure> {
    let output = Command::new(std::env::current_exe()?).arg(VERB).arg(file).output()?;
    let said = String::from_utf8(output.stdout)?;
    let mut samples = Vec::new();
    for ((_, name), line) in FORMS.iter().zip(said.lines()) {
        let fields: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [entries, bytes, seconds, peak_mib] = fields[..] else {
            return Err("the export says something else".into());
        };
        if peak_mib > MOST_MIB {
            return Err(format!("{name} took {peak_mib:.0} MiB of memory, and at most {MOST_MIB} are allowed").into());
        }
        samples.push(Sample::new(*name, "file", entries as u64, seconds));
        if samples.len() == 1 {
            samples.push(Sample::new("export-megabytes", "file", (bytes / 1e6) as u64, seconds));
        }
    }
    if samples.len() != FORMS.len() + 1 {
        return Err(format!("the export failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(samples)
}

/// Says for each form how many entries and bytes were exported, in how many seconds, and how many MiB the process ever had.
pub fn here(file: &Path) -> Result<(), Failure> {
    let mut log = open(FileStore::open(file)?)?;
    for (format, _) in FORMS {
        let (exported, seconds) = timed(|| log.write_export(&ExportOptions::new(format), &mut io::sink(), |_| {}))?;
        if exported.entries != log.size() {
            return Err(format!("{} entries of {} were exported", exported.entries, log.size()).into());
        }
        let status = fs::read_to_string("/proc/self/status")?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the system does not say VmHWM")?;
        let peak_kib: f64 = peak.trim().trim_end_matches(" kB").parse()?;
        println!("{} {} {seconds} {}", exported.entries, exported.bytes, peak_kib / 1024.0);
    }
    Ok(())
}
