use std::collections::BTreeMap;

use secure_log_http::limits::MAX_TARGET_BYTES;
use secure_log_http::{Head, Limits, Rate};
use secure_log_testkit::{SeededRandom, count, seed};

use crate::world::{World, case};

#[test]
fn unknown_paths_and_methods_are_told_apart() {
    let world = World::new();
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/v2/logs", 404),
        ("GET", "/v1/logs/app/nothing", 404),
        ("PUT", "/v1/logs", 405),
        ("TRACE", "/healthz", 405),
        ("DELETE", "/v1/logs/app/records/1", 405),
        ("OPTIONS", "/v1/logs/app/records", 204),
        ("HEAD", "/healthz", 200),
        ("HEAD", "/v1/logs/app", 200),
        ("GET", "/v1/logs/none", 404),
        ("GET", "/v1/logs/No%20Name", 404),
        ("GET", "/problems/busy", 200),
        ("GET", "/problems/none", 404),
    ] {
        let response = world.api.handle(world.head("all", method, target), b"");
        assert_eq!(response.status, status, "{method} {target}");
        assert_eq!(response.header("allow").is_some(), [405, 204].contains(&status), "{method} {target}");
    }
    assert_eq!(
        world.api.handle(Head::new("PUT", "/v1/logs/app/checkpoint"), b"").header("allow"),
        Some("POST, GET, HEAD, OPTIONS")
    );
}

#[test]
fn each_bound_has_its_own_answer() {
    let limits = Limits { max_body_bytes: 1000, ..Limits::default() };
    let world = World::with(limits, false);
    let long = format!("/v1/logs/app/records?text={}", "x".repeat(MAX_TARGET_BYTES));
    let (status, answer) = world.get(&long);
    assert_eq!((status, case(&answer)), (414, "target-too-long"));
    let record = format!(r#"{{"stream":"a","event":"e","text":"{}"}}"#, "x".repeat(1000));
    let (status, answer) = world.post("/v1/logs/app/records", &record);
    assert_eq!((status, case(&answer), answer["limit"].as_u64()), (413, "body-too-large", Some(1000)));
    let said = world.head("all", "POST", "/v1/logs/app/records").with("content-length", "1001");
    assert_eq!(crate::world::text(world.api.refuse(world.api.admit(said).unwrap_err())).0, 413);
    for length in ["-1", "x", "99999999999999999999"] {
        let said = world.head("all", "POST", "/v1/logs/app/records").with("content-length", length);
        assert!(world.api.admit(said).is_err(), "{length}");
    }
    assert_eq!(world.api.handle(world.head("all", "GET", "/v1/logs/app"), b"x").status, 413);
    let many = format!("[{}]", vec![r#"{"stream":"a","event":"e"}"#; 33000].join(","));
    let roomy = World::new();
    let (status, answer) = roomy.post("/v1/logs/app/records", &many);
    assert_eq!(status, 400, "{answer}");
    let most = format!("[{}]", vec![r#"{"stream":"a","event":"e"}"#; 32767].join(","));
    assert_eq!(roomy.post("/v1/logs/app/records", &most).0, 201);
}

#[test]
fn a_token_that_asks_too_often_waits() {
    let limits = Limits { rate: Rate { per_second: 1, burst: 5 }, ..Limits::default() };
    let world = World::with(limits, false);
    // One was spent on the log that was made.
    let found: Vec<u16> = (0..8).map(|_| world.get("/v1/logs/app").0).collect();
    assert_eq!(found[..4], [200; 4]);
    assert!(found[5..].iter().all(|status| *status == 429), "{found:?}");
    let response = world.api.handle(world.head("all", "POST", "/v1/logs/app/records"), b"");
    assert_eq!((response.status, response.header("retry-after")), (429, Some("1")));
    assert_eq!(world.api.metrics().dropped_count(secure_log_http::metrics::Dropped::Rate), 1);
}

#[test]
fn places_are_counted_and_given_back() {
    let limits = Limits { tails: 2, exports: 1, per_log: 0, open_logs: 1, ..Limits::default() };
    let world = World::with(limits, false);
    let (status, answer) = world.post("/v1/logs/app/records", r#"{"stream":"a","event":"e"}"#);
    assert_eq!((status, case(&answer)), (503, "busy"));
    assert_eq!(world.metric("secure_log_records_dropped_total{reason=\"busy\"}"), 1);
    let tail = || world.api.handle(world.head("all", "GET", "/v1/logs/app/tail"), b"");
    let (one, two) = (tail(), tail());
    assert_eq!((one.status, two.status, tail().status), (200, 200, 503));
    drop(one);
    let three = tail();
    assert_eq!(three.status, 200);
    // A log that somebody reads is not closed to open another one.
    assert_eq!(world.post("/v1/logs", r#"{"id":"b"}"#).0, 503);
    drop((two, three));
    assert_eq!(world.post("/v1/logs", r#"{"id":"b"}"#).0, 201);
}

#[test]
fn a_service_that_stops_says_so() {
    let world = World::new();
    assert_eq!(world.get("/readyz").0, 200);
    world.api.stop_taking();
    assert_eq!((world.get("/readyz").0, world.get("/healthz").0), (503, 200));
    let (status, answer) = world.get("/v1/logs/app");
    assert_eq!((status, case(&answer)), (503, "stopping"));
}

/// Whatever is asked, there is an answer that is no fault of the service.
#[test]
fn random_requests_are_answered_and_none_is_a_fault() {
    let mut drawn = SeededRandom::new(seed());
    let world = World::new();
    world.append("a", "x");
    let mut random = |below: u64| drawn.below(below) as usize;
    let routes = [
        "",
        "/records",
        "/records",
        "/records",
        "/records",
        "/records/1",
        "/streams",
        "/segments",
        "/inclusion/1",
        "/consistency/1",
        "/proof/1",
        "/checkpoint",
        "/export",
        "/tail",
        "/verify",
    ];
    let parts = [
        "v1",
        "logs",
        "app",
        "records",
        "1",
        "verify",
        "..",
        "",
        "%2e",
        "\u{202e}",
        "0",
        "18446744073709551615",
        "-1",
        "service",
    ];
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "stream",
        "event",
        ":",
        ",",
        "text",
        "b64",
        "null",
        "1e999",
        "\\u0000",
        "\\ud800",
        "a",
        "\n",
        "{\"stream\":\"a\",\"event\":\"e\"}",
        "id",
        "key_id",
        "-0",
    ];
    let queries = [
        "limit", "cursor", "from", "to", "stream", "text", "proofs", "size", "second", "topic", "format", "after",
        "order", "actor",
    ];
    let mut answers = BTreeMap::new();
    for _ in 0..count(1_000, 10_000) {
        // Most are of a route about a log that is there, or they would all be of none.
        let mut target = match random(4) {
            0 => String::new(),
            _ => format!("/v1/logs/app{}", routes[random(routes.len() as u64)]),
        };
        for _ in 0..random(8).saturating_sub(6) {
            target.push('/');
            target.push_str(parts[random(parts.len() as u64)]);
        }
        for n in 0..random(8).saturating_sub(5) {
            target.push(if n == 0 { '?' } else { '&' });
            target.push_str(queries[random(queries.len() as u64)]);
            target.push('=');
            target.push_str(["1", "0", "true", "%00", "%ff", "a", "-", "18446744073709551616", "*", "#"][random(10)]);
        }
        let method = ["GET", "GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "\u{0}"][random(8)];
        let body = match random(4) {
            0 | 1 => r#"{"stream":"a","event":"e"}"#.to_owned(),
            2 => String::new(),
            _ => (0..random(12)).map(|_| pieces[random(pieces.len() as u64)]).collect(),
        };
        let media_type = ["application/json", "application/json", "application/x-ndjson", "x", ""][random(5)];
        let head = world.head("all", method, &target).with("content-type", media_type);
        let response = world.api.handle(head, body.as_bytes());
        assert!(response.status < 500, "{method} {target} {body}: {response:?}");
        *answers.entry(response.status).or_insert(0u64) += 1;
    }
    let often = |status| answers.get(&status).is_some_and(|times| *times > 0);
    assert!([200, 201, 400, 404, 405].into_iter().all(often), "it asked for too little: {answers:?}");
    assert_eq!(world.get("/v1/logs/app/verify").1["finding"], serde_json::Value::Null);
}
