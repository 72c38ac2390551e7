//! A server in a folder of its own, and a client that sees every byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_secure-log-server");
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Folder {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) secret: String,
    pub(crate) kind: &'static str,
    database: Option<String>,
    more: Vec<(String, String)>,
}

impl Folder {
    pub(crate) fn new(kind: &'static str) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let made = Command::new(PROGRAM)
            .args(["token", "create", "--name", "test", "--scope", "append,read,sign,admin", "--log", "*"])
            .output()
            .unwrap();
        let text = String::from_utf8(made.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(folder.path().join("tokens"), lines[3]).unwrap();
        Folder { folder, secret: lines[1].to_owned(), kind, database: None, more: Vec::new() }
    }

    /// One whose server keeps its logs in a PostgreSQL database of its own; `None` where there is no PostgreSQL, which is said.
    pub(crate) fn with_postgres() -> Option<Folder> {
        let server = secure_log_testkit::postgres::server()?;
        let database = server.url(&server.new_database());
        Some(Folder { database: Some(database), ..Folder::new("postgres") })
    }

    pub(crate) fn set(mut self, name: &str, value: impl AsRef<str>) -> Folder {
        self.more.push((name.into(), value.as_ref().into()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn start(&self) -> Server {
        let logs = match &self.database {
            Some(database) => database.clone(),
            None => format!("{}:{}", self.kind, self.path().join("logs").display()),
        };
        let mut child = Command::new(PROGRAM)
            .env_clear()
            .env("SECURE_LOG_HTTP_LISTEN", "127.0.0.1:0")
            .env("SECURE_LOG_HTTP_STORE", logs)
            .env("SECURE_LOG_TOKENS", self.path().join("tokens"))
            .env("SECURE_LOG_ORIGIN", "example.org/audit")
            .env("SECURE_LOG_KEYSTORE_SEED", "5e".repeat(32))
            .env("SECURE_LOG_HTTP_RATE", "1000000")
            .envs(self.more.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let address =
            first.trim().rsplit_once("://").unwrap_or_else(|| panic!("it did not start: {first}")).1.to_owned();
        Server { child, address, secret: self.secret.clone() }
    }
}

pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    secret: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as an operator does, and answers whether it said that all is well.
    pub(crate) fn end(mut self) -> bool {
        self.signal("TERM");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Threads that it has.
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::over(TcpStream::connect(&self.address).unwrap(), &self.secret)
    }

    pub(crate) fn call(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        self.connect().call(method, target, body).unwrap()
    }

    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.call("GET", "/metrics", "");
        let line = text.as_str().unwrap().lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }
}

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: BufReader<S>,
    secret: String,
}

impl Client {
    fn over(stream: TcpStream, secret: &str) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::new(stream, secret)
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(stream: S, secret: &str) -> Client<S> {
        Client { stream: BufReader::new(stream), secret: secret.into() }
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n{headers}",
            self.secret
        );
        if !headers.contains("transfer-encoding") {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes)
    }

    /// The status line and the headers.
    pub(crate) fn head(&mut self) -> std::io::Result<Answer> {
        let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(gone)?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Ok(Answer { status, headers, body: Vec::new() })
    }

    pub(crate) fn receive(&mut self, method: &str) -> std::io::Result<Answer> {
        let mut answer = self.head()?;
        if method != "HEAD" && answer.status != 204 {
            if answer.header("transfer-encoding") == Some("chunked") {
                while let Some(chunk) = self.chunk()? {
                    answer.body.extend(chunk);
                }
            } else {
                let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
                answer.body.resize(length, 0);
                self.stream.read_exact(&mut answer.body)?;
            }
        }
        Ok(answer)
    }

    /// A chunk of a body; `None` at its end.
    pub(crate) fn chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(|_| std::io::ErrorKind::UnexpectedEof)?;
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk)?;
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        self.send(method, target, headers, body.as_bytes())?;
        self.receive(method)
    }

    pub(crate) fn call(&mut self, method: &str, target: &str, body: &str) -> std::io::Result<(u16, Value)> {
        let answer = self.ask(method, target, "", body)?;
        let text = String::from_utf8(answer.body).unwrap();
        Ok((answer.status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}
