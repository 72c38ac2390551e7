//! What is printed: results on standard output, the rest on standard error, and nothing foreign unescaped.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::text;

/// Where a command prints.
pub(crate) struct Output<W: Write = BufWriter<Stdout>> {
    to: W,
    json: bool,
    state: State,
}

enum State {
    Open,
    /// Whoever read it went away. The work goes on, as what was half done would be worse, and is not printed.
    Closed,
    Failed(io::Error),
}

impl Output {
    pub(crate) fn standard(json: bool) -> Output {
        Output::new(BufWriter::new(io::stdout()), json)
    }
}

impl<W: Write> Output<W> {
    fn new(to: W, json: bool) -> Output<W> {
        Output { to, json, state: State::Open }
    }

    /// The same, and it is read before anything else is done.
    pub(crate) fn tell(&mut self, value: &Value) {
        self.show(value);
        self.flush();
    }

    /// One thing: a line of JSON, or a line for each of its fields.
    pub(crate) fn show(&mut self, value: &Value) {
        if self.json {
            return self.line(&text::json(value));
        }
        let mut lines = Vec::new();
        fields("", value, &mut lines);
        for line in lines {
            self.line(&line);
        }
    }

    /// One of many things: a line of JSON, or these of its fields in columns. A column that ends with a colon shows the
    /// field's name too.
    pub(crate) fn row(&mut self, value: &Value, columns: &[&str]) {
        if self.json {
            return self.line(&text::json(value));
        }
        let cell = |column: &&str| {
            let label = if column.ends_with(':') { format!("{column} ") } else { String::new() };
            value.get(column.trim_end_matches(':')).map(|value| label + &scalar(value))
        };
        let cells: Vec<String> = columns.iter().filter_map(cell).collect();
        self.line(&cells.join("\t"));
    }

    /// A line that is already fit to be seen.
    pub(crate) fn line(&mut self, line: &str) {
        let written = match self.state {
            State::Open => writeln!(self.to, "{line}"),
            State::Closed | State::Failed(_) => return,
        };
        self.note_failure(written);
    }

    /// Lines in the form of a file that other programs read. They are printed as they are, and hold no control character but
    /// their line breaks; what turns the direction of text they may hold.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.is_read() {
            let written = self.to.write_all(bytes);
            self.note_failure(written);
        }
    }

    /// Prints what is held back, before something is waited for.
    pub(crate) fn flush(&mut self) {
        if self.is_read() {
            let flushed = self.to.flush();
            self.note_failure(flushed);
        }
    }

    /// Whether what is printed still goes anywhere.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Prints what is held back. A reader that went away is no failure.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.flush();
        match &self.state {
            State::Open | State::Closed => Ok(()),
            State::Failed(error) => {
                Err(Failure::new(Exit::Environment, "output", format!("standard output could not be written: {error}"))
                    .advised("what was to be done is done; only its report is missing"))
            }
        }
    }

    /// Something that a person should know, beside the result.
    pub(crate) fn notice(&self, notice: &str) {
        if self.json {
            to_standard_error(&text::json(&json!({ "notice": notice })));
        } else {
            to_standard_error(&format!("note: {}", text::shown(notice)));
        }
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        to_standard_error(&failure_text(failure, self.json));
    }

    fn note_failure(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.state = State::Closed,
            Err(error) => self.state = State::Failed(error),
        }
    }
}

fn failure_text(failure: &Failure, json: bool) -> String {
    let Failure { code, at, what, advice, .. } = failure;
    if json {
        return text::json(&json!({ "error": code, "at": at, "what": what, "advice": advice }));
    }
    let place = at.as_ref().map_or(String::new(), |at| format!(" at {}", text::shown(at)));
    let mut lines = format!("error: {}{place}: {}", text::shown(code), text::shown(what));
    if let Some(advice) = advice {
        lines.push_str(&format!("\n  to go on: {}", text::shown(advice)));
    }
    lines
}

/// Tells now and then how far something is that takes long; nothing of what is done soon.
pub(crate) struct Progress(Instant);

/// How long nothing is said.
const SILENCE: Duration = Duration::from_secs(5);

impl Progress {
    pub(crate) fn begin() -> Progress {
        Progress(Instant::now())
    }

    pub(crate) fn tell(&mut self, out: &Output, how_far: impl FnOnce() -> String) {
        if self.0.elapsed() >= SILENCE {
            self.0 = Instant::now();
            out.notice(&how_far());
        }
    }
}

/// Nobody is left to be told when standard error fails.
fn to_standard_error(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line for each field: what is nested is named with what it is in, and each item of a list has a line.
fn fields(name: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (inner, value) in object {
                let inner = inner.replace('_', " ");
                fields(&if name.is_empty() { inner } else { format!("{name} {inner}") }, value, lines);
            }
        }
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|item| fields(name, item, lines)),
        value => lines.push(format!("{name}: {}", scalar(value))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text::shown(text),
        other => text::json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(json: bool, print: impl FnOnce(&mut Output<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        print(&mut Output::new(&mut bytes, json));
        String::from_utf8(bytes).unwrap()
    }

    fn sample() -> Value {
        json!({ "seqno": 7, "name": "a\u{1b}\tb", "head_key": null, "ok": true, "finding": { "code": "gap" },
            "missing": ["x", "y"], "none": [] })
    }

    #[test]
    fn a_thing_has_a_line_for_each_field() {
        assert_eq!(
            printed(false, |out| out.show(&sample())),
            "seqno: 7\nname: a\\u{1b}\\tb\nhead key: -\nok: yes\nfinding code: gap\nmissing: x\nmissing: y\nnone: -\n"
        );
    }

    #[test]
    fn columns_are_apart_by_tabs_that_no_cell_holds() {
        assert_eq!(
            printed(false, |out| out.row(&sample(), &["seqno", "absent:", "name:", "head_key"])),
            "7\tname: a\\u{1b}\\tb\t-\n"
        );
    }

    #[test]
    fn json_is_one_line_with_fields_in_order() {
        let line = printed(true, |out| out.show(&sample()));
        assert!(line.starts_with(r#"{"seqno":7,"name":"a\u001b\tb","head_key":null,"ok":true,"#), "{line}");
        assert_eq!(line, printed(true, |out| out.row(&sample(), &["seqno"])));
    }

    #[test]
    fn errors_say_where_what_and_what_to_do_and_show_no_control() {
        let failure = Failure {
            at: Some("seqno 3".into()),
            ..Failure::new(Exit::Invalid, "gap", "after \u{202e}2").advised("look")
        };
        assert_eq!(failure_text(&failure, false), "error: gap at seqno 3: after \\u{202e}2\n  to go on: look");
        assert_eq!(
            failure_text(&failure, true),
            r#"{"error":"gap","at":"seqno 3","what":"after \u202e2","advice":"look"}"#
        );
    }

    /// Takes a line, then fails in this way.
    struct Failing(ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = self.1.checked_sub(bytes.len()).ok_or(self.0)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        for (kind, fails) in [(ErrorKind::BrokenPipe, false), (ErrorKind::StorageFull, true)] {
            let mut out = Output::new(Failing(kind, 4), false);
            out.line("one");
            assert!(out.is_read());
            out.line("two");
            assert!(!out.is_read());
            out.line("three");
            assert_eq!(out.finish().is_err(), fails, "{kind:?}");
        }
    }
}
