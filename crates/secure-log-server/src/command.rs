//! The command line: serving, checking the configuration, and making tokens.

use std::process::ExitCode;

use secure_log_http::config::environment;
use secure_log_http::token::{NewToken, read_logs, read_scopes, read_time};

use crate::config::{Config, VARIABLES};
use crate::server;

const USAGE: &str = "\
usage: secure-log-server                      serves, as the environment says
       secure-log-server check-config         says what is wrong with the environment, and serves nothing
       secure-log-server token create --name NAME --scope append,read,sign,admin --log LOG,..|*
                                      [--expires 2027-01-31T00:00:00Z]
                                              draws a token and prints it, and the line to add to SECURE_LOG_TOKENS
       secure-log-server --help | --version

SIGTERM and SIGINT end it: it takes no more requests, finishes those that it has, and signs the last heads. SIGHUP has it read
SECURE_LOG_TOKENS again.

The environment:
";

/// What the exit codes stand for.
const USAGE_ERROR: u8 = 2;
const CONFIG_ERROR: u8 = 3;
const FAILED: u8 = 5;

/// Does what the arguments say.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &*words {
        [] => configured(|config| match server::run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => failed(FAILED, &why),
        }),
        ["check-config"] => configured(|config| {
            println!("{}", config.summary());
            ExitCode::SUCCESS
        }),
        ["token", "create", options @ ..] => match create_token(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => failed(USAGE_ERROR, &why),
        },
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            for (name, about) in VARIABLES {
                println!("  {name}\n      {about}");
            }
            ExitCode::SUCCESS
        }
        ["--version"] => {
            println!("secure-log-server {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => failed(USAGE_ERROR, "there is no such command: see secure-log-server --help"),
    }
}

fn configured(then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::read(environment()) {
        Ok(config) => then(config),
        Err(mistakes) => failed(CONFIG_ERROR, &mistakes.to_string()),
    }
}

fn failed(code: u8, why: &str) -> ExitCode {
    eprintln!("secure-log-server: {why}");
    ExitCode::from(code)
}

fn create_token(options: &[&str]) -> Result<(), String> {
    let (mut name, mut scopes, mut logs, mut expires) = (None, None, None, None);
    for option in options.chunks(2) {
        let [flag, value] = option else { return Err(format!("{} takes a value", option[0])) };
        let told_before = match *flag {
            "--name" => name.replace(*value).is_some(),
            "--scope" => scopes.replace(read_scopes(value)?).is_some(),
            "--log" => logs.replace(read_logs(value)?).is_some(),
            "--expires" => expires.replace(read_time(value)?).is_some(),
            other => return Err(format!("there is no option {other}: see secure-log-server --help")),
        };
        if told_before {
            return Err(format!("{flag} stands there twice"));
        }
    }
    let name = name.ok_or("--name is missing: who the token is for")?;
    let scopes = scopes.ok_or("--scope is missing: append, read, sign, admin")?;
    let logs = logs.ok_or("--log is missing: names of logs, or * for all")?;
    let token = NewToken::draw(name, &scopes, &logs, expires)?;
    println!("The token, which is shown this once:\n{}", *token.secret);
    println!("The line for the file that SECURE_LOG_TOKENS names:\n{}", token.line);
    Ok(())
}
