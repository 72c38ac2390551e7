//! `verify-page`: checks proven pages of a query, without the log.

use serde_json::{Value, json};

use super::query::{
    ACTOR, BEFORE, EVENT, FROM, NEWEST, PRODUCER, PROOF, SESSION, SEVERITY, SINCE, STREAM, TEXT, TO, filter,
};
use super::{JSON, KEY, POLICY, Verb, trusted};
use crate::arguments::{Given, Syntax};
use crate::bindings::secure_log::log::query::{self, CheckedPage, Shown};
use crate::failure::{Exit, Failure};
use crate::input::{self, LineError};
use crate::output::Output;
use crate::text::hex;
use crate::view::{self, ENTRY_COLUMNS};

pub(super) const VERB: Verb = Verb {
    name: "verify-page",
    summary: "check pages that `query --proofs` printed, on standard input, without the log",
    details: "\
Say with the options what was asked, as it was said to `query`, and give all pages, from the first on, in their order: each goes on
where the one before it ended. A page is valid (exit code 0) where a key signed its head, each row stands at its place under it and is
what was asked for, and none is there twice. `shown` says what that shows of the entries that are not there: of a `range`, from its
`first` to its `last` row, that there are none; of a `stream` likewise; of `rows` nothing. The page is printed with its entries, by seqno.
Where the policy names a quorum, its witnesses have cosigned the head; otherwise that is incomplete (3). No page at all is
invalid (1).",
    syntax: Syntax {
        operands: "",
        options: &[
            &STREAM, &EVENT, &PRODUCER, &SEVERITY, &SESSION, &ACTOR, &SINCE, &BEFORE, &FROM, &TO, &TEXT, &NEWEST, &KEY, &POLICY,
            &JSON,
        ],
    },
    run,
};

/// The log takes no longer page than 54 MiB, of which JSON has three bytes for one at most.
const MAX_LINE_BYTES: usize = 3 * (54 << 20);

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let keys = trusted(given)?;
    let checking = query::check(&filter(given)?, given.has(&NEWEST), &keys)?;
    let mut lines = input::lines(MAX_LINE_BYTES);
    while let Some(line) = lines.next().map_err(unreadable)? {
        let number = lines.count;
        let at_page = |failure: Failure| failure.at(format!("page {number}"));
        let proof =
            proof_of(&line).ok_or_else(|| at_page(malformed("a line with a page is an object with `proof`")))?;
        let page = checking.next(&proof).map_err(|error| at_page(error.into()))?;
        show(page, number, given, out);
    }
    if lines.count == 0 {
        return Err(malformed("there is no page on standard input").advised("`query --proofs` prints them"));
    }
    Ok(Exit::Success)
}

fn proof_of(line: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(line).ok()?.get_mut(PROOF)?.take() {
        Value::String(proof) => Some(proof),
        _ => None,
    }
}

fn show(page: CheckedPage, number: u64, given: &Given, out: &mut Output) {
    let (shown, part) = match page.shown {
        Shown::Range(part) => ("range", json!({ "first": part.first, "last": part.last })),
        Shown::Stream(part) => {
            ("stream", json!({ "first": part.first, "last": part.last, "from_start": part.from_start }))
        }
        Shown::Rows => ("rows", json!({})),
    };
    let mut value = json!({ "page": number, "verdict": "valid", "shown": shown });
    if let (Value::Object(value), Value::Object(part)) = (&mut value, part) {
        value.extend(part);
    }
    value["head"] = json!({ "size": page.size, "root": hex(&page.root) });
    value["pruned"] = page.pruned.into();
    let entries = page.entries.into_iter().map(view::entry);
    if given.has(&JSON) {
        value["entries"] = entries.collect();
        return out.show(&value);
    }
    out.show(&value);
    entries.for_each(|entry| out.row(&entry, &ENTRY_COLUMNS));
}

fn malformed(what: &str) -> Failure {
    Failure::new(Exit::Invalid, "malformed", what)
}

fn unreadable(error: LineError) -> Failure {
    match error {
        LineError::Io(error) => Failure::input(&error),
        LineError::TooLong(line) => malformed(&format!("line {line} is longer than a page may be")),
    }
}
