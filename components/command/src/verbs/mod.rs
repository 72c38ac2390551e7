//! The verbs, one file each. A new one is a file and a line in [`VERBS`].

mod append;
mod archive;
mod audit;
mod change_suite;
mod checkpoints;
mod close;
mod collect_witness_rows;
mod compare;
mod continue_log;
mod create_stream;
mod deprecate;
mod erase;
mod evidence;
mod export;
mod head;
mod help;
mod import;
mod key;
mod list;
mod open;
mod open_payload;
mod prove;
mod prove_consistency;
mod prove_entry;
mod pseudonym;
mod query;
mod read;
mod recover;
mod reindex;
mod reseal;
mod retention;
mod review;
mod rotate_key;
mod sign;
mod status;
mod submissions;
mod tail;
mod verify;
mod verify_archives;
mod verify_entry;
mod verify_evidence;
mod verify_page;
mod verify_receipt;

use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::{log, writer};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;
use crate::text::shown;

/// What one can tell the log to do.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// What the help says beyond that.
    pub(crate) details: &'static str,
    pub(crate) syntax: Syntax,
    run: fn(&Given, &mut Output) -> Result<Exit, Failure>,
}

/// In the order of the help.
pub(crate) const VERBS: &[Verb] = &[
    open::VERB,
    status::VERB,
    append::VERB,
    read::VERB,
    open_payload::VERB,
    head::VERB,
    list::VERB,
    query::VERB,
    tail::VERB,
    create_stream::VERB,
    change_suite::VERB,
    deprecate::VERB,
    pseudonym::VERB,
    reseal::VERB,
    erase::VERB,
    retention::VERB,
    audit::VERB,
    close::VERB,
    sign::VERB,
    checkpoints::VERB,
    submissions::VERB,
    prove::VERB,
    prove_entry::VERB,
    prove_consistency::VERB,
    evidence::VERB,
    export::VERB,
    import::VERB,
    archive::VERB,
    continue_log::VERB,
    verify::VERB,
    review::VERB,
    verify_archives::VERB,
    verify_entry::VERB,
    verify_page::VERB,
    verify_receipt::VERB,
    verify_evidence::VERB,
    compare::VERB,
    collect_witness_rows::VERB,
    recover::VERB,
    reindex::VERB,
    rotate_key::VERB,
    key::VERB,
    help::VERB,
];

pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl Verb {
    pub(crate) fn run(&self, words: &[String], out: &mut Output) -> Result<Exit, Failure> {
        self.syntax.parse(words).and_then(|given| (self.run)(&given, out)).map_err(|failure| match failure {
            Failure { exit: Exit::Usage, advice: None, .. } => {
                failure.advised(format!("`help {}` shows what it takes", self.name))
            }
            other => other,
        })
    }
}

/// Options of more than one verb.
const LOG: Flag =
    Flag { name: "log", takes: Takes::One("PATH"), help: "the log; otherwise the variable SECURE_LOG names it" };
const SIZE: Flag =
    Flag { name: "size", takes: Takes::One("SIZE"), help: "under the head of this size; otherwise the newest" };
const KEY: Flag = Flag {
    name: "key",
    takes: Takes::Many("KEY"),
    help: "a verifier key of the log, as `key show` prints it, or of a witness; may be repeated",
};
const POLICY: Flag = Flag {
    name: "policy",
    takes: Takes::One("FILE"),
    help: "a trust policy, with keys and a quorum of witnesses (docs/anchors.md)",
};
const JSON: Flag = Flag { name: "json", takes: Takes::Nothing, help: "print JSON, one object a line" };

/// Opens the log, to write to it. Where there is none it is made.
fn open_to_write(given: &Given, out: &Output) -> Result<(), Failure> {
    log::open(&config(given)?)?;
    tell_of_repairs(&writer::status()?, out);
    Ok(())
}

/// Opens the log, to look at it. Where there is none, none is made: its name may be mistyped.
fn open_to_read(given: &Given, out: &Output) -> Result<(), Failure> {
    writer::open_existing(&config(given)?)?;
    tell_of_repairs(&writer::status()?, out);
    Ok(())
}

fn config(given: &Given) -> Result<String, Failure> {
    let named = given.value(&LOG).map(str::to_owned).or_else(|| std::env::var("SECURE_LOG").ok());
    named.filter(|config| !config.is_empty()).ok_or_else(|| {
        Failure::usage("no log is named")
            .advised("write --log PATH, or set SECURE_LOG (`wasmtime run --env SECURE_LOG=PATH`)")
    })
}

/// The keys, and the policy, that who checks something trusts. They are never taken from what is checked.
fn trusted(given: &Given) -> Result<Vec<String>, Failure> {
    let mut trusted: Vec<String> = given.values(&KEY).map(str::to_owned).collect();
    if let Some(file) = given.value(&POLICY) {
        // By its line feed the log knows it for a policy.
        trusted.push(input::read_file("--policy", file, MAX_POLICY_BYTES)? + "\n");
    }
    if trusted.is_empty() {
        return Err(Failure::usage("--key or --policy is missing: whose signature counts"));
    }
    Ok(trusted)
}

/// The log takes no longer one.
const MAX_POLICY_BYTES: usize = 64 << 10;

/// Prints a text that other tools read: as it is, or as the only field of an object.
fn print_text(given: &Given, out: &mut Output, field: &str, text: &str) {
    if given.has(&JSON) {
        out.show(&serde_json::json!({ field: text }));
    } else {
        text.lines().for_each(|line| out.line(&shown(line)));
    }
}

/// What was found unfinished is told by the call that found it: after a write, the next one finds nothing.
fn tell_of_repairs(status: &writer::LogStatus, out: &Output) {
    if status.torn_bytes > 0 {
        let place = status.torn_kept_as.as_deref().unwrap_or("another place");
        out.notice(&format!(
            "an unfinished commit of {} bytes ends the store, of which nobody was told that it was done; a write moves it to {place}",
            status.torn_bytes
        ));
    }
    if let Some(place) = &status.set_aside_as {
        out.notice(&format!("the entries that were set aside are kept in {place}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_verb_is_found_by_its_name_and_names_no_option_twice() {
        let names: HashSet<_> = VERBS.iter().map(|verb| verb.name).collect();
        assert_eq!(names.len(), VERBS.len());
        for verb in VERBS {
            assert_eq!(find(verb.name).unwrap().summary, verb.summary);
            let options: HashSet<_> = verb.syntax.options.iter().map(|flag| flag.name).collect();
            assert_eq!(options.len(), verb.syntax.options.len(), "{}", verb.name);
        }
    }
}
