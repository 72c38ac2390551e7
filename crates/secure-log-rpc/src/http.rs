//! A transport for native programs.

use core::time::Duration;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

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
/// `https` is spoken where the URL says so. `http` is sent as it is, the token with it: use it within a machine.
pub struct HttpTransport {
    agent: Agent,
    url: String,
    /// The value of the header.
    authorization: String,
}

impl HttpTransport {
    /// Calls the server at `url`, showing it `token`. No proxy is used, and no redirection followed. A server of `https` shows a
    /// certificate for its name by an authority that this system trusts; `SSL_CERT_FILE` names a file with others.
    pub fn new(url: &str, token: &str) -> HttpTransport {
        // Where some cannot be read, the others are trusted; where none can, no certificate is.
        let found = if is_https(url) { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
        HttpTransport::with_authorities(url, token, &found)
    }

    /// The same, where the server's certificate is by one of the authorities in this PEM text, and none other is trusted.
    pub fn trusting(url: &str, token: &str, authorities: &[u8]) -> Result<HttpTransport, TransportError> {
        let refused = |why: &dyn core::fmt::Display| TransportError::Refused(format!("the certificates: {why}"));
        let found = CertificateDer::pem_slice_iter(authorities).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| refused(&error))?;
        let mut roots = RootCertStore::empty();
        found.iter().try_for_each(|one| roots.add(one.clone())).map_err(|error| refused(&error))?;
        if roots.is_empty() {
            return Err(refused(&"none is there"));
        }
        Ok(HttpTransport::with_authorities(url, token, &found))
    }

    fn with_authorities(url: &str, token: &str, authorities: &[CertificateDer<'_>]) -> HttpTransport {
        let roots = authorities.iter().map(|one| Certificate::from_der(one.as_ref()).to_owned());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CALL_TIMEOUT))
            .tls_config(tls.build())
            .proxy(None);
        HttpTransport::with_agent(config.build().into(), url, token)
    }

    /// The same through an agent of the caller's, whose time-outs, proxy and TLS are used.
    pub fn with_agent(agent: Agent, url: &str, token: &str) -> HttpTransport {
        HttpTransport { agent, url: url.into(), authorization: format!("Bearer {token}") }
    }
}

fn is_https(url: &str) -> bool {
    url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
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
            error if is_certificate(error) => TransportError::Refused(format!("the server's certificate: {detail}")),
            _ => TransportError::Unknown(detail),
        }
    }
}

/// The server's certificate was refused, before anything else was said.
fn is_certificate(error: &ureq::Error) -> bool {
    let found = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|error| error.downcast_ref()),
        _ => None,
    };
    matches!(found, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

impl core::fmt::Debug for HttpTransport {
    /// Without the token.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HttpTransport").field("url", &self.url).finish_non_exhaustive()
    }
}
