//! `archive`: closes a log for good and writes it to a file that verifies alone.

use std::io;
use std::path::Path;

use secure_log_disk::{Disk, Mode, OsDisk, WholeFile, folder_of, read_all};
use serde_json::{Value, json};

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::archive::{self, Archived};
use crate::bindings::secure_log::log::export::{self, ExportOptions, Format};
use crate::bindings::secure_log::log::writer::Verdict;
use crate::failure::{Exit, Failure};
use crate::output::{Output, Progress};
use crate::text::hex;

pub(super) const VERB: Verb = Verb {
    name: "archive",
    summary: "close the log for good and write it to a file that verifies alone",
    details: "\
Every open segment is closed, an entry says that nothing follows, and the head over it is signed: from then on the log takes
nothing more, whoever has it open. The file holds the log's own lines. It has its name when all of it is on the disk, was read
back and verifies, and FILE.part until then; a file that is there already is not written to. Interrupted, call it again: what was
done is not done twice. `continue` makes the log that goes on, from the head that `head` prints of this one.",
    syntax: Syntax { operands: "", options: &[&TO, &LOG, &JSON] },
    run,
};

const TO: Flag = Flag { name: "to", takes: Takes::One("FILE"), help: "the new file" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let file = given.value(&TO).ok_or_else(|| Failure::usage("--to is missing: the file to write"))?;
    open_to_read(given, out)?;
    out.show(&shown(file, &write(file, out)?));
    Ok(Exit::Success)
}

fn write(name: &str, out: &Output) -> Result<Archived, Failure> {
    let path = Path::new(name);
    let failed = |error| unwritten(name, &error);
    if OsDisk.exists(path).map_err(failed)? {
        return check_existing(name);
    }
    // Where no file can be made, nothing is closed either.
    let mut file = WholeFile::begin(&OsDisk, path).map_err(failed)?;
    let mut progress = Progress::begin();
    let mut written = || -> Result<Archived, Failure> {
        let check = archive::check()?;
        let exporting = export::begin(&whole_log())?;
        while let Some(part) = exporting.next()? {
            file.append(&part).map_err(failed)?;
            progress.tell(out, || format!("{} entries are written so far", exporting.exported().entries));
        }
        file.read_back(|bytes| check.push(bytes)).map_err(failed)?;
        Ok(check.finish()?)
    };
    match written() {
        Ok(archived) => {
            file.keep().map_err(failed)?;
            Ok(archived)
        }
        Err(failure) => {
            file.abandon();
            Err(failure)
        }
    }
}

/// The log in its own lines.
pub(super) fn whole_log() -> ExportOptions {
    ExportOptions { format: Format::Jsonl, stream_id: None, from_seqno: 1, to_seqno: u64::MAX, open_payloads: false }
}

/// A file of this name is the archive of this log, as after a crash, or in the way.
fn check_existing(name: &str) -> Result<Archived, Failure> {
    if !archive::is_closed()? {
        // Nothing is closed for a file that is in the way.
        return Err(exists(name));
    }
    let (path, check) = (Path::new(name), archive::check()?);
    let failed = |error| unwritten(name, &error);
    let file = OsDisk.open(path, Mode::Read).map_err(failed)?;
    read_all(&file, |bytes| check.push(bytes)).map_err(failed)?;
    let archived = check.finish().map_err(|_| exists(name))?;
    OsDisk.sync_folder(&folder_of(path)).map_err(failed)?;
    Ok(archived)
}

fn exists(name: &str) -> Failure {
    let what = format!("\"{name}\" is there already, and is no archive of this log");
    Failure::new(Exit::Refused, "file-exists", what).advised("name a new file")
}

fn unwritten(name: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => exists(name),
        _ => Failure::new(Exit::Environment, "output", format!("\"{name}\" cannot be written: {error}"))
            .advised("check the name, and the folders opened with `wasmtime run --dir`"),
    }
}

fn shown(file: &str, Archived { digest, bytes, report, .. }: &Archived) -> Value {
    json!({
        "file": file,
        "origin": report.origin,
        "size": report.size,
        "root": hex(&report.root),
        "sha256": hex(digest),
        "bytes": bytes,
        "verdict": if matches!(report.verdict, Verdict::Valid) { "valid" } else { "incomplete" },
    })
}
