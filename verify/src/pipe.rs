//! A transport that is no HTTP: calls go to a program over its standard input, and answers come back over its standard output, a
//! line each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use wasmtime::Result;
use wasmtime::error::Context;

use crate::host::{Surroundings, Transport};

/// The variable with the program that calls go to.
pub const PROGRAM_VARIABLE: &str = "SECURE_LOG_VERIFY_TRANSPORT";

/// Programs that each have one log, which is gone with them.
pub struct Pipes {
    program: PathBuf,
    running: RefCell<HashMap<PathBuf, Transport>>,
}

struct Pipe {
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Pipes {
    /// To processes of this program.
    pub fn to(program: impl Into<PathBuf>) -> Pipes {
        Pipes { program: program.into(), running: RefCell::default() }
    }

    /// Lets a guest reach the process that keeps the log of this name.
    pub fn reach(&self, log: &Path, surroundings: Surroundings) -> Result<Surroundings> {
        let mut running = self.running.borrow_mut();
        if !running.contains_key(log) {
            let mut pipe = Pipe::open(&self.program)
                .with_context(|| format!("the program {} cannot be run", self.program.display()))?;
            let call = move |method: &str, params: &str| pipe.call(method, params);
            running.insert(log.into(), Arc::new(Mutex::new(call)));
        }
        Ok(surroundings.transport(running[log].clone()))
    }
}

impl Pipe {
    fn open(program: &Path) -> io::Result<Pipe> {
        let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (calls, answers) = (process.stdin.take(), process.stdout.take());
        let both = calls.zip(answers).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Pipe { process, calls: both.0, answers: BufReader::new(both.1) })
    }

    fn call(&mut self, method: &str, params: &str) -> std::result::Result<String, String> {
        let answer = self.exchange(method, params).map_err(|error| format!("the pipe is broken: {error}"))?;
        match answer.trim_end_matches('\n').split_once(' ') {
            Some(("ok", answer)) => Ok(answer.into()),
            Some(("refused", why)) => Err(format!("refused: {why}")),
            _ => Err("the program gave no answer".into()),
        }
    }

    fn exchange(&mut self, method: &str, params: &str) -> io::Result<String> {
        writeln!(self.calls, "{method} {params}")?;
        self.calls.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("the program at the other end of a pipe was not stopped: {error}");
        }
    }
}
