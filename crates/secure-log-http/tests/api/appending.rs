use secure_log_http::Head;
use secure_log_http::idempotency::KEYS_STREAM;
use serde_json::json;

use crate::world::{World, case};

#[test]
fn records_come_as_one_as_an_array_and_as_lines() {
    let world = World::new();
    let (status, answer) = world.post("/v1/logs/app/records", r#"{"stream":"auth","event":"login","text":"alice"}"#);
    assert_eq!((status, &answer["entries"][0]["seqno"], &answer["size"]), (201, &json!(1), &json!(1)));
    assert_eq!((&answer["signed"], &answer["anchored"]), (&json!(true), &json!(false)));
    let array =
        r#" [{"stream":"a","event":"e","severity":"error","producer":"p","b64":"/w=="},{"stream":"b","event":"e"}]"#;
    let (status, answer) = world.post("/v1/logs/app/records", array);
    assert_eq!((status, answer["entries"].as_array().unwrap().len(), &answer["size"]), (201, 2, &json!(3)));
    let head =
        world.head("all", "POST", "/v1/logs/app/records").with("content-type", "application/x-ndjson; charset=utf-8");
    let lines = "{\"stream\":\"a\",\"event\":\"e\"}\n\n{\"stream\":\"a\",\"event\":\"f\",\"text\":\"\\n\"}\r\n";
    assert_eq!(world.call(head, lines).0, 201);
    let (_, first) = world.get("/v1/logs/app/records/1");
    assert_eq!(
        (&first["producer"], &first["encoding"], &first["text"]),
        (&json!("all"), &json!("text"), &json!("alice"))
    );
    let (_, second) = world.get("/v1/logs/app/records/2");
    assert_eq!(
        (&second["producer"], &second["severity"], &second["b64"]),
        (&json!("p"), &json!("error"), &json!("/w=="))
    );
    assert_eq!(second["encoding"], "application/octet-stream");
    assert_eq!(world.get("/v1/logs/app/records/5").1["text"], "\n");
    assert_eq!(world.metric("secure_log_records_appended_total"), 5);
    assert!(world.metric("secure_log_commit_seconds_count") >= 3);
    assert!(world.metric("secure_log_signing_seconds_count") >= 3);
}

#[test]
fn what_is_no_record_is_refused_and_nothing_of_its_batch_is_written() {
    let world = World::new();
    let good = r#"{"stream":"a","event":"e"}"#;
    for (body, expected) in [
        ("", "malformed"),
        ("[]", "malformed"),
        ("{}", "malformed"),
        ("null", "malformed"),
        ("7", "malformed"),
        ("\"a\"", "malformed"),
        (r#"{"stream":"a"}"#, "malformed"),
        (r#"{"stream":"a","event":"e","colour":"red"}"#, "malformed"),
        (r#"{"stream":"a","event":"e","event":"f"}"#, "malformed"),
        (r#"{"stream":"a","event":"e","text":null}"#, "malformed"),
        (r#"{"stream":"a","event":"e","text":"x","b64":""}"#, "malformed"),
        (r#"{"stream":"a","event":"e","b64":"%"}"#, "malformed"),
        (r#"{"stream":"a","event":"e","severity":"Error"}"#, "malformed"),
        (r#"{"stream":7,"event":"e"}"#, "malformed"),
        (r#"{"stream":"","event":"e"}"#, "invalid"),
        (r#"{"stream":"a\n","event":"e"}"#, "invalid"),
        (r#"{"stream":"secure-log","event":"e"}"#, "invalid"),
        (r#"{"stream":"a","event":"secure-log.created"}"#, "invalid"),
        (r#"{"stream":"http/idempotency","event":"e"}"#, "invalid"),
        ("{\"stream\":\"a\",\"event\":\"e\"} x", "malformed"),
        ("\u{feff}{\"stream\":\"a\",\"event\":\"e\"}", "malformed"),
    ] {
        let (status, answer) = world.post("/v1/logs/app/records", body);
        assert_eq!((status, case(&answer)), (400, expected), "{body}: {answer}");
        let head = world.head("all", "POST", "/v1/logs/app/records").with("content-type", "application/json");
        assert_eq!(world.call_and_wait(head, body), (status, answer), "{body}: whoever waits for it");
        if body.starts_with('{') {
            assert_eq!(world.post("/v1/logs/app/records", &format!("[{good},{body}]")).0, 400, "{body}");
        }
    }
    let long = json!({ "stream": "x".repeat(256), "event": "e" });
    let (_, answer) = world.post("/v1/logs/app/records", &long.to_string());
    assert_eq!((&answer["limit"], &answer["found"], &answer["field"]), (&json!(255), &json!(256), &json!("stream")));
    assert_eq!(world.get("/v1/logs/app").1["size"], 0);
    assert!(world.metric("secure_log_records_dropped_total{reason=\"invalid\"}") > 20);
    assert_eq!(world.metric("secure_log_records_appended_total"), 0);
    // All of a batch count once it is read.
    let before = world.metric("secure_log_records_dropped_total{reason=\"invalid\"}");
    let reserved = r#"{"stream":"secure-log","event":"e"}"#;
    assert_eq!(world.post("/v1/logs/app/records", &format!("[{good},{good},{reserved}]")).0, 400);
    assert_eq!(world.metric("secure_log_records_dropped_total{reason=\"invalid\"}"), before + 3);
    for media_type in ["text/plain", "application/xml", ""] {
        let head = world.head("all", "POST", "/v1/logs/app/records").with("content-type", media_type);
        assert_eq!(world.call(head, good).0, 415);
    }
    assert_eq!(world.call(world.head("all", "POST", "/v1/logs/app/records"), good).0, 415);
    let bytes = world.head("all", "POST", "/v1/logs/app/records").with("content-type", "application/json");
    assert_eq!(world.api.handle(bytes, b"{\"stream\":\"\xff\",\"event\":\"e\"}").status, 400);
}

#[test]
fn an_append_that_a_thread_has_to_wait_for_is_none_that_is_done_at_once() {
    let world = World::new();
    let at_once = |head: Head, bytes| world.api.ready_log(&world.api.admit(head).unwrap(), bytes).is_some();
    let head = |method, target| world.head("all", method, target);
    let append = || head("POST", "/v1/logs/app/records");
    assert!(at_once(append(), 100));
    // A long body, one whose key is to be looked for, another operation, and logs that are not open or nobody's to append to.
    assert!(!at_once(append(), 100_000));
    assert!(!at_once(append().with("idempotency-key", "k"), 100));
    assert!(!at_once(head("GET", "/v1/logs/app/records"), 0));
    assert!(!at_once(head("POST", "/v1/logs/absent/records"), 100));
    assert!(!at_once(head("POST", "/v1/logs/service/records"), 100));
    let world = world.again();
    let append = world.head("all", "POST", "/v1/logs/app/records");
    assert!(world.api.ready_log(&world.api.admit(append).unwrap(), 100).is_none(), "the log is not open yet");
}

#[test]
fn a_key_makes_an_append_happen_once_also_after_a_restart() {
    let mut world = World::new();
    let body = r#"[{"stream":"a","event":"e","text":"1"},{"stream":"b","event":"e","text":"2"}]"#;
    let keyed = |world: &World, who: &str, key: &str, body: &str| {
        let head = world.head(who, "POST", "/v1/logs/app/records").with("content-type", "application/json");
        let response = world.api.handle(head.with("Idempotency-Key", key), body.as_bytes());
        let replayed = response.header("idempotency-replayed").is_some();
        let (status, text) = crate::world::text(response);
        (status, replayed, serde_json::from_str::<serde_json::Value>(&text).unwrap())
    };
    world.append("a", "before");
    let (status, replayed, first) = keyed(&world, "all", "k1", body);
    assert_eq!((status, replayed, first["entries"].as_array().unwrap().len()), (201, false, 2));
    world.append("a", "after");
    for _ in 0..2 {
        let (status, replayed, again) = keyed(&world, "all", "k1", body);
        assert_eq!((status, replayed, &again["entries"]), (201, true, &first["entries"]));
        assert_eq!(again["signed"], true);
        world = world.again();
    }
    let (status, _, problem) = keyed(&world, "all", "k1", r#"{"stream":"a","event":"e"}"#);
    assert_eq!((status, case(&problem)), (422, "idempotency-key-reused"));
    // A key of another token is another key.
    world.token("other", &[secure_log_http::token::Scope::Append], "*", None);
    let (status, replayed, other) = keyed(&world, "other", "k1", body);
    assert_eq!((status, replayed), (201, false));
    assert_ne!(other["entries"], first["entries"]);
    for key in ["", "a\tb", "a\u{7f}", &"k".repeat(256)] {
        assert_eq!(keyed(&world, "all", key, body).0, 400, "{key:?}");
    }
    // What is refused leaves the key free.
    assert_eq!(keyed(&world, "all", "k2", r#"{"stream":"secure-log","event":"e"}"#).0, 400);
    assert_eq!(keyed(&world, "all", "k2", body).0, 201);
    for key in ["", &"k".repeat(256)] {
        assert_eq!(keyed(&world, "all", key, body).0, 400);
    }
    let (_, page) = world.get(&format!("/v1/logs/app/records?stream={KEYS_STREAM}"));
    assert_eq!(page["entries"].as_array().unwrap().len(), 3);
    assert!(!page.to_string().contains("k1"), "keys are kept as hashes");
    assert_eq!(world.get("/v1/logs/app/verify").1["finding"], json!(null));
}

#[test]
fn requests_with_one_key_at_once_are_appended_once() {
    let world = World::new();
    let answers: Vec<(u16, serde_json::Value)> = std::thread::scope(|scope| {
        let call = |_| {
            scope.spawn(|| {
                let head = world.head("all", "POST", "/v1/logs/app/records").with("content-type", "application/json");
                world.call(head.with("idempotency-key", "k"), r#"{"stream":"a","event":"e"}"#)
            })
        };
        let calls: Vec<_> = (0..16).map(call).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(status, _)| [201, 409].contains(status)), "{answers:?}");
    assert!(answers.iter().any(|(status, _)| *status == 201));
    let (_, page) = world.get("/v1/logs/app/records?stream=a");
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn threads_that_append_share_commits() {
    let world = World::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let world = &world;
            scope.spawn(move || (0..20).for_each(|n| _ = world.append("a", &format!("{thread} {n}"))));
        }
    });
    assert_eq!(world.get("/v1/logs/app").1["size"], 160);
    assert_eq!(world.metric("secure_log_records_appended_total"), 160);
}
