use secure_log::memory::MemoryStore;
use secure_log::store::SecureLogStore;
use secure_log_testkit::{FaultStore, Faults, LogBuilder, SeededRandom, SharedStore, count, records_of, seed};

use super::*;

const TOKEN: &str = "a secret of the test";
const CONFIG: &str = "/data/secret/audit.db";

type Place = SharedStore<MemoryStore>;

fn endpoint() -> Endpoint {
    Endpoint::new(Some(TOKEN), Some(CONFIG))
}

fn request<'a>(method: &'a str, path: &'a str, authorization: Option<&'a str>) -> Request<'a> {
    Request { method, path, authorization: authorization.map(str::as_bytes), length: Some(10) }
}

/// A log with one entry.
fn place() -> Place {
    let mut log = LogBuilder::new();
    let mut store = MemoryStore::new();
    store.insert(&log.create()).unwrap();
    store.insert(&log.commit().entry("a", b"first").finish()).unwrap();
    SharedStore::new(store)
}

fn serve(place: &Place, body: &[u8]) -> Response {
    endpoint().serve(body, |_| Ok(place.clone()), |_, _| ())
}

#[test]
fn row_25_without_the_token_nothing_is_answered_but_the_health() {
    let right = format!("Bearer {TOKEN}");
    let status =
        |authorization| endpoint().admit(&request("POST", "/", authorization)).map_err(|refused| refused.status);
    assert_eq!(status(Some(&right)), Ok(()));
    let lower = format!("bearer {TOKEN}");
    assert_eq!(status(Some(&lower)), Ok(()));
    let longer = format!("{right}x");
    for wrong in [
        None,
        Some(""),
        Some("Bearer "),
        Some("Bearer"),
        Some(TOKEN),
        Some("Basic YTpi"),
        Some(&longer),
        Some(&right[..20]),
    ] {
        assert_eq!(status(wrong), Err(401), "{wrong:?}");
    }
    let health = endpoint().admit(&request("GET", "/healthz?deep", None)).unwrap_err();
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
}

#[test]
fn row_25_without_a_token_of_its_own_a_server_answers_nobody() {
    for token in [None, Some(""), Some(" ")] {
        let endpoint = Endpoint::new(token, Some(CONFIG));
        for authorization in [None, Some("Bearer "), Some("Bearer  ")] {
            let refused = endpoint.admit(&request("POST", "/", authorization)).unwrap_err();
            assert_eq!(refused.status, 503);
            assert!(refused.body.contains(TOKEN_VARIABLE));
        }
        assert_eq!(endpoint.admit(&request("GET", HEALTH_PATH, None)).unwrap_err().status, 200);
    }
}

#[test]
fn what_is_no_call_is_refused_before_its_body_is_read() {
    let right = format!("Bearer {TOKEN}");
    for method in ["GET", "PUT", "DELETE", "post"] {
        assert_eq!(endpoint().admit(&request(method, "/", Some(&right))).unwrap_err().status, 405);
    }
    let long = Request { length: Some(MAX_REQUEST_BYTES as u64 + 1), ..request("POST", "/", Some(&right)) };
    assert_eq!(endpoint().admit(&long).unwrap_err().status, 413);
    let unsaid = Request { length: None, ..long };
    assert_eq!(endpoint().admit(&unsaid), Ok(()));
}

#[test]
fn row_25_what_is_no_operation_opens_no_store_and_writes_nothing() {
    let never = |body: &str| {
        let open = |_: &str| -> Result<Place, StoreError> { panic!("the store is opened for {body}") };
        endpoint().serve(body.as_bytes(), open, |_, _| ()).status
    };
    assert_eq!(never(r#"{"method":"secure-log-drop","params":[]}"#), 404);
    assert_eq!(never(r#"{"method":"Init","params":[]}"#), 404);
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"method":1,"params":[]}"#,
        r#"{"method":"init"}"#,
        r#"{"method":"init","params":[],"id":1}"#,
        r#"{"method":"init","params":["#,
    ] {
        assert_eq!(never(body), 400, "{body}");
    }
    assert_eq!(endpoint().serve(b"\xff", |_| Ok(MemoryStore::new()), |_, _| ()).status, 400);
}

#[test]
fn wrong_arguments_are_refused_and_nothing_is_written() {
    let place = place();
    let before = place.with(|store| records_of(store).unwrap());
    let head = r#"{"size":0,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","sigs":[]}"#;
    let commit = |rows: &str, hashes: &str, entries: &str| {
        format!(
            r#"[{{"expected":null,"rows":[{rows}],"streams":["a"],"nodes":[],"index":[],"hashes":"{hashes}","entries":"{entries}"}}]"#
        )
    };
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let run = |streams: &str, lengths: &str| {
        format!(r#"{{"entries":{{"first":1,"streams":{streams},"lengths":{lengths}}}}}"#)
    };
    let inserts = [
        commit(&run("[0]", "[1,1]"), hash, "AAA="),
        commit(&run("[0]", "[4]"), hash, "AAAA"),
        commit(&run("[0]", "[2]"), hash, "AAAA"),
        commit(&run("[0]", "[4294967295]"), hash, "AAAA"),
        commit(&run("[1]", "[3]"), hash, "AAAA"),
        commit(&run("[0]", "[3]"), "", "AAAA"),
        commit(&run("[0]", "[3]"), "AAAA", "AAAA"),
        commit(&run("[0]", "[3]"), hash, "AA==A"),
        commit("", hash, ""),
        commit(r#"{"row":{"unknown":"mystery"}}"#, "", ""),
        commit(&format!(r#"{{"row":{{"pruned":{{"seqno":1,"stream-id":"a","hash":"{hash}"}}}}}}"#), "", ""),
        commit(&format!(r#"{{"row":{{"entry":{{"seqno":1,"stream-id":"a","hash":"{hash}","bytes":""}}}}}}"#), "", ""),
        commit(&format!(r#"{{"row":{{"head":{}}}}}"#, head.replace("AAAA", "")), "", ""),
        commit(r#"{"row":{"log":{"id":"AA==","origin":"a","created":"now"}}}"#, "", ""),
    ];
    let mut calls: Vec<(&str, String)> = inserts.into_iter().map(|params| ("secure-log-insert", params)).collect();
    for method in Method::ALL {
        for params in ["{}", "null", "[[[]]]", "[1,2,3,4,5]", r#"["a",{}]"#, "[-1]", "[1e3]", "[18446744073709551616]"]
        {
            calls.push((method.name(), params.into()));
        }
    }
    calls.push(("secure-log-heads", "[null,1025]".into()));
    calls.push(("secure-log-hashes", r#"["log",0,65537]"#.into()));
    calls.push(("secure-log-entries", r#"[{"stream-id":null,"from-seqno":1,"to-seqno":9,"limit":4097}]"#.into()));
    calls.push(("secure-log-scan", "[0,4194305]".into()));
    let indexed = |key: &str, limit: u32| {
        format!(r#"[{{"key":"{key}","from-seqno":1,"to-seqno":9,"newest-first":true,"limit":{limit}}}]"#)
    };
    calls.push(("secure-log-indexed", indexed("AAAAAAAAAAAAAAAAAAAAAA==", 65_537)));
    calls.push(("secure-log-indexed", indexed(hash, 1)));
    calls.push(("secure-log-index-rows", "[null,65537]".into()));
    calls.push(("secure-log-index-rows", r#"[{"key":"AA==","seqno":1},1]"#.into()));
    let rows = r#"{"row":{"log":{"id":"AQIDBAUGBwgJCgsMDQ4PEA==","origin":"a","created":"now"}}}"#;
    let in_commit = commit(rows, "", "").replace(r#""index":[]"#, r#""index":[{"key":"AAAA","seqno":1}]"#);
    calls.push(("secure-log-insert", in_commit));
    for (method, params) in calls {
        let said = serve(&place, format!(r#"{{"method":"{method}","params":{params}}}"#).as_bytes());
        assert_eq!(said.status, 400, "{method} {params}: {said:?}");
        assert!(said.body.len() < 500, "{said:?}");
    }
    assert_eq!(place.with(|store| records_of(store).unwrap()), before);
}

/// Bodies that somebody made up, and real ones with something changed in them.
#[test]
fn random_bodies_are_refused_or_answered_and_write_nothing() {
    let mut random = SeededRandom::new(seed());
    let place = place();
    let before = place.with(|store| records_of(store).unwrap());
    let mut late = LogBuilder::new();
    let insert = crate::wire::encode_commit(&late.create());
    let calls = [
        format!(r#"{{"method":"secure-log-insert","params":{insert}}}"#),
        r#"{"method":"secure-log-heads","params":[null,3]}"#.into(),
        r#"{"method":"secure-log-entries","params":[{"stream-id":"a","from-seqno":1,"to-seqno":9,"limit":9}]}"#.into(),
        r#"{"method":"secure-log-nodes","params":[[{"tree":{"segment":1},"level":4,"index":0}]]}"#.into(),
    ];
    for _ in 0..count(2000, 10_000) {
        let mut body = match random.below(3) {
            0 => {
                let length = random.below(200) as usize;
                random.bytes(length)
            }
            _ => random.pick(&calls).clone().into_bytes(),
        };
        for _ in 0..random.below(3) {
            if body.is_empty() {
                continue;
            }
            let place = random.below(body.len() as u64) as usize;
            match random.below(3) {
                0 => body.truncate(place),
                1 => body[place] = random.below(256) as u8,
                _ => body.insert(place, *random.pick(b"{}[]\",:0 \\")),
            }
        }
        let said = serve(&place, &body);
        assert!((200..500).contains(&said.status), "{said:?}");
    }
    assert_eq!(place.with(|store| records_of(store).unwrap()), before);
}

#[test]
fn errors_of_the_store_keep_their_case_and_lose_their_paths() {
    let errors = [
        StoreError::Io { operation: format!("open {CONFIG}"), detail: format!("'{CONFIG}-wal': No such file") },
        StoreError::Corrupt { at: format!("{CONFIG}: line 5"), detail: "see /var/log/x".into() },
        StoreError::Locked { detail: "by /proc/1 (../other)".into() },
        StoreError::Config(format!("there is no folder {:?}", "/data/secret")),
        StoreError::LaterVersion { at: CONFIG.into(), what: "version 9".into() },
    ];
    for error in errors {
        let faults = Faults::default();
        faults.answer(error.clone());
        faults.arm(secure_log_testkit::Fault::on_call(1, secure_log_testkit::Effect::FailsNotStored));
        let store = FaultStore::under(MemoryStore::new(), faults);
        let mut sound = true;
        let body = br#"{"method":"secure-log-segment-count","params":[]}"#;
        let said = endpoint().serve(body, |_| Ok(store), |_, was| sound = was);
        assert_eq!(said.status, 200);
        assert!(!sound, "it is opened anew");
        let told: Answer<u64> = from_json(&said.body, "the answer").unwrap();
        let Answer::Err(told) = told else { panic!("{said:?}") };
        let told = StoreError::from(told);
        assert_eq!(core::mem::discriminant(&told), core::mem::discriminant(&error));
        for secret in ["secret", "/proc", "../other", "/var"] {
            assert!(!said.body.contains(secret), "{}", said.body);
        }
        assert!(said.note.is_some(), "the operator is told");
        // The same where the store cannot be opened.
        let said = endpoint().serve(body, |_| Err::<MemoryStore, _>(error.clone()), |_, _| ());
        assert!(said.status == 200 && !said.body.contains("secret"), "{}", said.body);
    }
    let conflict = StoreError::Conflict { heads: Vec::new() };
    let said =
        endpoint().serve(br#"{"method":"init","params":["a",1]}"#, |_| Err::<MemoryStore, _>(conflict), |_, _| ());
    assert_eq!((said.body.as_str(), said.note), (r#"{"err":{"conflict":[]}}"#, None));
}

#[test]
fn a_server_that_was_not_told_its_store_says_so() {
    let endpoint = Endpoint::new(Some(TOKEN), None);
    let said = endpoint.serve(br#"{"method":"init","params":["a",1]}"#, |_| Ok(MemoryStore::new()), |_, _| ());
    assert!(said.body.contains(CONFIG_VARIABLE), "{said:?}");
}

#[test]
fn row_31_nothing_shows_the_token() {
    assert!(!format!("{:?}", endpoint()).contains("secret of the test"));
    assert!(!format!("{:?}", endpoint()).contains(&Hash::sha256(TOKEN.as_bytes()).to_hex()));
}

#[test]
fn another_version_is_told_so() {
    let said = serve(&place(), br#"{"method":"init","params":["a",2]}"#);
    assert!(said.status == 200 && said.body.contains(r#"{"err":{"config":"version 1"#), "{said:?}");
}
