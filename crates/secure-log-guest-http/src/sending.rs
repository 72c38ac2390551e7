//! An answer whose body is made while it is sent.

use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::bindings::wasi::io::poll::Pollable;
use crate::bindings::wasi::io::streams::OutputStream;
use crate::{Deadline, Incomplete, write_all};

/// An answer that has begun. One that is dropped before it is finished ends in the middle, and its reader sees that it does.
#[derive(Debug)]
pub struct Sending {
    // In the order in which they have to be dropped: each is a part of the next.
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    patience_secs: u64,
}

impl Sending {
    /// Begins an answer with these headers, of which each piece has to be taken within so many seconds. `None` where they are no
    /// headers, or nobody is there any more.
    pub fn begin<'h>(
        out: ResponseOutparam,
        status: u16,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        patience_secs: u64,
    ) -> Option<Sending> {
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        let response = OutgoingResponse::new(Fields::from_list(&headers).ok()?);
        response.set_status_code(status).ok()?;
        let body = response.body().ok()?;
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().ok()?;
        let ready = stream.subscribe();
        Some(Sending { ready, stream, body, patience_secs })
    }

    /// Sends a piece.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Incomplete> {
        write_all(&self.stream, &self.ready, bytes, &Deadline::after_secs(self.patience_secs))?;
        self.stream.flush().map_err(|_| Incomplete::Broken)
    }

    /// Waits for so long, and answers whether the reader is still there.
    pub fn pause(&mut self, nanos: u64) -> bool {
        monotonic_clock::subscribe_duration(nanos).block();
        self.stream.check_write().is_ok()
    }

    /// Ends it.
    pub fn finish(self) -> Result<(), Incomplete> {
        let Sending { ready, stream, body, patience_secs } = self;
        let deadline = Deadline::after_secs(patience_secs);
        // Whoever has as many bytes as were announced may take no more, not even a flush; the body is whole all the same.
        while let Ok(0) = stream.check_write() {
            deadline.wait_for(&ready)?;
        }
        drop(ready);
        drop(stream);
        OutgoingBody::finish(body, None).map_err(|_| Incomplete::Broken)
    }
}
