//! Help, made from the table of verbs, so that it cannot tell of others than there are.

use crate::bindings::secure_log::log::encoder;
use crate::failure::{EXITS, Exit, Failure};
use crate::output::Output;
use crate::verbs::{self, VERBS, Verb};

/// What stands at the beginning of each usage.
const CALL: &str = "wasmtime run --dir . secure-log-command.wasm";

const ENVIRONMENT: [(&str, &str); 6] = [
    ("SECURE_LOG", "the log, where --log is not given"),
    ("SECURE_LOG_KEYSTORE_DIR", "the folder of keys"),
    ("SECURE_LOG_KEYSTORE_PASSPHRASE", "what the key files are encrypted with"),
    ("SECURE_LOG_KEYSTORE_SEED", "or, in place of a folder, 32 bytes in hex that all keys come from"),
    ("SECURE_LOG_HEAD_IDENTITY", "the label of the key that signs heads: checkpoint-ed25519"),
    ("SECURE_LOG_KEK_LABEL", "the label of the key that wraps the keys of sealed payloads"),
];

pub(crate) fn overview(out: &mut Output) -> Exit {
    out.line("secure-log: a tamper-evident audit log");
    out.line("");
    out.line(&format!("usage: {CALL} VERB [ARGUMENT]..."));
    section(out, "verbs", VERBS.iter().map(|verb| (verb.name, verb.summary)));
    out.line("");
    out.line("`help VERB`, or `VERB --help`, says more of one. docs/command.md is the manual.");
    // wasmtime hands over no variable that it was not told to.
    section(out, "environment (hand a variable over with `wasmtime run --env NAME`)", ENVIRONMENT);
    exit_codes(out);
    Exit::Success
}

pub(crate) fn of_verb(verb: &Verb, out: &mut Output) -> Exit {
    let options = if verb.syntax.options.is_empty() { "" } else { "[OPTION]..." };
    let words = [CALL, verb.name, verb.syntax.operands, options];
    out.line(&format!("{}: {}", verb.name, verb.summary));
    out.line("");
    out.line(&format!("usage: {}", words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")));
    if !verb.details.is_empty() {
        out.line("");
        verb.details.lines().for_each(|line| out.line(line));
    }
    let options: Vec<(String, &str)> = verb
        .syntax
        .options
        .iter()
        .map(|flag| {
            (flag.value().map_or(format!("--{}", flag.name), |value| format!("--{} {value}", flag.name)), flag.help)
        })
        .collect();
    section(out, "options", options.iter().map(|(name, help)| (name.as_str(), *help)));
    Exit::Success
}

pub(crate) fn version(out: &mut Output) -> Exit {
    out.line(&format!("secure-log-command {} ({})", env!("CARGO_PKG_VERSION"), encoder::name()));
    Exit::Success
}

pub(crate) fn unknown_verb(name: &str) -> Failure {
    let near = VERBS.iter().map(|verb| verb.name).find(|verb| verb.starts_with(name) || name.starts_with(verb));
    let advice = match near.filter(|_| !name.is_empty()) {
        Some(verb) => format!("did you mean `{verb}`? `help` lists the verbs"),
        None => "`help` lists the verbs".to_owned(),
    };
    Failure::usage(format!("there is no verb \"{name}\"")).advised(advice)
}

/// The help that was asked for, of one verb or of all.
pub(crate) fn run(name: Option<&str>, out: &mut Output) -> Result<Exit, Failure> {
    match name {
        None => Ok(overview(out)),
        Some(name) => verbs::find(name).map(|verb| of_verb(verb, out)).ok_or_else(|| unknown_verb(name)),
    }
}

fn exit_codes(out: &mut Output) {
    let codes = EXITS.map(|(exit, meaning)| ((exit as u8).to_string(), meaning));
    section(out, "exit codes", codes.iter().map(|(code, meaning)| (code.as_str(), *meaning)));
}

/// A heading and two columns below it, if there is anything to put there.
fn section<'a>(out: &mut Output, heading: &str, rows: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let rows: Vec<_> = rows.into_iter().collect();
    let Some(width) = rows.iter().map(|(name, _)| name.len()).max() else { return };
    out.line("");
    out.line(heading);
    for (name, help) in rows {
        out.line(&format!("  {name:width$}  {help}"));
    }
}
