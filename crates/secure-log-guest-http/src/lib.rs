//! HTTP messages, read and written within bounds.
//!
//! **In scope**: the bindings of `wasi:http`; [`receive`] and [`send`], for the bodies on both ends; [`Post`], a call that ends
//! in time; [`Responder`], for a component that answers with a text, and [`Handles`] with [`Sending`], for one that answers as it
//! likes.
//! **Out of scope**: what a message means, which `secure-log-rpc` and `secure-log-witness` know.

pub mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({
        inline: "
            package secure-log:guest-http;

            world http-user {
                import wasi:http/types@0.2.12;
                import wasi:http/outgoing-handler@0.2.12;
                import wasi:clocks/monotonic-clock@0.2.12;
            }
        ",
        world: "secure-log:guest-http/http-user",
        path: ["../../wit/keys", "../../wit"],
        generate_all,
    });
}

mod client;
mod sending;
pub mod server;

pub use client::{Answer, Post, PostError};
pub use sending::Sending;
pub use server::{Handles, Reply, Responder, method_name};

use bindings::wasi::clocks::monotonic_clock;
use bindings::wasi::http::types::{Fields, IncomingBody, OutgoingBody};
use bindings::wasi::io::poll::{Pollable, poll};
use bindings::wasi::io::streams::{OutputStream, StreamError};

/// No more is read or written at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// Why a body is not all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// It is longer than it may be.
    TooLong,
    /// It took too long.
    TimedOut,
    /// The other end, or the host, ended it.
    Broken,
}

/// A time after which nobody waits any more.
#[derive(Debug)]
pub struct Deadline(Pollable);

impl Deadline {
    /// So many seconds from now.
    pub fn after_secs(secs: u64) -> Deadline {
        Deadline(monotonic_clock::subscribe_duration(secs * 1_000_000_000))
    }

    /// Waits for what is given, and answers whether it came in time.
    pub fn wait_for(&self, event: &Pollable) -> Result<(), Incomplete> {
        // What came in time counts, even if it is late by now.
        if poll(&[event, &self.0]).contains(&0) { Ok(()) } else { Err(Incomplete::TimedOut) }
    }
}

/// The value of a header that is there once.
pub fn header(headers: &Fields, name: &str) -> Option<Vec<u8>> {
    let values: [Vec<u8>; 1] = headers.get(name).try_into().ok()?;
    let [value] = values;
    Some(value)
}

/// How long the body is, if that is said.
pub fn content_length(headers: &Fields) -> Option<u64> {
    core::str::from_utf8(&header(headers, "content-length")?).ok()?.parse().ok()
}

/// Reads a body of at most `limit` bytes. `length` is what was said of its length.
pub fn receive(
    body: &IncomingBody,
    length: Option<u64>,
    limit: usize,
    deadline: &Deadline,
) -> Result<Vec<u8>, Incomplete> {
    let stream = body.stream().map_err(|()| Incomplete::Broken)?;
    let ready = stream.subscribe();
    // What is only said is not yet there: no more room is made for it than for a common body.
    let room = length.unwrap_or(0).min(CHUNK_BYTES);
    let mut bytes = Vec::with_capacity(room as usize);
    loop {
        match stream.read(CHUNK_BYTES) {
            Ok(read) if read.is_empty() => deadline.wait_for(&ready)?,
            Ok(read) if bytes.len() + read.len() > limit => return Err(Incomplete::TooLong),
            Ok(read) => bytes.extend_from_slice(&read),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(Incomplete::Broken),
        }
    }
    match length {
        Some(length) if length != bytes.len() as u64 => Err(Incomplete::Broken),
        _ => Ok(bytes),
    }
}

/// Writes all of a body, and ends it.
pub fn send(body: OutgoingBody, bytes: &[u8], deadline: &Deadline) -> Result<(), Incomplete> {
    write(&body, bytes, deadline)?;
    OutgoingBody::finish(body, None).map_err(|_| Incomplete::Broken)
}

fn write(body: &OutgoingBody, bytes: &[u8], deadline: &Deadline) -> Result<(), Incomplete> {
    let stream = body.write().map_err(|()| Incomplete::Broken)?;
    let ready = stream.subscribe();
    write_all(&stream, &ready, bytes, deadline)?;
    // Whoever has as many bytes as were announced may take no more, not even a flush; the body is whole all the same.
    if stream.flush().is_ok() {
        while let Ok(0) = stream.check_write() {
            deadline.wait_for(&ready)?;
        }
    }
    Ok(())
}

/// Writes as fast as the other end takes it.
fn write_all(stream: &OutputStream, ready: &Pollable, bytes: &[u8], deadline: &Deadline) -> Result<(), Incomplete> {
    let broken = |_: StreamError| Incomplete::Broken;
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.check_write().map_err(broken)? {
            0 => deadline.wait_for(ready)?,
            room => {
                let (now, later) = rest.split_at(rest.len().min(room.min(CHUNK_BYTES) as usize));
                stream.write(now).map_err(broken)?;
                rest = later;
            }
        }
    }
    Ok(())
}
