//! Servers for a stack whose store is remote: `wasmtime serve` in processes of their own, one for each log.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use wasmtime::error::Context;
use wasmtime::{Result, ensure, format_err};

use crate::host::Surroundings;
use crate::keys::random;

/// The variable with the address of a server. Where it is set, there is one already.
pub const URL_VARIABLE: &str = "SECURE_LOG_RPC_URL";
const TOKEN_VARIABLE: &str = "SECURE_LOG_RPC_TOKEN";
/// The server's component lies beside the stack.
const SERVER: &str = "secure-log-rpc-server.wasm";
/// What `wasmtime serve` says once it listens, before the address.
const LISTENING: &str = "Serving HTTP on ";

/// Servers that are started when they are first needed, and stopped with this.
pub struct Endpoints {
    compiled: PathBuf,
    token: String,
    running: RefCell<HashMap<PathBuf, Server>>,
}

/// A component that is served on a free port, until this is dropped.
pub struct Server {
    process: Child,
    url: String,
}

impl Endpoints {
    /// Servers of the component beside this stack, which is compiled once, into `scratch`.
    pub fn beside(stack: &Path, scratch: &Path) -> Result<Endpoints> {
        let server = stack.with_file_name(SERVER);
        ensure!(server.is_file(), "{} is missing, which the stack's store would talk to", server.display());
        let compiled = scratch.join("server.cwasm");
        Server::compile(&server, &compiled)?;
        Ok(Endpoints { compiled, token: const_hex::encode(random::<16>()), running: RefCell::default() })
    }

    /// Lets a guest reach the server that keeps its log in this database.
    pub fn reach(&self, database: &Path, surroundings: Surroundings) -> Result<Surroundings> {
        let mut running = self.running.borrow_mut();
        if !running.contains_key(database) {
            running.insert(database.into(), self.serve(database)?);
        }
        Ok(surroundings.variable(URL_VARIABLE, &running[database].url).variable(TOKEN_VARIABLE, &self.token))
    }

    fn serve(&self, database: &Path) -> Result<Server> {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = database.file_name().and_then(|name| name.to_str()).context("the database has no name")?;
        let mut mapped = OsString::from(folder);
        mapped.push("::/data");
        let config = format!("SECURE_LOG_STORE_CONFIG=/data/{name}");
        let token = format!("{TOKEN_VARIABLE}={}", self.token);
        // An instance that answers many requests keeps its database open.
        let reuse = ["--max-instance-reuse-count".into(), "10000".into()];
        let options = ["--env".into(), config.into(), "--env".into(), token.into(), "--dir".into(), mapped];
        Server::start(&self.compiled, &[&options[..], &reuse].concat())
    }
}

impl Server {
    /// Compiles a component, so that it starts at once.
    pub fn compile(component: &Path, compiled: &Path) -> Result<()> {
        let status = Command::new("wasmtime").arg("compile").arg(component).arg("-o").arg(compiled).status();
        let status = status.context("the command wasmtime, which serves components, cannot be run")?;
        ensure!(status.success(), "wasmtime compile {}: {status}", component.display());
        Ok(())
    }

    /// Serves a compiled component, with these options of `wasmtime serve` besides.
    pub fn start(compiled: &Path, options: &[OsString]) -> Result<Server> {
        let mut process = Command::new("wasmtime")
            .args(["serve", "--allow-precompiled", "-S", "cli", "--addr", "127.0.0.1:0"])
            .args(options)
            .arg(compiled)
            .stderr(Stdio::piped())
            .spawn()
            .context("wasmtime serve cannot be run")?;
        let mut said = BufReader::new(process.stderr.take().context("its standard error was asked for")?);
        let mut first = String::new();
        said.read_line(&mut first)?;
        let Some(url) = first.trim_end().strip_prefix(LISTENING).map(str::to_owned) else {
            // What it says instead is why it ended.
            let _ = process.kill();
            return Err(format_err!("the server did not start: {first}"));
        };
        // What it says later is for whoever runs this.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::stderr()));
        Ok(Server { process, url })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = stopped {
            eprintln!("the server at {} was not stopped: {error}", self.url);
        }
    }
}
