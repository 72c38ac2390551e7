//! The end that calls.

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingRequest, RequestOptions, Scheme,
};
use crate::{Deadline, Incomplete, content_length, header, receive, send};

/// What is posted.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Whether it is posted encrypted.
    pub https: bool,
    /// The host's name, and a port if there is one.
    pub authority: &'a str,
    /// The path with the query.
    pub path: &'a str,
    /// Headers, besides that of the length.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body. It is sent in one piece, as what is handed over piece by piece is sent packet by packet.
    pub body: &'a [u8],
    /// So long it may take to connect.
    pub connect_secs: u64,
    /// And so long the whole call.
    pub call_secs: u64,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostError {
    /// The headers are none. Nothing was sent.
    Headers,
    /// The address is none. Nothing was sent.
    Address,
    /// The host does not do what this needs: which is said. Nothing was sent.
    Host(&'static str),
    /// The host may not, or does not want to, call this address. Nothing was sent.
    Denied(String),
    /// The call was not taken as a whole.
    Call(Incomplete),
    /// The answer did not come.
    Answer(Incomplete),
    /// The call failed on the way.
    Failed(String),
}

/// An answer, of which the body is still to be read.
#[derive(Debug)]
pub struct Answer {
    response: IncomingResponse,
    deadline: Deadline,
}

impl Post<'_> {
    /// Posts it, and waits until an answer begins.
    pub fn send(&self) -> Result<Answer, PostError> {
        let request = self.request()?;
        let body = request.body().map_err(|()| PostError::Host("gives a request no body"))?;
        let deadline = Deadline::after_secs(self.call_secs);
        let coming = outgoing_handler::handle(request, Some(self.options()?)).map_err(failed)?;
        // Who refuses a call may answer before it has read all of it, and what it answers says more.
        let sent = send(body, self.body, &deadline);
        let event = coming.subscribe();
        deadline.wait_for(&event).map_err(PostError::Answer)?;
        drop(event);
        match (coming.get(), sent) {
            (Some(Ok(Ok(response))), _) => Ok(Answer { response, deadline }),
            (_, Err(why)) => Err(PostError::Call(why)),
            (Some(Ok(Err(error))), Ok(())) => Err(failed(error)),
            _ => Err(PostError::Answer(Incomplete::Broken)),
        }
    }

    fn request(&self) -> Result<OutgoingRequest, PostError> {
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        let length = ("content-length".to_owned(), self.body.len().to_string().into_bytes());
        let headers: Vec<_> = headers.chain([length]).collect();
        let request = OutgoingRequest::new(Fields::from_list(&headers).map_err(|_| PostError::Headers)?);
        let scheme = if self.https { Scheme::Https } else { Scheme::Http };
        request
            .set_method(&Method::Post)
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(self.authority)))
            .and_then(|()| request.set_path_with_query(Some(self.path)))
            .map_err(|()| PostError::Address)?;
        Ok(request)
    }

    fn options(&self) -> Result<RequestOptions, PostError> {
        const NANOS: u64 = 1_000_000_000;
        let options = RequestOptions::new();
        options
            .set_connect_timeout(Some(self.connect_secs * NANOS))
            .and_then(|()| options.set_first_byte_timeout(Some(self.call_secs * NANOS)))
            .and_then(|()| options.set_between_bytes_timeout(Some(self.call_secs * NANOS)))
            .map_err(|()| PostError::Host("bounds no time"))?;
        Ok(options)
    }
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status()
    }

    /// The value of a header that is there once.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        header(&self.response.headers(), name)
    }

    /// The body, of at most `limit` bytes.
    pub fn read(self, limit: usize) -> Result<Vec<u8>, Incomplete> {
        let length = content_length(&self.response.headers());
        let body = self.response.consume().map_err(|()| Incomplete::Broken)?;
        receive(&body, length, limit, &self.deadline)
    }

    /// The beginning of the body, of at most about `limit` bytes, whatever becomes of the rest.
    pub fn read_some(self, limit: usize) -> Vec<u8> {
        self.response
            .consume()
            .ok()
            .and_then(|body| receive(&body, None, limit, &self.deadline).ok())
            .unwrap_or_default()
    }
}

fn failed(error: ErrorCode) -> PostError {
    let detail = format!("{error:?}");
    match error {
        ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::DestinationIpProhibited => PostError::Denied(detail),
        _ => PostError::Failed(detail),
    }
}
