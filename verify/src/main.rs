//! The command: runs all steps against one stack and one log.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use wasmtime::Result;
use wasmtime::error::Context;

use secure_log_verify::database::shown;
use secure_log_verify::host::Stack;
use secure_log_verify::keys::Keys;
use secure_log_verify::session::{self, Session};
use secure_log_verify::steps::{Done, GROUPS};

const HELP: &str = "\
Drives every exported function of a composed secure-log stack and checks what it answers.

usage: secure-log-verify [--pkcs11-module MODULE.so] STACK.wasm CONFIG
                                              run all steps on the log at CONFIG, which is made if it is not there
       secure-log-verify --pkcs11-module MODULE.so --run COMMAND.wasm [ARGUMENT]..
                                              run a command that imports a token, such as secure-log-command-hsm.wasm, in
                                              this folder, with the variables that begin with SECURE_LOG
       secure-log-verify --list               name the steps
       secure-log-verify --help               this text

A stack that imports a PKCS#11 token gets those of MODULE.so, such as /usr/lib/softhsm/libsofthsm2.so; for that this command
is built with --features pkcs11.

CONFIG is what the stack's store opens: for the file stack the path of a .jsonl file, whose folder the stack may then
read and write. A log that is there already is continued; every run writes to streams of its own.

A stack whose store is remote gets a server of its own: secure-log-rpc-server.wasm, beside the stack, run by `wasmtime
serve` on a free port, with CONFIG as its database. With SECURE_LOG_RPC_URL set it talks to the server there. A stack without a
transport is given one over pipes to processes of the program that SECURE_LOG_VERIFY_TRANSPORT names.

CONFIG of a PostgreSQL stack is a URL that names a log, as postgresql://user@host/database?log=NAME. Only then does the stack reach
the network. Logs that steps need besides stay in the database, and begin with that name.

With the address of a witness in SECURE_LOG_ANCHOR, and its key in SECURE_LOG_TRUST, the heads of the log under test are cosigned
by it. The witness has to know that log by the key that signs heads, and the log that SECURE_LOG_VERIFY_WITNESSED_ORIGIN names by
the key segment-signer.

Variables that begin with SECURE_LOG_ are passed to the stack. With neither SECURE_LOG_KEYSTORE_DIR nor
SECURE_LOG_KEYSTORE_SEED set, throw-away keys are made in the temporary folder, and used again for the same CONFIG.
With SECURE_LOG_PKCS11_PIN the keys are on the token that the stack has: checkpoint-ed25519 and segment-signer, which must be
there. SECURE_LOG_VERIFY_KEYSTORE=foreign says that the stack's keystore has keys of its own, named checkpoint-ed25519 and
segment-signer, and takes none from variables.

Exit codes: 0 every step did what it should, 1 a step failed (the last line says which, what was expected and what was
found), 2 the run could not begin.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => println!("{HELP}"),
        ["--list"] => list(),
        [stack, config] if !stack.starts_with('-') => return run(Path::new(stack), None, config),
        ["--pkcs11-module", module, "--run", command, ..] => {
            return run_command(Path::new(command), Path::new(module), &arguments[4..]);
        }
        ["--pkcs11-module", module, stack, config] => return run(Path::new(stack), Some(Path::new(module)), config),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn list() {
    for group in GROUPS {
        println!("{}: {}", group.name, group.about);
        for step in group.steps {
            println!("    {}", step.name);
        }
    }
}

fn run(stack: &Path, module: Option<&Path>, config: &str) -> ExitCode {
    let started = Instant::now();
    let mut session = match prepare(stack, module, config) {
        Ok(session) => session,
        Err(error) => {
            eprintln!("cannot begin: {error:#}");
            return ExitCode::from(2);
        }
    };
    let (mut done, mut not_applicable) = (0, 0);
    for group in GROUPS {
        for step in group.steps {
            let begun = Instant::now();
            let outcome = (step.run)(&mut session);
            let time = format!("{:9.1} ms", begun.elapsed().as_secs_f64() * 1e3);
            match outcome {
                Ok(Done::Checked(said)) => {
                    done += 1;
                    println!("{time}  ok      {:<10} {}: {said}", group.name, step.name);
                }
                Ok(Done::NotApplicable(why)) => {
                    not_applicable += 1;
                    println!("{time}  NOT RUN {:<10} {}: DOES NOT APPLY HERE: {why}", group.name, step.name);
                }
                Err(error) => {
                    println!("{time}  FAILED  {:<10} {}: {error:#}", group.name, step.name);
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    println!(
        "{done} steps did what they should, {not_applicable} did not apply, in {:.1} s; {} verifies",
        started.elapsed().as_secs_f64(),
        shown(&session.config())
    );
    ExitCode::SUCCESS
}

fn prepare(stack: &Path, module: Option<&Path>, config: &str) -> Result<Session> {
    session::check_place(config)?;
    let begun = Instant::now();
    let loaded = match module {
        None => Stack::load(stack),
        Some(module) => load_with_module(stack, module),
    };
    let loaded = loaded.with_context(|| format!("the stack {} cannot be used", stack.display()))?;
    println!("compiled {} in {:.1} s", stack.display(), begun.elapsed().as_secs_f64());
    let keys = Keys::find_or_make(config)?;
    println!("{}", keys.summary);
    Session::new(loaded, stack, config.into(), keys)
}

#[cfg(feature = "pkcs11")]
fn run_command(command: &Path, module: &Path, arguments: &[String]) -> ExitCode {
    match secure_log_verify::pkcs11::run_command(command, module, arguments) {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(feature = "pkcs11"))]
fn run_command(_: &Path, _: &Path, _: &[String]) -> ExitCode {
    eprintln!("{WITHOUT_PKCS11}");
    ExitCode::from(2)
}

#[cfg(feature = "pkcs11")]
fn load_with_module(stack: &Path, module: &Path) -> Result<Stack> {
    Stack::load_with_module(stack, module)
}

#[cfg(not(feature = "pkcs11"))]
fn load_with_module(_: &Path, _: &Path) -> Result<Stack> {
    Err(wasmtime::format_err!("{WITHOUT_PKCS11}"))
}

#[cfg(not(feature = "pkcs11"))]
const WITHOUT_PKCS11: &str = "this command was built without --features pkcs11, which --pkcs11-module needs";
