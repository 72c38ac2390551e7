//! Connections that post records, one request after the other each, and wait for every answer.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use secure_log_bench_shared::{Failure, entry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::Server;

/// What is asked of a server.
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Of one request.
    pub(crate) records: usize,
    /// Of all connections.
    pub(crate) requests: u64,
}

/// How long it took.
pub(crate) struct Took {
    pub(crate) all: Duration,
    /// Each request.
    pub(crate) each: Vec<Duration>,
}

pub(crate) fn make_log(server: &Server) -> Result<(), Failure> {
    let request = request("/v1/logs", &server.secret, r#"{"id":"app"}"#);
    runtime()?.block_on(async {
        let mut stream = TcpStream::connect(&*server.address).await?;
        post(&mut stream, request.as_bytes(), &mut Vec::new()).await
    })?;
    Ok(())
}

pub(crate) fn run(server: &Server, load: &Load) -> Result<Took, Failure> {
    let record = format!(
        r#"{{"stream":"{}","event":"{}","producer":"{}","encoding":"{}","text":"{}"}}"#,
        entry::STREAM,
        entry::EVENT,
        entry::PRODUCER,
        entry::ENCODING,
        entry::payload(),
    );
    let body = if load.records == 1 { record } else { format!("[{}]", vec![record; load.records].join(",")) };
    let request: &'static str = Box::leak(request("/v1/logs/app/records", &server.secret, &body).into_boxed_str());
    let share = load.requests / load.connections as u64;
    runtime()?.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..load.connections {
            let stream = TcpStream::connect(&*server.address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let begun = Instant::now();
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|mut stream| {
                tokio::spawn(async move {
                    let (mut each, mut buffer) = (Vec::with_capacity(share as usize), Vec::new());
                    for _ in 0..share {
                        let begun = Instant::now();
                        post(&mut stream, request.as_bytes(), &mut buffer).await?;
                        each.push(begun.elapsed());
                    }
                    Ok::<_, io::Error>(each)
                })
            })
            .collect();
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await??);
        }
        Ok(Took { all: begun.elapsed(), each })
    })
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn request(target: &str, secret: &str, body: &str) -> String {
    let mut request = format!("POST {target} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {secret}\r\n");
    let _ = write!(request, "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    request
}

/// Posts until it is done: who is told to come again does so when it is told to.
async fn post(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<()> {
    loop {
        stream.write_all(request).await?;
        read_answer(stream, buffer).await?;
        if buffer.starts_with(b"HTTP/1.1 201") {
            return Ok(());
        }
        let may_come_again = buffer.windows(16).any(|window| window == b"\r\nretry-after: 1");
        if !(may_come_again && buffer.starts_with(b"HTTP/1.1 503")) {
            return Err(io::Error::other(format!("the server answered {}", String::from_utf8_lossy(buffer))));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Reads an answer to its end.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let mut missing = None;
    while missing.is_none_or(|end| buffer.len() < end) {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if missing.is_none() {
            missing = end_of_answer(buffer)?;
        }
    }
    Ok(())
}

/// Where the answer ends, once its headers are there.
fn end_of_answer(buffer: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = str::from_utf8(&buffer[..end]).map_err(io::Error::other)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.parse().ok()).ok_or_else(|| io::Error::other("no length"))?;
    Ok(Some(end + 4 + length))
}
