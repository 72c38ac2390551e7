//! `secure-log-server`: see docs/http.md, or `secure-log-server --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    secure_log_server::command::run(std::env::args().skip(1))
}
