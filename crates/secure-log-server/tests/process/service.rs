use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::support::{Client, Folder};

const RECORD: &str = r#"{"stream":"a","event":"e","text":"x"}"#;

#[test]
fn a_log_is_made_written_and_read_and_is_there_after_a_restart() {
    for kind in ["file", "sqlite"] {
        let folder = Folder::new(kind);
        let server = folder.start();
        let mut client = server.connect();
        assert_eq!(client.call("POST", "/v1/logs", r#"{"id":"app"}"#).unwrap().0, 201);
        for n in 1..=20 {
            // All over one connection.
            let (status, answer) = client.call("POST", "/v1/logs/app/records", RECORD).unwrap();
            assert_eq!((status, &answer["entries"][0]["seqno"]), (201, &json!(n)));
        }
        assert_eq!(server.metric("secure_log_connections"), 2.0, "the client's and this one");
        assert_eq!(server.metric("secure_log_records_appended_total"), 20.0);
        let head = client.ask("HEAD", "/v1/logs/app", "", "").unwrap();
        assert_eq!((head.status, head.header("cache-control")), (200, Some("no-store")));
        let options = client.ask("OPTIONS", "/v1/logs/app/records", "", "").unwrap();
        assert_eq!((options.status, options.header("allow")), (204, Some("POST, GET, HEAD, OPTIONS")));
        let (_, lines) = client.call("GET", "/v1/logs/app/export", "").unwrap();
        assert_eq!(lines.as_str().unwrap().matches("{\"t\":\"entry\"").count(), 20);
        assert!(server.end(), "{kind}");
        // One that was begun and never became a log.
        let begun = if kind == "file" { "begun.jsonl" } else { "begun.db" };
        std::fs::write(folder.path().join("logs").join(begun), "").unwrap();
        let server = folder.start();
        assert_eq!(server.call("GET", "/v1/logs/begun", "").0, 404);
        assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"begun"}"#).0, 201);
        assert_eq!(server.call("GET", "/v1/logs/app", "").1["size"], 20);
        assert_eq!(server.call("GET", "/v1/logs", "").1["logs"], json!(["app", "begun", "service"]));
    }
}

#[test]
fn who_is_being_answered_is_answered_before_the_server_ends_and_the_last_head_is_signed() {
    let folder = Folder::new("file").set("SECURE_LOG_HEAD_EVERY", "1000000");
    let anchor = folder.path().join("heads");
    let folder = folder.set("SECURE_LOG_ANCHOR", anchor.display().to_string()).set("SECURE_LOG_ANCHOR_EVERY", "close");
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    // 30,000 records take a while.
    let many = format!("[{}]", vec![RECORD; 30_000].join(","));
    let mut client = server.connect();
    client.send("POST", "/v1/logs/app/records", "", many.as_bytes()).unwrap();
    while server.metric("secure_log_queue_depth") < 2.0 && server.metric("secure_log_records_appended_total") == 0.0 {}
    let before = server.call("GET", "/v1/logs/app", "").1;
    assert!(server.end());
    let answer = client.receive("POST").unwrap();
    assert_eq!(answer.status, 201);
    let server = folder.start();
    let after = server.call("GET", "/v1/logs/app", "").1;
    assert!(before["attested_to"].as_u64().unwrap() < 30_000);
    assert_eq!(
        (&after["size"], &after["attested_to"], &after["anchored"]),
        (&json!(30_000), &json!(30_000), &json!(true))
    );
}

#[test]
fn tls_is_spoken_to_who_trusts_the_certificate_and_nothing_else_is() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = Folder::new("file");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    let (certificate_path, key_path) = (path("cert.pem"), path("key.pem"));
    let folder =
        folder.set("SECURE_LOG_HTTP_TLS_CERTIFICATE", certificate_path).set("SECURE_LOG_HTTP_TLS_KEY", key_path);
    let server = folder.start();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let stream = StreamOwned::new(session, TcpStream::connect(&server.address).unwrap());
    let mut client = Client::new(stream, &folder.secret);
    for _ in 0..3 {
        assert_eq!(client.call("GET", "/v1/logs", "").unwrap(), (200, json!({ "logs": ["service"], "next": null })));
    }
    let mut plain = server.connect();
    plain.send("GET", "/healthz", "", b"").unwrap();
    let mut answer = Vec::new();
    let _ = plain.stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn tokens_are_read_again_when_the_server_is_told() {
    let folder = Folder::new("file");
    let server = folder.start();
    assert_eq!(server.call("GET", "/v1/logs", "").0, 200);
    let tokens = folder.path().join("tokens");
    let line = std::fs::read_to_string(&tokens).unwrap();
    let wait_for = |status: u16| {
        for _ in 0..200 {
            if server.call("GET", "/v1/logs", "").0 == status {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the status does not become {status}");
    };
    std::fs::write(&tokens, "").unwrap();
    server.signal("HUP");
    wait_for(401);
    // What cannot be read changes nothing.
    std::fs::write(&tokens, "nonsense").unwrap();
    server.signal("HUP");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(server.call("GET", "/v1/logs", "").0, 401);
    std::fs::write(&tokens, line).unwrap();
    server.signal("HUP");
    wait_for(200);
    assert!(server.end());
}
