use std::io::{Read, Write};
use std::time::{Duration, Instant};

use secure_log_testkit::{SeededRandom, count, seed};

use crate::support::Folder;

const RECORD: &str = r#"{"stream":"a","event":"e","text":"x"}"#;

fn patient_for_a_second() -> Folder {
    Folder::new("file").set("SECURE_LOG_HTTP_TIMEOUT", "1")
}

/// Whatever the server says before it closes the connection.
fn rest(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn headers_and_bodies_that_come_slowly_are_not_waited_for_and_others_are_served() {
    let folder = patient_for_a_second();
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    let begun = Instant::now();
    let mut slow: Vec<_> = (0..count(50, 1000)).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.stream.get_mut().write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    }
    let mut body = server.connect();
    let said = "content-length: 100\r\n";
    body.stream
        .get_mut()
        .write_all(
            format!(
                "POST /v1/logs/app/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{said}\r\n{{",
                folder.secret
            )
            .as_bytes(),
        )
        .unwrap();
    assert_eq!(server.call("POST", "/v1/logs/app/records", RECORD).0, 201, "others are served meanwhile");
    assert!(rest(&mut body.stream).starts_with("HTTP/1.1 408"));
    for client in &mut slow {
        rest(&mut client.stream);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // One that says nothing after an answer is closed, too.
    let mut idle = server.connect();
    assert_eq!(idle.call("GET", "/healthz", "").unwrap().0, 200);
    assert_eq!(rest(&mut idle.stream), "");
    while server.metric("secure_log_connections") > 1.0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "connections are still there");
    }
}

#[test]
fn who_does_not_read_is_let_go() {
    let folder = patient_for_a_second();
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    let record = serde_json::json!({ "stream": "a", "event": "e", "text": "x".repeat(8 << 20) }).to_string();
    for _ in 0..4 {
        assert_eq!(server.call("POST", "/v1/logs/app/records", &record).0, 201);
    }
    let mut lazy: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for (client, target) in lazy.iter_mut().zip(["export", "tail?from=1", "records"]) {
        client.send("GET", &format!("/v1/logs/app/{target}"), "", b"").unwrap();
    }
    let until = Instant::now() + Duration::from_secs(20);
    while server.metric("secure_log_connections") > 1.0 {
        assert!(Instant::now() < until, "they are still there");
        assert_eq!(server.call("POST", "/v1/logs/app/records", RECORD).0, 201, "others are served meanwhile");
    }
    // What was made for them is let go of right behind the connection.
    while server.metric("secure_log_tails") > 0.0 {
        assert!(Instant::now() < until, "a tail is still there");
    }
    drop(lazy);
}

#[test]
fn what_is_too_long_or_no_request_is_refused() {
    let folder = Folder::new("file").set("SECURE_LOG_HTTP_MAX_BODY", "2000");
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    let long = "x".repeat(2001);
    assert_eq!(server.connect().ask("POST", "/v1/logs/app/records", "", &long).unwrap().status, 413);
    let mut chunked = server.connect();
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    chunked.send("POST", "/v1/logs/app/records", "transfer-encoding: chunked\r\n", chunk.as_bytes()).unwrap();
    assert_eq!(chunked.receive("POST").unwrap().status, 413);
    let mut chunked = server.connect();
    let chunk = format!("{:x}\r\n{RECORD}\r\n0\r\n\r\n", RECORD.len());
    chunked.send("POST", "/v1/logs/app/records", "transfer-encoding: chunked\r\n", chunk.as_bytes()).unwrap();
    assert_eq!(chunked.receive("POST").unwrap().status, 201);
    let mut headers = server.connect();
    let many = format!("x-long: {}\r\n", "x".repeat(40_000));
    // The server may close before all of it was written.
    let _ = headers.send("GET", "/healthz", &many, b"");
    assert_eq!(headers.receive("GET").unwrap().status, 431);
    for junk in [
        "\0\0\0",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/logs HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        let mut client = server.connect();
        client.stream.get_mut().write_all(junk.as_bytes()).unwrap();
        let said = rest(&mut client.stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{junk:?}: {said}");
    }
    assert_eq!(server.call("GET", "/healthz", "").0, 200);
}

#[test]
fn random_bytes_end_no_server() {
    let folder = patient_for_a_second();
    let server = folder.start();
    let mut random = SeededRandom::new(seed());
    let parts: [&[u8]; 10] = [
        b"GET ",
        b"/v1/logs ",
        b"HTTP/1.1\r\n",
        b"content-length: 5\r\n",
        b"\r\n",
        b"transfer-encoding: chunked\r\n",
        b"5\r\nhello\r\n",
        b"\xff\xfe",
        b"host: x\r\n",
        b"expect: 100-continue\r\n",
    ];
    for _ in 0..count(200, 10_000) {
        let mut client = server.connect();
        for _ in 0..random.below(12) {
            let _ = client.stream.get_mut().write_all(parts[random.below(10) as usize]);
        }
    }
    assert_eq!(server.call("GET", "/healthz", "").0, 200);
    assert!(server.end());
}

#[test]
fn more_requests_than_may_wait_are_told_to_come_again() {
    let folder = Folder::new("file").set("SECURE_LOG_HTTP_QUEUE", "2").set("SECURE_LOG_HTTP_THREADS", "1");
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    let many = format!("[{}]", vec![RECORD; 20_000].join(","));
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("POST", "/v1/logs/app/records", "", many.as_bytes()).unwrap());
    let answers: Vec<_> = clients.iter_mut().map(|client| client.receive("POST").unwrap()).collect();
    let answered = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((answered(201) + answered(503), answered(503) > 0, answered(201) >= 2), (8, true, true));
    assert!(
        answers.iter().filter(|answer| answer.status == 503).all(|answer| answer.header("retry-after") == Some("1"))
    );
    assert_eq!(server.call("GET", "/v1/logs/app", "").1["size"], answered(201) * 20_000);
}
