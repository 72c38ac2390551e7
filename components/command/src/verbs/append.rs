//! `append`: one entry, or one for each line of standard input.

use std::mem;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{JSON, LOG, Verb, open_to_write};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::encoder::Severity;
use crate::bindings::secure_log::log::sealing;
use crate::bindings::secure_log::log::types::LogError;
use crate::bindings::secure_log::log::writer::{self, BatchResult, CommitInfo, NewEntries};
use crate::failure::{Exit, Failure};
use crate::input::{self, LineError};
use crate::output::Output;
use crate::text::hex;
use crate::view::{self, SEVERITIES};

pub(super) const VERB: Verb = Verb {
    name: "append",
    summary: "append an entry, or with --lines one for each line of standard input",
    details: "\
The payload is TEXT, or with - all of standard input; without either it is empty. The stream is made if there is none,
and so is the log. When it is printed, the entry is durable.

With --lines, entries are committed together: as many as the input has ready, at most --batch of them. So a line that
stands alone is durable at once, and a long file takes few commits. Lines that were committed stay when a later one is
refused. Progress is told on standard error. With --acknowledge each commit is told on standard output once it is durable:
how many lines are in the log, and the seqno of the last.

With --sealed only who has the wrapping key (SECURE_LOG_KEK_LABEL) reads the payload, with `open-payload`. It is refused unless the
stream was made protected or highly-restricted, and in such a stream nothing is appended without it. Other programs of this
machine may see TEXT among the arguments: give - in its place.",
    syntax: Syntax {
        operands: "STREAM EVENT [TEXT|-]",
        options: &[&SEALED, &SEVERITY, &PRODUCER, &ENCODING, &LINES, &BATCH, &ACKNOWLEDGE, &LOG, &JSON],
    },
    run,
};

const SEALED: Flag = Flag { name: "sealed", takes: Takes::Nothing, help: "seal the payload: docs/sealing.md" };
const SEVERITY: Flag = Flag {
    name: "severity",
    takes: Takes::One("LEVEL"),
    help: "emergency, alert, critical, error, warning, notice, info (default), debug",
};
const PRODUCER: Flag = Flag { name: "producer", takes: Takes::One("NAME"), help: "who says so; default: command" };
const ENCODING: Flag = Flag {
    name: "encoding",
    takes: Takes::One("NAME"),
    help: "what the payload is; default: text, or application/octet-stream where it is not UTF-8",
};
const LINES: Flag = Flag { name: "lines", takes: Takes::Nothing, help: "one entry for each line of standard input" };
const BATCH: Flag =
    Flag { name: "batch", takes: Takes::One("N"), help: "with --lines: entries of one commit; default: 1000" };
const ACKNOWLEDGE: Flag =
    Flag { name: "acknowledge", takes: Takes::Nothing, help: "with --lines: tell of each commit when it is durable" };

const DEFAULT_PRODUCER: &str = "command";
const DEFAULT_BATCH: usize = 1000;
/// What the log takes as one payload: 16 MiB.
const MAX_PAYLOAD_BYTES: usize = 16 << 20;
/// A batch is committed once it holds so much; with one more payload it stays under the log's limit of 64 MiB.
const BATCH_BYTES: usize = 8 << 20;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How a batch gets into the log: in clear, or sealed.
type Append = fn(&[NewEntries]) -> Result<BatchResult, LogError>;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let kind = Kind {
        stream: given.required(0),
        event: given.required(1),
        severity: given.choice(&SEVERITY, &SEVERITIES)?.unwrap_or(Severity::Info),
        producer: given.value(&PRODUCER).unwrap_or(DEFAULT_PRODUCER),
        encoding: given.value(&ENCODING),
    };
    let batch = given.number::<usize>(&BATCH)?;
    let append: Append = if given.has(&SEALED) { sealing::append_sealed_batch } else { writer::append_batch };
    match (given.has(&LINES), given.operand(2)) {
        (true, Some(_)) => return Err(Failure::usage("either a payload or --lines")),
        (true, None) if batch == Some(0) => return Err(Failure::usage("--batch: at least 1")),
        (true, None) => {
            open_to_write(given, out)?;
            append_lines(&kind, batch.unwrap_or(DEFAULT_BATCH), Progress::new(append, given.has(&ACKNOWLEDGE)), out)?;
        }
        (false, _) if batch.is_some() => return Err(Failure::usage("--batch goes with --lines")),
        (false, _) if given.has(&ACKNOWLEDGE) => return Err(Failure::usage("--acknowledge goes with --lines")),
        (false, text) => {
            let payload = match text {
                Some("-") => input::read_all("payload", MAX_PAYLOAD_BYTES)?,
                text => text.unwrap_or_default().into(),
            };
            open_to_write(given, out)?;
            append_one(append, kind.of(payload), out)?;
        }
    }
    Ok(Exit::Success)
}

/// What the entries have in common, but for an encoding that is chosen by each payload.
struct Kind<'a> {
    stream: &'a str,
    event: &'a str,
    severity: Severity,
    producer: &'a str,
    encoding: Option<&'a str>,
}

impl Kind<'_> {
    fn of(&self, payload: Vec<u8>) -> NewEntries {
        NewEntries {
            stream_id: self.stream.to_owned(),
            event_type: self.event.to_owned(),
            severity: self.severity,
            producer: self.producer.to_owned(),
            payload_encoding: self.encoding_of(&payload).to_owned(),
            payloads: vec![payload],
        }
    }

    fn encoding_of(&self, payload: &[u8]) -> &str {
        let fitting = || if str::from_utf8(payload).is_ok() { "text" } else { "application/octet-stream" };
        self.encoding.unwrap_or_else(fitting)
    }
}

/// Lines that are not committed yet.
#[derive(Default)]
struct Pending {
    batch: Vec<NewEntries>,
    entries: usize,
    bytes: usize,
}

impl Pending {
    fn push(&mut self, kind: &Kind<'_>, payload: Vec<u8>) {
        self.entries += 1;
        self.bytes += payload.len();
        match self.batch.last_mut() {
            Some(last) if last.payload_encoding == kind.encoding_of(&payload) => last.payloads.push(payload),
            _ => self.batch.push(kind.of(payload)),
        }
    }
}

fn append_one(append: Append, entry: NewEntries, out: &mut Output) -> Result<(), Failure> {
    let BatchResult { entries, commit } = append(&[entry])?;
    for appended in entries {
        out.show(&json!({
            "seqno": appended.seqno,
            "hash": hex(&appended.entry_hash),
            "signed": commit.signed,
            "anchored": commit.anchored,
        }));
    }
    Ok(())
}

fn append_lines(kind: &Kind<'_>, batch: usize, mut done: Progress, out: &mut Output) -> Result<(), Failure> {
    let mut lines = input::lines(MAX_PAYLOAD_BYTES);
    let mut pending = Pending::default();
    let end = loop {
        match lines.next() {
            Ok(Some(line)) => pending.push(kind, line),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if pending.entries >= batch || pending.bytes >= BATCH_BYTES || lines.pauses() {
            done.commit(mem::take(&mut pending), out)?;
        }
    };
    done.commit(pending, out)?;
    end.map_err(|error| done.annotate(line_failure(error)))?;
    out.show(&done.summary());
    Ok(())
}

fn line_failure(error: LineError) -> Failure {
    match error {
        LineError::Io(error) => Failure::input(&error),
        LineError::TooLong(line) => Failure::new(
            Exit::Refused,
            "invalid",
            format!("line {line} is longer than a payload may be: at most {MAX_PAYLOAD_BYTES} bytes"),
        ),
    }
}

/// What of the input is in the log.
struct Progress {
    append: Append,
    entries: u64,
    /// Seqno of the first and of the last.
    range: Option<(u64, u64)>,
    commit: Option<CommitInfo>,
    /// Each commit is told.
    acknowledge: bool,
    began: Instant,
    told: Instant,
}

impl Progress {
    fn new(append: Append, acknowledge: bool) -> Progress {
        let now = Instant::now();
        Progress { append, entries: 0, range: None, commit: None, acknowledge, began: now, told: now }
    }

    fn commit(&mut self, pending: Pending, out: &mut Output) -> Result<(), Failure> {
        if pending.entries == 0 {
            return Ok(());
        }
        let result = (self.append)(&pending.batch).map_err(|error| self.annotate(error.into()))?;
        self.entries += result.entries.len() as u64;
        if let (Some(first), Some(last)) = (result.entries.first(), result.entries.last()) {
            self.range = Some((self.range.map_or(first.seqno, |(first, _)| first), last.seqno));
            if self.acknowledge {
                out.tell(&json!({ "durable": self.entries, "last": last.seqno }));
            }
        }
        self.commit = Some(result.commit);
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let per_second = self.entries as f64 / self.began.elapsed().as_secs_f64();
            out.notice(&format!("{} lines appended, {per_second:.0} per second", self.entries));
        }
        Ok(())
    }

    /// A failure in the middle says where to go on.
    fn annotate(&self, failure: Failure) -> Failure {
        if self.entries == 0 {
            return failure;
        }
        let what = format!("{}; the lines before, up to {}, are in the log", failure.what, self.entries);
        Failure { what, ..failure }
    }

    fn summary(&self) -> serde_json::Value {
        let (first, last) = self.range.unzip();
        let mut summary = json!({ "appended": self.entries, "first": first, "last": last });
        if let (Some(summary), Some(commit)) = (summary.as_object_mut(), &self.commit) {
            summary.extend(view::commit(commit).as_object().cloned().unwrap_or_default());
        }
        summary
    }
}
