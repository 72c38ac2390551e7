//! The command line of secure-log as a `wasi:cli/run` component.
//!
//! It parses arguments, calls the interfaces of the log that it is composed with, and prints what they answer. It holds no
//! logic of the log, and reaches for no file but that of a trust policy which it is told of: the composed store does.
//! docs/command.md is the manual.
//!
//! | file | holds |
//! |---|---|
//! | `bindings` | what `wit-bindgen` generates |
//! | `arguments` | options and operands, and how they are parsed |
//! | `failure` | exit codes, and errors as sentences |
//! | `help` | help, made from the table of verbs |
//! | `input` | standard input and a file, bounded |
//! | `output` | what is printed, for people and as JSON |
//! | `text` | escaping, hex and base64 |
//! | `verbs` | the table of verbs; one file a verb |
//! | `view` | what a person or a program is shown of each thing |

mod arguments;
mod bindings;
mod failure;
mod help;
mod input;
mod output;
mod text;
mod verbs;
mod view;

use bindings::exports::wasi::cli::run::Guest;
use bindings::wasi::cli::exit::exit_with_code;
use failure::{Exit, Failure};
use output::Output;

struct Command;

impl Guest for Command {
    fn run() -> Result<(), ()> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut out = Output::standard(asks_for_json(&arguments));
        let exit = match run_verb(&arguments, &mut out).and_then(|exit| out.finish().map(|()| exit)) {
            Ok(exit) => exit,
            Err(failure) => {
                // What was printed before the failure stays in its place before it; that this fails too is no news.
                let _ = out.finish();
                out.failure(&failure);
                failure.exit
            }
        };
        match exit {
            Exit::Success => Ok(()),
            // The result of `run` could say no more than 1.
            exit => {
                exit_with_code(exit as u8);
                Err(())
            }
        }
    }
}

fn run_verb(arguments: &[String], out: &mut Output) -> Result<Exit, Failure> {
    let Some((first, rest)) = arguments.split_first() else {
        return Err(Failure::usage("a verb is missing").advised("`help` lists the verbs"));
    };
    match first.as_str() {
        "--help" | "-h" => Ok(help::overview(out)),
        "--version" => Ok(help::version(out)),
        name => match verbs::find(name) {
            Some(verb) if options(rest).any(|word| word == "--help") => Ok(help::of_verb(verb, out)),
            Some(verb) => verb.run(rest, out),
            None => Err(help::unknown_verb(name)),
        },
    }
}

/// Looked at before anything is parsed, as errors in the arguments are printed in the same form.
fn asks_for_json(arguments: &[String]) -> bool {
    options(arguments).any(|word| word == "--json")
}

/// The words before those that can only be operands.
fn options(words: &[String]) -> impl Iterator<Item = &String> {
    words.iter().take_while(|word| *word != "--")
}
