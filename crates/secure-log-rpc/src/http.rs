//! A transport for native programs.

use core::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;

use crate::transport::{Transport, TransportError, http_error};
use crate::{MAX_ANSWER_BYTES, text};

/// As long may it take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// And as long a whole call: a store may wait for another writer, and a long commit has to be sent.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// No more is read of an answer that is an error.
const MAX_ERROR_BYTES: u64 = 4096;

/// Posts calls to a server, such as the component rpc-server.
///
/// `http` is sent as it is, the token with it: use it within a machine, or behind something that encrypts. For `https` give
/// it an agent of a `ureq` that was built with one of its features for TLS.
pub struct HttpTransport {
    agent: Agent,
    url: String,
    /// The value of the header.
    authorization: String,
}

impl HttpTransport {
    /// Calls the server at `url`, showing it `token`. No proxy is used, and no redirection followed.
    pub fn new(url: &str, token: &str) -> HttpTransport {
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .proxy(None);
        HttpTransport::with_agent(config.build().into(), url, token)
    }

    /// The same through an agent of the caller's, whose time-outs, proxy and TLS are used.
    pub fn with_agent(agent: Agent, url: &str, token: &str) -> HttpTransport {
        HttpTransport { agent, url: url.into(), authorization: format!("Bearer {token}") }
    }
}

impl Transport for HttpTransport {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let body = format!(r#"{{"method":"{method}","params":{params}}}"#);
        let request = self
            .agent
            .post(&self.url)
            .config()
            // A token is shown to nobody else.
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .header("authorization", &self.authorization)
            .content_type("application/json");
        let mut response = request.send(&body).map_err(|error| self.error(&error))?;
        let status = response.status();
        let limit = if status.is_success() { MAX_ANSWER_BYTES as u64 } else { MAX_ERROR_BYTES };
        let body = response.body_mut().with_config().limit(limit);
        if status.is_success() && status != StatusCode::NO_CONTENT {
            return body.read_to_string().map_err(|error| TransportError::Unknown(text::harmless(&error.to_string())));
        }
        // An error is one whatever its body is.
        Err(http_error(status.as_u16(), &body.read_to_vec().unwrap_or_default()))
    }
}

impl HttpTransport {
    fn error(&self, error: &ureq::Error) -> TransportError {
        let detail = text::harmless(&error.to_string());
        match error {
            // Nothing was sent.
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::TlsRequired => TransportError::Refused(detail),
            _ => TransportError::Unknown(detail),
        }
    }
}

impl core::fmt::Debug for HttpTransport {
    /// Without the token.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HttpTransport").field("url", &self.url).finish_non_exhaustive()
    }
}
