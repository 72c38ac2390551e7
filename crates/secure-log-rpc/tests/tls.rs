//! `https` from a native program: who may be talked to, and that nothing is said to anybody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secure_log::memory::MemoryStore;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_rpc::endpoint::{Endpoint, Request};
use secure_log_rpc::{HttpTransport, RemoteStore, Transport, TransportError};
use secure_log_testkit::{LogBuilder, SharedStore, alone};

use crate::support::{Shared, at_once};

const TOKEN: &str = "token-of-the-test";
const HERE: &str = "localhost";

/// An authority that nobody else knows.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// The TLS of a server of this name, whose certificate ends in this year.
    fn server(&self, name: &str, until: i32) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A server on a port of its own, until the test ends. It counts who came, and what was asked.
struct Server {
    url: String,
    came: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(config: ServerConfig) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{HERE}:{}/", listener.local_addr().unwrap().port());
        let (came, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (coming, asking) = (Arc::clone(&came), Arc::clone(&asked));
        let (config, store) = (Arc::new(config), SharedStore::new(MemoryStore::new()));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                coming.fetch_add(1, Ordering::SeqCst);
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (store, asking) = (store.clone(), Arc::clone(&asking));
                std::thread::spawn(move || answer(StreamOwned::new(connection, socket), &store, &asking));
            }
        });
        Server { url, came, asked }
    }
}

/// Answers calls until the other end goes away, or was never there.
fn answer<S: Read + Write>(stream: S, store: &Shared, asked: &AtomicUsize) -> Option<()> {
    let endpoint = Endpoint::new(Some(TOKEN), Some("memory"));
    let mut stream = BufReader::new(stream);
    loop {
        let (mut authorization, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line == "\r\n" { break } else { continue }
            };
            match &*name.to_ascii_lowercase() {
                "authorization" => authorization = value.into(),
                "content-length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let authorization = Some(authorization.as_bytes());
        let request = Request { method: "POST", path: "/", authorization, length: Some(length as u64) };
        let response = match endpoint.admit(&request) {
            Ok(()) => endpoint.serve(&body, |_| Ok(store.clone()), |_, _| ()),
            Err(refused) => refused,
        };
        let head = format!("HTTP/1.1 {} said\r\ncontent-length: {}\r\n\r\n", response.status, response.body.len());
        stream.get_mut().write_all((head + &response.body).as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
    }
}

fn open(transport: impl Transport) -> Result<(), StoreError> {
    RemoteStore::open_with(transport, "test", at_once()).map(drop)
}

/// Nothing was said to the server, and it was tried once: another attempt would find the same certificate.
fn assert_refused(server: &Server, said: Result<(), StoreError>, why: &str) {
    match said {
        Err(StoreError::Config(detail)) => assert!(detail.contains(why) && detail.contains("certificate"), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.came.load(Ordering::SeqCst), 1, "it is tried once");
    assert_eq!(server.asked.load(Ordering::SeqCst), 0, "nothing is sent, and so no token");
}

#[test]
fn a_server_whose_authority_is_named_is_talked_to() {
    let authority = Authority::new("ours");
    let server = Server::start(authority.server(HERE, 2100));
    let transport = HttpTransport::trusting(&server.url, TOKEN, authority.pem.as_bytes()).unwrap();
    let mut store = RemoteStore::open_with(transport, "test", at_once()).unwrap();
    let mut log = LogBuilder::new();
    store.insert(&log.create()).unwrap();
    store.insert(&log.commit().entry("a", b"in secret").finish()).unwrap();
    assert_eq!(store.heads(None, 9).unwrap().len(), 2);
    assert_eq!(server.came.load(Ordering::SeqCst), 1, "a connection is used again");
}

/// Also of one that gives itself the same name.
#[test]
fn a_certificate_of_another_authority_is_refused() {
    let ours = Authority::new("ours");
    for (name, why) in [("another", "UnknownIssuer"), ("ours", "BadSignature")] {
        let server = Server::start(Authority::new(name).server(HERE, 2100));
        let transport = HttpTransport::trusting(&server.url, TOKEN, ours.pem.as_bytes()).unwrap();
        assert_refused(&server, open(transport), why);
    }
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let authority = Authority::new("ours");
    let server = Server::start(authority.server("elsewhere.example", 2100));
    let transport = HttpTransport::trusting(&server.url, TOKEN, authority.pem.as_bytes()).unwrap();
    assert_refused(&server, open(transport), "not valid for name");
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    let authority = Authority::new("ours");
    let server = Server::start(authority.server(HERE, 2021));
    let transport = HttpTransport::trusting(&server.url, TOKEN, authority.pem.as_bytes()).unwrap();
    assert_refused(&server, open(transport), "expired");
}

/// Where no authority is named, those of the system are trusted. That of the test is one of them in a process that is told so.
#[test]
fn without_an_authority_those_of_the_system_are_trusted() {
    const URL: &str = "SECURE_LOG_TEST_TLS_URL";
    if let Ok(url) = std::env::var(URL) {
        return open(HttpTransport::new(&url, TOKEN)).unwrap();
    }
    let authority = Authority::new("ours");
    let server = Server::start(authority.server(HERE, 2100));
    assert_refused(&server, open(HttpTransport::new(&server.url, TOKEN)), "UnknownIssuer");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, &authority.pem).unwrap();
    let trusting = alone("tls::without_an_authority_those_of_the_system_are_trusted")
        .envs([(URL, server.url.as_str().as_ref()), ("SSL_CERT_FILE", file.as_os_str())])
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    assert!(trusting.status.success(), "{trusting:?}");
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn what_holds_no_authority_is_refused_before_anything_is_sent() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let refused = HttpTransport::trusting("https://localhost/", TOKEN, pem.as_bytes());
        assert!(matches!(refused, Err(TransportError::Refused(_))), "{pem}: {refused:?}");
    }
}
