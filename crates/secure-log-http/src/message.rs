//! Requests and responses, as plain values.

use std::task::Waker;

/// A request without its body.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// In upper case, such as `GET`.
    pub method: String,
    /// As it was sent, without the query.
    pub path: String,
    /// What stands behind the `?`, if there is one.
    pub query: Option<String>,
    /// Names in lower case. Of several of one name the first one counts, but for those that must not be there twice.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// A request of this method for a target such as `/v1/logs?limit=3`, without headers.
    pub fn new(method: &str, target: &str) -> Head {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.into())),
            None => (target, None),
        };
        Head { method: method.into(), path: path.into(), query, headers: Vec::new() }
    }

    /// The same with a header more.
    pub fn with(mut self, name: &str, value: &str) -> Head {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The media type of the body, in lower case and without its parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

impl core::fmt::Debug for Head {
    /// Without the headers, one of which is a secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Head { method, path, query, .. } = self;
        f.debug_struct("Head").field("method", method).field("path", path).field("query", query).finish_non_exhaustive()
    }
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// What the operator has to know and the caller has not.
    pub note: Option<String>,
}

/// The body of a response.
pub enum Body {
    /// All of it.
    Bytes(Vec<u8>),
    /// It is made while it is sent, for as long as somebody reads it.
    Stream(Box<dyn Stream + Send>),
}

impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Body::Bytes(bytes) => write!(f, "Bytes({})", String::from_utf8_lossy(bytes)),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A body that is made while it is sent.
pub trait Stream {
    /// What comes next. It reads from a store, so that it is called where waiting costs nobody else. The waker is woken once
    /// there may be more, after [`Next::Nothing`] was answered; who waits asks again after [`Stream::ask_again_after`] all the same.
    fn next(&mut self, waker: &Waker) -> Next;

    /// How long at most nobody asks after [`Next::Nothing`].
    fn ask_again_after(&self) -> core::time::Duration;
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// That was all.
    End,
    /// It ends in the middle, and the reader has to see that it does. The text is the operator's.
    Broken(String),
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

impl Response {
    pub(crate) fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            headers: vec![("content-type", content_type.into())],
            body: Body::Bytes(body.into()),
            note: None,
        }
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Response {
        Response::of(status, JSON, crate::json::text_of(value))
    }

    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response::of(status, TEXT, body)
    }

    pub(crate) fn stream(content_type: &str, stream: impl Stream + Send + 'static) -> Response {
        Response {
            status: 200,
            headers: vec![("content-type", content_type.into())],
            body: Body::Stream(Box::new(stream)),
            note: None,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| &**value)
    }

    /// The headers that a server sends: these, and those that every response has. What is answered to one caller is for nobody
    /// between.
    pub fn sent_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let private = self.header("cache-control").is_none().then_some(("cache-control", "no-store"));
        let own = self.headers.iter().map(|(name, value)| (*name, &**value));
        own.chain(private).chain([("x-content-type-options", "nosniff")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_of_a_request_holds_no_token() {
        let head = Head::new("GET", "/v1/logs?limit=3").with("Authorization", "Bearer slt_secret");
        let printed = format!("{head:?}");
        assert!(printed.contains("limit=3") && !printed.contains("slt_"), "{printed}");
        assert_eq!(head.header("authorization"), Some("Bearer slt_secret"));
    }
}
