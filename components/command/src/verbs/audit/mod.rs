//! `audit`: the audit profile. It is the library's, over the log that the command is composed with.

mod recording;
mod reviewing;
mod view;

use secure_log_audit::{AuditError, AuditLog, Profile};

use super::{JSON, LOG, Verb, open_to_read, open_to_write};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::types::LogError;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::Output;

secure_log_guest_audit::import_log!(crate::bindings::secure_log::log);

type Audit = AuditLog<Composed>;

pub(super) const VERB: Verb = Verb {
    name: "audit",
    summary: "record who did what, and find out what is recorded: audit record|begin|complete|end|..., see `help audit`",
    details: "\
record SESSION EVENT   records an event, which is JSON (docs/audit.md), in any spelling: EVENT, or with - standard input.
                       Its id, category and outcome may be absent. --signed has the entry signed
begin SESSION EVENT    records that something is about to begin; unless the exit code is 0, it must not. The number that is
                       printed is its permit
complete SEQNO         records how that ended: well, or --failure REASON, or --denied REASON
end SESSION EVENT      records that the session ends, and closes it for ever
sessions               lists sessions, and where they stand
verify [SESSION]       verifies the whole log and what its events say, or one session alone; the exit code is the verdict
review                 lists actions without an end, and what does not fit together, which is exit code 1
events                 lists events: all, or those that fit --actor, --category, --session and --correlation
trail KIND:ID          lists what somebody did, and what was done for them, such as agent:agent-7
conceal VALUE          commits to a value that the log must not show: prints the commitment, for an event, and the salt, which is
                       as secret as the value. Nothing is written. With --session and --member the salt is kept sealed in the log, and
                       the id is printed that the event has to have, unless --id says it
disclose SEQNO MEMBER VALUE
                       whether that member of an event, such as arguments or details.answer, is the commitment to this value, with
                       the salt of --salt or the one that the log keeps; exit code 1: it is not
erase-salts SESSION    destroys the salts of a session that the log keeps, on record and for ever

Other programs of this machine may see VALUE among the arguments: give - in its place, and it is read from standard input.",
    syntax: Syntax {
        operands: "record|begin|complete|end|sessions|verify|review|events|trail|conceal|disclose|erase-salts [ARGUMENT] [ARGUMENT] [ARGUMENT]",
        options: &[
            &SIGNED, &FAILURE, &DENIED, &ACTOR, &CATEGORY, &SESSION, &CORRELATION, &FROM, &LIMIT, &SALT, &MEMBER, &ID, &PRODUCER, &SUITE,
            &SIGN, &LOG, &JSON,
        ],
    },
    run,
};

const SIGNED: Flag = Flag { name: "signed", takes: Takes::Nothing, help: "of record: sign the entry" };
const FAILURE: Flag = Flag { name: "failure", takes: Takes::One("REASON"), help: "of complete: it failed" };
const DENIED: Flag = Flag { name: "denied", takes: Takes::One("REASON"), help: "of complete: it was not allowed" };
const ACTOR: Flag =
    Flag { name: "actor", takes: Takes::One("KIND:ID"), help: "of events: who acted, or on whose behalf" };
const CATEGORY: Flag = Flag { name: "category", takes: Takes::One("NAME"), help: "of events: activity or security" };
const SESSION: Flag = Flag {
    name: "session",
    takes: Takes::One("ID"),
    help: "of events: the session; of conceal: keep the salt beside it",
};
const MEMBER: Flag =
    Flag { name: "member", takes: Takes::One("NAME"), help: "of conceal: the member of the event that it is for" };
const ID: Flag = Flag { name: "id", takes: Takes::One("UUID"), help: "of conceal: the id of the event that it is for" };
const CORRELATION: Flag =
    Flag { name: "correlation", takes: Takes::One("ID"), help: "of events: what belongs together" };
const FROM: Flag = Flag { name: "from", takes: Takes::One("SEQNO"), help: "of events and trail: from here on" };
const LIMIT: Flag =
    Flag { name: "limit", takes: Takes::One("N"), help: "of events, trail and sessions: at most so many" };
const SALT: Flag = Flag { name: "salt", takes: Takes::One("HEX"), help: "of disclose: 64 hexadecimal characters" };
const PRODUCER: Flag =
    Flag { name: "producer", takes: Takes::One("NAME"), help: "the program that reports; default: command" };
const SUITE: Flag = Flag {
    name: "suite",
    takes: Takes::One("NAME"),
    help: "of a session that is begun: sha-256 (default), blake3, hmac-sha-256",
};
const SIGN: Flag = Flag {
    name: "sign",
    takes: Takes::One("WHAT"),
    help: "of a session that is begun, what is signed: none (default), segments, entries",
};

const DEFAULT_PRODUCER: &str = "command";
/// What the log takes as one payload: 16 MiB.
const MAX_VALUE_BYTES: usize = 16 << 20;

type Run = fn(&Given, &mut Output) -> Result<Exit, Failure>;

/// What each word does, and how many arguments it takes at least and at most.
const WORDS: [(&str, Run, usize, usize); 12] = [
    ("record", recording::record, 2, 2),
    ("begin", recording::begin, 2, 2),
    ("complete", recording::complete, 1, 1),
    ("end", recording::end, 2, 2),
    ("sessions", reviewing::sessions, 0, 0),
    ("verify", reviewing::verify, 0, 1),
    ("review", reviewing::review, 0, 0),
    ("events", reviewing::events, 0, 0),
    ("trail", reviewing::trail, 1, 1),
    ("conceal", recording::conceal, 1, 1),
    ("disclose", reviewing::disclose, 3, 3),
    ("erase-salts", recording::erase_salts, 1, 1),
];

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let word = given.required(0);
    let Some((_, run, least, most)) = WORDS.iter().find(|(name, ..)| *name == word) else {
        let words = WORDS.map(|(name, ..)| name).join(", ");
        return Err(Failure::usage(format!("\"{word}\" is none of: {words}")));
    };
    let count = (1..=3).take_while(|place| given.operand(*place).is_some()).count();
    if count < *least {
        return Err(Failure::usage(format!("audit {word}: an argument is missing")));
    }
    if count > *most {
        return Err(Failure::usage(format!("audit {word}: \"{}\" is one argument too many", given.required(most + 1))));
    }
    run(given, out)
}

fn to_write(given: &Given, out: &Output) -> Result<Audit, Failure> {
    let profile = recording::profile(given)?;
    open_to_write(given, out)?;
    Ok(Audit::over(ComposedLog, profile)?)
}

fn to_read(given: &Given, out: &Output) -> Result<Audit, Failure> {
    open_to_read(given, out)?;
    Ok(Audit::over(ComposedLog, Profile::default())?)
}

/// An argument, or with - standard input.
fn bytes_of(what: &str, argument: &str) -> Result<Vec<u8>, Failure> {
    if argument == "-" { input::read_all(what, MAX_VALUE_BYTES) } else { Ok(argument.into()) }
}

impl From<AuditError<LogError>> for Failure {
    fn from(error: AuditError<LogError>) -> Failure {
        let what = error.to_string();
        let refused = |code| Failure::new(Exit::Refused, code, what.clone());
        match error {
            AuditError::Log(error) => error.into(),
            AuditError::Event(_) => refused("invalid-event").advised("docs/audit.md says what events are made of"),
            AuditError::NotAnEvent(_) => refused("not-an-event").advised("`audit events` lists those that there are"),
            AuditError::NothingBegun(_) => refused("nothing-begun").advised("`audit review` lists what has no end"),
            AuditError::SaltNotKept { .. } => {
                refused("salt-not-kept").advised("whoever committed to it has the salt: --salt")
            }
            AuditError::SaltErased(_) => refused("salt-erased"),
            AuditError::SessionNotFound(_) => {
                refused("session-not-found").advised("`audit sessions` lists those that there are")
            }
            AuditError::SessionEnded(_) => refused("session-ended").advised("record in another session"),
            // A payload that says that it is an event and is none, and what is added later.
            _ => Failure::new(Exit::Invalid, "payload", what),
        }
    }
}
