//! TLS to a server whose certificate is always checked, and the binding of a login to it.
//!
//! A login by SCRAM is bound to the certificate that was seen (RFC 5929, `tls-server-end-point`), so that it cannot be passed on.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secure_log::store::StoreError;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use crate::settings::Settings;

/// How to encrypt, and whom to trust.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    pub(crate) fn new(settings: &Settings) -> Result<Tls, StoreError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error.to_string()))?
            .with_root_certificates(roots(settings)?)
            .with_no_client_auth();
        Ok(Tls(TlsConnector::from(Arc::new(config))))
    }

    /// For the server of this name.
    pub(crate) fn to(&self, server: &str) -> TlsTo {
        TlsTo { connector: self.0.clone(), server: server.into() }
    }
}

fn roots(settings: &Settings) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    match &settings.root {
        Some(path) => {
            let unread = |why: &dyn core::fmt::Display| refused(&format!("sslrootcert, {}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| unread(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| unread(&error))?;
                roots.add(certificate).map_err(|error| unread(&error))?;
            }
            if roots.is_empty() {
                return Err(unread(&"there is no certificate in it"));
            }
        }
        None => add_those_of_the_system(&mut roots)?,
    }
    Ok(roots)
}

#[cfg(not(target_family = "wasm"))]
fn add_those_of_the_system(roots: &mut RootCertStore) -> Result<(), StoreError> {
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(refused("this system trusts no certificates: name a file of them with sslrootcert"));
    }
    Ok(())
}

/// A component knows no certificates but those that it is given.
#[cfg(target_family = "wasm")]
fn add_those_of_the_system(_: &mut RootCertStore) -> Result<(), StoreError> {
    Err(refused("name the file with the certificates to trust with sslrootcert, or say sslmode=disable"))
}

fn refused(detail: &str) -> StoreError {
    StoreError::Config(format!("TLS cannot be used: {detail}"))
}

/// TLS to one server.
pub(crate) struct TlsTo {
    connector: TlsConnector,
    server: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for TlsTo {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let server = ServerName::try_from(self.server).map_err(io::Error::other)?;
            self.connector.connect(server, stream).await.map(Encrypted)
        })
    }
}

/// What is encrypted.
pub(crate) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        let certificates = self.0.get_ref().1.peer_certificates().unwrap_or_default();
        match certificates.first().and_then(|certificate| end_point(certificate)) {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The hash of a certificate by the function that its signature was made with; `None` where RFC 5929 names none.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    let (whole, _) = element(certificate)?;
    let (_, behind) = element(whole)?;
    let (algorithm, _) = element(behind)?;
    let (identifier, _) = element(algorithm)?;
    let (last, family) = identifier.split_last()?;
    Some(match (family, last) {
        // SHA-1 counts as SHA-256.
        (RSA, 5 | 11) | (ECDSA, 2) => Sha256::digest(certificate).to_vec(),
        (RSA, 12) | (ECDSA, 3) => Sha384::digest(certificate).to_vec(),
        (RSA, 13) | (ECDSA, 4) => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}

/// The content of an element in DER, and what stands behind it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (digits, behind) = rest.split_at_checked(length & 0x7f)?;
        length =
            digits.iter().try_fold(0usize, |length, digit| length.checked_mul(256)?.checked_add((*digit).into()))?;
        rest = behind;
    }
    rest.split_at_checked(length)
}
