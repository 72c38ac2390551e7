//! Servers with an empty log, each in a folder, or in a database, of its own.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use secure_log_bench_shared::{Failure, SEED};
use secure_log_http::token::{Logs, NewToken, Scope};
use secure_log_testkit::postgres;
use tempfile::TempDir;

use crate::client;

/// What servers run in.
pub(crate) enum Host {
    /// This program.
    Native,
    /// `wasmtime serve`, with what was compiled of the component for each store.
    Wasmtime { compiled: HashMap<&'static str, PathBuf>, _folder: TempDir },
}

/// A server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// Its token.
    pub(crate) secret: String,
    _folder: TempDir,
}

impl Host {
    /// Compiles the components.
    pub(crate) fn wasmtime(stacks: &Path, guests: &Path) -> Result<Host, Failure> {
        let folder = new_folder()?;
        let mut compiled = HashMap::new();
        for (store, component) in [
            ("nothing", guests.join("secure_log_bench_nothing.wasm")),
            ("sqlite", stacks.join("secure-log-http-sqlite.wasm")),
            ("postgres", stacks.join("secure-log-http-postgres.wasm")),
        ] {
            let to = folder.path().join(store);
            let mut command = Command::new("wasmtime");
            let status = command.arg("compile").arg(&component).arg("-o").arg(&to).status();
            let status = status.map_err(|error| format!("wasmtime does not start: {error}"))?;
            if !status.success() {
                return Err(format!("wasmtime does not compile {}", component.display()).into());
            }
            compiled.insert(store, to);
        }
        Ok(Host::Wasmtime { compiled, _folder: folder })
    }

    pub(crate) fn is_native(&self) -> bool {
        matches!(self, Host::Native)
    }

    /// A new server on this store, with an empty log; `None` where there can be none.
    pub(crate) fn start(&self, store: &str) -> Result<Option<Server>, Failure> {
        let folder = new_folder()?;
        let token = NewToken::draw("bench", &[Scope::Append, Scope::Admin].into(), &Logs::All, None)?;
        fs::write(folder.path().join("tokens"), &token.line)?;
        let (mut command, inside) = match self {
            Host::Native => {
                let mut command = Command::new(env::current_exe()?);
                command.arg(if store == "nothing" { "nothing" } else { "serve" });
                command.env("SECURE_LOG_HTTP_LISTEN", "127.0.0.1:0").env("SECURE_LOG_HTTP_RATE", "1000000");
                (command, folder.path())
            }
            Host::Wasmtime { compiled, .. } => {
                let Some(component) = compiled.get(store) else { return Ok(None) };
                (guest(component, folder.path()), Path::new("/bench"))
            }
        };
        let place = match store {
            "postgres" => match database() {
                Some(place) => place,
                None => return Ok(None),
            },
            folders => format!("{folders}:{}", inside.display()),
        };
        let said = folder.path().join("said");
        let out = File::create(&said)?;
        let child = command
            .env("SECURE_LOG_HTTP_STORE", place)
            .env("SECURE_LOG_TOKENS", inside.join("tokens"))
            .env("SECURE_LOG_ORIGIN", "example.org/bench")
            .env("SECURE_LOG_KEYSTORE_SEED", SEED)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let mut server = Server { child, address: String::new(), secret: token.secret.to_string(), _folder: folder };
        server.address = server.listens(&said)?;
        client::make_log(&server)?;
        Ok(Some(server))
    }
}

/// A component that has this folder, the network and what the environment says.
fn guest(component: &Path, folder: &Path) -> Command {
    let mut command = Command::new("wasmtime");
    command.args(["serve", "--allow-precompiled", "-S", "cli,inherit-network,tcp", "--addr", "127.0.0.1:0"]);
    // By default there is room for 55 requests at once.
    command.args(["-O", "pooling-total-core-instances=2000", "--dir"]);
    command.arg(format!("{}::/bench", folder.display()));
    for name in ["HTTP_STORE", "TOKENS", "ORIGIN", "KEYSTORE_SEED"] {
        command.args(["--env", &format!("SECURE_LOG_{name}")]);
    }
    command.arg(component);
    command
}

/// A database of the one PostgreSQL server of all rounds; `None` where it is not installed, which is said.
fn database() -> Option<String> {
    static SERVER: OnceLock<Option<postgres::Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| postgres::Server::start(&[])).as_ref()?;
    Some(server.url(&server.new_database()))
}

fn new_folder() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("secure-log-bench-http-").tempdir()
}

impl Server {
    /// Where it says that it listens.
    fn listens(&mut self, said: &Path) -> Result<String, Failure> {
        loop {
            let text = fs::read_to_string(said)?;
            let address = text.lines().find_map(|line| Some(line.split_once(" on http://")?.1.trim_end_matches('/')));
            if let Some(address) = address.filter(|_| text.ends_with('\n')) {
                return Ok(address.to_owned());
            }
            if self.child.try_wait()?.is_some() {
                return Err(format!("the server does not start: {text}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is looked at again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
