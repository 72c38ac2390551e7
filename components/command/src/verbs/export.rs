//! `export`: entries in the forms that other programs read.

use std::fs::{self, File};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::export::{self, ExportOptions, Exporting, Format};
use crate::failure::{Exit, Failure};
use crate::output::{Output, Progress};
use crate::text::hex;

pub(super) const VERB: Verb = Verb {
    name: "export",
    summary: "write the log, or a part of it, in a form that other programs read",
    details: "\
The form is one of
  jsonl   the log's own lines, which `import` takes back and any verifier checks; of a part, an evidence bundle
  csv     RFC 4180; a field that a spreadsheet would take for a formula has an apostrophe before it, and so has one that
          begins with an apostrophe
  ocsf    one OCSF 1.9 event a line
  otlp    OpenTelemetry log records in OTLP/JSON, many a line
Each has of every entry its seqno, the hash of the entry before it in its stream, and its own hash, so that a deletion is found;
docs/export.md says how. Entries stand in the order of the log, and times are in UTC. Sealed payloads stay sealed without
--open. Without --to it is printed; a file that is there already is not written to.",
    syntax: Syntax { operands: "", options: &[&FORMAT, &TO, &STREAM, &FROM, &LAST, &OPEN, &LOG, &JSON] },
    run,
};

const FORMAT: Flag =
    Flag { name: "format", takes: Takes::One("FORM"), help: "jsonl, csv, ocsf or otlp; otherwise jsonl" };
const TO: Flag =
    Flag { name: "to", takes: Takes::One("FILE"), help: "a new file to write to; otherwise it is printed" };
const STREAM: Flag = Flag { name: "stream", takes: Takes::One("STREAM"), help: "only this stream's entries" };
const FROM: Flag = Flag { name: "from", takes: Takes::One("SEQNO"), help: "from this entry on" };
const LAST: Flag = Flag { name: "last", takes: Takes::One("SEQNO"), help: "up to this entry" };
const OPEN: Flag = Flag {
    name: "open",
    takes: Takes::Nothing,
    help: "open sealed payloads with the keystore's keys: they stand there in clear",
};

const FORMATS: [(&str, Format); 4] =
    [("jsonl", Format::Jsonl), ("csv", Format::Csv), ("ocsf", Format::Ocsf), ("otlp", Format::Otlp)];

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let options = ExportOptions {
        format: given.choice(&FORMAT, &FORMATS)?.unwrap_or(Format::Jsonl),
        stream_id: given.value(&STREAM).map(str::to_owned),
        from_seqno: given.number(&FROM)?.unwrap_or(1),
        to_seqno: given.number(&LAST)?.unwrap_or(u64::MAX),
        open_payloads: given.has(&OPEN),
    };
    open_to_read(given, out)?;
    let exporting = export::begin(&options)?;
    match given.value(&TO) {
        Some(path) => {
            let written = to_file(path, &exporting, out);
            if let Err(Interrupted { made: true, .. }) = &written {
                // What was not written to its end is not left to be taken for an export.
                let _ = fs::remove_file(path);
            }
            written.map_err(|interrupted| interrupted.why)?;
            out.show(&exported(&exporting));
        }
        None => {
            while let Some(part) = exporting.next()? {
                out.bytes(&part);
                if !out.is_read() {
                    break;
                }
            }
        }
    }
    Ok(Exit::Success)
}

/// Why an export to a file came to no end, and whether the file was made.
struct Interrupted {
    why: Failure,
    made: bool,
}

fn to_file(path: &str, exporting: &Exporting, out: &Output) -> Result<(), Interrupted> {
    let failed = |error: io::Error, made| {
        let what = format!("\"{path}\" cannot be written: {error}");
        let why = match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(Exit::Refused, "file-exists", what).advised("name a new file"),
            _ => Failure::new(Exit::Environment, "output", what)
                .advised("check the name, and the folders opened with `wasmtime run --dir`"),
        };
        Interrupted { why, made }
    };
    let mut file = File::create_new(path).map_err(|error| failed(error, false))?;
    let mut progress = Progress::begin();
    loop {
        let part = exporting.next().map_err(|error| Interrupted { why: error.into(), made: true })?;
        let Some(part) = part else { break };
        file.write_all(&part).map_err(|error| failed(error, true))?;
        progress.tell(out, || format!("{} entries are exported so far", exporting.exported().entries));
    }
    file.sync_all().map_err(|error| failed(error, true))
}

fn exported(exporting: &Exporting) -> Value {
    let exported = exporting.exported();
    let last = exported.last;
    json!({
        "entries": exported.entries,
        "last_seqno": last.as_ref().map(|last| last.seqno),
        "last_hash": last.as_ref().map(|last| hex(&last.hash)),
        "bytes": exported.bytes,
    })
}
