//! `tail`: what is appended, as it comes.

use super::{JSON, LOG, Verb, open_to_read};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::secure_log::log::tail::{self, Delivery, Options};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::view::{self, TAIL_COLUMNS};

pub(super) const VERB: Verb = Verb {
    name: "tail",
    summary: "print what is appended, as soon as it is durable: the entries of all topics or of some",
    details: "\
The topic of an entry is its stream, a slash, and its event type with slashes for dots. In a FILTER `+` stands for one level
between slashes and a `#` at the end for all that follow, also none: `auth/user/login`, `auth/user/+`, `auth/#`, `+/user/#`.

Entries are printed as `list entries` prints them, and one that was pruned with its seqno, stream and hash. Entries of the
engine itself have topics, too: `#` shows them, `auth/user/#` does not. It follows until it is stopped, or ends where the log
does with --end. After an interruption, --from with the seqno behind the last one that was printed misses nothing.",
    syntax: Syntax { operands: "", options: &[&TOPIC, &FROM, &END, &LIMIT, &LOG, &JSON] },
    run,
};

const TOPIC: Flag = Flag {
    name: "topic",
    takes: Takes::Many("FILTER"),
    help: "only entries with such a topic; may be repeated, and then one of them is enough",
};
const FROM: Flag = Flag {
    name: "from",
    takes: Takes::One("SEQNO"),
    help: "begin with this entry; otherwise with the next one that is appended",
};
const END: Flag = Flag { name: "end", takes: Takes::Nothing, help: "end where the log ends, and wait for nothing" };
const LIMIT: Flag = Flag { name: "limit", takes: Takes::One("N"), help: "end after so many" };

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    let from = given.number(&FROM)?;
    let mut left = given.number(&LIMIT)?.unwrap_or(u64::MAX);
    open_to_read(given, out)?;
    let topics = given.values(&TOPIC).map(str::to_owned).collect();
    // A command reads as fast as it prints, and skips nothing: there is nothing to be told of.
    let subscription = tail::follow(&Options { topics, from, max_behind: None, poll_ms: None })?;
    while left > 0 && out.is_read() {
        match subscription.next()? {
            Some(Delivery::Entry(entry)) => out.row(&view::entry(entry), &TAIL_COLUMNS),
            Some(Delivery::Pruned(pruned)) => out.row(&view::pruned(&pruned), &TAIL_COLUMNS),
            Some(Delivery::Lagged(_)) => continue,
            None if given.has(&END) => break,
            None => {
                out.flush();
                subscription.subscribe().block();
                continue;
            }
        }
        left -= 1;
    }
    Ok(Exit::Success)
}
